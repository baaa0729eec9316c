"""Drawings of profiles: one page that holds all that it needs, made without any other package."""

import html
import math
import sys
import warnings
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from raskr.diagnostics.profile import CacheProfiler, Profiler, ResourceProfiler
from raskr.utils import funcname, key_split

__all__ = ["Page", "visualize"]

_COLORS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974", "#64b5cd")
_MEMORY, _PROCESSOR, _KEPT = "#4c72b0", "#dd8452", "#55a868"
# Pixels around a picture, for what stands at its axes.
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 64, 8, 36

# What Dask passes on to the package that draws for it, and what has no meaning here.
_ACCEPTED = {
    "label_size",
    "mode",
    "output_backend",
    "palette",
    "plot_height",
    "plot_width",
    "sizing_mode",
    "toolbar_location",
    "toolbar_sticky",
    "tools",
    "x_axis_label",
    "y_axis_label",
}

_STYLE = """
body { font: 14px system-ui, sans-serif; color: #222; margin: 1.5em; }
h1 { font-size: 1.3em; }
figure { margin: 0 0 1.2em; }
figcaption { margin-left: 64px; font-weight: 600; }
svg { display: block; font-size: 11px; }
svg .frame { fill: #fafafa; stroke: #bbb; }
svg .grid { stroke: #e4e4e4; }
svg text { fill: #444; }
svg rect.task:hover { stroke: #000; }
ul { list-style: none; margin: 0 0 0 64px; padding: 0; display: flex; flex-wrap: wrap; gap: 0.2em 1.2em; }
li i { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.4em; }
"""


class Page:
    """A page with pictures of profiles; notebooks show it, and `str` gives its HTML.

    Parameters
    ----------
    title : str
        What stands at its head.
    pictures : list of str
        The pictures.
    """

    def __init__(self, title: str, pictures: list[str]) -> None:
        self.title, self.pictures = title, pictures

    def __str__(self) -> str:
        head = f"<meta charset='utf-8'><title>{html.escape(self.title)}</title><style>{_STYLE}</style>"
        body = "\n".join([f"<h1>{html.escape(self.title)}</h1>", *self.pictures])
        return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head>\n<body>\n{body}\n</body></html>\n"

    def __repr__(self) -> str:
        return f"<page {self.title!r} of {len(self.pictures)} pictures>"

    def _repr_html_(self) -> str:
        # In a frame of its own, so that its style is its own.
        return f"<iframe srcdoc='{html.escape(str(self))}' style='width: 100%; height: 30em; border: 0'></iframe>"


def visualize(
    profilers: Any,
    filename: str | None = "profile.html",
    show: bool = True,
    save: bool | None = None,
    width: int = 900,
    height: int = 300,
    title: str = "Profile",
    **kwargs: Any,
) -> Page:
    """Draw what profilers recorded, one picture below the other on the same axis of time.

    Parameters
    ----------
    profilers : profiler or sequence of profilers
        `Profiler`, `ResourceProfiler` and `CacheProfiler` objects.
    filename : str
        The page to write. It holds all that it needs, and loads nothing.
    show : bool
        Open the page that was written in a browser.
    save : bool, optional
        Write the page; by default, unless a notebook shows it.
    width, height : int
        Pixels of each picture.
    title : str
        The page's title.
    **kwargs
        Dask passes them on to Bokeh; `tools`, `palette`, `label_size` and their like are accepted for likeness.

    Returns
    -------
    Page
        The page, which notebooks show.

    Raises
    ------
    AttributeError
        When an argument is none that changes a picture.
    TypeError
        When there is something else among the profilers.

    Examples
    --------
    >>> import raskr
    >>> from raskr.diagnostics import Profiler, visualize
    >>> with Profiler() as prof:
    ...     _ = raskr.delayed(sum)([1, 2]).compute()
    >>> page = visualize(prof, show=False, save=False)
    >>> str(page).count("<svg")
    1
    """
    if "file_path" in kwargs:
        warnings.warn(
            "The file_path keyword argument is deprecated and will be removed in a future release. "
            "Please use filename instead.",
            FutureWarning,
            stacklevel=2,
        )
        filename = kwargs.pop("file_path")
    unknown = kwargs.keys() - _ACCEPTED
    if unknown:
        raise AttributeError(f"visualize: unexpected {', '.join(sorted(unknown))}; try {', '.join(sorted(_ACCEPTED))}")
    if not isinstance(profilers, Sequence):
        profilers = [profilers]
    for profiler in profilers:
        if not isinstance(profiler, tuple(_PICTURES)):
            raise TypeError(f"visualize draws profilers, got a {type(profiler).__name__}")
    start = min((profiler.start_time for profiler in profilers), default=0)
    end = max((profiler.end_time for profiler in profilers), default=1)
    size = kwargs.get("plot_width", width), kwargs.get("plot_height", height)
    page = Page(title, [_figure(profiler, _Time(start, max(end - start, 1e-9)), *size) for profiler in profilers])
    if (not _in_notebook() if save is None else save) and filename is not None:
        Path(filename).write_text(str(page), encoding="utf-8")
        if show:
            webbrowser.open(Path(filename).resolve().as_uri())
    return page


