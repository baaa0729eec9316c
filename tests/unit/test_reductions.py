"""Reductions against NumPy's: values, element types, axes, trees, empty and unknown blocks, other kinds of blocks."""

import operator

import numpy as np
import pytest

import raskr.array as da
from raskr.array import reductions
from raskr.array.reduction_blocks import numel

PLAIN = "sum prod min max any all mean std var".split()
NAN = "nansum nanprod nanmin nanmax nanmean nanstd nanvar".split()
DTYPES = ["?", "i1", "u2", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
AXES = [None, 0, 1, -1, (0, 2), (2, 1), ()]


def same(lazy, expected, rtol=1e-12):
    value = lazy.compute()
    expected = np.asarray(expected)
    assert lazy.dtype == expected.dtype == value.dtype
    assert lazy.shape == expected.shape == np.shape(value)
    if expected.dtype.kind in "fc":
        rtol = {2: 1e-2, 4: 1e-5}.get(expected.dtype.itemsize, rtol if expected.dtype != "c8" else 1e-5)
        np.testing.assert_allclose(value, expected, rtol=rtol)
    else:
        np.testing.assert_array_equal(value, expected)


def sample(dtype, shape=(3, 5, 4), nan=False):
    x = (np.random.default_rng(1).random(shape) * 3 + 0.5).astype(dtype)
    if dtype[0] == "c":
        x = x + (1j * np.random.default_rng(2).random(shape)).astype(dtype)
    if nan:
        x[0, :2] = np.nan
        x[2, 4, 3] = np.nan
    return x


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_types(name, dtype):
    x = sample(dtype)
    with np.errstate(over="ignore"):
        expected = getattr(np, name)(x)
    same(getattr(da, name)(da.from_array(x, chunks=(2, 3, 4))), expected)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [True, False])
def test_axes(name, axis, keepdims):
    x = sample("f8")
    d = da.from_array(x, chunks=(2, 2, 3))
    same(getattr(da, name)(d, axis=axis, keepdims=keepdims), getattr(np, name)(x, axis=axis, keepdims=keepdims))
    same(getattr(d, name)(axis=axis, keepdims=keepdims), getattr(np, name)(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("name", NAN)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "i4"])
