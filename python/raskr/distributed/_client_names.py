"""What `raskr.distributed.client` has beside clients: other clients as the default one for a while, and names of other modules."""

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from raskr.distributed import client

__all__ = ["ensure_default_client", "found", "temp_default_client"]

_ELSEWHERE = {
    "CancelledError": "exceptions",
    "TimeoutError": "exceptions",
    "get_task_metadata": "diagnostics.task_stream",
    "get_task_stream": "diagnostics.task_stream",
    "get_worker": "worker",
    "performance_report": "diagnostics.task_stream",
    "secede": "worker",
}


def found(name: str) -> Any:
    """A name that the module has of here or of another module.

    Parameters
    ----------
    name : str
        The name; `AttributeError` is raised where there is none.
    """
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"raskr.distributed.{_ELSEWHERE[name]}"), name)
    if name in ("_get_global_client", "ensure_default_client", "temp_default_client"):
        return globals()[name]
    raise AttributeError(f"module 'raskr.distributed.client' has no attribute {name!r}")


def _get_global_client() -> Any:
    """The client that was made the default last; None where there is none."""
    return next((each for each in reversed(client._defaults) if each.status != "closed"), None)


@contextlib.contextmanager
def temp_default_client(c: Any) -> Iterator[None]:
    """Make a client the default one within a `with` block, for all threads.

    Parameters
    ----------
    c : Client
        The client.

    Examples
    --------
    >>> from raskr.distributed.client import temp_default_client
    >>> with temp_default_client(client):  # doctest: +SKIP
    ...     x.compute()
    """
    with client._lock:
        c._become_default()
    try:
        yield
    finally:
        with client._lock:
            place = len(client._defaults) - 1 - client._defaults[::-1].index(c) if c in client._defaults else None
            if place is not None:
                del client._defaults[place]
            c._cease_to_compute()


def ensure_default_client(c: Any) -> None:
    """Make a client the default one, unless it is.

    Parameters
    ----------
    c : Client
        The client.
    """
    with client._lock:
        if _get_global_client() is not c:
            if c in client._defaults:
                client._defaults.remove(c)
            c._become_default()
