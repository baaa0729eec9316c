//! Pairs of operations in one pass, rounded after each as the separate operations are.

use num_complex::Complex64;
use raskr_base::DType;

use crate::program::instruction::Code;
use crate::program::kernel::{Kernel, binary_kernel, ternary_kernel, unary_kernel};

macro_rules! floats {
    ($dtype:expr, |$x:ident, $y:ident, $z:ident| $body:expr) => {
        Some(match $dtype {
            DType::F32 => ternary_kernel!(|$x: f32, $y: f32, $z: f32| -> f32 { $body }),
            DType::F64 => ternary_kernel!(|$x: f64, $y: f64, $z: f64| -> f64 { $body }),
            _ => return None,
        })
    };
    ($dtype:expr, |$x:ident, $y:ident| $body:expr) => {
        Some(match $dtype {
            DType::F32 => binary_kernel!(|$x: f32, $y: f32| -> f32 { $body }),
            DType::F64 => binary_kernel!(|$x: f64, $y: f64| -> f64 { $body }),
            _ => return None,
        })
    };
}

/// Loops whose inputs and output are all of one type.
pub(super) fn find(code: Code, dtype: DType) -> Option<Kernel> {
    match code {
        Code::MultiplyAdd => floats!(dtype, |x, y, z| x * y + z),
        Code::MultiplySubtract => floats!(dtype, |x, y, z| x * y - z),
        Code::AddMultiply => floats!(dtype, |x, y, z| (x + y) * z),
        Code::SubtractMultiply => floats!(dtype, |x, y, z| (x - y) * z),
        Code::SubtractDivide => floats!(dtype, |x, y, z| (x - y) / z),
        Code::SquareSum => floats!(dtype, |x, y| x * x + y * y),
        Code::SquareSumRoot => floats!(dtype, |x, y| (x * x + y * y).sqrt()),
        Code::SquareDifference => floats!(dtype, |x, y| (x - y) * (x - y)),
        Code::NanAsZero => match dtype {
            DType::F64 => Some(unary_kernel!(|x: f64| -> f64 { if x.is_nan() { 0.0 } else { x } })),
            DType::C128 => Some(unary_kernel!(|x: Complex64| -> Complex64 {
                if x.re.is_nan() || x.im.is_nan() { Complex64::new(0.0, 0.0) } else { x }
            })),
            _ => None,
        },
        Code::NanAsOne => match dtype {
            DType::F64 => Some(unary_kernel!(|x: f64| -> f64 { if x.is_nan() { 1.0 } else { x } })),
            DType::C128 => Some(unary_kernel!(|x: Complex64| -> Complex64 {
                if x.re.is_nan() || x.im.is_nan() { Complex64::new(1.0, 0.0) } else { x }
            })),
            _ => None,
        },
        Code::Op(_) | Code::Cast(_) => None,
    }
}
