"""Regions of files: the lines that begin in one, as text by the engine or as bytes, and where what can't be read is."""

from typing import Any

from raskr._bridge import core
from raskr.bytes.core import is_remote, open_bytes
from raskr.bytes.objects import object_options

__all__ = ["lines_between", "native_text", "position_behind", "undecodable"]

#: Bytes that are looked at in one go.
_PIECE = 1 << 16


def native_text(
    path: str,
    compression: str | None,
    start: int,
    length: int | None,
    newline: str | None,
    encoding: str,
    errors: str,
    threads: int,
    storage_options: dict | None,
) -> Any:
    """The lines that begin in a region of a file, for the engine to read, which has most encodings and compressions.

    None where Python has to. A `length` of None is all that follows `start`.
    """
    objects = object_options(path, storage_options) if is_remote(path) else None
    if is_remote(path) and objects is None:
        return None
    region = {} if start == 0 and length is None else {"start": start, "length": length}
    try:
        return core.TextFile(
            path,
            objects=objects,
            compression=compression,
            newline=newline,
            encoding=encoding,
            errors=errors,
            threads=threads,
            **region,
        )
    except NotImplementedError:
        return None


def lines_between(
    path: str, start: int, length: int | None, ending: bytes, storage_options: dict | None
) -> tuple[bytes, int]:
    """The bytes of the lines that begin in a region of a file, and where these begin."""
    with open_bytes(path, None, storage_options) as file:
        first = position_behind(file, start, ending) if start else 0
        stop = None if length is None else position_behind(file, start + length, ending)
        file.seek(first)
        return file.read() if stop is None else file.read(max(0, stop - first)), first


def position_behind(file: Any, at: int, mark: bytes) -> int:
    """Where the first mark ends that does not end before a place; the file's end where there is none.

    Examples
    --------
    >>> import io
    >>> from raskr.bytes.regions import position_behind
    >>> file = io.BytesIO(b"one--two--")
    >>> [position_behind(file, at, b"--") for at in (2, 5, 6)]
    [5, 5, 10]
    """
    place = max(0, at - len(mark))
    file.seek(place)
    rest = b""
    while piece := file.read(_PIECE):
        data = rest + piece
        found = data.find(mark)
        if found >= 0:
            return place + found + len(mark)
        # A mark may begin at the end of what was looked at.
        rest = data[max(0, len(data) - len(mark) + 1) :]
        place += len(data) - len(rest)
    return place + len(rest)


def undecodable(error: UnicodeDecodeError, data: bytes, place: str) -> UnicodeDecodeError:
    """An error of decoding, with what is around it and words that tell the place."""
    window = data[max(0, error.start - 10) : error.end + 10]
    first = min(error.start, 10)
    reason = f"{error.reason}, {place}"
    return UnicodeDecodeError(error.encoding, window, first, first + error.end - error.start, reason)
