"""Helpers that libraries take from `dask.utils`: deprecations, docstrings, temporary files, shapes of text."""

import contextlib
import functools
import inspect
import os
import re
import shutil
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from numbers import Integral
from typing import Any

from raskr import config


# --- deprecations -------------------------------------------------------------------------------------------------------
def _deprecated(
    *,
    version: str | None = None,
    after_version: str | None = None,
    message: str | None = None,
    use_instead: str | None = None,
    category: type[Warning] = FutureWarning,
) -> Callable:
    """A decorator that warns when a function is called.

    Parameters
    ----------
    version : str, optional
        The version in which the function is deprecated.
    after_version : str, optional
        The last version in which it was not.
    message : str, optional
        The warning's text, in place of one that is made from the other arguments.
    use_instead : str, optional
        What to use.
    category : type
        The warning's class.
    """

    def decorate(func: Callable) -> Callable:
        text = message
        if text is None:
            when = f"was deprecated in version {version}" if version else "is deprecated"
            if after_version:
                when = f"was deprecated after version {after_version}"
            text = f"{func.__name__} {when} and will be removed in a future release."
            if use_instead:
                text += f" Please use {use_instead} instead."

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(text, category=category, stacklevel=2)
            return func(*args, **kwargs)

        return wrapper

    return decorate


def _deprecated_kwarg(
    old_arg_name: str,
    new_arg_name: str | None = None,
    mapping: Mapping | Callable | None = None,
    stacklevel: int = 2,
    comment: str | None = None,
) -> Callable:
    """A decorator that warns of a keyword argument, and gives its value to the one that took its place.

    Parameters
    ----------
    old_arg_name : str
        The keyword that is deprecated.
    new_arg_name : str, optional
        The keyword that takes its place; there is none where it is left out.
    mapping : mapping or callable, optional
        New values by old ones.
    stacklevel : int
        Whose line the warning names.
    comment : str, optional
        More text for the warning.
    """

    def new_value(value: Any) -> Any:
        return mapping(value) if callable(mapping) else (mapping or {}).get(value, value)

    def decorate(func: Callable) -> Callable:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if old_arg_name not in kwargs:
                return func(*args, **kwargs)
            value = kwargs.pop(old_arg_name)
            if new_arg_name is None:
                text = (
                    f"the {old_arg_name!r} keyword is deprecated and will be removed in a future version. "
                    f"Please take steps to stop the use of {old_arg_name!r}"
                )
                kwargs[old_arg_name] = value
            elif new_arg_name in kwargs:
                raise TypeError(f"Can only specify {old_arg_name!r} or {new_arg_name!r}, not both.")
            else:
                kwargs[new_arg_name] = new = new_value(value)
                text = f"the {old_arg_name!r} keyword is deprecated, use {new_arg_name!r} instead."
                if mapping is not None:
                    text = f"the {old_arg_name}={value!r} keyword is deprecated, use {new_arg_name}={new!r} instead."
            warnings.warn(f"{text} {comment}" if comment else text, FutureWarning, stacklevel=stacklevel)
            return func(*args, **kwargs)

        return wrapper

    return decorate


# --- docstrings ---------------------------------------------------------------------------------------------------------
def derived_from(
    original_klass: Any,
    version: str | None = None,
    ua_args: list | None = None,
    skipblocks: int = 0,
    inconsistencies: str | None = None,
) -> Callable:
    """A decorator that gives a method the docstring of the one of another class or module that it follows.

    Parameters
    ----------
    original_klass : type or module
        Has a function of the same name.
    version : str, optional
        The version of the other library that knows the function.
    ua_args : list of str, optional
        Parameters that are not supported here.
    skipblocks : int
        How many paragraphs to leave out.
    inconsistencies : str, optional
        What differs.

    Examples
    --------
    >>> from raskr.utils import derived_from
    >>> class Numbers:
    ...     @derived_from(list)
    ...     def count(self, value): ...
    >>> "occurrences" in Numbers.count.__doc__
    True
    """

    def decorate(method: Callable) -> Callable:
        original = getattr(original_klass, method.__name__, None)
        text = inspect.getdoc(original) if original is not None else None
        if text:
            text = "\n\n".join(text.split("\n\n")[skipblocks:])
            notes = [f"This docstring was copied from {_full_name(original_klass)}.{method.__name__}."]
            if inconsistencies:
                notes.append(inconsistencies)
            if ua_args:
                notes.append(f"Not supported here: {', '.join(ua_args)}.")
            # Examples are written for the other library.
            method.__doc__ = "\n\n".join([re.sub(r"(>>> .*?)\n", r"\1  # doctest: +SKIP\n", text + "\n"), *notes])
        elif version:
            method.__doc__ = f"As in version {version} of {_full_name(original_klass)}."
        return method

    return decorate


