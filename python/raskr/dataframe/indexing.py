"""Rows by label and columns by position: `loc` and `iloc`."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.expressions import PartitionCalls, Rows, SelectedPartitions
from raskr.dataframe.mapping import elementwise, new_collection


class PositionIndexer:
    """What `df.iloc` gives: columns by position."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, tuple) or len(key) != 2 or not (isinstance(key[0], slice) and key[0] == slice(None)):
            if isinstance(key, tuple) and len(key) > 2:
                raise ValueError("Too many indexers")
            raise NotImplementedError(
                "'DataFrame.iloc' only supports selecting columns. It must be used like 'df.iloc[:, column_indexer]'."
            )
        meta = self._frame._meta
        if meta.columns.is_unique:
            found = meta.iloc[:, key[1]]
            return self._frame[found.name if found.ndim == 1 else list(found.columns)]
        return elementwise(_at_places, [self._frame, key[1]])


def _at_places(part: Any, key: Any) -> Any:
    return part.iloc[:, key]


class LabelIndexer:
    """What `df.loc` gives: rows by label, and columns by name."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        frame = self._frame
        if isinstance(key, tuple):
            if len(key) > frame.ndim:
                raise pd.errors.IndexingError("Too many indexers")
            if len(key) == 2:
                rows, columns = key
                if callable(columns) and not hasattr(columns, "_expr"):
                    columns = columns(frame)
                found = frame._meta.loc[:, columns]
                names = found.name if found.ndim == 1 else list(found.columns)
                if hasattr(rows, "_expr") or callable(rows):
                    return self[rows][names]
                return LabelIndexer(frame[names])[rows]
            [key] = key
        if callable(key) and not hasattr(key, "_expr"):
            return self[key(frame)]
        return _rows(frame, key)


def _rows(frame: Any, key: Any) -> Any:
    if hasattr(key, "_expr"):
        if getattr(key, "ndim", 0) == 1 and not _is_mask(key):
            return _rows(frame, key.compute())
        return elementwise(_located, [frame, key])
    if isinstance(key, (pd.Series, np.ndarray, pd.Index, list)):
        values = key if isinstance(key, pd.Series) else pd.Series(key)
        if values.dtype == bool and len(values):
            from raskr.dataframe.sources import from_pandas

            mask = key if isinstance(key, pd.Series) else None
            if mask is None:
                raise KeyError("a mask without an index can't be lined up with partitions: a series was expected")
            return elementwise(_located, [frame, from_pandas(mask, npartitions=1)])
        return _listed(frame, list(values))
    if isinstance(key, slice):
        return _sliced(frame, key)
    return _single(frame, key)


def _is_mask(key: Any) -> bool:
    return getattr(key, "dtype", None) is not None and pd.api.types.is_bool_dtype(key.dtype)


def _located(part: Any, key: Any) -> Any:
    return part.loc[key]


def bound_of(frame: Any, label: Any, side: str) -> Any:
    """What a label means as an end of a slice: a text may mean a whole day, month or year of dates."""
    index = frame._meta.index
    if isinstance(label, str) and isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex)):
        return index._maybe_cast_slice_bound(label, side)
    if isinstance(index, pd.DatetimeIndex) and label is not None:
        stamp = pd.Timestamp(label)
        return stamp.tz_localize(index.tz) if index.tz is not None and stamp.tz is None else stamp
    return label


def _sliced(frame: Any, key: slice) -> Any:
    if key.step is not None:
        raise ValueError(
            f"loc: slices with a step of rows are not lined up with partitions, got a step of {key.step!r}"
        )
    if not frame.known_divisions:
        return elementwise(_slice_of, [frame, key.start, key.stop])
    start, stop = bound_of(frame, key.start, "left"), bound_of(frame, key.stop, "right")
    divisions = frame.divisions
    first = 0 if start is None else _partition_of(divisions, start)
    last = frame.npartitions - 1 if stop is None else _partition_of(divisions, stop, right=True)
    if last < first:
        last = first
    chosen = SelectedPartitions(frame._expr, range(first, last + 1))
    cut = list(divisions[first : last + 2])
    if start is not None:
        cut[0] = max(start, cut[0]) if start <= divisions[-1] else divisions[-1]
    if stop is not None:
        cut[-1] = min(stop, cut[-1]) if stop >= divisions[0] else divisions[0]
    if cut[-1] < cut[0]:
        cut = [cut[0]] * len(cut)
    part = new_collection(chosen)
    if start is None and stop is None:
        return part
    return elementwise(_slice_of, [part, start, stop], divisions=tuple(cut), label="loc", columnwise=frame.ndim == 2)


def _slice_of(part: Any, start: Any, stop: Any) -> Any:
    if part.index.is_monotonic_increasing or not len(part):
        return part.loc[start:stop]
    keep = np.ones(len(part), dtype=bool)
    if start is not None:
        keep &= part.index >= start
    if stop is not None:
        keep &= part.index <= stop
    return part[keep]


def _partition_of(divisions: tuple, label: Any, right: bool = False) -> int:
    """The partition in which a label is, or the first or last one for labels beyond."""
    import bisect

    if pd.isna(label):
        return len(divisions) - 2 if right else 0
    place = bisect.bisect_right(divisions, label) - 1
    return min(max(place, 0), len(divisions) - 2)


def _single(frame: Any, label: Any) -> Any:
    if isinstance(label, str) and isinstance(frame._meta.index, (pd.DatetimeIndex, pd.PeriodIndex)):
        low, high = bound_of(frame, label, "left"), bound_of(frame, label, "right")
        if frame.known_divisions and (low > frame.divisions[-1] or high < frame.divisions[0]):
            raise KeyError(f"the label [{label!r}] is not in the index")
        if low != high:
            return _sliced(frame, slice(label, label))
        label = low
    elif isinstance(frame._meta.index, pd.DatetimeIndex):
        label = bound_of(frame, label, "left")
    elif isinstance(frame._meta.index, pd.TimedeltaIndex):
        label = pd.Timedelta(label)
    if not frame.known_divisions:
        return elementwise(_equal, [frame, label], label="loc")
    if label < frame.divisions[0] or label > frame.divisions[-1]:
        raise KeyError(f"the label [{label!r}] is not in the index")
    chosen = SelectedPartitions(frame._expr, [_partition_of(frame.divisions, label)])
    return elementwise(
        _one_label, [new_collection(chosen), label], divisions=(label, label), meta=frame._meta, label="loc"
    )


def _equal(part: Any, label: Any) -> Any:
    return part[part.index == label]


def _one_label(part: Any, label: Any) -> Any:
    return part.loc[label:label] if label in part.index and part.index.is_monotonic_increasing else part.loc[[label]]


def _listed(frame: Any, labels: list) -> Any:
    if isinstance(frame._meta.index, pd.DatetimeIndex):
        labels = [bound_of(frame, label, "left") for label in labels]
    if not frame.known_divisions:
        return elementwise(_among, [frame, labels], label="loc")
    if not labels:
        return elementwise(_located, [new_collection(SelectedPartitions(frame._expr, [0])), []], meta=frame._meta)
    groups: dict[int, list] = {}
    for label in sorted(labels):
        if label < frame.divisions[0] or label > frame.divisions[-1]:
            raise KeyError(f"the label [{label!r}] is not in the index")
        groups.setdefault(_partition_of(frame.divisions, label), []).append(label)
    chosen = SelectedPartitions(frame._expr, list(groups))
    wanted = list(groups.values())
    divisions = (*(each[0] for each in wanted), wanted[-1][-1])
    return new_collection(PartitionCalls(_located, [chosen, Rows(wanted)], {}, frame._meta, divisions, "loc"))


def _among(part: Any, labels: list) -> Any:
    return part[part.index.isin(labels)]


class IndexingMethods:
    """Access by label and by position."""

    @property
    def loc(self) -> LabelIndexer:
        """Rows by label, which finds partitions by their divisions.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=3)
        >>> df.loc[1:, "a"].compute().tolist()
        [2, 3]
        """
        return LabelIndexer(self)

    @property
    def iloc(self) -> PositionIndexer:
        """Columns by position: `df.iloc[:, [0, 2]]`."""
        return PositionIndexer(self)
