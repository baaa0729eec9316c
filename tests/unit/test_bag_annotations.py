"""Annotations of bags: when they hold, and which steps they keep apart."""

import pickle

import cloudpickle
import pytest

import raskr
import raskr.bag as db


def failing(times):
    """A function that raises so often, and then gives its argument."""
    left = [times]

    def give(x):
        if left[0]:
            left[0] -= 1
            raise ValueError("not yet")
        return x

    return give


def test_annotations_hold_from_when_a_bag_is_built():
    with raskr.annotate(retries=2):
        bag = db.from_sequence([1, 2], npartitions=1).map(failing(2))
        total = bag.map(failing(0)).sum()
    assert total.apply(str).compute(scheduler="sync") == "3"
    with raskr.annotate(retries=2):
        bag = db.from_sequence([1, 2], npartitions=1).map(failing(2))
    with raskr.annotate(retries=0, priority=1):
        assert bag.compute(scheduler="sync") == [1, 2]
    bag = db.from_sequence([1, 2], npartitions=1).map(failing(1))
    with raskr.annotate(retries=2):
        more = bag.map(str)
    with pytest.raises(ValueError, match="not yet"):
        more.compute(scheduler="sync")
    with raskr.annotate(retries=1):
        assert db.from_sequence([1, 2], npartitions=1).map(failing(1)).compute(scheduler="sync") == [1, 2]
        later = db.from_sequence([1, 2], npartitions=1).map(failing(1))
    assert pickle.loads(cloudpickle.dumps(later)).compute(scheduler="sync") == [1, 2]


def test_steps_with_other_annotations_are_tasks_of_their_own():
    bag = db.range(10, npartitions=2).map(str)
    with raskr.annotate(priority=1):
        bag = bag.map(int).map(abs)
    bag = bag.map(float)
    graph = bag.__dask_optimize__(bag.__dask_graph__(), bag.__dask_keys__())
    assert len(graph) == 6
    assert [found for found in graph.annotations.values() if found] == [{"priority": 1}] * 2
    assert bag.compute(scheduler="sync") == [float(i) for i in range(10)]


def test_annotations_of_delayed_values_stay_theirs():
    give = failing(1)
    with raskr.annotate(retries=1):
        part = raskr.delayed(give)([1, 2])
    assert db.from_delayed([part]).sum().compute(scheduler="sync") == 3
