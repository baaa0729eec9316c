"""From what users write for `chunks` to the lengths of blocks along every axis."""

import itertools
import math
from collections import Counter
from functools import lru_cache
from numbers import Integral, Number

import numpy as np

from raskr import config
from raskr.utils import parse_bytes

_DOCS = "https://docs.dask.org/en/latest/array-chunks.html says what chunks may be"


def normalize_chunks(chunks, shape=None, limit=None, dtype=None, previous_chunks=None):
    """The lengths of blocks along every axis, from any way of writing `chunks`.

    Parameters
    ----------
    chunks : int, tuple, dict or str
        One length for all axes; or an entry an axis (by position or by axis number): a length, a tuple of lengths,
        -1 or None for one block along the whole axis, 'auto' for lengths that keep blocks under the limit, or a size in
        bytes such as '64MiB' (as 'auto', with this limit).
    shape : tuple of int, optional
        The shape of the whole array.
    limit : int or str, optional
        Bytes of a block for 'auto'; the setting `array.chunk-size` where it is left out.
    dtype : dtype, optional
        The element type; 'auto' needs it.
    previous_chunks : tuple of tuples of int, optional
        Chunks whose borders 'auto' keeps where it can.

    Returns
    -------
    tuple of tuples of int

    Raises
    ------
    ValueError
        When lengths are negative or don't add up to the shape.

    Examples
    --------
    >>> from raskr.array.core import normalize_chunks
    >>> normalize_chunks((2, -1), shape=(5, 6))
    ((2, 2, 1), (6,))
    >>> normalize_chunks("auto", shape=(20,), limit=5, dtype="uint8")
    ((5, 5, 5, 5),)
    """
    if chunks is None:
        raise ValueError(f"chunks is None: expected a length, a tuple or 'auto' ({_DOCS})")
    if shape is not None and len(shape) == 0:
        return ()
    if isinstance(chunks, np.ndarray):
        chunks = chunks.tolist()
    if isinstance(chunks, list):
        chunks = tuple(chunks)
    if isinstance(chunks, (Number, str)):
        chunks = (chunks,) * (1 if shape is None else len(shape))
    if isinstance(chunks, dict):
        chunks = _entries_of_dict(chunks, shape)
    chunks = tuple(tuple(entry) if isinstance(entry, (list, np.ndarray)) else entry for entry in chunks)
    if not chunks and shape and all(length == 0 for length in shape):
        chunks = ((0,),) * len(shape)
    if shape is not None and len(shape) == 1 and len(chunks) > 1 and all(isinstance(c, (Number, str)) for c in chunks):
        chunks = (chunks,)
    if shape is not None and len(chunks) != len(shape):
        raise ValueError(
            f"Chunks and shape must be of the same length/dimension. Got chunks={chunks} ({len(chunks)} entries), "
            f"shape={tuple(shape)} ({len(shape)} axes)"
        )
    if shape is not None:
        chunks = tuple(_whole_axis(entry, length) for entry, length in zip(chunks, shape))
        shape = tuple(length if length != length else int(length) for length in shape)
    chunks, limit = _with_byte_limit(chunks, limit)
    if any(isinstance(entry, str) for entry in chunks):
        if shape is None:
            raise ValueError("chunks='auto' needs the shape")
        chunks = auto_chunks(chunks, shape, limit, dtype, previous_chunks)
    if shape is None:
        return tuple(
            _listed(axis, entry) if isinstance(entry, tuple) else (entry,) for axis, entry in enumerate(chunks)
        )
    result = tuple(
        _listed(axis, entry) if isinstance(entry, tuple) else _regular(axis, entry, length)
        for axis, (entry, length) in enumerate(zip(chunks, shape))
    )
    for axis, (sizes, length) in enumerate(zip(result, shape)):
        total = sum(sizes)
        if total != length and total == total and length == length:
            raise ValueError(
                f"Chunks do not add up to shape. Got chunks={chunks}, shape={shape}: "
                f"chunks[{axis}] adds up to {total}, axis {axis} has {length}"
            )
    return result


def _entries_of_dict(chunks, shape):
    if shape is None:
        raise ValueError("chunks given by axis need the shape")
    ndim = len(shape)
    entries = {}
    for axis, entry in chunks.items():
        if isinstance(axis, Integral) and -ndim <= axis < 0:
            axis += ndim
        entries[axis] = entry
    return tuple(entries.get(axis) for axis in range(ndim))


