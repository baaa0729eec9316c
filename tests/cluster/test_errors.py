"""What goes wrong on a cluster is told as a clear error, within a second or the time that was given."""

import functools
import os
import pathlib
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from clusters import by_value, running, wait_for

import raskr
from raskr.distributed import CancelledError, Client, KilledWorker, LocalCluster, TaskInterrupted, as_completed, wait

by_value(__name__)
ANOTHER_TOKEN = {"token": "ab" * 32}
# What a slow machine adds to a wait that ends when it should: far less than the waits that would follow if it did not.
SLACK = 30


@pytest.fixture(scope="module")
def client():
    with running(n_workers=1, threads_per_worker=2) as made:
        # A child that has still to start takes its time, which is not what is looked at here.
        assert made.submit(abs, -1).result(30) == 1
        yield made


@pytest.fixture
def promptly():
    """A time that is given is kept; without one the limit of the whole test counts."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < SLACK


@pytest.fixture
def unused():
    """A port of this machine that nobody listens on, held so that nobody will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def server():
    """Starts servers that do to each connection what they are told."""
    started = []

    def serve(act):
        listener = socket.create_server(("127.0.0.1", 0))
        started.append(listener)

        def accept():
            kept = []
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return [connection.close() for connection in kept]
                act(kept[-1])

        threading.Thread(target=accept, daemon=True).start()
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for listener in started:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


# --- connecting -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense://127.0.0.1:1", "nonsense"),
        ("tcp://127.0.0.1:99999", "99999"),
        ("http://127.0.0.1:8787/status", "dashboard"),
    ],
)
def test_what_is_no_address(address, words, promptly):
    with pytest.raises(ValueError, match="is no address") as told:
        Client(address, security=ANOTHER_TOKEN)
    assert words in str(told.value) and "expected tcp://host:port" in str(told.value)


def test_a_host_that_is_not_known(promptly):
    with pytest.raises(OSError, match=r"no-such-host\.invalid:1: the host name was not found"):
        Client("tls://no-such-host.invalid:1", security=ANOTHER_TOKEN, timeout=5)


def test_a_port_where_nothing_listens(unused, promptly):
    with pytest.raises(OSError, match=f"127.0.0.1:{unused}: connection refused: nothing listens there"):
        Client(f"tcp://127.0.0.1:{unused}", security=ANOTHER_TOKEN)
    with pytest.raises(OSError, match="connection refused"):
        Client(f"tcp://127.0.0.1:{unused}", security=ANOTHER_TOKEN, timeout=0.3)


def test_a_cluster_of_which_no_token_is_known(client, monkeypatch, tmp_path, promptly):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(OSError, match="no token is known for it: set RASKR_TOKEN"):
        Client(client.scheduler.address, timeout=5)


def test_another_clusters_token(client, promptly):
    with pytest.raises(OSError, match="has another token: .*check RASKR_TOKEN or the scheduler file"):
        Client(client.scheduler.address, security=ANOTHER_TOKEN, timeout=5)
    assert client.submit(abs, -3, pure=False).result(20) == 3


def test_another_version(server, promptly):
    def answer(connection):
        begin = connection.recv(64)
        # Our opening, with other versions of the protocol, of a release 9.8.7.
        connection.sendall(begin[:16] + struct.pack("<6H", 1, 7, 8, 9, 8, 7) + bytes(36))

    with pytest.raises(OSError, match=r"runs raskr 9\.8\.7, which speaks version 7 to 8 .* install the same version"):
        Client(server(answer), security=ANOTHER_TOKEN, timeout=5)


def test_a_server_of_something_else(server, promptly):
    address = server(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(OSError, match="answers like HTTP: is this the dashboard's port?"):
        Client(address, security=ANOTHER_TOKEN, timeout=5)
    address = server(
        lambda connection: connection.sendall(b"220 mail.example ESMTP ready, nothing to see here\r\n" * 4)
    )
    with pytest.raises(OSError, match=address):
        Client(address, security=ANOTHER_TOKEN, timeout=5)


def test_a_server_that_says_nothing(server, promptly):
    address = server(lambda connection: None)
    with pytest.raises(TimeoutError, match="nothing was answered within [0-9.]+ms: is this a raskr process"):
        Client(address, security=ANOTHER_TOKEN, timeout=0.3)


def test_a_server_that_hangs_up(server, promptly):
    address = server(lambda connection: connection.close())
    with pytest.raises(OSError, match=address):
        Client(address, security=ANOTHER_TOKEN, timeout=5)


def test_a_scheduler_file_that_is_none(tmp_path, promptly):
    file = tmp_path / "scheduler.json"
    with pytest.raises((OSError, TimeoutError), match=r"scheduler\.json"):
        Client(scheduler_file=str(file), timeout=0.3)
    file.write_text('{"address": 7}')
    with pytest.raises(ValueError, match=r"scheduler\.json: expected"):
        Client(scheduler_file=str(file), timeout=1)


def test_a_port_that_is_in_use(promptly):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port} is in use by pid {os.getpid()}"):
            LocalCluster(n_workers=0, scheduler_port=port, dashboard_address=None)


