"""Arrays from nothing: constants, ranges, diagonals, index grids; and repetitions of arrays."""

from __future__ import annotations

import builtins
import datetime
import functools
import math
import numbers
import operator
from typing import Any

import numpy as np

from raskr.array._apply import Expr, blockwise_elementwise, name_of, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.chunk_sizes import normalize_chunks
from raskr.array.collection import Array
from raskr.array.padding import pad
from raskr.array.repetition import repeat, tile
from raskr.array.utils import has_unknown, is_native_dtype, meta_from_array

__all__ = [
    "arange", "diag", "diagonal", "empty", "empty_like", "eye", "fromfunction", "full", "full_like", "identity",
    "indices", "linspace", "meshgrid", "ones", "ones_like", "pad", "repeat", "tile", "tri", "zeros", "zeros_like",
]  # fmt: skip

_INT = np.dtype(int)
_BOOL = np.dtype(bool)


# --- constants ------------------------------------------------------------------------------------------------------
class BlockShapes:
    """The shape of each block, for functions that make blocks from nothing."""

    def __init__(self, chunks: tuple[tuple[int, ...], ...]):
        self.chunks = chunks

    def __call__(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"shape": tuple(sizes[number] for sizes, number in zip(self.chunks, block))}


def _filled(shape: tuple[int, ...], value: Any, dtype: Any) -> Any:
    return np.full(shape, value, dtype=dtype)


def constant(value: Any, chunks: Any, dtype: np.dtype[Any], label: str, name: str | None = None) -> Array:
    """An array of one value, of any element type; chunks are normal already."""
    if dtype.kind in "SUV" and isinstance(value, int):
        value = (np.ones if value else np.zeros)((), dtype=dtype)[()]  # NumPy's idea of a text that is 0 or 1
    if is_native_dtype(dtype):
        expr = Expr.full(
            chunks, dtype, np.asarray(value).astype(dtype)[()] if dtype.kind in "mM" else value, label=label
        )
    else:
        make = functools.partial(_filled, value=value, dtype=dtype)
        expr = Expr.blockwise(
            make, tuple(range(len(chunks))), [], chunks, dtype, False, per_block=BlockShapes(chunks), label=label
        )
    if name is not None:
        expr = expr.with_name(name)
    return wrap(expr, np.empty((0,) * len(chunks), dtype=dtype))


def _shape_of(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, Array):
        shape = shape.compute()
    if isinstance(shape, (int, float, np.number)) or np.ndim(shape) == 0:
        shape = (shape,)
    sizes = tuple(n if n != n else operator.index(n) for n in (s.item() if hasattr(s, "item") else s for s in shape))
    if builtins.any(n < 0 for n in sizes):
        raise ValueError(f"negative dimensions are not allowed: {sizes}")
    return sizes


def _make(value: Any, shape: Any, dtype: Any, chunks: Any, name: str | None, label: str) -> Array:
    shape = _shape_of(shape)
    dtype = np.dtype(dtype)
    return constant(value, normalize_chunks(chunks, shape, dtype=dtype), dtype, label, name)


