//! Distributions over whole numbers.

use super::continuous::{Gamma, StandardGamma, sampler};
use super::functions::{ln_1p, ln_binomial_probability, ln_factorial, ln_poisson_probability};
use super::lanes::{exp, exp_minus_one, ln, pow, uniform};
use super::stream::{ElementStream, FromStream};
use super::transforms::FromWord;

/// Below this mean Poisson and binomial numbers are found by adding up probabilities, above it by rejection.
const SEARCHED: f64 = 10.0;
/// No number of a searched distribution is larger: its probability is below 10^-100.
const SEARCH_END: f64 = 200.0;
/// Whole numbers beyond do not fit an `i64`.
const GREATEST: f64 = i64::MAX as f64;

/// A Poisson number of a small mean: how many probabilities fit below a uniform number.
#[derive(Clone, Copy)]
pub(crate) struct PoissonSearch {
    mean: f64,
    none: f64,
}

impl PoissonSearch {
    #[inline(always)]
    pub fn new(mean: f64) -> PoissonSearch {
        PoissonSearch { mean, none: exp(-mean) }
    }
}

impl FromWord for PoissonSearch {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        let mut rest = uniform(word);
        let (mut probability, mut k) = (self.none, 0.0);
        while rest >= probability && k < SEARCH_END {
            rest -= probability;
            k += 1.0;
            probability *= self.mean / k;
        }
        k
    }
}

/// A Poisson number of a mean of at least ten (Hormann, "The transformed rejection method for generating Poisson random
/// variables", 1993: algorithm PTRS).
#[derive(Clone, Copy)]
pub(crate) struct PoissonRejection {
    mean: f64,
    a: f64,
    b: f64,
    inverse_alpha: f64,
    accepted: f64,
}

impl PoissonRejection {
    #[inline(always)]
    pub fn new(mean: f64) -> PoissonRejection {
        let b = 0.931 + 2.53 * mean.sqrt();
        PoissonRejection {
            mean,
            a: -0.059 + 0.02483 * b,
            b,
            inverse_alpha: 1.1239 + 1.1328 / (b - 3.4),
            accepted: 0.9277 - 3.6224 / (b - 2.0),
        }
    }
}

impl FromStream for PoissonRejection {
    const NORMALS: bool = false;

    #[inline(always)]
    fn value(self, stream: &mut ElementStream<'_>) -> f64 {
        loop {
            let u = stream.uniform() - 0.5;
            let v = stream.uniform_above_zero();
            let us = 0.5 - u.abs();
            let k = ((2.0 * self.a / us + self.b) * u + self.mean + 0.43).floor();
            if us >= 0.07 && v <= self.accepted {
                return k;
            }
            if k < 0.0 || us <= 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let ratio = v * self.inverse_alpha / (self.a / (us * us) + self.b);
            if ln(ratio) <= ln_poisson_probability(k, self.mean) {
                return k;
            }
        }
    }
}

/// A Poisson number of any mean from an element's stream.
#[inline(always)]
pub(crate) fn poisson(mean: f64, stream: &mut ElementStream<'_>) -> f64 {
    if mean >= SEARCHED {
        PoissonRejection::new(mean).value(stream)
    } else {
        PoissonSearch::new(mean).value(stream.word())
    }
}

/// Are Poisson numbers of this mean found by search?
pub(crate) fn poisson_is_searched(mean: f64) -> bool {
    mean < SEARCHED
}

/// A binomial number of a small mean: how many probabilities fit below a uniform number.
#[derive(Clone, Copy)]
pub(crate) struct BinomialSearch {
    n: f64,
    odds: f64,
    none: f64,
    flipped: bool,
}

/// A binomial number of a mean of at least ten (Hormann, "The generation of binomial random variates", 1993: algorithm
/// BTRS).
#[derive(Clone, Copy)]
pub(crate) struct BinomialRejection {
    n: f64,
    p: f64,
    a: f64,
    b: f64,
    alpha: f64,
    accepted: f64,
    at_mode: f64,
    flipped: bool,
}

/// How binomial numbers of certain parameters are drawn.
pub(crate) enum Binomial {
    Search(BinomialSearch),
    Rejection(BinomialRejection),
}

