"""QR and singular value decompositions of tall, wide and compressed matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from raskr.array._apply import Expr, call_quietly, wrap
from raskr.array.collection import Array

_NAN = math.nan


def as_matrix(a: Any, what: str) -> Array:
    """The array, which must have two axes."""
    from raskr.array.core import asanyarray

    a = a if isinstance(a, Array) else asanyarray(a)
    if a.ndim != 2:
        raise ValueError(f"{what}: Array must be 2D, got {a.ndim} axes")
    return a


def factor_dtype(a: Array) -> np.dtype[Any]:
    """The element type that factors of a matrix have."""
    return call_quietly(np.linalg.qr, np.ones((1, 1), dtype=a.dtype))[0].dtype


def smaller(m: float, n: float) -> float:
    """The smaller length, NaN when either is unknown."""
    return _NAN if m != m or n != n else min(m, n)


def native_blocks(a: Array, dtype: Any) -> Expr:
    """The blocks as plain NumPy arrays of the element type, as the engine takes them."""
    if a._expr.native:
        return a._expr.astype(np.dtype(dtype))
    inds = tuple(range(a.ndim))
    return Expr.blockwise(
        _plain, inds, [(a._expr, inds)], a.chunks, np.dtype(dtype), True, {"dtype": dtype}, label="plain"
    )


def _plain(block: Any, dtype: Any) -> Any:
    return np.asarray(block, dtype=dtype)


def pick(source: Expr, number: int, chunks: Any, dtype: Any, label: str) -> Expr:
    """One of the results that an expression without axes has in a list."""
    inds = tuple(range(len(chunks)))
    return Expr.linear("part", (number,), inds, [(source, ())], chunks, np.dtype(dtype), True, label)


# --- tall matrices --------------------------------------------------------------------------------------------------
class _Tall:
    """The steps of a tall matrix' factorisation; R is made without Q's reflections where nobody asks for Q."""

    def __init__(self, a: Array, dtype: np.dtype[Any]):
        m, n = a.shape
        self.dtype, self.n, self.k = dtype, n, smaller(m, n)
        self.rows = a.chunks[0]
        x = native_blocks(a, dtype)
        heights = tuple(smaller(rows, n) for rows in a.chunks[0])
        ends = ((self.k,), (n,))
        self.local = Expr.linear("factor", (), (0, 1), [(x, (0, 1))], a.chunks, dtype, False, "qr-block")
        self.stack = Expr.linear("stack-factor", (), (), [(self.local, (0, 1))], (), dtype, False, "qr-stack")
        triangles = Expr.linear("triangle", (), (0, 1), [(x, (0, 1))], (heights, (n,)), dtype, True, "qr-triangle")
        alone = Expr.linear("stack-triangle", (), (0, 1), [(triangles, (2, 3))], ends, dtype, True, "qr-r")
        self.r = Expr.choice(alone, self.stack, pick(self.stack, 0, ends, dtype, "qr-r"))

    def orthogonal(self, *turn: Expr) -> Expr:
        """The blocks of Q, or of the left singular vectors."""
        args = [(self.local, (0, 1)), (self.stack, ()), *((each, ()) for each in turn)]
        return Expr.linear("orthogonal", (), (0, 1), args, (self.rows, (self.k,)), self.dtype, True, "qr-q")


def tsqr(data, compute_svd=False, _max_vchunk_size=None):
    """QR (or singular value) decomposition of a tall matrix in blocks of rows.

    Parameters
    ----------
    data : Array
        A matrix with one block along its columns. Lengths may be unknown.
    compute_svd : bool
        Whether singular values and vectors are returned instead of Q and R.

    Returns
    -------
    tuple of Arrays
        Q and R; or U, the singular values, and V transposed, which is square.

    Raises
    ------
    ValueError
        When the matrix has several blocks of columns.

    Notes
    -----
    Every block is factored by itself, then the stack of the triangular factors (Benson, Gleich and Demmel, "Direct QR
    factorizations for tall-and-skinny matrices in MapReduce architectures", 2013).

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.random.default_rng(0).random((100, 3), chunks=(20, 3))
    >>> q, r = da.linalg.tsqr(x)
    >>> np.allclose((q @ r).compute(), x.compute())
    True
    """
    a = as_matrix(data, "tsqr")
    if len(a.chunks[1]) > 1:
        raise ValueError(f"tsqr needs one block of columns, the matrix has chunks {a.chunks}")
    dtype = factor_dtype(a)
    tall = _Tall(a, dtype)
    if not compute_svd:
        return wrap(tall.orthogonal()), wrap(tall.r)
    k, n = tall.k, tall.n
    turned = Expr.linear("svd", (), (), [(tall.r, (0, 1))], (), dtype, False, "svd")
    real = np.empty(0, dtype).real.dtype
    alone = Expr.linear("singular-values", (), (0,), [(tall.r, (1, 2))], ((k,),), real, True, "svd-s")
    values = Expr.choice(alone, turned, pick(turned, 1, ((k,),), real, "svd-s"))
    vectors = pick(turned, 2, ((n,), (n,)), dtype, "svd-v")
    return wrap(tall.orthogonal(turned)), wrap(values), wrap(vectors)


# --- wide matrices --------------------------------------------------------------------------------------------------
def sfqr(data, name=None):
    """QR decomposition of a wide matrix in blocks of columns.

    Parameters
    ----------
    data : Array
        A matrix with one block along its rows, the first of whose blocks must be as wide as it is high, if there are
        several.
    name : str, optional
        Accepted for likeness.

    Returns
    -------
    tuple of Arrays
        Q and R.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.random.default_rng(0).random((3, 30), chunks=(3, 10))
    >>> q, r = da.linalg.sfqr(x)
    >>> np.allclose((q @ r).compute(), x.compute())
    True
    """
    from raskr.array.core import concatenate
    from raskr.array.routines_products import dot

    a = as_matrix(data, "sfqr")
    columns = a.chunks[1]
    if len(a.chunks[0]) > 1 or (len(columns) > 1 and columns[0] < a.shape[0]):
        raise ValueError(
            f"sfqr needs one block of rows, and a first block that is at least as wide as high; chunks are {a.chunks}"
        )
    q, first = tsqr(a[:, : columns[0]])
    if len(columns) == 1:
        return q, first
    return q, concatenate([first, dot(q.T.conj(), a[:, columns[0] :])], axis=1)


def qr(a):
    """QR decomposition of a matrix in blocks of rows, or of columns.

    Parameters
    ----------
    a : Array
        A matrix with several blocks along one axis at most.

    Returns
    -------
    tuple of Arrays
        Q with orthonormal columns, and R, which is upper triangular.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.random.default_rng(0).random((100, 3), chunks=(20, 3))
    >>> q, r = da.linalg.qr(x)
    >>> np.allclose((q @ r).compute(), x.compute())
    True
    """
    a = as_matrix(a, "qr")
    if len(a.chunks[1]) == 1:
        return tsqr(a)
    if len(a.chunks[0]) == 1:
        return sfqr(a)
    raise NotImplementedError(f"qr: the matrix may be cut along one axis only, it has chunks {a.chunks}")


# --- singular values ------------------------------------------------------------------------------------------------
def svd_flip(u, v, u_based_decision=False):
    """Signs of singular vectors that do not depend on how they were computed.

    Parameters
    ----------
    u, v : array_like
        Left vectors in columns, right vectors in rows.
    u_based_decision : bool
        Whether the left vectors decide; the sum of each deciding vector becomes positive.

    Examples
    --------
    >>> import numpy as np
    >>> from raskr.array.linalg import svd_flip
    >>> svd_flip(np.array([[1.0], [0.5]]), np.array([[-1.0, -2.0]]))[1]
    array([[1., 2.]])
    """
    total = u.sum(axis=0, keepdims=True) if u_based_decision else v.sum(axis=1, keepdims=True).T
    dtype = u.dtype
    if isinstance(u, Array):
        from raskr.array.routines import where

        signs = where(total.real >= 0, 1, -1).astype(dtype)
    else:
        signs = np.where(total.real >= 0, 1, -1).astype(dtype)
    return u * signs, v * signs.T


def svd(a, coerce_signs=True, full_matrices=False):
    """Singular value decomposition of a matrix that is cut along one axis at most.

    Parameters
    ----------
    a : Array
        The matrix.
    coerce_signs : bool
        Whether signs of the vectors are fixed, see `svd_flip`.
    full_matrices : bool
        Must be False.

    Returns
    -------
    tuple of Arrays
        U, the singular values in descending order, and V transposed.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.random.default_rng(0).random((100, 3), chunks=(20, 3))
    >>> u, s, v = da.linalg.svd(x)
    >>> np.allclose(((u * s) @ v).compute(), x.compute())
    True
    """
    if full_matrices:
        raise NotImplementedError("svd with full_matrices=True is not supported")
    a = as_matrix(a, "svd")
    if len(a.chunks[0]) > 1 and len(a.chunks[1]) > 1:
        raise NotImplementedError(
            f"svd: Array must be chunked in one dimension only, they are {a.chunks}: rechunk, or use svd_compressed"
        )
    m, n = a.shape
    k = smaller(m, n)
    # What is cut into rows is factored as a tall matrix, what is cut into columns as its transpose.
    turned = len(a.chunks[1]) > 1 or (len(a.chunks[0]) == 1 and m < n)
    u, s, v = tsqr(a.T if turned else a, compute_svd=True)
    v = v[: int(k)] if k == k and v.shape[0] != k else v
    if turned:
        u, v = v.T, u.T
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v


# --- compression ----------------------------------------------------------------------------------------------------
def compression_level(n, q, n_oversamples=10, min_subspace_size=20):
    """How many random directions a compression to rank q takes.

    Parameters
    ----------
    n : int
        The shorter side of the matrix.
    q : int
        The rank that is asked for.
    n_oversamples : int
        Directions beyond the rank.
    min_subspace_size : int
        The fewest directions.

    Examples
    --------
    >>> from raskr.array.linalg import compression_level
    >>> compression_level(100, 5)
    20
    """
    return min(max(min_subspace_size, q + n_oversamples), n)


def compression_matrix(data, q, iterator="power", n_power_iter=0, n_oversamples=10, seed=None, compute=False):
    """A matrix with orthonormal rows that compresses another to about rank q.

    Parameters
    ----------
    data : Array
        The matrix.
    q : int
        The rank.
    iterator : {"power", "QR"}
        How iterations sharpen the directions; "QR" is more accurate and slower.
    n_power_iter : int
        Number of iterations.
    n_oversamples : int
        Directions beyond the rank.
    seed : int, RandomState or None
        Of the random directions.
    compute : bool
        Whether intermediate products are computed and kept at once.

    Notes
    -----
    Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review 53 (2011), algorithms 4.3 and 4.4.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.random.default_rng(0).random((100, 30), chunks=(50, 30))
    >>> da.linalg.compression_matrix(x, 5, seed=1).shape
    (20, 100)
    """
    from raskr.array.random import RandomState

    if iterator not in ("power", "QR"):
        raise ValueError(f"iterator must be 'power' or 'QR', not {iterator!r}")
    m, n = data.shape
    count = compression_level(min(m, n), q, n_oversamples)
    state = seed if isinstance(seed, RandomState) else RandomState(seed)
    directions = state.standard_normal(size=(n, count), chunks=(data.chunks[1], (count,)))
    directions = directions.astype(factor_dtype(data), copy=False)
    keep = (lambda x: x.persist()) if compute else (lambda x: x)
    if iterator == "power":
        product = keep(data.dot(directions))
        for _ in range(n_power_iter):
            product = keep(data.dot(keep(data.T.conj().dot(product))))
        basis, _ = tsqr(product)
    else:
        basis, _ = tsqr(keep(data.dot(directions)))
        for _ in range(n_power_iter):
            across, _ = tsqr(keep(data.T.conj().dot(basis)))
            basis, _ = tsqr(keep(data.dot(across)))
    return basis.T.conj()


def svd_compressed(
    a, k, iterator="power", n_power_iter=0, n_oversamples=10, seed=None, compute=False, coerce_signs=True
):
    """The k largest singular values and their vectors, about, from random projections.

    Parameters
    ----------
    a : Array
        The matrix, of any chunks.
    k : int
        How many.
    iterator : {"power", "QR"}
        See `compression_matrix`.
    n_power_iter : int
        More iterations are more accurate where singular values fall off slowly.
    n_oversamples : int
        Directions beyond k.
    seed : int, RandomState or None
        Of the random directions.
    compute : bool
        Whether intermediate products are computed and kept at once.
    coerce_signs : bool
        Whether signs of the vectors are fixed, see `svd_flip`.

    Returns
    -------
    tuple of Arrays
        U, the singular values in descending order, and V transposed.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.random.default_rng(0).random((100, 50), chunks=(50, 25))
    >>> u, s, v = da.linalg.svd_compressed(x, 3, seed=1)
    >>> u.shape, s.shape, v.shape
    ((100, 3), (3,), (3, 50))
    """
    from raskr.array.routines_products import dot

    a = as_matrix(a, "svd_compressed")
    compress = compression_matrix(
        a, k, iterator=iterator, n_power_iter=n_power_iter, n_oversamples=n_oversamples, seed=seed, compute=compute
    )
    small = dot(compress, a)
    if compute:
        small = small.persist()
    v, s, u = tsqr(small.T, compute_svd=True)
    u = dot(compress.T.conj(), u[: s.shape[0]].T)
    v = v.T
    u, s, v = u[:, :k], s[:k], v[:k]
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v
