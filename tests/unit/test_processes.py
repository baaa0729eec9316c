"""Child processes: what travels, what is shared, and who runs it."""

import gc
import multiprocessing
import os
import sys
import threading
import time
import types
from functools import partial

import numpy as np
import pytest
from children import wait_until_gone

import raskr
import raskr.array as da
from raskr._bridge import core

OPTIONS = {"scheduler": "processes", "num_workers": 2}


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
    x = np.arange(5_000_003.0)[1:]
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
    # Its class takes other arguments than it keeps, so that it can't be unpickled as it is.
    with pytest.raises(Odd) as caught:
        raskr.delayed(fail)().compute(**OPTIONS)
    assert (caught.value.args, caught.value.second) == ((1,), 2)
    with pytest.raises(SystemExit):
        raskr.delayed(sys.exit)(3).compute(**OPTIONS)
    assert raskr.delayed(abs)(-1).compute(**OPTIONS) == 1


class Holder:
    def __init__(self, **parts):
        self.__dict__.update(parts)


@pytest.mark.parametrize(
    "make,path",
    [
        (lambda lock, call: lambda: lock, r"closure variable 'lock' holds a _thread.lock"),
        (lambda lock, call: partial(call, lock), r"id: argument 0 is a _thread.lock"),
        (lambda lock, call: partial(call, 1, {"a": [1, lock]}), r"id: argument 1\['a'\]\[1\] holds a _thread.lock"),
        (lambda lock, call: partial(call, x=Holder(y=Holder(z=lock))), r"id: argument \"x\".y.z holds a _thread.lock"),
        (
            lambda lock, call: partial(call, [raskr.delayed(abs)(1), (lock,)]),
            r"id: argument 0\[1\]\[0\] holds a _thread.lock",
        ),
        (lambda lock, call: partial(call, raskr.delayed(Holder(y=lock))), r"id: argument 0.y holds a _thread.lock"),
        (lambda lock, call: partial(call, [lock] * 100_000), r"id: argument 0\[0\] holds a _thread.lock"),
    ],
)
def test_an_argument_that_cannot_travel_is_named_with_the_way_to_it(make, path):
    made = make(threading.Lock(), raskr.delayed(id))
    lazy = made() if isinstance(made, partial) else raskr.delayed(made)()
    others = [raskr.delayed(abs)(-i) for i in range(3)]
    with pytest.raises(TypeError, match=path + ".*can't be sent to another process"):
        raskr.compute(*others, lazy, **OPTIONS)


def test_a_result_that_cannot_travel_is_named_with_the_way_to_it():
    with pytest.raises(TypeError, match="allocate_lock: the result is a _thread.lock, which can't be sent"):
        raskr.delayed(threading.Lock)().compute(**OPTIONS)

    def make():
        return {"deep": [1, threading.Lock()]}

    with pytest.raises(TypeError, match=r"make: the result\['deep'\]\[1\] holds a _thread.lock"):
        raskr.delayed(make)().compute(**OPTIONS)


def test_a_task_of_arrays_in_a_raw_graph_runs_here():
    total = da.ones(4, chunks=2).sum()
    graph, [key] = core.graph_of([raskr.delayed(total)])
    assert raskr.multiprocessing.get({**graph, "pid": (pid_after, key), "here": (os.getpid,)}, [key, "pid"])[0] == 4.0
    calls, [key] = core.graph_of([raskr.delayed(pid_after)(1)])
    assert raskr.multiprocessing.get(calls, key) != os.getpid()


def test_a_computed_argument_of_many_calls_travels_once():
    shared = raskr.delayed(list(range(100_000)))
    calls = [raskr.delayed(lambda items, i: (len(items), i))(shared, i) for i in range(50)]
    assert list(raskr.compute(*calls, **OPTIONS)) == [(100_000, i) for i in range(50)]
    array = np.ones(1_000_000)
    held = raskr.delayed(array)
    sums = [raskr.delayed(lambda x, i: float(x.sum()) + i)(held, i) for i in range(6)]
    assert list(raskr.compute(*sums, **OPTIONS)) == [1e6 + i for i in range(6)]
    array[0] = 2
    assert sums[0].compute(**OPTIONS) == 1e6 + 1


def open_files():
    return len(os.listdir("/proc/self/fd"))


def test_thousands_of_results_in_shared_memory_need_few_open_files():
    before = open_files()
    calls = [raskr.delayed(np.full)(10_000, i) for i in range(3000)]
    results = raskr.compute(*calls, **OPTIONS)
    assert open_files() < before + 100
    assert all(each[0] == i and each[-1] == i for i, each in enumerate(results))


