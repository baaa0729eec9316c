"""`ProcessInterface`: what a launcher needs to be able to do with a scheduler or a worker that it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from raskr.distributed.core import Status

__all__ = ["ProcessInterface"]


class ProcessInterface:
    """A scheduler or worker as `SpecCluster` starts and ends it: the base for those of other packages.

    A subclass extends the coroutines `start` and `close`; what it starts may be anything that runs `raskr worker` in the
    end: a process, a job of a batch system, a container.

    Parameters
    ----------
    scheduler : str, optional
        The scheduler's address.
    name : optional
        The worker's name.

    Examples
    --------
    >>> from raskr.distributed import ProcessInterface
    >>> ProcessInterface(name="a")
    <ProcessInterface 'a': created>
    """

    def __init__(self, scheduler: str | None = None, name: Any = None) -> None:
        self.address: str | None = getattr(self, "address", None)
        self.external_address: str | None = None
        self.scheduler = scheduler
        self.name = name
        self.lock = asyncio.Lock()
        self._status = Status.created
        self._event_finished = asyncio.Event()

    @property
    def status(self) -> Status:
        """Its state; one that is closed or failed is started anew by its cluster."""
        return self._status

    @status.setter
    def status(self, new: Status | str) -> None:
        self._status = Status(new)

    async def start(self) -> None:
        """Start it; done once it was submitted, or runs."""
        self.status = Status.running

    async def close(self, **options: Any) -> None:
        """End it."""
        self.status = Status.closed
        self._event_finished.set()

    async def finished(self) -> None:
        """Wait until it has been closed."""
        await self._event_finished.wait()

    def __await__(self) -> Generator[Any, Any, Any]:
        async def started() -> ProcessInterface:
            async with self.lock:
                if self.status == Status.created:
                    await self.start()
            return self

        return started().__await__()

    async def __aenter__(self) -> Any:
        await self
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        return f"<{type(self).__name__}{name}: {self.status.name}>"
