//! Branch-free elementary functions of one lane, and running loops over them with the machine's widest registers.
//!
//! The functions are plain arithmetic with explicit `mul_add`, which compilers neither split nor invent, so a loop gives
//! the same bits whatever the registers it was compiled for. They are kept apart from [`crate::math`]: random numbers
//! are a contract that a better approximation there must not break, and arguments here are known to be ordinary numbers.
// `unsafe` is allowed here: calls of functions compiled for instructions whose presence was tested at run time.
#![allow(unsafe_code)]

use std::sync::OnceLock;

/// Which registers the loops over lanes use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// What every machine of the architecture has.
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Width {
    /// Every width that this machine has, narrowest first.
    pub fn available() -> Vec<Width> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("fma") && has!("bmi1") && has!("bmi2") && has!("lzcnt");
            let avx512 =
                has!("avx512f") && has!("avx512dq") && has!("avx512vl") && has!("avx512bw") && has!("avx512cd");
            if avx2 && avx512 {
                return vec![Width::Baseline, Width::Avx2, Width::Avx512];
            }
            if avx2 {
                return vec![Width::Baseline, Width::Avx2];
            }
        }
        vec![Width::Baseline]
    }

    /// The widest, looked up once.
    pub fn widest() -> Width {
        static WIDEST: OnceLock<Width> = OnceLock::new();
        *WIDEST.get_or_init(|| Width::available().last().copied().unwrap_or(Width::Baseline))
    }
}

/// Work over lanes. `run` has to be `#[inline(always)]`: left out of line (as closures may be) it would be compiled for
/// the baseline's registers.
pub(crate) trait Lanes {
    type Output;
    fn run(self) -> Self::Output;
}

/// Does work over lanes, compiled for the given registers (which must be [`Width::available`]).
#[inline]
pub(crate) fn vectorised<L: Lanes>(width: Width, lanes: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt")]
        fn avx2<L: Lanes>(lanes: L) -> L::Output {
            lanes.run()
        }
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,avx512f,avx512dq,avx512vl,avx512bw,avx512cd")]
        fn avx512<L: Lanes>(lanes: L) -> L::Output {
            lanes.run()
        }
        match width {
            Width::Baseline => lanes.run(),
            // SAFETY: this width is only handed out when the features were detected.
            Width::Avx2 => unsafe { avx2(lanes) },
            // SAFETY: as above.
            Width::Avx512 => unsafe { avx512(lanes) },
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let Width::Baseline = width;
        lanes.run()
    }
}

/// The upper 53 bits of a word as a uniform number in [0, 1).
#[inline(always)]
pub fn uniform(word: u64) -> f64 {
    (word >> 11) as f64 * UNIT
}

/// A uniform number in (0, 1], for logarithms.
#[inline(always)]
pub fn uniform_above_zero(word: u64) -> f64 {
    ((1u64 << 53) - (word >> 11)) as f64 * UNIT
}

/// A uniform number in the open interval (0, 1), symmetric about a half.
#[inline(always)]
pub fn uniform_open(word: u64) -> f64 {
    (word >> 12) as f64 * (2.0 * UNIT) + UNIT
}

/// 2^-53, the distance of neighbouring uniform numbers.
pub const UNIT: f64 = 1.0 / (1u64 << 53) as f64;

const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding it to a small number leaves the number's nearest integer in the lowest bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

#[inline(always)]
fn polynomial<const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    let mut sum = coefficients[N - 1];
    let mut k = N - 1;
    while k > 0 {
        k -= 1;
        sum = sum.mul_add(x, coefficients[k]);
    }
    sum
}

/// The natural logarithm of a positive normal number, to about one unit in the last place.
///
/// With x = 2^e m and m within a factor sqrt(2) of one, ln m = 2 artanh(s), s = (m - 1) / (m + 1); the series' tail is a
/// minimax polynomial in s^2.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    const ROOT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;
    const BIAS: u64 = 1 << 10;
    const TWO_52: f64 = (1u64 << 52) as f64;
    let bits = x.to_bits();
    let biased = bits.wrapping_sub(ROOT_HALF).wrapping_add(BIAS << 52) >> 52;
    let exponent = f64::from_bits(TWO_52.to_bits() | biased) - (TWO_52 + BIAS as f64);
    let mantissa = f64::from_bits(bits.wrapping_sub(biased.wrapping_sub(BIAS) << 52));
    let f = mantissa - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let tail = polynomial(
        z,
        [
            0.666666666666667,
            0.3999999999989851,
            0.2857142862637063,
            0.222222110774591,
            0.1818289288483782,
            0.15331607998056482,
            0.14617736790073002,
        ],
    );
    // ln(1 + f) = f - s (f - s^2 tail), which keeps the exact leading term.
    let rest = (-s).mul_add((-z).mul_add(tail, f), exponent * LN_2_LOW);
    exponent.mul_add(LN_2_HIGH, f + rest)
}

/// Sine and cosine of `t` quarter turns, for |t| <= 1/2.
#[inline(always)]
fn sin_cos_eighth(t: f64) -> (f64, f64) {
    let z = t * t;
    let sine = polynomial(
        z,
        [
            std::f64::consts::FRAC_PI_2,
            -0.6459640975062443,
            0.07969262624604308,
            -0.004681754132342262,
            0.0001604411507521089,
            -3.5986433882446756e-06,
            5.633938483009824e-08,
        ],
    );
    let cosine = polynomial(
        z,
        [
            1.0,
            -1.233700550136169,
            0.2536695079008306,
            -0.02086348075320309,
            0.0009192601015122017,
            -2.520070408000997e-05,
            4.6632104771466414e-07,
        ],
    );
    (t * sine, cosine)
}

