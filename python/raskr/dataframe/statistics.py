"""Reductions that see values, not only their sums: quantiles, counts of values, modes, correlations, `describe`."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.describing import beside_described, numbers_described, texts_described
from raskr.dataframe.expressions import PartitionCalls, TreeReduction
from raskr.dataframe.mapping import elementwise, new_collection
from raskr.dataframe.partials import concat
from raskr.dataframe.quantiles import merged_values, quantiles_of, sorted_values
from raskr.dataframe.reductions import numeric_columns
from raskr.dataframe.utils import meta_nonempty
from raskr.utils import M


def _bools_as_numbers(frame: Any) -> Any:
    """Medians lie between values, which truth values have nothing between."""
    dtypes = frame._meta.dtypes
    kinds = {None: dtypes} if frame.ndim == 1 else dict(dtypes)
    changes = {
        name: "Float64" if isinstance(kind, pd.BooleanDtype) else "float64"
        for name, kind in kinds.items()
        if kind == np.bool_ or isinstance(kind, pd.BooleanDtype)
    }
    return frame.astype(changes[None] if frame.ndim == 1 else changes) if changes else frame


class TableStatistics:
    """What frames and series share."""

    def median(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, method: str = "default") -> Any:
        """The median; exact, but for columns of many millions of values: see `quantile`."""
        if axis in (1, "columns"):
            return elementwise(M.median, [self], {"axis": 1, "skipna": skipna, "numeric_only": numeric_only})
        frame: Any = self
        meta_nonempty(frame._meta).median(**({"numeric_only": numeric_only} if frame.ndim == 2 else {}))
        frame = _bools_as_numbers(frame)
        if frame.ndim == 2 and numeric_only:
            frame = frame[numeric_columns(frame._meta)]
        found = frame._quantiles(0.5, method, "linear", "median")
        found = elementwise(M.rename, [found, None]) if frame.ndim == 2 else found
        return found if skipna else elementwise(_unless_missing, [found, frame.isna().any()])

    def median_approximate(self, axis: Any = 0, method: str = "default", numeric_only: bool = False) -> Any:
        """The median, as `median` gives it."""
        return self.median(axis=axis, numeric_only=numeric_only, method=method)

    def _quantiles(self, q: Any, method: str, interpolation: str, label: str = "quantile") -> Any:
        if method not in ("default", "dask", "tdigest"):
            raise ValueError(f"method can only be 'default', 'dask' or 'tdigest', got {method!r}")
        points = np.asarray(q, dtype=float)
        if ((points < 0) | (points > 1)).any():
            raise ValueError(f"q: numbers between 0 and 1 were expected, got {q!r}")
        options = {"q": q, "interpolation": interpolation, "like": self._meta}
        meta = quantiles_of([sorted_values(self._meta)], **options)
        divisions: tuple = (None, None)
        if points.ndim and len(points):
            divisions = (float(points.min()), float(points.max()))
        elif self.ndim == 2 and len(self.columns) and not points.ndim:
            divisions = _ends_of(self.columns)
        return new_collection(
            TreeReduction(
                sorted_values,
                merged_values,
                quantiles_of,
                [self._expr],
                meta,
                label,
                options={"aggregate": options},
                divisions=divisions,
                broadcast=self.ndim == 2 or not points.ndim,
            )
        )

    def nlargest(self, n: int = 5, columns: Any = None, split_every: Any = None) -> Any:
        """The `n` greatest values, or rows by columns, in descending order."""
        return self._extreme_rows("nlargest", n, columns, split_every)

    def nsmallest(self, n: int = 5, columns: Any = None, split_every: Any = None) -> Any:
        """The `n` least values, or rows by columns, in ascending order."""
        return self._extreme_rows("nsmallest", n, columns, split_every)

    def _extreme_rows(self, name: str, n: int, columns: Any, split_every: Any) -> Any:
        args = {"n": n} if columns is None else {"n": n, "columns": columns}
        meta = getattr(self._meta, name)(**args)
        options = {"name": name, "args": args}
        return new_collection(
            TreeReduction(
                _extreme,
                _extremes,
                _extremes,
                [self._expr],
                meta,
                name,
                options={"chunk": options, "combine": options, "aggregate": options},
                split_every=split_every,
            )
        )

    def nunique_approx(self, split_every: Any = None) -> Any:
        """About how many different values, or rows, there are, within some percent; see `hyperloglog`."""
        from raskr.dataframe.hyperloglog import estimated, registers, registers_together

        steps = (registers, registers_together, estimated)
        return new_collection(TreeReduction(*steps, [self._expr], 0.0, "nunique-approx", split_every=split_every))


class FrameStatistics(TableStatistics):
    """What frames have beyond."""

    def quantile(
        self,
        q: Any = 0.5,
        axis: Any = 0,
        numeric_only: bool = False,
        method: str = "default",
        interpolation: str = "linear",
    ) -> Any:
        """Values below which given shares of the values lie.

        Up to some millions of values in a column the result is exact; beyond, partial results are thinned, and its rank
        is off by less than one in a hundred thousand.

        Parameters
        ----------
        q : float or list of float
            Shares, between 0 and 1; along the columns a single one.
        axis : {0, 1}
            Along the rows, or for each row along the columns.
        numeric_only : bool
            Only columns of numbers.
        method : str
            Accepted for likeness: 'default', 'dask' or 'tdigest'.
        interpolation : str
            As in pandas.
        """
        if axis in (1, "columns"):
            if np.ndim(q):
                raise ValueError(f"'q' must be scalar when axis=1 is specified, got {q!r}")
            options = {"q": q, "axis": 1, "numeric_only": numeric_only, "interpolation": interpolation}
            # Of no rows pandas gives no index.
            meta = meta_nonempty(self._meta).quantile(**options).iloc[:0]
            return elementwise(M.quantile, [self], options, meta=meta)
        frame: Any = self[numeric_columns(self._meta)] if numeric_only else self
        meta_nonempty(frame._meta).quantile(q)  # pandas' own error for what can't be interpolated
        return frame._quantiles(q, method, interpolation)

    def nunique(self, axis: Any = 0, dropna: bool = True, split_every: Any = None) -> Any:
        """How many different values each column, or each row, has."""
        if axis in (1, "columns"):
            return elementwise(M.nunique, [self], {"axis": 1, "dropna": dropna})
        counts = [self[name].nunique(dropna=dropna, split_every=split_every) for name in self.columns]
        return _beside(counts, self.columns, "int64")

    def mode(self, dropna: bool = True, split_every: Any = None, numeric_only: bool = False) -> Any:
        """The most frequent values of each column, in rows."""
        frame: Any = self[numeric_columns(self._meta)] if numeric_only else self
        modes = [frame[name].mode(dropna=dropna, split_every=split_every) for name in frame.columns]
        args = [mode._expr for mode in modes]
        return new_collection(PartitionCalls(_columns_of, args, {}, frame._meta.reset_index(drop=True), (None, None)))

    def corr(
        self,
        method: str = "pearson",
        min_periods: int | None = None,
        numeric_only: bool = False,
        split_every: Any = None,
    ) -> Any:
        """Pearson's correlation of each two columns, of the rows in which neither is missing."""
        if method != "pearson":
            raise NotImplementedError(f"corr: only Pearson correlation has been implemented, got {method!r}")
        frame = self[numeric_columns(self._meta)] if numeric_only else self
        return pairwise(frame, min_periods or 1, True, split_every)

    def cov(self, min_periods: int | None = None, numeric_only: bool = False, split_every: Any = None) -> Any:
        """The covariance of each two columns, of the rows in which neither is missing."""
        frame = self[numeric_columns(self._meta)] if numeric_only else self
        return pairwise(frame, min_periods or 2, False, split_every)

    def value_counts(
        self,
        sort: bool | None = None,
        ascending: bool = False,
        dropna: bool = True,
        normalize: bool = False,
        split_every: Any = None,
        split_out: int = 1,
    ) -> Any:
        """How often each different row is there."""
        options = {"sort": sort is not False, "ascending": ascending, "dropna": dropna, "normalize": normalize}
        return _counts(self, options, split_every, split_out)

    def describe(
        self,
        split_every: Any = None,
        percentiles: Any = None,
        percentiles_method: str = "default",
        include: Any = None,
        exclude: Any = None,
    ) -> Any:
        """Counts, means, deviations, extremes and quantiles of the columns; see `pandas.DataFrame.describe`."""
        meta = self._meta
        if include is None and exclude is None:
            chosen = [
                name
                for name, kind in meta.dtypes.items()
                if pd.api.types.is_numeric_dtype(kind)
                and not pd.api.types.is_bool_dtype(kind)
                or pd.api.types.is_datetime64_any_dtype(kind)
                or pd.api.types.is_timedelta64_dtype(kind)
            ] or list(meta.columns)
        elif include == "all":
            if exclude is not None:
                raise ValueError("exclude must be None when include is 'all'")
            chosen = list(meta.columns)
        else:
            chosen = list(meta.select_dtypes(include=include, exclude=exclude).columns)
        if not chosen:
            raise ValueError("DataFrame contains only non-numeric data.")
        described = [self[name].describe(percentiles=percentiles, split_every=split_every) for name in chosen]
        example = pd.concat([one._meta for one in described], axis=1)
        args = [one._expr for one in described]
        return new_collection(PartitionCalls(beside_described, args, {}, example, (None, None), "describe"))

    def memory_usage(self, index: bool = True, deep: bool = False) -> Any:
        """The bytes of each column, and of the index."""
        options = {"chunk": {"function": M.memory_usage, "options": {"index": index, "deep": deep}}}
        steps = (_apply_options, _series_sum, _series_sum)
        meta = self._meta.memory_usage(index=index, deep=deep).iloc[:0]
        return new_collection(TreeReduction(*steps, [self._expr], meta, "memory-usage", options=options))


