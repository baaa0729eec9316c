"""Array libraries whose arrays blocks may be."""

import numpy as np

from raskr import config

_KNOWN = ("numpy", "cupy")


def to_backend(x, backend=None, **kwargs):
    """The array with its blocks moved to another array library; see `Array.to_backend`."""
    backend = backend or config.get("array.backend", "numpy")
    if backend == "numpy":
        if type(x._meta) is np.ndarray:
            return x
        return x.map_blocks(_as_numpy, meta=np.empty((0,) * x.ndim, dtype=x.dtype), **kwargs)
    if backend == "cupy":
        try:
            import cupy
        except ImportError as error:
            raise ImportError("to_backend('cupy') needs the package cupy") from error
        return x.map_blocks(cupy.asarray, meta=cupy.empty((0,) * x.ndim, dtype=x.dtype), **kwargs)
    raise ValueError(f"No backend dispatch registered for {backend!r}: expected one of {', '.join(map(repr, _KNOWN))}")


def _as_numpy(block):
    """A block as one of NumPy's arrays; sparse ones don't become dense by themselves, cupy's are got from the device."""
    for method in ("todense", "get"):
        if hasattr(block, method):
            return np.asarray(getattr(block, method)())
    return np.asarray(block)
