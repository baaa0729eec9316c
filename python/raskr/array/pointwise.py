"""Pointwise indexing: index arrays on several axes that are broadcast together."""

import math

import numpy as np

from raskr.array.collection import Array, Expr, wrap
from raskr.array.utils import block_bounds, has_unknown, meta_from_array, unknown_text


class PointwiseIndex:
    """What `x.vindex` gives: an object to be indexed."""

    def __init__(self, array):
        self._array = array

    def __getitem__(self, key):
        return vindex(self._array, key)


def vindex(x, key):
    """`x.vindex[key]`: index arrays are broadcast together; their axes come first, those of slices after them."""
    key = key if isinstance(key, tuple) else (key,)
    if any(isinstance(entry, Array) for entry in key):
        return _vindex_lazy(x, key)
    if any(entry is None for entry in key):
        raise IndexError(f"vindex does not support indexing with None (np.newaxis), got {key}")
    if any(entry is Ellipsis for entry in key):
        at = next(number for number, entry in enumerate(key) if entry is Ellipsis)
        key = key[:at] + (slice(None),) * (x.ndim - len(key) + 1) + key[at + 1 :]
    if len(key) > x.ndim:
        raise IndexError(f"Too many indices for array: {len(key)} given, the array has {x.ndim} axes")
    key += (slice(None),) * (x.ndim - len(key))
    points, slices = {}, []
    for axis, entry in enumerate(key):
        if isinstance(entry, slice):
            slices.append(entry)
            continue
        positions = np.asarray(entry)
        if positions.dtype.kind == "b":
            raise IndexError(f"vindex does not support indexing with boolean arrays (axis {axis}); use x[mask]")
        if positions.size == 0:
            positions = positions.astype(np.int64)
        if positions.dtype.kind not in "iu":
            raise IndexError(f"vindex: axis {axis}: expected integers or bools, got {positions.dtype}")
        length = x.shape[axis]
        if length != length:
            raise ValueError(unknown_text(x, f"vindex of axis {axis}"))
        least = positions.min(initial=0)
        if least < -length or positions.max(initial=-1) >= length:
            raise IndexError(
                f"vindex key has entries out of bounds for indexing along axis {axis} of size {length}: {entry!r}"
            )
        positions = np.where(positions < 0, positions + length, positions) if least < 0 else positions
        points[axis] = positions.astype(np.int64)
        slices.append(slice(None))
    chosen = x[tuple(slices)]
    if not points:
        if chosen is not x:
            raise IndexError(
                f"vindex needs an index array to go with slices that are not over the entire array, got {key}"
            )
        return x
    x = chosen
    return select_points(x, points, first=True)


def _vindex_lazy(x, key):
    if len(key) == 1 and x.ndim == 1 and x.npartitions == 1 and isinstance(key[0], Array):
        index = key[0]
        places = tuple(range(index.ndim))
        expr = Expr.blockwise(
            _index_whole,
            places,
            [(index._expr, places), (x._expr, (index.ndim,))],
            index.chunks,
            x.dtype,
            x._expr.native,
            concatenate=True,
            label="vindex",
        )
        return wrap(expr, None if x._expr.native else meta_from_array(x._meta, ndim=index.ndim))
    raise IndexError(
        "vindex does not support indexing with dask objects (lazy arrays), except one index array into an array of "
        "one axis and one block; "
        f"compute the index first. Got {key}"
    )


def _index_whole(index, whole):
    return whole[index]


def select_points(x, points, first=False):
    """Elements at points: positions along some axes (`{axis: positions}`, broadcast together), all along the others.

    The points' axes come first, or where the indexed axes were if these are neighbours (NumPy's rule) and not `first`.
    """
    axes = sorted(points)
    try:
        arrays = np.broadcast_arrays(*(points[axis] for axis in axes))
    except ValueError:
        shapes = " ".join(str(points[axis].shape) for axis in axes)
        raise IndexError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}"
        ) from None
    shape = arrays[0].shape
    for axis in axes:
        if has_unknown((x.chunks[axis],)):
            raise ValueError(unknown_text(x, f"indexing axis {axis} by points"))
    rest = [axis for axis in range(x.ndim) if axis not in points]
    picked = _pick(x, axes, [np.ascontiguousarray(array).ravel() for array in arrays], rest)
    if len(shape) != 1:
        picked = picked.reshape(shape + picked.shape[1:]) if picked.numblocks[0] > 1 else _unfold(picked, shape)
    if not first and axes == list(range(axes[0], axes[-1] + 1)) and axes[0] > 0:
        before = axes[0]
        count = len(shape)
        order = [*range(count, count + before), *range(count), *range(count + before, picked.ndim)]
        picked = picked.transpose(order)
    return picked


