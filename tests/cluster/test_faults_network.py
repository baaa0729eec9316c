"""Faults of the network between hosts, named by their rows in the table of faults: links that are cut in one direction or
both, with and without word of it, for shorter and for longer than the time after which a worker is lost.

The hosts are namespaces of this machine; where it gives none these tests are skipped.
"""

import contextlib
import json

import pytest
from clusters import descendants, finished, wait_for, wait_until_gone
from hosts import network

CLIENT = """
import json, pathlib, sys, time
import numpy as np
from raskr.distributed import Client

client = Client(scheduler_file=sys.argv[1], timeout="30 s")
folder = pathlib.Path(sys.argv[2])

def noted(x, folder=str(folder)):
    with open(f"{folder}/{x}", "ab") as file:
        file.write(b".")
    time.sleep(0.02)
    return np.full(20_000, x)

def both(x, y):
    time.sleep(0.02)
    return int((x + y).sum())

def start(first, count):
    global values, sums
    values = client.map(noted, range(first, first + count))
    sums = client.map(both, values, values[1:] + values[:1])

def done():
    return sum(future.done() for future in sums)

def right():
    found = client.gather(sums)
    numbers = [int(value[7]) for value in client.gather(values)]
    return found == [20_000 * (x + y) for x, y in zip(numbers, numbers[1:] + numbers[:1])] and numbers

def workers(what):
    return {one["name"]: one[what] for one in client.scheduler_info()["workers"].values()}

def holders():
    return sorted({address for held in client.who_has(values).values() for address in held})

def runs():
    return {int(file.name): file.stat().st_size for file in folder.iterdir()}

for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""


class Cluster:
    """A scheduler, a client and four workers, each on a host of its own."""

    def __init__(self, hosts, folder):
        self.scheduler, self.client, *self.workers = hosts
        file = folder / "scheduler.json"
        options = "--port", "0", "--no-dashboard", "--host", self.scheduler.address, "--scheduler-file", str(file)
        self.commands = [self.scheduler.start("-m", "raskr", "scheduler", *options)]
        wait_for(file.exists, "the scheduler file")
        for number, host in enumerate(self.workers):
            options = "--scheduler-file", str(file), "--host", host.address, "--name", f"w{number}", "--nthreads", "1"
            self.commands.append(host.start("-m", "raskr", "worker", *options, "--memory-limit", "0"))
        (folder / "runs").mkdir()
        self.program = self.client.start("-c", CLIENT, str(file), str(folder / "runs"))
        wait_for(lambda: self.statuses() == dict.fromkeys(self.names, "running"), self.statuses)

    names = ("w0", "w1", "w2", "w3")

    def ask(self, expression):
        self.program.stdin.write(expression + "\n")
        self.program.stdin.flush()
        answer = self.program.stdout.readline()
        assert answer, self.program.communicate()[1]
        return json.loads(answer)

    def statuses(self):
        return self.ask("workers('status')")

    @contextlib.contextmanager
    def cut(self):
        """Three of the workers are cut off, each in a way of its own."""
        others = [self.scheduler, self.client, *self.workers]
        with contextlib.ExitStack() as cuts:
            cuts.enter_context(self.workers[1].off())
            cuts.enter_context(self.workers[2].silent())
            cuts.enter_context(self.workers[3].unheard([other for other in others if other is not self.workers[3]]))
            yield

    def close(self):
        """Ends the cluster; every process must go by itself."""
        pids = [pid for command in self.commands for pid in descendants(command.pid)]
        self.ask("client.shutdown()")
        assert [finished(command)[::2] for command in self.commands] == [(0, "")] * len(self.commands)
        wait_until_gone(pids)


@pytest.fixture
def cluster(tmp_path):
    with network(6) as hosts:
        made = Cluster(hosts, tmp_path)
        yield made
        made.close()


@pytest.mark.timeout(180)
def test_row_8_workers_that_are_cut_off_for_a_short_time_go_on_and_nothing_runs_twice(cluster):
    cluster.ask("start(0, 400)")
    wait_for(lambda: cluster.ask("done()") > 10, "the first tasks")
    with cluster.cut():
        cut = {"w0": "running", "w1": "suspect", "w2": "suspect", "w3": "suspect"}
        wait_for(lambda: cluster.statuses() == cut, cluster.statuses)
    wait_for(lambda: cluster.statuses() == dict.fromkeys(cluster.names, "running"), cluster.statuses)
    assert cluster.ask("right()") == list(range(400))
    assert set(cluster.ask("runs()").values()) == {1}


@pytest.mark.timeout(180)
def test_rows_8_and_9_workers_that_are_cut_off_for_long_are_lost_and_come_back(cluster):
    pids = cluster.ask("workers('pid')")
    cluster.ask("start(0, 400)")
    wait_for(lambda: cluster.ask("done()") > 10, "the first tasks")
    with cluster.cut():
        # A worker is lost when it was not heard for 15 s.
        wait_for(lambda: cluster.statuses() == {"w0": "running"}, cluster.statuses, seconds=25)
        assert cluster.ask("right()") == list(range(400))
    wait_for(lambda: cluster.statuses() == dict.fromkeys(cluster.names, "running"), cluster.statuses)
    assert cluster.ask("workers('pid')") == pids
    assert cluster.ask("right()") == list(range(400))
    assert set(cluster.ask("runs()").values()) <= {1, 2}
    cluster.ask("start(400, 100)")
    assert cluster.ask("right()") == list(range(400, 500))
    assert len(cluster.ask("holders()")) == 4
