"""LU and Cholesky factors, solutions of linear systems, inverses and norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from raskr.array._apply import Expr, normalize_axes, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.factor import as_matrix, factor_dtype, native_blocks, qr, svd
from raskr.array.linalg_stacks import apply_stacked, as_array, matrices

__all__ = ["cholesky", "inv", "lstsq", "lu", "norm", "solve", "solve_triangular"]


def _square(a: Any, what: str) -> Array:
    a = as_matrix(a, what)
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"{what} needs a square matrix, got shape {a.shape}")
    if a.chunks[0] != a.chunks[1]:
        raise ValueError(f"{what} needs the same chunks along both axes, got {a.chunks}: rechunk it")
    return a


def _solve_step(step: str, triangle: Array, right: Array, dtype: np.dtype[Any]) -> Array:
    """A step with a one-block triangle and one block of rows (of columns, for "solve-below"), which gives its shape."""
    inds = (0, 1)[: right.ndim]
    args = [(native_blocks(triangle, dtype), (2, 3)), (native_blocks(right, dtype), inds)]
    return wrap(Expr.linear(step, (), inds, args, right.chunks, dtype, True, step))


# --- LU -------------------------------------------------------------------------------------------------------------
def lu(a):
    """LU decomposition with partial pivoting: a = P L U.

    Parameters
    ----------
    a : Array
        A square matrix with the same chunks along both axes.

    Returns
    -------
    tuple of Arrays
        The permutation P, the unit lower triangle L, the upper triangle U.

    Notes
    -----
    Panels of columns are factored one after another, each as a whole; the panels to their right follow in parallel.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.random.default_rng(0).random((6, 6), chunks=3)
    >>> p, l, u = da.linalg.lu(x)
    >>> np.allclose((p @ l @ u).compute(), x.compute())
    True
    """
    from raskr.array.creation import eye
    from raskr.array.routines_select import tril, triu

    a = _square(a, "lu")
    n = int(a.shape[0])
    dtype = factor_dtype(a)
    widths = a.chunks[1]
    panels = wrap(native_blocks(a, dtype)).rechunk({0: -1})
    starts = np.concatenate([[0], np.cumsum(widths)]).tolist()
    expr, steps = panels._expr, []
    for current in range(len(widths)):
        panel = expr.select_blocks([[0], [current]])
        step = Expr.linear("lu-panel", (starts[current],), (), [(panel, (0, 1))], (), dtype, False, "lu-panel")
        steps.append(step)
        args = [(expr, (0, 1)), (step, ())]
        expr = Expr.linear(
            "lu-update", (starts[current], current), (0, 1), args, panels.chunks, dtype, True, "lu-update"
        )
    packed = wrap(expr).rechunk(a.chunks)
    order = Expr.linear(
        "permutation", (), (0, 1), [(step, ()) for step in steps], ((n,), (n,)), np.dtype(float), True, "lu-p"
    )
    lower = tril(packed, -1) + eye(n, chunks=a.chunks, dtype=dtype)
    return wrap(order).rechunk(a.chunks), lower, triu(packed)


# --- triangles ------------------------------------------------------------------------------------------------------
def solve_triangular(a, b, lower=False):
    """The solution x of a x = b, for a triangular matrix.

    Parameters
    ----------
    a : Array
        The matrix, with the same chunks along both axes.
    b : Array
        One right side, or several in columns, with the chunks of `a` along its first axis.
    lower : bool
        Whether `a` is lower triangular instead of upper.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.solve_triangular(da.asarray([[2.0, 1.0], [0.0, 1.0]]), da.asarray([4.0, 2.0])).compute()
    array([1., 2.])
    """
    from raskr.array.core import asanyarray, concatenate
    from raskr.array.routines_products import dot

    a = _square(a, "solve_triangular")
    b = b if isinstance(b, Array) else asanyarray(b)
    if b.ndim not in (1, 2):
        raise ValueError(f"solve_triangular takes right sides of one or two axes, got {b.ndim}")
    if a.chunks[1] != b.chunks[0]:
        raise ValueError(f"solve_triangular: chunks {b.chunks[0]} of the right side must be those of a, {a.chunks[1]}")
    dtype = np.result_type(factor_dtype(a), b.dtype)
    a, b = a.astype(dtype), b.astype(dtype)
    bounds = np.concatenate([[0], np.cumsum(a.chunks[0])]).tolist()
    steps = list(zip(bounds, bounds[1:]))
    solved: list[Array] = []
    step = "solve-lower" if lower else "solve-upper"
    for low, high in steps if lower else reversed(steps):
        right = b[low:high]
        if solved:
            known = concatenate(solved if lower else solved[::-1], axis=0)
            right = right - dot(a[low:high, :low] if lower else a[low:high, high:], known)
        solved.append(_solve_step(step, a[low:high, low:high], right, dtype))
    return concatenate(solved if lower else solved[::-1], axis=0)


def cholesky(a, lower=False):
    """Cholesky factor of a positive definite matrix: a = L L* with `lower`, otherwise a = U* U.

    Parameters
    ----------
    a : Array
        The matrix, with the same chunks along both axes.
    lower : bool
        Whether the lower factor is returned instead of the upper.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.cholesky(da.asarray([[4.0, 2.0], [2.0, 2.0]]), lower=True).compute()
    array([[2., 0.],
           [1., 1.]])
    """
    from raskr.array.core import concatenate
    from raskr.array.creation import zeros
    from raskr.array.routines_products import dot

    a = _square(a, "cholesky")
    dtype = factor_dtype(a)
    rest, done, columns = a.astype(dtype), 0, []
    n = int(a.shape[0])
    for width in a.chunks[0]:
        corner = native_blocks(rest[:width, :width], dtype)
        chunks = ((width,), (width,))
        diagonal = wrap(Expr.linear("cholesky", (), (0, 1), [(corner, (0, 1))], chunks, dtype, True, "cholesky"))
        parts = [diagonal]
        if done:
            parts.insert(0, zeros((done, width), dtype=dtype, chunks=(a.chunks[0][: len(columns)], (width,))))
        if done + width < n:
            below = _solve_step("solve-below", diagonal, rest[width:, :width], dtype)
            parts.append(below)
            rest = rest[width:, width:] - dot(below, below.T.conj())
        columns.append(concatenate(parts, axis=0))
        done += width
    factor = concatenate(columns, axis=1)
    return factor if lower else factor.T.conj()


# --- systems --------------------------------------------------------------------------------------------------------
def solve(a, b, sym_pos=None, assume_a="gen"):
    """The solution x of a x = b.

    Parameters
    ----------
    a : Array
        A square matrix with the same chunks along both axes.
    b : Array
        One right side, or several in columns.
    sym_pos : bool, optional
        An older way to say ``assume_a="pos"``.
    assume_a : {"gen", "pos"}
        "pos" is for positive definite matrices, and faster.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.solve(da.asarray([[3.0, 1.0], [1.0, 2.0]]), da.asarray([9.0, 8.0])).compute()
    array([2., 3.])
    """
    from raskr.array.core import asanyarray
    from raskr.array.routines_products import dot

    if sym_pos is not None:
        import warnings

        warnings.warn("The sym_pos keyword is deprecated, use assume_a='pos' instead.", FutureWarning, stacklevel=2)
        assume_a = "pos" if sym_pos else "gen"
    if assume_a not in ("gen", "pos"):
        raise ValueError(f"assume_a = {assume_a!r} is not a recognized matrix structure: 'gen' and 'pos' are")
    a = _square(a, "solve")
    b = b if isinstance(b, Array) else asanyarray(b)
    if assume_a == "pos":
        factor = cholesky(a, lower=True)
        upper = factor.T.conj()
    else:
        order, factor, upper = lu(a)
        b = dot(order.T, b)
    b = b.rechunk({0: a.chunks[0]})
    return solve_triangular(upper, solve_triangular(factor, b, lower=True))


@like_numpy(np.linalg.inv, name="numpy.linalg.inv")
def inv(a):
    """The inverses of square matrices; a single one has the same chunks along both axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.inv(da.asarray([[2.0, 0.0], [0.0, 4.0]])).compute()
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    from raskr.array.creation import eye

    a = as_array(a)
    if a.ndim > 2:
        return apply_stacked(np.linalg.inv, "(n,n)->(n,n)", matrices(a, "inv", square=True))
    a = _square(a, "inv")
    return solve(a, eye(int(a.shape[0]), chunks=a.chunks, dtype=factor_dtype(a)))


