"""Blocks that see the edges of their neighbours: overlap, map_overlap, trim, push."""

import warnings
from functools import partial
from numbers import Integral

import numpy as np

from raskr.array.blocks import map_blocks
from raskr.array.boundary import boundaries, constant, nearest, periodic, reflect
from raskr.array.collection import Array, Expr, wrap
from raskr.array.joining import unify_chunks
from raskr.array.utils import block_bounds, has_unknown, unknown_text

__all__ = [
    "boundaries",
    "coerce_boundary",
    "coerce_depth",
    "constant",
    "ensure_minimum_chunksize",
    "map_overlap",
    "nearest",
    "overlap",
    "overlap_internal",
    "periodic",
    "push",
    "reflect",
    "sliding_window_view",
    "trim_internal",
    "trim_overlap",
]


def coerce_depth(ndim, depth):
    """A depth for every axis: a number, or a pair for the two sides.

    Parameters
    ----------
    ndim : int
        The number of axes.
    depth : int, tuple or dict
        One depth for all axes, or by axis; axes that a dict leaves out have 0.

    Examples
    --------
    >>> from raskr.array.overlap import coerce_depth
    >>> coerce_depth(2, {1: (2, 0)})
    {0: 0, 1: (2, 0)}
    """
    default = 0
    if depth is None:
        depth = default
    if isinstance(depth, Integral):
        depth = (depth,) * ndim
    if isinstance(depth, (tuple, list)):
        if len(depth) != ndim:
            raise ValueError(f"depth: got {len(depth)} entries {depth} for {ndim} axes")
        depth = dict(enumerate(depth))
    result = dict.fromkeys(range(ndim), default)
    for axis, entry in depth.items():
        if not -ndim <= axis < ndim:
            raise ValueError(f"depth: axis {axis} of an array of {ndim} axes")
        pair = tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)
        for value in pair:
            if not isinstance(value, (Integral, np.integer)):
                raise TypeError(f"depth: expected integers, got {value!r} for axis {axis}")
            if value < 0:
                raise ValueError(f"depth: must be >= 0, got {value} for axis {axis}")
        result[axis % ndim] = tuple(int(v) for v in pair) if len(pair) == 2 else int(pair[0])
    return result


def coerce_boundary(ndim, boundary):
    """A boundary for every axis.

    Parameters
    ----------
    ndim : int
        The number of axes.
    boundary : str, number, tuple, dict or None
        One for all axes, or by axis: 'none', 'reflect', 'periodic', 'nearest' or a value; 'none' where left out.

    Examples
    --------
    >>> from raskr.array.overlap import coerce_boundary
    >>> coerce_boundary(2, "reflect")
    {0: 'reflect', 1: 'reflect'}
    """
    if boundary is None:
        boundary = "none"
    if isinstance(boundary, (tuple, list)):
        boundary = dict(enumerate(boundary))
    if not isinstance(boundary, dict):
        boundary = dict.fromkeys(range(ndim), boundary)
    result = dict.fromkeys(range(ndim), "none")
    for axis, kind in boundary.items():
        kind = "none" if kind is None else kind
        if isinstance(kind, str) and kind not in ("none", "reflect", "periodic", "nearest"):
            raise ValueError(
                f"boundary: unknown kind {kind!r} for axis {axis}: expected 'none', 'reflect', 'periodic', "
                "'nearest' or a value"
            )
        result[axis % ndim if ndim else axis] = kind
    return result


def _pair(depth):
    return depth if isinstance(depth, tuple) else (depth, depth)


def ensure_minimum_chunksize(size, chunks):
    """Chunks of which none is shorter than a size; short ones are joined to or filled up from their neighbours.

    Parameters
    ----------
    size : int
        The least length.
    chunks : tuple of int
        The lengths of blocks along one axis.

    Examples
    --------
    >>> from raskr.array.overlap import ensure_minimum_chunksize
    >>> ensure_minimum_chunksize(10, (20, 20, 20, 1))
    (20, 20, 11, 10)
    """
    if not chunks or size <= min(chunks):
        return tuple(chunks)
    total = sum(chunks)
    if total < size:
        raise ValueError(f"The overlapping depth {size} is larger than your array {total}.")
    result, current = [], 0
    for length in chunks:
        if length < size and current > size + (size - length):
            # The block before has enough to fill this one up.
            result.append(current - (size - length))
            current = size
        elif current >= size:
            result.append(current)
            current = length
        else:
            current += length
    if current >= size:
        result.append(current)
    elif result and result[-1] - (size - current) >= size and result[-1] >= 2 * size:
        result[-1] -= size - current
        result.append(size)
    elif result:
        result[-1] += current
    return tuple(result)


