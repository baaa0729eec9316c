"""A worker's own process and its children: what one is asked the others do as well."""

import json
import os
import pickle
import subprocess
import sys

import pytest
from clusters import by_value, wait_for

from raskr.distributed import Environ, WorkerPlugin, _worker_calls, _worker_child, _worker_lines
from raskr.distributed._conversation import pack

by_value(__name__)

# What the program of a child does, without the engine: a task that never ends.
PROGRAM = """
import sys, importlib.util as u
name, file = sys.argv[1:]
s = u.spec_from_file_location(name, file)
m = sys.modules[name] = u.module_from_spec(s)
s.loader.exec_module(m)
m.begin()
print([name for name in sys.modules if name.startswith("raskr")], flush=True)
def task():
    while True:
        sum(range(100))
task()
"""


class Worker:
    def __init__(self, folder):
        self.about = {
            "address": f"tcp://127.0.0.1:{os.getpid()}",
            "name": "one",
            "local_directory": folder,
            "nthreads": 2,
        }
        self.children = []
        _, _, variables, _, _ = _worker_calls.children(folder, nthreads=2)
        self.environment = {**os.environ, **dict(variables), "RASKR_WORKER_ADDRESS": self.about["address"]}

    def start_child(self):
        arguments = [sys.executable, "-c", PROGRAM, _worker_child.__name__, _worker_child.__file__]
        child = subprocess.Popen(arguments, env=self.environment, stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        self.loaded = child.stdout.readline()
        return child.pid

    def ask(self, operation, *buffers, **more):
        answer, data = _worker_calls.handle(
            json.dumps({"op": operation, **more}), list(buffers), json.dumps(self.about)
        )
        value = pickle.loads(data[0])
        if json.loads(answer)["status"] == "error":
            raise value[0]
        return value


@pytest.fixture
def worker(tmp_path):
    worker = Worker(str(tmp_path))
    yield worker
    for child in worker.children:
        child.kill()
        child.communicate()
    _worker_lines._lasting.clear()
    # Other tests have workers in this process whose tasks run on threads.
    _worker_lines._listen.cache_clear()


class Note(WorkerPlugin):
    def setup(self, worker):
        with open(os.path.join(worker.local_directory, f"up-{os.getpid()}"), "w"):
            pass

    def teardown(self, worker):
        os.remove(os.path.join(worker.local_directory, f"up-{os.getpid()}"))


def noted(worker):
    return {int(name[3:]) for name in os.listdir(worker.about["local_directory"]) if name.startswith("up-")}


def test_a_plugin_is_set_up_in_children_that_are_there_and_in_later_ones(worker):
    first = worker.start_child()
    worker.ask("plugin_add", pack(Note()), name="note")
    assert noted(worker) == {os.getpid(), first}
    later = worker.start_child()
    assert noted(worker) == {os.getpid(), first, later}
    worker.ask("plugin_remove", name="note")
    assert noted(worker) == set()
    worker.start_child()
    assert noted(worker) == set()


def _note(folder):
    os.mkdir(os.path.join(folder, f"up-{os.getpid()}"))
    return os.getpid()


async def _note_later(folder, dask_worker):
    assert dask_worker.address
    return _note(folder)


def _note_once(folder):
    os.mkdir(os.path.join(folder, "once"))
    return "made"


def test_what_a_worker_runs_its_children_run_too_and_later_ones(worker):
    folder = worker.about["local_directory"]
    first = worker.start_child()
    assert worker.ask("run", pack((_note, (folder,), {}))) == os.getpid()
    assert noted(worker) == {os.getpid(), first}
    assert worker.start_child() in noted(worker)
    # A child that can't do it again says nothing.
    assert worker.ask("run", pack((_note_once, (folder,), {}))) == "made"


def test_what_a_worker_runs_may_want_the_worker_and_wait(worker):
    first = worker.start_child()
    assert worker.ask("run", pack((_note_later, (worker.about["local_directory"],), {}))) == os.getpid()
    assert noted(worker) == {os.getpid(), first}


def test_of_what_was_run_the_last_is_kept_for_later_children(worker):
    for number in range(_worker_lines._RUNS_MAX + 5):
        worker.ask("run", pack((abs, (number,), {})))
        worker.ask("run", pack((abs, (0,), {})))
    assert len(_worker_lines._lasting) == _worker_lines._RUNS_MAX


def test_a_child_without_plugins_does_not_load_the_package(worker):
    worker.start_child()
    assert worker.loaded == "['raskr.distributed._worker_child']\n"


def test_a_child_that_died_keeps_nobody_waiting(worker):
    worker.start_child()
    worker.children[0].kill()
    worker.children[0].wait()
    worker.ask("plugin_add", pack(Environ({"RASKR_TEST_CHILD": None})), name="environment")
    wait_for(lambda: not _worker_lines.pids(), "the child is still listed")


def test_stacks_and_profiles_come_from_children(worker):
    pid = worker.start_child()
    stack = wait_for(lambda: worker.ask("call_stack").get(f"process {pid}"), "the task is not seen")
    assert stack[0][2] == "task"

    def is_in_profile():
        return any(function == "task" for stack in worker.ask("profile") for _, _, function in stack)

    # What the child did before may have been seen first.
    wait_for(is_in_profile, "the task is in no profile")


COLLECTING = """
import gc, threading
from raskr.distributed._worker_child import frames_now

class Cycle:
    def __init__(self):
        self.own, self.data = self, threading.local()
        self.data.value = 1

ended = threading.Event()

def step():
    ended.wait(0.001)

def steps():
    while not ended.is_set():
        step()

for _ in range(10):
    threading.Thread(target=steps).start()
gc.set_threshold(1)
for _ in range(300):
    gc.disable()
    cycles = [Cycle() for _ in range(3)]
    del cycles
    gc.enable()
    assert len(frames_now()) == 11
    assert gc.isenabled()
ended.set()
print("fine")
"""


def test_looking_at_threads_does_not_meet_a_garbage_collection():
    """A collection that drops thread-local data while threads are listed waits for itself forever in Python 3.11."""
    done = subprocess.run([sys.executable, "-c", COLLECTING], capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_nobody_else_gets_in(worker):
    address = worker.environment[_worker_child.VARIABLE].rpartition("#")[0]
    stream = _worker_child.connect(address, bytes(32))
    with pytest.raises((EOFError, ConnectionError)):
        _worker_child.receive_frame(stream)
    stream.close()


def test_what_a_worker_does_not_know_is_an_error(worker):
    with pytest.raises(ValueError, match="is asked 'nothing'"):
        worker.ask("nothing")


def test_an_exception_that_can_not_be_pickled_keeps_its_class(worker):
    class Odd(LookupError):
        def __init__(self, left, right):
            super().__init__(f"{left} {right}")

    def fail():
        raise Odd(1, 2)

    with pytest.raises(LookupError, match="1 2"):
        worker.ask("run", pack((fail, (), {})))
