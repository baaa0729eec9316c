"""Rows moved between partitions: repartitioning, shuffles, sorting, joins, concatenation, distinct rows."""

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.dataframe as dd
from raskr.dataframe.native import ready
from raskr.dataframe.optimizing import optimized


@pytest.fixture
def table():
    source = np.random.default_rng(0)
    return pd.DataFrame(
        {"k": source.integers(0, 50, 500), "v": source.random(500), "s": source.choice(list("abcdé"), 500)}
    )


@pytest.fixture
def other():
    source = np.random.default_rng(1)
    return pd.DataFrame({"k": source.permutation(60), "w": source.random(60)})


def ordered(frame, by):
    frame = frame.compute() if hasattr(frame, "compute") else frame
    return frame.sort_values(by).reset_index(drop=True)


def lengths(df):
    return [len(part) for part in raskr.compute(*df.to_delayed())]


@pytest.mark.parametrize("count", [1, 3, 7, 20])
@pytest.mark.parametrize("known", [True, False])
def test_repartitioning_keeps_rows_in_order(table, count, known):
    df = dd.from_pandas(table, npartitions=7)
    df = df if known else df.clear_divisions()
    got = df.repartition(npartitions=count)
    assert got.npartitions == count and got.known_divisions == known
    pd.testing.assert_frame_equal(got.compute(), table)
    assert max(lengths(got)) < 3 * 500 / count + 10


def test_divisions_sizes_and_times_cut_partitions(table):
    df = dd.from_pandas(table, npartitions=4)
    cut = df.repartition(divisions=(0, 10, 300, 499))
    assert lengths(cut) == [10, 290, 200]
    assert df.repartition(divisions=(-5, 10, 900), force=True).divisions == (-5, 10, 900)
    for bad, words in [((1, 499), "left side"), ((0, 400), "right side"), ((0, 9, 5, 499), "sorted")]:
        with pytest.raises(ValueError, match=words):
            df.repartition(divisions=bad)
    small = df.repartition(partition_size=2000)
    assert max(part.memory_usage(deep=True).sum() for part in raskr.compute(*small.to_delayed())) < 4000
    pd.testing.assert_frame_equal(small.compute(), table)
    times = table.set_index(pd.date_range("2020-01-01", periods=500, freq="h"))
    daily = dd.from_pandas(times, npartitions=3).repartition(freq="1D")
    assert lengths(daily) == [24] * 20 + [20]
    with pytest.raises(ValueError, match="exactly one"):
        df.repartition()


@pytest.mark.parametrize("count", [3, 70, 130])
def test_shuffles_bring_equal_keys_together(table, count):
    got = dd.from_pandas(table, npartitions=5).shuffle("k", npartitions=count)
    parts = raskr.compute(*got.to_delayed())
    assert len(parts) == count
    assert sum(part.k.nunique() for part in parts) == table.k.nunique()
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), table)


def test_shuffles_by_index_and_series(table):
    df = dd.from_pandas(table, npartitions=4)
    pd.testing.assert_frame_equal(df.shuffle(on_index=True).compute().sort_index(), table)
    parts = raskr.compute(*df.shuffle(df.k % 5).to_delayed())
    assert sum((part.k % 5).nunique() for part in parts) == 5
    with pytest.raises(KeyError, match="nope"):
        df.shuffle("nope")


@pytest.mark.parametrize("key", ["k", "v", "s"])
def test_set_index_sorts_and_knows_divisions(table, key):
    got = dd.from_pandas(table, npartitions=5).set_index(key)
    assert got.known_divisions and list(got.divisions) == sorted(got.divisions)
    for part, low, high in zip(raskr.compute(*got.to_delayed()), got.divisions, got.divisions[1:]):
        assert part.index.is_monotonic_increasing
        assert not len(part) or low <= part.index.min() and part.index.max() <= high
    expected = table.set_index(key)
    columns = list(expected.columns)
    whole = got.compute()
    pd.testing.assert_frame_equal(
        whole.sort_values(columns).sort_index(kind="stable"), expected.sort_values(columns).sort_index(kind="stable")
    )


