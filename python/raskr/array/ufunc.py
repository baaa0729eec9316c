"""NumPy's universal functions, and what behaves like them, on lazy arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskr.array._apply import (
    SCALARS,
    Expr,
    apply_out,
    blockwise_elementwise,
    check_broadcast,
    is_node_source,
    name_of,
    wrap,
)
from raskr.array._docs import compose, like_numpy
from raskr.array.chunk_types import is_valid_array_type
from raskr.array.collection import Array
from raskr.array.utils import is_native_dtype

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
_WEAK = (int, float, complex)
_ATTRIBUTES = ("nin", "nargs", "nout", "ntypes", "identity", "signature", "types")


# --- operands -----------------------------------------------------------------------------------------------------
def _foreign(x: Any) -> bool:
    """Whether another library's type should handle the operation: it has its own idea of NumPy's functions."""
    if isinstance(x, (Array, np.ndarray, list, tuple, *SCALARS)) or is_node_source(x):
        return False
    kind = type(x)
    if getattr(kind, "__array_ufunc__", False) is None:
        return True
    if hasattr(kind, "__array_ufunc__") or hasattr(kind, "__array_priority__"):
        return not is_valid_array_type(kind)
    return False


def as_operand(x: Any) -> Any:
    """An Array, a scalar that every block takes whole, or a lazy value that is no array."""
    if isinstance(x, (Array, *SCALARS)) or is_node_source(x):
        return x
    from raskr.array.core import asanyarray

    if isinstance(x, (list, tuple)):
        x = np.asarray(x)
    if isinstance(x, np.ndarray) and x.ndim == 0 and type(x) is np.ndarray:
        return x[()]
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return asanyarray(x)
    return x


@functools.lru_cache(maxsize=4096)
def _native_loop(
    function: np.ufunc, operands: tuple[Any, ...], dtype: np.dtype[Any] | None, casting: str
) -> tuple[tuple[np.dtype[Any], ...], np.dtype[Any]] | None:
    """What NumPy casts the operands to and what it gives, where the engine has that loop; else None."""
    signature = None if dtype is None else (None,) * function.nin + (dtype,)
    try:
        resolved = function.resolve_dtypes((*operands, None), signature=signature, casting=casting)
    except TypeError:
        return None
    inputs, result = resolved[:-1], resolved[-1]
    if not all(is_native_dtype(d) for d in resolved):
        return None
    for given, wanted in zip(operands, inputs):
        # A change of the unit of dates multiplies; that is NumPy's business.
        if wanted.kind in "mM" and given != wanted:
            return None
    if Expr.elementwise_dtype(function.__name__, list(inputs)) != result:
        return None
    return inputs, result


def _native(function: np.ufunc, operands: Sequence[Any], dtype: np.dtype[Any] | None, casting: str) -> Array | None:
    """The operation as an expression of the engine's own, or None where NumPy has to do it block by block."""
    kinds = []
    for x in operands:
        if isinstance(x, Array):
            if not x._expr.native:
                return None
            kinds.append(x._expr.dtype)
        elif type(x) in _WEAK:
            kinds.append(type(x))
        elif isinstance(x, np.generic):
            kinds.append(x.dtype)
        elif type(x) is bool:
            kinds.append(_BOOL)
        else:
            return None
    loop = _native_loop(function, tuple(kinds), dtype, casting)
    if loop is None:
        return None
    return native_call(function.__name__, operands, loop[0])


@functools.lru_cache(maxsize=4096)
def _has_loop(name: str, dtypes: tuple[np.dtype[Any], ...]) -> bool:
    return all(is_native_dtype(d) for d in dtypes) and Expr.elementwise_dtype(name, list(dtypes)) is not None


def native_call(name: str, operands: Sequence[Any], dtypes: Sequence[np.dtype[Any]]) -> Array | None:
    """An operation of the engine's on operands cast to `dtypes`; None where it has none for them."""
    if not _has_loop(name, tuple(dtypes)):
        return None
    exprs = []
    for x, wanted in zip(operands, dtypes):
        if isinstance(x, Array):
            if not x._expr.native or (wanted.kind in "mM" and x.dtype != wanted):
                return None
            exprs.append(x._expr)
            continue
        if type(x) is int and wanted.kind in "iu" and not np.iinfo(wanted).min <= x <= np.iinfo(wanted).max:
            return None
        try:
            exprs.append(Expr.full((), wanted, np.asarray(x).astype(wanted)[()]))
        except (OverflowError, ValueError, TypeError):
            return None
    check_broadcast([x.shape for x in operands if isinstance(x, Array)], name)
    return wrap(Expr.elementwise(name, exprs, list(dtypes)))


