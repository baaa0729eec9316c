"""What a client can show of the scheduler, which runs no Python: a view to look at, and plugins that are told of changes."""

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from raskr.distributed._conversation import Question, Steps

__all__ = ["SchedulerView", "call", "look", "register", "unregister"]

logger = logging.getLogger("raskr.distributed.plugins")
_PAUSE_SECONDS = 0.5


class SchedulerView:
    """The scheduler as it was when it was looked at.

    Attributes
    ----------
    address, id : str
        Where it listens, and who it is.
    workers : dict
        By address, objects with ``address``, ``name``, ``nthreads``, ``memory_limit``, ``status``, ``resources``,
        ``processing`` and ``has_what``.
    tasks : dict
        By key, objects with ``key``, ``state``, ``nbytes``, ``who_has`` and ``processing_on``.
    """

    def __init__(self, identity: dict[str, Any], tasks: dict[str, Any], workers: dict[str, Any]) -> None:
        self.address: str = identity["address"]
        self.id: str = identity["id"]
        self.services: dict[str, Any] = identity["services"]
        self.identity_info = identity
        self.tasks, self.workers = tasks, workers

    @property
    def total_nthreads(self) -> int:
        """Threads of all workers together."""
        return sum(worker.nthreads for worker in self.workers.values())

    def identity(self) -> dict[str, Any]:
        """What `Client.scheduler_info` gives."""
        return self.identity_info

    def __repr__(self) -> str:
        return f"<Scheduler {self.address!r}, workers: {len(self.workers)}, tasks: {len(self.tasks)}>"


def look(client: Any) -> Steps:
    """Ask for what a view shows."""
    state, _ = yield Question({"op": "state"})
    identity = state["scheduler"]
    held: dict[str, set] = {address: set() for address in identity["workers"]}
    processing: dict[str, set] = {address: set() for address in identity["workers"]}
    tasks = {}
    for key, told in state["tasks"].items():
        tasks[key] = SimpleNamespace(key=key, **{**told, "who_has": set(told["who_has"])})
        for address in told["who_has"]:
            held[address].add(key)
        if told["processing_on"] is not None:
            processing[told["processing_on"]].add(key)
    workers = {}
    for address, told in identity["workers"].items():
        own = {"address": address, "processing": processing[address], "has_what": held[address]}
        workers[address] = SimpleNamespace(**{**told, **own})
    return SchedulerView(identity, tasks, workers)


def call(view: SchedulerView, function: Callable, args: tuple, kwargs: dict, wait: bool) -> Any:
    """Call a function with the view as `dask_scheduler` where it wants that."""
    try:
        wanted = "dask_scheduler" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        wanted = False
    if wanted:
        kwargs = {**kwargs, "dask_scheduler": view}
    result = function(*args, **kwargs)
    if not inspect.isawaitable(result):
        return result
    if wait:
        return _finish(result)
    threading.Thread(target=_finish, args=(result,), name="raskr-run", daemon=True).start()
    return None


def _finish(result: Any) -> Any:
    """What comes of something awaitable; on a thread of its own, as this one may have an event loop that runs."""
    found: list = []

    async def awaited() -> Any:
        return await result

    def run() -> None:
        try:
            found.append((asyncio.run(awaited()), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=run, name="raskr-run", daemon=True)
    thread.start()
    thread.join()
    value, error = found[0]
    if error is not None:
        raise error
    return value


class Companion:
    """Tells a client's plugins of the scheduler what changes there, which it asks for twice a second."""

    def __init__(self, client: Any, identity: dict[str, Any]) -> None:
        self._client = client
        self._end = threading.Event()
        self._lock = threading.RLock()
        self._workers = set(identity["workers"])
        self._seen: set[tuple] = set()
        self._since = 0.0
        self.view = SchedulerView(identity, {}, {})
        self.plugins: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._watch, name="raskr-plugins", daemon=True)

    def add(self, name: str, plugin: Any) -> None:
        """Begin to tell a plugin."""
        with self._lock:
            before = self.plugins.pop(name, None)
            if before is not None:
                self._tell(before, "close")
            result = plugin.start(self.view)
            if inspect.isawaitable(result):
                _finish(result)
            self.plugins[name] = plugin
            for worker in sorted(self._workers):
                self._tell(plugin, "add_worker", self.view, worker)
        if not self._thread.is_alive():
            self._thread.start()

    def remove(self, name: str) -> None:
        """Tell a plugin no more."""
        with self._lock:
            plugin = self.plugins.pop(name, None)
        if plugin is None:
            raise ValueError(f"there is no plugin {name!r} of the scheduler; this client has {sorted(self.plugins)}")
        self._tell(plugin, "close")

    def close(self) -> None:
        """End, and close all plugins."""
        self._end.set()
        with self._lock:
            plugins, self.plugins = list(self.plugins.values()), {}
        for plugin in plugins:
            self._tell(plugin, "before_close")
            self._tell(plugin, "close")

    def tell_all(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Call a method of all plugins; what one raises is logged."""
        with self._lock:
            plugins = list(self.plugins.values())
        for plugin in plugins:
            self._tell(plugin, name, *args, **kwargs)

    def _tell(self, plugin: Any, name: str, *args: Any, **kwargs: Any) -> None:
        method = getattr(plugin, name, None)
        if method is None:
            return
        try:
            result = method(*args, **kwargs)
            if inspect.isawaitable(result):
                _finish(result)
        except Exception:
            logger.exception("%s of the plugin %r failed", name, plugin)

    def _watch(self) -> None:
        while not self._end.wait(_PAUSE_SECONDS):
            try:
                identity, _ = self._client._ask({"op": "identity"})
                ran, _ = self._client._ask({"op": "task_stream", "since": self._since, "count": None})
            except Exception:
                # The client is closed, or the scheduler is gone.
                return
            self._look(identity, ran)

    def _look(self, identity: dict[str, Any], ran: list[dict[str, Any]]) -> None:
        workers = set(identity["workers"])
        with self._lock:
            came, went = workers - self._workers, self._workers - workers
            self._workers = workers
            self.view = SchedulerView(identity, {}, {})
        for worker in sorted(came):
            self.tell_all("add_worker", self.view, worker)
        for worker in sorted(went):
            self.tell_all("remove_worker", self.view, worker, stimulus_id="worker-left")
        seen = {(task["key"], task["stop"], task["worker"]) for task in ran}
        for task in ran:
            if (task["key"], task["stop"], task["worker"]) in self._seen:
                continue
            self._since = max(self._since, task["stop"])
            finish = "memory" if task["status"] == "OK" else "erred"
            told = {name: task[name] for name in ("worker", "nbytes", "start", "stop") if name in task}
            told.pop("start", None)
            self.tell_all("transition", task["key"], "processing", finish, stimulus_id="task-ended", **told)
        self._seen = seen


def register(client: Any, plugin: Any, name: str, idempotent: bool) -> Steps:
    """Have a plugin of the scheduler be told, in this process."""
    companion = client.__dict__.get("_companion")
    if companion is None:
        identity, _ = yield Question({"op": "identity"})
        companion = client.__dict__.setdefault("_companion", Companion(client, identity))
    if not (idempotent and name in companion.plugins):
        companion.add(name, plugin)


def unregister(client: Any, name: str) -> Steps:
    """Close a plugin of the scheduler."""
    companion = client.__dict__.get("_companion")
    if companion is None:
        raise ValueError(f"there is no plugin {name!r} of the scheduler: this client registered none")
    companion.remove(name)
    return
    yield