def _rank_of(triangle: Any) -> Any:
    return np.asarray(np.linalg.matrix_rank(triangle))


@like_numpy(np.linalg.lstsq, name="numpy.linalg.lstsq")
def lstsq(a, b):
    """Least squares solution of a x = b, for a tall matrix with one block of columns.

    Returns
    -------
    tuple of Arrays
        The solution, the sums of squared residuals, the rank, the singular values.

    Examples
    --------
    >>> import raskr.array as da
    >>> a = da.asarray([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> da.linalg.lstsq(a, da.asarray([1.0, 3.0, 5.0]))[0].compute().round(6)
    array([1., 2.])
    """
    from raskr.array.core import asanyarray
    from raskr.array.routines_products import dot
    from raskr.array.ufunc import absolute

    a = as_matrix(a, "lstsq")
    b = b if isinstance(b, Array) else asanyarray(b)
    q, r = qr(a)
    x = solve_triangular(r, dot(q.T.conj(), b))
    residuals = b - dot(a, x)
    squares = absolute(residuals) ** 2
    squares = squares.sum(axis=0, keepdims=b.ndim == 1)
    one = Expr.blockwise(_rank_of, (), [(r._expr, (0, 1))], (), np.dtype(np.intp), True, concatenate=True, label="rank")
    real = np.empty(0, r.dtype).real.dtype
    values = Expr.linear(
        "singular-values", (), (0,), [(r._expr, (1, 2))], ((r.shape[0],),), real, True, "singular-values"
    )
    return x, squares, wrap(one), wrap(values)


