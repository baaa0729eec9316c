"""Sources of native plans: pandas objects in memory, Parquet and text files, made-up rows."""

import json
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.bytes.objects import ObjectFileSystem
from raskr.dataframe.expressions import Expression, PandasSlices
from raskr.dataframe.io.csv_blocks import BlockParser
from raskr.dataframe.io.made_up import MadeUp, source_of_column, steps_of_index
from raskr.dataframe.io.parquet import ParquetTables
from raskr.dataframe.io.reader import Reader
from raskr.dataframe.native.tables import (
    INDEX,
    NativeTable,
    NotNative,
    arrow_of_pandas,
    arrow_schema,
    dtypes_of,
    kinds_of,
    names,
    table_of_arrays,
    whole_table,
)
from raskr.dataframe.native.text import csv_table


def source_of(expression: Expression) -> NativeTable:
    """The table of a source; NotNative for others."""
    if isinstance(expression, PandasSlices):
        return _slices(expression)
    if isinstance(expression, Reader) and isinstance(expression.read, ParquetTables):
        return _parquet(expression)
    if isinstance(expression, Reader) and isinstance(expression.read, BlockParser):
        return csv_table(expression)
    if isinstance(expression, MadeUp):
        return _made_up(expression)
    raise NotNative(type(expression).__name__)


def _table(reader: Any, kinds: dict, estimates: list, meta: Any, label: str) -> NativeTable:
    plan = core.FramePlan.read_python(label, arrow_schema(kinds), reader, estimates)
    return whole_table(plan, meta, worth=False)


