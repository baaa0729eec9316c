"""xarray's objects are collections to raskr: computed together, persisted, arguments of delayed calls and of tasks."""

import numpy as np
import pytest
import xarray as xr

import raskr
import raskr.array as da
from raskr.distributed import Client, LocalCluster, futures_of, wait
from raskr.tokenize import tokenize


def arrays(x):
    variables = x.variables if isinstance(x, xr.Dataset) else {"": x.variable}
    return {name: type(variable._data) for name, variable in variables.items()}


@pytest.fixture
def small():
    """Lazy data and a lazy coordinate, beside what is in memory."""
    values = xr.DataArray(
        np.arange(12.0).reshape(6, 2),
        dims=("a", "b"),
        coords={"a": np.arange(6) * 2, "z": ("a", np.arange(6))},
        name="values",
        attrs={"units": "m"},
    )
    lazy = values.chunk(a=2, chunked_array_type="raskr", from_array_kwargs={})
    return xr.Dataset({"values": lazy, "there": ("b", [1, 2]), "mean": lazy.mean("b")}, attrs={"made": "here"})


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_objects_are_computed_with_all_else(small, scheduler):
    expected = small.compute()
    mean = small["values"].mean()
    one, other, rest = raskr.compute(small, {"mean": [mean, 3]}, small["values"].variable, scheduler=scheduler)
    assert one.identical(expected) and list(one.variables) == list(small.variables)
    assert other["mean"][0].identical(expected["values"].mean()) and other["mean"][1] == 3
    assert rest.identical(expected["values"].variable)
    # What was given stays lazy.
    assert arrays(small)["values"] is da.Array and arrays(one)["values"] is np.ndarray


def test_what_is_lazy_is_a_collection(small):
    assert raskr.is_dask_collection(small) and raskr.is_dask_collection(small["values"].variable)
    assert not raskr.is_dask_collection(small.compute()) and not raskr.is_dask_collection(xr.Dataset())
    (again,) = raskr.compute(small.compute())
    assert again.identical(small.compute())


def test_persisted_objects_are_lazy_and_hold_their_blocks(small):
    calls = []
    counted = small.copy()
    counted["values"].data = small["values"].data.map_blocks(lambda block: calls.append(1) or block, dtype=float)
    (held,) = raskr.persist(counted, scheduler="sync")
    count = len(calls)
    assert arrays(held) == arrays(small) and held.identical(small) and len(calls) == count > 0
    (same,) = raskr.optimize(held)
    assert same.identical(small)


def test_delayed_calls_get_computed_objects(small):
    kinds = raskr.delayed(lambda data, more: (arrays(data), arrays(more[0])))(small, [small["values"]]).compute()
    assert kinds[0]["values"] is np.ndarray and kinds[1][""] is np.ndarray
    assert float(raskr.delayed(small)["values"].mean().compute()) == 5.5


def test_tokens_are_of_the_content(small):
    values = small["values"]
    assert tokenize(small) == tokenize(small.copy()) and tokenize(values) == tokenize(values.copy())
    others = [values + 1, values.rename("other"), values.assign_attrs(units="km"), values.assign_coords(z=values.a)]
    assert len({tokenize(other) for other in [values, *others]}) == 5


def test_clients_take_them(small, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    expected = small.compute()
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            future = client.compute(small)
            assert future.result().identical(expected)
            held, mean = client.persist([small, small["values"].mean()])
            wait(held)
            assert len(futures_of(held)) == 9 and arrays(held)["values"] is da.Array and held.identical(expected)
            assert float(mean) == 5.5
            assert client.compute([small["values"].max()], sync=True)[0].identical(expected["values"].max())
            (again,) = raskr.compute(small)
            assert again.identical(expected)