def test_set_index_of_sorted_rows_moves_only_what_neighbours_share():
    table = pd.DataFrame({"a": [1, 1, 2, 2, 2, 3, 3, 4], "b": range(8)})
    df = dd.from_pandas(table, npartitions=4)
    got = df.set_index("a", sorted=True)
    assert got.divisions == (1, 2, 3, 4) and lengths(got) == [2, 3, 3]
    pd.testing.assert_frame_equal(got.compute(), table.set_index("a"))
    with pytest.raises(ValueError, match="sorted"):
        dd.from_pandas(table.iloc[::-1].reset_index(drop=True), npartitions=4).set_index("a", sorted=True)
    given = df.set_index("a", divisions=[1, 3, 4])
    assert given.divisions == (1, 3, 4) and lengths(given) == [5, 3]
    assert df.set_index("a", sort=False).divisions == (None,) * 5
    pd.testing.assert_frame_equal(df.set_index(df.b * 2).compute(), table.set_index(table.b * 2))


@pytest.mark.parametrize("ascending", [True, False, [False, True]])
@pytest.mark.parametrize("na_position", ["first", "last"])
def test_sort_values_sorts_across_partitions(table, ascending, na_position):
    table.loc[::7, "s"] = None
    options = {"ascending": ascending, "na_position": na_position}
    got = dd.from_pandas(table, npartitions=5).sort_values(["s", "v"], **options).compute()
    pd.testing.assert_frame_equal(got, table.sort_values(["s", "v"], **options))


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("broadcast", [None, True, False])
def test_joins_are_those_of_pandas(table, other, how, broadcast):
    left, right = dd.from_pandas(table, npartitions=6), dd.from_pandas(other, npartitions=3)
    want = ordered(table.merge(other, on="k", how=how), ["k", "v"])
    pd.testing.assert_frame_equal(ordered(left.merge(right, on="k", how=how, broadcast=broadcast), ["k", "v"]), want)
    pd.testing.assert_frame_equal(ordered(left.merge(other, on="k", how=how), ["k", "v"]), want)
    indexed = other.set_index("k")
    want = ordered(table.merge(indexed, left_on="k", right_index=True, how=how), ["k", "v"])
    got = left.merge(right.set_index("k"), left_on="k", right_index=True, how=how, broadcast=broadcast)
    pd.testing.assert_frame_equal(ordered(got, ["k", "v"]), want)
    want = ordered(table.set_index("k").join(indexed, how=how).reset_index(), ["k", "v"])
    both = left.set_index("k").join(right.set_index("k"), how=how)
    assert both.known_divisions
    pd.testing.assert_frame_equal(ordered(both.compute().reset_index(), ["k", "v"]), want)


def test_keys_of_different_types_meet(table, other):
    left, right = dd.from_pandas(table, npartitions=3), dd.from_pandas(other.astype({"k": float}), npartitions=4)
    got = left.merge(right, on="k", broadcast=False)
    assert len(got) == len(table.merge(other, on="k"))
    words = table.assign(s=table.s.astype("category"))
    names = pd.DataFrame({"s": pd.Categorical(list("cba")), "n": [3, 2, 1]})
    got = dd.from_pandas(words, npartitions=3).merge(dd.from_pandas(names, npartitions=2), on="s", broadcast=False)
    assert len(got) == len(table.merge(names.astype({"s": object}), on="s"))


def test_joins_and_sorts_declare_only_the_columns_that_are_read(table, other, tmp_path):
    for name, rows in (("left", table), ("right", other.assign(v=1.5, w=2))):
        dd.from_pandas(rows, npartitions=3).to_parquet(tmp_path / name, write_index=False)
    left, right = dd.read_parquet(tmp_path / "left"), dd.read_parquet(tmp_path / "right")
    joined = left.merge(right, on="k", how="left")
    for found, columns in (
        (joined[["k", "v_y"]], {"k", "v_x", "v_y"}),
        (joined[["s"]], {"k", "s"}),
        (left.sort_values("v")[["s"]], {"v", "s"}),
        (left.set_index("k")[["s"]], {"s"}),
    ):
        [narrowed] = optimized([found._expr])
        [below] = narrowed.children
        assert set(below.meta.columns) == columns
        assert ready([narrowed])[1]
        whole = found.compute()
        assert list(whole.columns) == list(found.columns) and len(whole) >= len(table)


