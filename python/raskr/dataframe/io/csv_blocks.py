"""Blocks of text files, and how pandas makes a table of one: what the readers of CSV and its kin are made of."""

import codecs
import contextlib
import copy
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from raskr.bytes.core import file_size, open_bytes
from raskr.bytes.regions import lines_between, native_text, undecodable
from raskr.dataframe.io.csv_types import coerced, first_misfit
from raskr.system import CPU_COUNT

_PIECE = 1 << 16


class TextBlock(NamedTuple):
    """The lines of a file that begin in a region of it; `length` is None for all that follows."""

    path: str
    compression: str | None
    start: int
    length: int | None
    is_last: bool
    threads: int
    storage_options: dict | None

    @property
    def is_first(self) -> bool:
        """Does the file begin here?"""
        return self.start == 0


def blocks_of(
    paths: Sequence, blocksize: int | None, compressions: Sequence, storage_options: dict | None
) -> list[TextBlock]:
    """The blocks of files; where these are fewer than processors, several decompress one that allows for it."""
    threads = max(1, CPU_COUNT // max(1, len(paths)))
    return [
        block
        for path, compression in zip(paths, compressions)
        for block in _blocks_of_file(path, blocksize, compression, threads, storage_options)
    ]


def _blocks_of_file(
    path: str, blocksize: int | None, compression: str | None, threads: int, storage_options: dict | None
) -> list[TextBlock]:
    """A file cut into blocks of nearly equal length, of at least `blocksize` bytes."""
    if blocksize is None or compression is not None:
        return [TextBlock(path, compression, 0, None, True, threads, storage_options)]
    size = file_size(path, storage_options)
    count = max(1, size // blocksize)
    bounds = [size * number // count for number in range(count)]
    # The last block takes what is there when it is read.
    lengths = [*(stop - start for start, stop in zip(bounds, bounds[1:])), None]
    return [
        TextBlock(path, None, start, length, length is None, 1, storage_options)
        for start, length in zip(bounds, lengths)
    ]


def block_bytes(block: TextBlock, delimiter: str, encoding: str) -> bytes:
    """The bytes of the lines that begin in a block, decompressed."""
    file = native_text(
        block.path,
        block.compression,
        block.start,
        block.length,
        delimiter,
        encoding,
        "strict",
        block.threads,
        block.storage_options,
    )
    if file is not None:
        return file.read()
    if block.start == 0 and block.length is None:
        with (
            naming(block.path, block.compression),
            open_bytes(block.path, block.compression, block.storage_options) as file,
        ):
            return file.read()
    ending = encoded(delimiter, encoding)
    return lines_between(block.path, block.start, block.length, ending, block.storage_options)[0]


def encoded(text: str, encoding: str) -> bytes:
    """A text's bytes, without the mark that some encodings put at the beginning."""
    return _without_mark(text.encode(encoding))


_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _without_mark(data: bytes) -> bytes:
    for mark in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :]
    return data


def plain_encoding(encoding: str, beginning: bytes) -> str:
    """The encoding of text behind the byte order mark that a file begins with."""
    name = codecs.lookup(encoding).name
    if name == "utf-8-sig":
        return "utf-8"
    if name in ("utf-16", "utf-32"):
        big = beginning.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
        return f"{name}-{'be' if big else 'le'}"
    return encoding


@contextlib.contextmanager
def naming(path: str, compression: str | None) -> Iterator[None]:
    """Errors of reading, which name the file: OSError, or EOFError where it ends too early."""
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        if getattr(error, "filename", None) is not None or str(path) in str(error):
            raise
        kind = EOFError if isinstance(error, EOFError) else OSError
        raise kind(f"{path}: can't be read{f' as {compression}' if compression else ''}: {error}") from error


def sample_of(path: str, size: int | None, compression: str | None, ending: bytes, storage_options: Any) -> bytes:
    """The first `size` bytes of a file and the rest of the line that they end in; all of it for None."""
    with naming(path, compression), contextlib.closing(_pieces(path, compression, size, storage_options)) as pieces:
        if size is None:
            return b"".join(pieces)
        data = b""
        for piece in pieces:
            place = max(0, len(data) - len(ending) + 1, size - len(ending))
            data += piece
            found = data.find(ending, place)
            if found >= 0:
                return data[: found + len(ending)]
        return data


#: What files of some compressions begin with.
_BEGINNINGS = {"gzip": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\x00"}


def _check_beginning(path: str, compression: str | None, storage_options: dict | None) -> None:
    """OSError for a file of another kind, which a short one might otherwise pass for a truncated one of."""
    expected = _BEGINNINGS.get(compression or "", b"")
    with open_bytes(path, None, storage_options) as file:
        found = file.read(len(expected))
    if not expected.startswith(found[: len(expected)]):
        raise OSError(f"{path}: these are no {compression} data, which begin with {expected!r}: found {found!r}")


def _pieces(path: str, compression: str | None, size: int | None, storage_options: Any) -> Iterator[bytes]:
    """A file's bytes, decompressed by the engine where it can: it looks for damage, and has more compressions."""
    # Latin-1 has a character for each byte.
    file = native_text(path, compression, 0, None, "", "latin-1", "strict", 1, storage_options) if compression else None
    if file is not None:
        _check_beginning(path, compression, storage_options)
        for lines in file:
            yield "".join(lines).encode("latin-1")
        return
    with open_bytes(path, compression, storage_options) as opened:
        while piece := opened.read(-1 if size is None else max(size, _PIECE)):
            yield piece


class Header(NamedTuple):
    """Where the names of columns stand: the line itself, and whether its end was seen."""

    line: str
    found: bool


def find_header(text: str, delimiter: str, kwargs: dict) -> Header:
    """The line with the names of columns, by the rules of pandas' readers."""
    row = kwargs.get("header", "infer")
    if row == "infer":
        row = None if kwargs.get("names") is not None else 0
    skip, comment = kwargs.get("skiprows"), kwargs.get("comment")
    blank_lines = kwargs.get("skip_blank_lines", True)
    left = 0 if row is None else row
    lines = text.split(delimiter)
    for number, line in enumerate(lines):
        is_whole = number + 1 < len(lines)
        if _is_skipped(number, skip) or comment and line.startswith(comment):
            continue
        if blank_lines and not line.strip():
            continue
        if row is None:
            return Header("", is_whole)
        if left == 0:
            return Header(line + delimiter if line else "", is_whole)
        left -= 1
    return Header("", False)


def _is_skipped(number: int, skip: Any) -> bool:
    if skip is None:
        return False
    if isinstance(skip, int):
        return number < skip
    return skip(number) if callable(skip) else number in skip


class BlockParser:
    """Makes tables of blocks of text by one of pandas' readers.

    Parameters
    ----------
    reader : callable
        `pandas.read_csv`, `read_table` or `read_fwf`.
    kwargs : dict
        Its arguments.
    header : str
        The line of column names, which is put before blocks that do not begin a file.
    meta : pandas.DataFrame
        An empty example, without the column of paths.
    delimiter, encoding : str
        What lines end with, and how text is encoded behind a byte order mark.
    enforce : bool
        Refuse files with other columns.
    path_column : tuple, optional
        As of `with_path`: the name of the column, and what stands in it for each path.
    given_types : set or bool
        Columns whose types the caller said; True for all.
    text : dict
        As of `csv_types.text_columns`.
    """

    def __init__(
        self,
        reader: Callable,
        kwargs: dict,
        header: str,
        meta: Any,
        delimiter: str,
        encoding: str,
        enforce: bool,
        path_column: tuple | None,
        given_types: Any,
        text: dict,
    ) -> None:
        self.reader, self.kwargs, self.header, self.meta = reader, kwargs, header, meta
        self.delimiter, self.encoding, self.enforce = delimiter, encoding, enforce
        self.path_column, self.given_types, self.text = path_column, given_types, text

    def __dask_tokenize__(self) -> Any:
        content = {name: value for name, value in self.__dict__.items() if name != "reader"}
        return type(self).__name__, self.reader.__name__, sorted(content.items())

    def __call__(self, block: TextBlock, columns: list | None = None) -> pd.DataFrame:
        data = _without_mark(block_bytes(block, self.delimiter, self.encoding))
        kwargs = dict(self.kwargs)
        if not block.is_last:
            kwargs.pop("skipfooter", None)
        path_name = None if self.path_column is None else self.path_column[0]
        wanted = None if columns is None else [name for name in columns if name != path_name]
        if wanted is not None:
            kwargs = _for_columns(kwargs, wanted, self.meta.columns)
        if not block.is_first:
            kwargs.pop("skiprows", None)
            kwargs["header"] = 0 if self.header else None
            data, kwargs = self._without_labels(data, kwargs, block)
            data = encoded(self.header, self.encoding) + data
        kwargs = self._with_text(kwargs)
        try:
            table = self.reader(io.BytesIO(data), **kwargs) if data else self.meta.copy()
        except pd.errors.EmptyDataError:
            table = self.meta.copy()
        except (ValueError, OverflowError) as error:
            raise placed(error, data, block.path, block.start, self._misfit(error, data, kwargs)) from error
        self._check_columns(table, block, wanted)
        try:
            table = self._coerced(table)
        except ValueError as error:
            misfit = first_misfit(table, dict(self.meta.dtypes))
            raise placed(error, data, block.path, block.start, misfit) from error
        if wanted is not None:
            table = table[wanted] if set(wanted) <= set(table.columns) else table
        if path_name is not None and (columns is None or path_name in columns):
            table = with_path(table, self.path_column, block.path)  # type: ignore[arg-type]
            table = table if columns is None else table[columns]
        return table

    def _with_text(self, kwargs: dict) -> dict:
        """The arguments, which say what is text: a block in which it looks like numbers has it as it is written."""
        if not self.text:
            return kwargs
        given = kwargs.get("dtype")
        types = (
            copy.copy(given) if isinstance(given, dict) else dict.fromkeys(self.meta.columns, given) if given else {}
        )
        types.update(self.text)
        return {**kwargs, "dtype": types}

    def _without_labels(self, data: bytes, kwargs: dict, block: TextBlock) -> tuple[bytes, dict]:
        """What keeps pandas from taking values for labels where a block begins with a row that is too long.

        Elsewhere in a file such a row is an error, unless the caller has it skipped or reads some columns only.
        """
        if self.reader is pd.read_fwf or not isinstance(self.meta.index, pd.RangeIndex) or "index_col" in kwargs:
            return data, kwargs
        if kwargs.get("usecols") is not None:
            return data, {**kwargs, "index_col": False}
        ending, place = encoded(self.delimiter, self.encoding), 0
        while place < len(data):
            found = data.find(ending, place)
            stop = len(data) if found < 0 else found + len(ending)
            row = data[place:stop].decode(self.encoding, "replace")
            fields = _number_of_fields(row, self.reader, kwargs)
            if fields and fields <= len(self.meta.columns):
                break
            if fields and kwargs.get("on_bad_lines", "error") == "error":
                raise pd.errors.ParserError(
                    f"Expected {len(self.meta.columns)} fields, saw {fields} in the row {row.strip()!r} of {block.path}, the "
                    f"first one behind byte {block.start}"
                )
            data, place = (data[:place] + data[stop:], place) if fields else (data, stop)
        return data, kwargs

    def _check_columns(self, table: Any, block: TextBlock, wanted: list | None) -> None:
        if not self.enforce or wanted is not None:
            return
        if list(table.columns) != list(self.meta.columns):
            raise ValueError(
                f"Columns do not match: {block.path} has {list(table.columns)}, expected {list(self.meta.columns)}, "
                "which is what the first file has"
            )

    def _misfit(self, error: Exception, data: bytes, kwargs: dict) -> str:
        """Which value was none of its column's type, where that may be what was wrong."""
        if type(error) not in (ValueError, OverflowError) or {"thousands", "decimal"} & set(kwargs):
            return ""
        as_text = {name: value for name, value in kwargs.items() if name not in ("parse_dates", "converters")}
        try:
            table = self.reader(io.BytesIO(data), **{**as_text, "dtype": object})
        except (ValueError, TypeError):
            return ""
        return first_misfit(table, dict(self.meta.dtypes))

    def _coerced(self, table: Any) -> Any:
        declared = {name: kind for name, kind in self.meta.dtypes.items() if name in table.columns}
        return coerced(table, declared, self.given_types)


def _number_of_fields(row: str, reader: Callable, kwargs: dict) -> int:
    """How many fields a row has; 0 for one that is skipped."""
    names = ("sep", "delimiter", "quotechar", "quoting", "doublequote", "escapechar", "comment", "skipinitialspace")
    try:
        table = reader(
            io.StringIO(row),
            header=None,
            dtype=object,
            skip_blank_lines=kwargs.get("skip_blank_lines", True),
            engine=kwargs.get("engine", "c"),
            **{name: kwargs[name] for name in names if kwargs.get(name) is not None},
        )
    except pd.errors.EmptyDataError:
        return 0
    return table.shape[1]


def with_path(table: Any, path_column: tuple, path: str) -> Any:
    """A table with a column of the path that it was read from: a category among those of all paths."""
    name, labels = path_column
    categories = list(dict.fromkeys(labels.values()))
    code = categories.index(labels[path])
    return table.assign(**{name: pd.Categorical.from_codes([code] * len(table), categories)})


def placed(error: Exception, data: bytes, path: str, start: int, misfit: str = "") -> Exception:
    """An error of pandas' reader that names the file, and the place of a `misfit` or of bytes that can't be decoded."""
    behind = f" of what follows byte {start}" if start else ""
    if isinstance(error, UnicodeDecodeError):
        try:
            data.decode(error.encoding)
        except UnicodeDecodeError as found:
            return undecodable(found, data, f"at byte {found.start}{behind} of the text of {path}")
        return error
    try:
        return type(error)(
            f"{error} (while reading {path}{f', from byte {start}' if start else ''}{misfit and f': {misfit}'})"
        )
    except TypeError:
        return error


def _for_columns(kwargs: dict, wanted: Sequence, every: Any) -> dict:
    """The arguments with which a reader reads some columns only; one at least, for the number of rows."""
    kwargs = dict(kwargs)
    kwargs["usecols"] = list(wanted) or [every[0]]
    dates = kwargs.get("parse_dates")
    if isinstance(dates, (list, tuple)):
        kwargs["parse_dates"] = [name for name in dates if name in kwargs["usecols"]]
    return kwargs


def can_read_columns(kwargs: dict, meta: Any) -> bool:
    """Do the arguments leave room for reading some columns only?"""
    dates = kwargs.get("parse_dates")
    plain = dates is None or isinstance(dates, bool) or all(name in meta.columns for name in dates)
    if kwargs.get("header", "infer") is None and kwargs.get("names") is None:
        return False
    return (
        kwargs.get("usecols") is None
        and plain
        and meta.columns.is_unique
        and isinstance(meta.index, pd.RangeIndex)
        and kwargs.get("index_col") is None
        and kwargs.get("colspecs", "infer") == "infer"
        and not kwargs.get("skipinitialspace")
    )
