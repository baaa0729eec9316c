"""The order of axes."""

import numpy as np

from raskr.array.collection import Array, Expr


def transpose(a, axes=None):
    """The array with its axes in another order.

    Parameters
    ----------
    a : array_like
        The array.
    axes : sequence of int, optional
        Which of the axes of `a` becomes each axis of the result; reversed where it is left out.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.transpose(da.ones((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    from raskr.array.sources import asarray

    a = asarray(a)
    ndim = a.ndim
    if axes is None:
        axes = range(ndim - 1, -1, -1)
    else:
        axes = (axes,) if isinstance(axes, int) else tuple(axes)
        if len(axes) != ndim:
            raise ValueError(f"axes don't match array: {len(axes)} axes given ({axes}), the array has {ndim}")
        given, axes = axes, tuple(int(axis) + ndim if axis < 0 else int(axis) for axis in axes)
        if sorted(axes) != list(range(ndim)):
            raise ValueError(f"axes don't match array: expected each of 0..{ndim - 1} once, got {given}")
    axes = tuple(axes)
    if axes == tuple(range(ndim)):
        return a
    meta = a._foreign_meta
    if meta is not None and not hasattr(meta, "transpose"):
        places = tuple(range(ndim))
        expr = Expr.blockwise(
            np.transpose,
            [*axes],
            [(a._expr, places)],
            [a.chunks[axis] for axis in axes],
            a.dtype,
            False,
            {"axes": axes},
        )
        return Array(expr, meta=meta)
    return Array(a._expr.transpose(axes), meta=meta)
