"""Files in object stores and on web servers: what is read, written and listed there, and what is said when it can't be."""

import bz2
import gzip
import io
import pickle

import numpy as np
import pandas as pd
import pytest
from stores import running

import raskr.bag as db
import raskr.dataframe as dd
from raskr.bytes.core import filesystem_of, write_whole
from raskr.bytes.objects import ObjectFileSystem, object_options
from raskr.distributed import Client, LocalCluster


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store, whose bucket is "data"."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with running() as found:
        yield found


def table(rows: int = 5000) -> pd.DataFrame:
    """Numbers and text."""
    numbers = np.arange(rows)
    return pd.DataFrame({"key": numbers % 7, "x": numbers / 4, "name": [f"name {number % 13}" for number in numbers]})


def check(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """The same rows, whatever the index."""
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))


@pytest.mark.parametrize("compression", [None, "gz", "bz2"])
def test_csv_is_read_by_the_engine(store, compression, capsys):
    expected = table()
    squeeze = {None: bytes, "gz": gzip.compress, "bz2": bz2.compress}[compression]
    ending = f".{compression}" if compression else ""
    for number, part in enumerate(np.array_split(np.arange(len(expected)), 3)):
        text = expected.iloc[part].to_csv(index=False).encode()
        store.objects[f"/data/in/part {number}.csv{ending}"] = squeeze(text)
    size = None if compression else 10_000
    found = dd.read_csv(f"s3://data/in/*.csv{ending}", storage_options=store.options, blocksize=size)
    assert found.npartitions == (3 if compression else 6)
    check(found.compute(), expected)
    sums = found.groupby("key").x.sum()
    sums.explain()
    # The engine's own reader, with the columns that are wanted.
    assert "read-csv [c0, c1, __index__], " in capsys.readouterr().out
    pd.testing.assert_series_equal(sums.compute().sort_index(), expected.groupby("key").x.sum())
    assert store.authorizations == {"AWS4-HMAC-SHA256"}


def test_blocks_of_a_file_have_each_line_once(store):
    lines = [f"line {number}\n" for number in range(3000)]
    store.objects["/data/log.txt"] = "".join(lines).encode()
    found = db.read_text("s3://data/log.txt", storage_options=store.options, blocksize=5000)
    assert found.npartitions > 5
    assert found.compute() == lines
    assert found.count().compute() == len(lines)


def test_parquet_goes_there_and_back(store):
    expected = table()
    frame = dd.from_pandas(expected, npartitions=3)
    frame.to_parquet("s3://data/out", storage_options=store.options, row_group_size=500)
    names = sorted(name for name in store.objects if name.startswith("/data/out/"))
    assert names == [f"/data/out/part.{number}.parquet" for number in range(3)]
    found = dd.read_parquet("s3://data/out", storage_options=store.options)
    check(found.compute(), expected)
    before = store.asked["GET"]
    assert found[found.x > 1200].x.sum().compute() == expected.x[expected.x > 1200].sum()
    assert 0 < store.asked["GET"] - before < 12
    frame.to_parquet("s3://data/out", storage_options=store.options, overwrite=True, name_function="new-{}".format)
    assert sorted(store.objects) == [f"/data/out/new-{number}" for number in range(3)]


def test_large_files_are_written_in_parts(store):
    data = np.random.default_rng(0).bytes(20 << 20)
    with write_whole("s3://data/large", None, store.options) as file:
        for start in range(0, len(data), 1 << 20):
            file.write(data[start : start + (1 << 20)])
    assert store.objects["/data/large"] == data
    assert store.parts == {}
    fs, path = filesystem_of("s3://data/large", store.options)
    with fs.open(path) as file:
        assert file.read(10) == data[:10]
        assert file.seek(-5, io.SEEK_END) == len(data) - 5
        assert file.read() == data[-5:]
        file.seek(1000)
        assert file.read() == data[1000:]


def test_what_fails_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError), write_whole("s3://data/half", None, store.options) as file:
        file.write(bytes(20 << 20))
        raise ZeroDivisionError
    assert store.objects == {} and store.parts == {}


def test_csv_and_text_are_written(store):
    expected = table(100)
    frame = dd.from_pandas(expected, npartitions=2)
    frame.to_csv("s3://data/csv/*.csv.gz", index=False, compression="gzip", storage_options=store.options)
    assert sorted(store.objects) == ["/data/csv/0.csv.gz", "/data/csv/1.csv.gz"]
    parts = [pd.read_csv(io.BytesIO(gzip.decompress(data))) for _, data in sorted(store.objects.items())]
    check(pd.concat(parts), expected)
    db.from_sequence(["one", "two"], npartitions=1).to_textfiles("s3://data/text", storage_options=store.options)
    assert store.objects["/data/text/0.part"] == b"one\ntwo"


def test_a_server_that_stumbles_is_asked_again(store):
    store.objects["/data/a.csv"] = b"x\n1\n2\n"
    store.failures += [503, 500]
    found = dd.read_csv("s3://data/a.csv", storage_options=store.options)
    assert found.x.sum().compute() == 3
    assert store.failures == []


