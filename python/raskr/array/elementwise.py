"""How elementwise operations become expressions: the engine's own loops, or NumPy block by block; ufunc objects."""

from __future__ import annotations

import datetime
import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskr.array._apply import (
    SCALARS,
    Expr,
    apply_out,
    blockwise_elementwise,
    check_broadcast,
    is_node_source,
    name_of,
    wrap,
)
from raskr.array._docs import compose
from raskr.array.chunk_types import is_valid_array_type
from raskr.array.collection import Array
from raskr.array.joining import warn_of_many_blocks
from raskr.array.utils import is_native_dtype

_BOOL = np.dtype(bool)
_WEAK = (int, float, complex)
_ATTRIBUTES = ("nin", "nargs", "nout", "ntypes", "identity", "signature", "types")


# --- operands -----------------------------------------------------------------------------------------------------
def _foreign(x: Any) -> bool:
    """Whether another library's type should handle the operation: it has its own idea of NumPy's functions."""
    if isinstance(x, (Array, np.ndarray, list, tuple, *SCALARS)):
        return False
    if is_node_source(x):
        return hasattr(x, "__array_ufunc__") and getattr(x, "ndim", 0) > 0  # as frames have
    kind = type(x)
    if getattr(kind, "__array_ufunc__", False) is None:
        return True
    if hasattr(kind, "__array_ufunc__") or hasattr(kind, "__array_priority__"):
        return not is_valid_array_type(kind)
    return False


def as_operand(x: Any) -> Any:
    """An Array, a scalar that every block takes whole, or a lazy value that is no array."""
    if isinstance(x, (Array, *SCALARS)) or is_node_source(x):
        return x
    from raskr.array.core import asanyarray

    if isinstance(x, datetime.timedelta):
        return np.timedelta64(x)
    if isinstance(x, datetime.date):
        return np.datetime64(x)
    if isinstance(x, (list, tuple)):
        x = np.asarray(x)
    if isinstance(x, np.ndarray) and x.ndim == 0 and type(x) is np.ndarray:
        return x[()]
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return asanyarray(x)
    return x


@functools.lru_cache(maxsize=4096)
def _native_loop(
    function: np.ufunc, operands: tuple[Any, ...], dtype: np.dtype[Any] | None, casting: str
) -> tuple[tuple[np.dtype[Any], ...], np.dtype[Any]] | None:
    """What NumPy casts the operands to and what it gives, where the engine has that loop; else None."""
    chosen = {} if dtype is None else {"signature": (None,) * function.nin + (dtype,)}
    try:
        resolved = function.resolve_dtypes((*operands, None), casting=casting, **chosen)
    except TypeError:
        return None
    inputs, result = resolved[:-1], resolved[-1]
    if not all(is_native_dtype(d) for d in resolved):
        return None
    for given, wanted in zip(operands, inputs):
        # A change of the unit of dates multiplies, and their truth is NaT's too; that is NumPy's business.
        if given != wanted and (wanted.kind in "mM" or getattr(given, "kind", "b") in "mM"):
            return None
    if Expr.elementwise_dtype(function.__name__, list(inputs)) != result:
        return None
    return inputs, result


def _native(function: np.ufunc, operands: Sequence[Any], dtype: np.dtype[Any] | None, casting: str) -> Array | None:
    """The operation as an expression of the engine's own, or None where NumPy has to do it block by block."""
    kinds = []
    for x in operands:
        if isinstance(x, Array):
            if not x._expr.native:
                return None
            kinds.append(x._expr.dtype)
        elif type(x) in _WEAK:
            kinds.append(type(x))
        elif isinstance(x, np.generic):
            kinds.append(x.dtype)
        elif type(x) is bool:
            kinds.append(_BOOL)
        else:
            return None
    loop = _native_loop(function, tuple(kinds), dtype, casting)
    if loop is None:
        return None
    return native_call(function.__name__, operands, loop[0])


_PYTHON_NUMBERS = (int, float)


def _full(value: Any, dtype: np.dtype[Any]) -> Expr:
    return Expr.full((), dtype, np.asarray(value).astype(dtype)[()])


@functools.lru_cache(maxsize=1024, typed=True)
def _number(value: Any, negative: bool, dtype: np.dtype[Any]) -> Expr:
    """A number as an expression; `negative` tells the zeros apart, which are equal."""
    return _full(value, dtype)


@functools.lru_cache(maxsize=4096)
def _has_loop(name: str, dtypes: tuple[np.dtype[Any], ...]) -> bool:
    return all(is_native_dtype(d) for d in dtypes) and Expr.elementwise_dtype(name, list(dtypes)) is not None


