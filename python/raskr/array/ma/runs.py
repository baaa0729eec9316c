"""Where masked arrays begin and end to be masked: questions whose answers are positions, computed at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from raskr.array.ma._blocks import lazy, like_masked, masked
from raskr.array.ma.masking import getmaskarray

__all__ = [
    "clump_masked", "clump_unmasked", "flatnotmasked_contiguous", "flatnotmasked_edges", "ids", "ndenumerate",
    "notmasked_contiguous", "notmasked_edges",
]  # fmt: skip


def _mask_alone(a: Any) -> Any:
    """The computed mask, on elements that take no memory."""
    mask = np.asarray(getmaskarray(lazy(a)).compute())
    return np.ma.masked_array(np.broadcast_to(np.uint8(0), mask.shape), mask=mask)


@like_masked(np.ma.clump_masked)
def clump_masked(a):
    """The runs of masked elements of a vector, as a list of slices. The mask is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.clump_masked(da.ma.masked_less(da.arange(4, chunks=2), 2))
    [slice(0, np.int64(2), None)]
    """
    return np.ma.clump_masked(_mask_alone(a))


@like_masked(np.ma.clump_unmasked)
def clump_unmasked(a):
    """The runs of elements of a vector that are not masked, as a list of slices. The mask is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.clump_unmasked(da.ma.masked_less(da.arange(4, chunks=2), 2))
    [slice(np.int64(2), 4, None)]
    """
    return np.ma.clump_unmasked(_mask_alone(a))


@like_masked(np.ma.flatnotmasked_contiguous)
def flatnotmasked_contiguous(a):
    """The runs of elements of the flattened array that are not masked, as a list of slices. The mask is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.flatnotmasked_contiguous(da.ma.masked_equal(da.arange(4, chunks=2), 2))
    [slice(0, 2, None), slice(3, 4, None)]
    """
    return np.ma.flatnotmasked_contiguous(_mask_alone(a))


@like_masked(np.ma.flatnotmasked_edges)
def flatnotmasked_edges(a):
    """The positions of the first and the last element of the flattened array that are not masked. The mask is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.flatnotmasked_edges(da.ma.masked_less(da.arange(4, chunks=2), 2))
    array([2, 3])
    """
    return np.ma.flatnotmasked_edges(_mask_alone(a))


@like_masked(np.ma.notmasked_contiguous)
def notmasked_contiguous(a, axis=None):
    """The runs of elements along an axis that are not masked, as lists of slices. The mask is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.notmasked_contiguous(da.ma.masked_equal(da.asarray([[0, 1], [2, 3]]), 2), axis=1)
    [[slice(0, 2, None)], [slice(1, 2, None)]]
    """
    return np.ma.notmasked_contiguous(_mask_alone(a), axis=axis)


@like_masked(np.ma.notmasked_edges)
def notmasked_edges(a, axis=None):
    """The positions of the first and the last elements along an axis that are not masked. The mask is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.notmasked_edges(da.ma.masked_equal(da.asarray([[0, 1], [2, 3]]), 2))
    array([0, 3])
    """
    return np.ma.notmasked_edges(_mask_alone(a), axis=axis)


def ndenumerate(a, compressed=True):
    """Positions and elements, one after another. The array is computed.

    Parameters
    ----------
    a : array_like
        The array.
    compressed : bool
        Whether masked elements are left out.

    Examples
    --------
    >>> import raskr.array as da
    >>> list(da.ma.ndenumerate(da.ma.masked_equal(da.arange(3), 1)))
    [((0,), np.int64(0)), ((2,), np.int64(2))]
    """
    yield from np.ma.ndenumerate(masked(a).compute(), compressed=compressed)


def ids(a):
    """Lazy arrays have no addresses in memory: this raises TypeError and says what to do.

    Parameters
    ----------
    a : array_like
        The array.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> len(np.ma.ids(da.ma.masked_equal(da.arange(3), 1).compute()))
    2
    """
    raise TypeError("ids: a lazy array has no address in memory; compute it first: numpy.ma.ids(x.compute())")
