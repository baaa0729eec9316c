"""Python functions of blocks: map_blocks, blockwise, overlaps, generalised ufuncs."""

import operator

import numpy as np
import pytest

import raskr
import raskr.array as da


def values(x):
    return x.compute(scheduler="sync")


def test_map_blocks_finds_the_element_type_by_itself():
    x = da.arange(6, chunks=4)
    y = x.map_blocks(lambda block: block / 2)
    assert y.dtype == float and y.chunks == ((4, 2),)
    assert np.array_equal(values(y), np.arange(6) / 2)


def test_map_blocks_says_why_the_element_type_is_not_found():
    def fails(block):
        raise KeyError("column")

    with pytest.raises(ValueError, match="inference failed in `map_blocks`: fails failed.*") as caught:
        da.ones(4, chunks=2).map_blocks(fails)
    assert "dtype" in str(caught.value) and "KeyError('column')" in str(caught.value)


def test_blocks_are_told_who_they_are():
    def label(block, block_id=None, block_info=None):
        place = block_info[0]["array-location"]
        assert block_info[None]["chunk-location"] == block_id
        assert block_info[None]["chunk-shape"] == block.shape
        return np.full(block.shape, 100 * block_id[0] + place[1][0])

    x = da.ones((4, 6), chunks=(2, 4))
    assert values(x.map_blocks(label, dtype=int)).tolist() == [[0] * 4 + [4] * 2] * 2 + [[100] * 4 + [104] * 2] * 2


def test_axes_can_be_dropped_and_added():
    held = np.arange(24).reshape(4, 6)
    x = da.from_array(held, chunks=(2, 3))
    dropped = x.map_blocks(lambda block: block.sum(axis=1), drop_axis=1, dtype=int)
    assert dropped.chunks == ((2, 2),) and np.array_equal(values(dropped), held.sum(axis=1))
    added = x.map_blocks(lambda block: block[None], new_axis=0, dtype=int)
    assert added.chunks == ((1,), (2, 2), (3, 3)) and np.array_equal(values(added), held[None])


def test_a_function_without_arrays_makes_one():
    x = da.map_blocks(lambda block_id: np.full(2, block_id[0]), chunks=((2, 2),), dtype=int)
    assert values(x).tolist() == [0, 0, 1, 1]


def test_lazy_values_in_arguments_are_computed_first():
    x = da.arange(4, chunks=2)
    y = x.map_blocks(
        lambda block, parts, scale: block * scale + sum(parts), [raskr.delayed(1), 2], scale=da.ones(1).sum()
    )
    assert values(y).tolist() == [3, 4, 5, 6]


def test_the_number_of_axes_can_be_enforced():
    x = da.ones(4, chunks=2).map_blocks(lambda block: block.sum(), enforce_ndim=True, dtype=float)
    with pytest.raises(ValueError, match="to have dims = 1.*Got 0"):
        values(x)


def test_map_blocks_complains_of_what_does_not_fit():
    x = da.ones((4, 6), chunks=2)
    with pytest.raises(TypeError, match="callable function, not int"):
        da.map_blocks(3, x)
    with pytest.raises(ValueError, match="have 1 dims; expected 2"):
        x.map_blocks(abs, chunks=(2,), dtype=float)
    with pytest.raises(ValueError, match="3 and 2 blocks"):
        da.map_blocks(operator.add, da.ones(6, chunks=2), da.ones(6, chunks=3))


def test_blockwise_contracts_named_axes():
    a, b = np.arange(12.0).reshape(3, 4), np.arange(20.0).reshape(4, 5)
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=3)

    def product(left, right):
        return sum(one @ other for one, other in zip(left, right))

    lists = da.blockwise(product, "ik", x, "ij", y, "jk", dtype=float)
    joined = da.blockwise(np.matmul, "ik", x, "ij", y, "jk", dtype=float, concatenate=True)
    assert np.allclose(values(lists), a @ b) and np.allclose(values(joined), a @ b)


def test_blockwise_new_axes_and_lengths():
    x = da.arange(4, chunks=2)
    y = da.blockwise(lambda block: np.stack([block] * 3), "ni", x, "i", new_axes={"n": 3}, dtype=int)
    assert y.chunks == ((3,), (2, 2)) and values(y).tolist() == [[0, 1, 2, 3]] * 3
    z = da.blockwise(lambda block: block[:1], "i", x, "i", adjust_chunks={"i": lambda size: 1}, dtype=int)
    assert z.chunks == ((1, 1),) and values(z).tolist() == [0, 2]
    with pytest.raises(ValueError, match="Unknown dimension: 'k'"):
        da.blockwise(abs, "ik", x, "i", dtype=int)


