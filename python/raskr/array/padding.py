"""Borders around arrays: `pad` with all of NumPy's modes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._apply import Expr, wrap
from raskr.array._docs import like_numpy
from raskr.array.chunk_sizes import normalize_chunks
from raskr.array.collection import Array

_OPTIONS = {
    "constant": {"constant_values": 0},
    "linear_ramp": {"end_values": 0},
    "maximum": {"stat_length": None},
    "mean": {"stat_length": None},
    "median": {"stat_length": None},
    "minimum": {"stat_length": None},
    "reflect": {"reflect_type": "even"},
    "symmetric": {"reflect_type": "even"},
    "edge": {},
    "empty": {},
    "wrap": {},
}


def _pairs(value: Any, ndim: int, what: str) -> list[tuple[Any, Any]]:
    """(before, after) for every axis, from the ways that NumPy lets them be written."""
    if isinstance(value, dict):
        pairs: list[tuple[Any, Any]] = [(0, 0)] * ndim
        for axis, entry in value.items():
            pairs[axis] = (entry, entry) if np.ndim(entry) == 0 else tuple(entry)
        return pairs
    array = np.asarray(value)
    try:
        array = np.broadcast_to(array, (ndim, 2))
    except ValueError as error:
        raise ValueError(f"{what} of shape {array.shape} does not give a pair for each of {ndim} axes") from error
    return [(before, after) for before, after in array]


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    pairs = _pairs(pad_width, ndim, "pad_width")
    if any(np.asarray(width).dtype.kind not in "iu" for pair in pairs for width in pair):
        raise TypeError("`pad_width` must be of integral type.")
    widths = [(int(before), int(after)) for before, after in pairs]
    if any(width < 0 for pair in widths for width in pair):
        raise ValueError(f"pad_width can't contain negative values: {widths}")
    return widths


def _along(axis: int, part: Any) -> tuple[Any, ...]:
    return (slice(None),) * axis + (part,)


def _border_chunks(x: Array, axis: int, width: int) -> tuple[tuple[int, ...], ...]:
    """Chunks of a border piece: like the array's, and along the axis no longer than its longest block."""
    longest = max(max(x.chunks[axis], default=1), 1)
    along = normalize_chunks((longest,), (width,))[0]
    return tuple(along if a == axis else sizes for a, sizes in enumerate(x.chunks))


def _source_positions(mode: str, width: int, length: int, before: bool) -> np.ndarray[Any, Any]:
    """For each element of a border, the position along the axis that it repeats."""
    positions = np.arange(-width, 0) if before else np.arange(length, length + width)
    if mode == "edge":
        return np.clip(positions, 0, length - 1)
    if mode == "wrap":
        return positions % length
    if mode == "symmetric":
        folded = positions % (2 * length)
        return np.where(folded >= length, 2 * length - 1 - folded, folded)
    if length == 1:
        return np.zeros_like(positions)
    folded = positions % (2 * (length - 1))
    return np.where(folded >= length, 2 * (length - 1) - folded, folded)


def _repeated(x: Array, axis: int, width: int, mode: str, before: bool) -> Array:
    positions = _source_positions(mode, width, int(x.shape[axis]), before).astype(np.int64)
    sizes = _border_chunks(x, axis, width)[axis]
    return wrap(x._expr.take(axis, positions, sizes), x._meta)


def _ramp_of_block(edge: Any, axis: int, width: int, end: Any, before: bool) -> Any:
    ramp = np.linspace(end, np.squeeze(edge, axis), num=width, endpoint=False, dtype=edge.dtype, axis=axis)
    return ramp if before else np.flip(ramp, axis)


def _ramp(x: Array, axis: int, width: int, end: Any, before: bool) -> Array:
    edge = x[_along(axis, slice(0, 1) if before else slice(-1, None))]
    inds = tuple(range(x.ndim))
    chunks = tuple((width,) if a == axis else sizes for a, sizes in enumerate(edge.chunks))
    make = functools.partial(_ramp_of_block, axis=axis, width=width, end=end, before=before)
    return wrap(
        Expr.blockwise(make, inds, [(edge._expr, inds)], chunks, x.dtype, x._expr.native, label="pad-ramp"), x._meta
    )


def _statistic(x: Array, axis: int, width: int, length: Any, mode: str, before: bool) -> Array:
    from raskr.array import reductions
    from raskr.array.core import broadcast_to
    from raskr.array.ufunc import rint

    size = int(x.shape[axis])
    length = size if length is None else min(int(length), size)
    if length < 1 and mode in ("maximum", "minimum"):
        raise ValueError("stat_length of 0 yields no value for padding")
    part = x[_along(axis, slice(0, length) if before else slice(size - length, size))]
    function = {"maximum": "max", "minimum": "min", "mean": "mean", "median": "median"}[mode]
    value = getattr(reductions, function)(part, axis=axis, keepdims=True)
    if value.dtype != x.dtype:
        value = (rint(value) if x.dtype.kind in "iu" else value).astype(x.dtype)
    chunks = _border_chunks(x, axis, width)
    shape = tuple(width if a == axis else n for a, n in enumerate(x.shape))
    value = value.rechunk(tuple((1,) if a == axis else sizes for a, sizes in enumerate(chunks)))
    return broadcast_to(value, shape, chunks=chunks)


