"""Group-by: aggregations in parts along a tree, rows with what came before, whole groups by way of a shuffle."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.alignment import aligned
from raskr.dataframe.expressions import Expression, TreeReduction
from raskr.dataframe.group_pairs import can_be_paired, pairs_finished, pairs_of, pairs_together
from raskr.dataframe.group_whole import WholeGroups, columns_of
from raskr.dataframe.grouping import (
    PARTS,
    Aggregation,
    Step,
    combined_results,
    finished_results,
    grouped,
    keys_of,
    meaning,
    partial_results,
    split_by_group,
)
from raskr.dataframe.mapping import elementwise, new_collection, operand
from raskr.dataframe.time_groups import TimeBins
from raskr.dataframe.utils import meta_nonempty

_NOT_GIVEN = object()


#: Aggregations for which columns of text are an error, unless only columns of numbers are asked for.
NUMERIC_ONLY_NOT_IMPLEMENTED = ["mean", "std", "var"]


class GroupBy(WholeGroups):
    """A frame, or a series, in groups; what `groupby` gives.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"g": [1, 1, 2], "x": [1, 2, 5]}), npartitions=2)
    >>> df.groupby("g").x.sum().compute().tolist()
    [3, 5]
    """

    def __init__(
        self,
        obj: Any,
        by: Any = None,
        group_keys: bool = True,
        sort: bool | None = None,
        observed: bool | None = None,
        dropna: bool | None = None,
        selection: Any = None,
    ) -> None:
        self.obj, self.sort, self.observed, self.dropna, self.group_keys = obj, sort, observed, dropna, group_keys
        self.selection = selection
        given = list(by) if isinstance(by, (list, tuple)) and not _is_label(obj, by) else [by]
        if by is None:
            raise TypeError("You have to supply one of 'by' and 'level'")
        if not given:
            raise ValueError("No group keys passed!")
        self._labels: list = []
        keys: list = []
        # Columns of dates that a Grouper makes bins of are keys, too; a single one of these has bins without rows.
        self._binned: list = []
        self._bins: TimeBins | None = None
        for key in given:
            if isinstance(key, pd.Grouper) and key.freq is not None:
                bins = TimeBins(_times_of(obj, key), key)
                self._binned += [key.key] if key.key is not None else []
                self._bins = bins if len(given) == 1 else None
                found = operand(bins.key())
            else:
                found = _key(obj, key)
            self._labels.append(None if isinstance(found, Expression) else found)
            keys += [found] if isinstance(found, Expression) else []
        self.by = [key if label is None else label for key, label in zip(given, self._labels)]
        self._source, *self._keys = aligned([obj._expr, *keys])
        self._example()  # pandas' own errors, such as of columns that don't exist

    # --- what is known at once --------------------------------------------------------------------------------------
    @property
    def _is_series(self) -> bool:
        return self.obj.ndim == 1 or self.selection is not None and not isinstance(self.selection, (list, pd.Index))

    @property
    def _columns(self) -> list:
        """The columns that are aggregated."""
        if self.obj.ndim == 1:
            return ["_values"]
        if self.selection is not None:
            return list(self.selection) if isinstance(self.selection, (list, pd.Index)) else [self.selection]
        return [name for name in self.obj.columns if name not in self._own]

    @property
    def _own(self) -> list:
        """The columns that are keys."""
        return [*(label for label in self._labels if label is not None), *self._binned]

    @property
    def _names(self) -> list:
        rest = iter(self._keys)
        return [next(rest).meta.name if label is None else label for label in self._labels]

    @property
    def _options(self) -> dict:
        return {"dropna": self.dropna is not False, "observed": self.observed is not False}

    def _example(self) -> Any:
        """pandas' group-by of made-up rows."""
        part = meta_nonempty(self._source.meta)
        keys = keys_of(part, self._labels, [meta_nonempty(key.meta) for key in self._keys])
        keys = [key.set_axis(part.index) for key in keys]
        values = part
        if part.ndim == 2:
            values = part[[name for name in part.columns if name not in self._own]] if self.selection is None else part
        options = {**self._options, "sort": self.sort is not False, "group_keys": self.group_keys}
        groups = grouped(values, keys, **options)
        return groups if self.selection is None else groups[self.selection]

    def __getitem__(self, key: Any) -> "GroupBy":
        key = list(key) if isinstance(key, (tuple, pd.Index, pd.Series, np.ndarray)) else key
        cls = DataFrameGroupBy if isinstance(key, list) else SeriesGroupBy
        return cls(self.obj, self.by, self.group_keys, self.sort, self.observed, self.dropna, selection=key)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and self.obj.ndim == 2 and name in self.obj.columns:
            return self[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list:
        names = [name for name in getattr(self.obj, "columns", ()) if isinstance(name, str) and name.isidentifier()]
        return [*super().__dir__(), *names]

    # --- aggregations in parts ---------------------------------------------------------------------------------------
    def _in_parts(self, steps: list, columns: Any, meta: Any, split_every: Any, split_out: Any, label: str) -> Any:
        """A result of parts; `columns` are those of the result, None for a series."""
        count = self._source.npartitions if split_out is True else int(split_out or 1)
        if count > 1 and (self.sort or self._bins):
            from raskr.dataframe.repartitioning import SplitPartitions

            whole = self._in_parts(steps, columns, meta, split_every, 1, label)
            return new_collection(SplitPartitions(whole._expr, [count]))
        labels = [label for label in self._labels if label is not None]
        source = self._source
        if source.meta.ndim == 2:
            needed = [name for name in source.meta.columns if name in labels or name in [step.column for step in steps]]
            source = columns_of(source, needed)
        series = columns is None
        kinds = [meta.dtype] if series else list(meta.dtypes)
        common = {"steps": steps, "dropna": self.dropna}
        last = {"sort": self.sort, "observed": self.observed, "series": series, "kinds": kinds, "columns": columns}
        options = {"combine": common, "aggregate": {**common, **last}}
        args = [source, self._labels, steps, self.dropna, self.sort, *self._keys]
        made = new_collection(
            TreeReduction(
                partial_results,
                combined_results,
                finished_results,
                args,
                meta,
                f"groupby-{label}",
                options=options,
                divisions=(None,) * (count + 1),
                split_every=None if split_every == 1 else split_every,
                split=split_by_group if count > 1 else None,
            )
        )
        return self._bins.filled_by_steps(made, self._aggregated(), steps, columns) if self._bins else made

    def _method(self, name: str, split_every: Any = None, split_out: Any = 1, **options: Any) -> Any:
        """An aggregation of this name of all columns."""
        numeric_only = options.pop("numeric_only", False)
        pandas_options = dict(options)
        if numeric_only:
            pandas_options["numeric_only"] = True
        found = getattr(self._example(), name)(**pandas_options)
        meta = found.iloc[:0]
        if name == "size":
            steps = [Step(self.obj.name if self.obj.ndim == 1 else None, None, "size")]
            if self.selection is not None and self._is_series:
                steps[0].label = self.selection
            return self._in_parts(steps, None, meta, split_every, split_out, name)
        columns = self._columns if meta.ndim == 1 else [c for c in self._columns if c in meta.columns]
        if not self._can_be_parted(name, columns):
            return self._whole(name, (), pandas_options, meta, split_out)
        steps = [Step(meta.name if meta.ndim == 1 else column, column, name, options) for column in columns]
        result = None if meta.ndim == 1 else meta.columns
        return self._in_parts(steps, result, meta, split_every, split_out, name)

    def _can_be_parted(self, name: Any, columns: list) -> bool:
        if isinstance(name, Aggregation):
            return True
        if name not in PARTS:
            return False
        if name not in (*NUMERIC_ONLY_NOT_IMPLEMENTED, "sem"):
            return True
        meta = self._source.meta
        kinds = [meta.dtype if meta.ndim == 1 else meta.dtypes[column] for column in columns]
        return all(pd.api.types.is_numeric_dtype(kind) for kind in kinds)

    def sum(
        self,
        numeric_only: bool = False,
        min_count: int = 0,
        split_every: Any = None,
        split_out: Any = 1,
        shuffle_method: Any = None,
    ) -> Any:
        """The sum of each group.

        Parameters
        ----------
        numeric_only : bool
            Only columns of numbers.
        min_count : int
            How many values a group must have; otherwise its sum is missing.
        split_every : int, optional
            How many partial results are combined at once.
        split_out : int
            How many partitions the result has; True for as many as there were.
        shuffle_method : str, optional
            Accepted for likeness.
        """
        options = {"min_count": min_count} if min_count else {}
        return self._method("sum", split_every, split_out, numeric_only=numeric_only, **options)

    def prod(
        self,
        numeric_only: bool = False,
        min_count: int = 0,
        split_every: Any = None,
        split_out: Any = 1,
        shuffle_method: Any = None,
    ) -> Any:
        """The product of each group; the parameters are those of `sum`."""
        options = {"min_count": min_count} if min_count else {}
        return self._method("prod", split_every, split_out, numeric_only=numeric_only, **options)

    def var(
        self,
        ddof: int = 1,
        split_every: Any = None,
        split_out: Any = 1,
        numeric_only: bool = False,
        shuffle_method: Any = None,
    ) -> Any:
        """The variance of each group; other parameters are those of `sum`."""
        return self._method("var", split_every, split_out, ddof=ddof, numeric_only=numeric_only)

    def std(
        self,
        ddof: int = 1,
        split_every: Any = None,
        split_out: Any = 1,
        numeric_only: bool = False,
        shuffle_method: Any = None,
    ) -> Any:
        """The standard deviation of each group; other parameters are those of `sum`."""
        return self._method("std", split_every, split_out, ddof=ddof, numeric_only=numeric_only)

    def sem(self, ddof: int = 1, split_every: Any = None, split_out: Any = 1, numeric_only: bool = False) -> Any:
        """The standard error of the mean of each group; other parameters are those of `sum`."""
        return self._method("sem", split_every, split_out, ddof=ddof, numeric_only=numeric_only)

    def size(self, split_every: Any = None, split_out: Any = 1, shuffle_method: Any = None) -> Any:
        """How many rows each group has."""
        return self._method("size", split_every, split_out)

    # --- aggregations by name ------------------------------------------------------------------------------------------
    def aggregate(
        self, arg: Any = None, split_every: Any = None, split_out: Any = 1, shuffle_method: Any = None, **named: Any
    ) -> Any:
        """One or several aggregations.

        Parameters
        ----------
        arg : str, callable, Aggregation, list or dict
            What is done: to all columns, or by column. `**named` are columns of the result, `(column, what)` each.
        split_every : int, optional
            How many partial results are combined at once.
        split_out : int
            How many partitions the result has.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"g": [1, 1, 2], "x": [1, 2, 5]}), npartitions=2)
        >>> df.groupby("g").agg(most=("x", "max")).most.compute().tolist()
        [2, 5]
        """
        steps, nested = self._steps(arg, named)
        labels = [step.label for step in steps]
        twice = [label for place, label in enumerate(labels) if label in labels[:place]]
        if twice:
            raise ValueError(f"aggregations of the same column need different names, got {twice[0]!r} twice")
        if isinstance(arg, str) and arg in ("size",):
            return self.size(split_every=split_every, split_out=split_out)
        if all(self._can_be_parted(step.kind, [step.column]) for step in steps) and steps:
            columns: Any = [step.label for step in steps]
            if nested:
                columns = pd.MultiIndex.from_tuples(columns)
            single = self._is_series and not nested and not isinstance(arg, (list, dict)) and not named
            columns = None if single else pd.Index(columns) if not nested else columns
            meta = self._meta_of(steps, columns)
            return self._in_parts(steps, columns, meta, split_every, split_out, "agg")
        if any(isinstance(step.kind, Aggregation) for step in steps):
            unknown = [step.kind for step in steps if not isinstance(step.kind, Aggregation)]
            raise ValueError(
                f"an Aggregation goes with aggregations that work in parts ({', '.join(PARTS)}), got {unknown}"
            )
        args = () if arg is None else (arg,)
        found = self._example().agg(*args, **named)
        whole = self._whole("agg", args, named, found.iloc[:0], split_out)
        return self._figures(steps, whole) if all(isinstance(step.kind, str) for step in steps) else whole

    agg = aggregate

    def _steps(self, arg: Any, named: dict) -> tuple:
        """The columns of the result of `aggregate`, and whether their labels have two levels."""
        own = self._columns
        if arg is None:
            if not named:
                raise TypeError("Must provide 'func' or tuples of '(column, aggfunc).")
            if self._is_series:
                return [Step(label, own[0], meaning(what)) for label, what in named.items()], False
            return [Step(label, column, _told(*what)) for label, (column, *what) in named.items()], False
        if isinstance(arg, dict):
            if self._is_series:
                return [Step(label, own[0], meaning(what)) for label, what in arg.items()], False
            nested = any(isinstance(what, (list, tuple)) for what in arg.values())
            steps = []
            for column, what in arg.items():
                if self.obj.ndim == 2 and column not in self.obj.columns:
                    raise KeyError(f"Label(s) [{column!r}] do not exist")
                for each in what if isinstance(what, (list, tuple)) else [what]:
                    label = (column, _name_of(each)) if nested else column
                    steps.append(Step(label, column, meaning(each)))
            return steps, nested
        if isinstance(arg, (list, tuple)):
            if self._is_series:
                return [Step(_name_of(each), own[0], meaning(each)) for each in arg], False
            return [Step((column, _name_of(each)), column, meaning(each)) for column in own for each in arg], True
        name = (self.obj.name if self.obj.ndim == 1 else self.selection) if self._is_series else None
        return [Step(name if self._is_series else column, column, meaning(arg)) for column in own], False

    def _meta_of(self, steps: list, columns: Any) -> Any:
        part = meta_nonempty(self._source.meta)
        given = [meta_nonempty(key.meta).set_axis(part.index) for key in self._keys]
        kinds = []
        example = None
        for step in steps:
            values = part if part.ndim == 1 else part[step.column]
            groups = grouped(values, keys_of(part, self._labels, given), **self._options)
            if isinstance(step.kind, Aggregation):
                found = partial_results(part, self._labels, [step], self.dropna, self.sort, *given)
                one = finished_results([found], [step], self.dropna, self.sort, self.observed, True, [None], None)
            else:
                one = groups.agg(list) if step.kind == "list" else getattr(groups, step.kind)(**step.options)
            example = one.iloc[:0]
            kinds.append(example)
        if columns is None:
            return kinds[0].rename(steps[0].label)
        return pd.concat(kinds, axis=1).set_axis(columns, axis=1)


class DataFrameGroupBy(GroupBy):
    """A frame in groups."""

    def corr(self, split_every: Any = None, split_out: Any = 1, **options: Any) -> Any:
        """The correlations of columns within each group.

        Parameters
        ----------
        split_every : int, optional
            How many partial results are combined at once.
        split_out : int
            How many partitions the result has, where whole groups are needed.
        **options
            Of pandas' method. With any, and with columns other than plain numbers, rows are shuffled by their keys first.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"g": [1, 1, 1], "x": [1, 2, 3], "y": [2, 4, 6]}), npartitions=2)
        >>> df.groupby("g").corr().y.compute().round(6).tolist()
        [1.0, 1.0]
        """
        return self._pairs("corr", split_every, split_out, options)

    def cov(self, split_every: Any = None, split_out: Any = 1, **options: Any) -> Any:
        """The covariances of columns within each group; the parameters are those of `corr`."""
        return self._pairs("cov", split_every, split_out, options)

    def _pairs(self, name: str, split_every: Any, split_out: Any, options: dict) -> Any:
        options = {key: value for key, value in options.items() if key != "shuffle_method"}
        meta = getattr(self._example(), name)(**options).iloc[:0]
        in_parts = not options and self.observed is not False and can_be_paired(self._source.meta, self._columns)
        if not in_parts:
            return self._whole(name, (), options, meta, split_out)
        labels = [label for label in self._labels if label is not None]
        needed = [column for column in self._source.meta.columns if column in labels or column in self._columns]
        args = [columns_of(self._source, needed), self._labels, self._columns, self.dropna, *self._keys]
        last = {"dropna": self.dropna, "sort": self.sort, "correlation": name == "corr", "meta": meta}
        settings = {"combine": {"dropna": self.dropna}, "aggregate": last}
        steps = (pairs_of, pairs_together, pairs_finished)
        made = TreeReduction(*steps, args, meta, f"groupby-{name}", options=settings, split_every=split_every)
        return new_collection(made)


class SeriesGroupBy(GroupBy):
    """A series, or one column of a frame, in groups."""

    def nunique(self, split_every: Any = None, split_out: Any = 1) -> Any:
        """How many different values each group has."""
        meta = self._example().nunique().iloc[:0]
        return self._whole("nunique", (), {}, meta, split_out, distinct=True)

    def unique(self, split_every: Any = None, split_out: Any = 1) -> Any:
        """The different values of each group, in the order in which they come."""
        meta = self._example().unique().iloc[:0]
        return self._whole("unique", (), {}, meta, split_out, distinct=True)

    def value_counts(self, split_every: Any = None, split_out: Any = 1) -> Any:
        """How often each value is there in each group."""
        return self._whole("value_counts", (), {}, self._example().value_counts().iloc[:0], split_out)


def _told(what: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
    """What an aggregation means; those with arguments, which pandas.NamedAgg can have, are left to pandas."""
    return f"{what!r} with arguments" if args or kwargs else meaning(what)


def _name_of(function: Any) -> Any:
    name = function if isinstance(function, str) else meaning(function)
    return name if isinstance(name, str) else getattr(function, "__name__", repr(function))


def _is_label(obj: Any, by: Any) -> bool:
    return isinstance(by, tuple) and obj.ndim == 2 and by in list(obj.columns)


def _key(obj: Any, key: Any) -> Any:
    """A key as a label, or as an expression of a series."""
    if isinstance(key, pd.Series):
        from raskr.dataframe.sources import from_pandas

        key = from_pandas(key, npartitions=1)
    if isinstance(getattr(key, "_expr", None), Expression):
        if key.ndim == 2:
            raise ValueError("groupby: a column, a series or a list of these was expected, got a DataFrame")
        if isinstance(key._meta, pd.Index):
            return operand(elementwise(_series_of_index, [obj, key]))
        if obj.ndim == 2 and key._expr.name == _named(obj, key):
            return key.name
        return operand(key)
    if isinstance(key, pd.Grouper):
        return operand(_times_of(obj, key)) if key.key is None else _key(obj, key.key)
    if callable(key):
        return operand(elementwise(_mapped_index, [obj, key]))
    names = obj._meta.index.names
    if obj.ndim == 2 and key in obj.columns or key in names and key is not None:
        return key
    raise KeyError(key)


def _times_of(obj: Any, grouper: Any) -> Any:
    """The series that a Grouper is about: a column, or the index."""
    if grouper.key is not None and obj.ndim == 2:
        return obj[grouper.key]
    if grouper.key is not None:
        raise KeyError(f"The grouper name {grouper.key} is not found")
    return obj.index.to_series()


def _series_of_index(part: Any, index: Any) -> Any:
    return pd.Series(index, index=part.index, name=index.name)


def _mapped_index(part: Any, function: Any) -> Any:
    return pd.Series(part.index.map(function), index=part.index)


def _named(obj: Any, key: Any) -> Any:
    """The name that the frame's own column of this label has."""
    try:
        return obj[key.name]._expr.name if key.name in obj.columns else None
    except (KeyError, TypeError):
        return None


_SIMPLE = {
    "all": "Are all values of each group true?",
    "any": "Is any value of each group true?",
    "count": "How many values each group has, missing ones left out.",
    "first": "The first value of each group.",
    "last": "The last value of each group.",
    "max": "The greatest value of each group.",
    "mean": "The mean of each group.",
    "min": "The least value of each group.",
    "median": "The median of each group.",
    "idxmax": "The index of the greatest value of each group.",
    "idxmin": "The index of the least value of each group.",
    "corr": "The correlations within each group.",
    "cov": "The covariances within each group.",
    "quantile": "A quantile of each group.",
    "skew": "The skewness of each group.",
    "kurt": "The kurtosis of each group.",
    "nunique": "How many different values each group has.",
    "rank": "The rank of each row within its group.",
    "nlargest": "The greatest values of each group.",
    "nsmallest": "The least values of each group.",
    "pct_change": "Each value's change from the one before within its group.",
    "ohlc": "The first, greatest, least and last value of each group.",
}


def _fill() -> None:
    def method_of(name: str, summary: str) -> Any:
        def method(self: GroupBy, *args: Any, split_every: Any = None, split_out: Any = 1, **options: Any) -> Any:
            options.pop("shuffle_method", None)
            if name in PARTS and not args:
                return self._method(name, split_every, split_out, **options)
            meta = getattr(self._example(), name)(*args, **options).iloc[:0]
            whole = self._whole(name, args, options, meta, split_out, rows=name in ("rank", "pct_change"))
            if name != "median" or args or options:
                return whole
            columns = [meta.name] if meta.ndim == 1 else meta.columns
            return self._figures([Step(column, column, name) for column in columns], whole)

        method.__name__ = name
        method.__doc__ = (
            f"{summary}\n\nThe arguments are those of pandas' method; `split_out` is a number of partitions."
        )
        return method

    for name, summary in _SIMPLE.items():
        if hasattr(pd.core.groupby.DataFrameGroupBy, name) or hasattr(pd.core.groupby.SeriesGroupBy, name):
            setattr(GroupBy, name, method_of(name, summary))


_fill()


class GroupingMethods:
    """The method `groupby`."""

    def groupby(
        self,
        by: Any = None,
        group_keys: bool = True,
        sort: bool | None = None,
        observed: bool | None = None,
        dropna: bool | None = None,
        level: Any = None,
    ) -> Any:
        """The rows in groups.

        Parameters
        ----------
        by : label, Series, function of the index, pandas.Grouper, or list of these
            The keys.
        group_keys : bool
            Whether results of `apply` have the group in their index.
        sort : bool, optional
            Whether groups are in order; yes, where the result is one partition.
        observed : bool, optional
            Whether only those categories count that are there.
        dropna : bool, optional
            Whether rows without a key are left out.
        level : object, optional
            0 or the index's name for the index as key.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"g": [1, 1, 2], "x": [1, 2, 5]}), npartitions=2)
        >>> df.groupby("g").x.mean().compute().tolist()
        [1.5, 5.0]
        """
        if by is not None and level is not None:
            raise TypeError(f"groupby: by= or level= was expected, got both: {by!r} and {level!r}")
        if level is not None:
            by = self.index.to_series()  # type: ignore[attr-defined]
        cls = DataFrameGroupBy if self.ndim == 2 else SeriesGroupBy  # type: ignore[attr-defined]
        return cls(self, by, group_keys, sort, observed, dropna)
