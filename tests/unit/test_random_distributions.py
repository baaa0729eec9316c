"""Every distribution against SciPy's: moments, and a Kolmogorov-Smirnov or chi-square test with fixed seeds."""

import numpy as np
import pytest

import raskr.array as da

stats = pytest.importorskip("scipy.stats")

SIZE = 40_000
# With fixed seeds a test either always passes or always fails; a sample this unlikely means a wrong distribution.
P_VALUE = 1e-4

CONTINUOUS = {
    "beta": [((0.5, 0.7), stats.beta(0.5, 0.7)), ((3, 2), stats.beta(3, 2)), ((1, 5), stats.beta(1, 5))],
    "chisquare": [((1,), stats.chi2(1)), ((7.5,), stats.chi2(7.5))],
    "exponential": [((2.5,), stats.expon(scale=2.5))],
    "f": [((5, 8), stats.f(5, 8))],
    "gamma": [((0.3, 2), stats.gamma(0.3, scale=2)), ((1, 1), stats.gamma(1)), ((9, 0.5), stats.gamma(9, scale=0.5))],
    "gumbel": [((1, 2), stats.gumbel_r(1, 2))],
    "laplace": [((1, 2), stats.laplace(1, 2))],
    "logistic": [((1, 2), stats.logistic(1, 2))],
    "lognormal": [((0.5, 0.8), stats.lognorm(0.8, scale=np.exp(0.5)))],
    "noncentral_chisquare": [((3, 2), stats.ncx2(3, 2)), ((0.5, 4), stats.ncx2(0.5, 4))],
    "noncentral_f": [((5, 9, 2), stats.ncf(5, 9, 2))],
    "normal": [((3, 2), stats.norm(3, 2))],
    "pareto": [((3,), stats.lomax(3))],
    "power": [((2.5,), stats.powerlaw(2.5))],
    "random": [((), stats.uniform())],
    "rayleigh": [((2,), stats.rayleigh(scale=2))],
    "standard_cauchy": [((), stats.cauchy())],
    "standard_exponential": [((), stats.expon())],
    "standard_gamma": [((0.8,), stats.gamma(0.8)), ((20,), stats.gamma(20))],
    "standard_normal": [((), stats.norm())],
    "standard_t": [((3,), stats.t(3)), ((30,), stats.t(30))],
    "triangular": [((1, 2, 5), stats.triang(0.25, 1, 4))],
    "uniform": [((-1, 3), stats.uniform(-1, 4))],
    "vonmises": [((0, 1.5), stats.vonmises(1.5)), ((1, 40), stats.vonmises(40, loc=1))],
    "wald": [((1, 2), stats.invgauss(0.5, scale=2))],
    "weibull": [((1.7,), stats.weibull_min(1.7))],
}
DISCRETE = {
    "binomial": [((10, 0.3), stats.binom(10, 0.3)), ((400, 0.6), stats.binom(400, 0.6))],
    "geometric": [((0.05,), stats.geom(0.05)), ((0.7,), stats.geom(0.7))],
    "hypergeometric": [((15, 10, 8), stats.hypergeom(25, 15, 8)), ((300, 500, 90), stats.hypergeom(800, 300, 90))],
    "logseries": [((0.6,), stats.logser(0.6))],
    "negative_binomial": [((4, 0.3), stats.nbinom(4, 0.3)), ((2.5, 0.6), stats.nbinom(2.5, 0.6))],
    "poisson": [((0.7,), stats.poisson(0.7)), ((4.2,), stats.poisson(4.2)), ((90,), stats.poisson(90))],
    "zipf": [((2.6,), stats.zipf(2.6))],
}
HEAVY = {"standard_cauchy", "f", "noncentral_f", "pareto", "standard_t", "zipf"}


def cases(table):
    return [pytest.param(name, *case, id=f"{name}-{case[0]}") for name, found in table.items() for case in found]


