"""What clusters and workers are told: sizes, certificates, wrong arguments; nothing is started."""

import ssl
import sys

import pytest

import raskr
from raskr.distributed import LocalCluster, Nanny, Scheduler, Security, Worker
from raskr.distributed.deploy import _sizes
from raskr.distributed.deploy.local import _divided
from raskr.distributed.deploy.preloading import Preloads


def test_processes_and_threads_multiply_to_the_processors():
    for n in range(1, 70):
        processes, threads = _sizes.nprocesses_nthreads(n)
        assert processes * threads == n and (threads == 1 or processes >= threads or n <= 4), n


@pytest.mark.parametrize(
    ("processors", "given", "expected"),
    [
        (4, (None, None, True), (4, 1)),
        (16, (None, None, True), (4, 4)),
        (4, (None, None, False), (1, 4)),
        (4, (2, None, True), (2, 2)),
        (4, (3, None, True), (3, 2)),
        (4, (0, None, True), (0, 4)),
        (4, (None, 2, True), (2, 2)),
        (4, (None, 8, True), (1, 8)),
        (4, (3, 5, False), (3, 5)),
    ],
)
def test_workers_and_threads_where_one_is_not_said(monkeypatch, processors, given, expected):
    for function in (_divided, _sizes.nprocesses_nthreads):
        monkeypatch.setitem(function.__globals__, "CPU_COUNT", processors)
    assert _divided(*given) == expected


def test_limits_of_memory(monkeypatch):
    monkeypatch.setattr(_sizes, "machine_memory", lambda: 8000)
    limits = {0: None, None: None, "0": None, "auto": 4000, 0.25: 2000, "50%": 4000, "1 kB": 1000, 77: 77, "0.5": 4000}
    assert {given: _sizes.memory_limit(given, 0.5) for given in limits} == limits
    assert _sizes.memory_limit("auto", 3) == 8000
    for wrong, error in ((-1, ValueError), ([], TypeError), ("lots", ValueError), (True, TypeError)):
        with pytest.raises(error):
            _sizes.memory_limit(wrong, 1)


def test_the_machines_memory_is_what_a_limit_is_a_share_of():
    assert _sizes.machine_memory() > 1 << 20


def test_resources():
    assert _sizes.resources({"GPU": 2}) == {"GPU": 2.0} and _sizes.resources(None) == {}
    assert _sizes.resources("a=1, b=2e3") == {"a": 1.0, "b": 2000.0}
    for wrong in ("GPU", "GPU=x", "=3", "GPU=-1", "GPU=inf"):
        with pytest.raises(ValueError, match="expected NAME=AMOUNT"):
            _sizes.resources(wrong)
    with pytest.raises(TypeError):
        _sizes.resources(3)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_workers": -1}, ValueError, "n_workers=-1: expected"),
        ({"n_workers": 1.5}, ValueError, "n_workers=1.5: expected"),
        ({"threads_per_worker": "2"}, ValueError, "threads_per_worker='2'"),
        ({"nonsense": 3}, TypeError, "no options nonsense"),
        ({"scheduler_kwargs": {"nonsense": 3}}, TypeError, "no options nonsense"),
        ({"worker_class": dict}, TypeError, "expected Nanny, Worker"),
        ({"security": "tls"}, TypeError, "expected a Security object"),
        ({"protocol": "inproc://"}, ValueError, "processes=False"),
        ({"memory_limit": "many"}, ValueError, "many"),
        ({"resources": "GPU"}, ValueError, "GPU="),
        ({"death_timeout": "soon"}, ValueError, "death_timeout='soon'"),
    ],
)
def test_wrong_arguments_of_a_local_cluster(options, error, words):
    with pytest.raises(error, match=words):
        LocalCluster(**options)


def test_what_raskrs_workers_can_not_take():
    with pytest.raises(NotImplementedError, match="takes no executor"):
        Worker("tcp://127.0.0.1:1", executor=object())
    with pytest.raises(ValueError, match="at least 1"):
        Nanny("tcp://127.0.0.1:1", nthreads=0)


