"""Tables from Parquet: `read_parquet`, by pyarrow, for the columns and row groups that are wanted."""

import json
import operator
import os
from collections.abc import Sequence
from typing import Any

import pandas as pd

from raskr.dataframe.io.filesystems import arrow_filesystem, parquet_files, pyarrow
from raskr.dataframe.io.parquet_statistics import divisions_of, grouped_fragments
from raskr.dataframe.io.reader import Reader
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.texts import as_configured
from raskr.dataframe.utils import UNKNOWN_CATEGORIES
from raskr.utils import natural_sort_key

#: The name that Dask gives to an index without one when it writes it.
NULL_INDEX = "__null_dask_index__"
_SIGNS = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXTENSIONS = (".parq", ".parquet", ".pq")


class ParquetPart:
    """What one partition is read from: fragments of files, which know their row groups."""

    def __init__(self, fragments: Sequence) -> None:
        self.fragments = list(fragments)

    def __dask_tokenize__(self) -> Any:
        groups = [None if each.row_groups is None else [g.id for g in each.row_groups] for each in self.fragments]
        return type(self).__name__, [each.path for each in self.fragments], groups


class ParquetTables:
    """Makes pandas' tables of parts.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the whole table, partition columns among them, with pandas' own notes.
    columns, index : list of str
        What is read, by names of fields.
    filters : pyarrow expression, optional
        Which rows are.
    partitions : dict
        The categories of columns that are names of folders.
    as_series : bool
        Give the one column as a series.
    options : dict
        For `pyarrow.Table.to_pandas`.
    """

    def __init__(
        self,
        schema: Any,
        columns: list,
        index: list,
        filters: Any,
        partitions: dict,
        as_series: bool,
        options: dict,
        content: Any,
    ) -> None:
        self.columns, self.index, self.filters = columns, index, filters
        self.partitions, self.as_series, self.options = partitions, as_series, options
        self.content = content
        self.schema = _with_index(schema, index)

    def __dask_tokenize__(self) -> Any:
        options = sorted((name, str(value)) for name, value in self.options.items())
        return (
            type(self).__name__,
            str(self.schema),
            self.columns,
            self.index,
            str(self.filters),
            options,
            self.content,
        )

    def __call__(self, part: ParquetPart, columns: list | None = None) -> Any:
        wanted = self.columns if columns is None else list(columns)
        return self.pandas_of(self.arrow_table(part, list(dict.fromkeys([*wanted, *self.index]))), wanted)

    def arrow_table(self, part: ParquetPart, fields: list) -> Any:
        """Some fields of a part as a table of pyarrow's."""
        tables = []
        for each in part.fragments:
            try:
                tables.append(each.to_table(schema=self.schema, columns=fields, filter=self.filters, use_threads=False))
            except (OSError, ValueError) as error:
                other = self._other_types(each, fields)
                raise type(error)(f"{error} (while reading {each.path}{other})") from error
        return tables[0] if len(tables) == 1 else pyarrow().concat_tables(tables)

    def _other_types(self, fragment: Any, fields: list) -> str:
        """Which columns of a file are not of the declared types, and what to do about it."""
        try:
            own = fragment.physical_schema
        except (OSError, ValueError):
            return ""
        names = [name for name in fields if name in own.names and name in self.schema.names]
        differing = [
            f"{name!r} is {own.field(name).type} where {self.schema.field(name).type} was declared"
            for name in names
            if own.field(name).type != self.schema.field(name).type
        ]
        if not differing:
            return ""
        return f", in which {', '.join(differing)}; the first file declares types unless dataset={{'schema': ...}} does"

    def pandas_of(self, table: Any, columns: list) -> Any:
        """The pandas object of a table of pyarrow's."""
        for place, name in enumerate(table.column_names):
            if name in self.partitions:
                table = table.set_column(place, name, _without_null_values(table.column(place)))
        made = table.replace_schema_metadata(self.schema.metadata).to_pandas(use_threads=False, **self.options)
        loose = [name for name in self.index if name in made.columns]
        found = made.set_index(loose if len(loose) > 1 else loose[0]) if loose else made
        changes = {
            name: pd.CategoricalDtype(values)
            for name, values in self.partitions.items()
            if name in found.columns and found[name].dtype != pd.CategoricalDtype(values)
        }
        found = found.astype(changes) if changes else found
        if found.index.nlevels == 1 and found.index.name == NULL_INDEX:
            found = found.rename_axis(index=None)
        if list(found.columns) != columns:
            found = found[columns]
        return found[columns[0]] if self.as_series else found


