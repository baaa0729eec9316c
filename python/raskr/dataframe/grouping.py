"""Group-by of partitions: keys, partial results of aggregations, and how these are combined. Knows pandas only."""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.partials import concat

#: What aggregations are made of: the parts that are kept for each group and column.
PARTS = {
    **{name: [name] for name in ("sum", "count", "min", "max", "first", "last", "prod", "any", "all", "size", "list")},
    "mean": ["sum", "count"],
    "var": ["sum", "count", "spread"],
    "std": ["sum", "count", "spread"],
    "sem": ["sum", "count", "spread"],
}
#: How parts of the same group are combined.
_RULES = {"count": "sum", "size": "sum"}

#: Functions that people give, by the names of what they mean.
_MEANINGS: dict[Any, str] = {sum: "sum", min: "min", max: "max", any: "any", all: "all", len: "size", list: "list"}
for _name in "sum min max mean std var prod any all median".split():
    _MEANINGS[getattr(np, _name)] = _name


class Aggregation:
    """An aggregation of one's own, for `groupby(...).agg`.

    Parameters
    ----------
    name : str
        Its name, which columns get.
    chunk : callable
        Gets each partition's grouped series; gives a series, or a tuple of some.
    agg : callable
        Gets what `chunk` gave for all partitions, put together and grouped again; as many as `chunk` gave.
    finalize : callable, optional
        Gets what `agg` gave, and makes one series of it.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"g": [1, 1, 2], "x": [1, 2, 5]}), npartitions=2)
    >>> total = dd.Aggregation("total", lambda s: s.sum(), lambda s: s.sum())
    >>> df.groupby("g").agg({"x": total}).x.compute().tolist()
    [3, 5]
    """

    def __init__(self, name: str, chunk: Callable, agg: Callable, finalize: Callable | None = None) -> None:
        self.chunk, self.agg, self.finalize, self.__name__ = chunk, agg, finalize, name


class Step:
    """One column of a result: what is done to which column, and what it is called.

    Parameters
    ----------
    label : object
        The column of the result.
    column : object
        The column of the frame.
    kind : str or Aggregation
        What is done.
    options : dict
        Its arguments, such as `ddof`.
    """

    def __init__(self, label: Any, column: Any, kind: Any, options: dict | None = None) -> None:
        self.label, self.column, self.kind, self.options = label, column, kind, dict(options or {})

    def __dask_tokenize__(self) -> Any:
        from raskr.tokenize import normalize_token

        return normalize_token([self.label, self.column, self.kind, self.options])

    def parts(self) -> list:
        """The parts that are kept for it, but for those that an aggregation of one's own makes."""
        if isinstance(self.kind, Aggregation):
            return []
        return PARTS[self.kind] + (["count"] if self.options.get("min_count", 0) > 0 else [])


def meaning(function: Any) -> Any:
    """The name of what a function means; itself where it has none."""
    if isinstance(function, str):
        return {"product": "prod", "nth": "nth"}.get(function, function)
    try:
        return _MEANINGS.get(function, function)
    except TypeError:
        return function


# --- keys ---------------------------------------------------------------------------------------------------------------
def keys_of(part: Any, by: Sequence, given: Sequence) -> list:
    """The group keys of a partition as series: columns by label, and where `by` has None those that are given."""
    rest = iter(given)
    keys = []
    for label in by:
        if label is None:
            key = next(rest)
            keys.append(key.to_series(index=part.index) if isinstance(key, pd.Index) else key)
        elif isinstance(part, pd.DataFrame) and label in part.columns:
            keys.append(part[label])
        else:
            keys.append(pd.Series(part.index, index=part.index, name=label))
    return keys


def grouped(values: Any, keys: list, **options: Any) -> Any:
    """pandas' group-by of values by keys on the same rows."""
    if isinstance(values, pd.DataFrame):
        # pandas leaves a column out that it takes for the key itself, which it tells by shared memory.
        keys = [key.copy() if key.name in values.columns else key for key in keys]
    return values.groupby(keys if len(keys) > 1 else keys[0], **options)


def by_levels(whole: Any, **options: Any) -> Any:
    """pandas' group-by of partial results, whose index are the groups."""
    levels = list(range(whole.index.nlevels)) if whole.index.nlevels > 1 else 0
    return whole.groupby(level=levels, **options)


