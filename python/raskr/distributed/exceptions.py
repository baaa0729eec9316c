"""Exceptions of the cluster."""

from raskr import CancelledError, KilledWorker

__all__ = ["CancelledError", "ClosedClientError", "KilledWorker", "Reschedule", "TimeoutError"]

TimeoutError = TimeoutError


class Reschedule(Exception):
    """Raised by a task that is to begin again, possibly on another worker.

    It begins again as a task that failed does: as often as its ``retries`` allow.

    Examples
    --------
    >>> from raskr.distributed import Client, Reschedule, get_worker  # doctest: +SKIP
    >>> def on_a_free_disk(path):  # doctest: +SKIP
    ...     if not room_at(get_worker().local_directory):
    ...         raise Reschedule()
    >>> Client().submit(on_a_free_disk, "data", retries=5)  # doctest: +SKIP
    """


class ClosedClientError(RuntimeError):
    """A client was asked for something after it was closed.

    Examples
    --------
    >>> from raskr.distributed.client import ClosedClientError
    >>> issubclass(ClosedClientError, RuntimeError)
    True
    """
