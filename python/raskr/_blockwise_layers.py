"""Layers of tasks that follow an index rule, and the arguments that they take.

This serves libraries that build graphs of such layers by themselves. raskr's own arrays have their own form in Rust, which
is fused there.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from raskr._task_spec import Alias, DataNode, GraphNode, List, Task, TaskRef, parse_input
from raskr.highlevelgraph import Layer, MaterializedLayer

_BLOCKWISE_DEFAULT_PREFIX = "__raskr_blockwise__"


def blockwise_token(i: int, prefix: str = _BLOCKWISE_DEFAULT_PREFIX) -> str:
    """The name under which the task of a layer asks for its argument number `i`."""
    return f"{prefix}{i}"


def _unique_dep(dep: str, ind: Iterable) -> str:
    """The key, inside of a fused task, of the block of another layer at some indices."""
    return "_".join([dep, *map(str, ind)])


def index_subs(ind: Sequence | None, substitution: Mapping) -> tuple | None:
    """Indices with some of them renamed.

    Examples
    --------
    >>> from raskr.blockwise import index_subs
    >>> index_subs(("i", "j"), {"i": "k"})
    ('k', 'j')
    """
    return None if ind is None else tuple(substitution.get(index, index) for index in ind)


class BlockwiseDep:
    """An argument of a layer that has a value for each block, without tasks of its own.

    Attributes
    ----------
    numblocks : tuple of int
        How many blocks there are along each axis.
    produces_keys : bool
        Are the values keys of other tasks?
    """

    numblocks: tuple
    produces_keys = False

    def __getitem__(self, idx: tuple) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    def get(self, idx: tuple, default: Any) -> Any:
        """The value of a block, or a default."""
        try:
            return self[idx]
        except KeyError:
            return default

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.numblocks}>"


class BlockwiseDepDict(BlockwiseDep):
    """Values of blocks that a mapping has.

    Parameters
    ----------
    mapping : mapping
        Values by the block's index.
    numblocks : tuple of int, optional
        How many blocks there are along each axis; found from the mapping where it is left out.
    produces_keys : bool
        Are the values keys of other tasks?

    Examples
    --------
    >>> from raskr.blockwise import BlockwiseDepDict
    >>> BlockwiseDepDict({(0,): "a.csv", (1,): "b.csv"}).numblocks
    (2,)
    """

    def __init__(self, mapping: Mapping, numblocks: tuple | None = None, produces_keys: bool = False) -> None:
        self.mapping = mapping
        self.produces_keys = produces_keys
        if numblocks is None:
            numblocks = tuple(max(places) + 1 for places in zip(*mapping))
        self.numblocks = numblocks

    def __getitem__(self, idx: tuple) -> Any:
        return self.mapping[idx]

    def __len__(self) -> int:
        return len(self.mapping)


class BlockIndex(BlockwiseDep):
    """Gives each block its own index.

    Examples
    --------
    >>> from raskr.blockwise import BlockIndex
    >>> BlockIndex((2, 3))[1, 2]
    (1, 2)
    """

    def __init__(self, numblocks: tuple) -> None:
        self.numblocks = numblocks

    def __getitem__(self, idx: tuple) -> tuple:
        return idx


def blockwise(
    func: Callable,
    output: str,
    output_indices: Iterable,
    *arrind_pairs: Any,
    numblocks: Mapping[str, tuple],
    concatenate: bool | None = None,
    new_axes: Mapping | None = None,
    dependencies: Iterable = (),
    **kwargs: Any,
) -> "Blockwise":
    """The layer of a function of blocks, with the blocks that it gets named by indices.

    Parameters
    ----------
    func : callable
        Gets a block, or nested lists of those along indices that the output does not have.
    output : str
        The layer's name.
    output_indices : iterable
        The index of each axis of the output, such as 'ij'.
    *arrind_pairs : name, indices, name, indices, ...
        Names of collections, or `BlockwiseDep`s, each with its indices; anything followed by None is given as it is.
    numblocks : mapping
        For each name, how many blocks there are along each axis; one block serves all.
    concatenate : bool, optional
        Whether lists of blocks are joined to one array.
    new_axes : mapping, optional
        By index, the lengths of blocks along axes that no argument has.
    dependencies : iterable
        Collections that occur in `kwargs`.
    **kwargs
        Further arguments of `func`; collections among them are computed.

    Examples
    --------
    >>> from operator import add
    >>> import raskr
    >>> from raskr.blockwise import blockwise
    >>> layer = blockwise(add, "z", "i", "x", "i", 10, None, numblocks={"x": (2,)})
    >>> raskr.get({("x", 0): 1, ("x", 1): 2, **layer}, [("z", 0), ("z", 1)])
    (11, 12)
    """
    if len(arrind_pairs) % 2:
        raise ValueError(f"blockwise: names and indices come in pairs, got {len(arrind_pairs)} arguments")
    indices: list = []
    io_deps: dict = {}
    numblocks = dict(numblocks)
    for arg, ind in zip(arrind_pairs[::2], arrind_pairs[1::2]):
        if isinstance(arg, BlockwiseDep):
            name = f"blockwise-dep-{output}-{len(indices)}"
            io_deps[name], numblocks[name] = arg, arg.numblocks
            arg = name
        indices.append((arg, None if ind is None else tuple(ind)))
    refs = [TaskRef(blockwise_token(number)) for number in range(len(indices))]
    named = {name: _with_collections(value) for name, value in kwargs.items()}
    task = Task(output, func, *refs, **named)
    made = Blockwise(output, output_indices, task, indices, numblocks, concatenate, new_axes, io_deps=io_deps)
    made.extra = _graph_of([*kwargs.values(), *dependencies])
    return made


def _with_collections(value: Any) -> Any:
    """A keyword argument, with collections in it replaced by references to their values."""
    from raskr._unpack import unpack_collections
    from raskr.base import node_of

    collections, repack = unpack_collections(value)
    if not collections:
        return value
    (found,) = repack([TaskRef(node_of(collection).key) for collection in collections])
    return parse_input(found)


def _graph_of(values: list) -> dict:
    """The tasks of the collections that occur in some values."""
    from raskr._bridge import core
    from raskr._unpack import unpack_collections
    from raskr.base import node_of

    collections, _ = unpack_collections(values)
    return core.graph_of([node_of(collection) for collection in collections])[0] if collections else {}


class Blockwise(Layer):
    """The tasks of a function of blocks.

    Parameters
    ----------
    output : str
        The layer's name; its keys are `(output, i, j, ...)`.
    output_indices : iterable
        The index of each axis of the output.
    task : Task
        The task of a block. Arguments that differ by block are asked for as `blockwise_token(0)` and so on.
    indices : sequence of pairs
        For each argument a name and its indices; or a value and None.
    numblocks : mapping
        For each name, how many blocks there are along each axis.
    concatenate : bool, optional
        Whether lists of blocks along indices that the output lacks are joined to one array.
    new_axes : mapping, optional
        By index, the lengths of blocks along axes that no argument has.
    output_blocks : set of tuple, optional
        The blocks that are wanted; all of them by default.
    dims : mapping, optional
        By index, how many blocks there are, where that is known.
    io_deps : mapping, optional
        `BlockwiseDep`s by name.
    annotations, collection_annotations : mapping, optional
        As for other layers.

    Examples
    --------
    >>> from raskr._task_spec import Task, TaskRef
    >>> from raskr.blockwise import Blockwise, blockwise_token
    >>> task = Task("y", abs, TaskRef(blockwise_token(0)))
    >>> sorted(Blockwise("y", "i", task, [("x", "i")], {"x": (2,)}))
    [('y', 0), ('y', 1)]
    """

    def __init__(
        self,
        output: str,
        output_indices: Iterable,
        task: Task,
        indices: Iterable,
        numblocks: Mapping,
        concatenate: bool | None = None,
        new_axes: Mapping | None = None,
        output_blocks: set | None = None,
        dims: Mapping | None = None,
        io_deps: Mapping | None = None,
        annotations: Mapping | None = None,
        collection_annotations: Mapping | None = None,
    ) -> None:
        super().__init__(annotations, collection_annotations)
        self.output, self.output_indices, self.task = output, tuple(output_indices), task
        self.indices = tuple((name, None if ind is None else tuple(ind)) for name, ind in indices)
        self.numblocks = dict(numblocks)
        self.concatenate, self.new_axes = concatenate, dict(new_axes or {})
        self.output_blocks = output_blocks
        self.io_deps = dict(io_deps or {})
        self.extra: dict = {}
        self._dims = dict(dims) if dims is not None else None
        self._tasks: dict | None = None

    @property
    def dims(self) -> dict:
        """By index, how many blocks there are."""
        if self._dims is None:
            pairs = [(name, ind) for name, ind in self.indices if ind is not None]
            self._dims = broadcast_dimensions(pairs, self.numblocks)
            for index, sizes in self.new_axes.items():
                self._dims[index] = len(sizes) if isinstance(sizes, (tuple, list)) else 1
        return self._dims

    def __repr__(self) -> str:
        return f"Blockwise<{self.indices} -> {self.output}>"

    def is_materialized(self) -> bool:
        """Have the tasks been listed?"""
        return self._tasks is not None

    def _blocks(self) -> Iterator[tuple]:
        if self.output_blocks is not None:
            return iter(self.output_blocks)
        return itertools.product(*(range(self.dims[index]) for index in self.output_indices))

    def get_output_keys(self) -> set:
        """The keys of the blocks."""
        return {(self.output, *block) for block in self._blocks()}

    @property
    def _dict(self) -> dict:
        if self._tasks is None:
            self._tasks = {(self.output, *block): self._task_of(block) for block in self._blocks()} | self.extra
        return self._tasks

    def __getitem__(self, key: Any) -> Any:
        return self._dict[key]

    def __iter__(self) -> Iterator:
        return iter(self._dict)

    def __len__(self) -> int:
        if self.is_materialized() or self.extra:
            return len(self._dict)
        if self.output_blocks is not None:
            return len(self.output_blocks)
        count = 1
        for index in self.output_indices:
            count *= self.dims[index]
        return count

    def _task_of(self, block: tuple) -> Task:
        """The task of a block: the layer's, with its arguments in place of their names."""
        place = dict(zip(self.output_indices, block))
        put = {}
        for number, (name, ind) in enumerate(self.indices):
            token = blockwise_token(number)
            put[token] = DataNode(None, name) if ind is None else self._argument(name, ind, place)
        task = self.task.substitute(put, key=(self.output, *block))
        return task if task is not self.task else Task(task.key, task.func, *task.args, **task.kwargs)

    def _argument(self, name: str, ind: tuple, place: Mapping) -> GraphNode:
        contracted = [index for index in dict.fromkeys(ind) if index not in place]
        counts = self.numblocks[name]

        def nested(left: list, known: Mapping) -> Any:
            if left:
                first, *rest = left
                return List(*(nested(rest, {**known, first: number}) for number in range(self.dims[first])))
            # An argument with one block along an axis gives it to all.
            at = tuple(known[index] if count != 1 else 0 for index, count in zip(ind, counts))
            if name in self.io_deps:
                found = self.io_deps[name][at]
                return Alias(found) if self.io_deps[name].produces_keys else DataNode(None, found)
            return Alias((name, *at))

        found = nested(contracted, place)
        if self.concatenate and contracted:
            return Task(None, _joined, found, [ind.index(index) for index in contracted])
        return found

    def cull(self, keys: set, all_hlg_keys: Any) -> tuple["Layer", dict]:
        """The layer of the blocks that some keys need, and what each of them needs."""
        if self.extra:
            return MaterializedLayer(self._dict, self.annotations, self.collection_annotations).cull(keys, all_hlg_keys)
        blocks = {tuple(key[1:]) for key in keys if isinstance(key, tuple) and key and key[0] == self.output}
        kept = self._with(output_blocks=blocks)
        return kept, {key: set(task.dependencies) for key, task in kept.items()}

    def get_dependencies(self, key: Any, all_hlg_keys: Any) -> set:
        """The keys that the task of a block needs."""
        task = self[key]
        return set(task.dependencies) if isinstance(task, GraphNode) else super().get_dependencies(key, all_hlg_keys)

    def _with(self, **changes: Any) -> "Blockwise":
        made = self.__copy__()
        made._tasks = None
        for name, value in changes.items():
            setattr(made, name, value)
        return made


