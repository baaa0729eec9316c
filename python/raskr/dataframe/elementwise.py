"""Methods that are pandas' own, partition by partition: results row by row, on the same index or on some of its rows."""

import operator
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.expressions import Expression, PartitionCalls
from raskr.dataframe.mapping import elementwise, is_array, map_partitions, new_collection
from raskr.dataframe.operators import OperatorMethods, add_binary_methods, documented, operand_of
from raskr.dataframe.utils import clear_known_categories, meta_by_example, meta_nonempty
from raskr.utils import M

#: Methods of frames and series that keep the index, and give each column from the column of the same name.
COLUMNWISE = {
    "abs": "The absolute values.",
    "clip": "The values, brought within bounds.",
    "fillna": "The values, with missing ones replaced.",
    "isin": "Is each value among some values?",
    "isna": "Is each value missing?",
    "isnull": "Is each value missing?",
    "map": "What a function, or a mapping, gives for each value.",
    "mask": "The values, replaced where a condition holds.",
    "notna": "Is each value there?",
    "notnull": "Is each value there?",
    "replace": "The values, some of which are replaced by others.",
    "round": "The values, rounded.",
    "where": "The values, replaced where a condition does not hold.",
    "infer_objects": "Columns of objects in better types, where the empty example shows them.",
}

#: Methods of both that keep the index or choose among the rows, and need all columns.
ROWWISE = {
    "add_prefix": "Column names, or index values, with text before them.",
    "add_suffix": "Column names, or index values, with text after them.",
    "combine_first": "The values, and where they are missing those of another.",
    "dropna": "The rows, or columns, without missing values.",
    "explode": "A row for each element of list-like values.",
    "rename": "Other names for columns, or for a series.",
    "rename_axis": "Another name for the index or the columns.",
    "droplevel": "Column labels without some of their levels.",
}

FRAME_ROWWISE = {
    "eval": "The value of an expression in text, in which columns are names.",
    "filter": "The columns whose names are listed, or match.",
    "query": "The rows for which an expression in text holds.",
    "reindex": "The frame with other columns, missing ones as missing values.",
    "select_dtypes": "The columns of some types.",
    "set_axis": "The frame with other column names.",
    "stack": "Columns as a further level of the index.",
}

SERIES_ROWWISE = {
    "between": "Is each value within bounds?",
    "to_frame": "The series as a frame of one column.",
}

#: Methods whose pandas arguments are lined up by their index.
_LINED_UP = ("combine_first", "fillna", "mask", "where")


def add_methods(cls: type, owner: Any, table: dict, columnwise: bool) -> None:
    for name, summary in table.items():
        if not hasattr(owner, name):
            continue

        def method(self: Any, *args: Any, _name: str = name, **kwargs: Any) -> Any:
            by_axis = kwargs.get("axis") in (1, "columns")
            if _name in ("where", "mask", "clip"):
                return _replaced(self, _name, args, kwargs, columnwise and not by_axis)
            if _name in _LINED_UP:
                args = tuple(operand_of(self, arg, {}) for arg in args)
                kwargs = {key: operand_of(self, value, {}) for key, value in kwargs.items()}
            elif _name == "isin" and any(hasattr(arg, "npartitions") for arg in (*args, *kwargs.values())):
                raise NotImplementedError("isin: values that are known were expected, got a lazy collection: use merge")
            return elementwise(getattr(M, _name), [self, *args], kwargs, columnwise=columnwise and not by_axis)

        if name not in cls.__dict__:
            setattr(cls, name, documented(method, name, owner, summary))


def _is_labels(key: Any) -> bool:
    """Is it a label, or a list of labels, of rows?"""
    return isinstance(key, list) or np.isscalar(key) and not isinstance(key, bool)


