//! Mean and variance of every distribution against theory, within five standard errors.

use std::f64::consts::PI;

use super::super::*;
use super::KEY;

const DRAWS: usize = 200_000;
const EULER: f64 = 0.577_215_664_901_532_9;

fn gamma_function(x: f64) -> f64 {
    libm::tgamma(x)
}

/// The value of a Riemann zeta sum.
fn zeta(a: f64) -> f64 {
    (1..20_000).map(|k| f64::from(k).powf(-a)).sum()
}

/// Ratio of modified Bessel functions I1 / I0 and I2 / I0, by their integrals.
fn bessel_ratios(kappa: f64) -> (f64, f64) {
    let steps = 20_000;
    let mut sums = [0.0; 3];
    for k in 0..steps {
        let angle = PI * (k as f64 + 0.5) / steps as f64;
        let weight = (kappa * angle.cos()).exp();
        for (order, sum) in sums.iter_mut().enumerate() {
            *sum += weight * (order as f64 * angle).cos();
        }
    }
    (sums[1] / sums[0], sums[2] / sums[0])
}

/// Distributions with their mean and variance; those whose fourth moment exists.
fn cases() -> Vec<(Distribution, f64, f64)> {
    let mut cases = vec![
        (Distribution::StandardUniform { single: false }, 0.5, 1.0 / 12.0),
        (Distribution::StandardUniform { single: true }, 0.5, 1.0 / 12.0),
        (Distribution::StandardNormal { single: false }, 0.0, 1.0),
        (Distribution::StandardNormal { single: true }, 0.0, 1.0),
        (Distribution::StandardExponential { single: false }, 1.0, 1.0),
        (Distribution::StandardExponential { single: true }, 1.0, 1.0),
        (Distribution::Uniform { low: -1.0, high: 3.0 }, 1.0, 16.0 / 12.0),
        (Distribution::Normal { mean: 2.0, sd: 3.0 }, 2.0, 9.0),
        (Distribution::Exponential { scale: 2.5 }, 2.5, 6.25),
        (Distribution::Gumbel { location: 1.0, scale: 2.0 }, 1.0 + 2.0 * EULER, 4.0 * PI * PI / 6.0),
        (Distribution::Laplace { location: 1.0, scale: 2.0 }, 1.0, 8.0),
        (Distribution::Logistic { location: 1.0, scale: 2.0 }, 1.0, 4.0 * PI * PI / 3.0),
        (Distribution::Rayleigh { scale: 2.0 }, 2.0 * (PI / 2.0).sqrt(), 4.0 * (2.0 - PI / 2.0)),
        (Distribution::StandardGamma { shape: 2.0, single: true }, 2.0, 2.0),
        (Distribution::Triangular { left: -1.0, mode: 0.5, right: 3.0 }, 2.5 / 3.0, 12.25 / 18.0),
        (Distribution::Wald { mean: 2.0, scale: 3.0 }, 2.0, 8.0 / 3.0),
        (Distribution::StudentT { freedom: 9.0 }, 0.0, 9.0 / 7.0),
        (Distribution::StudentT { freedom: f64::INFINITY }, 0.0, 1.0),
        (Distribution::LogSeries { p: 0.0 }, 1.0, 0.0),
    ];
    for (low, span) in [(-5, 9), (0, 1), (100, (1 << 33) + 5), (-(1 << 62), 3 << 61)] {
        let count = span as f64 + 1.0;
        let distribution = Distribution::Integers { low, span, dtype: raskr_base::DType::I64 };
        cases.push((distribution, low as f64 + span as f64 / 2.0, (count * count - 1.0) / 12.0));
    }
    for sd in [0.1, 0.5] {
        let variance: f64 = sd * sd;
        let mean = (0.3 + variance / 2.0).exp();
        cases.push((Distribution::LogNormal { mean: 0.3, sd }, mean, (variance.exp() - 1.0) * mean * mean));
    }
    for shape in [0.7, 1.5, 4.0] {
        let mean = gamma_function(1.0 + 1.0 / shape);
        let variance = gamma_function(1.0 + 2.0 / shape) - mean * mean;
        cases.push((Distribution::Weibull { shape }, mean, variance));
    }
    for shape in [9.0, 20.0] {
        let variance = shape / ((shape - 1.0) * (shape - 1.0) * (shape - 2.0));
        cases.push((Distribution::Pareto { shape }, 1.0 / (shape - 1.0), variance));
    }
    for shape in [0.5, 2.5] {
        let variance = shape / ((shape + 1.0) * (shape + 1.0) * (shape + 2.0));
        cases.push((Distribution::Power { shape }, shape / (shape + 1.0), variance));
    }
    for p in [0.003, 0.3, 0.9, 1.0] {
        cases.push((Distribution::Geometric { probability: p }, 1.0 / p, (1.0 - p) / (p * p)));
    }
    for shape in [0.05, 0.3, 1.0, 1.7, 50.0, 1e6] {
        cases.push((Distribution::StandardGamma { shape, single: false }, shape, shape));
        cases.push((Distribution::Gamma { shape, scale: 2.0 }, 2.0 * shape, 4.0 * shape));
        cases.push((Distribution::ChiSquare { freedom: shape }, shape, 2.0 * shape));
    }
    for (a, b) in [(0.05, 0.2), (0.5, 2.0), (2.0, 3.0), (1.0, 1.0), (30.0, 0.4)] {
        let sum: f64 = a + b;
        cases.push((Distribution::Beta { a, b }, a / sum, a * b / (sum * sum * (sum + 1.0))));
    }
    for (freedom, noncentrality) in [(3.0, 2.0), (0.7, 5.0), (0.7, 60.0), (1.0, 1.0), (4.0, 0.0)] {
        let variance = 2.0 * (freedom + 2.0 * noncentrality);
        cases.push((Distribution::NoncentralChiSquare { freedom, noncentrality }, freedom + noncentrality, variance));
    }
    for (numerator, denominator, noncentrality) in [(5.0, 20.0, 0.0), (0.8, 30.0, 2.0), (5.0, 20.0, 2.5)] {
        let (n, d, l): (f64, f64, f64) = (numerator, denominator, noncentrality);
        let mean = d * (n + l) / (n * (d - 2.0));
        let variance =
            2.0 * (d / n).powi(2) * ((n + l).powi(2) + (n + 2.0 * l) * (d - 2.0)) / ((d - 2.0).powi(2) * (d - 4.0));
        cases.push((Distribution::NoncentralF { numerator, denominator, noncentrality }, mean, variance));
        if l == 0.0 {
            cases.push((Distribution::FisherF { numerator, denominator }, mean, variance));
        }
    }
    for mean in [0.0, 0.01, 3.0, 9.99, 10.0, 47.5, 1e4, 1e12] {
        cases.push((Distribution::Poisson { mean }, mean, mean));
    }
    for (n, p) in [
        (0.0, 0.5),
        (1.0, 0.3),
        (12.0, 0.4),
        (1e6, 1e-6),
        (100.0, 0.97),
        (40.0, 0.5),
        (1000.0, 0.3),
        (1e12, 0.7),
        (9.0, 1.0),
    ] {
        cases.push((Distribution::Binomial { n, p }, n * p, n * p * (1.0 - p)));
    }
    for (n, p) in [(4.5, 0.3), (0.2, 0.6), (100.0, 0.1), (3.0, 1.0)] {
        let mean = n * (1.0 - p) / p;
        cases.push((Distribution::NegativeBinomial { n, p }, mean, mean / p));
    }
    for (good, bad, sample) in [
        (15.0, 25.0, 5.0),
        (15.0, 25.0, 36.0),
        (150.0, 250.0, 90.0),
        (250.0, 150.0, 90.0),
        (250.0, 150.0, 300.0),
        (1e6, 3e6, 2e5),
        (5.0, 0.0, 3.0),
        (0.0, 50.0, 20.0),
        (7.0, 8.0, 15.0),
        (7.0, 8.0, 0.0),
    ] {
        let all: f64 = good + bad;
        let share = good / all;
        let variance = sample * share * (1.0 - share) * (all - sample) / (all - 1.0);
        cases.push((Distribution::Hypergeometric { good, bad, sample }, sample * share, variance));
    }
    for p in [0.05, 0.8, 0.99] {
        let mean = -p / ((1.0 - p) * f64::ln(1.0 - p));
        let square = mean / (1.0 - p);
        cases.push((Distribution::LogSeries { p }, mean, square - mean * mean));
    }
    for a in [6.0, 9.0] {
        let mean = zeta(a - 1.0) / zeta(a);
        cases.push((Distribution::Zipf { a }, mean, zeta(a - 2.0) / zeta(a) - mean * mean));
    }
    cases
}

