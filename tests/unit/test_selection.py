"""Selection, counting and sliding sums: errors, what stays lazy, and results that are written where they end up."""

import numpy as np
import pytest

import raskr.array as da


def test_a_mask_of_another_shape_is_refused():
    x = da.ones((4, 4), chunks=2)
    with pytest.raises((IndexError, ValueError)):
        x[da.ones((4, 3), chunks=2).astype(bool)]
    with pytest.raises((IndexError, ValueError)):
        x[np.ones(3, dtype=bool)]


def test_a_filter_has_one_unknown_chunk_for_each_block():
    x = da.arange(10, chunks=4)
    kept = x[x > 2]
    assert len(kept.chunks[0]) == 3 and all(np.isnan(size) for size in kept.chunks[0])
    kept.compute_chunk_sizes()
    assert kept.chunks == ((1, 4, 2),)


def test_filters_shared_by_several_results_are_computed_once_and_agree():
    x = da.random.default_rng(3).random(10_000, chunks=1_000)
    kept = x[x > 0.5]
    total, values, doubled = da.compute(kept.sum(), kept, kept * 2)
    assert total == pytest.approx(values.sum())
    np.testing.assert_array_equal(doubled, values * 2)


def test_a_filter_of_blocks_that_a_function_made():
    x = da.arange(12, chunks=5).map_blocks(lambda block: block * 3, dtype=int)
    np.testing.assert_array_equal(x[x % 2 == 0].compute(), np.arange(12)[::2] * 3)


def test_filtered_results_belong_to_the_user():
    source = np.arange(8.0)
    x = da.from_array(source, chunks=4)
    kept = x[x >= 0].compute()
    kept[0] = 99
    assert source[0] == 0 and kept.flags.writeable


def test_the_mean_of_nothing_is_nan():
    x = da.ones(6, chunks=3)
    with np.errstate(all="ignore"):
        assert np.isnan(x[x > 2].mean().compute())
    assert x[x > 2].sum().compute() == 0


@pytest.mark.parametrize("shape, chunks", [((300, 40), (64, 7)), ((40, 300), (40, 64)), ((300, 40), (300, 3))])
def test_scattered_and_sorted_positions_are_written_in_place(shape, chunks):
    source = np.arange(shape[0] * shape[1]).reshape(shape)
    x = da.from_array(source, chunks=chunks)
    rng = np.random.default_rng(0)
    for axis in (0, 1):
        for index in (rng.integers(0, shape[axis], 500), np.sort(rng.integers(0, shape[axis], 50))):
            np.testing.assert_array_equal(da.take(x, index, axis=axis).compute(), source.take(index, axis=axis))
            persisted = da.take(x, index, axis=axis).persist()
            np.testing.assert_array_equal(persisted.compute(), source.take(index, axis=axis))


def test_running_sums_join_without_a_step_back_between_blocks():
    x = da.random.default_rng(5).random(100_000, chunks=9_999)
    running = x.cumsum(axis=0).compute()
    assert (np.diff(running) >= 0).all()


def test_chains_of_operations_are_written_in_place():
    source = np.arange(60_000.0).reshape(200, 300)
    x = da.from_array(source, chunks=(70, 110))
    np.testing.assert_array_equal((x.T * 2 + 1).compute(), source.T * 2 + 1)
    first, second = da.compute(x + 1, (x + 1).sum())
    np.testing.assert_array_equal(first, source + 1)
    assert second == (source + 1).sum()


def test_whole_numbers_raised_to_negative_powers_are_refused_as_numpy_does():
    with pytest.raises(ValueError, match="negative"):
        (da.arange(4, chunks=2) ** (da.arange(4, chunks=2) - 2)).compute()


def test_negative_numbers_are_not_counted():
    with pytest.raises(ValueError, match="negative"):
        da.bincount(da.from_array(np.array([1, -1]), chunks=1)).compute()
    with pytest.raises(ValueError):
        da.bincount(da.ones((2, 2), dtype=int))


def test_edges_must_ascend():
    with pytest.raises(ValueError):
        da.histogram(da.ones(3), bins=[0, 2, 1])


def test_nan_and_what_lies_beyond_the_edges_are_in_no_bin():
    x = da.from_array(np.array([np.nan, -1.0, 0.0, 1.0, 1.0, np.inf]), chunks=2)
    assert da.histogram(x, bins=2, range=(0, 1))[0].compute().tolist() == [1, 2]


def test_variances_of_complex_numbers_with_infinities_are_nan():
    x = da.from_array(np.array([complex(1, np.inf), 2, 3, np.nan]), chunks=2)
    with np.errstate(all="ignore"):
        assert np.isnan(da.nanvar(x).compute()) and np.isnan(da.nanstd(x).compute())


def test_sliding_sums_refuse_what_numpy_refuses():
    x = da.arange(5, chunks=2)
    with pytest.raises(ValueError, match="empty"):
        da.convolve(x, [])
    with pytest.raises(ValueError, match="mode"):
        da.convolve(x, [1], mode="some")
    with pytest.raises(ValueError, match="one axis"):
        da.correlate(da.ones((2, 2)), [1])
    with pytest.raises(TypeError):
        da.histogram_bin_edges(x, bins="auto", weights=x)


def test_points_of_blocks_that_are_computed_once():
    source = np.arange(400.0).reshape(20, 20)
    x = da.from_array(source, chunks=6).map_blocks(np.sqrt, dtype=float)
    rows, columns = np.random.default_rng(1).integers(0, 20, (2, 50))
    np.testing.assert_array_equal(x.vindex[rows, columns].compute(), np.sqrt(source)[rows, columns])
    np.testing.assert_array_equal(x.vindex[rows].compute(), np.sqrt(source)[rows])
    with pytest.raises(IndexError):
        x.vindex[[20], [0]]


def test_points_of_arrays_in_memory_with_axes_that_are_not_indexed():
    source = np.arange(7 * 6 * 50_000, dtype="f4").reshape(7, 50_000, 6)
    x = da.from_array(source, chunks=(3, 20_000, 4))
    where = np.random.default_rng(2).integers(-50_000, 50_000, 30_000)
    rows = where % 7
    np.testing.assert_array_equal(x.vindex[:, where].compute(), source.transpose(1, 0, 2)[where])
    picked = x.vindex[rows, where]
    np.testing.assert_array_equal(picked.compute(), source[rows, where])
    np.testing.assert_array_equal((picked + 1).sum(axis=1).compute(), (source[rows, where] + 1).sum(axis=1))
    np.testing.assert_array_equal(x.vindex[[], []].compute(), source[[], []])
