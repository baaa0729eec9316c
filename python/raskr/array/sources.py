"""Arrays from what holds data: NumPy arrays, objects with `__getitem__`, delayed values, task graphs."""

import os
import uuid
from contextlib import contextmanager
from functools import partial

import numpy as np

from raskr.array.chunk_sizes import normalize_chunks
from raskr.array.collection import Array, Expr, wrap
from raskr.array.utils import block_bounds, has_regular_memory, is_arraylike, is_native_meta, meta_from_array
from raskr.base import is_dask_collection, tokenize
from raskr.utils import SerializableLock


def from_array(
    x, chunks="auto", name=None, lock=False, asarray=None, fancy=True, getitem=None, meta=None, inline_array=False
):
    """An array over an object that holds the data.

    Parameters
    ----------
    x : array_like
        A NumPy array (not copied), or any object with `shape`, `dtype` and `__getitem__` by slices, such as a dataset
        of
        an open HDF5 file; lists and numbers are made into NumPy arrays.
    chunks : int, tuple, dict or str
        The lengths of blocks, see `normalize_chunks`; 'auto' keeps to the object's own chunks.
    name : str or bool, optional
        The first part of the blocks' keys; False for a random one, True or None for one made from the contents.
    lock : bool or Lock
        A lock to hold while reading a block; True makes one.
    asarray : bool, optional
        Whether each block read goes through `numpy.asarray`; by default, unless the object knows NumPy's protocols.
    fancy : bool
        Accepted for likeness: only slices are read from the object.
    getitem : callable, optional
        `getitem(x, slices)` in place of `x[slices]`.
    meta : array, optional
        An empty example of the blocks.
    inline_array : bool
        Accepted for likeness: the object is held once in either case.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.from_array(np.arange(10), chunks=5)
    >>> x.sum().compute()
    np.int64(45)
    """
    if isinstance(x, Array):
        raise ValueError("Array is already a raskr array. Use 'asarray' or 'rechunk' instead.")
    if is_dask_collection(x):
        import warnings

        warnings.warn(
            "Passing an object to raskr.array.from_array which is already a lazy collection. This can lead to "
            "unexpected behavior.",
            stacklevel=2,
        )
    if isinstance(x, (list, tuple, memoryview, *np.ScalarType)):
        x = np.array(x)
    if not hasattr(x, "shape") or not hasattr(x, "dtype"):
        raise TypeError(f"from_array: expected an object with shape and dtype, got {type(x).__name__}")
    if asarray is None:
        asarray = not hasattr(x, "__array_function__") and not _known_array(type(x))
    previous = getattr(x, "shards", None) or getattr(x, "chunks", None)
    chunks = normalize_chunks(chunks, x.shape, dtype=x.dtype, previous_chunks=previous)
    if name is False:
        name = f"array-{uuid.uuid4().hex}"
    elif name is True:
        name = None
    if lock is True:
        lock = SerializableLock()
    if type(x) is np.memmap:
        if name is None:
            name = f"array-{tokenize(_file_of(x), x.shape, x.strides, x.dtype, chunks)}"
        x = x.view(np.ndarray)
    if meta is None:
        meta = x
    kind = type(x)
    regular = kind is np.ndarray and has_regular_memory(x)
    if regular and not lock and is_native_meta(x) and (meta is x or _numpy_meta(meta)):
        return Array(Expr.from_numpy(x, chunks, name))
    if isinstance(x, np.ndarray) and kind is not np.ndarray and asarray and not _known_array(kind):
        x = np.asarray(x)
    meta = meta_from_array(meta, ndim=len(x.shape), dtype=getattr(x, "dtype", None))
    if asarray and not _known_array(type(meta)):
        meta = np.empty((0,) * len(x.shape), dtype=x.dtype)
    native = is_native_meta(meta)
    indices = tuple(range(len(x.shape)))
    label = "array"
    token = None
    if name is None:
        token = tokenize(x, chunks, lock, asarray, fancy, getitem, inline_array)
    expr = Expr.blockwise(
        partial(_read_block, lock=lock or None, asarray=asarray, getitem=getitem),
        indices,
        [(x, None)],
        chunks,
        meta.dtype,
        native,
        per_block=_BlockSlices(chunks),
        label=label,
        token=token,
    )
    if name is not None:
        expr = expr.with_name(name)
    return wrap(expr, None if native else meta)


