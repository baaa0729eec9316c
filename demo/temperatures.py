"""Invented temperatures of a planet on a grid of days, latitudes and longitudes: written, and analysed by month.

The calendar is the one of many climate models: 12 months of 30 days. A temperature is a mean by latitude, a season, a
warming by latitude and longitude, and noise, so that the right answers are known.
"""

import math
from dataclasses import dataclass

import numpy as np

MONTH = 30
YEAR = 12 * MONTH


@dataclass(frozen=True)
class World:
    """The grid: how many years, latitudes and longitudes."""

    years: int
    lats: int
    lons: int

    @classmethod
    def of_bytes(cls, nbytes):
        """A grid of about so many bytes: half a degree and eleven years for 4 GB, coarser for less."""
        years = 11 if nbytes > 1e8 else 3
        lats = max(6, round(math.sqrt(nbytes / 4 / (years * YEAR) / 2) / 6) * 6)
        return cls(years, lats, 2 * lats)

    @property
    def days(self):
        return self.years * YEAR

    @property
    def nbytes(self):
        return self.days * self.lats * self.lons * 4

    @property
    def chunks(self):
        """A year of a sixth of the latitudes: about 60 MB in the full size."""
        return (YEAR, max(1, self.lats // 6), self.lons)

    @property
    def warming(self):
        """Degrees a year, by latitude and longitude; stronger in the north, as on Earth."""
        lat = np.linspace(-1, 1, self.lats, dtype="f4")[:, None]
        lon = np.linspace(0, 2 * np.pi, self.lons, endpoint=False, dtype="f4")[None, :]
        return (np.float32(0.03) + np.float32(0.02) * lat + np.float32(0.005) * np.cos(lon)).astype("f4")


def _parts(world):
    """The mean by latitude, and the season of a day by latitude."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, world.lats, dtype="f4")[None, :, None]
    day = np.arange(world.days, dtype="f4")[:, None, None]
    return 30 * np.cos(lat) - 10, -12 * np.sin(lat), np.cos(2 * np.pi * day / YEAR).astype("f4"), day / np.float32(YEAR)


def write(da, world, path):
    """Writes the temperatures to a Zarr array, chunk by chunk."""
    mean, swing, season, year = (
        da.from_array(part, chunks=tuple(c if n > 1 else 1 for n, c in zip(part.shape, world.chunks)))
        for part in _parts(world)
    )
    warming = da.from_array(world.warming[None], chunks=(1, *world.chunks[1:]))
    shape = (world.days, world.lats, world.lons)
    noise = da.random.default_rng(1).normal(0, 2, size=shape, chunks=world.chunks)
    temperature = mean + swing * season + warming * year + noise
    temperature.astype("f4").to_zarr(path, overwrite=True, compressors=None)


def write_alone(world, path, part):
    """The same by NumPy for the first days, to an npy file."""
    mean, swing, season, year = _parts(world)
    days = max(1, int(world.days * part))
    noise = np.random.default_rng(1).normal(0, 2, size=(days, world.lats, world.lons))
    temperature = mean + swing * season[:days] + world.warming[None] * year[:days] + noise
    np.save(path, temperature.astype("f4"))
    path.unlink()


def months_of(world):
    """Months since the start, about their mean, as the trend's axis; in years."""
    months = (np.arange(world.years * 12) + 0.5) / 12
    return (months - months.mean()).astype("f4")


def analyse(da, world, source, target):
    """Monthly means, less the mean of that month over all years, and the linear trend of these by grid cell."""
    temperature = da.from_zarr(source)
    cells = temperature.shape[1:]
    monthly = temperature.reshape((world.years, 12, MONTH, *cells)).mean(axis=2)
    anomalies = (monthly - monthly.mean(axis=0)).reshape((world.years * 12, *cells))
    anomalies.rechunk({0: -1}).to_zarr(target, component="anomaly", overwrite=True, compressors=None)
    time = months_of(world)
    weights = (time / (time**2).sum())[:, None, None]
    trend = (da.from_zarr(target, component="anomaly") * weights).sum(axis=0)
    trend.to_zarr(target, component="trend", overwrite=True, compressors=None)


def _analyse_block(world, block):
    cells = block.shape[1:]
    monthly = block.reshape((world.years, 12, MONTH, *cells)).mean(axis=2)
    anomalies = (monthly - monthly.mean(axis=0)).reshape((world.years * 12, *cells))
    time = months_of(world)
    return anomalies, (anomalies * (time / (time**2).sum())[:, None, None]).sum(axis=0)


def analyse_alone(da, world, source):
    """The same by NumPy, on one chunk of latitudes of the stored array, which the library reads for it."""
    return _analyse_block(world, da.from_zarr(source)[:, : world.chunks[1], :].compute())


def fault(da, world, source, target):
    """What is wrong with the stored results, compared with NumPy's on a few latitudes, or None."""
    some = slice(world.lats // 2, world.lats // 2 + 2)
    block = da.from_zarr(source)[:, some, :].compute()
    anomalies, trend = _analyse_block(world, block.astype("f8"))
    stored = da.from_zarr(target, component="anomaly")[:, some, :].compute()
    if stored.shape != anomalies.shape or np.abs(stored - anomalies).max() > 1e-3:
        return f"anomalies differ by up to {np.abs(stored - anomalies).max():.2g} degrees"
    stored = da.from_zarr(target, component="trend")[some, :].compute()
    if np.abs(stored - trend).max() > 1e-4:
        return f"trends differ by up to {np.abs(stored - trend).max():.2g} degrees a year"
    # The warming that was put in comes out, within what the noise allows.
    if abs(stored.mean() - world.warming[some].mean()) > 0.02:
        return f"the mean trend is {stored.mean():.4f} degrees a year, {world.warming[some].mean():.4f} was put in"
    return None
