"""Sets and counts: unique elements, membership, bins, histograms, sorted search."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from raskr.array._apply import INTP, Expr, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array, need_known_chunks
from raskr.array.reduction_blocks import flatten
from raskr.array.reduction_tree import split_for, tree
from raskr.array.sorting import native_order, order_function
from raskr.array.utils import is_native_dtype


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


def _flat(x: Any) -> Array:
    x = _array(x)
    return x if x.ndim == 1 else x.reshape(-1)


def _sum_nested(nested: Any) -> Any:
    """The sum of arrays in nested lists."""
    return functools.reduce(np.add, flatten(nested))


# --- unique ---------------------------------------------------------------------------------------------------------
class _Starts:
    """Where each block of a one-dimensional array starts."""

    def __init__(self, sizes: tuple[int, ...]):
        self.starts = [0, *np.cumsum(sizes).tolist()]

    def __call__(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"start": self.starts[block[0]]}


def _unique_of_block(x: Any, start: int = 0) -> tuple[Any, Any, Any]:
    values, index, counts = np.unique(x, return_index=True, return_counts=True)
    return values, index + start, counts


def _join_unique(nested: Any) -> tuple[Any, Any, Any]:
    """Unique elements of several, with their first positions and counts added up."""
    parts = list(flatten(nested))
    if len(parts) == 1:
        return parts[0]
    values, first, inverse = np.unique(np.concatenate([v for v, _, _ in parts]), return_index=True, return_inverse=True)
    index = np.concatenate([i for _, i, _ in parts])
    counts = np.concatenate([c for _, _, c in parts])
    # Blocks are joined in order, so that the first that is met has the lowest position.
    return values, index[first], np.bincount(inverse.reshape(-1), weights=counts, minlength=len(values)).astype(INTP)


def _part(parts: Any, number: int) -> Any:
    return parts[number]


def _inverse_of_block(x: Any, parts: Any) -> Any:
    values = parts[0]
    found = np.searchsorted(values, x)
    if len(values) and values.dtype.kind in "fc" and values[-1] != values[-1]:
        found = np.where(x != x, len(values) - 1, found)
    return found.astype(INTP)


@like_numpy(np.unique)
def unique(ar, return_index=False, return_inverse=False, return_counts=False):
    """The unique elements in ascending order; how many is known once they are computed.

    With `return_index`, `return_inverse` or `return_counts`, a tuple with these as well.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.unique(da.asarray([3, 1, 3, 2])).compute()
    array([1, 2, 3])
    """
    x = _array(ar)
    if return_index:
        need_known_chunks(x, "unique with return_index")
    flat = _flat(x)
    native = native_order(x)
    starts = np.cumsum((0, *flat.chunks[0][:-1])).tolist() if return_index else []
    block: Any = _unique_of_block
    join: Any = _join_unique
    if native:
        block = order_function("unique_of_block", starts=starts, index=return_index, counts=return_counts)
        join = order_function("unique_of_parts")
    expr = tree(
        flat,
        (0,),
        block,
        join,
        join,
        keepdims=False,
        dtype=x.dtype,
        native=False,
        split_every=None,
        concatenate=False,
        per_block=_Starts(flat.chunks[0]) if return_index and not native else None,
        label="unique",
    )

    def pick(number: int, dtype: np.dtype[Any]) -> Array:
        known = is_native_dtype(dtype) and type(x._meta) is np.ndarray
        pick_part = order_function("part", number=number) if native else functools.partial(_part, number=number)
        part = Expr.blockwise(pick_part, (0,), [(expr, ())], ((math.nan,),), dtype, known, label="unique")
        return wrap(part, np.empty(0, dtype=dtype))

    results = [pick(0, x.dtype)]
    if return_index:
        results.append(pick(1, INTP))
    if return_inverse:
        inds = tuple(range(x.ndim))
        numbered = order_function("inverse") if native else _inverse_of_block
        inverse = Expr.blockwise(
            numbered, inds, [(x._expr, inds), (expr, ())], x.chunks, INTP, True, label="unique-inverse"
        )
        results.append(wrap(inverse))
    if return_counts:
        results.append(pick(2, INTP))
    return results[0] if len(results) == 1 else tuple(results)


@like_numpy(np.union1d)
def union1d(ar1, ar2):
    """The unique elements of two arrays together, in ascending order.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.union1d(da.asarray([1, 2]), da.asarray([2, 3])).compute()
    array([1, 2, 3])
    """
    from raskr.array.core import concatenate

    return unique(concatenate([_flat(ar1), _flat(ar2)]))


#: Elements that others are searched for in as a whole; of longer arrays one block at a time.
SEARCHED_MAX = 1 << 24


def _common_order(a: Array, b: Array) -> np.dtype[Any] | None:
    """The element type that both have the order of in the engine, None where NumPy has to compare them."""
    if not (native_order(a) and native_order(b)):
        return None
    if a.dtype == b.dtype:
        return a.dtype
    kinds = {a.dtype.kind, b.dtype.kind}
    # Large integers are not floats, and units of time are NumPy's business.
    if kinds & set("mM") or (kinds & set("iu") and kinds & set("fc")) or kinds == {"i", "u"}:
        exact = all(x.dtype.itemsize <= 4 for x in (a, b) if x.dtype.kind in "iu")
        if kinds & set("mM") or not exact:
            return None
    common = np.result_type(a.dtype, b.dtype)
    return common if is_native_dtype(common) else None


def _isin_of_block(element: Any, test: Any, assume_unique: bool) -> Any:
    found = np.isin(element, test, assume_unique=assume_unique)
    return found.reshape(np.shape(element) + (1,))


@like_numpy(np.isin)
def isin(element, test_elements, assume_unique=False, invert=False, *, kind=None):
    """Whether elements are among others. `kind` is accepted for likeness: elements are looked up in order.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.isin(da.arange(4, chunks=2), [1, 3]).compute()
    array([False,  True, False,  True])
    """
    x, test = _array(element), _flat(test_elements)
    inds = tuple(range(x.ndim))
    common = _common_order(x, test)
    if common is not None and not (test.size > SEARCHED_MAX and test.npartitions > 1):
        sorted_test = unique(test.astype(common))
        found = Expr.blockwise(
            order_function("isin", invert=bool(invert)), inds,
            [(x.astype(common)._expr, inds), (sorted_test._expr, (x.ndim,))], x.chunks, np.dtype(bool), True,
            concatenate=True, label="isin",
        )  # fmt: skip
        return wrap(found)
    expr = Expr.blockwise(
        _isin_of_block, (*inds, x.ndim), [(x._expr, inds), (test._expr, (x.ndim,))],
        (*x.chunks, (1,) * len(test.chunks[0])), np.dtype(bool), True,
        kwargs={"assume_unique": assume_unique}, label="isin",
    )  # fmt: skip
    result = wrap(expr)
    result = result[..., 0] if len(test.chunks[0]) == 1 else result.any(axis=-1)
    return ~result if invert else result


# --- bins -----------------------------------------------------------------------------------------------------------
@like_numpy(np.digitize)
def digitize(a, bins, right=False):
    """The number of the bin that each element belongs to.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.digitize(da.asarray([0.5, 2.5]), [0, 1, 2, 3]).compute()
    array([1, 3])
    """
    a = _array(a)
    if not isinstance(bins, Array):
        bins = np.asarray(bins)
        np.digitize(np.empty(0), bins, right=right)  # NumPy's own complaint, at once, about bins that are not sorted
    inds = tuple(range(a.ndim))
    if not isinstance(bins, Array) and bins.ndim == 1:
        rising = bins.size < 2 or bool(bins[0] <= bins[-1])
        line = _array(bins if rising else bins[::-1])
        if _common_order(a, line) is not None and line.size:
            places = searchsorted(line.rechunk(-1), a, side="left" if right else "right")
            return places if rising else len(bins) - places
    whole = bins._expr.node() if isinstance(bins, Array) else bins
    expr = Expr.blockwise(
        np.digitize,
        inds,
        [(a._expr, inds), (whole, None)],
        a.chunks,
        INTP,
        True,
        kwargs={"right": right},
        label="digitize",
    )
    return wrap(expr)


def _searchsorted_of_blocks(sorted_part: Any, values: Any, side: str, added_axis: bool) -> Any:
    places = np.asarray(np.searchsorted(sorted_part, values, side=side), dtype=INTP)
    return places[..., None] if added_axis else places


@like_numpy(np.searchsorted)
def searchsorted(a, v, side="left", sorter=None):
    """Where elements belong in a sorted array, which may have many blocks. A lazy `sorter` is not supported.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.searchsorted(da.arange(0, 10, 2, chunks=2), da.asarray([3, 8])).compute()
    array([2, 4])
    """
    if isinstance(sorter, Array):
        raise NotImplementedError("searchsorted with a lazy sorter: index the array with it first")
    if side not in ("left", "right"):
        raise ValueError(f"side of searchsorted must be 'left' or 'right', not {side!r}")
    a, v = _array(a), _array(v)
    if a.ndim != 1:
        raise ValueError(f"searchsorted takes a sorted array of one axis, not {a.ndim}")
    if sorter is not None:
        sorter = np.asarray(sorter)
        if sorter.dtype.kind not in "iu":
            raise TypeError("sorter must only contain integers")
        if sorter.shape != a.shape:
            raise ValueError(f"sorter.size must equal len(a): {sorter.size} for {a.shape[0]}")
        a = a[sorter]
    inds = tuple(range(v.ndim))
    common = _common_order(a, v)
    many = len(a.chunks[0]) > 1
    if common is not None:
        a, v = a.astype(common), v.astype(common)
        function: Any = order_function("searchsorted", side=side, added_axis=many)
    else:
        function = functools.partial(_searchsorted_of_blocks, side=side, added_axis=many)
    # The blocks of `a` are either an axis of the result or one block, which each block of `v` takes.
    extra = v.ndim if many else v.ndim + 1
    expr = Expr.blockwise(
        function, (*inds, v.ndim) if many else inds, [(a._expr, (extra,)), (v._expr, inds)],
        (*v.chunks, (1,) * len(a.chunks[0])) if many else v.chunks, INTP, True, concatenate=True, label="searchsorted",
    )  # fmt: skip
    # What comes before an element in the whole is what comes before it in each part.
    return wrap(expr).sum(axis=-1) if many else wrap(expr)


def _bincount_of_block(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    return np.bincount(x, weights=weights, minlength=minlength)


def _join_counts(nested: Any) -> Any:
    counts = list(flatten(nested))
    joint = np.zeros(max(len(c) for c in counts), dtype=counts[0].dtype)
    for part in counts:
        joint[: len(part)] += part
    return joint


@like_numpy(np.bincount)
def bincount(x, weights=None, minlength=0, split_every=None):
    """How often each number from 0 is there, or the weights that belong to it.

    Without `minlength`, the length of the result is known once it is computed; with it, no number may be as large.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.bincount(da.asarray([2, 1, 2]), minlength=4).compute()
    array([0, 1, 2, 0])
    """
    x = _array(x)
    if x.ndim != 1:
        raise ValueError(f"Input array must be one dimensional. Try using x.ravel(). It has {x.ndim} axes")
    if minlength is None or minlength < 0:
        raise ValueError(f"minlength must be 0 or more, not {minlength}")
    if weights is not None:
        weights = _array(weights)
        if weights.shape != x.shape:
            raise ValueError(f"weights of shape {weights.shape} do not fit an array of shape {x.shape}")
        weights = weights if weights.chunks == x.chunks else weights.rechunk(x.chunks)
    dtype = np.dtype(float) if weights is not None else INTP
    natively = x._expr.native and np.can_cast(x.dtype, np.int64) and x.dtype.kind in "biu"
    if natively and (weights is None or (weights._expr.native and weights.dtype.kind in "biuf")):
        return wrap(Expr.bincount(x._expr, None if weights is None else weights._expr, int(minlength), dtype))
    chunk = functools.partial(_bincount_of_block, minlength=int(minlength))
    expr = tree(
        x, (0,), chunk, _join_counts, _join_counts, keepdims=False, dtype=dtype, native=True,
        split_every=split_for(split_every, (0,)), concatenate=False, weights=weights,
        trailing=(int(minlength) if minlength else math.nan,), label="bincount",
    )  # fmt: skip
    return wrap(expr)


# --- histograms -----------------------------------------------------------------------------------------------------
def _is_lazy(x: Any) -> bool:
    return isinstance(x, Array) or hasattr(x, "__dask_graph__")


def _node(x: Any) -> Any:
    if isinstance(x, Array):
        return x._expr.node()
    if hasattr(x, "__dask_graph__"):
        from raskr.array.core import from_delayed

        return from_delayed(x, shape=(), dtype=float)._expr.node()
    return x


def _edges(count: Any, low: Any, high: Any) -> Any:
    return np.linspace(low, high, int(count) + 1)


def _pair(limits: Any) -> tuple[Any, Any]:
    if isinstance(limits, Array):
        if limits.shape != (2,):
            raise ValueError(f"range of a histogram is a pair (min, max), got an array of shape {limits.shape}")
        return limits[0], limits[1]
    if np.ndim(limits) == 0 if not isinstance(limits, (tuple, list)) else False:
        raise TypeError(f"range of a histogram is a pair (min, max), got {limits!r}")
    if len(limits) != 2 or (not any(map(_is_lazy, limits)) and np.ndim(limits) != 1):
        raise ValueError(f"range of a histogram is a pair (min, max), got {limits!r}")
    return limits[0], limits[1]


def _histogram_of_block(x: Any, weights: Any = None, *, edges: Any = None, bins: Any = None, limits: Any = None) -> Any:
    if edges is not None:
        return np.histogram(x, edges, weights=weights)[0]
    return np.histogram(x, bins, range=limits, weights=weights)[0]


class _WithEdges:
    """The histogram of a block, whose edges come as its first argument."""

    def __call__(self, edges: Any, x: Any, weights: Any = None) -> Any:
        return _histogram_of_block(x, weights, edges=edges)[None]


@like_numpy(np.histogram)
def histogram(a, bins=None, range=None, normed=False, weights=None, density=None):
    """How many elements fall into each bin, and the edges of the bins.

    `bins` is a number of bins, with `range`, or a sequence of edges. Either may be lazy; a lazy number of bins
    makes the length of the result unknown.

    Examples
    --------
    >>> import raskr.array as da
    >>> counts, edges = da.histogram(da.arange(10, chunks=4), bins=5, range=(0, 10))
    >>> counts.compute(), edges
    (array([2, 2, 2, 2, 2]), array([ 0.,  2.,  4.,  6.,  8., 10.]))
    """
    if normed:
        raise ValueError("normed is deprecated and gone from NumPy: use density=True")
    a = _array(a)
    if bins is None:
        raise ValueError("histogram needs bins: edges, or a number of bins and their range")
    scalar_bins = (bins.ndim == 0) if isinstance(bins, Array) else np.ndim(bins) == 0 if not _is_lazy(bins) else True
    if scalar_bins:
        if range is None:
            raise ValueError("histogram needs the range of a number of bins: looking for it would compute the array")
        low, high = _pair(range)
    elif len(bins.shape if isinstance(bins, Array) else np.shape(bins)) != 1:
        raise ValueError("bins of a histogram are a number of bins or edges along one axis")
    if density and scalar_bins and _is_lazy(bins):
        raise NotImplementedError("`bins` cannot be a scalar Dask object, nor one of raskr's, where density=True")
    if weights is not None:
        weights = _array(weights)
        if weights.shape != a.shape:
            raise ValueError(f"weights of shape {weights.shape} do not fit an array of shape {a.shape}")
        weights = weights if weights.chunks == a.chunks else weights.rechunk(a.chunks)
    trial = np.empty(0, dtype=a.dtype if a.dtype.kind in "biufc" else float)
    dtype = np.histogram(trial, 1, range=(0, 1), weights=None if weights is None else np.empty(0, weights.dtype))[
        0
    ].dtype

    lazy = _is_lazy(bins) or (scalar_bins and (_is_lazy(low) or _is_lazy(high)))
    if lazy and scalar_bins:
        count = math.nan if _is_lazy(bins) else operator.index(bins)
        edges: Any = wrap(
            Expr.blockwise(
                _edges, (0,), [(_node(bins), None), (_node(low), None), (_node(high), None)], ((count + 1,),),
                np.dtype(float), True, label="histogram-edges",
            )
        )  # fmt: skip
    elif lazy:
        edges, count = bins, bins.shape[0] - 1
    elif scalar_bins:
        edges = np.histogram_bin_edges(np.empty(0), bins, range=(low, high))
        count = operator.index(bins)
    else:
        edges, count = np.asarray(bins), len(bins) - 1
        np.histogram(np.empty(0), edges)  # NumPy's own complaint, at once, about edges that are not sorted
    if lazy:
        counts = _lazy_edges_histogram(a, edges, weights, count, dtype)
    else:
        natively = _counts_natively([a], weights)
        if natively and scalar_bins:
            # Edges as NumPy makes them for elements of this type, which it compares in that type.
            native_edges = np.histogram_bin_edges(np.empty(0, a.dtype), bins, range=(low, high))
        elif natively:
            native_edges = edges
        options = {"bins": operator.index(bins), "limits": (low, high)} if scalar_bins else {"edges": edges}
        if natively and _countable([native_edges]):
            counts = _counted([a], weights, [native_edges], dtype)
        else:
            counts = _summed(a, functools.partial(_histogram_of_block, **options), weights, (count,), dtype)
    if density:
        widths = np.diff(edges) if not isinstance(edges, Array) else edges[1:] - edges[:-1]
        counts = counts / widths / counts.sum()
    return counts, edges


def _counts_natively(samples: Sequence[Array], weights: Array | None) -> bool:
    """Does the engine count elements of these types?"""
    arrays = [*samples] if weights is None else [*samples, weights]
    return all(x._expr.native and x.dtype.kind in "iuf" for x in arrays)


def _countable(edges: Sequence[np.ndarray[Any, Any]]) -> bool:
    """Does the engine, which compares with edges in double precision, count what NumPy does?"""
    return all(e.dtype.kind in "iuf" and len(e) > 1 and bool(_is_double(e).all()) for e in edges)


#: Whole numbers below this are doubles, each of its own.
_WHOLE_DOUBLES = 2**53


def _is_double(edges: np.ndarray[Any, Any]) -> Any:
    """Which edges double precision tells from all other numbers of their type, and from NaN."""
    if edges.dtype.kind == "f":
        return ~np.isnan(edges)
    return (edges > -_WHOLE_DOUBLES) & (edges < _WHOLE_DOUBLES)


def _counted(
    samples: Sequence[Array], weights: Array | None, edges: Sequence[np.ndarray[Any, Any]], dtype: Any
) -> Array:
    """Counts by the engine."""
    weight = None if weights is None else weights._expr
    return wrap(Expr.histogram([x._expr for x in samples], weight, [e.astype(float).tolist() for e in edges], dtype))


def _summed(a: Array, chunk: Any, weights: Array | None, shape: tuple[float, ...], dtype: Any) -> Array:
    """Counts of blocks added up."""
    expr = tree(
        a, tuple(range(a.ndim)), chunk, _sum_nested, _sum_nested, keepdims=False, dtype=dtype, native=True,
        split_every=None, concatenate=False, weights=weights, trailing=shape, label="histogram",
    )  # fmt: skip
    return wrap(expr)


def _lazy_edges_histogram(a: Array, edges: Array, weights: Array | None, count: float, dtype: Any) -> Array:
    flat = _flat(a)
    args: list[tuple[Any, Any]] = [(edges._expr.node(), None), (flat._expr, (0,))]
    if weights is not None:
        args.append((_flat(weights).rechunk(flat.chunks)._expr, (0,)))
    chunks = ((1,) * len(flat.chunks[0]), (count,))
    expr = Expr.blockwise(_WithEdges(), (0, 1), args, chunks, dtype, True, label="histogram")
    return wrap(expr).sum(axis=0, dtype=dtype)


@like_numpy(np.histogram2d)
def histogram2d(x, y, bins=10, range=None, normed=None, weights=None, density=None):
    """How many pairs of coordinates fall into each rectangle, and the edges along both axes. See `histogramdd`.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.asarray([0.1, 0.6, 0.7])
    >>> counts, x_edges, y_edges = da.histogram2d(x, x, bins=2, range=((0, 1), (0, 1)))
    >>> counts.compute()
    array([[1., 0.],
           [0., 2.]])
    """
    counts, edges = histogramdd((x, y), bins=bins, range=range, normed=normed, weights=weights, density=density)
    return counts, edges[0], edges[1]


def _histogramdd_of_block(*blocks: Any, edges: Any, weighted: bool, columns: bool) -> Any:
    weights = blocks[-1] if weighted else None
    coordinates = blocks[:-1] if weighted else blocks
    sample = coordinates if not columns else coordinates[0]
    return np.histogramdd(sample, edges, weights=weights)[0][None]


@like_numpy(np.histogramdd)
def histogramdd(sample, bins, range=None, normed=None, weights=None, density=None):
    """How many points fall into each box, and the edges along each axis.

    `sample` is an array with a row for each point, chunked along its first axis only, or a sequence of coordinate
    arrays of equal chunks. Numbers of bins need `range`.

    Examples
    --------
    >>> import raskr.array as da
    >>> points = da.asarray([[0.1, 0.1], [0.6, 0.9]])
    >>> counts, edges = da.histogramdd(points, bins=2, range=((0, 1), (0, 1)))
    >>> counts.compute()
    array([[1., 0.],
           [0., 1.]])
    """
    if normed is not None:
        if density is not None:
            raise TypeError("Cannot specify both 'normed' and 'density': they mean the same")
        density = normed
    columns = isinstance(sample, Array) or isinstance(sample, np.ndarray)
    if columns:
        sample = _array(sample)
        if sample.ndim != 2:
            raise ValueError(
                f"Single array input to histogramdd should be columnar, a row for each point: got {sample.ndim} axes"
            )
        if len(sample.chunks[1]) > 1:
            raise ValueError(
                "Input array can only be chunked along the 0th axis, so that a row is in one block: got the chunks "
                f"{sample.chunks[1]} along axis 1"
            )
        coordinates, ndim = [sample], int(sample.shape[1])
    else:
        coordinates = [_array(x) for x in sample]
        ndim = len(coordinates)
        if any(x.ndim != 1 for x in coordinates):
            raise ValueError("histogramdd: coordinates must have one axis each")
        if any(x.chunks != coordinates[0].chunks for x in coordinates):
            raise ValueError(
                f"All coordinate arrays must be chunked identically. Got {[x.chunks[0] for x in coordinates]}"
            )
    along = coordinates[0].chunks[0]
    if weights is not None:
        weights = _array(weights)
        if weights.chunks != (along,):
            what = "Input array and weights" if columns else "Input arrays and weights"
            where = " along the first dimension" if columns else ""
            raise ValueError(
                f"{what} must have the same shape and chunk structure{where}. Got {(along,)} and {weights.chunks}"
            )
    edges = _edges_of_axes(bins, range, ndim)
    shape = tuple(len(e) - 1 for e in edges)
    if ndim and _counts_natively(coordinates, weights) and _countable(edges):
        samples = [sample[:, axis] for axis in np.arange(ndim).tolist()] if columns else coordinates
        counts = _counted(samples, weights, edges, np.dtype(float))
        return _with_density(counts, edges, density), [_array(e) for e in edges]
    args: list[tuple[Any, Any]] = [(x._expr, (0, ndim + 1) if columns else (0,)) for x in coordinates]
    if columns:
        args = [(coordinates[0]._expr, (0, ndim + 1))]
    if weights is not None:
        args.append((weights._expr, (0,)))
    expr = Expr.blockwise(
        functools.partial(_histogramdd_of_block, edges=edges, weighted=weights is not None, columns=columns),
        tuple(np.arange(ndim + 1).tolist()), args, ((1,) * len(along), *((n,) for n in shape)), np.dtype(float), True,
        concatenate=True, label="histogramdd",
    )  # fmt: skip
    return _with_density(wrap(expr).sum(axis=0), edges, density), [_array(e) for e in edges]


def _with_density(counts: Array, edges: Sequence[np.ndarray[Any, Any]], density: Any) -> Array:
    if not density:
        return counts
    widths = functools.reduce(np.multiply.outer, [np.diff(e) for e in edges])
    return counts / widths / counts.sum()


def _edges_of_axes(bins: Any, limits: Any, ndim: int) -> list[np.ndarray[Any, Any]]:
    if isinstance(bins, (int, np.integer)):
        bins = (bins,) * ndim
    if isinstance(bins, Array) or isinstance(limits, Array):
        raise TypeError("histogramdd takes bins and range that are computed already")
    if ndim == 2 and np.ndim(bins[0]) == 0 and len(bins) > 2:
        bins = (bins, bins)  # as NumPy has it for two coordinates: one sequence of edges for both
    if len(bins) != ndim:
        raise ValueError(
            "The dimension of bins must be equal to the dimension of the sample. "
            f"Got {len(bins)} for {ndim} coordinates"
        )
    if limits is not None:
        _check_limits(limits, ndim)
    edges = []
    for axis, part in enumerate(bins):
        if np.ndim(part):
            edges.append(np.asarray(part))
            continue
        if limits is None:
            raise ValueError("histogramdd needs the range of numbers of bins: looking for it would compute the arrays")
        low, high = limits[axis]
        edges.append(np.linspace(low, high, operator.index(part) + 1))
    return edges


def _check_limits(limits: Sequence[Any], ndim: int) -> None:
    if len(limits) != ndim:
        raise ValueError(
            "range argument requires one entry, a min max pair, per dimension. "
            f"Got {len(limits)} for {ndim} coordinates"
        )
    if any(np.ndim(pair) != 1 or len(pair) != 2 for pair in limits):
        raise ValueError(f"range argument should be a sequence of pairs (min, max), got {limits!r}")