def test_children_give_back_what_they_were_sent():
    def blocks_held(*arrays):
        with open("/proc/self/maps") as maps:
            return sum("memfd:raskr" in line for line in maps)

    held = raskr.delayed(blocks_held)(raskr.delayed(np.ones)(200_000))
    for i in range(20):
        held = raskr.delayed(blocks_held)(raskr.delayed(np.full)(200_000, i), held)
    assert held.compute(scheduler="processes", num_workers=1) <= 8


@pytest.mark.parametrize("chunksize", [1, 7, -1])
def test_chunksize_says_how_many_tasks_travel_together(chunksize):
    calls = [raskr.delayed(abs)(-i) for i in range(200)]
    assert list(raskr.compute(*calls, chunksize=chunksize, **OPTIONS)) == list(range(200))
    with raskr.config.set(chunksize=chunksize):
        assert raskr.multiprocessing.get({f"x{i}": (abs, -i) for i in range(10)}, ["x3", "x9"]) == (3, 9)


def test_what_an_initializer_raises_arrives():
    def prepare():
        raise KeyError("nothing prepared")

    with pytest.raises(KeyError, match="nothing prepared") as caught:
        raskr.compute(*[raskr.delayed(abs)(-i) for i in range(5)], initializer=prepare, **OPTIONS)
    assert any("a child process could not be used" in note for note in caught.value.__notes__)


def test_children_keep_no_large_closures():
    def memory_files(_):
        with open("/proc/self/maps") as maps:
            return sum("memfd:raskr" in line for line in maps)

    def holder(i):
        held = np.full(200_000, i)
        return lambda: held[0]

    before = raskr.delayed(memory_files)(0).compute(scheduler="processes", num_workers=1)
    for i in range(5):
        assert raskr.delayed(holder(i))().compute(scheduler="processes", num_workers=1) == i
    assert raskr.delayed(memory_files)(0).compute(scheduler="processes", num_workers=1) == before


def test_bad_options_are_refused():
    call = raskr.delayed(abs)(-1)
    for wrong, kind in [(0, ValueError), (-2, ValueError), ("six", TypeError)]:
        with pytest.raises(kind, match="chunksize"):
            call.compute(chunksize=wrong, **OPTIONS)
    with raskr.config.set({"multiprocessing.context": "telepathy"}):
        with pytest.raises(ValueError, match="cannot find context for 'telepathy': multiprocessing has .*spawn"):
            call.compute(**OPTIONS)
    with pytest.raises(ValueError, match="telepathy"):
        call.compute(mp_context="telepathy", **OPTIONS)
    with pytest.raises(TypeError, match="context"):
        call.compute(mp_context=3, **OPTIONS)


@pytest.mark.parametrize("context", ["spawn", "fork", "forkserver"])
def test_processes_are_started_afresh_whatever_the_context(context, monkeypatch):
    monkeypatch.setitem(sys.modules, "module_of_the_parent", raskr)
    with raskr.config.set({"multiprocessing.context": context}):
        assert raskr.multiprocessing.get_context().get_start_method() == context
        assert not raskr.delayed(lambda: "module_of_the_parent" in sys.modules)().compute(**OPTIONS)
    assert raskr.delayed(abs)(-1).compute(mp_context=multiprocessing.get_context(context), **OPTIONS) == 1


def test_text_has_one_hash_in_all_children():
    def look(i):
        time.sleep(0.05)
        return os.getpid(), hash("text")

    found = raskr.compute(*[raskr.delayed(look)(i) for i in range(8)], **OPTIONS)
    assert len({pid for pid, _ in found}) > 1 and len({each for _, each in found}) == 1


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


def test_children_do_not_keep_functions_without_bound():
    def made_here():
        return sum(type(each) is types.FunctionType and each.__name__ == "kept" for each in gc.get_objects())

    for first in range(0, 4200, 700):
        calls = []
        for number in range(first, first + 700):
            scope = {"__name__": __name__}
            exec(f"def kept(): return {number}", scope)
            calls.append(raskr.delayed(scope["kept"])())
        assert raskr.compute(*calls, **OPTIONS) == tuple(range(first, first + 700))
    counts = raskr.compute(*[raskr.delayed(made_here, pure=False)() for _ in range(4)], **OPTIONS)
    assert max(counts) <= 1000
