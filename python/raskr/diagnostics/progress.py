"""A progress bar for computations."""

import sys
import threading
import warnings
from timeit import default_timer
from typing import Any

from raskr.callbacks import Callback
from raskr.utils import parse_timedelta

__all__ = ["ProgressBar", "format_time"]


def format_time(t: float) -> str:
    """Seconds as hours, minutes and seconds; deprecated in favour of `raskr.utils.format_time`."""
    warnings.warn(
        "diagnostics.progress.format_time is deprecated; use raskr.utils.format_time (dask.utils.format_time)",
        FutureWarning,
        stacklevel=2,
    )
    return clock(t)


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds, as bars show them."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:2.0f}hr {minutes:2.0f}min {rest:4.1f}s"
    if minutes:
        return f"{minutes:2.0f}min {rest:4.1f}s"
    return f"{rest:4.1f}s"


class ProgressBar(Callback):
    """Shows how far computations are.

    Parameters
    ----------
    minimum : number or str
        Seconds that a computation takes before it is shown; or text such as ``"500 ms"``.
    width : int
        Characters of the bar.
    dt : number or str
        Seconds between two updates.
    out : file, optional
        Where it is written; standard output by default.

    Examples
    --------
    >>> import raskr
    >>> from raskr.diagnostics import ProgressBar
    >>> with ProgressBar(minimum=60):
    ...     raskr.delayed(sum)([1, 2]).compute()
    3
    """

    def __init__(self, minimum: Any = 0, width: int = 40, dt: Any = "100ms", out: Any = None) -> None:
        self._minimum = parse_timedelta(minimum) or 0
        self._width = width
        self._dt = parse_timedelta(dt) or 0.1
        self._file = out
        self.last_duration: float = 0
        self._running = False
        self._timer: threading.Thread | None = None
        self._state: dict | None = None
        self._stop = threading.Event()

    def _start(self, dsk: Any) -> None:
        self._state = None
        self._start_time = default_timer()
        self._running = True
        self._stop = threading.Event()
        self._timer = threading.Thread(target=self._watch, args=(self._stop,), daemon=True)
        self._timer.start()

    def _start_state(self, dsk: Any, state: dict) -> None:
        self._state = state
        self._work = len(state["waiting"])

    def _pretask(self, key: Any, dsk: Any, state: dict) -> None:
        self._state = state

    def _finish(self, dsk: Any, state: dict, errored: bool) -> None:
        self._running = False
        self._stop.set()
        if self._timer is not None:
            self._timer.join()
        elapsed = default_timer() - self._start_time
        self.last_duration = elapsed
        if elapsed < self._minimum:
            return
        if errored:
            self._update(elapsed)
        else:
            self._draw(1, elapsed)
        self._write("\n")

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self._dt):
            elapsed = default_timer() - self._start_time
            if elapsed > self._minimum:
                self._update(elapsed)

    def _update(self, elapsed: float) -> None:
        state = self._state
        if state is None:
            self._draw(0, elapsed)
            return
        total = self._work or 1
        self._draw(min(len(state["finished"]) / total, 1), elapsed)

    def _draw(self, share: float, elapsed: float) -> None:
        bar = "#" * int(self._width * share)
        self._write(f"\r[{bar:<{self._width}}] | {int(100 * share)}% Completed | {clock(elapsed)}")

    def _write(self, text: str) -> None:
        out = sys.stdout if self._file is None else self._file
        try:
            out.write(text)
            out.flush()
        except (OSError, ValueError):
            # A bar that can't be shown is no reason to fail.
            pass
