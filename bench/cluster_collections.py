"""Times programs of arrays and frames through a local cluster of two workers with a thread each, against threads of one process.

    python bench/cluster_collections.py --programs FILE [--data DIR] [--only pi join] [--runs 3] [--small] [--json FILE]

`FILE` is a Python module whose `WORKLOADS` gives names their program, its size and a small one, and whose `load` gives a program
the library; a size of "data" means the folder `--data`. Each run has a process of its own, threads and cluster in turn. Imports
and the start of the cluster are not timed. Shown per program are medians of seconds: of the first time a program ran in its
process and of the fastest of three times more, for threads and for the cluster; and how many times as long as threads the
cluster took. `cold` is a cluster whose workers have only just come; `first`, and `again`, one whose workers have run a Python
function before. Results that differ fail the run.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

#: Programs that draw other numbers each time: what they give is not compared.
DRAWN = ["row_means"]
#: The rows that stand for arrays and frames.
ROWS = "pi row_means transpose elementwise standardise rechunk qr airline_max airline_groupby timeseries join".split()
AGAIN = 3
TOLERANCE = 0.02


def programs(path):
    spec = importlib.util.spec_from_file_location("programs", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["programs"] = module
    spec.loader.exec_module(module)
    return module


def settle():
    """Has the system take and get back memory: a guest that asks its host for pages waits for these, whoever computes."""
    pages = np.empty(3 << 30, dtype="u1")
    pages[:: 1 << 12] = 1


def nothing(x):
    return x


def child(path, name, size, how):
    """Runs one program several times, and prints what it took as a line of JSON."""
    module = programs(path)
    program, size = module.WORKLOADS[name][0], int(size) if size.isdigit() else size
    library = module.load("raskr")
    for part in ("array", "dataframe", "bag"):  # imports are not what is timed
        library.sub(part)

    def run():
        begun = time.perf_counter()
        value = program(library, size)
        return time.perf_counter() - begun, value

    def runs():
        settle()
        first, value = run()
        return {"first": first, "again": min(run()[0] for _ in range(AGAIN)), "value": value}

    if how == "threads":
        found = runs()
    else:
        from raskr.distributed import Client

        with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
            client.wait_for_workers(2)
            if how == "warm":
                for worker in client.scheduler_info()["workers"]:
                    client.submit(nothing, worker, workers=[worker]).result()
            found = runs()
    print("RESULT " + json.dumps(found), flush=True)


def run_once(arguments, name, size, how):
    command = [sys.executable, __file__, "--child", arguments.programs, name, str(size), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=arguments.timeout)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise RuntimeError(f"{name} ({how}): {done.stderr.strip()[-2000:] or 'no result'}")


def agree(one, other):
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one))


def main():
    if sys.argv[1:2] == ["--child"]:
        return child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--data")
    parser.add_argument("--only", nargs="*", default=ROWS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    workloads, table, wrong = programs(arguments.programs).WORKLOADS, {}, []
    columns = ("first", "again"), ("cold first", "first", "again"), ("cold", "first", "again")
    print(f"{'':16}{'threads, s':>18}{'cluster, s':>28}{'ratio':>26}")
    print(
        f"{'program':16}"
        + "".join(f"{title:>{10 if titles is columns[1] else 9}}" for titles in columns for title in titles)
    )
    for name in arguments.only:
        _, full, small = workloads[name]
        size = small if arguments.small else full
        if size == "data":
            size = os.path.abspath(arguments.data)
        found = {how: [] for how in ("threads", "cold", "warm")}
        for _ in range(arguments.runs):
            for how, results in found.items():
                results.append(run_once(arguments, name, size, how))

        def seconds(how, time, found=found):
            return statistics.median(result[time] for result in found[how])

        threads = seconds("threads", "first"), seconds("threads", "again")
        cluster = seconds("cold", "first"), seconds("warm", "first"), seconds("warm", "again")
        ratios = cluster[0] / threads[0], cluster[1] / threads[0], cluster[2] / threads[1]
        values = [result["value"] for results in found.values() for result in results]
        if name not in DRAWN and not all(agree(values[0], value) for value in values):
            wrong.append(name)
        line = "".join(f"{value:9.3f}" for value in threads) + "".join(f"{value:10.3f}" for value in cluster)
        print(f"{name:16}{line}" + "".join(f"{ratio:8.2f}x" for ratio in ratios), flush=True)
        table[name] = {"threads": threads, "cluster": cluster, "ratios": ratios, "runs": found}
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(table, file, indent=1)
    if wrong:
        print(f"results differ: {', '.join(wrong)}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
