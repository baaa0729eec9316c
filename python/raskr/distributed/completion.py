"""Waiting for several futures: all of them, the first, or each as it is done."""

import functools
import threading
import time
from collections import namedtuple
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from raskr._bridge import core
from raskr.distributed._conversation import seconds
from raskr.distributed.actor import BaseActorFuture
from raskr.distributed.deploy._loop import call_in_thread
from raskr.distributed.future import FuturesCancelledError
from raskr.distributed.futures_in import futures_of

__all__ = ["ALL_COMPLETED", "FIRST_COMPLETED", "DoneAndNotDoneFutures", "as_completed", "wait"]

ALL_COMPLETED = "ALL_COMPLETED"
FIRST_COMPLETED = "FIRST_COMPLETED"

# Seconds between two looks at calls of actors, where tasks are waited for as well.
_LOOK_AGAIN = 0.02

DoneAndNotDoneFutures = namedtuple("DoneAndNotDoneFutures", ["done", "not_done"])


def wait(fs: Any, timeout: Any = None, return_when: str = ALL_COMPLETED) -> Any:
    """Wait until futures are done.

    Parameters
    ----------
    fs : Future, list of futures, or collection
        What to wait for.
    timeout : number, str or timedelta, optional
        How long; `TimeoutError` is raised afterwards.
    return_when : {'ALL_COMPLETED', 'FIRST_COMPLETED'}
        Whether to wait for all of them or for one.

    Returns
    -------
    DoneAndNotDoneFutures
        Two sets: `done` and `not_done`. Something to await where the client is asynchronous.

    Raises
    ------
    FuturesCancelledError
        Where futures were cancelled.

    Examples
    --------
    >>> done, not_done = wait(client.map(abs, [-1, 2]))  # doctest: +SKIP
    """
    if timeout is not None and isinstance(timeout, (list, tuple, set, core.Future)):
        raise TypeError("timeout= is a time; several futures go in one list")
    if return_when not in (ALL_COMPLETED, FIRST_COMPLETED):
        raise NotImplementedError(f"return_when={return_when!r}: expected 'ALL_COMPLETED' or 'FIRST_COMPLETED'")
    futures = _futures_in(fs)
    client = futures[0].client if futures else None
    if client is not None and client.asynchronous:
        return call_in_thread(_wait_now, futures, seconds(timeout), return_when)
    return _wait_now(futures, seconds(timeout), return_when)


async def settled(collection: Any) -> Any:
    """The collection, once the futures that it stands on are done, if there are any.

    Parameters
    ----------
    collection : collection
        One that was persisted, or any other.
    """
    futures = futures_of(collection)
    if futures:
        await call_in_thread(_wait_now, futures, None, ALL_COMPLETED)
    return collection


def _futures_in(fs: Any) -> list:
    if isinstance(fs, core.Future):
        return [fs]
    if isinstance(fs, (list, tuple, set, frozenset)) and all(isinstance(each, core.Future) for each in fs):
        return list(fs)
    return futures_of(fs)


def _wait_now(futures: list, timeout: float | None, return_when: str) -> DoneAndNotDoneFutures:
    if futures and not futures[0]._native.wait(futures, return_when == ALL_COMPLETED, timeout):
        raise TimeoutError(f"{sum(not future.done() for future in futures)} futures were not done within {timeout:g} s")
    done = {future for future in futures if future.done()}
    cancelled = [future for future in done if future.cancelled()]
    if cancelled:
        raise FuturesCancelledError([future._exception() for future in cancelled])
    return DoneAndNotDoneFutures(done, {future for future in futures if future not in done})


