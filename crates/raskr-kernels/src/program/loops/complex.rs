//! Arithmetic and functions of complex numbers.

use num_complex::{Complex, Complex32, Complex64};
use num_traits::Float;
use raskr_base::DType;

use crate::program::kernel::{Kernel, binary_kernel, unary_kernel};
use crate::program::opcode::OpCode;

macro_rules! complex_binary {
    ($dtype:expr, |$x:ident, $y:ident| $body:expr) => {
        Some(match $dtype {
            DType::C64 => binary_kernel!(|$x: Complex32, $y: Complex32| -> Complex32 { $body }),
            DType::C128 => binary_kernel!(|$x: Complex64, $y: Complex64| -> Complex64 { $body }),
            _ => return None,
        })
    };
}

macro_rules! complex_unary {
    ($driver:ident, $dtype:expr, |$x:ident| $body:expr) => {
        Some(match $dtype {
            DType::C64 => unary_kernel!($driver, |$x: Complex32| -> Complex32 { $body }),
            DType::C128 => unary_kernel!($driver, |$x: Complex64| -> Complex64 { $body }),
            _ => return None,
        })
    };
}

macro_rules! complex_to_real {
    ($driver:ident, $dtype:expr, |$x:ident| $body:expr) => {
        Some(match $dtype {
            DType::C64 => unary_kernel!($driver, |$x: Complex32| -> f32 { $body }),
            DType::C128 => unary_kernel!($driver, |$x: Complex64| -> f64 { $body }),
            _ => return None,
        })
    };
}

macro_rules! complex_predicate {
    ($dtype:expr, |$x:ident| $body:expr) => {
        Some(match $dtype {
            DType::C64 => unary_kernel!(|$x: Complex32| -> u8 { u8::from($body) }),
            DType::C128 => unary_kernel!(|$x: Complex64| -> u8 { u8::from($body) }),
            _ => return None,
        })
    };
}

/// Smith's division ("Algorithm 116: Complex division", 1962), which does not overflow where the quotient does not.
fn divide<T: Float>(x: Complex<T>, y: Complex<T>) -> Complex<T> {
    let (re, im) = (y.re.abs(), y.im.abs());
    if re >= im {
        if re == T::zero() && im == T::zero() {
            return Complex::new(x.re / re, x.im / re);
        }
        let ratio = y.im / y.re;
        let scale = T::one() / (y.re + y.im * ratio);
        Complex::new((x.re + x.im * ratio) * scale, (x.im - x.re * ratio) * scale)
    } else {
        let ratio = y.re / y.im;
        let scale = T::one() / (y.im + y.re * ratio);
        Complex::new((x.re * ratio + x.im) * scale, (x.im * ratio - x.re) * scale)
    }
}

/// The principal root, in the quadrant that the imaginary part's sign says.
fn sqrt<T: Float>(x: Complex<T>) -> Complex<T> {
    let half = T::one() / (T::one() + T::one());
    if x.re == T::zero() && x.im == T::zero() {
        return Complex::new(T::zero(), x.im);
    }
    if x.im.is_infinite() {
        return Complex::new(T::infinity(), x.im);
    }
    if x.re.is_infinite() {
        let (low, high) = (if x.im.is_nan() { x.im } else { T::zero() }, x.re.abs());
        return if x.re > T::zero() {
            Complex::new(high, low.copysign(x.im))
        } else {
            Complex::new(low, high.copysign(x.im))
        };
    }
    let root = ((x.re.abs() + x.re.hypot(x.im)) * half).sqrt();
    if x.re >= T::zero() {
        Complex::new(root, x.im * half / root)
    } else {
        Complex::new(x.im.abs() * half / root, root.copysign(x.im))
    }
}

fn exp<T: Float>(x: Complex<T>) -> Complex<T> {
    let scale = x.re.exp();
    if x.im == T::zero() {
        return Complex::new(scale, x.im);
    }
    if scale == T::zero() && !x.im.is_finite() {
        return Complex::new(T::zero(), T::zero());
    }
    let (sin, cos) = x.im.sin_cos();
    Complex::new(scale * cos, scale * sin)
}

/// Loops whose output has the input's type.
pub(super) fn find(code: OpCode, dtype: DType) -> Option<Kernel> {
    match code {
        OpCode::Add => complex_binary!(dtype, |x, y| x + y),
        OpCode::Subtract => complex_binary!(dtype, |x, y| x - y),
        OpCode::Multiply => {
            complex_binary!(dtype, |x, y| Complex::new(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re))
        }
        OpCode::Divide => complex_binary!(dtype, |x, y| divide(x, y)),
        OpCode::Negative => complex_unary!(unary, dtype, |x| -x),
        OpCode::Conjugate => complex_unary!(unary, dtype, |x| x.conj()),
        OpCode::Reciprocal => complex_unary!(unary_plain, dtype, |x| divide(Complex::new(1.0, 0.0), x)),
        OpCode::Sqrt => complex_unary!(unary_plain, dtype, |x| sqrt(x)),
        OpCode::Exp => complex_unary!(unary_plain, dtype, |x| exp(x)),
        OpCode::Log => complex_unary!(unary_plain, dtype, |x| Complex::new(x.re.hypot(x.im).ln(), x.im.atan2(x.re))),
        _ => None,
    }
}

/// Loops whose output is the real type of the same precision.
pub(super) fn find_real(code: OpCode, dtype: DType) -> Option<Kernel> {
    match code {
        OpCode::Absolute => complex_to_real!(unary_plain, dtype, |x| x.re.hypot(x.im)),
        OpCode::Angle => complex_to_real!(unary_plain, dtype, |x| x.im.atan2(x.re)),
        OpCode::Real => complex_to_real!(unary, dtype, |x| x.re),
        OpCode::Imag => complex_to_real!(unary, dtype, |x| x.im),
        _ => None,
    }
}

/// Loops that yield booleans.
pub(super) fn find_predicate(code: OpCode, dtype: DType) -> Option<Kernel> {
    match code {
        OpCode::Equal => Some(match dtype {
            DType::C64 => binary_kernel!(|x: Complex32, y: Complex32| -> u8 { u8::from(x == y) }),
            DType::C128 => binary_kernel!(|x: Complex64, y: Complex64| -> u8 { u8::from(x == y) }),
            _ => return None,
        }),
        OpCode::IsNan => complex_predicate!(dtype, |x| x.re.is_nan() || x.im.is_nan()),
        OpCode::IsInf => complex_predicate!(dtype, |x| x.re.is_infinite() || x.im.is_infinite()),
        OpCode::IsFinite => complex_predicate!(dtype, |x| x.re.is_finite() && x.im.is_finite()),
        _ => None,
    }
}
