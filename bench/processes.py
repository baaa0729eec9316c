"""Times calls in other processes on raskr, on a warm `multiprocessing.Pool` and on Dask, in turn within one process.

    python bench/processes.py [--contenders raskr pool dask] [--only means pure_python] [--runs 5] [--scale 1.0] [--workers 2]

raskr's children and the pool are started before anything is timed; Dask starts its processes for each compute. Shown per
contender: median seconds, and how many times as long as raskr it took. Results are compared. Calls that take long show what
the contenders cost beside them; believe ratios, and only those of many runs.
"""

import argparse
import importlib
import multiprocessing
import statistics
import sys
import time

import numpy as np

ROWS = {}


def row(make):
    """Registers a benchmark: `make(scale)` gives a function, the arguments of each call, and what becomes one number."""
    ROWS[make.__name__] = make
    return make


def mean_and_deviation(i, size):
    data = np.random.default_rng(i).normal(size=size)
    return float(data.mean()) + float(data.std())


@row
def means(scale):
    """Ten simulations in NumPy of about a quarter of a second each."""
    return mean_and_deviation, [(i, int(1e7 * scale)) for i in range(10)], sum


def loop(i, size):
    total = 0
    for k in range(size):
        total += (k * k) % (i + 7)
    return total


@row
def pure_python(scale):
    """Ten loops in Python of about half a second each."""
    return loop, [(i, int(5e6 * scale)) for i in range(10)], sum


def increase(x):
    return x + 1


@row
def short_calls(scale):
    """Calls of less than a microsecond."""
    return increase, [(i,) for i in range(int(20_000 * scale))], sum


def wait_some(i):
    time.sleep(0.001 * (i % 7))
    return i


@row
def uneven_calls(scale):
    """Calls of none to six milliseconds."""
    return wait_some, [(i,) for i in range(int(500 * scale))], sum


def total(array, i):
    return float(array[::1000].sum()) + i


@row
def large_argument(scale):
    """One array of 80 MB for twenty calls."""
    array = np.ones(int(1e7 * scale))
    return total, [(array, i) for i in range(20)], sum


def make_array(i, size):
    return np.full(size, float(i))


def sum_of_arrays(arrays):
    return sum(float(array[::1000].sum()) for array in arrays)


@row
def large_results(scale):
    """Forty arrays of 8 MB come back."""
    return make_array, [(i, int(1e6 * scale)) for i in range(40)], sum_of_arrays


def record(i):
    return {"id": i, "name": f"name {i}", "scores": [i, i + 1, i + 2]}


def count_records(records):
    return sum(each["scores"][0] for each in records)


@row
def objects(scale):
    """Small dictionaries come back."""
    return record, [(i,) for i in range(int(20_000 * scale))], count_records


def run_in_pool(pool, function, calls):
    return pool.starmap(function, calls)


def run_lazily(library, workers, function, calls):
    lazy = importlib.import_module(library)
    call = lazy.delayed(function, pure=False)
    return lazy.compute(*[call(*each) for each in calls], scheduler="processes", num_workers=workers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="+", default=["raskr", "pool"], choices=["raskr", "pool", "dask"])
    parser.add_argument("--only", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    wrong = 0
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:

        def run(contender, function, calls):
            if contender == "pool":
                return run_in_pool(pool, function, calls)
            return run_lazily(contender, args.workers, function, calls)

        print(f"{'row':16}" + "".join(f"{each + ' s':>10}{'':8}" for each in args.contenders))
        for name in args.only:
            function, calls, summed = ROWS[name](args.scale)
            took = {contender: [] for contender in args.contenders}
            results = set()
            for contender in set(args.contenders) - {"dask"}:
                run(contender, function, calls[: 2 * args.workers])
            for _ in range(args.runs):
                for contender in args.contenders:
                    start = time.perf_counter()
                    values = run(contender, function, calls)
                    took[contender].append(time.perf_counter() - start)
                    results.add(summed(values))
                    del values
            medians = [statistics.median(each) for each in took.values()]
            cells = "".join(f"{each:10.3f}{each / medians[0]:7.2f}x" for each in medians)
            print(f"{name:16}{cells}{'' if len(results) == 1 else '  results differ'}", flush=True)
            wrong += len(results) > 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
