"""How many bytes of memory objects keep alive, estimated."""

import itertools
import random
import sys
from array import array
from typing import Any

from raskr.utils import Dispatch

__all__ = ["sizeof"]

sizeof = Dispatch("sizeof")


@sizeof.register(object)
def sizeof_default(o: Any) -> int:
    """Bytes that an object keeps alive, estimated.

    Parameters
    ----------
    o : object
        The object; others than NumPy's and pandas' are asked for by their type in the registry `sizeof.register`.

    Examples
    --------
    >>> import numpy as np
    >>> from raskr.sizeof import sizeof
    >>> sizeof(np.zeros(1000))
    8000
    """
    # What is handed out by a library's own estimate is better than anything that can be guessed from outside.
    nbytes = getattr(o, "nbytes", None)
    if isinstance(nbytes, int) and not isinstance(o, type):
        return max(nbytes, 1)
    try:
        return sys.getsizeof(o)
    except Exception:
        return 100


@sizeof.register((bytes, bytearray))
def sizeof_bytes(o: Any) -> int:
    return len(o)


@sizeof.register(memoryview)
def sizeof_memoryview(o: memoryview) -> int:
    return o.nbytes


@sizeof.register(array)
def sizeof_array(o: array) -> int:
    return o.itemsize * len(o)


_SAMPLE = 10


@sizeof.register((list, tuple, set, frozenset))
def sizeof_collection(seq: Any) -> int:
    own = sys.getsizeof(seq)
    if len(seq) <= _SAMPLE:
        return own + sum(map(sizeof, seq))
    # The same seed for the same length, so that an estimate does not change from call to call.
    places = set(random.Random(len(seq)).sample(range(len(seq)), _SAMPLE))
    sample = [seq[place] for place in places] if isinstance(seq, (list, tuple)) else itertools.islice(seq, _SAMPLE)
    return own + int(sum(map(sizeof, sample)) / _SAMPLE * len(seq))


@sizeof.register(dict)
def sizeof_dict(d: dict) -> int:
    own = sys.getsizeof(d)
    if len(d) <= _SAMPLE:
        return own + sum(map(sizeof, d)) + sum(map(sizeof, d.values()))
    sample = list(itertools.islice(d.items(), _SAMPLE))
    return own + int(sum(sizeof(key) + sizeof(value) for key, value in sample) / _SAMPLE * len(d))


@sizeof.register_lazy("numpy")
def register_numpy() -> None:
    import numpy as np

    @sizeof.register(np.ndarray)
    def sizeof_numpy(x: Any) -> int:
        if 0 in x.strides:
            # A broadcast array keeps one copy of what it repeats.
            one = x[tuple(slice(None) if step else slice(1) for step in x.strides)]
            return one.nbytes
        return int(x.nbytes)


@sizeof.register_lazy("scipy")
def register_scipy() -> None:
    import scipy.sparse as sp

    # Dictionaries of keys and lists of lists have no arrays to add up.
    @sizeof.register((sp.dok_matrix, sp.dok_array, sp.lil_matrix, sp.lil_array))
    def sizeof_sparse_objects(x: Any) -> int:
        return sys.getsizeof(x) + 60 * int(x.nnz)

    @sizeof.register((sp.spmatrix, sp.sparray))
    def sizeof_sparse(x: Any) -> int:
        held = [each if isinstance(each, tuple) else (each,) for each in vars(x).values()]
        parts = [part for each in held for part in each if hasattr(part, "nbytes")]
        # Small matrices are mostly the heads of the arrays that they consist of.
        return sys.getsizeof(x) + sum(part.nbytes + 100 for part in parts)


@sizeof.register_lazy("pandas")
def register_pandas() -> None:
    import pandas as pd

    @sizeof.register(pd.DataFrame)
    def sizeof_frame(df: Any) -> int:
        return 1200 + sizeof(df.index) + sizeof(df.columns) + _blocks([block.values for block in df._mgr.blocks])

    @sizeof.register(pd.Series)
    def sizeof_series(s: Any) -> int:
        return 600 + sizeof(s.index) + _blocks([s.array])

    @sizeof.register(pd.Index)
    def sizeof_index(i: Any) -> int:
        return 400 + _blocks([i.array])

    @sizeof.register(pd.RangeIndex)
    def sizeof_range_index(i: Any) -> int:
        return 400

    @sizeof.register(pd.MultiIndex)
    def sizeof_multi_index(i: Any) -> int:
        return 400 + sum(sizeof(level) for level in i.levels) + sum(code.nbytes for code in i.codes)

    def _blocks(blocks: list) -> int:
        """Bytes of arrays; what several of them hold counts once."""
        # A column may stand in a frame twice.
        different = list({_place(values): values for values in blocks}.values())
        # Categories, periods and intervals are objects to those who look at them, but are kept as numbers.
        held = [values for values in different if getattr(_kept(values).dtype, "kind", "") == "O"]
        plain = sum(50 + _plain(values) for values in different if all(values is not each for each in held))
        return plain + _objects(held)

    def _plain(values: Any) -> int:
        if isinstance(values, pd.Categorical):
            return int(values.codes.nbytes) + sizeof(values.categories)
        return int(values.nbytes)

    def _kept(values: Any) -> Any:
        import numpy as np

        kept = getattr(values, "_ndarray", values)
        return kept if isinstance(kept, np.ndarray) else np.empty(0, "u1")

    def _place(values: Any) -> Any:
        values = getattr(values, "_ndarray", values)
        interface = getattr(values, "__array_interface__", None)
        return id(values) if interface is None else (interface["data"][0], values.shape, values.strides)

    def _objects(arrays: list) -> int:
        """Pointers, and what they lead to: judged by a sample, in which an object that is met again counts once."""
        import numpy as np

        flat = [np.asarray(getattr(values, "_ndarray", values)).ravel() for values in arrays]
        count = sum(map(len, flat))
        if not count:
            return 0
        ends = np.cumsum([len(each) for each in flat])
        places = np.sort(np.random.default_rng(count).choice(count, min(count, 100), replace=False))
        owners = np.searchsorted(ends, places, side="right")
        found = [flat[owner][place - ends[owner]] for owner, place in zip(owners, places)]
        sample = sum(map(sizeof, {id(each): each for each in found}.values()))
        is_varied = len(set(map(id, found))) > len(found) // 2
        return sum(each.nbytes for each in flat) + (sample * count // len(found) if is_varied else sample)


@sizeof.register_lazy("xarray")
def register_xarray() -> None:
    import xarray as xr

    # Lazy variables know how large they would be.
    def _variables(x: Any, variables: Any) -> int:
        return sys.getsizeof(x) + sum(int(each.nbytes) for each in variables if each._in_memory)

    @sizeof.register(xr.Dataset)
    def sizeof_dataset(x: Any) -> int:
        return _variables(x, x.variables.values())

    @sizeof.register(xr.DataArray)
    def sizeof_data_array(x: Any) -> int:
        return _variables(x, [x.variable])

    @sizeof.register(xr.Variable)
    def sizeof_variable(x: Any) -> int:
        return _variables(x, [x])

    @sizeof.register(xr.core.indexes.Indexes)
    def sizeof_indexes(x: Any) -> int:
        return sys.getsizeof(x) + sum(sizeof(index) for index in x.values())


@sizeof.register_lazy("pyarrow")
def register_pyarrow() -> None:
    import pyarrow as pa

    @sizeof.register((pa.Table, pa.RecordBatch, pa.ChunkedArray, pa.Array))
    def sizeof_arrow(x: Any) -> int:
        return int(x.get_total_buffer_size()) + 1000
