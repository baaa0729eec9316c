"""Running on this process: the engine, entered with nodes or with raw graphs, and schedulers over executors."""

import concurrent.futures
import functools
import math
from collections import deque
from collections.abc import Callable, Container, Sequence
from typing import Any

from raskr import config
from raskr._bridge import core
from raskr.callbacks import Monitor, local_callbacks
from raskr.core import get_dependencies, literal
from raskr.graph import block_nodes, nest, nodes_and_names, plain, wanted_keys

__all__ = ["get_async", "get_sync", "run_nodes"]


_default_memory_limit = functools.cache(core.default_memory_limit)


def _memory_limit() -> int | None:
    limit = config.checked("memory-limit")
    return _default_memory_limit() if limit is None else limit


def _workers(num_workers: Any, pool: Any) -> int | None:
    if pool is not None:
        return pool if isinstance(pool, int) else pool_size(pool)
    return config.checked("num_workers", num_workers)


def pool_size(pool: Any) -> int | None:
    """How many workers an executor or a multiprocessing pool has."""
    size = getattr(pool, "_max_workers", None) or getattr(pool, "_processes", None)
    return size if isinstance(size, int) else None


def run_nodes(
    items: Sequence,
    scheduler: str = "threads",
    num_workers: int | None = None,
    pool: Any = None,
    keep_blocks: bool = False,
    names: dict | None = None,
    callbacks: Any = None,
    memory_limit: int | str | None = None,
    initializer: Callable | None = None,
    mp_context: Any = None,
    **kwargs: Any,
) -> list:
    """Compute nodes and array expressions with the engine.

    Parameters
    ----------
    items : sequence
        Nodes, `Delayed` objects and array expressions.
    scheduler : {'threads', 'processes', 'sync'}
        Who runs the tasks.
    num_workers : int, optional
        How many threads or processes; the setting `num_workers` by default.
    pool : executor, optional
        An executor whose number of workers is used.
    keep_blocks : bool
        Give nodes and expressions that hold what was computed.
    names : dict, optional
        Keys by the names that the engine gives them, for callbacks.
    callbacks : iterable, optional
        Callbacks in place of those that are registered.
    memory_limit : int or str, optional
        Bytes that values and running tasks may take; the setting `memory-limit` by default.
    initializer : callable, optional
        Called in each process before its first task.
    mp_context : context, optional
        How processes are started.
    """
    if scheduler == "processes":
        from raskr import multiprocessing

        scheduler = "sync" if multiprocessing.in_child() else "processes"
    options: dict[str, Any] = {
        "scheduler": scheduler,
        "memory_limit": _memory_limit() if memory_limit is None else core.parse_bytes(memory_limit),
        "spill_directory": config.checked("temporary-directory"),
        "keep_blocks": keep_blocks,
    }
    if scheduler == "processes":
        options["children"] = multiprocessing.children(initializer, mp_context)
    if scheduler != "sync":
        options["num_workers"] = _workers(num_workers, pool if pool is not None else config.get("pool", None))
    with local_callbacks(callbacks) as active:
        if not active:
            return core.run(items, **options)
        graph, outputs = core.graph_of(block_nodes(items))
        monitor = Monitor(active, graph, outputs, names or {})
        failed = True
        try:
            monitor.start()
            changed = monitor.changed_nodes(outputs)
            if changed is not None:
                items = _on_nodes(items, changed)
            values = core.run(items, monitor=monitor, **options)
            failed = False
            return values
        finally:
            monitor.finish(failed)


def _on_nodes(items: Sequence, nodes: Sequence) -> list:
    """Items like these, made of other nodes; arrays under other names, since the nodes have the keys of their blocks."""
    given = iter(nodes)
    return [
        core.Expr.from_nodes(
            [next(given) for _ in range(math.prod(item.numblocks))], item.chunks, item.dtype, item.native
        )
        if isinstance(item, core.Expr)
        else next(given)
        for item in items
    ]


def without_arrays(dsk: Any, keys: Sequence, **kwargs: Any) -> Any:
    """A graph whose tasks can all be sent to processes: operations of arrays in it have been computed, on threads.

    Parameters
    ----------
    dsk : mapping
        Tasks by key.
    keys : sequence
        What is wanted of it.
    **kwargs
        For `run_nodes`.
    """
    graph = plain(dsk)
    staying = [key for key, task in graph.items() if _is_of_arrays(task)]
    if not staying:
        return dsk
    needs = {key: get_dependencies(graph, key) for key in graph}
    here: set = set()
    while staying:
        key = staying.pop()
        if key not in here:
            here.add(key)
            staying.extend(needs[key])
    rest = needs.keys() - here
    found = list(here.intersection(keys).union(*(needs[key] & here for key in rest)))
    nodes, names = nodes_and_names(graph, found)
    values = run_nodes(nodes, names=names, **kwargs)
    return {**{key: graph[key] for key in rest}, **{key: (literal(value),) for key, value in zip(found, values)}}


def _is_of_arrays(task: Any) -> bool:
    return type(task) is tuple and bool(task) and isinstance(task[0], core.Task) and not task[0].movable


