"""Files that are damaged, missing or unlike what was said, and writes that fail: clear errors, and nothing half-written."""

import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pandas as pd
import pyarrow
import pytest

import raskr.dataframe as dd

ROWS = "".join(f"{n},{n * 7919 % 10007},word {n * 31 % 977}\n" for n in range(5000))
TEXT = f"a,b,c\n{ROWS}".encode()


def _zip(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", data)
    return file.getvalue()


def _zstd(data):
    return pyarrow.compress(data, "zstd", asbytes=True)


COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": _zip, "zst": _zstd}
USES = {
    "rows": lambda df: df,
    "length": lambda df: df.a.size,
    "sum": lambda df: df.b.sum(),
    "groups": lambda df: df.groupby("c").b.mean(),
}


# --- files that are read ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
@pytest.mark.parametrize("ending", COMPRESS)
def test_truncated_files(tmp_path, ending, use):
    data = COMPRESS[ending](TEXT)
    for length in (len(data) // 2, len(data) - 6):
        path = tmp_path / f"{length}.csv.{ending}"
        path.write_bytes(data[:length])
        with pytest.raises((EOFError, OSError), match=f"{length}.csv.{ending}"):
            use(dd.read_csv(str(path), sample=500)).compute()


@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zip"])
def test_damaged_files(tmp_path, ending, use):
    data = bytearray(COMPRESS[ending](TEXT))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / f"a.csv.{ending}"
    path.write_bytes(bytes(data))
    with pytest.raises(OSError, match=rf"a\.csv\.{ending}"):
        use(dd.read_csv(str(path), sample=500)).compute()


@pytest.mark.parametrize("ending", COMPRESS)
def test_files_of_another_kind(tmp_path, ending):
    for number, data in enumerate([TEXT, b"1,2\n"]):
        path = tmp_path / f"{number}.csv.{ending}"
        path.write_bytes(data)
        with pytest.raises(OSError, match=rf"{number}\.csv\.{ending}"):
            dd.read_csv(str(path)).compute()


def test_every_compression_is_read(tmp_path):
    expected = pd.read_csv(io.BytesIO(TEXT))
    for ending, write in COMPRESS.items():
        path = tmp_path / f"a.csv.{ending}"
        path.write_bytes(write(TEXT))
        pd.testing.assert_frame_equal(dd.read_csv(str(path), sample=500).compute(), expected)


GOOD = b"a,b,c\n" + b"1,2.5,x\n" * 300
TYPES = r"(?s)Mismatched dtypes.*\| Column.*Found.*Expected"
BROKEN = {
    "a row that is too long": (GOOD + b"1,2,3,4\n", {}, pd.errors.ParserError, r"3 fields.*302.*4"),
    "a long row in a later block": (GOOD + b"1,2,3,4\n", {"blocksize": 500}, pd.errors.ParserError, r"3 fields.*saw 4"),
    "a block that begins with a long row": (
        GOOD + b"1,2,3,4\n" + b"1,2,3\n" * 8,
        {"blocksize": 24, "sample": 10**6},
        pd.errors.ParserError,
        r"3 fields.*saw 4",
    ),
    "floats for integers": (GOOD + b"1.5,2,x\n", {}, ValueError, TYPES + r".*a +\| float64 +\| int64.*'a': 'float64'"),
    "text for numbers": (GOOD + b"q,2,x\n", {}, ValueError, TYPES + r".*a +\| object +\| int64.*'a': 'object'"),
    "two columns": (GOOD + b"q,w,x\n", {}, ValueError, TYPES + r".*\| a .*\| b .*'a': 'object',\s+'b': 'object'"),
    "missing values": (GOOD + b",2,x\n", {}, ValueError, TYPES + r".*'a': 'float64'.*assume_missing=True"),
    "a given type": (GOOD + b"q,2,x\n", {"dtype": {"a": "int64"}}, ValueError, r"'q'"),
    "dates": (
        b"a,d\n" + b"1,2020-01-01\n" * 300 + b"1,never\n",
        {"parse_dates": ["d"]},
        ValueError,
        r"(?s)no dates.*- d.*parse_dates.*to_datetime",
    ),
    "bytes of another encoding": (GOOD + b"1,2,\xe9\n", {}, UnicodeDecodeError, r"0xe9.*at byte 2410 of the text"),
    "such bytes in a later block": (
        GOOD + b"1,2,\xe9\n",
        {"blocksize": 500},
        UnicodeDecodeError,
        r"0xe9.*at byte \d+ of what follows byte 18\d\d of the text",
    ),
    "a quote that does not end": (GOOD + b'1,2,"x\n' + b"1,2,3\n" * 9, {}, pd.errors.ParserError, r"EOF inside string"),
    "columns to use": (GOOD, {"usecols": ["zz"]}, ValueError, r"zz"),
    "columns of dates": (GOOD, {"parse_dates": ["zz"]}, ValueError, r"parse_dates.*zz"),
    "no text": (b"", {}, pd.errors.EmptyDataError, r"no text"),
    "blank lines": (b"\n\n\n", {}, pd.errors.EmptyDataError, r"no text"),
}


@pytest.mark.parametrize("content, options, error, words", BROKEN.values(), ids=list(BROKEN))
def test_text_that_does_not_fit(tmp_path, content, options, error, words):
    path = tmp_path / "näme.csv"
    path.write_bytes(content)
    with pytest.raises(error, match=words) as found:
        dd.read_csv(str(path), **{"sample": 100, **options}).compute()
    assert "näme.csv" in str(found.value)


@pytest.mark.parametrize("name", ["floats for integers", "text for numbers", "missing values"])
def test_types_that_do_not_fit_are_told_whatever_is_computed(tmp_path, name):
    content, _, error, words = BROKEN[name]
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    df = dd.read_csv(str(path), sample=100, blocksize=400)
    for program in (lambda: df.a.sum(), lambda: df.groupby("c").a.max(), lambda: df[df.a > 0], lambda: df.a.size):
        with pytest.raises(error, match=words):
            program().compute()
    assert df.b.size.compute() == 301


@pytest.mark.parametrize("kind", [int, float, "Int64"])
@pytest.mark.parametrize("blocksize", [None, 1000])
def test_values_of_another_type_are_told_with_column_and_row(tmp_path, kind, blocksize):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"{row},{'x' if row == 777 else row}\n" for row in range(1000)))
    row = 777 if blocksize is None else r"\d+"
    with pytest.raises(ValueError, match=rf"a\.csv.*: 'x' in column 'b', row {row} counted from 0\)"):
        dd.read_csv(str(path), dtype={"b": kind}, blocksize=blocksize, sample=100).b.sum().compute()


