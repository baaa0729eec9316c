//! Elementary functions of one `f32` without branches: short polynomials in double precision, rounded once.
//!
//! Results are within 0.75 units in the last place; subnormal and overflowing ones come out of the final conversion by
//! themselves.

use super::lanes::{ROUNDER, clamp, horner, log_special, power_of_two, split};

const LN2: f64 = std::f64::consts::LN_2;
const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// Beyond this magnitude the reduction of [`sin_lane`] and [`cos_lane`] loses accuracy.
pub const TRIG_LIMIT: f32 = 16_777_216.0;

/// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2; error relative to exp(r) - 1 at most 2^-26.2.
#[inline(always)]
fn exp_tail(r: f64) -> f64 {
    horner!(r; 0.5000000061857882, 0.1666654303856602, 0.041666282198620584, 0.008366577649919315, 0.0013946439916660525)
}

/// log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1]; relative error at most 2^-30.5.
#[inline(always)]
fn log_near_one(f: f64) -> f64 {
    f * horner!(f;
        1.0000000006481669,
        -0.4999999998407855,
        0.3333330098396303,
        -0.24999983721832816,
        0.2000258999310502,
        -0.16669548305899157,
        0.1421343415301357,
        -0.12377703265462944,
        0.11898642323155952,
        -0.11831774297440778,
        0.06912501375220738)
}

/// e^x for |x| <= 200, in double precision with an error of 2^-27.
#[inline(always)]
fn exp_double(x: f64) -> f64 {
    let k = x.mul_add(LOG2_E, ROUNDER) - ROUNDER;
    let r = (-k).mul_add(LN2, x);
    let s = power_of_two(k);
    s.mul_add((r * r).mul_add(exp_tail(r), r), s)
}

/// e^x - 1 for |x| <= 200.
#[inline(always)]
fn expm1_double(x: f64) -> f64 {
    let k = x.mul_add(LOG2_E, ROUNDER) - ROUNDER;
    let r = (-k).mul_add(LN2, x);
    let s = power_of_two(k);
    s.mul_add((r * r).mul_add(exp_tail(r), r), s - 1.0)
}

/// log(x) for positive normal doubles.
#[inline(always)]
fn log_double(x: f64) -> f64 {
    let (m, e) = split(x);
    e.mul_add(LN2, log_near_one(m - 1.0))
}

/// e^x.
#[inline(always)]
pub fn exp_lane(x: f32) -> f32 {
    exp_double(clamp(f64::from(x), -110.0, 90.0)) as f32
}

/// 2^x.
#[inline(always)]
pub fn exp2_lane(x: f32) -> f32 {
    let x = clamp(f64::from(x), -160.0, 130.0);
    let k = (x + ROUNDER) - ROUNDER;
    let r = (x - k) * LN2;
    let s = power_of_two(k);
    s.mul_add((r * r).mul_add(exp_tail(r), r), s) as f32
}

