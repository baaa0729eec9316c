"""Medians, quantiles and percentiles: exact along an axis, from weighted samples of the blocks over a whole array."""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from raskr.array._apply import Expr, apply_out, call_quietly, normalize_axes, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.percentile_brackets import bracketed, is_bracketed
from raskr.array.reduction_blocks import flatten
from raskr.array.sorting import native_order, order_function
from raskr.array.utils import is_native_dtype

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

#: How many order statistics of a block stand for the block; smaller blocks are taken whole, so results are exact.
SAMPLE_SIZE = 10_000

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")
_INTERNAL_METHODS = ("default", "dask", "tdigest")


# --- along axes -----------------------------------------------------------------------------------------------------
def _whole_axes(name: str, a: Any, axis: Any) -> tuple[Array, tuple[int, ...]]:
    """The array with one block along the axes that a function needs whole."""
    from raskr.array.core import asanyarray

    a = asanyarray(a)
    if axis is None and a.npartitions > 1:
        raise NotImplementedError(
            f"da.{name} works along an axis. The full algorithm is difficult to do in parallel: "
            "give axis=, or rechunk the array to one block"
        )
    axes = normalize_axes(axis, a.ndim)
    if any(a.numblocks[number] > 1 for number in axes):
        kept = a.ndim - len(axes)
        a = a.rechunk({number: -1 if number in axes else "auto" for number in range(a.ndim)} if kept else -1)
    return a, axes


def _reduce_whole(
    name: str, function: Callable[..., Any], a: Array, axes: tuple[int, ...], keepdims: bool, dtype: Any,
    leading: tuple[int, ...] = (), extra: tuple[tuple[Any, Any], ...] = (),
) -> Array:  # fmt: skip
    """`function(block, ...)` where each block holds the axes whole, with `leading` axes put in front of the result."""
    front = tuple(range(a.ndim, a.ndim + len(leading)))
    if keepdims:
        # A contracted axis of one block comes in a list; a fresh index of length 1 stands for it.
        inds = tuple(100 + axis if axis in axes else axis for axis in range(a.ndim))
        out = front + tuple(range(a.ndim))
    else:
        inds = tuple(range(a.ndim))
        out = front + tuple(axis for axis in inds if axis not in axes)
    sizes = tuple((n,) for n in leading) + tuple(
        (1,) if axis in axes else a.chunks[axis] for axis in range(a.ndim) if keepdims or axis not in axes
    )
    native = type(a._meta) is np.ndarray and is_native_dtype(dtype)
    expr = Expr.blockwise(function, out, [(a._expr, inds), *extra], sizes, dtype, native, concatenate=True, label=name)
    return wrap(expr, a._meta)


def _median_of_block(function: Callable[..., Any], axes: tuple[int, ...], keepdims: bool, block: Any) -> Any:
    return function(block, axis=axes, keepdims=keepdims)


def _median(name: str, function: Callable[..., Any], a: Any, axis: Any, keepdims: bool, out: Any) -> Array:
    a, axes = _whole_axes(name, a, axis)
    dtype = np.dtype(getattr(call_quietly(function, np.ones((1,), dtype=a.dtype)), "dtype", object))
    call: Any = functools.partial(_median_of_block, function, axes, keepdims)
    native = native_order(a) and a.dtype.kind in "biuf" and a.dtype.itemsize <= 8
    if native:
        call = order_function("median", axes=list(axes), skip_nan=name == "nanmedian", keep=bool(keepdims))
    return apply_out(_reduce_whole(name, call, a, axes, keepdims, dtype), out)


@like_numpy(np.median)
def median(a, axis=None, keepdims=False, out=None):
    """Median along axes. They are rechunked to one block; without `axis`, the array must have one block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.median(da.arange(10, chunks=4).reshape(2, 5), axis=1).compute()
    array([2., 7.])
    """
    return _median("median", np.median, a, axis, keepdims, out)


@like_numpy(np.nanmedian)
def nanmedian(a, axis=None, keepdims=False, out=None):
    """Median along axes of the elements that are not NaN. See `median`.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanmedian(da.asarray([1.0, np.nan, 3.0]), axis=0).compute()
    np.float64(2.0)
    """
    return _median("nanmedian", np.nanmedian, a, axis, keepdims, out)


def _quantile_of_block(
    function: Callable[..., Any],
    axes: tuple[int, ...],
    options: dict[str, Any],
    block: Any,
    q: Any,
    weights: Any = None,
) -> Any:
    if weights is None:
        return function(block, q, axis=axes, **options)
    if np.ndim(weights) == 1 and block.ndim > 1:
        shape = [1] * block.ndim
        shape[axes[0]] = -1
        weights = np.broadcast_to(np.reshape(weights, shape), block.shape)
    return function(block, q, axis=axes if len(axes) > 1 else axes[0], weights=weights, **options)


