"""Lines of text files as bags: blocks of files, each described by a small tuple, read where they are needed."""

import codecs
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import IO, Any, NamedTuple

from raskr.bag.layers import Tasks
from raskr.bag.reduction_steps import count
from raskr.bag.steps import Step
from raskr.bytes.core import expand_paths, file_size, infer_compression, is_remote, open_bytes
from raskr.bytes.regions import lines_between, native_text, undecodable
from raskr.core import literal
from raskr.system import CPU_COUNT
from raskr.tokenize import tokenize
from raskr.utils import parse_bytes

__all__ = ["count_lines", "read_block", "read_text"]

#: Bytes that are looked at in one go.
_PIECE = 1 << 20
#: Encodings in which the bytes of a line end stand for nothing else.
_PLAIN_LINE_ENDS = (
    "ascii",
    "big5",
    "cp",
    "euc",
    "gb",
    "iso8859",
    "koi8",
    "latin",
    "mac",
    "shift_jis",
    "utf-8",
    "utf_8",
)


class Block(NamedTuple):
    """A part of a file: the lines that begin in it.

    `length` is None for all that follows `start`; `delimiter` is None for the line ends of all systems, which are read
    as a newline, and empty for those line ends kept as they are. `threads` may decompress one file.
    """

    path: str
    compression: str | None
    start: int
    length: int | None
    delimiter: str | None
    encoding: str
    errors: str
    storage_options: dict | None
    threads: int = 1


def _native(block: Block) -> Any:
    """The block for the engine to read, which has most encodings and compressions; None where Python has to."""
    return native_text(
        block.path,
        block.compression,
        block.start,
        block.length,
        block.delimiter,
        block.encoding,
        block.errors,
        block.threads,
        block.storage_options,
    )


def _is_whole(block: Block) -> bool:
    return block.start == 0 and block.length is None


# --- reading ----------------------------------------------------------------------------------------------------------
def read_block(block: Block) -> Iterator[str]:
    """The lines that begin in a block, each with its end.

    Parameters
    ----------
    block : Block
        Where they are.

    Returns
    -------
    iterator of str
        Errors of decoding and decompression name the file and the place.

    Examples
    --------
    >>> import os, tempfile
    >>> from raskr.bag.text import Block, read_block
    >>> path = os.path.join(tempfile.mkdtemp(), "a.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("one\\ntwo\\n")
    >>> list(read_block(Block(path, None, 0, None, None, "utf-8", "strict", None)))
    ['one\\n', 'two\\n']
    """
    native = _native(block)
    return _by_python(block) if native is None else chain.from_iterable(native)


def _by_python(block: Block) -> Iterator[str]:
    # One generator about the file's own iterator: each further one would cost as much as reading a line.
    try:
        if not _is_whole(block):
            yield from _part(block)
        elif block.delimiter in (None, "", "\n"):
            with _text_of(block) as text:
                yield from text
        else:
            yield from _split_whole(block)
    except UnicodeDecodeError as error:
        raise _explained(error, block) from None


def _text_of(block: Block) -> IO[str]:
    newline = block.delimiter
    if block.compression is None and not is_remote(block.path):
        return open(block.path, encoding=block.encoding, errors=block.errors, newline=newline, buffering=_PIECE)
    file = _Explaining(block)
    return io.TextIOWrapper(
        io.BufferedReader(file, _PIECE), encoding=block.encoding, errors=block.errors, newline=newline
    )


def _split_whole(block: Block) -> Iterator[str]:
    decode = codecs.getincrementaldecoder(block.encoding)(block.errors).decode
    with _Explaining(block) as file:
        pieces = iter(lambda: file.read(_PIECE), b"")
        yield from _split(chain(map(decode, pieces), (decode(b"", True) for _ in (0,))), block.delimiter)


def _part(block: Block) -> Iterable[str]:
    data, _ = _bytes_of(block)
    text = data.decode(block.encoding, block.errors)
    return _split((text,), block.delimiter) if block.delimiter else io.StringIO(text, newline=block.delimiter)


def _split(pieces: Iterable[str], delimiter: str) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split(delimiter)
        for line in lines:
            yield line + delimiter
    if rest:
        yield rest


def _bytes_of(block: Block) -> tuple[bytes, int]:
    """The bytes of the lines that begin in a block, and where these begin."""
    delimiter = (block.delimiter or "\n").encode(block.encoding)
    return lines_between(block.path, block.start, block.length, delimiter, block.storage_options)


