"""What clients leave with the scheduler for each other: data sets, metadata, events; also what they tell of the cluster."""

import gzip
import json
import os
import stat
import threading

import pytest
from clusters import running

import raskr.distributed
from raskr.distributed import Client, get_task_metadata, get_task_stream, performance_report, progress, warn


@pytest.fixture(scope="module")
def client():
    with running() as client:
        yield client


def test_data_sets_are_published(client, other):
    client.publish_dataset(numbers=[client.submit(lambda: 5, pure=False)])
    assert other.list_datasets() == ("numbers",)
    assert other.get_dataset("numbers")[0].result(timeout=20) == 5
    with pytest.raises(KeyError, match="already exists"):
        other.publish_dataset(numbers=1)
    other.publish_dataset({"numbers": 2}, override=True)
    assert client.get_dataset("numbers") == 2
    client.publish_dataset("pair", name=("a", 1))
    assert client.get_dataset([("a", 1), "numbers"]) == ["pair", 2]
    assert set(client.list_datasets()) == {"numbers", ("a", 1)}
    client.unpublish_dataset(["numbers", ("a", 1)])
    assert client.list_datasets() == ()
    assert client.get_dataset("numbers", default=7) == 7
    for missing in (client.get_dataset, client.unpublish_dataset):
        with pytest.raises(KeyError, match="numbers"):
            missing("numbers")


def test_data_sets_need_names(client):
    with pytest.raises(ValueError, match="name"):
        client.publish_dataset(1, 2)
    with pytest.raises(ValueError, match="no object"):
        client.publish_dataset(name="nothing")


def test_metadata_is_kept(client, other):
    client.set_metadata("x", {"deep": 1})
    client.set_metadata(["run", "seed"], 17)
    client.set_metadata(["run", "more", "deep"], [1, 2])
    assert other.get_metadata("x") == {"deep": 1}
    assert other.get_metadata("run") == {"seed": 17, "more": {"deep": [1, 2]}}
    assert other.get_metadata(["run", "more"]) == {"deep": [1, 2]}
    assert other.get_metadata(["run", "none"], default=3) == 3
    with pytest.raises(KeyError):
        other.get_metadata("none")


def test_events_are_kept_and_told(client, other):
    heard, all_heard = [], threading.Event()

    def hear(event):
        heard.append(event[1])
        if len(heard) == 3:
            all_heard.set()

    other.subscribe_topic("losses", hear)
    for loss in (3, 2.5):
        client.log_event(["losses", "more"], loss)
    client.submit(lambda: raskr.distributed.get_worker().log_event("losses", {"task": 1}), pure=False).result(
        timeout=20
    )
    assert all_heard.wait(20)
    assert heard[:2] == [3, 2.5] and heard[2] == {"worker": heard[2]["worker"], "task": 1}
    assert heard[2]["worker"] in client.nthreads()
    assert [said for _, said in client.get_events("losses")] == heard
    assert {"losses", "more"} <= set(client.get_events())
    other.unsubscribe_topic("losses")
    with pytest.raises(ValueError, match="losses"):
        other.unsubscribe_topic("losses")


def test_handlers_of_events_may_be_coroutine_functions(client):
    heard = threading.Event()

    async def hear(event):
        heard.set()

    client.subscribe_topic("awaited", hear)
    client.log_event("awaited", 1)
    assert heard.wait(20)


def test_what_tasks_print_and_warn_of_is_told(client, other):
    said, warned = threading.Event(), threading.Event()
    other.subscribe_topic("print", lambda event: said.set() if event[1]["args"] == ("hello", "3") else None)
    other.subscribe_topic("warn", lambda event: warned.set())
    client.subscribe_topic("warn", lambda event: None)
    client.submit(lambda: raskr.distributed.print("hello", 3), pure=False).result(timeout=20)
    assert said.wait(20)

    def warning():
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warn("low", RuntimeWarning)

    client.submit(warning, pure=False).result(timeout=20)
    assert warned.wait(20)
    assert client.get_events("warn")[-1][1]["category"] is RuntimeWarning


