"""The cache across computations, with a stand-in for the package that decides what is worth keeping."""

import sys
import time
import types

import pytest

import raskr
import raskr.array as da
import raskr.bag as db
from raskr import delayed
from raskr.cache import Cache
from raskr.callbacks import Callback


class Keeper:
    """Keeps everything, as `cachey.Cache` does while there is room, and remembers what it was told."""

    def __init__(self, available_bytes, limit=0):
        self.available_bytes, self.limit = available_bytes, limit
        self.data, self.costs, self.nbytes = {}, {}, {}

    def put(self, key, value, cost, nbytes=None):
        assert key not in self.data
        self.data[key], self.costs[key], self.nbytes[key] = value, cost, nbytes

    def get(self, key, default=None):
        return self.data.get(key, default)


@pytest.fixture
def cachey(monkeypatch):
    module = types.ModuleType("cachey")
    module.Cache = Keeper
    module.nbytes = sys.getsizeof
    monkeypatch.setitem(sys.modules, "cachey", module)


@pytest.fixture
def ran():
    return []


def test_without_its_package_a_cache_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cachey", None)
    with pytest.raises(ImportError, match="Cache needs the package cachey: python -m pip install cachey"):
        Cache(1e9)


def test_a_cache_is_made_or_taken(cachey):
    made = Cache(1000, limit=3)
    assert (made.cache.available_bytes, made.cache.limit) == (1000, 3)
    keeper = Keeper(5)
    assert Cache(keeper).cache is keeper
    with pytest.raises(TypeError, match="is there already"):
        Cache(keeper, limit=1)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_results_are_computed_once(cachey, ran, scheduler):
    def step(value):
        ran.append(value)
        return value

    values = [[1, 2], "y", ("text", 1), 5, {"a": 1}, (abs, -1), None]
    for number, value in enumerate(values):
        graph = {"x": (lambda value=value: step(value),), "y": (lambda x: [x], "x")}
        cache = Cache(1e9)
        with cache:
            assert raskr.base.named_schedulers[scheduler](graph, "y") == [value]
            # All of it is known, then only what is below.
            assert raskr.base.named_schedulers[scheduler](graph, ["x", "y"]) == (value, [value])
            del cache.cache.data["y"]
            assert raskr.base.named_schedulers[scheduler](graph, "y") == [value]
        assert len(ran) == number + 1
    assert not Callback.active
    assert not cache.starttimes
    assert not cache.durations


def test_collections_find_their_parts(cachey, ran):
    def step(block):
        ran.append(1)
        return block

    x = da.arange(4, chunks=2).map_blocks(step, dtype=int)
    ran.clear()
    with Cache(1e9):
        assert x.compute().tolist() == [0, 1, 2, 3]
        assert (x + 1).sum().compute() == 10
        assert x.persist().compute().tolist() == [0, 1, 2, 3]
        assert len(ran) == 2
        d = delayed(step)(1)
        assert (d.compute(), (d + 1).compute()) == (1, 2)
        assert len(ran) == 3
        bag = db.from_sequence([1, 2], npartitions=1).map(step)
        assert bag.compute(scheduler="sync") == bag.compute(scheduler="sync") == [1, 2]
        assert len(ran) == 5
    assert d.compute() == 1
    assert len(ran) == 6


def test_costs_count_what_a_result_needed(cachey):
    cache = Cache(1e9)

    def slow():
        begun = time.perf_counter()
        while time.perf_counter() - begun < 0.02:
            pass
        return [0] * 1000

    with cache:
        raskr.get({"x": (slow,), "y": (len, "x")}, "y")
    costs, nbytes = cache.cache.costs, cache.cache.nbytes
    # It takes as long to have y as to have x, and y is smaller.
    assert nbytes["x"] > nbytes["y"] > sys.getsizeof(1000)
    assert costs["y"] > costs["x"] > 0
    assert costs["x"] * nbytes["x"] * 1e9 >= 0.02


def test_a_registered_cache_serves_all_computations(cachey, ran):
    cache = Cache(1e9)
    cache.register()
    try:
        d = delayed(ran.append)(1)
        d.compute()
        d.compute()
    finally:
        cache.unregister()
    assert ran == [1]
