"""Frames from databases and to them, by SQLAlchemy: a partition for each range of an index."""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.dataframe.expressions import PartitionCalls, Rows
from raskr.dataframe.io.writing import delayed_of
from raskr.dataframe.mapping import make_meta, new_collection
from raskr.dataframe.texts import as_configured
from raskr.tokenize import tokenize
from raskr.utils import import_required, parse_bytes

_MISSING = "databases need the package sqlalchemy: install raskr with its extra 'sql', or sqlalchemy itself"


def _sqlalchemy() -> Any:
    return import_required("sqlalchemy", _MISSING)


def _check_address(con: Any) -> None:
    if not isinstance(con, str):
        raise TypeError(
            f"'con' must be of type str, not {type(con)}: partitions are read where they are computed, by connections "
            "of their own"
        )


def read_sql_query(
    sql: Any,
    con: str,
    index_col: Any,
    divisions: Any = None,
    npartitions: int | None = None,
    limits: Any = None,
    bytes_per_chunk: Any = "256 MiB",
    head_rows: int = 5,
    meta: Any = None,
    engine_kwargs: dict | None = None,
    **kwargs: Any,
) -> Any:
    """A frame of the rows of a query.

    Parameters
    ----------
    sql : sqlalchemy.sql.Selectable
        What is selected.
    con : str
        The database's address, as SQLAlchemy takes it.
    index_col : str or column
        The index, which rows are parted by: a number or a time, unless `divisions` are given.
    divisions : sequence, optional
        Where partitions begin, and where the last one ends.
    npartitions : int, optional
        How many partitions; by default as many as have `bytes_per_chunk`.
    limits : pair, optional
        The smallest and the largest value of the index, which are asked for otherwise.
    bytes_per_chunk : int or str
        How large a partition is, judged by the first rows.
    head_rows : int
        How many rows tell types and sizes.
    meta : pandas.DataFrame, optional
        An empty example, in place of a look at the first rows.
    engine_kwargs : dict, optional
        For `sqlalchemy.create_engine`.
    **kwargs
        For `pandas.read_sql`.

    Examples
    --------
    >>> import os, sqlite3, tempfile
    >>> import sqlalchemy as sa
    >>> import raskr.dataframe as dd
    >>> path = os.path.join(tempfile.mkdtemp(), "a.db")
    >>> con = sqlite3.connect(path)
    >>> _ = con.execute("create table t (n integer, x real)")
    >>> _ = con.executemany("insert into t values (?, ?)", [(n, n / 2) for n in range(10)])
    >>> con.commit(), con.close()
    (None, None)
    >>> query = sa.select(sa.column("n"), sa.column("x")).select_from(sa.table("t"))
    >>> dd.read_sql_query(query, f"sqlite:///{path}", "n", npartitions=2).x.sum().compute().item()
    22.5
    """
    sa = _sqlalchemy()
    _check_address(con)
    if index_col is None:
        raise ValueError("Must specify index column to partition on")
    if isinstance(sql, str):
        raise ValueError(f"`sql` must be a selection of SQLAlchemy's, got the text {sql!r}")
    if meta is None and head_rows <= 0:
        raise ValueError("Must provide 'head_rows' of at least one, or 'meta', so that types are known")
    if divisions is not None and npartitions is not None:
        raise ValueError("Must supply either 'divisions' or 'npartitions', not both")
    index = sa.Column(index_col) if isinstance(index_col, str) else index_col
    engine_kwargs = dict(engine_kwargs or {})
    kwargs["index_col"] = index.name
    engine = sa.create_engine(con, **engine_kwargs)
    try:
        size = None
        if meta is None:
            head = pd.read_sql(sql.limit(head_rows), engine, **kwargs)
            if len(head) == 0:
                return _no_rows(sql, engine, kwargs)
            size = head.memory_usage(deep=True, index=True).sum() / len(head)
            if divisions is None and head.index.dtype.kind not in "iufM" and limits is None and npartitions != 1:
                raise TypeError(
                    f"Provided index column is of type {head.index.dtype}: give `divisions` for an index that is neither "
                    "a number nor a time"
                )
            meta = head.iloc[:0]
        else:
            meta = make_meta(meta)
            if divisions is None and npartitions is None:
                npartitions = 1
        if divisions is None:
            divisions = _divisions(sql, index, engine, limits, npartitions, size, parse_bytes(bytes_per_chunk), meta)
    finally:
        engine.dispose()
    queries = []
    pairs = list(zip(divisions[:-1], divisions[1:]))
    for number, (low, high) in enumerate(pairs):
        above = index <= high if number == len(pairs) - 1 else index < high
        queries.append(sql.where(sa.and_(index >= low, above)))
    rows = Rows([_Query(query) for query in queries])
    read = PartitionCalls(_rows, [rows, con, meta, engine_kwargs, kwargs], {}, meta, divisions, "read-sql")
    return as_configured(new_collection(read))


