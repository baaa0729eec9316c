"""Frames from and to JSON, ORC, databases, records, bags and dictionaries."""

import sqlite3

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.bag as db
import raskr.dataframe as dd


@pytest.fixture
def table():
    return pd.DataFrame(
        {"n": range(30), "x": np.arange(30) / 4, "text": [f"é {n}" for n in range(30)]},
        index=pd.RangeIndex(30, name="place"),
    )


@pytest.mark.parametrize("options", [{}, {"orient": "split"}, {"compression": "gzip"}])
def test_json_comes_back(tmp_path, table, options):
    df = dd.from_pandas(table, npartitions=3)
    ending = "json.gz" if "compression" in options else "json"
    paths = dd.to_json(df, str(tmp_path / f"*.{ending}"), **options)
    assert len(paths) == 3
    got = dd.read_json(paths, orient=options.get("orient", "records"))
    assert got.npartitions == 3
    pd.testing.assert_frame_equal(got.compute().reset_index(drop=True), table.reset_index(drop=True))


def test_lines_of_json_are_cut(tmp_path, table):
    path = tmp_path / "a.json"
    table.to_json(path, orient="records", lines=True)
    got = dd.read_json(str(path), blocksize=100, include_path_column=True, path_converter=lambda name: "here")
    assert got.npartitions > 5
    assert got.n.compute().tolist() == list(range(30)) and set(got.path.compute()) == {"here"}
    with pytest.raises(ValueError, match="Line-delimited"):
        dd.read_json(str(path), orient="split", lines=True)
    path.write_text("no json")
    with pytest.raises(ValueError, match="a.json"):
        dd.read_json(str(path))


def test_orc_comes_back(tmp_path, table):
    folder = str(tmp_path / "data")
    dd.from_pandas(table, npartitions=3).to_orc(folder)
    pd.testing.assert_frame_equal(dd.read_orc(folder, index="place").compute(), table, check_index_type=False)
    assert dd.read_orc(folder, columns=["x"]).compute().x.tolist() == table.x.tolist()
    assert dd.read_orc(folder, split_stripes=2, aggregate_files=True).npartitions == 2
    with pytest.raises(ValueError, match="nope"):
        dd.read_orc(folder, columns=["nope"])


def test_tables_of_databases(tmp_path, table):
    address = f"sqlite:///{tmp_path / 'a.db'}"
    df = dd.from_pandas(table, npartitions=3)
    assert df.to_sql("t", address) is None
    got = dd.read_sql_table("t", address, "place", npartitions=4)
    assert got.npartitions == 4 and got.divisions[0] == 0 and got.divisions[-1] == 29
    pd.testing.assert_frame_equal(got.compute(), table, check_index_type=False)
    some = dd.read_sql_table("t", address, "place", divisions=[0, 10, 20], columns=["x"])
    assert some.x.compute().tolist() == table.x[:21].tolist()
    with pytest.raises(ValueError, match="exists"):
        df.to_sql("t", address)
    df.to_sql("t", address, if_exists="append", parallel=True)
    assert len(dd.read_sql("t", address, "place", npartitions=2)) == 60
    with sqlite3.connect(tmp_path / "a.db") as connection, pytest.raises(TypeError, match="str"):
        dd.read_sql_table("t", connection, "place")
    connection.close()


def test_records_bags_and_dictionaries(table):
    df = dd.from_pandas(table, npartitions=4)
    records = df.to_records(lengths=True)
    assert records.chunks == ((8, 8, 7, 7),) and records.compute().tolist() == table.to_records().tolist()
    assert df.to_bag().compute(scheduler="sync") == list(table.itertuples(index=False, name=None))
    assert df.to_bag(format="dict").compute(scheduler="sync") == table.to_dict(orient="records")
    assert df.x.to_bag(index=True).compute(scheduler="sync") == list(table.x.items())
    assert df.index.to_bag().compute(scheduler="sync") == list(range(30))
    back = db.from_sequence(table.to_dict(orient="records"), npartitions=3).to_dataframe()
    pd.testing.assert_frame_equal(back.compute().reset_index(drop=True), table.reset_index(drop=True))
    got = dd.DataFrame.from_dict({"a": [1, 2, 3], "b": [4, 5, 6]}, npartitions=2)
    assert got.npartitions == 2 and got.b.compute().tolist() == [4, 5, 6]
    with pytest.raises(ValueError, match="format"):
        df.to_bag(format="rows")


