"""Choosing elements: `where` and its kin, positions of what is not zero, taking, comparing with tolerances."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskr.array._apply import (
    INTP,
    Expr,
    blockwise_elementwise,
    check_broadcast,
    is_node_source,
    map_native,
    normalize_axis,
    wrap,
)
from raskr.array._docs import like_numpy
from raskr.array.collection import Array, need_known_chunks
from raskr.array.elementwise import as_operand, native_call
from raskr.array.utils import has_unknown, is_native_dtype

_BOOL = np.dtype(bool)


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


def _kind(x: Any) -> Any:
    """What an operand counts as in type promotion: Python's own numbers give way to arrays."""
    return x if type(x) in (int, float, complex) else getattr(x, "dtype", None) or np.asarray(x).dtype


# --- where ----------------------------------------------------------------------------------------------------------
@like_numpy(np.where)
def where(condition, x=None, y=None):
    """Elements of `x` where the condition holds, of `y` elsewhere; with the condition alone, the same as `nonzero`.

    Examples
    --------
    >>> import raskr.array as da
    >>> a = da.arange(6, chunks=3)
    >>> da.where(a < 3, a, 10 * a).compute()
    array([ 0,  1,  2, 30, 40, 50])
    """
    if (x is None) != (y is None):
        raise ValueError("where: either both or neither of x and y should be given")
    if x is None:
        return nonzero(condition)
    if np.isscalar(condition):
        from raskr.array.core import broadcast_to

        dtype = np.result_type(_kind(x), _kind(y))
        x, y = _array(x), _array(y)
        shape = check_broadcast([x.shape, y.shape], "where")
        chosen = x if condition else y
        if chosen.shape != shape:
            chosen = broadcast_to(chosen, shape)
        return chosen if chosen.dtype == dtype else chosen.astype(dtype)
    operands = [as_operand(v) for v in (condition, x, y)]
    if not any(isinstance(v, Array) for v in operands):
        operands[0] = _array(condition)
    if not any(is_node_source(v) for v in operands):
        dtype = np.result_type(_kind(operands[1]), _kind(operands[2]))
        native = native_call("where", operands, (_BOOL, dtype, dtype))
        if native is not None:
            return native
    return blockwise_elementwise(np.where, operands, label="where")


def isnonzero(a: Any) -> Array:
    """Whether elements are not zero; for strings whether they are not empty, for objects whether they are true."""
    x = _array(a)
    if x.dtype == _BOOL:
        return x
    if x._expr.native or x.dtype.kind in "OUSb":
        return x.astype(bool)
    return map_native(_truth, x, bool, label="isnonzero")


def _truth(block: Any) -> Any:
    return (block if hasattr(block, "todense") else np.asarray(block)).astype(bool)


@like_numpy(np.flatnonzero)
def flatnonzero(a):
    """Row-major positions of the elements that are not zero; how many is known once it is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.flatnonzero(da.arange(-2, 3, chunks=2)).compute()
    array([0, 1, 3, 4])
    """
    from raskr.array.creation import arange

    x = _array(a)
    need_known_chunks(x, "flatnonzero")
    flat = isnonzero(x).reshape(-1)
    return arange(flat.shape[0], dtype=INTP, chunks=flat.chunks)[flat]


def _positions(flat: Any, shape: tuple[int, ...], axis: int) -> Any:
    return np.unravel_index(flat, shape)[axis]


def _position_rows(flat: Any, shape: tuple[int, ...]) -> Any:
    if not shape:
        return np.empty((len(flat), 0), dtype=INTP)
    return np.stack(np.unravel_index(flat, shape), axis=-1)


@like_numpy(np.nonzero)
def nonzero(a):
    """Positions of the elements that are not zero, an array for each axis; how many is known once they are computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> rows, columns = da.nonzero(da.eye(3, chunks=2))
    >>> rows.compute(), columns.compute()
    (array([0, 1, 2]), array([0, 1, 2]))
    """
    x = _array(a)
    if x.ndim == 0:
        raise ValueError("nonzero of an array without axes: use atleast_1d(x).nonzero()")
    flat = flatnonzero(x)
    if x.ndim == 1:
        return (flat,)
    return tuple(map_native(_positions, flat, INTP, label="nonzero", shape=x.shape, axis=n) for n in range(x.ndim))