#[test]
fn means_and_variances_are_right() {
    let mut values = vec![0.0; DRAWS];
    for (stream, (distribution, mean, variance)) in cases().into_iter().enumerate() {
        let source = RandomSource::new(derive_key(&[20], stream as u64), distribution);
        source.validate().unwrap();
        source.fill_f64(0, 1, &mut values);
        let n = DRAWS as f64;
        let average = values.iter().map(|x| x - mean).sum::<f64>() / n;
        let spread = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let fourth = values.iter().map(|x| (x - mean).powi(4)).sum::<f64>() / n;
        let slack = 1e-9 * mean.abs().max(1.0);
        let error = (variance / n).sqrt();
        assert!(average.abs() <= 5.0 * error + slack, "{distribution:?}: mean off by {average}, error {error}");
        let error = ((fourth - spread * spread).max(0.0) / n).sqrt();
        let off = spread - variance;
        assert!(off.abs() <= 5.0 * error + slack, "{distribution:?}: variance {spread} not {variance}, error {error}");
    }
}

#[test]
fn directions_have_their_resultants() {
    let mut values = vec![0.0; DRAWS];
    for (stream, kappa) in [1e-9, 1e-6, 0.3, 2.0, 50.0, 1e7].into_iter().enumerate() {
        let distribution = Distribution::VonMises { mode: 0.5, concentration: kappa };
        RandomSource::new(derive_key(&[21], stream as u64), distribution).fill_f64(0, 1, &mut values);
        assert!(values.iter().all(|x| x.abs() <= PI));
        let n = DRAWS as f64;
        let cosines = values.iter().map(|x| (x - 0.5).cos()).sum::<f64>() / n;
        let sines = values.iter().map(|x| (x - 0.5).sin()).sum::<f64>() / n;
        let (first, second) = if kappa > 100.0 { (1.0 - 0.5 / kappa, 1.0 - 2.0 / kappa) } else { bessel_ratios(kappa) };
        let errors = [((1.0 + second) / 2.0 - first * first).max(0.0), (1.0 - second) / 2.0].map(|v| (v / n).sqrt());
        assert!((cosines - first).abs() <= 5.0 * errors[0] + 1e-9, "kappa {kappa}: {cosines} not {first}");
        assert!(sines.abs() <= 5.0 * errors[1], "kappa {kappa}: {sines}");
    }
}

