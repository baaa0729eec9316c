"""Frames from what holds data: pandas objects, arrays, delayed values, functions."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.expressions import FromNodes, PandasSlices, PartitionCalls, Rows
from raskr.dataframe.mapping import infer_meta, make_meta, new_collection
from raskr.dataframe.texts import as_configured

#: Does pandas leave copies alone when the original is written to?
_COPIES_ON_WRITE = int(pd.__version__.split(".")[0]) >= 3


def from_pandas(data: Any, npartitions: int | None = None, sort: bool = True, chunksize: int | None = None) -> Any:
    """A frame over a pandas object.

    Parameters
    ----------
    data : pandas.DataFrame or Series
        The rows; tables of other libraries, such as pyarrow's and Polars', are taken by the Arrow C interface.
    npartitions : int, optional
        How many partitions, 1 by default; there may be fewer, since rows of equal index stay together.
    sort : bool
        Sort by the index, so that the divisions are known. Without it rows keep their order, and divisions are known
        only where the index is sorted already.
    chunksize : int, optional
        The rows of a partition, in place of `npartitions`.

    Returns
    -------
    DataFrame or Series

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"a": range(6)}), npartitions=3)
    >>> df.divisions
    (0, 2, 4, 5)
    """
    if not isinstance(data, (pd.DataFrame, pd.Series)) and _is_arrow_table(data):
        data = _pandas_of_arrow(data)
    if not isinstance(data, (pd.DataFrame, pd.Series)):
        raise TypeError("Input must be a pandas DataFrame or Series.")
    if data.index.nlevels > 1:
        raise NotImplementedError("from_pandas: an index of one level was expected, got a MultiIndex")
    if npartitions is not None and chunksize is not None:
        raise ValueError("Exactly one of npartitions and chunksize must be specified.")
    for word, given in (("npartitions", npartitions), ("chunksize", chunksize)):
        if given is not None and not isinstance(given, (int, np.integer)):
            raise TypeError(f"Please provide {word} as an int, got {type(given).__name__}: {given!r}")
    if data.index.hasnans and not pd.api.types.is_numeric_dtype(data.index.dtype):
        raise NotImplementedError(
            f"Index in passed data is non-numeric and contains nulls, which rows can't be sorted by: {data.index[:10]}"
        )
    # What is done to the caller's object later on does not count.
    data = data.copy(deep=not _COPIES_ON_WRITE)
    rows = len(data)
    if not rows:
        return as_configured(new_collection(PandasSlices(data, [0, 0], (None, None))))
    if sort and not data.index.is_monotonic_increasing:
        data = data.sort_index()
    if chunksize is not None:
        starts = list(range(0, rows, chunksize))
    else:
        count = npartitions or 1
        short, more = divmod(rows, count)
        starts = [number * short + min(number, more) for number in range(min(count, rows))]
    if not data.index.is_monotonic_increasing:
        bounds = [*starts, rows]
        return as_configured(new_collection(PandasSlices(data, bounds, (None,) * len(bounds))))
    bounds = _between_runs(data.index, starts)
    runs = data.index.unique()
    if len(bounds) - 1 < len(runs) <= len(starts):
        # There are as many partitions as there are values, if not more.
        bounds = [*data.index.searchsorted(runs).tolist(), rows]
    divisions = [*(data.index[start] for start in bounds[:-1]), data.index[-1]]
    return as_configured(new_collection(PandasSlices(data, bounds, [_plain(value) for value in divisions])))


def _between_runs(index: Any, starts: list[int]) -> list[int]:
    """Bounds near the wanted ones that leave rows of equal index together."""
    bounds = [0]
    for start in starts[1:]:
        value = index[start]
        first = int(index.searchsorted(value, side="left"))
        if first <= bounds[-1]:
            first = int(index.searchsorted(value, side="right"))
        if bounds[-1] < first < len(index):
            bounds.append(first)
    return [*bounds, len(index)]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, (np.integer, np.floating, np.bool_)) else value


def _is_arrow_table(data: Any) -> bool:
    return hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__dask_keys__")


def _pandas_of_arrow(data: Any) -> Any:
    """The pandas object of a table that an Arrow library holds."""
    import pyarrow

    return pyarrow.table(data).to_pandas()


def from_array(x: Any, chunksize: int = 50_000, columns: Any = None, meta: Any = None) -> Any:
    """A frame over an array: `raskr`'s, or anything with shape, dtype and slices.

    Parameters
    ----------
    x : array_like
        One axis for a series, two for a frame; a structured array gives a column a field.
    chunksize : int
        The rows of a partition, where the array has no blocks.
    columns : list or str, optional
        The names of columns, or of the series.
    meta : pandas object, optional
        An empty example of the result.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.dataframe as dd
    >>> dd.from_array(np.ones((4, 2)), chunksize=2, columns=["x", "y"]).npartitions
    2
    """
    from raskr.array import Array
    from raskr.array import from_array as array_from_array

    if not isinstance(x, Array):
        _check_axes(x)
        x = array_from_array(x, chunks=(chunksize, *x.shape[1:]))
    return from_dask_array(x, columns=columns, meta=meta)


def _check_axes(x: Any) -> None:
    if len(x.shape) > 2 or not len(x.shape):
        raise ValueError(f"from_array does not input more than 2D array, got array with shape {x.shape!r}")


def from_dask_array(x: Any, columns: Any = None, index: Any = None, meta: Any = None) -> Any:
    """A frame over an array, with a partition for each block of rows.

    Parameters
    ----------
    x : Array
        One axis for a series, two for a frame; columns are brought into one block.
    columns : list or str, optional
        The names of columns, or of the series.
    index : Index, optional
        The index, with a partition for each block of rows; by default rows are counted, where lengths of blocks are
        known.
    meta : pandas object, optional
        An empty example of the result.

    Examples
    --------
    >>> import raskr.array as da
    >>> import raskr.dataframe as dd
    >>> dd.from_dask_array(da.ones((6, 2), chunks=3), columns=["x", "y"]).divisions
    (0, 3, 5)
    """
    _check_axes(x)
    if x.ndim == 2 and x.shape[1] != x.shape[1]:
        raise ValueError(f"Shape along axis 1 must be known, got {x.shape}")
    if x.ndim == 2 and x.numblocks[1] > 1:
        x = x.rechunk({1: x.shape[1]})
    meta = _meta_of_array(x, columns, index, meta)
    lengths = x.chunks[0]
    if index is not None:
        if index.npartitions != x.numblocks[0]:
            raise ValueError(
                f"The index and array have different numbers of blocks. ({index.npartitions} != {x.numblocks[0]})"
            )
        rows, divisions = index._expr, index.divisions
    elif any(length != length for length in lengths):
        rows, divisions = None, (None,) * (len(lengths) + 1)
    else:
        bounds = np.cumsum([0, *lengths]).tolist()
        rows = Rows([pd.RangeIndex(start, stop) for start, stop in zip(bounds, bounds[1:])])
        last = max(bounds[-1] - 1, 0)
        divisions = [*(min(bound, last) for bound in bounds[:-1]), last]
    blocks = Rows(x._expr.block_nodes())
    made = PartitionCalls(_table, [blocks, meta, rows], {}, meta, divisions, label="from-array")
    return new_collection(made)


def _table(block: Any, meta: Any, index: Any) -> Any:
    if isinstance(meta, pd.DataFrame) and block.ndim == 1 and block.dtype.names is None:
        return pd.DataFrame({meta.columns[0]: block}, index=index)
    if isinstance(meta, pd.Series):
        return pd.Series(block, index=index, name=meta.name, dtype=meta.dtype)
    if block.dtype.names is not None:
        return pd.DataFrame(block, index=index, columns=meta.columns)
    return pd.DataFrame(block, index=index, columns=meta.columns, copy=False)


def _meta_of_array(x: Any, columns: Any, index: Any, meta: Any) -> Any:
    # A frame without columns, such as xarray gives, says no more than which library there is.
    if meta is not None and not (isinstance(meta, pd.DataFrame) and not len(meta.columns)):
        return make_meta(meta)
    rows = None if index is None else index._meta
    if x.dtype.names is not None:
        if x.ndim != 1:
            raise ValueError("a structured array must have one axis")
        names = list(x.dtype.names)
        wanted = names if columns is None else list(columns)
        if not set(wanted) <= set(names):
            raise ValueError(f"columns {wanted} are not all among the array's fields {names}")
        return pd.DataFrame(np.empty(0, dtype=x.dtype), columns=wanted, index=rows)
    empty = np.empty((0, *x.shape[1:]), dtype=x.dtype)
    if x.ndim == 1:
        if columns is not None and not np.isscalar(columns):
            if len(columns) != 1:
                raise ValueError(f"For a 1d array, columns must be a scalar or a single element list, got {columns!r}")
            return pd.DataFrame({columns[0]: empty}, index=rows)
        return pd.Series(empty, name=columns, index=rows)
    if columns is None:
        columns = list(range(x.shape[1]))
    elif isinstance(columns, str):
        raise TypeError(f"columns: expected a list of {x.shape[1]} names, got {columns!r}")
    if len(columns) != x.shape[1]:
        raise ValueError(
            f"Number of column names must match width of the array. Got {len(columns)} names for {x.shape[1]} columns"
        )
    return pd.DataFrame(empty, columns=columns, index=rows)


def frame_of_blocks(array: Any, meta: Any) -> Any:
    """The frame of an array's blocks, which are pandas objects; they follow each other along the first axis."""
    if any(count > 1 for count in array.numblocks[1:]):
        raise ValueError(f"blocks of frames must follow each other along the first axis, got {array.numblocks} of them")
    nodes = array._expr.block_nodes()
    return new_collection(FromNodes(nodes, make_meta(meta), (None,) * (len(nodes) + 1), label="map-blocks"))


