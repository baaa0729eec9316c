"""Runs a script, a module or a piece of code as Python would, with imports of Dask giving raskr."""

import builtins
import io
import multiprocessing.spawn
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType, TracebackType

from raskr.compat.imports import explain, install

__all__ = ["run"]


def _prepare() -> None:
    """Have imports of Dask give raskr, in this process and in those that `multiprocessing` spawns.

    These import the script afresh before they do anything else.
    """
    install()
    original = multiprocessing.spawn.get_preparation_data
    multiprocessing.spawn.get_preparation_data = lambda name: {"raskr": _Prepared(), **original(name)}


class _Prepared:
    """Unpickling it prepares a process."""

    def __reduce__(self) -> tuple:
        return _prepare, ()


def run(arguments: Sequence[str]) -> None:
    """Run a program; errors and exit codes are those of `python`.

    Parameters
    ----------
    arguments : sequence of str
        What would stand after `python`: a script, ``-m`` and a module, or ``-c`` and code; then the program's own
        arguments.

    Raises
    ------
    SystemExit
        As the program ends, or where there is none to run.
    """
    kind, *rest = arguments
    if kind in ("-m", "-c") and not rest:
        _refuse(f"expected {'a module' if kind == '-m' else 'code'} after {kind}")
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins)
    if sys.version_info < (3, 14):
        main.__dict__.setdefault("__annotations__", {})
    sys.modules["__main__"] = main
    _prepare()
    try:
        code = {"-m": _of_module, "-c": _of_text}.get(kind, _of_file)(arguments, main)
        exec(code, main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        explain(error)
        error.__traceback__ = _of_the_program(error.__traceback__)
        # As Python does, but without raskr's own frames. Python is then silent, and exits as it does after any error.
        sys.excepthook(type(error), error, error.__traceback__)
        sys.excepthook = lambda *error: None
        raise


def _refuse(message: str) -> None:
    print(f"raskr run: {message}", file=sys.stderr)
    raise SystemExit(2)


def _begin(first: str, path: str, rest: Sequence[str]) -> None:
    sys.argv[:] = [first, *rest]
    if not getattr(sys.flags, "safe_path", False):
        # Where Python has put the folder of the command, or the working directory for `python -m raskr`.
        sys.path[:1] = [path]


def _of_file(arguments: Sequence[str], main: ModuleType) -> CodeType:
    script, *rest = arguments
    try:
        with io.open_code(os.path.abspath(script)) as file:
            source = file.read()
    except OSError as error:
        _refuse(f"can't open file {os.path.abspath(script)!r}: [Errno {error.errno}] {error.strerror}")
    _begin(script, os.path.dirname(os.path.realpath(script)), rest)
    path = os.path.abspath(script)
    main.__dict__.update(__file__=path, __loader__=SourceFileLoader("__main__", path), __cached__=None, __spec__=None)
    return compile(source, path, "exec", dont_inherit=True)


def _of_text(arguments: Sequence[str], main: ModuleType) -> CodeType:
    _, text, *rest = arguments
    _begin("-c", "", rest)
    return compile(text, "<string>", "exec", dont_inherit=True)


def _of_module(arguments: Sequence[str], main: ModuleType) -> CodeType:
    import runpy

    _, name, *rest = arguments
    _begin("-m", os.getcwd(), rest)
    try:
        # The one way to find a package's `__main__` too; the debugger of the standard library goes it as well.
        _, spec, code = runpy._get_module_details(name)  # type: ignore[attr-defined]
    except ImportError as error:
        _refuse(str(error))
    sys.argv[0] = code.co_filename
    main.__dict__.update(
        __file__=code.co_filename,
        __loader__=spec.loader,
        __package__=spec.parent,
        __spec__=spec,
        __cached__=spec.cached,
    )
    return code


def _of_the_program(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame on that is not raskr's."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback
