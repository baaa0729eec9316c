"""Running sums, products and extremes: each partition's own, on top of what the ones before it come to."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from raskr.dataframe.expressions import Expression
from raskr.dataframe.mapping import elementwise, new_collection
from raskr.dataframe.partials import as_frame, one_row, one_row_or_none
from raskr.utils import M

_TOTALS = {"cumsum": "sum", "cumprod": "prod", "cummax": "max", "cummin": "min"}


class Running(Expression):
    """The running `kind` along the rows."""

    def __init__(self, source: Expression, kind: str, skipna: bool) -> None:
        meta = getattr(source.meta, kind)(skipna=skipna)
        super().__init__(meta, source.divisions, kind, source, skipna)
        self.source, self.kind, self.skipna = source, kind, skipna

    @property
    def children(self) -> list[Expression]:
        """The expression whose rows are run through."""
        return [self.source]

    def with_children(self, children: Sequence[Expression]) -> Expression:
        """The same of another expression."""
        return Running(children[0], self.kind, self.skipna)

    def required(self, columns: list | None) -> list[list | None]:
        """The same columns."""
        return [columns]

    def _lower(self) -> list:
        nodes = self.source.nodes
        options = {"kind": self.kind, "skipna": self.skipna}
        made, carry = [], None
        for number, node in enumerate(nodes):
            made.append(self._call(number, _run, node, carry, **options))
            if number + 1 < len(nodes):
                carry = self._step(number, node, carry, options)
        return made

    def _step(self, number: int, node: Any, carry: Any, options: dict) -> Any:
        from raskr._bridge import core

        total = core.node_of_call(
            _total, (node,), options, key=f"{self.name}-total-{number}", name=f"{self.kind}-total"
        )
        if carry is None:
            return total
        key = f"{self.name}-carry-{number}"
        return core.node_of_call(_carried, (carry, total), options, key=key, name=f"{self.kind}-carry")


def _total(part: Any, kind: str, skipna: bool) -> Any:
    make = one_row_or_none if kind in ("cummax", "cummin") else one_row
    return make(part, _TOTALS[kind], skipna=skipna)


def _carried(one: Any, other: Any, kind: str, skipna: bool) -> Any:
    if not len(one) or not len(other):
        return one if len(one) else other
    return one_row(pd.concat([one, other]), _TOTALS[kind], skipna=skipna)


def _run(part: Any, carry: Any, kind: str, skipna: bool) -> Any:
    own = getattr(part, kind)(skipna=skipna)
    if carry is None or not len(carry) or not len(part):
        return own
    frame = as_frame(own)
    columns = [_on_top(frame.iloc[:, place], carry.iloc[0, place], kind, skipna) for place in range(len(frame.columns))]
    if isinstance(own, pd.Series):
        return columns[0].rename(own.name)
    return pd.concat(columns, axis=1).set_axis(own.columns, axis=1) if columns else own


def _on_top(column: Any, before: Any, kind: str, skipna: bool) -> Any:
    if pd.isna(before):
        return column if skipna else column.where(column.isna(), before)
    if kind == "cumsum":
        return before + column
    if kind == "cumprod":
        return before * column
    replaced = column < before if kind == "cummax" else column > before
    return column.mask(replaced.fillna(False) if replaced.dtype != bool else replaced, before)


class CumulativeMethods:
    """Running sums and their like."""

    def _running(self, kind: str, axis: Any, skipna: bool) -> Any:
        if axis in (1, "columns") and self.ndim == 2:
            return elementwise(getattr(M, kind), [self], {"axis": 1, "skipna": skipna})
        if axis not in (0, None, "index", "rows"):
            raise ValueError(f"No axis named {axis} for object type {type(self).__name__}")
        return new_collection(Running(self._expr, kind, skipna))

    def cumsum(self, axis: Any = 0, skipna: bool = True, dtype: None = None, out: None = None) -> Any:
        """The running sum along the rows.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2).cumsum().compute().tolist()
        [1, 3, 6]
        """
        return self._running("cumsum", axis, skipna)

    def cumprod(self, axis: Any = 0, skipna: bool = True, dtype: None = None, out: None = None) -> Any:
        """The running product along the rows."""
        return self._running("cumprod", axis, skipna)

    def cummax(self, axis: Any = 0, skipna: bool = True, dtype: None = None, out: None = None) -> Any:
        """The running maximum along the rows."""
        return self._running("cummax", axis, skipna)

    def cummin(self, axis: Any = 0, skipna: bool = True, dtype: None = None, out: None = None) -> Any:
        """The running minimum along the rows."""
        return self._running("cummin", axis, skipna)
