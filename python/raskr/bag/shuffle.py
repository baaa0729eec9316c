"""Groups whose elements are in many partitions: brought together by tasks, or by files."""

import math
import os
import pickle
import shutil
import struct
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from raskr import config
from raskr.bag.layers import Tasks
from raskr.bag.steps import Step, getter
from raskr.core import literal
from raskr.tokenize import tokenize

__all__ = ["groupby_disk", "groupby_tasks", "stable_hash"]

_MASK = (1 << 64) - 1


def _mixed(number: int) -> int:
    """The finalizer `moremur` of Evensen (2019), which makes every bit of the input count for all of the output."""
    number &= _MASK
    number = ((number ^ (number >> 27)) * 0x3C79AC492BA7B653) & _MASK
    number = ((number ^ (number >> 33)) * 0x1C69B3F74AC4AE35) & _MASK
    return number ^ (number >> 27)


def stable_hash(value: Any) -> int:
    """A number of 64 bits, which is the same in every process, and for numbers that are equal.

    Python's own hashes of text differ from process to process.

    Examples
    --------
    >>> from raskr.bag.shuffle import stable_hash
    >>> stable_hash(1) == stable_hash(1.0) == stable_hash(True)
    True
    """
    kind = type(value)
    if kind in (int, float, bool, complex):
        return _mixed(hash(value))
    if kind is str:
        value = value.encode("utf-8", "surrogatepass")
        return _mixed(zlib.crc32(value) << 32 | zlib.adler32(value))
    if kind is bytes:
        return _mixed(zlib.crc32(value) << 32 | zlib.adler32(value) ^ 1)
    if kind is tuple:
        total = len(value)
        for item in value:
            total = _mixed(total ^ stable_hash(item))
        return total
    if isinstance(value, (int, float)):
        return _mixed(hash(value))
    return int(tokenize(value), 16) & _MASK


def _grouped(key: Callable, part: Iterable) -> dict:
    groups: dict = {}
    for element in part:
        group = key(element)
        found = groups.get(group)
        if found is None:
            groups[group] = [element]
        else:
            found.append(element)
    return groups


def _collected(pieces: Iterable) -> list:
    """Groups of several dicts put together, in the order in which they were met."""
    groups: dict = {}
    for piece in pieces:
        for group, elements in piece.items():
            found = groups.get(group)
            if found is None:
                groups[group] = list(elements)
            else:
                found.extend(elements)
    return list(groups.items())


def _dealt(groups: dict, place: Callable) -> dict:
    """Groups by the number of the partition that they go to."""
    dealt: dict = {}
    for group, elements in groups.items():
        dealt.setdefault(place(group), {})[group] = elements
    return dealt


