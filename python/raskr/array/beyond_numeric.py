"""NumPy's products, sums and sets that Dask lacks, made of the functions that it has."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from raskr.array._apply import Expr, apply_out, normalize_axis, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.cumulative import cumprod, cumsum
from raskr.array.joining import concatenate, stack
from raskr.array.routines_numeric import diff
from raskr.array.routines_products import matmul, tensordot
from raskr.array.routines_sets import isin, unique
from raskr.array.routines_shape import moveaxis

__all__ = [
    "cross", "cumulative_prod", "cumulative_sum", "inner", "interp", "intersect1d", "kron", "matrix_transpose",
    "matvec", "real_if_close", "setdiff1d", "setxor1d", "sort_complex", "trapezoid", "unique_all", "unique_counts",
    "unique_inverse", "unique_values", "unwrap", "vecdot", "vecmat",
]  # fmt: skip


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


# --- products -------------------------------------------------------------------------------------------------------
@like_numpy(np.inner)
def inner(a, b):
    """Sums of products over the last axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.inner(da.ones(3), da.arange(3)).compute()
    np.float64(3.0)
    """
    a, b = _array(a), _array(b)
    return a * b if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, axes=(-1, -1))


@like_numpy(np.kron)
def kron(a, b):
    """The Kronecker product: each element of one array replaced by it times the other.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.kron([1, 10], [5, 6]).compute()
    array([ 5,  6, 50, 60])
    """
    a, b = _array(a), _array(b)
    ndim = a.ndim if a.ndim > b.ndim else b.ndim
    a = a[(None,) * (ndim - a.ndim) + (...,)]
    b = b[(None,) * (ndim - b.ndim) + (...,)]
    left = a[tuple(part for _ in range(ndim) for part in (slice(None), None))]
    right = b[tuple(part for _ in range(ndim) for part in (None, slice(None)))]
    return (left * right).reshape(tuple(int(n) * int(m) for n, m in zip(a.shape, b.shape)))


@like_numpy(np.cross)
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Cross products of vectors of three elements along an axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.cross([1, 0, 0], [0, 1, 0]).compute()
    array([0, 0, 1])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(_array(a), axisa, -1), moveaxis(_array(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross takes vectors of 3 elements, got {a.shape[-1]} and {b.shape[-1]}")
    x, y = ([v[..., n] for n in range(3)] for v in (a, b))
    parts = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
    result = stack(parts, axis=-1)
    return moveaxis(result.rechunk({-1: -1}), -1, axisc)


def vecdot(x1, x2, /, *, axis=-1):
    """Sums of products of vectors along an axis, the first of them conjugated.

    Parameters
    ----------
    x1, x2 : array_like
        The vectors.
    axis : int
        Their axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.vecdot(da.ones((2, 3)), da.arange(3)).compute()
    array([3., 3.])
    """
    products = _array(x1).conj() * _array(x2)
    return products.sum(axis=axis, dtype=products.dtype)


def matvec(x1, x2, /):
    """Products of matrices, in the last two axes, and vectors, in the last.

    Parameters
    ----------
    x1, x2 : array_like
        The matrices and the vectors.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.matvec(da.ones((4, 2, 3)), da.arange(3.0)).shape
    (4, 2)
    """
    return matmul(_array(x1), _array(x2)[..., None])[..., 0]


def vecmat(x1, x2, /):
    """Products of vectors, in the last axis and conjugated, and matrices, in the last two.

    Parameters
    ----------
    x1, x2 : array_like
        The vectors and the matrices.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.vecmat(da.arange(2.0), da.ones((4, 2, 3))).shape
    (4, 3)
    """
    return matmul(_array(x1).conj()[..., None, :], _array(x2))[..., 0, :]


def matrix_transpose(x, /):
    """The array with its last two axes exchanged.

    Parameters
    ----------
    x : array_like
        Of two axes or more.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.matrix_transpose(da.ones((4, 2, 3))).shape
    (4, 3, 2)
    """
    x = _array(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose takes an array of two axes or more, got {x.ndim}")
    return moveaxis(x, -1, -2)


# --- sums, polynomials, interpolation -------------------------------------------------------------------------------
def _cumulative(scan: Any, start: int, x: Any, axis: Any, dtype: Any, include_initial: bool, out: Any) -> Array:
    x = _array(x)
    if axis is None and x.ndim != 1:
        raise ValueError(f"axis must be given for an array with {x.ndim} axes")
    axis = normalize_axis(0 if axis is None else axis, x.ndim)
    result = scan(x, axis=axis, dtype=dtype)
    if include_initial:
        from raskr.array.padding import pad

        widths = [(1, 0) if n == axis else (0, 0) for n in range(x.ndim)]
        result = pad(result, widths, constant_values=start)
    return apply_out(result, out)


def cumulative_sum(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
    """Running sum along an axis.

    Parameters
    ----------
    x : array_like
        What is summed.
    axis : int, optional
        May be left out where there is only one.
    dtype : dtype, optional
        Element type of the result.
    out : Array, optional
        Becomes the result.
    include_initial : bool
        Whether the result begins with 0.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.cumulative_sum(da.arange(1, 4), include_initial=True).compute()
    array([0, 1, 3, 6])
    """
    return _cumulative(cumsum, 0, x, axis, dtype, include_initial, out)


def cumulative_prod(x, /, *, axis=None, dtype=None, out=None, include_initial=False):
    """Running product along an axis.

    Parameters
    ----------
    x : array_like
        What is multiplied.
    axis : int, optional
        May be left out where there is only one.
    dtype : dtype, optional
        Element type of the result.
    out : Array, optional
        Becomes the result.
    include_initial : bool
        Whether the result begins with 1.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.cumulative_prod(da.arange(1, 4)).compute()
    array([1, 2, 6])
    """
    return _cumulative(cumprod, 1, x, axis, dtype, include_initial, out)


def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral along an axis by the trapezoidal rule.

    Parameters
    ----------
    y : array_like
        What is integrated.
    x : array_like, optional
        Where the elements are; by default `dx` apart.
    dx : scalar
        Their distance.
    axis : int
        The axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.trapezoid(da.asarray([1.0, 2.0, 4.0])).compute()
    np.float64(4.5)
    """
    y = moveaxis(_array(y), axis, -1)
    if x is None:
        width: Any = dx
    else:
        x = _array(x)
        width = diff(x) if x.ndim == 1 else diff(moveaxis(x, axis, -1))
    return ((y[..., 1:] + y[..., :-1]) * width / 2.0).sum(axis=-1)


