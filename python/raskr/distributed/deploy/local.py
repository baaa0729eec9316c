"""`LocalCluster`: a scheduler in this process and workers on this machine."""

from __future__ import annotations

import logging
from typing import Any

from raskr.distributed.deploy import _sizes
from raskr.distributed.deploy._sizes import nprocesses_nthreads
from raskr.distributed.deploy.servers import Nanny, Scheduler, Worker, _as_security, _protocol
from raskr.distributed.deploy.spec import SpecCluster
from raskr.system import CPU_COUNT

__all__ = ["LocalCluster", "nprocesses_nthreads"]


class LocalCluster(SpecCluster):
    """A cluster on this machine.

    Only programs of the same user, on this machine, can join it. Workers that die are started again.

    Parameters
    ----------
    n_workers : int, optional
        How many workers; as many as there are processors by default, fewer where there are more than four.
    threads_per_worker : int, optional
        How many tasks a worker runs at a time; such that there is one for each processor by default. Python functions
        run in child processes of the worker's, one for each.
    processes : bool, optional
        Whether workers are processes of their own, which they are by default, or run on threads of this one.
    memory_limit : int, float or str, default "auto"
        Of each worker, in bytes, as a share of the machine's memory up to 1.0, or as text such as "4 GiB" or "50%". By
        default the machine's memory is divided evenly; 0 or None is no limit.
    scheduler_port : int, default 0
        The scheduler's port; 0 takes a free one.
    host, ip : str, optional
        The address to listen at; that of this machine only, by default.
    interface : str, optional
        The network interface to listen at.
    protocol : str, optional
        "tcp://", "tls://", or "inproc://" where all is in this process.
    security : Security or bool, optional
        Certificates of yours; True encrypts connections within this machine too.
    dashboard_address : str, default ":8787"
        Where the dashboard is; another port is taken when this one is in use. None for no dashboard.
    worker_dashboard_address : str, optional
        Of no effect: workers have no pages of their own.
    asynchronous : bool, default False
        Whether to use it with `async with` and `await`.
    silence_logs : int or bool, default logging.WARN
        The level below which the cluster's log is silent.
    name : str, optional
    worker_class : class, optional
        `Nanny`, `Worker`, or a subclass.
    scheduler_kwargs : dict, optional
        More arguments of the scheduler, such as `idle_timeout` or `preload`.
    scheduler_sync_interval : float or str, default 1
        How often, in seconds, it is looked whether everything is as it ought to be.
    loop, start, services, worker_services, service_kwargs, blocked_handlers : optional
        Of no effect.
    **worker_kwargs
        More arguments of workers: `resources`, `local_directory`, `env`, `preload`, `death_timeout`, `lifetime`.

    Examples
    --------
    >>> from raskr.distributed import LocalCluster
    >>> with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
    ...     with cluster.get_client() as client:
    ...         client.submit(sum, [1, 2]).result()
    3
    """

    def __init__(
        self,
        name: str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        processes: bool | None = None,
        loop: Any = None,
        start: Any = None,
        host: str | None = None,
        ip: str | None = None,
        scheduler_port: int = 0,
        silence_logs: int | bool = logging.WARN,
        dashboard_address: str | int | None = ":8787",
        worker_dashboard_address: str | None = None,
        services: Any = None,
        worker_services: Any = None,
        service_kwargs: Any = None,
        asynchronous: bool = False,
        security: Any = None,
        protocol: str | None = None,
        blocked_handlers: Any = None,
        interface: str | None = None,
        worker_class: Any = None,
        scheduler_kwargs: dict | None = None,
        scheduler_sync_interval: float | str = 1,
        **worker_kwargs: Any,
    ) -> None:
        del start, worker_dashboard_address, services, worker_services, service_kwargs, blocked_handlers
        host = host if host is not None else ip
        for what, value in (("n_workers", n_workers), ("threads_per_worker", threads_per_worker)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise ValueError(f"{what}={value!r}: expected a whole number, 0 or more")
        if threads_per_worker == 0:
            # As much as to say nothing.
            threads_per_worker = None
        if worker_class is None:
            processes = processes is not False
            worker_class = Nanny if processes else Worker
        elif not (isinstance(worker_class, type) and issubclass(worker_class, (Nanny, Worker))):
            raise TypeError(f"worker_class={worker_class!r}: expected Nanny, Worker or a subclass of these")
        self.processes = issubclass(worker_class, Nanny)
        self._silence(silence_logs)
        security = _as_security(security)
        n_workers, threads_per_worker = _divided(n_workers, threads_per_worker, self.processes)
        protocol = _protocol(protocol, security)
        if protocol is None and not (self.processes or host or interface or scheduler_port):
            # All is in this process; programs elsewhere can't join.
            protocol = "inproc"
        if protocol == "inproc" and self.processes:
            raise ValueError("protocol='inproc://' is for workers in this process: it needs processes=False")
        limit = _sizes.memory_limit(worker_kwargs.pop("memory_limit", "auto"), 1 / max(n_workers, 1))
        worker_options = {
            "nthreads": threads_per_worker,
            "memory_limit": limit or 0,
            "host": host,
            "interface": interface,
            "protocol": protocol,
            "security": security,
            **worker_kwargs,
        }
        scheduler_options = {
            "host": host,
            "port": scheduler_port,
            "interface": interface,
            "protocol": protocol,
            "dashboard_address": dashboard_address,
            "security": security,
            **(scheduler_kwargs or {}),
        }
        worker = {"cls": worker_class, "options": worker_options}
        # Wrong arguments are this call's error, not one of each worker.
        worker_class(None, **worker_options)
        super().__init__(
            name=name,
            workers={number: worker for number in range(n_workers)},
            scheduler={"cls": Scheduler, "options": scheduler_options},
            worker=worker,
            loop=loop,
            asynchronous=asynchronous,
            security=security,
            scheduler_sync_interval=scheduler_sync_interval,
        )

    def _silence(self, level: int | bool) -> None:
        if level is not False and level is not None:
            logging.getLogger("raskr.distributed").setLevel(logging.WARN if level is True else level)

    def _repr_html_(self, cluster_status: str | None = None) -> str:
        more = f"<tr><td><b>Using processes</b></td><td>{self.processes}</td></tr>"
        return super()._repr_html_((cluster_status or "") + more)


def _divided(n_workers: int | None, threads: int | None, processes: bool) -> tuple[int, int]:
    """Workers and threads in each, where one or both are not said."""
    if n_workers is None and threads is None:
        return nprocesses_nthreads() if processes else (1, CPU_COUNT)
    if n_workers is None:
        return max(1, CPU_COUNT // threads) if processes else 1, threads  # type: ignore[operator]
    if threads is None:
        return n_workers, max(1, -(-CPU_COUNT // max(n_workers, 1)))
    return n_workers, threads
