"""Routines against NumPy's: selection, shapes, products, sets, histograms, differences, and functions along axes."""

import numpy as np
import pytest

import raskr.array as da
from raskr.array.routines import aligned_coarsen_chunks


def same(lazy, expected, exact=True):
    """Values, element types and, where it is known, the declared shape are those of NumPy's result."""
    value = np.asarray(lazy.compute())
    expected = np.asarray(expected)
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == expected.dtype == value.dtype
    assert value.shape == expected.shape
    assert all(n != n or n == m for n, m in zip(lazy.shape, expected.shape))
    if expected.dtype.kind in "fc":
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    else:
        np.testing.assert_array_equal(value, expected)


@pytest.fixture
def x():
    return np.random.default_rng(0).integers(0, 9, (6, 7)).astype(float)


@pytest.fixture
def d(x):
    return da.from_array(x, chunks=(4, 3))


# --- selection ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("other", [0, 1.5, True, 1j, np.float32(2), "array", "object"], ids=str)
def test_where(other, x, d):
    y = {"array": np.arange(7), "object": np.array(list("abcdefg"), dtype=object)}.get(other, other)
    lazy = da.from_array(y, chunks=2) if isinstance(y, np.ndarray) else y
    same(da.where(d > 4, d, lazy), np.where(x > 4, x, y))
    same(da.where(d > 4, lazy, d), np.where(x > 4, y, x))


def test_where_with_a_scalar_condition(x, d):
    assert da.where(True, d, 0.0) is d
    same(da.where(False, d, np.arange(7)), np.where(False, x, np.arange(7)))
    with pytest.raises(ValueError, match="both or neither"):
        da.where(d > 1, d)


def test_positions_of_what_is_not_zero(x, d):
    for lazy, plain in zip(da.nonzero(d), np.nonzero(x)):
        same(lazy, plain)
    same(da.argwhere(d), np.argwhere(x))
    same(da.flatnonzero(d), np.flatnonzero(x))
    words = np.array(["a", "", "b"])
    same(da.argwhere(da.from_array(words, chunks=2)), np.argwhere(words))
    with pytest.raises(ValueError):
        da.nonzero(da.asarray(3))


def test_choices(x, d):
    index = (x > 4).astype(int)
    same(da.choose(da.from_array(index, chunks=3), [d, -1.0]), np.choose(index, [x, -1.0]))
    conditions, choices = [x < 2, x > 6], [x, x * 10]
    lazy = [da.from_array(c, chunks=3) for c in conditions], [da.from_array(c, chunks=4) for c in choices]
    same(da.select(*lazy, default=-1), np.select(conditions, choices, default=-1))
    functions = [lambda v, k: v + k, 5]
    same(da.piecewise(d, [d < 3, d >= 3], functions, 7), np.piecewise(x, [x < 3, x >= 3], functions, 7))
    with pytest.raises(ValueError):
        da.select([d > 1], [d, d])
    with pytest.raises(TypeError):
        da.select([d], [d])


@pytest.mark.parametrize("indices", [3, [1, 1, 0], [-1, 2]], ids=str)
def test_take(indices, x, d):
    same(da.take(d, indices, axis=1), np.take(x, indices, axis=1))
    same(da.take(x, da.asarray(indices), axis=0), np.take(x, indices, axis=0))
    with pytest.raises(np.exceptions.AxisError):
        da.take(d, indices, axis=2)


def test_compress_and_extract(x, d):
    mask = np.array([True, False, True, True])
    for given in (mask, mask.tolist(), da.from_array(mask, chunks=3)):
        same(da.compress(given, d, axis=0), np.compress(mask, x, axis=0))
        same(da.compress(given, d), np.compress(mask, x))
    same(da.extract(d > 4, d), np.extract(x > 4, x))
    with pytest.raises(ValueError):
        da.compress([[True]], d)


