"""Python functions of blocks: map_blocks and blockwise; blocks by number; blocks whose lengths become known."""

import inspect
import traceback
import warnings
from functools import partial
from numbers import Integral, Number
from types import BuiltinFunctionType, FunctionType

import numpy as np

from raskr._bridge import core
from raskr.array.block_facts import BlockFacts, first_info
from raskr.array.collection import Array, Expr, wrap
from raskr.array.joining import common_chunks, rechunk_to
from raskr.array.utils import is_native_meta, meta_from_array
from raskr.utils import is_dataframe_like, is_series_like


def name_of(function):
    """A short name for a function, for labels and messages."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", None) or type(function).__name__
    return "lambda" if name == "<lambda>" else name.strip("<>_") or "function"


def _takes(function, keyword):
    """Does the function have a parameter of this name?"""
    if type(function) is FunctionType and not hasattr(function, "__wrapped__"):
        code = function.__code__
        return keyword in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if type(function) in (BuiltinFunctionType, np.ufunc):
        return False
    try:
        return keyword in inspect.signature(function).parameters
    except (ValueError, TypeError):
        return False


def infer_meta(function, args, kwargs):
    """What the function gives for empty blocks, or None when it can't be called with them."""
    metas = [arg._meta if isinstance(arg, Array) else arg for arg in args]
    keywords = {name: arg._meta if isinstance(arg, Array) else arg for name, arg in kwargs.items()}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            meta = function(*metas, **keywords)
        except TypeError as error:
            if "unexpected keyword argument" in str(error) or "is an invalid keyword for" in str(error):
                raise
            return None
        except Exception:
            return None
    if meta is None or isinstance(meta, (tuple, list, dict, str)):
        return None
    if not (hasattr(meta, "dtype") or np.isscalar(meta) or is_dataframe_like(meta)):
        return None
    return np.asarray(meta) if np.isscalar(meta) else meta


def infer_dtype(function, args, kwargs, what, suggestion="dtype", outputs=None):
    """The element type that the function gives for blocks of one element; ValueError when it can't be called with
    them."""
    ones = [_one_element(arg) if isinstance(arg, Array) or _is_arraylike(arg) else arg for arg in args]
    keywords = {name: _one_element(arg) if isinstance(arg, Array) else arg for name, arg in kwargs.items()}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*ones, **keywords)
        except Exception as error:
            lines = "".join(traceback.format_tb(error.__traceback__)[1:])
            raise ValueError(
                f"`dtype` inference failed in `{what}`: {name_of(function)} failed on made-up blocks of one "
                "element.\n\n"
                f"Please specify the dtype explicitly using the `{suggestion}` kwarg.\n\n"
                f"Original error is below:\n------------------------\n{error!r}\n\nTraceback:\n---------\n{lines}"
            ) from None
    if outputs is None:
        return np.asarray(result).dtype if not hasattr(result, "dtype") else result.dtype
    return [np.asarray(one).dtype if not hasattr(one, "dtype") else one.dtype for one in result]


def _is_arraylike(arg):
    return isinstance(getattr(arg, "shape", None), tuple) and hasattr(arg, "dtype")


def _one_element(arg):
    meta = getattr(arg, "_meta", arg)
    ones = np.ones((1,) * arg.ndim, dtype=arg.dtype)
    if type(meta) is not np.ndarray:
        try:
            return np.ones_like(meta, shape=(1,) * arg.ndim)
        except TypeError:
            return ones
    return ones


