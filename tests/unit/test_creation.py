"""Arrays from nothing, repetition and padding, against NumPy's."""

import math

import numpy as np
import pytest

import raskr.array as da


def same(lazy, expected):
    value = lazy.compute()
    expected = np.asarray(expected)
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == expected.dtype == value.dtype
    assert lazy.shape == expected.shape == np.shape(value)
    if expected.dtype.kind in "fc":
        np.testing.assert_allclose(value, expected, rtol=1e-6 if expected.dtype.itemsize == 4 else 1e-13, atol=1e-15)
    else:
        np.testing.assert_array_equal(value, expected)


# --- constants ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["ones", "zeros"])
@pytest.mark.parametrize("dtype", [float, "i1", "c8", "M8[s]", "?", "U3", object])
def test_constants(name, dtype):
    if name == "ones" and dtype == "M8[s]":
        dtype = "m8[s]"
    same(getattr(da, name)((4, 5), dtype=dtype, chunks=(3, 2)), getattr(np, name)((4, 5), dtype=dtype))
    like = np.empty((3, 4), dtype=dtype)
    same(getattr(da, f"{name}_like")(da.from_array(like, chunks=2)), getattr(np, f"{name}_like")(like))


@pytest.mark.parametrize("shape", [5, (5,), [5], np.array([5, 2]), ()])
def test_shapes(shape):
    assert da.zeros(shape, chunks=2).shape == np.zeros(shape).shape


def test_empty_has_no_meaning_but_a_shape():
    assert da.empty((3, 4), dtype="i4", chunks=2).compute().shape == (3, 4)
    assert da.empty_like(da.ones((3, 4), chunks=2), dtype="f4").dtype == "f4"


@pytest.mark.parametrize("value", [3, 2.5, True, 1 + 2j, np.float32(3), np.datetime64("2020-01-01", "s"), "abc", None])
def test_full(value):
    same(da.full((3, 2), value, chunks=2), np.full((3, 2), value))
    same(da.full_like(da.ones((3, 2), chunks=2), 7, dtype="i2"), np.full((3, 2), 7, dtype="i2"))


def test_full_of_a_lazy_scalar_and_of_several():
    same(da.full((3, 2), da.arange(5).sum(), chunks=2), np.full((3, 2), 10))
    with pytest.raises(ValueError, match="fill_value must be scalar"):
        da.full(3, [1, 2])
    with pytest.raises(ValueError, match="negative"):
        da.ones((3, -1))


def test_names_and_chunks():
    assert da.ones(6, chunks=4, name="mine").name == "mine"
    assert da.ones(6, chunks=4).name == da.ones(6, chunks=4).name != da.ones(6, chunks=3).name
    assert da.ones_like(da.ones(6, chunks=4), chunks=3).chunks == ((3, 3),)
    assert da.ones_like(da.ones(6, chunks=4), shape=(2, 2)).shape == (2, 2)
    assert math.prod(da.ones((10**6, 10**6), chunks=10**5).numblocks) == 100


def test_like_arrays_of_unknown_chunks():
    x = np.arange(6.0)
    d = da.from_array(x, chunks=4)
    result = da.ones_like(d[d > 2], dtype="i4")
    assert result.dtype == "i4"
    assert result.compute().tolist() == [1, 1, 1]


# --- ranges ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "args",
    [(10,), (2, 11), (3, 20, 4), (20, 3, -4), (0.5, 3.1, 0.3), (5, 5), (5, 2), (2.0, 1.0),
     (np.float32(0), np.float32(2), np.float32(0.5))],
    ids=str,
)  # fmt: skip
def test_arange(args):
    same(da.arange(*args, chunks=4), np.arange(*args))


@pytest.mark.parametrize("dtype", ["i1", "u8", "f4", "f8", "c16"])
def test_arange_of_a_type(dtype):
    same(da.arange(7, dtype=dtype, chunks=3), np.arange(7, dtype=dtype))


def test_arange_is_exact_for_large_integers():
    same(da.arange(2**62, 2**62 + 5, chunks=2), np.arange(2**62, 2**62 + 5))
    with pytest.raises(TypeError, match="requires stop"):
        da.arange()
    with pytest.raises(ZeroDivisionError):
        da.arange(1, 5, 0)


@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("num", [0, 1, 2, 7, 50])
@pytest.mark.parametrize("dtype", [None, int, "f4"])
def test_linspace(endpoint, num, dtype):
    same(
        da.linspace(0.1, 9.3, num, endpoint=endpoint, dtype=dtype, chunks=5),
        np.linspace(0.1, 9.3, num, endpoint=endpoint, dtype=dtype),
    )


