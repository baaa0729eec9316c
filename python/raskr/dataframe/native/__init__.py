"""What the engine computes of frames without pandas: plans over Arrow's tables, found among expressions before they run.

An expression is native where its source and all that is done on the way have a native counterpart that gives what pandas
would. The largest such expressions are replaced by results of the engine; pandas does the rest.
"""

from collections.abc import Sequence
from typing import Any

from raskr.dataframe.expressions import Expression, GroupFigures, PartitionCalls, TreeReduction
from raskr.dataframe.native.moves import moved
from raskr.dataframe.native.results import NativeResult, Rows, nodes_of_plans, with_plans
from raskr.dataframe.native.sources import source_of
from raskr.dataframe.native.tables import INDEX, NativeTable, NotNative, column, narrowed
from raskr.dataframe.native.translate import grouped, reduced, translated

__all__ = ["ready", "with_native"]


def with_native(roots: Sequence[Expression], elsewhere: bool = False) -> list[Expression]:
    """The expressions, of which the engine computes what it can; in other processes if `elsewhere`."""
    made, found = _replaced(roots)
    if found:
        for result, nodes in zip(found, nodes_of_plans([result.plan for result in found], elsewhere)):
            result.tables = nodes
    return [made[root.name] for root in roots]


def ready(roots: Sequence[Expression]) -> tuple[list[Expression], list[Any]]:
    """The expressions as `with_native` gives them, to be looked at, and the plans of what the engine computes of them."""
    made, found = _replaced(roots)
    return [made[root.name] for root in roots], [result.plan for result in found]


def _replaced(roots: Sequence[Expression]) -> tuple[dict, list[NativeResult]]:
    from raskr.dataframe.optimizing import parents_first

    order = parents_first(roots)
    tables: dict[str, NativeTable | None] = {}
    results: dict[str, NativeResult] = {}

    def table(expression: Expression) -> NativeTable:
        known = tables.get(expression.name)
        if known is None:
            raise NotNative(type(expression).__name__)
        return known

    for expression in reversed(order):
        tables[expression.name] = None
        try:
            if isinstance(expression, TreeReduction):
                plan, finish = reduced(expression, table)
                results[expression.name] = NativeResult(expression, plan, finish)
            elif isinstance(expression, GroupFigures):
                results[expression.name] = NativeResult(expression, *grouped(expression, table))
            elif isinstance(expression, PartitionCalls) and expression.children:
                tables[expression.name] = translated(expression, table)
            elif expression.children:
                tables[expression.name] = moved(expression, table)
            else:
                tables[expression.name] = source_of(expression)
        except (NotNative, NotImplementedError):
            continue
    return _rebuilt(roots, order, tables, results)


def _rebuilt(roots: Sequence[Expression], order: list, tables: dict, results: dict) -> tuple[dict, list]:
    """The expressions over native results, and those of these that are used."""
    used: dict[str, NativeResult] = {}
    needed = {root.name for root in roots}
    for expression in order:
        if expression.name not in needed:
            continue
        found = results.get(expression.name)
        rows = tables.get(expression.name)
        if found is None and rows is not None and rows.worth:
            found = _rows_of(expression, rows)
        if found is not None:
            used[expression.name] = found
        else:
            needed.update(child.name for child in expression.children)
    made: dict[str, Expression] = {}
    for expression in reversed(order):
        if expression.name in used:
            made[expression.name] = used[expression.name]
        elif expression.name in needed:
            fresh = [made[child.name] for child in expression.children]
            same = all(new is old for new, old in zip(fresh, expression.children))
            made[expression.name] = expression if same else expression.with_children(fresh)
    found = list(used.values())
    with_plans(found)
    return made, found


def _rows_of(expression: Expression, table: NativeTable) -> NativeResult:
    """The rows of a table as pandas objects."""
    _, pairs = table.named()
    counted = not table.indexed or table.whole and type(table.meta.index).__name__ == "RangeIndex"
    if not counted:
        pairs.append((INDEX, column(INDEX)))
    plan = table.plan.project(pairs).regroup(expression.npartitions)
    return NativeResult(expression, plan, Rows(narrowed(expression.meta, table.columns), not counted, table.whole))
