"""Methods of bags that bring elements of different places together: joins, groups, running totals, new partitions."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from raskr import config
from raskr.bag import shuffle as shuffling
from raskr.bag.layers import Blocks, Tasks, whole_value
from raskr.bag.reduction_steps import total_mem_usage
from raskr.bag.steps import Concatenate, Step, getter
from raskr.core import literal
from raskr.tokenize import tokenize
from raskr.typing import no_default
from raskr.utils import parse_bytes

__all__ = ["Combining"]


class Join(Step):
    """Pairs of elements of two sequences whose keys are equal, in the order of the second."""

    __slots__ = ("on_other", "on_self")

    def __init__(self, on_self: Callable, on_other: Callable) -> None:
        self.on_self = on_self
        self.on_other = on_other

    def apply(self, part: Iterable, other: Iterable) -> Iterator:
        matches: dict = {}
        for item in other:
            matches.setdefault(self.on_other(item), []).append(item)
        on_self, get = self.on_self, matches.get
        return ((item, element) for element in part for item in get(on_self(element), ()))


class Product(Step):
    """Pairs of all elements of two partitions."""

    __slots__ = ()

    def apply(self, left: Iterable, right: Iterable) -> Iterator:
        return itertools.product(left, right)


class Accumulate(Step):
    """Running totals of one partition, which begin where those before it ended."""

    __slots__ = ("binop", "initial")

    def __init__(self, binop: Callable, initial: Any) -> None:
        self.binop = binop
        self.initial = initial

    def apply(self, part: Iterable, *before: Any) -> Any:
        if not before:
            return (
                itertools.accumulate(part, self.binop)
                if self.initial is no_default
                else itertools.accumulate(part, self.binop, initial=self.initial)
            )
        if before[0] is no_default:
            return itertools.accumulate(part, self.binop)
        return itertools.islice(itertools.accumulate(part, self.binop, initial=before[0]), 1, None)


class LastTotal(Step):
    """The last of a partition's running totals, or what it began with where it has none."""

    __slots__ = ()
    partition = False

    def apply(self, totals: Any, *before: Any) -> Any:
        return totals[-1] if totals else before[0] if before else no_default