def map_blocks(
    func,
    *args,
    name=None,
    token=None,
    dtype=None,
    chunks=None,
    drop_axis=None,
    new_axis=None,
    enforce_ndim=False,
    meta=None,
    **kwargs,
):
    """`func` of the blocks of arrays, block by block.

    Blocks of several arrays are lined up at their last axes; an array with one block along an axis gives it to all.

    Parameters
    ----------
    func : callable
        Gets a block of each array, and gives a block of the result. If it has parameters of these names, `block_id` is
        the block's number along each axis, and `block_info` a dict that tells, for every argument by position and for
        the result by None, the `shape`, `num-chunks`, `array-location` and `chunk-location` of the block.
    *args : Array or anything
        Arrays are given block by block, anything else as it is.
    name : str, optional
        The first part of the result's keys.
    token : str, optional
        A word for the keys, in place of the function's name.
    dtype : dtype, optional
        The element type of the result; found by a call on empty blocks where it is left out.
    chunks : tuple, optional
        The lengths of the result's blocks, where they differ: one length an axis, or one for each block.
    drop_axis : int or iterable of int, optional
        Axes that the result does not have; `func` gets all blocks along them as one.
    new_axis : int or iterable of int, optional
        Axes of the result that the arrays do not have, with one block of length 1, or as `chunks` says.
    enforce_ndim : bool
        Whether to check that each block has as many axes as it should.
    meta : array, optional
        An empty example of the result's blocks; then `func` is not called to find out.
    **kwargs
        Further arguments of `func`.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        When the element type can't be found, or chunks do not fit.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.arange(6, chunks=3)
    >>> x.map_blocks(lambda block: block[::-1]).compute()
    array([2, 1, 0, 5, 4, 3])
    >>> da.map_blocks(lambda block_id: block_id[0], chunks=((1, 1),), dtype=int).chunks
    ((1, 1),)
    """
    if not callable(func):
        raise TypeError(
            f"map_blocks: the first argument must be a callable function, not {type(func).__name__}.\n"
            "Usage: da.map_blocks(function, x) or da.map_blocks(function, x, y, z)"
        )
    drop_axis = _axis_list(drop_axis, "drop_axis")
    new_axis = _axis_list(new_axis, "new_axis") if new_axis is not None else None
    if dtype is not None:
        dtype = np.dtype(dtype)
    label = token or name_of(func)
    arrays = [arg for arg in args if isinstance(arg, Array)]
    pairs = [(arg, tuple(range(arg.ndim))[::-1] if isinstance(arg, Array) else None) for arg in args]
    if arrays:
        out = list(range(max(array.ndim for array in arrays)))[::-1]
    elif new_axis is None and chunks is not None:
        if isinstance(chunks, Number):
            chunks = (chunks,)
        out = list(range(len(chunks)))
    elif new_axis is not None:
        out = list(range(len(new_axis)))
    else:
        raise ValueError("map_blocks: without arrays, give chunks or new_axis")
    keywords = dict(kwargs)
    extra = {}
    if _takes(func, "block_id") and "block_id" not in kwargs:
        extra["block_id"] = (0,) * len(out)
    wants_info = _takes(func, "block_info") and "block_info" not in kwargs
    ndim_in = len(out)
    dropped = sorted({axis % ndim_in if ndim_in else axis for axis in drop_axis})
    if any(not -ndim_in <= axis < ndim_in for axis in drop_axis):
        raise ValueError(f"drop_axis {drop_axis}: the arrays have {ndim_in} axes")
    out = [index for axis, index in enumerate(out) if axis not in dropped]
    if new_axis is None and arrays and not dropped and isinstance(chunks, (tuple, list)) and len(chunks) > len(out):
        new_axis = list(range(len(chunks) - len(out)))
    new_axes = {}
    if new_axis is not None:
        ndim_out = len(out) + len(new_axis) if arrays else len(new_axis)
        if any(not -ndim_out <= axis < ndim_out for axis in new_axis):
            raise ValueError(f"new_axis {new_axis}: the result has {ndim_out} axes")
        first_new = max((max(indices) for _, indices in pairs if indices), default=-1) + 1
        if not arrays:
            out = []
        for number, axis in enumerate(sorted(axis % max(1, ndim_out) for axis in new_axis)):
            out.insert(axis, first_new + number)
            entry = 1 if chunks is None else chunks[axis]
            new_axes[first_new + number] = tuple(entry) if isinstance(entry, (tuple, list)) else entry
    if not arrays and new_axis is None:
        new_axes = {
            index: tuple(entry) if isinstance(entry, (tuple, list)) else entry for index, entry in zip(out, chunks)
        }
    adjust = {}
    if chunks is not None and arrays:
        if isinstance(chunks, Number) or len(chunks) != len(out):
            given = 1 if isinstance(chunks, Number) else len(chunks)
            raise ValueError(f"Provided chunks have {given} dims; expected {len(out)} dims")
        adjust = {index: entry for index, entry in zip(out, chunks) if index not in new_axes}
    guessed = dtype is None and meta is None
    if meta is None:
        probe = dict(kwargs) | extra
        if wants_info:
            probe["block_info"] = first_info(pairs, len(out), dtype)
        meta = _probe(func, args, probe, guessed)
        if meta is None and guessed:
            dtype = infer_dtype(func, args, probe, "map_blocks")
        elif guessed:
            dtype = getattr(meta, "dtype", np.dtype(object))
    if enforce_ndim:
        func = _EnforceNdim(func, len(out))
    per_block = None
    if extra or wants_info:
        per_block = BlockFacts(bool(extra), wants_info)
    table = meta if is_dataframe_like(meta) or is_series_like(meta) else None
    result = _blockwise(
        func,
        out,
        pairs,
        name=name,
        label=label,
        dtype=np.dtype(object) if table is not None else dtype,
        adjust_chunks=adjust,
        new_axes=new_axes,
        align_arrays=False,
        concatenate=True,
        meta=np.empty((0,) * len(out), dtype=object) if table is not None else meta,
        kwargs=keywords,
        per_block=per_block,
    )
    if table is None:
        return result
    from raskr.dataframe.sources import frame_of_blocks

    return frame_of_blocks(result, table)


