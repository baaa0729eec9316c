"""The comparison that tests of arrays use."""

import numpy as np
import pytest

import raskr.array as da
from raskr.array.utils import assert_eq


def test_equal_arrays_pass():
    assert assert_eq(da.arange(5, chunks=2), np.arange(5))
    assert assert_eq(da.from_array([1.0, np.nan], chunks=1), np.array([1.0, np.nan]))
    masked = np.ma.masked_array([1, 2], [0, 1])
    assert assert_eq(da.from_array(masked, chunks=1), masked)


@pytest.mark.parametrize(
    "a, b, text",
    [
        (da.arange(3, chunks=2), np.arange(3.0), "different dtypes"),
        (da.arange(3, chunks=2), np.arange(4), "different shapes"),
        (da.arange(3.0, chunks=2), np.ones(3), "different values"),
        (da.arange(3, chunks=2), np.ones(3, dtype=int), "Arrays are not equal"),
        (da.ones(3, chunks=2).map_blocks(lambda b: b.astype("f4"), dtype="f8"), np.ones(3), "float64 declared"),
        (da.ones(4, chunks=2).map_blocks(lambda b: b[:1], dtype="f8"), np.ones(2), r"\(4,\) declared, \(2,\) computed"),
    ],
)
def test_what_differs_is_named(a, b, text):
    with pytest.raises(AssertionError, match=text):
        assert_eq(a, b)
