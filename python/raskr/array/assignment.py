"""Assignment, `x[index] = value`: the array stands for a new expression afterwards."""

import numpy as np

from raskr.array.collection import Array, Expr, wrap
from raskr.array.joining import broadcast_to, rechunk_to
from raskr.array.slicing import convert_entry, normalized_index
from raskr.array.utils import block_bounds, has_unknown, is_native_meta, unknown_text


def setitem(x, key, value):
    """Make `x` the array that it is after `x[key] = value`."""
    if value is np.ma.masked:
        value = np.ma.masked_all((), dtype=x.dtype)
    if isinstance(key, (str, list)) and (isinstance(key, str) or (key and all(isinstance(name, str) for name in key))):
        return _set_fields(x, key, value)
    mask = _whole_mask(x, key)
    if mask is not None:
        return _set_where(x, mask, value)
    if has_unknown(x.chunks):
        raise ValueError(unknown_text(x, "x[index] = value"))
    value = _value(x, value)
    if value.size == 1 and value.ndim:
        value = value[(0,) * value.ndim]
    entries = _entries(x, key, lazily=value.ndim == 0)
    wanted = tuple(
        1
        if isinstance(entry, Array)
        else len(range(*entry.indices(length)))
        if isinstance(entry, slice)
        else len(entry)
        for entry, length in zip(entries, x.shape)
        if not isinstance(entry, int)
    )
    while value.ndim > len(wanted) and value.shape[0] == 1:
        value = value[0]
    if value.ndim > len(wanted) or any(
        have not in (1, want) and have == have for have, want in zip(value.shape[::-1], wanted[::-1])
    ):
        raise ValueError(
            f"shape mismatch: value array of shape {value.shape} could not be broadcast to indexing result of shape "
            f"{wanted}"
        )
    if has_unknown(value.chunks):
        raise ValueError(unknown_text(value, "x[index] = value: the value"))
    if 0 in wanted:
        return None
    hits, spread = _spread(x, entries, value, len(wanted))
    return _replace_where(x, hits, spread)


def _set_fields(x, names, value):
    indices = tuple(range(x.ndim))
    value = _value(x, value) if not isinstance(value, Array) else value
    value = broadcast_to(value, x.shape, chunks=x.chunks) if value.shape != x.shape else rechunk_to(value, x.chunks)
    expr = Expr.blockwise(
        _set_block_fields,
        indices,
        [(x._expr, indices), (value._expr, indices), (names, None)],
        x.chunks,
        x.dtype,
        False,
        label="setitem",
    )
    x._replace(expr, x._meta)


def _set_block_fields(block, value, names):
    block = block.copy()
    block[names] = value
    return block


def _whole_mask(x, key):
    """The mask, when the index is one lazy mask of several axes, or a mask of all axes; one of one axis is an entry."""
    if isinstance(key, tuple):
        if len(key) != 1:
            return None
        key = key[0]
    if hasattr(key, "__dask_graph__") and not isinstance(key, Array) and hasattr(key, "to_dask_array"):
        key = key.to_dask_array()
    if isinstance(key, Array):
        if key.dtype.kind == "b" and 0 < key.ndim < x.ndim and key.shape == x.shape[: key.ndim]:
            if key.ndim == 1:
                return None
            return broadcast_to(key[(..., *(None,) * (x.ndim - key.ndim))], x.shape)
        if key.dtype.kind == "b" or (key.dtype.kind == "f" and key.shape == x.shape):
            return key
        if key.dtype.kind == "i" and key.ndim == x.ndim and key.ndim == 0:
            return None
        return None
    if isinstance(key, np.ndarray) and key.dtype.kind == "b" and key.ndim > 1 and key.shape == x.shape:
        from raskr.array.sources import from_array

        return from_array(key, chunks=-1)
    return None


def _set_where(x, mask, value):
    value = _value(x, value)
    if mask.ndim != x.ndim or any(
        have != want for have, want in zip(mask.shape, x.shape) if have == have or want == want
    ):
        raise IndexError(f"boolean index did not match: the mask has shape {mask.shape}, the array {x.shape}")
    if value.size != 1 or value.ndim > x.ndim:
        raise ValueError(
            "x[mask] = value: how many elements a lazy mask chooses is not known before it is computed, so that "
            "value must be one "
            f"number; got shape {value.shape}. Use da.where(mask, value, x) for a value of the array's shape, or "
            "compute the mask."
        )
    _replace_where(x, mask if mask.dtype.kind == "b" else mask.astype(bool), value)


