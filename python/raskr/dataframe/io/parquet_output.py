"""Frames to Parquet: `to_parquet`, a file for each partition, each there under its name only once it is whole."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.bytes.core import name_of_file
from raskr.dataframe.io.filesystems import arrow_filesystem, pyarrow
from raskr.dataframe.io.parquet import check_engine
from raskr.dataframe.io.parquet_statistics import highest_index
from raskr.dataframe.io.writing import beside_of, move_folder, nothing_left, ready_nodes, run_or_delay, write_nodes
from raskr.tokenize import tokenize

#: Values of a column that are looked at, and how many of them are different ones where a dictionary of a column of numbers
#: would exceed the 2^20 bytes at which it is given up.
_LOOKED_AT, _DISTINCT = 1 << 14, int(0.94 * 2**14)


def to_parquet(
    df: Any,
    path: Any,
    compression: Any = "snappy",
    write_index: bool = True,
    append: bool = False,
    overwrite: bool = False,
    ignore_divisions: bool = False,
    partition_on: Any = None,
    storage_options: dict | None = None,
    custom_metadata: dict | None = None,
    write_metadata_file: bool | None = None,
    compute: bool = True,
    compute_kwargs: dict | None = None,
    schema: Any = "infer",
    name_function: Any = None,
    filesystem: Any = None,
    engine: Any = None,
    **kwargs: Any,
) -> Any:
    """Write a frame as Parquet files, one for each partition.

    Parameters
    ----------
    df : DataFrame
        What is written.
    path : str or path
        The folder.
    compression : str or dict
        'snappy', 'gzip', 'zstd', 'lz4', 'brotli' or None; for columns apart by a dict.
    write_index : bool
        Write the index as a column.
    append : bool
        Add files to those that are there.
    overwrite : bool
        Replace the folder, once everything is written.
    ignore_divisions : bool
        With `append`, do not compare the divisions with what is there.
    partition_on : str or list of str, optional
        Columns whose values are names of folders.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    custom_metadata : dict, optional
        Notes that are put into each file.
    write_metadata_file : bool, optional
        Write the footers of all files to a file ``_metadata``.
    compute : bool
        Write now; otherwise a delayed value is given that writes when it is computed.
    compute_kwargs : dict, optional
        For `compute`.
    schema : 'infer', dict, pyarrow.Schema or None
        The types of columns: those of the frame, with columns of objects as they are in each partition; or given ones.
    name_function : callable, optional
        The name of the file of each partition's number.
    filesystem : object, optional
        As of `read_parquet`.
    engine : str, optional
        'pyarrow' or 'auto'.
    **kwargs
        For `pyarrow.parquet.write_table`.

    Returns
    -------
    None or Delayed

    Examples
    --------
    >>> import os, tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2).to_parquet(folder)
    >>> sorted(os.listdir(folder))
    ['part.0.parquet', 'part.1.parquet']
    """
    check_engine(engine)
    meta = df._meta
    _check_table(meta, custom_metadata)
    if append and overwrite:
        raise ValueError("Cannot use both `overwrite=True` and `append=True`!")
    keys = [partition_on] if isinstance(partition_on, str) else list(partition_on or [])
    missing = [key for key in keys if key not in meta.columns]
    if missing:
        raise ValueError(f"Partitioning on non-existent column {missing}: expected some of {list(meta.columns)}")
    if keys and len(keys) == len(meta.columns) and not write_index:
        raise ValueError("No data left to save outside partition columns")
    fs, (root,) = arrow_filesystem(path, filesystem, storage_options)
    first = 0
    if append:
        first = _checked_append(df, fs, root, write_index, ignore_divisions, keys)
    final, is_local = root, isinstance(fs, pyarrow("fs").LocalFileSystem)
    replaces = overwrite and is_local and os.path.isdir(root)
    if replaces:
        _check_overwrite(root)
    elif overwrite:
        _delete_remote(fs, root)
    if is_local and (compute or replaces):
        root = beside_of(final)
    names = _file_names(name_function, first, df.npartitions)
    if not write_index:
        # An index that nobody wants need not come along through sorts and joins.
        df = df.reset_index(drop=True)
    options = {
        "fs": fs,
        "root": root,
        "keys": keys,
        "schema": _schema(meta, schema, write_index, keys),
        "write_index": write_index,
        "notes": custom_metadata,
        # Damage within values is noticed by those who look at checksums, as read_parquet does.
        "options": {"compression": compression, "write_page_checksum": True, **kwargs},
    }
    # Folders are written anew each time: equal writes are no equal values.
    # Of empty partitions the first one alone is written: columns must be seen somewhere.
    rows = [(name, uuid.uuid4().hex, at == 0) for at, name in enumerate(names)]
    nodes = write_nodes("write-parquet", WritePart(**options), df, rows, ready_nodes(df, compute, compute_kwargs))
    token = tokenize(root, [node.key for node in nodes])
    end = core.node_of_call(
        _finish,
        (nodes, fs, root, final, replaces, bool(write_metadata_file)),
        key=f"to-parquet-{token}",
        name="to-parquet",
    )
    with nothing_left([root], [final]) if root != final else contextlib.nullcontext():
        found = run_or_delay([end], compute, compute_kwargs)
    return None if compute else found[0]


class WritePart:
    """Writes a partition, and gives the footers of its files."""

    def __init__(
        self, fs: Any, root: str, keys: list, schema: Any, write_index: bool, notes: Any, options: dict
    ) -> None:
        self.fs, self.root, self.keys, self.schema = fs, root, keys, schema
        self.write_index, self.notes, self.options = write_index, notes, options

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.root, self.keys, str(self.schema), sorted(self.options)

    def __call__(self, part: Any, name: str, write: str, is_first: bool) -> list:
        if not len(part) and not is_first:
            return []
        if not self.keys:
            return [self._write(part, name, write)]
        found = []
        for values, rows in part.groupby(self.keys, observed=True, sort=True, dropna=False):
            values = values if isinstance(values, tuple) else (values,)
            folders = [f"{key}={_quoted(value)}" for key, value in zip(self.keys, values)]
            found.append(self._write(rows.drop(columns=self.keys), "/".join([*folders, name]), write))
        return found

    def _write(self, part: Any, name: str, write: str) -> tuple:
        table = self._table(part)
        folder, _, file = f"{self.root.rstrip('/')}/{name}".rpartition("/")
        path, beside = f"{folder}/{file}", f"{folder}/.{file}.{write[:8]}.unfinished"
        self.fs.create_dir(folder, recursive=True)
        collected: list = []
        try:
            options = {"use_dictionary": _repeating(table), **self.options}
            pyarrow("parquet").write_table(table, beside, filesystem=self.fs, metadata_collector=collected, **options)
            self.fs.move(beside, path)
        except BaseException as error:
            if self.fs.get_file_info(beside).type == pyarrow("fs").FileType.File:
                self.fs.delete_file(beside)
            # pyarrow's own clean-up fails too, and hides what was wrong.
            cause = error.__context__ if isinstance(error, RuntimeError) else error
            if isinstance(cause, OSError):
                raise name_of_file(cause, path) from None
            raise
        footer = collected[0] if collected else None
        if footer is not None:
            footer.set_file_path(name)
        return name, footer, table.schema

    def _table(self, part: Any) -> Any:
        arrow = pyarrow()
        schema = self.schema
        table = arrow.Table.from_pandas(part, preserve_index=bool(self.write_index), nthreads=1)
        for place, field in enumerate(table.schema):
            if arrow.types.is_dictionary(field.type) and arrow.types.is_null(field.type.value_type):
                # There are no categories: what other files have is text more often than not.
                kind = arrow.dictionary(field.type.index_type, arrow.string())
                table = table.set_column(place, field.with_type(kind), arrow.nulls(len(table), kind))
        if schema is not None:
            fields = []
            for field in table.schema:
                at = schema.get_field_index(field.name)
                wanted = field.type if at < 0 else schema.field(at).type
                if arrow.types.is_null(wanted):
                    wanted = arrow.string() if arrow.types.is_null(field.type) else field.type
                fields.append(arrow.field(field.name, wanted))
            wanted_schema = arrow.schema(fields, metadata=table.schema.metadata)
            if not wanted_schema.equals(table.schema):
                try:
                    table = table.cast(wanted_schema)
                except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError) as error:
                    raise ValueError(
                        "Failed to convert partition to expected pyarrow schema: "
                        f"{error}\n\nExpected partition schema:\n{wanted_schema.remove_metadata()}\n\n"
                        f"Received partition schema:\n{table.schema.remove_metadata()}"
                    ) from error
        if self.notes:
            notes = {_bytes(key): _bytes(value) for key, value in self.notes.items()}
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), **notes})
        return table


def _repeating(table: Any) -> bool | list[str]:
    """The columns that are to be written by way of dictionaries, all of them if True: not those of values that hardly repeat.

    A dictionary that proves too large costs half of the time of writing and as much memory as the column, and is given up.
    """
    types = pyarrow("types")
    if len(table) < 4 * _LOOKED_AT or any(map(types.is_nested, table.schema.types)):
        return True
    # Drawn, since in a column that is sorted neighbours repeat and rows with equal steps do not.
    rows = np.random.default_rng(len(table)).choice(len(table), _LOOKED_AT, replace=False, shuffle=False)
    distinct = pyarrow("compute").count_distinct
    found = [
        field.name
        for field, column in zip(table.schema, table.columns)
        if not (types.is_primitive(field.type) or types.is_large_string(field.type) or types.is_string(field.type))
        or distinct(column.take(rows)).as_py() < _DISTINCT
    ]
    return found if len(found) < table.num_columns else True


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _quoted(value: Any) -> str:
    from urllib.parse import quote

    if pd.isna(value):
        return "__HIVE_DEFAULT_PARTITION__"
    return quote(str(value), safe=" :,;@+-_.()")


def _finish(found: list, fs: Any, root: str, final: str, replaces: bool, with_metadata: bool) -> None:
    """What is done when all files are written: the file of all footers, and the files in their places."""
    arrow = pyarrow("parquet")
    footers = [each for part in found for each in part]
    existing = not replaces and fs.get_file_info(f"{final}/_metadata").type == pyarrow("fs").FileType.File
    if (with_metadata or existing) and footers:
        schema = footers[0][2]
        arrow.write_metadata(schema, f"{root}/_common_metadata", filesystem=fs)
        collected = [footer for _, footer, _ in footers]
        if existing:
            collected.insert(0, arrow.read_metadata(f"{final}/_metadata", filesystem=fs))
        arrow.write_metadata(schema, f"{root}/_metadata", metadata_collector=collected, filesystem=fs)
    if root != final:
        os.makedirs(root, exist_ok=True)
        if replaces:
            shutil.rmtree(final)
        move_folder(root, final)


def _check_table(meta: Any, notes: Any) -> None:
    if getattr(meta, "ndim", 1) != 2:
        raise ValueError("to_parquet: expected a frame; make one of a series with to_frame()")
    odd = [name for name in meta.columns if not isinstance(name, str)]
    if odd:
        raise ValueError(f"parquet doesn't support non-string column names, got {odd}")
    if len(set(meta.columns)) < len(meta.columns):
        raise ValueError(f"to_parquet: names of columns occur more than once in {list(meta.columns)}")
    if notes and (b"pandas" in notes or "pandas" in notes):
        raise ValueError(
            "User-defined key/value metadata (custom_metadata) can not contain a b'pandas' key: it is pandas' own"
        )


def _file_names(name_function: Any, first: int, count: int) -> list[str]:
    numbers = range(first, first + count)
    if name_function is None:
        return [f"part.{number}.parquet" for number in numbers]
    if not callable(name_function):
        raise ValueError("``name_function`` must be a callable with one argument.")
    names = [name_function(number) for number in numbers]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"``name_function`` must give names as str, got {names[0]!r}")
    if len(set(names)) < len(names):
        raise ValueError("``name_function`` must produce unique filenames.")
    return names


def _schema(meta: Any, schema: Any, write_index: bool, keys: list) -> Any:
    """The types of columns that all files share; a null type stands for what each partition finds."""
    if schema is None:
        return None
    arrow = pyarrow()
    if isinstance(schema, arrow.Schema):
        return schema
    inferred = arrow_schema(meta.drop(columns=keys), write_index)
    given = dict(schema) if isinstance(schema, Mapping) else {}
    if not given and schema != "infer":
        raise ValueError(f"schema: expected 'infer', a dict, a pyarrow.Schema or None, got {schema!r}")
    fields = [
        arrow.field(field.name, given.get(field.name, arrow.null() if _is_open(meta, field) else field.type))
        for field in inferred
    ]
    return arrow.schema(fields)


def arrow_schema(meta: Any, write_index: bool) -> Any:
    """pyarrow's types of a frame's columns, the index among them where it is written."""
    return pyarrow().Schema.from_pandas(meta, preserve_index=bool(write_index))


def there_fields(fs: Any, root: str) -> list[str]:
    """The columns of the first file in a folder."""
    from raskr.dataframe.io.filesystems import parquet_files

    (first, *_) = parquet_files(fs, [root], (".parquet", ".parq", ".pq"))
    return pyarrow("parquet").read_schema(first, filesystem=fs).names


def _is_open(meta: Any, field: Any) -> bool:
    if field.name not in meta.columns:
        return meta.index.dtype == object
    # Codes of categories have the width that each partition needs.
    return meta[field.name].dtype == object or isinstance(meta[field.name].dtype, pd.CategoricalDtype)


def _check_overwrite(root: str) -> None:
    """ValueError for folders that nobody means to replace."""
    here = os.path.abspath(os.getcwd())
    if root.rstrip("/") == "" or here == root or here.startswith(root.rstrip("/") + "/"):
        raise ValueError(f"Cannot clear the contents of the current working directory, or one above it: {root}")


def _delete_remote(fs: Any, root: str) -> None:
    if fs.get_file_info(root).type == pyarrow("fs").FileType.Directory:
        fs.delete_dir_contents(root)


def _checked_append(df: Any, fs: Any, root: str, write_index: bool, ignore_divisions: bool, keys: list) -> int:
    """The number of the first new file, once it is seen that what is there has the same columns, and ends before."""
    from raskr.dataframe.io.parquet import read_parquet

    arrow = pyarrow("fs")
    if fs.get_file_info(root).type != arrow.FileType.Directory:
        return 0
    try:
        there = read_parquet(root, filesystem=fs, calculate_divisions=not ignore_divisions)
    except (FileNotFoundError, ValueError):
        return 0
    found, own = list(there._meta.columns), list(df._meta.columns)
    if set(found) != set(own):
        raise ValueError(f"Appended columns not the same.\nPrevious: {found} | New: {own}")
    changed = {
        name: (there._meta[name].dtype, df._meta[name].dtype)
        for name in own
        if name not in keys and not _alike(there._meta[name].dtype, df._meta[name].dtype)
    }
    if changed:
        raise ValueError(f"Appended dtypes differ: {changed}")
    fields = set(arrow_schema(df._meta, write_index).names)
    if fields != set(there_fields(fs, root)) and keys == []:
        raise ValueError(
            f"Appended columns not the same.\nPrevious: {sorted(there_fields(fs, root))} | New: {sorted(fields)}"
        )
    if not ignore_divisions and write_index and df.known_divisions:
        # What is there may itself overlap, and then has an end but no divisions; where somebody keeps the footers of all files
        # together they are known not to be in order, and stay so.
        if there.known_divisions:
            last = there.divisions[-1]
        elif fs.get_file_info(f"{root}/_metadata").type == arrow.FileType.File:
            last = None
        else:
            last = highest_index(there._expr)
        if last is not None and df.divisions[0] <= last:
            raise ValueError(
                "The divisions of the appended dataframe overlap with previously written divisions. If this is desired, "
                "set ``ignore_divisions=True`` to append anyway.\n"
                f"- End of last written partition: {last}\n"
                f"- Start of first new partition: {df.divisions[0]}"
            )
    numbers = [-1]
    files = 0
    for info in fs.get_file_info(arrow.FileSelector(root, recursive=True)):
        name = os.path.basename(info.path)
        middle = name.split(".")[1] if name.startswith("part.") and name.count(".") > 1 else ""
        files += name == info.base_name and info.type == arrow.FileType.File and not name.startswith(("_", "."))
        if middle.isdigit():
            numbers.append(int(middle))
    return max(max(numbers) + 1, files if max(numbers) < 0 else 0)


def _alike(before: Any, after: Any) -> bool:
    words = {"object", "str", "string"}
    return (
        str(before) == str(after)
        or {str(before).split("[")[0], str(after).split("[")[0]} <= words
        or "category"
        in (
            str(before),
            str(after),
        )
    )
