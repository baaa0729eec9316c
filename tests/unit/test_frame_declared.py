"""What frames declare before they are computed, how they are lined up, and what they refuse, as Dask has it."""

import warnings

import numpy as np
import pandas as pd
import pytest

import raskr.array as da
import raskr.dataframe as dd


@pytest.fixture
def pdf():
    return pd.DataFrame({"a": range(10), "b": np.arange(10) / 2, "s": list("abcdefghij")})


def _kinds(frame):
    return frame.dtypes.to_dict() if frame.ndim == 2 else frame.dtype


def _same(lazy, expected):
    found = lazy.compute()
    check = pd.testing.assert_frame_equal if found.ndim == 2 else pd.testing.assert_series_equal
    check(found.sort_index(), expected.sort_index())
    assert _kinds(lazy) == _kinds(expected)


def test_replaced_values_have_the_type_of_what_replaces_them(pdf):
    numbers = pdf[["a", "b"]]
    df = dd.from_pandas(numbers, npartitions=3)
    _same(df.where(df.a > 4), numbers.where(numbers.a > 4))
    _same(df.a.mask(df.b > 2), numbers.a.mask(numbers.b > 2))
    _same(df.a.where(df.a > 4, 0), numbers.a.where(numbers.a > 4, 0))
    _same(df.where(df > 2, -df), numbers.where(numbers > 2, -numbers))
    _same(df[df > 3], numbers[numbers > 3])
    _same(df.clip(2.5, 3.5), numbers.clip(2.5, 3.5))
    _same(df.clip(2, 3), numbers.clip(2, 3))
    _same((df.a > 4).where(df.b > 3), (numbers.a > 4).where(numbers.b > 3))
    lower = pd.Series({"a": 2, "b": 3})
    _same(df.clip(lower=lower, axis=1), numbers.clip(lower=lower, axis=1))
    _same(df.clip(lower=numbers.b, axis=0), numbers.clip(lower=numbers.b, axis=0))
    with pytest.raises(ValueError, match="No axis named 1 for Series"):
        df.a.clip(lower=lower, axis=1)


def test_frames_of_unknown_divisions_meet_by_index(pdf):
    known, unknown = dd.from_pandas(pdf, npartitions=2), dd.from_pandas(pdf, npartitions=3).clear_divisions()
    total = unknown.a + known.b
    assert not total.known_divisions
    pd.testing.assert_series_equal(total.compute().sort_index(), pdf.a + pdf.b)
    _same(unknown.assign(c=pdf.a + 1), pdf.assign(c=pdf.a + 1))
    shifted = pd.Series(np.arange(10.0), index=np.arange(10.0) + 5, name="a")
    pd.testing.assert_series_equal((unknown.a + shifted).compute().sort_index(), pdf.a + shifted)
    with pytest.raises(ValueError, match="Not all divisions are known"):
        unknown.a.map_partitions(lambda one, two: one, known.a)


def test_an_index_of_other_values_has_other_divisions(pdf):
    df = dd.from_pandas(pdf, npartitions=2)
    assert not (df.index * 10).known_divisions and not df.index.astype(str).known_divisions
    df.index = df.index * 10
    _same(df, pdf.set_axis(pdf.index * 10))


def test_extremes_with_labels_meet_the_columns(pdf):
    numbers = pdf[["a", "b"]]
    df = dd.from_pandas(numbers, npartitions=3)
    _same(df - (df.idxmax() + 1), numbers - (numbers.idxmax() + 1))


def test_products_of_rows_are_summed_over_all_partitions():
    one, two = pd.Series([1, 2, 3, 4]), pd.Series([4.0, np.nan, 6, 6])
    table = pd.DataFrame({"x": one, "y": two})
    for count in (1, 3):
        lazy, other = dd.from_pandas(one, npartitions=count), dd.from_pandas(table, npartitions=2)
        assert lazy.dot(other.x).compute() == one.dot(one) and lazy.dot(one).compute() == 30
        assert np.isnan(lazy.dot(other.y).compute())
        pd.testing.assert_series_equal(lazy.dot(other).compute(), one.dot(table))
    assert lazy.dot(other, meta=pd.Series([1.0], name="sums")).compute().name == "sums"
    with pytest.raises(TypeError, match="must be a Series or DataFrame, got Array"):
        lazy.dot(da.ones(4))


