"""Keys and the names in them."""

from collections.abc import Mapping
from typing import Any

from raskr._unpack import is_dask_collection
from raskr.core import flatten
from raskr.tokenize import tokenize
from raskr.utils import key_split


def get_name_from_key(key: Any) -> str:
    """The name of the collection that a key belongs to.

    Examples
    --------
    >>> from raskr.base import get_name_from_key
    >>> get_name_from_key(("sum-1234", 0, 1))
    'sum-1234'
    """
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return key[0]
    if isinstance(key, str):
        return key
    raise TypeError(f"Expected str or a tuple starting with str; got {key!r}")


def get_collection_names(collection: Any) -> set[str]:
    """The names of a collection's keys.

    Examples
    --------
    >>> import raskr
    >>> raskr.base.get_collection_names(raskr.delayed(1, name="one"))
    {'one'}
    """
    if not is_dask_collection(collection):
        raise TypeError(f"Expected a collection; got {type(collection)}")
    return {get_name_from_key(key) for key in flatten(collection.__dask_keys__())}


def replace_name_in_key(key: Any, rename: Mapping[str, str]) -> Any:
    """A key under another name of its collection.

    Examples
    --------
    >>> from raskr.base import replace_name_in_key
    >>> replace_name_in_key(("x", 0), {"x": "y"})
    ('y', 0)
    """
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return (rename.get(key[0], key[0]), *key[1:])
    if isinstance(key, str):
        return rename.get(key, key)
    raise TypeError(f"Expected str or a tuple starting with str; got {key!r}")


def clone_key(key: Any, seed: Any) -> Any:
    """A new key of the same kind, the same for the same seed.

    Examples
    --------
    >>> from raskr.base import clone_key
    >>> clone_key("sum-1", 0) == clone_key("sum-1", 0), clone_key("sum-1", 0) == "sum-1"
    (True, False)
    """
    if isinstance(key, tuple) and key and isinstance(key[0], str):
        return (clone_key(key[0], seed), *key[1:])
    if isinstance(key, str):
        return f"{key_split(key)}-{tokenize(key, seed)}"
    raise TypeError(f"Expected str or a tuple starting with str; got {key!r}")
