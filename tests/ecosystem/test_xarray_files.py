"""xarray reads files into raskr's arrays and writes them, block by block."""

import pickle

import numpy as np
import pytest
import xarray as xr

import raskr.array as da
from raskr.delayed import Delayed

NAMED = {"chunked_array_type": "raskr", "from_array_kwargs": {}}
DELAYS = hasattr(xr.backends.api, "delayed_close_after_writes")


@pytest.fixture
def weather(lazy):
    """What every format can hold, without dates."""
    return lazy[["temperature", "rain", "land"]].assign_coords(time=np.arange(731, dtype="i4"))


def opened(path, **options):
    ds = xr.open_zarr(path, **NAMED, **options)
    assert isinstance(ds.rain.data, da.Array)
    return ds


def test_zarr_and_back(lazy, plain, tmp_path):
    lazy.to_zarr(tmp_path / "weather.zarr", zarr_format=2)
    ds = opened(tmp_path / "weather.zarr")
    assert ds.rain.chunks == lazy.rain.chunks
    xr.testing.assert_identical(ds.compute(), plain)
    xr.testing.assert_identical(pickle.loads(pickle.dumps(ds)).compute(), plain)
    xr.testing.assert_allclose(ds.rain.mean("time").compute(), plain.rain.mean("time"))


def test_zarr_written_later(weather, tmp_path):
    path = tmp_path / "weather.zarr"
    if not DELAYS:
        # Before xarray let a chunk manager in here, only Dask could make what is returned.
        with pytest.raises(ImportError, match="dask"):
            weather.to_zarr(path, zarr_format=2, compute=False)
        return
    later = weather.to_zarr(path, zarr_format=2, compute=False)
    assert isinstance(later, Delayed)
    assert not (opened(path).rain > 0).any()
    later.compute()
    xr.testing.assert_identical(opened(path).compute(), weather.compute())


def test_zarr_appended(weather, tmp_path):
    path = tmp_path / "weather.zarr"
    weather.isel(time=slice(400)).to_zarr(path, zarr_format=2)
    weather.isel(time=slice(400, None)).drop_vars("land").to_zarr(path, append_dim="time")
    xr.testing.assert_identical(opened(path).compute(), weather.compute())


def test_zarr_region(weather, tmp_path):
    path = tmp_path / "weather.zarr"
    xr.zeros_like(weather[["rain"]]).to_zarr(path, zarr_format=2)
    part = weather[["rain"]].isel(time=slice(100, 200)).drop_vars(["lat", "lon"])
    part.to_zarr(path, region={"time": slice(100, 200)})
    written = opened(path).rain
    np.testing.assert_array_equal(written[100:200], weather.rain[100:200])
    assert not written[:100].any() and not written[200:].any()


def test_zarr_chunks_that_two_blocks_would_write_are_refused(weather, tmp_path):
    with pytest.raises(ValueError, match="overlap"):
        weather.to_zarr(tmp_path / "weather.zarr", zarr_format=2, encoding={"rain": {"chunks": (33, 5, 6)}})


def test_netcdf_and_back(weather, tmp_path):
    weather.to_netcdf(tmp_path / "weather.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "weather.nc", engine="scipy", chunks={"time": 50}, **NAMED) as ds:
        assert isinstance(ds.rain.data, da.Array)
        assert ds.rain.chunks[0][:2] == (50, 50)
        xr.testing.assert_identical(ds.compute(), weather.compute())


def test_netcdf_written_later(weather, tmp_path):
    if not DELAYS:
        with pytest.raises(ImportError, match="dask"):
            weather.to_netcdf(tmp_path / "weather.nc", engine="scipy", compute=False)
        return
    weather.to_netcdf(tmp_path / "weather.nc", engine="scipy", compute=False).compute()
    with xr.open_dataset(tmp_path / "weather.nc", engine="scipy", chunks={}, **NAMED) as ds:
        xr.testing.assert_identical(ds.compute(), weather.compute())


def test_many_files(weather, tmp_path):
    rain = weather[["rain"]]
    paths = [tmp_path / f"{number}.nc" for number in range(3)]
    xr.save_mfdataset([rain.isel(time=slice(n * 200, n * 200 + 200)) for n in range(3)], paths, engine="scipy")
    with xr.open_mfdataset(paths, engine="scipy", combine="by_coords", **NAMED) as ds:
        assert isinstance(ds.rain.data, da.Array)
        assert ds.rain.chunks[0] == (200, 200, 200)
        xr.testing.assert_identical(ds.compute(), rain.isel(time=slice(600)).compute())


def test_tree(weather, tmp_path):
    tree = xr.DataTree.from_dict({"/days": weather, "/mean": weather.mean("time")})
    assert isinstance(tree["days/rain"].data, da.Array)
    xr.testing.assert_allclose(tree.compute()["mean"].to_dataset(), weather.compute().mean("time"), rtol=1e-5)
