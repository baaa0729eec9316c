"""Lazy arrays in blocks, with NumPy's interface: `import raskr.array as da`."""

import importlib as _importlib

import raskr.array.core
from raskr.array import lib, overlap
from raskr.array.axes import transpose
from raskr.array.blocks import atop, blockwise, map_blocks
from raskr.array.chunk_types import register_chunk_type
from raskr.array.collection import Array, PerformanceWarning
from raskr.array.gufunc import apply_gufunc, as_gufunc, gufunc
from raskr.array.joining import block, broadcast_arrays, broadcast_to, concatenate, stack, unify_chunks
from raskr.array.overlap import map_overlap, push
from raskr.array.query_planning import array_expr_enabled
from raskr.array.rechunk import rechunk
from raskr.array.reshape import reshape, reshape_blockwise
from raskr.array.sources import array, asanyarray, asarray, from_array, from_delayed
from raskr.array.store import from_npy_stack, from_tiledb, store, to_hdf5, to_npy_stack, to_tiledb
from raskr.array.taking import shuffle
from raskr.array.zarr_files import from_zarr, to_zarr

_array_expr_enabled = array_expr_enabled

for _name in ("ufunc", "reductions", "percentile", "creation", "routines", "einsumfuncs"):
    try:
        _module = _importlib.import_module(f"raskr.array.{_name}")
    except ImportError as _error:
        print("MISSING", _name, _error)
        continue
    for _public in getattr(_module, "__all__", [n for n in vars(_module) if not n.startswith("_")]):
        if _public not in globals() or _public in ("all", "any", "max", "min", "sum", "round", "abs"):
            globals()[_public] = getattr(_module, _public)
for _name in ("fft", "linalg", "ma", "random", "stats", "image"):
    try:
        globals()[_name] = _importlib.import_module(f"raskr.array.{_name}")
    except ImportError as _error:
        print("MISSING", _name, _error)