def _joined(blocks: Any, axes: list) -> Any:
    """One array of nested lists of blocks, which follow each other along some axes."""
    from raskr.array.dispatch import concatenate_blocks

    if not axes:
        return blocks
    return concatenate_blocks([_joined(block, axes[1:]) for block in blocks], axes[0])


def broadcast_dimensions(
    argpairs: Iterable, numblocks: Mapping, sentinels: tuple = (1, (1,)), consolidate: Callable | None = None
) -> dict:
    """By index, how many blocks (or which lengths) the arguments have, among which single ones do not count.

    Parameters
    ----------
    argpairs : iterable of pairs
        Names and their indices.
    numblocks : mapping
        For each name the number, or the lengths, of blocks along each axis.
    sentinels : tuple
        What does not count.
    consolidate : callable, optional
        Makes the result of the set of those that occur; more than one is an error where it is left out.

    Examples
    --------
    >>> from raskr.blockwise import broadcast_dimensions
    >>> broadcast_dimensions([("x", "ij"), ("y", "ij")], {"x": (1, 2), "y": (3, 2)})
    {'i': 3, 'j': 2}
    """
    found: dict = {}
    for name, ind in argpairs:
        if ind is None:
            continue
        counts = numblocks[name]
        if len(counts) != len(ind):
            raise ValueError(f"{name!r} has {len(counts)} axes, and the indices {tuple(ind)}")
        for index, count in zip(ind, counts):
            found.setdefault(index, set()).add(count)
    found = {index: (counts - set(sentinels)) or counts for index, counts in found.items()}
    if consolidate is not None:
        return {index: consolidate(counts) for index, counts in found.items()}
    if any(len(counts) > 1 for counts in found.values()):
        raise ValueError(f"Shapes do not align {found}")
    return {index: next(iter(counts)) for index, counts in found.items()}
