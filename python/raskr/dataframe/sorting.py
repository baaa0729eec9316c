"""Sorting across partitions: `set_index` and `sort_values`, by places in a sample of the values."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.base import compute
from raskr.dataframe.alignment import rows_between
from raskr.dataframe.expressions import Expression, PartitionCalls
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.optimizing import optimized
from raskr.dataframe.partials import concat
from raskr.dataframe.repartitioning import check_divisions
from raskr.dataframe.shuffle import Shuffle, as_list, check_method

#: Values that a partition gives to the sample, for each partition that there will be, and at least.
_PER_PARTITION, _AT_LEAST = 16, 256
#: Of partitions with more values than this, for each value of the sample, only so many are sorted, drawn at random.
_SORTED_PER_VALUE = 64
_ONE_LEVEL = (
    "set_index: Dask dataframe does not yet support multi-indexes, nor does raskr. You tried to index with this index"
)


class Summary:
    """What is known of one partition's values: how many, how many are missing, the ends, and a sample with equal steps."""

    def __init__(self, values: Any, size: int) -> None:
        values = pd.Series(values)
        self.rows, self.missing = len(values), int(values.isna().sum())
        found = values.dropna() if self.missing else values
        self.is_sorted = bool(found.is_monotonic_increasing)
        drawn = size * _SORTED_PER_VALUE
        if self.is_sorted or len(found) <= drawn or isinstance(found.dtype, pd.CategoricalDtype):
            found = found if self.is_sorted else found.sort_values()
            self.ends = (found.iloc[0], found.iloc[-1]) if len(found) else None
        else:
            # None is missing: NumPy need not look for such ones, as pandas does.
            numbers = found.to_numpy() if isinstance(found.dtype, np.dtype) and found.dtype.kind in "iuf" else found
            self.ends = (numbers.min(), numbers.max())
            found = found.take(np.random.default_rng(len(found)).integers(0, len(found), drawn)).sort_values()
        places = np.linspace(0, len(found) - 1, min(size, len(found))).round().astype(int)
        self.sample = found.iloc[places]

    def by_places(self, categories: Any) -> "Summary":
        """The same of the places that values have among categories."""
        made = copy.copy(self)
        made.sample = pd.Series(categories.get_indexer(self.sample.astype(categories.dtype)), dtype="int64")
        made.ends = (made.sample.min(), made.sample.max()) if len(made.sample) else None
        return made


def summaries(keys: Expression, size: int) -> list[Summary]:
    """A summary of each partition of a series or an index, computed now."""
    found = PartitionCalls(Summary, [keys, size], {}, keys.meta, (None,) * (keys.npartitions + 1), "summary")
    return list(compute(*[core.delayed_of_node(node, None) for node in optimized([found])[0].nodes]))


def divisions_of_sample(found: Sequence[Summary], npartitions: int) -> list:
    """Values that part all rows into so many parts of about equal size, or fewer, from the smallest to the largest."""
    filled = [each for each in found if each.ends is not None]
    if not filled:
        return [None, None]
    sample = concat([each.sample for each in filled])
    weights = np.concatenate(
        [np.full(len(each.sample), (each.rows - each.missing) / len(each.sample)) for each in filled]
    )
    order = np.asarray(sample.argsort(kind="stable"))
    sample, reached = sample.iloc[order], np.cumsum(weights[order])
    wanted = reached[-1] * np.arange(1, npartitions) / npartitions
    inner = sample.iloc[np.searchsorted(reached, wanted, side="left").clip(0, len(sample) - 1)].tolist()
    low, high = min(each.ends[0] for each in filled), max(each.ends[1] for each in filled)
    divisions = [plain(low)]
    for value in map(plain, inner):
        if divisions[-1] < value:
            divisions.append(value)
    high = plain(high)
    return [*divisions, high]


def plain(value: Any) -> Any:
    """Python's own number for one of NumPy's."""
    return value.item() if isinstance(value, (np.integer, np.floating, np.bool_)) else value


