"""Arrays in Zarr stores."""

import glob
import math
import os
import shutil
import uuid
import warnings

from raskr._bridge import core
from raskr.array.chunk_sizes import normalize_chunks
from raskr.array.collection import Array, Expr, PerformanceWarning
from raskr.array.sources import from_array
from raskr.array.utils import has_unknown
from raskr.base import get_scheduler, is_of_client, tokenize


def _zarr(what):
    try:
        import zarr
    except ImportError as error:
        raise ImportError(f"{what} needs the package zarr: pip install zarr") from error
    return zarr


def _local_path(url):
    """The path, when the store is a folder on this machine, else None."""
    if isinstance(url, os.PathLike):
        return os.fspath(url)
    if isinstance(url, str) and url.startswith("file://"):
        return url[len("file://") :]
    return url if isinstance(url, str) and "://" not in url and "::" not in url else None


def from_zarr(url, component=None, storage_options=None, chunks=None, name=None, inline_array=False, **kwargs):
    """The array in a Zarr store.

    Parameters
    ----------
    url : str, path, zarr.Array or store
        Where it is. Folders on this machine are read by the engine itself, anything else by the package `zarr`.
    component : str, optional
        Which array of a group.
    storage_options : dict, optional
        Options of a remote store.
    chunks : int, tuple or dict, optional
        The lengths of blocks; those of the store where they are left out.
    name : str, optional
        The first part of the blocks' keys.
    inline_array : bool
        Accepted for likeness.
    **kwargs
        Options of `zarr.open_array`.

    Returns
    -------
    Array

    Raises
    ------
    FileNotFoundError
        When there is nothing.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.array as da
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     da.ones((4, 4), chunks=2).to_zarr(os.path.join(folder, "x.zarr"))
    ...     da.from_zarr(os.path.join(folder, "x.zarr")).chunks
    ((2, 2), (2, 2))
    """
    path = _local_path(url)
    if path is not None and not storage_options and not kwargs:
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path}: no such Zarr store")
        array = _open_native(path, component, chunks)
        if array is not None:
            return array if name is None else Array(array._expr.with_name(name))
    zarr = _zarr("from_zarr")
    if isinstance(url, zarr.Array):
        source = url
    else:
        store = path if path is not None else _store(zarr, url, storage_options, read_only=True)
        source = zarr.open_array(store=store, path=component or "", mode="r", **kwargs)
    if chunks is None:
        chunks = getattr(source, "shards", None) or source.chunks
    chunks = normalize_chunks(chunks, source.shape, dtype=source.dtype, previous_chunks=source.chunks)
    if name is None:
        name = "from-zarr-" + tokenize(_identity(source), component, storage_options, chunks, kwargs)
    return from_array(source, chunks, name=name, inline_array=inline_array)


def _identity(source):
    """What tells one array of a store from another."""
    store = getattr(source, "store", None)
    place = str(store)
    if "memory" in place.lower() or "dict" in type(store).__name__.lower() or "Memory" in type(store).__name__:
        place = f"{place}-{id(store)}"
    return place, getattr(source, "path", ""), str(source.dtype), tuple(source.shape)


def _open_native(path, component, chunks):
    """The array read by the engine, or None when the store has something that it does not know."""
    try:
        expr = Expr.open_zarr(path, component, None)
        if chunks is not None:
            wanted = normalize_chunks(chunks, expr.shape, dtype=expr.dtype, previous_chunks=expr.chunks)
            if wanted != expr.chunks:
                expr = Expr.open_zarr(path, component, wanted)
    except NotImplementedError:
        return None
    return Array(expr)


def _store(zarr, url, storage_options, read_only):
    if isinstance(url, str):
        return zarr.storage.FsspecStore.from_url(url, storage_options=storage_options or {}, read_only=read_only)
    return url


