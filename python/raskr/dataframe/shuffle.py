"""Shuffles: rows brought together by the partition that each one belongs to, in pieces that the engine can spill."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.dataframe.expressions import Expression
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.partials import concat

#: Partitions that one step of a shuffle makes of one; more are made in several steps.
_BRANCHES = 64


class Shuffle(Expression):
    """The rows of all partitions, each in the partition that a function says.

    A task a partition cuts it into pieces, a task a piece hands it on, and a task a new partition joins its pieces, so
    that no task holds more than a partition. Where pieces would be too many, rows first go to groups of partitions.

    Parameters
    ----------
    source : Expression
        The rows.
    place : callable
        Gets a partition, and gives the number of the new partition of each row as an array of integers.
    npartitions : int
        How many new partitions.
    finish : callable, optional
        What is done to each new partition.
    keys : list, optional
        The columns that `place` and `finish` look at; None for all.
    """

    def __init__(
        self,
        source: Expression,
        place: Callable,
        npartitions: int,
        meta: Any = None,
        divisions: Sequence | None = None,
        finish: Callable | None = None,
        ignore_index: bool = False,
        keys: list | None = None,
        label: str = "shuffle",
    ) -> None:
        meta = source.meta if meta is None else meta
        meta = meta.reset_index(drop=True) if ignore_index and finish is None else meta
        divisions = (None,) * (npartitions + 1) if divisions is None else divisions
        super().__init__(meta, divisions, label, source, place, npartitions, finish, ignore_index)
        self.source, self.place, self.finish = source, place, finish
        self.ignore_index, self.keys = ignore_index, keys

    @property
    def children(self) -> list[Expression]:
        """The expression whose rows they are."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same shuffle of another expression."""
        meta, before, after = self.meta, self.source.meta, children[0].meta
        if before.ndim == 2 and meta.ndim == 2 and len(after.columns) < len(before.columns):
            gone = set(before.columns).difference(after.columns)
            meta = meta[[name for name in meta.columns if name not in gone]]
        return Shuffle(
            children[0],
            self.place,
            self.npartitions,
            meta,
            self.divisions,
            self.finish,
            self.ignore_index,
            self.keys,
            self.name.rpartition("-")[0],
        )

    def required(self, columns: list | None) -> list[list | None]:
        """The columns of the result, and those that say where rows belong."""
        if columns is None or self.keys is None or self.source.meta.ndim != 2:
            return [None]
        wanted = {*columns, *self.keys}
        return [[name for name in self.source.meta.columns if name in wanted]]

    def _lower(self) -> list:
        parts = list(self.source.nodes)
        count = self.npartitions
        width = 1
        while width * _BRANCHES < count:
            width *= _BRANCHES
        # Groups of `width` new partitions each; a group's rows are then parted among smaller groups.
        groups = [(0, count, parts)]
        step = 0
        while width >= 1:
            following = []
            for start, stop, nodes in groups:
                following.extend(self._parted(nodes, start, stop, width, step))
            groups, width, step = following, width // _BRANCHES, step + 1
        return [
            self._call(number, _joined, nodes, self.ignore_index, self.finish)
            for number, (_, _, nodes) in enumerate(groups)
        ]

    def _parted(self, nodes: list, start: int, stop: int, width: int, step: int) -> list:
        """The groups of `width` new partitions from `start` to `stop`, each with its pieces."""
        bounds = list(range(start, stop, width))
        if len(bounds) == 1:
            return [(start, stop, nodes)]
        pieces: list = [[] for _ in bounds]
        for number, node in enumerate(nodes):
            base = f"{self.name}-{step}-{start}-{number}"
            cut = core.node_of_call(
                _cut, (node, self.place, start, width, len(bounds)), key=f"{base}-cut", name="shuffle-cut"
            )
            for at, found in enumerate(pieces):
                found.append(core.node_of_call(_taken, (cut, at), key=f"{base}-{at}", name="shuffle-piece"))
        ends = [*bounds[1:], stop]
        if width > 1:
            # Pieces of one group are joined by runs, so that the next step has as many parts as there were at first.
            pieces = [self._gathered(found, f"{self.name}-{step}-{low}") for low, found in zip(bounds, pieces)]
        return list(zip(bounds, ends, pieces))

    def _gathered(self, nodes: list, base: str) -> list:
        runs = [nodes[at : at + _BRANCHES] for at in range(0, len(nodes), _BRANCHES)]
        return [
            core.node_of_call(concat, (run,), key=f"{base}-run-{number}", name="shuffle-run")
            for number, run in enumerate(runs)
        ]


