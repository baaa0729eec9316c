"""What a worker's process does: `raskr worker` with one worker, alone or as the child of a launcher."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import queue
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from typing import Any, NoReturn

from raskr import config
from raskr._bridge import core
from raskr.distributed.deploy import _process_signals
from raskr.distributed.deploy._child import SUPERVISED
from raskr.distributed.deploy.preloading import Preloads

__all__ = ["WorkerProcess", "make_folder", "native_options", "restart", "wait_for_file"]

_log = logging.getLogger("raskr.distributed.worker")

#: How long a worker that is asked to end may take to give its values to others.
DRAIN_TIME = 30.0
#: How long it may take to end once nothing is to be kept.
CLOSE_TIME = 5.0
#: And how long one may take that has not begun.
START_TIME = 1.0
#: What the engine says of an end that was meant.
MEANT = ("closed", "left", "stopped")
#: Options that the engine takes as they are.
_PASSED_ON = (
    "death_timeout",
    "host",
    "insecure",
    "interface",
    "memory_limit",
    "name",
    "nthreads",
    "port",
    "protocol",
    "resources",
    "scheduler_address",
    "scheduler_file",
    "tls_ca_file",
    "tls_cert",
    "tls_key",
    "token",
)

#: Who starts a worker anew, by its address; several workers may live in one process.
_workers: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()


def restart(address: str) -> None:
    """End a worker of this process without ceremony, and have it started anew.

    Parameters
    ----------
    address : str
        The worker's.
    """
    worker = _workers.get(address)
    if worker is None:
        raise KeyError(f"no worker of this process listens at {address}")
    worker.restart()


def register(address: str, worker: Any) -> None:
    """Say who restarts the worker of an address."""
    _workers[address] = worker


def native_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the engine takes, as far as something is said."""
    return {name: options[name] for name in _PASSED_ON if options.get(name) is not None}


def make_folder(local_directory: str | None) -> str:
    """A new folder for one worker, which only this user can enter.

    Parameters
    ----------
    local_directory : str, optional
        Where; the setting `temporary-directory`, or the system's folder for such things, by default.
    """
    base = os.path.abspath(local_directory or config.get("temporary-directory", None) or tempfile.gettempdir())
    os.makedirs(base, exist_ok=True)
    return tempfile.mkdtemp(prefix="raskr-worker-", dir=base)


def wait_for_file(path: str, timeout: float) -> None:
    """Wait until a scheduler has written its file."""
    waiting = threading.Event()
    step, waited = 0.05, 0.0
    while True:
        with contextlib.suppress(OSError):
            if os.path.getsize(path) > 0:
                return
        if waited >= timeout:
            raise TimeoutError(f"{path}: no scheduler file after {timeout:g} s; does the scheduler write it there?")
        waiting.wait(step)
        waited += step


