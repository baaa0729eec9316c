"""Avro files: records as dicts, read and written by the package fastavro."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from raskr.bag.layers import Tasks
from raskr.bag.steps import Step
from raskr.bytes.core import expand_paths, file_size, open_bytes, output_paths, write_whole
from raskr.bytes.regions import position_behind
from raskr.core import literal
from raskr.tokenize import tokenize
from raskr.utils import import_required, parse_bytes

__all__ = ["read_avro", "to_avro"]

_MAGIC = b"Obj\x01"
_SYNC_SIZE = 16


def _fastavro() -> Any:
    return import_required("fastavro", "Avro files need the package fastavro: python -m pip install fastavro")


class ReadAvro(Step):
    """The records of the blocks that begin in a part of a file."""

    __slots__ = ("compression", "storage_options")

    def __init__(self, compression: str | None, storage_options: Any) -> None:
        self.compression = compression
        self.storage_options = storage_options

    def apply(self, part: tuple) -> Iterator:
        path, start, stop = part
        fastavro = _fastavro()
        with open_bytes(path, self.compression, self.storage_options) as file:
            if stop is None:
                yield from fastavro.reader(file)
                return
            header = _header(file, path)
            sync = header[-_SYNC_SIZE:]
            first = len(header) if start == 0 else position_behind(file, start, sync)
            end = position_behind(file, stop, sync)
            file.seek(first)
            data = file.read(max(0, end - first))
        # Every part is read as a file of its own, with the header of all.
        yield from fastavro.reader(io.BytesIO(header + data))


def _header(file: Any, path: str) -> bytes:
    """What an Avro file begins with, up to the 16 bytes that mark the end of every block."""
    file.seek(0)
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError(f"{path} is no Avro file: it does not begin with {_MAGIC!r}")
    while count := _number(file, path):
        if count < 0:
            # A negative count says that the size in bytes follows.
            _number(file, path)
        for _ in range(abs(count)):
            file.seek(_number(file, path), 1)
            file.seek(_number(file, path), 1)
    size = file.tell() + _SYNC_SIZE
    file.seek(0)
    header = file.read(size)
    if len(header) < size:
        raise ValueError(f"{path} ends within the header of an Avro file, at byte {len(header)}")
    return header


def _number(file: Any, path: str) -> int:
    """An integer as Avro writes it: seven bits a byte, the lowest first, with the sign in the lowest."""
    number = shift = 0
    while True:
        byte = file.read(1)
        if not byte:
            raise ValueError(f"{path} ends within the header of an Avro file, at byte {file.tell()}")
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return (number >> 1) ^ -(number & 1)
        shift += 7


def read_avro(
    urlpath: Any, blocksize: Any = 100_000_000, storage_options: dict | None = None, compression: str | None = None
) -> Any:
    """The records of Avro files.

    Parameters
    ----------
    urlpath : str, path or list of these
        Files, or patterns, or addresses such as ``"s3://..."``.
    blocksize : int or str, optional
        Cut files into partitions of about so many bytes; None makes each file a partition.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    compression : str, optional
        How the files as a whole are compressed, which keeps them from being cut; Avro's own codecs need nothing.

    Returns
    -------
    Bag
        Of dicts. RuntimeError where the package fastavro is missing.
    """
    from raskr.bag.core import Bag

    _fastavro()
    paths = expand_paths(urlpath, storage_options)
    if blocksize is not None and compression is not None:
        raise ValueError("Cannot do chunked reads on compressed files. To read, set blocksize=None")
    parts: list = []
    for path in paths:
        if blocksize is None:
            parts.append((path, 0, None))
            continue
        total, size = file_size(path, storage_options), parse_bytes(blocksize)
        if size < 1:
            raise ValueError(f"blocksize must be at least one byte, got {blocksize!r}")
        count = max(1, -(-total // size))
        bounds = [total * i // count for i in range(count + 1)]
        parts.extend((path, start, stop) for start, stop in zip(bounds, bounds[1:]))
    name = f"read-avro-{tokenize(parts, compression, storage_options)}"
    step = ReadAvro(compression, storage_options)
    return Bag(Tasks({(name, i): (step, literal(part)) for i, part in enumerate(parts)}), name, len(parts))


class WriteAvro(Step):
    """Writes a partition's records to a file; gives the path."""

    __slots__ = ("options", "schema", "storage_options")
    partition = False

    def __init__(self, schema: dict, options: dict, storage_options: Any) -> None:
        self.schema = schema
        self.options = options
        self.storage_options = storage_options

    def apply(self, part: Iterable, path: str) -> str:
        fastavro = _fastavro()
        with write_whole(path, None, self.storage_options) as file:
            fastavro.writer(file, records=list(part), schema=self.schema, **self.options)
        return path


def _check_schema(schema: Any) -> None:
    def expect(holds: bool, what: str) -> None:
        if not holds:
            raise AssertionError(f"an Avro schema must {what}, got {schema!r:.200}")

    expect(isinstance(schema, dict), "be a dict")
    expect({"name", "type", "fields"} <= set(schema), "have the keys 'name', 'type' and 'fields'")
    expect(schema["type"] == "record", "have the type 'record'")
    expect(isinstance(schema["fields"], list), "have a list of fields")
    expect(
        all(isinstance(field, dict) and {"name", "type"} <= set(field) for field in schema["fields"]),
        "give 'name' and 'type' of each field",
    )


def to_avro(
    b: Any,
    filename: Any,
    schema: dict,
    name_function: Callable | None = None,
    storage_options: dict | None = None,
    codec: str = "null",
    sync_interval: int = 16000,
    metadata: dict | None = None,
    compute: bool = True,
    **kwargs: Any,
) -> list:
    """Write a bag of dicts to Avro files, one a partition.

    Parameters
    ----------
    b : Bag
        Of dicts.
    filename : str or list of str
        A folder; a path with one ``*``, which the number of the partition replaces; or a path for each partition.
    schema : dict
        The schema of a record, with 'name', 'type' and 'fields'; AssertionError where it has not.
    name_function : callable, optional
        Gives what stands in the names for a partition's number.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    codec : str
        Avro's compression: 'null', 'deflate', or 'snappy'.
    sync_interval : int
        About how many bytes a block has.
    metadata : dict, optional
        Goes into the header.
    compute : bool
        Write now, rather than give `Delayed` values that do.
    **kwargs
        For `compute`.

    Returns
    -------
    list
        The paths, or `Delayed` values. RuntimeError where the package fastavro is missing.
    """
    from raskr.bag.output import written

    _check_schema(schema)
    _fastavro()
    options = {"codec": codec, "sync_interval": sync_interval, "metadata": metadata}
    paths = output_paths(filename, b.npartitions, name_function, ending="avro")
    return written(b, WriteAvro(schema, options, storage_options), "to-avro", paths, compute, kwargs)
