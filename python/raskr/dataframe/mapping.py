"""Functions of partitions: `map_partitions`, and collections of the right class around expressions."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.alignment import aligned, has_index
from raskr.dataframe.enforcing import Enforced
from raskr.dataframe.expressions import Expression, PartitionCalls, Rows, label_of
from raskr.utils import has_keyword

_NOT_GIVEN = object()


def new_collection(expression: Expression) -> Any:
    """The collection of the class that suits what partitions hold."""
    from raskr.dataframe.collection import DataFrame, Index, Series

    meta = expression.meta
    if isinstance(meta, pd.DataFrame):
        return DataFrame(expression)
    if isinstance(meta, pd.Series):
        return Series(expression)
    if isinstance(meta, pd.Index):
        return Index(expression)
    if isinstance(meta, np.ndarray) and meta.ndim:
        return array_of(expression)
    if expression.npartitions != 1:
        raise TypeError(f"partitions of a frame hold pandas objects or NumPy arrays, not {type(meta).__name__}")
    from raskr.dataframe.scalar import Scalar

    return Scalar(expression)


def is_array(value: Any) -> bool:
    """Is it one of raskr's arrays?"""
    if getattr(value, "_expr", None) is None or isinstance(value._expr, Expression):
        return False
    from raskr.array import Array  # only now: frames alone don't need the arrays' modules, which take time to load

    return isinstance(value, Array)


def operand(value: Any) -> Any:
    """What an operation's argument is to expressions: the expression of a collection, anything else as it is."""
    expression = getattr(value, "_expr", None)
    if isinstance(expression, Expression):
        return expression
    if is_array(value) and value.ndim:
        empty = np.empty((0, *value.shape[1:]), dtype=value.dtype)
        if value.ndim == 2 and value.numblocks[1] > 1:
            value = value.rechunk({1: value.shape[1]})
        blocks = Rows(value._expr.block_nodes())
        divisions = (None,) * (value.numblocks[0] + 1)
        return PartitionCalls(_itself, [blocks], {}, empty, divisions, label="blocks")
    return value


def _itself(block: Any) -> Any:
    return block


def elementwise(
    func: Any,
    args: Any,
    kwargs: dict | None = None,
    *,
    columnwise: bool = False,
    label: str | None = None,
    meta: Any = _NOT_GIVEN,
    divisions: Any = None,
) -> Any:
    """A pandas operation on rows that belong together, which keeps the index, or selects among the rows.

    Frames are lined up first where they are divided at different places. pandas' own errors about empty frames, such as
    of a column that does not exist, are the user's.
    """
    args = [operand(arg) for arg in args]
    kwargs = {name: operand(arg) for name, arg in (kwargs or {}).items()}
    frames = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, Expression)]
    fresh = iter(aligned(frames, move=True))
    args = [next(fresh) if isinstance(arg, Expression) else arg for arg in args]
    kwargs = {name: next(fresh) if isinstance(arg, Expression) else arg for name, arg in kwargs.items()}
    if meta is _NOT_GIVEN:
        meta = func(*map(empty, args), **{name: empty(arg) for name, arg in kwargs.items()})
        meta = meta[:0] if getattr(meta, "ndim", 0) and len(meta) and any(map(has_index, frames)) else meta
    if divisions is None:
        divisions = divisions_of([arg for arg in (*args, *kwargs.values()) if isinstance(arg, Expression)])
        if isinstance(meta, pd.Index):  # other values than those that divisions are about
            divisions = (None,) * len(divisions)
    return new_collection(PartitionCalls(func, args, kwargs, meta, divisions, label, columnwise))


def divisions_of(frames: list) -> tuple:
    """The divisions of expressions that have been lined up."""
    rows = [frame for frame in frames if has_index(frame)] or frames
    known = [frame for frame in rows if frame.divisions[0] is not None]
    return max(known or rows, key=lambda frame: frame.npartitions).divisions


