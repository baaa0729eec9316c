"""Profilers: when tasks ran, what the process used, what was kept in memory."""

import os
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from timeit import default_timer
from typing import Any

from raskr.callbacks import Callback

__all__ = ["CacheProfiler", "Profiler", "ResourceProfiler"]

TaskData = namedtuple("TaskData", ("key", "task", "start_time", "end_time", "worker_id"))
ResourceData = namedtuple("ResourceData", ("time", "mem", "cpu"))
CacheData = namedtuple("CacheData", ("key", "task", "metric", "cache_time", "free_time"))


class _Profile(Callback):
    """What profilers share: results of one or more computations, and when they were taken."""

    results: list

    def __enter__(self) -> "_Profile":
        self.clear()
        self.start_time = default_timer()
        super().__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self.end_time = default_timer()

    def clear(self) -> None:
        """Forget the results."""
        self.results = []

    def visualize(self, **kwargs: Any) -> Any:
        """Draw the results; see `raskr.diagnostics.visualize`."""
        from raskr.diagnostics.profile_visualize import visualize

        return visualize(self, **kwargs)


class Profiler(_Profile):
    """Records when and by whom every task was run.

    `results` holds tuples of key, task, start time, end time and worker; times are those of `timeit.default_timer`.

    Examples
    --------
    >>> import raskr
    >>> from raskr.diagnostics import Profiler
    >>> with Profiler() as prof:
    ...     _ = raskr.delayed(sum)([1, 2], dask_key_name="total").compute()
    >>> [result.key for result in prof.results]
    ['total']
    """

    def __init__(self) -> None:
        self._begun: dict[Any, float] = {}
        self._ended: dict[Any, tuple] = {}
        self.results = []
        self.start_time = self.end_time = 0.0

    def _pretask(self, key: Any, dsk: Any, state: dict) -> None:
        self._begun[key] = default_timer()

    def _posttask(self, key: Any, result: Any, dsk: Any, state: dict, worker: Any) -> None:
        self._ended[key] = (default_timer(), worker)

    def _finish(self, dsk: Any, state: dict, errored: bool) -> None:
        for key, (end, worker) in self._ended.items():
            self.results.append(TaskData(key, dsk.get(key), self._begun[key], end, worker))
        self._begun.clear()
        self._ended.clear()

    def clear(self) -> None:
        """Forget the results."""
        super().clear()
        self._begun.clear()
        self._ended.clear()


class ResourceProfiler(_Profile):
    """Records memory and processor time of this process and its children while computations run.

    `results` holds tuples of time, memory in MB and processor use in percent of one processor.

    Parameters
    ----------
    dt : float
        Seconds between two records.

    Examples
    --------
    >>> import raskr
    >>> from raskr.diagnostics import ResourceProfiler
    >>> with ResourceProfiler(dt=0.01) as prof:
    ...     _ = raskr.delayed(sum)([1, 2]).compute()
    >>> prof.results[0]._fields
    ('time', 'mem', 'cpu')
    """

    def __init__(self, dt: float = 1) -> None:
        self._dt = dt
        self._sampler: _Sampler | None = None
        self.results = []
        self.start_time = self.end_time = 0.0

    def _is_running(self) -> bool:
        return self._sampler is not None

    def _begin(self) -> None:
        if self._sampler is None:
            self._sampler = _Sampler(self._dt)

    def _collect(self) -> None:
        sampler, self._sampler = self._sampler, None
        if sampler is not None:
            self.results.extend(sampler.stop())

    def _start(self, dsk: Any) -> None:
        self._begin()

    def _finish(self, dsk: Any, state: dict, errored: bool) -> None:
        if not self._inside:
            self._collect()

    _inside = False

    def __enter__(self) -> "ResourceProfiler":
        super().__enter__()
        self._inside = True
        self._begin()
        return self

    def __exit__(self, *exception: object) -> None:
        self._inside = False
        self._collect()
        super().__exit__(*exception)

    def close(self) -> None:
        """Stop recording."""
        self._collect()


class _Sampler:
    """A thread that records what the process and its children use."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.results: list[ResourceData] = []
        self.before = (default_timer(), _used()[0])
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.stopped.wait(self.interval):
            self._record()

    def _record(self) -> None:
        then, used_then = self.before
        now, (used, memory) = default_timer(), _used()
        self.before = (now, used)
        # The time of a child that has ended is no longer seen.
        share = max(used - used_then, 0.0) / max(now - then, 1e-9)
        self.results.append(ResourceData(now, memory, 100 * share))

    def stop(self) -> list[ResourceData]:
        self.stopped.set()
        self.thread.join()
        # However short it was, there is something to show; but little can be said of the time since just now.
        if not self.results or default_timer() - self.before[0] > self.interval / 2:
            self._record()
        return self.results


def _used() -> tuple[float, float]:
    """Seconds of processors that this process and its children have used, and their memory in MB."""
    seconds, memory = time.process_time(), _memory_megabytes()
    for child in _children():
        try:
            # The name stands in parentheses, and may hold blanks.
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            # It has ended meanwhile.
            continue
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        memory += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return seconds, memory


def _children() -> list[str]:
    """The ids of child processes; none where the system does not tell."""
    found: list[str] = []
    for thread in Path("/proc/self/task").glob("*/children"):
        try:
            found.extend(thread.read_text().split())
        except OSError:
            # The thread has ended meanwhile.
            continue
    return found


def _memory_megabytes() -> float:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        import resource

        # The system tells only the peak: bytes on macOS, kilobytes elsewhere.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


class CacheProfiler(_Profile):
    """Records how long results were kept, and a measure of each.

    `results` holds tuples of key, task, measure, and the times when the result was made and let go.

    Parameters
    ----------
    metric : callable, optional
        Measures a result; counts one by default.
    metric_name : str, optional
        What the measure is called; by default the function's name, or 'count'.

    Examples
    --------
    >>> import raskr
    >>> from raskr.diagnostics import CacheProfiler
    >>> with CacheProfiler() as prof:
    ...     _ = raskr.delayed(sum)([1, 2], dask_key_name="total").compute()
    >>> [(result.key, result.metric) for result in prof.results]
    [('total', 1)]
    """

    def __init__(self, metric: Callable | None = None, metric_name: str | None = None) -> None:
        self._metric = metric or (lambda value: 1)
        self._metric_name = metric_name or (getattr(metric, "__name__", "metric") if metric else "count")
        self._kept: dict[Any, tuple] = {}
        self.results = []
        self.start_time = self.end_time = 0.0

    def _posttask(self, key: Any, result: Any, dsk: Any, state: dict, worker: Any) -> None:
        now = default_timer()
        self._kept[key] = (self._metric(result), now)
        for released in state["released"] & self._kept.keys():
            self._let_go(released, dsk, now)

    def _let_go(self, key: Any, dsk: Any, now: float) -> None:
        metric, since = self._kept.pop(key)
        self.results.append(CacheData(key, dsk.get(key), metric, since, now))

    def _finish(self, dsk: Any, state: dict, errored: bool) -> None:
        now = default_timer()
        for key in list(self._kept):
            self._let_go(key, dsk, now)

    def clear(self) -> None:
        """Forget the results."""
        super().clear()
        self._kept.clear()
