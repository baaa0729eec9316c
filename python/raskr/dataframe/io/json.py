"""Frames from JSON and to it: a table in each file, or a record in each line."""

import io
from typing import Any

import pandas as pd

from raskr.bytes.core import infer_compression, output_paths, write_whole
from raskr.dataframe.io.csv import files_of, stamp_of
from raskr.dataframe.io.csv_blocks import TextBlock, block_bytes, blocks_of, placed, sample_of, with_path
from raskr.dataframe.io.reader import WholeReader
from raskr.dataframe.io.writing import ready_nodes, write_files, write_nodes
from raskr.dataframe.mapping import make_meta, new_collection
from raskr.dataframe.texts import as_configured
from raskr.utils import parse_bytes


class JsonTables:
    """Makes tables of blocks of JSON."""

    def __init__(
        self,
        engine: Any,
        orient: str,
        lines: bool,
        encoding: str,
        errors: str,
        path_column: tuple | None,
        options: dict,
    ) -> None:
        self.engine, self.orient, self.lines, self.encoding, self.errors = engine, orient, lines, encoding, errors
        self.path_column, self.options = path_column, options
        self.meta: Any = None

    def __dask_tokenize__(self) -> Any:
        content = {name: value for name, value in self.__dict__.items() if name not in ("engine", "meta")}
        return type(self).__name__, getattr(self.engine, "__name__", ""), sorted(content.items())

    def __call__(self, block: TextBlock, columns: list | None = None) -> Any:
        table = self.table_of(block_bytes(block, "\n", self.encoding), block.path)
        if self.meta is not None and not len(table):
            return self.meta
        if self.meta is not None and not table.columns.equals(self.meta.columns):
            # Fields that no record of this block has are missing values.
            unknown = [name for name in table.columns if name not in self.meta.columns]
            if unknown:
                raise ValueError(
                    f"{block.path}: has the fields {unknown}, which the first records do not have: expected "
                    f"{list(self.meta.columns)}. Give a larger `sample`, or all columns with `meta=`"
                )
            table = table.reindex(columns=self.meta.columns)
        return table

    def table_of(self, data: bytes, path: str) -> Any:
        """The table of some text."""
        try:
            text = io.StringIO(data.decode(self.encoding, self.errors))
        except UnicodeDecodeError as error:
            raise placed(error, data, path, 0) from error
        try:
            table = self.engine(text, orient=self.orient, lines=self.lines, **self.options)
        except ValueError as error:
            raise ValueError(f"{path}: can't be read as JSON with orient={self.orient!r}: {error}") from error
        if self.path_column is not None:
            name, _ = self.path_column
            if name in table.columns:
                raise ValueError(
                    f"Files already contain the column name: {name}, so the path column cannot use this name. Please "
                    "set `include_path_column` to a unique name."
                )
            table = with_path(table, self.path_column, path)
        return table


