"""Times what a local cluster adds to tasks: calls, graphs, round trips, and moving data.

    python bench/cluster.py [--library raskr dask] [--only map graph trip move] [--workers 2] [--tasks 100000] [--json FILE]

Each row says what one task, or one byte, costs in wall time, the best of three runs. Tasks do nothing; data moves between
this process and the workers'. The cluster is started before and not timed.
"""

import argparse
import json
import sys
import time

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


def row_move(client, library, tasks):
    """GB/s of sending and fetching 1 GB in eight arrays, and of copying as much memory."""
    arrays = [np.random.default_rng(number).random(1 << 24) for number in range(8)]
    size = sum(array.nbytes for array in arrays)
    spare = np.empty_like(arrays[0])
    spare[:] = 0

    def copy():
        for array in arrays:
            np.copyto(spare, array)

    scatter = fetch = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        futures = client.scatter(arrays, hash=False)
        scatter = min(scatter, time.perf_counter() - begun)
        begun = time.perf_counter()
        values = client.gather(futures)
        fetch = min(fetch, time.perf_counter() - begun)
        del values, futures
    found = {"scatter": scatter, "gather": fetch, "copy": best(copy)}
    return {f"GB/s {name}": size / seconds / 1e9 for name, seconds in found.items()}


ROWS = {"map": row_map, "submit": row_submit, "graph": row_graph, "trip": row_trip, "move": row_move}


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
