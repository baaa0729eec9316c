"""Exact percentiles of arrays in memory, by going through them twice: a sample brackets each percentile, then what lies below
is counted and what lies within is collected.

After R. W. Floyd and R. L. Rivest, "Expected time bounds for selection" (1975).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from raskr.array._apply import Expr, wrap
from raskr.array.collection import Array
from raskr.array.utils import is_native_dtype

#: Shorter arrays are cheaper to sort.
LEAST = 1 << 20
#: Each percentile goes through the array anew.
MOST_PERCENTILES = 16
SAMPLED = 1 << 16
#: Standard deviations of a percentile's rank in the sample, on either side: one in 10^15 is outside.
WIDTH = 8.0


def is_bracketed(a: Array, points: np.ndarray) -> bool:
    """Is this the cheapest way to these percentiles?"""
    return (
        a._expr.in_memory
        and a.dtype.kind in "iuf"
        and is_native_dtype(a.dtype)
        and a.size >= LEAST
        and 0 < points.size <= MOST_PERCENTILES
    )


def _brackets(sample: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """For each share of the whole two elements of a sample, between which the element of that rank lies."""
    values = np.sort(sample)
    last = len(values) - 1
    width = WIDTH * np.sqrt(last * shares * (1 - shares)) + WIDTH
    low = np.floor(last * shares - width).astype(np.intp)
    high = np.ceil(last * shares + width).astype(np.intp)
    # What lies beyond the sample's ends is found by extreme brackets.
    least, most = _extremes(values.dtype)
    below = np.where(low < 0, least, values[low.clip(0)])
    above = np.where(high > last, most, values[high.clip(max=last)])
    return np.stack([below, above])


def _extremes(dtype: np.dtype) -> tuple[Any, Any]:
    if dtype.kind == "f":
        return dtype.type(-np.inf), dtype.type(np.inf)
    limits = np.iinfo(dtype)
    return dtype.type(limits.min), dtype.type(limits.max)


def _chosen(has_nan: Any, *found: Any, ranks: np.ndarray, method: str, dtype: Any, scalar: bool) -> Any:
    """Percentiles from the numbers of elements below their brackets, and the elements within them."""
    below, within = found[: len(ranks)], found[len(ranks) :]
    results = np.empty(len(ranks), dtype=dtype)
    for number, rank in enumerate(ranks):
        if has_nan:
            results[number] = np.nan
            continue
        values = np.asarray(within[number])
        places = [int(place) - int(below[number]) for place in (np.floor(rank), np.ceil(rank))]
        low, high = np.partition(values, places)[places]
        share = rank - np.floor(rank)
        if method == "lower":
            results[number] = low
        elif method == "higher":
            results[number] = high
        elif method == "nearest":
            results[number] = low if np.round(rank) == np.floor(rank) else high
        else:
            share = 0.5 if method == "midpoint" and share else share
            low, high = (value.astype(dtype) for value in (low, high))
            results[number] = high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
    return results[0] if scalar else results


def bracketed(a: Array, points: np.ndarray, scalar: bool, method: str, dtype: Any) -> Array:
    """Exact percentiles of a one-dimensional array in memory, for which `is_bracketed` holds."""
    points = np.atleast_1d(points)
    shares = points / 100
    # Drawn anew for each length, but always alike.
    places = np.sort(np.random.default_rng(a.size).integers(0, a.size, SAMPLED))
    sample = a._expr.take(0, places, (SAMPLED,))
    brackets = wrap(
        Expr.blockwise(
            functools.partial(_brackets, shares=shares),
            (1, 2), [(sample, (0,))], ((2,), (len(shares),)), a.dtype, True,
            concatenate=True, label="percentile-brackets",
        ),
        a._meta,
    )  # fmt: skip
    lower, upper = brackets[0], brackets[1]
    below = [(a < lower[number]).sum() for number in range(len(shares))]
    within = [a[(a >= lower[number]) & (a <= upper[number])] for number in range(len(shares))]
    has_nan = (a != a).any() if a.dtype.kind == "f" else False
    expr = Expr.blockwise(
        functools.partial(_chosen, ranks=shares * (a.size - 1), method=method, dtype=dtype, scalar=scalar),
        () if scalar else (0,),
        [
            (has_nan._expr, ()) if isinstance(has_nan, Array) else (has_nan, None),
            *((count._expr, ()) for count in below),
            *((part._expr, (number + 1,)) for number, part in enumerate(within)),
        ],
        () if scalar else ((len(points),),),
        dtype,
        is_native_dtype(dtype),
        concatenate=True,
        label="percentile",
    )
    return wrap(expr, np.empty(0, dtype=dtype))
