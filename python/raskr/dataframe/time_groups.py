"""Groups that are bins of time: the key that a `pandas.Grouper` with a frequency stands for, and bins without rows."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from raskr.dataframe.mapping import elementwise
from raskr.dataframe.tseries.resample import bins_between, spread, with_gaps

__all__ = ["TimeBins"]


class TimeBins:
    """Bins of equal length in the calendar, from that of the first time to that of the last.

    Parameters
    ----------
    times : Series
        Of dates. Where bins begin is known when the first and the last of them are.
    grouper : pandas.Grouper
        With a frequency.

    Raises
    ------
    TypeError
        When the times are no dates.
    """

    def __init__(self, times: Any, grouper: Any) -> None:
        if not pd.api.types.is_datetime64_any_dtype(times.dtype):
            raise TypeError(f"groupby: a Grouper with a frequency needs dates, {times.name!r} has {times.dtype}")
        self.times, self.rule = times, grouper.freq
        self.options = {name: getattr(grouper, name) for name in ("closed", "label", "origin", "offset")}
        self.ends = [times.min(), times.max()]

    def key(self) -> Any:
        """The series of labels by which rows are grouped."""
        kwargs = {"rule": self.rule, "options": self.options}
        return elementwise(_labels_of, [self.times, *self.ends], kwargs, meta=self.times._meta)

    def filled(self, result: Any, example: Any, aggregation: Callable[[Any], Any]) -> Any:
        """An aggregated result with the bins that have no rows.

        Parameters
        ----------
        result : DataFrame or Series
            In one partition, the labels of bins as its index.
        example : pandas.DataFrame or pandas.Series
            Two rows of what is aggregated.
        aggregation : callable
            Makes of pandas' groups what the result has a row for; of its own for an empty bin, what such bins get.
        """
        one = pd.Series([0], index=pd.DatetimeIndex(["2000-01-03"], tz=getattr(self.times.dtype, "tz", None)))
        labels = one.resample(self.rule, **self.options).size().index
        try:
            rows = aggregation(spread(example, labels, self.rule).resample(self.rule, **self.options))
        except (TypeError, ValueError, AttributeError, KeyError):
            # What pandas has no bins for, such as aggregations in parts of the user's own: there nothing is known.
            rows = []
        meta = result._meta
        gap = rows[1:2] if len(rows) > 2 else None
        if gap is not None and gap.ndim == 2:
            gap = gap.set_axis(meta.columns, axis=1)
        kwargs = {"rule": self.rule, "options": self.options, "gap": gap}
        return elementwise(_with_all_bins, [result, *self.ends], kwargs, meta=meta, divisions=(None, None))

    def filled_by_steps(self, result: Any, example: Any, steps: Sequence, columns: Any) -> Any:
        """The same for aggregations of columns, `columns` being those of the result, None for a series."""

        def aggregation(bins: Any) -> Any:
            found = []
            for step in steps:
                of_column = bins if example.ndim == 1 or step.column is None else bins[step.column]
                found.append(getattr(of_column, step.kind)(**step.options))
            return found[0] if columns is None else pd.concat(found, axis=1).set_axis(columns, axis=1)

        return self.filled(result, example, aggregation)


def _labels_of(times: Any, first: Any, last: Any, rule: Any, options: dict) -> Any:
    if pd.isna(first):
        return times
    edges, labels = bins_between(first, last, rule, options)
    there = times.notna().to_numpy()
    result = times.copy()
    result[there] = labels.take(edges.searchsorted(times[there], side="right") - 1)
    return result


def _with_all_bins(part: Any, first: Any, last: Any, rule: Any, options: dict, gap: Any) -> Any:
    if pd.isna(first):
        return part
    _, labels = bins_between(first, last, rule, options)
    return with_gaps(part, labels, gap)