def _file_of(mapped):
    """What tells the content of a mapped file without reading it: the file, its state, and where the array is in it."""
    address = mapped.__array_interface__["data"][0]
    if mapped.filename is None or mapped.mode != "r":
        return uuid.uuid4().hex
    state = os.stat(mapped.filename)
    whole = mapped
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    begin = whole.__array_interface__["data"][0]
    return os.fspath(mapped.filename), state.st_ino, state.st_size, state.st_mtime_ns, mapped.offset, address - begin


def _numpy_meta(meta):
    return meta is None or meta is np.ndarray or type(meta) is np.ndarray


def _known_array(kind):
    from raskr.array.chunk_types import is_valid_chunk_type

    return is_valid_chunk_type(kind)


class _BlockSlices:
    """The slices of the whole that a block covers, as the argument `index`."""

    def __init__(self, chunks):
        self.bounds = [block_bounds(sizes) for sizes in chunks]

    def __call__(self, block):
        index = tuple(slice(int(b[i]), int(b[i + 1])) for b, i in zip(self.bounds, block))
        # `x[()]` would be a scalar, which has no mask.
        return {"index": index or Ellipsis}


@contextmanager
def held(lock):
    """Hold a lock, if there is one; it needs `acquire` and `release` only."""
    if not lock:
        yield
        return
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read_block(x, index, lock, asarray, getitem):
    with held(lock):
        block = x[index] if getitem is None else getitem(x, index)
        block = np.asarray(block) if asarray else block
        return block if type(block) is not np.ndarray or has_regular_memory(block) else block.copy()


def getter(a, b, asarray=True, lock=None):
    """`a[b]`, as a NumPy array unless told otherwise, under a lock if one is given."""
    return _read_block(a, b, lock, asarray, None)


def from_delayed(value, shape, dtype=None, meta=None, name=None):
    """An array of one block, which a delayed value gives.

    Parameters
    ----------
    value : Delayed
        Gives a NumPy array of this shape when computed.
    shape : tuple of int
        The shape; NaN where a length is unknown.
    dtype : dtype, optional
        The element type; may be left out where `meta` has it.
    meta : array, optional
        An empty example of the value.
    name : str, optional
        The first part of the block's key.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr
    >>> import raskr.array as da
    >>> da.from_delayed(raskr.delayed(np.ones)(5), shape=(5,), dtype=float).sum().compute()
    np.float64(5.0)
    """
    from raskr.delayed import delayed

    value = delayed(value)
    meta = meta_from_array(meta, ndim=len(shape), dtype=dtype) if meta is not None or dtype is not None else None
    if meta is None:
        raise ValueError("from_delayed: give a dtype or a meta")
    chunks = tuple((float("nan") if length != length else int(length),) for length in shape)
    native = is_native_meta(meta)
    expr = Expr.from_nodes(
        [value._node], chunks, meta.dtype, native, name or f"from-value-{tokenize(value, shape, dtype, meta)}"
    )
    return wrap(expr, None if native else meta)


def expression_of_graph(graph, name, chunks, dtype, meta, shape):
    """The expression over a task graph of blocks, and their meta, for `Array(graph, name, chunks, ...)`."""
    if isinstance(dtype, str) or dtype is not None:
        dtype = np.dtype(dtype)
    chunks = normalize_chunks(chunks, shape, dtype=dtype)
    meta = meta_from_array(meta, ndim=len(chunks), dtype=dtype)
    native = is_native_meta(meta)
    from raskr.graph import nodes_of

    keys = _block_keys(name, [len(sizes) for sizes in chunks])
    try:
        expr = Expr.from_nodes(nodes_of(graph, keys), chunks, meta.dtype, native, name)
    except KeyError as error:
        # Who never computes the array does not need its tasks.
        fail = partial(_missing_task, error.args[0])
        expr = Expr.blockwise(fail, tuple(range(len(chunks))), [], chunks, meta.dtype, native).with_name(name)
    return expr, (None if native else meta)


def _missing_task(key):
    raise KeyError(f"the graph of this array has no task {key!r}")


def _block_keys(name, numblocks):
    import itertools

    return [(name, *index) for index in itertools.product(*map(range, numblocks))]


def asarray(a, allow_unknown_chunksizes=False, dtype=None, order=None, *, like=None, **kwargs):
    """The input as an `Array`, without copying it where it can be helped.

    Parameters
    ----------
    a : array_like
        Arrays of any kind, numbers, and lists of them; a list that holds lazy arrays is stacked.
    allow_unknown_chunksizes : bool
        Whether arrays in a list may have blocks of unknown length.
    dtype : dtype, optional
        The element type.
    order : {'C', 'F', 'A', 'K'}, optional
        The memory layout that NumPy gives to lists.
    like : array, optional
        Make blocks of the kind of this array.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.asarray([1, 2, 3]).compute()
    array([1, 2, 3])
    """
    return _as_array(a, allow_unknown_chunksizes, dtype, order, like, kwargs, keep_kind=False)


