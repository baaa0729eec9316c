"""Group-by beyond aggregations in parts: whole groups by way of a shuffle, and results row by row."""

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.enforcing import Enforced
from raskr.dataframe.expressions import Expression, GroupFigures, PartitionCalls, TreeReduction
from raskr.dataframe.group_rows import GroupRows, first_rows, first_rows_finished, first_rows_together, on_rows
from raskr.dataframe.grouping import (
    KEY,
    PARTS,
    distinct_rows,
    kept,
    keys_of,
    meaning,
    of_whole_groups,
    packed,
    results_together,
)
from raskr.dataframe.mapping import make_meta, new_collection
from raskr.dataframe.utils import meta_nonempty

_NOT_GIVEN = object()


class WholeGroups:
    """What needs all rows of a group, or the rows before: mixed into `GroupBy`."""

    # --- whole groups ----------------------------------------------------------------------------------------------------
    def _packed(self, columns: Any = None) -> Expression:
        """The values, and the keys beside them."""
        source, own = self._source, None
        if source.meta.ndim == 2:
            labels = [label for label in self._labels if label is not None]
            own = [name for name in source.meta.columns if name not in labels] if columns is None else list(columns)
            source = columns_of(source, [name for name in source.meta.columns if name in own or name in labels])
        args = [source, self._labels, own, *self._keys]
        meta = packed(source.meta, self._labels, own, *(key.meta for key in self._keys))
        return PartitionCalls(packed, args, {}, meta, source.divisions, "packed")

    def _brought_together(self, rows: Expression, count: int) -> Expression:
        from raskr.dataframe.shuffle import hashed

        if rows.npartitions == 1:
            return rows
        return hashed(rows, [KEY.format(place) for place in range(len(self._labels))], count)

    def _whole(
        self,
        call: str,
        args: tuple,
        kwargs: dict,
        meta: Any,
        split_out: Any = 1,
        distinct: bool = False,
        rows: bool = False,
        declared: bool = False,
    ) -> Any:
        """A method of pandas' group-by on whole groups.

        `rows` says that results are not one to a group, `declared` that `meta` is the user's, which results must fit.
        """
        needed = None
        if self.obj.ndim == 2 and (self.selection is not None or self._binned):
            needed = self._columns
        source = self._packed(needed)
        if distinct:
            source = PartitionCalls(distinct_rows, [source], {}, source.meta, (None,) * (source.npartitions + 1))
        together = self._brought_together(source, source.npartitions)
        options = {"dropna": self.dropna is not False, "observed": True, "sort": self.sort is not False}
        if together.npartitions == 1:
            options["observed"] = self.observed is not False
        settings = {
            "names": self._names,
            "name": self.obj.name if self.obj.ndim == 1 else None,
            "series": self.obj.ndim == 1,
            "selection": self.selection,
            "options": {**options, "group_keys": self.group_keys},
            "call": call,
            "args": args,
            "kwargs": kwargs,
        }
        divisions = (None,) * (together.npartitions + 1)
        function = Enforced(of_whole_groups, meta) if declared else of_whole_groups
        results = PartitionCalls(function, [together, meta], settings, meta, divisions, f"groupby-{call}")
        bins = self._bins if not rows and meta.index.nlevels == 1 else None
        stay_apart = not bins and (split_out is True or split_out and split_out > 1)
        if not rows and together.npartitions > 1 and not stay_apart:
            settings = {"aggregate": {"sort": self.sort}, "combine": {"sort": False}}
            steps = (kept, results_together, results_together)
            results = TreeReduction(*steps, [results], meta, f"groupby-{call}", options=settings)
        made = new_collection(results)
        if bins is None:
            return made
        return bins.filled(made, self._aggregated(), operator.methodcaller(call, *args, **kwargs))

    def _aggregated(self) -> Any:
        """Two made-up rows of what is aggregated."""
        part = meta_nonempty(self._source.meta)
        if part.ndim == 1:
            return part
        return part[self._columns[0] if self._is_series else self._columns]

    def _figures(self, steps: list, whole: Any) -> Any:
        """A result on whole groups, one row to a group, which the engine may make step by step."""
        expression = whole._expr
        if self._bins is not None:
            return whole
        labels = [expression.meta.name] if expression.meta.ndim == 1 else list(expression.meta.columns)
        if expression.npartitions > 1 or [step.label for step in steps] != labels:
            return whole
        source = self._source
        if source.meta.ndim == 2:
            keys = [label for label in self._labels if label is not None]
            needed = [*keys, *(step.column for step in steps)]
            source = columns_of(source, [name for name in source.meta.columns if name in needed])
        args = [source, self._labels, steps, self.dropna, self.sort, *self._keys]
        return new_collection(GroupFigures(args, expression, self.sort))

    def _user(self, call: str, func: Callable, args: tuple, kwargs: dict, meta: Any) -> Any:
        """A function of the user's on whole groups."""
        if meta is _NOT_GIVEN or meta is None:
            warnings.warn(
                f"`meta` is not specified for groupby.{call}: it is inferred from partial data, by running the function on "
                "made-up rows. If that is wrong or slow, declare it by meta=, such as meta=('x', 'f8') or meta={'x': 'f8'}.",
                stacklevel=3,
            )
            try:
                found = getattr(self._example(), call)(func, *args, **kwargs)
            except Exception as error:
                raise ValueError(
                    f"Metadata inference failed in `groupby.{call}`: the function failed on made-up rows, on which it was "
                    f"tried to find what it gives.\nPlease give the keyword meta=.\n\nOriginal error: {error!r}"
                ) from error
            return self._whole(call, (func, *args), kwargs, found.iloc[:0], rows=True)
        return self._whole(call, (func, *args), kwargs, make_meta(meta), rows=True, declared=True)

    def apply(
        self, func: Callable, *args: Any, meta: Any = _NOT_GIVEN, include_groups: bool = False, **kwargs: Any
    ) -> Any:
        """What a function gives for each group, of which it gets all rows; groups come in no particular order.

        Parameters
        ----------
        func : callable
            Gets the rows of a group, without the columns that are keys.
        meta : pandas object, dict or tuple, optional
            An empty example of the result; the function is called with made-up rows where it is left out.
        *args, **kwargs
            Further arguments.
        """
        return self._user("apply", func, args, kwargs, meta)

    def transform(self, func: Any, *args: Any, meta: Any = _NOT_GIVEN, **kwargs: Any) -> Any:
        """What a function gives for each group, row by row; for a name such as 'sum', on the rows as they are."""
        name = meaning(func)
        if isinstance(name, str) and name in PARTS and name not in ("list", "size") and not args:
            if self._can_be_parted(name, self._columns):
                found = self._example().transform(name, **kwargs).iloc[:0]
                result = self._method(name, **kwargs)._expr
                keys = [self._source, result, self._labels, self._options["dropna"], *self._keys]
                made = PartitionCalls(
                    _transformed, keys, {}, found, self._source.divisions, f"groupby-transform-{name}"
                )
                return new_collection(made)
        return self._user("transform", func, args, kwargs, meta)

    def get_group(self, key: Any) -> Any:
        """The rows of one group."""
        source = self._source
        call = PartitionCalls(
            _rows_of_group, [source, self._labels, key, *self._keys], {}, source.meta, source.divisions
        )
        found = new_collection(call)
        return found if self.selection is None else found[self.selection]

    # --- row by row -----------------------------------------------------------------------------------------------------
    def _rows(self, kind: str, backward: bool = False, **kwargs: Any) -> Any:
        columns = self._columns if self.obj.ndim == 2 else None
        found = getattr(self._example(), kind)(**kwargs)
        if found.ndim == 2 and columns is not None:
            columns = [name for name in columns if name in found.columns]
        settings = {
            "names": self._names,
            "series": self._is_series,
            "kwargs": kwargs,
            "dropna": self._options["dropna"],
        }
        settings["name"] = found.name if found.ndim == 1 else None
        rows = self._packed(columns)
        return new_collection(GroupRows(rows, found.iloc[:0], rows.divisions, kind, backward, settings))

    def _running(self, kind: str, numeric_only: bool) -> Any:
        return self._rows(kind, **({"numeric_only": True} if numeric_only else {}))

    def cumsum(self, axis: Any = 0, numeric_only: bool = False) -> Any:
        """The running sum within each group, row by row."""
        return self._running("cumsum", numeric_only)

    def cumprod(self, axis: Any = 0, numeric_only: bool = False) -> Any:
        """The running product within each group, row by row."""
        return self._running("cumprod", numeric_only)

    def cummax(self, numeric_only: bool = False) -> Any:
        """The running maximum within each group, row by row."""
        return self._running("cummax", numeric_only)

    def cummin(self, numeric_only: bool = False) -> Any:
        """The running minimum within each group, row by row."""
        return self._running("cummin", numeric_only)

    def cumcount(self, axis: Any = None) -> Any:
        """The number of each row within its group, counted from 0."""
        ones = PartitionCalls(_ones, [self._source], {}, _ones(self._source.meta), self._source.divisions)
        given = iter(self._keys)
        labelled = [next(given) if label is None else None for label in self._labels]
        keys = [
            new_collection(key if key is not None else _one_key(self._source, label))
            for key, label in zip(labelled, self._labels)
        ]
        return new_collection(ones).groupby(keys, dropna=self.dropna).cumsum() - 1

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0, fill_value: Any = None, meta: Any = None) -> Any:
        """The values of the row some rows before within each group."""
        options = {} if fill_value is None else {"fill_value": fill_value}
        if freq is not None:
            return self._moved("shift", {"periods": periods, "freq": freq})
        return self._rows("shift", periods < 0, periods=periods, **options)

    def diff(self, periods: int = 1) -> Any:
        """Each value less the one some rows before within its group."""
        return self._rows("diff", periods < 0, periods=periods)

    def _moved(self, kind: str, kwargs: dict) -> Any:
        """Results row by row of whole groups, whose rows come in no particular order."""
        return self._whole(kind, (), kwargs, getattr(self._example(), kind)(**kwargs).iloc[:0], rows=True)

    def ffill(self, limit: int | None = None) -> Any:
        """Missing values replaced by the last one before within their group."""
        if limit is not None:
            return self._moved("ffill", {"limit": limit})
        return self._rows("ffill")

    def bfill(self, limit: int | None = None) -> Any:
        """Missing values replaced by the first one after within their group."""
        if limit is not None:
            return self._moved("bfill", {"limit": limit})
        return self._rows("bfill", True)

    def head(self, n: int = 5, split_every: Any = None, split_out: Any = 1) -> Any:
        """The first rows of each group, in the order that they have."""
        return self._ends("head", n, split_every)

    def tail(self, n: int = 5, split_every: Any = None, split_out: Any = 1) -> Any:
        """The last rows of each group, in the order that they have."""
        return self._ends("tail", n, split_every)

    def _ends(self, call: str, n: int, split_every: Any) -> Any:
        if n < 0:
            raise NotImplementedError(f"{call}: n must be at least 0, since groups are not counted, got {n}")
        columns = None
        if self.obj.ndim == 2:
            columns = list(self.obj.columns) if self.selection is None else self._columns
        common = {"names": self._names, "dropna": self._options["dropna"], "call": call, "n": n}
        before = None if columns is None else self._before_sorting()
        if before is None:
            rows = self._packed(columns)
        else:
            # Of each partition few rows are kept: these are sorted, instead of all.
            groups, sorter = before
            rows = groups._packed([*columns, *(key for key in sorter.options["by"] if key not in columns)])
            common["sorter"], common["columns"] = sorter, columns
        meta = self._source.meta if self.selection is None else self._source.meta[self.selection]
        last = {**common, "series": meta.ndim == 1, "name": getattr(meta, "name", None)}
        options = {"chunk": common, "combine": common, "aggregate": last}
        steps = (first_rows, first_rows_together, first_rows_finished)
        label = f"groupby-{call}"
        return new_collection(TreeReduction(*steps, [rows], meta, label, options=options, split_every=split_every))

    def _before_sorting(self) -> Any:
        """The groups of the frame before `sort_values`, and what sorts a part of it; None where there is no such frame."""
        from raskr.dataframe.shuffle import Shuffle
        from raskr.dataframe.sorting import SortValues

        sorted_rows = self._source
        if not isinstance(sorted_rows, Shuffle) or not isinstance(sorted_rows.finish, SortValues) or self._keys:
            return None
        sorter = sorted_rows.finish
        if sorter.function is not pd.DataFrame.sort_values or set(sorter.options) != {"by", "ascending", "na_position"}:
            return None
        frame = new_collection(sorted_rows.source)
        groups = type(self)(frame, self.by, self.group_keys, self.sort, self.observed, self.dropna, self.selection)
        return groups, SortValues(sorter.function, {**sorter.options, "kind": "stable"})

    def rolling(
        self, window: Any, min_periods: int | None = None, center: bool = False, win_type: Any = None, axis: Any = 0
    ) -> Any:
        """Windows that move along the rows of each group."""
        options = {"min_periods": min_periods, "center": center, "win_type": win_type}
        return GroupRolling(
            self, window, {name: value for name, value in options.items() if value not in (None, False)}
        )

    def compute(self, **kwargs: Any) -> Any:
        """Not there for groups, of which something must be made first."""
        raise NotImplementedError(
            f"{type(self).__name__} does not allow compute method. Please chain it with an aggregation method (like "
            "``.mean()``) or get a specific group using ``.get_group()`` before calling ``compute()``"
        )


