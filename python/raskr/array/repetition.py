"""Repetition: of elements, and of whole arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from raskr.array._apply import Expr, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.utils import has_unknown


@like_numpy(np.repeat)
def repeat(a, repeats, axis=None):
    """Repeat each element along an axis, the same number of times everywhere.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.repeat(da.arange(3, chunks=2), 2).compute()
    array([0, 0, 1, 1, 2, 2])
    """
    from raskr.array.core import asanyarray

    a = asanyarray(a)
    if axis is None:
        if a.ndim != 1:
            raise NotImplementedError(f"repeat needs an axis for {a.ndim} axes; x.ravel() flattens them")
        axis = 0
    if not isinstance(repeats, (int, np.integer)):
        raise NotImplementedError("repeat takes one number of repeats for all elements")
    axis = normalize_axis(axis, a.ndim)
    if repeats == 1:
        return a
    if repeats < 0:
        raise ValueError(f"repeat: the number of repeats must not be negative, got {repeats}")
    if repeats == 0:
        return a[(slice(None),) * axis + (slice(0, 0),)]
    if not has_unknown((a.chunks[axis],)):
        # Blocks keep about their size.
        parts = []
        for size in a.chunks[axis]:
            part = max(size // repeats, 1)
            parts += [part] * (size // part) + ([size % part] if size % part else [])
        a = a.rechunk({axis: tuple(parts) or (0,)})
    chunks = tuple(tuple(n * repeats for n in c) if ax == axis else c for ax, c in enumerate(a.chunks))
    if a._expr.native and not has_unknown(a.chunks):
        index = np.repeat(np.arange(a.shape[axis]), repeats)
        return wrap(a._expr.take(axis, index, chunks[axis]), a._meta)
    inds = tuple(range(a.ndim))
    expr = Expr.blockwise(
        np.repeat, inds, [(a._expr, inds)], chunks, a.dtype, a._expr.native,
        kwargs={"repeats": int(repeats), "axis": axis}, label="repeat",
    )  # fmt: skip
    return wrap(expr, a._meta)


@like_numpy(np.tile)
def tile(A, reps):
    """Repeat a whole array along its axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.tile(da.arange(3, chunks=2), 2).compute()
    array([0, 1, 2, 0, 1, 2])
    """
    from raskr.array.core import asarray, concatenate

    times: Iterable[Any] = reps if isinstance(reps, (tuple, list, np.ndarray)) else (reps,)
    times = tuple(operator.index(n) for n in times)
    if any(n < 0 for n in times):
        raise ValueError(f"repetitions can't be negative: {times}")
    x = asarray(A)
    times = (1,) * (x.ndim - len(times)) + times
    x = x[(None,) * (len(times) - x.ndim) + (...,)] if len(times) > x.ndim else x
    for axis, count in enumerate(times):
        if count == 0:
            x = x[(slice(None),) * axis + (slice(0, 0),)]
        elif count > 1:
            x = concatenate([x] * count, axis=axis)
    return x
