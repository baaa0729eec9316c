"""Generalised ufuncs: functions whose signature names the axes that they need whole."""

import math
import re
from functools import partial
from numbers import Integral

import numpy as np

from raskr.array.blocks import infer_dtype, infer_meta, name_of
from raskr.array.collection import Expr, wrap
from raskr.array.joining import common_chunks, rechunk_to
from raskr.array.utils import is_native_meta, meta_from_array

_NAME = r"\w+\??"
_CORE = rf"\((?:{_NAME}(?:,{_NAME})*)?\)"
_SIGNATURE = re.compile(rf"^(?:{_CORE}(?:,{_CORE})*)?->{_CORE}(?:,{_CORE})*$")


def parse_signature(signature):
    """The axes' names of each input, and of each output (a tuple for one output, a list for several)."""
    text = re.sub(r"\s+", "", signature)
    if not _SIGNATURE.match(text):
        raise ValueError(f"Not a valid gufunc signature: {signature!r}; expected something like '(i,j),(j)->(i)'")
    ins, outs = text.split("->")
    inputs = [tuple(re.findall(_NAME, one)) for one in re.findall(_CORE, ins)]
    outputs = [tuple(re.findall(_NAME, one)) for one in re.findall(_CORE, outs)]
    return inputs, outputs[0] if len(outputs) == 1 else outputs


def normalize_axes(axes, axis, keepdims, inputs, outputs):
    """For every input and output, which axes are the ones that its signature names."""
    outs = [outputs] if isinstance(outputs, tuple) else list(outputs)
    if axes is not None and axis is not None:
        raise ValueError("Only one of `axis` or `axes` keyword arguments should be given")
    if axes is not None and not isinstance(axes, list):
        raise ValueError(f"`axes` has to be of type list, got {type(axes).__name__}")
    cores = [*inputs, *outs]
    kept = keepdims and keepdims is not None
    if kept and (any(outs) or len(set(inputs)) > 1):
        raise ValueError(
            f"`keepdims=True` needs inputs with the same number of core axes and outputs without any, got {inputs} "
            f"-> {outs}"
        )
    if axis is not None:
        if not isinstance(axis, Integral):
            raise ValueError(f"`axis` argument has to be an integer value, got {axis!r}")
        names = {name for core in cores for name in core}
        if len(names) != 1 or any(len(core) > 1 for core in cores):
            raise ValueError(f"`axis` can be used only, if one core dimension is present, got {sorted(names)}")
        axes = [(int(axis),) if core else () for core in inputs]
        axes += [(int(axis),) if core or kept else () for core in outs]
        return axes[: len(inputs)], axes[len(inputs) :]
    if axes is None:
        axes = [tuple(range(-len(core), 0)) for core in inputs]
        axes += [axes[0] if kept else tuple(range(-len(core), 0)) for core in outs]
        return axes[: len(inputs)], axes[len(inputs) :]
    axes = [(int(entry),) if isinstance(entry, Integral) else tuple(entry) for entry in axes]
    if len(axes) == len(inputs) and (kept or not any(outs)):
        axes = axes + [axes[0] if kept else () for _ in outs]
    if len(axes) != len(cores):
        raise ValueError(
            f"The number of `axes` entries is not equal the number of input and output arguments: {len(axes)} != "
            f"{len(cores)}"
        )
    for number, (entry, core) in enumerate(zip(axes, cores)):
        length = len(inputs[0]) if kept and number >= len(inputs) else len(core)
        if len(entry) != length:
            what = "input" if number < len(inputs) else "output"
            raise ValueError(
                f"The number of `axes` entries for {what} {number} is not equal its core axes: {entry} for {core}"
            )
    return axes[: len(inputs)], axes[len(inputs) :]


_parse_gufunc_signature = parse_signature
_validate_normalize_axes = normalize_axes


