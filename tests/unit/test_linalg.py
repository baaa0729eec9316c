"""Factorisations and systems: they multiply back, agree with NumPy's, and refuse what they can't do."""

import numpy as np
import pytest

import raskr.array as da

scipy_linalg = pytest.importorskip("scipy.linalg")


def matrix(m, n, dtype=float, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(m, n))
    return (x + 1j * rng.normal(size=(m, n)) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def close(lazy, expected):
    value = lazy.compute()
    assert lazy.dtype == np.asarray(value).dtype
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-4 if lazy.dtype in ("f4", "c8") else 1e-9)


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((20, 5), (6, 5)),
        ((20, 5), (3, 5)),
        ((5, 20), (5, 7)),
        ((6, 6), (6, 6)),
        ((4, 9), (4, 9)),
        ((9, 4), ((4, 0, 5), 4)),
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
def test_qr_and_svd(shape, chunks, dtype):
    x = matrix(*shape, dtype)
    d = da.from_array(x, chunks=chunks)
    q, r = da.linalg.qr(d)
    k = min(shape)
    assert (q.shape, r.shape) == ((shape[0], k), (k, shape[1]))
    close(q @ r, x)
    close(q.T.conj() @ q, np.eye(k))
    close(r, np.triu(r.compute()))
    u, s, v = da.linalg.svd(d)
    close((u * s) @ v, x)
    close(s, np.linalg.svd(x, compute_uv=False))
    assert u.dtype == v.dtype == x.dtype and s.dtype == x.real.dtype


def test_rows_of_unknown_number():
    x = matrix(30, 4)
    d = da.from_array(x, chunks=(8, 4))
    q, r = da.linalg.tsqr(d[d[:, 0] > 0])
    np.testing.assert_allclose(q.compute() @ r.compute(), x[x[:, 0] > 0], atol=1e-12)


def test_what_factorisations_refuse():
    grid = da.ones((4, 4), chunks=2)
    with pytest.raises(NotImplementedError):
        da.linalg.qr(grid)
    with pytest.raises(NotImplementedError):
        da.linalg.svd(grid)
    with pytest.raises(NotImplementedError):
        da.linalg.svd(da.ones((4, 4)), full_matrices=True)
    for function in (da.linalg.tsqr, da.linalg.sfqr, da.linalg.qr, da.linalg.svd):
        with pytest.raises(ValueError, match="2D"):
            function(da.ones(4))
    with pytest.raises(ValueError):
        da.linalg.tsqr(da.ones((4, 4), chunks=(4, 2)))
    with pytest.raises(ValueError):
        da.linalg.sfqr(da.ones((4, 4), chunks=(2, 4)))
    for shape, chunks in (((4, 3), 2), ((4, 4), (2, 3))):
        with pytest.raises(ValueError):
            da.linalg.lu(da.ones(shape, chunks=chunks))
    with pytest.raises(ValueError):
        da.linalg.solve(grid, da.ones(4, chunks=2), assume_a="odd")
    with pytest.raises(ValueError):
        da.linalg.solve_triangular(grid, da.ones(4, chunks=3))


@pytest.mark.parametrize("iterator", ["power", "QR"])
@pytest.mark.parametrize("compute", [False, True])
def test_compressed_svd(iterator, compute):
    x = matrix(40, 5) @ matrix(5, 30, seed=1)
    options = {"iterator": iterator, "n_power_iter": 1, "seed": 3, "compute": compute}
    u, s, v = da.linalg.svd_compressed(da.from_array(x, chunks=(15, 10)), 5, **options)
    close((u * s) @ v, x)
    again = da.linalg.svd_compressed(da.from_array(x, chunks=(15, 10)), 5, **options)[1]
    np.testing.assert_array_equal(s.compute(), again.compute())
    with pytest.raises(ValueError):
        da.linalg.compression_matrix(da.ones((4, 4)), 2, iterator="other")


@pytest.mark.parametrize("chunks", [10, 5, 3])
@pytest.mark.parametrize("dtype", ["f8", "i8", "c16"])
def test_lu_solves_and_inverses(chunks, dtype):
    x = (matrix(10, 10, dtype if dtype != "i8" else float) * 10).astype(dtype)
    d = da.from_array(x, chunks=chunks)
    p, lower, upper = da.linalg.lu(d)
    for lazy, plain in zip((p, lower, upper), scipy_linalg.lu(x)):
        close(lazy, plain)
    b = matrix(10, 3, seed=2)
    close(da.linalg.solve(d, da.from_array(b, chunks=(4, 2))), np.linalg.solve(x, b))
    close(da.linalg.solve(d, da.from_array(b[:, 0], chunks=4)), np.linalg.solve(x, b[:, 0]))
    close(da.linalg.inv(d), np.linalg.inv(x))


