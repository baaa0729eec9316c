"""The accessors `str`, `dt`, `cat`, `list` and `struct`: pandas' own, partition by partition."""

from typing import Any

import pandas as pd

from raskr.dataframe.expressions import TreeReduction
from raskr.dataframe.mapping import elementwise, new_collection
from raskr.dataframe.operators import documented
from raskr.dataframe.utils import clear_known_categories, has_known_categories

_TEXT = (
    "capitalize casefold center contains count decode encode endswith extract extractall find findall fullmatch get index "
    "isalnum isalpha isascii isdecimal isdigit islower isnumeric isspace istitle isupper join len ljust lower lstrip match "
    "normalize pad removeprefix removesuffix repeat replace rfind rindex rjust rstrip slice slice_replace startswith strip "
    "swapcase title translate upper wrap zfill"
).split()
_DATE_METHODS = (
    "as_unit asfreq ceil day_name floor isocalendar month_name normalize round strftime to_period to_timestamp "
    "total_seconds tz_convert tz_localize"
).split()
DATE_FIELDS = (
    "components date day day_of_week day_of_year dayofweek dayofyear days days_in_month daysinmonth end_time freq hour "
    "is_leap_year is_month_end is_month_start is_quarter_end is_quarter_start is_year_end is_year_start microsecond "
    "microseconds minute month nanosecond nanoseconds quarter qyear second seconds start_time time timetz tz unit week weekday "
    "weekofyear year"
).split()
_CATEGORY_METHODS = (
    "add_categories as_ordered as_unordered remove_categories rename_categories reorder_categories set_categories"
).split()


class UnknownCategoriesError(NotImplementedError, AttributeError):
    """Categories are wanted that are not known yet; an AttributeError too, so that names can be looked through."""


_UNKNOWN = "`df.column.cat.{}` with unknown categories is not supported: use `column.cat.as_known()` or `df.categorize()` first"


class _Called:
    """A method of an accessor, as a function of a partition."""

    def __init__(self, accessor: str, name: str, field: bool = False) -> None:
        self.accessor, self.name, self.field = accessor, name, field
        self.__name__ = f"{accessor}-{name}"

    def __reduce__(self) -> tuple:
        return _Called, (self.accessor, self.name, self.field)

    def __call__(self, part: Any, *args: Any, **kwargs: Any) -> Any:
        if self.accessor == "dt" and self.name in ("week", "weekofyear"):
            return part.dt.isocalendar().week
        own = isinstance(part, pd.Index) and self.accessor in ("dt", "cat")
        holder = part if own else getattr(part, self.accessor)
        found = getattr(holder, self.name)
        found = found if self.field else found(*args, **kwargs)
        return pd.Index(found) if own and not isinstance(found, pd.Index) else found


class Accessor:
    """What all accessors share."""

    _accessor = ""

    def __init__(self, series: Any) -> None:
        if not (self._accessor == "cat" and isinstance(series._meta, pd.CategoricalIndex)):
            getattr(series._meta, self._accessor)  # pandas' error for a series of another type
        self._series = series

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return elementwise(_Called(self._accessor, name), [self._series, *args], kwargs)

    def _field(self, name: str) -> Any:
        return elementwise(_Called(self._accessor, name, True), [self._series])


class StringAccessor(Accessor):
    """The methods for text; see `pandas.Series.str`.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = dd.from_pandas(pd.Series(["a", "b"]), npartitions=2)
    >>> s.str.upper().compute().tolist()
    ['A', 'B']
    """

    _accessor = "str"

    def __getitem__(self, index: Any) -> Any:
        return self._call("__getitem__", index)

    def split(self, pat: Any = None, n: int = -1, expand: bool = False) -> Any:
        """The parts between separators, as lists; with `expand` as columns, for which `n` must be given."""
        return self._split("split", pat, n, expand)

    def rsplit(self, pat: Any = None, n: int = -1, expand: bool = False) -> Any:
        """The parts between separators, counted from the right; see `split`."""
        return self._split("rsplit", pat, n, expand)

    def get_dummies(self, sep: str = "|", dtype: Any = None) -> Any:
        """Refused: which columns there are depends on all values."""
        del dtype
        raise NotImplementedError(
            "str.get_dummies: which columns there are is not known before all values are. Use map_partitions with the columns "
            f"that are wanted as meta, or `dd.get_dummies(s.str.split({sep!r}).explode().astype('category').cat.as_known())`"
        )

    def _split(self, name: str, pat: Any, n: int, expand: bool) -> Any:
        if not expand:
            return self._call(name, pat=pat, n=n)
        if n <= 0:
            raise NotImplementedError(
                "To use the expand parameter you must specify the number of expected splits with the n= parameter. "
                "Usually n splits result in n+1 output columns."
            )
        example = pd.Series([(pat or " ").join("a" * (n + 1))], dtype=self._series.dtype)
        meta = getattr(example.str, name)(n=n, expand=True, pat=pat).iloc[:0].set_axis(self._series._meta.index)
        return elementwise(_expanded, [self._series, name, pat, n], meta=meta)

    def partition(self, sep: str = " ", expand: bool = True) -> Any:
        """The text before the first separator, it, and the text after."""
        return self._three("partition", sep, expand)

    def rpartition(self, sep: str = " ", expand: bool = True) -> Any:
        """The text before the last separator, it, and the text after."""
        return self._three("rpartition", sep, expand)

    def _three(self, name: str, sep: str, expand: bool) -> Any:
        if not expand:
            return self._call(name, sep, expand=False)
        meta = pd.DataFrame({n: pd.Series([], dtype=self._series.dtype) for n in range(3)})
        meta = meta.set_axis(self._series._meta.index)
        return elementwise(_Called("str", name), [self._series, sep], {"expand": True}, meta=meta)

    def cat(self, others: Any = None, sep: str | None = None, na_rep: str | None = None) -> Any:
        """The texts joined with those of other series, row by row; without others, all of them to one text.

        Parameters
        ----------
        others : Series or list of Series, optional
            What follows.
        sep : str, optional
            What stands between.
        na_rep : str, optional
            What stands for missing values.
        """
        if others is None:
            steps = (_texts, _texts_together, _joined_text)
            options = {"chunk": {"na": na_rep}, "aggregate": {"sep": sep or ""}}
            return new_collection(TreeReduction(*steps, [self._series._expr], "", "str-cat", options=options))
        several = list(others) if isinstance(others, (list, tuple)) else [others]
        if not all(hasattr(other, "_expr") or isinstance(other, (pd.Series, pd.Index)) for other in several):
            raise TypeError("others must be Series/Index")
        return elementwise(_cat, [self._series, sep, na_rep, *several])


