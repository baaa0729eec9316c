"""Shapes and order of axes and elements: stacking, flipping, rolling, adding and dropping axes."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from raskr.array._apply import normalize_axes, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


def _along(axis: int, part: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (part,)


# --- questions ------------------------------------------------------------------------------------------------------
@like_numpy(np.shape)
def shape(array):
    """The length along each axis; NaN where it is unknown.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.shape(da.ones((2, 3)))
    (2, 3)
    """
    return _array(array).shape


@like_numpy(np.ndim)
def ndim(a):
    """The number of axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ndim(da.ones((2, 3)))
    2
    """
    return a.ndim if hasattr(a, "ndim") else np.ndim(a)


@like_numpy(np.result_type)
def result_type(*args):
    """The element type that NumPy's promotion gives for arrays, scalars and types. Nothing is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.result_type(da.ones(3, dtype="float32"), 1)
    dtype('float32')
    """
    return np.result_type(*(x.dtype if isinstance(x, Array) else x for x in args))


@like_numpy(np.iscomplexobj)
def iscomplexobj(x):
    """Whether the element type is complex.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.iscomplexobj(da.ones(3, dtype=complex))
    True
    """
    return issubclass(x.dtype.type, np.complexfloating) if isinstance(x, Array) else np.iscomplexobj(x)


# --- number of axes -------------------------------------------------------------------------------------------------
def _at_least(arrays: tuple[Any, ...], index: Any) -> Any:
    results = [index(_array(x)) for x in arrays]
    return results[0] if len(results) == 1 else tuple(results)


@like_numpy(np.atleast_1d)
def atleast_1d(*arys):
    """The arrays, each with at least one axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.atleast_1d(5).shape
    (1,)
    """
    return _at_least(arys, lambda x: x[None] if x.ndim == 0 else x)


@like_numpy(np.atleast_2d)
def atleast_2d(*arys):
    """The arrays, each with at least two axes; new ones come first.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.atleast_2d(da.ones(3)).shape
    (1, 3)
    """
    return _at_least(arys, lambda x: x[None, None] if x.ndim == 0 else x[None, :] if x.ndim == 1 else x)


@like_numpy(np.atleast_3d)
def atleast_3d(*arys):
    """The arrays, each with at least three axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.atleast_3d(da.ones((2, 3))).shape
    (2, 3, 1)
    """
    indices = {0: (None, None, None), 1: (None, slice(None), None), 2: (slice(None), slice(None), None)}
    return _at_least(arys, lambda x: x[indices[x.ndim]] if x.ndim < 3 else x)


@like_numpy(np.expand_dims)
def expand_dims(a, axis):
    """The array with new axes of length 1.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.expand_dims(da.ones(3), (0, 2)).shape
    (1, 3, 1)
    """
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    a = _array(a)
    count = a.ndim + len(axes)
    new = {normalize_axis(number, count) for number in axes}
    if len(new) != len(axes):
        raise ValueError(f"repeated axis in {tuple(axes)}")
    return a[tuple(None if number in new else slice(None) for number in range(count))]


@like_numpy(np.squeeze)
def squeeze(a, axis=None):
    """The array without axes of length 1, all of them or those given.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.squeeze(da.ones((1, 3, 1))).shape
    (3,)
    """
    a = _array(a)
    if axis is None:
        axes = tuple(number for number, size in enumerate(a.shape) if size == 1)
    else:
        axes = normalize_axes(axis, a.ndim)
        for number in axes:
            if a.shape[number] != 1:
                raise ValueError(f"squeeze drops axes of length 1 only, axis {number} of shape {a.shape} is longer")
    if not axes:
        return a
    if len(axes) == a.ndim:
        # An array without axes, where an index would give a scalar.
        return wrap(a._expr.reshape_blocks(()), a._meta)
    return wrap(a._expr.view([0 if number in axes else slice(None) for number in range(a.ndim)]), a._meta)


@like_numpy(np.ravel)
def ravel(array_like):
    """The array flattened in row-major order.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ravel(da.ones((2, 3))).shape
    (6,)
    """
    x = _array(array_like)
    return x if x.ndim == 1 else x.reshape(-1)


# --- order of axes --------------------------------------------------------------------------------------------------
@like_numpy(np.swapaxes)
def swapaxes(a, axis1, axis2):
    """The array with two axes exchanged.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.swapaxes(da.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    a = _array(a)
    axis1, axis2 = normalize_axis(axis1, a.ndim), normalize_axis(axis2, a.ndim)
    if axis1 == axis2:
        return a
    order = list(range(a.ndim))
    order[axis1], order[axis2] = axis2, axis1
    return a.transpose(order)


@like_numpy(np.moveaxis)
def moveaxis(a, source, destination):
    """The array with axes moved to other places; the others keep their order.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.moveaxis(da.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    a = _array(a)
    sources = [normalize_axis(n, a.ndim) for n in (source if np.iterable(source) else (source,))]
    targets = [normalize_axis(n, a.ndim) for n in (destination if np.iterable(destination) else (destination,))]
    if len(sources) != len(targets):
        raise ValueError(f"moveaxis needs as many destinations as sources, got {len(targets)} and {len(sources)}")
    if len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ValueError(f"moveaxis: repeated axis in {source} or {destination}")
    order = [n for n in range(a.ndim) if n not in sources]
    for target, number in sorted(zip(targets, sources)):
        order.insert(target, number)
    return a.transpose(order)


@like_numpy(np.rollaxis)
def rollaxis(a, axis, start=0):
    """The array with one axis moved before another position.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.rollaxis(da.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    a = _array(a)
    axis = normalize_axis(axis, a.ndim)
    start = operator.index(start)
    if start < 0:
        start += a.ndim
    if not 0 <= start <= a.ndim:
        raise np.exceptions.AxisError(f"start of rollaxis must be from {-a.ndim} to {a.ndim}, not {start}")
    if axis < start:
        start -= 1
    order = [n for n in range(a.ndim) if n != axis]
    order.insert(start, axis)
    return a.transpose(order)


# --- order of elements ----------------------------------------------------------------------------------------------
@like_numpy(np.flip)
def flip(m, axis=None):
    """The array with the order of elements reversed along axes, all of them by default.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.flip(da.arange(4, chunks=2)).compute()
    array([3, 2, 1, 0])
    """
    m = _array(m)
    axes = normalize_axes(axis, m.ndim)
    return m[tuple(slice(None, None, -1) if n in axes else slice(None) for n in range(m.ndim))]


@like_numpy(np.flipud)
def flipud(m):
    """The array reversed along the first axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.flipud(da.arange(4, chunks=2)).compute()
    array([3, 2, 1, 0])
    """
    return flip(m, 0)


@like_numpy(np.fliplr)
def fliplr(m):
    """The array reversed along the second axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.fliplr(da.asarray([[1, 2]])).compute()
    array([[2, 1]])
    """
    return flip(m, 1)


@like_numpy(np.rot90)
def rot90(m, k=1, axes=(0, 1)):
    """The array turned by right angles in the plane of two axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.rot90(da.asarray([[1, 2], [3, 4]])).compute()
    array([[2, 4],
           [1, 3]])
    """
    m = _array(m)
    axes = tuple(axes)
    if len(axes) != 2:
        raise ValueError(f"len(axes) must be 2, got {len(axes)}")
    first, second = (normalize_axis(n, m.ndim) for n in axes)
    if first == second:
        raise ValueError(f"Axes must be different, got {axes}")
    k %= 4
    if k == 0:
        return m
    if k == 2:
        return flip(flip(m, first), second)
    if k == 1:
        return swapaxes(flip(m, second), first, second)
    return flip(swapaxes(m, first, second), second)


@like_numpy(np.roll)
def roll(array, shift, axis=None):
    """The array with elements moved along axes; what falls off one end comes in at the other.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.roll(da.arange(5, chunks=2), 2).compute()
    array([3, 4, 0, 1, 2])
    """
    x = _array(array)
    if axis is None:
        if np.ndim(shift):
            raise TypeError(f"roll without an axis takes one shift, not {shift!r}")
        result = _rolled(ravel(x), operator.index(shift), 0).reshape(x.shape)
        return result.copy() if result is array else result
    shifts = tuple(shift) if np.ndim(shift) else (shift,)
    axes = tuple(axis) if np.ndim(axis) else (axis,)
    if len(shifts) != len(axes):
        raise ValueError(f"roll takes a shift for each axis, got {len(shifts)} and {len(axes)}")
    result = x
    for amount, number in zip(shifts, axes):
        result = _rolled(result, operator.index(amount), normalize_axis(number, x.ndim))
    return result.copy() if result is array else result


def _rolled(x: Array, shift: int, axis: int) -> Array:
    from raskr.array.core import concatenate

    size = x.shape[axis]
    shift = shift % size if size else 0
    if not shift:
        return x
    return concatenate([x[_along(axis, slice(-shift, None))], x[_along(axis, slice(None, -shift))]], axis=axis)


# --- joining --------------------------------------------------------------------------------------------------------
def _parts(arrays: Any, name: str) -> list[Any]:
    if isinstance(arrays, Array):
        raise NotImplementedError(f"{name} expects a sequence of arrays as the first argument, not one array")
    return list(arrays)


@like_numpy(np.vstack)
def vstack(tup, allow_unknown_chunksizes=False):
    """The arrays one below the other; those of one axis are rows.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.vstack([da.ones(3), da.zeros((2, 3))]).shape
    (3, 3)
    """
    from raskr.array.core import concatenate

    parts = [atleast_2d(x) for x in _parts(tup, "vstack")]
    return concatenate(parts, axis=0, allow_unknown_chunksizes=allow_unknown_chunksizes)


@like_numpy(np.hstack)
def hstack(tup, allow_unknown_chunksizes=False):
    """The arrays one beside the other: along the second axis, or the first where there is only one.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.hstack([da.ones(3), da.zeros(2)]).shape
    (5,)
    """
    from raskr.array.core import concatenate

    parts = [atleast_1d(x) for x in _parts(tup, "hstack")]
    axis = 0 if all(x.ndim == 1 for x in parts) else 1
    return concatenate(parts, axis=axis, allow_unknown_chunksizes=allow_unknown_chunksizes)


@like_numpy(np.dstack)
def dstack(tup, allow_unknown_chunksizes=False):
    """The arrays one behind the other, along the third axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.dstack([da.ones((2, 3)), da.zeros((2, 3))]).shape
    (2, 3, 2)
    """
    from raskr.array.core import concatenate

    parts = [atleast_3d(x) for x in _parts(tup, "dstack")]
    return concatenate(parts, axis=2, allow_unknown_chunksizes=allow_unknown_chunksizes)


@like_numpy(np.append)
def append(arr, values, axis=None):
    """The array followed by values, along an axis, or both flattened.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.append(da.arange(3), [7, 8]).compute()
    array([0, 1, 2, 7, 8])
    """
    from raskr.array.core import concatenate

    arr, values = _array(arr), _array(values)
    if axis is None:
        return concatenate([ravel(arr), ravel(values)], axis=0)
    axis = normalize_axis(axis, arr.ndim)
    if values.ndim != arr.ndim:
        raise ValueError(f"append along an axis needs {arr.ndim} axes of the values too, they have {values.ndim}")
    return concatenate([arr, values], axis=axis)


@like_numpy(np.delete)
def delete(arr, obj, axis):
    """The array without the elements at some positions along an axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.delete(da.arange(5, chunks=2), [1, 3], axis=0).compute()
    array([0, 2, 4])
    """
    from raskr.array.core import concatenate

    arr = _array(arr)
    axis = normalize_axis(axis, arr.ndim)
    size = arr.shape[axis]
    gone = np.arange(size)[obj] if isinstance(obj, slice) else np.atleast_1d(np.asarray(obj))
    if gone.dtype == bool:
        gone = np.flatnonzero(gone)
    gone = gone.astype(np.intp)
    if ((gone < -size) | (gone >= size)).any():
        raise IndexError(f"delete: position out of bounds for axis {axis} of length {size}")
    gone = np.unique(np.where(gone < 0, gone + size, gone))
    if len(gone) == 0:
        return arr
    edges = [-1, *gone.tolist(), int(size)]
    runs = [(low + 1, high) for low, high in zip(edges, edges[1:]) if high > low + 1]
    if len(runs) > 100:
        # One take is cheaper than many pieces.
        kept = np.delete(np.arange(size), gone)
        return arr[_along(axis, kept)]
    if not runs:
        return arr[_along(axis, slice(0, 0))]
    return concatenate([arr[_along(axis, slice(*run))] for run in runs], axis=axis)


@like_numpy(np.insert)
def insert(arr, obj, values, axis):
    """The array with values put before some positions along an axis; the positions must be in ascending order.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.insert(da.arange(4, chunks=2), [1, 3], -1, axis=0).compute()
    array([ 0, -1,  1,  2, -1,  3])
    """
    from raskr.array.core import broadcast_to, concatenate

    arr = _array(arr)
    axis = normalize_axis(axis, arr.ndim)
    size = int(arr.shape[axis])
    scalar = not isinstance(obj, slice) and np.ndim(obj) == 0
    places = np.arange(size)[obj] if isinstance(obj, slice) else np.atleast_1d(np.asarray(obj)).astype(np.intp)
    if ((places < -size) | (places > size)).any():
        raise IndexError(f"insert: position out of bounds for axis {axis} of length {size}")
    places = np.where(places < 0, places + size, places)
    if (np.diff(places) < 0).any():
        raise NotImplementedError("insert takes positions in ascending order only")
    target = tuple(len(places) if n == axis else length for n, length in enumerate(arr.shape))
    values = values if isinstance(values, Array) else np.asarray(values)
    if scalar and values.ndim:
        # As in NumPy, values for one place have no axis of their own for it.
        lead = (None,) * (arr.ndim - values.ndim)
        move = moveaxis if isinstance(values, Array) else np.moveaxis
        values = move(values[(*lead, ...)], 0, axis)
        if values.shape[axis] != 1:
            target = tuple(values.shape[axis] if n == axis else length for n, length in enumerate(target))
            places = np.repeat(places, values.shape[axis])
    sizes = tuple((target[axis],) if n == axis else c for n, c in enumerate(arr.chunks))
    new = broadcast_to(_array(values).astype(arr.dtype), target).rechunk(sizes)
    pieces, start = [], 0
    borders, firsts = np.unique(places, return_index=True)
    lasts = np.append(firsts[1:], len(places))
    for border, first, last in zip(borders.tolist(), firsts.tolist(), lasts.tolist()):
        pieces += [arr[_along(axis, slice(start, border))], new[_along(axis, slice(first, last))]]
        start = border
    pieces.append(arr[_along(axis, slice(start, None))])
    return concatenate([piece for piece in pieces if piece.shape[axis]] or [arr], axis=axis)