def empty(arg: Any) -> Any:
    """An argument as it is for empty partitions."""
    if isinstance(arg, Rows):
        return arg.values[0]
    return arg.meta if isinstance(arg, Expression) else arg


def array_of(expression: Expression, lengths: Any = None) -> Any:
    """The array whose blocks are the partitions, of which `meta` is an array."""
    from raskr.array.collection import Expr, wrap
    from raskr.array.utils import is_native_meta

    meta = expression.meta
    rows = (float("nan"),) * expression.npartitions if lengths is None else tuple(map(int, lengths))
    chunks = (rows, *((length,) for length in meta.shape[1:]))
    native = is_native_meta(meta)
    return wrap(
        Expr.from_nodes(expression.nodes, chunks, meta.dtype, native, expression.name), None if native else meta
    )


def make_meta(meta: Any, index: Any = None, parent_meta: Any = None) -> Any:
    """An empty pandas object of a description: an object, a dict or pairs of columns' types, `(name, type)`, a type."""
    if isinstance(meta, (pd.DataFrame, pd.Series)):
        return meta.iloc[:0]
    if isinstance(meta, (pd.Index, np.ndarray)):
        return meta[:0]
    if hasattr(meta, "_meta"):
        return meta._meta
    if isinstance(meta, dict):
        return pd.DataFrame({name: _empty_column(kind, index) for name, kind in meta.items()}, index=index)
    if isinstance(meta, tuple) and len(meta) == 2:
        return _empty_column(meta[1], index).rename(meta[0])
    if isinstance(meta, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in meta):
        return make_meta(dict(meta), index)
    if np.isscalar(meta) and not isinstance(meta, str):
        return pd.Series([meta]).iloc[:0]
    try:
        return _empty_column(meta, index)
    except TypeError:
        raise TypeError(
            f"meta: expected an empty frame or series, a dict of types by column, (name, type) or a type, got {meta!r}"
        ) from None


def _empty_column(kind: Any, index: Any) -> pd.Series:
    return pd.Series([], dtype=kind, index=None if index is None else index[:0])


def infer_meta(function: Any, args: Any, kwargs: dict) -> Any:
    """What a function gives for empty partitions."""
    from raskr.dataframe.utils import meta_nonempty

    def example(arg: Any) -> Any:
        return meta_nonempty(arg.meta) if isinstance(arg, Expression) else empty(arg)

    try:
        found = function(*map(example, args), **{name: example(arg) for name, arg in kwargs.items()})
        return found[:0] if isinstance(found, (pd.DataFrame, pd.Series, pd.Index, np.ndarray)) and found.ndim else found
    except Exception:  # it may work without rows
        pass
    try:
        found = function(*map(empty, args), **{name: empty(arg) for name, arg in kwargs.items()})
    except Exception as error:
        raise ValueError(
            f"Metadata inference failed in `{label_of(function)}`: the function failed on made-up rows and on an "
            f"empty partition, on which it was tried to find what it returns.\nPlease give the keyword meta=.\n\nOriginal error: {error!r}"
        ) from error
    return found