def test_linspace_ends_where_it_should():
    for stop in (0.3, 0.7, 1.1, 2.3):
        assert da.linspace(0, stop, 11).compute()[-1] == stop
    values, step = da.linspace(0, 1, 5, retstep=True)
    assert step == 0.25
    same(da.linspace(da.ones(3).sum(), 5, 3), np.linspace(3, 5, 3))
    with pytest.raises(ValueError):
        da.linspace(0, 1, -1)


# --- grids and diagonals --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(), (0,), (3,), (3, 4), (2, 3, 2)])
def test_indices(shape):
    same(da.indices(shape, chunks=(2,) * len(shape)), np.indices(shape))


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("sparse", [True, False])
def test_meshgrid(indexing, sparse):
    lines = [np.arange(3), np.arange(4.0), np.arange(2)]
    lazy = da.meshgrid(*(da.from_array(x, chunks=2) for x in lines), indexing=indexing, sparse=sparse)
    for one, other in zip(lazy, np.meshgrid(*lines, indexing=indexing, sparse=sparse)):
        same(one, other)
    with pytest.raises(ValueError, match="indexing"):
        da.meshgrid([1], [2], indexing="ab")


def test_fromfunction():
    same(
        da.fromfunction(lambda i, j, c: c * i + j, shape=(4, 5), chunks=2, dtype=int, c=10),
        np.fromfunction(lambda i, j, c: c * i + j, shape=(4, 5), dtype=int, c=10),
    )


@pytest.mark.parametrize("k", [-3, -1, 0, 2, 9])
def test_eye_tri_and_diagonals(k):
    same(da.eye(5, chunks=2, M=7, k=k), np.eye(5, 7, k))
    same(da.tri(5, 7, k=k, chunks=3, dtype=int), np.tri(5, 7, k, dtype=int))
    line, square = np.arange(1, 6), np.arange(35.0).reshape(5, 7)
    same(da.diag(da.from_array(line, chunks=2), k), np.diag(line, k))
    same(da.diag(da.from_array(square, chunks=(2, 3)), k), np.diag(square, k))
    same(da.tril(da.from_array(square, chunks=(2, 3)), k), np.tril(square, k))
    same(da.triu(da.from_array(square, chunks=(2, 3)), k), np.triu(square, k))


@pytest.mark.parametrize("axes", [(0, 1), (2, 0), (-1, 1)])
@pytest.mark.parametrize("offset", [-2, 0, 1, 20])
def test_diagonal(axes, offset):
    x = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    same(da.diagonal(da.from_array(x, chunks=(2, 3, 4)), offset, *axes), np.diagonal(x, offset, *axes))


def test_bad_diagonals():
    with pytest.raises(ValueError, match="1d or 2d"):
        da.diag(da.ones((2, 2, 2)))
    with pytest.raises(TypeError):
        da.diag(3)
    with pytest.raises(ValueError):
        da.diagonal(da.ones((2, 2)), axis1=0, axis2=0)
    with pytest.raises(np.exceptions.AxisError):
        da.diagonal(da.ones((2, 2)), axis1=5)


# --- repetition and padding -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("repeats", [0, 1, 2, 5])
@pytest.mark.parametrize("axis", [0, -1])
def test_repeat(repeats, axis):
    x = np.arange(12).reshape(3, 4)
    same(da.repeat(da.from_array(x, chunks=2), repeats, axis=axis), np.repeat(x, repeats, axis=axis))
    with pytest.raises(NotImplementedError):
        da.repeat(da.ones((2, 2)), 2)


@pytest.mark.parametrize("reps", [0, 2, (3,), (2, 2), (2, 1, 3)], ids=str)
def test_tile(reps):
    x = np.arange(6).reshape(2, 3)
    same(da.tile(da.from_array(x, chunks=2), reps), np.tile(x, reps))
    with pytest.raises(ValueError):
        da.tile(da.ones(2), -1)


MODES = {
    "constant": [{}, {"constant_values": ((1, 2), (3, 4))}],
    "edge": [{}],
    "linear_ramp": [{}, {"end_values": ((5, -4), (1, 2))}],
    "maximum": [{}, {"stat_length": 2}],
    "minimum": [{"stat_length": ((1, 2), (3, 1))}],
    "mean": [{}, {"stat_length": 2}],
    "median": [{}],
    "reflect": [{}, {"reflect_type": "odd"}],
    "symmetric": [{}, {"reflect_type": "odd"}],
    "wrap": [{}],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [1, (2, 3), ((1, 0), (4, 2)), ((0, 9), (11, 3))], ids=str)
