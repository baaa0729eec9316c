"""Runs a group-by, joins and a sort of tables larger than memory may be: each in a process of its own, whose peak is read.

    python bench/frames_memory.py --data DIR [--scale 1.0] [--only sort join] [--limit 1GB] [--threads 2] [--json FILE]

At scale 1 a table of 4 GB (125 million rows of 32 bytes, uncompressed Parquet) under `raskr.config.set(memory_limit="1GB")`:

* `groupby`: sums and counts of 10^7 groups, to Parquet
* `join`: with a table of 320 MB that has a row for each of the 10^7 keys; sums of the result
* `join_large`: the halves of 4 GB with each other, row by row; sums of the result
* `sort`: by a column of integers, to Parquet

`--scale` makes data and limit smaller. Answers are compared with what was summed while the tables were made. Shown: seconds,
those of processors, the process's highest resident memory, that part of it which it held before it began, and files that were
left where it spilled. The run fails for a wrong answer, for files left, and for a peak beyond 1.3 times the limit (at small
scales not counting what the process held before). Tables are written to `--data` the first time: 6.6 GB at scale 1, and as much
is needed while it runs.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy as np

ROWS, KEYS, PARTS = 125_000_000, 10_000_000, 40
#: How far above the limit the peak may be.
MARGIN = 1.3
SECONDS_MAX = 7200


# --- tables -------------------------------------------------------------------------------------------------------------
def mixed(numbers: np.ndarray) -> np.ndarray:
    """Each 64-bit integer's own other one: the finaliser of SplitMix64, which is a bijection."""
    found = numbers.astype(np.uint64)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (found ^ (found >> np.uint64(31))).astype(np.int64)


def weight(order: np.ndarray) -> np.ndarray:
    """A number between 0 and 1 that belongs to a row's `order`."""
    return (mixed(order ^ 0x5DEECE66D).astype(np.uint64) >> np.uint64(40)) * 2.0**-24


def write(path: pathlib.Path, columns: dict) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    # As large in the file as in memory.
    pyarrow.parquet.write_table(
        pa.table(columns), path, compression="none", use_dictionary=False, row_group_size=1 << 19
    )


