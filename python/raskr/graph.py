"""Raw task graphs: from mappings to the engine's nodes, and nodes as mappings for other schedulers."""

from collections.abc import Mapping, Sequence
from typing import Any

from raskr._bridge import core
from raskr.core import flatten

__all__ = ["block_nodes", "nest", "nodes_and_names", "nodes_of", "plain", "wanted_keys"]


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
    return core.nodes_of_graph(plain(dsk), list(keys))


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