def overlap_internal(x, axes):
    """Blocks with the edges of their neighbours; nothing is added at the array's own edges.

    Parameters
    ----------
    x : Array
        The array.
    axes : dict
        By axis, the depth, or a pair for the two sides.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array.overlap import overlap_internal
    >>> overlap_internal(da.arange(8, chunks=4), {0: 1}).compute()
    array([0, 1, 2, 3, 4, 3, 4, 5, 6, 7])
    """
    if has_unknown(x.chunks):
        raise ValueError(unknown_text(x, "overlap"))
    ranges = []
    for axis, sizes in enumerate(x.chunks):
        before, after = _pair(axes.get(axis, 0))
        bounds = block_bounds(sizes).tolist()
        ranges.append([(max(0, bounds[k] - before), min(bounds[-1], bounds[k + 1] + after)) for k in range(len(sizes))])
    return Array(x._expr.regions(ranges), meta=x._foreign_meta)


def overlap(x, depth, boundary, *, allow_rechunk=True):
    """Blocks with the edges of their neighbours, and with a boundary around the whole array.

    Parameters
    ----------
    x : Array
        The array.
    depth : int, tuple or dict
        How far each block reaches into its neighbours, for all axes or by axis.
    boundary : str, number, tuple or dict
        What is outside the array: 'none' (nothing), 'reflect', 'periodic', 'nearest' or a value, for all axes or by
        axis.
    allow_rechunk : bool
        Whether blocks shorter than the depth may be joined.

    Returns
    -------
    Array
        Larger than `x`, since shared edges are in several blocks.

    Raises
    ------
    ValueError
        When the depth is larger than an axis, or than a block that may not be rechunked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.overlap.overlap(da.arange(6, chunks=3), depth=1, boundary="nearest").compute()
    array([0, 0, 1, 2, 3, 2, 3, 4, 5, 5])
    """
    depth, boundary = coerce_depth(x.ndim, depth), coerce_boundary(x.ndim, boundary)
    if has_unknown(x.chunks):
        raise ValueError(unknown_text(x, "overlap"))
    wanted = []
    for axis, sizes in enumerate(x.chunks):
        before, after = _pair(depth[axis])
        if before != after and boundary[axis] != "none":
            raise NotImplementedError(
                f"Asymmetric overlap is only there for boundary 'none'; axis {axis} has depth {depth[axis]} and "
                f"boundary {boundary[axis]!r}"
            )
        most = max(before, after)
        if most > sum(sizes):
            raise ValueError(f"The overlapping depth {most} is larger than your array {sum(sizes)} (axis {axis}).")
        if most > min(sizes):
            if not allow_rechunk:
                raise ValueError(
                    f"The overlapping depth {most} is larger than the smallest chunk {min(sizes)} of axis {axis}; "
                    "rechunk, or "
                    "set allow_rechunk=True"
                )
            sizes = ensure_minimum_chunksize(most, sizes)
        wanted.append(sizes)
    x = x.rechunk(tuple(wanted))
    padded = boundaries(x, depth, boundary)
    ranges = []
    for axis, sizes in enumerate(x.chunks):
        before, after = _pair(depth[axis])
        bounds = block_bounds(sizes).tolist()
        if boundary[axis] == "none":
            spans = [(max(0, bounds[k] - before), min(bounds[-1], bounds[k + 1] + after)) for k in range(len(sizes))]
        else:
            spans = [(bounds[k], bounds[k + 1] + before + after) for k in range(len(sizes))]
        ranges.append(spans)
    if padded is x and all(
        span == (start, stop)
        for spans, sizes in zip(ranges, x.chunks)
        for span, start, stop in zip(spans, block_bounds(sizes).tolist(), block_bounds(sizes).tolist()[1:])
    ):
        return x
    return Array(padded._expr.regions(ranges), meta=padded._foreign_meta)


def trim_overlap(x, depth, boundary=None):
    """The array without what `overlap` added to its blocks.

    Parameters
    ----------
    x : Array
        What `overlap` gave, or a function of its blocks.
    depth, boundary
        As they were given to `overlap`.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.overlap.overlap(da.arange(6, chunks=3), depth=1, boundary="nearest")
    >>> da.overlap.trim_overlap(x, depth=1, boundary="nearest").compute()
    array([0, 1, 2, 3, 4, 5])
    """
    return trim_internal(x, coerce_depth(x.ndim, depth), coerce_boundary(x.ndim, boundary))