def _without_null_values(column: Any) -> Any:
    """A column of codes, of which none means that a value is missing: that is what the folder of missing ones gives."""
    if any(chunk.dictionary.null_count for chunk in column.chunks):
        return column.cast(column.type.value_type)
    return column


def _with_index(schema: Any, index: list) -> Any:
    """The schema, whose notes for pandas say which columns are the index."""
    metadata = dict(schema.metadata or {})
    if b"pandas" not in metadata:
        return schema
    notes = json.loads(metadata[b"pandas"])
    fields = {each.get("field_name") for each in notes.get("columns", [])}
    kept = (
        [name for name in index if name in fields]
        if index
        else [each for each in notes.get("index_columns", []) if isinstance(each, dict)]
    )
    notes["index_columns"] = kept
    return schema.with_metadata({**metadata, b"pandas": json.dumps(notes).encode()})


def read_parquet(
    path: Any,
    columns: Any = None,
    filters: Any = None,
    categories: Any = None,
    index: Any = None,
    storage_options: dict | None = None,
    dtype_backend: str | None = None,
    calculate_divisions: bool = False,
    ignore_metadata_file: bool = False,
    metadata_task_size: Any = None,
    split_row_groups: Any = "infer",
    blocksize: Any = "default",
    aggregate_files: Any = None,
    parquet_file_extension: Any = _EXTENSIONS,
    filesystem: Any = "fsspec",
    engine: Any = None,
    arrow_to_pandas: dict | None = None,
    **kwargs: Any,
) -> Any:
    """A frame of Parquet files.

    Parameters
    ----------
    path : str, path or list of these
        Folders, files or patterns; folders named ``key=value`` give columns of categories.
    columns : str or list of str, optional
        Which columns; a single name gives a series.
    filters : list of tuples, list of lists of tuples, or pyarrow expression, optional
        Which rows: ``[("a", ">", 1), ("b", "==", "x")]`` are all to hold, and of several such lists any. Row groups whose
        statistics rule them out are not read.
    categories : list or dict, optional
        Columns that become categories.
    index : str, list of str or False, optional
        The index; by default what pandas' notes in the files say; False for none.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    dtype_backend : {'numpy_nullable', 'pyarrow'}, optional
        Which of pandas' families of types is used.
    calculate_divisions : bool
        Find divisions in the statistics of the index.
    ignore_metadata_file, metadata_task_size : object
        Accepted for likeness: what files hold is asked of them.
    split_row_groups : 'infer', 'adaptive', bool or int
        True: a partition for each row group; a number: for so many; False: for each file; 'adaptive': for as many as
        have `blocksize` together; 'infer': as 'adaptive' where the first file is larger than `blocksize`.
    blocksize : int or str
        Bytes before compression; 256 MiB by default.
    aggregate_files : bool
        Let several files make one partition, where row groups are counted.
    parquet_file_extension : str or tuple of str, optional
        What names of files in folders end with; None for any.
    filesystem : str or object
        'fsspec', 'arrow', or a file system of either.
    engine : str, optional
        'pyarrow' or 'auto'.
    arrow_to_pandas : dict, optional
        For `pyarrow.Table.to_pandas`.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    FileNotFoundError
        Where there are no files.
    ValueError
        Where columns are not among those of the files.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> dd.from_pandas(pd.DataFrame({"a": range(4), "b": list("wxyz")}), npartitions=2).to_parquet(folder)
    >>> dd.read_parquet(folder, columns=["b"], filters=[("a", ">", 1)]).b.compute().tolist()
    ['y', 'z']
    """
    check_engine(engine)
    arrow = pyarrow("dataset")
    dataset_options = dict(kwargs.pop("dataset", None) or {})
    if kwargs:
        raise TypeError(f"read_parquet: arguments {sorted(kwargs)} are not known")
    fs, paths = arrow_filesystem(path, filesystem, storage_options)
    files = parquet_files(fs, paths, parquet_file_extension)
    files.sort(key=natural_sort_key)
    partitioning = dataset_options.pop("partitioning", None) or arrow.HivePartitioning.discover(infer_dictionary=True)
    if isinstance(partitioning, dict):
        partitioning = arrow.partitioning(**partitioning)
    dataset = arrow.dataset(
        files,
        filesystem=fs,
        format=arrow.ParquetFileFormat(
            default_fragment_scan_options=arrow.ParquetFragmentScanOptions(page_checksum_verification=True)
        ),
        partitioning=partitioning,
        partition_base_dir=_base_folder(files),
        **{name: value for name, value in dataset_options.items() if name == "schema"},
    )
    schema = dataset.schema
    condition = _condition(filters)
    unknown = [name for name in categories or () if name not in schema.names]
    if unknown:
        raise ValueError(f"categories: {unknown} are not among the columns {schema.names}")
    fields, index_fields = _chosen(schema, columns, index)
    partitions = _partition_values(dataset)
    options = _pandas_options(dtype_backend, categories, arrow_to_pandas)
    content = [_stamp(fs, file) for file in files]
    maker = ParquetTables(
        schema, fields, index_fields, condition, partitions, isinstance(columns, str), options, content
    )
    fragments = list(dataset.get_fragments(filter=condition))
    groups = grouped_fragments(fragments, condition, schema, split_row_groups, blocksize, aggregate_files)
    meta = _meta(maker, categories)
    divisions: Sequence = (None,) * (len(groups) + 1)
    if calculate_divisions and len(index_fields) == 1:
        divisions = divisions_of(groups, index_fields[0]) or divisions
    if not groups:
        return _empty(meta)
    parts = [ParquetPart(group) for group in groups]
    return as_configured(new_collection(Reader(maker, parts, meta, divisions, "read-parquet")))


