"""What tasks may do beside computing: run other tasks, give their thread up, tell where they run."""

import importlib

import pytest
from clusters import by_value, running

import raskr
import raskr.distributed
from raskr.distributed import Reschedule, Variable, get_client, get_worker, rejoin, secede, worker_client

by_value(__name__)


@pytest.fixture(scope="module", params=[True, False], ids=["processes", "threads"])
def client(request):
    with running(n_workers=1, processes=request.param) as client:
        yield client


def squared(number):
    return number**2


def test_a_task_runs_others_with_the_only_thread(client):
    def total(numbers):
        with worker_client(timeout="20 s") as inner:
            return sum(inner.gather(inner.map(squared, numbers, pure=False)))

    assert client.submit(total, [1, 2, 3], pure=False).result(timeout=30) == 14


def test_a_task_secedes_and_rejoins(client):
    def total(numbers):
        inner = get_client()
        futures = inner.map(squared, numbers, pure=False)
        secede()
        found = inner.gather(futures)
        rejoin()
        return sum(found)

    assert client.submit(total, [1, 2], pure=False).result(timeout=30) == 5


def test_a_task_knows_its_worker_and_its_key(client):
    def look():
        worker = get_worker()
        return worker.address, worker.name, worker.nthreads, worker.get_current_task()

    key = f"look-{client.id}"
    (worker,) = client.scheduler_info()["workers"].values()
    (address,) = client.nthreads()
    found = client.submit(look, key=key).result(timeout=30)
    assert (found[0], str(found[1]), found[2], found[3]) == (address, str(worker["name"]), 1, key)


def test_a_task_begins_again_as_often_as_it_asks_and_keeps_its_retries(client):
    tries = Variable(f"tries-{client.id}")

    def fourth(failures):
        number = tries.get(timeout="10 s") + 1
        tries.set(number)
        if number < 4:
            raise Reschedule()
        if number < 4 + failures:
            raise ValueError(f"at the try {number}")
        return number

    def tried(failures, retries):
        tries.set(0)
        return client.submit(fourth, failures, retries=retries, pure=False)

    assert tried(0, 0).result(timeout=30) == 4
    assert tried(1, 1).result(timeout=30) == 5
    with pytest.raises(ValueError, match="at the try 5"):
        tried(2, 1).result(timeout=30)


def test_outside_of_tasks_there_is_no_worker():
    with pytest.raises(ValueError, match="No worker"):
        get_worker()
    for function in (secede, rejoin):
        with pytest.raises(ValueError):
            function()
    with pytest.raises(ValueError, match="No worker"), worker_client():
        pass


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("worker", "get_client get_worker secede rejoin worker_client"),
        ("worker_client", "worker_client local_client"),
        ("threadpoolexecutor", "secede rejoin"),
        ("sizeof", "sizeof"),
        ("metrics", "time monotonic thread_time"),
        ("objects", "SchedulerInfo WhoHas HasWhat"),
    ],
)
def test_names_are_found_where_programs_look_for_them(module, names):
    found = importlib.import_module(f"raskr.distributed.{module}")
    assert all(callable(getattr(found, name)) for name in names.split())
    assert importlib.import_module("raskr.distributed.system").MEMORY_LIMIT >= 0
    assert raskr.distributed.config is raskr.config and callable(raskr.distributed.worker_client)


def test_a_task_that_computes_leaves_its_thread_to_others(client):
    def total(number):
        graph = {("one", number): (squared, number), ("two", number): (squared, number + 1)}
        return sum(get_client().get(graph, list(graph)))

    futures = client.map(total, [1, 2, 3], pure=False)
    assert [future.result(timeout=30) for future in futures] == [5, 13, 25]