def _quantile(
    name: str, function: Callable[..., Any], a: Any, q: Any, axis: Any, out: Any, method: str, keepdims: bool,
    weights: Any, interpolation: Any,
) -> Array:  # fmt: skip
    a, axes = _whole_axes(name, a, axis)
    if interpolation is not None:
        method = interpolation
    lazy = isinstance(q, Array)
    if not lazy:
        q = np.asarray(q) if not isinstance(q, np.generic) else q
        function(np.ones(1), q)  # NumPy's own complaint, at once, about q outside of 0..1
    options: dict[str, Any] = {"method": method, "keepdims": keepdims}
    extra: list[tuple[Any, Any]] = [(q._expr.node() if lazy else q, None)]
    if weights is not None:
        extra.append(_placed_weights(weights, a, axes))
    example = np.ones((1,), dtype=q.dtype) if lazy else np.zeros_like(q)
    trial = {} if weights is None else {"weights": np.ones(1, dtype=getattr(weights, "dtype", float))}
    one = call_quietly(function, np.ones((1,), dtype=a.dtype), example, method=method, axis=0, **trial)
    dtype = np.dtype(getattr(one, "dtype", object))
    leading = tuple(np.shape(q)) if not lazy else q.shape
    # NumPy warns of lines that hold nothing but NaN, which a native function cannot.
    known = _native_quantile_dtype(a, method) if name == "quantile" or a.dtype.kind != "f" else None
    if known is not None and not lazy and weights is None and np.ndim(q) <= 1 and dtype.kind in "biuf":
        points = np.atleast_1d(np.asarray(q, dtype=float)).tolist()
        native = order_function(
            "quantile", axes=list(axes), points=points, single=np.ndim(q) == 0, method=method,
            skip_nan=name == "nanquantile", keep=bool(keepdims),
        )  # fmt: skip
        return apply_out(_reduce_whole(name, native, a, axes, keepdims, known, leading=leading).astype(dtype), out)
    call = functools.partial(_quantile_of_block, function, axes, options)
    return apply_out(
        _reduce_whole(name, call, a, axes, keepdims, dtype, leading=leading, extra=tuple(extra)),
        out,
    )


def _native_quantile_dtype(a: Array, method: str) -> np.dtype[Any] | None:
    """What the engine's quantile gives for the array, None where it has none."""
    if not native_order(a) or a.dtype.kind not in "iuf" or a.dtype == np.float16 or method not in _METHODS:
        return None
    return a.dtype if method in ("lower", "higher", "nearest") else np.dtype(float)


