"""What property tests of frames draw, the ways in which a table becomes a frame, and how results compare with pandas'."""

import itertools
import os
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st

import raskr
import raskr.dataframe as dd

#: How many times as many examples are drawn, at random, when faults are hunted: `RASKR_EXAMPLES=50 pytest ...`.
_TIMES = int(os.environ.get("RASKR_EXAMPLES", "1"))

#: What each column holds; names that need quoting somewhere, and such as no encoding but Unicode's has.
COLUMNS = {
    "flag": st.booleans(),
    "n": st.integers(-9, 9),
    "größe": st.one_of(st.none(), st.integers(-40, 40).map(lambda whole: whole / 8)),
    "名": st.one_of(st.none(), st.sampled_from(["a", "b", "ab", "ß", "Éa", "a b", " b", "1", "x,y", "日本"])),
    "day": st.one_of(st.none(), st.integers(0, 500).map(lambda hours: pd.Timestamp("2020-02-28") + _hours(hours))),
    "kind": st.one_of(st.none(), st.sampled_from(["x", "y", "z"])),
}
TYPES = {
    "flag": "bool",
    "n": "int64",
    "größe": "float64",
    "名": "str",
    "day": "datetime64[us]",
    "kind": pd.CategoricalDtype(["z", "x", "y"]),
}


def _hours(count):
    return pd.Timedelta(count, "h")


