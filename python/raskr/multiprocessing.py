"""The scheduler of processes: Python calls run in child processes that are kept warm between computes."""

import atexit
import concurrent.futures
import functools
import hashlib
import multiprocessing
import multiprocessing.spawn
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from typing import Any

import cloudpickle

from raskr import config
from raskr._bridge import core
from raskr.compat import imports
from raskr.graph import plain
from raskr.local import MultiprocessingPoolExecutor, _get, executor_of, get_async, worker_count

__all__ = ["close", "get", "get_context"]


def get_context() -> Any:
    """The context of `multiprocessing` that the setting `multiprocessing.context` names, `spawn` by default.

    It is checked and given to who asks; raskr's own processes are always started afresh, as by `spawn`.

    Examples
    --------
    >>> import raskr
    >>> with raskr.config.set({"multiprocessing.context": "forkserver"}):
    ...     raskr.multiprocessing.get_context().get_start_method()
    'forkserver'
    """
    return _context(config.checked("multiprocessing.context") or "spawn")


def _context(context: Any) -> Any:
    if not isinstance(context, str):
        if hasattr(context, "get_start_method"):
            return context
        raise TypeError(f"expected the name of a context of multiprocessing, or a context, got {context!r}")
    known = multiprocessing.get_all_start_methods()
    if context not in known:
        raise ValueError(f"cannot find context for {context!r}: multiprocessing has {', '.join(known)} on this system")
    return multiprocessing.get_context(context)


_dumps = functools.partial(cloudpickle.dumps, protocol=pickle.HIGHEST_PROTOCOL)
_loads = pickle.loads


class _Packed:
    """A task and its arguments, pickled so that functions of `__main__` and closures can travel."""

    def __init__(self, task: Callable, *args: Any) -> None:
        self.data = _dumps((task, args))

    def __call__(self) -> bytes:
        task, args = _loads(self.data)
        return _dumps(task(*args))