def apply_gufunc(
    func,
    signature,
    *args,
    axes=None,
    axis=None,
    keepdims=False,
    output_dtypes=None,
    output_sizes=None,
    vectorize=None,
    allow_rechunk=False,
    meta=None,
    **kwargs,
):
    """A function of whole axes, applied block by block along all other axes.

    Parameters
    ----------
    func : callable
        Gets blocks whose last axes are those that the signature names, and gives blocks likewise; several as a tuple.
    signature : str
        Names for the axes that each argument must have whole, such as '(i,j),(j)->(i)'. All other axes are broadcast.
    *args : array_like
        The arguments.
    axes : list of tuples, optional
        For every argument and result, which axes are the named ones; the last ones where it is left out.
    axis : int, optional
        The same, where there is only one name.
    keepdims : bool
        Whether the result keeps the named axes, with length 1.
    output_dtypes : dtype or list of dtype, optional
        The element type of each result; found by a call on made-up data where it is left out.
    output_sizes : dict, optional
        The length of each name that only the results have.
    vectorize : bool
        Whether `func` takes the named axes only, and has to be called for each element of the others.
    allow_rechunk : bool
        Whether arguments are rechunked so that named axes have one block.
    meta : array or tuple of arrays, optional
        Empty examples of the results' blocks.
    **kwargs
        Further arguments of `func`.

    Returns
    -------
    Array or tuple of Array

    Raises
    ------
    ValueError
        When the signature, the shapes or the blocks do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> x = da.ones((4, 6), chunks=(2, 6))
    >>> mean, std = da.apply_gufunc(lambda b: (b.mean(-1), b.std(-1)), "(i)->(),()", x, output_dtypes=(float, float))
    >>> mean.compute()
    array([1., 1., 1., 1.])
    """
    from raskr.array.sources import asanyarray

    inputs, outputs = parse_signature(signature)
    single = isinstance(outputs, tuple)
    outs = [outputs] if single else outputs
    if len(inputs) != len(args):
        raise ValueError(f"According to `signature`, `func` requires {len(inputs)} arguments, but {len(args)} given")
    in_axes, out_axes = normalize_axes(axes, axis, keepdims, inputs, outputs)
    function = partial(func, **kwargs) if kwargs else func
    arrays = [asanyarray(arg) for arg in args]
    dtypes, metas = _results(function, signature, arrays, inputs, outs, single, output_dtypes, meta, vectorize)
    if vectorize:
        otypes = "".join(dtype.char for dtype in dtypes) if all(dtype.names is None for dtype in dtypes) else None
        function = np.vectorize(function, signature=re.sub(r"\s+", "", signature), otypes=otypes)
    arrays = [
        _core_last(array, core, own, number) for number, (array, core, own) in enumerate(zip(arrays, inputs, in_axes))
    ]
    arrays, indices, chunks, sizes = _lined_up(arrays, inputs, allow_rechunk)
    sizes = sizes | {name: int(size) for name, size in (output_sizes or {}).items()}
    loops = max((len(index) - len(core) for index, core in zip(indices, inputs)), default=0)
    loop_index = tuple(range(loops))
    loop_chunks = tuple(chunks[number] for number in loop_index)
    label = name_of(func)
    call = [(array._expr, index) for array, index in zip(arrays, indices)]
    for core in outs:
        for name in core:
            if name not in sizes:
                raise ValueError(
                    f"apply_gufunc: the length of core dimension {name!r} of the output is unknown; give it in "
                    "output_sizes"
                )
    if single:
        whole = None
    else:
        whole = Expr.blockwise(
            function, loop_index, call, loop_chunks, np.dtype(object), False, concatenate=True, label=label
        )
    results = []
    for number, (core, dtype, example) in enumerate(zip(outs, dtypes, metas)):
        out_index = loop_index + tuple(range(-1, -len(core) - 1, -1))
        out_chunks = loop_chunks + tuple((sizes[name],) for name in core)
        example = meta_from_array(example, ndim=len(out_chunks), dtype=dtype)
        native = is_native_meta(example)
        if single:
            expr = Expr.blockwise(
                function,
                _renumbered(out_index, loops),
                call,
                out_chunks,
                example.dtype,
                native,
                concatenate=True,
                label=label,
            )
        else:
            expr = Expr.blockwise(
                partial(_one_of, number=number),
                _renumbered(out_index, loops),
                [(whole, loop_index)],
                out_chunks,
                example.dtype,
                native,
                label=f"{label}-{number}",
            )
        result = wrap(expr, None if native else example)
        results.append(_placed(result, len(core), out_axes[number], keepdims))
    return results[0] if single else tuple(results)


