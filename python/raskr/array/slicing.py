"""Indexing by `x[...]`: what each entry of an index means, and which operations it becomes."""

import math
import operator

import numpy as np

from raskr.array.collection import Array, Expr, wrap
from raskr.array.utils import has_regular_memory, is_native_dtype, meta_from_array, unknown_text

_ALL = slice(None)


def getitem(x, index):
    """The lazy array `x[index]`."""
    if type(index) is str or (type(index) is list and index and all(type(name) is str for name in index)):
        return _fields(x, index)
    index = normalized_index(x, index)
    return _select(x, index)


def _fields(x, names):
    if x.dtype.names is None:
        raise KeyError(f"There are no fields in dtype {x.dtype}.")
    dtype = x.dtype[names]
    subarray = dtype.shape
    indices = tuple(range(x.ndim))
    if subarray:
        dtype = dtype.base
    out = tuple(range(x.ndim + len(subarray)))
    chunks = x.chunks + tuple((length,) for length in subarray)
    native = is_native_dtype(dtype) and type(x._meta) is np.ndarray
    expr = Expr.blockwise(
        _fields_of,
        out,
        [(x._expr, indices), (names, None)],
        chunks,
        dtype,
        native,
        label="getitem",
    )
    return wrap(expr, None if native else x._meta[names])


def _fields_of(block, names):
    fields = block[names]
    return fields if type(fields) is not np.ndarray or has_regular_memory(fields) else fields.copy()


def is_lazy(entry):
    """Is this index entry a lazy array?"""
    return isinstance(entry, Array)


def convert_entry(entry):
    """One entry of an index as an int, slice, None, Ellipsis, NumPy array of ints or bools, or `Array`."""
    kind = type(entry)
    if kind is int or kind is slice or entry is None or entry is Ellipsis or kind is np.ndarray and entry.ndim:
        return entry if kind is not np.ndarray else _array_entry(entry)
    if isinstance(entry, Array):
        if entry.dtype.kind not in "biu":
            raise IndexError(f"arrays used as indices must be of integer (or boolean) type, got {entry.dtype}")
        return entry
    if hasattr(entry, "__dask_graph__"):
        lazy = entry.to_dask_array() if hasattr(entry, "to_dask_array") else entry
        if isinstance(lazy, Array):
            return lazy
    if isinstance(entry, (bool, np.bool_)):
        return np.asarray(entry)
    if isinstance(entry, (list, tuple, range)) or hasattr(entry, "__array__") or hasattr(entry, "__iter__"):
        if isinstance(entry, (list, tuple)) and any(isinstance(one, Array) for one in entry):
            from raskr.array.sources import asarray

            return asarray(entry)
        held = np.asarray(list(entry) if not hasattr(entry, "__array__") else entry)
        if held.ndim == 0:
            return convert_number(held[()])
        return _array_entry(held)
    return convert_number(entry)


def _array_entry(held):
    if held.size == 0 and held.dtype.kind != "b":
        return held.astype(np.int64)
    if held.dtype.kind == "b":
        return held
    if held.dtype.kind in "iu":
        return held.astype(np.int64, copy=False)
    if held.dtype.kind == "f" and np.all(held == held.astype(np.int64)):
        return held.astype(np.int64)
    raise IndexError(f"Bad index.  Must be integer-like: {held.ravel()[:3].tolist()} of dtype {held.dtype}")


def convert_number(number):
    """An index as an int; floats only where they are whole numbers."""
    if isinstance(number, (bool, np.bool_)):
        return np.asarray(number)
    try:
        return operator.index(number)
    except TypeError:
        if isinstance(number, (float, np.floating)) and float(number).is_integer():
            return int(number)
        raise IndexError(f"Bad index.  Must be integer-like: {number!r}") from None


def _axes_taken(entry):
    if entry is None:
        return 0
    if isinstance(entry, (np.ndarray, Array)) and entry.dtype.kind == "b":
        return entry.ndim
    return 1


