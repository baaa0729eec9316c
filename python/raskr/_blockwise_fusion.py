"""Making one layer of several that follow index rules."""

import itertools
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from raskr._blockwise_layers import Blockwise, _unique_dep, blockwise_token, broadcast_dimensions, index_subs
from raskr._names import get_name_from_key
from raskr._task_spec import DataNode, GraphNode, Task
from raskr.core import flatten
from raskr.highlevelgraph import HighLevelGraph


def rewrite_blockwise(inputs: Iterable[Blockwise]) -> Blockwise:
    """One layer of several, of which all but one serve others among them only.

    Parameters
    ----------
    inputs : iterable of Blockwise
        The layers.

    Examples
    --------
    >>> from operator import add
    >>> from raskr.blockwise import blockwise, rewrite_blockwise
    >>> b = blockwise(add, "b", "i", "a", "i", 1, None, numblocks={"a": (2,)})
    >>> c = blockwise(add, "c", "i", "b", "i", "a", "i", numblocks={"a": (2,), "b": (2,)})
    >>> rewrite_blockwise([b, c]).indices
    (('a', ('i',)), (1, None))
    """
    layers = {layer.output: layer for layer in inputs}
    if len(layers) == 1:
        return next(iter(layers.values()))
    served = {name for layer in layers.values() for name, ind in layer.indices if ind is not None}
    roots = [name for name in layers if name not in served]
    if len(roots) != 1:
        raise ValueError(f"layers can be made one where one of them serves none of the others, got {roots}")
    root = layers[roots[0]]
    names = _fresh_indices(layers.values())
    # Arguments of the whole, by what they are; tasks ask for them by their number at the end.
    wanted: list[tuple] = list(root.indices)
    tasks: dict[str, tuple[Task, list, tuple]] = {root.output: (root.task, list(root.indices), root.output_indices)}
    new_axes, concatenate = dict(root.new_axes), root.concatenate
    while True:
        place = next((n for n, (name, ind) in enumerate(wanted) if ind is not None and _among(name, layers)), None)
        if place is None:
            break
        name, ind = wanted.pop(place)
        inner = layers[name]
        renamed = dict(zip(inner.output_indices, ind))
        used = [index for _, each in inner.indices if each is not None for index in each]
        for index in dict.fromkeys(used):
            if index not in renamed:
                renamed[index] = next(names)
        own = [(each, index_subs(indices, renamed)) for each, indices in inner.indices]
        tasks[_unique_dep(name, ind)] = (inner.task, own, ind)
        new_axes.update({renamed[index]: sizes for index, sizes in inner.new_axes.items()})
        concatenate = concatenate if concatenate is not None else inner.concatenate
        for arg in own:
            if not any(_same(arg, other) for other in wanted) and _unique(arg) not in tasks:
                wanted.append(arg)
    parts = []
    for key, (task, args, _) in tasks.items():
        put = {}
        for number, arg in enumerate(args):
            found = next((n for n, other in enumerate(wanted) if _same(arg, other)), None)
            put[blockwise_token(number)] = _unique(arg) if found is None else blockwise_token(found)
        parts.append(task.substitute(put, key=key))
    numblocks: dict = {}
    io_deps: dict = {}
    for layer in layers.values():
        numblocks.update(layer.numblocks)
        io_deps.update(layer.io_deps)
    left = {name for name, ind in wanted if ind is not None}
    made = Blockwise(
        root.output,
        root.output_indices,
        GraphNode.fuse(*parts, key=root.output),
        wanted,
        {name: counts for name, counts in numblocks.items() if name in left},
        concatenate,
        new_axes,
        io_deps={name: dep for name, dep in io_deps.items() if name in left},
        annotations=root.annotations,
        collection_annotations=root.collection_annotations,
    )
    # An index that only inner layers had keeps the number of blocks that it had there.
    made._dims = {**broadcast_dimensions([(n, i) for n, i in wanted if i is not None], made.numblocks)}
    made._dims.update({i: len(s) if isinstance(s, (tuple, list)) else 1 for i, s in new_axes.items()})
    made._dims.update({index: count for index, count in root.dims.items() if index in root.output_indices})
    made.extra = {key: task for layer in layers.values() for key, task in layer.extra.items()}
    return made


