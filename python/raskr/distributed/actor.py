"""Actors: objects that live on a worker, and whose methods clients and tasks call from elsewhere."""

import asyncio
import concurrent.futures
import functools
import itertools
import uuid
from collections.abc import Callable, Generator
from typing import Any

from raskr.distributed import _actors
from raskr.distributed._conversation import Question, Steps, converse, current_client, pack, seconds
from raskr.distributed.future import finishes
from raskr.distributed.worker import get_worker
from raskr.sizeof import sizeof
from raskr.utils import funcname

__all__ = ["Actor", "ActorFuture", "BaseActorFuture", "EagerActorFuture", "submit_actor"]

# Calls wait on threads of their own: a method may take as long as it likes.
_CALLS_MAX = 256
_ACTOR_BYTES = 256


class BaseActorFuture:
    """What a call of an actor's method gives at once, and its result later on."""

    def result(self, timeout: Any = None) -> Any:
        """The method's result; raises what the method raised.

        Parameters
        ----------
        timeout : number, str or timedelta, optional
            How long to wait; without end by default. `TimeoutError` is raised afterwards.
        """
        raise NotImplementedError

    def done(self) -> bool:
        """Whether the method has ended."""
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, Any]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class ActorFuture(BaseActorFuture):
    """The result of a method that an actor's worker calls.

    Examples
    --------
    >>> from raskr.distributed import Client  # doctest: +SKIP
    >>> counter = Client().submit(Counter, actor=True).result()  # doctest: +SKIP
    >>> future = counter.increment()  # doctest: +SKIP
    >>> future.result()  # doctest: +SKIP
    1
    """

    def __init__(self, call: concurrent.futures.Future) -> None:
        self._call = call

    def result(self, timeout: Any = None) -> Any:
        try:
            return self._call.result(seconds(timeout))
        except concurrent.futures.TimeoutError as error:
            if self._call.done():
                raise
            raise TimeoutError(f"the actor's method did not end within {timeout}") from error

    def done(self) -> bool:
        return self._call.done()

    def _when_done(self, function: Callable[[], None]) -> None:
        self._call.add_done_callback(lambda call: function())

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self._call).__await__()


class EagerActorFuture(BaseActorFuture):
    """A result that is there already, of a method that did not have to travel.

    Parameters
    ----------
    result : object
        The result.

    Examples
    --------
    >>> from raskr.distributed.actor import EagerActorFuture
    >>> EagerActorFuture(3).result()
    3
    """

    def __init__(self, result: Any) -> None:
        self._result = result

    def result(self, timeout: Any = None) -> Any:
        return self._result

    def done(self) -> bool:
        return True

    def _when_done(self, function: Callable[[], None]) -> None:
        function()

    def __await__(self) -> Generator[Any, None, Any]:
        yield from ()
        return self._result


@functools.cache
def _callers() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(_CALLS_MAX, thread_name_prefix="raskr-actor")


