"""What clients take: coroutine functions, collections that were persisted, annotations, other clients; and errors with the task's frames."""

import asyncio
import traceback

import pytest
from clusters import by_value

import raskr
from raskr.distributed import Client, LocalCluster, as_completed, default_client, futures_of, get_client, wait
from raskr.distributed import client as clients

by_value(__name__)
LIMIT = 30


@pytest.fixture
def client(cluster):
    with Client(cluster, timeout=10) as client:
        yield client


def halved(number, by):
    return number / by


async def doubled(number):
    return 2 * number


class NotSent:
    def __getstate__(self):
        raise ValueError("stays here")


def test_coroutine_functions_are_waited_for(client):
    future = client.submit(doubled, 4)
    assert future.result(timeout=LIMIT) == 8 and future.key.startswith("doubled-")
    assert client.gather(client.map(doubled, [1, 2])) == [2, 4]
    assert client.submit(doubled, 4).key == future.key


def test_persisted_collections_are_arguments(client):
    pytest.importorskip("numpy")
    import raskr.array as da
    import raskr.bag as db

    def total(values):
        return values.sum().compute()

    array, bag = client.persist([da.ones(6, chunks=3), db.from_sequence([1, 2], npartitions=2)])
    # Both workers compute within a task, and have one thread each.
    assert client.gather(client.map(total, [array, array + 1])) == [6, 12]
    assert client.submit(total, values=bag).result(timeout=LIMIT) == 3
    assert client.submit(lambda given: total(given["some"][0]), {"some": [array]}).result(timeout=LIMIT) == 6


def test_collections_are_scattered_with_their_futures(client):
    pytest.importorskip("numpy")
    import raskr.array as da

    future = client.scatter(da.ones(6, chunks=3).persist())
    assert future.result(timeout=LIMIT).sum().compute() == 6


def test_frames_on_futures_are_arguments(client):
    pd = pytest.importorskip("pandas")
    import raskr.dataframe as dd

    frame = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2).persist()
    assert client.submit(lambda frame: int(frame.a.sum().compute()), frame).result(timeout=LIMIT) == 6


def test_annotations_hold_for_calls(client):
    place = sorted(client.nthreads())[1]
    with raskr.annotate(workers=[place]):
        futures = [client.submit(halved, 7, 2), *client.map(halved, range(20, 26), [4] * 6)]
    wait(futures, timeout=LIMIT)
    assert set(client.who_has(futures).values()) == {(place,)}


def test_errors_have_the_frames_of_the_task(client):
    future = client.submit(halved, 1, 0)
    for ask in (future.result, lambda: client.gather([future]), lambda: client.gather({"a": future})):
        with pytest.raises(ZeroDivisionError) as caught:
            ask()
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "halved"


def test_the_reason_of_cancelling_is_told(client):
    future = client.submit(halved, 3, 2)
    future.cancel(reason="too late", msg="the night is over")
    with pytest.raises(clients.FutureCancelledError, match="too late.\nthe night is over"):
        future.result(timeout=LIMIT)


def test_futures_of_cancelled_futures(client):
    future = client.submit(halved, 5, 2)
    future.cancel()
    assert futures_of([future]) == [future]
    with pytest.raises(clients.FuturesCancelledError):
        futures_of([future], client=client)


def test_futures_of_several_clients(client, other):
    one, two = client.submit(halved, 2, 1), other.submit(halved, 4, 1)
    with pytest.raises(ValueError, match="created by another client"):
        client.gather([one, two])
    assert client.gather(two) == 4


def test_what_cannot_be_scattered(client):
    for data in (NotSent(), [1, NotSent()]):
        with pytest.raises(TypeError, match="Could not serialize.*NotSent"):
            client.scatter(data)
    with pytest.raises(TimeoutError, match="'nowhere'"):
        client.scatter(3, workers="nowhere", timeout="10 ms")


def test_workers_that_are_not_there(client):
    with pytest.raises(KeyError, match="nowhere"):
        client.rebalance(workers=["nowhere"])
    with pytest.raises(KeyError, match="nowhere"):
        client.restart_workers(["nowhere"])


def test_a_cluster_class_is_no_cluster():
    with pytest.raises(TypeError, match="must be a string or a Cluster instance"):
        Client(LocalCluster)


def test_a_scheduler_file_is_written_once(client, tmp_path):
    client.write_scheduler_file(str(tmp_path / "scheduler.json"))
    with pytest.raises(ValueError, match="already set"):
        client.write_scheduler_file(str(tmp_path / "another.json"))


def test_another_default_client_for_a_while(client, other):
    assert clients._get_global_client() is client
    with clients.temp_default_client(other):
        assert default_client() is other
    assert default_client() is client
    clients.ensure_default_client(other)
    assert default_client() is other
    clients.ensure_default_client(client)
    assert default_client() is client


def test_names_of_the_module_of_clients():
    assert clients.get_task_metadata is raskr.distributed.get_task_metadata
    with pytest.raises(AttributeError, match="nothing"):
        _ = clients.nothing


def test_who_talks_to_workers_directly(client):
    assert not client.direct_to_workers
    assert client.submit(lambda: get_client().direct_to_workers).result(timeout=LIMIT)


def test_an_executor_that_is_shut_down_has_done_its_calls(client):
    executor = client.get_executor()
    futures = [executor.submit(halved, number, 2) for number in range(5)]
    executor.shutdown()
    assert all(future.done() for future in futures) and futures[3].result() == 1.5


def test_results_of_cancelled_futures_are_why(client):
    future = client.submit(halved, 9, 2)
    future.cancel()
    ((given, why),) = as_completed([future], with_results=True)
    assert given is future and isinstance(why, clients.FutureCancelledError)


@pytest.mark.parametrize("asynchronous", [True, False])
def test_collections_are_awaited(cluster, asynchronous):
    async def program():
        async with Client(cluster, asynchronous=True) as client:
            lazy = raskr.delayed(halved)(6, 4)
            assert await lazy is lazy
            held = await client.persist(lazy)
            assert all(future.done() for future in futures_of(held)) and len(futures_of(held)) == 1
            return await client.compute(held)

    async def waiting():
        held = await raskr.delayed(halved)(8, 4).persist()
        return held.compute()

    if asynchronous:
        assert asyncio.run(program()) == 1.5
    else:
        with Client(cluster):
            assert asyncio.run(waiting()) == 2
