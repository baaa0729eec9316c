"""Computing, persisting and finding collections; schedulers by name; foreign collections by their protocol."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from operator import add

import numpy as np
import pytest

import raskr
import raskr.array as da
from raskr._bridge import core
from raskr.base import (
    DaskMethodsMixin,
    clone_key,
    get_collection_names,
    get_scheduler,
    named_schedulers,
    replace_name_in_key,
    tokenize,
    unpack_collections,
)
from raskr.delayed import Delayed, delayed


def inc(x):
    return x + 1


class Foreign(DaskMethodsMixin):
    """A tuple of values of a raw graph, as another library would write it."""

    __slots__ = ("graph", "names")
    __dask_scheduler__ = staticmethod(raskr.threaded.get)
    __dask_optimize__ = None

    def __init__(self, graph, names):
        self.graph, self.names = graph, names

    def __dask_graph__(self):
        return self.graph

    def __dask_keys__(self):
        return self.names

    def __dask_tokenize__(self):
        return self.names

    def __dask_postcompute__(self):
        return tuple, ()

    def __dask_postpersist__(self):
        return Foreign, (self.names,)


@dataclasses.dataclass
class Box:
    content: object


def test_nested_collections_are_replaced():
    a = delayed(inc)(1)
    b = a + 1
    result = raskr.compute({"a": a, "b": [1, (b,)]}, Box(a), iter([a]), {b}, "text")
    assert result == ({"a": 2, "b": [1, (3,)]}, Box(2), [2], {3}, "text")
    (same,) = raskr.compute([a], traverse=False)
    assert same[0] is a
    assert raskr.compute() == ()
    assert raskr.compute(1, [2]) == (1, [2])


def test_each_collection_is_found_once():
    a = delayed(inc)(1)
    collections, repack = unpack_collections([a, a], {"k": a})
    assert len(collections) == 1
    assert repack(["x"]) == (["x", "x"], {"k": "x"})


def test_is_dask_collection():
    assert raskr.is_dask_collection(delayed(1))
    assert raskr.is_dask_collection(Foreign({}, []))
    for other in (1, Foreign, delayed, [delayed(1)]):
        assert not raskr.is_dask_collection(other) or isinstance(other, Delayed)


def test_foreign_collections_are_computed_and_persisted():
    graph = {("x", 0): 1, ("x", 1): (add, ("x", 0), 1), "z": (sum, [("x", 0), ("x", 1)])}
    x = Foreign(graph, [("x", 0), ("x", 1)])
    z = Foreign(graph, ["z"])
    assert x.compute() == (1, 2)
    assert raskr.compute(x, [z], delayed(len)(x)) == ((1, 2), [(3,)], 2)
    held = z.persist()
    assert held.graph == {"z": 3}
    assert held.compute(scheduler="sync") == (3,)
    assert delayed(sum, pure=True)(x).key == delayed(sum, pure=True)(x).key
    assert tokenize(x) != tokenize(z)


def test_graphs_of_raskrs_collections_run_anywhere():
    x = delayed(inc)(delayed(inc)(1)) + 10
    graph = x.__dask_graph__()
    assert raskr.get(graph, x.__dask_keys__()) == (13,)

    def my_get(dsk, keys, **kwargs):
        assert kwargs == {"flag": 1}
        return raskr.get(dsk, keys)

    assert x.compute(scheduler=my_get, flag=1) == 13
    with raskr.config.set(scheduler=lambda dsk, keys: raskr.get(dsk, keys)):
        assert raskr.compute(x, x) == (13, 13)


def test_schedulers_by_name():
    for name in ("sync", "synchronous", "single-threaded"):
        assert get_scheduler(scheduler=name) is raskr.local.get_sync
    for name in ("threads", "Threading"):
        assert get_scheduler(scheduler=name) is raskr.threaded.get
    assert get_scheduler() is None
    with raskr.config.set(scheduler="sync"):
        assert get_scheduler() is raskr.local.get_sync
    with pytest.raises(ValueError, match="unknown scheduler 'thraeds': did you mean 'threads'"):
        delayed(inc)(1).compute(scheduler="thraeds")
    with pytest.raises(ValueError, match="unknown scheduler 5"):
        delayed(inc)(1).compute(scheduler=5)
    with pytest.raises(TypeError, match="scheduler="):
        delayed(inc)(1).compute(get=raskr.get)
    named_schedulers["mine"] = lambda dsk, keys, **kwargs: ["mine"]
    try:
        assert delayed(inc)(1).compute(scheduler="mine") == "mine"
    finally:
        del named_schedulers["mine"]


def test_executors_of_others_run_the_tasks():
    x = delayed(inc)(delayed(inc)(1))
    with ThreadPoolExecutor(2) as pool:
        assert x.compute(scheduler=pool) == 3
        assert x.compute(scheduler="threads", pool=pool) == 3


@pytest.mark.timeout(120)
def test_processes_run_closures():
    x = delayed(lambda a: [a, 2])(delayed(abs)(-2))
    assert x.compute(scheduler="processes", num_workers=1) == [2, 2]


def test_persist_keeps_structure():
    a = delayed(inc)(1)
    result = raskr.persist({"a": a, "b": [1, a + 1]}, 5)
    assert isinstance(result[0]["a"], Delayed)
    assert result[0]["a"].key == a.key
    assert raskr.compute(*result) == ({"a": 2, "b": [1, 3]}, 5)
    assert raskr.optimize(a)[0].compute() == 2


def test_annotations_are_checked_and_nested():
    with raskr.annotate(priority=1), raskr.annotate(retries=2):
        assert raskr.get_annotations() == {"priority": 1, "retries": 2}
    assert raskr.get_annotations() == {}
    for bad, kind in (({"retries": -1}, ValueError), ({"priority": "high"}, TypeError), ({"resources": 1}, TypeError)):
        with pytest.raises(kind), raskr.annotate(**bad):
            pass


def test_names_in_keys():
    x = delayed(1, name="one")
    assert get_collection_names(x) == {"one"}
    assert replace_name_in_key(("x", 0), {"x": "y"}) == ("y", 0)
    assert clone_key(("sum-1", 0), 1) == clone_key(("sum-1", 0), 1) != clone_key(("sum-1", 0), 2)
    with pytest.raises(TypeError):
        clone_key(1, 2)


@pytest.mark.parametrize(
    ("name", "exception"),
    [
        ("Value", ValueError),
        ("Type", TypeError),
        ("Index", IndexError),
        ("Key", KeyError),
        ("NotImplemented", NotImplementedError),
        ("Os", OSError),
        ("Memory", MemoryError),
        ("Timeout", TimeoutError),
        ("Cancelled", core.CancelledError),
        ("Killed", core.KilledWorker),
        ("Internal", RuntimeError),
        ("Matrix", np.linalg.LinAlgError),
    ],
)
def test_each_error_class_is_one_exception(name, exception):
    with pytest.raises(exception, match=name) as info:
        core.exception_of(name)
    assert type(info.value) is exception


def test_arrays_and_what_stands_on_them_are_computed_once():
    counts = {}

    def counted(block, block_info=None):
        place = tuple(block_info[0]["chunk-location"])
        counts[place] = counts.get(place, 0) + 1
        return block + 1

    base = da.ones((4, 4), chunks=2).map_blocks(counted, dtype=float)
    first, second = base * 2, base - 1
    # The function was called for what its blocks look like.
    counts.clear()
    results = raskr.compute(raskr.delayed(np.sum)(first), raskr.delayed(np.sum)(second), base, base.sum(), first)
    assert (results[0], results[1], results[3]) == (64.0, 16.0, 32.0)
    np.testing.assert_array_equal(results[2], np.full((4, 4), 2.0))
    np.testing.assert_array_equal(results[4], np.full((4, 4), 4.0))
    assert counts == dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], 1)
    deep = raskr.delayed(lambda x: x)(raskr.delayed(np.max)(first))
    kept, lazy = raskr.persist(base, deep)
    assert (kept.sum().compute(), lazy.compute()) == (32.0, 4.0)
    assert set(counts.values()) == {2}
