"""Row 16 of the table of faults: the disk that a worker spills to is full. The disk is a small one of the worker's own, in a
namespace of mounts; where the machine gives none these tests are skipped."""

import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from clusters import by_value, command, descendants, end, finished, wait_for, wait_until_gone

from raskr.distributed import Client, wait

by_value(__name__)

LIMIT, DISK, VALUE = 128 << 20, 64 << 20, 8 << 20

# What is left on the disk when the worker has ended goes to the output.
RUN = """mount -t tmpfs -o size={size} tmpfs {folder} || exit 77
{command}
code=$?
echo left: $(ls -A {folder})
exit $code
"""


def full(x):
    return np.full(VALUE, x, dtype="u1")


def right(value, x):
    return value.nbytes == VALUE and bool((value == x).all())


@pytest.fixture
def worker(tmp_path):
    """A worker with a limit of memory, and of disk: its process, the scheduler file and the folder as seen from here."""
    file, folder = tmp_path / "scheduler.json", tmp_path / "disk"
    folder.mkdir()
    words = [sys.executable, "-m", "raskr", "worker", "--scheduler-file", str(file), "--nthreads", "1"]
    words += ["--memory-limit", str(LIMIT), "--local-directory", str(folder)]
    script = RUN.format(size=DISK, folder=shlex.quote(str(folder)), command=shlex.join(words))
    apart = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--user", "--map-root-user"])]
    try:
        subprocess.run([*apart, "mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine mounts no small disk: {getattr(error, 'stderr', None) or error}")
    pipe = subprocess.PIPE
    options = "--port", "0", "--no-dashboard", "--scheduler-file", str(file)
    scheduler = command("scheduler", *options)
    process = subprocess.Popen([*apart, "sh", "-c", script], stdout=pipe, stderr=pipe, text=True)
    try:
        wait_for(file.exists, "the scheduler file")
        yield process, file, folder
    finally:
        pids = descendants(process.pid)
        # Which ends its workers.
        scheduler.terminate()
        wait_until_gone(pids)
        end(scheduler, process)


def test_row_16_a_full_disk_is_a_clear_error_and_harms_nothing(worker):
    process, file, folder = worker
    with Client(scheduler_file=str(file)) as client:
        client.wait_for_workers(1, timeout=30)
        ((address, about),) = client.scheduler_info()["workers"].items()

        def spilled():
            return [name for _, _, names in os.walk(f"/proc/{about['pid']}/root{folder}") for name in names]

        def values_are_right(futures, numbers):
            checks = client.map(right, futures, numbers)
            return all(client.gather(checks)) and all(map(right, client.gather(futures[:2]), numbers))

        # More than fits into memory, but not more than fits into memory and on the disk.
        held = client.map(full, range(12))
        assert values_are_right(held, range(12)) and spilled()

        more = client.map(full, range(12, 30))
        failed = wait_for(lambda: [future for future in more if future.status == "error"], "an error")
        with pytest.raises(MemoryError, match="memory limit of 128 MiB is reached, and the 64 MiB .* are full"):
            failed[0].result()
        # What has come is there and right; what waits for room goes on when there is some.
        done = [future.status == "finished" for future in more]
        assert any(done)
        del held
        wait(more, timeout=40)
        came = [number for number, future in enumerate(more) if future.status == "finished"]
        assert len(came) > sum(done) and all(done[number] <= (number in came) for number in range(18))
        assert all(right(more[number].result(), 12 + number) for number in came)

        more.clear(), failed.clear()
        wait_for(lambda: not spilled(), spilled)
        held = client.map(full, range(12), pure=False)
        assert values_are_right(held, range(12)) and spilled()
        assert client.scheduler_info()["workers"][address]["pid"] == about["pid"]
        client.shutdown()
    code, output, errors = finished(process)
    assert code == 0 and output.splitlines()[-1] == "left:" and errors == ""