def read_json(
    url_path: Any,
    orient: str = "records",
    lines: bool | None = None,
    storage_options: dict | None = None,
    blocksize: Any = None,
    sample: int = 2**20,
    encoding: str = "utf-8",
    errors: str = "strict",
    compression: str | None = "infer",
    meta: Any = None,
    engine: Any = pd.read_json,
    include_path_column: Any = False,
    path_converter: Any = None,
    **kwargs: Any,
) -> Any:
    """A frame of JSON files.

    Parameters
    ----------
    url_path : str, path or list of these
        Files or patterns.
    orient : str
        How a table is written; see `pandas.read_json`.
    lines : bool, optional
        A record in each line, which is what is expected of `orient="records"`.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    blocksize : int or str, optional
        Cut files of lines into partitions of about so many bytes.
    sample : int
        How many bytes of the first file tell columns and types, where files are cut.
    encoding, errors : str
        As in `open`.
    compression : str, optional
        As of `read_csv`.
    meta : pandas.DataFrame, optional
        An empty example, in place of a look at the first file.
    engine : callable or str, optional
        Reads a file in place of `pandas.read_json`, or names the engine that this uses.
    include_path_column : bool or str
        Add a column of paths, with that name or "path".
    path_converter : callable, optional
        Makes what the column of paths holds of a path.
    **kwargs
        For `pandas.read_json`.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.dataframe as dd
    >>> path = os.path.join(tempfile.mkdtemp(), "a.json")
    >>> with open(path, "w") as file:
    ...     _ = file.write('{"a": 1}\\n{"a": 2}\\n')
    >>> dd.read_json(path).a.compute().tolist()
    [1, 2]
    """
    lines = orient == "records" if lines is None else lines
    if orient != "records" and lines:
        raise ValueError("Line-delimited JSON is only available with orient='records'.")
    if blocksize and (orient != "records" or not lines):
        raise ValueError("JSON file chunking only allowed for JSON-lines input (orient='records', lines=True).")
    if isinstance(engine, str):
        kwargs["engine"], engine = engine, pd.read_json
    paths = files_of(url_path, storage_options)
    compressions = [infer_compression(path, compression) for path in paths]
    path_column = None
    if include_path_column:
        name = "path" if include_path_column is True else include_path_column
        path_column = name, {path: (path_converter or str)(path) for path in paths}
    maker = JsonTables(engine, orient, lines, encoding, errors, path_column, kwargs)
    size = parse_bytes(blocksize) if isinstance(blocksize, str) else blocksize
    if size and any(compressions):
        raise ValueError("files that are compressed can't be cut into blocks: give blocksize=None")
    if meta is None:
        first = sample_of(paths[0], sample if lines else None, compressions[0], b"\n", storage_options)
        found = maker.table_of(first, paths[0])
        meta = found.iloc[:0]
    else:
        meta = make_meta(meta)
    blocks = blocks_of(paths, size or None, compressions, storage_options)
    maker.meta = meta if lines else None
    stamps = [stamp_of(path) for path in paths]
    return as_configured(
        new_collection(WholeReader(maker, blocks, meta, (None,) * (len(blocks) + 1), "read-json", stamps))
    )


def to_json(
    df: Any,
    url_path: Any,
    orient: str = "records",
    lines: bool | None = None,
    storage_options: dict | None = None,
    compute: bool = True,
    encoding: str = "utf-8",
    errors: str = "strict",
    compression: str | None = None,
    compute_kwargs: dict | None = None,
    name_function: Any = None,
    **kwargs: Any,
) -> list:
    """Write a frame as JSON files, one for each partition.

    Parameters
    ----------
    df : DataFrame or Series
        What is written.
    url_path : str, path or list of these
        A folder, a path with one `*` that a partition's number replaces, or a path a partition.
    orient, lines : object
        As of `read_json`.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    compute : bool
        Write now; otherwise delayed values are given.
    encoding, errors : str
        As in `open`.
    compression : str, optional
        As of `to_csv`.
    compute_kwargs : dict, optional
        For `compute`.
    name_function : callable, optional
        Gives what stands in names for a partition's number.
    **kwargs
        For `pandas.DataFrame.to_json`.

    Examples
    --------
    >>> import os, tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    >>> [os.path.basename(path) for path in dd.to_json(df, os.path.join(tempfile.mkdtemp(), "*.json"))]
    ['0.json', '1.json']
    """
    lines = orient == "records" if lines is None else lines
    if orient != "records" and lines:
        raise ValueError("Line-delimited JSON is only available with orient='records'.")
    paths = output_paths(url_path, df.npartitions, name_function)
    options = {"orient": orient, "lines": lines, **kwargs}

    def nodes_for(places: list) -> list:
        return write_nodes(
            "to-json",
            _write_part,
            df,
            [(place,) for place in places],
            ready_nodes(df, compute, compute_kwargs),
            encoding=encoding,
            errors=errors,
            compression=infer_compression("", compression),
            storage_options=storage_options,
            options=options,
        )

    return write_files(nodes_for, paths, compute, compute_kwargs)


def _write_part(
    part: Any,
    path: str,
    encoding: str,
    errors: str,
    compression: str | None,
    storage_options: dict | None,
    options: dict,
) -> str:
    with write_whole(path, compression, storage_options) as file:
        file.write(part.to_json(**options).encode(encoding, errors))
    return path
