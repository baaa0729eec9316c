"""`Variable`: a value that clients and tasks share by its name."""

from typing import Any

from raskr.distributed._conversation import Question, Shared, Steps, seconds
from raskr.distributed._keeping import fetched, kept

__all__ = ["Variable"]


class Variable(Shared):
    """A value that clients and tasks share by its name.

    The value travels through the scheduler, which keeps it: small values do well here. Of large ones share a future,
    whose result stays on workers, and is there at least as long as the variable has it.

    Parameters
    ----------
    name : str, bytes, number, tuple or list, optional
        What others call it; a name of its own by default.
    client : Client, optional
        The current client by default.

    Examples
    --------
    >>> from raskr.distributed import Client, Variable  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> best = Variable("best")  # doctest: +SKIP
    >>> best.set(17)  # doctest: +SKIP
    >>> best.get()  # doctest: +SKIP
    17

    See Also
    --------
    Queue : values that are taken in turn.
    """

    def __init__(self, name: Any = None, client: Any = None) -> None:
        super().__init__(name, client)

    def set(self, value: Any, timeout: Any = "30 s", **kwargs: Any) -> Any:
        """Give it a value.

        Parameters
        ----------
        value : object
            A future, or anything that can be pickled; futures may be within it.
        timeout : number, str or timedelta, optional
            How long the scheduler may take.
        """
        return self._converse(self._set(value, seconds(timeout)))

    def _set(self, value: Any, timeout: float | None) -> Steps:
        hold = f"variable:{self._text}"
        data, keep = kept(self.client, value, hold)
        yield Question({"op": "variable_set", "name": self._text, "key": None}, [data], timeout)
        if keep is None:
            self.client._let_go(hold)

    def get(self, timeout: Any = None, **kwargs: Any) -> Any:
        """Its value; waits for one when it has none yet.

        Parameters
        ----------
        timeout : number, str or timedelta, optional
            How long to wait; without end by default. `TimeoutError` is raised afterwards.
        """
        return self._converse(self._get(seconds(timeout)))

    def _get(self, timeout: float | None) -> Steps:
        _, buffers = yield Question({"op": "variable_get", "name": self._text, "timeout": timeout})
        return fetched(self.client, buffers[0])[0]

    def delete(self) -> Any:
        """Forget the value, for all clients. Futures that only the variable kept are released."""
        return self._converse(self._delete())

    def _delete(self) -> Steps:
        yield Question({"op": "variable_delete", "name": self._text})
        self.client._let_go(f"variable:{self._text}")
