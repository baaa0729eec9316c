"""Order along an axis: sort, partition and their positions, and elements taken by positions along an axis."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from raskr import config
from raskr._bridge import core as engine
from raskr.array._apply import INTP, Expr, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.utils import has_unknown
from raskr.utils import parse_bytes

#: More lines than this are put into blocks whole; up to as many are sorted across blocks, one by one.
LINES_MAX = 64


def native_order(a: Array) -> bool:
    """Whether the engine knows the order of the elements."""
    return bool(a._expr.native) and type(a._meta) is np.ndarray


def order_function(name: str, **options: Any) -> Any:
    """A function of blocks that runs without Python."""
    return engine.OrderFunction(name, options)


def _block_limit() -> int:
    return int(parse_bytes(config.get("array.chunk-size")))


def _array(a: Any) -> Array:
    from raskr.array.core import asanyarray

    return a if isinstance(a, Array) else asanyarray(a)


def _placed(a: Any, axis: Any) -> tuple[Array, int]:
    """The array, flat when no axis is given, and the axis from 0 on."""
    a = _array(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    return a, normalize_axis(axis, a.ndim)


def whole_along(a: Array, axis: int) -> Array:
    """The array with one block along the axis; other axes are cut anew where blocks would become too large."""
    if a.numblocks[axis] == 1:
        return a
    if has_unknown(a.chunks):
        return a.rechunk({axis: -1})
    size = a.dtype.itemsize * a.shape[axis]
    for other in range(a.ndim):
        size *= max(a.chunks[other], default=1) if other != axis else 1
    if size > _block_limit():
        return a.rechunk({other: -1 if other == axis else "auto" for other in range(a.ndim)})
    return a.rechunk({axis: -1})


def _across_blocks(a: Array, axis: int, positions: bool) -> Array | None:
    """Lines sorted across their blocks, where they are too long for one block or there is but one; else None."""
    if a.numblocks[axis] == 1 or not native_order(a) or has_unknown(a.chunks):
        return None
    if a.ndim == 1:
        return wrap(a._expr.sample_sort(positions))
    others = tuple(n for number, n in enumerate(a.shape) if number != axis)
    limit = _block_limit()
    if a.dtype.itemsize * a.shape[axis] <= limit or not 0 < np.prod(others) <= LINES_MAX:
        return None
    from raskr.array.core import stack
    from raskr.array.routines import moveaxis

    lines = [a[(*index[:axis], slice(None), *index[axis:])] for index in np.ndindex(*others)]
    sorted_lines = stack([wrap(line._expr.sample_sort(positions)) for line in lines])
    return moveaxis(sorted_lines.reshape((*others, a.shape[axis])), -1, axis).rechunk(a.chunks)


def _along(name: str, function: Any, a: Array, axis: int, dtype: Any, native: dict[str, Any], plain: Any) -> Array:
    """`function` of whole lines along the axis, or the engine's where it knows the elements."""
    a = whole_along(a, axis)
    inds = tuple(range(a.ndim))
    arguments = [(a._expr, inds)]
    if native_order(a):
        called = order_function(name, axis=axis, **native)
        return wrap(Expr.blockwise(called, inds, arguments, a.chunks, np.dtype(dtype), True, label=name))
    known = dtype != a.dtype
    options = {"axis": axis, **plain}
    expr = Expr.blockwise(function, inds, arguments, a.chunks, np.dtype(dtype), known, options, label=name)
    return wrap(expr, None if known else a._meta)


@like_numpy(np.sort)
def sort(a, axis=-1, kind=None, order=None, *, stable=None):
    """The elements in ascending order along an axis.

    One line in many blocks is sorted across them, within the memory that there is: blocks are sorted, cut at exact ranks
    and joined, and the chunks stay (parallel sorting by regular sampling, H. Shi and J. Schaeffer, 1992). So are few lines
    that are longer than `array.chunk-size`. Other arrays are rechunked to whole lines. Every `kind` gives the same.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.sort(da.asarray([3, 1, 2])).compute()
    array([1, 2, 3])
    """
    a, axis = _placed(a, axis)
    options = _checked(kind, order, stable, a)
    across = _across_blocks(a, axis, positions=False) if order is None else None
    return across if across is not None else _along("sort", np.sort, a, axis, a.dtype, {}, options)


