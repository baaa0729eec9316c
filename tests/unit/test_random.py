"""Random arrays: what repeats, what differs, parameters and their errors, choices and permutations."""

import pickle

import numpy as np
import pytest

import raskr.array as da

MAKERS = [da.random.RandomState, da.random.default_rng]
DRAWS = {
    "beta": (1, 2), "binomial": (10, 0.5), "chisquare": (1,), "exponential": (1,), "f": (1, 2), "gamma": (5, 1),
    "geometric": (0.5,), "gumbel": (1,), "hypergeometric": (1, 2, 3), "laplace": (), "logistic": (), "lognormal": (),
    "logseries": (0.5,), "multinomial": (20, [0.2, 0.3, 0.5]), "negative_binomial": (5, 0.5),
    "noncentral_chisquare": (2, 2), "noncentral_f": (2, 2, 3), "normal": (2, 2), "pareto": (1,), "poisson": (),
    "power": (1,), "random": (), "rayleigh": (), "standard_cauchy": (), "standard_exponential": (),
    "standard_gamma": (2,), "standard_normal": (), "standard_t": (2,), "triangular": (1, 2, 3), "uniform": (),
    "vonmises": (2, 3), "wald": (1, 2), "weibull": (2,), "zipf": (2,),
}  # fmt: skip


@pytest.fixture(params=MAKERS, ids=["RandomState", "default_rng"])
def make(request):
    return request.param


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("size", [None, 5, (2, 3)], ids=str)
def test_every_distribution(name, size, make):
    x = getattr(make(1), name)(*DRAWS[name], size=size, chunks=2)
    value = x.compute()
    expected = getattr(np.random.default_rng(1), name)(*DRAWS[name], size=size)
    assert x.shape == np.shape(value) == np.shape(expected)
    assert x.dtype == np.asarray(expected).dtype == np.asarray(value).dtype
    again = getattr(make(1), name)(*DRAWS[name], size=size, chunks=4)
    np.testing.assert_array_equal(again.compute(), value)


def test_seeds_repeat_and_differ(make):
    first, second = make(5), make(5)
    a, b = first.normal(size=8, chunks=3), first.normal(size=8, chunks=3)
    np.testing.assert_array_equal(a.compute(), second.normal(size=8, chunks=8).compute())
    np.testing.assert_array_equal(b.compute(), second.normal(size=8, chunks=2).compute())
    assert (a != b).any().compute()
    assert (a != make(6).normal(size=8, chunks=3)).any().compute()
    assert (make().normal(size=8) != make().normal(size=8)).any().compute()
    assert a.name == make(5).normal(size=8, chunks=3).name != b.name


def test_the_two_classes_do_not_share_numbers():
    a, b = (maker(5).random(size=8) for maker in MAKERS)
    assert (a != b).all().compute()


def test_values_depend_on_neither_chunks_nor_slices(make):
    whole = make(3).normal(size=(30, 20), chunks=(30, 20)).compute()
    for chunks in (7, (1, 20), (30, 3)):
        np.testing.assert_array_equal(make(3).normal(size=(30, 20), chunks=chunks).compute(), whole)
    np.testing.assert_array_equal(make(3).normal(size=(30, 20), chunks=7)[3:9, ::-2].compute(), whole[3:9, ::-2])


@pytest.mark.parametrize("options", [{"scheduler": "sync"}, {"num_workers": 1}, {"num_workers": 4}], ids=str)
def test_values_do_not_depend_on_who_computes(options, make):
    draw = make(3).gamma(2, size=(40, 30), chunks=9)
    np.testing.assert_array_equal(draw.compute(**options), make(3).gamma(2, size=(40, 30), chunks=9).compute())


def test_module_functions_share_a_seed():
    da.random.seed(11)
    a, b = da.random.normal(size=5), da.random.poisson(3, size=5)
    da.random.seed(11)
    np.testing.assert_array_equal(a.compute(), da.random.normal(size=5, chunks=2).compute())
    np.testing.assert_array_equal(b.compute(), da.random.poisson(3, size=5).compute())
    assert da.random.normal.__name__ == "normal"


def test_generators_pickle_in_their_state(make):
    state = make(4)
    state.random(size=3)
    copied = pickle.loads(pickle.dumps(state))
    np.testing.assert_array_equal(copied.random(size=3).compute(), state.random(size=3).compute())
    assert type(state).__name__ in repr(state)


