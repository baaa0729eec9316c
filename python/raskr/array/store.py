"""Arrays written to objects with `__setitem__`, to HDF5 files and to stacks of npy files."""

import json
import os
import shutil
import uuid
from functools import partial

import numpy as np

from raskr.array.blocks import whole
from raskr.array.collection import Array, Expr, wrap
from raskr.array.sources import held
from raskr.array.utils import block_bounds, has_unknown, unknown_text
from raskr.base import compute as compute_collections
from raskr.base import persist as persist_collections
from raskr.base import tokenize
from raskr.utils import SerializableLock

_STACK_FORMAT = "raskr-npy-stack"


def store(
    sources,
    targets,
    lock=True,
    regions=None,
    compute=True,
    return_stored=False,
    load_stored=None,
    **kwargs,
):
    """Write arrays, block by block, into objects that can be assigned to by slices.

    Parameters
    ----------
    sources : Array or list of Array
        The arrays.
    targets : array_like or Delayed, or list of these
        Objects with `__setitem__`, such as NumPy arrays or datasets of an open HDF5 file.
    lock : bool or Lock
        A lock to hold while writing a block; True makes one for all targets.
    regions : tuple of slices, or list of these, optional
        The part of each target that the array fills.
    compute : bool
        Whether to write now; otherwise arrays are returned that write when they are computed.
    return_stored : bool
        Whether to return arrays that stand for what was written.
    load_stored : bool, optional
        Whether these arrays hold the values read back; by default, unless written now.
    **kwargs
        Options of the computation, such as `scheduler`.

    Returns
    -------
    Array, tuple of Array or None

    Raises
    ------
    ValueError
        When sources are no arrays, or their number is not that of the targets or regions.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> target = np.zeros(4)
    >>> da.store(da.arange(4, chunks=2), target)
    >>> target
    array([0., 1., 2., 3.])
    """
    if isinstance(sources, Array):
        sources, targets = [sources], [targets]
    sources, targets = list(sources), list(targets)
    for number, source in enumerate(sources):
        if not isinstance(source, Array):
            raise ValueError(f"store: all sources must be raskr arrays, source {number} is {type(source).__name__}")
    if len(sources) != len(targets):
        raise ValueError(f"store: Different number of sources [{len(sources)}] and targets [{len(targets)}]")
    if isinstance(regions, tuple) or regions is None:
        regions = [regions]
    regions = list(regions)
    if len(sources) > 1 and len(regions) == 1:
        regions *= len(sources)
    if len(sources) != len(regions):
        raise ValueError(f"store: Different number of sources [{len(sources)}] and regions [{len(regions)}]")
    for source in sources:
        if has_unknown(source.chunks):
            raise ValueError(unknown_text(source, "store"))
    if lock is True:
        lock = SerializableLock()
    if load_stored is None:
        load_stored = return_stored and not compute
    if compute:
        targets = _computed_targets(targets)
    load = return_stored and load_stored
    writers = [
        _writer(source, target, region, lock or None, load) for source, target, region in zip(sources, targets, regions)
    ]
    if not compute:
        return writers[0] if len(writers) == 1 else tuple(writers)
    if not return_stored:
        compute_collections(*writers, **kwargs)
        return None
    if load:
        stored = list(persist_collections(*writers, **kwargs))
    else:
        compute_collections(*writers, **kwargs)
        stored = [
            _reader(source, target, region, lock or None) for source, target, region in zip(sources, targets, regions)
        ]
    return stored[0] if len(stored) == 1 else tuple(stored)


def _computed_targets(targets):
    """Delayed targets must exist once, before blocks are written to them."""
    lazy = [number for number, target in enumerate(targets) if hasattr(target, "__dask_graph__")]
    if lazy:
        values = compute_collections(*(targets[number] for number in lazy))
        targets = list(targets)
        for number, value in zip(lazy, values):
            targets[number] = value
    return targets


def _writer(source, target, region, lock, load):
    """The array whose blocks, when computed, are written; they are empty, or what is read back."""
    indices = tuple(range(source.ndim))
    expr = Expr.blockwise(
        partial(_write_block, lock=lock, load=load),
        indices,
        [(source._expr, indices), (whole(target), None)],
        source.chunks,
        source.dtype,
        source._expr.native and load,
        per_block=_Region(source.chunks, region),
        label="store-map",
        token=_token(source, target, region, load),
    )
    return wrap(expr, source._meta if source._foreign_meta is not None else None)


def _token(source, target, region, load):
    """A name for writing this array there: a target is the object that it is, whatever its contents."""
    place = target if hasattr(target, "__dask_graph__") else (type(target).__name__, id(target))
    return tokenize(source.name, place, str(region), load)


