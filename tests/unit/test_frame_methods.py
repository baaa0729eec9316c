"""Methods of frames and series against pandas: values, types, names, order."""

import itertools

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.dataframe as dd

DATES = pd.date_range("2000-01-30", periods=12, freq="7h")


@pytest.fixture
def pdf():
    return pd.DataFrame(
        {
            "a": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8],
            "b": [0.5, np.nan, 2.5, 3.0, np.nan, 1.0, 7.25, -1.0, 0.0, 4.0, np.nan, 2.0],
            "s": list("abcabcaabbca"),
            "t": DATES,
            "c": pd.Categorical(list("xyzxyzxyzxyz")),
            "m": np.arange(12) % 2 == 0,
        },
        index=np.arange(12) * 2,
    )


@pytest.fixture
def df(pdf):
    return dd.from_pandas(pdf, npartitions=4)


def same(found, expected, **options):
    lazy, computed = found, found.compute() if hasattr(found, "compute") else found
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(computed, expected, check_freq=False, **options)
        assert list(lazy.dtypes) == list(expected.dtypes) and list(lazy.columns) == list(expected.columns)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(computed, expected, check_freq=False, **options)
        assert lazy.dtype == expected.dtype and lazy.name == expected.name
    elif isinstance(expected, pd.Index):
        pd.testing.assert_index_equal(computed, expected)
    elif isinstance(expected, float) and np.isnan(expected):
        assert np.isnan(computed)
    elif isinstance(expected, (float, np.floating)):
        assert computed == pytest.approx(expected, rel=1e-12)
    else:
        assert computed == expected


ROWS = [
    lambda x: x.a + x.b,
    lambda x: 2 - x.a,
    lambda x: x.a.add(x.b, fill_value=0),
    lambda x: x[["a", "b"]].mul(x.a, axis=0),
    lambda x: x[["a", "b"]] ** 2,
    lambda x: x[["a"]] == 1,
    lambda x: ~x.m & (x.a > 2) | (x.b < 1),
    lambda x: x[x.a > 3],
    lambda x: x[x.a > 100],
    lambda x: x[["b", "a"]],
    lambda x: x.b.fillna(0),
    lambda x: x.fillna({"b": 9.0}),
    lambda x: x.isna(),
    lambda x: x.b.notnull(),
    lambda x: x.a.isin([1, 5]),
    lambda x: x.a.clip(2, 6),
    lambda x: x.b.round(),
    lambda x: x.a.between(2, 5),
    lambda x: x.b.where(x.a > 3, -1.0),
    lambda x: x.b.mask(x.m),
    lambda x: x.a.replace({1: 100}),
    lambda x: x.dropna(),
    lambda x: x.dropna(subset=["b"]),
    lambda x: x.drop(columns=["a", "s"]),
    lambda x: x.drop("a", axis=1),
    lambda x: x.rename(columns={"a": "z"}),
    lambda x: x.a.rename("z"),
    lambda x: x.assign(d=x.a + 1, e=lambda y: y.d * 2, f=1.5),
    lambda x: x.astype({"a": "float32"}),
    lambda x: x.query("a > 3 and b < 5"),
    lambda x: x.eval("a + b"),
    lambda x: x.select_dtypes("number"),
    lambda x: x.b.abs(),
    lambda x: abs(x.b),
    lambda x: x.a.to_frame("q"),
    lambda x: x.add_prefix("p_"),
    lambda x: x.apply(lambda row: row.a + len(row.s), axis=1),
    lambda x: x.a.apply(lambda v: v * 2.5),
    lambda x: x.a.map({1: 10.0, 5: 50.0}),
    lambda x: x[["a", "b"]].map(lambda v: v + 1),
    lambda x: np.sqrt(x.a),
    lambda x: x[["a", "b"]].sum(axis=1),
    lambda x: x[["a", "b"]].max(axis=1),
    lambda x: x[["a", "b"]].mean(axis=1),
    lambda x: x.s.str.upper(),
    lambda x: x.s.str.contains("a"),
    lambda x: x.s.str[0],
    lambda x: x.s.str.cat(x.s, sep="-"),
    lambda x: (x.s + "-" + x.s).str.split("-", n=1, expand=True),
    lambda x: x.t.dt.month,
    lambda x: x.t.dt.strftime("%d/%m"),
    lambda x: x.t.dt.floor("D"),
    lambda x: x.t.dt.day_name(),
    lambda x: x.c.cat.codes,
    lambda x: x.c.cat.rename_categories(["p", "q", "r"]),
    lambda x: x[["a", "b"]].cumsum(),
    lambda x: x.b.cumsum(),
    lambda x: x.a.cumprod(),
    lambda x: x[["a", "b"]].cummax(),
    lambda x: x.b.cummin(),
    lambda x: x.b.cumsum(skipna=False),
    lambda x: x.t.cummax(),
    lambda x: x.a.shift(),
    lambda x: x.a.shift(-4),
    lambda x: x.b.diff(2),
    lambda x: x[["a", "b"]].diff(-1),
    lambda x: x.b.ffill(),
    lambda x: x.b.bfill(),
    lambda x: x.b.ffill(limit=1),
    lambda x: x.a.pct_change(),
    lambda x: x.a.rolling(3).sum(),
    lambda x: x[["a", "b"]].rolling(3, min_periods=1).mean(),
    lambda x: x.a.rolling(3, center=True).max(),
    lambda x: x.loc[4:13],
    lambda x: x.loc[4:13, "a"],
    lambda x: x.loc[[2, 20]],
    lambda x: x.loc[:, ["a", "b"]],
    lambda x: x.loc[x.a > 4, "b"],
    lambda x: x.iloc[:, [0, 2]],
    lambda x: x.iloc[:, 1],
    lambda x: x.combine_first(x),
    lambda x: x.a - x.a.mean(),
    lambda x: x[["a", "b"]] - x[["a", "b"]].mean(),
    lambda x: x.explode("s"),
]