def _replace_where(x, mask, value):
    """The value's elements where the mask is true, in the array's own element type and blocks."""
    from raskr.array.routines import where

    if x._expr.native and value._expr.native:
        if value.dtype != x.dtype:
            value = value.astype(x.dtype)
        new = where(mask, value, x)
        if not has_unknown(x.chunks) and new.chunks != x.chunks:
            new = new.rechunk(x.chunks)
        x._replace(new._expr)
        return
    if not has_unknown(x.chunks):
        mask = rechunk_to(mask, x.chunks[x.ndim - mask.ndim :])
        value = rechunk_to(value, x.chunks[x.ndim - value.ndim :])
    indices = tuple(range(x.ndim))
    args = [(array._expr, indices[x.ndim - array.ndim :]) for array in (x, mask, value)]
    meta = x._meta
    if isinstance(value._meta, np.ma.MaskedArray) and type(meta) is np.ndarray:
        meta = np.ma.masked_array(meta)
    native = is_native_meta(meta)
    expr = Expr.blockwise(_set_block, indices, args, x.chunks, x.dtype, native, label="setitem")
    x._replace(expr, None if native else meta)


def _set_block(block, mask, value):
    if isinstance(value, np.ma.MaskedArray) and not isinstance(block, np.ma.MaskedArray):
        block = np.ma.array(block)
    new = block.copy()
    where = np.broadcast_to(np.asarray(mask, dtype=bool), block.shape)
    if getattr(new, "hardmask", False):
        # NumPy leaves masked elements out itself, but then counts values for them.
        where = where & ~np.ma.getmaskarray(new)
    if isinstance(value, np.ma.MaskedArray):
        # NumPy's `broadcast_to` does not broadcast masks.
        data, hidden = (np.broadcast_to(part, block.shape) for part in (value.data, np.ma.getmaskarray(value)))
        shown = where & ~hidden
        if shown.any():
            new[shown] = data[shown]
        new[where & hidden] = np.ma.masked
    else:
        new[where] = np.broadcast_to(value, block.shape, subok=True)[where]
    return new


def _value(x, value):
    from raskr.array.sources import asanyarray

    if isinstance(value, Array):
        return value
    if hasattr(value, "__dask_graph__") and hasattr(value, "to_dask_array"):
        return value.to_dask_array()
    held = asanyarray(value)
    if x.dtype.kind in "iu" and held.ndim == 0 and isinstance(value, int) and not isinstance(value, bool):
        np.array(value, dtype=x.dtype)  # NumPy's own OverflowError for a number that does not fit
    if isinstance(value, (float, np.floating)) and x.dtype.kind in "iu" and not np.isfinite(value):
        raise ValueError(f"cannot convert float {'NaN' if value != value else 'infinity'} to integer ({x.dtype})")
    return held


def _entries(x, key, lazily):
    """One entry an axis: int, slice, NumPy array of positions, or (with `lazily`) a lazy array of positions or bools.

    Where the value has elements of its own for the places, their number must be known: lazy entries are computed.
    """
    key = key if isinstance(key, tuple) else (key,)
    converted = []
    for entry in key:
        if entry is None:
            raise IndexError("x[index] = value: None (np.newaxis) is not supported in the index")
        if isinstance(entry, Array) and not (
            lazily and entry.ndim <= 1 and not (entry.ndim == 0 and entry.dtype == bool)
        ):
            entry = entry.compute()
        entry = convert_entry(entry)
        if isinstance(entry, np.ndarray):
            if entry.ndim == 0:
                raise NotImplementedError("x[index] = value: a single bool as index is not supported")
            if entry.ndim > 1 and entry.dtype.kind != "b":
                raise IndexError(f"x[index] = value: an index array must have one axis, got {entry.ndim}")
        converted.append(entry)
    arrays = [entry for entry in converted if isinstance(entry, (np.ndarray, Array))]
    if len(arrays) > 1:
        raise NotImplementedError(
            f"x[index] = value: only one array of positions or bools is supported, got {len(arrays)}"
        )
    entries = normalized_index(x, tuple(converted))
    result = []
    for entry in entries:
        if isinstance(entry, np.ndarray):
            if entry.dtype.kind == "b":
                if entry.ndim > 1:
                    raise NotImplementedError("x[index] = value: a mask of several axes must have the array's shape")
                entry = np.flatnonzero(entry)
        result.append(entry)
    return result


