"""Checkpoints, waiting, binding and copies of collections of all kinds."""

import threading

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.array as da
import raskr.bag as db
import raskr.dataframe as dd
from raskr import delayed
from raskr.core import flatten
from raskr.graph_manipulation import bind, checkpoint, clone, wait_on
from raskr.highlevelgraph import HighLevelGraph


class Log:
    """A function that writes down that it ran, and gives what it gets."""

    def __init__(self):
        self.lines = []
        self.lock = threading.Lock()

    def __call__(self, value, what="ran"):
        with self.lock:
            self.lines.append(what)
        return value

    def of(self, what):
        return lambda value: self(value, what)

    def taken(self):
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def log():
    return Log()


def mapped(x, function):
    # With a meta the function is not called while the array is built.
    return x.map_blocks(function, dtype=x.dtype, meta=x._meta)


def array(function, chunks=2):
    return mapped(da.arange(4, chunks=chunks), function)


def frame(function):
    data = pd.DataFrame({"a": range(4)})
    return dd.from_pandas(data, npartitions=2).map_partitions(function, meta=data.iloc[:0])


# Each kind of collection, how often its function runs, and its value.
KINDS = {
    "delayed": (lambda f: delayed(f)(5), 1, 5),
    "array": (array, 2, [0, 1, 2, 3]),
    "delayed on an array": (lambda f: delayed(np.ravel)(array(f)), 2, [0, 1, 2, 3]),
    "attribute": (lambda f: delayed(np.transpose)(array(f)).T, 2, [0, 1, 2, 3]),
    "array of one block": (lambda f: array(f, 4), 1, [0, 1, 2, 3]),
    "array of a delayed value": (lambda f: da.from_delayed(delayed(f)(np.arange(4)), (4,), int), 1, [0, 1, 2, 3]),
    "bag": (lambda f: db.from_sequence([1, 2], npartitions=2).map(f), 2, [1, 2]),
    "item": (lambda f: db.Item.from_delayed(delayed(f)(6)), 1, 6),
    "frame": (frame, 2, [[0], [1], [2], [3]]),
    "series": (lambda f: frame(f)["a"], 2, [0, 1, 2, 3]),
}


class Foreign(raskr.base.DaskMethodsMixin):
    """What speaks Dask's protocol, and nothing more."""

    def __init__(self, graph, keys):
        self.graph, self.keys = graph, keys

    __dask_scheduler__ = staticmethod(raskr.get)

    def __dask_graph__(self):
        return self.graph

    def __dask_keys__(self):
        return self.keys

    def __dask_layers__(self):
        return tuple({raskr.base.get_name_from_key(key) for key in self.keys})

    def __dask_tokenize__(self):
        return self.keys

    def __dask_postcompute__(self):
        return tuple, ()

    def __dask_postpersist__(self):
        return self.rebuilt, ()

    def rebuilt(self, graph, rename=None):
        return Foreign(graph, [raskr.base.replace_name_in_key(key, rename or {}) for key in self.keys])


def foreign(function, layers):
    graph = {
        "sources": {("sources", i): (function, i) for i in range(3)},
        "total": {"total": (sum, list_of("sources", 3))},
    }
    hlg = HighLevelGraph(graph, {"sources": set(), "total": {"sources"}})
    return Foreign(hlg if layers else hlg.to_dict(), ["total"])


def list_of(name, count):
    return [(name, number) for number in range(count)]


def plain(value):
    return value.to_numpy().tolist() if hasattr(value, "to_numpy") else getattr(value, "tolist", lambda: value)()


def value_of(collection):
    return plain(collection.compute(scheduler="sync"))


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(params=["sync", "threads"])
def scheduler(request):
    return request.param


# --- checkpoint -------------------------------------------------------------------------------------------------------
def test_a_checkpoint_computes_everything_and_is_none(kind, log, scheduler):
    make, count, _ = kind
    assert checkpoint(make(log)).compute(scheduler=scheduler) is None
    assert log.taken() == ["ran"] * count


def test_a_checkpoint_of_several_looks_into_containers(log, scheduler):
    made = [make(log) for make, _, _ in KINDS.values()]
    assert checkpoint(made[0], {"x": made[1:]}, 7).compute(scheduler=scheduler) is None
    assert len(log.taken()) == sum(count for _, count, _ in KINDS.values())
    assert checkpoint().compute() is None


