"""Writes that fail: nothing half-written, what was there before, and an error that names the file."""

import inspect
import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.dataframe as dd


@pytest.fixture
def table():
    source = np.random.default_rng(0)
    return pd.DataFrame({"a": np.arange(2000), "b": source.random(2000), "c": [f"w{n % 50}" for n in range(2000)]})


def files_below(folder):
    return sorted(os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)


def contents(folder):
    return {path: pathlib.Path(path).read_bytes() for path in files_below(folder)}


WRITERS = {
    "csv": lambda df, place: df.to_csv(f"{place}/new/*.csv"),
    "one csv": lambda df, place: df.to_csv(f"{place}/new/a.csv", single_file=True),
    "gzip": lambda df, place: df.to_csv(f"{place}/new/*.csv.gz", compression="gzip"),
    "one gzip": lambda df, place: df.to_csv(f"{place}/new/a.gz", single_file=True, compression="gzip"),
    "one zip": lambda df, place: df.to_csv(f"{place}/new/a.zip", single_file=True, compression="zip"),
    "parquet": lambda df, place: df.to_parquet(f"{place}/new"),
    "folders": lambda df, place: df.to_parquet(f"{place}/new", partition_on="c"),
    "json": lambda df, place: df.to_json(f"{place}/new/*.json"),
    "orc": lambda df, place: df.to_orc(f"{place}/new"),
}
ONTO = {
    "replaced parquet": lambda df, place: df.to_parquet(f"{place}/old", overwrite=True),
    "more parquet": lambda df, place: df.to_parquet(f"{place}/old", append=True, ignore_divisions=True),
    "replaced csv": lambda df, place: df.to_csv(f"{place}/old/*.csv"),
    "one replaced csv": lambda df, place: df.to_csv(f"{place}/old/0.csv", single_file=True),
    "more csv": lambda df, place: df.to_csv(f"{place}/old/0.csv", single_file=True, mode="a"),
    "more orc": lambda df, place: df.to_orc(f"{place}/old"),
}


def failing(table):
    def fail(part):
        if part.a.max() > 1500:
            raise RuntimeError("there is no more")
        return part

    return dd.from_pandas(table, npartitions=4).map_partitions(fail, meta=table.iloc[:0])


@pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
def test_a_failed_write_leaves_nothing(tmp_path, table, write):
    with pytest.raises(RuntimeError, match="there is no more"):
        write(failing(table), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", ONTO.values(), ids=list(ONTO))
def test_a_failed_write_leaves_what_was_there(tmp_path, table, write):
    df = dd.from_pandas(table, npartitions=2)
    df.to_parquet(str(tmp_path / "old"))
    df.to_csv(str(tmp_path / "old" / "*.csv"))
    before = contents(tmp_path)
    with pytest.raises(RuntimeError, match="there is no more"):
        write(failing(table), tmp_path)
    assert contents(tmp_path) == before


def test_writes_that_are_put_off_write_one_file_each(tmp_path, table):
    df = dd.from_pandas(table, npartitions=2)
    first, second = df.to_csv(str(tmp_path / "*.csv"), compute=False)
    raskr.compute(second)
    assert [os.path.basename(path) for path in files_below(tmp_path)] == ["1.csv"]
    raskr.compute(first)
    assert pd.concat(pd.read_csv(path, index_col=0) for path in files_below(tmp_path)).a.tolist() == table.a.tolist()


def test_parquet_is_added_to_folders_that_have_some(tmp_path, table):
    df = dd.from_pandas(table, npartitions=2)
    for _ in range(2):
        df.to_parquet(str(tmp_path / "p"), append=True, ignore_divisions=True, write_metadata_file=True)
    assert len(dd.read_parquet(str(tmp_path / "p"))) == 2 * len(table)
    names = {os.path.basename(path) for path in files_below(tmp_path)}
    assert names == {"_metadata", "_common_metadata", *(f"part.{number}.parquet" for number in range(4))}


FULL = """
import os, resource, signal, sys
import numpy as np, pandas as pd
import raskr.dataframe as dd

df = dd.from_pandas(pd.DataFrame({"a": np.random.default_rng(0).random(20_000), "c": "x"}), npartitions=3)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
place = sys.argv[1]
try:
    WRITE
except OSError as error:
    assert error.filename.startswith(os.path.join(place, "new")), error.filename
    assert "unfinished" not in error.filename and "too large" in str(error), error
    assert not os.listdir(place), os.listdir(place)
    print("refused")
"""


@pytest.mark.parametrize("name", WRITERS)
def test_files_that_the_system_does_not_let_grow(tmp_path, name):
    """Stands for a full disk, which fails in the same calls."""
    call = inspect.getsource(WRITERS[name]).partition("df, place: ")[2].rstrip().rstrip(",")
    program = FULL.replace("WRITE", call)
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], capture_output=True, text=True, timeout=50
    )
    assert found.stdout == "refused\n", found.stdout + found.stderr