def test_functions_of_partitions_may_give_anything(pdf):
    df = dd.from_pandas(pdf, npartitions=2)
    assert df.map_partitions(type).compute().tolist() == [pd.DataFrame] * 2
    assert df.map_partitions(lambda part: {"rows": len(part)}).compute().tolist() == [{"rows": 5}] * 2
    sparse = pytest.importorskip("scipy.sparse")
    made = df[["a", "b"]].map_partitions(sparse.csr_array)
    assert isinstance(made, da.Array) and made.ndim == 2
    blocks = [block.compute() for block in made.to_delayed().ravel()]
    assert all(isinstance(block, sparse.csr_array) for block in blocks)
    frames = da.ones((6, 2), chunks=(3, 2)).map_blocks(pd.DataFrame, meta=pd.DataFrame(np.ones((1, 2))))
    assert frames.compute().shape == (6, 2)


def test_arrays_and_means_have_the_type_of_both(pdf):
    df = dd.from_pandas(pdf, npartitions=2)
    total = df.a.values + df.a.mean()
    assert total.dtype == np.float64 and (df.a.mean() + df.a.values).dtype == np.float64
    np.testing.assert_array_equal(total.compute(), pdf.a.to_numpy() + pdf.a.mean())


def test_index_values_are_renamed_by_a_lazy_series(pdf):
    df = dd.from_pandas(pdf, npartitions=2)
    pd.testing.assert_series_equal(df.a.rename(df.s).compute(), pdf.a.rename(pdf.s))
    pd.testing.assert_series_equal(df.a[[1, 8]].compute(), pdf.a[[1, 8]])


def test_divisions_can_be_enforced(pdf):
    df = dd.from_pandas(pdf, npartitions=2)
    _same(df.enforce_runtime_divisions(), pdf)
    wrong = dd.from_map(lambda number: pdf.iloc[5 * number :], [0, 1], divisions=(0, 5, 9))
    with pytest.raises(RuntimeError, match="partition 0.*found 0 to 9"):
        wrong.enforce_runtime_divisions().compute()
    with pytest.raises(ValueError, match="not known"):
        wrong.clear_divisions().enforce_runtime_divisions()


def test_keys_that_are_columns_of_the_frame_are_columns(pdf):
    df = dd.from_pandas(pdf, npartitions=2)
    assert df.groupby(df.s).by == df.groupby("s").by == ["s"]
    assert df.groupby([df.s, "a"]).by == ["s", "a"]
    assert list(df.groupby(df.s).sum().columns) == ["a", "b"]
    with pytest.raises(ValueError, match="No group keys"):
        df.groupby([])
    with pytest.raises(ValueError, match="got a DataFrame"):
        df.a.groupby(df)
    with pytest.raises(TypeError, match="by= or level="):
        df.groupby("s", level=0)


def test_named_aggregations_of_pandas_are_taken(pdf):
    pdf = pdf.assign(g=pdf.a % 3)
    named = {"x": pd.NamedAgg("a", "sum"), "y": pd.NamedAgg("b", "max")}
    _same(dd.from_pandas(pdf, npartitions=3).groupby("g").agg(**named), pdf.groupby("g").agg(**named))


def test_what_is_refused_says_why(pdf):
    df = dd.from_pandas(pdf, npartitions=2)
    with pytest.raises(ValueError, match="only supports 1-D arrays"):
        df["z"] = da.ones((10, 2), chunks=5)
    with pytest.raises(ValueError, match="Number of partitions do not match"):
        df["z"] = da.ones(10, chunks=2)
    with pytest.raises(ValueError, match="Unexpected value for .lengths."):
        df.to_dask_array(lengths=5)
    with pytest.raises(NotImplementedError, match="index with a frame"):
        df.set_index(df[["a"]])
    with pytest.raises(ValueError, match="different numbers of partitions"):
        df.a + da.ones(10, chunks=2)
    with pytest.raises(TypeError, match="doesn't support type list"):
        df.assign(c=list(range(10)))
    with pytest.raises(NotImplementedError, match="labels in loc"):
        df[1:3]
    with pytest.raises(NotImplementedError, match="axis 0: rows are not counted"):
        df.squeeze(axis=0)
    with pytest.raises(TypeError, match="periods move by steps of their own"):
        dd.from_pandas(pdf.set_index(pd.period_range("2000", periods=10)), npartitions=1).index.shift(2, freq="D")
    with pytest.raises(ValueError, match="`mean` not supported with str"):
        df.s.mean()
    with pytest.raises((TypeError, NotImplementedError), match="quantile|numeric"):
        df.quantile()
    with pytest.raises(TypeError, match="got DataFrame"):
        dd.to_numeric(df)
    with pytest.raises(KeyError, match="meta"):
        dd.to_numeric("10", meta=pd.Series([], dtype=float))
    assert dd.to_numeric(da.from_array(np.array(["1", "2.5"])), meta=np.empty(0)).dtype == np.float64