def cases(count):
    """Settings of a test of so many examples, the same ones in each run."""
    return settings(
        max_examples=count * _TIMES,
        deadline=None,
        derandomize=_TIMES == 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@st.composite
def tables(draw, columns=tuple(COLUMNS), least=0, most=20):
    """A table of pandas with columns of every type, and an index in any order, with doubled labels."""
    rows = draw(st.integers(least, most))
    return pd.DataFrame(
        {
            name: pd.Series(draw(st.lists(COLUMNS[name], min_size=rows, max_size=rows)), dtype=TYPES[name])
            for name in columns
        }
    ).set_axis(pd.Index(draw(st.lists(st.integers(0, 30), min_size=rows, max_size=rows)), dtype="int64", name="place"))


class Way(NamedTuple):
    """How a table becomes a frame: from what, and where it is cut, in thousandths of its length."""

    kind: str
    cuts: tuple


def ways(*kinds):
    """Ways of these kinds: partitions of any length, empty ones among them."""
    kinds = kinds or ("memory", "pieces", "csv", "parquet")
    return st.builds(Way, st.sampled_from(kinds), st.lists(st.integers(0, 1000), max_size=4).map(sorted).map(tuple))


_numbers = itertools.count()


def fresh(folder, ending=""):
    """A path in a folder that nothing had before."""
    return folder / f"{next(_numbers)}{ending}"


def framed(table, way, folder):
    """A frame, and the table that it stands for, as pandas has it.

    Parameters
    ----------
    table : pandas.DataFrame
        With columns of the types of `COLUMNS`.
    way : Way
        Where the frame comes from: "memory" (equal parts), "pieces" (delayed tables), "csv" and "parquet".
    folder : pathlib.Path
        Where files can be.
    """
    if way.kind == "memory":
        return dd.from_pandas(table, npartitions=len(way.cuts) + 1, sort=False), table
    edges = [0, *(len(table) * cut // 1000 for cut in way.cuts), len(table)]
    pieces = [table.iloc[low:high] for low, high in zip(edges, edges[1:])]
    if way.kind == "pieces":
        return dd.from_delayed(list(map(raskr.delayed, pieces)), meta=table.iloc[:0], verify_meta=False), table
    place = fresh(folder)
    place.mkdir()
    dates = [name for name, kind in table.dtypes.items() if kind.kind == "M"]
    # pandas makes no dates of columns of text that hold none.
    if way.kind == "parquet" or not table[dates].notna().any().all():
        for number, piece in enumerate(pieces):
            piece.to_parquet(place / f"{number}.parquet", row_group_size=max(1, len(piece) // 2))
        return dd.read_parquet(str(place), split_row_groups=len(pieces) % 2 == 0), pd.read_parquet(place)
    path = place / "table.csv"
    text = table.to_csv(index=False)
    path.write_text(text, encoding="utf-8")
    options = {"dtype": table.dtypes.drop(dates).to_dict(), "parse_dates": dates}
    expected = pd.read_csv(path, **options).astype(table.dtypes[dates].to_dict())
    frame = dd.read_csv(str(path), blocksize=max(1, len(text) // len(pieces)), **options)
    # Partitions count their rows each from 0.
    labels = raskr.compute(*[raskr.delayed(np.arange)(raskr.delayed(len)(part)) for part in frame.to_delayed()])
    return frame, expected.set_axis(np.concatenate(labels))


def programs(groups):
    """The argument of a test for groups of programs: each is run on each example, which is cheaper than drawing one."""
    return pytest.mark.parametrize("group", [pytest.param(group, id=name) for name, group in groups.items()])


# --- what holds ---------------------------------------------------------------------------------------------------
def same(lazy, expected, ordered=True, labelled=True):
    """Values, names, types and order of rows are those of pandas, and types and names are what was declared.

    Parameters
    ----------
    lazy : raskr collection or pandas object
        What is computed; or was, where declared types are not to be looked at.
    expected : pandas object
        What pandas gives.
    ordered : bool
        Does the order of rows count?
    labelled : bool
        Does the index?
    """
    found = lazy.compute() if hasattr(lazy, "compute") else lazy
    if not isinstance(expected, (pd.DataFrame, pd.Series, pd.Index)):
        assert type(found) is type(expected) or np.isscalar(found), f"{type(found)} for {type(expected)}"
        _same_value(found, expected)
        return
    meta = lazy._meta if hasattr(lazy, "_meta") else found
    if not ordered:
        found, expected = _sorted(found, labelled), _sorted(expected, labelled)
    if not labelled and not isinstance(expected, pd.Index):
        found, expected = found.reset_index(drop=True), expected.reset_index(drop=True)
    options = {"check_exact": False, "rtol": 1e-9, "atol": 1e-9}
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_freq=False, check_column_type=False, **options)
        assert all(map(_is_declared, meta.dtypes, found.dtypes)), f"{meta.dtypes} were declared, {found.dtypes} came"
        assert meta.columns.equals(found.columns)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected, check_freq=False, **options)
        assert _is_declared(meta.dtype, found.dtype), f"{meta.dtype} was declared, {found.dtype} came"
        assert meta.name == found.name
    else:
        pd.testing.assert_index_equal(found, expected, exact="equiv")


def same_programs(group, lazy, expected, **how):
    """The programs of a group give on a frame what they give on the table."""
    for name, program in group.items():
        note(f"the program: {name}")
        same(program(lazy), program(expected), **how)


def _is_declared(declared, found):
    """Is a type what was declared? Categories need not be known, and whole numbers may turn out to miss some."""
    if isinstance(declared, pd.CategoricalDtype):
        return isinstance(found, pd.CategoricalDtype)
    return declared == found or (declared.kind, found.kind) in (("i", "f"), ("u", "f"), ("b", "O"))


def _same_value(found, expected):
    if pd.isna(expected):
        assert pd.isna(found)
    elif isinstance(expected, (float, np.floating)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    else:
        assert found == expected


def _sorted(table, labelled):
    """Rows in an order of their own."""
    if isinstance(table, pd.Index):
        return table[np.argsort(list(map(str, table)), kind="stable")]
    plain = table.reset_index() if labelled else table if isinstance(table, pd.DataFrame) else table.to_frame()
    words = [repr(row) for row in plain.astype(object).where(plain.notna(), None).itertuples(index=False, name=None)]
    return table.iloc[np.argsort(words, kind="stable")]
