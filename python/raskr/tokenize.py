"""Tokens: names made of the content of objects, equal for equal content in every process.

An object is first *normalized* to nested tuples of plain values, by functions registered for its type; the text of
these is hashed.
"""

import contextvars
import copyreg
import datetime
import decimal
import functools
import hashlib
import pathlib
import pickle
import sys
import threading
import types
import uuid
import weakref
from collections import OrderedDict
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import cloudpickle

from raskr import config
from raskr._bridge import core
from raskr.utils import Dispatch

__all__ = ["TokenizationError", "normalize_token", "tokenize"]


class TokenizationError(RuntimeError):
    """An object has no token that is made of its content."""


# Whether random tokens are refused, as the outermost call under way decided.
_ENSURE_DETERMINISTIC: contextvars.ContextVar[bool] = contextvars.ContextVar("_ENSURE_DETERMINISTIC")


class _Path(threading.local):
    """The containers that are being normalized, from the outermost to the innermost, by id."""

    def __init__(self) -> None:
        self.places: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self.places)


_SEEN = _Path()


def tokenize(*args: Any, ensure_deterministic: bool | None = None, **kwargs: Any) -> str:
    """A name for the content of objects.

    Parameters
    ----------
    *args, **kwargs
        The objects.
    ensure_deterministic : bool, optional
        Raise TokenizationError for an object that has no content-based token, rather than give it a random one. By
        default the setting `tokenize.ensure-deterministic`.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> from raskr.base import tokenize
    >>> tokenize([1, 2]) == tokenize([1, 2]), tokenize([1, 2]) == tokenize([2, 1])
    (True, False)
    """
    if ensure_deterministic is None:
        ensure_deterministic = _ENSURE_DETERMINISTIC.get(None)
    if ensure_deterministic is None:
        ensure_deterministic = config.get("tokenize.ensure-deterministic")
    outer_places, _SEEN.places = _SEEN.places, {}
    outer = _ENSURE_DETERMINISTIC.set(bool(ensure_deterministic))
    try:
        normal = _normalize_items(args)
        if kwargs:
            normal = normal, _normalize_dict(kwargs)
        return hashlib.md5(repr(normal).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    finally:
        _ENSURE_DETERMINISTIC.reset(outer)
        _SEEN.places = outer_places


normalize_token = Dispatch("normalize_token")

_PLAIN = (
    int,
    float,
    str,
    bytes,
    bool,
    complex,
    type(None),
    type(Ellipsis),
    type(NotImplemented),
    slice,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.datetime,
    datetime.timedelta,
    datetime.timezone,
    pathlib.PurePath,
)


def _identity(value: Any) -> Any:
    return value


normalize_token.register(_PLAIN, _identity)


def _normalize_items(items: Any) -> tuple:
    lookup = normalize_token._lookup
    return tuple(
        item if (found := lookup.get(type(item))) is _identity else (found or normalize_token)(item) for item in items
    )


class _Inside:
    """Guards against containers that hold themselves: gives the place of the same one further out, if there is one."""

    __slots__ = ("identity", "place")

    def __init__(self, value: Any) -> None:
        self.identity = id(value)

    def __enter__(self) -> int | None:
        places = _SEEN.places
        self.place = places.get(self.identity)
        if self.place is None:
            places[self.identity] = len(places)
        return self.place

    def __exit__(self, *exception: object) -> None:
        if self.place is None:
            del _SEEN.places[self.identity]


@normalize_token.register((list, tuple))
def _normalize_sequence(value: Any) -> tuple:
    with _Inside(value) as again:
        if again is not None:
            return "__seen", again
        return type(value).__name__, _normalize_items(value)


def _sorted(items: Any) -> tuple:
    return tuple(sorted(items, key=repr))


def _normalize_dict(value: Any) -> tuple:
    return "dict", _sorted(_normalize_items(item) for item in value.items())


@normalize_token.register((dict, types.MappingProxyType))
def _normalize_mapping(value: Any) -> tuple:
    with _Inside(value) as again:
        return ("__seen", again) if again is not None else _normalize_dict(value)


@normalize_token.register(OrderedDict)
def _normalize_ordered(value: OrderedDict) -> tuple:
    with _Inside(value) as again:
        return ("__seen", again) if again is not None else ("OrderedDict", normalize_token(list(value.items())))


@normalize_token.register((set, frozenset))
def _normalize_set(value: Any) -> tuple:
    return type(value).__name__, _sorted(_normalize_items(value))


@normalize_token.register(range)
def _normalize_range(value: range) -> tuple:
    return "range", value.start, value.stop, value.step


@normalize_token.register(Enum)
def _normalize_enum(value: Enum) -> tuple:
    return "enum", normalize_token(type(value)), value.name, normalize_token(value.value)


@normalize_token.register(functools.partial)
def _normalize_partial(value: functools.partial) -> tuple:
    return "partial", normalize_token(value.func), _normalize_items(value.args), _normalize_dict(value.keywords)


def _importable(value: Any) -> tuple | None:
    """Module and name of what can be imported by them."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or module == "__main__" or not isinstance(name, str):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module, name) if found is value else None


@normalize_token.register((types.MethodType, types.BuiltinMethodType, types.MethodWrapperType))
def _normalize_method(value: Any) -> tuple:
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):
        return _normalize_named(value)
    return "method", normalize_token(owner), value.__name__


@normalize_token.register((types.MethodDescriptorType, types.WrapperDescriptorType))
def _normalize_descriptor(value: Any) -> tuple:
    return "method of", normalize_token(value.__objclass__), value.__name__


# Pickling a function takes long, and what it does hardly changes while it lives.
_FUNCTIONS: weakref.WeakKeyDictionary[Any, tuple] = weakref.WeakKeyDictionary()


@normalize_token.register(types.FunctionType)
def _normalize_function(value: Any) -> tuple:
    """Functions that can be imported go by their names, others by their content."""
    name = _importable(value)
    if name is not None:
        return "name", *name
    normal = _FUNCTIONS.get(value)
    if normal is None:
        normal = _pickled(value)
        if normal[0] == "pickle":
            _FUNCTIONS[value] = normal
    return normal


@normalize_token.register(type)
def _normalize_named(value: Any) -> tuple:
    """Classes that can be imported go by their names, others by their content."""
    name = _importable(value)
    return ("name", *name) if name is not None else _pickled(value)


@normalize_token.register(object)
def normalize_object(value: Any) -> Any:
    """Objects say what they are made of by `__dask_tokenize__`; others are pickled."""
    if isinstance(value, type):
        return _normalize_named(value)
    method = getattr(value, "__dask_tokenize__", None)
    if method is not None:
        with _Inside(value) as again:
            return ("__seen", again) if again is not None else normalize_token(method())
    if type(value) is object:
        return _normalize_sentinel(value)
    if is_dataclass(value):
        return _normalize_dataclass(value)
    return _pickled(value)


def _normalize_dataclass(value: Any) -> tuple:
    with _Inside(value) as again:
        if again is not None:
            return "__seen", again
        known = [(f.name, getattr(value, f.name)) for f in fields(value) if hasattr(value, f.name)]
        return "dataclass", normalize_token(type(value)), _normalize_items(known)


# Bare objects have no content; each keeps the random token that it got first.
_SENTINELS: dict[int, tuple[object, str]] = {}


def _normalize_sentinel(value: object) -> tuple:
    _refuse(value)
    _, token = _SENTINELS.setdefault(id(value), (value, uuid.uuid4().hex))
    return "object", token


def _is_strict() -> bool:
    strict = _ENSURE_DETERMINISTIC.get(None)
    return config.get("tokenize.ensure-deterministic") if strict is None else strict


def _refuse(value: Any) -> None:
    if _is_strict():
        raise TokenizationError(
            f"Object {value!r} cannot be deterministically hashed: its content can't be told by pickling it. "
            "Give its class a method __dask_tokenize__, or register a function for it with normalize_token.register."
        )


def _dump(value: Any) -> bytes:
    buffers: list[pickle.PickleBuffer] = []
    try:
        data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        if b"__main__" in data:
            raise pickle.PicklingError("objects of __main__ are pickled by value")
    except Exception:
        buffers.clear()
        data = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return data if not buffers else b"".join([data, *(_digest(buffer).encode() for buffer in buffers)])


def _digest(buffer: Any) -> str:
    if isinstance(buffer, pickle.PickleBuffer):
        buffer = buffer.raw()
    return core.digest(buffer)


def _pickled(value: Any) -> tuple:
    """The bytes of an object's pickle, once they no longer change by unpickling and pickling again.

    Pickles depend on which equal parts are the same object; what comes out of a pickle has settled on that.
    """
    try:
        # Pickling an instance leaves its slots noted on the class; here it must not matter whether any was pickled yet.
        copyreg._slotnames(value if isinstance(value, type) else type(value))  # type: ignore[attr-defined]
        copy = pickle.loads(cloudpickle.dumps(value, protocol=5))
        return "pickle", _digest(_dump(copy))
    except Exception:
        _refuse(value)
        return "random", uuid.uuid4().hex


@normalize_token.register_lazy("numpy")
def _register_numpy() -> None:
    import numpy as np

    @normalize_token.register(np.ndarray)
    def normalize_array(value: Any) -> tuple:
        # A mapped file is an array like any other: by its content.
        kind = "ndarray" if type(value) is np.memmap else type(value).__name__
        if value.dtype.hasobject:
            content: Any = normalize_token(value.tolist())
        else:
            plain = np.asarray(value)
            flat = plain if plain.flags.c_contiguous else np.ascontiguousarray(plain)
            content = _digest(flat.reshape(-1).view(np.uint8)) if flat.size else ""
        return kind, content, normalize_token(value.dtype), value.shape

    normalize_token.register(np.memmap, normalize_array)

    @normalize_token.register(np.ma.MaskedArray)
    def normalize_masked(value: Any) -> tuple:
        if value is np.ma.masked:
            return ("masked",)
        parts = (np.asarray(value.data), np.ma.getmaskarray(value), value.fill_value)
        return "masked", _normalize_items(parts)

    @normalize_token.register(np.dtype)
    def normalize_dtype(value: Any) -> tuple:
        return "dtype", str(value.descr) if value.names or value.kind == "V" else value.str

    @normalize_token.register(np.generic)
    def normalize_scalar(value: Any) -> tuple:
        if value.dtype.hasobject:
            return _pickled(value)
        return "scalar", normalize_token(value.dtype), value.tobytes()

    # Scalars that are Python numbers or text too are not the same as these.
    for kind in (np.float64, np.complex128, np.str_, np.bytes_):
        normalize_token.register(kind, normalize_scalar)

    @normalize_token.register(np.ufunc)
    def normalize_ufunc(value: Any) -> tuple:
        for name in ("numpy", "scipy.special"):
            if getattr(sys.modules.get(name), value.__name__, None) is value:
                return "ufunc", name, value.__name__
        if _is_strict():
            raise TokenizationError(
                f"Cannot tokenize the ufunc {value!r}: it is of no module. Use raskr.array.ufunc objects instead."
            )
        return "ufunc", uuid.uuid4().hex


@normalize_token.register_lazy("pandas")
def _register_pandas() -> None:
    import numpy as np
    import pandas as pd

    @normalize_token.register(pd.RangeIndex)
    def normalize_range_index(value: Any) -> tuple:
        return "RangeIndex", value.start, value.stop, value.step, normalize_token(value.name)

    @normalize_token.register(pd.MultiIndex)
    def normalize_multi_index(value: Any) -> tuple:
        codes = _normalize_items(value.codes)
        return "MultiIndex", _normalize_items(value.levels), codes, _normalize_items(value.names)

    @normalize_token.register(pd.Index)
    def normalize_index(value: Any) -> tuple:
        return type(value).__name__, normalize_token(value.name), normalize_token(value.array), str(value.dtype)

    @normalize_token.register(pd.Series)
    def normalize_series(value: Any) -> tuple:
        parts = (value.name, value.array, value.index)
        return "Series", str(value.dtype), _normalize_items(parts)

    @normalize_token.register(pd.DataFrame)
    def normalize_frame(value: Any) -> tuple:
        columns = tuple(normalize_token(value.iloc[:, place].array) for place in range(value.shape[1]))
        return "DataFrame", normalize_token(value.columns), normalize_token(value.index), columns

    @normalize_token.register(pd.Categorical)
    def normalize_categorical(value: Any) -> tuple:
        return "Categorical", normalize_token(value.codes), normalize_token(value.dtype)

    @normalize_token.register(pd.CategoricalDtype)
    def normalize_categorical_dtype(value: Any) -> tuple:
        return "CategoricalDtype", normalize_token(value.categories), value.ordered

    @normalize_token.register(pd.api.extensions.ExtensionDtype)
    def normalize_extension_dtype(value: Any) -> tuple:
        return type(value).__name__, str(value)

    @normalize_token.register(pd.api.extensions.ExtensionArray)
    def normalize_extension_array(value: Any) -> tuple:
        arrow = getattr(value, "_pa_array", None)
        if arrow is not None:
            # Equal columns may be cut into different pieces, and pickles would show it.
            content: Any = _digest(_dump(arrow.combine_chunks()))
        elif hasattr(value, "_ndarray"):
            content = normalize_token(value._ndarray)
        elif hasattr(value, "_mask"):
            # What stands where a value is missing means nothing.
            content = _normalize_items((np.where(value._mask, value._data.dtype.type(), value._data), value._mask))
        elif hasattr(value, "sp_values"):
            content = _normalize_items((value.sp_values, value.sp_index.to_int_index().indices, len(value)))
        else:
            content = _pickled(value)
        return type(value).__name__, str(value.dtype), content


@normalize_token.register_lazy("pyarrow")
def _register_pyarrow() -> None:
    import pyarrow as pa

    @normalize_token.register(pa.DataType)
    def normalize_arrow_type(value: Any) -> tuple:
        return "pyarrow", str(value)
