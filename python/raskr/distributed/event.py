"""`Event`: a flag that clients and tasks share by its name."""

from typing import Any

from raskr.distributed._conversation import Question, Shared, Steps, seconds

__all__ = ["Event"]


class Event(Shared):
    """A flag that clients and tasks share by its name, and wait for; it is not set at first.

    Parameters
    ----------
    name : str, bytes, number, tuple or list, optional
        What others call it; a name of its own by default.
    client : Client, optional
        The current client by default.

    Examples
    --------
    >>> from raskr.distributed import Client, Event  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> loaded = Event("loaded")  # doctest: +SKIP
    >>> loaded.wait(timeout="100 ms")  # doctest: +SKIP
    False
    >>> loaded.set()  # doctest: +SKIP
    >>> loaded.wait()  # doctest: +SKIP
    True
    """

    def __init__(self, name: Any = None, client: Any = None) -> None:
        super().__init__(name, client)

    def set(self) -> Any:
        """Set the flag: all who wait for it go on."""
        return self._converse(self._ask("event_set", None))

    def clear(self) -> Any:
        """Unset the flag."""
        return self._converse(self._ask("event_clear", None))

    def is_set(self) -> Any:
        """Whether the flag is set."""
        return self._converse(self._ask("event_is_set", bool))

    def wait(self, timeout: Any = None) -> Any:
        """Wait until the flag is set.

        Parameters
        ----------
        timeout : number, str or timedelta, optional
            How long to wait; without end by default.

        Returns
        -------
        bool
            Whether it was set in time.
        """
        return self._converse(self._ask("event_wait", bool, timeout=seconds(timeout)))

    def _ask(self, operation: str, kind: Any, **more: Any) -> Steps:
        answer, _ = yield Question({"op": operation, "name": self._text, **more})
        return None if kind is None else kind(answer)
