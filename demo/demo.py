"""What `make demo` runs: four programs that are larger than memory or made of very many small calls.

Each is timed with its peak memory, beside what NumPy alone (or calling the functions at once) needs for the same,
measured on a part of the work where the whole does not fit or would take long, and then scaled. Another library with
the same interface can be named: `demo.py --library dask`.
"""

import argparse
import importlib
import math
import operator
import os
import shutil
import sys
import time
from pathlib import Path

import measure
import numpy as np
import temperatures


def pi(library, report, scale):
    points = max(1000, int(1e8 * scale))
    da = library.array

    def estimate():
        x = da.random.uniform(size=points, chunks=max(1, points // 16))
        y = da.random.uniform(size=points, chunks=max(1, points // 16))
        inside = da.where(da.sqrt(x * x + y * y) < 1.0, 1, 0)
        return 4.0 * float(inside.sum().compute()) / points

    def alone():
        rng = np.random.default_rng(0)
        n = points // 10
        x, y = rng.uniform(size=n), rng.uniform(size=n)
        return 4.0 * np.where(np.sqrt(x * x + y * y) < 1.0, 1, 0).sum() / n

    report.title(f"pi from {points:,} random points")
    found = report.run(estimate)
    report.alone("NumPy", alone, part=0.1)
    report.result(f"pi is about {found:.5f}", abs(found - math.pi) < 10 / math.sqrt(points))


def row_means(library, report, scale):
    n = max(40, int(20_000 * math.sqrt(scale)))
    da = library.array

    def means():
        x = da.random.normal(0, 1, size=(n, n), chunks=(max(1, n // 4), max(1, n // 4)))
        return da.mean(x, axis=1).compute()

    def alone():
        return np.random.default_rng(0).normal(0, 1, size=(n // 20, n)).mean(axis=1)

    report.title(f"row means of {n:,} x {n:,} normal numbers ({n * n * 8 / 1e9:.2f} GB)")
    found = report.run(means)
    report.alone("NumPy", alone, part=0.05)
    largest = float(np.abs(found).max()) * math.sqrt(n)
    report.result(f"the largest is {largest:.2f} standard errors from 0", found.shape == (n,) and largest < 7)


def climate(library, report, scale, folder):
    world = temperatures.World.of_bytes(4e9 * scale)
    raw, out = folder / "temperatures.zarr", folder / "anomalies.zarr"
    size = f"{world.nbytes / 1e9:.2f} GB: {world.days:,} days x {world.lats} x {world.lons}, float32"

    report.title(f"write gridded temperatures ({size}) to Zarr")
    with library.config.set(memory_limit="1GB"):
        report.run(lambda: temperatures.write(library.array, world, raw))
    report.alone("NumPy", lambda: temperatures.write_alone(world, folder / "alone.npy", part=0.02), part=0.02)

    report.title("monthly anomalies and trends of these, to another Zarr, with memory_limit=1GB")
    with library.config.set(memory_limit="1GB"):
        report.run(lambda: temperatures.analyse(library.array, world, raw, out))
    report.alone(
        "NumPy", lambda: temperatures.analyse_alone(library.array, world, raw), part=world.chunks[1] / world.lats
    )
    fault = temperatures.fault(library.array, world, raw, out)
    report.result("anomalies and trends agree with NumPy's on a sample", fault is None, fault)


def increment(x):
    return x + 1


def tree(library, report, scale):
    leaves = max(8, int(50_000 * scale))
    delayed = library.delayed

    def fold(call):
        values = [call(increment, i) for i in range(leaves)]
        while len(values) > 1:
            pairs = [call(operator.add, values[i], values[i + 1]) for i in range(0, len(values) - 1, 2)]
            values = pairs + values[len(values) & ~1 :]
        return call(operator.neg, values[0])

    wrapped = {f: delayed(f, pure=False) for f in (increment, operator.add, operator.neg)}
    report.title(f"a tree of {2 * leaves:,} delayed calls")
    found = report.run(lambda: fold(lambda f, *args: wrapped[f](*args)).compute(scheduler="threads"))
    report.alone("calls", lambda: fold(lambda f, *args: f(*args)), part=1.0)
    report.result(f"the sum is {-found:,}", found == -leaves * (leaves + 1) // 2)


def load(name):
    """The library's package, and the modules of it that the programs use."""
    library = importlib.import_module(name)
    for part in ("array", "config", "diagnostics"):
        importlib.import_module(f"{name}.{part}")
    return library


def check_disk(folder, needed):
    """Stops, before any work, when the disk is too small."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        sys.exit(
            f"demo: {folder} needs {needed / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free: free some, "
            "name another place with --data, or run a smaller demo with --scale 0.1"
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", default="raskr", help="the package to run (raskr)")
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the full size (1.0)")
    parser.add_argument("--data", type=Path, default=Path("raskr-demo-data"), help="where the files go")
    parser.add_argument("--only", nargs="+", choices=["pi", "row_means", "climate", "tree"], help="some of the parts")
    options = parser.parse_args(arguments)
    library = load(options.library)
    folder = options.data.absolute()
    wanted = options.only or ["pi", "row_means", "climate", "tree"]
    if "climate" in wanted:
        check_disk(folder, 4.6e9 * options.scale + 1e8)
    keep = bool(os.environ.get("KEEP"))
    began = time.perf_counter()
    report = measure.Report(options.library, library.diagnostics.ProgressBar)
    report.head()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            if name == "climate":
                climate(library, report, options.scale, folder)
            else:
                {"pi": pi, "row_means": row_means, "tree": tree}[name](library, report, options.scale)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\nAll done in {time.perf_counter() - began:.0f} s." + (f" The data is kept in {folder}." if keep else ""))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
