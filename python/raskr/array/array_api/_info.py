"""What can be asked about the namespace."""

from __future__ import annotations

import numpy as np

from raskr.array.array_api._creation import check_device
from raskr.array.array_api._data_types import isdtype

_DTYPES = {
    name: np.dtype(name)
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
        "complex64", "complex128",
    )
}  # fmt: skip


class NamespaceInfo:
    """What the namespace can do, as `__array_namespace_info__` tells."""

    def capabilities(self):
        """Which optional parts of the standard there are, and how many axes an array may have.

        Examples
        --------
        >>> import raskr.array.array_api as xp
        >>> xp.__array_namespace_info__().capabilities()["boolean indexing"]
        True
        """
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 32}

    def default_device(self):
        """The device of arrays for which none is asked for."""
        return "cpu"

    def devices(self):
        """All devices."""
        return ["cpu"]

    def default_dtypes(self, *, device=None):
        """The types of arrays for which none is asked for, by kind.

        Examples
        --------
        >>> import raskr.array.array_api as xp
        >>> xp.__array_namespace_info__().default_dtypes()["integral"]
        dtype('int64')
        """
        check_device(device)
        return {
            "real floating": np.dtype(np.float64),
            "complex floating": np.dtype(np.complex128),
            "integral": np.dtype(np.intp),
            "indexing": np.dtype(np.intp),
        }

    def dtypes(self, *, device=None, kind=None):
        """The data types by name, all of them or those of a kind; kinds are those of `isdtype`.

        Examples
        --------
        >>> import raskr.array.array_api as xp
        >>> sorted(xp.__array_namespace_info__().dtypes(kind="real floating"))
        ['float32', 'float64']
        """
        check_device(device)
        if kind is None:
            return dict(_DTYPES)
        return {name: dtype for name, dtype in _DTYPES.items() if isdtype(dtype, kind)}


def __array_namespace_info__():
    """What the namespace can do: `capabilities`, `default_device`, `default_dtypes`, `devices` and `dtypes`.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.__array_namespace_info__().devices()
    ['cpu']
    """
    return NamespaceInfo()
