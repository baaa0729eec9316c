"""Elementwise functions: NumPy's results, element types, errors; laziness; `out` and `where`; other kinds of blocks."""

import pickle
from operator import add

import numpy as np
import pytest

import raskr.array as da
from raskr.array import ufunc as ufuncs
from raskr.array.elementwise import da_frompyfunc, elemwise

UNARY = (
    "negative positive conj exp exp2 log log2 log10 log1p expm1 sqrt square cbrt reciprocal sin cos tan arcsin arccos "
    "arctan sinh cosh tanh arcsinh arccosh arctanh deg2rad rad2deg isfinite isinf isnan signbit spacing floor ceil "
    "trunc rint fabs sign absolute logical_not"
).split()
BINARY = (
    "add subtract multiply divide floor_divide power float_power remainder fmod logaddexp logaddexp2 arctan2 hypot "
    "greater greater_equal less less_equal not_equal equal logical_and logical_or logical_xor maximum minimum fmax "
    "fmin copysign nextafter"
).split()
INTEGER = "bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm".split()


def same(lazy, expected):
    """The lazy array has the declared and computed shape, element type and values of NumPy's result."""
    with np.errstate(all="ignore"):
        value = lazy.compute()
    expected = np.asarray(expected)
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == expected.dtype == value.dtype
    assert lazy.shape == expected.shape == value.shape
    if expected.dtype.kind in "fc":
        np.testing.assert_allclose(value, expected, rtol=1e-6 if expected.dtype.itemsize <= 8 else 1e-12)
    else:
        np.testing.assert_array_equal(value, expected)


@pytest.fixture
def x():
    return np.linspace(-2.5, 3, 24).reshape(4, 6)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_unary(name, dtype, x):
    x = x.astype(dtype)
    with np.errstate(all="ignore"):
        same(getattr(da, name)(da.from_array(x, chunks=(3, 4))), getattr(np, name)(x))


@pytest.mark.parametrize("name", BINARY)
def test_binary_broadcasts_and_rechunks(name, x):
    y = np.linspace(-1.5, 4, 6)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
        result = getattr(da, name)(da.from_array(x, chunks=(3, 4)), da.from_array(y, chunks=5))
    same(result, expected)


@pytest.mark.parametrize("name", INTEGER)
@pytest.mark.parametrize("dtype", ["i8", "u2", "i4"])
def test_integers(name, dtype):
    x, y = np.arange(1, 13, dtype=dtype), (np.arange(12) % 5).astype(dtype)
    same(getattr(da, name)(da.from_array(x, chunks=5), da.from_array(y, chunks=7)), getattr(np, name)(x, y))


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i4", "u8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("scalar", [2, 2.5, 2j, True, np.float32(2), np.int64(2), np.array(3, "i2")], ids=repr)
def test_scalars_give_way_as_in_numpy(dtype, scalar):
    x = np.arange(5).astype(dtype)
    d = da.from_array(x, chunks=2)
    same(d + scalar, x + scalar)
    same(scalar * d, scalar * x)


def test_a_scalar_beyond_the_type():
    d = da.from_array(np.arange(3, dtype="u1"), chunks=2)
    with pytest.raises(OverflowError):
        (d + 300).compute()
    same(d < 300, np.ones(3, bool))


def test_dates():
    x = np.arange(5).astype("M8[D]")
    y = (10 * np.arange(5)).astype("m8[h]")
    same(da.from_array(x, chunks=2) + da.from_array(y, chunks=3), x + y)
    same(da.from_array(x, chunks=2) - x[0], x - x[0])


def test_objects_and_text():
    x = np.array([1, 2.5, "a"], dtype=object)
    same(da.from_array(x, chunks=2) * 2, x * 2)
    words = np.array(["a", "bb", "c"])
    same(da.from_array(words, chunks=2) == "bb", words == "bb")


def test_plain_arguments_go_to_numpy():
    assert isinstance(da.sin(np.ones(3)), np.ndarray)
    assert da.add(1, 2) == 3
    assert isinstance(da.add.outer(np.ones(2), np.ones(3)), np.ndarray)


def test_numpys_own_functions_stay_lazy(x):
    d = da.from_array(x, chunks=(3, 4))
    same(np.sin(d), np.sin(x))
    same(np.add(x, d), x + x)
    same(np.multiply.outer(d, x[0]), np.multiply.outer(x, x[0]))


def test_attributes():
    for name in ("nin", "nout", "nargs", "ntypes", "types", "identity", "signature"):
        assert getattr(da.add, name) == getattr(np.add, name)
        assert name in dir(da.add)
    assert da.add.__name__ == "add"
    assert repr(da.add) == repr(np.add)
    with pytest.raises(AttributeError):
        _ = da.add.something
    assert pickle.loads(pickle.dumps(da.add)).__name__ == "add"


