"""The methods of frames and series that write them, or turn them into other collections."""

from typing import Any

from raskr.dataframe.io.conversions import from_dict, to_bag, to_records
from raskr.dataframe.io.csv_output import to_csv
from raskr.dataframe.io.hdf import to_hdf
from raskr.dataframe.io.json import to_json
from raskr.dataframe.io.orc import to_orc
from raskr.dataframe.io.parquet_output import to_parquet
from raskr.dataframe.io.sql import to_sql


class BagOutput:
    """What frames, series and indexes have."""

    def to_bag(self, index: bool = False, format: str = "tuple") -> Any:
        """The rows as a bag; see `raskr.dataframe.io.conversions.to_bag`."""
        return to_bag(self, index, format)


class TableOutput(BagOutput):
    """What frames and series have."""

    def to_csv(self, filename: Any, **kwargs: Any) -> Any:
        """Write CSV files; see `raskr.dataframe.to_csv`."""
        return to_csv(self, filename, **kwargs)

    def to_json(self, filename: Any, *args: Any, **kwargs: Any) -> Any:
        """Write JSON files; see `raskr.dataframe.to_json`."""
        return to_json(self, filename, *args, **kwargs)

    def to_hdf(self, path_or_buf: Any, key: str, mode: str = "a", append: bool = False, **kwargs: Any) -> Any:
        """Write HDF files; see `raskr.dataframe.to_hdf`."""
        return to_hdf(self, path_or_buf, key, mode, append, **kwargs)

    def to_sql(self, name: str, uri: str, *args: Any, **kwargs: Any) -> Any:
        """Write to a table of a database; see `raskr.dataframe.to_sql`."""
        return to_sql(self, name, uri, *args, **kwargs)


class FrameOutput:
    """What frames have."""

    def to_parquet(self, path: Any, **kwargs: Any) -> Any:
        """Write Parquet files; see `raskr.dataframe.to_parquet`."""
        return to_parquet(self, path, **kwargs)

    def to_orc(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        """Write ORC files; see `raskr.dataframe.to_orc`."""
        return to_orc(self, path, *args, **kwargs)

    def to_records(self, index: bool = True, lengths: Any = None) -> Any:
        """The rows as an array of records; see `raskr.dataframe.to_records`."""
        return to_records(self, index, lengths)

    @staticmethod
    def from_dict(
        data: Any, *, npartitions: int = 1, orient: str = "columns", dtype: Any = None, columns: Any = None
    ) -> Any:
        """A frame of a dictionary; see `raskr.dataframe.from_dict`."""
        return from_dict(data, npartitions, orient, dtype, columns)