def test_joins_of_filtered_files_are_native_when_few_columns_are_wanted(table, other, tmp_path):
    for name, rows in (("left", table), ("right", other.assign(v=1.5, w=2))):
        dd.from_pandas(rows, npartitions=3).to_parquet(tmp_path / name, write_index=False)
    left, right = dd.read_parquet(tmp_path / "left"), dd.read_parquet(tmp_path / "right")
    found = left.merge(right[right.k < 20], on="k")[["s", "v_y"]]
    [narrowed] = optimized([found._expr])
    assert any("join inner" in plan.explain() for plan in ready([narrowed])[1])
    wanted = table.merge(other[other.k < 20].assign(v=1.5, w=2), on="k")[["s", "v_y"]]
    pd.testing.assert_frame_equal(ordered(found, ["s"]), ordered(wanted, ["s"]))


def test_ways_of_joins_are_those_that_were_asked_for(capsys, tmp_path):
    table = pd.DataFrame({name: range(400_000) for name in "kabcdef"})
    large, few = dd.from_pandas(table, npartitions=4), dd.from_pandas(table.head(8), npartitions=2)
    # Of the filtered side, of which 22 MB are read, only the computation tells how much there is.
    for sides, options, words, late in (
        ((large, large[large.a < 9]), {}, "join inner on l0 = r0\n", True),
        ((large, large[large.a < 9]), {"broadcast": True}, "left side whole to every partition\n", False),
        ((large, large[large.a < 9]), {"broadcast": False}, "both sides exchanged\n", False),
        (
            (large, large[large.a < 9]),
            {"broadcast": True, "how": "left"},
            "right side whole to every partition\n",
            False,
        ),
        ((large, large), {}, "join inner on l0 = r0\n", False),
        ((large, few), {}, "join inner on l0 = r0\n", False),
        ((large, few), {"broadcast": False}, "both sides exchanged\n", False),
    ):
        sides[0].merge(sides[1], on="k", **options).explain("physical")
        shown = capsys.readouterr().out
        assert words in shown
        assert ("chosen when it runs" in shown) == ("measured" in shown) == late


def test_semi_and_anti_joins_filter(table, other):
    few = other[other.k < 20]
    left, right = dd.from_pandas(table, npartitions=6), dd.from_pandas(few, npartitions=3)
    found = table[table.k.isin(few.k)]
    pd.testing.assert_frame_equal(left.merge(right, on="k", how="leftsemi").compute().sort_index(), found)
    rest = table[~table.k.isin(few.k)]
    pd.testing.assert_frame_equal(left.merge(right, on="k", how="leftanti").compute().sort_index(), rest)


def test_bad_joins_are_named(table, other):
    left, right = dd.from_pandas(table, npartitions=2), dd.from_pandas(other, npartitions=2)
    with pytest.raises(ValueError, match="how"):
        left.merge(right, how="sideways")
    with pytest.raises(KeyError, match="nope"):
        left.merge(right, on="nope")
    with pytest.raises(pd.errors.MergeError, match="not a combination"):
        left.merge(right, on="k", left_on="k")
    with pytest.raises(ValueError, match="overlap"):
        left.join(right)


def test_concatenation_along_both_axes(table, other):
    low, high = table.iloc[:200], table.iloc[200:].assign(extra=1)
    parts = [dd.from_pandas(low, npartitions=2), dd.from_pandas(high, npartitions=3)]
    got = dd.concat(parts)
    assert got.known_divisions and got.npartitions == 5
    pd.testing.assert_frame_equal(got.compute(), pd.concat([low, high]))
    pd.testing.assert_frame_equal(dd.concat(parts, join="inner").compute(), pd.concat([low, high], join="inner"))
    assert not dd.concat(parts[::-1]).known_divisions
    mixed = dd.concat([parts[0], parts[0].assign(v=1)], interleave_partitions=True)
    assert mixed.divisions == parts[0].divisions and len(mixed) == 400
    beside = dd.concat([parts[0], dd.from_pandas(other, npartitions=4).rename(columns={"k": "z"})], axis=1)
    pd.testing.assert_frame_equal(beside.compute(), pd.concat([low, other.rename(columns={"k": "z"})], axis=1))
    with pytest.raises(TypeError, match="list"):
        dd.concat(parts[0])
    with pytest.raises(ValueError, match="join"):
        dd.concat(parts, join="sideways")


