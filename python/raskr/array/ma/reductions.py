"""Reductions and scans of masked arrays: masked elements do not count, and what has no others is masked."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from raskr.array import reductions as plain
from raskr.array._apply import apply_out, call_quietly, normalize_axes, normalize_axis
from raskr.array.collection import Array
from raskr.array.ma._blocks import along_whole_axes, each, lazy, like_masked, masked, settled
from raskr.array.ma.masking import count, filled, getmaskarray, masked_array

__all__ = [
    "all", "alltrue", "amax", "amin", "anom", "anomalies", "any", "argmax", "argmin", "average", "corrcoef",
    "count_masked", "cov", "cumprod", "cumsum", "max", "mean", "median", "min", "prod", "product", "ptp", "sometrue",
    "std", "sum", "trace", "var",
]  # fmt: skip


# --- sums, products, truth --------------------------------------------------------------------------------------------
@like_masked(np.ma.sum)
def sum(a, axis=None, dtype=None, out=None, keepdims=False, *, split_every=None):
    """Sum of the elements that are not masked, over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.sum(da.ma.masked_equal(da.arange(4, chunks=2), 2)).compute()
    np.int64(4)
    """
    return plain.sum(masked(a), axis=axis, dtype=dtype, out=out, keepdims=keepdims, split_every=split_every)


@like_masked(np.ma.prod)
def prod(a, axis=None, dtype=None, out=None, keepdims=False, *, split_every=None):
    """Product of the elements that are not masked, over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.prod(da.ma.masked_equal(da.arange(4, chunks=2), 0)).compute()
    np.int64(6)
    """
    return plain.prod(masked(a), axis=axis, dtype=dtype, out=out, keepdims=keepdims, split_every=split_every)


product = prod


@like_masked(np.ma.all)
def all(a, axis=None, out=None, keepdims=False, *, split_every=None):
    """Whether all elements that are not masked are true; masked where there are none.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.all(da.ma.masked_equal(da.arange(4, chunks=2), 0)).compute()
    np.True_
    """
    return plain.all(masked(a), axis=axis, out=out, keepdims=keepdims, split_every=split_every)


@like_masked(np.ma.any)
def any(a, axis=None, out=None, keepdims=False, *, split_every=None):
    """Whether any element that is not masked is true; masked where there are none.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.any(da.ma.masked_equal(da.arange(2), 1)).compute()
    np.False_
    """
    return plain.any(masked(a), axis=axis, out=out, keepdims=keepdims, split_every=split_every)


def alltrue(target, axis=0, dtype=None):
    """Whether all elements along an axis that are not masked are true: `logical_and.reduce`.

    Parameters
    ----------
    target : array_like
        The elements.
    axis : int or None
        Where to reduce along; the whole array where it is None.
    dtype : dtype, optional
        Accepted for likeness: the result is of booleans.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.alltrue(da.ma.masked_equal(da.asarray([[0, 1], [2, 3]]), 0)).compute()
    masked_array(data=[True, True],
                 mask=[False, False],
           fill_value=True)
    """
    return all(target, axis=axis)


def sometrue(target, axis=0, dtype=None):
    """Whether any element along an axis that is not masked is true: `logical_or.reduce`.

    Parameters
    ----------
    target : array_like
        The elements.
    axis : int or None
        Where to reduce along; the whole array where it is None.
    dtype : dtype, optional
        Accepted for likeness: the result is of booleans.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.sometrue(da.ma.masked_equal(da.asarray([[0, 1], [0, 0]]), 1)).compute()
    masked_array(data=[False, False],
                 mask=[False, False],
           fill_value=True)
    """
    return any(target, axis=axis)


@like_masked(np.ma.count_masked)
def count_masked(arr, axis=None):
    """How many elements are masked, over the given axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.count_masked(da.ma.masked_less(da.arange(4, chunks=2), 3)).compute()
    np.int64(3)
    """
    return plain.sum(getmaskarray(lazy(arr)), axis=axis)


@like_masked(np.ma.trace)
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """Sum along a diagonal of two axes, masked elements counting as 0: without a mask, as in NumPy.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.trace(da.ma.masked_equal(da.asarray([[1, 2], [3, 4]]), 4)).compute()
    np.int64(1)
    """
    from raskr.array.creation import diagonal

    diagonals = diagonal(lazy(a), offset=offset, axis1=axis1, axis2=axis2)
    return plain.sum(filled(diagonals, 0), axis=-1, dtype=dtype, out=out)


# --- extremes -----------------------------------------------------------------------------------------------------------
def _extreme(kind: str, obj: Any, axis: Any, out: Any, fill_value: Any, keepdims: bool, split_every: Any) -> Array:
    obj = masked(obj)
    function = getattr(plain, kind)
    if fill_value is None:
        return function(obj, axis=axis, out=out, keepdims=keepdims, split_every=split_every)
    found = function(filled(obj, fill_value), axis=axis, keepdims=keepdims, split_every=split_every)
    nothing = count(obj, axis=axis, keepdims=keepdims) == 0
    join = functools.partial(settled, np.ma.masked_where)
    return apply_out(each(join, nothing, found, dtype=found.dtype, label=kind), out)


@like_masked(np.ma.max)
def max(obj, axis=None, out=None, fill_value=None, keepdims=False, *, split_every=None):
    """The greatest element that is not masked, over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.max(da.ma.masked_equal(da.arange(4, chunks=2), 3)).compute()
    np.int64(2)
    """
    return _extreme("max", obj, axis, out, fill_value, keepdims, split_every)


@like_masked(np.ma.min)
def min(obj, axis=None, out=None, fill_value=None, keepdims=False, *, split_every=None):
    """The least element that is not masked, over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.min(da.ma.masked_equal(da.arange(4, chunks=2), 0)).compute()
    np.int64(1)
    """
    return _extreme("min", obj, axis, out, fill_value, keepdims, split_every)


amax = max
amin = min


@like_masked(np.ma.ptp)
def ptp(obj, axis=None, out=None, fill_value=None, keepdims=False, *, split_every=None):
    """The greatest less the least element that is not masked ("peak to peak").

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.ptp(da.ma.masked_equal(da.arange(4, chunks=2), 0)).compute()
    np.int64(2)
    """
    from raskr.array.ma.ufuncs import subtract

    high = _extreme("max", obj, axis, None, fill_value, keepdims, split_every)
    low = _extreme("min", obj, axis, None, fill_value, keepdims, split_every)
    return apply_out(subtract(high, low), out)


@like_masked(np.ma.argmax)
def argmax(a, axis=None, fill_value=None, out=None, *, keepdims=False, split_every=None):
    """The position of the greatest element that is not masked; masked ones count as `fill_value` where it is given.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.argmax(da.ma.masked_equal(da.arange(4, chunks=2), 3)).compute()
    np.int64(2)
    """
    a = masked(a) if fill_value is None else filled(a, fill_value)
    return plain.argmax(a, axis=axis, out=out, keepdims=keepdims, split_every=split_every)


@like_masked(np.ma.argmin)
def argmin(a, axis=None, fill_value=None, out=None, *, keepdims=False, split_every=None):
    """The position of the least element that is not masked; masked ones count as `fill_value` where it is given.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.argmin(da.ma.masked_equal(da.arange(4, chunks=2), 0)).compute()
    np.int64(1)
    """
    a = masked(a) if fill_value is None else filled(a, fill_value)
    return plain.argmin(a, axis=axis, out=out, keepdims=keepdims, split_every=split_every)


# --- means and spread ---------------------------------------------------------------------------------------------------
@like_masked(np.ma.mean)
def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, split_every=None):
    """Mean of the elements that are not masked, over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.mean(da.ma.masked_equal(da.arange(4, chunks=2), 0)).compute()
    np.float64(2.0)
    """
    return plain.mean(masked(a), axis=axis, dtype=dtype, out=out, keepdims=keepdims, split_every=split_every)


@like_masked(np.ma.var)
def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, split_every=None):
    """Variance of the elements that are not masked, over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.var(da.ma.masked_equal(da.arange(4, chunks=2), 0)).compute().round(6)
    np.float64(0.666667)
    """
    return plain.var(masked(a), axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims, split_every=split_every)


@like_masked(np.ma.std)
def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, split_every=None):
    """Standard deviation of the elements that are not masked, over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.std(da.ma.masked_equal(da.asarray([0.0, 1.0, 3.0]), 0)).compute()
    np.float64(1.0)
    """
    return plain.std(masked(a), axis=axis, dtype=dtype, out=out, ddof=ddof, keepdims=keepdims, split_every=split_every)


def anom(a, axis=None, dtype=None):
    """The elements less their mean, along an axis or of the whole array.

    Parameters
    ----------
    a : array_like
        The elements.
    axis : int or sequence of ints, optional
        Where to take the mean along; over all axes by default.
    dtype : dtype, optional
        Element type of the mean.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.anom(da.ma.masked_equal(da.asarray([0, 1, 3]), 0)).compute()
    masked_array(data=[--, -1.0, 1.0],
                 mask=[ True, False, False],
           fill_value=np.int64(0))
    """
    from raskr.array.ma.ufuncs import subtract

    a = masked(a)
    return subtract(a, mean(a, axis=axis, dtype=dtype, keepdims=True))


anomalies = anom


@like_masked(np.ma.average)
def average(a, axis=None, weights=None, returned=False, keepdims=False):
    """Mean of the elements that are not masked, weighted or not; masked elements have no weight.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.asarray([1.0, 2.0, 3.0]), 2)
    >>> da.ma.average(x, weights=[3, 1, 1]).compute()
    np.float64(1.5)
    """
    from raskr.array.core import broadcast_to
    from raskr.array.ma.ufuncs import true_divide

    a = masked(a)
    axes = normalize_axes(axis, a.ndim)
    if weights is None:
        result, total = mean(a, axis=axes, keepdims=keepdims), count(a, axis=axes, keepdims=keepdims)
        total = total.astype(result.dtype)
    else:
        weights = lazy(weights)
        dtype = np.result_type(a.dtype, weights.dtype, *(["f8"] if a.dtype.kind in "biu" else []))
        if weights.shape != a.shape:
            if axis is None:
                raise TypeError("Axis must be specified when shapes of a and weights differ.")
            given = [normalize_axis(n, a.ndim) for n in (axis if isinstance(axis, (tuple, list)) else (axis,))]
            if weights.shape != tuple(a.shape[n] for n in given):
                raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
            weights = weights.transpose(sorted(range(len(given)), key=given.__getitem__))
            weights = weights[tuple(slice(None) if n in axes else None for n in range(a.ndim))]
            weights = broadcast_to(weights, a.shape).rechunk(a.chunks)
        weights = each(_masked_as, weights, a, dtype=weights.dtype, label="average")
        total = sum(weights, axis=axes, dtype=dtype, keepdims=keepdims)
        result = true_divide(sum((a * weights).astype(dtype), axis=axes, keepdims=keepdims), total)
    return (result, total) if returned else result


def _masked_as(weights: Any, block: Any) -> Any:
    return np.ma.masked_array(weights, mask=np.ma.mask_or(np.ma.getmaskarray(weights), np.ma.getmaskarray(block)))


def _median_block(axes: tuple[int, ...], keepdims: bool, dtype: Any, block: Any) -> Any:
    found = np.ma.median(block, axis=axes, keepdims=keepdims)
    # Where all is masked, NumPy gives double precision.
    return found.astype(dtype) if isinstance(found, np.ma.MaskedArray) and found.ndim else found


@like_masked(np.ma.median)
def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """Median of the elements that are not masked. The axes are rechunked to one block, all of them by default.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.median(da.ma.masked_equal(da.arange(5, chunks=2), 0)).compute()
    np.float64(2.5)
    """
    a = masked(a)
    axes = normalize_axes(axis, a.ndim)
    dtype = np.ma.asanyarray(call_quietly(np.ma.median, np.ma.ones((1,), dtype=a.dtype))).dtype
    call = functools.partial(_median_block, axes, keepdims, dtype)
    return apply_out(along_whole_axes(call, a, axes, dtype, keepdims=keepdims, label="median"), out)


# --- scans ------------------------------------------------------------------------------------------------------------
@like_masked(np.ma.cumsum)
def cumsum(a, axis=None, dtype=None, out=None):
    """Running sum along an axis, or of the flattened array; masked elements add nothing and stay masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.cumsum(da.ma.masked_equal(da.arange(4, chunks=2), 2), axis=0).compute()
    masked_array(data=[0, 1, --, 4],
                 mask=[False, False,  True, False],
           fill_value=999999)
    """
    return plain.cumsum(masked(a), axis=axis, dtype=dtype, out=out)


@like_masked(np.ma.cumprod)
def cumprod(a, axis=None, dtype=None, out=None):
    """Running product along an axis, or of the flattened array; masked elements count as 1 and stay masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.cumprod(da.ma.masked_equal(da.arange(1, 5, chunks=2), 2), axis=0).compute()
    masked_array(data=[1, --, 3, 12],
                 mask=[False,  True, False, False],
           fill_value=999999)
    """
    return plain.cumprod(masked(a), axis=axis, dtype=dtype, out=out)


# --- covariances --------------------------------------------------------------------------------------------------------
def _refuse_masked(block: Any) -> Any:
    if np.ma.getmaskarray(block).any():
        raise ValueError("Cannot process masked data.")
    return block


def _rows(x: Any, allow_masked: bool) -> Array:
    x = masked(x)
    x = x if x.dtype == float else x.astype(float)
    x = x[(None,) * (2 - x.ndim) + (...,)] if x.ndim < 2 else x
    if x.ndim > 2:
        raise ValueError(f"cov takes arrays of one or two axes, got {x.ndim}")
    return x if allow_masked else each(_refuse_masked, x, dtype=float, label="cov")


@like_masked(np.ma.cov)
def cov(x, y=None, rowvar=True, bias=False, allow_masked=True, ddof=None):
    """The covariances of variables, each pair over the observations that are masked in neither.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.asarray([[0.0, 1.0, 2.0], [2.0, 1.0, -1.0]]), -1)
    >>> da.ma.cov(x).compute()
    masked_array(
      data=[[1.0, -0.5],
            [-0.5, 0.5]],
      mask=[[False, False],
            [False, False]],
      fill_value=1e+20)
    """
    from raskr.array.core import concatenate
    from raskr.array.routines_products import matmul

    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be an integer")
    ddof = int(not bias) if ddof is None else int(ddof)
    x = _rows(x, allow_masked)
    rowvar = bool(rowvar) or x.shape[0] == 1
    if y is not None:
        y = _rows(y, allow_masked)
        if y.shape == x.shape:
            common = getmaskarray(x) | getmaskarray(y)
            x, y = (masked_array(v, mask=common) for v in (x, y))
        x = concatenate([x, y], axis=0 if rowvar else 1)
    x = x if rowvar else x.T
    there = (~getmaskarray(x)).astype(float)
    deviations = filled(x - plain.mean(x, axis=1, keepdims=True), 0)
    count = matmul(there, there.T) - ddof
    result = masked_array(matmul(deviations, deviations.T) / count, mask=count <= 0)
    return result[tuple(0 if n == 1 else slice(None) for n in result.shape)]


@like_masked(np.ma.corrcoef)
def corrcoef(x, y=None, rowvar=True, allow_masked=True):
    """The correlation coefficients of variables, each pair over the observations that are masked in neither.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.corrcoef(da.asarray([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]])).compute()
    masked_array(
      data=[[ 1., -1.],
            [-1.,  1.]],
      mask=False,
      fill_value=1e+20)
    """
    from raskr.array.creation import diagonal
    from raskr.array.ma.ufuncs import multiply, sqrt

    matrix = cov(x, y, rowvar, allow_masked=allow_masked)
    if matrix.ndim < 2:
        return masked(np.ma.masked)
    spread = sqrt(diagonal(matrix))
    return matrix / multiply.outer(spread, spread)
