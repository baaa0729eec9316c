"""What all collections share: computing, persisting, drawing, and finding collections inside other objects."""

import dataclasses
import difflib
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

from raskr import config, local, multiprocessing, threaded
from raskr._bridge import core
from raskr.annotations import annotate, get_annotations
from raskr.core import flatten
from raskr.graph import nodes_and_names, plain, wanted_keys
from raskr.tokenize import TokenizationError, normalize_token, tokenize
from raskr.utils import key_split

__all__ = [
    "DaskMethodsMixin",
    "TokenizationError",
    "annotate",
    "clone_key",
    "compute",
    "compute_as_if_collection",
    "get_annotations",
    "get_collection_names",
    "get_name_from_key",
    "get_scheduler",
    "is_dask_collection",
    "named_schedulers",
    "normalize_token",
    "optimize",
    "persist",
    "replace_name_in_key",
    "tokenize",
    "unpack_collections",
    "visualize",
]

# The schedulers by name; libraries may add theirs.
named_schedulers: dict[str, Callable] = {
    "sync": local.get_sync,
    "synchronous": local.get_sync,
    "single-threaded": local.get_sync,
    "threads": threaded.get,
    "threading": threaded.get,
    "processes": multiprocessing.get,
    "multiprocessing": multiprocessing.get,
}

# The schedulers that the engine runs by itself, without a graph being spelled out.
_NATIVE: dict[Any, str] = {local.get_sync: "sync", threaded.get: "threads"}

_GET_REMOVED = """The get= keyword has been removed.

Use the scheduler= keyword with the name of a scheduler

    x.compute(scheduler='threads')
    x.compute(scheduler='sync')

or with a function that takes a graph and keys

    x.compute(scheduler=my_scheduler_function)
"""


def is_dask_collection(x: Any) -> bool:
    """Is an object a lazy collection: something that `compute` computes?

    Parameters
    ----------
    x : object
        The object.

    Examples
    --------
    >>> import raskr
    >>> raskr.is_dask_collection(raskr.delayed(1)), raskr.is_dask_collection(1)
    (True, False)
    """
    if isinstance(x, type) or not hasattr(type(x), "__dask_graph__"):
        return False
    if isinstance(x, core.Delayed) or hasattr(x, "_expr"):
        return True
    return x.__dask_graph__() is not None


def get_scheduler(
    get: Any = None, scheduler: Any = None, collections: Any = None, cls: Any = None
) -> Callable | None:
    """The function that runs graphs, by the arguments of a call, the settings, or the collections' own choice.

    Parameters
    ----------
    scheduler : str, callable or executor, optional
        A name, a function that takes a graph and keys, or an executor; the setting `scheduler` by default.
    collections : sequence, optional
        Collections, whose own choice counts where nothing else says which.
    cls : type, optional
        A class of collections, likewise.

    Examples
    --------
    >>> import raskr
    >>> raskr.base.get_scheduler(scheduler="threads") is raskr.threaded.get
    True
    """
    if get is not None:
        raise TypeError(_GET_REMOVED)
    if scheduler is not None:
        return _named(scheduler)
    chosen = config.get("scheduler", None)
    if chosen is not None:
        return _named(chosen)
    if config.get("get", None) is not None:
        raise ValueError(_GET_REMOVED)
    if cls is not None:
        return cls.__dask_scheduler__
    if not collections:
        return None
    own = [getattr(collection, "__dask_scheduler__", threaded.get) for collection in collections]
    if any(each is not own[0] for each in own):
        raise ValueError(
            "Compute called on multiple collections with differing default schedulers. Please specify a scheduler= "
            "parameter explicitly or globally with `raskr.config.set`."
        )
    return own[0]


def _named(scheduler: Any) -> Callable:
    if isinstance(scheduler, str):
        found = named_schedulers.get(scheduler.lower())
        if found is not None:
            return found
        near = difflib.get_close_matches(scheduler.lower(), named_schedulers, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(named_schedulers))}"
        raise ValueError(f"unknown scheduler {scheduler!r}: {hint}")
    if isinstance(scheduler, Executor):
        workers = local.pool_size(scheduler) or config.checked("num_workers") or 1
        return partial(local.get_async, scheduler.submit, workers)
    if callable(scheduler):
        return scheduler
    # A client of a cluster brings its own `get`.
    if hasattr(scheduler, "get"):
        return scheduler.get
    raise ValueError(f"unknown scheduler {scheduler!r}: expected a name, a function that takes a graph and keys, or an executor")


