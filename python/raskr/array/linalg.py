"""Linear algebra on lazy arrays, gathered from where it is defined."""

from raskr.array.beyond_numeric import cross, matrix_transpose, vecdot
from raskr.array.factor import (
    compression_level,
    compression_matrix,
    qr,
    sfqr,
    svd,
    svd_compressed,
    svd_flip,
    tsqr,
)
from raskr.array.linalg_beyond import (
    cond,
    det,
    matrix_norm,
    matrix_power,
    matrix_rank,
    multi_dot,
    pinv,
    slogdet,
    svdvals,
    vector_norm,
)
from raskr.array.linalg_stacks import (
    diagonal,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    outer,
    tensorinv,
    tensorsolve,
    trace,
)
from raskr.array.routines_products import matmul, tensordot
from raskr.array.systems import cholesky, inv, lstsq, lu, norm, solve, solve_triangular

__all__ = [
    "cholesky", "compression_level", "compression_matrix", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals",
    "eigvalsh", "inv", "lstsq", "lu", "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose",
    "multi_dot", "norm", "outer", "pinv", "qr", "sfqr", "slogdet", "solve", "solve_triangular", "svd", "svd_compressed",
    "svd_flip", "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "tsqr", "vecdot", "vector_norm",
]  # fmt: skip