class as_completed:
    """Gives futures as they are done.

    Parameters
    ----------
    futures : iterable of Future, optional
        Futures; more may be added at any time.
    loop : optional
        Of no effect.
    with_results : bool, default False
        Whether to give pairs of the future and its value.
    raise_errors : bool, default True
        Whether to raise what a task raised where values are wanted; otherwise the pair has class, exception and traceback.
    timeout : number, str or timedelta, optional
        How long it may take until all are done; `TimeoutError` is raised afterwards.

    Examples
    --------
    >>> for future in as_completed(client.map(abs, [-1, 2])):  # doctest: +SKIP
    ...     print(future.result())
    """

    def __init__(
        self,
        futures: Iterable | None = None,
        loop: Any = None,
        with_results: bool = False,
        raise_errors: bool = True,
        *,
        timeout: Any = None,
    ) -> None:
        self._clock = time.monotonic
        self._listener = core.ClusterListener()
        self._futures: dict[int, list] = {}
        # Calls of actors' methods, which the engine knows nothing of.
        self._calls: list = []
        self._ready: list = []
        self._lock = threading.Condition()
        limit = seconds(timeout)
        self._deadline = None if limit is None else self._clock() + limit
        self.with_results = with_results
        self.raise_errors = raise_errors
        if futures is not None:
            self.update(futures)

    def __repr__(self) -> str:
        return f"<as_completed: waiting={self._waiting()} done={len(self._ready)}>"

    @property
    def condition(self) -> threading.Condition:
        """What guards the futures; notified when some are done and were noticed."""
        return self._lock

    def _waiting(self) -> int:
        return sum(map(len, self._futures.values())) + len(self._calls)

    def add(self, future: Any) -> None:
        """Wait for one more future.

        Parameters
        ----------
        future : Future
            It may be done already.
        """
        self.update([future])

    def update(self, futures: Iterable) -> None:
        """Wait for more futures.

        Parameters
        ----------
        futures : iterable of Future
            They may be done already; those of actors' methods will do as well.
        """
        by_client: dict[int, tuple[Any, list]] = {}
        for future in futures:
            if isinstance(future, BaseActorFuture):
                with self._lock:
                    self._calls.append(future)
                future._when_done(functools.partial(self._call_ended, future))
                continue
            if not isinstance(future, core.Future):
                raise TypeError(f"Input must be a future, got {future!r}")
            with self._lock:
                known = self._futures.setdefault(future._number, [])
                known.append(future)
            if len(known) == 1:
                by_client.setdefault(id(future._native), (future._native, []))[1].append(future)
        for native, some in by_client.values():
            self._listener.watch(native, some)

    def _call_ended(self, call: Any) -> None:
        with self._lock:
            if any(call is each for each in self._calls):
                self._calls = [each for each in self._calls if each is not call]
                self._ready.append(call)
                self._lock.notify_all()

    def count(self) -> int:
        """How many futures have not been given yet."""
        self._take(0)
        with self._lock:
            return self._waiting() + len(self._ready)

    def is_empty(self) -> bool:
        """Whether all futures have been given."""
        return not self.count()

    def has_ready(self) -> bool:
        """Whether a future is done that has not been given yet."""
        self._take(0)
        return bool(self._ready)

    def clear(self) -> None:
        """Forget all futures."""
        with self._lock:
            self._futures.clear()
            self._calls.clear()
            self._ready.clear()

    def _left(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - self._clock(), 0.0)

    def _take(self, timeout: float | None) -> None:
        """Take in what is done, waiting for the first if there is none."""
        for _, number in self._listener.next(timeout):
            with self._lock:
                self._ready.extend(self._futures.pop(number, ()))
                self._lock.notify_all()

    def _next_future(self) -> Any:
        """The next that is done; None when there are no more."""
        while True:
            if not self._ready:
                self._take(0)
            with self._lock:
                if self._ready:
                    return self._ready.pop(0)
                if not self._futures and not self._calls:
                    return None
            left = self._left()
            if left == 0:
                raise TimeoutError(f"{self._waiting()} futures were not done in time")
            self._await_more(left)

    def _await_more(self, left: float | None) -> None:
        with self._lock:
            calls, others = bool(self._calls), bool(self._futures)
            if calls and not others:
                self._lock.wait_for(lambda: self._ready or not self._calls, left)
                return
        # The engine's futures wake a waiting thread, calls do not: where there are both, these are looked at in between.
        self._take(left if not calls else _LOOK_AGAIN if left is None else min(left, _LOOK_AGAIN))

    def _given(self, future: Any) -> Any:
        return self._with_value(future) if self.with_results else future

    def _with_value(self, future: Any) -> tuple:
        from raskr.distributed.future import FutureCancelledError, _result_now

        try:
            if isinstance(future, BaseActorFuture):
                return future, future.result(self._left())
            return future, _result_now(future, self._left())
        except FutureCancelledError as error:
            # There is no value, and nothing that a task raised.
            return future, error
        except Exception as error:
            if self.raise_errors:
                raise
            return future, (type(error), error, error.__traceback__)

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        future = self._next_future()
        if future is None:
            raise StopIteration
        return self._given(future)

    def next(self) -> Any:
        """The next future that is done, waited for."""
        return next(self)

    def __aiter__(self) -> AsyncIterator:
        return self

    async def __anext__(self) -> Any:
        future = await call_in_thread(self._next_future)
        if future is None:
            raise StopAsyncIteration
        if not self.with_results:
            return future
        return await call_in_thread(self._with_value, future)

    def next_batch(self, block: bool = True) -> list:
        """All futures that are done and have not been given.

        Parameters
        ----------
        block : bool, default True
            Whether to wait for one where there is none.
        """
        batch = [next(self)] if block else []
        while self.has_ready():
            batch.append(next(self))
        return batch

    def batches(self) -> Iterator[list]:
        """Lists of the futures that are done by the time that they are asked for.

        Examples
        --------
        >>> for batch in as_completed(futures).batches():  # doctest: +SKIP
        ...     print(len(batch))
        """
        while True:
            try:
                yield self.next_batch(block=True)
            except StopIteration:
                return
