"""Collections on a local cluster: computed and persisted by a client, or by the default one."""

import pickle
import threading

import pytest
from clusters import running

import raskr
from raskr.distributed import Variable, futures_of, wait

LIMIT = 30


@pytest.fixture(scope="module")
def client():
    with running() as client:
        yield client


@raskr.delayed
def increment(x):
    return x + 1


@raskr.delayed
def add(x, y):
    return x + y


def where():
    import os

    return os.getpid()


def test_lazy_values_are_computed_on_the_cluster(client):
    import os

    total = add(increment(1), increment(2))
    assert total.compute() == 5
    assert raskr.compute(total, increment(5), [increment(6)]) == (5, 6, [7])
    assert raskr.delayed(where)().compute() != os.getpid()
    assert raskr.delayed(where)().compute(scheduler="threads") == os.getpid()
    assert raskr.base.get_scheduler() == client.get


def test_what_lazy_values_do_runs_there(client):
    data = raskr.delayed({"a": [1, 2, 3]})
    assert data["a"][1].compute() == 2
    assert raskr.delayed("a-b").split("-").compute() == ["a", "b"]
    assert (increment(1) * 10 + 1).compute() == 21
    assert add([1], y=[increment(1)]).compute() == [1, 2]


def test_a_wide_graph_and_a_deep_one(client):
    leaves = [increment(number) for number in range(3000)]
    assert raskr.delayed(sum)(leaves).compute() == sum(range(1, 3001))
    deep = raskr.delayed(0)
    for _ in range(500):
        deep = increment(deep)
    assert deep.compute() == 500


def test_errors_have_their_class_and_place(client):
    with pytest.raises(ZeroDivisionError) as raised:
        (increment(1) / 0).compute()
    assert raised.value.__notes__


def test_client_compute_gives_futures(client):
    future = client.compute(increment(1))
    assert future.result(timeout=LIMIT) == 2
    one, other, plain = client.compute([increment(1), {"x": increment(2)}, 5])
    assert (one.result(), other.result(), plain) == (2, {"x": 3}, 5)
    assert client.compute(increment(1), sync=True) == 2
    assert client.compute([increment(1)], sync=True) == [2]


def test_what_is_persisted_stands_on_futures(client):
    held = client.persist(add(increment(1), 1))
    (future,) = futures_of(held)
    wait(future, timeout=LIMIT)
    assert held.compute() == 3
    assert increment(held).compute() == 4
    (again,) = raskr.persist(increment(held))
    assert again.compute() == 4 and futures_of(again)
    # On threads the value is fetched.
    assert increment(held).compute(scheduler="threads") == 4


def test_futures_are_arguments_of_lazy_calls(client):
    future = client.submit(lambda: 5)
    assert increment(future).compute() == 6
    assert add(future, [future]).key
    assert raskr.delayed(sum)([future, future]).compute() == 10


def test_raw_graphs(client):
    graph = {"x": 1, "y": (sum, ["x", 2]), "z": (max, "x", "y"), ("t", 0): (abs, -3)}
    assert client.get(graph, "z") == 3
    assert client.get(graph, ["x", ["y", ("t", 0)]]) == [1, [3, 3]]
    futures = client.get(graph, ["y", "z"], sync=False)
    assert client.gather(futures) == [3, 3]
    with pytest.raises(KeyError):
        client.get(graph, "missing")
    mixed = {"four": client.submit(lambda: 4), "same": (abs, "four")}
    assert client.get(mixed, "same") == 4


def test_bags(client):
    import raskr.bag as bag

    assert bag.from_sequence(range(10), npartitions=3).map(lambda x: x * 2).sum().compute() == 90
    held = client.persist(bag.from_sequence(range(10), npartitions=2))
    assert len(futures_of(held)) == 2 and held.sum().compute() == 45


def test_annotations_reach_the_cluster(client, tmp_path):
    @raskr.delayed
    def flaky(path):
        with open(path, "a") as file:
            file.write("x")
        if len(open(path).read()) < 3:
            raise OSError("not yet")
        return "done"

    with raskr.annotate(retries=5):
        value = flaky(str(tmp_path / "a"))
    assert value.compute() == "done"
    assert client.compute(flaky(str(tmp_path / "b")), retries=5).result(timeout=LIMIT) == "done"