def native_call(name: str, operands: Sequence[Any], dtypes: Sequence[np.dtype[Any]]) -> Array | None:
    """An operation of the engine's on operands cast to `dtypes`; None where it has none for them."""
    if not _has_loop(name, tuple(dtypes)):
        return None
    exprs = []
    for x, wanted in zip(operands, dtypes):
        if isinstance(x, Array):
            if not x._expr.native or (wanted.kind in "mM" and x.dtype != wanted):
                return None
            exprs.append(x._expr)
            continue
        if type(x) is int and wanted.kind in "iu" and not np.iinfo(wanted).min <= x <= np.iinfo(wanted).max:
            return None
        try:
            exprs.append(_number(x, str(x)[0] == "-", wanted) if type(x) in _PYTHON_NUMBERS else _full(x, wanted))
        except (OverflowError, ValueError, TypeError):
            return None
    check_broadcast([x.shape for x in operands if isinstance(x, Array)], name)
    result = Expr.elementwise(name, exprs, list(dtypes))
    if len(exprs) > 1:
        warn_of_many_blocks(result, exprs)
    return wrap(result)


def _keeps_block_result(function: Any, dtype: Any, *blocks: Any, **kwargs: Any) -> Any:
    """The function's result in the element type that was asked for."""
    result = function(*blocks, **kwargs)
    return result.astype(dtype) if hasattr(result, "astype") else np.asarray(result, dtype=dtype)


def elemwise(
    op: Callable[..., Any],
    *args: Any,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    name: str | None = None,
    **kwargs: Any,
) -> Array:
    """Apply a function of NumPy's broadcasting kind to arrays, block by block.

    Parameters
    ----------
    op : callable
        A ufunc, or any function that broadcasts its arguments and works element by element.
    *args : array_like or scalar
        What it is applied to. Arrays are rechunked where their chunks differ.
    out : Array, optional
        Becomes the result.
    where : bool or array_like of bool, optional
        Where it is False, the result has the elements of `out`, or zeros when there is no `out`.
    dtype : dtype, optional
        Element type of the result; by default what `op` gives for empty arrays.
    name : str, optional
        The name of the result.

    Raises
    ------
    ValueError
        When the shapes do not broadcast together.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> from raskr.array.ufunc import elemwise
    >>> elemwise(np.add, da.arange(4, chunks=2), 10).compute()
    array([10, 11, 12, 13])
    """
    casting = kwargs.pop("casting", "same_kind")
    if kwargs:
        raise TypeError(f"{name_of(op)} does not take the keyword arguments {sorted(kwargs)}")
    operands = [as_operand(x) for x in args]
    wanted = None if dtype is None else np.dtype(dtype)
    result = None
    if isinstance(op, np.ufunc) and op.nout == 1 and op.signature is None and len(operands) == op.nin:
        result = _native(op, operands, wanted, casting)
    if result is None:
        result = _by_blocks(op, operands, wanted, casting)
    if where is not True:
        result = _masked(op, result, where, out)
    if name is not None:
        result = wrap(result._expr.with_name(name), result._meta)
    return result if out is None else apply_out(result, out)


_EQUALITY = {np.equal: operator.eq, np.not_equal: operator.ne}


def _refuse_strangers(op: np.ufunc, operands: Sequence[Any]) -> None:
    """Complain about operands that NumPy could only take for objects, among arrays of numbers."""
    if op in _EQUALITY or any(isinstance(x, Array) and x.dtype.kind == "O" for x in operands):
        return
    for x in operands:
        if not isinstance(x, Array) and not is_node_source(x) and np.asarray(x).dtype.kind == "O":
            raise TypeError(f"{op.__name__} of an array of numbers and {type(x).__name__} is not supported")


def _by_blocks(op: Any, operands: Sequence[Any], dtype: np.dtype[Any] | None, casting: str) -> Array:
    """The operation done by NumPy (or the blocks' own library), one block at a time."""
    if not any(isinstance(x, Array) for x in operands):
        from raskr.array.core import asanyarray

        operands = [x if is_node_source(x) else asanyarray(x) for x in operands]
    if isinstance(op, np.ufunc):
        _refuse_strangers(op, operands)
        extra = {} if dtype is None else {"dtype": dtype}
        if casting != "same_kind":
            extra["casting"] = casting
        try:
            return blockwise_elementwise(op, operands, kwargs=extra, label=op.__name__)
        except TypeError:
            # Whether things of types that can't be compared are equal has an answer: they are not.
            compare = _EQUALITY.get(op)
            if compare is None:
                raise
            return blockwise_elementwise(compare, operands, dtype=_BOOL, label=op.__name__)
    if dtype is not None:
        return blockwise_elementwise(
            functools.partial(_keeps_block_result, op, dtype), operands, dtype=dtype, label=name_of(op)
        )
    return blockwise_elementwise(op, operands, label=name_of(op))


def _masked(op: Any, result: Array, where: Any, out: Any) -> Array:
    """`result` where `where` holds, the elements of `out` (zeros without it) elsewhere."""
    from raskr.array.core import asanyarray, broadcast_to
    from raskr.array.routines import where as choose

    if isinstance(out, tuple):
        (out,) = out
    mask = asanyarray(where)
    if mask.dtype != _BOOL:
        raise TypeError(f"where of {name_of(op)} takes booleans, not {mask.dtype}")
    if out is None:
        return choose(mask, result, np.zeros((), dtype=result.dtype)[()])
    if not isinstance(out, Array):
        return choose(mask, result, asanyarray(out))
    check_broadcast([out.shape, mask.shape, result.shape], name_of(op))
    kept = wrap(out._expr, out._meta)
    return choose(mask, broadcast_to(result.astype(out.dtype), out.shape), kept)


