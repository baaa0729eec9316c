"""Every function of the array API standard, against array-api-strict."""

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import raskr.array as da
from raskr.array import array_api as xp

from .standard_cases import (
    ALL,
    BOOL,
    COMPLEX,
    FLOAT,
    FULL_SHAPES,
    INTEGER,
    NUMERIC,
    REAL,
    SHAPES,
    SIGNED,
    STANDARD,
    couples,
    cut,
    pairs,
    same,
    values,
)

few = settings(max_examples=15, deadline=None)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

INEXACT = FLOAT + COMPLEX

UNARY = {
    **dict.fromkeys(
        "acos acosh asin asinh atan atanh cos cosh exp expm1 log log10 log1p log2 sin sinh sqrt tan tanh reciprocal".split(),
        INEXACT,
    ),
    **dict.fromkeys("ceil floor trunc".split(), REAL),
    **dict.fromkeys("conj imag real".split(), COMPLEX),
    **dict.fromkeys("abs isfinite isinf isnan negative positive round sign square".split(), NUMERIC),
    "bitwise_invert": BOOL + INTEGER,
    "logical_not": BOOL,
    "signbit": FLOAT,
}  # fmt: skip
BINARY = {
    **dict.fromkeys("add subtract multiply".split(), NUMERIC),
    **dict.fromkeys("equal not_equal".split(), ALL),
    **dict.fromkeys("less less_equal greater greater_equal maximum minimum".split(), REAL),
    **dict.fromkeys("bitwise_and bitwise_or bitwise_xor".split(), BOOL + INTEGER),
    **dict.fromkeys("logical_and logical_or logical_xor".split(), BOOL),
    **dict.fromkeys("atan2 copysign hypot logaddexp nextafter".split(), FLOAT),
    "divide": INEXACT,
}
NEGATABLE = SIGNED + INEXACT


def covered():
    found = {*UNARY, *BINARY, *WITH_PLAIN_VALUES}
    for function in list(globals().values()):
        found.update(getattr(function, "covers", ()))
    return found


def covers(*names):
    """Marks a test with the functions that it goes through."""

    def mark(function):
        function.covers = names
        return function

    return mark


WITH_PLAIN_VALUES = {"e", "inf", "nan", "newaxis", "pi", "linalg", "fft", "__array_namespace_info__", "__array_api_version__"}  # fmt: skip


def test_every_name_is_there_and_tested():
    assert [name for name in STANDARD if not hasattr(xp, name)] == []
    assert sorted(set(STANDARD) - covered()) == []
    for name in ("e", "inf", "pi", "newaxis"):
        assert getattr(xp, name) == getattr(strict, name)
    assert np.isnan(xp.nan)
    assert xp.__array_api_version__ == "2024.12"


# --- elementwise ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(UNARY))
@few
@given(data=st.data())
def test_unary(name, data):
    dtypes = NEGATABLE if name == "negative" else UNARY[name]
    theirs, ours = data.draw(pairs(dtypes))
    same(getattr(xp, name)(ours), getattr(strict, name)(theirs))


@pytest.mark.parametrize("name", sorted(BINARY))
@few
@given(data=st.data())
def test_binary(name, data):
    (theirs, ours), (their_other, our_other) = data.draw(couples(BINARY[name]))
    same(getattr(xp, name)(ours, our_other), getattr(strict, name)(theirs, their_other))


