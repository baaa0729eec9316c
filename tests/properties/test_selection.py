"""Selection by masks and positions, counting, running sums and sliding sums give NumPy's results."""

import warnings

import numpy as np
import pytest
from drawing import arrays, cuts, elements, same_when_computed, shapes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import raskr.array as da


def check(lazy, expected):
    """Element type and values, and the shape where it is known before."""
    same_when_computed(lazy, expected)
    assert len(lazy.shape) == np.ndim(expected)
    assert all(known == n for known, n in zip(lazy.shape, np.shape(expected)) if known == known)


def lazily(drawn):
    array, chunks = drawn
    return array, da.from_array(array, chunks=chunks)


def masks(shape):
    return hnp.arrays(bool, shape)


def positions(length, max_size=12):
    return st.lists(st.integers(-length, length - 1), max_size=max_size) if length else st.just([])


# --- masks ----------------------------------------------------------------------------------------------------------
@given(st.data())
def test_masks_of_the_whole_shape_keep_rows_in_order(data):
    a, x = lazily(data.draw(arrays(min_dims=1)))
    mask = data.draw(masks(a.shape))
    lazy = da.from_array(mask, chunks=data.draw(cuts(a.shape)))
    check(x[lazy], a[mask])
    check(x[mask], a[mask])
    check((x + x)[lazy & ~(x == x)], (a + a)[mask & ~(a == a)])
    kept = x[lazy].compute_chunk_sizes()
    assert kept.shape == a[mask].shape


@given(st.data())
def test_masks_made_of_the_elements_themselves_are_fused(data):
    a, x = lazily(data.draw(arrays(dtype=data.draw(st.sampled_from(["i4", "f4", "f8", "c16"])), min_dims=1)))
    check(x[abs(x) > 3], a[abs(a) > 3])
    check((x * 2)[abs(x) > 3] + 1, (a * 2)[abs(a) > 3] + 1)


@given(st.data())
@pytest.mark.parametrize("kind", ["sum", "prod", "mean", "any", "all", "min", "max", "var", "count_nonzero", "nansum"])
def test_reductions_of_what_a_mask_keeps(kind, data):
    dtype = data.draw(st.sampled_from(["?", "i1", "u4", "i8", "f4", "f8", "c16"]))
    a, x = lazily(data.draw(arrays(dtype=dtype, nan=kind != "prod", min_dims=1, max_side=4)))
    mask = data.draw(masks(a.shape))
    if not mask.any() and (kind in ("min", "max") or mask.size == 0):
        return
    if kind == "prod" and a.dtype.kind in "fc":
        a, x = np.where(abs(a) > 0, a / abs(a).max(initial=1), 1), da.where(abs(x) > 0, x / abs(x).max(), 1)
        a = x.compute()
    lazy = da.from_array(mask, chunks=x.chunks)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = getattr(np, kind)(a[mask])
        chosen = x[lazy]
        value = getattr(da, kind)(chosen).compute()
        assert np.asarray(value).dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(value, expected, rtol=1e-3 if dtype == "f4" else 1e-9, atol=1e-8)
        if kind != "count_nonzero":
            kept = getattr(da, kind)(chosen, keepdims=True)
            assert kept.compute().shape == (1,)


@given(st.data())
def test_masks_along_an_axis(data):
    a, x = lazily(data.draw(arrays(min_dims=1)))
    axis = data.draw(st.integers(0, a.ndim - 1))
    mask = data.draw(masks(a.shape[axis]))
    index = (slice(None),) * axis
    lazy = da.from_array(mask, chunks=(data.draw(cuts((len(mask),)))[0],))
    check(x[(*index, lazy)], a[(*index, mask)])
    check(x[(*index, mask)], a[(*index, mask)])
    check(da.compress(mask, x, axis=axis), np.compress(mask, a, axis=axis))


@given(st.data())
def test_positions_of_what_is_not_zero(data):
    a, x = lazily(data.draw(arrays(min_dims=1)))
    check(da.flatnonzero(x), np.flatnonzero(a))
    check(da.argwhere(x), np.argwhere(a))
    for lazy, expected in zip(da.where(x), np.where(a)):
        check(lazy, expected)
    check(da.extract(x > x.min() if a.size and a.dtype.kind != "c" else x == x, x),
          np.extract(a > np.min(a) if a.size and a.dtype.kind != "c" else a == a, a))  # fmt: skip
    check(da.count_nonzero(x, axis=0), np.count_nonzero(a, axis=0))


