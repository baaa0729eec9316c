"""A child process of a worker: its line to the worker's process, by which it is told of plugins and files and asked what it does.

The standard library is all that this file needs: children that run plain functions load it without raskr's package.
"""

import gc
import os
import pickle
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = [
    "Line",
    "Sampler",
    "about_worker",
    "ask_worker",
    "awaited",
    "begin",
    "frames_now",
    "stack_of",
    "started_by_python",
]

VARIABLE = "RASKR_WORKER_LINE"
_LENGTH = struct.Struct("<Q")
_CONNECT_SECONDS = 20.0
_FRAMES_MAX = 200


class LineClosed(ConnectionError):
    """The process at the other end is gone."""


class Line:
    """Questions and answers between two processes, in both directions.

    Parameters
    ----------
    stream : socket
        Connected, and known to be of this cluster.
    serve : callable
        Answers the other side's questions: is given an operation's name and bytes, and gives an object that can be
        pickled. Called on a thread of the line, in the order of the questions.
    concurrent : bool
        Whether each question gets a thread of its own instead.
    """

    def __init__(self, stream: socket.socket, serve: Callable[[str, bytes], Any], concurrent: bool = False) -> None:
        self._stream, self._serve, self._concurrent = stream, serve, concurrent
        self._sending = threading.Lock()
        self._waiting: dict[int, list] = {}
        self._next = 0
        self.closed = False

    def start(self) -> None:
        """Read what comes, on a thread of its own."""
        threading.Thread(target=self._read, name="raskr-line", daemon=True).start()

    def ask(self, name: str, data: bytes = b"", timeout: float | None = None) -> Any:
        """The answer to a question; raises what answering it raised."""
        waiting: list = [threading.Event(), None]
        with self._sending:
            number = self._next = self._next + 1
            self._waiting[number] = waiting
        try:
            if self.closed:
                raise LineClosed("the process is gone")
            self._send(("ask", number, name, data))
        except OSError as error:
            self._waiting.pop(number, None)
            raise LineClosed("the process is gone") from error
        if not waiting[0].wait(timeout):
            self._waiting.pop(number, None)
            raise TimeoutError(f"no answer to {name!r} within {timeout} s")
        if waiting[1] is None:
            raise LineClosed("the process ended before it answered")
        fine, answer = waiting[1]
        answer = pickle.loads(answer)
        if fine:
            return answer
        raise answer

    def close(self) -> None:
        """End the line: whoever waits is told that the other side is gone."""
        self.closed = True
        try:
            self._stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _send(self, message: tuple) -> None:
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        with self._sending:
            send_frame(self._stream, data)

    def _read(self) -> None:
        questions: list = []
        arrived = threading.Condition()
        if not self._concurrent:
            threading.Thread(target=self._answer_all, args=(questions, arrived), daemon=True).start()
        try:
            while True:
                message = pickle.loads(receive_frame(self._stream))
                if message[0] == "answer":
                    waiting = self._waiting.pop(message[1], None)
                    if waiting is not None:
                        waiting[1] = message[2:]
                        waiting[0].set()
                elif self._concurrent:
                    threading.Thread(target=self._answer, args=message[1:], daemon=True).start()
                else:
                    with arrived:
                        questions.append(message[1:])
                        arrived.notify()
        except (OSError, EOFError):
            pass
        finally:
            self.closed = True
            with arrived:
                questions.append(None)
                arrived.notify()
            for waiting in list(self._waiting.values()):
                waiting[0].set()
            self._stream.close()

    def _answer_all(self, questions: list, arrived: threading.Condition) -> None:
        while True:
            with arrived:
                arrived.wait_for(lambda: questions)
                question = questions.pop(0)
            if question is None:
                return
            self._answer(*question)

    def _answer(self, number: int, name: str, data: bytes) -> None:
        try:
            answer = (True, pickle.dumps(self._serve(name, data), protocol=pickle.HIGHEST_PROTOCOL))
        except BaseException as error:
            answer = (False, _pickled_error(error))
        try:
            self._send(("answer", number, *answer))
        except OSError:
            # Nobody is there to hear it.
            pass


def _pickled_error(error: BaseException) -> bytes:
    try:
        data = pickle.dumps(error, protocol=pickle.HIGHEST_PROTOCOL)
        pickle.loads(data)
        return data
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def send_frame(stream: socket.socket, data: bytes) -> None:
    """Send bytes, led by their length."""
    stream.sendall(_LENGTH.pack(len(data)) + data)


def receive_frame(stream: socket.socket) -> bytes:
    """What `send_frame` sent."""
    return _receive(stream, _LENGTH.unpack(_receive(stream, _LENGTH.size))[0])


