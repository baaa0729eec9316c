"""Discrete Fourier transforms along axes that are in one block."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._apply import Expr, call_quietly, normalize_axes, normalize_axis, wrap
from raskr.array._docs import compose, like_numpy
from raskr.array.collection import Array
from raskr.array.creation import arange
from raskr.array.utils import is_native_dtype

__all__ = [
    "fft", "fft2", "fft_wrap", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft",
    "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

_KINDS = frozenset(
    "fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn".split()
)  # fmt: skip


#: What the engine transforms by itself, in double precision. Single precision is left to NumPy, whose errors are a third
#: of the native transform's, about: programs compare small numbers.
_NATIVE = {getattr(np.fft, kind): kind for kind in _KINDS}


def _array(x: Any) -> Array:
    from raskr.array.core import asarray

    return x if isinstance(x, Array) else asarray(x)


class _Transform:
    """A transform of one block: a function of a known kind with its lengths, axes and scaling."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]):
        self.function = function
        self.options = options
        self.__name__ = function.__name__

    def __call__(self, block: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # said once, when the plan was made
            return self.function(block, **self.options)


def _lengths(kind: str, a: Array, given: Any, axes: tuple[int, ...]) -> dict[int, int]:
    """The length of each axis that a transform changes, in its result."""
    if given is None:
        sizes = [int(a.shape[axis]) for axis in axes]
        if kind.startswith(("irfft", "hfft")):
            sizes[-1] = 2 * (sizes[-1] - 1)
    else:
        sizes = [int(size) for size in given]
    if any(size < 1 for size in sizes):
        raise ValueError(f"Invalid number of data points ({sizes}) specified for {kind}.")
    if kind.startswith(("rfft", "ihfft")):
        sizes[-1] = sizes[-1] // 2 + 1
    return dict(zip(axes, sizes))


def _apply(
    function: Callable[..., Any], kind: str, a: Any, lengths: Any, axes: Any, options: dict[str, Any], dtype: Any
) -> Array:
    a = _array(a)
    one = not kind.endswith(("2", "n"))
    if one:
        numbers = (normalize_axis(axes, a.ndim),)
        given = None if lengths is None else (lengths,)
    else:
        if axes is None:
            count = a.ndim if lengths is None else len(lengths)
            numbers = tuple(range(a.ndim - count, a.ndim))
            if lengths is not None:
                warnings.warn(
                    "`axes` should not be `None` if `s` is not `None`, as in NumPy 2: give both",
                    DeprecationWarning,
                    stacklevel=3,
                )
        else:
            numbers = tuple(normalize_axis(number, a.ndim) for number in axes)
        given = lengths
        normalize_axes(numbers, a.ndim)  # an axis that is there twice
        if given is not None and len(given) != len(numbers):
            raise ValueError(f"{kind}: lengths {tuple(given)} and axes {numbers} must be as many")
    for axis in numbers:
        if a.numblocks[axis] > 1:
            raise ValueError(
                f"{kind} needs axis {axis} in one block, it has chunks {a.chunks[axis]}: use x.rechunk({{{axis}: -1}})"
            )
    sizes = _lengths(kind, a, given, numbers)
    call: dict[str, Any] = {"n": lengths, "axis": axes} if one else {"s": lengths, "axes": numbers}
    transform = _Transform(function, call | options)
    if dtype is None:
        sample = np.ones((2,) * a.ndim, dtype=a.dtype)
        dtype = call_quietly(function, sample, **({"axis": axes} if one else {"axes": numbers})).dtype
    if _NATIVE.get(function) == kind and np.dtype(dtype).char in "dD" and a._expr.native and numbers:
        return wrap(_native(kind, a, given, numbers, options.get("norm")))
    inds = tuple(range(a.ndim))
    chunks = tuple((sizes[axis],) if axis in sizes else own for axis, own in enumerate(a.chunks))
    native = a._expr.native and is_native_dtype(np.dtype(dtype))
    expr = Expr.blockwise(transform, inds, [(a._expr, inds)], chunks, np.dtype(dtype), native, label=kind)
    return wrap(expr, a._meta)


def _native(kind: str, a: Array, given: Any, numbers: tuple[int, ...], norm: Any) -> Expr:
    """The transform as steps of the engine: the axis whose length changes first when that halves it, last otherwise."""
    lengths = [int(n) for n in given] if given is not None else [int(a.shape[axis]) for axis in numbers]
    one = kind.rstrip("2n")
    if given is None and one in ("irfft", "hfft"):
        lengths[-1] = 2 * (lengths[-1] - 1)
    *others, last = zip(numbers, lengths)
    if one in ("rfft", "ihfft"):
        steps = [(one, *last), *(("fft", *other) for other in reversed(others))]
    elif one in ("irfft", "hfft"):
        steps = [*(("ifft", *other) for other in others), (one, *last)]
    else:
        steps = [(one, *each) for each in reversed([*others, last])]
    element = np.dtype(complex if a.dtype.kind == "c" or one in ("irfft", "hfft") else float)
    return a._expr.transform(steps, "backward" if norm is None else norm, element, kind)


def fft_wrap(fft_func, kind=None, dtype=None, allow_fftpack=False):
    """A lazy version of a Fourier transform of `numpy.fft` or another library with the same arguments.

    Parameters
    ----------
    fft_func : callable
        A function of one block.
    kind : str, optional
        Which of NumPy's transforms it is; by default that of its name.
    dtype : dtype, optional
        Element type of the result; by default what it gives for ones.
    allow_fftpack : bool
        Whether functions of `scipy.fftpack`, whose arguments are others, are accepted without a warning.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> transform = da.fft.fft_wrap(np.fft.rfft)
    >>> abs(transform(da.ones(4, chunks=-1))).compute()
    array([4., 0., 0.])
    """
    name = kind or getattr(fft_func, "__name__", "")
    if name.rstrip() not in _KINDS:
        raise ValueError(f"fft_wrap: {name!r} is not one of {sorted(_KINDS)}")
    legacy = getattr(fft_func, "__module__", "").startswith("scipy.fftpack")
    if legacy and not allow_fftpack:
        warnings.warn(
            f"{fft_func.__module__}.{name} does not match NumPy's API and is considered legacy: "
            "use numpy.fft or scipy.fft",
            FutureWarning,
            stacklevel=2,
        )

    def scaling(norm: Any) -> dict[str, Any]:
        return {} if norm is None else {"norm": norm}

    if name.endswith("2"):

        def transform(a, s=None, axes=(-2, -1), norm=None):
            return _apply(fft_func, name, a, s, (-2, -1) if axes is None else axes, scaling(norm), dtype)

    elif name.endswith("n"):

        def transform(a, s=None, axes=None, norm=None):
            return _apply(fft_func, name, a, s, axes, scaling(norm), dtype)

    else:

        def transform(a, n=None, axis=-1, norm=None):
            return _apply(fft_func, name, a, n, -1 if axis is None else axis, scaling(norm), dtype)

    transform.__name__ = transform.__qualname__ = name
    summary = (
        f"`{getattr(fft_func, '__module__', 'numpy.fft')}.{name}`, lazily.\n\n"
        "Axes that are transformed must be in one block: ``x.rechunk({axis: -1})``."
    )
    transform.__doc__ = compose(summary, fft_func, f"numpy.fft.{name}")
    return transform


fft = fft_wrap(np.fft.fft)
fft2 = fft_wrap(np.fft.fft2)
fftn = fft_wrap(np.fft.fftn)
ifft = fft_wrap(np.fft.ifft)
ifft2 = fft_wrap(np.fft.ifft2)
ifftn = fft_wrap(np.fft.ifftn)
rfft = fft_wrap(np.fft.rfft)
rfft2 = fft_wrap(np.fft.rfft2)
rfftn = fft_wrap(np.fft.rfftn)
irfft = fft_wrap(np.fft.irfft)
irfft2 = fft_wrap(np.fft.irfft2)
irfftn = fft_wrap(np.fft.irfftn)
hfft = fft_wrap(np.fft.hfft)
ihfft = fft_wrap(np.fft.ihfft)


@like_numpy(np.fft.fftfreq, name="numpy.fft.fftfreq")
def fftfreq(n, d=1.0, chunks="auto"):
    """The frequencies that the elements of a transform stand for.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.fft.fftfreq(4, 0.25).compute()
    array([ 0.,  1., -2., -1.])
    """
    from raskr.array.routines import where

    n = int(n)
    number = arange(n, dtype=float, chunks=chunks)
    return where(number < (n + 1) // 2, number, number - n) / (n * d)


@like_numpy(np.fft.rfftfreq, name="numpy.fft.rfftfreq")
def rfftfreq(n, d=1.0, chunks="auto"):
    """The frequencies that the elements of a transform of real numbers stand for.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.fft.rfftfreq(4, 0.25).compute()
    array([0., 1., 2.])
    """
    return arange(int(n) // 2 + 1, dtype=float, chunks=chunks) / (n * d)


def _shift(x: Any, axes: Any, inverse: bool) -> Array:
    from raskr.array.core import concatenate

    x = _array(x)
    result = x
    for axis in normalize_axes(axes, x.ndim):
        size = int(x.shape[axis])
        half = (size + 1) // 2 if not inverse else size // 2
        if size < 2:
            continue
        lead = (slice(None),) * axis
        parts = [result[(*lead, slice(half, None))], result[(*lead, slice(None, half))]]
        whole = len(x.chunks[axis]) == 1
        result = concatenate(parts, axis=axis)
        if whole:
            result = result.rechunk({axis: -1})
    return result


@like_numpy(np.fft.fftshift, name="numpy.fft.fftshift")
def fftshift(x, axes=None):
    """The elements with those of frequency 0 moved to the middle.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.fft.fftshift(da.arange(5, chunks=3)).compute()
    array([3, 4, 0, 1, 2])
    """
    return _shift(x, axes, inverse=False)


@like_numpy(np.fft.ifftshift, name="numpy.fft.ifftshift")
def ifftshift(x, axes=None):
    """The opposite of `fftshift`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.fft.ifftshift(da.arange(5, chunks=3)).compute()
    array([2, 3, 4, 0, 1])
    """
    return _shift(x, axes, inverse=True)