class _Explaining(io.RawIOBase):
    """A decompressed file whose errors name the file and the place."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.done = 0
        try:
            self.file = open_bytes(block.path, block.compression, block.storage_options)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise self._explained(error, None) from error

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Close the file too."""
        if not self.closed and hasattr(self, "file"):
            self.file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        try:
            data = self.file.read(size)
        except Exception as error:
            raise self._explained(error, getattr(self.file, "raw_file", None)) from error
        self.done += len(data)
        return data

    def _explained(self, error: Exception, raw: Any) -> Exception:
        if self.block.compression is None or isinstance(error, ImportError):
            return error
        # Errors of decompressors that are made of one text keep their class.
        kind = OSError if getattr(error, "errno", None) or not isinstance(error, _BROKEN) else type(error)
        place = "" if raw is None else f", about byte {raw.tell()} of the file"
        return kind(
            f"{self.block.path}: can't be read as {self.block.compression}: {error} "
            f"(after {self.done} bytes of text{place})"
        )


#: What decompressors of the standard library raise.
_BROKEN = (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)


def _explained(error: UnicodeDecodeError, block: Block) -> UnicodeDecodeError:
    """An error of decoding that tells the place within the file, which readers of pieces don't know."""
    if _is_whole(block):
        with open_bytes(block.path, block.compression, block.storage_options) as file:
            data, start = file.read(), 0
    else:
        data, start = _bytes_of(block)
    try:
        data.decode(block.encoding, block.errors)
    except UnicodeDecodeError as found:
        return undecodable(found, data, f"at byte {start + found.start} of the text of {block.path}")
    return error


# --- counting ---------------------------------------------------------------------------------------------------------
def count_lines(block: Block) -> int:
    """How many lines begin in a block, without making text of them where the encoding allows.

    Parameters
    ----------
    block : Block
        Where they are.

    Examples
    --------
    >>> import os, tempfile
    >>> from raskr.bag.text import Block, count_lines
    >>> path = os.path.join(tempfile.mkdtemp(), "a.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("one\\ntwo")
    >>> count_lines(Block(path, None, 0, None, None, "utf-8", "strict", None))
    2
    """
    native = _native(block)
    if native is not None:
        return native.count()
    if not _counts_bytes(block):
        return count(read_block(block))
    if _is_whole(block):
        with _Explaining(block) as file:
            return _count(iter(lambda: file.read(_PIECE), b""), not block.delimiter)
    return _count(iter([_bytes_of(block)[0]]), not block.delimiter)


def _counts_bytes(block: Block) -> bool:
    return block.delimiter in (None, "", "\n") and _has_plain_line_ends(block.encoding)


def _count(pieces: Iterator[bytes], universal: bool) -> int:
    lines, last = 0, b"\n"
    for piece in pieces:
        if not piece:
            continue
        lines += piece.count(b"\n")
        if universal and b"\r" in piece:
            lines += piece.count(b"\r") - piece.count(b"\r\n")
        if universal and last == b"\r" and piece[:1] == b"\n":
            lines -= 1
        last = piece[-1:]
    return lines + (last != b"\n" and not (universal and last == b"\r"))


