"""Watching a cluster: progress of futures, the tasks that ran, plugins."""

from raskr.distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
from raskr.distributed.diagnostics.progressbar import progress

__all__ = ["SchedulerPlugin", "WorkerPlugin", "progress"]
