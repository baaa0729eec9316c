"""Distinct rows and values, and random choices among rows."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.expressions import Expression, PartitionCalls, Rows
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.repartitioning import JoinedPartitions, bounds_of_groups
from raskr.dataframe.shuffle import as_list, check_method, hashed

#: How many partitions of distinct rows are put together at once.
_SPLIT_EVERY = 8


def _calls(source: Expression, function: Any, meta: Any, label: str) -> Expression:
    return PartitionCalls(function, [source], {}, meta, (None,) * (source.npartitions + 1), label)


def distinct(
    source: Expression, step: Any, keys: list | None, split_every: Any, split_out: Any, merges: bool
) -> Expression:
    """The expression after a step that keeps the distinct rows of each partition, and then of all.

    Parameters
    ----------
    step : callable
        Keeps the distinct rows of a partition.
    keys : list, optional
        The columns that make rows distinct; None for all that a series or an index has.
    split_every, split_out : int or bool
        How many partitions are put together at once, and how many there are at the end; True leaves it to the number
        of partitions.
    merges : bool
        May the step be done before rows that are equal have met?
    """
    meta = step(source.meta)
    current = _calls(source, step, meta, "distinct") if merges else source
    count = source.npartitions if split_out is True else max(1, int(split_out or 1))
    if count > 1 and source.npartitions > 1:
        moved = hashed(current, keys, count)
        return _calls(moved, step, meta, "distinct")
    every = source.npartitions if split_every is False else max(2, int(split_every or _SPLIT_EVERY))
    while current.npartitions > 1:
        wanted = -(-current.npartitions // every) if merges else 1
        joined = JoinedPartitions(current, bounds_of_groups(current.npartitions, wanted))
        current = _calls(joined, step, meta, "distinct")
    return current if merges or source.npartitions > 1 else _calls(current, step, meta, "distinct")


class DropDuplicates:
    """Keeps the distinct rows of a partition."""

    def __init__(self, options: dict) -> None:
        self.options = options

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.options

    def __call__(self, part: Any) -> Any:
        return part.drop_duplicates(**self.options)


def _unique(part: Any) -> Any:
    if isinstance(part, pd.Index):
        return part.unique()
    return pd.Series(part.unique(), name=part.name, dtype=part.dtype)


class Deduplicating:
    """The method `drop_duplicates` of frames."""

    def drop_duplicates(
        self,
        subset: Any = None,
        split_every: Any = None,
        split_out: Any = True,
        shuffle_method: Any = None,
        ignore_index: bool = False,
        keep: Any = "first",
    ) -> Any:
        """The rows without those that occurred before.

        Parameters
        ----------
        subset : str or list of str, optional
            The columns that are compared; all by default.
        split_every : int or False, optional
            How many partitions are put together at once, where one is left at the end.
        split_out : int or bool
            How many partitions the result has; as many as before by default.
        shuffle_method : str, optional
            Accepted for likeness.
        ignore_index : bool
            Count the rows of each partition anew.
        keep : {'first', 'last', False}
            Which of equal rows stays; False keeps only rows that occur once.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2, 1, 3]}), npartitions=2)
        >>> sorted(df.drop_duplicates().a.compute())
        [1, 2, 3]
        """
        check_method(shuffle_method)
        source = self._expr  # type: ignore[attr-defined]
        keys = list(source.meta.columns) if subset is None else as_list(subset)
        missing = [key for key in keys if key not in source.meta.columns]
        if missing:
            raise KeyError(pd.Index(missing))
        options = {"subset": keys, "keep": keep, "ignore_index": ignore_index}
        return new_collection(
            distinct(source, DropDuplicates(options), keys, split_every, split_out, keep is not False)
        )


class SeriesDistinct:
    """The methods `drop_duplicates` and `unique` of series and indexes."""

    def drop_duplicates(
        self,
        ignore_index: bool = False,
        split_every: Any = None,
        split_out: Any = True,
        shuffle_method: Any = None,
        keep: Any = "first",
    ) -> Any:
        """The values without those that occurred before; see `DataFrame.drop_duplicates`.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> s = dd.from_pandas(pd.Series([1, 2, 1, 3]), npartitions=2)
        >>> sorted(s.drop_duplicates().compute())
        [1, 2, 3]
        """
        check_method(shuffle_method)
        source = self._expr  # type: ignore[attr-defined]
        options: dict = {"keep": keep}
        if not isinstance(source.meta, pd.Index):
            options["ignore_index"] = ignore_index
        keys = None if isinstance(source.meta, pd.Index) else [source.meta.name]
        split_out = 1 if isinstance(source.meta, pd.Index) else split_out
        return new_collection(
            distinct(source, DropDuplicates(options), keys, split_every, split_out, keep is not False)
        )

    def unique(self, split_every: Any = None, split_out: Any = True, shuffle_method: Any = None) -> Any:
        """The distinct values, as a series.

        Parameters
        ----------
        split_every : int or False, optional
            How many partitions are put together at once, where one is left at the end.
        split_out : int or bool
            How many partitions the result has.
        shuffle_method : str, optional
            Accepted for likeness.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> s = dd.from_pandas(pd.Series([1, 2, 1, 3]), npartitions=2)
        >>> sorted(s.unique().compute())
        [1, 2, 3]
        """
        check_method(shuffle_method)
        source = self._expr  # type: ignore[attr-defined]
        is_index = isinstance(source.meta, pd.Index)
        keys = None if is_index else [source.meta.name]
        return new_collection(distinct(source, _unique, keys, split_every, 1 if is_index else split_out, True))


# --- random choices ---------------------------------------------------------------------------------------------------
def _seeds(random_state: Any, count: int) -> list:
    """A seed for each partition, the same ones for the same state."""
    if isinstance(random_state, np.random.RandomState):
        first = random_state.randint(0, 2**31 - 1)
    elif isinstance(random_state, np.random.Generator):
        first = int(random_state.integers(0, 2**31 - 1))
    else:
        first = random_state
    return [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(first).spawn(count)]


def _sampled(part: Any, seed: int, frac: float, replace: bool) -> Any:
    return part.sample(frac=frac, replace=replace, random_state=seed) if len(part) else part


def _split(part: Any, seed: int, bounds: Sequence[float], at: int, shuffle: bool) -> Any:
    source = np.random.default_rng(seed)
    chosen = np.searchsorted(bounds, source.random(len(part)), side="right").clip(0, len(bounds) - 1) == at
    rows = np.flatnonzero(chosen)
    return part.iloc[source.permutation(rows) if shuffle else rows]


class Sampling:
    """The methods `sample` and `random_split` of frames and series."""

    def sample(self, n: Any = None, frac: float | None = None, replace: bool = False, random_state: Any = None) -> Any:
        """Some rows of each partition, chosen at random.

        Parameters
        ----------
        n : int, optional
            Refused: how many rows there are is not known; give `frac`.
        frac : float
            The share of the rows.
        replace : bool
            Rows may be chosen more than once.
        random_state : int or RandomState, optional
            The same state chooses the same rows.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": range(100)}), npartitions=2)
        >>> len(df.sample(frac=0.1, random_state=1))
        10
        """
        if n is not None and 0 <= n <= 1 and frac is None:
            warnings.warn("sample: a number of rows was given that can only be a share: give it as frac=", stacklevel=2)
            frac = n
        elif n is not None:
            raise ValueError(
                "sample does not support the number of sampled items parameter, 'n'. Please use the 'frac' parameter "
                "instead."
            )
        if frac is None:
            raise ValueError("frac must not be None")
        source = self._expr  # type: ignore[attr-defined]
        seeds = Rows(_seeds(random_state, source.npartitions))
        return new_collection(
            PartitionCalls(_sampled, [source, seeds, frac, replace], {}, source.meta, source.divisions, "sample")
        )

    def random_split(self, frac: Sequence[float], random_state: Any = None, shuffle: bool = False) -> list:
        """The rows dealt out at random to several frames.

        Parameters
        ----------
        frac : list of float
            The share of each; they sum up to 1.
        random_state : int or RandomState, optional
            The same state deals the same rows.
        shuffle : bool
            Bring the rows of each partition to a random order.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": range(100)}), npartitions=2)
        >>> some, others = df.random_split([0.8, 0.2], random_state=1)
        >>> len(some) + len(others)
        100
        """
        if not np.isclose(sum(frac), 1):
            raise ValueError("frac should sum to 1")
        source = self._expr  # type: ignore[attr-defined]
        seeds, bounds = Rows(_seeds(random_state, source.npartitions)), np.cumsum(frac).tolist()
        divisions = (None,) * (source.npartitions + 1) if shuffle else source.divisions
        return [
            new_collection(
                PartitionCalls(_split, [source, seeds, bounds, at, shuffle], {}, source.meta, divisions, "random-split")
            )
            for at in range(len(frac))
        ]