class SeriesStatistics(TableStatistics):
    """What series have beyond."""

    def quantile(self, q: Any = 0.5, method: str = "default", interpolation: str = "linear") -> Any:
        """Values below which given shares of the values lie; see `DataFrame.quantile`."""
        return self._quantiles(q, method, interpolation)

    def nunique(self, dropna: bool = True, split_every: Any = None, split_out: Any = None) -> Any:
        """How many different values there are."""
        steps = (_distinct, _distinct_together, _distinct_number)
        options = {"chunk": {"dropna": dropna}}
        return new_collection(
            TreeReduction(*steps, [self._expr], 0, "nunique", options=options, split_every=split_every)
        )

    def value_counts(
        self,
        sort: bool | None = None,
        ascending: bool = False,
        dropna: bool = True,
        normalize: bool = False,
        split_every: Any = None,
        split_out: Any = 1,
    ) -> Any:
        """How often each different value is there, the most frequent first.

        Parameters
        ----------
        sort : bool
            By how often they are there.
        ascending : bool
            The rarest first.
        dropna : bool
            Leave missing values out.
        normalize : bool
            Shares in place of counts.
        split_every : int, optional
            How many partial results are combined at once.
        split_out : int
            How many partitions the result has, each sorted by itself.
        """
        options = {"sort": sort is not False, "ascending": ascending, "dropna": dropna, "normalize": normalize}
        return _counts(self, options, split_every, split_out)

    def mode(self, dropna: bool = True, split_every: Any = None) -> Any:
        """The most frequent values, in ascending order."""
        steps = (_count_values, _add_counts, _most_frequent)
        options = {"chunk": {"dropna": dropna}, "aggregate": {"name": self.name, "dtype": self.dtype}}
        meta = self._meta.reset_index(drop=True)
        return new_collection(
            TreeReduction(*steps, [self._expr], meta, "mode", options=options, split_every=split_every)
        )

    def corr(self, other: Any, method: str = "pearson", min_periods: int | None = None, split_every: Any = None) -> Any:
        """Pearson's correlation with another series."""
        if method != "pearson":
            raise NotImplementedError(f"corr: only Pearson correlation has been implemented, got {method!r}")
        return self._pair(other, min_periods or 1, True, split_every)

    def cov(self, other: Any, min_periods: int | None = None, split_every: Any = None) -> Any:
        """The covariance with another series."""
        return self._pair(other, min_periods or 2, False, split_every)

    def _pair(self, other: Any, least: int, corr: bool, split_every: Any) -> Any:
        if getattr(other, "ndim", 0) != 1:
            raise TypeError(f"other must be a Series, got {type(other).__name__}")
        both = elementwise(_two_columns, [self, other])
        matrix = pairwise(both, least, corr, split_every)
        return new_collection(
            PartitionCalls(_corner, [matrix._expr], {}, np.float64(0), (None, None), "corr" if corr else "cov")
        )

    def autocorr(self, lag: int = 1, split_every: Any = None) -> Any:
        """The correlation with the series, shifted."""
        if not isinstance(lag, (int, np.integer)):
            raise TypeError(f"lag must be an integer, got {lag!r}")
        return self.corr(self if lag == 0 else self.shift(lag), split_every=split_every)

    def describe(
        self,
        split_every: Any = None,
        percentiles: Any = None,
        percentiles_method: str = "default",
        include: Any = None,
        exclude: Any = None,
    ) -> Any:
        """Count, mean, deviation, extremes and quantiles, or count and most frequent value; see pandas."""
        kind = self.dtype
        dates = pd.api.types.is_datetime64_any_dtype(kind)
        if (
            pd.api.types.is_numeric_dtype(kind)
            and not pd.api.types.is_bool_dtype(kind)
            or dates
            or getattr(kind, "kind", "") == "m"
        ):
            points = [0.25, 0.5, 0.75] if percentiles is None else sorted({*map(float, percentiles)})
            parts = [self.count(), self.mean(), self.min(), self.quantile(points) if points else None, self.max()]
            parts += [] if dates else [self.std()]
            args = [None if part is None else part._expr for part in parts]
        else:
            points = None
            args = [self.count()._expr, self.value_counts()._expr]
        kwargs = {"points": points, "name": self.name, "dtype": kind}
        example = (numbers_described if points is not None else texts_described)(
            *(None if arg is None else arg.meta for arg in args), **kwargs
        )
        function = numbers_described if points is not None else texts_described
        return new_collection(PartitionCalls(function, args, kwargs, example.iloc[:0], (None, None), "describe"))

    def memory_usage(self, index: bool = True, deep: bool = False) -> Any:
        """The bytes of the values, and of the index."""
        options = {"chunk": {"index": index, "deep": deep}}
        return new_collection(TreeReduction(_bytes, sum, sum, [self._expr], 0, "memory-usage", options=options))

    @property
    def nbytes(self) -> Any:
        """The bytes of the values."""
        return new_collection(TreeReduction(_nbytes, sum, sum, [self._expr], 0, "nbytes"))

    @property
    def is_monotonic_increasing(self) -> Any:
        """Does no value come before a lesser one?"""
        return _monotonic(self, "is_monotonic_increasing")

    @property
    def is_monotonic_decreasing(self) -> Any:
        """Does no value come before a greater one?"""
        return _monotonic(self, "is_monotonic_decreasing")


