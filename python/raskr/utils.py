"""Small helpers that users of Dask know: sizes and times as text, names of functions, dispatch by type."""

import functools
import inspect
import re
import sys
import threading
import types
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from raskr._bridge import core
from raskr._dispatch import Dispatch
from raskr._helpers import (
    IndexCallable,
    derived_from,
    ensure_bytes,
    ensure_unicode,
    format_time_ago,
    is_integer,
    is_namedtuple_instance,
    shorten_traceback,
    tmpdir,
    tmpfile,
)
from raskr._helpers import _deprecated as _deprecated
from raskr._helpers import _deprecated_kwarg as _deprecated_kwarg

__all__ = [
    "Dispatch",
    "IndexCallable",
    "M",
    "SerializableLock",
    "apply",
    "concrete",
    "derived_from",
    "ensure_bytes",
    "ensure_dict",
    "ensure_unicode",
    "format_bytes",
    "format_time",
    "format_time_ago",
    "funcname",
    "has_keyword",
    "import_required",
    "is_arraylike",
    "is_integer",
    "is_namedtuple_instance",
    "itemgetter",
    "key_split",
    "methodcaller",
    "natural_sort_key",
    "parse_bytes",
    "parse_timedelta",
    "random_state_data",
    "shorten_traceback",
    "tmpdir",
    "tmpfile",
    "typename",
]


def apply(func: Callable, args: Iterable, kwargs: Mapping | None = None) -> Any:
    """Call a function with arguments given as a sequence and a mapping.

    Parameters
    ----------
    func : callable
        The function.
    args : iterable
        Its positional arguments.
    kwargs : mapping, optional
        Its keyword arguments.

    Examples
    --------
    >>> from raskr.utils import apply
    >>> apply(max, [3, 1], {"key": lambda x: -x})
    1
    """
    return func(*args, **kwargs) if kwargs else func(*args)


def parse_bytes(s: float | str) -> int:
    """The number of bytes that text such as ``"5 MiB"`` stands for.

    Parameters
    ----------
    s : str or number
        Text of a number and a unit (kB, MB, ... by thousands; kiB, MiB, ... by 1024), or a number of bytes.

    Examples
    --------
    >>> from raskr.utils import parse_bytes
    >>> parse_bytes("1.5 GiB"), parse_bytes("100 kB"), parse_bytes(12)
    (1610612736, 100000, 12)
    """
    return core.parse_bytes(s)


def format_bytes(n: int) -> str:
    """A number of bytes as text for people.

    Parameters
    ----------
    n : int
        The number of bytes.

    Examples
    --------
    >>> from raskr.utils import format_bytes
    >>> format_bytes(1), format_bytes(123_456_789)
    ('1 B', '117.74 MiB')
    """
    return core.format_bytes(n)


def parse_timedelta(s: Any, default: str | bool = "seconds") -> float | None:
    """The seconds that text such as ``"300 ms"`` stands for.

    Parameters
    ----------
    s : str, number, timedelta or None
        Text of a number and a unit; None stays None.
    default : str or False
        The unit of a number without one; False makes such a number an error.

    Examples
    --------
    >>> from raskr.utils import parse_timedelta
    >>> parse_timedelta("300ms"), parse_timedelta("2 hours"), parse_timedelta(5, default="minutes")
    (0.3, 7200, 300)
    """
    if s is None:
        return None
    if isinstance(s, timedelta):
        seconds = s.total_seconds()
    else:
        seconds = core.parse_duration(str(s), default or None)
    return int(seconds) if seconds == int(seconds) else seconds


def format_time(n: float) -> str:
    """Seconds as text for people.

    Parameters
    ----------
    n : float
        The seconds.

    Examples
    --------
    >>> from raskr.utils import format_time
    >>> format_time(1), format_time(0.001234), format_time(123 * 3600)
    ('1.00 s', '1.23 ms', '5d 3hr')
    """
    return core.format_duration(n)