# --- finding collections inside other objects -------------------------------------------------------------------------
_LEAVES = (int, float, str, bytes, bool, complex, type(None))
_LIST_ITERATORS = tuple(type(iter(kind())) for kind in (list, tuple, set))
Repack = Callable[[Sequence], Any]


def _repack_items(items: list, parts: list[Repack | None], make: Callable) -> Repack:
    return lambda values: make([part(values) if part else item for item, part in zip(items, parts)])


class _Unpacker:
    """Collects the collections in objects, each once."""

    def __init__(self, traverse: bool) -> None:
        self.traverse = traverse
        self.collections: list = []
        self.places: dict[Any, int] = {}

    def read(self, x: Any) -> Repack | None:
        """A function that rebuilds an object around results, or None when there is no collection in it."""
        kind = type(x)
        if kind in _LEAVES:
            return None
        if isinstance(x, core.Delayed) or is_dask_collection(x):
            place = self.places.get(id(x))
            if place is None and not isinstance(x, core.Delayed):
                place = self.places.get(("token", tokenize(x)))
            if place is None:
                place = len(self.collections)
                self.collections.append(x)
                self.places[id(x)] = place
                if not isinstance(x, core.Delayed):
                    self.places["token", tokenize(x)] = place
            return lambda values: values[place]
        return self._container(x, kind) if self.traverse else None

    def _container(self, x: Any, kind: type) -> Repack | None:
        if kind in _LIST_ITERATORS or kind is types.GeneratorType:
            return self._items(list(x), list, always=True)
        if kind in (list, tuple, set):
            return self._items(list(x), kind)
        if kind in (dict, OrderedDict):
            return self._items([part for item in x.items() for part in item], partial(_pairs, kind))
        if dataclasses.is_dataclass(x) and not isinstance(x, type):
            known = [field for field in dataclasses.fields(x) if hasattr(x, field.name)]
            names = [field.name for field in known]
            return self._items([getattr(x, name) for name in names], partial(_instance, x, names))
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return self._items(list(x), lambda values: kind(*values))
        return None

    def _items(self, items: list, make: Callable, always: bool = False) -> Repack | None:
        parts = [self.read(item) for item in items]
        return _repack_items(items, parts, make) if always or any(parts) else None


def _pairs(kind: type, values: list) -> Any:
    return kind(zip(values[::2], values[1::2]))


def _instance(x: Any, names: list[str], values: list) -> Any:
    from raskr._hooks import check_dataclass

    check_dataclass(x)
    return dataclasses.replace(x, **dict(zip(names, values)))


def unpack_collections(*args: Any, traverse: bool = True) -> tuple[list, Callable]:
    """The collections in some objects, and a function that puts results in their places.

    Parameters
    ----------
    *args : object
        The objects.
    traverse : bool
        Look into lists, tuples, sets, dicts, data classes and named tuples.

    Returns
    -------
    collections : list
        The collections, each once.
    repack : callable
        Gives, for a sequence of results, a tuple of the objects with the results in place of the collections.

    Examples
    --------
    >>> import raskr
    >>> from raskr.base import unpack_collections
    >>> collections, repack = unpack_collections([raskr.delayed(1), 2])
    >>> repack(["one"])
    (['one', 2],)
    """
    unpacker = _Unpacker(traverse)
    parts = [unpacker.read(arg) for arg in args]
    return unpacker.collections, _repack_items(list(args), parts, tuple)


# --- computing --------------------------------------------------------------------------------------------------------
def _native_item(collection: Any) -> Any:
    """What the engine computes for a collection of raskr's own; None for a foreign one."""
    if isinstance(collection, core.Delayed):
        return collection
    expr = getattr(collection, "_expr", None)
    return expr if type(expr) is getattr(core, "Expr", None) else None


def _foreign_graph(collections: Sequence, optimize_graph: bool, **kwargs: Any) -> dict:
    """One graph of the tasks of foreign collections, each kind optimized by its own rules."""
    groups: dict[Any, list] = {}
    for collection in collections:
        groups.setdefault(getattr(collection, "__dask_optimize__", None), []).append(collection)
    merged: dict = {}
    for rewrite, members in groups.items():
        graph: dict = {}
        keys = []
        for member in members:
            graph.update(plain(member.__dask_graph__()))
            keys.append(member.__dask_keys__())
        if rewrite is not None and optimize_graph:
            graph = dict(plain(rewrite(graph, keys, **kwargs)))
        merged.update(graph)
    return merged


