"""pandas' methods beyond Dask's: by rows where that suffices, and on all rows at once where pandas' meaning needs it."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.expressions import PartitionCalls, TreeReduction
from raskr.dataframe.mapping import elementwise, new_collection
from raskr.dataframe.partials import concat
from raskr.dataframe.utils import meta_nonempty
from raskr.utils import M

#: Methods that see all rows at once, as one partition: what they mean can't be told from a part of the rows.
WHOLE = {
    "asfreq": "The rows at regular times.",
    "compare": "The differences from another.",
    "convert_dtypes": "The columns in the best types that hold missing values.",
    "duplicated": "Is each row like one before?",
    "interpolate": "Missing values replaced by values between their neighbours.",
    "pivot": "Values of one column as the columns of a table.",
    "rank": "The rank of each value.",
    "reorder_levels": "The levels of the index in another order.",
    "sort_index": "The rows in order of their index.",
    "swaplevel": "Two levels of the index exchanged.",
    "take": "The rows at some positions.",
    "to_period": "The dates of the index as periods.",
    "truncate": "The rows between two index values.",
    "tz_convert": "The times of the index in another time zone.",
    "tz_localize": "The times of the index with a time zone.",
    "unstack": "A level of the index as columns.",
    "xs": "The rows of one index value.",
    "asof": "The last values before a time.",
    "transpose": "Rows as columns.",
    "corrwith": "The correlation of each column with another's.",
    "reindex_like": "The rows on the index of another.",
    "argsort": "The places of values in order.",
    "repeat": "Each value several times.",
}

#: Methods by rows that keep the index.
BY_ROWS = {
    "at_time": "The rows at a time of day.",
    "between_time": "The rows between two times of day.",
    "dot": "Each row's product with a vector or matrix that is known.",
}

#: Methods whose values are computed at once: they give Python objects, NumPy arrays or text.
AT_ONCE = {
    "equals": "Are all values equal to another's?",
    "first_valid_index": "The index of the first value that is there.",
    "last_valid_index": "The index of the last value that is there.",
    "to_dict": "All values as a dict.",
    "to_list": "All values as a list.",
    "tolist": "All values as a list.",
    "to_numpy": "All values as a NumPy array.",
    "to_string": "All rows as text.",
    "to_html": "All rows as an HTML table.",
    "to_latex": "All rows as a LaTeX table.",
    "to_markdown": "All rows as a Markdown table.",
    "to_xarray": "All rows as an xarray object.",
    "to_clipboard": "All rows to the clipboard.",
    "to_excel": "All rows to an Excel sheet.",
    "to_feather": "All rows to a Feather file.",
    "to_pickle": "All rows, pickled, to a file.",
    "to_stata": "All rows to a Stata file.",
    "to_xml": "All rows as XML.",
    "argmax": "The position of the greatest value.",
    "argmin": "The position of the least value.",
    "searchsorted": "Where values would go among these, which are sorted.",
    "hist": "A histogram, drawn.",
    "boxplot": "A box plot, drawn.",
    "item": "The one value.",
}


def whole_expression(collection: Any) -> Any:
    """All rows of a collection as one partition."""
    if collection.npartitions == 1:
        return collection
    divisions = (collection.divisions[0], collection.divisions[-1])
    steps = (_kept, concat, concat)
    return new_collection(TreeReduction(*steps, [collection._expr], collection._meta, "whole", divisions=divisions))


def _kept(part: Any) -> Any:
    return part


def _operand(value: Any) -> Any:
    return whole_expression(value) if hasattr(value, "_expr") and hasattr(value, "npartitions") else value


def on_whole(collection: Any, name: str, args: tuple, kwargs: dict) -> Any:
    """A pandas method on all rows at once."""
    args = tuple(map(_operand, args))
    kwargs = {key: _operand(value) for key, value in kwargs.items()}
    examples = [meta_nonempty(arg._meta) if hasattr(arg, "_expr") else arg for arg in args]
    try:
        meta = getattr(collection._meta, name)(*(arg._meta if hasattr(arg, "_expr") else arg for arg in args), **kwargs)
    except (ValueError, IndexError, KeyError, TypeError):
        meta = getattr(meta_nonempty(collection._meta), name)(*examples, **kwargs)
    meta = meta.iloc[:0] if hasattr(meta, "iloc") else meta
    return elementwise(
        getattr(M, name), [whole_expression(collection), *args], kwargs, meta=meta, divisions=(None, None)
    )


class BeyondMethods:
    """What frames and series share."""

    def agg(self, func: Any = None, axis: Any = 0, *args: Any, **kwargs: Any) -> Any:
        """One or several reductions, by name; by functions of one's own on all rows at once.

        Parameters
        ----------
        func : str, list, dict or callable
            What is done; see `pandas.DataFrame.agg`.
        axis : {0, 1}
            Along the rows, or for each row along the columns.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> int(dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2).agg("sum").compute())
        6
        """
        if axis in (1, "columns"):
            return elementwise(M.agg, [self, func], {"axis": 1, **kwargs})
        if isinstance(func, str) and hasattr(self, func):
            found = getattr(self, func)
            return found(*args, **kwargs) if callable(found) else found
        if isinstance(func, list) and all(isinstance(name, str) and hasattr(self, name) for name in func):
            if self.ndim == 2:
                columns = [self[name].agg(func, 0, *args, **kwargs) for name in self.columns]
                meta = pd.concat([column._meta for column in columns], axis=1)
                args = tuple(column._expr for column in columns)
                return new_collection(PartitionCalls(_beside, args, {}, meta, (None, None), "agg"))
            parts = [getattr(self, name)(*args, **kwargs) for name in func]
            meta = _rows_of(*(part._meta for part in parts), names=func, name=self.name)
            args = tuple(part._expr for part in parts)
            return new_collection(
                PartitionCalls(_rows_of, args, {"names": func, "name": self.name}, meta, (None, None), "agg")
            )
        if isinstance(func, dict) and not args and not kwargs and _of_columns(self, func):
            if all(isinstance(names, list) for names in func.values()):
                columns = [self[name].agg(names) for name, names in func.items()]
                meta = pd.concat([column._meta for column in columns], axis=1)
                args = tuple(column._expr for column in columns)
                return new_collection(PartitionCalls(_beside, args, {}, meta, (None, None), "agg"))
            parts = [getattr(self[name], reduction)() for name, reduction in func.items()]
            names = {"names": list(func), "name": None}
            meta = _rows_of(*(part._meta for part in parts), **names)
            args = tuple(part._expr for part in parts)
            return new_collection(PartitionCalls(_rows_of, args, names, meta, (None, None), "agg"))
        return on_whole(self, "agg", (func, *args), kwargs)

    aggregate = agg

    def transform(self, func: Any, axis: Any = 0, *args: Any, **kwargs: Any) -> Any:
        """What a function gives for the values, row by row; on all rows at once, as it may look at all of them."""
        if axis in (1, "columns") and self.ndim == 2:
            return elementwise(M.transform, [self, func], {"axis": 1, **kwargs})
        if isinstance(func, (np.ufunc, str)) and (not isinstance(func, str) or func in ("abs", "sqrt", "exp", "log")):
            return elementwise(M.transform, [self, func], kwargs)
        return on_whole(self, "transform", (func, *args), kwargs)

    @property
    def T(self) -> Any:
        """The rows as columns; a series as it is."""
        return self if self.ndim == 1 else self.transpose()

    @property
    def axes(self) -> list:
        """The index, and the columns of a frame."""
        return [self.index] if self.ndim == 1 else [self.index, self.columns]

    def expanding(self, min_periods: int = 1, method: str = "single") -> Any:
        """Windows from the first row to each row; see `pandas.DataFrame.expanding`."""
        return _Windows(self, "expanding", {"min_periods": min_periods})

    def ewm(self, *args: Any, **kwargs: Any) -> Any:
        """Windows in which weights fall off exponentially; see `pandas.DataFrame.ewm`."""
        names = ("com", "span", "halflife", "alpha")
        return _Windows(self, "ewm", {**dict(zip(names, args)), **kwargs})

    def info(self, buf: Any = None, verbose: bool = False, memory_usage: bool = False) -> None:
        """What the frame is, printed; with `verbose` or `memory_usage` counts are computed."""
        lines = [f"<class 'raskr.dataframe.{type(self).__name__}'>"]
        columns = self._meta.columns if self.ndim == 2 else [self._meta.name]
        if self.ndim == 2 and not len(columns):
            lines += ["Index: 0 entries", "Empty DataFrame"]
        elif verbose and self.ndim == 2:
            counts = self.count().compute()
            lines.append(f"Data columns (total {len(columns)} columns):")
            rows = [
                (str(n), str(c), f"{counts.iloc[n]} non-null", str(k)) for n, (c, k) in enumerate(self.dtypes.items())
            ]
            header = ("#", "Column", "Non-Null Count", "Dtype")
            width = [max(len(row[place]) for row in (header, *rows)) for place in range(4)]
            for row in (header, tuple("-" * each for each in width), *rows):
                lines.append("  ".join(cell.ljust(size) for cell, size in zip(row, width)).rstrip())
        else:
            first, last = (columns[0], columns[-1]) if self.ndim == 2 else (columns[0], columns[0])
            lines.append(f"Columns: {len(columns)} entries, {first} to {last}")
        kinds = pd.Series([str(kind) for kind in (self.dtypes if self.ndim == 2 else [self.dtype])]).value_counts()
        lines.append("dtypes: " + ", ".join(f"{kind}({count})" for kind, count in sorted(kinds.items())))
        if memory_usage:
            used = self.memory_usage(deep=True).compute()
            lines.append(f"memory usage: {float(np.sum(used)):,.1f} bytes")
        text = "\n".join(lines)
        if buf is None:
            print(text)
        else:
            buf.write(text)

    def isetitem(self, loc: int, value: Any) -> None:
        """Set the column at a position."""
        self[self.columns[loc]] = value

    def insert(self, loc: int, column: Any, value: Any, allow_duplicates: bool = False) -> None:
        """Put a further column at a position."""
        if column in self.columns:
            raise ValueError(f"cannot insert {column}, already exists")
        names = list(self.columns)
        names.insert(loc, column)
        self._expr = self._with(column, value)[names]._expr

    def get(self, key: Any, default: Any = None) -> Any:
        """A column, or a default where there is none."""
        try:
            return self[key]
        except (KeyError, ValueError, IndexError):
            return default


class _Windows:
    """Windows that see all rows before; computed on all rows at once."""

    def __init__(self, data: Any, kind: str, options: dict) -> None:
        getattr(data._meta, kind)(**options)
        self._data, self._kind, self._options = data, kind, options

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(getattr(self._data._meta, self._kind)(**self._options), name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def method(*args: Any, **kwargs: Any) -> Any:
            settings = {"kind": self._kind, "options": self._options, "name": name, "args": args, "kwargs": kwargs}
            return elementwise(_windowed, [whole_expression(self._data)], settings, label=f"{self._kind}-{name}")

        return method


def _windowed(part: Any, kind: str, options: dict, name: str, args: tuple, kwargs: dict) -> Any:
    return getattr(getattr(part, kind)(**options), name)(*args, **kwargs)


def _rows_of(*results: Any, names: list, name: Any) -> Any:
    return pd.Series(list(results), index=names, name=name)


#: What gives one value for a column, and needs no partition to see all of it.
_REDUCTIONS = frozenset("sum prod min max any all count mean var std sem skew kurt nunique".split())


def _of_columns(frame: Any, func: dict) -> bool:
    """Does a dict name reductions of columns, either one each or a list each?"""
    if (
        frame.ndim != 2
        or not func
        or not frame._meta.columns.is_unique
        or not all(name in frame.columns for name in func)
    ):
        return False
    named = list(func.values())
    if all(isinstance(names, list) and names for names in named):
        named = [name for names in named for name in names]
    return all(isinstance(name, str) and name in _REDUCTIONS for name in named)


def _beside(*columns: Any) -> Any:
    return pd.concat(columns, axis=1)


def _fill(cls: type, owner: Any) -> None:
    def whole_method(name: str) -> Any:
        return lambda self, *args, **kwargs: on_whole(self, name, args, kwargs)

    def row_method(name: str) -> Any:
        return lambda self, *args, **kwargs: elementwise(getattr(M, name), [self, *args], kwargs)

    def computed_method(name: str) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            args = tuple(arg.compute() if hasattr(arg, "_expr") else arg for arg in args)
            return getattr(self.compute(), name)(*args, **kwargs)

        return method

    tables = ((WHOLE, whole_method), (BY_ROWS, row_method), (AT_ONCE, computed_method))
    for table, make in tables:
        for name, summary in table.items():
            if not hasattr(owner, name) or name in cls.__dict__:
                continue
            method = make(name)
            method.__name__ = name
            method.__doc__ = f"{summary}\n\nThe arguments are those of `pandas.{owner.__name__}.{name}`."
            setattr(cls, name, method)


class FrameBeyond(BeyondMethods):
    """What frames have beyond."""


class SeriesBeyond(BeyondMethods):
    """What series have beyond."""

    @property
    def hasnans(self) -> Any:
        """Is any value missing?"""
        return self.isna().any()

    def dot(self, other: Any, meta: Any = None) -> Any:
        """The sum of products with another series, or with each column of a frame, row by row.

        Parameters
        ----------
        other : Series or DataFrame
            With the same index.
        meta : pandas object, optional
            An empty example of the result.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> s = dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2)
        >>> int(s.dot(s).compute())
        14
        """
        from raskr.dataframe.sources import from_pandas

        if not isinstance(other, (pd.Series, pd.DataFrame)) and not hasattr(type(other), "known_divisions"):
            raise TypeError(f"The second operand must be a Series or DataFrame, got {type(other).__name__}")
        other = from_pandas(other, npartitions=1) if isinstance(other, (pd.Series, pd.DataFrame)) else other
        if other.ndim == 1:
            return (self * other).sum(skipna=False)
        found = other.mul(self, axis=0).sum(skipna=False)
        return found if meta is None else elementwise(M.rename, [found, meta.name], meta=meta)

    @property
    def is_unique(self) -> Any:
        """Are all values different?"""
        return self.nunique(dropna=False) == self.size

    @property
    def empty(self) -> bool:
        """Are there no rows? This computes."""
        return not len(self)

    @property
    def array(self) -> Any:
        """All values as pandas' array, computed."""
        return self.compute().array

    def keys(self) -> Any:
        """The index."""
        return self.index


_fill(FrameBeyond, pd.DataFrame)
_fill(SeriesBeyond, pd.Series)
