"""What the classes of frames, series and indexes are put together of."""

from typing import Any

from raskr.dataframe.accessors import (
    CachedAccessor,
    CategoricalAccessor,
    DatetimeAccessor,
    IndexDates,
    ListAccessor,
    StringAccessor,
    StructAccessor,
    categorized,
)
from raskr.dataframe.beyond import FrameBeyond, SeriesBeyond
from raskr.dataframe.cumulative import CumulativeMethods
from raskr.dataframe.elementwise import (
    ElementwiseMethods,
    FrameElementwise,
    SeriesElementwise,
    set_columns,
)
from raskr.dataframe.groupby import GroupingMethods
from raskr.dataframe.index_elementwise import IndexElementwise
from raskr.dataframe.indexing import IndexingMethods
from raskr.dataframe.overlapping import OverlapMethods
from raskr.dataframe.reductions import Reductions
from raskr.dataframe.reshape import ReshapeMethods
from raskr.dataframe.statistics import FrameStatistics, SeriesStatistics

__all__ = ["FrameMethods", "IndexMethods", "SeriesMethods", "set_columns"]


class _TableMethods(GroupingMethods, CumulativeMethods, OverlapMethods, IndexingMethods, Reductions):
    """What frames and series share."""

    def resample(self, rule: Any, closed: Any = None, label: Any = None) -> Any:
        """The rows in bins of time; divisions must be known.

        Parameters
        ----------
        rule : str or offset
            How long a bin is.
        closed, label : {'left', 'right'}, optional
            Which end belongs to a bin, and which one it is called by; as in pandas by default.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> s = pd.Series(range(4), index=pd.date_range("2000-01-01", periods=4, freq="12h"))
        >>> dd.from_pandas(s, npartitions=2).resample("1D").sum().compute().tolist()
        [1, 5]
        """
        from raskr.dataframe.tseries.resample import Resampler

        return Resampler(self, rule, closed, label)


class FrameMethods(FrameElementwise, FrameStatistics, ReshapeMethods, _TableMethods, FrameBeyond):
    """What frames have."""

    def categorize(self, columns: Any = None, index: bool | None = None, split_every: Any = None, **kwargs: Any) -> Any:
        """The frame with categorical columns whose categories are known; they are computed at once.

        Parameters
        ----------
        columns : list, optional
            The columns; those of text and of unknown categories by default.
        index : bool, optional
            The index, too; by default where it is text, or of unknown categories.
        split_every : int, optional
            Accepted for likeness.
        """
        return categorized(self, columns, index, split_every)


class SeriesMethods(SeriesElementwise, SeriesStatistics, _TableMethods, SeriesBeyond):
    """What series have."""

    str = CachedAccessor(StringAccessor)
    dt = CachedAccessor(DatetimeAccessor)
    cat = CachedAccessor(CategoricalAccessor)
    list = CachedAccessor(ListAccessor)
    struct = CachedAccessor(StructAccessor)


class IndexMethods(IndexElementwise, SeriesStatistics, Reductions):
    """What indexes have."""

    copy = ElementwiseMethods.copy
    pipe = ElementwiseMethods.pipe
    to_backend = ElementwiseMethods.to_backend
    clear_divisions = ElementwiseMethods.clear_divisions
    loc = property(lambda self: self.to_series().loc, doc="Values by label, as a series.")

    str = CachedAccessor(StringAccessor)
    cat = CachedAccessor(CategoricalAccessor)
    dt = CachedAccessor(IndexDates)

    @property
    def categories(self) -> Any:
        """The categories of an index of categories."""
        return self.cat.categories

    @property
    def codes(self) -> Any:
        """The places of values among the categories, of an index of categories."""
        return self.cat.codes

    @property
    def ordered(self) -> bool:
        """Do the categories of an index of categories have an order?"""
        return self.cat.ordered


#: Methods of series that indexes have as well; what they give is a series.
_OF_SERIES = (
    "add align apply between bfill clip cummax cummin cumprod cumsum diff div dropna eq explode ffill floordiv ge groupby "
    "gt le lt map_overlap mask mod mul ne pow radd rdiv replace resample rolling sample shift sub to_csv to_hdf to_string "
    "to_timestamp truediv random_split repartition to_bag reset_index memory_usage_per_partition"
).split()


def _as_series(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.to_series(), name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"What `Series.{name}` gives for the index as a series."
    return method


for _name in _OF_SERIES:
    if not hasattr(IndexMethods, _name):
        setattr(IndexMethods, _name, _as_series(_name))
