"""Indexing by masks: the result's length is known only when it is computed."""

import math
import warnings

import numpy as np

from raskr.array.collection import Array, Expr, wrap
from raskr.array.joining import common_chunks, rechunk_to
from raskr.array.utils import has_unknown


def as_mask(mask):
    """A mask as an `Array`."""
    from raskr.array.sources import from_array

    return mask if isinstance(mask, Array) else from_array(mask, chunks=-1)


def select_mask(x, mask):
    """The elements where a mask of the same shape is true, in row-major order, along one axis."""
    mask = as_mask(mask)
    if x.ndim == 0:
        raise NotImplementedError("x[mask] of an array without axes: use da.where")
    if x.ndim > 1 and not has_unknown(x.chunks) and not has_unknown(mask.chunks):
        if x.chunks != mask.chunks and x.shape == mask.shape:
            # Cut alike before they become one axis, so that elements and mask are looked at together.
            mask = mask.rechunk(x.chunks)
        x, mask = x.reshape(-1), mask.reshape(-1)
    elif x.ndim > 1:
        warnings.warn(
            "When slicing a raskr array of unknown chunks with a boolean mask, the output array may have a "
            "different ordering "
            "compared to the equivalent NumPy operation. This will raise an error in a future release.",
            stacklevel=4,
        )
        return _select_by_block(x, mask)
    return select_mask_along(x, mask, 0)


def _select_by_block(x, mask):
    """Blocks masked one by one and put one after another in the order of the grid of blocks."""
    if _natively(x, mask) and x.numblocks == mask.numblocks:
        return wrap(x._expr.filter(mask._expr.with_chunks(x.chunks)))
    indices = tuple(range(x.ndim))
    unknown = tuple((math.nan,) * len(sizes) for sizes in x.chunks)
    picked = Expr.blockwise(
        _mask_block_deep,
        indices,
        [(x._expr, indices), (mask._expr, indices)],
        unknown,
        x.dtype,
        x._expr.native,
        label="getitem",
    )
    count = math.prod(x.numblocks)
    return wrap(picked.reshape_blocks(((math.nan,) * count,)), None if x._expr.native else x._meta)


def _mask_block_deep(block, mask):
    picked = block[mask]
    return picked.reshape((picked.shape[0],) + (1,) * (block.ndim - 1))


def select_mask_along(x, mask, axis):
    """What a mask of one axis leaves along an axis."""
    mask = as_mask(mask)
    sizes = common_chunks([((x.chunks[axis],), ("i",)), (mask.chunks, ("i",))])["i"]
    x = rechunk_to(x, [sizes if place == axis else own for place, own in enumerate(x.chunks)])
    mask = rechunk_to(mask, [sizes])
    if _natively(x, mask):
        return wrap(x._expr.filter(mask._expr) if x.ndim == 1 else x._expr.compress(mask._expr, axis))
    indices = tuple(range(x.ndim))
    chunks = tuple((math.nan,) * x.numblocks[axis] if place == axis else own for place, own in enumerate(x.chunks))
    expr = Expr.blockwise(
        _mask_block,
        indices,
        [(x._expr, indices), (mask._expr, (axis,))],
        chunks,
        x.dtype,
        x._expr.native,
        kwargs={"axis": axis},
        label="getitem",
    )
    return wrap(expr, None if x._expr.native else x._meta)


def _natively(x, mask):
    """Can the engine select by this mask without NumPy?"""
    return x._expr.native and mask._expr.native and mask.dtype == bool


def _mask_block(block, mask, axis):
    return block[(slice(None),) * axis + (np.asarray(mask, dtype=bool),)]
