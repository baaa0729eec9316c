"""Arrays in blocks beside array-api-strict's, and how results of the two are compared."""

import array_api_strict
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import raskr.array as da
from raskr.array import array_api

array_api_strict.set_array_api_strict_flags(api_version="2024.12")

BOOL = ["bool"]
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
INTEGER = SIGNED + UNSIGNED
FLOAT = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
REAL = INTEGER + FLOAT
NUMERIC = REAL + COMPLEX
ALL = BOOL + NUMERIC

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
FULL_SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)


def elements(dtype, small=False):
    """Values of a type; small ones leave room for sums, products and powers."""
    kind, size = np.dtype(dtype).kind, np.dtype(dtype).itemsize
    if kind == "b":
        return st.booleans()
    if kind in "iu":
        info = np.iinfo(dtype)
        low, high = (max(info.min, -5), 5) if small else (info.min, info.max)
        return st.integers(low, high)
    width = 8 * size // (2 if kind == "c" else 1)
    if kind == "f":
        return (
            st.floats(-8, 8, width=width, allow_subnormal=False)
            if small
            else st.floats(width=width, allow_subnormal=False)
        )
    part = st.floats(-8, 8, width=width, allow_subnormal=False)
    return st.builds(complex, part, part)  # fmt: skip


@st.composite
def values(draw, dtypes, shapes=SHAPES, small=False):
    """One of NumPy's arrays."""
    dtype = draw(st.sampled_from(dtypes))
    return draw(hnp.arrays(dtype, draw(shapes) if isinstance(shapes, st.SearchStrategy) else shapes, elements=elements(dtype, small)))  # fmt: skip


@st.composite
def cut(draw, array):
    """The array in blocks of some size, as one of raskr's."""
    return da.from_array(array, chunks=tuple(draw(st.integers(1, max(1, length))) for length in array.shape))


@st.composite
def pairs(draw, dtypes, shapes=SHAPES, small=False):
    """The same array twice: array-api-strict's and raskr's."""
    array = draw(values(dtypes, shapes, small))
    return array_api_strict.asarray(array), draw(cut(array))


@st.composite
def couples(draw, dtypes, small=False):
    """Two pairs of one type, whose shapes broadcast."""
    dtype = draw(st.sampled_from(dtypes))
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)).input_shapes
    return [draw(pairs([dtype], shape, small)) for shape in shapes]


def to_numpy(array):
    """What any array holds, as one of NumPy's."""
    return np.asarray(array.compute()) if isinstance(array, da.Array) else np.from_dlpack(array)


def same(got, wanted, rtol=None):
    """Assert that two results, arrays or tuples of them, have the same type, shape and values."""
    if isinstance(wanted, (tuple, list)):
        assert isinstance(got, (tuple, list)) and len(got) == len(wanted)
        assert getattr(got, "_fields", None) == getattr(wanted, "_fields", None)
        for one, other in zip(got, wanted):
            same(one, other, rtol)
        return
    if not hasattr(wanted, "dtype"):
        assert got == wanted and type(got) is type(wanted)
        return
    assert isinstance(got, da.Array)
    wanted, value = to_numpy(wanted), to_numpy(got)
    assert got.dtype == value.dtype == wanted.dtype
    assert value.shape == wanted.shape
    assert all(known != known or known == length for known, length in zip(got.shape, wanted.shape))
    if rtol is None:
        single = wanted.dtype in (np.float32, np.complex64)
        rtol = 2e-5 if single else 1e-11
    np.testing.assert_allclose(value, wanted, rtol=rtol, atol=rtol, equal_nan=True)


STANDARD = sorted(
    name
    for name in array_api_strict.__all__
    if "strict" not in name.lower() and name not in ("Device", "__version__", "broadcast_shapes", "isin")
)

__all__ = [name for name in dir() if name.isupper()] + ["array_api", "couples", "cut", "elements", "pairs", "same", "to_numpy", "values"]  # fmt: skip
