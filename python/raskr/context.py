"""Settings that functions and classes look up when they are used."""

import threading
from collections.abc import Callable
from typing import Any

from raskr import config
from raskr.config import set as set_options

__all__ = ["GlobalMethod", "globalmethod", "set_options", "thread_state"]

# What schedulers tell tasks on their thread, such as the key that is computed.
thread_state = threading.local()


def globalmethod(default: Callable | None = None, key: str | None = None, falsey: Any = None) -> Any:
    """A static method that the setting `key` replaces.

    Parameters
    ----------
    default : callable
        The function where nothing is set.
    key : str
        The setting.
    falsey : callable, optional
        The function where the setting is None or False.
    """
    if default is None:
        return lambda function: globalmethod(function, key=key, falsey=falsey)
    return GlobalMethod(default=default, key=key, falsey=falsey)


class GlobalMethod:
    """A descriptor that gives what a setting says, or its default."""

    def __init__(self, default: Callable, key: str | None, falsey: Any = None) -> None:
        self._default = default
        self._key = key
        self._falsey = falsey

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if self._key is not None and self._key in config.global_config:
            return config.global_config[self._key] or self._falsey
        return self._default
