"""Arrays put together: concatenate, stack, block; and arrays of one shape: broadcast_to, broadcast_arrays,
unify_chunks."""

import math
import warnings

import numpy as np

from raskr._bridge import core
from raskr.array.chunk_sizes import normalize_chunks
from raskr.array.collection import Array, Expr, PerformanceWarning, wrap
from raskr.array.dispatch import concatenate_blocks
from raskr.array.utils import has_unknown, is_native_meta, meta_from_array, same_nan


def broadcast_shapes(*shapes):
    """The shape that shapes broadcast to, as `numpy.broadcast_shapes`; unknown lengths are NaN.

    Parameters
    ----------
    *shapes : tuple
        Shapes of arrays.

    Examples
    --------
    >>> from raskr.array.core import broadcast_shapes
    >>> broadcast_shapes((3, 1), (1, 4))
    (3, 4)
    """
    if len(shapes) == 1:
        return tuple(shapes[0])
    ndim = max(map(len, shapes), default=0)
    result = []
    for axis in range(-ndim, 0):
        lengths = [shape[axis] for shape in shapes if len(shape) >= -axis]
        others = {length for length in lengths if length != 1}
        if others and all(length != length for length in others):
            result.append(np.nan)
            continue
        if len(others) > 1:
            raise ValueError(
                "operands could not be broadcast together with shapes "
                + " ".join(str(tuple(shape)) for shape in shapes)
            )
        result.append(others.pop() if others else 1)
    return tuple(result)


def unify_chunks(*args, warn=True):
    """Arrays with the same blocks along indices of the same name.

    Parameters
    ----------
    *args : Array, indices, Array, indices, ...
        Arrays, each followed by a name for each of its axes.
    warn : bool
        Whether to warn when the common blocks are very many.

    Returns
    -------
    chunks : dict
        The common chunks by index.
    arrays : list of Array

    Examples
    --------
    >>> import raskr.array as da
    >>> x, y = da.ones(10, chunks=5), da.ones(10, chunks=2)
    >>> chunks, arrays = da.unify_chunks(x, "i", y, "i")
    >>> chunks
    {'i': (2, 2, 1, 1, 2, 2)}
    """
    if not args:
        return {}, []
    pairs = []
    for array, indices in zip(args[::2], args[1::2]):
        if indices is not None and not isinstance(array, Array):
            from raskr.array.sources import asanyarray

            array = asanyarray(array)
        pairs.append((array, indices))
    with_axes = [(array, indices) for array, indices in pairs if indices is not None]
    chunks = common_chunks([(array.chunks, tuple(indices)) for array, indices in with_axes])
    if warn and with_axes:
        most = max(array.npartitions for array, _ in with_axes)
        count = math.prod(map(len, chunks.values()))
        if most and count >= most * 10:
            warnings.warn(
                f"Increasing number of chunks by factor of {count // most}: the arrays' blocks do not line up",
                PerformanceWarning,
                stacklevel=3,
            )
    return chunks, [
        array if indices is None else rechunk_to(array, [chunks[index] for index in indices])
        for array, indices in pairs
    ]


def warn_of_many_blocks(result, inputs):
    """Warn when blocks that do not line up make the result's blocks far more than those of any input."""
    count = math.prod(result.numblocks)
    if count >= 10:
        most = max(math.prod(expr.numblocks) for expr in inputs)
        # Broadcasting multiplies blocks too, and is no reason to warn.
        if count >= 10 * most and any(
            len(expr.shape) == len(result.shape) and expr.shape == result.shape for expr in inputs
        ):
            warnings.warn(
                f"Increasing number of chunks by factor of {count // most}: the arrays' blocks do not line up; rechunk one of them",
                PerformanceWarning,
                stacklevel=7,
            )


def common_chunks(pairs):
    """The common refinement of chunks by index, from `(chunks, indices)`.

    One block along an axis goes with any blocks of others, whatever its length: functions of blocks may want that.
    """
    present, several = {}, []
    for chunks, indices in pairs:
        for sizes, index in zip(chunks, indices):
            found = present.setdefault(index, [])
            if sizes not in found:
                found.append(sizes)
    common = {}
    for index, found in present.items():
        cut = [sizes for sizes in found if len(sizes) > 1]
        if len(cut) > 1:
            several += [((sizes,), (index,)) for sizes in cut]
            common[index] = None
        else:
            common[index] = cut[0] if cut else max(found, key=sum)
    if several:
        refined = core.unify_chunks(several)
        for index, sizes in common.items():
            if sizes is None:
                common[index] = same_nan(refined[index])
    return common


