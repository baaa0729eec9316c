"""Columns to rows and back: `melt`, `get_dummies`, `pivot_table`."""

from typing import Any

import pandas as pd

from raskr.dataframe.expressions import PartitionCalls
from raskr.dataframe.mapping import elementwise, new_collection
from raskr.dataframe.utils import has_known_categories
from raskr.utils import M


def melt(
    frame: Any,
    id_vars: Any = None,
    value_vars: Any = None,
    var_name: Any = None,
    value_name: Any = "value",
    col_level: Any = None,
) -> Any:
    """Columns as rows: their names in one column, their values in another.

    Parameters
    ----------
    frame : DataFrame
        The table.
    id_vars, value_vars : list, optional
        Columns that stay, and columns that become rows.
    var_name, value_name : str, optional
        The names of the two columns.
    col_level : object, optional
        As in pandas.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"k": [1], "a": [2], "b": [3]}), npartitions=1)
    >>> dd.melt(df, id_vars="k").value.compute().tolist()
    [2, 3]
    """
    options = {"id_vars": id_vars, "value_vars": value_vars, "var_name": var_name, "value_name": value_name}
    unknown = (None,) * (frame.npartitions + 1)
    return elementwise(M.melt, [frame], {**options, "col_level": col_level}, divisions=unknown)


