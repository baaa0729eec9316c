"""Futures of a local cluster: results, errors, cancelling, waiting, and what programs do with them."""

import asyncio
import operator
import pickle
import threading
import time

import numpy as np
import pytest
from clusters import wait_for

from raskr.distributed import (
    Client,
    Future,
    as_completed,
    default_client,
    fire_and_forget,
    futures_of,
    get_client,
    wait,
    worker_client,
)
from raskr.distributed.client import FutureCancelledError, FuturesCancelledError

LIMIT = 30


@pytest.fixture
def client(cluster):
    with Client(cluster, timeout=10) as client:
        client.wait_for_workers(2, timeout=LIMIT)
        yield client


def increment(x):
    return x + 1


def divide(a, b):
    return a / b


def slow(event, seconds=0.2):
    time.sleep(seconds)
    return event


def test_a_call_gives_a_future_and_the_future_its_result(client):
    future = client.submit(increment, 1)
    assert isinstance(future, Future)
    assert future.result(timeout=LIMIT) == 2
    assert (future.status, future.done(), future.cancelled()) == ("finished", True, False)
    assert future.key.startswith("increment-")
    assert future.client is client
    assert future.type is int
    assert repr(future) == f"<Future: finished, type: int, key: {future.key}>"
    unseen = client.submit(increment, 100)
    wait(unseen, timeout=LIMIT)
    assert repr(unseen) == f"<Future: finished, key: {unseen.key}>" and "type" not in unseen._repr_html_()
    assert "status: finished, type: int</span>" in future._repr_html_()


def test_arguments_of_every_kind_arrive(client):
    def seen(*args, **kwargs):
        return args, kwargs

    array = np.arange(12.0).reshape(3, 4)
    args = (1, -(2**40), 2**80, 1.5, "é", b"\0", None, True, (1, [2]), {"a": {3}}, slice(1, None), array)
    found, named = client.submit(seen, *args, word="x", more=[array]).result(timeout=LIMIT)
    assert found[:-1] == args[:-1] and named["word"] == "x"
    assert np.array_equal(found[-1], array) and np.array_equal(named["more"][0], array)


def test_futures_in_arguments_stand_for_their_values(client):
    one, two = client.submit(increment, 0), client.submit(increment, 1)
    total = client.submit(operator.add, one, two)
    nested = client.submit(lambda x, y: (x, y), [one, {"a": two}], y=(total, {one}))
    assert nested.result(timeout=LIMIT) == ([1, {"a": 2}], (3, {1}))
    same = client.submit(lambda a, b, c: (a, b, c), one, two, one)
    assert same.result(timeout=LIMIT) == (1, 2, 1)


def test_equal_calls_are_one_task_and_impure_ones_are_not(client):
    assert client.submit(increment, 1).key == client.submit(increment, 1).key
    assert client.submit(increment, 1).key != client.submit(increment, 2).key
    assert client.submit(increment, 1, pure=False).key != client.submit(increment, 1, pure=False).key
    array = np.ones(300_000)
    assert client.submit(np.sum, array).key == client.submit(np.sum, array.copy()).key
    assert client.submit(np.sum, array).result(timeout=LIMIT) == 300_000


def test_keys_may_be_given_and_be_tuples(client):
    future = client.submit(increment, 1, key=("x", 0))
    assert future.key == ("x", 0) and future.result(timeout=LIMIT) == 2
    assert client.submit(increment, 1, key="named").key == "named"