@pytest.mark.parametrize("axis", [None, 1, (0, 1)], ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_is_skipped(name, dtype, axis):
    x = sample(dtype, nan=dtype[0] in "fc")
    same(getattr(da, name)(da.from_array(x, chunks=(2, 2, 3)), axis=axis), getattr(np, name)(x, axis=axis))


@pytest.mark.parametrize("name", ["min", "max", "mean", "sum", "var"])
def test_nan_is_kept_where_it_is_met(name):
    x = sample("f8", nan=True)
    same(getattr(da, name)(da.from_array(x, chunks=2), axis=2), getattr(np, name)(x, axis=2))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "nansum"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_dtype(name, dtype):
    x = np.array([1, 2, 2, 3, 2, 2], dtype="i4")
    same(getattr(da, name)(da.from_array(x, chunks=4), dtype=dtype), getattr(np, name)(x, dtype=dtype))


@pytest.mark.parametrize("split_every", [2, 3, 16, {0: 2, 1: 3}, {0: 4}])
def test_split_every(split_every):
    x = np.arange(240.0).reshape(12, 20)
    d = da.from_array(x, chunks=(1, 2))
    same(d.sum(split_every=split_every), x.sum())
    same(d.std(axis=0, split_every=split_every), x.std(axis=0))
    same(d.argmax(axis=1, split_every=split_every), x.argmax(axis=1))
    assert d.sum(split_every=2).name == d.sum(split_every=2).name


@pytest.mark.parametrize("split_every", ["two", 1.5, {0: 0}])
def test_bad_split_every(split_every):
    with pytest.raises(ValueError, match="split_every"):
        da.ones((4, 4), chunks=2).sum(split_every=split_every)


@pytest.mark.parametrize("ddof", [0, 1])
def test_degrees_of_freedom(ddof):
    x = sample("f8", nan=True)
    d = da.from_array(x, chunks=2)
    same(d.var(axis=1, ddof=ddof), x.var(axis=1, ddof=ddof))
    same(da.nanstd(d, axis=0, ddof=ddof), np.nanstd(x, axis=0, ddof=ddof), rtol=1e-10)


def test_variance_far_from_zero():
    x = np.array([1.0, 2.0, 3.0] * 100) + 1e9
    same(da.from_array(x, chunks=7).var(), x.var(), rtol=1e-6)


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("axis", [None, 0, (0, 2)], ids=str)
def test_moments(order, axis):
    x = sample("f8")
    expected = ((x - x.mean(axis=axis, keepdims=True)) ** order).mean(axis=axis)
    result = da.moment(da.from_array(x, chunks=2), order, axis=axis)
    np.testing.assert_allclose(result.compute(), expected, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="order"):
        da.moment(da.ones(3), -1)


@pytest.mark.parametrize("name", ["argmin", "argmax", "nanargmin", "nanargmax"])
@pytest.mark.parametrize("dtype", ["i4", "f4", "f8", "?"])
def test_positions(name, dtype):
    x = np.random.default_rng(3).integers(0, 5, (6, 7, 5)).astype(dtype)
    if name.startswith("nan") and dtype[0] == "f":
        x[1, 2:5, 0] = np.nan
    d = da.from_array(x, chunks=(4, 3, 2))
    same(getattr(da, name)(d), getattr(np, name)(x))
    for axis in (0, -1):
        same(getattr(da, name)(d, axis=axis), getattr(np, name)(x, axis=axis))
    same(getattr(da, name)(d, axis=1, keepdims=True), getattr(np, name)(x, axis=1, keepdims=True))


def test_positions_of_nan():
    x = np.array([[1.0, np.nan, 0.0], [np.nan, 2.0, 3.0]])
    d = da.from_array(x, chunks=(1, 2))
    same(d.argmax(), x.argmax())
    same(d.argmin(axis=0), x.argmin(axis=0))
    with pytest.raises(ValueError):
        da.nanargmax(da.from_array(np.full((2, 2), np.nan), chunks=1), axis=0).compute()


def test_positions_of_objects():
    x = np.array([[3, 1], [2, 9]], dtype=object)
    d = da.from_array(x, chunks=1)
    same(d.argmax(axis=0), x.argmax(axis=0))
    same(d.argmin(), x.argmin())


def test_positions_need_one_axis_and_known_chunks():
    d = da.arange(10, chunks=3)
    with pytest.raises(TypeError, match="axis"):
        da.argmax(da.ones((2, 2)), axis=(0, 1))
    with pytest.raises(ValueError, match="unknown chunksize"):
        da.argmax(d[d > 2])


@pytest.mark.parametrize("axis", [2, -3, (0, 2)])
def test_axis_out_of_range(axis):
    with pytest.raises(np.exceptions.AxisError):
        da.ones((5, 5), chunks=3).sum(axis=axis)


def test_an_axis_twice():
    with pytest.raises(ValueError, match="twice"):
        da.ones((5, 5), chunks=3).sum(axis=(0, 0))


@pytest.mark.parametrize("name", ["sum", "min", "max", "mean", "any"])
def test_empty_and_unknown_blocks(name):
    x = np.arange(10.0)
    d = da.from_array(x, chunks=((5, 0, 5),))
    same(getattr(da, name)(d), getattr(np, name)(x))
    kept = da.from_array(x, chunks=2)
    same(getattr(da, name)(kept[kept > 4]), getattr(np, name)(x[x > 4]))


@pytest.mark.parametrize("name", ["min", "max", "nanmin", "argmax"])
def test_nothing_to_reduce(name):
    with pytest.raises(ValueError):
        getattr(da, name)(da.ones((0, 3), chunks=2), axis=0)
    assert getattr(da, name)(da.ones((0, 3), chunks=2), axis=1).shape == (0,)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "min", "max", "var"])
def test_objects(name):
    x = np.array([[1, 2.5], [3, 4]], dtype=object)
    result = getattr(da, name)(da.from_array(x, chunks=1), axis=0)
    assert result.dtype == object
    np.testing.assert_allclose(result.compute().astype(float), getattr(x.astype(float), name)(axis=0))


