"""`Future`: a value that a cluster has or is to have."""

import asyncio
import concurrent.futures
import html
import os
import weakref
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any

from raskr._bridge import core
from raskr.distributed._conversation import seconds
from raskr.distributed._tracebacks import traceback_of
from raskr.utils import typename

__all__ = ["Future", "FutureCancelledError", "FuturesCancelledError"]

Future = core.Future

# Clients by their connections, which futures know.
owners: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()
# What values become when they are fetched, by their futures, with which it is called.
finishes: "weakref.WeakKeyDictionary[Any, Callable[[Any, Any], Any]]" = weakref.WeakKeyDictionary()
# Types of values that were fetched or asked for here, by their futures.
_types: "weakref.WeakKeyDictionary[Any, type]" = weakref.WeakKeyDictionary()
# Why futures were cancelled, and what was said of it, by those who did so here.
reasons: "weakref.WeakKeyDictionary[Any, tuple[str | None, str | None]]" = weakref.WeakKeyDictionary()


class FutureCancelledError(core.CancelledError, concurrent.futures.CancelledError):
    """A future has no value and gets none: it was cancelled, or lost with the scheduler.

    Parameters
    ----------
    key : str
        The future's key.
    reason : str
        Why.
    msg : str, optional
        More to say of it.

    Examples
    --------
    >>> from raskr.distributed.client import FutureCancelledError
    >>> str(FutureCancelledError("sum-1", "it was cancelled"))
    'sum-1 cancelled for reason: it was cancelled.'
    """

    def __init__(self, key: str, reason: str | None = None, msg: str | None = None) -> None:
        self.key = key
        self.reason = reason or "unknown"
        self.msg = msg
        super().__init__(key, self.reason, msg)

    def __str__(self) -> str:
        text = f"{self.key} cancelled for reason: {self.reason}."
        return f"{text}\n{self.msg}" if self.msg else text


class FuturesCancelledError(core.CancelledError, concurrent.futures.CancelledError):
    """Several futures have no value and get none.

    Parameters
    ----------
    errors : list of FutureCancelledError
        What is wrong with each.
    """

    def __init__(self, errors: Iterable[FutureCancelledError]) -> None:
        self.errors = list(errors)
        super().__init__(self.errors)

    def __str__(self) -> str:
        lines = [f"{len(self.errors)} Future{'s' if len(self.errors) != 1 else ''} cancelled:"]
        lines += [f"  {error}" for error in self.errors[:10]]
        if len(self.errors) > 10:
            lines.append(f"  and {len(self.errors) - 10} more")
        return "\n".join(lines)


def _client(self: Any) -> Any:
    """The client that the future belongs to."""
    return owners.get(id(self._native))


def bare(error: BaseException, future: Any = None) -> BaseException:
    """The error with the frames of the task alone: those of the client are of no interest."""
    if isinstance(error, FutureCancelledError) and future is not None and future in reasons:
        reason, msg = reasons[future]
        return FutureCancelledError(error.key, reason or error.reason, msg)
    return error.with_traceback(None if future is None else _frames(future))


def _frames(future: Any) -> TracebackType | None:
    """The frames of the task that failed."""
    raised = future._raised()
    if raised is None:
        return None
    import pickle

    return traceback_of(pickle.loads(raised)[1])


def _own_exception(self: Any) -> BaseException | None:
    error = self._exception()
    return None if error is None else bare(error, self)


def _waited(self: Any, timeout: Any) -> None:
    within = seconds(timeout)
    if not self._native.wait([self], timeout=within):
        raise TimeoutError(f"{self.key}: not done within {timeout}")


def _result_now(self: Any, timeout: Any = None) -> Any:
    try:
        values, _ = self._native.gather([self], timeout=seconds(timeout))
    except Exception as error:
        failure = error
    else:
        value = finished(self, values[0])
        _types[self] = type(value)
        return value
    raise bare(failure, self)


def finished(future: Any, value: Any) -> Any:
    """The value of a future as its owner is to have it."""
    finish = finishes.get(future) if finishes else None
    return value if finish is None else finish(future, value)


def _exception_now(self: Any, timeout: Any = None) -> Any:
    _waited(self, timeout)
    error = _own_exception(self)
    if isinstance(error, FutureCancelledError):
        raise error
    return error


def _traceback_now(self: Any, timeout: Any = None) -> TracebackType | None:
    _waited(self, timeout)
    error = self._exception()
    if isinstance(error, FutureCancelledError):
        raise bare(error, self)
    return _frames(self)


def _now_or_awaited(wait: Callable[[Any, Any], Any], self: Any, timeout: Any) -> Any:
    """What waiting gives; something to await where the client is asynchronous."""
    client = self.client
    if client is not None and client.asynchronous:
        return client._on_thread(wait, self, timeout)
    return wait(self, timeout)


