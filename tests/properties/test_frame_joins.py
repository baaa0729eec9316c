"""Frames that are joined or put together equal pandas': merges of all kinds, on columns and indexes, and concatenation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tables import COLUMNS, cases, framed, same, tables, ways

import raskr
import raskr.dataframe as dd

KINDS = st.sampled_from(["inner", "left", "right", "outer"])
KEYS = st.sampled_from([["n"], ["名"], ["größe"], ["day"], ["kind"], ["flag"], ["n", "名"], ["名", "größe", "flag"]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("joins")


@st.composite
def sides(draw, most=12):
    """Two tables with the same columns, and what they are made of."""
    pairs = [(draw(tables(most=most)), draw(ways())) for _ in range(2)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


@cases(15)
@given(both=sides(), how=KINDS, keys=KEYS, broadcast=st.sampled_from([None, False, True]))
def test_merges_on_columns(folder, both, how, keys, broadcast):
    (left, left_table), (right, right_table) = (framed(*side, folder) for side in zip(*both))
    options = {"on": keys[0] if len(keys) == 1 else keys, "how": how}
    found = left.merge(right, broadcast=broadcast, **options)
    wanted = left_table.merge(right_table, **options)
    # Declared types are those of rows that all have a match.
    same(found if how == "inner" else found.compute(), wanted, ordered=False, labelled=False)


@cases(15)
@given(
    both=sides(),
    how=KINDS,
    key=st.sampled_from(["n", "名", "größe"]),
    suffixes=st.sampled_from([("_x", "_y"), ("", "_rechts"), ("_左", "")]),
    indicator=st.sampled_from([False, True, "woher"]),
)
def test_names_and_marks_of_merges(folder, both, how, key, suffixes, indicator):
    (left, left_table), (right, right_table) = (framed(*side, folder) for side in zip(*both))
    right, right_table = right.rename(columns={key: "andere"}), right_table.rename(columns={key: "andere"})
    options = {"left_on": key, "right_on": "andere", "how": how, "suffixes": suffixes, "indicator": indicator}
    found, wanted = left.merge(right, **options), left_table.merge(right_table, **options)
    same(found.compute(), wanted, ordered=False, labelled=False)
    chosen = [name for name in wanted.columns if "größe" in name or name in ("andere", "woher")]
    same(found[chosen].compute(), wanted[chosen], ordered=False, labelled=False)


#: What the engine makes keys of.
OF_NUMBERS = {
    "numbers": lambda numbers: numbers,
    "texts": lambda numbers: pd.array([f"text {number}" for number in numbers], dtype="str"),
    "times": lambda numbers: np.datetime64("2020-02-28", "s") + numbers.astype("timedelta64[m]"),
}


@pytest.fixture(scope="module", params=sorted(OF_NUMBERS))
def large_sides(request):
    """Numbered rows, and a row for each key, of which the engine estimates more than the 16 MiB that it sends whole unasked."""
    random, key, rows = np.random.default_rng(5), OF_NUMBERS[request.param], 120_000
    text = pd.array([f"{number:0200d}" for number in range(rows)], dtype="str")
    left = pd.DataFrame({"k": key(random.integers(0, rows, rows)), "order": np.arange(rows), "a": text})
    return left, pd.DataFrame({"k": key(random.permutation(rows)), "rank": random.permutation(rows), "b": text})


@cases(12)
@given(
    kept=st.integers(0, 60_000),
    how=st.sampled_from(["inner", "left", "right", "outer", "leftsemi", "leftanti"]),
    broadcast=st.sampled_from([None, None, True, False]),
)
@example(kept=2_000, how="inner", broadcast=None)
@example(kept=55_000, how="inner", broadcast=None)
def test_merges_with_what_is_left_of_a_side(large_sides, kept, how, broadcast):
    left_table, right_table = large_sides
    left, right = dd.from_pandas(left_table, npartitions=3), dd.from_pandas(right_table, npartitions=5)
    # Under which a side goes whole up to 1 to 8 MiB, as there are processors; a row takes some 230 bytes.
    with raskr.config.set(memory_limit="256MiB"):
        right, right_table = right[right["rank"] < kept], right_table[right_table["rank"] < kept]
        options = {"on": "k", "broadcast": broadcast}
        if how == "right":
            found = right.merge(left, how=how, **options).compute()
        else:
            found = left.merge(right, how=how, **options).compute()
    if how in ("leftsemi", "leftanti"):
        wanted = left_table[left_table.k.isin(right_table.k) == (how == "leftsemi")]
    elif how == "right":
        wanted = right_table.merge(left_table, on="k", how=how)
    else:
        wanted = left_table.merge(right_table, on="k", how=how)
    by = [name for name in ("order", "rank") if name in wanted.columns]
    assert list(found.columns) == list(wanted.columns)
    pd.testing.assert_frame_equal(
        found.sort_values(by, ignore_index=True), wanted.sort_values(by, ignore_index=True), check_dtype=False
    )
    # The rows of the other side stay in their order where they are not exchanged.
    if how == "inner" and broadcast is None and (kept < 3_000 or kept > 50_000):
        assert found.order.is_monotonic_increasing == (kept < 3_000)


@cases(20)
@given(both=sides(), how=KINDS, which=st.sampled_from(["both", "left", "right"]), divided=st.booleans())
def test_merges_on_indexes(folder, both, how, which, divided):
    (left_table, right_table), (left_way, right_way) = both
    right_table = right_table.add_suffix("2")
    if divided:
        left_table, right_table = left_table.sort_index(), right_table.sort_index()
        left = dd.from_pandas(left_table, npartitions=len(left_way.cuts) + 1)
        right = dd.from_pandas(right_table, npartitions=len(right_way.cuts) + 1)
    else:
        left, left_table = framed(left_table, left_way._replace(kind="pieces"), folder)
        right, right_table = framed(right_table, right_way._replace(kind="pieces"), folder)
    if which == "both":
        options = {"left_index": True, "right_index": True}
    else:
        options = {"left_index": True, "right_on": "n2"} if which == "left" else {"left_on": "n", "right_index": True}
    found = left.merge(right, how=how, **options)
    wanted = left_table.merge(right_table, how=how, **options)
    same(found.compute(), wanted, ordered=False, labelled=which == "both")
    if which == "both":
        same(left.join(right, how=how).compute(), left_table.join(right_table, how=how), ordered=False)


@cases(10)
@given(both=sides(most=6))
def test_rows_with_a_match_and_without(folder, both):
    (left, left_table), (right, right_table) = (framed(*side, folder) for side in zip(*both))
    found = left_table.n.isin(right_table.n)
    same(left.merge(right, on="n", how="leftsemi"), left_table[found], ordered=False, labelled=False)
    same(left.merge(right, on="n", how="leftanti"), left_table[~found], ordered=False, labelled=False)
    same(
        left[["n"]].merge(right[["größe"]], how="cross"),
        left_table[["n"]].merge(right_table[["größe"]], how="cross"),
        ordered=False,
        labelled=False,
    )


@cases(20)
@given(both=sides(), names=st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, unique=True), join=st.booleans())
def test_rows_behind_rows(folder, both, names, join):
    (left, left_table), (right, right_table) = (framed(*side, folder) for side in zip(*both))
    # Where categories differ, pandas' are no categories any more; Dask's are those of both.
    left, left_table, right, right_table = (
        side.astype({"kind": object}) for side in (left, left_table, right, right_table)
    )
    same(dd.concat([left, right]), pd.concat([left_table, right_table]))
    how = "inner" if join else "outer"
    found = dd.concat([left, right[names]], join=how).compute()
    # Types of columns that one side lacks depend on whether it has rows.
    pd.testing.assert_frame_equal(
        found, pd.concat([left_table, right_table[names]], join=how), check_dtype=False, check_categorical=False
    )
    same(dd.concat([left[names[0]], right[names[0]]]), pd.concat([left_table[names[0]], right_table[names[0]]]))


@cases(10)
@given(table=tables(least=2), parts=st.integers(1, 4), others=st.integers(1, 4))
def test_columns_beside_columns(table, parts, others):
    table = table[~table.index.duplicated()].sort_index()
    more = table[["n", "名"]].iloc[::2].add_prefix("z")
    left, right = dd.from_pandas(table, npartitions=parts), dd.from_pandas(more, npartitions=others)
    found = dd.concat([left, right], axis=1).compute()
    pd.testing.assert_frame_equal(found, pd.concat([table, more], axis=1), check_dtype=False)


@cases(10)
@given(both=sides(), parts=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_merges_with_the_nearest(both, parts):
    left, right = (table.sort_values("n", kind="stable").reset_index(drop=True) for table in both[0])
    right = right[["n", "größe"]].drop_duplicates("n").reset_index(drop=True)
    for direction in ("backward", "forward", "nearest"):
        found = dd.merge_asof(
            dd.from_pandas(left[["n", "名"]], npartitions=parts[0]),
            dd.from_pandas(right, npartitions=parts[1]),
            on="n",
            direction=direction,
        )
        same(found.compute(), pd.merge_asof(left[["n", "名"]], right, on="n", direction=direction), labelled=False)