class DatetimeAccessor(Accessor):
    """The methods and fields of dates, durations and periods; see `pandas.Series.dt`.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = dd.from_pandas(pd.Series(pd.date_range("2000-01-30", periods=3)), npartitions=2)
    >>> s.dt.month.compute().tolist()
    [1, 1, 2]
    """

    _accessor = "dt"

    @property
    def tz(self) -> Any:
        """The time zone."""
        return self._series._meta.dt.tz

    @property
    def freq(self) -> Any:
        """The frequency, where it is known."""
        return self._series._meta.dt.freq

    @property
    def unit(self) -> Any:
        """The resolution."""
        return self._series._meta.dt.unit


class IndexDates(DatetimeAccessor):
    """The methods and fields of an index of dates, durations or periods; see `pandas.DatetimeIndex`."""

    def __init__(self, series: Any) -> None:
        if not isinstance(series._meta, (pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex)):
            raise AttributeError("Can only use .dt accessor with datetimelike values")
        self._series = series

    tz = property(lambda self: self._series._meta.tz, doc="The time zone.")
    freq = property(lambda self: self._series._meta.freq, doc="The frequency, where it is known.")
    unit = property(lambda self: self._series._meta.unit, doc="The resolution.")


class CategoricalAccessor(Accessor):
    """The methods of categories; see `pandas.Series.cat`. Categories may be unknown before computing.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = dd.from_pandas(pd.Series(["a", "b"], dtype="category"), npartitions=2)
    >>> s.cat.known, s.cat.codes.compute().tolist()
    (True, [0, 1])
    """

    _accessor = "cat"

    @property
    def known(self) -> bool:
        """Are the categories known?"""
        return bool(has_known_categories(self._series._meta))

    @property
    def ordered(self) -> bool:
        """Do the categories have an order?"""
        return self._series._meta.dtype.ordered

    @property
    def categories(self) -> Any:
        """The categories; NotImplementedError where they are not known."""
        if not self.known:
            raise UnknownCategoriesError(_UNKNOWN.format("categories"))
        return self._series._meta.dtype.categories

    @property
    def codes(self) -> Any:
        """The places of values among the categories, which must be known."""
        if not self.known:
            raise UnknownCategoriesError(_UNKNOWN.format("codes"))
        return self._field("codes")

    def as_known(self, **kwargs: Any) -> Any:
        """The series with known categories, for which what is unknown is computed."""
        if self.known:
            return self._series
        categories = categories_of(self._series, **kwargs)
        return self.set_categories(categories)

    def as_unknown(self) -> Any:
        """The series with its categories forgotten."""
        if not self.known:
            return self._series
        return elementwise(_same, [self._series], meta=clear_known_categories(self._series._meta))

    def remove_unused_categories(self) -> Any:
        """The series without categories that no value has; values are computed to know."""
        if not self.known:
            raise NotImplementedError(_UNKNOWN.format("remove_unused_categories"))
        present = self._series.dropna().drop_duplicates().compute()
        unused = self.categories.difference(present.cat.remove_unused_categories().cat.categories, sort=False)
        return self.remove_categories(list(unused))


class ListAccessor(Accessor):
    """The methods of Arrow's lists; see `pandas.Series.list`."""

    _accessor = "list"

    def __getitem__(self, key: Any) -> Any:
        return self._call("__getitem__", key)

    def flatten(self) -> Any:
        """The elements of all lists, one after another."""
        return self._call("flatten")

    def len(self) -> Any:
        """The length of each list."""
        return self._call("len")


