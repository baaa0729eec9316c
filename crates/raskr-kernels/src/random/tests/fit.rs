//! Goodness of fit: Kolmogorov-Smirnov for continuous distributions, chi-square for words and whole numbers; and no
//! correlation within a stream, across streams or keys.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::super::functions::{ln_binomial_probability, ln_factorial, ln_poisson_probability};
use super::super::*;

const DRAWS: usize = 200_000;

fn draws(stream: u64, distribution: Distribution) -> Vec<f64> {
    let mut values = vec![0.0; DRAWS];
    RandomSource::new(derive_key(&[30], stream), distribution).fill_f64(stream * 1001, 1, &mut values);
    values
}

/// The greatest distance of the empirical distribution from the true one, times the root of the number of draws; beyond
/// 2.2 once in 8,000 times.
fn kolmogorov(mut values: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance = values.iter().enumerate().fold(0.0f64, |distance, (k, x)| {
        let (below, level) = (k as f64 / n, cumulative(*x));
        distance.max((level - below).abs()).max((below + 1.0 / n - level).abs())
    });
    distance * n.sqrt()
}

/// Standard deviations by which a chi-square lies above its mean, over cells that expect at least ten draws.
fn chi_square_excess(counts: &[(f64, f64)]) -> f64 {
    let cells: Vec<_> = counts.iter().filter(|(_, expected)| *expected >= 10.0).collect();
    let sum: f64 = cells.iter().map(|(count, expected)| (count - expected).powi(2) / expected).sum();
    (sum - cells.len() as f64) / (2.0 * cells.len() as f64).sqrt()
}

