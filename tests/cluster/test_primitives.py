"""Variables, queues, locks, events and semaphores, shared by clients and tasks."""

import asyncio
import pickle
from datetime import timedelta

import pytest
from clusters import running

from raskr.distributed import Client, Event, Lock, MultiLock, Queue, Semaphore, Variable

SOON = "20 s"


@pytest.fixture(scope="module")
def client():
    with running() as client:
        yield client


def test_a_variable_is_set_and_got_by_its_name(client, other):
    variable = Variable("number")
    variable.set({"a": [1, 2.5, "x"]})
    assert Variable("number", client=other).get(timeout=SOON) == {"a": [1, 2.5, "x"]}
    variable.set(2, timeout="10 s")
    assert Variable("number", client=other).get() == 2
    assert variable.client is client


def test_a_variable_without_a_value_waits_for_one(client):
    with pytest.raises(TimeoutError):
        Variable("never").get(timeout="50 ms")
    with pytest.raises(TimeoutError):
        Variable("never").get(timeout=timedelta(milliseconds=20))
    setter = client.submit(lambda: Variable("later").set(5), pure=False)
    assert Variable("later").get(timeout=SOON) == 5
    setter.result(timeout=20)


def test_a_deleted_variable_has_no_value(client):
    variable = Variable()
    variable.set(1)
    variable.delete()
    with pytest.raises(TimeoutError):
        Variable(variable.name).get(timeout=0.02)


def test_a_variable_keeps_the_futures_that_it_has(client, other):
    variable = Variable("held")
    variable.set(client.submit(lambda: 42, pure=False))
    assert Variable("held", client=other).get(timeout=SOON).result(timeout=20) == 42
    variable.set([client.submit(lambda: 43, pure=False), "beside"])
    future, text = Variable("held", client=other).get(timeout=SOON)
    assert (future.result(timeout=20), text) == (43, "beside")


def test_a_variable_travels_into_tasks(client):
    variable = Variable("travels")
    variable.set(7)
    assert client.submit(lambda variable: variable.get(timeout="10 s"), variable, pure=False).result(timeout=20) == 7


def test_a_queue_gives_what_was_put_first(client, other):
    queue = Queue("todo")
    for value in [1, "two", [3]]:
        queue.put(value)
    assert queue.qsize() == 3
    elsewhere = Queue("todo", client=other)
    assert elsewhere.get(timeout=SOON) == 1
    assert elsewhere.get(batch=True) == ["two", [3]]
    assert elsewhere.get(batch=True) == []
    with pytest.raises(TimeoutError):
        elsewhere.get(timeout="20 ms")


def test_a_queue_gives_several_at_once(client):
    queue = Queue()
    for number in range(5):
        queue.put(number)
    assert queue.get(batch=3, timeout=SOON) == [0, 1, 2]
    with pytest.raises(TimeoutError):
        queue.get(batch=3, timeout="20 ms")
    assert queue.get(batch=True) == [3, 4]


def test_a_full_queue_takes_nothing_more(client):
    queue = Queue("full", maxsize=1)
    queue.put(1)
    with pytest.raises(TimeoutError):
        queue.put(2, timeout="20 ms")
    assert queue.get() == 1
    queue.put(3, timeout=SOON)
    assert queue.get() == 3


def test_futures_travel_through_a_queue(client, other):
    queue = Queue("futures")
    queue.put(client.submit(lambda: 10, pure=False))
    queue.put({"inside": client.submit(lambda: 11, pure=False)})
    elsewhere = Queue("futures", client=other)
    assert elsewhere.get(timeout=SOON).result(timeout=20) == 10
    assert elsewhere.get(timeout=SOON)["inside"].result(timeout=20) == 11


def test_tasks_put_into_a_queue(client):
    queue = Queue("from tasks")
    client.gather(client.map(lambda number, queue: queue.put(number), range(5), queue=queue, pure=False))
    assert sorted(queue.get(batch=5, timeout=SOON)) == [0, 1, 2, 3, 4]


def test_a_closed_queue_is_empty(client):
    queue = Queue("closed")
    queue.put(client.submit(lambda: 1, pure=False))
    queue.close()
    assert queue.qsize() == 0


def test_a_lock_is_held_by_one(client, other):
    lock, elsewhere = Lock("door"), Lock("door", client=other)
    assert lock.acquire(timeout=SOON) is True
    assert elsewhere.locked()
    assert elsewhere.get_value() == 1
    assert elsewhere.acquire(timeout="20 ms") is False
    assert elsewhere.acquire(blocking=False) is False
    lock.release()
    with elsewhere:
        assert lock.locked()
    assert not lock.locked()
    assert lock.get_value() == 0


def test_locks_refuse_what_makes_no_sense(client):
    lock = Lock()
    with pytest.raises(RuntimeError, match="not held"):
        lock.release()
    with pytest.raises(ValueError, match="non-blocking"):
        lock.acquire(blocking=False, timeout=1)


def test_a_lock_tells_how_it_reaches_the_scheduler(client):
    lock = Lock("told")
    assert lock.asynchronous is False
    assert lock.scheduler is client
    assert lock.loop is client.loop