impl Binomial {
    #[inline(always)]
    pub fn new(n: f64, p: f64) -> Binomial {
        let flipped = p > 0.5;
        let p = if flipped { 1.0 - p } else { p };
        if n * p >= SEARCHED {
            let spread = (n * p * (1.0 - p)).sqrt();
            let b = 1.15 + 2.53 * spread;
            return Binomial::Rejection(BinomialRejection {
                n,
                p,
                a: -0.0873 + 0.0248 * b + 0.01 * p,
                b,
                alpha: (2.83 + 5.1 / b) * spread,
                accepted: 0.92 - 4.2 / b,
                at_mode: ln_binomial_probability(((n + 1.0) * p).floor(), n, p),
                flipped,
            });
        }
        Binomial::Search(BinomialSearch { n, odds: p / (1.0 - p), none: exp(n * ln_1p(-p)), flipped })
    }
}

impl FromWord for BinomialSearch {
    #[inline(always)]
    fn value(self, word: u64) -> f64 {
        let mut rest = uniform(word);
        let (mut probability, mut k) = (self.none, 0.0);
        let end = if self.n < SEARCH_END { self.n } else { SEARCH_END };
        while rest >= probability && k < end {
            rest -= probability;
            probability *= (self.n - k) / (k + 1.0) * self.odds;
            k += 1.0;
        }
        if self.flipped { self.n - k } else { k }
    }
}

impl FromStream for BinomialRejection {
    const NORMALS: bool = false;

    #[inline(always)]
    fn value(self, stream: &mut ElementStream<'_>) -> f64 {
        let BinomialRejection { n, p, a, b, .. } = self;
        loop {
            let u = stream.uniform() - 0.5;
            let v = stream.uniform_above_zero();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + n * p + 0.5).floor();
            let quickly = us >= 0.07 && v <= self.accepted;
            if !quickly {
                if us <= 0.0 || k < 0.0 || k > n {
                    continue;
                }
                let ratio = v * self.alpha / (a / (us * us) + b);
                if ln(ratio) > ln_binomial_probability(k, n, p) - self.at_mode {
                    continue;
                }
            }
            return if self.flipped { n - k } else { k };
        }
    }
}

/// A binomial number from an element's stream.
#[inline(always)]
pub(crate) fn binomial(n: f64, p: f64, stream: &mut ElementStream<'_>) -> f64 {
    match Binomial::new(n, p) {
        Binomial::Search(search) => search.value(stream.word()),
        Binomial::Rejection(rejection) => rejection.value(stream),
    }
}

sampler! {
    /// Failures before the n-th success: a Poisson number of a gamma mean.
    NegativeBinomial { mean: Gamma } true |stream| poisson(mean.value(stream), stream)
}

impl NegativeBinomial {
    pub fn new(n: f64, p: f64) -> NegativeBinomial {
        NegativeBinomial { mean: Gamma { standard: StandardGamma::new(n), scale: (1.0 - p) / p } }
    }
}

/// How many good ones are in a sample without replacement.
#[derive(Clone, Copy)]
pub(crate) struct Hypergeometric {
    good: f64,
    bad: f64,
    sample: f64,
    /// The smaller of the sample and what it leaves.
    drawn: f64,
    fewer: f64,
    centre: f64,
    width: f64,
    at_mode: f64,
    end: f64,
}

/// Samples smaller than this are drawn one by one.
const DRAWN_ONE_BY_ONE: f64 = 10.0;

impl Hypergeometric {
    #[inline(always)]
    pub fn new(good: f64, bad: f64, sample: f64) -> Hypergeometric {
        let all = good + bad;
        let drawn = sample.min(all - sample);
        let fewer = good.min(bad);
        let share = fewer / all;
        let deviation = (drawn * (all - drawn) * share * (1.0 - share) / (all - 1.0) + 0.5).sqrt();
        let centre = drawn * share + 0.5;
        let mode = ((drawn + 1.0) * (fewer + 1.0) / (all + 2.0)).floor();
        let mut sampler = Hypergeometric {
            good,
            bad,
            sample,
            drawn,
            fewer,
            centre,
            // Twice the root of 2 / e, and three less twice the root of 3 / e.
            width: 1.715_527_769_921_413_5 * deviation + 0.898_916_162_058_898_8,
            at_mode: 0.0,
            end: (drawn.min(fewer) + 1.0).min((centre + 16.0 * deviation).floor()),
        };
        if drawn >= DRAWN_ONE_BY_ONE {
            sampler.at_mode = sampler.ln_weight(mode);
        }
        sampler
    }