# --- positions ------------------------------------------------------------------------------------------------------
@given(st.data())
def test_positions_along_an_axis(data):
    a, x = lazily(data.draw(arrays(min_dims=1)))
    axis = data.draw(st.integers(0, a.ndim - 1))
    index = np.array(data.draw(positions(a.shape[axis])), dtype=int)
    if data.draw(st.booleans()):
        index = np.sort(index)
    before = (slice(None),) * axis
    check(x[(*before, index)], a[(*before, index)])
    check(da.take(x, index, axis=axis), np.take(a, index, axis=axis))
    check((x + x)[(*before, index)] * 1, (a + a)[(*before, index)] * 1)
    lazy = da.from_array(index, chunks=data.draw(cuts(index.shape)))
    if len(index):
        check(x[(*before, lazy)], a[(*before, index)])


@given(st.data())
def test_points_along_several_axes(data):
    a, x = lazily(data.draw(arrays(min_dims=2)))
    axes = sorted(data.draw(st.sets(st.integers(0, a.ndim - 1), min_size=1)))
    if any(a.shape[axis] == 0 for axis in axes):
        return
    count = data.draw(st.integers(0, 9))
    index = [slice(None)] * a.ndim
    for axis in axes:
        low, high = -a.shape[axis], a.shape[axis] - 1
        index[axis] = np.array(data.draw(st.lists(st.integers(low, high), min_size=count, max_size=count)), dtype=int)
    # NumPy with the points' axis first: the indexed axes moved to the front.
    rest = [axis for axis in range(a.ndim) if axis not in axes]
    expected = a.transpose(axes + rest)[tuple(index[axis] for axis in axes)]
    check(x.vindex[tuple(index)], expected)
    check((x + x).cumsum(axis=0).vindex[tuple(index)], (a + a).cumsum(axis=0).transpose(axes + rest)[
        tuple(index[axis] for axis in axes)
    ])  # fmt: skip


# --- counting -------------------------------------------------------------------------------------------------------
REAL = ["i1", "u1", "i4", "u8", "f4", "f8"]


@given(st.data())
def test_histograms_of_even_and_uneven_bins(data):
    a, x = lazily(data.draw(arrays(dtype=data.draw(st.sampled_from(REAL)))))
    bins = data.draw(st.integers(1, 9))
    low = data.draw(st.integers(-50, 50))
    limits = (low, low + data.draw(st.integers(1, 60)))
    edges = np.sort(data.draw(hnp.arrays(data.draw(st.sampled_from(["i4", "f8"])), 5, elements=st.integers(-60, 60))))
    weights = data.draw(hnp.arrays(data.draw(st.sampled_from(["i4", "f8"])), a.shape, elements=st.integers(0, 9)))
    for options in ({"bins": bins, "range": limits}, {"bins": edges}):
        expected, expected_edges = np.histogram(a, **options)
        counts, found = da.histogram(x, **options)
        check(counts, expected)
        np.testing.assert_allclose(found, expected_edges, rtol=1e-6)
        lazy = da.from_array(weights, chunks=x.chunks)
        check(da.histogram(x, weights=lazy, **options)[0], np.histogram(a, weights=weights, **options)[0])
    # Of single precision NumPy rounds the edges, and so the widths, to that.
    if a.dtype != "f4" and np.histogram(a, bins=bins, range=limits)[0].any():
        check(da.histogram(x, bins=bins, range=limits, density=True)[0],
              np.histogram(a, bins=bins, range=limits, density=True)[0])  # fmt: skip


@given(st.data())
def test_histograms_of_points(data):
    count = data.draw(st.integers(0, 30))
    a = data.draw(hnp.arrays("f8", (count, 2), elements=elements("f8")))
    chunks = (data.draw(cuts((count,)))[0], 2)
    x = da.from_array(a, chunks=chunks)
    bins = [data.draw(st.integers(1, 4)), np.array([-50.0, 0.0, 1.0, 70.0])]
    limits = [(-80, 90), (0, 1)]
    weights = np.arange(count) / 2
    for lazy, held in ((None, None), (da.from_array(weights, chunks=chunks[:1]), weights)):
        counts, edges = da.histogramdd(x, bins=bins, range=limits, weights=lazy)
        expected, expected_edges = np.histogramdd(a, bins=bins, range=limits, weights=held)
        check(counts, expected)
        for found, wanted in zip(edges, expected_edges):
            np.testing.assert_allclose(found, wanted)
        flat, *_ = da.histogram2d(x[:, 0], x[:, 1], bins=bins, range=limits, weights=lazy)
        check(flat, expected)


