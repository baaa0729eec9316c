"""`Queue`: values that clients and tasks hand to each other in turn."""

from typing import Any

from raskr.distributed._conversation import Question, Shared, Steps, seconds
from raskr.distributed._keeping import fetched, kept

__all__ = ["Queue"]


class Queue(Shared):
    """Values that clients and tasks hand to each other: first in, first out.

    All of them travel through the scheduler, which keeps them until they are taken: small values do well here. Of large
    ones put futures, whose results stay on workers.

    Parameters
    ----------
    name : str, bytes, number, tuple or list, optional
        What others call it; a name of its own by default.
    client : Client, optional
        The current client by default.
    maxsize : int
        How many values wait at most, before `put` does; any number for 0.

    Examples
    --------
    >>> from raskr.distributed import Client, Queue  # doctest: +SKIP
    >>> client = Client()  # doctest: +SKIP
    >>> todo = Queue("todo")  # doctest: +SKIP
    >>> todo.put(client.submit(sum, [1, 2]))  # doctest: +SKIP
    >>> todo.get().result()  # doctest: +SKIP
    3

    See Also
    --------
    Variable : a value that everyone sees.
    """

    def __init__(self, name: Any = None, client: Any = None, maxsize: int = 0) -> None:
        super().__init__(name, client)
        self.maxsize = maxsize

    def put(self, value: Any, timeout: Any = None, **kwargs: Any) -> Any:
        """Put a value at the end.

        Parameters
        ----------
        value : object
            A future, or anything that can be pickled; futures may be within it.
        timeout : number, str or timedelta, optional
            How long to wait for room where the queue is full; without end by default. `TimeoutError` is raised
            afterwards.
        """
        return self._converse(self._put(value, seconds(timeout)))

    def _put(self, value: Any, timeout: float | None) -> Steps:
        data, keep = kept(self.client, value, f"queue:{self._text}:")
        put = {"op": "queue_put", "name": self._text, "maxsize": self.maxsize, "key": None, "timeout": timeout}
        try:
            yield Question(put, [data])
        except Exception:
            if keep is not None:
                self.client._let_go(keep)
            raise

    def get(self, timeout: Any = None, batch: bool | int = False, **kwargs: Any) -> Any:
        """Take the first value, or several.

        Parameters
        ----------
        timeout : number, str or timedelta, optional
            How long to wait where too few values are there; without end by default. `TimeoutError` is raised
            afterwards.
        batch : bool or int
            All values that are there when True, as many as given for a number; a list then.
        """
        return self._converse(self._get(seconds(timeout), batch))

    def _get(self, timeout: float | None, batch: bool | int) -> Steps:
        count = None if batch is False else batch
        get = {"op": "queue_get", "name": self._text, "batch": count, "timeout": timeout}
        _, buffers = yield Question(get)
        values = []
        for data in buffers:
            value, keep = fetched(self.client, data)
            if keep is not None:
                # Its futures are this client's by now.
                self.client._let_go(keep)
            values.append(value)
        return values[0] if count is None else values

    def qsize(self, **kwargs: Any) -> Any:
        """How many values wait."""
        return self._converse(self._qsize())

    def _qsize(self) -> Steps:
        size, _ = yield Question({"op": "queue_size", "name": self._text})
        return size

    def close(self) -> Any:
        """Forget the queue and what waits in it, for all clients."""
        return self._converse(self._close())

    def _close(self) -> Steps:
        waiting, buffers = yield Question({"op": "queue_get", "name": self._text, "batch": True, "timeout": 0})
        for data in buffers:
            _, keep = fetched(self.client, data)
            if keep is not None:
                self.client._let_go(keep)
        yield Question({"op": "queue_release", "name": self._text})

    def __reduce__(self) -> tuple:
        return _named_queue, (self.name, self.maxsize)


def _named_queue(name: str, maxsize: int) -> Queue:
    return Queue(name, maxsize=maxsize)
