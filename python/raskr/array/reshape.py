"""The same elements in another shape."""

import math
from numbers import Integral

from raskr.array.collection import Array
from raskr.array.utils import has_unknown, meta_from_array, unknown_text
from raskr.utils import parse_bytes


def reshape(x, shape, merge_chunks=True, limit=None):
    """The same elements, in row-major order, in another shape.

    Parameters
    ----------
    x : array_like
        The array.
    shape : int or tuple of int
        The new shape; -1 for the one length that follows from the others.
    merge_chunks : bool
        Whether axes that become one may be rechunked so that its blocks are few; otherwise the axes in front are cut
        into
        blocks of length 1, and the other blocks only move.
    limit : int or str, optional
        Bytes of a block that should not be exceeded.

    Returns
    -------
    Array

    Examples
    --------
    >>> import raskr.array as da
    >>> da.reshape(da.ones((20, 20, 5), chunks=(10, 10, 5)), (400, 5)).chunks
    ((100, 100, 100, 100), (5,))
    """
    from raskr.array.sources import asarray

    x = asarray(x)
    shape = _full_shape(x, shape)
    if shape is None or x.shape == shape:
        return x
    if has_unknown(x.chunks):
        raise ValueError(unknown_text(x, "reshape"))
    if math.prod(shape) != x.size:
        raise ValueError(
            f"total size of new array must be unchanged: shape {x.shape} has {x.size} elements, shape {shape} has "
            f"{math.prod(shape)}"
        )
    if x.size == 0 or x.npartitions == 1:
        if x.npartitions != 1:
            # `x.rechunk` leaves arrays without elements alone.
            x = Array(x._expr.rechunk(tuple((length,) for length in x.shape)), meta=x._foreign_meta)
        return _by_block(x, tuple((length,) for length in shape))
    if not merge_chunks and x.ndim > len(shape):
        x = x.rechunk({axis: 1 for axis in range(x.ndim - len(shape))})
    return _grouped(x, shape, limit)


