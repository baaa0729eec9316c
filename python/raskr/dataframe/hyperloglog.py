"""About how many different values there are: the longest runs of zeros among hashes (HyperLogLog)."""

from typing import Any

import numpy as np
import pandas as pd

#: Registers of a sketch, as a power of two: an error of about one percent.
BITS = 14


def registers(part: Any) -> Any:
    """For each group of hashes the greatest position of the first one bit."""
    hashes = pd.util.hash_pandas_object(part, index=False)
    hashes = hashes.to_numpy() if hasattr(hashes, "to_numpy") else np.asarray(hashes)
    group = (hashes >> np.uint64(64 - BITS)).astype(np.int64)
    rest = (hashes << np.uint64(BITS)) | np.uint64(1 << (BITS - 1))
    # The exponent of a float tells the highest bit; rounding can reach the next power, which the mask undoes.
    high = np.frexp((rest & ~(rest >> np.uint64(1))).astype(np.float64))[1]
    rank = (65 - high).astype(np.uint8)
    found = np.zeros(1 << BITS, dtype=np.uint8)
    np.maximum.at(found, group, rank)
    return found


def registers_together(found: list) -> Any:
    """The registers of several parts together."""
    return np.maximum.reduce(found)


def estimated(found: list) -> float:
    """The estimate of the number of different values."""
    whole = registers_together(found)
    count = len(whole)
    estimate = 0.7213 / (1 + 1.079 / count) * count * count / np.ldexp(1.0, -whole.astype(int)).sum()
    empty = int((whole == 0).sum())
    if estimate <= 2.5 * count and empty:
        estimate = count * np.log(count / empty)
    return float(estimate)