def map_partitions(
    func: Any,
    *args: Any,
    meta: Any = _NOT_GIVEN,
    align_dataframes: bool = True,
    clear_divisions: bool = False,
    enforce_metadata: bool | None = None,
    transform_divisions: bool = True,
    **kwargs: Any,
) -> Any:
    """A function of the partitions of frames, partition by partition.

    Parameters
    ----------
    func : callable
        Gets the partitions (pandas objects), and gives a pandas object, an array or a number.
    *args : DataFrame, Series, Index or anything
        Frames have the same number of partitions, or one, which every call gets; anything else is given as it is.
    meta : pandas object, dict, tuple or type, optional
        An empty example of the results, or their types. Where it is left out, the function is called with empty
        partitions.
    align_dataframes : bool
        Whether frames must be partitioned at the same places of the index.
    clear_divisions : bool
        Whether the result's divisions are forgotten, because the function changes the index.
    enforce_metadata : bool, optional
        By default partitions get the name that `meta` declares, and must have its columns, which is seen while computing.
        True to complain of other types as well, False to take what comes.
    transform_divisions : bool
        Accepted for likeness: divisions of an index that a function changes are never taken through it.
    **kwargs
        Further arguments of `func`.

    Returns
    -------
    DataFrame, Series, Index or Array

    Raises
    ------
    ValueError
        When partitions do not line up, or `meta` is needed.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = dd.from_pandas(pd.Series([1, 2, 3, 4]), npartitions=2)
    >>> dd.map_partitions(lambda part: part * 10, s).compute().tolist()
    [10, 20, 30, 40]
    """
    args = tuple(map(operand, args))
    kwargs = {name: operand(arg) for name, arg in kwargs.items()}
    frames = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, Expression)]
    if not frames:
        raise ValueError("map_partitions: at least one DataFrame, Series or Index is needed")
    if align_dataframes:
        rows = [frame for frame in frames if frame.npartitions > 1]
        fresh = dict(zip(map(id, rows), aligned(rows)))
        args = tuple(fresh.get(id(arg), arg) for arg in args)
        kwargs = {name: fresh.get(id(arg), arg) for name, arg in kwargs.items()}
        frames = [fresh.get(id(frame), frame) for frame in frames]
    divisions = common_divisions(frames)
    if "partition_info" not in kwargs and has_keyword(func, "partition_info"):
        kwargs["partition_info"] = Rows(
            [{"number": n, "division": division} for n, division in enumerate(divisions[:-1])]
        )
    given = meta
    found = infer_meta(func, args, kwargs) if given is _NOT_GIVEN else given
    call, meta = func, found
    if _is_foreign_array(found):
        return array_of(PartitionCalls(func, args, kwargs, found[:0], divisions, label_of(func)))
    if given is _NOT_GIVEN and not isinstance(found, (pd.DataFrame, pd.Series, pd.Index, np.ndarray)):
        meta = pd.Series([found]).iloc[:0] if np.isscalar(found) else pd.Series([], dtype=object)
        call = Enforced(func, meta, False)
    elif not isinstance(found, (pd.DataFrame, pd.Series, pd.Index, np.ndarray)):
        meta = make_meta(found, frames[0].meta.index if hasattr(frames[0].meta, "index") else None)
    elif meta.shape[:1] != (0,):
        meta = make_meta(meta)
    if given is not _NOT_GIVEN and isinstance(meta, (pd.DataFrame, pd.Series, pd.Index)):
        call = Enforced(func, meta, enforce_metadata is not False)
    if enforce_metadata:
        from raskr.dataframe.sources import Checking

        call = Checking(func, meta)
    if clear_divisions or not isinstance(meta, (pd.DataFrame, pd.Series)):
        divisions = (None,) * len(divisions)
    return new_collection(PartitionCalls(call, args, kwargs, meta, divisions, label_of(func)))


def _is_foreign_array(value: Any) -> bool:
    """Is it an array of another library than NumPy, such as a sparse one?"""
    pandas = isinstance(value, (pd.DataFrame, pd.Series, pd.Index, pd.api.extensions.ExtensionArray))
    if pandas or isinstance(value, (type, np.ndarray, np.generic)) or hasattr(value, "_meta"):
        return False
    return all(hasattr(value, name) for name in ("shape", "dtype", "ndim", "__getitem__")) and value.ndim > 0


def common_divisions(frames: list) -> tuple:
    """The divisions of expressions that are used side by side; ValueError where they do not line up."""
    several = [frame for frame in frames if frame.npartitions > 1] or frames[:1]
    for other in several[1:]:
        if other.npartitions != several[0].npartitions:
            raise ValueError(
                f"the frames have {several[0].npartitions} and {other.npartitions} partitions: expected the same number"
            )
    return divisions_of(several)