class WorkerProcess:
    """A worker that is what its process is for.

    Parameters
    ----------
    options : mapping
        The engine's, and `folder` (which a launcher has made, and removes if this process can't) or `local_directory`, `preload`, `preload_argv`, `lifetime`, `lifetime_stagger`, `lifetime_restart`.
    launcher : socket, optional
        Leads to who started this process.
    """

    def __init__(self, options: Mapping[str, Any], launcher: Launcher | None = None) -> None:
        self.options = dict(options)
        self.launcher = launcher
        self.handle: Any = None
        self.local_directory = ""
        #: Whether it has looked for its scheduler as long as it was to.
        self.no_scheduler = False
        # Signals, words of the launcher and ends of the worker come to the main thread by this; putting never blocks.
        self.events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    @property
    def address(self) -> str | None:
        return None if self.handle is None else self.handle.address

    @property
    def name(self) -> str | None:
        return self.options.get("name") if self.handle is None else self.handle.name

    def run(self) -> int:
        """Run until the worker has ended; the process' exit code."""
        what = {signal.SIGTERM: "leave", signal.SIGINT: "close"}
        _process_signals.listen(what, lambda number: self.events.put(("do", what[number])))
        # For those who ask for the worker's log; the terminal shows warnings only.
        logging.getLogger("raskr.distributed").setLevel(logging.INFO)
        if self.launcher is not None:
            self.launcher.listen(self.events)
        reason = ""
        try:
            self.local_directory = self.options.get("folder") or make_folder(self.options.get("local_directory"))
            preloads = self._preloads()
            while True:
                reason = self._live(preloads)
                if reason != "restart" or self.launcher is not None:
                    break
        except (OSError, ValueError, RuntimeError, ImportError, TypeError, MemoryError) as error:
            reason = str(error) or type(error).__name__
        finally:
            if self.local_directory:
                shutil.rmtree(self.local_directory, ignore_errors=True)
        meant = reason in (*MEANT, "restart", "lifetime")
        if self.launcher is not None:
            self.launcher.say({"ended": reason, "no_scheduler": self.no_scheduler})
        elif not meant:
            print(f"raskr worker: {' '.join(reason.split())}", file=sys.stderr, flush=True)
        return 0 if meant else 1

    def _preloads(self) -> Preloads:
        from raskr.distributed import _worker_lines

        modules, argv = self.options.get("preload") or [], self.options.get("preload_argv") or []
        if modules:
            # What tasks need must be where they run.
            _worker_lines.tell("preload", pickle.dumps((modules, argv)), lasting="preload")
        return Preloads(modules, argv)

    def _start(self) -> Any:
        from raskr.distributed import _worker_lines

        options = native_options(self.options)
        file = options.get("scheduler_file")
        if file is not None:
            wait_for_file(file, options.get("death_timeout", 60.0))
        told = ("nthreads", "memory_limit", "resources", "scheduler_address")
        about = {name: options[name] for name in told if name in options}
        options["children"] = _worker_lines.children(self.local_directory, **about)
        # For plugins and actors, which have this process, `get_client` works as it does for tasks in children.
        place = options.get("scheduler_address")
        if file is not None:
            with open(file) as opened:
                place = json.load(opened)["address"]
        for variable, value in (("RASKR_SCHEDULER_ADDRESS", place), ("RASKR_TOKEN", options.get("token"))):
            if value is not None:
                os.environ[variable] = value
        return core.start_worker({**options, "local_directory": self.local_directory})

    def _as_tasks_see_it(self) -> Any:
        """The worker as functions that users give are handed it."""
        from raskr.distributed.worker import worker_of

        about = ("nthreads", "memory_limit", "resources", "scheduler_address")
        known = {name: self.options[name] for name in about if name in self.options}
        return worker_of({"address": self.address, "name": self.name, "local_directory": self.local_directory, **known})

    def _live(self, preloads: Preloads) -> str:
        """One life of the worker; why it ended."""
        from raskr.distributed import _worker_calls

        def live() -> None:
            try:
                handle = self._start()
            except BaseException as error:
                self.no_scheduler = isinstance(error, TimeoutError)
                self.events.put(("ended", str(error) or type(error).__name__))
                return
            self.events.put(("started", handle))
            while (reason := handle.wait(3600.0)) is None:
                pass
            # One that was taken in fails in no other way.
            self.no_scheduler = reason not in MEANT
            self.events.put(("ended", reason))

        # Neither a start nor a wait that lasts may keep signals waiting.
        threading.Thread(target=live, name="raskr-worker-wait", daemon=True).start()
        lifetime: threading.Timer | None = None
        ending: threading.Timer | None = None
        why = None
        while True:
            what, about = self.events.get()
            if what == "started":
                self.handle = about
                register(about.address, self)
                lifetime = self._lifetime()
                _log.info("worker %s listens at %s", about.name, about.address)
                if self.launcher is None:
                    print(f"raskr worker {about.name} at {about.address}", flush=True)
                else:
                    self.launcher.say({"started": about.address})
                preloads.set_up(self._as_tasks_see_it())
                if why is not None:
                    self.events.put(("do", why))
                    why = None
            elif what == "ended":
                for timer in (lifetime, ending):
                    if timer is not None:
                        timer.cancel()
                preloads.tear_down(self._as_tasks_see_it())
                _worker_calls.end(self._as_tasks_see_it())
                self.handle = None
                return why if why in ("restart", "lifetime") else about
            elif what == "too long":
                return why if why in ("restart", "lifetime") else "stopped"
            elif what == "gone" or about == "close" and why == "close":
                # Nobody is there to be told.
                return "stopped"
            else:
                why = about
                if self.handle is None:
                    # It still looks for its scheduler, or is just about to be there.
                    ending = self._timer(START_TIME, ("too long", None))
                    continue
                if ending is not None:
                    ending.cancel()
                gently = about in ("leave", "lifetime")
                (self.handle.leave if gently else self.handle.close)()
                ending = self._timer(DRAIN_TIME + CLOSE_TIME if gently else CLOSE_TIME, ("too long", None))

    def _timer(self, seconds: float, event: tuple[str, Any]) -> threading.Timer:
        timer = threading.Timer(seconds, self.events.put, [event])
        timer.daemon = True
        timer.start()
        return timer

    def _lifetime(self) -> threading.Timer | None:
        lifetime = self.options.get("lifetime")
        if not lifetime:
            return None
        stagger = self.options.get("lifetime_stagger") or 0.0
        what = "lifetime"
        return self._timer(max(lifetime + random.uniform(-1, 1) * stagger, 0.0), ("do", what))

    def restart(self) -> None:
        """End the worker and start it anew: by the launcher, or else in this process."""
        self.events.put(("do", "restart"))


class Launcher:
    """The one who started this process, at the other end of its standard input."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._file = stream.makefile("rb")

    @classmethod
    def of_this_process(cls) -> Launcher | None:
        """The launcher that the environment tells of; processes started from here on are not told."""
        if os.environ.pop(SUPERVISED, None) is None:
            return None
        stream = socket.socket(fileno=os.dup(0))
        os.set_inheritable(stream.fileno(), False)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        return cls(stream)

    def take_setup(self) -> dict[str, Any]:
        """Take what the launcher gives first: the surroundings, which hold from now on, and the options."""
        line = self._file.readline()
        if not line:
            raise SystemExit(1)  # It has gone already.
        setup = json.loads(line)
        sys.path[:] = setup["path"]
        with contextlib.suppress(OSError):
            os.chdir(setup["folder"])
        config.update(config.config, setup["settings"])
        if setup["maps_imports"]:
            from raskr.compat import install

            install()
        return setup["options"]

    def listen(self, events: queue.SimpleQueue) -> None:
        """Pass on what the launcher says, and its end."""

        def listen() -> None:
            with contextlib.suppress(OSError, ValueError):
                for line in self._file:
                    events.put(("do", json.loads(line)["do"]))
            events.put(("gone", None))

        threading.Thread(target=listen, name="raskr-launcher", daemon=True).start()

    def say(self, message: dict[str, Any]) -> None:
        """Say something; a launcher that is gone needs nothing."""
        with contextlib.suppress(OSError):
            self._stream.sendall(json.dumps(message).encode() + b"\n")


def run(options: Mapping[str, Any], launcher: Launcher | None) -> int:
    """Run a worker's process.

    Parameters
    ----------
    options : mapping
        What `WorkerProcess` takes.
    launcher : Launcher, optional
        Who started the process.
    """
    return WorkerProcess(options, launcher).run()


def end(code: int) -> NoReturn:
    """End the process at once: whatever still runs in it is of no use to anybody."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
