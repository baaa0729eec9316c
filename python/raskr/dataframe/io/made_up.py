"""Made-up rows: partitions of columns whose values depend on the seed, the column's name and the row's number alone.

The engine makes values, of whichever columns and rows are asked for, but for those that only NumPy's generators have. So they are
the same whether the engine makes a partition or pandas does.
"""

import zlib
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.dataframe.expressions import Expression

_NAMES = (
    "Alice Bob Charlie Dan Edith Frank George Hannah Ingrid Jerry Kevin Laura Michael Norbert Oliver Patricia Quinn Ray "
    "Sarah Tim Ursula Victor Wendy Xavier Yvonne Zelda"
).split()
#: Parameters of the distributions of whole numbers that the engine has, by the names of NumPy's methods.
_PARAMETERS = {
    "poisson": ("lam",),
    "normal": ("loc", "scale"),
    "uniform": ("low", "high"),
    "binomial": ("n", "p"),
    "negative_binomial": ("n", "p"),
    "geometric": ("p",),
    "hypergeometric": ("ngood", "nbad", "nsample"),
    "logseries": ("p",),
    "zipf": ("a",),
}
_USUAL = {"poisson": (1000,), "normal": (0, 1000), "uniform": (0, 1000), "binomial": (1000, 0.5)}


class MadeUp(Expression):
    """Partitions of made-up columns on given indexes.

    Parameters
    ----------
    indexes : sequence of tuple
        The index of each partition, in short: ("dates", first, end, frequency), ("periods", first, rows, frequency), or
        ("range", first, end, step, type).
    columns : dict
        For each name the kind of column and its options.
    seed : int
        Not negative.
    rows : sequence of int, optional
        How many rows each partition has, where that is known already.
    """

    #: The rows can be made without any column, to count them.
    rows_without_columns = True
    one_call_each = True

    def __init__(
        self,
        indexes: Sequence,
        columns: dict,
        divisions: Sequence,
        seed: int,
        index_name: Any,
        rows: Sequence[int] | None = None,
    ) -> None:
        self.indexes, self.columns, self.seed, self.index_name = list(indexes), dict(columns), seed, index_name
        meta = made_up_part(0, 0, ("like", *indexes[0]), self.columns, seed, index_name).iloc[:0]
        label = "make-timeseries" if isinstance(meta.index, pd.DatetimeIndex) else "make-random"
        super().__init__(meta, divisions, label, self.indexes, list(self.columns.items()), seed, index_name)
        self.row_counts = [_rows_of(index, meta.index.dtype) for index in self.indexes] if rows is None else list(rows)

    def narrowed(self, columns: list) -> Expression:
        """Only these columns, with the values that they have among others."""
        chosen = {name: self.columns[name] for name in self.columns if name in columns}
        return MadeUp(self.indexes, chosen, self.divisions, self.seed, self.index_name, self.row_counts)

    @property
    def firsts(self) -> list[int]:
        """The number of the first row of each partition."""
        return list(accumulate(self.row_counts, initial=0))[:-1]

    def _lower(self) -> list:
        return [
            self._call(number, made_up_part, number, first, index, self.columns, self.seed, self.index_name)
            for number, (first, index) in enumerate(zip(self.firsts, self.indexes))
        ]


def made_up_part(number: int, first: int, index: tuple, columns: dict, seed: int, index_name: Any) -> Any:
    """A partition, of which the first row has the number `first`, as a frame of pandas."""
    rows = _index(index, index_name)
    made = {}
    for name, (kind, options) in columns.items():
        source = source_of_column(name, kind, options, seed)
        if source is None:
            # Columns have generators of their own, so that values don't depend on which others are made.
            generator = np.random.default_rng([seed, number, zlib.crc32(str(name).encode())])
            values = _drawn_by_numpy(generator, len(rows), dict(options))
        else:
            values = source.values(first, len(rows))
        made[name] = _as_column(values, kind, options)
    return pd.DataFrame(made, index=rows, copy=False)