def normalized_index(x, index):
    """A tuple of entries, one for each axis (masks may stand for several), without Ellipsis, all within bounds."""
    entries = [convert_entry(entry) for entry in (index if type(index) is tuple else (index,))]
    ellipses = [number for number, entry in enumerate(entries) if entry is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    taken = sum(_axes_taken(entry) for entry in entries if entry is not Ellipsis)
    if taken > x.ndim:
        raise IndexError(f"Too many indices for array: {taken} given, the array has {x.ndim} axes (shape {x.shape})")
    fill = [_ALL] * (x.ndim - taken)
    if ellipses:
        entries[ellipses[0] : ellipses[0] + 1] = fill
    else:
        entries += fill
    result, axis = [], 0
    for entry in entries:
        result.append(_checked(entry, axis, x.shape))
        axis += _axes_taken(entry)
    return tuple(result)


def _checked(entry, axis, shape):
    if entry is None:
        return None
    if isinstance(entry, (np.ndarray, Array)) and entry.dtype.kind == "b":
        for offset, size in enumerate(entry.shape):
            length = shape[axis + offset]
            if size != length and size == size and length == length:
                raise IndexError(
                    f"boolean index did not match: the mask has {size} elements along axis {axis + offset}, the "
                    f"array {length}"
                )
        return entry
    length = shape[axis]
    if isinstance(entry, Array):
        return entry
    if isinstance(entry, np.ndarray):
        if length != length:
            return entry
        if entry.size and (entry.min() < -length or entry.max() >= length):
            wrong = entry[(entry < -length) | (entry >= length)].ravel()[0]
            raise IndexError(f"Index {wrong} is out of bounds for axis {axis} with size {length}")
        return np.where(entry < 0, entry + length, entry) if entry.size and entry.min() < 0 else entry
    if isinstance(entry, slice):
        return _checked_slice(entry, length)
    if length == length and not -length <= entry < length:
        raise IndexError(f"Index {entry} is out of bounds for axis {axis} with size {length}")
    return entry + length if entry < 0 and length == length else entry


def _checked_slice(entry, length):
    bounds = []
    for bound in (entry.start, entry.stop, entry.step):
        if isinstance(bound, Array):
            bound = bound.compute()
        bounds.append(bound if bound is None else convert_number(bound))
    entry = slice(*bounds)
    if entry.step == 0:
        raise ValueError("slice step cannot be zero")
    if length != length:
        return entry
    start, stop, step = entry.indices(length)
    if (start, step) == (0, 1) and stop >= length:
        return _ALL
    return entry


def _select(x, entries):
    if all(type(entry) is slice and entry == _ALL for entry in entries):
        return x
    arrays = [entry for entry in entries if isinstance(entry, (np.ndarray, Array))]
    if not arrays:
        return basic(x, entries)
    if any(isinstance(entry, Array) for entry in arrays):
        return _select_lazy(x, entries)
    if any(entry.dtype.kind == "b" and entry.ndim > 1 for entry in arrays):
        return _select_lazy(x, entries)
    if any(entry.ndim == 0 for entry in arrays):
        return _select_scalar_mask(x, entries)
    return _select_arrays(x, entries)


def basic(x, entries):
    """Ints, slices and None, one entry an axis beside None."""
    unknown = [
        axis
        for axis, entry in enumerate(entry for entry in entries if entry is not None)
        if x.shape[axis] != x.shape[axis] and not (type(entry) is slice and entry == _ALL)
    ]
    if unknown:
        return _basic_unknown(x, entries, unknown)
    if not x._expr.native and x.ndim and not any(type(entry) is slice for entry in entries):
        element = _one_element(x, [entry for entry in entries if entry is not None])
        added = [entry for entry in entries if entry is None]
        return basic(element, added) if added else element
    meta = x._foreign_meta
    if meta is not None:
        empty = tuple(slice(0, 0) if type(entry) is slice else entry for entry in entries)
        meta = _reduced_meta(meta, empty)
    return Array(x._expr.view(entries), meta=meta)


def _one_element(x, entries):
    """One element of blocks of any kind, as an array without axes, whatever indexing by numbers gives."""
    block = x._expr.view([slice(entry, entry + 1 or None) for entry in entries])
    expr = Expr.blockwise(
        _only_element, (), [(block, tuple(range(x.ndim)))], (), x.dtype, False, concatenate=True, label="getitem"
    )
    return wrap(expr, None if x._foreign_meta is None else meta_from_array(x._foreign_meta, ndim=0))


def _only_element(block):
    try:
        return block.reshape(())
    except (ValueError, TypeError, NotImplementedError, AttributeError):
        return block[(0,) * block.ndim]


def _reduced_meta(meta, entries):
    ndim = sum(1 for entry in entries if entry is None or type(entry) is slice)
    return meta_from_array(meta, ndim=ndim)


def _basic_unknown(x, entries, unknown):
    """Along an axis of one block of unknown length, the block itself is indexed."""
    for axis in unknown:
        if len(x.chunks[axis]) > 1:
            raise ValueError(unknown_text(x, f"indexing axis {axis}"))
    axes = iter(range(x.ndim))
    by_block, rest, out, sizes = [], [], [], []
    for entry in entries:
        if entry is None:
            rest.append(None)
            continue
        axis = next(axes)
        if axis in unknown:
            by_block.append(entry)
            if type(entry) is slice:
                out.append(axis)
                sizes.append((math.nan,))
                rest.append(_ALL)
        else:
            by_block.append(_ALL)
            out.append(axis)
            sizes.append(x.chunks[axis])
            rest.append(entry)
    return basic(_index_blocks(x, tuple(by_block), out, sizes), tuple(rest))


def _index_blocks(x, index, out, chunks):
    """Every block indexed in the same way, along axes of one block."""
    expr = Expr.blockwise(
        _index_block,
        tuple(out),
        [(x._expr, tuple(range(x.ndim)))],
        tuple(chunks),
        x.dtype,
        x._expr.native,
        kwargs={"index": index},
        concatenate=True,
        label="getitem",
    )
    return wrap(expr, None if x._expr.native else meta_from_array(x._meta, ndim=len(out)))


def _index_block(block, index):
    return block[index]


def _select_scalar_mask(x, entries):
    """`x[True]` adds an axis of length 1, `x[False]` one of length 0."""
    scalars = [bool(entry) for entry in entries if isinstance(entry, np.ndarray) and entry.ndim == 0]
    rest = tuple(entry for entry in entries if not (isinstance(entry, np.ndarray) and entry.ndim == 0))
    result = getitem(x, rest)[None]
    return result if all(scalars) else result[:0]


def _select_arrays(x, entries):
    """NumPy arrays of ints or one-axis masks beside ints, slices and None."""
    from raskr.array.pointwise import select_points
    from raskr.array.taking import take_axis

    chosen = [(number, entry) for number, entry in enumerate(entries) if isinstance(entry, np.ndarray)]
    chosen = [(number, np.flatnonzero(entry) if entry.dtype.kind == "b" else entry) for number, entry in chosen]
    if len(chosen) == 1 and chosen[0][1].ndim == 1:
        number, positions = chosen[0]
        simple = tuple(_ALL if at == number else entry for at, entry in enumerate(entries))
        axis = sum(1 for entry in entries[:number] if entry is None or type(entry) is slice)
        # Slices first: fewer blocks are left to pick from.
        return take_axis(basic(x, simple), positions, axis)
    places = dict(chosen)
    simple, points, axis = [], {}, 0
    for number, entry in enumerate(entries):
        if number in places:
            points[axis] = places[number]
            simple.append(_ALL)
            axis += 1
        else:
            simple.append(entry)
            axis += entry is None or type(entry) is slice
    return select_points(basic(x, tuple(simple)), points)


def _select_lazy(x, entries):
    from raskr.array.masking import select_mask
    from raskr.array.taking import take_lazy

    if len(entries) == 1 and entries[0] is not None and entries[0].dtype.kind == "b" and entries[0].ndim == x.ndim:
        return select_mask(x, entries[0])
    lazy = [
        entry
        for entry in entries
        if isinstance(entry, Array) or (isinstance(entry, np.ndarray) and entry.dtype.kind == "b")
    ]
    for entry in lazy:
        if entry.dtype.kind == "b" and entry.ndim != 1:
            raise NotImplementedError(
                "Slicing with an array of bools is only permitted when the indexer has only one dimension or when "
                "it has the "
                f"same dimension as the sliced array; got a mask of {entry.ndim} axes for an array of {x.ndim}"
            )
        if entry.dtype.kind != "b" and entry.ndim > 1:
            raise NotImplementedError(
                f"Slicing with a lazy array of ints is only permitted when it has 0 or 1 axes, got {entry.ndim}"
            )
    integers = [entry for entry in lazy if isinstance(entry, Array) and entry.dtype.kind != "b"]
    if len(integers) > 1:
        raise NotImplementedError(
            f"Slicing with more than one lazy array of ints ({len(integers)} given) is not supported"
        )
    # The other entries first (lazy ones left whole), then each lazy array along its own axis.
    simple = tuple(
        _ALL if isinstance(entry, Array) or (isinstance(entry, np.ndarray) and entry.dtype.kind == "b") else entry
        for entry in entries
    )
    result = _select(x, simple)
    axis = 0
    for entry in entries:
        if isinstance(entry, Array) or (isinstance(entry, np.ndarray) and entry.dtype.kind == "b"):
            if entry.dtype.kind == "b":
                from raskr.array.masking import select_mask_along

                result = select_mask_along(result, entry, axis)
                axis += 1
            elif entry.ndim == 0:
                result = take_lazy(result, entry[None], axis)
                result = result[(_ALL,) * axis + (0,)]
            else:
                result = take_lazy(result, entry, axis)
                axis += 1
        elif entry is None or type(entry) is slice or isinstance(entry, np.ndarray):
            axis += 1
    return result
