"""The largest or smallest elements along an axis, and their positions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from raskr.array._apply import INTP, normalize_axis, wrap
from raskr.array.collection import Array
from raskr.array.reduction_blocks import flatten
from raskr.array.reduction_tree import split_for, tree
from raskr.array.sorting import native_order, order_function
from raskr.array.utils import is_native_dtype


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (part,)


def _kept(k: int) -> slice:
    """Where the |k| wanted elements are after a partition around them."""
    return slice(-k, None) if k > 0 else slice(None, -k)


def _largest(x: Any, k: int, axis: int) -> Any:
    """The |k| largest (k > 0) or smallest (k < 0) elements along an axis, in any order."""
    if abs(k) >= x.shape[axis]:
        return x
    return np.partition(x, -k if k > 0 else -k - 1, axis=axis)[_along(axis, _kept(k))]


def _largest_sorted(x: Any, k: int, axis: int) -> Any:
    """The same in order: descending for k > 0, ascending for k < 0."""
    x = np.sort(_largest(x, k, axis), axis=axis)
    return x[_along(axis, slice(None, None, -1))] if k > 0 else x


def _positions(pair: Any, k: int, axis: int) -> tuple[Any, Any]:
    values, positions = pair
    if abs(k) >= values.shape[axis]:
        return values, positions
    order = np.argpartition(values, -k if k > 0 else -k - 1, axis=axis)[_along(axis, _kept(k))]
    return np.take_along_axis(values, order, axis), np.take_along_axis(positions, order, axis)


def _positions_of_block(x: Any, k: int, axis: int, offset: int) -> tuple[Any, Any]:
    shape = tuple(x.shape[axis] if a == axis else 1 for a in range(x.ndim))
    numbers = np.arange(offset, offset + x.shape[axis], dtype=INTP).reshape(shape)
    return _positions((x, np.broadcast_to(numbers, x.shape)), k, axis)


def _join(nested: Any, k: int, axis: int) -> tuple[Any, Any]:
    pairs = list(flatten(nested))
    return _positions(tuple(np.concatenate(parts, axis=axis) for parts in zip(*pairs)), k, axis)


def _positions_sorted(nested: Any, k: int, axis: int) -> Any:
    values, positions = _join(nested, k, axis)
    order = np.argsort(values, axis=axis)
    if k > 0:
        order = order[_along(axis, slice(None, None, -1))]
    return np.take_along_axis(positions, order, axis)


class _Offset:
    """Where each block starts along one axis."""

    def __init__(self, sizes: tuple[int, ...], axis: int):
        self.starts = np.cumsum((0, *sizes[:-1]))
        self.axis = axis

    def __call__(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"offset": int(self.starts[block[self.axis]])}


def _prepare(a: Any, k: Any, axis: Any) -> tuple[Array, int, int]:
    from raskr.array.core import asanyarray

    if not isinstance(k, (int, np.integer)):
        raise TypeError(f"k must be an integer, not {k!r}")
    a = asanyarray(a)
    return a, int(k), normalize_axis(axis, a.ndim)


def _size(a: Array, k: int, axis: int) -> int:
    length = a.shape[axis]
    return abs(k) if length != length else min(abs(k), int(length))


def topk(a, k, axis=-1, split_every=None):
    """The k largest elements along an axis, in descending order, or for negative k the smallest in ascending order.

    Parameters
    ----------
    a : array_like
        Where they are looked for.
    k : int
        How many, and by its sign from which end.
    axis : int
        The axis to search along.
    split_every : int or dict of ints by axis, optional
        How many partial results are put together at a time. Best where k is much smaller than a chunk.

    Returns
    -------
    Array
        As `a`, with a length of at most abs(k) along the axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.asarray([5, 1, 3, 6])
    >>> x.topk(2).compute(), x.topk(-2).compute()
    (array([6, 5]), array([1, 3]))
    """
    a, k, axis = _prepare(a, k, axis)
    if k == 0:
        return a[_along(axis, slice(0, 0))]
    native = native_order(a)
    some: Any = order_function("top", k=k, axis=axis) if native else functools.partial(_largest, k=k, axis=axis)
    expr = tree(
        a,
        (axis,),
        some,
        some,
        some if native else functools.partial(_largest_sorted, k=k, axis=axis),
        keepdims=True,
        dtype=a.dtype,
        native=a._expr.native,
        split_every=split_for(split_every, (axis,)),
        concatenate=True,
        output_size=_size(a, k, axis),
        label="topk",
    )
    return wrap(expr, a._meta)


def argtopk(a, k, axis=-1, split_every=None):
    """Positions of the k largest elements along an axis, in descending order of the elements, or of the smallest.

    Parameters
    ----------
    a : array_like
        Where they are looked for.
    k : int
        How many; negative for the smallest, in ascending order.
    axis : int
        The axis to search along.
    split_every : int or dict of ints by axis, optional
        How many partial results are put together at a time.

    Returns
    -------
    Array
        Positions along the axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.asarray([5, 1, 3, 6])
    >>> x.argtopk(2).compute(), x.argtopk(-2).compute()
    (array([3, 0]), array([1, 2]))
    """
    a, k, axis = _prepare(a, k, axis)
    if a.shape[axis] != a.shape[axis]:
        raise ValueError(f"argtopk needs known chunks along axis {axis}; x.compute_chunk_sizes() finds them")
    if k == 0:
        return a[_along(axis, slice(0, 0))].astype(INTP)
    functions: tuple[Any, Any, Any]
    offset = None
    if native_order(a):
        starts = np.cumsum((0, *a.chunks[axis][:-1])).tolist()
        functions = (
            order_function("top_of_block", k=k, axis=axis, starts=starts),
            order_function("top_of_parts", k=k, axis=axis, end=False),
            order_function("top_of_parts", k=k, axis=axis, end=True),
        )
    else:
        offset = _Offset(a.chunks[axis], axis)
        parts = (_positions_of_block, _join, _positions_sorted)
        functions = tuple(functools.partial(part, k=k, axis=axis) for part in parts)
    expr = tree(
        a,
        (axis,),
        *functions,
        keepdims=True,
        dtype=INTP,
        native=is_native_dtype(INTP),
        split_every=split_for(split_every, (axis,)),
        concatenate=False,
        output_size=_size(a, k, axis),
        per_block=offset,
        label="argtopk",
    )
    return wrap(expr)
