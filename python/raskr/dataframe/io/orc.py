"""Frames from ORC files and to them, by pyarrow."""

import contextlib
import uuid
from typing import Any

from raskr._bridge import core
from raskr.bytes.core import name_of_file
from raskr.dataframe.io.csv_blocks import naming
from raskr.dataframe.io.filesystems import arrow_filesystem, parquet_files, pyarrow
from raskr.dataframe.io.reader import Reader
from raskr.dataframe.io.writing import beside_of, move_folder, nothing_left, ready_nodes, run_or_delay, write_nodes
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.texts import as_configured
from raskr.utils import natural_sort_key


class OrcTables:
    """Makes tables of stripes of files."""

    def __init__(self, fs: Any, index: list, fields: list) -> None:
        self.fs, self.index, self.fields = fs, index, fields

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.index, self.fields

    def __call__(self, part: tuple, columns: list | None = None) -> Any:
        arrow = pyarrow()
        wanted = self.fields if columns is None else list(columns)
        fields = list(dict.fromkeys([*wanted, *self.index]))
        tables = []
        for path, stripes in part:
            with naming(path, None), self.fs.open_input_file(path) as source:
                file = pyarrow("orc").ORCFile(source)
                if stripes is None:
                    tables.append(file.read(columns=fields))
                else:
                    tables.extend(arrow.Table.from_batches([file.read_stripe(n, columns=fields)]) for n in stripes)
        return self.pandas_of(arrow.concat_tables(tables), wanted)

    def pandas_of(self, table: Any, columns: list) -> Any:
        """The frame of a table of pyarrow's."""
        made = table.to_pandas(use_threads=False, date_as_object=False)
        if self.index and not set(self.index) <= set(made.index.names):
            made = made.set_index(self.index)
        return made[columns]


def read_orc(
    path: Any,
    engine: Any = "pyarrow",
    columns: Any = None,
    index: Any = None,
    split_stripes: Any = 1,
    aggregate_files: Any = None,
    storage_options: dict | None = None,
) -> Any:
    """A frame of ORC files.

    Parameters
    ----------
    path : str, path or list of these
        Folders, files or patterns.
    engine : str
        'pyarrow'.
    columns : list of str, optional
        Which columns.
    index : str, optional
        The column that becomes the index.
    split_stripes : int or False
        How many stripes make a partition; False for a whole file.
    aggregate_files : bool
        Let stripes of several files make one partition.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2).to_orc(folder)
    >>> dd.read_orc(folder).a.compute().tolist()
    [0, 1, 2, 3]
    """
    _check_engine(engine)
    fs, paths = arrow_filesystem(path, None, storage_options)
    files = sorted(parquet_files(fs, paths, None), key=natural_sort_key)
    schema, found = None, []
    for file in files:
        with naming(file, None), fs.open_input_file(file) as source:
            opened = pyarrow("orc").ORCFile(source)
            if schema is None:
                schema = opened.schema
            elif not opened.schema.equals(schema, check_metadata=False):
                raise ValueError(f"Incompatible schemas: {file} has {opened.schema}, the first file has {schema}")
            found.append((file, opened.nstripes))
    indexes = [index] if isinstance(index, str) else list(index or [])
    wanted = [name for name in (columns or schema.names) if name not in indexes]
    missing = [name for name in [*wanted, *indexes] if name not in schema.names]
    if missing:
        raise ValueError(f"Requested columns {missing} are not among those of the files: {schema.names}")
    parts = _parts(found, split_stripes, aggregate_files)
    maker = OrcTables(fs, indexes, wanted)
    fields = [schema.field(name) for name in dict.fromkeys([*wanted, *indexes])]
    meta = maker.pandas_of(pyarrow().schema(fields).empty_table(), wanted)
    stamps = [str(fs.get_file_info(file).mtime) for file in files]
    return as_configured(
        new_collection(Reader(maker, parts, meta, (None,) * (len(parts) + 1), "read-orc", [files, stamps]))
    )


def _parts(found: list, split: Any, aggregate: Any) -> list:
    if not split:
        return [[(file, None)] for file, _ in found]
    pieces = [(file, number) for file, count in found for number in range(count)]
    parts: list = []
    for file, number in pieces:
        room = parts and sum(len(stripes) for _, stripes in parts[-1]) < int(split)
        if room and parts[-1][-1][0] == file:
            parts[-1][-1][1].append(number)
        elif room and aggregate:
            parts[-1].append((file, [number]))
        else:
            parts.append([(file, [number])])
    return parts or [[(found[0][0], None)]]


def _check_engine(engine: Any) -> None:
    if engine not in (None, "pyarrow", "auto"):
        raise TypeError(f"engine: expected 'pyarrow', got {engine!r}")


def to_orc(
    df: Any,
    path: Any,
    engine: Any = "pyarrow",
    write_index: bool = True,
    storage_options: dict | None = None,
    compute: bool = True,
    compute_kwargs: dict | None = None,
) -> Any:
    """Write a frame as ORC files, one for each partition.

    Parameters
    ----------
    df : DataFrame
        What is written.
    path : str or path
        The folder.
    engine : str
        'pyarrow'.
    write_index : bool
        Write the index as a column, if it has a name.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    compute : bool
        Write now; otherwise a delayed value is given.
    compute_kwargs : dict, optional
        For `compute`.

    Examples
    --------
    >>> import os, tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2).to_orc(folder)
    >>> sorted(os.listdir(folder))
    ['part.0.orc', 'part.1.orc']
    """
    _check_engine(engine)
    fs, (root,) = arrow_filesystem(path, None, storage_options)
    final = root.rstrip("/")
    root = beside_of(final) if compute and isinstance(fs, pyarrow("fs").LocalFileSystem) else final
    writer = _WritePart(fs, write_index and df._meta.index.name is not None)
    rows = [(f"{root}/part.{number}.orc", uuid.uuid4().hex) for number in range(df.npartitions)]
    nodes = write_nodes("write-orc", writer, df, rows, ready_nodes(df, compute, compute_kwargs))
    end = core.node_of_call(_finish, (nodes, root, final), key=f"to-orc-{uuid.uuid4().hex}", name="to-orc")
    with nothing_left([root], [final]) if root != final else contextlib.nullcontext():
        found = run_or_delay([end], compute, compute_kwargs)
    return None if compute else found[0]


class _WritePart:
    def __init__(self, fs: Any, write_index: bool) -> None:
        self.fs, self.write_index = fs, write_index

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.write_index

    def __call__(self, part: Any, path: str, write: str) -> None:
        folder, _, name = path.rpartition("/")
        beside = f"{folder}/.{name}.{write[:8]}.unfinished"
        table = part.reset_index() if self.write_index else part
        self.fs.create_dir(folder, recursive=True)
        # The writer of ORC ends the process where a file can't be written, so that it gets memory.
        buffer = pyarrow().BufferOutputStream()
        pyarrow("orc").write_table(pyarrow().Table.from_pandas(table, preserve_index=False, nthreads=1), buffer)
        try:
            with self.fs.open_output_stream(beside) as file:
                file.write(buffer.getvalue())
            self.fs.move(beside, path)
        except BaseException as error:
            if self.fs.get_file_info(beside).type == pyarrow("fs").FileType.File:
                self.fs.delete_file(beside)
            if isinstance(error, OSError):
                raise name_of_file(error, path) from None
            raise


def _finish(nodes: list, root: str, final: str) -> None:
    """Once all files are there, put them in their places."""
    if root != final:
        move_folder(root, final)
