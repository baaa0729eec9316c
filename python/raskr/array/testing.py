"""A comparison for tests: what arrays declare is what they compute, and both are equal."""

import numpy as np

from raskr.array.utils import has_unknown


def assert_eq(
    a,
    b,
    check_shape=True,
    check_graph=True,
    check_meta=True,
    check_chunks=True,
    check_ndim=True,
    check_type=True,
    check_dtype=True,
    equal_nan=True,
    scheduler="sync",
    **kwargs,
):
    """Complain unless two arrays are equal, and what lazy ones declare is what they compute.

    Parameters
    ----------
    a, b : array_like
        Lazy arrays, or anything that NumPy takes.
    check_shape, check_chunks, check_ndim, check_dtype, check_type : bool
        Whether shapes, the shapes of blocks, numbers of axes, element types and array types are compared.
    check_graph, check_meta : bool
        Accepted for likeness.
    equal_nan : bool
        Whether NaN equals NaN.
    scheduler : str or callable
        Who computes.
    **kwargs
        Tolerances of `numpy.allclose`.

    Raises
    ------
    AssertionError
        When something differs.

    Examples
    --------
    >>> import numpy as np
    >>> import raskr.array as da
    >>> from raskr.array.utils import assert_eq
    >>> assert_eq(da.ones(3, chunks=2), np.ones(3))
    True
    """
    left, right = (_computed(x, scheduler, check_shape, check_chunks, check_ndim, check_dtype) for x in (a, b))
    if check_dtype and left.dtype != right.dtype:
        raise AssertionError(f"a and b have different dtypes: (a: {left.dtype}, b: {right.dtype})")
    if check_type and (isinstance(left, np.ma.MaskedArray) != isinstance(right, np.ma.MaskedArray)):
        raise AssertionError(f"a and b have different types: (a: {type(left)}, b: {type(right)})")
    if left.shape != right.shape:
        raise AssertionError(f"a and b have different shapes: (a: {left.shape}, b: {right.shape})")
    numbers = left.dtype.kind in "fc" or right.dtype.kind in "fc"
    if isinstance(left, np.ma.MaskedArray):
        np.testing.assert_array_equal(np.ma.getmaskarray(left), np.ma.getmaskarray(right))
    if (
        numbers
        and not np.ma.allclose(left, right, **kwargs)
        and not np.allclose(left, right, equal_nan=equal_nan, **kwargs)
    ):
        raise AssertionError(f"a and b have different values: (a: {left}, b: {right})")
    if not numbers:
        np.testing.assert_array_equal(np.ma.filled(left), np.ma.filled(right))
    return True


def _computed(x, scheduler, check_shape, check_chunks, check_ndim, check_dtype):
    if not (hasattr(x, "compute") and hasattr(x, "chunks")):
        x = x.compute(scheduler=scheduler) if hasattr(x, "compute") else x
        x = x.todense() if hasattr(x, "todense") else x
        return x if isinstance(x, np.ma.MaskedArray) else np.asarray(x)
    value = x.compute(scheduler=scheduler)
    result = np.asanyarray(value.todense() if hasattr(value, "todense") else value)
    if check_ndim:
        _need(x.ndim == result.ndim, f"{x.ndim} axes declared, {result.ndim} computed")
    if check_dtype:
        _need(x.dtype == result.dtype, f"dtype {x.dtype} declared, {result.dtype} computed")
    if has_unknown(x.chunks):
        return result
    if check_shape:
        _need(x.shape == result.shape, f"shape {x.shape} declared, {result.shape} computed")
    if check_chunks and x.ndim:
        for index in np.ndindex(x.numblocks):
            declared = tuple(sizes[number] for sizes, number in zip(x.chunks, index))
            found = np.shape(x.blocks[index].compute(scheduler=scheduler))
            _need(found == declared, f"block {index}: shape {declared} declared, {found} computed")
    return result


def _need(condition, message):
    if not condition:
        raise AssertionError(message)
