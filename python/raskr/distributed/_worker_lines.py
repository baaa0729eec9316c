"""The lines from a worker's process to its children, and what later children are to do before their first task."""

import functools
import os
import pickle
import secrets
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from raskr import config, multiprocessing
from raskr.distributed import _worker_child
from raskr.distributed._worker_child import Line, receive_frame, send_frame

__all__ = ["ask_all", "children", "forget", "listens", "pids", "profile_interval", "tell"]

_HELLO_SECONDS = 20.0
_ASK_SECONDS = 10.0
#: Of what clients had run everywhere, this many last calls that differ are kept for later children.
_RUNS_MAX = 64
_lines: dict[int, Line] = {}
_lasting: dict[str, tuple[str, bytes]] = {}
_changing = threading.Lock()


def profile_interval() -> float:
    """Seconds between two looks at what tasks do; 0 where nobody is to look."""
    from raskr.distributed._conversation import seconds

    if not config.get("distributed.worker.profile.enabled", True):
        return 0.0
    return seconds(config.get("distributed.worker.profile.interval", "10 ms")) or 0.0


def children(local_directory: str | None = None, **about: Any) -> tuple:
    """How a worker's children are started: as any others, with a line to the worker's process.

    Parameters
    ----------
    local_directory : str
        The worker's folder, where uploaded files are.
    **about : object
        What else tasks may ask of the worker: ``nthreads``, ``memory_limit``, ``resources``, ``scheduler_address``.

    Returns
    -------
    tuple
        As of `raskr.multiprocessing.children`.
    """
    initializer = config.get("multiprocessing.initializer", None)
    pickled = None if initializer is None else multiprocessing._dumps(initializer)
    worker = {"local_directory": local_directory, **about}
    place = _listen(pickle.dumps(worker), pickled)
    program, arguments, variables, setup, purpose = multiprocessing.children(initializer=_worker_child.begin)
    # Before the engine's module, whose program comes last.
    modules = [_worker_child.__name__, _worker_child.__file__]
    return program, [*arguments[:-2], *modules, *arguments[-2:]], [*variables, place], setup, purpose


@functools.cache
def _listen(worker: bytes, initializer: bytes | None) -> tuple[str, str]:
    """Have children connect from now on; gives the variable that tells them where."""
    token = secrets.token_bytes(32)
    listener = socket.socket(socket.AF_UNIX)
    if sys.platform == "linux":
        # No file that a killed process would leave.
        name = f"@raskr-{secrets.token_hex(16)}"
        listener.bind(name.replace("@", "\0", 1))
    else:
        name = os.path.join(tempfile.mkdtemp(prefix="raskr-"), "line")
        listener.bind(name)
    listener.listen(128)

    def accept() -> None:
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=_welcome, args=(stream, token, worker, initializer), daemon=True).start()

    threading.Thread(target=accept, name="raskr-lines", daemon=True).start()
    return _worker_child.VARIABLE, f"{name}#{token.hex()}"


def _welcome(stream: socket.socket, token: bytes, worker: bytes, initializer: bytes | None) -> None:
    try:
        stream.settimeout(_HELLO_SECONDS)
        if not secrets.compare_digest(receive_frame(stream), token):
            stream.close()
            return
        pid = pickle.loads(receive_frame(stream))
        line = Line(stream, _serve, concurrent=True)
        welcome = {"worker": pickle.loads(worker), "interval": profile_interval(), "initializer": initializer}
        with _changing:
            # Whatever comes later is told to it as to all others.
            for gone in [pid for pid, line in _lines.items() if line.closed]:
                del _lines[gone]
            _lines[pid] = line
            welcome["before"] = list(_lasting.values())
            send_frame(stream, pickle.dumps(welcome))
        stream.settimeout(None)
        line.start()
    except (OSError, EOFError, pickle.UnpicklingError):
        stream.close()


def _serve(name: str, data: bytes) -> Any:
    """What children ask of their worker's process."""
    from raskr.distributed import _actors

    questions: dict[str, Callable] = {"actor_create": _actors.create}
    return questions[name](*pickle.loads(data))


def tell(name: str, data: bytes, lasting: str | None = None) -> None:
    """Have all children do something, and wait until they have; `lasting` names what later children are to do too."""
    with _changing:
        if lasting is not None:
            _lasting.pop(lasting, None)
            _lasting[lasting] = (name, data)
            runs = [key for key in _lasting if key.startswith("run ")]
            for key in runs[:-_RUNS_MAX]:
                del _lasting[key]
    for line in _open_lines().values():
        try:
            line.ask(name, data)
        except _worker_child.LineClosed:
            continue


def forget(lasting: str) -> None:
    """Later children need not do what has this name."""
    with _changing:
        _lasting.pop(lasting, None)


def ask_all(name: str, data: bytes = b"") -> dict[int, Any]:
    """The answers of all children that have one, by process id."""
    answers = {}
    for pid, line in _open_lines().items():
        try:
            answers[pid] = line.ask(name, data, _ASK_SECONDS)
        except (_worker_child.LineClosed, TimeoutError):
            continue
    return answers


def _open_lines() -> dict[int, Line]:
    with _changing:
        return {pid: line for pid, line in _lines.items() if not line.closed}


def listens() -> bool:
    """Whether this process is a worker's own, with children."""
    return bool(_listen.cache_info().currsize)


def pids() -> list[int]:
    """The process ids of the children that are there."""
    return list(_open_lines())
