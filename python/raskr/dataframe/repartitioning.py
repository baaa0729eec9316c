"""Other partitions of the same rows: by number, by divisions, by size, by time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.base import compute
from raskr.dataframe.alignment import Divided
from raskr.dataframe.expressions import Expression, PartitionCalls, Rows
from raskr.dataframe.mapping import new_collection
from raskr.dataframe.partials import concat
from raskr.utils import parse_bytes


class JoinedPartitions(Expression):
    """Neighbouring partitions put together: partition i holds those from `bounds[i]` to `bounds[i + 1]`."""

    def __init__(self, source: Expression, bounds: Sequence[int]) -> None:
        divisions = [source.divisions[bound] for bound in bounds]
        super().__init__(source.meta, divisions, "repartition", source, list(bounds))
        self.source, self.bounds = source, list(bounds)

    @property
    def children(self) -> list[Expression]:
        """The expression whose rows they are."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same of another expression."""
        return JoinedPartitions(children[0], self.bounds)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns."""
        return [columns]

    def _lower(self) -> list:
        nodes = self.source.nodes
        return [
            nodes[start] if stop == start + 1 else self._call(number, concat, nodes[start:stop])
            for number, (start, stop) in enumerate(zip(self.bounds, self.bounds[1:]))
        ]


class SplitPartitions(Expression):
    """Each partition cut into some of nearly equal length; divisions are lost where one is cut at all."""

    def __init__(self, source: Expression, counts: Sequence[int]) -> None:
        total = sum(counts)
        divisions = source.divisions if total == source.npartitions else (None,) * (total + 1)
        super().__init__(source.meta, divisions, "repartition", source, list(counts))
        self.source, self.counts = source, list(counts)

    @property
    def children(self) -> list[Expression]:
        """The expression whose rows they are."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same of another expression."""
        return SplitPartitions(children[0], self.counts)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns."""
        return [columns]

    def _lower(self) -> list:
        made: list = []
        for node, count in zip(self.source.nodes, self.counts):
            if count == 1:
                made.append(node)
            else:
                made.extend(self._call(len(made) + part, _piece, node, part, count) for part in range(count))
        return made


def _piece(part: Any, number: int, count: int) -> Any:
    rows = len(part)
    return part.iloc[rows * number // count : rows * (number + 1) // count]


class Declared(Expression):
    """The same partitions, with divisions that were found out."""

    def __init__(self, source: Expression, divisions: Sequence) -> None:
        super().__init__(source.meta, divisions, "divisions", source)
        self.source = source

    @property
    def children(self) -> list[Expression]:
        """The expression whose rows they are."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same of another expression."""
        return Declared(children[0], self.divisions)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns."""
        return [columns]

    def _lower(self) -> list:
        return self.source.nodes


def bounds_of_groups(count: int, wanted: int) -> list[int]:
    """Where groups of neighbours begin that are nearly equal in number, and where the last one ends.

    Examples
    --------
    >>> from raskr.dataframe.repartitioning import bounds_of_groups
    >>> bounds_of_groups(10, 3)
    [0, 3, 6, 10]
    """
    return [count * number // wanted for number in range(wanted + 1)]


def repartition_number(source: Expression, npartitions: int) -> Expression:
    """The expression with so many partitions; divisions are interpolated where they are numbers or times."""
    count = source.npartitions
    if npartitions < 1:
        raise ValueError(f"npartitions must be at least 1, got {npartitions}")
    if npartitions == count:
        return source
    if npartitions < count:
        return JoinedPartitions(source, bounds_of_groups(count, npartitions))
    divisions = _interpolated(source.divisions, npartitions)
    if divisions is not None:
        return Divided(source, divisions)
    pieces = bounds_of_groups(npartitions, count)
    return SplitPartitions(source, [stop - start for start, stop in zip(pieces, pieces[1:])])


def _interpolated(divisions: Sequence, wanted: int) -> list | None:
    """So many more divisions between those that there are; None where there are no places between them."""
    if divisions[0] is None:
        return None
    values = pd.Series(list(divisions))
    places = np.linspace(0, len(divisions) - 1, wanted + 1)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        numbers = values.dt.tz_localize(None) if values.dt.tz is not None else values
        between = np.interp(places, np.arange(len(values)), numbers.astype("int64"))
        made = pd.Series(between.astype("int64").astype(numbers.dtype)).dt.tz_localize(values.dt.tz)
        found = [*divisions[:1], *made.iloc[1:-1].tolist(), divisions[-1]]
    elif pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        between = np.interp(places, np.arange(len(values)), values.astype(float))
        if pd.api.types.is_integer_dtype(values.dtype):
            between = between.round().astype(int)
        found = [divisions[0], *between[1:-1].tolist(), divisions[-1]]
    else:
        return None
    unique = all(after > before for before, after in zip(found, found[1:]))
    return found if unique else None


def redivided(source: Expression, divisions: Sequence, force: bool) -> Expression:
    """The expression with those divisions."""
    divisions = list(divisions)
    check_divisions(divisions)
    if source.divisions[0] is None:
        raise ValueError(
            "Cannot repartition on divisions with unknown divisions: use set_index(..., sorted=True) or set_index first"
        )
    low, high = source.divisions[0], source.divisions[-1]
    if force:
        if divisions[0] > low or divisions[-1] < high:
            raise ValueError(
                f"new divisions from {divisions[0]!r} to {divisions[-1]!r} leave out rows: the index goes from {low!r} "
                f"to {high!r}"
            )
    else:
        if divisions[0] != low:
            raise ValueError(f"left side of old and new divisions are different: {low!r} and {divisions[0]!r}")
        if divisions[-1] != high:
            raise ValueError(f"right side of old and new divisions are different: {high!r} and {divisions[-1]!r}")
    if tuple(divisions) == source.divisions:
        return source
    return Divided(source, divisions)


def check_divisions(divisions: Sequence) -> None:
    """ValueError unless divisions are sorted, and only the last two of them may be equal."""
    if not isinstance(divisions, (list, tuple)):
        raise ValueError(f"New division must be list or tuple, got {type(divisions).__name__}")
    if len(divisions) < 2:
        raise ValueError(f"New divisions must have two values or more, got {list(divisions)}")
    if list(divisions) != sorted(divisions):
        raise ValueError(f"New division must be sorted, got {list(divisions)}")
    if len(divisions[:-1]) != len(set(divisions[:-1])):
        raise ValueError("New division must be unique, except for the last element")


def repartition_size(source: Expression, size: Any) -> Expression:
    """The expression with partitions of about so many bytes, which are measured first."""
    wanted = parse_bytes(size) if isinstance(size, str) else int(size)
    if wanted < 1:
        raise ValueError(f"partition_size must be at least one byte, got {size!r}")
    sizes = sizes_of(source)
    counts = [max(1, -(-each // wanted)) for each in sizes]
    cut = SplitPartitions(source, counts) if max(counts) > 1 else source
    pieces = [each / count for each, count in zip(sizes, counts) for _ in range(count)]
    bounds, held = [0], 0.0
    for number, each in enumerate(pieces):
        if held and held + each > wanted:
            bounds.append(number)
            held = 0.0
        held += each
    bounds.append(len(pieces))
    return cut if len(bounds) == len(pieces) + 1 else JoinedPartitions(cut, bounds)


def sizes_of(source: Expression) -> list[int]:
    """The bytes of each partition, computed now."""
    measured = [
        core.delayed_of_node(core.node_of_call(_size, (node,), key=f"size-{source.name}-{number}", name="size"), None)
        for number, node in enumerate(source.nodes)
    ]
    return list(compute(*measured))


def _size(part: Any) -> int:
    used = part.memory_usage(deep=True)
    return int(used.sum() if isinstance(used, pd.Series) else used)


def repartition_frequency(source: Expression, freq: Any) -> Expression:
    """The expression divided at steps of time."""
    if not isinstance(source.divisions[0], pd.Timestamp):
        raise TypeError("Can only repartition on frequency for timeseries: the divisions are no known times")
    offset = pd.tseries.frequencies.to_offset(freq)
    low, high = source.divisions[0], source.divisions[-1]
    try:
        start = low.ceil(offset)
    except ValueError:
        # Steps of different lengths, such as months, begin at the first one that there is.
        start = low
    divisions = [*pd.date_range(start=start, end=high, freq=offset), high]
    if divisions[0] != low:
        divisions.insert(0, low)
    elif len(divisions) == 1:
        divisions.append(high)
    return Divided(source, divisions)


def repartition(df: Any, divisions: Any = None, force: bool = False) -> Any:
    """A frame in partitions that begin at given places of its index.

    Parameters
    ----------
    df : DataFrame, Series, or pandas' own
        The rows.
    divisions : list or tuple
        Where partitions begin, and where the last one ends.
    force : bool
        Let the divisions go beyond the index.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> dd.repartition(pd.DataFrame({"a": range(6)}), [0, 3, 5]).divisions
    (0, 3, 5)
    """
    if isinstance(df, (pd.DataFrame, pd.Series)):
        from raskr.dataframe.sources import from_pandas

        df, force = from_pandas(df, npartitions=1), True
    if not hasattr(df, "repartition"):
        raise ValueError(f"Data must be DataFrame or Series, got {type(df).__name__}")
    return df.repartition(divisions=divisions, force=force)


def _within(part: Any, number: int, ends: tuple, last: bool) -> Any:
    """The partition, once it is seen that its index is where divisions say."""
    if len(part):
        least, greatest = part.index.min(), part.index.max()
        if least < ends[0] or greatest > ends[1] or greatest == ends[1] and not last:
            raise RuntimeError(
                f"the divisions are wrong about partition {number}: by them its index goes from {ends[0]} on to "
                f"{ends[1]}{'' if last else ', which is left out'}; found {least} to {greatest}"
            )
    return part


class Repartitioning:
    """The methods of frames and series that are about partitions and divisions."""

    def enforce_runtime_divisions(self) -> Any:
        """The same rows; computing fails with a RuntimeError where a partition's index is not where divisions say.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": range(6)}), npartitions=3)
        >>> len(df.enforce_runtime_divisions())
        6
        """
        source = self._expr  # type: ignore[attr-defined]
        if source.divisions[0] is None:
            raise ValueError("enforce_runtime_divisions: the divisions are not known")
        numbers = range(source.npartitions)
        rows = [
            Rows(list(numbers)),
            Rows(list(zip(source.divisions, source.divisions[1:]))),
            Rows([number == source.npartitions - 1 for number in numbers]),
        ]
        return new_collection(
            PartitionCalls(_within, [source, *rows], {}, source.meta, source.divisions, "enforce-divisions")
        )

    def repartition(
        self,
        divisions: Any = None,
        npartitions: Any = None,
        partition_size: Any = None,
        freq: Any = None,
        force: bool = False,
    ) -> Any:
        """The same rows in other partitions.

        Parameters
        ----------
        divisions : list or tuple, optional
            Where partitions begin in the sorted index, and where the last one ends.
        npartitions : int or callable, optional
            How many partitions, or a function of how many there are.
        partition_size : int or str, optional
            How many bytes a partition holds at most, about; sizes are computed first.
        freq : str or offset, optional
            A partition for each step of time.
        force : bool
            Let the new divisions go beyond those that there are.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": range(6)}), npartitions=3)
        >>> df.repartition(divisions=[0, 3, 5]).map_partitions(len).compute().tolist()
        [3, 3]
        """
        given = [each is not None for each in (divisions, npartitions, partition_size, freq)]
        if sum(given) != 1:
            raise ValueError(
                "Please provide exactly one of the ``npartitions=``, ``freq=``, ``divisions=``, or ``partition_size=`` "
                "keyword arguments"
            )
        source = self._expr  # type: ignore[attr-defined]
        if divisions is not None:
            return new_collection(redivided(source, divisions, force))
        if npartitions is not None:
            wanted = npartitions(source.npartitions) if callable(npartitions) else int(npartitions)
            return new_collection(repartition_number(source, wanted))
        if partition_size is not None:
            return new_collection(repartition_size(source, partition_size))
        return new_collection(repartition_frequency(source, freq))
