"""Arrays are computed on clusters as they are here: the tests of operations by drawn examples, with a cluster as the scheduler."""

import importlib

import numpy as np
import pytest
from clusters import running
from hypothesis import settings

import raskr
import raskr.array as da
from raskr.distributed import get_worker

# Drawn examples of each: a cluster takes some milliseconds for what threads do in one.
EXAMPLES = 8
MODULES = [
    "test_array_functions",
    "test_families",
    "test_fft",
    "test_linalg",
    "test_masked",
    "test_order",
    "test_selection",
    "test_ufuncs",
]


# NumPy resizes an array there that nobody else may hold, not even those who look at the stacks of threads, as workers do.
ELSEWHERE = ["test_assignment_to_hard_and_soft_masks"]


@pytest.fixture(scope="module", autouse=True)
def client():
    with running(processes=False) as client:
        yield client


def _drawn():
    for module in MODULES:
        for name, test in vars(importlib.import_module(f"properties.{module}")).items():
            drawn = name.startswith("test_") and hasattr(test, "hypothesis") and not getattr(test, "pytestmark", None)
            if drawn and name not in ELSEWHERE:
                yield pytest.param(test, id=f"{module}-{name}")


@pytest.mark.parametrize("test", list(_drawn()))
def test_operations(test):
    settings(test._hypothesis_internal_use_settings, max_examples=EXAMPLES)(test)()


def test_blocks_of_large_arrays_in_memory_are_data_of_their_own(client):
    values = np.arange(200_000.0).reshape(400, 500)
    x = da.from_array(values, chunks=(100, 250))
    assert np.array_equal((x.T * 2)[::3, 1:].compute(), (values.T * 2)[::3, 1:])
    assert float(x.sum()) == values.sum()


def test_memory_that_was_written_to_is_sent_again(client):
    memory = np.zeros(100_000)
    total = da.from_array(memory, chunks=50_000).sum()
    for value in range(30):
        memory[:] = value
        assert total.compute() == value * 100_000


def test_delayed_values_and_arrays_stand_on_each_other(client):
    made = raskr.delayed(np.arange)(6)
    x = da.from_delayed(made, (6,), int)
    total = raskr.delayed(sum)((x + 1).to_delayed().tolist()[0])
    shifted = x + da.from_delayed(raskr.delayed(np.asarray)(total.sum()), (), int)
    assert shifted.compute().tolist() == [21, 22, 23, 24, 25, 26]
    assert raskr.delayed(np.ptp)(x * 3).compute() == 15


def test_persisted_arrays_stay_on_the_cluster(client):
    x = da.random.default_rng(3).random((300, 200), chunks=50)
    held = x.persist()
    assert held.name == x.name
    assert np.array_equal(held.compute(), x.compute(scheduler="threads"))
    assert np.allclose(
        (held.sum(axis=0) + held.mean()).compute(), (x.sum(axis=0) + x.mean()).compute(scheduler="threads")
    )
    assert np.array_equal(held.compute(scheduler="threads"), x.compute(scheduler="threads"))


def test_a_whole_array_may_be_one_future(client):
    x = da.arange(10, chunks=3)
    first, second = client.compute([x, x.sum()])
    assert first.result().tolist() == list(range(10))
    assert second.result() == 45


def test_several_arrays_are_computed_together(client):
    x = da.random.default_rng(4).random(1000, chunks=100)
    low, high, line = raskr.compute(x.min(), x.max(), x)
    assert (line.min(), line.max()) == (low, high)


def test_errors_of_native_tasks_say_where_they_happened(client):
    x = da.from_array(np.zeros((4, 4)), chunks=4)
    with pytest.raises(np.linalg.LinAlgError):
        da.linalg.cholesky(x).compute()


def test_functions_of_blocks_may_be_anybodys(client):
    x = da.ones((4, 6), chunks=(2, 3))

    def place(block, block_info=None):
        return block * block_info[0]["chunk-location"][1]

    assert x.map_blocks(place, dtype=float).compute()[0].tolist() == [0, 0, 0, 1, 1, 1]
    assert x.map_blocks(lambda block: block.astype("U3"), dtype="U3").compute()[0, 0] == "1.0"


def test_workers_write_arrays(client, tmp_path):
    def marked(block):
        # Fails where no worker runs it.
        return block + 0 * len(get_worker().address)

    x = da.arange(12, chunks=5).persist()
    da.to_npy_stack(str(tmp_path / "stack"), x)
    assert da.from_npy_stack(str(tmp_path / "stack")).compute().tolist() == list(range(12))
    (x.map_blocks(marked, meta=np.empty(0, x.dtype)) * 2).to_zarr(str(tmp_path / "zarr"))
    assert da.from_zarr(str(tmp_path / "zarr")).sum().compute() == 132
