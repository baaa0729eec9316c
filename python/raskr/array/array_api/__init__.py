"""The namespace of the array API standard (2024.12), which `Array.__array_namespace__` gives.

Where the standard asks for other arguments or results than Dask's function of the same name, this namespace has a function
of its own; all else is raskr.array's. Names beyond the standard are raskr.array's too.

References
----------
.. [1] Consortium for Python Data API Standards, "Python array API standard", 2024.12,
   https://data-apis.org/array-api/2024.12
"""

# ruff: noqa: F401 (every name imported here is public)

from typing import Any

from numpy import bool_ as bool
from numpy import (
    complex64,
    complex128,
    e,
    float32,
    float64,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)

import raskr.array as _array
from raskr.array import (
    abs,
    acos,
    acosh,
    add,
    all,
    any,
    argmax,
    argmin,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    broadcast_arrays,
    broadcast_to,
    ceil,
    clip,
    concat,
    conj,
    copysign,
    cos,
    cosh,
    count_nonzero,
    cumulative_prod,
    cumulative_sum,
    diff,
    divide,
    equal,
    exp,
    expand_dims,
    expm1,
    flip,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    matmul,
    matrix_transpose,
    max,
    maximum,
    mean,
    meshgrid,
    min,
    minimum,
    moveaxis,
    multiply,
    negative,
    nextafter,
    nonzero,
    not_equal,
    permute_dims,
    positive,
    pow,
    prod,
    real,
    reciprocal,
    remainder,
    result_type,
    roll,
    round,
    searchsorted,
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    squeeze,
    stack,
    subtract,
    sum,
    take_along_axis,
    tan,
    tanh,
    tensordot,
    tile,
    tril,
    triu,
    trunc,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
    unstack,
    vecdot,
    where,
)
from raskr.array.array_api import fft, linalg
from raskr.array.array_api._creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from raskr.array.array_api._data_types import astype, can_cast, finfo, iinfo, isdtype
from raskr.array.array_api._functions import argsort, repeat, reshape, sort, std, take, var
from raskr.array.array_api._info import __array_namespace_info__

__array_api_version__ = "2024.12"


def __getattr__(name: str) -> Any:
    """What NumPy has beyond the standard."""
    return getattr(_array, name)
