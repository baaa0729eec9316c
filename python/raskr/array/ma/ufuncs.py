"""NumPy's masked universal functions, and what behaves like them, on lazy arrays."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np

from raskr.array._apply import apply_out, is_node_source, normalize_axis
from raskr.array.collection import Array
from raskr.array.ma._blocks import (
    along_whole_axes,
    each,
    elementwise,
    lazy,
    like_masked,
    masked,
    operand,
    settled,
)

__all__ = [
    "MaskedUfunc", "abs", "absolute", "add", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "around", "bitwise_and", "bitwise_or", "bitwise_xor", "ceil", "choose", "clip", "conjugate", "cos", "cosh", "divide", "equal", "exp", "fabs", "floor", "floor_divide", "fmod", "greater", "greater_equal", "hypot", "left_shift", "less", "less_equal", "log", "log10", "log2", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "mod", "multiply", "negative", "not_equal", "power", "remainder", "right_shift", "round", "round_", "sin", "sinh", "sqrt", "subtract", "tan", "tanh", "true_divide",
]  # fmt: skip

#: What may follow the arrays of those that are no true ufuncs.
_FURTHER = {"angle": ("deg",), "around": ("decimals",)}
#: Reductions by these are those of the module's functions, which are trees over the blocks.
_REDUCTIONS = {
    "add": "sum", "multiply": "prod", "logical_and": "all", "logical_or": "any", "maximum": "max", "minimum": "min",
}  # fmt: skip


def _reduced_block(name: str, axis: Any, dtype: Any, block: Any) -> Any:
    function = getattr(np.ma, name)
    if name in ("maximum", "minimum"):
        return function.reduce(block, axis=axis)
    return function.reduce(block, axis=axis, dtype=dtype)


def _accumulated_block(name: str, axis: int, block: Any) -> Any:
    return getattr(np.ma, name).accumulate(block, axis)


class MaskedUfunc:
    """A masked universal function of NumPy's that stays lazy when any argument is an `Array`.

    Results are masked where an argument is, and where the function is not defined, such as a logarithm of -1.
    Arguments that hold no lazy array are given to NumPy itself.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.log(da.asarray([1.0, -1.0])).compute()
    masked_array(data=[0.0, --],
                 mask=[False,  True],
           fill_value=1e+20)
    """

    def __init__(self, name: str, nin: int):
        self.__name__ = name
        self.nin = nin
        self._function = getattr(np.ma, name)
        text = f"`numpy.ma.{name}`, block by block and lazily, when an argument is an `Array`. Otherwise NumPy's own result."
        self.__doc__ = f"{text}\n\nMasked where an argument is masked, and where the function is not defined.\n"
        self.__signature__ = inspect.signature(self._function)

    def __repr__(self) -> str:
        return f"<masked ufunc {self.__name__!r}>"

    def __reduce__(self) -> Any:
        return (MaskedUfunc, (self.__name__, self.nin))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(x, Array) or is_node_source(x) for x in args):
            return self._function(*args, **kwargs)
        if "out" in kwargs or "where" in kwargs:
            raise TypeError(f"da.ma.{self.__name__} takes neither out nor where: its result is a new array")
        if self.nin == 2 and len(args) == 1 and self.__name__ in ("maximum", "minimum"):
            return self.reduce(args[0], axis=None)
        if len(args) < self.nin:
            raise TypeError(f"da.ma.{self.__name__} takes {self.nin} arguments, {len(args)} were given")
        further = dict(zip(_FURTHER.get(self.__name__, ()), args[self.nin :]))
        if len(args) > self.nin + len(further):
            raise TypeError(f"da.ma.{self.__name__} takes {self.nin} arguments, {len(args)} were given")
        return elementwise(self.__name__, *args[: self.nin], **further, **kwargs)

    def reduce(self, target: Any, axis: Any = 0, dtype: Any = None) -> Any:
        """The function between all elements along an axis, or of the whole array where it is None; masked ones do not
        count."""
        self._need_method("reduce")
        if not isinstance(target, Array):
            return _reduced_block(self.__name__, axis, dtype, target)
        name = _REDUCTIONS.get(self.__name__)
        if name is not None:
            from raskr.array.ma import reductions

            options = {"dtype": dtype} if name in ("sum", "prod") else {}
            return getattr(reductions, name)(target, axis=axis, **options)
        target = masked(target)
        axes = tuple(range(target.ndim)) if axis is None else (normalize_axis(axis, target.ndim),)
        if axis is None and target.ndim > 1:
            target, axes = target.reshape(-1), (0,)
        call = functools.partial(settled, _reduced_block, self.__name__, axes[0] if axes else None, dtype)
        one = call(np.ma.ones((1,) * target.ndim, dtype=target.dtype))
        return along_whole_axes(call, target, axes, np.asarray(one).dtype, label=self.__name__)

    def accumulate(self, target: Any, axis: int = 0) -> Any:
        """What the function gives for the elements so far along an axis; masked ones count as the neutral element."""
        self._need_method("accumulate")
        if not isinstance(target, Array):
            return self._function.accumulate(target, axis)
        target = masked(target)
        axis = normalize_axis(axis, target.ndim)
        call = functools.partial(_accumulated_block, self.__name__, axis)
        dtype = np.ma.asanyarray(self._function.accumulate(np.ma.ones((1,), dtype=target.dtype))).dtype
        return along_whole_axes(call, target, (axis,), dtype, kept=True, label=self.__name__)

    def outer(self, a: Any, b: Any) -> Any:
        """The function of every pair of an element of `a` and one of `b`: the axes of `a`, then those of `b`."""
        self._need_method("outer")
        if not (isinstance(a, Array) or isinstance(b, Array)):
            return self._function.outer(a, b)
        a, b = lazy(a), lazy(b)
        return self(a[(..., *(None,) * b.ndim)], b)

    def _need_method(self, method: str) -> None:
        if not hasattr(self._function, method):
            raise AttributeError(f"numpy.ma.{self.__name__} has no {method}, and neither has this function")


# one argument
abs = MaskedUfunc("abs", 1)
absolute = MaskedUfunc("absolute", 1)
angle = MaskedUfunc("angle", 1)
arccos = MaskedUfunc("arccos", 1)
arccosh = MaskedUfunc("arccosh", 1)
arcsin = MaskedUfunc("arcsin", 1)
arcsinh = MaskedUfunc("arcsinh", 1)
arctan = MaskedUfunc("arctan", 1)
arctanh = MaskedUfunc("arctanh", 1)
around = MaskedUfunc("around", 1)
ceil = MaskedUfunc("ceil", 1)
conjugate = MaskedUfunc("conjugate", 1)
cos = MaskedUfunc("cos", 1)
cosh = MaskedUfunc("cosh", 1)
exp = MaskedUfunc("exp", 1)
fabs = MaskedUfunc("fabs", 1)
floor = MaskedUfunc("floor", 1)
log = MaskedUfunc("log", 1)
log10 = MaskedUfunc("log10", 1)
log2 = MaskedUfunc("log2", 1)
logical_not = MaskedUfunc("logical_not", 1)
negative = MaskedUfunc("negative", 1)
sin = MaskedUfunc("sin", 1)
sinh = MaskedUfunc("sinh", 1)
sqrt = MaskedUfunc("sqrt", 1)
tan = MaskedUfunc("tan", 1)
tanh = MaskedUfunc("tanh", 1)
# two arguments
add = MaskedUfunc("add", 2)
arctan2 = MaskedUfunc("arctan2", 2)
bitwise_and = MaskedUfunc("bitwise_and", 2)
bitwise_or = MaskedUfunc("bitwise_or", 2)
bitwise_xor = MaskedUfunc("bitwise_xor", 2)
divide = MaskedUfunc("divide", 2)
equal = MaskedUfunc("equal", 2)
floor_divide = MaskedUfunc("floor_divide", 2)
fmod = MaskedUfunc("fmod", 2)
greater = MaskedUfunc("greater", 2)
greater_equal = MaskedUfunc("greater_equal", 2)
hypot = MaskedUfunc("hypot", 2)
less = MaskedUfunc("less", 2)
less_equal = MaskedUfunc("less_equal", 2)
logical_and = MaskedUfunc("logical_and", 2)
logical_or = MaskedUfunc("logical_or", 2)
logical_xor = MaskedUfunc("logical_xor", 2)
maximum = MaskedUfunc("maximum", 2)
minimum = MaskedUfunc("minimum", 2)
mod = MaskedUfunc("mod", 2)
multiply = MaskedUfunc("multiply", 2)
not_equal = MaskedUfunc("not_equal", 2)
remainder = MaskedUfunc("remainder", 2)
subtract = MaskedUfunc("subtract", 2)
true_divide = MaskedUfunc("true_divide", 2)


# --- functions that work element by element -------------------------------------------------------------------------
@like_masked(np.ma.power)
def power(a, b, third=None):
    """Elements to the power of others; masked where one is, and where the result is NaN or infinite.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.power(da.asarray([4.0, -4.0]), 0.5).compute()
    masked_array(data=[2.0, --],
                 mask=[False,  True],
           fill_value=1e+20)
    """
    if third is not None:
        raise np.ma.MaskError("3-argument power not supported.")
    return elementwise("power", a, b)


@like_masked(np.ma.left_shift)
def left_shift(a, n):
    """The bits of integers moved to the left.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.left_shift(da.ma.masked_equal(da.arange(3), 1), 2).compute()
    masked_array(data=[0, --, 8],
                 mask=[False,  True, False],
           fill_value=999999)
    """
    return elementwise("left_shift", a, n)


@like_masked(np.ma.right_shift)
def right_shift(a, n):
    """The bits of integers moved to the right.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.right_shift(da.ma.masked_equal(da.arange(8), 1), 2).compute()
    masked_array(data=[0, --, 0, 0, 1, 1, 1, 1],
                 mask=[False,  True, False, False, False, False, False, False],
           fill_value=999999)
    """
    return elementwise("right_shift", a, n)


@like_masked(np.ma.round)
def round(a, decimals=0, out=None):
    """The elements rounded to a number of decimals, halves to even.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.round(da.ma.masked_equal(da.asarray([1.25, 2.0]), 2), 1).compute()
    masked_array(data=[1.2, --],
                 mask=[False,  True],
           fill_value=2.0)
    """
    return apply_out(elementwise("round", masked(a), decimals=decimals), out)


round_ = round


@like_masked(np.ma.clip)
def clip(a, a_min=None, a_max=None, out=None, *, min=None, max=None):
    """The elements held between two bounds, either of which may be None; `min` and `max` are other names of them.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.clip(da.ma.masked_equal(da.arange(5), 2), 1, 3).compute()
    masked_array(data=[1, 1, --, 3, 3],
                 mask=[False, False,  True, False, False],
           fill_value=2)
    """
    return apply_out(elementwise("clip", masked(a), a_min if min is None else min, a_max if max is None else max), out)


def _choose_block(mode: str, indices: Any, *choices: Any) -> Any:
    return np.ma.choose(indices, list(choices), mode=mode)


@like_masked(np.ma.choose)
def choose(indices, choices, out=None, mode="raise"):
    """Elements of the choice that each index names; masked where the index or the chosen element is masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.choose(da.ma.masked_equal(da.asarray([1, 0, 2]), 2), [[1, 2, 3], [4, 5, 6]]).compute()
    masked_array(data=[4, 2, --],
                 mask=[False, False,  True],
           fill_value=999999)
    """
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"mode must be 'raise', 'wrap' or 'clip', not {mode!r}")
    parts = [masked(indices), *(operand(choice) for choice in choices)]
    dtype = np.result_type(*(np.ma.asanyarray(x).dtype if not isinstance(x, Array) else x.dtype for x in parts[1:]))
    ndim = max(x.ndim for x in parts if isinstance(x, Array))
    call = functools.partial(settled, _choose_block, mode)
    return apply_out(each(call, *parts, dtype=dtype, meta=np.ma.empty((0,) * ndim, dtype), label="choose"), out)
