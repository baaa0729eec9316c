"""What a client is told without asking: futures that are done, events, and the end; on a thread of its own."""

import concurrent.futures
import logging
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from raskr._bridge import core

__all__ = ["Notices"]

_log = logging.getLogger("raskr.distributed.client")


class Notices:
    """Waits for notices of one client, and hands them on.

    Parameters
    ----------
    client : Client
        Its events are handed to its `_handle_event`, its end to its `_ended`.
    """

    def __init__(self, client: Any) -> None:
        # The thread must not keep the client alive.
        self._client = weakref.ref(client)
        self._native = client._native
        self._listener = core.ClusterListener()
        self._listener.listen(client._native)
        self._waiting: dict[int, list[tuple[Any, Callable, bool]]] = {}
        self._lock = threading.Lock()
        self._calls: concurrent.futures.ThreadPoolExecutor | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="raskr-notices", daemon=True)
        self._thread.start()

    def when_done(self, future: Any, function: Callable, direct: bool) -> None:
        """Call a function with a future once that is done."""
        with self._lock:
            self._waiting.setdefault(future._number, []).append((future, function, direct))
        self._listener.watch(self._native, [future])

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._listener.wake()
        if threading.current_thread() is not self._thread:
            # An interpreter that ends must not meet it within the engine.
            self._thread.join(2)
        if self._calls is not None:
            self._calls.shutdown(wait=False)

    def _run(self) -> None:
        while not self._closed:
            for kind, what in self._listener.next():
                try:
                    self._handle(kind, what)
                except Exception:
                    _log.exception("a notice of a cluster was not dealt with")

    def _handle(self, kind: str, what: Any) -> None:
        if kind == "done":
            self._done(what)
        elif kind == "event":
            client = self._client()
            if client is not None:
                client._handle_event(*what)
        elif kind == "conflict":
            warnings.warn(
                f"{what!r} is the key of another task: its function or arguments differ from those submitted now, "
                "which are not run. Give the call another key=.",
                UserWarning,
                stacklevel=1,
            )
        elif kind == "ended":
            client = self._client()
            if client is not None:
                client._ended(what)

    def _done(self, number: int) -> None:
        with self._lock:
            calls = self._waiting.pop(number, [])
        for future, function, direct in calls:
            if direct:
                function(future)
            else:
                self._call(function, future)

    def _call(self, function: Callable, future: Any) -> None:
        if self._calls is None:
            # The user's functions may take long, or wait for other futures.
            self._calls = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="raskr-callbacks")
        try:
            self._calls.submit(_called, function, future)
        except RuntimeError:
            # The client was closed: what is done now was cancelled.
            _called(function, future)


def _called(function: Callable, future: Any) -> None:
    try:
        function(future)
    except Exception:
        _log.exception("the callback %r of %r failed", function, future)
