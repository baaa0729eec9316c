"""NumPy's names of linear algebra that Dask lacks, made of the factorisations that it has."""

from __future__ import annotations

import operator
from collections import namedtuple
from typing import Any

import numpy as np

from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.factor import as_matrix, svd
from raskr.array.linalg_stacks import apply_stacked, as_array, eigvalsh, matrices
from raskr.array.routines_products import dot, matmul
from raskr.array.systems import inv, lu, norm

__all__ = [
    "cond", "det", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "pinv", "slogdet", "svdvals",
    "vector_norm",
]  # fmt: skip

SlogdetResult = namedtuple("SlogdetResult", ("sign", "logabsdet"))


def _parity_of_block(order: Any) -> Any:
    """The sign of the permutation that a matrix stands for: -1 for every cycle of an even length."""
    rows = np.argmax(order, axis=0)
    seen = np.zeros(len(rows), dtype=bool)
    sign = 1.0
    for start in range(len(rows)):
        length = 0
        while not seen[start]:
            seen[start] = True
            start = rows[start]
            length += 1
        if length and length % 2 == 0:
            sign = -sign
    return np.asarray(sign)


@like_numpy(np.linalg.slogdet, name="numpy.linalg.slogdet")
def slogdet(a):
    """Sign and logarithm of the determinants of square matrices; a single one has the same chunks along both axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> sign, logarithm = da.linalg.slogdet(da.asarray([[0.0, 2.0], [1.0, 0.0]]))
    >>> float(sign.compute()), round(float(logarithm.compute()), 6)
    (-1.0, 0.693147)
    """
    from raskr.array._apply import Expr, wrap
    from raskr.array.creation import diagonal
    from raskr.array.routines_select import where
    from raskr.array.ufunc import absolute, log

    a = as_array(a)
    if a.ndim > 2:
        a = matrices(a, "slogdet", square=True)
        return SlogdetResult(*apply_stacked(np.linalg.slogdet, "(n,n)->(),()", a))
    order, _, upper = lu(as_matrix(a, "slogdet"))
    parity = Expr.blockwise(
        _parity_of_block, (), [(order.rechunk(-1)._expr, (0, 1))], (), np.dtype(float), True, concatenate=True,
        label="parity",
    )  # fmt: skip
    line = diagonal(upper)
    size = absolute(line)
    # A zero on the diagonal makes the sign zero, as its own sign is.
    signs = line / where(size == 0, 1, size)
    return SlogdetResult(wrap(parity) * signs.prod(), log(size).sum())


@like_numpy(np.linalg.det, name="numpy.linalg.det")
def det(a):
    """The determinants of square matrices; a single one has the same chunks along both axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> float(da.linalg.det(da.asarray([[2.0, 1.0], [1.0, 3.0]])).compute().round(6))
    5.0
    """
    from raskr.array.ufunc import exp

    a = as_array(a)
    if a.ndim > 2:
        return apply_stacked(np.linalg.det, "(n,n)->()", matrices(a, "det", square=True))
    sign, logarithm = slogdet(a)
    return sign * exp(logarithm)


def svdvals(x, /):
    """The singular values of matrices, in descending order.

    Parameters
    ----------
    x : array_like
        A matrix that is cut along one axis at most, or a stack of matrices.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.svdvals(da.asarray([[3.0, 0.0], [0.0, 4.0]])).compute()
    array([4., 3.])
    """
    x = as_array(x)
    if x.ndim > 2:
        count = min(x.shape[-2:])
        x = matrices(x, "svdvals")
        return apply_stacked(np.linalg.svdvals, "(m,n)->(k)", x, output_sizes={"k": count})
    return svd(x)[1]


@like_numpy(np.linalg.cond, name="numpy.linalg.cond")
def cond(x, p=None):
    """The condition numbers of matrices: the products of their norms and those of their inverses.

    Examples
    --------
    >>> import raskr.array as da
    >>> float(da.linalg.cond(da.asarray([[2.0, 0.0], [0.0, 4.0]])).compute())
    2.0
    """
    if p in (None, 2, -2):
        values = svdvals(x)
        return values[..., 0] / values[..., -1] if p != -2 else values[..., -1] / values[..., 0]
    return norm(x, p, axis=(-2, -1)) * norm(inv(x), p, axis=(-2, -1))


@like_numpy(np.linalg.matrix_rank, name="numpy.linalg.matrix_rank")
def matrix_rank(A, tol=None, hermitian=False, *, rtol=None):
    """How many singular values of each matrix are larger than a tolerance.

    Examples
    --------
    >>> import raskr.array as da
    >>> int(da.linalg.matrix_rank(da.ones((4, 3))).compute())
    1
    """
    a = as_array(A)
    if tol is not None and rtol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    if a.ndim < 2:
        return (a != 0).any().astype(int)
    values = abs(eigvalsh(a)) if hermitian else svdvals(a)
    if tol is None:
        eps = max(a.shape[-2:]) * np.finfo(values.dtype).eps
        limit = values.max(axis=-1, keepdims=True) * (eps if rtol is None else _column(rtol))
    else:
        limit = _column(tol)
    return (values > limit).sum(axis=-1)


def _column(tolerance: Any) -> Any:
    """A tolerance, or one for each matrix, to compare lines of values with."""
    return tolerance if np.ndim(tolerance) == 0 else tolerance[..., None]


