"""Lazy calls: arguments, operators, keys, errors, and large graphs."""

import copy
import dataclasses
import operator
import pickle
import traceback
from typing import NamedTuple

import cloudpickle
import numpy as np
import pytest

import raskr
import raskr.array as da
from raskr.delayed import Delayed, DelayedAttr, DelayedLeaf, delayed


def inc(x):
    return x + 1


def fail(x):
    raise ZeroDivisionError(f"no good: {x}")


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Pair:
    left: object
    right: object = 0


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_nested_arguments_are_computed(scheduler):
    a = delayed(inc)(1)

    def seen(*args, **kwargs):
        return args, kwargs

    lazy = delayed(seen)([a, (a, 1)], {"k": {a}}, slice(a, None), Point(a, 0), pair=Pair([a]), it=iter([a, 5]))
    args, kwargs = lazy.compute(scheduler=scheduler)
    assert args == ([2, (2, 1)], {"k": {2}}, slice(2, None), Point(2, 0))
    assert kwargs == {"pair": Pair([2]), "it": [2, 5]}


def test_what_holds_no_lazy_value_is_passed_as_it_is():
    data = [1, {"a": (2,)}]
    assert delayed(lambda x: x)(data).compute() is data


def test_leaves_inside_containers_are_replaced():
    one = delayed(1)
    assert isinstance(one, DelayedLeaf)
    assert delayed(lambda x: x)([one, {"k": one}]).compute() == [1, {"k": 1}]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (lambda x: x + 1, 11),
        (lambda x: 1 - x, -9),
        (lambda x: x**2, 100),
        (lambda x: 2**x, 1024),
        (lambda x: pow(x, 2, 7), 2),
        (lambda x: -x, -10),
        (lambda x: abs(-x), 10),
        (lambda x: x // 3, 3),
        (lambda x: divmod(x, 3), (3, 1)),
        (lambda x: x / 4, 2.5),
        (lambda x: x << 1, 20),
        (lambda x: x & 6, 2),
        (lambda x: 5 | x, 15),
        (lambda x: ~x, -11),
        (lambda x: x > 3, True),
        (lambda x: x != 10, False),
        (lambda x: x.bit_length(), 4),
        (lambda x: x.real + x.imag, 10),
    ],
)
def test_operators_and_methods(expression, value):
    assert expression(delayed(10)).compute() == value


def test_items_and_attributes_are_lazy():
    x = delayed({"a": [1, 2, 3]})
    last = x["a"][-1]
    assert last.compute() == 3
    assert isinstance(x.keys, DelayedAttr)
    assert x["a"].index(2).compute() == 1


def test_a_lazy_function_is_called():
    make = delayed(lambda n: lambda x: x + n)
    assert make(5)(1).compute() == 6


def test_keys_of_pure_calls_follow_their_content():
    pure = delayed(inc, pure=True)
    assert pure(1).key == pure(1).key != pure(2).key
    assert pure(1).key.startswith("inc-")
    assert delayed(inc)(1).key != delayed(inc)(1).key
    with raskr.config.set(delayed_pure=True):
        assert delayed(inc)(1).key == delayed(inc)(1).key
    assert delayed(inc)(1, dask_key_name="mine").key == "mine"
    assert delayed(1, name="one").key == "one"


def test_equal_pure_calls_run_once():
    seen = []
    pure = delayed(seen.append, pure=True)
    raskr.compute(pure(1), pure(1), scheduler="sync")
    assert seen == [1]


def test_nout_says_how_many_values_there_are():
    quotient, rest = delayed(divmod, nout=2)(17, 5)
    assert raskr.compute(quotient, rest) == (3, 2)
    with pytest.raises(TypeError, match="unspecified length"):
        list(delayed(divmod)(17, 5))
    for bad in (-1, True, 1.5):
        with pytest.raises(ValueError, match="nout"):
            delayed(inc, nout=bad)


def test_lazy_values_cannot_be_changed_or_tested():
    x = delayed([1, 2])
    for attempt in (
        lambda: setattr(x, "a", 1),
        lambda: operator.setitem(x, 0, 1),
        lambda: bool(x),
        lambda: 1 in x,
        lambda: len(x),
    ):
        with pytest.raises(TypeError):
            attempt()
    with pytest.raises(AttributeError):
        x._hidden  # noqa: B018


def test_traverse_false_leaves_lazy_values_alone():
    never = delayed(fail)(0)
    (kept, one) = delayed([never, 1], traverse=False).compute()
    assert kept is never
    assert one == 1


