"""The objects that tasks are made of: references to keys, calls, data, aliases, containers.

A task is called with the values of the keys that it needs: `task({"x": 1})`. Graphs of such tasks run on the engine, by
`raskr.get` and everything else that takes a graph, side by side with the tuples of `raskr.core`.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from raskr.core import toposort
from raskr.tokenize import tokenize
from raskr.utils import funcname

_NOTHING: frozenset = frozenset()


class TaskRef:
    """Stands for the value of a key among the arguments of a task.

    Examples
    --------
    >>> from raskr._task_spec import Task, TaskRef
    >>> Task("y", abs, TaskRef("x"))({"x": -3})
    3
    """

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __str__(self) -> str:
        return str(self.key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r})"

    def __hash__(self) -> int:
        return hash((type(self), self.key))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.key == self.key

    def __reduce__(self) -> tuple:
        return type(self), (self.key,)

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self.key

    def substitute(self, subs: Mapping, key: Any = None) -> Any:
        """What stands in the place of this reference once keys have been replaced by other keys or by tasks."""
        found = subs.get(self.key, self.key)
        if isinstance(found, (GraphNode, TaskRef)):
            return found
        return self if found == self.key else TaskRef(found)


def needed_keys(value: Any) -> frozenset:
    """The keys that an argument of a task needs."""
    if isinstance(value, TaskRef):
        return frozenset((value.key,))
    return value.dependencies if isinstance(value, GraphNode) else _NOTHING


def _all_needed(values: Iterable) -> frozenset:
    return frozenset().union(*map(needed_keys, values))


def _value_of(arg: Any, values: Mapping) -> Any:
    if isinstance(arg, TaskRef):
        return values[arg.key]
    return arg(values) if isinstance(arg, GraphNode) else arg


def _replaced(arg: Any, subs: Mapping) -> Any:
    return arg.substitute(subs) if isinstance(arg, (TaskRef, GraphNode)) else arg


class GraphNode:
    """What a graph has under a key: a task, known data, or another name for a key.

    Attributes
    ----------
    key : object
        The key; None for a node inside of another one.
    dependencies : frozenset
        The keys that the node needs.
    """

    __slots__ = ("_dependencies", "key")

    def __init__(self, key: Any, dependencies: frozenset) -> None:
        self.key = key
        self._dependencies = dependencies

    @property
    def dependencies(self) -> frozenset:
        """The keys that the node needs."""
        return self._dependencies

    @property
    def data_producer(self) -> bool:
        """Does the node load or make data, rather than work on it?"""
        return False

    @property
    def block_fusion(self) -> bool:
        """Must the node stay a task of its own?"""
        return False

    @property
    def is_coro(self) -> bool:
        """Does the node call a coroutine function?"""
        return False

    def ref(self) -> "Alias":
        """A node that stands for this one's value."""
        return Alias(self.key)

    def copy(self) -> "GraphNode":
        """The same node as a new object."""
        function, args = self.__reduce__()[:2]
        return function(*args)

    def substitute(self, subs: Mapping, key: Any = None) -> "GraphNode":
        """The node with keys that it needs replaced by other keys, or by nodes, and with another key of its own."""
        raise NotImplementedError

    def __call__(self, values: Mapping = {}) -> Any:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dask_tokenize__() == other.__dask_tokenize__()

    def __hash__(self) -> int:
        return hash(tokenize(self))

    def __dask_tokenize__(self) -> Any:
        raise NotImplementedError

    def _need(self, values: Mapping) -> None:
        missing = {key for key in self.dependencies if key not in values}
        if missing:
            raise RuntimeError(f"Not enough arguments provided: missing keys {missing}")

    @staticmethod
    def fuse(*tasks: "GraphNode", key: Any = None) -> "GraphNode":
        """One task of several, of which all but one are needed only by others among them.

        Parameters
        ----------
        *tasks : GraphNode
            The tasks.
        key : object, optional
            The key of the whole, that of the task whose value it gives by default.

        Examples
        --------
        >>> from operator import add
        >>> from raskr._task_spec import Task, TaskRef
        >>> inner = Task("y", add, TaskRef("x"), 10)
        >>> Task.fuse(Task("z", add, TaskRef("y"), 1), inner)({"x": 100})
        111
        """
        if len(tasks) == 1:
            return tasks[0] if key is None else tasks[0].substitute({}, key=key)
        inside = {task.key: task for task in tasks}
        needed = _all_needed(tasks)
        outputs = set(inside) - needed
        if len(outputs) != 1:
            raise ValueError(f"Cannot fuse tasks with multiple outputs {outputs}")
        (output,) = outputs
        outer = tuple(sorted(needed - set(inside), key=str))
        ordered = {
            name: inside[name]
            for name in toposort(inside, {name: inside[name].dependencies & set(inside) for name in inside})
        }
        return Task(
            output if key is None else key,
            _run_inside,
            ordered,
            output,
            outer,
            *map(TaskRef, outer),
            _data_producer=any(task.data_producer for task in tasks),
        )


