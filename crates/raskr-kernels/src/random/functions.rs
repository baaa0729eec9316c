//! Mathematical functions of samplers, from pure Rust, so that the numbers do not depend on a system's library.

use super::lanes::ln;

/// ln(1 + x), accurate near zero.
#[inline]
pub(crate) fn ln_1p(x: f64) -> f64 {
    libm::log1p(x)
}

#[inline]
pub(crate) fn arc_cosine(x: f64) -> f64 {
    libm::acos(x)
}

/// x reduced by whole turns to [-pi, pi].
#[inline]
pub(crate) fn wrapped_angle(x: f64) -> f64 {
    let turn = std::f64::consts::TAU;
    let rest = libm::fmod(x.abs() + std::f64::consts::PI, turn) - std::f64::consts::PI;
    if x < 0.0 { -rest } else { rest }
}

/// What Stirling's formula lacks: ln k! - (k + 1/2) ln k + k - ln(2 pi) / 2, for k >= 1.
#[inline]
pub(crate) fn stirling_error(k: f64) -> f64 {
    const EXACT: [f64; 10] = [
        0.0,
        0.08106146679532726,
        0.0413406959554093,
        0.02767792568499834,
        0.020790672103765093,
        0.016644691189821193,
        0.013876128823070748,
        0.01189670994589177,
        0.010411265261972096,
        0.009255462182712733,
    ];
    if k < 10.0 {
        return EXACT[k as usize];
    }
    let square = 1.0 / (k * k);
    (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0)))) / k
}

const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// ln k! of a whole k >= 0.
#[inline]
pub(crate) fn ln_factorial(k: f64) -> f64 {
    if k < 2.0 {
        return 0.0;
    }
    (k + 0.5).mul_add(ln(k), HALF_LN_TAU - k) + stirling_error(k)
}

/// k ln(k / mean) + mean - k, without cancellation where k is near the mean (Loader, "Fast and accurate computation of
/// binomial probabilities", 2000); k > 0.
#[inline]
fn deviance(k: f64, mean: f64) -> f64 {
    let d = (mean - k) / k;
    k * (d - ln_1p(d))
}

/// The logarithm of the Poisson probability of a whole k >= 0.
#[inline]
pub(crate) fn ln_poisson_probability(k: f64, mean: f64) -> f64 {
    if k == 0.0 {
        return -mean;
    }
    -0.5 * ln(k) - HALF_LN_TAU - stirling_error(k) - deviance(k, mean)
}

/// The logarithm of the binomial probability of a whole k in 0..=n, for n >= 1 and 0 < p < 1.
#[inline]
pub(crate) fn ln_binomial_probability(k: f64, n: f64, p: f64) -> f64 {
    if k == 0.0 {
        return n * ln_1p(-p);
    }
    let rest = n - k;
    if rest == 0.0 {
        return n * ln(p);
    }
    0.5 * ln(n / (k * rest)) - HALF_LN_TAU + stirling_error(n)
        - stirling_error(k)
        - stirling_error(rest)
        - deviance(k, n * p)
        - deviance(rest, n * (1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factorials_are_products() {
        let mut sum = 0.0f64;
        for k in 1..300u32 {
            sum += f64::from(k).ln();
            assert!((ln_factorial(f64::from(k)) - sum).abs() < 1e-13 * sum.max(1.0), "{k}");
        }
    }

    #[test]
    fn probabilities_sum_to_one() {
        for mean in [0.5, 10.0, 123.4] {
            let total: f64 = (0..1000).map(|k| ln_poisson_probability(f64::from(k), mean).exp()).sum();
            assert!((total - 1.0).abs() < 1e-12, "Poisson {mean}: {total}");
        }
        for (n, p) in [(1.0, 0.3), (20.0, 0.5), (1000.0, 0.01)] {
            let total: f64 = (0..=n as u32).map(|k| ln_binomial_probability(f64::from(k), n, p).exp()).sum();
            assert!((total - 1.0).abs() < 1e-12, "binomial {n}, {p}: {total}");
        }
    }

    #[test]
    fn angles_wrap() {
        assert!((wrapped_angle(7.0) - (7.0 - std::f64::consts::TAU)).abs() < 1e-15);
        assert!((wrapped_angle(-4.0) - (std::f64::consts::TAU - 4.0)).abs() < 1e-15);
        assert_eq!(wrapped_angle(1.0), 1.0);
    }
}
