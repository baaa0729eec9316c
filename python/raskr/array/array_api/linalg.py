"""The standard's linear algebra, of matrices and of stacks of matrices, in any blocks.

A single matrix that is cut into blocks goes by raskr.array.linalg's algorithms over blocks, where it has one; stacks, and
matrices in one block, by NumPy's functions for each stack of whole matrices.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

import raskr.array as da
from raskr.array import linalg as _linalg
from raskr.array import matmul, matrix_transpose, tensordot, vecdot
from raskr.array.linalg import vector_norm

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace",
    "vecdot", "vector_norm",
]  # fmt: skip

EighResult = namedtuple("EighResult", ("eigenvalues", "eigenvectors"))
QRResult = namedtuple("QRResult", ("Q", "R"))
SlogdetResult = namedtuple("SlogdetResult", ("sign", "logabsdet"))
SVDResult = namedtuple("SVDResult", ("U", "S", "Vh"))


def _inexact(x):
    """The type of factors: that of the elements, or float64 for integers."""
    return x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)


def _real(dtype):
    return np.empty(0, dtype=dtype).real.dtype


def _checked(x, what, square=False):
    if x.ndim < 2:
        raise np.linalg.LinAlgError(f"{what}: expected a matrix or a stack of matrices, got shape {x.shape}")
    if square and x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError(f"{what}: the last two axes must be of one length, got shape {x.shape}")
    return x


def _each(function, signature, *arrays, dtypes, sizes=None, **options):
    """NumPy's function of every stack of whole matrices."""
    return da.apply_gufunc(
        function, signature, *arrays, output_dtypes=dtypes, output_sizes=sizes, allow_rechunk=True, **options
    )


def _cut(x):
    """Is it one matrix in several blocks?"""
    return x.ndim == 2 and x.npartitions > 1


def _cut_evenly(x):
    """Is it one matrix in several blocks, with the same cuts along both axes?"""
    return _cut(x) and x.chunks[0] == x.chunks[1]


def _smaller(x):
    return min(x.shape[-2:])


def cholesky(x, /, *, upper=False):
    """The factor of positive definite matrices: x = L L*, or x = U* U where the upper one is asked for.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.cholesky(xp.asarray([[4.0, 2.0], [2.0, 5.0]])).compute()
    array([[2., 0.],
           [1., 2.]])
    """
    if _cut_evenly(_checked(x, "cholesky", square=True)):
        return _linalg.cholesky(x, lower=not upper)
    return _each(_triangle, "(n,n)->(n,n)", x, dtypes=_inexact(x), upper=upper)


def _triangle(matrices, upper):
    lower = np.linalg.cholesky(matrices)
    return np.conj(np.swapaxes(lower, -1, -2)) if upper else lower


def cross(x1, x2, /, *, axis=-1):
    """The cross product of vectors of three elements along an axis.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.cross(xp.asarray([1, 0, 0]), xp.asarray([0, 1, 0])).compute()
    array([0, 0, 1])
    """
    lengths = {array.shape[axis] for array in (x1, x2)}
    if lengths != {3}:
        raise ValueError(f"cross: expected vectors of 3 elements along axis {axis}, got {sorted(lengths)}")
    return da.cross(x1, x2, axis=axis)


def det(x, /):
    """The determinants of square matrices.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> round(float(xp.linalg.det(xp.asarray([[2.0, 1.0], [1.0, 3.0]]))), 6)
    5.0
    """
    if _cut_evenly(_checked(x, "det", square=True)):
        return _linalg.det(x).astype(_inexact(x))
    return _each(np.linalg.det, "(n,n)->()", x, dtypes=_inexact(x))


def diagonal(x, /, *, offset=0):
    """The diagonals of matrices, in the last two axes.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.diagonal(xp.asarray([[1, 2], [3, 4]])).compute()
    array([1, 4])
    """
    return da.diagonal(x, offset=offset, axis1=-2, axis2=-1)


def eigh(x, /):
    """The eigenvalues in ascending order, and the eigenvectors, of symmetric or Hermitian matrices.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.eigh(xp.asarray([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.compute()
    array([1., 2.])
    """
    dtype = _inexact(_checked(x, "eigh", square=True))
    return EighResult(*_each(np.linalg.eigh, "(n,n)->(n),(n,n)", x, dtypes=[_real(dtype), dtype]))


