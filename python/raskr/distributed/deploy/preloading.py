"""Modules that are loaded before a scheduler or worker starts: `--preload`, and the settings `distributed.*.preload`."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["Preloads"]


class Preloads:
    """Modules, and what they do when the server has started and when it ends.

    A module may have functions `dask_setup(server)` and `dask_teardown(server)`, plain or coroutines. Where the first one
    is a command of click it is given the words of `argv`.

    Parameters
    ----------
    given : str or list of str, optional
        Names of modules, or paths of Python files.
    argv : list of str, or a list of them for each, optional
        Arguments of `dask_setup`.
    """

    def __init__(self, given: str | Sequence[str] | None, argv: Sequence | None = None) -> None:
        names = [given] if isinstance(given, str) else list(given or ())
        words = list(argv or ())
        if not words or isinstance(words[0], str):
            self._argv = [words] * len(names)
        elif len(words) == len(names):
            self._argv = [list(each) for each in words]
        else:
            raise ValueError(f"preload_argv has {len(words)} lists of arguments for {len(names)} modules")
        self._modules = [_load(name) for name in names]

    def set_up(self, server: Any) -> None:
        """Call each module's `dask_setup`."""
        for module, words in zip(self._modules, self._argv):
            function = getattr(module, "dask_setup", None)
            if function is None:
                continue
            if hasattr(function, "make_context"):
                context = function.make_context("dask_setup", list(words))
                _finish(function.callback(server, *context.args, **context.params))
            else:
                _finish(function(server))

    def tear_down(self, server: Any) -> None:
        """Call each module's `dask_teardown`."""
        for module in self._modules:
            function = getattr(module, "dask_teardown", None)
            if function is not None:
                _finish(function(server))


def _load(name: str) -> ModuleType:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    path = os.path.abspath(name)
    if not os.path.exists(path):
        raise FileNotFoundError(f"--preload {name}: no such file")
    module_name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _finish(result: Any) -> None:
    if inspect.isawaitable(result):

        async def waited() -> None:
            await result

        asyncio.run(waited())
