"""What draws have in common: a stream of keys, and NumPy's distributions as expressions of the engine's."""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import MutableSequence
from typing import Any

import numpy as np

from raskr.array._apply import Expr, blockwise_elementwise, check_broadcast, normalize_axis, wrap
from raskr.array.chunk_sizes import normalize_chunks
from raskr.array.collection import Array

FLOAT = np.dtype(np.float64)
LONG = np.dtype(np.int64)

#: Distributions of whole numbers; all others give float64.
_INTEGER = frozenset(
    ("binomial", "geometric", "hypergeometric", "logseries", "negative_binomial", "poisson", "zipf", "integers")
)
#: Parameters that count, and stay integers on their way to the engine.
_COUNTS = {"binomial": (0,), "hypergeometric": (0, 1, 2), "integers": (0, 1)}


def numpy_only(value: Any, what: str) -> None:
    """Complain about generators of other libraries, such as those that make numbers on graphics cards."""
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__.split(".")[0]
    if module in ("cupy", "cupyx", "torch", "jax"):
        raise NotImplementedError(f"{what} takes NumPy's generators, numbers of {module} are not supported")


def checked(name: str, params: tuple[Any, ...], **options: Any) -> None:
    """NumPy's own complaint about parameters, at once; lazy parameters are checked nowhere."""
    if any(isinstance(p, Array) for p in params):
        params = tuple(_harmless(name, number) if isinstance(p, Array) else p for number, p in enumerate(params))
    shape = np.broadcast_shapes(*(np.shape(p) for p in params))
    getattr(numpy_generator(), name)(*params, size=(0, *shape), **options)


def _harmless(name: str, number: int) -> Any:
    """A parameter that no distribution objects to, in place of one that is not known yet."""
    if name in ("geometric", "logseries", "negative_binomial", "binomial") and number == (
        name in ("binomial", "negative_binomial")
    ):
        return 0.5
    if name == "triangular":
        return (0.0, 0.5, 1.0)[number]
    return {"zipf": 2, "uniform": float(number), "integers": number}.get(name, 1)


@functools.lru_cache(maxsize=1)
def numpy_generator() -> np.random.Generator:
    return np.random.default_rng(0)


def _scalar(value: Any, integer: bool) -> Any:
    return (int if integer else float)(value)


