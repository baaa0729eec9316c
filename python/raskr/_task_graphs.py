"""Graphs of task objects: made of tuples, computed in place, cut down, and with chains of tasks made one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from raskr._names import get_name_from_key
from raskr._task_nodes import Alias, DataNode, GraphNode, Task, TaskRef, contained
from raskr.core import keys_in_tasks, toposort


def convert_legacy_task(key: Any, task: Any, all_keys: Any) -> Any:
    """The node of a task that is written as a tuple, of a list or of another key; data as it is.

    Parameters
    ----------
    key : object
        The key; None for a part of another task.
    task : object
        The task.
    all_keys : container
        What counts as a key.

    Examples
    --------
    >>> from raskr._task_spec import convert_legacy_task
    >>> convert_legacy_task("y", (max, "x", 2), {"x"})({"x": 1})
    2
    """
    if isinstance(task, GraphNode):
        return task
    if isinstance(task, TaskRef):
        return Alias(task.key) if key is None else Alias(key, task.key)

    def parse(item: Any) -> Any:
        return convert_legacy_task(None, item, all_keys)

    kind = type(task)
    if kind is tuple and task and callable(task[0]):
        function, *args = task
        return Task(key, function, *map(parse, args))
    if _is_key(task, all_keys):
        return Alias(task) if key is None else Alias(key, task)
    if isinstance(task, (list, tuple, set)):
        made = contained(task, parse)
        return made.substitute({}, key=key) if isinstance(made, GraphNode) and key is not None else made
    return task


def _is_key(value: Any, keys: Any) -> bool:
    try:
        return value in keys
    except TypeError:
        return False


def convert_legacy_graph(dsk: Mapping, all_keys: Any = None) -> dict:
    """A graph whose tasks are all nodes.

    Parameters
    ----------
    dsk : mapping
        Tasks by key, as tuples or nodes.
    all_keys : container, optional
        What counts as a key; those of the graph by default.

    Examples
    --------
    >>> from raskr._task_spec import convert_legacy_graph
    >>> convert_legacy_graph({"x": 1, "y": "x"})
    {'x': DataNode(1), 'y': Alias('y'->'x')}
    """
    keys = set(dsk) if all_keys is None else all_keys
    made = {}
    for key, task in dsk.items():
        node = convert_legacy_task(key, task, keys)
        if not isinstance(node, GraphNode):
            node = DataNode(key, node)
        # A node under a key that is its own target says nothing.
        if not (isinstance(node, Alias) and node.target == key):
            made[key] = node
    return made


class DependenciesMapping(Mapping):
    """The keys that each task of a graph needs, found when asked for.

    Examples
    --------
    >>> from raskr._task_spec import DependenciesMapping
    >>> DependenciesMapping({"x": 1, "y": (abs, "x")})["y"]
    {'x'}
    """

    def __init__(self, dsk: Mapping) -> None:
        self.dsk = dsk

    def __getitem__(self, key: Any) -> Any:
        task = self.dsk[key]
        return task.dependencies if isinstance(task, GraphNode) else keys_in_tasks(self.dsk, [task])

    def __iter__(self) -> Iterator:
        return iter(self.dsk)

    def __len__(self) -> int:
        return len(self.dsk)


def execute_graph(dsk: Mapping, cache: dict | None = None, keys: Any = None) -> dict:
    """The values of a graph of nodes, computed one after another.

    Parameters
    ----------
    dsk : mapping
        Nodes by key.
    cache : dict, optional
        Values that are known; it takes those that are computed.
    keys : container, optional
        The keys whose values are wanted, all by default.

    Examples
    --------
    >>> from raskr._task_spec import DataNode, Task, TaskRef, execute_graph
    >>> execute_graph({"x": DataNode("x", 1), "y": Task("y", abs, TaskRef("x"))}, keys={"y"})
    {'y': 1}
    """
    known = {} if cache is None else cache
    dependencies = {key: node.dependencies & set(dsk) for key, node in dsk.items()}
    uses: dict = {}
    for needed in dependencies.values():
        for key in needed:
            uses[key] = uses.get(key, 0) + 1
    wanted = set(dsk) if keys is None else set(keys)
    for key in toposort(dsk, dependencies):
        if key not in known:
            known[key] = dsk[key](known)
        for needed in dependencies[key]:
            uses[needed] -= 1
            # What is needed no more is let go of, so that memory is that of the running tasks.
            if not uses[needed] and needed not in wanted:
                known.pop(needed, None)
    return {key: known[key] for key in wanted} if keys is not None else known


def cull(dsk: Mapping, keys: Iterable) -> dict:
    """The part of a graph of nodes that some keys need.

    Examples
    --------
    >>> from raskr._task_spec import DataNode, cull
    >>> cull({"x": DataNode("x", 1), "y": DataNode("y", 2)}, ["x"])
    {'x': DataNode(1)}
    """
    work, kept = list(keys), {}
    while work:
        key = work.pop()
        if key in dsk and key not in kept:
            kept[key] = dsk[key]
            work.extend(dsk[key].dependencies)
    return kept


def resolve_aliases(dsk: dict, keys: set, dependents: Mapping) -> dict:
    """A graph of nodes without the aliases that stand for a key which nothing else needs.

    Parameters
    ----------
    dsk : dict
        Nodes by key.
    keys : set
        The keys whose values are wanted; they stay.
    dependents : mapping
        The keys that need each key.

    Examples
    --------
    >>> from raskr._task_spec import Alias, DataNode, resolve_aliases
    >>> graph = {"x": DataNode("x", 1), "y": Alias("y", "x")}
    >>> resolve_aliases(graph, {"y"}, {"x": {"y"}, "y": set()})
    {'y': DataNode(1)}
    """
    result = dict(dsk)
    for key in toposort(dsk, {key: node.dependencies & set(dsk) for key, node in dsk.items()}):
        node = result.get(key)
        if not isinstance(node, Alias):
            continue
        target = node.target
        if target in result and target not in keys and len(dependents.get(target, ())) == 1:
            result[key] = result.pop(target).substitute({}, key=key)
    return result


def fuse_linear_task_spec(dsk: Mapping, keys: Iterable) -> dict:
    """A graph of nodes in which chains of tasks are one task each.

    The fused task goes under the names of its parts, and the key of the last one becomes an alias of it.

    Parameters
    ----------
    dsk : mapping
        Nodes by key.
    keys : iterable
        The keys whose values are wanted; chains end at them.

    Examples
    --------
    >>> from raskr._task_spec import DataNode, Task, TaskRef, fuse_linear_task_spec
    >>> graph = {"x": DataNode("x", -1), "y": Task("y", abs, TaskRef("x"))}
    >>> sorted(fuse_linear_task_spec(graph, {"y"}))
    ['x-y', 'y']
    """
    wanted = set(keys)
    dependents: dict = {key: [] for key in dsk}
    for key, node in dsk.items():
        for needed in node.dependencies:
            if needed in dependents:
                dependents[needed].append(key)

    def follows(key: Any) -> Any:
        """The one task before a task with which it can be one."""
        node = dsk[key]
        if node.block_fusion or len(node.dependencies) != 1:
            return None
        (before,) = node.dependencies
        if before not in dsk or before in wanted or len(dependents[before]) != 1 or dsk[before].block_fusion:
            return None
        return before

    result: dict = {}
    for key in dsk:
        after = dependents[key]
        if len(after) == 1 and follows(after[0]) == key:
            continue
        chain = [key]
        while (before := follows(chain[-1])) is not None:
            chain.append(before)
        if len(chain) == 1:
            result[key] = dsk[key]
            continue
        names = [get_name_from_key(part) for part in reversed(chain)]
        joined = "-".join(dict.fromkeys(names))
        fused = (joined, *key[1:]) if isinstance(key, tuple) else joined
        result[fused] = GraphNode.fuse(*(dsk[part] for part in chain), key=fused)
        if fused != key:
            result[key] = Alias(key, fused)
    return result