def _postcompute(collection: Any, values: Any) -> Any:
    finish, args = collection.__dask_postcompute__()
    return finish(values, *args)


def compute(
    *args: Any, traverse: bool = True, optimize_graph: bool = True, scheduler: Any = None, get: Any = None, **kwargs: Any
) -> tuple:
    """Compute several collections at once; what they share is computed once.

    Parameters
    ----------
    *args : object
        Collections, and objects with collections inside; others come back as they are.
    traverse : bool
        Look into lists, tuples, sets, dicts, data classes and named tuples.
    optimize_graph : bool
        Let foreign collections rewrite their graphs first.
    scheduler : str, callable or executor, optional
        Who runs the tasks: 'threads', 'sync', or a function that takes a graph and keys.
    **kwargs
        For the scheduler, such as `num_workers`.

    Returns
    -------
    tuple
        The computed objects.

    Examples
    --------
    >>> import raskr
    >>> a = raskr.delayed(max)([1, 2])
    >>> raskr.compute(a, {"sum": a + 3}, "x")
    (2, {'sum': 5}, 'x')
    """
    if args and scheduler is None and get is None and all(isinstance(arg, core.Delayed) for arg in args):
        collections, repack = args, tuple
    else:
        collections, repack = unpack_collections(*args, traverse=traverse)
    if not collections:
        if get is not None:
            raise TypeError(_GET_REMOVED)
        return args if repack is tuple else repack(())
    schedule = get_scheduler(get=get, scheduler=scheduler, collections=collections)
    return repack(_run(collections, schedule, optimize_graph, **kwargs))


def _run(collections: Sequence, schedule: Any, optimize_graph: bool, **kwargs: Any) -> list:
    items = [_native_item(collection) for collection in collections]
    if schedule not in _NATIVE:
        return _run_elsewhere(collections, schedule, optimize_graph, **kwargs)
    own = [item for item in items if item is not None]
    foreign = [collection for collection, item in zip(collections, items) if item is None]
    names: dict = {}
    wanted: list = []
    if foreign:
        graph = _foreign_graph(foreign, optimize_graph)
        wanted = wanted_keys([collection.__dask_keys__() for collection in foreign])
        nodes, names = nodes_and_names(graph, wanted)
        own = own + nodes
    options = {name: kwargs[name] for name in ("num_workers", "pool", "memory_limit", "callbacks") if name in kwargs}
    computed = local.run_nodes(own, _NATIVE[schedule], names=names, **options)
    if not foreign:
        return computed
    values = dict(zip(wanted, computed[len(own) - len(wanted) :]))
    results = iter(computed)
    return [
        next(results)
        if item is not None
        else _postcompute(collection, _as_lists(collection.__dask_keys__(), values))
        for collection, item in zip(collections, items)
    ]


def _as_lists(keys: Any, values: Mapping) -> Any:
    return [_as_lists(key, values) for key in keys] if isinstance(keys, list) else values[keys]


def _run_elsewhere(collections: Sequence, schedule: Callable, optimize_graph: bool, **kwargs: Any) -> list:
    """Have a scheduler that is not raskr's run one graph of all collections."""
    graph: dict = {}
    keys: list = []
    foreign = [collection for collection in collections if _native_item(collection) is None]
    if foreign:
        graph.update(_foreign_graph(foreign, optimize_graph))
    for collection in collections:
        item = _native_item(collection)
        if item is None:
            keys.append(collection.__dask_keys__())
            continue
        node = item if isinstance(item, core.Delayed) else item.node()
        own, [key] = core.graph_of([node])
        graph.update(own)
        keys.append(key)
    values = schedule(graph, keys, **kwargs)
    return [
        value if _native_item(collection) is not None else _postcompute(collection, value)
        for collection, value in zip(collections, values)
    ]


