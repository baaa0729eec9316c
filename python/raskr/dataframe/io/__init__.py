"""Frames from files and databases, and back."""

from raskr.dataframe.io.csv import read_csv, read_fwf, read_table
from raskr.dataframe.io.csv_output import to_csv
from raskr.dataframe.io.parquet import read_parquet
from raskr.dataframe.io.parquet_output import to_parquet

__all__ = ["read_csv", "read_fwf", "read_parquet", "read_table", "to_csv", "to_parquet"]
