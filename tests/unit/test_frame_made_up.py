"""Made-up frames: the same values however they are computed, their spread, and what is known without making any."""

import numpy as np
import pandas as pd
import pytest

import raskr
import raskr.dataframe as dd
from raskr import compute
from raskr._bridge import core
from raskr.dataframe.io import made_up
from raskr.dataframe.io.demo import ColumnSpec, DatasetSpec, DatetimeIndexSpec, RangeIndexSpec, with_spec

LONG = "a text of more than twelve bytes"
NATIVE = [
    ColumnSpec(dtype=float),
    ColumnSpec(dtype="float32", low=5, high=6),
    ColumnSpec(dtype=int),
    ColumnSpec(dtype="int8"),
    ColumnSpec(dtype="uint16", low=10, high=20, random=True),
    ColumnSpec(prefix="from", dtype=int, low=-5, high=0),
    ColumnSpec(prefix="normal", dtype=int, method="normal", args=(5, 2)),
    ColumnSpec(prefix="uniform", dtype="int32", method="uniform"),
    ColumnSpec(prefix="binomial", dtype=int, method="binomial", args=(10, 0.5)),
    ColumnSpec(prefix="choice", dtype=int, method="choice", args=(7,)),
    ColumnSpec(prefix="geometric", dtype=int, method="geometric", kwargs={"p": 0.25}),
    ColumnSpec(dtype=bool),
    ColumnSpec(dtype=str),
    ColumnSpec(dtype=object),
    ColumnSpec(prefix="chosen", dtype=str, choices=["a", None, LONG]),
    ColumnSpec(prefix="letters", dtype=str, random=True, length=9),
]
BY_PANDAS = [
    ColumnSpec(dtype="category", nunique=12),
    ColumnSpec(prefix="kinds", dtype="category", choices=[3, 1, 2]),
    ColumnSpec(dtype="Int64"),
    ColumnSpec(dtype="Float64"),
    ColumnSpec(dtype="boolean"),
    ColumnSpec(prefix="missing", dtype="string", choices=["a", "b"]),
]
BY_NUMPY = [
    ColumnSpec(prefix="integers", dtype=int, method="integers", args=(3,)),
    ColumnSpec(prefix="weighed", dtype=int, method="choice", args=(2,), kwargs={"p": [0.1, 0.9]}),
]


def made(columns, npartitions=3, nrecords=1000, seed=1, **options):
    return with_spec(DatasetSpec(npartitions, nrecords, column_specs=columns, **options), seed=seed)


def by_pandas(frame):
    """All rows, as partitions that the engine has no part in."""
    return pd.concat(compute(*[core.delayed_of_node(node, None) for node in frame._expr.nodes]))


def test_values_are_the_same_however_they_are_computed():
    frame = made([*NATIVE, *BY_PANDAS, *BY_NUMPY])
    whole = frame.compute()
    pd.testing.assert_frame_equal(whole, by_pandas(frame))
    native = made(NATIVE)
    pd.testing.assert_frame_equal(native.compute(), whole[list(native.columns)])
    pd.testing.assert_frame_equal(native.compute(), by_pandas(native))
    pd.testing.assert_frame_equal(frame[["bool1", "int1"]].compute(), whole[["bool1", "int1"]])
    pd.testing.assert_series_equal(native.letters1.compute(), whole.letters1)
    mapped = native.map_partitions(lambda part: part, meta=native._meta)
    pd.testing.assert_frame_equal(mapped.compute(), native.compute())


def test_native_kinds_are_the_engines(monkeypatch):
    def unexpected(*args):
        # Empty examples are made by pandas.
        assert args[2][0] == "like"
        return part(*args)

    part = made_up.made_up_part
    monkeypatch.setattr(made_up, "made_up_part", unexpected)
    frame = made(NATIVE)
    assert len(frame.compute()) == 1000
    sums = made([*NATIVE, *BY_PANDAS]).groupby("str1").float1.sum().compute()
    pd.testing.assert_series_equal(sums, frame.compute().groupby("str1").float1.sum())


@pytest.mark.parametrize("column", [*BY_PANDAS, *BY_NUMPY], ids=lambda column: column.prefix or column.dtype)
def test_what_has_no_native_type_or_method_is_made_by_pandas(column):
    frame = made([column, ColumnSpec(dtype=float)])
    pd.testing.assert_frame_equal(frame.compute(), by_pandas(frame))
    assert frame.dtypes.equals(frame.compute().dtypes)
    pd.testing.assert_series_equal(frame.float1.compute(), made([ColumnSpec(dtype=float)]).float1.compute())


def test_values_do_not_depend_on_partitions():
    one, many = made(NATIVE, npartitions=1).compute(), made(NATIVE, npartitions=7).compute()
    pd.testing.assert_frame_equal(one, many)
    days = raskr.datasets.timeseries(end="2000-01-05", freq="1h", seed=4)
    halves = raskr.datasets.timeseries(end="2000-01-05", freq="1h", partition_freq="12h", seed=4)
    pd.testing.assert_frame_equal(days.compute(), halves.compute())


def test_seeds_and_names_give_other_values():
    one, other = made(NATIVE[:1]).compute(), made(NATIVE[:1], seed=2).compute()
    assert not np.isin(one.float1, other.float1).any()
    large = made(NATIVE[:1], seed=2**64 + 1).compute()
    assert not np.isin(one.float1, large.float1).any()
    both = made([ColumnSpec(dtype=float, number=2)]).compute()
    assert not np.isin(both.float1, both.float2).any()
    with pytest.raises(ValueError, match="seed"):
        made(NATIVE[:1], seed=-1)


