"""What a tree reduction does to single blocks, to groups of partial results, and at the end, in NumPy's terms."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np


def numel(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None, **kwargs: Any) -> Any:
    """How many elements a reduction over `axis` takes together, as an array of the reduced shape."""
    return _count_like(x, np.shape(x), axis, keepdims, dtype)


def _count_like(x: Any, shape: tuple[int, ...], axis: Any, keepdims: bool, dtype: Any) -> Any:
    axes = tuple(range(len(shape))) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(a % len(shape) for a in axes) if shape else ()
    count = math.prod(shape[a] for a in axes)
    kept = tuple(1 if a in axes else n for a, n in enumerate(shape) if keepdims or a not in axes)
    if isinstance(x, np.ma.MaskedArray):
        return np.asarray(np.ma.count(x, axis=axes, keepdims=keepdims)).astype(dtype or np.intp)
    return np.full(kept, count, dtype=dtype or np.intp)[()]


def nannumel(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None, **kwargs: Any) -> Any:
    """How many elements that are not NaN a reduction over `axis` takes together."""
    present = ~is_missing(x)
    return np.sum(present, axis=axis, keepdims=keepdims, dtype=dtype or np.intp)


def is_missing(x: Any) -> Any:
    """Where elements are NaN (or NaT), for any element type."""
    kind = x.dtype.kind
    if kind in "fc":
        return np.isnan(x)
    if kind in "mM":
        return np.isnat(x)
    if kind == "O":
        return np.asarray(x != x, dtype=bool)
    return np.zeros_like(x, dtype=bool)


def flatten(nested: Any) -> Iterator[Any]:
    """The blocks in nested lists, in order."""
    if isinstance(nested, list):
        for item in nested:
            yield from flatten(item)
    else:
        yield nested


# --- extremes -------------------------------------------------------------------------------------------------------
def extreme_block(function: Callable[..., Any], x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The extreme of a block; a block with nothing in it gives nothing (length 0) instead of NumPy's error."""
    if axis and any(x.shape[a] == 0 for a in axis):
        return x[tuple(slice(0, 0) if a in axis else slice(None) for a in range(x.ndim))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a block of NaN alone says nothing about the whole
        return function(x, axis=axis, keepdims=keepdims)


def extreme_group(function: Callable[..., Any], x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The extreme of blocks' extremes; here NumPy's error about nothing to reduce is the user's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(x, axis=axis, keepdims=keepdims)


# --- means and central moments --------------------------------------------------------------------------------------
class Moments:
    """Count, mean and central moment sums (from the second) of what a reduction has seen, with reduced axes kept.

    Of masked arrays they are plain numbers, with 0 where nothing was counted; `masked` says to mask those at the end.
    """

    __slots__ = ("count", "masked", "mean", "sums")

    def __init__(self, count: Any, mean: Any, sums: Sequence[Any], masked: bool):
        self.count = count
        self.mean = mean
        self.sums = list(sums)
        self.masked = masked

    @property
    def nbytes(self) -> int:
        """Bytes held, for the engine's memory account."""
        return sum(getattr(part, "nbytes", 32) for part in (self.count, self.mean, *self.sums))


def moments_of_block(x: Any, axis: tuple[int, ...], order: int, dtype: Any, skip_nan: bool, conjugate: bool) -> Moments:
    """`Moments` of one block; `conjugate` takes squared magnitudes of complex deviations, as a variance does."""
    sum_ = np.nansum if skip_nan else np.sum
    masked = isinstance(x, np.ma.MaskedArray)
    count = (nannumel if skip_nan else numel)(x, axis=axis, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = sum_(x, axis=axis, keepdims=True, dtype=dtype)
        mean = _divide(np.ma.filled(total, 0) if masked else total, count)
        sums = []
        if order >= 2:
            deviation = x - mean if x.dtype.kind in "cO" else x.astype(mean.dtype, copy=False) - mean
            if conjugate and deviation.dtype.kind == "c":
                # Unlike the magnitude, NaN where either part is.
                deviation = np.sqrt(deviation.real**2 + deviation.imag**2)
            if skip_nan:
                # Only what is missing is left out: a deviation that is NaN since the mean is infinite counts.
                deviation = (np.ma.where if masked else np.where)(is_missing(x), deviation.dtype.type(0), deviation)
            power = deviation
            for _ in range(2, order + 1):
                power = power * deviation
                powers = np.sum(power, axis=axis, keepdims=True)
                sums.append(np.ma.filled(powers, 0) if masked else powers)
    return Moments(count, mean, sums, masked)


def _divide(total: Any, count: Any) -> Any:
    """A mean, with 0 where nothing was counted, so that empty blocks weigh nothing when moments are joined."""
    if getattr(total, "dtype", np.dtype(object)).kind == "O":
        return total / np.asarray(count, dtype=object)
    return total / np.maximum(count, 1)


def join_moments(nested: Any, conjugate: bool, **kwargs: Any) -> Moments:
    """`Moments` of all groups together, from those of each.

    With n_i elements of mean m_i, and m the joint mean, the p-th sum is the sum over i and q of
    C(p, q) (m_i - m)^(p - q) times the q-th sum of group i: the binomial expansion of (x - m_i + m_i - m)^p
    (Pebay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
    moments", Sandia report SAND2008-6212, 2008).
    """
    groups = list(flatten(nested))
    if len(groups) == 1:
        return groups[0]
    count = functools.reduce(np.add, [g.count for g in groups])
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = _divide(functools.reduce(np.add, [g.mean * g.count for g in groups]), count)
        shifts = [np.where(g.count == 0, 0, g.mean - mean) if _plain(mean) else g.mean - mean for g in groups]
        if conjugate:
            shifts = [np.abs(s) if np.dtype(s.dtype).kind == "c" else s for s in shifts]
        sums = []
        for order in range(2, len(groups[0].sums) + 2):
            terms = []
            for group, shift in zip(groups, shifts):
                parts = [group.count, 0, *group.sums]
                terms += [math.comb(order, q) * parts[q] * shift ** (order - q) for q in range(order + 1) if q != 1]
            sums.append(functools.reduce(np.add, terms))
    return Moments(count, mean, sums, any(g.masked for g in groups))


def _plain(x: Any) -> bool:
    return isinstance(x, (np.ndarray, np.generic)) and not isinstance(x, np.ma.MaskedArray)


def finish_moments(
    nested: Any,
    axis: tuple[int, ...],
    keepdims: bool,
    order: int,
    ddof: float,
    root: bool,
    dtype: Any,
    conjugate: bool,
) -> Any:
    """The mean (order 1), or the sum of that order divided by the count less `ddof`, in the result's dtype."""
    joint = join_moments(nested, conjugate)
    with np.errstate(divide="ignore", invalid="ignore"):
        if order == 0:
            result = np.ones_like(joint.mean, dtype=dtype)
        elif order == 1:
            result = np.where(joint.count == 0, np.nan, joint.mean) if _plain_float(joint.mean) else joint.mean
        else:
            divisor = np.maximum(joint.count - ddof, 0) if root or conjugate else joint.count - ddof
            result = joint.sums[order - 2] / divisor
        if root:
            result = np.sqrt(result) if result.dtype.kind != "O" else result**0.5
        if joint.masked:
            result = np.ma.masked_array(result, mask=joint.count - (ddof if order >= 2 else 0) <= 0)
        if not keepdims:
            result = drop_axes(result, axis)
        result = result.astype(dtype, copy=False) if hasattr(result, "astype") else np.asarray(result, dtype=dtype)
    return result


def _plain_float(x: Any) -> bool:
    return _plain(x) and x.dtype.kind in "fc"


def drop_axes(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` without axes of length 1."""
    return x[tuple(0 if a in axes else slice(None) for a in range(x.ndim))] if axes else x


# --- positions of extremes ------------------------------------------------------------------------------------------
class Located:
    """Extremes, and where in the whole array they were found."""

    __slots__ = ("position", "value")

    def __init__(self, value: Any, position: Any):
        self.value = value
        self.position = position

    @property
    def nbytes(self) -> int:
        """Bytes held, for the engine's memory account."""
        return self.value.nbytes + self.position.nbytes


def locate_in_block(
    x: Any, largest: bool, skip_nan: bool, axis: int | None, offset: tuple[int, ...], shape: tuple[int, ...]
) -> Any:
    """The extreme of a block with its position in the whole array, or None for an empty block.

    `offset` is where the block starts, `shape` is that of the whole array. With `axis` None positions are row-major.
    """
    if x.size == 0 and (axis is None or x.shape[axis] == 0):
        return None
    if isinstance(x, np.ma.MaskedArray):
        # NumPy's fill values lose against everything.
        x = x.filled((np.ma.maximum_fill_value if largest else np.ma.minimum_fill_value)(x))
    function = (np.nanargmax if skip_nan else np.argmax) if largest else (np.nanargmin if skip_nan else np.argmin)
    if skip_nan:
        # A slice of NaN alone is an error only if the whole is; it loses against any number.
        blank = is_missing(x).all(axis=axis, keepdims=True)
        if blank.any():
            x = np.where(blank, x.dtype.type(-np.inf if largest else np.inf), x) if x.dtype.kind == "f" else x
    else:
        blank = None
    if axis is None:
        found = np.asarray(function(x))
        value = np.asarray(x.reshape(-1)[int(found)])
        index = np.unravel_index(int(found), x.shape)
        position = np.asarray(np.ravel_multi_index([i + o for i, o in zip(index, offset)], shape) if shape else 0)
        value, position = value.reshape((1,) * x.ndim), position.reshape((1,) * x.ndim)
    else:
        found = np.expand_dims(np.asarray(function(x, axis=axis)), axis)
        value = np.take_along_axis(x, found, axis)
        position = found + offset[axis]
    if blank is not None:
        position = np.where(blank, -1, position)
    return Located(value, position.astype(np.intp))


def join_located(nested: Any, largest: bool, skip_nan: bool, **kwargs: Any) -> Any:
    """The extreme of several, the earliest position where values are equal; NaN wins unless it is skipped."""
    groups = [g for g in flatten(nested) if g is not None]
    if len(groups) <= 1:
        return groups[0] if groups else None
    values = np.stack([g.value for g in groups])
    positions = np.stack([g.position for g in groups])
    usable = positions >= 0
    if not skip_nan:
        missing = is_missing(values)
        usable &= missing | ~missing.any(axis=0)
    limit = np.iinfo(np.intp).max
    best = values[0]
    where = usable[0]
    for value, use in zip(values[1:], usable[1:]):
        better = use & (~where | ((value > best) if largest else (value < best)))
        best, where = np.where(better, value, best), where | use
    same = usable & ((values == best) | is_missing(values))
    position = np.where(same, positions, limit).min(axis=0)
    return Located(best, np.where(position == limit, -1, position).astype(np.intp))


def finish_located(nested: Any, axis: int | None, keepdims: bool, largest: bool, skip_nan: bool) -> Any:
    """The positions alone."""
    joint = join_located(nested, largest, skip_nan)
    if joint is None:
        raise ValueError(f"attempt to get {'argmax' if largest else 'argmin'} of an empty sequence")
    if (joint.position < 0).any():
        raise ValueError("All-NaN slice encountered")
    if keepdims:
        return joint.position
    return np.asarray(drop_axes(joint.position, tuple(range(joint.position.ndim)) if axis is None else (axis,)))
