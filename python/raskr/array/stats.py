"""Statistics and tests of SciPy's on lazy arrays. Statistics stay lazy; tests give a `Delayed` pair with its p-value.

The formulas are those that SciPy documents for the functions of the same names; SciPy must be installed.
"""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np

from raskr.array._apply import blockwise_elementwise
from raskr.array.collection import Array

__all__ = [
    "chisquare", "f_oneway", "kurtosis", "kurtosistest", "moment", "normaltest", "power_divergence", "skew", "skewtest",
    "ttest_1samp", "ttest_ind", "ttest_rel",
]  # fmt: skip

SignificanceResult = namedtuple("SignificanceResult", ("statistic", "pvalue"))

_POWERS = {
    "pearson": 1.0,
    "log-likelihood": 0.0,
    "freeman-tukey": -0.5,
    "mod-log-likelihood": -1.0,
    "neyman": -2.0,
    "cressie-read": 2 / 3,
}


def _array(x: Any) -> Array:
    from raskr.array.core import asanyarray

    return x if isinstance(x, Array) else asanyarray(x)


def _only_propagate(nan_policy: str) -> None:
    if nan_policy != "propagate":
        raise NotImplementedError(f"nan_policy {nan_policy!r} is not supported, only 'propagate' is")


class _TwoSided:
    """The upper tail of a distribution of SciPy's beyond a statistic, or both tails beyond its magnitude."""

    def __init__(self, distribution: str, *, both: bool):
        self.distribution = distribution
        self.both = both
        self.__name__ = f"{distribution}-tail"

    def __call__(self, statistic: Any, *shape: Any) -> Any:
        import scipy.stats

        tail = getattr(scipy.stats, self.distribution).sf
        return 2 * tail(np.abs(statistic), *shape) if self.both else tail(statistic, *shape)


def _p_value(distribution: str, statistic: Array, *shape: Any, both: bool = False) -> Array:
    call = _TwoSided(distribution, both=both)
    meta = np.empty((0,) * statistic.ndim, dtype=float)
    return blockwise_elementwise(call, [statistic, *shape], dtype=float, meta=meta, label=call.__name__)


def _result(statistic: Any, pvalue: Any) -> Any:
    from raskr.delayed import delayed

    return delayed(SignificanceResult, nout=2)(statistic, pvalue)


# --- moments --------------------------------------------------------------------------------------------------------
def moment(a, moment=1, axis=0, nan_policy="propagate"):
    """The central moment of an order along an axis, as `scipy.stats.moment`.

    Parameters
    ----------
    a : array_like
        The sample.
    moment : int
        The order.
    axis : int
        The axis of the sample.
    nan_policy : {"propagate"}
        NaN gives NaN.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> stats.moment(da.asarray([1.0, 2.0, 6.0]), 3).compute()
    np.float64(6.0)
    """
    _only_propagate(nan_policy)
    from raskr.array.reductions import moment as central_moment

    return central_moment(_array(a), moment, axis=axis)


def skew(a, axis=0, bias=True, nan_policy="propagate"):
    """Skewness along an axis, as `scipy.stats.skew`: the third moment over the 3/2nd power of the second.

    Parameters
    ----------
    a : array_like
        The sample.
    axis : int
        The axis of the sample.
    bias : bool
        Must be True: there is no correction for bias.
    nan_policy : {"propagate"}
        NaN gives NaN.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> stats.skew(da.asarray([1.0, 2.0, 6.0])).compute().round(4)
    np.float64(0.5952)
    """
    _only_propagate(nan_policy)
    if not bias:
        raise NotImplementedError("skew with bias=False is not supported")
    from raskr.array.routines import where

    second, third = moment(a, 2, axis), moment(a, 3, axis)
    flat = second == 0
    return where(flat, 0.0, third) / where(flat, 1.0, second) ** 1.5


