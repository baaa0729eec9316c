"""Masked arrays in order, elements picked by positions or conditions, and functions along axes."""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

from raskr.array._apply import INTP, Expr, apply_out, call_quietly, normalize_axis, wrap
from raskr.array.collection import Array, need_known_chunks
from raskr.array.ma._blocks import along_whole_axes, lazy, like_masked, masked, masked_meta
from raskr.array.ma.masking import filled, getdata, getmaskarray, masked_array

__all__ = [
    "apply_along_axis", "apply_over_axes", "argsort", "compress", "compress_cols", "compress_nd", "compress_rowcols",
    "compress_rows", "compressed", "sort", "take",
]  # fmt: skip


# --- order ------------------------------------------------------------------------------------------------------------
def _sorted_block(options: dict[str, Any], block: Any) -> Any:
    return np.ma.sort(block, **options)


def _order_of_block(options: dict[str, Any], block: Any) -> Any:
    return np.asarray(np.ma.argsort(block, **options))


@like_masked(np.ma.sort)
def sort(a, axis=-1, kind=None, order=None, endwith=True, fill_value=None, *, stable=None):
    """The elements in ascending order along an axis, masked ones last (first without `endwith`).

    The axis is rechunked to one block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.sort(da.ma.masked_equal(da.asarray([3, 1, 2]), 1)).compute()
    masked_array(data=[2, 3, --],
                 mask=[False, False,  True],
           fill_value=1)
    """
    a = masked(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normalize_axis(axis, a.ndim)
    options = {"axis": axis, "kind": kind, "order": order, "endwith": endwith, "fill_value": fill_value,
               "stable": stable}  # fmt: skip
    call = functools.partial(_sorted_block, options)
    return along_whole_axes(call, a, (axis,), a.dtype, kept=True, label="sort")


@like_masked(np.ma.argsort)
def argsort(a, axis=np._NoValue, kind=None, order=None, endwith=True, fill_value=None, *, stable=None):
    """Positions that would put the elements in ascending order along an axis, which is rechunked to one block.

    Without `axis`, arrays of several axes are flattened, with NumPy's warning that this will change.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.argsort(da.ma.masked_equal(da.asarray([3, 1, 2]), 1)).compute()
    array([2, 0, 1])
    """
    a = masked(a)
    if axis is np._NoValue:
        axis = -1
        if a.ndim > 1:
            axis = None
            warnings.warn(
                "In the future the default for argsort will be axis=-1, not the current None, to match numpy.argsort: "
                "pass -1 or None explicitly",
                np.ma.core.MaskedArrayFutureWarning,
                stacklevel=2,
            )
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normalize_axis(axis, a.ndim)
    options = {"axis": axis, "kind": kind, "order": order, "endwith": endwith, "fill_value": fill_value}
    call = functools.partial(_order_of_block, options)
    return along_whole_axes(call, a, (axis,), INTP, kept=True, plain=True, label="argsort")


# --- by positions and conditions ----------------------------------------------------------------------------------------
@like_masked(np.ma.take)
def take(a, indices, axis=None, out=None, mode="raise"):
    """Elements at positions along an axis, or of the flattened array; masked where the element or position is.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.take(da.ma.masked_equal(da.arange(5, chunks=2), 3), [0, 3]).compute()
    masked_array(data=[0, --],
                 mask=[False,  True],
           fill_value=3)
    """
    from raskr.array.routines_select import take as plain_take

    a = masked(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normalize_axis(axis, a.ndim)
    hidden = None
    if isinstance(indices, (Array, np.ma.MaskedArray)):
        hidden = getmaskarray(lazy(indices))
        indices = filled(lazy(indices), 0) if isinstance(indices, Array) else np.ma.filled(indices, 0)
    else:
        indices = np.asarray(indices, dtype=None if np.size(indices) else INTP)
    length = a.shape[axis]
    if mode == "clip":
        indices = indices.clip(0, length - 1)
    elif mode == "wrap":
        indices = indices % length
    elif mode != "raise":
        raise ValueError(f"mode must be 'raise', 'wrap' or 'clip', not {mode!r}")
    shape = indices.shape
    result = plain_take(a, indices.reshape(-1) if len(shape) != 1 else indices, axis=axis)
    if len(shape) != 1:
        result = result.reshape(a.shape[:axis] + shape + a.shape[axis + 1 :])
    if hidden is not None:
        hidden = hidden[(..., *(None,) * (a.ndim - axis - 1))]
        from raskr.array.core import broadcast_to

        result = masked_array(result, mask=broadcast_to(hidden, result.shape))
    return apply_out(result, out)


@like_masked(np.ma.compress)
def compress(condition, a, axis=None, out=None):
    """The slices along an axis, or elements of the flattened array, where a condition of one axis holds.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.compress([True, False, True], da.ma.masked_equal(da.arange(3), 2)).compute()
    masked_array(data=[0, --],
                 mask=[False,  True],
           fill_value=2)
    """
    from raskr.array.routines_select import compress as plain_compress

    return apply_out(plain_compress(filled(lazy(condition), False), masked(a), axis=axis), out)


@like_masked(np.ma.compressed)
def compressed(x):
    """The elements that are not masked, along one axis whose length is known once it is computed: a plain array.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.compressed(da.ma.masked_equal(da.arange(4, chunks=2), 2)).compute()
    array([0, 1, 3])
    """
    x = lazy(x)
    x = x.reshape(-1) if x.ndim != 1 else x
    expr = Expr.blockwise(
        _compressed_block, (0,), [(x._expr, (0,))], ((math.nan,) * x.numblocks[0],), x.dtype, False, label="compressed"
    )
    return wrap(expr, np.empty(0, dtype=x.dtype))


def _compressed_block(block: Any) -> Any:
    return np.ma.compressed(block)


@like_masked(np.ma.compress_nd)
def compress_nd(x, axis=None):
    """The array without the slices along axes (all by default) that hold masked elements: a plain array.

    The lengths of these axes are known once they are computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.arange(6).reshape(2, 3), 4)
    >>> da.ma.compress_nd(x).compute()
    array([[0, 2]])
    """
    from raskr.array._apply import normalize_axes

    x = lazy(x)
    mask, result = getmaskarray(x), getdata(x)
    for number in normalize_axes(axis, x.ndim):
        whole = ~mask.any(axis=tuple(n for n in range(x.ndim) if n != number))
        result = result[(slice(None),) * number + (whole,)]
    return result


@like_masked(np.ma.compress_rowcols)
def compress_rowcols(x, axis=None):
    """The matrix without the rows (axis 0), columns (axis 1) or both (None) that hold masked elements: a plain array.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.arange(6).reshape(2, 3), 4)
    >>> da.ma.compress_rowcols(x, axis=1).compute()
    array([[0, 2],
           [3, 5]])
    """
    if lazy(x).ndim != 2:
        raise NotImplementedError("compress_rowcols works for 2D arrays only.")
    return compress_nd(x, axis=axis)


@like_masked(np.ma.compress_rows)
def compress_rows(a):
    """The matrix without the rows that hold masked elements: a plain array.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.compress_rows(da.ma.masked_equal(da.arange(6).reshape(2, 3), 4)).compute()
    array([[0, 1, 2]])
    """
    if lazy(a).ndim != 2:
        raise NotImplementedError("compress_rows works for 2D arrays only.")
    return compress_nd(a, 0)


@like_masked(np.ma.compress_cols)
def compress_cols(a):
    """The matrix without the columns that hold masked elements: a plain array.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.compress_cols(da.ma.masked_equal(da.arange(6).reshape(2, 3), 4)).compute()
    array([[0, 2],
           [3, 5]])
    """
    if lazy(a).ndim != 2:
        raise NotImplementedError("compress_cols works for 2D arrays only.")
    return compress_nd(a, 1)


# --- functions along axes -----------------------------------------------------------------------------------------------
def _along_block(function: Any, axis: int, args: tuple[Any, ...], kwargs: dict[str, Any], one: Any, block: Any) -> Any:
    if block.size == 0:
        return np.ma.empty(block.shape[:axis] + one.shape + block.shape[axis + 1 :], dtype=one.dtype)
    return np.ma.apply_along_axis(function, axis, block, *args, **kwargs)


@like_masked(np.ma.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """A function of every line of an array along an axis, which is rechunked to one block.

    The shape and the type of its results are those that it has for a line of ones.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.arange(6).reshape(2, 3), 4)
    >>> da.ma.apply_along_axis(lambda line: line.sum(), 1, x).compute()
    masked_array(data=[3, 8],
                 mask=False,
           fill_value=999999)
    """
    arr = masked(arr)
    axis = normalize_axis(axis, arr.ndim)
    need_known_chunks(arr, "apply_along_axis")
    one = np.ma.asanyarray(call_quietly(func1d, np.ma.ones((int(arr.shape[axis]),), dtype=arr.dtype), *args, **kwargs))
    arr = arr if arr.numblocks[axis] == 1 else arr.rechunk({axis: -1})
    inds = tuple(range(arr.ndim))
    new = tuple(range(arr.ndim, arr.ndim + one.ndim))
    out = inds[:axis] + new + inds[axis + 1 :]
    chunks = arr.chunks[:axis] + tuple((n,) for n in one.shape) + arr.chunks[axis + 1 :]
    call = functools.partial(_along_block, func1d, axis, args, kwargs, one)
    expr = Expr.blockwise(
        call, out, [(arr._expr, inds)], chunks, one.dtype, False, concatenate=True, label="apply_along_axis"
    )
    return wrap(expr, masked_meta(len(out), one.dtype))


@like_masked(np.ma.apply_over_axes)
def apply_over_axes(func, a, axes):
    """A function called with the array and each axis in turn, such as `da.ma.sum`; reduced axes stay, of length 1.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.apply_over_axes(da.ma.sum, da.ma.masked_equal(da.arange(6).reshape(2, 3), 4), [0, 1]).compute()
    masked_array(data=[[11]],
                 mask=[[False]],
           fill_value=999999)
    """
    from raskr.array.routines_numeric import apply_over_axes as plain_apply_over_axes

    return plain_apply_over_axes(func, masked(a), axes)
