"""`Client`: the way into a cluster; and which client is meant where none is named."""

import asyncio
import contextlib
import contextvars
import functools
import json
import logging
import os
import secrets
import threading
import weakref
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from typing import Any

from raskr import config
from raskr._bridge import core
from raskr.distributed._client_gather import ClientGather
from raskr.distributed._client_graphs import ClientGraphs
from raskr.distributed._client_looks import ClientLooks
from raskr.distributed._client_more import ClientMore
from raskr.distributed._client_questions import ClientQuestions, SchedulerPlace
from raskr.distributed._client_submit import ClientSubmit
from raskr.distributed._conversation import converse, seconds
from raskr.distributed._notices import Notices
from raskr.distributed.completion import ALL_COMPLETED, FIRST_COMPLETED, as_completed, wait
from raskr.distributed.deploy._loop import at_exit, call_in_thread
from raskr.distributed.exceptions import ClosedClientError
from raskr.distributed.future import Future, FutureCancelledError, FuturesCancelledError, owners
from raskr.distributed.futures_in import fire_and_forget, futures_of
from raskr.utils import parse_bytes

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "Client",
    "ClosedClientError",
    "Future",
    "FutureCancelledError",
    "FuturesCancelledError",
    "as_completed",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "wait",
]

_log = logging.getLogger("raskr.distributed.client")

#: What collections are computed by while a client is the default.
SCHEDULER = "dask.distributed"

_current: contextvars.ContextVar["Client"] = contextvars.ContextVar("_current_client")
# Clients that were made the default, the last one last.
_defaults: list["Client"] = []
_open: "weakref.WeakSet[Client]" = weakref.WeakSet()
_of_this_worker: list["Client"] = []
_lock = threading.RLock()


