"""What a worker's own process does when it is asked: runs functions, keeps plugins and files, tells of itself."""

import asyncio
import functools
import hashlib
import importlib
import inspect
import json
import logging
import os
import pickle
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from raskr import config
from raskr._pickling import ExceptionInParts
from raskr.distributed import _actors, _worker_child, _worker_lines
from raskr.distributed._conversation import pack
from raskr.distributed._worker_logs import LOGS
from raskr.distributed.worker import ForwardingHandler, Worker, called_on, worker_of

__all__ = ["children", "end", "handle", "in_child"]

logger = logging.getLogger("raskr.distributed.plugins")

#: What `Client.run` does within this time, and says in as many bytes, later children do too before their first task.
_QUICK_SECONDS = 1.0
_LASTING_BYTES = 1 << 20

children = _worker_lines.children


def handle(question: str, buffers: list[bytes], worker: str) -> tuple[str, list[bytes]]:
    """Answer a question that was passed on by the scheduler.

    Parameters
    ----------
    question : str
        JSON with the name of the operation, `op`.
    buffers : list of bytes
        Pickles that belong to it.
    worker : str
        JSON about the worker that is asked.

    Returns
    -------
    tuple of (str, list of bytes)
        JSON that says whether it went well, and a pickle of the result or of the exception.
    """
    asked = json.loads(question)
    this = worker_of(json.loads(worker))
    operation = asked.pop("op")
    try:
        with called_on(this):
            answer = _operation(operation)(this, *buffers, **asked)
            return json.dumps({"status": "OK"}), [pack(answer)]
    except BaseException as error:
        return json.dumps({"status": "error"}), [packed_error(error)]


def packed_error(error: BaseException) -> bytes:
    """An exception as bytes, with the text of its traceback; what can't be pickled becomes a likeness."""
    text = "".join(traceback.format_exception(error))
    try:
        data = pack((error, text))
        pickle.loads(data)
        return data
    except Exception:
        return pack((ExceptionInParts(error), text))


_OPERATIONS: dict[str, Callable] = {}


def _answers(function: Callable) -> Callable:
    _OPERATIONS[function.__name__.lstrip("_")] = function
    return function


def _operation(name: str) -> Callable:
    if name not in _OPERATIONS:
        raise ValueError(f"a worker is asked {name!r}, but knows {', '.join(sorted(_OPERATIONS))} only")
    return _OPERATIONS[name]


@_answers
def _run(worker: Worker, data: bytes, wait: bool = True, is_coro: bool | None = None) -> Any:
    function, args, kwargs = pickle.loads(data)
    begun = time.monotonic()
    result = call(worker, function, args, kwargs, wait)
    # Tasks run in children, and are to find what was set up; later children too, where it is quickly done.
    lasting = time.monotonic() - begun < _QUICK_SECONDS and len(data) <= _LASTING_BYTES
    name = "run_with_worker" if _wants(function, "dask_worker") else "run"
    _worker_lines.tell(name, data, f"run {hashlib.sha256(data).hexdigest()}" if lasting else None)
    return result


def call(worker: Worker, function: Callable, args: tuple, kwargs: dict, wait: bool = True) -> Any:
    """Call a function of a user, with the worker as `dask_worker` where it wants that."""
    if _wants(function, "dask_worker"):
        kwargs = {**kwargs, "dask_worker": worker}
    result = function(*args, **kwargs)
    if not inspect.isawaitable(result):
        return result
    if wait:
        return asyncio.run(_worker_child.awaited(result))
    threading.Thread(target=lambda: asyncio.run(_worker_child.awaited(result)), name="raskr-run", daemon=True).start()
    return None


def _wants(function: Callable, name: str) -> bool:
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


# Plugins, files, environment: what children are told too, now and when they start.


def in_child(name: str, data: bytes) -> Any:
    """Do in a child what its worker's process did."""
    worker = worker_of(_worker_child.about_worker() or {})
    with called_on(worker):
        return _IN_CHILDREN[name](worker, *pickle.loads(data))


def _everywhere(worker: Worker, name: str, *args: Any, lasting: str | None = None) -> None:
    """Do something here, then in the children; `lasting` names what later children are to do as well."""
    _IN_CHILDREN[name](worker, *args)
    _worker_lines.tell(name, pickle.dumps(args), lasting)


