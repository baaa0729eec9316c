"""The cluster: schedulers, workers, and the clients that use them."""

from raskr import config
from raskr.distributed import _joblib, _worker_logs, diagnostics, utils
from raskr.distributed.actor import Actor, ActorFuture, BaseActorFuture
from raskr.distributed.client import (
    Client,
    Future,
    as_completed,
    default_client,
    fire_and_forget,
    futures_of,
    get_client,
    wait,
)
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
from raskr.distributed.diagnostics.plugin import (
    CondaInstall,
    Environ,
    ForwardOutput,
    InstallPlugin,
    NannyPlugin,
    PipInstall,
    SchedulerPlugin,
    UploadDirectory,
    UploadFile,
    WorkerPlugin,
)
from raskr.distributed.diagnostics.progressbar import progress
from raskr.distributed.diagnostics.task_stream import get_task_metadata, get_task_stream, performance_report
from raskr.distributed.event import Event
from raskr.distributed.exceptions import CancelledError, KilledWorker, Reschedule, TaskInterrupted, TimeoutError
from raskr.distributed.lock import Lock
from raskr.distributed.multi_lock import MultiLock
from raskr.distributed.queues import Queue
from raskr.distributed.security import Security
from raskr.distributed.semaphore import Semaphore
from raskr.distributed.spans import span
from raskr.distributed.utils import sync
from raskr.distributed.variable import Variable
from raskr.distributed.worker import get_worker, print, rejoin, secede, warn
from raskr.distributed.worker_client import local_client, worker_client

__all__ = [
    "Actor",
    "ActorFuture",
    "Adaptive",
    "BaseActorFuture",
    "CancelledError",
    "Client",
    "Cluster",
    "CondaInstall",
    "Environ",
    "Event",
    "ForwardOutput",
    "Future",
    "InstallPlugin",
    "KilledWorker",
    "LocalCluster",
    "Lock",
    "MultiLock",
    "Nanny",
    "NannyPlugin",
    "PipInstall",
    "ProcessInterface",
    "Queue",
    "Reschedule",
    "Scheduler",
    "SchedulerPlugin",
    "Security",
    "Semaphore",
    "SpecCluster",
    "Status",
    "TaskInterrupted",
    "TimeoutError",
    "UploadDirectory",
    "UploadFile",
    "Variable",
    "Worker",
    "WorkerPlugin",
    "as_completed",
    "config",
    "default_client",
    "diagnostics",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_task_metadata",
    "get_task_stream",
    "get_worker",
    "local_client",
    "performance_report",
    "print",
    "progress",
    "rejoin",
    "secede",
    "span",
    "sync",
    "utils",
    "wait",
    "warn",
    "worker_client",
]

_joblib.watch()
_worker_logs.keep()
