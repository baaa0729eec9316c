"""Times questions to tables on raskr, Polars (lazy, streaming engine) and DuckDB in turn, each in a process of its own.

    python bench/frames.py --data DIR [--airline DIR] [--libraries raskr polars duckdb] [--only sort groupby_q1] [--rows 1e7]
                           [--runs 3] [--threads 2] [--json FILE]

From files, the same for all, to a result in memory: a pandas frame, a Polars frame, an Arrow table. The tables are written to
`--data` the first time (see `frames_data.py`); `csv_groupby` needs the flight records that `--airline` names, files
`YEAR.csv.bz2`, and is left out without them. Shown per library, as a Markdown table: median seconds, and the highest resident
memory beyond what the process held after its imports; then raskr's time as a multiple of the faster of the others. `dask` may
be asked too; `--json` also has the seconds of processors.

A wrong result fails the run: of each, rows are counted, and each column is summed with weights that come from the rows' keys, so
that the order of rows makes no difference and a value in a wrong row does.
"""

import argparse
import importlib
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

from frames_questions import QUESTIONS, Question

#: Sums of doubles in another order differ by less than this share.
TOLERANCE = 1e-9
#: A run that takes longer is given up.
SECONDS_MAX = 1800


# --- one run, in a process of its own ---------------------------------------------------------------------------------
def peak_megabytes() -> float:
    """The highest resident memory of this process: `ru_maxrss` would count what the parent had when it was forked."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def run_frame(module: str, question: Question, at: dict, threads: int):
    library = importlib.import_module(module)
    frames = importlib.import_module(f"{module}.dataframe")
    importlib.import_module("pyarrow.dataset")

    def run():
        with library.config.set(scheduler="threads", num_workers=threads):
            found = question.frame(frames, at)
            return found.compute() if hasattr(found, "compute") else found

    return run


def run_polars(question: Question, at: dict, threads: int):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    polars = importlib.import_module("polars")
    return lambda: question.polars(polars, at).collect(engine="streaming")


def run_duckdb(question: Question, at: dict, threads: int):
    duckdb = importlib.import_module("duckdb")
    importlib.import_module("pyarrow")
    connection = duckdb.connect(config={"threads": threads})
    tables = {name: path if name == "airline" else f"read_parquet('{path}/*.parquet')" for name, path in at.items()}
    return lambda: connection.sql(question.sql.format(**tables)).to_arrow_table()


def child(library: str, name: str, at: dict, threads: int, check: bool) -> dict:
    """Runs one question on one library."""
    question = QUESTIONS[name]
    at = {table: pathlib.Path(folder) for table, folder in at.items()}
    prepare = {"polars": run_polars, "duckdb": run_duckdb}.get(library)
    run = prepare(question, at, threads) if prepare else run_frame(library, question, at, threads)
    before = peak_megabytes()
    start, used = time.perf_counter(), time.process_time()
    result = run()
    seconds = time.perf_counter() - start
    found = {"seconds": seconds, "processor": time.process_time() - used, "megabytes": peak_megabytes() - before}
    if check:
        found["sums"] = sums_of(arrow_table(result), question)
    return found


# --- results compared ---------------------------------------------------------------------------------------------------
def arrow_table(result):
    """A result as a table of Arrow's, an index that has names as columns."""
    import pyarrow as pa

    if isinstance(result, pa.Table):
        return result
    if hasattr(result, "to_arrow"):
        return result.to_arrow()
    frame = result.to_frame() if result.ndim == 1 else result
    return pa.Table.from_pandas(frame.reset_index() if any(frame.index.names) else frame, preserve_index=False)


def numbers(column):
    """The hashes of a column's values: the same numbers for the same values, whatever their width."""
    import pandas as pd
    import pyarrow as pa

    column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        encoded = column.cast(pa.large_string()).dictionary_encode()
        hashed = pd.util.hash_array(encoded.dictionary.to_numpy(zero_copy_only=False), categorize=False)
        return hashed[encoded.indices.to_numpy(zero_copy_only=False)]
    return pd.util.hash_array(column.cast(pa.int64()).to_numpy(zero_copy_only=False))


def values_of(column):
    """A column as doubles, NaN where a value is missing; text as the hashes of its words."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
        return column.cast(pa.float64()).to_numpy()
    filled = np.full(len(column), np.nan)
    valid = pc.is_valid(column)
    filled[valid.to_numpy()] = numbers(column.filter(valid)) / 2.0**64
    return filled


def sums_of(table, question: Question) -> dict:
    """What equal results share: rows, the sum of the rows' weights, and by column missing values and weighted sums."""
    import numpy as np

    if question.order:
        check_order(table, question.order)
    mixed = np.zeros(len(table), dtype=np.uint64)
    for key in question.keys:
        mixed = (mixed ^ numbers(table[key])) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    weights = (mixed >> np.uint64(11)) * 2.0**-53
    sums = {"rows": len(table), "keys": [float(weights.sum()), float(len(table))]}
    for name in table.column_names:
        if name not in question.keys:
            values = values_of(table[name])
            missing = np.isnan(values)
            values = np.where(missing, 0.0, values)
            sums[name] = [float(values @ weights), float(np.abs(values).sum())]
            sums[f"missing {name}"] = int(missing.sum())
    return sums


