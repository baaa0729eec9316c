"""Resampling, reshaping, conversions, made-up frames, and pandas' methods beyond Dask's."""

import io

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.dataframe as dd
from raskr.dataframe.io.demo import ColumnSpec, DatasetSpec, DatetimeIndexSpec, with_spec


@pytest.fixture
def series():
    index = pd.date_range("2000-01-01 03:10", periods=60, freq="7h").append(
        pd.date_range("2000-02-20", periods=40, freq="5h")
    )
    return pd.Series(np.arange(100.0) % 13, index=index, name="v")


def test_durations_are_found_by_text_and_not_put_into_bins():
    series = pd.Series(range(6), index=pd.to_timedelta(range(6), unit="h"))
    lazy = dd.from_pandas(series, npartitions=2)
    for label in ("2h", pd.Timedelta("2h"), np.timedelta64(2, "h")):
        assert lazy.loc[label].compute().tolist() == [2]
    assert lazy.loc["1h":"3h"].compute().tolist() == [1, 2, 3]
    with pytest.raises(KeyError):
        lazy.loc["9h"].compute()
    with pytest.raises(NotImplementedError, match="durations"):
        lazy.resample("2h")


@pytest.mark.parametrize("rule", ["1D", "36h", "45min", "W", "ME", "7D", "QE"])
@pytest.mark.parametrize("how", ["sum", "mean", "count", "min", "size", "ohlc", "first", "nunique"])
def test_bins_of_time_are_pandas(series, rule, how):
    found = getattr(dd.from_pandas(series, npartitions=6).resample(rule), how)()
    expected = getattr(series.resample(rule), how)()
    check = pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal
    check(found.compute(), expected, check_freq=False)
    assert found.divisions[0] == expected.index[0] and found.divisions[-1] == expected.index[-1]


@pytest.mark.parametrize("closed", ["left", "right"])
@pytest.mark.parametrize("label", ["left", "right"])
def test_ends_of_bins(series, closed, label):
    found = dd.from_pandas(series.to_frame(), npartitions=4).resample("14h", closed=closed, label=label).v.sum()
    expected = series.to_frame().resample("14h", closed=closed, label=label).v.sum()
    pd.testing.assert_series_equal(found.compute(), expected, check_freq=False)
    many = dd.from_pandas(series, npartitions=4).resample("2D", closed=closed, label=label).agg(["sum", "max"])
    expected = series.resample("2D", closed=closed, label=label).agg(["sum", "max"])
    pd.testing.assert_frame_equal(many.compute(), expected, check_freq=False)


def test_bins_need_divisions(series):
    with pytest.raises(ValueError, match="known divisions"):
        dd.from_pandas(series, npartitions=2).clear_divisions().resample("1D")


def test_columns_become_rows_and_rows_columns():
    pdf = pd.DataFrame({"k": [1, 2, 1, 3], "c": pd.Categorical(list("xyyx")), "a": [1.0, 2, 3, 4], "b": [5.0, 6, 7, 8]})
    df = dd.from_pandas(pdf, npartitions=2)
    melted = df.melt(id_vars="k", value_vars=["a", "b"]).compute().sort_values(["variable", "value"])
    pd.testing.assert_frame_equal(melted.reset_index(drop=True), pdf.melt(id_vars="k", value_vars=["a", "b"]))
    pd.testing.assert_frame_equal(dd.get_dummies(df, columns=["c"]).compute(), pd.get_dummies(pdf, columns=["c"]))
    for how in ("mean", "sum", "count"):
        found = df.pivot_table(index="k", columns="c", values="a", aggfunc=how).compute()
        expected = pdf.pivot_table(index="k", columns="c", values="a", aggfunc=how, observed=False)
        pd.testing.assert_frame_equal(found, expected, check_dtype=how != "count")
    both = df.pivot_table(index="k", columns="c", values=["a", "b"]).compute()
    np.testing.assert_array_equal(both, pdf.pivot_table(index="k", columns="c", values=["a", "b"], observed=True))
    with pytest.raises(NotImplementedError, match="categorize"):
        dd.get_dummies(df.assign(s="x"))
    with pytest.raises(ValueError, match="category dtype"):
        df.pivot_table(index="c", columns="k", values="a")


def test_texts_become_numbers_and_dates():
    text = pd.Series(["1", "2", "x"])
    s = dd.from_pandas(text, npartitions=2)
    pd.testing.assert_series_equal(dd.to_numeric(s, errors="coerce").compute(), pd.to_numeric(text, errors="coerce"))
    with pytest.raises(ValueError, match="x"):
        dd.to_numeric(s).compute()
    days = pd.Series(["2000-01-03", "2001-02-04"], name="d")
    found = dd.to_datetime(dd.from_pandas(days, npartitions=2))
    pd.testing.assert_series_equal(found.compute(), pd.to_datetime(days))
    assert found.dtype.kind == "M" and found.name == "d"
    seconds = pd.Series([1, 90])
    found = dd.to_timedelta(dd.from_pandas(seconds, npartitions=2), unit="s")
    pd.testing.assert_series_equal(found.compute(), pd.to_timedelta(seconds, unit="s"))


