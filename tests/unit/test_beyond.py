"""NumPy's names that Dask lacks, against NumPy's own functions."""

import numpy as np
import pytest

import raskr.array as da


def same(lazy, expected):
    if isinstance(expected, (list, tuple)):
        assert len(lazy) == len(expected)
        for one, other in zip(lazy, expected):
            same(one, other)
        return
    value = lazy.compute() if isinstance(lazy, da.Array) else lazy
    assert np.asarray(value).dtype == np.asarray(expected).dtype
    assert np.shape(value) == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


X = np.random.default_rng(0).integers(1, 9, (4, 6)).astype(float)
LINE = np.array([3.0, 1, 4, 1, 5, 9, 2, 6])
CALLS = {
    "amax": lambda m, x, v: m.amax(x, axis=0),
    "amin": lambda m, x, v: m.amin(x, axis=0),
    "sort": lambda m, x, v: m.sort(x, axis=0),
    "sort flat": lambda m, x, v: m.sort(x, axis=None),
    "argsort": lambda m, x, v: m.argsort(v, kind="stable"),
    "take_along_axis": lambda m, x, v: m.take_along_axis(x, m.argsort(x, axis=1, kind="stable")[:, :2], axis=1),
    "take_along_axis 0": lambda m, x, v: m.take_along_axis(x, m.argsort(x, axis=0, kind="stable"), axis=0),
    "size": lambda m, x, v: m.size(x, 1),
    "isrealobj": lambda m, x, v: m.isrealobj(x),
    "array_equal": lambda m, x, v: m.array_equal(x, x + 0),
    "array_equal shapes": lambda m, x, v: m.array_equal(x, v),
    "array_equal nan": lambda m, x, v: m.array_equal(x / x * np.nan, x / x * np.nan, equal_nan=True),
    "array_equiv": lambda m, x, v: m.array_equiv(x, x[:1]),
    "array_equiv shapes": lambda m, x, v: m.array_equiv(x, v),
    "copy": lambda m, x, v: m.copy(x),
    "array_split": lambda m, x, v: m.array_split(v, 3),
    "array_split at": lambda m, x, v: m.array_split(x, [1, 5], axis=1),
    "split": lambda m, x, v: m.split(x, 2),
    "hsplit": lambda m, x, v: m.hsplit(x, 3),
    "vsplit": lambda m, x, v: m.vsplit(x, [1]),
    "dsplit": lambda m, x, v: m.dsplit(m.expand_dims(x, 0), 2),
    "column_stack": lambda m, x, v: m.column_stack([x[0], x.T]),
    "concat": lambda m, x, v: m.concatenate([x, x]),
    "logspace": lambda m, x, v: m.logspace(0, 2, 7, endpoint=False),
    "geomspace": lambda m, x, v: m.geomspace(-1, -50, 5),
    "vander": lambda m, x, v: m.vander(v, 3),
    "vander increasing": lambda m, x, v: m.vander(v, 3, increasing=True),
    "diagflat": lambda m, x, v: m.diagflat(v, 1),
    "diag_indices": lambda m, x, v: m.diag_indices(3),
    "inner": lambda m, x, v: m.inner(x, x),
    "kron": lambda m, x, v: m.kron(x, v),
    "cross": lambda m, x, v: m.cross(x[:, :3], x[:, 3:]),
    "trapezoid": lambda m, x, v: m.trapezoid(x, dx=0.5, axis=0),
    "trapezoid at": lambda m, x, v: m.trapezoid(v, m.cumsum(v, axis=0)),
    "polyval": lambda m, x, v: m.polyval([2.0, 0, -1], x),
    "interp": lambda m, x, v: m.interp(x, np.array([0.0, 3, 9]), np.array([1.0, 2, 0]), left=-1),
    "intersect1d": lambda m, x, v: m.intersect1d(x, v),
    "setdiff1d": lambda m, x, v: m.setdiff1d(x, v),
    "setxor1d": lambda m, x, v: m.setxor1d(x, v),
}


@pytest.mark.parametrize("name", CALLS)
def test_like_numpy(name):
    lazy = CALLS[name](da, da.from_array(X, chunks=(3, 2)), da.from_array(LINE, chunks=3))
    same(lazy, CALLS[name](np, X, LINE))


def test_partitions():
    d = da.from_array(LINE, chunks=3)
    assert da.partition(d, 3).compute()[3] == np.sort(LINE)[3]
    assert LINE[da.argpartition(d, 3).compute()[3]] == np.sort(LINE)[3]


def test_newer_names():
    d = da.from_array(X, chunks=(3, 2))
    same(da.cumulative_sum(d, axis=1, include_initial=True), np.pad(X.cumsum(axis=1), ((0, 0), (1, 0))))
    same(da.cumulative_prod(d[0]), X[0].cumprod())
    same(da.vecdot(d, d, axis=0), (X * X).sum(axis=0))
    same(da.matvec(d, d[0]), X @ X[0])
    same(da.vecmat(d[:, 0], d), X[:, 0] @ X)
    same(da.matrix_transpose(d), X.T)
    same(da.permute_dims(d, (1, 0)), X.T)
    same(da.astype(d, "i4"), X.astype("i4"))
    same(da.unstack(d, axis=1), [X[:, n] for n in range(6)])
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        found = getattr(da, name)(da.from_array(LINE, chunks=3))
        expected = getattr(np, name)(LINE)
        assert found._fields == expected._fields
        same(found, tuple(expected))


@pytest.mark.parametrize(
    "call",
    [
        lambda d: da.split(d, 3), lambda d: da.vsplit(d[0], 2), lambda d: da.array_split(d, 0), lambda d: da.cross(d, d),
        lambda d: da.vander(d), lambda d: da.geomspace(0, 1), lambda d: da.matrix_transpose(d[0]),
        lambda d: da.cumulative_sum(d), lambda d: da.take_along_axis(d, [0], axis=0),
    ],
)  # fmt: skip
def test_bad_arguments(call):
    with pytest.raises(ValueError):
        call(da.from_array(X, chunks=2))


def test_scalars():
    assert da.isscalar(2.5) and not da.isscalar(da.asarray(2.5))
