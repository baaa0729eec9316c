"""`raskr scheduler`, `raskr worker` and `raskr info`: what they take, say and leave behind."""

import json
import os
import re
import signal
import socket
import stat
import sys

import pytest
from clusters import command, descendants, end, finished, slow, wait_for, wait_until_gone

from raskr.cli import worker as worker_command
from raskr.cli._options import pid_file, words
from raskr.distributed import Client


# --- what they take ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "which scheduler? give its address, or --scheduler-file"),
        (("tcp://127.0.0.1:1", "--nworkers", "some"), "--nworkers some: expected a number, or auto"),
        (("tcp://127.0.0.1:1", "--nworkers", "-9999"), "--nworkers -9999: that is none"),
        (("tcp://127.0.0.1:1", "--nthreads", "0"), "--nthreads 0: expected at least 1"),
        (("tcp://127.0.0.1:1", "--nworkers", "3", "--worker-port", "9000:9001"), "2 ports for 3 workers"),
        (("tcp://127.0.0.1:1", "--worker-port", "a"), "expected PORT, or FIRST:LAST"),
        (("tcp://127.0.0.1:1", "--resources", "GPU"), "expected NAME=AMOUNT"),
        (("tcp://127.0.0.1:1", "--memory-limit", "lots"), "lots"),
        (("tcp://127.0.0.1:1", "--lifetime", "long"), "argument --lifetime: 'long': expected seconds"),
        (("tcp://127.0.0.1:1", "--nonsense"), "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_words_for_a_worker_are_one_line_and_exit_code_2(arguments, expected, capsys, monkeypatch):
    monkeypatch.delenv("RASKR_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(SystemExit) as exit:
        worker_command.main(arguments)
    said = capsys.readouterr().err
    assert exit.value.code == 2 and expected in said and said.count("\n") == 1 and "raskr worker --help" in said


def test_how_many_workers_and_threads(monkeypatch):
    monkeypatch.setattr(worker_command, "CPU_COUNT", 8)
    counts = worker_command._counts
    assert counts("1", None) == (1, 8) and counts("2", None) == (2, 4) and counts("-1", None) == (8, 1)
    assert counts("-3", 2) == (6, 2) and counts("20", None) == (20, 1)
    with pytest.raises(ValueError, match="leave --nthreads out"):
        counts("auto", 2)


def test_names_and_ports_of_several_workers():
    options = worker_command.parser().parse_args(
        words(["tcp://127.0.0.1:1", "--nworkers", "2", "--name", "a", "--worker-port", "9000:9005", "--nthreads", "3"])
    )
    described = worker_command._described(options)
    assert [one.name for one in described] == ["a-0", "a-1"]
    assert [one.options["port"] for one in described] == [9000, 9001]
    assert described[0].options["nthreads"] == 3 and described[0].options["scheduler_address"] == "tcp://127.0.0.1:1"


def test_the_file_of_the_process_id_goes_with_the_process(tmp_path):
    path = tmp_path / "pid"
    with pid_file(str(path)):
        assert path.read_text() == str(os.getpid())
    assert not path.exists()
    with pid_file(str(path)):
        path.write_text("1")
    assert path.read_text() == "1"


# --- what they do -----------------------------------------------------------------------------------------------------
@pytest.fixture
def scheduler(tmp_path):
    """A scheduler by command: its process and the file by which it is found."""
    file = tmp_path / "scheduler.json"
    process = command("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    try:
        wait_for(lambda: process.poll() is not None or file.exists(), "the scheduler file")
        yield process, file
    finally:
        end(process)


def address_of(file):
    return json.loads(file.read_text())["address"]


def test_a_cluster_by_command_runs_tasks_and_ends_with_shutdown(scheduler, tmp_path):
    process, file = scheduler
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    worker = command("worker", "--scheduler-file", str(file), "--nworkers", "2", "--nthreads", "1", "--name", "w")
    try:
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(2, timeout=30)
            assert client.gather(client.map(slow, range(10))) == list(range(10))
            pids = [worker.pid, *descendants(worker.pid)]
            assert len(pids) >= 3
            client.shutdown()
        code, output, errors = finished(worker)
        assert (code, errors) == (0, "") and "raskr worker w-0 at " in output and "raskr worker w-1 at " in output
        code, output, errors = finished(process)
        assert (code, errors) == (0, "") and re.search(r"^raskr scheduler at tcp://127\.0\.0\.1:\d+$", output, re.M)
        wait_until_gone(pids)
        assert not file.exists()
    finally:
        end(worker)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_scheduler_and_its_workers_cleanly(scheduler, number):
    process, file = scheduler
    process.send_signal(number)
    code, output, errors = finished(process)
    assert (code, errors) == (0, "") and "has ended" in output and not file.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("more", [(), ("--no-nanny",)])
def test_a_signal_ends_workers_cleanly(scheduler, number, more, tmp_path):
    process, file = scheduler
    folder = tmp_path / "spill"
    worker = command("worker", address_of(file), "--nthreads", "1", "--local-directory", str(folder), *more)
    try:
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(1, timeout=30)
            pids = [worker.pid, *descendants(worker.pid)]
            worker.send_signal(number)
            code, output, errors = finished(worker, 40)
            assert (code, errors) == (0, "")
            wait_until_gone(pids)
            wait_for(lambda: not client.scheduler_info()["workers"], "the worker's leave")
        assert os.listdir(folder) == []
    finally:
        end(worker)


def test_the_scheduler_says_what_holds_its_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, errors = finished(command("scheduler", "--port", str(port), "--no-dashboard"))
    assert code == 1 and errors.count("\n") == 1
    assert f"127.0.0.1:{port}" in errors and "in use" in errors and f"pid {os.getpid()}" in errors


def unused_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_worker_gives_up_a_scheduler_that_is_not_there():
    address = f"tcp://127.0.0.1:{unused_port()}"
    environment = {**os.environ, "RASKR_TOKEN": "ab" * 32}
    code, _, errors = finished(command("worker", address, "--death-timeout", "1s", env=environment))
    assert code == 1 and errors.count("\n") == 1 and address.partition("://")[2] in errors


def test_a_worker_with_another_token_is_told_so(scheduler):
    _, file = scheduler
    environment = {**os.environ, "RASKR_TOKEN": "ab" * 32, "XDG_STATE_HOME": str(file.parent / "nobody")}
    code, _, errors = finished(command("worker", address_of(file), "--death-timeout", "2s", env=environment))
    assert code == 1 and errors.count("\n") == 1 and "token" in errors


def test_a_worker_waits_for_the_scheduler_file_as_long_as_it_is_told(tmp_path):
    file = tmp_path / "never.json"
    code, _, errors = finished(command("worker", "--scheduler-file", str(file), "--death-timeout", "0.5s"))
    assert code == 1 and "no scheduler file after 0.5 s" in errors


def test_a_worker_lives_as_long_as_it_is_told(scheduler):
    _, file = scheduler
    worker = command("worker", "--scheduler-file", str(file), "--nthreads", "1", "--lifetime", "0.5s")
    try:
        code, _, errors = finished(worker, 40)
        assert (code, errors) == (0, "")
    finally:
        end(worker)


def test_modules_are_preloaded_where_tasks_run(scheduler, tmp_path):
    _, file = scheduler
    module = tmp_path / "preloaded.py"
    module.write_text("import os\ndef dask_setup(worker):\n    os.environ['SET_UP_FOR'] = worker.name\n")
    worker = command("worker", address_of(file), "--nthreads", "1", "--name", "p", "--preload", str(module))
    try:
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(1, timeout=30)
            assert client.submit(lambda: __import__("os").environ.get("SET_UP_FOR")).result(timeout=30) == "p"
            client.shutdown()
        assert finished(worker)[0] == 0
    finally:
        end(worker)


def test_a_scheduler_without_work_ends_after_the_idle_timeout():
    code, output, errors = finished(command("scheduler", "--port", "0", "--no-dashboard", "--idle-timeout", "500 ms"))
    assert (code, errors) == (0, "") and "has ended" in output


def test_info_lists_the_clusters_of_the_user_and_shows_one(scheduler):
    _, file = scheduler
    code, output, errors = finished(command("info"))
    assert (code, errors) == (0, "") and address_of(file) in output
    assert json.loads(file.read_text())["token"] not in output
    code, output, errors = finished(command("info", address_of(file), "--json"))
    assert (code, errors) == (0, "") and json.loads(output)["workers"] == {}
    code, output, errors = finished(command("info", "versions", "--json"))
    assert json.loads(output)["Python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}")


def test_info_about_a_cluster_that_is_not_there():
    environment = {**os.environ, "RASKR_TOKEN": "ab" * 32}
    address = f"tcp://127.0.0.1:{unused_port()}"
    code, _, errors = finished(command("info", address, "--timeout", "1s", env=environment))
    assert code == 1 and errors.startswith("raskr info: ") and errors.count("\n") == 1


def test_commands_that_are_meant_are_named():
    code, _, errors = finished(command("sheduler", "--port", "0"))
    assert code == 2 and "did you mean: raskr scheduler --port 0" in errors
