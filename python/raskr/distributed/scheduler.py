"""`Scheduler` under the name that Dask has it by."""

from raskr.distributed.deploy.servers import Scheduler
from raskr.distributed.exceptions import KilledWorker

__all__ = ["KilledWorker", "Scheduler"]