@covers("floor_divide", "remainder", "pow", "bitwise_left_shift", "bitwise_right_shift", "clip", "where")
@few
@given(data=st.data())
def test_binary_of_some_values(data):
    (theirs, ours), (their_other, our_other) = data.draw(couples(REAL, small=True))
    one, their_one = our_other.dtype.type(1), strict.asarray(1, dtype=their_other.dtype)
    divisor = xp.where(our_other == 0, one, our_other)
    their_divisor = strict.where(their_other == their_one * 0, their_one, their_other)
    same(divisor, their_divisor)
    same(xp.floor_divide(ours, divisor), strict.floor_divide(theirs, their_divisor))
    same(xp.remainder(ours, divisor), strict.remainder(theirs, their_divisor))
    same(xp.pow(xp.abs(ours), xp.abs(our_other)), strict.pow(strict.abs(theirs), strict.abs(their_other)))
    same(xp.clip(ours, 1, 3), strict.clip(theirs, 1, 3))
    (theirs, ours), (their_other, our_other) = data.draw(couples(INTEGER, small=True))
    by, their_by = xp.abs(our_other), strict.abs(their_other)
    same(xp.bitwise_left_shift(ours, by), strict.bitwise_left_shift(theirs, their_by))
    same(xp.bitwise_right_shift(ours, by), strict.bitwise_right_shift(theirs, their_by))


@few
@given(data=st.data())
def test_python_numbers_take_the_type_of_arrays(data):
    theirs, ours = data.draw(pairs(NUMERIC, small=True))
    same(ours + 1, theirs + 1)
    same(2 * ours, 2 * theirs)
    if ours.dtype.kind in "fc":
        same(ours / 2.5, theirs / 2.5)
    same(ours == 1, theirs == 1)


@few
@given(st.sampled_from([(a, b) for a in ALL for b in ALL]))
def test_types_are_promoted_as_the_standard_says(dtypes):
    first, second = dtypes
    try:
        wanted = strict.result_type(getattr(strict, first), getattr(strict, second))
    except TypeError:
        return  # the standard leaves it open
    wanted = np.dtype(str(wanted).rpartition(".")[2])
    assert xp.result_type(getattr(xp, first), getattr(xp, second)) == wanted
    ours = xp.ones(2, dtype=first), xp.ones(2, dtype=second)
    if "bool" not in dtypes:
        assert (ours[0] * ours[1]).dtype == wanted


# --- statistics -----------------------------------------------------------------------------------------------------
def axes_of(data, ndim, one=False):
    if ndim == 0 or data.draw(st.booleans()):
        return None
    if one:
        return data.draw(st.integers(-ndim, ndim - 1))
    return data.draw(hnp.valid_tuple_axes(ndim, min_size=1))


@covers("sum", "prod", "mean", "std", "var", "max", "min", "all", "any", "count_nonzero")
@pytest.mark.parametrize("name", "sum prod mean std var max min all any count_nonzero".split())
@few
@given(data=st.data())
def test_reduction(name, data):
    dtypes = {"max": REAL, "min": REAL, "all": ALL, "any": ALL, "count_nonzero": ALL, "sum": NUMERIC, "prod": NUMERIC}
    theirs, ours = data.draw(pairs(dtypes.get(name, FLOAT), FULL_SHAPES, small=True))
    options = {"axis": axes_of(data, ours.ndim), "keepdims": data.draw(st.booleans())}
    if name in ("std", "var"):
        options["correction"] = data.draw(st.sampled_from([0, 0.5, 1.0]))
    same(getattr(xp, name)(ours, **options), getattr(strict, name)(theirs, **options), rtol=1e-4 if ours.dtype in ("f4", "c8") else 1e-9)  # fmt: skip
    if name in ("sum", "prod"):
        same(getattr(xp, name)(ours, dtype=xp.complex128), getattr(strict, name)(theirs, dtype=strict.complex128))


@covers("argmax", "argmin")
@pytest.mark.parametrize("name", ["argmax", "argmin"])
@few
@given(data=st.data())
def test_place_of_extremes(name, data):
    theirs, ours = data.draw(pairs(REAL, FULL_SHAPES, small=True))
    options = {"axis": axes_of(data, ours.ndim, one=True), "keepdims": data.draw(st.booleans())}
    same(getattr(xp, name)(ours, **options), getattr(strict, name)(theirs, **options))


