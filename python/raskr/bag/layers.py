"""How bags remember what they are made of: layers of tasks, which are listed when somebody computes."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from raskr._bridge import core
from raskr.annotations import get_annotations
from raskr.bag.steps import Step, Whole
from raskr.base import is_dask_collection, node_of
from raskr.core import literal
from raskr.graph import Graph, plain

__all__ = ["Blocks", "Layer", "Tasks", "graph_of_layers"]


class Layer:
    """Some tasks by key, and the layers that they stand on."""

    __slots__ = ("annotations", "parents")

    def __init__(self, parents: Iterable["Layer"] = (), annotations: Mapping | None = None) -> None:
        self.parents = tuple(dict.fromkeys(parents))
        self.annotations = get_annotations() if annotations is None else annotations

    def tasks(self) -> Mapping:
        """The tasks of this layer alone."""
        raise NotImplementedError(type(self).__name__)


class Tasks(Layer):
    """Tasks that are listed already."""

    __slots__ = ("dsk",)

    def __init__(self, dsk: Mapping, parents: Iterable[Layer] = (), annotations: Mapping | None = None) -> None:
        super().__init__(parents, annotations)
        self.dsk = dsk

    def tasks(self) -> Mapping:
        return self.dsk


class Blocks(Layer):
    """One step for each partition.

    Parameters
    ----------
    name : str
        The name of the result.
    npartitions : int
        How many partitions there are.
    step : Step
        What is done.
    inputs : sequence
        Names of bags, whose partitions the step gets; `(key,)` for a value that all partitions get; lists of what
        each partition gets as it is.
    """

    __slots__ = ("inputs", "name", "npartitions", "step")

    def __init__(self, name: str, npartitions: int, step: Step, inputs: Sequence, parents: Iterable[Layer]) -> None:
        super().__init__(parents)
        self.name = name
        self.npartitions = npartitions
        self.step = step
        self.inputs = tuple(inputs)

    def tasks(self) -> dict:
        name, step, count = self.name, self.step, self.npartitions
        if len(self.inputs) == 1 and type(self.inputs[0]) is str:
            (source,) = self.inputs
            return {(name, i): (step, (source, i)) for i in range(count)}
        columns: list = []
        for each in self.inputs:
            if type(each) is str:
                columns.append([(each, i) for i in range(count)])
            elif type(each) is tuple:
                columns.append([each[0]] * count)
            else:
                columns.append([literal(value) for value in each])
        return {(name, i): (step, *row) for i, row in enumerate(zip(*columns))}


class Stack(Layer):
    """A layer and all that it stands on, side by side, which pickles without recursion."""

    __slots__ = ("layers",)

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__(annotations={})
        self.layers = tuple(layers)

    def tasks(self) -> dict:
        return graph_of_layers(self.layers)


def stacked(layer: Layer) -> Layer:
    """A layer in a form that can be pickled however many it stands on."""
    alone = []
    for each in _below([layer]):
        each = copy.copy(each)
        each.parents = ()
        alone.append(each)
    return alone[0] if len(alone) == 1 else Stack(alone)


def _below(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Layers and all that they stand on, each once."""
    seen: set = set()
    waiting = list(layers)
    while waiting:
        layer = waiting.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            waiting.extend(layer.parents)


def graph_of_layers(layers: Iterable[Layer]) -> Graph:
    """The tasks of layers and of all that they stand on."""
    graph = Graph()
    for layer in _below(layers):
        graph.add(layer.tasks(), layer.annotations)
    return graph


def layer_of(dsk: Any) -> Layer:
    """A layer of what a user gives as a graph."""
    return dsk if isinstance(dsk, Layer) else Tasks(plain(dsk))


def graph_layer(values: Sequence) -> tuple[list, Layer]:
    """The keys of lazy values, and a layer with their tasks."""
    values = [core.delayed_of_node(value._node, None) if isinstance(value, core.Future) else value for value in values]
    if all(isinstance(value, core.Delayed) for value in values):
        graph, keys = core.graph_of(list(values))
        # What a cluster has already is a future among the tasks.
        graph.update((future.key, future) for future in core.futures_under(values))
        return keys, Tasks(graph, annotations={})
    graph = {}
    for value in values:
        graph.update(core.graph_of([value])[0] if isinstance(value, core.Delayed) else plain(value.__dask_graph__()))
    keys = [core.graph_of([value])[1][0] if isinstance(value, core.Delayed) else value.key for value in values]
    return keys, Tasks(graph, annotations={})


def whole_value(value: Any, any_collection: bool = False) -> tuple[Any, Layer] | None:
    """Key and layer of a lazy value that all partitions get; None of what is no such value."""
    from raskr.bag.core import Item

    if isinstance(value, Item):
        return value.key, value._layer
    if isinstance(value, core.Delayed):
        (key,), layer = graph_layer([value])
        return key, layer
    if any_collection and is_dask_collection(value):
        node = node_of(value)
        graph, [key] = core.graph_of([node])
        return key, Tasks(graph, annotations={})
    return None


class Arguments:
    """Sorts the arguments of a user's function into partitions, lazy values and constants."""

    def __init__(self, any_collection: bool = False) -> None:
        self.any_collection = any_collection
        self.inputs: list = []
        self.parents: list[Layer] = []
        self.bags: list = []

    def place(self, value: Any, make: Callable) -> Any:
        from raskr.bag.core import Bag

        if isinstance(value, Bag):
            self.bags.append(value)
            self.parents.append(value._layer)
            self.inputs.append(value.name)
            return make(len(self.inputs) - 1)
        whole = whole_value(value, self.any_collection)
        if whole is None:
            return value
        key, layer = whole
        self.parents.append(layer)
        self.inputs.append((key,))
        return Whole(len(self.inputs) - 1)