def _among(name: Any, layers: Mapping) -> bool:
    return isinstance(name, str) and name in layers


def _unique(arg: tuple) -> str | None:
    name, ind = arg
    return _unique_dep(name, ind) if ind is not None and isinstance(name, str) else None


def _same(arg: tuple, other: tuple) -> bool:
    """Are two arguments the same: name and indices, or the value?"""
    if arg[1] != other[1]:
        return False
    if arg[1] is not None:
        return arg[0] == other[0]
    return arg[0] is other[0] or (type(arg[0]) is type(other[0]) and DataNode(None, arg[0]) == DataNode(None, other[0]))


def _fresh_indices(layers: Iterable[Blockwise]) -> Iterator[str]:
    """Names of indices that no layer has."""
    taken = {index for layer in layers for _, ind in layer.indices if ind is not None for index in ind}
    taken |= {index for layer in layers for index in layer.output_indices}
    every = itertools.chain(string.ascii_uppercase, (f"index-{number}" for number in itertools.count()))
    return (name for name in every if name not in taken)


def optimize_blockwise(graph: HighLevelGraph, keys: Iterable = ()) -> HighLevelGraph:
    """A graph in which chains of `Blockwise` layers are one layer each.

    Parameters
    ----------
    graph : HighLevelGraph
        The graph.
    keys : iterable
        The keys that are wanted; their layers stay.

    Examples
    --------
    >>> from operator import add
    >>> from raskr.blockwise import blockwise, optimize_blockwise
    >>> from raskr.highlevelgraph import HighLevelGraph
    >>> b = blockwise(add, "b", "i", "a", "i", 1, None, numblocks={"a": (2,)})
    >>> c = blockwise(add, "c", "i", "b", "i", 2, None, numblocks={"b": (2,)})
    >>> layers = {"a": {("a", 0): 1, ("a", 1): 2}, "b": b, "c": c}
    >>> graph = HighLevelGraph(layers, {"a": set(), "b": {"a"}, "c": {"b"}})
    >>> sorted(optimize_blockwise(graph, [("c", 0), ("c", 1)]).layers)
    ['a', 'c']
    """
    keep = {get_name_from_key(key) for key in flatten(list(keys))}
    dependents = graph.dependents
    layers, dependencies = dict(graph.layers), {name: set(needed) for name, needed in graph.dependencies.items()}
    for name in reversed(graph._toposort_layers()):
        if name not in layers or not isinstance(layers[name], Blockwise):
            continue
        group = {name}
        work = [name]
        while work:
            for needed in sorted(graph.dependencies[work.pop()]):
                if needed not in group and _can_join(needed, name, group, layers, dependents, keep):
                    group.add(needed)
                    work.append(needed)
        if len(group) > 1:
            members = [layers[member] for member in group]
            outer = set().union(*(dependencies[member] for member in group)) - group
            layers[name] = rewrite_blockwise(members)
            layers[name].annotations = _joint_annotations([member.annotations for member in members])
            dependencies[name] = outer
            for member in group - {name}:
                del layers[member], dependencies[member]
    return HighLevelGraph(layers, dependencies)


def _can_join(needed: str, name: str, group: set, layers: Mapping, dependents: Mapping, keep: set) -> bool:
    inner, root = layers.get(needed), layers[name]
    return (
        isinstance(inner, Blockwise)
        and needed not in keep
        and inner.output_blocks is None
        and set(dependents[needed]) <= group
        and inner.concatenate == root.concatenate
        and _joint_annotations([inner.annotations, root.annotations]) is not _APART
    )


_APART: dict = {}
_JOINT: dict[str, Callable] = {
    "priority": max,
    "retries": max,
    "allow_other_workers": lambda a, b: a and b,
    "workers": lambda a, b: [each for each in a if each in b],
    "resources": lambda a, b: {name: max(a.get(name, 0), b.get(name, 0)) for name in {**a, **b}},
}


def _joint_annotations(several: list) -> Any:
    """Annotations that serve several layers at once; `_APART` where there are none."""
    found: dict = {}
    plain = [each or {} for each in several]
    for each in plain:
        for name, value in each.items():
            if name not in _JOINT and any(other.get(name) != value for other in plain):
                return _APART
            found[name] = _JOINT[name](found[name], value) if name in found and name in _JOINT else value
    return found or None
