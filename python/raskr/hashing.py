"""Hashes of buffers of bytes."""

import hashlib
from collections.abc import Callable
from typing import Any

__all__ = ["hash_buffer", "hash_buffer_hex", "hashers"]


def _blake(buffer: Any) -> bytes:
    return hashlib.blake2b(buffer, digest_size=16).digest()


def _sha1(buffer: Any) -> bytes:
    return hashlib.sha1(buffer, usedforsecurity=False).digest()


hashers: list[Callable[[Any], bytes]] = [_blake, _sha1]


def hash_buffer(buf: Any, hasher: Callable[[Any], bytes] | None = None) -> bytes:
    """The hash of a buffer as bytes.

    Parameters
    ----------
    buf : bytes-like
        The buffer.
    hasher : callable, optional
        The function to hash with; the first of `hashers` that takes the buffer by default.

    Examples
    --------
    >>> from raskr.hashing import hash_buffer
    >>> len(hash_buffer(b"abc"))
    16
    """
    last: Exception | None = None
    for each in hashers if hasher is None else (hasher, *hashers):
        try:
            return each(buf)
        except (TypeError, OverflowError) as error:
            last = error
    raise TypeError(f"no hash function takes a {type(buf).__name__}") from last


def hash_buffer_hex(buf: Any, hasher: Callable[[Any], bytes] | None = None) -> str:
    """The hash of a buffer in hexadecimal digits.

    Parameters
    ----------
    buf : bytes-like
        The buffer.
    hasher : callable, optional
        The function to hash with.

    Examples
    --------
    >>> from raskr.hashing import hash_buffer_hex
    >>> len(hash_buffer_hex(b"abc"))
    32
    """
    return hash_buffer(buf, hasher).hex()
