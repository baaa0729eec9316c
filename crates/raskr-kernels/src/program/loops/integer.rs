//! Division, powers, shifts and bits of integers, with NumPy's answers where the hardware would trap.
// `unsafe` is allowed here: the kernel of signed powers looks through raw tile memory for negative exponents.
#![allow(unsafe_code)]
// One text serves all widths, and for one of them a conversion is none.
#![allow(clippy::useless_conversion)]

use raskr_base::DType;

use crate::program::kernel::{Binary, Context, Kernel, View, binary_kernel, binary_plain, unary_kernel};
use crate::program::opcode::OpCode;

macro_rules! by_width {
    ($dtype:expr, |$x:ident, $y:ident| $body:expr) => {
        Some(match $dtype {
            DType::I8 | DType::U8 | DType::Bool => binary_kernel!(|$x: u8, $y: u8| -> u8 { $body }),
            DType::I16 | DType::U16 => binary_kernel!(|$x: u16, $y: u16| -> u16 { $body }),
            DType::I32 | DType::U32 => binary_kernel!(|$x: u32, $y: u32| -> u32 { $body }),
            DType::I64 | DType::U64 => binary_kernel!(|$x: u64, $y: u64| -> u64 { $body }),
            _ => return None,
        })
    };
}

macro_rules! integers {
    ($driver:ident, $dtype:expr, |$x:ident, $y:ident| $signed:expr, $unsigned:expr) => {
        Some(match $dtype {
            DType::I8 => binary_kernel!($driver, |$x: i8, $y: i8| -> i8 { $signed }),
            DType::I16 => binary_kernel!($driver, |$x: i16, $y: i16| -> i16 { $signed }),
            DType::I32 => binary_kernel!($driver, |$x: i32, $y: i32| -> i32 { $signed }),
            DType::I64 => binary_kernel!($driver, |$x: i64, $y: i64| -> i64 { $signed }),
            DType::U8 => binary_kernel!($driver, |$x: u8, $y: u8| -> u8 { $unsigned }),
            DType::U16 => binary_kernel!($driver, |$x: u16, $y: u16| -> u16 { $unsigned }),
            DType::U32 => binary_kernel!($driver, |$x: u32, $y: u32| -> u32 { $unsigned }),
            DType::U64 => binary_kernel!($driver, |$x: u64, $y: u64| -> u64 { $unsigned }),
            _ => return None,
        })
    };
}

/// Greatest common divisor by Euclid's algorithm, on magnitudes so that the most negative integer is no special case.
fn gcd(mut x: u64, mut y: u64) -> u64 {
    while y != 0 {
        (x, y) = (y, x % y);
    }
    x
}

fn lcm(x: u64, y: u64) -> u64 {
    if x == 0 || y == 0 { 0 } else { (x / gcd(x, y)).wrapping_mul(y) }
}

/// Power by squaring, modulo 2^64; its low bits are the power modulo any smaller width.
fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut result = 1u64;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    result
}

/// Power of signed integers; a negative exponent is noted in the context.
macro_rules! signed_power {
    ($type:ty) => {{
        struct Power;
        impl Binary for Power {
            type A = $type;
            type B = $type;
            type O = $type;
            fn apply(x: $type, y: $type) -> $type {
                power(x as u64, y.max(0) as u64) as $type
            }
        }
        unsafe fn checked(context: &Context, inputs: &[View], out: *mut u8, count: usize) {
            let exponents = inputs[1].start.cast::<$type>();
            for i in 0..count {
                // SAFETY: the kernel's contract; a step of 0 reads the first element again.
                if unsafe { exponents.add(i * inputs[1].step).read() } < 0 {
                    context.negative_power.set(true);
                }
            }
            // SAFETY: handed on.
            unsafe { binary_plain::<Power>(context, inputs, out, count) }
        }
        checked as Kernel
    }};
}

