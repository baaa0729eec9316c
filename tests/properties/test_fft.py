"""Fourier transforms give NumPy's results for any shape, cut, element type, length and scaling."""

import numpy as np
import pytest
from drawing import arrays, cuts, elements, shapes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import raskr.array as da

DTYPES = ["f8", "c16", "f4", "c8", "i4", "?", "u1"]
NORMS = [None, "backward", "ortho", "forward"]


@st.composite
def whole_along(draw, count):
    """An array, some axes of it (the last ones first, any order), and chunks that are one block along those."""
    x, chunks = draw(arrays(dtype=draw(st.sampled_from(DTYPES)), nan=False, min_dims=count, max_dims=3, min_side=1))
    axes = draw(st.permutations(range(x.ndim)))[:count]
    chunks = tuple((x.shape[axis],) if axis in axes else own for axis, own in enumerate(chunks))
    return x, chunks, [axis - draw(st.sampled_from([0, x.ndim])) for axis in axes]


def agree(lazy, expected):
    value = lazy.compute()
    assert lazy.shape == value.shape == expected.shape
    assert lazy.dtype == value.dtype == expected.dtype
    single = expected.dtype in ("f4", "c8")
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(value, expected, rtol=0, atol=scale * (1e-4 if single else 1e-11))


@given(
    whole_along(1),
    st.sampled_from(["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]),
    st.none() | st.integers(1, 17),
    st.sampled_from(NORMS),
)
def test_transforms_along_one_axis(drawn, name, n, norm):
    x, chunks, (axis,) = drawn
    function, lazy = getattr(np.fft, name), getattr(da.fft, name)
    d = da.from_array(x, chunks=chunks)
    try:
        expected = function(x, n=n, axis=axis, norm=norm)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            lazy(d, n=n, axis=axis, norm=norm).compute()
        return
    agree(lazy(d, n=n, axis=axis, norm=norm), expected)


@given(whole_along(2), st.sampled_from(["fftn", "ifftn", "rfftn", "irfftn", "fft2", "irfft2"]), st.data())
def test_transforms_along_two_axes(drawn, name, data):
    x, chunks, axes = drawn
    s = data.draw(st.none() | st.tuples(st.integers(1, 9), st.integers(2, 9)))
    norm = data.draw(st.sampled_from(NORMS))
    function, lazy = getattr(np.fft, name), getattr(da.fft, name)
    d = da.from_array(x, chunks=chunks)
    try:
        expected = function(x, s=s, axes=axes, norm=norm)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            lazy(d, s=s, axes=axes, norm=norm).compute()
        return
    agree(lazy(d, s=s, axes=axes, norm=norm), expected)


@given(shapes(min_dims=2, max_dims=3, min_side=2), st.data())
def test_views_are_transformed_as_what_they_show(shape, data):
    x = data.draw(hnp.arrays("f8", shape, elements=elements("f8", nan=False)))
    d = da.from_array(x, chunks=data.draw(cuts(shape)))
    order = data.draw(st.permutations(range(x.ndim)))
    turned = d.transpose(order)[::-1].rechunk({-1: -1})
    agree(da.fft.rfft(turned), np.fft.rfft(x.transpose(order)[::-1]))
    agree(da.fft.fft(turned * 2.0 + 1.0), np.fft.fft(x.transpose(order)[::-1] * 2.0 + 1.0))


@pytest.mark.parametrize("n", [1, 2, 3, 97, 128, 1000, 1009])
def test_lines_of_any_length_there_and_back(n):
    x = np.random.default_rng(n).normal(size=(n, 5))
    d = da.from_array(x, chunks=(n, 2))
    agree(da.fft.ifft(da.fft.fft(d, axis=0), axis=0).real, x)
    agree(da.fft.irfft(da.fft.rfft(d, axis=0), n=n, axis=0), x)
    np.testing.assert_array_equal(d.compute(), x)


def test_double_precision_runs_without_the_interpreter():
    d = da.from_array(np.ones((4, 8)), chunks=(2, 8))
    for lazy in (da.fft.rfft(d), da.fft.ifft(d), da.fft.fft2(d.rechunk(-1))):
        tasks = [task[0] for task in dict(lazy.__dask_graph__()).values() if isinstance(task, tuple)]
        assert tasks and all(task.native for task in tasks)


def test_wrong_arguments():
    d = da.ones((4, 8), chunks=(2, 8))
    with pytest.raises(ValueError, match="norm"):
        da.fft.fft(d, norm="other")
    with pytest.raises(ValueError, match="one block"):
        da.fft.fft(d, axis=0)
    with pytest.raises(ValueError, match="data points"):
        da.fft.fft(d, n=0)
    with pytest.raises(TypeError):
        da.fft.rfft(d * 1j)
