//! Native element types: what a chunk may hold without asking Python.

use std::fmt;

use half::f16;
use num_complex::{Complex32, Complex64};
use serde::{Deserialize, Serialize};

/// The unit of a date or a duration, as NumPy names them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimeUnit {
    Generic,
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Picosecond,
    Femtosecond,
    Attosecond,
}

impl TimeUnit {
    pub const ALL: [TimeUnit; 14] = [
        TimeUnit::Generic,
        TimeUnit::Year,
        TimeUnit::Month,
        TimeUnit::Week,
        TimeUnit::Day,
        TimeUnit::Hour,
        TimeUnit::Minute,
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
        TimeUnit::Picosecond,
        TimeUnit::Femtosecond,
        TimeUnit::Attosecond,
    ];

    /// NumPy's code for the unit: `ns` in `datetime64[ns]`; empty for a generic unit.
    pub fn code(self) -> &'static str {
        match self {
            TimeUnit::Generic => "",
            TimeUnit::Year => "Y",
            TimeUnit::Month => "M",
            TimeUnit::Week => "W",
            TimeUnit::Day => "D",
            TimeUnit::Hour => "h",
            TimeUnit::Minute => "m",
            TimeUnit::Second => "s",
            TimeUnit::Millisecond => "ms",
            TimeUnit::Microsecond => "us",
            TimeUnit::Nanosecond => "ns",
            TimeUnit::Picosecond => "ps",
            TimeUnit::Femtosecond => "fs",
            TimeUnit::Attosecond => "as",
        }
    }

    pub fn from_code(code: &str) -> Option<TimeUnit> {
        TimeUnit::ALL.into_iter().find(|unit| unit.code() == code)
    }
}

/// A native element type, always in the machine's byte order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
    /// Two `f32`: NumPy's `complex64`.
    C64,
    /// Two `f64`: NumPy's `complex128`.
    C128,
    /// Counts of a unit since 1970 in an `i64`; `i64::MIN` is not-a-time.
    DateTime(TimeUnit),
    /// Counts of a unit in an `i64`; `i64::MIN` is not-a-time.
    TimeDelta(TimeUnit),
}

impl DType {
    /// Bytes of one element.
    pub const fn itemsize(self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 | DType::F16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 | DType::C64 | DType::DateTime(_) | DType::TimeDelta(_) => 8,
            DType::C128 => 16,
        }
    }

    pub const fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::F32 | DType::F64)
    }

    pub const fn is_complex(self) -> bool {
        matches!(self, DType::C64 | DType::C128)
    }

    pub const fn is_signed_integer(self) -> bool {
        matches!(self, DType::I8 | DType::I16 | DType::I32 | DType::I64)
    }

    pub const fn is_unsigned_integer(self) -> bool {
        matches!(self, DType::U8 | DType::U16 | DType::U32 | DType::U64)
    }

    pub const fn is_integer(self) -> bool {
        self.is_signed_integer() || self.is_unsigned_integer()
    }

    pub const fn is_time(self) -> bool {
        matches!(self, DType::DateTime(_) | DType::TimeDelta(_))
    }

    /// The type whose arithmetic serves this one's storage: dates and durations are stored as `i64`.
    pub const fn storage(self) -> DType {
        match self {
            DType::DateTime(_) | DType::TimeDelta(_) => DType::I64,
            other => other,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            DType::Bool => "bool",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::F16 => "float16",
            DType::F32 => "float32",
            DType::F64 => "float64",
            DType::C64 => "complex64",
            DType::C128 => "complex128",
            DType::DateTime(TimeUnit::Generic) => "datetime64",
            DType::TimeDelta(TimeUnit::Generic) => "timedelta64",
            DType::DateTime(unit) => return write!(f, "datetime64[{}]", unit.code()),
            DType::TimeDelta(unit) => return write!(f, "timedelta64[{}]", unit.code()),
        };
        f.write_str(name)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is stored in chunks. Every bit pattern that raskr writes is valid for it; `bool` is stored as a
/// `u8` of 0 or 1, so `u8` serves both [`DType::U8`] and [`DType::Bool`].
pub trait Element: sealed::Sealed + Copy + Send + Sync + Default + PartialEq + fmt::Debug + 'static {
    const DTYPE: DType;

    /// May elements of this Rust type stand for `dtype`?
    fn stores(dtype: DType) -> bool {
        dtype.storage() == Self::DTYPE
    }
}

macro_rules! element {
    ($($type:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
        }
    )*};
}
element!(i8 => I8, i16 => I16, i32 => I32, i64 => I64, u16 => U16, u32 => U32, u64 => U64,
         f16 => F16, f32 => F32, f64 => F64, Complex32 => C64, Complex64 => C128);

impl sealed::Sealed for u8 {}
impl Element for u8 {
    const DTYPE: DType = DType::U8;

    fn stores(dtype: DType) -> bool {
        matches!(dtype, DType::U8 | DType::Bool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numpys() {
        assert_eq!(DType::C128.to_string(), "complex128");
        assert_eq!(DType::DateTime(TimeUnit::Nanosecond).to_string(), "datetime64[ns]");
    }

    #[test]
    fn unit_codes_round_trip() {
        for unit in TimeUnit::ALL {
            assert_eq!(TimeUnit::from_code(unit.code()), Some(unit));
        }
    }
}
