//! Sine and cosine of one `f64` without branches.
//!
//! The argument is reduced by multiples of pi/2 held in three parts (Cody & Waite, with fused multiply-adds); sine and
//! cosine of the rest come from two fitted polynomials and are swapped and negated by quadrant.

use super::lanes::{ROUNDER, horner};

/// Beyond this magnitude the three-part reduction loses accuracy.
pub const TRIG_LIMIT: f64 = 1_048_576.0;

const SIGN: u64 = 1 << 63;

/// (sin r, cos r) for |r| <= pi/4, where the angle is r + low.
#[inline(always)]
fn sincos_reduced(r: f64, low: f64) -> (f64, f64) {
    let z = r * r;
    let sine_tail = horner!(z;
        -0.16666666666666632,
        0.008333333333322425,
        -0.00019841269829817064,
        2.755731369525255e-06,
        -2.5050758656094548e-08,
        1.589682804177006e-10);
    let sine = r + (z * r).mul_add(sine_tail, low);
    let cosine_tail = horner!(z;
        0.0416666666666666,
        -0.0013888888888874138,
        2.4801587289491824e-05,
        -2.755731435522335e-07,
        2.0875723680093668e-09,
        -1.135966956866236e-11);
    let half = 0.5 * z;
    let w = 1.0 - half;
    let cosine = w + (z * z).mul_add(cosine_tail, ((1.0 - w) - half) - r * low);
    (sine, cosine)
}

/// Sine and cosine of the angle whose quadrant is in the low two bits of `quadrant`.
#[inline(always)]
fn by_quadrant(quadrant: u64, sine: f64, cosine: f64) -> (f64, f64) {
    let swap = quadrant & 1 != 0;
    let (s, c) = if swap { (cosine, sine) } else { (sine, cosine) };
    let s = f64::from_bits(s.to_bits() ^ ((quadrant << 62) & SIGN));
    let c = f64::from_bits(c.to_bits() ^ ((quadrant.wrapping_add(1) << 62) & SIGN));
    (s, c)
}

/// Sine and cosine of x for |x| <= [`TRIG_LIMIT`]; meaningless beyond.
#[inline(always)]
pub fn sincos_lane(x: f64) -> (f64, f64) {
    const PART_1: f64 = std::f64::consts::FRAC_PI_2;
    const PART_2: f64 = 6.123233995736766e-17;
    const PART_3: f64 = -1.4973849048591698e-33;
    let shifted = x.mul_add(std::f64::consts::FRAC_2_PI, ROUNDER);
    let q = shifted - ROUNDER;
    let exact = (-q).mul_add(PART_1, x);
    // Near a multiple of pi/2 the first two parts cancel, so their sum keeps its rounding error (Knuth's two-sum).
    let second = -q * PART_2;
    let r = exact + second;
    let back = r - exact;
    let lost = (exact - (r - back)) + (second - back);
    let low = (-q).mul_add(PART_3, (-q).mul_add(PART_2, -second)) + lost;
    let (sine, cosine) = sincos_reduced(r, low);
    by_quadrant(shifted.to_bits(), sine, cosine)
}

/// Sine of x for |x| <= [`TRIG_LIMIT`].
#[inline(always)]
pub fn sin_lane(x: f64) -> f64 {
    let sine = sincos_lane(x).0;
    if x == 0.0 { x } else { sine }
}

/// Cosine of x for |x| <= [`TRIG_LIMIT`].
#[inline(always)]
pub fn cos_lane(x: f64) -> f64 {
    sincos_lane(x).1
}

/// Sine and cosine of 2 pi u for u in [0, 1].
#[inline(always)]
pub fn sincos_2pi_lane(u: f64) -> (f64, f64) {
    let shifted = u.mul_add(4.0, ROUNDER);
    // An eighth of a turn at most, and exact.
    let r = (shifted - ROUNDER).mul_add(-0.25, u);
    let z = r * r;
    let sine = r * horner!(z;
        std::f64::consts::TAU,
        -41.341702240399634,
        81.60524927594811,
        -76.70585970429522,
        42.058685022715295,
        -15.093804355438875,
        3.780872064103037);
    let cosine = z.mul_add(
        horner!(z;
        -19.739208802178513,
        64.93939402241355,
        -85.45681710110375,
        60.24462124718403,
        -26.424316969857273,
        7.811478254228489),
        1.0,
    );
    by_quadrant(shifted.to_bits(), sine, cosine)
}
