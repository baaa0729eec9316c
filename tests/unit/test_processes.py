"""Child processes: what travels, what is shared, how they die, and that nothing remains of them."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import raskr
from raskr._bridge import core

OPTIONS = {"scheduler": "processes", "num_workers": 2}


def run_script(text, *arguments, **options):
    """Runs a script in an interpreter of its own, as a user would: without a guard."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *arguments], capture_output=True, text=True, timeout=50, **options
    )


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pids):
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "processes remain"
        threading.Event().wait(0.02)


def pid_after(x, *others):
    return os.getpid()


def test_calls_of_all_shapes_give_what_they_give_here():
    delayed = raskr.delayed
    offset = 10

    def shifted(x, by=0):
        return x + by + offset

    one = delayed(shifted)(1, by=2)
    tree = delayed(sum)([one, delayed(shifted)(one), {"k": 1}["k"]])
    nested = delayed(lambda d: sorted(d.items()))({"a": one, "b": (tree, [one])})
    method = delayed("a-b").split("-")
    item = delayed([one, 5])[0] + one
    assert raskr.compute(one, tree, nested, method, item, **OPTIONS) == raskr.compute(
        one, tree, nested, method, item, scheduler="sync"
    )


def test_many_short_calls_and_few_long_ones():
    calls = [raskr.delayed(abs)(-i) for i in range(5000)]
    calls += [raskr.delayed(time.sleep)(0.05) for _ in range(3)]
    assert list(raskr.compute(*calls, **OPTIONS)) == [*range(5000), None, None, None]


def test_children_are_other_processes_and_stay_warm():
    first = set(raskr.compute(*[raskr.delayed(pid_after, pure=False)(i) for i in range(20)], **OPTIONS))
    assert os.getpid() not in first
    again = set(raskr.compute(*[raskr.delayed(pid_after, pure=False)(i) for i in range(20)], **OPTIONS))
    assert first & again
    core.close_children()
    assert core.idle_children() == []
    wait_until_gone(first | again)


def test_large_arrays_arrive_read_only_and_come_back_writable():
    x = np.arange(1_000_003.0)[1:]
    kept = x.copy()

    def look(array, i):
        return array.flags.writeable, float(array.sum()) + i

    results = raskr.compute(*[raskr.delayed(look)(x, i) for i in range(6)], **OPTIONS)
    assert list(results) == [(False, kept.sum() + i) for i in range(6)]
    np.testing.assert_array_equal(x, kept)
    x[5] = -1.0
    assert raskr.delayed(look)(x, 0).compute(**OPTIONS) == (False, x.sum())
    back = raskr.delayed(np.sqrt)(kept).compute(**OPTIONS)
    back[0] = 7
    np.testing.assert_array_equal(back[1:], np.sqrt(kept)[1:])


def test_large_results_pass_from_child_to_child():
    blocks = [raskr.delayed(np.full)(200_000, float(i)) for i in range(4)]
    total = raskr.delayed(lambda *arrays: sum(a.sum() for a in arrays))(*blocks)
    assert total.compute(**OPTIONS) == 200_000 * 6


def test_calls_do_not_see_what_others_did_to_a_large_list():
    shared = list(range(50_000))

    def spoil(items):
        items.append(1)
        return len(items)

    assert set(raskr.compute(*[raskr.delayed(spoil, pure=False)(shared) for _ in range(6)], **OPTIONS)) == {50_001}
    assert len(shared) == 50_000


class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


def fail():
    raise Odd(1, 2)


def test_exceptions_arrive_with_the_place_where_they_were_raised():
    with pytest.raises(ZeroDivisionError) as caught:
        raskr.delayed(lambda: 1 / 0)().compute(**OPTIONS)
    notes = "\n".join(getattr(caught.value, "__notes__", ["1 / 0"]))
    assert "1 / 0" in notes
    with pytest.raises(RuntimeError, match="Odd.*can't be pickled"):
        raskr.delayed(fail)().compute(**OPTIONS)
    with pytest.raises(SystemExit):
        raskr.delayed(sys.exit)(3).compute(**OPTIONS)
    assert raskr.delayed(abs)(-1).compute(**OPTIONS) == 1


