"""How fast a worker copies memory and writes files, and how fast it is reached."""

import os
import tempfile
import time
from typing import Any

from raskr.utils import parse_bytes

__all__ = ["SIZES", "on_worker", "size_of"]

# What is measured, with sizes and, where it is repeated, the seconds that it may take.
SIZES: dict[str, tuple[tuple[str, float], ...]] = {
    "memory": tuple((size, 0.2) for size in ("2 kiB", "10 kiB", "100 kiB", "1 MiB", "10 MiB", "100 MiB")),
    "disk": tuple((size, 0.4) for size in ("1 kiB", "100 kiB", "1 MiB", "10 MiB", "100 MiB")),
    "network": tuple((size, 0.0) for size in ("1 kiB", "10 kiB", "100 kiB", "1 MiB", "10 MiB")),
}


def size_of(text: str) -> int:
    """Bytes of a size as it is written."""
    return parse_bytes(text)


def on_worker(worker: Any, kind: str, size: str, duration: float) -> float:
    """Bytes a second of a worker."""
    if kind == "memory":
        return _memory(parse_bytes(size), duration)
    return _disk(worker.local_directory or None, parse_bytes(size), duration)


def _memory(size: int, duration: float) -> float:
    source = bytearray(os.urandom(min(size, 1 << 20)) * max(size >> 20, 1))[:size]
    target = bytearray(size)
    # Pages are touched once before it counts.
    target[:] = source
    count, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < duration or not count:
        target[:] = source
        count += 1
    return count * size / max(elapsed, 1e-9)


def _disk(folder: str | None, size: int, duration: float) -> float:
    data = os.urandom(size)
    count, begin = 0, time.perf_counter()
    with tempfile.TemporaryFile(dir=folder) as file:
        while (elapsed := time.perf_counter() - begin) < duration or not count:
            file.seek(0)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            count += 1
    return count * size / max(elapsed, 1e-9)