@pytest.mark.parametrize("direction", ["backward", "forward", "nearest"])
@pytest.mark.parametrize("by", [None, "s"])
def test_nearest_rows_are_found_across_partitions(direction, by):
    source = np.random.default_rng(2)
    left = pd.DataFrame({"t": np.sort(source.random(80)), "s": source.choice(list("ab"), 80), "x": range(80)})
    right = pd.DataFrame({"t": np.sort(source.random(50)), "s": source.choice(list("ab"), 50), "y": range(50)})
    options = {"on": "t", "by": by, "direction": direction}
    want = pd.merge_asof(left, right, **options)
    for counts in [(4, 3), (1, 3), (4, 1), (7, 9)]:
        sides = [dd.from_pandas(side, npartitions=count) for side, count in zip((left, right), counts)]
        got = dd.merge_asof(*sides, **options).compute().reset_index(drop=True)
        pd.testing.assert_frame_equal(got, want)


def test_nearest_rows_of_one_frame_by_different_columns_have_tasks_of_their_own():
    left = dd.from_pandas(pd.DataFrame({"t": range(12), "s": list("ab") * 6}), npartitions=3)
    right = dd.from_pandas(pd.DataFrame({"t": range(12), "s": list("aaaabbbbbbbb"), "y": range(12)}), npartitions=3)
    one, other = dd.merge_asof(left, right, on="t"), dd.merge_asof(left, right, on="t", by="s")
    for first, second in [(one, other), (other, one)]:
        graph = {**dict(first.__dask_graph__()), **dict(second.__dask_graph__())}
        for frame in (first, second):
            got = pd.concat(raskr.get(graph, frame.__dask_keys__()))
            pd.testing.assert_frame_equal(got, frame.compute())


@pytest.mark.parametrize("split_out", [True, 1, 3])
def test_distinct_rows_and_values(table, split_out):
    df = dd.from_pandas(table, npartitions=20)
    for keep in ("first", "last", False):
        got = df.drop_duplicates(["k", "s"], keep=keep, split_out=split_out).compute().sort_index()
        pd.testing.assert_frame_equal(got, table.drop_duplicates(["k", "s"], keep=keep))
    assert sorted(df.s.unique(split_out=split_out).compute()) == sorted(table.s.unique())
    got = df.k.drop_duplicates(split_out=split_out).compute().sort_index()
    pd.testing.assert_series_equal(got, table.k.drop_duplicates())


def test_random_choices_repeat(table):
    df = dd.from_pandas(table, npartitions=4)
    some = df.sample(frac=0.2, random_state=3)
    assert len(some) == 100 and some.compute().index.is_unique
    pd.testing.assert_frame_equal(some.compute(), df.sample(frac=0.2, random_state=3).compute())
    parts = df.random_split([0.5, 0.3, 0.2], random_state=1)
    pd.testing.assert_frame_equal(pd.concat([part.compute() for part in parts]).sort_index(), table)
    assert [abs(len(part) / 500 - share) < 0.1 for part, share in zip(parts, (0.5, 0.3, 0.2))] == [True] * 3
    with pytest.raises(ValueError, match="frac"):
        df.sample(n=3)


def test_merges_read_only_columns_that_are_used(table, other):
    from raskr.dataframe.explaining import plan_text
    from raskr.dataframe.optimizing import optimized

    left, right = dd.from_pandas(table, npartitions=3), dd.from_pandas(other.assign(s="z", v=1.0), npartitions=3)
    joined = left.merge(right, on="k", broadcast=False)
    pandas = table.merge(other.assign(s="z", v=1.0), on="k")
    for columns in (["w"], ["v_x"], ["s_y", "k"], ["k"]):
        got = joined[columns].compute().sort_values(columns).reset_index(drop=True)
        pd.testing.assert_frame_equal(got, pandas[columns].sort_values(columns).reset_index(drop=True))
    assert "merge" in plan_text(optimized([joined[["w"]]._expr])[0])
    with pytest.raises(ValueError, match="stage"):
        joined.explain(stage="nope")


