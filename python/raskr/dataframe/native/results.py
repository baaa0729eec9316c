"""Results of the engine as pandas objects: what becomes of a computed partition."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskr import config
from raskr._bridge import core
from raskr.dataframe.expressions import Expression
from raskr.system import CPU_COUNT
from raskr.utils import parse_bytes


class NativeResult(Expression):
    """An expression whose partitions the engine computes.

    Parameters
    ----------
    replaced : Expression
        What it stands for.
    plan : core.FramePlan or Figures
        Gives a table for each partition.
    finish : callable
        Makes a pandas object of columns, as `core.frame_columns` gives them, and of the number of their tables; its
        `counts_rows` says whether it wants the numbers of rows behind them.
    """

    one_call_each = True

    def __init__(self, replaced: Expression, plan: Any, finish: Any) -> None:
        super().__init__(replaced.meta, replaced.divisions, replaced.name.rpartition("-")[0], replaced.name)
        self.name, self.plan, self.finish = replaced.name, plan, finish
        self.broadcast = replaced.broadcast
        self.tables: list = []

    def _lower(self) -> list:
        lists = [self._columns([table], True) for table in self.tables]
        return [self._call(number, self.finish, columns) for number, [columns] in enumerate(lists)]

    def whole_node(self) -> Any:
        """A node that gives all partitions as one pandas object, which costs less than putting pandas objects together."""
        # Within a limit of memory tables that were spilled are read once, not for each column.
        limited = _memory_limit() is not None
        columns = self._columns(self.tables, limited)
        label = self.name.rpartition("-")[0]
        given = columns[0] if limited else columns
        return core.node_of_call(self.finish, (given, len(self.tables)), None, key=f"{self.name}-whole", name=label)

    def _columns(self, tables: list, together: bool) -> list:
        # Within a limit a result is not refused for what its rows may have been before they were chosen.
        limit = _memory_limit()
        size = self.plan.estimate * len(tables) // max(len(self.tables), 1)
        size = size if limit is None else min(size, limit // 5)
        return core.frame_columns(tables, len(self.plan.columns), self.finish.counts_rows, together, size)


class Rows:
    """Makes rows of a table: a frame, or a series.

    Parameters
    ----------
    meta : pandas object
        An empty example.
    index : bool
        Does the last column hold the index? Otherwise rows are counted from 0.
    whole : bool
        Are they all rows of a source? Then the index has the frequency of the example where it has its steps.
    """

    def __init__(self, meta: Any, index: bool, whole: bool = False) -> None:
        self.meta, self.counts_rows = meta, not index
        self.freq = getattr(meta.index, "freq", None) if whole and index else None

    def __call__(self, columns: list, tables: int = 1) -> Any:
        *columns, last = columns
        name = self.meta.index.name
        if not self.counts_rows:
            index = _with_freq(index_of(last, self.meta.index.dtype, name), self.freq)
        elif tables == 1:
            index = pd.RangeIndex(len(last), name=name)
        else:
            index = pd.Index(last, name=name, copy=False)
        return assembled(columns, self.meta, index)


class Groups:
    """Makes the result of a group-by of columns of which the first ones are the keys."""

    counts_rows = False

    def __init__(self, meta: Any) -> None:
        self.meta = meta

    def __call__(self, columns: list, tables: int = 1) -> Any:
        index = self.meta.index
        if isinstance(index, pd.MultiIndex):
            kinds = [level.dtype for level in index.levels]
            keys = [index_of(column, kind) for column, kind in zip(columns, kinds)]
            made: Any = pd.MultiIndex.from_arrays(keys, names=index.names)
        else:
            kinds = [index.dtype]
            made = index_of(columns[0], index.dtype, index.name)
        return assembled(columns[len(kinds) :], self.meta, made)


class Figures:
    """Figures of all rows of a plan: the values they are made of, and which they are. Those of the same rows are one plan."""

    def __init__(self, rows: Any, values: Sequence, name: str, ddof: int) -> None:
        self.rows, self.values, self.name, self.ddof = rows, list(values), name, ddof


def with_plans(results: Sequence[NativeResult]) -> None:
    """Gives results that are figures a plan, the same for all figures of the same rows."""
    together: dict[int, list] = {}
    for result in results:
        if isinstance(result.plan, Figures):
            together.setdefault(id(result.plan.rows), []).append(result)
    for found in together.values():
        rows = found[0].plan.rows
        pairs, measures = [], []
        for result in found:
            result.finish.first = len(measures)
            for value in result.plan.values:
                place = len(measures)
                pairs.append((f"v{place}", value))
                measures.append((f"f{place}", f"v{place}", result.plan.name, result.plan.ddof))
        plan = rows.project(pairs).aggregate([], measures, False)
        for result in found:
            result.plan = plan


class OneRow:
    """Makes a number, or a series over the columns, of columns of one row, from column `first` on."""

    counts_rows = False

    def __init__(self, meta: Any, kinds: Sequence) -> None:
        self.meta, self.kinds, self.first = meta, list(kinds), 0

    def __call__(self, columns: list, tables: int = 1) -> Any:
        found = [values_of(column, kind)[0] for column, kind in zip(columns[self.first :], self.kinds)]
        if isinstance(self.meta, pd.Series):
            return pd.Series(found, index=self.meta.index, dtype=self.meta.dtype, name=self.meta.name)
        return found[0]


def assembled(columns: list, meta: Any, index: Any) -> Any:
    """A frame or a series of columns in the types of an empty example."""
    if isinstance(meta, pd.Series):
        return _series(columns[0], meta.dtype, index).rename(meta.name)
    made = {place: _series(column, kind, index) for place, (column, kind) in enumerate(zip(columns, meta.dtypes))}
    return pd.DataFrame(made, index=index, copy=False).set_axis(meta.columns, axis=1)


def _series(column: Any, kind: Any, index: Any) -> Any:
    # pandas would take texts among objects for its own type of text.
    given = object if pd.api.types.is_object_dtype(kind) else None
    return pd.Series(values_of(column, kind), index=index, dtype=given, copy=False)


def index_of(column: Any, kind: Any, name: Any = None) -> Any:
    """A column as an index of pandas' element type."""
    given = object if pd.api.types.is_object_dtype(kind) else None
    return pd.Index(values_of(column, kind), dtype=given, name=name, copy=False)


