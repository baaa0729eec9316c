"""Windows that slide over an array."""

import math
from numbers import Integral

import numpy as np

from raskr.array.blocks import map_blocks
from raskr.array.collection import Array
from raskr.array.overlap import ensure_minimum_chunksize
from raskr.array.utils import block_bounds, validate_axis

__all__ = ["sliding_window_view"]


def sliding_window_view(x, window_shape, axis=None, automatic_rechunk=True):
    """Windows that slide over the array, as `numpy.lib.stride_tricks.sliding_window_view`.

    Parameters
    ----------
    x : Array
        The array.
    window_shape : int or tuple of int
        The length of the window along each of its axes.
    axis : int or tuple of int, optional
        The axes that it slides along; all where it is left out.
    automatic_rechunk : bool
        Whether other axes are cut into more blocks, so that blocks do not become larger.

    Returns
    -------
    Array
        The window's own axes are the last ones.

    Raises
    ------
    ValueError
        When the window does not fit.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.lib.stride_tricks.sliding_window_view(da.arange(5, chunks=2), 3).compute()
    array([[0, 1, 2],
           [1, 2, 3],
           [2, 3, 4]])
    """
    window = (int(window_shape),) if isinstance(window_shape, Integral) else tuple(int(w) for w in window_shape)
    if any(length <= 0 for length in window):
        raise ValueError(f"window_shape {window}: lengths must be >= 1")
    if axis is None:
        axes = tuple(range(x.ndim))
        if len(window) != len(axes):
            raise ValueError(
                f"window_shape {window} has {len(window)} lengths for {x.ndim} axes; give axis to slide along some only"
            )
    else:
        axes = validate_axis((axis,) if isinstance(axis, Integral) else tuple(axis), x.ndim)
        if len(window) != len(axes):
            raise ValueError(f"window_shape {window} has {len(window)} lengths, axis {axis} names {len(axes)} axes")
    depth = [0] * x.ndim
    for place, length in zip(axes, window):
        depth[place] += length - 1
    for place, reach in enumerate(depth):
        if reach >= x.shape[place]:
            raise ValueError(
                f"window_shape {window}: a window of {reach + 1} does not fit into axis {place} of length "
                f"{x.shape[place]}"
            )
    chunks = [ensure_minimum_chunksize(reach + 1, sizes) if reach else sizes for reach, sizes in zip(depth, x.chunks)]
    if automatic_rechunk:
        growth = math.prod(window) * math.prod(max(new) / max(old) for new, old in zip(chunks, x.chunks))
        others = [place for place in range(x.ndim) if place not in axes]
        if others:
            pieces = math.ceil(round(growth ** (1 / len(others)), 9))
            for place in others:
                chunks[place] = tuple(part for size in chunks[place] for part in _even_long_first(size, pieces))
    x = x.rechunk(tuple(chunks))
    ranges, result = [], []
    for sizes, reach in zip(x.chunks, depth):
        bounds = block_bounds(sizes).tolist()
        spans = [(bounds[k], min(bounds[-1], bounds[k + 1] + reach)) for k in range(len(sizes))]
        ranges.append(spans)
        result.append(tuple(stop - start - reach for start, stop in spans))
    lapped = Array(x._expr.regions(ranges), meta=x._foreign_meta)
    return map_blocks(
        np.lib.stride_tricks.sliding_window_view,
        lapped,
        window,
        axes,
        dtype=x.dtype,
        chunks=(*result, *((length,) for length in window)),
        new_axis=list(range(x.ndim, x.ndim + len(window))),
        meta=np.empty((0,) * (x.ndim + len(window)), dtype=x.dtype) if x._foreign_meta is None else None,
    )


def _even_long_first(length, pieces):
    pieces = max(1, min(pieces, length))
    short, longer = divmod(length, pieces)
    return (short + 1,) * longer + (short,) * (pieces - longer)
