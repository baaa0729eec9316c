"""Functions of partitions: `map_partitions`, and collections of the right class around expressions."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.expressions import Expression, PartitionCalls, label_of

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
    if isinstance(meta, np.ndarray):
        return array_of(expression)
    raise TypeError(f"partitions of a frame hold pandas objects or NumPy arrays, not {type(meta).__name__}")


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


def make_meta(meta: Any, index: Any = None) -> Any:
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

    def empty(arg: Any) -> Any:
        return arg.meta if isinstance(arg, Expression) else arg

    try:
        found = function(*map(empty, args), **{name: empty(arg) for name, arg in kwargs.items()})
    except Exception as error:
        raise ValueError(
            f"Metadata inference failed in `{label_of(function)}`: the function failed on an empty partition, on which "
            f"it was tried to find what it returns.\nPlease give the keyword meta=.\n\nOriginal error: {error!r}"
        ) from error
    return found


def map_partitions(
    func: Any,
    *args: Any,
    meta: Any = _NOT_GIVEN,
    align_dataframes: bool = True,
    clear_divisions: bool = False,
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
    from raskr.dataframe.collection import FrameBase

    def inside(arg: Any) -> Any:
        return arg._expr if isinstance(arg, FrameBase) else arg

    args = tuple(map(inside, args))
    kwargs = {name: inside(arg) for name, arg in kwargs.items()}
    frames = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, Expression)]
    if not frames:
        raise ValueError("map_partitions: at least one DataFrame, Series or Index is needed")
    divisions = common_divisions(frames, align_dataframes)
    found = infer_meta(func, args, kwargs) if meta is _NOT_GIVEN else meta
    call, meta = func, found
    if not isinstance(found, (pd.DataFrame, pd.Series, pd.Index, np.ndarray)):
        meta = make_meta(found, frames[0].meta.index if hasattr(frames[0].meta, "index") else None)
        if meta.ndim == 1 and (not isinstance(found, tuple)) and np.isscalar(found):
            call, divisions = _AsSeries(func), divisions
    elif meta.shape[:1] != (0,):
        meta = make_meta(meta)
    if clear_divisions or not isinstance(meta, (pd.DataFrame, pd.Series)):
        divisions = (None,) * len(divisions)
    return new_collection(PartitionCalls(call, args, kwargs, meta, divisions, label_of(func)))


class _AsSeries:
    """A function whose numbers become series of one element."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __dask_tokenize__(self) -> Any:
        from raskr.tokenize import normalize_token

        return "_AsSeries", normalize_token(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> pd.Series:
        return pd.Series([self.function(*args, **kwargs)])


def common_divisions(frames: list, align: bool = True) -> tuple:
    """The divisions of expressions that are used side by side; ValueError where they do not line up."""
    several = [frame for frame in frames if frame.npartitions > 1] or frames[:1]
    first = several[0]
    for other in several[1:]:
        if other.npartitions != first.npartitions:
            raise ValueError(
                f"the frames have {first.npartitions} and {other.npartitions} partitions: expected the same number"
            )
        if align and first.divisions[0] is not None and other.divisions[0] is not None:
            if first.divisions != other.divisions:
                raise ValueError(
                    f"the frames are divided at different places of the index: {first.divisions} and {other.divisions}"
                )
    return first.divisions
