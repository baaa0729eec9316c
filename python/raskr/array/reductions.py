"""Reductions: sums, extremes, means, variances, positions, counts, over any axes of lazy arrays."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array import reduction_blocks as blocks
from raskr.array._apply import (
    FLOAT,
    INTP,
    Expr,
    apply_out,
    call_quietly,
    map_native,
    normalize_axes,
    wrap,
)
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.cumulative import cumprod, cumreduction, cumsum, nancumprod, nancumsum
from raskr.array.extremes import argtopk, topk
from raskr.array.percentile import median, nanmedian, nanquantile, quantile
from raskr.array.positions import argmax, argmin, nanargmax, nanargmin
from raskr.array.reduction_blocks import nannumel, numel
from raskr.array.reduction_tree import reduction, split_for, tree
from raskr.array.utils import has_unknown, is_native_dtype, unknown_text

__all__ = [
    "all", "any", "argmax", "argmin", "argtopk", "count_nonzero", "cumprod", "cumreduction", "cumsum", "max", "mean",
    "median", "min", "moment", "nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian",
    "nanmin", "nannumel", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "numel", "prod", "ptp", "quantile",
    "reduction", "std", "sum", "topk", "trace", "var",
]  # fmt: skip


@functools.lru_cache(maxsize=1024)
def _result_dtype(function: Callable[..., Any], dtype: np.dtype[Any], wanted: np.dtype[Any] | None) -> np.dtype[Any]:
    """The element type that NumPy's reduction of one element gives."""
    if dtype.kind == "O":
        return wanted or dtype
    extra = {} if wanted is None else {"dtype": wanted}
    # NumPy's NaN-skipping means take no integers; their types are those of the plain functions.
    function = getattr(np, function.__name__.removeprefix("nan"))
    return np.dtype(getattr(call_quietly(function, np.ones((1,), dtype=dtype), **extra), "dtype", object))


@functools.lru_cache(maxsize=1024)
def _native_dtype(kind: str, dtype: np.dtype[Any], wanted: np.dtype[Any] | None) -> np.dtype[Any] | None:
    """What the engine has to cast the elements to before its own reduction gives NumPy's result; None without one."""
    if wanted is not None and wanted != dtype:
        averages = kind in ("mean", "var", "std", "nanmean", "nanvar", "nanstd")
        if not is_native_dtype(wanted) or wanted.kind in "mM" or (averages and wanted.kind not in "fc"):
            return None
        if dtype.kind == "c" and wanted.kind != "c":
            return None
        if kind.startswith("nan") and dtype.kind in "fc" and wanted.kind not in "fc":
            return None
        dtype = wanted
    return dtype if Expr.reduce_dtype(kind, dtype) is not None else None


def _array(x: Any) -> Array:
    if isinstance(x, Array):
        return x
    from raskr.array.core import asanyarray

    return asanyarray(x)


def _check_nothing_to_reduce(function: Callable[..., Any], x: Array, axes: tuple[int, ...], keepdims: bool) -> None:
    """NumPy's own complaint, at once, about extremes over an axis of length 0."""
    if not has_unknown(x.chunks) and builtins.any(x.shape[axis] == 0 for axis in axes):
        function(np.empty(x.shape, dtype=x.dtype if x.dtype.kind != "O" else float), axis=axes, keepdims=keepdims)


def _simple(
    kind: str, x: Any, axis: Any, keepdims: bool, split_every: Any, out: Any, dtype: Any = None, ddof: float = 0
) -> Array:
    """A reduction of NumPy's with the same name: native, or else `_by_blocks`."""
    x = _array(x)
    function = getattr(np, kind)
    axes = normalize_axes(axis, x.ndim)
    split = split_for(split_every, axes)
    wanted = None if dtype is None else np.dtype(dtype)
    if kind in ("min", "max", "nanmin", "nanmax"):
        _check_nothing_to_reduce(function, x, axes, keepdims)
    if not axes:
        extra: dict[str, Any] = {} if wanted is None else {"dtype": wanted}
        if kind.endswith(("var", "std")):
            extra["ddof"] = ddof
        call = functools.partial(_reduce_nothing, function, extra)
        return apply_out(map_native(call, x, _result_dtype(function, x.dtype, wanted), kind), out)
    if x._expr.native:
        cast = _native_dtype(kind, x.dtype, wanted)
        if cast is not None:
            result = _result_dtype(function, x.dtype, wanted)
            expr = x._expr if cast == x.dtype else x._expr.astype(cast)
            reduced = expr.reduce(kind, axes, keepdims, result, split_every=split, ddof=ddof, label=kind)
            return apply_out(wrap(reduced), out)
    return apply_out(_by_blocks(kind, function, x, axes, keepdims, split, wanted, ddof), out)