class Distributions:
    """What `Generator` and `RandomState` share: a stream of keys, and NumPy's distributions."""

    _seed: int
    _draws: int
    _lock: threading.Lock

    def _start(self, seed: int, draws: int = 0) -> None:
        self._seed = seed
        self._draws = draws
        self._lock = threading.Lock()

    def _place(self) -> tuple[int, int]:
        """The seed, and how many draws there were."""
        with self._lock:
            return (self._seed, self._draws)

    def _key(self) -> tuple[int, int]:
        """The key of the next draw."""
        with self._lock:
            self._draws += 1
            return (self._seed, self._draws)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __dask_tokenize__(self) -> Any:
        return (type(self).__name__, self._seed, self._draws)

    # --- drawing --------------------------------------------------------------------------------------------------
    def _draw(
        self, name: str, params: tuple[Any, ...], size: Any, chunks: Any, dtype: Any = None, label: str | None = None,
        check: bool = True,
    ) -> Array:  # fmt: skip
        """One array of a distribution of NumPy's, with scalar or array parameters."""
        params = tuple(np.asarray(p) if isinstance(p, (list, tuple)) else p for p in params)
        if check:
            checked(name, params)
        dtype = np.dtype(dtype) if dtype is not None else LONG if name in _INTEGER else FLOAT
        shape = check_broadcast([getattr(p, "shape", ()) for p in params], name)
        if size is not None:
            wanted = (operator.index(size),) if np.ndim(size) == 0 else tuple(operator.index(n) for n in size)
            if any(n < 0 for n in wanted):
                raise ValueError(f"size {wanted} of {name} has a negative length")
            if len(shape) > len(wanted) or any(n not in (1, m) for n, m in zip(shape[::-1], wanted[::-1])):
                raise ValueError(f"{name}: parameters of shape {shape} do not fit the size {wanted}")
            shape = wanted
        sizes = normalize_chunks(chunks, shape, dtype=dtype)
        counts = _COUNTS.get(name, ())
        prepared = [self._parameter(p, number in counts, sizes) for number, p in enumerate(params)]
        return wrap(Expr.random(name, prepared, sizes, dtype, self._key(), label=label or name))

    @staticmethod
    def _parameter(value: Any, integer: bool, sizes: tuple[tuple[int, ...], ...]) -> Any:
        """A scalar, or an expression whose blocks line up with the result's."""
        wanted = LONG if integer else FLOAT
        if not isinstance(value, Array) and np.ndim(value) == 0:
            return _scalar(value, integer)
        from raskr.array.core import asanyarray

        array = asanyarray(value)
        array = array if array.dtype == wanted else array.astype(wanted)
        lead = len(sizes) - array.ndim
        placed = tuple((1,) if n == 1 else sizes[lead + axis] for axis, n in enumerate(array.shape))
        return array._expr if placed == array.chunks else array._expr.rechunk(placed)

    # --- continuous distributions ---------------------------------------------------------------------------------
    def beta(self, a, b, size=None, chunks="auto"):
        return self._draw("beta", (a, b), size, chunks)

    def chisquare(self, df, size=None, chunks="auto"):
        return self._draw("chisquare", (df,), size, chunks)

    def exponential(self, scale=1.0, size=None, chunks="auto"):
        return self._draw("exponential", (scale,), size, chunks)

    def f(self, dfnum, dfden, size=None, chunks="auto"):
        return self._draw("f", (dfnum, dfden), size, chunks)

    def gamma(self, shape, scale=1.0, size=None, chunks="auto"):
        return self._draw("gamma", (shape, scale), size, chunks)

    def gumbel(self, loc=0.0, scale=1.0, size=None, chunks="auto"):
        return self._draw("gumbel", (loc, scale), size, chunks)

    def laplace(self, loc=0.0, scale=1.0, size=None, chunks="auto"):
        return self._draw("laplace", (loc, scale), size, chunks)

    def logistic(self, loc=0.0, scale=1.0, size=None, chunks="auto"):
        return self._draw("logistic", (loc, scale), size, chunks)

    def lognormal(self, mean=0.0, sigma=1.0, size=None, chunks="auto"):
        return self._draw("lognormal", (mean, sigma), size, chunks)

    def noncentral_chisquare(self, df, nonc, size=None, chunks="auto"):
        return self._draw("noncentral_chisquare", (df, nonc), size, chunks)

    def noncentral_f(self, dfnum, dfden, nonc, size=None, chunks="auto"):
        return self._draw("noncentral_f", (dfnum, dfden, nonc), size, chunks)

    def normal(self, loc=0.0, scale=1.0, size=None, chunks="auto"):
        return self._draw("normal", (loc, scale), size, chunks)

    def pareto(self, a, size=None, chunks="auto"):
        return self._draw("pareto", (a,), size, chunks)

    def power(self, a, size=None, chunks="auto"):
        return self._draw("power", (a,), size, chunks)

    def rayleigh(self, scale=1.0, size=None, chunks="auto"):
        return self._draw("rayleigh", (scale,), size, chunks)

    def standard_cauchy(self, size=None, chunks="auto"):
        return self._draw("standard_cauchy", (), size, chunks)

    def standard_t(self, df, size=None, chunks="auto"):
        return self._draw("standard_t", (df,), size, chunks)

    def triangular(self, left, mode, right, size=None, chunks="auto"):
        return self._draw("triangular", (left, mode, right), size, chunks)

    def uniform(self, low=0.0, high=1.0, size=None, chunks="auto"):
        return self._draw("uniform", (low, high), size, chunks)

    def vonmises(self, mu, kappa, size=None, chunks="auto"):
        return self._draw("vonmises", (mu, kappa), size, chunks)

    def wald(self, mean, scale, size=None, chunks="auto"):
        return self._draw("wald", (mean, scale), size, chunks)

    def weibull(self, a, size=None, chunks="auto"):
        return self._draw("weibull", (a,), size, chunks)

    # --- distributions of whole numbers ---------------------------------------------------------------------------
    def binomial(self, n, p, size=None, chunks="auto"):
        return self._draw("binomial", (n, p), size, chunks)

    def geometric(self, p, size=None, chunks="auto"):
        return self._draw("geometric", (p,), size, chunks)

    def hypergeometric(self, ngood, nbad, nsample, size=None, chunks="auto"):
        return self._draw("hypergeometric", (ngood, nbad, nsample), size, chunks)

    def logseries(self, p, size=None, chunks="auto"):
        return self._draw("logseries", (p,), size, chunks)

    def negative_binomial(self, n, p, size=None, chunks="auto"):
        return self._draw("negative_binomial", (n, p), size, chunks)

    def poisson(self, lam=1.0, size=None, chunks="auto"):
        return self._draw("poisson", (lam,), size, chunks)

    def zipf(self, a, size=None, chunks="auto"):
        return self._draw("zipf", (a,), size, chunks)

    def multinomial(self, n, pvals, size=None, chunks="auto"):
        from raskr.array.core import stack

        pvals = np.asarray(pvals, dtype=float)
        numpy_generator().multinomial(n, pvals, size=(0, *np.shape(n)))
        if pvals.ndim != 1:
            raise ValueError(f"pvals must have one axis here, not {pvals.ndim}")
        # One category after another: among what is left, each is binomial.
        left: Any = n
        columns = []
        rest = np.concatenate([np.cumsum(pvals[::-1])[::-1][1:], [0.0]]) + pvals
        for number, share in enumerate(pvals):
            if number == len(pvals) - 1:
                columns.append(left if isinstance(left, Array) else self._constant(left, size, chunks))
                break
            p = min(share / rest[number], 1.0) if rest[number] > 0 else 0.0
            column = self._draw("binomial", (left, p), size, chunks, label="multinomial", check=False)
            size, chunks = (column.shape, column.chunks)
            columns.append(column)
            left = left - column
        return one_block_last(stack(columns, axis=-1))

    def dirichlet(self, alpha, size=None, chunks="auto"):
        alpha = np.asarray(alpha, dtype=float)
        numpy_generator().dirichlet(alpha, size=0)
        shape = () if size is None else (size,) if np.ndim(size) == 0 else tuple(size)
        sizes = normalize_chunks(chunks, shape, dtype=FLOAT)
        parts = self._draw("standard_gamma", (alpha,), (*shape, len(alpha)), (*sizes, (len(alpha),)), label="dirichlet")
        return parts / parts.sum(axis=-1, keepdims=True)

    def multivariate_normal(self, mean, cov, size=None, chunks="auto"):
        from raskr.array.routines_products import dot

        mean, cov = np.asarray(mean, dtype=float), np.asarray(cov, dtype=float)
        numpy_generator().multivariate_normal(mean, cov, size=0, check_valid="raise")
        # Any square root of the covariances will do; that by eigenvalues exists for those of rank that is not full too.
        values, vectors = np.linalg.eigh(cov)
        root = vectors * np.sqrt(np.maximum(values, 0))
        shape = () if size is None else (size,) if np.ndim(size) == 0 else tuple(size)
        sizes = normalize_chunks(chunks, shape, dtype=FLOAT)
        width = len(mean)
        draws = self._draw("standard_normal", (), (*shape, width), (*sizes, (width,)), label="multivariate_normal")
        return dot(draws, root.T) + mean

    @staticmethod
    def _constant(value: Any, size: Any, chunks: Any) -> Array:
        from raskr.array.creation import full

        return full(() if size is None else size, value, dtype=LONG, chunks=chunks)

    # --- choices --------------------------------------------------------------------------------------------------
    def _choice(self, a: Any, size: Any, replace: bool, p: Any, shuffle: bool, chunks: Any) -> Array:
        from raskr.array.core import asarray

        if not isinstance(a, Array) and np.ndim(a) == 0:
            count, source = operator.index(a), None
            if count <= 0:
                raise ValueError(f"a must be greater than 0, got {count}")
        else:
            source = a if isinstance(a, Array) else np.asarray(a)
            if source.ndim != 1:
                raise ValueError(f"a must be one dimensional, got {source.ndim} axes")
            count = len(source)
        shape = (
            () if size is None else (operator.index(size),) if np.ndim(size) == 0 else tuple(map(operator.index, size))
        )
        if count == 0 and 0 not in shape:
            raise ValueError("a cannot be empty unless no samples are taken")
        weights = None if p is None else _probabilities(p, count)
        dtype = LONG if source is None else source.dtype
        sizes = normalize_chunks(chunks, shape, dtype=dtype)
        if not replace:
            if any(len(along) > 1 for along in sizes):
                raise NotImplementedError(
                    f"choice without replacement gives one block only, chunks {sizes} are more: chunks=-1 is supported"
                )
            if np.prod(shape, dtype=object) > count:
                raise ValueError(
                    f"Cannot take a larger sample ({shape}) than population ({count}) when replace is False"
                )
            picker = functools.partial(
                _pick_distinct, count=count, shape=shape, weights=weights, key=self._key(), shuffle=shuffle
            )
            inds = tuple(range(len(shape)))
            index = wrap(Expr.blockwise(picker, inds, [], sizes, LONG, True, label="choice"))
        elif weights is None:
            index = self._draw("integers", (0, count), shape, sizes, dtype=LONG, label="choice", check=False)
        else:
            uniform = self._draw("random", (), shape, sizes, label="choice", check=False)
            find = functools.partial(_invert, np.cumsum(weights))
            index = blockwise_elementwise(
                find, [uniform], dtype=LONG, meta=np.empty((0,) * len(shape), LONG), label="choice"
            )
        if source is None:
            return index
        whole = asarray(source) if isinstance(source, Array) else None
        inds = tuple(range(index.ndim))
        taken = Expr.blockwise(
            _pick, inds, [(whole._expr.node() if whole is not None else source, None), (index._expr, inds)],
            index.chunks, dtype, np.dtype(dtype).kind in "biufc", label="choice",
        )  # fmt: skip
        return wrap(taken, np.empty(0, dtype=dtype))

    def _permutation(self, x: Any, axis: int) -> Array:
        from raskr.array.core import asarray
        from raskr.array.creation import arange

        if not isinstance(x, Array) and np.ndim(x) == 0:
            x = arange(operator.index(x), chunks="auto")
        x = asarray(x)
        axis = normalize_axis(axis, x.ndim)
        if x.shape[axis] != x.shape[axis]:
            raise ValueError(f"permutation needs known chunks along axis {axis}; x.compute_chunk_sizes() finds them")
        order = _numpy_from(self._key()).permutation(x.shape[axis]).astype(np.int64)
        return wrap(x._expr.take(axis, order, x.chunks[axis]), x._meta)

    def _shuffle(self, x: Any, axis: int) -> None:
        """Change the order along an axis in place: of a lazy array, or of what NumPy can shuffle."""
        if isinstance(x, Array):
            x._replace(self._permutation(x, axis))
        elif isinstance(x, np.ndarray):
            _numpy_from(self._key()).shuffle(x, axis=axis)
        elif isinstance(x, MutableSequence):
            _numpy_from(self._key()).shuffle(x)
        else:
            raise TypeError(f"shuffle changes an array or a list in place, not {type(x).__name__}")

    def bytes(self, length):
        return _numpy_from(self._key()).bytes(length)


