"""Tasks as objects: calls whose needs are marked by `TaskRef`, as Dask's newer graphs have them.

A task is called with the values of the keys that it needs: `task({"x": 1})`. Graphs of such tasks run on the engine, by
`raskr.get` and everything else that takes a graph, side by side with the tuples of `raskr.core`.
"""

from raskr._task_graphs import (
    DependenciesMapping,
    convert_legacy_graph,
    convert_legacy_task,
    cull,
    execute_graph,
    fuse_linear_task_spec,
    resolve_aliases,
)
from raskr._task_nodes import (
    Alias,
    DataNode,
    Dict,
    GraphNode,
    List,
    NestedContainer,
    Set,
    Task,
    TaskRef,
    Tuple,
    parse_input,
)

__all__ = [
    "Alias",
    "DataNode",
    "DependenciesMapping",
    "Dict",
    "GraphNode",
    "List",
    "NestedContainer",
    "Set",
    "Task",
    "TaskRef",
    "Tuple",
    "convert_legacy_graph",
    "convert_legacy_task",
    "cull",
    "execute_graph",
    "fuse_linear_task_spec",
    "parse_input",
    "resolve_aliases",
]