def test_missing_and_broken_numbers_among_whole_ones_are_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3,\n")
    with pytest.raises(ValueError, match="nan in column 'b', row 1"):
        dd.read_csv(str(path), dtype={"b": int}, sample=7).compute()
    path.write_text("a,b\n1,2\n3,2.5\n")
    with pytest.raises(ValueError, match="'2.5' in column 'b', row 1"):
        dd.read_csv(str(path), dtype={"b": int}, sample=7).compute()


def test_files_without_a_header_or_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n")
    assert dd.read_csv(str(path)).compute().columns.tolist() == ["a", "b"]
    path.write_text("1,2\n3,4\n")
    found = dd.read_csv(str(path), header=None, blocksize=4).compute()
    pd.testing.assert_frame_equal(found.reset_index(drop=True), pd.read_csv(path, header=None))


def test_files_that_are_not_there(tmp_path):
    for read in (dd.read_csv, dd.read_json):
        with pytest.raises(FileNotFoundError, match="missing.txt"):
            read(str(tmp_path / "missing.txt"))
        with pytest.raises(OSError, match=r"missing-\*.*no files"):
            read(str(tmp_path / "missing-*"))
    for read in (dd.read_parquet, dd.read_orc):
        with pytest.raises(FileNotFoundError, match="missing"):
            read(str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="no data files"):
        dd.read_parquet(str(tmp_path))
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        dd.read_csv(str(tmp_path))
    with pytest.raises(LookupError, match="unknown encoding: nope"):
        (tmp_path / "a.csv").write_text("a\n1\n")
        dd.read_csv(str(tmp_path / "a.csv"), encoding="nope")