def _numpy_from(key: tuple[int, int]) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.asarray(key, dtype=np.uint64)))


def _pick_distinct(count: int, shape: tuple[int, ...], weights: Any, key: tuple[int, int], shuffle: bool) -> Any:
    return _numpy_from(key).choice(count, size=shape, replace=False, p=weights, shuffle=shuffle)


def _invert(cumulative: Any, uniform: Any) -> Any:
    """The number of the choice whose share of 0..1 a uniform number falls into."""
    found = np.searchsorted(cumulative, np.asarray(uniform) * cumulative[-1], side="right")
    return np.minimum(found, len(cumulative) - 1)


def _pick(source: Any, index: Any) -> Any:
    return source[index]


def _probabilities(p: Any, count: int) -> np.ndarray[Any, Any]:
    p = np.asarray(p.compute() if isinstance(p, Array) else p, dtype=float)
    if p.ndim != 1:
        raise ValueError(f"p must be one dimensional, got {p.ndim} axes")
    if len(p) != count:
        raise ValueError(f"a and p must have the same size, got {count} and {len(p)}")
    if not np.isfinite(p).all() or (p < 0).any():
        raise ValueError("probabilities are not non-negative")
    if abs(p.sum() - 1) > np.sqrt(np.finfo(float).eps):
        raise ValueError(f"probabilities do not sum to 1: they sum to {p.sum()}")
    return p


def one_block_last(x: Array) -> Array:
    return x.rechunk({x.ndim - 1: -1})
