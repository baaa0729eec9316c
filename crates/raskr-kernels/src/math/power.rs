//! x to the power y for one pair of `f64` without branches.
//!
//! The logarithm is computed to about 2^-66 as an unevaluated sum of two doubles (Dekker's product by fused
//! multiply-adds), so that its product with y is good to a fraction of a unit in the last place of the result.

use super::lanes::{LN2_HIGH, LN2_LOW, LN2_REST, LN2_SHORT, ROUNDER, clamp, exp_tail, horner, scale, split_any};

/// Must [`power_lane`] be replaced by the general function for this pair?
#[inline(always)]
pub fn power_is_special(x: f64, y: f64) -> bool {
    !x.is_finite() | !y.is_finite() | (x == 0.0)
}

/// log(x) as an unevaluated sum, for positive finite x.
#[inline(always)]
fn log_pair(x: f64) -> (f64, f64) {
    const TWO_THIRDS: f64 = 0.6666666666666666;
    const TWO_THIRDS_LOW: f64 = 3.700743415417188e-17;
    let (m, e) = split_any(x);
    let f = m - 1.0;
    let divisor = m + 1.0;
    let divisor_low = m - (divisor - 1.0);
    let inverse = 1.0 / divisor;
    // s = f / (m + 1); log(m) = 2 s + 2/3 s^3 + s^5 tail(s^2).
    let s = f * inverse;
    let s_low = inverse * (-s).mul_add(divisor_low, (-s).mul_add(divisor, f));
    let z = s * s;
    let z_low = (2.0 * s).mul_add(s_low, s.mul_add(s, -z));
    // Error of the tail relative to log(m): at most 2^-66.3.
    let tail = z * horner!(z;
        0.40000000000002256,
        0.28571428570100105,
        0.22222222519818818,
        0.18181784376992793,
        0.1538675684501016,
        0.1325682973332923,
        0.13196211838770858);
    let factor = TWO_THIRDS + tail;
    let factor_low = (tail - (factor - TWO_THIRDS)) + TWO_THIRDS_LOW;
    let cube = z * s;
    let cube_low = z_low.mul_add(s, z.mul_add(s_low, z.mul_add(s, -cube)));
    let term = cube * factor;
    let term_low = cube_low.mul_add(factor, cube.mul_add(factor_low, cube.mul_add(factor, -term)));
    let log_m = 2.0 * s + term;
    let log_m_low = (term - (log_m - 2.0 * s)) + (2.0f64.mul_add(s_low, term_low));
    let whole = e * LN2_SHORT;
    let high = whole + log_m;
    let low = (log_m - (high - whole)) + e.mul_add(LN2_REST, log_m_low);
    (high, low)
}

/// x^y for finite x other than zero and finite y (see [`power_is_special`]): NaN for negative x and y no integer.
#[inline(always)]
pub fn power_lane(x: f64, y: f64) -> f64 {
    let (log, log_low) = log_pair(x.abs());
    let t = y * log;
    let t_low = y.mul_add(log_low, y.mul_add(log, -t));
    // Where the product leaves the range of exp its low part may be meaningless.
    let t_low = if t.abs() < 1000.0 { t_low } else { 0.0 };
    let t = clamp(t, -746.0, 710.0);
    let k = t.mul_add(std::f64::consts::LOG2_E, ROUNDER) - ROUNDER;
    let r = (-k).mul_add(LN2_HIGH, t);
    let r = r + (-k).mul_add(LN2_LOW, t_low);
    let magnitude = scale(1.0 + (r * r).mul_add(exp_tail(r), r), k);
    let whole = y.trunc() == y;
    let half = 0.5 * y;
    let odd = whole & (half.trunc() != half);
    let signed = if odd { -magnitude } else { magnitude };
    let for_negative = if whole { signed } else { f64::NAN };
    if x < 0.0 { for_negative } else { magnitude }
}