/// The two coordinates of a uniformly distributed point of the unit circle: the word's two upper bits choose one of the
/// four quarters about an axis, the others the angle within. No coordinate is zero.
#[inline(always)]
pub fn circle_point(word: u64) -> (f64, f64) {
    let t = ((word << 2) >> 12) as f64 * (2.0 * UNIT) + (UNIT - 0.5);
    let (sine, cosine) = sin_cos_eighth(t);
    let negative = word & (1 << 63);
    let swapped = word & (1 << 62) != 0;
    let x = if swapped { sine } else { cosine };
    let y = if swapped { cosine } else { sine };
    (f64::from_bits(x.to_bits() ^ negative), f64::from_bits(y.to_bits() ^ negative))
}

/// 2^k for an integer k that is the exponent of a normal number.
#[inline(always)]
fn power_of_two(k: f64) -> f64 {
    f64::from_bits(((k + ROUNDER).to_bits() << 52).wrapping_add(1023 << 52))
}

/// x = k ln 2 + r: two factors whose product is 2^k (which itself may lie outside the doubles where the result does
/// not), and e^r - 1.
#[inline(always)]
fn exponential_parts(x: f64) -> (f64, f64, f64) {
    // Beyond these bounds the results are 0 and infinity; NaN passes through.
    let x = if x > 720.0 { 720.0 } else { x };
    let x = if x < -760.0 { -760.0 } else { x };
    let k = x.mul_add(std::f64::consts::LOG2_E, ROUNDER) - ROUNDER;
    let r = k.mul_add(-LN_2_LOW, k.mul_add(-LN_2_HIGH, x));
    let series = polynomial(
        r,
        [
            0.5,
            0.1666666666666667,
            0.041666666666666685,
            0.008333333333326134,
            0.0013888888888874398,
            0.0001984126987482399,
            2.480158734733946e-05,
            2.7557255396471e-06,
            2.7557252912472866e-07,
            2.510521838664829e-08,
            2.0921589370829142e-09,
        ],
    );
    let half = k.mul_add(0.5, ROUNDER) - ROUNDER;
    (power_of_two(half), power_of_two(k - half), (r * r).mul_add(series, r))
}

/// e^x, to about one unit in the last place.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let (one, other, tail) = exponential_parts(x);
    (1.0 + tail) * one * other
}

/// e^x - 1 without the cancellation near zero.
#[inline(always)]
pub fn exp_minus_one(x: f64) -> f64 {
    let (one, other, tail) = exponential_parts(x);
    let power = one * other;
    let whole = (1.0 + tail) * one * other;
    if whole < 1e16 { power.mul_add(tail, power - 1.0) } else { whole }
}

/// x^y for a positive normal x. The relative error grows with the logarithm of the result.
#[inline(always)]
pub fn pow(x: f64, y: f64) -> f64 {
    exp(ln(x) * y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(count: usize) -> Vec<u64> {
        let mut out = vec![0; count];
        crate::random::Cipher::new([7, 8]).words(0, &mut out);
        out
    }

    fn close(got: f64, expected: f64, units: f64) -> bool {
        got == expected || (got - expected).abs() <= units * f64::EPSILON * expected.abs()
    }

    #[test]
    fn logarithms_agree_with_the_standard_library() {
        for word in words(100_000) {
            let x = uniform_above_zero(word);
            for x in [x, 1.0 - x / 1e3, x * x * x, x * 1e-12, 1.0 / x] {
                assert!(close(ln(x), x.ln(), 1.5), "ln {x}: {} not {}", ln(x), x.ln());
            }
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn exponentials_agree_with_the_standard_library() {
        for word in words(100_000) {
            let x = (uniform(word) - 0.5) * 1400.0;
            for x in [x, x / 50.0, x / 1e4, x / 1e9] {
                assert!(close(exp(x), x.exp(), 2.0), "e^{x}: {} not {}", exp(x), x.exp());
                let got = exp_minus_one(x);
                assert!(close(got, x.exp_m1(), 3.0), "e^{x} - 1: {got} not {}", x.exp_m1());
            }
        }
        assert_eq!((exp(1000.0), exp(-1000.0), exp(0.0)), (f64::INFINITY, 0.0, 1.0));
        assert!(exp(f64::NAN).is_nan());
        assert!((exp_minus_one(709.7) / 709.7f64.exp() - 1.0).abs() < 1e-14);
    }

    #[test]
    fn circle_points_have_the_angle_of_their_word() {
        for word in words(100_000) {
            let (x, y) = circle_point(word);
            assert!((x.hypot(y) - 1.0).abs() < 4e-16 && x != 0.0 && y != 0.0);
            let t = ((((word << 2) >> 12) * 2 + 1) as f64) * UNIT - 0.5;
            let angle = t * std::f64::consts::FRAC_PI_2;
            let (sine, cosine) = if word & (1 << 62) != 0 { (x, y) } else { (y, x) };
            let sign = if word & (1 << 63) != 0 { -1.0 } else { 1.0 };
            assert!((sine * sign - angle.sin()).abs() < 4e-16 && (cosine * sign - angle.cos()).abs() < 4e-16);
        }
        assert!(circle_point(0).0 != 0.0 && circle_point(1 << 61).1 != 0.0);
    }

    #[test]
    fn uniform_ranges_are_as_open_as_they_say() {
        assert_eq!((uniform(0), uniform(u64::MAX)), (0.0, 1.0 - UNIT));
        assert_eq!((uniform_above_zero(0), uniform_above_zero(u64::MAX)), (1.0, UNIT));
        assert_eq!((uniform_open(0), uniform_open(u64::MAX)), (UNIT, 1.0 - UNIT));
    }
}
