"""Differences, gradients, averages, covariances, rounding, coarsening, and functions along axes."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._apply import Expr, blockwise_elementwise, name_of, normalize_axes, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array, need_known_chunks
from raskr.array.utils import is_native_dtype


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


def _along(axis: int, part: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (part,)


# --- rounding -------------------------------------------------------------------------------------------------------
@like_numpy(np.round)
def round(a, decimals=0):
    """The elements rounded to a number of decimals, halves to even.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.round(da.asarray([1.25, 2.75]), 1).compute()
    array([1.2, 2.8])
    """
    from raskr.array import ufunc

    a = _array(a)
    if a._expr.native and a.dtype.kind in "iu" and decimals >= 0:
        return a
    if a._expr.native and a.dtype.kind == "f" and a.dtype.char != "e" and -22 <= decimals <= 22:
        if decimals == 0:
            return ufunc.rint(a)
        scale = a.dtype.type(10.0 ** abs(decimals))
        return ufunc.rint(a * scale) / scale if decimals > 0 else ufunc.rint(a / scale) * scale
    return blockwise_elementwise(functools.partial(np.round, decimals=decimals), [a], label="round")


@like_numpy(np.around)
def around(x, decimals=0):
    """The elements rounded to a number of decimals: the same as `round`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.around(da.asarray([1.5, 2.5])).compute()
    array([2., 2.])
    """
    return round(x, decimals=decimals)


# --- differences ----------------------------------------------------------------------------------------------------
def _shifted(x: Array, axis: int, shift: int, sizes: tuple[int, ...]) -> Array:
    """Elements from `shift` on, in blocks of these lengths: cut so that neighbours line up block by block."""
    bounds = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    ranges = []
    for number, own in enumerate(x.chunks):
        edges = bounds if number == axis else np.concatenate([[0], np.cumsum(own)]).tolist()
        move = shift if number == axis else 0
        ranges.append([(int(low) + move, int(high) + move) for low, high in zip(edges, edges[1:])])
    return wrap(x._expr.regions(ranges), x._meta)


@like_numpy(np.diff)
def diff(a, n=1, axis=-1, prepend=None, append=None):
    """Differences of neighbouring elements along an axis, taken n times.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.diff(da.asarray([1, 4, 9, 16])).compute()
    array([3, 5, 7])
    """
    from raskr.array import ufunc
    from raskr.array.core import broadcast_to, concatenate

    a = _array(a)
    axis = normalize_axis(axis, a.ndim)
    n = int(n)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return a
    parts = [a]
    for place, extra in ((0, prepend), (len(parts) + 1, append)):
        if extra is None:
            continue
        extra = _array(extra)
        if extra.ndim == 0:
            extra = broadcast_to(extra, tuple(1 if number == axis else size for number, size in enumerate(a.shape)))
        parts.insert(place, extra)
    x = concatenate(parts, axis=axis) if len(parts) > 1 else a
    subtract = ufunc.not_equal if x.dtype == bool else ufunc.subtract
    for _ in range(n):
        size = x.shape[axis]
        if size != size:
            need_known_chunks(x, "diff")
        if size <= 1:
            nothing = x[_along(axis, slice(0, 0))]
            return subtract(nothing, nothing)
        sizes = list(x.chunks[axis])
        last = max(number for number, length in enumerate(sizes) if length)
        sizes[last] -= 1
        kept = tuple(length for length in sizes if length)
        x = subtract(_shifted(x, axis, 1, kept), _shifted(x, axis, 0, kept))
    return x


@like_numpy(np.ediff1d)
def ediff1d(ary, to_end=None, to_begin=None):
    """Differences of neighbours in the flattened array, with values before and after them.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ediff1d(da.asarray([1, 4, 9]), to_end=0).compute()
    array([3, 5, 0])
    """
    from raskr.array.core import concatenate

    flat = _array(ary).reshape(-1)
    parts = [diff(flat)]
    if to_begin is not None:
        parts.insert(0, _array(to_begin).reshape(-1).astype(flat.dtype))
    if to_end is not None:
        parts.append(_array(to_end).reshape(-1).astype(flat.dtype))
    return concatenate(parts) if len(parts) > 1 else parts[0]


class _GradientBlock:
    """`numpy.gradient` of a block with its neighbours' edges, without the edges."""

    def __init__(
        self, axis: int, spacing: Any, edge_order: int, windows: list[tuple[int, int]], own: list[tuple[int, int]]
    ):
        self.axis = axis
        self.spacing = spacing
        self.edge_order = edge_order
        self.windows = windows
        self.own = own

    def where(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"number": block[self.axis]}

    def __call__(self, x: Any, number: int) -> Any:
        (low, high), (start, stop) = self.windows[number], self.own[number]
        spacing = self.spacing if np.ndim(self.spacing) == 0 else self.spacing[low:high]
        result = np.gradient(x, spacing, axis=self.axis, edge_order=self.edge_order)
        return result[_along(self.axis, slice(start - low, stop - low))]