@pytest.mark.parametrize("dtype", ["f8", "i4"])
def test_pad(mode, width, dtype):
    x = (np.arange(20).reshape(4, 5) ** 1.5).astype(dtype)
    for options in MODES[mode]:
        same(da.pad(da.from_array(x, chunks=(3, 2)), width, mode, **options), np.pad(x, width, mode, **options))


def test_pad_with_a_function():
    def border(vector, widths, axis, options):
        vector[: widths[0]] = options["value"] - axis
        vector[-widths[1] :] = -1

    x = np.arange(12).reshape(3, 4)
    same(da.pad(da.from_array(x, chunks=2), (1, 2), border, value=9), np.pad(x, (1, 2), border, value=9))


def test_pad_keeps_blocks_small_and_checks_its_arguments():
    x = da.ones((10, 10), chunks=2)
    assert max(da.pad(x, ((0, 7), (0, 0))).chunks[0]) == 2
    assert da.pad(x, 0) is x
    with pytest.raises(ValueError, match="not supported"):
        da.pad(x, 1, "other")
    with pytest.raises(ValueError, match="unsupported keyword"):
        da.pad(x, 1, "edge", constant_values=1)
    with pytest.raises(ValueError, match="negative"):
        da.pad(x, -1)
    with pytest.raises(TypeError):
        da.pad(x, 1.5)


@pytest.mark.parametrize(
    "bounds",
    [
        (np.datetime64("2000-01-01T00"), np.datetime64("2000-01-02"), np.timedelta64(90, "m")),
        (np.datetime64("2000", "Y"), np.datetime64("2004", "Y")),
        (np.datetime64("2000-01-01"), 5),
        (np.timedelta64(0, "D"), np.timedelta64(9, "h")),
    ],
)
def test_arange_counts_dates_and_durations(bounds):
    expected = np.arange(*bounds)
    result = da.arange(*bounds, chunks=3).compute()
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_arange_of_text_needs_a_dtype():
    np.testing.assert_array_equal(
        da.arange("2000-01", "2000-03", dtype="M8[D]"), np.arange("2000-01", "2000-03", dtype="M8[D]")
    )
    with pytest.raises(TypeError, match="numbers or dates"):
        da.arange("2000-01", "2000-03")


@pytest.mark.parametrize("options", [{}, {"asarray": False}, {"lock": True}, {"name": False}])
def test_mapped_files_are_arrays(tmp_path, options):
    np.save(tmp_path / "a.npy", np.arange(16).reshape(4, 4))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    x = da.from_array(mapped, chunks=2, **options)
    assert x.sum().compute() == 120 and (x + 1).max(axis=0).compute().tolist() == [13, 14, 15, 16]
    assert type(x.compute()) is np.ndarray
    assert da.from_array(mapped[1:, 2:], chunks=2, **options).compute().tolist() == mapped[1:, 2:].tolist()


def test_names_of_mapped_files_are_told_by_the_files(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(16).reshape(4, 4))
    first, again = (np.load(tmp_path / "a.npy", mmap_mode="r") for _ in range(2))
    assert da.from_array(first, chunks=2).name == da.from_array(again, chunks=2).name
    assert da.from_array(first[1:], chunks=2).name != da.from_array(first[:-1], chunks=2).name
    np.save(tmp_path / "b.npy", np.zeros((4, 4), dtype=int))
    other = np.load(tmp_path / "b.npy", mmap_mode="r")
    assert da.from_array(first, chunks=2).name != da.from_array(other, chunks=2).name
    # What the program may still write has a name of its own each time.
    written = np.memmap(tmp_path / "c", dtype=float, mode="w+", shape=(4,))
    x = da.from_array(written, chunks=2)
    written[:] = 2
    assert x.name != da.from_array(written, chunks=2).name and x.sum().compute() == 8


def test_slices_of_blocks():
    from raskr.array.core import slices_from_chunks

    x = da.arange(35, chunks=10).reshape(5, 7).rechunk((2, 3))
    whole = x.compute()
    found = slices_from_chunks(x.chunks)
    assert [whole[place].tolist() for place in found] == [x.blocks[b].compute().tolist() for b in np.ndindex(3, 3)]
