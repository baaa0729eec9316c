"""Empty and made-up examples of pandas objects, which say what an operation gives before anything is computed."""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.comparing import assert_eq
from raskr.dataframe.expressions import Expression, label_of
from raskr.dataframe.mapping import make_meta, operand
from raskr.dataframe.partials import UNKNOWN_CATEGORIES

__all__ = [
    "assert_eq",
    "UNKNOWN_CATEGORIES",
    "clear_known_categories",
    "has_known_categories",
    "make_meta",
    "meta_nonempty",
]

_NOT_GIVEN = object()


def has_known_categories(x: Any) -> bool | None:
    """Are the categories known of a categorical series, index or type? None for what is not categorical.

    Examples
    --------
    >>> import pandas as pd
    >>> from raskr.dataframe.utils import has_known_categories
    >>> has_known_categories(pd.Series(["a"], dtype="category"))
    True
    """
    dtype = getattr(getattr(x, "_meta", x), "dtype", x)
    if not isinstance(dtype, pd.CategoricalDtype):
        return None
    return dtype.categories is not None and UNKNOWN_CATEGORIES not in dtype.categories


def clear_known_categories(x: Any, cols: Any = None, index: bool = True, dtype_backend: Any = None) -> Any:
    """An empty example whose categories are marked as not known.

    Parameters
    ----------
    x : pandas object
        A frame, series or index.
    cols : list, optional
        The columns of a frame; all categorical ones by default.
    index : bool
        Of the index, too.
    dtype_backend : object, optional
        Accepted for likeness.
    """
    if isinstance(x, pd.Index):
        if not isinstance(x, pd.CategoricalIndex):
            return x
        return pd.CategoricalIndex([], categories=[UNKNOWN_CATEGORIES], ordered=x.ordered, name=x.name)
    x = x.iloc[:0]
    if isinstance(x, pd.Series):
        if isinstance(x.dtype, pd.CategoricalDtype):
            x = x.cat.set_categories([UNKNOWN_CATEGORIES])
    else:
        chosen = cols if cols is not None else [c for c, t in x.dtypes.items() if isinstance(t, pd.CategoricalDtype)]
        x = x.assign(**{}) if not len(chosen) else x.copy()
        for name in chosen:
            x[name] = x[name].astype("category").cat.set_categories([UNKNOWN_CATEGORIES])
    if index and isinstance(x.index, pd.CategoricalIndex):
        x = x.set_axis(clear_known_categories(x.index))
    return x


def _example_values(dtype: Any) -> Any:
    """Two values of a type."""
    if isinstance(dtype, pd.CategoricalDtype):
        known = list(dtype.categories[:2]) if dtype.categories is not None and len(dtype.categories) else ["a"]
        categories = dtype.categories if dtype.categories is not None and len(dtype.categories) else ["a"]
        return pd.Categorical([known[0], known[-1]], categories=categories, ordered=dtype.ordered)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(["1970-01-01", "1970-01-02"], tz=dtype.tz).as_unit(dtype.unit)
    if isinstance(dtype, pd.PeriodDtype):
        return pd.period_range("1970-01-01", periods=2, freq=dtype.freq)
    if isinstance(dtype, pd.IntervalDtype):
        return pd.interval_range(0, 2, periods=2)
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        for values in (["a", "b"], [1, 1], [True, True], [None, None]):
            try:
                return pd.array(values, dtype=dtype)
            except (TypeError, ValueError, NotImplementedError):
                continue
    if dtype.kind == "M":
        return np.array([0, 86_400_000_000_000], dtype="i8").view("M8[ns]").astype(dtype)
    if dtype.kind == "m":
        return np.array([1, 2], dtype="i8").view(dtype)
    if dtype.kind == "O":
        return np.array(["foo", "foo"], dtype=object)
    return np.ones(2, dtype=dtype)


def meta_nonempty(x: Any) -> Any:
    """A made-up pandas object of two rows, of the same columns, names and types as an empty one.

    Examples
    --------
    >>> import pandas as pd
    >>> from raskr.dataframe.utils import meta_nonempty
    >>> meta_nonempty(pd.DataFrame({"a": pd.Series([], dtype=float)})).a.tolist()
    [1.0, 1.0]
    """
    if isinstance(x, pd.MultiIndex):
        arrays = [_example_values(level.dtype) for level in x.levels]
        return pd.MultiIndex.from_arrays(arrays, names=x.names)
    if isinstance(x, pd.RangeIndex):
        return pd.RangeIndex(2, name=x.name)
    if isinstance(x, pd.Index):
        if isinstance(x.dtype, np.dtype) and x.dtype.kind in "iuf":
            return pd.Index(np.arange(2, dtype=x.dtype), name=x.name)
        if isinstance(x, pd.TimedeltaIndex):
            return pd.timedelta_range("1D", periods=2, freq=x.freq or "D", name=x.name).as_unit(x.unit)
        if isinstance(x, pd.DatetimeIndex):
            return pd.date_range("1970-01-01", periods=2, freq=x.freq or "D", tz=x.tz, name=x.name).as_unit(x.unit)
        return pd.Index(_example_values(x.dtype), name=x.name, dtype=x.dtype)
    if isinstance(x, pd.Series):
        values = _example_values(x.dtype)
        return pd.Series(values, index=meta_nonempty(x.index), name=x.name, dtype=x.dtype)
    if isinstance(x, pd.DataFrame):
        index = meta_nonempty(x.index)
        columns = [pd.Series(_example_values(kind), index=index, dtype=kind) for kind in x.dtypes]
        if not columns:
            return pd.DataFrame(index=index, columns=x.columns)
        return pd.concat(columns, axis=1).set_axis(x.columns, axis=1)
    if isinstance(x, pd.DatetimeTZDtype):
        return pd.Timestamp(1, tz=x.tz, unit=x.unit)
    if isinstance(x, np.ndarray):
        return np.ones((2, *x.shape[1:]), dtype=x.dtype)
    return x


def meta_by_example(function: Any, args: list, options: dict, meta: Any, name: str) -> Any:
    """An empty example of what an operation with a user's function gives: the one declared, or found on made-up rows."""
    expressions = [operand(arg) for arg in args]
    if meta is not None and meta is not _NOT_GIVEN:
        index = getattr(expressions[0].meta, "index", None)
        if isinstance(meta, pd.Index):
            return meta[:0]
        return make_meta(meta, index)
    examples = [meta_nonempty(arg.meta) if isinstance(arg, Expression) else arg for arg in expressions]
    try:
        found = function(*examples, **options)
    except Exception as error:
        user = next((label_of(arg) for arg in args[1:] if callable(arg)), name)
        raise ValueError(
            f"Metadata inference failed in `{name}`: {user} failed on made-up rows, on which it was tried to find what it "
            f"gives.\nPlease give the keyword meta=.\n\nOriginal error: {error!r}"
        ) from error
    if name == "apply" or name == "map" and not isinstance(args[1], (dict, pd.Series)):
        warnings.warn(
            "The metadata, which is columns and types, was inferred from partial data: the function was run on two made-up "
            f"rows. If it is wrong, or to save the time, declare it, as in meta={_described(found)}",
            stacklevel=3,
        )
    if isinstance(found, (pd.DataFrame, pd.Series)):
        return found.iloc[:0]
    return found[:0] if isinstance(found, pd.Index) else found


def _described(found: Any) -> str:
    """What to give for `meta=` for an object like this one."""
    if isinstance(found, pd.DataFrame):
        return repr({column: str(kind) for column, kind in found.dtypes.items()})
    return repr((getattr(found, "name", None), str(getattr(found, "dtype", "object"))))
