"""Functions, plugins and files on workers; what workers tell of themselves."""

import logging
import os
import sys
import threading

import pytest
from clusters import by_value, running, wait_for

from raskr.distributed import (
    Environ,
    ForwardOutput,
    NannyPlugin,
    PipInstall,
    SchedulerPlugin,
    UploadDirectory,
    UploadFile,
    WorkerPlugin,
    get_worker,
)

by_value(__name__)

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(scope="module", params=[True, False], ids=["processes", "threads"])
def client(request):
    with running(processes=request.param) as client:
        yield client


def on_each(client, function):
    """The results of a function as a task on each of the workers."""
    workers = client.nthreads()
    futures = [client.submit(function, workers=[worker], pure=False) for worker in workers]
    return dict(zip(workers, client.gather(futures)))


def test_a_function_runs_on_all_workers(client):
    assert set(client.run(lambda: 3)) == set(client.nthreads())
    one = next(iter(client.nthreads()))
    assert client.run(lambda left, right=2: left + right, 1, right=5, workers=[one]) == {one: 6}
    names = client.run(lambda dask_worker: dask_worker.address)
    assert all(worker == address for worker, address in names.items())


def test_tasks_find_what_a_function_set_up(client):
    name = "RASKR_TEST_SET_UP_BY_RUN"

    def set_up(value):
        os.environ.update({name: value})

    def tear_down():
        os.environ.pop(name, None)

    client.run(set_up, "there")
    try:
        assert set(on_each(client, lambda: os.environ.get(name)).values()) == {"there"}
    finally:
        client.run(tear_down)
    assert set(on_each(client, lambda: os.environ.get(name)).values()) == {None}


def test_coroutine_functions_run_on_workers(client):
    async def answer():
        return 17

    assert set(client.run(answer).values()) == {17}
    assert client.run(answer, wait=False) is None


def test_exceptions_of_functions_are_raised_returned_or_ignored(client):
    def fail():
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        client.run(fail)
    assert {type(error) for error in client.run(fail, on_error="return").values()} == {LookupError}
    assert client.run(fail, on_error="ignore") == {}
    with pytest.raises(ValueError, match="on_error"):
        client.run(fail, on_error="hide")


def test_a_function_looks_at_the_scheduler(client):
    assert client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.workers)) == set(client.nthreads())


class Model(WorkerPlugin):
    name = "model"

    def __init__(self, value):
        self.value = value

    def setup(self, worker):
        worker.model = self.value

    def teardown(self, worker):
        del worker.model


def test_a_plugin_is_there_for_tasks_and_functions(client):
    answers = client.register_plugin(Model(5))
    assert answers == {worker: {"status": "OK"} for worker in client.nthreads()}
    assert set(on_each(client, lambda: get_worker().model).values()) == {5}
    assert set(client.run(lambda dask_worker: dask_worker.model).values()) == {5}
    client.register_plugin(Model(6))
    assert set(on_each(client, lambda: get_worker().model).values()) == {6}
    client.unregister_worker_plugin("model")
    assert set(on_each(client, lambda: hasattr(get_worker(), "model")).values()) == {False}
    with pytest.raises(ValueError, match="no plugin 'model'"):
        client.unregister_worker_plugin("model")


def test_a_plugin_says_something_under_a_topic(client):
    class Saying(WorkerPlugin):
        def setup(self, worker):
            worker.log_event("set up", worker.address)

    client.register_plugin(Saying(), name="saying")
    assert set(client.nthreads()) <= {said for _, said in client.get_events("set up")}
    client.unregister_worker_plugin("saying")


def test_an_idempotent_plugin_stays(client):
    class Once(Model):
        name = "once"
        idempotent = True

    client.register_plugin(Once(1))
    client.register_plugin(Once(2))
    assert set(on_each(client, lambda: get_worker().model).values()) == {1}
    client.unregister_worker_plugin("once")


