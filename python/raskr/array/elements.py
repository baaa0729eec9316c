"""The element type of an array: casts, and bytes read as another type."""

import numpy as np

from raskr.array.collection import Array, Expr, wrap
from raskr.array.utils import is_native_dtype, meta_from_array


def astype(x, dtype, **kwargs):
    """The array with its elements cast to another type; see `Array.astype`."""
    unknown = set(kwargs) - {"casting", "copy", "order", "subok"}
    if unknown:
        raise TypeError(
            f"astype does not take the following keyword arguments: {sorted(unknown)}; it takes casting, copy, "
            "order and subok"
        )
    casting = kwargs.get("casting", "unsafe")
    dtype = np.dtype(dtype)
    if x.dtype == dtype and x.dtype.metadata == dtype.metadata:
        return x
    if not np.can_cast(x.dtype, dtype, casting=casting):
        raise TypeError(f"Cannot cast array from {x.dtype!r} to {dtype!r} according to the rule {casting!r}")
    if x._expr.native and is_native_dtype(dtype) and _plain_cast(x.dtype, dtype):
        return Array(x._expr.astype(dtype))
    meta = x._meta.astype(dtype) if hasattr(x._meta, "astype") else np.empty((0,) * x.ndim, dtype=dtype)
    dtype = meta.dtype
    indices = tuple(range(x.ndim))
    native = type(meta) is np.ndarray and is_native_dtype(dtype)
    expr = Expr.blockwise(
        _cast_block,
        indices,
        [(x._expr, indices)],
        x.chunks,
        dtype,
        native,
        kwargs={"dtype": dtype, **kwargs},
        label="astype",
    )
    return wrap(expr, None if native else meta)


def _plain_cast(old, new):
    """Casts between times and numbers keep NumPy's own rules."""
    return (old.kind in "mM") == (new.kind in "mM") and (old.kind not in "mM" or old == new)


def _cast_block(block, dtype, **kwargs):
    return block.astype(dtype, **kwargs)


def view(x, dtype=None, order="C"):
    """The same bytes read as another element type; see `Array.view`."""
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    if order not in ("C", "F"):
        raise ValueError(f"order={order!r}: expected 'C' or 'F'")
    old, new = x.dtype.itemsize, dtype.itemsize
    chunks = list(x.chunks)
    if old != new:
        if x.ndim == 0:
            raise ValueError(f"view: an array without axes can't change its item size from {old} to {new} bytes")
        axis = x.ndim - 1 if order == "C" else 0
        scaled = []
        for size in chunks[axis]:
            if size == size and (size * old) % new:
                raise ValueError(
                    f"view: blocks of {size} items of {old} bytes along axis {axis} are no whole number of items of "
                    f"{new} bytes"
                )
            scaled.append(size * old // new if size == size else size)
        chunks[axis] = tuple(scaled)
    indices = tuple(range(x.ndim))
    native = x._expr.native and is_native_dtype(dtype)
    expr = Expr.blockwise(
        _view_block,
        indices,
        [(x._expr, indices)],
        tuple(chunks),
        dtype,
        native,
        kwargs={"dtype": dtype, "order": order},
        label="view",
    )
    return wrap(expr, None if native else meta_from_array(x._meta, dtype=dtype))


def _view_block(block, dtype, order):
    if order == "C":
        return np.ascontiguousarray(block).view(dtype) if block.dtype.itemsize != dtype.itemsize else block.view(dtype)
    return np.asfortranarray(block).T.view(dtype).T
