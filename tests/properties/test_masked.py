"""Functions on masked arrays give numpy.ma's results: elements that are not masked, masks and element types."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import raskr.array as da

settings.register_profile("raskr", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("raskr")

DTYPES = ["?", "i1", "u2", "i8", "f4", "f8", "c16", "M8[s]", "m8[s]", "O"]
NUMBERS = ["?", "i1", "u2", "i8", "f4", "f8", "c16"]
REAL = ["i1", "u2", "i8", "f4", "f8"]


# --- what is drawn ------------------------------------------------------------------------------------------------------
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
def arrays(draw, dtypes=NUMBERS, shape=None, **options):
    """A masked array of NumPy's and the same one lazily."""
    dtype = draw(st.sampled_from(dtypes))
    options = {"min_dims": 1, "max_dims": 3, "min_side": 0, "max_side": 5, **options}
    shape = draw(hnp.array_shapes(**options)) if shape is None else shape
    data = draw(hnp.arrays(dtype, shape, elements=elements(dtype)))
    mask = draw(st.one_of(hnp.arrays(bool, shape), st.just(np.ones(shape, bool)), st.just(np.zeros(shape, bool))))
    x = np.ma.masked_array(data, mask=mask)
    if draw(st.booleans()) and np.dtype(dtype).kind in "iuf":
        x.fill_value = 77
    return x, da.from_array(x, chunks=draw(cuts(shape)), asarray=False)


def same(lazy, expected, known=True, plain=False, dtype=True):
    """Shape, element type, masks and the elements that are not masked."""
    value = lazy.compute()
    if known:
        assert lazy.shape == np.shape(value)
    assert np.shape(value) == np.shape(expected)
    if expected is np.ma.masked or value is np.ma.masked:
        assert np.ma.getmaskarray(value).all() and np.ma.getmaskarray(expected).all()
        return
    assert not plain or not isinstance(value, np.ma.MaskedArray)
    if dtype:
        assert lazy.dtype == value.dtype == np.ma.asanyarray(expected).dtype
    np.testing.assert_array_equal(np.ma.getmaskarray(value), np.ma.getmaskarray(expected))
    shown = ~np.ma.getmaskarray(expected)
    one, other = np.ma.getdata(value)[shown], np.ma.getdata(expected)[shown]
    if other.dtype.kind in "fc":
        single = other.dtype in ("f4", "c8", "f2")
        np.testing.assert_allclose(one, other, rtol=1e-4 if single else 1e-10, atol=1e-4 if single else 1e-10)
    else:
        np.testing.assert_array_equal(one, other)


