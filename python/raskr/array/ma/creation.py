"""Masked arrays from shapes, functions and other arrays."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array import creation
from raskr.array.collection import Array
from raskr.array.ma._blocks import each, lazy, like_masked, masked
from raskr.array.ma.masking import masked_array

__all__ = [
    "arange", "array", "asanyarray", "asarray", "copy", "empty", "empty_like", "fromflex", "frombuffer", "fromfunction",
    "identity", "indices", "masked_all", "masked_all_like", "ones", "ones_like", "zeros", "zeros_like",
]  # fmt: skip


# --- from arrays ------------------------------------------------------------------------------------------------------
@like_masked(np.ma.array)
def array(
    data,
    dtype=None,
    copy=False,
    order=None,
    mask=np.ma.nomask,
    fill_value=None,
    keep_mask=True,
    hard_mask=False,
    shrink=True,
    subok=True,
    ndmin=0,
    chunks="auto",
):
    """A masked array from any array; masks that `data` has already are kept unless `keep_mask` is False.

    `copy`, `order`, `shrink` and `subok` are accepted for likeness.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.array([1, 2, 3], mask=[False, True, False]).compute()
    masked_array(data=[1, --, 3],
                 mask=[False,  True, False],
           fill_value=999999)
    """
    result = masked_array(
        data, mask=mask, fill_value=fill_value, dtype=dtype, chunks=chunks, keep_mask=keep_mask, hard_mask=hard_mask
    )
    return result[(None,) * (ndmin - result.ndim) + (...,)] if result.ndim < ndmin else result


@like_masked(np.ma.asarray)
def asarray(a, dtype=None):
    """The array with masked arrays for blocks, in an element type if one is given.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.asarray(da.arange(3)).compute()
    masked_array(data=[0, 1, 2],
                 mask=False,
           fill_value=999999)
    """
    a = masked(a)
    return a if dtype is None or a.dtype == np.dtype(dtype) else a.astype(dtype)


@like_masked(np.ma.asanyarray)
def asanyarray(a, dtype=None):
    """The array with masked arrays for blocks, in an element type if one is given.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.asanyarray([1, 2]).dtype
    dtype('int64')
    """
    return asarray(a, dtype)


def copy(a):
    """The same masked array as a new object.

    Parameters
    ----------
    a : array_like
        The array.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.copy(da.ma.masked_equal(da.arange(3), 1)).compute()
    masked_array(data=[0, --, 2],
                 mask=[False,  True, False],
           fill_value=1)
    """
    return masked(a).copy()


@like_masked(np.ma.fromflex)
def fromflex(fxarray):
    """A masked array from one of records with the fields `_data` and `_mask`.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> records = np.array([(1, False), (2, True)], dtype=[("_data", "i8"), ("_mask", "?")])
    >>> da.ma.fromflex(da.from_array(records)).compute()
    masked_array(data=[1, --],
                 mask=[False,  True],
           fill_value=999999)
    """
    fxarray = lazy(fxarray)
    if not {"_data", "_mask"} <= set(fxarray.dtype.names or ()):
        raise ValueError(f"fromflex takes records with the fields _data and _mask, not {fxarray.dtype}")
    return each(np.ma.fromflex, fxarray, dtype=fxarray.dtype["_data"], label="fromflex")


def frombuffer(buffer, dtype=float, count=-1, offset=0, chunks="auto"):
    """A masked array, with nothing masked, from the bytes of a buffer.

    Parameters
    ----------
    buffer : bytes-like
        Where the elements are.
    dtype : dtype
        Their type.
    count : int
        How many; all by default.
    offset : int
        How many bytes to pass over.
    chunks : int, tuple, dict or str
        How the array is cut.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.frombuffer(b"ab", dtype="u1").sum().compute()
    np.uint64(195)
    """
    from raskr.array.core import from_array

    return masked(from_array(np.frombuffer(buffer, dtype=dtype, count=count, offset=offset), chunks=chunks))


# --- from shapes ------------------------------------------------------------------------------------------------------
def _dressed(options: dict[str, Any], block: Any) -> Any:
    return np.ma.masked_array(block, **options)


def _created(x: Array, fill_value: Any, hardmask: bool) -> Array:
    call = functools.partial(_dressed, {"fill_value": fill_value, "hard_mask": hardmask})
    return each(call, x, dtype=x.dtype, label="masked")


def _maker(name: str, text: str, example: str, value: str) -> Callable[..., Array]:
    """A function of `raskr.array` that makes arrays, now with masked blocks."""

    def make(*args, fill_value=None, hardmask=False, **kwargs):
        return _created(getattr(creation, name)(*args, **kwargs), fill_value, hardmask)

    own = list(inspect.signature(getattr(creation, name)).parameters.values())
    further = [
        inspect.Parameter("fill_value", inspect.Parameter.KEYWORD_ONLY, default=None),
        inspect.Parameter("hardmask", inspect.Parameter.KEYWORD_ONLY, default=False),
    ]
    rest = [p for p in own if p.kind is p.VAR_KEYWORD]
    make.__signature__ = inspect.Signature([*(p for p in own if p not in rest), *further, *rest])
    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"""{text} In a masked array, where nothing is masked yet.

    Parameters
    ----------
    *args, **kwargs
        As for `raskr.array.{name}`, `chunks` among them.
    fill_value : scalar, optional
        What stands for masked elements where they are filled.
    hardmask : bool
        Whether assignment can't take masks away.

    Examples
    --------
    >>> import raskr.array as da
    >>> {example}
    {value}
    """
    return make


arange = _maker("arange", "Evenly spaced numbers in an interval.", "da.ma.arange(3).sum().compute()", "np.int64(3)")
empty = _maker("empty", "Meaningless elements.", "da.ma.empty((2, 3)).shape", "(2, 3)")
identity = _maker("identity", "The identity matrix.", "da.ma.identity(2).sum().compute()", "np.float64(2.0)")
indices = _maker("indices", "The positions in a grid.", "da.ma.indices((2, 2), chunks=2).shape", "(2, 2, 2)")
ones = _maker("ones", "Ones.", "da.ma.ones(3).sum().compute()", "np.float64(3.0)")
zeros = _maker("zeros", "Zeros.", "da.ma.zeros(3).sum().compute()", "np.float64(0.0)")


@like_masked(np.ma.fromfunction)
def fromfunction(function, shape, *, dtype=float, chunks="auto", **kwargs):
    """A masked array of what a function gives for the positions of elements; the function is called for each block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.fromfunction(lambda i, j: i + j, (2, 2)).compute()
    masked_array(
      data=[[0., 1.],
            [1., 2.]],
      mask=False,
      fill_value=1e+20)
    """
    from raskr.array.creation import fromfunction as plain_fromfunction

    return masked(plain_fromfunction(function, chunks=chunks, shape=shape, dtype=dtype, **kwargs))


@like_masked(np.ma.masked_all)
def masked_all(shape, dtype=float, chunks="auto"):
    """An array with all elements masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.masked_all(3, dtype=int).compute()
    masked_array(data=[--, --, --],
                 mask=[ True,  True,  True],
           fill_value=999999,
                dtype=int64)
    """
    from raskr.array.creation import zeros as plain_zeros

    return masked_array(plain_zeros(shape, dtype=dtype, chunks=chunks), mask=True)


@like_masked(np.ma.masked_all_like)
def masked_all_like(arr):
    """An array of the shape, chunks and type of another, with all elements masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.masked_all_like(da.arange(3)).compute()
    masked_array(data=[--, --, --],
                 mask=[ True,  True,  True],
           fill_value=999999,
                dtype=int64)
    """
    from raskr.array.creation import zeros as plain_zeros

    arr = lazy(arr)
    return masked_array(plain_zeros(arr.shape, dtype=arr.dtype, chunks=arr.chunks), mask=True)


# --- like another array ----------------------------------------------------------------------------------------------
def _like_block(function: Callable[..., Any], options: dict[str, Any], block: Any) -> Any:
    return function(block, **options)


def _like(name: str, a: Any, kwargs: dict[str, Any]) -> Array:
    a = lazy(a)
    dtype = np.dtype(kwargs.get("dtype") or a.dtype)
    call = functools.partial(_like_block, getattr(np.ma.core, name), kwargs)
    return each(call, a, dtype=dtype, label=name)


def ones_like(a, **kwargs):
    """Ones with the mask of an array.

    Parameters
    ----------
    a : array_like
        Where shape, mask and chunks come from.
    **kwargs
        Given to NumPy's function for each block, such as `dtype`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.ones_like(da.ma.masked_equal(da.arange(3), 1)).sum().compute()
    np.int64(2)
    """
    return _like("ones_like", a, kwargs)


def zeros_like(a, **kwargs):
    """Zeros with the mask of an array.

    Parameters
    ----------
    a : array_like
        Where shape, mask and chunks come from.
    **kwargs
        Given to NumPy's function for each block, such as `dtype`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.zeros_like(da.ma.masked_equal(da.arange(3), 1)).sum().compute()
    np.int64(0)
    """
    return _like("zeros_like", a, kwargs)


def empty_like(a, **kwargs):
    """Meaningless elements with the mask of an array.

    Parameters
    ----------
    a : array_like
        Where shape, mask and chunks come from.
    **kwargs
        Given to NumPy's function for each block, such as `dtype`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.empty_like(da.ma.masked_equal(da.arange(3), 1)).shape
    (3,)
    """
    return _like("empty_like", a, kwargs)
