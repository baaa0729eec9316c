"""Covariances and correlations within groups, in parts: what is kept of pairs of columns, how it is combined, and the result.

Of each group and pair are kept: the number of rows that have both values, their means, and the sums of products of distances
from these means. Distances are taken from a value of the group first, so that a column without spread has none (Chan, Golub and
LeVeque, 1979, "Updating formulae and a pairwise algorithm for computing sample variances").
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.grouping import by_levels, grouped, keys_of
from raskr.dataframe.partials import concat

#: Of a pair: rows, two means, squares of the first, squares of the second, products.
_KEPT = 6


def pairs_of(part: Any, by: Sequence, columns: Sequence, dropna: Any, *given: Any) -> Any:
    """What is kept of each group of a partition: a frame with the groups as its index."""
    keys = keys_of(part, by, given)
    groups = grouped(pd.Series(0, index=part.index), keys, dropna=dropna is not False, observed=True, sort=False)
    index, codes = groups.size().index, groups.ngroup().fillna(-1).to_numpy(dtype=np.int64)
    values = [part[column].to_numpy(dtype=float) for column in columns]
    if (codes >= 0).all() and all(np.isfinite(column).all() for column in values):
        return pd.DataFrame(dict(enumerate(_of_all_rows(codes, len(index), values))), index=index)
    kept = []
    for place, x in enumerate(values):
        for y in values[place:]:
            there = np.isfinite(x) & np.isfinite(y) & (codes >= 0)
            ones = np.ones(int(there.sum()))
            nothing = np.zeros(len(ones))
            kept += _together(codes[there], len(index), ones, x[there], y[there], nothing, nothing, nothing)
    return pd.DataFrame(dict(enumerate(kept)), index=index)


def _of_all_rows(codes: Any, count: int, values: Sequence) -> list:
    """What is kept where no value is missing: means and distances of a column are the same in all of its pairs."""
    rows = np.bincount(codes, minlength=count).astype(float)
    means, away = [], []
    for column in values:
        base = np.zeros(count)
        base[codes[::-1]] = column[::-1]
        mean = base + np.bincount(codes, column - base[codes], count) / np.maximum(rows, 1)
        means.append(mean)
        away.append(column - mean[codes])
    squares = [np.bincount(codes, distances**2, count) for distances in away]
    kept = []
    for x in range(len(values)):
        for y in range(x, len(values)):
            products = squares[x] if x == y else np.bincount(codes, away[x] * away[y], count)
            kept += [rows, means[x], means[y], squares[x], squares[y], products]
    return kept


def _together(codes: Any, count: int, rows: Any, x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> list:
    """Pieces of groups as one piece each."""

    def total(values: Any) -> Any:
        return np.bincount(codes, values, count)

    def mean(values: Any) -> Any:
        base = np.zeros(count)
        base[codes[::-1]] = values[::-1]
        return base + total(rows * (values - base[codes])) / np.maximum(total(rows), 1)

    x_mean, y_mean = mean(x), mean(y)
    x_away, y_away = x - x_mean[codes], y - y_mean[codes]
    squares = (total(xx + rows * x_away**2), total(yy + rows * y_away**2), total(xy + rows * x_away * y_away))
    return [total(rows), x_mean, y_mean, *squares]


def pairs_together(found: list, dropna: Any, sort: bool = False) -> Any:
    """What is kept of several pieces, group by group."""
    whole = concat(found)
    groups = by_levels(whole, dropna=dropna is not False, observed=True, sort=sort)
    index, codes = groups.size().index, groups.ngroup().to_numpy(dtype=np.int64)
    kept = []
    for first in range(0, whole.shape[1], _KEPT):
        pieces = [whole[first + place].to_numpy() for place in range(_KEPT)]
        # Pieces without a row have no mean to start from.
        full = pieces[0] > 0
        kept += _together(codes[full], len(index), *(piece[full] for piece in pieces))
    return pd.DataFrame(dict(enumerate(kept)), index=index)


def pairs_finished(found: list, dropna: Any, sort: Any, correlation: bool, meta: Any) -> Any:
    """A matrix for each group, one below the other."""
    whole = pairs_together(found, dropna, sort is not False)
    if not len(whole):
        return meta
    columns = meta.columns
    made = np.empty((len(whole), len(columns), len(columns)))
    place = 0
    for row in range(len(columns)):
        for column in range(row, len(columns)):
            rows, _, _, xx, yy, xy = (whole[place * _KEPT + part].to_numpy() for part in range(_KEPT))
            spread = np.sqrt(xx * yy) if correlation else rows - 1
            figure = np.divide(xy, spread, out=np.full(len(whole), np.nan), where=spread > 0)
            made[:, row, column] = made[:, column, row] = np.clip(figure, -1, 1) if correlation else figure
            place += 1
    levels = [whole.index.get_level_values(level).repeat(len(columns)) for level in range(whole.index.nlevels)]
    labels = columns.take(np.tile(np.arange(len(columns)), len(whole)))
    index = pd.MultiIndex.from_arrays([*levels, labels], names=[*whole.index.names, columns.name])
    return pd.DataFrame(made.reshape(-1, len(columns)), index=index, columns=columns)


def can_be_paired(meta: Any, columns: Sequence) -> bool:
    """Are the columns plain numbers, whose pairs can be kept in parts?"""
    if not meta.columns.is_unique:
        return False
    kinds = [meta.dtypes[column] for column in columns]
    return bool(kinds) and all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in kinds)
