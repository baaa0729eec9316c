//! Exponentials and logarithms of one `f64` without branches, so that a loop over them becomes vector code.
//!
//! Called in a loop inside a `pulp::Arch::dispatch` closure they compile to AVX2 or AVX-512 instructions; elsewhere they
//! are correct but slow (each fused multiply-add may be a function call).
//! Method: Cody & Waite's argument reduction ("Software Manual for the Elementary Functions", 1980) with fused
//! multiply-adds, then polynomials fitted by a weighted Remez exchange in 60 digits (`minimax.py` beside this file).

/// Adding and subtracting 1.5 * 2^52 rounds to the nearest integer and leaves it in the low bits of the sum.
pub(super) const ROUNDER: f64 = 6755399441055744.0;
/// ln 2 as an unevaluated sum.
pub(super) const LN2_HIGH: f64 = std::f64::consts::LN_2;
pub(super) const LN2_LOW: f64 = 2.3190468138462996e-17;
/// ln 2 with 42 significant bits, so that its product with an exponent is exact, and the rest.
pub(super) const LN2_SHORT: f64 = 0.6931471805598903;
pub(super) const LN2_REST: f64 = 5.497923018708371e-14;
const TWO_52: f64 = 4503599627370496.0;
const ONE_BITS: u64 = 0x3ff0_0000_0000_0000;
/// The mantissa is taken from [sqrt(1/2), sqrt(2)).
const HALF_ROOT_BITS: u64 = 0x3fe6_a09e_667f_3bcd;

/// Evaluates a polynomial by Horner's rule; the coefficients count up from the constant.
macro_rules! horner {
    ($x:expr; $last:expr) => { $last };
    ($x:expr; $first:expr, $($rest:expr),+) => {
        f64::mul_add($crate::math::lanes::horner!($x; $($rest),+), $x, $first)
    };
}
pub(super) use horner;

/// 2^n for an integral n in [-1022, 1023].
#[inline(always)]
pub(super) fn power_of_two(n: f64) -> f64 {
    f64::from_bits((n + (TWO_52 + 1023.0)).to_bits() << 52)
}

/// p * 2^n with one rounding, whether or not the result is subnormal or overflows; |n| <= 2044.
#[inline(always)]
pub(super) fn scale(p: f64, n: f64) -> f64 {
    let half = n.mul_add(0.5, ROUNDER) - ROUNDER;
    p * power_of_two(half) * power_of_two(n - half)
}

/// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2; error relative to exp(r) - 1 at most 2^-55.6.
#[inline(always)]
pub(super) fn exp_tail(r: f64) -> f64 {
    horner!(r;
        0.5000000000000006,
        0.16666666666666685,
        0.0416666666665737,
        0.0083333333333146,
        0.0013888888932354646,
        0.00019841269903011658,
        2.4801504476578945e-05,
        2.7557227973700536e-06,
        2.762631376072634e-07,
        2.511446580165855e-08)
}

/// (2 atanh(s) - 2 s) / s^3 in z = s^2, for |s| <= 0.1716; error relative to 2 atanh(s) at most 2^-59.5.
#[inline(always)]
fn log_tail(z: f64) -> f64 {
    horner!(z;
        0.6666666666666734,
        0.3999999999941468,
        0.28571428742387306,
        0.22222198573186333,
        0.18183564326948704,
        0.1531405051100099,
        0.14795950313373027)
}

/// The bounds keep NaN.
#[inline(always)]
pub(super) fn clamp(x: f64, low: f64, high: f64) -> f64 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// e^x.
#[inline(always)]
pub fn exp_lane(x: f64) -> f64 {
    let x = clamp(x, -746.0, 710.0);
    let k = x.mul_add(std::f64::consts::LOG2_E, ROUNDER) - ROUNDER;
    let r = (-k).mul_add(LN2_LOW, (-k).mul_add(LN2_HIGH, x));
    let p = (r * r).mul_add(exp_tail(r), r);
    scale(1.0 + p, k)
}

/// 2^x.
#[inline(always)]
pub fn exp2_lane(x: f64) -> f64 {
    let x = clamp(x, -1076.0, 1025.0);
    let k = (x + ROUNDER) - ROUNDER;
    let r = x - k;
    let high = r * LN2_HIGH;
    let low = r.mul_add(LN2_LOW, r.mul_add(LN2_HIGH, -high));
    scale(1.0 + (high + (high * high).mul_add(exp_tail(high), low)), k)
}

/// e^x - 1 as an unevaluated sum, for x <= 709.8 (above, the sum may be infinite).
#[inline(always)]
fn expm1_pair(x: f64) -> (f64, f64) {
    let k = x.mul_add(std::f64::consts::LOG2_E, ROUNDER) - ROUNDER;
    let exact = (-k).mul_add(LN2_HIGH, x);
    let r = (-k).mul_add(LN2_LOW, exact);
    let r_low = (-k).mul_add(LN2_LOW, exact - r);
    let tail = (r * r).mul_add(exp_tail(r), r_low);
    // Half of 2^k, doubled at the end, so that k = 1024 is in range.
    let s = power_of_two(k - 1.0);
    let base = s - 0.5;
    let high = s.mul_add(r, base);
    let low = s.mul_add(tail, s.mul_add(r, base - high));
    (2.0 * high, 2.0 * low)
}