def eigvalsh(x, /):
    """The eigenvalues of symmetric or Hermitian matrices, in ascending order.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.eigvalsh(xp.asarray([[2.0, 0.0], [0.0, 1.0]])).compute()
    array([1., 2.])
    """
    return _each(np.linalg.eigvalsh, "(n,n)->(n)", _checked(x, "eigvalsh", square=True), dtypes=_real(_inexact(x)))


def inv(x, /):
    """The inverses of square matrices.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.inv(xp.asarray([[2.0, 0.0], [0.0, 4.0]])).compute()
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    if _cut_evenly(_checked(x, "inv", square=True)):
        return _linalg.inv(x).astype(_inexact(x))
    return _each(np.linalg.inv, "(n,n)->(n,n)", x, dtypes=_inexact(x))


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """The norms of matrices: 'fro', 'nuc', 1, 2, inf, -1, -2 or -inf.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> float(xp.linalg.matrix_norm(xp.asarray([[3.0, 0.0], [0.0, 4.0]])))
    5.0
    """
    _checked(x, "matrix_norm")
    norms = _each(_norms, "(m,n)->()", x, dtypes=_real(_inexact(x)), ord=ord)
    return norms[..., np.newaxis, np.newaxis] if keepdims else norms


def _norms(matrices, ord):
    return np.linalg.norm(matrices, ord=ord, axis=(-2, -1))


def matrix_power(x, n, /):
    """Square matrices multiplied with themselves; inverted where `n` is negative.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.matrix_power(xp.asarray([[1, 1], [0, 1]]), 3).compute()
    array([[1, 3],
           [0, 1]])
    """
    _checked(x, "matrix_power", square=True)
    if _cut_evenly(x):
        return _linalg.matrix_power(x, n).astype(x.dtype if n >= 0 else _inexact(x))
    return _each(np.linalg.matrix_power, "(n,n)->(n,n)", x, dtypes=x.dtype if n >= 0 else _inexact(x), n=n)


def matrix_rank(x, /, *, rtol=None):
    """How many singular values of each matrix are above a tolerance.

    Parameters
    ----------
    x : Array
        Matrices, in the last two axes.
    rtol : float or Array, optional
        The tolerance by the greatest singular value; where it is left out, the longer of the matrix's sides by the
        smallest difference of the elements' type.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> int(xp.linalg.matrix_rank(xp.asarray([[1.0, 2.0], [2.0, 4.0]])))
    1
    """
    values = svdvals(_checked(x, "matrix_rank"))
    if rtol is None:
        rtol = max(x.shape[-2:]) * float(np.finfo(values.dtype).eps)
    limit = da.max(values, axis=-1, keepdims=True) * da.asarray(rtol)[..., np.newaxis]
    return da.count_nonzero(values > limit, axis=-1)


def outer(x1, x2, /):
    """The products of all elements of one vector with all of another.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.outer(xp.asarray([1, 2]), xp.asarray([3, 4])).compute()
    array([[3, 4],
           [6, 8]])
    """
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: expected two vectors, got shapes {x1.shape} and {x2.shape}")
    return da.outer(x1, x2)


def pinv(x, /, *, rtol=None):
    """The pseudo-inverses of matrices, after Moore and Penrose.

    Parameters
    ----------
    x : Array
        Matrices, in the last two axes.
    rtol : float or Array, optional
        As in `matrix_rank`: smaller singular values count as 0.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.pinv(xp.asarray([[2.0, 0.0], [0.0, 4.0]])).compute().round(6)
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    dtype = _inexact(_checked(x, "pinv"))
    if rtol is None:
        rtol = max(x.shape[-2:]) * float(np.finfo(dtype).eps)
    return _each(np.linalg.pinv, "(m,n),()->(n,m)", x, da.asarray(rtol), dtypes=dtype)


