"""Profilers, the page that is drawn of them, progress bars, and what callbacks are shown."""

import concurrent.futures
import io
import threading
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import raskr
import raskr.array as da
from raskr import delayed
from raskr._task_spec import Task
from raskr.callbacks import Callback
from raskr.diagnostics import CacheProfiler, Profiler, ProgressBar, ResourceProfiler, visualize
from raskr.diagnostics.profile_visualize import Page, _short, _steps

GRAPH = {"a": 1, "b": (abs, -2), "c": (max, "a", "b"), "d": (sum, ["b", "c"])}


@pytest.fixture(params=["sync", "threads", "executor"])
def get(request):
    if request.param != "executor":
        yield raskr.base.named_schedulers[request.param]
        return
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield lambda graph, keys: raskr.base.get_scheduler(scheduler=pool)(graph, keys)


# --- what callbacks are shown -----------------------------------------------------------------------------------------
def test_callbacks_are_shown_tasks_and_what_they_need(get):
    seen = {}

    def begun(dsk, state):
        seen["needs"] = {key: set(state["dependencies"][key]) for key in dsk}
        seen["used"] = {key: set(state["dependents"][key]) for key in dsk}
        seen["tasks"] = {key: dsk[key] for key in dsk if key != "a"}

    with Callback(start_state=begun):
        assert get(GRAPH, "d") == 4
    assert seen["needs"] == {"a": set(), "b": set(), "c": {"a", "b"}, "d": {"b", "c"}}
    assert seen["used"] == {"a": {"c"}, "b": {"c", "d"}, "c": {"d"}, "d": set()}
    assert all(isinstance(task, Task) for task in seen["tasks"].values())
    assert seen["tasks"]["c"]({"a": 1, "b": 2}) == 2


def test_callbacks_may_give_values_in_place_of_tasks(get):
    ran = []

    def replace(dsk):
        dsk["c"] = [7]
        with pytest.raises(KeyError):
            dsk["nothing"] = 1
        with pytest.raises(TypeError, match="can be replaced by a value"):
            del dsk["b"]

    graph = {"b": (ran.append, 1), "c": (ran.append, "b"), "d": (len, "c")}
    with Callback(start=replace):
        assert get(graph, "d") == 1
    assert ran == []


def test_values_in_place_of_blocks_of_arrays():
    x = da.zeros(4, chunks=2).map_blocks(lambda block: block, dtype=float)
    key = str((x.name, 1))

    def replace(dsk):
        for each in dsk:
            if str(each) == key:
                dsk[each] = np.full(2, 5.0)

    with Callback(start=replace):
        assert x.compute().tolist() == [0, 0, 5, 5]
        assert x.persist().compute().tolist() == [0, 0, 5, 5]


# --- profilers --------------------------------------------------------------------------------------------------------
def test_a_profiler_records_every_task(get):
    with Profiler() as profiler:
        inside = time.perf_counter()
        get(GRAPH, "d")
    assert profiler.start_time < inside < profiler.end_time
    # Executors are handed constants too.
    assert sorted({result.key for result in profiler.results} - {"a"}) == ["b", "c", "d"]
    for result in profiler.results:
        assert isinstance(result.task, Task)
        assert inside <= result.start_time <= result.end_time <= profiler.end_time
    profiler.clear()
    assert profiler.results == []


def test_a_resource_profiler_sees_children():
    def busy():
        data = bytearray(b"x") * 100_000_000
        begun = time.process_time()
        while time.process_time() - begun < 0.3:
            data[0] ^= 1
        return len(data)

    with ResourceProfiler(dt=0.02) as alone:
        pass
    with ResourceProfiler(dt=0.02) as profiler:
        delayed(busy)().compute(scheduler="processes", num_workers=1)
    assert max(result.mem for result in profiler.results) > alone.results[0].mem + 90
    assert max(result.cpu for result in profiler.results) > 20
    assert not profiler._is_running()
    assert threading.active_count() == len(threading.enumerate())


def test_a_cache_profiler_measures_what_is_kept():
    with CacheProfiler(len, metric_name="items") as profiler:
        raskr.get({"x": (list, (range, 3)), "y": (sorted, "x")}, "y")
    assert [(result.key, result.metric) for result in profiler.results] == [("x", 3), ("y", 3)]
    first, second = profiler.results
    assert first.cache_time <= second.cache_time <= first.free_time <= second.free_time


# --- the page ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def profilers():
    recorded = [Profiler(), ResourceProfiler(dt=0.01), CacheProfiler()]
    with recorded[0], recorded[1], recorded[2]:
        raskr.get({"<a&'b>": (abs, -1), "c": (max, "<a&'b>", 2)}, "c")
    return recorded


