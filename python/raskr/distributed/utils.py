"""Logs of a cluster's processes, as notebooks and terminals show them."""

import html
from collections.abc import Callable
from typing import Any

from raskr.distributed.exceptions import TimeoutError
from raskr.utils import format_bytes, parse_timedelta

__all__ = ["Log", "Logs", "TimeoutError", "format_bytes", "parse_timedelta", "sync"]


class Log(str):
    """The log of a process: lines of text.

    Examples
    --------
    >>> from raskr.distributed.utils import Log
    >>> print(Log("started\\nstopped"))
    started
    stopped
    """

    def _repr_html_(self) -> str:
        """How notebooks show it: a line each, those that begin with a level in its colour."""
        lines = []
        for line in self.split("\n"):
            level = next((name for name in ("ERROR", "CRITICAL", "WARNING") if name in line.split()), None)
            color = {"ERROR": "#b22222", "CRITICAL": "#b22222", "WARNING": "#b8860b"}.get(level or "", "inherit")
            lines.append(f"<span style='color: {color}'>{html.escape(line)}</span>")
        return "<pre style='margin: 0'>" + "\n".join(lines) + "</pre>"


class Logs(dict):
    """Logs by the name of their process.

    Examples
    --------
    >>> from raskr.distributed.utils import Log, Logs
    >>> Logs({"Scheduler": Log("started")})["Scheduler"]
    'started'
    """

    def _repr_html_(self) -> str:
        """How notebooks show them: one under the other, to be opened."""
        return "\n".join(
            f"<details><summary>{html.escape(str(name))}</summary>{Log(log)._repr_html_()}</details>"
            for name, log in sorted(self.items(), key=lambda item: str(item[0]))
        )


def sync(loop: Any, func: Callable, *args: Any, callback_timeout: Any = None, **kwargs: Any) -> Any:
    """Call a coroutine function on an event loop of another thread, and wait for its result.

    Parameters
    ----------
    loop : event loop
        Of asyncio, or an object with it as ``asyncio_loop``.
    func : callable
        A coroutine function.
    callback_timeout : number or str, optional
        How long to wait; without end by default.
    """
    import asyncio

    timeout = parse_timedelta(callback_timeout)
    future = asyncio.run_coroutine_threadsafe(func(*args, **kwargs), getattr(loop, "asyncio_loop", loop))
    try:
        return future.result(timeout)
    except TimeoutError:
        future.cancel()
        raise