/// Loops whose output has the inputs' type.
pub(super) fn find(code: OpCode, dtype: DType) -> Option<Kernel> {
    match code {
        OpCode::FloorDivide => integers!(
            binary_plain,
            dtype,
            |x, y| {
                if y == 0 {
                    0
                } else {
                    let quotient = x.wrapping_div(y);
                    if (x < 0) != (y < 0) && quotient.wrapping_mul(y) != x { quotient - 1 } else { quotient }
                }
            },
            x.checked_div(y).unwrap_or(0)
        ),
        OpCode::Remainder => integers!(
            binary_plain,
            dtype,
            |x, y| {
                if y == 0 {
                    0
                } else {
                    let modulus = x.wrapping_rem(y);
                    if modulus != 0 && (modulus < 0) != (y < 0) { modulus + y } else { modulus }
                }
            },
            x.checked_rem(y).unwrap_or(0)
        ),
        OpCode::Fmod => integers!(
            binary_plain,
            dtype,
            |x, y| if y == 0 { 0 } else { x.wrapping_rem(y) },
            x.checked_rem(y).unwrap_or(0)
        ),
        OpCode::Power => Some(match dtype {
            DType::I8 => signed_power!(i8),
            DType::I16 => signed_power!(i16),
            DType::I32 => signed_power!(i32),
            DType::I64 => signed_power!(i64),
            DType::U8 => binary_kernel!(binary_plain, |x: u8, y: u8| -> u8 { power(x.into(), y.into()) as u8 }),
            DType::U16 => binary_kernel!(binary_plain, |x: u16, y: u16| -> u16 { power(x.into(), y.into()) as u16 }),
            DType::U32 => binary_kernel!(binary_plain, |x: u32, y: u32| -> u32 { power(x.into(), y.into()) as u32 }),
            DType::U64 => binary_kernel!(binary_plain, |x: u64, y: u64| -> u64 { power(x, y) }),
            _ => return None,
        }),
        OpCode::Gcd => integers!(
            binary_plain,
            dtype,
            |x, y| gcd(u64::from(x.unsigned_abs()), u64::from(y.unsigned_abs())) as _,
            gcd(u64::from(x), u64::from(y)) as _
        ),
        OpCode::Lcm => integers!(
            binary_plain,
            dtype,
            |x, y| lcm(u64::from(x.unsigned_abs()), u64::from(y.unsigned_abs())) as _,
            lcm(u64::from(x), u64::from(y)) as _
        ),
        OpCode::LeftShift if dtype != DType::Bool => {
            by_width!(dtype, |x, y| if u64::from(y) < u64::from(x.count_zeros() + x.count_ones()) { x << y } else { 0 })
        }
        OpCode::RightShift => integers!(
            binary,
            dtype,
            |x, y| {
                let last = (x.count_zeros() + x.count_ones() - 1) as _;
                if y >= 0 && y < last { x >> y } else { x >> last }
            },
            if u64::from(y) < u64::from(x.count_zeros() + x.count_ones()) { x >> y } else { 0 }
        ),
        OpCode::BitwiseAnd => by_width!(dtype, |x, y| x & y),
        OpCode::BitwiseOr => by_width!(dtype, |x, y| x | y),
        OpCode::BitwiseXor => by_width!(dtype, |x, y| x ^ y),
        OpCode::Invert => Some(match dtype {
            DType::Bool => unary_kernel!(|x: u8| -> u8 { x ^ 1 }),
            DType::I8 | DType::U8 => unary_kernel!(|x: u8| -> u8 { !x }),
            DType::I16 | DType::U16 => unary_kernel!(|x: u16| -> u16 { !x }),
            DType::I32 | DType::U32 => unary_kernel!(|x: u32| -> u32 { !x }),
            DType::I64 | DType::U64 => unary_kernel!(|x: u64| -> u64 { !x }),
            _ => return None,
        }),
        _ => None,
    }
}