class Client(ClientSubmit, ClientGather, ClientGraphs, ClientQuestions, ClientLooks, ClientMore):
    """The way into a cluster: submits calls and graphs, and fetches what they give.

    Parameters
    ----------
    address : str, cluster or int, optional
        The scheduler's address such as ``"tcp://127.0.0.1:8786"``, or a cluster such as a `LocalCluster`. Without one the
        setting `scheduler-address` counts; without that either, a cluster is started on this machine, with the other
        arguments, and closed with the client. Clusters of the same user are found with their token; for others
        ``RASKR_TOKEN`` or the scheduler file has it.
    timeout : number, str or timedelta, optional
        How long to wait for the scheduler: by default a second where nothing listens, ten where nothing answers.
    set_as_default : bool, default True
        Whether collections are computed on the cluster from now on, until the client is closed.
    scheduler_file : path, optional
        A file that the scheduler wrote, waited for until it is there.
    security : Security, optional
        Certificates of yours; True for encryption within this machine.
    asynchronous : bool, default False
        Whether the methods that wait give something to await instead.
    name : str, optional
        A part of the client's name at the scheduler.
    direct_to_workers : bool, optional
        Kept as the attribute: values always come from the workers that have them.
    heartbeat_interval, loop, serializers, deserializers, extensions, connection_limit : optional
        Of no effect.
    **kwargs : object
        For the `LocalCluster` that is started where there is no address: ``n_workers``, ``threads_per_worker`` and others.

    Raises
    ------
    OSError
        Where nothing listens at the address, or something that is not a scheduler, or one with another token.
    TimeoutError
        Where nothing is answered in time.

    Examples
    --------
    >>> from raskr.distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1) as client:  # doctest: +SKIP
    ...     client.submit(sum, [1, 2]).result()
    3
    """

    def __init__(
        self,
        address: Any = None,
        loop: Any = None,
        timeout: Any = None,
        set_as_default: bool = True,
        scheduler_file: Any = None,
        security: Any = None,
        asynchronous: bool = False,
        name: str | None = None,
        heartbeat_interval: Any = None,
        serializers: Any = None,
        deserializers: Any = None,
        extensions: Any = None,
        direct_to_workers: bool | None = None,
        connection_limit: int = 512,
        **kwargs: Any,
    ) -> None:
        del loop, heartbeat_interval, serializers, deserializers, extensions, connection_limit
        self.direct_to_workers = (
            bool(name and name.startswith("worker-")) if direct_to_workers is None else direct_to_workers
        )
        self._asynchronous = asynchronous
        self._set_as_default = set_as_default
        self._timeout = seconds(timeout)
        self.name = self.id = f"Client-{name}-{secrets.token_hex(8)}" if name else f"Client-{secrets.token_hex(8)}"
        self.cluster: Any = None
        self.scheduler_file = scheduler_file
        self.status = "newly-created"
        self._native: Any = None
        self._notices: Notices | None = None
        self._own_cluster = False
        self._starting: asyncio.Future | None = None
        self._address = address
        self._kwargs = kwargs
        self._outer_scheduler: Any = None
        from raskr.distributed.deploy.servers import _as_security

        self.security = None if security is None else _as_security(security)
        self._choose()
        if not asynchronous:
            self._start_now()

    def _choose(self) -> None:
        """Find out what to connect to."""
        if self._address is None and self.scheduler_file is None:
            self.scheduler_file = config.get("scheduler-file", None)
        if self._address is None and self.scheduler_file is None:
            self._address = config.get("scheduler-address", None)
        if hasattr(self._address, "scheduler_address") and not isinstance(self._address, type):
            self.cluster = self._address
        elif self._address is not None and not isinstance(self._address, str):
            raise TypeError(f"Scheduler address must be a string or a Cluster instance, got {self._address!r}")
        if self.cluster is None and (self._address is not None or self.scheduler_file is not None) and self._kwargs:
            unknown = ", ".join(sorted(self._kwargs))
            raise ValueError(f"Unexpected keyword arguments: {unknown}; they are for a cluster that is started here")

    def _options(self) -> dict[str, Any]:
        """What the engine connects with."""
        options: dict[str, Any] = {
            "name": self.name,
            "timeout": self._timeout,
            "about": json.dumps({"pid": os.getpid(), "asynchronous": self._asynchronous}),
            "kept_bytes": parse_bytes(config.get("distributed.client.kept-bytes", "256MiB")),
        }
        security = self.security
        if self.cluster is not None:
            options.update(address=self.cluster.scheduler_address, token=self.cluster.token)
            security = security or self.cluster.security
        elif self.scheduler_file is not None:
            options["scheduler_file"] = os.fspath(self.scheduler_file)
        else:
            options["address"] = self._address
        if security is not None:
            options.update(security.options("client"))
            if security.token is not None and options.get("token") is None:
                options["token"] = security.token
        return {name: value for name, value in options.items() if value is not None}

    def _start_now(self) -> None:
        if self._needs_cluster():
            from raskr.distributed.deploy.local import LocalCluster

            self.cluster = LocalCluster(**self._cluster_arguments())
            self._own_cluster = True
        try:
            self._connected(core.connect(self._options()))
            converse(self, self._hello())
        except BaseException:
            self._close_now()
            raise

    def _needs_cluster(self) -> bool:
        return self._address is None and self.scheduler_file is None and self.cluster is None

    def _cluster_arguments(self) -> dict[str, Any]:
        arguments = dict(self._kwargs)
        if self.security is not None:
            arguments.setdefault("security", self.security)
        return arguments

    def _hello(self) -> Generator:
        """The first questions, but for clients within tasks."""
        if not self.name.startswith("Client-worker-"):
            yield from self._first_questions()

    async def _start(self) -> "Client":
        if self._needs_cluster():
            from raskr.distributed.deploy.local import LocalCluster

            self.cluster = LocalCluster(asynchronous=True, **self._cluster_arguments())
            self._own_cluster = True
        try:
            if self.cluster is not None and hasattr(self.cluster, "__await__"):
                await self.cluster
            self._connected(await call_in_thread(core.connect, self._options()))
            await converse(self, self._hello())
        except BaseException:
            await self._close_async(None)
            raise
        return self

    def _connected(self, native: Any) -> None:
        self._native = native
        owners[id(native)] = self
        self._notices = Notices(self)
        self.status = "running"
        self._kept = threading.local()
        with _lock:
            _open.add(self)
            if self._set_as_default:
                self._become_default()

    # --- default ------------------------------------------------------------------------------------------------------
    def _become_default(self) -> None:
        if not _defaults:
            self._outer_scheduler = config.get("scheduler", None)
        else:
            self._outer_scheduler = _defaults[0]._outer_scheduler
        _defaults.append(self)
        config.set(scheduler=SCHEDULER)

    def _cease_default(self) -> None:
        with _lock:
            _open.discard(self)
            while self in _defaults:
                _defaults.remove(self)
                self._cease_to_compute()
            if self in _of_this_worker:
                _of_this_worker.remove(self)

    def _cease_to_compute(self) -> None:
        if not _defaults and config.get("scheduler", None) == SCHEDULER:
            config.set(scheduler=self._outer_scheduler)

    @contextlib.contextmanager
    def as_current(self) -> Iterator["Client"]:
        """Make this the client that is meant where none is named, within a `with` block and its thread or task.

        Examples
        --------
        >>> from raskr.distributed import Client
        >>> with client.as_current():  # doctest: +SKIP
        ...     future = pickle.loads(data)
        """
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    @classmethod
    def current(cls, allow_global: bool = True) -> "Client":
        """The client of the innermost `as_current`, or else the default one.

        Parameters
        ----------
        allow_global : bool
            Whether the default one counts.
        """
        found = _current.get(None)
        if found is not None:
            return found
        if allow_global:
            return default_client()
        raise ValueError("Not running inside the `as_current` context manager")

    # --- life ---------------------------------------------------------------------------------------------------------
    @property
    def asynchronous(self) -> bool:
        """Whether methods that wait give something to await: so it was asked for, and this is an event loop's thread."""
        if not self._asynchronous:
            return False
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    @property
    def loop(self) -> Any:
        """The event loop of this thread, where there is one."""
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            return None

    @property
    def scheduler(self) -> Any:
        """What is known of the scheduler without asking; its `address` is what is wanted of it."""
        return None if self._native is None else SchedulerPlace(self._native.address)

    @property
    def dashboard_link(self) -> str:
        """Where the dashboard is; empty where there is none."""
        return self._about().get("dashboard_link") or self._about().get("dashboard") or ""

    def _about(self) -> dict[str, Any]:
        if self._native is None:
            return {}
        with contextlib.suppress(ValueError):
            return json.loads(self._native.about)
        return {}

    @property
    def futures(self) -> dict[str, str]:
        """Keys that this client holds futures of, with the status of each."""
        return {} if self._native is None else dict(self._native.keys())

    def start(self, **kwargs: Any) -> Any:
        """Connect; this happens by itself."""
        return self._start_async() if self.asynchronous else None

    def _start_async(self) -> Any:
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start())
        return self._starting

    def __await__(self) -> Generator[Any, None, "Client"]:
        return self._ready().__await__()

    async def _ready(self) -> "Client":
        if self.status == "newly-created":
            await self._start_async()
        return self

    async def __aenter__(self) -> "Client":
        return await self

    async def __aexit__(self, *exc: object) -> None:
        await self._close_async(None)

    def __enter__(self) -> "Client":
        if self._asynchronous:
            raise RuntimeError("an asynchronous client is entered with 'async with'")
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self, timeout: Any = None) -> Any:
        """Part from the cluster; a cluster that the client started is closed.

        Futures are released. What was submitted and `fire_and_forget` goes on.

        Parameters
        ----------
        timeout : number, str or timedelta, optional
            How long to wait until what was said last has been sent.
        """
        return self._close_async(timeout) if self.asynchronous else self._close_now(timeout)

    def _part(self, timeout: Any) -> None:
        native, self._native_closed = self._native, True
        if native is not None:
            native.close(2.0 if timeout is None else seconds(timeout) or 0.0)
        if self._notices is not None:
            self._notices.close()

    def _close_now(self, timeout: Any = None) -> None:
        if self.status == "closed":
            return
        self._cease_default()
        if self._native is not None:
            self._closed_more()
        self._part(timeout)
        self.status = "closed"
        if self._own_cluster and self.cluster is not None:
            self.cluster.close()

    async def _close_async(self, timeout: Any) -> None:
        if self.status == "closed":
            return
        self._cease_default()
        if self._native is not None:
            self._closed_more()
        await call_in_thread(self._part, timeout)
        self.status = "closed"
        if self._own_cluster and self.cluster is not None:
            closing = self.cluster.close()
            if closing is not None:
                await closing

    def _ended(self, reason: str) -> None:
        """The connection is gone."""
        if self.status == "running":
            self.status = "closed" if getattr(self, "_native_closed", False) else "lost"

    def _check(self) -> Any:
        """The connection, which has to be there."""
        if self._native is None:
            raise RuntimeError(f"{self.name} is not connected: await it first")
        ended = self._native.ended
        if ended is not None:
            if self.status == "closed":
                raise ClosedClientError(f"{self.name} is closed")
            raise OSError(f"{self._native.address}: the scheduler is gone: {ended}")
        return self._native

    # --- questions ----------------------------------------------------------------------------------------------------
    def _ask(self, op: dict[str, Any], buffers: Sequence[bytes] = (), timeout: Any = None) -> tuple[Any, list[bytes]]:
        """Ask the scheduler; gives the answer and buffers."""
        answer, data = self._check().ask(json.dumps(op), list(buffers), seconds(timeout))
        return json.loads(answer), data

    async def _ask_async(
        self, op: dict[str, Any], buffers: Sequence[bytes] = (), timeout: Any = None
    ) -> tuple[Any, list[bytes]]:
        return await call_in_thread(functools.partial(self._ask, op, buffers, timeout))

    def _on_thread(self, function: Callable, *args: Any) -> Any:
        """What a function that waits gives, to be awaited."""
        return call_in_thread(function, *args)

    def _either(self, function: Callable, *args: Any) -> Any:
        """Call a function that waits; where the client is asynchronous, something to await comes of it."""
        return call_in_thread(function, *args) if self.asynchronous else function(*args)

    def sync(self, func: Callable, *args: Any, asynchronous: bool | None = None, **kwargs: Any) -> Any:
        """Call a coroutine function and wait for what it gives; where the client is asynchronous, give the coroutine.

        Parameters
        ----------
        func : callable
            A coroutine function.
        *args, **kwargs
            Its arguments.
        asynchronous : bool, optional
            Whether to give the coroutine; by default as the client is.
        """
        coroutine = func(*args, **kwargs)
        if self.asynchronous if asynchronous is None else asynchronous:
            return coroutine
        return asyncio.run(coroutine)

    def _when_done(self, future: Any, function: Callable, direct: bool = False) -> None:
        """Call a function once a future is done; `direct` when it is quick and can't fail."""
        if self._notices is None:
            raise RuntimeError(f"{self.name} is not connected")
        self._notices.when_done(future, function, direct)

    def _keep(self, name: str, futures: Collection[Any]) -> None:
        """Keep the values of futures under a name, beyond the life of this client."""
        self._check().publish(name, list(futures))

    def _let_go(self, name: str) -> None:
        self._check().unpublish(name)

    def _known(self, key: Any) -> Any:
        """A future of a key that the scheduler knows."""
        return self._check().want([key])[0]


