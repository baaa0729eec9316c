"""The registry of array types that may be the blocks of an `Array`."""

import numpy as np

_CHUNK_TYPES: set[type] = {np.ndarray, np.ma.MaskedArray}


def register_chunk_type(type):
    """Let arrays of a type be blocks, so that they give way to `Array` in operators and NumPy's functions.

    Parameters
    ----------
    type : type
        A class with `shape`, `dtype`, `ndim` and NumPy's protocols.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> class Labelled(np.lib.mixins.NDArrayOperatorsMixin):
    ...     pass
    >>> da.register_chunk_type(Labelled)
    """
    _CHUNK_TYPES.add(type)


def is_valid_chunk_type(type):
    """Can arrays of this type be blocks?"""
    if type in _CHUNK_TYPES:
        return True
    try:
        if issubclass(type, tuple(_CHUNK_TYPES)):
            return True
    except TypeError:
        return False
    for base in type.__mro__:
        if base.__module__.split(".")[0] in ("cupy", "cupyx", "sparse"):
            _CHUNK_TYPES.add(type)
            return True
        if base.__module__.startswith("scipy.sparse") and base.__name__ != "object":
            _CHUNK_TYPES.add(type)
            return True
    return False


def is_valid_array_type(type):
    """May arrays of this type meet an `Array` in an operation?"""
    from raskr.array.collection import Array

    return is_valid_chunk_type(type) or issubclass(type, Array)


def is_valid_array_chunk(array):
    """Is this an array that can be a block? None, which stands for no array, counts as one."""
    return array is None or is_valid_chunk_type(type(array))
