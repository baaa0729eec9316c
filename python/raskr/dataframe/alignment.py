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


def aligned(expressions: Sequence[Expression], move: bool = False) -> list[Expression]:
    """The expressions, divided at the same places; ValueError where that can't be done.

    Where divisions are not known and numbers of partitions differ, rows go to partitions by their index where they may
    `move`.
    """
    frames = [expression for expression in expressions if has_index(expression)]
    if not frames or all(frame.divisions == frames[0].divisions for frame in frames):
        _check_rows(expressions, frames)
        return list(expressions)
    if any(frame.divisions[0] is None for frame in frames):
        if len({frame.npartitions for frame in frames}) > 1:
            return _by_hash_of_index(expressions, frames, move)
        return list(expressions)
    places = united(frame.divisions for frame in frames)
    return [
        Divided(expression, places) if has_index(expression) and expression.divisions != places else expression
        for expression in expressions
    ]


def _by_hash_of_index(expressions: Sequence[Expression], frames: list[Expression], move: bool) -> list[Expression]:
    """The expressions with rows of equal index in partitions of equal number, where divisions don't say what they hold."""
    from raskr.dataframe.shuffle import hashed

    counts = [frame.npartitions for frame in frames]
    indexes = [None if isinstance(frame.meta, pd.Index) else frame.meta.index for frame in frames]
    arrays = any(not has_index(other) and other.npartitions > 1 for other in expressions)
    if not move or arrays or any(index is None or index.nlevels > 1 for index in indexes):
        raise ValueError(
            "Not all divisions are known, can't align partitions. Please use `set_index` to set the index. The numbers of "
            f"partitions are {counts}"
        )
    kinds = {index.dtype for index in indexes if index is not None}
    common = None if len(kinds) == 1 else [pd.concat([pd.Series([], dtype=kind) for kind in kinds]).dtype]
    return [
        hashed(expression, None, max(counts), common) if has_index(expression) else expression
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
                "the array and the frame have different numbers of partitions: "
                f"{expression.npartitions} blocks of rows and {count}"
            )
