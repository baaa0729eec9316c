"""Graphs that libraries build: tasks as objects, layers, layers by index rules, expressions over graphs."""

import pickle
from operator import add

import numpy as np
import pytest

import raskr
import raskr.array as da
from raskr._expr import Expr, FinalizeCompute, LLGExpr, collections_to_expr
from raskr._helpers import _deprecated, _deprecated_kwarg
from raskr._task_spec import (
    Alias,
    DataNode,
    Dict,
    GraphNode,
    List,
    Set,
    Task,
    TaskRef,
    Tuple,
    convert_legacy_graph,
    cull,
    execute_graph,
    fuse_linear_task_spec,
    parse_input,
    resolve_aliases,
)
from raskr.blockwise import BlockIndex, BlockwiseDepDict, blockwise, optimize_blockwise
from raskr.delayed import Delayed
from raskr.highlevelgraph import HighLevelGraph, MaterializedLayer


def args_of(*args, **kwargs):
    return args, kwargs


# --- tasks as objects ---------------------------------------------------------------------------------------------------
def test_graphs_mix_task_objects_and_tuples():
    graph = {
        "a": 1,
        "b": Task("b", add, TaskRef("a"), 2),
        "c": List(TaskRef("b"), Tuple(TaskRef("a"), 5)),
        "d": Alias("d", "c"),
        "e": DataNode("e", (add, 1, 2)),
        "f": (add, "b", "a"),
        "g": Dict({"x": TaskRef("f"), "y": Set(TaskRef("a"))}),
    }
    assert raskr.get(graph, ["b", "d", "e", "f", "g"]) == (3, [3, (1, 5)], (add, 1, 2), 4, {"x": 4, "y": {1}})
    assert raskr.threaded.get(graph, "g") == {"x": 4, "y": {1}}


def test_a_task_says_what_is_missing():
    task = Task("k", args_of, TaskRef("a"), x=TaskRef("b"))
    assert task.dependencies == {"a", "b"}
    assert task({"a": 1, "b": 2}) == ((1,), {"x": 2})
    with pytest.raises(RuntimeError, match="missing keys {'b'}"):
        task({"a": 1})


def test_substitution_replaces_keys_by_keys_and_by_nodes():
    task = Task("k", args_of, TaskRef("a"), [1], x=TaskRef("b"))
    renamed = task.substitute({"a": "c"}, key="n")
    assert (renamed.key, renamed.dependencies) == ("n", {"b", "c"})
    nested = task.substitute({"a": Task(None, add, TaskRef("q"), 1), "b": DataNode("b", 7)})
    assert nested({"q": 4}) == ((5, [1]), {"x": 7})
    assert task.substitute({"other": "c"}) is task
    assert Alias("x", "y").substitute({"y": DataNode("y", 3)}).key == "x"
    assert Dict({"x": TaskRef("a")}).substitute({"a": "b"})({"b": 1}) == {"x": 1}


def test_equality_and_pickling_go_by_content():
    task = Task("k", args_of, TaskRef("a"), List(1, TaskRef("b")), x=Dict({"y": TaskRef("c")}))
    again = pickle.loads(pickle.dumps(task))
    assert again == task and hash(again) == hash(task) and again.copy() == task
    assert again({"a": 1, "b": 2, "c": 3}) == ((1, [1, 2]), {"x": {"y": 3}})
    assert Task("k", args_of, 1) != Task("k", args_of, 2)
    assert TaskRef("a") != "a"


def test_containers_are_parsed_where_they_hold_references():
    assert parse_input([1, 2]) == [1, 2]
    assert parse_input({"a": [TaskRef("x")], "b": (1, TaskRef("y"))})({"x": 1, "y": 2}) == {"a": [1], "b": (1, 2)}


def test_fused_tasks_need_what_their_parts_need_from_outside():
    inner = Task("y", add, TaskRef("x"), 10)
    whole = GraphNode.fuse(Task("z", add, TaskRef("y"), TaskRef("w")), inner, key="zz")
    assert (whole.key, whole.dependencies) == ("zz", {"x", "w"})
    assert raskr.get({"x": 1, "w": 5, "zz": whole}, "zz") == 16
    with pytest.raises(ValueError, match="multiple outputs"):
        GraphNode.fuse(Task("p", add, 1, 1), inner)


