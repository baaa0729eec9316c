"""Existing programs on raskr: imports of Dask that give raskr, and what other packages take to work with its arrays.

`raskr run script.py` runs a script that imports Dask, unchanged; `%load_ext raskr.compat` does the same for a notebook.
"""

from typing import Any

from raskr.compat.imports import explain, install

__all__ = ["install", "load_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """What `%load_ext raskr.compat` calls: `import dask` gives raskr in the cells that follow."""
    install()
    ipython.set_custom_exc((ImportError, AttributeError), _show)


def _show(shell: Any, kind: type, error: BaseException, traceback: Any, tb_offset: int | None = None) -> None:
    explain(error)
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