# --- ufunc objects ------------------------------------------------------------------------------------------------
class ufunc:
    """A universal function of NumPy's that stays lazy when any argument is an `Array`.

    Arguments that hold no lazy array are given to NumPy itself. `out` takes an `Array`, which becomes the result;
    with `where`, elements that are left out are those of `out`, or zeros when there is none. The attributes `nin`,
    `nout`, `nargs`, `ntypes`, `types`, `identity` and `signature` are NumPy's.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.sqrt(da.arange(5, chunks=2) ** 2).compute()
    array([0., 1., 2., 3., 4.])
    """

    def __init__(self, ufunc: Any):
        if not isinstance(ufunc, (np.ufunc, da_frompyfunc)):
            raise TypeError(f"expected a numpy.ufunc or a frompyfunc, not {type(ufunc).__name__}")
        self._ufunc = ufunc
        self.__name__ = ufunc.__name__
        if isinstance(ufunc, np.ufunc):
            summary = f"`numpy.{ufunc.__name__}`, block by block and lazily, when an argument is an `Array`."
            self.__doc__ = compose(f"{summary} Otherwise NumPy's own result.", ufunc, f"numpy.{ufunc.__name__}")

    def __getattr__(self, key: str) -> Any:
        if key in _ATTRIBUTES:
            return getattr(self._ufunc, key)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_ATTRIBUTES]

    def __repr__(self) -> str:
        return repr(self._ufunc)

    def __reduce__(self) -> Any:
        return (type(self), (self._ufunc,))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out")
        lazy = (*args, kwargs.get("where"), *(out if isinstance(out, tuple) else (out,)))
        if not any(isinstance(x, Array) for x in lazy):
            # Collections with a way of their own, such as frames, are asked by NumPy.
            if any(map(is_node_source, args)) and not any(map(_foreign, args)):
                return elemwise(self._ufunc, *args, **kwargs)
            return self._ufunc(*args, **kwargs)
        if any(_foreign(x) for x in args):
            return self._ufunc(*args, **kwargs) if any(map(is_node_source, args)) else NotImplemented
        if len(args) != self._ufunc.nin:
            also = f", and the keywords {', '.join(map(repr, kwargs))}" if kwargs else ""
            raise TypeError(f"{self.__name__}() takes {self._ufunc.nin} arguments, {len(args)} were given{also}")
        return elemwise(self._ufunc, *args, **kwargs)

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        """Apply the function to every pair of an element of `A` and an element of `B`.

        The result has the axes of `A`, then those of `B`. Keyword arguments are those of a call, but for `out`.
        """
        if self.nin != 2:
            raise ValueError(f"outer product only supported for binary functions: {self.__name__} takes {self.nin}")
        if "out" in kwargs:
            raise ValueError("outer takes no out: its result is a new array")
        if not (isinstance(A, Array) or isinstance(B, Array)):
            return self._ufunc.outer(A, B, **kwargs)
        from raskr.array.core import asanyarray

        ndim_b = B.ndim if isinstance(B, Array) else np.ndim(B)
        if isinstance(A, (list, tuple, np.ndarray)) and np.ndim(A):
            A = asanyarray(A)
        if isinstance(A, Array):
            A = A[(...,) + (None,) * ndim_b]
        return self(A, B, **kwargs)


class da_frompyfunc:
    """A Python function made into a ufunc by `numpy.frompyfunc`, that can be pickled."""

    def __init__(self, func: Callable[..., Any], nin: int, nout: int):
        self._ufunc = np.frompyfunc(func, nin, nout)
        self._func = func
        self.nin = nin
        self.nout = nout
        self._name = name_of(func)
        self.__name__ = f"frompyfunc-{self._name}"

    def __repr__(self) -> str:
        return f"da.frompyfunc<{self._name}, {self.nin}, {self.nout}>"

    def __reduce__(self) -> Any:
        return (da_frompyfunc, (self._func, self.nin, self.nout))

    def __dask_tokenize__(self) -> Any:
        from raskr.base import normalize_token

        return (normalize_token(self._func), self.nin, self.nout)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ufunc(*args, **kwargs)

    def __getattr__(self, key: str) -> Any:
        if not key.startswith("_") and hasattr(np.ufunc, key):
            return getattr(self._ufunc, key)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in dir(np.ufunc) if not name.startswith("_"))]


def frompyfunc(func: Callable[..., Any], nin: int, nout: int) -> ufunc:
    """A ufunc that calls a Python function for every element; its results have the dtype object.

    Parameters
    ----------
    func : callable
        Called with `nin` scalars.
    nin, nout : int
        Numbers of inputs and outputs; one output is supported.

    Examples
    --------
    >>> import raskr.array as da
    >>> larger = da.frompyfunc(max, 2, 1)
    >>> larger(da.arange(4, chunks=2), 2).compute()
    array([2, 2, 2, 3], dtype=object)
    """
    if nout > 1:
        raise NotImplementedError(f"frompyfunc with {nout} outputs: only one output is supported")
    return ufunc(da_frompyfunc(func, nin, nout))
