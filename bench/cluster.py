"""Times what a local cluster adds to tasks: calls, graphs, round trips, and moving data.

    python bench/cluster.py [--library raskr dask] [--only map graph trip fib waits move move8 move1000 many_calls many_tasks] [--workers 2]
                            [--tasks 100000] [--json FILE]

Each row says what one task costs in wall time, the best of three runs; tasks do nothing. Those of `fib` and `waits` submit others
and wait for them, for which `fib` and `waits` say the time of all, and how many more processes there were afterwards. `move` and its likes send 1 GB to workers
and fetch it, in turn with another process that copies as much from memory that it shares with this one: the best of five runs, in
GB/s, and as shares of the copy into memory that is new, as that of received data is. The cluster is started before and not timed.
`many_calls` and `many_tasks` have ten times as many tasks, once, on a cluster whose scheduler is a process of its own, and say how
much memory of that process each task took when it was most.
"""

import argparse
import contextlib
import importlib
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.shared_memory import SharedMemory

import numpy as np


def nothing(x):
    return x


def best(run, times=3):
    """Seconds of the fastest of some runs."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        run()
        found.append(time.perf_counter() - begun)
    return min(found)


def row_map(client, library, tasks):
    """Microseconds for each of many calls by `client.map`, until all results are here."""
    count = iter(range(100))

    def run():
        start = next(count) * tasks
        client.gather(client.map(nothing, list(range(start, start + tasks))))

    return {"us per call": best(run) / tasks * 1e6}


def row_submit(client, library, tasks):
    """Microseconds until `client.map` has given its futures."""
    start = 200 * tasks

    def run():
        nonlocal start
        start += tasks
        run.kept = client.map(nothing, list(range(start, start + tasks)))

    return {"us per call": best(run) / tasks * 1e6}


def row_graph(client, library, tasks):
    """Microseconds for each task of a graph of lazy calls: numbers, and sums of ten of them."""
    lazy = library.delayed(nothing, pure=False)
    add = library.delayed(lambda *numbers: sum(numbers), pure=False)

    def run():
        level = [lazy(number) for number in range(tasks * 9 // 10)]
        while len(level) > 1:
            level = [add(*level[place : place + 10]) for place in range(0, len(level), 10)]
        client.compute(level[0]).result()

    return {"us per task": best(run) / tasks * 1e6}


def row_trip(client, library, tasks):
    """Microseconds for `client.submit(...).result()`."""
    for number in range(50):
        client.submit(nothing, number).result()
    times = 500
    begun = time.perf_counter()
    for number in range(1000, 1000 + times):
        client.submit(nothing, number).result()
    return {"us per trip": (time.perf_counter() - begun) / times * 1e6}


def below(pid):
    """How many processes stand under one."""
    parents = {}
    for place in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents.setdefault(int(place.read_text().rpartition(")")[2].split()[1]), []).append(int(place.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return len(found) - 1


def waiting(function, *arguments):
    """Seconds of a task that waits for others, and processes that were there afterwards and not before."""

    def row(client, library, tasks):
        before = below(os.getpid())
        seconds = best(lambda: client.submit(function, *arguments, pure=False).result())
        return {"seconds": seconds, "more processes": below(os.getpid()) - before}

    return row


def inner_client():
    """The `worker_client` of the library whose worker runs this."""
    name = "raskr.distributed" if "raskr" in sys.modules else "distributed"
    return importlib.import_module(name).worker_client()


def fib(number):
    """A task that submits two like itself, and waits for them."""
    if number < 2:
        return number
    with inner_client() as client:
        return sum(client.gather([client.submit(fib, number - less, pure=False) for less in (1, 2)]))


def wait_for_one(number):
    with inner_client() as client:
        return client.submit(nothing, number, pure=False).result()


def wait_for_many(number):
    """A task that waits for many, each of which waits for one more."""
    with inner_client() as client:
        return sum(client.gather(client.map(wait_for_one, range(number), pure=False)))


def copies(name, size, orders):
    """In a process of its own: copies shared memory to memory of its own when it is told to, and says how long that took."""
    shared = SharedMemory(name)
    source = np.frombuffer(shared.buf, dtype="u1", count=size)
    used = np.ones(size, dtype="u1")
    while orders.recv():
        begun = time.perf_counter()
        new = np.empty(size, dtype="u1")
        np.copyto(new, source)
        between = time.perf_counter()
        np.copyto(used, source)
        orders.send((between - begun, time.perf_counter() - between))
        del new
    del source
    shared.close()


@contextlib.contextmanager
def copier(size):
    """Gives a function that has another process copy so many bytes of this one's: seconds to new and to used memory."""
    shared = SharedMemory(create=True, size=size)
    np.frombuffer(shared.buf, dtype="u1")[:] = 1
    context = multiprocessing.get_context("spawn")
    orders, theirs = context.Pipe()
    process = context.Process(target=copies, args=(shared.name, size, theirs))
    process.start()

    def copy():
        orders.send(True)
        return orders.recv()

    try:
        yield copy
    finally:
        orders.send(False)
        process.join()
        shared.close()
        shared.unlink()


def settle(size):
    """Has the system take and get back memory: a guest that asks its host for pages waits for these, whoever copies."""
    pages = np.empty(2 * size, dtype="u1")
    pages[:: 1 << 12] = 1