def kurtosis(a, axis=0, fisher=True, bias=True, nan_policy="propagate"):
    """Kurtosis along an axis, as `scipy.stats.kurtosis`: the fourth moment over the square of the second.

    Parameters
    ----------
    a : array_like
        The sample.
    axis : int
        The axis of the sample.
    fisher : bool
        Whether 3 is subtracted, so that normal samples have about 0.
    bias : bool
        Must be True: there is no correction for bias.
    nan_policy : {"propagate"}
        NaN gives NaN.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> stats.kurtosis(da.asarray([1.0, 2.0, 6.0]), fisher=False).compute().round(6)
    np.float64(1.5)
    """
    _only_propagate(nan_policy)
    if not bias:
        raise NotImplementedError("kurtosis with bias=False is not supported")
    from raskr.array.routines import where

    second, fourth = moment(a, 2, axis), moment(a, 4, axis)
    flat = second == 0
    result = where(flat, 0.0, fourth) / where(flat, 1.0, second) ** 2.0
    return result - 3.0 if fisher else result


def _skew_score(a: Array, axis: int) -> Array:
    """The normal score of the skewness (D'Agostino, 1970)."""
    from raskr.array.routines import where
    from raskr.array.ufunc import log, sqrt

    n = float(a.shape[axis])
    if n < 8:
        raise ValueError(f"skewtest needs at least 8 samples; {int(n)} samples were given")
    y = skew(a, axis) * math.sqrt(((n + 1) * (n + 3)) / (6.0 * (n - 2)))
    beta = 3.0 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2.0) * (n + 5) * (n + 7) * (n + 9))
    w2 = -1 + math.sqrt(2 * (beta - 1))
    delta = 1 / math.sqrt(0.5 * math.log(w2))
    alpha = math.sqrt(2.0 / (w2 - 1))
    y = where(y == 0, 1.0, y)
    return delta * log(y / alpha + sqrt((y / alpha) ** 2 + 1))


def _kurtosis_score(a: Array, axis: int) -> Array:
    """The normal score of the kurtosis (Anscombe and Glynn, 1983)."""
    from raskr.array.routines import where
    from raskr.array.ufunc import absolute, sign

    n = float(a.shape[axis])
    if n < 5:
        raise ValueError(f"kurtosistest needs at least 5 samples; {int(n)} samples were given")
    expected = 3.0 * (n - 1) / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis(a, axis, fisher=False) - expected) / math.sqrt(variance)
    root_beta = 6.0 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(
        (6.0 * (n + 3) * (n + 5)) / (n * (n - 2) * (n - 3))
    )  # fmt: skip
    degrees = 6.0 + 8.0 / root_beta * (2.0 / root_beta + math.sqrt(1 + 4.0 / root_beta**2))
    middle = 1 - 2 / (9.0 * degrees)
    denominator = 1 + x * math.sqrt(2 / (degrees - 4.0))
    safe = where(denominator == 0, 1.0, denominator)
    term = sign(denominator) * where(
        denominator == 0, math.nan, ((1 - 2.0 / degrees) / absolute(safe)) ** (1 / 3.0)
    )  # fmt: skip
    return (middle - term) / math.sqrt(2 / (9.0 * degrees))


def skewtest(a, axis=0, nan_policy="propagate"):
    """Test whether the skewness is that of a normal distribution, as `scipy.stats.skewtest`.

    Parameters
    ----------
    a : array_like
        The sample, of at least 8 elements.
    axis : int
        The axis of the sample.
    nan_policy : {"propagate"}
        NaN gives NaN.

    Returns
    -------
    Delayed
        A pair of statistic and two-sided p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> bool(stats.skewtest(da.arange(20, chunks=5) ** 4).compute().pvalue < 0.1)
    True
    """
    _only_propagate(nan_policy)
    score = _skew_score(_array(a), axis)
    return _result(score, _p_value("norm", score, both=True))


def kurtosistest(a, axis=0, nan_policy="propagate"):
    """Test whether the kurtosis is that of a normal distribution, as `scipy.stats.kurtosistest`.

    Parameters
    ----------
    a : array_like
        The sample, of at least 5 elements.
    axis : int
        The axis of the sample.
    nan_policy : {"propagate"}
        NaN gives NaN.

    Returns
    -------
    Delayed
        A pair of statistic and two-sided p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> bool(stats.kurtosistest(da.arange(50, chunks=5)).compute().pvalue < 0.01)
    True
    """
    _only_propagate(nan_policy)
    score = _kurtosis_score(_array(a), axis)
    return _result(score, _p_value("norm", score, both=True))