def _gradient_along(f: Array, axis: int, spacing: Any, edge_order: int) -> Array:
    size = int(f.shape[axis])
    if size < edge_order + 1:
        raise ValueError(
            f"gradient with edge_order={edge_order} needs {edge_order + 1} elements along axis {axis}, there are {size}"
        )
    if np.ndim(spacing) and np.shape(spacing) != (size,):
        raise ValueError(f"gradient: distances of shape {np.shape(spacing)} do not fit axis {axis} of length {size}")
    bounds = np.concatenate([[0], np.cumsum(f.chunks[axis])])
    own = list(zip(bounds[:-1].tolist(), bounds[1:].tolist()))
    windows = []
    for start, stop in own:
        low, high = max(start - 1, 0), min(stop + 1, size)
        # One-sided differences at the ends look this far.
        low = min(low, max(high - edge_order - 1, 0)) if high == size else low
        high = max(high, min(low + edge_order + 1, size)) if low == 0 else high
        windows.append((low, high))
    ranges = []
    for number, sizes in enumerate(f.chunks):
        edges = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        ranges.append(windows if number == axis else list(zip(edges[:-1], edges[1:])))
    wide = f._expr.regions(ranges)
    call = _GradientBlock(axis, spacing, edge_order, windows, own)
    inds = tuple(range(f.ndim))
    expr = Expr.blockwise(
        call, inds, [(wide, inds)], f.chunks, f.dtype, f._expr.native, per_block=call.where, label="gradient"
    )
    return wrap(expr, f._meta)


@like_numpy(np.gradient)
def gradient(f, *varargs, axis=None, **kwargs):
    """Central differences along axes, one-sided ones of `edge_order` at the ends.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.gradient(da.asarray([1.0, 4.0, 9.0])).compute()
    array([3., 4., 5.])
    """
    f = _array(f)
    edge_order = kwargs.pop("edge_order", 1)
    if kwargs:
        raise TypeError(f"gradient() got unexpected keyword arguments {sorted(kwargs)}")
    if edge_order not in (1, 2):
        raise ValueError(f"edge_order must be 1 or 2, not {edge_order}")
    need_known_chunks(f, "gradient")
    single = axis is not None and np.ndim(axis) == 0
    axes = tuple(range(f.ndim)) if axis is None else tuple(
        normalize_axis(n, f.ndim) for n in ((axis,) if single else axis)
    )  # fmt: skip
    if len(set(axes)) != len(axes):
        raise ValueError(f"gradient: repeated axis in {axis}")
    distances = [v.compute() if isinstance(v, Array) else v for v in varargs]
    if not distances:
        distances = [1.0] * len(axes)
    elif len(distances) == 1 and np.ndim(distances[0]) == 0:
        distances = distances * len(axes)
    elif len(distances) != len(axes):
        raise TypeError(f"gradient takes one distance, or one for each of {len(axes)} axes, got {len(distances)}")
    if f.dtype.kind in "biu":
        f = f.astype(float)
    results = [_gradient_along(f, n, spacing, edge_order) for n, spacing in zip(axes, distances)]
    return results[0] if single or len(axes) == 1 else results


# --- averages and covariances ---------------------------------------------------------------------------------------
@like_numpy(np.average)
def average(a, axis=None, weights=None, returned=False, keepdims=False):
    """Mean of the elements, weighted or not; with `returned`, also the sum of the weights.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.average(da.asarray([1.0, 2.0]), weights=[3, 1]).compute()
    np.float64(1.25)
    """
    from raskr.array.core import broadcast_to

    a = _array(a)
    if weights is None:
        result = a.mean(axis=axis, keepdims=keepdims)
        if not returned:
            return result
        from raskr.array.creation import full_like

        # The count is the same everywhere, whatever the chunks are.
        axes = normalize_axes(axis, a.ndim)
        count = float(np.prod([a.shape[number] for number in axes]))
        return result, full_like(result, count)
    weights = _array(weights)
    if a.shape != weights.shape:
        if axis is None:
            raise TypeError(
                f"average: axis must be given where weights have the shape {weights.shape} and the array {a.shape}"
            )
        axes = normalize_axes(axis, a.ndim)
        if weights.ndim != 1:
            raise TypeError(f"average: weights must have one axis or the shape {a.shape}, got {weights.shape}")
        if len(axes) != 1 or weights.shape[0] != a.shape[axes[0]]:
            raise ValueError(f"average: weights of shape {weights.shape} do not fit axis {axis} of shape {a.shape}")
        lead = tuple(slice(None) if number == axes[0] else None for number in range(a.ndim))
        weights = broadcast_to(weights[lead], a.shape)
    dtype = np.result_type(a.dtype, weights.dtype, *(["f8"] if a.dtype.kind in "biu" else []))
    total = weights.sum(axis=axis, dtype=dtype, keepdims=keepdims)
    result = (a * weights).sum(axis=axis, dtype=dtype, keepdims=keepdims) / total
    return (result, broadcast_to(total, result.shape)) if returned else result