@pytest.mark.parametrize("use", [lambda df: df, lambda df: df.a.sum()])
def test_files_that_go_away(tmp_path, use):
    table = pd.DataFrame({"a": range(10)})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    for read, name in ((dd.read_csv, "a.csv"), (dd.read_parquet, "a.parquet")):
        df = use(read(str(tmp_path / name)))
        (tmp_path / name).unlink()
        with pytest.raises(FileNotFoundError, match=name):
            df.compute()


def test_files_with_other_columns(tmp_path):
    for number, text in enumerate(["a,b\n1,2\n", "a,c\n3,4\n", "b,a\n5,6\n"]):
        (tmp_path / f"{number}.csv").write_text(text)
    pattern = str(tmp_path / "*.csv")
    # Whichever file is read first is told of.
    with pytest.raises(ValueError, match=r"(1\.csv has \['a', 'c'\]|2\.csv has \['b', 'a'\]), expected \['a', 'b'\]"):
        dd.read_csv(pattern, enforce=True).compute()
    found = dd.read_csv(pattern).compute()
    assert found.a.tolist() == [1, 3, 6] and found.b.isna().tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"'b'.*1\.csv"):
        dd.read_csv(pattern).b.sum().compute()
    for name, text in {"0.json": '{"a": 1}\n', "1.json": '{"b": 1}\n'}.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"1\.json.*\['b'\].*\['a'\].*meta="):
        dd.read_json(str(tmp_path / "*.json")).compute()


