"""Sorting, selecting, searching and unique elements, against NumPy; sorts across blocks most of all."""

import pickle

import numpy as np
import pytest

import raskr.array as da

RNG = np.random.default_rng(11)
#: Longer than two of the runs that blocks are joined to, so that runs are really cut and joined.
LONG = 2_500_000
LINES = {
    "floats": RNG.standard_normal(LONG),
    "few values": RNG.integers(0, 5, LONG),
    "one value": np.zeros(LONG, "f4"),
    "ascending": np.arange(LONG, dtype="u4"),
    "descending": np.arange(LONG, dtype="i8")[::-1].copy(),
    "saws": (np.arange(LONG) % 1000).astype("f8"),
    "nan": np.where(RNG.random(LONG) < 0.3, np.nan, RNG.standard_normal(LONG)),
    "bool": RNG.random(LONG) < 0.5,
    "int8": RNG.integers(-128, 128, LONG).astype("i1"),
    "half": RNG.standard_normal(LONG).astype("f2"),
    "times": RNG.integers(-500, 500, LONG).astype("M8[s]"),
    "complex": RNG.integers(0, 100, LONG) + 1j * RNG.integers(0, 100, LONG),
}
LINES["times"][::777] = np.datetime64("NaT")


@pytest.mark.parametrize("name", LINES)
def test_sort_across_blocks(name):
    x = LINES[name]
    d = da.from_array(x, chunks=(1_100_000, 900_000, 0, 500_000))
    result = da.sort(d)
    assert result.chunks == d.chunks and result.dtype == d.dtype
    np.testing.assert_array_equal(result.compute(), np.sort(x))
    # Whole results are sorted where they end up; blocks that are kept are joined from runs.
    np.testing.assert_array_equal(result.persist().compute(), np.sort(x))


def test_sorts_of_what_is_computed_and_cut_anew():
    x = LINES["floats"]
    d = da.from_array(x, chunks=400_000)
    for computed in (2 * d, d.map_blocks(lambda block: 2 * block, dtype=float)):
        np.testing.assert_array_equal(da.sort(computed).rechunk(700_000).compute(), np.sort(2 * x))
    drawn = da.random.default_rng(3).random(LONG, chunks=300_000)
    np.testing.assert_array_equal(da.sort(drawn).compute(), np.sort(drawn.compute()))


@pytest.mark.parametrize("name", ["floats", "few values", "one value", "nan", "int8", "times", "complex"])
def test_argsort_across_blocks_keeps_the_order_of_equals(name):
    x = LINES[name]
    d = da.from_array(x, chunks=1_300_000)
    result = da.argsort(d)
    assert result.chunks == d.chunks and result.dtype == np.intp
    np.testing.assert_array_equal(result.compute(), np.argsort(x, kind="stable"))


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "c8", "c16", "M8[ns]", "m8[D]", "U3", object]
)
@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sort_along_axes(dtype, axis):
    x = RNG.integers(0, 9, (7, 11)).astype("i8" if dtype in ("M8[ns]", "m8[D]") else "f8").astype(dtype)
    d = da.from_array(x, chunks=(3, 4))
    np.testing.assert_array_equal(da.sort(d, axis=axis).compute(), np.sort(x, axis=axis))
    np.testing.assert_array_equal(
        da.argsort(d, axis=axis, kind="stable").compute(), np.argsort(x, axis=axis, kind="stable")
    )


