"""How a client looks, in a terminal and on a notebook's page."""

from typing import Any

from raskr.distributed.objects import SchedulerInfo, folded, table
from raskr.utils import format_bytes

__all__ = ["ClientLooks"]


class ClientLooks:
    """The part of a client that shows it."""

    name: str
    status: str
    cluster: Any
    scheduler_file: Any
    dashboard_link: str
    _native: Any
    _ask: Any

    def _is_connected(self) -> bool:
        return self._native is not None and self._native.ended is None and self.status != "closed"

    def _info(self) -> SchedulerInfo | None:
        """What the scheduler says of itself, if it says so soon."""
        try:
            return SchedulerInfo(self._ask({"op": "identity"}, timeout=2)[0])
        except Exception:
            return None

    def __repr__(self) -> str:
        if not self._is_connected():
            return f"<{type(self).__name__}: No scheduler connected>"
        text = _summary(self._info())
        return f"<{type(self).__name__}: {self._native.address!r}{' ' if text else ''}{text}>"

    def _repr_html_(self) -> str:
        if not self._is_connected():
            return table([("Client", self.name), ("Scheduler", "not connected")])
        info, place = self._info(), self._native.address
        method = "Cluster object" if self.cluster is not None else "Scheduler file" if self.scheduler_file else "Direct"
        rows = [("Client", self.name), ("Connection method", method), ("Scheduler", place), ("Cluster", _summary(info))]
        if self.dashboard_link:
            rows.append(("Dashboard", self.dashboard_link))
        looks = {"Cluster Info": self.cluster, "Scheduler Info": info}
        return table(rows) + "".join(folded(title, it._repr_html_()) for title, it in looks.items() if it is not None)


def _summary(info: SchedulerInfo | None) -> str:
    """What a cluster has; empty where it is not known."""
    if info is None:
        return ""
    text = f"processes={info.get('n_workers', 0)} threads={info.get('total_threads', 0)}"
    memory = info.get("total_memory") or 0
    return f"{text}, memory={format_bytes(memory)}" if memory else text