def _unless_missing(found: Any, missing: Any) -> Any:
    """What was found, but missing where that is said."""
    return found.mask(missing) if isinstance(found, pd.Series) else pd.Series([found]).mask(bool(missing)).iloc[0]


def _ends_of(columns: Any) -> tuple:
    try:
        return min(columns), max(columns)
    except TypeError:
        return None, None


def _monotonic(series: Any, name: str) -> Any:
    options = {"chunk": {"name": name}, "combine": {"name": name}, "aggregate": {"name": name}}
    steps = (_ends, _ends_together, _is_monotonic)
    return new_collection(TreeReduction(*steps, [series._expr], True, name, options=options))


def _ends(part: Any, name: str) -> Any:
    if not len(part):
        return None
    values = part if isinstance(part, pd.Index) else pd.Index(part)
    return bool(getattr(values, name)), values[0], values[-1]


def _ends_together(found: list, name: str) -> Any:
    there = [each for each in found if each is not None]
    if not there:
        return None
    good = all(each[0] for each in there)
    for one, other in zip(there, there[1:]):
        good = good and bool(one[2] <= other[1] if name == "is_monotonic_increasing" else one[2] >= other[1])
    return good, there[0][1], there[-1][2]


def _is_monotonic(found: list, name: str) -> bool:
    whole = _ends_together(found, name)
    return whole is None or whole[0]


