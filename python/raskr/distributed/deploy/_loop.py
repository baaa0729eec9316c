"""The event loop on which the clusters of this process keep their workers: on a thread of its own, so that a program that
computes, or an event loop of the program's own that is busy, does not hinder them."""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["at_exit", "call_in_thread", "loop", "on_loop", "start", "wait"]

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def loop() -> asyncio.AbstractEventLoop:
    """The loop; it is started when it is first asked for, and lasts as long as the process."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(_loop,), name="raskr-clusters", daemon=True).start()
        return _loop


def _run(new: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(new)
    new.run_forever()


def _forget() -> None:
    """A forked process has none of the threads."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def on_loop() -> bool:
    """Whether this is the loop's own thread."""
    try:
        return asyncio.get_running_loop() is _loop
    except RuntimeError:
        return False


def start(coroutine: Coroutine) -> concurrent.futures.Future:
    """Begin a coroutine on the loop."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop())


def wait(future: concurrent.futures.Future, timeout: float | None = None) -> Any:
    """What comes of it; when the wait is given up, by Ctrl-C or the time, it is too."""
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError as error:
        if future.done():
            raise
        future.cancel()
        # Before Python 3.11 it is another class.
        raise TimeoutError(f"not done within {timeout:g} s") from error
    except BaseException:
        future.cancel()
        raise


async def call_in_thread(function: Callable, *arguments: Any) -> Any:
    """What a function that blocks gives, on a thread of its own: a pool's threads could all be taken by calls that wait."""
    future: concurrent.futures.Future = concurrent.futures.Future()

    def call() -> None:
        try:
            result = function(*arguments)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()
    threading.Thread(target=call, name="raskr-call", daemon=True).start()
    return await asyncio.wrap_future(future)


def at_exit(function: Callable[[], None]) -> None:
    """Have a function called when the interpreter ends, while threads can still be started."""
    # `atexit` comes too late for that.
    threading._register_atexit(function)  # type: ignore[attr-defined]
