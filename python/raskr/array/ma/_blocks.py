"""What the functions on masked arrays share: operands, blocks that are masked, and the types of results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskr.array._apply import Expr, blockwise_elementwise, call_quietly, is_node_source, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.elementwise import as_operand
from raskr.array.utils import is_native_dtype, meta_from_array


def lazy(x: Any) -> Array:
    """The array, lazily; what is no lazy array becomes one, masked where it was."""
    from raskr.array.core import asanyarray

    if isinstance(x, Array):
        return x
    return asanyarray(np.ma.masked_all((), float) if x is np.ma.masked else x)


def has_masked_blocks(x: Any) -> bool:
    """Whether the blocks of a lazy array are declared to be masked arrays."""
    return isinstance(x, Array) and isinstance(x._meta, np.ma.MaskedArray)


def masked(x: Any) -> Array:
    """The array, lazily, with masked arrays for blocks."""
    x = lazy(x)
    if has_masked_blocks(x):
        return x
    return each(np.ma.asanyarray, x, dtype=x.dtype, label="masked")


def masked_meta(ndim: int, dtype: Any) -> Any:
    """An empty masked array that stands for blocks."""
    return np.ma.empty((0,) * ndim, dtype=dtype)


def operand(x: Any) -> Any:
    """What an elementwise function takes: an `Array`, or what every block gets as it is."""
    return x if x is np.ma.masked or is_node_source(x) else as_operand(x)


def each(function: Callable[..., Any], *operands: Any, dtype: Any, meta: Any = None, label: str = "") -> Array:
    """`function` on broadcast blocks, that gives masked blocks unless `meta` says otherwise."""
    ndim = max(x.ndim for x in operands if isinstance(x, Array))
    if meta is None:
        nodes = any(is_node_source(x) for x in operands)
        meta = masked_meta(ndim, dtype) if nodes else probed(function, operands, ndim, dtype)
    return blockwise_elementwise(function, operands, dtype=dtype, meta=meta, label=label)


def plain_each(function: Callable[..., Any], *operands: Any, dtype: Any, label: str = "") -> Array:
    """`function` on broadcast blocks, that gives plain blocks."""
    ndim = max(x.ndim for x in operands if isinstance(x, Array))
    return each(function, *operands, dtype=dtype, meta=np.empty((0,) * ndim, dtype), label=label)


def call_ma(name: str, *blocks: Any, **options: Any) -> Any:
    """A function of `numpy.ma` by its name, which is how tasks can be told apart and travel."""
    return getattr(np.ma, name)(*blocks, **options)


def probed(function: Callable[..., Any], operands: Sequence[Any], ndim: int, dtype: Any = None) -> Any:
    """An empty masked array like the blocks of `function`'s result, with the fill value that it gets."""
    tried = [meta_from_array(x._meta, ndim=1, dtype=x.dtype) if isinstance(x, Array) else x for x in operands]
    result = call_quietly(function, *tried)
    result = result if isinstance(result, np.ma.MaskedArray) else np.ma.asanyarray(result)
    return meta_from_array(result, ndim=ndim, dtype=np.dtype(result.dtype if dtype is None else dtype))


def elementwise(name: str, *operands: Any, **options: Any) -> Array:
    """A function of `numpy.ma` that works element by element, on broadcast operands."""
    prepared = [operand(x) for x in operands]
    if not any(isinstance(x, Array) for x in prepared):
        prepared[0] = lazy(prepared[0])
    ndim = max(x.ndim for x in prepared if isinstance(x, Array))
    call = functools.partial(call_ma, name, **options)
    tried = prepared
    if any(is_node_source(x) for x in prepared):
        # What a lazy value is that is no array is not known: it counts as a number of the arrays' type.
        known = np.result_type(*(x.dtype for x in prepared if isinstance(x, Array)))
        tried = [known.type(1) if is_node_source(x) else x for x in prepared]
    meta = probed(call, tried, ndim)
    return blockwise_elementwise(call, prepared, dtype=meta.dtype, meta=meta, label=name)


def settled(function: Callable[..., Any], *blocks: Any, **options: Any) -> Any:
    """The function's result, as a scalar or `masked` where it has no axes, as NumPy's own results are."""
    result = function(*blocks, **options)
    return result[()] if isinstance(result, np.ma.MaskedArray) and result.ndim == 0 else result


def along_whole_axes(
    function: Callable[..., Any], x: Array, axes: tuple[int, ...], dtype: Any, kept: bool = False, label: str = "",
    keepdims: bool = False, plain: bool = False,
) -> Array:  # fmt: skip
    """`function(block)` where each block holds the axes whole; they go, unless they are `kept` or stay with length 1."""
    if any(x.numblocks[axis] > 1 for axis in axes):
        x = x.rechunk({axis: -1 for axis in axes})
    inds = tuple(range(x.ndim))
    dtype = np.dtype(dtype)
    if kept:
        out, source, chunks = inds, inds, x.chunks
    elif keepdims:
        out, source = inds, tuple(100 + n if n in axes else n for n in inds)
        chunks = tuple((1,) if n in axes else sizes for n, sizes in enumerate(x.chunks))
    else:
        out, source = tuple(n for n in inds if n not in axes), inds
        chunks = tuple(x.chunks[n] for n in out)
    native = plain and is_native_dtype(dtype)
    expr = Expr.blockwise(function, out, [(x._expr, source)], chunks, dtype, native, concatenate=True, label=label)
    if plain:
        return wrap(expr, np.empty((0,) * len(out), dtype))
    return wrap(expr, meta_from_array(x._meta, dtype=dtype) if kept else masked_meta(len(out), dtype))


def like_masked(function: Any, name: str | None = None) -> Callable[..., Any]:
    """Completes a docstring with the parameters that NumPy documents for its function in `numpy.ma`."""

    def decorate(ours: Callable[..., Any]) -> Callable[..., Any]:
        # Before NumPy 2.3, some of its functions are objects without a name.
        called = name or getattr(function, "__name__", ours.__name__)
        return like_numpy(function, name=f"numpy.ma.{called}")(ours)

    return decorate
