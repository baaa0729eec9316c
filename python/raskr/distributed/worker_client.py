"""`worker_client`: a client for tasks, which may run others and wait for them."""

import contextlib
from collections.abc import Iterator
from typing import Any

from raskr.distributed.worker import get_worker, rejoin, secede

__all__ = ["local_client", "worker_client"]


@contextlib.contextmanager
def worker_client(timeout: Any = None, separate_thread: bool = True) -> Iterator[Any]:
    """A client within a task, by which the task runs others and waits for them.

    Parameters
    ----------
    timeout : number or str, optional
        How long the client may take to connect.
    separate_thread : bool
        Whether the worker runs another task meanwhile.

    Examples
    --------
    >>> from raskr.distributed import worker_client
    >>> def total(numbers):
    ...     with worker_client() as client:
    ...         return sum(client.gather(client.map(lambda number: number**2, numbers)))
    """
    from raskr.distributed import get_client

    get_worker()
    client = get_client(timeout=timeout)
    if separate_thread:
        secede()
    try:
        yield client
    finally:
        if separate_thread:
            rejoin()


# Its name of old.
local_client = worker_client
