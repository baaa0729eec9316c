"""What clients leave with the scheduler for each other: data sets, metadata, events under topics."""

import ast
import asyncio
import inspect
import logging
import pickle
import time
from collections.abc import Callable, Collection
from typing import Any

from raskr.distributed._conversation import LITERAL, Question, Steps, converse, pack, text_of, unpack
from raskr.distributed._datasets import Datasets
from raskr.distributed._keeping import fetched, kept

__all__ = ["ClientData"]

logger = logging.getLogger("raskr.distributed")
_nothing: Any = object()


def _name_of(text: str) -> Any:
    return ast.literal_eval(text[1:]) if text.startswith(LITERAL) else text


class ClientData:
    """Data sets, metadata and events."""

    _topics: dict[str, Callable]

    # Data sets.

    def publish_dataset(self, *args: Any, name: Any = None, override: bool = False, **kwargs: Any) -> Any:
        """Leave collections or futures with the scheduler, under names by which other clients get them.

        What was persisted stays in memory for as long as it is published; what was not is computed by those who get it.

        Parameters
        ----------
        *args : object
            What is published as `name`; or one dict of objects by name.
        name : str, number or tuple, optional
            The name.
        override : bool
            Whether to take the place of what has the name already; `KeyError` is raised otherwise.
        **kwargs : object
            More of them, by name.

        Examples
        --------
        >>> from raskr.distributed import Client  # doctest: +SKIP
        >>> client = Client()  # doctest: +SKIP
        >>> client.publish_dataset(numbers=client.submit(range, 3))  # doctest: +SKIP
        >>> client.get_dataset("numbers").result()  # doctest: +SKIP
        range(0, 3)
        """
        named = dict(kwargs)
        if name is not None:
            if not args:
                raise ValueError(f"no object is given to be published as {name!r}")
            named[name] = args[0] if len(args) == 1 else args
        elif args:
            if len(args) != 1 or not isinstance(args[0], dict):
                raise ValueError("objects without a name can't be published: give name=, or a dict of objects by name")
            named.update(args[0])
        return converse(self, self._publish(named, override))

    def _publish(self, named: dict, override: bool) -> Steps:
        for name, value in named.items():
            text = text_of(name)
            before = yield from self._kept_before(text) if override else _no_steps()
            data, keep = kept(self, value, "dataset:")
            try:
                yield Question({"op": "publish", "name": text, "override": override}, [data])
            except Exception as error:
                self._let_go_all([keep])
                if isinstance(error, (KeyError, ValueError)):
                    raise KeyError(f"Dataset {name!r} already exists: override=True takes its place") from None
                raise
            self._let_go_all([before])

    def _kept_before(self, text: str) -> Steps:
        try:
            _, buffers = yield Question({"op": "dataset", "name": text})
        except KeyError:
            return None
        return fetched(self, buffers[0])[1]

    def _let_go_all(self, names: Collection[str | None]) -> None:
        for name in names:
            if name is not None:
                self._let_go(name)

    def unpublish_dataset(self, name: Any, **kwargs: Any) -> Any:
        """Take what is published away.

        Parameters
        ----------
        name : str, number or tuple; or a list of them
            The name; `KeyError` is raised where nothing is published under it.
        """
        return converse(self, self._unpublish(name if isinstance(name, list) else [name]))

    def _unpublish(self, names: list) -> Steps:
        for name in names:
            text = text_of(name)
            datasets, _ = yield Question({"op": "datasets"})
            if text not in datasets:
                raise KeyError(f"Dataset {name!r} not found")
            before = yield from self._kept_before(text)
            yield Question({"op": "unpublish", "name": text})
            self._let_go_all([before])

    @property
    def datasets(self) -> Datasets:
        """What is published, as a mapping by name."""
        return Datasets(self)

    def list_datasets(self, **kwargs: Any) -> Any:
        """The names of what is published, as a tuple."""
        return converse(self, self._list_datasets())

    def _list_datasets(self) -> Steps:
        names, _ = yield Question({"op": "datasets"})
        return tuple(_name_of(name) for name in names)

    def get_dataset(self, name: Any, default: Any = _nothing, **kwargs: Any) -> Any:
        """What is published under a name.

        Parameters
        ----------
        name : str, number or tuple; or a list of them
            The name; a list gives a list.
        default : object, optional
            What is given where nothing has the name; `KeyError` is raised without it.
        """
        return converse(self, self._get_dataset(name, default))

    def _get_dataset(self, name: Any, default: Any) -> Steps:
        if isinstance(name, list):
            found = []
            for one in name:
                found.append((yield from self._get_dataset(one, default)))
            return found
        try:
            _, buffers = yield Question({"op": "dataset", "name": text_of(name)})
        except KeyError:
            if default is _nothing:
                raise KeyError(f"Dataset {name!r} not found") from None
            return default
        return fetched(self, buffers[0])[0]

    # Metadata.

    def set_metadata(self, key: Any, value: Any) -> Any:
        """Leave a small value with the scheduler.

        Parameters
        ----------
        key : str, or list of str
            Its name; a list names a value within dicts, which are made where they lack.
        value : object
            Anything that can be pickled.

        Examples
        --------
        >>> from raskr.distributed import Client  # doctest: +SKIP
        >>> client = Client()  # doctest: +SKIP
        >>> client.set_metadata(["run", "seed"], 17)  # doctest: +SKIP
        >>> client.get_metadata("run")  # doctest: +SKIP
        {'seed': 17}
        """
        return converse(self, self._set_metadata(key if isinstance(key, list) else [key], value))

    def _set_metadata(self, keys: list, value: Any) -> Steps:
        if not keys:
            raise ValueError("metadata needs a key, got an empty list")
        first, *rest = keys
        if rest:
            whole = yield from self._metadata_of(first, {})
            if not isinstance(whole, dict):
                whole = {}
            place = whole
            for key in rest[:-1]:
                inner = place.get(key)
                if not isinstance(inner, dict):
                    inner = place[key] = {}
                place = inner
            place[rest[-1]] = value
            value = whole
        yield Question({"op": "metadata_set", "keys": [text_of(first)]}, [pack(value)])

    def _metadata_of(self, key: Any, default: Any) -> Steps:
        try:
            _, buffers = yield Question({"op": "metadata_get", "keys": [text_of(key)]})
        except KeyError:
            return default
        return unpack(self, buffers[0]) if buffers else default

    def get_metadata(self, keys: Any, default: Any = _nothing) -> Any:
        """A value that `set_metadata` left with the scheduler.

        Parameters
        ----------
        keys : str, or list of str
            Its name; a list names a value within dicts.
        default : object, optional
            What is given where there is no such value; `KeyError` is raised without it.
        """
        return converse(self, self._get_metadata(keys if isinstance(keys, list) else [keys], default))

    def _get_metadata(self, keys: list, default: Any) -> Steps:
        if not keys:
            raise ValueError("metadata needs a key, got an empty list")
        value = yield from self._metadata_of(keys[0], _nothing)
        for key in keys[1:]:
            value = value.get(key, _nothing) if isinstance(value, dict) else _nothing
        if value is not _nothing:
            return value
        if default is _nothing:
            raise KeyError(keys[0] if len(keys) == 1 else keys)
        return default

    # Events.

    def log_event(self, topic: Any, msg: Any) -> Any:
        """Say something under a topic: the scheduler keeps it, and tells those who listen.

        Parameters
        ----------
        topic : str, or list of str
            The topic, or several.
        msg : object
            Anything that can be pickled.
        """
        return converse(self, self._log_event(topic, msg))

    def _log_event(self, topic: Any, msg: Any) -> Steps:
        topics = [topic] if isinstance(topic, str) else list(topic)
        yield Question({"op": "log_event", "topics": topics}, [pack(msg)])

    def get_events(self, topic: str | None = None) -> Any:
        """What was said under a topic.

        Parameters
        ----------
        topic : str, optional
            All topics by default.

        Returns
        -------
        tuple of (float, object), or dict of tuples
            The times, in seconds since 1970, and what was said, the oldest first; by topic where none is given.
        """
        return converse(self, self._get_events(topic))

    def _get_events(self, topic: str | None) -> Steps:
        answer, buffers = yield Question({"op": "events", "topic": topic})

        def read(events: list) -> tuple:
            return tuple((moment, unpack(self, buffers[place])) for moment, place in events)

        if topic is not None:
            return read(answer["events"])
        return {name: read(events) for name, events in answer["topics"].items()}

    def subscribe_topic(self, topic: str, handler: Callable) -> Any:
        """Have a function called for everything that is said under a topic from now on.

        Parameters
        ----------
        topic : str
            The topic.
        handler : callable
            Is given a pair of the time and of what was said. Called on a thread of its own, in the order in which things
            were said; where it gives something to await, that is awaited. It takes the place of an earlier one.

        Examples
        --------
        >>> from raskr.distributed import Client  # doctest: +SKIP
        >>> client = Client()  # doctest: +SKIP
        >>> client.subscribe_topic("losses", lambda event: print(event[1]))  # doctest: +SKIP
        """
        new = topic not in self._handlers()
        self._handlers()[topic] = handler
        return converse(self, self._subscribe(topic) if new else _no_steps())

    def _subscribe(self, topic: str) -> Steps:
        yield Question({"op": "subscribe", "topic": topic})

    def unsubscribe_topic(self, topic: str) -> Any:
        """Call the function of `subscribe_topic` no more."""
        if self._handlers().pop(topic, None) is None:
            raise ValueError(f"No event handler known for topic {topic}: nothing was subscribed")
        return converse(self, self._unsubscribe(topic))

    def _unsubscribe(self, topic: str) -> Steps:
        yield Question({"op": "unsubscribe", "topic": topic})

    def _handlers(self) -> dict[str, Callable]:
        handlers = self.__dict__.get("_topics")
        return self.__dict__.setdefault("_topics", {}) if handlers is None else handlers

    def _handle_event(self, topic: str, event: bytes, moment: float | None = None) -> None:
        """Something was said under a topic; called on a thread that may wait."""
        handler = self._handlers().get(topic)
        if handler is None:
            return
        try:
            with self.as_current():
                said = pickle.loads(event)
            result = handler((time.time() if moment is None else moment, said))
            if inspect.isawaitable(result):
                asyncio.run(_finished(result))
        except Exception:
            logger.exception("the handler of the topic %r failed", topic)


async def _finished(result: Any) -> Any:
    return await result


def _no_steps() -> Steps:
    return
    yield