@pytest.mark.parametrize("equal_nan", [True, False])
def test_isclose(equal_nan):
    x = np.array([1, np.nan, np.inf, 1e-9, 2])
    y = np.array([1 + 1e-7, np.nan, np.inf, 0, 2.1])
    lazy = da.from_array(x, chunks=2), da.from_array(y, chunks=3)
    same(da.isclose(*lazy, equal_nan=equal_nan), np.isclose(x, y, equal_nan=equal_nan))
    assert da.allclose(*lazy).compute() == np.allclose(x, y)
    same(da.isclose(da.arange(3), 1), np.isclose(np.arange(3), 1))


def test_missing():
    same(da.isnull(da.asarray([1.0, np.nan])), [False, True])
    objects = np.array([1, None, np.nan, "a"], dtype=object)
    same(da.isnull(da.from_array(objects, chunks=3)), [False, True, True, False])
    same(da.notnull(da.asarray(["a", ""])), [True, True])
    same(da.isnull(da.asarray(np.array(["2020", "NaT"], "M8[D]"))), [False, True])


def test_indices():
    flat = np.array([0, 5, 11])
    for lazy, plain in zip(da.unravel_index(da.from_array(flat, chunks=2), (3, 4)), np.unravel_index(flat, (3, 4))):
        same(lazy, plain)
    parts = np.array([[0, 1, 2], [3, 0, 1]])
    for given in (da.from_array(parts, chunks=(1, 2)), [da.asarray(p) for p in parts], parts):
        same(da.ravel_multi_index(given, (3, 4)), np.ravel_multi_index(parts, (3, 4)))
    with pytest.raises(TypeError):
        da.unravel_index(da.ones(2), (3, 4))
    with pytest.raises(NotImplementedError):
        da.ravel_multi_index((1, 2), da.asarray([3, 4]))
    for name in ("tril_indices", "triu_indices"):
        for lazy, plain in zip(getattr(da, name)(4, 1, 5, chunks=2), getattr(np, name)(4, 1, 5)):
            same(lazy, plain)


# --- shapes ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["atleast_1d", "atleast_2d", "atleast_3d"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 2, 2, 2)])
def test_at_least(name, shape):
    x = np.ones(shape)
    same(getattr(da, name)(da.from_array(x, chunks=2 if shape else ())), getattr(np, name)(x))


@pytest.mark.parametrize("name", ["vstack", "hstack", "dstack"])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_stacks(name, shape):
    x = np.arange(np.prod(shape)).reshape(shape)
    d = da.from_array(x, chunks=2)
    same(getattr(da, name)([d, d + 1]), getattr(np, name)([x, x + 1]))
    with pytest.raises(NotImplementedError):
        getattr(da, name)(d)


def test_axes_are_moved():
    x = np.arange(24).reshape(2, 3, 4)
    d = da.from_array(x, chunks=2)
    for source in range(-3, 3):
        for target in range(-3, 3):
            same(da.moveaxis(d, source, target), np.moveaxis(x, source, target))
            same(da.rollaxis(d, source, target), np.rollaxis(x, source, target))
            same(da.swapaxes(d, source, target), np.swapaxes(x, source, target))
    same(da.moveaxis(d, (0, 1), (-1, 0)), np.moveaxis(x, (0, 1), (-1, 0)))
    with pytest.raises(ValueError):
        da.moveaxis(d, (0, 1), 2)


def test_axes_come_and_go(x, d):
    same(da.expand_dims(d, (0, -1)), np.expand_dims(x, (0, -1)))
    same(da.squeeze(d[None, :, None]), x)
    same(da.squeeze(d[None, :, None], axis=2), x[None])
    same(da.ravel(d), x.ravel())
    with pytest.raises(ValueError):
        da.squeeze(d, axis=0)
    with pytest.raises(np.exceptions.AxisError):
        da.expand_dims(d, 5)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)], ids=str)
