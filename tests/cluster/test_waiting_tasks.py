"""Tasks that wait for others share the processes of those that run: how many there are, who is blamed, what is given up."""

import os
import signal
import threading

import numpy as np
import pytest
from clusters import by_value, descendants, running, wait_for, wait_until_gone

import raskr.array as da
from raskr import multiprocessing
from raskr._bridge import core
from raskr.distributed import Client, Event, get_client, get_worker, rejoin, secede, worker_client

by_value(__name__)

SECONDS = 45


@pytest.fixture(scope="module")
def client():
    """Of a worker with one thread."""
    with running(n_workers=1) as client:
        yield client


@pytest.fixture
def events(client, request):
    """Events of a test's own, by short names."""
    made = {}

    def event(name):
        return made.setdefault(name, Event(f"{request.node.name}-{name}"))

    yield event
    for event in made.values():
        event.set()


def waits(begun, go_on, value=None):
    """Leaves its turn to others, and waits for an event; gives where it ran."""
    secede()
    Event(begun).set()
    assert Event(go_on).wait(timeout=f"{SECONDS} s")
    return os.getpid(), value


def runs(begun, go_on):
    """Waits for an event, and leaves its turn to nobody."""
    Event(begun).set()
    assert Event(go_on).wait(timeout=f"{SECONDS} s")
    return os.getpid()


def stuck(begun):
    """Never ends, and leaves its turn to nobody."""
    Event(begun).set()
    threading.Event().wait()


def wait(client, events, name, value=None):
    """The future of a task that waits by now; the event ``name`` lets it go on."""
    begun = events(f"{name} begun")
    begun.clear()
    future = client.submit(waits, begun.name, events(name).name, value, pure=False)
    assert begun.wait(timeout=f"{SECONDS} s")
    return future


def squared(number):
    return number**2


def test_many_tasks_that_wait_are_threads_of_one_process(client, events):
    before = set(descendants())
    future = wait(client, events, "first")
    futures = [wait(client, events, "all", number) for number in range(40)]
    # The one that stands by for another that dies may have come meanwhile.
    assert len(set(descendants()) - before) <= 1
    events("first").set()
    events("all").set()
    pid, _ = future.result(timeout=SECONDS)
    assert client.gather(futures) == [(pid, number) for number in range(40)]
    assert client.submit(os.getpid, pure=False).result(timeout=SECONDS) == pid


def test_tasks_that_wait_end_in_any_order(client, events):
    futures = {name: wait(client, events, name, name) for name in "abcd"}
    left = set(futures)
    for name in "cadb":
        assert not any(futures[other].done() for other in left)
        # Others end meanwhile.
        assert client.submit(squared, 3, pure=False).result(timeout=SECONDS) == 9
        events(name).set()
        left.remove(name)
        assert futures[name].result(timeout=SECONDS)[1] == name


def test_tasks_that_call_themselves_wait_for_each_other(client):
    def fib(number):
        if number < 2:
            return number, {os.getpid()}
        with worker_client() as inner:
            parts = inner.gather([inner.submit(fib, number - less, pure=False) for less in (1, 2)])
        return sum(value for value, _ in parts), set.union(*(pids for _, pids in parts))

    value, pids = client.submit(fib, 7, pure=False).result(timeout=SECONDS)
    assert (value, len(pids)) == (13, 1)


def test_a_task_knows_its_own_key_whichever_threads_there_are(client, events):
    def own_key(begun, go_on):
        keys = [get_worker().get_current_task()]
        secede()
        Event(begun).set()
        Event(go_on).wait(timeout=f"{SECONDS} s")
        keys.append(get_worker().get_current_task())
        return keys

    futures = []
    for number in range(3):
        begun = events(f"begun {number}")
        futures.append(client.submit(own_key, begun.name, events("go on").name, key=f"waits-{client.id}-{number}"))
        assert begun.wait(timeout=f"{SECONDS} s")
    key = f"passes-{client.id}"
    assert client.submit(lambda: core.current_task()["key"], key=key).result(timeout=SECONDS) == key
    events("go on").set()
    assert client.gather(futures) == [[f"waits-{client.id}-{number}"] * 2 for number in range(3)]