# --- norms ----------------------------------------------------------------------------------------------------------
@like_numpy(np.linalg.norm, name="numpy.linalg.norm")
def norm(x, ord=None, axis=None, keepdims=False):
    """Norms of vectors and matrices. Norms by singular values ("nuc", 2, -2) need one block along an axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.norm(da.asarray([3.0, 4.0])).compute()
    np.float64(5.0)
    """
    from raskr.array.core import asanyarray
    from raskr.array.ufunc import absolute, sqrt

    x = x if isinstance(x, Array) else asanyarray(x)
    if x.dtype.kind in "biu":
        x = x.astype(float)
    axes = normalize_axes(axis, x.ndim) if axis is None or np.ndim(axis) == 0 else _ordered(axis, x.ndim)
    if len(axes) > 2 and ord is not None:
        raise ValueError(f"Improper number of dimensions to norm: {len(axes)}")
    size = absolute(x)
    if ord is None or (ord in ("fro", "f") and len(axes) == 2):
        return sqrt((size**2).sum(axis=axes, keepdims=keepdims))
    if len(axes) == 1:
        return _vector_norm(x, size, ord, axes, keepdims)
    return _matrix_norm(x, size, ord, axes, keepdims)


def _ordered(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, in the order given: the first is that of the rows."""
    normalize_axes(tuple(axis), ndim)
    return tuple(number % ndim for number in axis)


def _vector_norm(x: Array, size: Array, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Array:
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order {ord!r} for vectors")
    if ord == np.inf:
        return size.max(axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return size.min(axis=axes, keepdims=keepdims)
    if ord == 0:
        return (x != 0).astype(size.dtype).sum(axis=axes, keepdims=keepdims)
    if ord == 1:
        return size.sum(axis=axes, keepdims=keepdims)
    return (size**ord).sum(axis=axes, keepdims=keepdims) ** (1.0 / ord)


def _matrix_norm(x: Array, size: Array, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Array:
    rows, columns = axes
    sums = {1: (rows, columns, "max"), -1: (rows, columns, "min")}
    sums |= {np.inf: (columns, rows, "max"), -np.inf: (columns, rows, "min")}
    if ord in sums:
        inner, outer, extreme = sums[ord]
        lines = size.sum(axis=inner, keepdims=True)
        result = getattr(lines, extreme)(axis=outer, keepdims=True)
    elif ord in ("nuc", 2, -2):
        if x.ndim > 2:
            raise NotImplementedError(f"norm of order {ord!r} works on matrices only, the array has {x.ndim} axes")
        values = svd(x)[1][:, None]
        function = {"nuc": values.sum, 2: values.max, -2: values.min}[ord]
        result = function(keepdims=True)
    else:
        raise ValueError(f"Invalid norm order {ord!r} for matrices")
    if keepdims:
        return result
    return result[tuple(0 if number in axes else slice(None) for number in range(x.ndim))]
