"""Functions of partitions together with rows of their neighbours: `map_overlap`, and what is made of it."""

import datetime
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.enforcing import Enforced
from raskr.dataframe.expressions import Expression, label_of
from raskr.dataframe.index_elementwise import moved_divisions
from raskr.dataframe.mapping import elementwise, infer_meta, make_meta, new_collection, operand
from raskr.dataframe.partials import concat
from raskr.dataframe.utils import meta_nonempty
from raskr.utils import M

_NOT_GIVEN = object()
_TOO_SMALL = (
    "Partition size is less than overlapping window size. Try using ``df.repartition`` to increase the partition size."
)
#: So many neighbouring partitions are looked at where divisions don't tell how far something reaches.
_NEIGHBOURS = 8
_TOO_FAR = (
    f"What overlaps reaches further than {_NEIGHBOURS} partitions. Use ``df.repartition`` to have larger partitions, or "
    "for a duration ``df.set_index(..., sorted=True)``, so that divisions are known."
)


class Overlapped(Expression):
    """A function of each partition with rows before and after it; what it gives for those is cut off.

    `before` and `after` are numbers of rows, or durations where the index is of dates.
    """

    def __init__(
        self, function: Any, args: Sequence, kwargs: dict, before: Any, after: Any, meta: Any, label: str, exact: bool
    ) -> None:
        self.source = args[0]
        content = (function, list(args), kwargs, before, after, exact)
        super().__init__(meta, self.source.divisions, label, *content)
        self.function, self.args, self.kwargs = function, list(args), dict(kwargs)
        self.before, self.after, self.exact = before, after, exact

    @property
    def children(self) -> list[Expression]:
        """The expressions among the arguments."""
        return [arg for arg in self.args if isinstance(arg, Expression)]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same of other expressions."""
        rest = iter(children)
        args = [next(rest) if isinstance(arg, Expression) else arg for arg in self.args]
        label = self.name.rpartition("-")[0]
        return Overlapped(self.function, args, self.kwargs, self.before, self.after, self.meta, label, self.exact)

    def _lower(self) -> list:
        last = self.npartitions - 1
        made = []
        for number in range(self.npartitions):
            args: list = []
            for arg in self.args:
                if not isinstance(arg, Expression) or arg.npartitions == 1 and last > 0:
                    args.append((False, arg.nodes[0] if isinstance(arg, Expression) else arg))
                    continue
                nodes = arg.nodes
                # Partitions may be shorter than what is needed: all that may be needed are given, nearest first.
                ahead = self._near(arg, range(number - 1, -1, -1), number, self.before, "tail")
                behind = self._near(arg, range(number + 1, last + 1), number, self.after, "head")
                args.append((True, [ahead, nodes[number], behind]))
            kwargs = {"before": self.before, "after": self.after, "exact": self.exact}
            flags = [flag for flag, _ in args]
            values = [value for _, value in args]
            made.append(self._call(number, _overlapping, self.function, flags, values, self.kwargs, **kwargs))
        return made

    def _near(self, arg: Expression, numbers: range, own: int, wanted: Any, place: str) -> tuple:
        """The rows near one end of neighbouring partitions, and whether there are neighbours beyond these."""
        from raskr._bridge import core

        if not wanted:
            return [], False
        cut = False
        if isinstance(wanted, int):
            cut = len(numbers) > _NEIGHBOURS
            numbers = numbers[:_NEIGHBOURS]
        elif arg.divisions[0] is not None:
            numbers = _within(arg.divisions, numbers, own, wanted, place)
        else:
            cut = len(numbers) > _NEIGHBOURS
            numbers = numbers[:_NEIGHBOURS]
        found = [
            core.node_of_call(
                _end_rows,
                (arg.nodes[number], wanted, place == "tail"),
                None,
                key=f"{self.name}-{place}-{arg.name}-{number}",
                name="edge",
            )
            for number in numbers
        ]
        return found, cut


def _within(divisions: Sequence, numbers: range, own: int, wanted: Any, place: str) -> range:
    """Those of a partition's neighbours that a duration reaches by the divisions, nearest first."""
    if place == "tail":
        reached = own + 1 - bisect_left(divisions, divisions[own] - wanted, 1, own + 1)
    else:
        reached = bisect_right(divisions, divisions[own + 1] + wanted, own + 1, len(divisions) - 1) - (own + 1)
    return numbers[:reached]


