"""`span`: tasks of a part of a program, under a name."""

import contextlib
import uuid
from collections.abc import Iterator

from raskr.annotations import annotate, get_annotations

__all__ = ["span"]


@contextlib.contextmanager
def span(*tags: str) -> Iterator[str]:
    """Put tasks of a block under a name, as the annotation ``span``; blocks within have names below it.

    Parameters
    ----------
    *tags : str
        The name, and names below it.

    Yields
    ------
    str
        An id of the block's own.

    Examples
    --------
    >>> import raskr
    >>> from raskr.distributed import span
    >>> with span("training"), span("epoch") as number:
    ...     raskr.get_annotations()["span"]["name"]
    ('training', 'epoch')
    """
    if not tags:
        raise ValueError("a span needs a name, got none")
    outer = get_annotations().get("span") or {"name": (), "ids": ()}
    ids = tuple(str(uuid.uuid4()) for _ in tags)
    with annotate(span={"name": (*outer["name"], *tags), "ids": (*outer["ids"], *ids)}):
        yield ids[-1]
