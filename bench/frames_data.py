"""The tables that `frames.py` and `frames_memory.py` read, made with NumPy from fixed seeds and written once as Parquet.

G1 and J1 are laid out as in the public benchmark of database-like operations (github.com/h2oai/db-benchmark): its columns, their
cardinalities and the share of keys that match; the values are this module's own.
"""

import bz2
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

#: Groups of the small keys of G1.
SMALL_KEYS = 100
ROWS_PER_GROUP = 1 << 18


def written_once(folder: pathlib.Path, tables: Callable[[], Iterator[pa.Table]]) -> pathlib.Path:
    """The folder, which is filled, one file a table, unless it is there; half-written folders don't stay."""
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for number, table in enumerate(tables()):
            path = unfinished / f"part-{number:04d}.parquet"
            pyarrow.parquet.write_table(table, path, row_group_size=ROWS_PER_GROUP)
        unfinished.rename(folder)
    return folder


def spans(rows: int, parts: int) -> Iterator[tuple[int, int, int]]:
    """Cuts rows into parts: number, start, length."""
    edges = np.linspace(0, rows, parts + 1).astype(int)
    for number, (start, stop) in enumerate(zip(edges[:-1], edges[1:])):
        yield number, int(start), int(stop - start)


def parts_of(rows: int) -> int:
    return max(1, min(10, rows // 100_000))


def words(numbers: np.ndarray, digits: int) -> pa.Array:
    """`id007` of 7: text of a number, made once per different number."""
    unique, inverse = np.unique(numbers, return_inverse=True)
    text = pa.array([f"id{number:0{digits}d}" for number in unique.tolist()])
    return text.take(pa.array(inverse))


# --- group-by questions ---------------------------------------------------------------------------------------------
def g1(data: pathlib.Path, rows: int) -> pathlib.Path:
    """Three keys of text, three of integers (two of each small, one of `rows / 100`), two integers and a double."""
    large_keys = max(1, rows // SMALL_KEYS)

    def tables():
        for number, _, length in spans(rows, parts_of(rows)):
            random = np.random.default_rng([1, rows, number])
            yield pa.table(
                {
                    "id1": words(random.integers(1, SMALL_KEYS + 1, length), 3),
                    "id2": words(random.integers(1, SMALL_KEYS + 1, length), 3),
                    "id3": words(random.integers(1, large_keys + 1, length), 10),
                    "id4": random.integers(1, SMALL_KEYS + 1, length),
                    "id5": random.integers(1, SMALL_KEYS + 1, length),
                    "id6": random.integers(1, large_keys + 1, length),
                    "v1": random.integers(1, 6, length),
                    "v2": random.integers(1, 16, length),
                    "v3": random.uniform(0, 100, length).round(6),
                }
            )

    return written_once(data / f"g1-{rows}", tables)


# --- join questions -------------------------------------------------------------------------------------------------
def keys_of_sides(random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys of the left and of the right side: nine tenths of each are on both."""
    keys = random.permutation(int(size * 1.1)) + 1
    both, rest = int(size * 0.9), size - int(size * 0.9)
    return keys[: both + rest], np.concatenate([keys[:both], keys[both + rest : both + 2 * rest]])


def spread(random: np.random.Generator, keys: np.ndarray, rows: int) -> np.ndarray:
    """Every key at least once, others at random, shuffled."""
    more = random.choice(keys, max(0, rows - len(keys)))
    return random.permutation(np.concatenate([keys, more])[:rows])


def j1(data: pathlib.Path, rows: int) -> dict[str, pathlib.Path]:
    """`x` and, to join it with, `small` (a millionth of its rows, at least 10), `medium` (a thousandth) and `big` (as many)."""
    sizes = {"small": max(10, rows // 10**6), "medium": max(100, rows // 1000), "big": rows}
    random = np.random.default_rng([2, rows])
    sides = [keys_of_sides(random, size) for size in sizes.values()]

    def keyed(side: int, rows: int, levels: int, value: str) -> Callable[[], Iterator[pa.Table]]:
        def tables():
            ids = [spread(np.random.default_rng([3, side, level]), sides[level][side], rows) for level in range(levels)]
            for number, start, length in spans(rows, parts_of(rows)):
                here = [each[start : start + length] for each in ids]
                columns = {f"id{level + 1}": pa.array(each) for level, each in enumerate(here)}
                columns |= {f"id{level + 4}": words(each, 0) for level, each in enumerate(here)}
                values = np.random.default_rng([4, side, levels, number]).uniform(0, 100, length).round(6)
                yield pa.table({**columns, value: values})

        return tables

    made = {"x": written_once(data / f"j1-{rows}" / "x", keyed(0, rows, 3, "v1"))}
    for levels, (name, size) in enumerate(sizes.items(), 1):
        made[name] = written_once(data / f"j1-{rows}" / name, keyed(1, size, levels, "v2"))
    return made


# --- tables of the project's own ------------------------------------------------------------------------------------
def events(data: pathlib.Path, rows: int) -> dict[str, pathlib.Path]:
    """`events` with a key of up to a million values, and `dimensions`, which has each of these keys once."""
    keys = min(rows, 10**6)
    kinds = pa.array([f"kind {number}" for number in range(20)])
    regions = pa.array([f"region {number}" for number in range(50)])

    def tables():
        for number, start, length in spans(rows, parts_of(rows)):
            random = np.random.default_rng([5, rows, number])
            y = random.normal(size=length)
            yield pa.table(
                {
                    "time": pa.array((start + np.arange(length)) * 1_000, pa.timestamp("ms")),
                    "key": random.integers(0, keys, length),
                    "kind": kinds.take(pa.array(random.integers(0, len(kinds), length))),
                    "x": random.random(length),
                    "y": pa.array(y, mask=random.random(length) < 0.01),
                }
            )

    def dimensions():
        random = np.random.default_rng([6, keys])
        yield pa.table(
            {
                "key": random.permutation(keys),
                "region": regions.take(pa.array(random.integers(0, len(regions), keys))),
                "weight": random.random(keys),
            }
        )

    return {
        "events": written_once(data / f"events-{rows}", tables),
        "dimensions": written_once(data / f"dimensions-{keys}", dimensions),
    }


def airline(data: pathlib.Path, source: pathlib.Path) -> pathlib.Path:
    """The flight records of `source` (files `YEAR.csv.bz2` in Latin-1), decompressed, in UTF-8, which all three read."""
    folder = data / "airline"
    if not folder.exists():
        unfinished = data / "airline.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for path in sorted(source.glob("*.csv.bz2")):
            text = bz2.decompress(path.read_bytes()).decode("latin-1")
            (unfinished / path.name.removesuffix(".bz2")).write_text(text, encoding="utf-8", newline="")
        if not os.listdir(unfinished):
            raise FileNotFoundError(f"no files *.csv.bz2 in {source}")
        unfinished.rename(folder)
    return folder