def test_the_tasks_of_a_block_are_told(client, tmp_path):
    client.submit(abs, -5, key="before").result(timeout=20)
    with get_task_stream(plot="save", filename=str(tmp_path / "stream.html")) as stream, get_task_metadata() as tasks:
        client.submit(abs, -1, key="within").result(timeout=20)
        failed = client.submit(lambda: 1 / 0, key="failed")
        assert failed.exception(timeout=20) is not None
    assert {task["key"] for task in stream.data} == {"within", "failed"}
    assert tasks.state == {"within": "memory", "failed": "erred"}
    assert tasks.metadata["within"]["worker"] in client.nthreads()
    assert (tmp_path / "stream.html").read_text().startswith("<!DOCTYPE html>")
    assert {"within", "failed"} <= {task["key"] for task in client.get_task_stream()}
    assert len(client.get_task_stream(count=1)) == 1
    assert client.get_task_stream(start="0 s") == []
    assert client.get_task_stream(plot=True)[1].title == "Task stream"


def test_a_report_is_one_page(client, tmp_path):
    with performance_report(filename=str(tmp_path / "report.html")):
        client.gather(client.map(abs, range(20), pure=False))
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "Calling code" in page and "performance_report(" in page
    assert "<script" not in page.partition("Calling code")[0]


def test_progress_is_shown(client, capsys):
    futures = client.map(abs, range(10), pure=False)
    assert progress(futures, notebook=False) is None
    assert "100% Completed" in capsys.readouterr().out
    assert all(future.done() for future in futures)
    bars = progress(futures, notebook=True)
    assert "abs" in bars._repr_html_() and "10 / 10" in bars._repr_html_()
    with pytest.raises(ValueError, match="futures"):
        progress([])


def test_an_executor_runs_tasks(client):
    with client.get_executor(retries=1) as executor:
        assert executor.submit(pow, 2, 10).result(timeout=20) == 1024
        assert list(executor.map(pow, [2, 3], [3, 2], timeout=20)) == [8, 9]
        failed = executor.submit(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            failed.result(timeout=20)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    with pytest.raises(TypeError, match="unsupported"):
        client.get_executor(nonsense=1)


def test_calls_of_an_executor_are_cancelled(client):
    event = raskr.distributed.Event("hold the executor")
    executor = client.get_executor()
    futures = [executor.submit(event.wait, "20 s") for _ in range(4)]
    assert futures[-1].cancel()
    assert futures[-1].cancelled()
    executor.shutdown(cancel_futures=True)
    event.set()


def test_stories_and_dumps_tell_what_happened(client, tmp_path):
    future = client.submit(abs, -9, key="told")
    future.result(timeout=20)
    story = client.story(future)
    assert story and all(key == "told" for key, _, _ in story)
    client.dump_cluster_state(str(tmp_path / "dump"), format="json", exclude=["config"])
    state = json.loads(gzip.decompress((tmp_path / "dump.json.gz").read_bytes()))
    assert set(state) == {"scheduler", "workers", "versions"}
    assert state["scheduler"]["tasks"]["told"]["state"] == "memory"
    assert all("config" not in worker for worker in state["workers"].values())
    client.dump_cluster_state(str(tmp_path / "dump"), format="yaml")
    assert (tmp_path / "dump.yaml").stat().st_size
    with pytest.raises(ValueError, match="format"):
        client.dump_cluster_state(str(tmp_path / "dump"), format="xml")


def test_the_active_memory_managers_switches_are_there(client):
    client.amm.start()
    assert client.amm.running() is True
    assert client.amm.run_once() is None
    assert client.amm.stop() is None


def test_a_scheduler_file_leads_to_the_scheduler(client, tmp_path):
    path = str(tmp_path / "scheduler.json")
    client.write_scheduler_file(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with Client(scheduler_file=path, set_as_default=False) as other:
        assert other.submit(abs, -4).result(timeout=20) == 4


def test_data_sets_are_a_mapping(client, other):
    client.datasets["range"] = (0, 10)
    assert other.datasets["range"] == (0, 10) and "range" in other.datasets
    assert set(other.datasets) == set(client.list_datasets()) and len(other.datasets) == len(client.list_datasets())
    assert dict(client.datasets.items())["range"] == (0, 10)
    assert other.datasets.get("nothing", 5) == 5
    with pytest.raises(KeyError, match="Dataset 'range' already exists"):
        client.datasets["range"] = 1
    del other.datasets["range"]
    with pytest.raises(KeyError, match="Dataset 'range' not found"):
        client.datasets["range"]
