"""Copies of collections under new names, whose tasks may be made to wait for a signal."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from typing import Any

from raskr._bridge import core
from raskr._names import clone_key, get_collection_names
from raskr._signals import Listed, Signal, chunks, is_array, is_frame
from raskr.annotations import annotate
from raskr.core import toposort
from raskr.highlevelgraph import HighLevelGraph

__all__ = ["Omitted", "Rebuilder", "native_of_nodes"]


def native_of_nodes(like: Any, nodes: Sequence, name: str) -> Any:
    """A lazy value, an array or a frame like another one, made of these nodes."""
    if isinstance(like, core.Delayed):
        return core.delayed_of_node(nodes[0], like._length)
    if is_array(like):
        expr = like._expr
        made = core.Expr.from_nodes(list(nodes), expr.chunks, expr.dtype, expr.native, name)
        return type(like)(made, meta=like._foreign_meta)
    from raskr.dataframe.expressions import FromNodes
    from raskr.dataframe.mapping import new_collection

    return new_collection(FromNodes(nodes, like._meta, like.divisions, name.rpartition("-")[0] or name))


class Omitted:
    """Collections that are not copied.

    Parameters
    ----------
    collections : sequence
        The collections.
    assume_layers : bool
        Whether a layer in a graph of layers belongs to one collection.
    """

    def __init__(self, collections: Sequence, assume_layers: bool) -> None:
        self.collections = list(collections)
        self.arrays = {collection._expr.name for collection in collections if is_array(collection)}
        self._assume_layers = assume_layers

    @cached_property
    def layers(self) -> set:
        """The names of their layers, where they have some."""
        return {
            name
            for collection in self.collections
            if self._assume_layers and isinstance(collection.__dask_graph__(), HighLevelGraph)
            for name in collection.__dask_layers__()
        }

    @cached_property
    def keys(self) -> set:
        """The keys of all their tasks; also as text, which is what nodes go by."""
        found: set = set()
        for collection in self.collections:
            graph = collection.__dask_graph__()
            if not (self._assume_layers and isinstance(graph, HighLevelGraph)):
                found.update(graph)
                found.update(map(str, graph))
        return found | {f"finalize-{name}" for name in self.arrays}

    @cached_property
    def nodes(self) -> dict:
        """The nodes of lazy values by key, which are taken as they are."""
        values = [collection for collection in self.collections if isinstance(collection, core.Delayed)]
        return {value.key: value._node for value in values}


class Rebuilder:
    """Copies collections; what they share is copied once.

    Parameters
    ----------
    seed : object
        What the new names depend on, beside the old ones.
    signal : Signal or None
        What tasks that need no other copied ones wait for.
    omitted : Omitted
        What is not copied.
    """

    def __init__(self, seed: Any, signal: Signal | None, omitted: Omitted) -> None:
        self.seed, self.signal, self.omitted = seed, signal, omitted
        # Each expression with its copy; keeping it keeps its identity.
        self._exprs: dict[int, tuple] = {}
        self._nodes: dict[str, Any] = {}

    def collection(self, child: Any) -> Any:
        """The copy of a collection."""
        if is_array(child):
            made, name = self._expression(child._expr), clone_key(child.name, self.seed)
            if made is not child._expr and made.name != name:
                made = made.with_name(name)
            return type(child)(made, meta=child._foreign_meta)
        if isinstance(child, core.Delayed):
            return native_of_nodes(child, self._copied([child]), clone_key(child.key, self.seed))
        if is_frame(child):
            return native_of_nodes(child, self._copied(child._expr.nodes), clone_key(child._name, self.seed))
        return self._layers(child)

    # --- arrays ----------------------------------------------------------------------------------------------------
    def _expression(self, root: Any) -> Any:
        waiting = [root]
        while waiting:
            expr = waiting[-1]
            if id(expr) in self._exprs:
                waiting.pop()
                continue
            if expr.name in self.omitted.arrays:
                self._exprs[id(expr)] = expr, expr
                continue
            constructor, args = expr.recipe()
            parts = list(_expressions_in(args))
            missing = [part for part in parts if id(part) not in self._exprs]
            if missing:
                waiting.extend(missing)
            else:
                self._exprs[id(expr)] = expr, self._made(expr, constructor, args, parts)
        return self._exprs[id(root)][1]

    def _made(self, expr: Any, constructor: str, args: tuple, parts: list) -> Any:
        if self.signal is not None and parts and all(self._exprs[id(part)][1] is part for part in parts):
            # All that it needs is omitted, and may run at once; it may not.
            after = {id(part): self.signal.before(part) for part in parts}
            args = _replaced(args, lambda part: after[id(part)], self._copied)
        else:
            args = _replaced(args, lambda part: self._exprs[id(part)][1], self._copied)
        if self.signal is None or parts or constructor == "from_nodes":
            made = core.rebuild_expr(constructor, args)
        else:
            made = self._source_after_signal(expr, constructor, args)
        # A name that was given, or a source's, does not follow from names of what is copied.
        return made.with_name(clone_key(expr.name, self.seed)) if not parts or made.name == expr.name else made

    def _source_after_signal(self, expr: Any, constructor: str, args: tuple) -> Any:
        """A source of blocks none of which is made, or read, before the signal."""
        signal = self.signal.arguments()
        indices = tuple(range(len(expr.shape)))
        if constructor == "blockwise":
            function, out, given, *rest = args
            return core.Expr.blockwise(partial(_after, len(signal), function), out, [*signal, *given], *rest)
        if constructor.startswith("open_"):
            reader = partial(_after, len(signal), partial(_read, expr))
            return core.Expr.blockwise(
                reader, indices, signal, expr.chunks, expr.dtype, expr.native, per_block=_place, label=expr.label
            )
        arguments = [(expr, indices), *signal]
        return core.Expr.blockwise(
            chunks.bind, indices, arguments, expr.chunks, expr.dtype, expr.native, label=expr.label
        )

    # --- nodes -----------------------------------------------------------------------------------------------------
    def _copied(self, nodes: Sequence) -> list:
        graph, wanted = core.graph_of(list(nodes))
        sources: dict = {}
        hints: dict = {}
        for node in nodes:
            for key, _, kind, _, function, *_, found in _calls_of(node):
                if kind == "source":
                    sources[key] = function
                elif found is not None:
                    hints[key] = {"priority": found[0], "retries": found[1]}
        for key in _needed(graph, wanted, sources):
            if key not in self._nodes:
                with annotate(**hints[key]) if key in hints else nullcontext():
                    self._nodes[key] = self._node(key, *graph[key], source=sources.get(key))
        return [self._nodes[key] for key in wanted]

    def _node(self, key: str, task: Any, *inputs: str, source: Any = None) -> Any:
        if key in self.omitted.nodes:
            return self.omitted.nodes[key]
        if source is not None:
            copy = self._expression(source)
            own = key if copy is source else clone_key(key, self.seed)
            return core.node_of_source(copy.node(), copy, own)
        name, arguments = task.name, [self._nodes[needed] for needed in inputs]
        if key in self.omitted.keys:
            return core.node_of_call(task, tuple(arguments), key=key, name=name)
        if self.signal is not None and all(needed in self.omitted.keys for needed in inputs):
            task, arguments = partial(_after, 1, task), [self.signal.node(), *arguments]
        return core.node_of_call(task, tuple(arguments), key=clone_key(key, self.seed), name=name)

    # --- graphs of layers ------------------------------------------------------------------------------------------
    def _layers(self, child: Any) -> Any:
        listed = Listed.of(child)
        names = get_collection_names(child)
        if not names:
            return child
        graph, seed, omitted = listed.graph, self.seed, self.omitted.layers
        keys = graph.get_all_external_keys() - self.omitted.keys
        for name in omitted & graph.layers.keys():
            keys -= set(graph.layers[name].get_output_keys())
        layers: dict = {}
        needs: dict = {}
        signal = None
        if self.signal is not None:
            listed_signal = self.signal.listed()
            (signal,) = listed_signal.keys
            layers.update(listed_signal.graph.layers)
            needs.update(listed_signal.graph.dependencies)
        waiting = [name for name in getattr(child, "__dask_layers__", tuple)() if name in graph.layers]
        waiting = waiting or list(listed.layers())
        while waiting:
            name = waiting.pop()
            own = clone_key(name, seed)
            if own in layers:
                continue
            below = graph.dependencies[name]
            layers[own], is_bound = graph.layers[name].clone(keys=keys, seed=seed, bind_to=signal)
            needs[own] = {clone_key(each, seed) for each in below - omitted} | (below & omitted)
            if is_bound:
                needs[own].add(signal)
            waiting.extend(below - omitted)
            kept = graph.cull_layers(below & omitted)
            layers.update(kept.layers)
            needs.update(kept.dependencies)
        rename = {name: clone_key(name, seed) for name in names}
        return Listed(child, HighLevelGraph(layers, needs), [], rename).rebuilt()


def _calls_of(node: Any) -> list:
    """The calls that a node stands on, with arrays as they are: key, inputs, kind, name, function, ..., annotations."""
    try:
        _, content = node.__reduce__()
    except TypeError:
        # It stands on blocks of an array, which are copied one by one.
        return []
    if len(content) == 1:
        return content[0]
    kind, value, *_ = content
    return _calls_of(value) if kind == "attr" else value if kind == "value" else []


def _needed(graph: Mapping, wanted: Sequence, sources: Mapping) -> list:
    """The keys that some keys need, each after those that it needs; what sources are made of is left out."""
    needs = {}
    waiting = list(wanted)
    while waiting:
        key = waiting.pop()
        if key not in needs:
            needs[key] = () if key in sources else graph[key][1:]
            waiting.extend(needs[key])
    return toposort(needs, needs)


def _expressions_in(value: Any) -> Any:
    if isinstance(value, core.Expr):
        yield value
    elif type(value) in (list, tuple):
        for item in value:
            yield from _expressions_in(item)
    elif type(value) is dict:
        for item in value.values():
            yield from _expressions_in(item)


def _replaced(value: Any, expression: Any, nodes: Any) -> Any:
    """Arguments with the expressions and the nodes in them replaced."""
    if isinstance(value, core.Expr):
        return expression(value)
    if isinstance(value, (core.Node, core.Delayed)):
        return nodes([value])[0]
    if type(value) is list and value and all(isinstance(item, core.Node) for item in value):
        return nodes(value)
    if type(value) in (list, tuple):
        return type(value)(_replaced(item, expression, nodes) for item in value)
    if isinstance(value, Mapping):
        return {name: _replaced(item, expression, nodes) for name, item in value.items()}
    return value


def _after(signals: int, function: Any, *values: Any, **kwargs: Any) -> Any:
    """A function of what comes after some signals."""
    return function(*values[signals:], **kwargs)


def _place(block: tuple) -> dict:
    return {"block": block}


def _read(source: Any, block: tuple) -> Any:
    """One block of a source, read now."""
    node = source.select_blocks([[number] for number in block])
    return core.run([node], scheduler="sync")[0]
