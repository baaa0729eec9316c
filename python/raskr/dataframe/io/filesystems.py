"""Where Parquet and ORC files are: file systems as pyarrow takes them, and the files that paths name."""

import os
from typing import Any

from raskr.bytes.core import filesystem_of, is_remote
from raskr.utils import import_required

_MISSING = (
    "reading and writing this needs the package pyarrow: install raskr with its extra 'parquet', or pyarrow itself"
)


def pyarrow(module: str | None = None) -> Any:
    """The package pyarrow, or one of its modules; ImportError that says what to install where it is missing."""
    return import_required(f"pyarrow.{module}" if module else "pyarrow", _MISSING)


def arrow_filesystem(path: Any, filesystem: Any, storage_options: dict | None) -> tuple[Any, list[str]]:
    """A file system of pyarrow's, and the paths within it."""
    arrow = pyarrow("fs")
    paths = [os.fspath(each) for each in ([path] if isinstance(path, (str, os.PathLike)) else path)]
    if not paths:
        raise ValueError("expected a path, got an empty list")
    if isinstance(filesystem, str) or filesystem is None:
        if filesystem not in ("fsspec", "arrow", "pyarrow", None):
            raise ValueError(f"filesystem: expected 'fsspec', 'arrow' or a file system, got {filesystem!r}")
        if not any(map(is_remote, paths)):
            return arrow.LocalFileSystem(), [_local(each) for each in paths]
        if filesystem in ("arrow", "pyarrow"):
            found, first = arrow.FileSystem.from_uri(paths[0])
            return found, [first, *(arrow.FileSystem.from_uri(each)[1] for each in paths[1:])]
        found = [filesystem_of(each, storage_options) for each in paths]
        return arrow.PyFileSystem(arrow.FSSpecHandler(found[0][0])), [inner.rstrip("/") for _, inner in found]
    if isinstance(filesystem, arrow.FileSystem):
        return filesystem, [_local(each) if isinstance(filesystem, arrow.LocalFileSystem) else each for each in paths]
    return arrow.PyFileSystem(arrow.FSSpecHandler(filesystem)), [filesystem._strip_protocol(each) for each in paths]


def _local(path: str) -> str:
    for protocol in ("file://", "local://"):
        path = path.removeprefix(protocol)
    return os.path.abspath(os.path.expanduser(path))


def parquet_files(fs: Any, paths: list[str], extension: Any) -> list[str]:
    """The data files that paths name: those in folders, those that patterns match, and files themselves."""
    arrow = pyarrow("fs")
    found: list[str] = []
    for path in paths:
        for each in _matching(fs, path):
            info = fs.get_file_info(each)
            if info.type == arrow.FileType.NotFound:
                raise FileNotFoundError(f"{each}: no such file or folder")
            if info.type == arrow.FileType.Directory:
                found.extend(_in_folder(fs, each, extension))
            else:
                found.append(each)
    if len(found) > 1:
        found = [each for each in found if not os.path.basename(each).startswith(("_", "."))]
    if not found:
        raise ValueError(f"{paths}: there are no data files, whose names end with {extension}")
    return found


def _in_folder(fs: Any, folder: str, extension: Any) -> list[str]:
    arrow = pyarrow("fs")
    endings = (extension,) if isinstance(extension, str) else extension
    names = [
        info.path
        for info in fs.get_file_info(arrow.FileSelector(folder, recursive=True))
        if info.type == arrow.FileType.File
        and not any(part.startswith(("_", ".")) for part in info.path[len(folder) :].strip("/").split("/"))
    ]
    chosen = [name for name in names if endings is None or name.endswith(tuple(endings))]
    if not chosen and fs.get_file_info(f"{folder}/_metadata").type == arrow.FileType.File:
        # Who wrote a file of all footers put nothing else into the folder.
        return names
    return chosen


def _matching(fs: Any, path: str) -> list[str]:
    if not any(sign in path for sign in "*?["):
        return [path]
    arrow = pyarrow("fs")
    if isinstance(fs, arrow.LocalFileSystem):
        import glob

        found = sorted(glob.glob(path, recursive=True))
    else:
        found = sorted(fs.handler.fs.glob(path))
    found = [each for each in found if not os.path.basename(each).startswith(("_", "."))]
    if not found:
        raise FileNotFoundError(f"{path} matches no files")
    return found
