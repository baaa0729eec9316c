"""Order between lazy values that do not need each other, and independent copies of them.

Arrays that wait stay expressions: what they wait for is an array of one element among their arguments, so that what they
share with it is computed once, and no task is listed. Delayed values and frames are nodes; what speaks Dask's protocol
only is a graph of layers.
"""

import uuid
from typing import Any

from raskr._bridge import core
from raskr._rebuilding import Omitted, Rebuilder, native_of_nodes
from raskr._signals import Listed, Signal, chunks, is_array
from raskr._unpack import unpack_collections
from raskr.core import flatten
from raskr.graph import nodes_of
from raskr.highlevelgraph import HighLevelGraph

__all__ = ["bind", "checkpoint", "chunks", "clone", "wait_on"]


def checkpoint(*collections: Any, split_every: float | bool | None = None) -> Any:
    """A lazy None that is there once all of some collections have been computed.

    No task holds more than a few results, however large the collections are.

    Parameters
    ----------
    *collections : object
        Collections, and objects with collections inside.
    split_every : int, optional
        How many tasks one task waits for, at least 2; 8 by default, False for all. Arrays are reduced natively and pass
        over it.

    Returns
    -------
    Delayed

    Raises
    ------
    ValueError
        When `split_every` is less than 2.

    Examples
    --------
    >>> import raskr
    >>> from raskr.graph_manipulation import checkpoint
    >>> said = []
    >>> print(checkpoint([raskr.delayed(said.append)(word) for word in "ab"]).compute(), sorted(said))
    None ['a', 'b']
    """
    found, _ = unpack_collections(*collections)
    return core.delayed_of_node(Signal(found, _checked(split_every)).node())


def wait_on(*collections: Any, split_every: float | bool | None = None) -> Any:
    """The same collections, none of which gives anything on before all of them have been computed.

    Parameters
    ----------
    *collections : object
        Collections, and objects with collections inside.
    split_every : int, optional
        How many tasks one task waits for; see `checkpoint`.

    Returns
    -------
    object
        The collection or object; a tuple of them where there were several.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.graph_manipulation import wait_on
    >>> x = da.arange(4, chunks=2)
    >>> x = wait_on(x)
    >>> x.sum().compute()
    np.int64(6)
    """
    every = _checked(split_every)
    found, repack = unpack_collections(*collections)
    if all(map(is_array, found)):
        signal = Signal(found, every)
        out = repack([type(array)(signal.before(array._expr), meta=array._foreign_meta) for array in found])
    elif all(isinstance(collection, core.Delayed) for collection in found):
        signal = Signal(found, every)
        out = repack([signal.before_value(value) for value in found])
    else:
        out = repack(_waiting(found, every))
    return out[0] if len(collections) == 1 else out


def bind(
    children: Any,
    parents: Any,
    *,
    omit: Any = None,
    seed: Any = None,
    assume_layers: bool = True,
    split_every: float | bool | None = None,
) -> Any:
    """Copies of collections, no task of which runs before others have been computed.

    Parameters
    ----------
    children : object
        Collections, and objects with collections inside, that shall wait.
    parents : object
        Collections, and objects with collections inside, that they wait for.
    omit : object, optional
        Collections, also inside of objects, that are not copied: what they need runs whenever it may.
    seed : object, optional
        Copies have names that depend on it and on their own names; random by default.
    assume_layers : bool
        Whether a layer in a graph of layers belongs to one collection, so that tasks need not be looked at one by one.
    split_every : int, optional
        How many tasks one task waits for; see `checkpoint`.

    Returns
    -------
    object
        The children, in the same shape.

    Notes
    -----
    Sources of arrays that wait are made block by block, and sums of them are sums over blocks: the last bit may differ.

    Examples
    --------
    >>> import raskr
    >>> from raskr.graph_manipulation import bind
    >>> shelf = {}
    >>> put = raskr.delayed(shelf.update)({"a": 1})
    >>> get = raskr.delayed(shelf.get)("a")
    >>> bind(get, put).compute()
    1
    """
    every = _checked(split_every)
    if seed is None:
        seed = uuid.uuid4().bytes
    signal = None if parents is None else Signal(unpack_collections(parents)[0], every)
    rebuilder = Rebuilder(seed, signal, Omitted(unpack_collections(omit)[0], assume_layers))
    found, repack = unpack_collections(children)
    (out,) = repack([rebuilder.collection(child) for child in found])
    return out


def clone(*collections: Any, omit: Any = None, seed: Any = None, assume_layers: bool = True) -> Any:
    """Copies of collections that share no task with them, and are computed independently.

    Parameters
    ----------
    *collections : object
        Collections, and objects with collections inside.
    omit : object, optional
        Collections, also inside of objects, that are not copied.
    seed : object, optional
        Copies have names that depend on it and on their own names; random by default.
    assume_layers : bool
        Whether a layer in a graph of layers belongs to one collection, so that tasks need not be looked at one by one.

    Returns
    -------
    object
        The collection or object; a tuple of them where there were several.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.graph_manipulation import clone
    >>> x = da.arange(4, chunks=2)
    >>> y = clone(x, seed=1)
    >>> y.name == x.name, clone(x, seed=1).name == y.name
    (False, True)
    """
    out = bind(collections, parents=None, omit=omit, seed=seed, assume_layers=assume_layers)
    return out[0] if len(collections) == 1 else out


def _checked(split_every: Any) -> int | None:
    """How many tasks one task waits for; None for all."""
    if split_every is None:
        return 8
    if split_every is False:
        return None
    if isinstance(split_every, bool) or not isinstance(split_every, (int, float)):
        raise TypeError(f"split_every must be a number, False or None, got {split_every!r}")
    if not split_every >= 2:
        raise ValueError(f"split_every must be at least 2, got {split_every!r}")
    return int(split_every)


def _waiting(collections: list, every: int | None) -> list:
    """Collections of several kinds that wait for each other, on one graph of all their tasks."""
    listed = [Listed.of(collection) for collection in collections]
    signal = Listed.signal(listed, every)
    waiting = [each.after(signal) for each in listed]
    native = [each for each in waiting if each.is_native]
    keys = [list(flatten(each.keys)) for each in native]
    graph = HighLevelGraph.merge(*(each.graph for each in native)).to_dict()
    # All nodes are made at once: what they share is one node each.
    nodes = iter(nodes_of(graph, [key for own in keys for key in own]))
    made = iter(
        [
            native_of_nodes(each.collection, [next(nodes) for _ in own], next(iter(each.rename.values())))
            for each, own in zip(native, keys)
        ]
    )
    return [next(made) if each.is_native else each.rebuilt() for each in waiting]