@pytest.mark.parametrize("layers", [False, True])
def test_a_checkpoint_of_a_foreign_collection(layers, log):
    assert checkpoint(foreign(log, layers)).compute(scheduler="sync") is None
    assert len(log.taken()) == 3


def test_a_checkpoint_holds_no_more_than_a_few_results():
    parts = checkpoint(dd.from_pandas(pd.DataFrame({"a": range(100)}), npartitions=50), split_every=5)
    tasks = parts.__dask_graph__()
    assert max(len(task) - 1 for task in tasks.values()) == 5
    together = checkpoint(dd.from_pandas(pd.DataFrame({"a": range(100)}), npartitions=50), split_every=False)
    assert max(len(task) - 1 for task in together.__dask_graph__().values()) == 50


def test_equal_checkpoints_have_equal_keys():
    x, d = da.ones(4, chunks=2), delayed(1, name="one")
    for given in ([x], [d], [x, x + 1], [x, d]):
        assert checkpoint(*given).key == checkpoint(*given).key


@pytest.mark.parametrize("split_every", [1, 1.9, 0, -2, float("nan")])
def test_too_small_a_split_is_refused(split_every):
    with pytest.raises(ValueError, match="at least 2"):
        checkpoint(delayed(1), split_every=split_every)


@pytest.mark.parametrize("split_every", [{0: 2}, "2", True])
def test_a_split_that_is_no_number_is_refused(split_every):
    for call in (checkpoint, wait_on, lambda x, split_every: bind(x, x, split_every=split_every)):
        with pytest.raises(TypeError, match="split_every must be a number"):
            call(delayed(1), split_every=split_every)


# --- wait_on ----------------------------------------------------------------------------------------------------------
def test_what_waits_is_the_same_and_is_computed_once(kind, log, scheduler):
    make, count, value = kind
    collection = make(log)
    waiting = wait_on(collection)
    assert isinstance(collection, type(waiting))
    assert plain(waiting.compute(scheduler=scheduler)) == value
    assert log.taken() == ["ran"] * count


def test_nothing_goes_on_before_all_is_there(log, scheduler):
    first, second = (array(log.of("made")) for _ in range(2))
    x, y = wait_on(first, second)
    results = raskr.compute(mapped(x, log.of("used")), mapped(y, log.of("used")), scheduler=scheduler)
    assert [result.tolist() for result in results] == [[0, 1, 2, 3]] * 2
    assert log.taken() == ["made"] * 4 + ["used"] * 4


def test_collections_of_several_kinds_wait_for_each_other(log):
    made = {name: make(log.of("made")) for name, (make, _, _) in KINDS.items()}
    waiting, text = wait_on(made, "text")
    assert text == "text"
    for name, (_, _, value) in KINDS.items():
        assert plain(delayed(log.of("used"))(waiting[name]).compute(scheduler="sync")) == value
        assert log.taken() == ["made"] * sum(count for _, count, _ in KINDS.values()) + ["used"]


def test_arrays_and_delayed_values_that_wait_for_each_other_are_computed_once(log, scheduler):
    kinds = [kind for name, kind in KINDS.items() if name.startswith(("array", "delayed"))]
    waiting = wait_on([make(log) for make, _, _ in kinds])
    results = raskr.compute(*waiting, scheduler=scheduler)
    assert list(map(plain, results)) == [value for _, _, value in kinds]
    assert len(log.taken()) == sum(count for _, count, _ in kinds)


@pytest.mark.parametrize("layers", [False, True])
def test_foreign_collections_wait(layers, log):
    first, bag = wait_on(foreign(log, layers), db.from_sequence([1, 2], npartitions=2).map(log))
    assert raskr.compute(first, bag, scheduler="sync") == ((3,), [1, 2])
    assert len(log.taken()) == 5


def test_arrays_list_no_tasks_while_they_are_built(monkeypatch):
    from raskr._bridge import core

    x = da.ones((1_000_000, 4), chunks=(10, 4))
    for name in ("graph_of", "nodes_of_graph"):
        monkeypatch.delattr(core, name)
    for made in (wait_on(x), *wait_on(x, x + 1), bind(x, x), clone(x)):
        assert made.chunks == x.chunks
        assert made.dtype == x.dtype


