"""Edges of histograms' bins."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from raskr.array._apply import Expr, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array

__all__ = ["histogram_bin_edges"]


def _edges_between(low: Any, high: Any, bins: int, dtype: Any) -> Any:
    ends = np.asarray([low, high], dtype=dtype)
    return np.histogram_bin_edges(ends, bins)


def _edges_of_all(a: Any, weights: Any, bins: str, limits: Any) -> Any:
    return np.histogram_bin_edges(a, bins, limits, weights)


@like_numpy(np.histogram_bin_edges)
def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The edges that a histogram's bins have.

    With a number of bins and no `range`, the edges lie between the least and the greatest element, which are found when
    the edges are computed. A rule's name (such as "auto") needs all elements in memory at once; the number of edges is
    known when they are computed.

    Returns
    -------
    Array
        The edges, along one axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.histogram_bin_edges(da.arange(9, chunks=3), bins=4).compute()
    array([0., 2., 4., 6., 8.])
    """
    from raskr.array.core import asanyarray

    x = a if isinstance(a, Array) else asanyarray(a)
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError("Automated estimation of the number of bins is not supported for weighted data")
        dtype = np.histogram_bin_edges(np.ones(1, x.dtype), 1).dtype
        expr = Expr.blockwise(
            _edges_of_all, (0,), [(x._expr.node(), None), (None, None)], ((math.nan,),), dtype, True,
            kwargs={"bins": bins, "limits": range}, label="histogram-edges",
        )  # fmt: skip
        return wrap(expr)
    if np.ndim(bins) == 0 and range is None and x.size != 0:
        count = operator.index(bins)
        if count < 1:
            raise ValueError(f"bins of a histogram must be a positive number of bins or edges, got {count}")
        dtype = np.histogram_bin_edges(np.ones(1, x.dtype), 1).dtype
        ends = (x.min()._expr.node(), None), (x.max()._expr.node(), None)
        expr = Expr.blockwise(
            _edges_between, (0,), list(ends), ((count + 1,),), dtype, True,
            kwargs={"bins": count, "dtype": x.dtype}, label="histogram-edges",
        )  # fmt: skip
        return wrap(expr)
    return asanyarray(np.histogram_bin_edges(np.empty(0, x.dtype), bins, range))
