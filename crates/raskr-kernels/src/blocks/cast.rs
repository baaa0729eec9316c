//! Conversion of blocks between element types, with NumPy's results on x86-64.
//!
//! Where C leaves a conversion undefined (a float outside the integer's range), the results are those of the processor's
//! truncating conversions, which NumPy users see: the smallest integer of the width that is converted through.

use half::f16;
use num_complex::{Complex32, Complex64};
use pulp::{Arch, Simd, WithSimd};
use raskr_base::{Chunk, ChunkMut, DType, Dims, Element, TimeUnit};

use super::copy::to_contiguous;
use super::number::{dense, with_number};
use super::view::{AxisSlice, broadcast_to, slice, transpose};

/// A number that converts to every other type as NumPy's `astype` does.
pub trait Convert: Element {
    /// Is the type one that blocks usually have?
    const COMMON: bool = false;
    fn to_bool(self) -> bool;
    fn to_i32(self) -> i32;
    fn to_i64(self) -> i64;
    fn to_u32(self) -> u32;
    fn to_u64(self) -> u64;
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
    fn to_imaginary(self) -> f64 {
        0.0
    }

    /// The narrow integers are cut off from 32 bits.
    #[inline(always)]
    fn to_f16(self) -> f16 {
        f16::from_f32(self.to_f32())
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Convert for $type {
            #[inline(always)]
            fn to_bool(self) -> bool {
                self != 0
            }

            #[inline(always)]
            fn to_i32(self) -> i32 {
                self as i32
            }

            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }

            #[inline(always)]
            fn to_u32(self) -> u32 {
                self as u32
            }

            #[inline(always)]
            fn to_u64(self) -> u64 {
                self as u64
            }

            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

/// The truncating conversions of the processor, and their use for unsigned integers: the upper half of the range is
/// converted after subtracting its start.
macro_rules! truncations {
    ($type:ty, $below_i32:expr) => {
        #[inline(always)]
        fn to_bool(self) -> bool {
            self != 0.0
        }

        #[inline(always)]
        fn to_i32(self) -> i32 {
            if self > $below_i32 && self < 2147483648.0 { self as i32 } else { i32::MIN }
        }

        #[inline(always)]
        fn to_i64(self) -> i64 {
            if (-9223372036854775808.0..9223372036854775808.0).contains(&self) { self as i64 } else { i64::MIN }
        }

        #[inline(always)]
        fn to_u32(self) -> u32 {
            if self >= 2147483648.0 { (self - 2147483648.0).to_i32() as u32 ^ (1 << 31) } else { self.to_i32() as u32 }
        }

        #[inline(always)]
        fn to_u64(self) -> u64 {
            if self >= 9223372036854775808.0 {
                (self - 9223372036854775808.0).to_i64() as u64 ^ (1 << 63)
            } else {
                self.to_i64() as u64
            }
        }
    };
}

impl Convert for f64 {
    const COMMON: bool = true;
    truncations!(f64, -2147483649.0);

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self as f32
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn to_f16(self) -> f16 {
        f16::from_f64(self)
    }
}

impl Convert for f32 {
    const COMMON: bool = true;
    // The float below -2^31 is further than one away.
    truncations!(f32, -2147483904.0);

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Convert for f16 {
    #[inline(always)]
    fn to_bool(self) -> bool {
        self.to_bits() & 0x7fff != 0
    }

    #[inline(always)]
    fn to_i32(self) -> i32 {
        f16::to_f32(self).to_i32()
    }

    #[inline(always)]
    fn to_i64(self) -> i64 {
        f16::to_f32(self).to_i64()
    }

    /// Through 64 bits, unlike the wider floats.
    #[inline(always)]
    fn to_u32(self) -> u32 {
        f16::to_f32(self).to_i64() as u32
    }

    #[inline(always)]
    fn to_u64(self) -> u64 {
        f16::to_f32(self).to_u64()
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16::to_f32(self)
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f16::to_f64(self)
    }

    #[inline(always)]
    fn to_f16(self) -> f16 {
        self
    }
}

macro_rules! complex {
    ($($type:ty),*) => {$(
        impl Convert for $type {
            #[inline(always)]
            fn to_bool(self) -> bool {
                self.re != 0.0 || self.im != 0.0
            }

            #[inline(always)]
            fn to_i32(self) -> i32 {
                self.re.to_i32()
            }

            #[inline(always)]
            fn to_i64(self) -> i64 {
                self.re.to_i64()
            }

            #[inline(always)]
            fn to_u32(self) -> u32 {
                self.re.to_u32()
            }

            #[inline(always)]
            fn to_u64(self) -> u64 {
                self.re.to_u64()
            }

            #[inline(always)]
            fn to_f32(self) -> f32 {
                Convert::to_f32(self.re)
            }

            #[inline(always)]
            fn to_f64(self) -> f64 {
                Convert::to_f64(self.re)
            }

            #[inline(always)]
            fn to_f16(self) -> f16 {
                Convert::to_f16(self.re)
            }

            #[inline(always)]
            fn to_imaginary(self) -> f64 {
                Convert::to_f64(self.im)
            }
        }
    )*};
}
complex!(Complex32, Complex64);

struct Pairs<'a, S, T, F> {
    from: &'a [S],
    to: &'a mut [T],
    convert: F,
}

impl<S: Copy, T, F: Fn(S) -> T> Pairs<'_, S, T, F> {
    #[inline(always)]
    fn run(self) {
        for (to, &x) in self.to.iter_mut().zip(self.from) {
            *to = (self.convert)(x);
        }
    }
}

impl<S: Copy, T, F: Fn(S) -> T> WithSimd for Pairs<'_, S, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        self.run();
    }
}