@pytest.mark.parametrize("scheduler", ["threads", "sync", "processes"])
def test_shuffles_run_on_every_scheduler_and_spill(table, scheduler, tmp_path):
    big = pd.concat([table] * 40, ignore_index=True)
    df = dd.from_pandas(big, npartitions=8)
    with raskr.config.set(memory_limit="40MB", spill_directory=str(tmp_path)):
        got = df.set_index("v").compute(scheduler=scheduler)
    assert got.index.is_monotonic_increasing and len(got) == len(big)
    assert got.k.sum() == big.k.sum()


def test_indexes_that_are_there_already_stay(table):
    df = dd.from_pandas(table.rename_axis(index="place"), npartitions=2)
    assert df.set_index(df.index) is df and df.set_index("place") is df
    with pytest.raises(NotImplementedError, match="multi-indexes"):
        df.set_index(["k", "v"])
    with pytest.raises(KeyError, match="nope"):
        df.set_index("nope")
    with pytest.warns(UserWarning, match="frac"):
        assert len(df.sample(0.5)) == 250


def test_divisions_from_a_sample_part_rows_evenly_and_end_where_values_do():
    table = pd.DataFrame({"x": np.random.default_rng(5).normal(size=100_000)})
    got = dd.from_pandas(table, npartitions=2).set_index("x", npartitions=4)
    assert got.divisions[0] == table.x.min() and got.divisions[-1] == table.x.max() and got.npartitions == 4
    sizes = got.map_partitions(len).compute()
    assert sum(sizes) == 100_000 and 23_000 < min(sizes) and max(sizes) < 27_000
    assert got.compute().index.is_monotonic_increasing


def test_joins_of_a_narrow_side_and_one_that_reads_everything(tmp_path):
    table = pd.DataFrame({"k": [1, 2, 3], "x": [1.0, 2.0, 3.0], "s": ["a", "b", "c"]})
    for name in ("left", "right"):
        table.to_parquet(tmp_path / f"{name}.parquet")
    left, right = (dd.read_parquet(str(tmp_path / f"{name}.parquet")) for name in ("left", "right"))
    found = left.merge(right.rename(columns={"k": "other"}), left_on="k", right_on="other", how="left", indicator=True)
    wanted = table.merge(table.rename(columns={"k": "other"}), left_on="k", right_on="other", how="left")
    pd.testing.assert_frame_equal(found[["x_x", "x_y"]].compute(), wanted[["x_x", "x_y"]])


@pytest.mark.parametrize("npartitions", [1, 3])
def test_the_kind_of_a_sort_is_heeded(npartitions):
    table = pd.DataFrame({"flag": [False] * 60}, index=np.arange(60))
    found = dd.from_pandas(table, npartitions=npartitions).sort_values("flag", kind="stable")
    assert found.compute().index.tolist() == list(range(60))


def test_rows_of_which_only_some_columns_are_used_move_by_pandas(tmp_path):
    table = pd.DataFrame({"flag": [True, False], "n": [2, 1], "x": [0.5, 1.5], "kind": pd.Categorical(["a", "b"])})
    table.to_parquet(tmp_path / "0.parquet")
    table.to_parquet(tmp_path / "1.parquet")
    df = dd.read_parquet(str(tmp_path))
    found = df[df.n.notna()].set_index("n").loc[1:2].flag.compute()
    assert sorted(found.items()) == [(1, False), (1, False), (2, True), (2, True)]


def test_frames_are_put_together_by_words_of_pandas():
    df = dd.from_pandas(pd.DataFrame({"a": range(4)}), npartitions=2)
    for words in ({"ignore_index": True}, {"sort": True}, {"verify_integrity": False}, {"keys": None}):
        assert dd.concat([df, df], **words).compute().a.tolist() == [0, 1, 2, 3] * 2
    with pytest.raises(TypeError, match="verify_integrity=True is not supported"):
        dd.concat([df, df], verify_integrity=True)
    with pytest.raises(TypeError, match="keys="):
        dd.concat([df, df], keys=["x", "y"])