def test_sources_of_default_rng():
    rng = da.random.default_rng(np.random.PCG64(1))
    assert isinstance(rng, da.random.Generator)
    assert da.random.default_rng(rng) is rng
    for seed in (np.random.default_rng(1), np.random.PCG64, np.random.SeedSequence(3), [1, 2], None):
        assert da.random.default_rng(seed).random(size=2).compute().shape == (2,)
    with pytest.raises(TypeError):
        da.random.Generator("seed")
    with pytest.raises(ValueError):
        da.random.RandomState(-1)


# --- parameters -----------------------------------------------------------------------------------------------------
def test_array_parameters(make):
    loc = np.arange(6.0).reshape(2, 3) * 1000
    for given in (loc, loc.tolist(), da.from_array(loc, chunks=2)):
        x = make(1).normal(given, 1, chunks=2)
        assert x.shape == (2, 3)
        assert (abs(x.compute() - loc) < 10).all()
    wide = make(1).normal(da.from_array(loc, chunks=1), np.ones((3, 1, 3)), size=(4, 3, 2, 3), chunks=2)
    assert wide.compute().shape == (4, 3, 2, 3)
    assert (make(1).poisson(da.full((3, 4), 10**6, chunks=2)).compute() > 10**5).all()


def test_array_parameters_give_what_scalars_give(make):
    scalar = make(2).gamma(3.5, 2.0, size=(4, 5), chunks=3)
    array = make(2).gamma(np.full((4, 5), 3.5), da.full(5, 2.0), chunks=2)
    np.testing.assert_allclose(array.compute(), scalar.compute())


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("normal", (0, -1)), ("binomial", (10, 1.5)), ("binomial", (-1, 0.5)), ("beta", (0, 1)), ("gamma", (-1,)),
        ("geometric", (0,)), ("hypergeometric", (1, 2, 9)), ("logseries", (1.5,)), ("poisson", (-1,)), ("zipf", (1,)),
        ("triangular", (3, 2, 1)), ("pareto", (0,)), ("multinomial", (3, [0.5, 0.9, 0.1])), ("exponential", ([1, -1],)),
    ],
    ids=str,
)  # fmt: skip
def test_bad_parameters_are_refused_at_once(name, args, make):
    with pytest.raises(ValueError):
        getattr(make(1), name)(*args, size=2 if name != "exponential" else None)


def test_sizes_and_chunks_that_do_not_fit(make):
    with pytest.raises(ValueError):
        make(1).normal(np.ones((2, 3)), np.ones((3, 1)), size=(2, 3, 4))
    with pytest.raises(ValueError, match="negative"):
        make(1).normal(size=-1)
    with pytest.raises(TypeError, match="dtype"):
        make(1).standard_cauchy(size=3, dtype="f4")
    assert make(1).normal(10, 1, (10**6, 10**6), chunks=(10**5, 10**5)).numblocks == (10, 10)


def test_single_precision():
    rng = da.random.default_rng(1)
    for name in ("random", "standard_normal", "standard_exponential"):
        x = getattr(rng, name)(size=1000, dtype="f4", chunks=300)
        assert x.dtype == x.compute().dtype == "f4"
    with pytest.raises(TypeError):
        rng.random(size=3, dtype="i4")


def test_names_that_dask_lacks(make):
    parts = make(1).dirichlet([1, 2, 3], size=(500, 4), chunks=100).compute()
    np.testing.assert_allclose(parts.sum(axis=-1), 1)
    np.testing.assert_allclose(parts.mean(axis=(0, 1)), [1 / 6, 1 / 3, 1 / 2], atol=0.02)
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    draws = make(1).multivariate_normal([1, -1], cov, size=20_000, chunks=7_000).compute()
    np.testing.assert_allclose(draws.mean(axis=0), [1, -1], atol=0.05)
    np.testing.assert_allclose(np.cov(draws.T), cov, atol=0.08)
    assert make(1).multivariate_normal([0, 0], cov).compute().shape == (2,)
    state = da.random.RandomState(1)
    assert state.rand(3, 4, chunks=2).compute().shape == (3, 4)
    assert state.randn().compute().shape == ()
    assert da.random.sample(3).compute().shape == da.random.ranf(3).compute().shape == (3,)
    with pytest.raises(ValueError):
        make(1).multivariate_normal([0, 0], [[1, 2], [2, 1]])
    with pytest.raises(ValueError):
        make(1).dirichlet([1, -1])


