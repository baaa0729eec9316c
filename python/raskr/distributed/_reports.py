"""Pages and trees of what a cluster did: stacks that were seen, tasks that ran."""

import html
import linecache
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from raskr.diagnostics.profile_visualize import Page
from raskr.utils import format_bytes, format_time, key_split, parse_timedelta

__all__ = ["moment", "profile_page", "report_page", "stack_lines", "stream_picture", "tree", "write"]

_COLORS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974", "#64b5cd")
_WIDTH, _ROW, _LABEL = 960, 18, 170
_BARS_MAX = 20_000
_DEPTH_MAX = 60

Stack = Sequence[tuple[str, int, str]]


def moment(when: Any) -> float | None:
    """A time in seconds since 1970; text such as ``"60s"`` is a time before now."""
    if isinstance(when, str):
        return time.time() - (parse_timedelta(when) or 0.0)
    return when


def stack_lines(stack: Stack) -> list[str]:
    """A stack as Python writes it, the outermost call first."""
    lines = []
    for filename, number, function in stack:
        line = linecache.getline(filename, number).strip()
        lines.append(
            f'  File "{filename}", line {number}, in {function}\n\t{line}'
            if line
            else f'  File "{filename}", line {number}, in {function}'
        )
    return lines


def tree(counts: Mapping[tuple, int], key: str | None = None) -> dict[str, Any]:
    """Stacks with how often each was seen, as a tree of calls.

    Parameters
    ----------
    counts : dict
        How often by stack.
    key : str, optional
        Only of tasks that this function is called by.
    """
    root = _node("root", ("", 0, ""))
    for stack, count in counts.items():
        if key is not None and not any(key_split(key) == function for _, _, function in stack):
            continue
        root["count"] += count
        node = root
        for place in stack:
            filename, number, function = place
            name = f"{function};{filename};{number}"
            node = node["children"].setdefault(name, _node(name, place))
            node["count"] += count
    return root


def _node(name: str, place: tuple[str, int, str]) -> dict[str, Any]:
    filename, number, function = place
    described = {
        "filename": filename,
        "name": function,
        "line_number": number,
        "line": linecache.getline(filename, number).strip() if filename else "",
    }
    return {"count": 0, "identifier": name, "description": described, "children": {}}


def profile_page(state: Mapping[str, Any]) -> Page:
    """A page with a drawing of a tree of calls: each call lies on the one that made it, as wide as it was often seen."""
    return Page("Profile", [profile_picture(state)])


def profile_picture(state: Mapping[str, Any]) -> str:
    """The drawing of `profile_page` alone."""
    if not state["count"]:
        return "<p>No task was seen.</p>"
    shapes: list[str] = []
    depth = _draw_calls(shapes, state, 0.0, float(_WIDTH), 0)
    return _svg(shapes, _WIDTH, (depth + 1) * _ROW)


def _draw_calls(shapes: list[str], node: Mapping[str, Any], left: float, width: float, depth: int) -> int:
    deepest = depth
    for child in sorted(node["children"].values(), key=lambda child: -child["count"]):
        share = width * child["count"] / node["count"]
        if share < 1 or depth >= _DEPTH_MAX:
            break
        told = child["description"]
        title = f"{told['name']} ({told['filename']}:{told['line_number']}) {told['line']} - {child['count']}"
        fits = max(int(share / 6.5) - 1, 0)
        shapes.append(
            f"<g><title>{html.escape(title)}</title><rect class='task' x='{left:.1f}' y='{depth * _ROW}' "
            f"width='{share:.1f}' height='{_ROW - 1}' fill='{color_of(told['name'])}' fill-opacity='0.75'/>"
            f"<text x='{left + 3:.1f}' y='{depth * _ROW + 12}'>{html.escape(told['name'][:fits])}</text></g>"
        )
        deepest = max(deepest, _draw_calls(shapes, child, left, share, depth + 1))
        left += share
    return deepest


def color_of(name: str) -> str:
    """The colour of what has this name: always the same."""
    return _COLORS[sum(name.encode()) % len(_COLORS)]


def _svg(shapes: Iterable[str], width: float, height: float) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"style='max-width: {width:.0f}px; width: 100%'>{''.join(shapes)}</svg>"
    )


