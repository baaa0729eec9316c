"""`raskr worker`: workers as processes of their own, which are started again when they die."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

from raskr.cli import _options
from raskr.system import CPU_COUNT

__all__ = ["main"]


def parser() -> _options.Parser:
    """The options."""
    made = _options.Parser("worker", "Start workers for a scheduler; they end with it, or by Ctrl-C.")
    made.add_argument("scheduler", nargs="?", metavar="SCHEDULER", help="the scheduler's address")
    _options.add_connection(made)
    made.add_argument("--nworkers", default="1", metavar="N", help="how many; -1 is one a processor; or auto")
    made.add_argument("--nthreads", type=int, metavar="N", help="tasks that each runs at a time")
    made.add_argument("--memory-limit", default="auto", metavar="SIZE", help="of each; 4GB, 0.5, auto, 0 for none")
    made.add_argument("--name", help="a name; several workers are NAME-0, NAME-1, ...")
    made.add_argument("--resources", metavar="WORDS", help='for tasks that ask for them, such as "GPU=2 MEM=10e9"')
    made.add_argument("--local-directory", metavar="PATH", help="the folder for spilled values")
    made.add_argument("--worker-port", metavar="PORT", help="the port; or FIRST:LAST for several workers")
    made.add_argument(
        "--death-timeout", type=_options.duration, metavar="TIME", help="how long to look for a scheduler"
    )
    made.add_argument("--lifetime", type=_options.duration, metavar="TIME", help="end after so long")
    made.add_argument(
        "--lifetime-stagger", type=_options.duration, metavar="TIME", help="more or less by so much at random"
    )
    made.add_argument("--lifetime-restart", action="store_true", default=None, help="and start again")
    made.add_argument("--no-lifetime-restart", action="store_false", dest="lifetime_restart", help="and end")
    made.add_argument("--nanny", action="store_true", default=True, help="start again what dies")
    made.add_argument("--no-nanny", action="store_false", dest="nanny", help="one worker, in this very process")
    made.add_argument("--listen-address", "--contact-address", "--nanny-port", "--scheduler-sni", help="of no effect")
    made.add_argument(
        "--dashboard-address", "--dashboard-prefix", "--worker-class", "--preload-nanny", help="of no effect"
    )
    made.add_argument("--dashboard", "--no-dashboard", "--reconnect", action="store_true", help="of no effect")
    _options.add_preload(made)
    made.add_argument("preload_words", nargs="*", metavar="PRELOAD_ARGV", help="arguments of dask_setup")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code."""
    from raskr.distributed.deploy import worker_process

    launcher = worker_process.Launcher.of_this_process()
    if launcher is not None:
        # The words of the command are for people then.
        worker_process.end(worker_process.run(launcher.take_setup(), launcher))
    options = parser().parse_args(_options.words(arguments))
    try:
        workers = _described(options)
    except (ValueError, TypeError) as error:
        parser().error(str(error))
    try:
        with _options.pid_file(options.pid_file):
            if options.nanny:
                return _keep(workers)
            if len(workers) != 1:
                parser().error("--no-nanny is for one worker: leave --nworkers out")
            code = worker_process.run(workers[0].options, None)
    except (OSError, ValueError, RuntimeError, asyncio.TimeoutError) as error:
        return _options.fail("worker", error)
    worker_process.end(code)


class _Described:
    """One worker: its name, and the arguments of `Nanny`."""

    def __init__(self, scheduler: str | None, name: str, arguments: dict[str, Any]) -> None:
        from raskr.distributed.deploy.servers import Nanny

        self.scheduler, self.name, self.arguments = scheduler, name, arguments
        # Making one finds what is wrong with the arguments.
        self.options = Nanny(scheduler, name=name, **arguments)._given.values


def _described(options: Any) -> list[_Described]:
    if options.scheduler is None and options.scheduler_file is None:
        options.scheduler = os.environ.get("RASKR_SCHEDULER_ADDRESS")
        if not options.scheduler:
            raise ValueError("which scheduler? give its address, or --scheduler-file")
    count, threads = _counts(options.nworkers, options.nthreads)
    ports = _ports(options.worker_port, count)
    base = options.name or f"{socket.gethostname()}-{os.getpid()}"
    arguments = {
        "scheduler_file": options.scheduler_file,
        "nthreads": threads,
        "memory_limit": options.memory_limit,
        "resources": options.resources,
        "local_directory": options.local_directory,
        "host": options.host,
        "interface": options.interface,
        "protocol": options.protocol,
        "insecure": options.insecure,
        "death_timeout": options.death_timeout,
        "security": _options.security_of(options, "worker"),
        "preload": options.preload,
        "preload_argv": [*(options.preload_argv or ()), *options.preload_words],
        "lifetime": options.lifetime,
        "lifetime_stagger": options.lifetime_stagger,
        "lifetime_restart": options.lifetime_restart,
    }
    names = [base] if count == 1 else [f"{base}-{number}" for number in range(count)]
    return [_Described(options.scheduler, name, {**arguments, "port": port}) for name, port in zip(names, ports)]


