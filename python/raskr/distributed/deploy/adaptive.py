"""`Adaptive`: as many workers as the work asks for."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

from raskr import config
from raskr.distributed.core import Status
from raskr.distributed.deploy import _loop
from raskr.utils import parse_timedelta

if TYPE_CHECKING:
    from raskr.distributed.deploy.cluster import Cluster

__all__ = ["Adaptive"]

_log = logging.getLogger("raskr.distributed.deploy")
#: What the scheduler takes for "any number".
_ANY = 2**31 - 1
_DEFAULTS = {"interval": "1s", "minimum": 0, "maximum": math.inf, "wait-count": 3, "target-duration": "5s"}


def _setting(name: str, given: Any) -> Any:
    if given is not None:
        return given
    found = config.get(f"distributed.adaptive.{name}", None)
    return _DEFAULTS[name] if found is None else found


class Adaptive:
    """Asks the scheduler every now and then how many workers the work asks for, and scales the cluster.

    A subclass may decide otherwise: `target` says how many workers there should be, `workers_to_close` which go first.

    Parameters
    ----------
    cluster : Cluster
    interval : float or str, default "1s"
        How often.
    minimum, maximum : int, default 0 and no limit
        Bounds of the number of workers.
    wait_count : int, default 3
        How often in a row a worker must be superfluous before it goes.
    target_duration : float or str, default "5s"
        In how long what is there should be done.
    worker_key : callable, optional
        Of no effect: workers go one by one.

    Examples
    --------
    >>> from raskr.distributed import LocalCluster
    >>> with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
    ...     adaptive = cluster.adapt(maximum=4, interval="500ms")
    >>> adaptive.interval
    0.5
    """

    def __init__(
        self,
        cluster: Cluster,
        interval: float | str | None = None,
        minimum: int | None = None,
        maximum: float | None = None,
        wait_count: int | None = None,
        target_duration: float | str | None = None,
        worker_key: Callable | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise TypeError(f"adapt() has no arguments {', '.join(sorted(kwargs))}")
        self.cluster = cluster
        self.interval = parse_timedelta(_setting("interval", interval))
        self.minimum = int(_setting("minimum", minimum))
        self.maximum = _setting("maximum", maximum)
        self.wait_count = int(_setting("wait-count", wait_count))
        self.target_duration = parse_timedelta(_setting("target-duration", target_duration))
        self.worker_key = worker_key
        if self.interval is None or self.interval <= 0:
            raise ValueError(f"interval={interval!r}: expected more than 0 seconds")
        if not 0 <= self.minimum <= self.maximum:
            raise ValueError(f"minimum={self.minimum}, maximum={self.maximum}: expected 0 <= minimum <= maximum")
        self.close_counts: dict[Hashable, int] = defaultdict(int)
        self.log: deque = deque(maxlen=1000)
        self.status = Status.starting
        self._task = _loop.start(self._run())

    async def _run(self) -> None:
        self.status = Status.running
        while self.status == Status.running:
            if self.cluster.status == Status.running:
                try:
                    await self.adapt()
                except (OSError, asyncio.TimeoutError, RuntimeError) as error:
                    if self.cluster.status == Status.running:
                        _log.warning("adaptive scaling: %s", error)
            elif self.cluster.status in (Status.closing, Status.closed, Status.failed):
                return
            await asyncio.sleep(self.interval)

    def stop(self, reason: str = "unknown") -> None:
        """Leave the number of workers as it is."""
        if self.status != Status.stopped:
            self.status = Status.stopped
            self._task.cancel()

    @property
    def plan(self) -> set:
        """The names of the workers that there ought to be."""
        return self.cluster.plan

    @property
    def requested(self) -> set:
        """The names of the workers that were started."""
        return self.cluster.requested

    @property
    def observed(self) -> set:
        """The names of the workers that the scheduler has."""
        return self.cluster.observed

    async def _decision(self, minimum: int, maximum: float) -> dict[str, Any]:
        # How often in a row is counted here, since a subclass may decide otherwise.
        question = {
            "op": "adaptive",
            "minimum": minimum,
            "maximum": int(min(maximum, _ANY)),
            "target_duration": self.target_duration,
            "wait_count": 1,
        }
        return await self.cluster._ask(question)

    async def target(self) -> int:
        """How many workers the work asks for, within the bounds."""
        return (await self._decision(self.minimum, self.maximum))["target"]

    async def safe_target(self) -> int:
        """What `target` says, within the bounds whatever it says."""
        wanted = await self.target()
        return int(max(self.minimum, min(self.maximum, wanted)))

    async def workers_to_close(self, target: int) -> list:
        """The names of those whose end costs least, so that this many remain.

        Parameters
        ----------
        target : int
        """
        return (await self._decision(target, target)).get("retire", [])

    async def recommendations(self, target: int) -> dict[str, Any]:
        """What to do so that there are this many workers.

        Parameters
        ----------
        target : int

        Returns
        -------
        dict
            `status` is "same", "up" (to `n`) or "down" (without `workers`).
        """
        plan, requested = self.plan, self.requested
        await self.cluster._look()
        observed = self.observed
        if target >= len(plan):
            self.close_counts.clear()
            return {"status": "up", "n": target} if target > len(plan) else {"status": "same"}
        # Those that have not come up yet cost nothing.
        known = {str(name): name for name in plan}
        pending = [name for name in plan if name not in requested or name not in observed]
        superfluous = pending[: len(plan) - target]
        more = len(plan) - target - len(superfluous)
        if more > 0:
            remaining = len(observed & plan) - more
            superfluous += [known.get(str(name), name) for name in await self.workers_to_close(remaining)]
        firmly = []
        for name in superfluous:
            self.close_counts[name] += 1
            if self.close_counts[name] >= self.wait_count:
                firmly.append(name)
        for name in set(self.close_counts) - set(superfluous):
            del self.close_counts[name]
        for name in firmly:
            del self.close_counts[name]
        return {"status": "down", "workers": firmly} if firmly else {"status": "same"}

    async def adapt(self) -> None:
        """Look once, and do what follows."""
        recommended = dict(await self.recommendations(await self.safe_target()))
        status = recommended.pop("status")
        if status == "same":
            return
        self.log.append((status, dict(recommended)))
        if status == "up":
            await self.scale_up(**recommended)
        else:
            await self.scale_down(**recommended)

    async def scale_up(self, n: int) -> None:
        """Have this many workers.

        Parameters
        ----------
        n : int
        """
        result = self.cluster.scale(n)
        if asyncio.iscoroutine(result) or isinstance(result, asyncio.Future):
            await result

    async def scale_down(self, workers: Iterable) -> None:
        """Let workers go, once their values are elsewhere.

        Parameters
        ----------
        workers : list of names
        """
        names = list(workers)
        if not names:
            return
        self.cluster._log(f"adaptive scaling lets {len(names)} workers go")
        result = self.cluster.scale_down(names)
        if asyncio.iscoroutine(result) or isinstance(result, asyncio.Future):
            await result