def test_a_plugin_that_fails_is_not_kept(client):
    class Broken(WorkerPlugin):
        def setup(self, worker):
            raise OSError("no model")

    with pytest.raises(OSError, match="no model"):
        client.register_plugin(Broken(), name="broken")
    assert set(client.run(lambda dask_worker: "broken" in dask_worker.plugins).values()) == {False}


def test_what_is_no_plugin_is_refused(client):
    with pytest.raises(TypeError, match="plugin"):
        client.register_plugin(object())
    with pytest.raises(TypeError, match="instance"):
        client.register_plugin(Model)


def test_plugins_of_nannies_and_callbacks_run_in_the_workers_own_process(client):
    class Note(NannyPlugin):
        def setup(self, nanny):
            nanny.noted = os.getpid()

    client.register_plugin(Note(), name="note")
    noted = client.run(lambda dask_worker: dask_worker.noted)
    assert noted == client.run(os.getpid)
    client.register_worker_callbacks(lambda dask_worker: setattr(dask_worker, "called", True))
    assert set(client.run(lambda dask_worker: dask_worker.called).values()) == {True}


def test_variables_of_the_environment_are_set(client, monkeypatch):
    monkeypatch.setenv("RASKR_TEST_PLUGIN", "before")
    client.register_plugin(Environ({"RASKR_TEST_PLUGIN": 3}))
    assert set(on_each(client, lambda: os.environ["RASKR_TEST_PLUGIN"]).values()) == {"3"}


def test_an_uploaded_file_is_imported_by_tasks(client, tmp_path):
    name = f"uploaded_{client.id.replace('-', '_')}"
    path = tmp_path / f"{name}.py"
    path.write_text("value = 1\n")
    client.upload_file(path)

    def value():
        return __import__(name).value

    try:
        assert set(on_each(client, value).values()) == {1}
        path.write_text("value = 22\n")
        client.upload_file(str(path))
        assert set(on_each(client, value).values()) == {22}
        places = client.run(lambda dask_worker: os.path.exists(os.path.join(dask_worker.local_directory, f"{name}.py")))
        assert set(places.values()) == {True}
    finally:
        sys.modules.pop(name, None)


def test_a_file_is_uploaded_by_a_plugin(client, tmp_path):
    path = tmp_path / "table.txt"
    path.write_text("numbers")
    client.register_plugin(UploadFile(str(path)))

    def read():
        with open(os.path.join(get_worker().local_directory, "table.txt")) as file:
            return file.read()

    assert set(on_each(client, read).values()) == {"numbers"}


def test_a_folder_is_uploaded(client, tmp_path):
    folder = tmp_path / f"models_{client.id.replace('-', '_')}"
    (folder / "tests").mkdir(parents=True)
    (folder / f"{folder.name}_inside.py").write_text("value = 4\n")
    (folder / "tests" / "left.py").write_text("")
    client.register_plugin(UploadDirectory(folder, update_path=True))

    def look():
        place = os.path.join(get_worker().local_directory, folder.name)
        return sorted(os.listdir(place)), __import__(f"{folder.name}_inside").value

    assert list(on_each(client, look).values()) == [([f"{folder.name}_inside.py"], 4)] * 2
    with pytest.raises(NotADirectoryError):
        UploadDirectory(tmp_path / "nowhere")


def test_what_can_not_be_installed_is_an_error(client):
    options = ["--no-index", "--disable-pip-version-check", "--quiet"]
    with pytest.raises(RuntimeError, match="installing no-such-package-of-raskr failed"):
        client.register_plugin(PipInstall(["no-such-package-of-raskr"], pip_options=options))