def test_flip(axis, x, d):
    same(da.flip(d, axis), np.flip(x, axis))
    same(da.flipud(d), np.flipud(x))
    same(da.fliplr(d), np.fliplr(x))


@pytest.mark.parametrize("k", range(-2, 5))
def test_rot90(k, x, d):
    same(da.rot90(d, k), np.rot90(x, k))
    with pytest.raises(ValueError):
        da.rot90(d, k, axes=(0, 0))


@pytest.mark.parametrize(("shift", "axis"), [(3, None), (-9, 0), ((2, -1), (0, 1)), (100, 1), (0, 0)])
def test_roll(shift, axis, x, d):
    same(da.roll(d, shift, axis), np.roll(x, shift, axis))
    with pytest.raises(ValueError):
        da.roll(d, (1, 2), 0)
    with pytest.raises(TypeError):
        da.roll(d, (1, 2))


def test_questions_about_arrays(x, d):
    assert da.shape(d) == x.shape
    assert da.ndim(d) == 2
    assert da.result_type(d, np.float32, 1j) == np.result_type(x, np.float32, 1j)
    assert not da.iscomplexobj(d) and da.iscomplexobj(d + 1j)


@pytest.mark.parametrize("obj", [2, -1, [0, 3, 3], slice(1, 5, 2), [], np.array([True] + [False] * 6)], ids=str)
def test_delete(obj, x, d):
    same(da.delete(d, obj, axis=1), np.delete(x, obj, axis=1))
    with pytest.raises(IndexError):
        da.delete(d, 20, axis=1)


@pytest.mark.parametrize(
    ("obj", "values"),
    [(2, -1), (-1, np.arange(6.0)), ([1, 3, 3], -1), (slice(0, 4, 2), 5), ([0, 7], [[1.0, 2.0]] * 6)],
    ids=str,
)
def test_insert(obj, values, x, d):
    same(da.insert(d, obj, values, axis=1), np.insert(x, obj, values, axis=1))
    with pytest.raises(NotImplementedError):
        da.insert(d, [3, 1], 0, axis=1)
    with pytest.raises(IndexError):
        da.insert(d, 20, 0, axis=1)


def test_append(x, d):
    same(da.append(d, [[1] * 7], axis=0), np.append(x, [[1] * 7], axis=0))
    same(da.append(d, 3), np.append(x, 3))
    with pytest.raises(ValueError):
        da.append(d, [1, 2], axis=0)


# --- products -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "c16", "?", object])
def test_dot(dtype):
    x = (np.arange(20).reshape(4, 5) % 3).astype(dtype)
    y = (np.arange(15).reshape(5, 3) % 4).astype(dtype)
    lazy = da.from_array(x, chunks=(2, 3)), da.from_array(y, chunks=2)
    for function in ("dot", "matmul"):
        result = getattr(da, function)(*lazy)
        expected = getattr(np, function)(x, y)
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result.compute().astype(complex), expected.astype(complex), rtol=1e-6)
    assert (lazy[0] @ lazy[1]).shape == (4, 3)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((7,), (7,)), ((3, 7), (7,)), ((7,), (7, 2)), ((5, 3, 7), (7, 2)), ((5, 3, 7), (1, 7, 2)),
        ((2, 1, 3, 7), (4, 7, 2)), ((7,), (4, 7, 2)),
    ],
)  # fmt: skip
def test_matmul_broadcasts(left, right):
    x, y = np.random.default_rng(1).random(left), np.random.default_rng(2).random(right)
    same(da.matmul(da.from_array(x, chunks=2), da.from_array(y, chunks=3)), np.matmul(x, y))


def test_bad_products(d):
    with pytest.raises(ValueError):
        da.matmul(d, d)
    with pytest.raises(ValueError, match="scalars"):
        da.matmul(d, 3)
    with pytest.raises(ValueError):
        da.tensordot(d, d, axes=1)
    with pytest.raises(ValueError):
        da.matmul(da.ones((2, 3, 4)), da.ones((3, 4, 2)))


