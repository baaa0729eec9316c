"""`LocalCluster`: real schedulers, workers and clients on this machine."""

import asyncio
import os
import re
import socket
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from clusters import descendants, slow, wait_for, wait_until_gone

import raskr
from raskr.distributed import Client, LocalCluster, Nanny, Scheduler, Security, SpecCluster, Status


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = set(descendants())
    yield
    wait_until_gone(set(descendants()) - before)


def local(n_workers=1, **options):
    options = {"threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0, **options}
    return LocalCluster(n_workers=n_workers, **options)


def names(client):
    return sorted(worker["name"] for worker in client.scheduler_info()["workers"].values())


@pytest.mark.parametrize("processes", [True, False])
def test_a_local_cluster(processes):
    with local(2, processes=processes, name="here", memory_limit="200 MB") as cluster:
        assert cluster.status == Status.running and cluster.name == "here"
        assert cluster.plan == cluster.requested == cluster.observed == {0, 1}
        assert re.fullmatch(
            r"LocalCluster\(here, '\w+://.+', workers=2, threads=2, memory=381\.47 MiB\)", repr(cluster)
        )
        assert (len(descendants()) >= 2) is processes
        with Client(cluster) as client:
            assert client.gather(client.map(slow, range(20))) == list(range(20))
            assert names(client) == ["0", "1"]
        with Client(cluster.scheduler_address) as client:  # by the state file
            assert client.submit(slow, 7).result() == 7
        with cluster.get_client() as client:
            assert cluster.get_client() is client
            assert client.submit(slow, 8).result() == 8
    assert cluster.status == Status.closed and "workers=0, threads=0, closed" in repr(cluster)
    cluster.close()


def test_everything_listens_on_this_machine_only_and_the_state_file_is_private():
    with local() as cluster:
        addresses = [cluster.scheduler_address, *cluster.scheduler_info["workers"]]
        assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)
        folder = os.path.join(os.environ["XDG_STATE_HOME"], "raskr", "clusters")
        [file] = os.listdir(folder)
        assert stat.S_IMODE(os.stat(os.path.join(folder, file)).st_mode) == 0o600
        shown = " ".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in descendants())
        assert "raskr" in shown
        assert cluster.token not in shown and cluster.token not in repr(cluster) + repr(cluster.security)
    assert os.listdir(folder) == []


def test_scale_up_and_down_keeps_results():
    with local(1) as cluster, Client(cluster) as client:
        cluster.scale(3)
        client.wait_for_workers(3, timeout=30)
        futures = client.map(slow, range(60))
        assert client.gather(futures) == list(range(60))
        cluster.scale(1)
        assert len(cluster.plan) == 1
        wait_for(lambda: len(names(client)) == 1 and len(cluster.workers) == 1, "one worker")
        assert client.gather(futures) == list(range(60))


def test_adaptive_scaling_from_nothing_and_back():
    with local(0) as cluster, Client(cluster) as client:
        cluster.adapt(minimum=0, maximum=2, interval="50ms", wait_count=2, target_duration="500ms")
        assert client.gather(client.map(slow, range(100))) == list(range(100))
        wait_for(lambda: not names(client) and not cluster.workers, "no worker")
        assert client.submit(slow, 5).result() == 5


def test_workers_that_a_client_retires_are_not_replaced():
    with local(2) as cluster, Client(cluster) as client:
        client.retire_workers(names=["1"])
        wait_for(lambda: cluster.plan == {0} and names(client) == ["0"], "one worker")


def test_a_restart_by_the_client_has_new_processes():
    with local(2) as cluster, Client(cluster) as client:
        before = {worker.pid for worker in cluster.workers.values()}
        client.restart(timeout=30)
        wait_for(lambda: len(names(client)) == 2, "two workers")
        assert not before & {worker.pid for worker in cluster.workers.values()}
        assert client.submit(slow, 1).result() == 1


def test_shutdown_by_a_client_closes_the_cluster():
    cluster = local(2)
    with Client(cluster) as client:
        client.shutdown()
    wait_for(lambda: cluster.status == Status.closed, "the cluster's end")
    assert not cluster.workers


