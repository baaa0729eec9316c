"""Groups of frames equal pandas', whatever the keys: aggregations, running results, functions of whole groups."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import cases, framed, programs, same, same_programs, tables, ways

import raskr.dataframe as dd


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("groups")


#: Programs get the groups of a frame by some of the columns that they leave alone.
AGGREGATIONS = {
    "sums": {
        "sum": lambda g: g[["n", "größe"]].sum(),
        "sum of one": lambda g: g.größe.sum(),
        "sum of some": lambda g: g.größe.sum(min_count=2),
        "product": lambda g: g[["n"]].prod(),
        "count": lambda g: g[["n", "größe", "day"]].count(),
        "size": lambda g: g.size(),
        "sum of truth": lambda g: g["flag"].sum(),
    },
    "moments": {
        "mean": lambda g: g[["n", "größe"]].mean(),
        "variance": lambda g: g[["n", "größe"]].var(),
        "variance of all": lambda g: g.größe.var(ddof=0),
        "deviation": lambda g: g.n.std(),
        "error": lambda g: g.größe.sem(),
    },
    "extremes": {
        "least": lambda g: g[["n", "größe", "day"]].min(),
        "greatest": lambda g: g[["n", "größe", "day"]].max(),
        "least text": lambda g: g["text"].min(),
        "first": lambda g: g[["größe", "text", "day"]].first(),
        "last": lambda g: g[["größe", "text", "day"]].last(),
        "any": lambda g: g["flag"].any(),
        "all": lambda g: g["flag"].all(),
    },
    "order statistics": {
        "median": lambda g: g.größe.median(),
        "medians": lambda g: g[["n", "größe"]].median(),
        "medians among others": lambda g: g.agg({"n": ["median", "sum"], "größe": ["max", "median"]}),
        "median of one": lambda g: g.größe.agg(["median", "std"]),
        "distinct": lambda g: g["text"].nunique(),
        "distinct numbers": lambda g: g.größe.nunique(),
    },
    "several": {
        "names": lambda g: g[["n", "größe"]].agg(["sum", "count", "max"]),
        "of one": lambda g: g.größe.agg(["mean", "std"]),
        "by column": lambda g: g.agg({"n": "sum", "größe": ["min", "mean"], "day": "max"}),
        "one a column": lambda g: g.agg({"n": "sum", "text": "first"}),
        "named": lambda g: g.agg(total=("n", "sum"), 平均=("größe", "mean"), last=("day", "last")),
        "named of one": lambda g: g.n.agg(low="min", high="max"),
    },
}
KEYS = [
    ["名"],
    ["kind"],
    ["when"],
    ["m"],
    ["x"],
    ["yes"],
    ["名", "m"],
    ["x", "名"],
    ["kind", "名", "m"],
    ["when", "yes"],
]


@st.composite
def grouped_tables(draw):
    """Tables with keys of every type beside columns of values."""
    table = draw(tables())
    keys = {"m": table.n // 4, "x": (table.größe / 4).round(), "yes": table.n > 0, "when": table.day.dt.floor("3D")}
    return table.assign(text=table.名.str[:1], **keys)


def keyed(draw):
    """One key, or some."""
    return draw[0] if len(draw) == 1 else draw


@programs(AGGREGATIONS)
@cases(10)
@given(table=grouped_tables(), way=ways(), keys=st.sampled_from(KEYS).map(keyed), dropna=st.booleans())
def test_aggregations(group, folder, table, way, keys, dropna):
    df, expected = framed(table, way, folder)
    same_programs(group, df.groupby(keys, dropna=dropna), expected.groupby(keys, dropna=dropna))


@cases(10)
@given(
    table=grouped_tables(),
    way=ways(),
    keys=st.sampled_from(KEYS).map(keyed),
    program=st.sampled_from([program for group in AGGREGATIONS.values() for program in group.values()]),
    split_out=st.sampled_from([1, 3]),
)
def test_groups_without_order(folder, table, way, keys, program, split_out):
    df, expected = framed(table, way, folder)
    same(program(df.groupby(keys, sort=False)), program(expected.groupby(keys, sort=False)), ordered=False)
    options = {"split_out": split_out}
    same(df.groupby(keys).n.sum(**options), expected.groupby(keys).n.sum(), ordered=False)
    same(df.groupby(keys, sort=True).n.sum(**options), expected.groupby(keys, sort=True).n.sum())


#: Types that the engine groups by as numbers: alone, and several that fit 128 bits or do not.
NUMBERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "datetime64[ns]", "datetime64[s]"]


@cases(20)
@given(
    kinds=st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4),
    rows=st.sampled_from([0, 1, 7, 300, 5000]),
    few=st.booleans(),
    npartitions=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**32),
)
def test_groups_by_whole_numbers(kinds, rows, few, npartitions, seed):
    random = np.random.default_rng(seed)
    columns = {}
    for number, kind in enumerate(kinds):
        if kind.startswith("datetime"):
            counts = random.integers(0, 3 if few else 2000, rows) * 86_400
            columns[f"k{number}"] = pd.Series(counts.astype("datetime64[s]")).astype(kind)
        else:
            limits = np.iinfo(kind)
            some = np.array([limits.min, limits.max, 0, 1, limits.max - 1], dtype=kind)
            wide = random.integers(limits.min, limits.max, rows, dtype=kind, endpoint=True)
            columns[f"k{number}"] = random.choice(some, rows) if few else wide
    values = {
        "wide": random.integers(-(2**63), 2**63, rows),
        "unsigned": random.integers(0, 2**64, rows, dtype="uint64"),
        "small": random.integers(-100, 100, rows).astype("int16"),
        "x": np.where(random.random(rows) < 0.2, np.nan, random.integers(-1000, 1000, rows) / 8),
    }
    table = pd.DataFrame(columns | values)
    how = {
        "wide": ["sum", "min", "max", "count"],
        "unsigned": ["sum", "max"],
        "small": ["sum", "mean", "var"],
        "x": ["sum", "mean", "std", "min", "count", "median"],
    }
    keys = list(columns)
    if rows:
        same(dd.from_pandas(table, npartitions=npartitions).groupby(keys).agg(how), table.groupby(keys).agg(how))
    fewer = {"wide": "sum", "x": "mean"}
    same(dd.from_pandas(table, npartitions=npartitions).groupby(keys).agg(fewer), table.groupby(keys).agg(fewer))


@cases(10)
@given(table=grouped_tables(), way=ways("memory", "pieces", "csv"), observed=st.booleans())
def test_groups_of_categories(folder, table, way, observed):
    df, expected = framed(table, way, folder)
    for how in ("sum", "count", "mean", "max"):
        lazy, wanted = df.groupby("kind", observed=observed), expected.groupby("kind", observed=observed)
        same(getattr(lazy.größe, how)(), getattr(wanted.größe, how)())
    same(df.groupby("kind", observed=observed).size(), expected.groupby("kind", observed=observed).size())


ROWS = {
    "running": {
        "sums": lambda g: g[["n", "größe"]].cumsum(),
        "products": lambda g: g.n.cumprod(),
        "least": lambda g: g.größe.cummin(),
        "greatest": lambda g: g.größe.cummax(),
        "numbers": lambda g: g.cumcount(),
    },
    "neighbours": {
        "down": lambda g: g[["größe", "text"]].shift(),
        "up": lambda g: g.n.shift(-1),
        "differences": lambda g: g[["n"]].diff(),
        "forwards": lambda g: g[["größe", "text"]].ffill(),
        "backwards": lambda g: g.größe.bfill(),
    },
}
WHOLE = {
    "sum": lambda g: g.n.transform("sum"),
    "mean": lambda g: g[["n", "größe"]].transform("mean"),
    "first rows": lambda g: g.head(2),
    "ranks": lambda g: g.n.rank(),
}


@programs(ROWS)
@cases(10)
@given(table=grouped_tables().filter(len), way=ways(), keys=st.sampled_from(KEYS).map(keyed))
def test_rows_of_groups(group, folder, table, way, keys):
    df, expected = framed(table, way, folder)
    same_programs(group, df.groupby(keys), expected.groupby(keys))


@cases(10)
@given(table=grouped_tables(), way=ways(), keys=st.sampled_from(KEYS).map(keyed))
def test_rows_of_whole_groups(folder, table, way, keys):
    # pandas fails where keys of text are missing.
    table = table.dropna(subset=keys)
    if len(table):
        df, expected = framed(table, way, folder)
        same_programs(WHOLE, df.groupby(keys), expected.groupby(keys), ordered=False)


@cases(10)
@given(table=grouped_tables(), way=ways("memory", "pieces", "parquet"), key=st.sampled_from(["名", "m", "yes", "when"]))
def test_functions_of_whole_groups(folder, table, way, key):
    df, expected = framed(table, way, folder)
    lazy, groups = df.groupby(key), expected.groupby(key)
    meta = pd.Series([], dtype="float64", name="größe", index=expected[key].iloc[:0])
    found = lazy.größe.apply(lambda rows: rows.max() - rows.min(), meta=meta).compute()
    wanted = groups.größe.apply(lambda rows: rows.max() - rows.min())
    pd.testing.assert_series_equal(found.sort_index(), wanted.sort_index(), check_index_type=False, check_dtype=False)
    same(lazy["text"].value_counts(), groups["text"].value_counts(), ordered=False)
    same(lazy.größe.quantile(0.4), groups.größe.quantile(0.4), ordered=False)
    same(df.groupby(df.n % 3).größe.sum(), expected.groupby(expected.n % 3).größe.sum())
    same(df.größe.groupby(df[key]).count(), expected.größe.groupby(expected[key]).count())


@cases(20)
@given(table=tables(), left=st.integers(1, 4), right=st.integers(1, 4))
def test_frames_are_lined_up(table, left, right):
    table = table[~table.index.duplicated()].sort_index()
    other = table[["n"]].iloc[::2] * 2
    found = dd.from_pandas(table[["n"]], npartitions=left) + dd.from_pandas(other, npartitions=right)
    pd.testing.assert_frame_equal(found.compute(), table[["n"]] + other, check_dtype=False)
