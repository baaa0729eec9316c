//! Sort keys: signed integers that order as the elements do, so that one search serves every type and direction.
//!
//! A float's bits, with the magnitude of negative numbers inverted, order as the numbers; inverting all bits reverses
//! the order. NaN and not-a-time get whatever key the search wants for them.

use half::f16;
use num_complex::{Complex32, Complex64};

/// A signed integer that keys are made of.
pub trait KeyBits: Copy + Ord + Default {
    const LEAST: Self;
    const GREATEST: Self;
    /// In 64 bits; the wider keys are cut to their upper half.
    fn narrowed(self) -> i64;
}

/// A real element as an integer of the same order from which it can be had back. -0 comes before 0, all NaN and
/// not-a-time last, so that sorting integers sorts elements; the sorting code is then compiled for two types only.
pub trait Sortable<T> {
    type Bits: KeyBits;
    fn bits(x: T) -> Self::Bits;
    fn element(bits: Self::Bits) -> T;
}

macro_rules! sortable_integers {
    ($($type:ty as $bits:ty),*) => {$(
        impl Sortable<$type> for PlainKey {
            type Bits = $bits;

            #[inline(always)]
            fn bits(x: $type) -> $bits {
                <$bits>::from(x)
            }

            #[inline(always)]
            fn element(bits: $bits) -> $type {
                bits as $type
            }
        }
    )*};
}
sortable_integers!(i8 as i32, i16 as i32, i32 as i32, u8 as i32, u16 as i32, i64 as i64);

impl Sortable<u32> for PlainKey {
    type Bits = i32;

    #[inline(always)]
    fn bits(x: u32) -> i32 {
        (x ^ (1 << 31)) as i32
    }

    #[inline(always)]
    fn element(bits: i32) -> u32 {
        bits as u32 ^ (1 << 31)
    }
}

impl Sortable<u64> for PlainKey {
    type Bits = i64;

    #[inline(always)]
    fn bits(x: u64) -> i64 {
        (x ^ (1 << 63)) as i64
    }

    #[inline(always)]
    fn element(bits: i64) -> u64 {
        bits as u64 ^ (1 << 63)
    }
}

impl Sortable<i64> for TimeKey {
    type Bits = i64;

    /// The smallest integer wraps around to the greatest.
    #[inline(always)]
    fn bits(x: i64) -> i64 {
        x.wrapping_sub(1)
    }

    #[inline(always)]
    fn element(bits: i64) -> i64 {
        bits.wrapping_add(1)
    }
}

impl Sortable<f32> for PlainKey {
    type Bits = i32;

    #[inline(always)]
    fn bits(x: f32) -> i32 {
        let bits = if x.is_nan() { f32::NAN } else { x }.to_bits() as i32;
        bits ^ ((bits >> 31) as u32 >> 1) as i32
    }

    #[inline(always)]
    fn element(bits: i32) -> f32 {
        f32::from_bits((bits ^ ((bits >> 31) as u32 >> 1) as i32) as u32)
    }
}

impl Sortable<f64> for PlainKey {
    type Bits = i64;

    #[inline(always)]
    fn bits(x: f64) -> i64 {
        let bits = if x.is_nan() { f64::NAN } else { x }.to_bits() as i64;
        bits ^ ((bits >> 63) as u64 >> 1) as i64
    }

    #[inline(always)]
    fn element(bits: i64) -> f64 {
        f64::from_bits((bits ^ ((bits >> 63) as u64 >> 1) as i64) as u64)
    }
}

/// Half precision has keys of 16 bits, with those of NaN last.
impl Sortable<f16> for PlainKey {
    type Bits = i32;

    #[inline(always)]
    fn bits(x: f16) -> i32 {
        let bits = if x.is_nan() { f16::NAN } else { x }.to_bits() as i16;
        i32::from(bits ^ ((bits >> 15) as u16 >> 1) as i16)
    }

    #[inline(always)]
    fn element(bits: i32) -> f16 {
        let bits = bits as i16;
        f16::from_bits((bits ^ ((bits >> 15) as u16 >> 1) as i16) as u16)
    }
}

impl KeyBits for i32 {
    const LEAST: i32 = i32::MIN;
    const GREATEST: i32 = i32::MAX;

    #[inline(always)]
    fn narrowed(self) -> i64 {
        i64::from(self)
    }
}

impl KeyBits for i64 {
    const LEAST: i64 = i64::MIN;
    const GREATEST: i64 = i64::MAX;

    #[inline(always)]
    fn narrowed(self) -> i64 {
        self
    }
}

