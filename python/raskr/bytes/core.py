"""Files of text and records: finding them, opening them whatever their compression, and naming those that are written."""

import bz2
import contextlib
import glob
import gzip
import lzma
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from raskr.bytes.objects import ObjectFileSystem, object_options
from raskr.utils import natural_sort_key

__all__ = [
    "append_bytes",
    "expand_paths",
    "file_size",
    "infer_compression",
    "open_bytes",
    "output_paths",
    "write_whole",
]

_BY_ENDING = {
    "gz": "gzip",
    "bz2": "bz2",
    "xz": "xz",
    "zst": "zstd",
    "lz4": "lz4",
    "snappy": "snappy",
    "zip": "zip",
}
_OPENERS: dict[str, Callable] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, "lzma": lzma.open}
_OTHERS = ("lz4", "snappy", "zstd")


def _open_zip(raw: IO[bytes], mode: str) -> IO[bytes]:
    """The one file in an archive, or a new one with one file."""
    archive = zipfile.ZipFile(raw, mode[0], zipfile.ZIP_DEFLATED)
    if mode[0] == "w":
        file = archive.open("data", "w", force_zip64=True)
        close = file.close

        def close_both() -> None:
            try:
                close()
            finally:
                archive.close()

        file.close = close_both  # type: ignore[method-assign]
        return file
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if len(names) != 1:
        raise ValueError(f"an archive of one file was expected, this one has {len(names)}")
    return archive.open(names[0])


_OPENERS["zip"] = _open_zip


def is_remote(path: str) -> bool:
    """Does a path name a protocol other than that of local files?"""
    return "://" in path and not path.startswith(("file://", "local://"))


def filesystem_of(path: str, storage_options: dict | None) -> tuple[Any, str]:
    """The file system of an address, the engine's where it has the protocol and knows the options, and the path in it."""
    protocol, _, inner = path.partition("://")
    web = protocol in ("http", "https")
    # Web servers have no lists of files that the engine could read.
    options = None if web and any(sign in inner for sign in "*?[") else object_options(path, storage_options)
    if options is not None:
        return ObjectFileSystem(protocol, options), inner
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(f"{path}: reading and writing this address needs the package fsspec") from error
    return fsspec.core.url_to_fs(path, **(storage_options or {}))


def _local(path: str) -> str:
    for protocol in ("file://", "local://"):
        if path.startswith(protocol):
            return path[len(protocol) :]
    return os.path.expanduser(path)


def expand_paths(urlpath: Any, storage_options: dict | None = None) -> list[str]:
    """The files that a path, a pattern, or a list of these names, in order.

    Parameters
    ----------
    urlpath : str, path or list of these
        Paths of this machine, or addresses of object stores or that fsspec knows; `*`, `?` and `[` stand for several.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    """
    paths = [os.fspath(each) for each in ([urlpath] if isinstance(urlpath, (str, os.PathLike)) else urlpath)]
    if not paths:
        raise ValueError("empty urlpath sequence")
    found = [each for path in paths for each in _matching(path, storage_options)]
    if not found:
        raise ValueError(f"No files found: {', '.join(map(repr, paths))} matches no file")
    return found


def _matching(path: str, storage_options: dict | None) -> list[str]:
    magic = any(sign in path for sign in "*?[")
    if is_remote(path):
        if not magic:
            return [path]
        fs, inner = filesystem_of(path, storage_options)
        return [fs.unstrip_protocol(each) for each in sorted(fs.glob(inner), key=natural_sort_key)]
    path = os.path.abspath(_local(path))
    if not magic or os.path.exists(path):
        return [path]
    return sorted((each for each in glob.glob(path, recursive=True) if os.path.isfile(each)), key=natural_sort_key)


def infer_compression(path: str, compression: str | None) -> str | None:
    """The compression of a file: as it is said, or by the ending of its name where that is 'infer'.

    Examples
    --------
    >>> from raskr.bytes.core import infer_compression
    >>> infer_compression("log.gz", "infer"), infer_compression("log.txt", "infer"), infer_compression("x", "bz2")
    ('gzip', None, 'bz2')
    """
    if compression == "infer":
        return _BY_ENDING.get(path.rpartition(".")[2].lower())
    if compression is None or compression in _OPENERS or compression in _OTHERS:
        return compression
    known = ", ".join(sorted([*_OPENERS, *_OTHERS]))
    raise ValueError(f"Compression type {compression} not supported: expected None, 'infer' or one of {known}")


def file_size(path: str, storage_options: dict | None = None) -> int:
    """The size of a file in bytes."""
    if not is_remote(path):
        return os.path.getsize(path)
    fs, inner = filesystem_of(path, storage_options)
    size = fs.size(inner)
    if size is None:
        raise ValueError(f"{path}: the server does not tell the file's size; read it with blocksize=None")
    return size