def stream_picture(tasks: Sequence[Mapping[str, Any]]) -> str:
    """A drawing of tasks that ran: a row a worker's thread, a bar a task."""
    if not tasks:
        return "<p>No task ran.</p>"
    begin = min(task["start"] for task in tasks)
    end = max(max(task["stop"] for task in tasks), begin + 1e-6)
    rows: dict[str, int] = {}
    shapes = []
    scale = (_WIDTH - _LABEL) / (end - begin)
    for task, row in _in_rows(tasks):
        place = rows.setdefault(row, len(rows))
        if len(shapes) >= _BARS_MAX:
            continue
        left = _LABEL + (task["start"] - begin) * scale
        width = max((task["stop"] - task["start"]) * scale, 0.5)
        title = f"{task['key']} - {format_time(task['stop'] - task['start'])}, {format_bytes(task.get('nbytes') or 0)}"
        color = "#000" if task.get("status") == "error" else color_of(task["name"])
        shapes.append(
            f"<rect class='task' x='{left:.1f}' y='{place * _ROW}' width='{width:.1f}' height='{_ROW - 2}' "
            f"fill='{color}'><title>{html.escape(title)}</title></rect>"
        )
    for row, place in rows.items():
        shapes.append(f"<text x='0' y='{place * _ROW + 12}'>{html.escape(row[-26:])}</text>")
    return _svg(shapes, _WIDTH, len(rows) * _ROW) + _legend(tasks)


def _in_rows(tasks: Sequence[Mapping[str, Any]]) -> Iterable[tuple[Mapping[str, Any], str]]:
    """Tasks, and the row of each: tasks of one worker that ran at the same time are in rows of their own."""
    ends: dict[str, list[float]] = {}
    for task in sorted(tasks, key=lambda task: task["start"]):
        free = ends.setdefault(task["worker"], [])
        number = next((place for place, end in enumerate(free) if end <= task["start"] + 1e-6), len(free))
        free[number : number + 1] = [task["stop"]]
        yield task, f"{task['worker']}-{number}"


def _legend(tasks: Iterable[Mapping[str, Any]]) -> str:
    times: dict[str, tuple[int, float]] = {}
    for task in tasks:
        count, total = times.get(task["name"], (0, 0.0))
        times[task["name"]] = (count + 1, total + task["stop"] - task["start"])
    entries = []
    for name, (count, total) in sorted(times.items(), key=lambda item: -item[1][1]):
        told = html.escape(f"{name}: {count} tasks, {format_time(total)}")
        entries.append(f"<li><i style='background: {color_of(name)}'></i>{told}</li>")
    return f"<ul>{''.join(entries)}</ul>"


def report_page(summary: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The page of a performance report, as one file that loads nothing."""
    rows = "".join(
        f"<tr><th style='text-align: left; padding-right: 1em'>{html.escape(str(name))}</th>"
        f"<td>{html.escape(str(value))}</td></tr>"
        for name, value in summary.items()
    )
    parts = [f"<table>{rows}</table>"]
    parts += [f"<h2>{html.escape(title)}</h2>{picture}" for title, picture in pictures.items()]
    return str(Page("Performance report", parts))


def write(filename: Any, text: str, **storage_options: Any) -> None:
    """Write a page to a file, or to a URL that fsspec knows."""
    if "://" in str(filename):
        import fsspec

        with fsspec.open(str(filename), mode="w", encoding="utf-8", **storage_options) as file:
            file.write(text)
        return
    with open(filename, "w", encoding="utf-8") as file:
        file.write(text)


def summary(
    tasks: Sequence[Mapping[str, Any]], identity: Mapping[str, Any], elapsed: float, versions: Mapping[str, Any]
) -> dict[str, Any]:
    """The first table of a performance report."""
    compute = sum(task["stop"] - task["start"] for task in tasks)
    threads = identity["total_threads"]
    share = compute / (elapsed * threads) if elapsed and threads else 0.0
    return {
        "Duration": format_time(elapsed),
        "Tasks": len(tasks),
        "Failed tasks": sum(task["status"] != "OK" for task in tasks),
        "Time in tasks": format_time(compute),
        "Share of the workers' threads": f"{100 * share:.0f}%",
        "Bytes of results": format_bytes(sum(task.get("nbytes") or 0 for task in tasks)),
        "Workers": identity["n_workers"],
        "Threads": threads,
        "Memory": format_bytes(identity["total_memory"] or 0),
        "raskr": versions["packages"]["raskr"],
        "Python": versions["packages"]["python"],
    }


def worker_table(identity: Mapping[str, Any]) -> str:
    """The workers of a cluster, as a table."""
    rows = []
    for address, worker in identity["workers"].items():
        memory = format_bytes(worker.get("memory_limit") or 0)
        cells = (worker.get("name"), address, worker.get("nthreads"), memory, worker.get("status"))
        rows.append("".join(f"<td style='padding-right: 1em'>{html.escape(str(cell))}</td>" for cell in cells))
    head = "".join(
        f"<th style='text-align: left'>{name}</th>" for name in ("Name", "Address", "Threads", "Memory", "Status")
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def code(text: str) -> str:
    """Code as it is written."""
    return f"<pre>{html.escape(text)}</pre>"
