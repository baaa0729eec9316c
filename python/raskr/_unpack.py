"""Finding collections inside other objects, and putting results in their places."""

import dataclasses
import types
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from raskr._bridge import core
from raskr.tokenize import tokenize


def is_dask_collection(x: Any) -> bool:
    """Is an object a lazy collection: something that `compute` computes?

    Parameters
    ----------
    x : object
        The object.

    Examples
    --------
    >>> import raskr
    >>> raskr.is_dask_collection(raskr.delayed(1)), raskr.is_dask_collection(1)
    (True, False)
    """
    if isinstance(x, type) or not hasattr(type(x), "__dask_graph__"):
        return False
    if isinstance(x, core.Delayed) or hasattr(x, "_expr"):
        return True
    held = held_in(x)
    return x.__dask_graph__() is not None if held is None else bool(held[0])


def held_in(x: Any) -> tuple[list, Callable] | None:
    """The collections that a collection stands for, and what makes such an object of results; None of any other.

    xarray's objects are such: their arrays are computed, and the result is one of theirs.
    """
    if isinstance(x, core.Delayed) or not any(kind.__module__.startswith("xarray.") for kind in type(x).__mro__):
        return None
    from raskr.compat._xarray_holders import taken_apart

    return taken_apart(x)


_LEAVES = (int, float, str, bytes, bool, complex, type(None))
_LIST_ITERATORS = tuple(type(iter(kind())) for kind in (list, tuple, set))
_DELAYED = {core.Delayed, core.DelayedLeaf, core.DelayedAttr}
Repack = Callable[[Sequence], Any]


def _repack_items(items: list, parts: list[Repack | None], make: Callable) -> Repack:
    return lambda values: make([part(values) if part else item for item, part in zip(items, parts)])


class _Unpacker:
    """Collects the collections in objects, each once."""

    def __init__(self, traverse: bool) -> None:
        self.traverse = traverse
        self.collections: list = []
        self.places: dict[Any, int] = {}
        # Collections that are told from others by their tokens, which may cost as much as their data is long: as long as
        # there is one alone, nothing is asked of it.
        self.unnamed: list[int] = []

    def read(self, x: Any) -> Repack | None:
        """A function that rebuilds an object around results, or None when there is no collection in it."""
        kind = type(x)
        if kind in _LEAVES:
            return None
        if isinstance(x, core.Delayed) or is_dask_collection(x):
            held = held_in(x)
            if held is not None:
                return self._items(*held)
            place = self._place(x)
            return lambda values: values[place]
        return self._container(x, kind) if self.traverse else None

    def _place(self, x: Any) -> int:
        """Where a collection is among all, at their end if it is new."""
        expr = getattr(x, "_expr", None)
        same = id(expr) if type(expr) is core.Expr else id(x)
        place = self.places.get(same)
        if place is None and same == id(x) and not isinstance(x, core.Delayed):
            place = self._by_token(x)
        if place is None:
            place = len(self.collections)
            self.collections.append(x)
        self.places[same] = place
        return place

    def _by_token(self, x: Any) -> int | None:
        """The place of a collection with the token of this one, which is new otherwise."""
        new = len(self.collections)
        if not self.places:
            self.unnamed.append(new)
            return None
        for other in self.unnamed:
            self.places.setdefault(("token", tokenize(self.collections[other])), other)
        self.unnamed.clear()
        place = self.places.setdefault(("token", tokenize(x)), new)
        return None if place == new else place

    def _container(self, x: Any, kind: type) -> Repack | None:
        if kind in _LIST_ITERATORS or kind is types.GeneratorType:
            return self._items(list(x), list, always=True)
        if kind in (list, tuple, set):
            return self._items(list(x), kind)
        if kind in (dict, OrderedDict):
            return self._items([part for item in x.items() for part in item], partial(_pairs, kind))
        if dataclasses.is_dataclass(x) and not isinstance(x, type):
            known = [field for field in dataclasses.fields(x) if hasattr(x, field.name)]
            names = [field.name for field in known]
            return self._items([getattr(x, name) for name in names], partial(_instance, x, names))
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return self._items(list(x), lambda values: kind(*values))
        return None

    def _items(self, items: list, make: Callable, always: bool = False) -> Repack | None:
        if len(items) > 1 and set(map(type, items)) <= _DELAYED:
            return self._delayed(items, make)
        parts = [self.read(item) for item in items]
        return _repack_items(items, parts, make) if always or any(parts) else None

    def _delayed(self, items: list, make: Callable) -> Repack:
        """Long lists of lazy values are common, so these are not looked at one by one."""
        places, collections = self.places, self.collections
        wanted = []
        for item in items:
            place = places.setdefault(id(item), len(collections))
            if place == len(collections):
                collections.append(item)
            wanted.append(place)
        return lambda values: make([values[place] for place in wanted])


def _pairs(kind: type, values: list) -> Any:
    return kind(zip(values[::2], values[1::2]))


def _instance(x: Any, names: list[str], values: list) -> Any:
    from raskr._hooks import check_dataclass

    check_dataclass(x)
    return dataclasses.replace(x, **dict(zip(names, values)))


def unpack_collections(*args: Any, traverse: bool = True) -> tuple[list, Callable]:
    """The collections in some objects, and a function that puts results in their places.

    Parameters
    ----------
    *args : object
        The objects.
    traverse : bool
        Look into lists, tuples, sets, dicts, data classes and named tuples.

    Returns
    -------
    collections : list
        The collections, each once.
    repack : callable
        Gives, for a sequence of results, a tuple of the objects with the results in place of the collections.

    Examples
    --------
    >>> import raskr
    >>> from raskr.base import unpack_collections
    >>> collections, repack = unpack_collections([raskr.delayed(1), 2])
    >>> repack(["one"])
    (['one', 2],)
    """
    unpacker = _Unpacker(traverse)
    parts = [unpacker.read(arg) for arg in args]
    return unpacker.collections, _repack_items(list(args), parts, tuple)
