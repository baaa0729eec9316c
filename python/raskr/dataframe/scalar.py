"""`Scalar`: one lazy number, as reductions of series give."""

import operator
from typing import Any

import numpy as np
import pandas as pd

from raskr._bridge import core
from raskr.base import DaskMethodsMixin, named_schedulers
from raskr.dataframe.expressions import Expression, FromNodes
from raskr.dataframe.mapping import elementwise, is_array, new_collection


class Scalar(DaskMethodsMixin):
    """One lazy value: a number, a text, a date.

    Examples
    --------
    >>> import pandas as pd
    >>> import raskr.dataframe as dd
    >>> s = dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2)
    >>> float((s.sum() / s.count()).compute())
    2.0
    """

    __dask_scheduler__ = staticmethod(named_schedulers["threads"])
    ndim, npartitions, divisions, known_divisions = 0, 1, (None, None), False

    def __init__(self, expression: Expression) -> None:
        self._expr = expression

    def __reduce__(self) -> tuple:
        return type(self), (self._expr,)

    @property
    def _meta(self) -> Any:
        return self._expr.meta

    @property
    def _name(self) -> str:
        return self._expr.name

    @property
    def key(self) -> tuple:
        """The key of its task."""
        return self._name, 0

    @property
    def dtype(self) -> Any:
        """The element type; the type of the value where it is no NumPy scalar."""
        return getattr(self._meta, "dtype", type(self._meta))

    @property
    def size(self) -> int:
        """One."""
        return 1

    def __dask_graph__(self) -> dict:
        return self._graph_together([self])

    @staticmethod
    def _graph_together(collections: Any) -> dict:
        from raskr.dataframe.collection import graph_of_expressions

        return graph_of_expressions([collection._expr for collection in collections])

    @staticmethod
    def _nodes_together(collections: Any, whole: bool = False, elsewhere: bool = False) -> list[list]:
        from raskr.dataframe.collection import nodes_of_expressions

        return nodes_of_expressions([collection._expr for collection in collections], whole, elsewhere)

    @staticmethod
    def _results_elsewhere(collections: Any) -> list:
        from raskr.dataframe.collection import expressions_to_run

        return expressions_to_run([collection._expr for collection in collections], elsewhere=True)

    @property
    def dask(self) -> dict:
        """The tasks by key."""
        return self.__dask_graph__()

    def __dask_keys__(self) -> list:
        return [self.key]

    def __dask_layers__(self) -> tuple:
        return (self._name,)

    def __dask_tokenize__(self) -> str:
        return self._name

    def __dask_postcompute__(self) -> tuple:
        return _only, ()

    def __dask_postpersist__(self) -> tuple:
        return _rebuild, (self._name, self._meta)

    def to_delayed(self, optimize_graph: bool = True) -> Any:
        """The value as a `Delayed`."""
        return core.delayed_of_node(self._expr.nodes[0], None)

    def optimize(self, **kwargs: Any) -> Any:
        """The same value, from sources that read only the columns that are used."""
        from raskr.dataframe.optimizing import optimized

        [better] = optimized([self._expr])
        return new_collection(better)

    def to_series(self, index: Any = 0) -> Any:
        """The value as a series of one element with this label."""
        meta = pd.Series([self._meta], index=[index]).iloc[:0]
        return elementwise(_series_of, [self, index], meta=meta, label="to-series")

    def __repr__(self) -> str:
        return f"<raskr Scalar: {self._name.rpartition('-')[0]}, type={self.dtype}>"

    def __bool__(self) -> bool:
        raise TypeError(f"Trying to convert {self} to a boolean value. Because it is lazy, its value is not known yet")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or "out" in kwargs or ufunc.nout > 1:
            return NotImplemented
        if any(map(_is_known, inputs)) and not any(map(_is_lazy, inputs)):
            # pandas' and NumPy's objects stay what they are, as with any other number that can be had.
            return ufunc(*(each.compute() if isinstance(each, Scalar) else each for each in inputs), **kwargs)
        if any(map(_is_array, inputs)):
            from raskr.array.elementwise import elemwise

            return elemwise(ufunc, *inputs, **kwargs)
        return elementwise(ufunc, inputs, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:

        return np.asarray(self.compute(), dtype=dtype)

    __hash__ = object.__hash__


def _series_of(value: Any, index: Any) -> Any:
    return pd.Series([value], index=[index])


def _is_known(value: Any) -> bool:
    return isinstance(value, (pd.DataFrame, pd.Series, pd.Index, np.ndarray)) and value.ndim > 0


def _is_lazy(value: Any) -> bool:
    return getattr(value, "ndim", 0) > 0 and hasattr(type(value), "__dask_graph__")


def _is_array(value: Any) -> bool:
    return is_array(value) and value.ndim > 0


def _only(values: list) -> Any:
    return values[0]


def _rebuild(graph: Any, name: str, meta: Any, rename: dict | None = None) -> Any:
    from raskr._names import replace_name_in_key
    from raskr.graph import nodes_of

    key = (name, 0)
    return new_collection(
        FromNodes(nodes_of(graph, [replace_name_in_key(key, rename) if rename else key]), meta, (None, None), "scalar")
    )


def _add_operators() -> None:
    """Operators with other scalars, with frames and with numbers."""

    def binary(function: Any, swapped: bool = False) -> Any:
        def method(self: Any, other: Any) -> Any:
            operands = [other, self] if swapped else [self, other]
            if _is_array(other):
                from raskr.array.elementwise import elemwise

                return elemwise(function, *operands)
            return elementwise(function, operands, columnwise=True)

        return method

    def unary(function: Any) -> Any:
        return lambda self: elementwise(function, [self])

    for name in "add sub mul truediv floordiv mod pow and or xor".split():
        function = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        setattr(Scalar, f"__{name}__", binary(function))
        setattr(Scalar, f"__r{name}__", binary(function, swapped=True))
    for name in "eq ne lt le gt ge".split():
        setattr(Scalar, f"__{name}__", binary(getattr(operator, name)))
    for name in "neg abs invert".split():
        setattr(Scalar, f"__{name}__", unary(getattr(operator, name)))
    Scalar.__hash__ = object.__hash__  # type: ignore[method-assign]


_add_operators()
