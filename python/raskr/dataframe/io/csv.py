"""Tables from text: `read_csv`, `read_table` and `read_fwf`, in blocks of files of every compression."""

import io
import os
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
from pandas.api.types import is_integer_dtype

from raskr.bytes.core import expand_paths, infer_compression, is_remote
from raskr.dataframe.io.csv_blocks import (
    BlockParser,
    blocks_of,
    can_read_columns,
    encoded,
    find_header,
    placed,
    plain_encoding,
    sample_of,
    with_path,
)
from raskr.dataframe.io.csv_types import text_columns
from raskr.dataframe.io.reader import Reader, WholeReader
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.texts import as_configured
from raskr.dataframe.utils import UNKNOWN_CATEGORIES
from raskr.system import CPU_COUNT
from raskr.utils import parse_bytes

#: Bytes of a block where the caller does not say: less where there is little memory for each processor.
_BLOCK_MAX = 64_000_000


def read_csv(
    urlpath: Any,
    blocksize: Any = "default",
    lineterminator: str | None = None,
    compression: str | None = "infer",
    sample: Any = 256_000,
    sample_rows: int = 10,
    enforce: bool = False,
    assume_missing: bool = False,
    storage_options: dict | None = None,
    include_path_column: Any = False,
    **kwargs: Any,
) -> Any:
    """A frame of CSV files.

    Parameters
    ----------
    urlpath : str, path or list of these
        Files, or patterns such as ``"logs/*.csv.gz"``, or addresses such as ``"s3://..."``.
    blocksize : int or str, optional
        Cut files into partitions of about so many bytes, at line ends. With None, and for compressed files, each file
        is a partition. Line ends within quotes are not told from others where files are cut.
    lineterminator : str, optional
        What lines end with.
    compression : str, optional
        'gzip', 'bz2', 'xz', 'zstd', 'lz4', 'snappy', 'zip', None, or 'infer' by the ending of the names.
    sample : int, optional
        How many bytes of the first file tell the names and types of columns.
    sample_rows : int
        How many rows do, where the sample ends within a row.
    enforce : bool
        Refuse files with other columns than the first one.
    assume_missing : bool
        Columns of integers whose type is not said are floats, so that values may be missing.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    include_path_column : bool or str
        Add a column of paths, with that name or "path".
    **kwargs
        For `pandas.read_csv`: `dtype`, `usecols`, `parse_dates`, `na_values`, `encoding`, `sep` and so on.

    Returns
    -------
    DataFrame
        Its divisions are unknown; each partition counts its rows from 0.

    Raises
    ------
    ValueError
        When computed: where later rows have other types than the first ones, with the `dtype=` that would help.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.dataframe as dd
    >>> path = os.path.join(tempfile.mkdtemp(), "a.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("name,amount\\nAlice,100\\nBob,200\\n")
    >>> dd.read_csv(path, blocksize=20).amount.compute().tolist()
    [100, 200]
    """
    return _read(
        pd.read_csv,
        urlpath,
        blocksize,
        lineterminator,
        compression,
        sample,
        sample_rows,
        enforce,
        assume_missing,
        storage_options,
        include_path_column,
        kwargs,
    )


def read_table(
    urlpath: Any,
    blocksize: Any = "default",
    lineterminator: str | None = None,
    compression: str | None = "infer",
    sample: Any = 256_000,
    sample_rows: int = 10,
    enforce: bool = False,
    assume_missing: bool = False,
    storage_options: dict | None = None,
    include_path_column: Any = False,
    **kwargs: Any,
) -> Any:
    """A frame of files whose columns are separated by tabs; the arguments are those of `read_csv`.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.dataframe as dd
    >>> path = os.path.join(tempfile.mkdtemp(), "a.tsv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("name\\tamount\\nAlice\\t100\\n")
    >>> dd.read_table(path).columns.tolist()
    ['name', 'amount']
    """
    return _read(
        pd.read_table,
        urlpath,
        blocksize,
        lineterminator,
        compression,
        sample,
        sample_rows,
        enforce,
        assume_missing,
        storage_options,
        include_path_column,
        kwargs,
    )