@covers("cumulative_sum", "cumulative_prod", "diff")
@few
@given(data=st.data())
def test_along_an_axis(data):
    theirs, ours = data.draw(pairs(NUMERIC, FULL_SHAPES, small=True))
    axis = data.draw(st.integers(-ours.ndim, ours.ndim - 1))
    initial = data.draw(st.booleans())
    for name in ("cumulative_sum", "cumulative_prod"):
        options = {"axis": axis, "include_initial": initial}
        same(getattr(xp, name)(ours, **options), getattr(strict, name)(theirs, **options), rtol=1e-4)
    n = data.draw(st.integers(0, 3))
    same(xp.diff(ours, axis=axis, n=n), strict.diff(theirs, axis=axis, n=n), rtol=1e-4)
    same(xp.diff(ours, prepend=ours, append=ours), strict.diff(theirs, prepend=theirs, append=theirs), rtol=1e-4)


# --- order, sets, search --------------------------------------------------------------------------------------------
@covers("sort", "argsort", "take_along_axis")
@few
@given(data=st.data())
def test_order(data):
    theirs, ours = data.draw(pairs(REAL, FULL_SHAPES, small=True))
    options = {"axis": data.draw(st.integers(-ours.ndim, ours.ndim - 1)), "descending": data.draw(st.booleans())}
    same(xp.sort(ours, **options), strict.sort(theirs, **options))
    order, their_order = xp.argsort(ours, **options), strict.argsort(theirs, **options)
    same(order, their_order)
    axis = options["axis"]
    same(xp.take_along_axis(ours, order, axis=axis), strict.take_along_axis(theirs, their_order, axis=axis))


@covers("unique_all", "unique_counts", "unique_inverse", "unique_values")
@few
@given(data=st.data())
def test_sets(data):
    theirs, ours = data.draw(pairs(ALL, FULL_SHAPES, small=True))
    same(xp.unique_values(ours), strict.unique_values(theirs))
    same(xp.unique_counts(ours), strict.unique_counts(theirs))
    same(xp.unique_inverse(ours), strict.unique_inverse(theirs))
    same(xp.unique_all(ours), strict.unique_all(theirs))


@covers("searchsorted", "nonzero")
@few
@given(data=st.data())
def test_search(data):
    array = np.sort(data.draw(values(REAL, st.tuples(st.integers(1, 9)), small=True)))
    wanted = data.draw(values([array.dtype], st.tuples(st.integers(0, 5)), small=True))
    ours, theirs = data.draw(cut(array)), strict.asarray(array)
    side = data.draw(st.sampled_from(["left", "right"]))
    same(
        xp.searchsorted(ours, data.draw(cut(wanted)), side=side),
        strict.searchsorted(theirs, strict.asarray(wanted), side=side),
    )
    theirs, ours = data.draw(pairs(ALL, FULL_SHAPES, small=True))
    same(xp.nonzero(ours), strict.nonzero(theirs))


# --- shapes ---------------------------------------------------------------------------------------------------------
@covers("broadcast_to", "broadcast_arrays", "expand_dims", "squeeze", "flip", "roll", "reshape", "permute_dims")
@few
@given(data=st.data())
def test_shape(data):
    theirs, ours = data.draw(pairs(ALL))
    ndim, wider = ours.ndim, (3, *ours.shape)
    same(xp.broadcast_to(ours, wider), strict.broadcast_to(theirs, wider))
    same(
        xp.broadcast_arrays(ours, xp.zeros((2, *[1] * ndim), dtype=ours.dtype)),
        strict.broadcast_arrays(theirs, strict.zeros((2, *[1] * ndim), dtype=theirs.dtype)),
    )
    place = data.draw(st.integers(-ndim - 1, ndim))
    longer, their_longer = xp.expand_dims(ours, axis=place), strict.expand_dims(theirs, axis=place)
    same(longer, their_longer)
    same(xp.squeeze(longer, axis=place), strict.squeeze(their_longer, axis=place))
    axes = axes_of(data, ndim)
    same(xp.flip(ours, axis=axes), strict.flip(theirs, axis=axes))
    shift = 2 if axes is None else tuple(range(1, len(axes) + 1))
    same(xp.roll(ours, shift, axis=axes), strict.roll(theirs, shift, axis=axes))
    same(xp.reshape(ours, (ours.size,), copy=True), strict.reshape(theirs, (theirs.size,), copy=True))
    order = tuple(data.draw(st.permutations(range(ndim))))
    same(xp.permute_dims(ours, order), strict.permute_dims(theirs, order))


