"""Frames put together: one behind the other, or column beside column."""

import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd

from raskr.dataframe.alignment import aligned
from raskr.dataframe.expressions import Expression, PartitionCalls, Rows
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.partials import concat as end_to_end
from raskr.dataframe.utils import UNKNOWN_CATEGORIES


class Stacked(Expression):
    """The partitions of several expressions one after the other, each with all columns of the result."""

    def __init__(self, parts: Sequence[Expression], meta: Any, divisions: Sequence) -> None:
        super().__init__(meta, divisions, "concat", list(parts))
        self.parts = list(parts)

    @property
    def children(self) -> list[Expression]:
        """The expressions."""
        return self.parts

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """Other expressions one after the other."""
        names = {name for child in children for name in getattr(child.meta, "columns", ())}
        meta = self.meta
        if meta.ndim == 2:
            meta = meta[[name for name in meta.columns if name in names]]
        return Stacked(children, meta, self.divisions)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns, of those that each has."""
        if columns is None or any(part.meta.ndim != 2 or not part.meta.columns.is_unique for part in self.parts):
            return [None for _ in self.parts]
        # One column at least: without any, rows would not be counted.
        return [
            [name for name in part.meta.columns if name in columns] or part.meta.columns[:1].tolist()
            for part in self.parts
        ]

    def _lower(self) -> list:
        made: list = []
        for part in self.parts:
            alike = _is_alike(part.meta, self.meta)
            for node in part.nodes:
                made.append(node if alike else self._call(len(made), _conformed, node, self.meta))
        return made


def _is_alike(part: Any, meta: Any) -> bool:
    """Do partitions have the columns and types of the result already?"""
    if part.ndim != meta.ndim or part.index.names != meta.index.names:
        return False
    if meta.ndim == 1:
        return part.dtype == meta.dtype and part.name == meta.name
    return part.columns.equals(meta.columns) and bool((part.dtypes == meta.dtypes).all())


def _conformed(part: Any, meta: Any) -> Any:
    """A partition with the columns and types of the result."""
    if meta.ndim == 1:
        made = part.rename(meta.name) if part.name != meta.name else part
        return made if _keeps_type(made.dtype, meta.dtype) else made.astype(meta.dtype)
    table = part.to_frame() if part.ndim == 1 else part
    missing = [name for name in meta.columns if name not in table.columns]
    if not table.columns.equals(meta.columns):
        table = table.reindex(columns=meta.columns)
    changes = {}
    for at, name in enumerate(meta.columns):
        kind, found = meta.dtypes.iloc[at], table.dtypes.iloc[at]
        if not _keeps_type(found, kind) and (name not in missing or not pd.api.types.is_integer_dtype(kind)):
            changes[name] = kind
    table = table.astype(changes) if changes and meta.columns.is_unique else table
    return table.rename_axis(index=meta.index.names) if table.index.names != meta.index.names else table


def _keeps_type(found: Any, kind: Any) -> bool:
    if isinstance(kind, pd.CategoricalDtype):
        unknown = list(kind.categories) == [UNKNOWN_CATEGORIES]
        return isinstance(found, pd.CategoricalDtype) and (unknown or found == kind)
    return found == kind


def concat(
    dfs: Any,
    axis: Any = 0,
    join: str = "outer",
    ignore_unknown_divisions: bool = False,
    ignore_order: bool = False,
    interleave_partitions: bool = False,
    **kwargs: Any,
) -> Any:
    """Frames one behind the other, or side by side.

    Parameters
    ----------
    dfs : list of DataFrame or Series
        What is put together; pandas' own objects count as one partition.
    axis : {0, 1, 'index', 'columns'}
        Rows behind rows, or columns beside columns.
    join : {'outer', 'inner'}
        Keep all columns (of `axis=1`: rows), or those that all have.
    ignore_unknown_divisions : bool
        Say nothing about frames side by side whose divisions are not known.
    ignore_order : bool
        Forget the order of categories, which frames may have in other orders.
    interleave_partitions : bool
        Where known divisions overlap, cut all frames at the same places and keep the index sorted by partitions;
        otherwise the result's divisions are unknown.
    **kwargs
        Of pandas' further words `sort`, `copy` and `ignore_index` are of no effect, as in Dask: rows keep their index.

    Returns
    -------
    DataFrame or Series

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1)
    >>> more = dd.from_pandas(pd.DataFrame({"a": [3, 4]}, index=[2, 3]), npartitions=1)
    >>> dd.concat([df, more]).divisions
    (0, 2, 3)
    """
    if not isinstance(dfs, list):
        raise TypeError("dfs must be a list of DataFrames/Series objects")
    if not dfs:
        raise ValueError("No objects to concatenate")
    axis = {"index": 0, "rows": 0, "columns": 1, 0: 0, 1: 1}.get(axis)
    if axis is None:
        raise ValueError("axis: expected 0, 1, 'index' or 'columns'")
    if join not in ("inner", "outer"):
        raise ValueError("'join' must be 'inner' or 'outer'")
    for word, value in kwargs.items():
        if word not in ("sort", "copy", "ignore_index") and value:
            raise TypeError(f"concat: {word}={value!r} is not supported")
    if len(dfs) == 1:
        return dfs[0].to_frame() if axis and getattr(dfs[0], "ndim", 2) == 1 else dfs[0]
    frames = [_as_frame(each) for each in dfs]
    frames = [_without_order(frame) for frame in frames] if ignore_order else frames
    return _beside(frames, join, ignore_unknown_divisions) if axis else _behind(frames, join, interleave_partitions)


def _without_order(frame: Any) -> Any:
    """The frame, or series, whose categories have no order."""
    if frame.ndim == 1:
        return frame.cat.as_unordered() if getattr(frame.dtype, "ordered", False) else frame
    ordered = [name for name, kind in frame.dtypes.items() if getattr(kind, "ordered", False)]
    return frame.assign(**{name: frame[name].cat.as_unordered() for name in ordered}) if ordered else frame


def _as_frame(table: Any) -> Any:
    if isinstance(table, (pd.DataFrame, pd.Series)):
        from raskr.dataframe.sources import from_pandas

        return from_pandas(table, npartitions=1, sort=False)
    if not hasattr(getattr(table, "_expr", None), "divisions"):
        raise TypeError(f"concat: expected frames and series, got {type(table).__name__}")
    return table


def _meta_behind(metas: list, join: str) -> Any:
    """What pandas makes of the empty frames; types of columns that are missing somewhere leave room for missing values."""
    made = pd.concat(metas, join=join, sort=False)
    if made.ndim == 1:
        kinds = [meta.dtype for meta in metas]
        if all(isinstance(kind, pd.CategoricalDtype) for kind in kinds) and len(set(kinds)) > 1:
            return made.astype(_joint_categories(metas))
        return made
    changes = {}
    for name in made.columns if made.columns.is_unique else ():
        owners = [
            meta for meta in metas if (meta.ndim == 2 and name in meta.columns) or meta.ndim == 1 and meta.name == name
        ]
        kinds = [meta[name].dtype if meta.ndim == 2 else meta.dtype for meta in owners]
        if len(owners) == len(metas):
            if all(isinstance(kind, pd.CategoricalDtype) for kind in kinds):
                columns = [meta[name] if meta.ndim == 2 else meta for meta in metas]
                if len(set(kinds)) > 1:
                    changes[name] = _joint_categories(columns)
            continue
        whole = all(isinstance(kind, type(kinds[0])) and kind == kinds[0] for kind in kinds)
        if pd.api.types.is_bool_dtype(kinds[0]):
            changes[name] = object
        elif all(map(pd.api.types.is_integer_dtype, kinds)) and kinds[0].kind in "iu":
            changes[name] = float
        elif whole:
            changes[name] = kinds[0]
    return made.astype(changes) if changes else made


def _joint_categories(columns: list) -> Any:
    categories = columns[0].cat.categories
    for column in columns[1:]:
        if [UNKNOWN_CATEGORIES] in (list(categories), list(column.cat.categories)):
            return pd.CategoricalDtype([UNKNOWN_CATEGORIES])
        categories = categories.union(column.cat.categories, sort=False)
    return pd.CategoricalDtype(categories, columns[0].cat.ordered)


def _behind(frames: list, join: str, interleave: bool) -> Any:
    meta = _meta_behind([frame._meta for frame in frames], join)
    parts = [frame._expr for frame in frames]
    if all(part.divisions[0] is not None for part in parts):
        ordered = all(before.divisions[-1] < after.divisions[0] for before, after in zip(parts, parts[1:]))
        if ordered:
            divisions = [place for part in parts[:-1] for place in part.divisions[:-1]] + list(parts[-1].divisions)
            return new_collection(Stacked(parts, meta, divisions))
        if interleave:
            lined = aligned(parts)
            nodes = [Rows([list(row) for row in zip(*(part.nodes for part in lined))])]
            made = PartitionCalls(_interleaved, [*nodes, meta], {}, meta, lined[0].divisions, "concat")
            return new_collection(made)
    count = sum(part.npartitions for part in parts)
    return new_collection(Stacked(parts, meta, (None,) * (count + 1)))


def _interleaved(parts: list, meta: Any) -> Any:
    return end_to_end([_conformed(part, meta) for part in parts])


def _beside(frames: list, join: str, ignore_unknown: bool) -> Any:
    meta = pd.concat([frame._meta for frame in frames], axis=1, join=join)
    parts = [frame._expr for frame in frames]
    known = [part.divisions[0] is not None for part in parts]
    if all(known):
        lined = aligned(parts)
        divisions: Sequence = lined[0].divisions
    elif len({part.npartitions for part in parts}) == 1:
        if not ignore_unknown:
            warnings.warn(
                "Concatenating dataframes with unknown divisions: partitions are put side by side as they are, on the "
                "assumption that they hold rows of the same index, which is not generally safe.",
                stacklevel=3,
            )
        lined, divisions = parts, (None,) * (parts[0].npartitions + 1)
    else:
        raise ValueError(
            "Unable to concatenate DataFrame with unknown division specifying axis=1: the numbers of partitions are "
            f"{[part.npartitions for part in parts]}"
        )
    return new_collection(PartitionCalls(_columns, [join, all(known), *lined], {}, meta, divisions, "concat"))


def _columns(join: str, known: bool, *parts: Any) -> Any:
    if not known and len({len(part) for part in parts}) > 1:
        raise ValueError(
            "Concatenated DataFrames of different lengths: partitions of unknown divisions were put side by side, and have "
            f"{[len(part) for part in parts]} rows"
        )
    return pd.concat(parts, axis=1, join=join)
