//! LU and Cholesky factors of one block, and solutions of triangular systems.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltParams, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_unit_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::prelude::*;
use faer::{Accum, Auto, MatMut, MatRef, Par, Spec};
use num_traits::Float;
use raskr_base::{Chunk, ChunkMut, DType, Element};

use super::scalar::{Scalar, subtract};
use super::{by_columns, from_columns, sides, with_scalar};
use crate::blocks::{AxisSlice, into_owned, slice, to_contiguous};
use crate::error::KernelError;

/// Columns below which LU isn't split any further.
const NARROW: usize = 8;

/// The lower Cholesky factor; what is above the diagonal isn't looked at.
pub fn cholesky(chunk: &Chunk) -> Result<Chunk, KernelError> {
    let (rows, columns) = square(chunk, "cholesky")?;
    with_scalar!(chunk.dtype(), T => lower_factor::<T>(chunk, rows, columns))
}

fn lower_factor<T: Scalar>(chunk: &Chunk, rows: usize, columns: usize) -> Result<Chunk, KernelError>
where
    LltParams: Auto<T>,
{
    const NOT_POSITIVE: KernelError = KernelError::Matrix("Matrix is not positive definite");
    let mut a = by_columns(chunk)?;
    if rows == 0 {
        return Ok(a.freeze());
    }
    let elements = a.as_mut_slice::<T>();
    let params = Spec::<LltParams, T>::default();
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<T>(rows, Par::Seq, params));
    cholesky_in_place(
        MatMut::from_column_major_slice_mut(elements, rows, columns),
        Default::default(),
        Par::Seq,
        MemStack::new(&mut memory),
        params,
    )
    .map_err(|_| NOT_POSITIVE)?;
    for (j, column) in elements.chunks_exact_mut(rows).enumerate() {
        // Not-a-numbers aren't above zero either.
        if !column[j].real_part().is_finite() {
            return Err(NOT_POSITIVE);
        }
        column[..j].fill(T::NOTHING);
    }
    Ok(from_columns(elements, rows, columns))
}

fn square(chunk: &Chunk, what: &str) -> Result<(usize, usize), KernelError> {
    let (rows, columns) = sides(chunk, what)?;
    if rows != columns {
        return Err(KernelError::Shape {
            expected: format!("a square matrix ({what})"),
            got: format!("shape {:?}", chunk.shape()),
        });
    }
    Ok((rows, columns))
}

fn matrix<T: Element>(chunk: &Chunk) -> Result<MatRef<'_, T>, KernelError> {
    let (rows, columns) = sides(chunk, "linear algebra")?;
    match chunk.as_slice::<T>() {
        Some(elements) => Ok(MatRef::from_row_major_slice(elements, rows, columns)),
        None => Err(KernelError::Shape { expected: "rows one after another".to_owned(), got: "others".to_owned() }),
    }
}

/// The solution x of a x = b for a triangular matrix a, whose other triangle isn't looked at; b is a vector, or several in
/// columns.
pub fn solve_triangular(a: &Chunk, b: Chunk, lower: bool) -> Result<Chunk, KernelError> {
    let (rows, _) = square(a, "solve_triangular")?;
    let fits = matches!(b.ndim(), 1 | 2) && b.shape().first() == Some(&rows) && a.dtype() == b.dtype();
    if !fits {
        return Err(KernelError::Shape {
            expected: format!("right sides of {rows} rows of {}", a.dtype()),
            got: format!("{} of shape {:?}", b.dtype(), b.shape()),
        });
    }
    let width: usize = b.shape()[1..].iter().product();
    with_scalar!(a.dtype(), T => {
        let a = to_contiguous(a);
        let triangle = matrix::<T>(&a)?;
        if (0..rows).any(|i| *triangle.get(i, i) == <T as Scalar>::NOTHING) {
            return Err(KernelError::Matrix("singular matrix"));
        }
        let mut out = into_owned(b);
        if width > 0 {
            let x = MatMut::from_row_major_slice_mut(out.as_mut_slice::<T>(), rows, width);
            if lower {
                solve_lower_triangular_in_place(triangle, x, Par::Seq);
            } else {
                solve_upper_triangular_in_place(triangle, x, Par::Seq);
            }
        }
        Ok(out.freeze())
    })
}