def _cut(part: Any, place: Callable, start: int, width: int, count: int) -> list:
    """The rows of each group of new partitions, in the order that they had."""
    groups = (np.asarray(place(part)) - start) // width
    order = np.argsort(groups, kind="stable")
    bounds = np.searchsorted(groups[order], np.arange(count + 1))
    # A copy of each piece: slices would keep the whole partition in memory.
    return [part.take(order[low:high]) for low, high in zip(bounds, bounds[1:])]


def _taken(pieces: list, at: int) -> Any:
    return pieces[at]


def _joined(pieces: list, ignore_index: bool, finish: Callable | None) -> Any:
    whole = concat(pieces)
    whole = whole.reset_index(drop=True) if ignore_index else whole
    return whole if finish is None else finish(whole)


# --- where rows belong ------------------------------------------------------------------------------------------------
class ByHash:
    """The partition of each row by a hash of columns, or of the index.

    Parameters
    ----------
    keys : list or None
        Names of columns; None for the index.
    npartitions : int
        How many there are.
    kinds : list, optional
        The types that keys are brought to first, so that equal values of two tables have equal hashes.
    """

    def __init__(self, keys: list | None, npartitions: int, kinds: list | None = None) -> None:
        self.keys, self.npartitions, self.kinds = keys, npartitions, kinds

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.keys, self.npartitions, [str(kind) for kind in self.kinds or ()]

    def __call__(self, part: Any) -> Any:
        if self.keys is None:
            columns = [part.index.get_level_values(level) for level in range(part.index.nlevels)]
        elif isinstance(part, pd.Series):
            columns = [part]
        else:
            columns = [key_values(part, key) for key in self.keys]
        kinds = self.kinds or [None] * len(columns)
        hashes = np.zeros(len(part), dtype=np.uint64)
        for column, kind in zip(columns, kinds):
            hashes = hashes * np.uint64(1000003) + hash_values(column, kind)
        return (hashes % np.uint64(self.npartitions)).astype(np.int64)


def key_values(part: Any, key: Any) -> Any:
    """A column, or the level of the index with that name."""
    if key in part.columns:
        return part[key]
    if key in part.index.names:
        return part.index.get_level_values(key)
    raise KeyError(key)


def hash_values(column: Any, kind: Any = None) -> Any:
    """Hashes of values, equal for values that pandas takes for equal when it joins."""
    if kind is not None and column.dtype != kind:
        column = column.astype(kind)
    if column.dtype == object:
        column = pd.Series([_hashable(value) for value in column], dtype=object)
    elif pd.api.types.is_float_dtype(column.dtype) and isinstance(column.dtype, np.dtype):
        # Zeros of both signs are equal.
        column = pd.Series(np.asarray(column, dtype=float) + 0.0)
    return pd.util.hash_array(column._values) if hasattr(column, "_values") else pd.util.hash_array(column)


def _hashable(value: Any) -> Any:
    return None if value is None or value is pd.NA or isinstance(value, float) and value != value else value


