"""`Scheduler`, `Worker` and `Nanny`: what specs of raskr's own clusters start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from raskr import config
from raskr._bridge import core
from raskr.distributed import _worker_calls
from raskr.distributed.core import Status
from raskr.distributed.deploy import _loop, _sizes, worker_process
from raskr.distributed.deploy._child import Ended, WorkerChild, environment
from raskr.distributed.deploy.interface import ProcessInterface
from raskr.distributed.deploy.preloading import Preloads
from raskr.distributed.security import Security
from raskr.distributed.worker import worker_of
from raskr.system import CPU_COUNT
from raskr.utils import parse_timedelta

__all__ = ["Nanny", "Scheduler", "Worker", "restart_delay"]

_log = logging.getLogger("raskr.distributed.nanny")

#: A worker that has lived this long counts as one that can live: its next restart is immediate.
_HEALTHY_AFTER = 10.0
#: Seconds before the first, second, ... restart in a row of a process that does not live long.
_DELAYS = (0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


def restart_delay(short_lives: int) -> float:
    """Seconds to wait before a process is started again that has ended this often in a row soon after it began.

    Examples
    --------
    >>> from raskr.distributed.deploy.servers import restart_delay
    >>> restart_delay(1), restart_delay(100)
    (0.0, 30.0)
    """
    return _DELAYS[min(max(short_lives, 1), len(_DELAYS)) - 1]


def _seconds(name: str, given: Any, setting: str | None = None) -> float | None:
    if given is None and setting is not None:
        given = config.get(setting, None)
    if given is None:
        return None
    try:
        return parse_timedelta(given)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{name}={given!r}: expected seconds, or text such as '30s'") from error


def _as_security(given: Any) -> Security:
    if given is True:
        return Security.temporary()
    if isinstance(given, Mapping):
        return Security(**given)
    if given is None or given is False:
        return Security()
    if not isinstance(given, Security):
        raise TypeError(f"security={given!r}: expected a Security object, a mapping of its arguments, or True")
    return given


def _protocol(given: str | None, security: Security) -> str | None:
    """The scheme without its slashes; TLS where encryption is asked for."""
    if given:
        return given.removesuffix("://")
    return "tls" if security.require_encryption else None


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


class Scheduler(ProcessInterface):
    """A scheduler within this process, on threads of the engine.

    Parameters
    ----------
    host, port, interface, protocol : optional
        Where it listens: on this machine only, at a free port, where nothing is said.
    dashboard_address : str, optional
        Where the dashboard is; None for none.
    dashboard : bool, optional
        False for none.
    http_prefix : str, optional
        A path in front of the dashboard's own, for a proxy that passes it on.
    scheduler_file : path, optional
        Where to write what those who join need to know.
    security : Security, optional
    idle_timeout : float or str, optional
        Seconds without work after which the cluster ends.
    preload, preload_argv : optional
        Modules to load before.
    insecure : bool, default False
        Don't encrypt connections beyond this machine.
    **options
        Others of Dask's, of no effect here: `services`, `service_kwargs`, `blocked_handlers`, `validate` and the like.

    Examples
    --------
    >>> from raskr.distributed import Scheduler, SpecCluster
    >>> with SpecCluster(scheduler={"cls": Scheduler, "options": {"dashboard": False}}) as cluster:
    ...     cluster.scheduler_address
    'tcp://127.0.0.1:...'
    """

    _ignored = frozenset(
        "services service_kwargs blocked_handlers validate extensions loop plugins jupyter "
        "transition_counter_max contact_address allowed_failures worker_ttl scheduler_sync_interval".split()
    )

    def __init__(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        interface: str | None = None,
        protocol: str | None = None,
        dashboard_address: str | int | None = None,
        dashboard: bool | None = None,
        http_prefix: str | None = None,
        scheduler_file: str | None = None,
        security: Any = None,
        idle_timeout: float | str | None = None,
        preload: str | Sequence[str] | None = None,
        preload_argv: Sequence | None = None,
        insecure: bool = False,
        publish: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        unknown = sorted(set(options) - self._ignored)
        if unknown:
            raise TypeError(f"Scheduler has no options {', '.join(unknown)}")
        self.security = _as_security(security)
        self.handle: Any = None
        self.dashboard_link: str | None = None
        self.token: str | None = self.security.token
        self._preload = (preload, preload_argv)
        self._preloads: Preloads | None = None
        # A port alone is one on the default host.
        dashboard_address = f":{dashboard_address}" if isinstance(dashboard_address, int) else dashboard_address
        self._options = _given(
            host=host,
            port=port,
            interface=interface,
            protocol=_protocol(protocol, self.security),
            dashboard_address=None if dashboard is False else dashboard_address,
            dashboard_prefix=http_prefix,
            scheduler_file=None if scheduler_file is None else os.path.abspath(scheduler_file),
            token=self.token,
            idle_timeout=_seconds("idle_timeout", idle_timeout, "distributed.scheduler.idle-timeout"),
            insecure=insecure or None,
            publish=publish,
            **self.security.options("scheduler"),
        )

    async def start(self) -> None:
        self.status = Status.starting
        self._preloads = await _loop.call_in_thread(Preloads, *self._preload)
        self.handle = await _loop.call_in_thread(core.start_scheduler, self._options)
        self.address = self.handle.address
        self.token = self.handle.token
        self.dashboard_link = self.handle.dashboard_link
        self.security.token = self.token
        if self.address.startswith("tcp://") and "insecure" in self._options:
            _log.warning("%s: nothing is encrypted; who can read along on that network can take part", self.address)
        await _loop.call_in_thread(self._preloads.set_up, self)
        await super().start()

    @property
    def workers(self) -> dict[str, Any]:
        """The workers that are there, by address: objects with `address`, `name`, `nthreads`, `memory_limit` and others."""
        if self.handle is None or self.status != Status.running:
            return {}
        answer, _ = self.handle.ask(json.dumps({"op": "identity"}), [], None)
        told = json.loads(answer)["workers"]
        return {address: SimpleNamespace(**{**about, "address": address}) for address, about in told.items()}

    async def ask(self, question: dict[str, Any], timeout: float | None = None) -> Any:
        """The answer to a question, parsed."""
        answer, _ = await _loop.call_in_thread(self.handle.ask, json.dumps(question), [], timeout)
        return json.loads(answer)

    async def finished(self) -> None:
        """Wait until it has ended: closed, shut down by a client, or idle for too long."""
        while self.handle is not None and not self._event_finished.is_set():
            if await _loop.call_in_thread(self.handle.wait, 3600.0):
                break
        self.status = Status.closed

    async def close(self, **options: Any) -> None:
        if self.handle is not None and self.status != Status.closed:
            self.status = Status.closing
            if self._preloads is not None:
                await _loop.call_in_thread(self._preloads.tear_down, self)
            await _loop.call_in_thread(self.handle.close, options.get("reason", "the cluster was closed"))
        await super().close()


class _WorkerOptions:
    """The arguments that workers have in common, whether they are in this process or not."""

    _ignored = frozenset(
        "services service_kwargs silence_logs quiet validate reconnect loop dashboard dashboard_address http_prefix "
        "metrics startup_information extensions heartbeat_interval low_level_profiler profile_cycle_interval "
        "scheduler_sni contact_address listen_address nanny_port preload_nanny preload_nanny_argv worker_class "
        "transition_counter_max scheduler_ip scheduler_port config data executor plugins".split()
    )

    def __init__(
        self,
        kind: str,
        scheduler: str | None,
        *,
        scheduler_file: str | None = None,
        nthreads: int | None = None,
        memory_limit: Any = "auto",
        name: Any = None,
        resources: Any = None,
        local_directory: str | None = None,
        host: str | None = None,
        port: int | str | None = None,
        worker_port: int | str | None = None,
        interface: str | None = None,
        protocol: str | None = None,
        death_timeout: float | str | None = None,
        security: Any = None,
        preload: str | Sequence[str] | None = None,
        preload_argv: Sequence | None = None,
        lifetime: float | str | None = None,
        lifetime_stagger: float | str | None = None,
        lifetime_restart: bool | None = None,
        token: str | None = None,
        insecure: bool = False,
        **options: Any,
    ) -> None:
        unknown = sorted(set(options) - self._ignored)
        if unknown:
            raise TypeError(f"{kind} has no options {', '.join(unknown)}")
        for name_of, value in options.items():
            if name_of in ("data", "executor", "plugins") and value:
                raise NotImplementedError(f"{kind} takes no {name_of}: its values and threads are the engine's")
        self.security = _as_security(security)
        self.token = token or self.security.token
        self.nthreads = CPU_COUNT if nthreads is None else int(nthreads)
        if self.nthreads < 1:
            raise ValueError(f"nthreads={nthreads}: expected at least 1")
        self.lifetime_restart = bool(
            config.get("distributed.worker.lifetime.restart", False) if lifetime_restart is None else lifetime_restart
        )
        self.values = _given(
            scheduler_address=None if scheduler_file else scheduler,
            scheduler_file=None if scheduler_file is None else os.path.abspath(scheduler_file),
            name=None if name is None else str(name),
            nthreads=self.nthreads,
            memory_limit=_sizes.memory_limit(memory_limit, self.nthreads / CPU_COUNT),
            resources=_sizes.resources(resources or config.get("distributed.worker.resources", None)) or None,
            local_directory=None if local_directory is None else os.path.abspath(local_directory),
            host=host,
            port=int(worker_port or port or 0) or None,
            interface=interface,
            protocol=_protocol(protocol, self.security),
            insecure=insecure or None,
            death_timeout=_seconds("death_timeout", death_timeout, "distributed.worker.death-timeout"),
            preload=[preload] if isinstance(preload, str) else list(preload or ()) or None,
            preload_argv=list(preload_argv or ()) or None,
            lifetime=_seconds("lifetime", lifetime, "distributed.worker.lifetime.duration"),
            lifetime_stagger=_seconds("lifetime_stagger", lifetime_stagger, "distributed.worker.lifetime.stagger"),
            **self.security.options("worker"),
        )


def _address_of(scheduler: Any) -> str | None:
    """Schedulers are given by address, or as a cluster or a scheduler object."""
    if scheduler is None or isinstance(scheduler, str):
        return scheduler
    return getattr(scheduler, "scheduler_address", None) or scheduler.address


class Worker(ProcessInterface):
    """A worker within this process; Python functions run on threads of it.

    Parameters
    ----------
    scheduler : str
        The scheduler's address.
    nthreads : int, optional
        How many tasks run at a time; one for each processor by default.
    memory_limit : int, float or str, default "auto"
        In bytes; a share of the machine's memory, as a number up to 1.0 or "50%"; 0 for no limit.
    name, resources, local_directory, host, port, interface, protocol, death_timeout, security, preload : optional
        As with the command `raskr worker`.

    Examples
    --------
    >>> from raskr.distributed import Scheduler, SpecCluster, Worker
    >>> scheduler = {"cls": Scheduler, "options": {"dashboard": False}}
    >>> with SpecCluster({"a": {"cls": Worker, "options": {"nthreads": 1}}}, scheduler) as cluster:
    ...     cluster.observed
    {'a'}
    """

    def __init__(self, scheduler: Any = None, *, name: Any = None, **options: Any) -> None:
        address = _address_of(scheduler)
        super().__init__(scheduler=address, name=name)
        self._given = _WorkerOptions("Worker", address, name=name, **options)
        self.nthreads = self._given.nthreads
        self.handle: Any = None
        self.reason: str | None = None
        self.local_directory = ""
        self._preloads: Preloads | None = None

    @property
    def worker_address(self) -> str | None:
        """Where it listens."""
        return self.address

    async def start(self) -> None:
        self.status = Status.starting
        values = self._given.values
        self._preloads = await _loop.call_in_thread(Preloads, values.get("preload"), values.get("preload_argv"))
        await self._begin()
        await _loop.call_in_thread(self._preloads.set_up, self)
        await super().start()

    async def _begin(self) -> None:
        values = self._given.values
        self.local_directory = worker_process.make_folder(values.get("local_directory"))
        options = {**worker_process.native_options(values), "local_directory": self.local_directory}
        if self._given.token is not None:
            options["token"] = self._given.token
        try:
            self.handle = await _loop.call_in_thread(core.start_worker, options)
        except BaseException:
            await self._tidy()
            raise
        self.address = self.handle.address
        worker_process.register(self.handle.address, self)
        _worker_calls.watch_threads()
        self._watch = asyncio.ensure_future(self._follow(self.handle))

    async def _follow(self, handle: Any) -> None:
        while (reason := await _loop.call_in_thread(handle.wait, 3600.0)) is None:
            pass
        await self._tidy()
        if self.reason == "restart":
            self.reason = None
            await self._begin()
            return
        self.reason = reason
        self.status = Status.closed if reason in worker_process.MEANT else Status.failed
        self._event_finished.set()

    async def _tidy(self) -> None:
        await _loop.call_in_thread(shutil.rmtree, self.local_directory, True)

    def restart(self) -> None:
        """End it without ceremony and start it anew."""
        self.reason = "restart"
        self.handle.close()

    async def close(self, **options: Any) -> None:
        if self.handle is not None and self.status not in (Status.closed, Status.failed):
            self.status = Status.closing
            if self._preloads is not None:
                await _loop.call_in_thread(self._preloads.tear_down, self)
            await _loop.call_in_thread(_worker_calls.end, worker_of({"address": self.address}))
            self.handle.close()
            await asyncio.wait([self._watch], timeout=options.get("timeout") or worker_process.CLOSE_TIME)
        await super().close()


class Nanny(ProcessInterface):
    """A worker in a process of its own, which is started again when it dies.

    The first restart is immediate; a process that dies again and again is started every 30 seconds at last. One that ends
    because it was told to, by the scheduler or here, is not started again.

    Parameters
    ----------
    scheduler : str
        The scheduler's address.
    nthreads : int, optional
        How many tasks run at a time, each in a child process of the worker's; one for each processor by default.
    memory_limit : int, float or str, default "auto"
        In bytes; a share of the machine's memory, as a number up to 1.0 or "50%"; 0 for no limit.
    env : mapping, optional
        Variables of the worker's environment, beside those of this process.
    name, resources, local_directory, host, port, interface, protocol, death_timeout, security, preload, lifetime : optional
        As with the command `raskr worker`.

    Examples
    --------
    >>> from raskr.distributed import Nanny
    >>> Nanny("tcp://127.0.0.1:8786", nthreads=1, name="alice")
    <Nanny 'alice': created, threads: 1, restarts: 0>
    """

    def __init__(
        self, scheduler: Any = None, *, name: Any = None, env: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        address = _address_of(scheduler)
        super().__init__(scheduler=address, name=name)
        self._given = _WorkerOptions("Nanny", address, name=name, **options)
        self.nthreads = self._given.nthreads
        settings = config.get("distributed.nanny.environ", None) or {}
        self.env = {str(key): str(value) for key, value in {**settings, **dict(env or {})}.items()}
        self.child: WorkerChild | None = None
        #: How often the process was started again.
        self.restarts = 0
        #: Why the last process ended, in words.
        self.reason: str | None = None
        self._keeper: asyncio.Task | None = None

    @property
    def worker_address(self) -> str | None:
        """Where the worker listens."""
        return self.address

    @property
    def pid(self) -> int | None:
        """The process' id; None while there is none."""
        child = self.child
        return None if child is None or child.ended.done() else child.pid

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.pid is not None

    async def _launch(self) -> WorkerChild:
        values = self._given.values
        shown = [values["scheduler_address"]] if "scheduler_address" in values else []
        if self.name is not None:
            shown += ["--name", str(self.name)]
        folder = await _loop.call_in_thread(worker_process.make_folder, values.get("local_directory"))
        variables = environment(self._given.token, self.env)
        return await WorkerChild.start(shown, {**values, "folder": folder}, variables, folder)

    async def start(self) -> None:
        self.status = Status.starting
        self.child = child = await self._launch()
        try:
            self.address = await asyncio.shield(child.started)
        except RuntimeError as error:
            self.status = Status.failed
            self._event_finished.set()
            raise RuntimeError(f"worker {self.name} could not be started: {error}") from None
        except asyncio.CancelledError:
            child.kill()
            # Its folder goes with it, which nobody would wait for otherwise: whoever is in a hurry says so once more.
            while not child.ended.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([child.ended])
            raise
        await super().start()
        self._keeper = asyncio.ensure_future(self._keep(child))

    async def _keep(self, child: WorkerChild) -> None:
        """Starts the process again until its end is meant."""
        short_lives = 0
        while True:
            ended = await asyncio.shield(child.ended)
            self.reason = ended.words
            if self.status == Status.closing:
                return
            if self._is_meant(ended):
                self.status = Status.closed
                self._event_finished.set()
                return
            if ended.no_scheduler:
                # Another one would look for it in vain, too.
                self.status = Status.failed
                self._event_finished.set()
                return
            asked = ended.code == 0 and ended.reason in ("restart", "lifetime")
            if ended.code == 0:
                # It did as it was told.
                short_lives = 0
            else:
                short_lives = 1 if time.monotonic() - child.began > _HEALTHY_AFTER else short_lives + 1
            delay = restart_delay(short_lives)
            if not asked:
                later = f"in {delay:g} s" if delay else "now"
                _log.warning("worker %s: %s; started again %s", self.name, ended.words, later)
            await asyncio.sleep(delay)
            try:
                self.child = child = await self._launch()
            except OSError as error:
                # No process could be started: too many are there, or no memory is left.
                _log.warning("worker %s: %s", self.name, error)
                continue
            self.restarts += 1
            with contextlib.suppress(RuntimeError):
                self.address = await asyncio.shield(child.started)

    def _is_meant(self, ended: Ended) -> bool:
        if ended.code != 0:
            return False
        # "left" and "stopped" without being asked to are signals from outside: the place is to be filled again.
        return ended.reason == "closed" or ended.reason == "lifetime" and not self._given.lifetime_restart

    async def kill(self, timeout: float = 2.0, reason: str | None = None) -> None:
        """End the process; it is started again.

        Parameters
        ----------
        timeout : float, default 2
            Seconds that it has to end by itself.
        reason : str, optional
            For the log.
        """
        if self.child is not None:
            self.child.kill()
            await asyncio.wait([self.child.ended], timeout=timeout)

    async def restart(self, timeout: float = 30.0) -> str:
        """End the process and wait until the next one is there.

        Parameters
        ----------
        timeout : float, default 30
            In seconds.

        Returns
        -------
        str
            "OK", or "timed out".
        """
        before, limit = self.restarts, time.monotonic() + timeout
        await self.kill()
        while self.restarts == before or self.child is None or not self.child.started.done():
            if time.monotonic() > limit:
                return "timed out"
            await asyncio.sleep(0.02)
        return "OK"

    async def leave(self) -> None:
        """Have the worker give its values to others, and end it."""
        limit = worker_process.DRAIN_TIME + worker_process.CLOSE_TIME
        await self.close(timeout=limit, leave=True)

    async def close(self, timeout: float | None = None, leave: bool = False, **options: Any) -> None:
        if self.status not in (Status.closed, Status.failed):
            self.status = Status.closing
            child = self.child
            if child is not None:
                await child.close(worker_process.CLOSE_TIME if timeout is None else timeout, leave)
            if self._keeper is not None:
                self._keeper.cancel()
            if self.child is not None and self.child is not child:
                await self.child.close(0.0)
        await super().close()

    def __repr__(self) -> str:
        place = self.address or self.status.name
        return f"<Nanny {self.name!r}: {place}, threads: {self.nthreads}, restarts: {self.restarts}>"