def default_client(c: Client | None = None) -> Client:
    """The client that is meant where none is named: `c` if it is one, the current one, or the one made last.

    Parameters
    ----------
    c : Client, optional
        A client.

    Raises
    ------
    ValueError
        Where there is none.
    """
    if c is not None:
        return c
    found = _current.get(None)
    if found is None:
        with _lock:
            found = next((client for client in reversed(_defaults) if client.status != "closed"), None)
    if found is None:
        raise ValueError(
            "No clients found\n"
            "Start a client and point it to the scheduler address\n"
            "  from raskr.distributed import Client\n"
            "  client = Client('ip-addr-of-scheduler:8786')\n"
        )
    return found


def get_client(address: str | None = None, timeout: Any = None, resolve_address: bool = True) -> Client:
    """The client that this code belongs to: within a task one of the task's own cluster, elsewhere the default one.

    Parameters
    ----------
    address : str, optional
        The scheduler's address, where it is to be a particular one.
    timeout : number, str or timedelta, optional
        How long connecting may take.
    resolve_address : bool
        Of no effect: addresses are compared as they are.

    Raises
    ------
    ValueError
        Where there is none.

    Examples
    --------
    >>> def total(numbers):
    ...     client = get_client()
    ...     return sum(client.gather(client.map(abs, numbers)))
    """
    place = os.environ.get("RASKR_SCHEDULER_ADDRESS")
    found = _current.get(None)
    if found is not None:
        return found
    try:
        found = default_client()
    except ValueError:
        found = None
    if found is not None and (address is None or found._native is None or found._native.address == address):
        return found
    if place is None and address is None:
        return default_client()
    with _lock:
        wanted = address or place
        for client in _of_this_worker:
            if client.status == "running" and (address is None or client._native.address == address):
                return client
        client = _worker_client(wanted, timeout)
        _of_this_worker.append(client)
        return client


def _worker_client(address: Any, timeout: Any) -> Client:
    """The client of this process, whose tasks' it is."""
    client = Client.__new__(Client)
    name = f"worker-{os.environ.get('RASKR_WORKER_NAME', os.getpid())}"
    # It becomes the default: collections that a task computes run on the cluster.
    Client.__init__(client, address, timeout=timeout, set_as_default=True, name=name)
    return client


def _close_all() -> None:
    for client in list(_open):
        with contextlib.suppress(Exception):
            client._close_now(1)


at_exit(_close_all)


def __getattr__(name: str) -> Any:
    from raskr.distributed import _client_names

    return _client_names.found(name)
