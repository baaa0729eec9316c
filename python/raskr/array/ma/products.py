"""Products of masked arrays, convolutions, and polynomials through points of which some are masked."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from raskr.array._apply import Expr, wrap
from raskr.array.collection import Array, need_known_chunks
from raskr.array.ma._blocks import has_masked_blocks, lazy, like_masked, masked, masked_meta
from raskr.array.ma.masking import filled, getdata, getmaskarray, masked_array
from raskr.array.polynomials import polyfit as plain_polyfit

__all__ = ["convolve", "correlate", "dot", "inner", "innerproduct", "outer", "outerproduct", "polyfit", "vander"]


def _shown(x: Array) -> Array:
    """1 where elements are not masked, 0 where they are."""
    return (~getmaskarray(x)).astype(float)


def _whole_lines(x: Array, axis: int) -> Array:
    """The array, masked along all of a line that has a masked element."""
    if not x.ndim:
        return x
    mask = getmaskarray(x)
    return masked_array(x, mask=mask | mask.any(axis=axis, keepdims=True))


@like_masked(np.ma.dot)
def dot(a, b, strict=False, out=None):
    """Dot product, masked elements counting as 0; masked where no product of two that are not masked is in the sum.

    With `strict`, masked where any element in the sum is masked.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.ma.masked_equal(da.asarray([[1, 2], [3, 4]]), 1)
    >>> da.ma.dot(x, da.asarray([1, 1])).compute()
    masked_array(data=[2, 7],
                 mask=[False, False],
           fill_value=999999)
    """
    from raskr.array._apply import apply_out
    from raskr.array.routines_products import dot as plain_dot

    a, b = masked(a), masked(b)
    if strict is True and a.ndim and b.ndim:
        a, b = _whole_lines(a, a.ndim - 1), _whole_lines(b, max(b.ndim - 2, 0))
    result = plain_dot(filled(a, 0), filled(b, 0))
    return apply_out(masked_array(result, mask=plain_dot(_shown(a), _shown(b)) == 0), out)


@like_masked(np.ma.inner)
def inner(a, b):
    """Sums of products over the last axes, masked elements counting as 0.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.inner(da.ma.masked_equal(da.arange(3), 1), da.arange(3)).compute()
    masked_array(data=4,
                 mask=False,
           fill_value=999999)
    """
    from raskr.array.beyond_numeric import inner as plain_inner

    return masked(plain_inner(filled(masked(a), 0), filled(masked(b), 0)))


innerproduct = inner


@like_masked(np.ma.outer)
def outer(a, b):
    """The products of all pairs of elements of two flattened arrays; masked where one of the two is.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.outer(da.ma.masked_equal(da.arange(3), 1), [1, 2]).compute()
    masked_array(
      data=[[0, 0],
            [--, --],
            [2, 4]],
      mask=[[False, False],
            [ True,  True],
            [False, False]],
      fill_value=999999)
    """
    a, b = masked(a).reshape(-1), masked(b).reshape(-1)
    product = filled(a, 0)[:, None] * filled(b, 0)[None, :]
    return masked_array(product, mask=getmaskarray(a)[:, None] | getmaskarray(b)[None, :])


outerproduct = outer


def _slid_blocks(name: str, mode: str, propagate_mask: bool, a: Any, v: Any) -> Any:
    return getattr(np.ma, name)(a, v, mode=mode, propagate_mask=propagate_mask)


def _slid(name: str, a: Any, v: Any, mode: str, propagate_mask: bool) -> Array:
    a, v = masked(a), masked(v)
    for x, what in ((a, "first"), (v, "second")):
        if x.ndim != 1 or x.size == 0:
            raise ValueError(f"{name} takes vectors with elements: the {what} has shape {x.shape}")
        need_known_chunks(x, name)
    high, low = max(a.shape[0], v.shape[0]), min(a.shape[0], v.shape[0])
    lengths = {"full": high + low - 1, "same": high, "valid": high - low + 1}
    if mode not in lengths:
        raise ValueError(f"mode must be 'full', 'same' or 'valid', not {mode!r}")
    a, v = (x if x.npartitions == 1 else x.rechunk(-1) for x in (a, v))
    dtype = np.result_type(a.dtype, v.dtype)
    call = functools.partial(_slid_blocks, name, mode, bool(propagate_mask))
    expr = Expr.blockwise(
        call, (0,), [(a._expr, (1,)), (v._expr, (2,))], ((int(lengths[mode]),),), dtype, False, concatenate=True,
        label=name,
    )  # fmt: skip
    return wrap(expr, masked_meta(1, dtype))


@like_masked(np.ma.convolve)
def convolve(a, v, mode="full", propagate_mask=True):
    """The convolution of two vectors; masked where a masked element takes part, or without `propagate_mask` where no
    others do. Both vectors become one block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.convolve(da.ma.masked_equal(da.arange(4), 2), [1, 1]).compute()
    masked_array(data=[0, 1, --, --, 3],
                 mask=[False, False,  True,  True, False],
           fill_value=999999)
    """
    return _slid("convolve", a, v, mode, propagate_mask)


@like_masked(np.ma.correlate)
def correlate(a, v, mode="valid", propagate_mask=True):
    """The cross-correlation of two vectors; masked where a masked element takes part, or without `propagate_mask` where
    no others do. Both vectors become one block.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.correlate(da.ma.masked_equal(da.arange(4), 3), [1, 1]).compute()
    masked_array(data=[1, 3, --],
                 mask=[False, False,  True],
           fill_value=999999)
    """
    return _slid("correlate", a, v, mode, propagate_mask)


@like_masked(np.ma.polyfit)
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """The polynomial of a degree that is nearest to the points of which nothing is masked. See `raskr.array.polyfit`.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.arange(6.0, chunks=3)
    >>> y = da.ma.masked_equal(da.asarray([0.0, 2.0, 4.0, -1.0, 8.0, 10.0]), -1)
    >>> abs(da.ma.polyfit(x, y, 1).compute().round(6))
    array([2., 0.])
    """
    if lazy(y).ndim not in (1, 2):
        raise TypeError("Expected a 1D or 2D array for y!")
    return plain_polyfit(masked(x), masked(y), deg, rcond=rcond, full=full, w=w, cov=cov)


@like_masked(np.ma.vander)
def vander(x, n=None):
    """The matrix of powers of the elements of a vector, with rows of 0 for masked ones: a plain array.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.vander(da.ma.masked_equal(da.asarray([2, 3]), 3), 3).compute()
    array([[4, 2, 1],
           [0, 0, 0]])
    """
    from raskr.array.beyond import vander as plain_vander
    from raskr.array.routines_select import where

    x = lazy(x)
    powers = plain_vander(getdata(x), n)
    return where(getmaskarray(x)[:, None], 0, powers) if has_masked_blocks(x) else powers