class ByColumn:
    """The partition of each row as a column says, which the caller made."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.key

    def __call__(self, part: Any) -> Any:
        return np.asarray(part[self.key], dtype=np.int64)


def hashed(
    source: Expression, keys: list | None, npartitions: int, kinds: list | None = None, ignore_index: bool = False
) -> Expression:
    """The expression with rows of equal keys in one partition; keys of None are the index."""
    if npartitions == 1 and source.npartitions == 1:
        return source
    needed = None if keys is None or not isinstance(source.meta, pd.DataFrame) else list(keys)
    place = ByHash(keys, npartitions, kinds)
    return Shuffle(source, place, npartitions, ignore_index=ignore_index, keys=[] if keys is None else needed)


def as_list(value: Any) -> list:
    """A list of names: a single one may stand for itself."""
    return list(value) if isinstance(value, (list, pd.Index, pd.Series)) else [value]


class Shuffling:
    """The method `shuffle` of frames and series."""

    def shuffle(
        self,
        on: Any = None,
        ignore_index: bool = False,
        npartitions: int | None = None,
        shuffle_method: Any = None,
        on_index: bool = False,
        force: bool = False,
        **options: Any,
    ) -> Any:
        """The same rows, in partitions such that equal keys are together.

        Parameters
        ----------
        on : str, list of str, or Series, optional
            Columns, or a series of the same partitions.
        ignore_index : bool
            Rows may lose their index.
        npartitions : int, optional
            How many partitions there shall be.
        shuffle_method : str, optional
            Accepted for likeness: rows go through the engine, which spills them where memory is short.
        on_index : bool
            Rows of equal index go together.
        force : bool
            Shuffle again what is shuffled already.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2, 1, 2]}), npartitions=2)
        >>> parts = df.shuffle("a").to_delayed()
        >>> sorted(len(part.compute()) for part in parts) in ([0, 4], [2, 2])
        True
        """
        check_method(shuffle_method)
        source = self._expr  # type: ignore[attr-defined]
        count = npartitions or source.npartitions
        if on is None and not on_index:
            raise TypeError(
                "Must shuffle on either columns or the index; currently shuffling on neither. Pass column to 'on' or set 'on_index' to True."
            )
        if on is not None and on_index:
            raise TypeError(
                "Cannot shuffle on both columns and the index. Do not pass column to 'on' or set 'on_index' to False."
            )
        if on_index:
            return new_collection(hashed(source, None, count, ignore_index=ignore_index))
        if hasattr(on, "_expr"):
            if getattr(on, "ndim", 1) == 1:
                on = on.to_frame() if on.name is not None else on.to_frame("_key")
            return _shuffled_by_frame(self, on, count, ignore_index)
        keys = as_list(on)
        _check_keys(source.meta, keys)
        return new_collection(hashed(source, keys, count, ignore_index=ignore_index))


def _shuffled_by_frame(frame: Any, on: Any, count: int, ignore_index: bool) -> Any:
    place = ByHash(list(on._meta.columns), count)
    with_place = frame.map_partitions(_with_places, on, place, meta=_with_places(frame._meta, on._meta, place))
    finish = _as_series if frame.ndim == 1 else _without_places
    made = Shuffle(with_place._expr, ByColumn("_partition"), count, frame._meta, None, finish, ignore_index)
    return new_collection(made)


def _with_places(part: Any, keys: Any, place: Callable) -> Any:
    table = part.to_frame() if isinstance(part, pd.Series) else part
    return table.assign(_partition=place(keys))


def _without_places(part: Any) -> Any:
    return part.drop(columns="_partition")


def _as_series(part: Any) -> Any:
    return part.iloc[:, 0]


def _check_keys(meta: Any, keys: list) -> None:
    if isinstance(meta, pd.DataFrame):
        known = [*meta.columns, *(name for name in meta.index.names if name is not None)]
        missing = [key for key in keys if key not in known]
        if missing:
            raise KeyError(f"Cannot shuffle on {missing}, column(s) not in dataframe to shuffle: {list(meta.columns)}")


def check_method(method: Any) -> None:
    """ValueError for a way of shuffling that is not known."""
    if method not in (None, "tasks", "disk", "p2p", "auto"):
        raise ValueError(f"shuffle_method must be one of 'tasks', 'disk', 'p2p' or None, got {method!r}")
