"""What all collections share: computing, persisting, drawing, and finding collections inside other objects."""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any

from raskr import config, local, multiprocessing, threaded
from raskr._bridge import core
from raskr._names import clone_key, get_collection_names, get_name_from_key, replace_name_in_key
from raskr._unpack import held_in, is_dask_collection, unpack_collections
from raskr.annotations import annotate, get_annotations
from raskr.core import flatten
from raskr.graph import Graph, nodes_and_names, plain, wanted_keys
from raskr.highlevelgraph import HighLevelGraph
from raskr.tokenize import TokenizationError, normalize_token, tokenize

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

# What stands for the client of a cluster that was made last.
_OF_CLIENTS = ("dask.distributed", "distributed", "raskr.distributed")

# The schedulers that the engine runs by itself, without a graph being spelled out.
_NATIVE: dict[Any, str] = {local.get_sync: "sync", threaded.get: "threads", multiprocessing.get: "processes"}
_OPTIONS = ("num_workers", "pool", "memory_limit", "callbacks", "initializer", "mp_context", "chunksize")

_GET_REMOVED = """The get= keyword has been removed.

Use the scheduler= keyword with the name of a scheduler

    x.compute(scheduler='threads')
    x.compute(scheduler='sync')

or with a function that takes a graph and keys

    x.compute(scheduler=my_scheduler_function)
"""


def get_scheduler(get: Any = None, scheduler: Any = None, collections: Any = None, cls: Any = None) -> Callable | None:
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
    own = [_own_choice(collection) for collection in collections]
    if any(each is not own[0] for each in own):
        raise ValueError(
            "Compute called on multiple collections with differing default schedulers. Please specify a scheduler= "
            "parameter explicitly or globally with `raskr.config.set`."
        )
    return own[0]


# What Dask's own collections choose runs here on the engine.
_EQUIVALENT = {
    "dask.local": local.get_sync,
    "dask.multiprocessing": multiprocessing.get,
    "dask.threaded": threaded.get,
}


def _own_choice(collection: Any) -> Callable:
    choice = getattr(collection, "__dask_scheduler__", threaded.get)
    return _EQUIVALENT.get(getattr(choice, "__module__", ""), choice)


def _named(scheduler: Any) -> Callable:
    if isinstance(scheduler, str):
        found = named_schedulers.get(scheduler.lower())
        if found is not None:
            return found
        if scheduler.lower() in _OF_CLIENTS:
            from raskr.distributed.client import default_client

            return default_client().get
        import difflib

        near = difflib.get_close_matches(scheduler.lower(), named_schedulers, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(named_schedulers))}"
        raise ValueError(f"unknown scheduler {scheduler!r}: {hint}")
    executor = local.executor_of(scheduler)
    if executor is not None:
        return partial(multiprocessing.get_on_executor, executor)
    if callable(scheduler):
        return scheduler
    # A client of a cluster brings its own `get`.
    if hasattr(scheduler, "get"):
        return scheduler.get
    raise ValueError(
        f"unknown scheduler {scheduler!r}: expected a name, a function that takes a graph and keys, or an executor"
    )


# --- computing --------------------------------------------------------------------------------------------------------
def _native_item(collection: Any) -> Any:
    """What the engine computes for a collection of raskr's own; None for a foreign one."""
    if isinstance(collection, core.Delayed):
        return collection
    expr = getattr(collection, "_expr", None)
    return expr if type(expr) is getattr(core, "Expr", None) else None


