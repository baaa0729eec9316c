//! NumPy's promotion: the element type in which arrays and plain numbers meet.

use raskr_array::ArrayError;
use raskr_base::DType;
use raskr_kernels::program::Scalar;

/// Integers of as many bytes, signed.
fn signed(bytes: usize) -> DType {
    match bytes {
        1 => DType::I8,
        2 => DType::I16,
        4 => DType::I32,
        _ => DType::I64,
    }
}

/// The smallest float that holds all numbers of a type, as NumPy sees it.
pub(super) fn float_for(dtype: DType) -> DType {
    match dtype {
        DType::Bool | DType::I8 | DType::U8 | DType::F16 => DType::F16,
        DType::I16 | DType::U16 | DType::F32 | DType::C64 => DType::F32,
        _ => DType::F64,
    }
}

/// The type to which elements of both are converted; `None` where NumPy has none or raskr needs units.
pub(super) fn promote(a: DType, b: DType) -> Option<DType> {
    if a == b {
        return Some(a);
    }
    if a.is_time() || b.is_time() {
        return None;
    }
    let wider = |x: DType, y: DType| if x.itemsize() >= y.itemsize() { x } else { y };
    Some(match (a, b) {
        (DType::Bool, other) | (other, DType::Bool) => other,
        (a, b) if a.is_complex() || b.is_complex() => match wider(float_for(a), float_for(b)) {
            DType::F64 => DType::C128,
            _ => DType::C64,
        },
        (a, b) if a.is_float() || b.is_float() => wider(float_for(a), float_for(b)),
        (a, b) if a.is_signed_integer() == b.is_signed_integer() => wider(a, b),
        (a, b) => {
            let (with_sign, without) = if a.is_signed_integer() { (a, b) } else { (b, a) };
            if with_sign.itemsize() > without.itemsize() {
                with_sign
            } else if without == DType::U64 {
                DType::F64
            } else {
                signed(without.itemsize() * 2)
            }
        }
    })
}

/// The type of a plain number on its own.
pub(super) fn own_type(scalar: Scalar) -> DType {
    match scalar {
        Scalar::Bool(_) => DType::Bool,
        Scalar::I64(_) => DType::I64,
        Scalar::U64(_) => DType::U64,
        Scalar::F64(_) => DType::F64,
        Scalar::C128(..) => DType::C128,
    }
}

/// Plain numbers are weak: they change the kind of an array's type (integers to floats), not its width.
pub(super) fn with_scalar(operation: &'static str, dtype: DType, scalar: Scalar) -> Result<DType, ArrayError> {
    match scalar {
        Scalar::I64(value) if dtype.is_integer() => {
            let bits = dtype.itemsize() as u32 * 8;
            let fits = if dtype == DType::U64 {
                value >= 0
            } else if dtype.is_unsigned_integer() {
                (0..1i64 << bits).contains(&value)
            } else {
                value >= i64::MIN >> (64 - bits) && value <= i64::MAX >> (64 - bits)
            };
            if fits {
                return Ok(dtype);
            }
            Err(ArrayError::Unexpected {
                operation,
                expected: format!("an integer that {dtype} can hold"),
                got: value.to_string(),
            })
        }
        Scalar::I64(_) if dtype.is_float() || dtype.is_complex() => Ok(dtype),
        Scalar::F64(_) if dtype.is_float() || dtype.is_complex() => Ok(dtype),
        Scalar::F64(_) if dtype.is_integer() || dtype == DType::Bool => Ok(DType::F64),
        scalar => promote(dtype, own_type(scalar)).ok_or_else(|| ArrayError::NoLoop {
            operation: operation.to_owned(),
            types: format!("{dtype}, {}", own_type(scalar)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_is_numpys() {
        use DType::*;
        for (a, b, both) in [
            (I8, U8, I16),
            (I64, U64, F64),
            (U32, I32, I64),
            (I64, F32, F64),
            (I16, F16, F32),
            (Bool, F16, F16),
            (C64, F64, C128),
            (C64, I64, C128),
            (C64, F32, C64),
            (U8, U32, U32),
        ] {
            assert_eq!(promote(a, b), Some(both), "{a} {b}");
            assert_eq!(promote(b, a), Some(both), "{b} {a}");
        }
    }

    #[test]
    fn plain_numbers_are_weak() {
        let with = |dtype, scalar| with_scalar("add", dtype, scalar).ok();
        assert_eq!(with(DType::I8, Scalar::I64(-128)), Some(DType::I8));
        assert_eq!(with(DType::I8, Scalar::I64(128)), None);
        assert_eq!(with(DType::U8, Scalar::I64(255)), Some(DType::U8));
        assert_eq!(with(DType::U8, Scalar::I64(-1)), None);
        assert_eq!(with(DType::U64, Scalar::I64(i64::MAX)), Some(DType::U64));
        assert_eq!(with(DType::F32, Scalar::F64(0.1)), Some(DType::F32));
        assert_eq!(with(DType::I32, Scalar::F64(0.1)), Some(DType::F64));
        assert_eq!(with(DType::Bool, Scalar::I64(2)), Some(DType::I64));
    }
}