@pytest.mark.filterwarnings("ignore:The metadata, which is columns:UserWarning")
@pytest.mark.parametrize("operation", ROWS, ids=range(len(ROWS)))
def test_rows_are_pandas(df, pdf, operation):
    same(operation(df), operation(pdf))


REDUCTIONS = [
    *(
        lambda x, name=name: getattr(x[["a", "b", "m"]], name)()
        for name in "sum prod min max any all count mean var std sem skew kurt idxmin idxmax".split()
    ),
    *(
        lambda x, name=name: getattr(x.b, name)()
        for name in "sum prod min max any all count mean var std sem skew kurt idxmin idxmax".split()
    ),
    lambda x: x.a.sum(),
    lambda x: x.b.size,
    lambda x: x.b.sum(skipna=False),
    lambda x: x.b.sum(min_count=20),
    lambda x: x[["a", "b"]].sum(min_count=10),
    lambda x: x.max(numeric_only=True),
    lambda x: x.s.max(),
    lambda x: x.t.max(),
    lambda x: x.t.mean(),
    lambda x: x[["s", "a"]].min(),
    lambda x: x.a.var(ddof=0),
    lambda x: x.b.median(),
    lambda x: x.a.quantile(0.3),
    lambda x: x[["a", "b"]].quantile([0.25, 0.5]),
    lambda x: x[["a", "b"]].quantile(),
    lambda x: x.t.quantile(0.5),
    lambda x: x.s.nunique(),
    lambda x: x.nunique(),
    lambda x: x.s.value_counts(),
    lambda x: x.c.value_counts(),
    lambda x: x.a.value_counts(ascending=True),
    lambda x: x.b.value_counts(dropna=False),
    lambda x: x.s.value_counts(normalize=True),
    lambda x: x.a.mode(),
    lambda x: x[["a", "s"]].mode(),
    lambda x: x[["a", "b"]].corr(),
    lambda x: x[["a", "b", "m"]].cov(),
    lambda x: x.a.corr(x.b),
    lambda x: x.a.cov(x.b),
    lambda x: x.describe(),
    lambda x: x[["a", "b"]].describe(percentiles=[0.1]),
    lambda x: x.s.describe(),
    lambda x: x.b.describe(),
    lambda x: x.t.describe(),
    lambda x: x[["s"]].describe(),
    lambda x: x.describe(include="all"),
    lambda x: x.a.nlargest(3),
    lambda x: x.nsmallest(2, "b"),
    lambda x: x.index.max(),
    lambda x: x.a.autocorr(2),
    lambda x: x.a.is_monotonic_increasing,
    lambda x: x.index.is_monotonic_increasing,
    lambda x: x.a.sum() / x.a.count(),
]


@pytest.mark.parametrize("operation", REDUCTIONS, ids=range(len(REDUCTIONS)))
def test_reductions_are_pandas(df, pdf, operation):
    found, expected = operation(df), operation(pdf)
    if isinstance(expected, pd.Series) and expected.name in ("count", "proportion"):
        found, expected = found.compute().sort_index().sort_values(), expected.sort_index().sort_values()
    same(found, expected)


