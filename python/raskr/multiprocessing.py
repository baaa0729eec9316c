"""The scheduler of processes: tasks run in freshly started Python processes."""

import concurrent.futures
import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle

from raskr import config
from raskr._bridge import core
from raskr.graph import plain
from raskr.local import get_async, pool_size
from raskr.system import CPU_COUNT

__all__ = ["get", "get_context"]


def get_context() -> Any:
    """How processes are started: the setting `multiprocessing.context`, `spawn` by default."""
    return multiprocessing.get_context(config.get("multiprocessing.context", "spawn"))


def _dumps(obj: Any) -> bytes:
    return cloudpickle.dumps(obj, protocol=pickle.HIGHEST_PROTOCOL)


def _loads(data: bytes) -> Any:
    return pickle.loads(data)


class _Packed:
    """A task and its arguments, pickled so that functions of `__main__` and closures can travel."""

    def __init__(self, task: Callable, *args: Any) -> None:
        self.data = _dumps((task, args))

    def __call__(self) -> bytes:
        task, args = pickle.loads(self.data)
        return _dumps(task(*args))


def get(
    dsk: Any,
    keys: Any,
    num_workers: int | None = None,
    pool: Any = None,
    initializer: Callable | None = None,
    mp_context: Any = None,
    **kwargs: Any,
) -> Any:
    """The values of keys of a graph, computed by processes.

    Parameters
    ----------
    dsk : mapping
        Tasks by key; functions and arguments are pickled. Operations of arrays run on threads of this process.
    keys : key, or nested list of keys
        What is wanted.
    num_workers : int, optional
        How many processes; the setting `num_workers`, or one a processor, by default.
    pool : executor, optional
        An executor to use.
    initializer : callable, optional
        Called in every process before its first task; the setting `multiprocessing.initializer` by default.
    mp_context : context, optional
        How processes are started; see `multiprocessing.get_context`.

    Examples
    --------
    >>> from raskr.multiprocessing import get
    >>> get({"x": -1, "y": (abs, "x")}, "y")  # doctest: +SKIP
    1
    """
    pool = pool or config.get("pool", None)
    num_workers = config.checked("num_workers", num_workers)
    if isinstance(pool, concurrent.futures.Executor):
        return _on(pool, num_workers or pool_size(pool) or 1, dsk, keys, **kwargs)
    workers = num_workers or pool_size(pool) or CPU_COUNT
    initializer = initializer or config.get("multiprocessing.initializer", None)
    with concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=mp_context or get_context(), initializer=initializer
    ) as executor:
        return _on(executor, workers, dsk, keys, **kwargs)


def _on(executor: concurrent.futures.Executor, workers: int, dsk: Any, keys: Any, **kwargs: Any) -> Any:
    def submit(packed: _Packed) -> concurrent.futures.Future:
        future = executor.submit(packed)
        unpacked: concurrent.futures.Future = concurrent.futures.Future()

        def done(future: concurrent.futures.Future) -> None:
            if future.cancelled():
                unpacked.cancel()
                return
            error = future.exception()
            if error is not None:
                unpacked.set_exception(error)
            else:
                unpacked.set_result(pickle.loads(future.result()))

        future.add_done_callback(done)
        return unpacked

    return get_async(submit, workers, dsk, keys, wrap=_Packed, here=_keys_that_stay(dsk), **kwargs)


def _keys_that_stay(dsk: Any) -> set[str]:
    """The keys, as text, of operations of arrays: they run on threads, without their data travelling."""
    return {
        str(key)
        for key, task in plain(dsk).items()
        if type(task) is tuple and task and isinstance(task[0], core.Task) and not task[0].movable
    }
