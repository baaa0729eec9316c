"""The worker's side of actors: objects that live in a worker's own process, and calls of their methods."""

import asyncio
import functools
import inspect
import pickle
import threading
from typing import Any

from raskr.distributed import _worker_child
from raskr.distributed._conversation import current_client
from raskr.distributed._worker_child import ask_worker
from raskr.distributed.exceptions import TaskInterrupted

__all__ = ["call", "create", "drop", "keys", "look", "make"]

_TURN_SECONDS = 60.0
_LOOK_SECONDS = 5.0
# States of a key whose value is there, or will be.
_WANTED = ("memory", "processing", "queued", "waiting", "no-worker")


class Resident:
    """An object that lives here. Calls of its methods run one after another, those of a caller in their order."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance
        self._turn = threading.Condition()
        self._next: dict[str, int] = {}
        self._running = threading.Lock()

    def call(self, caller: str, number: int, name: str, args: tuple, kwargs: dict) -> Any:
        """Call a method when it is its turn; an attribute that can't be called gives its value."""
        with self._turn:
            # A call whose predecessor was lost on the way does not wait for it for ever.
            self._turn.wait_for(lambda: self._next.get(caller, 0) >= number, _TURN_SECONDS)
            self._running.acquire()
            self._next[caller] = max(self._next.get(caller, 0), number + 1)
            self._turn.notify_all()
        try:
            result = self._do(name, args, kwargs)
        finally:
            self._running.release()
        # What a coroutine waits for may be another call.
        return _finish(result) if inspect.isawaitable(result) else result

    def _do(self, name: str, args: tuple, kwargs: dict) -> Any:
        found = getattr(self.instance, name)
        return found(*args, **kwargs) if callable(found) else found


_residents: dict[str, Resident] = {}


_starting = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of all actors' coroutines, which wait for each other: there is one only."""
    with _starting:
        return _new_loop()


@functools.cache
def _new_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="raskr-actors", daemon=True).start()
    return loop


def _finish(result: Any) -> Any:
    async def awaited() -> Any:
        try:
            return await result
        except (SystemExit, KeyboardInterrupt) as error:
            # An event loop ends with these, and all other actors live on this one.
            raise TaskInterrupted(error) from error

    return asyncio.run_coroutine_threadsafe(awaited(), _loop()).result()


def make(key: str, data: bytes) -> None:
    """Make an actor in the process of the worker that runs the task which calls this."""
    if _worker_child.about_worker() is None:
        create(key, data)
    else:
        ask_worker("actor_create", pickle.dumps((key, data)))


def create(key: str, data: bytes) -> None:
    """Make an actor in this process."""
    kind, args, kwargs = pickle.loads(data)
    _residents[key] = Resident(kind(*args, **kwargs))
    _watch_keys()


_watching = threading.Lock()
_watcher: threading.Thread | None = None


def _watch_keys() -> None:
    """From now on actors end when nobody has their futures any more."""
    global _watcher
    with _watching:
        if _watcher is None or not _watcher.is_alive():
            _watcher = threading.Thread(target=_drop_unwanted, name="raskr-actors", daemon=True)
            _watcher.start()


def _drop_unwanted() -> None:
    pause = threading.Event()
    while not pause.wait(_LOOK_SECONDS):
        look()


def look() -> None:
    """End the actors that the scheduler does not know as values that somebody wants."""
    # What came meanwhile may not be known to the scheduler as a value yet.
    held = keys()
    try:
        states, _ = current_client()._ask({"op": "task_states", "keys": held}, timeout=_LOOK_SECONDS)
    except Exception:
        # The scheduler is not reached now: it says later who is wanted.
        return
    for key in held:
        if states.get(key) not in _WANTED:
            drop(key)


def drop(key: str) -> None:
    """End an actor."""
    _residents.pop(key, None)


def keys() -> list[str]:
    """The actors of this process."""
    return sorted(_residents)


def call(key: str, caller: str, number: int, data: bytes) -> Any:
    """Call a method of an actor of this process."""
    resident = _residents.get(key)
    if resident is None:
        raise ValueError(f"the actor {key!r} lives here no more: its worker began anew, or it was released")
    return resident.call(caller, number, *pickle.loads(data))
