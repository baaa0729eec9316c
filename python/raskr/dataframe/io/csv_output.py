"""Frames to text: `to_csv`, in a file for each partition or in one."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

from raskr._bridge import core
from raskr.bytes.core import append_bytes, is_remote, name_of_file, output_paths, write_whole
from raskr.bytes.utils import compress
from raskr.dataframe.io.writing import beside_of, nothing_left, ready_nodes, run_or_delay, write_files, write_nodes
from raskr.tokenize import tokenize


def to_csv(
    df: Any,
    filename: Any,
    single_file: bool = False,
    encoding: str = "utf-8",
    mode: str = "wt",
    name_function: Any = None,
    compression: str | None = None,
    compute: bool = True,
    scheduler: Any = None,
    storage_options: dict | None = None,
    header_first_partition_only: bool | None = None,
    compute_kwargs: dict | None = None,
    **kwargs: Any,
) -> list:
    """Write a frame as CSV files.

    A file takes its name once it is whole.

    Parameters
    ----------
    df : DataFrame or Series
        What is written.
    filename : str, path or list of these
        A folder, a path with one `*` that a partition's number replaces, or a path a partition; with `single_file` one
        path.
    single_file : bool
        Write all partitions to one file, in order.
    encoding, mode : str
        As in `open`; mode "a" appends to what is there, and "x" refuses files that exist.
    name_function : callable, optional
        Gives what stands in names for a partition's number.
    compression : str, optional
        'gzip', 'bz2', 'xz', 'zstd', 'lz4', 'zip' or None.
    compute : bool
        Write now; otherwise delayed values are given, which write when they are computed.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    header_first_partition_only : bool, optional
        Write names of columns in front of the first partition only, as is done in a single file.
    compute_kwargs : dict, optional
        For `compute`, such as `scheduler`.
    **kwargs
        For `pandas.DataFrame.to_csv`.

    Returns
    -------
    list
        The paths, or delayed values that give them.

    Examples
    --------
    >>> import os, tempfile
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    >>> paths = df.to_csv(os.path.join(tempfile.mkdtemp(), "*.csv"), index=False)
    >>> [os.path.basename(path) for path in paths]
    ['0.csv', '1.csv']
    """
    if single_file and name_function is not None:
        raise ValueError("name_function is not supported under the single file mode")
    if header_first_partition_only is None:
        header_first_partition_only = single_file
    elif not header_first_partition_only and single_file:
        raise ValueError("header_first_partition_only cannot be False in the single file mode.")
    compute_kwargs = _with_scheduler(compute_kwargs, scheduler)
    headers = [kwargs.pop("header", True)] * df.npartitions
    if header_first_partition_only:
        headers[1:] = [False] * (df.npartitions - 1)
    if single_file:
        if not isinstance(filename, (str, os.PathLike)):
            raise TypeError(f"filename: expected one path for a single file, got {type(filename).__name__}")
        return _to_one_file(
            df, filename, mode, encoding, compression, storage_options, headers, compute, compute_kwargs, kwargs
        )
    paths = output_paths(filename, df.npartitions, name_function)
    if "x" in mode:
        _check_absent(paths)

    def nodes_for(places: list) -> list:
        return write_nodes(
            "to-csv",
            _write_part,
            df,
            list(zip(places, headers)),
            ready_nodes(df, compute, compute_kwargs),
            mode=mode,
            encoding=encoding,
            compression=compression,
            storage_options=storage_options,
            options=kwargs,
        )

    if "a" in mode:
        return run_or_delay(nodes_for(paths), compute, compute_kwargs)
    return write_files(nodes_for, paths, compute, compute_kwargs)


def _check_absent(paths: list) -> None:
    for path in paths:
        if not is_remote(path) and os.path.exists(path):
            raise FileExistsError(f"{path} exists already, and mode 'x' does not replace files")


def _with_scheduler(compute_kwargs: dict | None, scheduler: Any) -> dict:
    compute_kwargs = dict(compute_kwargs or {})
    if scheduler is not None:
        warnings.warn(
            "the `scheduler` argument of to_csv is going away: give it in `compute_kwargs`", FutureWarning, stacklevel=3
        )
        given = compute_kwargs.setdefault("scheduler", scheduler)
        if given != scheduler:
            raise ValueError(f"two schedulers were given: scheduler={scheduler!r}, and in compute_kwargs {given!r}")
    return compute_kwargs


def _text(part: Any, header: Any, encoding: str, options: dict) -> bytes:
    text = part.to_csv(None, header=header, **options)
    return text.encode(encoding, options.get("errors") or "strict")


def _write_part(
    part: Any,
    path: str,
    header: Any,
    mode: str,
    encoding: str,
    compression: str | None,
    storage_options: dict | None,
    options: dict,
) -> str:
    data = _text(part, header, encoding, options)
    if "a" in mode:
        append_bytes(path, compress[compression](data), storage_options)
        return path
    if "x" in mode:
        _check_absent([path])
    with write_whole(path, compression, storage_options) as file:
        file.write(data)
    return path


def _to_one_file(
    df: Any,
    filename: Any,
    mode: str,
    encoding: str,
    compression: str | None,
    storage_options: dict | None,
    headers: list,
    compute: bool,
    compute_kwargs: dict,
    options: dict,
) -> list:
    """A chain of tasks that append to a file beside the final one, which takes its name at last."""
    (path,) = output_paths([filename], 1)
    if "x" in mode:
        _check_absent([path])
    texts = write_nodes(
        "csv-text",
        _compressed_text,
        df,
        [(header,) for header in headers],
        ready_nodes(df, compute, compute_kwargs),
        encoding=encoding,
        compression=compression,
        options=options,
    )
    token = tokenize(path, [node.key for node in texts], mode)
    if is_remote(path) or compression == "zip":
        # What can't be appended to is put together in memory.
        whole = core.node_of_call(
            _write_together, (path, texts, compression, storage_options), key=f"to-csv-{token}", name="to-csv"
        )
        with nothing_left([], [] if is_remote(path) else [path]):
            return run_or_delay([whole], compute, compute_kwargs)
    appends = "a" in mode
    beside = path if appends else beside_of(path)
    place = core.node_of_call(_begin, (beside, appends), key=f"csv-begin-{token}", name="csv-begin")
    for number, text in enumerate(texts):
        place = core.node_of_call(_put, (beside, place, text), key=f"csv-put-{token}-{number}", name="csv-put")
    last = core.node_of_call(_finish, (beside, path, place), key=f"to-csv-{token}", name="to-csv")
    there = os.path.getsize(path) if appends and os.path.exists(path) else None
    with nothing_left([beside], [path]) if there is None else _cut_back(path, there):
        return run_or_delay([last], compute, compute_kwargs)


@contextlib.contextmanager
def _cut_back(path: str, size: int) -> Iterator[None]:
    """After an error a file that was appended to has the bytes that it had before."""
    try:
        yield
    except BaseException:
        os.truncate(path, size)
        raise


def _compressed_text(part: Any, header: Any, encoding: str, compression: str | None, options: dict) -> bytes:
    data = _text(part, header, encoding, options)
    if compression == "zip":
        return data
    if compression not in compress:
        known = ", ".join(sorted(map(str, compress)))
        raise ValueError(f"Compression type {compression} not supported: expected one of {known}")
    return compress[compression](data)


def _begin(path: str, appends: bool) -> int:
    """Where the first bytes go."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "ab" if appends else "wb") as file:
        return file.seek(0, os.SEEK_END)


def _put(path: str, place: int, data: bytes) -> int:
    """Where the next bytes go; a task that runs again writes over what it wrote."""
    try:
        with open(path, "r+b") as file:
            file.truncate(place)
            file.seek(place)
            file.write(data)
    except OSError as error:
        raise name_of_file(error, path) from None
    return place + len(data)


def _finish(beside: str, path: str, place: int) -> str:
    if beside != path:
        os.replace(beside, path)
    return path


def _write_together(path: str, texts: list, compression: str | None, storage_options: dict | None) -> str:
    with write_whole(path, compression if compression == "zip" else None, storage_options) as file:
        for text in texts:
            file.write(text)
    return path
