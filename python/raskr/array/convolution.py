"""Sliding sums of products along one axis: convolution and correlation."""

from __future__ import annotations

from typing import Any

import numpy as np

from raskr.array._apply import Expr, call_quietly, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array, need_known_chunks
from raskr.array.utils import block_bounds, is_native_dtype

__all__ = ["convolve", "correlate"]

_MODES = ("full", "same", "valid")


def _line(x: Any, name: str) -> Array:
    from raskr.array.core import asanyarray

    x = asanyarray(x)
    if x.ndim > 1:
        raise ValueError(f"{name}: expected arrays of one axis, got one of {x.ndim} axes")
    x = x.reshape(1) if x.ndim == 0 else x
    need_known_chunks(x, name)
    return x


class _Part:
    """The elements of a full convolution that one block of the result holds, from the input that they depend on."""

    def __init__(self, cuts: list[tuple[int, int]]):
        # Where a block's elements start in the convolution of its own input, and how many there are.
        self.cuts = cuts

    def where(self, block: tuple[int, ...]) -> dict[str, Any]:
        return {"cut": self.cuts[block[0]]}

    def __call__(self, part: Any, kernel: Any, cut: tuple[int, int]) -> Any:
        start, count = cut
        if count == 0:
            return np.empty(0, dtype=np.result_type(part, kernel))
        return np.convolve(part, kernel)[start : start + count]


@like_numpy(np.convolve)
def convolve(a, v, mode="full"):
    """Sums of products of one array and the other one reversed, for every offset (or `mode`'s part of them).

    The shorter array is held as a whole; each block of the result is made of the elements of the longer one that it
    depends on.

    Raises
    ------
    ValueError
        When an array is empty or has more than one axis, or `mode` is none of "full", "same" and "valid".

    Examples
    --------
    >>> import raskr.array as da
    >>> da.convolve(da.arange(1, 5, chunks=2), [1, 1]).compute()
    array([1, 3, 5, 7, 4])
    """
    a, v = _line(a, "convolve"), _line(v, "convolve")
    if mode not in _MODES:
        raise ValueError(f"mode of a convolution must be one of 'full', 'same' and 'valid', not {mode!r}")
    if v.size > a.size:
        a, v = v, a
    if v.size == 0:
        raise ValueError(f"convolve: arrays cannot be empty, got lengths {a.size} and {v.size}")
    length, width = int(a.size), int(v.size)
    one = call_quietly(np.convolve, np.ones(1, a.dtype), np.ones(1, v.dtype))
    first, count = {"full": (0, length + width - 1), "same": ((width - 1) // 2, length)}.get(
        mode, (width - 1, length - width + 1)
    )
    # Blocks like those of the longer array: what is more than it has, or less, is so at its ends.
    bounds = block_bounds(a.chunks[0]).tolist()
    edges = sorted({min(max(bound, first), first + count) for bound in bounds[1:-1]} | {first, first + count})
    ranges, cuts = [], []
    for start, stop in zip(edges, edges[1:]):
        low, high = max(0, start - width + 1), min(length, stop)
        ranges.append((low, high))
        cuts.append((start - low, stop - start))
    call = _Part(cuts)
    expr = Expr.blockwise(
        call, (0,), [(a._expr.regions([ranges]), (0,)), (v._expr.node(), None)],
        (tuple(stop - start for start, stop in zip(edges, edges[1:])),), one.dtype,
        a._expr.native and is_native_dtype(one.dtype), per_block=call.where, label="convolve",
    )  # fmt: skip
    return wrap(expr, a._meta)


@like_numpy(np.correlate)
def correlate(a, v, mode="valid"):
    """Sums of products of one array and the conjugate of the other one, for every offset of `mode`.

    Raises
    ------
    ValueError
        When an array is empty or has more than one axis, or `mode` is none of "full", "same" and "valid".

    Examples
    --------
    >>> import raskr.array as da
    >>> da.correlate(da.arange(5, chunks=2), [1, 0, 2]).compute()
    array([ 4,  7, 10])
    """
    a, v = _line(a, "correlate"), _line(v, "correlate")
    if mode == "same" and v.size > a.size:
        # Offsets are counted from the longer array, and the result is turned round again.
        return _conj(convolve(v, _conj(a)[::-1], mode))[::-1]
    return convolve(a, _conj(v)[::-1], mode)


def _conj(x: Array) -> Array:
    from raskr.array.ufunc import conj

    return conj(x) if x.dtype.kind == "c" else x
