"""Operators of frames, series and indexes, NumPy's functions on them, and their methods such as `add`."""

import inspect
import operator
from typing import Any

import pandas as pd

from raskr.dataframe.mapping import elementwise
from raskr.utils import M

ARITHMETIC = "add sub mul div divide truediv floordiv mod pow multiply subtract".split()
COMPARISONS = "eq ne lt le gt ge".split()


def documented(method: Any, name: str, owner: Any, summary: str) -> Any:
    """The method under pandas' name and signature, with a docstring that says what it is and where pandas says more."""
    like = getattr(owner, name, None)
    method.__name__ = name
    method.__doc__ = f"{summary}\n\nThe arguments are those of `pandas.{owner.__name__}.{name}`."
    if like is not None:
        try:
            method.__signature__ = inspect.signature(like)
        except ValueError:
            pass
    return method


def operand_of(self: Any, other: Any, kwargs: dict) -> Any:
    """The other side: pandas objects that have rows become frames, to be lined up by their index."""
    from raskr.dataframe.sources import from_pandas

    if isinstance(other, pd.DataFrame) and self.ndim == 2 or isinstance(other, pd.Series) and self.ndim == 1:
        return from_pandas(other, npartitions=1)
    if isinstance(other, pd.Series) and self.ndim == 2 and kwargs.get("axis") in (0, "index", "rows"):
        return from_pandas(other, npartitions=1)
    return other


class Swapped:
    """An operator with its operands the other way round."""

    def __init__(self, function: Any) -> None:
        self.function, self.__name__ = function, function.__name__

    def __reduce__(self) -> tuple:
        return Swapped, (self.function,)

    def __call__(self, right: Any, left: Any) -> Any:
        return self.function(left, right)


class OperatorMethods:
    """Operators, and what NumPy's functions do."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", ())
        if method != "__call__" or any(type(each) is not type(self) for each in out):
            return NotImplemented
        if any(each.ndim == 2 and len(each.columns) != len(self.columns) for each in out):  # type: ignore[attr-defined]
            raise ValueError(f"out: frames of {len(self.columns)} columns were expected")  # type: ignore[attr-defined]
        inputs = tuple(operand_of(self, each, {}) for each in inputs)
        if ufunc.nout > 1:
            return tuple(elementwise(_one_output, [ufunc, number, *inputs], kwargs) for number in range(ufunc.nout))
        found = elementwise(ufunc, inputs, kwargs, columnwise=True)
        if not out:
            return found
        out[0]._expr = found._expr
        return out[0]

    def __divmod__(self, other: Any) -> tuple:
        return self // other, self % other  # type: ignore[operator]

    def __rdivmod__(self, other: Any) -> tuple:
        return other // self, other % self


def _add_operators(cls: type) -> None:
    def binary(function: Any) -> Any:
        def method(self: Any, other: Any) -> Any:
            return elementwise(function, [self, operand_of(self, other, {})], columnwise=True)

        return method

    for name in "add sub mul truediv floordiv mod pow and or xor".split():
        function = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        setattr(cls, f"__{name}__", binary(function))
        setattr(cls, f"__r{name}__", binary(Swapped(function)))
    for name in COMPARISONS:
        setattr(cls, f"__{name}__", binary(getattr(operator, name)))
    for name in "neg pos abs invert".split():
        function = getattr(operator, name)
        setattr(cls, f"__{name}__", lambda self, function=function: elementwise(function, [self], columnwise=True))
    # Comparisons are elementwise, so objects are told apart by identity.
    cls.__hash__ = object.__hash__  # type: ignore[method-assign]


_add_operators(OperatorMethods)


def add_binary_methods(cls: type, owner: Any) -> None:
    names = [*ARITHMETIC, *(f"r{name}" for name in ARITHMETIC), *COMPARISONS]
    for name in names:
        if not hasattr(owner, name):
            continue

        def method(self: Any, other: Any, *args: Any, _name: str = name, **kwargs: Any) -> Any:
            if args:
                kwargs["axis"] = args[0]
            if kwargs.get("level") is not None:
                raise NotImplementedError(f"{_name}: level must be None, got {kwargs['level']!r}")
            along_columns = kwargs.get("axis", "columns") in (1, "columns")
            if self.ndim == 2 and along_columns and getattr(other, "ndim", 0) == 1 and hasattr(other, "_expr"):
                if not other._expr.broadcast:
                    raise ValueError(
                        f"Unable to {_name} dd.Series with axis=1: rows are not lined up with columns; give axis=0"
                    )
            if kwargs.get("axis", 0) is None:
                del kwargs["axis"]
            other = operand_of(self, other, kwargs)
            return elementwise(getattr(M, _name), [self, other], kwargs, columnwise=True, label=_name)

        summary = (
            f"The operator of this name with another object, which may stand {'left' if name[0] == 'r' else 'right'}."
        )
        setattr(cls, name, documented(method, name, owner, summary))


def _one_output(function: Any, number: int, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)[number]
