"""Functions of order give NumPy's results for arrays of any shape, chunks and element type."""

import numpy as np
from drawing import DTYPES, arrays, cuts, elements, same
from hypothesis import assume, given
from hypothesis import strategies as st

import raskr.array as da

ORDERED = [dtype for dtype in DTYPES if dtype not in ("c8", "c16")]
#: Few values, so that most elements have equals; the drawn ones add the rare kinds.
ANY = st.sampled_from([*DTYPES, "f2", "i2", "u2", "M8[s]", "m8[ms]"])


@st.composite
def lines(draw, max_size=60):
    """An array of one dimension with many equal elements, and chunks for it."""
    dtype = np.dtype(draw(ANY))
    values = np.asarray(draw(st.lists(st.integers(0, 5), max_size=max_size)), dtype="i8").astype(dtype)
    if dtype.kind in "mM":
        values[::4] = np.array("NaT", dtype=dtype)
    elif dtype.kind in "fc" and draw(st.booleans()):
        values[::3] = np.nan
    return values, draw(cuts(values.shape))


@given(lines())
def test_lines(drawn):
    x, chunks = drawn
    d = da.from_array(x, chunks=chunks)
    same(da.sort(d), np.sort(x))
    same(da.argsort(d), np.argsort(x, kind="stable"))
    if x.size:
        k = x.size // 2
        same(da.partition(d, k)[k], np.sort(x)[k])
    if x.dtype.kind != "c":
        for lazy, plain in zip(
            da.unique(d, return_index=True, return_inverse=True, return_counts=True),
            np.unique(x, return_index=True, return_inverse=True, return_counts=True),
        ):
            np.testing.assert_array_equal(lazy.compute(), plain)


@given(arrays(min_dims=1), st.data())
def test_along_axes(drawn, data):
    x, chunks = drawn
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    d = da.from_array(x, chunks=chunks)
    same(da.sort(d, axis=axis), np.sort(x, axis=axis))
    same(da.argsort(d, axis=axis), np.argsort(x, axis=axis, kind="stable"))


@given(arrays(min_dims=1, min_side=1), st.data())
def test_quantiles(drawn, data):
    x, chunks = drawn
    assume(x.dtype.kind in "iuf")
    axis = data.draw(st.integers(0, x.ndim - 1))
    method = data.draw(st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest"]))
    q = data.draw(st.floats(0, 1) | st.lists(st.floats(0, 1), min_size=1, max_size=3))
    q = np.asarray(q)
    d = da.from_array(x, chunks=chunks)
    found = da.quantile(d, q, axis=axis, method=method)
    same(found, np.quantile(x, q, axis=axis, method=method).astype(found.dtype))
    same(da.median(d, axis=axis), np.median(x, axis=axis))


@given(arrays(), st.sampled_from(ORDERED), st.sampled_from(["left", "right"]), st.data())
def test_searches(drawn, dtype, side, data):
    x, chunks = drawn
    assume(x.dtype.kind != "c")
    line = np.sort(np.asarray(data.draw(st.lists(elements(dtype), min_size=1, max_size=12)), dtype=dtype))
    d, e = da.from_array(x, chunks=chunks), da.from_array(line, chunks=data.draw(cuts(line.shape)))
    same(da.searchsorted(e, d, side=side), np.asarray(np.searchsorted(line, x, side=side)))
    same(da.isin(d, e), np.asarray(np.isin(x, line)))


@given(arrays(min_dims=1, min_side=1, nan=False), st.integers(-8, 8).filter(bool), st.data())
def test_top(drawn, k, data):
    x, chunks = drawn
    axis = data.draw(st.integers(0, x.ndim - 1))
    d = da.from_array(x, chunks=chunks)
    count = min(abs(k), x.shape[axis])
    whole = np.sort(x, axis=axis) if k < 0 else np.flip(np.sort(x, axis=axis), axis)
    expected = np.take(whole, range(count), axis=axis)
    same(da.topk(d, k, axis=axis), expected)
    same(da.take_along_axis(d, da.argtopk(d, k, axis=axis), axis), expected)
