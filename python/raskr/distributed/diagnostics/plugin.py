"""Plugins: code of users that runs when workers start and end, or when something happens at the scheduler."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from raskr.utils import funcname

__all__ = [
    "CondaInstall",
    "Environ",
    "ForwardOutput",
    "InstallPlugin",
    "NannyPlugin",
    "PipInstall",
    "SchedulerPlugin",
    "UploadDirectory",
    "UploadFile",
    "WorkerPlugin",
]

logger = logging.getLogger("raskr.distributed.plugins")


class WorkerPlugin:
    """What is to happen when workers start and end; subclasses say what.

    `Client.register_plugin` has every worker set one up, those that come later too. It is set up in the worker's own
    process and in each of the child processes in which Python functions run.

    Attributes
    ----------
    name : str
        By which it is replaced and removed; its class and a number by default.
    idempotent : bool
        Whether a plugin of the same name stays when another one is registered.

    Examples
    --------
    >>> from raskr.distributed import Client, WorkerPlugin, get_worker  # doctest: +SKIP
    >>> class Model(WorkerPlugin):  # doctest: +SKIP
    ...     def setup(self, worker):
    ...         worker.model = load_model()
    >>> client = Client()  # doctest: +SKIP
    >>> client.register_plugin(Model())  # doctest: +SKIP
    >>> client.submit(lambda row: get_worker().model(row), 17)  # doctest: +SKIP
    """

    idempotent: bool = False

    def setup(self, worker: Any) -> Any:
        """Called when the plugin comes to a worker; may be a coroutine function.

        Parameters
        ----------
        worker : Worker
            The worker, as `get_worker` gives it.
        """

    def teardown(self, worker: Any) -> Any:
        """Called when the plugin is removed, or when the worker closes; may be a coroutine function."""

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """For programs written for Dask: never called, as tasks change their states outside of Python."""


class SchedulerPlugin:
    """What is to happen when something changes at the scheduler; subclasses say what.

    The scheduler runs no Python: the plugin lives in the process of the client that registered it, which tells it of
    workers that come and go, and of tasks that end. It ends with that client.

    Attributes
    ----------
    name : str
        By which it is replaced and removed; its class and a number by default.
    idempotent : bool
        Whether a plugin of the same name stays when another one is registered.

    Examples
    --------
    >>> from raskr.distributed import Client, SchedulerPlugin  # doctest: +SKIP
    >>> class Arrivals(SchedulerPlugin):  # doctest: +SKIP
    ...     def add_worker(self, scheduler, worker):
    ...         print("there is", worker)
    >>> client = Client()  # doctest: +SKIP
    >>> client.register_plugin(Arrivals())  # doctest: +SKIP
    """

    idempotent: bool = False

    def start(self, scheduler: Any) -> Any:
        """Called when the plugin is registered; may be a coroutine function."""

    def before_close(self) -> Any:
        """Called before the plugin's client closes."""

    def close(self) -> Any:
        """Called when the plugin is removed, or when its client closes."""

    def update_graph(self, scheduler: Any, **kwargs: Any) -> None:
        """For programs written for Dask: never called."""

    def restart(self, scheduler: Any) -> None:
        """Called when the plugin's client restarts the cluster."""

    def transition(self, key: Any, start: str, finish: str, *args: Any, stimulus_id: str, **kwargs: Any) -> None:
        """Called when a task ended on a worker: `start` is ``"processing"``, `finish` ``"memory"`` or ``"erred"``."""

    def add_worker(self, scheduler: Any, worker: str) -> Any:
        """Called when there is a new worker, and at first for each that is there, with its address."""

    def remove_worker(self, scheduler: Any, worker: str, *, stimulus_id: str, **kwargs: Any) -> Any:
        """Called when a worker is gone, with its address."""

    def add_client(self, scheduler: Any, client: str) -> None:
        """For programs written for Dask: never called."""

    def remove_client(self, scheduler: Any, client: str) -> None:
        """For programs written for Dask: never called."""

    def log_event(self, topic: str, msg: Any) -> None:
        """For programs written for Dask: never called; `Client.subscribe_topic` listens to a topic."""

    def valid_workers_downscaling(self, scheduler: Any, workers: list) -> list:
        """For programs written for Dask: never called; all workers may go."""
        return workers


class NannyPlugin:
    """What is to happen in the process that a worker is, before its tasks; subclasses say what.

    A worker's own process never runs functions of users' tasks, and so is what Dask has a nanny for.

    Attributes
    ----------
    name : str
        By which it is replaced and removed; its class and a number by default.
    idempotent : bool
        Whether a plugin of the same name stays when another one is registered.
    restart : bool
        Whether workers that run already are to begin anew.
    """

    idempotent: bool = False
    restart: bool = False
    # Children get what it changes by being started.
    in_children: ClassVar[bool] = False

    def setup(self, nanny: Any) -> Any:
        """Called when the plugin comes to a worker; may be a coroutine function."""

    def teardown(self, nanny: Any) -> Any:
        """Called when the plugin is removed."""


