"""Functions whose arguments in the standard are not those of Dask's functions."""

from __future__ import annotations

import numpy as np

import raskr.array as da
from raskr.array._apply import normalize_axis


def std(x, /, *, axis=None, correction=0.0, keepdims=False, **options):
    """The standard deviation; the divisor is the number of elements minus `correction`. NumPy's `ddof` and
    `dtype` are taken too.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> float(xp.std(xp.asarray([1.0, 3.0]), correction=1.0)) == 2**0.5
    True
    """
    return da.std(x, axis=axis, keepdims=keepdims, **{"ddof": correction, **options})


def var(x, /, *, axis=None, correction=0.0, keepdims=False, **options):
    """The variance; the divisor is the number of elements minus `correction`. NumPy's `ddof` and
    `dtype` are taken too.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> float(xp.var(xp.asarray([1.0, 3.0]), correction=1.0))
    2.0
    """
    return da.var(x, axis=axis, keepdims=keepdims, **{"ddof": correction, **options})


def sort(x, /, *, axis=-1, descending=False, stable=True):
    """The elements in order along an axis.

    Parameters
    ----------
    x : Array
        The array.
    axis : int
        The axis.
    descending : bool
        From the greatest to the least.
    stable : bool
        Whether equal elements keep their order.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.sort(xp.asarray([2, 3, 1]), descending=True).compute()
    array([3, 2, 1])
    """
    ordered = da.sort(x, axis=axis, kind="stable" if stable else None)
    return da.flip(ordered, axis=axis) if descending else ordered


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """The positions that put the elements in order along an axis.

    Parameters
    ----------
    x : Array
        The array.
    axis : int
        The axis.
    descending : bool
        From the greatest to the least.
    stable : bool
        Whether equal elements keep their order, also when it is descending.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.argsort(xp.asarray([2, 3, 1]), descending=True).compute()
    array([1, 0, 2])
    """
    kind = "stable" if stable else None
    if not descending:
        return da.argsort(x, axis=axis, kind=kind)
    # Backwards twice, so that equal elements stay in order.
    order = da.flip(da.argsort(da.flip(x, axis=axis), axis=axis, kind=kind), axis=axis)
    return x.shape[normalize_axis(axis, x.ndim)] - 1 - order


def reshape(x, /, shape, *, copy=None):
    """The same elements, in row-major order, in another shape.

    Parameters
    ----------
    x : Array
        The array.
    shape : tuple of int
        The shape; one length may be -1.
    copy : bool, optional
        Accepted, since lazy arrays don't share what can be written to.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.reshape(xp.arange(4), (2, 2)).compute()
    array([[0, 1],
           [2, 3]])
    """
    return da.reshape(x, shape)


def repeat(x, repeats, /, *, axis=None):
    """Each element several times.

    Parameters
    ----------
    x : Array
        The array; flattened where no axis is given.
    repeats : int or Array
        How often: the same number for all, or one for each place along the axis. An array of numbers is computed at
        once, since the shape depends on it.
    axis : int, optional
        The axis.

    Raises
    ------
    ValueError
        When a number is negative, or there are not as many as the axis is long.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.repeat(xp.asarray([5, 6, 7]), xp.asarray([2, 0, 1])).compute()
    array([5, 5, 7])
    """
    if axis is None:
        x, axis = da.reshape(x, (-1,)), 0
    counts = np.asarray(repeats)
    if counts.ndim == 0 or counts.size == 1:
        return da.repeat(x, int(counts.reshape(())), axis=axis)
    length = x.shape[normalize_axis(axis, x.ndim)]
    if counts.shape != (length,):
        raise ValueError(f"repeat: expected {length} numbers of repeats for axis {axis}, got shape {counts.shape}")
    return da.take(x, np.repeat(np.arange(length), counts), axis=axis)


def take(x, indices, /, *, axis=None):
    """The elements at positions along an axis, which may be left out where there is one only.

    Raises
    ------
    ValueError
        When the axis is left out and there are several.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.take(xp.asarray([5, 6, 7]), xp.asarray([2, 0])).compute()
    array([7, 5])
    """
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: axis must be given for an array of {x.ndim} axes")
        axis = 0
    return da.take(x, indices, axis=axis)
