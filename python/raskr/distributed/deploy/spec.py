"""`SpecCluster`: a cluster whose scheduler and workers are described, and which keeps to the description."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import itertools
import logging
import math
import time
import weakref
from collections.abc import Coroutine, Iterable, Mapping
from inspect import isawaitable
from typing import Any

from raskr import config
from raskr.distributed.core import Status
from raskr.distributed.deploy import _loop
from raskr.distributed.deploy.adaptive import Adaptive
from raskr.distributed.deploy.cluster import Cluster
from raskr.distributed.deploy.interface import ProcessInterface
from raskr.distributed.deploy.servers import Nanny, Scheduler, Worker, restart_delay
from raskr.distributed.security import Security
from raskr.utils import import_required, parse_bytes, parse_timedelta

__all__ = ["ProcessInterface", "SpecCluster"]

_log = logging.getLogger("raskr.distributed.deploy")
#: At the interpreter's end clusters that are still open have this long to end what they started.
_EXIT_TIME = 10.0
#: After so long without any worker that is said, and then every now and then.
_EMPTY_TIME = 3.0
#: A worker that the scheduler has lost may come back within this time.
_PATIENCE = 15.0


class SpecCluster(Cluster):
    """A cluster of what specs describe: `{"cls": a class like ProcessInterface, "options": its arguments}`.

    Whatever ends that should not have is started again: at once at first, every 30 seconds at last.

    Parameters
    ----------
    workers : dict, optional
        Specs of workers by name. A spec may have `group`, a list of endings: it then stands for several workers that are
        named so.
    scheduler : dict, optional
        The spec of the scheduler; one within this process by default.
    worker : dict, optional
        The spec of workers that `scale` adds.
    asynchronous : bool, default False
        Whether methods are to be awaited, the cluster itself included.
    loop : optional
        Of no effect.
    security : Security, optional
    silence_logs : bool or int, default False
        Of no effect: nothing is logged below a warning.
    name : str, optional
    shutdown_on_close : bool, default True
        Whether `close`, and the end of the program, end what was started.
    scheduler_sync_interval : float or str, default 1
        How often, in seconds, it is looked whether everything is as it ought to be.
    shutdown_scheduler : bool, default True
        Whether that includes the scheduler.

    Examples
    --------
    >>> from raskr.distributed import Nanny, Scheduler, SpecCluster
    >>> scheduler = {"cls": Scheduler, "options": {"dashboard": False}}
    >>> worker = {"cls": Nanny, "options": {"nthreads": 1}}
    >>> with SpecCluster({"small": worker}, scheduler, worker) as cluster:
    ...     cluster.scale(2)
    ...     sorted(map(str, cluster.plan))
    ['0', 'small']
    """

    _opened: weakref.WeakSet[SpecCluster] = weakref.WeakSet()

    def __init__(
        self,
        workers: Mapping[Any, Mapping[str, Any]] | None = None,
        scheduler: Mapping[str, Any] | None = None,
        worker: Mapping[str, Any] | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        security: Any = None,
        silence_logs: Any = False,
        name: str | None = None,
        shutdown_on_close: bool = True,
        scheduler_sync_interval: float | str = 1,
        shutdown_scheduler: bool = True,
    ) -> None:
        del silence_logs
        from raskr.distributed.deploy.servers import _as_security

        self.security: Security = _as_security(security)
        self.scheduler_spec = copy.copy(scheduler)
        self.worker_spec: dict[Any, Any] = dict(copy.copy(workers) or {})
        self.new_spec = copy.copy(worker)
        self.shutdown_on_close = shutdown_on_close
        self.shutdown_scheduler = shutdown_scheduler
        self._counter = itertools.count()
        self._deaths: dict[Any, tuple[int, float]] = {}
        self._leaving: set[asyncio.Task] = set()
        self._begun: set = set()
        self._retirements: set[asyncio.Task] = set()
        self._reconciler: asyncio.Task | None = None
        self._wake: asyncio.Event | None = None
        self._correcting: asyncio.Lock | None = None
        #: Those that are not wanted any more and give their values away.
        self._going: set = set()
        self._looked = 0.0
        self._empty_since = time.monotonic()
        #: Since when workers with a process have been unknown to the scheduler.
        self._unseen: dict[str, float] = {}
        self.workers = {}
        super().__init__(
            asynchronous=asynchronous, loop=loop, name=name, scheduler_sync_interval=scheduler_sync_interval
        )
        if not self._asynchronous:
            try:
                self.sync(self._start, asynchronous=False)
            except BaseException:
                # Nobody has the cluster to close it.
                self.sync(self._close, asynchronous=False)
                raise

    @classmethod
    def from_name(cls, name: str) -> SpecCluster:
        """A cluster of this program, by its name.

        Parameters
        ----------
        name : str
        """
        running = [cluster for cluster in cls._opened if cluster.status == Status.running and isinstance(cluster, cls)]
        for cluster in running:
            if cluster.name == name:
                return cluster
        names = ", ".join(repr(cluster.name) for cluster in running) or "none"
        raise ValueError(f"no {cls.__name__} {name!r} runs in this program; there are: {names}")

    # --- starting -----------------------------------------------------------------------------------------------------
    async def _start(self) -> None:
        if self.status == Status.closed:
            raise ValueError(f"{self._name_of_class} is closed: make a new one")
        if self.status != Status.created:
            return
        self.status = Status.starting
        self._wake = asyncio.Event()
        self._correcting = asyncio.Lock()
        SpecCluster._opened.add(self)
        if self.scheduler_spec is None:
            self.scheduler_spec = {"cls": Scheduler, "options": {"security": self.security}}
        self.scheduler = _made(self.scheduler_spec)
        if isawaitable(self.scheduler):
            self.scheduler = await self.scheduler
        self.status = Status.running
        await super()._start()
        await self._correct_state(starting=True)
        self._reconciler = asyncio.ensure_future(self._reconcile())

    async def _started(self) -> SpecCluster:
        await super()._started()
        if self.status == Status.running:
            # What was asked for before is done by then, too.
            await asyncio.gather(*map(asyncio.wrap_future, self._begun), return_exceptions=True)
            await asyncio.gather(*self._retirements, return_exceptions=True)
            await self._correct_state()
        return self

    # --- keeping to the description -----------------------------------------------------------------------------------
    async def _reconcile(self) -> None:
        """Brings what there is to what there ought to be, whenever something happens and every now and then."""
        assert self._wake is not None
        scheduler = asyncio.ensure_future(self.scheduler.finished()) if hasattr(self.scheduler, "finished") else None
        while self.status == Status.running:
            if scheduler is not None and scheduler.done():
                # A client has shut the cluster down, or it was idle for too long.
                self._log("the scheduler has ended")
                self._closer = asyncio.ensure_future(self._close())
                return
            await self._correct_state()
            self._tell_when_empty()
            watched = [asyncio.ensure_future(self._wake.wait())]
            watched += [asyncio.ensure_future(worker.finished()) for worker in self.workers.values() if _tells(worker)]
            ends = [] if scheduler is None else [scheduler]
            try:
                await asyncio.wait([*watched, *ends], timeout=self._sync_interval, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in watched:
                    task.cancel()
            self._wake.clear()

    async def _correct_state(self, starting: bool = False) -> None:
        """Starts the workers that are missing and ends those that are too many.

        While the cluster starts an error is the caller's; later what can't be started is tried again.
        """
        assert self._correcting is not None
        async with self._correcting:
            self._take_ended()
            await self._replace_lost()
            wanted = {*self.worker_spec, *self._going}
            surplus = [self.workers.pop(name) for name in list(self.workers) if name not in wanted]
            for worker in surplus:
                self._end(worker)
            now = time.monotonic()
            missing = [
                name
                for name in self.worker_spec
                if name not in self.workers and self._deaths.get(name, (0, 0))[1] <= now
            ]
            made = {name: self._make(name) for name in missing}
            # They are there from now on, so that a `close` in the meantime finds them.
            self.workers.update(made)
            outcomes = await asyncio.gather(*map(_begun, made.values()), return_exceptions=True)
            errors = [error for error in outcomes if isinstance(error, BaseException)]
            for name, outcome in zip(missing, outcomes):
                if isinstance(outcome, BaseException):
                    self._note_death(name, str(outcome))
                    worker = self.workers.pop(name, None)
                    if worker is not None and not starting:
                        self._end(worker)
            if starting and errors:
                self.worker_spec.clear()
                raise errors[0]
            if starting:
                await self._registered(
                    {str(name) for name, worker in made.items() if isinstance(worker, (Nanny, Worker))}
                )

    def _tell_when_empty(self) -> None:
        """Says that no worker is there where some ought to be: work waits then, and does not say why."""
        able = [worker for worker in self.workers.values() if hasattr(worker, "is_alive")]
        now = time.monotonic()
        if not self.worker_spec or len(able) < len(self.workers) or any(worker.is_alive() for worker in able):
            self._empty_since = now
        elif now - self._empty_since > _EMPTY_TIME:
            self._empty_since = now + _EMPTY_TIME
            _log.warning("%s: 0 of %d workers, restarting", self._name_of_class, len(self.plan))

    async def _registered(self, names: set[str]) -> None:
        """Waits until the scheduler has workers of these names."""
        while names - {str(worker["name"]) for worker in (await self._look())["workers"].values()}:
            self._take_ended()
            names &= {str(name) for name in self.workers}
            await asyncio.sleep(0.01)

    def _make(self, name: Any) -> Any:
        spec = self.worker_spec[name]
        cls, options = _class_of(spec), dict(spec.get("options", {}))
        options.setdefault("name", name)
        if self.token is not None and _takes_token(cls):
            options.setdefault("token", self.token)
        return cls(self._address_for(cls), **options)

    def _address_for(self, cls: type) -> str:
        outside = getattr(self.scheduler, "external_address", None)
        return outside or getattr(self.scheduler, "contact_address", None) or self.scheduler.address

    def _take_ended(self) -> None:
        """Notes which workers have ended."""
        for name, worker in list(self.workers.items()):
            status = getattr(worker, "status", Status.running)
            if status not in (Status.closed, Status.failed):
                continue
            del self.workers[name]
            meant = status == Status.closed and getattr(worker, "reason", None) in ("closed", "stopped", "lifetime")
            if meant:
                # It was retired: so many are wanted no longer.
                self.worker_spec.pop(name, None)
                self._log(f"worker {name} has left")
            elif name in self.worker_spec:
                self._note_death(name, getattr(worker, "reason", None) or status.name)

    async def _replace_lost(self) -> None:
        """Ends processes of workers that the scheduler has lost and that don't come back: frozen ones, for example."""
        patience = parse_timedelta(config.get("distributed.deploy.lost-worker-timeout", _PATIENCE))
        now = time.monotonic()
        able = {str(name): worker for name, worker in self.workers.items() if hasattr(worker, "is_alive")}
        if not able or now < self._looked + patience / 4:
            return
        self._looked = now
        seen = {str(worker["name"]) for worker in (await self._look())["workers"].values()}
        for name, worker in able.items():
            if name in seen or not worker.is_alive():
                self._unseen.pop(name, None)
            elif now - self._unseen.setdefault(name, now) > patience:
                del self._unseen[name]
                self._log(f"worker {name} was lost for {patience:g} s: its process is ended")
                await worker.kill(reason="lost")

    def _note_death(self, name: Any, why: str) -> None:
        deaths, _ = self._deaths.get(name, (0, 0.0))
        delay = restart_delay(deaths + 1)
        self._deaths[name] = (deaths + 1, time.monotonic() + delay)
        self._log(f"worker {name}: {why}")
        if self.status == Status.running and not self.quiet:
            _log.warning("worker %s: %s; started again in %g s", name, why, delay)

    def _end(self, worker: Any) -> None:
        """Ends a worker in the background."""
        task = asyncio.ensure_future(_closed(worker))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _change(self) -> None:
        """Has the reconciler look at once."""
        if self._wake is not None:
            _loop.loop().call_soon_threadsafe(self._wake.set)

    # --- ending -------------------------------------------------------------------------------------------------------
    async def _close(self) -> None:
        while self.status == Status.closing:
            await asyncio.sleep(0.02)
        if self.status == Status.closed:
            return
        began = self.status != Status.created
        self.status = Status.closing
        if self._adaptive is not None:
            self._adaptive.stop()
        if self._reconciler is not None and self._reconciler is not asyncio.current_task():
            self._reconciler.cancel()
        for task in self._retirements:
            task.cancel()
        if began and self.shutdown_on_close:
            # The scheduler tells clients and workers; what of these doesn't end by itself then is ended.
            if self.scheduler is not None and self.shutdown_scheduler:
                with contextlib.suppress(OSError, RuntimeError):
                    await self.scheduler.close()
            # Those that are about to start are in `workers` as well.
            await asyncio.gather(*map(_closed, self.workers.values()), *self._leaving, return_exceptions=True)
        self.workers.clear()
        self.worker_spec.clear()
        SpecCluster._opened.discard(self)
        self.status = Status.closed

    # --- scaling ------------------------------------------------------------------------------------------------------
    @property
    def plan(self) -> set:
        """The names of the workers that there ought to be."""
        return set(itertools.chain.from_iterable(map(self._names_of, list(self.worker_spec))))

    @property
    def requested(self) -> set:
        """The names of the workers that were started, whether or not they have come up."""
        return set(itertools.chain.from_iterable(map(self._names_of, list(self.workers))))

    def _names_of(self, name: Any) -> list:
        endings = self.worker_spec.get(name, {}).get("group")
        return [f"{name}{ending}" for ending in endings] if endings else [name]

    def _new_worker_name(self, worker_number: int) -> Any:
        """What the worker of a number is called; a subclass may choose."""
        return worker_number

    def new_worker_spec(self) -> dict[Any, Any]:
        """The spec of one more worker, by its name; a subclass may make them different."""
        if self.new_spec is None:
            raise ValueError(f"{self._name_of_class} has no spec for new workers: give it worker=")
        name = self._new_worker_name(next(self._counter))
        while name in self.worker_spec or name in self.workers:
            name = self._new_worker_name(next(self._counter))
        return {name: self.new_spec}

    @property
    def _supports_scaling(self) -> bool:  # type: ignore[override]
        return self.new_spec is not None or type(self).new_worker_spec is not SpecCluster.new_worker_spec

    def _threads_per_worker(self) -> int:
        options = (self.new_spec or {}).get("options", {})
        threads = options.get("nthreads", options.get("cores"))
        if not threads:
            raise ValueError("cores can't be counted: the spec of new workers doesn't say nthreads")
        return int(threads)

    def _memory_per_worker(self) -> int:
        options = (self.new_spec or {}).get("options", {})
        limit = options.get("memory_limit", options.get("memory"))
        if not limit or limit == "auto":
            raise ValueError("memory can't be counted: the spec of new workers doesn't say memory_limit")
        return parse_bytes(limit)

    def _count(self, n: float, memory: Any, cores: float | None) -> int:
        if memory is not None:
            n = max(n, math.ceil(parse_bytes(memory) / self._memory_per_worker()))
        if cores is not None:
            n = max(n, math.ceil(cores / self._threads_per_worker()))
        if n < 0 or n != n:
            raise ValueError(f"scale({n}): expected 0 or more workers")
        return int(n)

    def scale(self, n: int = 0, memory: Any = None, cores: float | None = None) -> Any:
        """Have this many workers; done when it is known what is to change, not when it has changed.

        Those that go first are those that have not come up yet, then those whose end costs least; they give their values
        to others before.

        Parameters
        ----------
        n : int, default 0
        memory : int or str, optional
            As many as have this much memory together, such as "100 GiB".
        cores : int, optional
            As many as have this many threads together.

        Examples
        --------
        >>> from raskr.distributed import LocalCluster
        >>> with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        ...     cluster.scale(3)
        ...     cluster.plan
        {0, 1, 2}
        """
        count = self._count(n, memory, cores)
        if self.status not in (Status.created, Status.running):
            raise RuntimeError(f"{self._name_of_class} is {self.status.name}")
        if count > len(self.worker_spec):
            while len(self.worker_spec) < count:
                self.worker_spec.update(self.new_worker_spec())
            self._change()
            return None
        return self._begun_now(self._shrink(count))

    def _begun_now(self, coroutine: Coroutine) -> Any:
        """Runs a coroutine whether or not anybody awaits it; waits for it unless the cluster is asynchronous."""
        future = _loop.start(coroutine)
        if self.asynchronous:
            self._begun.add(future)
            future.add_done_callback(self._begun.discard)
            return asyncio.wrap_future(future)
        return _loop.wait(future)

    async def _shrink(self, count: int) -> None:
        surplus = len(self.worker_spec) - count
        for name in [name for name in self.worker_spec if name not in self.workers][:surplus]:
            del self.worker_spec[name]
            surplus -= 1
        if surplus > 0 and self.status == Status.running:
            # The scheduler knows whose end costs least; those that it has not yet, or no longer, cost nothing.
            there = {str(worker["name"]) for worker in (await self._look())["workers"].values()}
            absent = [name for name in self.worker_spec if not self._members(name) & there][:surplus]
            remaining = len(there) - (surplus - len(absent))
            question = {"op": "adaptive", "minimum": remaining, "maximum": remaining, "wait_count": 1}
            answer = await self._ask(question) if len(absent) < surplus else {}
            self._let_go([*absent, *self._owners(answer.get("retire", []))][:surplus])
        self._change()

    async def scale_up(self, n: int = 0, memory: Any = None, cores: float | None = None) -> None:
        """Have this many workers, as `scale` does."""
        result = self.scale(n, memory, cores)
        if isawaitable(result):
            await result

    def scale_down(self, workers: Iterable) -> Any:
        """Let workers go, once their values are elsewhere.

        Parameters
        ----------
        workers : iterable of names
        """
        return self._begun_now(self._scale_down(list(workers)))

    async def _scale_down(self, workers: list) -> None:
        self._let_go(self._owners(workers))
        self._change()

    def _members(self, name: Any) -> set[str]:
        return {str(member) for member in self._names_of(name)}

    def _owners(self, workers: Iterable) -> list:
        """The specs that workers belong to, by the workers' names."""
        owners = {member: name for name in list(self.worker_spec) for member in self._members(name)}
        owners.update((str(name), name) for name in list(self.worker_spec))
        return list(dict.fromkeys(owners[str(worker)] for worker in workers if str(worker) in owners))

    def _let_go(self, names: list) -> None:
        """Has workers give their values away and end; they are wanted no longer from now on."""
        members = [member for name in names for member in self._names_of(name)]
        for name in names:
            del self.worker_spec[name]
        if not names:
            return
        self._going.update(names)
        self._log(f"workers {', '.join(map(str, names))} are let go")
        task = asyncio.ensure_future(self._retire(names, [str(member) for member in members]))
        self._retirements.add(task)
        task.add_done_callback(self._retirements.discard)

    async def _retire(self, names: list, members: list[str]) -> None:
        try:
            there = {str(worker["name"]) for worker in (await self._look())["workers"].values()}
            known = [member for member in members if member in there]
            if known:
                await self._ask({"op": "retire_workers", "names": known, "close": True}, None)
        except (OSError, RuntimeError, asyncio.TimeoutError, ValueError, KeyError) as error:
            # They have just died, for example; what is left of them is ended all the same.
            self._log(f"letting workers go: {error}")
        finally:
            self._going.difference_update(names)
            self._change()

    def adapt(
        self,
        Adaptive: type[Adaptive] = Adaptive,
        minimum: float = 0,
        maximum: float = math.inf,
        minimum_cores: int | None = None,
        maximum_cores: int | None = None,
        minimum_memory: str | None = None,
        maximum_memory: str | None = None,
        **kwargs: Any,
    ) -> Adaptive:
        """Have as many workers as the work asks for, from now on.

        Parameters
        ----------
        Adaptive : type, default Adaptive
            Who decides.
        minimum, maximum : int, default 0 and no limit
            Bounds of the number of workers.
        minimum_cores, maximum_cores : int, optional
            Bounds of their threads together.
        minimum_memory, maximum_memory : int or str, optional
            Bounds of their memory together.
        **kwargs
            `interval`, `wait_count` and `target_duration`.

        Examples
        --------
        >>> from raskr.distributed import LocalCluster
        >>> with LocalCluster(n_workers=0, threads_per_worker=2, dashboard_address=None) as cluster:
        ...     adaptive = cluster.adapt(minimum=0, maximum_cores=8)
        >>> adaptive.maximum
        4
        """
        if minimum_cores is not None:
            minimum = max(minimum, math.ceil(minimum_cores / self._threads_per_worker()))
        if maximum_cores is not None:
            maximum = min(maximum, maximum_cores // self._threads_per_worker())
        if minimum_memory is not None:
            minimum = max(minimum, math.ceil(parse_bytes(minimum_memory) / self._memory_per_worker()))
        if maximum_memory is not None:
            maximum = min(maximum, parse_bytes(maximum_memory) // self._memory_per_worker())
        return super().adapt(Adaptive=Adaptive, minimum=minimum, maximum=maximum, **kwargs)


def _class_of(spec: Mapping[str, Any]) -> Any:
    try:
        cls = spec["cls"]
    except (KeyError, TypeError):
        raise TypeError(f'expected a spec {{"cls": ..., "options": ...}}, not {spec!r}') from None
    if isinstance(cls, str):
        module, _, name = cls.rpartition(".")
        cls = getattr(import_required(module, f"a spec names {cls}, and there is no module {module}"), name)
    return cls


def _takes_token(cls: Any) -> bool:
    """Workers of other packages hand the token on if they have an argument for it."""
    try:
        return issubclass(cls, (Nanny, Worker)) or "token" in inspect.signature(cls).parameters
    except (TypeError, ValueError):
        return False


def _made(spec: Mapping[str, Any]) -> Any:
    return _class_of(spec)(**spec.get("options", {}))


async def _begun(worker: Any) -> None:
    await worker


async def _closed(worker: Any) -> None:
    result = worker.close()
    if isawaitable(result):
        await result


def _tells(worker: Any) -> bool:
    """Does it say by itself when it has ended?"""
    return hasattr(worker, "finished") and getattr(worker, "status", None) not in (Status.closed, Status.failed)


def close_all() -> None:
    """End the clusters that are still open; the interpreter's end does."""
    for cluster in list(SpecCluster._opened):
        if cluster.shutdown_on_close:
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError, OSError, RuntimeError):
                _loop.wait(_loop.start(cluster._close()), _EXIT_TIME)


_loop.at_exit(close_all)
