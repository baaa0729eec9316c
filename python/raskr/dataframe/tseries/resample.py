"""Resampling: rows brought into bins of time, whole bins to a partition, empty bins where pandas has them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from raskr.dataframe.alignment import Divided
from raskr.dataframe.expressions import PartitionCalls, Rows
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.utils import meta_nonempty

__all__ = ["Resampler"]

_SUMMARIES = {
    "count": "How many values each bin has, missing ones left out.",
    "first": "The first value of each bin.",
    "last": "The last value of each bin.",
    "max": "The greatest value of each bin.",
    "mean": "The mean of each bin.",
    "median": "The median of each bin.",
    "min": "The least value of each bin.",
    "nunique": "How many different values each bin has.",
    "ohlc": "The first, greatest, least and last value of each bin.",
    "prod": "The product of each bin.",
    "quantile": "A quantile of each bin.",
    "sem": "The standard error of the mean of each bin.",
    "size": "How many rows each bin has.",
    "std": "The standard deviation of each bin.",
    "sum": "The sum of each bin.",
    "var": "The variance of each bin.",
}


class Resampler:
    """Rows in bins of time; what `resample` gives.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = pd.Series(range(4), index=pd.date_range("2000-01-01", periods=4, freq="12h"))
    >>> dd.from_pandas(s, npartitions=2).resample("1D").sum().compute().tolist()
    [1, 5]
    """

    def __init__(self, obj: Any, rule: Any, closed: Any = None, label: Any = None, selection: Any = None) -> None:
        if not obj.known_divisions:
            raise ValueError(
                "Can only resample dataframes with known divisions\n"
                "See `set_index`, which sorts by an index and finds its divisions"
            )
        if isinstance(obj._meta.index, pd.TimedeltaIndex):
            # pandas begins to count with the first row that it sees, which is another one in each partition.
            raise NotImplementedError(
                "resample: an index of dates or periods was expected, got one of durations: add a date to it first"
            )
        if not isinstance(obj._meta.index, (pd.DatetimeIndex, pd.PeriodIndex)):
            obj._meta.resample(rule)
        self._obj, self._rule, self._closed, self._label, self._selection = obj, rule, closed, label, selection

    def __getitem__(self, key: Any) -> "Resampler":
        self._obj._meta[key]
        return Resampler(self._obj, self._rule, self._closed, self._label, key)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in getattr(self._obj, "columns", ()):
            return self[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        obj = self._obj if self._selection is None else self._obj[self._selection]
        first, last = obj.divisions[0], obj.divisions[-1]
        options = {"closed": self._closed, "label": self._label, "origin": _origin(first, self._rule)}
        edges, labels = bins_between(first, last, self._rule, options)
        cuts, wanted = _cuts(obj.divisions, edges, labels)
        example = meta_nonempty(obj._meta)
        rows = _resampled(spread(example, labels, self._rule), self._rule, options, name, args, kwargs)
        meta = rows.iloc[:0]
        gap = rows.iloc[1:2] if len(rows) > 2 else None
        source = Divided(obj._expr, cuts)
        settings = {"rule": self._rule, "options": options, "name": name, "args": args, "kwargs": kwargs, "gap": gap}
        divisions = (*(each[0] for each in wanted), wanted[-1][-1])
        calls = PartitionCalls(_in_bins, [source, Rows(wanted)], settings, meta, divisions, f"resample-{name}")
        return new_collection(calls)

    def aggregate(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """One or several statistics of each bin, by names or functions."""
        return self._call("agg", func, *args, **kwargs)

    agg = aggregate


def _origin(first: Any, rule: Any) -> Any:
    """Where bins of a fixed length begin to be counted, which must be the same for all partitions."""
    offset = pd.tseries.frequencies.to_offset(rule)
    counted = isinstance(offset, (pd.tseries.offsets.Tick, pd.tseries.offsets.Day))
    return first.normalize() if counted and isinstance(first, pd.Timestamp) else "start_day"


def bins_between(first: Any, last: Any, rule: Any, options: dict) -> tuple:
    """Where rows of each bin begin, and the labels of bins, from the first row to the last."""
    ends = pd.Series([0, 0], index=pd.Index([first, last]))
    labels = ends.resample(rule, **options).size().index
    edges = ends.resample(rule, **{**options, "label": "left"}).size().index
    offset = pd.tseries.frequencies.to_offset(rule)
    closed = options["closed"] or ends.resample(rule)._timegrouper.closed
    if closed == "right":
        # Bins that end with a month, a week and so on take in all of their last day.
        whole_days = offset.rule_code.split("-")[0] in ("ME", "BME", "QE", "BQE", "YE", "BYE", "W")
        edges = edges + (pd.Timedelta(1, unit="D") if whole_days else pd.Timedelta(1, unit=first.unit))
    return edges, labels


def _cuts(divisions: Sequence, edges: Any, labels: Any) -> tuple:
    """Where partitions of whole bins begin, and the labels that each one has."""
    places = {0}
    for value in divisions[1:-1]:
        places.add(max(int(edges.searchsorted(value, side="right")) - 1, 0))
    starts = sorted(places)
    cuts = [min(edges[0], divisions[0]), *(edges[place] for place in starts[1:]), max(divisions[-1], edges[-1])]
    wanted = [labels[start:stop] for start, stop in zip(starts, [*starts[1:], len(labels)])]
    return cuts, wanted


def spread(example: Any, labels: Any, rule: Any) -> Any:
    """Two rows with an empty bin in between, to see what that gets."""
    if isinstance(labels, pd.PeriodIndex):
        return example.set_axis([labels[0], labels[0] + 2], axis=0)
    offset = pd.tseries.frequencies.to_offset(rule)
    index = pd.DatetimeIndex([labels[0], labels[0] + 2 * offset], name=example.index.name)
    return example.set_axis(index, axis=0)


def _resampled(part: Any, rule: Any, options: dict, name: str, args: tuple, kwargs: dict) -> Any:
    return getattr(part.resample(rule, **options), name)(*args, **kwargs)


def _in_bins(part: Any, labels: Any, rule: Any, options: dict, name: str, args: tuple, kwargs: dict, gap: Any) -> Any:
    found = _resampled(part, rule, options, name, args, kwargs)
    if len(found) == len(labels):
        return found
    return with_gaps(found[found.index.isin(labels)], labels, gap)


def with_gaps(found: Any, labels: Any, gap: Any) -> Any:
    """Results of bins with rows for the labels that have none: like the one row of `gap`, or missing values for None."""
    missing = labels.difference(found.index)
    if not len(missing):
        return found
    if gap is None:
        return found.reindex(labels.rename(found.index.name))
    rows = gap.take([0] * len(missing)).set_axis(missing.rename(found.index.name), axis=0)
    return pd.concat([found, rows]).sort_index() if len(found) else rows


def _fill() -> None:
    def method_of(name: str) -> Any:
        def method(self: Resampler, *args: Any, **kwargs: Any) -> Any:
            return self._call(name, *args, **kwargs)

        method.__name__ = name
        method.__doc__ = f"{_SUMMARIES[name]}\n\nThe arguments are those of pandas' method."
        return method

    for name in _SUMMARIES:
        setattr(Resampler, name, method_of(name))


_fill()
