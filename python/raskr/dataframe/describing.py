"""The tables of `describe`, of figures that were computed apart. Knows pandas only."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.partials import figure_type


def numbers_described(count: Any, mean: Any, least: Any, middle: Any, most: Any, std: Any = None, **kwargs: Any) -> Any:
    """The figures of a column of numbers, dates or durations, in pandas' order."""
    from pandas.io.formats.format import format_percentiles

    points, kind = kwargs["points"], kwargs["dtype"]
    rows = format_percentiles(np.array(points)) if len(points) else []
    if middle is None or not len(middle):
        middle = [np.nan] * len(points)
    names = ["count", "mean", *([] if std is None else ["std"]), "min", *rows, "max"]
    values = [count, mean, *([] if std is None else [std]), least, *middle, most]
    if getattr(kind, "kind", "f") in "mM":
        return pd.Series(values, index=names, name=kwargs["name"], dtype=object)
    values = [value if pd.isna(value) else float(value) for value in values]
    return pd.Series(values, index=names, name=kwargs["name"], dtype=figure_type(kind, "float64"))


def texts_described(count: Any, counts: Any, **kwargs: Any) -> Any:
    """The figures of a column of texts, categories and the like."""
    if len(counts):
        values = [count, len(counts[counts > 0]), counts.index[0], counts.iloc[0]]
    else:
        values = [0, 0, np.nan, np.nan]
    names = ["count", "unique", "top", "freq"]
    return pd.Series(values, index=names, name=kwargs["name"], dtype=object)


def beside_described(*described: Any) -> Any:
    """The figures of several columns as one table, with rows for all that any of them has."""
    rows: list = []
    for one in sorted(described, key=len):
        rows += [name for name in one.index if name not in rows]
    return pd.concat([one.reindex(rows) for one in described], axis=1)
