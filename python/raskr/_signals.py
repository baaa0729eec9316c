"""Signals: lazy Nones that are there once some collections have been computed, and collections that wait for them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from raskr._bridge import core
from raskr._names import get_collection_names, replace_name_in_key
from raskr.core import flatten
from raskr.graph import nodes_of
from raskr.highlevelgraph import HighLevelGraph
from raskr.tokenize import tokenize

__all__ = ["Listed", "Signal", "chunks", "is_array", "is_frame"]


class chunks:
    """What the tasks of signals do."""

    @staticmethod
    def bind(node: Any, *args: Any, **kwargs: Any) -> Any:
        """A value, once others are there."""
        return node

    @staticmethod
    def checkpoint(*args: Any, **kwargs: Any) -> None:
        """None, once others are there."""


def is_array(collection: Any) -> bool:
    """Is this an array of raskr's?"""
    return type(getattr(collection, "_expr", None)) is core.Expr


def is_frame(collection: Any) -> bool:
    """Is this a frame, a series or an index of raskr's?"""
    return hasattr(getattr(collection, "_expr", None), "nodes")


class Signal:
    """A lazy None that is there once collections have been computed.

    Parameters
    ----------
    collections : sequence
        The collections.
    every : int or None
        How many tasks one task waits for; None for all.
    """

    def __init__(self, collections: Sequence, every: int | None) -> None:
        self.collections = list(collections)
        self.every = every
        self.token = tokenize([_token(collection) for collection in self.collections])
        arrays = [collection._expr for collection in self.collections if is_array(collection)]
        self._expr = _of_arrays(arrays) if arrays else None
        native: list = []
        self._nodes: list = []
        for collection in self.collections:
            if isinstance(collection, core.Delayed):
                native.append(collection)
            elif is_frame(collection):
                native.extend(collection._expr.nodes)
            elif not is_array(collection):
                signal = Listed.signal([Listed.of(collection)], every)
                self._nodes += nodes_of(signal.graph.to_dict(), signal.keys)
        if native:
            self._nodes.append(self._reduced(native, f"checkpoint-{self.token}"))
        self._node: Any = None

    def _reduced(self, nodes: list, name: str) -> Any:
        """One node that waits for all of these, by way of others that wait for a few."""

        def seen(part: Any, key: str) -> Any:
            return core.node_of_call(chunks.checkpoint, tuple(part), key=key, name="checkpoint")

        if len(nodes) > 1:
            nodes = [seen([node], f"{name}-map-{number}") for number, node in enumerate(nodes)]
        return _tree(nodes, self.every, lambda part, number: seen(part, name if number is None else f"{name}-{number}"))

    def node(self) -> Any:
        """The signal as a node of the engine's."""
        if self._node is None:
            nodes = list(self._nodes)
            if self._expr is not None:
                whole = core.node_of_source(self._expr.node(), self._expr, f"finalize-{self._expr.name}")
                nodes.append(self._reduced([whole], f"checkpoint-{self._expr.name}"))
            # There are several only where collections are of several kinds.
            self._node = nodes[0] if len(nodes) == 1 else self._reduced(nodes, f"checkpoint-all-{self.token}")
        return self._node

    def arguments(self) -> list:
        """The signal as arguments of a function of blocks."""
        whole = [] if self._expr is None else [(self._expr, ())]
        return [*whole, *((node, None) for node in self._nodes)]

    def before(self, expr: Any) -> Any:
        """An array expression whose blocks come after the signal."""
        indices = tuple(range(len(expr.shape)))
        arguments = [(expr, indices), *self.arguments()]
        return core.Expr.blockwise(
            chunks.bind, indices, arguments, expr.chunks, expr.dtype, expr.native, label="wait_on"
        )

    def before_value(self, value: Any) -> Any:
        """A lazy value that comes after the signal."""
        key = f"wait_on-{self.token}-{value.key}"
        node = core.node_of_call(chunks.bind, (value, self.node()), key=key, name="wait_on")
        return core.delayed_of_node(node, value._length)

    def listed(self) -> "Listed":
        """The signal as a graph of tasks."""
        return Listed.signal([Listed.of(collection) for collection in self.collections], self.every)


def _tree(leaves: Sequence, every: int | None, combine: Callable) -> Any:
    """Leaves combined a few at a time, by `combine(parts, number)`, until one is left; its number is None."""
    parts = list(leaves)
    first = count = 0
    while every and len(parts) - first > every:
        parts.append(combine(parts[first : first + every], count))
        first += every
        count += 1
    return combine(parts[first:], None)


def _token(collection: Any) -> str:
    return collection.key if isinstance(collection, core.Delayed) else tokenize(collection)


