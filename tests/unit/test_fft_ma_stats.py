"""Transforms, masked arrays and statistics against NumPy's and SciPy's."""

import numpy as np
import pytest

import raskr.array as da
from raskr.array import stats


def same(lazy, expected):
    value = lazy.compute()
    assert lazy.dtype == np.asarray(expected).dtype
    assert lazy.shape == np.shape(value) == np.shape(expected)
    np.testing.assert_array_equal(np.ma.getmaskarray(value), np.ma.getmaskarray(expected))
    np.testing.assert_allclose(np.ma.filled(value, 0), np.ma.filled(expected, 0), rtol=1e-9, atol=1e-12)


# --- transforms -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("options", [{}, {"n": 5}, {"n": 12, "norm": "ortho"}, {"axis": 0}], ids=str)
def test_transforms_of_one_axis(name, options):
    x = np.random.default_rng(0).random((6, 8))
    d = da.from_array(x, chunks=(2, 8) if options.get("axis", 1) else (6, 3))
    same(getattr(da.fft, name)(d, **options), getattr(np.fft, name)(x, **options))


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"])
@pytest.mark.parametrize("options", [{}, {"s": (4, 9), "axes": (1, 2)}, {"axes": (2, 0)}], ids=str)
def test_transforms_of_several_axes(name, options):
    x = np.random.default_rng(0).random((3, 4, 6))
    same(getattr(da.fft, name)(da.from_array(x, chunks=-1), **options), getattr(np.fft, name)(x, **options))


def test_what_transforms_refuse():
    with pytest.raises(ValueError, match="one block"):
        da.fft.fft(da.ones((4, 4), chunks=2))
    with pytest.raises(ValueError, match="not one of"):
        da.fft.fft_wrap(np.ones)
    with pytest.raises(ValueError):
        da.fft.fftn(da.ones((4, 4)), axes=(0, 0))


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_frequencies_and_shifts(n):
    same(da.fft.fftfreq(n, 0.5, chunks=3), np.fft.fftfreq(n, 0.5))
    same(da.fft.rfftfreq(n, 0.5, chunks=3), np.fft.rfftfreq(n, 0.5))
    x = np.arange(n * 5.0).reshape(n, 5)
    for axes in (None, 0, (0, 1)):
        same(da.fft.fftshift(da.from_array(x, chunks=2), axes), np.fft.fftshift(x, axes))
        same(da.fft.ifftshift(da.from_array(x, chunks=2), axes), np.fft.ifftshift(x, axes))


# --- masked arrays --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("masked_greater", (3,)), ("masked_greater_equal", (3,)), ("masked_less", (3,)), ("masked_less_equal", (3,)),
        ("masked_not_equal", (3,)), ("masked_equal", (3,)), ("masked_inside", (2, 4)), ("masked_outside", (2, 4)),
        ("masked_values", (3,)), ("masked_invalid", ()),
    ],
)  # fmt: skip
def test_masking(name, args):
    x = np.arange(12.0).reshape(3, 4) % 7
    x[1, 1] = np.nan if name == "masked_invalid" else 0
    d = da.from_array(x, chunks=2)
    masked, expected = getattr(da.ma, name)(d, *args), getattr(np.ma, name)(x, *args)
    same(masked, expected)
    same(da.ma.filled(masked, -1), np.ma.filled(expected, -1))
    same(da.ma.getmaskarray(masked), np.ma.getmaskarray(expected))
    same(da.ma.getdata(masked), np.ma.getdata(expected))
    same(da.ma.count(masked, axis=0), np.ma.count(expected, axis=0))
    same(masked * 2, expected * 2)


def test_masked_arrays_are_made():
    x, mask = np.arange(6), np.array([0, 1, 0, 0, 1, 1], bool)
    made = da.ma.masked_array(x, mask=da.from_array(mask, chunks=2), fill_value=9, chunks=4)
    same(made, np.ma.masked_array(x, mask=mask))
    assert made.compute().fill_value == 9
    same(da.ma.masked_where(mask, da.from_array(x, chunks=4)), np.ma.masked_where(mask, x))
    da.ma.set_fill_value(made, -5)
    assert made.compute().fill_value == -5
    with pytest.raises(np.ma.MaskError):
        da.ma.masked_array(x, mask=[True, False])
    with pytest.raises(IndexError):
        da.ma.masked_where([True], da.ones(3))
    with pytest.raises(ValueError):
        da.ma.masked_equal(da.ones(3), [1, 2, 3])


