"""Rolling windows over partitions: each sees as many rows of its neighbours as a window reaches."""

from typing import Any

import pandas as pd

from raskr.dataframe.expressions import PartitionCalls
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.operators import documented
from raskr.dataframe.overlapping import Overlapped

_SUMMARIES = {
    "apply": "What a function gives for each window.",
    "corr": "The correlation within each window.",
    "count": "How many values each window has.",
    "cov": "The covariance within each window.",
    "kurt": "The kurtosis of each window.",
    "max": "The greatest value of each window.",
    "mean": "The mean of each window.",
    "median": "The median of each window.",
    "min": "The least value of each window.",
    "quantile": "A quantile of each window.",
    "rank": "The rank of the last value within each window.",
    "sem": "The standard error of the mean of each window.",
    "skew": "The skewness of each window.",
    "std": "The standard deviation of each window.",
    "sum": "The sum of each window.",
    "var": "The variance of each window.",
}


class Rolling:
    """Windows that move along the rows; see `raskr.dataframe.DataFrame.rolling`."""

    def __init__(
        self,
        data: Any,
        window: Any,
        min_periods: int | None = None,
        center: bool = False,
        win_type: Any = None,
        closed: Any = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(window, bool) or isinstance(window, int) and window < 0:
            raise ValueError(f"window must be >= 0, got {window!r}")
        if isinstance(window, float):
            raise ValueError(f"window must be an integer, got {window!r}")
        if kwargs.pop("axis", 0) not in (0, "index", "rows", None):
            raise NotImplementedError("rolling: windows along the rows (axis=0) were expected")
        options = {"min_periods": min_periods, "center": center, "win_type": win_type, "closed": closed, **kwargs}
        self._options = {name: value for name, value in options.items() if value is not None and value is not False}
        if min_periods is not None and min_periods < 0:
            raise ValueError(f"min_periods must be >= 0, got {min_periods}")
        data._meta.rolling(window, **self._options)  # pandas' own errors
        self._data, self._window, self._columns = data, window, None

    def __getitem__(self, key: Any) -> "Rolling":
        chosen = Rolling(self._data, self._window, **self._options)
        chosen._columns = key
        return chosen

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in getattr(self._data._meta, "columns", ()):
            return self[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _reach(self) -> tuple:
        if isinstance(self._window, int):
            rows = self._window - 1 + (self._options.get("closed") in ("left", "both"))
            if self._options.get("center"):
                after = self._window // 2
                return max(rows, after), after
            return max(rows, 0), 0
        if isinstance(self._window, pd.api.indexers.BaseIndexer):
            size = int(self._window.window_size)
            return (0, size) if isinstance(self._window, pd.api.indexers.FixedForwardWindowIndexer) else (size, size)
        span = pd.Timedelta(pd.tseries.frequencies.to_offset(self._window)) if isinstance(self._window, str) else None
        span = pd.Timedelta(self._window) if span is None else span
        # A closed left end takes in rows exactly that far away.
        return span + pd.Timedelta(1, unit="ns"), span if self._options.get("center") else 0

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        before, after = self._reach()
        settings = {"window": self._window, "options": self._options, "columns": self._columns, "name": name}
        settings.update(args=args, kwargs=kwargs)
        meta = _rolled(self._data._meta, **settings)
        source = self._data._expr
        if source.npartitions == 1:
            return new_collection(
                PartitionCalls(_rolled, [source], settings, meta, source.divisions, f"rolling-{name}")
            )
        return new_collection(
            Overlapped(_rolled, [source], settings, before, after, meta, f"rolling-{name}", isinstance(before, int))
        )

    def aggregate(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """One or several statistics, by names or functions."""
        return self._call("agg", func, *args, **kwargs)

    agg = aggregate

    def __repr__(self) -> str:
        return f"Rolling [window={self._window}, {', '.join(f'{k}={v}' for k, v in self._options.items())}]"


def _rolled(part: Any, window: Any, options: dict, columns: Any, name: str, args: tuple, kwargs: dict) -> Any:
    rolling = part.rolling(window, **options)
    rolling = rolling if columns is None else rolling[columns]
    return getattr(rolling, name)(*args, **kwargs)


def _fill() -> None:
    def method_of(name: str) -> Any:
        def method(self: Rolling, *args: Any, **kwargs: Any) -> Any:
            return self._call(name, *args, **kwargs)

        return documented(method, name, pd.core.window.rolling.Rolling, _SUMMARIES[name])

    for name in _SUMMARIES:
        setattr(Rolling, name, method_of(name))


_fill()
