"""Joins with the nearest row: `merge_asof`, whose partitions see the rows of the other side just before and behind them."""

from typing import Any

import pandas as pd

from raskr._bridge import core
from raskr.dataframe.alignment import Divided
from raskr.dataframe.expressions import Expression, PartitionCalls, Rows
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.merging import as_frame
from raskr.dataframe.partials import concat
from raskr.dataframe.shuffle import as_list
from raskr.tokenize import tokenize


def merge_asof(
    left: Any,
    right: Any,
    on: Any = None,
    left_on: Any = None,
    right_on: Any = None,
    left_index: bool = False,
    right_index: bool = False,
    by: Any = None,
    left_by: Any = None,
    right_by: Any = None,
    suffixes: Any = ("_x", "_y"),
    tolerance: Any = None,
    allow_exact_matches: bool = True,
    direction: str = "backward",
) -> Any:
    """Each row of the left frame beside the nearest row of the right one, both being sorted.

    Parameters
    ----------
    left, right : DataFrame, or pandas' own
        Both sorted by the key.
    on, left_on, right_on : str, optional
        The column of the key.
    left_index, right_index : bool
        The index is the key.
    by, left_by, right_by : str or list of str, optional
        Columns that have to be equal.
    suffixes : pair of str
        Put behind names that both have.
    tolerance : number or timedelta, optional
        How far the nearest row may be.
    allow_exact_matches : bool
        Whether an equal key counts.
    direction : {'backward', 'forward', 'nearest'}
        Where to look.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> left = dd.from_pandas(pd.DataFrame({"t": [1, 5, 10], "a": [1, 2, 3]}), npartitions=2)
    >>> right = dd.from_pandas(pd.DataFrame({"t": [1, 2, 3, 6, 7], "b": [1, 2, 3, 6, 7]}), npartitions=2)
    >>> dd.merge_asof(left, right, on="t").b.compute().tolist()
    [1, 3, 7]
    """
    if direction not in ("backward", "forward", "nearest"):
        raise ValueError(f"direction: expected 'backward', 'forward' or 'nearest', got {direction!r}")
    if on is not None:
        if left_on is not None or right_on is not None:
            raise ValueError('Can only pass argument "on" OR "left_on" and "right_on", not a combination of both.')
        left_on = right_on = on
    if by is not None:
        if left_by is not None or right_by is not None:
            raise ValueError('Can only pass argument "by" OR "left_by" and "right_by", not a combination of both.')
        left_by = right_by = by
    for word, key, index in (("left", left_on, left_index), ("right", right_on, right_index)):
        if (key is None) == (not index):
            raise ValueError(f'Must pass exactly one of "{word}_on" (or "on") and "{word}_index"')
    left, right = as_frame(left), as_frame(right)
    options = {
        "left_on": left_on,
        "right_on": right_on,
        "left_index": left_index,
        "right_index": right_index,
        "left_by": left_by,
        "right_by": right_by,
        "suffixes": suffixes,
        "tolerance": tolerance,
        "allow_exact_matches": allow_exact_matches,
        "direction": direction,
    }
    meta = pd.merge_asof(left._meta, right._meta, **options)
    own, other = _indexed(left, left_on)._expr, _indexed(right, right_on)._expr
    for word, each in (("left", own), ("right", other)):
        if each.divisions[0] is None and each.npartitions > 1:
            raise ValueError(f"merge_asof: the divisions of the {word} frame are not known: set its index first")
    return new_collection(_nearest(own, other, as_list(right_by) if right_by is not None else None, options, meta))


def _indexed(frame: Any, key: Any) -> Any:
    """The frame, whose divisions are those of its key."""
    if key is None or frame.npartitions == 1:
        return frame
    frame = frame.map_partitions(_with_index, meta=_with_index(frame._meta))
    made = frame.set_index(key, sorted=True, drop=False)
    return made.map_partitions(_without_name, meta=made._meta.rename_axis(index=None))


#: The column that keeps the index while rows are parted by the key.
_KEPT = "_kept_index"


def _with_index(part: Any) -> Any:
    return part.assign(**{_KEPT: part.index})


def _without_name(part: Any) -> Any:
    return part.rename_axis(index=None)


def _nearest(left: Expression, right: Expression, by: list | None, options: dict, meta: Any) -> Expression:
    if left.npartitions == 1 or right.npartitions == 1:
        rows = [None, Rows([list(right.nodes)] * left.npartitions), None]
        kept = (None, None) if left.npartitions == 1 else _kept(left, options)
        return PartitionCalls(_merged, [left, *rows, options], {}, meta, kept, "merge-asof")
    places = list(left.divisions)
    low, high = min(places[0], right.divisions[0]), max(places[-1], right.divisions[-1])
    parts = Divided(right, [low, *places[1:-1], high]).nodes
    before = _carried(parts, by, "tail")
    behind = _carried(parts[::-1], by, "head")[::-1]
    rows = [Rows(before), Rows([[part] for part in parts]), Rows(behind)]
    return PartitionCalls(_merged, [left, *rows, options], {}, meta, _kept(left, options), "merge-asof")


def _kept(left: Expression, options: dict) -> tuple:
    return left.divisions if options["left_index"] else (None,) * (left.npartitions + 1)


def _carried(parts: list, by: list | None, end: str) -> list:
    """For each partition the last rows of all that come before it, in the order of `parts`."""
    token = tokenize([part.key for part in parts], by)
    found: list = [None]
    for number, part in enumerate(parts[:-1]):
        key = f"asof-{end}-{token}-{number}"
        found.append(core.node_of_call(_ends, (found[-1], part, by, end), key=key, name=f"asof-{end}"))
    return found


def _ends(carried: Any, part: Any, by: list | None, end: str) -> Any:
    """The rows at one end, one for each group."""
    pieces = [each for each in ((carried, part) if end == "tail" else (part, carried)) if each is not None]
    rows = concat(pieces)
    if by is None:
        return rows.tail(1) if end == "tail" else rows.head(1)
    return rows.drop_duplicates(by, keep="last" if end == "tail" else "first")


def _merged(left: Any, before: Any, parts: list, behind: Any, options: dict) -> Any:
    rows = concat([each for each in (before, *parts, behind) if each is not None])
    if _KEPT in left.columns:
        left = left.set_index(_KEPT).rename_axis(index=None)
    if _KEPT in rows.columns:
        rows = rows.set_index(_KEPT).rename_axis(index=None)
    return pd.merge_asof(left, rows, **options)
