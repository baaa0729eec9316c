"""Expressions of frames: what is known at once (an empty example, divisions), and the partitions that they lower to.

Collections and everything above them see expressions only; that partitions are pandas objects made by Python calls is
known here alone.
"""

import operator
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from raskr._bridge import core
from raskr.dataframe.calls import Call, InTurn, flat
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

    # --- what rewriting asks (see `optimizing`) ----------------------------------------------------------------------
    #: Is it one piece that goes beside every partition, such as a sum over the rows?
    broadcast = False

    @property
    def children(self) -> list["Expression"]:
        """The expressions that this one is made of; empty for sources, and for kinds that rewriting leaves alone."""
        return []

    def with_children(self, children: Sequence["Expression"]) -> "Expression":
        """The same operation on other expressions, which have the columns that were asked for."""
        return self

    def required(self, columns: list | None) -> list[list | None]:
        """The columns that each child must have for these of the own ones; None for all."""
        return [None for _ in self.children]

    def narrowed(self, columns: list) -> "Expression":
        """A source with only these of its columns, in the source's own order; itself where it can't leave any out."""
        return self

    #: The rows of each partition, where they are known without making any.
    row_counts: list[int] | None = None

    # --- which calls become one (see `optimizing.chained`) -----------------------------------------------------------
    #: Is every partition one call by `_call`?
    one_call_each = False
    #: Do these calls take part in those of what stands on them, instead of being nodes?
    within = False

    @property
    def takers(self) -> int:
        """How many calls take the partitions of `children`, one each, as their arguments; 0 where it is otherwise."""
        return 0

    def _call(self, number: int, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.within:
            return Call(function, args, kwargs)
        if any(isinstance(arg, Call) for arg in (*args, *kwargs.values())):
            steps, args = flat(Call(function, args, kwargs))
            # One function for all partitions, as code that they share goes to a worker once.
            if self._in_turn is None or self._in_turn.steps != steps:
                self._in_turn = InTurn(steps)
            function, kwargs = self._in_turn, {}
        label = self.name.rpartition("-")[0]
        return core.node_of_call(function, args, kwargs or None, key=f"{self.name}-{number}", name=label)

    _in_turn: InTurn | None = None

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name not in ("nodes", "_in_turn")}

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
    it is. A columnwise function gives the columns of its first argument, each made from the columns of the same name.
    """

    def __init__(
        self,
        function: Any,
        args: Sequence,
        kwargs: dict,
        meta: Any,
        divisions: Sequence,
        label: str | None = None,
        columnwise: bool = False,
    ) -> None:
        super().__init__(meta, divisions, label or label_of(function), function, list(args), kwargs)
        self.function, self.args, self.kwargs = function, list(args), dict(kwargs)
        self.columnwise = columnwise

    one_call_each = True

    @property
    def takers(self) -> int:
        """A call for each partition."""
        return self.npartitions

    @property
    def broadcast(self) -> bool:  # type: ignore[override]
        """Is it one piece that goes beside every partition?"""
        return self.npartitions == 1 and bool(self.children) and all(child.broadcast for child in self.children)

    @property
    def children(self) -> list[Expression]:
        """The expressions among the arguments."""
        return [arg for arg in (*self.args, *self.kwargs.values()) if isinstance(arg, Expression)]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same calls with other expressions."""
        rest = iter(children)
        args = [next(rest) if isinstance(arg, Expression) else arg for arg in self.args]
        kwargs = {name: next(rest) if isinstance(arg, Expression) else arg for name, arg in self.kwargs.items()}
        label = self.name.rpartition("-")[0]
        return PartitionCalls(self.function, args, kwargs, self.meta, self.divisions, label, self.columnwise)

    def required(self, columns: list | None) -> list[list | None]:
        """The columns that each argument must have for these of the own ones."""
        if self.function is operator.getitem and len(self.children) == 1:
            return [_labels(self.args[1], self.children[0].meta)]
        if columns is None or not self.columnwise:
            return [None for _ in self.children]
        return [
            [name for name in child.meta.columns if name in columns] if getattr(child.meta, "ndim", 0) == 2 else None
            for child in self.children
        ]

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