def test_types_that_were_found_are_told(pdf):
    df = dd.from_pandas(pdf[["a", "b"]], npartitions=2)
    with pytest.warns(UserWarning, match="'a': 'int64', 'b': 'float64'|'a': 'float64', 'b': 'float64'"):
        df.apply(lambda row: row, axis=1)


def test_universal_functions_take_lazy_numbers_beside_frames(pdf):
    numbers = pdf[["a", "b"]]
    df = dd.from_pandas(numbers, npartitions=3)
    total = df.a.sum()
    for function in (da.hypot, np.hypot):
        _same(function(df.a, total), np.hypot(numbers.a, 45))
        _same(function(total, df), np.hypot(45, numbers))
    for function in ("real", "imag", "isreal", "sinc", "nan_to_num"):
        lazy = getattr(da, function)(df.a)
        assert isinstance(lazy, da.Array)
        np.testing.assert_array_equal(lazy.compute(), getattr(np, function)(numbers.a.to_numpy()))


def test_indexes_of_dates_and_categories_have_their_accessors():
    days = pd.date_range("2000-01-30 05:00", periods=4, freq="16h", name="t")
    df = dd.from_pandas(pd.DataFrame({"a": range(4)}, index=days), npartitions=2)
    pd.testing.assert_index_equal(df.index.dt.floor("D").compute(), days.floor("D"))
    assert df.index.dt.tz is None and df.index.dt.year.compute().tolist() == [2000] * 4
    found = df.groupby(df.index.dt.date).sum().compute()
    pd.testing.assert_frame_equal(found, pd.DataFrame({"a": range(4)}, index=days).groupby(days.date).sum())
    words = dd.from_pandas(pd.DataFrame({"a": [1, 2]}, index=["x", "y"]), npartitions=1)
    assert not hasattr(words.index, "dt") and not hasattr(words.index, "categories")
    known = words.categorize()
    assert known.index.cat.known and list(known.index.categories) == ["x", "y"] and not known.index.ordered
    assert words.categorize(index=False) is words
    with pytest.raises(AttributeError, match="with unknown categories"):
        _ = known.index.cat.as_unknown().cat.categories


def test_groups_by_the_index_are_groups_of_its_values(pdf):
    indexed = pdf[["a", "b"]].set_index(pdf.a % 3)
    df = dd.from_pandas(indexed, npartitions=2)
    _same(df.groupby(df.index).sum(), indexed.groupby(indexed.index).sum())


def test_rows_are_replaced_by_cases_shifted_along_columns_and_taken_by_label(pdf):
    numbers = pdf[["a", "b"]]
    df = dd.from_pandas(numbers, npartitions=3)
    cases = [(numbers.a > 5, numbers.b), (numbers.a > 2, -1.0)]
    lazy = [(df.a > 5, df.b), (df.a > 2, -1.0)]
    pd.testing.assert_series_equal(df.a.case_when(lazy).compute(), numbers.a.case_when(cases))
    _same(df.shift(axis="columns"), numbers.shift(axis="columns"))
    _same(df.diff(axis=1), numbers.diff(axis=1))
    assert df.a[3].compute().tolist() == [3]
    assert df.sum()["a"].compute() == 45 and df.max()[["a", "b"]].compute().to_dict() == {"a": 9, "b": 4.5}
    wanted = ["a"]
    chosen = df[wanted]
    wanted.append("gone")
    _same(chosen, numbers[["a"]])
    with pytest.raises(NotImplementedError, match="only works for axis=1"):
        df.drop([0])
    _same(df.drop("a", axis=1), numbers.drop("a", axis=1))