def _has_plain_line_ends(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith(_PLAIN_LINE_ENDS)


# --- bags -------------------------------------------------------------------------------------------------------------
class CountBlocks(Step):
    """How many lines begin in some blocks."""

    __slots__ = ()
    stays_here = True
    partition = False
    reduces = True

    def apply(self, blocks: Iterable[Block]) -> int:
        return sum(map(count_lines, blocks))


class ReadBlocks(Step):
    """The lines that begin in some blocks."""

    __slots__ = ("include_path",)
    #: What counts the lines without making text of them.
    counted = CountBlocks()

    def __init__(self, include_path: bool) -> None:
        self.include_path = include_path

    @staticmethod
    def is_cheap_to_count(blocks: literal) -> bool:
        """Is there nothing to decompress, fetch or decode?"""
        return all(
            block.compression is None and not is_remote(block.path) and _counts_bytes(block) for block in blocks.data
        )

    def apply(self, blocks: Iterable[Block]) -> Iterable:
        if self.include_path:
            return chain.from_iterable(zip(read_block(block), repeat(block.path)) for block in blocks)
        if len(blocks) == 1:
            return read_block(blocks[0])
        return chain.from_iterable(map(read_block, blocks))


def read_text(
    urlpath: Any,
    blocksize: Any = None,
    compression: str | None = "infer",
    encoding: str = "utf-8",
    errors: str = "strict",
    linedelimiter: str | None = None,
    collection: bool = True,
    storage_options: dict | None = None,
    files_per_partition: int | None = None,
    include_path: bool = False,
) -> Any:
    """The lines of text files, each with its end.

    Parameters
    ----------
    urlpath : str, path or list of these
        Files, or patterns such as ``"logs/*.gz"``, or addresses such as ``"s3://..."``.
    blocksize : int or str, optional
        Cut files into partitions of about so many bytes, at line ends; not for compressed files. By default each file
        is a partition.
    compression : str, optional
        'gzip', 'bz2', 'xz', 'zstd', 'lz4', 'snappy', 'zip', None, or 'infer' by the ending of the names.
    encoding, errors : str
        As in `open`.
    linedelimiter : str, optional
        What lines end with. By default the line ends of all systems count, and are read as ``"\\n"``; with ``""``
        they count and stay as they are.
    collection : bool
        Give a bag, rather than a list of `Delayed` lists.
    storage_options : dict, optional
        How object stores are reached, as fsspec's packages name it.
    files_per_partition : int, optional
        How many files a partition has, where files are not cut.
    include_path : bool
        Give pairs of a line and the path of its file.

    Returns
    -------
    Bag or list of Delayed
        Of `str`.

    Examples
    --------
    >>> import os, tempfile
    >>> import raskr.bag as db
    >>> path = os.path.join(tempfile.mkdtemp(), "a.txt")
    >>> with open(path, "w") as file:
    ...     _ = file.write("one\\ntwo\\nthree\\n")
    >>> lines = db.read_text(path)
    >>> lines.str.strip().filter(lambda word: "t" in word).compute(scheduler="sync")
    ['two', 'three']
    >>> lines.count().compute(scheduler="sync")
    3
    """
    from raskr.bag.core import Bag

    if blocksize is not None and files_per_partition is not None:
        raise ValueError("Only one of blocksize or files_per_partition can be set")
    codecs.lookup(encoding)
    codecs.lookup_error(errors)
    paths = expand_paths(urlpath, storage_options)

    def block(path: str, start: int = 0, length: int | None = None) -> Block:
        found = infer_compression(path, compression)
        return Block(path, found, start, length, linedelimiter, encoding, errors, storage_options)

    if blocksize is None:
        per = 1 if files_per_partition is None else files_per_partition
        if per < 1:
            raise ValueError(f"files_per_partition must be at least 1, got {per}")
        parts = [[block(path) for path in paths[i : i + per]] for i in range(0, len(paths), per)]
    else:
        parts = [[each] for path in paths for each in _cut(block(path), blocksize)]
    return _of_blocks(parts, include_path, collection, Bag)


def _cut(whole: Block, blocksize: Any) -> list[Block]:
    size = parse_bytes(blocksize)
    if size < 1:
        raise ValueError(f"blocksize must be at least one byte, got {blocksize!r}")
    if whole.compression is not None:
        raise ValueError(
            f"Cannot do chunked reads on compressed files, such as {whole.path}. To read, set blocksize=None"
        )
    if not _has_plain_line_ends(whole.encoding) and _native(whole) is None:
        raise ValueError(f"files in the encoding {whole.encoding} can't be cut at bytes. To read, set blocksize=None")
    total = file_size(whole.path, whole.storage_options)
    number = max(1, -(-total // size))
    # Blocks of nearly equal length rather than a short last one; the last one takes what is there when it is read.
    bounds = [total * i // number for i in range(number)]
    lengths = [*(stop - start for start, stop in zip(bounds, bounds[1:])), None]
    return [whole._replace(start=start, length=length) for start, length in zip(bounds, lengths)]


def _of_blocks(parts: list, include_path: bool, collection: bool, bag: Callable) -> Any:
    name = f"read-text-{tokenize([list(map(_stamped, part)) for part in parts], include_path)}"
    step = ReadBlocks(include_path)
    # Where there are fewer files than processors, a file that allows for it is decompressed by several.
    threads = max(1, CPU_COUNT // max(1, len(parts)))
    parts = [[block._replace(threads=threads) for block in part] for part in parts]
    made = bag(Tasks({(name, i): (step, literal(part)) for i, part in enumerate(parts)}), name, len(parts))
    return made if collection else made.to_delayed()


def _stamped(block: Block) -> tuple:
    """A block, and what changes when its file does."""
    if is_remote(block.path) or not os.path.exists(block.path):
        return (*block,)
    found = os.stat(block.path)
    return (*block, found.st_mtime_ns, found.st_size)
