"""Unique elements of masked arrays and sets of them: masked elements count as one that is equal to itself only."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from raskr.array._apply import INTP, Expr, wrap
from raskr.array.collection import Array, need_known_chunks
from raskr.array.ma._blocks import like_masked, masked, masked_meta
from raskr.array.reduction_blocks import flatten
from raskr.array.reduction_tree import tree
from raskr.array.utils import block_bounds, has_unknown

__all__ = ["in1d", "intersect1d", "isin", "setdiff1d", "setxor1d", "union1d", "unique"]


class _Seen:
    """The unique elements of some blocks in order with their first positions, and that of the first masked one."""

    __slots__ = ("hidden", "positions", "values")

    def __init__(self, values: Any, positions: Any, hidden: int | None):
        self.values = values
        self.positions = positions
        self.hidden = hidden

    @property
    def nbytes(self) -> int:
        """Bytes held, for the engine's memory account."""
        return self.values.nbytes + self.positions.nbytes


class _Starts:
    """Where each block of a vector starts."""

    def __init__(self, sizes: tuple[int, ...]):
        self.starts = block_bounds(sizes)

    def __call__(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"start": int(self.starts[block[0]])}


def _seen_in_block(block: Any, start: int = 0) -> _Seen:
    mask = np.ma.getmaskarray(block)
    (shown,) = np.nonzero(~mask)
    values, first = np.unique(np.ma.getdata(block)[shown], return_index=True)
    return _Seen(values, shown[first] + start, int(np.argmax(mask)) + start if mask.any() else None)


def _join_seen(nested: Any) -> _Seen:
    parts = list(flatten(nested))
    if len(parts) == 1:
        return parts[0]
    values, first = np.unique(np.concatenate([p.values for p in parts]), return_index=True)
    hidden = [p.hidden for p in parts if p.hidden is not None]
    return _Seen(values, np.concatenate([p.positions for p in parts])[first], min(hidden, default=None))


def _unique_elements(seen: _Seen) -> Any:
    """The unique elements as a masked array, the masked one last."""
    values = np.ma.masked_array(seen.values)
    if seen.hidden is None:
        return values
    return np.ma.concatenate([values, np.ma.masked_all((1,), dtype=seen.values.dtype)]).astype(seen.values.dtype)


def _positions_of_elements(seen: _Seen) -> Any:
    last = [] if seen.hidden is None else [seen.hidden]
    return np.concatenate([seen.positions, np.asarray(last, dtype=INTP)]).astype(INTP)


def _numbers_of_block(block: Any, seen: _Seen) -> Any:
    data = np.ma.getdata(block)
    found = np.searchsorted(seen.values, data)
    if len(seen.values) and data.dtype.kind in "fc":
        found = np.where(data != data, len(seen.values) - 1, found)
    return np.where(np.ma.getmaskarray(block), len(seen.values), found).astype(INTP)


def _seen(x: Array) -> Expr:
    """All that is known of the unique elements of a vector, as one task."""
    known = not has_unknown(x.chunks)
    first = Expr.blockwise(
        _seen_in_block, (0,), [(x._expr, (0,))], ((1,) * x.numblocks[0],), np.dtype(object), False,
        per_block=_Starts(x.chunks[0]) if known else None, label="unique-block",
    )  # fmt: skip
    return tree(
        wrap(first, np.empty(0, dtype=object)), (0,), None, _join_seen, _join_seen, keepdims=True, dtype=object,
        native=False, split_every=None, concatenate=False, label="unique",
    )  # fmt: skip


def _of_seen(function: Any, *sources: Expr, dtype: Any, plain: bool = False) -> Array:
    """A vector of unknown length that `function` makes of what is known of unique elements."""
    call = functools.partial(_called_with_seen, function)
    args = [(source, (number + 1,)) for number, source in enumerate(sources)]
    expr = Expr.blockwise(call, (0,), args, ((math.nan,),), np.dtype(dtype), False, label="unique")
    return wrap(expr, np.empty(0, dtype=dtype) if plain else masked_meta(1, dtype))


def _called_with_seen(function: Any, *nested: Any) -> Any:
    return function(*(next(flatten(one)) for one in nested))


def _vector(x: Any) -> Array:
    x = masked(x)
    return x if x.ndim == 1 else x.reshape(-1)


@like_masked(np.ma.unique)
def unique(ar1, return_index=False, return_inverse=False):
    """The unique elements in ascending order, and one masked element behind them if there is any.

    How many there are is known once they are computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.unique(da.ma.masked_equal(da.asarray([3, 1, 3, 2]), 2)).compute()
    masked_array(data=[1, 3, --],
                 mask=[False, False,  True],
           fill_value=999999)
    """
    ar1 = masked(ar1)
    if return_index:
        need_known_chunks(ar1, "unique with return_index")
    flat = _vector(ar1)
    seen = _seen(flat)
    results = [_of_seen(_unique_elements, seen, dtype=flat.dtype)]
    if return_index:
        results.append(_of_seen(_positions_of_elements, seen, dtype=INTP, plain=True))
    if return_inverse:
        numbers = Expr.blockwise(
            _numbers_with_seen, (0,), [(flat._expr, (0,)), (seen, (1,))], flat.chunks, INTP, True, label="unique"
        )
        inverse = wrap(numbers)
        results.append(inverse if ar1.ndim == 1 else inverse.reshape(ar1.shape))
    return tuple(results) if len(results) > 1 else results[0]


