"""What clients have workers do and tell, beside tasks: functions, plugins, files, versions, logs, profiles."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from raskr.distributed import _reports
from raskr.distributed._conversation import Question, Steps, converse, pack, seconds, unpack
from raskr.distributed.diagnostics.plugin import (
    NannyPlugin,
    SchedulerPlugin,
    UploadFile,
    WorkerCallback,
    WorkerPlugin,
    plugin_name,
)
from raskr.distributed.exceptions import catchable
from raskr.distributed.utils import Log, Logs
from raskr.distributed.versions import differences, get_versions

__all__ = ["ClientWorkers", "WorkerAnswer"]

_FORWARDED = "raskr-forwarded-log-record"


class WorkerAnswer(NamedTuple):
    """What a worker answered: a result or an exception."""

    result: Any
    error: BaseException | None

    def value(self) -> Any:
        """The result; raises the exception."""
        if self.error is not None:
            raise self.error
        return self.result


class ClientWorkers:
    """Questions to workers."""

    def _worker_answers(
        self, question: dict[str, Any], buffers: Sequence[bytes] = (), workers: Any = None, timeout: Any = None
    ) -> Steps:
        """Ask workers; gives their answers by address. Workers that are gone are left out."""
        asked = None if workers is None else [workers] if isinstance(workers, str) else [str(name) for name in workers]
        limit = seconds(timeout)
        call = {"op": "call_workers", "workers": asked, "question": question, "timeout": limit}
        answer, data = yield Question(call, buffers)
        return self._read_replies(answer, data)

    def _read_replies(self, answer: dict, data: list[bytes]) -> dict[str, WorkerAnswer]:
        found: dict[str, WorkerAnswer] = {}
        place = 0
        for reply in answer["replies"]:
            own = data[place : place + reply.get("buffers", 0)]
            place += len(own)
            error = reply.get("error")
            if error is not None:
                found[reply["worker"]] = WorkerAnswer(None, _refused(reply["worker"], error))
                continue
            told = reply["answer"]
            told = json.loads(told) if isinstance(told, str) else told
            if told["status"] == "OK":
                found[reply["worker"]] = WorkerAnswer(unpack(self, own[0]), None)
            else:
                raised, text = unpack(self, own[0])
                raised = catchable(raised)
                if hasattr(raised, "add_note"):
                    raised.add_note(f"Raised on the worker {reply['worker']}:\n{text}")
                found[reply["worker"]] = WorkerAnswer(None, raised)
        return found

    # Functions.

    def run(
        self,
        function: Callable,
        *args: Any,
        workers: Any = None,
        wait: bool = True,
        nanny: bool = False,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> Any:
        """Call a function on workers, at once and beside their tasks.

        It is called in each worker's own process, which gives the result, and then in those children of it where tasks
        run, so that they find what was set up. Children that start later call it too, where it took less than a second.

        Parameters
        ----------
        function : callable
            Where it has a parameter ``dask_worker``, that is the worker. May be a coroutine function.
        *args, **kwargs : object
            What it is called with.
        workers : list of str, optional
            Addresses or names; all workers by default.
        wait : bool
            Whether to wait for what a coroutine function does; nothing is given otherwise.
        nanny : bool
            Accepted for programs that give it: a worker's own process is what Dask calls its nanny.
        on_error : str
            What becomes of an exception: ``"raise"``, ``"return"`` it as that worker's result, or ``"ignore"`` that
            worker.

        Returns
        -------
        dict
            Results by address.

        Examples
        --------
        >>> import os
        >>> from raskr.distributed import Client  # doctest: +SKIP
        >>> client = Client(n_workers=1)  # doctest: +SKIP
        >>> client.run(os.getpid)  # doctest: +SKIP
        {'tcp://127.0.0.1:45101': 4711}
        """
        if on_error not in ("raise", "return", "ignore"):
            raise ValueError(f"on_error must be 'raise', 'return' or 'ignore', got {on_error!r}")
        data = pack((function, args, kwargs))
        return converse(self, self._run(data, workers, wait, on_error))

    def _run(self, data: bytes, workers: Any, wait: bool, on_error: str) -> Steps:
        answers = yield from self._worker_answers({"op": "run", "wait": wait}, [data], workers)
        if on_error == "ignore":
            answers = {worker: answer for worker, answer in answers.items() if answer.error is None}
        if on_error == "return":
            return {worker: answer.error or answer.result for worker, answer in answers.items()}
        results = {worker: answer.value() for worker, answer in answers.items()}
        return results if wait else None

    def run_on_scheduler(self, function: Callable, *args: Any, wait: bool = True, **kwargs: Any) -> Any:
        """Call a function with a view of the scheduler.

        The scheduler runs no Python: the function is called here. Where it has a parameter ``dask_scheduler``, that is
        an object with the scheduler's ``address``, ``id``, ``workers`` and ``tasks`` as they are now, to look at.

        Parameters
        ----------
        function : callable
            May be a coroutine function.
        *args, **kwargs : object
            What it is called with.
        wait : bool
            Whether to wait for what a coroutine function does.
        """
        return converse(self, self._run_on_scheduler(function, args, kwargs, wait))

    def _run_on_scheduler(self, function: Callable, args: tuple, kwargs: dict, wait: bool) -> Steps:
        from raskr.distributed import _scheduler_view

        view = yield from _scheduler_view.look(self)
        return _scheduler_view.call(view, function, args, kwargs, wait)

    # Plugins and files.

    def register_plugin(self, plugin: Any, name: str | None = None, idempotent: bool | None = None) -> Any:
        """Have a plugin set up: on every worker, those that come later too, or at the scheduler.

        Parameters
        ----------
        plugin : WorkerPlugin, NannyPlugin or SchedulerPlugin
            What is to be set up.
        name : str, optional
            By which it is replaced and removed; the plugin's own by default.
        idempotent : bool, optional
            Whether a plugin of the same name stays instead; the plugin's own word by default.

        Returns
        -------
        dict
            ``{"status": "OK"}`` by worker; None for plugins of the scheduler. What a plugin raises is raised here.
        """
        if isinstance(plugin, type):
            raise TypeError(f"an instance of a plugin is expected, got the class {plugin.__name__}")
        if not isinstance(plugin, (WorkerPlugin, NannyPlugin, SchedulerPlugin)):
            raise TypeError(
                "a plugin is a WorkerPlugin, a NannyPlugin or a SchedulerPlugin, "
                f"got {type(plugin).__module__}.{type(plugin).__qualname__}"
            )
        name = name or plugin_name(plugin)
        only_first = bool(getattr(plugin, "idempotent", False) if idempotent is None else idempotent)
        if isinstance(plugin, SchedulerPlugin):
            from raskr.distributed import _scheduler_view

            return converse(self, _scheduler_view.register(self, plugin, name, only_first))
        return converse(self, self._register(plugin, name, only_first))

    def _register(self, plugin: Any, name: str, idempotent: bool) -> Steps:
        if idempotent:
            kept, _ = yield Question({"op": "kept_calls"})
            if f"plugin {name}" in (kept["names"] if isinstance(kept, dict) else kept):
                return {}
        question = {"op": "plugin_add", "name": name}
        answers = yield from self._keep_calling(f"plugin {name}", question, [pack(plugin)])
        if getattr(plugin, "restart", False) and answers:
            yield Question({"op": "restart_workers", "workers": list(answers), "timeout": None})
        return dict.fromkeys(answers, {"status": "OK"})

    def _keep_calling(self, name: str, question: dict[str, Any], buffers: Sequence[bytes]) -> Steps:
        """Ask all workers, and those that come later; what a worker raises is raised, and nothing is kept."""
        answer, data = yield Question({"op": "keep_call", "name": name, "question": question}, buffers)
        answers = self._read_replies(answer, data)
        failed = next((answer.error for answer in answers.values() if answer.error is not None), None)
        if failed is not None:
            yield Question({"op": "forget_call", "name": name})
            raise failed
        return answers

    def unregister_worker_plugin(self, name: str, nanny: bool | None = None) -> Any:
        """Tear a plugin down on all workers.

        Parameters
        ----------
        name : str
            The name under which it was registered; `ValueError` is raised where there is none.
        nanny : bool, optional
            Accepted for programs that give it: plugins of nannies are plugins of workers.
        """
        return converse(self, self._unregister(name))

    def _unregister(self, name: str) -> Steps:
        yield Question({"op": "forget_call", "name": f"plugin {name}"})
        answers = yield from self._worker_answers({"op": "plugin_remove", "name": name})
        for answer in answers.values():
            answer.value()
        return dict.fromkeys(answers, {"status": "OK"})

    def unregister_scheduler_plugin(self, name: str) -> Any:
        """Close a plugin of the scheduler that this client registered.

        Parameters
        ----------
        name : str
            The name under which it was registered; `ValueError` is raised where there is none.
        """
        from raskr.distributed import _scheduler_view

        return converse(self, _scheduler_view.unregister(self, name))

    def register_worker_callbacks(self, setup: Callable | None = None) -> Any:
        """Have a function called on every worker, those that come later too.

        Parameters
        ----------
        setup : callable
            Where it has a parameter ``dask_worker``, that is the worker.
        """
        if setup is None:
            raise TypeError("register_worker_callbacks needs a function, got None")
        return self.register_plugin(WorkerCallback(setup))

    def upload_file(self, filename: Any, load: bool = True) -> Any:
        """Bring a file to every worker, those that come later too, where it can be imported.

        Parameters
        ----------
        filename : str
            A ``.py``, ``.egg`` or ``.zip`` file, or any other.
        load : bool
            Whether it is imported at once, anew where it was imported before.
        """
        return self.register_plugin(UploadFile(filename, load=load))

    # Logs.

    def get_scheduler_logs(self, n: int | None = None) -> Any:
        """What the scheduler logged of late.

        Parameters
        ----------
        n : int, optional
            How many entries; all that are kept by default.

        Returns
        -------
        tuple of (str, str)
            Level and text, the newest first.
        """
        return converse(self, self._scheduler_logs(n))

    def _scheduler_logs(self, n: int | None) -> Steps:
        entries, _ = yield Question({"op": "logs", "count": n})
        return tuple((entry["level"].upper(), entry["text"]) for entry in reversed(entries))

    def get_worker_logs(self, n: int | None = None, workers: Any = None, nanny: bool = False) -> Any:
        """What workers logged of late.

        Parameters
        ----------
        n : int, optional
            How many entries of each; all that are kept by default.
        workers : list of str, optional
            Addresses or names; all workers by default.
        nanny : bool
            Accepted for programs that give it.

        Returns
        -------
        dict of tuples of (str, str)
            Level and text, the newest first, by address.
        """
        return converse(self, self._worker_logs(n, workers))

    def _worker_logs(self, n: int | None, workers: Any) -> Steps:
        answers = yield from self._worker_answers({"op": "logs", "n": n}, (), workers)
        return {worker: tuple(answer.value()) for worker, answer in answers.items()}

    def _get_logs(self) -> Steps:
        """All logs of the cluster, for `Cluster.get_logs`."""
        found = Logs()
        scheduler = yield from self._scheduler_logs(None)
        found["Scheduler"] = Log("\n".join(text for _, text in reversed(scheduler)))
        workers = yield from self._worker_logs(None, None)
        for worker, entries in workers.items():
            found[worker] = Log("\n".join(text for _, text in reversed(entries)))
        return found

    def forward_logging(self, logger_name: str | None = None, level: Any = logging.NOTSET) -> Any:
        """Have what workers' tasks log appear at this client's loggers too.

        Parameters
        ----------
        logger_name : str, optional
            This logger and those below it; all by default.
        level : int or str
            Records below this level stay. Loggers have levels of their own besides, there and here.

        Examples
        --------
        >>> from raskr.distributed import Client  # doctest: +SKIP
        >>> client = Client()  # doctest: +SKIP
        >>> client.forward_logging("training", level="INFO")  # doctest: +SKIP
        """
        return converse(self, self._forward_logging(logger_name, level))

    def _forward_logging(self, name: str | None, level: Any) -> Steps:
        if _FORWARDED not in self._handlers():
            self._handlers()[_FORWARDED] = _log_here
            yield from self._subscribe(_FORWARDED)
        question = {"op": "forward_logging", "name": name, "topic": _FORWARDED, "level": level}
        yield from self._keep_calling(f"logger {name}", question, ())

    def unforward_logging(self, logger_name: str | None = None) -> Any:
        """Have workers keep again what `forward_logging` had them send."""
        return converse(self, self._unforward_logging(logger_name))

    def _unforward_logging(self, name: str | None) -> Steps:
        yield Question({"op": "forget_call", "name": f"logger {name}"})
        answers = yield from self._worker_answers({"op": "unforward_logging", "name": name})
        for answer in answers.values():
            answer.value()

    # What processes are and do.

    def get_versions(self, check: bool = False, packages: Sequence[str] | None = None) -> Any:
        """Versions of Python and of packages at the client, the scheduler and the workers.

        Parameters
        ----------
        check : bool
            Whether to raise `ValueError` where they differ.
        packages : list of str, optional
            Packages to look at beside those that raskr uses.

        Returns
        -------
        dict
            ``"client"``, ``"scheduler"``, and ``"workers"`` by address.
        """
        return converse(self, self._versions(check, packages))

    def _versions(self, check: bool, packages: Sequence[str] | None) -> Steps:
        packages = None if packages is None else list(packages)
        answers = yield from self._worker_answers({"op": "versions", "packages": packages})
        identity, _ = yield Question({"op": "identity"})
        scheduler = {"host": {}, "packages": {"raskr": identity.get("version")}}
        workers = {worker: answer.value() for worker, answer in answers.items()}
        found = {"scheduler": scheduler, "workers": workers, "client": get_versions(packages)}
        if check:
            told = differences({"client": found["client"], **workers})
            if told:
                raise ValueError(f"Mismatched versions found:\n{told}")
        return found

    def call_stack(self, futures: Any = None, keys: Any = None) -> Any:
        """What workers' tasks are doing.

        Parameters
        ----------
        futures : Future, collection or list of them, optional
            Of these; all tasks by default.
        keys : list of str, optional
            Of tasks of these keys.

        Returns
        -------
        dict
            By address, lines of text of each thread or process that runs a task.
        """
        return converse(self, self._call_stack(futures, keys))

    def _call_stack(self, futures: Any, keys: Any) -> Steps:
        workers = None
        if futures is not None or keys is not None:
            from raskr.distributed import futures_of

            wanted = {str(future.key) for future in futures_of(futures)} | set(map(str, keys or ()))
            processing, _ = yield Question({"op": "processing"})
            workers = [worker for worker, running in processing.items() if wanted.intersection(running)]
            if not workers:
                return {}
        answers = yield from self._worker_answers({"op": "call_stack"}, (), workers)
        found = {}
        for worker, answer in answers.items():
            stacks = {place: _reports.stack_lines(stack) for place, stack in answer.value().items()}
            if stacks:
                found[worker] = stacks
        return found

    def profile(
        self,
        key: str | None = None,
        start: Any = None,
        stop: Any = None,
        workers: Any = None,
        merge_workers: bool = True,
        plot: Any = False,
        filename: str | None = None,
        server: bool = False,
        scheduler: bool = False,
    ) -> Any:
        """How often each line of tasks was seen while they ran: workers look a hundred times a second.

        Parameters
        ----------
        key : str, optional
            Of tasks with this function only.
        start, stop : float or str, optional
            Between these times, in seconds since 1970; or text such as ``"60s"`` for a time before now.
        workers : list of str, optional
            Addresses or names; all workers by default.
        merge_workers : bool
            Whether to give one profile; one by worker otherwise.
        plot : bool or str
            Whether to give a page with a drawing of it too; ``"save"`` writes it.
        filename : str, optional
            Where the page is written.
        server, scheduler : bool
            What is neither a task nor Python has no profile: an empty one.

        Returns
        -------
        dict
            ``count``, ``description`` and ``children``, which are such dicts by name; a pair of it and of the page with
            `plot`.
        """
        times = (_reports.moment(start), _reports.moment(stop))
        return converse(self, self._profile(key, times, workers, merge_workers, plot, filename, server or scheduler))

    def _profile(
        self, key: Any, times: tuple, workers: Any, merge: bool, plot: Any, filename: Any, nothing: bool
    ) -> Steps:
        profiles: dict[str, dict] = {}
        if not nothing:
            question = {"op": "profile", "start": times[0], "stop": times[1]}
            answers = yield from self._worker_answers(question, (), workers)
            profiles = {worker: answer.value() for worker, answer in answers.items()}
        trees = {worker: _reports.tree(counts, key) for worker, counts in profiles.items()}
        together: dict[tuple, int] = {}
        for counts in profiles.values():
            for stack, count in counts.items():
                together[stack] = together.get(stack, 0) + count
        whole = _reports.tree(together, key)
        result = whole if merge else trees
        if plot or filename:
            page = _reports.profile_page(whole)
            if plot == "save" or filename:
                _reports.write(filename or "dask-profile.html", str(page))
            return result, page
        return result

    def benchmark_hardware(self) -> Any:
        """How fast workers' memory, disks and network are.

        Returns
        -------
        dict
            Bytes a second by size of what is copied, written or sent, for ``"memory"``, ``"disk"`` and ``"network"``.
        """
        return converse(self, self._benchmark_hardware())

    def _benchmark_hardware(self) -> Steps:
        from raskr.distributed import _benchmarks

        found: dict[str, dict[str, float]] = {}
        for kind, sizes in _benchmarks.SIZES.items():
            found[kind] = {}
            for size, duration in sizes:
                data = pack((kind, size, duration))
                filler = [bytes(_benchmarks.size_of(size))] if kind == "network" else []
                begin = time.perf_counter()
                answers = yield from self._worker_answers({"op": "benchmark"}, [data, *filler])
                elapsed = time.perf_counter() - begin
                rates = [answer.value() for answer in answers.values()]
                if filler:
                    rates = [len(filler[0]) * len(rates) / elapsed]
                found[kind][size] = sum(rates) / len(rates) if rates else 0.0
        return found


def _refused(worker: str, error: dict[str, str]) -> BaseException:
    import builtins

    kind = getattr(builtins, error.get("class", ""), RuntimeError)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = RuntimeError
    return kind(f"the worker {worker}: {error.get('message')}")


def _log_here(event: tuple[float, Any]) -> None:
    """What clients do when a worker's logger logs."""
    record = logging.makeLogRecord(event[1])
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)
