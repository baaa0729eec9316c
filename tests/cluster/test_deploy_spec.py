"""`SpecCluster` and its reconciler, over schedulers and workers of the tests' own: real processes that only wait."""

import asyncio
import signal
import subprocess
import sys
import threading
import time

import pytest

from raskr.distributed import Adaptive, ProcessInterface, SpecCluster, Status
from raskr.distributed.deploy import spec as spec_module
from raskr.distributed.deploy.servers import restart_delay


class Hub(ProcessInterface):
    """A scheduler that knows who is there, and answers what clusters ask."""

    latest = None

    def __init__(self, name="hub"):
        super().__init__(name=name)
        self.address = f"test://{name}"
        self.there = {}
        self.wanted = 0
        self.questions = []
        Hub.latest = self

    async def ask(self, question, timeout):
        self.questions.append(question)
        return getattr(self, question["op"])(question)

    def identity(self, question):
        workers = {
            worker.address: {"name": worker.name, "nthreads": 1, "memory_limit": 100, "status": "running"}
            for worker in self.there.values()
        }
        return {"type": "Scheduler", "address": self.address, "services": {}, "workers": workers}

    def adaptive(self, question):
        target = max(question["minimum"], min(question["maximum"], self.wanted))
        surplus = len(self.there) - target
        return {"target": target, "retire": [str(name) for name in sorted(self.there)[: max(surplus, 0)]]}

    def retire_workers(self, question):
        names = question.get("names") or [str(name) for name in sorted(self.there)[: question["count"]]]
        gone = [worker for worker in self.there.values() if str(worker.name) in names]
        for worker in gone:
            worker.process.terminate()
        return [worker.address for worker in gone]


class Sleeper(ProcessInterface):
    """A worker that is a process which does nothing."""

    made = []

    def __init__(self, scheduler, name=None, token=None, failures=()):
        super().__init__(scheduler=scheduler, name=name)
        self.address = f"test://{name}"
        self.failures = failures
        Sleeper.made.append(self)

    async def start(self):
        if self.failures and self.failures.pop(0):
            raise OSError("no such luck")
        self.process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        self.watch = asyncio.ensure_future(self.follow())
        Hub.latest.there[self.name] = self
        await super().start()

    async def follow(self):
        await asyncio.get_running_loop().run_in_executor(None, self.process.wait)
        self.process.stdin.close()
        Hub.latest.there.pop(self.name, None)
        if self.status == Status.running:
            asked = self.process.returncode == -signal.SIGTERM
            self.reason = "closed" if asked else "it died"
            self.status = Status.closed if asked else Status.failed
            self._event_finished.set()

    async def close(self):
        self.status = Status.closing
        if hasattr(self, "process"):
            self.process.kill()
            await self.watch
        await super().close()


@pytest.fixture(autouse=True)
def nothing_is_left():
    Sleeper.made.clear()
    yield
    left = [worker for worker in Sleeper.made if hasattr(worker, "process") and worker.process.poll() is None]
    for worker in left:
        worker.process.kill()
    assert not left


def wait_for(condition, what, seconds=20):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, what
        threading.Event().wait(0.01)


def cluster_of(n, **options):
    worker = {"cls": Sleeper, "options": {}}
    return SpecCluster({i: worker for i in range(n)}, {"cls": Hub, "options": {}}, worker, **options)


def alive(cluster):
    return {name for name, worker in Hub.latest.there.items() if worker.process.poll() is None}


def test_workers_are_those_of_the_specs_and_end_with_the_cluster():
    with cluster_of(2, name="small") as cluster:
        assert cluster.plan == cluster.requested == cluster.observed == {0, 1}
        assert cluster.status == Status.running and cluster.scheduler_address == "test://hub"
        assert repr(cluster) == "SpecCluster(small, 'test://hub', workers=2, threads=2, memory=200 B)"
        assert "2 of 2" in cluster._repr_html_() and "test://hub" in cluster._repr_html_()
        assert SpecCluster.from_name("small") is cluster
    assert cluster.status == Status.closed and not cluster.workers
    assert repr(cluster) == "SpecCluster(small, 'test://hub', workers=0, threads=0, closed)"
    with pytest.raises(ValueError, match="no SpecCluster 'small' runs"):
        SpecCluster.from_name("small")
    cluster.close()


