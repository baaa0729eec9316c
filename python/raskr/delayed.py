"""Lazy functions and objects."""

import functools
from typing import Any

from raskr import threaded
from raskr._bridge import core
from raskr.base import DaskMethodsMixin
from raskr.base import unpack_collections as unpack_collections

__all__ = ["Delayed", "DelayedAttr", "DelayedLeaf", "delayed"]

Delayed = core.Delayed
DelayedLeaf = core.DelayedLeaf
DelayedAttr = core.DelayedAttr

_MISSING = object()


def delayed(
    obj: Any = _MISSING,
    name: str | None = None,
    pure: bool | None = None,
    nout: int | None = None,
    traverse: bool = True,
) -> Any:
    """Make a function or an object lazy.

    Calls of a lazy function, and attributes, items and operators of lazy values give lazy values; `compute` computes
    them, running in parallel what does not depend on each other. Lists, tuples, sets, dicts, data classes and named
    tuples with lazy values inside may be arguments.

    Parameters
    ----------
    obj : object
        The function or object. May be left out, to set the other arguments of a decorator.
    name : str, optional
        The key of the object.
    pure : bool, optional
        Does a call always give the same for the same arguments? Then equal calls have equal keys and are computed
        once. By default the setting `delayed_pure`. Calls take `pure=` too.
    nout : int, optional
        How many values a call gives, so that the result can be unpacked.
    traverse : bool
        Look for lazy values inside of `obj`.

    Returns
    -------
    Delayed
        A call of it takes `dask_key_name=` to set the key.

    Examples
    --------
    >>> import raskr
    >>> @raskr.delayed
    ... def double(x):
    ...     return 2 * x
    >>> total = raskr.delayed(sum)([double(i) for i in range(4)])
    >>> (total + 1).compute()
    13
    >>> divide = raskr.delayed(divmod, nout=2)
    >>> quotient, rest = divide(17, 5)
    >>> raskr.compute(quotient, rest)
    (3, 2)
    """
    if obj is _MISSING:
        return functools.partial(delayed, name=name, pure=pure, nout=nout, traverse=traverse)
    return core.delayed(obj, name, pure, nout, traverse)


def _graph(self: Any) -> dict:
    return core.graph_of([self])[0]


def _keys(self: Any) -> list:
    return [self.key]


def _single(values: Any) -> Any:
    return values[0]


def _rebuild(graph: Any, key: Any, length: int | None, rename: dict | None = None) -> Any:
    from raskr.base import replace_name_in_key

    return Delayed(replace_name_in_key(key, rename) if rename else key, graph, length)


def _doc(self: Any) -> str | None:
    """The docstring of the function that was made lazy."""
    return getattr(self._obj, "__doc__", None)


def _extend() -> None:
    """Put on the class what is written in Python."""
    methods = {
        "compute": DaskMethodsMixin.compute,
        "persist": DaskMethodsMixin.persist,
        "visualize": DaskMethodsMixin.visualize,
        "__await__": DaskMethodsMixin.__await__,
        "__copy__": lambda self: self,
        "__deepcopy__": lambda self, memo: self,
        "__dask_graph__": _graph,
        "__dask_keys__": _keys,
        "__dask_layers__": lambda self: (self.key,),
        "__dask_tokenize__": lambda self: self.key,
        "__dask_postcompute__": lambda self: (_single, ()),
        "__dask_postpersist__": lambda self: (_rebuild, (self.key, self._length)),
        "__dask_scheduler__": staticmethod(threaded.get),
        "__dask_optimize__": staticmethod(lambda dsk, keys, **kwargs: dsk),
        "dask": property(_graph),
    }
    for method, function in methods.items():
        setattr(Delayed, method, function)
    DelayedLeaf.__doc__ = property(_doc)  # type: ignore[assignment]


_extend()