def test_a_task_may_rejoin_and_secede_again(client, events):
    def to_and_fro(numbers):
        inner, total = get_client(), 0
        for number in numbers:
            future = inner.submit(squared, number, pure=False)
            secede()
            total += future.result(timeout=SECONDS)
            rejoin()
        rejoin()
        return total, os.getpid()

    other = wait(client, events, "other")
    total, pid = client.submit(to_and_fro, range(5), pure=False).result(timeout=SECONDS)
    events("other").set()
    assert (total, pid) == (30, other.result(timeout=SECONDS)[0])


def test_large_values_go_to_and_come_from_tasks_that_waited(client, events):
    def doubled(array, begun, go_on):
        waits(begun, go_on)
        return array * 2

    arrays = [client.submit(np.full, 300_000, number, pure=False) for number in range(3)]
    futures = []
    for number, array in enumerate(arrays):
        begun = events(f"begun {number}")
        futures.append(client.submit(doubled, array, begun.name, events("go on").name))
        assert begun.wait(timeout=f"{SECONDS} s")
    del arrays, array
    sums = [client.submit(lambda x: int(x.sum()), client.submit(np.ones, 300_000, pure=False)) for _ in range(3)]
    assert client.gather(sums) == [300_000] * 3
    events("go on").set()
    assert [int(array[-1]) for array in client.gather(futures)] == [0, 2, 4]


def test_tasks_end_while_their_worker_computes_arrays(client, events):
    future = wait(client, events, "waits", "ended")
    total = client.compute(da.ones((300, 300), chunks=50).sum())
    events("waits").set()
    assert future.result(timeout=SECONDS)[1] == "ended"
    assert total.result(timeout=SECONDS) == 90_000

    def inside():
        return float(get_client().compute(da.ones((20, 20), chunks=10).sum()).result(timeout=SECONDS))

    def away():
        secede()
        return inside()

    assert client.submit(away, pure=False).result(timeout=SECONDS) == 400


def test_the_main_thread_takes_tasks_again_once_its_own_has_ended(client, events):
    def is_main():
        return threading.current_thread() is threading.main_thread()

    def comes_to_main():
        wait_for(lambda: client.submit(is_main, pure=False).result(timeout=SECONDS), "a task on the main thread")

    comes_to_main()
    future = wait(client, events, "waits")
    assert client.submit(is_main, pure=False).result(timeout=SECONDS) is False
    events("waits").set()
    future.result(timeout=SECONDS)
    comes_to_main()


def test_the_stacks_of_all_tasks_of_a_process_are_shown(client, events):
    futures = [wait(client, events, "go on") for _ in range(2)]
    futures.append(client.submit(runs, events("runs begun").name, events("go on").name, pure=False))
    assert events("runs begun").wait(timeout=f"{SECONDS} s")

    def seen(name):
        stacks = [stack for found in client.call_stack().values() for stack in found.values()]
        return sum(any(name in line for line in stack) for stack in stacks)

    wait_for(lambda: seen("waits") >= 2 and seen("runs") == 1, "three tasks on stacks")
    events("go on").set()
    client.gather(futures)


def test_a_task_that_waits_and_is_cancelled_leaves_the_others_alone(client, events):
    kept, dropped = wait(client, events, "kept"), wait(client, events, "dropped")
    begun = events("running begun")
    names = begun.name, events("running").name
    running_one = client.submit(runs, *names, pure=False)
    assert begun.wait(timeout=f"{SECONDS} s")
    client.cancel([dropped])
    wait_for(lambda: dropped.cancelled(), "the end of one that nobody wants")
    # Longer than a task that nobody wants is let go on.
    assert not Event("nobody sets it").wait(timeout="1.5 s")
    assert not kept.done() and not running_one.done()
    events("kept").set()
    pid, _ = kept.result(timeout=SECONDS)
    events("running").set()
    assert running_one.result(timeout=SECONDS) == pid
    assert client.submit(squared, 6, pure=False).result(timeout=SECONDS) == 36