@covers(
    "concat", "stack", "unstack", "moveaxis", "repeat", "tile", "take", "tril", "triu", "matrix_transpose", "meshgrid"
)
@few
@given(data=st.data())
def test_arrangement(data):
    theirs, ours = data.draw(pairs(ALL, FULL_SHAPES))
    axis = data.draw(st.integers(-ours.ndim, ours.ndim - 1))
    same(xp.concat([ours, ours], axis=axis), strict.concat([theirs, theirs], axis=axis))
    same(xp.concat([ours, ours], axis=None), strict.concat([theirs, theirs], axis=None))
    same(xp.stack([ours, ours], axis=axis), strict.stack([theirs, theirs], axis=axis))
    same(xp.unstack(ours, axis=axis), strict.unstack(theirs, axis=axis))
    same(xp.moveaxis(ours, axis, 0), strict.moveaxis(theirs, axis, 0))
    same(xp.repeat(ours, 2, axis=axis), strict.repeat(theirs, 2, axis=axis))
    counts = np.arange(ours.shape[axis]) % 3
    same(
        xp.repeat(ours, xp.asarray(counts), axis=axis),
        strict.repeat(theirs, strict.asarray(counts), axis=axis),
    )
    same(xp.tile(ours, (2, 1)), strict.tile(theirs, (2, 1)))
    places = np.array([ours.shape[axis] - 1, 0, 0])
    same(xp.take(ours, xp.asarray(places), axis=axis), strict.take(theirs, strict.asarray(places), axis=axis))
    if ours.ndim > 1:
        k = data.draw(st.integers(-3, 3))
        same(xp.tril(ours, k=k), strict.tril(theirs, k=k))
        same(xp.triu(ours, k=k), strict.triu(theirs, k=k))
        same(xp.matrix_transpose(ours), strict.matrix_transpose(theirs))
        same(ours.mT, theirs.mT)
    line, their_line = xp.reshape(ours, (-1,)), strict.reshape(theirs, (-1,))
    for indexing in ("xy", "ij"):
        same(
            xp.meshgrid(line, line[:1], indexing=indexing),
            strict.meshgrid(their_line, their_line[:1], indexing=indexing),
        )


@covers("matmul", "tensordot", "vecdot")
@few
@given(data=st.data())
def test_products(data):
    (m, k, n), count = data.draw(st.tuples(*[st.integers(1, 4)] * 3)), data.draw(st.integers(1, 3))
    dtype = data.draw(st.sampled_from(NUMERIC))
    theirs, ours = data.draw(pairs([dtype], (count, m, k), small=True))
    their_other, our_other = data.draw(pairs([dtype], (k, n), small=True))
    same(xp.matmul(ours, our_other), strict.matmul(theirs, their_other), rtol=1e-4)
    same(ours @ our_other, theirs @ their_other, rtol=1e-4)
    same(xp.tensordot(ours, our_other, axes=1), strict.tensordot(theirs, their_other, axes=1), rtol=1e-4)
    axes = ((2,), (0,))
    same(xp.tensordot(ours, our_other, axes=axes), strict.tensordot(theirs, their_other, axes=axes), rtol=1e-4)
    same(xp.vecdot(ours, ours, axis=-2), strict.vecdot(theirs, theirs, axis=-2), rtol=1e-4)


