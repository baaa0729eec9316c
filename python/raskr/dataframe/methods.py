"""What the classes of frames, series and indexes are put together of."""

from typing import Any

from raskr.dataframe.accessors import (
    CachedAccessor,
    CategoricalAccessor,
    DatetimeAccessor,
    ListAccessor,
    StringAccessor,
    StructAccessor,
    categorized,
)
from raskr.dataframe.cumulative import CumulativeMethods
from raskr.dataframe.elementwise import FrameElementwise, IndexElementwise, SeriesElementwise, set_columns
from raskr.dataframe.groupby import GroupingMethods
from raskr.dataframe.indexing import IndexingMethods
from raskr.dataframe.overlapping import OverlapMethods
from raskr.dataframe.reductions import Reductions
from raskr.dataframe.statistics import FrameStatistics, SeriesStatistics

__all__ = ["FrameMethods", "IndexMethods", "SeriesMethods", "set_columns"]


class _TableMethods(GroupingMethods, CumulativeMethods, OverlapMethods, IndexingMethods, Reductions):
    """What frames and series share."""


class FrameMethods(FrameElementwise, FrameStatistics, _TableMethods):
    """What frames have."""

    def categorize(self, columns: Any = None, index: bool | None = None, split_every: Any = None, **kwargs: Any) -> Any:
        """The frame with categorical columns whose categories are known; they are computed at once.

        Parameters
        ----------
        columns : list, optional
            The columns; those of text and of unknown categories by default.
        index : bool, optional
            The index, too; by default where it is categorical.
        split_every : int, optional
            Accepted for likeness.
        """
        return categorized(self, columns, index, split_every)


class SeriesMethods(SeriesElementwise, SeriesStatistics, _TableMethods):
    """What series have."""

    str = CachedAccessor(StringAccessor)
    dt = CachedAccessor(DatetimeAccessor)
    cat = CachedAccessor(CategoricalAccessor)
    list = CachedAccessor(ListAccessor)
    struct = CachedAccessor(StructAccessor)


class IndexMethods(IndexElementwise, SeriesStatistics, Reductions):
    """What indexes have."""

    str = CachedAccessor(StringAccessor)
    cat = CachedAccessor(CategoricalAccessor)
