"""Pieces of results: one row of each partition's results, and how pieces are put together without losing types."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

#: The one category of categorical types whose categories are not known before computing.
UNKNOWN_CATEGORIES = "__UNKNOWN_CATEGORIES__"


def concat(parts: Sequence, axis: int = 0, meta: Any = None) -> Any:
    """pandas objects in order; empty ones don't change types, and categories are united where they differ."""
    parts = list(parts)
    full = [part for part in parts if len(part)] or parts[:1]
    if not full:
        return meta
    if isinstance(full[0], pd.Index):
        if len(full) > 1 and isinstance(full[0], pd.CategoricalIndex):
            return pd.CategoricalIndex(concat([part.to_series() for part in full]), name=full[0].name)
        return full[0].append(full[1:]) if len(full) > 1 else full[0]
    full = _same_categories(full, [part for part in parts if not len(part)])
    return pd.concat(full, axis=axis) if len(full) > 1 else full[0]


def _same_categories(parts: list, empty: list) -> list:
    """The parts, with categorical columns and indexes that have the same categories everywhere.

    Empty parts have no rows to offer, but categories.
    """
    first = parts[0]
    if isinstance(first.index, pd.CategoricalIndex):
        indexes = _united([pd.Series(part.index) for part in parts], [pd.Series(part.index) for part in empty])
        parts = [part.set_axis(pd.CategoricalIndex(index, name=part.index.name)) for part, index in zip(parts, indexes)]
    elif isinstance(first.index, pd.MultiIndex):
        parts = _same_levels(parts, [part for part in empty if part.index.nlevels == first.index.nlevels])
    if isinstance(first, pd.Series):
        return _united(parts, [part for part in empty if part.ndim == 1])
    alike = [part for part in empty if part.ndim == 2 and len(part.columns) == len(first.columns)]
    for place, dtype in enumerate(first.dtypes):
        if isinstance(dtype, pd.CategoricalDtype) and all(len(part.columns) == len(first.columns) for part in parts):
            columns = [part.iloc[:, place] for part in parts]
            united = _united(columns, [part.iloc[:, place] for part in alike])
            if united is not columns:
                parts = [_replaced(part, place, column) for part, column in zip(parts, united)]
    return parts


def _same_levels(parts: list, empty: list) -> list:
    for level, values in enumerate(parts[0].index.levels):
        if not isinstance(values, pd.CategoricalIndex):
            continue
        columns, others = (
            [pd.Series(part.index.get_level_values(level)) for part in several] for several in (parts, empty)
        )
        united = _united(columns, others)
        if united is columns:
            continue
        columns, fresh = united, []
        for part, column in zip(parts, columns):
            arrays = [part.index.get_level_values(place) for place in range(part.index.nlevels)]
            arrays[level] = pd.CategoricalIndex(column)
            fresh.append(part.set_axis(pd.MultiIndex.from_arrays(arrays, names=part.index.names)))
        parts = fresh
    return parts


def _united(columns: list, empty: list) -> list:
    """Series with the categories of all, those of empty ones last; the same list where they have them already."""
    if not all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        return columns
    first = columns[0].cat.categories
    categories = first.drop(UNKNOWN_CATEGORIES) if UNKNOWN_CATEGORIES in first else first
    for column in [*columns[1:], *empty]:
        if isinstance(column.dtype, pd.CategoricalDtype) and UNKNOWN_CATEGORIES not in column.cat.categories:
            more = column.cat.categories.difference(categories, sort=False)
            categories = categories.append(more) if len(more) else categories
    if all(list(column.cat.categories) == list(categories) for column in columns):
        return columns
    return [column.cat.set_categories(categories) for column in columns]


def _replaced(frame: Any, place: int, column: Any) -> Any:
    columns = [frame.iloc[:, other] if other != place else column for other in range(len(frame.columns))]
    return pd.concat(columns, axis=1).set_axis(frame.columns, axis=1)


def as_frame(part: Any) -> Any:
    """A frame of a series' or an index's one column, frames as they are."""
    if isinstance(part, pd.Index):
        return pd.Series(part).to_frame(0)
    return part.to_frame(0) if isinstance(part, pd.Series) else part


def one_row(part: Any, method: str, **options: Any) -> Any:
    """What a reducing method gives for each column, as a frame of one row whose columns keep their own types."""
    frame = as_frame(part)
    cells = {}
    for place in range(len(frame.columns)):
        found = getattr(frame.iloc[:, [place]], method)(**options)
        cells[place] = found.array
    row = pd.DataFrame(cells, index=[0]) if cells else pd.DataFrame(index=[0])
    return row.set_axis(frame.columns, axis=1)


def one_row_or_none(part: Any, method: str, **options: Any) -> Any:
    """As `one_row`, and without a row for an empty partition, which has no least or greatest value."""
    frame = as_frame(part)
    return one_row(frame, method, **options) if len(frame) else frame.iloc[:0]


def rows_reduced(rows: list, method: str, **options: Any) -> Any:
    """Rows of results reduced to one row."""
    stacked = concat(rows)
    return one_row(stacked, method, **options) if len(stacked) else stacked


def finished(rows: list, method: str, series: bool, **options: Any) -> Any:
    """Rows of results reduced to what pandas gives: a series over the columns, or the one value of a series."""
    stacked = concat(rows)
    if series:
        return getattr(stacked.iloc[:, 0], method)(**options)
    return getattr(stacked, method)(**options)


def times_of_arrow(kind: Any) -> Any:
    """pandas' own type of dates or durations for one of Arrow's; any other type as it is."""
    if not isinstance(kind, pd.ArrowDtype) or kind.kind not in "mM" or not hasattr(kind.pyarrow_dtype, "unit"):
        return kind
    zone = getattr(kind.pyarrow_dtype, "tz", None)
    unit = kind.pyarrow_dtype.unit
    return pd.DatetimeTZDtype(unit, zone) if zone else np.dtype(f"{kind.kind}8[{unit}]")


def figure_type(kind: Any, plain: Any) -> Any:
    """The type of figures of a column of numbers, as pandas has it: Arrow's for Arrow's, a nullable one for such, or `plain`."""
    if _is_arrow(kind):
        return "double[pyarrow]"
    nullable = isinstance(kind, pd.api.extensions.ExtensionDtype) and not hasattr(kind, "tz")
    return "Float64" if nullable else plain


def figures(values: list, index: Any, kinds: list, dtype: Any = None) -> Any:
    """A floating number a column as a series of pandas' type for columns of these types; `dtype` where all are NumPy's."""
    arrow = any(map(_is_arrow, kinds))
    nullable = any(isinstance(kind, pd.api.extensions.ExtensionDtype) for kind in kinds if not _is_arrow(kind))
    if not arrow and not nullable:
        return pd.Series(values, index=index, dtype=dtype)
    values = [pd.NA if pd.isna(value) else float(value) for value in values]
    single = all(kind in (np.float32, pd.Float32Dtype()) for kind in kinds)
    wide = "Float32" if single else "Float64"
    return pd.Series(values, index=index, dtype=wide if not arrow else object if nullable else "double[pyarrow]")


def _is_arrow(kind: Any) -> bool:
    return isinstance(kind, pd.ArrowDtype)