def test_json_that_is_none(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"a": 1}\n{"a":')
    with pytest.raises(ValueError, match=r"a\.json.*JSON"):
        dd.read_json(str(tmp_path / "a.json")).compute()
    (tmp_path / "b.json").write_bytes(b'{"a": "\xff"}\n')
    with pytest.raises(UnicodeDecodeError, match=r"at byte 7 of the text of .*b\.json"):
        dd.read_json(str(tmp_path / "b.json")).compute()


@pytest.fixture
def table():
    source = np.random.default_rng(0)
    return pd.DataFrame({"a": np.arange(2000), "b": source.random(2000), "c": [f"w{n % 50}" for n in range(2000)]})


@pytest.mark.parametrize("use", USES.values(), ids=list(USES))
def test_parquet_that_is_damaged(tmp_path, table, use):
    folder = tmp_path / "whole"
    dd.from_pandas(table, npartitions=1).to_parquet(str(folder), compression=None)
    (path,) = folder.iterdir()
    data = path.read_bytes()
    for name, damaged in {
        "half": data[: len(data) // 2],
        "end": data[:-6],
        "empty": b"",
        "other": TEXT,
    }.items():
        (tmp_path / f"{name}.parquet").write_bytes(damaged)
        with pytest.raises((ValueError, OSError), match=rf"{name}\.parquet"):
            use(dd.read_parquet(str(tmp_path / f"{name}.parquet"))).compute()
    # The values of every column are within the first half of what is not compressed.
    blot = bytearray(data)
    for at in range(200, len(data) * 3 // 4, 100):
        blot[at] ^= 0xFF
    (tmp_path / "blot.parquet").write_bytes(bytes(blot))
    with pytest.raises(OSError, match=r"blot\.parquet"):
        dd.read_parquet(str(tmp_path / "blot.parquet")).compute()


def test_columns_and_types_of_parquet(tmp_path, table):
    table.to_parquet(tmp_path / "0.parquet")
    path = str(tmp_path / "0.parquet")
    for options in ({"columns": ["zz"]}, {"index": "zz"}, {"filters": [("zz", ">", 1)]}, {"categories": ["zz"]}):
        with pytest.raises(ValueError, match="zz"):
            dd.read_parquet(path, **options)
    table.assign(b=table.c).to_parquet(tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=r"1\.parquet"):
        dd.read_parquet(str(tmp_path)).b.sum().compute()


def test_orc_that_is_damaged(tmp_path, table):
    table.to_orc(tmp_path / "a.orc", index=False)
    data = (tmp_path / "a.orc").read_bytes()
    for name, damaged in {"half": data[: len(data) // 2], "empty": b"", "other": TEXT}.items():
        (tmp_path / f"{name}.orc").write_bytes(damaged)
        with pytest.raises(OSError, match=rf"{name}\.orc"):
            dd.read_orc(str(tmp_path / f"{name}.orc")).compute()


# --- keys that do not exist -------------------------------------------------------------------------------------------
KEYS = {
    "a column": (lambda df: df["zz"], KeyError),
    "columns": (lambda df: df[["a", "zz"]], KeyError),
    "an attribute": (lambda df: df.zz, AttributeError),
    "groups": (lambda df: df.groupby("zz"), KeyError),
    "columns of groups": (lambda df: df.groupby("a")["zz"], KeyError),
    "aggregations": (lambda df: df.groupby("a").agg({"zz": "sum"}), KeyError),
    "aggregations by name": (lambda df: df.groupby("a").agg("zz"), AttributeError),
    "merges": (lambda df: df.merge(df, on="zz"), KeyError),
    "keys of one side": (lambda df: df.merge(df, left_on="a", right_on="zz"), KeyError),
    "kinds of merges": (lambda df: df.merge(df, on="a", how="zz"), ValueError),
    "sorting": (lambda df: df.sort_values("zz"), KeyError),
    "an index": (lambda df: df.set_index("zz"), KeyError),
    "dropping": (lambda df: df.drop(columns="zz"), KeyError),
    "distinct rows": (lambda df: df.drop_duplicates(subset=["zz"]), KeyError),
    "missing values": (lambda df: df.dropna(subset=["zz"]), KeyError),
    "types": (lambda df: df.astype({"zz": int}), KeyError),
    "queries": (lambda df: df.query("zz > 1"), NameError),
    "largest": (lambda df: df.nlargest(2, "zz"), KeyError),
    "labels": (lambda df: df.loc[:, "zz"], KeyError),
    "shuffles": (lambda df: df.shuffle("zz"), KeyError),
}


@pytest.mark.parametrize("program, error", KEYS.values(), ids=list(KEYS))
@pytest.mark.parametrize("source", ["csv", "parquet", "pandas"])
def test_what_is_not_there_is_refused_at_the_call(tmp_path, table, source, program, error):
    if source == "csv":
        table.to_csv(tmp_path / "a.csv", index=False)
        df = dd.read_csv(str(tmp_path / "a.csv"))
    elif source == "parquet":
        table.to_parquet(tmp_path / "a.parquet")
        df = dd.read_parquet(str(tmp_path / "a.parquet"))
    else:
        df = dd.from_pandas(table, npartitions=2)
    with pytest.raises(error, match="zz"):
        program(df)


def test_operations_that_types_do_not_have(table):
    df = dd.from_pandas(table, npartitions=2)
    for program, error in [
        (lambda: df.merge(df, left_on="a", right_on="c"), ValueError),
        (lambda: df.a.str.upper(), AttributeError),
        (lambda: df.a.dt.year, AttributeError),
        (lambda: df.groupby("a").c.mean(), TypeError),
        (lambda: df.a + df.c, TypeError),
    ]:
        with pytest.raises(error):
            program().compute()
    with pytest.raises(ValueError, match="w0"):
        df.c.astype(int).compute()


def test_columns_are_attributes_whatever_they_begin_with():
    import pickle

    df = dd.from_pandas(pd.DataFrame({"_merge": [1, 2], "b": [3, 4]}), npartitions=2)
    assert df._merge.compute().tolist() == [1, 2]
    assert df[df._merge > 1].b.compute().tolist() == [4]
    assert pickle.loads(pickle.dumps(df))._merge.compute().tolist() == [1, 2]
    with pytest.raises(AttributeError, match="_other"):
        _ = df._other


@pytest.mark.parametrize("values", [np.arange(4), [1, 2, 3, 4], (1, 2, 3, 4)])
def test_what_is_in_no_partitions_is_no_column(values):
    df = dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2)
    with pytest.raises(TypeError, match="Column assignment doesn't support type"):
        df["b"] = values
    with pytest.raises(TypeError, match="Column assignment doesn't support type"):
        df.assign(b=values)
    assert list(df.columns) == ["a"]
