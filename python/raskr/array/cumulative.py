"""Running sums, products and other scans along one axis."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._apply import apply_out, call_quietly, name_of, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.utils import is_native_dtype

_METHODS = ("sequential", "blelloch")


def _prepare(x: Any, axis: Any, method: str) -> tuple[Array, int]:
    """The array (flat when no axis is given) and the axis to scan along."""
    from raskr.array.core import asanyarray

    if method not in _METHODS:
        raise ValueError(f'method of a cumulative function must be "sequential" or "blelloch", not {method!r}')
    x = asanyarray(x)
    if axis is None:
        return (x if x.ndim == 1 else x.reshape(-1)), 0
    return x, normalize_axis(axis, x.ndim)


def _last(x: Any, axis: int) -> Any:
    return x[(slice(None),) * axis + (slice(-1, None),)]


def cumreduction(
    func: Callable[..., Any],
    binop: Callable[[Any, Any], Any],
    ident: Any,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    method: str = "sequential",
    preop: Callable[..., Any] | None = None,
) -> Array:
    """A scan of your own along one axis.

    Parameters
    ----------
    func : callable
        Scans one block: ``func(block, axis=axis, dtype=dtype)``, such as `numpy.cumsum`.
    binop : callable
        Joins the last elements of everything before a block to the scanned block, such as `operator.add`.
    ident : scalar
        The element that `binop` leaves others unchanged with. Blocks are joined without it here.
    x : array_like
        What is scanned.
    axis : int, optional
        Where to scan along; the flattened array by default.
    dtype : dtype, optional
        Element type of the result.
    out : Array, optional
        Becomes the result.
    method : {"sequential", "blelloch"}
        Whether blocks are joined one after another, or as a tree (more work, less waiting).
    preop : callable, optional
        What `method="blelloch"` reduces a block with; the last elements of the scanned block are the same.

    Examples
    --------
    >>> import operator
    >>> import numpy as np
    >>> import raskr.array as da
    >>> from raskr.array.reductions import cumreduction
    >>> cumreduction(np.cumsum, operator.add, 0, da.arange(5, chunks=2), axis=0).compute()
    array([ 0,  1,  3,  6, 10])
    """
    x, axis = _prepare(x, axis, method)
    if dtype is None:
        try:
            one = call_quietly(func, np.ones((1,) * x.ndim, dtype=x.dtype), axis=axis)
        except TypeError:
            one = x._meta
        dtype = getattr(one, "dtype", object)
    dtype = np.dtype(dtype)
    chunks = x.chunks
    if 0 in chunks[axis] and len(chunks[axis]) > 1:
        # An empty block has no last element to hand on.
        x = x.rechunk({axis: tuple(size for size in chunks[axis] if size != 0) or (0,)})
    native = type(x._meta) is np.ndarray and is_native_dtype(dtype)
    expr = x._expr.scan_with(
        functools.partial(func, axis=axis, dtype=dtype),
        functools.partial(_last, axis=axis),
        binop,
        axis,
        dtype,
        native,
        method=method,
        label=name_of(func),
    )
    result = wrap(expr, x._meta)
    if x.chunks != chunks and x.ndim == len(chunks):
        result = result.rechunk(chunks)
    return apply_out(result, out)


def _merge(operation: np.ufunc, before: Any, block: Any) -> Any:
    """`operation`; under the mask of a scanned masked block are the running values, which go on into the next."""
    if isinstance(before, np.ma.MaskedArray) or isinstance(block, np.ma.MaskedArray):
        joined = operation(np.ma.getdata(before), np.ma.getdata(block))
        return np.ma.masked_array(joined, mask=np.ma.getmaskarray(block))
    return operation(before, block)


def _scan(kind: str, function: Any, operation: np.ufunc, x: Any, axis: Any, dtype: Any, out: Any, method: str) -> Array:
    x, axis = _prepare(x, axis, method)
    if dtype is None:
        dtype = getattr(call_quietly(function, np.ones((1,), dtype=x.dtype)), "dtype", object)
    dtype = np.dtype(dtype)
    real = x.dtype.kind != "c" or dtype.kind == "c"
    if x._expr.native and x.dtype.kind in "biufc" and is_native_dtype(dtype) and dtype.kind in "iufc" and real:
        source = x._expr
        if kind.startswith("nan") and dtype.kind in "iu" and x.dtype.kind in "fc":
            from raskr.array.routines import where

            source = where(x != x, operation.identity, x)._expr
        if source.dtype != dtype:
            source = source.astype(dtype)
        return apply_out(wrap(source.scan(kind, axis, dtype)), out)
    merge = functools.partial(_merge, operation)
    return cumreduction(function, merge, operation.identity, x, axis, dtype, out, method)


@like_numpy(np.cumsum)
def cumsum(x, axis=None, dtype=None, out=None, method="sequential"):
    """Running sum along an axis, or of the flattened array.

    `method` ("sequential" or "blelloch") says how blocks are joined where NumPy does the work; the engine's own scan of
    numbers joins the sums of blocks before it scans them, whatever `method` says.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.cumsum(da.arange(5, chunks=2), axis=0).compute()
    array([ 0,  1,  3,  6, 10])
    """
    return _scan("sum", np.cumsum, np.add, x, axis, dtype, out, method)


@like_numpy(np.cumprod)
def cumprod(x, axis=None, dtype=None, out=None, method="sequential"):
    """Running product along an axis, or of the flattened array. See `cumsum` for `method`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.cumprod(da.arange(1, 6, chunks=2), axis=0).compute()
    array([  1,   2,   6,  24, 120])
    """
    return _scan("prod", np.cumprod, np.multiply, x, axis, dtype, out, method)


@like_numpy(np.nancumsum)
def nancumsum(x, axis=None, dtype=None, out=None, *, method="sequential"):
    """Running sum that takes NaN for 0. See `cumsum` for `method`.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nancumsum(da.asarray([1.0, np.nan, 2.0]), axis=0).compute()
    array([1., 1., 3.])
    """
    return _scan("nansum", np.nancumsum, np.add, x, axis, dtype, out, method)


@like_numpy(np.nancumprod)
def nancumprod(x, axis=None, dtype=None, out=None, *, method="sequential"):
    """Running product that takes NaN for 1. See `cumsum` for `method`.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nancumprod(da.asarray([3.0, np.nan, 2.0]), axis=0).compute()
    array([3., 3., 6.])
    """
    return _scan("nanprod", np.nancumprod, np.multiply, x, axis, dtype, out, method)
