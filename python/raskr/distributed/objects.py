"""What clients tell of a cluster, as notebooks show it: dicts that are tables there."""

import html
from collections.abc import Iterable
from typing import Any

from raskr.utils import format_bytes

__all__ = ["HasWhat", "SchedulerInfo", "WhoHas", "folded", "table"]


def table(rows: Iterable[tuple], head: tuple | None = None) -> str:
    """Rows as a table of HTML; text in them is escaped.

    Parameters
    ----------
    rows : iterable of tuple
        A tuple of texts for each row.
    head : tuple of str, optional
        Names of the columns.

    Examples
    --------
    >>> from raskr.distributed.objects import table
    >>> table([("threads", "<4")])
    "<table><tr><td style='text-align: left'>threads</td><td style='text-align: left'>&lt;4</td></tr></table>"
    """
    lines = []
    for tag, row in ([("th", head)] if head else []) + [("td", row) for row in rows]:
        cells = (f"<{tag} style='text-align: left'>{html.escape(str(cell))}</{tag}>" for cell in row or ())
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def folded(title: str, content: str) -> str:
    """A part of a page that opens at a click.

    Examples
    --------
    >>> from raskr.distributed.objects import folded
    >>> folded("Workers", "none")
    '<details><summary><b>Workers</b></summary>none</details>'
    """
    return f"<details><summary><b>{html.escape(title)}</b></summary>{content}</details>"


class SchedulerInfo(dict):
    """What a scheduler says of itself and its workers; `Client.scheduler_info` gives it.

    Examples
    --------
    >>> from raskr.distributed.objects import SchedulerInfo
    >>> SchedulerInfo(address="tcp://127.0.0.1:8786", workers={})["workers"]
    {}
    """

    def _repr_html_(self) -> str:
        """How notebooks show it: the scheduler, and its workers to be opened."""
        memory = self.get("total_memory") or 0
        rows = [
            ("Comm", self.get("address", "")),
            ("Workers", self.get("n_workers", len(self.get("workers", ())))),
            ("Total threads", self.get("total_threads", 0)),
            ("Total memory", format_bytes(memory) if memory else "without limit"),
        ]
        return f"<div><h3>Scheduler Info</h3>{table(rows)}{folded('Workers', self._workers_html())}</div>"

    def _workers_html(self) -> str:
        rows = []
        for address, worker in self.get("workers", {}).items():
            limit = worker.get("memory_limit")
            used = (worker.get("metrics") or {}).get("memory")
            rows.append(
                (
                    worker.get("name", ""),
                    address,
                    worker.get("nthreads", ""),
                    format_bytes(limit) if limit else "without limit",
                    "" if used is None else format_bytes(used),
                    worker.get("local_directory", ""),
                )
            )
        return table(rows, ("Worker", "Comm", "Threads", "Memory", "Memory usage", "Local directory"))


class _Keys(dict):
    """A dict of tuples, each of which is a row."""

    _head: tuple = ()

    def _repr_html_(self) -> str:
        """How notebooks show it: how many each has, and which, the first ones of many."""
        rows: list[tuple[Any, ...]] = []
        for key, items in self.items():
            shown = ", ".join(map(str, items[:20])) + (", ..." if len(items) > 20 else "")
            rows.append((key, len(items), shown))
        return table(rows, self._head)


class WhoHas(_Keys):
    """Addresses of workers by key; `Client.who_has` gives it.

    Examples
    --------
    >>> from raskr.distributed.objects import WhoHas
    >>> WhoHas({"abs-1": ("tcp://127.0.0.1:40211",)})["abs-1"]
    ('tcp://127.0.0.1:40211',)
    """

    _head = ("Key", "Copies", "Workers")


class HasWhat(_Keys):
    """Keys of values by the address of their worker; `Client.has_what` gives it.

    Examples
    --------
    >>> from raskr.distributed.objects import HasWhat
    >>> HasWhat({"tcp://127.0.0.1:40211": ("abs-1",)})["tcp://127.0.0.1:40211"]
    ('abs-1',)
    """

    _head = ("Worker", "Key count", "Keys")