def _labels(key: Any, meta: Any) -> list | None:
    """The columns that indexing with a key takes; None where it is not about columns."""
    if getattr(meta, "ndim", 0) != 2 or not meta.columns.is_unique or meta.columns.nlevels > 1:
        return None
    wanted = list(key) if isinstance(key, (list, pd.Index)) else [key]
    if any(isinstance(name, (bool, slice)) or not pd.api.types.is_hashable(name) for name in wanted):
        return None
    return [name for name in meta.columns if name in wanted]


class GroupFigures(Expression):
    """Figures of groups that need all values of a group, in one partition.

    The engine makes them of `args`, which are those of aggregations in parts; where it does not, they are those of `otherwise`.
    """

    def __init__(self, args: Sequence, otherwise: Expression, sort: Any) -> None:
        label = otherwise.name.rpartition("-")[0]
        super().__init__(otherwise.meta, otherwise.divisions, label, otherwise, list(args), sort)
        self.args, self.otherwise = list(args), otherwise
        self.options = {"aggregate": {"sort": sort}}

    @property
    def children(self) -> list[Expression]:
        """What pandas would make, and the expressions among the arguments."""
        return [self.otherwise, *(arg for arg in self.args if isinstance(arg, Expression))]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same figures of other expressions."""
        otherwise, *rest = children
        given = iter(rest)
        args = [next(given) if isinstance(arg, Expression) else arg for arg in self.args]
        return GroupFigures(args, otherwise, self.options["aggregate"]["sort"])

    def _lower(self) -> list:
        return list(self.otherwise.nodes)


class SelectedPartitions(Expression):
    """Some partitions of an expression."""

    def __init__(self, source: Expression, numbers: Sequence[int]) -> None:
        ends = [source.divisions[number] for number in numbers]
        ordered = all(after > before for before, after in zip(numbers, numbers[1:]))
        last = source.divisions[numbers[-1] + 1] if numbers else None
        divisions = [*ends, last] if ordered and numbers else [None] * (len(numbers) + 1)
        super().__init__(source.meta, divisions, "partitions", source, list(numbers))
        self.source, self.numbers = source, list(numbers)

    @property
    def children(self) -> list[Expression]:
        """The expression whose partitions they are."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same partitions of another expression."""
        return SelectedPartitions(children[0], self.numbers)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns."""
        return [columns]

    def _lower(self) -> list:
        return [self.source.nodes[number] for number in self.numbers]


class RowCounts(Expression):
    """The number of rows of each partition, for which no column is needed."""

    def __init__(self, source: Expression) -> None:
        super().__init__(0, (None,) * (source.npartitions + 1), "len", source)
        self.source = source

    one_call_each = True

    @property
    def takers(self) -> int:
        """A call for each partition."""
        return self.npartitions if self.children else 0

    @property
    def children(self) -> list[Expression]:
        """The expression whose rows are counted; none where that is known already."""
        return [self.source] if self.source.row_counts is None else []

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The rows of another expression."""
        return RowCounts(children[0])

    def required(self, columns: list | None) -> list[list | None]:
        """None of the columns."""
        return [[] if getattr(self.source.meta, "ndim", 0) == 2 else None for _ in self.children]

    def _lower(self) -> list:
        if self.source.row_counts is not None:
            return [self._call(number, int, rows) for number, rows in enumerate(self.source.row_counts)]
        return [self._call(number, len, node) for number, node in enumerate(self.source.nodes)]


