"""Made-up frames: time series and tables by specification, the same for the same seed, whichever columns are read."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.io.made_up import MadeUp
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.texts import as_configured

__all__ = ["ColumnSpec", "DatasetSpec", "DatetimeIndexSpec", "RangeIndexSpec", "make_timeseries", "with_spec"]


@dataclass
class ColumnSpec:
    """One column, or several of the same kind.

    Parameters
    ----------
    prefix : str, optional
        Names are this and a number; by default the type's name.
    dtype : str or type, optional
        `int`, `float`, `str`, 'category', or any type of pandas'.
    number : int
        How many columns.
    nunique : int, optional
        How many categories, where `choices` are not given.
    choices : list
        The values, or categories, to choose from.
    low, high : int, optional
        Bounds of numbers.
    length : int, optional
        The length of texts.
    random : bool
        Texts of random letters, whole numbers spread evenly.
    method : str, optional
        How whole numbers are spread: 'poisson', 'uniform', 'binomial', 'normal', 'choice', or a method of NumPy's
        generators.
    args, kwargs : tuple, dict
        Arguments of the method.
    """

    prefix: str | None = None
    dtype: Any = None
    number: int = 1
    nunique: int | None = None
    choices: list = field(default_factory=list)
    low: int | None = None
    high: int | None = None
    length: int | None = None
    random: bool = False
    method: str | None = None
    args: tuple = field(default_factory=tuple)
    kwargs: dict = field(default_factory=dict)


@dataclass
class RangeIndexSpec:
    """An index of counted rows: its type, and the step from one to the next."""

    dtype: Any = int
    step: int = 1


@dataclass
class DatetimeIndexSpec:
    """An index of dates: where it starts, how far rows are apart, and how long a partition is."""

    dtype: Any = int
    start: str | None = None
    freq: str = "1h"
    partition_freq: str | None = None


@dataclass
class DatasetSpec:
    """A made-up table: partitions, rows, index and columns; without columns one of each of four kinds."""

    npartitions: int = 1
    nrecords: int = 1000
    index_spec: Any = field(default_factory=RangeIndexSpec)
    column_specs: list = field(default_factory=list)


def _options_by_column(names: Sequence, options: dict) -> dict:
    """Keyword arguments such as `id_lam=5`, by column; the longest name that fits counts."""
    found: dict = {name: {} for name in names}
    for key, value in options.items():
        owners = [name for name in names if isinstance(name, str) and key.startswith(f"{name}_")]
        if not owners:
            warnings.warn(
                f"{key!r} is ignored: keywords of the form column_option were expected, for columns {list(names)}",
                stacklevel=4,
            )
            continue
        owner = max(owners, key=len)
        found[owner][key[len(owner) + 1 :]] = value
    return found


def _seed(seed: Any) -> int:
    return int(np.random.default_rng(seed).integers(0, 2**63)) if seed is None else int(seed)


def make_timeseries(
    start: str = "2000-01-01",
    end: str = "2000-12-31",
    dtypes: dict | None = None,
    freq: str = "10s",
    partition_freq: str = "1ME",
    seed: Any = None,
    **kwargs: Any,
) -> Any:
    """A frame of made-up values at regular times.

    Parameters
    ----------
    start, end : str
        The first time, and the one before which the series ends.
    dtypes : dict, optional
        Types by column, from `int` (Poisson), `float` (uniform), `str` (names), 'category'; by default `name`, `id`, `x`
        and `y`.
    freq : str
        How far rows are apart.
    partition_freq : str
        How long a partition is.
    seed : int, optional
        For the same values every time.
    **kwargs
        Options of columns, as `column_option`: `id_lam=500`.

    Examples
    --------
    >>> import raskr.dataframe as dd
    >>> df = dd.demo.make_timeseries("2000-01-01", "2000-01-03", freq="6h", partition_freq="1D", seed=1)
    >>> len(df), list(df.columns)
    (8, ['name', 'id', 'x', 'y'])
    """
    dtypes = {"name": str, "id": int, "x": float, "y": float} if dtypes is None else dtypes
    options = _options_by_column(list(dtypes), kwargs)
    places = list(pd.date_range(start, end, freq=partition_freq))
    if len(places) < 2:
        raise ValueError(f"from {start} to {end} there is no whole partition of {partition_freq}")
    columns = {name: (kind, options[name]) for name, kind in dtypes.items()}
    indexes = [("dates", low, high, freq) for low, high in zip(places, places[1:])]
    return as_configured(new_collection(MadeUp(indexes, columns, places, _seed(seed), "timestamp")))


def with_spec(spec: DatasetSpec, seed: Any = None) -> Any:
    """A frame of made-up values, as a specification says.

    Parameters
    ----------
    spec : DatasetSpec
        Partitions, rows, index and columns.
    seed : int, optional
        For the same values every time.

    Examples
    --------
    >>> from raskr.dataframe.io.demo import ColumnSpec, DatasetSpec, with_spec
    >>> spec = DatasetSpec(npartitions=2, nrecords=10, column_specs=[ColumnSpec(dtype=int, number=2, prefix="p")])
    >>> list(with_spec(spec, seed=1).columns)
    ['p1', 'p2']
    """
    specs = spec.column_specs or [
        ColumnSpec(prefix="i", dtype="int64", low=0, high=1_000_000, random=True),
        ColumnSpec(prefix="f", dtype=float, random=True),
        ColumnSpec(prefix="c", dtype="category", choices=["a", "b", "c", "d"]),
        ColumnSpec(prefix="s", dtype=str),
    ]
    columns: dict = {}
    for each in specs:
        prefix = each.prefix or _name_of(each.dtype)
        number = 1
        for _ in range(each.number):
            while f"{prefix}{number}" in columns:
                number += 1
            columns[f"{prefix}{number}"] = (each.dtype, _given(each))
    indexes, divisions = _indexes(spec)
    return as_configured(new_collection(MadeUp(indexes, columns, divisions, _seed(seed), None)))


def _name_of(dtype: Any) -> str:
    if isinstance(dtype, str):
        return dtype.rstrip("]").replace("[", "_")
    return getattr(dtype, "__name__", str(dtype))


def _given(spec: ColumnSpec) -> dict:
    names = ("nunique", "choices", "low", "high", "length", "random", "method", "args", "kwargs")
    given = {name: getattr(spec, name) for name in names}
    return {
        name: value
        for name, value in given.items()
        if value is not None and value is not False and value not in ((), [], {})
    }


def _indexes(spec: DatasetSpec) -> tuple:
    index = spec.index_spec
    if isinstance(index, DatetimeIndexSpec):
        start = pd.Timestamp(index.start or "2000-01-01")
        step = pd.tseries.frequencies.to_offset(index.freq)
        length = pd.Timedelta(pd.tseries.frequencies.to_offset(index.partition_freq or "1D"))
        whole = pd.date_range(start, periods=spec.nrecords, freq=step)
        places = [start]
        while places[-1] <= whole[-1]:
            places.append(places[-1] + length)
        counts = [int(((whole >= low) & (whole < high)).sum()) for low, high in zip(places, places[1:])]
        firsts = np.cumsum([0, *counts[:-1]])
        found = [("periods", whole[first], count, index.freq) for first, count in zip(firsts, counts) if count]
        return found, [*(each[1] for each in found), whole[-1]]
    step, count = index.step, spec.nrecords
    each = -(-count // spec.npartitions)
    bounds = [min(number * each, count) for number in range(spec.npartitions + 1)]
    found = [("range", low * step, high * step, step, index.dtype) for low, high in zip(bounds, bounds[1:])]
    return found, [*(low * step for low in bounds[:-1]), max(count - 1, 0) * step]
