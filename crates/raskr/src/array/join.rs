//! Arrays put together: along an axis they have, or along a new one.

use std::panic::Location;
use std::sync::Arc;

use raskr_array::expr::Index;
use raskr_array::grid::{Axis, Grid, unify_axes};
use raskr_array::{ArrayError, Expr};

use super::promote::promote;
use super::{Array, Built, axis_of, native};

fn nothing(operation: &'static str) -> ArrayError {
    ArrayError::Unexpected { operation, expected: "at least one array".to_owned(), got: "none".to_owned() }
}

/// Arrays one after another along an axis; the other axes are equally long.
///
/// ```
/// use raskr::array;
///
/// let (a, b) = (array::zeros([2, 2], 1), array::ones([1, 2], 2));
/// assert_eq!(array::concatenate(&[&a, &b], 0).to_vec::<f64>()?, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn concatenate(arrays: &[&Array], axis: i64) -> Array {
    Array::combine(arrays, Location::caller(), |exprs| {
        let first = exprs.first().ok_or_else(|| nothing("concatenate"))?;
        let axis = axis_of("concatenate", axis, first.ndim())?;
        joined("concatenate", exprs, axis)
    })
}

/// Arrays of one shape along a new axis.
///
/// ```
/// use raskr::array;
///
/// let (a, b) = (array::arange(0, 2, 1, 2), array::arange(2, 4, 1, 2));
/// assert_eq!(array::stack(&[&a, &b], 1).to_vec::<i64>()?, [0, 2, 1, 3]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn stack(arrays: &[&Array], axis: i64) -> Array {
    Array::combine(arrays, Location::caller(), |exprs| {
        let first = exprs.first().ok_or_else(|| nothing("stack"))?;
        let axis = axis_of("stack", axis, first.ndim() + 1)?;
        let raised = exprs
            .iter()
            .map(|expr| {
                if expr.ndim() != first.ndim() {
                    return Err(unlike("stack", first, expr));
                }
                let mut index = vec![Index::All; expr.ndim()];
                index.insert(axis, Index::New);
                expr.index(&index)
            })
            .collect::<Result<Vec<_>, _>>()?;
        joined("stack", &raised, axis)
    })
}

fn unlike(operation: &'static str, first: &Expr, other: &Expr) -> ArrayError {
    let words = |expr: &Expr| raskr_array::grid::shape_words(&expr.grid().shape());
    ArrayError::Unexpected {
        operation,
        expected: format!("arrays that fit one of shape {}", words(first)),
        got: words(other),
    }
}

/// Arrays of one element type and of the same chunks on the other axes, joined.
fn joined(operation: &'static str, exprs: &[Arc<Expr>], axis: usize) -> Built {
    let first = exprs.first().ok_or_else(|| nothing(operation))?;
    let mut dtype = native(first);
    for other in exprs {
        let same = |number: usize| other.grid().axis(number).len() == first.grid().axis(number).len();
        if other.ndim() != first.ndim() || !(0..first.ndim()).all(|number| number == axis || same(number)) {
            return Err(unlike(operation, first, other));
        }
        let types = || format!("{dtype}, {}", native(other));
        dtype = promote(dtype, native(other))
            .ok_or_else(|| ArrayError::NoLoop { operation: operation.to_owned(), types: types() })?;
    }
    let shared = (0..first.ndim())
        .map(|number| match number {
            // Every array keeps its own chunks here.
            number if number == axis => Ok(Axis::single(0)),
            number => unify_axes(operation, exprs.iter().map(|expr| expr.grid().axis(number))),
        })
        .collect::<Result<Vec<Axis>, ArrayError>>()?;
    let aligned = exprs
        .iter()
        .map(|expr| {
            let mut axes = shared.clone();
            axes[axis] = expr.grid().axis(axis).clone();
            expr.cast(dtype)?.rechunk(Grid::new(axes)?)
        })
        .collect::<Result<Vec<_>, ArrayError>>()?;
    Expr::concatenate(aligned, axis)
}
