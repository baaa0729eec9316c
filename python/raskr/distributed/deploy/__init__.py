"""Launchers: what starts schedulers and workers, keeps their number, and ends them."""

from raskr.distributed.deploy.adaptive import Adaptive
from raskr.distributed.deploy.cluster import Cluster
from raskr.distributed.deploy.local import LocalCluster
from raskr.distributed.deploy.servers import Nanny, Scheduler, Worker
from raskr.distributed.deploy.spec import ProcessInterface, SpecCluster

__all__ = ["Adaptive", "Cluster", "LocalCluster", "Nanny", "ProcessInterface", "Scheduler", "SpecCluster", "Worker"]
