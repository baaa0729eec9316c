"""Reductions of rows: sums, extremes, moments, positions; each partition to one row, rows combined in a tree."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.expressions import TreeReduction
from raskr.dataframe.mapping import elementwise, new_collection
from raskr.dataframe.moments import moments_finished, moments_merged, moments_of
from raskr.dataframe.partials import as_frame, concat, finished, one_row, one_row_or_none, rows_reduced
from raskr.dataframe.utils import meta_nonempty
from raskr.utils import M


def numeric_columns(meta: Any) -> list:
    """The columns that pandas counts as numeric."""
    return [name for name, kind in zip(meta.columns, meta.dtypes) if pd.api.types.is_numeric_dtype(kind)]


class Reductions:
    """Reductions along rows, or along columns with `axis=1`."""

    def reduction(
        self,
        chunk: Any,
        aggregate: Any = None,
        combine: Any = None,
        meta: Any = None,
        token: str | None = None,
        split_every: Any = None,
        chunk_kwargs: dict | None = None,
        aggregate_kwargs: dict | None = None,
        combine_kwargs: dict | None = None,
        **kwargs: Any,
    ) -> Any:
        """A reduction by functions of one's own.

        Parameters
        ----------
        chunk : callable
            Of a partition; gives a pandas object or a number.
        aggregate : callable, optional
            Of the results put together: a frame of series, a series of numbers; `chunk` by default.
        combine : callable, optional
            Likewise, for some of the results, in between; `aggregate` by default.
        meta : pandas object, optional
            An empty example of the result.
        token : str, optional
            A name for the keys.
        split_every : int, optional
            How many results are combined at once.
        chunk_kwargs, aggregate_kwargs, combine_kwargs : dict, optional
            Further arguments of the functions; `**kwargs` go to all of them.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> s = dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2)
        >>> int(s.reduction(lambda part: part.max(), aggregate=lambda found: found.max()).compute())
        3
        """
        aggregate = chunk if aggregate is None else aggregate
        if combine is None:
            combine, combine_kwargs = aggregate, combine_kwargs or aggregate_kwargs
        options = {
            "chunk": {"function": chunk, "options": {**kwargs, **(chunk_kwargs or {})}},
            "combine": {"function": combine, "options": {**kwargs, **(combine_kwargs or {})}},
            "aggregate": {"function": aggregate, "options": {**kwargs, **(aggregate_kwargs or {})}},
        }
        if meta is None:
            first = _called(self._meta, **options["chunk"])
            meta = _gathered([_gathered([first], **options["combine"])], **options["aggregate"])
        from raskr.dataframe.mapping import make_meta

        if not np.isscalar(meta) and meta is not None and not isinstance(meta, (pd.DataFrame, pd.Series)):
            # A type alone is that of a number.
            meta = np.dtype(meta).type() if isinstance(meta, (type, str, np.dtype)) else make_meta(meta)
        steps = (_called, _gathered, _gathered)
        name = token or "reduction"
        return new_collection(TreeReduction(*steps, [self._expr], meta, name, options=options, split_every=split_every))

    def _reduced(
        self, chunk: Any, combine: Any, aggregate: Any, label: str, split_every: Any = None, options: Any = None
    ) -> Any:
        """A reduction to a series over the columns, or to a number, whose functions see lists of rows."""
        options = dict(options or {})
        example = meta_nonempty(self._meta)
        meta = aggregate(
            [combine([chunk(example, **options.get("chunk", {}))], **options.get("combine", {}))],
            **options.get("aggregate", {}),
        )
        steps = (chunk, combine, aggregate)
        return new_collection(
            TreeReduction(
                *steps,
                [self._expr],
                meta,
                label,
                options=options,
                divisions=_ends(meta),
                split_every=split_every,
                broadcast=True,
            )
        )

    def _by_method(
        self,
        name: str,
        axis: Any,
        split_every: Any,
        final: str | None = None,
        numeric_only: bool = False,
        **kwargs: Any,
    ) -> Any:
        if axis is None and self.ndim == 2:
            return _flat(self, numeric_only)._by_method(name, 0, split_every, final, **kwargs)
        if _along_columns(self, axis):
            options = {"numeric_only": numeric_only} if name not in ("any", "all") else {}
            return elementwise(getattr(M, name), [self], {"axis": 1, **options, **kwargs}, label=name)
        if numeric_only and self.ndim == 2:
            return self[numeric_columns(self._meta)]._by_method(name, 0, split_every, final, **kwargs)
        if self.ndim == 2 or name not in ("count",):
            getattr(as_frame(meta_nonempty(self._meta)), name)(**kwargs)
        chunk = one_row_or_none if name in ("min", "max") else one_row
        last = final or name
        later = {} if last != name else kwargs
        return self._reduced(
            chunk,
            rows_reduced,
            finished,
            name,
            split_every,
            {
                "chunk": {"method": name, **kwargs},
                "combine": {"method": last, **later},
                "aggregate": {"method": last, "series": self.ndim == 1, **later},
            },
        )

    def sum(
        self,
        axis: Any = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        min_count: int = 0,
        split_every: Any = None,
        dtype: None = None,
        out: None = None,
    ) -> Any:
        """The sum of the values.

        Parameters
        ----------
        axis : {0, 1}
            Along the rows, or for each row along the columns.
        skipna : bool
            Leave missing values out.
        numeric_only : bool
            Only columns of numbers.
        min_count : int
            How many values must be there; otherwise the sum is missing.
        split_every : int, optional
            How many partial results are combined at once.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> int(dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2).sum().compute())
        6
        """
        return self._with_least("sum", axis, skipna, numeric_only, min_count, split_every)

    def prod(
        self,
        axis: Any = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        min_count: int = 0,
        split_every: Any = None,
        dtype: None = None,
        out: None = None,
    ) -> Any:
        """The product of the values; the parameters are those of `sum`."""
        return self._with_least("prod", axis, skipna, numeric_only, min_count, split_every)

    product = prod

    def _with_least(
        self, name: str, axis: Any, skipna: bool, numeric_only: bool, min_count: int, split_every: Any
    ) -> Any:
        if axis is None and self.ndim == 2:
            return _flat(self, numeric_only)._with_least(name, 0, skipna, False, min_count, split_every)
        if _along_columns(self, axis):
            options = {"axis": 1, "skipna": skipna, "numeric_only": numeric_only, "min_count": min_count}
            return elementwise(getattr(M, name), [self], options, label=name)
        whole = self._by_method(name, axis, split_every, numeric_only=numeric_only, skipna=skipna)
        if not min_count:
            return whole
        there = self.count(numeric_only=numeric_only) if self.ndim == 2 else self.count()
        return elementwise(_where_enough, [whole, there, min_count])

    def max(
        self,
        axis: Any = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        split_every: Any = None,
        dtype: None = None,
        out: None = None,
    ) -> Any:
        """The greatest value; the parameters are those of `sum`."""
        return self._by_method("max", axis, split_every, numeric_only=numeric_only, skipna=skipna)

    def min(
        self,
        axis: Any = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        split_every: Any = None,
        dtype: None = None,
        out: None = None,
    ) -> Any:
        """The least value; the parameters are those of `sum`."""
        return self._by_method("min", axis, split_every, numeric_only=numeric_only, skipna=skipna)

    def any(
        self, axis: Any = 0, skipna: bool = True, split_every: Any = None, dtype: None = None, out: None = None
    ) -> Any:
        """Is any value true?"""
        return self._by_method("any", axis, split_every, skipna=skipna)

    def all(
        self, axis: Any = 0, skipna: bool = True, split_every: Any = None, dtype: None = None, out: None = None
    ) -> Any:
        """Are all values true?"""
        return self._by_method("all", axis, split_every, skipna=skipna)

    def count(self, axis: Any = 0, numeric_only: bool = False, split_every: Any = None) -> Any:
        """How many values are there, missing ones left out."""
        return self._by_method("count", axis, split_every, "sum", numeric_only=numeric_only)

    @property
    def size(self) -> Any:
        """The number of values, missing ones too."""
        return self._reduced(_size, _total, _total, "size")

    def _by_moments(
        self, name: str, axis: Any, skipna: bool, numeric_only: bool, split_every: Any, **kwargs: Any
    ) -> Any:
        if axis is None and self.ndim == 2:
            return _flat(self, numeric_only)._by_moments(name, 0, skipna, False, split_every, **kwargs)
        if _along_columns(self, axis):
            options = {"axis": 1, "skipna": skipna, "numeric_only": numeric_only, **kwargs}
            return elementwise(getattr(M, name), [self], options, label=name)
        if numeric_only and self.ndim == 2:
            return self[numeric_columns(self._meta)]._by_moments(name, 0, skipna, False, split_every, **kwargs)
        example = meta_nonempty(self._meta)
        if name == "mean" and self.ndim == 1 and pd.api.types.is_string_dtype(example.dtype):
            raise ValueError(f"`mean` not supported with {example.dtype} series")
        getattr(as_frame(example), name)(**kwargs)  # pandas' own error for what has no numbers
        order = {"mean": 1, "skew": 3, "kurt": 4}.get(name, 2)
        steps = (moments_of, moments_merged, moments_finished)
        options = {
            "chunk": {"order": order, "skipna": skipna},
            "aggregate": {"name": name, "like": self._meta, **kwargs},
        }
        return self._reduced(*steps, name, split_every, options)

    def mean(
        self,
        axis: Any = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        split_every: Any = None,
        dtype: None = None,
        out: None = None,
    ) -> Any:
        """The mean; the parameters are those of `sum`."""
        return self._by_moments("mean", axis, skipna, numeric_only, split_every)

    def var(
        self,
        axis: Any = 0,
        skipna: bool = True,
        ddof: int = 1,
        numeric_only: bool = False,
        split_every: Any = None,
        dtype: None = None,
        out: None = None,
    ) -> Any:
        """The variance, with a divisor of the number of values less `ddof`; other parameters are those of `sum`."""
        return self._by_moments("var", axis, skipna, numeric_only, split_every, ddof=ddof)

    def std(
        self,
        axis: Any = 0,
        skipna: bool = True,
        ddof: int = 1,
        numeric_only: bool = False,
        split_every: Any = None,
        dtype: None = None,
        out: None = None,
    ) -> Any:
        """The standard deviation; the parameters are those of `var`."""
        return self._by_moments("std", axis, skipna, numeric_only, split_every, ddof=ddof)

    def sem(
        self, axis: Any = 0, skipna: bool = True, ddof: int = 1, numeric_only: bool = False, split_every: Any = None
    ) -> Any:
        """The standard error of the mean; the parameters are those of `var`."""
        return self._by_moments("sem", axis, skipna, numeric_only, split_every, ddof=ddof)

    def skew(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, split_every: Any = None) -> Any:
        """The skewness, unbiased as pandas has it; the parameters are those of `sum`."""
        return self._by_moments("skew", axis, skipna, numeric_only, split_every)

    def kurtosis(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, split_every: Any = None) -> Any:
        """The kurtosis, unbiased as pandas has it; the parameters are those of `sum`."""
        return self._by_moments("kurt", axis, skipna, numeric_only, split_every)

    kurt = kurtosis

    def idxmax(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, split_every: Any = None) -> Any:
        """The index of the greatest value, the first of equal ones."""
        return self._place("idxmax", axis, skipna, numeric_only, split_every)

    def idxmin(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, split_every: Any = None) -> Any:
        """The index of the least value, the first of equal ones."""
        return self._place("idxmin", axis, skipna, numeric_only, split_every)

    def _place(self, name: str, axis: Any, skipna: bool, numeric_only: bool, split_every: Any) -> Any:
        if _along_columns(self, axis):
            options = {"axis": 1, "skipna": skipna, "numeric_only": numeric_only}
            return elementwise(getattr(M, name), [self], options, label=name, meta=pd.Series([], dtype=object))
        if numeric_only and self.ndim == 2:
            return self[numeric_columns(self._meta)]._place(name, 0, skipna, False, split_every)
        index = self._meta.index
        example: Any = _one_of(index.dtype)
        if self.ndim == 2:
            example = pd.Series([meta_nonempty(index)[0]] * len(self.columns), index=self.columns, dtype=index.dtype)
        getattr(meta_nonempty(self._meta), name)()  # pandas' own error for what has no order
        options = {"chunk": {"name": name, "skipna": skipna}, "combine": {"name": name, "skipna": skipna}}
        options["aggregate"] = {"name": name, "skipna": skipna, "series": self.ndim == 1}
        return new_collection(
            TreeReduction(
                _extremes,
                _extremes_merged,
                _extremes_finished,
                [self._expr],
                example,
                name,
                options=options,
                divisions=_ends(example),
                split_every=split_every,
                broadcast=True,
            )
        )


def _ends(found: Any) -> tuple:
    """The least and the greatest label of a result over the columns."""
    try:
        return (min(found.index), max(found.index)) if isinstance(found, pd.Series) and len(found) else (None, None)
    except TypeError:
        return None, None


def _along_columns(frame: Any, axis: Any) -> bool:
    if axis in (None, 0, "index", "rows"):
        return False
    if frame.ndim == 2 and axis in (1, "columns"):
        return True
    raise ValueError(f"No axis named {axis} for object type {type(frame).__name__}")


def _flat(frame: Any, numeric_only: bool) -> Any:
    """All values of all columns as one series."""
    frame = frame[numeric_columns(frame._meta)] if numeric_only else frame
    return elementwise(_values_of, [frame], divisions=(None,) * (frame.npartitions + 1))


def _values_of(part: Any) -> Any:
    return pd.Series(part.to_numpy().ravel())


def _called(part: Any, function: Any, options: dict) -> Any:
    return function(part, **options)


def _gathered(results: list, function: Any, options: dict) -> Any:
    """A function of results that are put together as one pandas object."""
    first = results[0]
    if isinstance(first, pd.DataFrame):
        whole = concat(results)
    elif isinstance(first, pd.Series):
        whole = pd.DataFrame(results)
    else:
        whole = pd.Series(results)
    return function(whole, **options)


def _where_enough(whole: Any, there: Any, least: int) -> Any:
    if isinstance(whole, pd.Series):
        return whole.where(there >= least)
    return whole if there >= least else np.nan


def _size(part: Any) -> Any:
    return part.size


def _total(sizes: list) -> Any:
    return sum(sizes)


def _one_of(dtype: Any) -> Any:
    if dtype.kind == "M":
        return pd.Timestamp(0)
    return np.zeros(1, dtype=dtype)[0] if isinstance(dtype, np.dtype) and dtype.kind in "iufb" else ""


def _extremes(part: Any, name: str, skipna: bool) -> Any:
    """For each column the extreme value and its index: a list of pairs, None for a partition without values."""
    frame = as_frame(part)
    pairs: list = []
    for place in range(len(frame.columns)):
        column = frame.iloc[:, place]
        there = column.dropna() if skipna else column
        if not len(there):
            pairs.append(None)
            continue
        if not skipna and there.isna().any():
            pairs.append(("missing", None))
            continue
        at = getattr(there.reset_index(drop=True), name)()
        pairs.append((there.iloc[at], there.index[at]))
    return frame.columns, pairs


def _extremes_merged(found: list, name: str, skipna: bool) -> Any:
    columns = found[0][0]
    best = list(found[0][1])
    for _, pairs in found[1:]:
        for place, pair in enumerate(pairs):
            if pair is None or best[place] is not None and best[place][0] == "missing" and best[place][1] is None:
                continue
            before = best[place]
            if before is None or pair[1] is None and pair[0] == "missing":
                best[place] = pair
            elif pair[0] > before[0] if name == "idxmax" else pair[0] < before[0]:
                best[place] = pair
    return columns, best


def _extremes_finished(found: list, name: str, skipna: bool, series: bool) -> Any:
    columns, best = _extremes_merged(found, name, skipna)
    for pair in best:
        if pair is None:
            raise ValueError(f"{name} of an empty sequence: there are no values")
        if pair[1] is None and isinstance(pair[0], str) and pair[0] == "missing":
            raise ValueError(f"{name} with skipna=False encountered a missing value")
    places = [place for _, place in best]
    return places[0] if series else pd.Series(places, index=columns)