def _unfold(picked, shape):
    chunks = tuple((length,) for length in shape) + picked.chunks[1:]
    meta = picked._foreign_meta
    return Array(
        picked._expr.reshape_blocks(chunks), meta=None if meta is None else meta_from_array(meta, ndim=len(chunks))
    )


def _pick(x, axes, positions, rest):
    """Elements at points along one new first axis; the blocks without a point are not looked at, if whole rows of
    them are."""
    count = len(positions[0])
    limit = math.prod(max(x.chunks[axis], default=1) for axis in axes) or 1
    whole, left = divmod(count, limit)
    sizes = (limit,) * whole + ((left,) if left else ()) or (0,)
    if x._expr.native:
        return wrap(x._expr.points(axes, positions, sizes))
    needed, numbers, offsets = [], [], []
    for axis, at in zip(axes, positions):
        bounds = block_bounds(x.chunks[axis])
        block = np.searchsorted(bounds[1:], at, side="right")
        used, number = np.unique(block, return_inverse=True)
        needed.append(used.tolist() or [0])
        numbers.append(number.reshape(-1))
        offsets.append(at - bounds[block])
    expr = x._expr.select_blocks(
        [needed[axes.index(axis)] if axis in axes else list(range(x.numblocks[axis])) for axis in range(x.ndim)]
    )
    grid = tuple(map(len, needed))
    flat = np.ravel_multi_index(numbers, grid) if count else np.zeros(0, dtype=np.int64)
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(math.prod(grid) + 1))
    table = _PointTable(grid, axes, order, starts, [offset[order] for offset in offsets])
    places = tuple(range(x.ndim))
    out_chunks = tuple(
        (1,) * len(needed[axes.index(axis)]) if axis in axes else x.chunks[axis] for axis in range(x.ndim)
    )
    picked = Expr.blockwise(
        _pick_from_block,
        places,
        [(expr, places)],
        out_chunks,
        np.dtype(object),
        False,
        kwargs={"axes": tuple(axes)},
        per_block=table.points_of_block,
        label="vindex",
    )
    along = x.ndim
    merged = Expr.blockwise(
        _merge_points,
        (along, *rest),
        [(picked, places)],
        (sizes, *(x.chunks[axis] for axis in rest)),
        x.dtype,
        x._expr.native,
        per_block=_PointRange(sizes),
        label="vindex-merge",
    )
    return wrap(merged, None if x._expr.native else meta_from_array(x._meta, ndim=1 + len(rest)))


class _PointTable:
    """Which points lie in which block, and where in it."""

    def __init__(self, grid, axes, order, starts, offsets):
        self.grid, self.axes, self.order, self.starts, self.offsets = grid, axes, order, starts, offsets

    def points_of_block(self, block):
        number = int(np.ravel_multi_index(tuple(block[axis] for axis in self.axes), self.grid))
        here = slice(self.starts[number], self.starts[number + 1])
        return {"offsets": tuple(offset[here] for offset in self.offsets), "targets": self.order[here]}


class _PointRange:
    """Which points an output block holds."""

    def __init__(self, sizes):
        self.bounds = block_bounds(sizes)

    def __call__(self, block):
        return {"start": int(self.bounds[block[0]]), "stop": int(self.bounds[block[0] + 1])}


class _Picked:
    """Elements picked from one block, and which points they are."""

    __slots__ = ("targets", "values")

    def __init__(self, targets, values):
        self.targets, self.values = targets, values


def _pick_from_block(block, axes, offsets, targets):
    index = [slice(None)] * block.ndim
    for axis, offset in zip(axes, offsets):
        index[axis] = offset
    values = block[tuple(index)]
    neighbours = axes == tuple(range(axes[0], axes[0] + len(axes)))
    if neighbours and axes[0] > 0:
        values = np.moveaxis(values, axes[0], 0)
    return _Picked(targets, values)


def _merge_points(nested, start, stop):
    pieces = list(_flattened(nested))
    shape = (stop - start, *pieces[0].values.shape[1:])
    result = np.empty_like(pieces[0].values, shape=shape)
    for piece in pieces:
        here = np.flatnonzero((piece.targets >= start) & (piece.targets < stop))
        if here.size:
            result[piece.targets[here] - start] = piece.values[here]
    return result


def _flattened(nested):
    if isinstance(nested, list):
        for one in nested:
            yield from _flattened(one)
    else:
        yield nested
