"""From expressions of frames to native tables: operations of rows, aggregations, joins; NotNative for all else."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.dataframe.elementwise import set_columns, with_column
from raskr.dataframe.expressions import Expression, GroupFigures, PartitionCalls, TreeReduction
from raskr.dataframe.grouping import finished_results
from raskr.dataframe.moments import moments_finished
from raskr.dataframe.native.results import Figures, Groups, OneRow
from raskr.dataframe.native.tables import NativeTable, NotNative, dtypes_of, kind_of, names
from raskr.dataframe.operators import Swapped
from raskr.dataframe.partials import finished
from raskr.utils import methodcaller

_BINARY = {
    getattr(operator, name): name.strip("_") for name in "add sub mul truediv eq ne lt le gt ge and_ or_".split()
}


def translated(expression: Expression, tables: Callable[[Expression], NativeTable]) -> NativeTable:
    """The native table of an operation of rows, whose inputs `tables` gives; NotNative where pandas has to do it."""
    if not isinstance(expression, PartitionCalls):
        raise NotNative(type(expression).__name__)
    function, args, kwargs = expression.function, expression.args, expression.kwargs
    meta = expression.meta
    if not isinstance(meta, (pd.DataFrame, pd.Series)) or isinstance(meta.index, pd.MultiIndex):
        raise NotNative(type(meta).__name__)
    if any(isinstance(arg, Expression) for arg in kwargs.values()):
        raise NotNative("keyword arguments that are frames")
    sides = [tables(arg) if isinstance(arg, Expression) else arg for arg in args]
    if function is operator.getitem and len(sides) == 2:
        return _item(sides[0], sides[1], meta)
    if isinstance(function, Swapped):
        function, sides = function.function, sides[::-1]
    if function in _BINARY and len(sides) == 2 and not kwargs:
        return _binary(_BINARY[function], sides[0], sides[1], meta)
    if function is with_column:
        return _with_column(sides[0], sides[1], sides[2], meta)
    [table, *rest] = sides
    if not isinstance(table, NativeTable) or any(isinstance(each, NativeTable) for each in rest):
        raise NotNative("operations of several frames")
    if function is set_columns:
        return table.like(dict(zip(meta.columns, table.columns.values())), meta)
    if function in (operator.neg, operator.invert):
        step = core.FrameExpr.negated if function is operator.neg else core.FrameExpr.inverted
        return _each(table, step, meta)
    if isinstance(function, methodcaller):
        return _method(table, function.method, rest, kwargs, meta)
    raise NotNative(str(function))


def _each(table: NativeTable, step: Callable, meta: Any) -> NativeTable:
    return table.like({label: step(value) for label, value in table.columns.items()}, meta)


def _item(table: Any, key: Any, meta: Any) -> NativeTable:
    if not isinstance(table, NativeTable):
        raise NotNative("what is indexed")
    if isinstance(key, NativeTable):
        if key.plan is not table.plan or not key.is_series or kind_of(key.meta.dtype) != "bool":
            raise NotNative("a condition on other rows")
        plan = table.plan.filter(key.value)
        return NativeTable(plan, table.columns, meta, table.worth, False, table.indexed)
    if table.is_series or not isinstance(key, (str, int, list, pd.Index)) or isinstance(key, bool):
        raise NotNative("a key of another kind")
    wanted = list(key) if isinstance(key, (list, pd.Index)) else [key]
    if any(not isinstance(label, (str, int)) or isinstance(label, bool) for label in wanted):
        raise NotNative("a key of another kind")
    if len(set(wanted)) != len(wanted) or any(label not in table.columns for label in wanted):
        raise NotNative("labels that are not unique")
    return table.like({label: table.columns[label] for label in wanted}, meta)


def literal(value: Any, like: str) -> Any:
    """The expression of a constant beside a column of a type."""
    if isinstance(value, pd.Timestamp) and like.startswith("datetime64") and value.tz is None:
        unit = like[11:-1]
        fitting = value.as_unit(unit)
        if fitting != value:
            raise NotNative("a time between those that the column can hold")
        return core.FrameExpr.timestamp(fitting.value // _per_unit(unit), unit, None)
    if isinstance(value, (np.integer, np.bool_)):
        value = value.item()
    if isinstance(value, bool) and like == "bool":
        return core.FrameExpr.literal(value)
    if type(value) is str and like == "str":
        return core.FrameExpr.literal(value)
    if type(value) is int and like[:3] in ("int", "uin", "flo"):
        bounds = np.iinfo(like) if like[0] != "f" else np.iinfo("int64")
        if not bounds.min <= value <= min(bounds.max, 2**63 - 1):
            raise NotNative("a number out of range")
        return core.FrameExpr.literal(value)
    if type(value) is float and value == value and like[:3] in ("int", "uin", "flo"):
        return core.FrameExpr.literal(value)
    raise NotNative(f"{type(value).__name__} beside {like}")


def _per_unit(unit: str) -> int:
    return {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]


def _binary(name: str, left: Any, right: Any, meta: Any) -> NativeTable:
    if isinstance(left, NativeTable) and isinstance(right, NativeTable):
        if left.plan is not right.plan or not (left.is_series and right.is_series):
            raise NotNative("operations of different rows")
        return left.like({meta.name: core.FrameExpr.binary(name, left.value, right.value)}, meta)
    table = left if isinstance(left, NativeTable) else right
    other = right if table is left else left
    made: dict = {}
    labels = [meta.name] if table.is_series else list(meta.columns)
    for label, value, dtype in zip(labels, table.columns.values(), dtypes_of(table.meta)):
        constant = literal(other, kind_of(dtype))
        pair = (value, constant) if table is left else (constant, value)
        made[label] = core.FrameExpr.binary(name, *pair)
    return table.like(made, meta)


def _with_column(table: Any, label: Any, value: Any, meta: Any) -> NativeTable:
    if not isinstance(table, NativeTable) or not isinstance(label, (str, int)):
        raise NotNative("labels of other kinds")
    if isinstance(value, NativeTable):
        if value.plan is not table.plan or not value.is_series:
            raise NotNative("a column of other rows")
        made = value.value
    elif isinstance(value, (int, float, str)):
        made = literal(value, kind_of(meta[label].dtype))
    else:
        raise NotNative("a column of another kind")
    return table.like({**table.columns, label: made}, meta)


def _method(table: NativeTable, name: str, args: list, kwargs: dict, meta: Any) -> NativeTable:
    if name in ("isna", "isnull", "notna", "notnull") and not args and not kwargs:

        def missing(value: Any) -> Any:
            found = value.is_missing()
            return found.inverted() if name.startswith("not") else found

        return _each(table, missing, meta)
    if name == "isin" and len(args) + len(kwargs) == 1 and table.is_series:
        [values] = [*args, *kwargs.values()]
        if not isinstance(values, (list, tuple, set)):
            raise NotNative("values of another kind")
        kind = kind_of(table.meta.dtype)
        if kind not in ("int64", "str", "bool"):
            raise NotNative("values of another type")
        plain = {"int64": int, "str": str, "bool": bool}[kind]
        if any(type(value) is not plain for value in values):
            raise NotNative("values of other types")
        return table.like({meta.name: table.value.is_in(list(values))}, meta)
    if name == "fillna" and table.is_series and len(args) == 1 and not any(v is not None for v in kwargs.values()):
        kind = kind_of(table.meta.dtype)
        constant = literal(args[0], kind)
        if kind == "float64":
            constant = constant.cast("float64")
        return table.like({meta.name: table.value.otherwise(constant)}, meta)
    if name == "astype" and table.is_series and len(args) == 1 and not kwargs:
        kind = kind_of(pd.api.types.pandas_dtype(args[0]))
        if kind in ("str", "bool") or kind.startswith("datetime"):
            raise NotNative("types that pandas converts")
        return table.like({meta.name: table.value.cast(kind)}, meta)
    if name == "rename" and not table.is_series and set(kwargs) == {"columns"} and not args:
        return table.like(dict(zip(meta.columns, table.columns.values())), meta)
    if name == "reset_index" and not table.is_series and not args and kwargs == {"drop": True}:
        return NativeTable(table.plan, table.columns, meta, table.worth, whole=False, indexed=False)
    if name == "drop" and not table.is_series and not args and set(kwargs) <= {"columns", "errors"}:
        return table.like({label: table.columns[label] for label in meta.columns}, meta)
    raise NotNative(name)


# --- aggregations -------------------------------------------------------------------------------------------------------
def reduced(expression: TreeReduction, tables: Callable[[Expression], NativeTable]) -> tuple:
    """The plan of a reduction or a group-by, and what makes pandas' object of its table; NotNative for others."""
    if expression.functions[2] is finished_results:
        return grouped(expression, tables)
    if expression.functions[2] in (finished, moments_finished) and len(expression.args) == 1:
        return _of_all_rows(expression, tables)
    raise NotNative("a reduction of another kind")