def from_delayed(
    dfs: Any, meta: Any = None, divisions: Any = None, prefix: str = "from-delayed", verify_meta: bool = True
) -> Any:
    """A frame whose partitions are delayed values.

    Parameters
    ----------
    dfs : Delayed, or iterable of Delayed
        One a partition; each gives a pandas object.
    meta : pandas object, dict, tuple or type, optional
        An empty example of them; the first one is computed where it is left out.
    divisions : tuple, optional
        Where partitions begin in the index, and where the last one ends.
    prefix : str
        The first part of the keys.
    verify_meta : bool
        Complain, while computing, of partitions with other columns or types than `meta`; numbers of any kind are alike.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr
    >>> import raskr.dataframe as dd
    >>> part = raskr.delayed(pd.DataFrame)({"a": [1, 2]})
    >>> dd.from_delayed([part, part]).compute().a.tolist()
    [1, 2, 1, 2]
    """
    from raskr.delayed import Delayed, delayed

    values = [dfs] if isinstance(dfs, Delayed) else list(dfs)
    if not values:
        raise TypeError("Must supply at least one delayed object")
    for value in values:
        if not isinstance(value, Delayed) and not hasattr(value, "key"):
            raise TypeError(f"Expected Delayed object, got {type(value).__name__}")
    values = [delayed(value) for value in values]
    meta = make_meta(values[0].compute() if meta is None else meta)
    if divisions is None or divisions == "sorted":
        divisions = (None,) * (len(values) + 1)
    elif len(divisions) != len(values) + 1:
        raise ValueError(f"divisions should be a tuple of len(dfs) + 1 = {len(values) + 1}, got {len(divisions)}")
    if not verify_meta:
        return new_collection(FromNodes([value._node for value in values], meta, divisions, prefix))
    rows = Rows([value._node for value in values])
    return new_collection(PartitionCalls(_checked, [rows, meta, True], {}, meta, divisions, prefix))


