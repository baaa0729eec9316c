"""Random numbers that depend on the seed and the position of each element only: not on chunks, workers or order.

`Generator` and `RandomState` offer Dask's and NumPy's methods. Each draw has a key of its own, made of the seed and of
the number of draws before it; an element's numbers come from that key and its row-major index. They are not NumPy's.
"""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from raskr.array._apply import check_broadcast, normalize_axis
from raskr.array._docs import like_numpy
from raskr.array.collection import Array
from raskr.array.random_streams import LONG, Distributions, checked, numpy_generator, numpy_only, one_block_last

#: What states of our streams are known by.
_STREAM = "raskr"


def _entropy(seed: Any, stream: int) -> int:
    """64 bits from any seed of NumPy's; `stream` keeps the two classes apart."""
    return int(np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1, np.uint64)[0])


class Generator(Distributions):
    """Random numbers in lazy arrays, with the methods of `numpy.random.Generator`.

    Every method takes `size` and `chunks` beside the parameters of its distribution, which may be arrays, lazy ones
    too. `default_rng` makes one.

    Parameters
    ----------
    bit_generator : numpy.random.BitGenerator
        Its next 64 bits become the seed; the numbers themselves come from the engine.

    Examples
    --------
    >>> import raskr.array as da
    >>> rng = da.random.default_rng(1)
    >>> x = rng.normal(10, 2, size=(1000, 1000), chunks=(500, 1000))
    >>> bool(abs(x.mean().compute() - 10) < 0.02)
    True
    """

    def __init__(self, bit_generator: Any):
        if isinstance(bit_generator, type):
            numpy_only(bit_generator, "Generator")
            bit_generator = bit_generator()
        if not isinstance(bit_generator, np.random.BitGenerator):
            numpy_only(bit_generator, "Generator")
            raise TypeError(f"Generator takes a NumPy bit generator, not {type(bit_generator).__name__}")
        self._start(int(bit_generator.random_raw()))

    @classmethod
    def _of_seed(cls, seed: Any) -> Generator:
        made = object.__new__(cls)
        made._start(_entropy(seed, 1))
        return made

    def __repr__(self) -> str:
        return f"Generator(seed={self._seed:#x}, draws={self._draws})"

    def random(self, size=None, dtype=np.float64, out=None, chunks="auto"):
        return self._narrow("random", (), size, dtype, out, chunks)

    def standard_normal(self, size=None, dtype=np.float64, out=None, chunks="auto"):
        return self._narrow("standard_normal", (), size, dtype, out, chunks)

    def standard_exponential(self, size=None, dtype=np.float64, method="zig", out=None, chunks="auto"):
        return self._narrow("standard_exponential", (), size, dtype, out, chunks)

    def standard_gamma(self, shape, size=None, dtype=np.float64, out=None, chunks="auto"):
        return self._narrow("standard_gamma", (shape,), size, dtype, out, chunks)

    def _narrow(self, name: str, params: tuple[Any, ...], size: Any, dtype: Any, out: Any, chunks: Any) -> Array:
        """A distribution that NumPy also gives in single precision."""
        from raskr.array._apply import apply_out

        dtype = np.dtype(dtype)
        if dtype not in (np.float64, np.float32):
            raise TypeError(f"Unsupported dtype {dtype!r} for {name}")
        return apply_out(self._draw(name, params, size, chunks, dtype=dtype), out)

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False, chunks="auto"):
        return _integers(self, low, high, size, dtype, endpoint, chunks, "integers")

    def choice(self, a, size=None, replace=True, p=None, axis=0, shuffle=True, chunks="auto"):
        normalize_axis(axis, 1)
        return self._choice(a, size, replace, p, shuffle, chunks)

    def permutation(self, x, axis=0):
        return self._permutation(x, axis)

    def permuted(self, x, *, axis=None, out=None):
        """The elements in a random order: of the whole array, or along an axis with an order of its own for each line.

        Parameters
        ----------
        x : array_like
            What is put in another order.
        axis : int, optional
            Where to; elements of the whole array change places when it is left out.
        out : Array, optional
            Becomes the result.

        Examples
        --------
        >>> import raskr.array as da
        >>> x = da.random.default_rng(1).permuted(da.arange(6).reshape(2, 3), axis=1)
        >>> da.sort(x, axis=1).compute()
        array([[0, 1, 2],
               [3, 4, 5]])
        """
        from raskr.array._apply import apply_out
        from raskr.array.core import asarray
        from raskr.array.sorting import argsort, take_along_axis

        x = asarray(x)
        if axis is None:
            flat = self._permutation(x.reshape(-1), 0)
            return apply_out(flat.reshape(x.shape) if x.ndim != 1 else flat, out)
        axis = normalize_axis(axis, x.ndim)
        # The order of random numbers is a random order.
        chunks = tuple((n,) if number == axis else own for number, (n, own) in enumerate(zip(x.shape, x.chunks)))
        order = argsort(self._draw("random", (), x.shape, chunks, label="permuted"), axis=axis)
        result = take_along_axis(x, order, axis)
        return apply_out(result if result.chunks == x.chunks else result.rechunk(x.chunks), out)

    def shuffle(self, x, axis=0):
        """Change the order along an axis in place.

        Parameters
        ----------
        x : Array, numpy.ndarray or list
            What is changed; a lazy array stands for the new order from then on.
        axis : int
            The axis; lists have only one.

        Examples
        --------
        >>> import raskr.array as da
        >>> x = da.arange(5, chunks=2)
        >>> da.random.default_rng(1).shuffle(x)
        >>> da.sort(x).compute()
        array([0, 1, 2, 3, 4])
        """
        self._shuffle(x, axis)

    def spawn(self, n_children):
        """New generators, whose numbers have nothing to do with those of this one or of each other.

        Parameters
        ----------
        n_children : int
            How many.

        Examples
        --------
        >>> import raskr.array as da
        >>> len(da.random.default_rng(1).spawn(3))
        3
        """
        made = [object.__new__(type(self)) for _ in range(operator.index(n_children))]
        for child in made:
            child._start(_entropy(self._key(), 3))
        return made

    def multivariate_hypergeometric(self, colors, nsample, size=None, method="marginals", chunks="auto"):
        from raskr.array.core import stack

        if np.ndim(size) == 0:
            numpy_generator().multivariate_hypergeometric(colors, nsample, size=0, method=method)
        colors = [int(count) for count in colors]
        left: Any = int(nsample)
        columns = []
        for number, count in enumerate(colors):
            others = sum(colors[number + 1 :])
            if number == len(colors) - 1:
                columns.append(left if isinstance(left, Array) else self._constant(left, size, chunks))
                break
            label = "multivariate_hypergeometric"
            column = self._draw("hypergeometric", (count, others, left), size, chunks, label=label, check=False)
            size, chunks = column.shape, column.chunks
            columns.append(column)
            left = left - column
        return one_block_last(stack(columns, axis=-1))