def _full_name(owner: Any) -> str:
    module = getattr(owner, "__module__", None)
    return f"{module}.{owner.__name__}" if module and module != "builtins" else owner.__name__


class IndexCallable:
    """Gives a function square brackets: `IndexCallable(f)[x]` is `f(x)`.

    Examples
    --------
    >>> from raskr.utils import IndexCallable
    >>> IndexCallable(lambda index: index)[1:2]
    slice(1, 2, None)
    """

    __slots__ = ("fn",)

    def __init__(self, fn: Callable) -> None:
        self.fn = fn

    def __getitem__(self, key: Any) -> Any:
        return self.fn(key)


# --- temporary files ----------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def tmpfile(extension: str = "", dir: str | None = None) -> Iterator[str]:
    """The name of a file that does not exist, and is gone in the end.

    Examples
    --------
    >>> from raskr.utils import tmpfile
    >>> with tmpfile(".csv") as name:
    ...     name.endswith(".csv")
    True
    """
    with tmpdir(dir) as folder:
        yield os.path.join(folder, f"file.{extension.lstrip('.')}" if extension else "file")


@contextlib.contextmanager
def tmpdir(dir: str | None = None) -> Iterator[str]:
    """A folder that is gone in the end.

    Examples
    --------
    >>> import os
    >>> from raskr.utils import tmpdir
    >>> with tmpdir() as name:
    ...     os.path.isdir(name)
    True
    """
    name = tempfile.mkdtemp(dir=dir)
    try:
        yield name
    finally:
        shutil.rmtree(name, ignore_errors=True)


# --- what things are ----------------------------------------------------------------------------------------------------
def is_namedtuple_instance(obj: Any) -> bool:
    """Is an object a named tuple?

    Examples
    --------
    >>> from collections import namedtuple
    >>> from raskr.utils import is_namedtuple_instance
    >>> is_namedtuple_instance(namedtuple("Point", "x y")(1, 2)), is_namedtuple_instance((1, 2))
    (True, False)
    """
    return isinstance(obj, tuple) and type(obj) is not tuple and isinstance(getattr(obj, "_fields", None), tuple)


def is_integer(i: Any) -> bool:
    """Is an object a whole number, by its type or by its value?

    Examples
    --------
    >>> from raskr.utils import is_integer
    >>> is_integer(2), is_integer(2.0), is_integer(2.5)
    (True, True, False)
    """
    return isinstance(i, Integral) or isinstance(i, float) and i.is_integer()


def ensure_unicode(s: Any) -> str:
    """Text of text or of bytes.

    Examples
    --------
    >>> from raskr.utils import ensure_unicode
    >>> ensure_unicode(b"abc")
    'abc'
    """
    if isinstance(s, str):
        return s
    return s.decode() if hasattr(s, "decode") else bytes(s).decode()


def ensure_bytes(s: Any) -> bytes:
    """Bytes of text, or of anything with a buffer.

    Examples
    --------
    >>> from raskr.utils import ensure_bytes
    >>> ensure_bytes("abc")
    b'abc'
    """
    return s.encode() if isinstance(s, str) else bytes(s)


def format_time_ago(n: datetime) -> str:
    """How long ago a moment is, as text.

    Examples
    --------
    >>> from datetime import datetime, timedelta
    >>> from raskr.utils import format_time_ago
    >>> format_time_ago(datetime.now() - timedelta(hours=30))
    '1 day ago'
    """
    passed = datetime.now() - n
    for name, length in (
        ("year", timedelta(days=365)),
        ("month", timedelta(days=30)),
        ("day", timedelta(days=1)),
        ("hour", timedelta(hours=1)),
        ("minute", timedelta(minutes=1)),
    ):
        count = passed // length
        if count:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "Just now"


@contextlib.contextmanager
def shorten_traceback() -> Iterator[None]:
    """Leave out of tracebacks the frames in files that the setting `admin.traceback.shorten` names.

    The first frame and the last stay.
    """
    patterns = [re.compile(pattern) for pattern in config.get("admin.traceback.shorten", None) or ()]
    try:
        yield
    except BaseException as error:
        error.__traceback__ = _short(error.__traceback__, patterns)
        raise


def _short(traceback: types.TracebackType | None, patterns: list) -> types.TracebackType | None:
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    last = len(frames) - 1
    kept = [
        each
        for place, each in enumerate(frames)
        if place in (0, last) or not any(pattern.match(each.tb_frame.f_code.co_filename) for pattern in patterns)
    ]
    linked = None
    for each in reversed(kept):
        linked = types.TracebackType(linked, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return linked
