"""Masked arrays in other shapes, repeated, joined and split."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._docs import compose
from raskr.array.axes import transpose as plain_transpose
from raskr.array.beyond import column_stack as plain_column_stack
from raskr.array.beyond import diagflat as plain_diagflat
from raskr.array.beyond import hsplit as plain_hsplit
from raskr.array.beyond import resize as plain_resize
from raskr.array.beyond import row_stack as plain_row_stack
from raskr.array.creation import diag as plain_diag
from raskr.array.creation import diagonal as plain_diagonal
from raskr.array.creation import repeat as plain_repeat
from raskr.array.joining import concatenate as plain_concatenate
from raskr.array.joining import stack as plain_stack
from raskr.array.ma._blocks import lazy, like_masked, masked
from raskr.array.ma.masking import getdata, getmaskarray, masked_array
from raskr.array.reshape import reshape as plain_reshape
from raskr.array.routines_numeric import diff as plain_diff
from raskr.array.routines_numeric import ediff1d as plain_ediff1d
from raskr.array.routines_shape import atleast_1d as plain_atleast_1d
from raskr.array.routines_shape import atleast_2d as plain_atleast_2d
from raskr.array.routines_shape import atleast_3d as plain_atleast_3d
from raskr.array.routines_shape import dstack as plain_dstack
from raskr.array.routines_shape import expand_dims as plain_expand_dims
from raskr.array.routines_shape import hstack as plain_hstack
from raskr.array.routines_shape import ravel as plain_ravel
from raskr.array.routines_shape import squeeze as plain_squeeze
from raskr.array.routines_shape import swapaxes as plain_swapaxes
from raskr.array.routines_shape import vstack as plain_vstack

__all__ = [
    "append", "atleast_1d", "atleast_2d", "atleast_3d", "column_stack", "concatenate", "diag", "diagflat", "diagonal",
    "diff", "dstack", "ediff1d", "expand_dims", "hsplit", "hstack", "ndim", "ravel", "repeat", "reshape", "resize",
    "row_stack", "shape", "size", "squeeze", "stack", "swapaxes", "transpose", "vstack",
]  # fmt: skip


def _of_masked(
    plain: Callable[..., Any], prepare: Callable[[Any], Any], text: str, example: str, joined: bool = False
) -> Callable[..., Any]:
    """A function of `raskr.array` whose first argument is made masked by `prepare`; with `joined`, all of them are."""
    signature = inspect.signature(plain)
    name = plain.__name__

    def call(*args, **kwargs):
        if joined:
            return plain(*(prepare(x) for x in args), **kwargs)
        given = signature.bind(*args, **kwargs)
        first = next(iter(signature.parameters))
        if isinstance(given.arguments[first], tuple) and signature.parameters[first].kind.name == "VAR_POSITIONAL":
            given.arguments[first] = tuple(prepare(x) for x in given.arguments[first])
        else:
            given.arguments[first] = prepare(given.arguments[first])
        return plain(*given.args, **given.kwargs)

    call.__name__ = call.__qualname__ = name
    call.__signature__ = signature
    call.__doc__ = _documented(text, name, example)
    return call


def _documented(text: str, name: str, example: str) -> str:
    own = f"{text}\n\nExamples\n--------\n>>> import raskr.array as da\n{example}\n"
    return compose(own, getattr(np, "vstack" if name == "row_stack" else name), f"numpy.ma.{name}")


def _all_masked(arrays: Any) -> list[Any]:
    return [masked(x) for x in arrays]


def _part_by_part(plain: Callable[..., Any], x: Any, *args: Any) -> Any:
    """A function of `raskr.array` of the elements and of the masks, put together again."""
    x = lazy(x)
    data, mask = (plain(look(x), *args) for look in (getdata, getmaskarray))
    return masked_array(data, mask=mask, fill_value=getattr(x._meta, "_fill_value", None))


# --- the same elements in other shapes --------------------------------------------------------------------------------
@like_masked(np.ma.ravel)
def ravel(a):
    """The elements along one axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.ravel(da.ma.masked_equal(da.asarray([[0, 1]]), 1)).compute()
    masked_array(data=[0, --],
                 mask=[False,  True],
           fill_value=1)
    """
    return plain_ravel(masked(a))


@like_masked(np.ma.reshape)
def reshape(a, new_shape):
    """The elements in another shape, with the same number of them.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.reshape(da.ma.masked_equal(da.arange(4), 1), (2, 2)).compute()
    masked_array(
      data=[[0, --],
            [2, 3]],
      mask=[[False,  True],
            [False, False]],
      fill_value=1)
    """
    return plain_reshape(masked(a), new_shape)


transpose = _of_masked(
    plain_transpose, masked, "The array with its axes in another order.",
    ">>> da.ma.transpose(da.ma.masked_equal(da.asarray([[0, 1]]), 1)).compute()\n"
    "masked_array(\n"
    "  data=[[0],\n"
    "        [--]],\n"
    "  mask=[[False],\n"
    "        [ True]],\n"
    "  fill_value=1)",
)  # fmt: skip
swapaxes = _of_masked(
    plain_swapaxes, masked, "The array with two axes exchanged.",
    ">>> da.ma.swapaxes(da.ma.masked_equal(da.asarray([[0, 1]]), 1), 0, 1).shape\n"
    "(2, 1)",
)  # fmt: skip
squeeze = _of_masked(
    plain_squeeze, masked, "The array without axes of length 1.",
    ">>> da.ma.squeeze(da.ma.masked_equal(da.asarray([[0, 1]]), 1)).compute()\n"
    "masked_array(data=[0, --],\n"
    "             mask=[False,  True],\n"
    "       fill_value=1)",
)  # fmt: skip
expand_dims = _of_masked(
    plain_expand_dims, masked, "The array with a new axis of length 1.",
    ">>> da.ma.expand_dims(da.ma.masked_equal(da.arange(3), 1), 0).shape\n"
    "(1, 3)",
)  # fmt: skip
atleast_1d = _of_masked(
    plain_atleast_1d, masked, "The arrays with one axis or more.",
    ">>> da.ma.atleast_1d(da.ma.masked_equal(da.asarray(1), 1)).compute()\n"
    "masked_array(data=[--],\n"
    "             mask=[ True],\n"
    "       fill_value=1,\n"
    "            dtype=int64)", joined=True,
)  # fmt: skip
atleast_2d = _of_masked(
    plain_atleast_2d, masked, "The arrays with two axes or more.",
    ">>> da.ma.atleast_2d(da.ma.masked_equal(da.arange(2), 1)).compute()\n"
    "masked_array(data=[[0, --]],\n"
    "             mask=[[False,  True]],\n"
    "       fill_value=1)", joined=True,
)  # fmt: skip
atleast_3d = _of_masked(
    plain_atleast_3d, masked, "The arrays with three axes or more.",
    ">>> da.ma.atleast_3d(da.ma.masked_equal(da.arange(2), 1)).shape\n"
    "(1, 2, 1)", joined=True,
)  # fmt: skip


@like_masked(np.ma.ndim)
def ndim(obj):
    """The number of axes.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.ndim(da.ma.zeros((2, 3)))
    2
    """
    return obj.ndim if hasattr(obj, "ndim") else np.ndim(obj)


@like_masked(np.ma.shape)
def shape(obj):
    """The length along each axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.shape(da.ma.zeros((2, 3)))
    (2, 3)
    """
    return obj.shape if hasattr(obj, "shape") else np.shape(obj)


@like_masked(np.ma.size)
def size(obj, axis=None):
    """The number of elements, masked ones too, or the length of an axis.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.size(da.ma.zeros((2, 3))), da.ma.size(da.ma.zeros((2, 3)), 1)
    (6, 3)
    """
    from raskr.array.beyond import size as plain_size

    return plain_size(obj, axis)


# --- repeated, and along diagonals ------------------------------------------------------------------------------------
repeat = _of_masked(
    plain_repeat, masked, "Each element several times.",
    ">>> da.ma.repeat(da.ma.masked_equal(da.arange(2), 1), 2).compute()\n"
    "masked_array(data=[0, 0, --, --],\n"
    "             mask=[False, False,  True,  True],\n"
    "       fill_value=1)",
)  # fmt: skip


@like_masked(np.ma.resize)
def resize(x, new_shape):
    """The elements in another shape, repeated from the first where there are too few of them.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.resize(da.ma.masked_equal(da.arange(2), 1), 5).compute()
    masked_array(data=[0, --, 0, --, 0],
                 mask=[False,  True, False,  True, False],
           fill_value=1)
    """
    return _part_by_part(plain_resize, x, new_shape)


diagonal = _of_masked(
    plain_diagonal, masked, "The elements on a diagonal of two axes.",
    ">>> da.ma.diagonal(da.ma.masked_equal(da.asarray([[0, 1], [2, 3]]), 3)).compute()\n"
    "masked_array(data=[0, --],\n"
    "             mask=[False,  True],\n"
    "       fill_value=3)",
)  # fmt: skip


@like_masked(np.ma.diag)
def diag(v, k=0):
    """A diagonal of a matrix, or the matrix that has a vector as a diagonal.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.diag(da.ma.masked_equal(da.asarray([1, 2]), 2)).compute()
    masked_array(
      data=[[1, 0],
            [0, --]],
      mask=[[False, False],
            [False,  True]],
      fill_value=2)
    """
    return _part_by_part(plain_diag, v, k)


@like_masked(np.ma.diagflat)
def diagflat(v, k=0):
    """The matrix that has the flattened elements as a diagonal.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.diagflat(da.ma.masked_equal(da.asarray([[1, 2]]), 2)).compute()
    masked_array(
      data=[[1, 0],
            [0, --]],
      mask=[[False, False],
            [False,  True]],
      fill_value=2)
    """
    return _part_by_part(plain_diagflat, v, k)


# --- differences ------------------------------------------------------------------------------------------------------
@like_masked(np.ma.diff)
def diff(a, /, n=1, axis=-1, prepend=None, append=None):
    """Differences of neighbouring elements along an axis, taken n times; masked where one of the two is.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.diff(da.ma.masked_equal(da.arange(5, chunks=2), 3)).compute()
    masked_array(data=[1, 1, --, --],
                 mask=[False, False,  True,  True],
           fill_value=3)
    """
    extra = {name: masked(x) for name, x in (("prepend", prepend), ("append", append)) if x is not None}
    return plain_diff(masked(a), n=n, axis=axis, **extra)


@like_masked(np.ma.ediff1d)
def ediff1d(arr, to_end=None, to_begin=None):
    """Differences of neighbours in the flattened array, with values before and after them.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.ediff1d(da.ma.masked_equal(da.asarray([1, 4, 9]), 9), to_end=0).compute()
    masked_array(data=[3, --, 0],
                 mask=[False,  True, False],
           fill_value=999999)
    """
    extra = {name: masked(x) for name, x in (("to_end", to_end), ("to_begin", to_begin)) if x is not None}
    return plain_ediff1d(masked(arr), **extra)


# --- joined and split ---------------------------------------------------------------------------------------------------
@like_masked(np.ma.concatenate)
def concatenate(arrays, axis=0):
    """Arrays one after another along an axis; flattened ones where it is None.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.concatenate([da.arange(2), da.ma.masked_equal(da.arange(2), 1)]).compute()
    masked_array(data=[0, 1, 0, --],
                 mask=[False, False, False,  True],
           fill_value=999999)
    """
    parts = _all_masked(arrays)
    if axis is None:
        parts, axis = [part.reshape(-1) for part in parts], 0
    return plain_concatenate(parts, axis=axis)


@like_masked(np.ma.append)
def append(a, b, axis=None):
    """One array behind another along an axis; flattened ones where it is None.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.ma.append(da.ma.masked_equal(da.arange(3), 1), [7]).compute()
    masked_array(data=[0, --, 2, 7],
                 mask=[False,  True, False, False],
           fill_value=999999)
    """
    return concatenate([a, b], axis)


stack = _of_masked(
    plain_stack, _all_masked, "Arrays of the same shape along a new axis.",
    ">>> da.ma.stack([da.arange(2), da.ma.masked_equal(da.arange(2), 1)]).compute()\n"
    "masked_array(\n"
    "  data=[[0, 1],\n"
    "        [0, --]],\n"
    "  mask=[[False, False],\n"
    "        [False,  True]],\n"
    "  fill_value=999999)",
)  # fmt: skip
vstack = _of_masked(
    plain_vstack, _all_masked, "Arrays one below the other; those of one axis are rows.",
    ">>> da.ma.vstack([da.arange(2), da.ma.masked_equal(da.arange(2), 1)]).shape\n"
    "(2, 2)",
)  # fmt: skip
hstack = _of_masked(
    plain_hstack, _all_masked, "Arrays side by side.",
    ">>> da.ma.hstack([da.arange(2), da.ma.masked_equal(da.arange(2), 1)]).compute()\n"
    "masked_array(data=[0, 1, 0, --],\n"
    "             mask=[False, False, False,  True],\n"
    "       fill_value=999999)",
)  # fmt: skip
dstack = _of_masked(
    plain_dstack, _all_masked, "Arrays one behind the other, along a third axis.",
    ">>> da.ma.dstack([da.arange(2), da.ma.masked_equal(da.arange(2), 1)]).shape\n"
    "(1, 2, 2)",
)  # fmt: skip
column_stack = _of_masked(
    plain_column_stack, _all_masked, "Arrays side by side; those of one axis are columns.",
    ">>> da.ma.column_stack([da.arange(2), da.ma.masked_equal(da.arange(2), 1)]).compute()\n"
    "masked_array(\n"
    "  data=[[0, 0],\n"
    "        [1, --]],\n"
    "  mask=[[False, False],\n"
    "        [False,  True]],\n"
    "  fill_value=999999)",
)  # fmt: skip
row_stack = _of_masked(
    plain_row_stack, _all_masked, "Arrays one below the other: the old name of `vstack`.",
    ">>> da.ma.row_stack([da.arange(2), da.ma.masked_equal(da.arange(2), 1)]).shape\n"
    "(2, 2)",
)  # fmt: skip
hsplit = _of_masked(
    plain_hsplit, masked, "The array in parts side by side.",
    ">>> [part.shape for part in da.ma.hsplit(da.ma.zeros((2, 4)), 2)]\n"
    "[(2, 2), (2, 2)]",
)  # fmt: skip