def to_zarr(
    arr,
    url,
    component=None,
    storage_options=None,
    region=None,
    compute=True,
    return_stored=False,
    mode="a",
    **zarr_array_kwargs,
):
    """Write an array to a Zarr store.

    A new array in a folder of this machine gets its name only when all is written.

    Parameters
    ----------
    arr : Array
        The array.
    url : str, path, zarr.Array or store
        Where to write.
    component : str, optional
        The name of the array within a group.
    storage_options : dict, optional
        Options of a remote store.
    region : tuple of slices, optional
        The part of an existing `zarr.Array` to fill.
    compute : bool
        Whether to write now; otherwise an array is returned that writes when it is computed.
    return_stored : bool
        Whether to return the array as it is stored.
    mode : {'a', 'w', 'w-', 'r+'}
        'w' replaces what is there.
    **zarr_array_kwargs
        Options of `zarr.create_array`, such as `overwrite`, `compressors` or `zarr_format`.

    Raises
    ------
    ValueError
        When block lengths are unknown, or there is an array already and it is not to be replaced.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.array as da
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     da.to_zarr(da.arange(4, chunks=2), os.path.join(folder, "x.zarr"))
    ...     da.from_zarr(os.path.join(folder, "x.zarr")).compute()
    array([0, 1, 2, 3])
    """
    if has_unknown(arr.chunks):
        raise ValueError(
            "Saving an array with unknown chunk sizes is not supported by Zarr.\n\n"
            "A possible solution: x.compute_chunk_sizes()"
        )
    if mode == "r" or zarr_array_kwargs.pop("read_only", False):
        raise ValueError("Cannot use mode='r' to write: expected 'a', 'w', 'w-' or 'r+'")
    if type(url).__module__.partition(".")[0] == "zarr" and hasattr(url, "chunks"):
        return _into_array(arr, url, region, compute, return_stored)
    if region is not None:
        raise ValueError("Cannot use `region` keyword when url is not a `zarr.Array`.")
    options = dict(zarr_array_kwargs)
    component = options.pop("name", None) if component is None else component
    overwrite = bool(options.pop("overwrite", False)) or mode == "w"
    if options.get("chunks") is None or options["chunks"] == "auto":
        arr = _regular(arr)
        options["chunks"] = tuple(max(1, sizes[0]) if sizes else 1 for sizes in arr.chunks)
    else:
        chunks = options["chunks"]
        chunks = (chunks,) * arr.ndim if isinstance(chunks, int) else tuple(chunks)
        options["chunks"] = chunks
        arr = _aligned(arr, chunks, [0] * arr.ndim)
    path = _local_path(url)
    here = path is not None and not storage_options and compute and not return_stored
    compressors = options.get("compressors", "auto")
    known = set(options) <= {"chunks", "zarr_format", "compressors"} and (compressors is None or compressors == "auto")
    # Workers of a cluster write their blocks themselves.
    by_engine = known and arr._expr.native and arr._expr.dtype.kind in "biufc" and not is_of_client(get_scheduler())
    if here and by_engine:
        target = _refuse_to_replace(path, component, overwrite)
        if not os.path.isdir(target) or overwrite or not os.listdir(target):
            return _write_native(arr, path, component, target, options)
    zarr = _zarr("to_zarr")
    options.setdefault("shape", arr.shape)
    options.setdefault("dtype", arr.dtype)
    shards = options.get("shards")
    if shards is not None:
        arr = arr.rechunk(tuple(min(size, max(1, length)) for size, length in zip(shards, arr.shape)))
    if here:
        _refuse_to_replace(path, component, overwrite)
        return _publish(zarr, arr, path, component, overwrite, options)
    store = path if path is not None and not storage_options else _store(zarr, url, storage_options, read_only=False)
    target = _create(zarr, store, component, overwrite, options)
    return arr.store(target, lock=False, compute=compute, return_stored=return_stored)