def rechunk_to(array, wanted):
    """The array in these blocks along axes that are longer than 1 and known; others keep theirs."""
    chunks = tuple(
        own if own == new or has_unknown((own, new)) or (len(own) == 1 and own[0] != sum(new)) else tuple(new)
        for own, new in zip(array.chunks, wanted)
    )
    if chunks == array.chunks or all(_same(a, b) for a, b in zip(chunks, array.chunks)):
        return array
    return Array(array._expr.rechunk(chunks), meta=array._foreign_meta)


def _same(a, b):
    return len(a) == len(b) and all(x == y or (x != x and y != y) for x, y in zip(a, b))


def _cast_all(arrays, what):
    """Arrays of one element type and kind of block, and their common meta."""
    metas = [array._meta for array in arrays]
    try:
        meta = concatenate_blocks([meta_from_array(m, ndim=max(1, m.ndim)) for m in metas], 0)
    except TypeError as error:
        raise TypeError(
            f"{what}: dtypes {', '.join(str(a.dtype) for a in arrays)} have no common dtype ({error})"
        ) from None
    dtype = meta.dtype
    cast = [array if array.dtype == dtype else array.astype(dtype) for array in arrays]
    return cast, meta_from_array(meta, ndim=arrays[0].ndim, dtype=dtype)


def concatenate(seq, axis=0, allow_unknown_chunksizes=False):
    """Arrays one after another along an axis.

    Parameters
    ----------
    seq : list of array_like
        Arrays of equal shapes, but for the axis.
    axis : int
        The axis to join along; None for the arrays' elements in row-major order.
    allow_unknown_chunksizes : bool
        Whether blocks of unknown length are trusted to line up along the other axes.

    Returns
    -------
    Array

    Examples
    --------
    >>> import raskr.array as da
    >>> da.concatenate([da.ones((2, 3)), da.zeros((1, 3))]).shape
    (3, 3)
    """
    from raskr.array.sources import asarray

    arrays = [asarray(array, allow_unknown_chunksizes=allow_unknown_chunksizes) for array in seq]
    if not arrays:
        raise ValueError("concatenate: need array(s) to concatenate, got none")
    if axis is None:
        arrays = [array.reshape(-1) for array in arrays]
        axis = 0
    ndim = arrays[0].ndim
    if any(array.ndim != ndim for array in arrays):
        raise ValueError(
            "concatenate: all arrays must have the same number of axes, got shapes "
            f"{', '.join(str(a.shape) for a in arrays)}"
        )
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(
            f"concatenate: Axis must be less than number of dimensions\nData has {ndim} dimensions, but got axis={axis}"
        )
    axis %= ndim
    if len(arrays) == 1:
        return arrays[0]
    _check_lengths(arrays, axis, allow_unknown_chunksizes)
    arrays, meta = _cast_all(arrays, "concatenate")
    known_empty = [array.shape[axis] == 0 for array in arrays]
    if any(known_empty) and not all(known_empty):
        arrays = [array for array, empty in zip(arrays, known_empty) if not empty]
    elif all(known_empty):
        arrays = arrays[:1]
    if len(arrays) == 1:
        return arrays[0]
    arrays = _same_blocks(arrays, axis)
    expr = Expr.concatenate([array._expr for array in arrays], axis)
    return wrap(expr, None if is_native_meta(meta) else meta)


def _check_lengths(arrays, axis, allow_unknown_chunksizes):
    ndim = arrays[0].ndim
    for other in range(ndim):
        if other == axis:
            continue
        lengths = [array.shape[other] for array in arrays]
        if any(length != length for length in lengths):
            if not allow_unknown_chunksizes:
                raise ValueError(
                    f"Tried to concatenate arrays with unknown shape {arrays[0].shape}.\n\n"
                    f"Two solutions:\n  1. Force concatenation pass allow_unknown_chunksizes=True.\n"
                    "  2. Compute shapes with [x.compute_chunk_sizes() for x in seq]"
                )
        elif len(set(lengths)) > 1:
            raise ValueError(
                f"concatenate: Shapes do not align: {[array.shape for array in arrays]}: lengths of axis {other} "
                "differ "
                f"({', '.join(map(str, lengths))}), only axis {axis} may"
            )