@like_numpy(np.interp)
def interp(x, xp, fp, left=None, right=None, period=None):
    """Linear interpolation between given points; `xp` and `fp` go to every block whole.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.interp(da.asarray([0.5, 1.5]), [0, 1, 2], [0, 10, 30]).compute()
    array([ 5., 20.])
    """
    x = _array(x)
    inds = tuple(range(x.ndim))
    points = [(v._expr.node() if isinstance(v, Array) else np.asarray(v), None) for v in (xp, fp)]
    dtype = np.dtype(complex if getattr(fp, "dtype", np.asarray(fp).dtype).kind == "c" else float)
    expr = Expr.blockwise(
        np.interp, inds, [(x._expr, inds), *points], x.chunks, dtype, True,
        {"left": left, "right": right, "period": period}, label="interp",
    )  # fmt: skip
    return wrap(expr)


@like_numpy(np.unwrap)
def unwrap(p, discont=None, axis=-1, *, period=2 * np.pi):
    """The array with jumps along an axis that are more than half a period taken away by adding whole periods.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.unwrap(da.asarray([0, 1, 2, -1, 0]), period=4).compute()
    array([0, 1, 2, 3, 4])
    """
    from raskr.array.routines_select import where
    from raskr.array.ufunc import absolute, mod

    p = _array(p)
    axis = normalize_axis(axis, p.ndim)
    steps = diff(p, axis=axis)
    dtype = np.result_type(steps.dtype, period)
    if dtype.kind in "iu":
        half, odd = divmod(period, 2)
        ambiguous = odd == 0
    else:
        half, ambiguous = period / 2, True
    limit = period / 2 if discont is None else discont
    wrapped = mod(steps + half, period) - half
    if ambiguous:
        # A jump of exactly half a period keeps its direction.
        wrapped = where((wrapped == -half) & (steps > 0), half, wrapped)
    moved = where(absolute(steps) < limit, 0, wrapped - steps)
    first = (slice(None),) * axis
    result = p.astype(dtype)
    rest = result[(*first, slice(1, None))] + cumsum(moved, axis=axis)
    joined = concatenate([result[(*first, slice(0, 1))], rest.astype(dtype)], axis=axis)
    return joined if joined.chunks == p.chunks else joined.rechunk(p.chunks)


