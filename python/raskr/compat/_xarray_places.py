"""The few places where xarray knows Dask's arrays by name, taught to treat raskr's the same.

xarray asks its chunk manager nearly everywhere. Where it does not, a function of xarray's own is replaced here by one
that handles raskr's arrays and calls the replaced one for all else. A place that a version of xarray does not have is
left out.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from xarray.core import accessor_dt, indexing
from xarray.core.nputils import least_squares as least_squares_of_block

import raskr.array as da
from raskr.array.overlap import push
from raskr.delayed import delayed

__all__ = ["teach_xarray"]


def teach_xarray() -> None:
    """Put raskr's functions in their places; once, however often it is called."""
    for module, name, ours in _PLACES:
        try:
            place = importlib.import_module(module)
            theirs = getattr(place, name)
        except (ImportError, AttributeError):
            continue
        if not getattr(theirs, "knows_raskr", False):
            replacement = functools.wraps(theirs)(functools.partial(ours, theirs))
            replacement.knows_raskr = True  # type: ignore[attr-defined]
            setattr(place, name, replacement)


def _is_dask_collection(theirs: Callable[..., Any], x: Any) -> Any:
    """raskr's arrays speak Dask's collection protocol; with Dask installed, xarray would take them for Dask's, hand
    them to dask.array, and ask for their whole graph whenever it looks at one."""
    return not isinstance(x, da.Array) and theirs(x)


def _is_lazy(theirs: Callable[..., Any], x: Any) -> Any:
    """Where xarray asks for Dask's arrays and means lazy ones: what it does then goes by the chunk manager."""
    return isinstance(x, da.Array) or theirs(x)


def _lazy_array_equiv(theirs: Callable[..., Any], arr1: Any, arr2: Any) -> Any:
    """Arrays of one name are the same, without a look at their elements."""
    if isinstance(arr1, da.Array) and isinstance(arr2, da.Array) and arr1.name == arr2.name:
        return True
    return theirs(arr1, arr2)


def _push(theirs: Callable[..., Any], array: Any, n: int | None, axis: int, **options: Any) -> Any:
    """What `ffill` and `bfill` do, which otherwise compute the array and need bottleneck or numbagg."""
    return push(array, n, axis) if isinstance(array, da.Array) else theirs(array, n, axis, **options)


def _as_indexable(theirs: Callable[..., Any], array: Any) -> Any:
    """Arrays of the array API standard have no pointwise indexing, which `vindex` has."""
    return IndexedArray(array) if isinstance(array, da.Array) else theirs(array)


def _delayed_close_after_writes(theirs: Callable[..., Any], writes: Any, store: Any) -> Any:
    """What `to_zarr(compute=False)` and `to_netcdf(compute=False)` return; otherwise it is made by dask.delayed."""
    arrays = writes if isinstance(writes, tuple) else (writes,)
    if not all(isinstance(array, da.Array) for array in arrays):
        return theirs(writes, store)
    return delayed(_close)(list(arrays), store)


def _close(writes: Any, store: Any) -> None:
    del writes
    store.close()


def _get_date_field(theirs: Callable[..., Any], values: Any, name: str, dtype: Any) -> Any:
    """Months, days and the like of dates, block by block (`.dt`); otherwise all dates are computed."""
    if not isinstance(values, da.Array):
        return theirs(values, name, dtype)
    more = {"new_axis": 0, "chunks": ((3,), *values.chunks)} if name == "isocalendar" else {}
    return da.map_blocks(functools.partial(_of_dates, "_get_date_field"), values, name, dtype, **more, **_typed(dtype))


def _round_field(theirs: Callable[..., Any], values: Any, name: str, freq: str) -> Any:
    if not isinstance(values, da.Array):
        return theirs(values, name, freq)
    return da.map_blocks(functools.partial(_of_dates, "_round_field"), values, name, freq, **_typed(values.dtype))


def _strftime(theirs: Callable[..., Any], values: Any, date_format: str) -> Any:
    if not isinstance(values, da.Array):
        return theirs(values, date_format)
    return da.map_blocks(functools.partial(_of_dates, "_strftime"), values, date_format, **_typed(object))


def _of_dates(function: str, dates: Any, *arguments: Any) -> Any:
    """xarray's function of this name, looked up where the block is: what stands in its place can't be pickled."""
    return getattr(accessor_dt, function)(dates, *arguments)


def _typed(dtype: Any) -> dict[str, Any]:
    return {"dtype": np.dtype(dtype), "meta": np.empty(0, dtype=dtype)}


