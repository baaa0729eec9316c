"""The classes `DataFrame`, `Series` and `Index`: pandas' objects in partitions."""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.base import (
    DaskMethodsMixin,
    compute,
    get_scheduler,
    is_of_client,
    named_schedulers,
    replace_name_in_key,
    runs_natively,
)
from raskr.dataframe.accessors import DATE_FIELDS, field_of_index
from raskr.dataframe.expressions import (
    Expression,
    FromNodes,
    PartitionCalls,
    RowCounts,
    Rows,
    SelectedPartitions,
    TreeReduction,
)
from raskr.dataframe.mapping import array_of, elementwise, map_partitions, new_collection
from raskr.dataframe.moving import FrameMoves, IndexMoves, SeriesMoves
from raskr.dataframe.optimizing import chained, optimized
from raskr.dataframe.partials import concat
from raskr.dataframe.surface import FrameMethods, IndexMethods, SeriesMethods, set_columns


class FrameBase(DaskMethodsMixin):
    """What frames, series and indexes share."""

    def __init__(self, expression: Expression) -> None:
        self._expr = expression

    def __reduce__(self) -> tuple:
        return type(self), (self._expr,)

    # --- what is known before anything is computed -----------------------------------------------------------------
    @property
    def _meta(self) -> Any:
        return self._expr.meta

    @property
    def _name(self) -> str:
        return self._expr.name

    @property
    def npartitions(self) -> int:
        """The number of partitions."""
        return self._expr.npartitions

    @property
    def divisions(self) -> tuple:
        """Where partitions begin in the sorted index, and where the last one ends; None for each where unknown."""
        return self._expr.divisions

    @property
    def known_divisions(self) -> bool:
        """Are the divisions known?"""
        return self.divisions[0] is not None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._meta.ndim

    # --- the collection protocol -----------------------------------------------------------------------------------
    __dask_scheduler__ = staticmethod(named_schedulers["threads"])

    def __dask_graph__(self) -> dict:
        return graph_of_expressions([self._expr])

    @staticmethod
    def _graph_together(collections: Any) -> dict:
        return graph_of_expressions([collection._expr for collection in collections])

    @staticmethod
    def _nodes_together(collections: Any, whole: bool = False, elsewhere: bool = False) -> list[list]:
        return nodes_of_expressions([collection._expr for collection in collections], whole, elsewhere)

    @staticmethod
    def _results_elsewhere(collections: Any) -> list:
        return expressions_to_run([collection._expr for collection in collections], elsewhere=True)

    @property
    def dask(self) -> dict:
        """The tasks of all partitions by key, as other schedulers take them."""
        return self.__dask_graph__()

    def __dask_keys__(self) -> list:
        return [(self._name, number) for number in range(self.npartitions)]

    def __dask_layers__(self) -> tuple:
        return (self._name,)

    def __dask_tokenize__(self) -> str:
        return self._name

    def __dask_postcompute__(self) -> tuple:
        return _joined, (self._meta,)

    def __dask_postpersist__(self) -> tuple:
        return _rebuild, (self._name, self._meta, self.divisions)

    def to_delayed(self, optimize_graph: bool = True) -> list:
        """The partitions as `Delayed` objects."""
        return [core.delayed_of_node(node, None) for node in self._expr.nodes]

    def __bool__(self) -> bool:
        raise ValueError(
            f"The truth value of a {type(self).__name__} is ambiguous: it is lazy, and has many values. Use a.any() or "
            "a.all() and compute it"
        )

    def optimize(self, **kwargs: Any) -> Any:
        """The same rows, from sources that read only the columns that are used."""
        [better] = optimized([self._expr])
        return new_collection(better)

    # --- partitions ------------------------------------------------------------------------------------------------
    def map_partitions(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """A function of the partitions, one by one; see `raskr.dataframe.map_partitions`."""
        return map_partitions(func, self, *args, **kwargs)

    def _elementwise(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """A pandas operation that keeps the rows and the index, or selects among them."""
        return elementwise(func, [self, *args], kwargs)

    @property
    def partitions(self) -> "PartitionView":
        """The frame, indexed by the number of a partition.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": range(6)}), npartitions=3)
        >>> df.partitions[1:].divisions
        (2, 4, 5)
        """
        return PartitionView(self)

    def get_partition(self, n: int) -> Any:
        """One partition as a frame of its own."""
        if not 0 <= n < self.npartitions:
            raise ValueError(f"n must be 0 <= n < {self.npartitions}, got {n}")
        return self.partitions[n]

    def head(self, n: int = 5, npartitions: int = 1, compute: bool = True) -> Any:
        """The first rows, of the first partitions.

        Parameters
        ----------
        n : int
            How many rows.
        npartitions : int
            How many partitions are looked at; -1 for all.
        compute : bool
            Compute them, or give a frame.
        """
        if npartitions != -1 and npartitions > self.npartitions:
            raise ValueError(f"only {self.npartitions} partitions, head received {npartitions}")
        count = self.npartitions if npartitions == -1 else npartitions
        taken = self.partitions[:count].map_partitions(_first_rows, n, meta=self._meta)
        if count > 1:
            whole = PartitionCalls(
                _first_of_all, [Rows([taken._expr.nodes]), n], {}, self._meta, (None, None), label="head"
            )
            taken = new_collection(whole)
        if not compute:
            return taken
        rows = taken.compute()
        if len(rows) < n and count < self.npartitions:
            warnings.warn(
                f"Insufficient elements for `head`. {n} elements requested, only {len(rows)} elements available. Try "
                "passing larger `npartitions` to `head`.",
                stacklevel=2,
            )
        return rows

    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """The last rows of the last partition."""
        taken = self.partitions[-1:].map_partitions(_last_rows, n, meta=self._meta)
        return taken.compute() if compute else taken

    def __len__(self) -> int:
        return sum(self._lengths())

    def _row_number(self) -> Any:
        """The number of rows, lazy."""
        steps = (_number, sum, sum)
        return new_collection(TreeReduction(*steps, [RowCounts(self._expr)], 0, "rows"))

    def _lengths(self) -> tuple:
        if self._expr.row_counts is not None:
            return tuple(self._expr.row_counts)
        counts, schedule = RowCounts(self._expr), get_scheduler(collections=[self])
        if (elsewhere := is_of_client(schedule)) or runs_natively(schedule):
            [nodes] = nodes_of_expressions([counts], elsewhere=elsewhere)
        else:
            nodes = optimized([counts])[0].nodes
        return compute(*(core.delayed_of_node(node, None) for node in nodes))

    # --- arrays ----------------------------------------------------------------------------------------------------
    def to_dask_array(self, lengths: Any = None, meta: Any = None, optimize: bool = True) -> Any:
        """The values as an array, with a block for each partition.

        Parameters
        ----------
        lengths : bool or sequence of int, optional
            The rows of each partition; True computes them. Without it the array has blocks of unknown length.
        meta : array, optional
            An empty example of the blocks.
        optimize : bool
            Accepted for likeness.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": range(6)}), npartitions=3)
        >>> df.to_dask_array(lengths=True).chunks
        ((2, 2, 2), (1,))
        """
        if lengths is True:
            lengths = self._lengths()
        elif lengths is not None:
            if not isinstance(lengths, (list, tuple, np.ndarray)):
                raise ValueError(
                    f"Unexpected value for 'lengths': True or a length for each partition, got {lengths!r}"
                )
            lengths = tuple(lengths)
            if len(lengths) != self.npartitions:
                raise ValueError(
                    "The number of items in 'lengths' does not match the number of partitions. "
                    f"{len(lengths)} != {self.npartitions}"
                )
        meta = _values(self._meta) if meta is None else meta
        if self.ndim == 1 and isinstance(self._meta.dtype, pd.api.extensions.ExtensionDtype) and meta.dtype == object:
            warnings.warn(
                f"Arrays have no {self._meta.dtype} elements: values are converted to object dtype", stacklevel=2
            )
        return array_of(PartitionCalls(_values, [self._expr], {}, meta, self.divisions, label="values"), lengths)

    @property
    def values(self) -> Any:
        """The values as an array, whose blocks have unknown lengths."""
        return self.to_dask_array()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        whole = self.compute().to_numpy()
        return whole if dtype is None else whole.astype(dtype)

    # --- showing ---------------------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        kind, name = type(self).__name__, self._name.rpartition("-")[0]
        return f"raskr {kind} Structure:\n{self._structure().to_string()}\nRaskr Name: {name}"

    def _repr_html_(self) -> str:
        kind, shown = type(self).__name__, self._structure()
        table = (shown.to_frame() if shown.ndim == 1 else shown).to_html(max_rows=5, notebook=True)
        return f"<div><strong>raskr {kind} Structure:</strong></div>\n{table}"

    def _structure(self) -> Any:
        rows = [str(value) for value in self.divisions] if self.known_divisions else [""] * (self.npartitions + 1)
        index = pd.Index(rows, name=f"npartitions={self.npartitions}")
        later = ["..."] * self.npartitions
        if self.ndim == 1:
            return pd.Series([str(self._meta.dtype), *later], index=index)
        cells = [[str(kind), *later] for kind in self._meta.dtypes]
        return pd.DataFrame(dict(enumerate(cells)), index=index).set_axis(self._meta.columns, axis=1)


class PartitionView:
    """What `df.partitions` gives: the frame, to be indexed by numbers of partitions."""

    def __init__(self, frame: FrameBase) -> None:
        self._frame = frame

    def __len__(self) -> int:
        return self._frame.npartitions

    def __getitem__(self, index: Any) -> Any:
        count = self._frame.npartitions
        if isinstance(index, slice):
            numbers = list(range(count))[index]
        else:
            wanted = list(index) if hasattr(index, "__iter__") else [index]
            for number in wanted:
                if not -count <= number < count:
                    raise IndexError(f"partition {number} is out of range: there are {count}")
            numbers = [int(number) % count for number in wanted]
        return new_collection(SelectedPartitions(self._frame._expr, numbers))


class DataFrame(FrameMoves, FrameMethods, FrameBase):
    """A pandas frame in partitions of rows.

    Frames come from `from_pandas`, `from_array` and their like.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}), npartitions=2)
    >>> df[df.a > 1].b.compute().tolist()
    [5, 6]
    """

    @property
    def columns(self) -> Any:
        """The names of the columns, which can be set."""
        return self._meta.columns

    @columns.setter
    def columns(self, names: Any) -> None:
        self._expr = elementwise(set_columns, [self, list(names)])._expr

    @property
    def dtypes(self) -> Any:
        """The element types of the columns."""
        return self._meta.dtypes

    @property
    def shape(self) -> tuple:
        """The number of rows, which is lazy, and of columns."""
        return self._row_number(), len(self.columns)

    @property
    def empty(self) -> bool:
        """Are there no rows, or no columns? This computes."""
        return not len(self.columns) or not len(self)

    def keys(self) -> Any:
        """The names of the columns."""
        return self.columns

    def __iter__(self) -> Any:
        return iter(self._meta)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The computed rows as a stream of the Arrow C interface, which pyarrow, Polars and DuckDB take.

        Examples
        --------
        >>> import pandas as pd
        >>> import pyarrow
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), npartitions=2)
        >>> pyarrow.table(df).column("b").to_pylist()
        ['x', 'y']
        """
        import pyarrow

        parts = compute(*(part for part in self.partitions), scheduler="threads")
        whole = pyarrow.concat_tables(map(pyarrow.Table.from_pandas, parts), promote_options="permissive")
        return whole.__arrow_c_stream__(requested_schema)

    def __contains__(self, name: Any) -> bool:
        return name in self._meta

    def __getattr__(self, name: str) -> Any:
        # Names of Python's own are asked for before there is an expression.
        if not name.startswith("__") and name != "_expr" and name in self._expr.meta.columns:
            return self[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name != "columns" and name in self._expr.meta.columns:
            self[name] = value
        else:
            object.__setattr__(self, name, value)

    def __setitem__(self, name: Any, value: Any) -> None:
        if isinstance(name, (list, tuple, pd.Index)) and isinstance(value, DataFrame):
            changed = self
            for own, other in zip(name, value.columns):
                changed = changed._with(own, value[other])
        elif isinstance(name, DataFrame):
            changed = self.where(~name, value)
        elif isinstance(name, list):
            changed = self
            for own in name:
                changed = changed._with(own, value)
        else:
            changed = self._with(name, value)
        self._expr = changed._expr

    def __delitem__(self, name: Any) -> None:
        self._expr = self.drop(columns=[name])._expr

    def __dir__(self) -> list:
        return [*super().__dir__(), *(name for name in self.columns if isinstance(name, str) and name.isidentifier())]


class Series(SeriesMoves, SeriesMethods, FrameBase):
    """A pandas series in partitions.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2)
    >>> (s + s).compute().tolist()
    [2, 4, 6]
    """

    @property
    def name(self) -> Any:
        """The name of the series, which can be set."""
        return self._meta.name

    @name.setter
    def name(self, name: Any) -> None:
        self._expr = self.rename(name)._expr

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._meta.dtype

    @property
    def dtypes(self) -> Any:
        """The element type."""
        return self._meta.dtype

    @property
    def shape(self) -> tuple:
        """The number of rows, which is lazy."""
        return (self._row_number(),)

    @property
    def axes(self) -> list:
        """The index."""
        return [self.index]

    def __dir__(self) -> list:
        absent = [name for name in ("str", "dt", "cat", "list", "struct") if not hasattr(self._meta, name)]
        return [name for name in super().__dir__() if name not in absent]

    def __iter__(self) -> Any:
        for node in self._expr.nodes:
            yield from core.delayed_of_node(node, None).compute()


class Index(IndexMoves, IndexMethods, FrameBase):
    """A pandas index in partitions.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> int(dd.from_pandas(pd.Series([1, 2], index=[3, 4]), npartitions=2).index.max().compute())
    4
    """

    @property
    def name(self) -> Any:
        """The name of the index."""
        return self._meta.name

    @name.setter
    def name(self, name: Any) -> None:
        self._expr = self.rename(name)._expr

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in DATE_FIELDS and isinstance(self._expr.meta, pd.DatetimeIndex):
            return field_of_index(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list:
        return [*super().__dir__(), *(DATE_FIELDS if isinstance(self._meta, pd.DatetimeIndex) else ())]

    @property
    def names(self) -> Any:
        """The names of the levels."""
        return self._meta.names

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._meta.dtype

    @property
    def shape(self) -> tuple:
        """The number of rows, which is lazy."""
        return (self._row_number(),)


def expressions_to_run(expressions: Any, elsewhere: bool = False) -> list[Expression]:
    """Expressions as they are best run: natively where that is possible.

    What is done `elsewhere` is done by other processes, and reads nothing that only this one has.
    """
    from raskr.dataframe.native import with_native

    better = with_native(optimized(expressions), elsewhere)
    return chained(better) if elsewhere else better


def nodes_of_expressions(expressions: Any, whole: bool = False, elsewhere: bool = False) -> list[list]:
    """The engine's nodes for the partitions of expressions, as `expressions_to_run` gives these.

    With `whole`, partitions are to be put together in any case, and some expressions give a single node for all of them.
    """
    from raskr.dataframe.native.results import NativeResult

    return [
        [found.whole_node()] if whole and isinstance(found, NativeResult) else found.nodes
        for found in expressions_to_run(expressions, elsewhere)
    ]


def graph_of_expressions(expressions: Any) -> dict:
    """The tasks of the partitions of expressions, which have the keys `(name, number)`."""
    better = optimized(expressions)
    nodes = [node for expression in better for node in expression.nodes]
    wanted = [(expression.name, number) for expression in expressions for number in range(expression.npartitions)]
    graph, keys = core.graph_of(nodes)
    own: dict = {}
    for name, key in zip(wanted, keys):
        own.setdefault(key, name)
    tasks = {own.get(key, key): (task[0], *(own.get(part, part) for part in task[1:])) for key, task in graph.items()}
    # A node that serves as several partitions has one task, and further keys that stand for it.
    for name, key in zip(wanted, keys):
        if own[key] != name:
            tasks[name] = own[key]
    return tasks


def _number(rows: int) -> int:
    return rows


def _values(part: Any) -> Any:
    values = part.values
    # pandas' own kinds of arrays, such as of text, have no blocks.
    return values if isinstance(values, np.ndarray) else np.asarray(part, dtype=object)


def _first_rows(part: Any, n: int) -> Any:
    return part.head(n) if hasattr(part, "head") else part[:n]


def _last_rows(part: Any, n: int) -> Any:
    return part.tail(n) if hasattr(part, "tail") else part[-n:]


def _first_of_all(parts: list, n: int) -> Any:
    return _first_rows(_joined(parts), n)


def _joined(parts: Any, meta: Any = None) -> Any:
    """One pandas object of partitions, in order."""
    return concat(parts, meta=meta)


def _rebuild(graph: Any, name: str, meta: Any, divisions: tuple, rename: dict | None = None) -> Any:
    """The frame over a graph that holds its computed partitions."""
    from raskr.graph import nodes_of

    keys = [(name, number) for number in range(len(divisions) - 1)]
    keys = [replace_name_in_key(key, rename) if rename else key for key in keys]
    return new_collection(FromNodes(nodes_of(graph, keys), meta, divisions, "persisted"))
