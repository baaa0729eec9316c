"""What reductions do to one partition, and how they put partial results together."""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import reduce
from typing import Any

from raskr.bag.steps import Step, no_result, reify
from raskr.sizeof import sizeof
from raskr.typing import no_default

__all__ = ["Aggregate", "Chunk", "Count"]


def empty_safe_apply(func: Callable, part: Any, is_last: bool) -> Any:
    """A function of a partition; a mark in place of its result where there are no elements, unless it is the last.

    Examples
    --------
    >>> from raskr.bag.core import empty_safe_apply, no_result
    >>> empty_safe_apply(max, [1, 2], False), empty_safe_apply(max, [], False) is no_result
    (2, True)
    """
    if isinstance(part, Iterator):
        first = next(part, no_result)
        if first is not no_result:
            return func(itertools.chain((first,), part))
        return func(part) if is_last else no_result
    if is_last:
        return func(part)
    # Sparse matrices have no length, but know how many elements they store.
    stored = getattr(part, "nnz", None)
    size = len(part) if stored is None and hasattr(part, "__len__") else stored
    return no_result if size == 0 else func(part)


class Chunk(Step):
    """A reduction's function of one partition, which may have no elements."""

    __slots__ = ("func", "is_last")
    partition = False
    reduces = True

    def __init__(self, func: Callable, is_last: bool) -> None:
        self.func = func
        self.is_last = is_last

    def apply(self, part: Any) -> Any:
        return empty_safe_apply(self.func, part, self.is_last)


class Count(Step):
    """How many elements a partition has."""

    __slots__ = ()
    partition = False
    reduces = True

    def apply(self, part: Any) -> int:
        return count(part)

    def absorb(self, args: tuple) -> tuple | None:
        (arg,) = args
        counted = getattr(arg[0], "counted", None) if type(arg) is tuple and isinstance(arg[0], Step) else None
        return None if counted is None else (counted, *arg[1:])

    def replace(self, source: tuple) -> tuple | None:
        # Counting lines once more costs less than handing them to another process.
        is_cheap = getattr(source[0], "is_cheap_to_count", None)
        return (source[0].counted, *source[1:]) if is_cheap is not None and is_cheap(*source[1:]) else None


class Aggregate(Step):
    """A reduction's function of the results of several partitions."""

    __slots__ = ("func", "is_last", "is_partition")
    blockwise = False

    def __init__(self, func: Callable, is_last: bool, is_partition: bool) -> None:
        self.func = func
        self.is_last = is_last
        self.is_partition = is_partition

    @property
    def partition(self) -> bool:  # type: ignore[override]
        return self.is_partition

    @property
    def stays_here(self) -> bool:  # type: ignore[override]
        return self.func is sum

    def apply(self, *results: Any) -> Any:
        return empty_safe_apply(self.func, [each for each in results if each is not no_result], self.is_last)


# --- functions of reductions ------------------------------------------------------------------------------------------
def count(part: Iterable) -> int:
    """How many elements there are."""
    if hasattr(part, "__len__"):
        return len(part)
    counter = itertools.count()
    deque(zip(part, counter), maxlen=0)
    return next(counter)


def mean_chunk(part: Iterable) -> tuple:
    """Sum and count."""
    values = reify(part)
    return sum(values), len(values)


def mean_aggregate(parts: Iterable) -> Any:
    """The mean of sums and counts."""
    sums, counts = zip(*parts) if parts else ((), ())
    return 1.0 * sum(sums) / sum(counts)


def var_chunk(part: Iterable) -> tuple:
    """Count, mean, and sum of squared distances from the mean."""
    values = reify(part)
    size = len(values)
    if not size:
        return 0, 0.0, 0.0
    mean = sum(values) / size
    return size, mean, sum([(value - mean) ** 2 for value in values])


def var_aggregate(ddof: float, parts: Iterable) -> Any:
    """The variance of parts, joined by the formula of Chan, Golub and LeVeque (1979), which does not cancel."""
    size, mean, squares = 0, 0.0, 0.0
    for other, other_mean, other_squares in parts:
        if other:
            joined = size + other
            delta = other_mean - mean
            squares = squares + other_squares + delta * delta * size * other / joined
            mean = mean + delta * other / joined
            size = joined
    return 1.0 * squares / (size - ddof)


