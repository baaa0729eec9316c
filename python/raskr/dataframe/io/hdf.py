"""Frames from HDF files and to them, by pandas and PyTables."""

import fnmatch
import os
import threading
from typing import Any

import pandas as pd

from raskr._bridge import core
from raskr.bytes.core import expand_paths
from raskr.dataframe.io.csv import stamp_of
from raskr.dataframe.io.reader import WholeReader
from raskr.dataframe.io.writing import delayed_of
from raskr.dataframe.mapping import new_collection
from raskr.tokenize import tokenize

# The library is not safe to use from several threads at once.
_LOCK = threading.RLock()


class HdfTables:
    """Makes tables of regions of files."""

    def __init__(self, columns: list | None, as_series: bool) -> None:
        self.columns, self.as_series = columns, as_series

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.columns, self.as_series

    def __call__(self, part: tuple, columns: list | None = None) -> Any:
        path, key, options = part
        with _LOCK:
            found = pd.read_hdf(path, key, mode="r", **options)
        wanted = self.columns if columns is None else columns
        return found if wanted is None or found.ndim == 1 else found[wanted]


def read_hdf(
    pattern: Any,
    key: str,
    start: int = 0,
    stop: int | None = None,
    columns: Any = None,
    chunksize: int = 1_000_000,
    sorted_index: bool = False,
    lock: Any = True,
    mode: str = "r",
) -> Any:
    """A frame of HDF files.

    Parameters
    ----------
    pattern : str, path or list of these
        Files or patterns.
    key : str
        The group; `*` and `?` stand for several.
    start, stop : int
        The first row, and the one behind the last.
    columns : list of str, optional
        Which columns.
    chunksize : int
        The most rows of a partition.
    sorted_index : bool
        The index is sorted: divisions are read from it.
    lock, mode : object
        Accepted for likeness: files are opened for reading, by one thread at a time.

    Raises
    ------
    OSError
        Where there are no files.
    ValueError
        Where no group has that name, or rows are asked for that there are not.
    """
    if chunksize <= 0:
        raise ValueError("Chunksize must be a positive integer")
    paths = pattern if isinstance(pattern, list) else [pattern]
    files = [found for path in paths for found in _files(os.fspath(path))]
    if sorted_index and (start != 0 or stop is not None):
        raise ValueError(
            "When assuming pre-partitioned data, data must be read in its entirety using the same chunksizes"
        )
    parts, ends, meta = [], [], None
    for path in files:
        with _LOCK, pd.HDFStore(path, mode="r") as store:
            names = [name for name in sorted(store.keys()) if fnmatch.fnmatch(name.strip("/"), key.strip("/"))]
            for name in names:
                storer = store.get_storer(name)
                is_table = storer.format_type == "table"
                rows = storer.nrows if is_table else None
                if meta is None:
                    meta = store.select(name, start=0, stop=0) if is_table else store.get(name).iloc[:0]
                if not is_table:
                    if start or stop is not None:
                        raise TypeError(
                            "This HDFStore is not partitionable and can only be use monolithically with pandas. In the "
                            "future when creating HDFStores use the ``format='table'`` option to ensure that your dataset "
                            "can be parallelized"
                        )
                    parts.append((path, name, {}))
                    continue
                if start > rows:
                    raise ValueError(f"Start row number ({start}) is above or equal to stop row number ({rows})")
                last = rows if stop is None else min(stop, rows)
                for low in range(start, max(last, start + 1), chunksize):
                    high = min(low + chunksize, last)
                    parts.append((path, name, {"start": low, "stop": high}))
                    if sorted_index and rows:
                        index = [store.select_column(name, "index", start=n, stop=n + 1)[0] for n in (low, high - 1)]
                        ends.append(tuple(index))
    if meta is None:
        raise ValueError(f"The key {key!r} is in none of the files {files}")
    if columns is not None and meta.ndim == 2:
        meta = meta[list(columns)]
    divisions: Any = (None,) * (len(parts) + 1)
    if sorted_index and len(ends) == len(parts):
        divisions = [low for low, _ in ends] + [ends[-1][1]]
    stamps = [stamp_of(path) for path in files]
    maker = HdfTables(None if columns is None else list(columns), meta.ndim == 1)
    return new_collection(WholeReader(maker, parts, meta, divisions, "read-hdf", stamps))


def _files(path: str) -> list[str]:
    try:
        found = expand_paths(path)
    except ValueError as error:
        raise OSError(f"File(s) not found: {path}") from error
    for each in found:
        if not os.path.exists(each):
            raise OSError(f"File not found: {each}")
    return found


def to_hdf(
    df: Any,
    path: Any,
    key: str,
    mode: str = "a",
    append: bool = False,
    scheduler: Any = None,
    name_function: Any = None,
    compute: bool = True,
    lock: Any = None,
    dask_kwargs: dict | None = None,
    **kwargs: Any,
) -> Any:
    """Write a frame to HDF files, as tables of PyTables.

    Parameters
    ----------
    df : DataFrame or Series
        What is written.
    path, key : str
        The file and the group. A `*` in one of them is replaced by the partition's number: a file, or a group, each.
    mode : {'a', 'w', 'r+'}
        How files are opened.
    append : bool
        Add to the table that is there.
    scheduler : str, optional
        Who runs the tasks.
    name_function : callable, optional
        Gives what stands for a partition's number.
    compute : bool
        Write now; otherwise a delayed value is given.
    lock, dask_kwargs : object
        Accepted for likeness; `dask_kwargs` go to `compute`.
    **kwargs
        For `pandas.DataFrame.to_hdf`.

    Returns
    -------
    list
        The files.
    """
    path = os.fspath(path)
    if path.count("*") + key.count("*") > 1:
        raise ValueError("Cannot have multiple asterisks in filename and datapath")
    if "format" in kwargs and kwargs["format"] not in ("t", "table"):
        raise ValueError("Dask only support 'table' format in hdf files.")
    if mode not in ("a", "w", "r+"):
        raise ValueError("Mode must be one of 'a', 'w' or 'r+'")
    digits = len(str(max(df.npartitions - 1, 0)))
    names = [name_function(n) if name_function else str(n).zfill(digits) for n in range(df.npartitions)]
    several_files, several_keys = "*" in path, "*" in key
    token = tokenize(df._name, path, key, mode, append, sorted(kwargs.items()))
    done, last = [], None
    for number, part in enumerate(df._expr.nodes):
        shared_file, shared_table = (
            not several_files and number > 0,
            not several_files and not several_keys and number > 0,
        )
        options = {
            **kwargs,
            "mode": "a" if shared_file else mode,
            "append": True if shared_table else append,
            "format": "table",
        }
        target = path.replace("*", names[number]), key.replace("*", names[number])
        node = core.node_of_call(
            _write_part,
            (None if several_files else last, part, *target, options),
            key=f"hdf-{token}-{number}",
            name="write-hdf",
        )
        done.append(node)
        last = node
    end = core.node_of_call(list, (done,), key=f"to-hdf-{token}", name="to-hdf")
    (lazy,) = delayed_of([end])
    options = dict(dask_kwargs or {})
    if scheduler is not None:
        options["scheduler"] = scheduler
    return lazy.compute(**options) if compute else lazy


def _write_part(before: Any, part: Any, path: str, key: str, options: dict) -> str:
    with _LOCK:
        part.to_hdf(path, key=key, **options)
    return path