class ByRange:
    """The partition of each row by where a column lies among divisions.

    Parameters
    ----------
    key : str
        The column.
    divisions : list
        Where partitions begin, and where the last one ends.
    ascending : bool
        Count from the largest values otherwise.
    missing : {'first', 'last'}
        Where rows without a value go.
    categories : pandas.Index, optional
        The column is of these categories, and divisions are places among them.
    """

    def __init__(
        self, key: Any, divisions: Sequence, ascending: bool = True, missing: str = "last", categories: Any = None
    ) -> None:
        self.key, self.divisions, self.ascending, self.missing = key, list(divisions), ascending, missing
        self.categories = categories

    def __dask_tokenize__(self) -> Any:
        categories = None if self.categories is None else list(self.categories)
        return type(self).__name__, self.key, self.divisions, self.ascending, self.missing, categories

    def __call__(self, part: Any) -> Any:
        column, last = part[self.key], len(self.divisions) - 2
        absent = np.asarray(column.isna())
        places = np.zeros(len(part), dtype=np.int64)
        inner = self.divisions[1:-1]
        if inner:
            values = column[~absent]
            if self.categories is not None:
                values = pd.Series(self.categories.get_indexer(values.astype(self.categories.dtype)))
            places[~absent] = _search(values, inner)
        if not self.ascending:
            places = last - places
        places[absent] = last if self.missing == "last" else 0
        return places


def _search(values: Any, inner: list) -> Any:
    if isinstance(values.dtype, pd.CategoricalDtype):
        if values.cat.ordered:
            inner = values.cat.categories.get_indexer(pd.Index(inner)).tolist()
            return np.searchsorted(inner, values.cat.codes, side="right")
        values = values.astype(values.cat.categories.dtype)
    if pd.api.types.is_numeric_dtype(values.dtype) and isinstance(values.dtype, np.dtype):
        return np.searchsorted(np.asarray(inner), values.to_numpy(), side="right")
    if values.dtype == object or pd.api.types.is_string_dtype(values.dtype):
        ends = np.empty(len(inner), dtype=object)
        ends[:] = inner
        return np.searchsorted(ends, values.to_numpy(dtype=object), side="right")
    return pd.Index(inner).astype(values.dtype).searchsorted(pd.Index(values), side="right")


class SetIndex:
    """Sets a column as the index, and sorts by it."""

    def __init__(self, key: Any, drop: bool, name: Any, sort: bool = True, append: bool = False) -> None:
        self.key, self.drop, self.name, self.sort, self.append = key, drop, name, sort, append

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.key, self.drop, self.name, self.sort, self.append

    def __call__(self, part: Any) -> Any:
        made = part.set_index(self.key, drop=self.drop, append=self.append)
        if self.append:
            return made.rename_axis(index=[*made.index.names[:-1], self.name])
        made = made.rename_axis(index=self.name)
        return made.sort_index(kind="stable") if self.sort and not made.index.is_monotonic_increasing else made


class SortValues:
    """Sorts a partition; a column of categories has the same ones in every partition, which are what it is sorted by."""

    def __init__(self, function: Any, options: dict, key: Any = None, categories: Any = None) -> None:
        self.function, self.options, self.key, self.categories = function, options, key, categories

    def __dask_tokenize__(self) -> Any:
        from raskr.tokenize import normalize_token

        categories = None if self.categories is None else list(self.categories)
        return type(self).__name__, normalize_token(self.function), self.options, self.key, categories

    def __call__(self, part: Any) -> Any:
        if self.categories is not None:
            part = part.assign(**{self.key: part[self.key].cat.set_categories(self.categories)})
        return self.function(part, **self.options)


class Regrouped(Expression):
    """Sorted partitions whose neighbours may share a value, which then goes to the later one: divisions become true."""

    def __init__(self, source: Expression, ends: Sequence, divisions: Sequence) -> None:
        super().__init__(source.meta, divisions, "sorted-index", source, list(ends))
        self.source, self.ends = source, list(ends)

    @property
    def children(self) -> list[Expression]:
        """The expression whose rows they are."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same of another expression."""
        return Regrouped(children[0], self.ends, self.divisions)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns."""
        return [columns]

    def _lower(self) -> list:
        nodes, last = self.source.nodes, self.npartitions - 1
        made = []
        for number, (low, high) in enumerate(zip(self.divisions, self.divisions[1:])):
            met = [
                node
                for node, ends in zip(nodes, self.ends)
                if ends is not None and ends[1] >= low and (ends[0] < high or number == last)
            ]
            made.append(self._call(number, rows_between, met, low, high, number == last, self.meta))
        return made


def _key_of(frame: Any, other: Any) -> tuple[Any, Any, Any, bool]:
    """The frame, the column of the new index in it, the index's name, and whether the column goes away in any case."""
    if isinstance(other, (list, pd.Index)):
        if len(other) != 1 and any(hasattr(each, "_expr") for each in other):
            raise TypeError("a list of several frames or series is not supported by set_index: one column was expected")
        if len(other) != 1:
            raise NotImplementedError(f"{_ONE_LEVEL}: {list(other)}")
        other = other[0]
        if isinstance(other, (list, tuple)) and other not in map(tuple, frame._meta.columns.to_frame().values.tolist()):
            raise NotImplementedError(f"{_ONE_LEVEL}: {other!r}")
    if hasattr(other, "_expr"):
        if other.ndim != 1:
            raise NotImplementedError(f"{_ONE_LEVEL}: You tried to index with a frame, one column was expected")
        name = "_new_index"
        return frame.assign(**{name: other}), name, other.name, True
    if other not in frame._meta.columns:
        raise KeyError(f"set_index: {other!r} is not among the columns {list(frame._meta.columns)}")
    return frame, other, other, False


