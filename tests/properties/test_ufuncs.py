"""Every universal function gives NumPy's values and element types, for every element type, special values among them."""

import warnings

import numpy as np
import pytest
from drawing import cuts
from hypothesis import given, settings
from hypothesis import strategies as st

import raskr.array as da

NUMBERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
DATES = ["M8[s]", "M8[ns]", "m8[s]", "m8[ms]"]
OTHERS = ["O", "U3"]
UFUNCS = sorted(name for name in da.ufunc.__all__ if isinstance(getattr(np, name, None), np.ufunc))
#: relative errors allowed, in units of the last place; NumPy's own loops differ by that much between processors
TOLERANCE = 16


def special(dtype):
    """Values at which functions have edges."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return [False, True]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return [int(limits.min), int(limits.max), 0, 1, 2, 3, 7, 64, *([-1, -2, -7] if limits.min else [])]
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        plain = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -3.5, 10.0, 1e-3, 100.25, np.pi]
        return [dtype.type(x) for x in [*plain, np.inf, -np.inf, np.nan, limits.max, limits.tiny]]
    if dtype.kind == "c":
        return [complex(re, im) for re in (0.0, 1.0, -2.0, 0.25) for im in (0.0, 1.0, -3.0)]
    if dtype.kind in "mM":
        return [0, 1, -1, 10**6, 86400, np.iinfo("i8").min]
    if dtype.kind == "U":
        return ["", "a", "b", "abc"]
    return [0, 1, -3, 2.5, 10**20]


def everything(dtype):
    """All special values as an array."""
    if np.dtype(dtype).kind in "mM":
        return np.array(special(dtype), dtype="i8").view(np.dtype(dtype))
    return np.array(special(dtype), dtype=dtype)


@st.composite
def values(draw, dtype, size=9):
    """An array of special values and chunks for it."""
    array = draw(st.permutations(list(everything(dtype))).map(lambda items: np.array(items[:size], dtype=dtype)))
    return array, draw(cuts(array.shape))


def agree(result, expected):
    """Element types are equal; so are values but for the last digits."""
    result = np.asarray(result)
    assert result.dtype == expected.dtype
    if expected.dtype.kind in "fc":
        with np.errstate(all="ignore"):
            close = TOLERANCE * np.finfo(expected.dtype).eps
            np.testing.assert_allclose(result, expected, rtol=close, atol=close)
    else:
        np.testing.assert_array_equal(result, expected)


def outcome(function, *args):
    """What a call gives, or the class of error that it raises."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*args)
            return (result if isinstance(result, tuple) else (result,)), None
        except Exception as error:
            return None, type(error)


def computed(name, arrays):
    """A function of lazy arrays, each in chunks of its own."""
    given = (da.from_array(array, chunks=3 + place) for place, array in enumerate(arrays))
    result = getattr(da, name)(*given)
    return tuple(part.compute() for part in result) if isinstance(result, tuple) else result.compute()


def every_pair(types):
    """Arrays whose elements meet in all combinations."""
    if len(types) == 1:
        return [everything(types[0])]
    first, second = (everything(dtype) for dtype in types)
    return [np.repeat(first, len(second)), np.tile(second, len(first))]


def check(name, types):
    arrays = every_pair(types)
    expected, error = outcome(getattr(np, name), *arrays)
    result, lazy_error = outcome(computed, name, arrays)
    if error is not None and name in ("equal", "not_equal"):
        return  # NumPy's operators answer where its functions have no loop; ours are one
    assert (error is None) == (lazy_error is None), f"{types}: NumPy {error}, raskr {lazy_error}"
    for one, other in zip(result or (), expected or ()):
        agree(one, np.asarray(other))


@pytest.mark.parametrize("name", UFUNCS)
def test_every_type(name):
    for dtype in NUMBERS + DATES + OTHERS:
        check(name, [dtype] * getattr(np, name).nin)


@pytest.mark.parametrize("name", [name for name in UFUNCS if getattr(np, name).nin == 2])
@settings(max_examples=15)
@given(st.sampled_from(NUMBERS + DATES), st.sampled_from(NUMBERS + DATES))
def test_types_that_differ(name, first, second):
    check(name, [first, second])


FUNCTIONS = ["angle", "fix", "imag", "isneginf", "isposinf", "isreal", "iscomplex", "nan_to_num", "real", "sinc", "i0"]


@pytest.mark.parametrize("name", FUNCTIONS)
@given(data=st.data())
def test_function_of_one_array(name, data):
    array, chunks = data.draw(values(data.draw(st.sampled_from(NUMBERS))))
    expected, error = outcome(getattr(np, name), array)
    result, lazy_error = outcome(lambda: getattr(da, name)(da.from_array(array, chunks=chunks)).compute())
    assert (error is None) == (lazy_error is None)
    if error is None:
        agree(result[0], expected[0])


@given(data=st.data())
def test_with_numbers(data):
    """Python's numbers take an array's type where they fit it, as NumPy has it."""
    name = data.draw(st.sampled_from(["add", "subtract", "multiply", "maximum", "less", "divide", "power", "where"]))
    array, chunks = data.draw(values(data.draw(st.sampled_from(NUMBERS))))
    number = data.draw(st.sampled_from([0, 1, 3, 2.5, True, np.float32(1.5), np.int64(7), np.uint8(3), 1j]))
    lazy = da.from_array(array, chunks=chunks)
    if name == "where":
        expected, error = outcome(np.where, array == array, array, number)
        result, lazy_error = outcome(lambda: da.where(lazy == lazy, lazy, number).compute())
    else:
        expected, error = outcome(getattr(np, name), array, number)
        result, lazy_error = outcome(lambda: getattr(da, name)(lazy, number).compute())
    assert (error is None) == (lazy_error is None), (error, lazy_error)
    if error is None:
        agree(result[0], expected[0])


@given(data=st.data())
def test_casts(data):
    source, target = (data.draw(st.sampled_from(NUMBERS + DATES)) for _ in range(2))
    array, chunks = data.draw(values(source))
    with np.errstate(all="ignore"):
        # Floats beyond an integer's range become whatever the processor makes of them.
        if array.dtype.kind in "fc" and np.dtype(target).kind in "iumM":
            array = np.nan_to_num(array.real, nan=3, posinf=5, neginf=2).clip(0, 100).astype(source)
    expected, error = outcome(lambda: array.astype(target))
    result, lazy_error = outcome(lambda: da.from_array(array, chunks=chunks).astype(target).compute())
    assert (error is None) == (lazy_error is None), (error, lazy_error)
    if error is None:
        agree(result[0], expected[0])
