"""Products of arrays: dot, matmul, tensordot, outer, vdot."""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from raskr.array._apply import Expr, call_quietly, check_broadcast, engine, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array, PerformanceWarning
from raskr.array.utils import has_unknown, is_native_dtype

_NATIVE = frozenset("iufc")


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


def _axes_of(axes: Any, left: int, right: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The contracted axes of both sides, from NumPy's ways of writing them."""
    if np.ndim(axes) == 0 and not isinstance(axes, (tuple, list)):
        count = operator.index(axes)
        if count < 0 or count > min(left, right):
            raise ValueError(f"tensordot over {count} axes of arrays with {left} and {right}")
        return tuple(range(left - count, left)), tuple(range(count))
    first, second = axes
    first = (first,) if np.ndim(first) == 0 else tuple(first)
    second = (second,) if np.ndim(second) == 0 else tuple(second)
    if len(first) != len(second):
        raise ValueError(f"tensordot contracts as many axes of one side as of the other, got {first} and {second}")
    return tuple(normalize_axis(n, left) for n in first), tuple(normalize_axis(n, right) for n in second)


@like_numpy(np.tensordot)
def tensordot(lhs, rhs, axes=2):
    """Products summed over pairs of axes. Chunks along paired axes are brought in line.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.arange(6, chunks=3).reshape(2, 3)
    >>> da.tensordot(x, x, axes=((1,), (1,))).compute()
    array([[ 5, 14],
           [14, 50]])
    """
    a, b = _array(lhs), _array(rhs)
    axes_a, axes_b = _axes_of(axes, a.ndim, b.ndim)
    for one, other in zip(axes_a, axes_b):
        n, m = a.shape[one], b.shape[other]
        if n != m and n == n and m == m:
            raise ValueError(f"shape-mismatch for sum: axis {one} of length {n} and axis {other} of length {m}")
    dtype = _product_dtype(a, b)
    if not axes_a and a.npartitions and b.npartitions * a.npartitions >= 10 * max(a.npartitions, b.npartitions, 2):
        warnings.warn(
            f"this product has {a.npartitions * b.npartitions} chunks, made of {a.npartitions} and {b.npartitions}",
            PerformanceWarning,
            stacklevel=2,
        )
    known = not has_unknown([*(a.chunks[n] for n in axes_a), *(b.chunks[n] for n in axes_b)])
    if (
        known
        and a._expr.native
        and b._expr.native
        and dtype.kind in _NATIVE
        and dtype.char != "e"
        and is_native_dtype(dtype)
    ):
        left = a._expr if a.dtype == dtype else a._expr.astype(dtype)
        right = b._expr if b.dtype == dtype else b._expr.astype(dtype)
        return wrap(Expr.tensordot(left, right, axes_a, axes_b, dtype))
    return _tensordot_by_blocks(a, b, axes_a, axes_b, dtype)


def _product_dtype(a: Array, b: Array) -> np.dtype[Any]:
    if a.dtype.kind in "biufc" and b.dtype.kind in "biufc":
        return np.result_type(a.dtype, b.dtype)
    ones = [np.ones((1, 1), dtype=x.dtype) for x in (a, b)]
    return call_quietly(np.dot, *ones).dtype


def _tensordot_of_blocks(a: Any, b: Any, axes: tuple[Sequence[int], Sequence[int]]) -> Any:
    if isinstance(a, np.ma.MaskedArray) or isinstance(b, np.ma.MaskedArray):
        # Masked elements count as 0; an element of the result that no pair contributed to is masked.
        result = np.tensordot(np.ma.filled(a, 0), np.ma.filled(b, 0), axes=axes)
        pairs = np.tensordot(~np.ma.getmaskarray(a), (~np.ma.getmaskarray(b)).astype(np.intp), axes=axes)
        result = np.ma.masked_array(result, mask=pairs == 0)
    else:
        result = np.tensordot(a, b, axes=axes)
    return result[(...,) + (None,) * len(axes[0])]


def _tensordot_by_blocks(
    a: Array, b: Array, axes_a: tuple[int, ...], axes_b: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Products of pairs of blocks, then a sum over the blocks along contracted axes."""
    left = list(range(a.ndim))
    right = list(range(a.ndim, a.ndim + b.ndim))
    for one, other in zip(axes_a, axes_b):
        right[other] = left[one]
    a, b = aligned((a, left), (b, right))
    contracted = tuple(left[n] for n in axes_a)
    kept = tuple(i for i in left if i not in contracted) + tuple(i for i in right if i not in contracted)
    sizes = dict(zip(left, a.chunks)) | {i: c for i, c in zip(right, b.chunks) if i not in contracted}
    chunks = tuple(sizes[i] for i in kept) + tuple((1,) * len(sizes[i]) for i in contracted)
    expr = Expr.blockwise(
        functools.partial(_tensordot_of_blocks, axes=(axes_a, axes_b)),
        kept + contracted,
        [(a._expr, tuple(left)), (b._expr, tuple(right))],
        chunks,
        dtype,
        type(a._meta) is np.ndarray and type(b._meta) is np.ndarray and is_native_dtype(dtype),
        label="tensordot",
    )
    meta = b._meta if type(a._meta) is np.ndarray else a._meta
    partial = wrap(expr, meta)
    if not contracted:
        return partial
    return partial.sum(
        axis=tuple(range(len(kept), len(kept) + len(contracted))), dtype=None if dtype.kind == "O" else dtype
    )


def aligned(*pairs: tuple[Array, Sequence[int]]) -> list[Array]:
    """The arrays, rechunked so that equal indices have equal chunks; length 1 goes with any."""
    sizes = engine.unify_chunks([(x.chunks, tuple(inds)) for x, inds in pairs])
    result = []
    for x, inds in pairs:
        wanted = tuple(
            own if n == 1 or has_unknown((own,)) else tuple(sizes[i]) for own, n, i in zip(x.chunks, x.shape, inds)
        )
        result.append(x if wanted == x.chunks else x.rechunk(wanted))
    return result


@like_numpy(np.dot)
def dot(a, b):
    """Dot product: over the last axis of `a` and the second last (or only) axis of `b`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.dot(da.ones((2, 3)), da.arange(3.0)).compute()
    array([3., 3.])
    """
    a, b = _array(a), _array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return tensordot(a, b, axes=((a.ndim - 1,), (max(b.ndim - 2, 0),)))


@like_numpy(np.vdot)
def vdot(a, b):
    """Dot product of the flattened arrays, the first of them conjugated.

    Examples
    --------
    >>> import raskr.array as da
    >>> complex(da.vdot(da.asarray([1j, 1]), da.asarray([1j, 1])).compute())
    (2+0j)
    """
    a, b = _array(a), _array(b)
    conjugated = a.conj() if a.dtype.kind in "cO" else a
    return dot(conjugated.reshape(-1), b.reshape(-1))


@like_numpy(np.outer)
def outer(a, b):
    """Products of every element of one with every element of the other, both flattened.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.outer(da.arange(2), da.arange(3)).compute()
    array([[0, 0, 0],
           [0, 1, 2]])
    """
    a, b = _array(a).reshape(-1), _array(b).reshape(-1)
    return a[:, None] * b[None, :]


def _matmul_of_blocks(a: Any, b: Any) -> Any:
    return np.matmul(a, b)[..., None]


@like_numpy(np.matmul)
def matmul(a, b):
    """Matrix products over the last two axes; the axes before them broadcast.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.matmul(da.ones((5, 2, 3)), da.ones((3, 4))).shape
    (5, 2, 4)
    """
    a, b = _array(a), _array(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("matmul does not support scalars: multiply with * instead")
    if a.ndim <= 2 and b.ndim <= 2:
        return tensordot(a, b, axes=((a.ndim - 1,), (max(b.ndim - 2, 0),)))
    row, column = a.ndim == 1, b.ndim == 1
    a = a[None, :] if row else a
    b = b[:, None] if column else b
    n, m = a.shape[-1], b.shape[-2]
    if n != m and n == n and m == m:
        raise ValueError(f"matmul: axis -1 of shape {a.shape} has length {n}, axis -2 of shape {b.shape} has {m}")
    check_broadcast([a.shape[:-2], b.shape[:-2]], "matmul")
    batch = max(a.ndim, b.ndim) - 2
    i, j, k = batch, batch + 1, batch + 2
    inds_a = (*range(batch - (a.ndim - 2), batch), i, k)
    inds_b = (*range(batch - (b.ndim - 2), batch), k, j)
    a, b = aligned((a, inds_a), (b, inds_b))
    dtype = _product_dtype(a, b)
    sizes: dict[int, tuple[int, ...]] = {}
    for x, inds in ((a, inds_a), (b, inds_b)):
        for index, own in zip(inds, x.chunks):
            if index not in sizes or sum(sizes[index]) == 1:
                sizes[index] = own
    blocks = len(sizes[k])
    chunks = (*(sizes[index] for index in range(batch)), sizes[i], sizes[j], (1,) * blocks)
    expr = Expr.blockwise(
        _matmul_of_blocks, (*range(batch), i, j, k), [(a._expr, inds_a), (b._expr, inds_b)], chunks, dtype,
        a._expr.native and b._expr.native and is_native_dtype(dtype), label="matmul",
    )  # fmt: skip
    result = wrap(expr, b._meta if type(a._meta) is np.ndarray else a._meta)
    result = result[..., 0] if blocks == 1 else result.sum(axis=-1, dtype=None if dtype.kind == "O" else dtype)
    if row:
        result = result[..., 0, :]
    if column:
        result = result[..., 0]
    return result
