"""Data of a client's own in computations that it waits for: workers have it only while tasks take it."""

import os
import signal
import threading

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.array as da
import raskr.dataframe as dd
from raskr.distributed import Client, LocalCluster


@pytest.fixture(scope="module")
def client():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


def nothing_is_held(client):
    return all(not keys for keys in client.has_what().values())


def test_several_arrays_that_are_more_than_what_is_lent_at_a_time(client):
    x = np.arange(6_000_000, dtype=float)
    y = np.random.default_rng(0).random(x.size)
    left, right = (da.from_array(each, chunks=500_000) for each in (x, y))
    assert (left * 2 + right).sum().compute() == pytest.approx((x * 2 + y).sum())
    np.testing.assert_array_equal((left[::3] + 1).compute(), x[::3] + 1)
    assert nothing_is_held(client)


def test_data_that_many_tasks_take_at_once(client):
    x = np.arange(12_000_000, dtype=float).reshape(3000, 4000)
    array = da.from_array(x, chunks=(300, 4000))
    # Each task takes a piece of each block: none can begin before all are there.
    np.testing.assert_array_equal(array.rechunk((3000, 400)).cumsum(axis=0).compute(), x.cumsum(axis=0))
    centred = (array - array.mean(axis=0)) / array.std(axis=0)
    np.testing.assert_allclose(centred.compute(), (x - x.mean(axis=0)) / x.std(axis=0))
    assert nothing_is_held(client)


def test_data_that_is_itself_asked_for(client):
    x = np.random.default_rng(1).random(3_000_000)
    array = da.from_array(x, chunks=1_000_000)
    found, total = client.gather(client.compute([array, array.sum()]))
    np.testing.assert_array_equal(found, x)
    found, total = raskr.compute(array, array.sum())
    np.testing.assert_array_equal(found, x)
    assert total == pytest.approx(x.sum())


def test_names_are_those_of_what_arrays_hold_after_computes_too(client):
    x = np.random.default_rng(9).random(3_000_000)
    array = da.from_array(x, chunks=1_000_000)
    assert (array * 2).sum().compute() == pytest.approx(x.sum() * 2)
    assert (array + da.from_array(x, chunks=1_000_000)).sum().compute() == pytest.approx(x.sum() * 2)
    same = da.from_array(x.copy(), chunks=1_000_000)
    assert (array.name, (array * 2).name) == (same.name, (same * 2).name)
    assert (array * 2).sum().compute() == pytest.approx(x.sum() * 2)


def test_what_was_persisted_of_the_same_data_stays(client):
    x = np.random.default_rng(2).random(3_000_000)
    array = da.from_array(x, chunks=1_000_000)
    kept = client.persist(array + 1)
    assert (array + 1).sum().compute() == pytest.approx(x.sum() + x.size)
    np.testing.assert_array_equal(kept.compute(), x + 1)
    np.testing.assert_allclose((kept + array).compute(), 2 * x + 1)


def test_memory_that_is_written_to_between_computations(client):
    x = np.zeros(2_000_000)
    for number in range(6):
        x[:] = number
        assert da.from_array(x, chunks=500_000).sum().compute() == number * x.size


def test_threads_that_wait_for_computations_of_the_same_data(client):
    x = np.random.default_rng(3).random(4_000_000)
    found, expected = [], x.sum()

    def work():
        for _ in range(3):
            found.append(da.from_array(x, chunks=500_000).sum().compute())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == pytest.approx([expected] * 12)
    assert nothing_is_held(client)


def test_tables_that_are_joined(client):
    rng = np.random.default_rng(4)
    left = pd.DataFrame({"k": rng.integers(0, 50_000, 400_000), "a": rng.random(400_000)})
    right = pd.DataFrame({"k": np.arange(50_000), "g": rng.integers(0, 50, 50_000)})
    joined = dd.from_pandas(left, npartitions=4).merge(dd.from_pandas(right, npartitions=4), on="k")
    found = joined.groupby("g").a.sum().compute().sort_index()
    pd.testing.assert_series_equal(found, left.merge(right, on="k").groupby("g").a.sum())


def test_python_functions_take_it_too(client):
    x = np.random.default_rng(5).random(2_000_000)
    blocks = da.from_array(x, chunks=500_000).map_blocks(lambda block: block[::-1].copy())
    expected = np.concatenate([part[::-1] for part in np.split(x, 4)])
    np.testing.assert_array_equal(blocks.compute(), expected)


def test_a_worker_that_is_killed_meanwhile(client):
    # Some of the data went to the one that is gone: the client sends it again.
    x = np.random.default_rng(6).random(8_000_000)
    victim = next(iter(client.cluster.workers.values())).pid
    killer = threading.Timer(0.05, os.kill, [victim, signal.SIGKILL])
    killer.start()
    for _ in range(5):
        assert da.exp(da.from_array(x, chunks=500_000)).sum().compute() == pytest.approx(np.exp(x).sum())
    killer.join()