/// Converts all elements of a slice; `Bool` is written as 0 or 1.
fn convert_slice<S: Convert>(from: &[S], out: &mut ChunkMut) {
    /// One loop.
    fn each<S: Convert, T: Element>(from: &[S], out: &mut ChunkMut, convert: impl Fn(S) -> T) {
        let pairs = Pairs { from, to: out.as_mut_slice::<T>(), convert };
        // Wide vectors for the types that blocks usually have.
        if S::COMMON && size_of::<T>() >= 4 { Arch::new().dispatch(pairs) } else { pairs.run() }
    }
    match out.dtype() {
        DType::Bool => each(from, out, |x| u8::from(x.to_bool())),
        DType::I8 => each(from, out, |x| x.to_i32() as i8),
        DType::I16 => each(from, out, |x| x.to_i32() as i16),
        DType::I32 => each(from, out, S::to_i32),
        DType::I64 | DType::DateTime(_) | DType::TimeDelta(_) => each(from, out, S::to_i64),
        DType::U8 => each(from, out, |x| x.to_i32() as u8),
        DType::U16 => each(from, out, |x| x.to_i32() as u16),
        DType::U32 => each(from, out, S::to_u32),
        DType::U64 => each(from, out, S::to_u64),
        DType::F16 => each(from, out, S::to_f16),
        DType::F32 => each(from, out, S::to_f32),
        DType::F64 => each(from, out, S::to_f64),
        DType::C64 => each(from, out, |x| Complex32::new(x.to_f32(), x.to_imaginary() as f32)),
        DType::C128 => each(from, out, |x| Complex64::new(x.to_f64(), x.to_imaginary())),
    }
}

/// How counts of one unit become counts of another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum UnitChange {
    Same,
    Times(i64),
    /// Rounded down.
    Over(i64),
}

/// Attoseconds of the units of fixed length.
fn length(unit: TimeUnit) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000_000_000_000;
    Some(match unit {
        TimeUnit::Week => 7 * 86_400 * SECOND,
        TimeUnit::Day => 86_400 * SECOND,
        TimeUnit::Hour => 3_600 * SECOND,
        TimeUnit::Minute => 60 * SECOND,
        TimeUnit::Second => SECOND,
        TimeUnit::Millisecond => SECOND / 1_000,
        TimeUnit::Microsecond => SECOND / 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
        TimeUnit::Picosecond => 1_000_000,
        TimeUnit::Femtosecond => 1_000,
        TimeUnit::Attosecond => 1,
        TimeUnit::Generic | TimeUnit::Year | TimeUnit::Month => return None,
    })
}

fn unit_change(from: TimeUnit, to: TimeUnit) -> Option<UnitChange> {
    match (from, to) {
        _ if from == to => Some(UnitChange::Same),
        (TimeUnit::Generic, _) => Some(UnitChange::Same),
        (TimeUnit::Year, TimeUnit::Month) => Some(UnitChange::Times(12)),
        (TimeUnit::Month, TimeUnit::Year) => Some(UnitChange::Over(12)),
        _ => {
            let (from, to) = (length(from)?, length(to)?);
            let ratio = i64::try_from(from.max(to) / from.min(to)).ok()?;
            Some(if from > to { UnitChange::Times(ratio) } else { UnitChange::Over(ratio) })
        }
    }
}

/// The change of unit of a conversion between dates or durations; `None` when there is no native one.
fn time_change(from: DType, to: DType) -> Option<UnitChange> {
    match (from, to) {
        (DType::DateTime(a), DType::DateTime(b)) | (DType::TimeDelta(a), DType::TimeDelta(b)) => unit_change(a, b),
        (DType::DateTime(a), DType::TimeDelta(b)) | (DType::TimeDelta(a), DType::DateTime(b)) => {
            (a == b).then_some(UnitChange::Same)
        }
        _ => Some(UnitChange::Same),
    }
}

