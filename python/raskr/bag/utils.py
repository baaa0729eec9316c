"""A comparison for tests."""

from typing import Any

__all__ = ["assert_eq"]


def assert_eq(a: Any, b: Any, scheduler: Any = "sync") -> bool:
    """Assert that two bags, items or plain values are equal once they are computed.

    Parameters
    ----------
    a, b : Bag, Item or object
        What is compared; bags as the lists of their elements, in any order where these can be sorted or counted.
    scheduler : str
        Who computes.

    Examples
    --------
    >>> import raskr.bag as db
    >>> from raskr.bag.utils import assert_eq
    >>> assert_eq(db.from_sequence([1, 2]), [2, 1])
    True
    """
    a = a.compute(scheduler=scheduler) if hasattr(a, "compute") else a
    b = b.compute(scheduler=scheduler) if hasattr(b, "compute") else b
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        a, b = list(a), list(b)
        assert len(a) == len(b), f"{len(a)} elements against {len(b)}"
        if a != b:
            rest = list(b)
            for element in a:
                assert element in rest, f"{element!r} is not, or not so often, among the others"
                rest.remove(element)
        return True
    assert a == b, f"{a!r} != {b!r}"
    return True