def plugin_name(plugin: Any) -> str:
    """The name under which a plugin is registered when none is given."""
    return getattr(plugin, "name", None) or f"{funcname(type(plugin))}-{uuid.uuid4()}"


class WorkerCallback(WorkerPlugin):
    """Calls a function on every worker: what `Client.register_worker_callbacks` registers."""

    def __init__(self, function: Callable) -> None:
        self.function = function
        self.name = f"callback-{uuid.uuid4().hex}"

    def setup(self, worker: Any) -> Any:
        from raskr.distributed._worker_calls import call

        return call(worker, self.function, (), {})


class UploadFile(WorkerPlugin):
    """Brings a file to every worker, where it can be imported.

    Parameters
    ----------
    filepath : str
        A ``.py``, ``.egg`` or ``.zip`` file, or any other.
    load : bool
        Whether it is imported at once, anew where it was imported before.

    Examples
    --------
    >>> from raskr.distributed import Client, UploadFile  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> client.register_plugin(UploadFile("model.py"))  # doctest: +SKIP
    """

    def __init__(self, filepath: str, load: bool = True) -> None:
        path = Path(filepath)
        self.filename = path.name
        self.load = load
        self.data = path.read_bytes()
        self.name = f"upload_file-{self.filename}"

    def setup(self, worker: Any) -> None:
        from raskr.distributed import _worker_calls

        _worker_calls.keep_file(worker, self.filename, self.data)
        _worker_calls.load_file(worker, self.filename, self.load)


