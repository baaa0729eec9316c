"""Empty examples of blocks (metas), native element types, axes: small questions that every module asks."""

import math
from numbers import Integral

import numpy as np

_NATIVE_KINDS = frozenset("biufcmM")
_NOT_NATIVE_CHARS = frozenset("gG")


def is_native_dtype(dtype):
    """Does the engine handle blocks of this element type by itself?"""
    if dtype.kind not in _NATIVE_KINDS or dtype.char in _NOT_NATIVE_CHARS or not dtype.isnative:
        return False
    if dtype.kind in "mM":
        unit = np.datetime_data(dtype)
        return unit[0] != "generic" and unit[1] == 1
    return dtype.fields is None and dtype.subdtype is None


def is_native_meta(meta):
    """Are blocks like this example plain NumPy arrays of a native element type?"""
    return type(meta) is np.ndarray and is_native_dtype(meta.dtype)


def has_regular_memory(x):
    """Are a plain array's elements aligned, and a whole number of them apart? Those of a record's fields need not be."""
    return x.flags.aligned and all(n <= 1 or not s % x.itemsize for n, s in zip(x.shape, x.strides) if x.itemsize)


def empty_like_block(ndim, dtype):
    """An empty NumPy array with this number of axes."""
    return np.empty((0,) * ndim, dtype=dtype)


def meta_from_array(x, ndim=None, dtype=None):
    """An empty array that stands for the type, element type and number of axes of blocks.

    Parameters
    ----------
    x : array, type or None
        The array to take after; None and classes mean NumPy arrays of float64.
    ndim : int, optional
        Number of axes, where another than that of `x`.
    dtype : dtype, optional
        Element type, where another than that of `x`.

    Returns
    -------
    array
        Of the type of `x`, with every axis of length 0. What is no array comes back as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from raskr.array.utils import meta_from_array
    >>> meta_from_array(np.ones((2, 3)), ndim=1)
    array([], dtype=float64)
    """
    if hasattr(x, "_expr") and hasattr(x, "_meta"):
        x = x._meta
    elif hasattr(x, "_meta") and hasattr(x, "__dask_graph__") and _is_arraylike(x):
        x = x._meta
    if dtype is None and x is None:
        raise ValueError("meta_from_array: give a meta or a dtype")
    if x is None or x is np.ndarray:
        return np.empty((0,) * (ndim or 0), dtype=dtype)
    if np.isscalar(x):
        if dtype is not None:
            return np.empty((0,) * (ndim or 0), dtype=dtype)
        return np.array(x) if isinstance(x, (str, bytes)) else x
    if isinstance(x, type):
        x = x(shape=(0,) * (ndim or 0), dtype=dtype)
    if isinstance(x, (list, tuple)):
        children = [meta_from_array(item) if hasattr(item, "dtype") else type(item) for item in x]
        kinds = [child.dtype if hasattr(child, "dtype") else child for child in children]
        x = np.empty((0,), dtype=np.result_type(*kinds) if kinds else float)
    if not hasattr(x, "shape") or not hasattr(x, "dtype") or not isinstance(x.shape, tuple):
        return x
    if ndim is None:
        ndim = x.ndim
    try:
        # The element of a masked array without axes would be no array.
        meta = x if x.ndim == 0 and isinstance(x, np.ma.MaskedArray) else x[(slice(0, 0),) * x.ndim]
        if type(meta) is np.ndarray and meta.base is not None and meta.ndim == ndim:
            meta = np.empty((0,) * ndim, dtype=x.dtype)
        if meta.ndim != ndim:
            if ndim > x.ndim:
                meta = meta[(Ellipsis,) + (None,) * (ndim - meta.ndim)]
                meta = meta[(slice(0, 0),) * meta.ndim]
            elif ndim == 0:
                meta = meta.sum()
            else:
                meta = meta.reshape((0,) * ndim)
        if meta is np.ma.masked:
            meta = np.ma.array(np.empty((0,) * ndim, dtype=dtype or x.dtype), mask=True)
    except Exception:
        meta = np.empty((0,) * ndim, dtype=dtype or x.dtype)
    if np.isscalar(meta):
        meta = np.array(meta)
    if dtype is not None and getattr(meta, "dtype", None) != dtype:
        try:
            if isinstance(meta, np.ma.MaskedArray) and meta.dtype.kind == "c" and np.dtype(dtype).kind != "c":
                meta = np.ma.masked_array(meta.data.real, fill_value=None)  # without NumPy's warning of a lost part
            meta = meta.astype(dtype)
        except (TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ValueError) and "object" not in str(error):
                meta = np.empty((0,) * ndim, dtype=dtype)
    return meta


