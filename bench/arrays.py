"""Times array functions on raskr, Dask and NumPy in turn, each run in a process of its own.

    python bench/arrays.py [--libraries raskr dask numpy] [--only sort unique] [--runs 3] [--scale 1.0] [--json FILE]

A row makes its data first, which is not timed (but for rows that say so), and then runs one function from data in memory to a
result in memory. Shown per library: median seconds, the highest resident memory of the process beyond what it held before, and
how many times as long as raskr the library took. Results are compared by a checksum. A library that lacks the function shows `-`.
"""

import argparse
import importlib
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

ROWS = {}


def row(make):
    """Registers a benchmark: `make(da, n, cut)` prepares, and gives the function to time."""
    ROWS[make.__name__.rstrip("_")] = make
    return make


def generator():
    return np.random.default_rng(0)


def checksum(result) -> float:
    """One number that equal results share."""
    parts = result if isinstance(result, (tuple, list)) else [result]
    return float(
        sum(
            np.abs(np.asarray(part).astype(np.complex128 if np.iscomplexobj(part) else np.float64)).sum()
            for part in parts
        )
    )


def done(result):
    """Computes what is lazy."""
    if isinstance(result, tuple) and any(hasattr(part, "compute") for part in result):
        library = importlib.import_module(type(result[0]).__module__.split(".")[0])
        return library.compute(*result)
    return result.compute() if hasattr(result, "compute") else result