@given(st.data())
def test_numbers_are_counted(data):
    dtype = data.draw(st.sampled_from(["?", "u1", "i4", "i8"]))
    high = 1 if dtype == "?" else 40
    a = data.draw(hnp.arrays(dtype, st.integers(0, 40), elements=st.integers(0, high)))
    x = da.from_array(a, chunks=data.draw(cuts(a.shape)))
    least = data.draw(st.sampled_from([0, 50]))
    check(da.bincount(x, minlength=least), np.bincount(a, minlength=least))
    weights = data.draw(hnp.arrays("f8", a.shape, elements=st.integers(0, 9)))
    if a.size == 0:
        return  # NumPy's counts are whole numbers then, whatever the weights
    lazy = da.from_array(weights, chunks=x.chunks)
    check(da.bincount(x, weights=lazy, minlength=least), np.bincount(a, weights=weights, minlength=least))


@given(st.data())
def test_bins_of_elements_and_edges_of_bins(data):
    a, x = lazily(data.draw(arrays(dtype=data.draw(st.sampled_from(REAL)))))
    edges = np.unique(data.draw(hnp.arrays("f8", 5, elements=st.integers(-60, 60))))
    right = data.draw(st.booleans())
    check(da.digitize(x, edges, right=right), np.digitize(a, edges, right=right))
    if a.size and np.isfinite(a).all():
        check(da.histogram_bin_edges(x, bins=4), np.histogram_bin_edges(a, bins=4))
        if a.size > 1 and a.dtype.kind == "f":
            check(da.histogram_bin_edges(x, bins="sturges"), np.histogram_bin_edges(a, bins="sturges"))
    check(da.histogram_bin_edges(x, bins=3, range=(0, 2)), np.histogram_bin_edges(a, bins=3, range=(0, 2)))


# --- along an axis --------------------------------------------------------------------------------------------------
@given(st.data())
@pytest.mark.parametrize("kind", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
def test_running_values(kind, data):
    dtype = data.draw(st.sampled_from(["?", "i1", "u4", "i8", "f4", "f8", "c16"]))
    shape = data.draw(shapes(min_dims=1, max_side=6))
    values = data.draw(hnp.arrays(dtype, shape, elements=st.integers(0, 1) if dtype in "?u4" else st.integers(-2, 2)))
    if values.dtype.kind in "fc" and values.size and data.draw(st.booleans()):
        values.flat[data.draw(st.integers(0, values.size - 1))] = np.nan
    x = da.from_array(values, chunks=data.draw(cuts(shape)))
    axis = data.draw(st.integers(0, len(shape) - 1) | st.none())
    check(getattr(da, kind)(x, axis=axis), getattr(np, kind)(values, axis=axis))
    # With something after it, which keeps it from being written as a whole.
    check(getattr(da, kind)(x, axis=axis) + 1, getattr(np, kind)(values, axis=axis) + 1)


@given(st.data())
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolution_and_correlation(mode, data):
    dtypes = st.sampled_from(["?", "i4", "f4", "f8", "c16"])
    lengths = st.integers(1, 12)
    a = data.draw(hnp.arrays(data.draw(dtypes), data.draw(lengths), elements=st.integers(0, 1)))
    v = data.draw(hnp.arrays(data.draw(dtypes), data.draw(lengths), elements=st.integers(0, 1)))
    if v.dtype.kind == "c":
        v = v * (1 + 2j)
    x, y = da.from_array(a, chunks=data.draw(cuts(a.shape))), da.from_array(v, chunks=data.draw(cuts(v.shape)))
    check(da.convolve(x, y, mode), np.convolve(a, v, mode))
    check(da.convolve(x, v, mode), np.convolve(a, v, mode))
    check(da.correlate(x, y, mode), np.correlate(a, v, mode))
