"""NumPy's universal functions, and what behaves like them, on lazy arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._apply import Expr, apply_out, blockwise_elementwise, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.elementwise import as_operand, elemwise, frompyfunc, ufunc
from raskr.array.elementwise import da_frompyfunc as da_frompyfunc

# The class `ufunc` is left out: its name is that of this module.
__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
    "arctan2", "arctanh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "cbrt", "ceil", "clip",
    "conj", "conjugate", "copysign", "cos", "cosh", "deg2rad", "degrees", "divide", "divmod", "elemwise", "equal",
    "exp", "exp2", "expm1", "fabs", "fix", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "frexp",
    "frompyfunc", "gcd", "greater", "greater_equal", "heaviside", "hypot", "i0", "imag", "invert", "iscomplex",
    "isfinite", "isinf", "isnan", "isnat", "isneginf", "isposinf", "isreal", "lcm", "ldexp", "left_shift", "less",
    "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not",
    "logical_or", "logical_xor", "maximum", "minimum", "mod", "modf", "multiply", "nan_to_num", "negative",
    "nextafter", "not_equal", "positive", "pow", "power", "rad2deg", "radians", "real", "reciprocal", "remainder",
    "right_shift", "rint", "sign", "signbit", "sin", "sinc", "sinh", "spacing", "sqrt", "square", "subtract", "tan",
    "tanh", "true_divide", "trunc",
]  # fmt: skip

_BOOL = np.dtype(bool)


def _make(name: str) -> ufunc:
    return ufunc(getattr(np, name))


# arithmetic
add = _make("add")
subtract = _make("subtract")
multiply = _make("multiply")
divide = _make("divide")
true_divide = _make("true_divide")
floor_divide = _make("floor_divide")
negative = _make("negative")
positive = _make("positive")
power = _make("power")
float_power = _make("float_power")
remainder = _make("remainder")
mod = _make("mod")
fmod = _make("fmod")
conj = conjugate = _make("conj")
exp = _make("exp")
exp2 = _make("exp2")
log = _make("log")
log2 = _make("log2")
log10 = _make("log10")
log1p = _make("log1p")
expm1 = _make("expm1")
logaddexp = _make("logaddexp")
logaddexp2 = _make("logaddexp2")
sqrt = _make("sqrt")
square = _make("square")
cbrt = _make("cbrt")
reciprocal = _make("reciprocal")
gcd = _make("gcd")
lcm = _make("lcm")
heaviside = _make("heaviside")
# trigonometry
sin = _make("sin")
cos = _make("cos")
tan = _make("tan")
arcsin = _make("arcsin")
arccos = _make("arccos")
arctan = _make("arctan")
arctan2 = _make("arctan2")
hypot = _make("hypot")
sinh = _make("sinh")
cosh = _make("cosh")
tanh = _make("tanh")
arcsinh = _make("arcsinh")
arccosh = _make("arccosh")
arctanh = _make("arctanh")
deg2rad = _make("deg2rad")
rad2deg = _make("rad2deg")
degrees = _make("degrees")
radians = _make("radians")
# comparison and logic
greater = _make("greater")
greater_equal = _make("greater_equal")
less = _make("less")
less_equal = _make("less_equal")
not_equal = _make("not_equal")
equal = _make("equal")
logical_and = _make("logical_and")
logical_or = _make("logical_or")
logical_xor = _make("logical_xor")
logical_not = _make("logical_not")
maximum = _make("maximum")
minimum = _make("minimum")
fmax = _make("fmax")
fmin = _make("fmin")
# bits
bitwise_and = _make("bitwise_and")
bitwise_or = _make("bitwise_or")
bitwise_xor = _make("bitwise_xor")
bitwise_not = _make("bitwise_not")
invert = bitwise_invert = _make("invert")
left_shift = bitwise_left_shift = _make("left_shift")
right_shift = bitwise_right_shift = _make("right_shift")
# floating point
isfinite = _make("isfinite")
isinf = _make("isinf")
isnan = _make("isnan")
isnat = _make("isnat")
signbit = _make("signbit")
copysign = _make("copysign")
nextafter = _make("nextafter")
spacing = _make("spacing")
ldexp = _make("ldexp")
floor = _make("floor")
ceil = _make("ceil")
trunc = _make("trunc")
rint = _make("rint")
fabs = _make("fabs")
sign = _make("sign")
absolute = abs = _make("absolute")
# names of the array API standard
acos, acosh, asin, asinh, atan, atanh, atan2, pow = (
    arccos, arccosh, arcsin, arcsinh, arctan, arctanh, arctan2, power
)  # fmt: skip


# --- functions of NumPy's that are no ufuncs but work element by element --------------------------------------------
def elementwise_function(numpy_function: Callable[..., Any]) -> Callable[..., Any]:
    """Completes a lazy version of a NumPy function: calls that hold no lazy array go to NumPy itself.

    Frames become arrays of their values, since these functions of NumPy's would compute them.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if any(isinstance(x, Array) for x in args) or any(isinstance(x, Array) for x in kwargs.values()):
                return function(*args, **kwargs)
            if args and hasattr(type(args[0]), "to_dask_array"):
                return function(args[0].to_dask_array(), *args[1:], **kwargs)
            return numpy_function(*args, **kwargs)

        return like_numpy(numpy_function)(call)

    return decorate


