"""Methods of indexes that are pandas' own, partition by partition, and where divisions go when dates move."""

import operator
from typing import Any

import pandas as pd

from raskr.dataframe.elementwise import add_methods
from raskr.dataframe.mapping import elementwise
from raskr.dataframe.operators import OperatorMethods
from raskr.dataframe.utils import meta_by_example
from raskr.utils import M

INDEX_METHODS = {
    "astype": "The values in another type.",
    "fillna": "The values, with missing ones replaced.",
    "isin": "Is each value among some values?",
    "isna": "Is each value missing?",
    "isnull": "Is each value missing?",
    "map": "What a function, or a mapping, gives for each value.",
    "notna": "Is each value there?",
    "notnull": "Is each value there?",
    "rename": "The index under another name.",
    "to_frame": "The index as a frame of one column.",
    "to_series": "The index as a series.",
    "where": "The values, replaced where a condition does not hold.",
    "round": "The values, rounded.",
}


class IndexElementwise(OperatorMethods):
    """What indexes have."""

    def shift(self, periods: int = 1, freq: Any = None) -> Any:
        """Dates moved by some steps of a frequency."""
        if not isinstance(self._meta, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex)):
            raise NotImplementedError(f"shift: an index of dates was expected, got {type(self._meta).__name__}")
        if isinstance(self._meta, pd.PeriodIndex):
            if freq is not None:
                raise TypeError(
                    f"shift: periods move by steps of their own frequency, no freq= was expected, got {freq!r}"
                )
        elif freq is None:
            freq = getattr(self._meta, "freq", None)
            if freq is None:
                raise ValueError("shift: freq= is needed, since the index has no frequency")
        return elementwise(
            M.shift,
            [self, periods],
            {} if freq is None else {"freq": freq},
            divisions=moved_divisions(self, periods, freq),
        )

    def __getitem__(self, key: Any) -> Any:
        return elementwise(operator.getitem, [self, key], divisions=(None,) * (self.npartitions + 1))

    def map(self, arg: Any, na_action: Any = None, meta: Any = None, is_monotonic: bool = False) -> Any:
        """What a function gives for each value; divisions are mapped too where `is_monotonic` says that order stays."""
        found = meta_by_example(M.map, [self, arg], {"na_action": na_action}, meta, "map")
        divisions = (None,) * (self.npartitions + 1)
        if is_monotonic and self.known_divisions:
            divisions = tuple(pd.Series(self.divisions).map(arg, na_action=na_action))
        return elementwise(M.map, [self, arg], {"na_action": na_action}, meta=found, divisions=divisions)


def moved_divisions(frame: Any, periods: int, freq: Any) -> tuple:
    """The divisions of an index whose dates are moved; unknown where their order may be lost."""
    unknown = (None,) * (frame.npartitions + 1)
    index = frame._meta if isinstance(frame._meta, pd.Index) else frame._meta.index
    if not frame.known_divisions:
        return unknown
    divisions = pd.Index(frame.divisions)
    if isinstance(index, pd.PeriodIndex):
        return tuple(pd.PeriodIndex(divisions).shift(periods))
    offset = freq if isinstance(freq, pd.Timedelta) else pd.tseries.frequencies.to_offset(freq)
    if not isinstance(offset, (pd.Timedelta, pd.tseries.offsets.Tick, pd.tseries.offsets.Day)):
        return unknown  # times within a week all move to its end
    return tuple(divisions.shift(periods, freq=freq))


add_methods(IndexElementwise, pd.Index, {name: text for name, text in INDEX_METHODS.items() if name != "map"}, False)