def _whole_axis(entry, length):
    if entry is None or (isinstance(entry, Number) and entry == -1):
        return (length,)
    return entry


def _with_byte_limit(chunks, limit):
    """Entries such as '64MiB' as 'auto', and the limit that they ask for."""
    if not any(isinstance(entry, str) for entry in chunks):
        return chunks, limit
    if isinstance(limit, str):
        limit = parse_bytes(limit)
    entries = []
    for entry in chunks:
        if isinstance(entry, str) and entry != "auto":
            size = parse_bytes(entry)
            if limit is not None and limit != size:
                raise ValueError(f"Only one consistent value of limit or chunk is allowed. Used {entry} != {limit}")
            limit, entry = size, "auto"
        entries.append(entry)
    return tuple(entries), limit


def _length(axis, value):
    """One block's length as an int (NaN stays), or an error that says what is wrong with it."""
    if value != value:
        return np.nan
    if isinstance(value, Integral):
        number = int(value)
    elif isinstance(value, Number) and float(value).is_integer():
        number = int(value)
    elif isinstance(value, Number):
        raise ValueError(f"chunks[{axis}] = {value}: expected a whole number")
    else:
        raise TypeError(f"chunks[{axis}] = {value!r}: expected a length, a tuple of lengths, -1, None or 'auto'")
    if number < 0:
        raise ValueError(f"chunks[{axis}] = {number}: must be >= 1 (or -1 for the whole axis)")
    return number


def _listed(axis, entry):
    if entry and all(type(value) is int for value in entry) and min(entry) >= 0:
        return entry
    return tuple(_length(axis, value) for value in entry)


def _regular(axis, size, length):
    """Blocks of one length, the last one shorter."""
    size = _length(axis, size)
    if size != size:
        raise ValueError(f"chunks[{axis}] = nan: an unknown length must be given block by block, as a tuple")
    if length != length:
        raise ValueError(
            f"chunks[{axis}] = {size}: axis {axis} has an unknown length; leave it out, or call "
            "compute_chunk_sizes() first"
        )
    if length == 0:
        return (0,)
    if size == 0:
        raise ValueError(f"chunks[{axis}] = 0: must be >= 1 (or -1 for the whole axis)")
    whole, rest = divmod(length, size)
    return (size,) * whole + ((rest,) if rest else ())


@lru_cache(maxsize=512)
def _cached(chunks, shape, limit, dtype, previous_chunks, chunk_size):
    return normalize_chunks(chunks, shape, limit, dtype, previous_chunks)


def normalize_chunks_cached(chunks, shape=None, limit=None, dtype=None, previous_chunks=None):
    """`normalize_chunks`, with its last answers kept; the arguments must be hashable.

    Parameters
    ----------
    chunks, shape, limit, dtype, previous_chunks
        As of `normalize_chunks`.

    Examples
    --------
    >>> from raskr.array.core import normalize_chunks_cached
    >>> normalize_chunks_cached(3, (4, 6))
    ((3, 1), (3, 3))
    """
    key = (chunks, shape, limit, dtype, previous_chunks)
    try:
        return _cached(*key, config.get("array.chunk-size"))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return normalize_chunks(*key)


def auto_chunks(chunks, shape, limit, dtype, previous_chunks=None):
    """Lengths in place of every 'auto', so that blocks stay under the limit.

    With previous chunks, the sides of a block keep their proportions, and where blocks grow they are unions of previous
    ones.
    """
    if dtype is None:
        raise TypeError("chunks='auto': the dtype must be known for automatic chunking")
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        raise NotImplementedError(
            "chunks='auto': can not use auto rechunking with object dtype, since the size of an object is unknown; "
            "give lengths"
        )
    for axis, (entry, length) in enumerate(zip(chunks, shape)):
        sizes = entry if isinstance(entry, tuple) else (length,)
        if any(size != size for size in sizes) or length != length:
            raise ValueError(
                f"chunks='auto': axis {axis} has unknown lengths, so that sizes in bytes are unknown too. Can not "
                "perform "
                "automatic rechunking with unknown (nan) chunk sizes; a possible solution is x.compute_chunk_sizes()"
            )
    limit = config.get("array.chunk-size") if limit is None else limit
    limit = max(1, parse_bytes(limit) if isinstance(limit, str) else int(limit))
    fixed = math.prod(
        (max(entry, default=1) if isinstance(entry, tuple) else entry) or 1 for entry in chunks if entry != "auto"
    )
    budget = limit / max(1, dtype.itemsize) / fixed  # elements of a block along the automatic axes
    autos = [axis for axis, entry in enumerate(chunks) if entry == "auto"]
    if previous_chunks:
        chosen = _scaled(autos, shape, budget, _full_chunks(previous_chunks, shape))
    else:
        chosen = _cubes(autos, shape, budget)
    return tuple(chosen.get(axis, entry) for axis, entry in enumerate(chunks))