def _with_freq(index: Any, freq: Any) -> Any:
    """An index of times with a frequency, if it has its steps; pandas looks at all of them."""
    try:
        return index if freq is None else type(index)(index, freq=freq, copy=False)
    except ValueError:
        return index


def values_of(column: Any, dtype: Any) -> Any:
    """A column as an array of pandas' element type; numbers with missing values are floats."""
    if not isinstance(column, np.ndarray):
        return _values_of_table(column, dtype)
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        return pd.array(column, dtype=dtype)
    if dtype.kind in "iu" and column.dtype.kind == "f" or column.dtype == dtype:
        return column
    return column.astype(dtype)


def _values_of_table(table: Any, dtype: Any) -> Any:
    """The column of a table of texts, or of truth values some of which are missing."""
    import pyarrow

    [column] = pyarrow.table(table).columns
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        return dtype.__from_arrow__(column)  # type: ignore[attr-defined]
    values = column.to_numpy()
    if column.null_count and pd.api.types.is_object_dtype(dtype):
        values = values.copy()
        values[np.asarray(column.is_null())] = np.nan
    return values.astype(object, copy=False)


def nodes_of_plans(plans: Sequence, elsewhere: bool = False) -> list[list]:
    """The nodes of the partitions of plans, which share what they have in common; for other processes if `elsewhere`."""
    return core.frame_nodes(list(plans), CPU_COUNT, _memory_limit(), elsewhere)


def stages_of_plans(plans: Sequence) -> str:
    """The stages that plans are cut in, and what DataFusion does in each."""
    return core.frame_stages(list(plans), CPU_COUNT, _memory_limit())


def _memory_limit() -> int | None:
    limit = config.get("memory_limit", None)
    return None if limit is None else parse_bytes(limit)
