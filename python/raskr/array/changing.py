"""Functions of NumPy's that change an array in place: here the lazy array stands for the changed one afterwards."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from raskr.array._apply import Expr, normalize_axis
from raskr.array._apply import wrap as wrap_expression
from raskr.array._docs import like_numpy
from raskr.array.assignment import _replace_where, _value
from raskr.array.collection import Array, need_known_chunks

__all__ = ["fill_diagonal", "put_along_axis"]


def changeable(a: Any, what: str) -> Array:
    """The array, or a complaint that only a lazy array can be changed here."""
    if not isinstance(a, Array):
        raise TypeError(f"{what} changes a raskr Array in place, not {type(a).__name__}: use numpy.{what} for others")
    return a


@like_numpy(np.fill_diagonal)
def fill_diagonal(a, val, wrap=False):
    """Put a value, or values one after another, on the main diagonal of a lazy array.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.zeros((3, 3), dtype=int, chunks=2)
    >>> da.fill_diagonal(x, [1, 2])
    >>> x.compute()
    array([[1, 0, 0],
           [0, 2, 0],
           [0, 0, 1]])
    """
    from raskr.array.creation import arange

    a = changeable(a, "fill_diagonal")
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    need_known_chunks(a, "fill_diagonal")
    rows, columns = int(a.shape[0]), int(a.shape[1])
    if a.ndim > 2 and len(set(a.shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    if 0 in a.shape:
        return

    def along(axis: int, values: Any) -> Array:
        return values[(None,) * axis + (slice(None),) + (None,) * (a.ndim - 1 - axis)]

    numbers = [along(axis, arange(sizes_total, chunks=(a.chunks[axis],))) for axis, sizes_total in enumerate(a.shape)]
    order = np.arange(rows)
    if a.ndim == 2 and wrap and rows > columns:
        # Element k of the diagonal is at the flat position k * (columns + 1): one in all rows but every (columns + 1)th.
        hits = (numbers[0] * columns + numbers[1]) % (columns + 1) == 0
        order = -(-order * columns // (columns + 1))
    else:
        hits = numbers[0] == numbers[1]
        for other in numbers[2:]:
            hits = hits & (numbers[0] == other)
    value = _value(a, val)
    if value.size == 0:
        raise ValueError("fill_diagonal needs a value, got an empty array")
    if value.size == 1:
        value = value.reshape(())
    else:
        value = along(0, value.reshape(-1)[order % int(value.size)])
    _replace_where(a, hits, value)


def _put_block(block: Any, indices: Any, values: Any, axis: int) -> Any:
    block = block.copy()
    np.put_along_axis(block, indices, values, axis)
    return block


@like_numpy(np.put_along_axis)
def put_along_axis(arr, indices, values, axis):
    """Put values at positions along an axis of a lazy array, other positions for each line.

    The axis is one block while that is done. Where a position is there twice, the last value stays.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.asarray([[10, 30, 20], [60, 40, 50]])
    >>> da.put_along_axis(x, da.argmax(x, axis=1)[:, None], 99, axis=1)
    >>> x.compute()
    array([[10, 99, 20],
           [99, 40, 50]])
    """
    from raskr.array.core import asanyarray
    from raskr.array.routines_products import aligned

    arr = changeable(arr, "put_along_axis")
    indices = indices if isinstance(indices, Array) else asanyarray(indices)
    values = values if isinstance(values, Array) else asanyarray(values)
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        need_known_chunks(arr, "put_along_axis")
        flat = arr.reshape(-1)
        put_along_axis(flat, indices, values, 0)
        arr._replace(flat.reshape(arr.shape).rechunk(arr.chunks))
        return
    axis = normalize_axis(axis, arr.ndim)
    if indices.ndim != arr.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    if values.ndim > indices.ndim:
        raise ValueError(f"values with {values.ndim} axes do not fit positions with {indices.ndim}")
    original = arr.chunks
    parts = []
    for fresh, x in enumerate((arr, indices, values)):
        own = axis - (arr.ndim - x.ndim)  # where the axis is in this array; values may lack it
        x = x if own < 0 or x.numblocks[own] == 1 else x.rechunk({own: -1})
        inds = [arr.ndim + fresh if n == axis and fresh else n for n in range(arr.ndim - x.ndim, arr.ndim)]
        parts.append((x, tuple(inds)))
    for n, length in enumerate(arr.shape):
        for x in (indices, values):
            own = n - (arr.ndim - x.ndim)
            if n != axis and own >= 0 and x.shape[own] not in (1, length):
                raise IndexError(
                    f"put_along_axis: positions or values of shape {x.shape} do not fit an array of shape {arr.shape}"
                )
    lined_up = aligned(*parts)
    expr = Expr.blockwise(
        functools.partial(_put_block, axis=axis), tuple(range(arr.ndim)),
        [(x._expr, inds) for x, (_, inds) in zip(lined_up, parts)], lined_up[0].chunks, arr.dtype, arr._expr.native,
        concatenate=True, label="put_along_axis",
    )  # fmt: skip
    changed = wrap_expression(expr, arr._meta)
    arr._replace(changed if changed.chunks == original else changed.rechunk(original))