def test_sources_ask_functions_for_columns_that_are_used(table):
    class Make:
        asked: list = []

        def __init__(self, columns=None):
            self.columns = columns

        def project_columns(self, columns):
            return Make(columns)

        def __call__(self, number):
            Make.asked.append(self.columns)
            made = table.iloc[number : number + 2]
            return made if self.columns is None else made[self.columns]

    df = dd.from_map(Make(), range(0, 30, 2), meta=table.iloc[:0])
    assert df.x.compute(scheduler="sync").tolist() == table.x.tolist()
    assert set(map(tuple, Make.asked)) == {("x",)}


def test_frames_keep_what_they_were_made_of():
    table = pd.DataFrame({"a": [1, 2]})
    df = dd.from_pandas(table, npartitions=2)
    table.loc[0, "a"] = 100
    assert df.a.compute().tolist() == [1, 2]
    with pytest.raises(TypeError, match="npartitions as an int"):
        dd.from_pandas(table, npartitions=1.5)
    with pytest.raises(NotImplementedError, match="contains nulls"):
        dd.from_pandas(table.set_axis(["a", None]), npartitions=1)
    assert raskr.compute(dd.from_pandas(table, npartitions=1))[0].equals(table)


@pytest.mark.parametrize("wanted", [True, False, None])
def test_text_becomes_arrows_strings_where_the_setting_says_so(tmp_path, wanted):
    frame = pd.DataFrame({"n": [1, 2], "s": ["x", None], "o": ["y", "z"]}, index=["a", "b"]).astype({"o": object})
    frame.to_csv(tmp_path / "text.csv", index=False)
    frame.to_json(tmp_path / "text.json", orient="records", lines=True)
    frame.reset_index(drop=True).to_parquet(tmp_path / "text.parquet")
    arrow, own = pd.StringDtype("pyarrow"), pd.Series(["x"]).dtype
    with raskr.config.set({"dataframe.convert-string": wanted}):
        sources = [
            dd.from_pandas(frame, npartitions=2),
            dd.read_csv(tmp_path / "text.csv"),
            dd.read_json(tmp_path / "text.json"),
            dd.read_parquet(tmp_path / "text.parquet"),
            dd.demo.make_timeseries("2000-01-01", "2000-01-02", dtypes={"s": str}, freq="6h", partition_freq="1D"),
        ]
        series = dd.from_pandas(frame.s, npartitions=1)
    for lazy in sources:
        assert lazy.s.dtype == lazy.s.compute().dtype == (arrow if wanted else own)
        assert lazy.s.str.len().dtype.name == lazy.s.str.len().compute().dtype.name or not wanted
    found = sources[0].compute()
    expected = frame.astype({"s": arrow, "o": arrow}).set_axis(frame.index.astype(arrow)) if wanted else frame
    pd.testing.assert_frame_equal(found, expected)
    assert sources[0].divisions == ("a", "b", "b") and series.dtype == (arrow if wanted else own)


def test_arrow_tables_go_in_and_out():
    import pyarrow

    table = pyarrow.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    df = dd.from_pandas(table, npartitions=2)
    assert df.npartitions == 2 and df.a.sum().compute() == 6
    assert pyarrow.table(df[df.a > 1]).column("b").to_pylist() == [None, "z"]
    with pytest.raises(TypeError, match="pandas DataFrame or Series"):
        dd.from_pandas(df, npartitions=2)
