"""NumPy's names that Dask lacks, made of the functions that it has."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from raskr.array import ufunc as ufuncs
from raskr.array._apply import normalize_axes, normalize_axis
from raskr.array._docs import like_numpy
from raskr.array.axes import transpose
from raskr.array.collection import Array, need_known_chunks
from raskr.array.creation import arange, linspace
from raskr.array.joining import broadcast_to, concatenate
from raskr.array.reductions import max, min
from raskr.array.routines_shape import atleast_1d, atleast_2d, moveaxis

__all__ = [
    "amax", "amin", "array_equal", "array_equiv", "array_split", "astype", "column_stack", "concat", "copy",
    "diag_indices", "diag_indices_from", "diagflat", "dsplit", "geomspace", "hsplit", "isrealobj", "isscalar",
    "logspace", "permute_dims", "resize", "row_stack", "size", "split", "trim_zeros", "unstack", "vander", "vsplit",
]  # fmt: skip

amax = max
amin = min
concat = concatenate
permute_dims = transpose


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


# --- questions ------------------------------------------------------------------------------------------------------
@like_numpy(np.size)
def size(a, axis=None):
    """The number of elements, or the length of an axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.size(da.ones((2, 3))), da.size(da.ones((2, 3)), 1)
    (6, 3)
    """
    a = _array(a)
    return a.size if axis is None else a.shape[normalize_axis(axis, a.ndim)]


@like_numpy(np.isscalar)
def isscalar(element):
    """Whether something is a scalar; lazy arrays are not, whatever their shape.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.isscalar(3), da.isscalar(da.asarray(3))
    (True, False)
    """
    return not isinstance(element, Array) and np.isscalar(element)


@like_numpy(np.isrealobj)
def isrealobj(x):
    """Whether the element type is not complex.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.isrealobj(da.ones(3))
    True
    """
    return _array(x).dtype.kind != "c"


@like_numpy(np.array_equal)
def array_equal(a1, a2, equal_nan=False):
    """Whether two arrays have the same shape and elements, as a lazy array without axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> bool(da.array_equal(da.ones(3), [1, 1, 1]).compute())
    True
    """
    a1, a2 = _array(a1), _array(a2)
    if a1.shape != a2.shape:
        return _array(np.False_)
    same = ufuncs.equal(a1, a2)
    if equal_nan:
        same = same | ((a1 != a1) & (a2 != a2))
    return same.all()


@like_numpy(np.array_equiv)
def array_equiv(a1, a2):
    """Whether two arrays broadcast to the same elements, as a lazy array without axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> bool(da.array_equiv(da.ones((2, 3)), [1, 1, 1]).compute())
    True
    """
    try:
        return ufuncs.equal(_array(a1), _array(a2)).all()
    except ValueError:
        return _array(np.False_)


# --- types and copies -----------------------------------------------------------------------------------------------
def astype(x, dtype, /, *, copy=True, device=None):
    """The elements in another type.

    Parameters
    ----------
    x : array_like
        The elements.
    dtype : dtype
        The type.
    copy : bool
        Accepted for likeness: lazy arrays are never changed.
    device : {None, "cpu"}
        Where the elements shall be.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.astype(da.ones(2), int).compute()
    array([1, 1])
    """
    if device not in (None, "cpu"):
        raise ValueError(f'device must be "cpu" or None, not {device!r}')
    return _array(x).astype(dtype)


@like_numpy(np.copy)
def copy(a, order="K", subok=False):
    """The same array as a new object. `order` and `subok` are accepted for likeness.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.copy(da.ones(2)).compute()
    array([1., 1.])
    """
    return _array(a).copy()


# --- splitting and joining ------------------------------------------------------------------------------------------
@like_numpy(np.array_split)
def array_split(ary, indices_or_sections, axis=0):
    """The array in parts along an axis: so many of about equal length, or cut at positions.

    Examples
    --------
    >>> import raskr.array as da
    >>> [part.shape for part in da.array_split(da.arange(7), 3)]
    [(3,), (2,), (2,)]
    """
    ary = _array(ary)
    axis = normalize_axis(axis, ary.ndim)
    length = int(ary.shape[axis])
    if np.ndim(indices_or_sections) == 0:
        count = int(indices_or_sections)
        if count < 1:
            raise ValueError(f"number of parts must be at least 1, not {count}")
        sizes = [length // count + (number < length % count) for number in range(count)]
        borders = np.cumsum(sizes)[:-1].tolist()
    else:
        borders = [int(n) for n in indices_or_sections]
    lead = (slice(None),) * axis
    return [ary[(*lead, slice(low, high))] for low, high in zip([0, *borders], [*borders, None])]


@like_numpy(np.split)
def split(ary, indices_or_sections, axis=0):
    """The array in parts of equal length along an axis, or cut at positions.

    Examples
    --------
    >>> import raskr.array as da
    >>> [part.shape for part in da.split(da.arange(6), 3)]
    [(2,), (2,), (2,)]
    """
    ary = _array(ary)
    if np.ndim(indices_or_sections) == 0 and ary.shape[normalize_axis(axis, ary.ndim)] % indices_or_sections:
        raise ValueError("array split does not result in an equal division: use array_split")
    return array_split(ary, indices_or_sections, axis)


def _split_along(name: str, least: int, axis: int, ary: Any, parts: Any) -> list[Array]:
    ary = _array(ary)
    if ary.ndim < least:
        raise ValueError(f"{name} only works on arrays of {least} or more dimensions, got {ary.ndim}")
    return split(ary, parts, axis)


@like_numpy(np.hsplit)
def hsplit(ary, indices_or_sections):
    """The array in parts side by side: along the second axis, or the first where there is only one.

    Examples
    --------
    >>> import raskr.array as da
    >>> [part.shape for part in da.hsplit(da.ones((2, 4)), 2)]
    [(2, 2), (2, 2)]
    """
    return _split_along("hsplit", 1, 1 if _array(ary).ndim > 1 else 0, ary, indices_or_sections)


@like_numpy(np.vsplit)
def vsplit(ary, indices_or_sections):
    """The array in parts one below the other: along the first of two axes or more.

    Examples
    --------
    >>> import raskr.array as da
    >>> [part.shape for part in da.vsplit(da.ones((4, 2)), 2)]
    [(2, 2), (2, 2)]
    """
    return _split_along("vsplit", 2, 0, ary, indices_or_sections)


@like_numpy(np.dsplit)
def dsplit(ary, indices_or_sections):
    """The array in parts one behind the other: along the third axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> [part.shape for part in da.dsplit(da.ones((1, 1, 4)), 2)]
    [(1, 1, 2), (1, 1, 2)]
    """
    return _split_along("dsplit", 3, 2, ary, indices_or_sections)


def unstack(x, /, *, axis=0):
    """The slices of an array along an axis, as a tuple.

    Parameters
    ----------
    x : array_like
        The array.
    axis : int
        The axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> [part.compute().tolist() for part in da.unstack(da.asarray([[1, 2], [3, 4]]))]
    [[1, 2], [3, 4]]
    """
    x = moveaxis(_array(x), axis, 0)
    return tuple(x[number] for number in range(len(x)))


@like_numpy(np.column_stack)
def column_stack(tup):
    """The arrays side by side; those of one axis are columns.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.column_stack([da.ones(3), da.zeros((3, 2))]).shape
    (3, 3)
    """
    parts = [atleast_1d(x) for x in tup]
    return concatenate([x[:, None] if x.ndim == 1 else x for x in parts], axis=1)


# --- ranges and matrices --------------------------------------------------------------------------------------------
@like_numpy(np.logspace)
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, chunks="auto"):
    """Numbers evenly spaced on a logarithmic scale, between powers of a base.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.logspace(0, 2, 3).compute()
    array([  1.,  10., 100.])
    """
    result = ufuncs.power(float(base), linspace(start, stop, num, endpoint=endpoint, chunks=chunks))
    return result if dtype is None else result.astype(dtype)


@like_numpy(np.geomspace)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, chunks="auto"):
    """Numbers evenly spaced on a logarithmic scale, between two of the same sign.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.geomspace(1, 100, 3).compute()
    array([  1.,  10., 100.])
    """
    if start == 0 or stop == 0 or (start < 0) != (stop < 0):
        raise ValueError(f"geomspace needs limits of the same sign that are not 0, got {start} and {stop}")
    sign = -1.0 if start < 0 else 1.0
    return sign * logspace(
        math.log10(abs(start)), math.log10(abs(stop)), num, endpoint=endpoint, dtype=dtype, chunks=chunks
    )


@like_numpy(np.vander)
def vander(x, N=None, increasing=False):
    """The matrix of powers of the elements of a vector.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.vander(da.asarray([2, 3]), 3).compute()
    array([[4, 2, 1],
           [9, 3, 1]])
    """
    x = _array(x)
    if x.ndim != 1:
        raise ValueError(f"vander takes a vector, got {x.ndim} axes")
    count = int(x.shape[0]) if N is None else int(N)
    powers = arange(count) if increasing else arange(count - 1, -1, -1)
    return ufuncs.power(x[:, None], powers[None, :])


@like_numpy(np.diagflat)
def diagflat(v, k=0):
    """The matrix that has the flattened elements as a diagonal.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.diagflat([[1], [2]]).compute()
    array([[1, 0],
           [0, 2]])
    """
    from raskr.array.creation import diag

    return diag(_array(v).reshape(-1), k)


@like_numpy(np.diag_indices)
def diag_indices(n, ndim=2):
    """Positions of the elements of the main diagonal, an array for each axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> [line.compute().tolist() for line in da.diag_indices(2)]
    [[0, 1], [0, 1]]
    """
    return (arange(n),) * ndim


@like_numpy(np.diag_indices_from)
def diag_indices_from(arr):
    """Positions of the elements of the main diagonal of an array whose axes are of equal length.

    Examples
    --------
    >>> import raskr.array as da
    >>> [line.compute().tolist() for line in da.diag_indices_from(da.ones((2, 2)))]
    [[0, 1], [0, 1]]
    """
    arr = _array(arr)
    if arr.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(arr.shape)) > 1:
        raise ValueError(f"All dimensions of input must be of equal length, got {arr.shape}")
    return diag_indices(arr.shape[0], arr.ndim)


# --- other lengths --------------------------------------------------------------------------------------------------
@like_numpy(np.resize)
def resize(a, new_shape):
    """The elements in another shape, repeated from the first where there are too few of them.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.resize(da.arange(3), (2, 4)).compute()
    array([[0, 1, 2, 0],
           [1, 2, 0, 1]])
    """
    from raskr.array.creation import zeros_like

    a = _array(a)
    shape = (operator.index(new_shape),) if np.ndim(new_shape) == 0 else tuple(map(operator.index, new_shape))
    if any(length < 0 for length in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    need_known_chunks(a, "resize")
    size, wanted = int(a.size), math.prod(shape)
    blocks: Any = -1 if a.dtype.hasobject else "auto"
    if size == 0 or wanted == 0:
        return zeros_like(a, shape=shape, chunks=blocks)
    flat = a.reshape(-1)
    if wanted > size:
        rows = -(-wanted // size)
        if flat.npartitions == 1:
            # A short array many times over: rows of copies, as many in a block as fit.
            flat = broadcast_to(flat[None, :], (rows, size)).rechunk({0: blocks}).reshape(-1)
        else:
            flat = concatenate([flat] * rows)
    return flat[:wanted].reshape(shape)


@like_numpy(np.trim_zeros)
def trim_zeros(filt, trim="fb", axis=None):
    """The array without the zeros at the beginning ("f") and at the end ("b") of its axes.

    Where the first and last elements that are not zero are is computed at once; the result is a lazy slice.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.trim_zeros(da.asarray([0, 0, 1, 0, 2, 0])).compute()
    array([1, 0, 2])
    """
    from raskr.base import compute

    filt = _array(filt)
    ends = trim.lower()
    if ends not in ("fb", "bf", "f", "b"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    axes = normalize_axes(axis, filt.ndim)
    there = filt.astype(bool)
    lines = compute(*(there.any(axis=tuple(n for n in range(filt.ndim) if n != number)) for number in axes))
    index = [slice(None)] * filt.ndim
    for number, line in zip(axes, lines):
        (found,) = np.nonzero(line)
        if not len(found):
            index[number] = slice(0, 0)
            continue
        first, last = int(found[0]), int(found[-1]) + 1
        index[number] = slice(first if "f" in ends else None, last if "b" in ends else None)
    return filt[tuple(index)]


def row_stack(tup, *, dtype=None, casting="same_kind"):
    """The arrays one below the other: the old name of `vstack`.

    Parameters
    ----------
    tup : sequence of array_like
        The arrays; those of one axis are rows.
    dtype : dtype, optional
        Element type of the result.
    casting : str
        What casts are allowed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.row_stack([da.ones(3), da.zeros((2, 3))]).shape
    (3, 3)
    """
    parts = [atleast_2d(x) for x in tup]
    if dtype is not None:
        parts = [part.astype(dtype, casting=casting) for part in parts]
    return concatenate(parts, axis=0)
