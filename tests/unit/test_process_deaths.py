"""Children that die while thousands of tasks run: what is run again, what is blamed, and that nothing remains."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from children import children, memory_files, threads, wait_until, wait_until_gone

import raskr

OPTIONS = {"scheduler": "processes", "num_workers": 2}
MANY = 2000


@pytest.fixture(autouse=True)
def nothing_remains():
    raskr.multiprocessing.close()
    gc.collect()
    # Other tests' own pools of processes and arrays in memory files are not ours to count, nor are the threads of libraries,
    # which are called like the thread that started them.
    earlier, started, files = set(children()), set(threads()), memory_files()
    yield
    raskr.multiprocessing.close()
    gc.collect()
    wait_until(lambda: earlier.issuperset(children()), "children remain")
    wait_until(lambda: started.issuperset(threads()), "threads remain")
    assert memory_files() <= files, "memory files remain"


def first_time(folder, i):
    """Whether a task runs for the first time, also where it ended its process then."""
    try:
        os.close(os.open(os.path.join(folder, str(i)), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def die_by_signal():
    os.kill(os.getpid(), signal.SIGKILL)


def die_by_exit():
    os._exit(7)


def die_of_memory():
    """As where the system's killer comes for a process that takes too much."""
    taken = bytearray(300 << 20)
    threading.Event().wait(0.1)
    os.kill(os.getpid(), signal.SIGKILL)
    return taken


DEATHS = {
    die_by_signal: r"signal 9 \(SIGKILL\)",
    die_by_exit: "exit code 7",
    die_of_memory: r"signal 9 \(SIGKILL\)",
}


@pytest.mark.parametrize("die", DEATHS)
def test_tasks_whose_process_died_are_run_again_and_all_results_arrive(die, tmp_path):
    def work(i):
        if i % 400 == 7 and first_time(tmp_path, i):
            die()
        return i, np.full(i % 3 * 10_000, i)

    results = raskr.compute(*[raskr.delayed(work)(i) for i in range(MANY)], **OPTIONS)
    assert [i for i, _ in results] == list(range(MANY))
    assert all(len(array) == i % 3 * 10_000 and (array == i).all() for i, array in results)
    assert len(os.listdir(tmp_path)) == MANY // 400


@pytest.mark.parametrize("die,how", DEATHS.items())
def test_a_task_that_always_ends_its_process_is_the_only_one_to_blame(die, how):
    def work(i, payload):
        if i == MANY // 2:
            die()
        return i

    payload = np.zeros(1 << 17)
    calls = [raskr.delayed(work)(i, payload) for i in range(MANY)]
    with pytest.raises(raskr.KilledWorker, match=rf"^work ended its process 4 times: {how}(, {how}){{3}}; ") as caught:
        raskr.compute(*calls, **OPTIONS)
    message = str(caught.value)
    peak, unit = message.partition("peak memory ")[2].partition(",")[0].split()
    assert unit == "MiB" and float(peak) > (300 if die is die_of_memory else 5)
    assert "arguments 1.00 MiB" in message
    assert raskr.compute(*calls[:10], **OPTIONS) == tuple(range(10))


def limit_memory():
    import resource

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20), resource.RLIM_INFINITY))