@pytest.mark.parametrize("axes", [0, 1, 2, ((1,), (0,)), ((0, 1), (1, 0)), (-1, 0)], ids=str)
def test_tensordot(axes):
    x = np.random.default_rng(1).random((4, 4, 4))
    d = da.from_array(x, chunks=3)
    same(da.tensordot(d, d, axes=axes), np.tensordot(x, x, axes=axes))


def test_vdot_and_outer(x, d):
    z = x + 1j * x[::-1]
    assert np.allclose(da.vdot(da.from_array(z, chunks=3), d).compute(), np.vdot(z, x))
    same(da.outer(d, d[0]), np.outer(x, x[0]))


@pytest.mark.parametrize(
    "subscripts",
    "ij,jk ij,jk->ki ij->ji ii->i ii ij,ij-> ij,ij->i ...j,j->... ij,jk,kl->il i,j->ij ij-> iij->j".split(),
)
@pytest.mark.parametrize("optimize", [False, True])
def test_einsum(subscripts, optimize):
    shapes = [tuple(4 for label in term.replace("...", "z")) for term in subscripts.split("->")[0].split(",")]
    arrays = [np.random.default_rng(n).random(shape) for n, shape in enumerate(shapes)]
    lazy = [da.from_array(a, chunks=3) for a in arrays]
    same(da.einsum(subscripts, *lazy, optimize=optimize), np.einsum(subscripts, *arrays))


def test_einsum_otherwise_written(x, d):
    same(da.einsum(d, [0, 1], d, [2, 1], [0, 2]), np.einsum(x, [0, 1], x, [2, 1], [0, 2]))
    for bad in ("ij,jk", "ijk", "ij->ijj", "ij->k"):
        with pytest.raises(ValueError):
            da.einsum(bad, d)
    with pytest.raises(TypeError):
        da.einsum("ij", d, colour=1)


# --- sets and histograms --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["i4", "f8", "U2", object])
def test_unique(dtype):
    x = np.random.default_rng(3).integers(0, 6, (5, 7)).astype(dtype)
    results = da.unique(da.from_array(x, chunks=3), return_index=True, return_inverse=True, return_counts=True)
    expected = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    for lazy, plain in zip(results, expected):
        np.testing.assert_array_equal(lazy.compute().reshape(plain.shape), plain)
    same(da.unique(da.from_array(x, chunks=4)), expected[0])


def test_membership(x, d):
    same(da.isin(d, [1, 3]), np.isin(x, [1, 3]))
    same(da.isin(d, da.from_array(np.arange(5), chunks=2), invert=True), np.isin(x, np.arange(5), invert=True))
    same(da.union1d(d, [100.0]), np.union1d(x, [100.0]))


def test_bins(x, d):
    bins = np.array([1.0, 3, 6])
    same(da.digitize(d, bins, right=True), np.digitize(x, bins, right=True))
    for side in ("left", "right"):
        line = np.sort(x.reshape(-1))
        same(da.searchsorted(da.from_array(line, chunks=5), d, side), np.searchsorted(line, x, side))
    with pytest.raises(ValueError):
        da.digitize(d, [1, 3, 2])
    with pytest.raises(NotImplementedError):
        da.searchsorted(da.arange(3), d, sorter=da.arange(3))


@pytest.mark.parametrize("minlength", [0, 12])
def test_bincount(minlength):
    x = np.array([3, 1, 4, 1, 5, 9, 2, 6])
    weights = np.linspace(0, 1, 8)
    d = da.from_array(x, chunks=3)
    same(da.bincount(d, minlength=minlength), np.bincount(x, minlength=minlength))
    same(da.bincount(d, weights=weights, minlength=minlength), np.bincount(x, weights=weights, minlength=minlength))
    with pytest.raises(ValueError):
        da.bincount(d, weights=[1])