def _end_rows(part: Any, wanted: Any, tail: bool) -> Any:
    if isinstance(wanted, int):
        return part.iloc[max(len(part) - wanted, 0) :] if tail else part.iloc[:wanted]
    return part


def _overlapping(function: Any, flags: list, values: list, kwargs: dict, before: Any, after: Any, exact: bool) -> Any:
    args, ahead = [], None
    for flag, value in zip(flags, values):
        if not flag:
            args.append(value)
            continue
        whole, skipped, rows = _with_neighbours(*value, before, after, exact)
        ahead = (skipped, rows) if ahead is None else ahead
        args.append(whole)
    skipped, rows = ahead if ahead is not None else (0, None)
    found = function(*args, **kwargs)
    first = next(arg for arg, flag in zip(args, flags) if flag)
    if len(found) != len(first):
        if not len(first) or len(found) % len(first) or not isinstance(found.index, pd.MultiIndex):
            return found
        each = len(found) // len(first)  # some rows for each row, such as of covariances
        skipped, rows = skipped * each, rows * each
    return found.iloc[skipped : skipped + rows] if hasattr(found, "iloc") else found[skipped : skipped + rows]


def _with_neighbours(ahead: tuple, part: Any, behind: tuple, before: Any, after: Any, exact: bool) -> tuple:
    left = _collected(*ahead, before, part, True, exact)
    right = _collected(*behind, after, part, False, exact)
    pieces = [*reversed(left), part, *right]
    return concat(pieces, meta=part), sum(map(len, left)), len(part)


def _collected(near: list, cut: bool, wanted: Any, part: Any, tail: bool, exact: bool) -> list:
    """As many of the neighbours' rows as are wanted, nearest pieces first; `cut` says that there are more neighbours."""
    found: list = []
    if isinstance(wanted, int):
        rest = wanted
        for piece in near:
            # Where that is insisted on, one neighbour has all that is wanted; empty ones don't count.
            if exact and 0 < len(piece) < wanted:
                raise NotImplementedError(_TOO_SMALL)
            found.append(_end_rows(piece, rest, tail))
            rest -= len(found[-1])
            if not rest:
                break
        if rest and cut and len(part):
            raise NotImplementedError(_TOO_FAR)
        return found
    if not len(part):
        return found
    for piece in near:
        inside = piece.index > part.index[0] - wanted if tail else piece.index < part.index[-1] + wanted
        found.append(piece[inside])
        if len(found[-1]) < len(piece):
            return found
    if cut:
        raise NotImplementedError(_TOO_FAR)
    return found


def _amount(value: Any, name: str, index: Any) -> Any:
    """How many rows, or how long a time, overlaps."""
    if isinstance(value, str):
        value = pd.Timedelta(value)
    if isinstance(value, (datetime.timedelta, np.timedelta64, pd.Timedelta)):
        if not isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
            raise TypeError(
                f"Must have a `DatetimeIndex` when using string offset for `{name}`, got {type(index).__name__}"
            )
        return pd.Timedelta(value)
    if isinstance(value, (bool, float)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} must be an int or a timedelta, got {value!r}")
    if value < 0:
        raise ValueError(f"{name} must be a positive integer, got {value}")
    return int(value)


