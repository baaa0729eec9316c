"""A worker's process as its launcher sees it: started, spoken to through its standard input, waited for, ended.

The standard input is a socket on which both sides say lines of JSON. The launcher's first line holds the options and the
environment; `{"do": "close"}` or `{"do": "leave"}` may follow. The child says `started`, with where it listens, and at its end why.
When the launcher is gone, the socket ends and so does the child.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import time
from multiprocessing import spawn
from typing import Any, NamedTuple

import raskr
from raskr.compat import imports
from raskr.distributed.deploy import _loop

__all__ = ["SUPERVISED", "Ended", "WorkerChild", "environment"]

#: Tells a worker's process that its standard input leads to a launcher.
SUPERVISED = "RASKR_SUPERVISED"
#: Within this time a process that has nothing more to say ends.
_LAST_TIME = 2.0
#: No line is longer: addresses, options, settings.
_LINE_MAX = 64 << 20


class Ended(NamedTuple):
    """How a worker's process came to its end."""

    code: int
    #: What it said itself; None when it had no time to.
    reason: str | None
    #: Whether it has looked for its scheduler as long as it was to.
    no_scheduler: bool = False

    @property
    def words(self) -> str:
        """For logs and errors."""
        if self.code < 0:
            try:
                name = signal.Signals(-self.code).name
            except ValueError:
                name = f"signal {-self.code}"
            return f"killed by {name}"
        return self.reason or f"exit code {self.code}"


def environment(token: str | None, more: dict[str, str] | None = None) -> dict[str, str]:
    """The variables of a worker's process: those of this one, and the cluster's token, which is on no command line."""
    variables = {**os.environ, **{name: str(value) for name, value in (more or {}).items()}, SUPERVISED: "1"}
    for name in ("RASKR_CHILD", "RASKR_TOKEN"):
        variables.pop(name, None)
    if token is not None:
        variables["RASKR_TOKEN"] = token
    folder = os.path.dirname(os.path.dirname(os.path.abspath(raskr.__file__)))
    paths = [path for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path]
    if folder not in (*paths, *site.getsitepackages(), site.getusersitepackages()):
        variables["PYTHONPATH"] = os.pathsep.join([folder, *paths])
    return variables


def _surroundings() -> dict[str, Any]:
    """What tasks may count on to be there as it is here: modules beside the program, the folder, settings."""
    from raskr.multiprocessing import plain_settings

    settings = plain_settings()
    # Who computes collections here is no setting for there.
    settings.pop("scheduler", None)
    return {
        "path": sys.path,
        "folder": os.getcwd(),
        "settings": settings,
        "maps_imports": imports.installed(),
    }


class WorkerChild:
    """A process `python -m raskr worker`; made by `start`."""

    def __init__(self, process: subprocess.Popen, here: socket.socket, folder: str) -> None:
        self.process = process
        self._folder = folder
        self.pid = process.pid
        self.began = time.monotonic()
        self.address: str | None = None
        self.started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._here = here
        self._writer: asyncio.StreamWriter | None = None
        #: Done when the process has ended and was waited for.
        self.ended: asyncio.Task[Ended] = asyncio.ensure_future(self._follow())

    @classmethod
    async def start(
        cls, shown: list[str], options: dict[str, Any], variables: dict[str, str], folder: str
    ) -> WorkerChild:
        """Start one.

        Parameters
        ----------
        shown : list of str
            Arguments of the command, for those who look at processes: what counts are the options.
        options : dict
            What `worker_process.main` takes.
        variables : dict
            The environment.
        folder : str
            The worker's own folder, which is removed after its end: a process that is killed can't do that itself.
        """
        here, there = socket.socketpair()
        program = os.fsdecode(spawn.get_executable() or sys.executable)
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        command = [program, *flags, "-m", "raskr", "worker", *shown]
        try:
            begun = asyncio.ensure_future(_loop.call_in_thread(_popen, command, there, variables))
            process = await asyncio.shield(begun)
        except asyncio.CancelledError:
            here.close()
            begun.add_done_callback(functools.partial(_end_unwanted, folder))
            raise
        except BaseException:
            here.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            there.close()
        here.setblocking(False)
        child = cls(process, here, folder)
        await child._say({"options": options, **_surroundings()})
        return child

    async def _say(self, message: dict[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            await asyncio.get_running_loop().sock_sendall(self._here, line)
        except OSError:
            pass  # It has ended, which is seen elsewhere.

    async def _follow(self) -> Ended:
        said: dict[str, Any] = {}
        try:
            await self._listen(said)
        except OSError:
            pass
        finally:
            self._here.close()
        code = await self._wait(_LAST_TIME)
        if code is None:
            self.kill()
            code = await self._wait(None)
        await _loop.call_in_thread(shutil.rmtree, self._folder, True)
        ended = Ended(code, said.get("ended"), said.get("no_scheduler", False))
        if not self.started.done():
            self.started.set_exception(RuntimeError(ended.words))
            self.started.exception()  # Whoever cares has the same from `ended`.
        return ended

    async def _listen(self, said: dict[str, Any]) -> None:
        """Takes what the process says until its end."""
        text = b""
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._here, 1 << 16):
            *lines, text = (text + data).split(b"\n")
            for line in lines:
                message = json.loads(line)
                said.update(message)
                if "started" in message and not self.started.done():
                    self.address = message["started"]
                    self.started.set_result(self.address)
            if len(text) > _LINE_MAX:
                break

    async def _wait(self, timeout: float | None) -> int | None:
        try:
            return await _loop.call_in_thread(self.process.wait, timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End the process whatever it does."""
        self.process.kill()

    async def close(self, timeout: float, leave: bool = False) -> Ended:
        """Have the process end by itself, or else, after the time, not by itself.

        Parameters
        ----------
        timeout : float
            In seconds.
        leave : bool, default False
            Have it give its values to other workers first.
        """
        await self._say({"do": "leave" if leave else "close"})
        done, _ = await asyncio.wait([self.ended], timeout=timeout)
        if not done:
            self.kill()
        return await asyncio.shield(self.ended)


def _popen(command: list[str], there: socket.socket, variables: dict[str, str]) -> subprocess.Popen:
    # In its own session Ctrl-C is the launcher's alone, which then ends its workers in order.
    return subprocess.Popen(command, stdin=there, env=variables, start_new_session=True)


def _end_unwanted(folder: str, begun: asyncio.Future) -> None:
    """A process that came up when nobody wanted it any more, and its folder."""
    if not begun.cancelled() and begun.exception() is None:
        begun.result().kill()
        begun.result().wait()
    shutil.rmtree(folder, ignore_errors=True)
