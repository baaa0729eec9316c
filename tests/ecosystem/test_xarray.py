"""xarray on raskr's arrays gives what it gives on NumPy's, lazily, and without Dask."""

import importlib.util
import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from xarray.namedarray.parallelcompat import guess_chunkmanager, list_chunkmanagers

import raskr.array as da
from raskr.compat.xarray import RaskrManager

NAMED = {"chunked_array_type": "raskr", "from_array_kwargs": {}}
WHOLE = {"dask_gufunc_kwargs": {"allow_rechunk": True}, "dask": "parallelized", "output_dtypes": [float]}

REDUCTIONS = ["mean", "sum", "std", "var", "min", "max", "median", "count", "prod"]


def weights(ds):
    return np.cos(np.deg2rad(ds.lat))


def slope(series):
    return np.polyfit(np.arange(len(series)), series, 1)[0]


def whole_time(ds):
    return ds.chunk(time=-1) if ds.chunks else ds


CASES = {
    # climate
    "climatology": lambda ds: ds.temperature.groupby("time.month").mean("time"),
    "anomalies": lambda ds: ds.temperature.groupby("time.month") - ds.temperature.groupby("time.month").mean("time"),
    "seasons": lambda ds: ds.temperature.groupby("time.season").map(lambda group: group - group.mean("time")),
    "bands": lambda ds: ds.temperature.groupby_bins("lat", [-90, -20, 20, 90]).mean(),
    "monthly_percentile": lambda ds: whole_time(ds).temperature.groupby("time.month").quantile(0.9),
    "first_of_month": lambda ds: ds.temperature.resample(time="MS").first(),
    "cumulative_of_year": lambda ds: ds.rain.groupby("time.year").cumsum(),
    "monthly": lambda ds: ds.temperature.resample(time="MS").mean(),
    "half_daily": lambda ds: ds.rain[:20].resample(time="12h").interpolate("linear"),
    "yearly_range": lambda ds: ds.temperature.resample(time="YS").map(lambda year: year.max("time") - year.min("time")),
    "rolling_mean": lambda ds: ds.temperature.rolling(time=7).mean(),
    "rolling_centred": lambda ds: ds.temperature.rolling(time=7, center=True, min_periods=1).max(),
    "rolling_two_axes": lambda ds: ds.temperature.rolling(lat=3, lon=3, center=True).mean(),
    "rolling_windows": lambda ds: ds.temperature.rolling(time=4).construct("window", stride=2),
    "coarsened": lambda ds: ds.temperature.coarsen(time=30, boundary="trim").mean(),
    "folded": lambda ds: ds.temperature[:720].coarsen(time=30).construct(time=("month", "day_of_month")),
    "area_mean": lambda ds: ds.temperature.weighted(weights(ds)).mean(("lat", "lon")),
    "rain_weighted": lambda ds: ds.temperature.weighted(ds.rain).mean("time"),
    "weighted_deviation": lambda ds: ds.temperature.weighted(weights(ds)).std("lat"),
    "trend": lambda ds: ds.temperature.polyfit("time", 1).polyfit_coefficients,
    "trends": lambda ds: ds[["temperature", "rain"]].polyfit("time", 2, skipna=True),
    "trend_without_gaps": lambda ds: ds.rain.polyfit("time", 1, skipna=False).polyfit_coefficients,
    "trend_of_one_place": lambda ds: ds.temperature.isel(lat=0, lon=0).polyfit("time", 1).polyfit_coefficients,
    "covariance": lambda ds: xr.cov(ds.temperature, ds.rain, "time"),
    "correlation": lambda ds: xr.corr(ds.temperature, ds.rain, "time"),
    "gradient": lambda ds: ds.temperature.differentiate("lat"),
    "integral": lambda ds: ds.temperature.fillna(0).integrate("lat"),
    "running_integral": lambda ds: ds.temperature.fillna(0).cumulative_integrate("lat"),
    "warmest_day": lambda ds: ds.temperature.fillna(0).idxmax("time"),
    "wettest_place": lambda ds: ds.rain.argmax(("lat", "lon"))["lat"],
    # gaps
    "filled": lambda ds: ds.temperature.fillna(ds.temperature.mean("time")),
    "gaps": lambda ds: ds.temperature.isnull(),
    "interpolated_gaps": lambda ds: whole_time(ds).temperature.interpolate_na("time"),
    "without_gaps": lambda ds: ds.temperature.isel(lat=0, lon=0).dropna("time"),
    # places and times
    "one_month": lambda ds: ds.temperature.sel(time="2000-03"),
    "nearest": lambda ds: ds.temperature.sel(lat=[5.0, 55.0], method="nearest"),
    "outer": lambda ds: ds.temperature.isel(time=[5, 1, 3], lat=[2, 0], lon=slice(None, None, -1)),
    "points": lambda ds: ds.temperature.isel(time=xr.DataArray([1, 5, 3], dims="p"), lat=xr.DataArray([0, 1, 2], dims="p")),
    "reindexed": lambda ds: ds.temperature.reindex(lat=[-60.0, 0.0, 7.0]),
    "reindexed_points": lambda ds: ds.temperature.reindex(time=pd.date_range("1999-12-25", periods=20), lat=[0.0, 1.0]),
    "interpolated": lambda ds: ds.temperature.interp(lat=[-10.0, 5.0, 20.0]),
    "interpolated_twice": lambda ds: ds.rain.interp(lat=[-10.0, 5.0], lon=[10.0, 70.0]),
    "interpolated_points": lambda ds: ds.rain.interp(lat=xr.DataArray([-10.0, 5.0], dims="p"), lon=xr.DataArray([10.0, 70.0], dims="p")),
    "stacked": lambda ds: ds.temperature.stack(place=("lat", "lon")).unstack("place"),
    "shifted": lambda ds: ds.temperature.shift(time=3),
    "rolled": lambda ds: ds.temperature.roll(lon=2, roll_coords=True),
    "padded": lambda ds: ds.temperature.pad(lon=2, mode="wrap"),
    "sorted": lambda ds: ds.temperature.sortby("lat", ascending=False),
    "month_numbers": lambda ds: ds.seen.dt.month,
    "weeks": lambda ds: ds.seen.dt.floor("7D"),
    "calendar_weeks": lambda ds: ds.seen.dt.isocalendar().week,
    "dates_as_text": lambda ds: ds.seen.dt.strftime("%Y-%m").str.len(),
    # values
    "where": lambda ds: ds.temperature.where(ds.temperature > 10),
    "where_other": lambda ds: xr.where(ds.land, ds.temperature, -1.0),
    "where_dropped": lambda ds: ds.temperature.where(ds.lat > 0, drop=True),
    "arithmetic": lambda ds: (ds.temperature * 9 / 5 + 32 - ds.rain) ** 2 // 3,
    "ufuncs": lambda ds: np.exp(ds.temperature / 10) + np.maximum(ds.temperature, ds.rain),
    "clipped": lambda ds: ds.temperature.clip(ds.temperature.mean("time"), 20),
    "cumulative": lambda ds: ds.temperature.cumsum("time"),
    "differences": lambda ds: ds.temperature.diff("time", 2),
    "quantiles": lambda ds: whole_time(ds).temperature.quantile([0.1, 0.5], "time"),
    "likes": lambda ds: xr.full_like(ds.temperature, 3) + xr.zeros_like(ds.temperature),
    "product": lambda ds: xr.dot(ds.temperature.fillna(0), ds.rain, ds.land.astype(float), dim=["time", "lat"]),
    "concatenated": lambda ds: xr.concat([ds.temperature[:100], ds.temperature[100:] * 2], "time"),
    "merged": lambda ds: xr.merge([ds[["temperature"]], ds[["rain"]]]),
    "combined": lambda ds: xr.combine_by_coords([ds[["rain"]].isel(time=slice(300)), ds[["rain"]].isel(time=slice(300, None))]),
    "mapped": lambda ds: ds[["temperature", "rain"]].map(np.fabs),
    "all_variables": lambda ds: ds[["temperature", "rain", "land"]].mean("lat"),
    # functions of the user's own
    "parallelized": lambda ds: xr.apply_ufunc(np.sqrt, ds.rain, dask="parallelized", output_dtypes=[np.float32]),
    "allowed": lambda ds: xr.apply_ufunc(np.sqrt, ds.rain, dask="allowed"),
    "core_axis": lambda ds: xr.apply_ufunc(lambda x: np.nanmean(x, -1), ds.temperature, input_core_dims=[["lat"]], **WHOLE),
    "vectorized": lambda ds: xr.apply_ufunc(slope, ds.rain, input_core_dims=[["time"]], vectorize=True, **WHOLE),
    "two_results": lambda ds: sum(
        xr.apply_ufunc(
            lambda x: (x.min(-1), x.max(-1)), ds.rain, input_core_dims=[["lat"]], output_core_dims=[[], []],
            dask="parallelized", output_dtypes=["f4", "f4"], dask_gufunc_kwargs={"allow_rechunk": True},
        )
    ),
    "gufunc": lambda ds: xr.apply_ufunc(
        np.linalg.norm, ds.rain, input_core_dims=[["lat"]], kwargs={"axis": -1}, **WHOLE
    ),
    "blocks": lambda ds: xr.map_blocks(lambda part: part * 2, ds.temperature),
}  # fmt: skip