@pytest.mark.parametrize("chunks", [9, 4, 2])
@pytest.mark.parametrize("dtype", ["f8", "c16"])
def test_cholesky(chunks, dtype):
    x = matrix(9, 9, dtype)
    x = x @ x.T.conj() + 9 * np.eye(9)
    d = da.from_array(x, chunks=chunks)
    close(da.linalg.cholesky(d, lower=True), np.linalg.cholesky(x))
    close(da.linalg.cholesky(d), np.linalg.cholesky(x).T.conj())
    b = matrix(9, 2, seed=1)
    close(da.linalg.solve(d, da.from_array(b, chunks=3), assume_a="pos"), np.linalg.solve(x, b))
    with pytest.raises(np.linalg.LinAlgError):
        da.linalg.cholesky(da.from_array(-np.eye(4), chunks=2)).compute()


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("columns", [None, 3])
def test_triangles(lower, columns):
    x = matrix(8, 8) + 8 * np.eye(8)
    x = np.tril(x) if lower else np.triu(x)
    b = matrix(8, columns or 1, seed=1)
    b = b if columns else b[:, 0]
    lazy = da.linalg.solve_triangular(da.from_array(x, chunks=3), da.from_array(b, chunks=3), lower=lower)
    close(lazy, np.linalg.solve(x, b))


@pytest.mark.parametrize("columns", [None, 2])
def test_least_squares(columns):
    x = matrix(20, 4)
    b = matrix(20, columns or 1, seed=1)
    b = b if columns else b[:, 0]
    lazy = da.linalg.lstsq(da.from_array(x, chunks=(6, 4)), da.from_array(b, chunks=6))
    plain = np.linalg.lstsq(x, b, rcond=None)
    for one, other in zip(lazy[:2] + lazy[3:], plain[:2] + plain[3:]):
        close(one, other)
    assert lazy[2].compute() == plain[2]


@pytest.mark.parametrize("ord", [None, 1, -1, 2, -2, np.inf, -np.inf, "fro", "nuc", 3, 0])
@pytest.mark.parametrize("keepdims", [True, False])
def test_norms(ord, keepdims):
    x = matrix(6, 4)
    d = da.from_array(x, chunks=(4, 4))
    if ord not in (3, 0):
        close(da.linalg.norm(d, ord, keepdims=keepdims), np.linalg.norm(x, ord, (0, 1), keepdims=keepdims))
    if not isinstance(ord, str):
        close(da.linalg.norm(d, ord, axis=1, keepdims=keepdims), np.linalg.norm(x, ord, axis=1, keepdims=keepdims))
    with pytest.raises(ValueError):
        da.linalg.norm(d, "other")
    with pytest.raises(NotImplementedError):
        da.linalg.norm(da.ones((2, 2, 2)), "nuc", axis=(0, 1))


# --- names that Dask lacks ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("chunks", [5, 2])
@pytest.mark.parametrize("dtype", ["f8", "c16"])
def test_determinants(chunks, dtype):
    for seed in range(4):
        x = matrix(5, 5, dtype, seed)
        d = da.from_array(x, chunks=chunks)
        close(da.linalg.det(d), np.linalg.det(x))
        for lazy, plain in zip(da.linalg.slogdet(d), np.linalg.slogdet(x)):
            close(lazy, plain)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_ranks_and_inverses_of_any_matrix(shape):
    x = matrix(*shape)
    x[:, 1] = x[:, 0]
    d = da.from_array(x, chunks=(3, shape[1]))
    assert da.linalg.matrix_rank(d).compute() == np.linalg.matrix_rank(x)
    close(da.linalg.pinv(d), np.linalg.pinv(x))
    close(da.linalg.svdvals(d), np.linalg.svdvals(x))
    close(da.linalg.cond(d[:, 2:]), np.linalg.cond(x[:, 2:]))


def test_powers_and_chains():
    x = matrix(4, 4)
    d = da.from_array(x, chunks=2)
    for n in (-2, 0, 1, 5):
        close(da.linalg.matrix_power(d, n), np.linalg.matrix_power(x, n))
    parts = [matrix(n, m) for n, m in ((3, 9), (9, 2), (2, 7), (7, 4))]
    close(da.linalg.multi_dot([da.from_array(p, chunks=2) for p in parts]), np.linalg.multi_dot(parts))
    close(da.linalg.multi_dot([parts[0][0], *parts[1:]]), np.linalg.multi_dot([parts[0][0], *parts[1:]]))
    with pytest.raises(ValueError):
        da.linalg.multi_dot([d])
    with pytest.raises(ValueError):
        da.linalg.matrix_power(d[:2], 2)


@pytest.mark.parametrize("ord", [0, 1, 2, 3, np.inf, -np.inf])
def test_norms_of_vectors_and_matrices(ord):
    x = matrix(4, 6)
    d = da.from_array(x, chunks=3)
    close(da.linalg.vector_norm(d, ord=ord), np.linalg.vector_norm(x, ord=ord))
    close(
        da.linalg.vector_norm(d, axis=1, keepdims=True, ord=ord),
        np.linalg.vector_norm(x, axis=1, keepdims=True, ord=ord),
    )
    close(da.linalg.matrix_norm(d), np.linalg.matrix_norm(x))
