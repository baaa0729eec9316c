"""Versions of packages in the processes of a cluster, and where they differ."""

import importlib
import importlib.metadata
import locale
import os
import platform
import struct
import sys
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["differences", "get_versions"]

_PACKAGES = ("raskr", "cloudpickle", "numpy", "pandas", "pyarrow", "scipy")


def get_versions(packages: Iterable[str] | None = None) -> dict[str, Any]:
    """What this process runs on.

    Parameters
    ----------
    packages : list of str, optional
        Packages to look at beside those that raskr uses.

    Returns
    -------
    dict
        ``host``: machine and interpreter; ``packages``: versions by name, None for those that are not there.

    Examples
    --------
    >>> from raskr.distributed.versions import get_versions
    >>> get_versions(["no_such_package"])["packages"]["no_such_package"] is None
    True
    """
    names = dict.fromkeys([*_PACKAGES, *(packages or ())])
    return {
        "host": _host(),
        "packages": {"python": platform.python_version(), **{name: _version(name) for name in names}},
    }


def _host() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "python-bits": str(struct.calcsize("P") * 8),
        "OS": platform.system(),
        "OS-release": platform.release(),
        "machine": platform.machine(),
        "processor": platform.processor(),
        "byteorder": sys.byteorder,
        "LC_ALL": os.environ.get("LC_ALL", "None"),
        "LANG": os.environ.get("LANG", "None"),
        "encoding": locale.getpreferredencoding(False),
    }


def _version(name: str) -> str | None:
    if name == "raskr":
        import raskr

        return raskr.__version__
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
    try:
        return str(importlib.import_module(name).__version__)
    except (ImportError, AttributeError):
        return None


def differences(processes: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of packages whose versions are not the same everywhere; empty where all agree.

    Parameters
    ----------
    processes : dict
        What `get_versions` gave, by name of the process.

    Examples
    --------
    >>> from raskr.distributed.versions import differences
    >>> here = {"packages": {"numpy": "2.4"}}
    >>> differences({"client": here, "worker a": here})
    ''
    >>> print(differences({"client": here, "worker a": {"packages": {"numpy": "2.3"}}}))
    numpy: client 2.4; worker a 2.3
    """
    lines = []
    names = dict.fromkeys(name for process in processes.values() for name in process["packages"])
    for name in names:
        found: dict[Any, list[str]] = {}
        for process, versions in processes.items():
            found.setdefault(versions["packages"].get(name, None), []).append(process)
        if len(found) > 1:
            told = (f"{', '.join(where)} {version or 'none'}" for version, where in found.items())
            lines.append(f"{name}: {'; '.join(told)}")
    return "\n".join(lines)