def _keeps_block_result(function: Any, dtype: Any, *blocks: Any, **kwargs: Any) -> Any:
    """The function's result in the element type that was asked for."""
    result = function(*blocks, **kwargs)
    return result.astype(dtype) if hasattr(result, "astype") else np.asarray(result, dtype=dtype)


def elemwise(
    op: Callable[..., Any],
    *args: Any,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    name: str | None = None,
    **kwargs: Any,
) -> Array:
    """Apply a function of NumPy's broadcasting kind to arrays, block by block.

    Parameters
    ----------
    op : callable
        A ufunc, or any function that broadcasts its arguments and works element by element.
    *args : array_like or scalar
        What it is applied to. Arrays are rechunked where their chunks differ.
    out : Array, optional
        Becomes the result.
    where : bool or array_like of bool, optional
        Where it is False, the result has the elements of `out`, or zeros when there is no `out`.
    dtype : dtype, optional
        Element type of the result; by default what `op` gives for empty arrays.
    name : str, optional
        The name of the result.

    Raises
    ------
    ValueError
        When the shapes do not broadcast together.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> from raskr.array.ufunc import elemwise
    >>> elemwise(np.add, da.arange(4, chunks=2), 10).compute()
    array([10, 11, 12, 13])
    """
    casting = kwargs.pop("casting", "same_kind")
    if kwargs:
        raise TypeError(f"{name_of(op)} does not take the keyword arguments {sorted(kwargs)}")
    operands = [as_operand(x) for x in args]
    wanted = None if dtype is None else np.dtype(dtype)
    result = None
    if isinstance(op, np.ufunc) and op.nout == 1 and op.signature is None and len(operands) == op.nin:
        result = _native(op, operands, wanted, casting)
    if result is None:
        result = _by_blocks(op, operands, wanted, casting)
    if where is not True:
        result = _masked(op, result, where, out)
    if name is not None:
        result = wrap(result._expr.with_name(name), result._meta)
    return result if out is None else apply_out(result, out)


def _by_blocks(op: Any, operands: Sequence[Any], dtype: np.dtype[Any] | None, casting: str) -> Array:
    """The operation done by NumPy (or the blocks' own library), one block at a time."""
    if not any(isinstance(x, Array) for x in operands):
        from raskr.array.core import asanyarray

        operands = [x if is_node_source(x) else asanyarray(x) for x in operands]
    if isinstance(op, np.ufunc):
        extra = {} if dtype is None else {"dtype": dtype}
        if casting != "same_kind":
            extra["casting"] = casting
        return blockwise_elementwise(op, operands, kwargs=extra, label=op.__name__)
    if dtype is not None:
        return blockwise_elementwise(
            functools.partial(_keeps_block_result, op, dtype), operands, dtype=dtype, label=name_of(op)
        )
    return blockwise_elementwise(op, operands, label=name_of(op))


def _masked(op: Any, result: Array, where: Any, out: Any) -> Array:
    """`result` where `where` holds, the elements of `out` (zeros without it) elsewhere."""
    from raskr.array.core import asanyarray, broadcast_to
    from raskr.array.routines import where as choose

    if isinstance(out, tuple):
        (out,) = out
    mask = asanyarray(where)
    if mask.dtype != _BOOL:
        raise TypeError(f"where of {name_of(op)} takes booleans, not {mask.dtype}")
    if out is None:
        return choose(mask, result, np.zeros((), dtype=result.dtype)[()])
    if not isinstance(out, Array):
        return choose(mask, result, asanyarray(out))
    check_broadcast([out.shape, mask.shape, result.shape], name_of(op))
    kept = wrap(out._expr, out._meta)
    return choose(mask, broadcast_to(result.astype(out.dtype), out.shape), kept)