def _reduce_nothing(function: Callable[..., Any], options: dict[str, Any], block: Any) -> Any:
    """A reduction over no axes at all, which still may change the element type or give a spread of 0."""
    result = function(block, axis=(), **options)
    return np.asarray(result) if isinstance(result, np.generic) else result


def _as_object(function: Callable[..., Any], block: Any) -> Any:
    """A reduction of objects, whose result stays an array of objects when it is one number."""
    return np.asarray(function(block), dtype=object)


_MOMENTS = {"mean": 1, "nanmean": 1, "var": 2, "nanvar": 2, "std": 2, "nanstd": 2}


def _by_blocks(
    kind: str,
    function: Callable[..., Any],
    x: Array,
    axes: tuple[int, ...],
    keepdims: bool,
    split: dict[int, int] | None,
    wanted: np.dtype[Any] | None,
    ddof: float,
) -> Array:
    """The reduction by NumPy (or the blocks' own library) on blocks and groups of partial results."""
    result = _result_dtype(function, x.dtype, wanted)
    if kind in _MOMENTS:
        return _moment_tree(kind, x, axes, keepdims, split, result, wanted, ddof, _MOMENTS[kind])
    accumulator: dict[str, Any] = {} if wanted is None else {"dtype": wanted}
    if kind in ("min", "max", "nanmin", "nanmax"):
        if len(axes) > 1 and not has_unknown(x.chunks):
            # Blocks without elements have no extreme, and leave a gap among those of their neighbours.
            filled = {n: tuple(size for size in x.chunks[n] if size) for n in axes if 0 in x.chunks[n] and x.shape[n]}
            x = x.rechunk(filled) if filled else x
        chunk: Callable[..., Any] = functools.partial(blocks.extreme_block, function)
        combine: Callable[..., Any] = chunk
        aggregate: Callable[..., Any] = functools.partial(blocks.extreme_group, function)
    else:
        chunk = function
        combine = aggregate = {"count_nonzero": np.sum, "nansum": np.sum, "nanprod": np.prod}.get(kind, function)
    if kind in ("sum", "prod", "nansum", "nanprod"):
        chunk = functools.partial(chunk, **accumulator)
        combine = aggregate = functools.partial(aggregate, **accumulator)
    finish = functools.partial(aggregate, axis=axes, keepdims=keepdims)
    expr = tree(
        x,
        axes,
        functools.partial(chunk, axis=axes, keepdims=True),
        functools.partial(combine, axis=axes, keepdims=True),
        functools.partial(_as_object, finish) if result.kind == "O" else finish,
        keepdims=keepdims,
        dtype=result,
        native=type(x._meta) is np.ndarray and is_native_dtype(result),
        split_every=split,
        concatenate=True,
        label=kind,
    )
    return wrap(expr, x._meta)


def _moment_tree(
    kind: str,
    x: Array,
    axes: tuple[int, ...],
    keepdims: bool,
    split: dict[int, int] | None,
    result: np.dtype[Any],
    wanted: np.dtype[Any] | None,
    ddof: float,
    order: int,
) -> Array:
    """Means and central moments, from counts, means and sums of powers of deviations that are joined pairwise."""
    accumulate = wanted
    if accumulate is None and x.dtype.kind in "biu":
        accumulate = FLOAT
    elif accumulate is None and x.dtype.char == "e":
        accumulate = np.dtype(np.float32)
    conjugate = kind in ("var", "nanvar", "std", "nanstd")
    expr = tree(
        x,
        axes,
        functools.partial(
            blocks.moments_of_block,
            axis=axes,
            order=order,
            dtype=accumulate,
            skip_nan=kind.startswith("nan"),
            conjugate=conjugate,
        ),
        functools.partial(blocks.join_moments, conjugate=conjugate),
        functools.partial(
            blocks.finish_moments,
            axis=axes,
            keepdims=keepdims,
            order=order,
            ddof=ddof,
            root=kind.endswith("std"),
            dtype=result,
            conjugate=conjugate,
        ),
        keepdims=keepdims,
        dtype=result,
        native=type(x._meta) is np.ndarray and is_native_dtype(result),
        split_every=split,
        concatenate=False,
        label=kind,
    )
    return wrap(expr, x._meta)