# --- aggregations in parts ----------------------------------------------------------------------------------------------
def partial_results(part: Any, by: Sequence, steps: Sequence, dropna: Any, sort: Any, *given: Any) -> dict:
    """The parts of all steps, each a frame with the groups as its index; those of one's own by `(label, place)`."""
    keys = keys_of(part, by, given)
    frame = part.to_frame("_values") if isinstance(part, pd.Series) else part
    wanted: dict[Any, list] = {}
    custom = [step for step in steps if isinstance(step.kind, Aggregation)]
    for step in steps:
        for kind in step.parts():
            columns = wanted.setdefault(kind, [])
            if step.column not in columns:
                columns.append(step.column)
    options = {"dropna": dropna is not False, "observed": True, "sort": False}
    found: dict = {}
    for kind, columns in wanted.items():
        if kind == "size":
            found[kind] = grouped(pd.Series(0, index=frame.index), keys, **options).size().to_frame(0)
            continue
        groups = grouped(frame[columns], keys, **options)
        if kind == "list":
            found[kind] = groups.agg(list)
        elif kind == "spread":
            found[kind] = (groups.var(ddof=0) * groups.count()).fillna(0.0).astype(float)
        else:
            found[kind] = getattr(groups, kind)()
    for step in custom:
        pieces = step.kind.chunk(grouped(frame[[step.column]], keys, **options)[step.column])
        for place, piece in enumerate(pieces if isinstance(pieces, tuple) else (pieces,)):
            found[step.label, place] = piece.to_frame(0)
    return found


def combined_results(found: list, steps: Sequence, dropna: Any) -> dict:
    """The parts of several pieces as one, group by group."""
    options = {"dropna": dropna is not False, "observed": True, "sort": False}
    return _combined(found, steps, options)


def _combined(found: list, steps: Sequence, options: dict) -> dict:
    made: dict = {}
    wholes = {kind: concat([piece[kind] for piece in found]) for kind in found[0]}
    for kind, whole in wholes.items():
        if isinstance(kind, tuple):
            continue
        groups = by_levels(whole, **options)
        if kind == "list":
            made[kind] = groups.agg(_end_to_end)
        elif kind == "spread":
            made[kind] = _spread(whole, wholes, groups, options)
        else:
            made[kind] = getattr(groups, _RULES.get(kind, kind))()
    for step in steps:
        if isinstance(step.kind, Aggregation):
            places = _places(step, wholes)
            results = step.kind.agg(*(by_levels(wholes[place][0], **options) for place in places))
            for place, result in zip(places, results if isinstance(results, tuple) else (results,)):
                made[place] = result.to_frame(0)
    return made


def _places(step: Step, parts: dict) -> list:
    """The parts that an aggregation of one's own made."""
    return [key for key in parts if isinstance(key, tuple) and key[0] == step.label]


def _spread(whole: Any, wholes: dict, groups: Any, options: dict) -> Any:
    """Sums of squared distances from the mean of the whole, of those from the means of the pieces."""
    columns = list(whole.columns)
    counts, sums = wholes["count"][columns].astype(float), wholes["sum"][columns].astype(float)
    total = by_levels(counts, **options).transform("sum")
    mean = by_levels(sums, **options).transform("sum") / total.where(total > 0)
    away = (sums / counts.where(counts > 0) - mean).fillna(0.0)
    return by_levels(whole + counts * away * away, **options).sum()


def _end_to_end(lists: Any) -> list:
    return [value for each in lists for value in each]


def finished_results(
    found: list, steps: Sequence, dropna: Any, sort: Any, observed: Any, series: bool, kinds: Any, columns: Any
) -> Any:
    """The result of all steps: a frame with a column for each, or its one column."""
    options = {"dropna": dropna is not False, "observed": observed is not False, "sort": sort is not False}
    parts = _combined(found, steps, options)
    made = [_finished(step, parts) for step in steps]
    made = [_of_kind(column, kind) for column, kind in zip(made, kinds)]
    if series:
        return made[0].rename(steps[0].label)
    if not made:
        whole = pd.DataFrame(index=next(iter(parts.values())).index if parts else None)
    else:
        whole = pd.concat(made, axis=1)
    return whole.set_axis(columns, axis=1)