/// LU with partial pivoting of a matrix given by columns: L below the diagonal, U on and above it. `order` follows the
/// rows. As in LAPACK a column of zeros is no error.
fn eliminate<T: Scalar>(a: &mut [T], rows: usize, top: usize, columns: usize, order: &mut [usize]) {
    let height = rows - top;
    if columns <= NARROW {
        for j in 0..columns.min(height) {
            let (left, right) = a.split_at_mut((j + 1) * rows);
            let column = &mut left[j * rows + top..];
            let size = |x: T| x.real_part().abs() + x.imaginary_part().abs();
            let mut pivot = j;
            for i in j + 1..height {
                if size(column[i]) > size(column[pivot]) {
                    pivot = i;
                }
            }
            order[j] = pivot;
            for each in left[..j * rows].chunks_exact_mut(rows) {
                each.swap(top + j, top + pivot);
            }
            let column = &mut left[j * rows + top..];
            column.swap(j, pivot);
            let head = column[j];
            if head != T::NOTHING {
                column[j + 1..].iter_mut().for_each(|x| *x /= head);
            }
            for other in right.chunks_exact_mut(rows).take(columns - j - 1) {
                other.swap(top + j, top + pivot);
                let factor = other[top + j];
                subtract(&mut other[top + j + 1..], factor, &column[j + 1..]);
            }
        }
        return;
    }
    let half = (columns / 2).min(height);
    let (left, right) = a.split_at_mut(half * rows);
    eliminate(left, rows, top, half, order);
    let others = columns - half;
    for column in right.chunks_exact_mut(rows).take(others) {
        for (j, pivot) in order[..half].iter().enumerate() {
            column.swap(top + j, top + pivot);
        }
    }
    let factors = MatRef::from_column_major_slice(left, rows, half);
    let (upper, lower) = MatMut::from_column_major_slice_mut(&mut right[..others * rows], rows, others)
        .subrows_mut(top, height)
        .split_at_row_mut(half);
    let mut upper = upper;
    solve_unit_lower_triangular_in_place(factors.subrows(top, half), upper.rb_mut(), Par::Seq);
    matmul(lower, Accum::Add, factors.subrows(top + half, height - half), upper.rb(), -T::UNIT, Par::Seq);
    if height > half {
        eliminate(right, rows, top + half, others, &mut order[half..]);
        for pivot in &mut order[half..half + others.min(height - half)] {
            *pivot += half;
        }
        for column in left.chunks_exact_mut(rows) {
            for (j, pivot) in order.iter().enumerate().take(half + others.min(height - half)).skip(half) {
                column.swap(top + j, top + pivot);
            }
        }
    }
}

/// LU of the rows from `start` on of a panel of columns: which row of the panel is where, and the factors, packed.
pub fn lu(panel: &Chunk, start: usize) -> Result<(Chunk, Chunk), KernelError> {
    let (rows, columns) = sides(panel, "lu")?;
    let below = AxisSlice { start, step: 1, len: rows.saturating_sub(start) };
    let part = slice(panel, &[below, AxisSlice::full(columns)])?;
    with_scalar!(panel.dtype(), T => {
        let mut a = by_columns(&part)?;
        let mut swaps: Vec<usize> = (0..below.len.min(columns)).collect();
        if below.len > 0 {
            eliminate(a.as_mut_slice::<T>(), below.len, 0, columns, &mut swaps);
        }
        let mut order: Vec<i64> = (0..rows as i64).collect();
        for (row, other) in swaps.into_iter().enumerate() {
            order.swap(start + row, start + other);
        }
        Ok((Chunk::from_slice(&order, &[rows]), from_columns(a.as_mut_slice::<T>(), below.len, columns)))
    })
}

/// A panel of columns after the step that factored another one `width` wide: rows in the new order; when it lies to the
/// right of that one, what this one eliminates from it; when it is that one itself (`own`), the factors.
pub fn lu_update(
    panel: &Chunk,
    order: &Chunk,
    factors: &Chunk,
    start: usize,
    own: bool,
    right: bool,
) -> Result<Chunk, KernelError> {
    let (rows, columns) = sides(panel, "lu")?;
    let width = sides(factors, "lu")?.1.min(rows.saturating_sub(start));
    let rows_in_order = order.as_slice::<i64>().unwrap_or_default();
    let mut ordered = crate::blocks::gather(panel, 0, rows_in_order).map(into_owned)?;
    if columns == 0 {
        return Ok(ordered.freeze());
    }
    if own {
        crate::blocks::copy_into(&mut ordered, &[start, 0], factors)?;
    } else if right {
        let factors = to_contiguous(factors);
        with_scalar!(panel.dtype(), T => {
            let factors = matrix::<T>(&factors)?;
            let whole = MatMut::from_row_major_slice_mut(ordered.as_mut_slice::<T>(), rows, columns);
            let (mut top, lower) = whole.subrows_mut(start, rows - start).split_at_row_mut(width);
            solve_unit_lower_triangular_in_place(
                factors.subrows(0, width).subcols(0, width), top.rb_mut(), Par::Seq,
            );
            let left = factors.subrows(width, rows - start - width).subcols(0, width);
            matmul(lower, Accum::Add, left, top.rb(), -<T as Scalar>::UNIT, Par::Seq);
        });
    }
    Ok(ordered.freeze())
}

/// The matrix P of P L U from the row orders of all steps.
pub fn permutation(orders: &[Chunk]) -> Result<Chunk, KernelError> {
    let size = orders.first().map_or(0, Chunk::len);
    let mut rows: Vec<i64> = (0..size as i64).collect();
    for order in orders {
        let step = order.as_slice::<i64>().unwrap_or_default();
        rows = step
            .iter()
            .map(|at| rows.get(*at as usize).copied())
            .collect::<Option<_>>()
            .ok_or_else(|| KernelError::Value("row orders of other lengths".to_owned()))?;
    }
    let mut matrix = ChunkMut::zeroed(DType::F64, &[size, size]);
    let elements = matrix.as_mut_slice::<f64>();
    for (column, row) in rows.into_iter().enumerate() {
        elements[row as usize * size + column] = 1.0;
    }
    Ok(matrix.freeze())
}