def _replaced(self: Any, name: str, args: tuple, kwargs: dict, columnwise: bool) -> Any:
    """`where`, `mask` and `clip`, whose types depend on values: declared as where some values are replaced."""
    if self.ndim == 1 and kwargs.get("axis") in (1, "columns"):
        raise ValueError(f"No axis named {kwargs['axis']} for Series")
    lines = {"axis": kwargs.get("axis")} if name == "clip" else {}
    args = tuple(operand_of(self, arg, lines) for arg in args)
    kwargs = {key: operand_of(self, value, lines) for key, value in kwargs.items()}
    found = elementwise(getattr(M, name), [self, *args], kwargs, columnwise=columnwise)
    if name == "clip":
        bounds = [getattr(value, "_meta", value) for value in (*args[:2], kwargs.get("lower"), kwargs.get("upper"))]
        other: Any = 0.5
        if not any(isinstance(bound, (float, np.floating)) for bound in bounds):
            return found
    else:
        other = args[1] if len(args) > 1 else kwargs.get("other", np.nan)
        other = getattr(other, "_meta", other)
        if np.ndim(other) or callable(other):
            return found
    whole, expression = meta_nonempty(self._meta), found._expr
    declared = whole.where(np.zeros(whole.shape, dtype=bool), other)
    meta = expression.meta.astype(declared.dtypes.to_dict() if declared.ndim == 2 else declared.dtype)
    return new_collection(
        PartitionCalls(
            expression.function, expression.args, expression.kwargs, meta, expression.divisions, name, columnwise
        )
    )