def test_workers_find_modules_settings_and_variables_of_the_program(tmp_path, monkeypatch):
    (tmp_path / "beside_the_program.py").write_text("value = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def look():
        import os

        import beside_the_program

        import raskr

        return beside_the_program.value, raskr.config.get("a.setting.of.ours"), os.environ["OF_WORKERS"]

    with raskr.config.set({"a.setting.of.ours": 7}):
        with local(env={"OF_WORKERS": "yes"}) as cluster, Client(cluster) as client:
            assert client.submit(look).result() == (42, 7, "yes")


def test_folders_of_workers_go_with_them(tmp_path):
    with local(2, local_directory=str(tmp_path)) as cluster:
        wait_for(lambda: len(os.listdir(tmp_path)) == 2, "two folders")
        killed = cluster.workers[0].pid
        os.kill(killed, 9)
        wait_for(lambda: cluster.workers[0].pid not in (None, killed), "the restart")
        wait_for(lambda: len(os.listdir(tmp_path)) == 2, "two folders")
    assert os.listdir(tmp_path) == []


def test_resources_and_names_of_workers():
    with local(1, resources={"GPU": 2}) as cluster, Client(cluster) as client:
        [worker] = client.scheduler_info()["workers"].values()
        assert worker["resources"] == {"GPU": 2} and worker["nthreads"] == 1 and worker["name"] == "0"
        assert client.submit(slow, 3, resources={"GPU": 1}).result() == 3


def test_encryption_within_the_machine():
    with local(security=True) as cluster:
        assert cluster.scheduler_address.startswith("tls://")
        with Client(cluster) as client:
            assert client.submit(slow, 3).result() == 3
    with local(security=Security.temporary()) as cluster, Client(cluster) as client:
        assert client.submit(slow, 4).result() == 4


def test_an_asynchronous_local_cluster():
    async def use():
        async with local(asynchronous=True) as cluster:
            async with Client(cluster, asynchronous=True) as client:
                assert await client.submit(slow, 5) == 5
            cluster.scale(2)
            await cluster
            assert len(cluster.workers) == 2

    asyncio.run(use())


def test_a_cluster_of_specs_with_raskrs_own_processes():
    scheduler = {"cls": Scheduler, "options": {"dashboard": False}}
    workers = {
        "a": {"cls": Nanny, "options": {"nthreads": 1, "memory_limit": 0}},
        "b": {"cls": "raskr.distributed.Worker", "options": {"nthreads": 2, "memory_limit": 0}},
    }
    with SpecCluster(workers, scheduler) as cluster, Client(cluster) as client:
        assert names(client) == ["a", "b"] and client.submit(slow, 5).result() == 5
        assert not cluster._supports_scaling
        with pytest.raises(ValueError, match="no spec for new workers"):
            cluster.scale(3)


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match=f"127.0.0.1:{taken.getsockname()[1]}.* in use"):
            local(scheduler_port=taken.getsockname()[1])


def test_workers_that_can_not_start_are_this_calls_error(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("raise RuntimeError('not today')\n")
    with pytest.raises(RuntimeError, match="could not be started: not today"):
        local(preload=str(path))


def test_logs():
    with local() as cluster:
        logs = cluster.get_logs()
        assert set(logs) == {"Cluster", "Scheduler", *cluster.scheduler_info["workers"]}
        assert all(name in logs._repr_html_() for name in logs)
        assert set(cluster.get_logs(cluster=False, scheduler=False)) == set(cluster.scheduler_info["workers"])


def test_a_program_without_a_guard_for_main(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            from raskr.distributed import Client
            client = Client(n_workers=1, threads_per_worker=1, dashboard_address=None)
            def double(x):
                return 2 * x
            print(client.submit(double, 4).result())
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, "8\n", "")


def test_a_cluster_that_is_awaited_has_the_workers_that_it_was_told_to_have():
    async def program():
        async with LocalCluster(n_workers=3, processes=False, dashboard_address=None, asynchronous=True) as cluster:
            before = len(cluster.scheduler.workers)
            # It goes on by itself; whoever wants to know when it is done awaits the cluster.
            cluster.scale(1)
            await cluster
            return before, len(cluster.workers), len(cluster.scheduler.workers)

    before, after, known = asyncio.run(program())
    assert (before, after, known) == (3, 1, 1)
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        assert [worker.nthreads for worker in cluster.scheduler.workers.values()] == [2]
    assert not cluster.scheduler.workers