class Actor:
    """Stands for an object that lives on a worker: its methods are called there.

    A call gives an `ActorFuture` at once. Calls run one after another, those made through the same `Actor` in their
    order; methods that are coroutine functions run beside each other. Attributes that can't be called are fetched.

    Parameters
    ----------
    cls : type
        The object's class.
    address : str
        The worker.
    key : str
        The key of the future that made it.
    worker : object, optional
        Accepted for programs that give it.

    Examples
    --------
    >>> from raskr.distributed import Client  # doctest: +SKIP
    >>> class Counter:  # doctest: +SKIP
    ...     value = 0
    ...     def increment(self):
    ...         self.value += 1
    ...         return self.value
    >>> client = Client()  # doctest: +SKIP
    >>> counter = client.submit(Counter, actor=True).result()  # doctest: +SKIP
    >>> counter.increment().result(), counter.value  # doctest: +SKIP
    (1, 1)
    """

    def __init__(self, cls: type, address: str, key: str, worker: Any = None) -> None:
        self._cls, self._address, self._key = cls, address, key
        self._caller = uuid.uuid4().hex
        self._numbers = itertools.count()
        self._client: Any = None
        # The future that gave it: the object lives as long as somebody has one.
        self._future: Any = None

    @property
    def key(self) -> str:
        """The key of the future that made it."""
        return self._key

    @property
    def client(self) -> Any:
        """The client by which its methods are called."""
        if self._client is None:
            from raskr.distributed import client

            # In a coroutine an asynchronous client is meant, though another one may be the default.
            awaited = [one for one in list(client._open) if one.status == "running" and one.asynchronous]
            self._client = awaited[-1] if awaited else current_client()
        return self._client

    def __repr__(self) -> str:
        return f"<Actor: {self._cls.__name__}, key={self._key}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actor) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple:
        return Actor, (self._cls, self._address, self._key)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name in dir(self._cls) if not name.startswith("_"))})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found = getattr(self._cls, name, None)
        if not callable(found):
            call = self._call(name, (), {})
            return call if self.client.asynchronous else call.result()

        @functools.wraps(found)
        def method(*args: Any, **kwargs: Any) -> BaseActorFuture:
            return self._call(name, args, kwargs)

        return method

    def _call(self, name: str, args: tuple, kwargs: dict) -> BaseActorFuture:
        client = self.client
        steps = self._steps(client, pack((name, args, kwargs)), next(self._numbers))
        if client.asynchronous:
            task = asyncio.ensure_future(converse(client, steps))
            call: concurrent.futures.Future = concurrent.futures.Future()
            task.add_done_callback(functools.partial(_pass_on, call))
            return ActorFuture(call)
        return ActorFuture(_callers().submit(converse, client, steps))

    def _steps(self, client: Any, data: bytes, number: int) -> Steps:
        question = {"op": "actor", "key": self._key, "caller": self._caller, "number": number}
        call = {"op": "call_workers", "workers": [self._address], "question": question, "timeout": None}
        gone = f"the worker {self._address} of the actor {self._key!r} is gone, and the actor with it"
        try:
            answer, buffers = yield Question(call, [data])
        except ValueError:
            raise ValueError(gone) from None
        reply = client._read_replies(answer, buffers)[self._address]
        if isinstance(reply.error, OSError) and answer["replies"][0]["error"] is not None:
            raise ValueError(gone) from None
        return reply.value()


@sizeof.register(Actor)
def _size_of_actor(_: Actor) -> int:
    # Whatever the object itself has to say of its size would be asked of its worker.
    return _ACTOR_BYTES


def _pass_on(call: concurrent.futures.Future, task: asyncio.Task) -> None:
    if task.cancelled():
        call.cancel()
    elif task.exception() is not None:
        call.set_exception(task.exception())
    else:
        call.set_result(task.result())


def submit_actor(client: Any, function: Callable, args: tuple, kwargs: dict, options: dict[str, Any]) -> Any:
    """The future of an actor, for `Client.submit(..., actor=True)`.

    Parameters
    ----------
    client : Client
        Who submits.
    function : type
        The actor's class, or a function that gives the object.
    args, kwargs
        What it is called with.
    options : dict
        What else `submit` was given.
    """
    key = options.get("key") or f"{funcname(function)}-{uuid.uuid4().hex}"
    rest = {name: value for name, value in options.items() if name not in ("key", "pure")}
    make = functools.partial(_made, function, key)
    future = client.submit(make, *args, key=key, pure=False, **rest, **kwargs)
    finishes[future] = _held
    return future


def _held(future: Any, actor: Any) -> Any:
    if isinstance(actor, Actor):
        actor._future = future
    return actor


def _made(function: Callable, key: str, *args: Any, **kwargs: Any) -> Actor:
    """The task that makes an actor on the worker that runs it."""
    _actors.make(key, pack((function, args, kwargs)))
    return Actor(function, get_worker().address, key)
