"""What every array function needs: checked axes and shapes, and NumPy functions applied block by block."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.exceptions import AxisError

from raskr._bridge import core as engine
from raskr.array.collection import Array, wrap
from raskr.array.utils import has_unknown, is_native_dtype, is_native_meta, meta_from_array

Expr = engine.Expr

#: What an elementwise function takes as a whole, whatever the blocks of its other operands are.
SCALARS = (bool, int, float, complex, str, bytes, np.generic, type(None))

INTP = np.dtype(np.intp)
FLOAT = np.dtype(np.float64)


def normalize_axis(axis: Any, ndim: int) -> int:
    """`axis` as a number from 0 to `ndim`, or numpy's AxisError."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise AxisError(axis, ndim)
    return axis + ndim if axis < 0 else axis


def normalize_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """A sorted tuple of axes from None (all), one axis or several."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, (tuple, list, np.ndarray)):
        axes = [normalize_axis(a, ndim) for a in axis]
        if len(set(axes)) != len(axes):
            raise ValueError(f"axis {tuple(axis)} names an axis twice")
        return tuple(sorted(axes))
    return (normalize_axis(axis, ndim),)


def name_of(function: Callable[..., Any]) -> str:
    """A short name for a function, for labels and messages."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__).strip("<>_") or "function"


def meta_like(meta: Any, dtype: Any, ndim: int) -> Any:
    """An empty array of the chunk type of `meta`, with this element type and number of axes."""
    return meta_from_array(meta, ndim=ndim, dtype=np.dtype(dtype))


def is_node_source(value: Any) -> bool:
    """Whether `value` is a lazy value that is no array, such as a `Delayed` (whose instances seem to have any name)."""
    kind = type(value)
    return hasattr(kind, "__dask_graph__") and not hasattr(kind, "chunks")


def align(arrays: Sequence[Array], ndim: int, what: str) -> tuple[list[Expr], tuple[tuple[float, ...], ...]]:
    """The expressions of `arrays` with chunks brought in line along the axes that broadcast, and those chunks."""
    pairs = [(x.chunks, tuple(range(ndim - x.ndim, ndim))) for x in arrays]
    check_broadcast([x.shape for x in arrays], what)
    sizes = engine.unify_chunks(pairs)
    chunks = tuple(tuple(sizes[axis]) for axis in range(ndim))
    aligned = []
    for x in arrays:
        wanted = []
        for axis, (own, size) in enumerate(zip(x.chunks, x.shape)):
            shared = chunks[ndim - x.ndim + axis]
            if size != size and len(own) != len(shared):
                raise ValueError(
                    f"{what}: Arrays' chunk sizes {own} along axis {axis - x.ndim} are unknown, and can't be "
                    f"brought in line with {shared}.\n\nA possible solution: x.compute_chunk_sizes()"
                )
            if size == 1 and sum(shared) != 1:
                shared = (1,)  # it stands for all blocks, empty ones of its own must not
            wanted.append(own if size != size else shared)
        aligned.append(x._expr if tuple(wanted) == x.chunks or has_unknown(wanted) else x._expr.rechunk(tuple(wanted)))
    return aligned, chunks


def check_broadcast(shapes: Sequence[tuple[float, ...]], what: str) -> tuple[float, ...]:
    """The shape that the shapes broadcast to, or a ValueError that names the axis."""
    ndim = max(map(len, shapes), default=0)
    result: list[float] = [1] * ndim
    owner: list[tuple[float, ...]] = [()] * ndim
    for shape in shapes:
        for offset, size in enumerate(reversed(shape)):
            axis = ndim - 1 - offset
            known = result[axis]
            if size == 1 or size == known or (size != size and known != known):
                continue
            if known == 1 or known != known:
                result[axis], owner[axis] = size, shape
            elif size == size:
                raise ValueError(
                    f"{what}: operands could not be broadcast together with shapes {owner[axis]} and {shape}: "
                    f"axis {axis - ndim} has lengths {known} and {size}"
                )
    return tuple(result)


