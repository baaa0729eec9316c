"""A cache across computations: results that took long for their size are kept, and used when they are wanted again."""

import sys
from numbers import Number
from timeit import default_timer
from typing import Any

from raskr._task_spec import DataNode
from raskr.callbacks import Callback

__all__ = ["Cache"]

# What a key and the cache's own notes of a result take beside it.
_NOTES = 4 * (sys.getsizeof(1.23) + sys.getsizeof(()))


class Cache(Callback):
    """Keeps results of tasks for later computations, as far as they pay off.

    A result is the more worth keeping the longer it took, with all that it needed, the less memory it takes, and the
    more often and the more recently it was wanted. The package `cachey` decides, and has to be installed.

    Parameters
    ----------
    cache : number or cachey.Cache
        The bytes that may be used, or a cache that is there already.
    *args, **kwargs
        For `cachey.Cache`, where `cache` is a number.

    Raises
    ------
    ImportError
        When `cachey` is not installed.
    TypeError
        When there are arguments for a cache that is there already.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.cache import Cache
    >>> x = da.random.normal(size=1_000, chunks=100).map_blocks(sorted)  # doctest: +SKIP
    >>> with Cache(2e9):  # doctest: +SKIP
    ...     x.compute()  # computes
    ...     x.compute()  # finds the blocks in the cache
    >>> Cache(2e9).register()  # for all computations from now on  # doctest: +SKIP
    """

    def __init__(self, cache: Any, *args: Any, **kwargs: Any) -> None:
        try:
            import cachey
        except ImportError as error:
            raise ImportError(f"Cache needs the package cachey: python -m pip install cachey ({error})") from error
        if isinstance(cache, Number):
            cache = cachey.Cache(cache, *args, **kwargs)
        elif args or kwargs:
            raise TypeError(f"Cache: {cache!r} is there already, so it takes no other arguments")
        self.cache = cache
        self.starttimes: dict = {}
        self.durations: dict = {}
        self._found: set = set()
        self._nbytes = cachey.nbytes

    def _start(self, dsk: Any) -> None:
        self.durations.clear()
        self._found = dsk.keys() & self.cache.data.keys()
        for key in self._found:
            dsk[key] = DataNode(key, self.cache.get(key))

    def _pretask(self, key: Any, dsk: Any, state: dict) -> None:
        self.starttimes[key] = default_timer()

    def _posttask(self, key: Any, value: Any, dsk: Any, state: dict, worker: Any) -> None:
        begun = self.starttimes.pop(key, None)
        # The engine's own steps are in no graph, and what came from the cache has cost nothing now.
        if begun is None or key in self._found or key not in dsk:
            return
        needed = [self.durations.get(each, 0.0) for each in state["dependencies"].get(key, ())]
        duration = self.durations[key] = default_timer() - begun + max(needed, default=0.0)
        nbytes = self._nbytes(value) + _NOTES + 4 * sys.getsizeof(key)
        self.cache.put(key, value, cost=duration / nbytes / 1e9, nbytes=nbytes)

    def _finish(self, dsk: Any, state: dict, errored: bool) -> None:
        self.starttimes.clear()
        self.durations.clear()