def _result(self: Any, timeout: Any = None) -> Any:
    """Wait until the task is done, and fetch its value.

    Parameters
    ----------
    timeout : number, str or timedelta, optional
        How long to wait; without end by default. `TimeoutError` is raised afterwards.

    Returns
    -------
    object
        The value; something to await where the client is asynchronous.

    Raises
    ------
    Exception
        What the task raised.
    FutureCancelledError
        Where the future was cancelled, or the scheduler is gone.
    """
    return _now_or_awaited(_result_now, self, timeout)


def _exception_of(self: Any, timeout: Any = None, **kwargs: Any) -> Any:
    """Wait until the task is done, and give what it raised; None when it has a value.

    Parameters
    ----------
    timeout : number, str or timedelta, optional
        How long to wait; without end by default. `TimeoutError` is raised afterwards.
    """
    return _now_or_awaited(_exception_now, self, timeout)


def _traceback_of(self: Any, timeout: Any = None, **kwargs: Any) -> Any:
    """Wait until the task is done, and give the traceback of what it raised; None when it has a value.

    The traceback stands for that of the worker: files, lines and names are its own, variables are not there.

    Parameters
    ----------
    timeout : number, str or timedelta, optional
        How long to wait; without end by default. `TimeoutError` is raised afterwards.
    """
    return _now_or_awaited(_traceback_now, self, timeout)


def _add_done_callback(self: Any, fn: Callable[[Any], Any]) -> None:
    """Call a function with the future once the future is done, at once when it is.

    It is called on a thread of the client's; what it raises is logged.
    """
    self.client._when_done(self, fn)


def _cancel(self: Any, reason: str | None = None, msg: str | None = None, **kwargs: Any) -> Any:
    """Give up the future, and what was to be made of it."""
    return self.client.cancel([self], reason=reason, msg=msg, **kwargs)


def _retry(self: Any, **kwargs: Any) -> Any:
    """Try the task again, if it failed."""
    return self.client.retry([self], **kwargs)


def _type(self: Any) -> type | None:
    """The type of the value; None while there is none."""
    if self.status != "finished":
        return None
    client = self.client
    if self not in _types and client is not None:
        try:
            _types[self] = _result_now(client.submit(type, self))
        except Exception:
            return None
    return _types.get(self)


def _repr(self: Any) -> str:
    return f"<Future: {self._shown_status},{_shown_type(self)} key: {self.key}>"


def _shown_type(self: Any) -> str:
    """The type of the value where it is known here; nobody is asked for it."""
    kind = _types.get(self)
    return "" if kind is None else f" type: {typename(kind, short=True)},"


def _repr_html(self: Any) -> str:
    status, key = html.escape(self._shown_status), html.escape(str(self.key))
    # With a comma before it here, and behind it in a terminal.
    kind = html.escape(f",{_shown_type(self)}".rstrip(","))
    return f"<b>Future: {key}</b> <span style='color: gray'>status: {status}{kind}</span>"


def _shown_status(self: Any) -> str:
    """The status by Dask's names."""
    status = self._status
    return "cancelled" if status == "lost" else status


def _await(self: Any) -> Generator[Any, None, Any]:
    return self._wait_async().__await__()


async def _wait_async(self: Any) -> Any:
    """The value, waited for without a thread, and then fetched on one."""
    if not self.done():
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def tell(_: Any) -> None:
            if not done.done():
                done.set_result(None)

        self.client._when_done(self, lambda _: loop.call_soon_threadsafe(tell, None), direct=True)
        await done
    return await self.client._on_thread(_result_now, self)


def _reduce(self: Any) -> tuple:
    return known, (self.key, self._native.address)


def known(key: Any, address: str | None = None) -> Any:
    """A future of a key that a scheduler knows, of the current client or the worker's own."""
    from raskr.distributed.client import get_client

    if "RASKR_SCHEDULER_ADDRESS" in os.environ:
        # The task's own cluster, by whatever name it is known here.
        address = None
    return get_client(address)._known(key)


def adopted(key: Any, client: Any) -> Any:
    """What `Future(key, client)` stands for."""
    from raskr.distributed.client import get_client

    client = get_client() if client is None else client
    return client._known(key)


def _extend() -> None:
    """Put on the class what is written in Python."""
    methods = {
        "client": property(_client),
        "executor": property(_client),
        "status": property(_shown_status),
        "_shown_status": property(_shown_status),
        "type": property(_type),
        "result": _result,
        "exception": _exception_of,
        "traceback": _traceback_of,
        "add_done_callback": _add_done_callback,
        "cancel": _cancel,
        "retry": _retry,
        "bind_client": lambda self, client: None,
        "_wait_async": _wait_async,
        "__await__": _await,
        "__reduce__": _reduce,
        "__repr__": _repr,
        "_repr_html_": _repr_html,
        "__doc__": __doc__,
    }
    for name, method in methods.items():
        if callable(method) and name.isidentifier() and not name.startswith("_"):
            method.__name__ = name
        setattr(Future, name, method)


_extend()