def test_outer():
    x, y = np.arange(3), np.arange(8).reshape(2, 4)
    same(da.add.outer(da.from_array(x, chunks=2), da.from_array(y, chunks=3)), np.add.outer(x, y))
    same(da.add.outer([1, 2], da.from_array(y, chunks=3)), np.add.outer([1, 2], y))
    with pytest.raises(ValueError):
        da.sin.outer(da.ones(3), da.ones(3))
    with pytest.raises(ValueError):
        da.add.outer(da.ones(3), da.ones(3), out=da.ones((3, 3)))


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(ValueError, match=r"\(4, 6\) and \(5,\).*axis -1 has lengths 6 and 5"):
        da.ones((4, 6), chunks=3) + da.ones(5, chunks=2)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_dtype_chooses_the_loop(dtype):
    x = np.arange(5)
    d = da.from_array(x, chunks=2)
    same(da.add(d, 1, dtype=dtype), np.add(x, 1, dtype=dtype))


def test_out_becomes_the_result():
    x = da.arange(5, chunks=2)
    out = da.zeros(5, chunks=3)
    assert da.sin(x, out=out) is out
    same(out, np.sin(np.arange(5)))
    with pytest.raises(ValueError):
        da.sin(x, out=da.zeros(4))
    with pytest.raises(NotImplementedError, match="ndarray"):
        da.sin(x, out=np.zeros(5))


@pytest.mark.parametrize("lazy", [True, False])
def test_where_keeps_what_out_had(lazy):
    x, mask = np.arange(6), np.array([True, False, True, True, False, False])
    out = da.from_array(np.full(6, -1), chunks=4)
    result = da.add(da.from_array(x, chunks=3), 10, where=da.from_array(mask, chunks=2) if lazy else mask, out=out)
    assert result is out
    same(out, np.where(mask, x + 10, -1))
    np.testing.assert_array_equal(da.add(da.from_array(x, chunks=3), 10, where=mask).compute()[mask], (x + 10)[mask])


def test_unsupported_arguments():
    with pytest.raises(TypeError, match="colour"):
        elemwise(np.add, da.ones(2), 1, colour=3)
    with pytest.raises(TypeError):
        da.add(da.ones(2))
    with pytest.raises(TypeError):
        ufuncs.ufunc(len)


def test_other_types_handle_the_operation():
    class Other:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "mine"

    assert da.ones(2) + Other() == "mine"


def test_frompyfunc():
    f = da.frompyfunc(add, 2, 1)
    x = np.arange(5)
    same(f(da.from_array(x, chunks=2), 1), (x + 1).astype(object))
    wrapped = da_frompyfunc(add, 2, 1)
    assert repr(wrapped) == "da.frompyfunc<add, 2, 1>"
    assert pickle.loads(pickle.dumps(wrapped))(1, 2) == 3
    with pytest.raises(NotImplementedError):
        da.frompyfunc(divmod, 2, 2)


@pytest.mark.parametrize("name", ["modf", "frexp"])
def test_two_results(name, x):
    for lazy, plain in zip(getattr(da, name)(da.from_array(x, chunks=(3, 4))), getattr(np, name)(x)):
        same(lazy, plain)


def test_divmod(x):
    for lazy, plain in zip(divmod(da.from_array(x, chunks=(3, 4)), 1.5), np.divmod(x, 1.5)):
        same(lazy, plain)


@pytest.mark.parametrize("name", ["real", "imag", "angle", "isreal", "iscomplex"])
@pytest.mark.parametrize("dtype", ["c16", "c8", "f8", "i4"])
def test_parts_of_complex_numbers(name, dtype):
    x = (np.arange(6) - 2 + (1j if dtype[0] == "c" else 0) * (np.arange(6) % 3)).astype(dtype)
    same(getattr(da, name)(da.from_array(x, chunks=4)), getattr(np, name)(x))


@pytest.mark.parametrize("name", ["fix", "i0", "sinc", "nan_to_num", "isposinf", "isneginf"])
def test_functions_that_are_no_ufuncs(name):
    x = np.array([-1.5, 0, 2.5, np.inf, -np.inf, np.nan])
    x = x[:3] if name == "i0" else x
    with np.errstate(all="ignore"):
        same(getattr(da, name)(da.from_array(x, chunks=2)), getattr(np, name)(x))


@pytest.mark.parametrize("limits", [(1, 4), (None, 4), (1, None), (4, 1), (1.5, 3)])
@pytest.mark.parametrize("dtype", ["i8", "f4"])
def test_clip(limits, dtype):
    x = np.arange(6).astype(dtype)
    same(da.clip(da.from_array(x, chunks=4), *limits), np.clip(x, *limits))
    same(da.from_array(x, chunks=4).clip(*limits), np.clip(x, *limits))


def test_masked_blocks_stay_masked():
    x = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])
    result = (da.from_array(x, chunks=2, asarray=False) + 1).compute()
    assert isinstance(result, np.ma.MaskedArray)
    assert result.mask.tolist() == [False, True, False]
