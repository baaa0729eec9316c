"""Polynomials on lazy arrays: least-squares fits in one pass over the data, and values."""

from __future__ import annotations

import functools
import operator
import warnings
from typing import Any

import numpy as np

from raskr.array._apply import Expr, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.reduction_blocks import flatten
from raskr.array.reduction_tree import tree

__all__ = ["polyfit", "polyval"]


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


class _Triangle:
    """What blocks of rows say about a least-squares problem: R and Qᵀy of the rows, what no fit explains, how many."""

    __slots__ = ("moved", "r", "rest", "rows")

    def __init__(self, r: Any, moved: Any, rest: Any, rows: int):
        self.r = r
        self.moved = moved
        self.rest = rest
        self.rows = rows

    @property
    def nbytes(self) -> int:
        """Bytes held, for the engine's memory account."""
        return sum(part.nbytes for part in (self.r, self.moved, self.rest))


def _triangle(matrix: Any, right: Any, rest: Any, rows: int) -> _Triangle:
    """Householder QR of some rows.

    A tree of these is the tall and skinny QR of J. Demmel, L. Grigori, M. Hoemmen and J. Langou, "Communication-optimal
    parallel and sequential QR and LU factorizations", SIAM J. Sci. Comput. 34 (2012), without Q.
    """
    q, r = np.linalg.qr(matrix)
    moved = q.conj().T @ right
    return _Triangle(r, moved, rest + (np.abs(right - q @ moved) ** 2).sum(axis=0), rows)


def _fit_block(y: Any, x: Any, *weights: Any, order: int, dtype: Any) -> _Triangle:
    lost = np.ma.getmaskarray(y)
    lost = lost.any(axis=1) if y.ndim == 2 else lost
    for part in (x, *weights):
        lost = lost | np.ma.getmaskarray(part)
    kept = ~lost
    x, y = np.ma.getdata(x)[kept], np.ma.getdata(y)[kept]
    y = y[:, None] if y.ndim == 1 else y
    matrix = np.vander(x + 0.0, order).astype(dtype, copy=False)
    right = (y + 0.0).astype(dtype, copy=False)
    for part in weights:
        part = np.ma.getdata(part)[kept] + 0.0
        matrix = (matrix * part[:, None]).astype(dtype, copy=False)
        right = (right * part[:, None]).astype(dtype, copy=False)
    real = np.empty(0, dtype=dtype).real.dtype
    return _triangle(matrix, right, np.zeros(right.shape[1], dtype=real), len(x))


def _fit_join(nested: Any) -> _Triangle:
    parts = list(flatten(nested))
    if len(parts) == 1:
        return parts[0]
    return _triangle(
        np.concatenate([p.r for p in parts]),
        np.concatenate([p.moved for p in parts]),
        functools.reduce(np.add, [p.rest for p in parts]),
        sum(p.rows for p in parts),
    )


class _Fit:
    """A solved problem: everything that `polyfit` may be asked for."""

    __slots__ = ("coefficients", "covariance", "rank", "rcond", "residuals", "singular")

    @property
    def nbytes(self) -> int:
        """Bytes held, for the engine's memory account."""
        return self.coefficients.nbytes + self.covariance.nbytes


def _fit_solve(nested: Any, order: int, rcond: float | None, quiet: bool, cov: Any, epsilon: float) -> _Fit:
    joint = _fit_join(nested)
    if joint.rows == 0:
        raise TypeError("expected non-empty vector for x")
    # The columns of R are as long as those of the whole matrix, so that scaling can wait until here.
    scale = np.sqrt((np.abs(joint.r) ** 2).sum(axis=0))
    safe = np.where(scale == 0, 1, scale)
    fit = _Fit()
    fit.rcond = joint.rows * epsilon if rcond is None else rcond
    c, _, fit.rank, fit.singular = np.linalg.lstsq(joint.r / safe, joint.moved, fit.rcond)
    full_rank = fit.rank == order
    fit.residuals = joint.rest if full_rank and joint.rows > order else np.empty(0, dtype=joint.rest.dtype)
    if not full_rank and not quiet:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=2)
    fit.coefficients = c / safe[:, None]
    fit.covariance = np.empty((order, order, 0))
    if cov:
        scaled = joint.r / safe
        base = np.linalg.inv(scaled.conj().T @ scaled) / np.outer(safe, safe)
        if cov == "unscaled":
            factor = np.ones(1)
        else:
            if joint.rows <= order:
                raise ValueError(
                    f"the number of data points must exceed order to scale the covariance matrix: {joint.rows} points "
                    f"for {order} coefficients"
                )
            factor = joint.rest / (joint.rows - order)
        fit.covariance = base[:, :, None] * factor
    return fit


def _fit_part(nested: Any, name: str, single: bool) -> Any:
    found = getattr(next(flatten(nested)), name)
    return found[..., 0] if single else np.asarray(found)


def _differ(one: float, other: float) -> bool:
    """Whether two lengths, as far as they are known, are not the same."""
    return one == one and other == other and one != other