def _reader(source, target, region, lock):
    """The array whose blocks are read from where they were written."""
    indices = tuple(range(source.ndim))
    expr = Expr.blockwise(
        partial(_read_stored, lock=lock),
        indices,
        [(whole(target), None)],
        source.chunks,
        source.dtype,
        source._expr.native,
        per_block=_Region(source.chunks, region),
        label="load-stored",
        token=_token(source, target, region, False),
    )
    return wrap(expr, source._foreign_meta)


class _Region:
    """The part of the target that a block fills, as the argument `index`."""

    def __init__(self, chunks, region):
        self.bounds = [block_bounds(sizes) for sizes in chunks]
        self.region = region

    def __call__(self, block):
        slices = tuple(slice(int(b[i]), int(b[i + 1])) for b, i in zip(self.bounds, block))
        return {"index": slices if self.region is None else within(self.region, slices)}


def within(region, slices):
    """The index that is `region`, of which only the part `slices` is taken."""
    region = region if isinstance(region, tuple) else (region,)
    rest = list(slices)
    result = []
    for entry in region:
        if isinstance(entry, slice):
            part = rest.pop(0)
            start, step = entry.start or 0, entry.step or 1
            if start < 0 or step < 0:
                raise NotImplementedError(
                    f"store: regions with negative starts or steps are not supported, got {entry}"
                )
            result.append(
                slice(
                    start + part.start * step,
                    start + (part.stop - 1) * step + 1 if part.stop > part.start else start + part.start * step,
                    entry.step,
                )
            )
        elif isinstance(entry, (list, np.ndarray)):
            result.append(entry[rest.pop(0)])
        else:
            result.append(entry)
    return tuple(result + rest)


def _write_block(block, target, index, lock, load):
    with held(lock):
        if block.size:
            target[index] = block
        if load:
            return _read_stored(target, index, None)
    return np.empty((0,) * block.ndim, dtype=block.dtype)


def _read_stored(target, index, lock):
    with held(lock):
        return np.asarray(target[index]) if not hasattr(target, "__array_function__") else target[index]


def to_hdf5(filename, *args, chunks=True, **kwargs):
    """Write arrays to datasets of an HDF5 file. Needs the package `h5py`.

    Parameters
    ----------
    filename : str
        The file; it is made where it does not exist.
    *args : str and Array, or dict
        The path of a dataset and its array, or arrays by path.
    chunks : bool or tuple
        The chunks of the dataset; True for those of the array.
    **kwargs
        Options of h5py's `require_dataset`, such as `compression`.

    Raises
    ------
    ImportError
        When `h5py` is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.array as da
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     da.to_hdf5(os.path.join(folder, "x.h5"), "/x", da.ones(5, chunks=5))
    """
    if len(args) == 1 and isinstance(args[0], dict):
        data = args[0]
    elif len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], Array):
        data = {args[0]: args[1]}
    else:
        raise ValueError("to_hdf5: expected (filename, path, array) or (filename, {path: array})")
    try:
        import h5py
    except ImportError as error:
        raise ImportError("to_hdf5 needs the package h5py: pip install h5py") from error
    for array in data.values():
        if has_unknown(array.chunks):
            raise ValueError(unknown_text(array, "to_hdf5"))
    with h5py.File(filename, mode="a") as file:
        datasets = [
            file.require_dataset(
                path,
                shape=array.shape,
                dtype=array.dtype,
                chunks=tuple(sizes[0] for sizes in array.chunks) if chunks is True else chunks or None,
                **kwargs,
            )
            for path, array in data.items()
        ]
        store(list(data.values()), datasets)


def to_npy_stack(dirname, x, axis=0):
    """Write an array to a folder of npy files, one for each block along an axis.

    The files are named `0.npy`, `1.npy`, ...; `info.json` tells the chunks, the element type and the axis. The folder
    gets its
    name only when all is written.

    Parameters
    ----------
    dirname : str
        The folder.
    x : Array
        The array; it is rechunked so that all other axes have one block.
    axis : int
        The axis along which the files follow each other.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.array as da
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     da.to_npy_stack(os.path.join(folder, "stack"), da.arange(6, chunks=2))
    ...     int(da.from_npy_stack(os.path.join(folder, "stack")).sum().compute())
    15
    """
    from raskr.array.utils import validate_axis

    axis = validate_axis(axis, x.ndim)
    if has_unknown(x.chunks):
        raise ValueError(unknown_text(x, "to_npy_stack"))
    if x.dtype.hasobject:
        raise TypeError(f"to_npy_stack: elements of {x.dtype} can't be written without pickles")
    x = x.rechunk(tuple(sizes if place == axis else (sum(sizes),) for place, sizes in enumerate(x.chunks)))
    target = os.path.abspath(os.fspath(dirname))
    if os.path.isdir(target) and any(
        entry != "info.json" and not entry.endswith(".npy") for entry in os.listdir(target)
    ):
        raise FileExistsError(f"{dirname}: exists and holds other files than an npy stack's; give another folder")
    partial_folder = f"{target}.partial-{uuid.uuid4().hex[:8]}"
    os.makedirs(partial_folder)
    try:
        indices = tuple(range(x.ndim))
        expr = Expr.blockwise(
            partial(_write_npy, folder=partial_folder),
            indices,
            [(x._expr, indices)],
            tuple((1,) * len(sizes) for sizes in x.chunks),
            np.dtype(bool),
            True,
            per_block=partial(_block_number, axis=axis),
            label="to-npy-stack",
        )
        compute_collections(Array(expr))
        description = {
            "format": _STACK_FORMAT,
            "version": 1,
            "dtype": _stack_dtype(x.dtype),
            "chunks": [list(sizes) for sizes in x.chunks],
            "axis": axis,
        }
        with open(os.path.join(partial_folder, "info.json"), "w", encoding="utf-8") as file:
            json.dump(description, file, indent=2)
        if os.path.isdir(target):
            shutil.rmtree(target)
        os.replace(partial_folder, target)
    except BaseException:
        shutil.rmtree(partial_folder, ignore_errors=True)
        raise