def call_quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A call on made-up or empty data, whose warnings about values mean nothing."""
    import warnings

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def blockwise_elementwise(
    function: Callable[..., Any],
    operands: Sequence[Any],
    dtype: Any = None,
    meta: Any = None,
    kwargs: dict[str, Any] | None = None,
    label: str | None = None,
) -> Array:
    """`function` on the blocks of broadcast operands; what is no array goes to every block as it is."""
    kwargs = kwargs or {}
    label = label or name_of(function)
    from raskr.array.blocks import whole

    arrays = [x for x in operands if isinstance(x, Array)]
    ndim = max((x.ndim for x in arrays), default=0)
    if meta is None:
        meta = elementwise_meta(function, operands, ndim, dtype, kwargs)
    dtype = np.dtype(meta.dtype if dtype is None else dtype)
    exprs, chunks = align(arrays, ndim, label)
    aligned = iter(zip(exprs, arrays))
    args: list[tuple[Any, Sequence[int] | None]] = []
    for x in operands:
        if isinstance(x, Array):
            expr, array = next(aligned)
            args.append((expr, tuple(range(ndim - array.ndim, ndim))))
        else:
            args.append((whole(x) if is_node_source(x) else x, None))
    native = is_native_meta(meta) and is_native_dtype(dtype)
    expr = Expr.blockwise(function, tuple(range(ndim)), args, chunks, dtype, native, kwargs=kwargs, label=label)
    return wrap(expr, meta)


def _as_example(value: Any) -> Any:
    """A lazy number that knows its type, such as a mean of a frame's column, as a number of that type."""
    if is_node_source(value) and hasattr(type(value), "_meta") and np.isscalar(value._meta):
        return value._meta
    return value


def elementwise_meta(
    function: Callable[..., Any], operands: Sequence[Any], ndim: int, dtype: Any, kwargs: dict[str, Any]
) -> Any:
    """An empty array like the result's blocks, from a call on empty (where that fails, one-element) arrays."""
    operands = [_as_example(x) for x in operands]
    metas = [meta_like(x._meta, x.dtype, x.ndim) if isinstance(x, Array) else x for x in operands]
    if any(is_node_source(x) for x in operands):
        arrays = [x.dtype for x in operands if isinstance(x, Array)]
        return np.empty((0,) * ndim, dtype=np.result_type(*arrays) if dtype is None else dtype)
    try:
        result = call_quietly(function, *metas, **kwargs)
    except (ValueError, IndexError, ZeroDivisionError):
        ones = [np.ones((1,) * x.ndim, dtype=x.dtype) if isinstance(x, Array) else x for x in operands]
        result = call_quietly(function, *ones, **kwargs)
    result = result if hasattr(result, "dtype") else np.asarray(result)
    return meta_like(
        result if hasattr(result, "shape") and not isinstance(result, np.generic) else None, result.dtype, ndim
    )


def map_native(function: Callable[..., Any], x: Array, dtype: Any, label: str | None = None, **kwargs: Any) -> Array:
    """`function(block, **kwargs)` for every block, with the shape kept."""
    inds = tuple(range(x.ndim))
    dtype = np.dtype(dtype)
    native = x._expr.native and is_native_dtype(dtype)
    expr = Expr.blockwise(
        function,
        inds,
        [(x._expr, inds)],
        x.chunks,
        dtype,
        native,
        kwargs=kwargs or None,
        label=label or name_of(function),
    )
    return wrap(expr, x._meta)


def apply_out(result: Array, out: Any) -> Array:
    """What `out=` means for lazy arrays: the array given becomes the result."""
    if isinstance(out, tuple):
        if len(out) != 1:
            raise ValueError(f"out takes one array here, not {len(out)}")
        out = out[0]
    if out is None:
        return result
    if not isinstance(out, Array):
        raise NotImplementedError(
            f"out must be a raskr Array, not {type(out).__name__}: a lazy result cannot be written into it. "
            "Compute the result, or use store()"
        )
    if out.shape != result.shape:
        raise ValueError(f"out has shape {out.shape}, the result has shape {result.shape}")
    out._replace(result._expr, result._foreign_meta)
    return out
