"""Creation, rearrangement, joining, choice, assignment, windows, generalised functions and statistics give NumPy's and SciPy's results."""

import numpy as np
import pytest
import scipy.stats
from drawing import DTYPES, arrays, cuts, same, shapes, slices
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import raskr.array as da

DATES = ["M8[s]", "m8[ms]"]
ANY = [*DTYPES, "f2", *DATES, "U2", "O", [("a", "i4"), ("b", "f8")]]


@st.composite
def anything(draw, **options):
    """An array of any element type at all, and chunks for it."""
    dtype = np.dtype(draw(st.sampled_from(ANY)))
    shape = draw(shapes(**options))
    numbers = np.arange(int(np.prod(shape))) * 7 % 11
    if dtype.names:
        array = np.zeros(len(numbers), dtype)
        array["a"], array["b"] = numbers, numbers / 3
    elif dtype.kind in "mM":
        array = numbers.astype("i8").view(dtype)
    elif dtype.kind == "O":
        array = np.array([*numbers.tolist(), None], dtype=object)[:-1]
    else:
        array = numbers.astype(dtype)
    return array.reshape(shape), draw(cuts(shape))


def equal(lazy, expected):
    """Shape, element type and elements are the same, whatever the type."""
    value = np.asarray(lazy.compute() if hasattr(lazy, "compute") else lazy)
    assert value.shape == expected.shape == lazy.shape
    assert lazy.dtype == expected.dtype
    # A single text is a scalar, whose type is as long as it is.
    assert value.dtype == expected.dtype or (value.ndim == 0 and value.dtype.kind == "U")
    assert value.tolist() == expected.tolist()


# --- creation ---------------------------------------------------------------------------------------------------------
@given(shapes(), st.sampled_from(DTYPES + DATES), st.data())
def test_constants(shape, dtype, data):
    chunks = data.draw(cuts(shape))
    equal(da.zeros(shape, dtype=dtype, chunks=chunks), np.zeros(shape, dtype))
    if dtype not in DATES:
        equal(da.ones(shape, dtype=dtype, chunks=chunks), np.ones(shape, dtype))
    equal(da.full(shape, 1, dtype=dtype, chunks=chunks), np.full(shape, 1, dtype))
    like = da.zeros(shape, dtype=dtype, chunks=chunks)
    equal(da.full_like(like, 1), np.full(shape, 1, dtype))
    assert da.empty_like(like).shape == shape


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-7, 7), st.integers(1, 9), st.sampled_from(DTYPES[1:]))
def test_ranges(start, stop, step, chunk, dtype):
    assume(step != 0 and not (np.dtype(dtype).kind in "uc" and (start < 0 or stop < 0 or step < 0)))
    same(da.arange(start, stop, step, chunks=chunk, dtype=dtype), np.arange(start, stop, step, dtype=dtype))
    count = abs(stop) % 20
    same(da.linspace(start, stop, count, chunks=chunk), np.linspace(start, stop, count))
    same(da.linspace(start, stop, count, endpoint=False, chunks=chunk), np.linspace(start, stop, count, endpoint=False))


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(-9, 9),
    st.integers(1, 5),
    st.sampled_from(["i4", "f8", "c8", "?"]),
)
def test_diagonals(rows, columns, k, chunk, dtype):
    equal(da.eye(rows, chunk, columns, k, dtype=dtype), np.eye(rows, columns, k, dtype=dtype))
    equal(da.tri(rows, columns, k, dtype=dtype, chunks=chunk), np.tri(rows, columns, k, dtype=dtype))
    matrix = (np.arange(rows * columns) * 5 % 13).reshape(rows, columns).astype(dtype)
    lazy = da.from_array(matrix, chunks=chunk)
    equal(da.diag(lazy[0], k), np.diag(matrix[0], k))
    equal(da.diagonal(lazy, k), np.diagonal(matrix, k))
    equal(da.tril(lazy, k), np.tril(matrix, k))
    equal(da.triu(lazy, k), np.triu(matrix, k))
    same(da.trace(lazy, k), np.trace(matrix, k))


@given(shapes(min_dims=1, max_dims=3, min_side=1), st.integers(1, 4))
def test_grids(shape, chunk):
    equal(da.indices(shape, chunks=chunk), np.indices(shape))
    axes = [np.arange(length) * 2 for length in shape]
    for indexing in ("xy", "ij"):
        lazy = da.meshgrid(*(da.from_array(axis, chunks=chunk) for axis in axes), indexing=indexing)
        for one, other in zip(lazy, np.meshgrid(*axes, indexing=indexing)):
            equal(one, other)
    equal(
        da.fromfunction(lambda *place: sum(place), shape=shape, chunks=chunk, dtype="i8"),
        np.fromfunction(lambda *place: sum(place), shape, dtype="i8"),
    )


