"""How arrays are cut: what `chunks` may be, rechunk, reshape, and what happens at their limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raskr
import raskr.array as da
from raskr.array.core import normalize_chunks
from raskr.array.rechunk import balanced


@pytest.mark.parametrize(
    "chunks, shape, expected",
    [
        (3, (4, 6), ((3, 1), (3, 3))),
        ((3, -1), (5, 5), ((3, 2), (5,))),
        ({1: 2}, (5, 4), ((5,), (2, 2))),
        (((2, 2, 1), None), (5, 4), ((2, 2, 1), (4,))),
        ((4, 5), (9,), ((4, 5),)),
        ((), (0, 0), ((0,), (0,))),
        (5, (), ()),
    ],
)
def test_chunks_can_be_written_in_many_ways(chunks, shape, expected):
    assert normalize_chunks(chunks, shape) == expected


@pytest.mark.parametrize(
    "chunks, shape, kind, text",
    [
        (-5, (10,), ValueError, r"chunks\[0\] = -5: must be >= 1 \(or -1 for the whole axis\)"),
        ((2, 0), (4, 4), ValueError, r"chunks\[1\] = 0: must be >= 1"),
        (2.5, (4,), ValueError, r"chunks\[0\] = 2.5: expected a whole number"),
        (((2, 3),), (4,), ValueError, r"chunks\[0\] adds up to 5, axis 0 has 4"),
        ((2, 2), (4, 4, 4), ValueError, "2 entries.*3 axes"),
        (None, (4,), ValueError, "chunks is None"),
    ],
)
def test_wrong_chunks_say_what_is_wrong(chunks, shape, kind, text):
    with pytest.raises(kind, match=text):
        normalize_chunks(chunks, shape)


def test_automatic_chunks_stay_under_the_limit():
    for shape in ((10_000_000,), (3000, 4000), (300, 200, 100), (5, 1_000_000)):
        chunks = normalize_chunks("auto", shape, limit="1MiB", dtype="f8")
        assert np.prod([max(sizes) for sizes in chunks]) * 8 <= 2**20
    with raskr.config.set({"array.chunk-size": "100 B"}):
        assert da.ones(100).chunks == ((12,) * 8 + (4,),)


def test_automatic_chunks_keep_the_borders_that_are_there():
    assert normalize_chunks("auto", (2000,), limit=600, dtype="u1", previous_chunks=(128,)) == ((512, 512, 512, 464),)


def test_balanced_blocks_have_about_one_length():
    assert balanced((100, 100, 20)) == (110, 110)
    assert balanced((4, 4, 4, 1)) == (5, 5, 3)
    with pytest.warns(UserWarning, match="not possible"):
        assert balanced((9,) * 11 + (1,)) == (9,) * 11 + (1,)


SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.data())
def test_rechunk_keeps_the_elements(rows, columns, data):
    held = np.arange(sum(rows) * sum(columns)).reshape(sum(rows), sum(columns))
    x = da.from_array(held, chunks=(tuple(rows), tuple(columns)))
    wanted = (data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9)))
    y = x.rechunk(wanted)
    assert y.chunks == normalize_chunks(wanted, held.shape)
    assert np.array_equal(y.compute(scheduler="sync"), held)


@settings(max_examples=80, deadline=None)
@given(st.permutations([2, 3, 2, 5]), st.sets(st.integers(1, 3)), st.sets(st.integers(1, 3)), st.data())
def test_reshape_keeps_row_major_order(factors, cuts_before, cuts_after, data):
    def shape_of(cuts):
        borders = [0, *sorted(cuts), 4]
        return tuple(int(np.prod(factors[a:b])) for a, b in zip(borders, borders[1:]))

    before, after = shape_of(cuts_before), shape_of(cuts_after)
    held = np.arange(60).reshape(before)
    x = da.from_array(held, chunks=tuple(data.draw(st.integers(1, length)) for length in before))
    for options in ({}, {"merge_chunks": False}, {"limit": 64}):
        y = x.reshape(after, **options)
        assert y.shape == after
        assert np.array_equal(y.compute(scheduler="sync"), held.reshape(after))


def test_reshape_does_not_make_blocks_larger():
    x = da.ones((30, 10, 20), chunks=(30, 2, 1))
    assert x.reshape(30, 200).chunks == ((30,), (2,) * 100)
    x = da.ones((2, 1000, 100, 4800), chunks=(2, 1000, 100, 83))
    assert x.reshape(2, 1000, 100, 4, 1200).chunks[-2:] == ((1,) * 4, (80,) * 15)


def test_reshape_says_what_does_not_fit():
    x = da.ones((4, 5), chunks=2)
    with pytest.raises(ValueError, match="total size of new array must be unchanged.*20 elements"):
        x.reshape(3, 7)
    with pytest.raises(ValueError, match="only specify one unknown dimension"):
        x.reshape(-1, -1)
    with pytest.raises(ValueError, match="cannot reshape array of 20 elements"):
        x.reshape(-1, 3)


def test_unknown_axes_can_stay_but_not_change():
    x = da.ones((10, 4), chunks=(5, 2))
    y = x[x[:, 0] > 0]
    assert y.rechunk({1: 4}).chunks[1] == (4,)
    with pytest.raises(ValueError, match="unchanging"):
        y.rechunk({0: 3})
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        y.reshape(-1)
