"""What the writers of files share: running the tasks that write, or handing them out as delayed values."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from raskr._bridge import core
from raskr.base import compute as compute_all
from raskr.base import get_scheduler, runs_natively
from raskr.bytes.core import is_remote
from raskr.tokenize import tokenize


def ready_nodes(frame: Any, compute: bool, compute_kwargs: dict | None) -> list:
    """The nodes of a frame's partitions, which the engine computes natively if that is now, and on its own threads."""
    schedule = get_scheduler(scheduler=(compute_kwargs or {}).get("scheduler"), collections=[frame])
    if compute and runs_natively(schedule) and not (compute_kwargs or {}).get("pool"):
        return frame._nodes_together([frame])[0]
    return frame._expr.nodes


def write_nodes(
    label: str, function: Any, frame: Any, rows: Sequence[tuple], nodes: Sequence | None = None, **kwargs: Any
) -> list:
    """A node for each partition that calls `function(partition, *row, **kwargs)`; `nodes` are those of the partitions."""
    token = tokenize(frame._name, list(rows), sorted(kwargs.items(), key=lambda item: item[0]))
    return [
        core.node_of_call(function, (node, *row), kwargs or None, key=f"{label}-{token}-{number}", name=label)
        for number, (node, row) in enumerate(zip(frame._expr.nodes if nodes is None else nodes, rows))
    ]


def delayed_of(nodes: Sequence) -> list:
    """Delayed values of nodes."""
    return [core.delayed_of_node(node, None) for node in nodes]


def run_or_delay(nodes: Sequence, compute: bool, compute_kwargs: dict | None) -> list:
    """What the nodes give, or delayed values of them where they are not to be computed yet."""
    lazy = delayed_of(nodes)
    return list(compute_all(*lazy, **(compute_kwargs or {}))) if compute else lazy


def write_files(
    nodes_for: Callable[[list[str]], Sequence], paths: Sequence[str], compute: bool, compute_kwargs: dict | None
) -> list:
    """The paths, whose files are there once all of them are written; delayed values that write one each if not `compute`.

    Parameters
    ----------
    nodes_for : callable
        Gets paths and gives the nodes that write them.
    paths : sequence of str
        The files.
    compute : bool
        Write now.
    compute_kwargs : dict, optional
        For `compute`.
    """
    if not compute or any(map(is_remote, paths)):
        return run_or_delay(nodes_for(list(paths)), compute, compute_kwargs)
    with taking_places(paths) as beside:
        run_or_delay(nodes_for(beside), True, compute_kwargs)
    return list(paths)


@contextlib.contextmanager
def taking_places(paths: Sequence[str]) -> Iterator[list[str]]:
    """Names of files beside paths, which take the places of these at the end; after an error nothing is left."""
    beside = [beside_of(path) for path in paths]
    with nothing_left(beside, paths):
        yield beside
        for source, target in zip(beside, paths):
            os.replace(source, target)


def beside_of(path: str) -> str:
    """A name beside a path, under which it is written."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{uuid.uuid4().hex[:8]}.unfinished")


@contextlib.contextmanager
def nothing_left(beside: Sequence[str], paths: Sequence[str]) -> Iterator[None]:
    """After an error remove files or folders that were written beside paths, and folders that were made for them."""
    fresh = {folder for path in paths for folder in _missing_folders(os.path.dirname(path))}
    try:
        yield
    except BaseException as error:
        for place, path in zip(beside, paths):
            if isinstance(error, OSError) and isinstance(error.filename, str) and error.filename.startswith(place):
                error.filename = path + error.filename[len(place) :]
        for path in beside:
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            elif os.path.exists(path):
                os.unlink(path)
        for folder in sorted(fresh, key=len, reverse=True):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        raise


def _missing_folders(folder: str) -> Iterator[str]:
    while folder and not os.path.exists(folder):
        yield folder
        folder = os.path.dirname(folder)


def move_folder(source: str, target: str) -> None:
    """Move a folder: into one that is there already file by file."""
    if not os.path.exists(target):
        os.replace(source, target)
        return
    for folder, _, names in os.walk(source):
        inside = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        os.makedirs(inside, exist_ok=True)
        for name in names:
            os.replace(os.path.join(folder, name), os.path.join(inside, name))
    shutil.rmtree(source)
