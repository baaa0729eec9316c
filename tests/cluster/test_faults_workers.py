"""Faults of a local cluster's processes, each named by its row in the table of faults: workers killed, stopped and told
to end, a launcher killed. Every result is right, the number of workers comes back, nothing is left over."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from children import alive
from clusters import command, descendants, end, finished, slow, wait_for, wait_until_gone

import raskr
import raskr.array as da
from raskr import CancelledError, config
from raskr.distributed import Client, LocalCluster, Status, futures_of, wait


@pytest.fixture
def cluster():
    before = set(descendants())
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0) as made:
        yield made
    wait_until_gone(set(descendants()) - before)


def pids(cluster):
    return {name: worker.pid for name, worker in cluster.workers.items()}


def kill(cluster, name, number=signal.SIGKILL):
    pid = wait_for(lambda: cluster.workers[name].pid, f"a process of worker {name}")
    os.kill(pid, number)
    return pid


def two_are_back(client, killed=()):
    def there():
        workers = client.scheduler_info()["workers"].values()
        return len(workers) == 2 and not {worker.get("pid") for worker in workers} & set(killed)

    wait_for(there, "two workers", 45)


def test_row_1_workers_killed_five_times_during_2000_tasks(cluster):
    with Client(cluster) as client:
        futures = client.map(slow, range(2000))
        killed = []
        for kills in range(5):
            wait_for(lambda least=200 * (kills + 1): sum(f.done() for f in futures) >= least, "some tasks", 45)
            killed.append(kill(cluster, kills % 2))
        assert client.gather(futures) == list(range(2000))
        two_are_back(client, killed)
        assert cluster.plan == cluster.requested == {0, 1}


def test_row_1_only_what_was_lost_is_run_again(cluster, tmp_path):
    def noted(x):
        with open(tmp_path / str(x), "ab") as file:
            file.write(b".")
        return x

    with Client(cluster) as client:
        first = client.map(noted, range(100))
        assert client.gather(first) == list(range(100))
        lost = {key for key, where in client.who_has(first).items() if where and where[0] == cluster.workers[0].address}
        victims = [future for future in first if str(future.key) in {str(key) for key in lost}]
        kill(cluster, 0)
        assert client.gather(first) == list(range(100))
        runs = {x: (tmp_path / str(x)).stat().st_size for x in range(100)}
        assert sum(runs.values()) <= 100 + len(victims) and set(runs.values()) <= {1, 2}


def test_row_5_two_kills_within_one_restart(cluster):
    with Client(cluster) as client:
        futures = client.map(slow, range(300))
        wait_for(lambda: any(f.done() for f in futures), "the first task")
        killed = [kill(cluster, 0)]
        # The second before the first has come back, and the one that comes back as soon as it is there.
        killed.append(kill(cluster, 1))
        wait_for(lambda: cluster.workers[0].pid not in (None, killed[0]), "the restart")
        killed.append(kill(cluster, 0))
        assert client.gather(futures) == list(range(300))
        two_are_back(client, killed)


def test_row_5_all_workers_killed_at_once(cluster):
    with Client(cluster) as client:
        held = client.map(slow, range(50))
        client.gather(held)
        killed = [kill(cluster, name) for name in (0, 1)]
        assert client.gather(held) == list(range(50))
        two_are_back(client, killed)


def test_row_12_sigterm_has_a_worker_give_its_values_away_first(cluster, tmp_path):
    def noted(x):
        with open(tmp_path / str(x), "ab") as file:
            file.write(b".")
        return x

    with Client(cluster) as client:
        futures = client.map(noted, range(40))
        client.gather(futures)
        pid = kill(cluster, 0, signal.SIGTERM)
        wait_until_gone([pid], 40)
        assert client.gather(futures) == list(range(40))
        assert {(tmp_path / str(x)).stat().st_size for x in range(40)} == {1}
        # Nobody asked for fewer workers.
        two_are_back(client, [pid])


def test_row_6_a_stopped_worker_that_goes_on_does_no_harm(cluster):
    with Client(cluster) as client:
        futures = client.map(slow, range(200))
        wait_for(lambda: any(f.done() for f in futures), "the first task")
        pid = kill(cluster, 1, signal.SIGSTOP)
        try:
            assert client.gather(futures) == list(range(200))
        finally:
            os.kill(pid, signal.SIGCONT)
        two_are_back(client)
        assert client.gather(client.map(slow, range(200, 220))) == list(range(200, 220))
        assert cluster.workers[1].pid == pid and cluster.workers[1].restarts == 0


def test_a_cluster_with_a_stopped_worker_closes(cluster):
    stopped = kill(cluster, 0, signal.SIGSTOP)
    began = set(pids(cluster).values())
    cluster.close()
    assert cluster.status == Status.closed and stopped in began
    wait_until_gone(began)


PROGRAM = """
import sys
from raskr.distributed import Client, LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    client = Client(cluster)
    assert client.submit(sum, [1, 2]).result() == 3
    print("ready", flush=True)
    {ending}