def funcname(func: Any) -> str:
    """A short name of a function, as keys of tasks begin with.

    Examples
    --------
    >>> from functools import partial
    >>> from raskr.utils import funcname
    >>> funcname(partial(max, 1)), funcname(lambda x: x)
    ('max', 'lambda')
    """
    while isinstance(func, functools.partial) or type(func).__name__ == "curry":
        func = func.func
    if isinstance(func, methodcaller):
        return func.method[:50]
    if type(func).__name__ == "vectorize" and hasattr(func, "pyfunc"):
        return f"vectorize_{funcname(func.pyfunc)}"[:50]
    name = getattr(func, "__name__", None)
    if not isinstance(name, str):
        return str(func)[:50]
    return "lambda" if name == "<lambda>" else name[:50]


def typename(typ: Any, short: bool = False) -> str:
    """The name of a type with its module.

    Parameters
    ----------
    typ : type or object
        The type; of another object, its type.
    short : bool
        Leave out all of the module but its first part.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> from raskr.utils import typename
    >>> typename(int), typename(OrderedDict)
    ('int', 'collections.OrderedDict')
    """
    if not isinstance(typ, type):
        return typename(type(typ), short)
    module = typ.__module__
    if not module or module == "builtins":
        return typ.__name__
    return f"{module.split('.')[0] if short else module}.{typ.__name__}"


_HEX = re.compile(r"[a-f]+")


@functools.lru_cache(100_000)
def _split_text(text: str) -> str:
    if text.startswith("<"):
        text = text.strip("<>").split()[0].split(".")[-1]
    words = text.split("-")
    kept = words[:1] if words[0] and words[0][0].isalpha() else [words[0].split(",")[0].strip("_'()\"")]
    for word in words[1:]:
        if not word.isalpha() or (len(word) == 8 and _HEX.fullmatch(word)):
            break
        kept.append(word)
    name = "-".join(kept)
    if re.fullmatch(r"[a-f0-9]{32}", name):
        return "data"
    return name


def key_split(s: Any) -> str:
    """The part of a task's key that names its operation.

    Examples
    --------
    >>> from raskr.utils import key_split
    >>> key_split("inc-1234"), key_split(("sum-aggregate-0f3a", 0, 1))
    ('inc', 'sum-aggregate')
    """
    if isinstance(s, bytes):
        s = s.decode()
    while type(s) is tuple and s:
        s = s[0]
    try:
        return _split_text(str(s))
    except Exception:
        return "Other"


