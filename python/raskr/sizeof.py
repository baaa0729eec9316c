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

    @sizeof.register(sp.spmatrix)
    def sizeof_sparse(x: Any) -> int:
        return sum(part.nbytes for part in vars(x).values() if hasattr(part, "nbytes")) or sys.getsizeof(x)


@sizeof.register_lazy("pandas")
def register_pandas() -> None:
    import pandas as pd

    @sizeof.register(pd.DataFrame)
    def sizeof_frame(df: Any) -> int:
        return sizeof(df.index) + sum(_column(df.iloc[:, place]) for place in range(df.shape[1])) + 1000

    @sizeof.register(pd.Series)
    def sizeof_series(s: Any) -> int:
        return _column(s) + sizeof(s.index) + 1000

    @sizeof.register(pd.Index)
    def sizeof_index(i: Any) -> int:
        return _column(i) + 1000

    @sizeof.register(pd.MultiIndex)
    def sizeof_multi_index(i: Any) -> int:
        return sum(sizeof(level) for level in i.levels) + sum(code.nbytes for code in i.codes) + 1000

    def _column(values: Any) -> int:
        if values.dtype == object:
            return int(values.nbytes) + _objects(values)
        return int(values.memory_usage(index=False) if isinstance(values, pd.Series) else values.memory_usage())

    def _objects(values: Any) -> int:
        count = len(values)
        if not count:
            return 0
        sample = values.array[:: max(count // 20, 1)]
        return int(sum(map(sizeof, sample)) / len(sample) * count)


@sizeof.register_lazy("pyarrow")
def register_pyarrow() -> None:
    import pyarrow as pa

    @sizeof.register((pa.Table, pa.RecordBatch, pa.ChunkedArray, pa.Array))
    def sizeof_arrow(x: Any) -> int:
        return int(x.get_total_buffer_size()) + 1000
