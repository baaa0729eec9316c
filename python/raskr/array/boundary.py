"""What is put around an array before its blocks overlap: mirrored, periodic, nearest or constant edges."""

import numpy as np

from raskr.array.collection import Array, Expr
from raskr.array.joining import broadcast_to, concatenate
from raskr.array.utils import is_native_dtype


def _part(x, axis, part):
    return x[(slice(None),) * axis + (part,)]


def periodic(x, axis, depth):
    """The array with its own other end at both edges of an axis.

    Parameters
    ----------
    x : Array
        The array.
    axis, depth : int
        The axis, and how many elements are put at each edge.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.overlap.periodic(da.arange(4, chunks=2), 0, 1).compute()
    array([3, 0, 1, 2, 3, 0])
    """
    length = x.shape[axis]
    return concatenate([_part(x, axis, slice(length - depth, None)), x, _part(x, axis, slice(0, depth))], axis=axis)


def reflect(x, axis, depth):
    """The array with its mirrored edges (the outermost elements included) at both ends of an axis.

    Parameters
    ----------
    x : Array
        The array.
    axis, depth : int
        The axis, and how many elements are put at each edge.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.overlap.reflect(da.arange(4, chunks=2), 0, 2).compute()
    array([1, 0, 0, 1, 2, 3, 3, 2])
    """
    length = x.shape[axis]
    before = _part(_part(x, axis, slice(0, depth)), axis, slice(None, None, -1))
    after = _part(_part(x, axis, slice(length - depth, None)), axis, slice(None, None, -1))
    return concatenate([before, x, after], axis=axis)


def nearest(x, axis, depth):
    """The array with its outermost elements repeated at both ends of an axis.

    Parameters
    ----------
    x : Array
        The array.
    axis, depth : int
        The axis, and how many elements are put at each edge.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.overlap.nearest(da.arange(4, chunks=2), 0, 2).compute()
    array([0, 0, 0, 1, 2, 3, 3, 3])
    """
    length = x.shape[axis]
    shape = (*x.shape[:axis], depth, *x.shape[axis + 1 :])
    before = broadcast_to(_part(x, axis, slice(0, 1)), shape)
    after = broadcast_to(_part(x, axis, slice(length - 1, None)), shape)
    return concatenate([before, x, after], axis=axis)


def constant(x, axis, depth, value):
    """The array with a value at both ends of an axis.

    Parameters
    ----------
    x : Array
        The array.
    axis, depth : int
        The axis, and how many elements are put at each edge.
    value : number
        What the elements are.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.overlap.constant(da.arange(3, chunks=3), 0, 1, 9).compute()
    array([9, 0, 1, 2, 9])
    """
    chunks = tuple((depth,) if place == axis else sizes for place, sizes in enumerate(x.chunks))
    if x._expr.native and is_native_dtype(x.dtype):
        edge = Array(Expr.full(chunks, x.dtype, np.asarray(value).astype(x.dtype)[()]))
    else:
        edge = Array(x._expr.view([slice(0, 1)] * x.ndim), meta=x._foreign_meta)
        edge = edge.map_blocks(np.full_like, value, dtype=x.dtype, meta=x._meta)
        edge = broadcast_to(edge, tuple(sum(sizes) for sizes in chunks), chunks=chunks)
    return concatenate([edge, x, edge], axis=axis)


def boundaries(x, depth=None, kind=None):
    """The array with a boundary around it.

    Parameters
    ----------
    x : Array
        The array.
    depth : int, tuple or dict
        How many elements are put at the edges, for all axes or by axis.
    kind : str, number, tuple or dict
        'reflect', 'periodic', 'nearest', 'none' or a value, for all axes or by axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.overlap.boundaries(da.arange(3, chunks=3), 1, "nearest").compute()
    array([0, 0, 1, 2, 2])
    """
    from raskr.array.overlap import coerce_boundary, coerce_depth

    kind, depth = coerce_boundary(x.ndim, kind), coerce_depth(x.ndim, depth)
    for axis in range(x.ndim):
        size = depth[axis]
        if isinstance(size, tuple):
            size = max(size)
        if size == 0 or (isinstance(kind[axis], str) and kind[axis] == "none"):
            continue
        if isinstance(kind[axis], str):
            x = {"periodic": periodic, "reflect": reflect, "nearest": nearest}[kind[axis]](x, axis, size)
        else:
            x = constant(x, axis, size, kind[axis])
    return x