def _full_shape(x, shape):
    """The shape without -1, or None when it stays as it is."""
    shape = (shape,) if isinstance(shape, (Integral, float)) else tuple(shape)
    for length in shape:
        if not isinstance(length, Integral) and length == length and not float(length).is_integer():
            raise TypeError(f"reshape: expected integers, got {length!r}")
    missing = [axis for axis, length in enumerate(shape) if length == -1]
    if len(missing) > 1:
        raise ValueError(f"can only specify one unknown dimension, got {shape}")
    if any(length < -1 for length in shape):
        raise ValueError(f"reshape: negative lengths in {shape} (only -1 has a meaning)")
    if missing:
        if len(shape) == 1 and x.ndim == 1:
            return None
        if has_unknown(x.chunks):
            raise ValueError(unknown_text(x, "reshape"))
        known = math.prod(length for length in shape if length != -1)
        if known == 0 or x.size % known:
            raise ValueError(f"cannot reshape array of {x.size} elements (shape {x.shape}) into shape {shape}")
        shape = tuple(x.size // known if length == -1 else length for length in shape)
    return tuple(length if length != length else int(length) for length in shape)


def _by_block(x, chunks):
    meta = x._foreign_meta
    return Array(x._expr.reshape_blocks(chunks), meta=None if meta is None else meta_from_array(meta, ndim=len(chunks)))


def _groups(old, new):
    """Runs of axes (as numbers, without those of length 1) whose lengths have the same product."""
    ins = [axis for axis, length in enumerate(old) if length != 1]
    outs = [axis for axis, length in enumerate(new) if length != 1]
    i = j = 0
    while i < len(ins) or j < len(outs):
        group_in, group_out = [ins[i]], [outs[j]]
        left, right = old[ins[i]], new[outs[j]]
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left *= old[ins[i]]
                group_in.append(ins[i])
                i += 1
            else:
                right *= new[outs[j]]
                group_out.append(outs[j])
                j += 1
        yield group_in, group_out


def _grouped(x, shape, limit):
    groups = list(_groups(x.shape, shape))
    mixed = [pair for pair in groups if len(pair[0]) > 1 and len(pair[1]) > 1]
    if mixed:
        # Axes that neither only join nor only split: through their elements in one row.
        flat = []
        for group_in, group_out in groups:
            if (group_in, group_out) in mixed:
                flat.append(math.prod(x.shape[axis] for axis in group_in))
            else:
                flat.extend(shape[axis] for axis in group_out)
        return reshape(reshape(x, tuple(flat), limit=limit), shape, limit=limit)
    before = [(1,) if length == 1 else sizes for sizes, length in zip(x.chunks, x.shape)]
    after = [(1,)] * len(shape)
    for group_in, group_out in groups:
        budget = math.prod(max(x.chunks[axis]) for axis in group_in)
        if limit is not None:
            size = parse_bytes(limit) if isinstance(limit, str) else int(limit)
            others = math.prod(max(sizes) for axis, sizes in enumerate(x.chunks) if axis not in group_in)
            budget = max(1, min(budget, size // max(1, x.dtype.itemsize * others)))
        if len(group_in) == len(group_out) == 1:
            after[group_out[0]] = x.chunks[group_in[0]]
        elif len(group_out) == 1:
            joined, sizes = _joined([x.chunks[axis] for axis in group_in], budget, limit is not None)
            for axis, entry in zip(group_in, joined):
                before[axis] = entry
            after[group_out[0]] = sizes
        else:
            sizes, parts = _split(x.chunks[group_in[0]], [shape[axis] for axis in group_out], budget, limit is not None)
            before[group_in[0]] = sizes
            for axis, entry in zip(group_out, parts):
                after[axis] = entry
    before = tuple(before)
    if before != x.chunks:
        x = x.rechunk(before)
    return _by_block(x, tuple(after))


def _joined(chunks, budget, limited):
    """Chunks of axes that become one such that their blocks are runs of elements, and the chunks of that axis."""
    lengths = [sum(sizes) for sizes in chunks]
    whole_after = all(len(sizes) == 1 for sizes in chunks[1:])
    ones_before = all(all(size == 1 for size in sizes) for sizes in chunks[:-1])
    fits = math.prod(max(sizes) for sizes in chunks) <= budget
    if (whole_after or ones_before) and (fits or not limited):
        entries = list(chunks)
    else:
        entries = _runs(lengths, budget, chunks[0])
    # Along the axis at which the runs are cut, each block has `after` elements per length; axes before it are cut
    # into ones.
    cut = next((axis for axis, sizes in enumerate(entries) if any(size != 1 for size in sizes)), len(entries) - 1)
    after = math.prod(lengths[cut + 1 :])
    sizes = tuple(size * after for size in entries[cut]) * math.prod(lengths[:cut])
    return entries, sizes


def _split(sizes, lengths, budget, limited):
    """Chunks of an axis that becomes several such that blocks are runs of elements, and the chunks of those."""
    after = math.prod(lengths[1:])
    if all(size % after == 0 for size in sizes) and (max(sizes) <= budget or not limited):
        return sizes, [tuple(size // after for size in sizes), *((length,) for length in lengths[1:])]
    entries = _runs(lengths, budget, None)
    cut = next((axis for axis, entry in enumerate(entries) if any(size != 1 for size in entry)), len(entries) - 1)
    after = math.prod(lengths[cut + 1 :])
    return tuple(size * after for size in entries[cut]) * math.prod(lengths[:cut]), entries


def _runs(lengths, budget, first):
    """Chunks whose blocks are runs of at most about `budget` elements; `first` are chunks that the first axis keeps
    to."""
    entries, run, axis = [(1,) * length for length in lengths], 1, len(lengths) - 1
    while axis > 0 and run * lengths[axis] <= budget:
        entries[axis] = (lengths[axis],)
        run *= lengths[axis]
        axis -= 1
    longest = max(1.0, budget / run)
    sizes = first if axis == 0 and first is not None else (lengths[axis],)
    entries[axis] = tuple(part for size in sizes for part in even(size, math.ceil(size / longest)))
    return entries


def even(length, pieces):
    """A length cut into so many pieces, the shorter ones first."""
    pieces = max(1, min(pieces, length))
    short, longer = divmod(length, pieces)
    return (short,) * (pieces - longer) + (short + 1,) * longer


def reshape_blockwise(x, shape, chunks=None):
    """Every block reshaped by itself: elements change their order, but no block is cut or joined.

    Parameters
    ----------
    x : Array
        The array.
    shape : int or tuple of int
        The new shape, in which neighbouring axes of `x` are joined, or (with `chunks`) axes are split.
    chunks : tuple of tuples of int, optional
        The chunks of the result, where it has more axes than `x`.

    Returns
    -------
    Array

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.from_array(np.arange(8).reshape(2, 4), chunks=2)
    >>> da.reshape_blockwise(x, (8,)).compute()
    array([0, 1, 4, 5, 2, 3, 6, 7])
    """
    shape = (shape,) if isinstance(shape, Integral) else tuple(shape)
    if has_unknown(x.chunks):
        raise ValueError(unknown_text(x, "reshape_blockwise"))
    if math.prod(shape) != x.size:
        raise ValueError(
            f"total size of new array must be unchanged: {x.size} elements, shape {shape} has {math.prod(shape)}"
        )
    if len(shape) > x.ndim and chunks is None:
        raise TypeError("Need to specify chunks if expanding dimensions.")
    if len(shape) < x.ndim and chunks is not None:
        raise ValueError("Setting chunks is not allowed when reducing the number of dimensions.")
    if x.shape == shape:
        return x
    if len(shape) > x.ndim:
        return _expanded_blockwise(x, shape, chunks)
    if len(shape) == x.ndim:
        raise NotImplementedError(
            "reshape_blockwise not implemented for expanding dimensions without increasing their number"
        )
    after = []
    for group_in, group_out in _axis_groups(x.shape, shape):
        if len(group_out) > 1:
            raise NotImplementedError(
                "reshape_blockwise not implemented for expanding dimensions without increasing their number"
            )
        sizes = [1]
        for axis in group_in:
            sizes = [a * b for a in sizes for b in x.chunks[axis]]
        after.append(tuple(sizes))
    return _by_block(x, tuple(after))


def _expanded_blockwise(x, shape, chunks):
    chunks = tuple(tuple(int(size) for size in sizes) for sizes in chunks)
    for group_in, group_out in _axis_groups(x.shape, shape):
        sizes = [1]
        for axis in group_out:
            sizes = [a * b for a in sizes for b in chunks[axis]]
        axis = group_in[0]
        if len(group_in) > 1 or tuple(sizes) != x.chunks[axis]:
            raise ValueError(
                f"Chunk sizes do not match for the following chunks: axis {axis} has {x.chunks[axis]}, the product of "
                f"{[chunks[number] for number in group_out]} is {tuple(sizes)}"
            )
    return _by_block(x, chunks)


def _axis_groups(old, new):
    """Runs of all axes whose lengths have the same product."""
    i = j = 0
    groups = []
    while i < len(old) and j < len(new):
        group_in, group_out, left, right = [i], [j], old[i], new[j]
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left *= old[i]
                group_in.append(i)
                i += 1
            else:
                right *= new[j]
                group_out.append(j)
                j += 1
        groups.append((group_in, group_out))
    if groups:
        groups[-1][0].extend(range(i, len(old)))
        groups[-1][1].extend(range(j, len(new)))
    return groups
