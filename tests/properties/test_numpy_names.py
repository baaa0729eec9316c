"""Functions that NumPy has and Dask lacks give NumPy's results, for any element type, shape and chunks."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import raskr.array as da

settings.register_profile("raskr", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("raskr")

DTYPES = ["?", "i1", "u2", "i8", "f4", "f8", "c16", "M8[s]", "m8[s]", "O"]
NUMBERS = ["?", "i1", "u2", "i8", "f4", "f8", "c16"]


def elements(dtype):
    """Small numbers, zeros among them."""
    dtype = np.dtype(dtype)
    whole = st.integers(0 if dtype.kind in "u" else -5, 5)
    return {
        "b": st.booleans(),
        "f": st.integers(-20, 20).map(lambda n: n / 4),
        "c": st.builds(complex, st.integers(-3, 3), st.integers(-3, 3)),
        "M": whole.map(lambda n: np.datetime64(n, "s")),
        "m": whole.map(lambda n: np.timedelta64(n, "s")),
    }.get(dtype.kind, whole)


@st.composite
def cuts(draw, shape):
    """Chunks of any lengths along each axis of a shape, empty ones and those of length one among them."""
    chunks = []
    for length in shape:
        edges = [0, *sorted(draw(st.lists(st.integers(0, length), max_size=3))), length]
        chunks.append(tuple(high - low for low, high in zip(edges, edges[1:])))
    return tuple(chunks)


@st.composite
def arrays(draw, dtypes=DTYPES, shape=None, **options):
    """A NumPy array and the same one lazily."""
    dtype = draw(st.sampled_from(dtypes))
    options = {"min_dims": 1, "max_dims": 3, "min_side": 0, "max_side": 6, **options}
    shape = draw(hnp.array_shapes(**options)) if shape is None else shape
    x = draw(hnp.arrays(dtype, shape, elements=elements(dtype)))
    return x, da.from_array(x, chunks=draw(cuts(shape)))


def same(lazy, expected, known=True, tolerance=1e-10):
    """Shape, element type and values."""
    value = np.asarray(lazy.compute())
    expected = np.asarray(expected)
    if known:
        assert lazy.shape == expected.shape
    assert value.shape == expected.shape
    assert lazy.dtype == value.dtype == expected.dtype
    if expected.dtype.kind in "fc":
        tolerance = max(tolerance, 1e-4 if expected.dtype in ("f4", "c8") else 0)
        np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(value, expected)


@given(arrays(min_dims=2, max_dims=2), st.booleans(), st.data())
def test_filled_diagonals_of_matrices(drawn, wrap, data):
    x, lazy = drawn
    value = data.draw(st.one_of(elements(x.dtype), st.lists(elements(x.dtype), min_size=1, max_size=4)))
    value = np.asarray(value, dtype=x.dtype)
    changed, chunks = x.copy(), lazy.chunks
    if 0 not in x.shape:
        np.fill_diagonal(changed, value, wrap=wrap)
    assert da.fill_diagonal(lazy, value, wrap=wrap) is None
    same(lazy, changed)
    assert lazy.chunks == chunks


@given(st.integers(1, 3), st.data())
def test_filled_diagonals_of_cubes(length, data):
    x, lazy = data.draw(arrays(shape=(length,) * 3))
    value = np.asarray(data.draw(elements(x.dtype)), dtype=x.dtype)
    changed = x.copy()
    np.fill_diagonal(changed, value)
    da.fill_diagonal(lazy, value)
    same(lazy, changed)


@given(arrays(min_side=1), st.data())
def test_values_put_along_an_axis(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    count = data.draw(st.integers(0, 4))
    if axis is None:
        length, shape = x.size, (count,)
    else:
        length = x.shape[axis]
        shape = tuple(count if n == axis % x.ndim else size for n, size in enumerate(x.shape))
    indices = data.draw(hnp.arrays("i8", shape, elements=st.integers(-length, length - 1)))
    values = np.asarray(data.draw(elements(x.dtype)), dtype=x.dtype)
    changed = x.copy()
    np.put_along_axis(changed, indices, values, axis)
    chunks = lazy.chunks
    da.put_along_axis(lazy, da.from_array(indices, chunks=data.draw(cuts(shape))), values, axis)
    same(lazy, changed)
    assert lazy.chunks == chunks


@given(arrays(), st.data())
def test_repeated_to_another_shape(drawn, data):
    x, lazy = drawn
    shape = data.draw(st.one_of(st.integers(0, 50), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7)))
    assume(x.size or not np.prod(shape) or x.dtype.kind not in "Mm")
    same(da.resize(lazy, shape), np.resize(x, shape))


@given(arrays(dtypes=NUMBERS), st.sampled_from(["fb", "f", "b", "FB"]), st.data())
def test_zeros_trimmed(drawn, trim, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    same(da.trim_zeros(lazy, trim, axis), np.trim_zeros(x, trim, axis))


@given(arrays(dtypes=["i1", "i8", "f8"], min_side=1), st.data())
def test_unwrapped(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    period = data.draw(st.sampled_from([2 * np.pi, 3, 4, 2.5]))
    discont = data.draw(st.none() | st.integers(1, 5))
    same(da.unwrap(lazy, discont, axis, period=period), np.unwrap(x, discont, axis, period=period))


@given(arrays(dtypes=NUMBERS, min_side=1))
def test_sorted_as_complex_numbers(drawn):
    x, lazy = drawn
    same(da.sort_complex(lazy), np.sort_complex(x))


@given(arrays(dtypes=NUMBERS), st.sampled_from([100, 1e-3, 0.5, 10.0]))
def test_real_where_all_is_close_to_real(drawn, tol):
    x, lazy = drawn
    same(da.real_if_close(lazy, tol), np.real_if_close(x, tol))


@given(arrays(dtypes=["c16"]))
def test_nearly_real_numbers_become_real(drawn):
    x, lazy = drawn
    tiny = 1e-15
    same(da.real_if_close(lazy.real + tiny * 1j), np.real_if_close(x.real + tiny * 1j))


@given(st.integers(0, 4), st.integers(2, 3))
def test_diagonal_positions_of_an_array(length, ndim):
    x = np.zeros((length,) * ndim)
    for ours, theirs in zip(da.diag_indices_from(da.asarray(x)), np.diag_indices_from(x), strict=True):
        same(ours, theirs)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.data())
def test_rows_stacked(lengths, data):
    parts = [data.draw(arrays(dtypes=NUMBERS, shape=(rows, 4))) for rows in lengths]
    same(da.row_stack([lazy for _, lazy in parts]), np.vstack([x for x, _ in parts]))


# --- polynomials -----------------------------------------------------------------------------------------------------
@st.composite
def points(draw):
    """Points of a polynomial and a little more, at places that are all different."""
    count = draw(st.integers(6, 30))
    x = np.asarray(draw(st.permutations(range(count)))) / 4 - 2
    columns = draw(st.sampled_from([(), (1,), (3,)]))
    y = draw(hnp.arrays("f8", (count, *columns), elements=st.integers(-20, 20).map(float)))
    w = draw(st.none() | hnp.arrays("f8", (count,), elements=st.integers(1, 5).map(float)))
    return x, y, w


@given(points(), st.integers(0, 3), st.data())
def test_polynomials_fitted(drawn, degree, data):
    x, y, w = drawn
    lazy_x = da.from_array(x, chunks=data.draw(cuts(x.shape)))
    lazy_y = da.from_array(y, chunks=data.draw(cuts(y.shape)))
    lazy_w = None if w is None else da.from_array(w, chunks=data.draw(cuts(w.shape)))
    same(da.polyfit(lazy_x, lazy_y, degree, w=lazy_w), np.polyfit(x, y, degree, w=w), tolerance=1e-8)
    for cov in (True, "unscaled"):
        ours = da.polyfit(lazy_x, lazy_y, degree, w=lazy_w, cov=cov)
        for one, other in zip(ours, np.polyfit(x, y, degree, w=w, cov=cov), strict=True):
            same(one, other, tolerance=1e-8)
    ours, theirs = (
        da.polyfit(lazy_x, lazy_y, degree, w=lazy_w, full=True),
        np.polyfit(x, y, degree, w=w, full=True),
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.compute(), other, rtol=1e-8, atol=1e-8)


@given(st.lists(st.integers(-3, 3), max_size=4), arrays(dtypes=["i8", "f8", "c16"]))
def test_values_of_polynomials(coefficients, drawn):
    x, lazy = drawn
    same(da.polyval(coefficients, lazy), np.polyval(coefficients, x))
    if coefficients:
        same(da.polyval(da.asarray(coefficients), lazy), np.polyval(coefficients, x))


@pytest.mark.parametrize("dtype", ["f4", "c8", "c16"])
def test_fits_of_other_element_types(dtype):
    x = np.linspace(0, 1, 20).astype(np.empty(0, dtype).real.dtype)
    y = (x**2 - 2 * x).astype(dtype)
    same(da.polyfit(da.from_array(x, chunks=7), da.from_array(y, chunks=5), 2), np.polyfit(x, y, 2), tolerance=1e-4)


# --- products, sets and sums with all of NumPy's options ----------------------------------------------------------------
@given(st.data())
def test_cross_products_along_any_axes(data):
    length = data.draw(st.integers(1, 4))
    axes = [data.draw(st.sampled_from([0, 1, -1, -2])) for _ in range(3)]
    drawn = []
    for axis in axes[:2]:
        shape = (3, length) if axis % 2 == 0 else (length, 3)
        drawn.append(data.draw(arrays(dtypes=["i8", "f8", "c16"], shape=shape)))
    (a, lazy_a), (b, lazy_b) = drawn
    options = dict(zip(("axisa", "axisb", "axisc"), axes))
    same(da.cross(lazy_a, lazy_b, **options), np.cross(a, b, **options))


@given(arrays(dtypes=["i1", "i8", "f8"]), arrays(dtypes=["i1", "i8", "f8"]))
def test_sets_with_positions_and_in_order(one, other):
    (a, lazy_a), (b, lazy_b) = one, other
    ours = da.intersect1d(lazy_a, lazy_b, return_indices=True)
    theirs = np.intersect1d(a, b, return_indices=True)
    assert [part.compute().tolist() for part in ours] == [part.tolist() for part in theirs]
    falling, once = np.unique(a)[::-1], np.unique(b)
    same(
        da.setdiff1d(da.from_array(falling, chunks=2), once, assume_unique=True),
        np.setdiff1d(falling, once, assume_unique=True),
        known=False,
    )
    same(da.setxor1d(lazy_a, lazy_b), np.setxor1d(a, b), known=False)


@given(arrays(dtypes=["?", "i1", "i8", "f8"]), st.sampled_from(["cumulative_sum", "cumulative_prod"]), st.data())
def test_cumulative_results_go_to_out(drawn, name, data):
    x, lazy = drawn
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    initial = data.draw(st.booleans())
    expected = getattr(np, name)(x, axis=axis, include_initial=initial)
    out = da.zeros(expected.shape, dtype=expected.dtype)
    result = getattr(da, name)(lazy, axis=axis, include_initial=initial, out=out)
    assert result is out
    same(out, expected)


@given(arrays(min_dims=2, max_dims=2, min_side=1, dtypes=NUMBERS))
def test_numpys_functions_reach_lazy_arrays(drawn):
    x, lazy = drawn
    same(np.resize(lazy, (3, 3)), np.resize(x, (3, 3)))
    np.fill_diagonal(x, 1)
    assert np.fill_diagonal(lazy, 1) is None
    same(lazy, x)


# --- orders by chance ---------------------------------------------------------------------------------------------------
@given(arrays(min_side=1), st.data())
def test_shuffled_arrays_hold_the_same_slices(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.integers(0, x.ndim - 1))
    before = lazy.chunks
    da.random.default_rng(data.draw(st.integers(0, 9))).shuffle(lazy, axis=axis)
    assert lazy.chunks == before
    ours, theirs = (sorted(map(repr, np.moveaxis(v, axis, 0).tolist())) for v in (lazy.compute(), x))
    assert ours == theirs


@given(arrays(min_side=1, dtypes=NUMBERS), st.data())
def test_permuted_lines_hold_the_same_elements_whatever_the_chunks(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    ours = da.random.default_rng(3).permuted(lazy, axis=axis)
    assert ours.dtype == x.dtype
    np.testing.assert_array_equal(np.sort(ours.compute(), axis=axis), np.sort(x, axis=axis))
    again = da.random.default_rng(3).permuted(lazy.rechunk(-1), axis=axis)
    np.testing.assert_array_equal(ours.compute(), again.compute())
