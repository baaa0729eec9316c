"""What a client computes: collections, and raw graphs."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from raskr import base, local, threaded
from raskr._bridge import core
from raskr._hooks import only_element
from raskr._unpack import held_in, is_dask_collection, unpack_collections
from raskr.core import flatten
from raskr.distributed._client_submit import task_options
from raskr.distributed.future import finishes
from raskr.graph import nodes_and_names, wanted_keys

__all__ = ["ClientGraphs"]


class ClientGraphs:
    """The part of a client that computes collections."""

    asynchronous: bool
    _check: Callable[[], Any]
    _either: Callable[..., Any]
    _gather_now: Callable[..., Any]

    def compute(
        self,
        collections: Any,
        sync: bool = False,
        optimize_graph: bool = True,
        workers: Any = None,
        allow_other_workers: bool = False,
        resources: Mapping[str, float] | None = None,
        retries: int = 0,
        priority: int = 0,
        fifo_timeout: Any = "60s",
        actors: Any = None,
        traverse: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Compute collections on the cluster.

        Parameters
        ----------
        collections : collection, or list of collections
            What to compute; other objects come back as they are.
        sync : bool, default False
            Whether to wait, and give values in place of futures.
        optimize_graph : bool, default True
            Whether foreign collections rewrite their graphs first.
        workers, allow_other_workers, resources, retries, priority, fifo_timeout, actors : optional
            As `submit` takes them, for all tasks.
        traverse : bool, default True
            Whether to look for collections inside of lists, dicts and the like.
        **kwargs : object
            For the rewriting of graphs.

        Returns
        -------
        Future, or list of futures
            Of the computed objects; the objects themselves with `sync`.

        Examples
        --------
        >>> import raskr
        >>> client.compute(raskr.delayed(sum)([1, 2])).result()  # doctest: +SKIP
        3
        """
        single = not isinstance(collections, (list, tuple, set, frozenset))
        items = [collections] if single else list(collections)
        if traverse:
            items = [_as_collection(item) for item in items]
        lazy = [item for item in items if is_dask_collection(item)]
        options = task_options(workers, resources, retries, priority, allow_other_workers) or None
        nodes = _wholes(lazy, optimize_graph, **kwargs)
        submitted = self._check().submit_items(nodes, options) if nodes else []
        made = iter(submitted)
        futures = [next(made) if is_dask_collection(item) else item for item in items]
        finishes.update((future, _only_element) for item, future in zip(lazy, submitted) if _is_number(item))
        if sync:
            return self._either(self._values, futures, single)
        return futures[0] if single else futures

    def _waited_for(self, futures: list) -> list:
        with _away():
            return self._gather_now(futures)

    def _values(self, futures: list, single: bool) -> Any:
        values = self._waited_for(futures)
        return values[0] if single else values

    def persist(
        self,
        collections: Any,
        optimize_graph: bool = True,
        workers: Any = None,
        allow_other_workers: bool | None = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = "60s",
        actors: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Begin to compute collections on the cluster, and keep what they give there.

        Parameters
        ----------
        collections : collection, or list of collections
            What to compute.
        optimize_graph : bool, default True
            Whether foreign collections rewrite their graphs first.
        workers, allow_other_workers, resources, retries, priority, fifo_timeout, actors : optional
            As `submit` takes them, for all tasks.

        Returns
        -------
        collection, or list of collections
            The same with futures in place of tasks. The values are kept as long as somebody has them.

        Examples
        --------
        >>> x = client.persist(x)  # doctest: +SKIP
        """
        single = not isinstance(collections, (list, tuple, set, frozenset))
        items = [collections] if single else list(collections)
        options = task_options(workers, resources, retries, priority, allow_other_workers)
        held = self._persisted(items, optimize_graph, options, **kwargs)
        return held[0] if single else held

    def normalize_collection(self, collection: Any) -> Any:
        """The collection, with futures of this client's in place of what is on the cluster already.

        Equal tasks have equal keys and are not run again anyway: the collection comes back as it is.
        """
        return collection

    def get(
        self,
        dsk: Any,
        keys: Any,
        workers: Any = None,
        allow_other_workers: bool | None = None,
        resources: Mapping[str, float] | None = None,
        sync: bool = True,
        asynchronous: bool | None = None,
        direct: bool | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = "60s",
        actors: Any = None,
        **kwargs: Any,
    ) -> Any:
        """The values of keys of a graph, computed on the cluster.

        Parameters
        ----------
        dsk : mapping
            Tasks by key.
        keys : key, or nested list of keys
            What is wanted.
        sync : bool, default True
            Whether to wait, and give values in place of futures.
        workers, allow_other_workers, resources, retries, priority, fifo_timeout, actors : optional
            As `submit` takes them, for all tasks.

        Examples
        --------
        >>> client.get({"x": 1, "y": (abs, "x")}, ["x", "y"])  # doctest: +SKIP
        [1, 1]
        """
        options = task_options(workers, resources, retries, priority, allow_other_workers)
        wanted = wanted_keys(keys)
        futures = self._submit_keys(dsk, wanted, options)
        if not sync:
            return _nested(keys, dict(zip(wanted, futures)))
        return self._either(self._values_of_keys, keys, wanted, futures)

    def _values_of_keys(self, keys: Any, wanted: list, futures: list) -> Any:
        return _nested(keys, dict(zip(wanted, self._waited_for(futures))))

    def _submit_keys(self, dsk: Any, wanted: list, options: dict | None = None) -> list:
        nodes, _ = nodes_and_names(dsk, wanted)
        return self._check().submit_items(nodes, options or None) if nodes else []

    # --- for `raskr.base` ---------------------------------------------------------------------------------------------
    def _compute_together(self, collections: Sequence, optimize_graph: bool, options: Mapping) -> list:
        """The computed objects of collections, of which what they share is computed once."""
        with _away():
            return self._computed_together(collections, optimize_graph, options)

    def _computed_together(self, collections: Sequence, optimize_graph: bool, options: Mapping) -> list:
        own = [item for item in map(base._native_item, collections) if item is not None]
        frames = [each for each in collections if _is_frame(each, optimize_graph)]
        foreign = [
            each for each in collections if base._native_item(each) is None and not _is_frame(each, optimize_graph)
        ]
        nodes: list = list(own)
        wanted: list = []
        if foreign:
            wanted, more = _foreign_nodes(foreign, optimize_graph)
            nodes += more
        results = frames[0]._results_elsewhere(frames) if frames else []
        nodes += [node for result in results if not _has_tables(result) for node in result.nodes]
        # What the engine has computed of frames becomes objects of pandas here, where pandas is loaded.
        tables = [table for result in results if _has_tables(result) for table in result.tables]
        try:
            made = self._check().submit_items([*nodes, *tables], _options(options), waited_for=True)
        except NotImplementedError:
            # Arrays are written to stores by this process alone, whose file appears when all of it is there.
            return base._run(collections, threaded.get, optimize_graph)
        values = iter(self._gather_now([future for item in made[: len(nodes)] for future in _listed(item)]))
        computed = [
            item.joined([next(values) for _ in blocks]) if isinstance(blocks, list) else next(values)
            for item, blocks in zip(nodes, made)
        ]
        natives, others = iter(computed[: len(own)]), dict(zip(wanted, computed[len(own) :]))
        parts = _parts(results, iter(computed[len(own) + len(wanted) :]), iter(made[len(nodes) :]))
        return [
            next(natives)
            if base._native_item(collection) is not None
            else base._postcompute(
                collection,
                next(parts)
                if _is_frame(collection, optimize_graph)
                else base._as_lists(collection.__dask_keys__(), others),
            )
            for collection in collections
        ]

    def _persist_together(self, collections: Sequence, optimize_graph: bool, options: Mapping) -> list:
        return self._persisted(list(collections), optimize_graph, dict(_options(options) or {}))

    def _persisted(self, items: list, optimize_graph: bool, options: dict, **kwargs: Any) -> list:
        native = self._check()
        if any(is_dask_collection(item) and held_in(item) is not None for item in items):
            collections, repack = unpack_collections(*items, traverse=False)
            return list(repack(self._persisted(collections, optimize_graph, options, **kwargs)))
        lazy = [item for item in items if is_dask_collection(item)]
        own = [item for item in lazy if base._native_item(item) is not None]
        foreign = [item for item in lazy if base._native_item(item) is None]
        nodes: list = [base._native_item(item) for item in own]
        wanted: list = []
        if foreign:
            wanted, more = _foreign_nodes(foreign, optimize_graph, **kwargs)
            nodes += more
        futures = native.submit_items(nodes, options or None) if nodes else []
        parts = iter(futures[: len(own)])
        values = dict(zip(wanted, futures[len(own) :]))
        held: list = []
        for item in items:
            if not is_dask_collection(item):
                held.append(item)
            elif base._native_item(item) is None:
                held.append(base._foreign_persisted(item, values))
            else:
                held.append(_held(item, _listed(next(parts))))
        return held


@contextlib.contextmanager
def _away() -> Iterator[None]:
    """A task that waits for others leaves its thread to them meanwhile; elsewhere nothing changes."""
    try:
        core.secede()
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        core.rejoin()


def _foreign_nodes(collections: Sequence, optimize_graph: bool, **kwargs: Any) -> tuple[list, list]:
    """The keys of what frames, and collections of other libraries, are made of, and the nodes that give it."""
    frames = [each for each in collections if _is_frame(each, optimize_graph)]
    others = [each for each in collections if not _is_frame(each, optimize_graph)]
    keys: list = []
    nodes: list = []
    if frames:
        keys += flatten([frame.__dask_keys__() for frame in frames])
        nodes += [node for part in frames[0]._nodes_together(frames, elsewhere=True) for node in part]
    if others:
        graph = base._foreign_graph(others, optimize_graph, **kwargs)
        wanted = wanted_keys([other.__dask_keys__() for other in others])
        keys += wanted
        nodes += nodes_and_names(graph, wanted)[0]
    return keys, nodes


def _options(options: Mapping) -> dict | None:
    """Those of the arguments of `compute` that are for tasks."""
    names = ("workers", "resources", "retries", "priority", "allow_other_workers")
    return task_options(**{name: options[name] for name in names if name in options}) or None


def _held(collection: Any, futures: list) -> Any:
    """A collection of raskr's own that stands on futures."""
    nodes = [future._node for future in futures]
    if isinstance(collection, core.Delayed):
        return core.delayed_of_node(nodes[0], collection._length)
    expr = collection._expr
    held = collection.copy()
    held._replace(core.Expr.from_nodes(nodes, expr.chunks, expr.dtype, expr.native, expr.name))
    return held


def _is_number(collection: Any) -> bool:
    """Is it an array without axes?"""
    return type(getattr(collection, "_expr", None)) is core.Expr and collection.ndim == 0


def _only_element(_: Any, value: Any) -> Any:
    return only_element(value)


def _listed(futures: Any) -> list:
    return futures if isinstance(futures, list) else [futures]


def _as_collection(item: Any) -> Any:
    """An object with collections inside as one collection."""
    if is_dask_collection(item) or isinstance(item, core.Future):
        return item
    found, _ = unpack_collections(item)
    if not found:
        return item
    from raskr.delayed import delayed

    return delayed(item)


def _is_frame(collection: Any, optimize_graph: bool) -> bool:
    """Is it a frame whose expressions may be rewritten together with others?"""
    return optimize_graph and hasattr(collection, "_nodes_together")


def _has_tables(result: Any) -> bool:
    """Does the engine compute the partitions of a frame's expression, as tables?"""
    return hasattr(result, "tables")


def _parts(results: Sequence, values: Iterator, futures: Iterator) -> Iterator[list]:
    """The partitions of frames: values that came, or objects of pandas that are made of tables on the cluster."""
    whole = []
    for result in results:
        if _has_tables(result):
            result.tables = [next(futures)._node for _ in result.tables]
            whole.append(result.whole_node())
    made = iter(local.run_nodes(whole, "threads") if whole else [])
    for result in results:
        yield [next(made)] if _has_tables(result) else [next(values) for _ in result.nodes]


def _wholes(collections: Sequence, optimize_graph: bool, **kwargs: Any) -> list:
    """The nodes of collections' computed values; frames are looked at together."""
    frames = [each for each in collections if _is_frame(each, optimize_graph)]
    parts = iter(frames[0]._nodes_together(frames, whole=True, elsewhere=True) if frames else [])
    return [
        base.finished_node(each, next(parts))
        if _is_frame(each, optimize_graph)
        else _whole(each, optimize_graph, **kwargs)
        for each in collections
    ]


def _whole(collection: Any, optimize_graph: bool, **kwargs: Any) -> Any:
    """The node of a collection's computed value."""
    if isinstance(collection, core.Delayed):
        return collection
    if getattr(collection, "_expr", None) is None and not optimize_graph and held_in(collection) is None:
        wanted = wanted_keys(collection.__dask_keys__())
        nodes = dict(zip(wanted, nodes_and_names(base._foreign_graph([collection], False, **kwargs), wanted)[0]))
        return base.finished_node(collection, base._as_lists(collection.__dask_keys__(), nodes))
    return base.node_of(collection)


def _nested(keys: Any, values: Mapping) -> Any:
    """The values of nested lists of keys, as nested lists."""
    return [_nested(key, values) for key in keys] if isinstance(keys, list) else values[keys]
