"""Native joins and sorts: what the expressions of `merging` and `sorting` mean to the engine."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from raskr.dataframe.expressions import Expression
from raskr.dataframe.merging import MergedPartitions
from raskr.dataframe.native.tables import (
    INDEX,
    NativeTable,
    NotNative,
    arrow_schema,
    column,
    kind_of,
)
from raskr.dataframe.repartitioning import JoinedPartitions
from raskr.dataframe.shuffle import ByHash, Shuffle
from raskr.dataframe.sorting import ByRange, SetIndex, SortValues

Tables = Callable[[Expression], NativeTable]


def moved(expression: Expression, tables: Tables) -> NativeTable:
    """The native table of a join or a sort; NotNative for others."""
    if isinstance(expression, MergedPartitions):
        return _joined(expression, tables)
    if isinstance(expression, Shuffle) and isinstance(expression.place, ByRange):
        return _sorted(expression, tables)
    raise NotNative(type(expression).__name__)


def _side(expression: Expression, tables: Tables) -> NativeTable:
    """A side of a join, before its rows were moved for the sake of the join."""
    while isinstance(expression, JoinedPartitions) or (
        isinstance(expression, Shuffle) and isinstance(expression.place, ByHash) and expression.finish is None
    ):
        expression = expression.source
    table = tables(expression)
    if table.is_series:
        raise NotNative("a series")
    return table


def _joined(expression: MergedPartitions, tables: Tables) -> NativeTable:
    options, meta = expression.options, expression.meta
    how, left_on, right_on = options["how"], options["left_on"], options["right_on"]
    if left_on is None or right_on is None or options["indicator"] or how == "cross":
        raise NotNative("joins on the index, and what tells where rows came from")
    left, right = _side(expression.left, tables), _side(expression.right, tables)
    if any(key not in left.columns for key in left_on) or any(key not in right.columns for key in right_on):
        raise NotNative("keys that are levels of the index")
    if any(kind_of(left.meta[key].dtype).startswith("float") for key in left_on):
        raise NotNative("keys of which -0 and 0 would be different ones")
    own, own_pairs = left.named("l")
    filters = how in ("leftsemi", "leftanti")
    if filters and left.indexed:
        own_pairs.append((INDEX, column(INDEX)))
    other, other_pairs = right.named("r")
    left_names, right_names = dict(zip(left.columns, own)), dict(zip(right.columns, other))
    pairs = [(left_names[a], right_names[b]) for a, b in zip(left_on, right_on)]
    plan = left.plan.project(own_pairs).join(right.plan.project(other_pairs), pairs, how, options.get("way", "chosen"))
    columns = {label: column(name) for label, name in left_names.items()}
    if not filters:
        columns = _merged_columns(left_names, right_names, left_on, right_on, options)
    _check_order(columns, meta)
    made = NativeTable(plan, columns, meta, worth=True, whole=not filters, indexed=filters and left.indexed)
    made.check()
    return made


def _check_order(columns: dict, meta: Any) -> None:
    """NotNative where columns are not in the order of pandas'; those that sources leave out, as nobody uses them, need not be there."""
    if list(columns) != [label for label in meta.columns if label in columns]:
        raise NotNative("columns in another order")


def _merged_columns(left: dict, right: dict, left_on: list, right_on: list, options: dict) -> dict:
    """The columns of a join by their labels, in pandas' order."""
    shared = {a for a, b in zip(left_on, right_on) if a == b}
    suffixes = [suffix or "" for suffix in options["suffixes"]]
    made: dict = {}
    for label, name in left.items():
        if label in shared:
            made[label] = column(name)
            if options["how"] == "right":
                made[label] = column(right[label])
            elif options["how"] == "outer":
                made[label] = column(name).otherwise(column(right[label]))
        else:
            made[f"{label}{suffixes[0]}" if label in right else label] = column(name)
    for label, name in right.items():
        if label not in shared:
            new = f"{label}{suffixes[1]}" if label in left else label
            if new in made:
                raise NotNative("labels that are not unique")
            made[new] = column(name)
    return made


def _sorted(expression: Shuffle, tables: Tables) -> NativeTable:
    table = tables(expression.source)
    place, finish = expression.place, expression.finish
    if table.is_series or place.key not in table.columns:
        raise NotNative("rows in another order")
    if isinstance(finish, SortValues) and finish.function is pd.DataFrame.sort_values:
        # The engine's order is stable, so that any kind of sort will do.
        if set(finish.options) - {"kind"} != {"by", "ascending", "na_position"}:
            raise NotNative("an order of another kind")
        by, ways = finish.options["by"], finish.options["ascending"]
        ways = ways if isinstance(ways, list) else [ways] * len(by)
        first = finish.options["na_position"] == "first"
    elif isinstance(finish, SetIndex) and finish.sort and not finish.append and finish.drop:
        by, ways, first = [place.key], [True], False
    else:
        raise NotNative("rows that are finished in another way")
    if by[0] != place.key or ways[0] != place.ascending:
        raise NotNative("rows that are parted in another order")
    own, pairs = table.named()
    labels = dict(zip(table.columns, own))
    as_index = isinstance(finish, SetIndex)
    if table.indexed and not as_index:
        pairs = [*pairs, (INDEX, column(INDEX))]
    kind = kind_of(table.meta[place.key].dtype)
    keys = [(labels[label], not way, first) for label, way in zip(by, ways)]
    inner = place.divisions[1:-1] if place.ascending else place.divisions[1:-1][::-1]
    plan = table.plan.project(pairs).sort(keys, _bounds(inner, kind))
    columns = {label: column(name) for label, name in labels.items()}
    if as_index:
        index = columns.pop(place.key)
        kept = [(name, column(name)) for label, name in labels.items() if label != place.key]
        plan = plan.project([*kept, (INDEX, index)])
    _check_order(columns, expression.meta)
    return NativeTable(plan, columns, expression.meta, worth=True, whole=False, indexed=as_index or table.indexed)


def _bounds(values: list, kind: str) -> Any:
    import pyarrow

    schema = arrow_schema({"bounds": kind})
    try:
        return pyarrow.table([pyarrow.array(values, type=schema.field("bounds").type)], schema=schema)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError) as error:
        raise NotNative("divisions of another type") from error