def read_fwf(
    urlpath: Any,
    blocksize: Any = "default",
    lineterminator: str | None = None,
    compression: str | None = "infer",
    sample: Any = 256_000,
    sample_rows: int = 10,
    enforce: bool = False,
    assume_missing: bool = False,
    storage_options: dict | None = None,
    include_path_column: Any = False,
    **kwargs: Any,
) -> Any:
    """A frame of files whose columns have fixed widths; the arguments are those of `read_csv`.

    Where neither `colspecs` nor `widths` is given, the sample tells the widths of all blocks.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.dataframe as dd
    >>> path = os.path.join(tempfile.mkdtemp(), "a.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write(" name amount\\nAlice    100\\n")
    >>> dd.read_fwf(path).amount.compute().tolist()
    [100]
    """
    return _read(
        pd.read_fwf,
        urlpath,
        blocksize,
        lineterminator,
        compression,
        sample,
        sample_rows,
        enforce,
        assume_missing,
        storage_options,
        include_path_column,
        kwargs,
    )


def _read(
    reader: Callable,
    urlpath: Any,
    blocksize: Any,
    lineterminator: str | None,
    compression: str | None,
    sample: Any,
    sample_rows: int,
    enforce: bool,
    assume_missing: bool,
    storage_options: dict | None,
    include_path_column: Any,
    kwargs: dict,
) -> Any:
    name = reader.__name__
    _check_arguments(name, kwargs)
    if lineterminator is not None and len(lineterminator) == 1 and reader is not pd.read_fwf:
        kwargs["lineterminator"] = lineterminator
    delimiter = lineterminator or "\n"
    paths = files_of(urlpath, storage_options)
    compressions = [infer_compression(path, compression) for path in paths]
    size = _block_size(blocksize, compressions)
    skip = kwargs.get("skiprows")
    if sample and size is not None and size < sample and skip:
        warnings.warn(
            f"skiprows is looked at in the first block of each file only, and the blocksize of {size} bytes is smaller "
            "than the sample. Setting ``sample=blocksize``",
            UserWarning,
            stacklevel=3,
        )
        sample = size
    encoding = kwargs.get("encoding") or "utf-8"
    ending = encoded(delimiter, encoding)
    beginning = b""
    for path, found in zip(paths, compressions):
        beginning = sample_of(path, sample or None, found, ending, storage_options)
        if beginning:
            break
    encoding = plain_encoding(encoding, beginning)
    text = beginning.decode(encoding, kwargs.get("encoding_errors", "replace")).removeprefix("\ufeff")
    header = find_header(text, delimiter, kwargs)
    whole = not sample or len(beginning) < sample
    if not header.found and not whole:
        raise ValueError(
            f"The sample of {sample} bytes is too small: it ends before the first row of data. Please increase "
            f"`sample` in the call to `{name}`"
        )
    if kwargs.get("encoding") is not None:
        kwargs["encoding"] = encoding
    try:
        head = _head(reader, beginning, path, sample_rows, whole, kwargs)
    except (pd.errors.ParserError, UnicodeDecodeError):
        if found is not None:
            # Damage that shows further on only may be what is wrong: its error comes first.
            sample_of(path, None, found, ending, storage_options)
        raise
    if reader is pd.read_fwf and "colspecs" not in kwargs and "widths" not in kwargs:
        kwargs["colspecs"] = _widths(text, kwargs)
    text_types = text_columns(head, kwargs)
    meta, given = _types(head, kwargs.get("dtype"), assume_missing)
    blocks = blocks_of(paths, size, compressions, storage_options)
    paths_shown = _path_column(include_path_column, paths, meta, kwargs)
    parser = BlockParser(
        reader, kwargs, header.line, meta, delimiter, encoding, enforce, paths_shown, given, text_types
    )
    whole_meta = meta if paths_shown is None else with_path(meta, paths_shown, paths[0])
    kind = Reader if can_read_columns(kwargs, meta) else WholeReader
    stamps = [stamp_of(path) for path in paths]
    return as_configured(
        new_collection(kind(parser, blocks, whole_meta, (None,) * (len(blocks) + 1), name.replace("_", "-"), stamps))
    )


def _check_arguments(name: str, kwargs: dict) -> None:
    if "index" in kwargs or kwargs.get("index_col", False) is not False:
        raise ValueError(
            "the keywords 'index' and 'index_col' are not supported, but for 'index_col=False': "
            f"use dd.{name}(...).set_index('my-index') instead"
        )
    for word in ("iterator", "chunksize"):
        if kwargs.get(word):
            raise ValueError(f"{word!r} is not supported by dd.{name}: the frame has partitions already")
    if kwargs.get("nrows") is not None:
        raise ValueError(
            f"The 'nrows' keyword is not supported by dd.{name}: for the first rows use dd.{name}(...).head(n=...)"
        )
    if isinstance(kwargs.get("header"), list):
        raise TypeError(f"List of header rows not supported for dd.{name}: expected a number or None")