def quietly(function, *args, **kwargs):
    """NumPy's result, or its complaint."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*args, **kwargs), None
        except Exception as error:
            return None, error


def both(ours, theirs, **options):
    """What NumPy gives we give; where NumPy complains we do."""
    expected, error = quietly(theirs)
    if error is not None:
        with pytest.raises((type(error), TypeError, ValueError)):
            quietly_lazy(ours)
        return
    same(quietly_lazy(ours), expected, **options)


def quietly_lazy(ours):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = ours()
        if isinstance(result, da.Array):
            result.compute()
    return result


# --- universal functions ------------------------------------------------------------------------------------------------
UNARY = (
    "abs absolute angle arccos arccosh arcsin arcsinh arctan arctanh around ceil conjugate cos cosh exp fabs floor log "
    "log10 log2 logical_not negative sin sinh sqrt tan tanh"
).split()
BINARY = (
    "add arctan2 bitwise_and bitwise_or bitwise_xor divide equal floor_divide fmod greater greater_equal hypot less "
    "less_equal logical_and logical_or logical_xor maximum minimum mod multiply not_equal remainder subtract true_divide"
).split()


@pytest.mark.parametrize("name", UNARY)
@given(drawn=arrays(dtypes=DTYPES))
@settings(max_examples=12)
def test_functions_of_one_array(name, drawn):
    x, lazy = drawn
    assume(not (x.dtype.kind == "O" and name != "negative"))
    both(lambda: getattr(da.ma, name)(lazy), lambda: getattr(np.ma, name)(x))


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data())
@settings(max_examples=12)
def test_functions_of_two_arrays(name, data):
    x, lazy = data.draw(arrays(dtypes=DTYPES))
    shape = data.draw(st.sampled_from([x.shape, x.shape[1:], (1,) * x.ndim]))
    y, other = data.draw(arrays(dtypes=DTYPES, shape=shape))
    assume("O" not in x.dtype.kind + y.dtype.kind)
    both(lambda: getattr(da.ma, name)(lazy, other), lambda: getattr(np.ma, name)(x, y))


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum", "logical_or", "bitwise_xor"])
@given(data=st.data())
@settings(max_examples=12)
def test_reductions_by_functions(name, data):
    x, lazy = data.draw(arrays(dtypes=["?", "i8", "u2"], min_side=1))
    axis = data.draw(st.integers(0, x.ndim - 1))
    assume(name != "bitwise_xor" or x.dtype.kind != "b")
    same(getattr(da.ma, name).reduce(lazy, axis=axis), getattr(np.ma, name).reduce(x, axis=axis))


@given(arrays(dtypes=REAL, min_side=1), st.data())
def test_what_functions_accumulate_and_pair(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.integers(0, x.ndim - 1))
    same(da.ma.add.accumulate(lazy, axis), np.ma.add.accumulate(x, axis))
    y, other = data.draw(arrays(dtypes=REAL, max_dims=1))
    expected = np.ma.masked_array(
        np.multiply.outer(x.data, y.data), mask=np.logical_or.outer(np.ma.getmaskarray(x), np.ma.getmaskarray(y))
    )
    same(da.ma.multiply.outer(lazy, other), expected)


@given(arrays(dtypes=["i8", "f8"]), st.integers(0, 3))
def test_powers_shifts_rounding_and_clipping(drawn, n):
    x, lazy = drawn
    both(lambda: da.ma.power(lazy, n), lambda: np.ma.power(x, n))
    both(lambda: da.ma.left_shift(lazy, n), lambda: np.ma.left_shift(x, n))
    both(lambda: da.ma.right_shift(lazy, n), lambda: np.ma.right_shift(x, n))
    both(lambda: da.ma.round(lazy, n), lambda: np.ma.round(x, n))
    both(lambda: da.ma.clip(lazy, 0, n), lambda: np.ma.clip(x, 0, n))


@given(st.data())
def test_choices(data):
    x, lazy = data.draw(arrays(dtypes=["i8"], min_side=1))
    parts = [data.draw(arrays(dtypes=REAL, shape=x.shape)) for _ in range(2)]
    mode = data.draw(st.sampled_from(["wrap", "clip"]))
    same(
        da.ma.choose(lazy, [p[1] for p in parts], mode=mode),
        np.ma.choose(x, [p[0] for p in parts], mode=mode),
        dtype=False,
    )


@given(arrays(dtypes=["f8"]))
def test_operands_that_are_the_masked_constant_or_a_scalar(drawn):
    x, lazy = drawn
    same(da.ma.add(lazy, np.ma.masked), np.ma.add(x, np.ma.masked))
    same(da.ma.subtract(2, lazy), np.ma.subtract(2, x))


# --- reductions ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "min", "max", "ptp", "all", "any", "count"])
@given(data=st.data())
@settings(max_examples=25)
def test_reductions(name, data):
    x, lazy = data.draw(arrays(dtypes=NUMBERS))
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    keepdims = data.draw(st.booleans())
    options = {} if name == "ptp" and keepdims is False else {"keepdims": keepdims}
    assume(not (x.dtype.kind == "c" and name in ("min", "max", "ptp")))
    assume(not (x.dtype.kind == "b" and name == "ptp"))
    assume(not (0 in x.shape and name in ("min", "max", "ptp", "mean", "var", "std")))
    expected, error = quietly(getattr(np.ma, name), x, axis=axis, **options)
    assume(error is None)
    if x.dtype == "f4" and name in ("mean", "var", "std"):
        expected = expected.astype("f4")  # NumPy divides by a count in double precision
    # Where NumPy gives the constant `masked` for a whole array, keepdims keeps axes here.
    if expected is np.ma.masked:
        value = getattr(da.ma, name)(lazy, axis=axis, **options).compute()
        assert np.ma.getmaskarray(value).all()
        return
    same(getattr(da.ma, name)(lazy, axis=axis, **options), expected)


@given(arrays(dtypes=REAL, min_side=1), st.sampled_from(["argmin", "argmax"]), st.data())
def test_positions_of_extremes(drawn, name, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    fill_value = data.draw(st.none() | st.just(3))
    assume(not np.ma.getmaskarray(x).all(axis=axis).any())
    x.fill_value = lazy.fill_value if hasattr(lazy, "fill_value") else x.fill_value
    same(getattr(da.ma, name)(lazy, axis, fill_value), getattr(np.ma, name)(x, axis, fill_value))


@given(arrays(dtypes=REAL, min_side=1), st.integers(-3, 3), st.data())
def test_extremes_with_values_for_masked_elements(drawn, fill_value, data):
    x, lazy = drawn
    assume(x.dtype.kind != "u" or fill_value >= 0)
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    same(da.ma.max(lazy, axis, None, fill_value), x.max(axis, fill_value=fill_value))
    same(da.ma.min(lazy, axis, None, fill_value), x.min(axis, fill_value=fill_value))


@given(arrays(dtypes=["i8", "f8", "f4"], min_side=1), st.data())
def test_medians(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    keepdims = data.draw(st.booleans())
    expected = np.ma.median(x, axis, keepdims=keepdims)
    if x.dtype == "f4" and isinstance(expected, np.ma.MaskedArray) and expected is not np.ma.masked:
        expected = expected.astype("f4")  # NumPy's type depends on whether all is masked
    same(da.ma.median(lazy, axis, keepdims=keepdims), expected)


@given(arrays(dtypes=["i8", "f8", "c16"], min_side=1), st.booleans(), st.data())
def test_averages(drawn, weighted, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    weights = None
    if weighted:
        shape = x.shape if axis is None else data.draw(st.sampled_from([x.shape, (x.shape[axis],)]))
        weights = data.draw(hnp.arrays("i8", shape, elements=st.integers(1, 4)))
    ours = da.ma.average(lazy, axis, weights, returned=True)
    theirs, error = quietly(np.ma.average, x, axis, weights, returned=True)
    assume(error is None)
    for one, other in zip(ours, theirs, strict=True):
        same(one, other, dtype=False)


@given(arrays(dtypes=["?", "i8", "f8", "c16"]), st.sampled_from(["cumsum", "cumprod"]), st.data())
def test_scans(drawn, name, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    same(getattr(da.ma, name)(lazy, axis), getattr(np.ma, name)(x, axis))


@given(arrays(dtypes=["i8", "f8"], min_side=1), st.data())
def test_anomalies_and_counts(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    expected, error = quietly(np.ma.anom, x, axis=axis)
    assume(error is None)
    same(da.ma.anom(lazy, axis), expected)
    same(da.ma.count_masked(lazy, axis), np.ma.count_masked(x, axis))
    if x.ndim > 1:
        same(da.ma.trace(lazy), np.ma.trace(x), dtype=False)
        same(da.ma.alltrue(lazy), np.ma.alltrue(x))
        same(da.ma.sometrue(lazy), np.ma.sometrue(x))


@given(arrays(dtypes=["i8", "f8"], min_dims=2, max_dims=2, min_side=2), st.booleans(), st.booleans(), st.data())
def test_covariances(drawn, rowvar, bias, data):
    x, lazy = drawn
    second, other = data.draw(st.just((None, None)) | arrays(dtypes=["f8"], shape=x.shape))
    expected, error = quietly(np.ma.cov, x.copy(), None if second is None else second.copy(), rowvar, bias)
    assume(error is None)
    same(da.ma.cov(lazy, other, rowvar, bias), expected)
    expected, error = quietly(np.ma.corrcoef, x.copy(), None if second is None else second.copy(), rowvar)
    if error is None and (np.ma.filled(np.ma.diagonal(np.ma.cov(x.copy(), second, rowvar)), 0) > 0.1).all():
        same(da.ma.corrcoef(lazy, other, rowvar), expected)


# --- shapes -------------------------------------------------------------------------------------------------------------
SHAPED = {
    "ravel": (),
    "transpose": (),
    "squeeze": (),
    "expand_dims": (0,),
    "atleast_1d": (),
    "atleast_2d": (),
    "atleast_3d": (),
    "copy": (),
    "diagflat": (),
    "reshape": (-1,),
    "resize": ((3, 4),),
    "repeat": (2, 0),
    "diff": (),
    "ediff1d": (),
    "sort": (),
}


@pytest.mark.parametrize("name", sorted(SHAPED))
@given(drawn=arrays(dtypes=DTYPES, min_side=1))
@settings(max_examples=12)
def test_other_shapes(name, drawn):
    x, lazy = drawn
    assume(not (x.dtype.kind in "bO" and name in ("diff", "ediff1d")))
    if name == "ediff1d":
        x, lazy = x.astype("f8") if x.dtype.kind not in "fc" else x, lazy
        lazy = da.from_array(x, chunks=2, asarray=False)
    expected = getattr(np.ma, name)(x, *SHAPED[name])
    result = getattr(da.ma, name)(lazy, *SHAPED[name])
    same(result, expected, dtype=name != "sort")
    if name in ("ravel", "transpose", "squeeze", "reshape", "repeat") and isinstance(expected, np.ma.MaskedArray):
        value = result.compute()
        if isinstance(value, np.ma.MaskedArray) and x.fill_value == 77:
            assert value.fill_value == 77


@given(arrays(dtypes=DTYPES, min_dims=2, min_side=1), st.integers(-1, 1))
def test_diagonals_and_exchanged_axes(drawn, k):
    x, lazy = drawn
    same(da.ma.diagonal(lazy, k), np.ma.diagonal(x, k))
    same(da.ma.swapaxes(lazy, 0, -1), np.ma.swapaxes(x, 0, -1))
    for one, other in zip(da.ma.hsplit(lazy, [1]), np.hsplit(x, [1]), strict=True):
        same(one, other)
    if x.ndim == 2:
        same(da.ma.diag(lazy, k), np.ma.diag(x, k))
        same(da.ma.diag(lazy[0], k), np.ma.diag(x[0], k))


@pytest.mark.parametrize("name", ["concatenate", "stack", "vstack", "hstack", "dstack", "column_stack", "row_stack"])
@given(data=st.data())
@settings(max_examples=12)
def test_joined(name, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    parts = [data.draw(arrays(dtypes=NUMBERS, shape=shape)) for _ in range(3)]
    theirs = getattr(np.ma, "vstack" if name == "row_stack" else name)
    same(getattr(da.ma, name)([p[1] for p in parts]), theirs([p[0] for p in parts]))


@given(arrays(dtypes=DTYPES), arrays(dtypes=DTYPES))
def test_appended(one, other):
    expected, error = quietly(np.ma.append, one[0], other[0])
    assume(error is None and expected.dtype.kind != "O")
    same(da.ma.append(one[1], other[1]), expected)


# --- order and choice ---------------------------------------------------------------------------------------------------
@given(arrays(dtypes=REAL, min_side=1), st.booleans(), st.data())
def test_order(drawn, endwith, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    same(da.ma.sort(lazy, axis, endwith=endwith), np.ma.sort(x, axis, endwith=endwith))
    ours, theirs = (m.argsort(v, axis, kind="stable", endwith=endwith) for m, v in ((da.ma, lazy), (np.ma, x)))
    same(ours, theirs)


@given(arrays(dtypes=DTYPES, min_side=1), st.data())
def test_taken(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    length = x.size if axis is None else x.shape[axis]
    indices = data.draw(hnp.arrays("i8", hnp.array_shapes(max_dims=2, max_side=4), elements=st.integers(0, length - 1)))
    same(da.ma.take(lazy, indices, axis), np.ma.take(x, indices, axis))
    hidden = np.ma.masked_array(indices, mask=indices == indices.max())
    if axis is None:
        same(da.ma.take(lazy, hidden), np.ma.take(x, hidden))


@given(arrays(dtypes=DTYPES), st.data())
def test_without_masked_elements(drawn, data):
    x, lazy = drawn
    same(da.ma.compressed(lazy), np.ma.compressed(x), known=False, plain=True)
    if x.ndim == 2 and not np.ma.getmaskarray(x).all():
        for axis in (None, 0, 1):
            same(da.ma.compress_rowcols(lazy, axis), np.ma.compress_rowcols(x, axis), known=False, plain=True)
            same(da.ma.mask_rowcols(lazy, axis), np.ma.mask_rowcols(x.copy(), axis))
        same(da.ma.compress_rows(lazy), np.ma.compress_rows(x), known=False)
        same(da.ma.compress_cols(lazy), np.ma.compress_cols(x), known=False)
    condition = data.draw(hnp.arrays(bool, x.shape[:1]))
    same(da.ma.compress(condition, lazy, axis=0), np.ma.compress(condition, x, axis=0), known=False)


@given(arrays(dtypes=["i8", "f8"], min_side=1), st.data())
def test_functions_of_lines(drawn, data):
    x, lazy = drawn
    axis = data.draw(st.integers(0, x.ndim - 1))
    function = data.draw(st.sampled_from([np.ma.sum, np.ma.cumsum, np.ma.max]))
    assume(not np.ma.getmaskarray(x).all(axis=axis).any())
    expected = np.ma.apply_along_axis(function, axis, x)
    assume(x.ndim > 1)
    same(da.ma.apply_along_axis(function, axis, lazy), expected)
    same(da.ma.apply_over_axes(da.ma.sum, lazy, [axis]), np.ma.apply_over_axes(np.ma.sum, x, [axis]))


# --- sets ---------------------------------------------------------------------------------------------------------------
@given(arrays(dtypes=["?", "i8", "u2", "f8", "M8[s]"]))
def test_unique_elements(drawn):
    x, lazy = drawn
    expected = np.ma.unique(x.ravel(), return_index=True, return_inverse=True)
    values, index, inverse = da.ma.unique(lazy, return_index=True, return_inverse=True)
    same(values, expected[0], known=False)
    same(index, expected[1], known=False, plain=True)
    same(inverse, expected[2].reshape(x.shape), plain=True)
    same(da.ma.unique(lazy), expected[0], known=False)


@given(arrays(dtypes=["i8", "f8"]), arrays(dtypes=["i8", "f8"]))
def test_sets(one, other):
    x, y = one[0].ravel(), other[0].ravel()
    shown = [set(np.ma.compressed(v).tolist()) for v in (x, y)]
    hidden = [bool(np.ma.getmaskarray(v).any()) for v in (x, y)]
    dtype = np.result_type(x, y)
    for name, wanted, masked in (
        ("intersect1d", shown[0] & shown[1], hidden[0] and hidden[1]),
        ("union1d", shown[0] | shown[1], hidden[0] or hidden[1]),
        ("setxor1d", shown[0] ^ shown[1], hidden[0] != hidden[1]),
        ("setdiff1d", shown[0] - shown[1], hidden[0] and not hidden[1]),
    ):
        value = getattr(da.ma, name)(one[1], other[1]).compute()
        assert np.ma.compressed(value).tolist() == sorted(wanted)
        assert np.ma.getmaskarray(value).tolist() == [False] * len(wanted) + [True] * masked
        assert value.dtype == (x.dtype if name == "setdiff1d" else dtype)
    same(da.ma.union1d(one[1], other[1]), np.ma.union1d(x, y), known=False)


@given(arrays(dtypes=["i8", "f8"]), arrays(dtypes=["i8", "f8"]), st.booleans())
def test_membership(one, other, invert):
    x, lazy = one
    found = np.isin(x.data, np.ma.compressed(other[0]))
    found[np.ma.getmaskarray(x)] = np.ma.getmaskarray(other[0]).any()
    same(da.ma.isin(lazy, other[1], invert=invert), found ^ invert)
    same(da.ma.in1d(lazy, other[1], invert=invert), (found ^ invert).ravel())


# --- products -----------------------------------------------------------------------------------------------------------
@given(st.data(), st.booleans())
def test_products(data, strict):
    rows, inner, columns = (data.draw(st.integers(1, 4)) for _ in range(3))
    x, lazy = data.draw(arrays(dtypes=["i8", "f8"], shape=data.draw(st.sampled_from([(rows, inner), (inner,)]))))
    y, other = data.draw(arrays(dtypes=["i8", "f8"], shape=data.draw(st.sampled_from([(inner, columns), (inner,)]))))
    same(da.ma.dot(lazy, other, strict=strict), np.ma.dot(x, y, strict=strict))
    same(da.ma.outer(lazy, other), np.ma.outer(x, y))
    if y.ndim == 1:
        same(da.ma.inner(lazy, other), np.ma.inner(x, y))


@given(
    arrays(dtypes=["i8", "f8"], max_dims=1, min_side=1), arrays(dtypes=["i8", "f8"], max_dims=1, min_side=1),
    st.sampled_from(["full", "same", "valid"]), st.booleans(),
)  # fmt: skip
def test_convolutions(one, other, mode, propagate):
    for name in ("convolve", "correlate"):
        same(
            getattr(da.ma, name)(one[1], other[1], mode, propagate),
            getattr(np.ma, name)(one[0], other[0], mode, propagate),
        )


@given(st.integers(8, 20), st.integers(0, 2), st.data())
def test_polynomials_through_points_that_are_not_masked(count, degree, data):
    x = np.ma.masked_array(np.arange(count) / 4.0, mask=data.draw(hnp.arrays(bool, count)))
    columns = data.draw(st.sampled_from([(), (2,)]))
    y, lazy = data.draw(arrays(dtypes=["f8"], shape=(count, *columns)))
    hidden = np.ma.getmaskarray(x) | np.ma.getmaskarray(y).reshape(count, -1).any(axis=1)
    assume((~hidden).sum() > degree + 1)
    expected = np.polyfit(x.data[~hidden], y.data[~hidden], degree)
    same(da.ma.polyfit(da.from_array(x, chunks=3, asarray=False), lazy, degree), expected, dtype=False)


@given(arrays(dtypes=["i8", "f8"], max_dims=1), st.integers(1, 4))
def test_powers_of_a_vector(drawn, n):
    x, lazy = drawn
    same(da.ma.vander(lazy, n), np.ma.vander(x, n), plain=True)


# --- masks --------------------------------------------------------------------------------------------------------------
@given(arrays(dtypes=DTYPES), st.data())
def test_questions_about_masks(drawn, data):
    x, lazy = drawn
    same(da.ma.getmask(lazy), np.ma.getmaskarray(x), plain=True)
    assert bool(da.ma.is_masked(lazy).compute()) == np.ma.is_masked(x)
    assert da.ma.isMA(lazy) and not da.ma.isMA(da.ma.getdata(lazy))
    assert da.ma.common_fill_value(lazy, lazy) == x.fill_value or x.dtype.kind in "Mm"
    other = data.draw(hnp.arrays(bool, x.shape))
    same(da.ma.mask_or(da.ma.getmaskarray(lazy), other), np.ma.getmaskarray(x) | other)


@given(arrays(dtypes=REAL), arrays(dtypes=REAL), st.booleans())
def test_equal_and_close_arrays(one, other, flag):
    x, lazy = one
    same(da.ma.allequal(lazy, lazy, flag), np.bool_(np.ma.allequal(x, x, flag) if flag else not x.mask.any()))
    same(da.ma.allclose(lazy, lazy, flag), np.bool_(np.ma.allclose(x, x, flag)))
    if x.shape == other[0].shape:
        same(da.ma.allclose(lazy, other[1], flag), np.bool_(np.ma.allclose(x, other[0], flag)))
        same(da.ma.allequal(lazy, other[1]), np.bool_(np.ma.allequal(x, other[0])))


@given(arrays(dtypes=REAL, max_dims=2, min_side=1))
def test_runs(drawn):
    x, lazy = drawn
    assert da.ma.flatnotmasked_contiguous(lazy) == np.ma.flatnotmasked_contiguous(x)
    ours, theirs = da.ma.flatnotmasked_edges(lazy), np.ma.flatnotmasked_edges(x)
    assert (ours is None) == (theirs is None) and (ours is None or ours.tolist() == theirs.tolist())
    if x.ndim == 1:
        assert da.ma.clump_masked(lazy) == np.ma.clump_masked(x)
        assert da.ma.clump_unmasked(lazy) == np.ma.clump_unmasked(x)
    else:
        assert da.ma.notmasked_contiguous(lazy, axis=0) == np.ma.notmasked_contiguous(x, axis=0)
        for one, other in zip(da.ma.notmasked_edges(lazy, 1), np.ma.notmasked_edges(x, 1), strict=True):
            assert [line.tolist() for line in one] == [line.tolist() for line in other]
    assert [p for p, _ in da.ma.ndenumerate(lazy)] == [p for p, _ in np.ma.ndenumerate(x)]


@given(arrays(dtypes=REAL, min_side=1), st.booleans(), st.data())
def test_assignment_to_hard_and_soft_masks(drawn, hard, data):
    x, lazy = drawn
    x = x.copy()
    (np.ma.harden_mask if hard else np.ma.soften_mask)(x)
    (da.ma.harden_mask if hard else da.ma.soften_mask)(lazy)
    x[0], lazy[0] = 3, 3
    same(lazy, x)
    where = data.draw(hnp.arrays(bool, x.shape))
    value = np.ma.masked_array(x.dtype.type(2), mask=data.draw(st.booleans()))
    filled = np.ma.masked_array(np.full(x.shape, value.data), mask=np.full(x.shape, value.mask))
    np.ma.putmask(x, where, filled)
    da.ma.putmask(lazy, where, filled)
    same(lazy, x)
    positions = data.draw(st.lists(st.integers(-x.size, x.size - 1), max_size=4, unique_by=lambda n: n % x.size))
    if positions and not (hard and x.ndim > 1):  # where NumPy looks up flat positions along the first axis
        x.put(positions, [1, 4])
        da.ma.put(lazy, positions, [1, 4])
        same(lazy, x)


# --- created ------------------------------------------------------------------------------------------------------------
@given(arrays(dtypes=DTYPES))
def test_like_other_arrays(drawn):
    x, lazy = drawn
    same(da.ma.masked_all_like(lazy), np.ma.masked_all_like(x))
    same(da.ma.asarray(da.ma.getdata(lazy)), np.ma.asarray(x.data))
    same(da.ma.array(lazy, mask=True), np.ma.array(x, mask=True))
    same(da.ma.array(lazy, keep_mask=False), np.ma.array(x, keep_mask=False))


@pytest.mark.parametrize("name", ["ones", "zeros"])
@given(shape=hnp.array_shapes(max_dims=3, min_side=0, max_side=4), dtype=st.sampled_from(NUMBERS))
@settings(max_examples=10)
def test_made_of_shapes(name, shape, dtype):
    same(getattr(da.ma, name)(shape, dtype=dtype), getattr(np.ma, name)(shape, dtype=dtype))
    same(da.ma.masked_all(shape, dtype=dtype), np.ma.masked_all(shape, dtype=dtype))
    lazy = getattr(da.ma, name)(shape, dtype=dtype, fill_value=1, hardmask=True)
    assert lazy.compute().fill_value == 1 and lazy.compute().hardmask