def test_map_gives_a_future_for_each_item(client):
    futures = client.map(operator.add, range(10), [1] * 20)
    assert client.gather(futures) == list(range(1, 11))
    assert client.map(increment, []) == []
    keyed = client.map(increment, [1, 2], key=["first", "second"])
    assert [future.key for future in keyed] == ["first", "second"]
    assert all(future.key.startswith("some-") for future in client.map(increment, [1, 2], key="some"))
    assert client.gather(client.map(increment, client.map(increment, range(3)))) == [2, 3, 4]
    big = {"table": np.zeros(100_000)}
    assert client.gather(client.map(lambda x, table: x + table["table"].size, [1, 2], table=big)) == [100_001, 100_002]
    assert client.gather(client.map(increment, range(7), batch_size=2)) == list(range(1, 8))
    with pytest.raises(ValueError, match="1 keys for 2 calls"):
        client.map(increment, [1, 2], key=["only"])
    with pytest.raises(TypeError, match="First input to map must be a callable function"):
        client.map(1, [1])


def test_what_a_task_raises_is_raised_with_its_traceback(client):
    future = client.submit(divide, 1, 0)
    with pytest.raises(ZeroDivisionError) as raised:
        future.result(timeout=LIMIT)
    assert any("in divide" in note for note in raised.value.__notes__)
    assert isinstance(future.exception(timeout=LIMIT), ZeroDivisionError)
    assert future.status == "error"
    assert future.traceback(timeout=LIMIT).tb_frame.f_code.co_name == "divide"
    # What is made of it fails with the same.
    with pytest.raises(ZeroDivisionError):
        client.submit(increment, future).result(timeout=LIMIT)
    assert client.submit(increment, 1).exception(timeout=LIMIT) is None


def test_an_exception_that_cannot_travel_still_has_its_class(client):
    def fail():
        class Own(ValueError):
            def __init__(self, lock):
                super().__init__("held")
                self.lock = lock

        raise Own(threading.Lock())

    with pytest.raises(ValueError, match="held"):
        client.submit(fail).result(timeout=LIMIT)


def test_what_cannot_be_sent_is_named(client):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        client.submit(lambda: lock)
    with pytest.raises(TypeError, match="lock"):
        client.submit(increment, lock)
    with pytest.raises(TypeError, match="First input to submit must be a callable function"):
        client.submit(1)


def test_a_cancelled_future_says_so(client):
    first = client.submit(slow, 1, 0.5, pure=False)
    second = client.submit(increment, first)
    second.cancel()
    assert second.cancelled() and second.status == "cancelled"
    with pytest.raises(FutureCancelledError, match="cancelled"):
        second.result(timeout=LIMIT)
    with pytest.raises(FuturesCancelledError):
        wait([second], timeout=LIMIT)
    assert first.result(timeout=LIMIT) == 1


def test_a_wait_that_takes_too_long_is_given_up(client):
    future = client.submit(slow, 1, 1.0, pure=False)
    with pytest.raises(TimeoutError):
        future.result(timeout=0.05)
    with pytest.raises(TimeoutError):
        wait([future], timeout="50ms")
    assert future.result(timeout=LIMIT) == 1


def test_gather_looks_into_containers(client):
    futures = {"a": [client.submit(increment, 1)], "b": (client.submit(increment, 2), 5)}
    assert client.gather(futures) == {"a": [2], "b": (3, 5)}
    assert client.gather({client.submit(increment, 1)}) == {2}
    assert list(client.gather(iter(client.map(increment, range(3))))) == [1, 2, 3]
    assert client.gather([]) == []
    bad = client.submit(divide, 1, 0)
    with pytest.raises(ZeroDivisionError):
        client.gather([bad, futures["a"][0]])
    assert client.gather([bad, *futures["a"]], errors="skip") == [2]
    assert client.gather({"x": bad, "y": futures["a"][0]}, errors="skip") == {"x": None, "y": 2}
    with pytest.raises(ValueError, match="errors="):
        client.gather(futures["a"], errors="other")


def test_values_are_the_callers_own(client):
    future = client.submit(np.zeros, 100_000)
    first = future.result(timeout=LIMIT)
    first[:] = 1
    assert not future.result(timeout=LIMIT).any()
    (scattered,) = client.scatter([np.zeros(100_000)])
    scattered.result(timeout=LIMIT)[:] = 1
    assert not scattered.result(timeout=LIMIT).any()