# --- complex numbers ------------------------------------------------------------------------------------------------
@like_numpy(np.sort_complex)
def sort_complex(a):
    """The elements as complex numbers, in ascending order along the last axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.sort_complex(da.asarray([3, 1, 2])).compute()
    array([1.+0.j, 2.+0.j, 3.+0.j])
    """
    from raskr.array.sorting import sort

    a = sort(_array(a))
    if a.dtype.kind == "c":
        return a
    return a.astype({"b": "F", "h": "F", "B": "F", "H": "F", "g": "G"}.get(a.dtype.char, "D"))


@like_numpy(np.real_if_close)
def real_if_close(a, tol=100):
    """The real parts of complex elements where all imaginary parts are close to zero, else the array as it is.

    Which of the two it is decides the element type, so that imaginary parts are looked at at once.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.real_if_close(da.asarray([2.1 + 4e-14j, 5.2 + 3e-15j]), tol=1000).compute()
    array([2.1, 5.2])
    """
    from raskr.array.ufunc import absolute, imag, real

    a = _array(a)
    if a.dtype.kind != "c":
        return a
    if tol > 1:
        tol = float(np.finfo(a.dtype).eps) * tol
    return real(a) if bool((absolute(imag(a)) < tol).all().compute()) else a


# --- sets -----------------------------------------------------------------------------------------------------------
UniqueAllResult = namedtuple("UniqueAllResult", ("values", "indices", "inverse_indices", "counts"))
UniqueCountsResult = namedtuple("UniqueCountsResult", ("values", "counts"))
UniqueInverseResult = namedtuple("UniqueInverseResult", ("values", "inverse_indices"))


def unique_all(x):
    """The unique elements with their first positions, the number of each element's, and counts.

    Parameters
    ----------
    x : array_like
        The elements.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.unique_all(da.asarray([3, 1, 3])).counts.compute()
    array([1, 2])
    """
    return UniqueAllResult(*unique(x, return_index=True, return_inverse=True, return_counts=True))


def unique_counts(x):
    """The unique elements and how often each is there.

    Parameters
    ----------
    x : array_like
        The elements.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.unique_counts(da.asarray([3, 1, 3])).values.compute()
    array([1, 3])
    """
    return UniqueCountsResult(*unique(x, return_counts=True))


def unique_inverse(x):
    """The unique elements and the number of each element's among them.

    Parameters
    ----------
    x : array_like
        The elements.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.unique_inverse(da.asarray([3, 1, 3])).inverse_indices.compute()
    array([1, 0, 1])
    """
    return UniqueInverseResult(*unique(x, return_inverse=True))


def unique_values(x):
    """The unique elements.

    Parameters
    ----------
    x : array_like
        The elements.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.unique_values(da.asarray([3, 1, 3])).compute()
    array([1, 3])
    """
    return unique(x)


@like_numpy(np.intersect1d)
def intersect1d(ar1, ar2, assume_unique=False, return_indices=False):
    """The unique elements that two arrays share, in ascending order; with `return_indices` also where each first is.

    `assume_unique` is accepted for likeness: elements are made unique in any case.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.intersect1d(da.asarray([3, 1, 2]), [2, 3, 4]).compute()
    array([2, 3])
    """
    if not return_indices:
        values = unique(ar1)
        return values[isin(values, unique(ar2))]
    values, first = unique(ar1, return_index=True)
    others, second = unique(ar2, return_index=True)
    shared = isin(values, others)
    return values[shared], first[shared], second[isin(others, values)]


@like_numpy(np.setdiff1d)
def setdiff1d(ar1, ar2, assume_unique=False):
    """The unique elements of one array that are not in another, in ascending order.

    With `assume_unique`, all elements that are not in the other, in the order that they have.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.setdiff1d(da.asarray([3, 1, 2]), [2, 3, 4]).compute()
    array([1])
    """
    values = _array(ar1).reshape(-1) if assume_unique else unique(ar1)
    return values[isin(values, unique(ar2), invert=True)]


@like_numpy(np.setxor1d)
def setxor1d(ar1, ar2, assume_unique=False):
    """The unique elements that are in one of two arrays only, in ascending order.

    `assume_unique` is accepted for likeness: elements are made unique in any case.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.setxor1d(da.asarray([3, 1, 2]), [2, 3, 4]).compute()
    array([1, 4])
    """
    values, counts = unique(concatenate([unique(ar1), unique(ar2)]), return_counts=True)
    return values[counts == 1]
