"""The scheduler of threads."""

from typing import Any

from raskr import config
from raskr.local import _get, executor_of, is_only_threads
from raskr.multiprocessing import get_on_executor

__all__ = ["get"]


def get(dsk: Any, keys: Any, cache: Any = None, num_workers: int | None = None, pool: Any = None, **kwargs: Any) -> Any:
    """The values of keys of a graph, computed by threads of this process.

    Parameters
    ----------
    dsk : mapping
        Tasks by key.
    keys : key, or nested list of keys
        What is wanted.
    num_workers : int, optional
        How many threads; the setting `num_workers`, or one a processor, by default.
    pool : executor or multiprocessing pool, optional
        For one of plain threads, as many of raskr's own run the tasks; any other is handed them.

    Examples
    --------
    >>> from raskr.threaded import get
    >>> get({"x": -1, "y": (abs, "x")}, "y")
    1
    """
    pool = config.get("pool", None) if pool is None else pool
    executor = executor_of(pool)
    if executor is not None and not is_only_threads(executor):
        return get_on_executor(executor, dsk, keys, num_workers=num_workers, **kwargs)
    return _get(dsk, keys, "threads", num_workers=num_workers, pool=pool, **kwargs)