def _empty(meta: Any) -> Any:
    from raskr.dataframe.sources import from_pandas

    return from_pandas(meta, npartitions=1)


def check_engine(engine: Any) -> None:
    """ValueError for what reads and writes Parquet but is not pyarrow."""
    if engine not in (None, "auto", "pyarrow"):
        raise ValueError(f'Unsupported engine: "{engine}". Valid choices are "pyarrow" and "auto"')


def _stamp(fs: Any, file: str) -> tuple:
    try:
        found = fs.get_file_info(file)
        return file, str(found.mtime), found.size
    except (OSError, NotImplementedError):
        return (file,)


def _base_folder(files: list[str]) -> str:
    """The folder that the first ``key=value`` folders are in."""
    folders = []
    for file in files:
        kept = []
        for name in file.split("/")[:-1]:
            if "=" in name:
                break
            kept.append(name)
        folders.append("/".join(kept) or "/")
    return os.path.commonpath(folders) if len(set(folders)) > 1 else folders[0]


def _condition(filters: Any) -> Any:
    if filters is None or isinstance(filters, list) and not filters:
        return None
    if not isinstance(filters, (list, tuple)):
        return filters
    rows = [filters] if isinstance(filters, tuple) else list(filters)
    groups = [rows] if rows and isinstance(rows[0], tuple) else rows
    whole = None
    for group in groups:
        every = None
        for row in group:
            every = _predicate(row) if every is None else every & _predicate(row)
        whole = every if whole is None else whole | every
    return whole


def _predicate(row: Any) -> Any:
    """The expression of one condition, `(column, operator, value)`."""
    if not isinstance(row, tuple) or len(row) != 3:
        raise ValueError(f"filters: expected (column, operator, value), got {row!r}")
    name, sign, value = row
    field = pyarrow("dataset").field(name)
    if sign in ("in", "not in"):
        if not isinstance(value, (list, set, tuple, frozenset)):
            raise TypeError(f"Value of {sign!r} filter must be a list, set or tuple, got {value!r}")
        found = field.isin(list(value))
        return found if sign == "in" else ~found
    if sign in ("is", "is not"):
        if value is not None and value == value:
            raise ValueError(f"filters: {sign!r} is for missing values, got {value!r}")
        found = field.is_null(nan_is_null=True)
        return found if sign == "is" else ~found
    if sign not in _SIGNS:
        known = ", ".join([*_SIGNS, "in", "not in", "is", "is not"])
        raise ValueError(f'"{sign}" is not a valid operator in predicates: expected one of {known}')
    return _SIGNS[sign](field, value)


