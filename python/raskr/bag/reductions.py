"""Reductions of bags: the methods that make one value, or one partition, of many."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from raskr.bag import reduction_steps as on
from raskr.bag.layers import Tasks
from raskr.bag.steps import MapPartitions, Part, Step, getter
from raskr.tokenize import tokenize
from raskr.typing import no_default
from raskr.utils import funcname, takes_multiple_arguments

__all__ = ["Reductions"]


def tree_width(split_every: Any, npartitions: int) -> int:
    """How many partial results one task puts together."""
    if split_every is None:
        return 8
    if split_every is False:
        return max(npartitions, 2)
    if not isinstance(split_every, int) or split_every < 2:
        raise ValueError(f"split_every must be None, False or an int of at least 2, got {split_every!r}")
    return split_every


class Reductions:
    """Reductions of bags."""

    __slots__ = ()

    def _tree(
        self,
        chunk: Step,
        merge: Callable[[bool], Step],
        split_every: Any,
        names: tuple[str, str],
        token: str,
        out_type: Any,
    ) -> Any:
        """Partial results by `chunk`, put together by the steps that `merge` gives for the last time, or before."""
        from raskr.bag.core import Item

        width = tree_width(split_every, self.npartitions)
        part_name, merged_name = f"{names[0]}-part-{token}", f"{names[1]}-aggregate-{token}"
        dsk: dict = {(part_name, i): (chunk, (self.name, i)) for i in range(self.npartitions)}
        keys: list = list(dsk)
        level = 0
        before = merge(False)
        while len(keys) > width:
            groups = [keys[i : i + width] for i in range(0, len(keys), width)]
            keys = [(f"{names[1]}-{level}-{token}", i) for i in range(len(groups))]
            dsk.update({key: (before, *group) for key, group in zip(keys, groups)})
            level += 1
        is_item = issubclass(out_type, Item)
        final: Any = merged_name if is_item else (merged_name, 0)
        dsk[final] = (merge(True), *keys)
        layer = Tasks(dsk, [self._layer])
        return out_type(layer, merged_name) if is_item else out_type(layer, merged_name, 1)

    def reduction(
        self,
        perpartition: Callable,
        aggregate: Callable,
        split_every: Any = None,
        out_type: Any = None,
        name: str | None = None,
    ) -> Any:
        """Reduce every partition, then the results of the partitions.

        Parameters
        ----------
        perpartition : callable
            Called with an iterable of the elements of one partition; not called for partitions without elements,
            unless there is only one.
        aggregate : callable
            Called with a list of partial results, in several rounds where there are many.
        split_every : int or False, optional
            How many partial results one task puts together: 8 by default, all of them if False.
        out_type : type
            `Item` for one value, which is the default; `Bag` where `aggregate` gives a sequence.
        name : str, optional
            The beginning of the keys.

        Examples
        --------
        >>> import raskr.bag as db
        >>> bag = db.from_sequence(range(10), npartitions=2)
        >>> bag.reduction(sum, max).compute(scheduler="sync")
        35
        """
        from raskr.bag.core import Item

        out_type = out_type or Item
        token = tokenize(self, perpartition, aggregate, split_every, out_type, name)
        is_last = self.npartitions == 1
        is_partition = not issubclass(out_type, Item)
        names = (name or funcname(perpartition), name or funcname(aggregate))
        # What comes after a `map` has no length, but can be counted.
        chunk = on.Count() if perpartition in (len, on.count) else on.Chunk(perpartition, is_last)
        return self._tree(
            chunk,
            lambda last: on.Aggregate(aggregate, last, last and is_partition),
            split_every,
            names,
            token,
            out_type,
        )

    def sum(self, split_every: Any = None) -> Any:
        """The sum of all elements.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).sum().compute(scheduler="sync")
        10
        """
        return self.reduction(sum, sum, split_every=split_every)

    def max(self, split_every: Any = None) -> Any:
        """The largest element; ValueError where there is none.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).max().compute(scheduler="sync")
        4
        """
        return self.reduction(max, max, split_every=split_every)

    def min(self, split_every: Any = None) -> Any:
        """The smallest element; ValueError where there is none.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).min().compute(scheduler="sync")
        0
        """
        return self.reduction(min, min, split_every=split_every)

    def any(self, split_every: Any = None) -> Any:
        """Is any element true?

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence([False, True]).any().compute(scheduler="sync")
        True
        """
        return self.reduction(any, any, split_every=split_every)

    def all(self, split_every: Any = None) -> Any:
        """Are all elements true?

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence([False, True]).all().compute(scheduler="sync")
        False
        """
        return self.reduction(all, all, split_every=split_every)

    def count(self, split_every: Any = None) -> Any:
        """How many elements there are.

        Lines of text that nothing else is done to are counted without making text of them.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence("abc").count().compute(scheduler="sync")
        3
        """
        return self.reduction(on.count, sum, split_every=split_every)

    def mean(self) -> Any:
        """The mean of all elements; ZeroDivisionError where there is none.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).mean().compute(scheduler="sync")
        2.0
        """
        return self.reduction(on.mean_chunk, on.mean_aggregate, split_every=False, name="mean")

    def var(self, ddof: float = 0) -> Any:
        """The variance of all elements.

        Parameters
        ----------
        ddof : float
            What is taken from the count before it divides.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).var().compute(scheduler="sync")
        2.0
        """
        return self.reduction(on.var_chunk, partial(on.var_aggregate, ddof), split_every=False, name="var")

    def std(self, ddof: float = 0) -> Any:
        """The standard deviation of all elements.

        Parameters
        ----------
        ddof : float
            What is taken from the count before it divides.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence([1, 3]).std().compute(scheduler="sync")
        1.0
        """
        return self.var(ddof=ddof).apply(math.sqrt)

    def fold(
        self,
        binop: Callable,
        combine: Callable | None = None,
        initial: Any = no_default,
        split_every: Any = None,
        out_type: Any = None,
    ) -> Any:
        """Fold the elements of each partition with one function, and the results with another.

        Parameters
        ----------
        binop : callable
            Called with the total so far and an element.
        combine : callable, optional
            Called with two totals; `binop` by default.
        initial : object, optional
            What the total of every partition begins with.
        split_every : int or False, optional
            How many totals one task puts together.
        out_type : type
            `Item`, or `Bag` where the total is a sequence.

        Examples
        --------
        >>> import operator
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).fold(operator.add).compute(scheduler="sync")
        10
        """
        return self.reduction(
            partial(on.fold_part, binop, initial),
            partial(on.fold_merged, combine or binop, initial),
            split_every=split_every,
            out_type=out_type,
            name="fold",
        )

    def frequencies(self, split_every: Any = None, sort: bool = False) -> Any:
        """How often each element occurs.

        Parameters
        ----------
        split_every : int or False, optional
            How many partial counts one task puts together.
        sort : bool
            Put the most frequent first.

        Returns
        -------
        Bag
            One partition of `(element, count)`.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence(["a", "b", "a"]).frequencies().compute(scheduler="sync")
        [('a', 2), ('b', 1)]
        """
        counts = self.reduction(
            on.frequencies_part,
            on.frequencies_merged,
            split_every=split_every,
            out_type=type(self),
            name="frequencies",
        )
        return counts._blocks("dictitems", MapPartitions(partial(on.dictitems, sort), (Part(0),), {}), sort)

    def topk(self, k: int, key: Any = None, split_every: Any = None) -> Any:
        """The `k` largest elements, the largest first.

        Parameters
        ----------
        k : int
            How many.
        key : callable or key, optional
            A function of an element, or the key of the item, to compare by. A function that takes several arguments
            gets the items of an element.
        split_every : int or False, optional
            How many partial results one task puts together.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.from_sequence([("a", 3), ("b", 5)]).topk(1, key=1).compute(scheduler="sync")
        [('b', 5)]
        """
        if key is not None:
            spread = callable(key) and takes_multiple_arguments(key)
            key = on.Spread(key) if spread else getter(key)
        return self.reduction(
            partial(on.topk_part, k, key),
            partial(on.topk_merged, k, key),
            split_every=split_every,
            out_type=type(self),
            name="topk",
        )

    def distinct(self, key: Any = None) -> Any:
        """The elements that differ, each once.

        Parameters
        ----------
        key : callable or key, optional
            A function of an element, or the key of the item, that tells which are equal; the first one stays.

        Examples
        --------
        >>> import raskr.bag as db
        >>> sorted(db.from_sequence("abca").distinct().compute(scheduler="sync"))
        ['a', 'b', 'c']
        """
        key = None if key is None else getter(key)
        return self.reduction(
            partial(on.distinct_part, key), partial(on.distinct_merged, key), out_type=type(self), name="distinct"
        )

    def foldby(
        self,
        key: Any,
        binop: Callable,
        initial: Any = no_default,
        combine: Callable | None = None,
        combine_initial: Any = no_default,
        split_every: Any = None,
    ) -> Any:
        """Fold elements by key: a `groupby` whose groups are never brought together.

        Parameters
        ----------
        key : callable or key
            A function of an element, or the key of the item, that elements are grouped by.
        binop : callable
            Called with the total so far of a group and an element.
        initial : object, optional
            What the totals of each partition begin with; the first element by default.
        combine : callable, optional
            Called with two totals; `binop` by default.
        combine_initial : object, optional
            What putting totals together begins with, in every round.
        split_every : int or False, optional
            How many partitions one task puts together.

        Returns
        -------
        Bag
            One partition of `(group, total)`.

        Examples
        --------
        >>> import operator
        >>> import raskr.bag as db
        >>> db.range(5, npartitions=2).foldby(lambda x: x % 2, operator.add, 0).compute(scheduler="sync")
        [(0, 6), (1, 4)]
        """
        token = tokenize(self, key, binop, initial, combine, combine_initial, split_every)
        combine = combine or binop
        return self._tree(
            on.FoldbyPart(getter(key), binop, initial),
            lambda last: on.FoldbyMerged(combine, combine_initial, last),
            split_every,
            ("foldby", "foldby"),
            token,
            type(self),
        )
