"""What is done to each row of a frame equals what pandas does: operators, filters, assignment, accessors, labels."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import cases, framed, programs, same, same_programs, tables, ways

NOON = pd.Timestamp("2020-03-01 12:00")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rows")


def assigned(f):
    """Assignment of columns, which changes the frame that it is done to."""
    f = f.copy()
    f["neu ü"] = f.n * 2
    f["n"] = f.größe
    f["text"] = "é"
    return f


PROGRAMS = {
    "operators": {
        "plus": lambda f: f.n + f.größe,
        "frame plus": lambda f: f[["n", "größe"]] + 1.5,
        "frames": lambda f: f[["n", "größe"]] * f[["größe", "n"]],
        "divide": lambda f: f.größe / f.n,
        "floor divide": lambda f: f.n // 3,
        "floor divide by a column": lambda f: f.größe // f.n,
        "modulo": lambda f: f.n % 4,
        "modulo of a column": lambda f: f.größe % f.n,
        "power": lambda f: f.n**2,
        "reversed": lambda f: 1 - f.n,
        "negative": lambda f: -f.größe,
        "absolute": lambda f: abs(f.n),
        "round": lambda f: f[["n", "größe"]].round(0),
        "not": lambda f: ~f.flag,
    },
    "truth": {
        "and": lambda f: f.flag & (f.n > 0),
        "or": lambda f: f.flag | f.größe.isna(),
        "exclusive or": lambda f: f.flag ^ (f.größe > 1),
        "sums of truth": lambda f: f.flag + f.n,
    },
    "comparisons": {
        "less": lambda f: f.größe < f.n,
        "not equal": lambda f: f.größe != f.n,
        "equal text": lambda f: f.名 == "a",
        "text before": lambda f: f.名 < "b",
        "texts together": lambda f: f.名 + "-" + f.名,
        "equal category": lambda f: f.kind == "x",
        "category as text": lambda f: f.kind.astype(object),
        "dates before": lambda f: f.day <= NOON,
        "dates apart": lambda f: f.day - NOON,
        "dates later": lambda f: f.day + pd.Timedelta(3, "D"),
    },
    "missing values": {
        "missing": lambda f: f.isna(),
        "not missing": lambda f: f.名.notna(),
        "fill": lambda f: f.größe.fillna(0),
        "fill text": lambda f: f.名.fillna("ø"),
        "fill dates": lambda f: f.day.fillna(NOON),
        "fill some": lambda f: f.fillna({"größe": 1.0, "名": "?"}),
    },
    "choices": {
        "between": lambda f: f.n.between(-2, 3),
        "among": lambda f: f.n.isin([1, 2, 3]),
        "text among": lambda f: f.名.isin(["a", "日本"]),
        "clip": lambda f: f.größe.clip(-1, 3),
        "where": lambda f: f.größe.where(f.flag, 0),
        "mask": lambda f: f.größe.mask(f.n > 0),
        "where text": lambda f: f.名.where(f.flag, "é"),
    },
    "types and functions": {
        "as float": lambda f: f.n.astype(float),
        "as small": lambda f: f.n.astype("int8"),
        "as text": lambda f: f.n.astype(str),
        "as category": lambda f: f.名.astype("category").astype(object),
        "map by a dict": lambda f: f.n.map({1: 10.5, 2: 20.5}),
        "square root": lambda f: np.sqrt(f.größe.abs()),
        "ufunc of two": lambda f: np.maximum(f.größe, f.n),
    },
    "along rows": {
        "sum of rows": lambda f: f[["n", "größe"]].sum(axis=1),
        "mean of rows": lambda f: f[["n", "größe"]].mean(axis=1),
        "any of rows": lambda f: f[["flag"]].any(axis=1),
        "count of rows": lambda f: f.count(axis=1),
    },
    "filters": {
        "filter": lambda f: f[f.n > 0],
        "filter twice": lambda f: f[f.n > 0][f[f.n > 0].größe < 2],
        "filter by several": lambda f: f[(f.n > 0) | f.größe.isna() & f.flag],
        "filter by text": lambda f: f[f.名 == "a"].n,
        "filter by dates": lambda f: f[f.day > NOON][["day", "名"]],
        "filter by category": lambda f: f[f.kind.isin(["x", "z"])],
        "filter what was assigned": lambda f: f.assign(größe=f.n * 2.5)[lambda g: g.größe > 0],
        "filter by the mean": lambda f: f[f.größe > f.größe.mean()],
        "everything left out": lambda f: f[f.n > 100],
        "rows and columns": lambda f: f.loc[f.n > 0, ["名", "n"]],
        "query": lambda f: f.query("n > 0 and größe < 3"),
    },
    "columns": {
        "drop missing": lambda f: f.dropna(),
        "drop missing of": lambda f: f.dropna(subset=["größe", "名"], how="all"),
        "assign": lambda f: f.assign(z=f.n + 1, 名=f.größe),
        "assign in place": assigned,
        "eval": lambda f: f.eval("z = n * größe"),
        "rename": lambda f: f.rename(columns={"n": "ñ", "größe": "n"}),
        "drop": lambda f: f.drop(columns=["n", "名"]),
        "order of columns": lambda f: f[["名", "n", "flag"]],
        "types": lambda f: f.select_dtypes("number"),
        "replace": lambda f: f.n.replace({1: 100}),
        "index": lambda f: f.index,
        "index as a column": lambda f: f.n.to_frame().assign(label=f.index),
    },
    "text": {
        "upper": lambda f: f.名.str.upper(),
        "length": lambda f: f.名.str.len(),
        "slice": lambda f: f.名.str[:1],
        "strip": lambda f: f.名.str.strip(),
        "contains": lambda f: f.名.str.contains("a", na=False),
        "matches": lambda f: f.名.str.contains("^[ab]$", na=False),
        "starts": lambda f: f.名.str.startswith("a", na=True),
        "replace in text": lambda f: f.名.str.replace("a", "aa", regex=False),
        "pad": lambda f: f.名.str.zfill(3),
        "find": lambda f: f.名.str.find("b"),
        "extract": lambda f: f.名.str.extract("([ab])", expand=False),
        "is digit": lambda f: f.名.str.isdigit(),
    },
    "dates": {
        "year": lambda f: f.day.dt.year,
        "hour": lambda f: f.day.dt.hour,
        "day of week": lambda f: f.day.dt.day_of_week,
        "floor": lambda f: f.day.dt.floor("D"),
        "format": lambda f: f.day.dt.strftime("%Y/%m %H"),
        "is month end": lambda f: f.day.dt.is_month_end,
        "name of day": lambda f: f.day.dt.day_name(),
    },
}


@programs(PROGRAMS)
@cases(12)
@given(table=tables(), way=ways())
def test_rows(group, folder, table, way):
    same_programs(group, *framed(table, way, folder))


@cases(12)
@given(table=tables(least=1), way=ways(), count=st.integers(0, 8))
def test_the_first_and_last_rows(folder, table, way, count):
    df, expected = framed(table, way, folder)
    same(df.head(count, npartitions=-1, compute=False), expected.head(count))
    with warnings.catch_warnings():
        # Where the first partition has fewer rows.
        warnings.simplefilter("ignore", UserWarning)
        first, last = df.head(count), df.tail(count)
    # Categories of a text file are those that a partition has.
    pd.testing.assert_frame_equal(first, expected.iloc[: len(first)], check_categorical=False)
    pd.testing.assert_frame_equal(last, expected.iloc[len(expected) - len(last) :], check_categorical=False)


@cases(30)
@given(table=tables(least=1), parts=st.integers(1, 5), low=st.integers(-2, 32), high=st.integers(-2, 32))
def test_labels(table, parts, low, high):
    from raskr import dataframe as dd

    table = table.sort_index(kind="stable")
    df = dd.from_pandas(table, npartitions=parts)
    same(df.loc[low:high], table.loc[low:high])
    same(df.loc[low:, ["n"]], table.loc[low:, ["n"]])
    same(df.n.loc[:high], table.n.loc[:high])
    label = table.index[0]
    same(df.loc[label], table.loc[[label]])
    same(df.loc[[label, table.index[-1]]], table.loc[[label, table.index[-1]]], ordered=False)
