"""`raskr scheduler`: a scheduler as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import sys
from collections.abc import Sequence
from typing import Any

from raskr.cli import _options

__all__ = ["main"]

#: The port of a scheduler where nothing is said.
DEFAULT_PORT = 8786
_END_TIME = 10.0


def parser() -> _options.Parser:
    """The options."""
    made = _options.Parser("scheduler", "Start a scheduler; it ends when a client shuts it down, or by Ctrl-C.")
    _options.add_connection(made)
    made.add_argument("--port", type=_options.port, help=f"the port; {DEFAULT_PORT} or a free one, unless said")
    made.add_argument("--dashboard-address", default=":8787", metavar="ADDRESS", help="where the dashboard is")
    made.add_argument("--dashboard", action="store_true", default=True, help="have a dashboard")
    made.add_argument("--no-dashboard", action="store_false", dest="dashboard", help="have none")
    made.add_argument("--dashboard-prefix", metavar="PREFIX", help="a path in front of the dashboard's own")
    made.add_argument("--show", "--no-show", "--no-jupyter", action="store_true", help="of no effect")
    made.add_argument("--use-xheaders", metavar="BOOL", help="of no effect")
    made.add_argument("--idle-timeout", type=_options.duration, metavar="TIME", help="end after so long without work")
    _options.add_preload(made)
    made.add_argument("preload_words", nargs="*", metavar="PRELOAD_ARGV", help="more arguments of dask_setup")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    options = parser().parse_args(_options.words(arguments))
    from raskr.distributed.deploy import _process_signals

    ends: queue.SimpleQueue[str] = queue.SimpleQueue()
    _process_signals.listen((signal.SIGINT, signal.SIGTERM), lambda number: ends.put(number.name))
    try:
        with _options.pid_file(options.pid_file):
            return _run(options, ends)
    except (OSError, ValueError, RuntimeError, TypeError, ImportError, asyncio.TimeoutError) as error:
        return _options.fail("scheduler", error)


def _run(options: Any, ends: queue.SimpleQueue) -> int:
    from raskr.distributed.deploy import _loop
    from raskr.distributed.deploy.servers import Scheduler

    async def start(port: int) -> Any:
        return await Scheduler(
            host=options.host,
            port=port,
            interface=options.interface,
            protocol=options.protocol,
            dashboard_address=options.dashboard_address if options.dashboard else None,
            http_prefix=options.dashboard_prefix,
            scheduler_file=options.scheduler_file,
            security=_options.security_of(options, "scheduler"),
            idle_timeout=options.idle_timeout,
            preload=options.preload,
            preload_argv=[*(options.preload_argv or ()), *options.preload_words],
            insecure=options.insecure,
        )

    try:
        scheduler = _loop.wait(_loop.start(start(DEFAULT_PORT if options.port is None else options.port)))
    except OSError as error:
        if options.port is not None or "in use" not in str(error) or "dashboard" in str(error):
            raise
        print(f"raskr scheduler: {error}; taking another port", file=sys.stderr, flush=True)
        scheduler = _loop.wait(_loop.start(start(0)))
    print(f"raskr scheduler at {scheduler.address}", flush=True)
    if scheduler.dashboard_link:
        print(f"dashboard at {scheduler.dashboard_link}", flush=True)

    finished = _loop.start(scheduler.finished())
    finished.add_done_callback(lambda _: ends.put("finished"))
    why = ends.get()
    if why != "finished":
        # A second Ctrl-C is not waited for.
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            _loop.wait(_loop.start(scheduler.close(reason=f"{why} ended the scheduler")), _END_TIME)
    print("raskr scheduler has ended", flush=True)
    return 0