def test_graphs_of_nodes_are_rewritten():
    graph = convert_legacy_graph({"a": 1, "b": (add, "a", [1].__len__()), "c": (add, "b", "b"), "d": "c", "other": 5})
    assert execute_graph(graph, keys=["d"]) == {"d": 4}
    assert set(cull(graph, ["d"])) == {"a", "b", "c", "d"}
    resolved = resolve_aliases(cull(graph, ["d"]), {"d"}, {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()})
    assert set(resolved) == {"a", "b", "d"} and raskr.get(resolved, "d") == 4
    fused = fuse_linear_task_spec(cull(graph, ["d"]), {"d"})
    assert len(fused) == 2 and raskr.get(fused, "d") == 4


# --- layers -------------------------------------------------------------------------------------------------------------
def test_layers_over_collections_are_computed():
    x = da.arange(4, chunks=2)
    name = "doubled"
    layer = {(name, i): (add, (x.name, i), (x.name, i)) for i in range(2)}
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[x])
    assert graph.dependencies[name] == {x.name}
    graph.validate()
    np.testing.assert_array_equal(da.Array(graph, name, x.chunks, dtype=x.dtype).compute(), [0, 2, 4, 6])
    total = HighLevelGraph.from_collections(
        "total", {"total": (np.sum, (name, 0))}, [da.Array(graph, name, x.chunks, x.dtype)]
    )
    assert Delayed("total", total).compute() == 2


def test_culling_keeps_what_keys_need():
    graph = HighLevelGraph(
        {"a": {("a", 0): 1, ("a", 1): 2}, "b": {("b", 0): (abs, ("a", 0)), ("b", 1): (abs, ("a", 1))}, "c": {"c": 3}},
        {"a": set(), "b": {"a"}, "c": set()},
    )
    part = graph.cull([[("b", 1)]])
    assert sorted(part) == [("a", 1), ("b", 1)] and part.dependencies == {"a": set(), "b": {"a"}}
    assert graph.cull_layers(["b"]).layers.keys() == {"a", "b"}
    assert graph.get_all_dependencies()["b", 0] == {("a", 0)}
    assert graph.dependents == {"a": {"b"}, "b": set(), "c": set()}
    assert graph["b", 0] == (abs, ("a", 0)) and len(graph) == 5
    with pytest.raises(KeyError):
        graph["nope"]


def test_wrong_layers_are_named():
    with pytest.raises(ValueError, match="'q' not found"):
        HighLevelGraph({"a": {"a": 1}}, {"a": {"q"}}).validate()
    with pytest.raises(ValueError, match="incorrect HLG dependencies"):
        HighLevelGraph({"a": {"a": (abs, "q")}, "q": {"q": 1}}, {"a": set(), "q": set()}).validate()
    with pytest.raises(TypeError, match="int"):
        HighLevelGraph.from_collections("a", {"a": 1}, dependencies=[3])


def test_cloned_layers_wait_for_what_they_are_bound_to():
    layer = MaterializedLayer({"a-1": (abs, -1), "b-1": (add, "a-1", 1)})
    copy, bound = layer.clone(keys={"a-1", "b-1"}, seed="s", bind_to="first")
    (last,) = [key for key in copy if key.startswith("b")]
    assert bound and not set(copy) & set(layer)
    assert raskr.get({**copy, "first": None}, last) == 2
    (start,) = [key for key in copy if key.startswith("a")]
    assert copy.get_dependencies(start, {*copy, "first"}) == {"first"}


def test_annotations_in_force_are_kept_by_layers():
    with raskr.annotate(priority=3):
        layer = MaterializedLayer({"a": 1})
    assert layer.annotations == {"priority": 3}
    assert MaterializedLayer({"a": 1}).annotations is None


# --- layers by index rules ----------------------------------------------------------------------------------------------
def test_blocks_follow_the_indices():
    x = {("x", i, k): f"x{i}{k}" for i in range(2) for k in range(2)}
    y = {("y", k, 0): f"y{k}" for k in range(2)}
    layer = blockwise(args_of, "z", "ij", "x", "ik", "y", "kj", 5, None, numblocks={"x": (2, 2), "y": (2, 1)}, q=1)
    assert len(layer) == 2 and set(layer.get_output_keys()) == {("z", 0, 0), ("z", 1, 0)}
    assert raskr.get({**x, **y, **layer}, ("z", 1, 0)) == ((["x10", "x11"], ["y0", "y1"], 5), {"q": 1})