/// e^x - 1, accurate near zero.
#[inline(always)]
pub fn expm1_lane(x: f32) -> f32 {
    let result = expm1_double(clamp(f64::from(x), -50.0, 90.0)) as f32;
    if x == 0.0 { x } else { result }
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh_lane(x: f32) -> f32 {
    let t = expm1_double(clamp(2.0 * f64::from(x).abs(), 0.0, 50.0));
    let result = (t / (t + 2.0)) as f32;
    (if x == 0.0 { x } else { result }).copysign(x)
}

/// The natural logarithm.
#[inline(always)]
pub fn log_lane(x: f32) -> f32 {
    let x = f64::from(x);
    log_special(x, log_double(x)) as f32
}

/// The logarithm to base 2; exact for powers of two.
#[inline(always)]
pub fn log2_lane(x: f32) -> f32 {
    let x = f64::from(x);
    let (m, e) = split(x);
    log_special(x, log_near_one(m - 1.0).mul_add(LOG2_E, e)) as f32
}

/// The logarithm to base 10.
#[inline(always)]
pub fn log10_lane(x: f32) -> f32 {
    let x = f64::from(x);
    let (m, e) = split(x);
    let inside = e.mul_add(std::f64::consts::LOG10_2, log_near_one(m - 1.0) * std::f64::consts::LOG10_E);
    log_special(x, inside) as f32
}

/// log(1 + x), accurate near zero.
#[inline(always)]
pub fn log1p_lane(x: f32) -> f32 {
    let wide = f64::from(x);
    let sum = 1.0 + wide;
    let general = log_special(sum, log_double(sum));
    // Where 1 + x is inexact in double precision, x - x^2 / 2 is exact enough.
    let result = if wide.abs() < 1.0e-7 { wide.mul_add(-0.5 * wide, wide) } else { general };
    (if x == 0.0 { wide } else { result }) as f32
}

/// log(e^a + e^b) without overflow.
#[inline(always)]
pub fn logaddexp_lane(a: f32, b: f32) -> f32 {
    let larger = if a > b { a } else { b };
    let difference = (f64::from(a) - f64::from(b)).abs();
    let sum = f64::from(larger) + log_double(1.0 + exp_double(clamp(-difference, -110.0, 0.0)));
    let sum = if a == b { f64::from(a) + LN2 } else { sum };
    let sum = if larger.abs() < f32::INFINITY { sum } else { f64::from(larger) };
    if a.is_nan() || b.is_nan() { a + b } else { sum as f32 }
}

/// Sine and cosine for |x| <= [`TRIG_LIMIT`].
#[inline(always)]
pub fn sincos_lane(x: f32) -> (f32, f32) {
    const SIGN: u64 = 1 << 63;
    let x = f64::from(x);
    let shifted = x.mul_add(std::f64::consts::FRAC_2_PI, ROUNDER);
    let q = shifted - ROUNDER;
    let r = (-q).mul_add(6.123233995736766e-17, (-q).mul_add(std::f64::consts::FRAC_PI_2, x));
    let z = r * r;
    // Errors at most 2^-28.
    let sine = (z * r).mul_add(horner!(z; -0.16666654943548773, 0.008332178141172573, -0.00019517298455393918), r);
    let cosine =
        (z * z).mul_add(horner!(z; 0.041666646866498895, -0.0013887367515511024, 2.443845133966053e-05), 1.0 - 0.5 * z);
    let quadrant = shifted.to_bits();
    let swap = quadrant & 1 != 0;
    let (s, c) = if swap { (cosine, sine) } else { (sine, cosine) };
    let s = f64::from_bits(s.to_bits() ^ ((quadrant << 62) & SIGN));
    let c = f64::from_bits(c.to_bits() ^ ((quadrant.wrapping_add(1) << 62) & SIGN));
    (s as f32, c as f32)
}

/// Sine for |x| <= [`TRIG_LIMIT`].
#[inline(always)]
pub fn sin_lane(x: f32) -> f32 {
    let sine = sincos_lane(x).0;
    if x == 0.0 { x } else { sine }
}

/// Cosine for |x| <= [`TRIG_LIMIT`].
#[inline(always)]
pub fn cos_lane(x: f32) -> f32 {
    sincos_lane(x).1
}

/// Must [`power_lane`] be replaced by the general function for this pair?
#[inline(always)]
pub fn power_is_special(x: f32, y: f32) -> bool {
    !x.is_finite() | !y.is_finite() | (x == 0.0)
}

/// x^y for finite x other than zero and finite y.
#[inline(always)]
pub fn power_lane(x: f32, y: f32) -> f32 {
    let y = f64::from(y);
    let (m, e) = split(f64::from(x).abs());
    let f = m - 1.0;
    let s = f / (m + 1.0);
    let z = s * s;
    // Error relative to log(m) at most 2^-37.6, which y can multiply by at most 128 before the result overflows.
    let tail = horner!(z; 0.6666666564548656, 0.4000033518325139, 0.28537308941221484, 0.23582145587457826);
    let log = e.mul_add(LN2, (z * s).mul_add(tail, 2.0 * s));
    let magnitude = exp_double(clamp(y * log, -110.0, 90.0)) as f32;
    let whole = y.trunc() == y;
    let half = 0.5 * y;
    let odd = whole & (half.trunc() != half);
    let signed = if odd { -magnitude } else { magnitude };
    let for_negative = if whole { signed } else { f32::NAN };
    if x < 0.0 { for_negative } else { magnitude }
}