def _constant(x: Array, axis: int, width: int, value: Any) -> Array:
    from raskr.array.creation import constant

    value = np.asarray(value).astype(x.dtype)[()]
    return constant(value, _border_chunks(x, axis, width), x.dtype, "pad")


def _pad_whole_axis(x: Array, axis: int, pair: tuple[int, int], mode: str, options: dict[str, Any]) -> Array:
    """NumPy's own padding of one axis, in blocks that hold that axis whole."""
    x = x.rechunk({axis: -1})
    inds = tuple(range(x.ndim))
    widths = [pair if a == axis else (0, 0) for a in inds]
    chunks = tuple((sizes[0] + sum(pair),) if a == axis else sizes for a, sizes in enumerate(x.chunks))
    expr = Expr.blockwise(
        np.pad, inds, [(x._expr, inds)], chunks, x.dtype, x._expr.native,
        kwargs={"pad_width": widths, "mode": mode, **options}, label="pad",
    )  # fmt: skip
    return wrap(expr, x._meta)


class _UserPadding:
    """Calls a user's padding function for every line along an axis."""

    def __init__(self, function: Callable[..., Any], axis: int, pair: tuple[int, int], options: dict[str, Any]):
        self.function = function
        self.axis = axis
        self.pair = pair
        self.options = options

    def _line(self, line: Any) -> Any:
        # NumPy takes the change in place, and ignores what the function returns.
        line = np.array(line)
        self.function(line, self.pair, self.axis, self.options)
        return line

    def __call__(self, block: Any) -> Any:
        return np.apply_along_axis(self._line, self.axis, block)


def _pad_by_function(
    x: Array, widths: list[tuple[int, int]], function: Callable[..., Any], options: dict[str, Any]
) -> Array:
    x = pad(x, widths, "constant")
    for axis, pair in enumerate(widths):
        x = x.rechunk({axis: -1})
        inds = tuple(range(x.ndim))
        call = _UserPadding(function, axis, pair, options)
        x = wrap(Expr.blockwise(call, inds, [(x._expr, inds)], x.chunks, x.dtype, x._expr.native, label="pad"), x._meta)
    return x


@like_numpy(np.pad)
def pad(array, pad_width, mode="constant", **kwargs):
    """Put a border around an array. Borders are blocks of their own, no longer than those of the array.

    All of NumPy's modes and padding functions are supported.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.pad(da.arange(4, chunks=2), (1, 2), mode="reflect").compute()
    array([1, 0, 1, 2, 3, 2, 1])
    """
    from raskr.array.core import asanyarray, concatenate

    x = asanyarray(array)
    widths = _widths(pad_width, x.ndim)
    if not callable(mode):
        if mode not in _OPTIONS:
            raise ValueError(f"mode '{mode}' is not supported: expected one of {sorted(_OPTIONS)} or a function")
        unknown = set(kwargs) - set(_OPTIONS[mode])
        if unknown:
            raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if not any(width for pair in widths for width in pair):
        return x
    if callable(mode):
        return _pad_by_function(x, widths, mode, kwargs)
    options = {**_OPTIONS[mode], **kwargs}
    values = options.get("constant_values", options.get("end_values"))
    if isinstance(values, Array):
        values = values.compute()
    ends = _pairs(values if values is not None else 0, x.ndim, "values")
    stat_length = options.get("stat_length")
    lengths = [(None, None)] * x.ndim if stat_length is None else _pairs(stat_length, x.ndim, "stat_length")
    repeated = mode in ("edge", "wrap", "reflect", "symmetric")
    for axis, pair in enumerate(widths):
        if not any(pair):
            continue
        if repeated and x.shape[axis] == 0:
            raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
        if options.get("reflect_type", "even") != "even":
            x = _pad_whole_axis(x, axis, pair, mode, options)
            continue
        pieces = [x]
        for before, width in zip((True, False), pair):
            side = 0 if before else 1
            if not width:
                continue
            if repeated:
                piece = _repeated(x, axis, width, mode, before)
            elif mode == "linear_ramp":
                piece = _ramp(x, axis, width, ends[axis][side], before)
            elif mode in ("constant", "empty"):
                piece = _constant(x, axis, width, ends[axis][side] if mode == "constant" else 0)
            else:
                piece = _statistic(x, axis, width, lengths[axis][side], mode, before)
            pieces.insert(0 if before else len(pieces), piece)
        x = concatenate(pieces, axis=axis)
    return x
