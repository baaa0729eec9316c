"""Random elements of bags: a number of them, with or without putting back."""

import heapq
import itertools
import math
import random as rnd
from collections.abc import Iterable
from functools import partial
from typing import Any

__all__ = ["choices", "sample"]


def choices(population: Any, k: int = 1, split_every: Any = None) -> Any:
    """Random elements; one may come more than once.

    Parameters
    ----------
    population : Bag
        Where they are taken from.
    k : int
        How many.
    split_every : int or False, optional
        How many partial samples one task puts together.

    Returns
    -------
    Bag
        Of one partition.

    Examples
    --------
    >>> import raskr.bag as db
    >>> from raskr.bag import random
    >>> len(random.choices(db.range(5, npartitions=2), k=9).compute(scheduler="sync"))
    9
    """
    return _sampled(population, k, split_every, _sample_with_replacement_map_partitions, _choices_merged)


def sample(population: Any, k: int, split_every: Any = None) -> Any:
    """Random elements of different places, each set of places with equal probability.

    Parameters
    ----------
    population : Bag
        Where they are taken from.
    k : int
        How many; ValueError, while computing, where there are fewer.
    split_every : int or False, optional
        How many partial samples one task puts together.

    Returns
    -------
    Bag
        Of one partition.

    Examples
    --------
    >>> import raskr.bag as db
    >>> from raskr.bag import random
    >>> sorted(random.sample(db.range(5, npartitions=2), k=5).compute(scheduler="sync"))
    [0, 1, 2, 3, 4]
    """
    return _sampled(population, k, split_every, _sample_map_partitions, _sample_merged)


def _sampled(population: Any, k: int, split_every: Any, part: Any, merged: Any) -> Any:
    from raskr.bag.core import Bag
    from raskr.bag.steps import MapPartitions, Part

    if k < 0:
        raise ValueError(f"k must not be negative, got {k}")
    samples = population.reduction(
        partial(part, k=k),
        partial(merged, k),
        split_every=split_every,
        out_type=Bag,
        name=part.__name__.strip("_").partition("_map")[0],
    )
    # What is put together is `(elements, how many they stand for)`; only the last one is checked.
    return samples._blocks(
        "sample", MapPartitions(partial(_finished, part is _sample_map_partitions, k), (Part(0),), {})
    )


def _finished(whole: bool, k: int, found: tuple) -> list:
    elements, size = found
    if whole and k > size:
        raise ValueError(f"Sample larger than population: {k} elements wanted, {size} there")
    if not elements and k:
        raise IndexError("cannot choose from an empty bag")
    return elements


def _sample_map_partitions(population: Iterable, k: int) -> tuple[list, int]:
    """A random sample of `k` elements in random order, or of all where there are fewer, and how many there are.

    Algorithm L of Li (1994), "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))".
    """
    elements = iter(population)
    reservoir = list(itertools.islice(elements, k))
    size = len(reservoir)
    if size < k or not k:
        size += sum(1 for _ in elements)
        rnd.shuffle(reservoir)
        return reservoir, size
    weight = math.exp(math.log(_positive()) / k)
    while True:
        skipped = math.floor(math.log(_positive()) / math.log1p(-weight)) if weight < 1 else 0
        passed, found = _skip(elements, skipped)
        size += passed
        if not found:
            break
        reservoir[rnd.randrange(k)] = found[0]
        weight *= math.exp(math.log(_positive()) / k)
    rnd.shuffle(reservoir)
    return reservoir, size


def _positive() -> float:
    return 1.0 - rnd.random()


def _skip(elements: Any, count: int) -> tuple[int, list]:
    """How many elements were passed, and the one after `count` of them where there is one."""
    passed = sum(1 for _ in itertools.islice(elements, count))
    found = list(itertools.islice(elements, 1))
    return passed + len(found), found


def _sample_with_replacement_map_partitions(population: Iterable, k: int) -> tuple[list, int]:
    """`k` random elements, with putting back, and how many there are."""
    elements = population if hasattr(population, "__len__") else list(population)
    return (rnd.choices(elements, k=k) if len(elements) else []), len(elements)


def _sample_merged(k: int, parts: Iterable) -> tuple[list, int]:
    """Samples without putting back put together: each gives as many as a draw from all places says."""
    parts = [(elements, size) for elements, size in parts if size]
    total = sum(size for _, size in parts)
    counts = [0] * len(parts)
    left = [size for _, size in parts]
    for _ in range(min(k, total)):
        (chosen,) = rnd.choices(range(len(parts)), weights=left)
        counts[chosen] += 1
        left[chosen] -= 1
    elements = [element for (found, _), count in zip(parts, counts) for element in rnd.sample(found, count)]
    rnd.shuffle(elements)
    return elements, total


def _choices_merged(k: int, parts: Iterable) -> tuple[list, int]:
    """Samples with putting back put together."""
    parts = [(elements, size) for elements, size in parts if size]
    if not parts:
        return [], 0
    chosen = rnd.choices(range(len(parts)), weights=[size for _, size in parts], k=k)
    # The n-th of each sample serves the n-th place, so that every sample is used in its own order.
    return [parts[part][0][place] for place, part in enumerate(chosen)], sum(size for _, size in parts)


def _weighted_sampling_without_replacement(population: Iterable, weights: Iterable, k: int) -> list:
    """`k` elements of different places, the first of them with probabilities by weight, and so on.

    The keys of Efraimidis and Spirakis (2006), "Weighted random sampling with a reservoir".
    """
    keys = [(math.log(_positive()) / weight, element) for weight, element in zip(weights, population)]
    return [element for _, element in heapq.nlargest(k, keys, key=lambda pair: pair[0])]