def _write_native(arr, path, component, target, options):
    """Have the engine write the array; it gets its name when all is written."""
    node = arr._expr.to_zarr(
        path,
        component,
        list(options["chunks"]),
        version=options.get("zarr_format") or 3,
        compressor="zstd" if options.get("compressors", "auto") == "auto" else None,
        overwrite=os.path.isdir(target),
    )
    try:
        core.delayed_of_node(node, None).compute()
    except BaseException:
        for unfinished in glob.glob(f"{_beside(target)}.partial-{os.getpid()}-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _beside(target):
    """The beginning of the names that something unfinished has next to its place."""
    folder, name = os.path.split(os.path.abspath(target))
    return os.path.join(folder, f".{name}")


def _refuse_to_replace(path, component, overwrite):
    """Where the array shall be; an error when there is an array or a group already that is not to be replaced."""
    target = os.path.join(path, component) if component is not None else path
    if not overwrite and any(
        os.path.exists(os.path.join(target, name)) for name in ("zarr.json", ".zarray", ".zgroup")
    ):
        raise ValueError(f"{target}: there is a Zarr array or group already; pass overwrite=True to replace it")
    return target


def _create(zarr, store, component, overwrite, options):
    if component is not None:
        zarr.open_group(store=store, mode="a", **{k: v for k, v in options.items() if k == "zarr_format"})
        return zarr.create_array(store=store, name=component, overwrite=overwrite, **options)
    return zarr.create_array(store=store, overwrite=overwrite, **options)


def _publish(zarr, arr, path, component, overwrite, options):
    """Write beside the place where the array shall be, then give it its name."""
    target = os.path.join(path, component) if component is not None else path
    if component is not None:
        parts = component.strip("/").split("/")
        version = {k: v for k, v in options.items() if k == "zarr_format"}
        zarr.open_group(store=path, path="/".join(parts[:-1]), mode="a", **version)
    parent = os.path.dirname(os.path.abspath(target))
    os.makedirs(parent, exist_ok=True)
    unfinished = f"{_beside(target)}.partial-{uuid.uuid4().hex[:8]}"
    try:
        array = zarr.create_array(store=unfinished, **options)
        arr.store(array, lock=False)
        if os.path.isdir(target):
            if not overwrite and os.listdir(target):
                # A folder with other things in it: only its place in there is ours.
                for entry in os.listdir(unfinished):
                    os.replace(os.path.join(unfinished, entry), os.path.join(target, entry))
                os.rmdir(unfinished)
                return None
            shutil.rmtree(target)
        os.replace(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return None


def _regular(arr):
    """Zarr's blocks have one length, but the last may be shorter."""
    wanted = []
    for sizes in arr.chunks:
        wanted.append(sizes[0] if len(set(sizes[:-1])) <= 1 and sizes[-1] <= sizes[0] else max(sizes))
    regular = normalize_chunks(tuple(max(1, size) for size in wanted), arr.shape, dtype=arr.dtype)
    if regular != arr.chunks and math.prod(arr.shape):
        warnings.warn(
            f"The array uses irregular chunk sizes, which Zarr can't store: {arr.chunks} are rechunked to {regular}.",
            UserWarning,
            stacklevel=3,
        )
        return arr.rechunk(regular)
    return arr


def _into_array(arr, target, region, compute, return_stored):
    """Fill an existing array, in blocks that are whole chunks of the store, so that no chunk is written from two
    sides."""
    unit = getattr(target, "shards", None) or target.chunks
    starts = [0] * arr.ndim
    if region is not None:
        region = region if isinstance(region, tuple) else (region,)
        slices = [entry for entry in region if isinstance(entry, slice)]
        lengths = [length for entry, length in zip(region, target.shape) if isinstance(entry, slice)]
        units = [size for entry, size in zip(region, unit) if isinstance(entry, slice)]
        if len(slices) == arr.ndim:
            starts = [entry.indices(length)[0] for entry, length in zip(slices, lengths)]
            stops = [entry.indices(length)[1] for entry, length in zip(slices, lengths)]
            unit = tuple(units)
            if any(
                start % size or (stop % size and stop != length)
                for start, stop, size, length in zip(starts, stops, unit, lengths)
            ):
                warnings.warn(
                    f"The region {region} does not line up with the chunks {unit} of the Zarr array, so that chunks are read, "
                    "changed and written again.",
                    PerformanceWarning,
                    stacklevel=4,
                )
        else:
            unit = None
    elif tuple(target.shape) != tuple(arr.shape):
        raise ValueError(f"to_zarr: the array has shape {arr.shape}, the Zarr array {tuple(target.shape)}")
    if unit is not None:
        arr = _aligned(arr, tuple(unit), starts)
    return arr.store(
        target, lock=False, regions=None if region is None else [region], compute=compute, return_stored=return_stored
    )


def _aligned(arr, unit, starts):
    """Blocks whose borders are borders of the store's chunks."""
    from raskr import config
    from raskr.utils import parse_bytes

    wanted = []
    for sizes, size, start in zip(arr.chunks, unit, starts):
        borders = [start + sum(sizes[: number + 1]) for number in range(len(sizes) - 1)]
        if all(border % size == 0 for border in borders):
            wanted.append(sizes)
            continue
        length = sum(sizes)
        block = max(size, max(sizes) // size * size)
        first = min(length, (block - start % size) if start % size else block)
        new = [first]
        while sum(new) < length:
            new.append(min(block, length - sum(new)))
        wanted.append(tuple(new))
    wanted = tuple(wanted)
    if wanted == arr.chunks:
        return arr
    limit = config.get("array.chunk-size")
    limit = parse_bytes(limit) if isinstance(limit, str) else limit
    axes = [axis for axis, (new, old) in enumerate(zip(wanted, arr.chunks)) if new != old]
    if math.prod(max(sizes) for sizes in wanted) * arr.dtype.itemsize > limit:
        warnings.warn(
            f"The input Dask array will be rechunked along axis {', '.join(map(str, axes))} to {wanted}, so that no "
            "chunk of the "
            "Zarr array is written from two blocks.",
            PerformanceWarning,
            stacklevel=4,
        )
    return arr.rechunk(wanted)