def trim_internal(x, axes, boundary=None):
    """Blocks without so many elements at their edges.

    Parameters
    ----------
    x : Array
        The array.
    axes : dict
        By axis, the depth, or a pair for the two sides.
    boundary : dict, optional
        By axis, the boundary; along those with 'none', the array's own edges are left alone.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.overlap.trim_internal(da.arange(8, chunks=4), {0: 1}).compute()
    array([1, 2, 5, 6])
    """
    boundary = dict.fromkeys(range(x.ndim), "reflect") if boundary is None else coerce_boundary(x.ndim, boundary)
    depth = coerce_depth(x.ndim, axes)
    if all(_pair(one) == (0, 0) for one in depth.values()):
        return x
    chunks, cuts = [], []
    for axis, sizes in enumerate(x.chunks):
        before, after = _pair(depth[axis])
        last = len(sizes) - 1
        open_edge = boundary[axis] == "none"
        cut = [
            (0 if open_edge and k == 0 else before, 0 if open_edge and k == last else after) for k in range(len(sizes))
        ]
        cuts.append(cut)
        chunks.append(tuple(size - a - b for size, (a, b) in zip(sizes, cut)))
    indices = tuple(range(x.ndim))
    expr = Expr.blockwise(
        _trim_block,
        indices,
        [(x._expr, indices)],
        tuple(chunks),
        x.dtype,
        x._expr.native,
        per_block=partial(_cuts_of_block, cuts=cuts),
        label="trim",
    )
    return wrap(expr, x._foreign_meta)


def _cuts_of_block(block, cuts):
    return {"cuts": tuple(cut[number] for cut, number in zip(cuts, block))}


def _trim_block(block, cuts):
    return block[tuple(slice(before, size - after) for (before, after), size in zip(cuts, block.shape))]


def map_overlap(func, *args, depth=None, boundary=None, trim=True, align_arrays=True, allow_rechunk=True, **kwargs):
    """`func` of the blocks of arrays, each block with the edges of its neighbours.

    Parameters
    ----------
    func : callable
        Gets a block of each array, and gives a block of the same shape (before trimming).
    *args : Array
        The arrays.
    depth : int, tuple, dict or list of these
        How far blocks reach into their neighbours, as of `overlap`; in a list, one for each array.
    boundary : str, number, tuple, dict or list of these
        What is outside the arrays, as of `overlap`; in a list, one for each array.
    trim : bool
        Whether the edges are cut off the result's blocks.
    align_arrays : bool
        Whether to rechunk arrays whose blocks do not line up.
    allow_rechunk : bool
        Whether blocks shorter than the depth may be joined.
    **kwargs
        Further arguments of `map_blocks` and `func`.

    Returns
    -------
    Array

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.from_array([1, 1, 2, 3, 3, 3, 2, 1, 1], chunks=5)
    >>> x.map_overlap(lambda b: b - b.min(), depth=1, boundary="none").shape
    (9,)
    """
    if isinstance(func, Array) and args and callable(args[0]):
        warnings.warn(
            "The use of map_overlap(array, func, **kwargs) is deprecated. Please use map_overlap(func, array, ...) "
            "instead.",
            FutureWarning,
            stacklevel=2,
        )
        func, args = args[0], (func, *args[1:])
        names = ("depth", "boundary", "trim")
        given = dict(zip(names, args[1:]))
        args = args[:1]
        depth, boundary, trim = given.get("depth", depth), given.get("boundary", boundary), given.get("trim", trim)
    if not callable(func):
        raise TypeError(
            f"map_overlap: the first argument must be a callable function, not {type(func).__name__}.\n"
            "Usage: da.map_overlap(function, x, depth=1) or da.map_overlap(function, x, y, depth=1)"
        )
    for arg in args:
        if not isinstance(arg, Array):
            raise TypeError(f"map_overlap: all variadic arguments must be arrays, not {type(arg).__name__}")
    if not args:
        raise ValueError("map_overlap: give at least one array")
    arrays = list(args)
    depths = _for_each(depth, arrays, "depth", coerce_depth)
    kinds = _for_each(boundary, arrays, "boundary", coerce_boundary)
    if align_arrays and len(arrays) > 1:
        pairs = []
        for array in arrays:
            pairs += [array, tuple(range(array.ndim))[::-1]]
        _, arrays = unify_chunks(*pairs, warn=False)
        arrays = _long_enough(arrays, depths, allow_rechunk)
    else:
        _need_equal_blocks(arrays)
        arrays = _long_enough(arrays, depths, allow_rechunk)
    lapped = [overlap(array, one, kind, allow_rechunk=allow_rechunk) for array, one, kind in zip(arrays, depths, kinds)]
    if not trim and kwargs.get("chunks") is None and kwargs.get("drop_axis") is None and kwargs.get("new_axis") is None:
        # A function that is not trimmed trims by itself.
        kwargs["chunks"] = arrays[0].chunks
    result = map_blocks(func, *lapped, **kwargs)
    if not trim:
        return result
    largest = max(range(len(arrays)), key=lambda number: (arrays[number].ndim, -number))
    ndim = arrays[largest].ndim
    depth, boundary = depths[largest], kinds[largest]
    kept = list(range(ndim))
    drop_axis, new_axis = kwargs.get("drop_axis"), kwargs.get("new_axis")
    if drop_axis is not None:
        dropped = {axis % ndim for axis in ([drop_axis] if isinstance(drop_axis, Integral) else drop_axis)}
        kept = [axis for axis in kept if axis not in dropped]
    if new_axis is not None:
        added = [new_axis] if isinstance(new_axis, Integral) else list(new_axis)
        for axis in sorted(axis % (len(kept) + len(added)) for axis in added):
            kept.insert(axis, None)
    return trim_internal(
        result,
        {place: 0 if axis is None else depth[axis] for place, axis in enumerate(kept)},
        {place: "none" if axis is None else boundary[axis] for place, axis in enumerate(kept)},
    )