def set_index(
    frame: Any,
    other: Any,
    drop: bool,
    presorted: bool,
    npartitions: Any,
    divisions: Any,
    sort: bool,
    upsample: float,
    partition_size: float,
    append: bool,
) -> Any:
    """The frame by another index; see `Sorting.set_index`."""
    frame, key, name, is_extra = _key_of(frame, other)
    source = frame._expr
    setter = SetIndex(key, drop or is_extra, name, append=append)
    meta = setter(source.meta)
    if not sort:
        setter.sort = False
        unknown = (None,) * (source.npartitions + 1)
        return new_collection(PartitionCalls(setter, [source], {}, meta, unknown, "set-index"))
    if divisions is not None:
        divisions = list(divisions)
        check_divisions(divisions)
        if presorted:
            if len(divisions) != source.npartitions + 1:
                raise ValueError(
                    f"When doing `df.set_index(col, sorted=True, divisions=...)`, divisions indicates known splits in "
                    f"the index column. In this case divisions must be the same length as the existing divisions in "
                    f"`df`: expected {source.npartitions + 1}, got {len(divisions)}"
                )
            return new_collection(PartitionCalls(setter, [source], {}, meta, divisions, "set-index"))
        return new_collection(_by_range(source, key, divisions, setter, meta))
    wanted = source.npartitions if npartitions in (None, "auto") else int(npartitions)
    size = int(max(_AT_LEAST, _PER_PARTITION * wanted) * max(upsample, 0.1))
    found = summaries(frame[key]._expr, size)
    if presorted:
        return _sorted_index(source, found, setter, meta)
    if npartitions == "auto":
        wanted = _number_by_size(source, partition_size)
    in_order = _in_order(found)
    if in_order and wanted == source.npartitions:
        ends = [plain(each.ends[0]) for each in found] + [plain(found[-1].ends[1])]
        return new_collection(PartitionCalls(setter, [source], {}, meta, ends, "set-index"))
    return new_collection(_by_range(source, key, divisions_of_sample(found, wanted), setter, meta))


def _number_by_size(source: Expression, partition_size: float) -> int:
    from raskr.dataframe.repartitioning import sizes_of

    return max(1, min(source.npartitions, int(np.ceil(sum(sizes_of(source)) / partition_size))))


def _in_order(found: Sequence[Summary]) -> bool:
    """Does each partition end before the next one begins?"""
    if any(each.ends is None or each.missing for each in found):
        return False
    return all(before.ends[1] < after.ends[0] for before, after in zip(found, found[1:]))


def _by_range(source: Expression, key: Any, divisions: list, setter: SetIndex, meta: Any) -> Expression:
    if divisions[0] is None:
        # There is no value: every row is in the one partition.
        return Shuffle(source, ByRange(key, [None, None]), 1, meta, (None, None), setter, keys=[key], label="set-index")
    place = ByRange(key, divisions)
    return Shuffle(source, place, len(divisions) - 1, meta, divisions, setter, keys=[key], label="set-index")