class StructAccessor(Accessor):
    """The methods of Arrow's structures; see `pandas.Series.struct`."""

    _accessor = "struct"

    @property
    def dtypes(self) -> Any:
        """The types of the fields."""
        return self._series._meta.struct.dtypes

    def field(self, name_or_index: Any) -> Any:
        """One field."""
        return self._call("field", name_or_index)

    def explode(self) -> Any:
        """A frame with a column for each field."""
        return self._call("explode")


class CachedAccessor:
    """Puts an accessor on a class: the accessor's class there, one around the series on an instance."""

    def __init__(self, accessor: Any) -> None:
        self._class = accessor
        self.__doc__ = accessor.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._class if instance is None else self._class(instance)


def _same(part: Any) -> Any:
    return part


def _expanded(part: Any, name: str, pat: Any, n: int) -> Any:
    found = getattr(part.str, name)(pat=pat, n=n, expand=True)
    missing = None if part.dtype == object else part.dtype.na_value
    for column in range(len(found.columns), n + 1):
        found[column] = pd.Series([missing] * len(found), index=found.index, dtype=part.dtype)
    return found


def _cat(part: Any, sep: Any, na_rep: Any, *others: Any) -> Any:
    return part.str.cat([pd.Series(other, index=part.index) for other in others], sep=sep, na_rep=na_rep)


def _texts(part: Any, na: Any) -> list:
    return list(part.dropna() if na is None else part.fillna(na))


def _texts_together(found: list) -> list:
    return [text for texts in found for text in texts]


def _joined_text(found: list, sep: str) -> str:
    return sep.join(_texts_together(found))


def field_of_index(index: Any, name: str) -> Any:
    """A field of an index of dates."""
    return elementwise(_Called("dt", name, True), [index], divisions=(None,) * (index.npartitions + 1))


def categories_of(series: Any) -> Any:
    """All categories of a series whose categories are not known; this computes."""
    steps = (_categories, _categories_together, _categories_together)
    whole = TreeReduction(*steps, [series._expr], "", "categories")
    return new_collection(whole).compute()


def _categories(part: Any) -> Any:
    return part.cat.categories if hasattr(part, "cat") else part.categories


def _categories_together(found: list) -> Any:
    whole = found[0]
    for more in found[1:]:
        whole = whole.append(more.difference(whole, sort=False))
    try:
        return whole.sort_values() if any(len(more.difference(found[0])) for more in found[1:]) else whole
    except TypeError:
        return whole


def categorized(frame: Any, columns: Any = None, index: bool | None = None, split_every: Any = None) -> Any:
    """A frame with categorical columns whose categories are known, which are computed for it."""
    meta = frame._meta
    if columns is None:
        kinds = ("object", "str", "string")
        columns = [
            name
            for name, kind in meta.dtypes.items()
            if isinstance(kind, pd.CategoricalDtype) and not has_known_categories(kind) or str(kind).startswith(kinds)
        ]
    elif isinstance(columns, str):
        columns = [columns]
    for name in columns:
        column = frame[name]
        if not isinstance(column.dtype, pd.CategoricalDtype):
            values = column.dropna().drop_duplicates().compute()
            try:
                values = values.sort_values()
            except TypeError:
                pass
            frame = frame._with(name, column.astype(pd.CategoricalDtype(list(values))))
        elif not has_known_categories(column):
            frame = frame._with(name, column.cat.as_known())
    is_unknown = isinstance(meta.index, pd.CategoricalIndex) and not has_known_categories(meta.index)
    is_text = pd.api.types.is_string_dtype(meta.index.dtype) and meta.index.nlevels == 1
    if (is_unknown or is_text) and index is not False or index and not isinstance(meta.index, pd.CategoricalIndex):
        values = frame.index.unique().compute()
        values = values.categories if isinstance(values, pd.CategoricalIndex) else values.dropna().sort_values()
        frame = elementwise(_categorical_index, [frame, pd.CategoricalDtype(list(values))])
    return frame


def _categorical_index(part: Any, dtype: Any) -> Any:
    return part.set_axis(part.index.astype(dtype))


def _fill(cls: type, owner: Any, names: list, fields: list) -> None:
    def method_of(name: str) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            return self._call(name, *args, **kwargs)

        return documented(method, name, owner, f"pandas' `{name}`, for each value.")

    def field_of(name: str) -> property:
        return property(lambda self: self._field(name), doc=f"pandas' `{name}` of each value.")

    for name in names:
        setattr(cls, name, method_of(name))
    for name in fields:
        if name not in cls.__dict__:
            setattr(cls, name, field_of(name))


_fill(StringAccessor, pd.Series.str, _TEXT, [])
_fill(DatetimeAccessor, pd.Series.dt, _DATE_METHODS, DATE_FIELDS)
_fill(CategoricalAccessor, pd.Series.cat, _CATEGORY_METHODS, [])