def _contains_only_chunked_or_numpy(theirs: Callable[..., Any], obj: Any) -> Any:
    """Whether `flox` may group: it knows the blocks of Dask and of Cubed only, and computes all others."""
    variables = obj.variables.values() if hasattr(obj, "data_vars") else (obj.variable,)
    return not any(isinstance(variable._data, da.Array) for variable in variables) and theirs(obj)


def _least_squares(theirs: Callable[..., Any], lhs: Any, rhs: Any, rcond: Any = None, skipna: bool = False) -> Any:
    """xarray's own fit of NumPy arrays (`polyfit`) for each block of columns; otherwise all is computed at once."""
    if not isinstance(rhs, da.Array):
        return theirs(lhs, rhs, rcond=rcond, skipna=skipna)
    columns = (rhs if rhs.ndim > 1 else rhs[:, np.newaxis]).rechunk({0: -1})
    count = lhs.shape[1]
    fits = da.map_blocks(
        _fit_columns,
        columns,
        lhs,
        rcond=rcond,
        skipna=skipna,
        chunks=((count + 1,), *columns.chunks[1:]),
        dtype=np.result_type(lhs.dtype, rhs.dtype, np.float32),
    )
    fits = fits if rhs.ndim > 1 else fits[:, 0]
    return fits[:count], fits[count]


def _fit_columns(columns: Any, lhs: Any, rcond: Any, skipna: bool) -> Any:
    coefficients, residuals = least_squares_of_block(lhs, columns, rcond=rcond, skipna=skipna)
    return np.concatenate([coefficients, np.reshape(residuals, (1, *columns.shape[1:]))])


#: xarray 2025.6, the last one for Python 3.10, has the class under its former name.
_IndexingAdapter: Any = getattr(indexing, "IndexingAdapter", None) or indexing.ExplicitlyIndexedNDArrayMixin


class IndexedArray(_IndexingAdapter):
    """One of raskr's arrays under xarray's three ways of indexing: basic, by axis (outer), by point (vectorized)."""

    __slots__ = ("array",)

    def __init__(self, array: da.Array) -> None:
        self.array = array

    def transpose(self, order: Any) -> da.Array:
        return self.array.transpose(order)

    def __getitem__(self, indexer: Any) -> da.Array:
        self._check_and_raise_if_non_basic_indexer(indexer)
        return self.array[indexer.tuple]

    def _oindex_get(self, indexer: Any) -> da.Array:
        result = self.array
        for axis, entry in reversed(list(enumerate(indexer.tuple))):
            result = result[(slice(None),) * axis + (entry,)]
        return result

    def _vindex_get(self, indexer: Any) -> da.Array:
        return self.array.vindex[indexer.tuple]

    def __setitem__(self, indexer: Any, value: Any) -> None:
        self._check_and_raise_if_non_basic_indexer(indexer)
        self.array[indexer.tuple] = value

    def _oindex_set(self, indexer: Any, value: Any) -> None:
        arrays = [entry for entry in indexer.tuple if not isinstance(entry, slice)]
        if len(arrays) > 1:
            raise NotImplementedError(f"assignment takes one index array for raskr's arrays, not {len(arrays)}")
        self.array[indexer.tuple] = value

    def _vindex_set(self, indexer: Any, value: Any) -> None:
        self.array[indexer.tuple] = value


_PLACES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("xarray.namedarray.utils", "is_dask_collection", _is_dask_collection),
    ("xarray.computation.fit", "is_duck_dask_array", _is_lazy),
    ("xarray.computation.weighted", "is_duck_dask_array", _is_lazy),
    ("xarray.core.accessor_dt", "_get_date_field", _get_date_field),
    ("xarray.core.accessor_dt", "_round_field", _round_field),
    ("xarray.core.accessor_dt", "_strftime", _strftime),
    ("xarray.core.variable", "is_duck_dask_array", _is_lazy),
    ("xarray.core.duck_array_ops", "lazy_array_equiv", _lazy_array_equiv),
    ("xarray.structure.concat", "lazy_array_equiv", _lazy_array_equiv),
    ("xarray.structure.merge", "lazy_array_equiv", _lazy_array_equiv),
    ("xarray.core.duck_array_ops", "push", _push),
    ("xarray.core.missing", "push", _push),
    ("xarray.core.indexing", "as_indexable", _as_indexable),
    ("xarray.core.variable", "as_indexable", _as_indexable),
    ("xarray.backends.api", "delayed_close_after_writes", _delayed_close_after_writes),
    ("xarray.backends.writers", "delayed_close_after_writes", _delayed_close_after_writes),
    ("xarray.core._aggregations", "contains_only_chunked_or_numpy", _contains_only_chunked_or_numpy),
    ("xarray.core.groupby", "contains_only_chunked_or_numpy", _contains_only_chunked_or_numpy),
    ("xarray.computation.fit", "least_squares", _least_squares),
)