/// Is there a native conversion? (Not between calendar months or years and units of fixed length.)
pub fn can_cast(from: DType, to: DType) -> bool {
    time_change(from, to).is_some()
}

/// The elements as another type; `None` where [`can_cast`] is false. The result may be strided as the chunk is.
pub fn cast(chunk: &Chunk, dtype: DType) -> Option<Chunk> {
    let change = time_change(chunk.dtype(), dtype)?;
    if chunk.dtype() == dtype {
        return Some(chunk.clone());
    }
    let times = chunk.dtype().is_time() && dtype.is_time();
    let signs_only = chunk.dtype().is_integer() && dtype.is_integer() && chunk.dtype().itemsize() == dtype.itemsize();
    let from_bool = chunk.dtype() == DType::Bool && dtype.itemsize() == 1 && dtype.is_integer();
    let same_storage = chunk.dtype().storage() == dtype.storage() && change == UnitChange::Same;
    if signs_only || from_bool || same_storage {
        return chunk.clone().reinterpret(dtype);
    }
    // A broadcast axis is converted once, a permuted layout in the order of its memory.
    if chunk.shape().iter().zip(chunk.strides()).any(|(&len, &stride)| stride == 0 && len > 1) {
        let slices: Vec<AxisSlice> = chunk
            .shape()
            .iter()
            .zip(chunk.strides())
            .map(|(&len, &stride)| AxisSlice::full(if stride == 0 { len.min(1) } else { len }))
            .collect();
        let once = cast(&slice(chunk, &slices).ok()?, dtype)?;
        return broadcast_to(&once, chunk.shape()).ok();
    }
    if !chunk.is_contiguous() {
        let mut order: Dims = (0..chunk.ndim()).collect();
        order.sort_by_key(|&axis| std::cmp::Reverse(chunk.strides()[axis]));
        let stored = transpose(chunk, &order).ok()?;
        if stored.is_contiguous() {
            let mut back = Dims::from_elem(0, order.len());
            for (position, &axis) in order.iter().enumerate() {
                back[axis] = position;
            }
            return transpose(&cast(&stored, dtype)?, &back).ok();
        }
    }
    let chunk = to_contiguous(chunk);
    let mut out = ChunkMut::new(dtype, chunk.shape());
    if times {
        let elements = out.as_mut_slice::<i64>().iter_mut().zip(dense::<i64>(&chunk));
        for (to, &x) in elements {
            *to = match change {
                _ if x == i64::MIN => x,
                UnitChange::Same => x,
                UnitChange::Times(ratio) => x.wrapping_mul(ratio),
                UnitChange::Over(ratio) => x.div_euclid(ratio),
            };
        }
    } else {
        with_number!(chunk.dtype(), T => convert_slice::<T>(dense::<T>(&chunk), &mut out));
    }
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: [f64; 12] =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, -1e30, 3e9, -3e9, 300.7, -1.5, -129.2, 70000.0, 1e19];

    fn converted<T: Element>(chunk: &Chunk, dtype: DType) -> Vec<T> {
        to_contiguous(&cast(chunk, dtype).expect("native")).as_slice::<T>().expect("contiguous").to_vec()
    }

    /// The expected values are what NumPy 2.4 gives on x86-64.
    #[test]
    fn floats_are_cut_to_integers_as_numpy_does() {
        let wide = Chunk::from_slice(&ODD, &[12]);
        let least = i64::MIN;
        assert_eq!(
            converted::<i64>(&wide, DType::I64),
            [least, least, least, least, least, 3_000_000_000, -3_000_000_000, 300, -1, -129, 70000, least]
        );
        let least = i32::MIN;
        assert_eq!(
            converted::<i32>(&wide, DType::I32),
            [least, least, least, least, least, least, least, 300, -1, -129, 70000, least]
        );
        assert_eq!(converted::<i16>(&wide, DType::I16), [0, 0, 0, 0, 0, 0, 0, 300, -1, -129, 4464, 0]);
        assert_eq!(converted::<u8>(&wide, DType::U8), [0, 0, 0, 0, 0, 0, 0, 44, 255, 127, 112, 0]);
        let half = 1u32 << 31;
        let expected = [half, 0, half, 0, half, 3_000_000_000, half, 300, 4294967295, 4294967167, 70000, 0];
        assert_eq!(converted::<u32>(&wide, DType::U32), expected);
        let narrow = cast(&wide, DType::F32).expect("native");
        assert_eq!(converted::<u32>(&narrow, DType::U32), expected);
        let half = 1u64 << 63;
        let expected = [
            half,
            0,
            half,
            0,
            half,
            3_000_000_000,
            18446744070709551616u128 as u64,
            300,
            u64::MAX,
            18446744073709551487,
            70000,
            10_000_000_000_000_000_000,
        ];
        assert_eq!(converted::<u64>(&wide, DType::U64), expected);
        let short = cast(&wide, DType::F16).expect("native");
        assert_eq!(converted::<u32>(&short, DType::U32), [0, 0, 0, 0, 0, 0, 0, 300, 4294967295, 4294967167, 0, 0]);
        assert_eq!(converted::<u8>(&wide, DType::Bool), [1; 12]);
        assert_eq!(converted::<u8>(&Chunk::from_slice(&[0.0, -0.0], &[2]), DType::Bool), [0, 0]);
        assert_eq!(converted::<i32>(&Chunk::from_slice(&[-2147483648.9f64], &[1]), DType::I32), [i32::MIN]);
        assert_eq!(converted::<i32>(&Chunk::from_slice(&[2147483520.0f32], &[1]), DType::I32), [2147483520]);
    }

    #[test]
    fn every_pair_of_numbers_round_trips_small_values() {
        let numbers = [
            DType::Bool,
            DType::I8,
            DType::I16,
            DType::I32,
            DType::I64,
            DType::U8,
            DType::U16,
            DType::U32,
            DType::U64,
            DType::F16,
            DType::F32,
            DType::F64,
            DType::C64,
            DType::C128,
            DType::TimeDelta(TimeUnit::Second),
        ];
        let ones = Chunk::from_slice(&[0.0f64, 1.0, 1.0, 0.0, 1.0], &[5]);
        for from in numbers {
            for to in numbers {
                let through = cast(&cast(&ones, from).expect("native"), to).expect("native");
                assert_eq!((through.dtype(), through.len()), (to, 5));
                assert_eq!(converted::<f64>(&through, DType::F64), [0.0, 1.0, 1.0, 0.0, 1.0], "{from} -> {to}");
            }
        }
        let complex = Chunk::from_slice(&[Complex64::new(1.5, -2.5), Complex64::new(0.0, 1.0)], &[2]);
        assert_eq!(converted::<f32>(&complex, DType::F32), [1.5, 0.0]);
        assert_eq!(converted::<u8>(&complex, DType::Bool), [1, 1]);
        assert_eq!(converted::<Complex32>(&complex, DType::C64)[0], Complex32::new(1.5, -2.5));
        assert_eq!(converted::<i8>(&Chunk::from_slice(&[200u8], &[1]), DType::I8), [-56]);
    }

    #[test]
    fn units_of_fixed_length_convert() {
        use TimeUnit::*;
        let counts = Chunk::from_slice(&[5, -5, -61, i64::MIN, i64::MAX], &[5]);
        let dates = |unit| counts.clone().reinterpret(DType::DateTime(unit)).expect("eight bytes");
        let minutes = converted::<i64>(&dates(Second), DType::DateTime(Minute));
        assert_eq!(minutes, [0, -1, -2, i64::MIN, i64::MAX / 60]);
        assert_eq!(converted::<i64>(&dates(Week), DType::DateTime(Hour))[..2], [840, -840]);
        assert_eq!(converted::<i64>(&dates(Month), DType::DateTime(Year))[..3], [0, -1, -6]);
        assert_eq!(converted::<i64>(&dates(Second), DType::TimeDelta(Second))[0], 5);
        assert_eq!(converted::<f64>(&dates(Second), DType::F64)[0], 5.0);
        assert!(!can_cast(DType::DateTime(Month), DType::DateTime(Day)));
        assert!(cast(&dates(Year), DType::DateTime(Day)).is_none());
        assert!(cast(&dates(Second), DType::TimeDelta(Minute)).is_none());
        let nan = Chunk::from_slice(&[f64::NAN, 3.9], &[2]);
        assert_eq!(converted::<i64>(&nan, DType::TimeDelta(Day)), [i64::MIN, 3]);
    }

    #[test]
    fn layouts_are_kept_where_that_saves_work() {
        let stored = Chunk::from_slice(&(0..6i32).collect::<Vec<_>>(), &[2, 3]);
        let turned = transpose(&stored, &[1, 0]).expect("axes");
        let as_float = cast(&turned, DType::F64).expect("native");
        assert_eq!(as_float.strides(), turned.strides());
        assert_eq!(converted::<f64>(&turned, DType::F64), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let wide = broadcast_to(&turned, &[4, 3, 2]).expect("broadcasts");
        let as_float = cast(&wide, DType::F32).expect("native");
        assert_eq!(as_float.buffer().len(), 24);
        assert_eq!(converted::<f32>(&wide, DType::F32)[6..8], [0.0, 3.0]);
        let gaps = slice(&stored, &[AxisSlice::full(2), AxisSlice { start: 2, step: -2, len: 2 }]).expect("inside");
        assert_eq!(converted::<u64>(&gaps, DType::U64), [2, 0, 5, 3]);
    }
}
