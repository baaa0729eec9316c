"""joblib's calls as tasks of a cluster."""

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from clusters import running


@pytest.fixture(scope="module")
def client():
    with running() as client:
        yield client


def test_calls_run_on_workers(client):
    pids = set(client.run(lambda dask_worker: dask_worker.name))
    assert pids
    with joblib.parallel_config(backend="raskr"):
        assert joblib.Parallel(n_jobs=-1)(joblib.delayed(pow)(number, 2) for number in range(50)) == [
            number**2 for number in range(50)
        ]
    assert any(task["name"].startswith("_run_calls") for task in client.get_task_stream())


def test_large_arguments_are_sent_once(client):
    values = np.arange(300_000)
    with joblib.parallel_config(backend="raskr", scatter=[values]):
        sums = joblib.Parallel()(joblib.delayed(lambda values, k: int(values[k]))(values, k) for k in range(10))
    assert sums == list(range(10))


def test_calls_within_calls_are_run_by_threads(client):
    def place(number):
        return os.getpid(), number

    def outer(number):
        found = joblib.Parallel(n_jobs=2)(joblib.delayed(place)(number + more) for more in range(3))
        return {pid for pid, _ in found} == {os.getpid()}, sum(value for _, value in found)

    with joblib.parallel_config(backend="raskr"):
        assert joblib.Parallel()(joblib.delayed(outer)(number) for number in range(4)) == [
            (True, 3 * number + 3) for number in range(4)
        ]


def test_an_exception_ends_the_call(client):
    def fail(number):
        if number == 3:
            raise LookupError(f"no {number}")
        return number

    with joblib.parallel_config(backend="raskr"), pytest.raises(LookupError, match="no 3"):
        joblib.Parallel()(joblib.delayed(fail)(number) for number in range(10))


def test_results_come_as_they_are_there(client):
    with joblib.parallel_config(backend="raskr"):
        found = joblib.Parallel(return_as="generator_unordered")(joblib.delayed(abs)(-number) for number in range(10))
        assert sorted(found) == list(range(10))


def test_the_backend_is_registered_whichever_is_imported_first():
    for first, second in (("joblib", "raskr.distributed"), ("raskr.distributed", "joblib")):
        program = f"import {first}, {second}; print('raskr' in joblib.parallel.BACKENDS)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
        assert done.stdout == "True\n", done.stderr