class UploadDirectory(WorkerPlugin):
    """Brings a folder to every worker.

    Parameters
    ----------
    path : str
        The folder.
    restart_workers : bool
        Whether workers that run already are to begin anew.
    update_path : bool
        Whether what is in it can be imported.
    skip_words : tuple of str
        Folders and files of these names stay here.
    skip : tuple of callable
        What one of these says True of stays here too; they are given paths.
    mode : str
        ``"workers"`` or ``"all"``; as the scheduler runs no Python, both mean workers.

    Examples
    --------
    >>> from raskr.distributed import Client  # doctest: +SKIP
    >>> from raskr.distributed.diagnostics.plugin import UploadDirectory  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> client.register_plugin(UploadDirectory("models", update_path=True))  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str,
        restart_workers: bool = False,
        update_path: bool = False,
        skip_words: Sequence[str] = (".git", ".github", ".pytest_cache", "tests", "docs"),
        skip: Iterable[Callable[[str], bool]] = (lambda name: os.path.splitext(name)[1] == ".pyc",),
        mode: str = "workers",
    ) -> None:
        if mode not in ("workers", "all", "scheduler"):
            raise ValueError(f"mode must be 'workers' or 'all', got {mode!r}")
        folder = Path(path).expanduser().resolve()
        if not folder.is_dir():
            raise NotADirectoryError(f"a folder to upload is expected, got {str(path)!r}")
        self.path = folder.name
        self.name = f"upload-directory-{folder.name}"
        self.restart = restart_workers
        self.update_path = update_path
        with tempfile.TemporaryFile() as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for place in sorted(folder.rglob("*")):
                    inside = place.relative_to(folder)
                    left_out = set(skip_words).intersection(inside.parts) or any(test(str(place)) for test in skip)
                    if place.is_file() and not left_out:
                        archive.write(place, str(Path(folder.name) / inside))
            file.seek(0)
            self.data = file.read()

    def setup(self, worker: Any) -> None:
        folder = worker.local_directory
        with tempfile.TemporaryFile() as file:
            file.write(self.data)
            with zipfile.ZipFile(file) as archive:
                archive.extractall(folder)
        place = os.path.join(folder, self.path)
        if self.update_path and place not in sys.path:
            sys.path.insert(0, place)


class InstallPlugin(NannyPlugin):
    """Has something installed on every machine that workers run on.

    Parameters
    ----------
    install_fn : callable
        Installs; called once in each worker's process.
    restart_workers : bool
        Whether workers that run already are to begin anew.
    """

    def __init__(self, install_fn: Callable[[], None], restart_workers: bool) -> None:
        self._install = install_fn
        self.restart = restart_workers
        self.name = f"{type(self).__name__}-{uuid.uuid4()}"

    def setup(self, nanny: Any) -> None:
        self._install()


class PipInstall(InstallPlugin):
    """Installs packages with pip on every machine that workers run on.

    Parameters
    ----------
    packages : list of str
        As pip knows them; ``${NAME}`` stands for a variable of the worker's environment.
    pip_options : list of str, optional
        Further options of ``pip install``.
    restart_workers : bool
        Whether workers that run already are to begin anew, where packages are imported already.

    Examples
    --------
    >>> from raskr.distributed import Client, PipInstall  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> client.register_plugin(PipInstall(["scikit-learn"], pip_options=["--upgrade"]))  # doctest: +SKIP
    """

    INSTALLER: ClassVar[str] = "pip"

    def __init__(
        self, packages: Sequence[str], pip_options: Sequence[str] | None = None, restart_workers: bool = False
    ) -> None:
        self.packages, self.pip_options = list(packages), list(pip_options or ())
        super().__init__(self._run, restart_workers)

    def _run(self) -> None:
        # The file keeps what variables say out of lists of processes.
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(self.packages) + "\n")
            file.flush()
            _install([sys.executable, "-m", "pip", "install", *self.pip_options, "-r", file.name], self.packages)


class CondaInstall(InstallPlugin):
    """Installs packages with conda on every machine that workers run on.

    Parameters
    ----------
    packages : list of str
        As conda knows them.
    conda_options : list of str, optional
        Further options of ``conda install``.
    restart_workers : bool
        Whether workers that run already are to begin anew.

    Examples
    --------
    >>> from raskr.distributed import Client, CondaInstall  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> client.register_plugin(CondaInstall(["scikit-learn"]))  # doctest: +SKIP
    """

    INSTALLER: ClassVar[str] = "conda"

    def __init__(
        self, packages: Sequence[str], conda_options: Sequence[str] | None = None, restart_workers: bool = False
    ) -> None:
        self.packages, self.conda_options = list(packages), list(conda_options or ())
        super().__init__(self._run, restart_workers)

    def _run(self) -> None:
        program = os.environ.get("CONDA_EXE") or shutil.which("conda")
        if program is None:
            raise RuntimeError("conda install failed: no program conda is found on the worker")
        _install([program, "install", "-y", "-p", sys.prefix, *self.conda_options, *self.packages], self.packages)


def _install(command: list[str], packages: list[str]) -> None:
    """Run a command that installs, one at a time on a machine."""
    import fcntl

    logger.info("installing %s", ", ".join(packages))
    with open(os.path.join(tempfile.gettempdir(), f"raskr-install-{os.getuid()}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"installing {', '.join(packages)} failed with exit code {done.returncode}:\n{done.stdout}")


class Environ(NannyPlugin):
    """Sets variables of the environment of every worker, where its tasks see them.

    Parameters
    ----------
    environ : dict, optional
        Values by name; None removes a variable.

    Examples
    --------
    >>> from raskr.distributed import Client  # doctest: +SKIP
    >>> from raskr.distributed.diagnostics.plugin import Environ  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> client.register_plugin(Environ({"OMP_NUM_THREADS": "1"}))  # doctest: +SKIP
    """

    # Those that run already were started before.
    in_children = True

    def __init__(self, environ: dict[str, Any] | None = None) -> None:
        self.environ = {name: None if value is None else str(value) for name, value in (environ or {}).items()}
        self.name = f"Environ-{uuid.uuid4()}"

    def setup(self, nanny: Any) -> None:
        for name, value in self.environ.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class ForwardOutput(WorkerPlugin):
    """Has what workers' tasks print appear at the clients too.

    Examples
    --------
    >>> from raskr.distributed import Client  # doctest: +SKIP
    >>> from raskr.distributed.diagnostics.plugin import ForwardOutput  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> client.register_plugin(ForwardOutput())  # doctest: +SKIP
    """

    name = "ForwardOutput"

    def setup(self, worker: Any) -> None:
        if not isinstance(sys.stdout, _Forwarding):
            sys.stdout = _Forwarding(sys.stdout, "stdout")
            sys.stderr = _Forwarding(sys.stderr, "stderr")

    def teardown(self, worker: Any) -> None:
        if isinstance(sys.stdout, _Forwarding):
            sys.stdout = sys.stdout.stream
        if isinstance(sys.stderr, _Forwarding):
            sys.stderr = sys.stderr.stream


class _Forwarding:
    """A stream; what tasks write to it goes to clients as well, line by line."""

    def __init__(self, stream: Any, name: str) -> None:
        self.stream, self._name, self._text = stream, name, ""

    def write(self, text: str) -> int:
        from raskr.distributed.worker import task_worker

        written = self.stream.write(text)
        worker = task_worker()
        if worker is not None:
            self._text += text
            whole, line_end, self._text = self._text.rpartition("\n")
            if line_end:
                said = {"args": (whole,), "sep": " ", "end": "\n", "file": self._name, "flush": True}
                worker.log_event("print", said)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