def test_made_up_series_repeat_and_read_only_what_is_used():
    df = raskr.datasets.timeseries(end="2000-01-04", freq="1h", seed=3)
    again = raskr.datasets.timeseries(end="2000-01-04", freq="1h", seed=3)
    whole = df.compute()
    pd.testing.assert_frame_equal(whole, again.compute())
    pd.testing.assert_series_equal(df.x.compute(), whole.x)
    assert df._name == again._name != raskr.datasets.timeseries(end="2000-01-04", freq="1h", seed=4)._name
    assert len(df) == 72 and list(whole.columns) == ["name", "id", "x", "y"] and whole.x.between(-1, 1).all()
    assert whole.index.equals(pd.date_range("2000-01-01", periods=72, freq="1h", name="timestamp"))
    with pytest.warns(UserWarning, match="column_option"):
        raskr.datasets.timeseries(nope=3)


def test_frames_by_specification():
    columns = [
        ColumnSpec(dtype=int, number=2, prefix="p"),
        ColumnSpec(dtype=int),
        ColumnSpec(dtype="category", nunique=3),
    ]
    df = with_spec(DatasetSpec(npartitions=3, nrecords=10, column_specs=columns), seed=1)
    assert list(df.columns) == ["p1", "p2", "int1", "category1"] and df.npartitions == 3 and len(df.compute()) == 10
    assert df.category1.cat.categories.tolist() == ["1", "2", "3"]
    spec = DatetimeIndexSpec(freq="1h", start="2023-01-02", partition_freq="6h")
    dates = with_spec(DatasetSpec(nrecords=10, index_spec=spec, column_specs=columns), seed=1)
    assert dates.npartitions == 2 and len(dates.compute()) == 10
    kinds = ["float64", "float32", "Float64", "Int64", "bool", "boolean"]
    made = with_spec(DatasetSpec(column_specs=[ColumnSpec(dtype=kind) for kind in kinds]), seed=1)
    assert list(map(str, made.dtypes)) == list(map(str, made.compute().dtypes)) == kinds


@pytest.fixture
def pdf():
    return pd.DataFrame({"a": [3, 1, 2, 2, 9, 4], "b": [1.0, np.nan, 2.5, 0.5, np.nan, 7.0]}, index=list("abcdef"))


BEYOND = [
    lambda x: x.agg(["sum", "max"]),
    lambda x: x.agg("mean"),
    lambda x: x.agg({"a": "sum", "b": "max"}),
    lambda x: x.agg({"b": "count", "a": "nunique"}),
    lambda x: x.agg({"b": ["mean", "std"], "a": ["max"]}),
    lambda x: x.agg({"b": "median", "a": "sum"}),
    lambda x: x.rank(),
    lambda x: x.b.interpolate(),
    lambda x: x.sort_index(ascending=False),
    lambda x: x.a.expanding().sum(),
    lambda x: x.ewm(span=3).mean(),
    lambda x: x.a.duplicated(),
    lambda x: x.transform(lambda part: part - part.min()),
    lambda x: x.T,
    lambda x: x.truncate("b", "d"),
    lambda x: x.pivot(columns="a", values="b"),
]


@pytest.mark.parametrize("operation", BEYOND, ids=range(len(BEYOND)))
def test_methods_beyond_dask_are_pandas(pdf, operation):
    found, expected = operation(dd.from_pandas(pdf, npartitions=3)).compute(), operation(pdf)
    check = pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal
    check(found, expected)


def test_reductions_of_columns_by_name_never_see_all_rows_at_once(pdf):
    df = dd.from_pandas(pdf, npartitions=3)
    assert "whole" not in str(list(df.agg({"a": "sum", "b": "mean"}).__dask_graph__()))
    with pytest.raises(KeyError, match="z"):
        df.agg({"z": "sum"})


def test_values_that_are_computed_at_once(pdf):
    df = dd.from_pandas(pdf, npartitions=3)
    assert df.to_dict() == pdf.to_dict() or str(df.to_dict()) == str(pdf.to_dict())
    np.testing.assert_array_equal(df.to_numpy(), pdf.to_numpy())
    assert df.a.tolist() == pdf.a.tolist() and df.to_string() == pdf.to_string() and df.equals(pdf)
    out = io.StringIO()
    df.info(buf=out, verbose=True)
    assert "4 non-null" in out.getvalue() and "float64(1)" in out.getvalue()


@pytest.fixture
def hours():
    return pd.Series(np.arange(40.0), index=pd.date_range("2000", periods=40, freq="1h"))


def test_windows_of_time_reach_as_far_as_divisions_tell(hours):
    lazy = dd.from_pandas(hours, npartitions=20)
    for options in ({}, {"closed": "both"}, {"center": True}):
        found, expected = lazy.rolling("30h", **options).sum(), hours.rolling("30h", **options).sum()
        pd.testing.assert_series_equal(found.compute(), expected, check_freq=False)
    found = dd.map_overlap(lambda part: part.rolling("21h", center=True).sum(), lazy, "11h", "11h")
    pd.testing.assert_series_equal(found.compute(), hours.rolling("21h", center=True).sum(), check_freq=False)
    # A short window asks for no more than the neighbour before.
    assert len(lazy.rolling("1h").sum().dask) < 60


def test_what_reaches_too_far_is_an_error(hours):
    lazy = dd.from_pandas(hours, npartitions=20).clear_divisions()
    pd.testing.assert_series_equal(lazy.rolling("10h").sum().compute(), hours.rolling("10h").sum(), check_freq=False)
    pd.testing.assert_series_equal(lazy.shift(-16).compute(), hours.shift(-16), check_freq=False)
    for far in (lazy.rolling("30h").sum(), lazy.shift(17), lazy.ffill(limit=17)):
        with pytest.raises(NotImplementedError, match="further than 8 partitions"):
            far.compute()