# --- rearrangement ------------------------------------------------------------------------------------------------------
@given(anything(), st.data())
def test_rechunking_and_slicing_keep_elements(drawn, data):
    x, chunks = drawn
    lazy = da.from_array(x, chunks=chunks)
    again = lazy.rechunk(data.draw(cuts(x.shape)))
    equal(again, x)
    index = data.draw(slices(x.shape))
    equal(again[index], np.asarray(x[index], dtype=x.dtype))


@given(anything(min_dims=1, max_dims=3, min_side=1), st.data())
def test_reshaping(drawn, data):
    x, chunks = drawn
    lazy = da.from_array(x, chunks=chunks)
    axes = data.draw(st.permutations(range(x.ndim)))
    equal(lazy.transpose(axes), x.transpose(axes))
    equal(lazy.ravel(), x.ravel())
    factors = [side for side in (1, 2, 3, 4, 5, 6, 7) if x.size % side == 0]
    first = data.draw(st.sampled_from(factors))
    equal(lazy.reshape(first, -1), x.reshape(first, -1))
    equal(da.expand_dims(lazy, 0), x[None])
    equal(da.squeeze(lazy[None]), np.squeeze(x[None]))
    equal(da.rot90(lazy[None] if x.ndim == 1 else lazy), np.rot90(x[None] if x.ndim == 1 else x))
    equal(da.swapaxes(lazy, 0, -1), np.swapaxes(x, 0, -1))
    equal(da.atleast_3d(lazy), np.atleast_3d(x))
    equal(da.broadcast_to(lazy, (2, *x.shape)), np.broadcast_to(x, (2, *x.shape)))