def normaltest(a, axis=0, nan_policy="propagate"):
    """Test whether a sample is of a normal distribution, by skewness and kurtosis, as `scipy.stats.normaltest`.

    Parameters
    ----------
    a : array_like
        The sample, of at least 8 elements.
    axis : int
        The axis of the sample.
    nan_policy : {"propagate"}
        NaN gives NaN.

    Returns
    -------
    Delayed
        A pair of statistic and p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> bool(stats.normaltest(da.arange(50, chunks=5)).compute().pvalue < 0.05)
    True
    """
    _only_propagate(nan_policy)
    a = _array(a)
    statistic = _skew_score(a, axis) ** 2.0 + _kurtosis_score(a, axis) ** 2.0
    return _result(statistic, _p_value("chi2", statistic, 2))


# --- Student's t ----------------------------------------------------------------------------------------------------
def _t_test(difference: Array, error: Array, degrees: Any) -> Any:
    statistic = difference / error
    return _result(statistic, _p_value("t", statistic, degrees, both=True))


def ttest_ind(a, b, axis=0, equal_var=True):
    """Student's t test whether two independent samples have the same mean, as `scipy.stats.ttest_ind`.

    Parameters
    ----------
    a, b : array_like
        The samples.
    axis : int
        Their axis.
    equal_var : bool
        Whether the variances are taken to be equal; otherwise Welch's test.

    Returns
    -------
    Delayed
        A pair of statistic and two-sided p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> x = da.arange(10.0, chunks=5)
    >>> bool(stats.ttest_ind(x, x + 100).compute().pvalue < 1e-6)
    True
    """
    from raskr.array.ufunc import sqrt

    a, b = _array(a), _array(b)
    n, m = float(a.shape[axis]), float(b.shape[axis])
    first, second = a.var(axis=axis, ddof=1), b.var(axis=axis, ddof=1)
    if equal_var:
        degrees: Any = n + m - 2.0
        error = sqrt(((n - 1) * first + (m - 1) * second) / degrees * (1.0 / n + 1.0 / m))
    else:
        first, second = first / n, second / m
        error = sqrt(first + second)
        degrees = (first + second) ** 2.0 / (first**2.0 / (n - 1) + second**2.0 / (m - 1))
    return _t_test(a.mean(axis=axis) - b.mean(axis=axis), error, degrees)


def ttest_1samp(a, popmean, axis=0, nan_policy="propagate"):
    """Student's t test whether a sample has a given mean, as `scipy.stats.ttest_1samp`.

    Parameters
    ----------
    a : array_like
        The sample.
    popmean : array_like
        The mean.
    axis : int
        The axis of the sample.
    nan_policy : {"propagate"}
        NaN gives NaN.

    Returns
    -------
    Delayed
        A pair of statistic and two-sided p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> bool(stats.ttest_1samp(da.arange(10.0, chunks=5), 4.5).compute().pvalue == 1.0)
    True
    """
    _only_propagate(nan_policy)
    from raskr.array.ufunc import sqrt

    a = _array(a)
    n = float(a.shape[axis])
    return _t_test(a.mean(axis=axis) - popmean, sqrt(a.var(axis=axis, ddof=1) / n), n - 1)


def ttest_rel(a, b, axis=0, nan_policy="propagate"):
    """Student's t test whether two related samples have the same mean, as `scipy.stats.ttest_rel`.

    Parameters
    ----------
    a, b : array_like
        The samples, of the same shape.
    axis : int
        Their axis.
    nan_policy : {"propagate"}
        NaN gives NaN.

    Returns
    -------
    Delayed
        A pair of statistic and two-sided p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> x = da.arange(10.0, chunks=5)
    >>> bool(stats.ttest_rel(x, x**2).compute().pvalue < 0.05)
    True
    """
    _only_propagate(nan_policy)
    return ttest_1samp(_array(a) - _array(b), 0.0, axis=axis)


