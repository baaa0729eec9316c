"""What tests of real clusters share: processes of a cluster are found, waited for, and never left behind."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time

import cloudpickle
import pytest
from children import alive


def wait_for(condition, what, seconds=30):
    """Waits until something is so, and gives what the condition gave."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit, f"not within {seconds} s: {what() if callable(what) else what}"
        threading.Event().wait(0.02)
    return found


def descendants(pid=None):
    """Process ids of all that stand under a process, this one by default."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] not in "ZX":
                parents.setdefault(int(fields[1]), []).append(int(entry))
    found, waiting = [], [os.getpid() if pid is None else pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def wait_until_gone(pids, seconds=20):
    """Waits for the end of processes."""
    wait_for(lambda: not any(map(alive, pids)), lambda: f"the end of {[p for p in pids if alive(p)]}", seconds)


def command(*arguments, env=None):
    """Starts a command of raskr's; tasks find this module."""
    env = dict(os.environ if env is None else env)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [os.path.dirname(__file__), env.get("PYTHONPATH")]))
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-m", "raskr", *arguments], stdout=pipe, stderr=pipe, text=True, env=env)


def finished(process, seconds=45):
    """What a command has said, once it has ended: exit code, output, errors."""
    output, errors = process.communicate(timeout=seconds)
    return process.returncode, output, errors


def end(*processes):
    """Ends what a test has started, whatever became of it."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def slow(x, seconds=0.01):
    """A task that takes long enough for something to happen meanwhile."""
    import time

    time.sleep(seconds)
    return x


def by_value(module):
    """Classes of a module of tests travel as they are: workers can't import it."""
    cloudpickle.register_pickle_by_value(sys.modules[module])


@contextlib.contextmanager
def running(n_workers=2, threads_per_worker=1, processes=True, **options):
    """A client of a cluster on this machine; every process that it started must be gone afterwards."""
    from raskr.distributed import Client, LocalCluster

    before = set(descendants())
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", folder)
        with LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads_per_worker,
            processes=processes,
            dashboard_address=None,
            **options,
        ) as cluster:
            started = set(descendants()) - before
            with Client(cluster, timeout="20 s") as client:
                client.wait_for_workers(n_workers, timeout=20)
                yield client
        wait_until_gone(started)