def draw(name, args, seed):
    return getattr(da.random.default_rng(seed), name)(*args, size=SIZE, chunks=SIZE // 4 + 3).compute()


def check_moments(name, sample, expected):
    """Mean and variance lie within six standard errors, where the variance of both is finite."""
    mean, variance, _, excess = (float(value) for value in expected.stats("mvsk"))
    assert abs(sample.mean() - mean) < 6 * np.sqrt(variance / SIZE)
    assert abs(sample.var() - variance) < 6 * variance * np.sqrt((excess + 2) / SIZE)


@pytest.mark.parametrize(("name", "args", "expected"), cases(CONTINUOUS))
def test_continuous(name, args, expected):
    sample = draw(name, args, 12345)
    if name not in HEAVY and name != "vonmises":
        check_moments(name, sample, expected)
    if name == "vonmises":
        # Both are angles; SciPy's is not cut to one turn.
        centre = args[0]
        sample = (sample - centre + np.pi) % (2 * np.pi) - np.pi + centre
    assert stats.kstest(sample, expected.cdf).pvalue > P_VALUE


@pytest.mark.parametrize(("name", "args", "expected"), cases(DISCRETE))
def test_discrete(name, args, expected):
    sample = draw(name, args, 54321)
    if name not in HEAVY:
        check_moments(name, sample, expected)
    # Values that are expected at least ten times each; the rest goes together at both ends.
    support = np.arange(int(expected.ppf(1e-9)) - 1, int(min(expected.ppf(1 - 1e-9), 5000)) + 2)
    often = support[expected.pmf(support) * SIZE >= 10]
    low, high = often.min(), often.max()
    edges = np.arange(low, high + 1)
    observed = np.array([(sample < low).sum(), *(np.sum(sample == v) for v in edges), (sample > high).sum()])
    probability = np.array([expected.cdf(low - 1), *expected.pmf(edges), expected.sf(high)])
    usable = probability * SIZE >= 1
    rest = probability[~usable].sum()
    observed = np.append(observed[usable], observed[~usable].sum())
    probability = np.append(probability[usable], rest)
    if rest * SIZE < 1:
        observed, probability = observed[:-1], probability[:-1]
    scale = observed.sum() / probability.sum()
    assert stats.chisquare(observed, probability * scale).pvalue > P_VALUE


@pytest.mark.parametrize("dtype", ["u1", "i8"])
def test_integers_are_uniform(dtype):
    sample = da.random.default_rng(9).integers(3, 20, size=SIZE, dtype=dtype, chunks=SIZE // 3).compute()
    counts = np.bincount(sample)[3:20]
    assert len(np.bincount(sample)) == 20
    assert stats.chisquare(counts).pvalue > P_VALUE


def test_choices_have_their_probabilities():
    p = np.array([0.1, 0.2, 0.3, 0.4])
    counts = np.bincount(da.random.default_rng(9).choice(4, size=SIZE, p=p, chunks=SIZE // 3).compute())
    assert stats.chisquare(counts, p * SIZE).pvalue > P_VALUE


def test_multinomial_columns_are_binomial():
    p = [0.2, 0.5, 0.3]
    sample = da.random.default_rng(9).multinomial(12, p, size=SIZE, chunks=SIZE // 3).compute()
    assert (sample.sum(axis=1) == 12).all()
    for column, share in zip(sample.T, p):
        expected = stats.binom(12, share).pmf(np.arange(13)) * SIZE
        usable = expected >= 5
        observed = np.bincount(column, minlength=13)[usable]
        assert stats.chisquare(observed, expected[usable] * observed.sum() / expected[usable].sum()).pvalue > P_VALUE


def test_neighbours_are_independent():
    x = da.random.default_rng(10).normal(size=SIZE, chunks=SIZE // 8).compute()
    y = da.random.default_rng(11).normal(size=SIZE, chunks=SIZE // 8).compute()
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 6 / np.sqrt(SIZE)
    assert abs(np.corrcoef(x, y)[0, 1]) < 6 / np.sqrt(SIZE)
