"""The page of a cluster: where it is, who may look, and that it tells what the scheduler knows."""

import json
import os
import socket
import urllib.error
import urllib.request

import pytest
from clusters import command, descendants, end, finished, wait_for, wait_until_gone

from raskr import config
from raskr.distributed import LocalCluster


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = set(descendants())
    yield
    wait_until_gone(set(descendants()) - before)


def local(dashboard_address, n_workers=0, **options):
    return LocalCluster(
        n_workers=n_workers, threads_per_worker=1, memory_limit=0, dashboard_address=dashboard_address, **options
    )


def get(link):
    with urllib.request.urlopen(link, timeout=20) as answer:
        return answer.read().decode()


def test_the_link_shows_the_page_and_the_cluster():
    with local(":0", n_workers=1) as cluster:
        link = cluster.dashboard_link
        assert link.startswith("http://127.0.0.1:") and "<title>raskr</title>" in get(link)
        assert cluster.scheduler_info["services"] == {"dashboard": int(link.split(":")[2].split("/")[0])}

        def workers():
            return json.loads(get(link.replace("/status", "/info.json")))["workers"]

        [worker] = wait_for(workers, "a worker on the page")
        assert (
            worker["name"] == "0" and worker["threads"] == 1 and worker["address"] in cluster.scheduler_info["workers"]
        )
        assert 'raskr_scheduler_workers{status="running"} 1\n' in get(link.replace("/status", "/metrics"))
        assert get(link.split("/status")[0] + "/health") == "ok"
    with pytest.raises(urllib.error.URLError):
        get(link)


def test_only_the_link_opens_it_and_the_link_opens_nothing_else():
    with local(":0") as cluster:
        plain, _, token = cluster.dashboard_link.partition("?token=")
        assert len(token) == 64 and token != cluster.token
        for wrong in (plain, f"{plain}?token={cluster.token}", f"{plain}?token={token[:-1]}"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                get(wrong)


def test_a_port_that_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port}: the port is in use by pid {os.getpid()}"):
            local(f":{port}")
        scheduler = command("scheduler", "--port", "0", "--dashboard-address", f":{port}")
        try:
            code, _, errors = finished(scheduler)
        finally:
            end(scheduler)
        assert code == 1 and errors.count("\n") == 1 and f"in use by pid {os.getpid()}" in errors


def test_the_default_port_gives_way_with_a_warning():
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        except OSError:
            pass  # Somebody else's, which is as good.
        with pytest.warns(UserWarning, match="port 8787 is in use"), local(":8787") as cluster:
            assert ":8787/" not in cluster.dashboard_link and "raskr" in get(cluster.dashboard_link)


@pytest.mark.parametrize("address", ["localhost:http", ":70000", "https://localhost"])
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match="dashboard address .*expected HOST:PORT"):
        local(address)


def test_none_where_none_is_wanted():
    with local(None) as cluster:
        assert cluster.dashboard_link == "" and cluster.scheduler_info["services"] == {}


def test_a_link_through_a_proxy_keeps_its_token():
    with local(":0", scheduler_kwargs={"http_prefix": "/hub"}) as cluster:
        link, _, token = cluster.dashboard_link.partition("?")
        assert link.endswith("/hub/status") and "raskr" in get(f"{link}?{token}")
        with config.set({"distributed.dashboard.link": "https://proxy/{port}/status"}):
            port = cluster.scheduler_info["services"]["dashboard"]
            assert cluster.dashboard_link == f"https://proxy/{port}/status?{token}"


def test_a_scheduler_by_command_prints_its_link():
    scheduler = command("scheduler", "--port", "0", "--dashboard-address", ":0")
    try:
        lines = [scheduler.stdout.readline() for _ in range(2)]
        assert lines[1].startswith("dashboard at http://127.0.0.1:")
        assert "raskr" in get(lines[1].removeprefix("dashboard at ").strip())
    finally:
        end(scheduler)
