//! Comparisons, classification of floats, and choices between values.

use raskr_base::DType;

use crate::program::kernel::{Kernel, binary_kernel, ternary_kernel, unary_kernel};
use crate::program::opcode::OpCode;

/// A comparison that is the same for signed and unsigned integers.
macro_rules! equality {
    ($dtype:expr, |$x:ident, $y:ident| $body:expr) => {
        Some(match $dtype {
            DType::Bool | DType::I8 | DType::U8 => binary_kernel!(|$x: u8, $y: u8| -> u8 { u8::from($body) }),
            DType::I16 | DType::U16 => binary_kernel!(|$x: u16, $y: u16| -> u8 { u8::from($body) }),
            DType::I32 | DType::U32 => binary_kernel!(|$x: u32, $y: u32| -> u8 { u8::from($body) }),
            DType::I64 | DType::U64 => binary_kernel!(|$x: u64, $y: u64| -> u8 { u8::from($body) }),
            DType::F32 => binary_kernel!(|$x: f32, $y: f32| -> u8 { u8::from($body) }),
            DType::F64 => binary_kernel!(|$x: f64, $y: f64| -> u8 { u8::from($body) }),
            _ => return None,
        })
    };
}

macro_rules! order {
    ($dtype:expr, |$x:ident, $y:ident| $body:expr) => {
        Some(match $dtype {
            DType::Bool | DType::U8 => binary_kernel!(|$x: u8, $y: u8| -> u8 { u8::from($body) }),
            DType::U16 => binary_kernel!(|$x: u16, $y: u16| -> u8 { u8::from($body) }),
            DType::U32 => binary_kernel!(|$x: u32, $y: u32| -> u8 { u8::from($body) }),
            DType::U64 => binary_kernel!(|$x: u64, $y: u64| -> u8 { u8::from($body) }),
            DType::I8 => binary_kernel!(|$x: i8, $y: i8| -> u8 { u8::from($body) }),
            DType::I16 => binary_kernel!(|$x: i16, $y: i16| -> u8 { u8::from($body) }),
            DType::I32 => binary_kernel!(|$x: i32, $y: i32| -> u8 { u8::from($body) }),
            DType::I64 => binary_kernel!(|$x: i64, $y: i64| -> u8 { u8::from($body) }),
            DType::F32 => binary_kernel!(|$x: f32, $y: f32| -> u8 { u8::from($body) }),
            DType::F64 => binary_kernel!(|$x: f64, $y: f64| -> u8 { u8::from($body) }),
            _ => return None,
        })
    };
}

macro_rules! extremum {
    ($dtype:expr, |$x:ident, $y:ident| $integer:expr, $float:expr) => {
        Some(match $dtype {
            DType::Bool | DType::U8 => binary_kernel!(|$x: u8, $y: u8| -> u8 { $integer }),
            DType::U16 => binary_kernel!(|$x: u16, $y: u16| -> u16 { $integer }),
            DType::U32 => binary_kernel!(|$x: u32, $y: u32| -> u32 { $integer }),
            DType::U64 => binary_kernel!(|$x: u64, $y: u64| -> u64 { $integer }),
            DType::I8 => binary_kernel!(|$x: i8, $y: i8| -> i8 { $integer }),
            DType::I16 => binary_kernel!(|$x: i16, $y: i16| -> i16 { $integer }),
            DType::I32 => binary_kernel!(|$x: i32, $y: i32| -> i32 { $integer }),
            DType::I64 => binary_kernel!(|$x: i64, $y: i64| -> i64 { $integer }),
            DType::F32 => binary_kernel!(|$x: f32, $y: f32| -> f32 { $float }),
            DType::F64 => binary_kernel!(|$x: f64, $y: f64| -> f64 { $float }),
            _ => return None,
        })
    };
}

macro_rules! predicate {
    ($dtype:expr, |$x:ident| $body:expr) => {
        Some(match $dtype {
            DType::F32 => unary_kernel!(|$x: f32| -> u8 { u8::from($body) }),
            DType::F64 => unary_kernel!(|$x: f64| -> u8 { u8::from($body) }),
            _ => return None,
        })
    };
}

/// Loops that yield booleans.
pub(super) fn find_predicate(code: OpCode, dtype: DType) -> Option<Kernel> {
    match code {
        OpCode::Equal => equality!(dtype, |x, y| x == y),
        OpCode::NotEqual => equality!(dtype, |x, y| x != y),
        OpCode::Less => order!(dtype, |x, y| x < y),
        OpCode::LessEqual => order!(dtype, |x, y| x <= y),
        OpCode::IsNan => predicate!(dtype, |x| x.is_nan()),
        OpCode::IsInf => predicate!(dtype, |x| x.is_infinite()),
        OpCode::IsFinite => predicate!(dtype, |x| x.is_finite()),
        OpCode::Signbit => predicate!(dtype, |x| x.is_sign_negative()),
        _ => None,
    }
}

/// The lesser or greater of two values; `Minimum` and `Maximum` yield NaN when either is, `Fmin` and `Fmax` when both are.
pub(super) fn find_extremum(code: OpCode, dtype: DType) -> Option<Kernel> {
    match code {
        OpCode::Minimum => extremum!(dtype, |x, y| x.min(y), if x < y || x.is_nan() { x } else { y }),
        OpCode::Maximum => extremum!(dtype, |x, y| x.max(y), if x > y || x.is_nan() { x } else { y }),
        OpCode::Fmin => extremum!(dtype, |x, y| x.min(y), if x < y || y.is_nan() { x } else { y }),
        OpCode::Fmax => extremum!(dtype, |x, y| x.max(y), if x > y || y.is_nan() { x } else { y }),
        _ => None,
    }
}

/// `where(mask, x, y)`; depends on the width of the elements only.
pub(super) fn find_choice(dtype: DType) -> Kernel {
    match dtype.itemsize() {
        1 => ternary_kernel!(|mask: u8, x: u8, y: u8| -> u8 { if mask != 0 { x } else { y } }),
        2 => ternary_kernel!(|mask: u8, x: u16, y: u16| -> u16 { if mask != 0 { x } else { y } }),
        4 => ternary_kernel!(|mask: u8, x: u32, y: u32| -> u32 { if mask != 0 { x } else { y } }),
        8 => ternary_kernel!(|mask: u8, x: u64, y: u64| -> u64 { if mask != 0 { x } else { y } }),
        _ => ternary_kernel!(|mask: u8,
                              x: num_complex::Complex64,
                              y: num_complex::Complex64|
         -> num_complex::Complex64 { if mask != 0 { x } else { y } }),
    }
}