@like_numpy(np.argwhere)
def argwhere(a):
    """Positions of the elements that are not zero, a row for each; how many is known once they are computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.argwhere(da.eye(2)).compute()
    array([[0, 0],
           [1, 1]])
    """
    x = _array(a)
    flat = flatnonzero(x)
    expr = Expr.blockwise(
        _position_rows, (0, 1), [(flat._expr, (0,))], (flat.chunks[0], (x.ndim,)), INTP, True,
        kwargs={"shape": x.shape}, label="argwhere",
    )  # fmt: skip
    return wrap(expr)


# --- several choices ------------------------------------------------------------------------------------------------
def _choose(index: Any, *choices: Any) -> Any:
    return np.choose(index, choices)


@like_numpy(np.choose)
def choose(a, choices):
    """For each element of `a`, the element of the choice of that number.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.choose(da.asarray([0, 1, 0]), [da.zeros(3), 5.0]).compute()
    array([0., 5., 0.])
    """
    operands = [as_operand(_array(a)), *(as_operand(choice) for choice in choices)]
    metas = [np.zeros((1,) * x.ndim, dtype=x.dtype) if isinstance(x, Array) else x for x in operands]
    if metas[0].dtype.kind == "b":
        metas[0] = metas[0].astype(INTP)
    dtype = np.choose(metas[0], metas[1:]).dtype
    ndim = max(x.ndim for x in operands if isinstance(x, Array))
    return blockwise_elementwise(
        _choose, operands, dtype=dtype, meta=np.empty((0,) * ndim, dtype=dtype), label="choose"
    )


@like_numpy(np.select)
def select(condlist, choicelist, default=0):
    """Elements of the first choice whose condition holds, of `default` where none does.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.arange(6, chunks=3)
    >>> da.select([x < 2, x > 3], [x, x**2], default=-1).compute()
    array([ 0,  1, -1, -1, 16, 25])
    """
    conditions, choices = list(condlist), list(choicelist)
    if len(conditions) != len(choices):
        raise ValueError(f"select takes a choice for each condition, got {len(choices)} and {len(conditions)}")
    if not conditions:
        raise ValueError("select with an empty condition list is not possible")
    for number, condition in enumerate(conditions):
        if (
            getattr(condition, "dtype", np.asarray(condition).dtype if not isinstance(condition, Array) else None)
            != _BOOL
        ):
            raise TypeError(f"condition {number} of select must be of booleans")
    dtype = np.result_type(*(_kind(choice) for choice in choices), _kind(default))
    result: Any = default if isinstance(default, Array) else np.asarray(default).astype(dtype)[()]
    for condition, choice in zip(reversed(conditions), reversed(choices)):
        condition = _array(condition)
        result = where(condition, choice, result)
    return result if result.dtype == dtype else result.astype(dtype)