def test_a_nannys_options():
    nanny = Nanny(
        "tcp://127.0.0.1:1", name=3, nthreads=2, memory_limit="1 GB", resources="A=1", lifetime="1h", preload="x.py"
    )
    values = nanny._given.values
    assert values["name"] == "3" and values["memory_limit"] == 10**9 and values["resources"] == {"A": 1.0}
    assert values["lifetime"] == 3600 and values["preload"] == ["x.py"] and "host" not in values
    assert "created" in repr(nanny) and nanny.pid is None and not nanny.is_alive()


def test_variables_of_workers_come_from_the_settings_and_the_argument():
    with raskr.config.set({"distributed.nanny.environ": {"A": 1, "B": 2}}):
        assert Nanny("tcp://127.0.0.1:1", env={"B": "3"}).env == {"A": "1", "B": "3"}


def test_security():
    plain = Security()
    assert plain.require_encryption is False and plain.options("client") == {} and plain.token is None
    own = Security(tls_ca_file="ca.pem", tls_client_cert="c.pem", tls_worker_cert="w.pem", tls_worker_key="w.key")
    assert own.require_encryption is True
    assert own.options("client") == {"tls_ca_file": "ca.pem", "tls_cert": "c.pem", "tls_key": "c.pem"}
    assert own.options("worker")["tls_key"] == "w.key" and "tls_cert" not in own.options("scheduler")
    assert own.get_listen_args("worker")["require_encryption"] is True
    assert Security(tls_min_version=1.2).tls_min_version == ssl.TLSVersion.TLSv1_2
    assert own == Security(
        **{name: getattr(own, name) for name in ("tls_ca_file", "tls_client_cert", "tls_worker_cert", "tls_worker_key")}
    )


def test_a_temporary_security_has_a_secret_of_its_own_and_does_not_show_it():
    one, two = Security.temporary(), Security.temporary()
    assert one.token != two.token and one.token not in repr(one) and one != two
    assert one.require_encryption and Scheduler(security=one)._options["protocol"] == "tls"
    assert Scheduler(security=one)._options["token"] == one.token


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tls_nonsense": 1}, TypeError),
        ({"tls_min_version": 1.5}, ValueError),
        ({"tls_max_version": 1.2}, ValueError),
        ({"tls_ciphers": "RC4"}, ValueError),
    ],
)
def test_what_security_does_not_take(options, error):
    with pytest.raises(error):
        Security(**options)


def test_security_takes_what_settings_say():
    settings = {"distributed.comm.require-encryption": True, "distributed.comm.tls.ca-file": "x.pem"}
    with raskr.config.set(settings):
        assert repr(Security()) == "Security(require_encryption=True, tls_ca_file='x.pem')"
    with pytest.raises(ValueError, match="unknown role"):
        Security().options("nanny")


def test_preloaded_modules_are_set_up_and_torn_down(tmp_path, monkeypatch):
    path = tmp_path / "preloaded_for_a_test.py"
    path.write_text(
        "said = []\n"
        "async def dask_setup(server):\n    said.append(('up', server))\n"
        "def dask_teardown(server):\n    said.append(('down', server))\n"
    )
    monkeypatch.delitem(sys.modules, "preloaded_for_a_test", raising=False)
    loaded = Preloads([str(path), "json"])
    loaded.set_up("server")
    loaded.tear_down("server")
    assert sys.modules["preloaded_for_a_test"].said == [("up", "server"), ("down", "server")]
    monkeypatch.delitem(sys.modules, "preloaded_for_a_test")


def test_what_can_not_be_preloaded(tmp_path):
    with pytest.raises(FileNotFoundError, match="--preload"):
        Preloads(str(tmp_path / "nowhere.py"))
    with pytest.raises(ModuleNotFoundError):
        Preloads("no_such_module_at_all")
    with pytest.raises(ValueError, match="2 lists of arguments for 1 modules"):
        Preloads("json", [["a"], ["b"]])
