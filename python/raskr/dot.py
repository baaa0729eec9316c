"""Drawing task graphs, by the engine itself."""

import os
from typing import Any

from raskr import config
from raskr._bridge import core
from raskr.graph import block_nodes

__all__ = ["dot_graph", "draw"]

_FORMATS = ("png", "svg", "dot")


def draw(
    items: Any,
    filename: str | os.PathLike | None = "mydask",
    format: str | None = None,
    optimize_graph: bool = False,
    color: str | None = None,
    rankdir: str = "BT",
    engine: str | None = None,
    **kwargs: Any,
) -> Any:
    """Draw the tasks of nodes; see `raskr.visualize`."""
    engine = engine or config.get("visualization.engine", None)
    if engine not in (None, "raskr", "graphviz"):
        raise ValueError(f"visualization engine {engine!r} is not known: raskr draws by itself (engine=None)")
    if filename is not None:
        base, ending = os.path.splitext(os.fspath(filename))
        if format is None and ending[1:].lower() in _FORMATS:
            format, filename = ending[1:].lower(), base
        else:
            filename = os.fspath(filename)
    format = format or "png"
    if format not in _FORMATS:
        raise ValueError(f"format {format!r} is not drawn: expected one of {', '.join(_FORMATS)}")
    if rankdir not in ("BT", "TB", "LR", "RL"):
        raise ValueError(f"rankdir {rankdir!r}: expected one of BT, TB, LR, RL")
    data = core.draw(block_nodes(items), format, rankdir, color == "order")
    if filename is not None:
        with open(f"{filename}.{format}", "wb") as file:
            file.write(data)
    return _display(data, format)


def _display(data: bytes, format: str) -> Any:
    """A picture for a notebook, where there may be one."""
    try:
        from IPython.display import SVG, Image
    except ImportError:
        return None
    if format == "svg":
        return SVG(data=data)
    return Image(data=data) if format == "png" else None


def dot_graph(dsk: Any, filename: str | None = "mydask", format: str | None = None, **kwargs: Any) -> Any:
    """Draw a raw graph; see `raskr.visualize`.

    Parameters
    ----------
    dsk : mapping
        Tasks by key.
    filename : str or None
        The file to write.
    format : {'png', 'svg', 'dot'}, optional
        The format.
    """
    from raskr.graph import nodes_of, plain

    graph = plain(dsk)
    return draw(nodes_of(graph, list(graph)), filename=filename, format=format, **kwargs)