def _spread(x, entries, value, ndim_index):
    """The mask of the elements that change, and the value's elements at those places, both broadcastable to `x`."""
    from raskr.array.taking import take_axis

    taken_axes = [axis for axis, entry in enumerate(entries) if not isinstance(entry, int)]
    offset = ndim_index - value.ndim  # axes that the value does not have
    mask = None
    for axis, (entry, length) in enumerate(zip(entries, x.shape)):
        if isinstance(entry, Array):
            lazy = _along_axis(_lazy_hits(x, entry, axis), x.ndim, axis)
            mask = lazy if mask is None else mask & lazy
            continue
        positions = _positions(entry, length)
        if axis in taken_axes:
            number = taken_axes.index(axis) - offset
            if number >= 0 and value.shape[number] != 1:
                source = np.zeros(length, dtype=np.int64)
                source[positions] = np.arange(len(positions))
                if not np.array_equal(source, np.arange(value.shape[number])):
                    value = _along(value, source, number, x.chunks[axis], take_axis)
        if len(positions) != length or len(np.unique(positions)) != length:
            here = np.zeros(length, dtype=bool)
            here[positions] = True
            lazy = _along_axis(wrap(Expr.from_numpy(here, (x.chunks[axis],))), x.ndim, axis)
            mask = lazy if mask is None else mask & lazy
    if mask is None:
        mask = wrap(Expr.full((), np.dtype(bool), True))
    # The value's axes to the places of the array's, with axes of length 1 for those that the index dropped.
    index = []
    for axis in range(x.ndim):
        if axis in taken_axes:
            if taken_axes.index(axis) - offset >= 0:
                index.append(slice(None))
        elif any(later in taken_axes and taken_axes.index(later) - offset >= 0 for later in range(axis)):
            index.append(None)
    if any(entry is None for entry in index):
        value = value[tuple(index)]
    return mask, value


def _along_axis(hits, ndim, axis):
    """A mask of one axis, to be broadcast along the axes behind its own."""
    return hits[(slice(None),) + (None,) * (ndim - axis - 1)] if axis < ndim - 1 else hits


def _lazy_hits(x, entry, axis):
    """Which positions along an axis a lazy array of positions or bools chooses, as a lazy mask."""
    sizes = x.chunks[axis]
    if entry.dtype == bool:
        return entry if has_unknown(entry.chunks) else rechunk_to(entry, [sizes])
    expr = Expr.blockwise(
        _hits_of_positions,
        (0,),
        [(entry._expr, (1,) * entry.ndim)],
        (sizes,),
        np.dtype(bool),
        True,
        kwargs={"length": x.shape[axis], "axis": axis},
        per_block=_Spans(sizes),
        label="index-mask",
    )
    return wrap(expr)


class _Spans:
    """Which positions a block holds, as the arguments `start` and `stop`."""

    def __init__(self, sizes):
        self.bounds = block_bounds(sizes)

    def __call__(self, block):
        return {"start": int(self.bounds[block[0]]), "stop": int(self.bounds[block[0] + 1])}


def _hits_of_positions(blocks, length, axis, start, stop):
    hits = np.zeros(stop - start, dtype=bool)
    for positions in blocks if isinstance(blocks, list) else [blocks]:
        positions = np.asarray(positions).astype(np.int64)
        if ((positions < -length) | (positions >= length)).any():
            raise IndexError(f"x[index] = value: a position is out of bounds for axis {axis} with size {length}")
        positions = np.where(positions < 0, positions + length, positions)
        hits[positions[(positions >= start) & (positions < stop)] - start] = True
    return hits


def _positions(entry, length):
    if isinstance(entry, int):
        return np.array([entry])
    if isinstance(entry, slice):
        return np.arange(length)[entry]
    return entry


def _along(value, source, axis, sizes, take_axis):
    """The value's elements at the array's positions along an axis; which one stands where nothing is assigned does
    not matter."""
    return rechunk_to(
        take_axis(value, source, axis), [sizes if place == axis else own for place, own in enumerate(value.chunks)]
    )
