"""NumPy's protocols: what NumPy's ufuncs and functions do when they are given an `Array`."""

import importlib
import warnings

import numpy as np

from raskr.array.chunk_types import is_valid_chunk_type
from raskr.array.collection import Array
from raskr.array.operators import _gives_way


def apply_numpy_ufunc(array, numpy_ufunc, method, inputs, kwargs):
    """`numpy_ufunc(*inputs, **kwargs)`, lazily; NotImplemented where another operand shall handle it."""
    from raskr.array import ufunc

    for operand in (*inputs, *_as_tuple(kwargs.get("out"))):
        if not isinstance(operand, Array) and _gives_way(array, operand):
            return NotImplemented
    if method == "outer":
        function = getattr(ufunc, numpy_ufunc.__name__, None)
        return NotImplemented if function is None else function.outer(*inputs, **kwargs)
    if method != "__call__":
        return NotImplemented
    if numpy_ufunc is np.matmul:
        from raskr.array.routines import matmul

        return NotImplemented if kwargs else matmul(*inputs)
    if numpy_ufunc.signature is not None:
        from raskr.array.gufunc import apply_gufunc

        return apply_gufunc(numpy_ufunc, numpy_ufunc.signature, *inputs, **kwargs)
    if numpy_ufunc.nout > 1:
        function = getattr(ufunc, numpy_ufunc.__name__, None)
        return NotImplemented if function is None else function(*inputs, **kwargs)
    return ufunc.elemwise(numpy_ufunc, *inputs, **kwargs)


def _as_tuple(out):
    return out if isinstance(out, tuple) else () if out is None else (out,)


def apply_numpy_function(func, types, args, kwargs):
    """The function of raskr.array of the same name; NumPy's own on computed arrays, with a warning, where there is
    none."""
    for kind in types:
        if not issubclass(kind, Array) and not is_valid_chunk_type(kind):
            return NotImplemented
    ours = _counterpart(func)
    if ours is None or ours is func:
        return _computed(func, args, kwargs)
    return ours(*args, **kwargs)


def _counterpart(func):
    """raskr's function for one of NumPy's, looked up by its module and name."""
    path = func.__module__.split(".")[1:]
    if path and path[0].startswith("_"):
        path = []
    try:
        module = importlib.import_module(".".join(["raskr.array", *path]))
    except ImportError:
        return None
    name = _ALIASES.get(func.__name__, func.__name__)
    found = getattr(module, name, None)
    return found if callable(found) else None


_ALIASES = {"amax": "max", "amin": "min", "round_": "round", "concat": "concatenate", "permute_dims": "transpose"}


def _computed(func, args, kwargs):
    warnings.warn(
        f"The `{func.__module__}.{func.__name__}` function is not implemented by Dask's array interface here: its "
        "arrays are "
        "computed and given to NumPy. You may want to use the da.map_blocks function or something similar to "
        "silence this "
        "warning. Your code may stop working in a future release.",
        FutureWarning,
        stacklevel=5,
    )
    args, kwargs = _compute_all(args), _compute_all(kwargs)
    return func(*args, **kwargs)


def _compute_all(item):
    if isinstance(item, Array):
        return item.compute()
    if isinstance(item, (list, tuple)) and type(item) in (list, tuple):
        return type(item)(_compute_all(one) for one in item)
    if type(item) is dict:
        return {key: _compute_all(one) for key, one in item.items()}
    return item
