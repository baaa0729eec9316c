"""The class `Array`: a lazy array in blocks, with NumPy's manners."""

import math
import operator
import warnings

import numpy as np

from raskr import config
from raskr._bridge import core
from raskr.array.array_api_methods import ArrayStandard
from raskr.array.methods import ArrayMethods
from raskr.array.operators import ArrayOperators
from raskr.array.utils import empty_like_block, has_unknown, is_native_meta, meta_from_array, same_nan, unknown_text
from raskr.base import DaskMethodsMixin, named_schedulers
from raskr.core import flatten

Expr = core.Expr


class PerformanceWarning(Warning):
    """A warning that an operation takes far more time or memory than another way of writing it would."""


class Array(DaskMethodsMixin, ArrayOperators, ArrayMethods, ArrayStandard):
    """A lazy array in blocks.

    Arrays come from `from_array`, `ones`, `random.normal` and their like, and from operations on other arrays; the
    constructor is for libraries that hold a task graph of the blocks.

    Parameters
    ----------
    dask : mapping
        Tasks by key; the block `(i, j, ...)` is the value of the key `(name, i, j, ...)`.
    name : str
        The first part of the blocks' keys.
    chunks : iterable of tuples
        The lengths of the blocks along each axis.
    dtype : dtype, optional
        The element type; may be left out where `meta` has it.
    meta : array, optional
        An empty example of the blocks.
    shape : tuple, optional
        The whole shape, where `chunks` gives the shape of one block only.

    Examples
    --------
    >>> import raskr.array as da
    >>> x = da.Array({("x", 0): (range, 3), ("x", 1): (range, 3, 5)}, "x", chunks=((3, 2),), dtype="int64")
    >>> x.shape
    (5,)
    """

    __slots__ = ("__weakref__", "_cached_chunks", "_expr", "_foreign_meta")

    def __new__(cls, dask=None, name=None, chunks=None, dtype=None, meta=None, shape=None):
        if type(dask) is not Expr:
            from raskr.array.sources import expression_of_graph

            dask, meta = expression_of_graph(dask, name, chunks, dtype, meta, shape)
        elif meta is None:
            meta = name
        self = object.__new__(cls)
        self._expr = dask
        self._foreign_meta = None if meta is None or dask.native else meta
        self._cached_chunks = None
        if "array_plugins" in config.global_config:
            return _through_plugins(self)
        return self

    def __reduce__(self):
        return _restore, (self._expr, self._foreign_meta)

    # --- what is known before anything is computed -----------------------------------------------------------------
    @property
    def _meta(self):
        meta = self._foreign_meta
        if meta is None:
            expr = self._expr
            meta = empty_like_block(len(expr.shape), expr.dtype)
        return meta

    @property
    def shape(self):
        """The length along each axis; NaN where it is unknown."""
        shape = self._expr.shape
        for length in shape:
            if length != length:
                return same_nan(shape)
        return shape

    @property
    def chunks(self):
        """The lengths of the blocks along each axis, as a tuple of tuples; NaN where they are unknown."""
        chunks = self._cached_chunks
        if chunks is None:
            chunks = self._expr.chunks
            if any(length != length for length in self._expr.shape):
                chunks = tuple(same_nan(sizes) for sizes in chunks)
            self._cached_chunks = chunks
        return chunks

    @chunks.setter
    def chunks(self, chunks):
        raise TypeError(f"Can not set chunks directly\n\nPlease use the rechunk method instead:\n  x.rechunk({chunks})")

    @property
    def _chunks(self):
        return self.chunks

    @_chunks.setter
    def _chunks(self, chunks):
        self._replace(self._expr.with_chunks(chunks))

    @property
    def dtype(self):
        """The element type."""
        return self._expr.dtype

    @property
    def ndim(self):
        """The number of axes."""
        return len(self._expr.shape)

    @property
    def size(self):
        """The number of elements."""
        return math.prod(self._expr.shape)

    @property
    def itemsize(self):
        """Bytes of one element."""
        return self._expr.dtype.itemsize

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def numblocks(self):
        """The number of blocks along each axis."""
        return self._expr.numblocks

    @property
    def npartitions(self):
        """The number of blocks."""
        return math.prod(self._expr.numblocks)

    @property
    def chunksize(self):
        """The length of the longest block along each axis."""
        return tuple(max(sizes) for sizes in self.chunks)

    @property
    def name(self):
        """The first part of the blocks' keys."""
        return self._expr.name

    @name.setter
    def name(self, name):
        raise TypeError("name can't be set: a name is given where an array is made, such as from_array(..., name=...)")

    _name = property(lambda self: self._expr.name)

    def _replace(self, expr, meta=None):
        """Stand for another expression or array from now on (assignment, `out=`, chunk sizes that became known)."""
        if isinstance(expr, Array):
            expr, meta = expr._expr, expr._foreign_meta
        self._expr = expr
        self._foreign_meta = None if expr.native else meta if meta is not None else self._foreign_meta
        self._cached_chunks = None

    def compute_chunk_sizes(self):
        """Compute the unknown lengths of blocks, and keep them in this array.

        Returns
        -------
        Array
            This array, now with known chunks.

        Examples
        --------
        >>> import raskr.array as da
        >>> x = da.from_array([-1, -1, 0, 1, 2], chunks=5)
        >>> y = x[x > 0]
        >>> y.compute_chunk_sizes().chunks
        ((2,),)
        """
        from raskr.array.block_view import computed_chunks

        if has_unknown(self.chunks):
            self._replace(self._expr.with_chunks(computed_chunks(self)))
        return self

    # --- the collection protocol -----------------------------------------------------------------------------------
    __dask_scheduler__ = staticmethod(named_schedulers["threads"])

    def __dask_graph__(self):
        graph, keys = core.graph_of(self._expr.block_nodes())
        own = dict(zip(keys, flatten(self.__dask_keys__())))
        return {
            own.get(key, key): (task[0], *(own.get(part, part) for part in task[1:])) for key, task in graph.items()
        }

    @property
    def dask(self):
        """The tasks of all blocks by key, as other schedulers take them."""
        return self.__dask_graph__()

    def __dask_tokenize__(self):
        return self._expr.name

    def __dask_keys__(self):
        name, numblocks = self._expr.name, self._expr.numblocks

        def nest(index):
            axis = len(index)
            if axis == len(numblocks):
                return (name, *index)
            return [nest((*index, number)) for number in range(numblocks[axis])]

        return [(name,)] if not numblocks else nest(())

    def __dask_layers__(self):
        return (self._expr.name,)

    def __dask_postcompute__(self):
        return finalize, ()

    def __dask_postpersist__(self):
        return _rebuild, (self._expr.name, self.chunks, self._expr.dtype, self._foreign_meta)

    def to_delayed(self, optimize_graph=True):
        """The blocks as `Delayed` objects, in a NumPy array of the shape of the grid of blocks.

        Parameters
        ----------
        optimize_graph : bool
            Accepted for likeness: blocks of one array share their work either way.

        Examples
        --------
        >>> import raskr.array as da
        >>> blocks = da.ones((4, 4), chunks=2).to_delayed()
        >>> blocks.shape
        (2, 2)
        """
        from raskr.array.block_view import delayed_blocks

        return delayed_blocks(self)

    # --- conversion ------------------------------------------------------------------------------------------------
    def __array__(self, dtype=None, copy=None, **kwargs):
        if copy is False:
            warnings.warn(
                "Can't acquire a memory view of a raskr array: it is computed, so copy=False is ignored. "
                "This will raise in the future.",
                FutureWarning,
                stacklevel=2,
            )
        if kwargs:
            warnings.warn(
                f"Extra keyword arguments {sorted(kwargs)} are ignored and won't be accepted in the future.",
                FutureWarning,
                stacklevel=2,
            )
        value = self.compute()
        if dtype is not None and getattr(value, "dtype", None) != dtype:
            value = value.astype(dtype) if hasattr(value, "astype") else np.asarray(value, dtype=dtype)
        return value if isinstance(value, np.ndarray) else np.asarray(value, dtype=dtype)

    def _scalar(self, cast, value=None):
        if self.size > 1:
            raise TypeError(f"Only length-1 arrays can be converted to Python scalars, got shape {self.shape}")
        value = self.compute()
        return cast(value.item() if hasattr(value, "item") else value)

    def __bool__(self):
        if self.size > 1:
            raise ValueError(
                f"The truth value of a {type(self).__name__} of shape {self.shape} is ambiguous. Use a.any() or "
                "a.all()."
            )
        return bool(self.compute())

    def __int__(self):
        return self._scalar(int)

    def __float__(self):
        return self._scalar(float)

    def __complex__(self):
        return self._scalar(complex)

    def __index__(self):
        return self._scalar(operator.index)

    def __len__(self):
        shape = self._expr.shape
        if not shape:
            raise TypeError("len() of unsized object: the array has no axis")
        if shape[0] != shape[0]:
            raise ValueError(
                "Cannot call len() on object with unknown chunk size.\n\nA possible solution: x.compute_chunk_sizes()"
            )
        return shape[0]

    def __iter__(self):
        if not self._expr.shape:
            raise TypeError("iteration over a 0-d array")
        for position in range(len(self)):
            yield self[position]

    def __contains__(self, value):
        return bool((self == value).any().compute())

    # --- indexing --------------------------------------------------------------------------------------------------
    def __getitem__(self, index):
        from raskr.array.slicing import getitem

        return getitem(self, index)

    def __setitem__(self, key, value):
        from raskr.array.assignment import setitem

        setitem(self, key, value)

    @property
    def vindex(self):
        """Pointwise indexing: index arrays on several axes are broadcast together, as in NumPy.

        Examples
        --------
        >>> import numpy as np
        >>> import raskr.array as da
        >>> x = da.from_array(np.arange(56).reshape(7, 8), chunks=(3, 4))
        >>> x.vindex[[0, 1, 6, 0], [0, 2, 7, 6]].compute()
        array([ 0, 10, 55,  6])
        """
        from raskr.array.pointwise import PointwiseIndex

        return PointwiseIndex(self)

    @property
    def blocks(self):
        """The array, indexed by block number instead of element number.

        Examples
        --------
        >>> import raskr.array as da
        >>> x = da.arange(8, chunks=2)
        >>> x.blocks[::-1].compute()
        array([6, 7, 4, 5, 2, 3, 0, 1])
        """
        from raskr.array.block_view import BlockView

        return BlockView(self)

    @property
    def partitions(self):
        """The same as `blocks`."""
        return self.blocks

    # --- showing ---------------------------------------------------------------------------------------------------
    def __repr__(self):
        chunks = tuple(
            sizes[0] if len(set(sizes)) == 1 or has_unknown((sizes,)) else max(sizes) for sizes in self.chunks
        )
        meta = "" if self._foreign_meta is None else f", chunktype={_type_name(self._foreign_meta)}"
        if self._foreign_meta is None:
            meta = ", chunktype=numpy.ndarray"
        return (
            f"raskr.array<{_label(self._expr.name)}, shape={_numbers(self.shape)}, dtype={self.dtype}, "
            f"chunksize={_numbers(chunks)}{meta}>"
        )

    def _repr_html_(self):
        from raskr.array.html import html_of_array

        return html_of_array(self)

    def to_svg(self, size=500):
        """A drawing of the blocks, as the text of an SVG picture.

        Parameters
        ----------
        size : int
            Pixels of the longest side.

        Examples
        --------
        >>> import raskr.array as da
        >>> da.ones((10, 10), chunks=5).to_svg()[:4]
        '<svg'
        """
        from raskr.array.svg import svg

        return svg(self.chunks, size=size)

    # --- copies ----------------------------------------------------------------------------------------------------
    def copy(self):
        """The same array as a new object, which assignment to this one leaves alone."""
        return Array(self._expr, meta=self._foreign_meta)

    __copy__ = copy

    def __deepcopy__(self, memo):
        copied = self.copy()
        memo[id(self)] = copied
        return copied