class RandomState(Distributions):
    """Random numbers in lazy arrays, with the methods of `numpy.random.RandomState`.

    Parameters
    ----------
    seed : int, sequence of ints or None
        The same seed gives the same numbers; None takes one from the operating system.
    RandomState : type, optional
        NumPy's class, or None. Those of other libraries are not supported.

    Examples
    --------
    >>> import raskr.array as da
    >>> state = da.random.RandomState(1234)
    >>> x = state.uniform(size=(100, 100), chunks=50)
    >>> bool((x.compute() < 1).all())
    True
    """

    def __init__(self, seed: Any = None, RandomState: Any = None):
        if RandomState is not None and RandomState is not np.random.RandomState:
            numpy_only(RandomState, "RandomState")
            raise NotImplementedError(f"RandomState={RandomState!r}: only numpy.random.RandomState is supported")
        self.seed(seed)

    def seed(self, seed: Any = None) -> None:
        """Start again from a seed.

        Parameters
        ----------
        seed : int, sequence of ints or None
            As for the class.
        """
        if isinstance(seed, np.random.BitGenerator):
            seed = int(seed.random_raw())
        elif isinstance(seed, np.random.SeedSequence):
            seed = seed.generate_state(2).tolist()
        elif seed is not None:
            np.random.RandomState(seed)  # NumPy's own complaint about what is no seed
            seed = np.asarray(seed).reshape(-1).tolist()
        self._start(_entropy(seed, 2))

    def __repr__(self) -> str:
        return f"RandomState(seed={self._seed:#x}, draws={self._draws})"

    def get_state(self, legacy=True):
        """Where this object is in its stream of numbers, for `set_state`.

        The state is raskr's own: a seed of 64 bits and the number of draws so far. It has not the shape of NumPy's.

        Parameters
        ----------
        legacy : bool
            Whether it is given as a tuple; else as a dict.

        Returns
        -------
        tuple (str, int, int) or dict

        Examples
        --------
        >>> import raskr.array as da
        >>> state = da.random.RandomState(1)
        >>> place = state.get_state()
        >>> x = state.random_sample(3).compute()
        >>> state.set_state(place)
        >>> bool((state.random_sample(3).compute() == x).all())
        True
        """
        seed, draws = self._place()
        if legacy:
            return (_STREAM, seed, draws)
        return {"bit_generator": _STREAM, "state": {"seed": seed, "draws": draws}}

    def set_state(self, state):
        """Go on from a place that `get_state` told.

        Parameters
        ----------
        state : tuple or dict
            As `get_state` gives it. States of NumPy's generators do not fit, since the numbers are not NumPy's.
        """
        try:
            if isinstance(state, dict):
                kind, seed, draws = state["bit_generator"], state["state"]["seed"], state["state"]["draws"]
            else:
                kind, seed, draws = state
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"state must be what get_state gives, a tuple ({_STREAM!r}, seed, draws) or a dict"
            ) from None
        if kind != _STREAM:
            raise ValueError(
                f"state is that of {kind!r}; set_state takes states of {_STREAM!r}, as get_state gives them"
            )
        self._start(operator.index(seed), operator.index(draws))

    def permutation(self, x):
        return self._permutation(x, 0)

    def shuffle(self, x):
        """Change the order along the first axis in place.

        Parameters
        ----------
        x : Array, numpy.ndarray or list
            What is changed; a lazy array stands for the new order from then on.

        Examples
        --------
        >>> import raskr.array as da
        >>> x = da.arange(5, chunks=2)
        >>> da.random.RandomState(1).shuffle(x)
        >>> da.sort(x).compute()
        array([0, 1, 2, 3, 4])
        """
        self._shuffle(x, 0)

    def random_sample(self, size=None, chunks="auto"):
        return self._draw("random", (), size, chunks, label="random_sample")

    def random(self, size=None, chunks="auto"):
        return self._draw("random", (), size, chunks, label="random_sample")

    ranf = sample = random_sample

    def rand(self, *dims, chunks="auto"):
        return self._draw("random", (), dims or None, chunks, label="rand")

    def randn(self, *dims, chunks="auto"):
        return self._draw("standard_normal", (), dims or None, chunks, label="randn")

    def standard_normal(self, size=None, chunks="auto"):
        return self._draw("standard_normal", (), size, chunks)

    def standard_exponential(self, size=None, chunks="auto"):
        return self._draw("standard_exponential", (), size, chunks)

    def standard_gamma(self, shape, size=None, chunks="auto"):
        return self._draw("standard_gamma", (shape,), size, chunks)

    def randint(self, low, high=None, size=None, chunks="auto", dtype="l"):
        return _integers(self, low, high, size, dtype, False, chunks, "randint")

    def random_integers(self, low, high=None, size=None, chunks="auto"):
        warnings.warn(
            "random_integers is deprecated, as in NumPy: use randint, or Generator.integers with endpoint=True",
            DeprecationWarning,
            stacklevel=2,
        )
        return _integers(self, low, high, size, "l", True, chunks, "random_integers")

    def tomaxint(self, size=None, chunks="auto"):
        return _integers(self, 0, np.iinfo(np.int64).max, size, np.int64, True, chunks, "tomaxint")

    def choice(self, a, size=None, replace=True, p=None, chunks="auto"):
        return self._choice(a, size, replace, p, True, chunks)