def _run_inside(tasks: Mapping, output: Any, names: Sequence, *values: Any) -> Any:
    """The value of one of some tasks, each of which comes after those that it needs."""
    known = dict(zip(names, values))
    for key, task in tasks.items():
        known[key] = task(known)
    return known[output]


class Alias(GraphNode):
    """Another name for the value of a key.

    Examples
    --------
    >>> from raskr._task_spec import Alias
    >>> Alias("y", "x")({"x": 3})
    3
    """

    __slots__ = ("target",)

    def __init__(self, key: Any, target: Any = None) -> None:
        if isinstance(key, TaskRef):
            key = key.key
        target = key if target is None else target.key if isinstance(target, (TaskRef, Alias)) else target
        super().__init__(key, frozenset((target,)))
        self.target = target

    def __reduce__(self) -> tuple:
        return Alias, (self.key, self.target)

    def __dask_tokenize__(self) -> Any:
        return "Alias", self.key, self.target

    def __repr__(self) -> str:
        return f"Alias({self.key!r})" if self.key == self.target else f"Alias({self.key!r}->{self.target!r})"

    def __call__(self, values: Mapping = {}) -> Any:
        self._need(values)
        return values[self.target]

    def substitute(self, subs: Mapping, key: Any = None) -> GraphNode:
        """The alias with its target replaced."""
        own = self.key if key is None else key
        found = subs.get(self.target, self.target)
        if isinstance(found, GraphNode):
            return found.substitute({}, key=own)
        return Alias(own, found)


class DataNode(GraphNode):
    """Data that is known already.

    Examples
    --------
    >>> from raskr._task_spec import DataNode
    >>> DataNode("x", [1, 2])()
    [1, 2]
    """

    __slots__ = ("typ", "value")

    def __init__(self, key: Any, value: Any) -> None:
        super().__init__(key, _NOTHING)
        self.value = value
        self.typ = type(value)

    @property
    def data_producer(self) -> bool:
        """True: it is data."""
        return True

    def __reduce__(self) -> tuple:
        return DataNode, (self.key, self.value)

    def __dask_tokenize__(self) -> Any:
        return "DataNode", tokenize(self.value)

    def __repr__(self) -> str:
        return f"DataNode({self.value!r})"

    def __iter__(self) -> Iterator:
        return iter(self.value)

    def __call__(self, values: Mapping = {}) -> Any:
        return self.value

    def substitute(self, subs: Mapping, key: Any = None) -> "DataNode":
        """The data, under another key where one is given."""
        return self if key is None or key == self.key else DataNode(key, self.value)


class Task(GraphNode):
    """A call of a function, whose arguments may be references to keys, and nodes.

    Parameters
    ----------
    key : object
        The key; None for a task inside of another one.
    func : callable
        The function.
    *args, **kwargs : object
        Its arguments. A `TaskRef` or a node is replaced by its value; lists and the like are not looked into: give
        them as `parse_input` makes them.

    Examples
    --------
    >>> import raskr
    >>> from raskr._task_spec import Task, TaskRef
    >>> task = Task("z", max, TaskRef("x"), TaskRef("y"))
    >>> sorted(task.dependencies)
    ['x', 'y']
    >>> raskr.get({"x": 1, "y": 2, "z": task}, "z")
    2
    """

    __slots__ = ("_data_producer", "_token", "args", "func", "kwargs")

    def __init__(self, key: Any, func: Callable, /, *args: Any, _data_producer: bool = False, **kwargs: Any) -> None:
        super().__init__(key, _all_needed((*args, *kwargs.values())))
        self.func, self.args, self.kwargs = func, args, kwargs
        self._data_producer = _data_producer
        self._token: Any = None

    @property
    def data_producer(self) -> bool:
        """Does the task load or make data, rather than work on it?"""
        return self._data_producer

    @property
    def is_coro(self) -> bool:
        """Does the task call a coroutine function?"""
        return inspect.iscoroutinefunction(getattr(self.func, "func", self.func))

    def has_subgraph(self) -> bool:
        """Is the task made of several others?"""
        return self.func is _run_inside

    def __reduce__(self) -> tuple:
        return _restore, (type(self), self.key, self.func, self.args, self.kwargs, self._data_producer)

    def __dask_tokenize__(self) -> Any:
        if self._token is None:
            self._token = type(self).__name__, tokenize(self.func, self.args, self.kwargs)
        return self._token

    def __repr__(self) -> str:
        if self.has_subgraph():
            return f"<Task {self.key!r} of {', '.join(map(repr, self.args[0]))}>"
        words = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"<Task {self.key!r} {funcname(self.func)}({', '.join(words)})>"

    def __call__(self, values: Mapping = {}) -> Any:
        self._need(values)
        args = [_value_of(arg, values) for arg in self.args]
        return self.func(*args, **{name: _value_of(arg, values) for name, arg in self.kwargs.items()})

    def substitute(self, subs: Mapping, key: Any = None) -> "Task":
        """The task with keys that it needs replaced by other keys, or by nodes that are computed inside of it."""
        touched = any(name in subs and subs[name] != name for name in self.dependencies)
        if not touched and (key is None or key == self.key):
            return self
        args = [_replaced(arg, subs) for arg in self.args] if touched else self.args
        kwargs = {name: _replaced(arg, subs) for name, arg in self.kwargs.items()} if touched else self.kwargs
        return _restore(type(self), self.key if key is None else key, self.func, args, kwargs, self._data_producer)