def test_arrays_keep_their_meta_types_and_unknown_chunks():
    x = da.arange(6, chunks=2)
    unknown = x[x > 2]
    masked = da.ma.masked_array(x, mask=[True] * 3 + [False] * 3)
    objects = x.astype(object)
    scalar = x.sum()
    signal = delayed(1)
    for change in (wait_on, clone, lambda each: bind(each, signal), lambda each: bind(each, x)):
        for each in (x, unknown, masked, objects, scalar):
            changed = change(each)
            assert changed.dtype == each.dtype
            assert np.array_equal([*flatten(changed.chunks, tuple)], [*flatten(each.chunks, tuple)], equal_nan=True)
            assert type(changed._meta) is type(each._meta)
            result, expected = changed.compute(), each.compute()
            assert type(result) is type(expected)
            assert np.ma.allequal(result, expected)


# --- bind -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("parent", KINDS)
def test_children_run_after_parents(kind, parent, log, scheduler):
    make, count, value = kind
    make_parent, parents, _ = KINDS[parent]
    child = make(log.of("child"))
    bound = bind(child, make_parent(log.of("parent")))
    assert plain(bound.compute(scheduler=scheduler)) == value
    assert log.taken() == ["parent"] * parents + ["child"] * count
    # The children themselves are as they were.
    assert plain(child.compute(scheduler=scheduler)) == value
    assert log.taken() == ["child"] * count


@pytest.mark.parametrize("layers", [False, True])
def test_foreign_children_and_parents(layers, log):
    other = foreign(log.of("parent"), layers)
    child = Foreign({("c", 0): (log, 1, "child"), "d": (abs, ("c", 0))}, ["d"])
    assert bind(child, other, assume_layers=layers).compute() == (1,)
    assert log.taken() == ["parent"] * 3 + ["child"]
    assert bind(other, child, assume_layers=layers).compute() == (3,)
    assert log.taken() == ["child"] + ["parent"] * 3


def test_files_are_read_after_they_are_written(tmp_path, log):
    path = str(tmp_path / "x.zarr")
    da.zeros(4, chunks=2).to_zarr(path)
    written = mapped(da.arange(4, chunks=2, dtype=float), log).to_zarr(path, overwrite=True, compute=False)
    read = bind(da.from_zarr(path), written)
    assert read.compute().tolist() == [0, 1, 2, 3]
    assert len(log.taken()) == 2


def test_objects_are_read_after_parents(log):
    data = np.zeros(4)

    class Held:
        shape, dtype, ndim = (4,), np.dtype(float), 1

        def __getitem__(self, index):
            log(None, "read")
            return data[index]

    def write(value):
        data[:] = value
        return log(value, "write")

    read = da.from_array(Held(), chunks=2)
    log.taken()
    assert bind(read, delayed(write)(7)).compute().tolist() == [7] * 4
    assert log.taken() == ["write", "read", "read"]


def test_omitted_ones_do_not_wait_and_are_not_copied(log, scheduler):
    source = array(log.of("source"))
    used = mapped(source + 1, log.of("child"))
    bound = bind(used, delayed(log.of("parent"))(source), omit={"those": [source]})
    assert bound.compute(scheduler=scheduler).tolist() == [1, 2, 3, 4]
    lines = log.taken()
    assert lines.index("child") > lines.index("parent")
    bound = bind(used, array(log.of("parent")), omit=source)
    results = raskr.compute(bound, source, scheduler=scheduler)
    assert [result.tolist() for result in results] == [[1, 2, 3, 4], [0, 1, 2, 3]]
    assert sorted(log.taken()) == ["child"] * 2 + ["parent"] * 2 + ["source"] * 2


def test_omitted_delayed_values_are_computed_once(log):
    source = delayed(log.of("source"))(1)
    child = delayed(log.of("child"))(source)
    bound = bind(child, delayed(log.of("parent"))(2), omit=source)
    assert raskr.compute(bound, source, scheduler="sync") == (1, 1)
    lines = log.taken()
    assert sorted(lines) == ["child", "parent", "source"]
    assert lines.index("child") > lines.index("parent")


def test_parents_that_are_computed_too_run_once(log):
    parent = delayed(log.of("parent"))(1)
    children = bind([delayed(log.of("child"))(2), array(log.of("child"))], parent)
    assert raskr.compute(parent, *children, scheduler="sync")[:2] == (1, 2)
    assert log.taken() == ["parent"] + ["child"] * 3