def _of_arrays(exprs: list) -> Any:
    """An array without axes that is there once all blocks of some arrays have been computed.

    Being an array it is planned together with whatever waits for it, and blocks that both need are computed once.
    """
    import numpy as np

    bool_type = np.dtype(bool)
    wholes = []
    for expr in exprs:
        axes = tuple(range(len(expr.shape)))
        ones = tuple((1,) * count for count in expr.numblocks)
        seen = core.Expr.blockwise(
            partial(_seen, len(axes)), axes, [(expr, axes)], ones, bool_type, True, label="checkpoint_map"
        )
        wholes.append(seen.reduce("any", axes, False, bool_type, label="checkpoint") if axes else seen)
    if len(wholes) == 1:
        return wholes[0]
    arguments = [(whole, ()) for whole in wholes]
    return core.Expr.blockwise(partial(_seen, 0), (), arguments, (), bool_type, True, label="checkpoint")


def _seen(ndim: int, *blocks: Any) -> Any:
    import numpy as np

    return np.zeros((1,) * ndim, dtype=bool)


class Listed:
    """A collection as a graph of layers.

    Parameters
    ----------
    collection : object
        The collection that it stands for, or is like.
    graph : HighLevelGraph
        Its tasks.
    keys : list
        Its keys, nested as in the collection's protocol.
    rename : mapping
        Its names by those of the collection that it is like.
    """

    def __init__(self, collection: Any, graph: HighLevelGraph, keys: list, rename: Mapping | None = None) -> None:
        self.collection, self.graph, self.keys, self.rename = collection, graph, keys, dict(rename or {})

    @staticmethod
    def of(collection: Any) -> "Listed":
        """A collection's own graph."""
        graph = collection.__dask_graph__()
        if not isinstance(graph, HighLevelGraph):
            names = get_collection_names(collection)
            name = next(iter(names)) if len(names) == 1 else f"graph-{tokenize(sorted(names))}"
            graph = HighLevelGraph({name: graph}, {name: ()})
        return Listed(collection, graph, collection.__dask_keys__())

    @staticmethod
    def signal(waited: Sequence["Listed"], every: int | None) -> "Listed":
        """A signal that waits for collections, by way of tasks that wait for a few others."""
        graphs = []
        names = []
        for each in waited:
            token = tokenize(each.collection)
            name = f"checkpoint-{token}"
            keys = list(flatten(each.keys))
            if len(keys) > 1:
                mapped = f"checkpoint_map-{token}"
                layer = {(mapped, number): (chunks.checkpoint, key) for number, key in enumerate(keys)}
                graphs.append(_on(each.graph, mapped, layer, each.layers()))
                keys = list(layer)
            else:
                graphs.append(each.graph)
            below = (mapped,) if len(keys) > 1 else each.layers()
            graphs[-1] = _on(graphs[-1], name, _reduction(name, keys, every), below)
            names.append(name)
        if len(names) == 1:
            return Listed(None, graphs[0], names)
        name = f"checkpoint-{tokenize(names)}"
        return Listed(None, _on(HighLevelGraph.merge(*graphs), name, _reduction(name, names, None), names), [name])

    def layers(self) -> tuple:
        """The layers that hold the keys."""
        return tuple(
            name for name, layer in self.graph.layers.items() if any(key in layer for key in flatten(self.keys))
        )

    def after(self, signal: "Listed") -> "Listed":
        """The collection, once a signal is there."""
        (key,) = signal.keys
        token = tokenize(self.collection, key)
        names = sorted(get_collection_names(self.collection))
        rename = {name: f"wait_on-{tokenize(name, token)}" for name in names}
        graph = HighLevelGraph.merge(self.graph, signal.graph)
        below = (*self.layers(), *signal.layers())
        layers: dict = {new: {} for new in rename.values()}
        for old in flatten(self.keys):
            new = replace_name_in_key(old, rename)
            layers[new[0] if isinstance(new, tuple) else new][new] = (chunks.bind, old, key)
        for name, layer in layers.items():
            graph = _on(graph, name, layer, below)
        return Listed(self.collection, graph, _renamed(self.keys, rename), rename)

    @property
    def is_native(self) -> bool:
        """Is the collection one of the engine's nodes?"""
        return isinstance(self.collection, core.Delayed) or is_array(self.collection) or is_frame(self.collection)

    def rebuilt(self) -> Any:
        """The collection on this graph."""
        rebuild, args = self.collection.__dask_postpersist__()
        return rebuild(self.graph, *args, rename=self.rename)


def _on(graph: HighLevelGraph, name: str, layer: Mapping, below: Sequence[str]) -> HighLevelGraph:
    """A graph with a layer more."""
    return HighLevelGraph({**graph.layers, name: layer}, {**graph.dependencies, name: set(below)})


def _reduction(name: str, keys: list, every: int | None) -> dict:
    tasks: dict = {}

    def put(part: list, number: int | None) -> Any:
        key = name if number is None else (name, number)
        tasks[key] = (chunks.checkpoint, part)
        return key

    _tree(keys, every, put)
    return tasks


def _renamed(keys: Any, rename: Mapping) -> Any:
    return [_renamed(key, rename) for key in keys] if isinstance(keys, list) else replace_name_in_key(keys, rename)