def _restore(kind: type, key: Any, func: Callable, args: Iterable, kwargs: Mapping, data_producer: bool) -> Any:
    """A task, or one of the containers, whose constructors take other arguments."""
    made = kind.__new__(kind)
    Task.__init__(made, key, func, *args, _data_producer=data_producer, **kwargs)
    return made


class NestedContainer(Task):
    """A list, tuple, set or dict with references or nodes among its items.

    Examples
    --------
    >>> from raskr._task_spec import List, TaskRef
    >>> List(1, TaskRef("x"))({"x": 2})
    [1, 2]
    """

    __slots__ = ()
    constructor: Callable
    klass: type

    def __init__(self, /, *items: Any) -> None:
        super().__init__(None, partial(_collect, type(self).klass), *items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.args!r})"

    def __iter__(self) -> Iterator:
        return iter(self.args)

    def __len__(self) -> int:
        return len(self.args)


def _collect(kind: type, *items: Any) -> Any:
    return kind(items)


class List(NestedContainer):
    """A list with references or nodes among its items."""

    __slots__ = ()
    constructor = klass = list


class Tuple(NestedContainer):
    """A tuple with references or nodes among its items."""

    __slots__ = ()
    constructor = klass = tuple


class Set(NestedContainer):
    """A set with references or nodes among its items."""

    __slots__ = ()
    constructor = klass = set


class Dict(NestedContainer, Mapping):
    """A dict with references or nodes among its values.

    Examples
    --------
    >>> from raskr._task_spec import Dict, TaskRef
    >>> Dict({"a": TaskRef("x")})({"x": 2})
    {'a': 2}
    """

    __slots__ = ()
    klass = dict

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        # Keys and values in turn, as arguments of a task.
        flat = [part for pair in dict(*args, **kwargs).items() for part in pair]
        Task.__init__(self, None, _collect_pairs, *flat)

    @staticmethod
    def constructor(items: Sequence) -> dict:
        """The dict of keys and values in turn."""
        return dict(zip(items[::2], items[1::2]))

    def __repr__(self) -> str:
        return f"Dict({', '.join(f'{key}: {value!r}' for key, value in self.items())})"

    def __iter__(self) -> Iterator:
        return iter(self.args[::2])

    def __len__(self) -> int:
        return len(self.args) // 2

    def __getitem__(self, key: Any) -> Any:
        for name, value in zip(self.args[::2], self.args[1::2]):
            if name == key:
                return value
        raise KeyError(key)

    __eq__ = GraphNode.__eq__
    __hash__ = GraphNode.__hash__


def _collect_pairs(*items: Any) -> dict:
    return dict(zip(items[::2], items[1::2]))


_CONTAINERS: dict[type, type[NestedContainer]] = {list: List, tuple: Tuple, set: Set}


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and type(value) is not tuple and hasattr(value, "_fields")


def contained(value: Any, parse: Callable) -> Any:
    """The node of a container with nodes inside, or the container itself."""
    kind = type(value)
    if kind is dict:
        parsed = {name: parse(item) for name, item in value.items()}
        return Dict(parsed) if any(isinstance(item, GraphNode) for item in parsed.values()) else value
    if kind in _CONTAINERS:
        items = [parse(item) for item in value]
        return _CONTAINERS[kind](*items) if any(isinstance(item, GraphNode) for item in items) else value
    if _is_named_tuple(value):
        items = [parse(item) for item in value]
        return Task(None, kind, *items) if any(isinstance(item, GraphNode) for item in items) else value
    return value


def parse_input(obj: Any) -> Any:
    """An argument of a task: references, also those inside of containers, as nodes.

    Examples
    --------
    >>> from raskr._task_spec import TaskRef, parse_input
    >>> parse_input([1, TaskRef("x")])({"x": 2})
    [1, 2]
    """
    if isinstance(obj, GraphNode):
        return obj
    return Alias(obj.key) if isinstance(obj, TaskRef) else contained(obj, parse_input)