def _same_blocks(arrays, axis):
    """The arrays with equal blocks along all axes but one."""
    first = arrays[0].chunks
    if all(
        _same(own, other)
        for array in arrays[1:]
        for number, (own, other) in enumerate(zip(array.chunks, first))
        if number != axis
    ):
        return arrays
    pairs = [
        (array.chunks, tuple((axis, position) if number == axis else number for number in range(array.ndim)))
        for position, array in enumerate(arrays)
    ]
    if any(has_unknown(sizes for number, sizes in enumerate(array.chunks) if number != axis) for array in arrays):
        # Trusted by the caller: blocks line up, whatever is known of their lengths.
        return [
            Array(
                array._expr.with_chunks(
                    tuple(
                        own if number == axis else other for number, (own, other) in enumerate(zip(array.chunks, first))
                    )
                ),
                meta=array._foreign_meta,
            )
            for array in arrays
        ]
    chunks = common_chunks(pairs)
    return [rechunk_to(array, [chunks[index] for index in indices]) for array, (_, indices) in zip(arrays, pairs)]


def stack(seq, axis=0, allow_unknown_chunksizes=False):
    """Arrays of one shape, one after another along a new axis.

    Parameters
    ----------
    seq : list of array_like
        Arrays of equal shapes.
    axis : int
        The place of the new axis in the result.
    allow_unknown_chunksizes : bool
        Whether blocks of unknown length are trusted to line up.

    Returns
    -------
    Array
        Its blocks along the new axis have length 1.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.stack([da.ones(3), da.zeros(3)]).shape
    (2, 3)
    """
    from raskr.array.sources import asarray

    arrays = [asarray(array, allow_unknown_chunksizes=allow_unknown_chunksizes) for array in seq]
    if not arrays:
        raise ValueError("stack: need array(s) to stack, got none")
    shape = arrays[0].shape
    # Unknown lengths are known to be equal only where it is the same array.
    others = [array for array in arrays if array.shape != shape or has_unknown(array.chunks) and array is not arrays[0]]
    if others and not allow_unknown_chunksizes:
        position = next(number for number, array in enumerate(arrays) if array is others[0])
        raise ValueError(
            f"Stacked arrays must have the same shape. The first array had shape {shape}, while array "
            f"{position + 1} has "
            f"shape {arrays[position].shape}."
        )
    ndim = arrays[0].ndim + 1
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(
            f"stack: Axis must not be greater than number of dimensions\nData has {ndim - 1} dimensions, but got "
            f"axis={axis}"
        )
    axis %= ndim
    arrays, meta = _cast_all(arrays, "stack")
    first = arrays[0].chunks
    if not all(_same(a, b) for array in arrays for a, b in zip(array.chunks, first)):
        arrays = _same_blocks(arrays, None)
    expr = Expr.stack([array._expr for array in arrays], axis)
    return wrap(expr, None if is_native_meta(meta) else meta_from_array(meta, ndim=ndim))