def test_a_task_that_runs_and_is_cancelled_leaves_those_that_wait_alone(client, events):
    kept = wait(client, events, "kept")
    begun = events("stuck begun")
    dropped = client.submit(stuck, begun.name, pure=False)
    assert begun.wait(timeout=f"{SECONDS} s")
    client.cancel([dropped])
    # The only thread is free, although the task goes on.
    pid = client.submit(os.getpid, pure=False).result(timeout=SECONDS)
    events("kept").set()
    assert kept.result(timeout=SECONDS)[0] == pid
    # Nothing else runs there any more.
    wait_until_gone([pid])
    assert client.submit(squared, 4, pure=False).result(timeout=SECONDS) == 16


def test_a_process_of_which_nothing_is_wanted_ends(client, events):
    futures = [wait(client, events, "all") for _ in range(3)]
    pid = client.submit(os.getpid, pure=False).result(timeout=SECONDS)
    client.cancel(futures)
    wait_until_gone([pid])
    assert client.submit(squared, 5, pure=False).result(timeout=SECONDS) == 25


def test_no_task_is_lost_with_a_process_that_was_killed_between_two(client):
    for number in range(3):
        # The code of the first is to be forgotten when the second is sent.
        pid = client.submit(lambda: os.getpid(), pure=False).result(timeout=SECONDS)
        os.kill(pid, signal.SIGKILL)
        wait_until_gone([pid])
        assert client.submit(squared, number, pure=False).result(timeout=SECONDS) == number**2


def test_a_death_is_blamed_on_all_that_ran_in_the_process_and_on_nothing_else(tmp_path, monkeypatch):
    def crash():
        signal.raise_signal(signal.SIGSEGV)

    scheduler = core.start_scheduler({"kills_max": 0})
    monkeypatch.setenv("RASKR_TOKEN", scheduler.token)
    options = {"scheduler_address": scheduler.address, "token": scheduler.token, "local_directory": str(tmp_path)}
    worker = core.start_worker({**options, "nthreads": 1, "children": multiprocessing.children()})
    with Client(scheduler.address) as client:
        ended = wait(client, Event, "ended", "before")
        Event("ended").set()
        assert ended.result(timeout=SECONDS)[1] == "before"
        away = [wait(client, Event, "never") for _ in range(2)]
        last = client.submit(crash, pure=False)
        behind = client.map(squared, range(30), pure=False)
        for future in [*away, last]:
            with pytest.raises(core.KilledWorker, match="SIGSEGV"):
                future.result(timeout=SECONDS)
        assert client.gather(behind) == [number**2 for number in range(30)]
    worker.close()
    assert worker.wait(SECONDS) == "stopped"
    scheduler.close("the test is over")


def test_tasks_that_wait_run_again_when_another_kills_their_process(client, events, tmp_path):
    def once(place, value):
        secede()
        if not os.path.exists(place):
            open(place, "x").close()
            threading.Event().wait()
        return value

    def kill(places):
        while not all(map(os.path.exists, places)):
            threading.Event().wait(0.01)
        if not os.path.exists(places[0] + "-killed"):
            open(places[0] + "-killed", "x").close()
            signal.raise_signal(signal.SIGSEGV)
        return "done"

    places = [str(tmp_path / name) for name in ("one", "two")]
    futures = [client.submit(once, place, number, pure=False) for number, place in enumerate(places)]
    last = client.submit(kill, places, pure=False)
    assert client.gather([*futures, last]) == [0, 1, "done"]