def fold_part(binop: Callable, initial: Any, part: Iterable) -> Any:
    """A partition folded from the left; what it starts with is a copy, which the function may change."""
    return reduce(binop, part) if initial is no_default else reduce(binop, part, deepcopy(initial))


def fold_merged(combine: Callable, initial: Any, parts: list) -> Any:
    """Totals of partitions folded; what they begin with where no partition has elements."""
    return deepcopy(initial) if not parts and initial is not no_default else reduce(combine, parts)


def frequencies_part(part: Iterable) -> dict:
    """How often each element occurs."""
    return dict(Counter(part))


def frequencies_merged(parts: Iterable) -> dict:
    """Sums of counts, in the order in which elements were met first."""
    parts = iter(parts)
    merged = dict(next(parts, {}))
    get = merged.get
    for part in parts:
        for element, times in part.items():
            merged[element] = get(element, 0) + times
    return merged


def dictitems(sort: bool, counts: dict) -> list:
    """Elements with their counts, the most frequent first where they are sorted."""
    items = list(counts.items())
    if sort:
        items.sort(key=lambda item: item[1], reverse=True)
    return items


class Spread:
    """A function of several arguments as one of a tuple of them."""

    __slots__ = ("func",)

    def __init__(self, func: Callable) -> None:
        self.func = func

    def __reduce__(self) -> tuple:
        return Spread, (self.func,)

    def __call__(self, items: Iterable) -> Any:
        return self.func(*items)


def topk_part(k: int, key: Callable | None, part: Iterable) -> list:
    """The largest elements."""
    return heapq.nlargest(k, part, key=key)


def topk_merged(k: int, key: Callable | None, parts: Iterable) -> list:
    """The largest elements of lists."""
    return heapq.nlargest(k, itertools.chain.from_iterable(parts), key=key)


def distinct_part(key: Callable | None, part: Iterable) -> list:
    """The first of all elements that are equal, or whose keys are."""
    if key is None:
        return list(dict.fromkeys(part))
    first: dict = {}
    for element in part:
        first.setdefault(key(element), element)
    return list(first.values())


def distinct_merged(key: Callable | None, parts: Iterable) -> list:
    """The distinct elements of lists."""
    return distinct_part(key, itertools.chain.from_iterable(parts))


def reduceby(key: Callable, binop: Callable, seq: Iterable, initial: Any = no_default) -> dict:
    """Elements folded by key."""
    totals: dict = {}
    for element in seq:
        group = key(element)
        if group in totals:
            totals[group] = binop(totals[group], element)
        else:
            totals[group] = element if initial is no_default else binop(deepcopy(initial), element)
    return totals


class FoldbyPart(Step):
    """Elements of one partition folded by key."""

    __slots__ = ("binop", "initial", "key")
    partition = False
    reduces = True

    def __init__(self, key: Callable, binop: Callable, initial: Any) -> None:
        self.key = key
        self.binop = binop
        self.initial = initial

    def apply(self, part: Iterable) -> dict:
        return reduceby(self.key, self.binop, part, self.initial)


class FoldbyMerged(Step):
    """Totals of several partitions put together by key."""

    __slots__ = ("combine", "initial", "last")
    blockwise = False

    def __init__(self, combine: Callable, initial: Any, last: bool) -> None:
        self.combine = combine
        self.initial = initial
        self.last = last

    @property
    def partition(self) -> bool:  # type: ignore[override]
        return self.last

    def apply(self, *parts: dict) -> Any:
        combine, initial = self.combine, self.initial
        totals: dict = {}
        for part in parts:
            for group, total in part.items():
                if group in totals:
                    totals[group] = combine(totals[group], total)
                else:
                    totals[group] = total if initial is no_default else combine(deepcopy(initial), total)
        return list(totals.items()) if self.last else totals


def total_mem_usage(partition: Any) -> int:
    """The memory that a partition's elements take, in bytes."""
    return sizeof(reify(partition))
