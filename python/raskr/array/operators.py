"""Python's operators and NumPy's protocols for `Array`."""

import numpy as np

_PLAIN = frozenset((int, float, complex, bool, np.ndarray))


def _gives_way(array, other):
    """Does the other operand want to handle the operation itself?"""
    if type(other) in _PLAIN or isinstance(other, (type(array), np.generic)):
        return False
    from raskr.array.chunk_types import is_valid_array_type

    kind = type(other)
    if getattr(other, "__array_ufunc__", False) is None:
        return True
    if hasattr(other, "__array_ufunc__") and not is_valid_array_type(kind) and not _is_collection(other):
        return kind.__array_ufunc__ is not getattr(type(array), "__array_ufunc__", None)
    return False


def _is_collection(other):
    from raskr.array.collection import Array

    return isinstance(other, Array)


def _binary(name, function_name):
    def operation(self, other):
        if type(other) is not type(self) and _gives_way(self, other):
            return NotImplemented
        return getattr(_ufunc, function_name)(self, other)

    operation.__name__ = name
    return operation


def _reflected(name, function_name):
    def operation(self, other):
        if type(other) is not type(self) and _gives_way(self, other):
            return NotImplemented
        return getattr(_ufunc, function_name)(other, self)

    operation.__name__ = name
    return operation


def _unary(name, function_name):
    def operation(self):
        return getattr(_ufunc, function_name)(self)

    operation.__name__ = name
    return operation


class _Late:
    """The module of elementwise functions, imported when the first operator is used."""

    def __getattr__(self, name):
        from raskr.array import ufunc

        function = getattr(ufunc, name)
        setattr(self, name, function)
        return function


_ufunc = _Late()


class ArrayOperators:
    """Operators, comparisons, and NumPy's `__array_ufunc__` and `__array_function__`."""

    __slots__ = ()

    __array_priority__ = 11  # above numpy.ndarray and numpy.matrix

    __add__ = _binary("__add__", "add")
    __radd__ = _reflected("__radd__", "add")
    __sub__ = _binary("__sub__", "subtract")
    __rsub__ = _reflected("__rsub__", "subtract")
    __mul__ = _binary("__mul__", "multiply")
    __rmul__ = _reflected("__rmul__", "multiply")
    __truediv__ = _binary("__truediv__", "true_divide")
    __rtruediv__ = _reflected("__rtruediv__", "true_divide")
    __floordiv__ = _binary("__floordiv__", "floor_divide")
    __rfloordiv__ = _reflected("__rfloordiv__", "floor_divide")
    __mod__ = _binary("__mod__", "remainder")
    __rmod__ = _reflected("__rmod__", "remainder")
    __divmod__ = _binary("__divmod__", "divmod")
    __rdivmod__ = _reflected("__rdivmod__", "divmod")
    __pow__ = _binary("__pow__", "power")
    __rpow__ = _reflected("__rpow__", "power")
    __lshift__ = _binary("__lshift__", "left_shift")
    __rlshift__ = _reflected("__rlshift__", "left_shift")
    __rshift__ = _binary("__rshift__", "right_shift")
    __rrshift__ = _reflected("__rrshift__", "right_shift")
    __and__ = _binary("__and__", "bitwise_and")
    __rand__ = _reflected("__rand__", "bitwise_and")
    __or__ = _binary("__or__", "bitwise_or")
    __ror__ = _reflected("__ror__", "bitwise_or")
    __xor__ = _binary("__xor__", "bitwise_xor")
    __rxor__ = _reflected("__rxor__", "bitwise_xor")
    __eq__ = _binary("__eq__", "equal")
    __ne__ = _binary("__ne__", "not_equal")
    __lt__ = _binary("__lt__", "less")
    __le__ = _binary("__le__", "less_equal")
    __gt__ = _binary("__gt__", "greater")
    __ge__ = _binary("__ge__", "greater_equal")
    __neg__ = _unary("__neg__", "negative")
    __pos__ = _unary("__pos__", "positive")
    __abs__ = _unary("__abs__", "absolute")
    __invert__ = _unary("__invert__", "invert")
    __hash__ = None

    def __matmul__(self, other):
        if _gives_way(self, other):
            return NotImplemented
        from raskr.array.routines import matmul

        return matmul(self, other)

    def __rmatmul__(self, other):
        if _gives_way(self, other):
            return NotImplemented
        from raskr.array.routines import matmul

        return matmul(other, self)

    def __array_ufunc__(self, numpy_ufunc, method, *inputs, **kwargs):
        from raskr.array.protocol import apply_numpy_ufunc

        return apply_numpy_ufunc(self, numpy_ufunc, method, inputs, kwargs)

    def __array_function__(self, func, types, args, kwargs):
        from raskr.array.protocol import apply_numpy_function

        return apply_numpy_function(func, types, args, kwargs)