class GroupRolling:
    """Windows that move along the rows of each group."""

    def __init__(self, groups: Any, window: Any, options: dict) -> None:
        self._groups, self._window, self._options = groups, window, options

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        found = (_rolled, self._window, self._options, name, args, kwargs)
        meta = self._groups._example().apply(*found).iloc[:0]
        return self._groups._whole("apply", found, {}, meta, rows=True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(pd.core.window.rolling.Rolling, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return lambda *args, **kwargs: self._call(name, *args, **kwargs)


def _rolled(part: Any, window: Any, options: dict, name: str, args: tuple, kwargs: dict) -> Any:
    return getattr(part.rolling(window, **options), name)(*args, **kwargs)


def _ones(part: Any) -> Any:
    return pd.Series(np.ones(len(part), dtype="int64"), index=part.index)


def _one_key(source: Expression, label: Any) -> Expression:
    return PartitionCalls(_key_column, [source, label], {}, _key_column(source.meta, label), source.divisions, "key")


def _key_column(part: Any, label: Any) -> Any:
    return keys_of(part, [label], [])[0]


def _transformed(part: Any, result: Any, by: list, dropna: bool, *given: Any) -> Any:
    return on_rows(part, result, keys_of(part, by, given), dropna)


def _rows_of_group(part: Any, by: list, key: Any, *given: Any) -> Any:
    keys = keys_of(part, by, given)
    wanted = key if isinstance(key, tuple) else (key,)
    keep = np.ones(len(part), dtype=bool)
    for column, value in zip(keys, wanted):
        keep &= (column == value).fillna(False).to_numpy(dtype=bool)
    return part[keep]


def columns_of(source: Expression, names: list) -> Expression:
    if list(source.meta.columns) == names:
        return source
    return PartitionCalls(operator.getitem, [source, names], {}, source.meta[names], source.divisions)
