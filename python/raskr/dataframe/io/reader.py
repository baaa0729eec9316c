"""Expressions of tables that are read: one call of a function a part, for the columns that are wanted."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from raskr.dataframe.expressions import Expression


class Reader(Expression):
    """A table in partitions that a function reads.

    Parameters
    ----------
    read : callable
        Gets a part and a list of columns, None for all, and gives a pandas object.
    parts : sequence
        What the function gets for each partition.
    meta : pandas.DataFrame
        An empty example of the partitions.
    divisions : sequence
        As in `Expression`.
    label : str
        The operation's name.
    content : object
        What changes when the files do.
    columns : list, optional
        The columns that are read, in order; `meta` has them already.
    """

    one_call_each = True

    def __init__(
        self,
        read: Callable,
        parts: Sequence,
        meta: Any,
        divisions: Sequence,
        label: str,
        content: Any = None,
        columns: list | None = None,
    ) -> None:
        super().__init__(meta, divisions, label, read, list(parts), content, columns)
        self.read, self.parts, self.content, self.columns = read, list(parts), content, columns

    def narrowed(self, columns: Sequence) -> Expression:
        """The same table with some of its columns only, in the order that it has them in."""
        if not self.can_narrow:
            return self
        label = self.name.rpartition("-")[0]
        return Reader(
            self.read, self.parts, self.meta[list(columns)], self.divisions, label, self.content, list(columns)
        )

    @property
    def can_narrow(self) -> bool:
        """Can some columns be read without the others?"""
        return isinstance(self.meta, pd.DataFrame) and self.meta.columns.is_unique

    def _lower(self) -> list:
        return [self._call(number, self.read, part, self.columns) for number, part in enumerate(self.parts)]


class WholeReader(Reader):
    """A reader that always reads all columns."""

    @property
    def can_narrow(self) -> bool:
        """No."""
        return False
