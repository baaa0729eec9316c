"""Expressions of frames: what is known at once (an empty example, divisions), and the partitions that they lower to.

Collections and everything above them see expressions only; that partitions are pandas objects made by Python calls is
known here alone.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from raskr._bridge import core
from raskr.tokenize import tokenize


class Expression:
    """A table in partitions.

    Parameters
    ----------
    meta : pandas.DataFrame, Series or Index
        An empty example: columns, types and names.
    divisions : sequence
        Where partitions begin in a sorted index, and where the last one ends; None for each where it is not known.
    label : str
        The operation's name.
    *content : object
        What tells this expression from others of the same label.
    """

    def __init__(self, meta: Any, divisions: Sequence, label: str, *content: Any) -> None:
        self.meta = meta
        self.divisions = tuple(divisions)
        self.name = f"{label}-{tokenize(type(self).__name__, meta, self.divisions, content)}"

    @property
    def npartitions(self) -> int:
        """The number of partitions."""
        return len(self.divisions) - 1

    @cached_property
    def nodes(self) -> list:
        """One node of the engine's a partition."""
        return self._lower()

    def _lower(self) -> list:
        raise NotImplementedError

    def _call(self, number: int, function: Any, *args: Any, **kwargs: Any) -> Any:
        label = self.name.rpartition("-")[0]
        return core.node_of_call(function, args, kwargs or None, key=f"{self.name}-{number}", name=label)

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "nodes"}

    def __dask_tokenize__(self) -> str:
        return self.name


class PandasSlices(Expression):
    """Rows of a pandas object, `bounds[i]` to `bounds[i + 1]` in partition i."""

    def __init__(self, data: Any, bounds: Sequence[int], divisions: Sequence) -> None:
        super().__init__(data.iloc[:0], divisions, "from-pandas", data, bounds)
        self.data, self.bounds = data, list(bounds)

    def _lower(self) -> list:
        ends = zip(self.bounds, self.bounds[1:])
        return [
            core.node_of_value(self.data.iloc[start:stop], key=f"{self.name}-{number}", name="from-pandas")
            for number, (start, stop) in enumerate(ends)
        ]


class FromNodes(Expression):
    """Partitions that nodes of the engine give."""

    def __init__(self, given: Sequence, meta: Any, divisions: Sequence, label: str = "from-delayed") -> None:
        super().__init__(meta, divisions, label, [node.key for node in given])
        self.given = list(given)

    def _lower(self) -> list:
        return self.given


class Rows:
    """An argument with one value a partition."""

    def __init__(self, values: Sequence) -> None:
        self.values = list(values)

    def __dask_tokenize__(self) -> Any:
        return "Rows", [getattr(value, "key", value) for value in self.values]


class PartitionCalls(Expression):
    """A function of the partitions of expressions, side by side.

    Expressions with one partition give it to every call; `Rows` have a value for each call; anything else is given as
    it is.
    """

    def __init__(
        self, function: Any, args: Sequence, kwargs: dict, meta: Any, divisions: Sequence, label: str | None = None
    ) -> None:
        super().__init__(meta, divisions, label or label_of(function), function, list(args), kwargs)
        self.function, self.args, self.kwargs = function, list(args), dict(kwargs)

    def _lower(self) -> list:
        def at(arg: Any, number: int) -> Any:
            if isinstance(arg, Expression):
                return arg.nodes[number if arg.npartitions > 1 else 0]
            return arg.values[number] if isinstance(arg, Rows) else arg

        return [
            self._call(
                number,
                self.function,
                *(at(arg, number) for arg in self.args),
                **{name: at(arg, number) for name, arg in self.kwargs.items()},
            )
            for number in range(self.npartitions)
        ]


class SelectedPartitions(Expression):
    """Some partitions of an expression."""

    def __init__(self, source: Expression, numbers: Sequence[int]) -> None:
        ends = [source.divisions[number] for number in numbers]
        ordered = all(after > before for before, after in zip(numbers, numbers[1:]))
        last = source.divisions[numbers[-1] + 1] if numbers else None
        divisions = [*ends, last] if ordered and numbers else [None] * (len(numbers) + 1)
        super().__init__(source.meta, divisions, "partitions", source, list(numbers))
        self.source, self.numbers = source, list(numbers)

    def _lower(self) -> list:
        return [self.source.nodes[number] for number in self.numbers]


def label_of(function: Any) -> str:
    """A short name for a function, for keys and the repr."""
    from raskr.utils import funcname

    return funcname(function).strip("<>_") or "function"