class methodcaller:
    """A function that calls a method of its first argument; unlike `operator.methodcaller` it can take further ones.

    Parameters
    ----------
    method : str
        The method's name.

    Examples
    --------
    >>> from raskr.utils import methodcaller
    >>> methodcaller("split")("a b", " ")
    ['a', 'b']
    """

    __slots__ = ("__weakref__", "method")
    _made: WeakValueDictionary = WeakValueDictionary()

    def __new__(cls, method: str) -> "methodcaller":
        self = cls._made.get(method)
        if self is None:
            self = object.__new__(cls)
            self.method = method
            cls._made[method] = self
        return self

    @property
    def func(self) -> str:
        """The method's name, as partial functions have their function."""
        return self.method

    def __call__(self, obj: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(obj, self.method)(*args, **kwargs)

    def __reduce__(self) -> tuple:
        return methodcaller, (self.method,)

    def __str__(self) -> str:
        return f"<methodcaller: {self.method}>"

    __repr__ = __str__


class itemgetter:
    """A function that gets one item of its argument; equal for equal items.

    Examples
    --------
    >>> from raskr.utils import itemgetter
    >>> itemgetter(1)("abc")
    'b'
    """

    __slots__ = ("index",)

    def __init__(self, index: Any) -> None:
        self.index = index

    def __call__(self, x: Any) -> Any:
        return x[self.index]

    def __reduce__(self) -> tuple:
        return itemgetter, (self.index,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, itemgetter) and self.index == other.index

    __hash__ = None  # type: ignore[assignment]


class MethodCache:
    """Gives `methodcaller`s by attribute: `M.split` is `methodcaller("split")`."""

    def __getattr__(self, item: str) -> methodcaller:
        return methodcaller(item)

    def __dir__(self) -> list[str]:
        return list(methodcaller._made)


M = MethodCache()


class _Lock:
    """Holds a lock so that it can be referred to weakly."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()


class SerializableLock:
    """A lock that can be pickled: copies within one process are the same lock.

    Parameters
    ----------
    token : hashable, optional
        Locks with equal tokens are the same lock.

    Examples
    --------
    >>> import pickle
    >>> from raskr.utils import SerializableLock
    >>> lock = SerializableLock("here")
    >>> with lock:
    ...     pickle.loads(pickle.dumps(lock)).locked()
    True
    """

    _locks: WeakValueDictionary = WeakValueDictionary()

    def __init__(self, token: Any = None) -> None:
        self._share(token or str(uuid.uuid4()))

    def _share(self, token: Any) -> None:
        self.token = token
        self.lock = SerializableLock._locks.setdefault(token, _Lock())

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        """Take the lock, as `threading.Lock.acquire`."""
        return self.lock.lock.acquire(*args, **kwargs)

    def release(self) -> None:
        """Give the lock back."""
        self.lock.lock.release()

    def locked(self) -> bool:
        """Has somebody taken the lock?"""
        return self.lock.lock.locked()

    def __enter__(self) -> None:
        self.lock.lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self.lock.lock.release()

    def __getstate__(self) -> Any:
        return self.token

    def __setstate__(self, token: Any) -> None:
        self._share(token)

    def __str__(self) -> str:
        return f"<{type(self).__name__}: {self.token}>"

    __repr__ = __str__


def ensure_dict(d: Mapping, *, copy: bool = False) -> dict:
    """A mapping as a plain dict.

    Parameters
    ----------
    d : mapping
        The mapping.
    copy : bool
        Give a new dict even where it is one already.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> from raskr.utils import ensure_dict
    >>> ensure_dict(OrderedDict(a=1))
    {'a': 1}
    """
    return d if type(d) is dict and not copy else dict(d)


def concrete(seq: Any) -> Any:
    """Nested iterators as nested lists.

    Examples
    --------
    >>> from raskr.utils import concrete
    >>> concrete([iter([1, 2]), (3,)])
    [[1, 2], (3,)]
    """
    if isinstance(seq, Iterator):
        seq = list(seq)
    return type(seq)(map(concrete, seq)) if isinstance(seq, (tuple, list)) else seq


def has_keyword(func: Callable, keyword: str) -> bool:
    """Does a function take a keyword of this name?

    Examples
    --------
    >>> from raskr.utils import has_keyword
    >>> has_keyword(sorted, "key"), has_keyword(sorted, "lock")
    (True, False)
    """
    try:
        return keyword in inspect.signature(func).parameters
    except (TypeError, ValueError):
        return False


def takes_multiple_arguments(func: Callable, varargs: bool = True) -> bool:
    """Can a function be called with more than one positional argument?

    Examples
    --------
    >>> from raskr.utils import takes_multiple_arguments
    >>> takes_multiple_arguments(lambda x: x), takes_multiple_arguments(lambda x, y: x)
    (False, True)
    """
    try:
        parameters = inspect.signature(func).parameters.values()
    except (ValueError, TypeError):
        return False
    if varargs and any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
    return len(plain) > 1


def import_required(mod_name: str, error_msg: str) -> types.ModuleType:
    """Import a module, or say what is missing.

    Examples
    --------
    >>> from raskr.utils import import_required
    >>> import_required("json", "install json").__name__
    'json'
    """
    try:
        __import__(mod_name)
    except ImportError as error:
        raise RuntimeError(error_msg) from error
    return sys.modules[mod_name]


def random_state_data(n: int, random_state: Any = None) -> list:
    """Seeds for `n` random states, from one.

    Parameters
    ----------
    n : int
        How many seeds.
    random_state : int or RandomState, optional
        Where they come from.

    Examples
    --------
    >>> from raskr.utils import random_state_data
    >>> [seed.shape for seed in random_state_data(2, 1)]
    [(624,), (624,)]
    """
    import numpy as np

    if not all(hasattr(random_state, name) for name in ("normal", "beta", "bytes", "uniform")):
        random_state = np.random.RandomState(random_state)
    words = np.frombuffer(random_state.bytes(624 * n * 4), dtype=np.uint32).reshape((n, -1))
    return list(words)


def is_arraylike(x: Any) -> bool:
    """Has an object shape and dtype, and NumPy's protocols?

    Examples
    --------
    >>> import numpy as np
    >>> from raskr.utils import is_arraylike
    >>> is_arraylike(np.ones(5)), is_arraylike([1])
    (True, False)
    """
    kind = type(x)
    return bool(
        not isinstance(x, type)
        and isinstance(getattr(x, "shape", None), tuple)
        and hasattr(x, "dtype")
        and not any(is_dask_type(n) for n in x.shape)
        and any(hasattr(kind, name) for name in ("__array_function__", "__array_ufunc__", "__array__"))
    )


def is_dask_type(x: Any) -> bool:
    """Is an object of a type that speaks the collection protocol?"""
    return hasattr(type(x), "__dask_graph__")


def _looks_like(x: Any, names: tuple[str, ...], own: str) -> bool:
    kind = x if isinstance(x, type) else type(x)
    return all(hasattr(kind, name) for name in names) and own in kind.__name__.lower()


def is_dataframe_like(df: Any) -> bool:
    """Is an object, or its type, like a pandas frame?"""
    return _looks_like(df, ("groupby", "head", "merge", "mean"), "frame")


def is_series_like(s: Any) -> bool:
    """Is an object, or its type, like a pandas series?"""
    return _looks_like(s, ("groupby", "dtype", "name"), "series")


def is_index_like(s: Any) -> bool:
    """Is an object, or its type, like a pandas index?"""
    return _looks_like(s, ("name", "dtype"), "index")


def natural_sort_key(s: str) -> list:
    """A key that sorts numbers within text by value.

    Examples
    --------
    >>> from raskr.utils import natural_sort_key
    >>> sorted(["f10", "f9"], key=natural_sort_key)
    ['f9', 'f10']
    """
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", s)]


def ndeepmap(n: int, func: Callable, seq: Any) -> Any:
    """Call a function on items nested `n` lists deep.

    Examples
    --------
    >>> from raskr.utils import ndeepmap
    >>> ndeepmap(2, len, [["a", "bc"]])
    [[1, 2]]
    """
    if n == 1:
        return [func(item) for item in seq]
    if n > 1:
        return [ndeepmap(n - 1, func, item) for item in seq]
    return func(seq[0]) if isinstance(seq, list) else func(seq)


def stringify(obj: Any, exclusive: Iterable | None = None) -> Any:
    """Tuples as text, in nested structures.

    Examples
    --------
    >>> from raskr.utils import stringify
    >>> stringify([("x", 0), "y"])
    ["('x', 0)", 'y']
    """
    if isinstance(obj, (str, bytes)):
        return obj
    if type(obj) is tuple and obj and not callable(obj[0]):
        return str(obj) if exclusive is None or obj in exclusive else tuple(stringify(o, exclusive) for o in obj)
    if isinstance(obj, list):
        return [stringify(o, exclusive) for o in obj]
    if isinstance(obj, dict):
        return {key: stringify(value, exclusive) for key, value in obj.items()}
    return obj