def open_bytes(path: str, compression: str | None, storage_options: dict | None = None) -> IO[bytes]:
    """A file opened to read what is in it, decompressed.

    Parameters
    ----------
    path : str
        The file.
    compression : str or None
        How it is compressed.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    """
    if is_remote(path):
        fs, inner = filesystem_of(path, storage_options)
        raw = fs.open(inner, "rb")
    else:
        raw = open(path, "rb")
    return raw if compression is None else _wrapped(raw, "rb", compression, path)


def _wrapped(raw: IO[bytes], mode: str, compression: str, path: str) -> Any:
    opener = _OPENERS.get(compression)
    stack = contextlib.ExitStack()
    stack.callback(raw.close)
    with stack:
        if opener is not None:
            file = opener(raw, mode)
        else:
            file = _by_fsspec(raw, mode, compression, path)
        stack.pop_all()
    return _Closing(file, raw)


def _by_fsspec(raw: IO[bytes], mode: str, compression: str, path: str) -> Any:
    try:
        from fsspec.compression import compr
    except ImportError as error:
        raise ImportError(f"{path}: {compression} compression needs the package fsspec") from error
    if compression not in compr:
        raise ImportError(
            f"{path}: {compression} compression needs a package that fsspec finds, such as zstandard, lz4 or python-snappy"
        )
    return compr[compression](raw, mode=mode)


class _Closing:
    """A compressed file that closes the file beneath it too."""

    def __init__(self, file: Any, raw: IO[bytes]) -> None:
        self._file = file
        self.raw_file = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator:
        return iter(self._file)

    def close(self) -> None:
        """Close both."""
        try:
            self._file.close()
        finally:
            self.raw_file.close()

    def __enter__(self) -> "_Closing":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


# --- writing ----------------------------------------------------------------------------------------------------------
def output_paths(path: Any, count: int, name_function: Callable | None = None, ending: str = "part") -> list[str]:
    """The files that the partitions are written to.

    Parameters
    ----------
    path : str or list of str
        One file a partition; a path with one `*`, which the number of the partition replaces; or a folder.
    count : int
        How many partitions there are.
    name_function : callable, optional
        Gives what stands in the names for a partition's number; numbers of equal width by default.

    Examples
    --------
    >>> from raskr.bytes.core import output_paths
    >>> output_paths("/tmp/x-*.json", 2)
    ['/tmp/x-0.json', '/tmp/x-1.json']
    """
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if isinstance(path, str):
        if "*" not in path:
            path = os.path.join(path, f"*.{ending}") if not is_remote(path) else f"{path.rstrip('/')}/*.{ending}"
        if path.count("*") > 1:
            raise ValueError(f"a path to write to may have one '*', got {path!r}")
        digits = len(str(max(count - 1, 0)))
        names = [name_function(i) if name_function else str(i).zfill(digits) for i in range(count)]
        if name_function and names != sorted(names):
            import warnings

            warnings.warn(
                "paths created with `name_function` should sort to the order of the partitions, so that reading them "
                "gives the same order",
                UserWarning,
                stacklevel=4,
            )
        paths = [path.replace("*", name) for name in names]
    elif isinstance(path, Sequence):
        paths = [os.fspath(each) for each in path]
        if len(paths) != count:
            raise ValueError(f"expected a path for each of {count} partitions, got {len(paths)}")
    else:
        raise TypeError(f"expected a path with '*', a folder, or a list of paths, got {type(path).__name__}")
    return [each if is_remote(each) else os.path.abspath(_local(each)) for each in paths]


@contextlib.contextmanager
def write_whole(path: str, compression: str | None, storage_options: dict | None = None) -> Iterator[Any]:
    """A file of bytes to write, which is there under its name only once it is whole."""
    if is_remote(path):
        fs, inner = filesystem_of(path, storage_options)
        with fs.transaction, fs.open(inner, "wb") as raw:
            yield from _compressed(raw, compression, path)
        return
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(prefix=".", suffix=".unfinished", dir=folder)
    try:
        with open(descriptor, "wb") as raw:
            yield from _compressed(raw, compression, path)
        # A file that is made secretly is its owner's alone; this one is made as any other.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)
        os.replace(beside, path)
    except BaseException as error:
        os.unlink(beside)
        if isinstance(error, OSError):
            raise name_of_file(error, path) from None
        raise


def name_of_file(error: OSError, path: str) -> OSError:
    """An error of the system, with the file that it is about; those of a full disk don't tell."""
    if error.filename is None and error.errno is not None:
        error.filename = path
    return error


def append_bytes(path: str, data: bytes, storage_options: dict | None = None) -> None:
    """Write bytes behind those that a file has; it is made where there is none."""
    if is_remote(path):
        fs, inner = filesystem_of(path, storage_options)
        with fs.open(inner, "ab") as file:
            file.write(data)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, "ab") as file:
            file.write(data)
    except OSError as error:
        raise name_of_file(error, path) from None


def _compressed(raw: Any, compression: str | None, path: str) -> Iterator[Any]:
    if compression is None:
        yield raw
    elif compression in _OPENERS:
        with _OPENERS[compression](raw, "wb") as file:
            yield file
    else:
        with _by_fsspec(raw, "wb", compression, path) as file:
            yield file