# --- making ---------------------------------------------------------------------------------------------------------
@covers("arange", "asarray", "eye", "full", "linspace", "ones", "zeros", "empty")
@few
@given(data=st.data())
def test_made(data):
    dtype = data.draw(st.sampled_from([None, *NUMERIC]))
    ours, theirs = {"dtype": dtype and getattr(xp, dtype)}, {"dtype": dtype and getattr(strict, dtype)}
    shape = data.draw(SHAPES)
    for name in ("ones", "zeros"):
        same(getattr(xp, name)(shape, **ours, device="cpu"), getattr(strict, name)(shape, **theirs))
    assert xp.empty(shape, **ours).shape == shape and xp.empty(shape, **ours).dtype == strict_dtype(
        strict.empty(shape, **theirs)
    )
    same(xp.full(shape, 3, **ours), strict.full(shape, 3, **theirs))
    rows, columns, k = data.draw(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-6, 6)))
    same(xp.eye(rows, columns, k=k, **ours), strict.eye(rows, columns, k=k, **theirs))
    same(xp.eye(rows, **ours), strict.eye(rows, **theirs))
    if dtype is None or dtype in REAL:
        same(xp.arange(1, 9, 3, **ours), strict.arange(1, 9, 3, **theirs))
        same(xp.arange(columns, **ours), strict.arange(columns, **theirs))
    if dtype is None or dtype in INEXACT:
        ends = data.draw(st.booleans())
        same(xp.linspace(1, 9, columns, endpoint=ends, **ours), strict.linspace(1, 9, columns, endpoint=ends, **theirs))
    same(xp.asarray([[1, 2], [3, 4]], **ours), strict.asarray([[1, 2], [3, 4]], **theirs))
    for value in (True, 1, 1.5, 1j):
        same(xp.full(2, value), strict.full(2, value))
        same(xp.asarray(value), strict.asarray(value))


def strict_dtype(array):
    return np.from_dlpack(array).dtype


@covers("ones_like", "zeros_like", "empty_like", "full_like", "astype", "from_dlpack")
@few
@given(data=st.data())
def test_made_like_another(data):
    theirs, ours = data.draw(pairs(NUMERIC, small=True))
    same(xp.ones_like(ours), strict.ones_like(theirs))
    same(xp.zeros_like(ours, dtype=xp.int16), strict.zeros_like(theirs, dtype=strict.int16))
    same(xp.full_like(ours, 2), strict.full_like(theirs, 2))
    assert xp.empty_like(ours).shape == ours.shape and xp.empty_like(ours).dtype == ours.dtype
    wanted = data.draw(st.sampled_from(COMPLEX if ours.dtype.kind == "c" else INEXACT))
    same(xp.astype(ours, getattr(xp, wanted)), strict.astype(theirs, getattr(strict, wanted)))
    same(xp.from_dlpack(theirs), theirs)
    same(xp.from_dlpack(ours), theirs)
    np.testing.assert_array_equal(np.from_dlpack(ours), np.from_dlpack(theirs))


def test_copies():
    array = np.arange(3)
    copied, shared = xp.asarray(array, copy=True), xp.asarray(array, copy=False)
    array[0] = 7
    assert copied.compute().tolist() == [0, 1, 2]
    assert shared.compute().tolist() == [7, 1, 2]
    lazy = xp.arange(3)
    assert xp.asarray(lazy, copy=False) is lazy and xp.asarray(lazy, copy=True) is not lazy
    assert xp.astype(lazy, xp.int64, copy=False) is lazy and xp.astype(lazy, xp.int64) is not lazy
    for source, options in [([1, 2], {}), (array, {"dtype": xp.float32}), (lazy, {"dtype": xp.float32})]:
        with pytest.raises(ValueError, match="copy=False"):
            xp.asarray(source, copy=False, **options)