@pytest.mark.parametrize("name", ["sum", "mean", "std", "max", "prod"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_masked(name, axis):
    x = np.ma.masked_greater(np.arange(12.0).reshape(3, 4), 7)
    result = getattr(da, name)(da.from_array(x, chunks=2, asarray=False), axis=axis).compute()
    expected = getattr(np.ma, name)(x, axis=axis)
    np.testing.assert_array_equal(np.ma.getmaskarray(result), np.ma.getmaskarray(expected))
    np.testing.assert_allclose(np.ma.filled(result, 0), np.ma.filled(expected, 0))


def test_out():
    out = da.zeros(3)
    assert da.sum(da.ones((2, 3)), axis=0, out=out) is out
    same(out, np.full(3, 2.0))


# --- scans ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
@pytest.mark.parametrize("dtype", ["i4", "u1", "f4", "f8", "c16"])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("method", ["sequential", "blelloch"])
def test_scans(name, dtype, axis, method):
    x = (np.arange(12).reshape(3, 4) % 3 + 1).astype(dtype)
    if dtype[0] == "f":
        x[1, 1] = np.nan
    d = da.from_array(x, chunks=2)
    same(getattr(da, name)(d, axis=axis, method=method), getattr(np, name)(x, axis=axis))


def test_scan_of_objects_and_dtype():
    x = np.arange(5).astype(object)
    same(da.cumsum(da.from_array(x, chunks=2), axis=0), np.cumsum(x))
    y = np.linspace(0, 2, 5)
    same(da.cumsum(da.from_array(y, chunks=2), axis=0, dtype="i8"), np.cumsum(y, dtype="i8"))


@pytest.mark.parametrize("method", ["sequential", "blelloch"])
def test_own_scan(method):
    x = np.array([3, 1, 4, 1, 5, 9, 2])
    result = reductions.cumreduction(
        np.maximum.accumulate, np.maximum, -1, da.from_array(x, chunks=((2, 0, 3, 2),)), axis=0, method=method
    )
    same(result, np.maximum.accumulate(x))
    with pytest.raises(ValueError, match="method"):
        da.cumsum(da.ones(3), axis=0, method="other")


# --- own reductions -------------------------------------------------------------------------------------------------
def test_reduction_with_nested_lists():
    def chunk(x, axis, keepdims):
        return {"total": x.sum(axis=axis, keepdims=keepdims)}

    def join(nested, axis, keepdims):
        while isinstance(nested[0], list):
            nested = [item for part in nested for item in part]
        total = sum(part["total"] for part in nested)
        return {"total": total} if keepdims is None else total if keepdims else total[0, 0]

    x = np.arange(20).reshape(4, 5)
    result = da.reduction(da.from_array(x, chunks=2), chunk, join, dtype=x.dtype, concatenate=False, split_every=100)
    same(result, x.sum())


def test_reduction_with_weights():
    def chunk(x, axis, keepdims, weights=None):
        return (x * weights).sum(axis=axis, keepdims=keepdims)

    x, w = np.arange(12.0).reshape(3, 4), np.array([[1.0], [2.0], [3.0]])
    same(da.reduction(da.from_array(x, chunks=2), chunk, np.sum, weights=w, dtype=float), (x * w).sum())
    with pytest.raises(ValueError, match="weights"):
        da.reduction(da.from_array(x, chunks=2), chunk, np.sum, weights=[1, 2], dtype=float)


def test_numel():
    assert numel(np.ones((2, 3, 4)), axis=(0, 2)).tolist() == [8, 8, 8]
    assert numel(np.ones((2, 3)), axis=None, keepdims=True).shape == (1, 1)


# --- order statistics -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("k", [1, 3, -2, 9, -9])
@pytest.mark.parametrize("chunks", [1, 3, 10])
@pytest.mark.parametrize("split_every", [None, 2])
def test_topk(k, chunks, split_every):
    x = np.random.default_rng(4).permutation(10)
    d = da.from_array(x, chunks=chunks)
    expected = np.sort(x)[-k:][::-1] if k > 0 else np.sort(x)[:-k]
    same(da.topk(d, k, split_every=split_every), expected)
    positions = da.argtopk(d, k, split_every=split_every)
    np.testing.assert_array_equal(x[positions.compute()], expected)


def test_topk_along_axes():
    x = np.random.default_rng(5).random((4, 7, 5))
    d = da.from_array(x, chunks=(3, 2, 4))
    same(d.topk(2, axis=1), np.sort(x, axis=1)[:, -2:][:, ::-1])
    with pytest.raises(np.exceptions.AxisError):
        da.topk(d, 2, axis=3)


@pytest.mark.parametrize("name", ["median", "nanmedian"])
@pytest.mark.parametrize("axis", [0, (0, 1), -1])
@pytest.mark.parametrize("keepdims", [True, False])
def test_medians(name, axis, keepdims):
    x = sample("f8", nan=name == "nanmedian")
    x[:, :, 0] = 1
    d = da.from_array(x, chunks=2)
    same(getattr(da, name)(d, axis=axis, keepdims=keepdims), getattr(np, name)(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
@pytest.mark.parametrize("q", [0.3, [0.1, 0.9], [[0.1, 0.2], [0.3, 0.4]]], ids=str)
@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("keepdims", [True, False])
def test_quantiles(name, q, axis, keepdims):
    x = sample("f8")
    d = da.from_array(x, chunks=2)
    expected = getattr(np, name)(x, q, axis=axis, keepdims=keepdims)
    same(getattr(da, name)(d, q, axis=axis, keepdims=keepdims), expected)
    same(getattr(da, name)(d, da.asarray(q), axis=axis, keepdims=keepdims), expected)


def test_quantiles_of_everything_need_one_block():
    with pytest.raises(NotImplementedError, match="along an axis"):
        da.quantile(da.ones((4, 4), chunks=2), 0.5)
    with pytest.raises(ValueError):
        da.quantile(da.ones(4), 1.5, axis=0)


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("q", [[0, 10, 50, 99, 100], 37.5])
def test_percentiles_of_small_blocks_are_exact(method, q):
    x = np.random.default_rng(6).integers(0, 50, 101)
    result = da.percentile(da.from_array(x, chunks=((40, 0, 61),)), q, method=method)
    np.testing.assert_allclose(result.compute(), np.percentile(x, q, method=method))


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u1"])
def test_percentiles_of_arrays_in_memory_are_exact(dtype, method):
    x = (200 * np.random.default_rng(5).random(1_100_000)).astype(dtype)
    q = [0, 0.001, 25, 50.00001, 99.9999, 100]
    result = da.percentile(da.from_array(x, chunks=300_000), q, method=method)
    expected = np.percentile(x, q, method=method)
    assert result.compute().dtype == result.dtype
    np.testing.assert_allclose(result.compute(), expected, rtol=1e-6 if dtype == "f4" else 1e-12)


def test_percentiles_of_long_arrays_with_a_nan_or_one_value():
    x = np.full(1_100_000, 3.0)
    lazy = da.from_array(x, chunks=300_000)
    assert da.percentile(lazy, 50).compute() == 3.0
    x[12345] = np.nan
    assert np.isnan(da.percentile(da.from_array(x, chunks=300_000), [1, 99]).compute()).all()


def test_percentiles_of_large_blocks_are_close():
    x = da.random.default_rng(7).normal(size=200_000, chunks=50_000)
    result = da.percentile(x, [1, 50, 99]).compute()
    np.testing.assert_allclose(result, np.percentile(x.compute(), [1, 50, 99]), atol=2e-3)


def test_average():
    x, w = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 3.0])
    d = da.from_array(x, chunks=2)
    same(da.average(d), np.average(x))
    same(da.average(d, axis=1, weights=w), np.average(x, axis=1, weights=w))
    mean, total = da.average(d, axis=1, weights=da.from_array(w, chunks=2), returned=True)
    same(total, np.average(x, axis=1, weights=w, returned=True)[1])
    with pytest.raises(TypeError):
        da.average(d, weights=w)
    with pytest.raises(ValueError):
        da.average(d, axis=0, weights=w)


def test_counts_and_traces():
    x = np.arange(20).reshape(4, 5) % 3
    d = da.from_array(x, chunks=2)
    assert da.count_nonzero(d).compute() == np.count_nonzero(x)
    same(da.count_nonzero(d, axis=0), np.count_nonzero(x, axis=0))
    same(da.ptp(d, axis=1), np.ptp(x, axis=1))
    for offset in (-1, 0, 2):
        same(da.trace(d, offset), np.trace(x, offset))


def test_reducing_by_operator():
    assert operator.index(da.ones(3, dtype=int).sum()) == 3


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_infinite_elements_count_where_missing_ones_are_left_out(dtype, chunks):
    x = np.array([np.inf, np.nan, -np.inf, 2]).astype(dtype)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(da.nanvar(da.from_array(x, chunks=chunks)).compute(), np.nanvar(x))
        np.testing.assert_array_equal(da.nanstd(da.from_array(x[1:], chunks=chunks)).compute(), np.nanstd(x[1:]))