#[test]
fn extreme_parameters_end() {
    let mut values = [0.0; 100];
    for (distribution, expected) in [
        (Distribution::StandardGamma { shape: 0.0, single: false }, 0.0),
        (Distribution::Weibull { shape: 0.0 }, 0.0),
        (Distribution::Zipf { a: 2000.0 }, 1.0),
        (Distribution::Poisson { mean: 0.0 }, 0.0),
        (Distribution::Normal { mean: 3.0, sd: 0.0 }, 3.0),
        (Distribution::VonMises { mode: f64::NAN, concentration: 1.0 }, f64::NAN),
        (Distribution::VonMises { mode: 0.0, concentration: f64::NAN }, f64::NAN),
        (Distribution::Gamma { shape: f64::NAN, scale: 1.0 }, f64::NAN),
        (Distribution::Beta { a: f64::NAN, b: 2.0 }, f64::NAN),
        (Distribution::Beta { a: 2.0, b: f64::NAN }, f64::NAN),
        (Distribution::StudentT { freedom: f64::NAN }, f64::NAN),
        (Distribution::Wald { mean: f64::NAN, scale: 1.0 }, f64::NAN),
        (Distribution::NoncentralChiSquare { freedom: f64::NAN, noncentrality: 1.0 }, f64::NAN),
        (Distribution::NoncentralF { numerator: 1.0, denominator: 1.0, noncentrality: f64::NAN }, f64::NAN),
        (Distribution::Triangular { left: f64::NAN, mode: 1.0, right: 2.0 }, f64::NAN),
    ] {
        let source = RandomSource::new(KEY, distribution);
        source.validate().unwrap();
        source.fill_f64(0, 1, &mut values);
        assert!(values.iter().all(|x| *x == expected || x.is_nan() && expected.is_nan()), "{distribution:?}");
    }
    // Rejection must come to an end where nearly everything lies beyond the integers.
    RandomSource::new(KEY, Distribution::Zipf { a: 1.0001 }).fill_f64(0, 1, &mut values);
    assert!(values.iter().all(|x| (1.0..9.3e18).contains(x)));
}
