"""Rewriting of frames' expressions before they run: sources read only the columns that are used.

Knows expressions by what they say of themselves (`children`, `required`, `with_children`, `narrowed`); a kind that says
nothing is left as it is. Several results are rewritten together, so that a source which they share is read once. Where partitions
would be brought from task to task, calls that stand on each other alone become one.
"""

import copy
from collections import Counter
from collections.abc import Sequence

from raskr.dataframe.expressions import Expression


def optimized(roots: Sequence[Expression]) -> list[Expression]:
    """Expressions that give the same partitions, from sources without columns that nobody uses."""
    order = parents_first(roots)
    needed: dict[str, set | None] = {root.name: None for root in roots}
    for expression in order:
        own = needed.get(expression.name, set())
        wanted = None if own is None else _in_order(expression, own)
        for child, columns in zip(expression.children, expression.required(wanted)):
            before = needed.get(child.name, set())
            needed[child.name] = None if columns is None or before is None else before | set(columns)
    made: dict[str, Expression] = {}
    for expression in reversed(order):
        children = expression.children
        fresh = [made[child.name] for child in children]
        if any(new is not old for new, old in zip(fresh, children)):
            made[expression.name] = expression.with_children(fresh)
            continue
        own = needed.get(expression.name)
        if own is not None and not children and len(own) < len(getattr(expression.meta, "columns", ())):
            if not own and not getattr(expression, "rows_without_columns", False):
                own = {expression.meta.columns[0]}  # something must be read to know the rows
            made[expression.name] = expression.narrowed(_in_order(expression, own))
        else:
            made[expression.name] = expression
    return [made[root.name] for root in roots]


def chained(roots: Sequence[Expression]) -> list[Expression]:
    """Expressions that give the same partitions; a partition that only one call takes is made within that call."""
    order = parents_first(roots)
    uses = Counter(child.name for expression in order for child in expression.children)
    uses.update(root.name for root in roots)
    made: dict[str, Expression] = {}
    for expression in reversed(order):
        children, takers = expression.children, expression.takers
        fresh = []
        for child in children:
            new = made[child.name]
            if new.one_call_each and uses[child.name] == 1 and new.npartitions == takers:
                new = copy.copy(new)
                new.within = True
            fresh.append(new)
        same = all(new is old for new, old in zip(fresh, children))
        made[expression.name] = expression if same else expression.with_children(fresh)
    return [made[root.name] for root in roots]


def _in_order(expression: Expression, columns: set) -> list | None:
    if getattr(expression.meta, "ndim", 0) != 2:
        return None
    return [name for name in expression.meta.columns if name in columns]


def parents_first(roots: Sequence[Expression]) -> list[Expression]:
    """All expressions below the roots, each before what it is made of."""
    done: dict[str, Expression] = {}
    stack = [(root, False) for root in roots]
    while stack:
        expression, left = stack.pop()
        if left:
            done.setdefault(expression.name, expression)
        elif expression.name not in done:
            stack.append((expression, True))
            stack.extend((child, False) for child in expression.children if child.name not in done)
    return list(reversed(done.values()))
