"""Makes `import dask` and `import distributed` give raskr: a finder of modules that maps their names to raskr's own.

The standard library is all that this file needs: children that run plain functions load it without raskr's package.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["explain", "install", "installed"]

_XARRAYS_OWN = "xarray.namedarray.daskmanager"
# What programs import, and the module that they get.
_HOMES = {
    "dask": "raskr",
    "distributed": "raskr.distributed",
    # xarray's own hands raskr's arrays to functions that want Dask's.
    _XARRAYS_OWN: "raskr.compat.daskmanager",
}
_CLUSTER = "raskr.distributed"
_LACKS = "raskr does not have"


def _where_to_report() -> str:
    """A sentence that asks to report what is missing, with the address where the package's metadata has one."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        entries = metadata("raskr").get_all("Project-URL") or []
    except PackageNotFoundError:
        entries = []
    addresses = {label.strip().lower(): url.strip() for label, _, url in (entry.partition(",") for entry in entries)}
    address = next((addresses[label] for label in ("issues", "bug tracker", "repository") if label in addresses), None)
    return f"If your program needs it, please report it in raskr's issue tracker{f' ({address})' if address else ''}."


def _home(name: str) -> str | None:
    """Where raskr has what Dask calls `name`; None for a name that is not Dask's."""
    top, dot, rest = name.partition(".")
    home = _HOMES.get(top)
    return _HOMES.get(name) if home is None else home + dot + rest


def _aliases(home: str) -> list[str]:
    """What a module of raskr's is called by programs written for Dask."""
    names = [f"dask{home.removeprefix('raskr')}"]
    if home == _CLUSTER or home.startswith(f"{_CLUSTER}."):
        names.append(f"distributed{home.removeprefix(_CLUSTER)}")
    return names


def _share_modules() -> None:
    """Put every module of raskr's that is loaded under its other names too.

    Loading `dask.delayed` later on would make it the attribute `delayed` of the package, where the function is.
    """
    for home, module in list(sys.modules.items()):
        if home == "raskr" or home.startswith("raskr."):
            for name in _aliases(home):
                sys.modules.setdefault(name, module)


def _missing(name: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named {name!r}: {_LACKS} it. {_where_to_report()}", name=name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `dask...` and `distributed...`, and loads them by having raskr's modules stand under these names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        home = _home(fullname)
        if home is None:
            return None
        if home not in sys.modules and importlib.util.find_spec(home) is None:
            raise _missing(fullname)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        # The import system takes what stands in `sys.modules` afterwards; the empty module that it made is dropped.
        # The module keeps its own name and spec, and everything in it is the same object under both names.
        home = _home(module.__name__) or module.__name__
        found = sys.modules[module.__name__] = importlib.import_module(home)
        _share_modules()
        if home == _HOMES[_XARRAYS_OWN]:
            found.take_over()


class _Explainer(importlib.abc.MetaPathFinder):
    """Comes last: says of a name which nobody has found that raskr lacks it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package.split(".")[0] == "raskr" and _is_imported_by_name(fullname):
            asked = _aliases(package)[-1]
            raise ImportError(
                f"cannot import name {name!r} from {asked!r}: {_LACKS} it. {_where_to_report()}", name=asked
            )
        return None


def _is_imported_by_name(fullname: str) -> bool:
    """Is this `from package import name`, of a package that has neither attribute nor module of that name?

    Then the import system looks for a module. Programs that only ask whether there is one get the usual answer.
    """
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") == "importlib._bootstrap":
        if frame.f_code.co_name == "_handle_fromlist":
            return True
        frame = frame.f_back
    return False


def explain(error: BaseException) -> None:
    """Say in an error about a name that raskr lacks where to report it, and leave out where it was raised in here.

    Parameters
    ----------
    error : BaseException
        The error, which is changed where it is about a module or a name of Dask's; others are left alone.
    """
    if isinstance(error, ImportError) and str(error.name).split(".")[0] in ("raskr", *_HOMES):
        if _LACKS not in error.msg:
            error.msg = f"{error.msg}: {_LACKS} it. {_where_to_report()}"
        _cut(error)
    elif isinstance(error, AttributeError):
        owner = getattr(error, "obj", None)
        ours = isinstance(owner, ModuleType) and owner.__name__.split(".")[0] == "raskr"
        if ours and error.args and _LACKS not in str(error):
            error.args = (f"{error.args[0]}: {_LACKS} it. {_where_to_report()}", *error.args[1:])


def _cut(error: BaseException) -> None:
    """End a traceback at the last line before this file's."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        if traceback.tb_next.tb_frame.f_code.co_filename == __file__:
            traceback.tb_next = None
        traceback = traceback.tb_next


def installed() -> bool:
    """Do imports of Dask give raskr in this process?"""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def install() -> None:
    """Have imports of Dask give raskr from now on, whether or not Dask is installed.

    Raises
    ------
    ImportError
        When Dask itself has been imported already.

    Examples
    --------
    >>> import subprocess, sys
    >>> program = "import raskr.compat; raskr.compat.install(); import dask.array, raskr; print(dask.array is raskr.array)"
    >>> subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    'True\\n'
    """
    if installed():
        return
    for name in ("dask", "distributed"):
        module = sys.modules.get(name)
        if module is not None and not getattr(module, "__name__", "").startswith("raskr"):
            raise ImportError(
                f"{name} itself has been imported already: let raskr take its place before that", name=name
            )
    sys.meta_path.insert(0, _Finder())
    sys.meta_path.append(_Explainer())
