"""Linear algebra on whole matrices: stacks of them block by block, single ones gathered into one block where they fit."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from raskr.array._apply import Expr, call_quietly, wrap
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.utils import is_native_dtype

__all__ = [
    "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "outer", "tensorinv", "tensorsolve", "trace",
]  # fmt: skip

#: The largest matrix that is gathered from several blocks without being asked, in bytes.
GATHERED_MAX = 2**30

EigResult = namedtuple("EigResult", ("eigenvalues", "eigenvectors"))
EighResult = namedtuple("EighResult", ("eigenvalues", "eigenvectors"))


def as_array(x: Any) -> Array:
    """The array, of what NumPy takes for one."""
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


def whole(x: Array, axes: tuple[int, ...], what: str) -> Array:
    """The array with these axes in one block each, which must fit when they are not so already."""
    cut = [axis for axis in axes if x.numblocks[axis] > 1]
    if not cut:
        return x
    size = math.prod(x.shape[axis] for axis in axes) * x.dtype.itemsize
    if size > GATHERED_MAX:
        shape = tuple(x.shape[axis] for axis in axes)
        raise NotImplementedError(
            f"{what} needs each matrix in one block. Matrices of shape {shape} of {x.dtype} have {size / 2**30:.2f} GiB, "
            f"and no more than {GATHERED_MAX / 2**30:.0f} GiB are gathered unasked: x.rechunk({dict.fromkeys(axes, -1)}) "
            "gathers them all the same"
        )
    return x.rechunk(dict.fromkeys(axes, -1))


def matrices(a: Any, what: str, square: bool = False) -> Array:
    """A matrix, or a stack of them, each in one block."""
    a = as_array(a)
    if a.ndim < 2:
        raise np.linalg.LinAlgError(
            f"{a.ndim}-dimensional array given. Array must be at least two-dimensional ({what})"
        )
    if square and a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"Last 2 dimensions of the array must be square ({what}): they are {a.shape[-2:]}")
    return whole(a, (a.ndim - 2, a.ndim - 1), what)


def apply_stacked(function: Any, signature: str, *arrays: Array, **options: Any) -> Any:
    """One of NumPy's functions of matrices on every block of a stack, with the element types that it gives."""
    from raskr.array.gufunc import apply_gufunc

    sizes = options.pop("output_sizes", None)
    ones = [np.ones((1,) * min(x.ndim, 2), dtype=x.dtype) for x in arrays]
    sample = call_quietly(function, *ones, **options)
    dtypes = [part.dtype for part in sample] if isinstance(sample, tuple) else sample.dtype
    return apply_gufunc(function, signature, *arrays, output_dtypes=dtypes, output_sizes=sizes, **options)


def _complex(a: Array) -> Array:
    """The elements as complex numbers of their precision: eigenvalues are so whatever they turn out to be."""
    return a if a.dtype.kind == "c" else a.astype(np.result_type(call_quietly(np.linalg.eigvals, _one(a)).dtype, "F"))


def _one(a: Array) -> np.ndarray[Any, Any]:
    return np.ones((1, 1), dtype=a.dtype)


@like_numpy(np.linalg.eig, name="numpy.linalg.eig")
def eig(a):
    """Eigenvalues and right eigenvectors of square matrices, which are complex always: what they are isn't known before.

    Examples
    --------
    >>> import raskr.array as da
    >>> values, vectors = da.linalg.eig(da.asarray([[2.0, 0.0], [0.0, 3.0]]))
    >>> values.compute()
    array([2.+0.j, 3.+0.j])
    """
    return EigResult(*apply_stacked(np.linalg.eig, "(n,n)->(n),(n,n)", _complex(matrices(a, "eig", square=True))))


@like_numpy(np.linalg.eigvals, name="numpy.linalg.eigvals")
def eigvals(a):
    """Eigenvalues of square matrices, which are complex always: what they are isn't known before.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.eigvals(da.asarray([[2.0, 0.0], [0.0, 3.0]])).compute()
    array([2.+0.j, 3.+0.j])
    """
    return apply_stacked(np.linalg.eigvals, "(n,n)->(n)", _complex(matrices(a, "eigvals", square=True)))


def _triangle(UPLO: Any) -> str:
    given = str(UPLO).upper()
    if given not in ("L", "U"):
        raise ValueError(f"UPLO argument must be 'L' or 'U', got {UPLO!r}")
    return given


@like_numpy(np.linalg.eigh, name="numpy.linalg.eigh")
def eigh(a, UPLO="L"):
    """Eigenvalues, in ascending order, and eigenvectors of Hermitian matrices.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.eigh(da.asarray([[2.0, 1.0], [1.0, 2.0]])).eigenvalues.compute().round(6)
    array([1., 3.])
    """
    a = matrices(a, "eigh", square=True)
    return EighResult(*apply_stacked(np.linalg.eigh, "(n,n)->(n),(n,n)", a, UPLO=_triangle(UPLO)))


@like_numpy(np.linalg.eigvalsh, name="numpy.linalg.eigvalsh")
def eigvalsh(a, UPLO="L"):
    """Eigenvalues, in ascending order, of Hermitian matrices.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.eigvalsh(da.asarray([[2.0, 1.0], [1.0, 2.0]])).compute().round(6)
    array([1., 3.])
    """
    return apply_stacked(np.linalg.eigvalsh, "(n,n)->(n)", matrices(a, "eigvalsh", square=True), UPLO=_triangle(UPLO))


def _gathered(function: Any, arrays: list[Array], shape: tuple[int, ...], what: str, **options: Any) -> Array:
    """A function of whole arrays, whose result is one block."""
    args, used = [], len(shape)
    for x in arrays:
        x = whole(x, tuple(range(x.ndim)), what)
        args.append((x._expr, tuple(range(used, used + x.ndim))))
        used += x.ndim
    ones = [np.ones((1,) * 2, dtype=x.dtype) for x in arrays]
    dtype = call_quietly(np.linalg.solve if len(ones) > 1 else np.linalg.inv, *ones).dtype
    chunks = tuple((n,) for n in shape)
    expr = Expr.blockwise(
        function, tuple(range(len(shape))), args, chunks, dtype, is_native_dtype(dtype), options or None,
        concatenate=True, label=what,
    )  # fmt: skip
    return wrap(expr)


@like_numpy(np.linalg.tensorinv, name="numpy.linalg.tensorinv")
def tensorinv(a, ind=2):
    """The inverse of an array as a linear map from its last axes to its first `ind` ones.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.tensorinv(da.eye(4).reshape(2, 2, 4), ind=2).shape
    (4, 2, 2)
    """
    a = as_array(a)
    if ind <= 0:
        raise ValueError(f"Invalid ind argument: expected 1 or more, got {ind}")
    rows, columns = math.prod(a.shape[:ind]), math.prod(a.shape[ind:])
    if rows != columns:
        raise np.linalg.LinAlgError(
            f"tensorinv: the first {ind} axes of shape {a.shape} have {rows} elements, the others {columns}"
        )
    return _gathered(np.linalg.tensorinv, [a], a.shape[ind:] + a.shape[:ind], "tensorinv", ind=ind)


@like_numpy(np.linalg.tensorsolve, name="numpy.linalg.tensorsolve")
def tensorsolve(a, b, axes=None):
    """The array x whose product with `a`, summed over all axes of x, is `b`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.tensorsolve(da.eye(4).reshape(2, 2, 4), da.ones((2, 2))).compute()
    array([1., 1., 1., 1.])
    """
    from raskr.array.routines_shape import moveaxis

    a, b = as_array(a), as_array(b)
    if axes is not None:
        last = list(range(a.ndim - len(axes), a.ndim))
        a = moveaxis(a, list(axes), last)
    shape = a.shape[b.ndim :]
    if math.prod(shape) != b.size or math.prod(a.shape) != b.size**2:
        raise np.linalg.LinAlgError(
            f"tensorsolve: Input arrays must satisfy prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim]), shapes are {a.shape} and {b.shape}"
        )
    return _gathered(np.linalg.tensorsolve, [a, b], shape, "tensorsolve")


@like_numpy(np.linalg.outer, name="numpy.linalg.outer")
def outer(x1, x2, /):
    """Products of every element of one vector with every element of another.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.outer(da.arange(2), da.arange(3)).compute()
    array([[0, 0, 0],
           [0, 1, 2]])
    """
    from raskr.array.routines_products import outer as products

    x1, x2 = as_array(x1), as_array(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are x1.ndim={x1.ndim} and x2.ndim={x2.ndim}.")
    return products(x1, x2)


@like_numpy(np.linalg.diagonal, name="numpy.linalg.diagonal")
def diagonal(x, /, *, offset=0):
    """The diagonals of matrices, in the last two axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.diagonal(da.arange(8).reshape(2, 2, 2)).compute()
    array([[0, 3],
           [4, 7]])
    """
    from raskr.array.creation import diagonal as of_axes

    return of_axes(as_array(x), offset=offset, axis1=-2, axis2=-1)


@like_numpy(np.linalg.trace, name="numpy.linalg.trace")
def trace(x, /, *, offset=0, dtype=None):
    """The sums of the diagonals of matrices, in the last two axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.linalg.trace(da.arange(8).reshape(2, 2, 2)).compute()
    array([ 3, 11])
    """
    return diagonal(x, offset=offset).sum(axis=-1, dtype=dtype)