def _probe(func, args, kwargs, guessed):
    try:
        return infer_meta(func, args, kwargs)
    except TypeError:
        if guessed:
            raise
        return None


def _axis_list(axes, what):
    if axes is None:
        return []
    if isinstance(axes, Integral):
        return [int(axes)]
    try:
        return [int(axis) for axis in axes]
    except TypeError:
        raise TypeError(f"{what}: expected an integer or several, got {axes!r}") from None


class _EnforceNdim:
    """A function whose results must have a certain number of axes."""

    def __init__(self, function, ndim):
        self.function, self.ndim = function, ndim
        self.__name__ = name_of(function)

    def __call__(self, *args, **kwargs):
        block = self.function(*args, **kwargs)
        if getattr(block, "ndim", 0) != self.ndim:
            raise ValueError(
                f"Dimension mismatch: expected output of {self.function} to have dims = {self.ndim}.  "
                f"Got {getattr(block, 'ndim', 0)} instead."
            )
        return block


def blockwise(
    func,
    out_ind,
    *args,
    name=None,
    token=None,
    dtype=None,
    adjust_chunks=None,
    new_axes=None,
    align_arrays=True,
    concatenate=None,
    meta=None,
    **kwargs,
):
    """A function of blocks, with the blocks that it gets named by indices, as in Einstein's notation.

    Parameters
    ----------
    func : callable
        Gets one argument for each array. Along an index that `out_ind` does not have it gets all blocks: in a list, or
        joined with `concatenate`.
    out_ind : iterable
        The index of each axis of the result, such as 'ij'.
    *args : Array, indices, Array, indices, ...
        Arrays, each followed by its indices; anything followed by None is given as it is.
    name, token : str, optional
        The result's name, or a word for it.
    dtype : dtype, optional
        The element type of the result.
    adjust_chunks : dict, optional
        By index, what the lengths of blocks become: a length, one for each block, or a function of a length.
    new_axes : dict, optional
        By index, the length (or the lengths of blocks) of an axis that no array has.
    align_arrays : bool
        Whether to rechunk arrays whose blocks do not line up; without it they must.
    concatenate : bool, optional
        Whether blocks along contracted indices are joined to one.
    meta : array, optional
        An empty example of the result's blocks.
    **kwargs
        Further arguments of `func`.

    Returns
    -------
    Array

    Examples
    --------
    >>> import operator
    >>> import raskr.array as da
    >>> x, y = da.arange(4, chunks=2), da.arange(3, chunks=3)
    >>> da.blockwise(lambda a, b: a[:, None] * b, "ij", x, "i", y, "j", dtype=x.dtype).shape
    (4, 3)
    """
    out = tuple(out_ind)
    if len(args) % 2:
        raise ValueError(f"blockwise: arguments come in pairs of an array and its indices, got {len(args)} arguments")
    if len(set(out)) != len(out):
        doubled = [index for index in out if out.count(index) > 1]
        raise ValueError(f"Repeated elements not allowed in output index: {doubled[0]!r} in {out_ind!r}")
    pairs = []
    for arg, indices in zip(args[::2], args[1::2]):
        if indices is not None and not isinstance(arg, Array):
            from raskr.array.sources import asanyarray

            arg = asanyarray(arg)
        pairs.append((arg, None if indices is None else tuple(indices)))
    known = {index for _, indices in pairs if indices is not None for index in indices}
    unknown = [index for index in out if index not in known and index not in (new_axes or {})]
    if unknown:
        raise ValueError(
            f"Unknown dimension: {unknown[0]!r} is in the output index, but in no input index and not in new_axes"
        )
    return _blockwise(
        func,
        out,
        pairs,
        name=name,
        label=token or name_of(func),
        dtype=None if dtype is None else np.dtype(dtype),
        adjust_chunks=adjust_chunks or {},
        new_axes=new_axes or {},
        align_arrays=align_arrays,
        concatenate=bool(concatenate),
        meta=meta,
        kwargs=kwargs,
    )


def atop(func, out_ind, *args, **kwargs):
    """The former name of `blockwise`.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.atop is da.blockwise
    False
    """
    warnings.warn("The da.atop function has moved to da.blockwise", stacklevel=2)
    return blockwise(func, out_ind, *args, **kwargs)


