"""What is made of all rows of a frame equals what pandas makes: reductions, counts, quantiles, distinct rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import cases, framed, programs, same, same_programs, tables, ways

NUMBERS = ["flag", "n", "größe"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reductions")


PROGRAMS = {
    "sums": {
        "sum": lambda f: f[NUMBERS].sum(),
        "sum of one": lambda f: f.größe.sum(),
        "sum of truth": lambda f: f.flag.sum(),
        "sum of some": lambda f: f.größe.sum(min_count=3),
        "sum with missing values": lambda f: f.größe.sum(skipna=False),
        "product": lambda f: f[["n", "größe"]].prod(),
        "count": lambda f: f.count(),
        "count of one": lambda f: f.名.count(),
        "any": lambda f: f[["flag"]].any(),
        "all": lambda f: f.flag.all(),
        "size": lambda f: f.n.size,
        "missing": lambda f: f.isna().sum(),
    },
    "moments": {
        "mean": lambda f: f[NUMBERS].mean(),
        "mean of one": lambda f: f.n.mean(),
        "variance": lambda f: f[["n", "größe"]].var(),
        "variance of all": lambda f: f.größe.var(ddof=0),
        "deviation": lambda f: f.n.std(),
        "error": lambda f: f[["n", "größe"]].sem(),
    },
    "extremes": {
        "minimum": lambda f: f[["n", "größe", "day"]].min(),
        "maximum": lambda f: f[NUMBERS].max(),
        "minimum of one": lambda f: f.größe.min(),
        "first day": lambda f: f.day.min(),
        "last day": lambda f: f.day.max(),
        "largest": lambda f: f.n.nlargest(3).reset_index(drop=True),
    },
    "distinct values": {
        "how many": lambda f: f.nunique(),
        "how many of one": lambda f: f.名.nunique(),
        "how many with missing ones": lambda f: f.größe.nunique(dropna=False),
        "most frequent": lambda f: f.n.mode(),
        "index": lambda f: f.index.min(),
    },
    "order statistics": {
        "median": lambda f: f[["n", "größe"]].median(),
        "median of one": lambda f: f.größe.median(),
        "quantile": lambda f: f.größe.quantile(0.3),
        "quantiles": lambda f: f[["n", "größe"]].quantile([0.0, 0.25, 0.9]),
        "describe": lambda f: f[["n", "größe"]].describe(),
    },
    "together": {
        "correlation": lambda f: f[["n", "größe"]].corr(),
        "covariance": lambda f: f[["n", "größe"]].cov(),
        "correlation of two": lambda f: f.n.corr(f.größe),
        "aggregations": lambda f: f[["n", "größe"]].agg(["sum", "max"]),
    },
}


@programs(PROGRAMS)
@cases(8)
@given(table=tables(least=2), way=ways())
def test_reductions(group, folder, table, way):
    same_programs(group, *framed(table, way, folder))


@cases(15)
@given(table=tables(), way=ways(), name=st.sampled_from(["flag", "n", "größe", "名", "day", "kind"]))
def test_counts_of_values(folder, table, way, name):
    df, expected = framed(table, way, folder)
    for options in ({}, {"dropna": False}, {"ascending": True}, {"normalize": True}):
        found, wanted = df[name].value_counts(**options), expected[name].value_counts(**options)
        same(found, wanted, ordered=False)
        # Values that are equally frequent come in no particular order.
        counts = found.compute()
        assert counts.is_monotonic_increasing if options.get("ascending") else counts.is_monotonic_decreasing
    unsorted = df[name].value_counts(sort=False).compute()
    assert dict(unsorted.items()) == dict(expected[name].value_counts(sort=False).items())


@cases(15)
@given(table=tables(), way=ways(), keys=st.sampled_from(["n", "名", ["flag", "kind"], ["größe"], None, "day"]))
def test_distinct_rows(folder, table, way, keys):
    df, expected = framed(table, way, folder)
    chosen = [keys] if isinstance(keys, str) else keys or list(table)
    found = df[chosen].drop_duplicates()
    same(found, expected[chosen].drop_duplicates(), ordered=False)
    last = df.drop_duplicates(subset=keys, keep="last")
    same(last, expected.drop_duplicates(subset=keys, keep="last"), ordered=False)
    for name in chosen[:1]:
        values = df[name].unique().compute()
        assert pd.Series(values).isna().sum() == (1 if expected[name].isna().any() else 0)
        assert set(pd.Series(values).dropna()) == set(expected[name].dropna())


@cases(10)
@given(table=tables(columns=("n", "größe", "day")), way=ways("memory", "pieces", "parquet"))
def test_where_extremes_are(folder, table, way):
    table = table[~table.index.duplicated()]
    df, expected = framed(table, way, folder)
    for name in ("idxmin", "idxmax"):
        if len(expected):
            same(getattr(df.n, name)(), getattr(expected.n, name)())
        else:
            with pytest.raises(ValueError):
                getattr(df.n, name)().compute()
    assert len(df) == len(expected)
    assert np.array_equal(df.values.compute(), expected.values, equal_nan=False) or expected.isna().any(axis=None)