class _Piecewise:
    """`numpy.piecewise` on a block and the blocks of its conditions."""

    def __init__(self, functions: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.functions = list(functions)
        self.args = args
        self.kwargs = kwargs

    def __call__(self, x: Any, *conditions: Any) -> Any:
        return np.piecewise(x, list(conditions), self.functions, *self.args, **self.kwargs)


@like_numpy(np.piecewise)
def piecewise(x, condlist, funclist, *args, **kw):
    """Functions of the elements, each where its condition holds; blocks are given to them as NumPy gives whole arrays.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.arange(-2, 3, chunks=2)
    >>> da.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: 10 * v]).compute()
    array([ 2,  1,  0, 10, 20])
    """
    x = _array(x)
    if not isinstance(condlist, (list, tuple)):
        condlist = [condlist]
    call = _Piecewise(funclist, args, kw)
    operands = [x, *(_array(condition) for condition in condlist)]
    return blockwise_elementwise(call, operands, dtype=x.dtype, meta=x._meta, label="piecewise")


# --- taking ---------------------------------------------------------------------------------------------------------
def _take_block(indices: Any, source: Any, axis: int) -> Any:
    return np.take(source, indices, axis=axis)


@like_numpy(np.take)
def take(a, indices, axis=0):
    """Elements at positions along an axis. `a` may be a NumPy array when the positions are lazy.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.take(da.arange(10, 20, chunks=4), [7, 0, 0]).compute()
    array([17, 10, 10])
    """
    if axis is None:
        a, axis = _array(a).reshape(-1), 0
    axis = normalize_axis(axis, a.ndim if hasattr(a, "ndim") else np.ndim(a))
    if isinstance(indices, Array) and not isinstance(a, Array):
        source = np.asarray(a)
        before, after = source.shape[:axis], source.shape[axis + 1 :]
        out = tuple(range(len(before) + indices.ndim + len(after)))
        inner = out[len(before) : len(before) + indices.ndim]
        chunks = (*((n,) for n in before), *indices.chunks, *((n,) for n in after))
        expr = Expr.blockwise(
            _take_block, out, [(indices._expr, inner)], chunks, source.dtype, is_native_dtype(source.dtype),
            kwargs={"source": source, "axis": axis}, label="take",
        )  # fmt: skip
        return wrap(expr, np.empty((0,) * len(out), dtype=source.dtype))
    return _array(a)[(slice(None),) * axis + (indices,)]


@like_numpy(np.compress)
def compress(condition, a, axis=None):
    """Elements along an axis where a condition of one axis holds; what is beyond the condition's end is left out.

    With a lazy condition, the length along the axis is known once it is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.compress([True, False, True], da.arange(5, chunks=2)).compute()
    array([0, 2])
    """
    a = _array(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    axis = normalize_axis(axis, a.ndim)
    if not isinstance(condition, Array):
        condition = np.asarray(condition)
    condition = condition.astype(bool)
    if condition.ndim != 1:
        raise ValueError(f"compress takes a condition of one axis, not {condition.ndim}")
    size = condition.shape[0]
    if size == size and size < a.shape[axis]:
        a = a[(slice(None),) * axis + (slice(None, int(size)),)]
    return a[(slice(None),) * axis + (condition,)]


@like_numpy(np.extract)
def extract(condition, arr):
    """Elements of the flattened array where the flattened condition holds.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.arange(5, chunks=2)
    >>> da.extract(x % 2 == 0, x).compute()
    array([0, 2, 4])
    """
    if not isinstance(condition, Array):
        condition = np.asarray(condition)
    return compress(condition.astype(bool).reshape(-1), _array(arr).reshape(-1))


# --- comparing ------------------------------------------------------------------------------------------------------
@like_numpy(np.isclose)
def isclose(arr1, arr2, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether elements are equal within tolerances, relative to `arr2`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.isclose(da.asarray([1.0, 2.0]), [1.0, 2.1]).compute()
    array([ True, False])
    """
    operands = [as_operand(arr1), as_operand(arr2)]
    kinds = [np.asarray(x).dtype.kind if not hasattr(x, "dtype") else x.dtype.kind for x in operands]
    plain = all(not isinstance(x, Array) or x._expr.native for x in operands)
    if any(isinstance(x, Array) for x in operands) and plain and all(kind in "biuf" for kind in kinds):
        from raskr.array import ufunc

        x, y = operands
        y = y * 1.0
        close = ufunc.less_equal(ufunc.absolute(ufunc.subtract(x, y)), atol + rtol * ufunc.absolute(y))
        result = ufunc.logical_or(ufunc.logical_and(close, ufunc.isfinite(y)), ufunc.equal(x, y))
        if equal_nan:
            result = ufunc.logical_or(result, ufunc.logical_and(ufunc.not_equal(x, x), ufunc.not_equal(y, y)))
        return result
    if not any(isinstance(x, Array) for x in operands):
        operands[0] = _array(operands[0])
    compare = functools.partial(np.isclose, rtol=rtol, atol=atol, equal_nan=equal_nan)
    return blockwise_elementwise(compare, operands, dtype=bool, label="isclose")


@like_numpy(np.allclose)
def allclose(arr1, arr2, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are equal within tolerances, as a lazy array without axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> bool(da.allclose(da.ones(3), 1.0).compute())
    True
    """
    return isclose(arr1, arr2, rtol=rtol, atol=atol, equal_nan=equal_nan).all()


def _missing_objects(block: Any) -> Any:
    flat = np.asarray(block, dtype=object).reshape(-1)
    return np.fromiter((_is_missing(v) for v in flat), dtype=bool, count=len(flat)).reshape(np.shape(block))


def _is_missing(value: Any) -> bool:
    return value is None or (not hasattr(value, "__len__") and bool(value != value))


def isnull(values):
    """Whether elements are missing: NaN, NaT, or for objects None.

    Parameters
    ----------
    values : array_like
        What is looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.isnull(da.asarray([1.0, np.nan])).compute()
    array([False,  True])
    """
    from raskr.array import ufunc

    x = _array(values)
    if x.dtype.kind in "fc":
        return ufunc.isnan(x)
    if x.dtype.kind in "mM":
        return ufunc.isnat(x)
    if x.dtype.kind == "O":
        return map_native(_missing_objects, x, bool, label="isnull")
    from raskr.array.creation import zeros_like

    return zeros_like(x, dtype=bool)


def notnull(values):
    """Whether elements are not missing: the opposite of `isnull`.

    Parameters
    ----------
    values : array_like
        What is looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> da.notnull(da.asarray([1.0, np.nan])).compute()
    array([ True, False])
    """
    return ~isnull(values)


# --- indices --------------------------------------------------------------------------------------------------------
def _unravelled(block: Any, shape: Any, order: str, axis: int) -> Any:
    return np.unravel_index(block, shape, order)[axis]


@like_numpy(np.unravel_index)
def unravel_index(indices, shape, order="C"):
    """Positions along each axis, from positions in the flattened array.

    Examples
    --------
    >>> import raskr.array as da
    >>> rows, columns = da.unravel_index(da.asarray([0, 5]), (2, 3))
    >>> rows.compute(), columns.compute()
    (array([0, 1]), array([0, 2]))
    """
    x = _array(indices)
    if x.dtype.kind not in "iu":
        raise TypeError(f"only int indices permitted in unravel_index, got {x.dtype}")
    shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    return tuple(
        map_native(_unravelled, x, INTP, label="unravel_index", shape=shape, order=order, axis=axis)
        for axis in range(len(shape))
    )


def _ravelled(*parts: Any, dims: Any, mode: Any, order: str) -> Any:
    return np.asarray(np.ravel_multi_index(parts, dims, mode=mode, order=order))


def _ravelled_rows(rows: Any, dims: Any, mode: Any, order: str) -> Any:
    return np.asarray(np.ravel_multi_index(tuple(rows), dims, mode=mode, order=order))


def _ravel_one_array(x: Array, dims: Any, mode: Any, order: str) -> Array:
    if x.dtype.kind not in "iu":
        raise TypeError(f"only int indices permitted in ravel_multi_index, got {x.dtype}")
    inds = tuple(range(x.ndim))
    expr = Expr.blockwise(
        _ravelled_rows, inds[1:], [(x._expr, inds)], x.chunks[1:], INTP, True,
        kwargs={"dims": dims, "mode": mode, "order": order}, concatenate=True, label="ravel_multi_index",
    )  # fmt: skip
    return wrap(expr)


@like_numpy(np.ravel_multi_index)
def ravel_multi_index(multi_index, dims, mode="raise", order="C"):
    """Positions in the flattened array, from positions along each axis.

    `multi_index` is a sequence of arrays that broadcast, or one array whose first axis counts the axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ravel_multi_index((da.asarray([0, 1]), da.asarray([0, 2])), (2, 3)).compute()
    array([0, 5])
    """
    lazy = (is_node_source(d) or isinstance(d, Array) for d in (dims if isinstance(dims, (list, tuple)) else (dims,)))
    if any(lazy):
        raise NotImplementedError(
            "Dask types are not supported in dims of ravel_multi_index, nor raskr's own: compute them"
        )
    if isinstance(multi_index, Array):
        return _ravel_one_array(multi_index, dims, mode, order)
    parts = [_array(part) for part in multi_index]
    for part in parts:
        if part.dtype.kind not in "iu":
            raise TypeError(f"only int indices permitted in ravel_multi_index, got {part.dtype}")
    if len(parts) > 1 and any(has_unknown(part.chunks) for part in parts):
        raise ValueError(
            f"Arrays' chunk sizes {[part.chunks for part in parts]} are unknown, so that they can't be lined up."
            "\n\nA possible solution:\n  x.compute_chunk_sizes()"
        )
    ndim = max(part.ndim for part in parts)
    call = functools.partial(_ravelled, dims=dims, mode=mode, order=order)
    return blockwise_elementwise(call, parts, dtype=INTP, meta=np.empty((0,) * ndim, INTP), label="ravel_multi_index")


# --- triangles ------------------------------------------------------------------------------------------------------
def _triangle(m: Any, k: int, lower: bool) -> Array:
    from raskr.array.creation import tri

    m = _array(m)
    if m.ndim < 2:
        raise ValueError(f"a triangle needs at least two axes, got {m.ndim}")
    mask = tri(*m.shape[-2:], k=k if lower else k - 1, dtype=bool, chunks=m.chunks[-2:])
    zero = np.zeros((), dtype=m.dtype)[()]
    return where(mask, m, zero) if lower else where(mask, zero, m)


@like_numpy(np.tril)
def tril(m, k=0):
    """The array with zeros above a diagonal of its last two axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.tril(da.ones((2, 2), dtype=int)).compute()
    array([[1, 0],
           [1, 1]])
    """
    return _triangle(m, k, lower=True)


@like_numpy(np.triu)
def triu(m, k=0):
    """The array with zeros below a diagonal of its last two axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.triu(da.ones((2, 2), dtype=int)).compute()
    array([[1, 1],
           [0, 1]])
    """
    return _triangle(m, k, lower=False)


@like_numpy(np.tril_indices)
def tril_indices(n, k=0, m=None, chunks="auto"):
    """Row and column numbers of the elements at and below a diagonal.

    Examples
    --------
    >>> import raskr.array as da
    >>> [i.compute().tolist() for i in da.tril_indices(2)]
    [[0, 1, 1], [0, 0, 1]]
    """
    from raskr.array.creation import tri

    return nonzero(tri(n, m, k=k, dtype=bool, chunks=chunks))


@like_numpy(np.triu_indices)
def triu_indices(n, k=0, m=None, chunks="auto"):
    """Row and column numbers of the elements at and above a diagonal.

    Examples
    --------
    >>> import raskr.array as da
    >>> [i.compute().tolist() for i in da.triu_indices(2)]
    [[0, 0, 1], [0, 1, 1]]
    """
    from raskr.array.creation import tri

    return nonzero(~tri(n, m, k=k - 1, dtype=bool, chunks=chunks))


def _indices_from(arr: Any, k: int, function: Callable[..., Any]) -> Any:
    if arr.ndim != 2:
        raise ValueError(f"input array must be 2-d, got {arr.ndim} axes")
    return function(arr.shape[-2], k=k, m=arr.shape[-1], chunks=arr.chunks)


@like_numpy(np.tril_indices_from)
def tril_indices_from(arr, k=0):
    """Row and column numbers of the elements at and below a diagonal of an array.

    Examples
    --------
    >>> import raskr.array as da
    >>> [i.compute().tolist() for i in da.tril_indices_from(da.ones((2, 2)))]
    [[0, 1, 1], [0, 0, 1]]
    """
    return _indices_from(_array(arr), k, tril_indices)


@like_numpy(np.triu_indices_from)
def triu_indices_from(arr, k=0):
    """Row and column numbers of the elements at and above a diagonal of an array.

    Examples
    --------
    >>> import raskr.array as da
    >>> [i.compute().tolist() for i in da.triu_indices_from(da.ones((2, 2)))]
    [[0, 0, 1], [0, 1, 1]]
    """
    return _indices_from(_array(arr), k, triu_indices)