# --- indexes ------------------------------------------------------------------------------------------------------------
def _index(index: tuple, name: Any) -> Any:
    kind, *rest = index
    if kind == "like" and rest[0] == "range":
        return _index(("range", rest[1], rest[1], *rest[3:]), name)
    if kind == "like":
        return _index(tuple(rest), name)[:0]
    if kind == "dates":
        start, stop, freq = rest
        dates = pd.date_range(start, stop, freq=freq, name=name)
        return dates[:-1] if len(dates) and dates[-1] == pd.Timestamp(stop) else dates
    if kind == "periods":
        start, count, freq = rest
        return pd.date_range(start, periods=count, freq=freq, name=name)
    start, stop, step, dtype = rest
    return pd.Index(np.arange(start, stop, step), dtype=dtype, name=name)


def steps_of_index(index: tuple, dtype: Any) -> tuple[int, int, int] | None:
    """Where an index starts, its step, and its rows, in the numbers that its type counts in; None where steps differ."""
    kind, first, *rest = index
    if not isinstance(dtype, np.dtype):
        return None
    if kind == "range":
        stop, step, _ = rest
        if dtype.kind not in "iuf" or not all(isinstance(value, int) for value in (first, stop, step)):
            return None
        rows = len(range(first, stop, step))
        bounds, last = np.iinfo(dtype if dtype.kind in "iu" else "int64"), first + max(rows - 1, 0) * step
        fits = bounds.min <= min(first, last) and max(first, last) <= min(bounds.max, 2**63 - 1)
        return (first, step, rows) if fits else None
    end, freq = rest
    try:
        step = pd.Timedelta(pd.tseries.frequencies.to_offset(freq)).value
    except (TypeError, ValueError):
        return None
    unit, _ = np.datetime_data(dtype)
    step, rest_of_step = divmod(step, {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit])
    if rest_of_step or step <= 0:
        return None
    start = _counted(first, unit)
    rows = end if kind == "periods" else max(-((start - _counted(end, unit)) // step), 0)
    return start, step, int(rows)


def _counted(time: Any, unit: str) -> int:
    return int(time.as_unit(unit).asm8.view("i8"))


def _rows_of(index: tuple, dtype: Any) -> int:
    steps = steps_of_index(index, dtype)
    return len(_index(index, None)) if steps is None else steps[2]


# --- columns ------------------------------------------------------------------------------------------------------------
def _family(kind: Any) -> str:
    """What a kind of column is: "category", "text", "bool", "float" or "integer"."""
    if kind == "category":
        return "category"
    dtype = pd.api.types.pandas_dtype(kind)
    if kind is str or kind == "str" or kind is object or isinstance(dtype, pd.StringDtype):
        return "text"
    if pd.api.types.is_bool_dtype(dtype):
        return "bool"
    if pd.api.types.is_float_dtype(dtype):
        return "float"
    if pd.api.types.is_integer_dtype(dtype):
        return "integer"
    raise KeyError(f"columns of int, float, str, object, bool and category can be made up, got {kind!r}")


def source_of_column(name: Any, kind: Any, options: dict, seed: int) -> Any:
    """The values that the engine makes for a column; None for those that only NumPy has."""
    if seed < 0:
        raise ValueError(f"seed: expected a number that is not negative, got {seed}")
    digits = [seed >> shift & 0xFFFFFFFF for shift in range(0, max(seed.bit_length(), 1), 32)]
    key = digits, str(name)
    family = _family(kind)
    if family == "category":
        return core.MadeUpSource.numbers(*key, "integers", [0, len(_categories(options))], True)
    if family == "text" and options.get("random"):
        return core.MadeUpSource.letters(*key, options.get("length") or 25)
    if family == "text":
        words = _words(kind, options)
        return core.MadeUpSource.texts(*key, [None if pd.isna(word) else word for word in words])
    if family == "bool":
        return core.MadeUpSource.numbers(*key, "integers", [0, 2], True)
    if family == "float":
        low, high = options.get("low"), options.get("high")
        bounds = [-1.0 if low is None else float(low), 1.0 if high is None else float(high)]
        return core.MadeUpSource.numbers(*key, "uniform", bounds, False)
    found = _distribution(dict(options))
    return None if found is None else core.MadeUpSource.numbers(*key, *found, True)


def _as_column(values: Any, kind: Any, options: dict) -> Any:
    """What a source gave, in the type of a column."""
    family = _family(kind)
    if family == "category":
        return pd.Categorical.from_codes(values, _categories(options))
    if family == "text" and not options.get("random"):
        return _words(kind, options).take(values)
    dtype = _text_type(kind) if family == "text" else pd.api.types.pandas_dtype(kind)
    if family == "text":
        values = np.array(values, dtype=object)
    elif family == "bool":
        values = values.astype(bool)
    return pd.array(values, dtype=dtype, copy=False)


def _text_type(kind: Any) -> Any:
    return pd.api.types.pandas_dtype("str" if kind is object else kind)


def _words(kind: Any, options: dict) -> Any:
    return pd.array(options.get("choices") or _NAMES, dtype=_text_type(kind))


def _categories(options: dict) -> list:
    choices = options.get("choices") or None
    if choices is None and options.get("nunique"):
        width = len(str(options["nunique"]))
        choices = [str(number + 1).zfill(width) for number in range(options["nunique"])]
    return choices or _NAMES


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _in_range(options: dict) -> bool:
    """Are whole numbers spread evenly?"""
    return bool(options.get("random")) or options.get("method") is None and ("low" in options or "high" in options)


def _bounds(options: dict) -> tuple[Any, Any]:
    low, high = options.get("low"), options.get("high")
    low = 0 if low is None else low
    return low, low + 1000 if high is None else high


def _distribution(options: dict) -> tuple[str, list] | None:
    """The distribution of whole numbers that options name, with its parameters; None where the engine has none."""
    if _in_range(options):
        return _evenly(*_bounds(options))
    method, args, named = options.pop("method", None) or "poisson", options.pop("args", ()), options.pop("kwargs", {})
    for name in ("nunique", "length", "choices", "random"):
        options.pop(name, None)
    named = {**options, **named}
    if method == "choice":
        return _evenly(0, *(args or (10,))) if len(args) < 2 and not named else None
    names = _PARAMETERS.get(method)
    if names is None or len(args) > len(names):
        return None
    usual = dict(zip(names, _USUAL.get(method, ()))) if not args else {}
    given = dict(zip(names, args))
    if set(named) & set(given) or set(named) - set(names):
        return None
    found = {**usual, **given, **named}
    if set(found) != set(names) or not all(map(_is_number, found.values())):
        return None
    return method, [float(found[name]) for name in names]


def _evenly(low: Any, high: Any) -> tuple[str, list] | None:
    whole = all(isinstance(value, (int, np.integer)) and not isinstance(value, bool) for value in (low, high))
    if not whole or not -(2**63) <= low < high <= 2**63:
        return None
    return "integers", [int(low), int(high) - int(low)]


def _drawn_by_numpy(generator: Any, count: int, options: dict) -> Any:
    """Whole numbers by the methods of NumPy's generators."""
    if _in_range(options):
        low, high = _bounds(options)
        return generator.integers(low, high, size=count, endpoint=False)
    method, args, named = options.pop("method", None) or "poisson", options.pop("args", ()), options.pop("kwargs", {})
    for name in ("nunique", "length", "choices", "random"):
        options.pop(name, None)
    options.update(named)
    if method == "poisson" and not args:
        args = (options.pop("lam", 1000),)
    args = args or ((10,) if method == "choice" else _USUAL.get(method, ()))
    values = getattr(generator, method)(*args, size=count, **options)
    return values.astype("int64") if method in ("normal", "uniform") else values
