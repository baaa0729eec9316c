"""`progress`: how far futures are, as a bar in the terminal or in a notebook."""

import html
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from raskr.diagnostics.progress import clock
from raskr.utils import key_split

__all__ = ["NotebookProgress", "TextProgressBar", "progress"]

_PAUSE_SECONDS = 0.1


def progress(
    *futures: Any,
    notebook: bool | None = None,
    multi: bool = True,
    complete: bool = True,
    group_by: Any = "prefix",
    **kwargs: Any,
) -> Any:
    """Show how far futures are.

    In a terminal a bar is shown until all have ended. In a notebook bars stay on the page while the program goes on.

    Parameters
    ----------
    *futures : Future, collection, or list of them
        What is waited for.
    notebook : bool, optional
        Whether this is a notebook; found out by default.
    multi : bool
        Whether each function has a bar of its own, in notebooks.
    complete : bool
        Accepted for programs that give it: what has ended already always counts.
    group_by : str or callable
        ``"prefix"``, or a function that gives the name of a key's bar.
    **kwargs : object
        ``width`` of the bar in characters, and ``out``, where it is written.

    Examples
    --------
    >>> from raskr.distributed import Client, progress  # doctest: +SKIP
    >>> progress(Client().map(abs, range(100)))  # doctest: +SKIP
    [########################################] | 100% Completed |  1.2s
    """
    from raskr.distributed import futures_of

    found = futures_of(list(futures))
    if not found:
        raise ValueError("progress needs futures, or collections that were persisted: there are none in what was given")
    if _in_notebook() if notebook is None else notebook:
        group = key_split if group_by in ("prefix", "spans") else group_by
        return NotebookProgress(found, group if multi else lambda key: "tasks")
    TextProgressBar(found, **kwargs).run()
    return None


def _in_notebook() -> bool:
    """Is this a kernel that shows pages?"""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


class TextProgressBar:
    """A bar of characters.

    Parameters
    ----------
    futures : list of Future
        What is counted.
    width : int
        Characters of the bar.
    interval : float
        Seconds between two looks.
    out : file, optional
        Where it is written; standard output by default.
    """

    def __init__(self, futures: list, width: int = 40, interval: float = _PAUSE_SECONDS, out: Any = None) -> None:
        self._futures, self._width, self._interval, self._out = futures, width, interval, out
        self._begin = time.monotonic()

    def run(self) -> None:
        """Show the bar until all futures have ended."""
        out = sys.stdout if self._out is None else self._out
        last = threading.Event()
        left = len(self._futures)
        lock = threading.Lock()

        def ended(future: Any) -> None:
            nonlocal left
            with lock:
                left -= 1
                if not left:
                    last.set()

        for future in self._futures:
            future.add_done_callback(ended)
        total = len(self._futures)
        while not last.wait(self._interval):
            self._draw(out, (total - left) / total)
        self._draw(out, 1.0)
        out.write("\n")
        out.flush()

    def _draw(self, out: Any, share: float) -> None:
        bar = "#" * int(self._width * share)
        elapsed = clock(time.monotonic() - self._begin)
        out.write(f"\r[{bar:<{self._width}}] | {int(100 * share)}% Completed | {elapsed}")
        out.flush()


class NotebookProgress:
    """Bars on a page, one a function, which move on while the program does.

    Parameters
    ----------
    futures : list of Future
        What is counted.
    group : callable
        The name of a key's bar.
    """

    def __init__(self, futures: list, group: Callable[[Any], str]) -> None:
        self._futures, self._group = futures, group
        self._begin = time.monotonic()
        self._shown: Any = None

    def _repr_html_(self) -> str:
        bars: dict[str, list[int]] = {}
        for future in self._futures:
            counts = bars.setdefault(str(self._group(future.key)), [0, 0, 0])
            counts[0] += 1
            counts[1] += future.done()
            counts[2] += future.status == "error"
        rows = "".join(
            f"<tr><th style='text-align: left'>{html.escape(name)}</th>"
            f"<td><progress max='{total}' value='{done}' style='width: 30em'></progress></td>"
            f"<td>{done} / {total}{f', {failed} failed' if failed else ''}</td></tr>"
            for name, (total, done, failed) in bars.items()
        )
        return f"<table>{rows}</table><div>{clock(time.monotonic() - self._begin)}</div>"

    def _ipython_display_(self, **kwargs: Any) -> None:
        from IPython.display import HTML, display

        self._shown = display(HTML(self._repr_html_()), display_id=True)
        threading.Thread(target=self._follow, name="raskr-progress", daemon=True).start()

    def _follow(self) -> None:
        from IPython.display import HTML

        going = True
        while going:
            time.sleep(_PAUSE_SECONDS * 2)
            going = not all(future.done() for future in self._futures)
            self._shown.update(HTML(self._repr_html_()))
