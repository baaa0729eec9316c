"""`Semaphore`: what a limited number of clients or tasks at a time may hold."""

import threading
import uuid
import warnings
import weakref
from typing import Any

from raskr import config
from raskr.distributed._conversation import Question, Steps, seconds
from raskr.distributed.lock import OfScheduler

__all__ = ["Semaphore"]

_REFRESH_SECONDS = 10.0
_alive: weakref.WeakSet = weakref.WeakSet()
_starting = threading.Lock()
_refresher: threading.Thread | None = None


class Semaphore(OfScheduler):
    """What a limited number of clients or tasks at a time may hold, known by its name.

    A lease ends when it is released, when the client that has it is gone, or when that one says nothing for as long
    as the setting ``distributed.scheduler.locks.lease-timeout`` tells.

    Parameters
    ----------
    max_leases : int
        How many may hold it at a time. Whoever uses the name later must give the same number.
    name : str, bytes, number, tuple or list, optional
        What others call it; a name of its own by default.
    scheduler_rpc : Client, optional
        Who asks the scheduler; the current client by default.
    loop : object, optional
        Accepted for programs that give it.

    Examples
    --------
    >>> from raskr.distributed import Client, Semaphore  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> connections = Semaphore(2, "database")  # doctest: +SKIP
    >>> with connections:  # doctest: +SKIP
    ...     connections.get_value()
    1
    """

    def __init__(self, max_leases: int = 1, name: Any = None, scheduler_rpc: Any = None, loop: Any = None) -> None:
        super().__init__(name, scheduler_rpc)
        if max_leases < 1:
            raise ValueError(f"max_leases must be at least 1, got {max_leases}")
        self.max_leases = max_leases
        self._leases: list[str] = []
        self._registered = False
        self._closed = False
        if scheduler_rpc is not None and not scheduler_rpc.asynchronous:
            self._converse(self._register())

    def _register(self) -> Steps:
        """Tell the scheduler of it, before anything else."""
        if self._closed:
            raise RuntimeError(f"Semaphore {self.name!r} not known or already closed")
        if not self._registered:
            yield Question({"op": "semaphore_create", "name": self._text, "max_leases": self.max_leases})
            self._registered = True

    def register(self, **kwargs: Any) -> Any:
        """Make it known to the scheduler; otherwise that happens when it is first used."""
        return self._converse(self._register())

    def __await__(self) -> Any:
        async def ready() -> Semaphore:
            waited = self.register()
            if waited is not None:
                await waited
            return self

        return ready().__await__()

    def acquire(self, timeout: Any = None) -> Any:
        """Take a lease, when one is free.

        Parameters
        ----------
        timeout : number, str or timedelta, optional
            How long to wait; without end by default.

        Returns
        -------
        bool
            Whether there is a lease more now.
        """
        return self._converse(self._acquire(seconds(timeout)))

    def _acquire(self, timeout: float | None) -> Steps:
        yield from self._register()
        lease = uuid.uuid4().hex
        taken, _ = yield Question({"op": "semaphore_acquire", "name": self._text, "lease": lease, "timeout": timeout})
        if taken:
            self._leases.append(lease)
            _keep_fresh(self)
        return bool(taken)

    def release(self) -> Any:
        """Give a lease back.

        Returns
        -------
        bool
            Whether the scheduler knew of it; it may have ended before.
        """
        return self._converse(self._release())

    def _release(self) -> Steps:
        if not self._leases:
            raise RuntimeError(f"Semaphore {self.name!r} is released more often than it was acquired here")
        lease = self._leases.pop(0)
        known, _ = yield Question({"op": "semaphore_release", "name": self._text, "lease": lease})
        return known is not False

    def get_value(self) -> Any:
        """How many leases are taken, by all clients and tasks together."""
        return self._converse(self._value())

    def _value(self) -> Steps:
        yield from self._register()
        value, _ = yield Question({"op": "semaphore_value", "name": self._text})
        return int(value)

    def close(self) -> Any:
        """Forget it, for all clients; nobody can acquire it any more under this object."""
        return self._converse(self._close())

    def _close(self) -> Steps:
        if not self._registered:
            self._closed = True
            return
        value = yield from self._value()
        if value:
            warnings.warn(
                f"Closing semaphore {self.name!r} of which {value} leases are taken", RuntimeWarning, stacklevel=2
            )
        yield Question({"op": "semaphore_close", "name": self._text})
        self._registered, self._closed = False, True

    def _refresh(self) -> Steps:
        for lease in list(self._leases):
            yield Question({"op": "semaphore_refresh", "name": self._text, "lease": lease}, timeout=_REFRESH_SECONDS)

    def __reduce__(self) -> tuple:
        return Semaphore, (self.max_leases, self.name)


def _keep_fresh(semaphore: Semaphore) -> None:
    """From now on leases of this semaphore are renewed as long as this process lives."""
    global _refresher
    with _starting:
        _alive.add(semaphore)
        if _refresher is None or not _refresher.is_alive():
            _refresher = threading.Thread(target=_refresh_all, name="raskr-leases", daemon=True)
            _refresher.start()


def _refresh_all() -> None:
    interval = seconds(config.get("distributed.scheduler.locks.lease-validation-interval", _REFRESH_SECONDS))
    pause = threading.Event()
    while not pause.wait(interval or _REFRESH_SECONDS):
        with _starting:
            semaphores = [semaphore for semaphore in _alive if semaphore._leases]
        for semaphore in semaphores:
            try:
                for question in semaphore._refresh():
                    semaphore.client._ask(*question)
            except Exception:
                # The client is closed or the scheduler is gone: its leases are no concern any more.
                continue