def get(
    dsk: Any,
    keys: Any,
    num_workers: int | None = None,
    pool: Any = None,
    initializer: Callable | None = None,
    mp_context: Any = None,
    chunksize: int | None = None,
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
    pool : executor or multiprocessing pool, optional
        Who runs the tasks in place of raskr's own processes; the setting `pool` by default.
    initializer : callable, optional
        Called in every process before its first task; the setting `multiprocessing.initializer` by default. Executors
        have their own.
    mp_context : str or context, optional
        A context of `multiprocessing`. It must exist; processes are started afresh by all of them.
    chunksize : int, optional
        The most tasks that are sent to a process together; the setting `chunksize` by default. -1 divides the tasks that
        are ready evenly. Where nothing says, tasks are sent together that take some milliseconds, as far as they were
        measured.

    Examples
    --------
    >>> from raskr.multiprocessing import get
    >>> get({"x": -1, "y": (abs, "x")}, "y")  # doctest: +SKIP
    1
    """
    pool = config.get("pool", None) if pool is None else pool
    executor = executor_of(pool)
    if executor is not None:
        if initializer is not None:
            warnings.warn(
                "initializer is for raskr's own processes: give it to the pool when that is made",
                UserWarning,
                stacklevel=2,
            )
        return _get_packed(executor, dsk, keys, num_workers=num_workers, chunksize=chunksize, **kwargs)
    return _get(
        dsk,
        keys,
        "processes",
        num_workers=num_workers,
        pool=pool,
        initializer=initializer,
        mp_context=mp_context,
        chunksize=chunksize,
        **kwargs,
    )


def close() -> None:
    """End the processes that wait for work, and the threads.

    Later computes start new ones. Nothing needs to be closed before the interpreter ends.

    Examples
    --------
    >>> import raskr
    >>> raskr.multiprocessing.close()
    """
    core.close_children()


def in_child() -> bool:
    """Whether this process is a child: what it computes, it computes by itself."""
    return "RASKR_CHILD" in os.environ


# Modules are loaded by themselves: a child that runs plain functions needs neither raskr's package nor NumPy.
_BOOT = """
import signal, sys, importlib.util as u
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
for name, file in zip(sys.argv[1::2], sys.argv[2::2]):
    s = u.spec_from_file_location(name, file)
    m = sys.modules[name] = u.module_from_spec(s)
    s.loader.exec_module(m)
    if name == "raskr.compat.imports":
        m.install()
m.child_main()
"""


@functools.cache
def _start(maps_imports: bool) -> tuple[str, list[str], list[tuple[str, str]]]:
    """The program of a child, its arguments, and what it finds in its environment beside the parent's."""
    modules = [imports.__name__, imports.__file__] if maps_imports else []
    variables = [("RASKR_CHILD", "1")]
    if os.environ.get("PYTHONHASHSEED", "random") == "random":
        # Text has the same hash in all children: users divide work by it.
        variables.append(("PYTHONHASHSEED", "1729"))
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    program = os.fsdecode(multiprocessing.spawn.get_executable() or sys.executable)
    return program, [*flags, "-c", _BOOT, *modules, core.__name__, core.__file__], variables


def children(initializer: Callable | None = None, mp_context: Any = None) -> tuple:
    """How children are started and set up, in the engine's terms.

    Parameters
    ----------
    initializer : callable, optional
        Called in every process before its first task; the setting `multiprocessing.initializer` by default.
    mp_context : str or context, optional
        Only checked: children are always started afresh, never forked.
    """
    if mp_context is None:
        get_context()
    else:
        _context(mp_context)
    program, arguments, variables = _start(imports.installed())
    initializer = initializer or config.get("multiprocessing.initializer", None)
    pickled = None if initializer is None else _dumps(initializer)
    purpose = 0 if pickled is None else int.from_bytes(hashlib.blake2b(pickled, digest_size=8).digest(), "little")
    setup = {"path": sys.path, "folder": os.getcwd(), "initializer": pickled, "settings": _settings()}
    return program, arguments, variables, pickle.dumps(setup), purpose


def plain_settings() -> dict:
    """The settings that another process can be given."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(name): plain(item) for name, item in value.items() if _is_plain(item)}
        return value

    return plain(config.config)


def _settings() -> str:
    """The settings that a child begins with, as text."""
    return config.serialize({**plain_settings(), "scheduler": "sync"})


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, list, dict))


# What a child is doing when its parent ends is of no use to anybody.
atexit.register(core.close_children)


def get_on_executor(
    executor: concurrent.futures.Executor, dsk: Any, keys: Any, num_workers: int | None = None, **kwargs: Any
) -> Any:
    """The values of keys of a graph, computed by an executor of the user's.

    Parameters
    ----------
    executor : executor
        Where it is known to have other processes, functions of `__main__`, lambdas and closures travel all the same.
    dsk : mapping
        Tasks by key.
    keys : key, or nested list of keys
        What is wanted.
    num_workers : int, optional
        How many tasks it gets at a time; as many as it has workers by default.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from raskr.multiprocessing import get_on_executor
    >>> with ThreadPoolExecutor(2) as executor:
    ...     get_on_executor(executor, {"x": -1, "y": (abs, "x")}, "y")
    1
    """
    own = isinstance(executor, concurrent.futures.ProcessPoolExecutor)
    pool = isinstance(executor, MultiprocessingPoolExecutor) and not isinstance(executor.pool, ThreadPool)
    if own or pool:
        return _get_packed(executor, dsk, keys, num_workers=num_workers, **kwargs)
    return get_async(executor.submit, worker_count(executor, num_workers), dsk, keys, **kwargs)


def _get_packed(
    executor: concurrent.futures.Executor, dsk: Any, keys: Any, num_workers: int | None = None, **kwargs: Any
) -> Any:
    def submit(packed: _Packed) -> concurrent.futures.Future:
        future = executor.submit(packed)
        unpacked: concurrent.futures.Future = concurrent.futures.Future()

        def done(future: concurrent.futures.Future) -> None:
            try:
                unpacked.set_result(_loads(future.result()))
            except BaseException as error:
                unpacked.set_exception(error)

        future.add_done_callback(done)
        return unpacked

    workers = worker_count(executor, num_workers)
    return get_async(submit, workers, dsk, keys, wrap=_Packed, here=_keys_that_stay(dsk), **kwargs)


def _keys_that_stay(dsk: Any) -> set[str]:
    """The keys, as text, of operations of arrays: they run on threads, without their data travelling."""
    return {
        str(key)
        for key, task in plain(dsk).items()
        if type(task) is tuple and task and isinstance(task[0], core.Task) and not task[0].movable
    }
