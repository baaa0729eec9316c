"""What functions of blocks are told about their blocks: `block_id` and `block_info`."""

import math

import numpy as np

from raskr.array.collection import Array
from raskr.array.utils import block_bounds


def first_info(pairs, ndim_out, dtype):
    """What `block_info` says in the call on made-up blocks."""
    info = {}
    for number, (arg, indices) in enumerate(pairs):
        if indices is not None:
            info[number] = {
                "shape": arg.shape,
                "num-chunks": arg.numblocks,
                "array-location": [(0, sizes[0] if sizes else 0) for sizes in arg.chunks],
                "chunk-location": (0,) * arg.ndim,
            }
    info[None] = {
        "shape": (1,) * ndim_out,
        "num-chunks": (1,) * ndim_out,
        "array-location": [(0, 1)] * ndim_out,
        "chunk-location": (0,) * ndim_out,
        "chunk-shape": (1,) * ndim_out,
        "dtype": dtype if dtype is not None else np.dtype("f8"),
    }
    return info


class BlockFacts:
    """`block_id` and `block_info` of each block, as keyword arguments."""

    def __init__(self, wants_id, wants_info):
        self.wants_id, self.wants_info = wants_id, wants_info

    def prepare(self, pairs, out, chunks, dtype):
        """Keep what the arrays look like once their blocks are lined up."""
        self.inputs = [
            (number, tuple(indices), arg.shape, arg.numblocks, _bounds(arg.chunks))
            for number, (arg, indices) in enumerate(pairs)
            if indices is not None and isinstance(arg, Array)
        ]
        self.out, self.chunks, self.dtype = tuple(out), chunks, dtype
        self.bounds = _bounds(chunks)
        self.shape = tuple(sum(sizes) for sizes in chunks)
        self.numblocks = tuple(map(len, chunks))

    def __call__(self, block):
        facts = {}
        if self.wants_id:
            facts["block_id"] = tuple(block)
        if self.wants_info:
            facts["block_info"] = self.info(tuple(block))
        return facts

    def info(self, block):
        place = dict(zip(self.out, block))
        info = {}
        for number, indices, shape, numblocks, bounds in self.inputs:
            # Along a dropped axis the function has all blocks as one.
            whole = [index not in place for index in indices]
            at = tuple(
                0 if joined or count == 1 else place[index] for index, count, joined in zip(indices, numblocks, whole)
            )
            info[number] = {
                "shape": shape,
                "num-chunks": tuple(1 if joined else count for count, joined in zip(numblocks, whole)),
                "array-location": [
                    (b[0], b[-1]) if joined else (b[i], b[i + 1]) for b, i, joined in zip(bounds, at, whole)
                ],
                "chunk-location": at,
            }
        info[None] = {
            "shape": self.shape,
            "num-chunks": self.numblocks,
            "array-location": [(b[i], b[i + 1]) for b, i in zip(self.bounds, block)],
            "chunk-shape": tuple(sizes[i] for sizes, i in zip(self.chunks, block)),
            "chunk-location": block,
            "dtype": self.dtype,
        }
        return info


def _bounds(chunks):
    result = []
    for sizes in chunks:
        if any(size != size for size in sizes):
            result.append([math.nan] * (len(sizes) + 1))
        else:
            result.append(block_bounds(sizes).tolist())
    return result
