"""The worker as tasks, plugins and functions run on it see it, and what a task may say to it."""

import builtins
import contextlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, TextIO

from raskr._bridge import core
from raskr.distributed import _worker_child
from raskr.distributed._conversation import current_client

__all__ = ["Worker", "get_worker", "print", "rejoin", "secede", "warn"]

_workers: dict[str, "Worker"] = {}
_called = threading.local()


class Worker:
    """A worker, as tasks that run on it see it. `get_worker` gives it.

    Attributes
    ----------
    address : str
        Where it listens for others that want values.
    name : str
        What it is called; numbers are text.
    id : str
        Its number at the scheduler, where that is known.
    local_directory : str
        Where its files are: what was uploaded, and what is spilled.
    nthreads : int
        How many tasks run at a time.
    memory_limit : int
        Bytes that it may hold; 0 where there is no limit.
    plugins : dict
        Plugins by their names.

    Examples
    --------
    >>> from raskr.distributed import Client, get_worker  # doctest: +SKIP
    >>> client = Client(n_workers=1)  # doctest: +SKIP
    >>> client.submit(lambda: get_worker().nthreads).result()  # doctest: +SKIP
    2
    """

    status = "running"

    def __init__(self, about: dict[str, Any]) -> None:
        self.address: str = about.get("address") or ""
        self.name: Any = about.get("name")
        self.id: str = str(about.get("id") or self.name)
        self.local_directory: str = about.get("local_directory") or ""
        self.nthreads: int = about.get("nthreads") or 1
        self.memory_limit: int = about.get("memory_limit") or 0
        self.total_resources: dict[str, float] = about.get("resources") or {}
        address = about.get("scheduler_address") or os.environ.get("RASKR_SCHEDULER_ADDRESS")
        self.scheduler = SimpleNamespace(address=address)
        self.plugins: dict[str, Any] = {}
        self.pid = os.getpid()

    @property
    def host(self) -> str:
        """The host part of its address."""
        return self.address.rpartition("://")[2].rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port of its address; 0 where it has none."""
        port = self.address.rpartition(":")[2]
        return int(port) if port.isdigit() else 0

    @property
    def client(self) -> Any:
        """A client of the worker's scheduler."""
        return current_client()

    def log_event(self, topic: Any, msg: Any) -> None:
        """Say something under a topic, as `Client.log_event` does.

        Parameters
        ----------
        topic : str, or list of str
            The topic, or several.
        msg : object
            Anything that can be pickled; a dict is told with the worker's address as ``"worker"``.
        """
        current_client().log_event(topic, {"worker": self.address, **msg} if isinstance(msg, dict) else msg)

    def get_current_task(self) -> str:
        """The key of the task that calls this; `ValueError` is raised where none does."""
        task = core.current_task()
        if task is None:
            raise ValueError("no task runs here: get_current_task is for functions that a worker runs as tasks")
        return task["key"]

    def __repr__(self) -> str:
        return f"<Worker {self.address!r}, name: {self.name}, threads: {self.nthreads}>"


def worker_of(about: dict[str, Any]) -> Worker:
    """The worker of this process that `about` tells of: always the same object."""
    address = about.get("address") or ""
    worker = _workers.get(address)
    if worker is None:
        from raskr.distributed.deploy import worker_process

        # Of a worker within this process its launcher knows more than its tasks.
        launched = worker_process._workers.get(address)
        for name in ("name", "local_directory", "nthreads"):
            about = {name: getattr(launched, name, None), **about}
        worker = _workers.setdefault(address, Worker(about))
    return worker


@contextlib.contextmanager
def called_on(worker: Worker) -> Iterator[None]:
    """`get_worker` gives this worker meanwhile, on this thread."""
    before = getattr(_called, "worker", None)
    _called.worker = worker
    try:
        yield
    finally:
        _called.worker = before


def get_worker() -> Worker:
    """The worker that runs the task, the plugin or the function that calls this.

    `ValueError` is raised outside of workers.

    Examples
    --------
    >>> from raskr.distributed import Client, get_worker  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> client.submit(lambda: get_worker().address).result()  # doctest: +SKIP
    'tcp://127.0.0.1:36125'
    """
    worker = getattr(_called, "worker", None) or task_worker()
    if worker is not None:
        return worker
    raise ValueError("No worker found: get_worker is for functions that a worker runs")


def task_worker() -> Worker | None:
    """The worker whose task this code is of, or whose child this process is."""
    about = _worker_child.about_worker()
    if about is not None:
        return worker_of(about)
    task = core.current_task()
    return None if task is None else worker_of({"address": task["worker"]})