def test_what_cannot_travel_is_named():
    held = {"deep": [1, threading.Lock()]}
    with pytest.raises(TypeError, match=r"'held'\['deep'\]\[1\] holds a _thread.lock"):
        raskr.delayed(lambda: held)().compute(**OPTIONS)
    with pytest.raises(TypeError, match="_thread.lock"):
        raskr.delayed(threading.Lock)().compute(**OPTIONS)
    calls = [raskr.delayed(abs)(-1), raskr.delayed(id)(threading.Lock())]
    with pytest.raises(TypeError, match="can't be sent to another process"):
        raskr.compute(*calls, **OPTIONS)


def die_once(folder, i):
    marker = os.path.join(folder, "died")
    if i == 7 and not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return i


def test_a_task_whose_process_died_is_run_again(tmp_path):
    calls = [raskr.delayed(die_once)(str(tmp_path), i) for i in range(200)]
    assert list(raskr.compute(*calls, **OPTIONS)) == list(range(200))


def test_a_task_that_kills_its_processes_is_the_only_one_to_blame():
    with pytest.raises(raskr.KilledWorker, match=r"_exit ended its process 4 times: exit code 7, exit code 7"):
        raskr.delayed(os._exit)(7).compute(**OPTIONS)
    assert raskr.delayed(abs)(-1).compute(**OPTIONS) == 1


def use_memory():
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    return len(bytearray(4 << 30))


def test_a_call_without_enough_memory_is_an_error_of_its_own():
    with pytest.raises(MemoryError):
        raskr.delayed(use_memory)().compute(**OPTIONS)
    # The child's own limit is not for others.
    core.close_children()


def test_children_killed_from_outside_while_many_tasks_run():
    def slowly(i):
        time.sleep(0.002)
        return i

    seen, stop = set(), threading.Event()

    def kill_some():
        me = os.getpid()
        while not stop.wait(0.15) and len(seen) < 4:
            for thread in os.listdir(f"/proc/{me}/task"):
                try:
                    with open(f"/proc/{me}/task/{thread}/children") as file:
                        children = [int(pid) for pid in file.read().split()]
                except FileNotFoundError:
                    continue
                for pid in children[:1]:
                    seen.add(pid)
                    os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        results = raskr.compute(*[raskr.delayed(slowly)(i) for i in range(600)], **OPTIONS)
    finally:
        stop.set()
        killer.join()
    assert list(results) == list(range(600)) and seen


def test_computes_within_a_child_run_there():
    def inner():
        return raskr.compute(*[raskr.delayed(os.getpid)() for _ in range(2)], scheduler="processes"), os.getpid()

    pids, own = raskr.delayed(inner)().compute(**OPTIONS)
    assert set(pids) == {own}


def test_an_initializer_runs_in_each_child_before_anything_else():
    def prepare():
        os.environ["PREPARED"] = "yes"

    def look():
        return os.environ.get("PREPARED")

    calls = [raskr.delayed(look)() for _ in range(4)]
    assert set(raskr.compute(*calls, initializer=prepare, **OPTIONS)) == {"yes"}
    assert set(raskr.compute(*calls, **OPTIONS)) == {None}


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


def test_an_interrupt_ends_the_run_and_its_children():
    script = """
        import os, sys, time, raskr
        def slow(i):
            os.write(1, f"{os.getpid()}\\n".encode())
            time.sleep(600)
        try:
            raskr.compute(*[raskr.delayed(slow)(i) for i in range(2)], scheduler="processes", num_workers=2)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert "interrupted" in rest
    wait_until_gone(pids)


def test_children_end_when_their_parent_is_killed():
    script = """
        import os, time, raskr
        def slow(i):
            os.write(1, f"{os.getpid()}\\n".encode())
            time.sleep(600)
        raskr.compute(*[raskr.delayed(slow)(i) for i in range(2)], scheduler="processes", num_workers=2)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.communicate(timeout=30)
    wait_until_gone(pids)