def persist(
    *args: Any, traverse: bool = True, optimize_graph: bool = True, scheduler: Any = None, **kwargs: Any
) -> tuple:
    """Compute several collections at once, and give collections that hold the results in memory.

    Parameters
    ----------
    *args : object
        Collections, and objects with collections inside; others come back as they are.
    traverse : bool
        Look into lists, tuples, sets, dicts, data classes and named tuples.
    optimize_graph : bool
        Let foreign collections rewrite their graphs first.
    scheduler : str, callable or executor, optional
        Who runs the tasks.
    **kwargs
        For the scheduler.

    Examples
    --------
    >>> import raskr
    >>> (x,) = raskr.persist(raskr.delayed(max)([1, 2]))
    >>> x.compute()
    2
    """
    collections, repack = unpack_collections(*args, traverse=traverse)
    if not collections:
        return args
    schedule = get_scheduler(scheduler=scheduler, collections=collections)
    options = {name: kwargs[name] for name in ("num_workers", "pool", "memory_limit", "callbacks") if name in kwargs}
    items = [_native_item(collection) for collection in collections]
    own = [item for item in items if item is not None]
    engine = _NATIVE.get(schedule, "threads")
    kept = iter(local.run_nodes(own, engine, keep_blocks=True, **options) if own else ())
    foreign = [collection for collection, item in zip(collections, items) if item is None]
    values: dict = {}
    if foreign:
        graph = _foreign_graph(foreign, optimize_graph)
        wanted = wanted_keys([collection.__dask_keys__() for collection in foreign])
        values = dict(zip(wanted, schedule(graph, wanted, **kwargs)))
    return repack(
        [
            _persisted(collection, next(kept)) if item is not None else _foreign_persisted(collection, values)
            for collection, item in zip(collections, items)
        ]
    )


def _persisted(collection: Any, item: Any) -> Any:
    if isinstance(collection, core.Delayed):
        return core.delayed_of_node(item, collection._length)
    held = collection.copy()
    held._replace(item)
    return held


def _foreign_persisted(collection: Any, values: Mapping) -> Any:
    rebuild, args = collection.__dask_postpersist__()
    return rebuild({key: values[key] for key in flatten([collection.__dask_keys__()])}, *args)


def optimize(*args: Any, traverse: bool = True, **kwargs: Any) -> tuple:
    """Equivalent collections whose graphs have been rewritten once, together.

    raskr's own collections are rewritten whenever they are computed, and come back as they are; this serves foreign
    ones.

    Parameters
    ----------
    *args : object
        Collections, and objects with collections inside; others come back as they are.
    traverse : bool
        Look into lists, tuples, sets, dicts, data classes and named tuples.
    **kwargs
        For the collections' own functions.

    Examples
    --------
    >>> import raskr
    >>> x, one = raskr.optimize(raskr.delayed(max)([1, 2]), 1)
    >>> x.compute(), one
    (2, 1)
    """
    collections, repack = unpack_collections(*args, traverse=traverse)
    foreign = [collection for collection in collections if _native_item(collection) is None]
    graph = _foreign_graph(foreign, True, **kwargs) if foreign else {}

    def rewritten(collection: Any) -> Any:
        if _native_item(collection) is not None:
            return collection
        rebuild, rest = collection.__dask_postpersist__()
        return rebuild(graph, *rest)

    return repack([rewritten(collection) for collection in collections])


def visualize(*args: Any, traverse: bool = True, filename: str | None = "mydask", **kwargs: Any) -> Any:
    """Draw the tasks of collections.

    Parameters
    ----------
    *args : object
        Collections, objects with collections inside, and raw graphs.
    traverse : bool
        Look into lists, tuples, sets, dicts, data classes and named tuples.
    filename : str or None
        The file to write; its ending says the format, png without one. None writes none.
    format : {'png', 'svg', 'dot'}, optional
        The format.
    optimize_graph : bool
        Draw what is run, rather than what was written.
    color : {None, 'order'}
        Colour tasks by the order in which they run.
    rankdir : {'BT', 'TB', 'LR', 'RL'}
        Where the graph leads to.

    Returns
    -------
    IPython.display.Image or SVG, or None
        The picture, where IPython is installed.

    Examples
    --------
    >>> import raskr, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "graph.svg")
    >>> _ = raskr.visualize(raskr.delayed(max)([1, 2]), filename=path)
    >>> os.path.exists(path)
    True
    """
    from raskr.dot import draw

    graphs = [arg for arg in args if isinstance(arg, Mapping) and not is_dask_collection(arg) and _is_graph(arg)]
    others = [arg for arg in args if not any(arg is graph for graph in graphs)]
    collections, _ = unpack_collections(*others, traverse=traverse)
    items: list = []
    for collection in collections:
        item = _native_item(collection)
        if item is not None:
            items.append(item)
        else:
            items.extend(nodes_and_names(collection.__dask_graph__(), wanted_keys(collection.__dask_keys__()))[0])
    for graph in graphs:
        items.extend(nodes_and_names(graph, list(graph))[0])
    return draw(items, filename=filename, **kwargs)


def _is_graph(mapping: Mapping) -> bool:
    from raskr.core import iskey

    return bool(mapping) and all(iskey(key) for key in mapping)


