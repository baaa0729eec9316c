"""Work larger than memory stays within what it was given: each program runs in a process of its own, whose peak is read."""

import json
import os
import subprocess
import sys
import textwrap

PEAK = """
import json, os, tempfile
import numpy as np
import raskr, raskr.array as da

def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

before = peak_mb()
"""


def run(program, *arguments, **environment):
    source = PEAK + textwrap.dedent(program) + "\nprint(json.dumps({'peak': peak_mb() - before, **found}))"
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_random_numbers_and_their_mean_take_no_memory():
    found = run(
        """
        x = da.random.default_rng(0).normal(size=(16_000, 16_000), chunks=(4_000, 4_000))
        found = {"mean": float(x.mean().compute())}
        """
    )
    assert abs(found["mean"]) < 5 / 16_000
    assert found["peak"] < 60  # 2 GB of numbers


def test_a_stored_array_and_its_transpose_stay_within_the_limit(tmp_path):
    found = run(
        """
        import sys
        x = da.random.default_rng(1).random((6_000, 6_000), chunks=(750, 750))
        da.to_zarr(x, sys.argv[1])
        y = da.from_zarr(sys.argv[1])
        with raskr.config.set(memory_limit="100MB"):
            total = float((y + y.T).sum().compute())
        found = {"error": abs(total - 2 * float(x.sum().compute())) / total}
        """,
        tmp_path / "x.zarr",
    )
    assert found["error"] < 1e-12
    assert found["peak"] < 160  # 288 MB of numbers


def test_blocks_that_are_needed_twice_are_spilled(tmp_path):
    found = run(
        """
        import sys
        x = da.random.default_rng(2).random((40_000_000,), chunks=1_000_000)
        y = (x.cumsum(axis=0) / 1e7).rechunk(1_500_000)  # blocks of its own, needed for the mean and again for the differences
        with raskr.config.set(memory_limit="120MB", temporary_directory=sys.argv[1]):
            variance = float(((y - y.mean()) ** 2).mean().compute())
        z = np.cumsum(x.compute()) / 1e7
        found = {"variance": variance, "numpy": float(z.var()), "left": os.listdir(sys.argv[1])}
        """,
        tmp_path,
    )
    assert abs(found["variance"] - found["numpy"]) < 1e-9
    assert found["left"] == []


def test_a_sort_of_several_times_the_limit_stays_within_it(tmp_path):
    found = run(
        """
        import sys
        n = 60_000_000
        x = da.random.default_rng(3).random((n,), chunks=1_500_000)
        with raskr.config.set(memory_limit="120MB", temporary_directory=sys.argv[1]):
            y = da.sort(x)
            ends = da.stack([y[0], y[n // 2], y[-1]])
            falls = (y[1:] < y[:-1]).sum()
            low, middle, high = da.compute(ends)[0].tolist()
            found = {"falls": int(falls.compute()), "ends": [low, middle, high], "total": float(y.sum().compute())}
        found["expected"] = float(x.sum().compute())
        found["left"] = os.listdir(sys.argv[1])
        """,
        tmp_path,
        # Pieces are small: without this the C library keeps what was given back between them.
        MALLOC_MMAP_THRESHOLD_="131072",
    )
    low, middle, high = found["ends"]
    assert found["falls"] == 0 and low < 1e-6 and abs(middle - 0.5) < 1e-3 and high > 1 - 1e-6
    assert abs(found["total"] - found["expected"]) < 1e-6 * found["expected"]
    assert found["left"] == []
    assert found["peak"] < 250  # 480 MB of numbers


def test_groups_joins_and_sorts_of_frames_stay_near_the_limit(tmp_path):
    found = run(
        """
        import sys
        import pandas as pd, pyarrow as pa, pyarrow.parquet as pq
        import raskr.dataframe as dd
        folder = sys.argv[1]
        os.mkdir(folder + "/spilled")
        total = 0
        for number in range(16):
            rng = np.random.default_rng(number)
            columns = {"k": rng.integers(0, 500_000, 500_000), "n": rng.permutation(500_000) * 16 + number, "x": rng.random(500_000)}
            total += columns["x"].sum()
            pq.write_table(pa.table(columns), f"{folder}/{number:02d}.parquet", compression="none", use_dictionary=False)
        keys = dd.from_pandas(pd.DataFrame({"k": np.arange(500_000), "y": 2.0}), npartitions=4)
        with raskr.config.set(memory_limit="60MB", temporary_directory=folder + "/spilled"):
            df = dd.read_parquet(folder + "/*.parquet")
            sums = df.groupby("k").x.sum(split_out=8)
            joined = df.merge(keys, on="k")
            ordered = df.sort_values("n").n.map_partitions(
                lambda part: pd.Series([part.is_monotonic_increasing]), meta=pd.Series([], dtype=bool)
            )
            found = {"groups": len(sums), "sum": float(sums.sum().compute()), "joined": float((joined.x * joined.y).sum().compute())}
            found["sorted"] = bool(ordered.compute().all())
        found |= {"total": float(total), "left": os.listdir(folder + "/spilled")}
        """,
        tmp_path,
    )
    assert found["groups"] > 499_000 and found["sorted"] and found["left"] == []
    assert abs(found["sum"] / found["total"] - 1) < 1e-9 and abs(found["joined"] / found["total"] - 2) < 1e-9
    assert found["peak"] < 450  # 192 MB of rows, three times over


def test_a_sort_of_frames_whose_disk_is_full_says_so_and_leaves_nothing(tmp_path):
    found = run(
        """
        import resource, sys
        import pandas as pd
        import raskr.dataframe as dd
        source, spilled = sys.argv[1] + "/source", sys.argv[1] + "/spilled"
        os.mkdir(source), os.mkdir(spilled)
        for number in range(40):
            values = np.random.default_rng(number).random((60_000, 4))
            pd.DataFrame(values, columns=list("abcd")).to_parquet(f"{source}/{number}.parquet")
        frame = dd.read_parquet(source)
        # As a disk without room, for files of this size.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        found = {"error": ""}
        with raskr.config.set(memory_limit="30MB", temporary_directory=spilled):
            try:
                frame.sort_values("a").b.cumsum().sum().compute()
            except MemoryError as error:
                found["error"] = str(error)
        found["left"] = os.listdir(spilled)
        """,
        tmp_path,
    )
    assert "memory_limit" in found["error"] and "spilling to" in found["error"] and "free disk space" in found["error"]
    assert found["left"] == []
