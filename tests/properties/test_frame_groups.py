"""Group-by, reductions and running results of frames equal pandas', whatever is missing, doubled, empty or unsorted."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raskr.dataframe as dd

NUMBERS = st.one_of(st.none(), st.integers(-50, 50).map(float))


@st.composite
def frames(draw):
    rows = draw(st.integers(1, 25))
    column = st.lists(NUMBERS, min_size=rows, max_size=rows)
    index = draw(st.lists(st.integers(0, 9), min_size=rows, max_size=rows))
    return pd.DataFrame(
        {
            "κλειδί": draw(st.lists(st.sampled_from("abé"), min_size=rows, max_size=rows)),
            "g": pd.Series(draw(column), dtype=float).round(-1).to_numpy(),
            "x": pd.Series(draw(column), dtype=float).to_numpy(),
            "n": draw(st.lists(st.integers(-9, 9), min_size=rows, max_size=rows)),
        },
        index=index,
    )


def same(found, expected):
    check = pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal
    check(found.compute(), expected, check_exact=False, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("how", ["sum", "count", "mean", "var", "min", "last", "nunique", "median"])
@settings(max_examples=12, deadline=None)
@given(frame=frames(), npartitions=st.integers(1, 5), key=st.sampled_from(["κλειδί", "g", ["g", "κλειδί"]]))
def test_aggregations(how, frame, npartitions, key):
    df = dd.from_pandas(frame, npartitions=npartitions, sort=False)
    same(getattr(df.groupby(key).x, how)(), getattr(frame.groupby(key).x, how)())
    same(getattr(df.groupby(key)[["x", "n"]], how)(), getattr(frame.groupby(key)[["x", "n"]], how)())


@pytest.mark.parametrize("how", ["cumsum", "cummax", "ffill", "shift"])
@settings(max_examples=12, deadline=None)
@given(frame=frames(), npartitions=st.integers(1, 5))
def test_rows_of_groups(how, frame, npartitions):
    df = dd.from_pandas(frame, npartitions=npartitions, sort=False)
    same(getattr(df.groupby("κλειδί")[["x", "n"]], how)(), getattr(frame.groupby("κλειδί")[["x", "n"]], how)())


@settings(max_examples=25, deadline=None)
@given(frame=frames(), npartitions=st.integers(1, 5))
def test_reductions_and_running_results(frame, npartitions):
    df, numbers = dd.from_pandas(frame, npartitions=npartitions, sort=False), frame[["x", "n"]]
    lazy = df[["x", "n"]]
    for name in ("sum", "prod", "max", "mean", "std", "count", "median"):
        same(getattr(lazy, name)(), getattr(numbers, name)())
    for name in ("cumsum", "cummin", "ffill", "bfill"):
        same(getattr(lazy, name)(), getattr(numbers, name)())
    same(lazy.shift(2), numbers.shift(2))
    same(lazy.quantile([0.1, 0.9]), numbers.quantile([0.1, 0.9]))


@settings(max_examples=25, deadline=None)
@given(frame=frames(), left=st.integers(1, 4), right=st.integers(1, 4))
def test_frames_are_lined_up(frame, left, right):
    frame = frame[~frame.index.duplicated()].sort_index()
    other = frame.iloc[::2] * 2
    found = dd.from_pandas(frame[["n"]], npartitions=left) + dd.from_pandas(other[["n"]], npartitions=right)
    pd.testing.assert_frame_equal(found.compute(), frame[["n"]] + other[["n"]], check_dtype=False)