def _beside(scalars: list, columns: Any, dtype: Any) -> Any:
    args = [scalar._expr for scalar in scalars]
    kwargs = {"names": columns, "dtype": dtype}
    meta = pd.Series([], dtype=dtype, index=columns[:0])
    return new_collection(PartitionCalls(_series_of, args, kwargs, meta, (None, None)))


def _series_of(*values: Any, names: Any, dtype: Any) -> Any:
    return pd.Series(list(values), index=names, dtype=dtype)


def _columns_of(*columns: Any) -> Any:
    return pd.concat(columns, axis=1)


def _extreme(part: Any, name: str, args: dict) -> Any:
    return getattr(part, name)(**args)


def _extremes(found: list, name: str, args: dict) -> Any:
    return getattr(concat(found), name)(**args)


def _apply_options(part: Any, function: Any, options: dict) -> Any:
    return function(part, **options)


def _series_sum(found: list) -> Any:
    return sum(found[1:], found[0])


def _bytes(part: Any, index: bool, deep: bool) -> int:
    return int(
        part.memory_usage(deep=deep) if isinstance(part, pd.Index) else part.memory_usage(index=index, deep=deep)
    )


def _nbytes(part: Any) -> int:
    return int(part.nbytes)


def _distinct(part: Any, dropna: bool) -> Any:
    values = part.to_series() if isinstance(part, pd.Index) else part
    return (values.dropna() if dropna else values).drop_duplicates()


