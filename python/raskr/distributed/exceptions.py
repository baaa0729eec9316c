"""Exceptions of the cluster."""

from typing import Any

from raskr import CancelledError, KilledWorker

__all__ = [
    "CancelledError",
    "ClosedClientError",
    "KilledWorker",
    "Reschedule",
    "TaskInterrupted",
    "TimeoutError",
    "catchable",
]

TimeoutError = TimeoutError


class Reschedule(Exception):
    """Raised by a task that is to begin again: on another worker, where one that may run it has a thread free.

    It begins again however often it asks for it. That is no failure, and takes none of its ``retries``.

    Examples
    --------
    >>> from raskr.distributed import Client, Reschedule, get_worker  # doctest: +SKIP
    >>> def on_a_free_disk(path):  # doctest: +SKIP
    ...     if not room_at(get_worker().local_directory):
    ...         raise Reschedule()
    >>> Client().submit(on_a_free_disk, "data")  # doctest: +SKIP
    """


class TaskInterrupted(RuntimeError):
    """A task raised what is made to end programs: ``SystemExit``, ``KeyboardInterrupt``, ``GeneratorExit`` or the like.

    Who waits for the task's value is raised this instead, so that ``except Exception`` catches it and no program ends because
    a task did. What the task raised is its ``__cause__``.

    Parameters
    ----------
    raised : BaseException
        What the task raised.

    Examples
    --------
    >>> from raskr.distributed import TaskInterrupted
    >>> error = TaskInterrupted(SystemExit(3))
    >>> print(error, error.code)
    a task raised SystemExit: 3 3
    """

    def __init__(self, raised: BaseException) -> None:
        super().__init__(raised)
        self.__cause__ = raised

    @property
    def code(self) -> Any:
        """What the task called ``sys.exit`` with; None where it raised something else."""
        return getattr(self.args[0], "code", None)

    def __str__(self) -> str:
        raised = self.args[0]
        words = str(raised)
        return f"a task raised {type(raised).__name__}{': ' if words else ''}{words}"


def catchable(error: BaseException) -> Exception:
    """The error, unless ``except Exception`` would let it pass.

    Parameters
    ----------
    error : BaseException
        What a function raised in another process.
    """
    return error if isinstance(error, Exception) else TaskInterrupted(error)


class ClosedClientError(RuntimeError):
    """A client was asked for something after it was closed.

    Examples
    --------
    >>> from raskr.distributed.client import ClosedClientError
    >>> issubclass(ClosedClientError, RuntimeError)
    True
    """
