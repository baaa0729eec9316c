"""Coroutine functions as tasks: what they give is waited for where they are called."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from raskr.utils import funcname

__all__ = ["Awaited", "awaited"]


class Awaited:
    """Calls a coroutine function and runs the coroutine to its end.

    Parameters
    ----------
    function : callable
        The coroutine function.

    Examples
    --------
    >>> from raskr._awaiting import Awaited
    >>> async def doubled(x):
    ...     return 2 * x
    >>> Awaited(doubled)(4)
    8
    """

    def __init__(self, function: Callable) -> None:
        self.function = function
        self.__name__ = funcname(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return asyncio.run(self.function(*args, **kwargs))

    def __reduce__(self) -> tuple:
        return Awaited, (self.function,)


def awaited(function: Callable) -> Callable:
    """The function, or what calls it and waits where it is a coroutine function.

    Parameters
    ----------
    function : callable
        Any function.
    """
    code = getattr(function, "__code__", None)
    waits = inspect.iscoroutinefunction(function) if code is None else code.co_flags & inspect.CO_COROUTINE
    return Awaited(function) if waits else function
