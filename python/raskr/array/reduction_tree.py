"""Tree reductions from functions on blocks: what a reduction falls back to where the engine has none of its own."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from raskr.array._apply import Expr, apply_out, call_quietly, meta_like, name_of, normalize_axes, wrap
from raskr.array.collection import Array
from raskr.array.utils import is_native_dtype, is_native_meta

#: Blocks that one Python call takes together where nothing else is asked for.
DEFAULT_SPLIT = 8


def split_for(split_every: Any, axes: tuple[int, ...]) -> dict[int, int] | None:
    """How many neighbouring blocks are joined along each axis, or None when nobody said."""
    if split_every is None or split_every is False:
        from raskr import config

        split_every = config.get("split_every", None)
        if split_every is None:
            return None
    if isinstance(split_every, Mapping):
        chosen = {axis: int(split_every.get(axis, 2)) for axis in axes}
    elif isinstance(split_every, (int, np.integer)) and not isinstance(split_every, bool):
        chosen = dict.fromkeys(axes, max(int(split_every ** (1 / (len(axes) or 1))), 2))
    else:
        raise ValueError(f"split_every must be an int or a dict of ints by axis, not {type(split_every).__name__}")
    for axis, size in chosen.items():
        if size < 1:
            raise ValueError(f"split_every along axis {axis} must be at least 1, not {size}")
    return chosen


def accepts(function: Callable[..., Any], keyword: str) -> bool:
    """Whether a function takes this keyword by name."""
    try:
        return keyword in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def tree(
    x: Array,
    axes: tuple[int, ...],
    chunk: Callable[..., Any] | None,
    combine: Callable[..., Any],
    aggregate: Callable[..., Any],
    *,
    keepdims: bool,
    dtype: Any,
    native: bool,
    split_every: Mapping[int, int] | None,
    concatenate: bool,
    output_size: int = 1,
    partial_native: bool = False,
    per_block: Callable[[tuple[int, ...]], dict[str, Any]] | None = None,
    weights: Array | None = None,
    trailing: tuple[float, ...] = (),
    label: str,
) -> Expr:
    """`chunk(block)` for every block, `combine(groups)` while there are too many, `aggregate(what is left)`.

    The functions take what they need by `functools.partial`; reduced axes stay, of one block for each input block.
    `trailing` are lengths of axes that the result has after those that are kept.
    """
    inds = tuple(range(x.ndim))
    expr = x._expr
    dtype = np.dtype(dtype)
    if chunk is not None:
        partial_chunks = tuple(
            (output_size,) * len(sizes) if axis in axes else sizes for axis, sizes in enumerate(x.chunks)
        )
        args = [(expr, inds)]
        if weights is not None:
            chunk = functools.partial(_with_weights, chunk)
            args.append((weights._expr, inds))
        expr = Expr.blockwise(
            chunk, inds, args, partial_chunks, dtype, partial_native, per_block=per_block, label=f"{label}-chunk"
        )
    if split_every is None:
        split_every = dict.fromkeys(axes, max(int(DEFAULT_SPLIT ** (1 / (len(axes) or 1))), 2))
    step = {axis: split_every[axis] for axis in axes if split_every[axis] > 1}
    while any(expr.numblocks[axis] > size for axis, size in step.items()):
        grouped = tuple(
            (output_size,) * math.ceil(len(sizes) / step[axis]) if axis in step else sizes
            for axis, sizes in enumerate(expr.chunks)
        )
        group = {axis: step.get(axis, 1) for axis in axes}
        expr = expr.group_blocks(
            combine, group, grouped, dtype, partial_native, concatenate=concatenate, label=f"{label}-partial"
        )
    if keepdims:
        final = tuple((output_size,) if axis in axes else sizes for axis, sizes in enumerate(expr.chunks))
        group = {axis: max(expr.numblocks[axis], 1) for axis in axes}
        return expr.group_blocks(aggregate, group, final, dtype, native, concatenate=concatenate, label=label)
    kept = tuple(axis for axis in inds if axis not in axes)
    final = tuple(expr.chunks[axis] for axis in kept) + tuple((length,) for length in trailing)
    out = kept + tuple(range(x.ndim, x.ndim + len(trailing)))
    return Expr.blockwise(aggregate, out, [(expr, inds)], final, dtype, native, concatenate=concatenate, label=label)


def _with_weights(chunk: Callable[..., Any], block: Any, weights: Any) -> Any:
    return chunk(block, weights=weights)


def reduction(
    x: Any,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any],
    axis: Any = None,
    keepdims: bool = False,
    dtype: Any = None,
    split_every: Any = None,
    combine: Callable[..., Any] | None = None,
    name: str | None = None,
    out: Any = None,
    concatenate: bool = True,
    output_size: int = 1,
    meta: Any = None,
    weights: Any = None,
) -> Array:
    """A reduction of your own, as a tree over the blocks.

    Parameters
    ----------
    x : array_like
        What is reduced.
    chunk : callable
        Called as ``chunk(block, axis, keepdims)`` (and with ``dtype`` and ``weights`` where it takes them) for every
        block; `keepdims` is True, so that partial results stay in place.
    aggregate : callable
        Called as ``aggregate(partial, axis, keepdims)`` with all that is left, at the end.
    axis : int or sequence of ints, optional
        The axes to reduce; all by default.
    keepdims : bool
        Whether reduced axes stay, with length 1.
    dtype : dtype, optional
        Element type of the result.
    split_every : int or dict of ints by axis, optional
        How many partial results are put together at a time.
    combine : callable, optional
        Called like `aggregate`, with `keepdims` True, between `chunk` and `aggregate`; by default `aggregate`.
    name : str, optional
        The first part of the result's name.
    out : Array, optional
        Becomes the result.
    concatenate : bool
        Whether partial results are concatenated (the default) or given as nested lists.
    output_size : int
        Length that a reduced axis has in each partial result, and in the result with `keepdims`.
    meta : array, optional
        An empty array like the blocks of the result.
    weights : array_like, optional
        Broadcast to the shape of `x` and given to `chunk` block by block.

    Returns
    -------
    Array

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.arange(10, chunks=3)
    >>> def largest_square(block, axis, keepdims):
    ...     return np.max(block**2, axis=axis, keepdims=keepdims)
    >>> da.reduction(x, largest_square, np.max, dtype=x.dtype).compute()
    np.int64(81)
    """
    from raskr.array.core import asanyarray, broadcast_to

    x = asanyarray(x)
    axes = normalize_axes(axis, x.ndim)
    dtype = np.dtype(dtype) if dtype is not None else np.dtype(float)
    label = name or name_of(chunk)
    options = {"axis": axes, "keepdims": True}
    chunk_function = functools.partial(chunk, **options, **({"dtype": dtype} if accepts(chunk, "dtype") else {}))
    final_dtype = {"dtype": dtype} if accepts(aggregate, "dtype") else {}
    between = combine or aggregate
    combine_function = functools.partial(between, **options, **({"dtype": dtype} if accepts(between, "dtype") else {}))
    aggregate_function = functools.partial(aggregate, axis=axes, keepdims=keepdims, **final_dtype)
    placed = None
    if weights is not None:
        weights = asanyarray(weights)
        try:
            placed = broadcast_to(weights, x.shape).rechunk(x.chunks)
        except ValueError as error:
            raise ValueError(f"weights of shape {weights.shape} do not broadcast to the shape {x.shape}") from error
    ndim = x.ndim if keepdims else x.ndim - len(axes)
    if meta is None:
        meta = _reduced_meta(x, chunk_function, aggregate_function, concatenate, placed is not None, dtype, ndim)
    else:
        meta = meta_like(meta, getattr(meta, "dtype", dtype), ndim)
        dtype = np.dtype(meta.dtype)
    native = is_native_meta(meta) and is_native_dtype(dtype)
    expr = tree(
        x,
        axes,
        chunk_function,
        combine_function,
        aggregate_function,
        keepdims=keepdims,
        dtype=dtype,
        native=native,
        split_every=split_for(split_every, axes),
        concatenate=concatenate,
        output_size=output_size,
        weights=placed,
        label=label,
    )
    return apply_out(wrap(expr, meta), out)


def _reduced_meta(
    x: Array,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any],
    concatenate: bool,
    weighted: bool,
    dtype: np.dtype[Any],
    ndim: int,
) -> Any:
    """An empty array like the result's blocks: of the chunk type that the functions make of an empty block."""
    meta = x._meta
    if type(meta) is np.ndarray:
        return np.empty((0,) * ndim, dtype=dtype)
    extra = {"computing_meta": True} if accepts(chunk, "computing_meta") else {}
    try:
        partial = call_quietly(chunk, meta, **extra)
        if concatenate:
            extra = {"computing_meta": True} if accepts(aggregate, "computing_meta") else {}
            meta = call_quietly(aggregate, partial, **extra)
    except Exception:  # a user's function on made-up data: any failure only means that the chunk type is the input's
        pass
    if meta is np.ma.masked or isinstance(meta, np.generic) or not hasattr(meta, "shape"):
        return np.ma.empty((0,) * ndim, dtype=dtype) if meta is np.ma.masked else np.empty((0,) * ndim, dtype=dtype)
    return meta_like(meta, dtype, ndim)