def test_scatter_puts_objects_on_workers(client):
    futures = client.scatter([1, "two", np.arange(5)])
    assert [future.status for future in futures] == ["finished"] * 3
    assert client.gather(futures[:2]) == [1, "two"]
    assert client.submit(increment, futures[0]).result(timeout=LIMIT) == 2
    named = client.scatter({"x": 1, ("y", 0): 2})
    assert list(named) == ["x", ("y", 0)] and client.gather(named) == {"x": 1, ("y", 0): 2}
    assert client.scatter(7).result(timeout=LIMIT) == 7
    assert isinstance(client.scatter((1, 2)), tuple)
    assert client.scatter([5])[0].key == client.scatter([5])[0].key
    assert client.scatter([5], hash=False)[0].key != client.scatter([5], hash=False)[0].key
    everywhere = client.scatter(np.ones(1000), broadcast=True)
    assert len(client.who_has([everywhere])[everywhere.key]) == 2
    once = client.scatter(np.zeros(1000))
    assert len(client.who_has([client.scatter(np.zeros(1000), broadcast=True)])[once.key]) == 2
    large = np.random.default_rng(0).random(3_000_000)
    assert np.array_equal(client.scatter(large).result(timeout=LIMIT), large)


def test_a_large_argument_travels_once(client):
    large = np.ones(1_000_000)
    futures = client.map(lambda x, y: x + y.sum(), range(4), [large] * 4)
    assert client.gather(futures) == [1_000_000 + i for i in range(4)]


def test_wait_divides_futures(client):
    futures = client.map(increment, range(5))
    done, not_done = wait(futures, timeout=LIMIT)
    assert done == set(futures) and not not_done
    never = client.submit(slow, 1, 0.5, pure=False)
    done, not_done = wait([*futures, never], timeout=LIMIT, return_when="FIRST_COMPLETED")
    assert set(futures) == done and not_done == {never}
    assert never.result(timeout=LIMIT) == 1


def test_as_completed_gives_futures_as_they_are_done(client):
    futures = client.map(increment, range(5))
    found = as_completed(futures, timeout=LIMIT)
    assert {future.result() for future in found} == set(range(1, 6))
    pairs = as_completed(client.map(increment, range(3)), with_results=True, timeout=LIMIT)
    assert sorted(value for _, value in pairs) == [1, 2, 3]
    batches = as_completed(client.map(increment, range(10, 15)), timeout=LIMIT).batches()
    assert sorted(future.result() for batch in batches for future in batch) == list(range(11, 16))
    queue = as_completed([client.submit(increment, 1)], timeout=LIMIT)
    for future in queue:
        value = future.result()
        if value < 4:
            queue.add(client.submit(increment, value))
    assert queue.is_empty() and queue.count() == 0
    bad = as_completed([client.submit(divide, 1, 0)], with_results=True, raise_errors=False, timeout=LIMIT)
    kind, error, _ = next(bad)[1]
    assert kind is ZeroDivisionError and isinstance(error, kind)
    with pytest.raises(TimeoutError):
        list(as_completed([client.submit(slow, 1, 0.5, pure=False)], timeout=0.05))
    with pytest.raises(TypeError, match="must be a future"):
        as_completed([1])


def test_callbacks_are_called_once_a_future_is_done(client):
    seen, all_seen = [], threading.Event()

    def note(future):
        seen.append(future.result())
        if len(seen) == 2:
            all_seen.set()

    future = client.submit(slow, 5, 0.1, pure=False)
    future.add_done_callback(note)
    future.result(timeout=LIMIT)
    future.add_done_callback(note)
    assert all_seen.wait(LIMIT) and seen == [5, 5]


def test_values_are_dropped_when_nobody_has_a_future(client):
    future = client.submit(increment, 41)
    key = future.key
    wait(future, timeout=LIMIT)
    assert key in client.who_has()
    del future
    limit = time.monotonic() + LIMIT
    while client.who_has([key])[key]:
        assert time.monotonic() < limit
    other = client.submit(increment, 42)
    other.release()
    assert other.status == "cancelled"


