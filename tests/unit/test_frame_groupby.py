"""Group-by against pandas: aggregations, several keys, results by row, functions of groups."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import raskr.dataframe as dd


@pytest.fixture
def pdf():
    rows = 40
    return pd.DataFrame(
        {
            "g": np.arange(rows) * 7 % 5,
            "h": list("pqpr") * 10,
            "x": np.arange(rows) * 3 % 11,
            "y": np.where(np.arange(rows) % 6 == 0, np.nan, np.arange(rows) / 4),
            "s": list("abcde") * 8,
            "n": np.where(np.arange(rows) % 4 == 0, np.nan, np.arange(rows) % 3),
            "c": pd.Categorical(list("uvuw") * 10, categories=list("uvwz")),
            "t": pd.date_range("2000-01-01", periods=rows),
        }
    )


@pytest.fixture
def df(pdf):
    return dd.from_pandas(pdf, npartitions=5)


def same(found, expected, ordered=True):
    computed = found.compute()
    if not ordered:
        computed, expected = computed.sort_index(kind="stable"), expected.sort_index(kind="stable")
    check = pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal
    check(computed, expected)
    meta = found._meta
    assert type(meta) is type(expected) and meta.index.names == expected.index.names
    if expected.ndim == 2:
        assert list(meta.columns) == list(expected.columns) and list(meta.dtypes) == list(expected.dtypes)
    else:
        assert (meta.name, meta.dtype) == (expected.name, expected.dtype)


AGGREGATIONS = [
    *(
        lambda x, name=name: getattr(x.groupby("g")[["x", "y"]], name)()
        for name in "sum prod min max count mean var std sem first last any all median nunique size idxmax".split()
    ),
    *(
        lambda x, name=name: getattr(x.groupby(["g", "h"]).y, name)()
        for name in "sum min max count mean var std first last size nunique median".split()
    ),
    lambda x: x.groupby("g").sum(numeric_only=True),
    lambda x: x.groupby("h").x.sum(),
    lambda x: x.groupby("n").x.sum(),
    lambda x: x.groupby("n", dropna=False).x.sum(),
    lambda x: x.groupby("c", observed=True).x.mean(),
    lambda x: x.groupby("c", observed=False).x.sum(),
    lambda x: x.groupby(["c", "g"], observed=True).x.max(),
    lambda x: x.groupby("h", sort=False).x.sum(),
    lambda x: x.groupby(x.x % 3).y.sum(),
    lambda x: x.groupby([x.x % 3, "h"]).y.mean(),
    lambda x: x.x.groupby(x.g).sum(),
    lambda x: x.x.groupby(x.g).nunique(),
    lambda x: x.groupby("g").s.min(),
    lambda x: x.groupby("g").t.max(),
    lambda x: x.groupby("g").t.mean(),
    lambda x: x.groupby("g").y.sum(min_count=7),
    lambda x: x.groupby("g").y.var(ddof=0),
    lambda x: x.groupby("g").agg({"x": "sum", "y": ["mean", "max"]}),
    lambda x: x.groupby("g").agg({"x": "sum", "y": "mean"}),
    lambda x: x.groupby("g")[["x", "y"]].agg(["min", "std"]),
    lambda x: x.groupby("g").agg(low=("x", "min"), mid=("y", "mean")),
    lambda x: x.groupby("g").x.agg(["sum", "count"]),
    lambda x: x.groupby("g").x.agg("sum"),
    lambda x: x.groupby("g").x.agg(np.max),
    lambda x: x.groupby("g").agg({"x": "median", "y": "sum"}),
    lambda x: x.groupby("g").x.agg(list),
    lambda x: x.groupby("g").agg({"h": "count", "x": "first"}),
    lambda x: x.groupby("g").x.quantile(0.25),
    lambda x: x.groupby("g")[["x", "y"]].corr(),
    lambda x: x.assign(z=x.x * x.x % 7 + 1e9).groupby("g")[["x", "z"]].corr(),
    lambda x: x.assign(z=x.x * x.x % 7).groupby("g")[["x", "z"]].cov(),
    lambda x: x.assign(z=x.x * x.x % 7).groupby("n")[["x", "z"]].cov(),
    lambda x: x.groupby("h").size(),
]


@pytest.mark.parametrize("operation", AGGREGATIONS, ids=range(len(AGGREGATIONS)))
def test_aggregations_are_pandas(df, pdf, operation):
    same(operation(df), operation(pdf))


ROWS = [
    lambda x: x.groupby("g")[["x", "y"]].cumsum(),
    lambda x: x.groupby("g").x.cumprod(),
    lambda x: x.groupby(["g", "h"]).y.cumsum(),
    lambda x: x.groupby("g").y.cummax(),
    lambda x: x.groupby("h").cumcount(),
    lambda x: x.groupby("g").x.shift(),
    lambda x: x.groupby("g")[["x", "y"]].shift(-2),
    lambda x: x.groupby("g").y.ffill(),
    lambda x: x.groupby("g")[["y"]].bfill(),
    lambda x: x.groupby("h").x.diff(),
    lambda x: x.groupby("g").x.transform("sum"),
    lambda x: x.groupby(["g", "h"])[["x", "y"]].transform("mean"),
    lambda x: x.groupby("n").y.transform("max"),
    lambda x: x.groupby("g").head(2),
    lambda x: x.groupby("g").x.tail(1),
    lambda x: x.groupby("g").get_group(3),
]


@pytest.mark.parametrize("operation", ROWS, ids=range(len(ROWS)))
def test_rows_of_groups_are_pandas_in_their_order(df, pdf, operation):
    same(operation(df), operation(pdf))


FUNCTIONS = [
    lambda x: x.groupby("g").apply(lambda part: part.x.max() - part.x.min()),
    lambda x: x.groupby("g")[["x", "y"]].apply(lambda part: part[part.x > 4]),
    lambda x: x.groupby("g").x.apply(lambda part: part.iloc[0]),
    lambda x: x.groupby("g").x.transform(lambda part: part - part.mean()),
    lambda x: x.groupby("g").x.value_counts(),
    lambda x: x.groupby("g").x.rank(),
]


@pytest.mark.filterwarnings("ignore:`meta` is not specified:UserWarning")
@pytest.mark.parametrize("operation", FUNCTIONS, ids=range(len(FUNCTIONS)))
def test_functions_get_whole_groups(df, pdf, operation):
    same(operation(df), operation(pdf), ordered=False)


def test_results_in_several_partitions(df, pdf):
    found = df.groupby("x", sort=False).y.sum(split_out=3)
    assert found.npartitions == 3
    same(found, pdf.groupby("x").y.sum(), ordered=False)
    same(df.groupby("g").y.mean(split_every=2), pdf.groupby("g").y.mean())
    ordered = df.groupby("x", sort=True).y.sum(split_out=3)
    assert ordered.npartitions == 3
    same(ordered, pdf.groupby("x").y.sum())


def test_the_key_is_a_column_like_others(df, pdf):
    same(df.groupby("g").g.cumsum(), pdf.groupby("g").g.cumsum())
    same(df.groupby("g")[["g", "x"]].cumsum(), pdf.groupby("g")[["g", "x"]].cumsum())
    same(df.groupby("g").agg({"g": "count", "y": "sum"}), pdf.groupby("g").agg({"g": "count", "y": "sum"}))


def test_keys_by_function_of_the_index(df, pdf):
    same(df.groupby(lambda n: n % 3).x.sum(), pdf.groupby(lambda n: n % 3).x.sum())


def test_aggregations_of_ones_own(df, pdf):
    mean = dd.Aggregation(
        "own", lambda s: (s.count(), s.sum()), lambda count, total: (count.sum(), total.sum()), lambda c, t: t / c
    )
    found = df.groupby("g").agg({"y": ["max", mean]}).compute()
    assert list(found.columns) == [("y", "max"), ("y", "own")]
    np.testing.assert_allclose(found["y", "own"], pdf.groupby("g").y.mean())


def test_means_of_decimals_have_their_places():
    pyarrow = pytest.importorskip("pyarrow")
    values = [None if n % 5 == 0 else Decimal(n) / 4 for n in range(23)]
    kind = pd.ArrowDtype(pyarrow.decimal128(10, 2))
    pdf = pd.DataFrame({"g": [n % 4 for n in range(23)], "d": pd.array([*values[:-1], None], dtype=kind)})
    pdf.loc[pdf.g == 3, "d"] = None
    df = dd.from_pandas(pdf, npartitions=3)
    for how in ("mean", ["sum", "mean", "count"]):
        found, expected = df.groupby("g").d.agg(how), pdf.groupby("g").d.agg(how)
        check = pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal
        check(found.compute(), expected)


def test_bad_groups_are_named(df):
    with pytest.raises(KeyError, match="nope"):
        df.groupby("nope")
    with pytest.raises(KeyError, match="nope"):
        df.groupby("g")["nope"]
    with pytest.raises(AttributeError, match="nope"):
        _ = df.groupby("g").nope
    with pytest.raises(TypeError, match="supply"):
        df.groupby()
    with pytest.warns(UserWarning, match="meta"), pytest.raises(ValueError, match="meta="):
        df.groupby("g").apply(lambda part: part["nope"])


def test_aggregations_of_the_same_name_are_told_apart(df, pdf):
    own = [dd.Aggregation("own", function, function) for function in (lambda s: s.sum(), lambda s: s.max())]
    found = df.groupby("g").agg({"x": own[0], "y": own[1]}).compute()
    pd.testing.assert_frame_equal(found, pdf.groupby("g").agg({"x": "sum", "y": "max"}))
    both = df.groupby("g").agg(a=("x", own[0]), b=("x", own[1])).compute()
    pd.testing.assert_frame_equal(both, pdf.groupby("g").agg(a=("x", "sum"), b=("x", "max")))


@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:(divide|invalid) .*encountered")
@pytest.mark.parametrize("method", ["corr", "cov"])
@pytest.mark.parametrize("options", [{}, {"sort": False}, {"dropna": False}], ids=str)
def test_pairs_of_columns_in_groups_are_combined_from_parts(pdf, df, method, options):
    pdf = pdf.assign(far=pdf.y + 1e7, flat=0.1)
    columns = ["x", "y", "far", "flat"]
    df = dd.from_pandas(pdf, npartitions=5)
    for keys in ("g", ["g", "h"], ["n", "c"]):
        expected = getattr(pdf.groupby(keys, observed=True, **options)[columns], method)()
        found = getattr(df.groupby(keys, **options)[columns], method)(split_every=2)
        pd.testing.assert_frame_equal(found.compute(), expected, rtol=1e-7, atol=1e-7)
        assert list(found._meta.columns) == columns and found._meta.index.names == expected.index.names
        assert "shuffle" not in str(list(found.__dask_graph__()))


def test_pairs_with_options_come_of_whole_groups(pdf, df):
    columns = ["x", "y"]
    same(df.groupby("g")[columns].corr(method="spearman"), pdf.groupby("g")[columns].corr(method="spearman"))
    same(df.groupby("g")[columns].cov(min_periods=8), pdf.groupby("g")[columns].cov(min_periods=8))
    with pytest.raises(ValueError, match="could not convert"):
        df.groupby("g").corr()


@pytest.mark.parametrize("call", ["head", "tail"])
def test_first_rows_of_groups_of_a_sorted_frame_need_no_shuffle(pdf, df, call):
    for options in ({"by": "y"}, {"by": ["s", "x"], "ascending": [False, True]}, {"by": "y", "na_position": "first"}):
        for keys in ("g", ["h", "g"], "s"):
            found = getattr(df.sort_values(**options).groupby(keys), call)(2)
            same(found, getattr(pdf.sort_values(**options, kind="stable").groupby(keys), call)(2))
            assert "shuffle-cut" not in str(list(found.__dask_graph__()))
    ordered, expected = df.sort_values("y"), pdf.sort_values("y", kind="stable")
    same(getattr(ordered.groupby("g").x, call)(1), getattr(expected.groupby("g").x, call)(1))
    same(getattr(ordered.groupby("g")[["x", "s"]], call)(1), getattr(expected.groupby("g")[["x", "s"]], call)(1))


def test_zero_is_one_group_whatever_its_sign():
    table = pd.DataFrame({"k": [0.0, -0.0, 1.0, -0.0], "x": [1, 2, 3, 4]})
    found = dd.from_pandas(table, npartitions=2).groupby("k").x.sum().compute()
    assert found.tolist() == [7, 3]
    df = dd.from_pandas(table, npartitions=2)
    assert df[df.k == 0].x.sum().compute() == 7 and df[df.k < 0].x.count().compute() == 0
    assert len(df.merge(df, on="k")) == 10
