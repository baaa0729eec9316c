//! `Scalar`: a constant of any native element type, at full width, and its stored form.
// `unsafe` is allowed here: constants are copied byte by byte into raw tile memory.
#![allow(unsafe_code)]

use half::f16;
use raskr_base::DType;
use serde::{Deserialize, Serialize};

/// A number before it is stored as some element type.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Scalar {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    C128(f64, f64),
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Scalar {
        Scalar::Bool(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Scalar {
        Scalar::I64(value)
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Scalar {
        Scalar::F64(value)
    }
}

impl Scalar {
    /// The real part as a double.
    pub fn as_f64(self) -> f64 {
        match self {
            Scalar::Bool(value) => f64::from(u8::from(value)),
            Scalar::I64(value) => value as f64,
            Scalar::U64(value) => value as f64,
            Scalar::F64(value) | Scalar::C128(value, _) => value,
        }
    }

    /// The value as an integer modulo 2^64; floats are cut towards zero.
    pub fn as_i64(self) -> i64 {
        match self {
            Scalar::Bool(value) => i64::from(value),
            Scalar::I64(value) => value,
            Scalar::U64(value) => value as i64,
            Scalar::F64(value) | Scalar::C128(value, _) => {
                if value >= 9223372036854775808.0 {
                    value as u64 as i64
                } else {
                    value as i64
                }
            }
        }
    }

    fn is_true(self) -> bool {
        match self {
            Scalar::Bool(value) => value,
            Scalar::I64(value) => value != 0,
            Scalar::U64(value) => value != 0,
            Scalar::F64(value) => value != 0.0,
            Scalar::C128(re, im) => re != 0.0 || im != 0.0,
        }
    }

    pub(crate) fn imaginary(self) -> f64 {
        if let Scalar::C128(_, im) = self { im } else { 0.0 }
    }

    /// The value as an element of `dtype`.
    pub(crate) fn store(self, dtype: DType) -> Bits {
        let bits = match dtype.storage() {
            DType::Bool => u128::from(self.is_true()),
            DType::I8 | DType::U8 => u128::from(self.as_i64() as u8),
            DType::I16 | DType::U16 => u128::from(self.as_i64() as u16),
            DType::I32 | DType::U32 => u128::from(self.as_i64() as u32),
            DType::F16 => u128::from(f16::from_f64(self.as_f64()).to_bits()),
            DType::F32 => u128::from(self.as_single().to_bits()),
            DType::F64 => u128::from(self.as_f64().to_bits()),
            DType::C64 => {
                u128::from(self.as_single().to_bits()) | u128::from((self.imaginary() as f32).to_bits()) << 32
            }
            DType::C128 => u128::from(self.as_f64().to_bits()) | u128::from(self.imaginary().to_bits()) << 64,
            _ => u128::from(self.as_i64() as u64),
        };
        Bits(bits)
    }

    /// Integers are rounded once, not through a double.
    fn as_single(self) -> f32 {
        match self {
            Scalar::I64(value) => value as f32,
            Scalar::U64(value) => value as f32,
            other => other.as_f64() as f32,
        }
    }
}

/// One element as its type stores it, in the low bytes: comparable and hashable where floats are not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Bits(pub u128);

impl Bits {
    /// The number that the bits are as an element of `dtype`.
    pub fn load(self, dtype: DType) -> Scalar {
        let bits = self.0;
        match dtype.storage() {
            DType::Bool => Scalar::Bool(bits != 0),
            DType::I8 => Scalar::I64(i64::from(bits as i8)),
            DType::I16 => Scalar::I64(i64::from(bits as i16)),
            DType::I32 => Scalar::I64(i64::from(bits as i32)),
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Scalar::U64(bits as u64),
            DType::F16 => Scalar::F64(f16::from_bits(bits as u16).to_f64()),
            DType::F32 => Scalar::F64(f64::from(f32::from_bits(bits as u32))),
            DType::F64 => Scalar::F64(f64::from_bits(bits as u64)),
            DType::C64 => Scalar::C128(f32::from_bits(bits as u32).into(), f32::from_bits((bits >> 32) as u32).into()),
            DType::C128 => Scalar::C128(f64::from_bits(bits as u64), f64::from_bits((bits >> 64) as u64)),
            _ => Scalar::I64(bits as i64),
        }
    }

    /// Writes the element `count` times.
    ///
    /// # Safety
    /// `out` has room for that many elements of `dtype`.
    pub unsafe fn splat(self, dtype: DType, out: *mut u8, count: usize) {
        // SAFETY: the contract above.
        unsafe {
            match dtype.itemsize() {
                1 => out.write_bytes(self.0 as u8, count),
                2 => std::slice::from_raw_parts_mut(out.cast::<u16>(), count).fill(self.0 as u16),
                4 => std::slice::from_raw_parts_mut(out.cast::<u32>(), count).fill(self.0 as u32),
                8 => std::slice::from_raw_parts_mut(out.cast::<u64>(), count).fill(self.0 as u64),
                _ => {
                    let halves = [self.0 as u64, (self.0 >> 64) as u64];
                    std::slice::from_raw_parts_mut(out.cast::<[u64; 2]>(), count).fill(halves);
                }
            }
        }
    }

    /// Reads one element.
    ///
    /// # Safety
    /// `start` points to an element of `dtype`.
    pub unsafe fn read(dtype: DType, start: *const u8) -> Bits {
        let mut bytes = [0u8; 16];
        // SAFETY: no element is wider than 16 bytes; raskr runs on little-endian machines only.
        unsafe { std::ptr::copy_nonoverlapping(start, bytes.as_mut_ptr(), dtype.itemsize()) };
        Bits(u128::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_scalars_come_back() {
        for (dtype, value) in [
            (DType::I8, Scalar::I64(-3)),
            (DType::U64, Scalar::U64(u64::MAX)),
            (DType::F32, Scalar::F64(0.5)),
            (DType::C64, Scalar::C128(1.5, -2.0)),
            (DType::C128, Scalar::C128(0.1, 0.2)),
            (DType::Bool, Scalar::Bool(true)),
        ] {
            assert_eq!(value.store(dtype).load(dtype), value);
        }
        assert_eq!(Scalar::F64(-1.5).store(DType::U8), Bits(255));
    }
}