def _foreign_graph(collections: Sequence, optimize_graph: bool, **kwargs: Any) -> Graph:
    """One graph of the tasks of foreign collections, each kind optimized by its own rules."""
    groups: dict[Any, list] = {}
    for collection in collections:
        groups.setdefault(getattr(collection, "__dask_optimize__", None), []).append(collection)
    merged = Graph()
    for rewrite, members in groups.items():
        graph = Graph()
        keys = []
        # Frames are rewritten together, so that a source that several of them use is read once.
        together = [member for member in members if hasattr(member, "_graph_together")]
        if together:
            graph.add(together[0]._graph_together(together))
        for member in members:
            if not hasattr(member, "_graph_together"):
                graph.add(plain(member.__dask_graph__()))
            keys.append(member.__dask_keys__())
        merged.add(plain(rewrite(graph, keys, **kwargs)) if rewrite is not None and optimize_graph else graph)
    return merged


def _postcompute(collection: Any, values: Any) -> Any:
    finish, args = collection.__dask_postcompute__()
    return finish(values, *args)


def compute(
    *args: Any,
    traverse: bool = True,
    optimize_graph: bool = True,
    scheduler: Any = None,
    get: Any = None,
    **kwargs: Any,
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
    if args and all(isinstance(arg, core.Delayed) for arg in args):
        collections, repack = args, tuple
    else:
        collections, repack = unpack_collections(*args, traverse=traverse)
    if not collections:
        if get is not None:
            raise TypeError(_GET_REMOVED)
        return args if repack is tuple else repack(())
    schedule = get_scheduler(get=get, scheduler=scheduler, collections=collections)
    try:
        results = _run(collections, schedule, optimize_graph, **kwargs)
    except Exception as error:
        raise _from_the_users_code(error)  # noqa: B904
    return repack(results)


def _from_the_users_code(error: Exception) -> Exception:
    """The error with a traceback that goes on, from here, with the function of the user's that failed."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").split(".")[0] == "raskr":
        traceback = traceback.tb_next
    return error.with_traceback(traceback)


def _run(collections: Sequence, schedule: Any, optimize_graph: bool, **kwargs: Any) -> list:
    client = _client_of(schedule)
    if client is not None:
        return client._compute_together(collections, optimize_graph, kwargs)
    items = [_native_item(collection) for collection in collections]
    if schedule not in _NATIVE or _has_own_workers(schedule, kwargs.get("pool")):
        return _run_elsewhere(collections, schedule, optimize_graph, **kwargs)
    engine = _NATIVE[schedule]
    options = {name: kwargs[name] for name in _OPTIONS if name in kwargs}
    together = [runs_natively(schedule) and hasattr(collection, "_nodes_together") for collection in collections]
    frames = [collection for collection, is_frame in zip(collections, together) if is_frame]
    foreign = [
        collection for collection, item, is_frame in zip(collections, items, together) if item is None and not is_frame
    ]
    own = [item for item in items if item is not None]
    parts = frames[0]._nodes_together(frames, whole=True) if frames else []
    nodes = [node for part in parts for node in part]
    names: dict = {}
    wanted: list = []
    if foreign:
        graph = _foreign_graph(foreign, optimize_graph)
        wanted = wanted_keys([collection.__dask_keys__() for collection in foreign])
        more, names = nodes_and_names(graph, wanted)
        if engine == "processes" and not own and _stays(graph):
            engine = "threads"
        nodes = nodes + more
    for collection, part in zip(frames, parts):
        names.update(zip((node.key for node in part), flatten([collection.__dask_keys__()])))
    computed = iter(local.run_nodes([*own, *nodes], engine, names=names, **options))
    values = iter([next(computed) for _ in own])
    tables = iter([[next(computed) for _ in part] for part in parts])
    others = dict(zip(wanted, computed))
    return [
        next(values)
        if item is not None
        else _postcompute(collection, next(tables) if is_frame else _as_lists(collection.__dask_keys__(), others))
        for collection, item, is_frame in zip(collections, items, together)
    ]


def _client_of(schedule: Any) -> Any:
    """The client of a cluster whose `get` this is; it takes collections as they are."""
    owner = getattr(schedule, "__self__", None)
    return owner if hasattr(owner, "_compute_together") else None


def is_of_client(schedule: Any) -> bool:
    """Does a cluster run the tasks?"""
    return _client_of(schedule) is not None


def runs_natively(schedule: Any) -> bool:
    """Does the engine run tasks on its own threads? Processes and other schedulers take no tables of the engine's."""
    return _NATIVE.get(schedule) in ("threads", "sync") and not _has_own_workers(schedule, None)


def _has_own_workers(schedule: Callable, pool: Any) -> bool:
    """Are tasks for workers of the user's, rather than the engine's?"""
    executor = local.executor_of(config.get("pool", None) if pool is None else pool)
    if executor is None or schedule is local.get_sync:
        return False
    return schedule is multiprocessing.get or not local.is_only_threads(executor)


def _stays(graph: Mapping) -> bool:
    """Does no task call Python for long, so that processes would only cost their start?"""
    return all(type(task) is tuple and task and getattr(task[0], "stays_here", False) for task in graph.values())


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
    client = _client_of(schedule)
    if client is not None:
        return repack(client._persist_together(collections, optimize_graph, kwargs))
    options = {name: kwargs[name] for name in _OPTIONS if name in kwargs}
    items = [_native_item(collection) for collection in collections]
    own = [item for item in items if item is not None]
    engine = _NATIVE.get(schedule, "threads")
    kept = iter(local.run_nodes(own, engine, keep_blocks=True, **options) if own else ())
    foreign = [collection for collection, item in zip(collections, items) if item is None]
    values: dict = {}
    frames = [
        collection for collection in foreign if hasattr(collection, "_nodes_together") and runs_natively(schedule)
    ]
    if frames:
        nodes = [node for part in frames[0]._nodes_together(frames) for node in part]
        keys = flatten([collection.__dask_keys__() for collection in frames])
        values.update(zip(keys, local.run_nodes(nodes, engine, **options)))
        foreign = [collection for collection in foreign if not hasattr(collection, "_nodes_together")]
    if foreign:
        graph = _foreign_graph(foreign, optimize_graph)
        wanted = wanted_keys([collection.__dask_keys__() for collection in foreign])
        values.update(zip(wanted, schedule(graph, wanted, **kwargs)))
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
    graph = HighLevelGraph.merge(_foreign_graph(foreign, True, **kwargs)) if foreign else None

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
        return core.node_of_source(expr.node(), expr, f"finalize-{expr.name}")
    held = held_in(collection)
    if held is not None:
        return _holders_node(collection, *held)
    graph = collection.__dask_graph__()
    if graph is None:
        return None
    rewrite = getattr(collection, "__dask_optimize__", None)
    keys = collection.__dask_keys__()
    if rewrite is not None:
        graph = rewrite(graph, keys)
    wanted = wanted_keys(keys)
    nodes = dict(zip(wanted, nodes_and_names(graph, wanted)[0]))
    return finished_node(collection, _as_lists(keys, nodes))


def _holders_node(holder: Any, collections: list, rebuild: Any) -> Any:
    """The node of an object of another library's with the computed values of the collections that it holds."""
    if not collections:
        return None
    key = f"{type(holder).__name__.lower()}-{tokenize(holder)}"
    return core.node_of_call(rebuild.empty(), (list(map(node_of, collections)),), key=key, name="rebuild")


def finished_node(collection: Any, parts: Any) -> Any:
    """The engine's node for what a collection makes of its computed parts."""
    finish, args = collection.__dask_postcompute__()
    key = f"finalize-{tokenize(collection)}"
    return core.node_of_call(finish, (parts, *args), key=key, name="finalize")


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

    def __await__(self) -> Generator[Any, None, Any]:
        # Once what a cluster has of it is done, the collection itself.
        from raskr.distributed.completion import settled

        return settled(self).__await__()


def collections_to_expr(collections: Any, optimize_graph: bool = True) -> Any:
    """The expression of a collection, or of several, for schedulers that take expressions; see `raskr._expr`."""
    from raskr._expr import collections_to_expr

    return collections_to_expr(collections, optimize_graph)
