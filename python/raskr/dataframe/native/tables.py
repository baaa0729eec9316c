"""`NativeTable`: an expression of frames as the engine computes it, over the columns of a plan."""

from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core

#: The column of a plan that holds the index.
INDEX = "__index__"


class NotNative(Exception):
    """An expression, or a part of it, that pandas computes."""


class NativeTable:
    """The rows of a frame or a series: a plan, and a value of each row for each column.

    Parameters
    ----------
    plan : core.FramePlan
        The rows.
    columns : dict
        The expression of each column by its label; a series has one, under its name.
    meta : pandas object
        An empty example.
    worth : bool
        Is there something that the engine does better than pandas, or do rows only pass through?
    whole : bool
        Are all rows of the source there, so that an index which counts them need not be stored?
    indexed : bool
        Has the plan a column that holds the index? Otherwise rows are counted.
    """

    def __init__(self, plan: Any, columns: dict, meta: Any, worth: bool, whole: bool, indexed: bool = True) -> None:
        self.plan, self.columns, self.meta, self.worth, self.whole = (
            plan,
            columns,
            narrowed(meta, columns),
            worth,
            whole,
        )
        self.indexed = indexed

    @property
    def is_series(self) -> bool:
        """Is it one column?"""
        return isinstance(self.meta, pd.Series)

    @property
    def value(self) -> Any:
        """The expression of a series."""
        [only] = self.columns.values()
        return only

    def like(self, columns: dict, meta: Any) -> "NativeTable":
        """Other values of the same rows; NotNative where they are not of the types that pandas would give."""
        made = NativeTable(self.plan, columns, meta, self.worth, self.whole, self.indexed)
        made.check()
        return made

    def check(self) -> None:
        """NotNative where the engine's types are not pandas'."""
        found = dict(self.plan.project(list(zip(names(len(self.columns)), self.columns.values()))).columns)
        for name, dtype in zip(names(len(self.columns)), dtypes_of(self.meta)):
            if kind_of(dtype) != found[name]:
                raise NotNative(f"{found[name]} is not {dtype}")

    def named(self, prefix: str = "c") -> tuple[list, list]:
        """Names of columns within the engine, and the pairs that `project` takes."""
        own = names(len(self.columns), prefix)
        return own, list(zip(own, self.columns.values()))


def narrowed(meta: Any, columns: dict) -> Any:
    """An empty example with these columns only: operations keep theirs where sources leave out what nobody uses."""
    return meta[list(columns)] if meta.ndim == 2 and len(columns) < len(meta.columns) else meta


def names(count: int, prefix: str = "c") -> list[str]:
    """Names of columns within the engine, which labels of pandas may not be."""
    return [f"{prefix}{place}" for place in range(count)]


def dtypes_of(meta: Any) -> list:
    """The element types of the columns of a frame, or of the one of a series."""
    return [meta.dtype] if meta.ndim == 1 else list(meta.dtypes)


def kind_of(dtype: Any) -> str:
    """The engine's name of an element type; NotNative where it has none."""
    if isinstance(dtype, pd.StringDtype) and dtype.na_value is np.nan or pd.api.types.is_object_dtype(dtype):
        return "str"
    if isinstance(dtype, np.dtype) and dtype.kind in "biufM" and dtype.name != "float16":
        return dtype.name
    raise NotNative(f"{dtype} is not native")


def column(name: str) -> Any:
    """The expression of a column of a plan."""
    return core.FrameExpr.column(name)


def arrow_schema(kinds: dict) -> Any:
    """The schema of pyarrow's for types of the engine by name."""
    import pyarrow

    types = {
        "str": pyarrow.large_string(),
        "bool": pyarrow.bool_(),
        **{f"datetime64[{unit}]": pyarrow.timestamp(unit) for unit in ("s", "ms", "us", "ns")},
    }
    return pyarrow.schema([(name, types.get(kind) or pyarrow.from_numpy_dtype(kind)) for name, kind in kinds.items()])


def whole_table(plan: Any, meta: Any, worth: bool) -> NativeTable:
    """The table of all rows of a plan, whose columns have the names that the engine gives them."""
    labels = [meta.name] if meta.ndim == 1 else list(meta.columns)
    columns = {name: column(own) for name, own in zip(labels, names(len(labels)))}
    return NativeTable(plan, columns, meta, worth, whole=True)


def kinds_of(meta: Any) -> dict:
    """The engine's types of the columns of a frame, by their names in a plan, and that of the index."""
    if meta.ndim == 2 and not meta.columns.is_unique or meta.index.nlevels > 1:
        raise NotNative("labels that are not unique")
    own = dtypes_of(meta)
    kinds = dict(zip(names(len(own)), map(kind_of, own)))
    kinds[INDEX] = kind_of(meta.index.dtype)
    return kinds


def arrow_of_pandas(part: Any, columns: list, places: dict, schema: Any) -> Any:
    """Columns of a pandas object, whose places are told by name, as a table of pyarrow's."""
    import pyarrow

    arrays = []
    for name in columns:
        if name == INDEX:
            values = part.index.to_series()
        else:
            values = part if part.ndim == 1 else part.iloc[:, places[name]]
        arrays.append(pyarrow.array(values, type=schema.field(name).type, from_pandas=True))
    return table_of_arrays(arrays, columns, schema, len(part))


def table_of_arrays(arrays: list, columns: list, schema: Any, rows: int) -> Any:
    """A table of pyarrow's, which has its rows even where it has no columns."""
    import pyarrow

    if not columns:
        # The engine counts the rows of a batch, not of its columns.
        return pyarrow.table({INDEX: pyarrow.nulls(rows)}).select([])
    return pyarrow.table(arrays, schema=pyarrow.schema([schema.field(name) for name in columns]))
