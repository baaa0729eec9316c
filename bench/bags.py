"""Times bags on raskr and Dask in turn, each run in a process of its own, by the scheduler that is named.

    python bench/bags.py [--libraries raskr dask] [--only count groupby] [--runs 3] [--scale 1.0] [--scheduler sync]

A row makes its data first, which is not timed, and then runs one computation. Shown per library: median seconds, and how many
times as long as raskr the library took. Results are compared. `sync` shows what bags themselves cost; with `processes` the
processes count too.
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROWS = {}


def row(make):
    """Registers a benchmark: `make(library, bag module, number of elements, folder)` gives the function to time."""
    ROWS[make.__name__] = make
    return make


def words(db, n):
    return db.from_sequence([f"w{i}" for i in range(n)], npartitions=10)


def last_three(word):
    return word[-3:]


def one_more(total, word):
    return total + 1


def increase(x):
    return x + 1


def size_of_group(group):
    return group[0], len(group[1])


@row
def steps(top, db, n, folder):
    """Five functions of numbers, and a sum."""
    bag = db.range(n, npartitions=10)
    for _ in range(5):
        bag = bag.map(increase)
    return bag.sum()


@row
def many_partitions(top, db, n, folder):
    """A thousand partitions of few elements, five steps each: the cost of tasks."""
    bag = db.range(10_000, npartitions=1000)
    for _ in range(5):
        bag = bag.map(increase)
    return bag.sum()


@row
def frequencies(top, db, n, folder):
    return words(db, n).map(last_three).frequencies().topk(5, key=1).map(size_key).sum()


def size_key(pair):
    return pair[1]


@row
def foldby(top, db, n, folder):
    return words(db, n).foldby(last_three, one_more, 0).count()


@row
def groupby(top, db, n, folder):
    return words(db, n).groupby(last_three, shuffle="disk").map(size_of_group).count()


@row
def groupby_tasks(top, db, n, folder):
    return words(db, n).groupby(last_three, shuffle="tasks").map(size_of_group).count()


@row
def variance(top, db, n, folder):
    return words(db, n).map(len).var()


def lines(db, folder):
    return db.read_text(os.path.join(folder, "*.txt"))


@row
def count_lines(top, db, n, folder):
    return lines(db, folder).count()


@row
def word_counts(top, db, n, folder):
    return lines(db, folder).str.split().flatten().frequencies().count()


def has_seven(line):
    return "7" in line


@row
def several_results(top, db, n, folder):
    """A count and the first lines of what a predicate leaves."""
    found = lines(db, folder).filter(has_seven)
    return found.count(), found.take(5, npartitions=-1, compute=False)


def child(library, name, n, folder, scheduler):
    top, db = importlib.import_module(library), importlib.import_module(f"{library}.bag")
    wanted = ROWS[name](top, db, n, folder)
    start = time.perf_counter()
    result = top.compute(wanted, scheduler=scheduler)
    print(json.dumps([time.perf_counter() - start, repr(result)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--libraries", nargs="*", default=["raskr", "dask"])
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--scheduler", default="sync")
    parser.add_argument("--child", nargs=5)
    args = parser.parse_args()
    if args.child:
        library, name, n, folder, scheduler = args.child
        return child(library, name, int(n), folder, scheduler)
    n = int(1_000_000 * args.scale)
    print(f"{'row':18}" + "".join(f"{library:>10}{'ratio':>8}" for library in args.libraries))
    with tempfile.TemporaryDirectory() as folder:
        for part in range(8):
            with open(os.path.join(folder, f"{part}.txt"), "w") as file:
                file.writelines(f"line {i} of {part} {i % 1000}\n" for i in range(n // 8))
        for name in args.only:
            took = {library: [] for library in args.libraries}
            results = set()
            for _ in range(args.runs):
                for library in args.libraries:
                    call = [sys.executable, __file__, "--child", library, name, str(n), folder, args.scheduler]
                    done = subprocess.run(call, capture_output=True, text=True, check=True)
                    seconds, result = json.loads(done.stdout.splitlines()[-1])
                    took[library].append(seconds)
                    results.add(result if name != "variance" else "")
            medians = {library: statistics.median(each) for library, each in took.items()}
            first = medians[args.libraries[0]]
            text = "".join(f"{each:10.3f}{each / first:8.1f}" for each in medians.values())
            print(f"{name:18}{text}{'' if len(results) == 1 else '  results differ'}", flush=True)


if __name__ == "__main__":
    main()