def _distinct_together(found: list) -> Any:
    return concat(found).drop_duplicates()


def _distinct_number(found: list) -> int:
    return len(_distinct_together(found))


def _count_values(part: Any, dropna: bool) -> Any:
    if isinstance(part, pd.Index):
        part = part.to_series()
    return part.value_counts(sort=False, dropna=dropna)


def _add_counts(found: list) -> Any:
    whole = concat(found)
    if len(found) == 1:
        return whole
    levels = list(range(whole.index.nlevels)) if whole.index.nlevels > 1 else 0
    return whole.groupby(level=levels, sort=False, dropna=False, observed=False).sum()


def _counted(found: list, sort: bool, ascending: bool, normalize: bool, dropna: bool) -> Any:
    whole = _add_counts(found)
    if sort:
        whole = whole.sort_values(ascending=ascending, kind="stable")
    if normalize:
        total = whole.sum()
        whole = (whole / total).rename("proportion") if total else whole.astype(float).rename("proportion")
    return whole


def _counts(data: Any, options: dict, split_every: Any, split_out: Any) -> Any:
    dropna = options["dropna"]
    meta = _counted([_count_values(data._meta, dropna)], **options)
    steps = (_count_values, _add_counts, _counted)
    arguments = {"chunk": {"dropna": dropna}, "aggregate": options}
    count = data.npartitions if split_out is True else int(split_out or 1)
    if count > 1 and options["normalize"]:
        counts = _counts(data, {**options, "normalize": False}, split_every, split_out)
        total = data.count() if dropna and data.ndim == 1 else data._row_number()
        return elementwise(_shares, [counts, total])
    return new_collection(
        TreeReduction(
            *steps,
            [data._expr],
            meta.iloc[:0],
            "value-counts",
            options=arguments,
            split_every=split_every,
            divisions=(None,) * (count + 1),
            split=_split_counts if count > 1 else None,
        )
    )