def make(data: str, scale: float) -> None:
    """Writes `rows`, `keys`, `halves` and, in `expected.npz`, what the questions' answers are."""
    folder = pathlib.Path(data)
    rows, keys = int(ROWS * scale), int(KEYS * scale)
    of_key = np.random.default_rng(1).permutation(keys)
    key_weight, key_factor = np.random.default_rng(2).random(keys), np.random.default_rng(3).random(keys)
    for number, span in enumerate(np.array_split(np.arange(keys), 4)):
        key = of_key[span]
        columns = {"key": key, "weight": key_weight[key], "factor": key_factor[key], "other": np.sqrt(key)}
        write(folder / "keys" / f"part-{number:02d}.parquet", columns)
    sums, counts = np.zeros(keys), np.zeros(keys, dtype=np.int64)
    expected = dict.fromkeys(("x", "join", "join_factor", "large", "sort"), 0.0)
    edges = np.linspace(0, rows, PARTS + 1).astype(int)
    stride = next(step for step in range(7_777_777, 9_000_000) if np.gcd(step, rows // 2) == 1)
    for number, (start, stop) in enumerate(zip(edges[:-1], edges[1:])):
        random = np.random.default_rng([4, number])
        place = np.arange(start, stop)
        order, group = mixed(place), random.integers(0, keys, stop - start)
        x, y = random.random(stop - start), random.normal(size=stop - start)
        write(folder / "rows" / f"part-{number:02d}.parquet", {"order": order, "group": group, "x": x, "y": y})
        sums += np.bincount(group, x, keys)
        counts += np.bincount(group, minlength=keys)
        expected["x"] += x.sum()
        expected["join"] += x @ key_weight[group]
        expected["join_factor"] += y @ key_factor[group]
        expected["sort"] += x @ weight(order)
        half = place < rows // 2
        expected["large"] += x[half] @ weight(order[half])
        # Rows of the first half again, in another order, with other columns.
        again = (np.arange(start // 2, stop // 2) * stride) % (rows // 2)
        columns = {"order": mixed(again), "z": weight(mixed(again)), "a": again, "b": again / 2}
        write(folder / "halves" / f"part-{number:02d}.parquet", columns)
    np.savez(folder / "expected.npz", sums=sums, counts=counts, rows=rows, **expected)


# --- questions: each computes, in the child, and gives what the parent checks --------------------------------------------
def groupby(dd, data, out):
    groups = dd.read_parquet(data / "rows").groupby("group")
    groups.agg({"x": "sum", "y": "count"}, split_out=16).to_parquet(out)
    return {}


def join(dd, data, out):
    import raskr

    both = dd.read_parquet(data / "rows").merge(dd.read_parquet(data / "keys"), left_on="group", right_on="key")
    sums = raskr.compute((both.x * both.weight).sum(), (both.y * both.factor).sum(), both.other.count())
    return dict(zip(["weighted", "scaled", "other"], map(float, sums)))


def join_large(dd, data, out):
    import raskr

    rows = dd.read_parquet(sorted(map(str, (data / "rows").glob("*.parquet")))[: PARTS // 2])
    both = rows.merge(dd.read_parquet(data / "halves"), on="order")
    return dict(
        zip(["large", "rows", "z"], map(float, raskr.compute((both.x * both.z).sum(), both.a.count(), both.b.sum())))
    )


def sort(dd, data, out):
    dd.read_parquet(data / "rows").sort_values("order").to_parquet(out, write_index=False)
    return {}


# --- answers ------------------------------------------------------------------------------------------------------------
def batches(folder: pathlib.Path, columns: list[str]):
    """What was written, in order, a piece at a time."""
    import pyarrow.parquet

    for path in sorted(folder.glob("*.parquet"), key=lambda path: int(path.stem.split(".")[-1])):
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(1 << 20, columns=columns):
            yield [batch.column(name).to_numpy(zero_copy_only=False) for name in columns]


def close(name: str, found: float, expected: float, size: float) -> list[str]:
    """`size`: the sum of the terms' absolute values, or an upper bound."""
    return [] if abs(found - expected) <= 1e-10 * size else [f"{name} is {found!r}, not {expected!r}"]


def check_groupby(found, expected, out):
    sums, counts = np.zeros_like(expected["sums"]), np.zeros_like(expected["counts"])
    groups = 0
    for key, x, count in batches(out, ["group", "x", "y"]):
        sums[key], counts[key] = x, count
        groups += len(key)
    present = int((expected["counts"] > 0).sum())
    wrong = [] if groups == present else [f"{groups} groups, not {present}"]
    differ = ~np.isclose(sums, expected["sums"], rtol=1e-10) | (counts != expected["counts"])
    return wrong + ([f"{int(differ.sum())} groups are wrong, such as {int(differ.argmax())}"] if differ.any() else [])


def check_join(found, expected, out):
    rows = float(expected["rows"])
    wrong = [] if found["other"] == rows else [f"{found['other']} rows, not {rows}"]
    wrong += close("the sum of x * weight", found["weighted"], float(expected["join"]), rows)
    return wrong + close("the sum of y * factor", found["scaled"], float(expected["join_factor"]), rows)


def check_join_large(found, expected, out):
    rows = int(expected["rows"]) // 2
    wrong = [] if found["rows"] == rows else [f"{found['rows']} rows, not {rows}"]
    wrong += close("the sum of x * z", found["large"], float(expected["large"]), rows)
    return wrong + close("the sum of b", found["z"], rows * (rows - 1) / 4, rows * (rows - 1) / 4)


def check_sort(found, expected, out):
    rows, total, last, wrong = 0, 0.0, -(2**63), []
    for order, x in batches(out, ["order", "x"]):
        if not wrong and len(order) and (order[0] < last or (order[1:] <= order[:-1]).any()):
            wrong.append(f"rows from {rows} on are not in order")
        rows, total, last = rows + len(order), total + float(x @ weight(order)), order[-1] if len(order) else last
    wrong += [] if rows == int(expected["rows"]) else [f"{rows} rows, not {int(expected['rows'])}"]
    return wrong + close("the sum of x by row", total, float(expected["sort"]), rows)


QUESTIONS = {
    "groupby": (groupby, check_groupby),
    "join": (join, check_join),
    "join_large": (join_large, check_join_large),
    "sort": (sort, check_sort),
}


# --- running --------------------------------------------------------------------------------------------------------------
def peak_megabytes() -> float:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def child(name: str, data: str, limit: int, threads: int) -> dict:
    """Answers one question."""
    import raskr
    import raskr.dataframe as dd

    folder = pathlib.Path(data)
    own = peak_megabytes()
    start, used = time.perf_counter(), time.process_time()
    options = {"memory_limit": limit, "temporary_directory": str(folder / "spilled"), "num_workers": threads}
    with raskr.config.set(scheduler="threads", **options):
        found = QUESTIONS[name][0](dd, folder, folder / "out")
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    return {"seconds": seconds, "processor": processor, "own": own, "peak": peak_megabytes(), "found": found}


def measure(name: str, data: pathlib.Path, limit: int, threads: int) -> dict:
    """Runs a question, checks the answer, removes what it wrote."""
    for folder in (data / "out", data / "spilled"):
        shutil.rmtree(folder, ignore_errors=True)
    (data / "spilled").mkdir()
    command = [sys.executable, __file__, "--child", json.dumps([name, str(data), limit, threads])]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
        if finished.returncode:
            return {"wrong": [(finished.stderr.strip().splitlines() or [f"exit {finished.returncode}"])[-1]]}
        result = json.loads(finished.stdout.strip().splitlines()[-1])
        with np.load(data / "expected.npz") as expected:
            result["wrong"] = QUESTIONS[name][1](result["found"], expected, data / "out")
    except subprocess.TimeoutExpired:
        return {"wrong": [f"took longer than {SECONDS_MAX} s"]}
    finally:
        left = len(os.listdir(data / "spilled"))
        for folder in (data / "out", data / "spilled"):
            shutil.rmtree(folder, ignore_errors=True)
    return {**result, "left": left}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="where the tables are, or are written")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", default=list(QUESTIONS), choices=list(QUESTIONS), metavar="QUESTION")
    parser.add_argument("--limit", help="the memory limit, such as 1GB; that times the scale unless given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    import raskr.utils

    limit = raskr.utils.parse_bytes(options.limit) if options.limit else int(1e9 * options.scale)
    data = options.data / f"memory-{options.scale:g}"
    if not (data / "expected.npz").exists():
        shutil.rmtree(data, ignore_errors=True)
        command = [sys.executable, __file__, "--make", json.dumps([str(data), options.scale])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(
        "| question | seconds | of processors | peak MB | before MB | limit MB | files left |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    table, amiss = {}, []
    for name in options.only:
        table[name] = result = measure(name, data, limit, options.threads)
        wrong = result["wrong"]
        if "peak" in result:
            allowed = MARGIN * limit / 1e6 + (0 if options.scale >= 1 else result["own"])
            peak, own = result["peak"] * 1.048576, result["own"] * 1.048576
            wrong += [f"peak of {peak:.0f} MB, above {allowed:.0f}"] if peak > allowed else []
            wrong += [f"{result['left']} files left"] if result["left"] else []
            print(
                f"| {name} | {result['seconds']:.1f} | {result['processor']:.1f} | {peak:.0f} | {own:.0f} | {limit / 1e6:.0f} | {result['left']} |",
                flush=True,
            )
        else:
            print(f"| {name} | failed | | | | {limit / 1e6:.0f} | |", flush=True)
        amiss += [f"{name}: {each}" for each in wrong]
    for each in amiss:
        print(each)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))
    return 1 if amiss else 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("--child", "--make"):
        print(json.dumps((child if sys.argv[1] == "--child" else make)(*json.loads(sys.argv[2]))))
    else:
        sys.exit(main())