@pytest.mark.parametrize("kills", [1, 5])
def test_fault_1_and_13_the_number_of_workers_comes_back_after_any_number_of_kills(kills, monkeypatch):
    monkeypatch.setattr(spec_module, "restart_delay", lambda deaths: 0.0)
    with cluster_of(2) as cluster:
        for _ in range(kills):
            victim = Hub.latest.there[0]
            victim.process.kill()
            wait_for(lambda old=victim: Hub.latest.there.get(0) not in (None, old), "a new worker in its place")
        wait_for(lambda: alive(cluster) == {0, 1}, "two workers")
        assert cluster.plan == {0, 1}
        assert sum(worker.name == 0 for worker in Sleeper.made) == kills + 1


def test_fault_5_both_workers_killed_at_once_come_back(monkeypatch):
    monkeypatch.setattr(spec_module, "restart_delay", lambda deaths: 0.0)
    with cluster_of(2) as cluster:
        before = dict(Hub.latest.there)
        for worker in before.values():
            worker.process.kill()
        wait_for(
            lambda: not any(before[n] is w for n, w in Hub.latest.there.items()) and len(alive(cluster)) == 2, "two"
        )


def test_a_worker_that_can_not_be_started_is_tried_again(monkeypatch):
    monkeypatch.setattr(spec_module, "restart_delay", lambda deaths: 0.0)
    failures = [False, True, True]
    worker = {"cls": Sleeper, "options": {"failures": failures}}
    with SpecCluster({"a": worker}, {"cls": Hub, "options": {}}, worker, scheduler_sync_interval=0.05) as cluster:
        Hub.latest.there["a"].process.kill()
        wait_for(lambda: not failures and alive(cluster) == {"a"}, "the third try")
        assert "no such luck" in cluster.get_logs(scheduler=False, workers=False)["Cluster"]


def test_an_error_at_the_start_is_the_callers():
    worker = {"cls": Sleeper, "options": {"failures": [True]}}
    with pytest.raises(OSError, match="no such luck"):
        SpecCluster({"a": worker}, {"cls": Hub, "options": {}}, worker)


def test_restarts_are_immediate_at_first_and_every_30_s_at_last():
    delays = [restart_delay(deaths) for deaths in range(1, 20)]
    assert delays[0] == 0 and delays == sorted(delays) and delays[-1] == 30


def test_scale():
    with cluster_of(1) as cluster:
        cluster.scale(3)
        assert cluster.plan == {0, 1, 2}
        wait_for(lambda: alive(cluster) == {0, 1, 2}, "three workers")
        cluster.scale(1)
        assert len(cluster.plan) == 1
        wait_for(lambda: len(alive(cluster)) == 1 and len(cluster.workers) == 1, "one worker")
        cluster.scale(0)
        wait_for(lambda: not alive(cluster) and not cluster.workers, "none")
        with pytest.raises(ValueError, match="expected 0 or more"):
            cluster.scale(-1)
    with pytest.raises(RuntimeError, match="closed"):
        cluster.scale(1)


def test_a_worker_that_is_retired_is_not_started_again():
    with cluster_of(2) as cluster:
        Hub.latest.retire_workers({"names": ["1"]})
        wait_for(lambda: cluster.plan == {0}, "one worker fewer")
        assert alive(cluster) == {0} and len(Sleeper.made) == 2


def test_scale_by_cores_and_memory():
    worker = {"cls": Sleeper, "options": {}}
    with SpecCluster({}, {"cls": Hub, "options": {}}, worker) as cluster:
        cluster.new_spec = {"cls": Sleeper, "options": {"nthreads": 2, "memory_limit": "4 GB"}}
        assert cluster._count(0, None, 5) == 3 and cluster._count(0, "10 GB", None) == 3
        assert cluster._count(4, "10 GB", 5) == 4
        cluster.new_spec = worker
        with pytest.raises(ValueError, match="nthreads"):
            cluster.scale(cores=4)