def compute_as_if_collection(
    cls: Any, dsk: Any, keys: Any, scheduler: Any = None, get: Any = None, **kwargs: Any
) -> Any:
    """The values of keys of a graph, by the scheduler and the rules of a class of collections.

    Parameters
    ----------
    cls : type
        The class.
    dsk : mapping
        Tasks by key.
    keys : key, or nested list of keys
        What is wanted.
    """
    schedule = get_scheduler(scheduler=scheduler, get=get, cls=cls) or threaded.get
    rewrite = getattr(cls, "__dask_optimize__", None)
    if rewrite is not None:
        dsk = rewrite(dsk, keys, **kwargs)
    return schedule(dsk, keys, **kwargs)


def node_of(collection: Any) -> Any:
    """The engine's node for the computed value of a collection; None where the object is no collection after all."""
    expr = getattr(collection, "_expr", None)
    if type(expr) is getattr(core, "Expr", None):
        return expr.node()
    graph = collection.__dask_graph__()
    if graph is None:
        return None
    rewrite = getattr(collection, "__dask_optimize__", None)
    keys = collection.__dask_keys__()
    if rewrite is not None:
        graph = rewrite(graph, keys)
    wanted = wanted_keys(keys)
    nodes = dict(zip(wanted, nodes_and_names(graph, wanted)[0]))
    finish, args = collection.__dask_postcompute__()
    return core.node_of_call(finish, (_as_lists(keys, nodes), *args), name="finalize")


# --- methods of collections -------------------------------------------------------------------------------------------
class DaskMethodsMixin:
    """Methods of everything that can be computed.

    A class that speaks the collection protocol (`__dask_graph__`, `__dask_keys__`, `__dask_postcompute__`,
    `__dask_postpersist__`, `__dask_scheduler__`) gets `compute`, `persist` and `visualize` from here.
    """

    __slots__ = ()

    def visualize(
        self, filename: str | None = "mydask", format: str | None = None, optimize_graph: bool = False, **kwargs: Any
    ) -> Any:
        """Draw the tasks of this collection; see `raskr.visualize`."""
        return visualize(self, filename=filename, format=format, optimize_graph=optimize_graph, **kwargs)

    def persist(self, **kwargs: Any) -> Any:
        """Compute this collection and keep the result in memory, as a collection; see `raskr.persist`."""
        (result,) = persist(self, traverse=False, **kwargs)
        return result

    def compute(self, **kwargs: Any) -> Any:
        """Compute this collection; see `raskr.compute`."""
        (result,) = compute(self, traverse=False, **kwargs)
        return result

    def __await__(self) -> Iterator:
        raise TypeError("a collection can be awaited only with a client of a cluster")


def get_name_from_key(key: Any) -> str:
    """The name of the collection that a key belongs to.

    Examples
    --------
    >>> from raskr.base import get_name_from_key
    >>> get_name_from_key(("sum-1234", 0, 1))
    'sum-1234'
    """
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return key[0]
    if isinstance(key, str):
        return key
    raise TypeError(f"Expected str or a tuple starting with str; got {key!r}")


def get_collection_names(collection: Any) -> set[str]:
    """The names of a collection's keys.

    Examples
    --------
    >>> import raskr
    >>> raskr.base.get_collection_names(raskr.delayed(1, name="one"))
    {'one'}
    """
    if not is_dask_collection(collection):
        raise TypeError(f"Expected a collection; got {type(collection)}")
    return {get_name_from_key(key) for key in flatten(collection.__dask_keys__())}


def replace_name_in_key(key: Any, rename: Mapping[str, str]) -> Any:
    """A key under another name of its collection.

    Examples
    --------
    >>> from raskr.base import replace_name_in_key
    >>> replace_name_in_key(("x", 0), {"x": "y"})
    ('y', 0)
    """
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return (rename.get(key[0], key[0]), *key[1:])
    if isinstance(key, str):
        return rename.get(key, key)
    raise TypeError(f"Expected str or a tuple starting with str; got {key!r}")


def clone_key(key: Any, seed: Any) -> Any:
    """A new key of the same kind, the same for the same seed.

    Examples
    --------
    >>> from raskr.base import clone_key
    >>> clone_key("sum-1", 0) == clone_key("sum-1", 0), clone_key("sum-1", 0) == "sum-1"
    (True, False)
    """
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return (clone_key(key[0], seed), *key[1:])
    if isinstance(key, str):
        return f"{key_split(key)}-{tokenize(key, seed)}"
    raise TypeError(f"Expected str or a tuple starting with str; got {key!r}")
