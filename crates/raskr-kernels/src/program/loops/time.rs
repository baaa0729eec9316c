//! Dates and durations: 64-bit counts whose lowest value is not-a-time and swallows every operation.

use raskr_base::DType;

use crate::program::kernel::{Kernel, binary_kernel, unary_kernel};
use crate::program::opcode::OpCode;

const NAT: i64 = i64::MIN;

/// The loop for these types and the type of its result.
pub(super) fn find(code: OpCode, inputs: &[DType]) -> Option<(DType, Kernel)> {
    use DType::{DateTime, TimeDelta};
    match (code, inputs) {
        (OpCode::Add, [a @ (DateTime(u) | TimeDelta(u)), TimeDelta(v)]) if u == v => Some((*a, sum())),
        (OpCode::Add, [TimeDelta(u), b @ DateTime(v)]) if u == v => Some((*b, sum())),
        (OpCode::Subtract, [DateTime(u), DateTime(v)]) if u == v => Some((TimeDelta(*u), difference())),
        (OpCode::Subtract, [a @ (DateTime(u) | TimeDelta(u)), TimeDelta(v)]) if u == v => Some((*a, difference())),
        (OpCode::Multiply, [a @ TimeDelta(_), DType::I64]) => {
            Some((*a, binary_kernel!(|x: i64, y: i64| -> i64 { if x == NAT { NAT } else { x.wrapping_mul(y) } })))
        }
        (OpCode::Divide, [TimeDelta(u), TimeDelta(v)]) if u == v => Some((
            DType::F64,
            binary_kernel!(|x: i64, y: i64| -> f64 {
                if x == NAT || y == NAT { f64::NAN } else { x as f64 / y as f64 }
            }),
        )),
        (OpCode::Negative, [a @ TimeDelta(_)]) => Some((*a, unary_kernel!(|x: i64| -> i64 { x.wrapping_neg() }))),
        (OpCode::Absolute, [a @ TimeDelta(_)]) => Some((*a, unary_kernel!(|x: i64| -> i64 { x.wrapping_abs() }))),
        (OpCode::Minimum | OpCode::Maximum | OpCode::Fmin | OpCode::Fmax, [a, b]) if a == b && a.is_time() => {
            Some((*a, extremum(code)?))
        }
        (_, [a, b]) if a == b && a.is_time() => Some((DType::Bool, comparison(code)?)),
        (OpCode::IsNat | OpCode::IsNan, [a]) if a.is_time() => {
            Some((DType::Bool, unary_kernel!(|x: i64| -> u8 { u8::from(x == NAT) })))
        }
        (OpCode::IsFinite, [a]) if a.is_time() => {
            Some((DType::Bool, unary_kernel!(|x: i64| -> u8 { u8::from(x != NAT) })))
        }
        _ => None,
    }
}

fn sum() -> Kernel {
    binary_kernel!(|x: i64, y: i64| -> i64 { if x == NAT || y == NAT { NAT } else { x.wrapping_add(y) } })
}

fn difference() -> Kernel {
    binary_kernel!(|x: i64, y: i64| -> i64 { if x == NAT || y == NAT { NAT } else { x.wrapping_sub(y) } })
}

fn comparison(code: OpCode) -> Option<Kernel> {
    Some(match code {
        OpCode::Equal => binary_kernel!(|x: i64, y: i64| -> u8 { u8::from(x == y && x != NAT) }),
        OpCode::NotEqual => binary_kernel!(|x: i64, y: i64| -> u8 { u8::from(x != y || x == NAT) }),
        OpCode::Less => binary_kernel!(|x: i64, y: i64| -> u8 { u8::from(x < y && x != NAT) }),
        OpCode::LessEqual => binary_kernel!(|x: i64, y: i64| -> u8 { u8::from(x <= y && x != NAT) }),
        _ => return None,
    })
}

fn extremum(code: OpCode) -> Option<Kernel> {
    Some(match code {
        OpCode::Minimum => binary_kernel!(|x: i64, y: i64| -> i64 { x.min(y) }),
        OpCode::Maximum => {
            binary_kernel!(|x: i64, y: i64| -> i64 { if x == NAT || y == NAT { NAT } else { x.max(y) } })
        }
        OpCode::Fmin => binary_kernel!(|x: i64, y: i64| -> i64 {
            if x == NAT {
                y
            } else if y == NAT {
                x
            } else {
                x.min(y)
            }
        }),
        OpCode::Fmax => binary_kernel!(|x: i64, y: i64| -> i64 { x.max(y) }),
        _ => return None,
    })
}
