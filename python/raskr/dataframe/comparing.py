"""`assert_eq`: do lazy and known objects hold the same, as tests ask?"""

from typing import Any

import numpy as np
import pandas as pd


def assert_eq(
    a: Any,
    b: Any,
    check_names: bool = True,
    check_dtype: bool = True,
    check_divisions: bool = True,
    check_index: bool = True,
    sort_results: bool = True,
    scheduler: str = "sync",
    **kwargs: Any,
) -> bool:
    """Raise AssertionError unless two objects, lazy or known, hold the same rows.

    Parameters
    ----------
    a, b : object
        Frames, series, indexes, numbers.
    check_names, check_dtype, check_index : bool
        What must be equal beside the values.
    check_divisions : bool
        Whether the rows of lazy objects must lie within their divisions.
    sort_results : bool
        Whether the order of rows does not matter.
    scheduler : str
        Who computes.
    **kwargs
        For the functions of `pandas.testing`.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = pd.Series([1, 2, 3])
    >>> dd.utils.assert_eq(dd.from_pandas(s, npartitions=2) + 1, s + 1)
    True
    """
    if check_divisions:
        for each in (a, b):
            _check_divisions(each, scheduler)
    one, other = _computed(a, scheduler), _computed(b, scheduler)
    if isinstance(one, (pd.DataFrame, pd.Series)) and isinstance(other, (pd.DataFrame, pd.Series)):
        if sort_results:
            one, other = _in_order(one, check_index), _in_order(other, check_index)
        if not check_index:
            one, other = one.reset_index(drop=True), other.reset_index(drop=True)
        options = {"check_index_type": False, "check_freq": False, **kwargs}
        check = pd.testing.assert_frame_equal if isinstance(one, pd.DataFrame) else pd.testing.assert_series_equal
        check(one, other, check_names=check_names, check_dtype=check_dtype, **options)
    elif isinstance(one, pd.Index) and isinstance(other, pd.Index):
        one, other = (one.sort_values(), other.sort_values()) if sort_results else (one, other)
        pd.testing.assert_index_equal(one, other, exact=check_dtype, check_names=check_names)
    else:
        same = one == other
        if not (same if isinstance(same, (bool, np.bool_)) else np.all(same)):
            if not np.allclose(one, other, equal_nan=True):
                raise AssertionError(f"{one!r} is not {other!r}")
    return True


def _computed(value: Any, scheduler: str) -> Any:
    return value.compute(scheduler=scheduler) if hasattr(value, "compute") else value


def _in_order(table: Any, by_index: bool) -> Any:
    try:
        ordered = table.sort_values(list(table.columns)) if isinstance(table, pd.DataFrame) else table.sort_values()
        return ordered.sort_index(kind="stable") if by_index else ordered
    except (TypeError, ValueError, KeyError):
        return table


def _check_divisions(collection: Any, scheduler: str) -> None:
    """Raise AssertionError where a row lies outside its partition's divisions."""
    if not getattr(collection, "known_divisions", False) or getattr(collection, "ndim", 0) == 0:
        return
    divisions = collection.divisions
    if collection.npartitions < 2:
        return
    for number, part in enumerate(collection.partitions):
        found = part.compute(scheduler=scheduler)
        index = found if isinstance(found, pd.Index) else found.index
        if not len(index):
            continue
        last = number == collection.npartitions - 1
        low, high = index.min(), index.max()
        if low < divisions[number] or high > divisions[number + 1] or high == divisions[number + 1] and not last:
            raise AssertionError(
                f"partition {number} holds index values from {low} to {high}, its divisions are {divisions[number]} to "
                f"{divisions[number + 1]}"
            )