def _full_chunks(previous_chunks, shape):
    """Previous chunks as tuples; a single length that is shorter than its axis stands for blocks of that length."""
    full = []
    for axis, (entry, length) in enumerate(zip(previous_chunks, shape)):
        sizes = (entry,) if isinstance(entry, Number) else tuple(entry)
        if len(sizes) == 1 and 0 < sizes[0] < length:
            sizes = _regular(axis, sizes[0], length)
        full.append(sizes)
    return full


def _cubes(axes, shape, budget):
    """Equal sides; axes that are shorter than a side stay whole and leave their share to the others."""
    chosen, left = {}, list(axes)
    while left:
        side = budget ** (1 / len(left))
        short = [axis for axis in left if shape[axis] < side]
        if not short:
            chosen.update((axis, max(1, min(int(side), shape[axis]))) for axis in left)
            break
        for axis in short:
            chosen[axis] = (shape[axis],)
            budget /= max(1, shape[axis])
            left.remove(axis)
    return chosen


def _scaled(axes, shape, budget, previous):
    """Sides in the proportions of the previous blocks."""
    median = {axis: float(np.median(previous[axis])) or 1.0 for axis in axes}
    if budget < math.prod(median.values()):
        return _shrunk(axes, shape, budget, median, previous)
    chosen, left = {}, list(axes)
    while left:
        factor = (budget / math.prod(median[axis] for axis in left)) ** (1 / len(left))
        whole = [axis for axis in left if median[axis] * factor > shape[axis]]
        if not whole:
            tolerance = float(config.get("array.chunk-size-tolerance")) ** (1 / len(left))
            for axis in left:
                chosen[axis] = _united(previous[axis], median[axis] * factor, tolerance, shape[axis])
            break
        for axis in whole:
            chosen[axis] = (shape[axis],)
            budget /= max(1, shape[axis])
            left.remove(axis)
    return chosen


def _united(sizes, target, tolerance, length):
    """Neighbouring blocks joined up to the target, or regular blocks where some are too long for that."""
    if max(sizes) > target * tolerance:
        return max(1, _rounded(target, _typical(sizes, length)))
    joined, current = [], 0
    for size in sizes:
        if current and current + size > target:
            joined.append(current)
            current = 0
        current += size
    return (*joined, current)


def _shrunk(axes, shape, budget, side, previous):
    """All sides made shorter by one factor, again and again until rounding changes nothing any more."""
    side = dict(side)
    left = list(axes)
    for _ in range(64):
        if not left:
            break
        factor = (budget / math.prod(side.values())) ** (1 / len(left))
        before = dict(side)
        for axis in list(left):
            wanted = side[axis] * factor
            if wanted < 1:
                left.remove(axis)
            elif wanted > shape[axis]:
                wanted = shape[axis]
                left.remove(axis)
            side[axis] = max(1, _rounded(wanted, _typical(previous[axis], shape[axis])))
        if side == before:
            break
    return {axis: int(size) for axis, size in side.items()}


def _typical(sizes, length):
    """The length that at least half of the blocks have, or the whole axis."""
    size, count = Counter(sizes).most_common(1)[0]
    return size if size > 1 and count >= len(sizes) / 2 else length


def _rounded(size, unit):
    """Down to a multiple of the unit where the size is above it, else to a whole number."""
    size = int(size)
    return size if size <= unit else size // unit * unit


def slices_from_chunks(chunks):
    """For each block the slices of the whole that it covers, the last axis fastest.

    Parameters
    ----------
    chunks : tuple of tuples of int
        The lengths of the blocks along each axis.

    Examples
    --------
    >>> from raskr.array.core import slices_from_chunks
    >>> slices_from_chunks(((2, 2), (3,)))
    [(slice(0, 2, None), slice(0, 3, None)), (slice(2, 4, None), slice(0, 3, None))]
    """
    axes = []
    for lengths in chunks:
        ends = list(itertools.accumulate(lengths))
        axes.append([slice(end - length, end, None) for end, length in zip(ends, lengths)])
    return list(itertools.product(*axes))
