"""Array functions give NumPy's results for arrays of any shape, chunks and element type."""

import numpy as np
import pytest
from drawing import DTYPES, arrays, cuts, elements, same, shapes, slices
from hypothesis import assume, given
from hypothesis import strategies as st

import raskr.array as da


@given(arrays(), st.sampled_from(["add", "subtract", "multiply", "maximum", "less", "equal", "logical_and"]), st.data())
def test_binary_functions_of_any_two_types(drawn, name, data):
    x, chunks = drawn
    shape = data.draw(st.sampled_from([x.shape, x.shape[1:], (1,) * x.ndim, ()]))
    dtype = data.draw(st.sampled_from(DTYPES))
    y = np.asarray(data.draw(st.lists(elements(dtype), min_size=max(int(np.prod(shape)), 1))), dtype=dtype)
    y = np.resize(y, shape).astype(dtype)
    assume(not (name == "subtract" and x.dtype == bool and y.dtype == bool))
    function = getattr(np, name)
    with np.errstate(all="ignore"):
        same(
            getattr(da, name)(da.from_array(x, chunks=chunks), da.from_array(y, chunks=data.draw(cuts(shape)))),
            function(x, y),
        )


@given(
    arrays(), st.sampled_from(["negative", "absolute", "sqrt", "square", "sign", "isfinite", "conj", "floor", "exp"])
)
def test_unary_functions(drawn, name):
    x, chunks = drawn
    function = getattr(np, name)
    try:
        with np.errstate(all="ignore"):
            expected = function(x)
    except TypeError:
        with pytest.raises(TypeError):
            getattr(da, name)(da.from_array(x, chunks=chunks)).compute()
        return
    assume(expected.dtype != np.float16)
    same(getattr(da, name)(da.from_array(x, chunks=chunks)), expected)


@given(arrays(min_dims=1), st.sampled_from(["sum", "prod", "min", "max", "any", "all", "mean", "var"]), st.data())
def test_reductions_over_any_axes(drawn, name, data):
    x, chunks = drawn
    axes = data.draw(st.none() | st.sets(st.integers(0, x.ndim - 1), min_size=1).map(lambda a: tuple(sorted(a))))
    keepdims = data.draw(st.booleans())
    assume(not (name in ("min", "max", "mean", "var") and 0 in x.shape))
    x = x.clip(-3, 3) if name == "prod" and x.dtype.kind == "f" else x
    assume(not (name == "prod" and x.dtype.kind == "c"))
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, axis=axes, keepdims=keepdims)
    split = data.draw(st.none() | st.integers(2, 5))
    same(getattr(da, name)(da.from_array(x, chunks=chunks), axis=axes, keepdims=keepdims, split_every=split), expected)


@given(arrays(min_dims=1, min_side=1), st.sampled_from(["argmin", "argmax"]), st.data())
def test_positions(drawn, name, data):
    x, chunks = drawn
    assume(x.dtype.kind != "c")
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    same(getattr(da, name)(da.from_array(x, chunks=chunks), axis=axis), getattr(np, name)(x, axis=axis))


@given(arrays(min_dims=1, nan=False), st.sampled_from(["cumsum", "nancumsum"]), st.data())
def test_scans(drawn, name, data):
    x, chunks = drawn
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    same(getattr(da, name)(da.from_array(x, chunks=chunks), axis=axis), getattr(np, name)(x, axis=axis))


@given(arrays(), st.data())
def test_slices_of_expressions(drawn, data):
    x, chunks = drawn
    index = data.draw(slices(x.shape))
    lazy = da.from_array(x, chunks=chunks)
    same((lazy == lazy)[index], (x == x)[index])
    same(da.where(lazy != 0, lazy, 1)[index], np.where(x != 0, x, 1)[index])


@given(arrays(min_dims=1), st.data())
def test_rearrangements(drawn, data):
    x, chunks = drawn
    lazy = da.from_array(x, chunks=chunks)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    shift = data.draw(st.integers(-9, 9))
    same(da.roll(lazy, shift, axis), np.roll(x, shift, axis))
    same(da.flip(lazy, axis), np.flip(x, axis))
    same(da.moveaxis(lazy, axis, 0), np.moveaxis(x, axis, 0))
    same(da.ravel(lazy), np.ravel(x))
    same(da.repeat(lazy, 2, axis), np.repeat(x, 2, axis))


@given(
    arrays(min_dims=1, max_dims=2, min_side=1),
    st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]),
    st.data(),
)
def test_padding(drawn, mode, data):
    x, chunks = drawn
    width = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=x.ndim, max_size=x.ndim))
    same(da.pad(da.from_array(x, chunks=chunks), width, mode), np.pad(x, width, mode))


@given(st.data())
def test_products(data):
    n, k, m = (data.draw(st.integers(1, 6)) for _ in range(3))
    dtype = data.draw(st.sampled_from(["i8", "f8", "c16"]))
    x, first = data.draw(arrays(dtype=dtype, shape=(n, k), nan=False))
    y, second = data.draw(arrays(dtype=dtype, shape=(k, m), nan=False))
    same(da.from_array(x, chunks=first) @ da.from_array(y, chunks=second), x @ y)
    same(
        da.einsum("ij,jk->k", da.from_array(x, chunks=first), da.from_array(y, chunks=second)),
        np.einsum("ij,jk->k", x, y),
    )


@given(arrays(min_dims=1, max_dims=2), st.data())
def test_sets(drawn, data):
    x, chunks = drawn
    assume(x.dtype.kind != "c" and not (x.dtype.kind == "f" and np.isnan(x).any()))
    lazy = da.from_array(x, chunks=chunks)
    for one, other in zip(da.unique(lazy, return_counts=True), np.unique(x, return_counts=True)):
        np.testing.assert_array_equal(one.compute(), other)
    for one, other in zip(da.nonzero(lazy), np.nonzero(x)):
        np.testing.assert_array_equal(one.compute(), other)


@given(shapes(min_side=0, max_side=9), st.integers(0, 2**32 - 1), st.data())
def test_random_numbers_do_not_depend_on_chunks(shape, seed, data):
    name = data.draw(st.sampled_from(["normal", "random", "standard_gamma", "poisson", "integers"]))
    args = {"standard_gamma": (0.7,), "integers": (100,)}.get(name, ())
    results = [
        getattr(da.random.default_rng(seed), name)(*args, size=shape, chunks=data.draw(cuts(shape))).compute()
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*results)


@given(arrays(dtype="f8", min_dims=1, max_dims=1, min_side=1, max_side=30, nan=False), st.floats(0, 100))
def test_percentiles(drawn, q):
    x, chunks = drawn
    same(da.percentile(da.from_array(x, chunks=chunks), q), np.percentile(x, q))


@given(arrays(min_dims=1, min_side=1), st.integers(-8, 8))
def test_largest(drawn, k):
    x, chunks = drawn
    assume(k != 0 and x.dtype.kind not in "c" and not (x.dtype.kind == "f" and np.isnan(x).any()))
    ordered = np.sort(x, axis=0)
    same(da.topk(da.from_array(x, chunks=chunks), k, axis=0), ordered[::-1][:k] if k > 0 else ordered[:-k])