def test_what_cannot_be_sent_is_named(client):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        increment(lock).compute()


def test_numbers_of_arrays_are_numbers_of_numpy(client):
    np = pytest.importorskip("numpy")
    import raskr.array as da

    held = da.arange(4, chunks=2).persist()
    whole, total = client.compute([held, held.sum()])
    assert type(total.result(timeout=LIMIT)) is np.int64
    gathered = client.gather([whole, total])
    assert gathered[0].tolist() == [0, 1, 2, 3] and type(gathered[1]) is np.int64
    # What a task gives is left as it is.
    assert type(client.submit(np.array, 5).result(timeout=LIMIT)) is np.ndarray


def test_persisted_collections_are_published(client, other):
    pytest.importorskip("numpy")
    import raskr.array as da
    import raskr.bag as db

    array = client.persist(da.ones(6, chunks=3))
    client.publish_dataset(array=array, more=array + 1, bag=client.persist(db.from_sequence([1, 2], npartitions=2)))
    client.publish_dataset(value=client.persist(increment(4)))
    del array
    assert other.get_dataset("array").sum().compute(scheduler=other) == 6
    assert other.get_dataset("more").compute(scheduler=other).tolist() == [2] * 6
    assert other.get_dataset("bag").compute(scheduler=other) == [1, 2]
    assert other.get_dataset("value").compute(scheduler=other) == 5
    client.unpublish_dataset(["array", "more", "bag", "value"])


def test_what_stands_on_persisted_values_is_pickled(client, other):
    held = client.persist(increment(1))
    for lazy in (held, raskr.delayed(abs)(held), abs(held).real, raskr.delayed(max)([held, client.submit(abs, -1)])):
        assert pickle.loads(pickle.dumps(lazy)).compute() == lazy.compute()
        assert held.key in [future.key for future in futures_of(pickle.loads(pickle.dumps(lazy)))]
    client.publish_dataset(lazy=increment(held))
    variable = Variable("lazy", client=client)
    variable.set([increment(held)])
    task = client.submit(lambda lazy: lazy.compute(), increment(held), pure=False)
    del held
    assert task.result(timeout=LIMIT) == 3
    assert variable.get(timeout=LIMIT)[0].compute() == 3
    assert other.get_dataset("lazy").compute(scheduler=other) == 3
    client.unpublish_dataset("lazy")
    variable.delete()


def test_what_stands_on_persisted_collections_is_pickled(client):
    pytest.importorskip("pandas")
    import pandas as pd

    import raskr.array as da
    import raskr.dataframe as dd

    array, frame = client.persist([da.ones(6, chunks=3), dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)])
    for lazy in (array, (array + 1).sum(), frame.a, frame.a.sum() + 1):
        again = pickle.loads(pickle.dumps(lazy)).compute()
        assert type(again) is type(lazy.compute()) and (again == lazy.compute()).all()


def test_a_pickle_that_stands_on_futures_needs_their_cluster():
    with running(n_workers=1) as client:
        address = client._native.address
        held = client.persist(increment(1))
        pickled = pickle.dumps(raskr.delayed(abs)(held))
        assert pickle.loads(pickled).compute() == 2
    with pytest.raises(OSError, match=address):
        pickle.loads(pickled)


def test_persisted_frames_are_published(client, other):
    pd = pytest.importorskip("pandas")
    import raskr.dataframe as dd

    rows = pd.DataFrame({"a": [1, 2, 3]})
    client.publish_dataset(frame=client.persist(dd.from_pandas(rows, npartitions=2)))
    pd.testing.assert_frame_equal(other.get_dataset("frame").compute(scheduler=other), rows)
    client.unpublish_dataset("frame")


def test_bags_are_made_of_futures_and_of_what_was_persisted(client):
    import raskr.bag as db

    futures = client.map(lambda i: [i, i + 1], range(3))
    assert db.from_delayed(futures).sum().compute() == 9
    assert db.from_delayed([raskr.delayed(future) for future in futures]).sum().compute() == 9
    assert db.from_delayed([raskr.delayed(list)(future) for future in futures]).count().compute() == 6
    assert db.from_delayed(client.persist([raskr.delayed(list)([4])])).compute() == [4]
