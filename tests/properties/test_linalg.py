"""Linear algebra has the properties that define it, for any shape, cut and element type, and NumPy's results."""

import numpy as np
import pytest
from drawing import cuts
from hypothesis import given
from hypothesis import strategies as st

import raskr.array as da

DTYPES = ["f4", "f8", "c8", "c16", "i4"]


def numbers(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 3
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def agree(lazy, expected, scale=1.0):
    value = np.asarray(lazy.compute())
    expected = np.asarray(expected)
    assert lazy.shape == value.shape == expected.shape
    assert lazy.dtype == value.dtype
    single = any(np.dtype(dtype) in ("f4", "c8") for dtype in (value.dtype, expected.dtype))
    limit = scale * (2e-3 if single else 1e-8) * max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(value, expected, rtol=0, atol=limit)


@st.composite
def matrices(draw, tall=False):
    """A matrix that is cut along one axis."""
    m, n = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    x = numbers((m, n), draw(st.sampled_from(DTYPES)), draw(st.integers(0, 99)))
    if not tall and draw(st.booleans()):
        x = x.T
    kind = draw(st.sampled_from([0, 1] if not tall else [0]))
    own = draw(cuts(x.shape))
    chunks = (own[0], (x.shape[1],)) if kind == 0 else ((x.shape[0],), (x.shape[1],))
    return x, chunks


@given(matrices())
def test_qr(drawn):
    x, chunks = drawn
    d = da.from_array(x, chunks=chunks)
    q, r = da.linalg.qr(d)
    expected = np.linalg.qr(x)
    assert (q.shape, r.shape, q.dtype, r.dtype) == tuple(
        [expected[0].shape, expected[1].shape, expected[0].dtype, expected[1].dtype]
    )
    agree(q @ r, x)
    agree(q.T.conj() @ q, np.eye(min(x.shape)))
    alone = r.compute()
    np.testing.assert_array_equal(np.tril(alone, -1), 0)
    # Asked for alone, or with Q, R is the same.
    np.testing.assert_array_equal(da.compute(q, r)[1], alone)
    if len(chunks[0]) == 1:
        agree(q, expected[0])
        agree(r, expected[1])


@given(matrices())
def test_svd(drawn):
    x, chunks = drawn
    d = da.from_array(x, chunks=chunks)
    u, s, v = da.linalg.svd(d)
    agree((u * s) @ v, x)
    agree(s, np.linalg.svd(x, compute_uv=False))
    agree(u.T.conj() @ u, np.eye(min(x.shape)))
    agree(v @ v.T.conj(), np.eye(min(x.shape)))


@st.composite
def systems(draw):
    """A well-conditioned matrix with the same cuts along both axes, and right sides."""
    n = draw(st.integers(1, 12))
    dtype = draw(st.sampled_from(DTYPES))
    x = numbers((n, n), dtype, draw(st.integers(0, 99)))
    x = (x + 20 * np.eye(n)).astype(dtype)
    own = draw(cuts((n,)))[0]
    b = numbers((n, draw(st.integers(1, 4))), dtype, 5)
    return x, (own, own), b


@given(systems(), st.booleans())
def test_systems(drawn, line):
    x, chunks, b = drawn
    b = b[:, 0] if line else b
    d = da.from_array(x, chunks=chunks)
    right = da.from_array(b, chunks=(chunks[0], *([b.shape[1]] if b.ndim > 1 else [])))
    p, lower, upper = da.linalg.lu(d)
    agree(p @ lower @ upper, x)
    agree(da.linalg.solve(d, right), np.linalg.solve(x, b))
    agree(da.linalg.inv(d), np.linalg.inv(x))
    agree(da.linalg.det(d), np.linalg.det(x), scale=10)
    left = np.tril(x)
    agree(da.linalg.solve_triangular(da.tril(d), right, lower=True), np.linalg.solve(left, b))
    agree(da.linalg.solve_triangular(da.triu(d), right), np.linalg.solve(np.triu(x), b))
    definite = (x.astype(np.result_type(x, "f4")) @ x.T.conj()) / 20
    factor = np.linalg.cholesky(definite)
    agree(da.linalg.cholesky(da.from_array(definite, chunks=chunks), lower=True), factor)
    agree(da.linalg.cholesky(da.from_array(definite, chunks=chunks)), factor.T.conj())


STACKED = ["det", "inv", "pinv", "svdvals", "eigvalsh", "cond", "matrix_rank", "matrix_norm", "trace", "diagonal"]


@given(
    st.sampled_from(STACKED),
    st.lists(st.integers(1, 4), max_size=2),
    st.integers(1, 4),
    st.sampled_from(DTYPES),
    st.data(),
)
def test_stacks_of_matrices(name, lead, n, dtype, data):
    shape = (*lead, n, n)
    x = (numbers(shape, dtype, data.draw(st.integers(0, 99))) + 20 * np.eye(n)).astype(dtype)
    own = data.draw(cuts((n,)))[0]
    chunks = (*data.draw(cuts(tuple(lead))), own, own)
    if name in ("svdvals", "pinv", "cond", "matrix_rank"):
        chunks = (*chunks[:-1], (n,))
    result = getattr(da.linalg, name)(da.from_array(x, chunks=chunks))
    agree(result, getattr(np.linalg, name)(x), scale=10)


@given(st.integers(1, 5), st.integers(-2, 4), st.lists(st.integers(1, 3), max_size=1))
def test_powers_of_stacks(n, power, lead):
    x = numbers((*lead, n, n), "f8", 3) + 9 * np.eye(n)
    agree(da.linalg.matrix_power(da.from_array(x, chunks=-1), power), np.linalg.matrix_power(x, power))


@given(st.integers(1, 6), st.lists(st.integers(1, 4), max_size=1), st.sampled_from(DTYPES), st.data())
def test_eigenvalues(n, lead, dtype, data):
    x = numbers((*lead, n, n), dtype, data.draw(st.integers(0, 99)))
    d = da.from_array(x, chunks=data.draw(cuts(x.shape)))
    wide = x.astype(np.result_type(x, "c8"))
    values, vectors = da.linalg.eig(d)
    assert values.dtype.kind == vectors.dtype.kind == "c"
    value, vector = da.compute(values, vectors)
    scale = max(1.0, np.abs(x).max()) * (1e-3 if value.dtype == "c8" else 1e-8)
    np.testing.assert_allclose(wide @ vector, vector * value[..., None, :], atol=scale)
    np.testing.assert_allclose(
        np.sort_complex(da.linalg.eigvals(d).compute().round(2)), np.sort_complex(value.round(2)), atol=0.05
    )
    hermitian = x + np.swapaxes(x.conj(), -1, -2)
    h = da.from_array(hermitian, chunks=data.draw(cuts(x.shape)))
    for uplo in "LU":
        values, vectors = da.linalg.eigh(h, UPLO=uplo)
        agree(values, np.linalg.eigh(hermitian, UPLO=uplo)[0])
        agree((vectors * values[..., None, :]) @ da.linalg.matrix_transpose(vectors).conj(), hermitian)


def test_tensors():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 6)), rng.normal(size=(2, 3))
    d = da.from_array(a, chunks=2)
    agree(da.linalg.tensorinv(d, ind=2), np.linalg.tensorinv(a, ind=2))
    agree(da.linalg.tensorsolve(d, da.from_array(b, chunks=1)), np.linalg.tensorsolve(a, b))
    a = rng.normal(size=(2, 6, 3))
    agree(
        da.linalg.tensorsolve(da.from_array(a, chunks=2), da.from_array(b, chunks=1), axes=(1,)),
        np.linalg.tensorsolve(a, b, axes=(1,)),
    )
    with pytest.raises(np.linalg.LinAlgError):
        da.linalg.tensorinv(da.ones((2, 3, 5)), ind=2)
    with pytest.raises(np.linalg.LinAlgError):
        da.linalg.tensorsolve(da.ones((2, 3, 5)), da.ones((2, 3)))


