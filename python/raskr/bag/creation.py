"""Making bags: of sequences, of lazy values, of addresses, and of other bags."""

import math
from collections.abc import Iterable
from itertools import islice
from typing import Any

from raskr._bridge import core
from raskr.bag.core import Bag
from raskr.bag.layers import Blocks, Tasks, graph_layer
from raskr.bag.steps import Reify, Step, Zip
from raskr.core import literal
from raskr.tokenize import tokenize

__all__ = ["bag_range", "bag_zip", "concat", "from_delayed", "from_sequence", "from_url"]


def from_sequence(seq: Iterable, partition_size: int | None = None, npartitions: int | None = None) -> Bag:
    """A bag of the elements of a Python sequence.

    Parameters
    ----------
    seq : iterable
        The elements.
    partition_size : int, optional
        How many elements a partition has.
    npartitions : int, optional
        How many partitions there are about; fewer where there are not as many elements. By default up to a hundred
        elements have a partition each, and more elements have ten times the square root of their number.

    Examples
    --------
    >>> import raskr.bag as db
    >>> db.from_sequence(["Alice", "Bob", "Chuck"], partition_size=2).npartitions
    2
    """
    elements = list(seq)
    if npartitions is not None and npartitions < 1:
        raise ValueError(f"npartitions must be at least 1, got {npartitions}")
    if partition_size is not None and partition_size < 1:
        raise ValueError(f"partition_size must be at least 1, got {partition_size}")
    if partition_size is None:
        if npartitions is not None:
            partition_size = math.ceil(len(elements) / npartitions)
        elif len(elements) <= 100:
            partition_size = 1
        else:
            # More partitions for more elements, but ever larger ones.
            partition_size = max(1, math.ceil(math.sqrt(len(elements)) / 10))
    size = max(1, partition_size)
    iterator = iter(elements)
    parts: list = []
    while part := list(islice(iterator, size)):
        parts.append(part)
    name = f"from_sequence-{tokenize(elements, partition_size)}"
    dsk = {(name, i): (literal(part),) for i, part in enumerate(parts or [[]])}
    return Bag(Tasks(dsk), name, len(dsk))


def bag_range(n: int, npartitions: int) -> Bag:
    """The numbers from 0 to below `n`.

    Parameters
    ----------
    n : int
        How many numbers.
    npartitions : int
        How many partitions; the last one takes what is left over.

    Examples
    --------
    >>> import raskr.bag as db
    >>> db.range(5, npartitions=2).compute(scheduler="sync")
    [0, 1, 2, 3, 4]
    """
    if npartitions < 1 or npartitions > max(n, 1):
        raise ValueError(f"npartitions must be from 1 to the number of elements, {n}; got {npartitions}")
    name = f"range-{n}-npartitions-{npartitions}"
    size = n // npartitions
    step = Reify()
    ranges = [range(i * size, n if i == npartitions - 1 else (i + 1) * size) for i in range(npartitions)]
    return Bag(Tasks({(name, i): (step, literal(each)) for i, each in enumerate(ranges)}), name, npartitions)


def from_delayed(values: Any) -> Bag:
    """A bag whose partitions are the iterables that lazy values give.

    Parameters
    ----------
    values : Delayed or list of Delayed, or of futures
        One a partition.

    Examples
    --------
    >>> import raskr
    >>> import raskr.bag as db
    >>> parts = [raskr.delayed(range)(n) for n in (2, 3)]
    >>> db.from_delayed(parts).compute(scheduler="sync")
    [0, 1, 0, 1, 2]
    """
    values = [values] if isinstance(values, core.Delayed) or hasattr(values, "key") else list(values)
    for value in values:
        if not hasattr(value, "key"):
            raise TypeError(f"expected Delayed values, got {type(value).__name__}")
    keys, layer = graph_layer(values)
    name = f"bag-from-delayed-{tokenize(keys)}"
    step = Reify()
    return Bag(Tasks({(name, i): (step, key) for i, key in enumerate(keys)}, [layer]), name, len(keys))


class ReadUrl(Step):
    """The lines of what an address gives, as bytes."""

    __slots__ = ()

    def apply(self, url: str) -> list:
        from urllib.request import urlopen

        with urlopen(url) as response:
            return response.readlines()


def from_url(urls: Any) -> Bag:
    """The lines of pages, as bytes; one partition a page.

    Parameters
    ----------
    urls : str or list of str
        Addresses.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import raskr.bag as db
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "page"
    >>> _ = path.write_text("one\\ntwo")
    >>> db.from_url(path.as_uri()).compute(scheduler="sync")
    [b'one\\n', b'two']
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    name = f"from_url-{tokenize(urls)}"
    step = ReadUrl()
    return Bag(Tasks({(name, i): (step, literal(url)) for i, url in enumerate(urls)}), name, len(urls))


def concat(bags: Iterable[Bag]) -> Bag:
    """Bags one after another, with the partitions that they have.

    Parameters
    ----------
    bags : iterable of Bag
        The bags.

    Examples
    --------
    >>> import raskr.bag as db
    >>> db.concat([db.from_sequence([1, 2]), db.from_sequence([3])]).compute(scheduler="sync")
    [1, 2, 3]
    """
    bags = list(bags)
    if not bags:
        raise ValueError("concat needs at least one bag")
    for bag in bags:
        if not isinstance(bag, Bag):
            raise TypeError(f"expected bags, got {type(bag).__name__}")
    name = f"concat-{tokenize(*bags)}"
    keys = [key for bag in bags for key in bag.__dask_keys__()]
    layer = Tasks({(name, i): key for i, key in enumerate(keys)}, [bag._layer for bag in bags])
    return type(bags[0])(layer, name, len(keys))


def bag_zip(*bags: Bag) -> Bag:
    """Tuples of the elements of bags, which should have equal partitions: each is as long as the shortest.

    Parameters
    ----------
    *bags : Bag
        The bags.

    Examples
    --------
    >>> import raskr.bag as db
    >>> db.zip(db.range(2, 1), db.from_sequence("ab", npartitions=1)).compute(scheduler="sync")
    [(0, 'a'), (1, 'b')]
    """
    if not bags:
        raise ValueError("zip needs at least one bag")
    counts = sorted({bag.npartitions for bag in bags})
    if len(counts) > 1:
        raise ValueError(f"All bags must have the same number of partitions, got {counts}.")
    name = f"zip-{tokenize(*bags)}"
    layer = Blocks(name, counts[0], Zip(), [bag.name for bag in bags], [bag._layer for bag in bags])
    return type(bags[0])(layer, name, counts[0])
