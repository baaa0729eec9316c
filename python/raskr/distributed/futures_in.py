"""Futures within other objects: lists, dicts, and collections that were persisted."""

from collections.abc import Mapping
from typing import Any

from raskr._bridge import core
from raskr._unpack import held_in

__all__ = ["fire_and_forget", "futures_of"]


def futures_of(o: Any, client: Any = None) -> list:
    """The futures within an object, each once.

    Parameters
    ----------
    o : object
        A future, containers of futures, or collections whose values are on a cluster.
    client : Client, optional
        Whose futures they are: none of them may have been cancelled then.

    Returns
    -------
    list of Future

    Raises
    ------
    FuturesCancelledError
        Where `client` is given and futures were cancelled.

    Examples
    --------
    >>> from raskr.distributed import futures_of
    >>> futures_of([1, {"a": 2}])
    []
    """
    futures = found_in(o)
    cancelled = [] if client is None else [future for future in futures if future.cancelled()]
    if cancelled:
        from raskr.distributed.future import FuturesCancelledError

        raise FuturesCancelledError([future._exception() for future in cancelled])
    return futures


def found_in(o: Any) -> list:
    """The futures within an object, each once, cancelled ones too."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    waiting = [o]
    while waiting:
        item = waiting.pop()
        if isinstance(item, core.Future):
            found[item._number] = item
        elif type(item) in (str, bytes, int, float, bool, type(None)) or id(item) in seen:
            continue
        elif isinstance(item, (list, tuple, set, frozenset)):
            seen.add(id(item))
            waiting.extend(reversed(list(item)))
        elif isinstance(item, dict):
            seen.add(id(item))
            waiting.extend(reversed(list(item.values())))
        elif not isinstance(item, type) and hasattr(type(item), "__dask_graph__"):
            seen.add(id(item))
            waiting.extend(_of_collection(item))
    return list(found.values())


def _of_collection(collection: Any) -> list:
    """The futures that a collection stands on."""
    if isinstance(collection, core.Delayed):
        return core.futures_under([collection])
    expr = getattr(collection, "_expr", None)
    if type(expr) is core.Expr:
        return core.futures_under(expr.block_nodes())
    if hasattr(expr, "nodes"):
        return core.futures_under(expr.nodes)
    held = held_in(collection)
    if held is not None:
        return held[0]
    graph = collection.__dask_graph__()
    if graph is None:
        return []
    return list(graph.values()) if isinstance(graph, Mapping) else []


def fire_and_forget(obj: Any) -> None:
    """Have tasks run to their end, whether somebody has a future of them or not.

    Parameters
    ----------
    obj : Future, containers of futures, or collection
        Their values are let go when they are there.

    Examples
    --------
    >>> fire_and_forget(client.submit(print, "done"))  # doctest: +SKIP
    """
    for future in futures_of(obj):
        client = future.client
        name = f"fire-and-forget:{future._text}"
        native = future._native
        native.publish(name, [future])
        # As long as this client is there it lets go of the value, and afterwards nobody does.
        client._when_done(future, lambda _, name=name, native=native: native.unpublish(name), direct=True)