class Slice(Step):
    """The `index`-th of some parts of a partition of nearly equal length."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count

    def apply(self, part: Any, index: int) -> Any:
        part = list(part)
        length = len(part) / self.count
        stop = len(part) if index == self.count - 1 else int(length * (index + 1))
        return part[int(length * index) : stop]


class Combining:
    """What brings elements of different partitions together."""

    __slots__ = ()

    def join(self, other: Any, on_self: Any, on_other: Any = None) -> Any:
        """Pairs of elements of `other` and of this bag whose keys are equal.

        Parameters
        ----------
        other : iterable, Delayed or Bag
            The other elements, which every task gets all of; a bag must have one partition.
        on_self : callable or key
            A function of an element, or the key of the item, to compare by.
        on_other : callable or key, optional
            Likewise for `other`; the same by default.

        Returns
        -------
        Bag
            Of pairs, the element of `other` first.

        Examples
        --------
        >>> import raskr.bag as db
        >>> people = db.from_sequence(["Alice", "Bob", "Charlie"])
        >>> people.join(["fast", "tool"], on_self=len, on_other=lambda word: len(word) + 1).compute(scheduler="sync")
        [('fast', 'Alice'), ('tool', 'Alice')]
        """
        from raskr.bag.core import Bag

        parents = [self._layer]
        whole = whole_value(other)
        if isinstance(other, Bag):
            if other.npartitions > 1:
                raise NotImplementedError(
                    f"a bag can be joined with another of one partition, got {other.npartitions} partitions; "
                    "dataframes join large data"
                )
            source: Any = ((other.name, 0),)
            parents.append(other._layer)
        elif whole is not None:
            source = (whole[0],)
            parents.append(whole[1])
        elif isinstance(other, Iterable):
            other = list(other)
            source = [other] * self.npartitions
        else:
            raise TypeError(f"expected an iterable, a Delayed or a Bag to join with, got {type(other).__name__}")
        step = Join(getter(on_self), getter(on_self if on_other is None else on_other))
        name = f"join-{tokenize(self, other, on_self, on_other)}"
        return type(self)(Blocks(name, self.npartitions, step, [self.name, source], parents), name, self.npartitions)

    def product(self, other: Any) -> Any:
        """Pairs of all elements of two bags.

        Parameters
        ----------
        other : Bag
            The other bag.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(2, npartitions=1).product(db.from_sequence("ab", npartitions=1)).compute(scheduler="sync")
        [(0, 'a'), (0, 'b'), (1, 'a'), (1, 'b')]
        """
        from raskr.bag.core import Bag

        if not isinstance(other, Bag):
            raise TypeError(f"expected a Bag, got {type(other).__name__}")
        name = f"product-{tokenize(self, other)}"
        step = Product()
        pairs = itertools.product(range(self.npartitions), range(other.npartitions))
        dsk = {(name, k): (step, (self.name, i), (other.name, j)) for k, (i, j) in enumerate(pairs)}
        return type(self)(Tasks(dsk, [self._layer, other._layer]), name, len(dsk))

    def accumulate(self, binop: Callable, initial: Any = no_default) -> Any:
        """Running totals.

        Each partition waits for the one before it.

        Parameters
        ----------
        binop : callable
            Called with the total so far and an element.
        initial : object, optional
            The first total.

        Examples
        --------
        >>> import operator
        >>> import raskr.bag as db
        >>> db.from_sequence([1, 2, 3, 4], npartitions=2).accumulate(operator.add).compute(scheduler="sync")
        [1, 3, 6, 10]
        """
        token = tokenize(self, binop, initial)
        name, last = f"accumulate-{token}", f"accumulate-last-{token}"
        step, end = Accumulate(binop, initial), LastTotal()
        dsk: dict = {}
        for i in range(self.npartitions):
            before = [(last, i - 1)] if i else []
            dsk[name, i] = (step, (self.name, i), *before)
            if i < self.npartitions - 1:
                dsk[last, i] = (end, (name, i), *before)
        return type(self)(Tasks(dsk, [self._layer]), name, self.npartitions)

    def groupby(
        self,
        grouper: Any,
        method: Any = None,
        npartitions: int | None = None,
        blocksize: int = 2**20,
        max_branch: int | None = None,
        shuffle: str | None = None,
    ) -> Any:
        """Elements in groups, which all partitions must be brought together for; `foldby` is often faster.

        Parameters
        ----------
        grouper : callable or key
            A function of an element, or the key of the item, that names its group.
        npartitions : int, optional
            How many partitions the result has; as many as this bag by default.
        blocksize : int
            How many elements a task gathers before it writes them to disk.
        max_branch : int, optional
            How many pieces a task cuts a partition into, 32 by default; more partitions take several rounds.
        shuffle : {'disk', 'tasks'}, optional
            Bring groups together by files, which serves data larger than memory on one machine, or by tasks.
            The setting `dataframe.shuffle.method` counts where nothing is said, then 'disk'.

        Returns
        -------
        Bag
            Of `(group, list of elements)`.

        Examples
        --------
        >>> import raskr.bag as db
        >>> groups = db.range(5, npartitions=2).groupby(lambda x: x % 2)
        >>> sorted(groups.compute(scheduler="sync"))
        [(0, [0, 2, 4]), (1, [1, 3])]
        """
        if method is not None:
            raise TypeError("the method= keyword is spelled shuffle=")
        if shuffle is None:
            shuffle = config.get("dataframe.shuffle.method", None)
            if shuffle not in ("disk", "tasks"):
                scheduler = config.get("scheduler", None)
                shuffle = "tasks" if scheduler in ("distributed", "raskr.distributed") else "disk"
        if shuffle not in ("disk", "tasks"):
            raise NotImplementedError(f"shuffle must be 'disk' or 'tasks', got {shuffle!r}")
        if npartitions is not None and npartitions < 1:
            raise ValueError(f"npartitions must be at least 1, got {npartitions}")
        if shuffle == "disk":
            return shuffling.groupby_disk(self, grouper, npartitions or self.npartitions, blocksize)
        return shuffling.groupby_tasks(self, grouper, npartitions or self.npartitions, max_branch or 32)

    def repartition(self, npartitions: int | None = None, partition_size: Any = None) -> Any:
        """The same elements in other partitions.

        Parameters
        ----------
        npartitions : int, optional
            How many partitions; partitions are joined, or cut, as they are, so that they may be of unequal length.
        partition_size : int or str, optional
            How much memory a partition may take, such as ``"100 MB"``. This computes the bag once to see.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(10, npartitions=5).repartition(npartitions=2).npartitions
        2
        """
        if (npartitions is None) == (partition_size is None):
            raise ValueError("Please provide exactly one of the `npartitions` and `partition_size` keyword arguments")
        if partition_size is not None:
            return _by_size(self, parse_bytes(partition_size))
        if npartitions < 1:
            raise ValueError(f"npartitions must be at least 1, got {npartitions}")
        have = self.npartitions
        if npartitions == have:
            return self
        if npartitions < have:
            bounds = [i * have // npartitions for i in range(npartitions + 1)]
            return _joined(self, bounds)
        each, more = divmod(npartitions, have)
        return _cut(self, [each] * (have - 1) + [each + more])


def _joined(bag: Any, bounds: list) -> Any:
    """Neighbouring partitions put together."""
    name = f"repartition-{len(bounds) - 1}-{tokenize(bag, bounds)}"
    step = Concatenate()
    dsk = {
        (name, i): (step, *((bag.name, j) for j in range(start, stop)))
        for i, (start, stop) in enumerate(itertools.pairwise(bounds))
    }
    return type(bag)(Tasks(dsk, [bag._layer]), name, len(dsk))


def _cut(bag: Any, counts: list) -> Any:
    """Each partition cut into some parts."""
    name = f"repartition-{sum(counts)}-{tokenize(bag, counts)}"
    dsk: dict = {}
    steps = {count: Slice(count) for count in counts}
    for i, count in enumerate(counts):
        for index in range(count):
            task = (bag.name, i) if count == 1 else (steps[count], (bag.name, i), literal(index))
            dsk[name, len(dsk)] = task
    return type(bag)(Tasks(dsk, [bag._layer]), name, len(dsk))


def _by_size(bag: Any, size: int) -> Any:
    if size < 1:
        raise ValueError(f"partition_size must be at least one byte, got {size}")
    usage = bag.map_partitions(_usage).compute()
    counts = [1 + used // size for used in usage]
    if any(count > 1 for count in counts):
        bag = _cut(bag, counts)
        usage = [used / count for used, count in zip(usage, counts) for _ in range(count)]
    bounds, total = [0], 0.0
    for i, used in enumerate(usage):
        if total + used > size and i > bounds[-1]:
            bounds.append(i)
            total = 0.0
        total += used
    return _joined(bag, [*bounds, len(usage)])


def _usage(part: Any) -> list:
    return [total_mem_usage(part)]
