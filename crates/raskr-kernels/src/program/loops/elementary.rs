//! Elementary functions of floats: kernels over the slice functions of [`crate::math`].
// `unsafe` is allowed here: raw tile memory becomes slices of the length that a kernel's caller guarantees.
#![allow(unsafe_code)]

use raskr_base::DType;

use crate::math;
use crate::program::kernel::{Context, Kernel, LANES, View, binary_kernel, slice_unary};
use crate::program::opcode::OpCode;

macro_rules! slice_binary {
    ($type:ty, $out:ty, $function:path) => {{
        unsafe fn kernel(_: &Context, inputs: &[View], out: *mut u8, count: usize) {
            let moving = inputs[0].step == 1 && inputs[1].step == 1;
            let group = if moving { count.max(1) } else { LANES };
            let mut done = 0;
            while done < count {
                let n = group.min(count - done);
                // SAFETY: the kernel's contract; a repeated view has LANES elements, and groups are no longer then.
                unsafe {
                    let a = inputs[0].start.cast::<$type>().add(done * inputs[0].step);
                    let b = inputs[1].start.cast::<$type>().add(done * inputs[1].step);
                    let out = out.cast::<$out>().add(done);
                    $function(
                        std::slice::from_raw_parts(a, n),
                        std::slice::from_raw_parts(b, n),
                        std::slice::from_raw_parts_mut(out, n),
                    );
                }
                done += n;
            }
        }
        kernel as Kernel
    }};
}

macro_rules! both {
    ($kind:ident, $dtype:expr, $double:path, $single:path) => {
        match $dtype {
            DType::F64 => Some($kind!(f64, f64, $double)),
            DType::F32 => Some($kind!(f32, f32, $single)),
            _ => None,
        }
    };
}

/// log2(2^x + 2^y) without overflow.
fn logaddexp2(x: f64, y: f64) -> f64 {
    if x == y {
        return x + 1.0;
    }
    let difference = x - y;
    if difference > 0.0 {
        x + (-difference).exp2().ln_1p() * std::f64::consts::LOG2_E
    } else if difference <= 0.0 {
        y + difference.exp2().ln_1p() * std::f64::consts::LOG2_E
    } else {
        difference
    }
}

fn exponent(n: i64) -> i32 {
    n.clamp(-100_000, 100_000) as i32
}

/// Loops whose inputs and output are all of one float type.
pub(super) fn find(code: OpCode, dtype: DType) -> Option<Kernel> {
    match code {
        OpCode::Exp => both!(slice_unary, dtype, math::exp_f64, math::exp_f32),
        OpCode::Exp2 => both!(slice_unary, dtype, math::exp2_f64, math::exp2_f32),
        OpCode::Expm1 => both!(slice_unary, dtype, math::expm1_f64, math::expm1_f32),
        OpCode::Log => both!(slice_unary, dtype, math::log_f64, math::log_f32),
        OpCode::Log2 => both!(slice_unary, dtype, math::log2_f64, math::log2_f32),
        OpCode::Log10 => both!(slice_unary, dtype, math::log10_f64, math::log10_f32),
        OpCode::Log1p => both!(slice_unary, dtype, math::log1p_f64, math::log1p_f32),
        OpCode::Sin => both!(slice_unary, dtype, math::sin_f64, math::sin_f32),
        OpCode::Cos => both!(slice_unary, dtype, math::cos_f64, math::cos_f32),
        OpCode::Tan => both!(slice_unary, dtype, math::tan_f64, math::tan_f32),
        OpCode::Arcsin => both!(slice_unary, dtype, math::arcsin_f64, math::arcsin_f32),
        OpCode::Arccos => both!(slice_unary, dtype, math::arccos_f64, math::arccos_f32),
        OpCode::Arctan => both!(slice_unary, dtype, math::arctan_f64, math::arctan_f32),
        OpCode::Sinh => both!(slice_unary, dtype, math::sinh_f64, math::sinh_f32),
        OpCode::Cosh => both!(slice_unary, dtype, math::cosh_f64, math::cosh_f32),
        OpCode::Tanh => both!(slice_unary, dtype, math::tanh_f64, math::tanh_f32),
        OpCode::Arcsinh => both!(slice_unary, dtype, math::arcsinh_f64, math::arcsinh_f32),
        OpCode::Arccosh => both!(slice_unary, dtype, math::arccosh_f64, math::arccosh_f32),
        OpCode::Arctanh => both!(slice_unary, dtype, math::arctanh_f64, math::arctanh_f32),
        OpCode::Cbrt => both!(slice_unary, dtype, math::cbrt_f64, math::cbrt_f32),
        OpCode::Arctan2 => both!(slice_binary, dtype, math::arctan2_f64, math::arctan2_f32),
        OpCode::Hypot => both!(slice_binary, dtype, math::hypot_f64, math::hypot_f32),
        OpCode::Power => both!(slice_binary, dtype, math::power_f64, math::power_f32),
        OpCode::Logaddexp => both!(slice_binary, dtype, math::logaddexp_f64, math::logaddexp_f32),
        OpCode::Logaddexp2 => Some(match dtype {
            DType::F64 => binary_kernel!(binary_plain, |x: f64, y: f64| -> f64 { logaddexp2(x, y) }),
            DType::F32 => {
                binary_kernel!(binary_plain, |x: f32, y: f32| -> f32 { logaddexp2(x.into(), y.into()) as f32 })
            }
            _ => return None,
        }),
        _ => None,
    }
}

/// `ldexp(x, n)`: x times two to the n.
pub(super) fn find_ldexp(float: DType, integer: DType) -> Option<Kernel> {
    Some(match (float, integer) {
        (DType::F64, DType::I32) => {
            binary_kernel!(binary_plain, |x: f64, n: i32| -> f64 { libm::ldexp(x, exponent(n.into())) })
        }
        (DType::F64, DType::I64) => {
            binary_kernel!(binary_plain, |x: f64, n: i64| -> f64 { libm::ldexp(x, exponent(n)) })
        }
        (DType::F32, DType::I32) => {
            binary_kernel!(binary_plain, |x: f32, n: i32| -> f32 { libm::ldexpf(x, exponent(n.into())) })
        }
        (DType::F32, DType::I64) => {
            binary_kernel!(binary_plain, |x: f32, n: i64| -> f32 { libm::ldexpf(x, exponent(n)) })
        }
        _ => return None,
    })
}
