"""What a client submits: calls, many calls, and data of its own."""

import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from raskr._awaiting import awaited
from raskr._bridge import core
from raskr._pickling import unsent
from raskr.annotations import for_engine, get_annotations
from raskr.distributed._conversation import seconds
from raskr.utils import funcname

__all__ = ["ClientSubmit"]


def task_options(
    workers: Any = None,
    resources: Mapping[str, float] | None = None,
    retries: int | None = None,
    priority: Any = None,
    allow_other_workers: bool | None = None,
) -> dict[str, Any]:
    """What is asked for beside a task's value, as the engine takes it; what is not said here is as annotations in force say."""
    if allow_other_workers not in (True, False, None):
        raise TypeError(f"allow_other_workers={allow_other_workers!r}: expected True or False")
    if allow_other_workers and workers is None:
        raise ValueError("Only use allow_other_workers= if using workers=")
    annotations = get_annotations()
    found: dict[str, Any] = for_engine(annotations) if annotations else {}
    if workers is not None:
        if isinstance(workers, (str, int)):
            workers = [workers]
        found["workers"] = [str(worker) for worker in workers]
    if resources:
        found["resources"] = {str(name): float(amount) for name, amount in resources.items()}
    if retries:
        found["retries"] = int(retries)
    if priority:
        found["priority"] = int(priority)
    if allow_other_workers:
        found["allow_other_workers"] = True
    return found


