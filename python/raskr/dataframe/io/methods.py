"""The methods of frames and series that write them, or turn them into other collections."""

from typing import Any

from raskr.dataframe.io.csv_output import to_csv
from raskr.dataframe.io.parquet_output import to_parquet


class TableOutput:
    """What frames and series have."""

    def to_csv(self, filename: Any, **kwargs: Any) -> Any:
        """Write CSV files; see `raskr.dataframe.to_csv`."""
        return to_csv(self, filename, **kwargs)


class FrameOutput:
    """What frames have."""

    def to_parquet(self, path: Any, **kwargs: Any) -> Any:
        """Write Parquet files; see `raskr.dataframe.to_parquet`."""
        return to_parquet(self, path, **kwargs)