def test_single_blocks_serve_all_and_new_axes_have_blocks():
    layer = blockwise(add, "w", "i", "p", "i", "q", "i", numblocks={"p": (1,), "q": (3,)})
    assert raskr.get({("p", 0): 10, **{("q", i): i for i in range(3)}, **layer}, [("w", 0), ("w", 2)]) == (10, 12)
    layer = blockwise(args_of, "w", "ia", "x", "i", numblocks={"x": (1,)}, new_axes={"a": (3, 3)})
    assert sorted(layer) == [("w", 0, 0), ("w", 0, 1)]
    with pytest.raises(ValueError, match="do not align"):
        len(blockwise(add, "w", "i", "p", "i", "q", "i", numblocks={"p": (2,), "q": (3,)}))


def test_contracted_blocks_are_joined_when_asked():
    layer = blockwise(np.sum, "s", "i", "x", "ijk", numblocks={"x": (1, 2, 2)}, concatenate=True)
    x = {("x", 0, j, k): np.ones((1, j + 1, k + 1)) for j in range(2) for k in range(2)}
    assert raskr.get({**x, **layer}, ("s", 0)) == 9


def test_arguments_may_differ_by_block_or_be_collections():
    names = BlockwiseDepDict({(0,): "a", (1,): "b"})
    layer = blockwise(args_of, "w", "i", names, "i", BlockIndex((2,)), "i", numblocks={}, z=raskr.delayed(abs)(-4))
    assert raskr.get(dict(layer), ("w", 1)) == (("b", (1,)), {"z": 4})


def test_chains_of_layers_become_one():
    b = blockwise(add, "b", "i", "a", "i", 1, None, numblocks={"a": (2,)})
    c = blockwise(add, "c", "i", "b", "i", "a", "i", numblocks={"a": (2,), "b": (2,)})
    d = blockwise(sum, "d", "", "c", "i", numblocks={"c": (2,)})
    layers = {"a": {("a", 0): 1, ("a", 1): 2}, "b": b, "c": c, "d": d}
    graph = HighLevelGraph(layers, {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"c"}})
    fused = optimize_blockwise(graph, [("c", 0), ("d",)])
    assert fused.layers.keys() == {"a", "c", "d"} and fused.dependencies["c"] == {"a"}
    assert raskr.get(fused, [("c", 1), ("d",)]) == (5, 8)
    assert raskr.get(fused.cull([("c", 1)]), ("c", 1)) == 5


def test_diamonds_of_layers_become_one():
    def one(name, *needed):
        pairs = [part for other in needed for part in (other, "i")]
        return blockwise(
            add, name, "i", *pairs, *([1, None] if len(needed) == 1 else []), numblocks={n: (1,) for n in needed}
        )

    layers = {"x": {("x", 0): 1}, "y": one("y", "x"), "w": one("w", "y"), "a": one("a", "y"), "c": one("c", "a", "w")}
    graph = HighLevelGraph(layers, {"x": set(), "y": {"x"}, "w": {"y"}, "a": {"y"}, "c": {"a", "w"}})
    fused = optimize_blockwise(graph, [("c", 0)])
    assert fused.layers.keys() == {"x", "c"} and raskr.get(fused, ("c", 0)) == raskr.get(graph, ("c", 0)) == 6


# --- expressions over graphs --------------------------------------------------------------------------------------------
class Number(Expr):
    _parameters = ["value", "extra"]
    _defaults = {"extra": 7}

    def _layer(self):
        return {self._name: DataNode(self._name, self.value)}


class Sum(Expr):
    _parameters = ["left", "right"]

    def _layer(self):
        return {self._name: Task(self._name, add, TaskRef(self.left._name), TaskRef(self.right._name))}

    def _simplify_down(self):
        return self.left if isinstance(self.right, Number) and self.right.value == 0 else None