# --- what is sent -----------------------------------------------------------------------------------------------------
def closed_over(lock):
    def function(x):
        return lock, x

    return function


def test_what_can_not_be_sent_is_named(client, promptly):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        client.submit(closed_over(lock), 1)
    with pytest.raises(TypeError, match="lock"):
        client.submit(len, [lock])
    with pytest.raises(TypeError, match="lock"):
        client.map(functools.partial(max, lock), range(3))
    with pytest.raises(TypeError, match="lock"):
        client.scatter(lock)
    with pytest.raises(TypeError, match="lock"):
        raskr.delayed(closed_over(lock))(1).compute(scheduler=client)
    assert client.submit(abs, -4, pure=False).result(20) == 4


def test_a_result_that_can_not_be_sent_is_the_tasks_error(client, promptly):
    def make():
        import threading

        return threading.Lock()

    with pytest.raises(TypeError, match="lock"):
        client.submit(make, pure=False).result(20)
    assert client.submit(abs, -5, pure=False).result(20) == 5


@pytest.fixture
def only_here(tmp_path, monkeypatch):
    """A module that this process can import and workers, which were started before, cannot."""
    (tmp_path / "known_here_only.py").write_text("def answer(x):\n    return x + 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import known_here_only

    yield known_here_only
    del sys.modules["known_here_only"]


def test_a_module_that_workers_do_not_have(client, only_here, promptly):
    with pytest.raises(ModuleNotFoundError, match="No module named 'known_here_only'"):
        client.submit(only_here.answer, 1).result(20)
    with pytest.raises(ModuleNotFoundError, match="No module named 'known_here_only'"):
        client.gather(client.map(only_here.answer, range(10)))
    # That is what uploading is for.
    client.upload_file(only_here.__file__)
    assert client.submit(only_here.answer, 2, pure=False).result(20) == 3


# --- what tasks do ----------------------------------------------------------------------------------------------------
class Odd(Exception):
    """Can't be pickled back: it takes more than it gives to its base."""

    def __init__(self, what, where):
        super().__init__(f"{what} in {where}")


def raising(how):
    if how == "exit":
        sys.exit(3)
    if how == "base":
        raise KeyboardInterrupt("by the task")
    if how == "recursion":
        return raising(how)
    if how == "odd":
        raise Odd("a thing", "a place")
    raise ValueError(how)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("plain", ValueError, "plain"),
        ("exit", TaskInterrupted, "SystemExit: 3"),
        ("base", TaskInterrupted, "KeyboardInterrupt: by the task"),
        ("recursion", RecursionError, "maximum recursion depth"),
        ("odd", Exception, "a thing in a place"),
    ],
)
def test_what_a_task_raises_reaches_the_caller_and_the_worker_lives_on(client, how, error, words, promptly):
    workers = client.scheduler_info()["workers"]
    with pytest.raises(error, match=words):
        client.submit(raising, how, pure=False).result(20)
    assert client.submit(abs, -6, pure=False).result(20) == 6
    assert client.scheduler_info()["workers"].keys() == workers.keys()


def test_a_task_that_ends_its_process_each_time(client):
    def die():
        import os

        os._exit(7)

    future = client.submit(die, pure=False)
    with pytest.raises(KilledWorker, match=r"(?s)die.*times: exit 7, .*exit 7; peak"):
        future.result(30)
    assert future.status == "error"
    assert client.submit(abs, -7, pure=False).result(20) == 7


def test_inputs_that_failed_are_the_error_of_what_stands_on_them(client, promptly):
    first = client.submit(raising, "the first", pure=False)
    last = client.submit(abs, client.submit(abs, first))
    with pytest.raises(ValueError, match="the first"):
        last.result(20)


# --- waiting ----------------------------------------------------------------------------------------------------------
def until_there(path):
    import pathlib
    import threading

    while not pathlib.Path(path).exists():
        threading.Event().wait(0.01)
    return path


