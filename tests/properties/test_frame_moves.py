"""Frames whose rows are moved, read and written hold what pandas' hold, whatever the types, keys and partitions."""

import io

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raskr
import raskr.dataframe as dd

# For these tests alone: a profile that is loaded here would hold for the modules that are collected later.
cases = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

KEYS = {
    "int64": st.integers(-4, 4),
    "float64": st.one_of(st.integers(-3, 3).map(float), st.just(float("nan")), st.just(-0.0)),
    "object": st.one_of(st.sampled_from(["", "a", "b", "ß"]), st.none()),
    "datetime64[ns]": st.integers(0, 5).map(lambda day: pd.Timestamp("2020-01-01") + pd.Timedelta(days=day)),
    "Int64": st.one_of(st.integers(-3, 3), st.none()),
    "category": st.sampled_from(["x", "y", "z"]),
}


@st.composite
def tables(draw, kind=None, least=0):
    kind = draw(st.sampled_from(sorted(KEYS))) if kind is None else kind
    keys = draw(st.lists(KEYS[kind], min_size=least, max_size=25))
    names = draw(st.sampled_from([("k", "v"), ("schlüssel", "wert")]))
    return pd.DataFrame({names[0]: pd.Series(keys, dtype=kind), names[1]: np.arange(len(keys), dtype=float)})


def framed(table, parts):
    """A frame in partitions of rows, of which some may be empty."""
    bounds = [len(table) * part // parts for part in range(parts + 1)]
    pieces = [raskr.delayed(table.iloc[low:high]) for low, high in zip(bounds, bounds[1:])]
    return dd.from_delayed(pieces, meta=table.iloc[:0], verify_meta=False)


def rows(table):
    """The rows in an order of their own, as text: missing values are equal."""
    return sorted(map(str, table.astype(object).where(table.notna(), None).itertuples(index=False)))


parts = st.integers(1, 5)


@cases
@given(tables(), parts, parts)
def test_shuffles_lose_and_add_no_rows(table, before, after):
    key = table.columns[0]
    got = framed(table, before).shuffle(key, npartitions=after)
    found = raskr.compute(*got.to_delayed(), scheduler="sync")
    assert rows(pd.concat(found)) == rows(table)
    homes = {}
    for number, part in enumerate(found):
        for value in part[key].dropna().unique():
            assert homes.setdefault(value, number) == number


@cases
@given(tables(), parts, st.booleans(), st.sampled_from(["first", "last"]))
def test_sorting_is_that_of_pandas(table, count, ascending, missing):
    key, value = table.columns
    options = {"ascending": [ascending, True], "na_position": missing}
    got = framed(table, count).sort_values([key, value], **options).compute(scheduler="sync")
    want = table.sort_values([key, value], **options)
    assert got[value].tolist() == want[value].tolist()


@cases
@given(tables(), parts)
def test_set_index_keeps_rows_in_their_divisions(table, count):
    key, value = table.columns
    got = framed(table[table[key].notna()], count).set_index(key)
    found = raskr.compute(*got.to_delayed(), scheduler="sync")
    assert sorted(pd.concat(found)[value]) == sorted(table[table[key].notna()][value])
    if got.known_divisions and table[key].dtype != "category":
        for part, low, high in zip(found, got.divisions, got.divisions[1:]):
            assert part.index.is_monotonic_increasing
            assert not len(part) or low <= part.index.min() and part.index.max() <= high


@cases
@given(st.data(), st.sampled_from(sorted(KEYS)), st.sampled_from(["inner", "left", "right", "outer"]), parts, parts)
def test_merges_are_those_of_pandas(data, kind, how, left_parts, right_parts):
    left = data.draw(tables(kind)).set_axis(["k", "a"], axis=1)
    right = data.draw(tables(kind)).set_axis(["k", "b"], axis=1)
    want = left.merge(right, on="k", how=how)
    for broadcast in (None, False):
        got = framed(left, left_parts).merge(framed(right, right_parts), on="k", how=how, broadcast=broadcast)
        found = got.compute(scheduler="sync")
        assert list(found.columns) == list(want.columns)
        assert rows(found) == rows(want)


@cases
@given(tables(), parts, st.booleans())
def test_distinct_rows_are_those_of_pandas(table, count, together):
    key = table.columns[0]
    got = framed(table, count).drop_duplicates(key, split_out=1 if together else True).compute(scheduler="sync")
    assert rows(got) == rows(table.drop_duplicates(key))


@cases
@given(tables("int64", least=1), st.integers(1, 6), st.integers(1, 9))
def test_repartitioning_keeps_the_order(table, before, after):
    df = framed(table, before).repartition(npartitions=after)
    assert df.npartitions == after
    pd.testing.assert_frame_equal(df.compute(scheduler="sync"), table)


TEXTS = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00\"'"), max_size=5))


@cases
@given(
    st.lists(
        st.tuples(st.integers(-(10**12), 10**12), st.floats(allow_infinity=False), TEXTS), min_size=1, max_size=30
    ),
    st.integers(1, 200),
)
def test_csv_in_blocks_is_what_pandas_reads(tmp_path_factory, lines, blocksize):
    table = pd.DataFrame(lines, columns=["whole", "größe", "text"])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = table.to_csv(index=False)
    path.write_text(text, encoding="utf-8")
    options = {"dtype": {"whole": "int64", "größe": float, "text": object}}
    got = dd.read_csv(str(path), blocksize=blocksize, sample=10**6, **options).compute(scheduler="sync")
    pd.testing.assert_frame_equal(got.reset_index(drop=True), pd.read_csv(io.StringIO(text), **options))