def test_values_have_the_spread_that_was_asked_for():
    found = made([*NATIVE, *BY_PANDAS], nrecords=40_000).compute()
    assert found.float1.between(-1, 1).all() and abs(found.float1.mean()) < 0.02
    assert found.float321.between(5, 6).all() and abs(found.float321.mean() - 5.5) < 0.01
    assert abs(found.int1.mean() - 1000) < 1 and abs(found.int1.var() - 1000) < 40
    assert set(found.uint161) == set(range(10, 20)) and set(found.from1) == set(range(-5, 0))
    assert abs(found.normal1.mean() - 5) < 0.6 and abs(found.normal1.std() - 2) < 0.2
    assert found.uniform1.between(0, 999).all() and abs(found.uniform1.mean() - 499.5) < 8
    assert abs(found.binomial1.mean() - 5) < 0.05 and abs(found.binomial1.var() - 2.5) < 0.1
    assert set(found.choice1) == set(range(7)) and abs(found.geometric1.mean() - 4) < 0.1
    assert abs(found.bool1.mean() - 0.5) < 0.02 and abs(found.boolean1.mean() - 0.5) < 0.02
    assert found.str1.nunique() == 26 and abs((found.str1 == "Alice").mean() - 1 / 26) < 0.005
    assert abs(found.chosen1.isna().mean() - 1 / 3) < 0.02 and set(found.chosen1.dropna()) == {"a", LONG}
    assert (found.letters1.str.len() == 9).all() and found.letters1.nunique() > 39_990
    assert found.category1.cat.categories[0] == "01" and found.category1.nunique() == 12
    assert set(found.kinds1) == {1, 2, 3}


@pytest.mark.parametrize(
    ("freq", "partition_freq"), [("1h", "1D"), ("7h", "1D"), ("90s", "3h"), ("1D", "1W"), ("1D", "1MS"), ("B", "1MS")]
)
def test_indexes_of_times_are_those_of_pandas(freq, partition_freq):
    frame = raskr.datasets.timeseries("2000-01-01", "2000-03-09", freq=freq, partition_freq=partition_freq, seed=1)
    places = pd.date_range("2000-01-01", "2000-03-09", freq=partition_freq)
    ends = zip(places, places[1:])
    parts = [pd.date_range(low, high, freq=freq, inclusive="left", name="timestamp") for low, high in ends]
    expected = pd.concat([pd.Series(0, index=part) for part in parts]).index
    whole = frame.compute()
    pd.testing.assert_index_equal(whole.index, expected)
    assert (whole.index.freq, whole.index.unit) == (expected.freq, expected.unit)
    pd.testing.assert_index_equal(by_pandas(frame).index, expected)
    assert len(frame) == len(expected)
    first = frame.get_partition(0).compute()
    assert first.index.equals(parts[0]) and first.index.freq == parts[0].freq
    assert frame[frame.x > 0].compute().index.freq is None


@pytest.mark.parametrize(("dtype", "step"), [("int64", 1), ("int32", -3), ("float64", 2), ("int8", 1), (str, 1)])
def test_indexes_that_count_have_their_type(dtype, step):
    frame = made(NATIVE[:1], nrecords=50, index_spec=RangeIndexSpec(dtype, step))
    whole = frame.compute()
    pd.testing.assert_frame_equal(whole, by_pandas(frame))
    assert whole.index.equals(pd.Index(np.arange(50) * step, dtype=dtype))


def test_numbers_that_an_index_cannot_hold_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        made(NATIVE[:1], nrecords=300, index_spec=RangeIndexSpec("uint8"))


def test_indexes_of_times_by_specification():
    times = made(NATIVE[:3], index_spec=DatetimeIndexSpec(start="2023-01-02", freq="10min", partition_freq="7h"))
    whole = times.compute()
    pd.testing.assert_frame_equal(whole, by_pandas(times))
    assert whole.index.equals(pd.date_range("2023-01-02", periods=1000, freq="10min")) and whole.index.freq is not None


def test_times_of_a_zone_keep_it():
    frame = raskr.datasets.timeseries("2000-03-25 00:00+01:00", "2000-03-28 00:00+01:00", freq="1h", seed=1)
    assert len(frame) == 72 and frame.index.dtype == frame.compute().index.dtype
    plain = raskr.datasets.timeseries("2000-03-25", "2000-03-28", freq="1h", seed=1)
    np.testing.assert_array_equal(frame.x.compute(), plain.x.compute())


def test_rows_are_counted_without_being_made(monkeypatch):
    frame = raskr.datasets.timeseries(end="2000-01-04", freq="1h", seed=3)
    monkeypatch.setattr(made_up, "made_up_part", None)
    assert len(frame) == 72 and frame.to_dask_array(lengths=True).chunks[0] == (24, 24, 24)
    assert frame.shape[0].compute() == 72
    # More rows than there is time or memory for.
    monkeypatch.undo()
    assert len(with_spec(DatasetSpec(2, 10**12, column_specs=NATIVE), seed=1)) == 10**12


def test_parameters_that_no_distribution_has_are_refused_at_once():
    with pytest.raises(ValueError, match="lam"):
        dd.demo.make_timeseries(dtypes={"x": int}, x_lam=-1, seed=1)
    with pytest.raises(KeyError, match="complex"):
        made([ColumnSpec(dtype=complex)])
    with pytest.raises(ValueError, match="low"):
        made([ColumnSpec(dtype=int, low=3, high=1, random=True)]).compute()


def test_plans_name_what_is_made(capsys):
    raskr.datasets.timeseries(seed=1).groupby("name").x.sum().explain()
    assert "make-timeseries [" in capsys.readouterr().out
