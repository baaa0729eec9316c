"""Frames: pandas' tables in partitions. A first part: see docs/status/dataframe.md for what exists."""

try:
    import pandas as _pandas  # noqa: F401
except ImportError as error:
    raise ImportError(
        "raskr.dataframe needs pandas, which is not installed: install raskr with its extra 'dataframe', or pandas itself"
    ) from error

from raskr.base import compute
from raskr.dataframe._memory import return_freed_memory as _return_freed_memory
from raskr.dataframe.collection import DataFrame, Index, Series
from raskr.dataframe.concatenation import concat
from raskr.dataframe.conversion import to_datetime, to_numeric, to_timedelta
from raskr.dataframe.grouping import Aggregation
from raskr.dataframe.io import (
    demo,
    from_dict,
    read_csv,
    read_fwf,
    read_hdf,
    read_json,
    read_orc,
    read_parquet,
    read_sql,
    read_sql_query,
    read_sql_table,
    read_table,
    to_csv,
    to_hdf,
    to_json,
    to_orc,
    to_parquet,
    to_records,
    to_sql,
)
from raskr.dataframe.mapping import map_partitions
from raskr.dataframe.merging import merge
from raskr.dataframe.nearest import merge_asof
from raskr.dataframe.overlapping import map_overlap
from raskr.dataframe.repartitioning import repartition
from raskr.dataframe.reshape import get_dummies, melt, pivot_table
from raskr.dataframe.sources import from_array, from_dask_array, from_delayed, from_map, from_pandas

_return_freed_memory()

__all__ = [
    "Aggregation",
    "DataFrame",
    "Index",
    "Series",
    "compute",
    "concat",
    "demo",
    "from_array",
    "from_dask_array",
    "from_delayed",
    "from_dict",
    "from_map",
    "from_pandas",
    "get_dummies",
    "map_overlap",
    "map_partitions",
    "melt",
    "merge",
    "merge_asof",
    "pivot_table",
    "read_csv",
    "read_fwf",
    "read_hdf",
    "read_json",
    "read_orc",
    "read_parquet",
    "read_sql",
    "read_sql_query",
    "read_sql_table",
    "read_table",
    "repartition",
    "to_csv",
    "to_datetime",
    "to_hdf",
    "to_json",
    "to_numeric",
    "to_orc",
    "to_parquet",
    "to_records",
    "to_sql",
    "to_timedelta",
]


def _dask_expr_enabled() -> bool:
    """Are frames expressions? They always are; libraries that know older Dask ask."""
    return True