def _receive(stream: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = stream.recv(min(length - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def stack_of(frame: Any) -> list[tuple[str, int, str]]:
    """File, line and function of a frame and of those that called it, the outermost first."""
    found: list[tuple[str, int, str]] = []
    while frame is not None and len(found) < _FRAMES_MAX:
        found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return found[::-1]


_looking = threading.Lock()


def frames_now() -> dict[int, Any]:
    """What every thread of this process runs, by the threads' numbers.

    Python lists threads under a lock that dropping thread-local data takes as well. A garbage collection within the list,
    which frames are made for, would wait for itself forever (CPython issue 106883, up to Python 3.11).
    """
    with _looking:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if collects:
                gc.enable()


def started_by_python() -> set[int | None]:
    """The numbers of the threads that Python started, the main one among them; tasks run on others."""
    return {thread.ident for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}


class Sampler:
    """Looks again and again at what runs, and keeps how often it saw each stack, by periods of time.

    Parameters
    ----------
    stacks : callable
        Gives the stacks of what runs now, as `stack_of` does; None when nobody needs to look any more.
    interval : float
        Seconds between two looks.
    """

    _PERIOD_SECONDS = 1.0
    _PERIODS_MAX = 3600
    _SLOWER_MAX = 10

    def __init__(self, stacks: Callable[[], list | None], interval: float) -> None:
        self._stacks, self._interval = stacks, interval
        self._periods: deque = deque(maxlen=self._PERIODS_MAX)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look from now on, on a thread of its own."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="raskr-profile", daemon=True)
                self._thread.start()

    def _look(self) -> None:
        pause = threading.Event()
        # Less and less often while nothing runs.
        idle = 0
        while not pause.wait(self._interval * min(1 + idle, self._SLOWER_MAX)):
            stacks = self._stacks()
            if stacks is None:
                return
            idle = 0 if stacks else idle + 1
            if stacks:
                self._keep(time.time(), stacks)

    def _keep(self, now: float, stacks: list) -> None:
        with self._lock:
            if not self._periods or now - self._periods[-1][0] >= self._PERIOD_SECONDS:
                self._periods.append((now, {}))
            counts = self._periods[-1][1]
            for stack in stacks:
                stack = tuple(stack)
                counts[stack] = counts.get(stack, 0) + 1

    def counts(self, start: float | None, stop: float | None) -> dict[tuple, int]:
        """How often each stack was seen between two times."""
        total: dict[tuple, int] = {}
        with self._lock:
            for begun, counts in self._periods:
                if (start is None or begun + self._PERIOD_SECONDS >= start) and (stop is None or begun <= stop):
                    for stack, count in counts.items():
                        total[stack] = total.get(stack, 0) + count
        return total


_line: Line | None = None
_about: dict[str, Any] | None = None
_sampler: Sampler | None = None


def about_worker() -> dict[str, Any] | None:
    """What this child knows of its worker; None in any other process."""
    return _about


def ask_worker(name: str, data: bytes = b"", timeout: float | None = None) -> Any:
    """The answer of the worker's process to a question of this child."""
    if _line is None:
        raise LineClosed("this process is no child of a worker")
    return _line.ask(name, data, timeout)


def _stacks() -> dict[int, list[tuple[str, int, str]]]:
    """The stacks of the tasks that run, by the numbers of their threads, without what runs tasks."""
    # Threads that Python started are this file's, or such as tasks have made for themselves.
    others = started_by_python()
    main = threading.main_thread().ident or 0
    found = {}
    for number, frame in frames_now().items():
        if number == main:
            # The outermost one is the program of a child, which only waits.
            stack = stack_of(frame)[1:]
        else:
            stack = [] if number in others else stack_of(frame)
        if stack:
            found[number] = stack
    return found


def _run(name: str, data: bytes) -> None:
    """Call what a client had its workers run; the worker's process, which did so before, has told how that ended."""
    try:
        if name == "run":
            function, args, kwargs = pickle.loads(data)
            result = function(*args, **kwargs)
            if hasattr(result, "__await__"):
                import asyncio

                asyncio.run(awaited(result))
        else:
            from raskr.distributed import _worker_calls

            _worker_calls.in_child(name, data)
    except Exception:
        import logging

        # What can only be done once, such as making a folder, was done.
        logging.getLogger("raskr.distributed.worker").debug(
            "a call that the worker made fails in its child", exc_info=True
        )


async def awaited(result: Any) -> Any:
    """A coroutine for whatever can be awaited."""
    return await result


def _serve(name: str, data: bytes) -> Any:
    if name == "stacks":
        return _stacks()
    if name in ("run", "run_with_worker"):
        return _run(name, data)
    if name == "profile":
        start, stop = pickle.loads(data)
        return {} if _sampler is None else _sampler.counts(start, stop)
    # What is left needs raskr's package, which is loaded for it alone.
    from raskr.distributed import _worker_calls

    return _worker_calls.in_child(name, data)


def connect(address: str, token: bytes) -> socket.socket:
    """A stream to a worker's process that listens at `address`."""
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(_CONNECT_SECONDS)
    stream.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
    send_frame(stream, token)
    return stream


def begin() -> None:
    """Set up a child before its first task: connect it to its worker, and have it be as the worker's other children."""
    global _line, _about, _sampler
    place = os.environ.get(VARIABLE)
    if place is None or _line is not None:
        return
    address, token = place.rsplit("#", 1)
    stream = connect(address, bytes.fromhex(token))
    send_frame(stream, pickle.dumps(os.getpid()))
    welcome = pickle.loads(receive_frame(stream))
    stream.settimeout(None)
    named = {"address": os.environ.get("RASKR_WORKER_ADDRESS"), "name": os.environ.get("RASKR_WORKER_NAME")}
    _about = {**welcome["worker"], **{name: value for name, value in named.items() if value}}
    _line = Line(stream, _serve)
    folder = _about["local_directory"]
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)
    for name, data in welcome["before"]:
        _serve(name, data)
    _line.start()
    if welcome["interval"]:
        _sampler = Sampler(lambda: list(_stacks().values()), welcome["interval"])
        _sampler.start()
    initializer = welcome["initializer"]
    if initializer is not None:
        pickle.loads(initializer)()
