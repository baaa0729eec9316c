"""The standard's functions that make arrays. Each takes `chunks` too, which the standard does not know."""

from __future__ import annotations

from typing import Any

import numpy as np

import raskr.array as da
from raskr.array.collection import Array

_FLOAT = np.dtype(np.float64)


def check_device(device: Any) -> None:
    """Blocks live in the main memory, or in files: there is no other device."""
    if device is not None and device != "cpu":
        raise ValueError(f"unsupported device {device!r}: expected 'cpu'")


def arange(start, /, stop=None, step=1, *, dtype=None, device=None, chunks="auto"):
    """Numbers in even steps, the last one left out.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.arange(1, 7, 2).compute()
    array([1, 3, 5])
    """
    check_device(device)
    start, stop = (0, start) if stop is None else (start, stop)
    return da.arange(start, stop, step, dtype=dtype, chunks=chunks)


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    """The input as an array.

    Parameters
    ----------
    obj : array_like
        Arrays, numbers, nested lists of these, or whatever speaks DLPack or the buffer protocol.
    dtype : dtype, optional
        The element type.
    device : {None, 'cpu'}
        Where the blocks shall be.
    copy : bool, optional
        True: what is written into the input afterwards is not seen. False: nothing may be copied. None: NumPy's arrays
        are not copied.

    Raises
    ------
    ValueError
        When a copy is needed but not allowed.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.asarray([1, 2], dtype=xp.float32).compute()
    array([1., 2.], dtype=float32)
    """
    check_device(device)
    if isinstance(obj, Array):
        if dtype is None or obj.dtype == np.dtype(dtype):
            return obj.copy() if copy else obj
        if copy is False:
            raise ValueError(f"asarray: from {obj.dtype} to {np.dtype(dtype)} needs a copy, and copy=False")
        return obj.astype(dtype)
    if hasattr(obj, "__dlpack__") and not hasattr(obj, "__array__"):
        obj = np.from_dlpack(obj)
    if isinstance(obj, np.ndarray):
        if copy is False and dtype is not None and obj.dtype != np.dtype(dtype):
            raise ValueError(f"asarray: from {obj.dtype} to {np.dtype(dtype)} needs a copy, and copy=False")
        return da.asarray(obj.copy() if copy else obj, dtype=dtype)
    if copy is False:
        raise ValueError(f"asarray: {type(obj).__name__} needs a copy, and copy=False")
    return da.asarray(obj, dtype=dtype)


def empty(shape, *, dtype=None, device=None, chunks="auto"):
    """An array whose elements mean nothing.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.empty((2, 3)).shape
    (2, 3)
    """
    check_device(device)
    return da.empty(shape, dtype=_FLOAT if dtype is None else dtype, chunks=chunks)


def empty_like(x, /, *, dtype=None, device=None, chunks=None, shape=None):
    """An array like another one, whose elements mean nothing.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.empty_like(xp.ones(3)).dtype
    dtype('float64')
    """
    check_device(device)
    return da.empty_like(x, dtype=dtype, chunks=chunks, shape=shape)


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None, chunks="auto"):
    """Ones along a diagonal, zeros elsewhere.

    Parameters
    ----------
    n_rows, n_cols : int
        The shape; square where `n_cols` is left out.
    k : int
        The diagonal: 0 for the main one, above it where it is positive.
    dtype : dtype, optional
        The element type; float64 where it is left out.
    device : {None, 'cpu'}
        Where the blocks shall be.
    chunks : int or tuple
        The lengths of blocks.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.eye(2, 3, k=1).compute()
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """
    check_device(device)
    n_cols = n_rows if n_cols is None else n_cols
    rows = da.arange(n_rows, chunks="auto")[:, np.newaxis]
    columns = da.arange(n_cols, chunks="auto")[np.newaxis, :]
    result = (columns - rows == k).astype(_FLOAT if dtype is None else dtype)
    return result if chunks == "auto" else result.rechunk(chunks)


def from_dlpack(x, /, *, device=None, copy=None):
    """The array that another library hands over by DLPack.

    Parameters
    ----------
    x : object
        With `__dlpack__` and `__dlpack_device__`.
    device : {None, 'cpu'}
        Where the blocks shall be.
    copy : bool, optional
        As in `asarray`.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array.array_api as xp
    >>> xp.from_dlpack(np.arange(3)).compute()
    array([0, 1, 2])
    """
    check_device(device)
    if isinstance(x, Array):
        return x.copy() if copy else x
    array = np.from_dlpack(x)
    return da.from_array(array.copy() if copy else array)


def full(shape, fill_value, *, dtype=None, device=None, chunks="auto"):
    """One value everywhere.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.full(2, 7).compute()
    array([7, 7])
    """
    check_device(device)
    return da.full(shape, fill_value, dtype=dtype, chunks=chunks)


def full_like(x, /, fill_value, *, dtype=None, device=None, chunks=None, shape=None):
    """One value everywhere, in an array like another one.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.full_like(xp.ones(2), 7).compute()
    array([7., 7.])
    """
    check_device(device)
    return da.full_like(x, fill_value, dtype=dtype, chunks=chunks, shape=shape)


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True, chunks="auto"):
    """So many numbers at even distances.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linspace(0, 1, 3).compute()
    array([0. , 0.5, 1. ])
    """
    check_device(device)
    return da.linspace(start, stop, num, endpoint=endpoint, dtype=dtype, chunks=chunks)


def ones(shape, *, dtype=None, device=None, chunks="auto"):
    """Ones everywhere.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.ones(2, dtype=xp.int8).compute()
    array([1, 1], dtype=int8)
    """
    check_device(device)
    return da.ones(shape, dtype=_FLOAT if dtype is None else dtype, chunks=chunks)


def ones_like(x, /, *, dtype=None, device=None, chunks=None, shape=None):
    """Ones everywhere, in an array like another one.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.ones_like(xp.arange(2)).compute()
    array([1, 1])
    """
    check_device(device)
    return da.ones_like(x, dtype=dtype, chunks=chunks, shape=shape)


def zeros(shape, *, dtype=None, device=None, chunks="auto"):
    """Zeros everywhere.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.zeros(2, dtype=xp.int8).compute()
    array([0, 0], dtype=int8)
    """
    check_device(device)
    return da.zeros(shape, dtype=_FLOAT if dtype is None else dtype, chunks=chunks)


def zeros_like(x, /, *, dtype=None, device=None, chunks=None, shape=None):
    """Zeros everywhere, in an array like another one.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.zeros_like(xp.arange(2)).compute()
    array([0, 0])
    """
    check_device(device)
    return da.zeros_like(x, dtype=dtype, chunks=chunks, shape=shape)