def _placed_weights(weights: Any, a: Array, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Weights as an argument of a blockwise call: along the one axis, or with the blocks of the array."""
    lazy = isinstance(weights, Array)
    shape = weights.shape if lazy else np.shape(weights)
    if shape != a.shape:
        if len(axes) != 1 or shape != (a.shape[axes[0]],):
            raise ValueError(f"weights of shape {shape} fit neither the shape {a.shape} nor the axis {axes}")
        return (weights._expr.node() if lazy else np.asarray(weights), None)
    from raskr.array.core import asanyarray

    placed = asanyarray(weights).rechunk(a.chunks)
    return (placed._expr, tuple(range(a.ndim)))


@like_numpy(np.quantile)
def quantile(
    a,
    q,
    axis=None,
    out=None,
    overwrite_input=False,
    method="linear",
    keepdims=False,
    *,
    weights=None,
    interpolation=None,
):
    """Quantiles along axes. They are rechunked to one block; without `axis`, the array must have one block.

    `q` and `weights` may be lazy. Input is never overwritten.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.quantile(da.arange(10, chunks=4).reshape(2, 5), 0.25, axis=1).compute()
    array([1., 6.])
    """
    return _quantile("quantile", np.quantile, a, q, axis, out, method, keepdims, weights, interpolation)


@like_numpy(np.nanquantile)
def nanquantile(
    a,
    q,
    axis=None,
    out=None,
    overwrite_input=False,
    method="linear",
    keepdims=False,
    *,
    weights=None,
    interpolation=None,
):
    """Quantiles along axes of the elements that are not NaN. See `quantile`.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanquantile(da.asarray([1.0, np.nan, 3.0]), 0.5, axis=0).compute()
    np.float64(2.0)
    """
    return _quantile("nanquantile", np.nanquantile, a, q, axis, out, method, keepdims, weights, interpolation)


def nanpercentile(a, q, **kwargs):
    """Percentiles along axes of the elements that are not NaN: `nanquantile` with `q` out of 100.

    Parameters
    ----------
    a : array_like
        What the percentiles are taken of.
    q : number or array_like of numbers
        From 0 to 100.
    **kwargs
        As `nanquantile` has them: axis, out, method, keepdims, weights.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanpercentile(da.asarray([1.0, np.nan, 3.0]), 50, axis=0).compute()
    np.float64(2.0)
    """
    return nanquantile(a, _out_of_hundred(q), **kwargs)


def _out_of_hundred(q: Any) -> Any:
    return q / 100 if isinstance(q, Array) else np.true_divide(q, 100)


# --- over a whole array ---------------------------------------------------------------------------------------------
def _sample(block: Any, size: int, is_sorted: bool = False) -> tuple[Any, Any]:
    """Order statistics of a block, evenly spread over its ranks, and how many elements each stands for."""
    values = block if is_sorted else np.sort(np.asarray(block).reshape(-1))
    count = len(values)
    if count <= size:
        return values, np.ones(count)
    ranks = np.unique(np.linspace(0, count - 1, size).round().astype(np.intp))
    edges = np.concatenate([[0], (ranks[1:] + ranks[:-1] + 1) / 2, [count]])
    return values[ranks], np.diff(edges)


def _merge_samples(nested: Any, q: Any, method: str, dtype: Any) -> Any:
    """Percentiles of everything that the samples stand for."""
    samples = list(flatten(nested))
    values = np.concatenate([v for v, _ in samples])
    weights = np.concatenate([w for _, w in samples])
    q = np.asarray(q, dtype=float)
    if q.size == 0:
        return np.empty(q.shape, dtype=dtype)
    if len(values) == 0:
        raise ValueError("percentile of an empty array")
    if values.dtype.kind == "f" and np.isnan(values).any():
        return np.full(q.shape, np.nan, dtype=dtype)
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    # An element that stands for w others sits in the middle of their ranks.
    ranks = np.cumsum(weights) - (weights + 1) / 2
    target = q / 100 * (weights.sum() - 1)
    target = np.clip(target, ranks[0], ranks[-1])
    tolerance = 1e-9 * max(weights.sum(), 1)
    above = np.clip(np.searchsorted(ranks, target - tolerance, side="left"), 0, len(ranks) - 1)
    below = np.clip(np.searchsorted(ranks, target + tolerance, side="right") - 1, 0, len(ranks) - 1)
    if method == "lower":
        return values[below].astype(dtype)
    if method == "higher":
        return values[above].astype(dtype)
    span = ranks[above] - ranks[below]
    share = np.divide(target - ranks[below], span, out=np.zeros_like(target), where=span > 0)
    if method == "midpoint":
        share = np.where(above != below, 0.5, 0.0)
    if method == "nearest" or values.dtype.kind not in "biufmM":
        return values[np.where(share <= 0.5, below, above)].astype(dtype)
    low, high = values[below], values[above]
    if values.dtype.kind in "mM":
        return low + ((high - low) * share).astype((high - low).dtype)
    return (low * (1.0 - share) + high * share).astype(dtype)


def percentile(a, q, method="linear", internal_method="default", **kwargs):
    """Percentiles of all elements of a one-dimensional array, or along axes of any array.

    Parameters
    ----------
    a : array_like
        What the percentiles are taken of. With one axis and no further arguments, the result is exact for arrays in memory
        and for blocks of up to 10,000 elements; larger blocks that are computed or read, which happens once, are
        represented by 10,000 of their order statistics.
    q : number or sequence of numbers
        From 0 to 100.
    method : {"linear", "lower", "higher", "midpoint", "nearest"}
        What is given between two elements; strings have no between and take the nearest. Along axes, all of NumPy's.
    internal_method : {"default", "dask", "tdigest"}
        Accepted for likeness; all three mean the algorithm described here.
    **kwargs
        As `quantile` has them: axis, out, keepdims, weights.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.percentile(da.arange(101, chunks=20), [0, 25, 90]).compute()
    array([ 0., 25., 90.])
    """
    from raskr.array.core import asanyarray

    a = asanyarray(a)
    if internal_method not in _INTERNAL_METHODS:
        raise ValueError(f"internal_method must be one of {_INTERNAL_METHODS}, not {internal_method!r}")
    kwargs = {name: value for name, value in kwargs.items() if not (name in ("axis", "weights") and value is None)}
    if a.ndim != 1 or kwargs or isinstance(q, Array) or method not in _METHODS:
        kwargs.setdefault("axis", 0 if a.ndim == 1 else None)
        return quantile(a, _out_of_hundred(q), method=method, **kwargs)
    scalar = isinstance(q, Number) or np.ndim(q) == 0
    points = np.asarray(q, dtype=float)
    if points.size and not ((points >= 0) & (points <= 100)).all():
        raise ValueError("Percentiles must be in the range [0, 100]")
    dtype = a.dtype
    if dtype.kind in "biu" and method in ("linear", "midpoint"):
        dtype = np.dtype(float)
    expr = a._expr
    if is_bracketed(a, points):
        return bracketed(a, points, scalar, method, dtype)
    if native_order(a):
        ordered = order_function("sort", axis=0)
        expr = Expr.blockwise(ordered, (0,), [(expr, (0,))], a.chunks, a.dtype, True, label="percentile-sort")
    whole = Expr.blockwise(
        functools.partial(_sample, size=SAMPLE_SIZE, is_sorted=native_order(a)),
        (0,), [(expr, (0,))], a.chunks, a.dtype, False,
        label="percentile-sample",
    )  # fmt: skip
    chunks = () if scalar else ((len(points),),)
    expr = Expr.blockwise(
        functools.partial(_merge_samples, q=points, method=method, dtype=dtype),
        () if scalar else (1,),
        [(whole, (0,))],
        chunks,
        dtype,
        is_native_dtype(dtype),
        label="percentile",
    )
    return wrap(expr, np.empty(0, dtype=dtype))
