"""The standard's extensions, linear algebra and Fourier transforms, against array-api-strict."""

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raskr.array import array_api as xp

from .standard_cases import COMPLEX, FLOAT, NUMERIC, cut, pairs, same, to_numpy, values

few = settings(max_examples=15, deadline=None)
INEXACT = FLOAT + COMPLEX
CLOSE = 1e-3  # of single precision, on matrices of some condition


def test_every_name_is_there():
    for extension in ("linalg", "fft"):
        names = getattr(strict, extension).__all__
        assert [name for name in names if not hasattr(getattr(xp, extension), name)] == []


@st.composite
def stacks(draw, dtypes=INEXACT, square=False, small=True):
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    shape = (rows, rows if square else columns)
    shape = draw(st.sampled_from([shape, (2, *shape)]))
    return draw(pairs(dtypes, shape, small))


@st.composite
def well_conditioned(draw, symmetric=False):
    """Pairs of square matrices that can be inverted safely; symmetric ones are positive definite."""
    array = draw(values(INEXACT, st.integers(1, 4).flatmap(lambda n: st.sampled_from([(n, n), (2, n, n)])), small=True))
    array = array / 8
    if symmetric:
        array = array @ np.conj(np.swapaxes(array, -1, -2))
    array = (array + np.eye(array.shape[-1], dtype=array.dtype) * 6).astype(array.dtype)
    return strict.asarray(array), draw(cut(array))


@few
@given(well_conditioned())
def test_square_matrices(pair):
    theirs, ours = pair
    for name in ("inv", "det", "slogdet", "pinv"):
        same(getattr(xp.linalg, name)(ours), getattr(strict.linalg, name)(theirs), rtol=CLOSE)
    for n in (-1, 0, 3):
        same(xp.linalg.matrix_power(ours, n), strict.linalg.matrix_power(theirs, n), rtol=CLOSE * 300)
    same(xp.linalg.solve(ours, ours), strict.linalg.solve(theirs, theirs), rtol=CLOSE)
    same(xp.linalg.solve(ours, ours[..., 0, :] if ours.ndim == 2 else ours[0, 0]), strict.linalg.solve(theirs, theirs[..., 0, :] if theirs.ndim == 2 else theirs[0, 0, :]), rtol=CLOSE)  # fmt: skip


@few
@given(well_conditioned(symmetric=True))
def test_symmetric_matrices(pair):
    theirs, ours = pair
    for upper in (False, True):
        same(xp.linalg.cholesky(ours, upper=upper), strict.linalg.cholesky(theirs, upper=upper), rtol=CLOSE)
    same(xp.linalg.eigvalsh(ours), strict.linalg.eigvalsh(theirs), rtol=CLOSE)
    found = xp.linalg.eigh(ours)
    same(found.eigenvalues, strict.linalg.eigvalsh(theirs), rtol=CLOSE)
    vectors = to_numpy(found.eigenvectors)
    again = vectors * to_numpy(found.eigenvalues)[..., np.newaxis, :] @ np.conj(np.swapaxes(vectors, -1, -2))
    np.testing.assert_allclose(again, to_numpy(theirs), rtol=CLOSE, atol=CLOSE)


@few
@given(pair=stacks(), mode=st.sampled_from(["reduced", "complete"]), full=st.booleans())
def test_factors(pair, mode, full):
    theirs, ours = pair
    q, r = xp.linalg.qr(ours, mode=mode)
    for got, wanted in zip((q, r), strict.linalg.qr(theirs, mode=mode)):
        assert got.shape == wanted.shape and got.dtype == to_numpy(wanted).dtype
    np.testing.assert_allclose((q @ r).compute(), to_numpy(theirs), rtol=CLOSE, atol=CLOSE)
    parts, wanted = xp.linalg.svd(ours, full_matrices=full), strict.linalg.svd(theirs, full_matrices=full)
    assert [part.shape for part in parts] == [part.shape for part in wanted]
    same(parts.S, wanted.S, rtol=CLOSE)
    same(xp.linalg.svdvals(ours), wanted.S, rtol=CLOSE)
    k = parts.S.shape[-1]
    again = (parts.U[..., :k] * parts.S[..., np.newaxis, :]) @ parts.Vh[..., :k, :]
    np.testing.assert_allclose(again.compute(), to_numpy(theirs), rtol=CLOSE, atol=CLOSE)