def test_expressions_give_graphs_and_are_rewritten():
    three = Number(3)
    total = Sum(three, Number(value=4))
    assert (three.extra, total.dependencies()[0], Number(3)._name) == (7, three, three._name)
    assert raskr.get(total.__dask_graph__(), total._name) == 7
    assert Sum(Sum(three, Number(0)), Number(0)).optimize() == three
    assert repr(total.substitute(three, Number(9)).left) == "Number(value=9, extra=7)"
    assert pickle.loads(pickle.dumps(total)) == total
    assert len(list(total.find_operations(Number))) == 2
    with pytest.raises(AttributeError, match="nothing"):
        _ = three.nothing
    with pytest.raises(TypeError, match="right"):
        Sum(three)


def test_collections_become_expressions_with_one_key_each():
    x, y = da.arange(5, chunks=2), raskr.delayed(add)(1, 2)
    whole = FinalizeCompute(collections_to_expr([x, y, y])).optimize()
    (first,), (second,), (third,) = whole.__dask_keys__()
    array, *numbers = raskr.get(whole.__dask_graph__(), [first, second, third])
    np.testing.assert_array_equal(array, np.arange(5))
    assert numbers == [3, 3]
    assert raskr.get(LLGExpr({"x": 1, "y": (add, "x", 1)}).__dask_graph__(), "y") == 2
    assert len(collections_to_expr(x).__dask_keys__()) == 3


# --- helpers ------------------------------------------------------------------------------------------------------------
def test_deprecated_names_and_keywords_warn():
    @_deprecated(after_version="1.0", use_instead="bar")
    def old():
        return 1

    @_deprecated_kwarg("a", "b", mapping={"x": "y"})
    def renamed(b=1):
        return b

    with pytest.warns(FutureWarning, match="old was deprecated after version 1.0 .* Please use bar instead"):
        assert old() == 1
    with pytest.warns(FutureWarning, match="the a='x' keyword is deprecated, use b='y' instead"):
        assert renamed(a="x") == "y"
    with pytest.raises(TypeError, match="Can only specify 'a' or 'b'"):
        renamed(a=1, b=2)


def test_tracebacks_leave_out_what_the_setting_names():
    from raskr.utils import shorten_traceback

    def inner():
        raise ValueError("here")

    with (
        pytest.raises(ValueError, match="here") as caught,
        raskr.config.set({"admin.traceback.shorten": [".*functools.*"]}),
    ):
        with shorten_traceback():
            inner()
    assert caught.traceback[-1].name == "inner"


def test_templates_without_jinja2_say_what_is_missing(monkeypatch):
    import sys

    from raskr.widgets import FILTERS, get_template

    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert FILTERS["format_bytes"](2048) == "2.00 kiB"
    with pytest.raises(RuntimeError, match="jinja2"):
        get_template("nothing.html.j2")


# --- other schedulers ---------------------------------------------------------------------------------------------------
def test_processes_compute_what_stands_on_arrays():
    x = da.random.default_rng(1).normal(size=(6, 4), chunks=3)
    y = (x + 1).map_blocks(np.sort)
    np.testing.assert_array_equal(y.compute(scheduler="processes", num_workers=1), y.compute())
    total = raskr.delayed(add)(x.sum(), 1)
    assert total.compute(scheduler="processes", num_workers=1) == total.compute()


def test_tasks_of_an_array_over_a_graph_have_different_keys():
    x = da.Array({("x", i): (np.full, 2, i) for i in range(2)}, "x", chunks=((2, 2),), dtype=int)
    graph = x.__dask_graph__()
    np.testing.assert_array_equal(np.concatenate(raskr.get(graph, x.__dask_keys__())), [0, 0, 1, 1])
    (total,) = raskr.compute(x.sum(), scheduler=raskr.core.get)
    assert total == 2


def test_only_scalars_of_numpy_are_scalars_here():
    x = da.ones((1, 1))
    for array in (
        da.asarray(5),
        da.ones(()),
        x.squeeze(),
        x.reshape(()),
        da.where(x[0, 0] > 0, 1, 2),
        da.ones(()).astype("f4"),
    ):
        assert isinstance(array.compute(), np.ndarray)
    for scalar in (x[0, 0], x.sum(), da.ones(()) + 1, x.squeeze()[()] * 2):
        assert isinstance(scalar.compute(), np.generic)
    y = x[0, 0]
    y[()] = 2
    assert isinstance(y.compute(), np.ndarray) and y.compute() == 2
