"""What the footers of Parquet files tell: how row groups make partitions, and where the index of each begins and ends."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from raskr.dataframe.io.reader import Reader
from raskr.utils import parse_bytes

_BLOCK = 256 * 2**20


def grouped_fragments(
    fragments: Sequence, condition: Any, schema: Any, split: Any, blocksize: Any, aggregate: Any
) -> list[list]:
    """The fragments of each partition.

    Parameters
    ----------
    fragments : sequence
        One for each file.
    condition : pyarrow expression, optional
        Row groups whose statistics rule them out are left out.
    schema : pyarrow.Schema
        Of the whole table.
    split, blocksize, aggregate : object
        As `split_row_groups`, `blocksize` and `aggregate_files` of `read_parquet`.
    """
    size = (
        _BLOCK
        if blocksize in ("default", None)
        else parse_bytes(blocksize)
        if isinstance(blocksize, str)
        else blocksize
    )
    if blocksize is None and split in ("infer", "adaptive"):
        split = False
    if split == "infer":
        split = "adaptive" if fragments and _bytes(fragments[0]) > size else False
        if aggregate:
            split = "adaptive"
    elif split not in ("adaptive", True, False) and not isinstance(split, int):
        raise ValueError(f"split_row_groups: expected 'infer', 'adaptive', bool or int, got {split!r}")
    if split is False:
        if condition is None:
            return [[each] for each in fragments]
        return [
            [each]
            for each in (fragment.subset(filter=condition, schema=schema) for fragment in fragments)
            if each.row_groups
        ]
    files = [fragment.split_by_row_group(filter=condition, schema=schema) for fragment in fragments]
    if split is True:
        return [[piece] for pieces in files for piece in pieces]
    runs = _runs(files, aggregate)
    limit, weigh = (size, _bytes) if split == "adaptive" else (int(split), _one)
    return [group for run in runs for group in _filled(run, limit, weigh)]


def _runs(files: Sequence, aggregate: Any) -> list[list]:
    """The pieces that may be put together: of all files, of files in one folder of a name, or of each file alone."""
    if not aggregate:
        return list(files)
    runs: dict = {}
    for pieces in files:
        for piece in pieces:
            runs.setdefault(None if aggregate is True else _folder(piece.path, aggregate), []).append(piece)
    return list(runs.values())


def _folder(path: str, key: str) -> str:
    """The part of a path up to the folder that is named after a column."""
    names = path.split("/")
    at = [number for number, name in enumerate(names) if name.startswith(f"{key}=")]
    if not at:
        raise ValueError(f"aggregate_files: {path} is in no folder that is named {key}=...")
    return "/".join(names[: at[0] + 1])


def _one(fragment: Any) -> int:
    return 1


def _bytes(fragment: Any) -> int:
    return sum(group.total_byte_size for group in fragment.row_groups)


def _filled(pieces: Sequence, limit: int, weigh: Any) -> list[list]:
    """Neighbouring pieces together up to a limit, with one piece at least."""
    made: list[list] = []
    held = 0
    for piece in pieces:
        weight = weigh(piece)
        if made and held + weight <= limit:
            made[-1].append(piece)
            held += weight
        else:
            made.append([piece])
            held = weight
    return made


def divisions_of(groups: Sequence, field: str) -> list | None:
    """Divisions by the statistics of a column; None where they are missing, or partitions are not in order."""
    ends = []
    for group in groups:
        found = [row_group.statistics for fragment in group for row_group in fragment.row_groups]
        if not found or any(not each or field not in each for each in found):
            return None
        low, high = min(each[field]["min"] for each in found), max(each[field]["max"] for each in found)
        ends.append((_value(low), _value(high)))
    if not ends or any(before[1] >= after[0] for before, after in zip(ends, ends[1:])):
        return None
    return [low for low, _ in ends] + [ends[-1][1]]


def highest_index(expression: Any) -> Any:
    """The greatest index value of a reader of files by their statistics; None where these are missing."""
    if not isinstance(expression, Reader) or len(expression.read.index) != 1:
        return None
    (field,) = expression.read.index
    groups = [group for part in expression.parts for fragment in part.fragments for group in fragment.row_groups]
    found = [group.statistics for group in groups]
    if not found or any(not each or field not in each for each in found):
        return None
    return _value(max(each[field]["max"] for each in found))


def _value(value: Any) -> Any:
    import datetime

    return pd.Timestamp(value) if isinstance(value, datetime.datetime) else value