def qr(x, /, *, mode="reduced"):
    """The factors of x = Q R: orthonormal columns, and an upper triangle.

    Parameters
    ----------
    x : Array
        Matrices, in the last two axes.
    mode : {'reduced', 'complete'}
        'complete' makes Q square.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> x = xp.asarray([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> q, r = xp.linalg.qr(x)
    >>> bool(xp.all(xp.abs(q @ r - x) < 1e-12))
    True
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete', not {mode!r}")
    dtype = _inexact(_checked(x, "qr"))
    if mode == "complete":
        return QRResult(*_each(np.linalg.qr, "(m,n)->(m,m),(m,n)", x, dtypes=[dtype, dtype], mode=mode))
    if _cut(x) and x.numblocks[1] == 1:
        return QRResult(*_linalg.qr(x))
    return QRResult(
        *_each(np.linalg.qr, "(m,n)->(m,k),(k,n)", x, dtypes=[dtype, dtype], sizes={"k": _smaller(x)}, mode=mode)
    )


def slogdet(x, /):
    """The signs, and the logarithms of the absolute values, of the determinants of square matrices.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> float(xp.linalg.slogdet(xp.asarray([[0.0, 1.0], [1.0, 0.0]])).sign)
    -1.0
    """
    dtype = _inexact(_checked(x, "slogdet", square=True))
    if _cut_evenly(x):
        sign, logarithm = _linalg.slogdet(x)
        return SlogdetResult(sign.astype(dtype), logarithm.astype(_real(dtype)))
    return SlogdetResult(*_each(np.linalg.slogdet, "(n,n)->(),()", x, dtypes=[dtype, _real(dtype)]))


def solve(x1, x2, /):
    """The solutions of square systems of equations, x1 @ solution = x2.

    Parameters
    ----------
    x1 : Array
        Square matrices, in the last two axes.
    x2 : Array
        One vector, or matrices in the last two axes.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.solve(xp.asarray([[2.0, 0.0], [0.0, 4.0]]), xp.asarray([2.0, 8.0])).compute()
    array([1., 2.])
    """
    _checked(x1, "solve", square=True)
    dtype = np.result_type(_inexact(x1), _inexact(x2))
    if x2.ndim == 1:
        return _each(_solve_vector, "(n,n),(n)->(n)", x1, x2, dtypes=dtype)
    if _cut_evenly(x1) and x2.ndim == 2:
        return _linalg.solve(x1, x2.rechunk({0: x1.chunks[0]})).astype(dtype)
    return _each(np.linalg.solve, "(n,n),(n,k)->(n,k)", x1, x2, dtypes=dtype)


def _solve_vector(matrices, vectors):
    return np.linalg.solve(matrices, vectors[..., np.newaxis])[..., 0]


def svd(x, /, *, full_matrices=True):
    """The factors of x = U S Vh: orthonormal columns, singular values in descending order, orthonormal rows.

    Parameters
    ----------
    x : Array
        Matrices, in the last two axes.
    full_matrices : bool
        Whether U and Vh are square; if not, the singular values are as many as the columns of U.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.svd(xp.asarray([[3.0, 0.0], [0.0, 4.0]])).S.compute()
    array([4., 3.])
    """
    dtype = _inexact(_checked(x, "svd"))
    if _cut(x) and min(x.numblocks) == 1 and not full_matrices:
        return SVDResult(*_linalg.svd(x))
    signature = "(m,n)->(m,m),(k),(n,n)" if full_matrices else "(m,n)->(m,k),(k),(k,n)"
    return SVDResult(
        *_each(
            np.linalg.svd, signature, x, dtypes=[dtype, _real(dtype), dtype], sizes={"k": _smaller(x)},
            full_matrices=full_matrices,
        )
    )  # fmt: skip


def svdvals(x, /):
    """The singular values of matrices, in descending order.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> xp.linalg.svdvals(xp.asarray([[3.0, 0.0], [0.0, 4.0]])).compute()
    array([4., 3.])
    """
    if _cut(_checked(x, "svdvals")) and min(x.numblocks) == 1:
        return _linalg.svdvals(x)
    return _each(np.linalg.svd, "(m,n)->(k)", x, dtypes=_real(_inexact(x)), sizes={"k": _smaller(x)}, compute_uv=False)


def trace(x, /, *, offset=0, dtype=None):
    """The sums of the diagonals of matrices, in the last two axes.

    Examples
    --------
    >>> import raskr.array.array_api as xp
    >>> int(xp.linalg.trace(xp.asarray([[1, 2], [3, 4]])))
    5
    """
    return da.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def __getattr__(name):
    """What NumPy has beyond the standard."""
    return getattr(_linalg, name)