def test_tasks_exclude_each_other_by_a_lock(client):
    Variable("sum").set(0)

    def add(number, lock):
        with lock:
            total = Variable("sum")
            total.set(total.get(timeout="10 s") + number)

    client.gather(client.map(add, range(6), lock=Lock("sum"), pure=False))
    assert Variable("sum").get() == 15


def test_locks_of_a_client_that_is_gone_are_free(client):
    gone = Client(client.cluster, set_as_default=False)
    assert Lock("left behind", client=gone).acquire(timeout=SOON)
    gone.close()
    assert Lock("left behind").acquire(timeout=SOON)


def test_several_locks_are_taken_at_once(client, other):
    both = MultiLock(["left", "right"], client=client)
    assert both.acquire(timeout=SOON)
    assert both.locked()
    more = MultiLock(["right", "middle"], client=other)
    assert more.acquire(timeout="20 ms") is False
    assert more.acquire(num_locks=1, timeout=SOON)
    more.release()
    both.release()
    assert not both.locked()
    with pytest.raises(ValueError, match="not held"):
        both.release()
    with pytest.raises(ValueError, match="num_locks"):
        both.acquire(num_locks=3)
    with pickle.loads(pickle.dumps(both)) as again:
        assert again.names == ["left", "right"]


def test_an_event_is_waited_for(client):
    event = Event("go")
    assert event.wait(timeout="20 ms") is False
    assert not event.is_set()
    waiting = client.submit(lambda event: event.wait(timeout="20 s"), event, pure=False)
    event.set()
    assert waiting.result(timeout=20) is True
    assert Event("go").is_set()
    event.clear()
    assert not event.is_set()


def test_a_semaphore_has_so_many_leases(client, other):
    semaphore = Semaphore(2, "pool")
    assert semaphore.acquire(timeout=SOON)
    assert semaphore.acquire(timeout=SOON)
    elsewhere = Semaphore(2, "pool", other)
    assert elsewhere.get_value() == 2
    assert elsewhere.acquire(timeout="20 ms") is False
    assert semaphore.release() is True
    with elsewhere:
        assert elsewhere.get_value() == 2
    semaphore.release()
    with pytest.raises(RuntimeError, match="more often"):
        semaphore.release()
    assert semaphore.get_value() == 0


def test_a_semaphore_refuses_another_number(client):
    Semaphore(2, "numbered").register()
    with pytest.raises(ValueError, match="leases"):
        Semaphore(3, "numbered").acquire()
    with pytest.raises(ValueError, match="at least 1"):
        Semaphore(0)


def test_a_closed_semaphore_gives_no_lease(client):
    semaphore = Semaphore(1, "closing")
    semaphore.acquire()
    with pytest.warns(RuntimeWarning, match="1 leases"):
        semaphore.close()
    with pytest.raises(RuntimeError, match="closed"):
        semaphore.acquire()


def test_tasks_share_a_semaphore(client):
    def enter(number, semaphore):
        with semaphore:
            return semaphore.get_value() <= 1

    semaphore = Semaphore(1, "one at a time")
    assert all(client.gather(client.map(enter, range(5), semaphore=semaphore, pure=False)))


def test_all_of_them_are_awaited_where_the_client_is_asynchronous(client):
    address = client.cluster

    async def use():
        async with Client(address, asynchronous=True, set_as_default=False) as there:
            variable = Variable("awaited", client=there)
            await variable.set(3)
            queue = await Queue("awaited", client=there)
            await queue.put(await variable.get(timeout=SOON))
            async with Lock("awaited", client=there) as lock:
                locked = await lock.locked()
            async with MultiLock(["awaited"], client=there):
                taken = await Lock("awaited", client=there).acquire(timeout="20 ms")
            event = await Event("awaited", client=there)
            await event.set()
            async with await Semaphore(1, "awaited", there) as semaphore:
                value = await semaphore.get_value()
            return await queue.get(), locked, taken, await event.wait(timeout=SOON), value

    assert asyncio.run(use()) == (3, True, False, True, 1)


@pytest.mark.parametrize("name", [1, ("a", 1), ["a", 1], b"123", "123"], ids=repr)
def test_names_need_not_be_text(client, name):
    event, lock, queue = Event(name), Lock(name), Queue(name)
    assert event.name == name and not event.is_set()
    event.set()
    assert Event(name).is_set()
    event.clear()
    with lock:
        assert not Lock(name).acquire(timeout=0)
    queue.put(5)
    assert Queue(name).get(timeout=20) == 5
    Variable(name).set(6)
    assert Variable(name).get(timeout=20) == 6
    with MultiLock([name, "other"]), Semaphore(name=name):
        assert not MultiLock(["other"]).acquire(timeout=0)


def test_what_a_lock_gives_when_it_is_released(client):
    lock = Lock("given-back")
    assert lock.acquire(timeout=20) and lock.release()
    with pytest.raises(ValueError, match="not held here"):
        MultiLock(["never-held"]).release()


def test_a_name_of_another_kind_is_refused(client):
    with pytest.raises(TypeError, match="a name must be"):
        Event({"a": 1}).is_set()
