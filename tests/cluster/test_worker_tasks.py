"""What becomes of Python tasks on workers, with children and without: results, errors, deaths, secession."""

import asyncio
import os
import pickle
import signal
import sys
import time

import numpy as np
import pytest
from clusters import by_value

from raskr import multiprocessing
from raskr._bridge import core

Client = pytest.importorskip("raskr.distributed.client").Client

by_value(__name__)

SECONDS = 60.0


class Odd(Exception):
    """Can be pickled, and not be read again."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


@pytest.fixture(scope="module", params=["children", "threads"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def cluster(kind, tmp_path_factory):
    scheduler = core.start_scheduler({})
    workers = []
    for name in ("one", "two"):
        options = {"scheduler_address": scheduler.address, "token": scheduler.token, "name": name, "nthreads": 2}
        options["local_directory"] = str(tmp_path_factory.mktemp(name))
        if kind == "children":
            options["children"] = multiprocessing.children()
        workers.append(core.start_worker(options))
    os.environ["RASKR_TOKEN"] = scheduler.token
    yield scheduler, workers
    for worker in workers:
        worker.close()
        assert worker.wait(SECONDS) == "stopped"
    scheduler.close("the tests are over")
    os.environ.pop("RASKR_TOKEN", None)


@pytest.fixture
def client(cluster, monkeypatch):
    scheduler, _ = cluster
    monkeypatch.setenv("RASKR_TOKEN", scheduler.token)
    with Client(scheduler.address) as client:
        yield client


class Named(np.ndarray):
    pass


def mapped(path, length):
    return np.memmap(path, dtype="f8", mode="r", shape=length)


def test_mapped_files_are_arrays_where_they_travel_and_subclasses_stay(client, tmp_path):
    path = tmp_path / "numbers"
    numbers = np.arange(100_000.0)
    numbers.tofile(path)
    for length in (10, numbers.size):
        future = client.submit(mapped, path, length)
        assert type(future.result(timeout=SECONDS)) is np.ndarray
        assert np.array_equal(future.result(timeout=SECONDS), numbers[:length])
        assert client.submit(np.sum, future).result(timeout=SECONDS) == numbers[:length].sum()
        sent = client.scatter(mapped(path, length)).result(timeout=SECONDS)
        assert type(sent) is np.ndarray and np.array_equal(sent, numbers[:length])
        named = client.submit(lambda length: np.arange(length).view(Named), length).result(timeout=SECONDS)
        assert type(named).__name__ == "Named" and named[-1] == length - 1


def test_many_short_calls_come_out_right(client):
    squares = client.map(lambda number: number**2, range(5000))
    assert client.gather(squares) == [number**2 for number in range(5000)]
    total = client.submit(sum, squares)
    assert total.result(timeout=SECONDS) == sum(number**2 for number in range(5000))


def test_large_arrays_travel_between_tasks_and_can_be_written_to(client):
    first = client.submit(np.arange, 1_000_000)
    second = client.submit(lambda array: (array * 2, "text"), first)
    array, text = client.gather(second)
    assert text == "text" and array[-1] == 1_999_998
    array[0] = 7
    assert client.submit(lambda pair: int(pair[0].sum()), second).result(timeout=SECONDS) == 999_999 * 1_000_000


def test_every_exception_comes_back_as_its_class_and_the_workers_live_on(client, kind):
    def recurse(depth):
        return recurse(depth + 1)

    def odd():
        raise Odd(1, 2)

    def local():
        class Local(ValueError):
            pass

        raise Local("of a function", sys._getframe())

    raised = {
        ValueError: client.submit(int, "no number"),
        RecursionError: client.submit(recurse, 0),
        Odd: client.submit(odd),
    }
    for kind_of, future in raised.items():
        with pytest.raises(kind_of):
            future.result(timeout=SECONDS)
    with pytest.raises(ValueError, match="of a function"):
        client.submit(local).result(timeout=SECONDS)
    with pytest.raises(TypeError, match="can't be sent to another process"):
        client.submit(lambda: (number for number in range(3))).result(timeout=SECONDS)
    assert client.submit(abs, -1).result(timeout=SECONDS) == 1


def raising(error):
    raise error


def test_what_ends_programs_ends_neither_workers_nor_clients(client):
    from raskr.distributed import TaskInterrupted, as_completed

    class Own(BaseException):
        pass

    raised = [SystemExit(3), KeyboardInterrupt("now"), GeneratorExit(), asyncio.CancelledError("late"), Own("own")]
    for error in raised:
        future = client.submit(raising, error, pure=False)
        with pytest.raises(TaskInterrupted) as caught:
            future.result(timeout=SECONDS)
        cause = caught.value.__cause__
        assert (type(cause).__name__, cause.args) == (type(error).__name__, error.args)
        assert str(caught.value).startswith(f"a task raised {type(error).__name__}")
        assert isinstance(future.exception(timeout=SECONDS), TaskInterrupted)
    future = client.submit(sys.exit, 3, pure=False)
    assert future.exception(timeout=SECONDS).code == 3
    ((_, error),) = as_completed([future], with_results=True, raise_errors=False)
    assert error[0] is TaskInterrupted
    with pytest.raises(TaskInterrupted) as caught:
        client.submit(abs, future).result(timeout=SECONDS)
    assert isinstance(caught.value.__cause__, SystemExit)
    assert pickle.loads(pickle.dumps(caught.value)).code == 3
    with pytest.raises(TaskInterrupted, match="SystemExit: 4"):
        client.run(sys.exit, 4)
    assert client.submit(abs, -1, pure=False).result(timeout=SECONDS) == 1


def test_a_task_that_kills_its_process_is_blamed_alone(client, kind):
    if kind == "threads":
        pytest.skip("without children there is no process to lose")

    def crash():
        sys.stderr.write("these are its last words\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGSEGV)

    others = client.map(lambda number: (time.sleep(0.001), number)[1], range(500), pure=False)
    begun = time.monotonic()
    with pytest.raises(core.KilledWorker, match="killed its process 4 times: SIGSEGV") as error:
        client.submit(crash).result(timeout=SECONDS)
    assert time.monotonic() - begun < SECONDS
    assert "peak" in str(error.value)
    assert client.gather(others) == list(range(500))
    with pytest.raises(core.KilledWorker, match="exit 7"):
        client.submit(os._exit, 7).result(timeout=SECONDS)


def test_tasks_behind_one_that_takes_long_are_done_elsewhere(client):
    def now_and_then(number):
        if number == 1000:
            time.sleep(1.5)
        return number

    client.gather(client.map(now_and_then, range(100)))
    begun = time.monotonic()
    futures = client.map(now_and_then, range(1000, 1400))
    assert client.gather(futures[1:]) == list(range(1001, 1400))
    assert not futures[0].done() or time.monotonic() - begun > 1.5
    assert futures[0].result(timeout=SECONDS) == 1000


def test_tasks_that_wait_for_their_own_never_block_the_workers(client, cluster):
    from raskr.distributed import worker_client

    def nested(depth):
        if depth == 0:
            return 1
        with worker_client() as inner:
            return sum(inner.gather(inner.map(nested, [depth - 1] * 3, pure=False)))

    assert client.submit(nested, 3).result(timeout=SECONDS) == 27


def test_a_task_knows_its_key_and_its_worker(client, cluster):
    from raskr._bridge import core

    def about():
        from raskr._bridge import core

        return core.current_task()

    told = client.submit(about, key="who-am-i").result(timeout=SECONDS)
    assert told["key"] == "who-am-i"
    assert told["worker"] in {worker.address for worker in cluster[1]}
    assert core.current_task() is None


def test_a_cancelled_task_gives_its_thread_back(client, kind):
    if kind == "threads":
        pytest.skip("threads can't be stopped")
    stuck = client.map(lambda number: time.sleep(600), range(4), pure=False)
    while not client.processing() or sum(map(len, client.processing().values())) < 4:
        time.sleep(0.01)
    client.cancel(stuck)
    assert client.submit(abs, -5).result(timeout=SECONDS) == 5


def test_a_child_that_takes_too_much_memory_is_ended_and_its_worker_lives_on(tmp_path, monkeypatch):
    scheduler = core.start_scheduler({"kills_max": 0})
    monkeypatch.setenv("RASKR_TOKEN", scheduler.token)
    options = {"scheduler_address": scheduler.address, "token": scheduler.token, "memory_limit": 400 << 20}
    worker = core.start_worker({**options, "children": multiprocessing.children(), "local_directory": str(tmp_path)})

    def greedy():
        held = []
        while True:
            held.append(b"x" * (10 << 20))
            time.sleep(0.005)

    with Client(scheduler.address) as client:
        with pytest.raises(core.KilledWorker, match="memory limit .ended by its worker.*of 400 MiB"):
            client.submit(greedy).result(timeout=SECONDS)
        assert client.submit(abs, -2).result(timeout=SECONDS) == 2
    worker.close()
    assert worker.wait(SECONDS) == "stopped"
    scheduler.close("the test is over")


def test_values_that_do_not_fit_are_spilled_and_come_back(tmp_path, monkeypatch):
    scheduler = core.start_scheduler({})
    monkeypatch.setenv("RASKR_TOKEN", scheduler.token)
    options = {"scheduler_address": scheduler.address, "token": scheduler.token, "memory_limit": 64 << 20}
    worker = core.start_worker({**options, "children": multiprocessing.children(), "local_directory": str(tmp_path)})
    with Client(scheduler.address) as client:
        arrays = client.map(lambda number: np.full(1 << 20, number, dtype="f8"), range(20))
        sums = client.gather(client.map(lambda array: float(array.sum()), arrays))
        assert sums == [float(number << 20) for number in range(20)]
        assert any(path.is_file() for path in tmp_path.rglob("*"))
        assert client.gather(arrays[3])[-1] == 3
    worker.close()
    assert worker.wait(SECONDS) == "stopped"
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    scheduler.close("the test is over")
