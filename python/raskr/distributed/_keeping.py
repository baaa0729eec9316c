"""Values that the scheduler keeps unseen, and the futures within them, which live as long as it keeps them."""

import uuid
from typing import Any

from raskr.distributed._conversation import pack, unpack

__all__ = ["fetched", "kept"]


def kept(client: Any, value: Any, name: str | None = None) -> tuple[bytes, str | None]:
    """A value as bytes for the scheduler, and the name under which its futures are kept; None where it has none.

    Parameters
    ----------
    client : Client
        Who has the futures.
    value : object
        Futures and collections of futures may be anywhere in it.
    name : str, optional
        Under which futures are kept; one of its own where it ends with a colon.
    """
    from raskr.distributed import futures_of

    futures = futures_of(value)
    keep = None
    if futures:
        keep = f"{name}{uuid.uuid4().hex}" if name is None or name.endswith(":") else name
        client._keep(keep, futures)
    return pack((keep, value)), keep


def fetched(client: Any, data: bytes) -> tuple[Any, str | None]:
    """The value that `kept` was given, and the name under which its futures are kept."""
    keep, value = unpack(client, data)
    return value, keep