@pytest.fixture
def held(client, tmp_path):
    """A future of a task that runs until the test is over."""
    path = tmp_path / "go"
    future = client.submit(until_there, str(path), pure=False)
    yield future
    path.touch()
    wait_for(lambda: future.status != "pending", "the end of a task")


def test_waits_end_when_their_time_is_up(client, held, promptly):
    for given in (0, 0.2, "200ms"):
        with pytest.raises(TimeoutError):
            held.result(timeout=given)
    with pytest.raises(TimeoutError):
        held.exception(timeout=0.1)
    with pytest.raises(TimeoutError):
        wait([held], timeout=0.1)
    with pytest.raises(TimeoutError):
        list(as_completed([held], timeout=0.1))
    with pytest.raises(TimeoutError, match="1"):
        client.wait_for_workers(5, timeout=0.2)
    assert held.status == "pending"


def test_a_result_of_a_future_that_was_cancelled(client, held, promptly):
    behind = client.submit(abs, held)
    futures = client.map(until_there, [f"/nonexistent/{i}" for i in range(3)], pure=False)
    client.cancel([*futures, behind])
    for future in (*futures, behind):
        wait_for(future.cancelled, "the cancelling of a future")
        with pytest.raises(CancelledError, match="cancel"):
            future.result(20)
    with pytest.raises(CancelledError):
        client.gather([*futures, client.submit(abs, -1)])
    assert held.status == "pending"


def test_who_waits_is_told_when_a_future_is_cancelled(client, tmp_path, promptly):
    future = client.submit(until_there, str(tmp_path / "never"), pure=False)
    told = []

    def waiting():
        try:
            future.result(20)
        except CancelledError as error:
            told.append(error)

    thread = threading.Thread(target=waiting)
    thread.start()
    wait_for(lambda: client.processing() and any(client.processing().values()), "the begin of a task")
    future.cancel()
    thread.join(10)
    (tmp_path / "never").touch()
    assert len(told) == 1


def test_futures_of_a_client_that_is_closed(client, promptly):
    with Client(client.cluster, set_as_default=False) as other:
        future = other.submit(abs, -8, pure=False)
        assert future.result(20) == 8
    for use in (future.result, lambda: other.submit(abs, 1), lambda: other.gather([future]), other.scheduler_info):
        with pytest.raises((CancelledError, RuntimeError, ValueError), match="clos|cancel"):
            use()


def test_a_task_that_no_worker_may_run_says_why(client, promptly):
    future = client.submit(abs, -9, resources={"GPU": 1}, pure=False)
    with pytest.raises(TimeoutError):
        future.result(0.3)
    assert "GPU" in client.why(future)


def test_a_cluster_that_ends_tells_who_waits(tmp_path):
    """A scheduler that is killed: those who wait for a result are told so, and so are those who come later."""
    program = textwrap.dedent("""
        import sys
        from raskr.distributed import Client, LocalCluster
        if __name__ == "__main__":
            with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
                print(cluster.scheduler_address, cluster.token, flush=True)
                sys.stdin.read()
    """)
    file = pathlib.Path(tmp_path, "program.py")
    file.write_text(program)
    process = subprocess.Popen([sys.executable, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address, token = process.stdout.readline().split()
        with Client(address, security={"token": token}, set_as_default=False, timeout=10) as client:
            future = client.submit(abs, -1)
            threading.Timer(0.2, process.kill).start()
            with pytest.raises((OSError, CancelledError), match=r"scheduler|lost|connection"):
                future.result(20)
            with pytest.raises((OSError, CancelledError, RuntimeError), match=r"scheduler|lost|connection|clos"):
                client.submit(abs, -2).result(20)
    finally:
        process.kill()
        process.communicate()


def _raise_from(cause):
    try:
        try:
            raise KeyError("first")
        except KeyError:
            {}["second"]
    except KeyError as context:
        raise ValueError("third") from (cause or context)


def test_exceptions_keep_those_that_they_were_raised_from(client):
    error = client.submit(_raise_from, None).exception(30)
    assert isinstance(error, ValueError) and error.__cause__.args == ("second",)
    assert error.__cause__.__context__.args == ("first",)
    error = client.submit(_raise_from, LookupError("given")).exception(30)
    assert error.__cause__.args == ("given",) and error.__context__.args == ("second",)
    # What can't be sent is left out, and the exception comes all the same.
    error = client.submit(lambda: _raise_from(LookupError(threading.Lock()))).exception(30)
    assert type(error) is ValueError and error.args == ("third",)