def _checked(part: Any, meta: Any, any_number: bool = False) -> Any:
    """The partition, once it is seen to have the columns and types that were declared, or other types of numbers."""
    if isinstance(part, pd.DataFrame) and isinstance(meta, pd.DataFrame):
        declared, found = dict(meta.dtypes), dict(part.dtypes)
        if list(declared) == list(found) and all(_alike(declared[name], found[name], any_number) for name in declared):
            return part
    elif type(part) is type(meta):
        declared, found = meta.dtype, part.dtype
        if _alike(declared, found, any_number):
            return part
    else:
        declared, found = type(meta).__name__, type(part).__name__
    if isinstance(part, pd.DataFrame) and isinstance(meta, pd.DataFrame) and list(declared) != list(found):
        raise ValueError(
            "Metadata mismatch found: The columns in the computed data do not match the columns in the provided metadata: expected "
            f"{list(declared)}, got a partition with {list(found)}"
        )
    raise ValueError(f"Metadata mismatch found: expected {declared}, got a partition of {found}")


def _alike(declared: Any, found: Any, any_number: bool) -> bool:
    if isinstance(declared, pd.CategoricalDtype):
        return isinstance(found, pd.CategoricalDtype)
    # Whole numbers become floats where one is missing, which only some partitions may show.
    numbers = any_number and all(getattr(dtype, "kind", "O") in "iuf" for dtype in (declared, found))
    return numbers or declared == found