@like_numpy(np.ones)
def ones(shape, dtype=float, chunks="auto", *, name=None, order="C", meta=None, like=None):
    """An array of ones. `chunks` says how it is cut, `name` how it is called; `order` and `like` have no effect.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ones((2, 3), chunks=2).compute()
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    return _make(1, shape, _asked(dtype, meta), chunks, name, "ones_like")


@like_numpy(np.zeros)
def zeros(shape, dtype=float, chunks="auto", *, name=None, order="C", meta=None, like=None):
    """An array of zeros. `chunks` says how it is cut, `name` how it is called; `order` and `like` have no effect.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.zeros(3, dtype="int64", chunks=2).compute()
    array([0, 0, 0])
    """
    return _make(0, shape, _asked(dtype, meta), chunks, name, "zeros_like")


@like_numpy(np.empty)
def empty(shape, dtype=float, chunks="auto", *, name=None, order="C", meta=None, like=None):
    """An array whose elements mean nothing (here they are zeros, which cost nothing until they are used).

    Examples
    --------
    >>> import raskr.array as da
    >>> da.empty((2, 3), chunks=2).shape
    (2, 3)
    """
    return _make(0, shape, _asked(dtype, meta), chunks, name, "empty_like")


def _asked(dtype: Any, meta: Any) -> Any:
    """The element type asked for; `meta` stands for one where none was given."""
    if meta is not None and dtype in (float, None):
        return getattr(meta, "dtype", float)
    return float if dtype is None else dtype


def _scalar_to_fill_with(fill_value: Any) -> None:
    if np.ndim(fill_value) if not isinstance(fill_value, Array) else fill_value.ndim:
        raise ValueError(f"fill_value must be scalar. Received {type(fill_value).__name__} instead.")


@like_numpy(np.full)
def full(shape, fill_value, dtype=None, chunks="auto", *, name=None, order="C", meta=None, like=None):
    """An array of one value, which may itself be a lazy array without axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.full(3, 7, chunks=2).compute()
    array([7, 7, 7])
    """
    _scalar_to_fill_with(fill_value)
    if dtype is None:
        dtype = fill_value.dtype if hasattr(fill_value, "dtype") else np.asarray(fill_value).dtype
    if isinstance(fill_value, Array):
        from raskr.array.core import broadcast_to

        shape = _shape_of(shape)
        return broadcast_to(
            fill_value.astype(dtype), shape, chunks=normalize_chunks(chunks, shape, dtype=np.dtype(dtype))
        )
    return _make(fill_value, shape, dtype, chunks, name, "full_like")


def _filled_like(block: Any, value: Any, dtype: Any) -> Any:
    return np.full_like(block, value, dtype=dtype)


def _make_like(a: Any, value: Any, dtype: Any, chunks: Any, name: str | None, shape: Any, label: str) -> Array:
    from raskr.array.core import asanyarray

    a = asanyarray(a)
    dtype = a.dtype if dtype is None else np.dtype(dtype)
    foreign = type(a._meta) is not np.ndarray
    if shape is None and (foreign or has_unknown(a.chunks)):
        if chunks is not None and has_unknown(a.chunks):
            raise ValueError("chunks can't be given for the likeness of an array of unknown chunks")
        a = a if chunks is None else a.rechunk(chunks)
        result = blockwise_elementwise(
            functools.partial(_filled_like, value=value, dtype=dtype), [a], dtype=dtype,
            meta=meta_from_array(a._meta, dtype=dtype), label=label,
        )  # fmt: skip
        return result if name is None else wrap(result._expr.with_name(name), result._meta)
    if shape is None:
        sizes = a.chunks if chunks is None else normalize_chunks(chunks, a.shape, dtype=dtype)
    else:
        sizes = normalize_chunks("auto" if chunks is None else chunks, _shape_of(shape), dtype=dtype)
    return constant(value, sizes, dtype, label, name)


@like_numpy(np.ones_like)
def ones_like(a, dtype=None, order="C", chunks=None, name=None, shape=None):
    """An array of ones with the shape, chunks and element type of another, where others are not given.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ones_like(da.arange(3, chunks=2)).compute()
    array([1, 1, 1])
    """
    return _make_like(a, 1, dtype, chunks, name, shape, "ones_like")


@like_numpy(np.zeros_like)
def zeros_like(a, dtype=None, order="C", chunks=None, name=None, shape=None):
    """An array of zeros with the shape, chunks and element type of another, where others are not given.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.zeros_like(da.arange(3, chunks=2)).compute()
    array([0, 0, 0])
    """
    return _make_like(a, 0, dtype, chunks, name, shape, "zeros_like")


@like_numpy(np.empty_like)
def empty_like(a, dtype=None, order="C", chunks=None, name=None, shape=None):
    """An array without meaningful elements, with the shape, chunks and element type of another.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.empty_like(da.arange(3, chunks=2)).shape
    (3,)
    """
    return _make_like(a, 0, dtype, chunks, name, shape, "empty_like")


@like_numpy(np.full_like)
def full_like(a, fill_value, order="C", dtype=None, chunks=None, name=None, shape=None):
    """An array of one value with the shape, chunks and element type of another, where others are not given.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.full_like(da.arange(3, chunks=2), 7).compute()
    array([7, 7, 7])
    """
    _scalar_to_fill_with(fill_value)
    return _make_like(a, fill_value, dtype, chunks, name, shape, "full_like")


# --- ranges ---------------------------------------------------------------------------------------------------------
_DATES = (np.datetime64, np.timedelta64, datetime.date, datetime.timedelta)


def _range_of_dates(start: Any, stop: Any, step: Any, chunks: Any, dtype: Any) -> Array:
    """`arange` of dates or of durations, counted in the unit that NumPy's has."""
    given = (value.compute()[()] if isinstance(value, Array) else value for value in (start, stop, step))
    start, stop, step = (np.datetime64(value) if isinstance(value, (str, datetime.date)) else value for value in given)
    if np.asarray(start).dtype.kind == "M" and np.asarray(stop).dtype.kind != "M":
        stop = start + stop
    if dtype is None:
        # What NumPy finds for an empty range, in the finest unit of all three.
        units = [np.asarray(value).dtype for value in (start, stop, step)]
        finest = np.result_type(*(f"m8[{np.datetime_data(unit)[0]}]" for unit in units if unit.kind in "mM"))
        dtype = np.dtype(f"{np.arange(start, start, step).dtype.kind}8[{np.datetime_data(finest)[0]}]")
    else:
        dtype = np.arange(start, start, step, dtype=dtype).dtype
    unit, multiple = np.datetime_data(dtype)
    counts = [np.asarray(value).astype(dtype).astype(_INT).item() for value in (start, stop)]
    if isinstance(step, (np.timedelta64, datetime.timedelta)):
        step = np.asarray(step).astype(f"m8[{multiple}{unit}]").astype(_INT).item()
    return arange(*counts, step, chunks=chunks, dtype=_INT).astype(dtype)


