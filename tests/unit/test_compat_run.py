"""Programs written for Dask on raskr: what their imports give, and that all else is as with `python`."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

import raskr


def run(*arguments, command=("-m", "raskr", "run"), **options):
    """Runs `raskr run` in an interpreter of its own."""
    return subprocess.run([sys.executable, *command, *arguments], capture_output=True, text=True, timeout=50, **options)


@pytest.fixture
def script(tmp_path):
    """Writes a script, and gives its path."""

    def write(text, name="script.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write


def output_of(*arguments, **options):
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- what imports give ------------------------------------------------------------------------------------------------
def test_imports_of_dask_give_the_very_modules_of_raskr(script):
    text = """
        import dask, dask.array as da, dask.bag
        from dask import delayed
        from dask.delayed import Delayed
        from dask.diagnostics import ProgressBar
        import raskr, raskr.array, raskr.bag, raskr.diagnostics
        import sys
        assert dask is raskr and da is raskr.array is dask.array and dask.bag is raskr.bag
        assert delayed is dask.delayed is raskr.delayed and not hasattr(delayed, "__path__")
        assert sys.modules["dask.delayed"] is sys.modules["raskr.delayed"]
        assert sys.modules["dask.array.core"] is sys.modules["raskr.array.core"]
        assert raskr.array.__spec__.name == raskr.array.__name__ == "raskr.array"
        assert isinstance(delayed(1), Delayed) and ProgressBar is raskr.diagnostics.ProgressBar
        assert not [name for name, module in sys.modules.items() if "dask" in getattr(module, "__name__", "")]
        print(da.ones(4, chunks=2).sum().compute())
    """
    assert output_of(script(text)) == "4.0\n"


def test_a_package_named_dask_is_passed_over(script, tmp_path):
    (tmp_path / "dask").mkdir()
    script("raise AssertionError('this is another one')", "dask/__init__.py")
    assert output_of(script("import dask, raskr; print(dask is raskr)")) == "True\n"


def test_dask_that_was_imported_before_is_not_replaced():
    text = "import sys, types; sys.modules['dask'] = types.ModuleType('dask'); import raskr.compat as c; c.install()"
    done = run(text, command=["-c"])
    assert done.returncode == 1
    assert "ImportError: dask itself has been imported already" in done.stderr


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import dask.nowhere", "ModuleNotFoundError: No module named 'dask.nowhere'"),
        ("from dask.array import no_such_name", "ImportError: cannot import name 'no_such_name' from 'dask.array'"),
        ("from dask.base import no_such_name", "ImportError: cannot import name 'no_such_name' from 'raskr.base'"),
        ("import dask.array as da; da.no_such_name", "AttributeError: module 'raskr.array' has no attribute"),
    ],
)
def test_an_unknown_name_says_so_and_where_to_report_it(program, expected):
    done = run("-c", program)
    assert done.returncode == 1
    assert expected in done.stderr
    assert done.stderr.count("please report it in raskr's issue tracker") == 1
    # The traceback is the program's alone.
    assert done.stderr.count('  File "') == 1


@pytest.mark.parametrize("program", ["from dask.distributed import {}", "from distributed import {}"])
def test_the_cluster_is_raskrs(program):
    program = program.format("LocalCluster") + "; print(LocalCluster.__module__)"
    assert output_of("-c", program) == "raskr.distributed.deploy.local\n"


def test_a_program_can_do_without_what_is_missing(script):
    text = """
        try:
            from dask.distributed import Nothing
        except ImportError:
            Nothing = None
        try:
            import dask.nowhere
        except ModuleNotFoundError as error:
            print(Nothing, error.name)
    """
    assert output_of(script(text)) == "None dask.nowhere\n"


def test_looking_for_a_module_of_raskr_that_is_not_there_gives_none():
    program = "import importlib.util as u; print(u.find_spec('raskr.nowhere'), u.find_spec('dask.array').name)"
    assert output_of("-c", program) == "None dask.array\n"


def test_processes_of_all_kinds_map_imports_too(script):
    script(
        "import dask.array as da\n\ndef total(n):\n    return int(da.ones(n, chunks=2).sum().compute())\n", "other.py"
    )
    text = """
        import multiprocessing, dask, other

        def total(n):
            import dask.array as da
            return int(da.ones(n, chunks=2).sum().compute())

        if __name__ == "__main__":
            for function in (total, other.total):
                print(dask.compute(*map(dask.delayed(function), range(3)), scheduler="processes", num_workers=2))
            for kind in ("fork", "spawn"):
                with multiprocessing.get_context(kind).Pool(1) as pool:
                    print(pool.map(total, range(3)))
    """
    assert output_of(script(text)) == "(0, 1, 2)\n(0, 1, 2)\n[0, 1, 2]\n[0, 1, 2]\n"


def test_children_of_a_program_that_imports_raskr_do_not_map_imports():
    text = """
        import raskr
        def f():
            import sys
            return "raskr.compat.imports" in sys.modules
        print(raskr.delayed(f)().compute(scheduler="processes"))
    """
    assert output_of(textwrap.dedent(text), command=["-c"]) == "False\n"


def test_xarray_keeps_its_data_in_arrays_of_raskr(script):
    text = """
        import numpy as np, xarray as xr, dask.array as da
        x = xr.DataArray(da.ones((4, 4), chunks=2), dims=("a", "b"))
        ds = xr.Dataset({"x": x, "y": ("a", np.arange(4))}).chunk(a=1)
        assert isinstance(ds.x.data, da.Array) and isinstance(ds.y.data, da.Array)
        assert list(xr.namedarray.parallelcompat.list_chunkmanagers()) == ["dask"]
        both = xr.apply_ufunc(np.add, ds.x, ds.y, dask="parallelized", output_dtypes=[float])
        print(both.chunksizes["a"], float(both.sum().compute()), float(ds.x.rolling(a=2).mean().sum()))
    """
    assert output_of(script(text)) == "(1, 1, 1, 1) 40.0 12.0\n"


# --- all else is as with python ---------------------------------------------------------------------------------------
SHOWN = """
    import __main__, sys
    print(sys.argv, __name__, __main__ is sys.modules[__name__], repr(sys.path[0]), __spec__, __package__)
    print(__file__, __loader__.name, __builtins__ is __import__("builtins"), sorted(vars()))
    print(__import__("inspect").getsource(sys.modules["__main__"]) != "")