def _through_plugins(array):
    """The array after each function of the setting `array_plugins` has seen it, and given another one or None."""
    for plugin in config.global_config["array_plugins"] or ():
        found = plugin(array)
        array = array if found is None else found
    return array


def _restore(expr, meta):
    return Array(expr, meta=meta)


def _rebuild(graph, name, chunks, dtype, meta, *, rename=None):
    """The array over a graph that holds its computed blocks."""
    return Array(graph, (rename or {}).get(name, name), chunks, dtype=dtype, meta=meta)


def _type_name(meta):
    kind = type(meta)
    return f"{kind.__module__.split('.')[0]}.{kind.__name__}"


def _numbers(sizes):
    text = ", ".join("nan" if size != size else str(size) for size in sizes)
    return f"({text},)" if len(sizes) == 1 else f"({text})"


def _label(name):
    head, dash, token = name.rpartition("-")
    return head if dash and len(token) >= 16 else name


def finalize(results):
    """Join computed blocks, nested in lists axis by axis, to one array."""
    from raskr.array.dispatch import concatenate_nested

    while isinstance(results, (list, tuple)) and len(results) == 1 and not hasattr(results, "dtype"):
        results = results[0]
    if isinstance(results, (list, tuple)):
        results = concatenate_nested(results)
    return results[()] if type(results) is np.ndarray and not results.ndim else results


def need_known_chunks(array, what):
    """Complain when the lengths of blocks are unknown."""
    if has_unknown(array.chunks):
        raise ValueError(unknown_text(array, what))


def wrap(expr, meta=None):
    """The `Array` of an expression; `meta` is an example of its blocks where they are not NumPy's own arrays."""
    if meta is not None and not expr.native:
        meta = meta_from_array(meta, ndim=len(expr.shape), dtype=expr.dtype)
    return Array(expr, meta=meta)


def native_of(meta, dtype):
    """Are blocks with this meta and element type handled by the engine?"""
    if meta is not None and type(meta) is not np.ndarray:
        return False
    return is_native_meta(np.empty(0, dtype=dtype))
