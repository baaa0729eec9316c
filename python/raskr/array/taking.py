"""Elements by number along one axis: `take`, index arrays, `shuffle`."""

import math
from functools import partial

import numpy as np

from raskr import config
from raskr.array.collection import Array, Expr, wrap
from raskr.array.reshape import even
from raskr.array.slicing import _index_blocks
from raskr.array.utils import has_unknown, unknown_text


def take_axis(x, positions, axis):
    """Elements at these positions (a NumPy array of ints, one axis) along an axis."""
    positions = np.ascontiguousarray(positions, dtype=np.int64)
    sizes = x.chunks[axis]
    if has_unknown((sizes,)):
        if len(sizes) > 1:
            raise ValueError(unknown_text(x, f"indexing axis {axis} with a list"))
        index = (slice(None),) * axis + (positions,)
        chunks = (*x.chunks[:axis], (len(positions),), *x.chunks[axis + 1 :])
        return _index_blocks(x, index, range(x.ndim), chunks)
    length = sum(sizes)
    if len(positions) == length and (length == 0 or (positions[0] == 0 and np.all(np.diff(positions) == 1))):
        return x
    return Array(x._expr.take(axis, positions, taken_chunks(x, len(positions), axis)), meta=x._foreign_meta)


def taken_chunks(x, count, axis):
    """Blocks as long as those of `x` are on average, and not over the wanted size in bytes."""
    sizes = x.chunks[axis]
    size = max(1, int(sum(sizes) / max(1, len(sizes))))
    if count == 0:
        return (0,)
    whole, rest = divmod(count, size)
    return (size,) * whole + ((rest,) if rest else ())


def take_lazy(x, index, axis):
    """Elements at the positions that a lazy array of one axis gives, along an axis."""
    places = tuple(range(x.ndim))
    along = x.ndim
    out = tuple(along if place == axis else place for place in places)
    chunks = tuple(index.chunks[0] if place == axis else x.chunks[place] for place in places)
    expr = Expr.blockwise(
        partial(_take_from_blocks, axis=axis),
        out,
        [(x._expr, places), (index._expr, (along,))],
        chunks,
        x.dtype,
        x._expr.native,
        label="getitem",
    )
    return wrap(expr, None if x._expr.native else x._meta)


def _take_from_blocks(blocks, positions, axis):
    """Elements of blocks in a list, by their number in all of them."""
    blocks = blocks if isinstance(blocks, list) else [blocks]
    bounds = np.cumsum([0] + [block.shape[axis] for block in blocks])
    length = bounds[-1]
    positions = np.asarray(positions).astype(np.int64)
    outside = (positions < -length) | (positions >= length)
    if outside.any():
        raise IndexError(f"Index {positions[outside][0]} is out of bounds for axis {axis} with size {length}")
    positions = np.where(positions < 0, positions + length, positions)
    before = (slice(None),) * axis
    if len(blocks) == 1:
        return blocks[0][(*before, positions)]
    shape = list(blocks[0].shape)
    shape[axis] = len(positions)
    result = np.empty_like(blocks[0], shape=tuple(shape))
    for number, block in enumerate(blocks):
        here = np.flatnonzero((positions >= bounds[number]) & (positions < bounds[number + 1]))
        if here.size:
            result[(*before, here)] = block[(*before, positions[here] - bounds[number])]
    return result


def shuffle(x, indexer, axis, chunks="auto"):
    """The elements along one axis in another order, given as lists of positions, each list a group that stays together.

    Parameters
    ----------
    x : array_like
        The array.
    indexer : list of lists of int
        The positions; what is in one list ends up in one block.
    axis : int
        The axis.
    chunks : {'auto'}
        Groups are put together to blocks of about the size of the present ones.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.from_array(np.arange(16).reshape(4, 4), chunks=2)
    >>> da.shuffle(x, [[1, 3], [0, 2]], axis=0).compute()[:, 0]
    array([ 4, 12,  0,  8])
    """
    from raskr.array.sources import asarray
    from raskr.array.utils import validate_axis

    x = asarray(x)
    axis = validate_axis(axis, x.ndim)
    if has_unknown(x.chunks):
        raise ValueError(unknown_text(x, "Shuffling only allowed with known chunk sizes"))
    if not isinstance(indexer, (list, tuple)) or not all(
        isinstance(group, (list, tuple, np.ndarray, range)) for group in indexer
    ):
        raise ValueError("indexer must be a list of lists of positions")
    if chunks != "auto":
        raise NotImplementedError(f"chunks={chunks!r}: only 'auto' is known")
    groups = [np.asarray(group, dtype=np.int64).ravel() for group in indexer]
    length = x.shape[axis]
    flat = np.concatenate(groups) if groups else np.empty(0, dtype=np.int64)
    if flat.size and (flat.min() < 0 or flat.max() >= length):
        wrong = flat[(flat < 0) | (flat >= length)][0]
        raise IndexError(f"Indexer contains out of bounds index {wrong}: the dimension only has {length} elements")
    sizes = _group_chunks([len(group) for group in groups], x.chunks[axis])
    if len(flat) == length and np.array_equal(flat, np.arange(length)) and sizes == x.chunks[axis]:
        return x
    x = _others_cut(x, axis, sizes)
    return Array(x._expr.take(axis, flat, sizes), meta=x._foreign_meta)


def _group_chunks(lengths, sizes):
    """Groups joined to blocks about as long as the present ones, within the tolerance."""
    limit = max(1, int(_wanted(sizes) * float(config.get("array.chunk-size-tolerance"))))
    result, current = [], 0
    for length in lengths:
        if current and current + length > limit:
            result.append(current)
            current = 0
        current += length
    if current or not result:
        result.append(current)
    return tuple(result)


def _wanted(sizes):
    return math.ceil(sum(sizes) / max(1, len(sizes)))


def _others_cut(x, axis, sizes):
    """Blocks cut along the other axes where those along this one become much longer."""
    growth = max(sizes) / max(1, *x.chunks[axis])
    able = [place for place in range(x.ndim) if place != axis and max(x.chunks[place], default=0) > 1]
    if growth <= float(config.get("array.chunk-size-tolerance")) or not able:
        return x
    pieces = math.ceil(round(growth ** (1 / len(able)), 9))
    return x.rechunk({place: tuple(part for size in x.chunks[place] for part in even(size, pieces)) for place in able})