def test_the_page_is_one_file_that_loads_nothing(profilers, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    path = tmp_path / "profile.html"
    page = visualize(profilers, filename=str(path), title="Here & there", width=500, height=200)
    assert opened == [path.as_uri()]
    text = path.read_text()
    assert text == str(page)
    for outside in ("http", "src=", "href", "url(", "@import", "<script", "<link"):
        assert outside not in text
    # Well-formed, but for what HTML writes without an end.
    tree = ElementTree.fromstring(text.replace("<!DOCTYPE html>", "").replace("<meta charset='utf-8'>", ""))
    pictures = tree.findall(".//svg")
    assert [(svg.get("width"), svg.get("height")) for svg in pictures] == [("500", "200")] * 3
    shown = [title.text for title in tree.findall(".//svg//title")]
    assert any(title.startswith("<a&'b>: ") for title in shown)
    assert tree.find(".//h1").text == tree.find(".//title").text == "Here & there"


def test_each_task_is_a_bar_where_and_when_it_ran(profilers):
    (svg,) = ElementTree.fromstring("<r>" + visualize(profilers[0], save=False).pictures[0] + "</r>").findall(".//svg")
    bars = [rect for rect in svg.findall("rect") if rect.get("class") == "task"]
    frame = next(rect for rect in svg.findall("rect") if rect.get("class") == "frame")
    assert len(bars) == len(profilers[0].results) == 2
    left, right = float(frame.get("x")), float(frame.get("x")) + float(frame.get("width"))
    for bar in bars:
        assert left <= float(bar.get("x")) <= float(bar.get("x")) + float(bar.get("width")) <= right + 1


def test_profiles_without_results_are_drawn():
    empty = [Profiler(), ResourceProfiler(), CacheProfiler()]
    assert len(visualize(empty, save=False).pictures) == 3
    assert visualize([], save=False).pictures == []
    empty[1].results = [(1.0, 0, 0)]
    assert "polyline" in str(empty[1].visualize(save=False))


def test_a_page_is_shown_by_notebooks_in_a_frame_of_its_own():
    page = Page("It's", ["<p>&amp;</p>"])
    assert page._repr_html_().startswith("<iframe srcdoc='&lt;!DOCTYPE html&gt;")
    assert page._repr_html_().count("'") == 4
    assert repr(page) == '<page "It\'s" of 1 pictures>'


def test_arguments_of_a_page(profilers, tmp_path):
    page = visualize(profilers[0], save=False, tools="hover", palette="Viridis", plot_width=321)
    assert "width='321'" in str(page)
    with pytest.raises(AttributeError, match="foo_bar"):
        visualize(profilers[0], save=False, foo_bar=1)
    with pytest.raises(TypeError, match="draws profilers, got a int"):
        visualize([1], save=False)
    profilers[0].visualize(filename=None)
    with pytest.warns(FutureWarning, match="file_path keyword argument is deprecated"):
        visualize(profilers[0], file_path=str(tmp_path / "p.html"), show=False)
    assert (tmp_path / "p.html").exists()


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (105, [0, 20, 40, 60, 80, 100]),
        (0.03, [0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03]),
    ],
)
def test_steps_are_round(top, expected):
    assert _steps(top) == pytest.approx(expected)


def test_long_numbers_are_shortened():
    assert [_short(value) for value in (0, 0.5, 2500, 20_000, 1.5e6, 2e9)] == ["0", "0.5", "2500", "20k", "1.5M", "2G"]


# --- progress ---------------------------------------------------------------------------------------------------------
def test_a_progress_bar_ends_where_the_computation_does(get):
    out = io.StringIO()
    with ProgressBar(out=out, width=10) as bar:
        get(GRAPH, "d")
    last = out.getvalue().rpartition("\r")[2]
    assert last.startswith("[##########] | 100% Completed | ")
    assert last.endswith("s\n")
    assert bar.last_duration > 0


def test_a_progress_bar_stays_where_the_computation_failed(get):
    out = io.StringIO()
    with ProgressBar(out=out), pytest.raises(ZeroDivisionError):
        get({"x": (abs, -1), "y": (divmod, "x", 0), "z": (sum, ["x", "y"])}, "z")
    assert "100%" not in out.getvalue()


def test_short_computations_show_no_bar():
    out = io.StringIO()
    with ProgressBar(out=out, minimum=60):
        raskr.get(GRAPH, "d")
    assert out.getvalue() == ""