def check_order(table, columns: list[str]) -> None:
    """Raises where a row is before one that it should follow."""
    import numpy as np

    below = np.zeros(max(0, len(table) - 1), dtype=bool)
    equal = np.ones_like(below)
    for name in columns:
        words = table[name].to_pandas()
        codes = words.rank(method="dense").to_numpy() if words.dtype.kind not in "iuf" else words.to_numpy()
        below |= equal & (codes[1:] < codes[:-1])
        equal &= codes[1:] == codes[:-1]
    if below.any():
        raise AssertionError(f"row {int(below.argmax()) + 1} of {len(table)} should be before the one it follows")


def differences(one: dict, other: dict) -> list[str]:
    """In what two results differ."""
    found = [f"columns {sorted(one.keys() ^ other.keys())}"] if one.keys() != other.keys() else []
    for name in one.keys() & other.keys():
        if isinstance(one[name], list):
            (left, size), (right, _) = one[name], other[name]
            if not math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE * size):
                found.append(f"{name} {left!r} {right!r}")
        elif one[name] != other[name]:
            found.append(f"{name} {one[name]} {other[name]}")
    return found


# --- all runs -------------------------------------------------------------------------------------------------------
def tables_of(data: pathlib.Path, rows: int, source: pathlib.Path | None, wanted: set) -> dict:
    """Where the tables are by kind of data; they are written in a process of its own, so that this one stays small."""
    command = [
        sys.executable,
        __file__,
        "--make",
        json.dumps([str(data), rows, source and str(source), sorted(wanted)]),
    ]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def make(data: str, rows: int, source: str | None, wanted: list) -> dict:
    import frames_data

    folder, made = pathlib.Path(data), {}
    if "g1" in wanted:
        made["g1"] = {"g1": frames_data.g1(folder, rows)}
    if "j1" in wanted:
        made["j1"] = frames_data.j1(folder, rows)
    if "events" in wanted:
        made["events"] = frames_data.events(folder, rows)
    if "airline" in wanted and (source or (folder / "airline").exists()):
        made["airline"] = {"airline": frames_data.airline(folder, pathlib.Path(source or folder))}
    return {kind: {name: str(path) for name, path in tables.items()} for kind, tables in made.items()}


def measure(library: str, name: str, at: dict, threads: int, check: bool) -> dict:
    command = [sys.executable, __file__, "--child", json.dumps([library, name, at, threads, check])]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than {SECONDS_MAX} s"}
    if finished.returncode:
        return {"error": (finished.stderr.strip().splitlines() or [f"exit {finished.returncode}"])[-1]}
    return json.loads(finished.stdout.strip().splitlines()[-1])


def line_of(name: str, results: dict) -> tuple[str, list[str]]:
    """A question's line of the table, and what is wrong with its results."""
    wrong, medians, cells = [], {}, []
    for library, runs in results.items():
        failed = [run["error"] for run in runs if "error" in run]
        if failed:
            wrong.append(f"{name}, {library}: {failed[0][:300]}")
            cells += ["failed", ""]
            continue
        medians[library] = statistics.median(run["seconds"] for run in runs)
        cells += [f"{medians[library]:.3f}", f"{max(run['megabytes'] for run in runs):.0f}"]
    others = [seconds for library, seconds in medians.items() if library in ("polars", "duckdb")]
    cells.append(f"{medians['raskr'] / min(others):.2f}" if "raskr" in medians and others else "")
    sums = {library: runs[0]["sums"] for library, runs in results.items() if "sums" in runs[0]}
    for library in list(sums)[1:]:
        first = next(iter(sums))
        wrong += [f"{name}: {first} and {library} differ: {each}" for each in differences(sums[first], sums[library])]
    return f"| {name} | {' | '.join(cells)} |", wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="where the tables are, or are written")
    parser.add_argument("--airline", type=pathlib.Path, help="folder of flight records, YEAR.csv.bz2")
    libraries = ["raskr", "polars", "duckdb"]
    parser.add_argument("--libraries", nargs="+", default=libraries, choices=[*libraries, "dask"])
    parser.add_argument("--only", nargs="+", default=list(QUESTIONS), choices=list(QUESTIONS), metavar="QUESTION")
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10**7)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    tables = tables_of(options.data, options.rows, options.airline, {QUESTIONS[name].data for name in options.only})
    heads = [f"{library} s | MB" for library in options.libraries]
    print(f"| question | {' | '.join(heads)} | raskr / faster |")
    print("| --- |" + " ---: | ---: |" * len(heads) + " ---: |")
    # Modules that are loaded when they are first used are to come compiled, as installed ones do.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(options.data.resolve() / "bytecode"))
    table, wrong = {}, []
    for name in options.only:
        at = tables.get(QUESTIONS[name].data)
        if at is None:
            wrong.append(f"{name} is left out: --airline names no flight records")
            continue
        results = {library: [] for library in options.libraries}
        for number in range(options.runs):
            for library, runs in results.items():
                if not any("error" in run for run in runs):
                    runs.append(measure(library, name, at, options.threads, check=number == 0))
        line, amiss = line_of(name, results)
        print(line, flush=True)
        wrong += amiss
        table[name] = results
    for each in wrong:
        print(each)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("--child", "--make"):
        print(json.dumps((child if sys.argv[1] == "--child" else make)(*json.loads(sys.argv[2]))))
    else:
        sys.exit(main())