"""


@pytest.mark.parametrize(
    ("ending", "number", "code"),
    [
        ("sys.stdin.read()", signal.SIGKILL, -signal.SIGKILL),
        ("sys.stdin.read()", signal.SIGTERM, -signal.SIGTERM),
        ("sys.stdin.read()", signal.SIGINT, -signal.SIGINT),
        ("pass", None, 0),
        ("raise SystemExit(3)", None, 3),
        ("import os; os._exit(4)", None, 4),
    ],
)
def test_nothing_is_left_of_a_launcher_that_ends_in_any_way(ending, number, code):
    program = textwrap.dedent(PROGRAM.format(ending=ending))
    pipe = subprocess.PIPE
    launcher = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        assert launcher.stdout.readline() == "ready\n", launcher.stderr.read()
        below = descendants(launcher.pid)
        if number is not None:
            assert len(below) >= 2
            launcher.send_signal(number)
        launcher.communicate(timeout=30)
        assert launcher.returncode == code
        wait_until_gone(below)
    finally:
        if launcher.poll() is None:
            launcher.kill()
        launcher.communicate()


def test_row_11_a_killed_scheduler_is_told_to_clients_and_ends_workers(tmp_path):
    file = tmp_path / "scheduler.json"
    scheduler = command("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    worker = None
    try:
        wait_for(file.exists, "the scheduler file")
        worker = command("worker", "--scheduler-file", str(file), "--nthreads", "1", "--death-timeout", "3s")
        client = Client(scheduler_file=str(file))
        try:
            client.wait_for_workers(1, timeout=30)
            future = client.submit(slow, 1, 60)
            below = descendants(worker.pid)
            scheduler.kill()
            since = time.monotonic()
            with pytest.raises(Exception, match="scheduler") as error:
                future.result(timeout=30)
            assert not isinstance(error.value, TimeoutError) and time.monotonic() - since < 20
        finally:
            client.close()
        # Nobody ends the worker: it gives up by itself.
        code, _, errors = finished(worker, 45)
        assert code == 1 and "the scheduler was not found again within 3 s" in errors and errors.count("\n") == 1
        wait_until_gone(below)
    finally:
        end(scheduler, *([] if worker is None else [worker]))
    assert not alive(scheduler.pid)


def test_what_a_client_sent_comes_again_as_far_as_it_was_kept(cluster):
    with config.set({"distributed.client.kept-bytes": "1 MB"}), Client(cluster) as client:
        kept, sent = client.scatter([np.ones(100_000), np.zeros(100_000)], hash=False)
        killed = [kill(cluster, name) for name in (0, 1)]
        two_are_back(client, killed)
        assert client.submit(np.sum, kept, pure=False).result(timeout=45) == 100_000
        with pytest.raises(CancelledError, match="scatter it again"):
            sent.result(timeout=45)


def test_what_was_persisted_of_what_a_client_sent_is_made_again(cluster):
    numbers = np.arange(200_000.0)
    with Client(cluster) as client:
        array = client.persist(da.from_array(numbers, chunks=50_000) + 1)
        lazy = raskr.delayed(np.add)(numbers, 2).persist()
        wait(futures_of([array, lazy]), timeout=45)
        killed = [kill(cluster, name) for name in (0, 1)]
        two_are_back(client, killed)
        assert client.compute(array.sum()).result(timeout=45) == (numbers + 1).sum()
        assert client.compute(lazy.sum()).result(timeout=45) == (numbers + 2).sum()
