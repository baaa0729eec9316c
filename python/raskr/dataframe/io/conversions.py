"""Frames to other collections and back: records, bags, dictionaries."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.expressions import PartitionCalls


def to_records(df: Any, index: bool = True, lengths: Any = None) -> Any:
    """The rows as an array of records, with a block for each partition.

    Parameters
    ----------
    df : DataFrame
        The rows.
    index : bool
        Put the index in front.
    lengths : bool or sequence of int, optional
        The rows of each partition; True computes them. Without it the blocks have unknown lengths.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
    >>> dd.to_records(df).compute().tolist()
    [(0, 1), (1, 2)]
    """
    from raskr.dataframe.mapping import array_of

    if lengths is True:
        lengths = df._lengths()
    elif lengths is not None:
        if not isinstance(lengths, (list, tuple)):
            raise ValueError(f"lengths: expected True or a sequence of numbers, got {lengths!r}")
        lengths = tuple(lengths)
        if len(lengths) != df.npartitions:
            raise ValueError(
                "The number of items in 'lengths' does not match the number of partitions. "
                f"{len(lengths)} != {df.npartitions}"
            )
    meta = np.asarray(_records(df._meta, index))
    expression = PartitionCalls(_records, [df._expr, index], {}, meta, df.divisions, "to-records")
    return array_of(expression, lengths)


def _records(part: Any, index: bool) -> Any:
    return part.to_records(index=index)


def to_bag(df: Any, index: bool = False, format: str = "tuple") -> Any:
    """The rows, or values, as a bag, with a partition for each partition.

    Parameters
    ----------
    df : DataFrame, Series or Index
        The rows.
    index : bool
        Give the index too, as the first item of each tuple.
    format : {'tuple', 'dict', 'frame'}
        What rows become; 'frame' leaves partitions as they are.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), npartitions=2)
    >>> df.to_bag().compute(scheduler="sync")
    [(1, 3), (2, 4)]
    """
    from raskr.bag.creation import from_delayed
    from raskr.dataframe.io.writing import delayed_of, write_nodes

    if format not in ("tuple", "dict", "frame"):
        raise ValueError(f"format: expected 'tuple', 'dict' or 'frame', got {format!r}")
    nodes = write_nodes("to-bag", _items, df, [(index, format)] * df.npartitions)
    return from_delayed(delayed_of(nodes))


def _items(part: Any, index: bool, format: str) -> Any:
    if format == "frame":
        return part
    if isinstance(part, pd.DataFrame):
        if format == "tuple":
            return list(map(tuple, part.itertuples(index, name=None)))
        return _dicts(part, index)
    if isinstance(part, pd.Series):
        if format == "dict":
            return _dicts(part.to_frame(), False)
        return list(part.items()) if index else list(part)
    if format == "dict":
        return part.to_frame().to_dict(orient="records")
    return list(part)


def _dicts(part: Any, index: bool) -> list:
    rows = part.to_dict(orient="records")
    return [{"index": place, **row} for place, row in zip(part.index, rows)] if index else rows


def from_dict(
    data: Any,
    npartitions: int = 1,
    orient: str = "columns",
    dtype: Any = None,
    columns: Any = None,
    constructor: Any = pd.DataFrame,
) -> Any:
    """A frame of a dictionary; see `pandas.DataFrame.from_dict`.

    Parameters
    ----------
    data : dict
        Columns by name, or rows by index.
    npartitions : int
        How many partitions.
    orient : {'columns', 'index', 'tight'}
        What the keys are.
    dtype : type, optional
        The element type.
    columns : list, optional
        The names of columns, with `orient="index"`.
    constructor : type
        Has the method `from_dict`.

    Examples
    --------
    >>> import raskr.dataframe as dd
    >>> dd.from_dict({"a": [1, 2, 3]}, npartitions=2).a.sum().compute().item()
    6
    """
    from raskr.dataframe.sources import from_pandas

    values = data.values() if isinstance(data, dict) else ()
    if any(hasattr(value, "_expr") for value in values):
        raise NotImplementedError(
            "from_dict should not be passed Dask collections as inputs, nor raskr's: put them together with concat"
        )
    return from_pandas(constructor.from_dict(data, orient, dtype, columns), npartitions)