fn normal_cumulative(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

#[test]
fn continuous_numbers_fit_their_distributions() {
    type Cumulative = fn(f64) -> f64;
    let cases: [(Distribution, Cumulative); 17] = [
        (Distribution::StandardUniform { single: false }, |x| x),
        (Distribution::StandardUniform { single: true }, |x| x),
        (Distribution::Uniform { low: -1.0, high: 3.0 }, |x| (x + 1.0) / 4.0),
        (Distribution::StandardNormal { single: false }, normal_cumulative),
        (Distribution::Normal { mean: 2.0, sd: 3.0 }, |x| normal_cumulative((x - 2.0) / 3.0)),
        (Distribution::LogNormal { mean: 0.5, sd: 2.0 }, |x| normal_cumulative((x.ln() - 0.5) / 2.0)),
        (Distribution::Exponential { scale: 2.0 }, |x| -(-x / 2.0).exp_m1()),
        (Distribution::Gumbel { location: 1.0, scale: 2.0 }, |x| (-(-(x - 1.0) / 2.0).exp()).exp()),
        (Distribution::Laplace { location: 1.0, scale: 2.0 }, |x| {
            let y = (x - 1.0) / 2.0;
            if y < 0.0 { 0.5 * y.exp() } else { 1.0 - 0.5 * (-y).exp() }
        }),
        (Distribution::Logistic { location: 1.0, scale: 2.0 }, |x| 1.0 / (1.0 + (-(x - 1.0) / 2.0).exp())),
        (Distribution::Rayleigh { scale: 2.0 }, |x| -(-x * x / 8.0).exp_m1()),
        (Distribution::Weibull { shape: 1.5 }, |x| -(-x.powf(1.5)).exp_m1()),
        (Distribution::Pareto { shape: 0.7 }, |x| 1.0 - (1.0 + x).powf(-0.7)),
        (Distribution::Power { shape: 2.5 }, |x| x.powf(2.5)),
        (Distribution::StandardCauchy {}, |x| 0.5 + x.atan() / PI),
        (Distribution::Triangular { left: -1.0, mode: 0.5, right: 3.0 }, |x| {
            if x < 0.5 { (x + 1.0).powi(2) / 6.0 } else { 1.0 - (3.0 - x).powi(2) / 10.0 }
        }),
        // A chi-square of two degrees is an exponential; drawn by rejection it tests the gamma's shape.
        (Distribution::ChiSquare { freedom: 2.0 }, |x| -(-x / 2.0).exp_m1()),
    ];
    for (stream, (distribution, cumulative)) in cases.into_iter().enumerate() {
        let distance = kolmogorov(draws(stream as u64, distribution), cumulative);
        assert!(distance < 2.2, "{distribution:?}: {distance}");
    }
}

#[test]
fn gammas_normals_and_their_kin_fit() {
    let erf_root = |x: f64| libm::erf((x / 2.0).sqrt());
    assert!(kolmogorov(draws(40, Distribution::ChiSquare { freedom: 1.0 }), erf_root) < 2.2);
    let erlang = |x: f64| 1.0 - (-x).exp() * (1.0 + x + x * x / 2.0);
    assert!(kolmogorov(draws(41, Distribution::StandardGamma { shape: 3.0, single: false }), erlang) < 2.2);
    let cauchy = |x: f64| 0.5 + x.atan() / PI;
    assert!(kolmogorov(draws(42, Distribution::StudentT { freedom: 1.0 }), cauchy) < 2.2);
    let arcsine = |x: f64| 2.0 / PI * x.sqrt().asin();
    assert!(kolmogorov(draws(43, Distribution::Beta { a: 0.5, b: 0.5 }), arcsine) < 2.2);
    let quadratic = |x: f64| x * x * (3.0 - 2.0 * x);
    assert!(kolmogorov(draws(44, Distribution::Beta { a: 2.0, b: 2.0 }), quadratic) < 2.2);
    let ratio = |x: f64| x / (1.0 + x);
    assert!(kolmogorov(draws(45, Distribution::FisherF { numerator: 2.0, denominator: 2.0 }), ratio) < 2.2);
    let wald = |x: f64| {
        let root = (3.0 / x).sqrt();
        normal_cumulative(root * (x / 2.0 - 1.0)) + 3.0f64.exp() * normal_cumulative(-root * (x / 2.0 + 1.0))
    };
    assert!(kolmogorov(draws(46, Distribution::Wald { mean: 2.0, scale: 3.0 }), wald) < 2.2);
    let noncentral = |x: f64| {
        let root = x.sqrt();
        normal_cumulative(root - 2.0) - normal_cumulative(-root - 2.0)
    };
    let distribution = Distribution::NoncentralChiSquare { freedom: 1.0, noncentrality: 4.0 };
    assert!(kolmogorov(draws(47, distribution), noncentral) < 2.2);
}

#[test]
fn whole_numbers_fit_their_distributions() {
    let hypergeometric = |k: f64, good: f64, bad: f64, sample: f64| {
        let ln_choose = |n: f64, k: f64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
        (ln_choose(good, k) + ln_choose(bad, sample - k) - ln_choose(good + bad, sample)).exp()
    };
    let zeta: f64 = (1..2_000_000).map(|k| f64::from(k).powf(-2.5)).sum();
    type Probability<'a> = Box<dyn Fn(f64) -> f64 + 'a>;
    let mut cases: Vec<(Distribution, f64, Probability<'_>)> = vec![
        (Distribution::Geometric { probability: 0.3 }, 1.0, Box::new(|k| 0.3 * 0.7f64.powf(k - 1.0))),
        (Distribution::LogSeries { p: 0.8 }, 1.0, Box::new(|k| -0.8f64.powf(k) / (k * 0.2f64.ln()))),
        (Distribution::Zipf { a: 2.5 }, 1.0, Box::new(move |k| k.powf(-2.5) / zeta)),
        (
            Distribution::Integers { low: 7, span: 99, dtype: raskr_base::DType::I64 },
            7.0,
            Box::new(|k| if k < 107.0 { 0.01 } else { 0.0 }),
        ),
        (
            Distribution::NegativeBinomial { n: 4.5, p: 0.3 },
            0.0,
            Box::new(|k| {
                (libm::lgamma(k + 4.5) - libm::lgamma(4.5) - ln_factorial(k)).exp() * 0.3f64.powf(4.5) * 0.7f64.powf(k)
            }),
        ),
    ];
    for mean in [0.2, 9.5, 10.5, 200.0] {
        cases.push((Distribution::Poisson { mean }, 0.0, Box::new(move |k| ln_poisson_probability(k, mean).exp())));
    }
    for (n, p) in [(20.0, 0.2), (20.0, 0.9), (20.0, 0.5), (400.0, 0.45), (400.0, 0.8)] {
        let probability = move |k: f64| if k > n { 0.0 } else { ln_binomial_probability(k, n, p).exp() };
        cases.push((Distribution::Binomial { n, p }, 0.0, Box::new(probability)));
    }
    for (good, bad, sample) in
        [(12.0, 20.0, 6.0), (12.0, 20.0, 28.0), (60.0, 90.0, 40.0), (90.0, 60.0, 40.0), (90.0, 60.0, 110.0)]
    {
        let probability = move |k: f64| {
            let possible = k <= good && k <= sample && sample - k <= bad;
            if possible { hypergeometric(k, good, bad, sample) } else { 0.0 }
        };
        cases.push((Distribution::Hypergeometric { good, bad, sample }, 0.0, Box::new(probability)));
    }
    for (stream, (distribution, least, probability)) in cases.into_iter().enumerate() {
        let mut counts: Vec<(f64, f64)> =
            (0..2000).map(|k| (0.0, probability(least + f64::from(k)) * DRAWS as f64)).collect();
        for value in draws(60 + stream as u64, distribution) {
            assert!(value >= least && value.fract() == 0.0, "{distribution:?}: {value}");
            if let Some(cell) = counts.get_mut((value - least) as usize) {
                cell.0 += 1.0;
                assert!(cell.1 > 0.0, "{distribution:?}: {value} is impossible");
            }
        }
        let excess = chi_square_excess(&counts);
        assert!(excess < 4.5, "{distribution:?}: {excess} standard deviations");
    }
}

#[test]
fn bytes_of_words_are_equally_likely() {
    let mut words = vec![0; DRAWS];
    for (stream, sub) in [(0, 0), (1, 0), (0, 1), (0, u64::MAX)] {
        Cipher::new(derive_key(&[31], stream)).blocks(stream << 40, sub, &mut words);
        for byte in 0..8 {
            let mut counts = vec![(0.0, DRAWS as f64 / 256.0); 256];
            for word in &words {
                counts[(word >> (8 * byte)) as usize & 255].0 += 1.0;
            }
            let excess = chi_square_excess(&counts);
            assert!(excess.abs() < 4.5, "byte {byte} of stream {stream}, {sub}: {excess}");
        }
    }
}

/// The correlation of two samples in standard errors.
fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let sum: f64 = one.iter().zip(other).map(|(x, y)| x * y).sum();
    sum / (one.len() as f64).sqrt()
}