def _is_arraylike(x):
    return hasattr(x, "shape") and hasattr(x, "dtype") and isinstance(x.shape, tuple)


def is_arraylike(x):
    """Has this object a shape, an element type, and the manners of an array?"""
    shape = getattr(x, "shape", None)
    return isinstance(shape, tuple) and hasattr(x, "dtype") and not isinstance(x, type)


def validate_axis(axis, ndim):
    """The axis or axes counted from the front; numpy's AxisError when there is none of that number."""
    if isinstance(axis, (tuple, list)):
        return tuple(validate_axis(one, ndim) for one in axis)
    if not isinstance(axis, Integral):
        raise TypeError(f"axis: expected an integer, got {type(axis).__name__} ({axis!r})")
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(int(axis), ndim)
    return int(axis) + ndim if axis < 0 else int(axis)


def is_unknown(size):
    """Is this length of a block or axis unknown (NaN)?"""
    return size != size


def same_nan(sizes):
    """The sizes with `numpy.nan` itself for what is unknown: tuples compare their entries by identity first."""
    return tuple(np.nan if size != size else size for size in sizes)


def has_unknown(chunks):
    """Is any length in these chunks unknown?"""
    return any(size != size for sizes in chunks for size in sizes)


def known_shape(array, what):
    """Complain when the shape is not known."""
    if any(size != size for size in array.shape):
        raise ValueError(unknown_text(array, what))


def unknown_text(array, what):
    """The message for an operation that needs the lengths of all blocks."""
    return (
        f"{what}: Arrays chunk sizes are unknown: {array.shape} (Array chunk size or shape is unknown).\n\n"
        "A possible solution: x.compute_chunk_sizes()"
    )


def compute_meta(function, dtype, *args, **kwargs):
    """What `function` gives for empty blocks, as a meta, or None when it can't be called with them."""
    from raskr.array.collection import Array

    metas = [meta_from_array(arg) if isinstance(arg, Array) else arg for arg in args]
    keywords = {name: meta_from_array(arg) if isinstance(arg, Array) else arg for name, arg in kwargs.items()}
    with np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                meta = function(*metas, **keywords)
            except Exception:
                return None
    if isinstance(meta, (tuple, list)) or meta is NotImplemented:
        return None
    if meta is None or not (hasattr(meta, "dtype") or np.isscalar(meta)):
        return None
    if np.isscalar(meta):
        meta = np.array(meta)
    if dtype is not None and getattr(meta, "dtype", None) != dtype and hasattr(meta, "astype"):
        meta = meta.astype(dtype)
    return meta


def block_bounds(sizes):
    """Where each block along an axis starts, and where the last one ends."""
    bounds = np.empty(len(sizes) + 1, dtype=np.int64)
    bounds[0] = 0
    np.cumsum(sizes, out=bounds[1:])
    return bounds


def blocks_of_elements(positions, sizes):
    """The number of the block that each position along an axis lies in."""
    return np.searchsorted(block_bounds(sizes)[1:], positions, side="right")


def product(numbers):
    """Their product, as Python's integers, or NaN."""
    return math.prod(numbers)


def __getattr__(name):
    # The comparison for tests is where Dask users look for it, but nothing else here needs arrays.
    if name == "assert_eq":
        from raskr.array.testing import assert_eq

        return assert_eq
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
