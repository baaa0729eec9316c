//! Continuous distributions that are drawn by rejection, or made of several other numbers.

use std::f64::consts::PI;

use super::discrete::poisson;
use super::functions::{arc_cosine, wrapped_angle};
use super::lanes::{circle_point, exp, ln};
use super::stream::{ElementStream, FromStream};

/// A standard gamma of one shape (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000). A shape
/// below one is drawn as one shape more, times U^(1 / shape); a shape of zero gives zero, NaN gives NaN.
#[derive(Clone, Copy)]
pub(crate) struct StandardGamma {
    d: f64,
    c: f64,
    /// For shapes below one, minus one over the shape.
    power: Option<f64>,
}

impl StandardGamma {
    #[inline(always)]
    pub fn new(shape: f64) -> StandardGamma {
        let power = if shape < 1.0 { Some(-1.0 / shape) } else { None };
        let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
        StandardGamma { d, c: 1.0 / (9.0 * d).sqrt(), power }
    }

    /// The number without the power of small shapes.
    #[inline(always)]
    fn raised(&self, stream: &mut ElementStream<'_>) -> f64 {
        loop {
            let x = stream.normal();
            let root = self.c.mul_add(x, 1.0);
            let u = stream.uniform_above_zero();
            if root <= 0.0 {
                continue;
            }
            let v = root * root * root;
            let square = x * x;
            let certain = u < 1.0 - 0.0331 * square * square;
            if certain || ln(u) < 0.5 * square + self.d * (1.0 - v + ln(v)) {
                return self.d * v;
            }
        }
    }

    #[inline(always)]
    pub fn value(&self, stream: &mut ElementStream<'_>) -> f64 {
        let raised = self.raised(stream);
        match self.power {
            None => raised,
            Some(power) => raised * exp(stream.exponential() * power),
        }
    }

    /// The logarithm of the number, for shapes so small that the number itself may underflow.
    #[inline(always)]
    pub fn ln_value(&self, stream: &mut ElementStream<'_>) -> f64 {
        let raised = ln(self.raised(stream));
        match self.power {
            None => raised,
            Some(power) => stream.exponential().mul_add(power, raised),
        }
    }
}

/// Defines a sampler: what it keeps ready, whether it wants normals, and how its number comes from an element's stream.
macro_rules! sampler {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } $normals:literal |$stream:ident| $body:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name { $(pub $field: $type),* }

        impl FromStream for $name {
            const NORMALS: bool = $normals;

            #[inline(always)]
            fn value(self, $stream: &mut ElementStream<'_>) -> f64 {
                let $name { $($field),* } = self;
                $body
            }
        }
    };
}
pub(crate) use sampler;

sampler! {
    Gamma { standard: StandardGamma, scale: f64 } true |stream| standard.value(stream) * scale
}

/// A chi-square: twice a gamma of half as large a shape.
pub(crate) fn chi_square(freedom: f64) -> Gamma {
    Gamma { standard: StandardGamma::new(0.5 * freedom), scale: 2.0 }
}

sampler! {
    /// The share of one gamma in the sum of two.
    Beta { one: StandardGamma, other: StandardGamma } true |stream| {
        if one.power.is_none() && other.power.is_none() {
            let (one, other) = (one.raised(stream), other.raised(stream));
            one / (one + other)
        } else {
            let (one, other) = (one.ln_value(stream), other.ln_value(stream));
            1.0 / (1.0 + exp(other - one))
        }
    }
}

impl Beta {
    pub fn new(a: f64, b: f64) -> Beta {
        Beta { one: StandardGamma::new(a), other: StandardGamma::new(b) }
    }
}

sampler! {
    /// The ratio of two mean squares.
    FisherF { above: StandardGamma, below: StandardGamma, scale: f64 } true |stream| {
        let (above, below) = (above.value(stream), below.value(stream));
        above * scale / below
    }
}

impl FisherF {
    pub fn new(numerator: f64, denominator: f64) -> FisherF {
        FisherF {
            above: StandardGamma::new(0.5 * numerator),
            below: StandardGamma::new(0.5 * denominator),
            scale: denominator / numerator,
        }
    }
}

sampler! {
    /// A normal over the root of a mean square; of infinite degrees of freedom the normal itself.
    StudentT { half: f64, gamma: StandardGamma } true |stream| {
        let normal = stream.normal();
        if half == f64::INFINITY { normal } else { normal * (half / gamma.value(stream)).sqrt() }
    }
}

impl StudentT {
    pub fn new(freedom: f64) -> StudentT {
        StudentT { half: 0.5 * freedom, gamma: StandardGamma::new(0.5 * freedom) }
    }
}

sampler! {
    /// A chi-square plus the square of a shifted normal; up to one degree of freedom, a Poisson number of extra degrees.
    NoncentralChiSquare { freedom: f64, noncentrality: f64, shift: f64, rest: StandardGamma } true |stream| {
        if freedom > 1.0 {
            let shifted = stream.normal() + shift;
            2.0f64.mul_add(rest.value(stream), shifted * shifted)
        } else if freedom.is_nan() || noncentrality.is_nan() {
            f64::NAN
        } else {
            let extra = poisson(0.5 * noncentrality, stream);
            2.0 * StandardGamma::new(0.5f64.mul_add(freedom, extra)).value(stream)
        }
    }
}

impl NoncentralChiSquare {
    pub fn new(freedom: f64, noncentrality: f64) -> NoncentralChiSquare {
        NoncentralChiSquare {
            freedom,
            noncentrality,
            shift: noncentrality.sqrt(),
            rest: StandardGamma::new(0.5 * (freedom - 1.0)),
        }
    }
}

sampler! {
    NoncentralF { above: NoncentralChiSquare, below: StandardGamma, scale: f64 } true |stream| {
        let above = above.value(stream);
        above * scale / below.value(stream)
    }
}

impl NoncentralF {
    pub fn new(numerator: f64, denominator: f64, noncentrality: f64) -> NoncentralF {
        NoncentralF {
            above: NoncentralChiSquare::new(numerator, noncentrality),
            below: StandardGamma::new(0.5 * denominator),
            scale: 0.5 * denominator / numerator,
        }
    }
}

sampler! {
    /// The inverse Gaussian (Michael, Schucany and Haas, 1976): one root of a chi-square's equation or the other. The
    /// smaller root is written without the cancellation of the usual form.
    Wald { mean: f64, scale: f64 } true |stream| {
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
    const NORMALS: bool = false;

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
