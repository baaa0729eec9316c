//! What factorisations need of an element, and the short loops that they spend their time in outside of products.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use faer::traits::ComplexField;
use num_complex::{Complex32, Complex64};
use num_traits::Float;
use pulp::{Arch, Simd, WithSimd};
use raskr_base::Element;

/// An element type of matrices.
pub trait Scalar:
    Element
    + ComplexField
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// The type of its absolute value.
    type Size: Float + Element;
    const NOTHING: Self;
    const UNIT: Self;
    fn new(real: Self::Size, imaginary: Self::Size) -> Self;
    fn real_part(self) -> Self::Size;
    fn imaginary_part(self) -> Self::Size;
    fn conjugate(self) -> Self;
    /// The square of the absolute value.
    fn square(self) -> Self::Size;
}

macro_rules! real {
    ($($type:ty),*) => {$(
        impl Scalar for $type {
            type Size = $type;
            const NOTHING: Self = 0.0;
            const UNIT: Self = 1.0;

            #[inline(always)]
            fn new(real: $type, _imaginary: $type) -> Self {
                real
            }

            #[inline(always)]
            fn real_part(self) -> $type {
                self
            }

            #[inline(always)]
            fn imaginary_part(self) -> $type {
                0.0
            }

            #[inline(always)]
            fn conjugate(self) -> Self {
                self
            }

            #[inline(always)]
            fn square(self) -> $type {
                self * self
            }
        }
    )*};
}
real!(f32, f64);

macro_rules! complex {
    ($($type:ty => $part:ty),*) => {$(
        impl Scalar for $type {
            type Size = $part;
            const NOTHING: Self = <$type>::new(0.0, 0.0);
            const UNIT: Self = <$type>::new(1.0, 0.0);

            #[inline(always)]
            fn new(real: $part, imaginary: $part) -> Self {
                <$type>::new(real, imaginary)
            }

            #[inline(always)]
            fn real_part(self) -> $part {
                self.re
            }

            #[inline(always)]
            fn imaginary_part(self) -> $part {
                self.im
            }

            #[inline(always)]
            fn conjugate(self) -> Self {
                self.conj()
            }

            #[inline(always)]
            fn square(self) -> $part {
                self.norm_sqr()
            }
        }
    )*};
}
complex!(Complex32 => f32, Complex64 => f64);

/// A loop compiled for each width of vectors; see `program/kernel.rs` for why it is `FnMut`.
struct Widest<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Widest<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Runs a loop with the widest vectors of the machine. The closure must be marked `#[inline(always)]`.
#[inline(always)]
pub fn widest<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Widest(work))
}

/// Sums run in so many lanes, always, so that results don't depend on the machine's vectors.
const LANES: usize = 16;

/// The sum of conj(a) b.
#[inline(always)]
pub fn dot<T: Scalar>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::NOTHING; LANES];
    let (a_groups, a_rest) = a.as_chunks::<LANES>();
    let (b_groups, b_rest) = b.as_chunks::<LANES>();
    for (xs, ys) in a_groups.iter().zip(b_groups) {
        for (sum, (x, y)) in sums.iter_mut().zip(xs.iter().zip(ys)) {
            *sum += x.conjugate() * *y;
        }
    }
    let mut total = T::NOTHING;
    for (x, y) in a_rest.iter().zip(b_rest) {
        total += x.conjugate() * *y;
    }
    for sum in sums {
        total += sum;
    }
    total
}

/// b -= factor a.
#[inline(always)]
pub fn subtract<T: Scalar>(b: &mut [T], factor: T, a: &[T]) {
    for (y, x) in b.iter_mut().zip(a) {
        *y -= factor * *x;
    }
}

/// The Euclidean length, also where squares are beyond the numbers there are.
#[inline(always)]
pub fn length<T: Scalar>(values: &[T]) -> T::Size {
    let zero = <T::Size as num_traits::Zero>::zero();
    let mut sums = [zero; LANES];
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for (sum, x) in sums.iter_mut().zip(group) {
            *sum = *sum + x.square();
        }
    }
    let mut total = rest.iter().fold(zero, |sum, x| sum + x.square());
    for sum in sums {
        total = total + sum;
    }
    let small = T::Size::min_positive_value() / T::Size::epsilon();
    if total.is_finite() && total > small {
        return total.sqrt();
    }
    scaled_length(values)
}

/// As [`length`], dividing by the largest element first.
#[cold]
fn scaled_length<T: Scalar>(values: &[T]) -> T::Size {
    let zero = <T::Size as num_traits::Zero>::zero();
    let largest = values.iter().fold(zero, |most, x| most.max(x.real_part().abs()).max(x.imaginary_part().abs()));
    let bad = values.iter().any(|x| x.real_part().is_nan() || x.imaginary_part().is_nan());
    if bad {
        return T::Size::nan();
    }
    if largest == zero || largest.is_infinite() {
        return largest;
    }
    let sum = values.iter().fold(zero, |sum, x| {
        let (a, b) = (x.real_part() / largest, x.imaginary_part() / largest);
        sum + a * a + b * b
    });
    largest * sum.sqrt()
}
