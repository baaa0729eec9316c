"""Tasks that are run once more: elsewhere because they ask for it, or in the process of their client."""

import asyncio
import os
import threading
import traceback

import pytest
from clusters import by_value

import raskr
from raskr.distributed import Client, Reschedule, get_worker

by_value(__name__)
LIMIT = 30


@pytest.fixture
def client(cluster):
    with Client(cluster, timeout=10) as client:
        yield client


def halved(number, by):
    return number / by


def here(*inputs):
    return os.getpid(), inputs


def frames(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_tasks_that_ask_to_begin_again_go_elsewhere(client):
    left = min(client.nthreads())

    def address(number):
        if get_worker().address == left:
            raise Reschedule()
        return get_worker().address

    futures = client.map(address, range(6), pure=False)
    assert set(client.gather(futures)) == set(client.nthreads()) - {left}
    keys = {future.key for future in futures}
    assert [task["status"] for task in client.get_task_stream() if task["key"] in keys] == ["OK"] * 6


def test_functions_of_blocks_begin_again_too(client):
    np = pytest.importorskip("numpy")
    import raskr.array as da

    left = min(client.nthreads())

    def added(block):
        if get_worker().address == left:
            raise Reschedule()
        return block + 1

    assert (da.ones(6, chunks=3).map_blocks(added, dtype=float).compute() == np.full(6, 2)).all()


def test_a_task_runs_in_its_client(client):
    first = client.submit(here, 1, pure=False)
    second = client.submit(here, first, [first], x := client.scatter(5), pure=False)
    pid, inputs = first.result(timeout=LIMIT)
    assert pid != os.getpid()
    assert client.recreate_task_locally(second) == (os.getpid(), ((pid, inputs), [(pid, inputs)], 5))
    assert client.recreate_task_locally(second.key)[0] == os.getpid()
    assert client.recreate_task_locally(raskr.delayed(here)(7).persist()) == (os.getpid(), (7,))
    with pytest.raises(ValueError, match="a value that a client sent"):
        client.recreate_task_locally(x)
    with pytest.raises(KeyError, match="never submitted"):
        client.recreate_task_locally("nobody")
    with pytest.raises(ValueError, match="the future of one task, got 2"):
        client.recreate_task_locally([first, second])


def test_a_task_that_failed_fails_in_its_client_with_its_frames(client):
    by = client.submit(abs, 0)
    failed = client.submit(halved, 7, by=by)
    last = client.submit(abs, client.submit(abs, failed))
    # Its inputs are made again where nobody has them any more.
    del by
    for future in (failed, last, [client.submit(abs, 1), last]):
        with pytest.raises(ZeroDivisionError) as caught:
            client.recreate_error_locally(future)
        inner = caught.value.__traceback__
        while inner.tb_next is not None:
            inner = inner.tb_next
        assert inner.tb_frame.f_locals == {"number": 7, "by": 0}
    with pytest.raises(ZeroDivisionError):
        client.recreate_task_locally(failed)
    with pytest.raises(ValueError, match="No errored futures passed"):
        client.recreate_error_locally(client.submit(abs, 1))


def test_tasks_of_collections_run_in_their_client(client):
    pytest.importorskip("numpy")
    import raskr.array as da

    array = da.ones(6, chunks=3)
    total = array.sum().persist()
    assert client.recreate_task_locally(total) == 6
    failing = array.map_blocks(lambda block: halved(block, "x"), dtype=float).persist()
    with pytest.raises(TypeError) as caught:
        client.recreate_error_locally(failing)
    assert frames(caught.value)[-1] == "halved"


def test_tasks_of_frames_run_in_their_client(client, tmp_path):
    pytest.importorskip("pandas")
    import raskr.dataframe as dd

    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    frame = dd.read_csv(str(tmp_path / "rows.csv"))
    assert int(client.recreate_task_locally((frame.a + frame.b).sum().persist())) == 10
    failing = frame.map_partitions(lambda rows: halved(len(rows), 0), meta=("a", "f8"))
    with pytest.raises(ZeroDivisionError) as caught:
        client.recreate_error_locally(failing.persist())
    assert frames(caught.value)[-1] == "halved"


def test_it_is_awaited_where_the_client_is_asynchronous(cluster):
    async def program():
        async with Client(cluster, asynchronous=True) as client:
            future = client.submit(halved, 1, 0, pure=False)
            with pytest.raises(ZeroDivisionError):
                await client.recreate_error_locally(future)
            return await client.recreate_task_locally(client.submit(halved, 1, 2))

    assert asyncio.run(program()) == 0.5


def test_it_runs_on_the_thread_that_asks(client):
    future = client.submit(threading.get_ident, pure=False)
    assert client.recreate_task_locally(future) == threading.get_ident()