def _slices(expression: PandasSlices) -> NativeTable:
    data = expression.data
    kinds = kinds_of(data)
    if object in [dtype for dtype in dtypes_of(data) if isinstance(dtype, np.dtype)] or data.index.dtype == object:
        raise NotNative("objects may be anything")
    reader = _PandasReader(data, expression.bounds, kinds)
    usage = data.memory_usage(deep=False)
    total = int(usage.sum()) if hasattr(usage, "sum") else int(usage)
    ends = list(zip(expression.bounds, expression.bounds[1:]))
    estimates = [total * (stop - start) // max(len(data), 1) for start, stop in ends]
    return _table(reader, kinds, estimates, data.iloc[:0], "from-pandas")


class _PandasReader:
    """Slices of a pandas object as tables of pyarrow."""

    # Rows in memory are sent to other processes where they are needed, and not with the function.
    stays_here = True

    def __init__(self, data: Any, bounds: list, kinds: dict) -> None:
        self.data, self.bounds = data, bounds
        self.places = {name: place for place, name in enumerate(kinds)}
        self.schema = arrow_schema(kinds)

    def __call__(self, number: int, columns: list) -> Any:
        part = self.data.iloc[self.bounds[number] : self.bounds[number + 1]]
        return arrow_of_pandas(part, columns, self.places, self.schema)


def _parquet(expression: Reader) -> NativeTable:
    maker = expression.read
    meta = expression.meta
    if maker.options.get("types_mapper") or maker.partitions or not isinstance(meta, pd.DataFrame):
        raise NotNative("columns of other types")
    kinds = kinds_of(meta)
    if len(maker.index) > 1:
        raise NotNative("an index of several levels")
    fields = dict(zip(names(len(meta.columns)), meta.columns))
    if any(not isinstance(label, str) for label in fields.values()):
        raise NotNative("labels that are no text")
    if maker.index:
        fields[INDEX] = maker.index[0]
    elif not _counts_rows(meta.index, maker.schema):
        raise NotNative("an index that is described in the notes of the file")
    reader = _ParquetReader(maker, expression.parts, fields, kinds)
    schema = maker.schema
    if not all(_is_kind(schema.field(fields[name]).type, kind) for name, kind in kinds.items() if name in fields):
        raise NotNative("types that pandas converts")
    estimates = [_bytes_of(part, kinds) for part in expression.parts]
    stores = {_store(fragment) for part in expression.parts for fragment in part.fragments}
    if maker.filters is not None or len(stores) != 1 or stores == {None}:
        return _table(reader, kinds, estimates, meta, "read-parquet")
    (store,) = stores
    parts = [(_pieces(part, store), estimate) for part, estimate in zip(expression.parts, estimates)]
    columns = [(name, fields[name], kind) for name, kind in kinds.items() if name in fields]
    row_numbers = None if maker.index else INDEX
    options = store.options if isinstance(store, ObjectFileSystem) else None
    plan = core.FramePlan.read_parquet(parts, columns, row_numbers, options, reader)
    return whole_table(plan, meta, worth=True)


def _is_kind(arrow: Any, kind: str) -> bool:
    """Are values of a type of pyarrow's what the engine calls so?"""
    from pyarrow import types

    if kind == "str":
        return types.is_string(arrow) or types.is_large_string(arrow) or types.is_string_view(arrow)
    return arrow == arrow_schema({"": kind}).field(0).type


def _store(fragment: Any) -> Any:
    """Where a file is: the store, "here", or None for file systems of others."""
    from pyarrow import fs

    if isinstance(fragment.filesystem, fs.LocalFileSystem):
        return "here"
    handler = getattr(fragment.filesystem, "handler", None)
    found = getattr(handler, "fs", None)
    return found if isinstance(found, ObjectFileSystem) else None


def _pieces(part: Any, store: Any) -> list:
    address = store.unstrip_protocol if isinstance(store, ObjectFileSystem) else str
    return [(address(fragment.path), [group.id for group in fragment.row_groups]) for fragment in part.fragments]


def _counts_rows(index: Any, schema: Any) -> bool:
    """Does the index count the rows of each partition from 0?"""
    notes = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    ranges = [each for each in notes.get("index_columns", []) if isinstance(each, dict)]
    counted = all(each.get("start") == 0 and each.get("step") == 1 for each in ranges)
    return counted and isinstance(index, pd.RangeIndex) and index.name is None


def _bytes_of(part: Any, kinds: dict) -> int:
    """Bytes of the rows of a part, once read: texts are what they take in the file, before compression, and their places."""
    groups = [group for fragment in part.fragments for group in fragment.row_groups]
    fixed = sum(16 if kind == "str" else 8 for kind in kinds.values())
    stored = sum(group.total_byte_size for group in groups) if "str" in kinds.values() else 0
    return stored + fixed * sum(group.num_rows for group in groups)


class _ParquetReader:
    """Fragments of Parquet files as tables of pyarrow."""

    def __init__(self, maker: Any, parts: list, fields: dict, kinds: dict) -> None:
        self.maker, self.parts, self.fields = maker, parts, fields
        self.schema = arrow_schema(kinds)

    def __call__(self, number: int, columns: list) -> Any:
        import pyarrow

        wanted = [self.fields[name] for name in columns if name in self.fields]
        whole = self.maker.arrow_table(self.parts[number], list(dict.fromkeys(wanted)))
        arrays = []
        for name in columns:
            if name in self.fields:
                found = whole.column(self.fields[name])
                arrays.append(found.cast(self.schema.field(name).type))
            else:
                arrays.append(pyarrow.array(np.arange(whole.num_rows)))
        return table_of_arrays(arrays, columns, self.schema, whole.num_rows)


def _made_up(expression: MadeUp) -> NativeTable:
    meta = expression.meta
    kinds = kinds_of(meta)
    parts = [steps_of_index(index, meta.index.dtype) for index in expression.indexes]
    sources: list = [
        source_of_column(name, kind, options, expression.seed) for name, (kind, options) in expression.columns.items()
    ]
    if None in sources or None in parts:
        raise NotNative("values that only NumPy has, or an index without a regular step")
    columns = [(name, kind, source) for (name, kind), source in zip(kinds.items(), [*sources, None])]
    steps = [(first, rows, start, step) for first, (start, step, rows) in zip(expression.firsts, parts)]
    label = expression.name.rpartition("-")[0]
    return whole_table(core.FramePlan.made_up(label, columns, steps), meta, worth=True)