def _number(value: Any) -> Any:
    """A plain Python number, which neither wraps nor rounds to a narrow type."""
    value = value.compute() if isinstance(value, Array) else value
    return value.item() if hasattr(value, "item") else value


@like_numpy(np.arange)
def arange(start=None, /, stop=None, step=1, *, chunks="auto", like=None, dtype=None):
    """Evenly spaced numbers from `start` (0 when it is the only one given) up to, not including, `stop`.

    `chunks` says how the result is cut; `like` has no effect but on the type of chunks.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.arange(2, 10, 3, chunks=2).compute()
    array([2, 5, 8])
    """
    if start is None and stop is None:
        raise TypeError("arange() requires stop to be specified.")
    if stop is None:
        start, stop = 0, start
    elif start is None:
        start = 0
    step = 1 if step is None else step
    given = [value.dtype.type(0) if isinstance(value, Array) else value for value in (start, stop, step)]
    if builtins.any(isinstance(value, _DATES) for value in given) or (
        dtype is not None and np.dtype(dtype).kind in "mM"
    ):
        return _range_of_dates(start, stop, step, chunks, dtype)
    for value in given:
        if not isinstance(value, (numbers.Number, np.ndarray)):
            raise TypeError(f"arange takes numbers or dates for start, stop and step, not {type(value).__name__}")
    if dtype is None:
        dtype = np.arange(*(type(value)(number) for value, number in zip(given, (0, 1, 1)))).dtype
    dtype = np.dtype(dtype)
    start, stop, step = _number(start), _number(stop), _number(step)
    if step == 0:
        raise ZeroDivisionError("arange needs a step that is not 0")
    if builtins.all(isinstance(value, int) for value in (start, stop, step)):
        count = len(range(start, stop, step))
    else:
        count = builtins.max(math.ceil((stop - start) / step), 0)
    if dtype.kind in "fc" and count > 1:
        # As NumPy does: the step is the difference of the first two elements as they are stored.
        first, second = dtype.type(start), dtype.type(start + step)
        start, step = first, second - first
    sizes = normalize_chunks(chunks, (count,), dtype=dtype)
    if not is_native_dtype(dtype):
        return wrap(Expr.iota(sizes, np.dtype(float), start, step, label="arange")).astype(dtype)
    if dtype.kind == "b":
        return wrap(Expr.iota(sizes, _INT, start, step, label="arange")).astype(dtype)
    return wrap(Expr.iota(sizes, dtype, start, step, label="arange"))