def _set_up(worker: Worker, name: str, data: bytes) -> None:
    plugin = pickle.loads(data)
    before = worker.plugins.pop(name, None)
    if before is not None:
        _finish(worker, before)
    # Registered before it is set up, as a plugin may look for itself.
    worker.plugins[name] = plugin
    try:
        _call_plugin(plugin, "setup", worker)
    except Exception:
        worker.plugins.pop(name, None)
        raise


def _tear_down(worker: Worker, name: str) -> None:
    plugin = worker.plugins.pop(name, None)
    if plugin is not None:
        _finish(worker, plugin)


def end(worker: Worker) -> None:
    """Tear down all plugins of a worker that closes."""
    while worker.plugins:
        _, plugin = worker.plugins.popitem()
        try:
            _finish(worker, plugin)
        except Exception:
            logger.exception("the teardown of the plugin %r failed", plugin)


def _finish(worker: Worker, plugin: Any) -> None:
    _call_plugin(plugin, "teardown", worker)


def _call_plugin(plugin: Any, name: str, worker: Worker) -> None:
    method = getattr(plugin, name, None)
    if method is not None:
        result = method(worker)
        if inspect.isawaitable(result):
            asyncio.run(_worker_child.awaited(result))


def keep_file(worker: Worker, filename: str, data: bytes) -> None:
    """Put a file into a worker's folder; it appears there as a whole."""
    if os.path.basename(filename) != filename:
        raise ValueError(f"a file to upload has a plain name, got {filename!r}")
    place = os.path.join(worker.local_directory, filename)
    try:
        with open(place, "rb") as file:
            if file.read() == data:
                return
    except FileNotFoundError:
        os.makedirs(worker.local_directory, exist_ok=True)
    beside = f"{place}.{os.getpid()}-{threading.get_ident()}"
    with open(beside, "wb") as file:
        file.write(data)
    os.replace(beside, place)


def load_file(worker: Worker, filename: str, load: bool) -> None:
    """Have a file of a worker's folder be found by imports, and import it, anew where that was done before."""
    folder = worker.local_directory
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    path = os.path.join(folder, filename)
    stem, kind = os.path.splitext(filename)
    if kind in (".egg", ".zip", ".pyz") and path not in sys.path:
        sys.path.insert(0, path)
    if not load or kind not in (".py", ".pyc", ".egg", ".zip", ".pyz"):
        return
    if kind in (".egg", ".zip", ".pyz"):
        _reload(name.split(".")[0] for name in _modules_in(path))
    else:
        _reload([stem])


def _modules_in(path: str) -> list[str]:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        names = {entry.split("/")[0] for entry in archive.namelist() if entry.endswith(".py")}
    return [name.removesuffix(".py") for name in sorted(names) if name not in ("setup.py", "EGG-INFO")]


def _reload(names: Any) -> None:
    for name in dict.fromkeys(names):
        loaded = sys.modules.get(name)
        if loaded is None:
            importlib.import_module(name)
        else:
            importlib.reload(loaded)


def _forward(worker: Worker, name: str | None, topic: str, level: Any) -> None:
    _forward_no_more(worker, name)
    logging.getLogger(name).addHandler(ForwardingHandler(topic, worker, level))


def _forward_no_more(worker: Worker, name: str | None) -> None:
    target = logging.getLogger(name)
    for handler in list(target.handlers):
        if isinstance(handler, ForwardingHandler) and handler.worker is worker:
            target.removeHandler(handler)


def _preload(worker: Worker, modules: list[str], argv: list) -> None:
    from raskr.distributed.deploy.preloading import Preloads

    Preloads(modules, argv).set_up(worker)


_IN_CHILDREN: dict[str, Callable] = {
    "preload": _preload,
    "set_up": _set_up,
    "tear_down": _tear_down,
    "forward": _forward,
    "forward_no_more": _forward_no_more,
    "run_with_worker": call,
}


@_answers
def _plugin_add(worker: Worker, data: bytes, name: str, idempotent: bool = False) -> None:
    if idempotent and name in worker.plugins:
        return
    if getattr(pickle.loads(data), "in_children", True):
        _everywhere(worker, "set_up", name, data, lasting=f"plugin {name}")
    else:
        _set_up(worker, name, data)