def test_a_spec_may_stand_for_several_workers():
    worker = {"cls": Sleeper, "options": {}, "group": ["-a", "-b"]}
    with SpecCluster({"x": worker}, {"cls": Hub, "options": {}}) as cluster:
        assert cluster.plan == {"x-a", "x-b"}


def test_adaptive_scaling_up_and_down():
    with cluster_of(0) as cluster:
        adaptive = cluster.adapt(minimum=0, maximum=3, interval="10ms", wait_count=2)
        assert isinstance(adaptive, Adaptive)
        Hub.latest.wanted = 10
        wait_for(lambda: len(alive(cluster)) == 3, "three workers")
        Hub.latest.wanted = 1
        wait_for(lambda: len(alive(cluster)) == 1, "one worker")
        Hub.latest.wanted = 0
        wait_for(lambda: not alive(cluster) and not cluster.plan, "none")
        assert [what for what, _ in adaptive.log][0] == "up"
        adaptive.stop()
        assert adaptive.status == Status.stopped


def test_a_subclass_of_adaptive_decides():
    class Two(Adaptive):
        async def target(self):
            return 2

    with cluster_of(0) as cluster:
        cluster.adapt(Adaptive=Two, interval="10ms")
        wait_for(lambda: len(alive(cluster)) == 2, "two workers")


@pytest.mark.parametrize("wrong", [{"minimum": 3, "maximum": 2}, {"interval": 0}, {"minimum": -1}])
def test_wrong_bounds_of_adaptive_scaling(wrong):
    with cluster_of(0) as cluster, pytest.raises(ValueError, match="expected"):
        cluster.adapt(**wrong)


def test_an_asynchronous_cluster():
    async def use():
        async with cluster_of(1, asynchronous=True) as cluster:
            assert alive(cluster) == {0} and cluster.asynchronous
            cluster.scale(2)
            await cluster
            assert alive(cluster) == {0, 1}
            await cluster.wait_for_workers(2, timeout=10)
            down = cluster.scale(1)
            await down
            assert len(cluster.plan) == 1
        assert cluster.status == Status.closed

    asyncio.run(use())


def test_waiting_for_workers_ends_after_the_time():
    with cluster_of(1) as cluster:
        cluster.wait_for_workers(1)
        with pytest.raises(TimeoutError, match="Only 1 of 2 workers"):
            cluster.wait_for_workers(2, timeout=0.1)
        with pytest.raises(ValueError, match="positive"):
            cluster.wait_for_workers(0)


def test_a_cluster_ends_with_its_scheduler():
    with cluster_of(2) as cluster:
        # What a client's `shutdown` comes to.
        cluster.loop.call_soon_threadsafe(Hub.latest._event_finished.set)
        wait_for(lambda: cluster.status == Status.closed, "the end of the cluster")
        assert not alive(cluster)


@pytest.mark.parametrize("spec", [{}, {"class": Sleeper}, 3])
def test_what_is_no_spec(spec):
    with pytest.raises(TypeError, match="expected a spec"):
        SpecCluster({"a": spec}, {"cls": Hub, "options": {}})


def test_fault_5_a_cluster_without_workers_says_so(monkeypatch, caplog):
    monkeypatch.setattr(spec_module, "restart_delay", lambda deaths: 1000.0)
    monkeypatch.setattr(spec_module, "_EMPTY_TIME", 0.05)
    with cluster_of(2, scheduler_sync_interval=0.05) as cluster:
        for worker in list(Hub.latest.there.values()):
            worker.process.kill()
        wait_for(lambda: "0 of 2 workers, restarting" in caplog.text, "the warning")
        assert "workers=0 of 2" in repr(cluster) and cluster.plan == {0, 1}
