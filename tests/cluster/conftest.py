"""Clusters of tests keep to themselves, and leave no process."""

import pytest

pytest.importorskip("cloudpickle")


@pytest.fixture(autouse=True)
def _apart(tmp_path_factory, monkeypatch):
    # Clusters are found by state files in the user's folder: those of a test are in one of its own.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.delenv("RASKR_TOKEN", raising=False)
