"""The standard's functions of data types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


@dataclass(frozen=True)
class FloatInfo:
    """The limits of a type of floating-point numbers."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class IntegerInfo:
    """The limits of a type of integers."""

    bits: int
    max: int
    min: int
    dtype: np.dtype[Any]


def _dtype_of(value: Any) -> np.dtype[Any]:
    return np.dtype(value if isinstance(value, type) else getattr(value, "dtype", value))


def astype(x, dtype, /, *, copy=True, device=None):
    """The array with its elements cast to another type.

    Parameters
    ----------
    x : Array
        The array.
    dtype : dtype
        The element type.
    copy : bool
        Whether the result is another object even where the type stays.
    device : {None, 'cpu'}
        Where the blocks shall be.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.astype(xp.asarray([1.5, 2.5]), xp.int64).compute()
    array([1, 2])
    """
    from raskr.array.array_api._creation import check_device

    check_device(device)
    if x.dtype == np.dtype(dtype):
        return x.copy() if copy else x
    return x.astype(dtype)


def can_cast(from_, to, /):
    """Can elements of one type, or of an array, be cast to another without a loss?

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.can_cast(xp.int8, xp.int16), xp.can_cast(xp.float64, xp.float32)
    (True, False)
    """
    return bool(np.can_cast(_dtype_of(from_), np.dtype(to)))


def finfo(type, /):
    """The limits of a floating-point type, or of the parts of a complex one.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.finfo(xp.float32).bits
    32
    """
    info = np.finfo(_dtype_of(type))
    return FloatInfo(
        bits=info.bits,
        eps=float(info.eps),
        max=float(info.max),
        min=float(info.min),
        smallest_normal=float(info.smallest_normal),
        dtype=np.dtype(info.dtype),
    )


def iinfo(type, /):
    """The limits of an integer type.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.iinfo(xp.int8).max
    127
    """
    info = np.iinfo(_dtype_of(type))
    return IntegerInfo(bits=info.bits, max=int(info.max), min=int(info.min), dtype=np.dtype(info.dtype))


def isdtype(dtype, kind):
    """Is a data type of a kind?

    Parameters
    ----------
    dtype : dtype
        The type.
    kind : dtype, str, or tuple of these
        Another type; or 'bool', 'signed integer', 'unsigned integer', 'integral', 'real floating', 'complex floating'
        or 'numeric'. Of several, one must fit.

    Raises
    ------
    ValueError
        When a word is none of these.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.isdtype(xp.float32, "real floating"), xp.isdtype(xp.float32, ("bool", "integral"))
    (True, False)
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ValueError(f"unrecognized data type kind {kind!r}: expected one of {', '.join(map(repr, _KINDS))}")
        return np.dtype(dtype).kind in _KINDS[kind]
    return np.dtype(dtype) == np.dtype(kind)
