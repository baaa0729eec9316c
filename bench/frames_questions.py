"""The questions of `frames.py`, each asked of raskr (as of Dask), of Polars and of DuckDB as their users would ask it.

`frame(dd, at)` and `polars(pl, at)` give what is still to be computed, or the result; `sql` is DuckDB's. `at` has the folders of
the tables. Results have the same columns, those of the frame's index among them. `keys` tell rows apart in the check of results,
`order` says by what rows are sorted.
"""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass
class Question:
    """What is asked, of what tables, in three languages."""

    data: str
    keys: list[str]
    frame: Callable
    polars: Callable
    sql: str
    order: list[str] = dataclasses.field(default_factory=list)


#: What pandas can't tell from the first rows of a file: `NA` comes late, or text among numbers.
AIRLINE_TYPES = dict.fromkeys(
    "DepTime ArrTime ActualElapsedTime CRSElapsedTime AirTime ArrDelay DepDelay Distance TaxiIn TaxiOut CarrierDelay "
    "WeatherDelay NASDelay SecurityDelay LateAircraftDelay".split(),
    "float64",
) | {"TailNum": "object", "CancellationCode": "object"}


def polars_airline(pl, at):
    text = {"TailNum": pl.String, "CancellationCode": pl.String}
    types = {name: text.get(name, pl.Float64) for name in AIRLINE_TYPES}
    return pl.scan_csv(at["airline"] / "*.csv", null_values="NA", schema_overrides=types)


def duckdb_airline():
    types = {name: "VARCHAR" if kind == "object" else "DOUBLE" for name, kind in AIRLINE_TYPES.items()}
    return f"read_csv('{{airline}}/*.csv', nullstr = 'NA', types = {{{types}}})"


def joined(right, key, how="inner", below=None):
    """A join whose result is wanted whole, with pandas' names of columns that both sides have.

    Of the right side, whose `v2` is between 0 and 100, only rows that have less than `below` there.
    """
    names = {"small": ["id1", "id4"], "medium": ["id1", "id2", "id4", "id5"], "big": [f"id{n}" for n in range(1, 7)]}
    left = [f"id{n}" for n in range(1, 7)]
    shared = [name for name in names[right] if name != key]

    def frame(dd, at):
        other = dd.read_parquet(at[right])
        other = other if below is None else other[other.v2 < below]
        return dd.read_parquet(at["x"]).merge(other, on=key, how=how)

    def polars(pl, at):
        one = pl.scan_parquet(at["x"]).rename({name: f"{name}_x" for name in shared})
        other = pl.scan_parquet(at[right]).rename({name: f"{name}_y" for name in shared})
        other = other if below is None else other.filter(pl.col("v2") < below)
        return one.join(other, on=key, how=how)

    columns = [f"x.{name} AS {name}_x" if name in shared else f"x.{name}" for name in left]
    columns += ["v1", *(f"y.{name} AS {name}_y" for name in shared), "v2"]
    other = f"{{{right}}}" if below is None else f"(SELECT * FROM {{{right}}} WHERE v2 < {below})"
    sql = f"SELECT {', '.join(columns)} FROM {{x}} x {how.upper()} JOIN {other} y ON x.{key} = y.{key}"
    return Question("j1", ["id3_x" if "id3" in shared else "id3"], frame, polars, sql)


