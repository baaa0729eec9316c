"""Frames side by side: partitions cut anew, so that all frames of an operation are divided at the same places."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from raskr.dataframe.expressions import Expression
from raskr.dataframe.partials import concat


class Divided(Expression):
    """The rows of a sorted expression, cut at other places of the index; what lies outside is empty."""

    def __init__(self, source: Expression, divisions: Sequence) -> None:
        super().__init__(source.meta, divisions, "divided", source)
        self.source = source

    @property
    def children(self) -> list[Expression]:
        """The expression that is cut anew."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """Another expression, cut at the same places."""
        return Divided(children[0], self.divisions)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns."""
        return [columns]

    def _lower(self) -> list:
        old, new = self.source.divisions, self.divisions
        last = self.npartitions - 1
        nodes = []
        for number in range(self.npartitions):
            low, high, closed = new[number], new[number + 1], number == last
            met = [
                node
                for place, node in enumerate(self.source.nodes)
                if (old[place] < high or closed and old[place] <= high)
                and (old[place + 1] > low or old[place + 1] == low and place == self.source.npartitions - 1)
            ]
            nodes.append(self._call(number, rows_between, met, low, high, closed, self.meta))
        return nodes


def rows_between(parts: list, low: Any, high: Any, closed: bool, meta: Any) -> Any:
    """The rows of sorted partitions from an index on and up to another, which is left out unless `closed`."""
    taken = [part for part in (_between(part, low, high, closed) for part in parts) if len(part)]
    if not taken:
        return parts[0].iloc[:0] if parts and hasattr(parts[0], "iloc") else meta
    return concat(taken)


def _between(part: Any, low: Any, high: Any, closed: bool) -> Any:
    index = part if isinstance(part, pd.Index) else part.index
    if not index.is_monotonic_increasing:
        part = part.sort_values() if isinstance(part, pd.Index) else part.sort_index(kind="stable")
        index = part if isinstance(part, pd.Index) else part.index
    start = index.searchsorted(low, side="left")
    stop = index.searchsorted(high, side="right" if closed else "left")
    return part[start:stop] if isinstance(part, pd.Index) else part.iloc[start:stop]


def has_index(expression: Expression) -> bool:
    """Are there rows with an index, to be lined up with those of others?"""
    return isinstance(expression.meta, (pd.DataFrame, pd.Series, pd.Index)) and not expression.broadcast


def aligned(expressions: Sequence[Expression]) -> list[Expression]:
    """The expressions, divided at the same places; ValueError where that can't be done."""
    frames = [expression for expression in expressions if has_index(expression)]
    if not frames or all(frame.divisions == frames[0].divisions for frame in frames):
        _check_rows(expressions, frames)
        return list(expressions)
    if any(frame.divisions[0] is None for frame in frames):
        counts = [frame.npartitions for frame in frames]
        if len(set(counts)) > 1:
            raise ValueError(
                "Not all divisions are known, can't align partitions. Please use `set_index` to set the index. The "
                f"numbers of partitions are {counts}"
            )
        return list(expressions)
    places = united(frame.divisions for frame in frames)
    return [
        Divided(expression, places) if has_index(expression) and expression.divisions != places else expression
        for expression in expressions
    ]


def united(divisions: Any) -> tuple:
    """The places at which any of some divisions cut."""
    places = sorted({place for each in divisions for place in each})
    return tuple(places) if len(places) > 1 else (places[0], places[0])


def _check_rows(expressions: Sequence[Expression], frames: list[Expression]) -> None:
    count = frames[0].npartitions if frames else 1
    for expression in expressions:
        if not has_index(expression) and expression.npartitions not in (1, count):
            raise ValueError(
                f"the array has {expression.npartitions} blocks of rows and the frame {count} partitions: expected "
                "the same number"
            )