impl KeyBits for i128 {
    const LEAST: i128 = i128::MIN;
    const GREATEST: i128 = i128::MAX;

    #[inline(always)]
    fn narrowed(self) -> i64 {
        (self >> 64) as i64
    }
}

/// How elements are turned into keys. The smallest key is the element sought.
#[derive(Clone, Copy, Debug)]
pub struct Keying {
    /// Reverses the order, so that the greatest element has the smallest key.
    pub descending: bool,
    /// NaN gets the smallest key of all, otherwise the greatest.
    pub nan_first: bool,
}

impl Keying {
    #[inline(always)]
    fn finish<K: KeyBits + std::ops::Not<Output = K>>(self, key: K, nan: bool) -> K {
        let key = if self.descending { !key } else { key };
        let nan_key = if self.nan_first { K::LEAST } else { K::GREATEST };
        if nan { nan_key } else { key }
    }
}

/// An element that has a key.
pub trait Keyed<T> {
    type Key: KeyBits;
    /// Are loops over such elements worth an instance for each width of vectors? Each costs seconds of compilation.
    const COMMON: bool = false;
    fn key(x: T, keying: Keying) -> Self::Key;
}

/// The keys of a type's own order.
#[derive(Clone, Copy)]
pub struct PlainKey;

/// The keys of dates and durations, whose smallest integer is not-a-time.
#[derive(Clone, Copy)]
pub struct TimeKey;

macro_rules! narrow {
    ($($type:ty: $common:literal),*) => {$(
        impl Keyed<$type> for PlainKey {
            type Key = i32;
            const COMMON: bool = $common;

            #[inline(always)]
            fn key(x: $type, keying: Keying) -> i32 {
                keying.finish(i32::from(x), false)
            }
        }
    )*};
}
narrow!(i8: false, i16: false, i32: true, u8: false, u16: false);

macro_rules! wide {
    ($($type:ty: $common:literal),*) => {$(
        impl Keyed<$type> for PlainKey {
            type Key = i64;
            const COMMON: bool = $common;

            #[inline(always)]
            fn key(x: $type, keying: Keying) -> i64 {
                keying.finish(i64::from(x), false)
            }
        }
    )*};
}
wide!(u32: false, i64: true);

impl Keyed<u64> for PlainKey {
    type Key = i64;

    #[inline(always)]
    fn key(x: u64, keying: Keying) -> i64 {
        keying.finish((x ^ (1 << 63)) as i64, false)
    }
}

impl Keyed<i64> for TimeKey {
    type Key = i64;

    #[inline(always)]
    fn key(x: i64, keying: Keying) -> i64 {
        keying.finish(x, x == i64::MIN)
    }
}