QUESTIONS = {
    "csv_groupby": Question(
        "airline",
        ["Dest"],
        lambda dd, at: (
            (air := dd.read_csv(f"{at['airline']}/*.csv", dtype=AIRLINE_TYPES))[air.Cancelled == 0]
            .groupby("Dest")
            .agg({"DepDelay": "mean", "Distance": "sum"})
        ),
        lambda pl, at: (
            polars_airline(pl, at)
            .filter(pl.col("Cancelled") == 0)
            .group_by("Dest")
            .agg(pl.col("DepDelay").mean(), pl.col("Distance").sum())
        ),
        "SELECT Dest, avg(DepDelay) AS DepDelay, sum(Distance) AS Distance "
        f"FROM {duckdb_airline()} WHERE Cancelled = 0 GROUP BY Dest",
    ),
    "filter_groupby_few": Question(
        "events",
        ["kind"],
        lambda dd, at: (
            (t := dd.read_parquet(at["events"]))[(t.x > 0.25) & (t.y < 1)]
            .groupby("kind")
            .agg({"x": "mean", "y": "sum", "key": "max"})
        ),
        lambda pl, at: (
            pl.scan_parquet(at["events"])
            .filter((pl.col("x") > 0.25) & (pl.col("y") < 1))
            .group_by("kind")
            .agg(pl.col("x").mean(), pl.col("y").sum(), pl.col("key").max())
        ),
        "SELECT kind, avg(x) AS x, sum(y) AS y, max(key) AS key FROM {events} WHERE x > 0.25 AND y < 1 GROUP BY kind",
    ),
    "filter_groupby_many": Question(
        "events",
        ["key"],
        lambda dd, at: (t := dd.read_parquet(at["events"]))[t.x > 0.25].groupby("key").agg({"x": "mean", "y": "sum"}),
        lambda pl, at: (
            pl.scan_parquet(at["events"])
            .filter(pl.col("x") > 0.25)
            .group_by("key")
            .agg(pl.col("x").mean(), pl.col("y").sum())
        ),
        # A group without a value has the sum 0 in pandas and Polars.
        "SELECT key, avg(x) AS x, coalesce(sum(y), 0) AS y FROM {events} WHERE x > 0.25 GROUP BY key",
    ),
    "join_groupby": Question(
        "events",
        ["region"],
        lambda dd, at: (
            dd.read_parquet(at["events"])
            .merge(dd.read_parquet(at["dimensions"]), on="key")
            .groupby("region")
            .agg({"x": "sum", "weight": "mean"})
        ),
        lambda pl, at: (
            pl.scan_parquet(at["events"])
            .join(pl.scan_parquet(at["dimensions"]), on="key")
            .group_by("region")
            .agg(pl.col("x").sum(), pl.col("weight").mean())
        ),
        "SELECT region, sum(x) AS x, avg(weight) AS weight FROM {events} JOIN {dimensions} USING (key) GROUP BY region",
    ),
    "sort": Question(
        "events",
        ["time"],
        lambda dd, at: dd.read_parquet(at["events"]).sort_values("x"),
        lambda pl, at: pl.scan_parquet(at["events"]).sort("x"),
        "SELECT * FROM {events} ORDER BY x",
        order=["x"],
    ),
    "sort_by_text": Question(
        "events",
        ["time"],
        lambda dd, at: dd.read_parquet(at["events"]).sort_values(["kind", "x"]),
        lambda pl, at: pl.scan_parquet(at["events"]).sort("kind", "x"),
        "SELECT * FROM {events} ORDER BY kind, x",
        order=["kind", "x"],
    ),
    # --- the public benchmark's group-by questions --------------------------------------------------------------------
    "groupby_q1": Question(
        "g1",
        ["id1"],
        lambda dd, at: dd.read_parquet(at["g1"]).groupby("id1").agg({"v1": "sum"}),
        lambda pl, at: pl.scan_parquet(at["g1"]).group_by("id1").agg(pl.col("v1").sum()),
        "SELECT id1, sum(v1) AS v1 FROM {g1} GROUP BY id1",
    ),
    "groupby_q2": Question(
        "g1",
        ["id1", "id2"],
        lambda dd, at: dd.read_parquet(at["g1"]).groupby(["id1", "id2"]).agg({"v1": "sum"}),
        lambda pl, at: pl.scan_parquet(at["g1"]).group_by("id1", "id2").agg(pl.col("v1").sum()),
        "SELECT id1, id2, sum(v1) AS v1 FROM {g1} GROUP BY id1, id2",
    ),
    "groupby_q3": Question(
        "g1",
        ["id3"],
        lambda dd, at: dd.read_parquet(at["g1"]).groupby("id3").agg({"v1": "sum", "v3": "mean"}),
        lambda pl, at: pl.scan_parquet(at["g1"]).group_by("id3").agg(pl.col("v1").sum(), pl.col("v3").mean()),
        "SELECT id3, sum(v1) AS v1, avg(v3) AS v3 FROM {g1} GROUP BY id3",
    ),
    "groupby_q4": Question(
        "g1",
        ["id4"],
        lambda dd, at: dd.read_parquet(at["g1"]).groupby("id4").agg({"v1": "mean", "v2": "mean", "v3": "mean"}),
        lambda pl, at: pl.scan_parquet(at["g1"]).group_by("id4").agg(pl.col("v1", "v2", "v3").mean()),
        "SELECT id4, avg(v1) AS v1, avg(v2) AS v2, avg(v3) AS v3 FROM {g1} GROUP BY id4",
    ),
    "groupby_q5": Question(
        "g1",
        ["id6"],
        lambda dd, at: dd.read_parquet(at["g1"]).groupby("id6").agg({"v1": "sum", "v2": "sum", "v3": "sum"}),
        lambda pl, at: pl.scan_parquet(at["g1"]).group_by("id6").agg(pl.col("v1", "v2", "v3").sum()),
        "SELECT id6, sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3 FROM {g1} GROUP BY id6",
    ),
    "groupby_q6": Question(
        "g1",
        ["id4", "id5"],
        lambda dd, at: dd.read_parquet(at["g1"]).groupby(["id4", "id5"]).v3.agg(["median", "std"]),
        lambda pl, at: (
            pl.scan_parquet(at["g1"])
            .group_by("id4", "id5")
            .agg(pl.col("v3").median().alias("median"), pl.col("v3").std().alias("std"))
        ),
        "SELECT id4, id5, median(v3) AS median, stddev(v3) AS std FROM {g1} GROUP BY id4, id5",
    ),
    "groupby_q7": Question(
        "g1",
        ["id3"],
        lambda dd, at: (
            dd.read_parquet(at["g1"])
            .groupby("id3")
            .agg({"v1": "max", "v2": "min"})
            .assign(range=lambda group: group.v1 - group.v2)[["range"]]
        ),
        lambda pl, at: (
            pl.scan_parquet(at["g1"]).group_by("id3").agg((pl.col("v1").max() - pl.col("v2").min()).alias("range"))
        ),
        "SELECT id3, max(v1) - min(v2) AS range FROM {g1} GROUP BY id3",
    ),
    "groupby_q8": Question(
        "g1",
        ["id6"],
        lambda dd, at: (
            dd.read_parquet(at["g1"])[["id6", "v3"]].sort_values("v3", ascending=False).groupby("id6").head(2)
        ),
        lambda pl, at: pl.scan_parquet(at["g1"]).group_by("id6").agg(pl.col("v3").top_k(2)).explode("v3"),
        "SELECT id6, unnest(max(v3, 2)) AS v3 FROM {g1} GROUP BY id6",
    ),
    "groupby_q9": Question(
        "g1",
        ["id2", "id4"],
        lambda dd, at: (
            dd.read_parquet(at["g1"])
            .groupby(["id2", "id4"])[["v1", "v2"]]
            .corr()
            .compute()["v2"]
            .xs("v1", level=-1)
            .pow(2)
            .rename("r2")
        ),
        lambda pl, at: pl.scan_parquet(at["g1"]).group_by("id2", "id4").agg((pl.corr("v1", "v2") ** 2).alias("r2")),
        "SELECT id2, id4, corr(v1, v2) ^ 2 AS r2 FROM {g1} GROUP BY id2, id4",
    ),
    "groupby_q10": Question(
        "g1",
        ["id1", "id2", "id3", "id4", "id5", "id6"],
        lambda dd, at: (
            dd.read_parquet(at["g1"])
            .groupby(["id1", "id2", "id3", "id4", "id5", "id6"])
            .agg({"v3": "sum", "v1": "count"})
        ),
        lambda pl, at: (
            pl.scan_parquet(at["g1"])
            .group_by("id1", "id2", "id3", "id4", "id5", "id6")
            .agg(pl.col("v3").sum(), pl.col("v1").count())
        ),
        "SELECT id1, id2, id3, id4, id5, id6, sum(v3) AS v3, count(v1) AS v1 FROM {g1} GROUP BY ALL",
    ),
    # --- the public benchmark's join questions ------------------------------------------------------------------------
    "join_q1": joined("small", "id1"),
    "join_q2": joined("medium", "id2"),
    "join_q3": joined("medium", "id2", "left"),
    "join_q4": joined("medium", "id5"),
    "join_q5": joined("big", "id3"),
    # --- joins with a large table, of which a filter leaves a ten-thousandth of the rows, and one that leaves all ----------
    "join_filtered": joined("big", "id3", below=0.01),
    "join_kept": joined("big", "id3", below=1000),
}