def test_what_is_too_large_is_not_gathered_unasked():
    large = da.ones((20_000, 20_000), chunks=5_000)
    with pytest.raises(NotImplementedError, match=r"2\.98 GiB.*rechunk"):
        da.linalg.eigh(large)
    assert da.linalg.eigvalsh(large.rechunk(-1)).shape == (20_000,)
    with pytest.raises(np.linalg.LinAlgError):
        da.linalg.eig(da.ones((2, 3)))
    with pytest.raises(ValueError, match="UPLO"):
        da.linalg.eigh(da.ones((2, 2)), UPLO="X")
    with pytest.raises(ValueError, match="one-dimensional"):
        da.linalg.outer(da.ones((2, 2)), da.ones(2))


def test_errors_are_numpys():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        da.linalg.cholesky(da.asarray([[1.0, 2.0], [2.0, 1.0]])).compute()
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        da.linalg.inv(da.zeros((2, 2))).compute()
    with pytest.raises(np.linalg.LinAlgError, match="converge"):
        da.linalg.svd(da.asarray([[np.nan, 1.0], [1.0, 1.0]]))[1].compute()
    assert da.linalg.det(da.ones((3, 3))).compute() == 0


def tasks_of(lazy):
    return [task[0] for task in dict(lazy.__dask_graph__()).values() if isinstance(task, tuple)]


def test_only_r_needs_no_reflections():
    q, r = da.linalg.qr(da.from_array(np.ones((40, 3)), chunks=(10, 3)))
    alone = tasks_of(r)
    assert "qr-triangle" in {task.name for task in alone} and all(task.native for task in alone)
    assert not {"qr-q", "qr-block", "qr-stack"} & {task.name for task in alone}
    both = {task.name for task in tasks_of(da.concatenate([q, r]))}
    assert {"qr-q", "qr-block", "qr-stack"} <= both and "qr-triangle" not in both