def test_partitions_unlike_their_declaration_are_refused_where_that_is_wanted(pdf):
    df = dd.from_pandas(pdf, npartitions=2)
    declared = {"meta": ("n", "int64"), "enforce_metadata": True}
    _same(df.map_partitions(lambda part: part.a.rename("n"), **declared), pdf.a.rename("n"))
    with pytest.raises(ValueError, match="Metadata mismatch.*expected int64, got a partition of float64"):
        df.map_partitions(lambda part: part.b.rename("n"), **declared).compute()


def test_tables_of_groups_and_categories_have_zeros_for_what_is_not_there(pdf):
    pdf = pdf.assign(r=pdf.a % 3, c=pd.Categorical(list("xyxyzzxxyy")))
    df = dd.from_pandas(pdf, npartitions=3)
    for how in ("sum", "count", "mean", "first"):
        found = df.pivot_table(index="r", columns="c", values=["b", "a"], aggfunc=how)
        expected = pdf.pivot_table(index="r", columns="c", values=["b", "a"], aggfunc=how, observed=False)
        expected = expected.astype(float) if how == "count" else expected
        pd.testing.assert_frame_equal(found.compute(), expected)
    words = df.pivot_table(index="r", columns="c", values="s", aggfunc="first").compute()
    pd.testing.assert_frame_equal(
        words, pdf.pivot_table(index="r", columns="c", values="s", aggfunc="first", observed=False)
    )
    with pytest.raises(ValueError, match="'values' must refer to an existing column"):
        df.pivot_table(index="r", columns="c", values=[["a"]])
    with pytest.raises(ValueError, match="'index' must be the name of an existing column"):
        df.pivot_table(index="gone", columns="c", values="a")


def test_dates_are_declared_by_name_and_type():
    words = pd.Series(["2023-04-01 22:12:11.5+00:00"], name="a")
    found = dd.to_datetime(dd.from_pandas(words, npartitions=1), meta=("a", "datetime64[us, UTC]"))
    assert str(found.dtype) == "datetime64[us, UTC]" and found.name == "a"
    pd.testing.assert_series_equal(found.compute(), pd.to_datetime(words))


def test_options_of_no_column_are_ignored_with_a_warning():
    from raskr.dataframe.dask_expr.datasets import timeseries

    with pytest.warns(UserWarning, match="'types' is ignored"):
        df = timeseries("2000-01-01", "2000-01-03", freq="6h", seed=1, types={"x": float})
    assert list(df.columns) == ["name", "id", "x", "y"] and len(df) == 8


def test_values_that_arrays_have_no_type_for_become_objects_with_a_warning(pdf):
    for kind in ("str", "string", "Int64"):
        df = dd.from_pandas(pdf.astype({"a": "str"}).astype({"a": kind}), npartitions=2)
        with pytest.warns(UserWarning, match="object dtype"):
            values = df.a.values
        assert values.dtype == object


def test_known_values_stay_known_beside_lazy_numbers(pdf):
    total = dd.from_pandas(pdf, npartitions=2).a.sum()
    for function in (np.hypot, da.hypot, np.greater, da.greater):
        for known in (pdf.a, pdf[["a", "b"]]):
            for left, right in ((known, total), (total, known)):
                found, expected = function(left, right), getattr(np, function.__name__)(left, right)
                assert type(found) is type(known)
                plain = [each if each is known else 45 for each in (left, right)]
                check = pd.testing.assert_series_equal if known.ndim == 1 else pd.testing.assert_frame_equal
                check(found, getattr(np, function.__name__)(*plain))
                check(expected, found)
    pd.testing.assert_series_equal(pdf.a + total, pdf.a + 45)
    assert isinstance(np.add(da.ones(3), total), da.Array)
    with pytest.raises(ValueError, match="frames of 2 columns"):
        np.sin(dd.from_pandas(pdf[["a", "b"]], 2), out=dd.from_pandas(pdf[["a"]], 2))


@pytest.mark.parametrize("ordered", [True, False])
def test_categories_of_other_orders_are_put_together_without_an_order(ordered):
    one = pd.DataFrame({"x": pd.Categorical(list("abca"), categories=list("abc"), ordered=ordered)})
    two = pd.DataFrame({"x": pd.Categorical(list("cba"), categories=list("cba"), ordered=ordered)})
    found = dd.concat([dd.from_pandas(one, 2), dd.from_pandas(two, 2)], ignore_order=True)
    expected = pd.concat([one, two]).astype({"x": pd.CategoricalDtype(list("abc"))})
    pd.testing.assert_frame_equal(found.compute(), expected)
    assert found.dtypes.x == expected.dtypes.x


