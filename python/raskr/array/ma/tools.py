"""Masks as arrays: made, joined, hardened and spread over rows; fill values; comparisons of masked arrays."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from raskr.array._apply import Expr, wrap
from raskr.array.changing import changeable
from raskr.array.collection import Array, need_known_chunks
from raskr.array.ma._blocks import each, has_masked_blocks, lazy, like_masked, masked, operand
from raskr.array.ma.masking import filled, getdata, getmaskarray, masked_array
from raskr.array.utils import block_bounds

__all__ = [
    "allclose", "allequal", "common_fill_value", "default_fill_value", "flatten_mask", "flatten_structured_array",
    "getmask", "harden_mask", "isMA", "isMaskedArray", "is_mask", "is_masked", "isarray", "make_mask",
    "make_mask_descr", "make_mask_none", "mask_cols", "mask_or", "mask_rowcols", "mask_rows", "masked_object",
    "maximum_fill_value", "minimum_fill_value", "put", "putmask", "soften_mask",
]  # fmt: skip


# --- what it is ---------------------------------------------------------------------------------------------------------
def isMaskedArray(x):
    """Whether something is a masked array, lazy or not.

    Parameters
    ----------
    x : object
        A lazy array counts when its blocks are declared to be masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.isMaskedArray(da.ma.zeros(3)), da.ma.isMaskedArray(da.zeros(3))
    (True, False)
    """
    return has_masked_blocks(x) or isinstance(x, np.ma.MaskedArray)


isMA = isarray = isMaskedArray


@like_masked(np.ma.is_mask)
def is_mask(m):
    """Whether something is an array of booleans, lazy or not, and so can be a mask.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.is_mask(da.zeros(3, dtype=bool)), da.ma.is_mask(da.zeros(3))
    (True, False)
    """
    return m.dtype == bool and not has_masked_blocks(m) if isinstance(m, Array) else np.ma.is_mask(m)


@like_masked(np.ma.is_masked)
def is_masked(x):
    """Whether any element is masked, as a lazy array without axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> bool(da.ma.is_masked(da.ma.masked_equal(da.arange(3), 1)).compute())
    True
    """
    return getmaskarray(lazy(x)).any()


# --- fill values ------------------------------------------------------------------------------------------------------
def _example(x: Any) -> Any:
    return x._meta if isinstance(x, Array) else x


@like_masked(np.ma.common_fill_value)
def common_fill_value(a, b):
    """The fill value of two arrays when it is the same, else None.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.common_fill_value(da.ma.zeros(3), da.ma.ones(2))
    np.float64(1e+20)
    """
    return np.ma.common_fill_value(*(np.ma.asanyarray(_example(x)) for x in (a, b)))


@like_masked(np.ma.default_fill_value)
def default_fill_value(obj):
    """What stands for masked elements of an array or type where they are filled, unless another value is set.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.default_fill_value(da.arange(3))
    999999
    """
    return np.ma.default_fill_value(_example(obj))


@like_masked(np.ma.maximum_fill_value)
def maximum_fill_value(obj):
    """The value that is less than or equal to all of a type: what masked elements count as where a maximum is looked for.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.maximum_fill_value(da.zeros(3))
    -inf
    """
    return np.ma.maximum_fill_value(_example(obj))


@like_masked(np.ma.minimum_fill_value)
def minimum_fill_value(obj):
    """The value that is greater than or equal to all of a type: what masked elements count as where a minimum is looked
    for.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.minimum_fill_value(da.zeros(3))
    inf
    """
    return np.ma.minimum_fill_value(_example(obj))


# --- masks --------------------------------------------------------------------------------------------------------------
@like_masked(np.ma.getmask)
def getmask(a):
    """Whether elements are masked; `nomask` for arrays whose blocks are not declared to be masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.getmask(da.ma.masked_equal(da.arange(3), 1)).compute()
    array([False,  True, False])
    """
    if isinstance(a, Array):
        return getmaskarray(a) if has_masked_blocks(a) else np.ma.nomask
    return np.ma.getmask(a)


@like_masked(np.ma.make_mask)
def make_mask(m, copy=False, shrink=True, dtype=np.bool_):
    """A mask from any array: what is not 0 is True.

    A lazy mask is never shrunk to `nomask`, since whether anything is masked is not known before it is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.make_mask(da.asarray([0, 2])).compute()
    array([False,  True])
    """
    if m is np.ma.nomask:
        return np.ma.nomask
    m = filled(masked(m), True) if isMaskedArray(m) else lazy(m)
    wanted = np.ma.make_mask_descr(dtype)
    return m.astype(wanted) if m.dtype != wanted else m


make_mask_descr = np.ma.make_mask_descr


@like_masked(np.ma.make_mask_none)
def make_mask_none(newshape, dtype=None, chunks="auto"):
    """A mask that masks nothing.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.make_mask_none(3).compute()
    array([False, False, False])
    """
    from raskr.array.creation import zeros

    return zeros(newshape, dtype=np.bool_ if dtype is None else np.ma.make_mask_descr(dtype), chunks=chunks)


@like_masked(np.ma.mask_or)
def mask_or(m1, m2, copy=False, shrink=True):
    """The mask that masks what one of two masks masks. A lazy one is never shrunk to `nomask`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.mask_or(da.asarray([True, False]), [False, False]).compute()
    array([ True, False])
    """
    if m1 is np.ma.nomask or m1 is False:
        return make_mask(m2, shrink=shrink)
    if m2 is np.ma.nomask or m2 is False:
        return make_mask(m1, shrink=shrink)
    return make_mask(m1) | make_mask(m2)


@like_masked(np.ma.flatten_mask)
def flatten_mask(mask):
    """The mask along one axis; one of records has the masks of one field after those of another.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.flatten_mask(da.asarray([[True, False]])).compute()
    array([ True, False])
    """
    from raskr.array.core import concatenate

    mask = lazy(mask)
    if mask.dtype.names is None:
        return mask.reshape(-1)
    return concatenate([flatten_mask(mask[name]) for name in mask.dtype.names])


def _flat_records(block: Any, count: int, dtype: Any) -> Any:
    # NumPy's function needs a record to look at.
    if not block.size:
        return np.ma.empty((*block.shape, count), dtype=dtype)
    rows = np.ma.asanyarray(np.ma.flatten_structured_array(block.reshape(-1)))
    return rows.reshape((*block.shape, count)).astype(dtype)


@like_masked(np.ma.flatten_structured_array)
def flatten_structured_array(a):
    """The fields of records along a new last axis, in one element type.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> records = np.array([(1, 2), (3, 4)], dtype=[("a", int), ("b", int)])
    >>> da.ma.flatten_structured_array(da.from_array(records)).compute()
    masked_array(
      data=[[1, 2],
            [3, 4]],
      mask=[[False, False],
            [False, False]],
      fill_value=999999)
    """
    a = masked(a)
    if a.dtype.names is None:
        raise TypeError(f"flatten_structured_array takes records, not elements of {a.dtype}")
    one = np.ma.flatten_structured_array(np.ma.ones((1,), dtype=a.dtype))
    inds = tuple(range(a.ndim))
    call = functools.partial(_flat_records, count=one.shape[-1], dtype=one.dtype)
    expr = Expr.blockwise(
        call, (*inds, a.ndim), [(a._expr, inds)], (*a.chunks, (one.shape[-1],)), one.dtype, False,
        label="flatten_structured_array",
    )  # fmt: skip
    return wrap(expr, np.ma.empty((0,) * (a.ndim + 1), dtype=one.dtype))


@like_masked(np.ma.masked_object)
def masked_object(x, value, copy=True, shrink=True):
    """The array, masked where elements are exactly equal to a value, which becomes the fill value.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.asarray(["ham", "eggs"], dtype=object)
    >>> da.ma.masked_object(x, "ham").compute()
    masked_array(data=[--, 'eggs'],
                 mask=[ True, False],
           fill_value='ham',
                dtype=object)
    """
    x = lazy(x)
    call = functools.partial(_masked_object_block, value, shrink)
    return each(call, x, dtype=x.dtype, label="masked_object")


def _masked_object_block(value: Any, shrink: bool, block: Any) -> Any:
    return np.ma.masked_object(block, value, shrink=shrink)


# --- rows and columns ---------------------------------------------------------------------------------------------------
@like_masked(np.ma.mask_rowcols)
def mask_rowcols(a, axis=None):
    """The matrix with the rows (axis 0), columns (axis 1) or both (None) that hold masked elements masked as a whole.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.mask_rowcols(da.ma.masked_equal(da.arange(6).reshape(2, 3), 4)).compute()
    masked_array(
      data=[[0, --, 2],
            [--, --, --]],
      mask=[[False,  True, False],
            [ True,  True,  True]],
      fill_value=4)
    """
    a = masked(a)
    if a.ndim != 2:
        raise NotImplementedError("mask_rowcols works for 2D arrays only.")
    mask = spread = getmaskarray(a)
    if not axis:
        spread = spread | mask.any(axis=1, keepdims=True)
    if axis in (None, 1, -1):
        spread = spread | mask.any(axis=0, keepdims=True)
    return masked_array(a, mask=spread)


@like_masked(np.ma.mask_rows)
def mask_rows(a):
    """The matrix with the rows that hold masked elements masked as a whole.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.mask_rows(da.ma.masked_equal(da.arange(6).reshape(2, 3), 4)).compute()
    masked_array(
      data=[[0, 1, 2],
            [--, --, --]],
      mask=[[False, False, False],
            [ True,  True,  True]],
      fill_value=4)
    """
    return mask_rowcols(a, 0)


@like_masked(np.ma.mask_cols)
def mask_cols(a):
    """The matrix with the columns that hold masked elements masked as a whole.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.mask_cols(da.ma.masked_equal(da.arange(6).reshape(2, 3), 4)).compute()
    masked_array(
      data=[[0, --, 2],
            [3, --, 5]],
      mask=[[False,  True, False],
            [False,  True, False]],
      fill_value=4)
    """
    return mask_rowcols(a, 1)


# --- changes in place -------------------------------------------------------------------------------------------------
def _hardened(hard: bool, block: Any) -> Any:
    block = np.ma.asanyarray(block).copy()
    return block.harden_mask() if hard else block.soften_mask()


def _set_hardness(a: Any, hard: bool, what: str) -> Array:
    a = changeable(a, what)
    changed = each(functools.partial(_hardened, hard), a, dtype=a.dtype, label=what)
    a._replace(changed._expr, changed._foreign_meta)
    return a


@like_masked(np.ma.harden_mask)
def harden_mask(a):
    """Keep masked elements masked when values are assigned to them; the array changes in place and is returned.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.harden_mask(da.ma.masked_equal(da.arange(3), 1))
    >>> x[1] = 5
    >>> x.compute()
    masked_array(data=[0, --, 2],
                 mask=[False,  True, False],
           fill_value=1)
    """
    return _set_hardness(a, True, "harden_mask")


@like_masked(np.ma.soften_mask)
def soften_mask(a):
    """Let assignment take masks away again; the array changes in place and is returned.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.soften_mask(da.ma.harden_mask(da.ma.masked_equal(da.arange(3), 1)))
    >>> x[1] = 5
    >>> x.compute()
    masked_array(data=[0, 5, 2],
                 mask=[False, False, False],
           fill_value=1)
    """
    return _set_hardness(a, False, "soften_mask")


def _putmask_block(block: Any, mask: Any, values: Any) -> Any:
    block = np.ma.asanyarray(block).copy()
    data, hidden = np.broadcast_to(np.ma.getdata(values), block.shape), np.ma.getmaskarray(values)
    hidden = np.broadcast_to(hidden, block.shape)
    np.ma.putmask(block, np.broadcast_to(mask, block.shape), np.ma.masked_array(data, mask=hidden))
    return block


@like_masked(np.ma.putmask)
def putmask(a, mask, values):
    """Put values, which broadcast to the array, where a mask is True. The array changes in place.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.arange(4), 1)
    >>> da.ma.putmask(x, x > 1, 9)
    >>> x.compute()
    masked_array(data=[0, --, 9, 9],
                 mask=[False,  True, False, False],
           fill_value=1)
    """
    a = changeable(a, "ma.putmask")
    mask = filled(masked(mask), False).astype(bool)
    changed = each(_putmask_block, a, mask, operand(values), dtype=a.dtype, label="putmask")
    if changed.shape != a.shape:
        raise ValueError(f"putmask: mask or values do not broadcast to the shape {a.shape}")
    a._replace(changed._expr, changed._foreign_meta)


class _Span:
    """Which positions of a vector a block holds."""

    def __init__(self, sizes: tuple[int, ...]):
        self.bounds = block_bounds(sizes)

    def __call__(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"start": int(self.bounds[block[0]]), "stop": int(self.bounds[block[0] + 1])}


def _put_block(indices: Any, values: Any, block: Any, start: int, stop: int) -> Any:
    block = np.ma.asanyarray(block).copy()
    here = (indices >= start) & (indices < stop)
    if here.any():
        block[indices[here] - start] = values[np.arange(len(indices)) % len(values)][here]
    return block


@like_masked(np.ma.put)
def put(a, indices, values, mode="raise"):
    """Put values, one after another and again from the first, at positions of the flattened array.

    The array changes in place. Positions and values are computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.arange(4, chunks=2), 1)
    >>> da.ma.put(x, [1, 3], [10, 20])
    >>> x.compute()
    masked_array(data=[ 0, 10,  2, 20],
                 mask=False,
           fill_value=1)
    """
    a = changeable(a, "ma.put")
    need_known_chunks(a, "put")
    indices = np.asarray(indices).reshape(-1)
    values = np.ma.asanyarray(values.compute() if isinstance(values, Array) else values).reshape(-1).astype(a.dtype)
    size = int(a.size)
    if mode == "wrap":
        indices = indices % size
    elif mode == "clip":
        indices = indices.clip(0, size - 1)
    elif mode != "raise":
        raise ValueError(f"mode must be 'raise', 'wrap' or 'clip', not {mode!r}")
    outside = (indices < -size) | (indices >= size)
    if outside.any():
        raise IndexError(f"index {indices[outside][0]} is out of bounds for size {size}")
    if not len(indices) or not len(values):
        return
    flat = masked(a).reshape(-1)
    call = functools.partial(_put_block, np.where(indices < 0, indices + size, indices), values)
    expr = Expr.blockwise(
        call, (0,), [(flat._expr, (0,))], flat.chunks, a.dtype, False, per_block=_Span(flat.chunks[0]), label="put"
    )
    changed = wrap(expr, flat._meta).reshape(a.shape)
    changed = changed if changed.chunks == a.chunks else changed.rechunk(a.chunks)
    a._replace(changed._expr, changed._foreign_meta)


# --- comparisons ------------------------------------------------------------------------------------------------------
@like_masked(np.ma.allequal)
def allequal(a, b, fill_value=True):
    """Whether all elements are equal where neither is masked, as a lazy array without axes.

    Masked elements count as equal if `fill_value` is True; else nothing that has any is equal.

    Examples
    --------
    >>> import raskr.array as da
    >>> bool(da.ma.allequal(da.ma.masked_equal(da.arange(3), 1), [0, 7, 2]).compute())
    True
    """
    a, b = lazy(a), lazy(b)
    hidden = getmaskarray(a) | getmaskarray(b)
    same = getdata(a) == getdata(b)
    return (same | hidden).all() if fill_value else (same & ~hidden).all()


def _close_block(masked_equal: bool, rtol: float, atol: float, x: Any, y: Any) -> Any:
    x, y = np.ma.masked_array(x), np.ma.masked_array(y)
    if y.dtype.kind != "m":
        y = y.astype(np.result_type(y.dtype, 1.0))
    hidden = np.ma.getmaskarray(x) | np.ma.getmaskarray(y)
    left, right = np.ma.getdata(x), np.ma.getdata(y)
    with np.errstate(all="ignore"):
        close = np.abs(left - right) <= atol + rtol * np.abs(right)
        infinite = np.isinf(left) | np.isinf(right) if left.dtype.kind in "fc" or right.dtype.kind in "fc" else False
        close = np.where(infinite, left == right, close)
    return np.where(hidden, masked_equal, close)


@like_masked(np.ma.allclose)
def allclose(a, b, masked_equal=True, rtol=1e-05, atol=1e-08):
    """Whether all elements are nearly equal, as a lazy array without axes; masked ones count as `masked_equal` says.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.asarray([1.0, 2.0]), 2)
    >>> bool(da.ma.allclose(x, [1.0 + 1e-9, 7.0]).compute())
    True
    """
    a, b = lazy(a), lazy(b)
    call = functools.partial(_close_block, bool(masked_equal), rtol, atol)
    return each(call, a, b, dtype=bool, meta=np.empty((0,) * max(a.ndim, b.ndim), bool), label="allclose").all()
