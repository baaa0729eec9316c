//! Addition, subtraction, multiplication, division, sign and the like, for numbers that are not complex.

use raskr_base::DType;

use crate::program::kernel::{Kernel, binary_kernel, unary_kernel};
use crate::program::opcode::OpCode;

/// Two's complement arithmetic does not depend on the sign, so one loop serves both integers of a width.
macro_rules! wrapping {
    ($dtype:expr, |$x:ident, $y:ident| $integer:expr, $float:expr) => {
        Some(match $dtype {
            DType::I8 | DType::U8 => binary_kernel!(|$x: u8, $y: u8| -> u8 { $integer }),
            DType::I16 | DType::U16 => binary_kernel!(|$x: u16, $y: u16| -> u16 { $integer }),
            DType::I32 | DType::U32 => binary_kernel!(|$x: u32, $y: u32| -> u32 { $integer }),
            DType::I64 | DType::U64 => binary_kernel!(|$x: u64, $y: u64| -> u64 { $integer }),
            DType::F32 => binary_kernel!(|$x: f32, $y: f32| -> f32 { $float }),
            DType::F64 => binary_kernel!(|$x: f64, $y: f64| -> f64 { $float }),
            _ => return None,
        })
    };
}

macro_rules! floats_binary {
    ($driver:ident, $dtype:expr, |$x:ident, $y:ident| $body:expr) => {
        Some(match $dtype {
            DType::F32 => binary_kernel!($driver, |$x: f32, $y: f32| -> f32 { $body }),
            DType::F64 => binary_kernel!($driver, |$x: f64, $y: f64| -> f64 { $body }),
            _ => return None,
        })
    };
}

macro_rules! floats_unary {
    ($dtype:expr, |$x:ident| $body:expr) => {
        Some(match $dtype {
            DType::F32 => unary_kernel!(|$x: f32| -> f32 { $body }),
            DType::F64 => unary_kernel!(|$x: f64| -> f64 { $body }),
            _ => return None,
        })
    };
}

/// `signed` for signed integers, `float` for floats.
macro_rules! signed_unary {
    ($dtype:expr, |$x:ident| $signed:expr, $float:expr) => {
        Some(match $dtype {
            DType::I8 => unary_kernel!(|$x: i8| -> i8 { $signed }),
            DType::I16 => unary_kernel!(|$x: i16| -> i16 { $signed }),
            DType::I32 => unary_kernel!(|$x: i32| -> i32 { $signed }),
            DType::I64 => unary_kernel!(|$x: i64| -> i64 { $signed }),
            DType::F32 => unary_kernel!(|$x: f32| -> f32 { $float }),
            DType::F64 => unary_kernel!(|$x: f64| -> f64 { $float }),
            _ => return None,
        })
    };
}

/// Loops whose output has the input's type.
pub(super) fn find(code: OpCode, dtype: DType) -> Option<Kernel> {
    match code {
        OpCode::Add => wrapping!(dtype, |x, y| x.wrapping_add(y), x + y),
        OpCode::Subtract => wrapping!(dtype, |x, y| x.wrapping_sub(y), x - y),
        OpCode::Multiply => wrapping!(dtype, |x, y| x.wrapping_mul(y), x * y),
        OpCode::Divide => floats_binary!(binary, dtype, |x, y| x / y),
        OpCode::Fmod if dtype.is_float() => floats_binary!(binary_plain, dtype, |x, y| x % y),
        OpCode::Copysign => floats_binary!(binary, dtype, |x, y| x.copysign(y)),
        OpCode::Heaviside => floats_binary!(binary, dtype, |x, y| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                0.0
            } else if x == 0.0 {
                y
            } else {
                x
            }
        }),
        OpCode::Negative => match dtype {
            DType::U8 => Some(unary_kernel!(|x: u8| -> u8 { x.wrapping_neg() })),
            DType::U16 => Some(unary_kernel!(|x: u16| -> u16 { x.wrapping_neg() })),
            DType::U32 => Some(unary_kernel!(|x: u32| -> u32 { x.wrapping_neg() })),
            DType::U64 => Some(unary_kernel!(|x: u64| -> u64 { x.wrapping_neg() })),
            _ => signed_unary!(dtype, |x| x.wrapping_neg(), -x),
        },
        OpCode::Absolute => signed_unary!(dtype, |x| x.wrapping_abs(), x.abs()),
        OpCode::Sign => match dtype {
            DType::U8 => Some(unary_kernel!(|x: u8| -> u8 { u8::from(x != 0) })),
            DType::U16 => Some(unary_kernel!(|x: u16| -> u16 { u16::from(x != 0) })),
            DType::U32 => Some(unary_kernel!(|x: u32| -> u32 { u32::from(x != 0) })),
            DType::U64 => Some(unary_kernel!(|x: u64| -> u64 { u64::from(x != 0) })),
            _ => signed_unary!(dtype, |x| x.signum(), {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else if x == 0.0 {
                    0.0
                } else {
                    x
                }
            }),
        },
        OpCode::Sqrt => floats_unary!(dtype, |x| x.sqrt()),
        OpCode::Reciprocal => floats_unary!(dtype, |x| 1.0 / x),
        OpCode::Floor => floats_unary!(dtype, |x| x.floor()),
        OpCode::Ceil => floats_unary!(dtype, |x| x.ceil()),
        OpCode::Trunc => floats_unary!(dtype, |x| x.trunc()),
        OpCode::Rint => floats_unary!(dtype, |x| x.round_ties_even()),
        OpCode::Nextafter => floats_binary!(binary_plain, dtype, |x, y| {
            if x == y {
                y
            } else if x.is_nan() || y.is_nan() {
                x + y
            } else if y > x {
                x.next_up()
            } else {
                x.next_down()
            }
        }),
        OpCode::FloorDivide if dtype.is_float() => {
            floats_binary!(binary_plain, dtype, |x, y| {
                if y == 0.0 {
                    x / y
                } else {
                    let modulus = x % y;
                    let mut quotient = (x - modulus) / y;
                    if modulus != 0.0 && (y < 0.0) != (modulus < 0.0) {
                        quotient -= 1.0;
                    }
                    if quotient == 0.0 {
                        (x / y).signum() * 0.0
                    } else {
                        let floor = quotient.floor();
                        if quotient - floor > 0.5 { floor + 1.0 } else { floor }
                    }
                }
            })
        }
        OpCode::Remainder if dtype.is_float() => {
            floats_binary!(binary_plain, dtype, |x, y| {
                let modulus = x % y;
                if modulus == 0.0 {
                    modulus.copysign(y)
                } else if (y < 0.0) != (modulus < 0.0) {
                    modulus + y
                } else {
                    modulus
                }
            })
        }
        _ => None,
    }
}