# --- order ------------------------------------------------------------------------------------------------------------
@row
def sort(da, n, cut):
    """Sorts 10^8 doubles that the library draws, and looks at every millionth (drawing is timed)."""
    size = int(1e8 * n)
    if da is np:
        return lambda: np.sort(generator().random(size))[:: 10**4]
    return lambda: da.sort(da.random.default_rng(0).random(size, chunks=size // 16))[:: 10**4]


@row
def sort_in_memory(da, n, cut):
    """Sorts 10^8 doubles that are in memory, into memory."""
    x = cut(generator().random(int(1e8 * n)), 16)
    return lambda: da.sort(x)


@row
def sort_lines(da, n, cut):
    """Sorts the lines of a matrix."""
    x = cut(generator().random((int(5000 * n), 5000)), (10, 1))
    return lambda: da.sort(x, axis=1)


@row
def argsort(da, n, cut):
    x = cut(generator().random(int(1e7 * n)), 16)
    return lambda: da.argsort(x)


@row
def unique(da, n, cut):
    """A million different integers among 2.5 x 10^7."""
    x = cut(generator().integers(0, 10**6, int(2.5e7 * n)), 16)
    return lambda: da.unique(x)


@row
def unique_few(da, n, cut):
    """A thousand different integers among 2.5 x 10^7, with counts."""
    x = cut(generator().integers(0, 1000, int(2.5e7 * n)), 16)
    return lambda: da.unique(x, return_counts=True)


@row
def percentile(da, n, cut):
    x = cut(generator().random(int(5e7 * n)), 16)
    return lambda: da.percentile(x, [5, 50, 95])


@row
def median(da, n, cut):
    x = cut(generator().random((int(5000 * n), 5000)), (10, 1))
    return lambda: da.median(x, axis=1)


@row
def searchsorted(da, n, cut):
    edges, x = cut(np.sort(generator().random(10**5)), 1), cut(generator().random(int(1e7 * n)), 16)
    return lambda: da.searchsorted(edges, x)


# --- neighbours and transforms ------------------------------------------------------------------------------------------
def laplacian(block):
    """The five-point Laplacian, edges repeated."""
    padded = np.pad(block, 1, mode="edge")
    return padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * block


@row
def stencil(da, n, cut):
    """`map_overlap` of a five-point stencil in NumPy over a matrix."""
    x = cut(generator().random((int(6000 * n), 6000)), (8, 4))
    if da is np:
        return lambda: laplacian(x).sum()
    return lambda: da.map_overlap(laplacian, x, depth=1, boundary="nearest", dtype=float).sum()


@row
def gradient(da, n, cut):
    x = cut(generator().random((int(5000 * n), 5000)), (8, 4))
    return lambda: da.gradient(x, axis=0)


@row
def fft(da, n, cut):
    x = cut(generator().random((int(5000 * n), 5000)), (10, 1))
    return lambda: da.fft.fft(x, axis=1)


@row
def fft_down(da, n, cut):
    """Along the first axis, whose lines are strided."""
    x = cut(generator().random((int(5000 * n), 5000)), (1, 10))
    return lambda: da.fft.fft(x, axis=0)


@row
def rfft(da, n, cut):
    x = cut(generator().random((int(5000 * n), 5000)), (10, 1))
    return lambda: da.fft.rfft(x, axis=1)


# --- selection ----------------------------------------------------------------------------------------------------------
@row
def filter_(da, n, cut):
    x = cut(generator().random(int(5e7 * n)), 16)
    return lambda: x[x > 0.5]


@row
def filter_sum(da, n, cut):
    x = cut(generator().random(int(5e7 * n)), 16)
    return lambda: x[x > 0.5].sum()


@row
def take_rows(da, n, cut):
    x, index = (
        cut(generator().random((int(8000 * n), 5000)), (16, 1)),
        generator().integers(0, int(8000 * n), int(8000 * n)),
    )
    return lambda: x[index]


@row
def take_columns(da, n, cut):
    x, index = cut(generator().random((int(8000 * n), 5000)), (8, 8)), generator().integers(0, 5000, 5000)
    return lambda: x[:, index]


@row
def take_points(da, n, cut):
    """Single elements by row and column: `vindex`."""
    x = cut(generator().random((int(5000 * n), 5000)), (5, 5))
    rows, columns = generator().integers(0, int(5000 * n), (2, 10**6)) % 5000
    return lambda: x[rows, columns] if da is np else x.vindex[rows, columns]


# --- counting and scans ---------------------------------------------------------------------------------------------------
@row
def histogram(da, n, cut):
    x = cut(generator().random(int(5e7 * n)), 16)
    return lambda: da.histogram(x, bins=100, range=(0, 1))[0]


@row
def bincount(da, n, cut):
    x = cut(generator().integers(0, 10**4, int(5e7 * n)), 16)
    return lambda: da.bincount(x, minlength=10**4)


@row
def cumsum(da, n, cut):
    x = cut(generator().random(int(5e7 * n)), 16)
    return lambda: da.cumsum(x, axis=0)


@row
def nanmean(da, n, cut):
    values = generator().random((int(6000 * n), 6000))
    values[values < 0.1] = np.nan
    x = cut(values, (8, 8))
    return lambda: da.nanmean(x, axis=0)


@row
def nanmax(da, n, cut):
    values = generator().random((int(6000 * n), 6000))
    values[values < 0.1] = np.nan
    x = cut(values, (8, 8))
    return lambda: da.nanmax(x, axis=1)


# --- linear algebra -------------------------------------------------------------------------------------------------------
@row
def svd(da, n, cut):
    """Singular values of a tall matrix."""
    x = cut(generator().random((int(200_000 * n), 50)), (8, 1))
    if da is np:
        return lambda: np.linalg.svd(x, full_matrices=False)[1]
    return lambda: da.linalg.svd(x)[1]


@row
def cholesky(da, n, cut):
    size = int(3000 * n)
    half = generator().random((size, size))
    x = cut(half @ half.T + np.eye(size), (4, 4))
    return lambda: da.linalg.cholesky(x)


@row
def solve(da, n, cut):
    size = int(3000 * n)
    x, right = cut(generator().random((size, size)) + size * np.eye(size), (4, 4)), cut(generator().random(size), 4)
    return lambda: da.linalg.solve(x, right)


# --- running --------------------------------------------------------------------------------------------------------------
def child(library: str, name: str, scale: float) -> None:
    """Runs one row on one library and prints one JSON line."""
    da = np if library == "numpy" else importlib.import_module(f"{library}.array")

    def cut(array, blocks):
        blocks = blocks if isinstance(blocks, tuple) else (blocks,)
        chunks = tuple(-(-length // count) for length, count in zip(array.shape, blocks))
        return array if da is np else da.from_array(array, chunks=chunks)

    try:
        run = ROWS[name](da, scale, cut)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        result = done(run())
        seconds = time.perf_counter() - start
    except AttributeError as error:
        print(json.dumps({"lacks": str(error)}))
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "megabytes": (peak - before) / 1024, "checksum": checksum(result)}))


def measure(library: str, name: str, scale: float) -> dict:
    command = [sys.executable, __file__, "--child", library, name, str(scale)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if finished.returncode:
        return {"error": (finished.stderr.strip().splitlines() or [f"exit {finished.returncode}"])[-1]}
    return json.loads(finished.stdout.strip().splitlines()[-1])


def shown(results: list[dict], first: float | None) -> tuple[str, float | None]:
    """A library's cell, and its median."""
    if any("seconds" not in result for result in results):
        return f"{'-' if 'lacks' in results[0] else 'failed':>9}{'':>7}{'':>7}", None
    median = statistics.median(result["seconds"] for result in results)
    ratio = "" if first is None else f"{median / first:6.2f}x"
    return f"{median:9.3f}{max(result['megabytes'] for result in results):7.0f}{ratio:>7}", median


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--libraries", nargs="+", default=["raskr", "dask", "numpy"])
    parser.add_argument("--only", nargs="+", choices=list(ROWS), metavar="ROW")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="sizes of the data, as a multiple of the usual ones")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    print(f"{'row':16}" + "".join(f"{library + ' s':>9}{'MB':>7}{'':>7}" for library in options.libraries))
    table, wrong = {}, 0
    for name in options.only or ROWS:
        results = {library: [] for library in options.libraries}
        for _ in range(options.runs):
            for library in options.libraries:
                if not any("seconds" not in result for result in results[library]):
                    results[library].append(measure(library, name, options.scale))
        line, first, notes = f"{name:16}", None, ""
        for library in options.libraries:
            cell, median = shown(results[library], first)
            line += cell
            first = median if library == options.libraries[0] else first
            notes += "".join(
                f"  [{library}: {result['error'][:120]}]" for result in results[library][:1] if "error" in result
            )
        sums = {library: done[0].get("checksum") for library, done in results.items() if "checksum" in done[0]}
        reference = sums.get("numpy", next(iter(sums.values()), 0.0))
        for library, value in sums.items():
            # Sorted random numbers are each library's own, approximate percentiles differ a little.
            if abs(value - reference) > 0.01 * max(1.0, abs(reference)):
                wrong += 1
                notes += f"  DISAGREES: {library} {value!r} {reference!r}"
        wrong += any("error" in result for results_of in results.values() for result in results_of)
        print(line + notes, flush=True)
        table[name] = results
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--child":
        child(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        sys.exit(main())
