"""The cluster: schedulers, workers, and the clients that use them."""

from raskr.distributed.core import Status
from raskr.distributed.deploy import (
    Adaptive,
    Cluster,
    LocalCluster,
    Nanny,
    ProcessInterface,
    Scheduler,
    SpecCluster,
    Worker,
)
from raskr.distributed.security import Security

__all__ = [
    "Adaptive",
    "Cluster",
    "LocalCluster",
    "Nanny",
    "ProcessInterface",
    "Scheduler",
    "Security",
    "SpecCluster",
    "Status",
    "Worker",
]
