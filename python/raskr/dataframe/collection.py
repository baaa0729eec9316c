"""The classes `DataFrame`, `Series` and `Index`: pandas' objects in partitions."""

import operator
import warnings
from typing import Any

import pandas as pd

from raskr._bridge import core
from raskr.base import DaskMethodsMixin, compute, named_schedulers, replace_name_in_key
from raskr.dataframe.expressions import Expression, FromNodes, PartitionCalls, Rows, SelectedPartitions
from raskr.dataframe.mapping import array_of, common_divisions, map_partitions, new_collection
from raskr.utils import M


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
        graph, keys = core.graph_of(self._expr.nodes)
        own: dict = {}
        for number, key in enumerate(keys):
            own.setdefault(key, (self._name, number))
        tasks = {
            own.get(key, key): (task[0], *(own.get(part, part) for part in task[1:])) for key, task in graph.items()
        }
        # A node that serves as two partitions has one task, and further keys that stand for it.
        for number, key in enumerate(keys):
            if own[key] != (self._name, number):
                tasks[self._name, number] = own[key]
        return tasks

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

    # --- partitions ------------------------------------------------------------------------------------------------
    def map_partitions(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """A function of the partitions, one by one; see `raskr.dataframe.map_partitions`."""
        return map_partitions(func, self, *args, **kwargs)

    def _elementwise(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """A pandas operation that keeps the rows and the index, or selects among them."""
        inside = [arg._expr if isinstance(arg, FrameBase) else arg for arg in (self, *args)]
        # pandas' own errors, such as of a column that does not exist, are the user's.
        meta = func(*(arg.meta if isinstance(arg, Expression) else arg for arg in inside), **kwargs)
        divisions = common_divisions([arg for arg in inside if isinstance(arg, Expression)])
        return new_collection(PartitionCalls(func, inside, kwargs, meta, divisions))

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

    def _lengths(self) -> tuple:
        delayed = [
            core.delayed_of_node(core.node_of_call(len, (node,), key=f"len-{self._name}-{number}", name="len"), None)
            for number, node in enumerate(self._expr.nodes)
        ]
        return compute(*delayed)

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
            lengths = tuple(lengths)
            if len(lengths) != self.npartitions:
                raise ValueError(
                    "The number of items in 'lengths' does not match the number of partitions. "
                    f"{len(lengths)} != {self.npartitions}"
                )
        meta = _values(self._meta) if meta is None else meta
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


class _Table(FrameBase):
    """What frames and series share: rows with an index."""

    @property
    def index(self) -> "Index":
        """The index."""
        expression = PartitionCalls(_index, [self._expr], {}, self._meta.index, self.divisions, label="index")
        return Index(expression)

    @property
    def dtypes(self) -> Any:
        """The element types."""
        return self._meta.dtypes

    def astype(self, dtype: Any) -> Any:
        """The values in other types; see `pandas.DataFrame.astype`."""
        return self._elementwise(M.astype, dtype)

    def rename(self, *args: Any, **kwargs: Any) -> Any:
        """Other names for columns, or for a series; see pandas' method."""
        return self._elementwise(M.rename, *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._elementwise(operator.getitem, key)


class DataFrame(_Table):
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
        """The names of the columns."""
        return self._meta.columns

    @property
    def shape(self) -> tuple:
        """The number of rows, which is unknown, and of columns."""
        return float("nan"), len(self.columns)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._expr.meta.columns:
            return self[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list:
        return [*super().__dir__(), *(name for name in self.columns if isinstance(name, str) and name.isidentifier())]

    def assign(self, **columns: Any) -> "DataFrame":
        """The frame with further columns: series, values, or functions of the frame.

        Examples
        --------
        >>> import pandas as pd
        >>> import raskr.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=2)
        >>> df.assign(b=df.a * 10).b.compute().tolist()
        [10, 20]
        """
        frame = self
        for name, value in columns.items():
            frame = frame._elementwise(_with_column, name, value(frame) if callable(value) else value)
        return frame


class Series(_Table):
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
        """The name of the series."""
        return self._meta.name

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._meta.dtype

    @property
    def shape(self) -> tuple:
        """The number of rows, which is unknown."""
        return (float("nan"),)

    def to_frame(self, name: Any = None) -> DataFrame:
        """The series as a frame of one column."""
        args = () if name is None else (name,)
        return self._elementwise(M.to_frame, *args)


class Index(FrameBase):
    """A pandas index in partitions."""

    @property
    def name(self) -> Any:
        """The name of the index."""
        return self._meta.name

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._meta.dtype

    def to_frame(self, index: bool = True, name: Any = None) -> DataFrame:
        """The index as a frame of one column."""
        options = {"index": index} if name is None else {"index": index, "name": name}
        return map_partitions(M.to_frame, self, **options)


def _with_column(part: Any, name: Any, value: Any) -> Any:
    return part.assign(**{name: value})


def _index(part: Any) -> Any:
    return part.index


def _values(part: Any) -> Any:
    return part.values


def _first_rows(part: Any, n: int) -> Any:
    return part.head(n) if hasattr(part, "head") else part[:n]


def _last_rows(part: Any, n: int) -> Any:
    return part.tail(n) if hasattr(part, "tail") else part[-n:]


def _first_of_all(parts: list, n: int) -> Any:
    return _first_rows(_joined(parts), n)


def _joined(parts: Any, meta: Any = None) -> Any:
    """One pandas object of partitions, in order."""
    parts = list(parts)
    if not parts:
        return meta
    if isinstance(parts[0], pd.Index):
        return parts[0].append(parts[1:]) if len(parts) > 1 else parts[0]
    return pd.concat(parts) if len(parts) > 1 else parts[0]


def _rebuild(graph: Any, name: str, meta: Any, divisions: tuple, rename: dict | None = None) -> Any:
    """The frame over a graph that holds its computed partitions."""
    from raskr.graph import nodes_of

    keys = [(name, number) for number in range(len(divisions) - 1)]
    keys = [replace_name_in_key(key, rename) if rename else key for key in keys]
    return new_collection(FromNodes(nodes_of(graph, keys), meta, divisions, "persisted"))


def _operator(function: Any, swapped: bool = False) -> Any:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, (pd.DataFrame, pd.Series)):
            return NotImplemented
        return self._elementwise(_Swapped(function) if swapped else function, other)

    return method


class _Swapped:
    """An operator with its operands the other way round."""

    def __init__(self, function: Any) -> None:
        self.function, self.__name__ = function, function.__name__

    def __reduce__(self) -> tuple:
        return _Swapped, (self.function,)

    def __call__(self, right: Any, left: Any) -> Any:
        return self.function(left, right)


def _add_operators() -> None:
    """Put pandas' operators on the classes."""
    both = "add sub mul truediv floordiv mod pow and or xor".split()
    for name in both:
        function = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        setattr(_Table, f"__{name}__", _operator(function))
        setattr(_Table, f"__r{name}__", _operator(function, swapped=True))
    for name in "eq ne lt le gt ge".split():
        setattr(_Table, f"__{name}__", _operator(getattr(operator, name)))
    for name in "neg abs invert".split():
        function = getattr(operator, name)
        setattr(_Table, f"__{name}__", lambda self, function=function: self._elementwise(function))
    # Comparisons are elementwise, so objects are told apart by identity.
    _Table.__hash__ = object.__hash__  # type: ignore[method-assign]


_add_operators()