@pytest.mark.parametrize("density", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_histograms(density, weighted, x, d):
    w = np.linspace(0.5, 2, x.size).reshape(x.shape) if weighted else None
    for options in ({"bins": 5, "range": (0, 9)}, {"bins": [0, 2, 5, 9]}):
        lazy = da.histogram(d, weights=w, density=density, **options)
        plain = np.histogram(x, weights=w, density=density, **options)
        same(lazy[0], plain[0])
        np.testing.assert_array_equal(lazy[1], plain[1])
    lazy, edges = da.histogram(d, bins=4, range=[d.min(), d.max()], weights=w, density=density)
    plain = np.histogram(x, bins=4, weights=w, density=density)
    same(lazy, plain[0])
    same(edges, plain[1])


def test_bad_histograms(d):
    for options in ({}, {"bins": 5}, {"bins": 5, "range": 3}, {"bins": 5, "range": (1, 2, 3)}, {"bins": [[1, 2]]}):
        with pytest.raises((ValueError, TypeError), match="bins|range"):
            da.histogram(d, **options)
    with pytest.raises(NotImplementedError):
        da.histogram(d, bins=da.asarray(3), range=(0, 1), density=True)
    with pytest.raises(ValueError):
        da.histogramdd(da.ones(5), bins=2, range=((0, 1),))
    with pytest.raises(ValueError):
        da.histogramdd(d, bins=2, range=((0, 1),) * 7)
    with pytest.raises(TypeError, match="normed"):
        da.histogramdd((d[0],), bins=2, range=((0, 1),), normed=True, density=True)


def test_histograms_of_points():
    points = np.random.default_rng(4).random((50, 3))
    d = da.from_array(points, chunks=(20, 3))
    w = np.linspace(1, 2, 50)
    for options in (
        {"bins": (2, 3, 4), "range": ((0, 1),) * 3},
        {"bins": [[0, 0.5, 1], [0, 0.1, 1], [0, 0.3, 0.7, 1]]},
    ):
        lazy, edges = da.histogramdd(d, weights=da.from_array(w, chunks=20), density=True, **options)
        plain, expected = np.histogramdd(points, weights=w, density=True, **options)
        same(lazy, plain)
        for one, other in zip(edges, expected):
            np.testing.assert_allclose(one, other)
    lazy, *edges = da.histogram2d(d[:, 0], d[:, 1], bins=4, range=((0, 1), (0, 1)))
    assert [each.compute().tolist() for each in edges] == [[0, 0.25, 0.5, 0.75, 1]] * 2
    same(lazy, np.histogram2d(points[:, 0], points[:, 1], bins=4, range=((0, 1), (0, 1)))[0])


# --- differences and averages ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("chunks", [1, 3, (4, 2)], ids=str)
def test_diff(n, axis, chunks, x):
    d = da.from_array(x, chunks=chunks)
    same(da.diff(d, n, axis), np.diff(x, n, axis))
    same(da.diff(d, n, axis, prepend=0, append=9), np.diff(x, n, axis, prepend=0, append=9) if n else x)
    same(da.diff(d > 4, n, axis), np.diff(x > 4, n, axis))


def test_other_differences(x, d):
    with pytest.raises(ValueError):
        da.diff(d, -1)
    same(da.ediff1d(d, to_end=[1, 2], to_begin=5), np.ediff1d(x, to_end=[1, 2], to_begin=5))


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("chunks", [1, 3, 5])
def test_gradient(edge_order, chunks, x):
    d = da.from_array(x, chunks=chunks)
    spacing = np.array([0, 1, 3, 4, 7, 8, 10.0])
    same(da.gradient(d, spacing, axis=1, edge_order=edge_order), np.gradient(x, spacing, axis=1, edge_order=edge_order))
    for lazy, plain in zip(da.gradient(d, 2.0, edge_order=edge_order), np.gradient(x, 2.0, edge_order=edge_order)):
        same(lazy, plain)
    with pytest.raises(ValueError):
        da.gradient(d, axis=(0, 0))
    with pytest.raises(ValueError):
        da.gradient(da.ones(2), edge_order=2)


@pytest.mark.parametrize("decimals", [-1, 0, 2])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "c16"])
def test_round(decimals, dtype):
    x = np.array([12.345, -0.5, 1.5, 2.5, 99.995]).astype(dtype)
    result = da.round(da.from_array(x, chunks=2), decimals)
    assert result.dtype == x.dtype
    np.testing.assert_allclose(result.compute(), np.round(x, decimals), rtol=1e-6)