def asanyarray(a, dtype=None, order=None, *, like=None, inline_array=False):
    """The input as an `Array`, whose blocks keep the input's kind of array.

    Parameters
    ----------
    a : array_like
        Arrays of any kind, numbers, and lists of them.
    dtype : dtype, optional
        The element type.
    order : {'C', 'F', 'A', 'K'}, optional
        The memory layout that NumPy gives to lists.
    like : array, optional
        Make blocks of the kind of this array.
    inline_array : bool
        Accepted for likeness.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.asanyarray([1, 2, 3]).compute()
    array([1, 2, 3])
    """
    return _as_array(a, False, dtype, order, like, {}, keep_kind=True)


def _as_array(a, allow_unknown_chunksizes, dtype, order, like, kwargs, keep_kind):
    if like is None:
        if isinstance(a, Array):
            return a if dtype is None or a.dtype == dtype else a.astype(dtype)
        if hasattr(a, "to_dask_array") and hasattr(a, "__dask_graph__"):
            return a.to_dask_array()
        if type(a).__module__.partition(".")[0] == "xarray" and hasattr(a, "data"):
            return _as_array(a.data, allow_unknown_chunksizes, dtype, order, None, kwargs, keep_kind)
        if isinstance(a, (list, tuple)) and any(isinstance(item, Array) for item in _flat(a)):
            from raskr.array.joining import stack

            stacked = stack(
                [_as_array(item, False, None, None, None, {}, keep_kind) for item in a],
                allow_unknown_chunksizes=allow_unknown_chunksizes,
            )
            return stacked if dtype is None or stacked.dtype == dtype else stacked.astype(dtype)
    elif isinstance(a, Array):
        kind = getattr(like, "_meta", like)
        convert = partial(np.asanyarray if keep_kind else np.asarray, like=kind, dtype=dtype, order=order)
        return a.map_blocks(convert, meta=meta_from_array(kind, a.ndim, dtype or a.dtype))
    if is_arraylike(a) and not isinstance(a, np.generic):
        whole = a
        if isinstance(a, np.ndarray) and (dtype is not None or order is not None or not keep_kind):
            whole = (np.asanyarray if keep_kind or isinstance(a, np.ma.MaskedArray) else np.asarray)(
                a, dtype=dtype, order=order
            )
        array = from_array(whole, asarray=False if keep_kind else None, **({"chunks": _own_chunks(whole)} | kwargs))
        return array if dtype is None or array.dtype == dtype else array.astype(dtype)
    if like is not None:
        whole = (np.asanyarray if keep_kind else np.asarray)(
            a, dtype=dtype, order=order, like=getattr(like, "_meta", like)
        )
    else:
        whole = (np.asanyarray if keep_kind else np.asarray)(a, dtype=dtype, order=order)
    return from_array(whole, asarray=False if keep_kind else None, **({"chunks": _own_chunks(whole)} | kwargs))


def _own_chunks(array):
    """'auto', or one block where the size of an element is not known."""
    return tuple(array.shape) if np.dtype(array.dtype).hasobject else "auto"


def _flat(items):
    for item in items:
        if isinstance(item, (list, tuple)):
            yield from _flat(item)
        else:
            yield item


def array(x, dtype=None, ndmin=None, *, like=None):
    """The input as an `Array`.

    Parameters
    ----------
    x : array_like
        Arrays of any kind, numbers, and lists of them.
    dtype : dtype, optional
        The element type.
    ndmin : int, optional
        The least number of axes; axes of length 1 are put in front.
    like : array, optional
        Make blocks of the kind of this array.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.array([1, 2], ndmin=2).shape
    (1, 2)
    """
    result = asarray(x, like=like)
    if ndmin is not None and result.ndim < ndmin:
        result = result[(None,) * (ndmin - result.ndim) + (Ellipsis,)]
    return result if dtype is None or result.dtype == dtype else result.astype(dtype)


def scalar_array(value, dtype=None):
    """A number as an array without axes."""
    number = np.asarray(value, dtype=dtype)
    if is_native_meta(number):
        return Array(Expr.full((), number.dtype, number[()]))
    return from_array(number, chunks=())
