"""Made-up frames on clusters: the rows are those of threads, and workers make them without Python."""

import pandas as pd
from clusters import running

import raskr


def _with_pandas(client):
    """Which workers' children have loaded pandas."""
    workers = list(client.scheduler_info()["workers"])
    asked = [
        client.submit(lambda: "pandas" in __import__("sys").modules, workers=[worker], pure=False) for worker in workers
    ]
    return [future.result() for future in asked]


def _by_name(dtype):
    dtypes = {"name": str, "x": dtype}
    frame = raskr.datasets.timeseries("2000-01-01", "2000-01-09", freq="1min", dtypes=dtypes, seed=1)
    return frame.groupby("name").x.sum()


def test_rows_are_those_of_threads_and_no_child_loads_pandas_for_them():
    # Workers with one thread have one child that is used.
    with running(n_workers=2, threads_per_worker=1) as client:
        here = _by_name(float).compute(scheduler="sync")
        pd.testing.assert_series_equal(_by_name(float).compute(), here)
        frame = raskr.datasets.timeseries("2000-01-01", "2000-01-05", freq="1min", seed=1)
        for rows in (frame, frame[frame.x > 0.5], frame.name):
            found, expected = rows.compute(), rows.compute(scheduler="sync")
            check = pd.testing.assert_frame_equal if rows.ndim == 2 else pd.testing.assert_series_equal
            check(found, expected)
        assert len(frame) == len(frame.compute())
        assert _with_pandas(client) == [False, False]
        # The same numbers, of a type that the engine has not.
        pd.testing.assert_series_equal(_by_name("Float64").compute(), here, check_dtype=False)
        assert any(_with_pandas(client))
