"""Calls of partitions that stand on each other alone are one call, where partitions are brought from task to task."""

import pandas as pd
import pytest

import raskr.dataframe as dd
from raskr import compute, datasets
from raskr._bridge import core
from raskr.dataframe.calls import Call, InTurn, flat
from raskr.dataframe.optimizing import chained, optimized


def test_calls_within_calls_are_made_in_turn():
    made = []

    def noted(name, *args, **kwargs):
        made.append(name)
        return name, args, kwargs

    inner = Call(noted, ("a", 1), {"k": 2})
    other = Call(noted, ("b",), {})
    steps, given = flat(Call(noted, ("c", inner, 3), {"x": other, "y": 4}))
    assert made == [] and given == ("c", "a", 1, 2, 3, "b", 4)
    assert InTurn(steps)(*given) == ("c", (("a", (1,), {"k": 2}), 3), {"x": ("b", (), {}), "y": 4})
    assert made == ["a", "b", "c"]


def frame():
    return datasets.timeseries(start="2000-01-01", end="2000-01-05", freq="1h", seed=1)


def tasks(*collections):
    """The results of collections by chained calls, and the number of tasks that it took."""
    nodes = [node for expr in chained(optimized([each._expr for each in collections])) for node in expr.nodes]
    parts = iter(compute(*[core.delayed_of_node(node, None) for node in nodes], scheduler="sync"))
    found = [[next(parts) for _ in range(each._expr.npartitions)] for each in collections]
    return found, len(core.graph_of(nodes)[0])


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda df: (df.x + 1).abs(), 4),
        (lambda df: df[["x"]].map_partitions(pd.DataFrame.abs, meta=df[["x"]]._meta), 4),
        (lambda df: df.name.str.upper().value_counts().to_frame(), 4 + 2),
        # What two calls want is a task: the source, and the column that both take.
        (lambda df: df.x + df.y, 4 + 4),
        # One partition that goes to all calls: its sums and their sum, once.
        (lambda df: df.x - df.x.sum(), 4 + 4 + 1 + 4),
        (lambda df: df.repartition(npartitions=2).x.abs(), 4 + 2 + 2),
    ],
)
def test_results_are_the_same_in_fewer_tasks(make, count):
    collection = make(frame())
    [parts], found = tasks(collection)
    whole = pd.concat(parts)
    expected = collection.compute(scheduler="sync")
    (pd.testing.assert_frame_equal if isinstance(whole, pd.DataFrame) else pd.testing.assert_series_equal)(
        whole, expected
    )
    assert found == count


def test_what_several_results_want_is_made_once(tmp_path):
    def noted(part):
        with open(tmp_path / str(part.index[0].day), "ab") as file:
            file.write(b".")
        return part

    df = frame().x.to_frame()
    noted_once = df.map_partitions(noted, meta=df._meta)
    results, _ = tasks(noted_once.x + 1, noted_once.x * 2, noted_once)
    assert pd.concat(results[0]).equals(pd.concat(results[2]).x + 1)
    assert {file.name: file.stat().st_size for file in tmp_path.iterdir()} == {str(day): 1 for day in range(1, 5)}


def test_expressions_stay_as_they_were():
    df = dd.from_pandas(pd.DataFrame({"x": range(10)}), npartitions=2)
    below = df.map_partitions(abs, meta=df._meta)
    above = below.map_partitions(abs, meta=df._meta)
    tasks(above)
    assert not below._expr.within and above._expr.children[0] is below._expr
    assert len(below.compute(scheduler="sync")) == 10
