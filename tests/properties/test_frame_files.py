"""Files become frames as pandas reads them, and frames become files that pandas reads: CSV of any kind, Parquet, JSON, ORC."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile

import pandas as pd
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from tables import cases, framed, fresh, same, tables, ways

import raskr
import raskr.dataframe as dd


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def _zipped(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.csv", data)
    return file.getvalue()


COMPRESSIONS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": _zipped}

# --- text that is read ------------------------------------------------------------------------------------------------
MISSING = ["", "NA", "nan", "null", "N/A", "#N/A", "None", "n/a", "-nan", "<NA>"]
WHOLE = ["0", "1", "-3", "+7", "42", "100200300400"]
NUMBERS = ["1.5", "-0.25", "1e3", ".5", "3.", "2", "inf", "-1E-3"]
TRUTH = ["True", "False"]
WORDS = ["a", "b c", "ß", "x;y", "日本", "007", "1_000", "0x1F", " 3", "d ", "é'", "-", "TRUE", "none"]
QUOTED = ['"a,b"', '"say ""hi"""', '""', '" x "', '"1"', '"NA"', '"ß"']
COLUMNS = [
    WHOLE,
    WHOLE + MISSING,
    NUMBERS,
    NUMBERS + MISSING,
    TRUTH,
    TRUTH + MISSING,
    WORDS,
    WORDS + MISSING + QUOTED,
    WHOLE + WORDS,
    TRUTH + WORDS,
    MISSING,
]
NAMES = ["a", "größe", '"b, c"', "名 前", "1", "d e"]


@st.composite
def texts(draw, encoding="utf-8", sep=",", broken=True):
    """The text of a table: columns of some kind each, blank lines, rows that are too short and, at times, too long."""

    def fits(field):
        quoted = field.startswith('"')
        return field.encode(encoding, "ignore").decode(encoding) == field and (quoted or sep not in field)

    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4))
    lines = [sep.join(draw(st.permutations(list(filter(fits, NAMES))))[: len(columns)])]
    for number in range(draw(st.integers(0, 12))):
        fields = [draw(st.sampled_from(list(filter(fits, column)))) for column in columns]
        odd = draw(st.integers(0, 40))
        if odd == 0:
            fields = fields[:-1] or ["x"]
        elif odd == 1 and broken and number:
            # A first row that is too long is no error: pandas takes what stands first in each for a label.
            fields.append("1")
        lines.append(sep.join(fields))
        if odd == 2:
            lines.append("")
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return end.join(lines) + draw(st.sampled_from([end, end, "", end * 2]))


def outcome(read):
    """What a program gives, or the error that it raises."""
    try:
        return read()
    except (ValueError, LookupError) as error:
        return error


def same_outcome(found, expected):
    """The same table but for labels of rows, or an error of the same class."""
    if isinstance(expected, Exception):
        assert isinstance(found, type(expected)), f"{found!r} for {expected!r}"
        return
    assert not isinstance(found, Exception), f"{found!r}, where pandas reads\n{expected}"
    if isinstance(expected.index, pd.RangeIndex):
        found, expected = found.reset_index(drop=True), expected.reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_categorical=False)


OPTIONS = [
    {},
    {"keep_default_na": False},
    {"na_values": ["-", "7"]},
    {"dtype": str},
    {"usecols": [0]},
    {"header": None},
    {"skiprows": 1},
    {"skip_blank_lines": False},
    {"comment": "x"},
    {"na_filter": False},
    {"skipinitialspace": True},
    {"true_values": ["a"], "false_values": ["-"]},
    {"on_bad_lines": "skip"},
    {"dtype": "category"},
    {"quotechar": "'"},
    {"engine": "python"},
]


@cases(150)
@given(text=texts(), blocksize=st.sampled_from([None, 1, 7, 20, 60]), options=st.sampled_from(OPTIONS))
def test_any_text_is_read_as_pandas_reads_it(folder, text, blocksize, options):
    path = fresh(folder, ".csv")
    path.write_bytes(text.encode())
    note(repr(text))
    # Rows are left out of the first block only, and no more than it has are looked at.
    blocksize = None if "skiprows" in options else blocksize
    expected = outcome(lambda: pd.read_csv(path, **options))
    if "dtype" in options and options["dtype"] == "category" and not isinstance(expected, Exception):
        expected = expected.astype(object)
        found = outcome(lambda: dd.read_csv(str(path), blocksize=blocksize, **options).compute().astype(object))
    else:
        found = outcome(lambda: dd.read_csv(str(path), blocksize=blocksize, **options).compute())
    same_outcome(found, expected)


@cases(40)
@given(
    data=st.data(),
    encoding=st.sampled_from(["latin1", "cp1252", "utf-16", "utf-8-sig", "utf-8"]),
    sep=st.sampled_from([",", ";", "\t", "|"]),
    ending=st.sampled_from(sorted(COMPRESSIONS)),
)
def test_any_encoding_and_compression(folder, data, encoding, sep, ending):
    text = data.draw(texts(encoding, sep, broken=False))
    path = fresh(folder, f".csv{ending}")
    path.write_bytes(COMPRESSIONS[ending](text.encode(encoding)))
    options = {"sep": sep, "encoding": encoding}
    blocksize = data.draw(st.sampled_from([None, 10, 40])) if not ending else None
    found = outcome(lambda: dd.read_csv(str(path), blocksize=blocksize, **options).compute())
    same_outcome(found, outcome(lambda: pd.read_csv(path, **options)))