def _of_all_rows(expression: TreeReduction, tables: Callable[[Expression], NativeTable]) -> tuple:
    table = tables(expression.args[0])
    options = expression.options
    ddof = 1
    if expression.functions[2] is finished:
        name = options["chunk"]["method"]
    else:
        name, ddof = options["aggregate"]["name"], options["aggregate"].get("ddof", 1)
    if options["chunk"].get("skipna", True) is not True or name not in (
        "sum",
        "min",
        "max",
        "count",
        "mean",
        "var",
        "std",
    ):
        raise NotNative(name)
    source = dtypes_of(table.meta)
    if not source:
        raise NotNative("figures of no columns")
    for dtype in source:
        _check_statistic(name, kind_of(dtype))
    kinds = [_figure_type(name, dtype) for dtype in source]
    return Figures(table.plan, table.columns.values(), name, ddof), OneRow(expression.meta, kinds)


def _figure_type(name: str, dtype: Any) -> Any:
    if name == "count":
        return np.dtype("int64")
    if name in ("mean", "var", "std"):
        return np.dtype("float64") if dtype != np.dtype("float32") else dtype
    if name == "sum":
        return np.dtype({"i": "int64", "b": "int64", "u": "uint64"}.get(dtype.kind, dtype))
    return dtype


def _check_statistic(name: str, kind: str) -> None:
    """Is the figure of values of a type pandas'?"""
    if kind == "str" or kind.startswith("datetime"):
        allowed = ("count", "size") if kind != "str" else ("count", "size", "min", "max", "first", "last")
    elif kind == "bool":
        allowed = ("count", "size", "sum")
    else:
        allowed = ("sum", "mean", "min", "max", "count", "size", "var", "std", "first", "last", "median")
    if name not in allowed:
        raise NotNative(f"{name} of {kind}")