def test_plugins_of_the_scheduler_hear_of_workers_and_tasks(client):
    class Heard(SchedulerPlugin):
        def __init__(self):
            self.workers, self.tasks, self.ended = [], [], threading.Event()
            self.closed = False

        def add_worker(self, scheduler, worker):
            self.workers.append(worker)

        def transition(self, key, start, finish, *args, stimulus_id, **kwargs):
            if key.startswith("heard"):
                self.tasks.append((key, start, finish))
                self.ended.set()

        def close(self):
            self.closed = True

    plugin = Heard()
    client.register_plugin(plugin, name="heard")
    assert sorted(plugin.workers) == sorted(client.nthreads())
    key = f"heard-{client.id}"
    client.submit(lambda: 1, key=key).result(timeout=20)
    assert plugin.ended.wait(20)
    assert plugin.tasks == [(key, "processing", "memory")]
    client.unregister_scheduler_plugin("heard")
    assert plugin.closed
    with pytest.raises(ValueError, match="heard"):
        client.unregister_scheduler_plugin("heard")


def test_what_tasks_print_is_forwarded(client, capfd):
    client.register_plugin(ForwardOutput())
    heard = threading.Event()
    client.subscribe_topic("print", lambda event: heard.set())
    client.submit(lambda: sys.stdout.write("from a task\n") and None, pure=False).result(timeout=20)
    assert heard.wait(20)
    client.unregister_worker_plugin("ForwardOutput")
    assert any(said["args"] == ("from a task",) for _, said in client.get_events("print"))


def test_versions_of_all_processes_are_told(client):
    found = client.get_versions(check=True, packages=["numpy"])
    assert set(found) == {"client", "scheduler", "workers"}
    assert set(found["workers"]) == set(client.nthreads())
    assert found["client"]["packages"]["numpy"] == next(iter(found["workers"].values()))["packages"]["numpy"]


def test_logs_are_told(client):
    def log():
        logging.getLogger("raskr.distributed.test").warning("seen by nobody")

    client.run(log)
    for entries in client.get_worker_logs(n=5).values():
        assert any(level == "WARNING" and "seen by nobody" in text for level, text in entries)
    assert isinstance(client.get_scheduler_logs(n=3), tuple)


def test_what_tasks_log_is_forwarded(client):
    records, heard = [], threading.Event()

    class Keep(logging.Handler):
        def emit(self, record):
            if hasattr(record, "worker"):
                records.append(record)
                heard.set()

    logger = logging.getLogger("raskr_test_forwarded")
    handler = Keep()
    logger.addHandler(handler)
    client.forward_logging("raskr_test_forwarded")
    try:
        where = client.submit(
            lambda: logging.getLogger("raskr_test_forwarded").warning("low: %d", 3) or get_worker().address, pure=False
        ).result(timeout=20)
        assert heard.wait(20)
        assert (records[0].getMessage(), records[0].worker) == ("low: 3", where)
    finally:
        client.unforward_logging("raskr_test_forwarded")
        logger.removeHandler(handler)


def test_stacks_and_profiles_show_what_tasks_do(client):
    from raskr.distributed import Event

    def wait_in_a_task(name):
        return Event(name).wait(timeout="20 s")

    name = f"stacks-{client.id}"
    future = client.submit(wait_in_a_task, name, pure=False)

    def seen():
        stacks = client.call_stack()
        return [line for worker in stacks.values() for stack in worker.values() for line in stack]

    try:
        wait_for(lambda: any("wait_in_a_task" in line for line in seen()), "the task is on no stack")
        assert client.call_stack(futures=[future])
        profile = wait_for(
            lambda: (found := client.profile(key="wait_in_a_task"))["count"] and found, "the task was never seen"
        )
        assert profile["children"]
    finally:
        Event(name).set()
    assert future.result(timeout=20) is True
    assert set(client.profile(merge_workers=False)) == set(client.nthreads())


def test_a_profile_is_drawn(client, tmp_path):
    client.profile(filename=str(tmp_path / "profile.html"))
    assert (tmp_path / "profile.html").read_text().startswith("<!DOCTYPE html>")


def test_hardware_is_measured(client):
    found = client.benchmark_hardware()
    assert set(found) == {"memory", "disk", "network"}
    assert all(rate > 0 for kind in found.values() for rate in kind.values())
