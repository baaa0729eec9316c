"""Annotations: hints for the tasks that are built within a `with` block."""

import contextvars
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from raskr._bridge import core

__all__ = ["annotate", "get_annotations"]

_CURRENT: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("_CURRENT")


def get_annotations() -> dict[str, Any]:
    """The annotations in force.

    Examples
    --------
    >>> import raskr
    >>> with raskr.annotate(priority=2):
    ...     raskr.get_annotations()
    {'priority': 2}
    """
    return _CURRENT.get({})


def for_engine(annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some annotations that the engine knows."""
    found: dict[str, Any] = {name: annotations.get(name) for name in ("priority", "retries", "allow_other_workers")}
    found = {name: value for name, value in found.items() if isinstance(value, int)}
    workers, resources = annotations.get("workers"), annotations.get("resources")
    if isinstance(workers, (str, list, set, tuple)):
        found["workers"] = [str(worker) for worker in ([workers] if isinstance(workers, str) else workers)]
    if isinstance(resources, dict):
        found["resources"] = {str(name): float(amount) for name, amount in resources.items()}
    return found


def _check(name: str, value: Any) -> None:
    def refuse(expected: str) -> None:
        raise TypeError(f"annotation {name!r} must be {expected}, got {value!r}")

    if name in ("priority", "retries"):
        if not (isinstance(value, int) and not isinstance(value, bool)) and not callable(value):
            refuse("an int")
        if name == "retries" and not callable(value) and value < 0:
            raise ValueError(f"annotation 'retries' must not be negative, got {value!r}")
    elif name == "workers" and not (isinstance(value, (list, set, tuple, str)) or callable(value)):
        refuse("a list, set, tuple or str of worker names")
    elif name == "resources" and not (isinstance(value, dict) or callable(value)):
        refuse("a dict")
    elif name == "allow_other_workers" and not (isinstance(value, bool) or callable(value)):
        refuse("a bool")


@contextmanager
def annotate(**annotations: Any) -> Iterator[None]:
    """Give hints to the tasks that are built within a `with` block.

    Parameters
    ----------
    priority : int
        Tasks with a larger number run sooner, as far as what they need allows.
    retries : int
        How often a task that failed is tried again.
    workers : str or list of str
        On a cluster: names, addresses or hosts of the workers that may run the tasks.
    allow_other_workers : bool
        Whether others may while none of these is there.
    resources : dict
        What of a worker's resources a task takes while it runs.
    **annotations
        Others are kept with the tasks for schedulers that know them.

    Examples
    --------
    >>> import raskr
    >>> with raskr.annotate(priority=10, retries=2):
    ...     x = raskr.delayed(sum)([1, 2])
    >>> x.compute()
    3
    """
    for name, value in annotations.items():
        _check(name, value)
    token = _CURRENT.set({**get_annotations(), **annotations})
    core.annotation_entered(True)
    try:
        yield
    finally:
        core.annotation_entered(False)
        _CURRENT.reset(token)
