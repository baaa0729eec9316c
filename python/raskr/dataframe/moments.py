"""Mean, variance, skewness and kurtosis of parts, merged without loss of digits; dates by whole numbers."""

from typing import Any

import numpy as np
import pandas as pd

from raskr.dataframe.partials import as_frame, figures, times_of_arrow


def moments_of(part: Any, order: int, skipna: bool) -> Any:
    """For each column the number of values, their mean, and sums of powers of distances from it."""
    frame = as_frame(part)
    return frame.columns, [_column(frame.iloc[:, place], order, skipna) for place in range(len(frame.columns))]


def _column(column: Any, order: int, skipna: bool) -> tuple:
    own = times_of_arrow(column.dtype)
    if isinstance(own, np.dtype) and own.kind in "mM" or hasattr(own, "tz"):
        there = column.dropna()
        missing = not skipna and len(there) < len(column)
        ticks = there.to_numpy(dtype="M8[ns]" if own.kind == "M" else "m8[ns]").view("int64")
        total = sum(map(int, ticks)) if len(ticks) < 64 else _exact_sum(ticks)
        mean = total // len(ticks) if len(ticks) else 0
        spread = float(((ticks - mean).astype(float) ** 2).sum())
        return len(ticks), None if missing else mean, [np.nan if missing else spread, 0.0, 0.0][: max(order - 1, 0)]
    kind = complex if getattr(column.dtype, "kind", "f") == "c" else float
    values = column.to_numpy(dtype=kind, na_value=np.nan)
    if skipna:
        values = values[~np.isnan(values)]
    if not len(values):
        return 0, 0.0, [0.0] * (order - 1)
    mean = values.mean()
    with np.errstate(invalid="ignore", over="ignore"):
        away = values - mean if order > 1 else values
        return len(values), mean, [(away**power).sum() for power in range(2, order + 1)]


def _exact_sum(ticks: Any) -> int:
    """The sum of whole numbers that may not fit 64 bits: halves are added apart."""
    return (int((ticks >> 32).sum()) << 32) + int((ticks & 0xFFFFFFFF).sum())


def moments_merged(found: list) -> Any:
    """Moments of several parts as those of the whole."""
    columns = found[0][0]
    merged = list(found[0][1])
    for _, others in found[1:]:
        merged = [_merged(one, other) for one, other in zip(merged, others)]
    return columns, merged


def _merged(one: tuple, other: tuple) -> tuple:
    if not one[0] and one[1] is not None:
        return other
    if not other[0] and other[1] is not None:
        return one
    (m, left, a), (n, right, b) = one, other
    count = m + n
    if left is None or right is None:
        return count, None, [np.nan] * len(a)
    if isinstance(left, int):
        mean: Any = (left * m + right * n) // count
    else:
        mean = left + (right - left) * (n / count)
    with np.errstate(invalid="ignore", over="ignore"):
        gap = right - left
        sums = []
        if a:
            sums.append(a[0] + b[0] + gap * gap * (m * n / count))
        if len(a) > 1:
            third = a[1] + b[1] + gap**3 * (m * n * (m - n) / count**2)
            sums.append(third + 3 * gap * (m * b[0] - n * a[0]) / count)
        if len(a) > 2:
            fourth = a[2] + b[2] + gap**4 * (m * n * (m * m - m * n + n * n) / count**3)
            fourth += 6 * gap**2 * (m * m * b[0] + n * n * a[0]) / count**2
            sums.append(fourth + 4 * gap * (m * b[1] - n * a[1]) / count)
    return count, mean, sums


def moments_finished(found: list, name: str, like: Any, ddof: int = 1) -> Any:
    """The statistic of this name, for each column or for the one of a series."""
    columns, merged = moments_merged(found)
    kinds = list(as_frame(like).dtypes)
    values = [_statistic(name, *each, ddof=ddof) for each in merged]
    made = [_typed(name, value, kind) for value, kind in zip(values, kinds)]
    if not isinstance(like, pd.DataFrame):
        nullable = isinstance(times_of_arrow(kinds[0]), pd.api.extensions.ExtensionDtype) and not hasattr(
            kinds[0], "tz"
        )
        return pd.NA if nullable and pd.isna(made[0]) and made[0] is not pd.NaT else made[0]
    dtypes = {getattr(kind, "kind", "f") in "mM" for kind in kinds}
    if True in dtypes:
        return pd.Series(made, index=columns)
    single = bool(kinds) and all(kind == np.float32 for kind in kinds)
    return figures(made, columns, kinds, "float32" if single else None if made else "float64")


def _typed(name: str, value: Any, kind: Any) -> Any:
    kind = times_of_arrow(kind)
    if getattr(kind, "kind", "f") == "M" and name in ("mean", "std"):
        missing = value is None or value != value
        if name == "std":
            return pd.NaT if missing else pd.Timedelta(int(value), unit="ns").as_unit(_unit(kind))
        if missing:
            return pd.NaT
        stamp = pd.Timestamp(int(value), unit="ns", tz="UTC" if getattr(kind, "tz", None) else None)
        stamp = stamp.as_unit(_unit(kind))
        return stamp.tz_convert(kind.tz) if getattr(kind, "tz", None) else stamp
    if getattr(kind, "kind", "f") == "m":
        return pd.NaT if value is None or value != value else pd.Timedelta(int(value), unit="ns").as_unit(_unit(kind))
    if kind == np.float32:
        return np.float32(value)
    return value


def _unit(kind: Any) -> str:
    """The resolution of a type of dates or durations."""
    return getattr(kind, "unit", None) or np.datetime_data(kind)[0]


def _statistic(name: str, count: int, mean: Any, sums: list, ddof: int = 1) -> Any:
    """One number of moments, as pandas defines it: missing where there are too few values."""
    if mean is None:
        return np.nan
    if name == "mean":
        return mean if count else np.nan
    if name in ("var", "std", "sem"):
        if count <= ddof:
            return np.nan
        variance = (
            np.float64(sums[0] / (count - ddof)) if not isinstance(sums[0], complex) else sums[0] / (count - ddof)
        )
        if name == "var":
            return variance
        return np.sqrt(variance) if name == "std" else np.sqrt(variance) / np.sqrt(count)
    second = sums[0]
    if name == "skew":
        if count < 3:
            return np.nan
        third = sums[1]
        if abs(second) < 1e-14:
            return 0.0
        return count * np.sqrt(count - 1) / (count - 2) * third / second**1.5
    if count < 4:
        return np.nan
    if abs(second) < 1e-14:
        return 0.0
    scale = count * (count + 1) * (count - 1) / ((count - 2) * (count - 3))
    return scale * sums[2] / second**2 - 3 * (count - 1) ** 2 / ((count - 2) * (count - 3))