@pytest.mark.parametrize(("axis", "length"), [(0, 10), (1, 4), ((0, 1), None), (-1, 4)])
def test_weights_of_one_axis_in_blocks_of_their_own(axis, length):
    x = np.ma.masked_where(np.arange(40).reshape(10, 4) % 3 == 0, np.arange(40.0).reshape(10, 4))
    weights = np.arange(length) if length else np.arange(40).reshape(10, 4)
    found = da.ma.average(da.from_array(x, chunks=(3, 3)), axis=axis, weights=weights)
    same(found, np.ma.average(x, axis=axis, weights=weights))


def test_masked_choices():
    x = np.ma.masked_equal(np.arange(6), 2)
    d = da.from_array(x, chunks=4, asarray=False)
    same(da.ma.where(d > 3, d, 0), np.ma.where(x > 3, x, 0))
    same(da.ma.nonzero(d)[0].compute_chunk_sizes(), np.ma.nonzero(x)[0])
    same(da.ma.zeros_like(d), np.ma.zeros_like(x))
    w = np.linspace(1, 2, 6)
    np.testing.assert_allclose(da.ma.average(d, weights=w).compute(), np.ma.average(x, weights=w))
    same(d.cumsum(axis=0), x.cumsum(axis=0))
    same(da.ma.fix_invalid(da.asarray([1.0, np.nan]), 0), np.ma.fix_invalid([1.0, np.nan], fill_value=0))


# --- statistics -----------------------------------------------------------------------------------------------------
@pytest.fixture
def samples():
    rng = np.random.default_rng(1)
    return rng.gamma(3, size=(40, 2)), rng.gamma(3.3, size=(40, 2))


@pytest.mark.parametrize(
    ("name", "two", "options"),
    [
        ("skewtest", False, {}), ("kurtosistest", False, {}), ("normaltest", False, {}), ("ttest_1samp", False, {"popmean": 3}),
        ("ttest_ind", True, {}), ("ttest_ind", True, {"equal_var": False}), ("ttest_rel", True, {}), ("chisquare", False, {}),
        ("power_divergence", False, {"lambda_": "log-likelihood"}), ("power_divergence", False, {"lambda_": -2}),
        ("power_divergence", False, {"lambda_": -1}),
    ],
)  # fmt: skip
def test_tests_agree_with_scipy(name, two, options, samples):
    scipy_stats = pytest.importorskip("scipy.stats")
    plain = samples if two else samples[:1]
    lazy = [da.from_array(x, chunks=(15, 1)) for x in plain]
    result = getattr(stats, name)(*lazy, **options).compute()
    expected = getattr(scipy_stats, name)(*plain, **options)
    np.testing.assert_allclose(result.statistic, expected.statistic)
    np.testing.assert_allclose(result.pvalue, expected.pvalue, atol=1e-12)


def test_measures_and_variances(samples):
    scipy_stats = pytest.importorskip("scipy.stats")
    x = samples[0]
    d = da.from_array(x, chunks=(15, 1))
    same(stats.skew(d), scipy_stats.skew(x))
    same(stats.kurtosis(d), scipy_stats.kurtosis(x))
    same(stats.kurtosis(d, fisher=False), scipy_stats.kurtosis(x, fisher=False))
    for order in range(5):
        same(stats.moment(d, order), scipy_stats.moment(x, order))
    columns = [x[:, 0], x[:, 1] + 1, x[:, 0] * 2]
    result = stats.f_oneway(*(da.from_array(c, chunks=15) for c in columns)).compute()
    np.testing.assert_allclose(result, scipy_stats.f_oneway(*columns))


def test_what_statistics_refuse():
    d = da.ones(7)
    with pytest.raises(NotImplementedError):
        stats.skew(d, bias=False)
    with pytest.raises(NotImplementedError):
        stats.kurtosis(d, nan_policy="omit")
    with pytest.raises(ValueError, match="7 samples"):
        stats.skewtest(d)
    with pytest.raises(ValueError):
        stats.power_divergence(d, lambda_="other")
    with pytest.raises(TypeError):
        stats.f_oneway(d)