def map_overlap(
    func: Any,
    df: Any,
    before: Any,
    after: Any,
    *args: Any,
    meta: Any = _NOT_GIVEN,
    enforce_metadata: bool = True,
    transform_divisions: bool = True,
    align_dataframes: bool = True,
    **kwargs: Any,
) -> Any:
    """A function of each partition together with rows of its neighbours.

    Parameters
    ----------
    func : callable
        Gets the rows; gives as many, of which those that belong to neighbours are cut off.
    df : DataFrame or Series
        The rows.
    before, after : int, timedelta or str
        How many rows of the neighbours before and after are wanted, or rows of how long a time.
    *args, **kwargs
        Further arguments.
    meta : pandas object, optional
        An empty example of the result.
    enforce_metadata : bool, default True
        As of `map_partitions`.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = dd.from_pandas(pd.Series([1, 2, 4, 8]), npartitions=2)
    >>> dd.map_overlap(lambda part: part.diff(), s, 1, 0).compute().tolist()
    [nan, 1.0, 2.0, 4.0]
    """
    if isinstance(df, (pd.DataFrame, pd.Series)):
        from raskr.dataframe.sources import from_pandas

        tables = [arg for arg in args if isinstance(arg, (pd.DataFrame, pd.Series))]
        df = from_pandas(df, npartitions=1)
        args = tuple(from_pandas(arg, npartitions=1) if any(arg is each for each in tables) else arg for arg in args)
    if not hasattr(df, "_expr"):
        raise TypeError(f"map_overlap: a DataFrame or a Series was expected, got {type(df).__name__}")
    from raskr.dataframe.alignment import aligned

    inside = [operand(arg) for arg in (df, *args)]
    index = inside[0].meta.index
    before, after = _amount(before, "before", index), _amount(after, "after", index)
    several = [arg for arg in inside if isinstance(arg, Expression)] if align_dataframes else []
    fresh = dict(zip(map(id, several), aligned(several)))
    inside = [fresh.get(id(arg), arg) for arg in inside]
    if meta is _NOT_GIVEN or meta is None:
        meta = infer_meta(func, inside, kwargs)
        if np.isscalar(meta):
            meta = pd.Series([meta]).iloc[:0]
        call = func
    else:
        meta = make_meta(meta, index)
        call = Enforced(func, meta) if enforce_metadata else func
    meta = make_meta(meta, index)
    return new_collection(
        Overlapped(
            call,
            inside,
            kwargs,
            before,
            after,
            meta,
            label_of(func),
            isinstance(before, int) and before > 0 or after != 0,
        )
    )


def _overlap(data: Any, function: Any, before: int, after: int, kwargs: dict, label: str) -> Any:
    # Types may change only where there are rows: whole numbers that move leave missing values behind.
    meta = function(meta_nonempty(data._meta), **kwargs).iloc[:0]
    return new_collection(Overlapped(function, [data._expr], kwargs, before, after, meta, label, False))


