"""What stands for xarray's own chunk manager of Dask's arrays, `dask`, where imports of Dask give raskr."""

from raskr.compat.xarray import RaskrManager

__all__ = ["DaskManager", "take_over"]


class DaskManager(RaskrManager):
    """raskr's chunk manager under the name `dask`, which programs and xarray's own options ask for."""

    available = True


def take_over() -> None:
    """Make this the only manager of raskr's arrays: xarray wants one only to recognise an array."""
    RaskrManager.available = False