"""


def test_a_script_sees_what_python_shows_it(script, tmp_path):
    script(SHOWN)
    ours = output_of("script.py", "-x", "y z", cwd=tmp_path)
    theirs = output_of("script.py", "-x", "y z", command=[], cwd=tmp_path)
    assert ours == theirs


def test_a_script_behind_a_link_finds_its_neighbours(script, tmp_path):
    script("x = 3", "neighbour.py")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.py").symlink_to(script("import neighbour; print(neighbour.x)"))
    assert output_of("link.py", cwd=tmp_path / "elsewhere") == "3\n"


def test_code_sees_what_python_shows_it(tmp_path):
    program = "import sys; print(sys.argv, repr(sys.path[0]), __name__, '__file__' in vars())"
    assert output_of("-c", program, "a", cwd=tmp_path) == output_of("-c", program, "a", command=[], cwd=tmp_path)


def test_a_module_sees_what_python_shows_it(script, tmp_path):
    (tmp_path / "package").mkdir()
    script("", "package/__init__.py")
    text = "import sys; print(sys.argv, sys.path[0], __name__, __package__, __spec__.name, __file__)"
    for name in ("package/__main__.py", "package/part.py"):
        script(text, name)
    for module in ("package", "package.part"):
        ours = output_of("-m", module, "a", cwd=tmp_path)
        assert ours == output_of("-m", module, "a", command=[], cwd=tmp_path)


@pytest.mark.parametrize(
    "ending",
    [
        "raise ValueError('broken')",
        "import sys; sys.exit(3)",
        "import sys; sys.exit('a message')",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "def f():\n    g()\ndef g():\n    raise KeyError('k') from ValueError('v')\nf()",
        "x = (",
        "import os; os._exit(9)",
        "import sys; sys.excepthook = lambda *error: print('mine', error[0].__name__); 1 / 0",
        "import atexit; atexit.register(print, 'at exit'); 1 / 0",
    ],
)
def test_a_script_ends_as_with_python(script, ending):
    path = script(ending)
    ours, theirs = run(path), run(path, command=[])
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)


def test_a_script_that_is_interrupted_ends_by_the_signal(script):
    path = script("print('running', flush=True)\nimport signal; signal.pause()")
    with subprocess.Popen(
        [sys.executable, "-m", "raskr", "run", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=50)
    assert process.returncode == -signal.SIGINT
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert errors.count('  File "') == 1


def test_an_error_in_a_task_is_shown_with_the_lines_of_the_script(script):
    path = script("import dask\ndef f(x):\n    return 1 / x\ndask.delayed(f)(0).compute()\n")
    done = run(path)
    assert done.returncode == 1
    assert f'File "{path}", line 3, in f' in done.stderr
    assert "ZeroDivisionError" in done.stderr


# --- the command ------------------------------------------------------------------------------------------------------
def test_what_can_not_be_run_is_said():
    for arguments, expected in (
        (["nothing.py"], "raskr run: can't open file"),
        (["-m", "no_such_module"], "raskr run: No module named no_such_module"),
        (["-m"], "raskr run: expected a module after -m"),
        (["-c"], "raskr run: expected code after -c"),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert expected in done.stderr
        assert "Traceback" not in done.stderr


def test_the_command_describes_itself():
    help_text = output_of(command=["-m", "raskr", "--help"])
    assert "raskr run SCRIPT" in help_text
    assert output_of(command=["-m", "raskr", "--version"]) == f"raskr {raskr.__version__}\n"
    done = run("script.py", command=["-m", "raskr"])
    assert done.returncode == 2
    assert "did you mean: raskr run script.py" in done.stderr
    assert run(command=["-m", "raskr"]).returncode == 2


def test_the_console_script_is_declared():
    from importlib.metadata import entry_points
    from pathlib import Path

    declared = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    assert '[project.scripts]\nraskr = "raskr.__main__:main"' in declared
    for entry in entry_points(group="console_scripts", name="raskr"):
        assert callable(entry.load())


# --- notebooks --------------------------------------------------------------------------------------------------------
def test_the_extension_of_notebooks_maps_imports_and_explains_what_is_missing():
    text = """
        import raskr.compat

        class Shell:
            def set_custom_exc(self, kinds, handler):
                self.kinds, self.handler = kinds, handler

            def showtraceback(self, error, tb_offset=None):
                print(error[1])

        shell = Shell()
        raskr.compat.load_ipython_extension(shell)
        raskr.compat.load_ipython_extension(shell)
        import dask.array as da
        try:
            da.nothing
        except shell.kinds as error:
            shell.handler(shell, type(error), error, error.__traceback__)
    """
    shown = output_of(textwrap.dedent(text), command=["-c"])
    assert "has no attribute 'nothing'" in shown
    assert "please report it" in shown


def test_where_to_report_comes_from_the_metadata(monkeypatch):
    import importlib.metadata
    from email.message import Message

    from raskr.compat.imports import explain

    entries = Message()
    entries["Project-URL"] = "Issues, https://tracker.invalid/issues"
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: entries)
    error = ImportError("cannot import name 'x'", name="raskr.array")
    explain(error)
    assert str(error).endswith("in raskr's issue tracker (https://tracker.invalid/issues).")
    other = ImportError("cannot import name 'x'", name=os.__name__)
    explain(other)
    assert str(other) == "cannot import name 'x'"