def test_both_axes_at_once(df, pdf):
    for name in ("sum", "max", "mean", "any"):
        same(getattr(df[["a", "b"]], name)(axis=None), getattr(pdf[["a", "b"]], name)(axis=None))


def test_numpys_functions_and_arrays_functions_give_frames(df, pdf):
    import raskr.array as da

    same(da.sin(df.a), np.sin(pdf.a))
    same(np.maximum(df.a, 3), np.maximum(pdf.a, 3))
    same(divmod(df.a, 2)[1], divmod(pdf.a, 2)[1])
    assert np.sum(df.a).compute() == pdf.a.sum()


def test_a_lazy_series_maps_values(df, pdf):
    names = pd.Series(list("pqrstuvwxy"), index=range(10))
    with pytest.warns(UserWarning, match="meta"):
        found = df.a.map(dd.from_pandas(names, npartitions=3))
    assert found.compute().tolist() == pdf.a.map(names).tolist()


def test_frames_that_are_divided_differently_are_lined_up(df, pdf):
    other = pdf.iloc[3:].assign(a=lambda x: x.a * 10)
    found = df.a + dd.from_pandas(other, npartitions=3).a
    pd.testing.assert_series_equal(found.compute(), pdf.a + other.a)
    pd.testing.assert_series_equal((df.b.combine_first(other.a)).compute(), pdf.b.combine_first(other.a))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(df.a == 1)


def test_columns_are_set_renamed_and_deleted(df, pdf):
    other = df.copy()
    other["d"] = other.a + 1
    other["b"] = 0
    del other["s"]
    other = other.rename(columns={"d": "e"})
    assert list(other.columns) == ["a", "b", "t", "c", "m", "e"] and list(df.columns) == list(pdf.columns)
    assert other.e.compute().tolist() == (pdf.a + 1).tolist()
    other.columns = list("abcdef")
    assert other.f.sum().compute() == (pdf.a + 1).sum() and other.pop("f").name == "f" and "f" not in other
    moved = df.rename(index={0: 100})
    assert not moved.known_divisions and moved.index.max().compute() == 100


def test_sources_read_only_the_columns_that_are_used(pdf):
    from raskr.dataframe.optimizing import optimized

    made = raskr.datasets.timeseries(end="2000-01-03", freq="6h", seed=1)
    whole = made.compute()
    for found, expected, columns in [
        (made.x + made.y, whole.x + whole.y, ["x", "y"]),
        (made[made.id > 1000].x, whole[whole.id > 1000].x, ["id", "x"]),
        (made.assign(z=made.x * 2)[["z"]], whole.assign(z=whole.x * 2)[["z"]], ["x"]),
        (made.groupby("name").x.sum(), whole.groupby("name").x.sum(), ["name", "x"]),
        (made.fillna(0).y, whole.y, ["y"]),
    ]:
        [better] = optimized([found._expr])
        assert _columns_of_sources(better) == set(columns)
        (pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal)(
            found.compute(), expected
        )


def _columns_of_sources(expression):
    if not expression.children:
        return set(expression.meta.columns)
    return set().union(*map(_columns_of_sources, expression.children))


def test_what_is_computed_together_is_read_once():
    calls = []

    def part(number, columns=None):
        calls.append(number)
        return pd.DataFrame({"a": [number], "b": [number * 2]})

    df = dd.from_map(part, [1, 2], meta={"a": int, "b": int})
    assert raskr.compute(df.a.sum(), df.b.max(), df.a + df.b, scheduler="sync")[:2] == (3, 4)
    assert sorted(calls) == [1, 2]
    total, again = raskr.compute(df.a.sum(), df.a.sum())
    assert total == again == 3


def test_reductions_of_ones_own_go_along_a_tree(df, pdf):
    found = df.a.reduction(pd.Series.max, aggregate=lambda parts: parts.max(), split_every=2)
    assert found.compute() == pdf.a.max()
    assert 3 <= df.s.nunique_approx().compute() < 3.1
    shares = df.s.value_counts(normalize=True, split_out=2).compute().sort_index()
    pd.testing.assert_series_equal(shares, pdf.s.value_counts(normalize=True).sort_index())
    with pytest.raises(ValueError, match="axis=0"):
        df[["a"]].add(df.a)


