"""Compressions by name, as functions of bytes."""

import bz2
import gzip
import importlib.util
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


def _lz4(data: bytes) -> bytes:
    from lz4.frame import compress

    return compress(data)


def _zstd(data: bytes) -> bytes:
    from zstandard import ZstdCompressor

    return ZstdCompressor().compress(data)


#: Functions that compress bytes; those of packages that are not installed are left out.
compress: dict[str | None, Callable[[bytes], bytes]] = {
    None: _unchanged,
    "bz2": bz2.compress,
    "gzip": gzip.compress,
    "lzma": lzma.compress,
    "xz": lzma.compress,
    "zip": _zipped,
}
# They are imported by those who use them.
compress.update(
    (name, function)
    for name, package, function in (("lz4", "lz4", _lz4), ("zstd", "zstandard", _zstd))
    if importlib.util.find_spec(package)
)