@pytest.mark.parametrize(
    "boundary, mode", [("reflect", "symmetric"), ("periodic", "wrap"), ("nearest", "edge"), (7, None)]
)
def test_overlap_puts_a_boundary_around(boundary, mode):
    held = np.arange(30.0).reshape(5, 6)
    x = da.from_array(held, chunks=(5, 6))
    padded = np.pad(held, 2, mode=mode) if mode else np.pad(held, 2, constant_values=7)
    assert np.array_equal(values(da.overlap.overlap(x, 2, boundary)), padded)


def test_map_overlap_sees_the_neighbours():
    held = np.arange(20.0) ** 2
    x = da.from_array(held, chunks=(5, 3, 12))
    y = x.map_overlap(lambda block: np.convolve(block, np.ones(3) / 3, "same"), depth=1, boundary="none", dtype=float)
    assert y.chunks == x.chunks
    assert np.allclose(values(y), np.convolve(held, np.ones(3) / 3, "same"))


def test_map_overlap_of_two_arrays():
    x, y = da.arange(10, chunks=(2, 3, 5)), da.arange(10, chunks=(5, 3, 2))
    z = da.map_overlap(operator.add, x, y, depth=1, boundary="reflect")
    assert z.chunks == ((2, 3, 3, 2),) and values(z).tolist() == list(range(0, 20, 2))


def test_depth_must_fit():
    x = da.ones(6, chunks=(4, 2))
    assert da.overlap.overlap(x, 3, "none").shape == (6,)
    with pytest.raises(ValueError, match="smallest chunk 2"):
        da.overlap.overlap(x, 3, "none", allow_rechunk=False)
    with pytest.raises(ValueError, match="overlapping depth 7 is larger than your array 6"):
        da.overlap.overlap(x, 7, "none")


def test_windows_slide_across_blocks():
    held = np.arange(40).reshape(5, 8)
    x = da.from_array(held, chunks=(2, 3))
    windows = da.lib.stride_tricks.sliding_window_view(x, (3, 2), (1, 0))
    assert np.array_equal(values(windows), np.lib.stride_tricks.sliding_window_view(held, (3, 2), (1, 0)))


@pytest.mark.parametrize("n", [None, 1, 2, 5])
def test_push_fills_what_is_missing(n):
    held = np.array([np.nan, 1, np.nan, np.nan, np.nan, 2, np.nan, 3, np.nan])
    expected = held.copy()
    for at in range(1, len(held)):
        reach = at if n is None else min(at, n)
        known = [held[at - back] for back in range(reach + 1) if not np.isnan(held[at - back])]
        expected[at] = known[0] if known else np.nan
    assert np.array_equal(values(da.push(da.from_array(held, chunks=2), n, 0)), expected, equal_nan=True)


def test_gufuncs_get_whole_axes():
    held = np.random.default_rng(0).random((4, 6, 5))
    x = da.from_array(held, chunks=(2, 6, 2))
    mean, std = da.apply_gufunc(
        lambda block: (block.mean(-1), block.std(-1)), "(i)->(),()", x, axis=1, output_dtypes=(float, float)
    )
    assert np.allclose(values(mean), held.mean(axis=1)) and np.allclose(values(std), held.std(axis=1))
    kept = da.apply_gufunc(np.median, "(i)->()", x, axis=1, keepdims=True, vectorize=True, output_dtypes=float)
    assert np.allclose(values(kept), np.median(held, axis=1, keepdims=True))


def test_gufuncs_say_what_does_not_fit():
    x = da.ones((4, 6), chunks=2)
    with pytest.raises(ValueError, match="consists of multiple chunks"):
        da.apply_gufunc(np.sum, "(i)->()", x, output_dtypes=float)
    with pytest.raises(ValueError, match="Not a valid gufunc signature"):
        da.apply_gufunc(np.sum, "i->()", x)
    with pytest.raises(ValueError, match="requires 2 arguments, but 1 given"):
        da.apply_gufunc(np.add, "(),()->()", x)


def test_numpy_calls_stay_lazy():
    held = np.arange(12.0).reshape(3, 4)
    x = da.from_array(held, chunks=2)
    for lazy, expected in (
        (np.sum(x, axis=0), held.sum(axis=0)),
        (np.sqrt(x), np.sqrt(held)),
        (np.concatenate([x, x]), np.concatenate([held, held])),
        (np.add(held, x), held + held),
        (held + x, held + held),
    ):
        assert isinstance(lazy, da.Array) and np.allclose(values(lazy), expected)
    with pytest.warns(FutureWarning, match="`numpy.min_scalar_type` function is not implemented"):
        assert np.min_scalar_type(da.ones((), dtype="u4")) == "u1"


def test_other_array_types_are_given_way_or_taken_in():
    class Above(np.lib.mixins.NDArrayOperatorsMixin):
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return "above"

    assert da.ones(3, chunks=3) + Above() == "above" and Above() + da.ones(3, chunks=3) == "above"
    masked = da.from_array(np.ma.masked_array([1, 2, 3], [0, 1, 0]), chunks=2)
    assert "chunktype=numpy.MaskedArray" in repr(masked)
    assert values(masked + 1).tolist() == [2, None, 4]
