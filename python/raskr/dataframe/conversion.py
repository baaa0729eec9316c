"""Values as numbers, dates and durations: `to_numeric`, `to_datetime`, `to_timedelta`."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.mapping import elementwise, make_meta

_TO_NUMERIC = "arg must be a list, tuple, dask.array.Array, or dask.dataframe.Series, got "


def to_numeric(arg: Any, errors: str = "raise", downcast: Any = None, meta: Any = None) -> Any:
    """Texts as numbers.

    Parameters
    ----------
    arg : Series, Array or scalar
        The values.
    errors : {'raise', 'coerce'}
        What is done about values that are no numbers: an error, or a missing value.
    downcast : {'integer', 'signed', 'unsigned', 'float'}, optional
        Use the smallest type of this kind that fits the values of a partition.
    meta : pandas object, optional
        An empty example of the result.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> dd.to_numeric(dd.from_pandas(pd.Series(["1", "2"]), npartitions=2)).compute().tolist()
    [1, 2]
    """
    from raskr.array import Array

    if errors not in ("raise", "coerce"):
        raise ValueError(f"invalid error value specified: 'raise' or 'coerce' was expected, got {errors!r}")
    options = {"errors": errors, "downcast": downcast}
    if isinstance(arg, Array):
        dtype = pd.to_numeric(np.empty(0, arg.dtype)).dtype if meta is None else meta.dtype
        return arg.map_blocks(pd.to_numeric, dtype=dtype, **options)
    if hasattr(arg, "_expr"):
        if getattr(arg, "ndim", 1) != 1:
            raise TypeError(_TO_NUMERIC + type(arg).__name__)
        if meta is None:
            example = pd.to_numeric(arg._meta, **options)
            text = pd.api.types.is_string_dtype(arg._meta.dtype) or arg._meta.dtype == object
            meta = example.astype("float64" if errors == "coerce" else "int64") if text else example
        return elementwise(pd.to_numeric, [arg], options, meta=make_meta(meta))
    if np.isscalar(arg):
        if meta is not None:
            raise KeyError(f"``meta`` is not allowed for a single value, which {arg!r} is")
        import raskr

        return raskr.delayed(pd.to_numeric)(arg, **options)
    raise TypeError(_TO_NUMERIC + type(arg).__name__)


def to_datetime(arg: Any, meta: Any = None, **kwargs: Any) -> Any:
    """Texts, numbers or columns of parts as dates; see `pandas.to_datetime` for the arguments.

    Parameters
    ----------
    arg : Series, Index or DataFrame
        The values, or columns `year`, `month`, `day` and so on. What is no frame is given to pandas.
    meta : pandas object, optional
        An empty example of the result.
    **kwargs
        As in pandas: `format`, `errors`, `utc`, `unit`, `dayfirst`.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> dd.to_datetime(dd.from_pandas(pd.Series(["2000-01-31"]), npartitions=1)).dt.month.compute().tolist()
    [1]
    """
    if not hasattr(arg, "_expr"):
        return pd.to_datetime(arg, **kwargs)
    if meta is None:
        dates = pd.to_datetime(_one_date(arg._meta), **_without(kwargs, "format", "dayfirst", "yearfirst"))
        if isinstance(arg._meta, pd.Index):
            meta = dates[:0].rename(arg._meta.name)
        else:
            meta = pd.Series(dates).iloc[:0].set_axis(arg._meta.index[:0])
            meta.name = getattr(arg._meta, "name", None)
    return elementwise(_dates, [arg], kwargs, meta=make_meta(meta), label="to-datetime")


def _one_date(meta: Any) -> Any:
    if meta.ndim == 2:
        return pd.DataFrame({name: [2000 if "year" in str(name).lower() else 1] for name in meta.columns})
    if pd.api.types.is_numeric_dtype(meta.dtype) or pd.api.types.is_datetime64_any_dtype(meta.dtype):
        return (meta if isinstance(meta, pd.Index) else pd.Index(meta)).append(pd.Index([0], dtype=meta.dtype))
    return pd.Index(["2000-01-01"])


def _without(options: dict, *names: str) -> dict:
    return {name: value for name, value in options.items() if name not in names}


def _dates(part: Any, **options: Any) -> Any:
    return pd.to_datetime(part, **options)


def to_timedelta(arg: Any, unit: Any = None, errors: str = "raise") -> Any:
    """Texts or numbers as durations; see `pandas.to_timedelta`.

    Parameters
    ----------
    arg : Series or Index
        The values. What is no series is given to pandas.
    unit : str, optional
        What numbers count.
    errors : {'raise', 'coerce'}
        What is done about values that are no durations.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> dd.to_timedelta(dd.from_pandas(pd.Series([90]), npartitions=1), unit="s").dt.seconds.compute().tolist()
    [90]
    """
    if not hasattr(arg, "_expr"):
        return pd.to_timedelta(arg, unit=unit, errors=errors)
    return elementwise(_durations, [arg], {"unit": unit, "errors": errors}, label="to-timedelta")


def _durations(part: Any, **options: Any) -> Any:
    return pd.to_timedelta(part, **options)
