"""Clients and their clusters: connecting, what is asked of schedulers and workers, and the end."""

import socket
import threading
import time

import pytest

import raskr
from raskr.distributed import Client, LocalCluster
from raskr.distributed.client import ClosedClientError, FutureCancelledError, default_client

LIMIT = 30


def increment(x):
    return x + 1


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=LIMIT)
        yield client


def test_where_nothing_listens_is_told_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(OSError, match="refused|no token"):
            Client(address)
        with pytest.raises(OSError, match="refused"):
            Client(address, security={"token": "0" * 64}, timeout=0.1)
        assert time.monotonic() - begun < LIMIT
    with pytest.raises(ValueError, match="is no address"):
        Client("nonsense://x", timeout=1)
    with pytest.raises(TypeError, match="must be a string or a Cluster"):
        Client(5)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: n_worker"):
        Client(address, n_worker=1)


def test_another_token_is_refused(cluster):
    with pytest.raises(OSError, match="another token"):
        Client(cluster.scheduler_address, security={"token": "0" * 64}, timeout=5)


def test_clusters_of_the_same_user_are_found_by_their_address(cluster, monkeypatch):
    monkeypatch.setenv("RASKR_TOKEN", cluster.token)
    with Client(cluster.scheduler_address, timeout=5) as client:
        assert client.submit(increment, 1).result(timeout=LIMIT) == 2


def test_what_is_known_of_workers(client):
    cores = client.ncores()
    assert sorted(cores.values()) == [1, 1] and client.nthreads() == cores
    info = client.scheduler_info()
    assert info["type"] == "Scheduler" and set(info["workers"]) == set(cores)
    assert len(client.scheduler_info(n_workers=1)["workers"]) == 1
    future = client.submit(increment, 1)
    future.result(timeout=LIMIT)
    (holder,) = client.who_has([future])[future.key]
    assert future.key in client.has_what()[holder]
    assert client.has_what([holder]) == {holder: client.has_what()[holder]}
    assert client.nbytes(summary=False)[future.key] > 0 and client.nbytes()["increment"] > 0
    assert set(client.processing()) == set(cores)
    assert "there is a value" in client.why(future)
    assert client.futures[future.key] == "finished"


def test_a_task_that_no_worker_may_run_says_why(client):
    future = client.submit(increment, 1, resources={"GPU": 1})
    assert "needs 1 of the resource 'GPU'" in client.why(future)
    other = client.submit(increment, 2, workers=["nowhere"])
    assert "nowhere" in client.why(other)
    some = client.submit(increment, 3, workers=["nowhere"], allow_other_workers=True)
    assert some.result(timeout=LIMIT) == 4
    with pytest.raises(ValueError, match="Only use allow_other_workers"):
        client.submit(increment, 1, allow_other_workers=True)
    future.cancel()
    other.cancel()


def test_tasks_run_where_they_may(client):
    for address in client.ncores():
        future = client.submit(increment, 1, workers=address, pure=False)
        future.result(timeout=LIMIT)
        assert client.who_has([future])[future.key] == (address,)


def test_values_are_copied_to_as_many_workers_as_asked(client):
    future = client.submit(increment, 7)
    client.replicate([future], n=2)
    assert len(client.who_has([future])[future.key]) == 2
    client.rebalance([future])


def test_waiting_for_workers_that_do_not_come(client):
    client.wait_for_workers(2, timeout=LIMIT)
    with pytest.raises(TimeoutError, match="Only 2/5 workers arrived"):
        client.wait_for_workers(5, timeout=0.05)
    with pytest.raises(ValueError, match="positive integer"):
        client.wait_for_workers(0)


def test_a_client_of_its_own_cluster_is_the_default_until_it_is_closed():
    before = raskr.config.get("scheduler", None)
    client = Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
    assert raskr.config.get("scheduler") == "dask.distributed"
    assert default_client() is client
    assert client.submit(increment, 1).result(timeout=LIMIT) == 2
    future = client.submit(increment, 5)
    assert "Client" in repr(client)
    client.close()
    assert client.status == "closed" and raskr.config.get("scheduler", None) == before
    assert repr(client) == "<Client: No scheduler connected>"
    with pytest.raises(FutureCancelledError):
        future.result(timeout=LIMIT)
    with pytest.raises(RuntimeError, match="closed"):
        client.submit(increment, 1)
    client.close()


def test_whoever_waits_when_the_scheduler_ends_is_told():
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
    client = Client(cluster)
    future = client.submit(time.sleep, 60)
    outcome = []

    def waits():
        try:
            outcome.append(future.result(timeout=LIMIT))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=waits)
    thread.start()
    cluster.scheduler.handle.close("the test ends it")
    thread.join(LIMIT)
    assert isinstance(outcome[0], FutureCancelledError) and "scheduler is gone" in str(outcome[0])
    with pytest.raises(OSError, match="scheduler is gone"):
        client.submit(increment, 1)
    client.close()
    cluster.close()


def test_shutdown_ends_the_cluster():
    client = Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
    cluster = client.cluster
    client.shutdown()
    assert client.status == "closed" and str(cluster.status).endswith("closed")


def test_scheduler_files(tmp_path):
    path = tmp_path / "scheduler.json"
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            scheduler_kwargs={"scheduler_file": str(path)},
        ),
        Client(scheduler_file=path, timeout=10) as client,
    ):
        assert client.submit(increment, 1).result(timeout=LIMIT) == 2


def test_what_is_known_is_shown_as_tables(client):
    future = client.submit(increment, 5)
    future.result(timeout=LIMIT)
    info = client.scheduler_info()
    address = next(iter(info["workers"]))
    assert all(part in info._repr_html_() for part in ("Scheduler Info", address, "Total threads"))
    assert future.key in client.who_has([future])._repr_html_() and address in client.has_what()._repr_html_()
    shown = client._repr_html_()
    assert all(part in shown for part in ("Connection method", "Cluster Info", "Scheduler Info", address))


def test_a_closed_client_says_so(cluster):
    client = Client(cluster, set_as_default=False)
    client.close()
    with pytest.raises(ClosedClientError, match="is closed"):
        client.submit(increment, 1)
    assert "not connected" in client._repr_html_()


def test_workers_that_were_retired_are_told():
    with LocalCluster(n_workers=2, processes=False, dashboard_address=None) as cluster, Client(cluster) as client:
        known = client.scheduler_info()["workers"]
        address = next(iter(known))
        gone = client.retire_workers([address])
        assert list(gone) == [address] and gone[address]["name"] == known[address]["name"]


def test_an_asynchronous_client_knows_the_cluster_at_once(cluster):
    import asyncio

    async def look():
        async with Client(cluster, asynchronous=True) as client:
            return client.scheduler_info(), repr(client)

    info, shown = asyncio.run(look())
    assert len(info["workers"]) == 2 and "processes=2" in shown