def move(client, pieces, times=5):
    """GB/s of sending and fetching 1 GB of arrays, and of copying as much from one process to another."""
    size = 1 << 30
    arrays = [np.random.default_rng(number).random(size // 8 // pieces) for number in range(pieces)]
    found = {"scatter": [], "gather": [], "copy to new memory": [], "copy to used memory": []}
    with copier(size) as copy:
        for _ in range(times):
            settle(size)
            begun = time.perf_counter()
            futures = client.scatter(arrays, hash=False)
            found["scatter"].append(time.perf_counter() - begun)
            settle(size)
            begun = time.perf_counter()
            values = client.gather(futures)
            found["gather"].append(time.perf_counter() - begun)
            assert all(map(np.array_equal, values, arrays))
            del values, futures
            settle(size)
            new, used = copy()
            found["copy to new memory"].append(new)
            found["copy to used memory"].append(used)
    rates = {name: size / min(seconds) / 1e9 for name, seconds in found.items()}
    shares = {
        f"{name} / copy to new memory": rates[name] / rates["copy to new memory"] for name in ("scatter", "gather")
    }
    return {**{f"GB/s {name}": rate for name, rate in rates.items()}, **shares}


def row_move(client, library, tasks):
    """1 GB in one array."""
    return move(client, 1)


def row_move8(client, library, tasks):
    """1 GB in eight arrays."""
    return move(client, 8)


def row_move1000(client, library, tasks):
    """1 GB in a thousand arrays."""
    return move(client, 1 << 10)


@contextlib.contextmanager
def apart():
    """A client of a cluster of processes started by commands, and a function that says how much more memory the scheduler has
    had than at first."""
    from raskr.distributed import Client

    def start(*arguments):
        return subprocess.Popen([sys.executable, "-m", "raskr", *arguments], stdout=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory() as folder:
        file = str(pathlib.Path(folder) / "scheduler.json")
        scheduler = start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        workers = [start("worker", "--scheduler-file", file, "--nthreads", "1") for _ in range(2)]
        status = pathlib.Path(f"/proc/{scheduler.pid}/status")

        def resident():
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
            return int(line.split()[1]) << 10

        ended = threading.Event()
        try:
            with Client(scheduler_file=file, timeout=30) as client:
                client.wait_for_workers(2)
                client.gather(client.map(nothing, list(range(-1000, 0))))
                first = most = resident()

                def watch():
                    nonlocal most
                    while not ended.wait(0.02):
                        most = max(most, resident())

                watcher = threading.Thread(target=watch)
                watcher.start()
                yield client, lambda: most - first
                ended.set()
                watcher.join()
        finally:
            ended.set()
            for process in [*workers, scheduler]:
                process.terminate()
            for process in [*workers, scheduler]:
                process.wait()


def many(run, library, tasks):
    with apart() as (client, more):
        began = time.perf_counter()
        run(client, library, tasks)
        took = time.perf_counter() - began
        return {"us per task": took / tasks * 1e6, "bytes of the scheduler per task": more() / tasks}


def row_many_calls(client, library, tasks):
    """Ten times as many calls by one `client.map`, all futures and results of which are held."""

    def run(client, library, tasks):
        futures = client.map(nothing, list(range(tasks)))
        assert client.gather(futures) == list(range(tasks))

    return many(run, library, 10 * tasks)


def row_many_tasks(client, library, tasks):
    """Ten times as many tasks in one graph."""

    def run(client, library, tasks):
        lazy = library.delayed(nothing, pure=False)
        add = library.delayed(lambda *numbers: sum(numbers), pure=False)
        first = tasks * 9 // 10
        level = [lazy(number) for number in range(first)]
        while len(level) > 1:
            level = [add(*level[place : place + 10]) for place in range(0, len(level), 10)]
        assert client.compute(level[0]).result() == first * (first - 1) // 2

    return many(run, library, 10 * tasks)


ROWS = {
    "map": row_map,
    "submit": row_submit,
    "graph": row_graph,
    "trip": row_trip,
    "fib": waiting(fib, 9),
    "waits": waiting(wait_for_many, 200),
    "move": row_move,
    "move8": row_move8,
    "move1000": row_move1000,
    "many_calls": row_many_calls,
    "many_tasks": row_many_tasks,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", choices=["raskr", "dask"], default="raskr")
    parser.add_argument("--only", nargs="*", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if arguments.library == "raskr":
        import raskr as library
        from raskr.distributed import Client
    else:
        import dask as library
        from distributed import Client

        # Those start clusters by raskr's commands.
        arguments.only = [name for name in arguments.only if not name.startswith("many")]
    found = {}
    options = {"n_workers": arguments.workers, "threads_per_worker": 1, "dashboard_address": None}
    with Client(**options) as client:
        client.wait_for_workers(arguments.workers)
        client.gather(client.map(nothing, list(range(-1000, 0))))
        for name in arguments.only:
            found[name] = ROWS[name](client, library, arguments.tasks)
            shown = ", ".join(f"{value:.2f} {unit}" for unit, value in found[name].items())
            print(f"{name:8} {shown}", flush=True)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"library": arguments.library, "tasks": arguments.tasks, "rows": found}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