@like_numpy(np.linalg.pinv, name="numpy.linalg.pinv")
def pinv(a, rcond=None, hermitian=False, *, rtol=None):
    """The Moore-Penrose inverse of a matrix that is cut along one axis at most, or of each matrix of a stack.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.pinv(da.asarray([[2.0], [0.0]])).compute()
    array([[0.5, 0. ]])
    """
    from raskr.array.routines_select import where

    if rcond is not None and rtol is not None:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    a = as_array(a)
    rcond = rtol if rcond is None else rcond
    if a.ndim > 2:
        options = {} if rcond is None else {"rtol": rcond}
        return apply_stacked(np.linalg.pinv, "(m,n)->(n,m)", matrices(a, "pinv"), hermitian=hermitian, **options)
    a = as_matrix(a, "pinv")
    u, s, v = svd(a)
    limit = s[0] * (max(a.shape) * np.finfo(s.dtype).eps if rcond is None else rcond)
    kept = s > limit
    inverse = where(kept, 1 / where(kept, s, 1.0), 0.0)
    return dot(v.T.conj() * inverse, u.T.conj())


@like_numpy(np.linalg.matrix_power, name="numpy.linalg.matrix_power")
def matrix_power(a, n):
    """Square matrices multiplied with themselves, or for negative powers their inverses.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.matrix_power(da.asarray([[1, 1], [0, 1]]), 3).compute()
    array([[1, 3],
           [0, 1]])
    """
    from raskr.array.core import broadcast_to
    from raskr.array.creation import eye

    a = as_array(a)
    if a.ndim < 2 or a.shape[-2] != a.shape[-1]:
        raise np.linalg.LinAlgError(f"matrix_power: Last 2 dimensions of the array must be square, got shape {a.shape}")
    n = operator.index(n)
    if n == 0:
        one = eye(int(a.shape[-1]), chunks=a.chunks[-2:], dtype=a.dtype)
        return one if a.ndim == 2 else broadcast_to(one, a.shape, chunks=a.chunks)
    base, n = (inv(a), -n) if n < 0 else (a, n)
    result: Array | None = None
    while n:
        if n & 1:
            result = base if result is None else matmul(result, base)
        n >>= 1
        base = matmul(base, base) if n else base
    return result


@like_numpy(np.linalg.multi_dot, name="numpy.linalg.multi_dot")
def multi_dot(arrays):
    """The product of several matrices, in the order that takes the fewest multiplications.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.multi_dot([da.ones((2, 9)), da.ones((9, 9)), da.ones(9)]).compute()
    array([81., 81.])
    """
    from raskr.array.core import asanyarray

    parts = [x if isinstance(x, Array) else asanyarray(x) for x in arrays]
    if len(parts) < 2:
        raise ValueError(f"multi_dot takes at least two arrays, got {len(parts)}")
    row, column = parts[0].ndim == 1, parts[-1].ndim == 1
    parts[0] = parts[0][None, :] if row else parts[0]
    parts[-1] = parts[-1][:, None] if column else parts[-1]
    lengths = [*(x.shape[0] for x in parts), parts[-1].shape[1]]
    # The cheapest way to multiply parts i to j, and where it splits (matrix chain ordering by dynamic programming).
    cost: dict[tuple[int, int], tuple[float, int]] = {(i, i): (0.0, i) for i in range(len(parts))}
    for span in range(1, len(parts)):
        for i in range(len(parts) - span):
            j = i + span
            ways = [
                (cost[i, k][0] + cost[k + 1, j][0] + lengths[i] * lengths[k + 1] * lengths[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j] = min(ways)

    def product(i: int, j: int) -> Array:
        if i == j:
            return parts[i]
        k = cost[i, j][1]
        return dot(product(i, k), product(k + 1, j))

    result = product(0, len(parts) - 1)
    result = result[0] if row else result
    return result[..., 0] if column else result


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """The norm of vectors along axes, or of all elements as one vector.

    Parameters
    ----------
    x : array_like
        The vectors.
    axis : int or sequence of ints, optional
        Their axes; all by default.
    keepdims : bool
        Whether these axes stay, with length 1.
    ord : number
        The order.

    Examples
    --------
    >>> import raskr.array as da
    >>> float(da.linalg.vector_norm(da.asarray([[3.0], [4.0]])).compute())
    5.0
    """
    from raskr.array._apply import normalize_axes
    from raskr.array.core import asanyarray
    from raskr.array.ufunc import absolute

    x = x if isinstance(x, Array) else asanyarray(x)
    axes = normalize_axes(axis, x.ndim)
    size = absolute(x)
    if ord == np.inf:
        return size.max(axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return size.min(axis=axes, keepdims=keepdims)
    if ord == 0:
        return (size != 0).astype(size.dtype).sum(axis=axes, keepdims=keepdims)
    return (size**ord).sum(axis=axes, keepdims=keepdims) ** (1.0 / ord)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """The norm of matrices, in the last two axes.

    Parameters
    ----------
    x : array_like
        The matrices.
    keepdims : bool
        Whether these axes stay, with length 1.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        The order.

    Examples
    --------
    >>> import raskr.array as da
    >>> float(da.linalg.matrix_norm(da.asarray([[3.0, 0.0], [0.0, 4.0]])).compute())
    5.0
    """
    x = as_array(x)
    if ord in ("nuc", 2, -2) and x.ndim > 2:
        values = svdvals(x)
        result = {"nuc": values.sum, 2: values.max, -2: values.min}[ord](axis=-1)
        return result[..., None, None] if keepdims else result
    return norm(x, ord, axis=(-2, -1), keepdims=keepdims)
