//! Conversions between element types.
//!
//! Floats that an integer type cannot hold become what the x86 conversion instructions yield and NumPy therefore shows:
//! the lowest integer of the 32- or 64-bit type, cut to narrower ones.
// `unsafe` is allowed here: conversions of numbers that were just found to be in range.
#![allow(unsafe_code)]

use half::f16;
use half::slice::HalfFloatSliceExt;
use num_complex::{Complex32, Complex64};
use raskr_base::DType;

use crate::program::kernel::{Kernel, slice_unary, unary_kernel};

// The conversions of whole slices look once for the machine's instructions.
fn half_to_single(input: &[f16], out: &mut [f32]) {
    input.convert_to_f32_slice(out);
}

fn half_to_double(input: &[f16], out: &mut [f64]) {
    input.convert_to_f64_slice(out);
}

fn single_to_half(input: &[f32], out: &mut [f16]) {
    out.convert_from_f32_slice(input);
}

fn double_to_half(input: &[f64], out: &mut [f16]) {
    out.convert_from_f64_slice(input);
}

trait ToInteger: Copy {
    fn to_i32(self) -> i32;
    fn to_i64(self) -> i64;
    fn to_u64(self) -> u64;
}

macro_rules! to_integer {
    ($type:ty, $above_i32_min:expr) => {
        impl ToInteger for $type {
            #[inline(always)]
            fn to_i32(self) -> i32 {
                let fits = self > $above_i32_min && self < 2147483648.0 || self == -2147483648.0;
                let value = if fits { self } else { -2147483648.0 };
                // SAFETY: the value is in range and no NaN. A saturating conversion would not vectorise.
                unsafe { value.to_int_unchecked() }
            }

            #[inline(always)]
            fn to_i64(self) -> i64 {
                let fits = (-9223372036854775808.0..9223372036854775808.0).contains(&self);
                let value = if fits { self } else { -9223372036854775808.0 };
                // SAFETY: as above.
                unsafe { value.to_int_unchecked() }
            }

            #[inline(always)]
            fn to_u64(self) -> u64 {
                let large = self >= 9223372036854775808.0;
                let low = if large { self - 9223372036854775808.0 } else { self };
                (low.to_i64() as u64) ^ (u64::from(large) << 63)
            }
        }
    };
}
to_integer!(f32, -2147483648.0);
to_integer!(f64, -2147483649.0);

macro_rules! from_float {
    ($type:ty, $to:expr) => {
        match $to {
            DType::Bool => unary_kernel!(|x: $type| -> u8 { u8::from(x != 0.0) }),
            DType::I8 | DType::U8 => unary_kernel!(|x: $type| -> u8 { x.to_i32() as u8 }),
            DType::I16 | DType::U16 => unary_kernel!(|x: $type| -> u16 { x.to_i32() as u16 }),
            DType::I32 => unary_kernel!(|x: $type| -> i32 { x.to_i32() }),
            DType::U32 => unary_kernel!(|x: $type| -> u32 { x.to_i64() as u32 }),
            DType::I64 => unary_kernel!(|x: $type| -> i64 { x.to_i64() }),
            DType::U64 => unary_kernel!(|x: $type| -> u64 { x.to_u64() }),
            DType::F32 => unary_kernel!(|x: $type| -> f32 { x as f32 }),
            DType::F64 => unary_kernel!(|x: $type| -> f64 { f64::from(x) }),
            _ => return None,
        }
    };
}

macro_rules! from_integer {
    ($type:ty, $to:expr) => {
        match $to {
            DType::Bool => unary_kernel!(|x: $type| -> u8 { u8::from(x != 0) }),
            DType::I8 | DType::U8 => unary_kernel!(|x: $type| -> u8 { x as u8 }),
            DType::I16 | DType::U16 => unary_kernel!(|x: $type| -> u16 { x as u16 }),
            DType::I32 | DType::U32 => unary_kernel!(|x: $type| -> u32 { x as u32 }),
            DType::I64 | DType::U64 => unary_kernel!(|x: $type| -> u64 { x as u64 }),
            DType::F32 => unary_kernel!(|x: $type| -> f32 { x as f32 }),
            DType::F64 => unary_kernel!(|x: $type| -> f64 { x as f64 }),
            _ => return None,
        }
    };
}

