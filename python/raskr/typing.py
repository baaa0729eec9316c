"""Protocols: what a collection, and a scheduler, must have."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, Union, runtime_checkable

__all__ = [
    "DaskCollection",
    "Graph",
    "Key",
    "NestedKeys",
    "NoDefault",
    "PostComputeCallable",
    "PostPersistCallable",
    "SchedulerGetCallable",
    "no_default",
]

CollType = TypeVar("CollType", bound="DaskCollection")
Key: TypeAlias = str | int | float | tuple["Key", ...]
Graph: TypeAlias = Mapping[Key, Any]
NestedKeys: TypeAlias = list[Union[Key, "NestedKeys"]]
PostComputeCallable: TypeAlias = Callable[..., Any]


class NoDefault:
    """The type of `no_default`, which stands for an argument that was not given."""

    def __repr__(self) -> str:
        return "<no_default>"

    def __reduce__(self) -> str:
        # There is one, in every process.
        return "no_default"


no_default = NoDefault()


class SchedulerGetCallable(Protocol):
    """A scheduler: a function that computes keys of a graph."""

    def __call__(self, dsk: Graph, keys: Sequence[Key] | Key, **kwargs: Any) -> Any:
        """The values of the keys, nested as they are."""
        ...


class PostPersistCallable(Protocol):
    """Makes a collection of a graph that holds its computed tasks."""

    def __call__(self, dsk: Graph, *args: Any, rename: Mapping[str, str] | None = None) -> Any:
        """The collection."""
        ...


@runtime_checkable
class DaskCollection(Protocol):
    """What `raskr.compute` asks of a collection.

    Examples
    --------
    >>> import raskr
    >>> from raskr.typing import DaskCollection
    >>> isinstance(raskr.delayed(1), DaskCollection)
    True
    """

    def __dask_graph__(self) -> Graph:
        """Tasks by key."""
        ...

    def __dask_keys__(self) -> NestedKeys:
        """The keys of the collection's parts, in nested lists."""
        ...

    def __dask_postcompute__(self) -> tuple[PostComputeCallable, tuple]:
        """A function that makes the result of the parts' values, and further arguments of it."""
        ...

    def __dask_postpersist__(self) -> tuple[PostPersistCallable, tuple]:
        """A function that makes a collection of computed parts, and further arguments of it."""
        ...

    def __dask_tokenize__(self) -> Hashable:
        """What says the collection's content."""
        ...