def _get(dsk: Any, keys: Any, scheduler: str, **kwargs: Any) -> Any:
    wanted = wanted_keys(keys)
    if scheduler == "processes":
        dsk = without_arrays(dsk, wanted, **kwargs)
    nodes, names = nodes_and_names(dsk, wanted)
    values = run_nodes(nodes, scheduler=scheduler, names=names, **kwargs)
    return nest(keys, dict(zip(wanted, values)))


def get_sync(dsk: Any, keys: Any, **kwargs: Any) -> Any:
    """The values of keys of a graph, computed one after another on this thread.

    Parameters
    ----------
    dsk : mapping
        Tasks by key.
    keys : key, or nested list of keys
        What is wanted.

    Examples
    --------
    >>> from raskr.local import get_sync
    >>> get_sync({"x": -1, "y": (abs, "x")}, ["x", "y"])
    (-1, 1)
    """
    return _get(dsk, keys, "sync", **kwargs)


class SynchronousExecutor(concurrent.futures.Executor):
    """Runs what is submitted at once, on the thread that submits it."""

    _max_workers = 1

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> concurrent.futures.Future:
        """Call a function now."""
        future: concurrent.futures.Future = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


synchronous_executor = SynchronousExecutor()


def get_async(
    submit: Callable,
    num_workers: int | None,
    dsk: Any,
    keys: Any,
    callbacks: Any = None,
    wrap: Callable | None = None,
    here: Container[str] = (),
    **kwargs: Any,
) -> Any:
    """The values of keys of a graph, computed by tasks that are handed to an executor one by one.

    This serves executors of others; raskr's own threads are many times faster.

    Parameters
    ----------
    submit : callable
        An executor's `submit`.
    num_workers : int, optional
        How many tasks are handed over at a time.
    dsk : mapping
        Tasks by key.
    keys : key, or nested list of keys
        What is wanted.
    wrap : callable, optional
        Makes of a task and its arguments a function without arguments for the executor.
    here : container of str, optional
        Keys, as text, of tasks that run on threads of this process instead.
    """
    wanted = wanted_keys(keys)
    nodes, names = nodes_and_names(dsk, wanted)
    with local_callbacks(callbacks) as active:
        values = run_on_executor(submit, num_workers or 1, nodes, names, active, wrap or functools.partial, here)
    return nest(keys, dict(zip(wanted, values)))


def run_on_executor(
    submit: Callable,
    num_workers: int,
    nodes: Sequence,
    names: dict,
    callbacks: Any,
    wrap: Callable,
    here: Container[str] = (),
) -> list:
    """Compute nodes with an executor that is not raskr's, but for some keys, whose tasks run on threads."""
    with concurrent.futures.ThreadPoolExecutor(num_workers) as threads:

        def start(key: str, task: Callable, *args: Any) -> concurrent.futures.Future:
            return threads.submit(task, *args) if key in here else submit(wrap(task, *args))

        return _run_in_order(start, num_workers, nodes, names, callbacks)


def _run_in_order(start: Callable, num_workers: int, nodes: Sequence, names: dict, callbacks: Any) -> list:
    """Compute nodes by handing tasks to `start(key, task, *arguments)` as soon as their inputs are there."""
    graph, outputs = core.graph_of(nodes)
    monitor = Monitor(callbacks, graph, outputs, names)
    failed = True
    try:
        monitor.start()
        changed = monitor.changed_nodes(outputs)
        if changed is not None:
            graph, outputs = core.graph_of(changed)
        values = _handed_over(start, num_workers, graph, outputs, monitor)
        failed = False
        return values
    finally:
        monitor.finish(failed)


def _handed_over(start: Callable, num_workers: int, graph: dict, outputs: list, monitor: Monitor) -> list:
    dependents: dict[str, list[str]] = {key: [] for key in graph}
    missing = {}
    for key, (_, *inputs) in graph.items():
        missing[key] = len(inputs)
        for needed in inputs:
            dependents[needed].append(key)
    uses = {key: len(users) for key, users in dependents.items()}
    for key in outputs:
        uses[key] += 1
    ready = deque(key for key, count in missing.items() if not count)
    values: dict[str, Any] = {}
    running: dict[concurrent.futures.Future, str] = {}
    monitor.run_started(list(graph), [])
    try:
        while ready or running:
            while ready and len(running) < num_workers:
                key = ready.popleft()
                task, *inputs = graph[key]
                monitor.task_started(key, 0, 0.0)
                running[start(key, task, *(values[needed] for needed in inputs))] = key
                for needed in inputs:
                    uses[needed] -= 1
                    if not uses[needed]:
                        del values[needed]
            for future in concurrent.futures.wait(running, return_when="FIRST_COMPLETED").done:
                key = running.pop(future)
                value = values[key] = future.result()
                monitor.task_finished(key, 0, 0.0, 0.0, 0, value)
                for user in dependents[key]:
                    missing[user] -= 1
                    if not missing[user]:
                        ready.append(user)
        return [values[key] for key in outputs]
    finally:
        for future in running:
            future.cancel()
