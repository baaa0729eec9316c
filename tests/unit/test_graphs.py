"""Raw task graphs: what is a task, a key or data; errors; callbacks; interruption."""

import contextvars
import os
import signal
import threading
from operator import add, mul

import numpy as np
import pytest

import raskr
from raskr.callbacks import Callback
from raskr.core import flatten, get_dependencies, get_deps, getcycle, istask, quote, subs, toposort
from raskr.diagnostics import CacheProfiler, Profiler, ProgressBar, ResourceProfiler, visualize
from raskr.local import get_sync

GETS = [raskr.get, raskr.threaded.get, raskr.core.get]


def inc(x):
    return x + 1


@pytest.mark.parametrize("get", GETS)
def test_values_of_raw_graphs(get):
    graph = {
        "x": 1,
        ("y", 0): (inc, "x"),
        "z": (add, (inc, ("y", 0)), 10),
        "alias": "z",
        "list": ["x", [(sum, ["x", ("y", 0)])], "other"],
        "tuple": (1, "x"),
        "dict": {"k": "x"},
        "literal": quote((inc, "x")),
    }
    assert get(graph, ["x", ["z", ("y", 0)]]) == (1, (13, 2))
    assert get(graph, "alias") == 13
    assert get(graph, "list") == [1, [3], "other"]
    assert get(graph, "tuple") == (1, 1)
    assert get(graph, "dict") == {"k": "x"}
    assert get(graph, "literal") == (inc, "x")
    assert get(graph, []) == ()


@pytest.mark.parametrize("get", GETS)
def test_wrong_graphs_are_named(get):
    with pytest.raises(KeyError, match="nope"):
        get({"x": 1}, ["x", "nope"])
    with pytest.raises(RuntimeError, match="Cycle detected between the following keys:\n  -> y\n  -> z\n  -> y"):
        get({"x": (inc, "y"), "y": (inc, "z"), "z": (inc, "y")}, "x")
    with pytest.raises(ZeroDivisionError):
        get({"x": (lambda: 1 / 0,)}, "x")


def test_long_chains_of_raw_tasks():
    graph: dict = {f"x{i + 1}": (inc, f"x{i}") for i in range(50_000)}
    graph["x0"] = 0
    assert raskr.get(graph, "x50000") == 50_000


def test_task_objects_with_dependencies_are_called_with_their_values():
    class Sum:
        def __init__(self, *keys):
            self.dependencies = keys

        dependencies: tuple = ()

        def __dask_tokenize__(self):
            return self.dependencies

        def __call__(self, values=()):
            return sum(values[key] for key in self.dependencies)

    assert raskr.get({"a": 1, "b": Sum("a", "a2"), "a2": (inc, "a")}, "b") == 3


def test_helpers_for_raw_graphs():
    graph = {"x": 1, "y": (inc, "x"), "z": (add, "y", (inc, ["x"]))}
    assert get_dependencies(graph, "z") == {"x", "y"}
    assert get_deps(graph)[1]["x"] == {"y", "z"}
    assert toposort(graph) == ["x", "y", "z"]
    assert getcycle({"a": (inc, "b"), "b": "a"}, "a") == ["a", "b", "a"]
    assert subs((add, "x", [(inc, "x")]), "x", 5) == (add, 5, [(inc, 5)])
    assert list(flatten([1, [2, [3]]])) == [1, 2, 3]
    assert istask((inc,))
    assert not istask((1, inc))


@pytest.mark.parametrize("get", [get_sync, raskr.threaded.get])
def test_callbacks_hear_of_every_task(get):
    heard = []

    class Listen(Callback):
        def _start(self, dsk):
            heard.append(("start", set(dsk)))

        def _start_state(self, dsk, state):
            heard.append(("state", set(state["waiting"]), set(state["cache"])))

        def _pretask(self, key, dsk, state):
            assert not Callback.active
            heard.append(("pre", key))

        def _posttask(self, key, result, dsk, state, worker):
            heard.append(("post", key, result))

        def _finish(self, dsk, state, errored):
            heard.append(("finish", errored, state["finished"]))

    with Listen():
        assert get({"a": 1, ("b", 0): (inc, "a")}, ("b", 0)) == 2
    assert heard == [
        ("start", {"a", ("b", 0)}),
        ("state", {("b", 0)}, {"a"}),
        ("pre", ("b", 0)),
        ("post", ("b", 0), 2),
        ("finish", False, {("b", 0)}),
    ]
    heard.clear()
    with Listen(), pytest.raises(ZeroDivisionError):
        get({"a": (lambda: 1 / 0,)}, "a")
    assert heard[-1] == ("finish", True, set())