def arrays_of(result):
    variables = result.variables.values() if isinstance(result, xr.Dataset) else (result.variable,)
    return [variable.data for variable in variables]


def check(make, plain, lazy):
    with xr.set_options(use_flox=False):
        wanted, got = make(plain), make(lazy)
    assert any(isinstance(array, da.Array) for array in arrays_of(got)), "nothing is lazy"
    computed = got.compute()
    assert not any(isinstance(array, da.Array) for array in arrays_of(computed))
    xr.testing.assert_allclose(computed, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_operation(name, plain, lazy):
    check(CASES[name], plain, lazy)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("skipna", [True, False])
def test_reduction(name, skipna, plain, lazy):
    options = {} if name == "count" else {"skipna": skipna}
    check(lambda ds: getattr(ds.temperature / 15, name)("time", **options), plain, lazy)
    if name != "median":
        check(lambda ds: getattr(ds.temperature / 15, name)(**options), plain, lazy)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.filterwarnings("ignore:Degrees of freedom|All-NaN slice:RuntimeWarning")
def test_windows_and_groups(name, plain, lazy):
    check(lambda ds: getattr(ds.temperature.rolling(time=5), name)(), plain, lazy)
    check(lambda ds: getattr(ds.temperature.coarsen(time=30, boundary="trim"), name)(), plain, lazy)
    check(lambda ds: getattr(ds.temperature.groupby("time.month"), name)(), plain, lazy)
    check(lambda ds: getattr(ds.temperature.resample(time="QS"), name)(), plain, lazy)


def test_manager_is_found_by_its_entry_point():
    assert isinstance(list_chunkmanagers()["raskr"], RaskrManager)


def test_manager_is_the_default_where_dask_is_absent(plain):
    with xr.set_options(chunk_manager="dask"):
        default = guess_chunkmanager(None)
    assert isinstance(default, RaskrManager) == (importlib.util.find_spec("dask") is None)
    chunked = plain.chunk(time=100).temperature
    assert isinstance(chunked.data, da.Array)
    assert chunked.chunks == ((100,) * 7 + (31,), (5,), (6,))


def test_an_array_in_dask_s_protocol_is_still_raskr_s(lazy):
    from xarray.namedarray.utils import is_dask_collection

    assert not is_dask_collection(lazy.temperature.data)


def test_chunks(lazy):
    assert dict(lazy.chunks) == {"time": (100,) * 7 + (31,), "lat": (3, 2), "lon": (4, 2)}
    assert lazy.chunk(time=-1).temperature.chunks[0] == (731,)
    assert lazy.chunk(time="1kiB").temperature.data.chunksize[0] < 100
    uneven = lazy.assign(again=lazy.rain.chunk(time=70))
    with pytest.raises(ValueError, match="inconsistent chunks"):
        _ = uneven.chunks
    assert uneven.unify_chunks().chunks["time"][:3] == (70, 30, 40)


def test_shifted_blocks_stay_aligned(lazy):
    assert lazy.temperature.shift(time=3).chunks == lazy.temperature.chunks
    assert lazy.temperature.roll(lon=1).chunks == lazy.temperature.chunks


def test_chunk_auto_size_is_the_setting(plain):
    import raskr

    with raskr.config.set({"array.chunk-size": "8kiB"}):
        assert max(plain.chunk(time="auto", lat=-1, lon=-1, **NAMED).temperature.data.chunksize) < 50


def test_compute_persist_load_and_pickle(plain, lazy):
    assert isinstance(lazy.compute().temperature.data, np.ndarray)
    kept = lazy.persist()
    assert isinstance(kept.temperature.data, da.Array)
    xr.testing.assert_identical(kept.compute(), plain)
    xr.testing.assert_identical(pickle.loads(pickle.dumps(lazy)).compute(), plain)
    loaded = lazy.copy().load()
    assert isinstance(loaded.temperature.data, np.ndarray)
    assert lazy.rain.sum().item() == pytest.approx(float(plain.rain.sum()))


def test_shown(lazy):
    assert "raskr.array<" in repr(lazy.temperature)
    assert "chunksize=(100, 3, 4)" in repr(lazy.temperature)
    assert "<svg" in lazy.temperature._repr_html_()


def test_gaps_filled_from_the_days_before(plain, lazy):
    days = pd.DataFrame(plain.temperature.to_numpy().reshape(731, -1))
    for name, limit in [("ffill", None), ("bfill", None), ("ffill", 1)]:
        filled = getattr(lazy.temperature, name)("time", limit=limit)
        assert isinstance(filled.data, da.Array)
        wanted = getattr(days, name)(limit=limit).to_numpy().reshape(filled.shape)
        np.testing.assert_array_equal(filled.to_numpy(), wanted)


def test_assignment_in_place(plain, lazy):
    plain = plain.copy(deep=True)
    for ds in (plain, lazy):
        ds["changed"] = ds.temperature.copy()
        ds.changed[{"time": slice(0, 5)}] = 0.0
        ds.changed[{"lat": [1, 3]}] = 1.0
        ds.changed.loc[{"lat": 0.0}] = 5.0
    xr.testing.assert_identical(lazy.compute(), plain)


def test_same_arrays_are_merged_without_computing(lazy):
    import raskr
    from raskr.callbacks import Callback

    runs = []
    with Callback(start=lambda graph: runs.append(graph)), raskr.config.set(scheduler="sync"):
        xr.merge([lazy, lazy[["rain"]]], compat="no_conflicts", join="exact")
    assert not runs


def test_a_trend_is_not_computed_before_it_is_asked_for(lazy):
    fit = lazy.temperature.polyfit("time", 1, full=True)
    assert isinstance(fit.polyfit_coefficients.data, da.Array)
    assert isinstance(fit.polyfit_residuals.data, da.Array)


def test_lazy_weights_are_checked_when_they_are_computed(lazy):
    with pytest.raises(ValueError, match="cannot contain missing values"):
        lazy.rain.weighted(lazy.temperature).mean("time").compute()


def test_what_xarray_has_no_way_for_says_so(lazy):
    with pytest.raises(NotImplementedError, match="one index array"):
        lazy.temperature[{"time": [0, 1], "lat": [0, 1]}] = 0.0
    with pytest.raises(KeyError, match="boolean"):
        lazy.temperature.variable[(lazy.day > 3).variable]
    with pytest.raises(ValueError, match="core dimension"):
        xr.apply_ufunc(np.sum, lazy.rain, input_core_dims=[["time"]], dask="parallelized", output_dtypes=["f4"])


def test_arrays_put_in_directly():
    ones = xr.DataArray(da.ones((4, 6), chunks=3), dims=("x", "y"))
    assert ones.mean("x").values.tolist() == [1.0] * 6
    assert float(ones.isel(x=xr.DataArray([0, 1], dims="p"), y=xr.DataArray([2, 3], dims="p")).sum()) == 2.0
