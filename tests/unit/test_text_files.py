"""Text files natively: lines, numbers of lines and errors as Python's own readers have them."""

import bz2
import gzip
import io
import lzma
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raskr._bridge import core

TextFile = core.TextFile

COMPRESS = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
NEWLINES = [None, "", "\n", "\r", "\r\n"]
ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "ascii",
    "latin-1",
    "cp1252",
    "koi8-r",
    "cp437",
    "mac-roman",
    "cp037",
    "utf-16",
    "utf-32",
]
ENCODINGS += ["utf-16-le", "utf-32-be", "iso8859-15"]


def python_lines(data, encoding="utf-8", errors="strict", newline=None):
    return list(io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors=errors, newline=newline))


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=30, deadline=None)
@given(text=st.text(alphabet="ab\n\ré\x85\x0b\u20ac\U0001f600", max_size=40))
def test_lines_are_those_of_python(encoding, newline, text):
    data = text.encode(encoding, errors="ignore")
    found = TextFile("x", data=data, encoding=encoding, newline=newline)
    expected = python_lines(data, encoding, newline=newline)
    assert found.lines() == expected
    assert [line for lines in found for line in lines] == expected
    assert found.count() == len(expected)


@pytest.mark.parametrize("errors", ["strict", "replace", "ignore", "surrogateescape", "backslashreplace"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "ascii", "latin-1", "cp1252", "iso8859-3"])
@settings(max_examples=50, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"a", b"\n", b"\xc3", b"\xa9", b"\xff", b"\xe2\x82", b"\xac", b"\x81", b"\xf0\x9f"]))
)
def test_invalid_bytes_are_treated_as_python_does(encoding, errors, data):
    data = b"".join(data)
    try:
        expected = python_lines(data, encoding, errors)
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            TextFile("x", data=data, encoding=encoding, errors=errors).lines()
        return
    try:
        found = TextFile("x", data=data, encoding=encoding, errors=errors)
    except NotImplementedError:
        assert errors in ("surrogateescape", "backslashreplace")
        assert encoding in ("ascii", "cp1252", "iso8859-3")
        return
    assert found.lines() == expected


@pytest.mark.parametrize("newline", [*NEWLINES, "||", "€"])
@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="ab\n\r|€", max_size=60), size=st.integers(1, 20))
def test_blocks_that_meet_have_each_line_once(tmp_path_factory, newline, text, size):
    path = tmp_path_factory.getbasetemp() / "blocks.txt"
    data = text.encode()
    path.write_bytes(data)
    whole = TextFile(path, newline=newline).lines()
    blocks = [TextFile(path, start=at, length=size, newline=newline) for at in range(0, len(data), size)]
    assert [line for block in blocks for line in block.lines()] == whole
    assert sum(block.count() for block in blocks) == len(whole)
    assert b"".join(block.read() for block in blocks) == data


def test_a_block_begins_behind_the_first_end_of_a_line_in_it():
    blocks = [TextFile("x", data=b"ab\ncd\nef", start=start, length=3).lines() for start in (0, 3, 6)]
    assert blocks == [["ab\n", "cd\n"], ["ef"], []]
    assert TextFile("x", data=b"ab\ncd\nef", start=1).lines() == ["cd\n", "ef"]


@pytest.mark.parametrize("name", COMPRESS)
def test_compressed_files_are_read(tmp_path, name):
    text = "".join(f"line {i} é\r\n" for i in range(50_000))
    path = tmp_path / "x"
    path.write_bytes(COMPRESS[name](text.encode()) * 2)
    expected = (text * 2).replace("\r\n", "\n").splitlines(keepends=True)
    file = TextFile(path, compression=name, threads=2)
    assert file.lines() == expected
    assert file.count() == 100_000
    assert file.read() == text.encode() * 2


@pytest.mark.parametrize("name", ["gzip", "bz2", "xz", "lzma", "zstd", "lz4", "snappy"])
def test_written_files_are_read_again(tmp_path, name):
    path = tmp_path / "x"
    lines = [f"line {i} é" for i in range(30_000)]
    core.text_write(path, lines, compression=name, last_newline=True)
    assert TextFile(path, compression=name).lines() == [line + "\n" for line in lines]
    core.text_write(path, [b"a", "b"], compression=name)
    assert TextFile(path, compression=name).lines() == ["a\n", "b"]
    if name in ("gzip", "bz2", "xz"):
        opened = {"gzip": gzip, "bz2": bz2, "xz": lzma}[name].open(path)
        assert opened.read() == b"a\nb"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    core.text_write(path, ["old"])
    with pytest.raises(TypeError):
        core.text_write(path, ["new", 1])
    with pytest.raises(UnicodeEncodeError):
        core.text_write(path, ["\ud800"])
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def compressed(path, text, name):
    """Bytes of a file that raskr wrote."""
    core.text_write(path, text.splitlines(), compression=name, last_newline=True)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["gzip", "bz2", "xz", "lzma", "zstd", "lz4", "snappy"])
@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_truncated_files_raise_and_say_where(tmp_path, name, cut):
    path = tmp_path / "x.data"
    whole = compressed(path, "".join(f"{i * i}\n" for i in range(2000)), name)
    path.write_bytes(whole[:-cut])
    for read in (TextFile.lines, TextFile.count, lambda file: list(file)):
        with pytest.raises(EOFError, match=rf"x\.data: the {name} data end at byte {len(whole) - cut},"):
            read(TextFile(path, compression=name))


@pytest.mark.parametrize("name", ["gzip", "bz2", "xz", "lzma", "zstd", "lz4", "snappy"])
def test_damaged_files_raise_and_say_where(tmp_path, name):
    path = tmp_path / "x.data"
    whole = compressed(path, "".join(f"{i * i}\n" for i in range(20_000)), name)
    for damaged in (b"nothing of the kind", whole[:500] + bytes(100) + whole[600:]):
        path.write_bytes(damaged)
        with pytest.raises((OSError, EOFError), match=rf"x\.data: .*{name} data .*at byte \d+"):
            TextFile(path, compression=name).count()


@pytest.mark.parametrize("compression", [None, *COMPRESS, "zstd"])
def test_undecodable_bytes_raise_and_say_where(tmp_path, compression):
    data = b"good\n" * 100_000 + b"caf\xe9\n"
    path = tmp_path / "x.txt"
    core.text_write(path, [data[:-1]], compression=compression, last_newline=True)
    for read in (TextFile.lines, TextFile.count):
        with pytest.raises(UnicodeDecodeError, match=r"at byte 500003 of the text of .*x\.txt") as caught:
            read(TextFile(path, compression=compression))
        error = caught.value
        assert (error.encoding, error.object[error.start : error.end]) == ("utf-8", b"\xe9")


def test_missing_files_and_folders_raise_what_open_does(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        TextFile(tmp_path / "none").lines()
    assert str(caught.value.filename) == str(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        TextFile(tmp_path).count()


def test_what_is_not_native_says_so():
    for arguments in ({"encoding": "shift_jis"}, {"encoding": "utf-16", "errors": "replace"}, {"compression": "zip"}):
        with pytest.raises(NotImplementedError, match="not native"):
            TextFile("x", **arguments)
    with pytest.raises(LookupError):
        TextFile("x", encoding="no such encoding")


def test_strings_are_not_leaked():
    file = TextFile("x", data=b"some words\n" * 1000)
    first = file.lines()[0]
    assert sys.getrefcount(first) == 2