# --- sums and products ----------------------------------------------------------------------------------------------
@like_numpy(np.sum)
def sum(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
    """Sum of the elements over the given axes, as a tree over the blocks.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.sum(da.ones((4, 6), chunks=3), axis=1).compute()
    array([6., 6., 6., 6.])
    """
    return _simple("sum", a, axis, keepdims, split_every, out, dtype=dtype)


@like_numpy(np.prod)
def prod(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
    """Product of the elements over the given axes, as a tree over the blocks.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.prod(da.arange(1, 6, chunks=2)).compute()
    np.int64(120)
    """
    return _simple("prod", a, axis, keepdims, split_every, out, dtype=dtype)


@like_numpy(np.nansum)
def nansum(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
    """Sum of the elements that are not NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nansum(da.asarray([1.0, np.nan, 2.0])).compute()
    np.float64(3.0)
    """
    return _simple("nansum", a, axis, keepdims, split_every, out, dtype=dtype)


@like_numpy(np.nanprod)
def nanprod(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
    """Product of the elements that are not NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanprod(da.asarray([3.0, np.nan, 2.0])).compute()
    np.float64(6.0)
    """
    return _simple("nanprod", a, axis, keepdims, split_every, out, dtype=dtype)


def count_nonzero(a, axis=None, keepdims=False):
    """How many elements are not zero, over the given axes.

    Parameters
    ----------
    a : array_like
        What is counted; for strings and objects, what is true counts.
    axis : int or sequence of ints, optional
        The axes to count over; all by default.
    keepdims : bool
        Whether these axes stay, with length 1.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.count_nonzero(da.arange(6, chunks=2) % 2).compute()
    np.int64(3)
    """
    x = _array(a)
    axes = normalize_axes(axis, x.ndim)
    if axes and x._expr.native and Expr.reduce_dtype("count_nonzero", x.dtype) is not None:
        return wrap(x._expr.reduce("count_nonzero", axes, keepdims, INTP, label="count_nonzero"))
    from raskr.array.routines import isnonzero

    return sum(isnonzero(x).astype(INTP), axis=axis, dtype=INTP, keepdims=keepdims)


# --- extremes and truth ---------------------------------------------------------------------------------------------
@like_numpy(np.min)
def min(a, axis=None, keepdims=False, split_every=None, out=None):
    """The least element over the given axes; NaN where one is met. Empty blocks do not matter, an empty whole does.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.min(da.asarray([[3, 1], [2, 5]]), axis=0).compute()
    array([2, 1])
    """
    return _simple("min", a, axis, keepdims, split_every, out)


@like_numpy(np.max)
def max(a, axis=None, keepdims=False, split_every=None, out=None):
    """The greatest element over the given axes; NaN where one is met. Empty blocks do not matter, an empty whole does.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.max(da.asarray([[3, 1], [2, 5]]), axis=0).compute()
    array([3, 5])
    """
    return _simple("max", a, axis, keepdims, split_every, out)


def _need_known_size(kind: str, a: Any) -> Array:
    x = _array(a)
    if math.isnan(x.size):
        raise ValueError(unknown_text(x, kind))
    return x


@like_numpy(np.nanmin)
def nanmin(a, axis=None, keepdims=False, split_every=None, out=None):
    """The least element that is not NaN, over the given axes; NaN where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanmin(da.asarray([3.0, np.nan, 2.0])).compute()
    np.float64(2.0)
    """
    return _simple("nanmin", _need_known_size("nanmin", a), axis, keepdims, split_every, out)


@like_numpy(np.nanmax)
def nanmax(a, axis=None, keepdims=False, split_every=None, out=None):
    """The greatest element that is not NaN, over the given axes; NaN where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanmax(da.asarray([3.0, np.nan, 2.0])).compute()
    np.float64(3.0)
    """
    return _simple("nanmax", _need_known_size("nanmax", a), axis, keepdims, split_every, out)


@like_numpy(np.any)
def any(a, axis=None, keepdims=False, split_every=None, out=None):
    """Whether any element over the given axes is true.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.any(da.arange(4, chunks=2) > 2).compute()
    np.True_
    """
    return _simple("any", a, axis, keepdims, split_every, out)


@like_numpy(np.all)
def all(a, axis=None, keepdims=False, split_every=None, out=None):
    """Whether all elements over the given axes are true.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.all(da.arange(4, chunks=2) > 2).compute()
    np.False_
    """
    return _simple("all", a, axis, keepdims, split_every, out)


@like_numpy(np.ptp)
def ptp(a, axis=None):
    """The greatest less the least element ("peak to peak").

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ptp(da.asarray([[3, 1], [2, 5]]), axis=0).compute()
    array([1, 4])
    """
    x = _array(a)
    return max(x, axis=axis) - min(x, axis=axis)


# --- means and spread -----------------------------------------------------------------------------------------------
@like_numpy(np.mean)
def mean(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
    """Mean of the elements over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.mean(da.arange(6, chunks=2)).compute()
    np.float64(2.5)
    """
    return _simple("mean", a, axis, keepdims, split_every, out, dtype=dtype)


@like_numpy(np.nanmean)
def nanmean(a, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
    """Mean of the elements that are not NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanmean(da.asarray([1.0, np.nan, 3.0])).compute()
    np.float64(2.0)
    """
    return _simple("nanmean", a, axis, keepdims, split_every, out, dtype=dtype)


@like_numpy(np.var)
def var(a, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
    """Variance of the elements over the given axes, in one pass that is as stable as NumPy's two.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.var(da.arange(6, chunks=2), ddof=1).compute()
    np.float64(3.5)
    """
    return _simple("var", a, axis, keepdims, split_every, out, dtype=dtype, ddof=ddof)


@like_numpy(np.std)
def std(a, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
    """Standard deviation of the elements over the given axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.std(da.asarray([1.0, 3.0])).compute()
    np.float64(1.0)
    """
    return _simple("std", a, axis, keepdims, split_every, out, dtype=dtype, ddof=ddof)


@like_numpy(np.nanvar)
def nanvar(a, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
    """Variance of the elements that are not NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanvar(da.asarray([1.0, np.nan, 3.0])).compute()
    np.float64(1.0)
    """
    return _simple("nanvar", a, axis, keepdims, split_every, out, dtype=dtype, ddof=ddof)


@like_numpy(np.nanstd)
def nanstd(a, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
    """Standard deviation of the elements that are not NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanstd(da.asarray([1.0, np.nan, 3.0])).compute()
    np.float64(1.0)
    """
    return _simple("nanstd", a, axis, keepdims, split_every, out, dtype=dtype, ddof=ddof)


def moment(a, order, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
    """The central moment of an order: the mean of powers of deviations from the mean.

    Parameters
    ----------
    a : array_like
        What is reduced.
    order : int
        0 or more; 2 is the variance.
    axis : int or sequence of ints, optional
        The axes to reduce; all by default.
    dtype : dtype, optional
        Element type of the result, and of the sums.
    keepdims : bool
        Whether reduced axes stay, with length 1.
    ddof : int
        The sum is divided by the count less `ddof`.
    split_every : int or dict of ints by axis, optional
        How many partial results are put together at a time.
    out : Array, optional
        Becomes the result.

    Notes
    -----
    One pass over the data; partial results are joined by the formulas of P. Pebay, Sandia report SAND2008-6212 (2008).

    Examples
    --------
    >>> import raskr.array as da
    >>> da.moment(da.asarray([1.0, 2.0, 6.0]), 3).compute()
    np.float64(6.0)
    """
    if not isinstance(order, (int, np.integer)) or order < 0:
        raise ValueError(f"order must be an integer of 0 or more, not {order!r}")
    x = _array(a)
    if order == 1:
        return apply_out(mean(x * 0, axis=axis, dtype=dtype, keepdims=keepdims), out)
    axes = normalize_axes(axis, x.ndim)
    wanted = None if dtype is None else np.dtype(dtype)
    result = _result_dtype(np.var, x.dtype, wanted)
    reduced = _moment_tree("moment", x, axes, keepdims, split_for(split_every, axes), result, wanted, ddof, int(order))
    return apply_out(reduced, out)


@like_numpy(np.trace)
def trace(a, offset=0, axis1=0, axis2=1, dtype=None):
    """Sum along a diagonal of two axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.trace(da.eye(3, chunks=2)).compute()
    np.float64(3.0)
    """
    from raskr.array.creation import diagonal

    return sum(diagonal(a, offset=offset, axis1=axis1, axis2=axis2), axis=-1, dtype=dtype)
