"""Blocks by number, blocks as delayed values, blocks whose lengths become known."""

import math

import numpy as np

from raskr._bridge import core
from raskr.array.collection import Array, Expr


class BlockView:
    """What `x.blocks` gives: the array, to be indexed by block numbers."""

    def __init__(self, array):
        self._array = array

    def __eq__(self, other):
        if isinstance(other, BlockView):
            return self._array is other._array or self._array.name == other._array.name
        return NotImplemented

    __hash__ = None

    @property
    def size(self):
        """The number of blocks."""
        return math.prod(self.shape)

    @property
    def shape(self):
        """The number of blocks along each axis."""
        return self._array.numblocks

    def ravel(self):
        """Every block as an array, in row-major order."""
        return [self[index] for index in np.ndindex(self.shape)]

    def __getitem__(self, index):
        from raskr.array.slicing import normalized_index

        array = self._array
        index = index if isinstance(index, tuple) else (index,)
        if any(entry is None for entry in index):
            raise ValueError("Slicing with np.newaxis or None is not supported: blocks has the array's axes only")
        if sum(isinstance(entry, (np.ndarray, list)) for entry in index) > 1:
            raise ValueError("Can only slice with a single list")
        grid = _Grid(self.shape)
        entries = normalized_index(grid, index)
        selected = []
        for entry, count in zip(entries, self.shape):
            if isinstance(entry, slice):
                selected.append(list(range(count))[entry])
            elif isinstance(entry, np.ndarray):
                selected.append((np.flatnonzero(entry) if entry.dtype.kind == "b" else entry).tolist())
            else:
                selected.append([entry])
        return Array(array._expr.select_blocks(selected), meta=array._foreign_meta)


class _Grid:
    """The grid of blocks, as something that an index can be checked against."""

    def __init__(self, shape):
        self.shape, self.ndim = shape, len(shape)


def computed_chunks(array):
    """The chunks, with the unknown lengths found by computing one row of blocks along each axis that has any."""
    from raskr.base import compute

    unknown = [axis for axis, sizes in enumerate(array.chunks) if any(size != size for size in sizes)]
    lengths = []
    for axis in unknown:
        row = array._expr.select_blocks(
            [list(range(count)) if place == axis else [0] for place, count in enumerate(array.numblocks)]
        )
        places = tuple(range(array.ndim))
        counted = Expr.blockwise(
            _length_of_block,
            places,
            [(row, places)],
            tuple((1,) * count for count in row.numblocks),
            np.dtype(np.int64),
            True,
            kwargs={"axis": axis},
            label="chunk-sizes",
        )
        lengths.append(Array(counted))
    values = compute(*lengths)
    chunks = list(array.chunks)
    for axis, value in zip(unknown, values):
        chunks[axis] = tuple(int(size) for size in np.ravel(value))
    return tuple(chunks)


def _length_of_block(block, axis):
    return np.full((1,) * block.ndim, block.shape[axis], dtype=np.int64)


def delayed_blocks(array):
    """The blocks as `Delayed` objects in a NumPy array of objects."""
    blocks = np.empty(array.numblocks, dtype=object)
    flat = [core.delayed_of_node(node, None) for node in array._expr.block_nodes()]
    if array.ndim == 0:
        blocks[()] = flat[0]
    else:
        blocks[...] = np.array([*flat, None], dtype=object)[:-1].reshape(array.numblocks)
    return blocks
