"""What clients tell of the cluster as a whole: the tasks that ran, stories, dumps, executors."""

import contextlib
import gzip
import json
import os
import tempfile
from collections.abc import Collection
from typing import Any

from raskr.distributed import _reports
from raskr.distributed._conversation import Question, Steps, converse
from raskr.distributed.cfexecutor import ClientExecutor

__all__ = ["ActiveMemory", "ClientReports"]


class ActiveMemory:
    """Dask's switches of its active memory manager, as `Client.amm`.

    raskr's scheduler always takes care of copies: it brings them to the number that is asked for, and moves what only a
    leaving worker has. There is nothing to switch.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def start(self) -> Any:
        """Nothing needs to be started."""
        return self._answer(None)

    def stop(self) -> Any:
        """Nothing can be stopped: copies are always taken care of."""
        return self._answer(None)

    def run_once(self) -> Any:
        """Copies are looked after whenever something changes."""
        return self._answer(None)

    def running(self) -> Any:
        """Always true."""
        return self._answer(True)

    def _answer(self, value: Any) -> Any:
        def steps() -> Steps:
            return value
            yield

        return converse(self._client, steps())


class ClientReports:
    """Reports of the cluster."""

    @property
    def amm(self) -> ActiveMemory:
        """Dask's switches of the active memory manager; see `ActiveMemory`."""
        return ActiveMemory(self)

    def get_executor(self, **kwargs: Any) -> ClientExecutor:
        """An executor of `concurrent.futures` whose calls are tasks of this client's cluster.

        Parameters
        ----------
        **kwargs : object
            What `submit` takes besides: ``workers``, ``resources``, ``retries``, ``priority``, ``pure``.

        Examples
        --------
        >>> from raskr.distributed import Client  # doctest: +SKIP
        >>> with Client().get_executor() as executor:  # doctest: +SKIP
        ...     list(executor.map(abs, [-1, 2]))
        [1, 2]
        """
        return ClientExecutor(self, **kwargs)

    def get_task_stream(
        self,
        start: Any = None,
        stop: Any = None,
        count: int | None = None,
        plot: Any = False,
        filename: str = "task-stream.html",
        bokeh_resources: Any = None,
    ) -> Any:
        """The tasks that ended of late.

        Parameters
        ----------
        start, stop : float or str, optional
            Between these times, in seconds since 1970; or text such as ``"60s"`` for a time before now.
        count : int, optional
            The last ones only.
        plot : bool or str
            Whether to give a page with a drawing too; ``"save"`` writes it.
        filename : str
            Where it is written then.
        bokeh_resources : object, optional
            Accepted for programs that give it; the page needs nothing from elsewhere.

        Returns
        -------
        list of dict
            ``key``, ``name``, ``worker``, ``status``, ``nbytes``, ``start`` and ``stop`` of each; a pair of it and of the
            page with `plot`.
        """
        times = (_reports.moment(start), _reports.moment(stop))
        return converse(self, self._task_stream(*times, count, plot, filename))

    def _task_stream(
        self, start: float | None, stop: float | None, count: int | None, plot: Any, filename: str
    ) -> Steps:
        tasks, _ = yield Question({"op": "task_stream", "since": start, "count": None})
        tasks = [task for task in tasks if stop is None or task["start"] <= stop]
        if count is not None:
            tasks = tasks[-count:]
        for task in tasks:
            task["startstops"] = [{"action": "compute", "start": task["start"], "stop": task["stop"]}]
        if not plot:
            return tasks
        page = _reports.Page("Task stream", [_reports.stream_picture(tasks)])
        if plot == "save":
            _reports.write(filename, str(page))
        return tasks, page

    def story(self, *keys_or_stimuli: Any, on_error: str = "raise") -> Any:
        """What happened to tasks at the scheduler.

        Parameters
        ----------
        *keys_or_stimuli : str or Future
            Keys of tasks.
        on_error : str
            Accepted for programs that give it.

        Returns
        -------
        list of tuple
            Key, time in seconds since 1970, and what happened, the oldest first.
        """
        if on_error not in ("raise", "ignore"):
            raise ValueError(f"on_error must be 'raise' or 'ignore', got {on_error!r}")
        return converse(self, self._story([str(getattr(key, "key", key)) for key in keys_or_stimuli]))

    def _story(self, keys: list[str]) -> Steps:
        entries, _ = yield Question({"op": "story", "keys": keys})
        return [(entry["key"], entry["at"], entry["text"]) for entry in entries]

    def dump_cluster_state(
        self,
        filename: str = "dask-cluster-dump",
        write_from_scheduler: bool | None = None,
        exclude: Collection[str] = (),
        format: str = "msgpack",
        **storage_options: Any,
    ) -> Any:
        """Write what scheduler and workers know of themselves to a file, to look at it later.

        Parameters
        ----------
        filename : str
            A path or a URL; ``.yaml``, ``.json.gz`` or ``.msgpack.gz`` is added.
        write_from_scheduler : bool, optional
            Accepted for programs that give it: the client writes the file, as the scheduler runs no Python.
        exclude : collection of str
            Entries of this name are left out.
        format : str
            ``"yaml"``, ``"json"`` or ``"msgpack"``, which needs the package msgpack.
        **storage_options : object
            What fsspec takes for a URL.
        """
        if format not in ("yaml", "json", "msgpack"):
            raise ValueError(f"format must be 'msgpack', 'yaml' or 'json', got {format!r}")
        return converse(self, self._dump(str(filename), set(exclude), format, storage_options))

    def _dump(self, filename: str, exclude: set[str], format: str, storage_options: dict) -> Steps:
        state = _without((yield from self._state()), exclude)
        ending = {"yaml": ".yaml", "json": ".json.gz", "msgpack": ".msgpack.gz"}[format]
        filename = filename if filename.endswith(ending) else filename + ending
        data = _encoded(state, format)
        if "://" in filename:
            import fsspec

            with fsspec.open(filename, mode="wb", **storage_options) as file:
                file.write(data)
        else:
            with open(filename, "wb") as file:
                file.write(data)

    def _state(self) -> Steps:
        state, _ = yield Question({"op": "state"})
        scheduler = {**state.pop("scheduler"), **state}
        answers = yield from self._worker_answers({"op": "about"})
        workers = {worker: answer.result or str(answer.error) for worker, answer in answers.items()}
        versions = yield from self._versions(False, None)
        return {"scheduler": scheduler, "workers": workers, "versions": versions}

    def write_scheduler_file(self, scheduler_file: str) -> Any:
        """Write a file by which other clients and workers of this user find the scheduler.

        It holds the cluster's token, and so can be read by its owner only.

        Parameters
        ----------
        scheduler_file : str
            Its path.

        Examples
        --------
        >>> from raskr.distributed import Client  # doctest: +SKIP
        >>> Client().write_scheduler_file("scheduler.json")  # doctest: +SKIP
        >>> Client(scheduler_file="scheduler.json")  # doctest: +SKIP
        """
        if self.__dict__.get("scheduler_file"):
            raise ValueError("Scheduler file already set: this client was made by one, or has written one")
        return converse(self, self._write_scheduler_file(scheduler_file))

    def _write_scheduler_file(self, scheduler_file: str) -> Steps:
        identity, _ = yield Question({"op": "identity"})
        text = self._scheduler_file_text(identity)
        folder = os.path.dirname(os.path.abspath(scheduler_file))
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
            file.write(text)
        os.replace(file.name, scheduler_file)
        self.scheduler_file = scheduler_file

    def _scheduler_file_text(self, identity: dict[str, Any]) -> str:
        folder = os.path.join(
            os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "raskr", "clusters"
        )
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(folder)):
                with contextlib.suppress(OSError, ValueError), open(os.path.join(folder, name)) as file:
                    text = file.read()
                    if json.loads(text)["address"] == identity["address"]:
                        # The scheduler's own, which says all that there is to know.
                        return text
        about = {"id": identity["id"], "address": identity["address"], "version": identity.get("version") or ""}
        plain = not identity["address"].startswith("tls://")
        return json.dumps({**about, "token": self._native.token(), "ca": "", "insecure": plain, "pid": 0}, indent=2)


def _without(value: Any, exclude: set[str]) -> Any:
    if isinstance(value, dict):
        return {str(name): _without(item, exclude) for name, item in value.items() if name not in exclude}
    if isinstance(value, (list, tuple, set)):
        return [_without(item, exclude) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def _encoded(state: dict, format: str) -> bytes:
    if format == "yaml":
        import yaml

        return yaml.safe_dump(state).encode()
    if format == "json":
        return gzip.compress(json.dumps(state).encode())
    from raskr.utils import import_required

    msgpack = import_required(
        "msgpack", "dump_cluster_state(format='msgpack') needs the package msgpack; or take 'json'"
    )
    return gzip.compress(msgpack.packb(state))
