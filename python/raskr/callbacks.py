"""Callbacks: functions that hear of the tasks of every computation, and the state that they are shown."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

from raskr.core import reverse_dict
from raskr.graph import nodes_of

__all__ = ["Callback", "add_callbacks"]

_NAMES = ("start", "start_state", "pretask", "posttask", "finish")


class Callback:
    """Hears of computations while it is registered, or within its `with` block.

    Parameters
    ----------
    start : callable, optional
        Called with the graph before anything else.
    start_state : callable, optional
        Called with the graph and the state before the first task.
    pretask : callable, optional
        Called with key, graph and state before a task runs.
    posttask : callable, optional
        Called with key, result, graph, state and worker when a task has run.
    finish : callable, optional
        Called with graph, state and whether the computation failed, at its end.

    Examples
    --------
    >>> import raskr
    >>> from raskr.callbacks import Callback
    >>> with Callback(posttask=lambda key, result, dsk, state, worker: print(result)):
    ...     _ = raskr.delayed(max)([1, 2]).compute(scheduler="sync")
    2
    """

    active: ClassVar[set] = set()

    def __init__(
        self,
        start: Callable | None = None,
        start_state: Callable | None = None,
        pretask: Callable | None = None,
        posttask: Callable | None = None,
        finish: Callable | None = None,
    ) -> None:
        for name, function in zip(_NAMES, (start, start_state, pretask, posttask, finish)):
            if function is not None:
                setattr(self, f"_{name}", function)

    @property
    def _callback(self) -> tuple:
        return tuple(getattr(self, f"_{name}", None) for name in _NAMES)

    def __enter__(self) -> "Callback":
        self._entered = add_callbacks(self)
        self._entered.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered.__exit__(*exception)

    def register(self) -> None:
        """Hear of all computations from now on."""
        Callback.active.add(self._callback)

    def unregister(self) -> None:
        """Hear of no more computations."""
        Callback.active.discard(self._callback)


def normalize_callback(callback: Any) -> tuple:
    """The five functions of a callback, given as an object or as a tuple already."""
    if isinstance(callback, Callback):
        return callback._callback
    if isinstance(callback, tuple):
        return callback
    raise TypeError(f"Callbacks must be either `Callback` or `tuple`, got {type(callback).__name__}")


def unpack_callbacks(callbacks: Any) -> list[list[Callable]]:
    """For each of the five moments, the functions that hear of it."""
    tuples = [normalize_callback(each) for each in callbacks or ()]
    return [[each[place] for each in tuples if each[place]] for place in range(len(_NAMES))]


class add_callbacks:
    """Callbacks that hear of computations within a `with` block.

    Examples
    --------
    >>> import raskr
    >>> from raskr.callbacks import add_callbacks
    >>> keys = []
    >>> with add_callbacks((None, None, lambda key, dsk, state: keys.append(key), None, None)):
    ...     _ = raskr.delayed(max)([1, 2], dask_key_name="largest").compute(scheduler="sync")
    >>> keys
    ['largest']
    """

    def __init__(self, *callbacks: Any) -> None:
        self.callbacks = [normalize_callback(each) for each in callbacks]
        Callback.active.update(self.callbacks)

    def __enter__(self) -> "add_callbacks":
        return self

    def __exit__(self, *exception: object) -> None:
        for each in self.callbacks:
            Callback.active.discard(each)


@contextmanager
def local_callbacks(callbacks: Any = None) -> Iterator[Any]:
    """The callbacks for one computation; those that are registered hear nothing of computations inside its tasks."""
    if callbacks is not None:
        yield callbacks
        return
    active = set(Callback.active)
    Callback.active.clear()
    try:
        yield active
    finally:
        Callback.active.update(active)


class Tasks(MutableMapping):
    """The graph that callbacks are shown: task objects by key, which are made when somebody looks at them.

    A callback may put values in place of tasks when it hears of the start; these are not computed then.

    Parameters
    ----------
    given : dict
        By key, a tuple of a task and the keys of its inputs.
    """

    def __init__(self, given: dict[Any, tuple]) -> None:
        self.given = given
        self.changes: dict = {}

    def __getitem__(self, key: Any) -> Any:
        if key in self.changes:
            return self.changes[key]
        from raskr._task_spec import Task, TaskRef

        task, *inputs = self.given[key]
        return Task(key, task, *map(TaskRef, inputs))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.given[key]
        self.changes[key] = value

    def __delitem__(self, key: Any) -> None:
        raise TypeError(f"task {key!r} can be replaced by a value, but not be left out")

    def __contains__(self, key: object) -> bool:
        return key in self.given

    def __iter__(self) -> Iterator:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


class _Lazily(Mapping):
    """A mapping that is made when somebody looks into it."""

    def __init__(self, make: Callable[[], Mapping]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Mapping:
        return self._make()

    def __getitem__(self, key: Any) -> Any:
        return self._made[key]

    def __iter__(self) -> Iterator:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def __repr__(self) -> str:
        return repr(dict(self._made))


class Monitor:
    """Passes the engine's events on to callbacks, and keeps the state that they are shown.

    Parameters
    ----------
    callbacks : iterable
        The callbacks.
    graph : dict
        By the engine's name of each task, a tuple of the task and the names of its inputs.
    outputs : sequence
        The names of the tasks whose values are wanted.
    names : dict
        Keys by the names that the engine gives them, where they differ.
    """

    def __init__(self, callbacks: Any, graph: dict, outputs: Any, names: dict) -> None:
        self.graph = Tasks(
            {
                names.get(name, name): (task[0], *(names.get(needed, needed) for needed in task[1:]))
                for name, task in graph.items()
            }
        )
        self.inputs = {name: task[1:] for name, task in graph.items()}
        self.names = names
        self.uses: dict[str, int] = dict.fromkeys(graph, 0)
        for inputs in self.inputs.values():
            for needed in inputs:
                self.uses[needed] += 1
        for name in outputs:
            self.uses[name] += 1
        self.started: list[tuple] = []
        self.callbacks = [normalize_callback(each) for each in callbacks]
        self.pretasks: list = []
        self.posttasks: list = []
        given = self.graph.given
        needs = _Lazily(lambda: {key: set(task[1:]) for key, task in given.items()})
        self.state: dict[str, Any] = {
            "cache": {},
            "dependencies": needs,
            "dependents": _Lazily(lambda: reverse_dict(needs)),
            "finished": set(),
            "ready": [],
            "ready-set": set(),
            "released": set(),
            "running": set(),
            "waiting": {},
        }

    def start(self) -> None:
        """Tell that the computation begins; only callbacks that heard it hear of the end."""
        for each in self.callbacks:
            if each[0]:
                each[0](self.graph)
            self.started.append(each)
        self.pretasks = [each[2] for each in self.started if each[2]]
        self.posttasks = [each[3] for each in self.started if each[3]]

    @contextmanager
    def running(self, outputs: Sequence) -> Iterator[list | None]:
        """Tell of the beginning, and of the end however it comes; gives the outputs' nodes where callbacks changed some."""
        failed = True
        try:
            self.start()
            yield self._changed_nodes(outputs)
            failed = False
        finally:
            self.finish(failed)

    def _changed_nodes(self, outputs: Sequence) -> list | None:
        """The nodes of the outputs after callbacks have put values in place of tasks; None where they have not."""
        if not self.graph.changes:
            return None
        return nodes_of({**self.graph.given, **self.graph.changes}, [self.names.get(name, name) for name in outputs])

    def finish(self, failed: bool) -> None:
        """Tell that the computation has ended."""
        for each in self.started:
            if each[4]:
                each[4](self.graph, self.state, failed)

    def run_started(self, work: list[str], known: list[str]) -> None:
        names = self.names
        self.state["waiting"] = {names.get(name, name): set() for name in work}
        self.state["cache"] = dict.fromkeys(names.get(name, name) for name in known)
        for each in self.started:
            if each[1]:
                each[1](self.graph, self.state)

    def task_started(self, name: str, worker: int, at: float) -> None:
        key = self.names.get(name, name)
        self.state["waiting"].pop(key, None)
        self.state["running"].add(key)
        for function in self.pretasks:
            function(key, self.graph, self.state)

    def task_finished(self, name: str, worker: int, at: float, took: float, nbytes: int, value: Any) -> None:
        key = self.names.get(name, name)
        self.state["running"].discard(key)
        self.state["finished"].add(key)
        # The engine's own steps (parts of a result put together) are in no graph of the user's.
        for needed in self.inputs.get(name, ()):
            self.uses[needed] -= 1
            if not self.uses[needed]:
                self.state["released"].add(self.names.get(needed, needed))
        for function in self.posttasks:
            function(key, value, self.graph, self.state, worker)

    def task_failed(self, name: str, worker: int) -> None:
        self.state["running"].discard(self.names.get(name, name))

    def run_finished(self, failed: bool) -> None:
        pass