def test_arrays_and_frames_mix(df, pdf):
    import raskr.array as da

    array = da.from_array(np.arange(12), chunks=3)
    for found in (df.a + array, array + df.a, da.add(array, df.a), np.add(array, df.a)):
        same(found.rename("a"), pdf.a + np.arange(12))
    assert (array + df.a.max()).chunks == array.chunks
    same(df.assign(z=array).z, pd.Series(np.arange(12), index=pdf.index, name="z"))
    with pytest.warns(UserWarning, match="object dtype"):
        assert df.s.values.compute().tolist() == pdf.s.tolist()
    with pytest.raises(ValueError, match="blocks"):
        df.a + da.arange(12, chunks=6)
    assert df.a.shift(1).dtype == np.float64


def test_rows_by_date_and_period():
    days = pd.DataFrame({"a": range(60)}, index=pd.date_range("2000-01-20", periods=60, freq="D"))
    df = dd.from_pandas(days, npartitions=5)
    for label in ("2000-02", "2000-01-25", slice("2000-01-30", "2000-02-03"), slice(None, "2000-02")):
        expected = days.loc[label:label] if isinstance(label, str) else days.loc[label]
        pd.testing.assert_frame_equal(df.loc[label].compute(), expected, check_freq=False)
    periods = days.set_axis(days.index.to_period("D"))
    found = dd.from_pandas(periods, npartitions=3).loc["2000-01-25"].compute()
    assert found.a.tolist() == [5] and "<table" in df._repr_html_() and "npartitions=5" in df.a._repr_html_()
    with pytest.raises(KeyError, match="2010"):
        df.loc["2010-01-01 03:00:00"].compute()


@pytest.mark.parametrize(
    "dtype",
    [
        "int64[pyarrow]",
        "float[pyarrow]",
        "timestamp[us][pyarrow]",
        "timestamp[ms, UTC][pyarrow]",
        "duration[s][pyarrow]",
        "Int64",
    ],
)
def test_quantiles_have_pandas_types(dtype):
    column = pd.Series(pd.array([3, 1, None, 2, 7, 5], dtype="Int64")).astype(dtype)
    lazy = dd.from_pandas(column, npartitions=3).quantile([0.3, 0.5])
    expected = column.quantile([0.3, 0.5])
    assert lazy.dtype == expected.dtype
    pd.testing.assert_series_equal(lazy.compute(), expected)
    assert dd.from_pandas(column, npartitions=3).mean().compute() == column.mean()
    described = dd.from_pandas(column.to_frame("v"), npartitions=2).describe()
    pd.testing.assert_frame_equal(described.compute(), column.to_frame("v").describe())


NUMBERS = {
    "float64": [1.5, 2, None, 4],
    "float32": [1.5, 2, None, 4],
    "int64": [1, 2, 3, 4],
    "bool": [True, False, True, True],
    "Int64": [1, 2, None, 4],
    "Float32": [1, 2, None, 4],
    "boolean": [True, False, None, True],
    "int64[pyarrow]": [1, 2, None, 4],
    "double[pyarrow]": [None] * 4,
}


@pytest.mark.parametrize("how", ["mean", "std", "median", "sem", "skew"])
def test_figures_of_columns_of_several_types_have_pandas_type(how):
    for pair in itertools.combinations_with_replacement(NUMBERS, 2):
        pdf = pd.DataFrame({kind: pd.Series(NUMBERS[kind], dtype=kind) for kind in pair})
        lazy = getattr(dd.from_pandas(pdf, npartitions=2), how)()
        expected = getattr(pdf, how)()
        if how == "median" and set(pair) <= {"float32", "Float32"}:
            expected = expected.astype(lazy.dtype)
        assert lazy.dtype == expected.dtype, pair
        pd.testing.assert_series_equal(lazy.compute(), expected)


def test_figures_without_values_are_missing_as_pandas_has_them():
    pdf = pd.DataFrame({"a": pd.Series([None] * 4, dtype="Int64"), "b": [True, False, True, None]}).astype(
        {"b": "boolean"}
    )
    df = dd.from_pandas(pdf, npartitions=2)
    assert df.a.mean().compute() is pd.NA and df.a.std().compute() is pd.NA
    assert df.b.median().compute() == pdf.b.median() == 1


def test_quantiles_of_rows_know_the_index(pdf):
    numbers = pdf.select_dtypes("number")
    lazy = dd.from_pandas(numbers, npartitions=3).quantile(0.3, axis=1)
    assert lazy._meta.index.dtype == numbers.index.dtype and lazy.name == 0.3
    pd.testing.assert_series_equal(lazy.compute(), numbers.quantile(0.3, axis=1))
    with pytest.raises(ValueError, match="must be scalar"):
        dd.from_pandas(numbers, npartitions=3).quantile([0.3, 0.4], axis=1)


def test_figures_of_no_columns_are_no_figures():
    df = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
    assert df[[]].sum().compute().empty
