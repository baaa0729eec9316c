"""Results row by row of a group-by: running sums, shifts, filling; each partition with what came before in its groups."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from raskr._bridge import core
from raskr.dataframe.expressions import Expression
from raskr.dataframe.grouping import grouped, unpacked
from raskr.dataframe.partials import concat

#: For each operation the rows that stand for all rows before, so that the operation goes on from them.
_STATES = {
    "cumsum": "sum",
    "cumprod": "prod",
    "cummax": "max",
    "cummin": "min",
    "ffill": "last",
    "bfill": "first",
}


class GroupRows(Expression):
    """An operation along the rows of each group, in their order, on the index that they have.

    The rows that a group has before a partition (after it, for `backward` operations) are stood for by few rows, which
    are put before the partition's own and cut off again.
    """

    def __init__(
        self, source: Expression, meta: Any, divisions: Sequence, kind: str, backward: bool, settings: dict
    ) -> None:
        super().__init__(meta, divisions, f"groupby-{kind}", source, kind, backward, settings)
        self.source, self.kind, self.backward, self.settings = source, kind, backward, settings

    @property
    def children(self) -> list[Expression]:
        """The packed rows."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same of other rows."""
        return GroupRows(children[0], self.meta, self.divisions, self.kind, self.backward, self.settings)

    def _lower(self) -> list:
        numbers = list(range(self.npartitions))
        if self.backward:
            numbers.reverse()
        made: dict = {}
        state = None
        for place, number in enumerate(numbers):
            node = self.source.nodes[number]
            made[number] = self._call(number, _continued, node, state, self.kind, self.backward, self.settings)
            if place + 1 < len(numbers):
                args = (node, state, self.kind, self.backward, self.settings)
                state = core.node_of_call(_state, args, None, key=f"{self.name}-state-{number}", name="group-state")
        return [made[number] for number in range(self.npartitions)]


def _together(part: Any, state: Any, backward: bool) -> Any:
    if state is None or not len(state):
        return part
    state = state[list(part.columns)]
    return concat([part, state] if backward else [state, part])


def _state(part: Any, state: Any, kind: str, backward: bool, settings: dict) -> Any:
    """The rows that stand for all rows so far."""
    whole = _together(part, state, backward)
    values, keys = unpacked(whole, settings["names"], False)
    options = {"dropna": settings["dropna"], "observed": True, "sort": False}
    if kind in ("shift", "diff"):
        count = abs(settings["kwargs"].get("periods", 1))
        groups = grouped(whole, keys, **options)
        return groups.head(count) if backward else groups.tail(count)
    rows = getattr(grouped(values, keys, **options), _STATES[kind])()
    index = rows.index.to_frame(index=False)
    index.columns = whole.columns[len(values.columns) :]
    found = pd.concat([rows.reset_index(drop=True), index], axis=1)
    return found.set_axis([*values.columns, *index.columns], axis=1)


def _continued(part: Any, state: Any, kind: str, backward: bool, settings: dict) -> Any:
    whole = _together(part, state, backward)
    values, keys = unpacked(whole, settings["names"], settings["series"])
    if settings["series"]:
        values = values.rename(settings["name"])
    place = pd.RangeIndex(len(whole))
    keys = [key.set_axis(place) for key in keys]
    groups = grouped(values.set_axis(place), keys, dropna=settings["dropna"], observed=True, sort=False)
    found = getattr(groups, kind)(**settings["kwargs"])
    extra = len(whole) - len(part)
    found = found.iloc[: len(part)] if backward else found.iloc[extra:]
    return found.set_axis(part.index)


def first_rows(
    part: Any, names: Sequence, dropna: Any, call: str, n: int, sorter: Any = None, columns: Any = None
) -> Any:
    """The first or last rows of each group of a packed frame, keys and all; in the order that `sorter` gives them."""
    part = part if sorter is None else sorter(part)
    _, keys = unpacked(part, names, False)
    place = pd.RangeIndex(len(part))
    keys = [key.set_axis(place) for key in keys]
    found = getattr(grouped(part.set_axis(place), keys, dropna=dropna, observed=True, sort=False), call)(n)
    return part.iloc[found.index.sort_values()]


def first_rows_together(found: list, **settings: Any) -> Any:
    """The first or last rows of each group of several pieces."""
    return first_rows(concat(found), **settings)


def first_rows_finished(found: list, series: bool, name: Any, **settings: Any) -> Any:
    """Those rows without the keys."""
    values, _ = unpacked(first_rows_together(found, **settings), settings["names"], False)
    values = values if settings.get("columns") is None else values[settings["columns"]]
    values = values.iloc[:, 0] if series else values
    return values.rename(name) if series else values


def on_rows(part: Any, result: Any, keys: list, dropna: bool) -> Any:
    """Results of groups, at each row of its group."""
    frame = pd.DataFrame({place: key.array for place, key in enumerate(keys)}, index=part.index)
    table = result.index.to_frame(index=False)
    table.columns = list(range(len(keys)))
    table["_row"] = range(len(table))
    for place in range(len(keys)):
        if frame[place].dtype != table[place].dtype:
            table[place] = table[place].astype(frame[place].dtype)
    rows = frame.merge(table, on=list(range(len(keys))), how="left", sort=False)["_row"]
    positions = rows.fillna(-1).astype(int).to_numpy()
    values = result.reset_index(drop=True)
    if (positions >= 0).all():
        return values.take(positions).set_axis(part.index)
    return values.reindex(positions).set_axis(part.index)
