"""Element types of tables read from text: those of later blocks brought to those of the first rows, or a clear error."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import (
    is_datetime64_any_dtype,
    is_float_dtype,
    is_integer_dtype,
    is_object_dtype,
    is_string_dtype,
)


def text_columns(head: Any, kwargs: dict) -> dict:
    """Columns that the first rows show to be text, and as which type they are to be read.

    Categories of text are read as text: what is a number in one block must not be another category than elsewhere.
    """
    if not head.columns.is_unique:
        return {}
    given, dates = kwargs.get("dtype"), kwargs.get("parse_dates")
    others = {*(kwargs.get("converters") or ()), *(dates if isinstance(dates, (list, tuple)) else ())}
    found = {}
    for name, kind in head.dtypes.items():
        wanted = given.get(name) if isinstance(given, dict) else given
        if name in others or getattr(wanted, "categories", None) is not None:
            continue
        if isinstance(kind, pd.CategoricalDtype):
            kind = kind.categories.dtype
        elif wanted is not None:
            continue
        if isinstance(kind, pd.StringDtype):
            found[name] = kind
    return found


def coerced(table: Any, declared: dict, given_types: Any) -> Any:
    """The table in the types that were declared.

    Parameters
    ----------
    table : pandas.DataFrame
        What a reader gave.
    declared : dict
        The type that each column should have.
    given_types : set or bool
        The columns whose types the caller said; True for all.

    Raises
    ------
    ValueError
        With a table of the columns that have other types than expected, and the `dtype=` that would help.
    """
    changes, mismatched, failed, dates = {}, [], [], []
    for name, kind in declared.items():
        found = table[name].dtype
        if found == kind or isinstance(kind, pd.CategoricalDtype):
            if isinstance(kind, pd.CategoricalDtype) and not isinstance(found, pd.CategoricalDtype):
                changes[name] = "category"
            continue
        if _fits(table[name], found, kind):
            changes[name] = kind
        elif is_datetime64_any_dtype(kind):
            dates.append(name)
        else:
            problem = None
            if not is_float_dtype(found):
                problem = _conversion_error(table[name], kind)
                if problem is not None:
                    failed.append((name, problem))
            mismatched.append((name, found, kind))
    if mismatched or dates:
        raise ValueError(_message(mismatched, failed, dates, given_types))
    return table.astype(changes) if changes else table


def _is_text(kind: Any) -> bool:
    return is_object_dtype(kind) or is_string_dtype(kind)


def _fits(column: Any, found: Any, kind: Any) -> bool:
    """Can values of a type stand for those of the type that was expected?"""
    if _is_text(kind):
        return True
    if is_datetime64_any_dtype(kind):
        return is_datetime64_any_dtype(found) or bool(column.isna().all())
    if is_float_dtype(kind):
        return is_integer_dtype(found) or is_float_dtype(found) or len(column) == 0
    if is_integer_dtype(kind):
        # Integers that were read as floats, because of rows of another file for instance, are taken where none is lost.
        whole = is_float_dtype(found) and not column.isna().any() and bool((column % 1 == 0).all())
        return is_integer_dtype(found) or whole or len(column) == 0
    return len(column) == 0


def _conversion_error(column: Any, kind: Any) -> Exception | None:
    try:
        column.astype(kind)
    except Exception as error:
        return error
    return None


def first_misfit(table: Any, kinds: dict) -> str:
    """The first value of a table that is no number though its column should have numbers, in words; empty if there is none.

    Parameters
    ----------
    table : pandas.DataFrame
        What a reader gave, with columns that were not converted as text.
    kinds : dict
        The type that each column should have.
    """
    first = None
    for name, kind in kinds.items() if table.columns.is_unique else ():
        if name not in table.columns or not (is_integer_dtype(kind) or is_float_dtype(kind)):
            continue
        column = table[name].reset_index(drop=True)
        numbers = pd.to_numeric(column, errors="coerce")
        wrong = numbers.isna() & column.notna()
        if is_integer_dtype(kind):
            wrong |= numbers % 1 != 0 if isinstance(kind, np.dtype) else (numbers % 1 != 0) & column.notna()
        if wrong.any() and (first is None or wrong.idxmax() < first[0]):
            first = wrong.idxmax(), name, column[wrong.idxmax()]
    if first is None:
        return ""
    row, name, value = first
    return f"{getattr(value, 'item', lambda: value)()!r} in column {name!r}, row {row} counted from 0"


def _shown(kind: Any) -> str:
    return "object" if _is_text(kind) else str(kind)


def _message(mismatched: list, failed: list, dates: list, given_types: Any) -> str:
    head = "Mismatched dtypes found in `pd.read_csv`/`pd.read_table`."
    pieces = []
    if mismatched:
        mismatched = sorted(mismatched, key=lambda row: str(row[0]))
        rows = [(str(name), _shown(found), _shown(kind)) for name, found, kind in mismatched]
        pieces.append(_grid(("Column", "Found", "Expected"), rows))
        if failed:
            failed = sorted(failed, key=lambda pair: str(pair[0]))
            lines = "\n".join(f"- {name}\n  {error!r}" for name, error in failed)
            pieces.append(lines)
        types = ",\n       ".join(f"{name!r}: '{_shown(found)}'" for name, found, _ in mismatched)
        pieces.append(
            "Types are inferred from the first rows of the first file. Say which types the columns have, by adding\n\n"
            f"dtype={{{types}}}\n\n"
            "to the call to `read_csv`/`read_table`."
        )
        missed = [name for name, found, kind in mismatched if is_float_dtype(found) and is_integer_dtype(kind)]
        if len(missed) == len(mismatched) and given_types is not True:
            pieces.append(
                "Or give `assume_missing=True`, with which all columns of integers whose type is not said are floats."
            )
    if dates:
        names = "\n".join(f"- {name}" for name in sorted(map(str, dates)))
        pieces.append(
            f"These columns have values that are no dates:\n\n{names}\n\n"
            "Leave them out of `parse_dates`, and make dates of them with `dd.to_datetime`."
        )
    return "\n\n".join([head, *pieces])


def _grid(names: tuple, rows: list) -> str:
    widths = [max(len(row[at]) for row in [names, *rows]) for at in range(len(names))]
    rule = "+".join(["", *("-" * (width + 2) for width in widths), ""])

    def line(cells: tuple) -> str:
        return "|".join(["", *(f" {cell.ljust(width)} " for cell, width in zip(cells, widths)), ""])

    return "\n".join([rule, line(names), rule, *map(line, rows), rule])
