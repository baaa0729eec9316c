"""Estimates of memory: of what libraries hold, against what is known to be there."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr

import raskr.array as da
from raskr.sizeof import sizeof

TEXTS = [letter * 10_000 for letter in "abcd"]


def test_frames_hold_their_columns_once():
    df = pd.DataFrame({"x": np.arange(1000), "y": np.arange(1000) / 2})
    assert 16_000 < sizeof(df) < 18_500
    assert 8_000 < sizeof(df.x) < 10_000
    small = pd.DataFrame({"x": [1, 2, 3], "y": ["a" * 100, "b" * 100, "c" * 100]}, index=[10, 20, 30])
    assert sizeof(small) >= sizeof(small.x) + sizeof(small.y) - sizeof(small.index)


@pytest.mark.parametrize("dtype", [object, pd.StringDtype("python")])
def test_objects_that_are_met_again_count_once(dtype):
    repeated = pd.DataFrame([TEXTS * 3] * 1000, dtype=dtype)
    pointers = 12_000 * 8
    assert 40_000 + pointers < sizeof(repeated) < 60_000 + pointers
    different = pd.Series([letter * 1000 + str(number) for number, letter in enumerate("ab" * 500)], dtype=dtype)
    assert 1_000_000 < sizeof(different) < 1_200_000
    assert sizeof(pd.Series([], dtype=dtype)) < 2000


@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical(np.tile(["north", "south"], 50_000)),
        pd.period_range("2000-01-01", periods=10_000, freq="D").array,
        pd.interval_range(0, 5_000).array,
        pd.Categorical(np.arange(20_000)),
    ],
    ids=["categories", "periods", "intervals", "many categories"],
)
def test_what_is_kept_as_numbers_is_not_made_objects_to_be_measured(values, monkeypatch):
    def refused(*args, **kwargs):
        raise AssertionError("objects were made")

    held = pd.Series(values)
    known = held.memory_usage(deep=True)
    for kind in (pd.Categorical, pd.arrays.PeriodArray, pd.arrays.IntervalArray):
        monkeypatch.setattr(kind, "__array__", refused)
    assert known < sizeof(held) < known + 2_000
    assert known < sizeof(held.to_frame()) < known + 3_000


@pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "csr", "dia"])
def test_sparse_matrices_hold_their_arrays(kind):
    matrix = scipy.sparse.eye(1000, format=kind)
    arrays = {name: part for name, part in vars(matrix).items() if hasattr(part, "nbytes")}
    known = sum(part.nbytes for part in arrays.values()) + (8 * matrix.nnz if kind == "coo" else 0)
    assert known < sizeof(matrix) < known + 1000


def test_data_of_xarray_counts_where_it_is_in_memory():
    held = xr.Dataset({"a": ("t", np.zeros(1000)), "b": ("t", np.zeros(1000))}, coords={"t": np.arange(1000.0)})
    lazy = held.assign(b=("t", da.zeros(1000, chunks=100)))
    assert 24_000 < sizeof(held) < 25_000
    assert 16_000 < sizeof(lazy) < 17_000
    assert 8_000 < sizeof(held.a) < 9_000
    assert sizeof(lazy.b) < sizeof(lazy.b.variable) + 100 < 1_000
    assert 8_000 < sizeof(held.indexes) < 10_000
