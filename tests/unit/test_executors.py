"""Executors and pools of the user's own, as `scheduler=`, as `pool=` and as a setting."""

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.pool
import os
import threading

import pytest

import raskr
import raskr.array as da

CONTEXT = multiprocessing.get_context("spawn")


class Counting(concurrent.futures.Executor):
    """Runs what is submitted in this thread, and counts."""

    def __init__(self):
        self.submitted = 0

    def submit(self, fn, /, *args, **kwargs):
        self.submitted += 1
        future = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def process_pool():
    return concurrent.futures.ProcessPoolExecutor(2, mp_context=CONTEXT)


def multiprocessing_pool():
    return CONTEXT.Pool(2)


def where(*inputs):
    return os.getpid(), threading.current_thread().name


def work():
    """Calls that stand on each other, with a closure, whose result is known."""
    offset = 10
    calls = [raskr.delayed(lambda x: x + offset, pure=False)(i) for i in range(20)]
    return raskr.delayed(sum)(calls), sum(range(10, 30))


@pytest.mark.parametrize("make", [process_pool, multiprocessing_pool])
@pytest.mark.parametrize("chunksize", [None, 3, -1])
def test_pools_of_processes_run_closures_wherever_they_are_named(make, chunksize):
    lazy, expected = work()
    options = {} if chunksize is None else {"chunksize": chunksize}
    with make() as pool:
        pids = set()
        assert lazy.compute(scheduler=pool, **options) == expected
        assert lazy.compute(scheduler="processes", pool=pool, **options) == expected
        with raskr.config.set(pool=pool, scheduler="processes"):
            assert lazy.compute(**options) == expected
            pids = {pid for pid, _ in raskr.compute(*[raskr.delayed(where)(i) for i in range(9)], **options)}
        processes = pool._processes if isinstance(pool._processes, dict) else {each.pid for each in pool._pool}
        assert pids <= set(processes)


def test_other_executors_get_what_they_are_named_for():
    lazy, expected = work()
    executor = Counting()
    assert lazy.compute(scheduler=executor) == expected
    assert lazy.compute(scheduler="threads", pool=executor) == expected
    assert executor.submitted == 42
    executor = Counting()
    assert lazy.compute(scheduler="sync", pool=executor) == expected
    assert executor.submitted == 0
    executor = Counting()
    assert raskr.threaded.get({"x": 1, "y": (where, "x")}, "y", pool=executor)[1] == threading.current_thread().name
    assert executor.submitted >= 1


def test_tasks_are_handed_to_an_executor_together():
    executor = Counting()
    calls = [raskr.delayed(abs)(-i) for i in range(20)]
    assert raskr.compute(*calls, scheduler=executor, num_workers=2, chunksize=5) == tuple(range(20))
    assert executor.submitted == 4
    executor = Counting()
    raskr.compute(*calls, scheduler=executor, num_workers=2, chunksize=-1)
    assert executor.submitted == 2


def test_plain_threads_stand_for_as_many_of_raskrs_own():
    calls = [raskr.delayed(where)(i) for i in range(6)]
    for make in (concurrent.futures.ThreadPoolExecutor, multiprocessing.pool.ThreadPool):
        with make(3) as pool:
            names = {name for _, name in raskr.compute(*calls, scheduler="threads", pool=pool)}
            assert not any("ThreadPool" in name for name in names)


def test_threads_with_an_initializer_are_used_themselves():
    own = threading.local()

    def prepare():
        own.value = 3

    calls = [raskr.delayed(lambda i: own.value + i)(i) for i in range(4)]
    for make in (concurrent.futures.ThreadPoolExecutor, multiprocessing.pool.ThreadPool):
        with make(2, initializer=prepare) as pool:
            assert raskr.compute(*calls, scheduler="threads", pool=pool) == (3, 4, 5, 6)


def test_arrays_run_with_executors_too():
    x = da.ones((4, 4), chunks=2) + 1
    for make in (process_pool, contextlib.nullcontext):
        with make() as pool:
            assert x.sum().compute(scheduler="processes", pool=pool or Counting()) == 32


def test_errors_and_results_that_cannot_be_read_arrive():
    def fail():
        raise ValueError("from elsewhere")

    def make():
        class Unreadable:
            def __reduce__(self):
                return fail, ()

        return Unreadable()

    with process_pool() as pool:
        with pytest.raises(ValueError, match="from elsewhere"):
            raskr.delayed(fail)().compute(scheduler=pool)
        with pytest.raises(ValueError, match="from elsewhere"):
            raskr.delayed(make)().compute(scheduler=pool)
        with pytest.warns(UserWarning, match="give it to the pool"):
            raskr.multiprocessing.get({"x": (abs, -1)}, "x", pool=pool, initializer=fail)
