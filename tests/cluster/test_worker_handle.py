"""Workers of this process by the engine's own names: how they join, answer and end."""

import json
import time

import pytest

from raskr._bridge import core

SECONDS = 20.0


@pytest.fixture
def scheduler():
    handle = core.start_scheduler({})
    yield handle
    handle.close("the test is over")


def start(scheduler, **options):
    return core.start_worker({"scheduler_address": scheduler.address, "token": scheduler.token, **options})


def ask(scheduler, **question):
    return json.loads(scheduler.ask(json.dumps(question), [], SECONDS)[0])


def test_a_worker_joins_and_ends_as_it_is_told(scheduler, tmp_path):
    stopped = start(scheduler, name="alpha", nthreads=3, memory_limit=1 << 30, local_directory=str(tmp_path))
    known = ask(scheduler, op="identity")["workers"]
    assert list(known) == [stopped.address]
    assert known[stopped.address]["name"] == "alpha"
    assert known[stopped.address]["nthreads"] == 3
    assert known[stopped.address]["local_directory"] == str(tmp_path)
    assert stopped.wait(0.01) is None
    stopped.close()
    assert stopped.wait(SECONDS) == "stopped"

    left = start(scheduler)
    left.leave()
    assert left.wait(SECONDS) == "left"

    closed = start(scheduler)
    scheduler.close("enough")
    assert closed.wait(SECONDS) == "closed"


def test_a_worker_without_a_name_is_called_by_its_address(scheduler):
    worker = start(scheduler)
    assert worker.name == worker.address
    worker.close()


def test_questions_reach_the_workers_own_process(scheduler):
    worker = start(scheduler, name="asked")
    text, buffers = scheduler.ask(
        json.dumps({"op": "call_workers", "workers": None, "question": {"op": "no such thing"}, "timeout": SECONDS}),
        [],
        SECONDS,
    )
    (reply,) = json.loads(text)["replies"]
    assert reply["worker"] == worker.address
    assert (
        json.loads(reply["answer"])["status"] == "error"
        if isinstance(reply["answer"], str)
        else reply["answer"]["status"] == "error"
    )
    assert b"no such thing" in buffers[0]
    worker.close()


def test_what_keeps_a_worker_out_is_told_at_once(scheduler):
    with pytest.raises(OSError, match="has another token"):
        core.start_worker({"scheduler_address": scheduler.address, "token": "ab" * 32})
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="no scheduler was found within 0.4 s.*nothing listens there"):
        core.start_worker({"scheduler_address": "tcp://127.0.0.1:1", "token": "ab" * 32, "death_timeout": 0.4})
    assert time.monotonic() - begun < SECONDS
    with pytest.raises(ValueError, match="needs the address of a scheduler"):
        core.start_worker({})
    with pytest.raises(TypeError, match='no option "nthread"'):
        start(scheduler, nthread=1)
    with pytest.raises(TypeError, match="nthreads='many'"):
        start(scheduler, nthreads="many")


def test_only_tasks_secede():
    assert core.current_task() is None
    with pytest.raises(ValueError, match="no task of a worker"):
        core.secede()