/// The sign of the source matters only when integers get wider, so narrowing goes through the unsigned loops.
fn from_signed(from: DType, to: DType) -> bool {
    from.is_signed_integer() && (to.is_float() || to.itemsize() > from.itemsize())
}

/// A direct loop between two storage types; the builder makes the others of two steps.
pub(super) fn find(from: DType, to: DType) -> Option<Kernel> {
    let (from, to) = (from.storage(), to.storage());
    Some(match from {
        DType::I8 if from_signed(from, to) => from_integer!(i8, to),
        DType::I16 if from_signed(from, to) => from_integer!(i16, to),
        DType::I32 if from_signed(from, to) => from_integer!(i32, to),
        DType::I64 if from_signed(from, to) => from_integer!(i64, to),
        DType::Bool | DType::I8 | DType::U8 => from_integer!(u8, to),
        DType::I16 | DType::U16 => from_integer!(u16, to),
        DType::I32 | DType::U32 => from_integer!(u32, to),
        DType::I64 | DType::U64 => from_integer!(u64, to),
        DType::F16 => match to {
            DType::F32 => slice_unary!(f16, f32, half_to_single),
            DType::F64 => slice_unary!(f16, f64, half_to_double),
            _ => return None,
        },
        DType::F32 => match to {
            DType::F16 => slice_unary!(f32, f16, single_to_half),
            DType::C64 => unary_kernel!(|x: f32| -> Complex32 { Complex32::new(x, 0.0) }),
            _ => from_float!(f32, to),
        },
        DType::F64 => match to {
            DType::F16 => slice_unary!(f64, f16, double_to_half),
            DType::C128 => unary_kernel!(|x: f64| -> Complex64 { Complex64::new(x, 0.0) }),
            _ => from_float!(f64, to),
        },
        DType::C64 => match to {
            DType::Bool => unary_kernel!(|x: Complex32| -> u8 { u8::from(x.re != 0.0 || x.im != 0.0) }),
            DType::F32 => unary_kernel!(|x: Complex32| -> f32 { x.re }),
            DType::C128 => unary_kernel!(|x: Complex32| -> Complex64 { Complex64::new(x.re.into(), x.im.into()) }),
            _ => return None,
        },
        DType::C128 => match to {
            DType::Bool => unary_kernel!(|x: Complex64| -> u8 { u8::from(x.re != 0.0 || x.im != 0.0) }),
            DType::F64 => unary_kernel!(|x: Complex64| -> f64 { x.re }),
            DType::C64 => unary_kernel!(|x: Complex64| -> Complex32 { Complex32::new(x.re as f32, x.im as f32) }),
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_out_of_range_convert_as_the_hardware_does() {
        assert_eq!(f64::NAN.to_i32(), i32::MIN);
        assert_eq!(3e9f64.to_i32(), i32::MIN);
        assert_eq!((-2147483648.5f64).to_i32(), i32::MIN);
        assert_eq!((-2147483648.0f32).to_i32(), i32::MIN);
        assert_eq!((-2147483647.0f64).to_i32(), -2147483647);
        assert_eq!((-9223372036854775808.0f64).to_i64(), i64::MIN);
        assert_eq!((-1.5f64).to_i32() as u8, 255);
        assert_eq!(1e19f64.to_u64(), 10_000_000_000_000_000_000);
        assert_eq!(f64::INFINITY.to_u64(), 0);
        assert_eq!((-1.0f64).to_u64(), u64::MAX);
    }
}