def get_dummies(
    data: Any,
    prefix: Any = None,
    prefix_sep: str = "_",
    dummy_na: bool = False,
    columns: Any = None,
    sparse: bool = False,
    drop_first: bool = False,
    dtype: Any = bool,
    **kwargs: Any,
) -> Any:
    """Categories as columns, true where a row has the category; categories must be known.

    Parameters
    ----------
    data : DataFrame or Series
        With categorical columns whose categories are known; see `DataFrame.categorize`.
    prefix, prefix_sep, dummy_na, columns, sparse, drop_first, dtype
        As in pandas.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = dd.from_pandas(pd.Series(["a", "b"], dtype="category"), npartitions=2)
    >>> list(dd.get_dummies(s).columns)
    ['a', 'b']
    """
    options = {"prefix": prefix, "prefix_sep": prefix_sep, "dummy_na": dummy_na, "sparse": sparse}
    options.update(drop_first=drop_first, dtype=dtype, **kwargs)
    if not hasattr(data, "_expr"):
        return pd.get_dummies(data, columns=columns, **options)
    meta = data._meta
    if meta.ndim == 1:
        _check_categories([meta], [meta.name])
    else:
        text = [c for c, kind in meta.dtypes.items() if pd.api.types.is_string_dtype(kind) or kind.kind == "O"]
        if columns is None:
            _check_categories([meta[c] for c in text], text)
            chosen = [c for c, kind in meta.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
        else:
            if not all(column in meta.columns for column in columns):
                raise KeyError([column for column in columns if column not in meta.columns])
            chosen = list(columns)
        _check_categories([meta[c] for c in chosen], chosen)
        options["columns"] = columns
    return elementwise(_dummies, [data], options)


def _dummies(part: Any, **options: Any) -> Any:
    return pd.get_dummies(part, **options)


def _check_categories(columns: list, names: list) -> None:
    for column, name in zip(columns, names):
        known = has_known_categories(column)
        if known is None:
            raise NotImplementedError(
                f"`get_dummies` with non-categorical dtypes is not supported, column {name!r} is {column.dtype}. Please "
                "use `df.categorize()` beforehand to convert to categorical dtype."
            )
        if not known:
            raise NotImplementedError(
                f"`get_dummies` with unknown categories is not supported, as of column {name!r}. Please use "
                "`column.cat.as_known()` or `df.categorize()` beforehand to ensure known categories"
            )


def pivot_table(df: Any, index: Any = None, columns: Any = None, values: Any = None, aggfunc: Any = "mean") -> Any:
    """A table with the groups of one column as rows and the categories of another as columns.

    Parameters
    ----------
    df : DataFrame
        The rows.
    index : str
        The column whose values become the rows.
    columns : str
        The categorical column, of known categories, that become the columns.
    values : str or list of str
        The columns that are aggregated.
    aggfunc : {'mean', 'sum', 'count', 'first', 'last', 'min', 'max', 'std', 'var'}
        How.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> frame = pd.DataFrame({"r": [1, 1, 2], "c": pd.Categorical(["a", "b", "a"]), "v": [1.0, 2.0, 3.0]})
    >>> df = dd.from_pandas(frame, npartitions=2)
    >>> dd.pivot_table(df, index="r", columns="c", values="v").a.compute().tolist()
    [1.0, 3.0]
    """
    if not pd.api.types.is_scalar(index) or index is None:
        raise ValueError(f"'index' must be the name of an existing column, got {index!r}")
    if not pd.api.types.is_scalar(columns) or columns is None:
        raise ValueError(f"'columns' must be the name of an existing column, got {columns!r}")
    for word, name in (("index", index), ("columns", columns)):
        if name not in df.columns:
            raise ValueError(f"{word!r} must be the name of an existing column, got {name!r}")
    if not isinstance(df._meta[columns].dtype, pd.CategoricalDtype):
        raise ValueError(f"'columns' must be category dtype, got {df._meta[columns].dtype}")
    if not has_known_categories(df._meta[columns]):
        raise ValueError("'columns' must have known categories. Please use `df[columns].cat.as_known()` beforehand")
    single = pd.api.types.is_scalar(values)
    if values is None or not (single or isinstance(values, (list, tuple, pd.Index))):
        raise ValueError(f"'values' must refer to an existing column or columns, got {values!r}")
    chosen = [values] if single else _in_order(values)
    for name in chosen:
        if not pd.api.types.is_hashable(name) or name not in df.columns:
            raise ValueError(f"'values' must refer to an existing column or columns, got {name!r}")
    allowed = ("mean", "sum", "count", "first", "last", "min", "max", "std", "var")
    if aggfunc not in allowed:
        raise ValueError(f"aggfunc must be either {', '.join(map(repr, allowed))}, got {aggfunc!r}")
    grouped = df.groupby([index, columns], observed=True)[chosen]
    result = getattr(grouped, aggfunc)()
    categories = df._meta[columns].cat.categories
    settings = {"column": values if single else None, "name": columns, "categories": categories}
    # Counts are floats, as Dask has them.
    settings["fill"] = {"sum": 0, "count": 0.0}.get(aggfunc)
    meta = _unstacked(result._meta, **settings)
    return new_collection(PartitionCalls(_unstacked, [result._expr], settings, meta, (None, None), "pivot-table"))


def _in_order(names: Any) -> list:
    try:
        return sorted(names)
    except TypeError:
        return list(names)


def _unstacked(table: Any, column: Any, name: Any, categories: Any, fill: Any) -> Any:
    """The second level of the index as columns, one a category; sums and counts of what is not there are zero."""
    names = pd.CategoricalIndex(categories, categories=categories, name=name)
    if column is not None:
        if not len(table):
            return _empty_wide(table, names, table[column].dtype, fill)
        wide = table[column].unstack(level=1, fill_value=None if fill is None else 0)
        absent = {} if fill is None else {"fill_value": fill}
        wide = wide.astype(float) if isinstance(fill, float) else wide
        return wide.reindex(columns=categories, **absent).set_axis(names, axis=1)
    parts = {each: _unstacked(table, each, name, categories, fill) for each in table.columns}
    whole = pd.concat(parts, axis=1)
    whole.columns = whole.columns.set_names([None, name])
    return whole


def _empty_wide(table: Any, names: Any, dtype: Any, fill: Any) -> Any:
    dtype = float if fill != 0 and pd.api.types.is_integer_dtype(dtype) or isinstance(fill, float) else dtype
    return pd.DataFrame(index=table.index.get_level_values(0)[:0], columns=names, dtype=dtype)


class ReshapeMethods:
    """Methods of frames."""

    def melt(
        self,
        id_vars: Any = None,
        value_vars: Any = None,
        var_name: Any = None,
        value_name: Any = "value",
        col_level: Any = None,
    ) -> Any:
        """Columns as rows; see `raskr.dataframe.melt`."""
        return melt(self, id_vars, value_vars, var_name, value_name, col_level)

    def pivot_table(self, index: Any = None, columns: Any = None, values: Any = None, aggfunc: Any = "mean") -> Any:
        """Groups as rows and categories as columns; see `raskr.dataframe.pivot_table`."""
        return pivot_table(self, index, columns, values, aggfunc)