/// Adding zero makes -0 the equal of 0.
#[inline(always)]
pub(super) fn bits32(x: f32) -> i32 {
    let bits = (x + 0.0).to_bits() as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

#[inline(always)]
pub(super) fn bits64(x: f64) -> i64 {
    let bits = (x + 0.0).to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

impl Keyed<f16> for PlainKey {
    type Key = i32;

    #[inline(always)]
    fn key(x: f16, keying: Keying) -> i32 {
        let bits = i32::from(x.to_bits());
        let magnitude = bits & 0x7fff;
        keying.finish(if bits > 0x7fff { -magnitude } else { magnitude }, x.is_nan())
    }
}

impl Keyed<f32> for PlainKey {
    type Key = i32;
    const COMMON: bool = true;

    #[inline(always)]
    fn key(x: f32, keying: Keying) -> i32 {
        keying.finish(bits32(x), x.is_nan())
    }
}

impl Keyed<f64> for PlainKey {
    type Key = i64;
    const COMMON: bool = true;

    #[inline(always)]
    fn key(x: f64, keying: Keying) -> i64 {
        keying.finish(bits64(x), x.is_nan())
    }
}

impl Keyed<Complex32> for PlainKey {
    type Key = i64;

    #[inline(always)]
    fn key(x: Complex32, keying: Keying) -> i64 {
        let low = u32::try_from(i64::from(bits32(x.im)) + (1 << 31)).unwrap_or(0);
        keying.finish(i64::from(bits32(x.re)) << 32 | i64::from(low), x.re.is_nan() || x.im.is_nan())
    }
}

impl Keyed<Complex64> for PlainKey {
    type Key = i128;

    #[inline(always)]
    fn key(x: Complex64, keying: Keying) -> i128 {
        let low = (bits64(x.im) as u64) ^ (1 << 63);
        keying.finish(i128::from(bits64(x.re)) << 64 | i128::from(low), x.re.is_nan() || x.im.is_nan())
    }
}

/// Evaluates `$body` with `$T` standing for the element type and `$K` for its keys.
macro_rules! with_key {
    ($dtype:expr, $T:ident, $K:ident => $body:expr) => {
        match $dtype {
            raskr_base::DType::DateTime(_) | raskr_base::DType::TimeDelta(_) => {
                type $T = i64;
                type $K = $crate::blocks::key::TimeKey;
                $body
            }
            other => $crate::blocks::number::with_number!(other, $T => {
                type $K = $crate::blocks::key::PlainKey;
                $body
            }),
        }
    };
}
pub(crate) use with_key;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sortable_integers_keep_order_and_element() {
        fn check<T: Copy + PartialEq + std::fmt::Debug, K: Sortable<T>>(ascending: &[T]) {
            for pair in ascending.windows(2) {
                assert!(K::bits(pair[0]) < K::bits(pair[1]), "{pair:?}");
            }
            for &x in ascending {
                assert_eq!(K::element(K::bits(x)), x);
            }
        }
        let floats = [f64::NEG_INFINITY, -1e300, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, 1e300, f64::INFINITY];
        check::<f64, PlainKey>(&floats);
        check::<f32, PlainKey>(&[f32::NEG_INFINITY, -2.5, -1e-45, -0.0, 0.0, 1e-45, 7.0, f32::INFINITY]);
        check::<f16, PlainKey>(&[f16::NEG_INFINITY, f16::NEG_ONE, f16::NEG_ZERO, f16::ZERO, f16::ONE, f16::INFINITY]);
        check::<u64, PlainKey>(&[0, 1, 1 << 63, u64::MAX]);
        check::<u32, PlainKey>(&[0, 1 << 31, u32::MAX]);
        check::<i8, PlainKey>(&[i8::MIN, -1, 0, i8::MAX]);
        check::<i64, TimeKey>(&[i64::MIN + 1, -1, 0, i64::MAX, i64::MIN]);
        for nan in [f64::NAN, -f64::NAN] {
            let bits = <PlainKey as Sortable<f64>>::bits(nan);
            assert!(bits > <PlainKey as Sortable<f64>>::bits(f64::INFINITY));
            assert!(<PlainKey as Sortable<f64>>::element(bits).is_nan());
        }
    }

    #[test]
    fn keys_order_as_the_elements() {
        let up = Keying { descending: false, nan_first: true };
        let down = Keying { descending: true, nan_first: false };
        let floats = [f64::NEG_INFINITY, -1e300, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1e300, f64::INFINITY];
        for pair in floats.windows(2) {
            let key = |keying, x: f64| <PlainKey as Keyed<f64>>::key(x, keying);
            assert!(key(up, pair[0]) < key(up, pair[1]) && key(down, pair[0]) > key(down, pair[1]));
            let (a, b) = (pair[0] as f32, pair[1] as f32);
            let key = |keying, x: f32| <PlainKey as Keyed<f32>>::key(x, keying);
            assert!(key(up, a) <= key(up, b) && key(down, a) >= key(down, b) && key(up, f32::NAN) < key(up, a));
            let (a, b) = (f16::from_f64(pair[0]), f16::from_f64(pair[1]));
            let key = |keying, x: f16| <PlainKey as Keyed<f16>>::key(x, keying);
            assert!(key(up, a) <= key(up, b) && key(down, a) >= key(down, b));
            let (a, b) = (Complex64::new(1.0, pair[0]), Complex64::new(1.0, pair[1]));
            let key = |keying, x: Complex64| <PlainKey as Keyed<Complex64>>::key(x, keying);
            assert!(key(up, a) < key(up, b) && key(down, a) > key(down, b) && key(down, a) < i128::MAX);
            let (a, b) = (Complex32::new(-2.0, a.im as f32), Complex32::new(-1.0, -f32::INFINITY));
            assert!(<PlainKey as Keyed<Complex32>>::key(a, up) < <PlainKey as Keyed<Complex32>>::key(b, up));
        }
        assert_eq!(<PlainKey as Keyed<f64>>::key(-0.0, up), <PlainKey as Keyed<f64>>::key(0.0, up));
        assert_eq!(<PlainKey as Keyed<f64>>::key(f64::NAN, down), i64::MAX);
        assert_eq!(<TimeKey as Keyed<i64>>::key(i64::MIN, down), i64::MAX);
        assert!(<PlainKey as Keyed<u64>>::key(u64::MAX, up) > <PlainKey as Keyed<u64>>::key(0, up));
    }
}
