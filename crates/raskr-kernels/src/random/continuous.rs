//! Continuous distributions that are drawn by rejection, or made of several other numbers.

use std::f64::consts::PI;

use super::discrete::poisson;
use super::functions::{arc_cosine, wrapped_angle};
use super::lanes::{circle_point, exp, ln};
use super::stream::{ElementStream, FromStream};

/// A standard gamma of a shape of at least one (Marsaglia and Tsang, "A simple method for generating gamma variables",
/// 2000).
#[inline(always)]
fn gamma_above_one(shape: f64, stream: &mut ElementStream<'_>) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = stream.normal();
        let root = c.mul_add(x, 1.0);
        let u = stream.uniform_above_zero();
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        let square = x * x;
        if u < 1.0 - 0.0331 * square * square || ln(u) < 0.5 * square + d * (1.0 - v + ln(v)) {
            return d * v;
        }
    }
}

/// The logarithm of a standard gamma, for shapes so small that the number itself may underflow.
#[inline(always)]
fn ln_gamma_variate(shape: f64, stream: &mut ElementStream<'_>) -> f64 {
    if shape >= 1.0 {
        return ln(gamma_above_one(shape, stream));
    }
    ln(gamma_above_one(shape + 1.0, stream)) - stream.exponential() / shape
}

/// A standard gamma of any shape; a shape of zero gives zero, NaN gives NaN.
#[inline(always)]
pub(crate) fn gamma(shape: f64, stream: &mut ElementStream<'_>) -> f64 {
    if shape >= 1.0 {
        gamma_above_one(shape, stream)
    } else if shape > 0.0 {
        // A number of one shape more, times U^(1 / shape).
        gamma_above_one(shape + 1.0, stream) * exp(-stream.exponential() / shape)
    } else {
        shape * 0.0
    }
}

/// Defines a sampler: its parameters and how its number comes from an element's stream.
macro_rules! sampler {
    ($(#[$doc:meta])* $name:ident ($($field:ident),*) |$stream:ident| $body:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name { $(pub $field: f64),* }

        impl FromStream for $name {
            #[inline(always)]
            fn value(self, $stream: &mut ElementStream<'_>) -> f64 {
                let $name { $($field),* } = self;
                $body
            }
        }
    };
}
pub(crate) use sampler;

sampler! { Gamma(shape, scale) |stream| gamma(shape, stream) * scale }

sampler! { ChiSquare(freedom) |stream| 2.0 * gamma(0.5 * freedom, stream) }

sampler! {
    /// The share of one gamma in the sum of two.
    Beta(a, b) |stream| {
        if a >= 1.0 && b >= 1.0 {
            let (one, other) = (gamma_above_one(a, stream), gamma_above_one(b, stream));
            one / (one + other)
        } else if a > 0.0 && b > 0.0 {
            let (one, other) = (ln_gamma_variate(a, stream), ln_gamma_variate(b, stream));
            1.0 / (1.0 + exp(other - one))
        } else {
            f64::NAN
        }
    }
}

sampler! {
    /// The ratio of two mean squares.
    FisherF(numerator, denominator) |stream| {
        let (one, other) = (gamma(0.5 * numerator, stream), gamma(0.5 * denominator, stream));
        one * denominator / (other * numerator)
    }
}

sampler! {
    StudentT(freedom) |stream| {
        let normal = stream.normal();
        if freedom == f64::INFINITY {
            normal
        } else {
            normal * (0.5 * freedom / gamma(0.5 * freedom, stream)).sqrt()
        }
    }
}

/// A chi-square plus the square of a shifted normal; below one degree of freedom a Poisson number of extra degrees.
#[inline(always)]
fn noncentral_chi_square(freedom: f64, noncentrality: f64, stream: &mut ElementStream<'_>) -> f64 {
    if freedom.is_nan() || noncentrality.is_nan() {
        f64::NAN
    } else if freedom > 1.0 {
        let shifted = stream.normal() + noncentrality.sqrt();
        2.0 * gamma(0.5 * (freedom - 1.0), stream) + shifted * shifted
    } else {
        let extra = poisson(0.5 * noncentrality, stream);
        2.0 * gamma(0.5 * freedom + extra, stream)
    }
}

sampler! {
    NoncentralChiSquare(freedom, noncentrality) |stream| noncentral_chi_square(freedom, noncentrality, stream)
}

sampler! {
    NoncentralF(numerator, denominator, noncentrality) |stream| {
        let above = noncentral_chi_square(numerator, noncentrality, stream) * denominator;
        above / (2.0 * gamma(0.5 * denominator, stream) * numerator)
    }
}

sampler! {
    /// The inverse Gaussian (Michael, Schucany and Haas, 1976): one root of a chi-square's equation or the other. The
    /// smaller root is written without the cancellation of the usual form.
    Wald(mean, scale) |stream| {
        let normal = stream.normal();
        let w = mean * normal * normal / (2.0 * scale);
        let x = mean / (1.0 + w + (w * (w + 2.0)).sqrt());
        if stream.uniform() * (mean + x) <= mean { x } else { mean * (mean / x) }
    }
}

/// The von Mises distribution (Best and Fisher, "Efficient simulation of the von Mises distribution", 1979).
#[derive(Clone, Copy)]
pub(crate) struct VonMises {
    mode: f64,
    concentration: f64,
    s: f64,
}

/// Below this concentration the distribution is uniform, above the other normal, to all digits.
const CONCENTRATIONS: [f64; 2] = [1e-8, 1e6];

impl VonMises {
    pub fn new(mode: f64, concentration: f64) -> VonMises {
        let s = if concentration < 1e-5 {
            // The first terms of the series of the general form, which loses all digits here.
            1.0 / concentration + concentration
        } else {
            let r = 1.0 + (1.0 + 4.0 * concentration * concentration).sqrt();
            let rho = (r - (2.0 * r).sqrt()) / (2.0 * concentration);
            (1.0 + rho * rho) / (2.0 * rho)
        };
        VonMises { mode, concentration, s }
    }
}

impl FromStream for VonMises {
    #[inline(always)]
    fn value(self, stream: &mut ElementStream<'_>) -> f64 {
        let VonMises { mode, concentration, s } = self;
        if concentration.is_nan() || mode.is_nan() {
            return f64::NAN;
        }
        if concentration < CONCENTRATIONS[0] {
            return PI * (2.0 * stream.uniform() - 1.0);
        }
        if concentration > CONCENTRATIONS[1] {
            return wrapped_angle(stream.normal() / concentration.sqrt() + mode);
        }
        loop {
            let (z, _) = circle_point(stream.word());
            let w = (1.0 + s * z) / (s + z);
            let y = concentration * (s - w);
            let v = stream.uniform_open();
            if y * (2.0 - y) >= v || ln(y / v) + 1.0 >= y {
                let angle = arc_cosine(w.clamp(-1.0, 1.0));
                let signed = if stream.uniform() < 0.5 { -angle } else { angle };
                return wrapped_angle(mode + signed);
            }
        }
    }
}