def test_sort_takes_what_numpy_takes():
    d = da.from_array(LINES["floats"][:20], chunks=6)
    with pytest.raises(ValueError):
        da.sort(d, kind="bogus")
    with pytest.raises(np.exceptions.AxisError):
        da.sort(d, axis=1)
    np.testing.assert_array_equal(da.sort(d, stable=True).compute(), np.sort(d.compute()))
    assert da.sort(da.from_array(np.empty(0), chunks=1)).compute().shape == (0,)
    pairs = np.array([(2, 1.0), (1, 5.0), (1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    np.testing.assert_array_equal(
        da.sort(da.from_array(pairs, chunks=2), order="b").compute(), np.sort(pairs, order="b")
    )


def test_complex_numbers_with_nan_are_sorted_as_numpy_does():
    parts = [0.0, 1.0, -2.0, np.nan, np.inf]
    x = np.array([complex(a, b) for a in parts for b in parts])
    np.testing.assert_array_equal(da.sort(da.from_array(x, chunks=7)).compute(), np.sort(x))
    np.testing.assert_array_equal(da.sort(da.from_array(x.astype("c8"), chunks=7)).compute(), np.sort(x.astype("c8")))


def test_long_lines_of_an_array_are_sorted_across_blocks():
    from raskr import config

    x = RNG.standard_normal((2, 3, 5000))
    d = da.from_array(x, chunks=(1, 3, 700))
    with config.set({"array.chunk-size": "16KiB"}):
        result = da.sort(d)
        assert result.chunks == d.chunks
        np.testing.assert_array_equal(result.compute(), np.sort(x))
        np.testing.assert_array_equal(da.argsort(d.T, axis=0).compute(), np.argsort(x.T, axis=0))
        many = da.sort(da.from_array(RNG.standard_normal((100, 5000)), chunks=(100, 500)), axis=1)
        assert many.numblocks[1] == 1 and many.numblocks[0] > 1


def test_sort_of_a_sort_and_its_pickle():
    d = da.from_array(LINES["floats"], chunks=600_000)
    again = pickle.loads(pickle.dumps(da.sort(d)[::1000]))
    np.testing.assert_array_equal(again.compute(), np.sort(LINES["floats"])[::1000])
    assert da.sort(d).name == da.sort(d).name != da.argsort(d).name


@pytest.mark.parametrize("kth", [0, 5, -1, [2, 9], (0, 0, 3)])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_partitions(kth, axis):
    x = RNG.integers(0, 30, (12, 13)).astype(float)
    d = da.from_array(x, chunks=(5, 13))
    found, places = da.partition(d, kth, axis=axis).compute(), da.argpartition(d, kth, axis=axis).compute()
    whole = np.sort(x, axis=axis)
    taken = np.take_along_axis(x if axis is not None else x.ravel(), places, axis=axis or 0)
    for result in (found, taken):
        np.testing.assert_array_equal(np.sort(result, axis=axis or 0), np.sort(whole, axis=axis or 0))
        for k in np.atleast_1d(kth):
            line = np.take(result, k, axis=axis or 0)
            np.testing.assert_array_equal(line, np.take(whole, k, axis=axis or 0))
            k %= result.shape[axis or 0]
            before, after = np.split(np.moveaxis(result, axis or 0, 0), [k])
            assert (before <= line).all() and (after >= line).all()


def test_partition_out_of_bounds():
    with pytest.raises(ValueError, match="out of bounds"):
        da.partition(da.arange(5, chunks=2), 5)
    with pytest.raises(TypeError):
        da.partition(da.arange(5, chunks=2), 1.5)


def test_lexsort():
    keys = RNG.integers(0, 3, (3, 8, 20)).astype(float)
    lazy = [da.from_array(key, chunks=(4, 7)) for key in keys]
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(da.lexsort(lazy, axis=axis).compute(), np.lexsort(keys, axis=axis))
    words = np.array(["b", "a", "b", "c"])
    np.testing.assert_array_equal(da.lexsort((np.arange(4), words)).compute(), np.lexsort((np.arange(4), words)))
    with pytest.raises(ValueError):
        da.lexsort((da.arange(3), da.arange(4)))


@pytest.mark.parametrize("name", [name for name in LINES if name != "complex"])
@pytest.mark.parametrize("chunks", [LONG, 700_000])
def test_unique(name, chunks):
    x = LINES[name][:1_500_000]
    results = da.unique(da.from_array(x, chunks=chunks), return_index=True, return_inverse=True, return_counts=True)
    for lazy, plain in zip(results, np.unique(x, return_index=True, return_inverse=True, return_counts=True)):
        assert lazy.dtype == plain.dtype
        np.testing.assert_array_equal(lazy.compute(), plain)


def test_unique_of_zeros_and_complex_numbers():
    x = np.array([0.0, -0.0, np.nan, 1.0, np.nan, -1.0])
    values, counts = da.unique(da.from_array(x, chunks=2), return_counts=True)
    np.testing.assert_array_equal(values.compute(), [-1.0, 0.0, 1.0, np.nan])
    np.testing.assert_array_equal(counts.compute(), [1, 2, 1, 2])
    z = RNG.integers(0, 3, 50) + 1j * RNG.integers(0, 3, 50)
    for lazy, plain in zip(
        da.unique(da.from_array(z, chunks=7), return_index=True, return_inverse=True, return_counts=True),
        np.unique(z, return_index=True, return_inverse=True, return_counts=True),
    ):
        np.testing.assert_array_equal(lazy.compute(), plain)


@pytest.mark.parametrize(
    "types", [("f8", "f8"), ("i4", "i4"), ("i8", "f8"), ("u1", "f4"), ("f8", "i2"), ("u8", "i8"), ("?", "i4")]
)
def test_membership_and_search_of_any_two_types(types):
    x, line = RNG.integers(0, 20, (6, 9)).astype(types[0]), np.sort(RNG.integers(0, 20, 15)).astype(types[1])
    d = da.from_array(x, chunks=(4, 5))
    for other in (line, da.from_array(line, chunks=4)):
        np.testing.assert_array_equal(da.isin(d, other).compute(), np.isin(x, line))
        np.testing.assert_array_equal(da.isin(d, other, invert=True).compute(), np.isin(x, line, invert=True))
        for side in ("left", "right"):
            found = da.searchsorted(da.asarray(other), d, side)
            assert found.chunks == d.chunks
            np.testing.assert_array_equal(found.compute(), np.searchsorted(line, x, side))
    mixed = RNG.permutation(line)
    sorter = np.argsort(mixed)
    lazy = da.searchsorted(da.from_array(mixed, chunks=4), d, sorter=sorter)
    np.testing.assert_array_equal(lazy.compute(), np.searchsorted(mixed, x, sorter=sorter))


def test_nan_is_a_member_of_nothing():
    x = np.array([np.nan, 1.0])
    np.testing.assert_array_equal(da.isin(da.asarray(x), x).compute(), np.isin(x, x))


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("bins", [[0.0, 2.0, 5.0], [5.0, 2.0, 0.0], [1.0], [2.0, 2.0, 3.0], []])
def test_digitize(bins, right):
    x = RNG.integers(-1, 7, (5, 8)).astype(float)
    d = da.from_array(x, chunks=3)
    np.testing.assert_array_equal(
        da.digitize(d, bins, right=right).compute(), np.digitize(x, np.array(bins), right=right)
    )


@pytest.mark.parametrize("k", [1, 4, -1, -4, 30, -30])
@pytest.mark.parametrize("axis", [0, 1])
def test_top(k, axis):
    x = RNG.permutation(17 * 19).reshape(17, 19).astype(float)
    d = da.from_array(x, chunks=(5, 4))
    order = np.argsort(x, axis=axis)
    order = np.flip(order, axis) if k > 0 else order
    order = np.take(order, range(min(abs(k), x.shape[axis])), axis=axis)
    np.testing.assert_array_equal(d.argtopk(k, axis=axis).compute(), order)
    np.testing.assert_array_equal(d.topk(k, axis=axis).compute(), np.take_along_axis(x, order, axis))


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4", "u1", "?"])
@pytest.mark.parametrize("axis", [0, (0, 2), 2, -1, (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_medians_and_quantiles(dtype, axis, keepdims):
    x = (RNG.standard_normal((4, 5, 6)) * 10).astype(dtype)
    d = da.from_array(x, chunks=(2, 3, 4))
    calls = [
        lambda m, x: m.median(x, axis=axis, keepdims=keepdims),
        lambda m, x: m.nanmedian(x, axis=axis, keepdims=keepdims),
    ]
    if dtype != "?":
        for method in ("linear", "lower", "higher", "midpoint", "nearest", "weibull"):
            for q in (np.asarray(0.3), np.array([0.0, 0.71, 1.0])):
                calls.append(
                    lambda m, x, q=q, method=method: m.quantile(x, q, axis=axis, keepdims=keepdims, method=method)
                )
                calls.append(
                    lambda m, x, q=q, method=method: m.nanquantile(x, q, axis=axis, keepdims=keepdims, method=method)
                )
    for call in calls:
        lazy, plain = call(da, d), call(np, x)
        assert (lazy.shape, lazy.dtype) == (plain.shape, plain.dtype)
        tolerance = {"f2": 1e-2, "f4": 1e-5}.get(dtype, 1e-12)
        np.testing.assert_allclose(lazy.compute(), plain, rtol=tolerance, atol=tolerance)


def test_medians_of_lines_with_nan():
    x = RNG.standard_normal((6, 9))
    x[1, 3] = x[2, 0] = np.nan
    x[4] = np.nan
    d = da.from_array(x, chunks=4)
    np.testing.assert_array_equal(da.median(d, axis=1).compute(), np.median(x, axis=1))
    np.testing.assert_array_equal(da.quantile(d, 0.2, axis=1).compute(), np.quantile(x, 0.2, axis=1))
    with pytest.warns(RuntimeWarning):
        expected, percentiles = np.nanmedian(x, axis=1), np.nanpercentile(x, 20, axis=1)
    np.testing.assert_array_equal(da.nanmedian(d, axis=1).compute(), expected)
    with pytest.warns(RuntimeWarning):
        found = da.nanpercentile(d, 20, axis=1).compute()
    np.testing.assert_allclose(found, percentiles)
