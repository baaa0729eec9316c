"""Which elements are masked: arrays made masked by a condition, what is under masks, and what masks are filled with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._apply import INTP, is_node_source, normalize_axes, wrap
from raskr.array.collection import Array
from raskr.array.elementwise import as_operand
from raskr.array.ma._blocks import each, like_masked, plain_each
from raskr.array.ma._blocks import lazy as _array
from raskr.array.reduction_tree import split_for, tree

__all__ = [
    "count", "filled", "fix_invalid", "getdata", "getmaskarray", "masked_array", "masked_equal", "masked_greater", "masked_greater_equal", "masked_inside", "masked_invalid", "masked_less", "masked_less_equal", "masked_not_equal", "masked_outside", "masked_values", "masked_where", "nonzero", "set_fill_value", "where",
]  # fmt: skip


# --- looking inside -------------------------------------------------------------------------------------------------
@like_masked(np.ma.filled)
def filled(a, fill_value=None):
    """The elements, with masked ones replaced: a plain array.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.arange(4, chunks=2), 2)
    >>> da.ma.filled(x, -1).compute()
    array([ 0,  1, -1,  3])
    """
    a = _array(a)
    call = functools.partial(np.ma.filled, fill_value=fill_value)
    return plain_each(call, a, dtype=a.dtype, label="filled")


@like_masked(np.ma.getdata)
def getdata(a):
    """The elements, masked ones too: a plain array.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.getdata(da.ma.masked_equal(da.arange(3), 1)).compute()
    array([0, 1, 2])
    """
    a = _array(a)
    return plain_each(np.ma.getdata, a, dtype=a.dtype, label="getdata")


@like_masked(np.ma.getmaskarray)
def getmaskarray(a):
    """Whether elements are masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.getmaskarray(da.ma.masked_equal(da.arange(3), 1)).compute()
    array([False,  True, False])
    """
    a = _array(a)
    return plain_each(np.ma.getmaskarray, a, dtype=bool, label="getmaskarray")


@like_masked(np.ma.fix_invalid)
def fix_invalid(a, fill_value=None):
    """The array with NaN and infinities masked, and replaced underneath.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.ma.fix_invalid(da.asarray([1.0, np.nan]), fill_value=0).compute()
    masked_array(data=[1.0, --],
                 mask=[False,  True],
           fill_value=1e+20)
    """
    a = _array(a)
    return each(functools.partial(np.ma.fix_invalid, fill_value=fill_value), a, dtype=a.dtype, label="fix_invalid")


def count(a, axis=None, keepdims=False, split_every=None):
    """How many elements are not masked, over the given axes.

    Parameters
    ----------
    a : array_like
        What is counted.
    axis : int or sequence of ints, optional
        The axes to count over; all by default.
    keepdims : bool
        Whether these axes stay, with length 1.
    split_every : int or dict of ints by axis, optional
        How many partial results are put together at a time.

    Examples
    --------
    >>> import raskr.array as da
    >>> int(da.ma.count(da.ma.masked_equal(da.arange(4, chunks=2), 2)).compute())
    3
    """
    a = _array(a)
    axes = normalize_axes(axis, a.ndim)
    expr = tree(
        a,
        axes,
        functools.partial(np.ma.count, axis=axes, keepdims=True),
        functools.partial(np.sum, axis=axes, keepdims=True),
        functools.partial(np.sum, axis=axes, keepdims=keepdims),
        keepdims=keepdims,
        dtype=INTP,
        native=True,
        split_every=split_for(split_every, axes),
        concatenate=True,
        label="count",
    )
    return wrap(expr)


# --- masking --------------------------------------------------------------------------------------------------------
def _fill_value_of(value: Any) -> Any:
    if isinstance(value, Array) and value.ndim == 0:
        value = value.compute()
    if isinstance(value, Array) or np.ndim(value):
        raise ValueError("fill_value must be a scalar")
    return value[()] if isinstance(value, np.ndarray) else value


def _make_masked(data: Any, mask: Any = np.ma.nomask, dtype: Any = None, options: Any = None) -> Any:
    if mask is not np.ma.nomask and np.shape(mask) != np.shape(data):
        mask = np.broadcast_to(mask, np.shape(data))
    return np.ma.masked_array(data, mask=mask, dtype=dtype, **options)


@like_masked(np.ma.masked_array)
def masked_array(data, mask=np.ma.nomask, fill_value=None, dtype=None, chunks="auto", **kwargs):
    """An array with a mask, which may be lazy too. `chunks` cuts data that is no lazy array yet.

    Parameters
    ----------
    data : array_like
        The elements.
    mask : array_like of bool, optional
        Which are masked, of the shape of `data` or one element.
    fill_value : scalar, optional
        What stands for masked elements where they are filled.
    dtype : dtype, optional
        Element type.
    chunks : int, tuple, dict or str
        How data that is no lazy array is cut.
    **kwargs
        Given to `numpy.ma.masked_array` for each block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.masked_array([1, 2, 3], mask=[False, True, False]).sum().compute()
    np.int64(4)
    """
    from raskr.array.core import from_array

    if not isinstance(data, Array):
        data = from_array(np.asanyarray(data), chunks=chunks, asarray=False)
    dtype = data.dtype if dtype is None else np.dtype(dtype)
    options = dict(kwargs, fill_value=_fill_value_of(fill_value))
    operands: list[Any] = [data]
    if mask is not np.ma.nomask:
        mask = _array(mask)
        if mask.size == 1:
            mask = mask.reshape(()) if mask.ndim else mask
        elif mask.shape != data.shape:
            raise np.ma.MaskError(f"mask of shape {mask.shape} does not fit data of shape {data.shape}")
        operands.append(mask)
    call = functools.partial(_make_masked, dtype=dtype, options=options)
    return each(call, *operands, dtype=dtype, label="masked_array")


@like_masked(np.ma.masked_where)
def masked_where(condition, a):
    """The array, masked where a condition holds.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.arange(4, chunks=2)
    >>> da.ma.masked_where(x % 2 == 0, x).compute()
    masked_array(data=[--, 1, --, 3],
                 mask=[ True, False,  True, False],
           fill_value=999999)
    """
    a = _array(a)
    shape = getattr(condition, "shape", np.shape(condition))
    if shape and shape != a.shape:
        raise IndexError(f"masked_where: condition of shape {shape} and array of shape {a.shape} must be alike")
    condition = _array(condition) if shape else condition
    return each(np.ma.masked_where, condition, a, dtype=a.dtype, label="masked_where")


def _scalar(value: Any, what: str) -> Any:
    if getattr(value, "shape", ()) or np.ndim(value):
        raise ValueError(f"{what} takes a scalar value")
    return value.compute() if isinstance(value, Array) else value


def _compared(name: str) -> Callable[..., Array]:
    function = getattr(np.ma, name)

    def masked(x, value):
        x = _array(x)
        other = as_operand(value)
        if is_node_source(other):
            raise TypeError(f"{name} takes an array or a scalar, not {type(other).__name__}")
        return each(function, x, other, dtype=x.dtype, label=name)

    masked.__name__ = masked.__qualname__ = name
    words = {"greater": "greater than", "less": "less than", "not_equal": "other than"}
    relation = name.removeprefix("masked_")
    text = words.get(relation.removesuffix("_equal") if relation != "not_equal" else relation, relation)
    or_equal = " or equal to" if relation.endswith("_equal") and relation != "not_equal" else ""
    masked.__doc__ = f"The array, masked where elements are {text}{or_equal} a value, or those of another array."
    return like_masked(function)(masked)


masked_greater = _compared("masked_greater")
masked_greater_equal = _compared("masked_greater_equal")
masked_less = _compared("masked_less")
masked_less_equal = _compared("masked_less_equal")
masked_not_equal = _compared("masked_not_equal")


def _equal_block(x: Any, value: Any) -> Any:
    return np.ma.masked_equal(x, value, copy=True)


@like_masked(np.ma.masked_equal)
def masked_equal(a, value):
    """The array, masked where elements are equal to a scalar.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.masked_equal(da.arange(3), 1).sum().compute()
    np.int64(2)
    """
    a, value = _array(a), _scalar(value, "masked_equal")
    return each(functools.partial(_equal_block, value=value), a, dtype=a.dtype, label="masked_equal")


@like_masked(np.ma.masked_invalid)
def masked_invalid(a):
    """The array, masked where elements are NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.ma.masked_invalid(da.asarray([1.0, np.nan])).sum().compute()
    np.float64(1.0)
    """
    a = _array(a)
    return each(np.ma.masked_invalid, a, dtype=a.dtype, label="masked_invalid")


@like_masked(np.ma.masked_inside)
def masked_inside(x, v1, v2):
    """The array, masked where elements are in an interval.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.masked_inside(da.arange(4), 1, 2).sum().compute()
    np.int64(3)
    """
    x = _array(x)
    return each(functools.partial(np.ma.masked_inside, v1=v1, v2=v2), x, dtype=x.dtype, label="masked_inside")


@like_masked(np.ma.masked_outside)
def masked_outside(x, v1, v2):
    """The array, masked where elements are outside of an interval.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.masked_outside(da.arange(4), 1, 2).sum().compute()
    np.int64(3)
    """
    x = _array(x)
    return each(functools.partial(np.ma.masked_outside, v1=v1, v2=v2), x, dtype=x.dtype, label="masked_outside")


@like_masked(np.ma.masked_values)
def masked_values(x, value, rtol=1e-05, atol=1e-08, shrink=True):
    """The array, masked where elements are about equal to a scalar.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.masked_values(da.asarray([1.0, 2.0]), 2.0).sum().compute()
    np.float64(1.0)
    """
    x, value = _array(x), _scalar(value, "masked_values")
    call = functools.partial(np.ma.masked_values, value=value, rtol=rtol, atol=atol, shrink=shrink)
    return each(call, x, dtype=x.dtype, label="masked_values")


def _with_fill_value(block: Any, value: Any) -> Any:
    if isinstance(block, np.ma.MaskedArray):
        block = block.copy()
        np.ma.set_fill_value(block, value)
    return block


@like_masked(np.ma.set_fill_value)
def set_fill_value(a, fill_value):
    """Change what stands for masked elements of an array where they are filled; plain arrays stay as they are.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.arange(3), 1)
    >>> da.ma.set_fill_value(x, -5)
    >>> da.ma.filled(x).compute()
    array([ 0, -5,  2])
    """
    a = _array(a)
    if getattr(fill_value, "shape", ()):
        raise ValueError("set_fill_value takes a scalar value")
    if isinstance(a._meta, np.ma.MaskedArray):
        np.ma.empty(0, dtype=a.dtype).fill_value = fill_value  # NumPy's own complaint about what does not fit
        changed = each(functools.partial(_with_fill_value, value=fill_value), a, dtype=a.dtype, label="set_fill_value")
        a._replace(changed._expr, changed._foreign_meta)


# --- by masks ------------------------------------------------------------------------------------------------------
@like_masked(np.ma.nonzero)
def nonzero(a):
    """Positions of the elements that are neither zero nor masked, an array for each axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.nonzero(da.ma.masked_equal(da.arange(4), 2))[0].compute()
    array([1, 3])
    """
    from raskr.array.routines_select import nonzero as plain_nonzero

    return plain_nonzero(filled(getdata(_array(a)) * ~getmaskarray(a), 0))


def _where_block(condition: Any, x: Any, y: Any) -> Any:
    return np.ma.where(condition, x, y)


@like_masked(np.ma.where)
def where(condition, x=None, y=None):
    """Elements of `x` where a condition holds, of `y` elsewhere; masked where the condition or the element is masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.arange(3), 1)
    >>> da.ma.where(x > 1, x, 0).compute()
    masked_array(data=[0, --, 2],
                 mask=[False,  True, False],
           fill_value=999999)
    """
    if (x is None) != (y is None):
        raise ValueError("where: either both or neither of x and y should be given")
    if x is None:
        return nonzero(condition)
    operands = [as_operand(value) for value in (condition, x, y)]
    if not any(isinstance(value, Array) for value in operands):
        operands[1] = _array(x)
    dtypes = [
        v if type(v) in (int, float, complex) else getattr(v, "dtype", None) or np.asarray(v).dtype for v in operands
    ]
    return each(_where_block, *operands, dtype=np.result_type(*dtypes[1:]), label="where")