class ClientSubmit:
    """The part of a client that submits."""

    asynchronous: bool
    _settled: Callable[[list, int | None], None]
    _check: Callable[[], Any]
    _either: Callable[..., Any]

    def submit(
        self,
        func: Callable,
        *args: Any,
        key: Any = None,
        workers: Any = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = "100 ms",
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Have a worker call a function.

        Parameters
        ----------
        func : callable
            The function.
        *args : object
            Its arguments. Futures among them, and in lists, tuples, sets and dicts, stand for their values.
        key : str or tuple, optional
            The task's name. Tasks of the same name are one task; equal calls of the same function have the same name where
            none is given.
        workers : str or iterable of str, optional
            Names, addresses or hosts of the workers that may run it.
        resources : mapping, optional
            What of the workers' `resources` it takes while it runs.
        retries : int, optional
            How often it is tried again when it fails.
        priority : int, default 0
            Larger runs sooner.
        fifo_timeout : optional
            Of no effect.
        allow_other_workers : bool, default False
            Whether others may run it while none of `workers` is there.
        actor, actors : bool, default False
            Whether the result, an object, stays on its worker, and its methods are called from elsewhere.
        pure : bool, default True
            Whether the call always gives the same for the same arguments; otherwise each call is a task of its own.
        **kwargs : object
            Keyword arguments of the function.

        Returns
        -------
        Future

        Examples
        --------
        >>> future = client.submit(pow, 2, 10)  # doctest: +SKIP
        >>> future.result()  # doctest: +SKIP
        1024
        """
        if not callable(func):
            raise TypeError("First input to submit must be a callable function")
        if actor or actors:
            from raskr.distributed.actor import submit_actor

            options = {
                "key": key,
                "workers": workers,
                "resources": resources,
                "retries": retries,
                "priority": priority,
                "allow_other_workers": allow_other_workers,
                "pure": pure,
            }
            return submit_actor(self, func, args, kwargs, options)
        native = self._check()
        options = task_options(workers, resources, retries, priority, allow_other_workers)
        func = awaited(func)
        return native.submit(func, args, kwargs or None, key, pure, options or None)

    def map(
        self,
        func: Callable,
        *iterables: Iterable,
        key: str | list | None = None,
        workers: Any = None,
        retries: int | None = None,
        resources: Mapping[str, float] | None = None,
        priority: int = 0,
        allow_other_workers: bool = False,
        fifo_timeout: Any = "100 ms",
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list:
        """Have workers call a function once for each item, or for the items that several iterables have at a place.

        Parameters
        ----------
        func : callable
            The function.
        *iterables : iterable
            Its arguments; the shortest says how many calls there are. Futures stand for their values.
        key : str or list of str, optional
            What the tasks' names begin with, or all names.
        workers, retries, resources, priority, allow_other_workers, fifo_timeout, actor, actors, pure : optional
            As `submit` takes them.
        batch_size : int, optional
            How many calls are submitted together; all of them where nothing is said.
        **kwargs : object
            Keyword arguments of all calls. What is large travels once.

        Returns
        -------
        list of Future

        Examples
        --------
        >>> futures = client.map(pow, [1, 2, 3], [2, 2, 2])  # doctest: +SKIP
        >>> client.gather(futures)  # doctest: +SKIP
        [1, 4, 9]
        """
        if not callable(func):
            raise TypeError("First input to map must be a callable function")
        if not iterables:
            raise ValueError("map takes at least one iterable")
        keys, name = self._keys_of_map(key)
        options = dict(
            workers=workers,
            resources=resources,
            retries=retries,
            priority=priority,
            allow_other_workers=allow_other_workers,
        )
        if actor or actors:
            calls = zip(*iterables)
            each = keys if keys is not None else itertools.repeat(None)
            return [
                self.submit(func, *args, key=own, actor=True, pure=pure, **options, **kwargs)
                for own, args in zip(each, calls)
            ]
        func, lists = awaited(func), [items if type(items) is list else list(items) for items in iterables]
        asked = task_options(**options) or None
        if not batch_size or batch_size < 1:
            return self._mapped(func, lists, kwargs, keys, name, pure, asked)
        futures: list = []
        for start in range(0, min(map(len, lists)), batch_size):
            end = start + batch_size
            some = [items[start:end] for items in lists]
            own = None if keys is None else keys[start:end]
            futures += self._mapped(func, some, kwargs, own, name, pure, asked)
        return futures

    def _mapped(
        self, func: Callable, lists: list, kwargs: dict, keys: list | None, name: str | None, pure: bool, options: Any
    ) -> list:
        native = self._check()
        return native.map(func, lists, kwargs or None, keys, name, pure, options)

    @staticmethod
    def _keys_of_map(key: Any) -> tuple[list | None, str | None]:
        """All keys, or what they begin with."""
        if key is None or isinstance(key, str):
            return None, key
        if isinstance(key, tuple):
            return None, str(key)
        return list(key), None

    def scatter(
        self,
        data: Any,
        workers: Any = None,
        broadcast: bool | int = False,
        direct: bool | None = None,
        hash: bool = True,
        timeout: Any = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Put objects on workers.

        Parameters
        ----------
        data : list, tuple, set, dict, iterator or object
            What to put there. Of containers each item becomes a future; the keys of a dict become theirs.
        workers : str or iterable of str, optional
            Where to put them; all workers count where nothing is said.
        broadcast : bool or int, default False
            True puts a copy on every worker, a number on so many.
        direct : bool, optional
            Of no effect: data always goes to workers directly.
        hash : bool, default True
            Whether equal objects have equal names, and are put there once.
        timeout : number, str or timedelta, optional
            How long to wait for workers that take them; `TimeoutError` is raised afterwards. By default the setting
            `distributed.comm.timeouts.connect`, or 30 seconds.
        asynchronous : bool, optional
            Of no effect.

        Returns
        -------
        Future, or futures in a container of the same kind
            Values of up to 10 MB are kept here as well, and sent again when every worker that has them is lost.

        Examples
        --------
        >>> client.scatter([1, 2])  # doctest: +SKIP
        [<Future: finished, key: int-5f2...>, <Future: finished, key: int-b10...>]
        """
        return self._either(self._scatter_now, data, workers, broadcast, hash, timeout)

    def _scatter_now(self, data: Any, workers: Any, broadcast: bool | int, hash: bool, timeout: Any) -> Any:
        native = self._check()
        keys, values, rebuild = _apart(data, hash)
        copies = None if broadcast is True else max(int(broadcast), 1)
        within = _scatter_limit(timeout)
        places: list[int] = []
        futures: list = list(values)
        for number, value in enumerate(values):
            if not isinstance(value, core.Future):
                places.append(number)
        named = None if keys is None else [keys[place] for place in places]
        sent = self._sent(native, named, [values[place] for place in places], copies)
        for place, future in zip(places, sent):
            futures[place] = future
        if not native.wait(sent, timeout=within):
            raise TimeoutError(f"No workers took the data within {within:g} s")
        if copies != 1:
            # A value that the cluster had before is not sent anew, and is on as many workers as it was.
            native.replicate(sent, copies)
            self._settled(sent, copies)
        if workers is not None:
            futures = self._moved(native, futures, workers, within)
        for future in futures:
            error = future._exception() if future.done() else None
            if error is not None:
                raise error
        return rebuild(futures)

    def _sent(self, native: Any, keys: list | None, values: list, copies: int | None) -> list:
        """Futures of objects that go to workers."""
        try:
            return native.scatter(keys, values, copies, True)
        except Exception as error:
            raise unsent(values, error) from error

    def _moved(self, native: Any, futures: list, workers: Any, within: float) -> list:
        """The same values on particular workers."""
        moved = native.map(_same, [futures], None, None, "scattered", True, task_options(workers))
        if not native.wait(moved, timeout=within):
            raise TimeoutError(f"None of the workers {workers!r} took the data within {within:g} s")
        return moved


def _same(value: Any) -> Any:
    return value


def _scatter_limit(timeout: Any) -> float:
    if timeout is None:
        from raskr import config

        timeout = config.get("distributed.comm.timeouts.connect", "30s")
    return seconds(timeout) or 30.0


def _apart(data: Any, hash: bool) -> tuple[list | None, list, Callable[[list], Any]]:
    """The keys (None: those of their content), the objects, and what makes the result of futures."""
    if isinstance(data, dict):
        values = list(data.values())
        return list(data), values, lambda futures: dict(zip(data, futures))
    kind: Any = type(data)
    if isinstance(data, (range, Iterator)) or hasattr(data, "__next__"):
        kind, data = list, list(data)
    if isinstance(data, (list, tuple, set, frozenset)) and kind in (list, tuple, set, frozenset):
        values = list(data)
        return _names(values, hash), values, kind
    return _names([data], hash), [data], lambda futures: futures[0]


def _names(values: list, hash: bool) -> list | None:
    if hash:
        return None
    return [f"{funcname(type(value))}-{uuid.uuid4().hex}" for value in values]