def _numbers_with_seen(block: Any, nested: Any) -> Any:
    return _numbers_of_block(block, next(flatten(nested)))


# --- membership -------------------------------------------------------------------------------------------------------
def _members_of_block(invert: bool, block: Any, nested: Any) -> Any:
    seen = next(flatten(nested))
    found = np.isin(np.ma.getdata(block), seen.values)
    found = np.where(np.ma.getmaskarray(block), seen.hidden is not None, found)
    return ~found if invert else found


@like_masked(np.ma.isin)
def isin(element, test_elements, assume_unique=False, invert=False):
    """Whether each element is among others; a masked one is where there is a masked one among them.

    The result has no mask: NumPy masks some elements of it, by where they fall in a sort of both arrays.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.isin(da.ma.masked_equal(da.arange(4), 3), [0, 1]).compute()
    masked_array(data=[ True,  True, False, False],
                 mask=False,
           fill_value=True)
    """
    element = masked(element)
    inds = tuple(range(element.ndim))
    call = functools.partial(_members_of_block, bool(invert))
    args = [(element._expr, inds), (_seen(_vector(test_elements)), (element.ndim,))]
    expr = Expr.blockwise(call, inds, args, element.chunks, np.dtype(bool), True, label="isin")
    return masked(wrap(expr))


@like_masked(np.ma.in1d)
def in1d(ar1, ar2, assume_unique=False, invert=False):
    """Whether each element of a flattened array is among others: `isin` of a vector.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.in1d(da.ma.masked_equal(da.arange(4), 3), [0, 1]).compute()
    masked_array(data=[ True,  True, False, False],
                 mask=False,
           fill_value=True)
    """
    return isin(_vector(ar1), ar2, assume_unique=assume_unique, invert=invert)


# --- sets -------------------------------------------------------------------------------------------------------------
def _shared(a: _Seen, b: _Seen) -> Any:
    both = a.hidden is not None and b.hidden is not None
    return _unique_elements(_Seen(np.intersect1d(a.values, b.values), a.positions, 0 if both else None))


def _only_first(a: _Seen, b: _Seen) -> Any:
    hidden = a.hidden if b.hidden is None else None
    return _unique_elements(_Seen(np.setdiff1d(a.values, b.values), a.positions, hidden))


def _only_one(a: _Seen, b: _Seen) -> Any:
    one = (a.hidden is None) != (b.hidden is None)
    return _unique_elements(_Seen(np.setxor1d(a.values, b.values), a.positions, 0 if one else None))


def _either(a: _Seen, b: _Seen) -> Any:
    hidden = None if a.hidden is None and b.hidden is None else 0
    return _unique_elements(_Seen(np.union1d(a.values, b.values), a.positions, hidden))


def _set(function: Any, ar1: Any, ar2: Any, same_type: bool = False) -> Array:
    ar1, ar2 = _vector(ar1), _vector(ar2)
    dtype = ar1.dtype if same_type else np.result_type(ar1.dtype, ar2.dtype)
    return _of_seen(function, _seen(ar1), _seen(ar2), dtype=dtype)


@like_masked(np.ma.intersect1d)
def intersect1d(ar1, ar2, assume_unique=False):
    """The unique elements that two arrays share, in ascending order; a masked one where both have one.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.intersect1d(da.ma.masked_equal(da.arange(4), 3), [1, 2, 3]).compute()
    masked_array(data=[1, 2],
                 mask=False,
           fill_value=999999)
    """
    return _set(_shared, ar1, ar2)


@like_masked(np.ma.setdiff1d)
def setdiff1d(ar1, ar2, assume_unique=False):
    """The unique elements of one array that are not in another, in ascending order.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.setdiff1d(da.ma.masked_equal(da.arange(4), 3), [1, 2]).compute()
    masked_array(data=[0, --],
                 mask=[False,  True],
           fill_value=999999)
    """
    return _set(_only_first, ar1, ar2, same_type=True)


@like_masked(np.ma.setxor1d)
def setxor1d(ar1, ar2, assume_unique=False):
    """The unique elements that are in one of two arrays only, in ascending order.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.setxor1d(da.ma.masked_equal(da.arange(4), 3), [1, 2, 7]).compute()
    masked_array(data=[0, 7, --],
                 mask=[False, False,  True],
           fill_value=999999)
    """
    return _set(_only_one, ar1, ar2)


@like_masked(np.ma.union1d)
def union1d(ar1, ar2):
    """The unique elements of two arrays, in ascending order.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.union1d(da.ma.masked_equal(da.arange(3), 1), [1, 7]).compute()
    masked_array(data=[0, 1, 2, 7, --],
                 mask=[False, False, False, False,  True],
           fill_value=999999)
    """
    return _set(_either, ar1, ar2)