#[test]
fn streams_and_neighbours_are_independent() {
    let normals = |key: [u64; 2], start: u64| {
        let mut values = vec![0.0; DRAWS];
        RandomSource::new(key, Distribution::StandardNormal { single: false }).fill_f64(start, 1, &mut values);
        values
    };
    let base = derive_key(&[32], 0);
    let one = normals(base, 0);
    let squares = |values: &[f64]| -> Vec<f64> { values.iter().map(|x| (x * x - 1.0) / 2.0f64.sqrt()).collect() };
    let others = [
        ("the next stream", normals(derive_key(&[32], 1), 0)),
        ("the next seed", normals(derive_key(&[33], 0), 0)),
        ("a key one bit away", normals([base[0] ^ 1, base[1]], 0)),
        ("another bit", normals([base[0], base[1] ^ (1 << 63)], 0)),
        ("far elements", normals(base, 1 << 40)),
    ];
    for (name, other) in &others {
        let (linear, square) = (correlation(&one, other), correlation(&squares(&one), &squares(other)));
        assert!(linear.abs() < 4.5 && square.abs() < 4.5, "{name}: {linear}, {square}");
    }
    for lag in [1, 2, 3, 64, 1024] {
        let (linear, square) = (correlation(&one[lag..], &one), correlation(&squares(&one)[lag..], &squares(&one)));
        assert!(linear.abs() < 4.5 && square.abs() < 4.5, "lag {lag}: {linear}, {square}");
    }
}