class _Query:
    """A query, by its text among the arguments of a task."""

    def __init__(self, query: Any) -> None:
        self.query = query

    def __dask_tokenize__(self) -> Any:
        return str(self.query.compile(compile_kwargs={"literal_binds": False})), str(self.query.compile().params)


def _no_rows(sql: Any, engine: Any, kwargs: dict) -> Any:
    from raskr.dataframe.sources import from_pandas

    return from_pandas(pd.read_sql(sql, engine, **kwargs), npartitions=1)


def _rows(query: _Query, con: str, meta: Any, engine_kwargs: dict, kwargs: dict) -> Any:
    engine = _sqlalchemy().create_engine(con, **engine_kwargs)
    try:
        found = pd.read_sql(query.query, engine, **kwargs)
    finally:
        engine.dispose()
    if len(found) == 0:
        return meta
    kinds = {name: kind for name, kind in meta.dtypes.items() if found[name].dtype != kind}
    return found.astype(kinds) if kinds else found


def _divisions(
    sql: Any, index: Any, engine: Any, limits: Any, npartitions: int | None, row: Any, chunk: int, meta: Any
) -> list:
    sa = _sqlalchemy()
    inner = sql.subquery()
    column = inner.columns[index.name]
    if limits is None:
        ends = pd.read_sql(sa.select(sa.func.min(column).label("low"), sa.func.max(column).label("high")), engine)
        kind = meta.index.dtype
        low, high = (ends.astype({name: kind for name in ends.columns}) if kind.kind in "iufM" else ends).iloc[0]
    else:
        low, high = limits
    if npartitions is None:
        count = pd.read_sql(sa.select(sa.func.count()).select_from(inner), engine).iloc[0, 0]
        npartitions = int(round(count * row / chunk)) or 1
    if meta.index.dtype.kind == "M" or isinstance(low, pd.Timestamp):
        return pd.date_range(start=low, end=high, periods=npartitions + 1).tolist()
    if isinstance(low, str):
        return [low, high]
    steps = np.linspace(low, high, npartitions + 1)
    if meta.index.dtype.kind in "iu":
        steps = np.unique(steps.astype(int))
        return steps.tolist() if len(steps) > 1 else [int(low), int(high)]
    return steps.tolist()


def read_sql_table(
    table_name: Any,
    con: str,
    index_col: Any,
    divisions: Any = None,
    npartitions: int | None = None,
    limits: Any = None,
    columns: Any = None,
    bytes_per_chunk: Any = "256 MiB",
    head_rows: int = 5,
    schema: str | None = None,
    meta: Any = None,
    engine_kwargs: dict | None = None,
    **kwargs: Any,
) -> Any:
    """A frame of a table of a database.

    Parameters
    ----------
    table_name : str
        The table.
    columns : list of str or columns, optional
        Which columns; all by default.
    schema : str, optional
        The schema that the table is in.
    con, index_col, divisions, npartitions, limits, bytes_per_chunk, head_rows, meta, engine_kwargs : object
        As of `read_sql_query`.
    **kwargs
        For `pandas.read_sql`.

    Examples
    --------
    >>> import os, tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> address = "sqlite:///" + os.path.join(tempfile.mkdtemp(), "a.db")
    >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
    >>> df.to_sql("t", address, index_label="n")
    >>> dd.read_sql_table("t", address, "n", npartitions=2).a.compute().tolist()
    [1, 2, 3]
    """
    sa = _sqlalchemy()
    _check_address(con)
    if not isinstance(table_name, str):
        raise TypeError(f"`table_name` must be of type str, not {type(table_name)}: use read_sql_query for selections")
    if index_col is None:
        raise ValueError("Must specify index column to partition on")
    engine = sa.create_engine(con, **(engine_kwargs or {}))
    try:
        table = sa.Table(table_name, sa.MetaData(), autoload_with=engine, schema=schema)
    finally:
        engine.dispose()
    index = table.columns[index_col] if isinstance(index_col, str) else index_col
    chosen = (
        list(table.columns) if columns is None else [table.columns[c] if isinstance(c, str) else c for c in columns]
    )
    if index.name not in [column.name for column in chosen]:
        chosen.append(index)
    return read_sql_query(
        sa.sql.select(*chosen).select_from(table),
        con,
        index,
        divisions,
        npartitions,
        limits,
        bytes_per_chunk,
        head_rows,
        meta,
        engine_kwargs,
        **kwargs,
    )