@cases(20)
@given(text=texts(broken=False), blocksize=st.sampled_from([None, 5, 30]), data=st.data())
def test_some_columns_are_those_of_all(folder, text, blocksize, data):
    path = fresh(folder, ".csv")
    path.write_bytes(text.encode())
    expected = outcome(lambda: pd.read_csv(path))
    if isinstance(expected, Exception) or not isinstance(expected.index, pd.RangeIndex):
        return
    df = dd.read_csv(str(path), blocksize=blocksize)
    assert list(df.columns) == list(expected.columns)
    chosen = data.draw(st.lists(st.sampled_from(list(expected.columns)), min_size=1, unique=True))
    same(df[chosen], expected[chosen], labelled=False)
    assert len(df) == len(expected)
    same(df[chosen].count(), expected[chosen].count())


@cases(20)
@given(pieces=st.lists(texts(broken=False), min_size=1, max_size=3))
def test_several_files_are_those_of_each(folder, pieces):
    place = fresh(folder)
    place.mkdir()
    first = pieces[0].splitlines()[0]
    tables_read = []
    for number, piece in enumerate(pieces):
        text = "\n".join([first, *piece.splitlines()[1:]]) + "\n"
        (place / f"{number}.csv").write_bytes(text.encode())
        tables_read.append(outcome(lambda number=number: pd.read_csv(place / f"{number}.csv", dtype=str)))
    found = outcome(lambda: dd.read_csv(str(place / "*.csv"), dtype=str).compute())
    errors = [each for each in tables_read if isinstance(each, Exception)]
    if errors:
        assert isinstance(found, Exception)
    elif all(isinstance(each.index, pd.RangeIndex) for each in tables_read):
        same_outcome(found, pd.concat(tables_read))


#: pandas leaves out hours where all of a table's are 0.
WITHOUT_DATES = ("flag", "n", "größe", "名", "kind")


# --- tables that are written ------------------------------------------------------------------------------------------
@cases(20)
@given(
    table=tables(columns=WITHOUT_DATES),
    way=ways(),
    single=st.booleans(),
    ending=st.sampled_from(["", ".gz", ".bz2", ".xz"]),
)
def test_csv_that_is_written(folder, table, way, single, ending):
    df, expected = framed(table, way, folder)
    place = fresh(folder)
    compression = {"": None, ".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}[ending]
    target = place / (f"a.csv{ending}" if single else f"*.csv{ending}")
    paths = df.to_csv(str(target), single_file=single, compression=compression)
    read = [pd.read_csv(path, index_col=0, dtype=str, keep_default_na=False) for path in paths]
    text = expected.to_csv()
    wanted = pd.read_csv(io.StringIO(text), index_col=0, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(pd.concat(read), wanted)
    assert sorted(map(str, place.iterdir())) == sorted(paths)
    if single and not ending:
        with codecs.open(paths[0], encoding="utf-8") as file:
            assert file.read() == text


@cases(20)
@given(
    table=tables(least=1),
    way=ways(),
    options=st.sampled_from(
        [
            {},
            {"compression": "gzip"},
            {"compression": None},
            {"row_group_size": 2},
            {"write_index": False},
            {"partition_on": ["flag"]},
            {"partition_on": "kind"},
        ]
    ),
)
def test_parquet_that_is_written(folder, table, way, options):
    # Names of folders tell no type where all values are missing.
    table = table.assign(kind=table.kind.fillna("y")) if table.kind.isna().all() else table
    df, expected = framed(table, way, folder)
    place = str(fresh(folder))
    df.to_parquet(place, **options)
    key = options.get("partition_on")
    labelled = options.get("write_index", True)
    if key is None:
        same(dd.read_parquet(place), expected, labelled=labelled)
        whole = pd.read_parquet(place)
        pd.testing.assert_frame_equal(whole.reset_index(drop=not labelled), expected.reset_index(drop=not labelled))
    else:
        name = key if isinstance(key, str) else key[0]
        found = dd.read_parquet(place).compute()
        chosen = [column for column in expected if column != name]
        wanted = expected
        assert sorted(map(str, found[name])) == sorted(map(str, wanted[name]))
        same(found[chosen], wanted[chosen], ordered=False)
    filtered = dd.read_parquet(place, filters=[("n", ">", 0)], columns=["n", "名"]).compute()
    same(filtered, expected[expected.n > 0][["n", "名"]], ordered=False, labelled=labelled)


@cases(10)
@given(table=tables(columns=("flag", "n", "größe", "名"), least=1), way=ways("memory", "pieces", "parquet"))
def test_json_and_orc_that_are_written(folder, table, way):
    df, expected = framed(table, way, folder)
    expected = expected.reset_index(drop=True)
    place = fresh(folder)
    df.to_json(str(place / "*.json"))
    pieces = [piece for piece in raskr.compute(*df.to_delayed())]
    for number, piece in enumerate(pieces):
        found = pd.read_json(place / f"{number}.json", orient="records", lines=True)
        assert found.to_dict("records") == pd.read_json(
            io.StringIO(piece.to_json(orient="records", lines=True)), lines=True
        ).to_dict("records") or len(piece)
    orc = str(fresh(folder))
    df.to_orc(orc, write_index=False)
    same(dd.read_orc(orc), expected, labelled=False)
