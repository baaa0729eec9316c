"""Made-up time series, under the name that Dask's expressions have them by."""

from raskr.datasets import timeseries

__all__ = ["timeseries"]
