"""`Cluster`: what all clusters have in common, whoever starts their processes."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import time
import urllib.parse
import uuid
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any

from raskr import config
from raskr.distributed.core import Status
from raskr.distributed.deploy import _loop
from raskr.distributed.deploy.adaptive import Adaptive
from raskr.distributed.security import Security
from raskr.distributed.utils import Log, Logs
from raskr.utils import format_bytes, parse_timedelta

__all__ = ["Cluster"]

_NOBODY: dict[str, Any] = {"type": "Scheduler", "workers": {}, "services": {}}
#: Within this time a scheduler answers a question about itself.
_ANSWER_TIME = 10.0


class Cluster:
    """A scheduler and its workers: the base of all launchers.

    A subclass starts them in the coroutine `_start`, ends them in `_close`, and has `scheduler`, an object with `address`
    and the coroutine `ask`. `SpecCluster` does all this for processes that are described by specs.

    Parameters
    ----------
    asynchronous : bool, default False
        Whether methods are to be awaited.
    loop : optional
        Of no effect: clusters have an event loop of their own.
    quiet : bool, default False
        Keep what happens to workers out of the log.
    name : str, optional
        By which the cluster is found again; a random one by default.
    scheduler_sync_interval : float or str, default 1
        How often, in seconds, it is looked whether everything is as it ought to be.
    """

    _instances: weakref.WeakSet[Cluster] = weakref.WeakSet()
    _supports_scaling = True

    #: What it is called; every cluster has a name of its own.
    name: str = ""

    def __init__(
        self,
        asynchronous: bool = False,
        loop: Any = None,
        quiet: bool = False,
        name: str | None = None,
        scheduler_sync_interval: float | str = 1,
    ) -> None:
        del loop
        self._asynchronous = asynchronous
        self._sync_interval = parse_timedelta(scheduler_sync_interval)
        self._adaptive: Adaptive | None = None
        self._info: dict[str, Any] = dict(_NOBODY)
        self._log_lines: list[tuple[float, str]] = []
        self.name = str(uuid.uuid4())[:8] if name is None else name
        self.quiet = quiet
        self.scheduler: Any = None
        self.security = getattr(self, "security", None) or Security()
        self.status = Status.created
        self.workers: dict[Any, Any] = getattr(self, "workers", None) or {}
        Cluster._instances.add(self)

    # --- starting and ending ------------------------------------------------------------------------------------------
    async def _start(self) -> None:
        self.status = Status.running

    async def _close(self) -> None:
        if self.status == Status.closed:
            return
        self.status = Status.closing
        if self._adaptive is not None:
            self._adaptive.stop()
        self.status = Status.closed

    def close(self, timeout: float | None = None) -> Any:
        """End every process of the cluster.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which TimeoutError is raised if something still runs.
        """
        if self.status == Status.closed:
            return self._done() if self.asynchronous else None
        return self.sync(self._close, callback_timeout=timeout)

    async def _done(self) -> None:
        pass

    def __enter__(self) -> Cluster:
        if self._asynchronous:
            raise TypeError("this cluster is asynchronous: use `async with`")
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def _started(self) -> Cluster:
        if self.status == Status.created:
            await self._start()
        return self

    def __await__(self) -> Generator[Any, Any, Cluster]:
        return self._elsewhere(self._started()).__await__()

    async def __aenter__(self) -> Cluster:
        return await self

    async def __aexit__(self, *error: object) -> None:
        await self._elsewhere(self._close())

    async def _elsewhere(self, coroutine: Coroutine) -> Any:
        """Awaits, on the caller's loop, what runs on that of clusters."""
        if _loop.on_loop():
            return await coroutine
        return await asyncio.wrap_future(_loop.start(coroutine))

    # --- waiting ------------------------------------------------------------------------------------------------------
    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which the cluster keeps its workers; it has a thread of its own."""
        return _loop.loop()

    @property
    def called_from_running_loop(self) -> bool:
        """Whether an event loop runs on the calling thread."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    @property
    def asynchronous(self) -> bool:
        """Whether methods give something to await."""
        return self._asynchronous or _loop.on_loop()

    def sync(
        self,
        func: Callable[..., Coroutine],
        *args: Any,
        asynchronous: bool | None = None,
        callback_timeout: float | str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run a coroutine function on the cluster's loop.

        Parameters
        ----------
        func : coroutine function
        *args, **kwargs
            Its arguments.
        asynchronous : bool, optional
            Whether to give something to await in place of the result; as the cluster is by default.
        callback_timeout : float or str, optional
            Seconds after which TimeoutError is raised.
        """
        timeout = None if callback_timeout is None else parse_timedelta(callback_timeout)
        if self.asynchronous if asynchronous is None else asynchronous:
            return self._elsewhere(asyncio.wait_for(func(*args, **kwargs), timeout))
        future = _loop.start(func(*args, **kwargs))
        try:
            return _loop.wait(future, timeout)
        except (TimeoutError, asyncio.TimeoutError) as error:
            if future.done() and not future.cancelled():
                raise
            raise TimeoutError(f"{func.__name__.lstrip('_')} took more than {timeout:g} s") from error

    # --- the scheduler ------------------------------------------------------------------------------------------------
    @property
    def scheduler_address(self) -> str:
        """Where the scheduler is reached; empty before it runs.

        Examples
        --------
        >>> from raskr.distributed import LocalCluster
        >>> with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        ...     cluster.scheduler_address
        'tcp://127.0.0.1:...'
        """
        return "" if self.scheduler is None else (self.scheduler.address or "")

    @property
    def token(self) -> str | None:
        """The cluster's secret, for those who join; None when this process doesn't know it."""
        return getattr(self.scheduler, "token", None) or self.security.token

    @property
    def dashboard_link(self) -> str:
        """Where the dashboard is; empty when there is none."""
        link = getattr(self.scheduler, "dashboard_link", None) or self.scheduler_info.get("dashboard_link") or ""
        template = config.get("distributed.dashboard.link", None)
        port = self._info.get("services", {}).get("dashboard")
        if not link or not template or port is None:
            return link
        parts = urllib.parse.urlsplit(link)
        try:
            made = template.format(scheme="http", host=parts.hostname, port=port, **_environment())
        except KeyError:
            return link
        # Whatever stands in front of the page, it wants its token.
        return made if "?" in made else f"{made}?{parts.query}"

    async def _ask(self, question: dict[str, Any], timeout: float | None = _ANSWER_TIME) -> Any:
        """The scheduler's answer to a question."""
        if self.scheduler is None:
            raise RuntimeError(f"{self._name_of_class} has no scheduler: it is {self.status.name}")
        return await self.scheduler.ask(question, timeout)

    async def _look(self) -> dict[str, Any]:
        if self.scheduler is not None and self.status in (Status.starting, Status.running, Status.closing):
            # A scheduler that just ends has no answer: what was known last is what there is.
            with contextlib.suppress(OSError, RuntimeError, asyncio.TimeoutError, json.JSONDecodeError):
                self._info = await self._ask({"op": "identity"})
        return self._info

    @property
    def scheduler_info(self) -> dict[str, Any]:
        """What the scheduler says of itself and of its workers, by address."""
        if self.scheduler is None or self.status == Status.closed or _loop.on_loop():
            return self._info
        return _loop.wait(_loop.start(self._look()))

    def get_client(self) -> Any:
        """A client of this cluster: the current one, if it is such, or else a new one.

        Examples
        --------
        >>> from raskr.distributed import LocalCluster
        >>> with LocalCluster(n_workers=1, dashboard_address=None) as cluster, cluster.get_client() as client:
        ...     client.submit(sum, [1, 2]).result()
        3
        """
        from raskr.distributed import Client

        try:
            current = Client.current()
        except ValueError:
            current = None
        if current is not None and current.cluster is self and current.status == "running":
            return current
        return Client(self, asynchronous=self._asynchronous)

    # --- workers ------------------------------------------------------------------------------------------------------
    @property
    def plan(self) -> set:
        """The names of the workers that there ought to be."""
        return set(self.workers)

    @property
    def requested(self) -> set:
        """The names of the workers that were started, whether or not they have come up."""
        return set(self.workers)

    @property
    def observed(self) -> set:
        """The names of the workers that the scheduler has."""
        known = {str(name): name for name in self.plan | self.requested}
        names = (worker["name"] for worker in self.scheduler_info["workers"].values())
        return {known.get(str(name), name) for name in names}

    def scale(self, n: int) -> None:
        """Have this many workers.

        Parameters
        ----------
        n : int
        """
        raise NotImplementedError(f"{self._name_of_class} has a fixed number of workers")

    def adapt(self, Adaptive: type[Adaptive] = Adaptive, **kwargs: Any) -> Adaptive:
        """Have as many workers as the work asks for, from now on.

        Parameters
        ----------
        Adaptive : type, default Adaptive
            Who decides.
        **kwargs
            Its arguments: `minimum`, `maximum`, `interval`, `wait_count`, `target_duration`.

        Examples
        --------
        >>> from raskr.distributed import LocalCluster
        >>> with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        ...     adaptive = cluster.adapt(minimum=0, maximum=4)
        >>> adaptive.maximum
        4
        """
        if not self._supports_scaling:
            raise NotImplementedError(f"{self._name_of_class} has a fixed number of workers")
        if self._adaptive is not None:
            self._adaptive.stop()
        options = {**getattr(self, "_adaptive_options", {}), **kwargs}
        self._adaptive_options = options
        self._adaptive = Adaptive(self, **options)
        return self._adaptive

    async def _wait_for_workers(self, n_workers: int, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            workers = (await self._look())["workers"].values()
            ready = sum(worker.get("status", "running") == "running" for worker in workers)
            if ready >= n_workers:
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Only {ready} of {n_workers} workers arrived within {timeout:g} s")
            if self.status in (Status.closed, Status.closing, Status.failed):
                raise RuntimeError(f"{ready} of {n_workers} workers are there, and the cluster is {self.status.name}")
            await asyncio.sleep(0.05)

    def wait_for_workers(self, n_workers: int, timeout: float | str | None = None) -> Any:
        """Wait until at least this many workers are there.

        Parameters
        ----------
        n_workers : int
        timeout : float or str, optional
            Seconds after which TimeoutError is raised.
        """
        if not isinstance(n_workers, int) or n_workers < 1:
            raise ValueError(f"`n_workers` must be a positive integer. Instead got {n_workers!r}.")
        return self.sync(self._wait_for_workers, n_workers, None if timeout is None else parse_timedelta(timeout))

    # --- what happened ------------------------------------------------------------------------------------------------
    def _log(self, line: str) -> None:
        self._log_lines.append((time.time(), line))
        del self._log_lines[:-1000]

    async def _get_logs(self, cluster: bool, scheduler: bool, workers: bool | Iterable) -> Logs:
        logs = Logs()
        if cluster:
            stamp = "%Y-%m-%d %H:%M:%S"
            lines = (f"{time.strftime(stamp, time.localtime(when))} - {line}" for when, line in self._log_lines)
            logs["Cluster"] = Log("\n".join(lines))
        if not scheduler and not workers:
            return logs
        from raskr.distributed import Client

        def ask() -> None:
            named = list(workers) if isinstance(workers, Iterable) else None
            with Client(self, asynchronous=False, set_as_default=False) as client:
                if scheduler:
                    logs["Scheduler"] = Log(_as_text(client.get_scheduler_logs()))
                if workers:
                    found = client.get_worker_logs(workers=named)
                    logs.update({address: Log(_as_text(log)) for address, log in found.items()})

        await _loop.call_in_thread(ask)
        return logs

    def get_logs(self, cluster: bool = True, scheduler: bool = True, workers: bool | Iterable = True) -> Any:
        """What was logged, by who did it.

        Parameters
        ----------
        cluster, scheduler : bool, default True
            Whether to give what the launcher, and what the scheduler, have logged.
        workers : bool or list of addresses, default True
            Which workers' logs to give.

        Returns
        -------
        Logs
            A dict of text by "Cluster", "Scheduler" and workers' addresses.
        """
        return self.sync(self._get_logs, cluster, scheduler, workers)

    # --- looks --------------------------------------------------------------------------------------------------------
    @property
    def _name_of_class(self) -> str:
        return getattr(self, "_name", None) or type(self).__name__

    def _size(self) -> tuple[int, int, int, int]:
        """Workers that are there and that ought to be, their threads, their memory."""
        running = self.status != Status.closed
        workers = list(self.scheduler_info["workers"].values()) if running else []
        threads = sum(worker.get("nthreads", 0) for worker in workers)
        memory = sum(worker.get("memory_limit") or 0 for worker in workers)
        return len(workers), len(self.plan) if running else 0, threads, memory

    def __repr__(self) -> str:
        there, wanted, threads, memory = self._size()
        extra = f", memory={format_bytes(memory)}" if memory else ""
        place = f"{self.name}, {self.scheduler_address or 'not started'!r}"
        state = ", closed" if self.status == Status.closed else ""
        workers = f"workers={there}" if there == wanted else f"workers={there} of {wanted}"
        return f"{self._name_of_class}({place}, {workers}, threads={threads}{extra}{state})"

    def _repr_html_(self, cluster_status: str | None = None) -> str:
        there, wanted, threads, memory = self._size()
        link = html.escape(self.dashboard_link, quote=True)
        rows = [
            ("Status", html.escape(self.status.name)),
            ("Scheduler", html.escape(self.scheduler_address)),
            ("Dashboard", f'<a href="{link}" target="_blank">{link}</a>' if link else "none"),
            ("Workers", f"{there} of {wanted}"),
            ("Threads", str(threads)),
            ("Memory", format_bytes(memory) if memory else "without limit"),
        ]
        table = "".join(
            f'<tr><td style="text-align: left"><b>{name}</b></td><td>{text}</td></tr>' for name, text in rows
        )
        title = f"<h3>{html.escape(self._name_of_class)}</h3><p>{html.escape(str(self.name))}</p>"
        return f"<div>{title}<table>{table}{cluster_status or ''}</table></div>"


def _as_text(log: Any) -> str:
    """A log as text: clients give it as such, or as pairs of level and line."""
    if isinstance(log, str):
        return log
    return "\n".join(line[-1] if isinstance(line, (tuple, list)) else str(line) for line in log)


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name not in ("scheme", "host", "port", "RASKR_TOKEN")}