def test_covariances(x, d):
    same(da.cov(d), np.cov(x))
    same(da.cov(d, rowvar=False, bias=True), np.cov(x, rowvar=False, bias=True))
    same(da.cov(d[0], d[1]), np.cov(x[0], x[1]))
    f, a = np.arange(1, 8), np.linspace(1, 2, 7)
    same(da.cov(d, fweights=f, aweights=a), np.cov(x, fweights=f, aweights=a))
    same(da.corrcoef(d), np.corrcoef(x))
    with pytest.raises(ValueError):
        da.cov(d, ddof=1.5)
    with pytest.raises(RuntimeError):
        da.cov(d, aweights=[1, 2])


# --- coarsening and functions along axes ----------------------------------------------------------------------------
@pytest.mark.parametrize("chunks", [2, 5, (7, 3)], ids=str)
def test_coarsen(chunks):
    x = np.arange(12 * 9.0).reshape(12, 9)
    d = da.from_array(x, chunks=chunks)
    same(da.coarsen(np.mean, d, {0: 3, 1: 3}), x.reshape(4, 3, 3, 3).mean(axis=(1, 3)))
    same(da.coarsen(da.sum, d, {0: 5}, trim_excess=True), x[:10].reshape(2, 5, 9).sum(axis=1))
    with pytest.raises(ValueError):
        da.coarsen(np.sum, d, {0: 5})


@pytest.mark.parametrize("chunks", [(20, 10, 15, 23, 24), (2, 10, 15, 47, 23, 24), (1, 1, 1), (7,), (8, 8)])
@pytest.mark.parametrize("multiple", [1, 2, 4, 10])
def test_aligned_chunks(chunks, multiple):
    aligned = aligned_coarsen_chunks(chunks, multiple)
    assert sum(aligned) == sum(chunks)
    assert all(size % multiple == 0 for size in aligned[:-1])
    assert 0 not in aligned


def test_functions_along_axes(x, d):
    same(da.apply_along_axis(np.sort, 0, d, dtype=float, shape=(6,)), np.apply_along_axis(np.sort, 0, x))
    same(
        da.apply_along_axis(lambda v, k: [v.sum(), k], 1, d, 3), np.apply_along_axis(lambda v, k: [v.sum(), k], 1, x, 3)
    )
    same(da.apply_over_axes(da.sum, d, [0, 1]), np.apply_over_axes(np.sum, x, [0, 1]))


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: m.sum(x, axis=0), lambda m, x: m.concatenate([x, x]), lambda m, x: m.stack([x, x]),
        lambda m, x: m.where(x > 2, x, 0), lambda m, x: m.tensordot(x, x.T, 1), lambda m, x: m.einsum("ij->j", x),
        lambda m, x: m.clip(x, 1, 3), lambda m, x: m.diff(x), lambda m, x: m.roll(x, 1), lambda m, x: m.pad(x, 1),
        lambda m, x: m.transpose(x), lambda m, x: m.mean(x), lambda m, x: m.tile(x, 2),
        lambda m, x: m.moveaxis(x, 0, 1),
    ],
)  # fmt: skip
def test_numpys_functions_stay_lazy(function, x, d):
    same(function(np, d), function(np, x))
