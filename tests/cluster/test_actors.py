"""Actors: objects that live on a worker and are called from elsewhere."""

import asyncio
import gc
import operator
import pickle

import pytest
from clusters import by_value, running, wait_for

from raskr.distributed import Actor, ActorFuture, Client, _actors, as_completed, get_worker

by_value(__name__)


@pytest.fixture(scope="module", params=[True, False], ids=["processes", "threads"])
def client(request):
    with running(processes=request.param) as client:
        yield client


class Counter:
    kind = "counter"

    def __init__(self, start=0):
        self.value = start
        self.event = None

    def add(self, number=1):
        self.value += number
        return self.value

    def where(self):
        return get_worker().address

    def fail(self):
        raise LookupError("nothing to count")

    async def wait(self):
        self.event = asyncio.Event()
        await self.event.wait()
        return self.value

    async def let_go(self):
        while self.event is None:
            await asyncio.sleep(0)
        self.event.set()


def test_methods_are_called_on_the_worker(client):
    future = client.submit(Counter, 5, actor=True)
    counter = future.result(timeout=20)
    assert isinstance(counter, Actor)
    assert "Counter" in repr(counter)
    assert counter.key == future.key
    called = counter.add(2)
    assert isinstance(called, ActorFuture)
    assert called.result(timeout=20) == 7
    assert called.done()
    assert counter.add(number=3).result(timeout="20 s") == 10
    assert counter.where().result(timeout=20) in client.nthreads()
    assert counter.client is client


def test_attributes_are_fetched(client):
    counter = client.submit(Counter, start=3, actors=True).result(timeout=20)
    counter.add().result(timeout=20)
    assert counter.value == 4
    assert counter.kind == "counter"
    assert "add" in dir(counter)
    with pytest.raises(AttributeError):
        counter.nothing  # noqa: B018


def test_calls_of_one_caller_keep_their_order(client):
    class Kept:
        def __init__(self):
            self.items = []

        def append(self, item):
            self.items.append(item)

        def all(self):
            return self.items

    kept = client.submit(Kept, actor=True).result(timeout=20)
    for number in range(100):
        kept.append(number)
    assert kept.all().result(timeout=20) == list(range(100))


def test_results_of_methods_come_as_they_are_there(client):
    counter = client.submit(Counter, actor=True).result()
    calls = [counter.add() for _ in range(3)]
    waited = as_completed(calls)
    assert sorted(call.result() for call in waited) == [1, 2, 3] and waited.is_empty()
    # Among tasks, and one that is added meanwhile.
    mixed = as_completed([client.submit(operator.neg, 7), counter.add(2)], with_results=True)
    found = [next(mixed)[1]]
    mixed.add(counter.add(2))
    found += [value for _, value in mixed]
    assert sorted(found) == [-7, 5, 7]
    with pytest.raises(LookupError, match="nothing to count"):
        list(as_completed([counter.fail()], with_results=True))
    waited = as_completed([counter.add()])
    waited.clear()
    assert list(waited) == []


def test_exceptions_of_methods_are_raised_by_results(client):
    counter = client.submit(Counter, actor=True).result(timeout=20)
    with pytest.raises(LookupError, match="nothing to count"):
        counter.fail().result(timeout=20)
    assert counter.add().result(timeout=20) == 1


def test_an_actor_that_can_not_be_made_fails_as_its_future(client):
    future = client.submit(operator.truediv, 1, 0, actor=True)
    with pytest.raises(ZeroDivisionError):
        future.result(timeout=20)


def test_coroutine_methods_run_beside_each_other(client):
    counter = client.submit(Counter, 8, actor=True).result(timeout=20)
    waiting = counter.wait()
    counter.let_go().result(timeout=20)
    assert waiting.result(timeout=20) == 8


def test_actors_are_given_to_tasks(client):
    future = client.submit(Counter, actor=True)
    others = client.map(lambda number, counter: counter.add(number).result(), range(5), counter=future, pure=False)
    client.gather(others)
    assert future.result(timeout=20).value == 10


def test_actors_are_made_of_futures(client):
    start = client.submit(lambda: 40, pure=False)
    assert client.submit(Counter, start, actor=True).result(timeout=20).add(2).result(timeout=20) == 42


def test_several_actors_are_made_at_once(client):
    counters = client.gather(client.map(Counter, [10, 20], actor=True))
    assert [counter.add().result(timeout=20) for counter in counters] == [11, 21]


def test_an_actor_ends_with_its_future(client):
    def held():
        from raskr.distributed import _actors

        return _actors.keys()

    future = client.submit(Counter, actor=True)
    future.result(timeout=20)
    key = future.key
    assert any(key in keys for keys in client.run(held).values())
    del future
    wait_for(lambda: not any(key in keys for keys in client.run(held).values()), "the actor lives on")


def test_methods_are_awaited(client):
    async def count():
        async with Client(client.cluster, asynchronous=True, set_as_default=False) as there:
            counter = await there.submit(Counter, 1, actor=True)
            return await counter.add(), await counter.value

    assert asyncio.run(count()) == (2, 2)


def test_an_actor_whose_worker_is_gone_says_so():
    with running(n_workers=1) as client:
        future = client.submit(Counter, actor=True)
        counter = future.result(timeout=20)
        client.retire_workers(list(client.nthreads()))
        with pytest.raises(ValueError, match="is gone"):
            counter.add().result(timeout=20)


def test_an_actor_lives_as_long_as_what_stands_for_it():
    # In this process, where the look for actors that nobody wants can be taken at once.
    with running(processes=False) as client:
        counter = client.submit(Counter, 1, actor=True).result(timeout=20)
        [other] = client.gather([client.submit(Counter, 2, actor=True)])
        gc.collect()
        # The futures are gone before this question is asked, which is answered after what they say.
        client.scheduler_info()
        _actors.look()
        assert set(_actors.keys()) == {counter.key, other.key}
        assert counter.add().result(timeout=20) == 2 and other.add().result(timeout=20) == 3
        del counter, other
        gc.collect()

        def gone():
            _actors.look()
            return not _actors.keys()

        wait_for(gone, "the end of the actors")


def test_nothing_is_asked_of_an_actor_for_its_size(client):
    from raskr.sizeof import sizeof

    class Nosy:
        def __init__(self):
            self.asked = 0

        def __getattr__(self, name):
            if name == "nbytes":
                self.asked += 1
                return 1
            raise AttributeError(name)

    actor = client.submit(Nosy, actor=True).result(timeout=20)
    assert sizeof(actor) > 0 and actor.asked == 0


def test_what_stands_for_an_actor_is_equal_after_pickling(client):
    counter = client.submit(Counter, actor=True).result(timeout=30)
    again = pickle.loads(pickle.dumps(counter))
    assert again == counter and hash(again) == hash(counter) and counter != client.submit(Counter, actor=True).result()