def _weights_of_observations(weights: Any, name: str, count: float) -> Array:
    weights = _array(weights)
    if weights.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if weights.shape[0] != count:
        raise RuntimeError(f"incompatible numbers of samples ({count}) and {name} ({weights.shape[0]})")
    return weights


@like_numpy(np.cov)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """Covariances of variables, which are rows, or columns without `rowvar`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.cov(da.asarray([[0, 1, 2], [2, 1, 0]])).compute()
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    from raskr.array.core import concatenate
    from raskr.array.routines_products import dot
    from raskr.array.routines_shape import atleast_2d, squeeze

    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"ddof must be an integer, not {ddof}")
    m = _array(m)
    if m.ndim > 2:
        raise ValueError(f"m has more than 2 dimensions: {m.ndim}")
    kinds = [m.dtype, np.float64]
    if y is not None:
        y = _array(y)
        kinds.append(y.dtype)
    dtype = np.result_type(*kinds) if dtype is None else np.dtype(dtype)
    x = atleast_2d(m).astype(dtype)
    if not rowvar and m.ndim != 1:
        x = x.T
    if y is not None:
        y_ndim = y.ndim
        y = atleast_2d(y).astype(dtype)
        if not rowvar and y_ndim != 1:
            y = y.T
        x = concatenate([x, y], axis=0)
    if ddof is None:
        ddof = 0 if bias else 1
    weights = None
    if fweights is not None:
        weights = _weights_of_observations(fweights, "fweights", x.shape[1]).astype(float)
    if aweights is not None:
        analytic = _weights_of_observations(aweights, "aweights", x.shape[1]).astype(float)
        weights = analytic if weights is None else weights * analytic
    if weights is None:
        factor: Any = x.shape[1] - ddof
        centred = x - x.mean(axis=1, keepdims=True)
        scaled = centred
        if factor <= 0:
            warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
            factor = np.float64(0.0)
    else:
        total = weights.sum()
        centred = x - (x * weights).sum(axis=1, keepdims=True) / total
        scaled = centred * weights
        if ddof == 0:
            factor = total
        elif aweights is None:
            factor = total - ddof
        else:
            factor = total - ddof * (weights * analytic).sum() / total
    return squeeze(dot(centred, scaled.T.conj()) / factor)


@like_numpy(np.corrcoef)
def corrcoef(x, y=None, rowvar=True):
    """Correlation coefficients of variables, which are rows, or columns without `rowvar`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.corrcoef(da.asarray([[0, 1, 2], [2, 1, 0]])).compute()
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    from raskr.array.creation import diag
    from raskr.array.ufunc import real, sqrt

    covariance = cov(x, y, rowvar)
    if covariance.ndim == 0:
        return covariance / covariance
    deviation = sqrt(real(diag(covariance)))
    return covariance / deviation[:, None] / deviation[None, :]


# --- coarsening -----------------------------------------------------------------------------------------------------
def aligned_coarsen_chunks(chunks, multiple):
    """Chunks of the same total whose lengths are multiples of a number, but for a last one with the rest.

    Parameters
    ----------
    chunks : sequence of int
        Lengths of blocks; those that are multiples already stay as they are.
    multiple : int
        What the others are made multiples of.

    Examples
    --------
    >>> from raskr.array.routines import aligned_coarsen_chunks
    >>> aligned_coarsen_chunks((20, 10, 15, 23, 24), 10)
    (20, 10, 20, 20, 20, 2)
    """
    sizes = [size - size % multiple for size in chunks]
    spare = sum(chunks) - sum(sizes)
    loose = [number for number, size in enumerate(chunks) if size % multiple]
    # Blocks that lost everything come first, so that none becomes empty while there is something to give.
    for number in sorted(loose, key=lambda n: (sizes[n] > 0, n)):
        if spare < multiple:
            break
        sizes[number] += multiple
        spare -= multiple
    sizes = [size for size in sizes if size]
    return tuple(int(size) for size in (*sizes, *([spare] if spare else ())))


