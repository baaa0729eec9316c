//! What block kernels need of an element: wrapping arithmetic, and an order that knows NaN and not-a-time.

use half::f16;
use num_complex::{Complex, Complex32, Complex64};
use raskr_base::{Chunk, DType, Element};

use crate::error::KernelError;

/// Arithmetic of an element type; integers wrap around, as NumPy's do.
pub trait Number: Element {
    const ZERO: Self;
    const ONE: Self;
    /// NaN where the type has one.
    const NAN_OR_ZERO: Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// Not a number: what NaN-skipping functions leave out.
    fn is_nan(self) -> bool;
    /// NumPy's order of numbers; false when either is not a number. Complex numbers compare by real, then imaginary part.
    fn less(self, other: Self) -> bool;
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Number for $type {
            const ZERO: Self = 0;
            const ONE: Self = 1;
            const NAN_OR_ZERO: Self = 0;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }

            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self < other
            }
        }
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! floats {
    ($($type:ty, $zero:expr, $one:expr);*) => {$(
        impl Number for $type {
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            const NAN_OR_ZERO: Self = <$type>::NAN;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                <$type>::is_nan(self)
            }

            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self < other
            }
        }
    )*};
}
floats!(f16, f16::ZERO, f16::ONE; f32, 0.0, 1.0; f64, 0.0, 1.0);

macro_rules! complex {
    ($($type:ty: $part:ty),*) => {$(
        impl Number for $type {
            const ZERO: Self = Complex { re: 0.0, im: 0.0 };
            const ONE: Self = Complex { re: 1.0, im: 0.0 };
            const NAN_OR_ZERO: Self = Complex { re: <$part>::NAN, im: <$part>::NAN };

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.re.is_nan() || self.im.is_nan()
            }

            #[inline(always)]
            fn less(self, other: Self) -> bool {
                !Number::is_nan(self)
                    && !Number::is_nan(other)
                    && (self.re < other.re || (self.re == other.re && self.im < other.im))
            }
        }
    )*};
}
complex!(Complex32: f32, Complex64: f64);

/// How elements of a type are ordered. A trait of its own because dates share `i64` with numbers but have a NaN.
pub trait Order<T>: Copy {
    /// Does the type's own addition keep what is not a number?
    const NAN_ADDS: bool;
    fn is_nan(x: T) -> bool;
    /// Is a before b? False when either is not a number.
    fn less(a: T, b: T) -> bool;
}

/// The order of [`Number::less`].
#[derive(Clone, Copy)]
pub struct Plain;

impl<T: Number> Order<T> for Plain {
    const NAN_ADDS: bool = true;

    #[inline(always)]
    fn is_nan(x: T) -> bool {
        Number::is_nan(x)
    }

    #[inline(always)]
    fn less(a: T, b: T) -> bool {
        a.less(b)
    }
}

/// The order of dates and durations, whose smallest integer is not-a-time.
#[derive(Clone, Copy)]
pub struct Times;

impl Order<i64> for Times {
    const NAN_ADDS: bool = false;

    #[inline(always)]
    fn is_nan(x: i64) -> bool {
        x == i64::MIN
    }

    #[inline(always)]
    fn less(a: i64, b: i64) -> bool {
        a < b && a != i64::MIN && b != i64::MIN
    }
}

/// Evaluates `$body` with `$T` standing for the element type and `$O` for its [`Order`].
macro_rules! with_order {
    ($dtype:expr, $T:ident, $O:ident => $body:expr) => {
        match $dtype {
            raskr_base::DType::DateTime(_) | raskr_base::DType::TimeDelta(_) => {
                type $T = i64;
                type $O = $crate::blocks::number::Times;
                $body
            }
            other => $crate::blocks::number::with_number!(other, $T => {
                type $O = $crate::blocks::number::Plain;
                $body
            }),
        }
    };
}
pub(crate) use with_order;

/// Evaluates `$body` with `$T` standing for the Rust type that stores the element type.
macro_rules! with_number {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            raskr_base::DType::Bool | raskr_base::DType::U8 => {
                type $T = u8;
                $body
            }
            raskr_base::DType::I8 => {
                type $T = i8;
                $body
            }
            raskr_base::DType::I16 => {
                type $T = i16;
                $body
            }
            raskr_base::DType::I32 => {
                type $T = i32;
                $body
            }
            raskr_base::DType::I64 | raskr_base::DType::DateTime(_) | raskr_base::DType::TimeDelta(_) => {
                type $T = i64;
                $body
            }
            raskr_base::DType::U16 => {
                type $T = u16;
                $body
            }
            raskr_base::DType::U32 => {
                type $T = u32;
                $body
            }
            raskr_base::DType::U64 => {
                type $T = u64;
                $body
            }
            raskr_base::DType::F16 => {
                type $T = half::f16;
                $body
            }
            raskr_base::DType::F32 => {
                type $T = f32;
                $body
            }
            raskr_base::DType::F64 => {
                type $T = f64;
                $body
            }
            raskr_base::DType::C64 => {
                type $T = num_complex::Complex32;
                $body
            }
            raskr_base::DType::C128 => {
                type $T = num_complex::Complex64;
                $body
            }
        }
    };
}
pub(crate) use with_number;

/// A block's shape seen from one axis: elements before it, along it, after it.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    pub outer: usize,
    pub len: usize,
    pub inner: usize,
}

impl Along {
    pub fn new(shape: &[usize], axis: usize) -> Result<Along, KernelError> {
        if axis >= shape.len() {
            return Err(KernelError::Axis { axis, ndim: shape.len() });
        }
        Ok(Along { outer: shape[..axis].iter().product(), len: shape[axis], inner: shape[axis + 1..].iter().product() })
    }
}

/// The elements of a chunk that is known to be contiguous and of the type.
pub fn dense<T: Element>(chunk: &Chunk) -> &[T] {
    chunk.as_slice::<T>().unwrap_or(&[])
}

/// Refuses an operand of another element type or shape.
pub fn expect_like(index: usize, chunk: &Chunk, dtype: DType, shape: &[usize]) -> Result<(), KernelError> {
    if chunk.dtype() == dtype && chunk.shape() == shape {
        return Ok(());
    }
    Err(KernelError::Operand {
        index,
        expected: format!("{dtype} of shape {shape:?}"),
        got: format!("{} of shape {:?}", chunk.dtype(), chunk.shape()),
    })
}