def secede() -> None:
    """The task waits for others from now on: the worker runs other tasks meanwhile, in the same process.

    Examples
    --------
    >>> from raskr.distributed import get_client, rejoin, secede
    >>> def total(numbers):
    ...     client = get_client()
    ...     squares = client.map(lambda number: number**2, numbers)
    ...     secede()
    ...     found = client.gather(squares)
    ...     rejoin()
    ...     return sum(found)
    """
    core.secede()


def rejoin() -> None:
    """The task that seceded counts among those that the worker runs again."""
    core.rejoin()


def _inside() -> Worker | None:
    """The worker that runs this code, if one does."""
    try:
        return get_worker()
    except ValueError:
        return None


def print(
    *args: Any, sep: str | None = " ", end: str | None = "\n", file: TextIO | None = None, flush: bool = False
) -> None:
    """Print where this is called, and, within tasks, at all clients too.

    Parameters
    ----------
    *args : object
        What to print.
    sep, end : str, optional
        What stands between, and behind.
    file : file, optional
        Standard output or standard error; the former by default.
    flush : bool
        Whether it is to be seen at once.

    Examples
    --------
    >>> from raskr.distributed import print
    >>> print("left", "right", sep="|")
    left|right
    """
    worker = _inside()
    if worker is not None:
        if file not in (None, sys.stdout, sys.stderr):
            raise TypeError(f"a task prints to sys.stdout or sys.stderr, got {type(file).__name__}")
        for name, text in (("sep", sep), ("end", end)):
            if text is not None and not isinstance(text, str):
                raise TypeError(f"{name} must be None or a string, not {type(text).__name__}")
        target = "stderr" if file is not None and file is sys.stderr else "stdout"
        said = {"args": tuple(map(str, args)), "sep": sep, "end": end, "file": target, "flush": flush}
        worker.log_event("print", said)
    builtins.print(*args, sep=sep, end=end, file=file, flush=flush)


def warn(
    message: str | Warning,
    category: type[Warning] | None = UserWarning,
    stacklevel: int = 1,
    source: Any = None,
) -> None:
    """Warn where this is called, and, within tasks, at all clients too.

    Parameters
    ----------
    message : str or Warning
        What is warned of.
    category : type of Warning, optional
        The kind of warning, where `message` is text.
    stacklevel : int
        Whose line is shown here: that which calls this for 1.
    source : object, optional
        The object that is warned of; used here only.

    Examples
    --------
    >>> from raskr.distributed import warn
    >>> warn("the disk is slow")  # doctest: +SKIP
    """
    worker = _inside()
    if worker is not None:
        worker.log_event("warn", {"message": message, "category": category})
    warnings.warn(message, category, stacklevel + 1, source)


def print_here(event: tuple[float, Any]) -> None:
    """What clients do when a task prints."""
    said = event[1]
    if isinstance(said, dict):
        file = sys.stderr if said.get("file") == "stderr" else sys.stdout
        builtins.print(*said["args"], sep=said["sep"], end=said["end"], file=file, flush=said["flush"])
    else:
        builtins.print(said)


def warn_here(event: tuple[float, Any]) -> None:
    """What clients do when a task warns."""
    said = event[1]
    if isinstance(said, dict):
        warnings.warn(said["message"], said["category"], stacklevel=2)
    else:
        warnings.warn(str(said), stacklevel=2)


class ForwardingHandler(logging.Handler):
    """Sends what a worker's loggers log to clients, under a topic.

    Parameters
    ----------
    topic : str
        The topic.
    worker : Worker
        Whose loggers they are.
    level : int or str
        Records below this level stay.
    """

    def __init__(self, topic: str, worker: Worker, level: Any) -> None:
        super().__init__(level)
        self.topic, self.worker = topic, worker

    def emit(self, record: logging.LogRecord) -> None:
        from raskr.distributed import _worker_lines

        if getattr(record, "raskr_forwarded", False) or not (_worker_lines.listens() or _inside() is self.worker):
            # It came from a worker, or is of the client whose process the worker lives in.
            return
        # Arguments may be anything: the text is made here.
        plain = {name: value for name, value in vars(record).items() if name not in ("args", "exc_info", "msg")}
        plain.update(
            msg=record.getMessage(), args=None, exc_info=None, worker=self.worker.address, raskr_forwarded=True
        )
        if record.exc_info and not plain.get("exc_text"):
            plain["exc_text"] = (self.formatter or logging.Formatter()).formatException(record.exc_info)
        try:
            self.worker.log_event(self.topic, plain)
        except Exception:
            self.handleError(record)


def __getattr__(name: str) -> Any:
    """What programs look for here too, of modules that stand on this one."""
    if name in ("get_client", "worker_client"):
        import raskr.distributed

        return getattr(raskr.distributed, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
