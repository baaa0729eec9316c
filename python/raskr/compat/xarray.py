"""The chunk manager by which xarray keeps its data in raskr's arrays, with or without Dask installed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from xarray.core.indexing import ImplicitToExplicitIndexingAdapter
from xarray.namedarray.parallelcompat import ChunkManagerEntrypoint

import raskr.array as da
from raskr import config
from raskr.array.core import normalize_chunks, unify_chunks
from raskr.array.reductions import cumreduction, reduction
from raskr.base import persist
from raskr.compat._xarray_places import teach_xarray
from raskr.utils import parse_bytes

__all__ = ["RaskrManager"]


class RaskrManager(ChunkManagerEntrypoint[da.Array]):
    """Lets xarray chunk, compute and store by raskr; xarray finds it as the chunk manager `raskr`.

    Without Dask installed it is xarray's only chunk manager, and so the default. Otherwise name it, as in
    ``ds.chunk(time=100, chunked_array_type="raskr", from_array_kwargs={})``, or once for all in
    ``xarray.set_options(chunk_manager="raskr")``.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> temperature = xr.DataArray(np.arange(6.0).reshape(3, 2), dims=("time", "place"))
    >>> lazy = temperature.chunk(time=1, chunked_array_type="raskr", from_array_kwargs={})
    >>> type(lazy.mean("time").data)
    <class 'raskr.array.collection.Array'>
    >>> lazy.mean("time").values
    array([2., 3.])
    """

    array_cls = da.Array

    def __init__(self) -> None:
        teach_xarray()

    # --- chunks ----------------------------------------------------------------------------------------------------
    def chunks(self, data: da.Array) -> tuple[tuple[int, ...], ...]:
        """The lengths of the blocks along each axis."""
        return data.chunks

    def normalize_chunks(
        self,
        chunks: Any,
        shape: tuple[int, ...] | None = None,
        limit: int | None = None,
        dtype: Any = None,
        previous_chunks: Any = None,
    ) -> tuple[tuple[int, ...], ...]:
        """The lengths of blocks, from any way of writing them; see `raskr.array.core.normalize_chunks`."""
        return normalize_chunks(chunks, shape, limit, dtype, previous_chunks)

    def get_auto_chunk_size(self) -> int:
        """Bytes of a block where xarray chooses it: the setting `array.chunk-size`."""
        return parse_bytes(config.get("array.chunk-size"))

    def rechunk(self, data: da.Array, chunks: Any, **kwargs: Any) -> da.Array:
        """The same array in other blocks; an array without elements is one block where xarray leaves it open."""
        entries = chunks.values() if isinstance(chunks, dict) else chunks if isinstance(chunks, tuple) else ()
        if 0 in data.shape and any(isinstance(entry, str) for entry in entries):
            chunks = data.shape
        return super().rechunk(data, chunks, **kwargs)

    def unify_chunks(self, *args: Any, **kwargs: Any) -> tuple[dict[Any, Any], list[da.Array]]:
        """Arrays brought to the same blocks; see `raskr.array.unify_chunks`."""
        return unify_chunks(*args, **kwargs)

    def shuffle(self, x: da.Array, indexer: list[list[int]], axis: int, chunks: Any) -> da.Array:
        """The elements along an axis in another order; see `raskr.array.shuffle`."""
        return da.shuffle(x, indexer, axis, chunks="auto" if chunks is None else chunks)

    # --- from arrays, and back -------------------------------------------------------------------------------------
    def from_array(self, data: Any, chunks: Any, **kwargs: Any) -> da.Array:
        """A lazy array over an array or over one of xarray's lazily read variables."""
        if isinstance(data, ImplicitToExplicitIndexingAdapter):
            kwargs["meta"] = np.ndarray
        if isinstance(chunks, tuple) and "auto" in chunks and 0 in data.shape:
            chunks = data.shape
        return da.from_array(data, chunks, **kwargs)

    def compute(self, *data: Any, **kwargs: Any) -> tuple[Any, ...]:
        """All arrays computed together, as NumPy arrays; what is no lazy array is passed on."""
        return da.compute(*data, **kwargs)

    def persist(self, *data: Any, **kwargs: Any) -> tuple[Any, ...]:
        """All arrays computed together, as lazy arrays whose blocks are in memory."""
        return persist(*data, **kwargs)

    def store(self, sources: Any, targets: Any, **kwargs: Any) -> Any:
        """Write arrays into objects with `__setitem__`; see `raskr.array.store`."""
        return da.store(sources, targets, **kwargs)

    @property
    def array_api(self) -> Any:
        """The namespace that xarray takes array functions from."""
        from raskr.array import array_api

        return array_api

    # --- functions of blocks ---------------------------------------------------------------------------------------
    def reduction(
        self,
        arr: da.Array,
        func: Callable[..., Any],
        combine_func: Callable[..., Any] | None = None,
        aggregate_func: Callable[..., Any] | None = None,
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
        keepdims: bool = False,
    ) -> da.Array:
        """A reduction by functions of blocks; see `raskr.array.reduction`."""
        return reduction(
            arr,
            chunk=func,
            combine=combine_func,
            aggregate=aggregate_func,
            axis=axis,
            dtype=dtype,
            keepdims=keepdims,
        )

    def scan(
        self,
        func: Callable[..., Any],
        binop: Callable[..., Any],
        ident: float,
        arr: da.Array,
        axis: int | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> da.Array:
        """A cumulative function along an axis; see `raskr.array.cumreduction`."""
        return cumreduction(func, binop, ident, arr, axis=axis, dtype=dtype, **kwargs)

    def apply_gufunc(self, func: Callable[..., Any], signature: str, *args: Any, **kwargs: Any) -> Any:
        """A function of whole core axes; see `raskr.array.apply_gufunc`."""
        return da.apply_gufunc(_eager(func), signature, *args, **kwargs)

    def map_blocks(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> da.Array:
        """A function of every block; see `raskr.array.map_blocks`."""
        return da.map_blocks(_eager(func), *args, **kwargs)

    def blockwise(self, func: Callable[..., Any], out_ind: Iterable[Any], *args: Any, **kwargs: Any) -> da.Array:
        """A function of blocks that are matched by indices; see `raskr.array.blockwise`."""
        return da.blockwise(_eager(func), out_ind, *args, **kwargs)


def _eager(function: Callable[..., Any]) -> Callable[..., Any]:
    return function if isinstance(function, np.ufunc) else _Eager(function)


class _Eager:
    """A function of blocks whose result is computed if it is lazy.

    Some of xarray's functions of blocks call the namespace of the lazy array that they were made for (`quantile` does),
    which makes a lazy array of a block.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.function(*args, **kwargs)
        if isinstance(result, tuple):
            return tuple(_computed(one) for one in result)
        return _computed(result)


def _computed(value: Any) -> Any:
    return value.compute(scheduler="sync") if isinstance(value, da.Array) else value
