"""Questions to the scheduler, in steps that are the same for those who wait and for those who await."""

import pickle
import uuid
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import cloudpickle

from raskr.utils import parse_timedelta

__all__ = [
    "Question",
    "Shared",
    "Steps",
    "converse",
    "current_client",
    "find_client",
    "pack",
    "seconds",
    "unpack",
]


class Question(NamedTuple):
    """What is asked, with buffers beside it; without `timeout` the answer is waited for as long as it takes."""

    operation: dict[str, Any]
    buffers: Sequence[bytes] = ()
    timeout: float | None = None


Steps = Generator[Question, tuple[Any, list[bytes]], Any]


def converse(client: Any, steps: Steps) -> Any:
    """Ask what `steps` yields, in turn, and send it the answers.

    Parameters
    ----------
    client : Client
        Who asks.
    steps : generator
        Yields questions, is sent pairs of answer and buffers, and returns the result.

    Returns
    -------
    object
        The result; something to await where the client is asynchronous.
    """
    return _awaited(client, steps) if client.asynchronous else _waited(client, steps)


def _waited(client: Any, steps: Steps) -> Any:
    try:
        question = next(steps)
        while True:
            try:
                answer = client._ask(*question)
            except Exception as error:
                question = steps.throw(error)
            else:
                question = steps.send(answer)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


async def _awaited(client: Any, steps: Steps) -> Any:
    try:
        question = next(steps)
        while True:
            try:
                answer = await client._ask_async(*question)
            except Exception as error:
                question = steps.throw(error)
            else:
                question = steps.send(answer)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def current_client() -> Any:
    """The client that this code belongs to: a task's own, or the one made last."""
    from raskr.distributed import get_client

    return get_client()


def find_client(client: Any) -> Any:
    """`client`, or the current one where it is None."""
    return current_client() if client is None else client


def seconds(timeout: Any) -> float | None:
    """A limit of time in seconds; None where there is none.

    Parameters
    ----------
    timeout : number, str, timedelta or None
        Seconds, or text such as ``"200 ms"``.
    """
    if timeout is None or str(timeout).lower() == "inf":
        return None
    value = parse_timedelta(timeout)
    return None if value is None else max(float(value), 0.0)


def pack(value: Any) -> bytes:
    """A value as bytes, functions of `__main__` and closures included."""
    data: bytes = cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return data


def unpack(client: Any, data: bytes) -> Any:
    """What `pack` was given; futures in it become futures of `client`."""
    with client.as_current():
        return pickle.loads(data)


#: What begins the text of a name that is no text.
LITERAL = "\0"


def text_of(name: Any) -> str:
    """A name as the scheduler knows it: numbers, bytes, tuples and lists are told from text.

    Parameters
    ----------
    name : str, bytes, number, tuple or list
        What programs call something.
    """
    if isinstance(name, str):
        return name
    if isinstance(name, (int, float, tuple, bytes, list)):
        return LITERAL + repr(name)
    raise TypeError(f"a name must be str, bytes, a number, or a tuple or list of them, got {name!r}")


class Shared:
    """Something that the scheduler keeps under a name, known to all clients by that name.

    The client is looked for when it is first needed, so that what was pickled finds that of the task that unpickled it.
    """

    def __init__(self, name: Any, client: Any) -> None:
        self.name: Any = f"{type(self).__name__.lower()}-{uuid.uuid4().hex}" if name is None else name
        self._client = client

    @property
    def _text(self) -> str:
        """The name as the scheduler knows it."""
        return text_of(self.name)

    @property
    def client(self) -> Any:
        """The client by which the scheduler is asked."""
        if self._client is None:
            self._client = current_client()
        return self._client

    def _converse(self, steps: Steps) -> Any:
        return converse(self.client, steps)

    def __await__(self) -> Generator[Any, None, "Shared"]:
        async def ready() -> Shared:
            return self

        return ready().__await__()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"

    def __reduce__(self) -> tuple:
        return type(self), (self.name,)
