"""Native tables of CSV: what of `read_csv` the engine's parser does, with pandas' reader for whatever it is unsure of."""

import os
from typing import Any

import pandas as pd

from raskr._bridge import core
from raskr.bytes.regions import native_text
from raskr.dataframe.io.csv_blocks import BlockParser, TextBlock
from raskr.dataframe.io.reader import Reader
from raskr.dataframe.native.tables import (
    INDEX,
    NativeTable,
    NotNative,
    arrow_of_pandas,
    arrow_schema,
    kinds_of,
    whole_table,
)

#: Arguments of `pandas.read_csv` that the engine heeds.
_KNOWN = {"dtype", "sep", "delimiter", "encoding", "header", "names", "na_values", "keep_default_na", "low_memory"}
#: Words that pandas takes for missing values.
_MISSING = sorted(pd._libs.parsers.STR_NA_VALUES)
#: Bytes of text for one of a compressed file, about.
_EXPANSION = {"bz2": 6, "gzip": 5, "xz": 6, "zstd": 5, "zip": 5}


def csv_table(expression: Reader) -> NativeTable:
    """The table of text files; NotNative where arguments ask for what only pandas does."""
    parser = expression.read
    dialect = _dialect(parser)
    meta = expression.meta
    if not isinstance(meta, pd.DataFrame):
        raise NotNative("a series")
    given = parser.kwargs.get("dtype")
    for label, dtype in meta.dtypes.items():
        if pd.api.types.is_object_dtype(dtype) and (given.get(label) if isinstance(given, dict) else given) is None:
            raise NotNative("values of several types, such as truth that misses some")
    kinds = kinds_of(meta)
    every = list(parser.meta.columns)
    positions = [every.index(label) for label in meta.columns]
    files, first, estimates = [], [], []
    for block in expression.parts:
        files.append(_text_file(block, parser))
        first.append(block.is_first)
        estimates.append(_bytes_of(block))
    again = _Again(parser, expression.parts, list(meta.columns), kinds)
    header = parser.header.rstrip("\r\n") if parser.header else None
    columns = [(name, position, kind) for (name, kind), position in zip(kinds.items(), [*positions, 0])]
    separator, missing = dialect
    plan = core.FramePlan.read_csv(
        list(zip(files, first, estimates)), columns, len(every), header, separator, missing, again
    )
    return whole_table(plan, meta, worth=True)


def _dialect(parser: BlockParser) -> tuple[str, list[str]]:
    """The separator and the words for missing values."""
    kwargs = parser.kwargs
    if parser.reader not in (pd.read_csv, pd.read_table) or not set(kwargs) <= _KNOWN or parser.delimiter != "\n":
        raise NotNative("arguments that only pandas' reader knows")
    given = kwargs.get("sep", kwargs.get("delimiter"))
    separator = given or ("," if parser.reader is pd.read_csv else "\t")
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n ':
        raise NotNative("separators of another kind")
    if kwargs.get("header", "infer") not in ("infer", 0) and not (kwargs.get("header") is None and kwargs.get("names")):
        raise NotNative("names in another line")
    if kwargs.get("names") is not None and kwargs.get("header", "infer") is not None:
        raise NotNative("names in place of those in the file")
    if parser.path_column is not None or parser.enforce or '"' in parser.header:
        raise NotNative("a column of paths")
    missing = list(_MISSING) if kwargs.get("keep_default_na", True) else []
    words = kwargs.get("na_values")
    words = [words] if isinstance(words, str) else words
    if words is not None:
        if not isinstance(words, (list, tuple, set)) or any(not isinstance(word, str) for word in words):
            raise NotNative("missing values that are no words, or are told by column")
        missing.extend(words)
    if "" not in missing:
        raise NotNative("fields that a row lacks are empty text for pandas, and missing for the engine")
    return separator, missing


def _text_file(block: TextBlock, parser: BlockParser) -> Any:
    file = native_text(
        block.path,
        block.compression,
        block.start,
        block.length,
        parser.delimiter,
        parser.encoding,
        "strict",
        block.threads,
        block.storage_options,
    )
    if file is None:
        raise NotNative("an encoding, a compression or a store that the engine does not know")
    return file


def _bytes_of(block: TextBlock) -> int:
    size = block.length
    if size is None:
        try:
            size = max(os.path.getsize(block.path) - block.start, 0)
        except OSError:
            return 0
    return size * _EXPANSION.get(block.compression or "", 1)


class _Again:
    """Blocks of text as pandas' reader reads them, with its errors."""

    def __init__(self, parser: BlockParser, blocks: list, labels: list, kinds: dict) -> None:
        self.parser, self.blocks, self.schema = parser, blocks, arrow_schema(kinds)
        self.labels = dict(zip(kinds, labels))

    def __call__(self, number: int, columns: list) -> Any:
        wanted = [self.labels[name] for name in columns if name != INDEX]
        # pandas minds further fields of a row only where it is not told which columns to read.
        every = set(wanted) == set(self.parser.meta.columns)
        part = self.parser(self.blocks[number], None if every else wanted)
        # Files may lack columns of the first one.
        part = part.reindex(columns=[*part.columns, *(label for label in wanted if label not in part.columns)])
        places = {name: part.columns.get_loc(self.labels[name]) for name in columns if name != INDEX}
        return arrow_of_pandas(part, columns, places, self.schema)