def _chosen(schema: Any, columns: Any, index: Any) -> tuple[list, list]:
    """The fields that are columns, and those that are the index."""
    notes = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    noted = [each for each in notes.get("index_columns", []) if isinstance(each, str) and each in schema.names]
    if not noted and NULL_INDEX in schema.names:
        noted = [NULL_INDEX]
    wanted = [columns] if isinstance(columns, str) else None if columns is None else list(columns)
    if index is None:
        chosen = [each for each in noted if wanted is None or each not in wanted]
    elif index is False:
        chosen = []
    else:
        names = [index] if isinstance(index, str) else list(index)
        real = {_shown(notes, each): each for each in noted}
        chosen = [real.get(name, name) for name in names]
    every = [name for name in schema.names if name not in chosen]
    if index is not None:
        # What is the index no more is a column, in front of the others, if it has a name.
        nameless = [name for name in noted if name.startswith("__index_level_") or name == NULL_INDEX]
        every = [name for name in dict.fromkeys([*noted, *every]) if name in every and name not in nameless]
    fields = every if wanted is None else wanted
    missing = [name for name in [*fields, *chosen] if name not in schema.names]
    if missing:
        raise ValueError(
            f"The following columns were not found in the dataset {set(missing)}\nThe following columns were found "
            f"{schema.names}"
        )
    return fields, chosen


def _shown(notes: dict, field: str) -> Any:
    for column in notes.get("columns", []):
        if column.get("field_name") == field:
            return column.get("name")
    return field


def _partition_values(dataset: Any) -> dict:
    partitioning = getattr(dataset, "partitioning", None)
    if partitioning is None:
        return {}
    names = partitioning.schema.names
    values = partitioning.dictionaries
    return {
        name: pd.Index(found.to_pandas()).dropna().sort_values()
        for name, found in zip(names, values)
        if found is not None and name in dataset.schema.names
    }


def _pandas_options(backend: Any, categories: Any, given: dict | None) -> dict:
    options: dict = {}
    if categories:
        options["categories"] = list(categories)
    if backend == "pyarrow":
        options["types_mapper"] = pd.ArrowDtype
    elif backend == "numpy_nullable":
        options["types_mapper"] = _nullable_types().get
    elif backend is not None:
        raise ValueError(f"dtype_backend: expected 'numpy_nullable' or 'pyarrow', got {backend!r}")
    return {**options, **(given or {})}


def _nullable_types() -> dict:
    arrow = pyarrow()
    sizes = {"Int": (8, 16, 32, 64), "UInt": (8, 16, 32, 64), "Float": (32, 64)}
    numbers = {
        getattr(arrow, f"{kind.lower()}{size}")(): pd.api.types.pandas_dtype(f"{kind}{size}")
        for kind, found in sizes.items()
        for size in found
    }
    text = pd.StringDtype()
    return {**numbers, arrow.bool_(): pd.BooleanDtype(), arrow.string(): text, arrow.large_string(): text}


def _meta(maker: ParquetTables, categories: Any) -> Any:
    fields = list(dict.fromkeys([*maker.columns, *maker.index]))
    empty = (
        pyarrow().schema([maker.schema.field(name) for name in fields], metadata=maker.schema.metadata).empty_table()
    )
    meta = maker.pandas_of(empty, maker.columns).iloc[:0]
    known = set(maker.partitions)
    if isinstance(meta, pd.Series):
        return _unknown(meta) if meta.name not in known else meta
    for name in meta.columns:
        if isinstance(meta[name].dtype, pd.CategoricalDtype) and name not in known:
            meta = meta.assign(**{name: _unknown(meta[name])})
    return meta


def _unknown(column: Any) -> Any:
    if not isinstance(column.dtype, pd.CategoricalDtype) or len(column.cat.categories):
        return column
    return column.astype(pd.CategoricalDtype([UNKNOWN_CATEGORIES], column.cat.ordered))