/// e^x - 1, accurate near zero.
#[inline(always)]
pub fn expm1_lane(x: f64) -> f64 {
    let (high, low) = expm1_pair(clamp(x, -50.0, 710.0));
    let sum = high + low;
    // Keeps the sign of zero, and infinity (whose pair is a NaN).
    let sum = if x > 709.79 { f64::INFINITY } else { sum };
    if x == 0.0 { x } else { sum }
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh_lane(x: f64) -> f64 {
    let (high, low) = expm1_pair(clamp(2.0 * x.abs(), 0.0, 45.0));
    let t = high + low;
    let t_low = low - (t - high);
    let divisor = t + 2.0;
    let divisor_low = (2.0 - (divisor - t)) + t_low;
    let q = t / divisor;
    // One Newton step on the remainder of the rounded quotient.
    let remainder = (-q).mul_add(divisor, t) + (-q).mul_add(divisor_low, t_low);
    let q = remainder.mul_add(1.0 / divisor, q);
    (if x == 0.0 { x } else { q }).copysign(x)
}

/// x = m * 2^e with m in [sqrt(1/2), sqrt(2)), for positive normal x.
#[inline(always)]
pub(super) fn split(x: f64) -> (f64, f64) {
    let bits = x.to_bits();
    let biased = bits.wrapping_add(ONE_BITS - HALF_ROOT_BITS) >> 52;
    let m = f64::from_bits(bits.wrapping_sub(biased << 52).wrapping_add(ONE_BITS));
    let e = f64::from_bits(biased | TWO_52.to_bits()) - (TWO_52 + 1023.0);
    (m, e)
}

/// As [`split`], for positive x that may be subnormal.
#[inline(always)]
pub(super) fn split_any(x: f64) -> (f64, f64) {
    let small = x < f64::MIN_POSITIVE;
    let (m, e) = split(if small { x * 18014398509481984.0 } else { x });
    (m, if small { e - 54.0 } else { e })
}

/// The value of a logarithm outside the positive finite numbers; `inside` within them.
#[inline(always)]
pub(super) fn log_special(x: f64, inside: f64) -> f64 {
    let inside = if x < f64::INFINITY { inside } else { x };
    let outside = if x == 0.0 { f64::NEG_INFINITY } else { f64::NAN };
    if x > 0.0 { inside } else { outside }
}

/// log(1 + f) = f - square / 2 + rest: half the square and the rest.
#[inline(always)]
fn log_parts(f: f64) -> (f64, f64) {
    let s = f / (2.0 + f);
    let z = s * s;
    let half_square = 0.5 * f * f;
    (half_square, s * z.mul_add(log_tail(z), half_square))
}

/// The natural logarithm.
#[inline(always)]
pub fn log_lane(x: f64) -> f64 {
    let (m, e) = split_any(x);
    let f = m - 1.0;
    let (half_square, rest) = log_parts(f);
    let low = e.mul_add(LN2_REST, rest);
    log_special(x, e.mul_add(LN2_SHORT, f - (half_square - low)))
}

/// e + log(m) / log(base), where the logarithm's factors are given as unevaluated sums.
#[inline(always)]
fn log_scaled(x: f64, factor: (f64, f64), unit: (f64, f64)) -> f64 {
    let (m, e) = split_any(x);
    let f = m - 1.0;
    let (half_square, rest) = log_parts(f);
    let high = f - half_square;
    let low = ((f - high) - half_square) + rest;
    let product = high * factor.0;
    let product_low = low.mul_add(factor.0, high.mul_add(factor.1, high.mul_add(factor.0, -product)));
    let whole = e * unit.0;
    let sum = whole + product;
    let sum_low = (product - (sum - whole)) + product_low;
    // With e = 0 the sum is the product itself and its low part is right as well.
    log_special(x, sum + e.mul_add(unit.1, sum_low))
}

/// The logarithm to base 2; exact for powers of two.
#[inline(always)]
pub fn log2_lane(x: f64) -> f64 {
    log_scaled(x, (std::f64::consts::LOG2_E, 2.0355273740931033e-17), (1.0, 0.0))
}

/// The logarithm to base 10.
#[inline(always)]
pub fn log10_lane(x: f64) -> f64 {
    log_scaled(x, (std::f64::consts::LOG10_E, 1.098319650216765e-17), (0.30102999566395283, 2.8363394551044964e-14))
}

/// log(1 + x), accurate near zero.
#[inline(always)]
pub fn log1p_lane(x: f64) -> f64 {
    let u = 1.0 + x;
    let back = u - 1.0;
    let lost = (1.0 - (u - back)) + (x - back);
    let (m, e) = split(u);
    let f = m - 1.0;
    let (half_square, rest) = log_parts(f);
    // What the sum 1 + x lost, over m: a rough reciprocal suffices for so small a term, but an exact 1 near m = 1.
    let reciprocal = horner!(f; 1.0, -1.0, 0.97, -0.82, 0.42);
    let correction = lost * power_of_two(clamp(-e, -1022.0, 1022.0)) * reciprocal;
    let low = e.mul_add(LN2_REST, rest) + correction;
    let inside = e.mul_add(LN2_SHORT, f - (half_square - low));
    let inside = if x < f64::INFINITY { inside } else { x };
    let outside = if x == -1.0 { f64::NEG_INFINITY } else { f64::NAN };
    let result = if x > -1.0 { inside } else { outside };
    if x == 0.0 { x } else { result }
}

/// log(e^a + e^b) without overflow.
#[inline(always)]
pub fn logaddexp_lane(a: f64, b: f64) -> f64 {
    let larger = if a > b { a } else { b };
    let sum = larger + log1p_lane(exp_lane(-(a - b).abs()));
    // Equal infinities have no difference.
    let sum = if a == b { a + LN2_HIGH } else { sum };
    if a.is_nan() || b.is_nan() { a + b } else { sum }
}
