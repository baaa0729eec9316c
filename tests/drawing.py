"""What property tests draw, and how they compare with NumPy."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

# --- what is drawn -----------------------------------------------------------------------------------------------
DTYPES = ["?", "i1", "u1", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16"]


def shapes(min_dims=0, max_dims=3, min_side=0, max_side=7):
    """Shapes of few and short axes, empty ones among them."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


@st.composite
def cuts(draw, shape):
    """Chunks of any lengths along each axis of a shape."""
    chunks = []
    for length in shape:
        borders = draw(st.sets(st.integers(1, length - 1), max_size=3)) if length > 1 else set()
        edges = [0, *sorted(borders), length]
        chunks.append(tuple(high - low for low, high in zip(edges, edges[1:])))
    return tuple(chunks)


def elements(dtype, nan=True):
    """Numbers that neither overflow nor lose everything to rounding in sums."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind in "iu":
        return st.integers(0 if dtype.kind == "u" else -100, 100)
    width = 32 if dtype in ("f4", "c8") else 64
    small = st.floats(-100, 100, width=width) | (st.just(float("nan")) if nan else st.nothing())
    if dtype.kind == "f":
        return small
    return st.builds(complex, st.floats(-100, 100, width=width), st.floats(-100, 100, width=width))


@st.composite
def arrays(draw, dtype=None, shape=None, nan=True, **options):
    """A NumPy array and chunks for it."""
    dtype = draw(st.sampled_from(DTYPES)) if dtype is None else dtype
    shape = draw(shapes(**options)) if shape is None else shape
    array = draw(hnp.arrays(dtype, shape, elements=elements(dtype, nan)))
    return array, draw(cuts(shape))


@st.composite
def slices(draw, shape):
    """An index of slices and integers, one an axis."""
    index = []
    for length in shape:
        parts = st.slices(length) | st.integers(-length, length - 1) if length else st.just(slice(None))
        index.append(draw(parts))
    return tuple(index)


# --- what holds ---------------------------------------------------------------------------------------------------
settings.register_profile("raskr", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("raskr")


def same(lazy, expected):
    """Shape, element type and values; floating point sums may differ in their last digits."""
    assert lazy.shape == np.shape(expected)
    same_when_computed(lazy, expected)


def same_when_computed(lazy, expected):
    """The same of arrays whose shape need not be known before."""
    value = np.asarray(lazy.compute())
    expected = np.asarray(expected)
    assert value.shape == expected.shape
    assert lazy.dtype == value.dtype == expected.dtype
    if expected.dtype.kind in "fc":
        single = expected.dtype in ("f4", "c8")
        np.testing.assert_allclose(value, expected, rtol=1e-4 if single else 1e-10, atol=1e-2 if single else 1e-8)
    else:
        np.testing.assert_array_equal(value, expected)