def _integers(
    state: Distributions, low: Any, high: Any, size: Any, dtype: Any, endpoint: bool, chunks: Any, label: str
) -> Array:
    dtype = np.dtype(dtype)
    if high is None:
        low, high = 0, low
    scalar = all(not isinstance(limit, Array) and np.ndim(limit) == 0 for limit in (low, high))
    checked("integers", (low, high), dtype=dtype, endpoint=endpoint)
    if scalar:
        low = int(low)
        span = int(high) - low + (1 if endpoint else 0)
        if span <= 0:
            raise ValueError(f"low >= high: no integer lies between {low} and {high}")
        return state._draw("integers", (low, span), size, chunks, dtype=dtype, label=label, check=False)
    from raskr.array.core import asarray
    from raskr.array.ufunc import floor, minimum

    # Limits that differ from element to element: a uniform number picks a place in each element's own span.
    low, high = asarray(low).astype(LONG), asarray(high).astype(LONG)
    span = high - low + (1 if endpoint else 0)
    if size is None:
        size = span.shape
    uniform = state._draw("random", (), size, chunks, label=label, check=False)
    check_broadcast([uniform.shape, span.shape], label)
    return (low + minimum(floor(uniform * span).astype(LONG), span - 1)).astype(dtype)


def default_rng(seed: Any = None) -> Generator:
    """A `Generator` from a seed.

    Parameters
    ----------
    seed : None, int, sequence of ints, SeedSequence, BitGenerator, numpy Generator or Generator
        None takes a seed from the operating system; a `Generator` of raskr's comes back as it is.

    Examples
    --------
    >>> import raskr.array as da
    >>> one = da.random.default_rng(7).random(4, chunks=2)
    >>> other = da.random.default_rng(7).random(4, chunks=4)
    >>> bool((one == other).all().compute())
    True
    """
    if isinstance(seed, Generator):
        return seed
    if seed is not None:
        numpy_only(seed, "default_rng")
    if isinstance(seed, np.random.Generator):
        return Generator(seed.bit_generator)
    if isinstance(seed, np.random.BitGenerator) or (
        isinstance(seed, type) and issubclass(seed, np.random.BitGenerator)
    ):
        return Generator(seed)
    if isinstance(seed, np.random.SeedSequence):
        seed = seed.generate_state(4).tolist()
    return Generator._of_seed(seed)


