"""Compressions by name, as functions of bytes."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

from raskr.bytes.core import infer_compression

__all__ = ["compress", "infer_compression"]


def _zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", data)
    return file.getvalue()


def _unchanged(data: bytes) -> bytes:
    return data


def _compressions() -> dict[str | None, Callable[[bytes], bytes]]:
    found: dict[str | None, Callable[[bytes], bytes]] = {
        None: _unchanged,
        "bz2": bz2.compress,
        "gzip": gzip.compress,
        "lzma": lzma.compress,
        "xz": lzma.compress,
        "zip": _zipped,
    }
    try:
        from lz4.frame import compress as lz4_compress

        found["lz4"] = lz4_compress
    except ImportError:
        pass
    try:
        from zstandard import ZstdCompressor

        found["zstd"] = lambda data: ZstdCompressor().compress(data)
    except ImportError:
        pass
    return found


#: Functions that compress bytes; those of packages that are not installed are left out.
compress = _compressions()
