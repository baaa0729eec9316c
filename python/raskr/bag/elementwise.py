"""Methods of bags that handle each element, or each partition, by itself."""

import fnmatch
import random
from collections.abc import Callable
from functools import partial
from itertools import compress, repeat, starmap
from operator import methodcaller
from typing import Any

from raskr.bag.layers import Arguments, Blocks
from raskr.bag.steps import (
    Filter,
    Flatten,
    Map,
    MapPartitions,
    Part,
    Pluck,
    Remove,
    Starmap,
    Step,
    Take,
    TakeOfParts,
    warn_few,
)
from raskr.tokenize import tokenize
from raskr.typing import no_default
from raskr.utils import funcname

__all__ = ["Elementwise", "StringAccessor"]


class Elementwise:
    """What handles each element by itself."""

    __slots__ = ()

    def map(self, func: Callable, *args: Any, **kwargs: Any) -> Any:
        """A function of every element.

        Parameters
        ----------
        func : callable
            The function.
        *args, **kwargs
            Further arguments: bags give one element a call (they must have equal partitions), an `Item` or `Delayed`
            its value, anything else itself.

        Examples
        --------
        >>> import raskr.bag as db
        >>> bag = db.range(4, npartitions=2)
        >>> bag.map(pow, 2).compute(scheduler="sync")
        [0, 1, 4, 9]
        >>> bag.map(lambda x, top: x / top, top=bag.max()).compute(scheduler="sync")[-1]
        1.0
        """
        return map_bags(func, self, *args, **kwargs)

    def starmap(self, func: Callable, **kwargs: Any) -> Any:
        """A function of the items of every element.

        Parameters
        ----------
        func : callable
            Called with the items of an element as its arguments.
        **kwargs
            Further arguments; an `Item` or `Delayed` gives its value.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence([(1, 2), (3, 4)]).starmap(max).compute(scheduler="sync")
        [2, 4]
        """
        arguments = Arguments()
        arguments.place(self, Part)
        step = Starmap(func, {name: arguments.place(value, Part) for name, value in kwargs.items()})
        if len(arguments.bags) > 1:
            raise TypeError("starmap takes no bags as keyword arguments; zip the bags first")
        return _placed(self, arguments, f"{funcname(func)}-{tokenize(self, 'starmap', func, kwargs)}", step)

    def map_partitions(self, func: Callable, *args: Any, **kwargs: Any) -> Any:
        """A function of every partition; see `raskr.bag.map_partitions`.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(4, npartitions=2).map_partitions(sorted, reverse=True).compute(scheduler="sync")
        [1, 0, 3, 2]
        """
        return map_partitions(func, self, *args, **kwargs)

    def filter(self, predicate: Callable | None) -> Any:
        """The elements that a predicate holds for; with None, those that are true.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).filter(lambda x: x % 2).compute(scheduler="sync")
        [1, 3]
        """
        return self._blocks(f"filter-{funcname(predicate)}", Filter(predicate), predicate)

    def remove(self, predicate: Callable) -> Any:
        """The elements that a predicate does not hold for.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).remove(lambda x: x % 2).compute(scheduler="sync")
        [0, 2, 4]
        """
        return self._blocks(f"remove-{funcname(predicate)}", Remove(predicate), predicate)

    def pluck(self, key: Any, default: Any = no_default) -> Any:
        """One item of every element, or a tuple of several.

        Parameters
        ----------
        key : object or list
            The item's key; a list of keys gives tuples.
        default : object, optional
            Stands for items that are missing, which are an error otherwise.

        Examples
        --------
        >>> import raskr.bag as db
        >>> bag = db.from_sequence([{"name": "Ada", "born": 1815}, {"name": "Bo"}])
        >>> bag.pluck("name").compute(scheduler="sync")
        ['Ada', 'Bo']
        >>> bag.pluck(["name", "born"], None).compute(scheduler="sync")
        [('Ada', 1815), ('Bo', None)]
        """
        return self._blocks("pluck", Pluck(key, default is not no_default, default), key, default)

    def unzip(self, n: int) -> tuple:
        """A bag of tuples as a tuple of bags.

        Parameters
        ----------
        n : int
            How many items the tuples have.

        Examples
        --------
        >>> import raskr.bag as db
        >>> first, second = db.from_sequence([(1, 2), (3, 4)]).unzip(2)
        >>> second.compute(scheduler="sync")
        [2, 4]
        """
        return tuple(self.pluck(i) for i in range(n))

    def flatten(self) -> Any:
        """The items of all elements, in one bag.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence([[1], [2, 3]]).flatten().compute(scheduler="sync")
        [1, 2, 3]
        """
        return self._blocks("flatten", Flatten())

    def random_sample(self, prob: float, random_state: Any = None) -> Any:
        """Elements at random, each with the same probability.

        Parameters
        ----------
        prob : float
            The probability, from 0 to 1.
        random_state : int, str, random.Random, optional
            A seed, for the same sample every time; computing the same bag again gives the same sample anyway.

        Examples
        --------
        >>> import raskr.bag as db
        >>> bag = db.range(1000, npartitions=2).random_sample(0.1, random_state=1)
        >>> 60 < bag.count().compute(scheduler="sync") < 140
        True
        """
        if not 0 <= prob <= 1:
            raise ValueError(f"prob must be a number in the interval [0, 1], got {prob!r}")
        source = random_state if isinstance(random_state, random.Random) else random.Random(random_state)
        seeds = [source.getrandbits(64) for _ in range(self.npartitions)]
        name = f"random-sample-{tokenize(self, prob, seeds)}"
        layer = Blocks(name, self.npartitions, RandomSample(prob), [self.name, seeds], [self._layer])
        return type(self)(layer, name, self.npartitions)

    def take(self, k: int, npartitions: int = 1, compute: bool = True, warn: bool = True) -> Any:
        """The first elements.

        Parameters
        ----------
        k : int
            How many.
        npartitions : int
            From how many partitions, -1 for all.
        compute : bool
            Give a tuple now, rather than a bag.
        warn : bool
            Warn where there are fewer.

        Examples
        --------
        >>> import raskr.bag as db
        >>> bag = db.range(1000, npartitions=10)
        >>> bag.take(3, compute=False).compute(scheduler="sync")
        [0, 1, 2]
        """
        if npartitions <= -1:
            npartitions = self.npartitions
        if npartitions > self.npartitions:
            raise ValueError(f"only {self.npartitions} partitions, take received {npartitions}")
        from raskr.bag.layers import Tasks

        token = tokenize(self, k, npartitions)
        name = f"take-{token}"
        later = warn and not compute
        if npartitions == 1:
            dsk: dict = {(name, 0): (Take(k, later), (self.name, 0))}
        else:
            part = Take(k, False)
            dsk = {(f"take-partial-{token}", i): (part, (self.name, i)) for i in range(npartitions)}
            dsk[name, 0] = (TakeOfParts(k, later), *dsk)
        bag = type(self)(Tasks(dsk, [self._layer]), name, 1)
        if not compute:
            return bag
        taken = tuple(bag.compute())
        if warn and len(taken) < k:
            warn_few(k, len(taken))
        return taken

    @property
    def str(self) -> "StringAccessor":
        """The methods of `str`, for every element, and `match`.

        Examples
        --------
        >>> import raskr.bag as db
        >>> bag = db.from_sequence(["Alice Smith", "Bob Jones"])
        >>> bag.str.match("*Smith").str.split(" ").compute(scheduler="sync")
        [['Alice', 'Smith']]
        """
        return StringAccessor(self)