class OverlapMethods:
    """Shifts, differences, filling from neighbours, rolling windows."""

    def map_overlap(self, func: Any, before: Any, after: Any, *args: Any, **kwargs: Any) -> Any:
        """A function of each partition together with rows of its neighbours; see `raskr.dataframe.map_overlap`."""
        return map_overlap(func, self, before, after, *args, **kwargs)

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0) -> Any:
        """The values, moved down by some rows; with `freq` the index is moved instead.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2).shift().compute().tolist()
        [nan, 1.0, 2.0]
        """
        if not isinstance(periods, (int, np.integer)):
            raise TypeError(f"periods must be an integer, got {periods!r}")
        if axis in (1, "columns") and self.ndim == 2:
            options = {"periods": periods, "freq": freq, "axis": 1}
            meta = meta_nonempty(self._meta).shift(**options).iloc[:0]
            return elementwise(M.shift, [self], options, meta=meta)
        if freq is not None:
            if not isinstance(self._meta.index, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex)):
                raise NotImplementedError(
                    f"shift: freq= needs an index of dates, got {type(self._meta.index).__name__}"
                )
            divisions = moved_divisions(self, periods, freq)
            return elementwise(M.shift, [self], {"periods": periods, "freq": freq}, divisions=divisions)
        return self._moved(M.shift, periods, "shift")

    def diff(self, periods: int = 1, axis: Any = 0) -> Any:
        """Each value less the one some rows before."""
        if axis in (1, "columns") and self.ndim == 2:
            options = {"periods": periods, "axis": 1}
            return elementwise(M.diff, [self], options, meta=meta_nonempty(self._meta).diff(**options).iloc[:0])
        return self._moved(M.diff, periods, "diff")

    def pct_change(self, periods: int = 1, fill_method: None = None, freq: Any = None) -> Any:
        """Each value's change from the one some rows before, as a share of that."""
        if freq is not None:
            from raskr.dataframe.beyond import on_whole

            return on_whole(self, "pct_change", (), {"periods": periods, "freq": freq})
        return self._moved(M.pct_change, periods, "pct-change")

    def _moved(self, function: Any, periods: Any, label: str) -> Any:
        if isinstance(periods, float) or not isinstance(periods, (int, np.integer)):
            raise TypeError(f"periods must be an integer, got {periods!r}")
        periods = int(periods)
        before, after = (periods, 0) if periods > 0 else (0, -periods)
        return _overlap(self, function, before, after, {"periods": periods}, label)

    def ffill(self, axis: Any = 0, limit: int | None = None, limit_area: Any = None) -> Any:
        """Missing values replaced by the last value before them."""
        return self._filled("ffill", axis, limit, limit_area)

    def bfill(self, axis: Any = 0, limit: int | None = None, limit_area: Any = None) -> Any:
        """Missing values replaced by the first value after them."""
        return self._filled("bfill", axis, limit, limit_area)

    def _filled(self, name: str, axis: Any, limit: int | None, area: Any) -> Any:
        if axis in (1, "columns") and self.ndim == 2:
            return elementwise(getattr(M, name), [self], {"axis": 1, "limit": limit, "limit_area": area})
        if area is not None:
            from raskr.dataframe.beyond import on_whole

            return on_whole(self, name, (), {"limit": limit, "limit_area": area})
        if limit is None:
            return new_collection(Filled(self._expr, name))
        before, after = (limit, 0) if name == "ffill" else (0, limit)
        return _overlap(self, getattr(M, name), before, after, {"limit": limit}, name)

    def rolling(self, window: Any, **kwargs: Any) -> Any:
        """Windows of some rows, or of a time, that move along; see `pandas.DataFrame.rolling`.

        Parameters
        ----------
        window : int or offset
            How many rows, or how long a time.
        **kwargs
            As in pandas: `min_periods`, `center`, `win_type`, `closed`.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2).rolling(2).sum().compute().tolist()
        [nan, 3.0, 5.0]
        """
        from raskr.dataframe.rolling import Rolling

        return Rolling(self, window, **kwargs)


class Filled(Expression):
    """Missing values replaced by the nearest there is before (`ffill`) or after (`bfill`), however far."""

    def __init__(self, source: Expression, kind: str) -> None:
        super().__init__(getattr(source.meta, kind)(), source.divisions, kind, source)
        self.source, self.kind = source, kind

    @property
    def children(self) -> list[Expression]:
        """The expression that is filled."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same of another expression."""
        return Filled(children[0], self.kind)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns."""
        return [columns]

    def _lower(self) -> list:
        from raskr._bridge import core

        numbers = list(range(self.npartitions))
        if self.kind == "bfill":
            numbers.reverse()
        made: dict = {}
        edge = None
        for place, number in enumerate(numbers):
            node = self.source.nodes[number]
            made[number] = self._call(number, _filled, node, edge, self.kind)
            if place + 1 < len(numbers):
                key = f"{self.name}-edge-{number}"
                edge = core.node_of_call(_edge, (node, edge, self.kind), None, key=key, name="edge")
        return [made[number] for number in sorted(made)]


def _edge(part: Any, edge: Any, kind: str) -> Any:
    """One row with the value of each column that goes on into the next partition."""
    whole = part if edge is None else concat([edge, part] if kind == "ffill" else [part, edge])
    filled = getattr(whole, kind)()
    return filled.iloc[-1:] if kind == "ffill" else filled.iloc[:1]


def _filled(part: Any, edge: Any, kind: str) -> Any:
    if edge is None or not len(edge) or not len(part):
        return getattr(part, kind)()
    whole = concat([edge, part] if kind == "ffill" else [part, edge])
    filled = getattr(whole, kind)()
    return filled.iloc[1:] if kind == "ffill" else filled.iloc[:-1]