def _checked(kind: Any, order: Any, stable: Any, a: Array) -> dict[str, Any]:
    """The options of a sort that NumPy itself would take; it complains at once about those that it would not."""
    options = {"kind": kind, "order": order, "stable": stable}
    options = {name: value for name, value in options.items() if value is not None}
    np.sort(np.empty(0, dtype=a.dtype), **options)
    return options


@like_numpy(np.argsort)
def argsort(a, axis=-1, kind=None, order=None, *, stable=None):
    """Positions that would put the elements in order along an axis, those of equal elements in ascending order.

    Blocks are treated as `sort` treats them.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.argsort(da.asarray([3, 1, 2])).compute()
    array([1, 2, 0])
    """
    a, axis = _placed(a, axis)
    options = _checked(kind, order, stable, a)
    across = _across_blocks(a, axis, positions=True) if order is None else None
    return across if across is not None else _along("argsort", np.argsort, a, axis, INTP, {}, options)


def _places(kth: Any, size: float) -> list[int]:
    """Places from 0 on, ascending, as NumPy reads them."""
    places = np.atleast_1d(np.asarray(kth))
    if places.dtype.kind not in "iub" or places.ndim != 1:
        raise TypeError("Partition index must be integer")
    found = []
    for place in map(operator.index, places.astype(np.intp)):
        if not -size <= place < size:
            raise ValueError(f"kth(={place}) out of bounds ({size})")
        found.append(place + int(size) if place < 0 else place)
    return sorted(set(found))


@like_numpy(np.partition)
def partition(a, kth, axis=-1):
    """The elements with the k-th in its place: smaller ones before it, larger ones after it, along an axis.

    One line in many blocks is sorted; other arrays are rechunked to whole lines.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.partition(da.asarray([3, 1, 2, 5]), 1)[1].compute()
    np.int64(2)
    """
    a, axis = _placed(a, axis)
    places = _places(kth, a.shape[axis]) if not has_unknown(a.chunks) else []
    across = _across_blocks(a, axis, positions=False)
    if across is not None:
        return across
    return _along("partition", np.partition, a, axis, a.dtype, {"places": places}, {"kth": kth})


@like_numpy(np.argpartition)
def argpartition(a, kth, axis=-1):
    """Positions that would put the k-th element in its place, as `partition` does.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.argpartition(da.asarray([3, 1, 2, 5]), 0)[0].compute()
    np.int64(1)
    """
    a, axis = _placed(a, axis)
    places = _places(kth, a.shape[axis]) if not has_unknown(a.chunks) else []
    across = _across_blocks(a, axis, positions=True)
    if across is not None:
        return across
    return _along("argpartition", np.argpartition, a, axis, INTP, {"places": places}, {"kth": kth})


def _lexsort_of_blocks(*blocks: Any) -> Any:
    return np.lexsort(blocks)


@like_numpy(np.lexsort)
def lexsort(keys, axis=-1):
    """Positions that sort by several keys, the last of which counts most, along an axis, which is rechunked to one block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.lexsort((da.asarray([1, 0, 2]), da.asarray([5, 5, 1]))).compute()
    array([2, 1, 0])
    """
    from raskr.array.routines import moveaxis

    arrays = [_array(key) for key in keys]
    if not arrays:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    first = arrays[0]
    if any(key.shape != first.shape for key in arrays):
        raise ValueError(f"all keys need to be the same shape, got {[key.shape for key in arrays]}")
    if first.ndim == 0:
        return _array(np.intp(0))
    axis = normalize_axis(axis, first.ndim)
    turned = [moveaxis(key, axis, -1) for key in arrays]
    turned = [key.rechunk((*turned[0].chunks[:-1], -1)) for key in turned]
    inds = tuple(range(first.ndim))
    native = all(map(native_order, turned))
    expr = Expr.blockwise(
        order_function("lexsort") if native else _lexsort_of_blocks,
        inds, [(key._expr, inds) for key in turned], turned[0].chunks, INTP, True, label="lexsort",
    )  # fmt: skip
    return moveaxis(wrap(expr), -1, axis)


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

    arr, axis = _placed(arr, axis)
    arr = whole_along(arr, axis)
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
