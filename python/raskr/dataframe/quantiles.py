"""Quantiles of parts: sorted values with weights, exact until there are very many, then thinned evenly."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.partials import as_frame, figure_type, figures, times_of_arrow

#: More values than this in a column are thinned to a quarter of it.
EXACT_VALUES = 1 << 23


def sorted_values(part: Any) -> list:
    """For each column the values that are there, in order, and how many rows each stands for (None for one)."""
    frame = as_frame(part)
    return [_sorted_column(frame.iloc[:, place]) for place in range(len(frame.columns))]


def _sorted_column(column: Any) -> tuple:
    there = column.dropna()
    kind = column.dtype
    if getattr(kind, "kind", "f") in "mM":
        values = there.to_numpy(dtype="M8[ns]" if kind.kind == "M" else "m8[ns]").view("int64")
    elif isinstance(kind, np.dtype) and kind.kind in "biuf":
        values = there.to_numpy()
    else:
        values = there.to_numpy(dtype=float)
    return np.sort(values), None


def merged_values(found: list) -> list:
    """The sorted values of several parts together."""
    return [_merged(columns) for columns in zip(*found)]


def _merged(columns: tuple) -> tuple:
    values = np.concatenate([each for each, _ in columns])
    if all(weights is None for _, weights in columns) and len(values) <= EXACT_VALUES:
        return np.sort(values, kind="stable"), None
    weights = np.concatenate([np.ones(len(each)) if weight is None else weight for each, weight in columns])
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    if len(values) <= EXACT_VALUES:
        return values, weights
    kept = EXACT_VALUES // 4
    ranks = np.cumsum(weights)
    step = ranks[-1] / kept
    chosen = np.searchsorted(ranks, (np.arange(kept) + 0.5) * step)
    return values[chosen], np.full(kept, step)


def quantiles_of(found: list, q: Any, interpolation: str, like: Any) -> Any:
    """The quantiles of all parts, as pandas gives them."""
    merged = merged_values(found)
    frame = as_frame(like)
    points = np.atleast_1d(np.asarray(q, dtype=float))
    columns = [
        _column_quantiles(*each, points, interpolation, frame.iloc[:, place].dtype) for place, each in enumerate(merged)
    ]
    if not isinstance(like, pd.DataFrame):
        column = pd.Series(columns[0], index=pd.Index(points, dtype=float), name=like.name)
        return column if np.ndim(q) else column.iloc[0]
    if np.ndim(q):
        table = pd.concat([pd.Series(column, index=pd.Index(points)) for column in columns], axis=1)
        return table.set_axis(frame.columns, axis=1)
    kinds = [pd.Series(column).dtype for column in columns]
    dtype = np.result_type(*kinds) if all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in kinds) else None
    values = [column[0] for column in columns]
    numbers = all(getattr(kind, "kind", "O") in "biuf" for kind in kinds)
    made = figures(values, frame.columns, kinds, dtype) if numbers else pd.Series(values, index=frame.columns)
    return made.rename(float(np.asarray(q)))


def _column_quantiles(values: Any, weights: Any, points: Any, interpolation: str, kind: Any) -> Any:
    """The quantiles of one column, as an array of the column's type."""
    exact = values
    if weights is not None:
        middles = np.cumsum(weights) - weights / 2
        exact = np.interp(points * weights.sum(), middles, values.astype(float))
        interpolation = "linear"
    dates = getattr(kind, "kind", "f") in "mM"
    if weights is None:
        series = pd.Series(exact.view(f"{kind.kind}8[ns]") if dates else exact)
        own = times_of_arrow(kind)
        if isinstance(own, pd.DatetimeTZDtype):
            series = series.dt.tz_localize("UTC").dt.tz_convert(own.tz)
        found = series.quantile(points, interpolation=interpolation)
        # Arrow refuses to cut what is finer than its unit, pandas does not.
        return found.astype(own).astype(kind).array if dates else found.astype(figure_type(kind, found.dtype)).array
    if dates:
        return pd.Series(exact.astype("int64").view(f"{kind.kind}8[ns]")).astype(kind).array
    return pd.Series(exact).astype(figure_type(kind, exact.dtype)).array