# --- frequencies and variances --------------------------------------------------------------------------------------
def chisquare(f_obs, f_exp=None, ddof=0, axis=0):
    """Pearson's test whether frequencies are those that are expected, as `scipy.stats.chisquare`.

    Parameters
    ----------
    f_obs : array_like
        The frequencies.
    f_exp : array_like, optional
        Those that are expected; all the same by default.
    ddof : int
        Degrees of freedom less than one less than the number of frequencies.
    axis : int or None
        The axis of the frequencies.

    Returns
    -------
    Delayed
        A pair of statistic and p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> float(stats.chisquare(da.asarray([16, 18, 16, 14, 12, 12])).compute().statistic)
    2.0
    """
    return power_divergence(f_obs, f_exp=f_exp, ddof=ddof, axis=axis, lambda_="pearson")


def power_divergence(f_obs, f_exp=None, ddof=0, axis=0, lambda_=None):
    """Test whether frequencies are those that are expected, by a power divergence statistic of Cressie and Read.

    Parameters
    ----------
    f_obs : array_like
        The frequencies.
    f_exp : array_like, optional
        Those that are expected; all the same by default.
    ddof : int
        Degrees of freedom less than one less than the number of frequencies.
    axis : int or None
        The axis of the frequencies; None takes all elements.
    lambda_ : float or str, optional
        The power, or its name as `scipy.stats.power_divergence` has them; Pearson's by default.

    Returns
    -------
    Delayed
        A pair of statistic and p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> float(stats.power_divergence(da.asarray([16, 18, 16, 14, 12, 12])).compute().statistic)
    2.0
    """
    from raskr.array.ufunc import log

    if isinstance(lambda_, str):
        if lambda_ not in _POWERS:
            raise ValueError(f"lambda_ must be a number or one of {sorted(_POWERS)}, not {lambda_!r}")
        lambda_ = _POWERS[lambda_]
    power = 1.0 if lambda_ is None else float(lambda_)
    observed = _array(f_obs)
    expected = observed.mean(axis=axis, keepdims=True) if f_exp is None else _array(f_exp)
    ratio = observed / expected
    if power == 1.0:
        terms = (observed - expected) ** 2.0 / expected
    elif power == 0.0:
        terms = 2.0 * observed * log(ratio)
    elif power == -1.0:
        terms = -2.0 * expected * log(ratio)
    else:
        terms = observed * (ratio**power - 1.0) / (0.5 * power * (power + 1.0))
    statistic = terms.sum(axis=axis)
    count = terms.size if axis is None else terms.shape[axis]
    return _result(statistic, _p_value("chi2", statistic, count - 1 - ddof))


def f_oneway(*args):
    """One-way analysis of variance: whether samples of one axis have the same mean, as `scipy.stats.f_oneway`.

    Parameters
    ----------
    *args : array_like
        Two samples or more.

    Returns
    -------
    Delayed
        A pair of statistic and p-value.

    Examples
    --------
    >>> import raskr.array as da
    >>> from raskr.array import stats
    >>> x = da.arange(10.0, chunks=5)
    >>> bool(stats.f_oneway(x, x + 1, x - 1).compute().pvalue > 0.1)
    True
    """
    from raskr.array.core import concatenate

    samples = [_array(x).astype(float) for x in args]
    if len(samples) < 2:
        raise TypeError(f"f_oneway takes at least two samples, got {len(samples)}")
    every = concatenate(samples)
    # Deviations from the joint mean keep the sums small.
    mean = every.mean()
    count, groups = float(every.size), len(samples)
    total = ((every - mean) ** 2.0).sum()
    between = sum(((x - mean).sum() ** 2.0) / float(x.size) for x in samples)
    statistic = (between / (groups - 1.0)) / ((total - between) / (count - groups))
    return _result(statistic, _p_value("f", statistic, groups - 1, count - groups))