def _sorted_index(source: Expression, found: Sequence[Summary], setter: SetIndex, meta: Any) -> Any:
    filled = [each for each in found if each.ends is not None]
    unknown = (None,) * (source.npartitions + 1)
    indexed = PartitionCalls(setter, [source], {}, meta, unknown, "set-index")
    if not filled:
        return new_collection(indexed)
    lows = [plain(each.ends[0]) for each in filled]
    highs = [plain(each.ends[1]) for each in filled]
    if lows != sorted(lows) or highs != sorted(highs) or any(after < before for before, after in zip(highs, lows[1:])):
        raise ValueError(
            "Partitions must be sorted ascending with the index: set_index(sorted=True) was called, and a partition "
            f"begins before the one in front of it ends. The first values are {lows}, the last ones {highs}"
        )
    divisions = [*dict.fromkeys(lows), highs[-1]]
    if len(divisions) == source.npartitions + 1 and _in_order(found):
        return new_collection(PartitionCalls(setter, [source], {}, meta, divisions, "set-index"))
    ends = [None if each.ends is None else tuple(map(plain, each.ends)) for each in found]
    return new_collection(Regrouped(indexed, ends, divisions))


def sort_values(
    frame: Any,
    by: Any,
    npartitions: Any,
    ascending: Any,
    na_position: str,
    upsample: float,
    function: Any,
    options: Any,
) -> Any:
    """The frame in order of some columns; see `Sorting.sort_values`."""
    source, keys = frame._expr, as_list(by)
    if na_position not in ("first", "last"):
        raise ValueError("na_position must be either 'first' or 'last'")
    if not keys or not all(isinstance(key, (str, int, tuple, float)) for key in keys):
        raise NotImplementedError(f"Dataframes only support sorting by named columns, got {by!r}")
    missing = [key for key in keys if key not in source.meta.columns]
    if any(not isinstance(key, str) for key in missing):
        raise NotImplementedError(f"Dataframes only support sorting by named columns, got {by!r}")
    if missing:
        raise KeyError(f"sort_values: {missing} are not among the columns {list(source.meta.columns)}")
    ways = list(ascending) if isinstance(ascending, (list, tuple)) else [ascending]
    if not all(isinstance(way, (bool, np.bool_)) for way in ways):
        raise NotImplementedError(
            f"Dataframes only support ascending=True or False, or a list of these, got {ascending!r}"
        )
    if isinstance(ascending, (list, tuple)) and len(ways) != len(keys):
        raise ValueError(f"sort_values: the length of ascending, {len(ways)}, is not the length of by, {len(keys)}")
    ways = [bool(way) for way in ways]
    plain_options = {"by": keys, "ascending": ways if len(ways) > 1 else ways[0], "na_position": na_position}
    sorter = SortValues(function or pd.DataFrame.sort_values, {**plain_options, **(options or {})})
    wanted = int(npartitions) if npartitions not in (None, "auto") else source.npartitions
    unknown = (None,) * (source.npartitions + 1)
    if source.npartitions == 1 and wanted == 1:
        return new_collection(PartitionCalls(sorter, [source], {}, source.meta, unknown, "sort-values"))
    size = int(max(_AT_LEAST, _PER_PARTITION * wanted) * max(upsample, 0.1))
    found = summaries(frame[keys[0]]._expr, size)
    categories = None
    if isinstance(source.meta[keys[0]].dtype, pd.CategoricalDtype):
        # pandas sorts categories by their places, whatever they are.
        categories = concat([each.sample for each in found]).cat.categories
        sorter = SortValues(sorter.function, sorter.options, keys[0], categories)
        found = [each.by_places(categories) for each in found]
    divisions = divisions_of_sample(found, wanted)
    if divisions[0] is None:
        divisions = [None, None]
    place = ByRange(keys[0], divisions, ways[0], na_position, categories)
    made = Shuffle(source, place, len(divisions) - 1, finish=sorter, keys=keys, label="sort-values")
    return new_collection(made)


def current_divisions(keys: Expression) -> tuple:
    """Divisions of partitions that are sorted by a series or an index, whose values are looked at now.

    Where neighbours share a value, a warning says so: the divisions are those that rows have once they are parted anew.
    """
    found = [each for each in summaries(keys, 2) if each.ends is not None]
    if not found:
        return (None, None)
    lows, highs = [plain(each.ends[0]) for each in found], [plain(each.ends[1]) for each in found]
    if lows != sorted(lows) or highs != sorted(highs):
        raise ValueError(f"Partitions are not sorted ascending: the first values are {lows}, the last ones {highs}")
    if any(after <= before for before, after in zip(highs, lows[1:])):
        warnings.warn(f"Partitions have overlapping values: they begin with {lows} and end with {highs}", stacklevel=3)
        lows = list(dict.fromkeys(lows))
    return (*lows, highs[-1])


