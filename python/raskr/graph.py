"""Raw task graphs: from mappings to the engine's nodes, and nodes as mappings for other schedulers."""

from collections.abc import Mapping, Sequence
from typing import Any

from raskr._bridge import core
from raskr.annotations import for_engine, get_annotations
from raskr.core import flatten

__all__ = ["Graph", "block_nodes", "nest", "nodes_and_names", "nodes_of", "plain", "wanted_keys"]


class Graph(dict):
    """Tasks by key, with the annotations of those that were built within `with annotate(...)`.

    Examples
    --------
    >>> from raskr.graph import Graph
    >>> graph = Graph()
    >>> graph.add({"x": 1, "y": (abs, "x")}, {"retries": 2})
    >>> graph["y"], graph.annotations["y"]
    ((<built-in function abs>, 'x'), {'retries': 2})
    """

    __slots__ = ("annotations",)

    def __init__(self) -> None:
        self.annotations: dict[Any, Mapping] = {}

    def add(self, tasks: Mapping, annotations: Mapping | None = None) -> None:
        """Take in tasks; `annotations` are for those that bring none of their own."""
        self.update(tasks)
        if annotations:
            self.annotations.update(dict.fromkeys(tasks, annotations))
        self.annotations.update(getattr(tasks, "annotations", ()))


def plain(dsk: Any) -> Mapping:
    """The tasks of a graph as a mapping."""
    if isinstance(dsk, dict):
        return dsk
    for method in ("__dask_graph__", "to_dict"):
        found = getattr(dsk, method, None)
        if found is not None:
            return plain(found())
    return dict(dsk)


def nodes_and_names(dsk: Any, keys: Sequence) -> tuple[list, dict[str, Any]]:
    """The nodes of some keys, and all keys that they need by the names that the engine gives them."""
    graph = plain(dsk)
    own = getattr(graph, "annotations", None)
    if not own:
        return core.nodes_of_graph(graph, list(keys))
    around = get_annotations()
    annotations = {key: for_engine({**around, **found}) for key, found in own.items()}
    return core.nodes_of_graph(graph, list(keys), annotations)


def nodes_of(dsk: Any, keys: Sequence) -> list:
    """The nodes of some keys."""
    return nodes_and_names(dsk, keys)[0]


def nest(keys: Any, values: Mapping) -> Any:
    """The values of nested lists of keys, as nested tuples."""
    if isinstance(keys, list):
        return tuple(nest(key, values) for key in keys)
    return values[keys]


def block_nodes(items: Sequence) -> list:
    """Nodes, with array expressions replaced by the nodes of their blocks."""
    nodes: list = []
    for item in items:
        if isinstance(item, (core.Node, core.Delayed)):
            nodes.append(item)
        else:
            nodes.extend(item.block_nodes())
    return nodes


def wanted_keys(keys: Any) -> list:
    """The different keys in nested lists, in order."""
    return list(dict.fromkeys(flatten([keys])))