def _has_native(name: str, x: Array) -> bool:
    return x._expr.native and Expr.elementwise_dtype(name, [x.dtype]) is not None


def _unary(name: str, numpy_function: Callable[..., Any], x: Array) -> Array:
    """A function of one array that is no ufunc in NumPy, native where the engine knows its name."""
    if _has_native(name, x):
        return wrap(Expr.elementwise(name, [x._expr], [x.dtype]))
    return blockwise_elementwise(numpy_function, [x], label=name)


@elementwise_function(np.real)
def real(x: Any) -> Any:
    """The real part of the elements, lazily.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.real(da.asarray([1 + 2j, 3 + 4j])).compute()
    array([1., 3.])
    """
    return _unary("real", np.real, x) if x.dtype.kind not in "biufmM" else x


@elementwise_function(np.imag)
def imag(x: Any) -> Any:
    """The imaginary part of the elements, lazily.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.imag(da.asarray([1 + 2j, 3 + 4j])).compute()
    array([2., 4.])
    """
    if x._expr.native and x.dtype.kind in "biuf" and not any(map(np.isnan, x.shape)):
        return wrap(Expr.full(x.chunks, x.dtype, 0, label="imag"))
    return _unary("imag", np.imag, x)


@elementwise_function(np.angle)
def angle(x: Any, deg: bool = False) -> Any:
    """The angle of complex elements in radians, or with `deg` in degrees, lazily.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.angle(da.asarray([1, 1j, -1]), deg=True).compute()
    array([  0.,  90., 180.])
    """
    if not x._expr.native or x.dtype.kind not in "biufc":
        return blockwise_elementwise(functools.partial(np.angle, deg=bool(deg)), [x], label="angle")
    x = x.astype(float) if x.dtype.kind == "b" else x
    radians_of = arctan2(x.imag, x.real) if x.dtype.kind == "c" else arctan2(np.zeros((), x.dtype)[()], x)
    return radians_of * (180 / np.pi) if deg else radians_of