def test_children_in_containers_share_their_copies(log):
    d = delayed(log)(1)
    x = array(log)
    a, b, c, e = bind([d, delayed(abs)(d), x, x + 1], delayed(0))
    assert raskr.compute(a, b, scheduler="sync") == (1, 1)
    assert len(log.taken()) == 1
    raskr.compute(c, e, scheduler="sync")
    assert len(log.taken()) == 2


# --- clone ------------------------------------------------------------------------------------------------------------
def keys_of(collection):
    return set(flatten(collection.__dask_keys__()))


def test_a_copy_is_computed_by_itself(kind, log, scheduler):
    make, count, value = kind
    collection = make(log)
    copy = clone(collection)
    assert not keys_of(copy) & keys_of(collection)
    assert not set(copy.__dask_graph__()) & set(collection.__dask_graph__())
    results = raskr.compute(collection, copy, scheduler=scheduler)
    assert list(map(plain, results)) == [value] * 2
    assert len(log.taken()) == 2 * count


def test_seeds_say_the_names_of_copies(kind, log):
    collection = kind[0](log)
    first, again, other = (clone(collection, seed=seed) for seed in (1, 1, 2))
    assert keys_of(first) == keys_of(again)
    assert not keys_of(first) & (keys_of(other) | keys_of(clone(first, seed=1)))
    assert not keys_of(clone(collection)) & keys_of(clone(collection))


def varied_arrays(folder):
    """Arrays of most kinds of expressions, over one source."""
    x = da.from_array(np.random.default_rng(0).normal(size=(12, 8)), chunks=(4, 4))
    square, tall = x[:8] + 9 * da.eye(8, chunks=4), x.rechunk((3, 8))
    numbers = (abs(x) * 3).astype(int).ravel()
    da.to_zarr(x, f"{folder}/zarr")
    da.to_npy_stack(f"{folder}/npy", x)
    changed = x.copy()
    changed[changed > 1] = 0
    return x, [
        (x + x.T.sum())[::-1, 1:5][[3, 1, 2]],
        x[x > 0],
        x.vindex[[0, 1], [2, 3]],
        x.rechunk((5, 3)).reshape(96),
        da.concatenate([x, da.stack([x, x])[0]], axis=1).mean(axis=0),
        x.cumsum(axis=0).argmax(axis=1),
        da.einsum("ij,kj->ik", x, x) @ da.tensordot(x, x, axes=([1], [1])),
        *da.linalg.qr(tall),
        da.linalg.solve(square, da.ones(8, chunks=4)),
        da.fft.fft(x.rechunk((-1, 4)), axis=0),
        da.histogram(x, bins=5, range=(-1, 1))[0],
        da.bincount(numbers, minlength=30),
        da.unique(numbers),
        da.median(x, axis=0),
        x.map_overlap(lambda block: block * 2, depth=1),
        da.ma.masked_greater(x, 0),
        x.astype(object),
        da.broadcast_to(numbers, (3, 96)),
        da.random.default_rng(1).normal(da.arange(4, chunks=2), 2.0, size=(4,)),
        da.from_zarr(f"{folder}/zarr"),
        da.from_npy_stack(f"{folder}/npy"),
        x.blocks[1],
        x.persist(),
        changed,
    ]


def test_arrays_of_all_kinds_are_copied_and_wait(tmp_path):
    x, arrays = varied_arrays(tmp_path)
    changes = [
        clone,
        lambda each: clone(each, omit=x),
        lambda each: bind(each, x),
        lambda each: bind(each, delayed(1), omit=x),
        wait_on,
    ]
    for each in arrays:
        expected = each.compute()
        for change in changes:
            changed = change(each)
            result = changed.compute()
            assert type(result) is type(expected)
            assert changed.dtype == each.dtype
            # Sums of what waits are those of whole blocks.
            if expected.dtype == object:
                assert (result == expected).all()
            else:
                np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


def test_copies_of_delayed_values_without_their_arrays(log):
    x = array(log)
    total = delayed(np.sum)(x)
    copy = clone(total, omit=x)
    assert copy.key != total.key
    assert raskr.compute(copy, total, scheduler="sync") == (6, 6)
    assert len(log.taken()) == 2
    blocks = delayed(sum)([delayed(np.sum)(block) for block in x.to_delayed()])
    assert raskr.compute(clone(blocks), bind(blocks, total), scheduler="sync") == (6, 6)