def test_decorated_functions_keep_their_names():
    @delayed
    def add(x, y):
        """Adds."""
        return x + y

    assert (add.__name__, add.__doc__, add.__wrapped__(1, 2)) == ("add", "Adds.", 3)
    assert Delayed.__module__ == "raskr.delayed"

    class Thing:
        base = 10

        @delayed(pure=True)
        def plus(self, x):
            return self.base + x

    assert Thing().plus(1).compute() == 11


def test_data_classes_that_cannot_be_rebuilt_are_refused():
    @dataclasses.dataclass
    class Odd:
        a: int

        def __init__(self, b):
            self.a = b

    assert delayed([Odd(3)]).compute()[0].a == 3
    with pytest.raises(TypeError, match="custom __init__"):
        delayed([Odd(delayed(inc)(1))])


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_pickled_lazy_values_keep_key_and_value(dumps):
    x = delayed(inc)([delayed(inc)(1), 2][0]) + 1
    again = pickle.loads(dumps(x))
    assert again.key == x.key
    assert again.compute() == x.compute() == 4
    assert copy.copy(x) is copy.deepcopy(x) is x
    for other in (delayed(1j), delayed(1j).real, delayed(divmod, nout=2, pure=True)(7, 2)):
        again = pickle.loads(dumps(other))
        assert (again.key, again.compute(), type(again)) == (other.key, other.compute(), type(other))


def test_lazy_calls_on_arrays_are_pickled_and_named_by_content():
    def make():
        return da.from_array(np.arange(16).reshape(4, 4), chunks=2) + 1

    total = delayed(np.sum, pure=True)(make())
    assert total.key == delayed(np.sum, pure=True)(make()).key != delayed(np.sum, pure=True)(make() + 1).key
    again = pickle.loads(pickle.dumps(total))
    assert (again.key, again.compute()) == (total.key, 136)
    with pytest.raises(TypeError, match="compute or persist it first"):
        pickle.dumps(make().to_delayed()[0, 0])


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_an_error_is_the_users_own_with_the_line_that_built_the_call(scheduler):
    bad = delayed(fail)(delayed(inc)(1))
    with pytest.raises(ZeroDivisionError, match="no good: 2") as info:
        bad.compute(scheduler=scheduler)
    frames = traceback.extract_tb(info.value.__traceback__)
    assert frames[-1].name == "fail"
    notes = "\n".join(getattr(info.value, "__notes__", ["test_delayed.py"]))
    assert "test_delayed.py" in notes


def test_retries_try_again():
    attempts = []

    def flaky():
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("not yet")
        return len(attempts)

    with raskr.annotate(retries=2):
        x = delayed(flaky)()
    assert x.compute() == 3


def test_priorities_decide_what_runs_first():
    seen = []
    note = delayed(seen.append)
    calls = []
    for priority in (1, 3, 2):
        with raskr.annotate(priority=priority):
            calls.append(note(priority))
    raskr.compute(calls, scheduler="sync")
    assert seen == [3, 2, 1]


def test_deep_chains_are_built_run_and_freed():
    x = delayed(0)
    for _ in range(100_000):
        x = x + 1
    assert x.compute(scheduler="sync") == 100_000
    assert len(x.key) > 10
    del x


def test_wide_trees_on_threads():
    values = [delayed(inc)(i) for i in range(20_000)]
    assert delayed(sum)(values).compute(scheduler="threads", num_workers=2) == sum(range(1, 20_001))


def test_persisted_values_are_not_computed_again():
    seen = []

    def noted(x):
        seen.append(x)
        return x

    x = delayed(noted)(1)
    held = x.persist()
    assert held.key == x.key
    assert (held + 1).compute() == 2
    assert held.compute() == 1
    assert seen == [1]


def test_frames_and_graphs_are_drawn(tmp_path):
    x = delayed(inc)(delayed(inc)(1))
    for ending, start in ((".png", b"\x89PNG"), (".svg", b"<svg"), (".dot", b"digraph")):
        path = tmp_path / f"graph{ending}"
        x.visualize(filename=str(path))
        assert path.read_bytes().startswith(start)
    with pytest.raises(ValueError, match="expected one of png"):
        x.visualize(filename=None, format="tiff")


def test_a_call_gets_numbers_of_arrays_without_axes():
    np = pytest.importorskip("numpy")
    import raskr.array as da

    total = da.arange(4, chunks=2).sum()
    assert delayed(type)(total).compute() is np.int64
    assert delayed(lambda mean: f"{mean:.2f}")(da.ones(3).mean()).compute() == "1.00"
    assert [type(each) for each in delayed([total, 1]).compute()] == [np.int64, int]
    days = da.from_array(np.array(["2020", "2021"], dtype="M8[D]"))
    assert delayed(type)(days.max()).compute() is np.datetime64
    assert delayed(np.shape)(da.arange(4, chunks=2)).compute() == (4,)
