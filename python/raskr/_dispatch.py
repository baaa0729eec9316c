"""Functions that are chosen by the type of their first argument."""

import inspect
from collections.abc import Callable
from typing import Any


class Dispatch:
    """A function that is chosen by the type of its first argument, with registrations that wait for a module.

    Parameters
    ----------
    name : str, optional
        The function's name.

    Examples
    --------
    >>> from raskr.utils import Dispatch
    >>> double = Dispatch("double")
    >>> @double.register(int)
    ... def _(x):
    ...     return 2 * x
    >>> double(4), double(True)
    (8, 2)
    """

    def __init__(self, name: str | None = None) -> None:
        self._lookup: dict[type, Callable] = {}
        self._lazy: dict[str, Callable] = {}
        if name:
            self.__name__ = name

    def register(self, type: Any, func: Callable | None = None) -> Callable:
        """Say what is done for a type, or for each of a tuple of types."""

        def wrapper(func: Callable) -> Callable:
            if isinstance(type, tuple):
                for each in type:
                    self.register(each, func)
            else:
                self._lookup[type] = func
            return func

        return wrapper(func) if func is not None else wrapper

    def register_lazy(self, toplevel: str, func: Callable | None = None) -> Callable:
        """Say what registers functions once a type of a module is met."""

        def wrapper(func: Callable) -> Callable:
            self._lazy[toplevel] = func
            return func

        return wrapper(func) if func is not None else wrapper

    def dispatch(self, cls: type) -> Callable:
        """The function for a type; TypeError where there is none."""
        lookup = self._lookup
        found = lookup.get(cls)
        if found is not None:
            return found
        for base in inspect.getmro(cls)[:-1]:
            register = self._lazy.pop(base.__module__.partition(".")[0], None)
            if register is not None:
                register()
                return self.dispatch(cls)
            found = lookup.get(base)
            if found is not None:
                lookup[cls] = found
                return found
        found = lookup.get(object)
        if found is not None:
            return found
        raise TypeError(f"No dispatch for {cls}")

    def __call__(self, arg: Any, *args: Any, **kwargs: Any) -> Any:
        return self.dispatch(type(arg))(arg, *args, **kwargs)