def test_a_call_without_enough_memory_is_an_error_of_its_own():
    def work(i, size):
        return len(bytearray(size)) and i

    calls = [raskr.delayed(work)(i, 8 << 30 if i == MANY // 2 else 10) for i in range(MANY)]
    with pytest.raises(MemoryError) as caught:
        raskr.compute(*calls, initializer=limit_memory, **OPTIONS)
    assert any("work" in note for note in caught.value.__notes__)
    del calls[MANY // 2]
    assert len(raskr.compute(*calls, initializer=limit_memory, **OPTIONS)) == MANY - 1


def test_children_killed_from_outside_while_many_tasks_run(tmp_path):
    def slowly(i):
        first_time(tmp_path, os.getpid())
        time.sleep(0.001)
        return i

    killed, stop = set(), threading.Event()

    def kill_some():
        # Those that have run something: a process that is only being started is given up after some tries.
        while not stop.wait(0.05) and len(killed) < 8:
            for pid in {int(name) for name in os.listdir(tmp_path)} - killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        results = raskr.compute(*[raskr.delayed(slowly)(i) for i in range(MANY)], **OPTIONS)
    finally:
        stop.set()
        killer.join()
    assert list(results) == list(range(MANY)) and len(killed) == 8
    wait_until_gone(killed)


def test_results_for_which_there_are_too_few_open_files_are_an_error_of_this_process():
    done = run_script("""
        import numpy as np, raskr, resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
        calls = [raskr.delayed(np.full)(200_000, i) for i in range(300)]
        try:
            raskr.compute(*calls, scheduler="processes", num_workers=2)
        except OSError as error:
            print(error)
    """)
    assert "is the limit of open files (ulimit -n) reached?" in done.stdout, done.stderr


class EndsWhoReadsIt:
    def __reduce__(self):
        return os._exit, (3,)


@pytest.mark.parametrize("others", [0, 50])
def test_an_argument_that_ends_the_process_that_reads_it_is_found(others):
    calls = [raskr.delayed(abs)(-i) for i in range(others)]
    with pytest.raises(raskr.KilledWorker, match="^id ended its process 4 times: exit code 3"):
        raskr.compute(*calls, raskr.delayed(id)(EndsWhoReadsIt()), **OPTIONS)


def test_retries_are_for_tasks_that_end_their_process_too(tmp_path):
    def die_five_times():
        count = len(os.listdir(tmp_path))
        if count < 5:
            first_time(tmp_path, count)
            os._exit(1)
        return count

    with raskr.annotate(retries=2):
        call = raskr.delayed(die_five_times)()
    assert call.compute(**OPTIONS) == 5


def run_script(text, **options):
    """Runs a script in an interpreter of its own, as a user would: without a guard."""
    script = [sys.executable, "-c", textwrap.dedent(text)]
    return subprocess.run(script, capture_output=True, text=True, timeout=50, **options)


def start_script(text):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE, text=True)


SCRIPT = """
import os, sys, raskr
class Point:
    def __init__(self, x):
        self.x = x
def double(point):
    return Point(2 * point.x)
results = raskr.compute(*[raskr.delayed(double)(Point(i)) for i in range(5)], scheduler="processes")
assert all(type(point) is Point for point in results)
print([point.x for point in results], *raskr._bridge.core.idle_children())
raskr.delayed(print)("from a child").compute(scheduler="processes")
"""


def test_a_script_needs_no_guard_and_leaves_no_process():
    done = run_script(SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[0, 2, 4, 6, 8]") and "from a child" in done.stdout
    wait_until_gone([int(pid) for pid in done.stdout.splitlines()[0].rpartition("]")[2].split()])


SLEEPERS = """
    import os, time, raskr
    def slow(i):
        if i >= 1000:
            os.write(1, f"{os.getpid()}\\n".encode())
            time.sleep(600)
        return i
    calls = [raskr.delayed(slow)(i) for i in range(2000)]
"""


def test_an_interrupt_ends_the_run_and_its_children():
    process = start_script(
        SLEEPERS
        + """
    import sys
    sys.path.insert(0, TESTS)
    import children
    try:
        raskr.compute(*calls, scheduler="processes", num_workers=2)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    assert raskr.compute(*calls[:5], scheduler="processes") == (0, 1, 2, 3, 4)
    raskr.multiprocessing.close()
    del calls
    children.wait_until(lambda: not children.children(), "children remain")
    children.wait_until(lambda: not children.threads(), "threads remain")
    assert children.memory_files() == 0
    print("nothing remains")
    """.replace("TESTS", repr(os.path.dirname(os.path.dirname(__file__))))
    )
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert rest.splitlines()[-2:] == ["interrupted", "nothing remains"]
    wait_until_gone(pids)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_children_end_when_their_parent_is_killed(how):
    process = start_script(SLEEPERS + "    raskr.compute(*calls, scheduler='processes', num_workers=2)")
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.send_signal(how)
    process.communicate(timeout=30)
    wait_until_gone(pids)


def test_nothing_is_left_in_the_folder_of_shared_memory():
    before = set(os.listdir("/dev/shm"))
    run_script("import numpy, raskr; raskr.delayed(numpy.ones)(10**6).compute(scheduler='processes')")
    assert not {name for name in set(os.listdir("/dev/shm")) - before if "raskr" in name}
