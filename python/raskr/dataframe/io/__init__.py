"""Frames from files and databases, and back."""

from raskr.dataframe.io.csv import read_csv, read_fwf, read_table
from raskr.dataframe.io.csv_output import to_csv

__all__ = ["read_csv", "read_fwf", "read_table", "to_csv"]