def _blockwise(
    func,
    out,
    pairs,
    name,
    label,
    dtype,
    adjust_chunks,
    new_axes,
    align_arrays,
    concatenate,
    meta,
    kwargs,
    per_block=None,
):
    out = tuple(out)
    with_axes = [(arg, indices) for arg, indices in pairs if indices is not None]
    for arg, indices in with_axes:
        if len(indices) != arg.ndim:
            raise ValueError(f"blockwise: an array of {arg.ndim} axes has {len(indices)} indices {indices}")
    chunks = _chunks_by_index(with_axes, align_arrays)
    if align_arrays:
        pairs = [
            (arg if indices is None else rechunk_to(arg, [chunks[index] for index in indices]), indices)
            for arg, indices in pairs
        ]
    for index, entry in new_axes.items():
        chunks[index] = tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)
    sizes = tuple(_adjusted(index, chunks[index], adjust_chunks) for index in out)
    if meta is None:
        meta = infer_meta(func, [arg for arg, _ in pairs], kwargs) if per_block is None else None
    if meta is None and dtype is None:
        raise ValueError(
            f"{label}: the element type can't be found by a call on empty blocks; you must specify the meta or dtype"
        )
    if meta is not None and dtype is None and isinstance(meta, type):
        raise ValueError(f"{label}: meta is a class; give the dtype too")
    meta = meta_from_array(meta, ndim=len(out), dtype=dtype)
    if per_block is not None:
        per_block.prepare(pairs, out, sizes, meta.dtype)
    native = is_native_meta(meta)
    numbers = {}
    for index in out:
        numbers.setdefault(index, len(numbers))
    for _, indices in with_axes:
        for index in indices:
            numbers.setdefault(index, len(numbers))
    if concatenate:
        pairs = [
            (arg, None if indices is None else _apart(arg, indices, chunks, out, numbers)) for arg, indices in pairs
        ]
    expr = Expr.blockwise(
        func,
        tuple(numbers[index] for index in out),
        [
            (whole(arg), None) if indices is None else (arg._expr, tuple(numbers[index] for index in indices))
            for arg, indices in pairs
        ],
        sizes,
        meta.dtype,
        native,
        kwargs={keyword: whole(value) for keyword, value in kwargs.items()},
        per_block=per_block,
        concatenate=concatenate,
        label=label,
    )
    if name is not None:
        expr = expr.with_name(name)
    return wrap(expr, None if native else meta)


def _apart(arg, indices, chunks, out, numbers):
    """Indices of which those that are contracted over one block of this array, and several of others, are its own."""
    result = []
    for index, count in zip(indices, arg.numblocks):
        if index not in out and count == 1 and len(chunks[index]) > 1:
            index = ("only", len(numbers), index)
            numbers[index] = len(numbers)
        result.append(index)
    return tuple(result)


def whole(value):
    """An argument that goes to every block: lazy values, also inside containers, are computed first."""
    kind = type(value)
    if kind in (int, float, str, bool, bytes, type(None), np.ndarray, slice, np.dtype):
        return value
    from raskr.base import node_of, unpack_collections

    if isinstance(value, core.Delayed):
        return value._node
    collections, repack = unpack_collections(value)
    if not collections:
        return value
    if collections[0] is value:
        return node_of(value)
    return core.node_of_call(_Repacked(repack), tuple(collections), name="arguments")


class _Repacked:
    """Puts computed values into the places of the collections that an argument holds."""

    def __init__(self, repack):
        self.repack = repack

    def __call__(self, *values):
        return self.repack(values)[0]


def _chunks_by_index(pairs, align_arrays):
    if align_arrays:
        return common_chunks([(arg.chunks, indices) for arg, indices in pairs])
    chunks = {}
    for arg, indices in pairs:
        for index, sizes in zip(indices, arg.chunks):
            present = chunks.get(index)
            if present is None or len(present) == 1 and len(sizes) > 1:
                chunks[index] = sizes
            elif len(sizes) != len(present) and len(sizes) > 1:
                raise ValueError(
                    f"arrays have {len(present)} and {len(sizes)} blocks along one axis ({present} and {sizes}): "
                    "rechunk one "
                    "of them"
                )
            elif len(sizes) == 1 and len(present) == 1 and sizes[0] > present[0]:
                chunks[index] = sizes
    return chunks


def _adjusted(index, sizes, adjust_chunks):
    if index not in adjust_chunks:
        return tuple(sizes)
    entry = adjust_chunks[index]
    if callable(entry):
        return tuple(entry(size) for size in sizes)
    if isinstance(entry, Integral):
        return (int(entry),) * len(sizes)
    if isinstance(entry, Number):
        return (entry,) * len(sizes)
    if isinstance(entry, (tuple, list)):
        if len(entry) != len(sizes):
            raise ValueError(
                f"Dimension {index} has {len(sizes)} blocks, adjust_chunks specified with {len(entry)} blocks"
            )
        return tuple(entry)
    raise NotImplementedError(
        f"adjust_chunks[{index!r}]: expected a callable, int, tuple or list, got {type(entry).__name__}"
    )