def _counts(nworkers: str, nthreads: int | None) -> tuple[int, int]:
    from raskr.distributed.deploy._sizes import nprocesses_nthreads

    if nworkers == "auto":
        if nthreads is not None:
            raise ValueError("--nworkers auto says how many threads each has: leave --nthreads out")
        return nprocesses_nthreads()
    try:
        count = int(nworkers)
    except ValueError:
        raise ValueError(f"--nworkers {nworkers}: expected a number, or auto") from None
    if count < 0:
        count += CPU_COUNT + 1
    if count <= 0:
        raise ValueError(f"--nworkers {nworkers}: that is none on {CPU_COUNT} processors")
    if nthreads is not None and nthreads < 1:
        raise ValueError(f"--nthreads {nthreads}: expected at least 1")
    return count, nthreads or max(1, CPU_COUNT // count)


def _ports(given: str | None, count: int) -> list[int]:
    if given is None:
        return [0] * count
    first, _, last = given.partition(":")
    try:
        ports = range(int(first), int(last or first) + 1)
    except ValueError:
        raise ValueError(f"--worker-port {given}: expected PORT, or FIRST:LAST") from None
    if ports and (ports[0] < 0 or ports[-1] >= 1 << 16):
        raise ValueError(f"--worker-port {given}: expected ports from 0 to 65535")
    if given == "0":
        return [0] * count
    if len(ports) < count:
        raise ValueError(f"--worker-port {given}: {len(ports)} ports for {count} workers")
    return list(ports[:count])


def _keep(described: list[_Described]) -> int:
    """Keeps workers running until they are told to end."""
    from raskr.distributed.core import Status
    from raskr.distributed.deploy import _loop, _process_signals, worker_process
    from raskr.distributed.deploy.servers import Nanny

    ends: queue.SimpleQueue[str] = queue.SimpleQueue()
    what = {signal.SIGTERM: "leave", signal.SIGINT: "close"}
    _process_signals.listen(what, lambda number: ends.put(what[number]))

    async def make() -> list[Nanny]:
        return [Nanny(one.scheduler, name=one.name, **one.arguments) for one in described]

    nannies = _loop.wait(_loop.start(make()))

    over = threading.Event()

    async def life() -> None:
        async def one(nanny: Nanny) -> None:
            await nanny
            print(f"raskr worker {nanny.name} at {nanny.address}, process {nanny.pid}", flush=True)
            await nanny.finished()
            if nanny.status == Status.failed:
                raise RuntimeError(nanny.reason)

        lives = [asyncio.ensure_future(one(nanny)) for nanny in nannies]
        try:
            await asyncio.gather(*lives)
        finally:
            for each in lives:
                each.cancel()
            # A worker that is just coming up is ended by the one who started it, who takes its folder away.
            await asyncio.gather(*lives, return_exceptions=True)
            over.set()

    async def close(leave: bool) -> None:
        await asyncio.gather(*(nanny.leave() if leave else nanny.close() for nanny in nannies))

    living = _loop.start(life())
    living.add_done_callback(lambda _: ends.put("ended"))
    why = ends.get()
    if why == "ended":
        error = None if living.cancelled() else living.exception()
        _loop.wait(_loop.start(close(False)))
        return 0 if error is None else _options.fail("worker", error)
    living.cancel()
    closing = _loop.start(close(why == "leave"))
    closing.add_done_callback(lambda _: ends.put("closed"))
    limit = worker_process.CLOSE_TIME + (worker_process.DRAIN_TIME + worker_process.CLOSE_TIME) * (why == "leave")
    again = "ended"
    try:
        # A signal while workers give their values away means that there is no time for it.
        while again == "ended":
            again = ends.get(timeout=limit + 5)
    except queue.Empty:
        again = "close"
    if again != "closed":
        _loop.wait(_loop.start(close(False)), 2 * worker_process.CLOSE_TIME)
    over.wait(worker_process.CLOSE_TIME)
    print("raskr worker has ended", file=sys.stdout, flush=True)
    return 0