def read_sql(sql: Any, con: str, index_col: Any, **kwargs: Any) -> Any:
    """A frame of a table, by its name, or of a query; see `read_sql_table` and `read_sql_query`.

    Examples
    --------
    >>> import os, tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> address = "sqlite:///" + os.path.join(tempfile.mkdtemp(), "a.db")
    >>> dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=1).to_sql("t", address, index_label="n")
    >>> len(dd.read_sql("t", address, "n"))
    3
    """
    return (read_sql_table if isinstance(sql, str) else read_sql_query)(sql, con, index_col, **kwargs)


def to_sql(
    df: Any,
    name: str,
    uri: str,
    schema: str | None = None,
    if_exists: str = "fail",
    index: bool = True,
    index_label: Any = None,
    chunksize: int | None = None,
    dtype: Any = None,
    method: Any = None,
    compute: bool = True,
    parallel: bool = False,
    engine_kwargs: dict | None = None,
) -> Any:
    """Write a frame to a table of a database.

    Parameters
    ----------
    df : DataFrame
        What is written.
    name, uri : str
        The table, and the database's address.
    schema, if_exists, index, index_label, chunksize, dtype, method : object
        As of `pandas.DataFrame.to_sql`.
    compute : bool
        Write now; otherwise a delayed value is given.
    parallel : bool
        Write partitions side by side, in any order.
    engine_kwargs : dict, optional
        For `sqlalchemy.create_engine`.

    Examples
    --------
    >>> import os, tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> address = "sqlite:///" + os.path.join(tempfile.mkdtemp(), "a.db")
    >>> dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2).to_sql("t", address)
    """
    if not isinstance(uri, str):
        raise ValueError(f"Expected URI to be a string, got {type(uri)}.")
    _sqlalchemy()
    options = {
        "name": name,
        "schema": schema,
        "index": index,
        "index_label": index_label,
        "chunksize": chunksize,
        "dtype": dtype,
        "method": method,
    }
    token = tokenize(df._name, uri, sorted(options.items(), key=lambda item: item[0]), if_exists)
    # The empty table comes first: it fails, or replaces what is there, once.
    begin = core.node_of_call(
        _insert,
        (None, df._meta, uri, {**options, "if_exists": if_exists}, engine_kwargs),
        key=f"sql-begin-{token}",
        name="sql-begin",
    )
    options = {**options, "if_exists": "append"}
    done, last = [], begin
    for number, part in enumerate(df._expr.nodes):
        node = core.node_of_call(
            _insert, (last, part, uri, options, engine_kwargs), key=f"sql-insert-{token}-{number}", name="sql-insert"
        )
        done.append(node)
        last = begin if parallel else node
    end = core.node_of_call(_done, (done,), key=f"to-sql-{token}", name="to-sql")
    (lazy,) = delayed_of([end])
    return lazy.compute() if compute else lazy


def _insert(before: Any, part: Any, uri: str, options: dict, engine_kwargs: dict | None) -> bool:
    engine = _sqlalchemy().create_engine(uri, **(engine_kwargs or {}))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            part.to_sql(con=engine, **options)
    finally:
        engine.dispose()
    return True


def _done(nodes: list) -> None:
    """Nothing: the rows are there."""