class ElementwiseMethods(OperatorMethods):
    """What frames and series share."""

    def __getitem__(self, key: Any) -> Any:
        if callable(key) and not hasattr(key, "_expr"):
            return self[key(self)]
        if isinstance(key, pd.Series) and key.dtype == bool:
            key = operand_of(self, key, {"axis": 0})
        elif isinstance(key, (pd.Series, pd.Index, np.ndarray)) and self.ndim == 2:
            key = list(key)
        if isinstance(key, list):
            key = list(key)  # which the caller may change
        if self.ndim == 2 and isinstance(key, slice) and any(map(pd.api.types.is_integer, (key.start, key.stop))):
            raise NotImplementedError(f"positions of rows are not known: labels in loc were expected, got {key!r}")
        if self.ndim == 2 and isinstance(key, slice) or self.ndim == 1 and _is_labels(key) and not self._expr.broadcast:
            return self.loc[key]
        if self.ndim == 2 and getattr(key, "ndim", 0) == 2:
            return self.where(key)
        columnwise = getattr(key, "ndim", 0) > 0
        return elementwise(operator.getitem, [self, key], columnwise=columnwise)

    def copy(self, deep: bool = False) -> Any:
        """Another object for the same expression: columns that are set on one don't show on the other."""
        if deep is not False:
            raise ValueError(
                "The `deep` value must be False. This is strictly a shallow copy of the underlying computational graph."
            )
        return type(self)(self._expr)

    def pipe(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function gives for this object; see `pandas.DataFrame.pipe`."""
        if isinstance(func, tuple):
            func, name = func
            if name in kwargs:
                raise ValueError(f"{name} is both the pipe target and a keyword argument")
            return func(*args, **{name: self}, **kwargs)
        return func(self, *args, **kwargs)

    @property
    def index(self) -> Any:
        """The index."""
        from raskr.dataframe.collection import Index

        divisions = self.divisions
        return Index(PartitionCalls(index_of, [self._expr], {}, self._meta.index, divisions, label="index"))

    @index.setter
    def index(self, value: Any) -> None:
        self._expr = elementwise(_with_index, [self, value], divisions=value.divisions)._expr

    def reset_index(self, drop: bool = False, **kwargs: Any) -> Any:
        """The index as a column, or dropped.

        Rows are numbered within their partition, so that numbers repeat and divisions are no longer known.

        Parameters
        ----------
        drop : bool
            Forget the index.
        **kwargs
            As of pandas' method: `names`, `name`.
        """
        unknown = (None,) * (self.npartitions + 1)
        return elementwise(M.reset_index, [self], {"drop": drop, **kwargs}, divisions=unknown)

    def to_timestamp(self, freq: Any = None, how: str = "start") -> Any:
        """Periods in the index as timestamps, at the start or the end of each."""
        divisions = self.divisions
        if self.known_divisions:
            divisions = tuple(pd.PeriodIndex(divisions).to_timestamp(freq=freq, how=how))
            divisions = (*divisions[:-1], pd.PeriodIndex([self.divisions[-1]]).to_timestamp(freq=freq, how="end")[0])
        return elementwise(M.to_timestamp, [self], {"freq": freq, "how": how}, divisions=divisions)

    def astype(self, dtype: Any) -> Any:
        """The values in another type, or in types by column; categories that are not given are unknown."""
        meta = self._meta.astype(dtype)
        before = self._meta
        if meta.ndim == 1 and _is_open(dtype) and not isinstance(before.dtype, pd.CategoricalDtype):
            meta = clear_known_categories(meta, index=False)
        elif meta.ndim == 2:
            kinds = dtype if isinstance(dtype, (dict, pd.Series)) else dict.fromkeys(meta.columns, dtype)
            unknown = [
                name
                for name, kind in kinds.items()
                if _is_open(kind) and not isinstance(before.dtypes[name], pd.CategoricalDtype)
            ]
            meta = clear_known_categories(meta, unknown, index=False) if unknown else meta
        one = not isinstance(dtype, (dict, pd.Series))
        return elementwise(M.astype, [self, dtype], meta=meta, columnwise=one)

    def clear_divisions(self) -> Any:
        """The same rows, with divisions forgotten."""
        return elementwise(_same, [self], divisions=(None,) * (self.npartitions + 1))

    def to_backend(self, backend: str | None = None, **kwargs: Any) -> Any:
        """The same object: partitions are pandas objects, and 'pandas' is the only backend."""
        if backend not in (None, "pandas"):
            raise ValueError(f"backend: expected 'pandas', got {backend!r}")
        return self

    def squeeze(self, axis: Any = None) -> Any:
        """A frame of one column as a series, and a series of one value as that value; see pandas' method."""
        if self.ndim == 1:
            return self
        if axis in (0, "index"):
            raise NotImplementedError(
                f"{type(self)} does not support squeeze along axis {axis!r}: rows are not counted; give axis='columns'"
            )
        if axis not in (None, 1, "columns"):
            raise ValueError(f"No axis {axis} for object type {type(self)}")
        return self[self.columns[0]] if len(self.columns) == 1 else self

    def align(self, other: Any, join: str = "outer", axis: Any = None, fill_value: Any = None) -> tuple:
        """This and another object with the same rows and columns; see pandas' method."""
        options = {"join": join, "axis": axis, "fill_value": fill_value}
        return tuple(elementwise(_aligned, [self, other], {**options, "place": place}) for place in (0, 1))

    def combine(self, other: Any, func: Any, fill_value: Any = None, overwrite: bool = True) -> Any:
        """Two objects combined by a function; see pandas' method."""
        options = {"overwrite": overwrite} if self.ndim == 2 else {}
        return elementwise(M.combine, [self, operand_of(self, other, {}), func], {"fill_value": fill_value, **options})

    def memory_usage_per_partition(self, index: bool = True, deep: bool = False) -> Any:
        """The bytes of each partition, as a series over the partitions."""
        return map_partitions(_bytes, self, index=index, deep=deep, meta=pd.Series([], dtype="int64")).clear_divisions()


class FrameElementwise(ElementwiseMethods):
    """What frames have beyond."""

    def assign(self, *pairs: Any, **columns: Any) -> Any:
        """The frame with further columns: series, values, or functions of the frame.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
        >>> df.assign(b=df.a * 10).b.compute().tolist()
        [10, 20]
        """
        frame: Any = self
        for name, value in columns.items():
            frame = frame._with(name, value(frame) if callable(value) and not hasattr(value, "_expr") else value)
        return frame

    def drop(self, labels: Any = None, axis: Any = 0, columns: Any = None, errors: str = "raise") -> Any:
        """The frame without some columns.

        Parameters
        ----------
        labels : label or list, optional
            The columns, with `axis=1`.
        axis : {1, 'columns'}
            Rows, which pandas means by 0, can't be dropped by label: filter them.
        columns : label or list, optional
            The columns.
        errors : {'raise', 'ignore'}
            What is done about columns that do not exist.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), npartitions=2)
        >>> list(df.drop(columns="b").columns)
        ['a']
        """
        if columns is None and axis in (1, "columns"):
            columns = labels
        if columns is None:
            raise NotImplementedError(
                "Drop currently only works for axis=1 or when columns is not None: filter rows by their values instead"
            )
        return elementwise(M.drop, [self], {"columns": columns, "errors": errors})

    def _with(self, name: Any, value: Any) -> Any:
        if isinstance(value, (list, tuple, np.ndarray)):
            raise TypeError(
                f"Column assignment doesn't support type {type(value).__name__}, of column {name!r}: a value, a series, "
                "an array of raskr's or a function of the frame was expected"
            )
        if is_array(value):
            if value.ndim > 1:
                raise ValueError(f"Array assignment only supports 1-D arrays, got one of shape {value.shape}")
            if value.ndim and value.npartitions != self.npartitions:
                raise ValueError(
                    f"Number of partitions do not match: {value.npartitions} blocks of the array and {self.npartitions} "
                    "partitions of the frame"
                )
        made = elementwise(with_column, [self, name, operand_of(self, value, {"axis": 0})])
        expression = made._expr
        return new_collection(WithColumn(*expression.args, expression.meta, expression.divisions))

    def pop(self, item: Any) -> Any:
        """A column, which the frame no longer has afterwards."""
        column = self[item]
        del self[item]
        return column

    def apply(
        self,
        function: Any,
        axis: Any = 0,
        raw: bool = False,
        result_type: Any = None,
        args: tuple = (),
        meta: Any = None,
        **kwargs: Any,
    ) -> Any:
        """What a function gives for each row.

        Parameters
        ----------
        function : callable
            Gets a row as a series.
        axis : {1, 'columns'}
            Rows only; for columns, which pandas means by 0, reduce.
        meta : pandas object, dict, tuple or type, optional
            An empty example of the result; the function is called with made-up rows where it is left out.
        args, **kwargs
            Further arguments.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), npartitions=2)
        >>> df.apply(lambda row: row.a + row.b, axis=1, meta=("c", "int64")).compute().tolist()
        [4, 6]
        """
        if axis not in (1, "columns"):
            raise NotImplementedError("dd.DataFrame.apply only supports axis=1: rows; for columns, use a reduction")
        options = {"axis": 1, "raw": raw, "result_type": result_type, "args": tuple(args), **kwargs}
        found = meta_by_example(M.apply, [self, function], options, meta, "apply")
        return elementwise(M.apply, [self, function], options, meta=found, label="apply")

    def applymap(self, func: Any, meta: Any = None) -> Any:
        """What a function gives for each value; the older name of `map`."""
        return self.map(func, meta=meta)

    def map(self, func: Any, na_action: Any = None, meta: Any = None, **kwargs: Any) -> Any:
        """What a function gives for each value; `meta` is an empty example of the result."""
        options = {"na_action": na_action, **kwargs}
        found = meta_by_example(M.map, [self, func], options, meta, "map")
        return elementwise(M.map, [self, func], options, meta=found, label="map", columnwise=True)

    def rename(self, index: Any = None, columns: Any = None, axis: Any = None, mapper: Any = None) -> Any:
        """Other names for columns; where index values get others, divisions are no longer known.

        Parameters
        ----------
        index, columns : dict or callable, optional
            What names become.
        axis : {0, 1}, optional
            With `mapper`, or the first argument, as in pandas.
        """
        if axis is not None:
            mapper = index if mapper is None else mapper
            index, columns = (None, mapper) if axis in (1, "columns") else (mapper, None)
        options = {key: value for key, value in (("index", index), ("columns", columns)) if value is not None}
        divisions = None if index is None else (None,) * (self.npartitions + 1)
        return elementwise(M.rename, [self], options, divisions=divisions)

    def items(self) -> Any:
        """The columns, one by one, with their names."""
        for place, name in enumerate(self.columns):
            yield name, self.iloc[:, place]

    def iterrows(self) -> Any:
        """The rows, one by one, with their index; partitions are computed one after another."""
        for part in self.partitions:
            yield from part.compute().iterrows()

    def itertuples(self, index: bool = True, name: str = "Pandas") -> Any:
        """The rows as named tuples, one by one; partitions are computed one after another."""
        for part in self.partitions:
            yield from part.compute().itertuples(index=index, name=name)


class SeriesElementwise(ElementwiseMethods):
    """What series have beyond."""

    def case_when(self, caselist: Any) -> Any:
        """Values replaced by conditions, the first that holds.

        Parameters
        ----------
        caselist : list of pairs
            Conditions, and what stands where they hold: values or series.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> s = dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2)
        >>> s.case_when([(s > 2, 0), (s > 1, -s)]).compute().tolist()
        [1, -2, 0]
        """
        return elementwise(_by_case, [self, *(each for pair in caselist for each in pair)], label="case-when")

    def apply(
        self, function: Any, convert_dtype: bool = True, args: tuple = (), meta: Any = None, **kwargs: Any
    ) -> Any:
        """What a function gives for each value.

        Parameters
        ----------
        function : callable
            Gets a value.
        meta : pandas object, dict, tuple or type, optional
            An empty example of the result; the function is called with made-up values where it is left out.
        args, **kwargs
            Further arguments.
        """
        options = {"args": tuple(args), **kwargs}
        found = meta_by_example(M.apply, [self, function], options, meta, "apply")
        return elementwise(M.apply, [self, function], options, meta=found, label="apply")

    def map(self, arg: Any, na_action: Any = None, meta: Any = None) -> Any:
        """What a function, a dict or a series gives for each value; `meta` is an empty example of the result."""
        options = {"na_action": na_action}
        if isinstance(getattr(arg, "_expr", None), Expression):
            return _mapped_by_series(self, arg, na_action, meta)
        found = meta_by_example(M.map, [self, arg], options, meta, "map")
        return elementwise(M.map, [self, arg], options, meta=found, label="map")

    def rename(self, index: Any, inplace: bool = False, sorted_index: bool = False) -> Any:
        """Another name for the series; with a function or a dict other index values.

        Parameters
        ----------
        index : label, callable or dict
            The name, or what index values become.
        inplace : bool
            Not possible: False.
        sorted_index : bool
            Whether index values keep their order, so that divisions are known.
        """
        if inplace:
            raise ValueError("rename: a series is not changed in place, inplace=False was expected")
        if hasattr(index, "_expr"):
            return _renamed_by_series(self, index)
        mapped = callable(index) or isinstance(index, (dict, pd.Series))
        if not mapped:
            return elementwise(M.rename, [self, index])
        divisions = (None,) * (self.npartitions + 1)
        if sorted_index and self.known_divisions:
            divisions = tuple(pd.Series(0, index=pd.Index(self.divisions)).rename(index).index)
            if list(divisions) != sorted(divisions):
                raise ValueError(f"sorted_index=True, but the divisions become non-monotonic: {divisions}")
        return elementwise(M.rename, [self, index], divisions=divisions)

    def add_prefix(self, prefix: str) -> Any:
        """Index values with text before them; divisions are no longer known."""
        return elementwise(M.add_prefix, [self, prefix], divisions=(None,) * (self.npartitions + 1))

    def add_suffix(self, suffix: str) -> Any:
        """Index values with text after them; divisions are no longer known."""
        return elementwise(M.add_suffix, [self, suffix], divisions=(None,) * (self.npartitions + 1))

    def items(self) -> Any:
        """The values, one by one, with their index; partitions are computed one after another."""
        for part in self.partitions:
            yield from part.compute().items()

    def view(self, dtype: Any) -> Any:
        """The values' bytes as another type."""
        return elementwise(_viewed, [self, np.dtype(dtype)])


class WithColumn(PartitionCalls):
    """A frame with one column set."""

    def __init__(self, frame: Any, name: Any, value: Any, meta: Any, divisions: Any) -> None:
        super().__init__(with_column, [frame, name, value], {}, meta, divisions, "assign")

    def with_children(self, children: Any) -> Expression:
        """The same column set on another frame."""
        value = children[1] if len(children) > 1 else self.args[2]
        return WithColumn(children[0], self.args[1], value, self.meta, self.divisions)

    def required(self, columns: list | None) -> list[list | None]:
        """The frame's columns but for the one that is set, and all of what it is set to."""
        frame = self.children[0].meta
        rest: list | None = None
        if columns is not None and frame.columns.is_unique:
            rest = [name for name in frame.columns if name in columns and name != self.args[1]]
        return [rest, *(None for _ in self.children[1:])]


def _mapped_by_series(series: Any, mapping: Any, na_action: Any, meta: Any) -> Any:
    """Values by what a lazy series holds for them, which every partition gets as a whole."""
    from raskr.dataframe.beyond import whole_expression

    found = meta_by_example(M.map, [series, mapping], {"na_action": na_action}, meta, "map")
    args = [series._expr, whole_expression(mapping)._expr]
    return new_collection(PartitionCalls(M.map, args, {"na_action": na_action}, found, series.divisions, "map"))


def _renamed_by_series(series: Any, mapping: Any) -> Any:
    """Index values by what a lazy series holds for them, which every partition gets as a whole."""
    from raskr.dataframe.beyond import whole_expression

    args = [series._expr, whole_expression(mapping)._expr]
    meta = series._meta.set_axis(pd.Index(mapping._meta, name=series._meta.index.name))
    return new_collection(PartitionCalls(M.rename, args, {}, meta, (None,) * (series.npartitions + 1), "rename"))


def _is_open(kind: Any) -> bool:
    """Is it a categorical type whose categories are found in the values?"""
    if isinstance(kind, pd.CategoricalDtype):
        return kind.categories is None
    return isinstance(kind, str) and kind == "category"


def with_column(part: Any, name: Any, value: Any) -> Any:
    """A copy of a frame with a column set."""
    part = part.copy(deep=False)
    part[name] = value
    return part


def set_columns(part: Any, names: list) -> Any:
    """A frame under other column names."""
    return part.set_axis(names, axis=1)


def index_of(part: Any) -> Any:
    """The index of a partition."""
    return part.index


def _with_index(part: Any, index: Any) -> Any:
    return part.set_axis(index)


def _same(part: Any) -> Any:
    return part


def _by_case(part: Any, *cases: Any) -> Any:
    return part.case_when(list(zip(cases[::2], cases[1::2])))


def _viewed(part: Any, dtype: Any) -> Any:
    return pd.Series(part.to_numpy().view(dtype), index=part.index, name=part.name)


def _aligned(left: Any, right: Any, place: int, **options: Any) -> Any:
    return left.align(right, **options)[place]


def _bytes(part: Any, index: bool, deep: bool) -> Any:
    """The bytes of a partition as a series of one value."""
    used = part.memory_usage(index=index, deep=deep) if not isinstance(part, pd.Index) else part.memory_usage(deep=deep)
    return pd.Series([int(used.sum()) if hasattr(used, "sum") else int(used)])


for _cls, _owner in ((FrameElementwise, pd.DataFrame), (SeriesElementwise, pd.Series)):
    _own = {name: text for name, text in COLUMNWISE.items() if name != "map"}
    add_methods(_cls, _owner, _own, True)
    add_methods(_cls, _owner, ROWWISE, False)
    add_binary_methods(_cls, _owner)
add_methods(FrameElementwise, pd.DataFrame, FRAME_ROWWISE, False)
add_methods(SeriesElementwise, pd.Series, SERIES_ROWWISE, False)

__all__ = ["FrameElementwise", "SeriesElementwise", "documented"]