class Sorting:
    """The methods `set_index` and `sort_values` of frames."""

    def compute_current_divisions(self, col: Any = None, set_divisions: bool = False) -> Any:
        """The divisions that partitions have by a column, or by the index, which are sorted by it.

        Parameters
        ----------
        col : str, optional
            The column; the index by default.
        set_divisions : bool
            Give the frame with these divisions instead.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2, 4, 5]}), npartitions=2)
        >>> df.compute_current_divisions("a")
        (1, 4, 5)
        """
        found = current_divisions((self.index if col is None else self[col])._expr)  # type: ignore[attr-defined, index]
        if not set_divisions or col is not None:
            return found
        from raskr.dataframe.repartitioning import Declared

        return new_collection(Declared(self._expr, found))  # type: ignore[attr-defined]

    def set_index(
        self,
        other: Any,
        drop: bool = True,
        sorted: bool = False,
        npartitions: Any = None,
        divisions: Any = None,
        sort: bool = True,
        shuffle_method: Any = None,
        upsample: float = 1.0,
        partition_size: float = 128e6,
        append: bool = False,
        **options: Any,
    ) -> Any:
        """The frame by another index, sorted, with known divisions.

        Divisions come from a sample of the column, which is computed at once.

        Parameters
        ----------
        other : str, list of one str, or Series
            The new index.
        drop : bool
            Take the column out of the frame.
        sorted : bool
            The rows are sorted by it already: nothing needs to move but values that two partitions share.
        npartitions : int or 'auto', optional
            How many partitions there shall be; with 'auto' as many as are of `partition_size`, at most as before.
        divisions : list, optional
            Where partitions begin, and where the last one ends, if that is known.
        sort : bool
            With False rows stay in their partitions, and divisions are unknown.
        shuffle_method : str, optional
            Accepted for likeness.
        upsample : float
            Make the sample larger by this factor.
        partition_size : float
            Bytes, for 'auto'.
        append : bool
            Keep the index as the first level, with `sort=False`.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [3, 1, 2, 0], "b": list("wxyz")}), npartitions=2)
        >>> df.set_index("a").b.compute().tolist()
        ['z', 'x', 'y', 'w']
        """
        check_method(shuffle_method)
        if append and sort:
            raise NotImplementedError("set_index(append=True): rows are sorted by one level; give sort=False")
        own = self._meta  # type: ignore[attr-defined]
        is_index = isinstance(other, str) and other == own.index.name and other not in own.columns
        if is_index or getattr(other, "_name", None) == self.index._name:  # type: ignore[attr-defined]
            return self
        return set_index(self, other, drop, sorted, npartitions, divisions, sort, upsample, partition_size, append)

    def sort_values(
        self,
        by: Any,
        npartitions: Any = None,
        ascending: Any = True,
        na_position: str = "last",
        partition_size: float = 128e6,
        sort_function: Any = None,
        sort_function_kwargs: Any = None,
        upsample: float = 1.0,
        ignore_index: bool = False,
        shuffle_method: Any = None,
        **options: Any,
    ) -> Any:
        """The rows in order of some columns, across partitions; divisions are unknown.

        Parameters
        ----------
        by : str or list of str
            Columns; the first one says which partition rows go to.
        npartitions : int, optional
            How many partitions there shall be.
        ascending : bool or list of bool
            The direction, for each column.
        na_position : {'first', 'last'}
            Where rows with missing values go.
        sort_function : callable, optional
            Sorts a partition, in place of pandas' `sort_values`; `sort_function_kwargs` are its arguments.
        upsample : float
            Make the sample that partitions are chosen by larger by this factor.
        ignore_index : bool
            Count the rows of each partition anew.
        **options
            `kind`, such as "stable", is pandas'; whatever else is for likeness.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [3, 1, 2, 0]}), npartitions=2)
        >>> df.sort_values("a", ascending=False).a.compute().tolist()
        [3, 2, 1, 0]
        """
        check_method(shuffle_method)
        extra = dict(sort_function_kwargs or {})
        if ignore_index:
            extra["ignore_index"] = True
        if "kind" in options and sort_function is None:
            extra["kind"] = options["kind"]
        return sort_values(self, by, npartitions, ascending, na_position, upsample, sort_function, extra)