def _shares(counts: Any, total: int) -> Any:
    return (counts / total).rename("proportion")


def _split_counts(counts: Any, number: int) -> list:
    from raskr.dataframe.grouping import group_hashes

    places = group_hashes(counts.index) % np.uint64(number)
    return [counts[places == place] for place in range(number)]


def _most_frequent(found: list, name: Any, dtype: Any) -> Any:
    counts = _add_counts(found)
    best = counts.index[counts == counts.max()] if len(counts) else counts.index
    try:
        best = best.sort_values()
    except TypeError:
        pass
    return pd.Series(best, name=name, dtype=dtype)


def _two_columns(one: Any, other: Any) -> Any:
    return pd.DataFrame({0: one, 1: other})


def _corner(matrix: Any) -> Any:
    return matrix.iloc[0, 1]


def pairwise(frame: Any, least: int, corr: bool, split_every: Any) -> Any:
    """The covariances or correlations of each two columns."""
    example = meta_nonempty(frame._meta)
    meta = example.corr() if corr else example.cov()
    options = {"aggregate": {"least": least, "corr": corr, "columns": frame.columns}}
    steps = (_products, _products_together, _matrix)
    label = "corr" if corr else "cov"
    return new_collection(
        TreeReduction(*steps, [frame._expr], meta.iloc[:0], label, options=options, split_every=split_every)
    )


def _products(part: Any) -> Any:
    """Counts, means and centred products of each two columns over the rows that have both."""
    values = part.to_numpy(dtype=float, na_value=np.nan)
    there = ~np.isnan(values)
    rows, width = values.shape
    if rows and there.all():
        means = values.mean(axis=0)
        away = values - means
        products = away.T @ away
        whole = np.ones((width, width))
        return rows * whole, means[:, None] * whole, products, np.diag(products)[:, None] * whole
    clean = np.where(there, values, 0.0)
    count = there.T.astype(float) @ there.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, (clean.T @ there) / count, 0.0)  # of column i over rows that also have j
    products, squares = np.zeros((width, width)), np.zeros((width, width))
    for i in range(width):
        for j in range(width):
            both = there[:, i] & there[:, j]
            left, right = values[both, i] - mean[i, j], values[both, j] - mean[j, i]
            products[i, j], squares[i, j] = left @ right, left @ left
    return count, mean, products, squares


def _products_together(found: list) -> Any:
    count, mean, products, squares = found[0]
    for more, other, others, second in found[1:]:
        total = count + more
        safe = np.where(total > 0, total, 1.0)
        gap = other - mean
        weight = count * more / safe
        products = products + others + gap * gap.T * weight
        squares = squares + second + gap * gap * weight
        mean, count = mean + gap * more / safe, total
    return count, mean, products, squares


def _matrix(found: list, least: int, corr: bool, columns: Any) -> Any:
    count, _, products, squares = _products_together(found)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = products / np.sqrt(squares * squares.T) if corr else products / (count - 1)
        values = np.clip(values, -1.0, 1.0) if corr else values
    values = np.where(count >= max(least, 1 if corr else 2), values, np.nan)
    return pd.DataFrame(values, index=columns, columns=columns)