def _need_equal_blocks(arrays):
    """Complain of arrays whose blocks are to be used together, but are not equally many."""
    for axis in range(-max(array.ndim for array in arrays), 0):
        counts = {array.numblocks[axis] for array in arrays if array.ndim >= -axis and array.shape[axis] != 1}
        if len(counts) > 1:
            raise ValueError(
                f"map_overlap: arrays have {' and '.join(map(str, sorted(counts)))} blocks along axis {axis}, and "
                "align_arrays "
                "is False"
            )


def _for_each(given, arrays, what, coerce):
    if isinstance(given, list):
        if len(given) != len(arrays):
            raise ValueError(f"{what}: got {len(given)} for {len(arrays)} arrays")
    else:
        given = [given] * len(arrays)
    return [coerce(array.ndim, one) for array, one in zip(arrays, given)]


def _long_enough(arrays, depths, allow_rechunk):
    """Blocks joined until each is as long as the deepest overlap along its axis, in the same way in all arrays."""
    if not allow_rechunk:
        return arrays
    ndim = max(array.ndim for array in arrays)
    least = [0] * ndim
    for array, depth in zip(arrays, depths):
        for axis in range(array.ndim):
            if array.shape[axis] != 1 or ndim == array.ndim:
                place = ndim - array.ndim + axis
                least[place] = max(least[place], *_pair(depth[axis]))
    result = []
    for array in arrays:
        wanted = tuple(
            sizes
            if has_unknown((sizes,)) or (len(sizes) == 1 and array.ndim != ndim)
            else ensure_minimum_chunksize(min(least[ndim - array.ndim + axis], sum(sizes)), sizes)
            for axis, sizes in enumerate(array.chunks)
        )
        result.append(array if has_unknown(wanted) else array.rechunk(wanted))
    return result


def push(array, n, axis):
    """Missing values (NaN) filled with the last value before them along an axis.

    Parameters
    ----------
    array : Array
        The array.
    n : int or None
        How many missing values in a row are filled at most; None for all.
    axis : int
        The axis.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.push(da.from_array([1.0, np.nan, np.nan, 4.0], chunks=2), n=None, axis=0).compute()
    array([1., 1., 1., 4.])
    """
    from raskr.array.utils import validate_axis

    axis = validate_axis(axis, array.ndim)
    if n is not None and 0 < n < array.shape[axis] - 1:
        return array.map_overlap(
            partial(_filled, axis=axis, limit=n), depth={axis: (n, 0)}, boundary="none", dtype=array.dtype
        )
    expr = array._expr.scan_with(
        partial(_filled, axis=axis, limit=None),
        partial(_last_along, axis=axis),
        _fill_from_before,
        axis,
        array.dtype,
        array._expr.native,
        label="push",
    )
    return wrap(expr, array._foreign_meta)


def _filled(block, axis, limit):
    length = block.shape[axis]
    shape = [1] * block.ndim
    shape[axis] = length
    position = np.arange(length).reshape(shape)
    source = np.maximum.accumulate(np.where(np.isnan(block), -1, position), axis=axis)
    usable = source >= 0
    if limit is not None:
        usable &= position - source <= limit
    taken = np.take_along_axis(block, np.maximum(source, 0), axis=axis)
    return np.where(usable, taken, block)


def _last_along(block, axis):
    return np.take(block, [-1], axis=axis)


def _fill_from_before(before, block):
    return np.where(np.isnan(block), before, block)


def sliding_window_view(x, window_shape, axis=None, automatic_rechunk=True):
    """Windows that slide over the array; see `raskr.array.lib.stride_tricks.sliding_window_view`.

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

    Examples
    --------
    >>> import raskr.array as da
    >>> da.overlap.sliding_window_view(da.arange(5, chunks=5), 3).shape
    (3, 3)
    """
    from raskr.array.lib.stride_tricks import sliding_window_view

    return sliding_window_view(x, window_shape, axis, automatic_rechunk)
