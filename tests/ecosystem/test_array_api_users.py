"""Functions that other libraries write for the standard run on raskr's arrays, lazily."""

import array_api_compat
import array_api_strict
import numpy as np
import pytest

import raskr.array as da
from raskr.array import array_api

POINTS = np.random.default_rng(3).normal(size=(60, 4))


def standardized(x):
    """As a preprocessing step of a machine-learning library."""
    xp = array_api_compat.array_namespace(x)
    spread = xp.std(x, axis=0, correction=1.0, keepdims=True)
    return (x - xp.mean(x, axis=0, keepdims=True)) / xp.where(spread == 0, xp.ones_like(spread), spread)


def principal_parts(x):
    """As a decomposition: projections on the two directions of the largest variance."""
    xp = array_api_compat.array_namespace(x)
    u, s, _ = xp.linalg.svd(x - xp.mean(x, axis=0), full_matrices=False)
    return xp.abs(u[:, :2] * s[:2])


def softmax(x):
    xp = array_api_compat.array_namespace(x)
    shifted = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return shifted / xp.sum(shifted, axis=-1, keepdims=True)


def nearest_of(x):
    """As a step of clustering: which of the first three points is nearest."""
    xp = array_api_compat.array_namespace(x)
    distances = xp.linalg.vector_norm(xp.expand_dims(x, axis=1) - x[:3, :], axis=-1)
    return xp.argmin(distances, axis=1)


def spectrum(x):
    xp = array_api_compat.array_namespace(x)
    power = xp.abs(xp.fft.rfft(x, axis=0)) ** 2
    return power / xp.sum(power, axis=0), xp.fft.rfftfreq(x.shape[0], d=0.5)


def ranks(x):
    xp = array_api_compat.array_namespace(x)
    return xp.argsort(xp.argsort(x, axis=0), axis=0)


@pytest.mark.parametrize("function", [standardized, principal_parts, softmax, nearest_of, spectrum, ranks])
@pytest.mark.parametrize("chunks", [(60, 4), (25, 4), (7, 3)])
def test_function_of_the_standard(function, chunks):
    results = function(da.from_array(POINTS, chunks=chunks))
    wanted = function(array_api_strict.asarray(POINTS))
    for got, value in zip(*(r if isinstance(r, tuple) else (r,) for r in (results, wanted))):
        assert isinstance(got, da.Array)
        np.testing.assert_allclose(got.compute(), np.from_dlpack(value), rtol=1e-9, atol=1e-12)


def test_compat_finds_the_namespace():
    x = da.ones(3, chunks=3)
    assert array_api_compat.is_array_api_obj(x)
    assert array_api_compat.array_namespace(x, x) is array_api
    assert array_api_compat.device(x) == "cpu"
    assert array_api_compat.size(x) == 3
    with pytest.raises(TypeError, match="namespaces"):
        array_api_compat.array_namespace(x, array_api_strict.ones(3))


def test_names_beyond_the_standard_are_numpy_s():
    assert array_api.nansum is da.nansum
    assert array_api.fft.fft2 is da.fft.fft2
    assert array_api.linalg.lstsq is da.linalg.lstsq
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = array_api.nothing