def test_files_of_web_servers(store):
    expected = table(2000)
    store.objects["/files/a b.csv"] = expected.to_csv(index=False).encode()
    url = f"{store.address}/files/a%20b.csv"
    check(dd.read_csv(url, blocksize=10_000).compute(), expected)
    expected.to_parquet(buffer := io.BytesIO())
    store.objects["/files/a.parquet"] = buffer.getvalue()
    check(dd.read_parquet(f"{store.address}/files/a.parquet").compute(), expected)
    store.has_ranges = False
    check(dd.read_csv(url, blocksize=10_000).compute(), expected)


def test_what_is_missing_or_forbidden_is_told(store):
    with pytest.raises(FileNotFoundError, match="s3://data/none.csv"):
        dd.read_csv("s3://data/none.csv", storage_options=store.options)
    with pytest.raises(FileNotFoundError, match="none"):
        dd.read_csv(f"{store.address}/none.csv")
    with pytest.raises(OSError, match="resolved to no files"):
        dd.read_csv("s3://data/*.csv", storage_options=store.options)
    with pytest.raises(FileNotFoundError, match="data/none"):
        dd.read_parquet("s3://data/none", storage_options=store.options)
    store.failures += [403]
    with pytest.raises(PermissionError, match="s3://data/a.csv"):
        dd.read_csv("s3://data/a.csv", storage_options=store.options)


def test_patterns_and_folders(store):
    for name in ("a/1.txt", "a/2.txt", "a/b/3.txt", "a/10.txt", "a/x+y.txt"):
        store.objects[f"/data/{name}"] = b"x"
    fs, path = filesystem_of("s3://data/a", store.options)
    assert path == "data/a"
    assert fs.glob("data/a/*.txt") == ["data/a/1.txt", "data/a/2.txt", "data/a/10.txt", "data/a/x+y.txt"]
    assert fs.glob("data/a/[12].txt") == ["data/a/1.txt", "data/a/2.txt"]
    assert fs.glob("data/a/[!12].txt") == [] and fs.glob("data/a/?.txt") == ["data/a/1.txt", "data/a/2.txt"]
    assert fs.glob("data/**/3.txt") == ["data/a/b/3.txt"]
    assert fs.isdir("data/a") and not fs.isfile("data/a") and not fs.exists("data/c")
    assert sorted(fs.listdir("data/a", detail=False))[2:4] == ["data/a/2.txt", "data/a/b"]
    assert fs.find("data/a", maxdepth=1, withdirs=True)[-2:] == ["data/a/b", "data/a/x+y.txt"]
    fs.rm("data/a", recursive=True)
    assert store.objects == {}


def test_options_of_fsspecs_packages_are_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    region = {"client_kwargs": {"region_name": "here"}}
    assert object_options("s3://b/k", {"anon": True, **region}) == {"skip_signature": "true", "region": "here"}
    found = object_options("s3://b/k", {"key": "a", "secret": "b", "endpoint_url": "http://h", "region": "r"})
    assert found == {
        "access_key_id": "a",
        "secret_access_key": "b",
        "endpoint": "http://h",
        "region": "r",
        "allow_http": "true",
    }
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[work]\naws_access_key_id = A\naws_secret_access_key = B\n")
    (tmp_path / ".aws" / "config").write_text("[profile work]\nregion = there\n[profile s]\nsso_session = x\n")
    found = object_options("s3://b/k", {"profile": "work"})
    assert found == {"access_key_id": "A", "secret_access_key": "B", "region": "there"}
    # What the engine does not know is left to fsspec's packages.
    assert object_options("s3://b/k", {"profile": "s"}) is None
    assert object_options("s3://b/k", {"colour": "red", **region}) is None
    assert object_options("http://h/k?query=1", None) is None
    assert object_options("az://box/k", {"account_name": "me", "account_key": "eA=="}) == {
        "account_name": "me",
        "account_key": "eA==",
    }
    text = "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=eA==;EndpointSuffix=core.windows.net"
    assert object_options("abfs://box/k", {"connection_string": text}) == {"account_name": "me", "account_key": "eA=="}
    assert object_options("gs://b/k", {"token": "anon", "project": "p"}) == {"skip_signature": "true"}


def test_files_are_read_on_workers(store, tmp_path):
    expected = table()
    store.objects["/data/a.csv"] = expected.to_csv(index=False).encode()
    dd.from_pandas(expected, npartitions=2).to_parquet("s3://data/p", storage_options=store.options)
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster, Client(cluster):
        check(dd.read_csv("s3://data/a.csv", storage_options=store.options, blocksize=20_000).compute(), expected)
        check(dd.read_parquet("s3://data/p", storage_options=store.options).compute(), expected)


def test_a_file_system_travels_and_keeps_its_secrets_to_itself():
    fs = ObjectFileSystem("s3", {"secret_access_key": "hidden"})
    assert pickle.loads(pickle.dumps(fs)) == fs
    assert "hidden" not in repr(fs)
