"""Frames from files and databases, and back."""

from raskr.dataframe.io.conversions import from_dict, to_bag, to_records
from raskr.dataframe.io.csv import read_csv, read_fwf, read_table
from raskr.dataframe.io.csv_output import to_csv
from raskr.dataframe.io.hdf import read_hdf, to_hdf
from raskr.dataframe.io.json import read_json, to_json
from raskr.dataframe.io.orc import read_orc, to_orc
from raskr.dataframe.io.parquet import read_parquet
from raskr.dataframe.io.parquet_output import to_parquet
from raskr.dataframe.io.sql import read_sql, read_sql_query, read_sql_table, to_sql

__all__ = [
    "from_dict",
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
    "to_bag",
    "to_csv",
    "to_hdf",
    "to_json",
    "to_orc",
    "to_parquet",
    "to_records",
    "to_sql",
]