@elementwise_function(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """Round towards zero, lazily.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.fix(da.asarray([1.7, -1.7])).compute()
    array([ 1., -1.])
    """
    if x._expr.native and x.dtype.kind == "f":
        return trunc(x, out=out)
    return apply_out(blockwise_elementwise(np.fix, [x], label="fix"), out)


@elementwise_function(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    """Whether elements are positive infinity, lazily.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.isposinf(da.asarray([np.inf, -np.inf])).compute()
    array([ True, False])
    """
    return apply_out(logical_and(isinf(x), logical_not(signbit(x))), out)


@elementwise_function(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    """Whether elements are negative infinity, lazily.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.isneginf(da.asarray([np.inf, -np.inf])).compute()
    array([False,  True])
    """
    return apply_out(logical_and(isinf(x), signbit(x)), out)


@elementwise_function(np.isreal)
def isreal(x: Any) -> Any:
    """Whether elements have no imaginary part, lazily.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.isreal(da.asarray([1 + 0j, 1j])).compute()
    array([ True, False])
    """
    if x._expr.native and x.dtype.kind in "biufc":
        return equal(x.imag, 0)
    return blockwise_elementwise(np.isreal, [x], label="isreal")


@elementwise_function(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Whether elements have an imaginary part, lazily.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.iscomplex(da.asarray([1 + 0j, 1j])).compute()
    array([False,  True])
    """
    if x._expr.native and x.dtype.kind in "biufc":
        return not_equal(x.imag, 0)
    return blockwise_elementwise(np.iscomplex, [x], label="iscomplex")


@elementwise_function(np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, order 0, lazily.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.i0(da.asarray([0.0, 1.0])).compute().round(6)
    array([1.      , 1.266066])
    """
    return blockwise_elementwise(np.i0, [x], label="i0")


@elementwise_function(np.sinc)
def sinc(x: Any) -> Any:
    """The normalised sinc function, lazily.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.sinc(da.asarray([0.0, 0.5])).compute().round(6)
    array([1.     , 0.63662])
    """
    if not x._expr.native or x.dtype.kind not in "iuf":
        return blockwise_elementwise(np.sinc, [x], label="sinc")
    x = x if x.dtype.kind == "f" else x.astype(float)
    angles = x * np.pi
    return _where(equal(x, 0), np.ones((), x.dtype)[()], sin(angles) / angles)


@elementwise_function(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Replace NaN and infinities by numbers, lazily. The input is never changed, whatever `copy` says.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nan_to_num(da.asarray([1.0, np.nan])).compute()
    array([1., 0.])
    """
    if x._expr.native and x.dtype.kind in "biu":
        return x
    if not x._expr.native or x.dtype.kind != "f" or not _all_scalars(nan, posinf, neginf):
        replace = functools.partial(np.nan_to_num, nan=nan, posinf=posinf, neginf=neginf)
        return blockwise_elementwise(replace, [x], label="nan_to_num")
    limits = np.finfo(x.dtype)
    low, high = limits.min if neginf is None else neginf, limits.max if posinf is None else posinf
    nan, low, high = (np.asarray(value).astype(x.dtype)[()] for value in (nan, low, high))
    finite = _where(isinf(x), _where(signbit(x), low, high), x)
    return _where(isnan(x), nan, finite)


def _all_scalars(*values: Any) -> bool:
    """Whether values are None or plain numbers."""
    return all(value is None or isinstance(value, (bool, int, float, np.generic)) for value in values)


def _where(condition: Array, x: Any, y: Any) -> Array:
    from raskr.array.routines import where

    return where(condition, x, y)


def clip(*args: Any, **kwargs: Any) -> Any:
    """Limit the elements to an interval, lazily: ``clip(a, min, max)``; either limit may be None or left out.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.clip(da.arange(6, chunks=3), 1, 4).compute()
    array([1, 1, 2, 3, 4, 4])
    """
    if not any(isinstance(x, Array) for x in (*args, *kwargs.values())):
        return np.clip(*args, **kwargs)
    return _clip(*args, **kwargs)


def _clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    dtype: Any = None,
) -> Array:
    from raskr.array.core import asanyarray

    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = asanyarray(a)
    if low is None and high is None:
        result = positive(a) if a.dtype != _BOOL else a
    elif low is None:
        result = elemwise(np.minimum, a, high, dtype=dtype)
    elif high is None:
        result = elemwise(np.maximum, a, low, dtype=dtype)
    elif a.dtype.kind in "biufmM" and not a._expr.native:
        result = blockwise_elementwise(np.clip, [a, as_operand(low), as_operand(high)], label="clip")
    else:
        result = elemwise(np.minimum, elemwise(np.maximum, a, low, dtype=dtype), high, dtype=dtype)
    return apply_out(result, out)


clip = like_numpy(np.clip)(clip)


# --- several results ----------------------------------------------------------------------------------------------
class _Output:
    """One of the results of a ufunc that has several."""

    def __init__(self, function: np.ufunc, number: int):
        self.function = function
        self.number = number
        self.__name__ = function.__name__

    def __call__(self, *blocks: Any) -> Any:
        return self.function(*blocks)[self.number]


def _outputs(function: np.ufunc, *args: Any) -> tuple[Array, ...]:
    from raskr.array.core import asanyarray

    operands = [as_operand(x) for x in args]
    if not any(isinstance(x, Array) for x in operands):
        operands[0] = asanyarray(operands[0])
    return tuple(
        blockwise_elementwise(_Output(function, number), operands, label=function.__name__)
        for number in range(function.nout)
    )


@like_numpy(np.modf)
def modf(x: Any) -> tuple[Array, Array]:
    """The fractional and the integral parts of the elements, as two lazy arrays.

    Examples
    --------
    >>> import raskr.array as da
    >>> fraction, whole = da.modf(da.asarray([1.5, -2.25]))
    >>> fraction.compute(), whole.compute()
    (array([ 0.5 , -0.25]), array([ 1., -2.]))
    """
    if isinstance(x, Array) and x._expr.native and x.dtype.kind == "f":
        whole = trunc(x)
        rest = _where(isinf(x), np.zeros((), x.dtype)[()], x - whole)
        return copysign(rest, x), whole
    return _outputs(np.modf, x)


@like_numpy(np.frexp)
def frexp(x: Any) -> tuple[Array, Array]:
    """The mantissas and the exponents of the elements, as two lazy arrays.

    Examples
    --------
    >>> import raskr.array as da
    >>> mantissa, exponent = da.frexp(da.asarray([1.0, 6.0]))
    >>> mantissa.compute(), exponent.compute()
    (array([0.5 , 0.75]), array([1, 3], dtype=int32))
    """
    return _outputs(np.frexp, x)


@like_numpy(np.divmod)
def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """The floor quotients and the remainders, as two lazy arrays.

    Examples
    --------
    >>> import raskr.array as da
    >>> quotient, rest = da.divmod(da.arange(4, chunks=2), 2)
    >>> quotient.compute(), rest.compute()
    (array([0, 0, 1, 1]), array([0, 1, 0, 1]))
    """
    return floor_divide(x, y), remainder(x, y)
