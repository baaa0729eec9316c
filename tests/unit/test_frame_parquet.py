"""Frames from Parquet files and to them: columns, filters, folders of values, divisions, files that are there as wholes."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.dataframe as dd


@pytest.fixture
def table():
    source = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "n": np.arange(100),
            "x": source.random(100),
            "text": [f"é {n}" for n in range(100)],
            "day": pd.date_range("2020-01-01", periods=100, tz="UTC"),
            "kind": pd.Categorical(source.choice(list("abc"), 100)),
            "maybe": pd.array([None if n % 7 == 0 else n for n in range(100)], dtype="Int64"),
        },
        index=pd.Index(np.arange(100) * 2, name="place"),
    )


@pytest.fixture
def folder(tmp_path, table):
    path = str(tmp_path / "data")
    assert dd.from_pandas(table, npartitions=4).to_parquet(path) is None
    return path


def test_everything_comes_back(folder, table):
    got = dd.read_parquet(folder, calculate_divisions=True)
    assert got.npartitions == 4 and got.divisions == (0, 50, 100, 150, 198)
    pd.testing.assert_frame_equal(got.compute(), table, check_categorical=False)
    assert list(got.dtypes.astype(str)) == list(table.dtypes.astype(str))
    assert not dd.read_parquet(folder).known_divisions


def test_columns_and_index_are_chosen(folder, table):
    pd.testing.assert_frame_equal(dd.read_parquet(folder, columns=["x", "n"]).compute(), table[["x", "n"]])
    pd.testing.assert_series_equal(dd.read_parquet(folder, columns="x").compute(), table.x)
    got = dd.read_parquet(folder, index="n", columns=["x"]).compute()
    pd.testing.assert_frame_equal(got, table.set_index("n")[["x"]])
    plain = dd.read_parquet(folder, index=False).compute()
    assert list(plain.columns) == ["place", *table.columns]
    with pytest.raises(ValueError, match="nope"):
        dd.read_parquet(folder, columns=["nope"])


def test_only_columns_that_are_used_are_read(folder, table):
    from raskr.dataframe.optimizing import optimized

    df = dd.read_parquet(folder)
    [plan] = optimized([(df.x + df[df.n > 3].x).sum()._expr])
    readers, stack = [], [plan]
    while stack:
        expression = stack.pop()
        stack.extend(expression.children)
        if expression.name.startswith("read-parquet"):
            readers.append(expression)
    assert {tuple(reader.columns) for reader in readers} == {("n", "x")}
    pd.testing.assert_series_equal(df[df.n > 90].x.compute(), table[table.n > 90].x)


@pytest.mark.parametrize(
    "filters, query",
    [
        ([("n", ">", 70)], "n > 70"),
        ([("n", ">=", 30), ("n", "<", 35)], "30 <= n < 35"),
        ([[("n", "==", 3)], [("x", "<", 0.1)]], "n == 3 or x < 0.1"),
        ([("n", "in", [1, 50, 99])], "n in [1, 50, 99]"),
        ([("n", "not in", {1, 50, 99})], "n not in [1, 50, 99]"),
        ([("text", "!=", "é 5")], "text != 'é 5'"),
        ([("n", ">", 1000)], "n > 1000"),
    ],
)
def test_filters_choose_rows(folder, table, filters, query):
    got = dd.read_parquet(folder, filters=filters, columns=["n", "x"])
    pd.testing.assert_frame_equal(got.compute(), table.query(query)[["n", "x"]])


def test_filters_leave_out_files(folder, table):
    assert dd.read_parquet(folder, filters=[("n", ">", 80)]).npartitions == 1
    got = dd.read_parquet(folder, filters=[("maybe", "is", None)]).compute()
    assert len(got) == table.maybe.isna().sum()
    with pytest.raises(ValueError, match="valid operator"):
        dd.read_parquet(folder, filters=[("n", "~", 1)])
    with pytest.raises(TypeError, match="list, set or tuple"):
        dd.read_parquet(folder, filters=[("n", "in", 1)])


def test_folders_of_values(tmp_path, table):
    path = str(tmp_path / "data")
    dd.from_pandas(table, npartitions=3).to_parquet(path, partition_on=["kind"])
    got = dd.read_parquet(path)
    assert set(got.kind.cat.categories) == {"a", "b", "c"}
    assert list(got.columns) == ["n", "x", "text", "day", "maybe", "kind"]
    assert sorted(got.n.compute()) == list(range(100))
    some = dd.read_parquet(path, filters=[("kind", "==", "b")]).compute()
    assert sorted(some.n) == sorted(table[table.kind == "b"].n)


def test_row_groups_make_partitions(tmp_path, table):
    path = str(tmp_path / "data")
    dd.from_pandas(table, npartitions=2).to_parquet(path, row_group_size=10)
    assert dd.read_parquet(path).npartitions == 2
    for split, count in [(True, 10), (2, 6), (5, 2), (False, 2)]:
        got = dd.read_parquet(path, split_row_groups=split, calculate_divisions=True)
        assert got.npartitions == count and got.known_divisions
        pd.testing.assert_series_equal(got.n.compute(), table.n)
    assert dd.read_parquet(path, split_row_groups=7, aggregate_files=True).npartitions == 2
    assert dd.read_parquet(path, blocksize=1, split_row_groups="adaptive").npartitions == 10


def test_appending_and_replacing(folder, table):
    more = table.set_axis(table.index + 1000)
    dd.from_pandas(more, npartitions=2).to_parquet(folder, append=True)
    assert dd.read_parquet(folder).npartitions == 6
    with pytest.raises(ValueError, match="overlap"):
        dd.from_pandas(table, npartitions=2).to_parquet(folder, append=True)
    with pytest.raises(ValueError, match="Appended columns"):
        dd.from_pandas(table[["n"]], npartitions=2).to_parquet(folder, append=True)
    # Files that overlap each other already end somewhere, too.
    dd.from_pandas(table, npartitions=2).to_parquet(folder, append=True, ignore_divisions=True)
    with pytest.raises(ValueError, match=f"End of last written partition: {more.index[-1]}"):
        dd.from_pandas(table, npartitions=2).to_parquet(folder, append=True)
    dd.from_pandas(table, npartitions=1).to_parquet(folder, overwrite=True)
    # What is replaced may be what is read.
    df = dd.read_parquet(folder)
    df[df.n < 10].to_parquet(folder, overwrite=True)
    assert len(dd.read_parquet(folder)) == 10


def test_files_without_order_whose_footers_are_together_take_any_more(tmp_path):
    folder = str(tmp_path / "data")
    down = pd.DataFrame({"x": range(100)}, index=range(100, 0, -1))
    dd.from_pandas(down, npartitions=3, sort=False).to_parquet(folder, write_metadata_file=True)
    more = pd.DataFrame({"x": range(50)})
    dd.from_pandas(more, npartitions=3).to_parquet(folder, append=True)
    pd.testing.assert_frame_equal(dd.read_parquet(folder).compute(), pd.concat([down, more]))


def test_files_of_other_types_are_named_with_what_to_do(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "0.parquet")
    pd.DataFrame({"a": [1.5]}).to_parquet(tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=r"1\.parquet.*'a' is double where int64 was declared.*schema"):
        dd.read_parquet(str(tmp_path)).compute()
    wide = {"schema": pyarrow.schema([("a", "float64")])}
    assert dd.read_parquet(str(tmp_path), dataset=wide).a.sum().compute() == 2.5


def test_a_failed_write_leaves_what_was_there(folder, tmp_path, table):
    def fail(part):
        raise RuntimeError("no")

    df = dd.from_pandas(table, npartitions=2).map_partitions(fail, meta=table.iloc[:0])
    with pytest.raises(RuntimeError, match="no"):
        df.to_parquet(folder, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert len(dd.read_parquet(folder)) == 100


def test_delayed_writing_names_and_notes(tmp_path, table):
    import pyarrow.parquet as pq

    path = tmp_path / "data"
    lazy = dd.from_pandas(table[["n"]], npartitions=2).to_parquet(
        str(path), compute=False, name_function=lambda n: f"piece-{n}.parquet", custom_metadata={"who": "me"}
    )
    assert not path.exists()
    raskr.compute(lazy)
    assert sorted(each.name for each in path.iterdir()) == ["piece-0.parquet", "piece-1.parquet"]
    assert pq.read_schema(path / "piece-0.parquet").metadata[b"who"] == b"me"
    with pytest.raises(ValueError, match="unique"):
        dd.from_pandas(table, npartitions=2).to_parquet(str(path), name_function=lambda n: "same")


def test_bad_input_is_named(tmp_path, table):
    df = dd.from_pandas(table, npartitions=2)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        dd.read_parquet(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="foo"):
        dd.read_parquet(str(tmp_path), engine="foo")
    with pytest.raises(ValueError, match="non-string"):
        df.rename(columns={"n": 1}).to_parquet(str(tmp_path / "a"))
    with pytest.raises(ValueError, match="non-existent"):
        df.to_parquet(str(tmp_path / "a"), partition_on="nope")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no")
    with pytest.raises((OSError, ValueError), match="broken.parquet|Parquet"):
        dd.read_parquet(str(broken)).compute()


def test_an_index_that_the_notes_describe_is_that_of_pandas(tmp_path):
    table = pd.DataFrame({"a": [5, 1, 4]}, index=pd.RangeIndex(3, 9, 2))
    table.to_parquet(tmp_path / "0.parquet")
    frame = dd.read_parquet(str(tmp_path / "0.parquet"))
    pd.testing.assert_frame_equal(frame.compute(), table)
    pd.testing.assert_frame_equal(frame[frame.a > 1].compute(), table[table.a > 1])


def test_values_that_are_no_text_are_objects_as_pandas_has_them(tmp_path):
    days = [datetime.date(2020, 1, 1), datetime.date(2021, 2, 3), None]
    table = pd.DataFrame(
        {"a": [1, 2, 3], "day": days, "part": [decimal.Decimal("1.50"), None, decimal.Decimal("2.25")]}
    )
    table.to_parquet(tmp_path / "0.parquet")
    frame = dd.read_parquet(str(tmp_path / "0.parquet"))
    expected = pd.read_parquet(tmp_path / "0.parquet")
    pd.testing.assert_frame_equal(frame[frame.a > 1].compute(), expected[expected.a > 1])


def test_row_groups_that_a_filter_rules_out_count_in_the_index(tmp_path):
    table = pd.DataFrame({"a": range(100), "b": [f"word {number % 7}" for number in range(100)]})
    table.to_parquet(tmp_path / "0.parquet", row_group_size=10)
    frame = dd.read_parquet(str(tmp_path / "0.parquet"))
    for filtered in (lambda f: f[f.a >= 75], lambda f: f[(f.a > 12) & (f.b == "word 3")], lambda f: f[f.a < 0]):
        pd.testing.assert_frame_equal(filtered(frame).compute(), filtered(table))


def test_columns_of_values_that_hardly_repeat_are_written_without_dictionaries(tmp_path):
    import pyarrow.parquet

    rows = 100_000
    frame = pd.DataFrame(
        {
            "other": np.random.default_rng(1).permutation(rows),
            "few": np.arange(rows) // 9,
            "kind": ["a", "b"] * (rows // 2),
        }
    )
    frame["kind"] = frame["kind"].astype("category")
    dd.from_pandas(frame, npartitions=1).to_parquet(tmp_path / "chosen", write_index=False)
    dd.from_pandas(frame, npartitions=1).to_parquet(tmp_path / "asked", write_index=False, use_dictionary=True)

    def with_dictionary(name):
        group = pyarrow.parquet.ParquetFile(tmp_path / name / "part.0.parquet").metadata.row_group(0)
        columns = [group.column(place) for place in range(group.num_columns)]
        return [column.path_in_schema for column in columns if column.has_dictionary_page]

    assert with_dictionary("chosen") == ["few", "kind"]
    assert with_dictionary("asked") == ["other", "few", "kind"]
    again = dd.read_parquet(tmp_path / "chosen").compute()
    pd.testing.assert_frame_equal(again.astype({"kind": "category"}), frame)
