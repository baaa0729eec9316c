"""Frames from text and to text: blocks, compressions, types that do not fit, files that are written whole."""

import bz2
import gzip
import os
import pathlib

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.dataframe as dd

TEXT = "name,amount,day\n" + "".join(f"person {n},{n},2020-01-{n % 28 + 1:02}\n" for n in range(200))


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(TEXT)
    return str(file)


def same(frame, expected):
    pd.testing.assert_frame_equal(frame.compute().reset_index(drop=True), expected.reset_index(drop=True))


@pytest.mark.parametrize("blocksize", [None, 100, "1kiB", "default"])
def test_blocks_have_every_row_once(path, blocksize):
    df = dd.read_csv(path, blocksize=blocksize, parse_dates=["day"])
    assert df.npartitions == {100: len(TEXT) // 100, "1kiB": len(TEXT) // 1024}.get(blocksize, 1)
    same(df, pd.read_csv(path, parse_dates=["day"]))


@pytest.mark.parametrize("kind, write", [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_compressed_files_are_partitions(tmp_path, kind, write):
    for number in range(3):
        (tmp_path / f"{number}.csv.{kind}").write_bytes(write(TEXT.encode()))
    df = dd.read_csv(str(tmp_path / f"*.csv.{kind}"))
    assert df.npartitions == 3
    assert df.amount.compute().tolist() == list(range(200)) * 3
    with pytest.warns(UserWarning, match="blocksize=None"):
        dd.read_csv(str(tmp_path / f"*.csv.{kind}"), blocksize=10)


def test_a_truncated_file_is_named(tmp_path):
    file = tmp_path / "a.csv.gz"
    whole = gzip.compress("".join(f"{n},{n * n}\n" for n in range(100_000)).encode())
    file.write_bytes(whole[: len(whole) // 2])
    df = dd.read_csv(str(file), header=None, names=["a", "b"], sample=1000)
    with pytest.raises((EOFError, OSError), match="a.csv.gz"):
        df.compute()


@pytest.mark.parametrize("encoding", ["latin1", "utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings_are_read_in_blocks(tmp_path, encoding):
    table = pd.DataFrame({"naïve": ["é", "ü"] * 100, "b": range(200)})
    file = tmp_path / "a.csv"
    table.to_csv(file, index=False, encoding=encoding)
    same(dd.read_csv(str(file), encoding=encoding, blocksize=300), table)


@pytest.mark.parametrize(
    "options",
    [
        {"header": None, "skiprows": 1},
        {"header": None, "names": ["x", "y", "z"], "skiprows": 1},
        {"header": 0, "names": ["x", "y", "z"]},
        {"usecols": ["amount"]},
        {"usecols": [0, 2]},
        {"comment": "#"},
        {"na_values": ["person 3"]},
        {"dtype": {"amount": "float32"}},
        {"sep": ",", "engine": "python"},
    ],
)
def test_arguments_of_pandas_mean_the_same(path, options):
    same(dd.read_csv(path, blocksize=500, sample=500, **options), pd.read_csv(path, **options))


def test_types_that_change_are_explained(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a,b\n" + "1,2\n" * 1000 + "1.5,x\n")
    df = dd.read_csv(str(file), sample=50)
    with pytest.raises(ValueError, match=r"(?s)\| a .*\| float64 .*\| int64 .*dtype=\{'a': 'float64'"):
        df[["a"]].compute()
    with pytest.raises(ValueError, match=r"(?s)dtype=\{'a': 'object',\s+'b': 'object'\}|'b': 'object'"):
        df.compute()
    good = dd.read_csv(str(file), sample=50, dtype={"a": float, "b": object})
    assert good.b.compute().iloc[-1] == "x"
    assert dd.read_csv(str(file), sample=50, assume_missing=True, usecols=["a"]).a.compute().iloc[-1] == 1.5


def test_what_is_refused_says_what_to_do(path, tmp_path):
    with pytest.raises(ValueError, match="set_index"):
        dd.read_csv(path, index_col="name")
    with pytest.raises(ValueError, match="head"):
        dd.read_csv(path, nrows=3)
    with pytest.raises(ValueError, match="sample"):
        dd.read_csv(path, sample=3, skiprows=2)
    with pytest.raises(OSError, match="no-such"):
        dd.read_csv(str(tmp_path / "no-such-*.csv"))
    for read in (dd.read_csv, dd.read_json):
        with pytest.raises(OSError, match="no-such.*resolved to no files"):
            read([str(tmp_path / "no-such-*.csv")])
    with pytest.raises(OSError, match="no-such"):
        dd.read_csv(str(tmp_path / "no-such.csv"))
    with pytest.raises(ValueError, match="amount"):
        dd.read_csv(path, include_path_column="amount")


def test_the_path_is_a_column(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.csv").write_text("a\n1\n2\n")
    df = dd.read_csv(str(tmp_path / "*.csv"), include_path_column=True, converters={"path": os.path.basename})
    assert df.path.compute().astype(str).tolist() == ["0.csv", "0.csv", "1.csv", "1.csv"]
    assert df.dtypes["path"] == df.compute().dtypes["path"]


def test_categories_of_blocks_are_joined(tmp_path):
    (tmp_path / "0.csv").write_text("a\nx\ny\n")
    (tmp_path / "1.csv").write_text("a\nz\n")
    got = dd.read_csv(str(tmp_path / "*.csv"), dtype={"a": "category"}).compute().a
    assert got.tolist() == ["x", "y", "z"] and sorted(got.cat.categories) == ["x", "y", "z"]


def test_other_separators_and_widths(tmp_path):
    table = pd.DataFrame({"first": range(50), "second": np.arange(50) / 2})
    (tmp_path / "a.tsv").write_text(table.to_csv(sep="\t", index=False))
    same(dd.read_table(str(tmp_path / "a.tsv"), blocksize=100), table)
    (tmp_path / "a.fwf").write_text(table.to_string(index=False) + "\n")
    same(dd.read_fwf(str(tmp_path / "a.fwf"), blocksize=200), table)


@pytest.mark.parametrize("options", [{}, {"single_file": True}, {"compression": "gzip"}])
def test_what_is_written_is_read_again(tmp_path, options):
    table = pd.DataFrame({"a": range(20), "b": [f"é {n}" for n in range(20)]})
    df = dd.from_pandas(table, npartitions=3)
    single = options.get("single_file")
    ending = "csv.gz" if "compression" in options else "csv"
    paths = df.to_csv(str(tmp_path / f"{'a' if single else '*'}.{ending}"), index=False, **options)
    assert len(paths) == (1 if single else 3) and sorted(paths) == sorted(map(str, tmp_path.iterdir()))
    same(dd.read_csv(paths), table)


def test_headers_modes_and_delayed_writing(tmp_path):
    df = dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2)
    one = str(tmp_path / "one.csv")
    df.to_csv(one, single_file=True, index=False)
    df.to_csv(one, single_file=True, index=False, mode="a", header=False)
    assert pd.read_csv(one).a.tolist() == [0, 1, 2, 3] * 2
    with pytest.raises(FileExistsError):
        df.to_csv(one, single_file=True, mode="x")
    lazy = df.to_csv(str(tmp_path / "late-*.csv"), compute=False, header_first_partition_only=True, index=False)
    assert not list(tmp_path.glob("late*"))
    paths = raskr.compute(*lazy)
    assert [pathlib.Path(path).read_text() for path in paths] == ["a\n0\n1\n", "2\n3\n"]


def test_a_failed_write_leaves_nothing(tmp_path):
    def fail(part):
        raise RuntimeError("no")

    df = dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2).map_partitions(fail, meta={"a": int})
    with pytest.raises(RuntimeError, match="no"):
        df.to_csv(str(tmp_path / "a.csv"), single_file=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, content, options, error, words",
    [
        ("a.csv", b"a,b\n" + b"1,2\n" * 99 + b"1,2,3\n", {}, ValueError, r"(?s)line 101.*a\.csv"),
        (
            "a.csv",
            b"a,b\n" + b"1,2\n" * 99 + b"\xff,2\n",
            {},
            UnicodeDecodeError,
            r"at byte 400 of the text of .*a\.csv",
        ),
        ("a.csv", b"a,b\n1,2\n", {"encoding": "nope"}, LookupError, "nope"),
        ("a.csv", b"a,b\n1,2\n", {"usecols": ["z"]}, ValueError, "z"),
        ("a.csv", b"a,b\n" + b"1,2\n" * 99 + b"x,2\n", {"dtype": {"a": "int64"}}, ValueError, r"'x'.*a\.csv"),
        ("a.csv", b"", {}, ValueError, r"a\.csv"),
        ("a.csv.gz", b"a,b\n1,2\n", {}, OSError, r"a\.csv\.gz"),
        ("a.csv.bz2", bz2.compress(b"1,2\n" * 99)[:-20], {}, EOFError, r"a\.csv\.bz2"),
    ],
)
def test_broken_files_are_named(tmp_path, name, content, options, error, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error, match=words):
        dd.read_csv(str(path), sample=100, **options).compute()


def test_files_may_lack_columns_of_the_first_one(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_text("a\n7\n")
    found = dd.read_csv(str(tmp_path / "*.csv")).compute()
    assert found.a.tolist() == [1, 7]
    assert found.b.iloc[0] == 2 and found.b.isna().tolist() == [False, True]
