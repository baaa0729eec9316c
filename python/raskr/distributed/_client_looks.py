"""How a client looks, in a terminal and on a notebook's page."""

from typing import Any

from raskr.distributed.objects import SchedulerInfo, folded, table

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

    def _summary(self) -> tuple[str, str] | None:
        """The address, and what the cluster has; None where it is not known."""
        if self._native is None or self._native.ended is not None or self.status == "closed":
            return None
        place = self._native.address
        info = self._info()
        if info is None:
            return place, ""
        from raskr.utils import format_bytes

        text = f"processes={info.get('n_workers', 0)} threads={info.get('total_threads', 0)}"
        memory = info.get("total_memory") or 0
        return place, f"{text}, memory={format_bytes(memory)}" if memory else text

    def _info(self) -> SchedulerInfo | None:
        """What the scheduler says of itself, if it says so soon."""
        try:
            return SchedulerInfo(self._ask({"op": "identity"}, timeout=2)[0])
        except Exception:
            return None

    def __repr__(self) -> str:
        found = self._summary()
        if found is None:
            return f"<{type(self).__name__}: No scheduler connected>"
        return f"<{type(self).__name__}: {found[0]!r}{' ' if found[1] else ''}{found[1]}>"

    def _repr_html_(self) -> str:
        found = self._summary()
        if found is None:
            return table([("Client", self.name), ("Scheduler", "not connected")])
        method = "Cluster object" if self.cluster is not None else "Scheduler file" if self.scheduler_file else "Direct"
        rows = [("Client", self.name), ("Connection method", method), ("Scheduler", found[0]), ("Cluster", found[1])]
        if self.dashboard_link:
            rows.append(("Dashboard", self.dashboard_link))
        looks = {"Cluster Info": self.cluster, "Scheduler Info": self._info()}
        return table(rows) + "".join(folded(title, it._repr_html_()) for title, it in looks.items() if it is not None)
