"""The classes behind frames, by the names under which documentation lists them."""

from raskr.dataframe.collection import DataFrame, Index, Series
from raskr.dataframe.groupby import DataFrameGroupBy, GroupBy, SeriesGroupBy
from raskr.dataframe.rolling import Rolling
from raskr.dataframe.scalar import Scalar
from raskr.dataframe.tseries.resample import Resampler

__all__ = [
    "DataFrame",
    "DataFrameGroupBy",
    "GroupBy",
    "Index",
    "Resampler",
    "Rolling",
    "Scalar",
    "Series",
    "SeriesGroupBy",
]
