"""Positions of extremes: argmin, argmax and their NaN-skipping kin."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from raskr.array import reduction_blocks as blocks
from raskr.array._apply import INTP, Expr, apply_out, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.reduction_tree import split_for, tree
from raskr.array.utils import has_unknown


class _Offsets:
    """Where each block starts, for the functions that need to know."""

    def __init__(self, chunks: tuple[tuple[int, ...], ...], axes: tuple[int, ...]):
        # Axes that are not reduced may be of unknown chunks; their offsets do not matter.
        self.starts = [np.cumsum((0, *c[:-1])) if axis in axes else None for axis, c in enumerate(chunks)]

    def __call__(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"offset": tuple(0 if s is None else int(s[i]) for s, i in zip(self.starts, block))}


def _position(kind: str, a: Any, axis: Any, keepdims: bool, split_every: Any, out: Any) -> Array:
    from raskr.array.core import asanyarray

    x = asanyarray(a)
    if axis is not None and not isinstance(axis, (int, np.integer)):
        raise TypeError(f"axis of {kind} must be an integer or None, not {axis!r}")
    axes = tuple(range(x.ndim)) if axis is None else (normalize_axis(axis, x.ndim),)
    # The flat index counts along all axes; one unknown block alone along an axis starts at 0.
    for number in axes:
        if len(x.chunks[number]) > 1 and has_unknown((x.chunks[number],)):
            raise ValueError(
                f"{kind} works on axes of known chunks only, axis {number} has an unknown chunksize. "
                "A possible solution: x.compute_chunk_sizes()"
            )
    if axis is None and x.ndim > 1 and has_unknown(x.chunks):
        raise ValueError(f"{kind} over all axes needs known chunks, shape {x.shape} has an unknown chunksize")
    if any(x.shape[number] == 0 for number in axes):
        getattr(np, kind)(np.empty(x.shape), axis=axis)
    split = split_for(split_every, axes)
    known = not has_unknown(x.chunks[number] for number in axes)
    if axes and known and x._expr.native and Expr.reduce_dtype(kind, x.dtype) is not None:
        reduced = x._expr.reduce(kind, axes, keepdims, INTP, split_every=split, label=kind)
        return apply_out(wrap(reduced), out)
    largest, skip_nan = kind.endswith("max"), kind.startswith("nan")
    flat = None if axis is None else axes[0]
    find = functools.partial(
        blocks.locate_in_block, largest=largest, skip_nan=skip_nan, axis=flat, shape=x.shape if flat is None else ()
    )
    expr = tree(
        x,
        axes,
        find,
        functools.partial(blocks.join_located, largest=largest, skip_nan=skip_nan),
        functools.partial(blocks.finish_located, axis=flat, keepdims=keepdims, largest=largest, skip_nan=skip_nan),
        keepdims=keepdims,
        dtype=INTP,
        native=True,
        split_every=split,
        concatenate=False,
        per_block=_Offsets(x.chunks, axes),
        label=kind,
    )
    return apply_out(wrap(expr), out)


@like_numpy(np.argmin)
def argmin(a, axis=None, keepdims=False, split_every=None, out=None):
    """Position of the least element along an axis, or in the flattened array; of the first if there are several.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.argmin(da.asarray([[3, 1], [2, 5]]), axis=0).compute()
    array([1, 0])
    """
    return _position("argmin", a, axis, keepdims, split_every, out)


@like_numpy(np.argmax)
def argmax(a, axis=None, keepdims=False, split_every=None, out=None):
    """Position of the greatest element along an axis, or in the flattened array; of the first if there are several.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.argmax(da.asarray([[3, 1], [2, 5]]), axis=0).compute()
    array([0, 1])
    """
    return _position("argmax", a, axis, keepdims, split_every, out)


@like_numpy(np.nanargmin)
def nanargmin(a, axis=None, keepdims=False, split_every=None, out=None):
    """Position of the least element that is not NaN; where there is none, computing raises ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanargmin(da.asarray([np.nan, 2.0, 1.0])).compute()
    np.int64(2)
    """
    return _position("nanargmin", a, axis, keepdims, split_every, out)


@like_numpy(np.nanargmax)
def nanargmax(a, axis=None, keepdims=False, split_every=None, out=None):
    """Position of the greatest element that is not NaN; where there is none, computing raises ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.nanargmax(da.asarray([np.nan, 2.0, 1.0])).compute()
    np.int64(1)
    """
    return _position("nanargmax", a, axis, keepdims, split_every, out)