def _of_kind(column: Any, kind: Any) -> Any:
    if isinstance(kind, pd.ArrowDtype) and kind.type is Decimal and column.dtype != kind:
        return column.astype(kind)
    if kind is not None and column.dtype != kind and getattr(kind, "kind", "") == "f" and column.dtype.kind == "f":
        return column.astype(kind)
    return column


def _finished(step: Step, parts: dict) -> Any:
    kind, column, options = step.kind, step.column, step.options
    if isinstance(kind, Aggregation):
        pieces = [parts[key][0] for key in _places(step, parts)]
        return kind.finalize(*pieces) if kind.finalize is not None else pieces[0]
    if kind == "size":
        return parts[kind][0]
    if kind in ("sum", "prod", "min", "max", "first", "last") and options.get("min_count", 0) > 0:
        return parts[kind][column].where(parts["count"][column] >= options["min_count"])
    if len(PARTS[kind]) == 1:
        return parts[kind][column]
    count = parts["count"][column]
    if kind == "mean":
        sums = parts["sum"][column]
        if isinstance(sums.dtype, pd.ArrowDtype) and sums.dtype.type is Decimal:
            return _decimal_means(sums, count)
        return sums / count.where(count > 0)
    ddof = options.get("ddof", 1)
    variance = parts["spread"][column] / (count - ddof).where(count > ddof)
    if kind == "var":
        return variance
    deviation = np.sqrt(variance)
    return deviation if kind == "std" else deviation / np.sqrt(count)


def _decimal_means(sums: Any, counts: Any) -> Any:
    """Means with the places that the values have, as pandas rounds them: Arrow has no room for the quotient of sums."""
    unit = Decimal(1).scaleb(-sums.dtype.pyarrow_dtype.scale)
    means = [(total / n).quantize(unit, ROUND_HALF_UP) if n else None for total, n in zip(sums, map(int, counts))]
    return pd.Series(pd.array(means, dtype=sums.dtype), index=sums.index, name=sums.name)


def split_by_group(parts: dict, count: int) -> list:
    """Parts cut by the hash of their groups."""
    pieces: list = [{} for _ in range(count)]
    for kind, frame in parts.items():
        places = group_hashes(frame.index) % np.uint64(count)
        for place, piece in enumerate(pieces):
            piece[kind] = frame[places == place]
    return pieces


def group_hashes(index: Any) -> Any:
    """Hashes of groups, by the values of all levels."""
    from raskr.dataframe.shuffle import hash_values

    hashes = np.zeros(len(index), dtype=np.uint64)
    for level in range(index.nlevels):
        hashes = hashes * np.uint64(1000003) + hash_values(pd.Series(index.get_level_values(level)))
    return hashes


# --- whole groups -------------------------------------------------------------------------------------------------------
KEY = "_group_key_{}"


def packed(part: Any, by: Sequence, columns: Any, *given: Any) -> Any:
    """A frame of the values and the keys, under names of their own, so that rows can be sent by key."""
    keys = keys_of(part, by, given)
    frame = part.to_frame("_values") if isinstance(part, pd.Series) else part
    frame = frame if columns is None else frame[list(columns)]
    return frame.assign(**{KEY.format(place): key for place, key in enumerate(keys)})


def unpacked(part: Any, names: Sequence, series: bool) -> tuple:
    """The values and the keys of a packed frame."""
    places = [KEY.format(place) for place in range(len(names))]
    keys = [part[place].rename(name) for place, name in zip(places, names)]
    values = part.drop(columns=places)
    return (values.iloc[:, 0] if series else values), keys


def of_whole_groups(
    part: Any,
    meta: Any,
    names: Sequence,
    name: Any,
    series: bool,
    selection: Any,
    options: dict,
    call: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """A method of pandas' group-by on a packed frame, which has all rows of its groups."""
    if not len(part):
        return meta
    values, keys = unpacked(part, names, series)
    if series:
        values = values.rename(name)
    groups = grouped(values, keys, **options)
    if selection is not None:
        groups = groups[selection]
    return getattr(groups, call)(*args, **kwargs)


def results_together(found: list, sort: Any) -> Any:
    """Results of different groups as one, sorted by group where that is wanted."""
    whole = concat(found)
    return whole.sort_index(kind="stable") if sort is not False and len(found) > 1 else whole


def distinct_rows(part: Any) -> Any:
    """The different rows of a packed frame."""
    return part.drop_duplicates()


def kept(part: Any) -> Any:
    """What came."""
    return part
