"""Blocks of a program whose tasks are looked at afterwards: `get_task_stream`, `get_task_metadata`, `performance_report`."""

import inspect
import time
from typing import Any

from raskr.distributed import _reports
from raskr.distributed._conversation import Question, Steps, converse, current_client

__all__ = ["get_task_metadata", "get_task_stream", "performance_report"]


class _Block:
    """Asks for something when a block of a program begins, and when it ends."""

    _client: Any = None

    def _begun(self) -> Steps:
        """The end of the last task before the block, by the scheduler's clock."""
        self.client = current_client() if self._client is None else self._client
        before, _ = yield Question({"op": "task_stream", "since": None, "count": 1})
        self._start = before[-1]["stop"] if before else 0.0

    def _ran(self) -> Steps:
        tasks = yield from self.client._task_stream(self._start, None, None, False, "")
        return [task for task in tasks if task["stop"] > self._start]

    def _ended(self) -> Steps:
        raise NotImplementedError

    def _find(self) -> Any:
        return current_client() if self._client is None else self._client

    def __enter__(self) -> Any:
        converse(self._find(), self._begun())
        return self

    def __exit__(self, kind: Any, *raised: Any) -> None:
        if kind is None:
            converse(self.client, self._ended())

    async def __aenter__(self) -> Any:
        await converse(self._find(), self._begun())
        return self

    async def __aexit__(self, kind: Any, *raised: Any) -> None:
        if kind is None:
            await converse(self.client, self._ended())


class get_task_stream(_Block):
    """The tasks that ended within a block.

    Parameters
    ----------
    client : Client, optional
        The current client by default.
    plot : bool or str
        Whether to make a page with a drawing too; ``"save"`` writes it.
    filename : str
        Where it is written then.

    Attributes
    ----------
    data : list of dict
        As of `Client.get_task_stream`.
    figure : object
        The page.

    Examples
    --------
    >>> from raskr.distributed import Client, get_task_stream  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> with get_task_stream() as stream:  # doctest: +SKIP
    ...     client.submit(abs, -1).result()
    >>> stream.data[0]["name"]  # doctest: +SKIP
    'abs'
    """

    def __init__(self, client: Any = None, plot: Any = False, filename: str = "task-stream.html") -> None:
        self._client, self._plot, self._filename = client, plot, filename
        self.data: list[dict[str, Any]] = []
        self.figure: Any = None

    def _ended(self) -> Steps:
        self.data.extend((yield from self._ran()))
        if self._plot:
            self.figure = _reports.Page("Task stream", [_reports.stream_picture(self.data)])
            if self._plot == "save":
                _reports.write(self._filename, str(self.figure))


class get_task_metadata(_Block):
    """Of the tasks that ended within a block, how they did.

    Attributes
    ----------
    state : dict
        ``"memory"`` or ``"erred"`` by key.
    metadata : dict
        ``worker``, ``start``, ``stop`` and ``nbytes`` by key.

    Examples
    --------
    >>> from raskr.distributed import Client, get_task_metadata  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> with get_task_metadata() as tasks:  # doctest: +SKIP
    ...     client.submit(abs, -1, key="one").result()
    >>> tasks.state  # doctest: +SKIP
    {'one': 'memory'}
    """

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.metadata: dict[str, dict[str, Any]] = {}

    def _ended(self) -> Steps:
        for task in (yield from self._ran()):
            self.state[task["key"]] = "memory" if task["status"] == "OK" else "erred"
            self.metadata[task["key"]] = {name: task[name] for name in ("worker", "start", "stop", "nbytes")}


class performance_report(_Block):
    """Writes a page about the tasks that ended within a block: when they ran, on which workers, what took the time.

    Parameters
    ----------
    filename : str
        Where it is written; a URL that fsspec knows will do too.
    stacklevel : int
        Whose code is shown: that which has the block for 1.
    mode : str, optional
        Accepted for programs that give it; the page needs nothing from elsewhere.
    storage_options : dict, optional
        What fsspec takes for a URL.

    Examples
    --------
    >>> from raskr.distributed import Client, performance_report  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> with performance_report("report.html"):  # doctest: +SKIP
    ...     client.gather(client.map(abs, range(100)))
    """

    def __init__(
        self,
        filename: str = "dask-report.html",
        stacklevel: int = 1,
        mode: str | None = None,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        self._filename, self._options = filename, storage_options or {}
        self._level = stacklevel
        self._code = ""

    def _begun(self) -> Steps:
        self._moment = time.time()
        yield from super()._begun()

    def __enter__(self) -> Any:
        self._code = _code_at(self._level + 1)
        return super().__enter__()

    async def __aenter__(self) -> Any:
        self._code = _code_at(self._level + 1)
        return await super().__aenter__()

    def _ended(self) -> Steps:
        elapsed = time.time() - self._moment
        tasks = yield from self._ran()
        identity, _ = yield Question({"op": "identity"})
        seen = yield from self.client._profile(None, (self._moment, None), None, True, False, None, False)
        versions = yield from self.client._versions(False, None)
        page = _reports.report_page(
            _reports.summary(tasks, identity, elapsed, versions["client"]),
            {
                "Tasks": _reports.stream_picture(tasks),
                "Functions": _reports.profile_picture(seen),
                "Workers": _reports.worker_table(identity),
                "Calling code": _reports.code(self._code),
            },
        )
        _reports.write(self._filename, page, **self._options)


def _code_at(level: int) -> str:
    """The code of the function that is so many calls above the one that asks."""
    frame = inspect.currentframe()
    for _ in range(level):
        frame = None if frame is None else frame.f_back
    if frame is None:
        return ""
    try:
        return inspect.getsource(frame)
    except (OSError, TypeError):
        return ""