def files_of(urlpath: Any, storage_options: dict | None) -> list[str]:
    """The files that a path, a pattern or a list names; OSError where there is none."""
    urlpath = os.fspath(urlpath) if isinstance(urlpath, (str, os.PathLike)) else list(urlpath)
    try:
        return expand_paths(urlpath, storage_options)
    except ValueError as error:
        if not urlpath:
            raise
        raise OSError(f"{urlpath} resolved to no files") from error


def stamp_of(path: str) -> tuple:
    """What changes when a file does."""
    if is_remote(path) or not os.path.exists(path):
        return (path,)
    found = os.stat(path)
    return path, found.st_mtime_ns, found.st_size


def auto_blocksize(total_memory: int, cpu_count: int) -> int:
    """Bytes of a block that leave each processor ten times its memory, and at most 64 MB.

    Examples
    --------
    >>> from raskr.dataframe.io.csv import auto_blocksize
    >>> auto_blocksize(3000, 3)
    100
    """
    return min(int(total_memory // cpu_count / 10), _BLOCK_MAX)


def _block_size(blocksize: Any, compressions: list) -> int | None:
    if blocksize == "default":
        if any(compressions):
            return None
        try:
            return auto_blocksize(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), CPU_COUNT)
        except (ValueError, OSError, AttributeError):
            return _BLOCK_MAX
    size = parse_bytes(blocksize) if isinstance(blocksize, str) else blocksize
    if size is None:
        return None
    if size < 1:
        raise ValueError(f"blocksize must be at least one byte, got {blocksize!r}")
    found = next(filter(None, compressions), None)
    if found is not None:
        warnings.warn(
            f"files of {found} compression can't be cut into blocks: each file is a partition, which must fit in memory. "
            "Give blocksize=None to leave out this message. Setting blocksize=None",
            UserWarning,
            stacklevel=4,
        )
    return int(size)


def _head(reader: Callable, beginning: bytes, path: str, rows: int, whole: bool, kwargs: dict) -> Any:
    options = {name: value for name, value in kwargs.items() if name != "skipfooter"}
    if options.get("engine") == "pyarrow":
        options["engine"] = "c"
    try:
        return reader(io.BytesIO(beginning), **options)
    except pd.errors.EmptyDataError as error:
        raise pd.errors.EmptyDataError(f"{error}: there is no text in {path}") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        # The sample may end within a row.
        if whole:
            raise placed(error, beginning, path, 0) from error
    except ValueError as error:
        raise placed(error, beginning, path, 0) from error
    try:
        return reader(io.BytesIO(beginning), nrows=rows, **options)
    except ValueError as error:
        if not isinstance(error, pd.errors.ParserError) or "EOF" not in str(error):
            raise placed(error, beginning, path, 0) from error
        raise ValueError(
            f"EOF encountered while reading the first rows: the sample ends within one of them. Give a larger `sample`, "
            f"or fewer `sample_rows` than {rows}"
        ) from error


def _widths(text: str, kwargs: dict) -> list:
    from pandas.io.parsers.python_parser import FixedWidthReader

    source = io.StringIO(text)
    comment, skip = kwargs.get("comment"), kwargs.get("skiprows")
    skipped = set(range(skip)) if isinstance(skip, int) else set(skip or ())
    return FixedWidthReader(source, "infer", None, comment, skipped, kwargs.get("infer_nrows", 100)).colspecs


def _types(head: Any, dtype: Any, assume_missing: bool) -> tuple[Any, Any]:
    """The empty example, and the columns whose types were given."""
    given: Any = set(dtype) if isinstance(dtype, dict) else dtype is not None
    changes: dict = {}
    for name, kind in head.dtypes.items():
        if assume_missing and is_integer_dtype(kind) and given is not True and not (given and name in given):
            changes[name] = float
        if isinstance(kind, pd.CategoricalDtype):
            wanted = dtype.get(name) if isinstance(dtype, dict) else dtype
            if getattr(wanted, "categories", None) is None:
                changes[name] = pd.CategoricalDtype([UNKNOWN_CATEGORIES], getattr(wanted, "ordered", False))
    meta = head.iloc[:0]
    return (meta.astype(changes) if changes else meta), given


def _path_column(include: Any, paths: list, meta: Any, kwargs: dict) -> tuple | None:
    if not include:
        return None
    name = "path" if include is True else include
    if name in meta.columns:
        raise ValueError(
            f"Files already contain the column name: {name}, so the path column cannot use this name. "
            "Give `include_path_column` another one."
        )
    converters = kwargs.get("converters") or {}
    convert = converters.get(name, str)
    if name in converters:
        kwargs["converters"] = {key: value for key, value in converters.items() if key != name}
    return name, {path: convert(path) for path in paths}
