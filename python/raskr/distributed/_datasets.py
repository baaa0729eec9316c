"""`Client.datasets`: what is published, as a mapping."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

__all__ = ["Datasets"]


class Datasets(MutableMapping):
    """What is published, by name; what is stored in it is published, and what is deleted is not any more.

    Parameters
    ----------
    client : Client
        The client that asks.

    Examples
    --------
    >>> from raskr.distributed import Client  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> client.datasets["limits"] = (0, 10)  # doctest: +SKIP
    >>> client.datasets["limits"]  # doctest: +SKIP
    (0, 10)
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getitem__(self, name: Any) -> Any:
        return self._client.get_dataset(name)

    def __setitem__(self, name: Any, value: Any) -> None:
        self._now("'client.publish_dataset'")
        self._client.publish_dataset(value, name=name)

    def __delitem__(self, name: Any) -> None:
        self._now("'client.unpublish_dataset'")
        self._client.unpublish_dataset(name)

    def __contains__(self, name: object) -> bool:
        self._now("'name in await client.list_datasets()'")
        return name in self._client.list_datasets()

    def __iter__(self) -> Iterator:
        self._now("'async for'")
        return iter(self._client.list_datasets())

    def __aiter__(self) -> AsyncIterator:
        async def names() -> AsyncIterator:
            for name in await self._client.list_datasets():
                yield name

        return names()

    def __len__(self) -> int:
        self._now("'len(await client.list_datasets())'")
        return len(self._client.list_datasets())

    def _now(self, instead: str) -> None:
        if self._client.asynchronous:
            raise TypeError(f"the client is asynchronous: use {instead}")
