"""Running on this process: the engine, entered with nodes or with raw graphs, and schedulers over executors."""

import concurrent.futures
import functools
import math
import sys
from collections import deque
from collections.abc import Callable, Container, Sequence
from multiprocessing.pool import Pool, ThreadPool
from typing import Any

from raskr import config
from raskr._bridge import core
from raskr.callbacks import Monitor, local_callbacks
from raskr.graph import block_nodes, nest, nodes_and_names, wanted_keys
from raskr.system import CPU_COUNT

__all__ = ["get_async", "get_sync", "run_nodes"]


_default_memory_limit = functools.cache(core.default_memory_limit)


def _memory_limit() -> int | None:
    limit = config.checked("memory-limit")
    return _default_memory_limit() if limit is None else limit


def _workers(num_workers: Any, pool: Any) -> int | None:
    if pool is not None:
        return pool if isinstance(pool, int) else pool_size(pool)
    return config.checked("num_workers", num_workers)


def tasks_at_a_time(chunksize: int | None) -> int | None:
    """How many tasks go to a worker together at most, by an argument or the setting `chunksize`; None where nothing says.

    The ready tasks are always divided evenly among the workers; -1 asks for nothing else.
    """
    size = config.checked("chunksize", chunksize)
    if size is None or size >= 1:
        return size
    if size == -1:
        return sys.maxsize
    raise ValueError(f"chunksize must be a positive int, or -1 for an even share of what is ready, got {size!r}")


def executor_of(pool: Any) -> concurrent.futures.Executor | None:
    """A pool of the user's own as an executor; None for what is no pool, such as a number."""
    if isinstance(pool, concurrent.futures.Executor):
        return pool
    return MultiprocessingPoolExecutor(pool) if isinstance(pool, Pool) else None


def is_only_threads(executor: concurrent.futures.Executor) -> bool:
    """Is this a pool of plain threads, for which as many of raskr's own can stand?"""
    if isinstance(executor, MultiprocessingPoolExecutor):
        return type(executor.pool) is ThreadPool and not executor.pool._initializer
    return type(executor) is concurrent.futures.ThreadPoolExecutor and not executor._initializer


def pool_size(pool: Any) -> int | None:
    """How many workers an executor or a multiprocessing pool has."""
    size = getattr(pool, "_max_workers", None) or getattr(pool, "_processes", None)
    return size if isinstance(size, int) else None


def worker_count(executor: concurrent.futures.Executor, num_workers: Any = None) -> int:
    """How many tasks an executor is handed at a time."""
    if num_workers is None:
        return pool_size(executor) or config.checked("num_workers") or CPU_COUNT
    return config.checked("num_workers", num_workers)


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
    chunksize: int | None = None,
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
        Bytes that values, running tasks and, up to a quarter of them, the program itself may take; the setting
        `memory-limit` by default.
    initializer : callable, optional
        Called in each process before its first task.
    mp_context : context, optional
        How processes are started.
    chunksize : int, optional
        How many tasks are sent to a process at a time.
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
        options["chunksize"] = tasks_at_a_time(chunksize)
    if scheduler != "sync":
        options["num_workers"] = _workers(num_workers, pool if pool is not None else config.get("pool", None))
    with local_callbacks(callbacks) as active:
        if not active:
            return core.run(items, **options)
        graph, outputs = core.graph_of(block_nodes(items))
        monitor = Monitor(active, graph, outputs, names or {})
        with monitor.running(outputs) as changed:
            if changed is not None:
                items = _on_nodes(items, changed)
            return core.run(items, monitor=monitor, **options)


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


def _get(dsk: Any, keys: Any, scheduler: str, **kwargs: Any) -> Any:
    wanted = wanted_keys(keys)
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


class MultiprocessingPoolExecutor(concurrent.futures.Executor):
    """A `multiprocessing.Pool` as an executor.

    Parameters
    ----------
    pool : multiprocessing.Pool
        The pool. It stays the caller's to close.

    Examples
    --------
    >>> from multiprocessing.pool import ThreadPool
    >>> from raskr.local import MultiprocessingPoolExecutor
    >>> with ThreadPool(2) as pool:
    ...     MultiprocessingPoolExecutor(pool).submit(abs, -1).result()
    1
    """

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self._max_workers = pool_size(pool)

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> concurrent.futures.Future:
        """Have the pool call a function."""
        future: concurrent.futures.Future = concurrent.futures.Future()
        self.pool.apply_async(fn, args, kwargs, future.set_result, future.set_exception)
        return future


def get_async(
    submit: Callable,
    num_workers: int | None,
    dsk: Any,
    keys: Any,
    callbacks: Any = None,
    wrap: Callable | None = None,
    here: Container[str] = (),
    chunksize: int | None = None,
    **kwargs: Any,
) -> Any:
    """The values of keys of a graph, computed by tasks that are handed to an executor.

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
    chunksize : int, optional
        How many tasks are handed over together, 1 by default; -1 divides those that are ready evenly.
    """
    together = tasks_at_a_time(chunksize) or 1
    wanted = wanted_keys(keys)
    nodes, names = nodes_and_names(dsk, wanted)
    graph, outputs = core.graph_of(nodes)
    with local_callbacks(callbacks) as active:
        monitor = Monitor(active, graph, outputs, names)
        with monitor.running(outputs) as changed:
            if changed is not None:
                graph, outputs = core.graph_of(changed)
            with concurrent.futures.ThreadPoolExecutor(num_workers or 1) as threads:

                def start(calls: dict[str, Callable]) -> concurrent.futures.Future:
                    if here and next(iter(calls)) in here:
                        return threads.submit(_call_all, [*calls.values()])
                    return submit((wrap or functools.partial)(_call_all, [*calls.values()]))

                values = _handed_over(start, num_workers or 1, together, graph, outputs, monitor, here)
    return nest(keys, dict(zip(wanted, values)))


def _call_all(calls: Sequence[Callable]) -> list:
    return [call() for call in calls]


def _handed_over(
    start: Callable,
    num_workers: int,
    together: int,
    graph: dict,
    outputs: list,
    monitor: Monitor,
    here: Container[str],
) -> list:
    """The values of outputs, after `start({key: call})` for what is ready; tasks that stay here come alone."""
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
    running: dict[concurrent.futures.Future, list[str]] = {}
    monitor.run_started(list(graph), [])
    try:
        while ready or running:
            while ready and len(running) < num_workers:
                share = min(together, -(len(ready) // (len(running) - num_workers)))
                calls: dict[str, Callable] = {}
                while ready and len(calls) < share and not (calls and ready[0] in here):
                    key = ready.popleft()
                    task, *inputs = graph[key]
                    monitor.task_started(key, 0, 0.0)
                    calls[key] = functools.partial(task, *(values[needed] for needed in inputs))
                    for needed in inputs:
                        uses[needed] -= 1
                        if not uses[needed]:
                            del values[needed]
                    if key in here:
                        break
                running[start(calls)] = list(calls)
            for future in concurrent.futures.wait(running, return_when="FIRST_COMPLETED").done:
                for key, value in zip(running.pop(future), future.result()):
                    values[key] = value
                    monitor.task_finished(key, 0, 0.0, 0.0, 0, value)
                    for user in dependents[key]:
                        missing[user] -= 1
                        if not missing[user]:
                            ready.append(user)
        return [values[key] for key in outputs]
    finally:
        for future in running:
            future.cancel()
