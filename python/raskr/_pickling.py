"""Which part of an object can't be pickled, and exceptions that can't be as they are."""

import pickle
import types
from collections.abc import Iterator
from typing import Any

import cloudpickle

_DEPTH_MAX = 6
_ITEMS_MAX = 200


def _fails(value: Any) -> bool:
    try:
        cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:
        return True
    return False


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds, with how to write it down."""
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", item) for key, item in list(value.items())[:_ITEMS_MAX])
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{place}]", item) for place, item in enumerate(list(value)[:_ITEMS_MAX]))
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            try:
                yield f": closure variable {name!r}", cell.cell_contents
            except ValueError:
                continue
        used = value.__code__.co_names
        yield from ((f": global {name!r}", value.__globals__[name]) for name in used if name in value.__globals__)
        yield from ((f": default {place}", item) for place, item in enumerate(value.__defaults__ or ()))
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    else:
        yield from ((f".{name}", item) for name, item in getattr(value, "__dict__", {}).items())


def _name(value: Any) -> str:
    if isinstance(value, types.FunctionType):
        place = f"{value.__code__.co_filename.rpartition('/')[2]}:{value.__code__.co_firstlineno}"
        return f"{value.__qualname__} ({place})"
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace("a builtins.", "a ")


def _culprit(value: Any, path: str, depth: int, seen: set[int]) -> tuple[str, Any]:
    """The smallest part that fails, and the way to it."""
    if depth < _DEPTH_MAX and id(value) not in seen:
        seen.add(id(value))
        if isinstance(value, types.FunctionType):
            # Where it is in the program says more than what it was found in.
            path = _name(value)
        for step, part in _parts(value):
            if _fails(part):
                return _culprit(part, path + step, depth + 1, seen)
    return path, value


def explained(value: Any, error: BaseException, place: str | None = None) -> BaseException:
    """An error that says which part of `value` can't be sent to another process.

    Parameters
    ----------
    value : object
        What could not be pickled.
    error : BaseException
        What pickling it raised.
    place : str, optional
        What `value` is, where that says more than its type.

    Examples
    --------
    >>> import threading
    >>> from raskr._pickling import explained
    >>> print(explained({"lock": threading.Lock()}, TypeError("cannot pickle")))
    a dict['lock'] holds a _thread.lock, which can't be sent to another process (TypeError: cannot pickle)
    """
    name = place or _name(value)
    path, part = _culprit(value, name, 0, set())
    cause = f"({type(error).__name__}: {error})"
    if part is value and not place:
        message = f"{name} can't be sent to another process {cause}"
    else:
        message = (
            f"{path} {'is' if part is value else 'holds'} {_name(part)}, which can't be sent to another process {cause}"
        )
    kind = type(error) if isinstance(error, (TypeError, AttributeError, ValueError)) else TypeError
    return kind(message)


def unsent(values: list, error: BaseException) -> BaseException:
    """What to raise where objects could not be sent: a `TypeError` that names the first that can't be pickled.

    Parameters
    ----------
    values : list
        The objects.
    error : BaseException
        What sending them raised; it is given back where all of them can be pickled.
    """
    culprit = next((value for value in values if _fails(value)), None)
    return error if culprit is None else TypeError(f"Could not serialize: {explained(culprit, error)}")


def _rebuilt(kind: type[BaseException], args: tuple, attributes: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class ExceptionInParts:
    """Stands for an exception that can't be pickled as it is, and is unpickled to one of its class.

    It has the exception's arguments, in words where they can't be sent, and those of its attributes that can. Its class is
    not called, since classes that take other arguments than the exception keeps are why most can't be pickled.

    Parameters
    ----------
    error : BaseException
        The exception.

    Examples
    --------
    >>> import pickle
    >>> from raskr._pickling import ExceptionInParts
    >>> pickle.loads(pickle.dumps(ExceptionInParts(ValueError("wrong", open))))
    ValueError('wrong', <built-in function open>)
    """

    def __init__(self, error: BaseException) -> None:
        self.kind = type(error)
        self.args = tuple(repr(arg) if _fails(arg) else arg for arg in error.args)
        attributes = getattr(error, "__dict__", {})
        self.attributes = {name: value for name, value in attributes.items() if not _fails(value)}

    def __reduce__(self) -> tuple[Any, tuple]:
        return _rebuilt, (self.kind, self.args, self.attributes)


class ExceptionWithCauses:
    """Stands for an exception and those that it was raised from, or while these were handled; is unpickled to it.

    Parameters
    ----------
    error : BaseException
        The exception.

    Examples
    --------
    >>> import pickle
    >>> from raskr._pickling import ExceptionWithCauses
    >>> error = ValueError("wrong")
    >>> error.__cause__ = LookupError("not there")
    >>> pickle.loads(pickle.dumps(ExceptionWithCauses(error))).__cause__
    LookupError('not there')
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, tuple]:
        error = self.error
        cause, context = error.__cause__, error.__context__
        context = None if context is cause else context
        return _with_causes, (error, _caused(cause), _caused(context), error.__suppress_context__)


def _caused(error: BaseException | None) -> Any:
    return error if error is None or error.__cause__ is error.__context__ is None else ExceptionWithCauses(error)


def _with_causes(error: BaseException, cause: Any, context: Any, suppressed: bool) -> BaseException:
    error.__cause__, error.__context__, error.__suppress_context__ = cause, context or cause, suppressed
    return error
