"""How large workers are: processes and threads, memory, resources."""

import math
from collections.abc import Mapping
from typing import Any

from raskr._bridge import core
from raskr.system import CPU_COUNT
from raskr.utils import parse_bytes

__all__ = ["machine_memory", "memory_limit", "nprocesses_nthreads", "resources"]


def nprocesses_nthreads(n: int | None = None) -> tuple[int, int]:
    """Processes, and threads in each, for this many processors: few threads share an interpreter.

    Parameters
    ----------
    n : int, optional
        Processors; those that this process may use by default.

    Examples
    --------
    >>> from raskr.distributed.deploy.local import nprocesses_nthreads
    >>> nprocesses_nthreads(4), nprocesses_nthreads(16)
    ((4, 1), (4, 4))
    """
    n = CPU_COUNT if n is None else n
    least = n if n <= 4 else math.ceil(math.sqrt(n))
    processes = next(count for count in range(max(least, 1), max(n, 1) + 1) if n % count == 0)
    return processes, max(n // processes, 1)


def machine_memory() -> int | None:
    """Bytes of memory that the machine, or the control group of this process, has; None where the system doesn't say."""
    limit = core.default_memory_limit()
    return None if limit is None else limit // 4 * 5


def memory_limit(given: Any, share: float) -> int | None:
    """A worker's limit of memory in bytes; None where there is none.

    Parameters
    ----------
    given : int, float, str or None
        Bytes; a share of the machine's memory up to 1; text such as "4 GiB" or "50%"; "auto"; 0 or None for no limit.
    share : float
        The share that "auto" is.
    """
    if given is None or isinstance(given, str) and given.strip().lower() in ("none", "0"):
        return None
    whole = machine_memory()
    if isinstance(given, str):
        text = given.strip()
        if text == "auto":
            return None if whole is None else int(whole * min(1.0, share))
        if text.endswith("%"):
            given = float(text[:-1]) / 100
        else:
            try:
                given = float(text)
            except ValueError:
                given = parse_bytes(text)
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"memory_limit={given!r}: expected bytes, a share up to 1.0, text such as '4 GiB', or 'auto'")
    if given < 0 or not math.isfinite(given):
        raise ValueError(f"memory_limit={given!r}: expected 0 or more")
    if given == 0:
        return None
    if given <= 1 and isinstance(given, float):
        if whole is None:
            raise ValueError(f"memory_limit={given!r} is a share, and the system doesn't say of how much memory")
        return int(whole * given)
    return int(given)


def resources(given: Any) -> dict[str, float]:
    """What a worker has for tasks that ask for it.

    Parameters
    ----------
    given : mapping, or str such as "GPU=2 MEM=10e9", or None

    Examples
    --------
    >>> from raskr.distributed.deploy._sizes import resources
    >>> resources("GPU=2 MEM=10e9")
    {'GPU': 2.0, 'MEM': 10000000000.0}
    """
    if given is None:
        return {}
    if isinstance(given, str):
        pairs = [word.partition("=") for word in given.replace(",", " ").split()]
    elif isinstance(given, Mapping):
        pairs = [(name, "=", amount) for name, amount in given.items()]
    else:
        raise TypeError(f"resources={given!r}: expected a mapping, or text such as 'GPU=2 MEM=10e9'")
    found = {}
    for name, _, amount in pairs:
        try:
            number = float(amount)
        except (TypeError, ValueError):
            number = math.nan
        if not name or not number >= 0 or math.isinf(number):
            raise ValueError(f"resources: {name}={amount}: expected NAME=AMOUNT with an amount of 0 or more")
        found[str(name)] = number
    return found
