"""Expressions over graphs: what libraries hand to schedulers in place of a graph, to be rewritten and listed there.

raskr's own collections are expressions in Rust, and rewritten there; these carry graphs of anybody's.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from raskr._task_spec import Task, TaskRef, convert_legacy_graph, parse_input
from raskr._unpack import is_dask_collection
from raskr.core import flatten
from raskr.graph import plain
from raskr.tokenize import tokenize

__all__ = ["Expr", "FinalizeCompute", "HLGExpr", "LLGExpr", "collections_to_expr"]


class Expr:
    """A node of an expression: an operation and its operands, some of which are expressions.

    A subclass lists its operands' names in `_parameters`, defaults in `_defaults`, gives its tasks in `_layer` and its
    keys in `__dask_keys__`. `_simplify_down` and `_lower` may give another expression in its place.

    Examples
    --------
    >>> import raskr
    >>> from raskr._expr import Expr
    >>> from raskr._task_spec import DataNode
    >>> class Number(Expr):
    ...     _parameters = ["value"]
    ...
    ...     def _layer(self):
    ...         return {self._name: DataNode(self._name, self.value)}
    >>> number = Number(3)
    >>> raskr.get(number.__dask_graph__(), number._name)
    3
    """

    _parameters: list[str] = []
    _defaults: dict[str, Any] = {}
    operands: list

    def __new__(cls, *args: Any, _determ_token: Any = None, **kwargs: Any) -> "Expr":
        self = object.__new__(cls)
        operands = list(args)
        for parameter in cls._parameters[len(operands) :]:
            if parameter in kwargs:
                operands.append(kwargs.pop(parameter))
            elif parameter in cls._defaults:
                operands.append(cls._defaults[parameter])
            else:
                raise TypeError(f"{cls.__name__}: the operand {parameter!r} is missing")
        if kwargs:
            raise TypeError(f"{cls.__name__} has no operand {next(iter(kwargs))!r}")
        self.operands = operands
        self._determ_token = _determ_token
        return self

    def __reduce__(self) -> tuple:
        return _remade, (type(self), self.operands, self.deterministic_token)

    # --- what it is ------------------------------------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        if name in type(self)._parameters:
            return self.operand(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def operand(self, name: str) -> Any:
        """An operand by its name."""
        return self.operands[type(self)._parameters.index(name)]

    def dependencies(self) -> list:
        """The operands that are expressions."""
        return [operand for operand in self.operands if isinstance(operand, Expr)]

    @property
    def deterministic_token(self) -> str:
        """Equal for equal content."""
        if not self._determ_token:
            self._determ_token = tokenize(type(self).__name__, *self.operands)
        return self._determ_token

    @functools.cached_property
    def _name(self) -> str:
        return f"{type(self).__name__.lower().strip('_')}-{self.deterministic_token}"

    def __dask_tokenize__(self) -> str:
        return self._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and other._name == self._name

    def __repr__(self) -> str:
        named = zip(type(self)._parameters, self.operands)
        rest = map(repr, self.operands[len(type(self)._parameters) :])
        return f"{type(self).__name__}({', '.join([*(f'{name}={value!r}' for name, value in named), *rest])})"

    def walk(self) -> Iterator["Expr"]:
        """The expression and all that it stands on, each once."""
        work, seen = [self], set()
        while work:
            node = work.pop()
            if node._name not in seen:
                seen.add(node._name)
                yield node
                work.extend(node.dependencies())

    def find_operations(self, operation: Any) -> Iterator["Expr"]:
        """The expressions of a class, or of a tuple of classes, among those that `walk` gives."""
        return (node for node in self.walk() if isinstance(node, operation))

    # --- its tasks -------------------------------------------------------------------------------------------------
    def _layer(self) -> dict:
        raise NotImplementedError(f"{type(self).__name__} has no _layer: it has to be lowered to another expression")

    def __dask_keys__(self) -> Any:
        return [self._name]

    def __dask_graph__(self) -> dict:
        graph: dict = {}
        for node in self.walk():
            graph.update(node._layer())
        return graph

    @property
    def dask(self) -> dict:
        """All tasks by key."""
        return self.__dask_graph__()

    def __dask_annotations__(self) -> dict:
        found: dict = {}
        for node in self.dependencies():
            for name, by_key in node.__dask_annotations__().items():
                found.setdefault(name, {}).update(by_key)
        return found

    def finalize_compute(self) -> "Expr":
        """The expression whose one key is the result."""
        return self

    # --- rewriting -------------------------------------------------------------------------------------------------
    def _simplify_down(self) -> Any:
        return None

    def _lower(self) -> Any:
        return None

    def _with(self, operands: list) -> "Expr":
        if all(new is old for new, old in zip(operands, self.operands)):
            return self
        return type(self)(*operands)

    def _rewritten(self, rule: str) -> "Expr":
        """The expression after a rule has been applied to it and below it until nothing changes."""
        node = self
        while True:
            found = getattr(node, rule)()
            if found is None or found._name == node._name:
                break
            node = found
        below = node._with([x._rewritten(rule) if isinstance(x, Expr) else x for x in node.operands])
        return below if below is node else below._rewritten(rule)

    def simplify(self) -> "Expr":
        """The expression after `_simplify_down` of it and of all below it."""
        return self._rewritten("_simplify_down")

    def lower_completely(self) -> "Expr":
        """The expression after `_lower` of it and of all below it."""
        return self._rewritten("_lower")

    def optimize(self, fuse: bool = False) -> "Expr":
        """The expression, simplified and lowered."""
        return self.simplify().lower_completely()

    def substitute(self, old: Any, new: Any) -> "Expr":
        """The expression with an operand replaced, wherever it occurs."""
        if isinstance(old, Expr) and self == old:
            return new

        def replaced(operand: Any) -> Any:
            if isinstance(operand, Expr):
                return operand.substitute(old, new)
            return new if type(operand) is type(old) and operand is old else operand

        return self._with([replaced(operand) for operand in self.operands])

    def substitute_parameters(self, substitutions: Mapping[str, Any]) -> "Expr":
        """The expression with some of its operands replaced, by their names."""
        names = type(self)._parameters
        operands = [substitutions.get(name, operand) for name, operand in zip(names, self.operands)]
        return type(self)(*operands, *self.operands[len(names) :])


def _remade(kind: type, operands: list, token: str) -> Expr:
    return kind(*operands, _determ_token=token)


class LLGExpr(Expr):
    """A graph as an expression.

    Examples
    --------
    >>> from raskr._expr import LLGExpr
    >>> LLGExpr({"x": 1, "y": (abs, "x")}).__dask_keys__()
    ['x', 'y']
    """

    _parameters = ["_dsk"]

    def __dask_keys__(self) -> list:
        return list(self.operand("_dsk"))

    def _layer(self) -> dict:
        return convert_legacy_graph(plain(self.operand("_dsk")))


class HLGExpr(Expr):
    """The graph of a collection as an expression, with the keys that are wanted and how the result is made of them.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr._expr import HLGExpr
    >>> len(HLGExpr.from_collection(da.ones(4, chunks=2)).__dask_keys__())
    2
    """

    _parameters = ["dsk", "low_level_optimizer", "output_keys", "postcompute", "optimizer"]
    _defaults = {"low_level_optimizer": None, "output_keys": None, "postcompute": None, "optimizer": None}

    @staticmethod
    def from_collection(collection: Any, optimize_graph: bool = True) -> "HLGExpr":
        """The expression of a collection.

        Parameters
        ----------
        collection : collection
            The collection.
        optimize_graph : bool
            Whether the collection's own function rewrites the graph, where it has one.
        """
        return HLGExpr(
            collection.__dask_graph__(),
            getattr(collection, "__dask_optimize__", None) if optimize_graph else None,
            collection.__dask_keys__(),
            collection.__dask_postcompute__(),
        )

    def __dask_keys__(self) -> Any:
        keys = self.operand("output_keys")
        return keys if keys is not None else list(self.operand("dsk"))

    @functools.cached_property
    def _tasks(self) -> dict:
        graph, rewrite = self.operand("dsk"), self.operand("low_level_optimizer")
        if rewrite is not None:
            graph = rewrite(graph, list(flatten([self.__dask_keys__()])))
        return convert_legacy_graph(plain(graph))

    def _layer(self) -> dict:
        return self._tasks

    def __dask_annotations__(self) -> dict:
        found: dict = {}
        for layer in getattr(self.operand("dsk"), "layers", {}).values():
            for name, value in (getattr(layer, "annotations", None) or {}).items():
                found.setdefault(name, {}).update(dict.fromkeys(layer, value))
        return found

    def finalize_compute(self) -> Expr:
        """The expression whose one key is the computed collection."""
        return self if self.operand("postcompute") is None else _Computed(self)


class _Computed(Expr):
    """The result that a collection makes of its parts, under one key."""

    _parameters = ["expr"]

    def _layer(self) -> dict:
        finish, args = self.operand("expr").operand("postcompute")

        def nest(keys: Any) -> Any:
            return [nest(key) for key in keys] if isinstance(keys, list) else TaskRef(keys)

        parts = parse_input(nest(self.operand("expr").__dask_keys__()))
        return {self._name: Task(self._name, finish, parts, *args)}


class _Several(Expr):
    """Expressions side by side."""

    def __dask_keys__(self) -> list:
        return [node.__dask_keys__() for node in self.operands]

    def _layer(self) -> dict:
        return {}

    def __getitem__(self, place: Any) -> Any:
        return self.operands[place]

    def __len__(self) -> int:
        return len(self.operands)

    def __iter__(self) -> Iterator:
        return iter(self.operands)

    def finalize_compute(self) -> Expr:
        """The expression with one key for each of them."""
        return _Several(*(node.finalize_compute() for node in self.operands))


class FinalizeCompute(Expr):
    """The results of an expression, each under one key.

    Examples
    --------
    >>> import raskr
    >>> import raskr.array as da
    >>> from raskr._expr import FinalizeCompute, collections_to_expr
    >>> whole = FinalizeCompute(collections_to_expr(da.arange(3, chunks=2))).optimize()
    >>> raskr.get(whole.__dask_graph__(), whole.__dask_keys__())
    (array([0, 1, 2]),)
    """

    _parameters = ["expr"]

    def __dask_keys__(self) -> Any:
        return self.operand("expr").finalize_compute().__dask_keys__()

    def _simplify_down(self) -> Expr:
        return self.operand("expr").finalize_compute()


def collections_to_expr(collections: Any, optimize_graph: bool = True) -> Expr:
    """The expression of a collection, or of several.

    Parameters
    ----------
    collections : collection or iterable of collections
        What is to be computed.
    optimize_graph : bool
        Whether foreign collections' own functions rewrite their graphs.
    """
    if is_dask_collection(collections):
        return HLGExpr.from_collection(collections, optimize_graph)
    if not isinstance(collections, Iterable):
        raise TypeError(f"expected a collection or several, got {type(collections).__name__}")
    found = [each for each in collections if is_dask_collection(each)]
    if not found:
        raise ValueError("expected at least one collection")
    return _Several(*(HLGExpr.from_collection(each, optimize_graph) for each in found))
