"""Indexing and assignment of arrays, against NumPy: drawn shapes, chunks and indices, and the cases that have names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import raskr.array as da

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=7)
DTYPES = st.sampled_from(["f8", "i4", "u1", "c16", "?", "M8[s]", "O"])


@st.composite
def cut(draw, length):
    """The lengths of blocks along an axis."""
    borders = sorted(draw(st.sets(st.integers(1, max(1, length - 1)), max_size=3))) if length > 1 else []
    return tuple(int(size) for size in np.diff([0, *borders, length]))


@st.composite
def arrays(draw, dtypes=DTYPES, shapes=SHAPES):
    """A NumPy array and the lazy array over it."""
    shape = draw(shapes)
    held = (np.arange(np.prod(shape)).reshape(shape) % 97).astype(draw(dtypes))
    return held, da.from_array(held, chunks=tuple(draw(cut(length)) for length in shape))


@st.composite
def basic_index(draw, shape):
    entries = []
    for length in shape:
        if draw(st.integers(0, 7)) == 0:
            entries.append(None)
        if length and draw(st.integers(0, 3)) == 0:
            entries.append(draw(st.integers(-length, length - 1)))
        else:
            bounds = st.none() | st.integers(-length - 2, length + 2)
            entries.append(slice(draw(bounds), draw(bounds), draw(st.sampled_from([None, 1, 2, -1, -3]))))
    return tuple(entries)


def same(lazy, held):
    got = lazy.compute(scheduler="sync")
    assert np.shape(got) == np.shape(held)
    assert np.array_equal(np.asarray(got), np.asarray(held))
    if not any(length != length for length in lazy.shape):
        assert lazy.shape == np.shape(held)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_basic_index_is_numpys(data):
    held, lazy = data.draw(arrays())
    index = data.draw(basic_index(held.shape))
    same(lazy[index], held[index])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_positions_and_masks_along_an_axis_are_numpys(data):
    held, lazy = data.draw(arrays(shapes=hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6)))
    axis = data.draw(st.integers(0, held.ndim - 1))
    length = held.shape[axis]
    positions = data.draw(st.lists(st.integers(-length, length - 1), max_size=9))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=length, max_size=length)))
    before = (slice(None),) * axis
    same(lazy[(*before, positions)], held[(*before, positions)])
    same(lazy[(*before, mask)], held[(*before, mask)])
    same(lazy[(*before, da.from_array(mask, chunks=2))], held[(*before, mask)])
    if positions:
        same(lazy[(*before, da.from_array(np.array(positions), chunks=2))], held[(*before, positions)])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_points_are_numpys(data):
    held, lazy = data.draw(arrays(shapes=hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6)))
    count = data.draw(st.integers(1, 12))
    points = tuple(
        np.array(data.draw(st.lists(st.integers(-length, length - 1), min_size=count, max_size=count)))
        for length in held.shape[:2]
    )
    same(lazy.vindex[points], held[points])
    same(lazy[points], held[points])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_assignment_is_numpys(data):
    held, lazy = data.draw(arrays(dtypes=st.sampled_from(["f8", "i4", "O"])))
    index = tuple(entry for entry in data.draw(basic_index(held.shape)) if entry is not None)
    value = np.full(np.shape(held[index]), 5).astype(held.dtype)
    value[...] = np.arange(value.size).reshape(value.shape)
    expected = held.copy()
    expected[index] = value
    changed = lazy.copy()
    changed[index] = value
    same(changed, expected)
    same(lazy, held)


def test_mask_over_all_axes_keeps_row_major_order():
    held = np.arange(24).reshape(4, 6)
    lazy = da.from_array(held, chunks=(3, 2))
    assert lazy[lazy % 3 == 0].compute().tolist() == held[held % 3 == 0].tolist()


def test_mask_assignment_takes_one_number_only():
    x = da.ones((4,), chunks=2)
    x[x > 0] = 3
    assert x.compute().tolist() == [3, 3, 3, 3]
    with pytest.raises(ValueError, match="one number"):
        x[x > 0] = [1, 2, 3, 4]


@pytest.mark.parametrize(
    "value", [-1, np.arange(6), np.arange(5)[:, None] * 10 + np.arange(6)], ids=["one", "row", "array"]
)
def test_a_lazy_mask_of_the_first_axes_chooses_rows(value):
    expected = np.arange(5 * 4 * 6).reshape(5, 4, 6)
    rows = np.array([True, False, True, True, False])
    x = da.from_array(expected.copy(), chunks=(2, 3, 4))
    expected = expected.copy()
    value = value if np.ndim(value) < 2 else value[rows][:, None]
    expected[rows] = value
    x[da.from_array(rows, chunks=2)] = value
    assert x.chunks == ((2, 2, 1), (3, 1), (4, 2))
    np.testing.assert_array_equal(x.compute(), expected)
    planes = expected[:, :, 0] % 3 == 0
    expected[planes] = 7
    x[da.from_array(planes, chunks=2)] = 7
    np.testing.assert_array_equal(x.compute(), expected)
    with pytest.raises(IndexError, match="shape"):
        x[da.ones(4, chunks=2, dtype=bool)] = 0


def test_lazy_indices_stay_lazy_when_one_number_is_assigned():
    held = np.arange(20.0).reshape(4, 5)
    calls = []

    def positions(block):
        calls.append(1)
        return block

    index = da.from_array(np.array([0, -1]), chunks=1).map_blocks(positions, dtype=int)
    calls.clear()
    x = da.from_array(held, chunks=(3, 2))
    x[index, 2] = 7
    x[x[:, 0] > 12, 1:3] = 8
    assert not calls
    held[[0, -1], 2] = 7
    held[held[:, 0] > 12, 1:3] = 8
    same(x, held)


def test_masked_values_can_be_assigned():
    x = da.from_array(np.arange(6).reshape(2, 3), chunks=2)
    x[0, 1:] = np.ma.masked
    assert np.ma.getmaskarray(x.compute()).tolist() == [[False, True, True], [False, False, False]]


def test_a_mask_gives_unknown_lengths_until_they_are_computed():
    x = da.arange(10, chunks=4)
    y = x[x % 3 == 0]
    assert np.isnan(y.shape[0]) and y.chunks == ((np.nan, np.nan, np.nan),)
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        y[1]
    assert y.compute_chunk_sizes().chunks == ((2, 1, 1),)
    assert y[1].compute() == 3


def test_blocks_are_chosen_by_number():
    held = np.arange(36).reshape(6, 6)
    x = da.from_array(held, chunks=2)
    assert np.array_equal(x.blocks[1, -1].compute(), held[2:4, 4:])
    assert np.array_equal(x.blocks[::2, [2, 0]].compute(), held[np.ix_([0, 1, 4, 5], [4, 5, 0, 1])])
    assert x.blocks.shape == (3, 3) and x.blocks.size == 9
    assert len(x.partitions.ravel()) == 9


@pytest.mark.parametrize(
    "index, kind, text",
    [
        (7, IndexError, "Index 7 is out of bounds for axis 0 with size 4"),
        ((0, 0, 0), IndexError, "3 given, the array has 2 axes"),
        ([0, 9], IndexError, "Index 9 is out of bounds"),
        (1.5, IndexError, "1.5"),
        ((slice(None), [True]), IndexError, "the mask has 1 elements along axis 1, the array 5"),
        ((..., ...), IndexError, "single ellipsis"),
        (slice(None, None, 0), ValueError, "step cannot be zero"),
        ("a", KeyError, "no fields"),
    ],
)
def test_wrong_indices_say_what_is_wrong(index, kind, text):
    with pytest.raises(kind, match=text):
        da.ones((4, 5), chunks=2)[index]


def test_whole_slices_give_the_array_itself():
    x = da.ones((4, 5), chunks=2)
    assert x[:] is x and x[...] is x and x[0:4, ::1] is x and x[0:99] is x
