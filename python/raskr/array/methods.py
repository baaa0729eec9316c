"""The methods of `Array` that NumPy's arrays have too, each a call of the function of the same name."""

import numpy as np


class ArrayMethods:
    """Reductions, shape changes, storage: the functions of `raskr.array` as methods."""

    __slots__ = ()

    # --- reductions ------------------------------------------------------------------------------------------------
    def all(self, axis=None, keepdims=False, split_every=None, out=None):
        """Are all elements true? See `raskr.array.all`."""
        from raskr.array.reductions import all

        return all(self, axis=axis, keepdims=keepdims, split_every=split_every, out=out)

    def any(self, axis=None, keepdims=False, split_every=None, out=None):
        """Is any element true? See `raskr.array.any`."""
        from raskr.array.reductions import any

        return any(self, axis=axis, keepdims=keepdims, split_every=split_every, out=out)

    def argmax(self, axis=None, *, keepdims=False, split_every=None, out=None):
        """The position of the greatest element. See `raskr.array.argmax`."""
        from raskr.array.reductions import argmax

        return argmax(self, axis=axis, keepdims=keepdims, split_every=split_every, out=out)

    def argmin(self, axis=None, *, keepdims=False, split_every=None, out=None):
        """The position of the least element. See `raskr.array.argmin`."""
        from raskr.array.reductions import argmin

        return argmin(self, axis=axis, keepdims=keepdims, split_every=split_every, out=out)

    def argtopk(self, k, axis=-1, split_every=None):
        """The positions of the k greatest elements. See `raskr.array.argtopk`."""
        from raskr.array.reductions import argtopk

        return argtopk(self, k, axis=axis, split_every=split_every)

    def cumprod(self, axis, dtype=None, out=None, *, method="sequential"):
        """Products of the elements so far. See `raskr.array.cumprod`."""
        from raskr.array.reductions import cumprod

        return cumprod(self, axis, dtype, out=out, method=method)

    def cumsum(self, axis, dtype=None, out=None, *, method="sequential"):
        """Sums of the elements so far. See `raskr.array.cumsum`."""
        from raskr.array.reductions import cumsum

        return cumsum(self, axis, dtype, out=out, method=method)

    def max(self, axis=None, keepdims=False, split_every=None, out=None):
        """The greatest element. See `raskr.array.max`."""
        from raskr.array.reductions import max

        return max(self, axis=axis, keepdims=keepdims, split_every=split_every, out=out)

    def mean(self, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
        """The arithmetic mean. See `raskr.array.mean`."""
        from raskr.array.reductions import mean

        return mean(self, axis=axis, dtype=dtype, keepdims=keepdims, split_every=split_every, out=out)

    def min(self, axis=None, keepdims=False, split_every=None, out=None):
        """The least element. See `raskr.array.min`."""
        from raskr.array.reductions import min

        return min(self, axis=axis, keepdims=keepdims, split_every=split_every, out=out)

    def moment(self, order, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
        """A central moment. See `raskr.array.moment`."""
        from raskr.array.reductions import moment

        return moment(
            self, order, axis=axis, dtype=dtype, keepdims=keepdims, ddof=ddof, split_every=split_every, out=out
        )

    def prod(self, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
        """The product of the elements. See `raskr.array.prod`."""
        from raskr.array.reductions import prod

        return prod(self, axis=axis, dtype=dtype, keepdims=keepdims, split_every=split_every, out=out)

    def std(self, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
        """The standard deviation. See `raskr.array.std`."""
        from raskr.array.reductions import std

        return std(self, axis=axis, dtype=dtype, keepdims=keepdims, ddof=ddof, split_every=split_every, out=out)

    def sum(self, axis=None, dtype=None, keepdims=False, split_every=None, out=None):
        """The sum of the elements. See `raskr.array.sum`."""
        from raskr.array.reductions import sum

        return sum(self, axis=axis, dtype=dtype, keepdims=keepdims, split_every=split_every, out=out)

    def topk(self, k, axis=-1, split_every=None):
        """The k greatest elements. See `raskr.array.topk`."""
        from raskr.array.reductions import topk

        return topk(self, k, axis=axis, split_every=split_every)

    def trace(self, offset=0, axis1=0, axis2=1, dtype=None):
        """The sum along a diagonal. See `raskr.array.trace`."""
        from raskr.array.reductions import trace

        return trace(self, offset=offset, axis1=axis1, axis2=axis2, dtype=dtype)

    def var(self, axis=None, dtype=None, keepdims=False, ddof=0, split_every=None, out=None):
        """The variance. See `raskr.array.var`."""
        from raskr.array.reductions import var

        return var(self, axis=axis, dtype=dtype, keepdims=keepdims, ddof=ddof, split_every=split_every, out=out)

    # --- elements --------------------------------------------------------------------------------------------------
    def astype(self, dtype, **kwargs):
        """The array with its elements cast to another type.

        Parameters
        ----------
        dtype : dtype
            The element type.
        casting : {'no', 'equiv', 'safe', 'same_kind', 'unsafe'}
            What casts are allowed; 'unsafe' by default.
        copy : bool
            Accepted for likeness with NumPy.

        Examples
        --------
        >>> import raskr.array as da
        >>> da.arange(3, chunks=3).astype("f4").dtype
        dtype('float32')
        """
        from raskr.array.elements import astype

        return astype(self, dtype, **kwargs)

    def view(self, dtype=None, order="C"):
        """The same bytes read as another element type.

        Parameters
        ----------
        dtype : dtype, optional
            The element type; float64 where it is left out.
        order : {'C', 'F'}
            Whether the last or the first axis changes its length where the types' sizes differ.

        Examples
        --------
        >>> import raskr.array as da
        >>> da.ones(2, chunks=2, dtype="i8").view("i4").compute()
        array([1, 0, 1, 0], dtype=int32)
        """
        from raskr.array.elements import view

        return view(self, dtype, order)

    @property
    def real(self):
        """The real part."""
        from raskr.array.ufunc import real

        return real(self)

    @property
    def imag(self):
        """The imaginary part."""
        from raskr.array.ufunc import imag

        return imag(self)

    def conj(self):
        """The complex conjugate."""
        from raskr.array.ufunc import conj

        return conj(self)

    def clip(self, min=None, max=None):
        """The elements, held between two bounds. See `raskr.array.clip`."""
        from raskr.array.ufunc import clip

        return clip(self, min, max)

    def round(self, decimals=0):
        """The elements, rounded. See `raskr.array.round`."""
        from raskr.array.routines import round

        return round(self, decimals=decimals)

    def choose(self, choices):
        """Elements of `choices`, picked by this array's numbers. See `raskr.array.choose`."""
        from raskr.array.routines import choose

        return choose(self, choices)

    def nonzero(self):
        """The positions of the elements that are not zero. See `raskr.array.nonzero`."""
        from raskr.array.routines import nonzero

        return nonzero(self)

    def dot(self, other):
        """The product with another array. See `raskr.array.tensordot`."""
        from raskr.array.routines import tensordot

        return tensordot(self, other, axes=((self.ndim - 1,), (max(getattr(other, "ndim", np.ndim(other)) - 2, 0),)))

    # --- shape -----------------------------------------------------------------------------------------------------
    @property
    def T(self):
        """The array with its axes reversed."""
        return self.transpose()

    @property
    def A(self):
        """The array itself."""
        return self

    def transpose(self, *axes):
        """The array with its axes in another order. See `raskr.array.transpose`."""
        from raskr.array.axes import transpose

        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            axes = axes[0]
        return transpose(self, axes=axes or None)

    def swapaxes(self, axis1, axis2):
        """The array with two axes exchanged. See `raskr.array.swapaxes`."""
        from raskr.array.routines import swapaxes

        return swapaxes(self, axis1, axis2)

    def squeeze(self, axis=None):
        """The array without axes of length 1. See `raskr.array.squeeze`."""
        from raskr.array.routines import squeeze

        return squeeze(self, axis)

    def ravel(self):
        """The elements along one axis, in row-major order."""
        return self.reshape(-1)

    flatten = ravel

    def reshape(self, *shape, merge_chunks=True, limit=None):
        """The same elements, in row-major order, in another shape. See `raskr.array.reshape`."""
        from raskr.array.reshape import reshape

        if len(shape) == 1 and not isinstance(shape[0], (int, np.integer, float)):
            shape = shape[0]
        return reshape(self, shape, merge_chunks=merge_chunks, limit=limit)

    def repeat(self, repeats, axis=None):
        """Each element several times. See `raskr.array.repeat`."""
        from raskr.array.creation import repeat

        return repeat(self, repeats, axis=axis)

    def rechunk(self, chunks="auto", threshold=None, block_size_limit=None, balance=False, method=None):
        """The same array in other blocks. See `raskr.array.rechunk`."""
        from raskr.array.rechunk import rechunk

        return rechunk(self, chunks, threshold, block_size_limit, balance, method)

    def shuffle(self, indexer, axis, chunks="auto"):
        """The elements along one axis in another order. See `raskr.array.shuffle`."""
        from raskr.array.taking import shuffle

        return shuffle(self, indexer, axis, chunks)

    # --- blocks ----------------------------------------------------------------------------------------------------
    def map_blocks(self, func, *args, **kwargs):
        """`func` of every block. See `raskr.array.map_blocks`."""
        from raskr.array.blocks import map_blocks

        return map_blocks(func, self, *args, **kwargs)

    def map_overlap(self, func, depth, boundary=None, trim=True, **kwargs):
        """`func` of every block with its neighbours' edges. See `raskr.array.map_overlap`."""
        from raskr.array.overlap import map_overlap

        return map_overlap(func, self, depth=depth, boundary=boundary, trim=trim, **kwargs)

    def to_backend(self, backend=None, **kwargs):
        """The array with its blocks moved to another array library.

        Parameters
        ----------
        backend : str, optional
            'numpy' or 'cupy'; the setting `array.backend` where it is left out.

        Examples
        --------
        >>> import raskr.array as da
        >>> da.ones(3, chunks=3).to_backend("numpy").dtype
        dtype('float64')
        """
        from raskr.array.backends import to_backend

        return to_backend(self, backend, **kwargs)

    # --- storage ---------------------------------------------------------------------------------------------------
    def store(self, targets, lock=True, regions=None, compute=True, return_stored=False, load_stored=None, **kwargs):
        """Write the array into an object with `__setitem__`. See `raskr.array.store`."""
        from raskr.array.store import store

        return store(
            [self],
            [targets],
            lock=lock,
            regions=regions,
            compute=compute,
            return_stored=return_stored,
            load_stored=load_stored,
            **kwargs,
        )

    def to_zarr(self, *args, **kwargs):
        """Write the array to a Zarr store. See `raskr.array.to_zarr`."""
        from raskr.array.zarr_files import to_zarr

        return to_zarr(self, *args, **kwargs)

    def to_hdf5(self, filename, datapath, **kwargs):
        """Write the array to an HDF5 file. See `raskr.array.to_hdf5`."""
        from raskr.array.store import to_hdf5

        return to_hdf5(filename, datapath, self, **kwargs)

    def to_tiledb(self, uri, *args, **kwargs):
        """Write the array to a TileDB array. See `raskr.array.to_tiledb`."""
        from raskr.array.store import to_tiledb

        return to_tiledb(self, uri, *args, **kwargs)

    def to_dask_dataframe(self, columns=None, index=None, meta=None):
        """The array as a frame, each block of rows a partition. See `raskr.dataframe.from_dask_array`."""
        from raskr.dataframe import from_dask_array

        return from_dask_array(self, columns=columns, index=index, meta=meta)