@given(anything(min_dims=1, max_dims=2, min_side=1), st.data())
def test_joining_and_splitting(drawn, data):
    x, chunks = drawn
    lazy = da.from_array(x, chunks=chunks)
    other = da.from_array(x, chunks=data.draw(cuts(x.shape)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    equal(da.concatenate([lazy, other], axis), np.concatenate([x, x], axis))
    equal(da.stack([lazy, other], axis), np.stack([x, x], axis))
    equal(da.vstack([lazy, other]), np.vstack([x, x]))
    equal(da.hstack([lazy, other]), np.hstack([x, x]))
    equal(da.dstack([lazy, other]), np.dstack([x, x]))
    equal(da.block([[lazy, other]]), np.block([[x, x]]))
    equal(da.tile(lazy, 2), np.tile(x, 2))
    equal(da.append(lazy, other, axis=0), np.append(x, x, axis=0))
    for one, part in zip(da.array_split(lazy, 3, axis), np.array_split(x, 3, axis)):
        equal(one, part)
    place = data.draw(st.integers(0, x.shape[0] - 1))
    equal(da.delete(lazy, place, axis=0), np.delete(x, place, axis=0))


# --- choice and assignment --------------------------------------------------------------------------------------------
@given(arrays(min_dims=1, nan=False), st.data())
def test_choice(drawn, data):
    x, chunks = drawn
    lazy = da.from_array(x, chunks=chunks)
    flags, number = x.real > 1, lazy.real > 1
    same(da.where(number, lazy, 0), np.where(flags, x, 0))
    same(
        da.select([number, lazy.real < -1], [lazy, lazy], 0),
        np.select([flags, x.real < -1], [x, x], 0),
    )
    same(da.choose(number.astype(int), [lazy, lazy]), np.choose(flags.astype(int), [x, x]))
    picked = lazy[number].compute()
    np.testing.assert_array_equal(picked, x[flags])
    np.testing.assert_array_equal(
        da.compress(flags.reshape(-1)[: x.shape[0]], lazy, axis=0).compute(),
        np.compress(flags.reshape(-1)[: x.shape[0]], x, axis=0),
    )


@given(anything(min_dims=1, max_dims=2, min_side=1), st.data())
def test_assignment(drawn, data):
    x, chunks = drawn
    lazy, expected = da.from_array(x, chunks=chunks), x.copy()
    index = data.draw(slices(x.shape))
    value = x.reshape(-1)[0]
    assume(not x.dtype.names)
    lazy[index] = value
    expected[index] = value
    equal(lazy, expected)
    rows = data.draw(st.lists(st.integers(-x.shape[0], x.shape[0] - 1), max_size=4))
    lazy[rows] = value
    expected[rows] = value
    equal(lazy, expected)


# --- windows and generalised functions ----------------------------------------------------------------------------------
@given(arrays(dtype="f8", min_dims=1, max_dims=2, min_side=1, nan=False), st.integers(0, 3),
       st.sampled_from(["reflect", "periodic", "nearest", "none", 7]))  # fmt: skip
def test_overlapping_blocks(drawn, depth, boundary):
    x, chunks = drawn
    assume(all(side >= max(depth, 1) for side in x.shape))
    mode = {"reflect": "symmetric", "periodic": "wrap", "nearest": "edge"}.get(boundary)

    def neighbours(block):
        """The sum of each element and its neighbours along the first axis, as far as the block goes."""
        return sum(np.roll(block, shift, axis=0) for shift in range(-depth, depth + 1))

    lazy = da.map_overlap(
        neighbours, da.from_array(x, chunks=chunks), depth={0: depth}, boundary={0: boundary}, dtype="f8"
    )
    width = [(depth, depth)] + [(0, 0)] * (x.ndim - 1)
    if boundary == "none":
        assume(len(lazy.chunks[0]) == 1)
        same(lazy, neighbours(x))
        return
    padded = np.pad(x, width, mode) if mode else np.pad(x, width, "constant", constant_values=7)
    same(lazy, neighbours(padded)[depth : depth + x.shape[0]])


@given(arrays(dtype="i8", min_dims=1, max_dims=2, min_side=2), st.integers(1, 5))
def test_sliding_windows(drawn, length):
    x, chunks = drawn
    length = min(length, x.shape[0])
    windows = da.lib.stride_tricks.sliding_window_view(da.from_array(x, chunks=chunks), length, axis=0)
    equal(windows, np.lib.stride_tricks.sliding_window_view(x, length, axis=0))


@given(arrays(dtype="f8", min_dims=2, max_dims=3, min_side=1, nan=False))
def test_generalised_functions(drawn):
    x, chunks = drawn
    lazy = da.from_array(x, chunks=chunks)
    whole = da.apply_gufunc(lambda a: a.sum(axis=-1), "(i)->()", lazy, allow_rechunk=True, output_dtypes="f8")
    same(whole, x.sum(axis=-1))
    first = da.apply_gufunc(lambda a: a - a.mean(axis=-1, keepdims=True), "(i)->(i)", lazy, axis=0, allow_rechunk=True,
                            output_dtypes="f8")  # fmt: skip
    same(first, x - x.mean(axis=0, keepdims=True))
    same(da.apply_along_axis(np.ptp, 0, lazy), np.apply_along_axis(np.ptp, 0, x))
    same(da.map_blocks(np.negative, lazy), -x)


# --- statistics ---------------------------------------------------------------------------------------------------------
@given(
    hnp.arrays("f8", st.tuples(st.integers(9, 30), st.integers(1, 3)), elements=st.integers(-50, 50)), st.integers(2, 9)
)
def test_statistics(x, chunk):
    assume((x.std(axis=0) > 1).all())
    lazy = da.from_array(x, chunks=(chunk, 2))
    for name in ("skew", "kurtosis"):
        np.testing.assert_allclose(
            getattr(da.stats, name)(lazy).compute(), getattr(scipy.stats, name)(x), rtol=1e-7, atol=1e-9
        )
    ours, theirs = da.stats.ttest_1samp(lazy, 1.5), scipy.stats.ttest_1samp(x, 1.5)
    np.testing.assert_allclose(ours.statistic.compute() if hasattr(ours.statistic, "compute") else ours.statistic,
                               theirs.statistic, rtol=1e-7)  # fmt: skip
    if x.shape[1] > 1:
        np.testing.assert_allclose(da.cov(lazy, rowvar=False).compute(), np.cov(x, rowvar=False), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(
            da.corrcoef(lazy, rowvar=False).compute(), np.corrcoef(x, rowvar=False), rtol=1e-9, atol=1e-9
        )
    weights = np.arange(1, len(x) + 1)
    np.testing.assert_allclose(
        da.average(lazy, axis=0, weights=weights).compute(), np.average(x, axis=0, weights=weights)
    )
    same(da.ptp(lazy, axis=0), np.ptp(x, axis=0))
    for order in (0, 1, 2, 3):
        np.testing.assert_allclose(da.moment(lazy, order, axis=0).compute(),
                                   ((x - x.mean(axis=0)) ** order).mean(axis=0), rtol=1e-7, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("name", ["matmul", "dot", "inner", "outer", "vdot", "tensordot", "kron"])
@given(data=st.data())
def test_products(name, data):
    dtype = data.draw(st.sampled_from(["?", "i4", "f4", "f8", "c16", "O"]))
    shapes_of = {
        "matmul": ((3, 4), (4, 2)), "dot": ((5, 3, 4), (4, 2)), "inner": ((3, 4), (2, 4)), "outer": ((4,), (6,)),
        "vdot": ((3, 4), (3, 4)), "tensordot": ((3, 4, 2), (4, 2, 5)), "kron": ((2, 3), (3, 2)),
    }  # fmt: skip
    first, second = (
        np.array((np.arange(np.prod(shape)) * 3 % 7).reshape(shape), dtype=dtype) for shape in shapes_of[name]
    )
    assume(not (name == "vdot" and dtype == "O"))
    lazy = [da.from_array(x, chunks=data.draw(cuts(x.shape))) for x in (first, second)]
    expected = np.asarray(getattr(np, name)(first, second))
    result = np.asarray(getattr(da, name)(*lazy).compute())
    assert result.shape == expected.shape and result.dtype == expected.dtype
    np.testing.assert_allclose(result.astype(complex), expected.astype(complex))
