"""Collections that stand on futures, as arguments of tasks: they travel with these in place of the engine's nodes."""

import pickle
import weakref
from typing import Any

from raskr._bridge import core
from raskr.distributed._conversation import pack
from raskr.distributed.futures_in import found_in

__all__ = ["carried", "hold"]

_DEPTH_MAX = 4


class _Carried:
    """Stands for a collection, and is unpickled to it."""

    def __init__(self, collection: Any) -> None:
        self._data = pack(collection)

    def __reduce__(self) -> tuple:
        return pickle.loads, (self._data,)


def carried(value: Any, depth: int = 0) -> tuple[Any, list]:
    """The value with collections on futures made ready to travel, and these futures.

    Parameters
    ----------
    value : object
        Lists, tuples and dicts are gone through.
    depth : int
        How deep it is within others.
    """
    if isinstance(value, core.Future) or depth > _DEPTH_MAX:
        return value, []
    kind = type(value)
    if kind in (list, tuple):
        parts = [carried(item, depth + 1) for item in value]
        futures = [future for _, some in parts for future in some]
        return (kind(part for part, _ in parts) if futures else value), futures
    if kind is dict:
        named = {key: carried(item, depth + 1) for key, item in value.items()}
        futures = [future for _, some in named.values() for future in some]
        return ({key: part for key, (part, _) in named.items()} if futures else value), futures
    if not isinstance(value, type) and hasattr(kind, "__dask_graph__") and not isinstance(value, core.Delayed):
        futures = found_in(value)
        if futures:
            return _Carried(value), futures
    return value, []


def hold(future: Any, futures: list) -> None:
    """Keep futures for as long as another is there, in whose value or arguments they are.

    Parameters
    ----------
    future : Future
        The one that somebody has.
    futures : list of Future
        Those that are kept.
    """
    weakref.finalize(future, futures.clear).atexit = False