def _in_notebook() -> bool:
    """Is there somebody who shows what a cell gives?"""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class _Time(NamedTuple):
    """The axis of time that all pictures share."""

    start: float
    span: float

    def share(self, time: float) -> float:
        return (time - self.start) / self.span


class _Area:
    """The inner part of a picture: where shares of its width and height are in pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(width - _LEFT - _RIGHT, 10), max(height - _TOP - _BOTTOM, 10)

    def x(self, share: float) -> str:
        return f"{_LEFT + share * self.width:.2f}"

    def y(self, share: float) -> str:
        """From the bottom up."""
        return f"{_TOP + (1 - share) * self.height:.2f}"

    def line(self, points: Sequence[tuple[float, float]], color: str) -> str:
        text = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)
        return f"<polyline points='{text}' fill='none' stroke='{color}' stroke-width='2'/>"

    def label(self, x: float, y: float, text: str, anchor: str, dx: int = 0, dy: int = 4, color: str = "") -> str:
        style = f" style='fill: {color}'" if color else ""
        return (
            f"<text x='{self.x(x)}' y='{self.y(y)}' dx='{dx}' dy='{dy}' text-anchor='{anchor}'{style}>"
            f"{html.escape(text)}</text>"
        )

    def scale(self, top: float, unit: str, color: str, right: bool = False) -> str:
        """Numbers up an axis of values from 0 to `top`."""
        marks = [
            self.label(int(right), value / top, _short(value), "start" if right else "end", 6 if right else -6)
            for value in _steps(top)
        ]
        x, turned = (_LEFT + self.width + 54, 90) if right else (12, -90)
        y = _TOP + self.height / 2
        name = (
            f"<text transform='translate({x:.0f} {y:.0f}) rotate({turned})' text-anchor='middle' "
            f"style='fill: {color}'>{html.escape(unit)}</text>"
        )
        return "".join([*marks, name])


def _steps(top: float) -> list[float]:
    """Round numbers from 0 to `top`, some five of them."""
    step = 10.0 ** math.floor(math.log10(top / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if top / (step * factor) <= 6)
    return [step * number for number in range(int(top / step * (1 + 1e-9)) + 1)]


def _short(value: float) -> str:
    """A round number in a few characters."""
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 10 * unit or (value >= unit and unit > 1e3):
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def _figure(profiler: Any, time: _Time, width: int, height: int) -> str:
    name, draw = next(picture for kind, picture in _PICTURES.items() if isinstance(profiler, kind))
    name = name.format(metric=getattr(profiler, "_metric_name", ""))
    area = _Area(width, height)
    marks, legend = draw(profiler, time, area)
    frame = (
        f"<rect class='frame' x='{_LEFT}' y='{_TOP}' width='{area.width}' height='{area.height}'/>"
        + "".join(
            f"<line class='grid' x1='{area.x(each / time.span)}' x2='{area.x(each / time.span)}' y1='{area.y(0)}' "
            f"y2='{area.y(1)}'/>{area.label(each / time.span, 0, f'{each:g}', 'middle', dy=15)}"
            for each in _steps(time.span)
        )
        + area.label(0.5, 0, "Time (s)", "middle", dy=30)
    )
    entries = "".join(f"<li><i style='background: {color}'></i>{html.escape(text)}</li>" for text, color in legend)
    return (
        f"<figure><figcaption>{html.escape(name)}</figcaption>"
        f"<svg width='{width}' height='{height}' role='img'>{frame}{marks}</svg>"
        f"<ul>{entries}</ul></figure>"
    )


def _tasks(profiler: Profiler, time: _Time, area: _Area) -> tuple[str, list]:
    """A row a worker, a bar a task; and the seconds by name of task, the longest first."""
    workers = sorted({result.worker_id for result in profiler.results}, key=str)
    rows = {worker: row for row, worker in enumerate(workers)}
    seconds: dict[str, float] = {}
    for result in profiler.results:
        name = key_split(result.key)
        seconds[name] = seconds.get(name, 0.0) + result.end_time - result.start_time
    # By name, so that the same tasks look the same in every picture that has the same names.
    colors = {name: _COLORS[place % len(_COLORS)] for place, name in enumerate(sorted(seconds))}
    step = 1 / max(len(workers), 1)
    bars = []
    for result in profiler.results:
        name = key_split(result.key)
        took = result.end_time - result.start_time
        function = getattr(result.task, "func", None)
        called = f"\n{funcname(function)}" if function is not None and not hasattr(function, "movable") else ""
        bars.append(
            f"<rect class='task' x='{area.x(time.share(result.start_time))}' "
            f"y='{area.y(1 - (rows[result.worker_id] + 0.05) * step)}' "
            f"width='{max(took / time.span * area.width, 0.5):.2f}' height='{0.9 * step * area.height:.2f}' "
            f"fill='{colors[name]}'><title>{html.escape(f'{result.key}: {took * 1e3:.3f} ms{called}')}</title></rect>"
        )
    numbers = "".join(
        area.label(0, 1 - (row + 0.5) * step, f"worker {row}", "end", -6) for row in range(min(len(workers), 40))
    )
    longest = sorted(seconds, key=lambda name: (-seconds[name], name))
    return "".join(bars) + numbers, [(f"{name} {seconds[name]:.3g} s", colors[name]) for name in longest]


def _resources(profiler: ResourceProfiler, time: _Time, area: _Area) -> tuple[str, list]:
    marks = []
    series = (("Memory (MB)", 1, _MEMORY, 100.0, False), ("Processor (%)", 2, _PROCESSOR, 100.0, True))
    for name, field, color, least, right in series:
        top = max([least, *(1.05 * result[field] for result in profiler.results)])
        points = [(time.share(result[0]), result[field] / top) for result in profiler.results]
        marks.append(area.line(points, color) + area.scale(top, name, color, right))
    return "".join(marks), [(name, color) for name, _, color, _, _ in series]


def _kept(profiler: CacheProfiler, time: _Time, area: _Area) -> tuple[str, list]:
    """How much was kept at each time, in all and by name of task."""
    changes: dict[str, list] = {}
    for result in profiler.results:
        name = key_split(result.key)
        changes.setdefault(name, []).append((result.cache_time, result.metric))
        changes[name].append((result.free_time, -result.metric))
    everything = _running_sum([change for each in changes.values() for change in each], time)
    top = 1.05 * max([value for _, value in everything] + [1])
    colors = {name: _COLORS[place % len(_COLORS)] for place, name in enumerate(sorted(changes))}
    lines = [("all", "#222", everything)]
    lines += [(name, colors[name], _running_sum(changes[name], time)) for name in sorted(changes)]
    marks = [area.line([(x, value / top) for x, value in points], color) for _, color, points in reversed(lines)]
    scale = area.scale(top, f"Cache Size ({profiler._metric_name})", _KEPT)
    return "".join([*marks, scale]), [(name, color) for name, color, _ in lines]


def _running_sum(changes: list, time: _Time) -> list[tuple[float, float]]:
    total, points = 0.0, [(0.0, 0.0)]
    for at, change in sorted(changes):
        points.append((time.share(at), total))
        total += change
        points.append((time.share(at), total))
    return [*points, (1.0, total)]


# What is drawn of each kind of profiler: the caption, and the function that gives the marks and the legend.
_PICTURES: dict[type, tuple[str, Callable]] = {
    Profiler: ("Tasks by worker", _tasks),
    ResourceProfiler: ("Memory and processor", _resources),
    CacheProfiler: ("Results kept ({metric})", _kept),
}