# --- types ----------------------------------------------------------------------------------------------------------
@covers("can_cast", "finfo", "iinfo", "isdtype", "result_type")
@pytest.mark.parametrize("name", ALL)
def test_types(name):
    ours, theirs = getattr(xp, name), getattr(strict, name)
    kinds = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]
    for kind in [*kinds, tuple(kinds[:2])]:
        assert xp.isdtype(ours, kind) == strict.isdtype(theirs, kind)
    for other in ALL:
        if np.dtype(other).kind == np.dtype(name).kind:  # the standard leaves other casts open
            assert xp.can_cast(ours, getattr(xp, other)) == strict.can_cast(theirs, getattr(strict, other))
        assert xp.isdtype(ours, getattr(xp, other)) == (name == other)
    array = xp.ones(2, dtype=ours)
    if name in INTEGER:
        info, wanted = xp.iinfo(array), strict.iinfo(theirs)
        assert (info.bits, info.min, info.max) == (wanted.bits, wanted.min, wanted.max)
        assert info.dtype == ours
    elif name != "bool":
        info, wanted = xp.finfo(array), strict.finfo(theirs)
        fields = ("bits", "eps", "min", "max", "smallest_normal")
        assert [getattr(info, field) for field in fields] == [getattr(wanted, field) for field in fields]
        assert all(type(getattr(info, field)) is float for field in fields[1:])
    with pytest.raises(ValueError, match="unrecognized data type kind"):
        xp.isdtype(ours, "floating")


@covers(*ALL)
def test_what_the_namespace_says_of_itself():
    info = xp.__array_namespace_info__()
    assert info.devices() == [info.default_device()] == ["cpu"]
    assert set(info.dtypes()) == set(ALL)
    assert all(getattr(xp, name) == dtype for name, dtype in info.dtypes().items())
    assert set(info.dtypes(kind="integral")) == set(INTEGER)
    assert xp.asarray(1).dtype == info.default_dtypes()["integral"]
    assert xp.asarray(1.0).dtype == info.default_dtypes(device="cpu")["real floating"]
    assert set(info.capabilities()) == {"boolean indexing", "data-dependent shapes", "max dimensions"}


# --- the array object -----------------------------------------------------------------------------------------------
def test_object():
    x = da.ones((2, 3), chunks=2)
    assert x.__array_namespace__() is x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match="2019.12"):
        x.__array_namespace__(api_version="2019.12")
    assert x.device == "cpu" and x.to_device(x.device) is x
    assert x.__dlpack_device__() == np.ones(1).__dlpack_device__()
    for call in (lambda: x.to_device("cuda"), lambda: x.to_device("cpu", stream=1), lambda: xp.ones(1, device="cuda")):
        with pytest.raises(ValueError, match="device"):
            call()
    with pytest.raises(ValueError, match="ndim < 2"):
        _ = x[0].mT


def test_numbers_from_arrays():
    assert (bool(xp.asarray(3)), int(xp.asarray(3.5)), float(xp.asarray(3)), complex(xp.asarray(2))) == (
        True,
        3,
        3.0,
        2,
    )
    assert [10, 20, 30][xp.asarray(1)] == 20
    with pytest.raises(TypeError):
        [10, 20][xp.asarray(1.0)]
    assert xp.asarray([[1, 2], [3, 4]]).item(1, 0) == xp.asarray([[1, 2], [3, 4]]).item(2) == 3
    with pytest.raises(ValueError, match="size 1"):
        xp.ones(2).item()


@few
@given(data=st.data())
def test_indexing(data):
    theirs, ours = data.draw(pairs(ALL, FULL_SHAPES))
    index = data.draw(hnp.basic_indices(ours.shape, allow_newaxis=True))
    try:
        wanted = theirs[index]
    except IndexError:
        return  # the standard leaves it open
    same(ours[index], wanted)
    mask = data.draw(hnp.arrays(bool, ours.shape))
    same(ours[data.draw(cut(mask))], theirs[strict.asarray(mask)])
    changed, their_changed = ours.copy(), strict.asarray(theirs, copy=True)
    changed[0, ...], their_changed[0, ...] = ours[-1, ...], theirs[-1, ...]
    same(changed, their_changed)
