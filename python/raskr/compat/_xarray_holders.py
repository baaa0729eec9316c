"""xarray's objects taken apart to the lazy arrays that they hold, for `raskr.compute`, `persist`, `delayed` and clients.

Their own collection protocol is Dask's alone: it imports Dask, and lists the tasks of each array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr

import raskr.array as da
from raskr._unpack import is_dask_collection
from raskr.tokenize import normalize_token

__all__ = ["Rebuild", "taken_apart"]


def taken_apart(x: Any) -> tuple[list, Callable[[Sequence], Any]] | None:
    """The lazy arrays in one of xarray's objects, and what makes such an object of others; None of any other object."""
    if not isinstance(x, (xr.Variable, xr.DataArray, xr.Dataset)):
        return None
    lazy = {place: variable._data for place, variable in _variables(x).items() if is_dask_collection(variable._data)}
    return list(lazy.values()), Rebuild(x, list(lazy))


class Rebuild:
    """Makes an object like another one with other arrays in some places.

    Parameters
    ----------
    like : Variable, DataArray or Dataset
        The object; it is not changed.
    places : list
        The names of variables in it, as `_variables` has them.
    """

    def __init__(self, like: Any, places: list) -> None:
        self.like, self.places = like, places

    def __call__(self, values: Sequence) -> Any:
        made = self.like.copy(deep=False)
        variables = _variables(made)
        for place, value in zip(self.places, values):
            variables[place].data = value
        return made

    def empty(self) -> Rebuild:
        """The same without the arrays, which need not travel with it."""
        variables = _variables(self.like)
        stand_ins = [da.zeros(variables[place].shape, dtype="?", chunks=-1) for place in self.places]
        return Rebuild(self(stand_ins), self.places)


def _variables(x: Any) -> Mapping[Any, Any]:
    """The variables of an object by their places in it; those of a copy are its own."""
    if isinstance(x, xr.Variable):
        return {None: x}
    if isinstance(x, xr.DataArray):
        return {None: x.variable, **{("coord", name): coord.variable for name, coord in x.coords.items()}}
    return x.variables


@normalize_token.register((xr.Variable, xr.DataArray, xr.Dataset))
def _token(x: Any) -> Any:
    variables = [
        (place, variable.dims, normalize_token(_content(variable)), normalize_token(variable.attrs))
        for place, variable in _variables(x).items()
    ]
    name = getattr(x, "name", None)
    coords = sorted(map(str, getattr(x, "coords", ())))
    return type(x).__name__, normalize_token(name), coords, normalize_token(x.attrs), variables


def _content(variable: Any) -> Any:
    """An index as pandas has it; what xarray wraps around it is made anew in every copy."""
    return variable.to_index() if isinstance(variable, xr.IndexVariable) else variable._data
