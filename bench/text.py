"""Reading text: number of lines and lines of a file, plain and compressed, against Python's own readers.

    python bench/text.py [MEGABYTES]

Writes page-count lines (200 MB of them unless told otherwise) to a temporary folder. Prints the best of three, in turn.
"""

import bz2
import gzip
import itertools
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from raskr._bridge import core

OPENERS = {None: open, "gzip": gzip.open, "bz2": bz2.open}


def page_counts(megabytes):
    draw = random.Random(1)
    titles = [f"Title_{number}" for number in range(5000)]
    lines = (
        f"20081104 {draw.randrange(24):02d}0000 en {draw.choice(titles)} {draw.randrange(400)} {draw.randrange(10**7)}\n"
        for _ in itertools.count()
    )
    piece = "".join(itertools.islice(lines, 100_000)).encode()
    # Longer than any window of the compressors, so that repeating it helps them little.
    return itertools.islice(itertools.repeat(piece), max(1, megabytes * 10**6 // len(piece)))


def best(work):
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def twice(work):
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work), pool.submit(work)]:
            done.result()


def compare(path, compression):
    def python_lines():
        with OPENERS[compression](path, "rt", encoding="utf-8") as file:
            return list(file)

    def python_count():
        with OPENERS[compression](path, "rt", encoding="utf-8") as file:
            return sum(1 for _ in file)

    def python_decoding():
        with OPENERS[compression](path, "rb") as file:
            while file.read(1 << 20):
                pass

    def file(threads=1):
        return core.TextFile(path, compression=compression, threads=threads)

    rows = {
        "count": (python_count, lambda: file().count()),
        "lines": (python_lines, lambda: file().lines()),
        "lines, in passing": (python_count, lambda: sum(1 for _ in itertools.chain.from_iterable(file()))),
    }
    if compression == "bz2":
        rows["count, 2 threads"] = (python_count, lambda: file(2).count())
        rows["decoding"] = (python_decoding, lambda: file().count())
        rows["two files at once"] = (lambda: twice(python_decoding), lambda: twice(lambda: file().count()))
    for name, (python, native) in rows.items():
        theirs, ours = best(python), best(native)
        label = f"{compression or 'plain'}: {name}"
        print(f"{label:28} Python {theirs:7.3f} s   raskr {ours:7.3f} s   {theirs / ours:6.1f}x")


def main():
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        for compression, opener in OPENERS.items():
            path = Path(folder, f"pages.{compression}")
            with opener(path, "wb") as file:
                file.writelines(page_counts(megabytes))
            compare(path, compression)


if __name__ == "__main__":
    main()