class TreeReduction(Expression):
    """Partitions to few pieces: `chunk` of every partition, then lists of results combined, in groups, in their order.

    Parameters
    ----------
    chunk, combine, aggregate : callable
        `chunk(*args)` of a partition, `combine(list)` of some neighbouring results, `aggregate(list)` of the last ones.
    args : sequence
        As of `PartitionCalls`.
    meta, divisions : object
        Of what `aggregate` gives.
    options : dict
        Keyword arguments of the three, by the names `chunk`, `combine` and `aggregate`.
    split_every : int or False, optional
        How many results are combined at once; False for all.
    split : callable, optional
        `split(result, count)` cuts a result of `chunk` to one piece for each partition of `divisions`; each kind of
        piece has a tree of its own.
    """

    def __init__(
        self,
        chunk: Any,
        combine: Any,
        aggregate: Any,
        args: Sequence,
        meta: Any,
        label: str,
        *,
        options: dict | None = None,
        divisions: Sequence = (None, None),
        split_every: int | bool | None = None,
        split: Any = None,
        broadcast: bool = False,
    ) -> None:
        self.options = {step: dict((options or {}).get(step, ())) for step in ("chunk", "combine", "aggregate")}
        self.functions, self.args, self.split = (chunk, combine, aggregate), list(args), split
        self.split_every = _checked_split_every(split_every)
        self.broadcast = broadcast
        super().__init__(meta, divisions, label, self.functions, self.args, self.options, self.split_every, split)

    @property
    def takers(self) -> int:
        """A call of `chunk` for each partition of what is reduced."""
        return max(child.npartitions for child in self.children)

    @property
    def children(self) -> list[Expression]:
        """The expressions among the arguments."""
        return [arg for arg in self.args if isinstance(arg, Expression)]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same reduction of other expressions."""
        rest = iter(children)
        args = [next(rest) if isinstance(arg, Expression) else arg for arg in self.args]
        return TreeReduction(
            *self.functions,
            args,
            self.meta,
            self.name.rpartition("-")[0],
            options=self.options,
            divisions=self.divisions,
            split_every=self.split_every or False,
            split=self.split,
            broadcast=self.broadcast,
        )

    def _lower(self) -> list:
        count = self.takers
        chunk, combine, aggregate = self.functions
        calls = PartitionCalls(chunk, self.args, self.options["chunk"], self.meta, [None] * (count + 1), "chunk")
        results = calls.nodes
        rows: list[list] = [results]
        if self.npartitions > 1:
            cut = [self._call_at("cut", n, self.split, node, self.npartitions) for n, node in enumerate(results)]
            rows = [
                [self._call_at(f"piece-{piece}", n, operator.getitem, node, piece) for n, node in enumerate(cut)]
                for piece in range(self.npartitions)
            ]
        return [self._tree(piece, nodes, combine, aggregate) for piece, nodes in enumerate(rows)]

    def _tree(self, piece: int, nodes: list, combine: Any, aggregate: Any) -> Any:
        level = 0
        while self.split_every and len(nodes) > self.split_every:
            groups = [nodes[start : start + self.split_every] for start in range(0, len(nodes), self.split_every)]
            nodes = [
                self._call_at(f"{piece}-{level}", n, combine, group, **self.options["combine"])
                if group[1:]
                else group[0]
                for n, group in enumerate(groups)
            ]
            level += 1
        return self._call(piece, aggregate, nodes, **self.options["aggregate"])

    def _call_at(self, place: str, number: int, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        label = self.name.rpartition("-")[0]
        key = f"{self.name}-{place}-{number}"
        return core.node_of_call(function, args, kwargs or None, key=key, name=label)


def _checked_split_every(value: Any) -> int:
    if value is None:
        return 8
    if value is False:
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 2:
        raise ValueError(f"split_every must be an integer of at least 2, or False, got {value!r}")
    return int(value)


def label_of(function: Any) -> str:
    """A short name for a function, for keys and the repr."""
    from raskr.utils import funcname

    return funcname(function).strip("<>_") or "function"