    /// Minus the logarithm of the probability of k of the fewer kind, up to a constant.
    #[inline(always)]
    fn ln_weight(&self, k: f64) -> f64 {
        let more = self.good.max(self.bad);
        ln_factorial(k)
            + ln_factorial(self.fewer - k)
            + ln_factorial(self.drawn - k)
            + ln_factorial(more - self.drawn + k)
    }

    /// Of the good kind among those drawn, by drawing them.
    #[inline(always)]
    fn one_by_one(&self, stream: &mut ElementStream<'_>) -> f64 {
        let (mut good, mut all, mut left) = (self.good, self.good + self.bad, self.drawn);
        while left > 0.0 {
            if stream.uniform() * all < good {
                good -= 1.0;
            }
            all -= 1.0;
            left -= 1.0;
        }
        self.good - good
    }

    /// Of the fewer kind among those drawn, by a ratio of uniforms (Stadlober, "The ratio of uniforms approach for
    /// generating discrete random variates", 1990: algorithm HRUA).
    #[inline(always)]
    fn by_rejection(&self, stream: &mut ElementStream<'_>) -> f64 {
        loop {
            let x = stream.uniform_open();
            let w = self.centre + self.width * (stream.uniform() - 0.5) / x;
            if w < 0.0 || w >= self.end {
                continue;
            }
            let k = w.floor();
            let t = self.at_mode - self.ln_weight(k);
            if x * (4.0 - x) - 3.0 <= t || (x * (x - t) < 1.0 && 2.0 * ln(x) <= t) {
                return k;
            }
        }
    }
}

impl FromStream for Hypergeometric {
    const NORMALS: bool = false;

    #[inline(always)]
    fn value(self, stream: &mut ElementStream<'_>) -> f64 {
        let good = if self.drawn < DRAWN_ONE_BY_ONE {
            self.one_by_one(stream)
        } else {
            let fewer = self.by_rejection(stream);
            if self.good > self.bad { self.drawn - fewer } else { fewer }
        };
        if self.drawn < self.sample { self.good - good } else { good }
    }
}

/// The zeta distribution (Devroye, "Non-uniform random variate generation", 1986, chapter 10.6).
#[derive(Clone, Copy)]
pub(crate) struct Zipf {
    less_one: f64,
    b: f64,
    /// The uniform number that would give the greatest integer.
    least: f64,
}

impl Zipf {
    #[inline(always)]
    pub fn new(a: f64) -> Zipf {
        let less_one = a - 1.0;
        Zipf { less_one, b: pow(2.0, less_one), least: pow(GREATEST, -less_one) }
    }
}

impl FromStream for Zipf {
    const NORMALS: bool = false;

    #[inline(always)]
    fn value(self, stream: &mut ElementStream<'_>) -> f64 {
        if self.b > 1e300 {
            // Two is rarer than the least double.
            return 1.0;
        }
        loop {
            let u = self.least + (1.0 - self.least) * stream.uniform_above_zero();
            let v = stream.uniform();
            let x = pow(u, -1.0 / self.less_one).floor();
            if !(1.0..GREATEST).contains(&x) {
                continue;
            }
            let less = exp_minus_one(self.less_one * ln_1p(1.0 / x));
            if v * x * less / (self.b - 1.0) <= (1.0 + less) / self.b {
                return x;
            }
        }
    }
}

/// The logarithmic series distribution (Kemp, "Efficient generation of logarithmically distributed pseudo-random
/// variables", 1981: algorithm LK).
#[derive(Clone, Copy)]
pub(crate) struct LogSeries {
    p: f64,
    r: f64,
}

impl LogSeries {
    #[inline(always)]
    pub fn new(p: f64) -> LogSeries {
        LogSeries { p, r: ln_1p(-p) }
    }
}

impl FromStream for LogSeries {
    const NORMALS: bool = false;

    #[inline(always)]
    fn value(self, stream: &mut ElementStream<'_>) -> f64 {
        loop {
            let v = stream.uniform_open();
            if v >= self.p {
                return 1.0;
            }
            let q = -exp_minus_one(self.r * stream.uniform_open());
            if v > q {
                return 1.0;
            }
            if v > q * q {
                return 2.0;
            }
            let k = (1.0 + ln(v) / ln(q)).floor();
            if (1.0..GREATEST).contains(&k) {
                return k;
            }
        }
    }
}