def from_map(
    func: Any,
    *iterables: Iterable,
    args: Any = None,
    meta: Any = None,
    divisions: Any = None,
    label: str | None = None,
    enforce_metadata: bool = False,
    **kwargs: Any,
) -> Any:
    """A frame whose partitions a function makes, one for each element of some iterables.

    Parameters
    ----------
    func : callable
        Gets an element of each iterable, and gives a pandas object.
    *iterables : iterable
        All of one length.
    args : sequence, optional
        Further positional arguments.
    meta : pandas object, dict, tuple or type, optional
        An empty example of the partitions; the function is called with the first elements where it is left out.
    divisions : tuple, optional
        Where partitions begin in the index, and where the last one ends.
    label : str, optional
        The first part of the keys.
    enforce_metadata : bool
        Complain, while computing, of partitions with other columns or types than `meta`.
    **kwargs
        Further arguments of `func`. Where `func` has a method `project_columns`, it is asked for the function
        that gives the columns which are used.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_map(lambda n: pd.DataFrame({"a": [n] * n}), [1, 2])
    >>> df.compute().a.tolist()
    [1, 2, 2]
    """
    if not callable(func):
        raise TypeError(f"`func` argument must be `callable`, got {func!r}: not a callable object")
    for values in iterables:
        if not isinstance(values, Iterable):
            raise ValueError(f"All elements of `iterables` must be Iterable, got {type(values)}")
    columns = [list(values) for values in iterables]
    if not columns or not columns[0]:
        raise ValueError("`from_map` requires at least one iterable with an element in it")
    if len({len(values) for values in columns}) > 1:
        raise ValueError(f"All `iterables` must have the same length, got {[len(values) for values in columns]}")
    args = list(args or ())
    first = [values[0] for values in columns]
    meta = make_meta(infer_meta(func, [*first, *args], kwargs) if meta is None else meta)
    count = len(columns[0])
    if divisions is None:
        divisions = (None,) * (count + 1)
    elif len(divisions) != count + 1:
        raise ValueError(f"divisions: expected {count + 1}, one more than there are partitions, got {len(divisions)}")
    rows = [Rows(values) for values in columns]
    if enforce_metadata:
        func = Checking(func, meta)
    return new_collection(MappedParts(func, [*rows, *args], kwargs, meta, divisions, label))


class Checking:
    """A function whose results must be like an empty example."""

    def __init__(self, function: Any, meta: Any) -> None:
        self.function, self.meta = function, meta

    def __dask_tokenize__(self) -> Any:
        from raskr.tokenize import normalize_token

        return type(self).__name__, normalize_token(self.function), self.meta

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _checked(self.function(*args, **kwargs), self.meta)


class MappedParts(PartitionCalls):
    """Partitions that a user's function makes, which may be able to leave out columns."""

    def narrowed(self, columns: list) -> PartitionCalls:
        """The same calls, of a function that was told which columns are wanted."""
        project = getattr(getattr(self.function, "function", self.function), "project_columns", None)
        if project is None or not isinstance(self.meta, pd.DataFrame):
            return self
        function, meta = project(list(columns)), self.meta[list(columns)]
        function = Checking(function, meta) if isinstance(self.function, Checking) else function
        return MappedParts(function, self.args, self.kwargs, meta, self.divisions, self.name.rpartition("-")[0])
