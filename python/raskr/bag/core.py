"""The collections: `Bag`, a sequence of Python objects in partitions, and `Item`, one value made of a bag."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from raskr import multiprocessing
from raskr._bridge import core
from raskr.bag.combining import Combining
from raskr.bag.elementwise import Elementwise
from raskr.bag.fuse import dont_optimize, optimize
from raskr.bag.layers import Blocks, Layer, Tasks, graph_layer, graph_of_layers, layer_of, stacked
from raskr.bag.output import Output
from raskr.bag.reduction_steps import empty_safe_apply, total_mem_usage
from raskr.bag.reductions import Reductions
from raskr.bag.steps import Apply, Step, no_result, reify
from raskr.base import DaskMethodsMixin, replace_name_in_key
from raskr.context import globalmethod
from raskr.core import literal
from raskr.graph import nodes_of
from raskr.highlevelgraph import HighLevelGraph
from raskr.tokenize import tokenize
from raskr.utils import funcname, key_split

__all__ = ["Bag", "Item", "empty_safe_apply", "no_result", "reify", "total_mem_usage"]


def _held(value: Any) -> Any:
    """A computed value as a task: lists and tuples in a graph would be searched for keys."""
    return (literal(value),) if isinstance(value, (list, tuple, dict, set, str)) else value


def _tasks(dsk: Mapping) -> Any:
    """What a collection is rebuilt on: tasks in a graph of layers, or computed values in any other mapping."""
    return dsk if isinstance(dsk, HighLevelGraph) else {key: _held(value) for key, value in dsk.items()}


def _first(values: Any) -> Any:
    return values[0]


def _joined(parts: Any) -> Any:
    """The elements of all partitions; partitions that are no sequences are elements themselves."""
    parts = reify(iter(parts))
    if not parts:
        return parts
    if isinstance(parts[0], Iterable) and not isinstance(parts[0], str):
        if len(parts) == 1:
            return list(parts[0])
        parts = list(chain.from_iterable(parts))
    return reify(parts)


class _Collection(DaskMethodsMixin):
    """What bags and items share."""

    _layer: Layer

    __dask_optimize__ = globalmethod(optimize, key="bag_optimize", falsey=dont_optimize)
    __dask_scheduler__ = staticmethod(multiprocessing.get)

    @property
    def dask(self) -> dict:
        """The tasks by key, as they were written."""
        return self.__dask_graph__()

    def __dask_graph__(self) -> dict:
        return graph_of_layers([self._layer])

    def _nodes(self, keys: list, optimize_graph: bool) -> list:
        graph = self.__dask_graph__()
        return nodes_of(self.__dask_optimize__(graph, keys) if optimize_graph else graph, keys)


class Item(_Collection):
    """One lazy value, such as the sum of a bag.

    `int(item)`, `float(item)`, `complex(item)` and `bool(item)` compute it.

    Parameters
    ----------
    dsk : mapping
        Tasks by key.
    key : key
        The key of the value.
    layer : str, optional
        The name of the layer that the key belongs to, for graphs that have layers.

    Examples
    --------
    >>> import raskr.bag as db
    >>> total = db.range(4, npartitions=2).sum()
    >>> total.apply(lambda x: x + 1).compute(scheduler="sync")
    7
    """

    def __init__(self, dsk: Any, key: Any, layer: str | None = None) -> None:
        self._layer = layer_of(dsk)
        self.key = key
        if layer is not None and layer != key and layer not in getattr(dsk, "layers", (layer,)):
            raise ValueError(f"layer {layer!r} not in the graph's layers")

    @property
    def name(self) -> Any:
        """The key."""
        return self.key

    def __dask_keys__(self) -> list:
        return [self.key]

    def __dask_layers__(self) -> tuple:
        return (self.key,)

    def __dask_tokenize__(self) -> Any:
        return self.key

    def __dask_postcompute__(self) -> tuple:
        return _first, ()

    def __dask_postpersist__(self) -> tuple:
        return self._rebuild, ()

    def _rebuild(self, dsk: Mapping, *, rename: Mapping[str, str] | None = None) -> "Item":
        key = replace_name_in_key(self.key, rename) if rename else self.key
        return Item(_tasks(dsk), key)

    @property
    def _args(self) -> tuple:
        return self._layer, self.key

    def __getstate__(self) -> tuple:
        return stacked(self._layer), self.key

    def __setstate__(self, state: tuple) -> None:
        self._layer, self.key = state

    @staticmethod
    def from_delayed(value: Any) -> "Item":
        """An item of a lazy value.

        Parameters
        ----------
        value : Delayed
            The lazy value.

        Examples
        --------
        >>> import raskr
        >>> import raskr.bag as db
        >>> db.Item.from_delayed(raskr.delayed(sum)([1, 2])).compute(scheduler="sync")
        3
        """
        if not hasattr(value, "key") or not hasattr(value, "__dask_graph__"):
            raise TypeError(f"expected a Delayed, got {type(value).__name__}")
        (key,), layer = graph_layer([value])
        return Item(layer, key)

    def apply(self, func: Callable) -> "Item":
        """A function of the value.

        Parameters
        ----------
        func : callable
            The function.

        Examples
        --------
        >>> import raskr.bag as db
        >>> db.range(4, npartitions=2).max().apply(str).compute(scheduler="sync")
        '3'
        """
        key = f"{funcname(func)}-{tokenize(self, func, 'apply')}"
        return Item(Tasks({key: (Apply(func), self.key)}, [self._layer]), key)

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __complex__(self) -> complex:
        return complex(self.compute())

    def __bool__(self) -> bool:
        return bool(self.compute())

    def to_delayed(self, optimize_graph: bool = True) -> Any:
        """The value as a `Delayed`.

        Parameters
        ----------
        optimize_graph : bool
            Put steps into one task now.

        Examples
        --------
        >>> import raskr.bag as db
        >>> (db.range(4, npartitions=2).sum().to_delayed() + 1).compute(scheduler="sync")
        7
        """
        return core.delayed_of_node(self._nodes([self.key], optimize_graph)[0], None)


class Bag(Elementwise, Reductions, Combining, Output, _Collection):
    """A sequence of Python objects in partitions, which are handled in parallel.

    Steps upon steps (`map`, `filter`, `pluck` and so on) run as one pass over each partition. Processes compute bags
    by default, since most functions of Python objects hold the interpreter.

    Parameters
    ----------
    dsk : mapping
        Tasks by key; those of the partitions have the keys `(name, 0)`, `(name, 1)` and so on.
    name : str
        The name.
    npartitions : int
        How many partitions there are.

    Examples
    --------
    >>> import raskr.bag as db
    >>> bag = db.from_sequence(range(5), npartitions=2)
    >>> bag.filter(lambda x: x % 2 == 0).map(lambda x: x * 10).compute(scheduler="sync")
    [0, 20, 40]
    >>> db.Bag({("x", 0): (range, 2), ("x", 1): (range, 2)}, "x", 2).compute(scheduler="sync")
    [0, 1, 0, 1]
    """

    def __init__(self, dsk: Any, name: str, npartitions: int) -> None:
        self._layer = layer_of(dsk)
        self.name = name
        self.npartitions = npartitions

    def __dask_keys__(self) -> list:
        return [(self.name, i) for i in range(self.npartitions)]

    def __dask_layers__(self) -> tuple:
        return (self.name,)

    def __dask_tokenize__(self) -> Any:
        return self.name

    def __dask_postcompute__(self) -> tuple:
        return _joined, ()

    def __dask_postpersist__(self) -> tuple:
        return self._rebuild, ()

    def _rebuild(self, dsk: Mapping, *, rename: Mapping[str, str] | None = None) -> "Bag":
        name = rename.get(self.name, self.name) if rename else self.name
        return type(self)(_tasks(dsk), name, self.npartitions)

    @property
    def _args(self) -> tuple:
        return self._layer, self.name, self.npartitions

    def __getstate__(self) -> tuple:
        return stacked(self._layer), self.name, self.npartitions

    def __setstate__(self, state: tuple) -> None:
        self._layer, self.name, self.npartitions = state

    def __repr__(self) -> str:
        return f"raskr.bag<{key_split(self.name)}, npartitions={self.npartitions}>"

    __str__ = __repr__

    def __iter__(self) -> Iterator:
        return iter(self.compute())

    def _blocks(self, label: str, step: Step, *token: Any) -> Any:
        """A bag with one step more."""
        name = f"{label}-{tokenize(self.name, label, *token)}"
        return type(self)(Blocks(name, self.npartitions, step, [self.name], [self._layer]), name, self.npartitions)

    def to_delayed(self, optimize_graph: bool = True) -> list:
        """The partitions as `Delayed` values.

        Parameters
        ----------
        optimize_graph : bool
            Put steps into one task now.

        Examples
        --------
        >>> import raskr.bag as db
        >>> [part.compute(scheduler="sync") for part in db.range(4, npartitions=2).to_delayed()]
        [[0, 1], [2, 3]]
        """
        nodes = self._nodes(self.__dask_keys__(), optimize_graph)
        return list(map(partial(core.delayed_of_node, nout=None), nodes))
