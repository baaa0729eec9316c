"""The engine's scheduler as Python starts and asks it."""

import gc
import json
import os
import stat
import threading

import pytest
from clusters import wait_for

from raskr._bridge import core


@pytest.fixture
def scheduler():
    handle = core.start_scheduler({})
    yield handle
    handle.close()


def scheduler_threads():
    found = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as file:
                found.append(file.read().strip())
        except FileNotFoundError:
            continue
    return [name for name in found if name.startswith("raskr-sched")]


def test_a_scheduler_answers_until_it_is_closed_and_leaves_no_thread():
    before = len(scheduler_threads())
    handle = core.start_scheduler({"port": 0})
    assert handle.address.startswith("tcp://127.0.0.1:") and len(handle.token) == 64
    assert repr(handle) == f"<SchedulerHandle {handle.address}>"
    identity = json.loads(handle.ask('{"op": "identity"}')[0])
    assert (identity["type"], identity["address"], identity["workers"]) == ("Scheduler", handle.address, {})
    answer, buffers = handle.ask('{"op": "metadata_set", "keys": ["k"]}', [b"value"], 10.0)
    assert (json.loads(answer), buffers) == (None, [])
    assert handle.ask('{"op": "metadata_get", "keys": ["k"]}')[1] == [b"value"]
    assert handle.wait(0.0) is False
    handle.close("that was all")
    assert handle.wait() is True
    with pytest.raises(OSError, match="the scheduler has ended"):
        handle.ask('{"op": "identity"}')
    wait_for(lambda: len(scheduler_threads()) == before, scheduler_threads)


def test_a_question_is_refused_with_pythons_exceptions(scheduler):
    with pytest.raises(ValueError, match="did you mean identity"):
        scheduler.ask('{"op": "idntity"}')
    with pytest.raises(KeyError, match="'nothing' not found"):
        scheduler.ask('{"op": "dataset", "name": "nothing"}')
    with pytest.raises(TimeoutError, match="'v' was not set in time"):
        scheduler.ask('{"op": "variable_get", "name": "v", "timeout": 0}')
    with pytest.raises(TimeoutError, match="no answer within"):
        scheduler.ask('{"op": "event_wait", "name": "e", "timeout": null}', [], 0.01)


def test_asking_holds_no_interpreter(scheduler):
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(scheduler.ask('{"op": "event_wait", "name": "e", "timeout": null}')[0])
    )
    asking.start()
    scheduler.ask('{"op": "event_set", "name": "e"}')
    asking.join(20)
    assert answers == ["true"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"hst": "x"}, TypeError, 'no option "hst"; there are host, port'),
        ({"port": "x"}, TypeError, "port='x' is not what was expected"),
        ({"host": "0.0.0.0", "protocol": "tcp"}, ValueError, "open to the network without encryption"),
        ({"protocol": "ucx"}, ValueError, "expected 'tcp', 'tls' or 'inproc'"),
        ({"interface": "no-such-interface"}, ValueError, "no network interface 'no-such-interface'"),
        ({"host": "localhost", "interface": "lo"}, ValueError, "both given"),
        ({"tls_cert": "cert.pem"}, ValueError, "tls_ca_file and tls_cert"),
        ({"token": "secret"}, ValueError, "expected a token of 64 hexadecimal digits"),
        ({"idle_timeout": -1.0}, ValueError, "idle_timeout=-1: expected seconds"),
        ({"scheduler_file": "/no/such/folder/file.json"}, OSError, "/no/such/folder/file.json"),
    ],
)
def test_what_cannot_be_started_says_why(options, error, words):
    with pytest.raises(error, match=words):
        core.start_scheduler(options)


def test_a_port_in_use_is_told_with_the_process_that_has_it(scheduler):
    port = int(scheduler.address.rpartition(":")[2])
    with pytest.raises(OSError, match=f"127.0.0.1:{port} is in use by pid {os.getpid()}"):
        core.start_scheduler({"port": port})


def test_beyond_loopback_it_is_encrypted_unless_one_says_otherwise():
    for options, scheme in [({"host": "0.0.0.0"}, "tls"), ({"host": "*", "insecure": True}, "tcp")]:
        handle = core.start_scheduler(options)
        assert handle.address.startswith(f"{scheme}://") and "0.0.0.0" not in handle.address
        handle.close()


def test_its_file_is_the_users_own_and_goes_with_it(tmp_path):
    path = tmp_path / "scheduler.json"
    handle = core.start_scheduler({"scheduler_file": str(path), "publish": True})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text())
    assert (told["address"], told["token"], told["id"]) == (handle.address, handle.token, handle.id)
    assert (told["type"], told["services"], told["workers"]) == ("Scheduler", {}, {})
    states = os.path.join(os.environ["XDG_STATE_HOME"], "raskr", "clusters")
    assert os.listdir(states) == [f"{handle.id}.json"]
    handle.close()
    assert not path.exists() and os.listdir(states) == []


def test_it_ends_by_itself_without_work_or_when_nobody_holds_it():
    idle = core.start_scheduler({"idle_timeout": 0.05})
    assert idle.wait(20) is True
    before = len(scheduler_threads())
    handle = core.start_scheduler({})
    assert len(scheduler_threads()) > before
    del handle
    gc.collect()
    wait_for(lambda: len(scheduler_threads()) <= before, scheduler_threads)
