"""`Lock`: what only one client or task at a time may hold; also what all kinds of locks have in common."""

import uuid
from typing import Any

from raskr.distributed._conversation import Question, Shared, Steps, seconds

__all__ = ["Lock"]


class Held(Shared):
    """Something that is acquired and released, also by `with` and `async with`."""

    def acquire(self) -> Any:
        raise NotImplementedError

    def release(self) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        self.acquire()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.release()

    async def __aenter__(self) -> Any:
        await self.acquire()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self.release()


class OfScheduler(Held):
    """What locks and semaphores tell of how they reach the scheduler."""

    @property
    def asynchronous(self) -> bool:
        """Whether its methods are to be awaited."""
        return self.client.asynchronous

    @property
    def loop(self) -> Any:
        """The event loop of its client."""
        return self.client.loop

    @property
    def scheduler(self) -> Any:
        """Who asks the scheduler: its client."""
        return self.client

    def sync(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a coroutine function and wait for its result, as the client does."""
        return self.client.sync(func, *args, **kwargs)


def limit_of(blocking: bool, timeout: Any) -> float | None:
    """How long an acquisition may wait."""
    if blocking:
        return seconds(timeout)
    if timeout is not None:
        raise ValueError("can't specify a timeout for a non-blocking call")
    return 0.0


class Lock(OfScheduler):
    """What only one client or task at a time may hold, known by its name.

    A client, or a task's process, that is gone holds nothing any more.

    Parameters
    ----------
    name : str, bytes, number, tuple or list, optional
        What others call it; a name of its own by default.
    scheduler_rpc : Client, optional
        Who asks the scheduler; the current client by default.
    loop : object, optional
        Accepted for programs that give it.
    client : Client, optional
        The same as `scheduler_rpc`.

    Examples
    --------
    >>> from raskr.distributed import Client, Lock  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> lock = Lock("printer")  # doctest: +SKIP
    >>> with lock:  # doctest: +SKIP
    ...     print("mine")
    mine
    """

    def __init__(self, name: Any = None, scheduler_rpc: Any = None, loop: Any = None, client: Any = None) -> None:
        super().__init__(name, client if scheduler_rpc is None else scheduler_rpc)
        self._leases: list[str] = []

    def acquire(self, blocking: bool = True, timeout: Any = None) -> Any:
        """Take the lock, when nobody has it any more.

        Parameters
        ----------
        blocking : bool
            Whether to wait for it at all.
        timeout : number, str or timedelta, optional
            How long to wait; without end by default.

        Returns
        -------
        bool
            Whether it is held now.
        """
        return self._converse(self._acquire(limit_of(blocking, timeout)))

    def _acquire(self, timeout: float | None) -> Steps:
        lease = uuid.uuid4().hex
        acquire = {"op": "lock_acquire", "names": [self._text], "count": 1, "id": lease, "timeout": timeout}
        taken, _ = yield Question(acquire)
        if taken:
            self._leases.append(lease)
        return bool(taken)

    def release(self) -> Any:
        """Give the lock back; True."""
        return self._converse(self._release())

    def _release(self) -> Steps:
        if not self._leases:
            raise RuntimeError(f"the lock {self.name!r} is released, but not held here")
        yield Question({"op": "lock_release", "names": [self._text], "id": self._leases.pop()})
        return True

    def get_value(self) -> Any:
        """How many hold it: 0 or 1."""
        return self._converse(self._value())

    def locked(self) -> Any:
        """Whether somebody holds it."""
        return self._converse(self._locked())

    def _value(self) -> Steps:
        value, _ = yield Question({"op": "lock_value", "name": self._text})
        return int(value)

    def _locked(self) -> Steps:
        return bool((yield from self._value()))

    async def register(self, **kwargs: Any) -> None:
        """Nothing needs to be told to the scheduler before the lock is used; for programs that do."""

    def close(self) -> Any:
        """Give back what is held here."""
        return self._converse(self._close())

    def _close(self) -> Steps:
        while self._leases:
            yield from self._release()