# --- integers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "u4", "i8", "u8", "?"])
def test_integers(dtype):
    high = 2 if dtype == "?" else 100
    x = da.random.default_rng(1).integers(high, size=(50, 40), dtype=dtype, chunks=30)
    value = x.compute()
    assert x.dtype == value.dtype == dtype
    assert int(value.min()) == 0 and int(value.max()) == high - 1
    state = da.random.RandomState(1).randint(5, 9, size=500, dtype="i8", chunks=200).compute()
    assert set(state.tolist()) == {5, 6, 7, 8}


def test_integer_limits():
    rng = da.random.default_rng(1)
    assert set(rng.integers(3, 5, size=100, endpoint=True).compute().tolist()) == {3, 4, 5}
    full = np.iinfo(np.int64)
    wide = rng.integers(full.min, full.max, size=1000, endpoint=True).compute()
    assert wide.min() < -(2**61) and wide.max() > 2**61
    low = np.array([0, 100, 10**6])
    value = rng.integers(low, da.asarray(low + 3), size=(200, 3), chunks=50).compute()
    assert ((value >= low) & (value < low + 3)).all()
    for bad in ((5, 5), (0, 300)):
        with pytest.raises(ValueError):
            rng.integers(*bad, size=2, dtype="u1")
    with pytest.warns(DeprecationWarning):
        assert da.random.random_integers(3, size=5).compute().max() <= 3
    assert (da.random.RandomState(1).tomaxint(size=10).compute() >= 0).all()


# --- choices and permutations ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", [5, [1, 3, 5, 7, 9], "lazy"], ids=str)
@pytest.mark.parametrize("weighted", [True, False])
def test_choice(source, weighted, make):
    p = [0, 0.2, 0.2, 0.3, 0.3] if weighted else None
    a = da.asarray([1.0, 3, 5, 7, 9]).rechunk(2) if source == "lazy" else source
    x = make(1).choice(a, size=(200, 3), p=p, chunks=70)
    value = x.compute()
    pool = np.arange(5) if source == 5 else np.array([1, 3, 5, 7, 9])
    assert x.dtype == value.dtype
    assert set(value.flat) == set(pool[1:] if weighted else pool)
    again = make(1).choice(a, size=(200, 3), p=p, chunks=200)
    np.testing.assert_array_equal(value, again.compute())


def test_choice_without_replacement(make):
    value = make(1).choice(10, size=10, replace=False, chunks=-1).compute()
    assert sorted(value.tolist()) == list(range(10))
    with pytest.raises(NotImplementedError):
        make(1).choice(10, size=10, replace=False, chunks=3)
    with pytest.raises(ValueError, match="larger sample"):
        make(1).choice(3, size=10, replace=False, chunks=-1)


@pytest.mark.parametrize(
    ("a", "p"), [(-1, None), (np.ones((2, 2)), None), (3, [0.5, 0.5]), (2, [0.5, 0.9]), (2, [-1, 2]), (2, [[0.5, 0.5]])]
)
def test_bad_choices(a, p, make):
    with pytest.raises(ValueError):
        make(1).choice(a, size=3, p=p)


def test_permutation(make):
    x = da.arange(20, chunks=6)
    first = make(1).permutation(x)
    assert first.chunks == x.chunks
    assert sorted(first.compute().tolist()) == list(range(20))
    np.testing.assert_array_equal(first.compute(), make(1).permutation(20).compute())
    assert (first != make(2).permutation(x)).any().compute()


def test_hypergeometric_columns():
    x = da.random.default_rng(1).multivariate_hypergeometric([16, 8, 4], 6, size=50, chunks=20).compute()
    assert x.shape == (50, 3)
    assert (x.sum(axis=1) == 6).all() and (x >= 0).all() and (x <= [16, 8, 4]).all()


def test_generators_of_other_libraries_are_refused():
    class Foreign:
        __module__ = "cupy.random"

    with pytest.raises(NotImplementedError, match="cupy"):
        da.random.default_rng(Foreign())
    with pytest.raises(NotImplementedError, match="cupy"):
        da.random.RandomState(RandomState=Foreign)