def test_lazy_numbers_become_series_and_are_optimized(pdf):
    total = dd.from_pandas(pdf, npartitions=2).a.sum()
    assert total.optimize().compute() == 45
    pd.testing.assert_series_equal(total.to_series().compute(), pd.Series([45]))
    labelled = total.to_series("all")
    assert labelled.dtype == np.int64 and labelled.compute().to_dict() == {"all": 45}


def test_shuffles_take_names_from_a_series_and_declare_the_index_that_is_left(pdf):
    df = dd.from_pandas(pdf.set_index("s"), npartitions=3)
    _same(df.shuffle(pd.Series(["a", "b"])), pdf.set_index("s"))
    without = df.shuffle("a", ignore_index=True)
    assert without.index.dtype == without.compute().index.dtype == np.int64


def test_results_get_the_declared_name():
    df = dd.from_pandas(pd.DataFrame({"a": [1, 1, 2, 2], "b": [1.0, 2.0, 3.0, 4.0]}), npartitions=2)
    made = [
        df.map_partitions(lambda part: part.b, meta=("x", "f8")),
        dd.map_partitions(lambda a, b: a + b, df.a, df.b, meta=("x", "f8")),
        df.b.map_overlap(lambda part: part, 1, 0, meta=("x", "f8")),
        df.groupby("a").apply(lambda group: group.b.sum(), meta=("x", "f8")),
        df.groupby("a").b.apply(lambda group: group.sum(), meta=("x", "f8")),
    ]
    assert [each.compute().name for each in made] == ["x"] * 5
    assert df.map_partitions(lambda part: part.b, meta=("x", "f8"), enforce_metadata=False).compute().name == "b"


def test_results_have_the_declared_columns():
    df = dd.from_pandas(pd.DataFrame({"a": [1, 1, 2, 2], "b": [1.0, 2.0, 3.0, 4.0]}), npartitions=2)
    wanting = df.map_partitions(lambda part: part[["a"]], meta={"a": "i8", "z": "f8"})
    with pytest.raises(ValueError, match=r"do not match(?s:.*)Missing: \['z'\]"):
        wanting.compute()
    with pytest.raises(ValueError, match="Order of columns does not match"):
        df.map_partitions(lambda part: part[["b", "a"]], meta={"a": "i8", "b": "f8"}).compute()
    with pytest.raises(ValueError, match="declares a Series, and a partition is a DataFrame"):
        df.map_partitions(lambda part: part, meta=("a", "i8")).compute()
    with pytest.raises(ValueError, match=r"Missing: \['z'\]"):
        df.groupby("a").apply(lambda group: group[["b"]], meta={"z": "f8"}).compute()
    # Where a partition has no rows pandas may give something else.
    none = df[df.a > 5].map_partitions(lambda part: part.b if len(part) == 0 else part, meta=df._meta)
    assert list(none.compute().columns) == ["a", "b"]


@pytest.mark.parametrize("meta", [(None, "f8"), ("s", "f8"), float])
def test_numbers_of_partitions_are_a_series(meta):
    df = dd.from_pandas(pd.DataFrame({"b": [1.0, 2.0, 3.0, 4.0]}), npartitions=2)
    assert df.map_partitions(lambda part: part.b.sum(), meta=meta).compute().tolist() == [3.0, 7.0]
    lists = df.map_partitions(lambda part: part.b.tolist(), meta=(None, object))
    assert lists.compute().tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_reductions_to_a_number_are_declared_by_its_type():
    s = dd.from_pandas(pd.Series([1.0, 2.0, 3.0]), npartitions=2)
    total = s.reduction(lambda part: part.sum(), aggregate=lambda found: found.sum(), meta=float)
    assert total.compute() == 6.0


def test_windows_of_groups_are_found_without_a_warning():
    df = dd.from_pandas(pd.DataFrame({"a": [1, 1, 2, 2], "b": [1.0, 2.0, 3.0, 4.0]}), npartitions=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = df.groupby("a").b.rolling(2).sum().compute()
    assert sorted(found.dropna()) == [3.0, 7.0]