@_answers
def _plugin_remove(worker: Worker, name: str) -> None:
    if name not in worker.plugins:
        raise ValueError(f"the worker {worker.address} has no plugin {name!r}; it has {sorted(worker.plugins)}")
    _worker_lines.forget(f"plugin {name}")
    _everywhere(worker, "tear_down", name)


@_answers
def _forward_logging(worker: Worker, name: str | None, topic: str, level: Any) -> None:
    _everywhere(worker, "forward", name, topic, level, lasting=f"logger {name}")


@_answers
def _unforward_logging(worker: Worker, name: str | None) -> None:
    _worker_lines.forget(f"logger {name}")
    _everywhere(worker, "forward_no_more", name)


# What a worker tells of itself.


@_answers
def _versions(worker: Worker, packages: list[str] | None = None) -> dict[str, Any]:
    from raskr.distributed.versions import get_versions

    return get_versions(packages)


@_answers
def _logs(worker: Worker, n: int | None = None) -> list[tuple[str, str]]:
    return LOGS.newest(n)


def _thread_stacks() -> dict[str, list]:
    """What tasks on threads of this process do, by the threads' numbers."""
    own = _worker_child.started_by_python()
    found = {}
    for ident, frame in _worker_child.frames_now().items():
        stack = _worker_child.stack_of(frame)
        # Threads that answer questions are no tasks.
        if ident not in own and ident != threading.main_thread().ident and stack[0][0] != __file__:
            found[f"thread {ident}"] = stack
    return found


@_answers
def _call_stack(worker: Worker) -> dict[str, list]:
    stacks = _thread_stacks()
    for pid, found in _worker_lines.ask_all("stacks").items():
        # Several tasks run in a child where some wait for others.
        for number, stack in enumerate(found.values()):
            stacks[f"process {pid}, task {number + 1}" if number else f"process {pid}"] = stack
    return stacks


def _living() -> list[str]:
    """The addresses of the workers of this process that are there."""
    from raskr.distributed.core import Status
    from raskr.distributed.deploy import worker_process

    workers = list(worker_process._workers.items())
    gone = (Status.closed, Status.failed)
    return sorted(address for address, worker in workers if getattr(worker, "status", None) not in gone)


@functools.cache
def _sampler() -> _worker_child.Sampler | None:
    def stacks() -> list | None:
        # Nothing needs to be seen where no worker is left.
        return list(_thread_stacks().values()) if _living() else None

    interval = _worker_lines.profile_interval()
    return _worker_child.Sampler(stacks, interval) if interval else None


def watch_threads() -> None:
    """See what tasks on threads of this process do, for profiles."""
    sampler = _sampler()
    if sampler is not None:
        sampler.start()


@_answers
def _profile(worker: Worker, start: float | None = None, stop: float | None = None) -> dict[tuple, int]:
    sampler = _sampler()
    # Of several workers in one process one speaks for all: whose thread it is can't be told.
    speaks = worker.address == min(_living(), default=worker.address)
    total = sampler.counts(start, stop) if sampler is not None and speaks else {}
    for counts in _worker_lines.ask_all("profile", pickle.dumps((start, stop))).values():
        for stack, count in counts.items():
            total[stack] = total.get(stack, 0) + count
    return total


@_answers
def _about(worker: Worker) -> dict[str, Any]:
    """What a dump of the cluster's state tells of a worker."""
    return {
        "address": worker.address,
        "name": worker.name,
        "pid": os.getpid(),
        "nthreads": worker.nthreads,
        "memory_limit": worker.memory_limit,
        "local_directory": worker.local_directory,
        "status": worker.status,
        "plugins": sorted(worker.plugins),
        "children": sorted(_worker_lines.pids()),
        "actors": _actors.keys(),
        "logs": LOGS.newest(None),
        "config": config.config,
        "python": platform.python_version(),
    }


@_answers
def _actor(worker: Worker, data: bytes, key: str, caller: str, number: int) -> Any:
    return _actors.call(key, caller, number, data)


@_answers
def _restart(worker: Worker) -> None:
    from raskr.distributed.deploy.worker_process import restart

    restart(worker.address)


@_answers
def _benchmark(worker: Worker, data: bytes, filler: bytes | None = None) -> Any:
    from raskr.distributed import _benchmarks

    # That the filler came is what the client measures.
    return None if filler is not None else _benchmarks.on_worker(worker, *pickle.loads(data))
