"""Groups by a pandas.Grouper: bins of time as pandas has them, those without rows too."""

import numpy as np
import pandas as pd
import pytest

import raskr.dataframe as dd


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    times = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.sort(random.integers(0, 40 * 86400, 200)), unit="s")
    times = times[times.day != 5]
    count = len(times)
    table = pd.DataFrame(
        {
            "t": times,
            "k": random.choice(list("ab"), count),
            "x": random.integers(0, 9, count),
            "y": random.random(count),
            "s": random.choice(list("pqrs"), count),
        }
    )
    table.loc[3, "t"] = pd.NaT
    return table


def same(found, expected):
    check = pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal
    check(found.compute(), expected, check_freq=False)


AGGREGATIONS = {
    "sum": lambda groups: groups.x.sum(),
    "min": lambda groups: groups.x.min(),
    "size": lambda groups: groups.size(),
    "mean": lambda groups: groups[["x", "y"]].mean(),
    "several": lambda groups: groups.agg({"x": ["sum", "min"], "y": "mean", "s": "count"}),
    "named": lambda groups: groups.agg(total=("x", "sum"), kinds=("s", "nunique")),
    "listed": lambda groups: groups.y.agg(["sum", "max"]),
    "nunique": lambda groups: groups.s.nunique(),
    "median": lambda groups: groups.y.median(),
    "quantile": lambda groups: groups.y.quantile(0.5),
    "first": lambda groups: groups.s.first(),
    "all columns": lambda groups: groups.max(),
    "count": lambda groups: groups.count(),
}


@pytest.mark.parametrize("npartitions", [1, 4])
@pytest.mark.parametrize("freq", ["D", "W", "ME", "MS", "7h", "36h"])
@pytest.mark.parametrize("name", AGGREGATIONS)
def test_aggregations(table, name, freq, npartitions):
    by = pd.Grouper(key="t", freq=freq)
    df = dd.from_pandas(table, npartitions=npartitions, sort=False)
    same(AGGREGATIONS[name](df.groupby(by)), AGGREGATIONS[name](table.groupby(by)))


@pytest.mark.parametrize(
    "options",
    [
        {"closed": "right"},
        {"label": "right"},
        {"origin": "epoch"},
        {"offset": "5h"},
        {"origin": pd.Timestamp("2000-01-01 03:00")},
    ],
)
def test_where_bins_begin(table, options):
    by = pd.Grouper(key="t", freq="17h", **options)
    df = dd.from_pandas(table, npartitions=3, sort=False)
    same(df.groupby(by).x.sum(), table.groupby(by).x.sum())
    same(df.groupby(by).x.sum(split_out=3), table.groupby(by).x.sum())


def test_bins_of_the_index_and_in_time_zones(table):
    indexed = table.dropna().set_index("t")
    df = dd.from_pandas(indexed, npartitions=3)
    for by in (pd.Grouper(freq="D"), pd.Grouper(level="t", freq="D")):
        same(df.groupby(by).x.sum(), indexed.groupby(by).x.sum())
        same(df.x.groupby(by).count(), indexed.x.groupby(by).count())
    abroad = table.assign(t=table.t.dt.tz_localize("Europe/Berlin"))
    by = pd.Grouper(key="t", freq="D")
    same(dd.from_pandas(abroad, npartitions=3, sort=False).groupby(by).x.sum(), abroad.groupby(by).x.sum())


def test_bins_beside_other_keys_and_keys_without_bins(table):
    df = dd.from_pandas(table, npartitions=3, sort=False)
    by = [pd.Grouper(key="t", freq="W"), "k"]
    same(df.groupby(by).agg({"x": "sum", "y": "mean"}), table.groupby(by).agg({"x": "sum", "y": "mean"}))
    same(df.groupby(pd.Grouper(key="k")).x.sum(), table.groupby(pd.Grouper(key="k")).x.sum())


def test_rows_of_bins(table):
    table = table.dropna()
    df = dd.from_pandas(table, npartitions=3)
    by = pd.Grouper(key="t", freq="D")
    same(df.groupby(by).x.cumsum(), table.groupby(by).x.cumsum())
    found = df.groupby(by).x.transform("sum", meta=("x", "i8")).compute()
    pd.testing.assert_series_equal(found.sort_index(), table.groupby(by).x.transform("sum"))


def test_no_rows_and_no_dates(table):
    df = dd.from_pandas(table, npartitions=3, sort=False)
    by = pd.Grouper(key="t", freq="D")
    assert len(df[df.x > 100].groupby(by).x.sum()) == 0
    with pytest.raises(TypeError, match="'x' has int64"):
        df.groupby(pd.Grouper(key="x", freq="D"))
    with pytest.raises(KeyError, match="nope"):
        df.groupby(pd.Grouper(key="nope", freq="D"))