def _renumbered(index, loops):
    return tuple(number if number >= 0 else loops - 1 - number for number in index)


def _one_of(results, number):
    value = results[number]
    return value if hasattr(value, "dtype") else np.asarray(value)


def _results(function, signature, arrays, inputs, outs, single, output_dtypes, meta, vectorize):
    """The element types and metas of the results."""
    count = len(outs)
    if meta is not None and output_dtypes is not None:
        raise ValueError("apply_gufunc: only one of `meta` and `output_dtypes` should be given")
    if meta is not None:
        metas = list(meta) if isinstance(meta, (tuple, list)) else [meta]
        if len(metas) != count:
            raise ValueError(f"apply_gufunc: `meta` has {len(metas)} entries, the signature {count} results")
        return [np.dtype(one.dtype) for one in metas], metas
    if output_dtypes is None:
        probe = function
        if vectorize:
            probe = np.vectorize(function, signature=re.sub(r"\s+", "", signature))
        dtypes = infer_dtype(probe, arrays, {}, "apply_gufunc", "output_dtypes", None if single else count)
        dtypes = [dtypes] if single else list(dtypes)
    else:
        listed = isinstance(output_dtypes, (list, tuple)) and (not single or len(output_dtypes) == 1)
        dtypes = [np.dtype(one) for one in output_dtypes] if listed else [np.dtype(output_dtypes)]
        if len(dtypes) == 1 and count > 1:
            dtypes *= count
    if len(dtypes) != count:
        raise ValueError(f"apply_gufunc: `output_dtypes` has {len(dtypes)} entries, the signature {count} results")
    example = None
    if any(array._foreign_meta is not None for array in arrays) and not vectorize:
        example = infer_meta(lambda *blocks: _first(function(*blocks)), arrays, {})
        example = example if example is not None and hasattr(example, "ndim") else None
        if example is None:
            example = next(array._foreign_meta for array in arrays if array._foreign_meta is not None)
    return dtypes, [example] * count


def _first(result):
    return result[0] if isinstance(result, (tuple, list)) else result


def _core_last(array, core, axes, number):
    if array.ndim < len(core):
        raise ValueError(
            f"apply_gufunc: argument {number} has {array.ndim} axes, but its signature names {len(core)}: {core}"
        )
    own = [axis % array.ndim for axis in axes]
    if own == list(range(array.ndim - len(own), array.ndim)):
        return array
    return array.transpose([axis for axis in range(array.ndim) if axis not in own] + own)


def _lined_up(arrays, inputs, allow_rechunk):
    """The arrays with equal blocks along loop axes and one block along named ones; their indices, chunks and
    lengths."""
    loops = max((array.ndim - len(core) for array, core in zip(arrays, inputs)), default=0)
    lengths, present = {}, {}
    indices = []
    for array, core in zip(arrays, inputs):
        own = array.ndim - len(core)
        index = [*range(loops - own, loops), *core]
        indices.append(index)
        for key, length, chunks in zip(index, array.shape, array.chunks):
            lengths.setdefault(key, set()).add(length)
            present.setdefault(key, set()).add(chunks)
    for key, values in lengths.items():
        others = {value for value in values if value != 1} if isinstance(key, int) else values
        name = f"__loopdim{key}__" if isinstance(key, int) else key
        if len({value for value in others if value == value}) > 1:
            raise ValueError(f"Dimension `'{name}'` with different lengths in arrays: {sorted(others)}")
        if not allow_rechunk:
            chunked = {c for c in present[key] if c != (1,)} if isinstance(key, int) else present[key]
            if not isinstance(key, int) and any(len(c) > 1 for c in chunked):
                raise ValueError(
                    f"Core dimension `'{name}'` consists of multiple chunks. To fix, rechunk into a single array "
                    "chunk along this "
                    "core dimension or set `allow_rechunk=True`, but beware that this may increase memory usage "
                    "significantly."
                )
            if len(chunked) > 1 and not any(size != size for c in chunked for size in c):
                raise ValueError(f"Dimension `'{name}'` with different chunksize present: {sorted(chunked)}")
    arrays = [_whole_core(array, core) for array, core in zip(arrays, inputs)]
    numbers = {}
    for core in inputs:
        for name in core:
            numbers.setdefault(name, 1000 + len(numbers))
    indices = [tuple(key if isinstance(key, int) else numbers[key] for key in index) for index in indices]
    chunks = common_chunks([(array.chunks, index) for array, index in zip(arrays, indices)])
    arrays = [rechunk_to(array, [chunks[key] for key in index]) for array, index in zip(arrays, indices)]
    sizes = {name: max(lengths[name]) for name in numbers}
    return arrays, indices, chunks, sizes


