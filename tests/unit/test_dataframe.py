"""Frames: partitions and divisions, and the ways between pandas, arrays and frames."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.array as da
import raskr.dataframe as dd


@pytest.fixture
def pdf():
    return pd.DataFrame({"a": np.arange(10), "b": np.arange(10) / 2}, index=np.arange(10) * 3)


@pytest.mark.parametrize(
    "index, npartitions, divisions, lengths",
    [
        (range(12), 5, (0, 3, 6, 8, 10, 11), [3, 3, 2, 2, 2]),
        ([0, 0, 0, 1, 1, 2], 3, (0, 1, 2, 2), [3, 2, 1]),
        ([0] * 6, 3, (0, 0), [6]),
        ([3, 1, 2, 2, 1, 0], 4, (0, 1, 2, 3, 3), [1, 2, 2, 1]),
        ([1, 2, 2, 2, 2, 2, 2, 3, 4], 2, (1, 2, 4), [1, 8]),
        (list("AAAABBBC"), 4, ("A", "B", "C", "C"), [4, 3, 1]),
        ([], 3, (None, None), [0]),
    ],
)
def test_rows_of_equal_index_stay_together(index, npartitions, divisions, lengths):
    frame = pd.DataFrame({"a": range(len(list(index)))}, index=list(index))
    df = dd.from_pandas(frame, npartitions=npartitions)
    assert df.divisions == divisions
    assert [len(part) for part in raskr.compute(*df.to_delayed())] == lengths
    pd.testing.assert_frame_equal(df.compute(), frame.sort_index(), check_index_type=False)


def test_unsorted_frames_keep_their_order():
    frame = pd.DataFrame({"a": range(5)}, index=[3, 1, 4, 1, 5])
    df = dd.from_pandas(frame, npartitions=2, sort=False)
    assert df.divisions == (None, None, None) and not df.known_divisions
    pd.testing.assert_frame_equal(df.compute(), frame)


def test_wrong_sources_are_named():
    with pytest.raises(TypeError, match="pandas DataFrame or Series"):
        dd.from_pandas([1], 2)
    with pytest.raises(ValueError, match="Exactly one"):
        dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=1, chunksize=1)
    with pytest.raises(ValueError, match="more than 2D"):
        dd.from_array(np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="Got 1 names for 2 columns"):
        dd.from_array(np.ones((2, 2)), columns=["a"])


def test_columns_filters_and_operators_are_pandas(pdf):
    df = dd.from_pandas(pdf, npartitions=3)
    pd.testing.assert_series_equal((df.a * 2 + df["b"]).compute(), pdf.a * 2 + pdf.b)
    pd.testing.assert_series_equal((1 - df.a).compute(), 1 - pdf.a)
    pd.testing.assert_frame_equal(df[(df.a > 2) & ~(df.b > 4)].compute(), pdf[(pdf.a > 2) & ~(pdf.b > 4)])
    pd.testing.assert_frame_equal(df[["b"]].assign(c=lambda x: x.b + 1).compute(), pdf[["b"]].assign(c=pdf.b + 1))
    assert df.a.astype("float32").dtype == np.float32 and df.rename(columns={"a": "z"}).columns.tolist() == ["z", "b"]
    assert (df.divisions, df[df.a > 2].divisions) == ((0, 12, 21, 27),) * 2
    with pytest.raises(KeyError, match="nope"):
        df["nope"]
    with pytest.raises(AttributeError, match="nope"):
        _ = df.nope


def test_functions_of_partitions(pdf):
    df = dd.from_pandas(pdf, npartitions=3)
    pd.testing.assert_frame_equal(df.map_partitions(lambda part, n: part + n, 1).compute(), pdf + 1)
    assert df.map_partitions(len).compute().tolist() == [4, 3, 3]
    assert df.map_partitions(lambda part: part.a.sum(), meta=("total", "int64")).name == "total"
    assert isinstance(df.map_partitions(lambda part: part.values), da.Array)
    assert df.map_partitions(lambda part: part, meta={"a": float, "b": float}).dtypes.tolist() == [np.float64] * 2
    with pytest.raises(ValueError, match="meta="):
        df.map_partitions(lambda part: part["q"])
    with pytest.raises(ValueError, match="at least one"):
        dd.map_partitions(len, 3)


def test_partitions_are_picked_by_number(pdf):
    df = dd.from_pandas(pdf, npartitions=3)
    assert df.partitions[1].divisions == (12, 21) and df.partitions[[0, 2]].divisions == (0, 21, 27)
    pd.testing.assert_frame_equal(df.get_partition(2).compute(), pdf.iloc[7:])
    pd.testing.assert_frame_equal(df.partitions[::-1].compute(), pd.concat([pdf[7:], pdf[4:7], pdf[:4]]))
    with pytest.raises(IndexError, match="out of range"):
        df.partitions[3]
    pd.testing.assert_frame_equal(df.tail(2), pdf.tail(2))
    pd.testing.assert_frame_equal(df.head(6, npartitions=2), pdf.head(6))
    with pytest.warns(UserWarning, match="only 4 elements"):
        df.head(5)
    assert len(df) == 10


def test_values_become_arrays_and_back(pdf):
    df = dd.from_pandas(pdf, npartitions=3)
    assert np.isnan(df.values.shape[0]) and df.values.dtype == np.float64
    np.testing.assert_array_equal(df.values, pdf.values)
    assert df.to_dask_array(lengths=True).chunks == ((4, 3, 3), (2,))
    assert df.a.to_dask_array(lengths=[4, 3, 3]).sum().compute() == 45
    np.testing.assert_array_equal(df.index.values.compute(), pdf.index)
    np.testing.assert_array_equal(da.asarray(df.b), pdf.b)
    with pytest.raises(ValueError, match="2 != 3"):
        df.to_dask_array(lengths=[5, 5])
    again = df.to_dask_array(lengths=True).to_dask_dataframe(columns=["a", "b"], index=df.index)
    pd.testing.assert_frame_equal(again.compute(), pdf.astype(float))


def test_arrays_become_frames_with_counted_rows():
    x = da.arange(20, chunks=3).reshape((10, 2)).rechunk((4, 1))
    df = x.to_dask_dataframe()
    assert df.divisions == (0, 4, 8, 9)
    pd.testing.assert_frame_equal(df.compute(), pd.DataFrame(np.arange(20).reshape(10, 2)))
    s = da.ones(4, chunks=2).to_dask_dataframe(columns="x")
    assert isinstance(s, dd.Series) and s.name == "x"
    filtered = da.arange(5, chunks=2)
    assert filtered[filtered > 1].to_dask_dataframe().divisions == (None,) * 4
    table = dd.from_array(np.array([(1, 2.0), (3, 4.0)], dtype=[("a", int), ("b", float)]))
    assert table.b.compute().tolist() == [2.0, 4.0]


def test_blocks_may_be_series():
    s = da.ones(10, chunks=5).map_blocks(pd.Series)
    assert isinstance(s, dd.Series) and s.npartitions == 2
    assert s.compute().tolist() == [1.0] * 10


def test_partitions_of_unknown_length_are_rechunked_along_other_axes(pdf):
    x = dd.from_pandas(pd.DataFrame(np.arange(60).reshape(10, 6)), npartitions=3).values
    y = x.rechunk((None, 2))
    assert y.chunks[1] == (2, 2, 2)
    np.testing.assert_array_equal(y, np.arange(60).reshape(10, 6))
    np.testing.assert_array_equal(y.rechunk({1: (1, 5)}), np.arange(60).reshape(10, 6))
    both = da.concatenate([da.zeros((4, 6), chunks=2, dtype=int), x]).rechunk((None, 3))
    np.testing.assert_array_equal(both, np.concatenate([np.zeros((4, 6)), np.arange(60).reshape(10, 6)]))
    objects = x.astype(object).rechunk((None, 2))
    np.testing.assert_array_equal(objects, np.arange(60).reshape(10, 6).astype(object))


def test_delayed_values_and_functions_make_frames():
    @raskr.delayed
    def part(n):
        return pd.DataFrame({"a": [n] * n})

    df = dd.from_delayed([part(1), part(2)], divisions=(0, 1, 2))
    assert df.compute().a.tolist() == [1, 2, 2] and df.divisions == (0, 1, 2)
    with pytest.raises(ValueError, match="Metadata mismatch"):
        dd.from_delayed([part(1)], meta={"b": int}).compute()
    with pytest.raises(ValueError, match="Metadata mismatch"):
        dd.from_delayed([part(1)], meta={"a": str}).compute()
    # Numbers of any type will do, since a missing one makes floats of integers.
    assert dd.from_delayed([part(1), part(2)], meta={"a": float}).a.sum().compute() == 5
    made = dd.from_map(lambda n, k: pd.DataFrame({"a": [n + k]}), [1, 2], k=10)
    assert made.compute().a.tolist() == [11, 12]
    with pytest.raises(ValueError, match="same length"):
        dd.from_map(lambda n, k: n, [1, 2], [3])


def test_frames_are_collections(pdf):
    df = dd.from_pandas(pdf, npartitions=3)
    total = raskr.delayed(lambda frame: int(frame.a.sum()))(df)
    assert total.compute() == 45
    held = (df.a + 1).persist()
    assert held.compute().tolist() == (pdf.a + 1).tolist() and held.divisions == df.divisions
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(df + 1)).compute(), pdf + 1)
    values = raskr.get(df.__dask_graph__(), df.__dask_keys__())
    pd.testing.assert_frame_equal(pd.concat(values), pdf)
    computed, twice = raskr.compute(df, df.a * 2, scheduler="sync")
    assert twice.sum() == 90 and len(computed) == 10
    assert dd.from_pandas(pdf, npartitions=3)._name == df._name != dd.from_pandas(pdf, npartitions=2)._name
    doubled = df.partitions[[0, 0]]
    assert len(raskr.get(doubled.__dask_graph__(), doubled.__dask_keys__())) == 2
    assert "npartitions=3" in repr(df) and "int64" in repr(df.a)


def test_frames_alone_do_not_load_the_modules_of_arrays():
    program = (
        "import sys, pandas as pd, raskr.dataframe as dd\n"
        "df = dd.from_pandas(pd.DataFrame({'g': [1, 1, 2], 'x': [1, 5, 2]}), npartitions=2)\n"
        "found = df[df.x > 1].groupby('g').x.sum().compute()\n"
        "assert found.tolist() == [5, 2] and 'raskr.array' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_a_frame_did_is_told_by_kind_of_step(capsys, tmp_path):
    rows = pd.DataFrame({"g": list("abcabc"), "x": range(6)})
    dd.from_pandas(rows, npartitions=3).to_parquet(tmp_path / "rows")
    dd.read_parquet(tmp_path / "rows").groupby("g").x.sum().analyze()
    _, told = capsys.readouterr().out.split("\n\n")
    steps = [line.split(":")[0] for line in told.splitlines()]
    assert any("aggregate" in step for step in steps) and len(set(steps)) == len(steps)
    assert not any(re.search("[0-9a-f]{8}", step) for step in steps)


def test_rows_are_compared_whatever_their_labels():
    first = pd.DataFrame({"a": [3, 1, 2]}, index=[0, 0, 1])
    dd.utils.assert_eq(first, pd.DataFrame({"a": [1, 2, 3]}), check_index=False)
    with pytest.raises(AssertionError):
        dd.utils.assert_eq(first, pd.DataFrame({"a": [1, 2, 3]}))