@few
@given(pair=stacks(), keepdims=st.booleans())
def test_norms(pair, keepdims):
    theirs, ours = pair
    for ord in ("fro", "nuc", 1, 2, np.inf, -1, -2, -np.inf):
        options = {"ord": ord, "keepdims": keepdims}
        same(xp.linalg.matrix_norm(ours, **options), strict.linalg.matrix_norm(theirs, **options), rtol=CLOSE)
    for ord in (0, 1, 2, 3.5, np.inf, -np.inf):
        for axis in (None, -1, (0, 1)):
            options = {"ord": ord, "keepdims": keepdims, "axis": axis}
            same(xp.linalg.vector_norm(ours, **options), strict.linalg.vector_norm(theirs, **options), rtol=CLOSE)


def test_rank():
    array = np.array([np.eye(3), np.ones((3, 3)), np.zeros((3, 3))])
    for rtol in (None, 0.5):
        same(xp.linalg.matrix_rank(xp.asarray(array), rtol=rtol), strict.linalg.matrix_rank(strict.asarray(array), rtol=rtol))  # fmt: skip


@few
@given(pair=stacks(NUMERIC), offset=st.integers(-3, 3))
def test_diagonals_and_vectors(pair, offset):
    theirs, ours = pair
    same(xp.linalg.diagonal(ours, offset=offset), strict.linalg.diagonal(theirs, offset=offset))
    same(xp.linalg.trace(ours, offset=offset), strict.linalg.trace(theirs, offset=offset), rtol=CLOSE)
    line, their_line = xp.reshape(ours, (-1,)), strict.reshape(theirs, (-1,))
    same(xp.linalg.outer(line, line), strict.linalg.outer(their_line, their_line))
    for name in ("matmul", "matrix_transpose", "tensordot", "vecdot"):
        assert getattr(xp.linalg, name) is getattr(xp, name)


@few
@given(data=st.data())
def test_cross(data):
    axis = data.draw(st.sampled_from([-2, -1]))
    (theirs, ours), (their_other, our_other) = (data.draw(pairs(["float64"], (3, 3), small=True)) for _ in range(2))
    same(xp.linalg.cross(ours, our_other, axis=axis), strict.linalg.cross(theirs, their_other, axis=axis))
    with pytest.raises(ValueError, match="3 elements"):
        xp.linalg.cross(ours[:, :2], our_other[:, :2])


def test_wrong_shapes():
    for name in ("cholesky", "det", "eigh", "inv", "matrix_power", "slogdet"):
        arguments = (2,) if name == "matrix_power" else ()
        with pytest.raises(np.linalg.LinAlgError, match="one length"):
            getattr(xp.linalg, name)(xp.ones((2, 3)), *arguments)
    with pytest.raises(np.linalg.LinAlgError, match="matrix"):
        xp.linalg.svd(xp.ones(3))


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@few
@given(data=st.data())
def test_transform_along_an_axis(name, data):
    dtypes = FLOAT if name in ("rfft", "ihfft") else COMPLEX
    theirs, ours = data.draw(pairs(dtypes, st.tuples(st.integers(2, 6), st.integers(2, 6)), small=True))
    options = {
        "axis": data.draw(st.sampled_from([0, 1, -1])),
        "n": data.draw(st.sampled_from([None, 3, 8])),
        "norm": data.draw(st.sampled_from(["backward", "ortho", "forward"])),
    }
    same(getattr(xp.fft, name)(ours, **options), getattr(strict.fft, name)(theirs, **options), rtol=1e-4)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
@few
@given(data=st.data())
def test_transform_along_axes(name, data):
    theirs, ours = data.draw(pairs(FLOAT if name == "rfftn" else COMPLEX, (2, 3, 4), small=True))
    s, axes = data.draw(st.sampled_from([(None, None), (None, (0, 2)), ((4, 5), (1, 2)), ((3,), (0,))]))
    same(getattr(xp.fft, name)(ours, s=s, axes=axes), getattr(strict.fft, name)(theirs, s=s, axes=axes), rtol=1e-4)


@few
@given(data=st.data())
def test_frequencies_and_shifts(data):
    n, d = data.draw(st.integers(1, 9)), data.draw(st.sampled_from([1.0, 0.25]))
    same(xp.fft.fftfreq(n, d=d), strict.fft.fftfreq(n, d=d))
    same(xp.fft.rfftfreq(n, d=d, dtype=xp.float32), strict.fft.rfftfreq(n, d=d, dtype=strict.float32))
    theirs, ours = data.draw(pairs(INEXACT, (4, 5)))
    for axes in (None, 0, (0, 1)):
        same(xp.fft.fftshift(ours, axes=axes), strict.fft.fftshift(theirs, axes=axes))
        same(xp.fft.ifftshift(ours, axes=axes), strict.fft.ifftshift(theirs, axes=axes))