@like_numpy(np.linspace)
def linspace(start, stop, num=50, endpoint=True, retstep=False, chunks="auto", dtype=None):
    """Evenly spaced numbers over an interval, which may be given by lazy arrays without axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linspace(0, 1, 5, chunks=2).compute()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    start, stop = _number(start), _number(stop)
    gaps = num - 1 if endpoint else num
    natural = np.result_type(start, stop, float)
    dtype = natural if dtype is None else np.dtype(dtype)
    step = (stop - start) / gaps if gaps > 0 else math.nan
    sizes = normalize_chunks(chunks, (num,), dtype=dtype)
    result = wrap(Expr.iota(sizes, natural, start, 0 if gaps <= 0 else step, label="linspace"))
    if endpoint and num > 1 and start + gaps * step != stop:
        from raskr.array.routines import where

        last = arange(num, chunks=sizes) == num - 1
        result = where(last, natural.type(stop), result)
    if dtype.kind in "iu":
        from raskr.array.ufunc import floor

        result = floor(result)
    result = result if dtype == natural else result.astype(dtype)
    return (result, step) if retstep else result


@like_numpy(np.indices)
def indices(dimensions, dtype=int, chunks="auto"):
    """The index grids of a shape, stacked: one block an axis, cut by `chunks` along the axes of the shape.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.indices((2, 2), chunks=1).compute()[1]
    array([[0, 1],
           [0, 1]])
    """
    dimensions = tuple(dimensions)
    dtype = np.dtype(dtype)
    sizes = normalize_chunks(chunks, shape=dimensions, dtype=dtype)
    if not dimensions:
        return constant(0, ((0,),), dtype, "indices")
    from raskr.array.core import stack

    return stack(_grids(sizes, dtype))


def _grids(sizes: tuple[tuple[int, ...], ...], dtype: Any) -> list[Array]:
    """For each axis, the index along it, broadcast to all axes."""
    grids = []
    for axis, along in enumerate(sizes):
        line = arange(builtins.sum(along), dtype=dtype, chunks=(along,))
        shaped = line._expr.view([slice(None) if a == axis else None for a in range(len(sizes))])
        grids.append(wrap(shaped.broadcast_to(sizes)))
    return grids


@like_numpy(np.meshgrid)
def meshgrid(*xi, sparse=False, indexing="xy", **kwargs):
    """Coordinate grids from coordinate lines; with `sparse`, of length 1 along the other axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> x, y = da.meshgrid([1, 2], [3, 4, 5])
    >>> (x + y).compute()
    array([[4, 5],
           [5, 6],
           [6, 7]])
    """
    from raskr.array.core import asarray, broadcast_arrays

    if "copy" in kwargs:
        raise NotImplementedError("meshgrid: lazy arrays are never copied, there is no copy argument")
    if kwargs:
        raise TypeError(f"meshgrid() got an unexpected keyword argument {next(iter(kwargs))!r}")
    if indexing not in ("ij", "xy"):
        raise ValueError(f"indexing must be 'ij' or 'xy', not {indexing!r}")
    count = len(xi)
    order = list(range(count))
    if indexing == "xy" and count > 1:
        order[0], order[1] = 1, 0
    lines = [asarray(x).reshape(-1) if getattr(x, "ndim", 1) != 1 else asarray(x) for x in xi]
    grids = [x[tuple(slice(None) if a == order[n] else None for a in range(count))] for n, x in enumerate(lines)]
    return tuple(grids) if sparse or not grids else tuple(broadcast_arrays(*grids))


def fromfunction(func, chunks="auto", shape=None, dtype=None, **kwargs):
    """An array whose elements are a function of their indices.

    Parameters
    ----------
    func : callable
        Called with one index array an axis, for the part of the grid that a block covers; must work element by element.
    chunks : int, tuple, dict or str
        How the result is cut.
    shape : sequence of int
        Shape of the result.
    dtype : dtype, optional
        Element type of the index arrays; float by default.
    **kwargs
        Given to `func`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.fromfunction(lambda i, j: 10 * i + j, shape=(2, 3), chunks=2, dtype=int).compute()
    array([[ 0,  1,  2],
           [10, 11, 12]])
    """
    if shape is None:
        raise TypeError("fromfunction() requires shape to be specified")
    dtype = np.dtype(float if dtype is None else dtype)
    sizes = normalize_chunks(chunks, _shape_of(shape), dtype=dtype)
    call = functools.partial(func, **kwargs) if kwargs else func
    result = blockwise_elementwise(call, _grids(sizes, dtype), label=name_of(func))
    return result


# --- diagonals and triangles ----------------------------------------------------------------------------------------
@like_numpy(np.eye)
def eye(N, chunks="auto", M=None, k=0, dtype=float):
    """Ones on a diagonal, zeros elsewhere.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.eye(3, chunks=2, k=1, dtype=int).compute()
    array([[0, 1, 0],
           [0, 0, 1],
           [0, 0, 0]])
    """
    dtype = np.dtype(float if dtype is None else dtype)
    shape = (operator.index(N), operator.index(N if M is None else M))
    sizes = normalize_chunks(chunks, shape, dtype=dtype)
    if is_native_dtype(dtype):
        return wrap(Expr.eye(sizes, dtype, int(k)))
    return wrap(Expr.eye(sizes, np.dtype(float), int(k))).astype(dtype)


def identity(n, dtype=float, chunks="auto"):
    """The square array with ones on the main diagonal: `eye` of one length.

    Parameters
    ----------
    n : int
        Its length.
    dtype : dtype
        Element type.
    chunks : int, tuple, dict or str
        How the result is cut.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.identity(2).compute()
    array([[1., 0.],
           [0., 1.]])
    """
    return eye(n, chunks=chunks, dtype=dtype)


def _matrix_of_diagonal(line: Any, k: int) -> Any:
    return np.diag(line, k)


@like_numpy(np.diag)
def diag(v, k=0):
    """A diagonal of a matrix, or the matrix that has a vector as a diagonal.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.diag(da.arange(3, chunks=2)).compute()
    array([[0, 0, 0],
           [0, 1, 0],
           [0, 0, 2]])
    """
    if not isinstance(v, (Array, np.ndarray)):
        raise TypeError(f"v must be a dask array or numpy array (raskr's Array), got {type(v).__name__}")
    if v.ndim not in (1, 2):
        raise ValueError(f"Array must be 1d or 2d only, got {v.ndim} axes")
    from raskr.array.core import asanyarray

    v = asanyarray(v)
    if v.ndim == 2:
        return diagonal(v, offset=k)
    from raskr.array.routines import where

    if has_unknown(v.chunks):
        if len(v.chunks[0]) > 1:
            raise ValueError("diag of several blocks of unknown lengths: x.compute_chunk_sizes() finds them")
        length = (math.nan,)
        matrix = Expr.blockwise(
            _matrix_of_diagonal, (0, 1), [(v._expr, (0,))], (length, length), v.dtype, v._expr.native,
            {"k": int(k)}, label="diag",
        )  # fmt: skip
        return wrap(matrix, v._meta)
    if k:
        v = pad(v, ((0, k) if k > 0 else (-k, 0),))
    sizes = (v.chunks[0], v.chunks[0])
    mask = wrap(Expr.eye(sizes, _BOOL, int(k)))
    return where(mask, v[:, None], np.zeros((), dtype=v.dtype)[()])


def _diagonal_of_block(block: Any, axis1: int, axis2: int) -> Any:
    return np.diagonal(block, axis1=axis1, axis2=axis2)


@like_numpy(np.diagonal)
def diagonal(a, offset=0, axis1=0, axis2=1):
    """A diagonal of two axes, which becomes the last axis. Only blocks that it crosses are computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.diagonal(da.arange(9, chunks=3).reshape(3, 3), offset=1).compute()
    array([1, 5])
    """
    from raskr.array.core import asanyarray

    a = asanyarray(a)
    if a.ndim < 2:
        raise ValueError(f"diag requires an array of at least two dimensions, got {a.ndim}")
    axis1, axis2 = normalize_axis(axis1, a.ndim), normalize_axis(axis2, a.ndim)
    if axis1 == axis2:
        raise ValueError("axis1 and axis2 cannot be the same")
    rows, columns = a.shape[axis1], a.shape[axis2]
    down, right = builtins.max(0, -offset), builtins.max(0, offset)
    length = builtins.max(0, builtins.min(rows - down, columns - right))
    kept = [axis for axis in range(a.ndim) if axis not in (axis1, axis2)]
    if length == 0:
        return constant(0, (*(a.chunks[axis] for axis in kept), (0,)), a.dtype, "diagonal")
    index: list[Any] = [slice(None)] * a.ndim
    index[axis1], index[axis2] = slice(down, down + length), slice(right, right + length)
    square = a[tuple(index)]
    borders = np.union1d(np.cumsum(square.chunks[axis1]), np.cumsum(square.chunks[axis2]))
    sizes = tuple(int(n) for n in np.diff(np.concatenate([[0], borders])))
    square = square.rechunk({axis1: sizes, axis2: sizes})
    # One index for both axes: block number i meets block number i.
    inds = tuple(axis2 if axis == axis1 else axis for axis in range(a.ndim))
    chunks = (*(square.chunks[axis] for axis in kept), sizes)
    expr = Expr.blockwise(
        functools.partial(_diagonal_of_block, axis1=axis1, axis2=axis2),
        (*kept, axis2),
        [(square._expr, inds)],
        chunks,
        a.dtype,
        a._expr.native,
        label="diagonal",
    )
    return wrap(expr, a._meta)


@like_numpy(np.tri)
def tri(N, M=None, k=0, dtype=float, chunks="auto", *, like=None):
    """Ones at and below a diagonal, zeros above.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.tri(3, k=-1, dtype=int, chunks=2).compute()
    array([[0, 0, 0],
           [1, 0, 0],
           [1, 1, 0]])
    """
    shape = (operator.index(N), operator.index(N if M is None else M))
    sizes = normalize_chunks(chunks, shape, dtype=np.dtype(dtype))
    rows = arange(shape[0], chunks=(sizes[0],))
    columns = arange(-k, shape[1] - k, chunks=(sizes[1],))
    mask = rows[:, None] >= columns[None, :]
    return mask if np.dtype(dtype) == _BOOL else mask.astype(dtype)