@like_numpy(np.polyfit)
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """The polynomial of a degree that is nearest to points, by least squares.

    The data are read once: blocks of rows are reduced to triangular matrices (QR), which are joined as a tree and
    solved at the end, with columns scaled as NumPy does. Masked points count for nothing. With `full`, the sums of
    squared residuals are an array of unknown length: there are none when the rank is less than the number of
    coefficients. Warnings about the rank come when the result is computed.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.linspace(0, 1, 50, chunks=20)
    >>> da.polyfit(x, 3 * x**2 - x, 2).round(6).compute() + 0.0
    array([ 3., -1.,  0.])
    """
    order = operator.index(deg) + 1
    if order < 1:
        raise ValueError("expected deg >= 0")
    x, y = _array(x), _array(y)
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if x.size == 0:
        raise TypeError("expected non-empty vector for x")
    if y.ndim < 1 or y.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if _differ(x.shape[0], y.shape[0]):
        raise TypeError(f"expected x and y to have same length, got {x.shape[0]} and {y.shape[0]}")
    parts = [x]
    if w is not None:
        w = _array(w)
        if w.ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        if _differ(w.shape[0], y.shape[0]):
            raise TypeError(f"expected w and y to have the same length, got {w.shape[0]} and {y.shape[0]}")
        parts.append(w)
    return _fit(parts, y, order, rcond, full, cov)


def _fit(parts: list[Array], y: Array, order: int, rcond: Any, full: bool, cov: Any) -> Any:
    from raskr.array.routines_products import aligned

    own, right = (np.result_type(v.dtype, 0.0) for v in (parts[0], y))
    dtype = np.result_type(own, right, int)  # powers are counted in integers, which makes single precision double
    if right.char not in "fdFD" or dtype.char not in "dD":
        raise TypeError(f"array type {dtype} is unsupported in linalg: polyfit takes float32, float64, complex")
    rows = (0,) if y.ndim == 1 else (0, 1)
    masked = any(isinstance(v._meta, np.ma.MaskedArray) for v in (y, *parts))
    if y.ndim == 2 and isinstance(y._meta, np.ma.MaskedArray):
        y = y.rechunk({1: -1})  # a point is left out where any of its values is masked
    y, *parts = aligned((y, rows), *((v, (0,)) for v in parts))
    columns = () if y.ndim == 1 else (y.chunks[1],)
    first = Expr.blockwise(
        functools.partial(_fit_block, order=order, dtype=dtype), rows,
        [(y._expr, rows), *((v._expr, (0,)) for v in parts)], ((1,) * y.numblocks[0], *columns), np.dtype(object), False,
        label="polyfit-block",
    )  # fmt: skip
    epsilon = float(np.finfo(own).eps)
    solve = functools.partial(_fit_solve, order=order, rcond=rcond, quiet=bool(full), cov=cov, epsilon=epsilon)
    solved = tree(
        wrap(first, np.empty((0,) * y.ndim, dtype=object)), (0,), None, _fit_join, solve,
        keepdims=True, dtype=object, native=False, split_every=None, concatenate=False, label="polyfit",
    )  # fmt: skip
    single = y.ndim == 1
    real = np.empty(0, dtype=dtype).real.dtype

    def part(name: str, out: tuple[int, ...], chunks: Any, kind: Any, one: bool = single) -> Array:
        # Index 1 stands for the columns of y; what does not depend on them comes from any of their blocks.
        source = (9,) if single else (9, 1 if 1 in out else 8)
        pick = functools.partial(_fit_part, name=name, single=one)
        return wrap(Expr.blockwise(pick, out, [(solved, source)], chunks, np.dtype(kind), True, label="polyfit"))

    last = () if single else (1,)
    coefficients = part("coefficients", (0, *last), ((order,), *columns), dtype)
    if full:
        unknown = ((float("nan"),) * (1 if single else len(columns[0])),)
        residuals = part("residuals", (1,), unknown, real, False)
        rank = part("rank", (), (), np.intp, False)
        count = float("nan") if masked else min(order, y.shape[0])
        singular = part("singular", (0,), ((count,),), real, False)
        return coefficients, residuals, rank, singular, part("rcond", (), (), float, False)
    if cov:
        square = ((order,), (order,))
        if cov == "unscaled":  # the same for every column, as in NumPy
            last, columns = ((3,), ((1,),)) if last else ((), ())
        return coefficients, part("covariance", (0, 2, *last), (*square, *columns), dtype)
    return coefficients


@like_numpy(np.polyval)
def polyval(p, x):
    """The value of a polynomial, whose coefficients begin with that of the highest power.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.polyval([1, 0, 2], da.arange(3)).compute()
    array([2, 3, 6])
    """
    from raskr.array.creation import zeros_like

    x = _array(x)
    coefficients = p if isinstance(p, Array) else np.asarray(p)
    result: Any = zeros_like(x)
    for coefficient in coefficients:
        result = result * x + coefficient
    return result
