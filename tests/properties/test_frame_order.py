"""Frames in an order equal pandas': sorting, an index that is set, windows, running results, moved rows."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import cases, framed, programs, same, same_programs, tables, ways

import raskr.dataframe as dd


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("order")


PROGRAMS = {
    "running": {
        "sum": lambda f: f[["n", "größe"]].cumsum(),
        "sum of one": lambda f: f.n.cumsum(),
        "product": lambda f: f.größe.cumprod(),
        "least": lambda f: f[["n", "größe"]].cummin(),
        "greatest": lambda f: f.größe.cummax(),
        "with missing values": lambda f: f.größe.cumsum(skipna=False),
    },
    "moved": {
        "down": lambda f: f.shift(1),
        "up": lambda f: f[["n", "größe", "day"]].shift(-2),
        "far": lambda f: f.größe.shift(7),
        "differences": lambda f: f[["n", "größe"]].diff(),
        "differences backwards": lambda f: f.n.diff(-2),
        "forwards": lambda f: f.ffill(),
        "backwards": lambda f: f[["größe", "名"]].bfill(),
        "forwards a little": lambda f: f.größe.ffill(limit=1),
    },
}


@programs(PROGRAMS)
@cases(8)
@given(table=tables(least=1), way=ways())
def test_rows_and_their_neighbours(group, folder, table, way):
    same_programs(group, *framed(table, way, folder))


WINDOWS = {
    "sum": lambda f: f[["n", "größe"]].rolling(3).sum(),
    "mean": lambda f: f.größe.rolling(4, min_periods=1).mean(),
    "greatest": lambda f: f.n.rolling(2).max(),
    "deviation": lambda f: f.größe.rolling(5, min_periods=2).std(),
    "count": lambda f: f.größe.rolling(3, min_periods=1).count(),
    "centred": lambda f: f.n.rolling(3, center=True).sum(),
    "median": lambda f: f.n.rolling(3, min_periods=1).median(),
}


@cases(8)
@given(table=tables(), parts=st.integers(1, 4))
def test_windows_of_rows(table, parts):
    # Partitions are to have as many rows as windows reach, or none.
    df = dd.from_pandas(table, npartitions=max(1, min(parts, len(table) // 4)), sort=False)
    same_programs(WINDOWS, df, table)
    if df.npartitions > 1:
        kept = df.partitions[0].index.compute().max()
        same_programs(WINDOWS, df[df.index <= kept], table[table.index <= kept])


@cases(20)
@given(
    table=tables(),
    way=ways(),
    keys=st.lists(st.sampled_from(["flag", "n", "größe", "名", "day", "kind"]), min_size=1, max_size=3, unique=True),
    ascending=st.booleans(),
    missing=st.sampled_from(["first", "last"]),
)
def test_sorted_rows(folder, table, way, keys, ascending, missing):
    df, expected = framed(table, way, folder)
    options = {"ascending": ascending, "na_position": missing}
    found, wanted = df.sort_values(keys, **options), expected.sort_values(keys, **options)
    # Rows of equal keys come in no particular order.
    same(found[keys], wanted[keys], labelled=False)
    same(found, wanted, ordered=False)
    stable = df.sort_values(keys, kind="stable", **options), expected.sort_values(keys, kind="stable", **options)
    same(*stable)


@cases(20)
@given(
    table=tables(), way=ways(), key=st.sampled_from(["n", "größe", "名", "day"]), parts=st.sampled_from([None, 1, 3])
)
def test_an_index_that_is_set(folder, table, way, key, parts):
    df, expected = framed(table, way, folder)
    expected = expected[expected[key].notna()]
    found = df[df[key].notna()].set_index(key, npartitions=parts)
    wanted = expected.set_index(key).sort_index(kind="stable")
    same(found, wanted, ordered=False)
    assert found.index.compute().is_monotonic_increasing
    low, high = (wanted.index[0], wanted.index[len(wanted) // 2]) if len(wanted) else (None, None)
    same(
        found.loc[low:high].n if key != "n" else found.loc[low:high].flag,
        wanted.loc[low:high].n if key != "n" else wanted.loc[low:high].flag,
        ordered=False,
    )
    same(found.reset_index(), wanted.reset_index(), ordered=False, labelled=False)


@cases(10)
@given(
    table=tables(columns=("n", "größe")),
    days=st.lists(st.integers(0, 60), min_size=20, max_size=20),
    parts=st.integers(1, 4),
)
def test_windows_of_time(table, days, parts):
    stamps = pd.Timestamp("2020-01-01") + pd.to_timedelta(sorted(days)[: len(table)], "h")
    table = table.set_axis(pd.DatetimeIndex(stamps, name="when"))
    df = dd.from_pandas(table, npartitions=parts)
    same(df.größe.rolling("5h").sum(), table.größe.rolling("5h").sum())
    same(df.rolling("1D").max(), table.rolling("1D").max())
    if len(table):
        same(df.größe.resample("6h").sum(), table.größe.resample("6h").sum())
        same(df.resample("D").count(), table.resample("D").count())