def coarsen_block(
    reduction: Callable[..., Any], x: Any, axes: dict[int, int], trim_excess: bool = False, **kwargs: Any
) -> Any:
    """A reduction of neighbouring elements of one block: of `axes[axis]` elements along each axis."""
    if trim_excess:
        x = x[tuple(slice(0, -(n % axes.get(a, 1)) or None) for a, n in enumerate(x.shape))]
    shape = [part for a, n in enumerate(x.shape) for part in (n // axes.get(a, 1), axes.get(a, 1))]
    return reduction(x.reshape(shape), axis=tuple(range(1, 2 * x.ndim, 2)), **kwargs)


def coarsen(reduction, x, axes, trim_excess=False, **kwargs):
    """Reduce neighbouring elements, so many along each axis, to one.

    Parameters
    ----------
    reduction : callable
        Such as `numpy.mean`; called with blocks, and with the axes to reduce.
    x : array_like
        What is made coarser.
    axes : dict
        How many elements become one, by axis.
    trim_excess : bool
        Whether elements at the end that are too few are left out; otherwise they are an error.
    **kwargs
        Given to `reduction`.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.coarsen(np.sum, da.arange(6, chunks=3), {0: 2}).compute()
    array([1, 5, 9])
    """
    x = _array(x)
    axes = {normalize_axis(axis, x.ndim): int(count) for axis, count in axes.items()}
    if not trim_excess:
        for axis, count in axes.items():
            if x.shape[axis] % count:
                raise ValueError(
                    f"coarsen: {count} does not divide axis {axis} of length {x.shape[axis]}; trim_excess=True trims it"
                )
    if getattr(reduction, "__module__", "").startswith("raskr."):
        reduction = getattr(np, reduction.__name__)
    x = x.rechunk({axis: aligned_coarsen_chunks(x.chunks[axis], count) for axis, count in axes.items()})
    if trim_excess:
        x = x[tuple(slice(0, int(n) - int(n) % axes.get(axis, 1)) for axis, n in enumerate(x.shape))]
    inds = tuple(range(x.ndim))
    chunks = tuple(tuple(n // axes.get(axis, 1) for n in sizes) for axis, sizes in enumerate(x.chunks))
    call = functools.partial(coarsen_block, reduction, axes=axes, **kwargs)
    meta = coarsen_block(reduction, np.ones([axes.get(a, 1) for a in inds], dtype=x.dtype), axes, **kwargs)
    dtype = np.dtype(getattr(meta, "dtype", x.dtype))
    native = x._expr.native and is_native_dtype(dtype)
    return wrap(Expr.blockwise(call, inds, [(x._expr, inds)], chunks, dtype, native, label="coarsen"), x._meta)


# --- functions along axes -------------------------------------------------------------------------------------------
def _apply_to_block(block: Any, function: Callable[..., Any], axis: int, args: Any, kwargs: Any) -> Any:
    return np.apply_along_axis(function, axis, block, *args, **kwargs)


@like_numpy(np.apply_along_axis)
def apply_along_axis(func1d, axis, arr, *args, dtype=None, shape=None, **kwargs):
    """A function of the lines along an axis, which is rechunked to one block.

    `dtype` and `shape` say what the function gives; without them it is called once with a line of ones.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.apply_along_axis(np.ptp, 1, da.arange(6).reshape(2, 3)).compute()
    array([2, 2])
    """
    arr = _array(arr)
    axis = normalize_axis(axis, arr.ndim)
    if shape is None or dtype is None:
        sample = np.array(func1d(np.ones((1,), dtype=arr.dtype), *args, **kwargs))
        shape = sample.shape if shape is None else shape
        dtype = sample.dtype if dtype is None else dtype
    dtype, shape = np.dtype(dtype), tuple(shape)
    arr = arr.rechunk({axis: -1})
    inds = tuple(range(arr.ndim))
    new = tuple(range(arr.ndim, arr.ndim + len(shape)))
    expr = Expr.blockwise(
        _apply_to_block,
        inds[:axis] + new + inds[axis + 1 :],
        [(arr._expr, inds)],
        arr.chunks[:axis] + tuple((n,) for n in shape) + arr.chunks[axis + 1 :],
        dtype,
        arr._expr.native and is_native_dtype(dtype),
        kwargs={"function": func1d, "axis": axis, "args": args, "kwargs": kwargs},
        concatenate=True,
        label=name_of(func1d),
    )
    return wrap(expr, arr._meta)


@like_numpy(np.apply_over_axes)
def apply_over_axes(func, a, axes):
    """A function of array and axis, applied over one axis after another; the number of axes is kept.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.apply_over_axes(da.sum, da.ones((2, 3)), (0, 1)).compute()
    array([[6.]])
    """
    from raskr.array.routines_shape import expand_dims

    a = _array(a)
    axes = (axes,) if np.ndim(axes) == 0 else tuple(axes)
    result = a
    for number in axes:
        axis = normalize_axis(number, a.ndim)
        changed = func(result, axis)
        if changed.ndim == result.ndim - 1:
            changed = expand_dims(changed, axis)
        if changed.ndim != result.ndim:
            raise ValueError(
                f"function of apply_over_axes changed the number of axes from {result.ndim} to {changed.ndim}"
            )
        result = changed
    return result
