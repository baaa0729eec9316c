"""Exceptions of the cluster."""

from raskr import CancelledError, KilledWorker

__all__ = ["CancelledError", "KilledWorker", "Reschedule", "TimeoutError"]

TimeoutError = TimeoutError


class Reschedule(Exception):
    """Raised by a task that is to begin again, possibly on another worker.

    Examples
    --------
    >>> from raskr.distributed import Reschedule, get_worker  # doctest: +SKIP
    >>> def on_a_free_disk(path):  # doctest: +SKIP
    ...     if not room_at(get_worker().local_directory):
    ...         raise Reschedule()
    """