def _stack_dtype(dtype):
    return dtype.name if dtype.kind in "biufc" and dtype.isnative else dtype.str


def _block_number(block, axis):
    return {"number": block[axis]}


def _write_npy(block, number, folder):
    np.save(os.path.join(folder, f"{number}.npy"), np.asarray(block), allow_pickle=False)
    return np.ones((1,) * block.ndim, dtype=bool)


def from_npy_stack(dirname, mmap_mode="r"):
    """The array in a folder of npy files that `to_npy_stack` wrote. Nothing is unpickled.

    Parameters
    ----------
    dirname : str
        The folder.
    mmap_mode : str or None
        Accepted for likeness: files are mapped where that helps.

    Raises
    ------
    FileNotFoundError
        When there is no such folder, or no description in it.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.array as da
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     da.to_npy_stack(os.path.join(folder, "stack"), da.ones((4, 2), chunks=2))
    ...     da.from_npy_stack(os.path.join(folder, "stack")).chunks
    ((2, 2), (2,))
    """
    folder = os.fspath(dirname)
    if not any(os.path.exists(os.path.join(folder, name)) for name in ("info.json", "info")):
        raise FileNotFoundError(f"{folder}: no stack of npy files: there is no description info.json in it")
    return Array(Expr.open_npy_stack(folder))


def to_tiledb(darray, uri, compute=True, return_stored=False, storage_options=None, key=None, **kwargs):
    """Write an array to a TileDB array. Needs the package `tiledb`.

    Parameters
    ----------
    darray : Array
        The array; its blocks must be regular.
    uri : str
        Where to write.
    compute, return_stored : bool
        As of `store`.
    storage_options : dict, optional
        The configuration of TileDB.
    key : str or bytes, optional
        What the array is encrypted with.
    **kwargs
        Options of `tiledb.empty_like`.

    Raises
    ------
    ImportError
        When `tiledb` is not installed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.to_tiledb(da.ones(4, chunks=2), "folder")  # doctest: +SKIP
    """
    tiledb = _tiledb("to_tiledb")
    array = darray.rechunk(tuple(max(sizes) for sizes in darray.chunks))
    schema = tiledb.DenseArray.empty_like if hasattr(tiledb, "DenseArray") else tiledb.empty_like
    target = schema(uri, array, config=storage_options, **({} if key is None else {"key": key}), **kwargs)
    return array.store(target, lock=False, compute=compute, return_stored=return_stored)


def from_tiledb(uri, attribute=None, chunks=None, storage_options=None, **kwargs):
    """The array in a TileDB array. Needs the package `tiledb`.

    Parameters
    ----------
    uri : str
        Where it is.
    attribute : str, optional
        Which attribute, where there are several.
    chunks : tuple, optional
        The chunks; TileDB's tiles where they are left out.
    storage_options : dict, optional
        The configuration of TileDB.

    Raises
    ------
    ImportError
        When `tiledb` is not installed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.from_tiledb("folder")  # doctest: +SKIP
    """
    from raskr.array.sources import from_array

    tiledb = _tiledb("from_tiledb")
    source = tiledb.open(uri, attr=attribute, config=storage_options, **kwargs)
    if chunks is None:
        chunks = tuple(int(source.schema.domain.dim(axis).tile) for axis in range(source.schema.ndim))
    return from_array(source, chunks, name=f"tiledb-{uri}")


def _tiledb(what):
    try:
        import tiledb
    except ImportError as error:
        raise ImportError(f"{what} needs the package tiledb: pip install tiledb") from error
    return tiledb