# --- ufunc objects ------------------------------------------------------------------------------------------------
class ufunc:
    """A universal function of NumPy's that stays lazy when any argument is an `Array`.

    Arguments that hold no lazy array are given to NumPy itself. `out` takes an `Array`, which becomes the result;
    with `where`, elements that are left out are those of `out`, or zeros when there is none. The attributes `nin`,
    `nout`, `nargs`, `ntypes`, `types`, `identity` and `signature` are NumPy's.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.sqrt(da.arange(5, chunks=2) ** 2).compute()
    array([0., 1., 2., 3., 4.])
    """

    def __init__(self, ufunc: Any):
        if not isinstance(ufunc, (np.ufunc, da_frompyfunc)):
            raise TypeError(f"expected a numpy.ufunc or a frompyfunc, not {type(ufunc).__name__}")
        self._ufunc = ufunc
        self.__name__ = ufunc.__name__
        if isinstance(ufunc, np.ufunc):
            summary = f"`numpy.{ufunc.__name__}`, block by block and lazily, when an argument is an `Array`."
            self.__doc__ = compose(
                f"{summary} Otherwise NumPy's own result.", ufunc, f"numpy.{ufunc.__name__}"
            )

    def __getattr__(self, key: str) -> Any:
        if key in _ATTRIBUTES:
            return getattr(self._ufunc, key)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_ATTRIBUTES]

    def __repr__(self) -> str:
        return repr(self._ufunc)

    def __reduce__(self) -> Any:
        return (type(self), (self._ufunc,))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out")
        lazy = (*args, kwargs.get("where"), *(out if isinstance(out, tuple) else (out,)))
        if not any(isinstance(x, Array) for x in lazy):
            if any(is_node_source(x) and not _foreign(x) for x in args):
                return elemwise(self._ufunc, *args, **kwargs)
            return self._ufunc(*args, **kwargs)
        if any(_foreign(x) for x in args):
            return NotImplemented
        if len(args) != self._ufunc.nin:
            raise TypeError(f"{self.__name__}() takes {self._ufunc.nin} arguments, {len(args)} were given")
        return elemwise(self._ufunc, *args, **kwargs)

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        """Apply the function to every pair of an element of `A` and an element of `B`.

        The result has the axes of `A`, then those of `B`. Keyword arguments are those of a call; `out` is not supported.
        """
        if self.nin != 2:
            raise ValueError(f"outer product only supported for binary functions: {self.__name__} takes {self.nin}")
        if "out" in kwargs:
            raise ValueError("outer takes no out: its result is a new array")
        if not (isinstance(A, Array) or isinstance(B, Array)):
            return self._ufunc.outer(A, B, **kwargs)
        from raskr.array.core import asanyarray

        ndim_b = B.ndim if isinstance(B, Array) else np.ndim(B)
        if isinstance(A, (list, tuple, np.ndarray)) and np.ndim(A):
            A = asanyarray(A)
        if isinstance(A, Array):
            A = A[(...,) + (None,) * ndim_b]
        return self(A, B, **kwargs)


class da_frompyfunc:
    """A Python function made into a ufunc by `numpy.frompyfunc`, that can be pickled."""

    def __init__(self, func: Callable[..., Any], nin: int, nout: int):
        self._ufunc = np.frompyfunc(func, nin, nout)
        self._func = func
        self.nin = nin
        self.nout = nout
        self._name = name_of(func)
        self.__name__ = f"frompyfunc-{self._name}"

    def __repr__(self) -> str:
        return f"da.frompyfunc<{self._name}, {self.nin}, {self.nout}>"

    def __reduce__(self) -> Any:
        return (da_frompyfunc, (self._func, self.nin, self.nout))

    def __dask_tokenize__(self) -> Any:
        from raskr.base import normalize_token

        return (normalize_token(self._func), self.nin, self.nout)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ufunc(*args, **kwargs)

    def __getattr__(self, key: str) -> Any:
        if not key.startswith("_") and hasattr(np.ufunc, key):
            return getattr(self._ufunc, key)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in dir(np.ufunc) if not name.startswith("_"))]


def frompyfunc(func: Callable[..., Any], nin: int, nout: int) -> ufunc:
    """A ufunc that calls a Python function for every element; its results have the dtype object.

    Parameters
    ----------
    func : callable
        Called with `nin` scalars.
    nin, nout : int
        Numbers of inputs and outputs; one output is supported.

    Examples
    --------
    >>> import raskr.array as da
    >>> larger = da.frompyfunc(max, 2, 1)
    >>> larger(da.arange(4, chunks=2), 2).compute()
    array([2, 2, 2, 3], dtype=object)
    """
    if nout > 1:
        raise NotImplementedError(f"frompyfunc with {nout} outputs: only one output is supported")
    return ufunc(da_frompyfunc(func, nin, nout))


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
    """Completes a lazy version of a NumPy function: calls that hold no lazy array go to NumPy itself."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if any(isinstance(x, Array) for x in args) or any(isinstance(x, Array) for x in kwargs.values()):
                return function(*args, **kwargs)
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
    if x._expr.native and x.dtype.kind in "biuf":
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
    return blockwise_elementwise(functools.partial(np.angle, deg=bool(deg)), [x], label="angle")


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
    return blockwise_elementwise(np.sinc, [x], label="sinc")


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
    replace = functools.partial(np.nan_to_num, nan=nan, posinf=posinf, neginf=neginf)
    return blockwise_elementwise(replace, [x], label="nan_to_num")


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
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, dtype: Any = None
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
