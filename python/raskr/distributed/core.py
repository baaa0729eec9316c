"""What the parts of a cluster have in common: the states that they are in."""

from enum import Enum

__all__ = ["Status"]


class Status(Enum):
    """The state of a cluster, a scheduler or a worker.

    Examples
    --------
    >>> from raskr.distributed import Status
    >>> Status.running.name
    'running'
    """

    undefined = None
    created = "created"
    init = "init"
    starting = "starting"
    running = "running"
    paused = "paused"
    stopping = "stopping"
    stopped = "stopped"
    closing = "closing"
    closing_gracefully = "closing_gracefully"
    closed = "closed"
    failed = "failed"
    dont_reply = "dont_reply"
