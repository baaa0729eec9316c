"""The small climate that the tests with xarray share."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr


@pytest.fixture(autouse=True)
def manager():
    """What makes no difference where Dask is absent, as it is where the tests usually run."""
    with xr.set_options(chunk_manager="raskr"):
        yield


@pytest.fixture(scope="session")
def plain():
    """Two years of daily weather on a coarse grid, as NumPy arrays: a season, gaps, and values of several types."""
    random = np.random.default_rng(20)
    time = pd.date_range("2000-01-01", periods=731, freq="D")
    lat, lon = np.linspace(-60.0, 60.0, 5), np.arange(0.0, 360.0, 60.0)
    season = 10 * np.sin(2 * np.pi * (time.day_of_year.to_numpy() - 80) / 365.25)
    temperature = 15 + season[:, None, None] * np.sign(lat)[:, None] + random.normal(size=(731, 5, 6))
    temperature[random.random(temperature.shape) < 0.05] = np.nan
    axes = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "temperature": (axes, temperature, {"units": "degC"}),
            "rain": (axes, random.gamma(1.0, 2.0, temperature.shape).astype("f4")),
            "land": (("lat", "lon"), random.random((5, 6)) > 0.3),
            "day": (("time",), np.arange(731)),
            "seen": (("time",), time.to_numpy()),
        },
        coords={"time": time, "lat": lat, "lon": lon},
    )


@pytest.fixture
def lazy(plain):
    """The same, in blocks that cut every axis unevenly."""
    return plain.chunk({"time": 100, "lat": 3, "lon": 4}, chunked_array_type="raskr", from_array_kwargs={})