class RandomSample(Step):
    """Elements at random, from a seed for each partition."""

    __slots__ = ("prob",)

    def __init__(self, prob: float) -> None:
        self.prob = prob

    def apply(self, part: Any, seed: int) -> Any:
        draws = starmap(random.Random(seed).random, repeat(()))
        return compress(part, map(float(self.prob).__gt__, draws))


_STR_METHODS = frozenset(dir(str))


class StringAccessor:
    """The methods of `str`, for every element of a bag."""

    def __init__(self, bag: Any) -> None:
        self._bag = bag

    def __dir__(self) -> list:
        return sorted({*super().__dir__(), *_STR_METHODS})

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__") or name not in _STR_METHODS:
            raise AttributeError(f"str has no method {name!r}")

        def method(*args: Any, **kwargs: Any) -> Any:
            call = methodcaller(name, *args, **kwargs)
            return self._bag._blocks(name, Map(call, (Part(0),), {}), "str", args, kwargs)

        method.__name__ = name
        method.__doc__ = getattr(str, name).__doc__
        return method

    def match(self, pattern: str) -> Any:
        """The elements that match a pattern as file names do, `*` standing for any characters.

        Parameters
        ----------
        pattern : str
            The pattern; see `fnmatch`.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence(["a.txt", "b.csv"]).str.match("*.csv").compute(scheduler="sync")
        ['b.csv']
        """
        return self._bag.filter(partial(fnmatch.fnmatch, pat=pattern))


def _placed(like: Any, arguments: Arguments, name: str, step: Step) -> Any:
    counts = {bag.npartitions for bag in arguments.bags}
    if not counts:
        raise ValueError("At least one argument must be a Bag.")
    if len(counts) > 1:
        raise ValueError(f"All bags must have the same number of partitions, got {sorted(counts)}.")
    (npartitions,) = counts
    layer = Blocks(name, npartitions, step, arguments.inputs, arguments.parents)
    return type(arguments.bags[0] if like is None else like)(layer, name, npartitions)


def map_bags(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """A function of the elements of bags.

    Parameters
    ----------
    func : callable
        The function.
    *args, **kwargs
        Its arguments: bags give one element a call (they must have equal partitions), an `Item` or `Delayed` its
        value, anything else itself. At least one must be a bag.

    Examples
    --------
    >>> import raskr.bag as db
    >>> x, y = db.range(3, npartitions=1), db.from_sequence("abc", npartitions=1)
    >>> db.map(lambda number, text: text * number, x, text=y).compute(scheduler="sync")
    ['', 'b', 'cc']
    """
    arguments = Arguments()
    positional = tuple(arguments.place(arg, Part) for arg in args)
    keywords = {name: arguments.place(value, Part) for name, value in kwargs.items()}
    return _placed(
        None, arguments, f"{funcname(func)}-{tokenize(func, 'map', args, kwargs)}", Map(func, positional, keywords)
    )


def map_partitions(func: Callable, *args: Any, token: str | None = None, **kwargs: Any) -> Any:
    """A function of the partitions of bags.

    Parameters
    ----------
    func : callable
        Called with partitions as lists; gives the new partition, any iterable.
    *args, **kwargs
        Its arguments: bags give a partition, any other lazy value its value, anything else itself. At least one must
        be a bag.
    token : str, optional
        The beginning of the keys; the function's name by default.

    Examples
    --------
    >>> import raskr.bag as db
    >>> db.map_partitions(lambda part: [len(part)], db.range(5, npartitions=2)).compute(scheduler="sync")
    [2, 3]
    """
    arguments = Arguments(any_collection=True)
    positional = tuple(arguments.place(arg, Part) for arg in args)
    keywords = {name: arguments.place(value, Part) for name, value in kwargs.items()}
    name = f"{token or funcname(func)}-{tokenize(func, 'map_partitions', args, kwargs)}"
    return _placed(None, arguments, name, MapPartitions(func, positional, keywords))