# --- documentation and module functions -------------------------------------------------------------------------------
_BYTES = """Random bytes, as a Python bytes object that is made at once."""
_SUMMARY = """Numbers of NumPy's `{name}`, in a lazy array.

`size` gives its shape; without it, the shape is that of the parameters. `chunks` says how it is cut, and has no
influence on the numbers. Parameters may be scalars or arrays, lazy ones too, that broadcast to the shape."""


def _document(kind: type, original: type) -> None:
    for name in dir(kind):
        method = getattr(kind, name)
        if name.startswith("_") or method.__doc__ or not callable(method):
            continue

        shared = vars(kind).get(name) is None
        if shared:
            # Each class documents its own NumPy counterpart.
            copied = _copy_function(vars(Distributions)[name])
            copied.__qualname__ = f"{kind.__name__}.{name}"
            setattr(kind, name, copied)
            method = copied
        method.__doc__ = _BYTES if name == "bytes" else _SUMMARY.format(name=name)
        like_numpy(
            getattr(original, name, None) or getattr(np.random, name),
            examples=True,
            name=f"{original.__module__}.{original.__name__}.{name}",
        )(method)


def _copy_function(function: Any) -> Any:
    import types

    copied = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


_document(Generator, np.random.Generator)
_document(RandomState, np.random.RandomState)

_state = RandomState()


def _module_function(name: str) -> Callable[..., Array]:
    method = getattr(_state, name)
    function = functools.partial(_forward, name)
    functools.update_wrapper(function, method)
    return function


def _forward(_name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(_state, _name)(*args, **kwargs)


def seed(seed: Any = None) -> None:
    """Start the numbers of this module's functions again from a seed.

    Parameters
    ----------
    seed : int, sequence of ints or None
        The same seed gives the same numbers.

    Examples
    --------
    >>> import raskr.array as da
    >>> da.random.seed(1)
    >>> x = da.random.random(3).compute()
    >>> da.random.seed(1)
    >>> bool((da.random.random(3).compute() == x).all())
    True
    """
    _state.seed(seed)


beta = _module_function("beta")
binomial = _module_function("binomial")
bytes = _module_function("bytes")
chisquare = _module_function("chisquare")
choice = _module_function("choice")
dirichlet = _module_function("dirichlet")
exponential = _module_function("exponential")
f = _module_function("f")
gamma = _module_function("gamma")
geometric = _module_function("geometric")
get_state = _module_function("get_state")
gumbel = _module_function("gumbel")
hypergeometric = _module_function("hypergeometric")
laplace = _module_function("laplace")
logistic = _module_function("logistic")
lognormal = _module_function("lognormal")
logseries = _module_function("logseries")
multinomial = _module_function("multinomial")
multivariate_normal = _module_function("multivariate_normal")
negative_binomial = _module_function("negative_binomial")
noncentral_chisquare = _module_function("noncentral_chisquare")
noncentral_f = _module_function("noncentral_f")
normal = _module_function("normal")
pareto = _module_function("pareto")
permutation = _module_function("permutation")
poisson = _module_function("poisson")
power = _module_function("power")
rand = _module_function("rand")
randint = _module_function("randint")
randn = _module_function("randn")
ranf = _module_function("ranf")
random = _module_function("random")
random_integers = _module_function("random_integers")
random_sample = _module_function("random_sample")
rayleigh = _module_function("rayleigh")
sample = _module_function("sample")
set_state = _module_function("set_state")
shuffle = _module_function("shuffle")
standard_cauchy = _module_function("standard_cauchy")
standard_exponential = _module_function("standard_exponential")
standard_gamma = _module_function("standard_gamma")
standard_normal = _module_function("standard_normal")
standard_t = _module_function("standard_t")
triangular = _module_function("triangular")
uniform = _module_function("uniform")
vonmises = _module_function("vonmises")
wald = _module_function("wald")
weibull = _module_function("weibull")
zipf = _module_function("zipf")
