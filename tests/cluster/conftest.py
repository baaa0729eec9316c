"""Clusters of tests keep to themselves, and leave no process."""

import pytest

pytest.importorskip("cloudpickle")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two workers with a thread each, for the tests of a module."""
    from raskr.distributed import LocalCluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            yield cluster


@pytest.fixture
def other(client):
    """A second client of a test's cluster."""
    from raskr.distributed import Client

    with Client(client.cluster, set_as_default=False) as other:
        yield other


@pytest.fixture(autouse=True)
def _apart(tmp_path_factory, monkeypatch):
    # Clusters are found by state files in the user's folder: those of a test are in one of its own.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.delenv("RASKR_TOKEN", raising=False)