def test_an_error_in_a_callback_ends_the_run():
    def refuse(*args):
        raise LookupError("not this one")

    with pytest.raises(LookupError, match="not this one"), Callback(pretask=refuse):
        raskr.get({"a": (inc, 1)}, "a")
    assert not Callback.active


def test_profiles(tmp_path, capsys):
    graph = {"a": 1, "c": (add, "a", 1), "d": (mul, "c", "c")}
    with Profiler() as tasks, ResourceProfiler(dt=0.01) as resources, CacheProfiler(len, "length") as kept:
        raskr.threaded.get({"a": "ab", "b": (add, "a", "c")}, "b")
    assert [(result.key, result.metric) for result in kept.results] == [("b", 3)]
    assert tasks.results[0].start_time <= tasks.results[0].end_time
    assert resources.results[0].mem > 0
    page = visualize([tasks, resources, kept], filename=str(tmp_path / "profile.html"), show=False)
    assert str(page).count("<svg") == 3
    assert (tmp_path / "profile.html").read_text() == str(page)
    with ProgressBar(width=10):
        raskr.threaded.get(graph, "d")
    assert "[##########] | 100% Completed" in capsys.readouterr().out.split("\r")[-1]


VARIABLE = contextvars.ContextVar("VARIABLE", default=0)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_tasks_see_the_callers_context(scheduler):
    token = VARIABLE.set(5)
    try:
        assert raskr.delayed(VARIABLE.get)().compute(scheduler=scheduler) == 5
    finally:
        VARIABLE.reset(token)


def test_threads_keep_what_tasks_put_into_their_local_storage():
    storage = threading.local()

    def count(_):
        # A long task ends the thread's stay in the interpreter.
        threading.Event().wait(0.0005)
        storage.count = getattr(storage, "count", 0) + 1
        return threading.get_ident(), storage.count

    counts = raskr.compute([raskr.delayed(count)(i) for i in range(40)], num_workers=2)[0]
    for thread in {ident for ident, _ in counts}:
        own = sorted(number for ident, number in counts if ident == thread)
        assert own == list(range(1, len(own) + 1))


def test_runs_inside_of_tasks():
    def outer(n):
        return sum(raskr.compute(*[raskr.delayed(inc)(i) for i in range(n)]))

    calls = [raskr.delayed(outer)(n) for n in range(8)]
    assert raskr.compute(*calls, num_workers=2) == tuple(sum(range(1, n + 1)) for n in range(8))


def test_interruption_ends_a_run_whose_tasks_still_wait():
    main = threading.get_ident()
    begun, end = threading.Event(), threading.Event()

    def wait():
        begun.set()
        end.wait()

    def interrupt():
        begun.wait()
        signal.pthread_kill(main, signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            raskr.compute(raskr.delayed(wait)(), raskr.delayed(interrupt)(), num_workers=2)
    finally:
        end.set()


def test_values_beyond_the_limit_of_memory_come_back_from_disk(tmp_path):
    def block(i):
        return bytes([i]) * 1_000_000

    blocks = [raskr.delayed(block)(i) for i in range(20)]
    total = raskr.delayed(lambda items: [len(item) + item[0] for item in items])(blocks)
    with raskr.config.set({"temporary-directory": str(tmp_path), "memory-limit": "4MB"}):
        assert total.compute() == [1_000_000 + i for i in range(20)]
    assert list(tmp_path.iterdir()) == []


def test_operations_of_arrays_in_graphs_for_processes_run_once_and_here(tmp_path):
    import raskr.array as da
    import raskr.bag as db

    def noted(value, name):
        with open(tmp_path / name, "a") as file:
            file.write(f"{os.getpid()}\n")
        return value

    source = raskr.delayed(noted)(np.arange(4), "call")
    x = da.from_delayed(source, (4,), int).map_blocks(noted, "block", dtype=int, meta=np.empty(0, int)) + 1
    bag = db.from_delayed([raskr.delayed(list)(x)] * 2).map(lambda y: (int(y), os.getpid()))
    values = bag.compute(num_workers=1)
    assert [value for value, _ in values] == [1, 2, 3, 4] * 2
    assert os.getpid() not in {place for _, place in values}
    assert (tmp_path / "block").read_text() == f"{os.getpid()}\n"
    # The call that the array stands on is one like all others.
    assert (tmp_path / "call").read_text().split() != [str(os.getpid())]
    assert len((tmp_path / "call").read_text().split()) == 1
    keys = list(flatten(x.__dask_keys__()))
    assert raskr.multiprocessing.get(x.dask, keys)[0].tolist() == [1, 2, 3, 4]
