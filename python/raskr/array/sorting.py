"""Order along an axis: sort, partition and their positions, and elements taken by positions along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from raskr.array._apply import INTP, Expr, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array


def _whole(a: Any, axis: Any) -> tuple[Array, int]:
    """The array with one block along the axis; flat when no axis is given."""
    from raskr.array.core import asanyarray

    a = a if isinstance(a, Array) else asanyarray(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normalize_axis(axis, a.ndim)
    return (a if a.numblocks[axis] == 1 else a.rechunk({axis: -1})), axis


def _along(function: Any, a: Array, dtype: Any, label: str, **options: Any) -> Array:
    inds = tuple(range(a.ndim))
    native = a._expr.native if dtype == a.dtype else True
    expr = Expr.blockwise(function, inds, [(a._expr, inds)], a.chunks, np.dtype(dtype), native, options, label=label)
    return wrap(expr, a._meta if dtype == a.dtype else None)


@like_numpy(np.sort)
def sort(a, axis=-1, kind=None):
    """The elements in ascending order along an axis, which is rechunked to one block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.sort(da.asarray([3, 1, 2])).compute()
    array([1, 2, 3])
    """
    a, axis = _whole(a, axis)
    return _along(np.sort, a, a.dtype, "sort", axis=axis, kind=kind)


@like_numpy(np.argsort)
def argsort(a, axis=-1, kind=None):
    """Positions that would put the elements in order along an axis, which is rechunked to one block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.argsort(da.asarray([3, 1, 2])).compute()
    array([1, 2, 0])
    """
    a, axis = _whole(a, axis)
    return _along(np.argsort, a, INTP, "argsort", axis=axis, kind=kind)


@like_numpy(np.partition)
def partition(a, kth, axis=-1):
    """The elements with the k-th in its place: smaller ones before it, larger ones after it, along an axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.partition(da.asarray([3, 1, 2, 5]), 1)[1].compute()
    np.int64(2)
    """
    a, axis = _whole(a, axis)
    return _along(np.partition, a, a.dtype, "partition", kth=kth, axis=axis)


@like_numpy(np.argpartition)
def argpartition(a, kth, axis=-1):
    """Positions that would put the k-th element in its place, as `partition` does.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.argpartition(da.asarray([3, 1, 2, 5]), 0)[0].compute()
    np.int64(1)
    """
    a, axis = _whole(a, axis)
    return _along(np.argpartition, a, INTP, "argpartition", kth=kth, axis=axis)


@like_numpy(np.take_along_axis)
def take_along_axis(arr, indices, axis=-1):
    """Elements at positions along an axis, other positions for each line; `arr` is rechunked to one block along it.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.asarray([[3, 1], [4, 5]])
    >>> da.take_along_axis(x, da.argsort(x, axis=1), axis=1).compute()
    array([[1, 3],
           [4, 5]])
    """
    from raskr.array.core import asanyarray
    from raskr.array.routines_products import aligned

    arr, axis = _whole(arr, axis)
    indices = indices if isinstance(indices, Array) else asanyarray(indices)
    if indices.ndim != arr.ndim:
        raise ValueError(f"take_along_axis: positions with {indices.ndim} axes do not fit an array with {arr.ndim}")
    source = tuple(arr.ndim if n == axis else n for n in range(arr.ndim))
    inds = tuple(range(arr.ndim))
    arr, indices = aligned((arr, source), (indices, inds))
    chunks = tuple(
        own if n == axis or sum(own) != 1 else other for n, (own, other) in enumerate(zip(indices.chunks, arr.chunks))
    )
    expr = Expr.blockwise(
        np.take_along_axis, inds, [(arr._expr, source), (indices._expr, inds)], chunks, arr.dtype, arr._expr.native,
        {"axis": axis}, concatenate=True, label="take_along_axis",
    )  # fmt: skip
    return wrap(expr, arr._meta)
