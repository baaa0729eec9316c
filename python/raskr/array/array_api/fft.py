"""The standard's Fourier transforms: those of raskr.array.fft, of arrays in any blocks."""

from __future__ import annotations

import functools

import numpy as np

from raskr.array import fft as _fft
from raskr.array._apply import normalize_axis
from raskr.array.array_api._creation import check_device
from raskr.array.fft import fftshift, ifftshift

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip


def _whole(x, axes):
    """The array with one block along each of the axes, which a transform needs."""
    axes = [normalize_axis(axis, x.ndim) for axis in axes]
    return x.rechunk(dict.fromkeys(axes, -1)) if any(x.numblocks[axis] > 1 for axis in axes) else x


def _along_axis(transform):
    @functools.wraps(transform)
    def function(x, /, *, n=None, axis=-1, norm="backward"):
        return transform(_whole(x, (axis,)), n=n, axis=axis, norm=norm)

    return function


def _along_axes(transform):
    @functools.wraps(transform)
    def function(x, /, *, s=None, axes=None, norm="backward"):
        if axes is None:
            axes = tuple(range(x.ndim)) if s is None else tuple(range(x.ndim - len(s), x.ndim))
        return transform(_whole(x, axes), s=s, axes=axes, norm=norm)

    return function


fft = _along_axis(_fft.fft)
ifft = _along_axis(_fft.ifft)
rfft = _along_axis(_fft.rfft)
irfft = _along_axis(_fft.irfft)
hfft = _along_axis(_fft.hfft)
ihfft = _along_axis(_fft.ihfft)
fftn = _along_axes(_fft.fftn)
ifftn = _along_axes(_fft.ifftn)
rfftn = _along_axes(_fft.rfftn)
irfftn = _along_axes(_fft.irfftn)


def fftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of the elements of `fft`, for samples at a distance of `d`.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.fft.fftfreq(4).compute()
    array([ 0.  ,  0.25, -0.5 , -0.25])
    """
    check_device(device)
    return _fft.fftfreq(n, d=d).astype(np.float64 if dtype is None else dtype)


def rfftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of the elements of `rfft`, for samples at a distance of `d`.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.fft.rfftfreq(4).compute()
    array([0.  , 0.25, 0.5 ])
    """
    check_device(device)
    return _fft.rfftfreq(n, d=d).astype(np.float64 if dtype is None else dtype)


def __getattr__(name):
    """What NumPy has beyond the standard."""
    return getattr(_fft, name)