def test_a_future_travels_to_other_clients(client, cluster):
    future = client.submit(increment, 9)
    data = pickle.dumps(future)
    with Client(cluster, set_as_default=False) as other, other.as_current():
        assert pickle.loads(data).result(timeout=LIMIT) == 10
        assert Future(future.key, other).result(timeout=LIMIT) == 10
    with pytest.raises(FutureCancelledError):
        Future("nobody-made-it", client).result(timeout=LIMIT)


def test_tasks_submit_tasks(client):
    def total(numbers):
        with worker_client() as inner:
            return sum(inner.gather(inner.map(increment, numbers)))

    def value_of(holder):
        assert get_client().name.startswith("Client-worker-")
        return holder["future"].key

    assert client.submit(total, [1, 2, 3]).result(timeout=LIMIT) == 9
    future = client.submit(increment, 1)

    class Holder(dict):
        pass

    assert client.submit(value_of, Holder(future=future)).result(timeout=LIMIT) == future.key


def test_the_default_client_is_the_one_made_last(client, cluster):
    assert default_client() is client
    with Client(cluster) as other:
        assert default_client() is other
        with client.as_current():
            assert default_client() is client and Client.current() is client
    assert default_client() is client
    with Client(cluster, set_as_default=False):
        assert default_client() is client


def test_what_is_fired_runs_though_nobody_has_a_future(client):
    fire_and_forget(client.submit(increment, 1234, key="fired"))
    limit = time.monotonic() + LIMIT
    while not any(entry["key"] == "fired" for entry in client.get_task_stream()):
        assert time.monotonic() < limit


def test_futures_are_found_in_containers(client):
    one, two = client.map(increment, [1, 2])
    assert futures_of([one, {"a": (two, one)}, 5]) == [one, two]


def test_the_same_key_with_another_function_is_told_of(client):
    told = threading.Event()
    first = client.submit(slow, 1, 0.2, key="conflict")
    with pytest.warns(UserWarning, match="'conflict' is the key of another task"):
        kept = client.submit(increment, 1, key="conflict")
        told.wait(0.5)
    assert kept.result(timeout=LIMIT) == first.result(timeout=LIMIT) == 1


def test_retries_and_retry(client, tmp_path):
    def third_time(path):
        with open(path, "a") as file:
            file.write("x")
        if len(open(path).read()) < 3:
            raise OSError("not yet")
        return "done"

    assert client.submit(third_time, str(tmp_path / "a"), retries=5).result(timeout=LIMIT) == "done"
    future = client.submit(third_time, str(tmp_path / "b"))
    for _ in range(2):
        with pytest.raises(OSError, match="not yet"):
            future.result(timeout=LIMIT)
        future.retry()
    assert future.result(timeout=LIMIT) == "done"


def test_an_asynchronous_client_gives_what_is_awaited(cluster):
    async def program():
        async with Client(cluster, asynchronous=True) as client:
            future = client.submit(increment, 1)
            assert await future == 2
            assert await future.result() == 2
            assert await client.gather(client.map(increment, range(3))) == [1, 2, 3]
            scattered = await client.scatter([5])
            assert await scattered[0] == 5
            await wait(scattered)
            seen = [await each async for each in as_completed(client.map(increment, range(3)))]
            assert sorted(seen) == [1, 2, 3]
            assert len(await client.ncores()) == 2
            with pytest.raises(ZeroDivisionError):
                await client.submit(divide, 1, 0)

    asyncio.run(asyncio.wait_for(program(), LIMIT))


def test_a_value_is_sent_again_though_what_was_made_of_it_is_still_there(client):
    sent = client.scatter(4711)
    made = client.submit(lambda number: number + 1, sent)
    assert made.result() == 4712
    key = sent.key
    del sent
    wait_for(lambda: not client.who_has().get(key), "the value is still there")
    assert client.scatter(4711).result() == 4711