# --- by tasks ---------------------------------------------------------------------------------------------------------
class Split(Step):
    """The groups of a partition by one digit of the number of the partition that they go to."""

    __slots__ = ("base", "count", "key", "stage")
    partition = False

    def __init__(self, key: Callable, count: int, base: int, stage: int) -> None:
        self.key = key
        self.count = count
        self.base = base
        self.stage = stage

    def apply(self, part: Any) -> dict:
        groups = _grouped(self.key, part) if self.stage == 0 else part
        count, divisor, base = self.count, self.base**self.stage, self.base
        return _dealt(groups, lambda group: stable_hash(group) % count // divisor % base)


class Piece(Step):
    """What a partition that was split has for one digit."""

    __slots__ = ()
    partition = False

    def apply(self, dealt: dict, digit: int) -> dict:
        return dealt.get(digit, {})


class Merge(Step):
    """Pieces of groups put together, for the next round."""

    __slots__ = ()
    partition = False
    blockwise = False

    def apply(self, *pieces: dict) -> dict:
        return dict(_collected(pieces))


class Collect(Step):
    """Pieces of groups put together, as the partition of the result."""

    __slots__ = ()
    blockwise = False

    def apply(self, *pieces: dict) -> list:
        return _collected(pieces)


def groupby_tasks(bag: Any, grouper: Any, npartitions: int, max_branch: int) -> Any:
    """Groups brought together by tasks.

    Partitions are numbered in a base of at most `max_branch`; each round exchanges among those whose numbers differ
    in one digit, the last digit first, so that n partitions take n times the base pieces a round, not n squared.
    """
    if max_branch < 2:
        raise ValueError(f"max_branch must be at least 2, got {max_branch}")
    count = max(bag.npartitions, npartitions)
    stages = max(1, math.ceil(math.log(count) / math.log(max_branch) - 1e-9))
    base = max(2, math.ceil(count ** (1 / stages) - 1e-9))
    token = tokenize(bag, grouper, npartitions, max_branch)
    name = f"groupby-collect-{token}"
    dsk: dict = {}
    current: dict[int, Any] = {i: (bag.name, i) for i in range(bag.npartitions)}
    piece, merge, collect = Piece(), Merge(), Collect()
    key = getter(grouper)
    for stage in range(stages):
        last = stage == stages - 1
        split = Split(key, npartitions, base, stage)
        cut = {}
        for i, source in current.items():
            cut[i] = (f"groupby-split-{stage}-{token}", i)
            dsk[cut[i]] = (split, source)
        unit = base**stage
        # Where elements can be after this round: the digits exchanged so far are those of where they go.
        reach = {i - i // unit % base * unit for i in current}
        targets = range(npartitions) if last else sorted(i + digit * unit for i in reach for digit in range(base))
        following = {}
        for target in targets:
            digit = target // unit % base
            rest = target - digit * unit
            pieces = []
            for other in range(base):
                source = rest + other * unit
                if source in cut:
                    pieces.append((f"groupby-piece-{stage}-{token}", source, digit))
                    dsk[pieces[-1]] = (piece, cut[source], literal(digit))
            following[target] = (name, target) if last else (f"groupby-join-{stage}-{token}", target)
            dsk[following[target]] = (collect if last else merge, *pieces)
        current = following
    return type(bag)(Tasks(dsk, [bag._layer]), name, npartitions)


# --- by files ---------------------------------------------------------------------------------------------------------
class SpillFolder:
    """A folder for one computation; it goes with the graph that it was made for, not with copies in other processes."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(
            suffix=".partd", prefix="raskr-groupby-", dir=config.checked("temporary-directory")
        )
        weakref.finalize(self, shutil.rmtree, self.path, True)

    def __reduce__(self) -> tuple:
        return str, (self.path,)

    def __str__(self) -> str:
        return self.path


class Write(Step):
    """Writes the groups of one partition to a file, in pieces by the partition that they go to.

    Of every task there is one file, named when it is whole: a task that is run again, because its process was
    killed, leaves no piece twice. The file holds, for every block of elements, the pickled pieces, then a table of
    where they end; then the places of the tables, and their number. Nobody but the tasks of one computation can
    write into the folder, so that reading pickles back is safe.
    """

    __slots__ = ("blocksize", "count", "key")
    partition = False

    def __init__(self, key: Callable, count: int, blocksize: int) -> None:
        self.key = key
        self.count = count
        self.blocksize = blocksize

    def apply(self, part: Any, folder: Any, index: int) -> str:
        path = os.path.join(str(folder), f"part-{index}")
        elements = iter(part)
        count = self.count
        tables = []
        with tempfile.NamedTemporaryFile(dir=str(folder), delete=False) as file:
            while block := list(islice(elements, self.blocksize)):
                dealt = _dealt(_grouped(self.key, block), lambda group: stable_hash(group) % count)
                del block
                ends = [file.tell()]
                for target in range(count):
                    if target in dealt:
                        file.write(_dumps(dealt.pop(target)))
                    ends.append(file.tell())
                tables.append(file.tell())
                file.write(struct.pack(f"<{count + 1}Q", *ends))
            file.write(struct.pack(f"<{len(tables) + 1}Q", *tables, len(tables)))
        os.replace(file.name, path)
        return path


def _dumps(groups: dict) -> bytes:
    try:
        return pickle.dumps(groups, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        import cloudpickle

        return cloudpickle.dumps(groups)


class Read(Step):
    """The groups of one partition of the result, from the files of all tasks that wrote."""

    __slots__ = ()
    blockwise = False

    def apply(self, index: int, *paths: str) -> list:
        return _collected(piece for path in paths for piece in _pieces(path, index))


def _pieces(path: str, index: int) -> Iterable:
    with open(path, "rb") as file:
        end = file.seek(-8, os.SEEK_END)
        (number,) = struct.unpack("<Q", file.read(8))
        file.seek(end - 8 * number)
        for table in struct.unpack(f"<{number}Q", file.read(8 * number)):
            file.seek(table + 8 * index)
            start, stop = struct.unpack("<2Q", file.read(16))
            if stop > start:
                file.seek(start)
                yield pickle.loads(file.read(stop - start))


class DiskGroups(Tasks):
    """The tasks of groups by files; every time they are listed they have a new folder."""

    __slots__ = ("bag_name", "name", "sources", "token", "write")

    def __init__(self, name: str, bag_name: str, sources: int, write: Write, token: str, parents: Iterable) -> None:
        super().__init__({}, parents)
        self.name = name
        self.bag_name = bag_name
        self.sources = sources
        self.write = write
        self.token = token

    def __reduce__(self) -> tuple:
        return DiskGroups, (self.name, self.bag_name, self.sources, self.write, self.token, self.parents)

    def tasks(self) -> dict:
        folder = literal(SpillFolder())
        written = f"groupby-write-{self.token}"
        dsk: dict = {(written, i): (self.write, (self.bag_name, i), folder, literal(i)) for i in range(self.sources)}
        files = list(dsk)
        read = Read()
        dsk.update({(self.name, j): (read, literal(j), *files) for j in range(self.write.count)})
        return dsk


def groupby_disk(bag: Any, grouper: Any, npartitions: int, blocksize: int) -> Any:
    """Groups brought together by files in the setting `temporary-directory`."""
    if blocksize < 1:
        raise ValueError(f"blocksize must be at least 1, got {blocksize}")
    token = tokenize(bag, grouper, npartitions, blocksize)
    name = f"groupby-collect-{token}"
    layer = DiskGroups(
        name, bag.name, bag.npartitions, Write(getter(grouper), npartitions, blocksize), token, [bag._layer]
    )
    return type(bag)(layer, name, npartitions)
