"""The scheduler of threads."""

from typing import Any

from raskr.local import _get

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
    pool : executor, optional
        An executor whose number of workers is used.

    Examples
    --------
    >>> from raskr.threaded import get
    >>> get({"x": -1, "y": (abs, "x")}, "y")
    1
    """
    return _get(dsk, keys, "threads", num_workers=num_workers, pool=pool, **kwargs)
