"""`ClientExecutor`: a client as an executor of `concurrent.futures`."""

import concurrent.futures
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from raskr.distributed.exceptions import CancelledError
from raskr.utils import funcname

__all__ = ["ClientExecutor"]


class ClientExecutor(concurrent.futures.Executor):
    """Runs calls as tasks of a cluster. `Client.get_executor` makes one.

    Parameters
    ----------
    client : Client
        By which calls are submitted.
    **kwargs : object
        What `Client.submit` takes besides: ``workers``, ``resources``, ``retries``, ``priority``,
        ``allow_other_workers``, ``pure`` (False by default, as functions given to executors do something).

    Examples
    --------
    >>> from raskr.distributed import Client  # doctest: +SKIP
    >>> with Client().get_executor() as executor:  # doctest: +SKIP
    ...     executor.submit(pow, 2, 10).result()
    1024
    """

    _OPTIONS = frozenset({"pure", "workers", "resources", "allow_other_workers", "retries", "priority"})

    def __init__(self, client: Any, **kwargs: Any) -> None:
        unknown = sorted(set(kwargs) - self._OPTIONS)
        if unknown:
            raise TypeError(f"unsupported arguments to ClientExecutor: {unknown}; it takes {sorted(self._OPTIONS)}")
        self._client = client
        self._options = {"pure": False, **kwargs}
        self._futures: weakref.WeakSet = weakref.WeakSet()
        # Those that programs have are done a little later than the cluster's.
        self._given: weakref.WeakSet = weakref.WeakSet()
        self._shut = False

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> concurrent.futures.Future:
        """Submit a call; gives a future of `concurrent.futures`."""
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = self._client.submit(fn, *args, **self._options, **kwargs)
        self._futures.add(future)
        wrapped = _wrapped(future)
        self._given.add(wrapped)
        return wrapped

    def map(
        self,
        fn: Callable,
        *iterables: Iterable,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: Any = None,
    ) -> Iterator:
        """Submit a call for each of the iterables' items; gives the results in their order.

        Parameters
        ----------
        fn : callable
            The function.
        *iterables : iterable
            Its arguments.
        timeout : float, optional
            Seconds from now after which `TimeoutError` is raised where a result lacks.
        chunksize, buffersize : int
            Accepted for programs that give them: calls are batched anyway.
        """
        if self._shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        deadline = None if timeout is None else time.monotonic() + timeout
        futures = self._client.map(fn, *map(list, iterables), **self._options) if iterables else []
        self._futures.update(futures)
        return _results([_wrapped(future) for future in futures], deadline)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False, **kwargs: Any) -> None:
        """Take no more calls.

        Parameters
        ----------
        wait : bool
            Whether to wait until all calls have ended; those that have not are given up otherwise.
        cancel_futures : bool
            Whether calls that have not ended are given up.
        """
        if self._shut:
            return
        self._shut = True
        futures = [future for future in self._futures if not future.done()]
        if futures and (cancel_futures or not wait):
            self._client.cancel(futures)
        if wait:
            concurrent.futures.wait(list(self._given))

    def __repr__(self) -> str:
        return f"<ClientExecutor of {self._client!r}>"


def _results(futures: list[concurrent.futures.Future], deadline: float | None) -> Iterator:
    try:
        futures.reverse()
        while futures:
            remaining = None if deadline is None else deadline - time.monotonic()
            yield futures.pop().result(remaining)
    finally:
        for future in futures:
            future.cancel()


class _ExecutorFuture(concurrent.futures.Future):
    """A future whose cancellation gives up the task."""

    def __init__(self, future: Any) -> None:
        super().__init__()
        self._task = future

    def cancel(self) -> bool:
        if not super().cancel():
            return False
        self._task.cancel()
        self.set_running_or_notify_cancel()
        return True

    def __repr__(self) -> str:
        return f"<{funcname(type(self))} of {self._task!r}>"


def _wrapped(future: Any) -> concurrent.futures.Future:
    wrapped = _ExecutorFuture(future)

    def ended(future: Any) -> None:
        if wrapped.cancelled():
            return
        try:
            if future.status == "cancelled":
                concurrent.futures.Future.cancel(wrapped)
                wrapped.set_running_or_notify_cancel()
            elif future.status == "error":
                wrapped.set_exception(future.exception())
            else:
                wrapped.set_result(future.result())
        except concurrent.futures.InvalidStateError:
            # It was cancelled meanwhile.
            pass
        except CancelledError:
            concurrent.futures.Future.cancel(wrapped)
            wrapped.set_running_or_notify_cancel()
        except BaseException as error:
            wrapped.set_exception(error)

    future.add_done_callback(ended)
    return wrapped