def test_copies_of_arrays_without_the_values_in_them(log):
    value = delayed(log)(np.arange(4))
    x = da.from_delayed(value, (4,), int) + 1
    assert [each.tolist() for each in raskr.compute(x, clone(x, omit=value), scheduler="sync")] == [[1, 2, 3, 4]] * 2
    assert len(log.taken()) == 1


def test_copies_are_tried_again_as_often():
    tries = []

    def fail_twice():
        tries.append(1)
        if len(tries) % 3:
            raise OSError("not yet")
        return len(tries)

    with raskr.annotate(retries=2):
        value = delayed(fail_twice)()
    assert (value + 1).compute(scheduler="sync") == 4
    assert clone(value + 1).compute(scheduler="sync") == 7
    assert bind(value, delayed(1)).compute(scheduler="sync") == 9


def test_copies_of_random_arrays_have_the_same_numbers():
    x = da.random.default_rng(1).normal(size=10, chunks=5)
    assert np.array_equal(clone(x).compute(), x.compute())


def test_copies_without_some_collections(log):
    source = db.from_sequence([1, 2], npartitions=2).map(log)
    mapped = source.map(abs)
    copy = clone(mapped, omit=source)
    assert keys_of(source) <= set(copy.__dask_graph__())
    assert raskr.compute(mapped, copy, scheduler="sync") == ([1, 2], [1, 2])
    assert len(log.taken()) == 2
    tables = frame(log)
    column = tables["a"]
    copies = clone(column, {"x": column}, omit=[tables])
    assert isinstance(copies, tuple)
    assert value_of(copies[1]["x"]) == [0, 1, 2, 3]


@pytest.mark.parametrize("layers", [False, True])
def test_copies_of_foreign_collections(layers, log):
    collection = foreign(log, layers)
    copy = clone(collection, seed=1, assume_layers=layers)
    assert not set(copy.__dask_graph__()) & set(collection.__dask_graph__())
    assert raskr.compute(collection, copy, scheduler="sync") == ((3,), (3,))
    assert len(log.taken()) == 6
    graph = {"sources": {("sources", i): collection.graph["sources", i] for i in range(3)}}
    sources = Foreign(HighLevelGraph(graph, {"sources": set()}) if layers else graph["sources"], list_of("sources", 3))
    part = clone(collection, omit=sources, seed=1, assume_layers=layers)
    assert {("sources", 0), ("sources", 2)} <= set(part.__dask_graph__())
    assert raskr.compute(collection, part, scheduler="sync") == ((3,), (3,))
    assert len(log.taken()) == 3


def test_long_chains_are_copied():
    x, d = da.zeros(4, chunks=2), delayed(0)
    for _ in range(2000):
        x, d = x + 1, d + 1
    assert clone(x).compute().tolist() == [2000] * 4
    assert bind(d, delayed(1)).compute(scheduler="sync") == 2000


def test_what_is_no_collection_comes_back():
    assert clone(1, seed=1) == bind(1, delayed(2)) == wait_on(1) == 1
    assert clone(1, "x") == wait_on(1, "x") == (1, "x")


def test_all_of_it_runs_in_processes(kind):
    make, _, value = kind
    collection = make(abs)
    for changed in (wait_on(collection), clone(collection), bind(collection, collection)):
        assert plain(changed.compute(scheduler="processes", num_workers=1)) == value
    assert checkpoint(collection).compute(scheduler="processes", num_workers=1) is None


@pytest.mark.parametrize("scheduler", [None, "processes"])
def test_bags_wait_for_arrays_wherever_they_run(scheduler):
    bag, x = db.from_sequence([1, 2], npartitions=2).map(abs), array(abs)
    for waiting in (bind(bag, x), wait_on(bag, x)[0], bind(bag, delayed(np.sum)(x))):
        assert waiting.compute(scheduler=scheduler, num_workers=1) == [1, 2]


def test_optimized_bags_hold_tasks():
    bag, item = raskr.optimize(db.range(4, npartitions=2).map(abs), db.range(4, npartitions=2).sum())
    assert raskr.compute(bag, item, scheduler="sync") == ([0, 1, 2, 3], 6)
