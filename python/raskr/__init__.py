"""raskr: Dask's Python API on a Rust engine. Change the import, keep the program."""

from raskr import _bridge, config, datasets
from raskr.annotations import annotate, get_annotations
from raskr.base import compute, is_dask_collection, optimize, persist, visualize
from raskr.delayed import delayed
from raskr.local import get_sync as get

__all__ = [
    "CancelledError",
    "KilledWorker",
    "__version__",
    "annotate",
    "compute",
    "config",
    "datasets",
    "delayed",
    "get",
    "get_annotations",
    "is_dask_collection",
    "optimize",
    "persist",
    "visualize",
]

__version__: str = _bridge.core.__version__
CancelledError = _bridge.core.CancelledError
KilledWorker = _bridge.core.KilledWorker
