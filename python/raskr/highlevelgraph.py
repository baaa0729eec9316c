"""Task graphs in layers, for libraries that build graphs: each layer is a mapping of tasks, with the layers it needs.

raskr's own collections are expressions in Rust, and list their tasks only when somebody asks. Code that speaks Dask's
protocol makes graphs of layers over them, and hands these to `raskr.get`, `raskr.delayed.Delayed` or `raskr.array.Array`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from raskr._names import clone_key
from raskr._unpack import is_dask_collection
from raskr.annotations import get_annotations
from raskr.core import flatten, get_dependencies, keys_in_tasks, reverse_dict, subs, toposort
from raskr.tokenize import tokenize

__all__ = ["HighLevelGraph", "Layer", "MaterializedLayer", "compute_layer_dependencies"]


def compute_layer_dependencies(layers: Mapping[str, Mapping]) -> dict[str, set[str]]:
    """The layers that each layer needs, found from its tasks.

    Examples
    --------
    >>> from raskr.highlevelgraph import compute_layer_dependencies
    >>> compute_layer_dependencies({"x": {"x": 1}, "y": {"y": (abs, "x")}})
    {'x': set(), 'y': {'x'}}
    """
    home = {key: name for name, layer in layers.items() for key in layer}
    return {
        name: {home[key] for key in keys_in_tasks(home, list(layer.values()))} - {name}
        for name, layer in layers.items()
    }


class Layer(Mapping):
    """Tasks that belong together, such as those of one operation on an array.

    A subclass has the methods of a mapping, `is_materialized` and `get_output_keys`; it may know its tasks by a rule, and
    list them only when asked.

    Parameters
    ----------
    annotations : mapping, optional
        What schedulers shall heed; those in force (`raskr.annotate`) by default.
    collection_annotations : mapping, optional
        What is told about the collection, for pictures.
    """

    def __init__(self, annotations: Mapping | None = None, collection_annotations: Mapping | None = None) -> None:
        found = annotations or dict(get_annotations())
        self.annotations = found or None
        self.collection_annotations = collection_annotations

    def is_materialized(self) -> bool:
        """Have the tasks been listed?"""
        return True

    def get_output_keys(self) -> Any:
        """The keys that other layers may ask for."""
        return self.keys()

    def get_dependencies(self, key: Any, all_hlg_keys: Collection) -> set:
        """The keys that the task of a key needs, among some keys."""
        return keys_in_tasks(all_hlg_keys, [self[key]])

    def cull(self, keys: set, all_hlg_keys: Collection) -> tuple["Layer", dict]:
        """The part of the layer that some keys need, and the keys that each of its tasks needs.

        Parameters
        ----------
        keys : set
            The keys that are wanted; those of other layers are passed over.
        all_hlg_keys : container
            All keys of the graph.
        """
        needs: dict = {}
        work = [key for key in keys if key in self]
        while work:
            key = work.pop()
            if key not in needs:
                needs[key] = self.get_dependencies(key, all_hlg_keys)
                work.extend(needed for needed in needs[key] if needed in self)
        if len(needs) == len(self):
            return self, needs
        kept = {key: self[key] for key in needs}
        return MaterializedLayer(kept, self.annotations, self.collection_annotations), needs

    def clone(self, keys: set, seed: Any, bind_to: Any = None) -> tuple["Layer", bool]:
        """The layer under other keys.

        Parameters
        ----------
        keys : set
            Keys that are renamed, wherever they occur.
        seed : object
            Says, with a key, the new key.
        bind_to : object, optional
            A key that tasks without needs among `keys` are made to wait for.

        Returns
        -------
        layer : Layer
            The new layer.
        bound : bool
            Whether any task waits for `bind_to`.
        """
        from raskr._signals import chunks
        from raskr._task_spec import GraphNode

        renamed = {key: clone_key(key, seed) for key in keys}
        made: dict = {}
        bound = False
        for key, task in self.items():
            own = renamed.get(key, key)
            if isinstance(task, GraphNode):
                needed = task.dependencies & renamed.keys()
                task = task.substitute(renamed, key=own)
            else:
                needed = keys_in_tasks(renamed, [task])
                for name in needed:
                    task = subs(task, name, renamed[name])
            if bind_to is not None and not needed:
                bound = True
                task = (
                    (chunks.bind, task, bind_to) if not isinstance(task, GraphNode) else _bound_node(own, task, bind_to)
                )
            made[own] = task
        return MaterializedLayer(made, self.annotations, self.collection_annotations), bound

    def __copy__(self) -> "Layer":
        kind = type(self)
        made = kind.__new__(kind)
        made.__dict__.update(self.__dict__)
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} tasks>"


def _bound_node(key: Any, node: Any, bind_to: Any) -> Any:
    from raskr._signals import chunks
    from raskr._task_spec import Task, TaskRef

    return Task(key, chunks.bind, node, TaskRef(bind_to))


class MaterializedLayer(Layer):
    """A layer whose tasks are listed.

    Examples
    --------
    >>> from raskr.highlevelgraph import MaterializedLayer
    >>> layer = MaterializedLayer({"x": 1, "y": (abs, "x")})
    >>> layer.get_dependencies("y", {"x", "y"})
    {'x'}
    """

    def __init__(
        self, mapping: Mapping, annotations: Mapping | None = None, collection_annotations: Mapping | None = None
    ) -> None:
        super().__init__(annotations, collection_annotations)
        self.mapping = mapping

    def __contains__(self, key: object) -> bool:
        return key in self.mapping

    def __getitem__(self, key: Any) -> Any:
        return self.mapping[key]

    def __iter__(self) -> Iterator:
        return iter(self.mapping)

    def __len__(self) -> int:
        return len(self.mapping)


class HighLevelGraph(Mapping):
    """A task graph in layers.

    Parameters
    ----------
    layers : mapping
        Layers by name.
    dependencies : mapping
        The names of the layers that each layer needs.
    key_dependencies : dict, optional
        The keys that each key needs, as far as they are known.

    Examples
    --------
    >>> import raskr
    >>> from raskr.highlevelgraph import HighLevelGraph
    >>> x = raskr.delayed(abs)(-2, dask_key_name="x")
    >>> graph = HighLevelGraph.from_collections("y", {"y": (pow, "x", 2)}, dependencies=[x])
    >>> raskr.get(graph, "y")
    4
    """

    def __init__(
        self, layers: Mapping, dependencies: Mapping[str, Iterable[str]], key_dependencies: dict | None = None
    ) -> None:
        self.dependencies = {name: set(needed) for name, needed in dependencies.items()}
        self.key_dependencies = key_dependencies or {}
        self.layers = {
            name: layer if isinstance(layer, Layer) else MaterializedLayer(layer) for name, layer in layers.items()
        }
        self._keys: dict | None = None

    @classmethod
    def from_collections(
        cls, name: str, layer: Mapping, dependencies: Iterable = (), collection_annotations: Mapping | None = None
    ) -> "HighLevelGraph":
        """A graph of a new layer and of the collections that it needs.

        Parameters
        ----------
        name : str
            The layer's name.
        layer : mapping
            Its tasks.
        dependencies : iterable
            Collections whose keys the tasks need.
        collection_annotations : mapping, optional
            What is told about the collection.

        Raises
        ------
        TypeError
            When a dependency is no collection.
        """
        if not isinstance(layer, Layer):
            layer = MaterializedLayer(layer, collection_annotations=collection_annotations)
        layers: dict = {name: layer}
        needs: dict = {name: set()}
        for collection in dependencies:
            if not is_dask_collection(collection):
                raise TypeError(f"dependencies: expected collections, got {type(collection)}")
            names = _take_in(collection.__dask_graph__(), _layer_names(collection), layers, needs)
            needs[name].update(names)
        return cls(layers, needs)

    @classmethod
    def merge(cls, *graphs: Mapping) -> "HighLevelGraph":
        """One graph of several, also of mappings of tasks."""
        layers: dict = {}
        needs: dict = {}
        for graph in graphs:
            if not isinstance(graph, Mapping):
                raise TypeError(f"merge: expected graphs, got {type(graph).__name__}")
            _take_in(graph, (f"graph-{tokenize(list(graph))}",), layers, needs)
        return cls(layers, needs)

    # --- the mapping -----------------------------------------------------------------------------------------------
    def __getitem__(self, key: Any) -> Any:
        # The layer's name is most often the key, or its first part.
        for name in (key, key[0] if isinstance(key, tuple) and key else None):
            try:
                layer = self.layers.get(name)
            except TypeError:
                continue
            if layer is not None and key in layer:
                return layer[key]
        for layer in self.layers.values():
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return any(key in layer for layer in self.layers.values())

    def __iter__(self) -> Iterator:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HighLevelGraph):
            return NotImplemented
        return self.dependencies == other.dependencies and {n: dict(x) for n, x in self.layers.items()} == {
            n: dict(x) for n, x in other.layers.items()
        }

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict:
        """All tasks by key."""
        if self._keys is None:
            self._keys = {key: task for layer in self.layers.values() for key, task in layer.items()}
        return dict(self._keys)

    def copy(self) -> "HighLevelGraph":
        """The same graph as a new object."""
        return type(self)(self.layers, self.dependencies, dict(self.key_dependencies))

    # --- what needs what -------------------------------------------------------------------------------------------
    @property
    def dependents(self) -> dict[str, set[str]]:
        """The names of the layers that need each layer."""
        return reverse_dict(self.dependencies)

    def get_all_external_keys(self) -> set:
        """The keys that may be asked for, of all layers."""
        return {key for layer in self.layers.values() for key in layer.get_output_keys()}

    def get_all_dependencies(self) -> dict:
        """The keys that each key needs."""
        found = dict(self.key_dependencies)
        keys = self.to_dict()
        for layer in self.layers.values():
            for key in layer:
                if key not in found:
                    found[key] = layer.get_dependencies(key, keys)
        self.key_dependencies = found
        return found

    def _toposort_layers(self) -> list[str]:
        return toposort(self.layers, self.dependencies)

    def cull(self, keys: Iterable) -> "HighLevelGraph":
        """The part of the graph that some keys need.

        Parameters
        ----------
        keys : iterable
            Keys, also in nested lists.
        """
        everything = self.to_dict()
        wanted = set(flatten(list(keys)))
        layers: dict = {}
        needs: dict = {}
        for name in reversed(self._toposort_layers()):
            layer = self.layers[name]
            own = wanted.intersection(layer)
            if not own:
                continue
            kept, found = layer.cull(own, everything)
            layers[name] = kept
            needs.update(found)
            for needed in found.values():
                wanted |= needed
        order = {name: layers[name] for name in self.layers if name in layers}
        dependencies = {name: self.dependencies[name] & order.keys() for name in order}
        return HighLevelGraph(order, dependencies, needs)

    def cull_layers(self, layers: Iterable[str]) -> "HighLevelGraph":
        """Some layers, and those that they need."""
        work, kept = list(layers), set()
        while work:
            name = work.pop()
            if name not in kept:
                kept.add(name)
                work.extend(self.dependencies[name])
        return HighLevelGraph(
            {name: layer for name, layer in self.layers.items() if name in kept},
            {name: needed for name, needed in self.dependencies.items() if name in kept},
        )

    def validate(self) -> None:
        """Complain of dependencies between layers that are missing, or that the tasks do not have."""
        for name, needed in self.dependencies.items():
            for other in (name, *needed):
                if other not in self.layers:
                    raise ValueError(f"{other!r} not found in layers: {name!r} is said to need it")
        home = {key: name for name, layer in self.layers.items() for key in layer}
        for name, layer in self.layers.items():
            found = {home[key] for key in layer for key in get_dependencies(home, task=layer[key])} - {name}
            if found != self.dependencies[name]:
                raise ValueError(
                    f"incorrect HLG dependencies[{name!r}]: {self.dependencies[name]!r} expected {found!r} from task "
                    "dependencies"
                )

    def visualize(self, filename: str | None = "raskr-hlg.svg", format: str | None = None, **kwargs: Any) -> Any:
        """Draw the layers, each as one task.

        Parameters
        ----------
        filename : str or None
            The file to write; its ending says the format. None writes none.
        format : {'png', 'svg', 'dot'}, optional
            The format.
        """
        from raskr.base import visualize

        layers = {name: (_layer_shown, *sorted(needed)) for name, needed in self.dependencies.items()}
        return visualize(layers, filename=filename, format=format, **kwargs)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} with {len(self.layers)} layers."]
        lines += [f" {number}. {name}" for number, name in enumerate(self._toposort_layers())]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{number}</td><td>{escape(str(name))}</td><td>{len(self.layers[name])}</td>"
            f"<td>{escape(', '.join(map(str, sorted(self.dependencies[name], key=str))))}</td></tr>"
            for number, name in enumerate(self._toposort_layers())
        )
        head = "<tr><th></th><th>layer</th><th>tasks</th><th>needs</th></tr>"
        return f"<table>{head}{rows}</table>"


def _layer_shown(*needed: Any) -> None:
    """Stands for a layer in a picture."""


def _layer_names(collection: Any) -> tuple:
    names = getattr(collection, "__dask_layers__", None)
    return tuple(names()) if names is not None else (f"graph-{tokenize(collection)}",)


def _take_in(graph: Mapping, names: tuple, layers: dict, needs: dict) -> tuple:
    """Add a graph's layers, and give the names of those that stand for the whole graph."""
    if isinstance(graph, HighLevelGraph):
        layers.update(graph.layers)
        needs.update(graph.dependencies)
        return tuple(name for name in names if name in graph.layers) or tuple(graph.layers)
    name = names[0]
    layers.setdefault(name, MaterializedLayer(dict(graph)))
    needs.setdefault(name, set())
    return (name,)
