"""Drawings of profiles: one self-contained page, without any other package."""

import html
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raskr.diagnostics.profile import CacheProfiler, Profiler, ResourceProfiler
from raskr.utils import key_split

__all__ = ["visualize"]

_COLORS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974", "#64b5cd")


def visualize(
    profilers: Any,
    filename: str | None = "profile.html",
    show: bool = True,
    save: bool = True,
    width: int = 900,
    height: int = 300,
    title: str = "Profile",
) -> str:
    """Draw what profilers recorded, one picture below the other on the same axis of time.

    Parameters
    ----------
    profilers : profiler or sequence of profilers
        `Profiler`, `ResourceProfiler` and `CacheProfiler` objects.
    filename : str
        The page to write.
    show : bool
        Open the page in a browser.
    save : bool
        Write the page.
    width, height : int
        Pixels of each picture.
    title : str
        The page's title.

    Returns
    -------
    str
        The page.

    Examples
    --------
    >>> import raskr
    >>> from raskr.diagnostics import Profiler, visualize
    >>> with Profiler() as prof:
    ...     _ = raskr.delayed(sum)([1, 2]).compute()
    >>> page = visualize(prof, show=False, save=False)
    >>> page.count("<svg")
    1
    """
    if not isinstance(profilers, Sequence):
        profilers = [profilers]
    start = min((profiler.start_time for profiler in profilers), default=0)
    end = max((profiler.end_time for profiler in profilers), default=1)
    span = max(end - start, 1e-9)
    pictures = "\n".join(_picture(profiler, start, span, width, height) for profiler in profilers)
    page = (
        f"<!doctype html><html><head><meta charset='utf-8'><title>{html.escape(title)}</title></head>"
        f"<body style='font-family: sans-serif'><h3>{html.escape(title)}</h3>\n{pictures}\n</body></html>\n"
    )
    if save and filename is not None:
        Path(filename).write_text(page)
        if show:
            webbrowser.open(Path(filename).resolve().as_uri())
    return page


def _picture(profiler: Any, start: float, span: float, width: int, height: int) -> str:
    if isinstance(profiler, Profiler):
        name, marks = "Tasks by worker", _tasks(profiler, start, span, width, height)
    elif isinstance(profiler, ResourceProfiler):
        name, marks = "Memory in MB (blue), processor in % (orange)", _resources(profiler, start, span, width, height)
    elif isinstance(profiler, CacheProfiler):
        name, marks = f"Results kept ({profiler._metric_name})", _kept(profiler, start, span, width, height)
    else:
        raise TypeError(f"visualize draws profilers, got a {type(profiler).__name__}")
    axis = "".join(
        f"<text x='{width * tick / 5:.0f}' y='{height + 14}' font-size='11' text-anchor='middle'>"
        f"{span * tick / 5:.3g} s</text>"
        for tick in range(1, 5)
    )
    picture = f"<svg width='{width}' height='{height + 20}' style='background: #f7f7f7'>{marks}{axis}</svg>"
    return f"<p>{html.escape(name)}</p>{picture}"


def _tasks(profiler: Profiler, start: float, span: float, width: int, height: int) -> str:
    workers = sorted({result.worker_id for result in profiler.results}, key=str)
    rows = {worker: row for row, worker in enumerate(workers)}
    names = sorted({key_split(result.key) for result in profiler.results})
    colors = {name: _COLORS[place % len(_COLORS)] for place, name in enumerate(names)}
    step = height / max(len(workers), 1)
    return "".join(
        f"<rect x='{(result.start_time - start) / span * width:.2f}' y='{rows[result.worker_id] * step:.1f}' "
        f"width='{max((result.end_time - result.start_time) / span * width, 0.5):.2f}' height='{step * 0.9:.1f}' "
        f"fill='{colors[key_split(result.key)]}'><title>{html.escape(str(result.key))}: "
        f"{(result.end_time - result.start_time) * 1e3:.3f} ms</title></rect>"
        for result in profiler.results
    )


def _line(points: list[tuple[float, float]], top: float, width: int, height: int, color: str) -> str:
    text = " ".join(f"{x * width:.1f},{height - y / top * height:.1f}" for x, y in points)
    return f"<polyline points='{text}' fill='none' stroke='{color}' stroke-width='2'/>"


def _resources(profiler: ResourceProfiler, start: float, span: float, width: int, height: int) -> str:
    results = profiler.results
    lines = []
    for values, color in (([r.mem for r in results], _COLORS[0]), ([r.cpu for r in results], _COLORS[1])):
        top = max([*values, 1]) * 1.05
        points = [((result.time - start) / span, value) for result, value in zip(results, values)]
        lines.append(_line(points, top, width, height, color))
        lines.append(f"<text x='4' y='{12 + 14 * (len(lines) // 2)}' font-size='11' fill='{color}'>{top:.4g}</text>")
    return "".join(lines)


def _kept(profiler: CacheProfiler, start: float, span: float, width: int, height: int) -> str:
    made = [(result.cache_time, result.metric) for result in profiler.results]
    let_go = [(result.free_time, -result.metric) for result in profiler.results]
    changes = sorted(made + let_go)
    total, points = 0.0, [(0.0, 0.0)]
    for time, change in changes:
        points.append(((time - start) / span, total))
        total += change
        points.append(((time - start) / span, total))
    top = max([value for _, value in points] + [1]) * 1.05
    return _line(points, top, width, height, _COLORS[2])
