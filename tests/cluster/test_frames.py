"""Frames are computed on clusters as they are here: the tests of operations by drawn examples, and files that workers read."""

import importlib
import inspect

import numpy as np
import pandas as pd
import pytest
from clusters import running
from hypothesis import settings

import raskr
import raskr.dataframe as dd
from raskr.distributed import get_task_stream, wait

# Drawn examples of each: a cluster takes some milliseconds for what threads do in one.
EXAMPLES = 4
MODULES = ["test_frame_moves", "test_frame_order", "test_frame_reductions", "test_frame_rows"]


@pytest.fixture(scope="module", autouse=True)
def client():
    with running() as client:
        yield client


def _drawn():
    for module in MODULES:
        for name, test in vars(importlib.import_module(f"properties.{module}")).items():
            if name.startswith("test_") and hasattr(test, "hypothesis") and not getattr(test, "pytestmark", None):
                yield pytest.param(test, id=f"{module}-{name}")


@pytest.mark.parametrize("test", list(_drawn()))
def test_operations(test, monkeypatch, request):
    few = settings(test._hypothesis_internal_use_settings, max_examples=EXAMPLES)
    monkeypatch.setattr(test, "_hypothesis_internal_use_settings", few)
    wanted = inspect.signature(test).parameters
    test(**{name: request.getfixturevalue(name) for name in ("folder", "tmp_path_factory") if name in wanted})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(7)
    rows = 20_000
    return pd.DataFrame(
        {
            "k": random.integers(0, 50, rows),
            "v": random.random(rows),
            "t": pd.Series([f"text {number % 7}" for number in range(rows)]),
        }
    )


@pytest.fixture(params=["pandas", "parquet", "csv"])
def frame(request, table, tmp_path):
    given = dd.from_pandas(table, npartitions=4)
    if request.param == "pandas":
        return given
    if request.param == "parquet":
        given.to_parquet(tmp_path / "table")
        return dd.read_parquet(tmp_path / "table")
    given.to_csv(tmp_path / "table-*.csv.gz", index=False, compression="gzip")
    return dd.read_csv(str(tmp_path / "table-*.csv.gz"), blocksize=None)


def test_groups(frame, table):
    found = frame[frame.v > 0.5].groupby("k").v.agg(["mean", "count"]).compute().sort_index()
    pd.testing.assert_frame_equal(found, table[table.v > 0.5].groupby("k").v.agg(["mean", "count"]))


def test_joins(frame, table):
    names = pd.DataFrame({"k": range(50), "name": [f"name {number}" for number in range(50)]})
    found = frame.merge(dd.from_pandas(names, npartitions=2), on="k").compute()
    expected = table.merge(names, on="k")
    order = ["k", "v"]
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True), check_dtype=False
    )


@pytest.mark.parametrize("times", [1, 8])
def test_joins_with_what_is_left_of_a_side(frame, table, times, tmp_path):
    # More than 16 MiB before it is filtered; what is left of it is exchanged all the same where keys come often.
    number = np.arange(400_000)
    names = pd.DataFrame({"k": number // times} | dict.fromkeys("abcdef", number))
    dd.from_pandas(names, npartitions=3).to_parquet(tmp_path / "names")
    few = dd.read_parquet(tmp_path / "names")
    found = frame.merge(few[few.a < 240], on="k").compute()
    expected = table.merge(names[names.a < 240], on="k")
    order = ["k", "v", "a"]
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True), check_dtype=False
    )


def test_order(frame, table):
    found = frame.set_index("v").t.compute()
    pd.testing.assert_series_equal(found, table.set_index("v").t.sort_index(), check_dtype=False)


def test_numbers_of_rows(frame, table):
    assert len(frame) == len(table) and len(frame[frame.v > 0.5]) == (table.v > 0.5).sum()


def test_a_partition_goes_through_calls_of_its_own_in_one_task(client):
    # The engine has no such numbers.
    dtypes = {"x": "Float64"}
    frame = raskr.datasets.timeseries(start="2000-01-01", end="2000-01-05", freq="1h", dtypes=dtypes, seed=1)
    with get_task_stream(client) as stream:
        total = (frame.x * 2).abs().sum().compute()
    assert total == pytest.approx((frame.x.compute(scheduler="sync") * 2).abs().sum())
    assert len(stream.data) == frame.npartitions + 1


def test_futures_of_frames(frame, table, client):
    with get_task_stream(client) as stream:
        rows, total = client.compute([frame[frame.v > 0.5], frame.v.sum()])
        found = rows.result()
        assert total.result() == pytest.approx(table.v.sum())
    expected = table[table.v > 0.5].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected, check_dtype=False)
    # The engine compares, not pandas, partition by partition.
    names = {line["name"] for line in stream.data}
    assert "columns" in names and "gt" not in names
    later = client.compute(frame.v.sum(), optimize_graph=False)
    assert later.result() == pytest.approx(table.v.sum())


def test_persisted_frames_stay_on_workers(frame, table, client):
    held = frame.assign(w=frame.v * 2).persist()
    wait(held)
    assert sum(len(keys) for keys in client.has_what().values()) >= held.npartitions
    total, rows = raskr.compute(held.w.sum(), held.k.count())
    assert (rows, round(total, 6)) == (len(table), round(2 * table.v.sum(), 6))


def test_a_file_that_is_damaged_is_told_with_its_path(tmp_path, table):
    table.to_csv(tmp_path / "bad.csv.gz", index=False)
    whole = (tmp_path / "bad.csv.gz").read_bytes()
    (tmp_path / "bad.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EOFError, match=r"bad\.csv\.gz"):
        dd.read_csv(str(tmp_path / "bad.csv.gz"), blocksize=None).v.sum().compute()
