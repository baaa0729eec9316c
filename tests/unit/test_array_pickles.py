"""Arrays come back from pickles as they went in, however many operations they are made of."""

import copy
import pickle

import cloudpickle
import numpy as np
import pytest

import raskr
import raskr.array as da


def twice(x):
    return 2 * x


def chain(operations):
    x = da.from_array(np.arange(10.0), chunks=4)
    for number in range(operations):
        x = x + number
    return x


EXAMPLES = {
    "memory": lambda: da.from_array(np.arange(12.0).reshape(3, 4), chunks=2)[::2].T,
    "random": lambda: da.random.default_rng(1).normal(size=(7, 5), chunks=3).cumsum(axis=0),
    "mask": lambda: (x := da.arange(20, chunks=6))[x % 3 == 1],
    "function": lambda: da.ones((4, 4), chunks=2).map_blocks(twice, dtype=float),
    "delayed": lambda: da.from_delayed(raskr.delayed(np.ones)(5), (5,), float) + 1,
    "product": lambda: da.linalg.qr(da.random.default_rng(1).random((8, 3), chunks=(4, 3)))[1],
    "text": lambda: da.from_array(np.array(["a", "bc", "d"]), chunks=2),
    "record": lambda: da.zeros(3, dtype=[("a", "i4"), ("b", "f8")], chunks=2)["b"],
    "persisted": lambda: da.arange(6, chunks=2).persist() * 2,
}


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("library", [pickle, cloudpickle])
def test_an_array_comes_back_under_its_name(example, library):
    x = EXAMPLES[example]()
    back = library.loads(library.dumps(x))
    assert (back.name, back.chunks, back.dtype) == (x.name, x.chunks, x.dtype)
    assert np.array_equal(back.compute(), x.compute())


@pytest.mark.parametrize("operations", [10, 200, 20_000])
def test_chains_of_any_length_can_be_pickled(operations):
    x = chain(operations)
    back = pickle.loads(pickle.dumps(x))
    assert back.name == x.name
    assert np.array_equal(back.compute(), x.compute())


def test_what_is_shared_is_pickled_once():
    x = da.from_array(np.arange(1000.0), chunks=100)
    small = len(pickle.dumps(x))
    for _ in range(300):
        x = x + x
    assert len(pickle.dumps(x)) < small + 300 * 400
    assert pickle.loads(pickle.dumps(x)).name == x.name


def test_a_deep_copy_is_another_array_of_the_same_elements():
    x = chain(3)
    assert np.array_equal(copy.deepcopy(x).compute(), x.compute())


def test_memory_goes_out_of_band():
    x = da.from_array(np.arange(100_000.0), chunks=30_000) + 1
    buffers = []
    stream = pickle.dumps(x, protocol=5, buffer_callback=buffers.append)
    assert len(stream) < 2000
    assert sum(buffer.raw().nbytes for buffer in buffers) == 800_000
    assert np.array_equal(pickle.loads(stream, buffers=buffers).compute(), np.arange(100_000.0) + 1)