def block(arrays, allow_unknown_chunksizes=False):
    """One array from arrays in nested lists, as `numpy.block`.

    The innermost lists are joined along the last axis, the lists around them along the one before, and so on. Arrays
    with
    fewer axes than lists are deep get axes of length 1 in front.

    Parameters
    ----------
    arrays : nested list of array_like
        Every list of one level holds lists of the next level, and the innermost hold arrays.
    allow_unknown_chunksizes : bool
        As of `concatenate`.

    Examples
    --------
    >>> import raskr.array as da
    >>> a, b = da.ones((2, 2)), da.zeros((2, 1))
    >>> da.block([[a, b], [a, b]]).shape
    (4, 3)
    """
    from raskr.array.sources import asanyarray

    def depth_of(item, path):
        if type(item) is tuple:
            raise TypeError(f"block: {path} is a tuple; only lists are taken apart")
        if type(item) is not list:
            return 0
        if not item:
            empty.append(path)
            return 1
        depths = [depth_of(one, f"{path}[{number}]") for number, one in enumerate(item)]
        for number, depth in enumerate(depths):
            if depth != depths[0]:
                raise ValueError(
                    f"block: List depths are mismatched: {path}[0] is {depths[0]} lists deep, {path}[{number}] is "
                    f"{depth}"
                )
        return depths[0] + 1

    empty = []
    depth = depth_of(arrays, "arrays")
    if empty:
        raise ValueError(f"block: {empty[0]} is an empty list")

    def converted(item):
        return [converted(one) for one in item] if type(item) is list else asanyarray(item)

    def widest(item):
        return max(map(widest, item)) if type(item) is list else item.ndim

    nested = converted(arrays)
    ndim = max(depth, widest(nested))

    def join(item, level):
        if type(item) is not list:
            return item[(None,) * (ndim - item.ndim) + (Ellipsis,)] if item.ndim < ndim else item
        return concatenate(
            [join(one, level + 1) for one in item],
            axis=ndim - depth + level,
            allow_unknown_chunksizes=allow_unknown_chunksizes,
        )

    return join(nested, 0)


def broadcast_to(x, shape, chunks=None, meta=None):
    """The array, repeated without copies to a larger shape.

    Parameters
    ----------
    x : array_like
        The array.
    shape : tuple of int
        The shape of the result.
    chunks : tuple, optional
        Chunks of the result; axes that `x` has already with this length must keep theirs.
    meta : array, optional
        An empty example of the blocks.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.broadcast_to(da.arange(3, chunks=3), (2, 3)).shape
    (2, 3)
    """
    from raskr.array.sources import asarray

    x = asarray(x)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if x.shape == shape and (chunks is None or normalize_chunks(chunks, x.shape, dtype=x.dtype) == x.chunks):
        return x
    extra = len(shape) - x.ndim
    if extra < 0 or any(new != old and old != 1 and old == old for new, old in zip(shape[extra:], x.shape)):
        raise ValueError(f"cannot broadcast shape {x.shape} to shape {shape}")
    if chunks is None:
        sizes = tuple((length,) for length in shape[:extra]) + tuple(
            own if old != 1 or new != new else (new,) for own, old, new in zip(x.chunks, x.shape, shape[extra:])
        )
    else:
        sizes = normalize_chunks(chunks, shape, dtype=x.dtype)
        for own, old, new in zip(x.chunks, x.shape, sizes[extra:]):
            if own != new and old != 1:
                raise ValueError(
                    f"cannot broadcast chunks {x.chunks} to chunks {sizes}: new chunks must either be along a new "
                    "axis or one of length 1"
                )
    return Array(
        x._expr.broadcast_to(sizes),
        meta=None if x._foreign_meta is None else meta_from_array(x._foreign_meta, ndim=len(shape)),
    )


def broadcast_arrays(*args, subok=False):
    """Arrays broadcast to their common shape, in the same blocks.

    Parameters
    ----------
    *args : array_like
        The arrays.
    subok : bool
        Whether blocks keep their kind of array.

    Returns
    -------
    tuple of Array

    Examples
    --------
    >>> import raskr.array as da
    >>> [x.shape for x in da.broadcast_arrays(da.ones((2, 1)), da.ones(3))]
    [(2, 3), (2, 3)]
    """
    from raskr.array.sources import asanyarray, asarray

    arrays = [(asanyarray if subok else asarray)(array) for array in args]
    shape = broadcast_shapes(*(array.shape for array in arrays))
    pairs = [(array.chunks, tuple(range(len(shape) - array.ndim, len(shape)))) for array in arrays]
    chunks = common_chunks(pairs)
    sizes = tuple((0,) if length == 0 else tuple(chunks[axis]) for axis, length in enumerate(shape))
    result = []
    for array, (_, indices) in zip(arrays, pairs):
        array = rechunk_to(array, [sizes[index] for index in indices])
        result.append(
            broadcast_to(array, shape, chunks=sizes)
            if not has_unknown(sizes)
            else _broadcast_unknown(array, shape, sizes)
        )
    return tuple(result)


def _broadcast_unknown(array, shape, sizes):
    if array.ndim == len(shape) and all(old != 1 for old in array.shape):
        return array
    return Array(array._expr.broadcast_to(sizes), meta=array._foreign_meta)
