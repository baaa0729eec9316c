"""The names that Dask users know from `dask.array.core`."""

from raskr.array.block_view import BlockView
from raskr.array.blocks import blockwise, map_blocks
from raskr.array.chunk_sizes import auto_chunks, normalize_chunks, normalize_chunks_cached, slices_from_chunks
from raskr.array.collection import Array, PerformanceWarning
from raskr.array.joining import (
    block,
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    concatenate,
    stack,
    unify_chunks,
)
from raskr.array.sources import array, asanyarray, asarray, from_array, from_delayed, getter
from raskr.array.store import from_npy_stack, store, to_hdf5, to_npy_stack
from raskr.array.zarr_files import from_zarr, to_zarr

__all__ = [
    "Array",
    "BlockView",
    "PerformanceWarning",
    "array",
    "asanyarray",
    "asarray",
    "auto_chunks",
    "block",
    "blockwise",
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "concatenate",
    "from_array",
    "from_delayed",
    "from_npy_stack",
    "from_zarr",
    "getter",
    "map_blocks",
    "normalize_chunks",
    "normalize_chunks_cached",
    "slices_from_chunks",
    "stack",
    "store",
    "to_hdf5",
    "to_npy_stack",
    "to_zarr",
    "unify_chunks",
]