def grouped(expression: TreeReduction | GroupFigures, tables: Callable[[Expression], NativeTable]) -> tuple:
    """The plan of figures of groups, and what makes pandas' object of its table; NotNative for others."""
    source, labels, steps, dropna, _, *given = expression.args
    if dropna is False:
        raise NotNative("groups without a key")
    table = tables(source)
    rest = iter([tables(key) for key in given])
    keys: list = []
    for label in labels:
        if label is None:
            key = next(rest)
            if key.plan is not table.plan or not key.is_series:
                raise NotNative("keys of other rows")
            keys.append((key.value, key.meta.dtype))
        elif not table.is_series and label in table.columns:
            keys.append((table.columns[label], table.meta[label].dtype))
        else:
            raise NotNative("groups by the index")
    own = names(len(keys), "k")
    columns = list(zip(own, [_key_value(value, kind_of(dtype)) for value, dtype in keys]))
    for _, dtype in keys:
        if kind_of(dtype) in ("float32", "bool"):
            raise NotNative("keys of other types")
    measures, made = [], {}
    for place, step in enumerate(steps):
        if not isinstance(step.kind, str) or step.options.get("min_count", 0) > 0:
            raise NotNative("an aggregation of another kind")
        name = None
        if step.kind != "size":
            name = made.get(step.column)
            if name is None:
                value, dtype = _column_of(table, step.column)
                name = made[step.column] = f"v{len(made)}"
                columns.append((name, value))
                _check_statistic(step.kind, kind_of(dtype))
            else:
                _check_statistic(step.kind, kind_of(_column_of(table, step.column)[1]))
        measures.append((f"f{place}", name, step.kind, step.options.get("ddof", 1)))
    rows = table.plan.project(columns)
    plan = rows.aggregate(own, measures, True)
    wanted = expression.options["aggregate"].get("sort") is not False
    if expression.npartitions == 1 and wanted:
        plan = plan.sort_whole([(name, False, False) for name in own])
    else:
        plan = plan.regroup(expression.npartitions)
    for dtype, (_, kind) in zip(_key_types(expression.meta.index), keys):
        if dtype != kind:
            raise NotNative("keys that become another type")
    return plan, Groups(expression.meta)


def _key_value(value: Any, kind: str) -> Any:
    """A key, of which -0 and 0 are the same."""
    return core.FrameExpr.binary("add", value, core.FrameExpr.literal(0.0)) if kind == "float64" else value


def _key_types(index: Any) -> list:
    return [level.dtype for level in index.levels] if isinstance(index, pd.MultiIndex) else [index.dtype]


def _column_of(table: NativeTable, label: Any) -> tuple:
    if table.is_series:
        return table.value, table.meta.dtype
    if label not in table.columns:
        raise NotNative("a column that is not there")
    return table.columns[label], table.meta[label].dtype