def _whole_core(array, core):
    """Named axes in one block; the others are cut so that blocks do not become much larger."""
    if all(len(sizes) == 1 for sizes in array.chunks[array.ndim - len(core) :]) or not core:
        return array
    first = array.ndim - len(core)
    growth = math.prod(sum(sizes) / max(1, max(sizes)) for sizes in array.chunks[first:])
    wanted = list(array.chunks)
    for axis in range(first, array.ndim):
        wanted[axis] = (sum(wanted[axis]),)
    able = [axis for axis in range(first) if max(wanted[axis]) > 1]
    if able:
        pieces = math.ceil(round(growth ** (1 / len(able)), 9))
        for axis in able:
            wanted[axis] = tuple(
                part
                for size in wanted[axis]
                for part in (len(p) for p in np.array_split(np.empty(size, dtype=bool), max(1, min(pieces, size))))
            )
    return array.rechunk(tuple(wanted))


def _placed(result, count, axes, keepdims):
    """The named axes of a result where `axes` wants them."""
    if keepdims and axes and not count:
        for _ in axes:
            result = result[..., None]
        count = len(axes)
    if not count:
        return result
    wanted = [axis % result.ndim for axis in axes]
    last = list(range(result.ndim - count, result.ndim))
    if wanted == last:
        return result
    order = [None] * result.ndim
    for place, source in zip(wanted, last):
        order[place] = source
    rest = iter(range(result.ndim - count))
    return result.transpose([next(rest) if source is None else source for source in order])


class gufunc:
    """A function with a signature, to be called with arrays.

    Parameters
    ----------
    pyfunc : callable
        As `func` of `apply_gufunc`.
    signature, vectorize, axes, axis, keepdims, output_sizes, output_dtypes, allow_rechunk, meta
        As of `apply_gufunc`.

    Examples
    --------
    >>> import raskr.array as da
    >>> mean = da.gufunc(lambda block: block.mean(axis=-1), signature="(i)->()", output_dtypes=float)
    >>> mean(da.ones((3, 4), chunks=(1, 4))).compute()
    array([1., 1., 1.])
    """

    def __init__(
        self,
        pyfunc,
        *,
        signature=None,
        vectorize=False,
        axes=None,
        axis=None,
        keepdims=False,
        output_sizes=None,
        output_dtypes=None,
        allow_rechunk=False,
        meta=None,
    ):
        self.pyfunc = pyfunc
        self.signature = signature
        self.options = {
            "vectorize": vectorize,
            "axes": axes,
            "axis": axis,
            "keepdims": keepdims,
            "output_sizes": output_sizes,
            "output_dtypes": output_dtypes,
            "allow_rechunk": allow_rechunk,
            "meta": meta,
        }
        self.__name__ = name_of(pyfunc)
        self.__doc__ = getattr(pyfunc, "__doc__", None)

    def __call__(self, *args, **kwargs):
        return apply_gufunc(self.pyfunc, self.signature, *args, **(self.options | kwargs))


def as_gufunc(signature=None, **kwargs):
    """A decorator that makes a function a `gufunc`.

    Parameters
    ----------
    signature : str
        As of `apply_gufunc`.
    **kwargs
        Options of `gufunc`.

    Examples
    --------
    >>> import raskr.array as da
    >>> @da.as_gufunc("(i)->()", output_dtypes=float)
    ... def mean(block):
    ...     return block.mean(axis=-1)
    >>> mean(da.ones((3, 4), chunks=(1, 4))).compute()
    array([1., 1., 1.])
    """

    def decorate(pyfunc):
        return gufunc(pyfunc, signature=signature, **kwargs)

    return decorate
