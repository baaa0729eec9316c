"""The same array in other blocks."""

import math
import warnings
from numbers import Integral, Number

import numpy as np

from raskr import config
from raskr.array.chunk_sizes import normalize_chunks
from raskr.array.collection import Array
from raskr.array.utils import has_unknown, validate_axis

_METHODS = (None, "tasks", "p2p", "auto")


def rechunk(x, chunks="auto", threshold=None, block_size_limit=None, balance=False, method=None):
    """The same array in other blocks.

    Parameters
    ----------
    x : Array
        The array.
    chunks : int, tuple, dict or str
        The new lengths of blocks, see `normalize_chunks`. In a dict, axes that are not named keep theirs, and so do
        those
        given as None in a tuple.
    threshold : int, optional
        Accepted for likeness: blocks are moved in one planned operation, whatever their number.
    block_size_limit : int, optional
        Bytes of a block for 'auto'; the setting `array.chunk-size` where it is left out.
    balance : bool
        Whether to make all blocks about equally long, instead of a short last one.
    method : {'tasks', 'p2p'}, optional
        Accepted for likeness.

    Returns
    -------
    Array

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ones((10, 10), chunks=(2, 10))
    >>> x.rechunk({0: -1, 1: 5}).chunks
    ((10,), (5, 5))
    """
    method = method or config.get("array.rechunk.method", None)
    if method not in _METHODS:
        raise NotImplementedError(f"method={method!r}: expected 'tasks' or 'p2p'")
    if isinstance(chunks, dict):
        for axis in chunks:
            if not isinstance(axis, Integral):
                raise TypeError(f"chunks: expected axis numbers as keys, got {axis!r}")
        named = {validate_axis(axis, x.ndim): entry for axis, entry in chunks.items()}
        chunks = tuple(named[axis] if named.get(axis) is not None else x.chunks[axis] for axis in range(x.ndim))
    elif isinstance(chunks, (tuple, list)):
        chunks = tuple(chunks)
        if not all(isinstance(entry, Number) for entry in chunks) or len(chunks) == x.ndim:
            chunks = (
                tuple(present if entry is None else entry for entry, present in zip(chunks, x.chunks))
                + chunks[x.ndim :]
            )
    elif chunks is None:
        chunks = x.chunks
    if x.ndim and has_unknown(x.chunks):
        chunks = _around_unknown(x, chunks)
    if isinstance(chunks, (Number, str)):
        chunks = (chunks,) * x.ndim
    if x.ndim and all(length == 0 for length in x.shape):
        return x
    chunks = normalize_chunks(
        chunks,
        x.shape,
        limit=block_size_limit,
        dtype=x.dtype,
        previous_chunks=None if has_unknown(x.chunks) else x.chunks,
    )
    if balance:
        chunks = tuple(sizes if has_unknown((sizes,)) else balanced(sizes) for sizes in chunks)
    if chunks == x.chunks:
        return x
    for axis, (new, old) in enumerate(zip(chunks, x.chunks)):
        if has_unknown((old,)) and not _equal(new, old):
            raise ValueError(
                f"Chunks must be unchanging along dimensions with missing values.\n\nAxis {axis} has unknown lengths: "
                f"got {new} for {old}. A possible solution:\n  x.compute_chunk_sizes()"
            )
    if all(_equal(new, old) for new, old in zip(chunks, x.chunks)):
        return x
    return Array(x._expr.rechunk(chunks), meta=x._foreign_meta)


def _equal(new, old):
    return len(new) == len(old) and all(a == b or (a != a and b != b) for a, b in zip(new, old))


def _around_unknown(x, chunks):
    """Entries for axes of unknown length as they are, where nothing else was asked for."""
    if isinstance(chunks, (Number, str)):
        chunks = (chunks,) * x.ndim
    if len(chunks) != x.ndim:
        return chunks
    result = []
    for axis, (entry, old) in enumerate(zip(chunks, x.chunks)):
        if not has_unknown((old,)):
            result.append(entry)
        elif isinstance(entry, Number):
            if entry == -1 and len(old) == 1:
                result.append(old)
            else:
                raise ValueError(
                    f"Chunks must be unchanging along dimensions with missing values: axis {axis} has unknown "
                    "lengths, got "
                    f"{entry!r}.\n\nA possible solution:\n  x.compute_chunk_sizes()"
                )
        else:
            result.append(entry)
    return tuple(result)


def balanced(sizes):
    """Blocks of about one length, as many as there are, or one fewer where one is much shorter than the others."""
    total, count = sum(sizes), len(sizes)
    if not total:
        return sizes
    if min(sizes) <= max(sizes) / 2:
        count -= 1
    median = float(np.median(sizes))
    length = math.ceil(total / count)
    if math.ceil(total / length) != count or abs(length - median) > median // 2:
        warnings.warn(
            "chunk size balancing not possible with given chunks. Try increasing the chunk size.", stacklevel=3
        )
        return sizes
    return (length,) * (count - 1) + (total - length * (count - 1),)
