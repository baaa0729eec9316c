"""Who may import whom: reads the manifests and sources of the crates and the modules of the Python package.

Crates import downwards only, one crate knows Python, pure crates know neither threads, files, sockets nor clocks, one
Python module imports the compiled one, and files stay small enough to read.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
LINES_MAX = 700
# Describes one module, which can't be split.
STUB = ROOT / "python/raskr/_core.pyi"

FLOORS = {
    "raskr-base": 0,
    "raskr-graph": 1,
    "raskr-kernels": 1,
    "raskr-array": 2,
    "raskr-frame": 2,
    "raskr-sched": 2,
    "raskr-io": 3,
    "raskr-exec": 3,
    "raskr-cluster": 4,
    "raskr-dashboard": 4,
    "raskr": 5,
    "raskr-python": 6,
}
# What a crate must not know although it lies below.
APART = {"raskr-io": {"raskr-graph"}}
PURE = {"raskr-base", "raskr-graph", "raskr-kernels", "raskr-array", "raskr-frame", "raskr-sched"}
PYTHON = {"pyo3", "numpy"}
# Crates that bring threads, files, sockets or an event loop with them.
SHELL = {
    "tokio",
    "mio",
    "async-std",
    "smol",
    "rayon",
    "crossbeam",
    "crossbeam-channel",
    "threadpool",
    "memmap2",
    "rustix",
}
SOCKETS = {"tokio", "mio", "async-std", "smol", "socket2"}
# Object stores are reached through a crate that wants a runtime; raskr-io names no socket itself.
RUNTIMES = {"raskr-io": {"tokio"}}


def what(*names):
    """A pattern that finds these modules of `std`, named in full or within braces."""
    either = "|".join(names)
    return re.compile(rf"\bstd::(?:{either})\b(?!_)|\bstd::\{{[^;]*?\b(?:{either})\b(?!_)[^;]*?\}}", re.S)


PURE_SOURCE = {
    "threads": what("thread"),
    "files": what("fs"),
    "sockets": what("net"),
    "clocks": re.compile(r"\b(?:Instant|SystemTime)::now\b"),
    "processes": what("process"),
}


def code_of(text):
    """Rust source without comments, the contents of strings, and its test modules."""
    text = re.sub(
        r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|"(?:\\.|[^"\\])*"',
        lambda found: '""' if found[0][0] in '"br' else " ",
        text,
        flags=re.S,
    )
    return re.split(r"#\[cfg\(test\)\]\s*mod\s", text)[0]


def manifest_faults(manifest):
    """What is wrong with the dependencies of one crate, given its parsed Cargo.toml."""
    crate = manifest["package"]["name"]
    if crate not in FLOORS:
        return [f"{crate}: not in the table of crates: give it a floor"]
    tables = [manifest, *manifest.get("target", {}).values()]
    kinds = ("dependencies", "build-dependencies", "dev-dependencies")
    named = {name: kind for table in tables for kind in reversed(kinds) for name in table.get(kind, {})}
    faults = []
    for name, kind in sorted(named.items()):
        if name in FLOORS and FLOORS[name] >= FLOORS[crate]:
            faults.append(f"{crate} (floor {FLOORS[crate]}) imports {name} (floor {FLOORS[name]})")
        elif name.startswith("raskr") and name not in FLOORS:
            faults.append(f"{crate} imports {name}, which is not in the table of crates")
        if name in APART.get(crate, ()):
            faults.append(f"{crate} must not know {name}")
        if name in PYTHON and crate != "raskr-python":
            faults.append(f"{crate} imports {name}: only raskr-python knows Python")
        if name in SHELL and crate in PURE and kind != "dev-dependencies":
            faults.append(f"{crate} is pure and imports {name}")
        if name in SOCKETS - RUNTIMES.get(crate, set()) and crate in {"raskr-exec", "raskr-io"}:
            faults.append(f"{crate} imports {name}: it must not know sockets")
    return faults


def source_faults(crate, text):
    """What a Rust source of a crate names and must not."""
    code = code_of(text)
    faults = []
    if crate != "raskr-python" and (found := re.search(r"\b(pyo3|numpy)\s*(?:::|;)", code)):
        faults.append(f"names {found[1]}: only raskr-python knows Python")
    if crate in PURE:
        faults += [
            f"names {kind} ({found[0][:40]})"
            for kind, pattern in PURE_SOURCE.items()
            if (found := pattern.search(code))
        ]
    if crate in {"raskr-exec", "raskr-io"} and (found := PURE_SOURCE["sockets"].search(code)):
        faults.append(f"names sockets ({found[0][:40]})")
    return faults


def imports_core(text):
    """Does a Python source import the compiled module?"""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any(name.name.split(".")[-1] == "_core" for name in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (
            (node.module or "").split(".")[-1] == "_core" or any(name.name == "_core" for name in node.names)
        ):
            return True
        if isinstance(node, ast.Constant) and node.value in ("raskr._core", "._core"):
            return True
    return False


MANIFESTS = sorted(ROOT.glob("crates/*/Cargo.toml"))
RUST = sorted(path for path in ROOT.glob("crates/*/**/*.rs"))
PACKAGE = sorted(path for path in ROOT.glob("python/raskr/**/*.py") if path.name != "_core.py")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def test_the_sources_are_found():
    assert len(MANIFESTS) >= 7 and len(RUST) >= 7 and len(PACKAGE) >= 1


@pytest.mark.parametrize("path", MANIFESTS, ids=name_of)
def test_crates_import_downwards(path):
    assert manifest_faults(tomllib.loads(path.read_text())) == []


def test_rust_sources_keep_to_their_floor():
    faults = [
        f"{name_of(path)}: {fault}"
        for path in RUST
        if path.relative_to(ROOT).parts[2] == "src"
        for fault in source_faults(path.relative_to(ROOT).parts[1], path.read_text())
    ]
    assert faults == []


def test_one_python_module_imports_the_compiled_one():
    importers = [name_of(path) for path in PACKAGE if imports_core(path.read_text())]
    assert importers == ["python/raskr/_bridge.py"]


def test_files_are_small():
    folders = ("crates", "python/raskr", "tests", "demo", "examples")
    files = [path for folder in folders for kind in ("rs", "py", "pyi") for path in (ROOT / folder).rglob(f"*.{kind}")]
    long = {
        name_of(path): n
        for path in files
        if not path.is_symlink() and path != STUB and (n := len(path.read_text().splitlines())) > LINES_MAX
    }
    assert long == {}, f"split what is longer than {LINES_MAX} lines"


@pytest.mark.parametrize(
    ("crate", "dependencies", "fault"),
    [
        ("raskr-graph", ["raskr-array"], "raskr-graph (floor 1) imports raskr-array (floor 2)"),
        ("raskr-graph", ["raskr-kernels"], "raskr-graph (floor 1) imports raskr-kernels (floor 1)"),
        ("raskr-io", ["raskr-graph"], "raskr-io must not know raskr-graph"),
        ("raskr", ["pyo3"], "raskr imports pyo3: only raskr-python knows Python"),
        ("raskr-kernels", ["rayon"], "raskr-kernels is pure and imports rayon"),
        ("raskr-exec", ["tokio"], "raskr-exec imports tokio: it must not know sockets"),
        ("raskr-new", [], "raskr-new: not in the table of crates: give it a floor"),
    ],
)
def test_a_wrong_manifest_is_named(crate, dependencies, fault):
    manifest = {"package": {"name": crate}, "dependencies": dict.fromkeys(dependencies, {})}
    assert manifest_faults(manifest) == [fault]


@pytest.mark.parametrize(
    ("crate", "source", "wrong"),
    [
        ("raskr-array", "use std::thread;", True),
        ("raskr-array", "use std::{\n    collections::HashMap,\n    fs,\n};", True),
        ("raskr-graph", "let start = Instant::now();", True),
        ("raskr-kernels", "std::thread_local! { static X: u8 = 0 }", False),
        ("raskr-kernels", "use std::thread::LocalKey;", True),
        ("raskr-array", '// std::fs is not for us\nlet x = "std::fs";', False),
        ("raskr-array", "fn a() {}\n#[cfg(test)]\nmod tests { use std::thread; }", False),
        ("raskr-io", "use std::fs::File;", False),
        ("raskr-io", "use std::net::TcpStream;", True),
        ("raskr-exec", "use pyo3::prelude::*;", True),
        ("raskr-python", "use pyo3::prelude::*;", False),
    ],
)
def test_a_wrong_source_is_named(crate, source, wrong):
    assert bool(source_faults(crate, source)) is wrong


@pytest.mark.parametrize(
    ("source", "imports"),
    [
        ("from raskr import _core", True),
        ("from . import _core as c", True),
        ("from raskr._core import Plan", True),
        ("import raskr._core", True),
        ("import importlib\nimportlib.import_module('raskr._core')", True),
        ("from raskr._bridge import core", False),
    ],
)
def test_imports_of_the_compiled_module_are_seen(source, imports):
    assert imports_core(source) is imports
