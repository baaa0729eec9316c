//! Products of matrices and contractions of axes.

use std::panic::Location;
use std::sync::Arc;

use raskr_array::{ArrayError, Expr};

use super::promote::promote;
use super::{Array, Built, axis_of, native};

/// Sums of products over pairs of axes; the result has the other axes of `a`, then those of `b`.
///
/// ```
/// use raskr::array;
///
/// let a = array::arange(0, 6, 1, 4).reshape([2, 3]);
/// assert_eq!(array::tensordot(&a, &a, &[1], &[1]).to_vec::<i64>()?, [5, 14, 14, 50]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn tensordot(a: &Array, b: &Array, axes_a: &[i64], axes_b: &[i64]) -> Array {
    Array::combine(&[a, b], Location::caller(), |exprs| {
        let (a, b) = (&exprs[0], &exprs[1]);
        if axes_a.len() != axes_b.len() {
            return Err(ArrayError::WrongNumberOfAxes {
                operation: "tensordot",
                expected: axes_a.len(),
                got: axes_b.len(),
            });
        }
        let numbers = |axes: &[i64], expr: &Expr| -> Result<Vec<usize>, ArrayError> {
            axes.iter().map(|axis| axis_of("tensordot", *axis, expr.ndim())).collect()
        };
        contracted("tensordot", a, b, &numbers(axes_a, a)?, &numbers(axes_b, b)?)
    })
}

/// The product of two matrices, of a matrix and a vector, or of two vectors.
///
/// ```
/// use raskr::array;
///
/// let a = array::eye(3, 3, 0, 2) * 2;
/// let x = array::arange(0, 3, 1, 3);
/// assert_eq!(array::matmul(&a, &x).to_vec::<f64>()?, [0.0, 2.0, 4.0]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn matmul(a: &Array, b: &Array) -> Array {
    Array::combine(&[a, b], Location::caller(), |exprs| {
        let (a, b) = (&exprs[0], &exprs[1]);
        if !(1..=2).contains(&a.ndim()) || !(1..=2).contains(&b.ndim()) {
            return Err(ArrayError::Unexpected {
                operation: "matmul",
                expected: "arrays of one or two dimensions".to_owned(),
                got: format!("{} and {}", a.ndim(), b.ndim()),
            });
        }
        contracted("matmul", a, b, &[a.ndim() - 1], &[0])
    })
}

fn contracted(operation: &'static str, a: &Arc<Expr>, b: &Arc<Expr>, axes_a: &[usize], axes_b: &[usize]) -> Built {
    let (left, right) = (native(a), native(b));
    let dtype = promote(left, right)
        .ok_or_else(|| ArrayError::NoLoop { operation: operation.to_owned(), types: format!("{left}, {right}") })?;
    Expr::contract(a, b, axes_a, axes_b, dtype, operation)
}
