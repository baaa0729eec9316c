//! QR of one block, tall or not: Householder reflections over panels of rows that fit the cache.
//!
//! The first panel is factored as LAPACK does it. Each further one is factored together with the triangle of what came
//! before: the triangle stays in the cache, every row of the matrix is fetched once, and since the triangle is zero below
//! its diagonal no work is added (Demmel, Grigori, Hoemmen and Langou, "Communication-optimal parallel and sequential QR and
//! LU factorizations", 2012; reflections are applied in blocks by the compact WY form of Schreiber and Van Loan, 1989).

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::prelude::*;
use faer::{Accum, MatMut, MatRef, Par};
use num_traits::Float;
use raskr_base::{Chunk, ChunkMut, Element};

use super::scalar::{Scalar, dot, length, subtract, widest};
use super::{from_columns, sides, with_scalar};
use crate::blocks::{AxisSlice, slice, transpose};
use crate::error::KernelError;

/// Columns whose reflections are applied together.
const WIDTH: usize = 32;
/// Bytes of a panel, about: a share of the second-level cache.
const PANEL: usize = 512 << 10;

/// Where the panels of a matrix begin and end.
struct Layout {
    rows: usize,
    columns: usize,
    height: usize,
}

impl Layout {
    fn new(rows: usize, columns: usize, itemsize: usize) -> Layout {
        let fitting = PANEL / (columns.max(1) * itemsize);
        Layout { rows, columns, height: fitting.max(columns).max(WIDTH) }
    }

    fn panels(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + use<> {
        let (rows, height) = (self.rows, self.height);
        (0..rows.div_ceil(height).max(1)).map(move |k| k * height..rows.min((k + 1) * height))
    }

    /// Reflections.
    fn count(&self) -> usize {
        self.rows.min(self.columns)
    }

    /// Elements that the triangles of one panel's blocks of reflections take.
    fn triangles(&self) -> usize {
        self.count().div_ceil(WIDTH) * WIDTH * WIDTH
    }
}

/// The reflection that makes a column zero below its head, as LAPACK's `larfg`: tau, and the head's new value; what the
/// rest of the column is to be multiplied with.
fn reflection<T: Scalar>(head: T, rest: T::Size) -> (T, T, T) {
    let zero = <T::Size as num_traits::Zero>::zero();
    let (real, imaginary) = (head.real_part(), head.imaginary_part());
    if rest == zero && imaginary == zero {
        return (T::NOTHING, head, T::NOTHING);
    }
    let size = real.hypot(imaginary).hypot(rest);
    let beta = if real.is_sign_negative() { size } else { -size };
    let tau = T::new((beta - real) / beta, -imaginary / beta);
    (tau, T::new(beta, zero), T::UNIT / (head - T::new(beta, zero)))
}

/// The triangle T of a block of reflections, from their taus (on its diagonal already) and the products of their vectors.
fn complete_triangle<T: Scalar>(triangle: &mut [T], products: &[T], width: usize) {
    for j in 1..width {
        let tau = triangle[j * WIDTH + j];
        for i in 0..j {
            let mut sum = T::NOTHING;
            for k in i..j {
                sum += triangle[k * WIDTH + i] * products[j * WIDTH + k];
            }
            triangle[j * WIDTH + i] = -tau * sum;
        }
    }
}

/// Memory that the blocks of one factorisation use again and again.
struct Scratch<T> {
    products: Vec<T>,
    one: Vec<T>,
    two: Vec<T>,
    vectors: Vec<T>,
}

impl<T: Scalar> Scratch<T> {
    fn new(columns: usize, height: usize) -> Scratch<T> {
        let wide = vec![T::NOTHING; WIDTH * columns.max(WIDTH)];
        Scratch {
            products: vec![T::NOTHING; WIDTH * WIDTH],
            one: wide.clone(),
            two: wide,
            vectors: vec![T::NOTHING; WIDTH * height],
        }
    }
}

fn tall<T>(values: &[T], rows: usize, columns: usize, stride: usize) -> MatRef<'_, T> {
    MatRef::from_column_major_slice_with_stride(values, rows, columns, stride)
}

fn tall_mut<T>(values: &mut [T], rows: usize, columns: usize, stride: usize) -> MatMut<'_, T> {
    MatMut::from_column_major_slice_with_stride_mut(values, rows, columns, stride)
}

/// The vectors of a block of the first panel's reflections with what is not stored of them: ones, and zeros above. The
/// block's columns begin at row (and column) `start` of the panel.
fn spelled_out<T: Scalar>(columns: &[T], rows: usize, start: usize, vectors: &mut [T]) {
    for (j, (to, column)) in vectors.chunks_exact_mut(rows - start).zip(columns.chunks_exact(rows)).enumerate() {
        to[..j].fill(T::NOTHING);
        to[j] = T::UNIT;
        to[j + 1..].copy_from_slice(&column[start + j + 1..]);
    }
}

fn blocks(count: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..count.div_ceil(WIDTH)).map(move |k| k * WIDTH..count.min((k + 1) * WIDTH))
}

/// Factors the first panel, given by columns, in place: R on and above the diagonal, vectors below.
fn factor_first<T: Scalar>(a: &mut [T], rows: usize, columns: usize, triangles: &mut [T], scratch: &mut Scratch<T>) {
    for (number, block) in blocks(rows.min(columns)).enumerate() {
        let width = block.len();
        let triangle = &mut triangles[number * WIDTH * WIDTH..(number + 1) * WIDTH * WIDTH];
        triangle.fill(T::NOTHING);
        let (done, rest) = a.split_at_mut(block.end * rows);
        let own = &mut done[block.start * rows..];
        widest(
            #[inline(always)]
            || {
                for j in 0..width {
                    let (left, right) = own.split_at_mut((j + 1) * rows);
                    let column = &mut left[j * rows + block.start + j..];
                    let (tau, beta, scale) = reflection(column[0], length(&column[1..]));
                    column[1..].iter_mut().for_each(|x| *x *= scale);
                    column[0] = beta;
                    triangle[j * WIDTH + j] = tau;
                    for other in right.chunks_exact_mut(rows).take(width - j - 1) {
                        let other = &mut other[block.start + j..];
                        let change = tau.conjugate() * (other[0] + dot(&column[1..], &other[1..]));
                        other[0] -= change;
                        subtract(&mut other[1..], change, &column[1..]);
                    }
                }
            },
        );
        let height = rows - block.start;
        let Scratch { products, one, two, vectors } = scratch;
        spelled_out(own, rows, block.start, &mut vectors[..width * height]);
        let v = tall(vectors, height, width, height);
        matmul(tall_mut(products, width, width, WIDTH), Accum::Replace, v.adjoint(), v, T::UNIT, Par::Seq);
        complete_triangle(triangle, products, width);
        let others = columns - block.end;
        if others > 0 {
            let mut a = tall_mut(rest, rows, others, rows).subrows_mut(block.start, height);
            let mut one = tall_mut(one, width, others, WIDTH);
            let mut two = tall_mut(two, width, others, WIDTH);
            matmul(one.as_mut(), Accum::Replace, v.adjoint(), a.as_ref(), T::UNIT, Par::Seq);
            let t = tall(triangle, width, width, WIDTH);
            matmul(two.as_mut(), Accum::Replace, t.adjoint(), one.as_ref(), T::UNIT, Par::Seq);
            matmul(a.as_mut(), Accum::Add, v, two.as_ref(), -T::UNIT, Par::Seq);
        }
    }
}

/// Factors a panel, given by columns, below the triangle `r`, both in place: the panel becomes the vectors' lower parts,
/// their upper parts being columns of the identity.
fn factor_next<T: Scalar>(
    r: &mut [T],
    a: &mut [T],
    rows: usize,
    columns: usize,
    triangles: &mut [T],
    scratch: &mut Scratch<T>,
) {
    for (number, block) in blocks(columns).enumerate() {
        let width = block.len();
        let triangle = &mut triangles[number * WIDTH * WIDTH..(number + 1) * WIDTH * WIDTH];
        triangle.fill(T::NOTHING);
        let (done, rest) = a.split_at_mut(block.end * rows);
        let own = &mut done[block.start * rows..];
        widest(
            #[inline(always)]
            || {
                for j in 0..width {
                    let (left, right) = own.split_at_mut((j + 1) * rows);
                    let column = &mut left[j * rows..];
                    let head = block.start + j;
                    let (tau, beta, scale) = reflection(r[head * columns + head], length(column));
                    column.iter_mut().for_each(|x| *x *= scale);
                    r[head * columns + head] = beta;
                    triangle[j * WIDTH + j] = tau;
                    for (k, other) in right.chunks_exact_mut(rows).take(width - j - 1).enumerate() {
                        let top = &mut r[(head + k + 1) * columns + head];
                        let change = tau.conjugate() * (*top + dot(column, other));
                        *top -= change;
                        subtract(other, change, column);
                    }
                }
            },
        );
        let Scratch { products, one, two, .. } = scratch;
        let v = tall(own, rows, width, rows);
        matmul(tall_mut(products, width, width, WIDTH), Accum::Replace, v.adjoint(), v, T::UNIT, Par::Seq);
        complete_triangle(triangle, products, width);
        let others = columns - block.end;
        if others > 0 {
            let mut a = tall_mut(rest, rows, others, rows);
            let mut top =
                tall_mut(&mut r[block.end * columns..], columns, others, columns).subrows_mut(block.start, width);
            let mut one = tall_mut(one, width, others, WIDTH);
            let mut two = tall_mut(two, width, others, WIDTH);
            one.copy_from(top.as_ref());
            matmul(one.as_mut(), Accum::Add, v.adjoint(), a.as_ref(), T::UNIT, Par::Seq);
            let t = tall(triangle, width, width, WIDTH);
            matmul(two.as_mut(), Accum::Replace, t.adjoint(), one.as_ref(), T::UNIT, Par::Seq);
            top -= two.as_ref();
            matmul(a.as_mut(), Accum::Add, v, two.as_ref(), -T::UNIT, Par::Seq);
        }
    }
}

/// Copies rows of a matrix into a panel, column by column.
fn gather<T: Scalar>(chunk: &Chunk, rows: Range<usize>, panel: &mut [T]) -> Result<(), KernelError> {
    let columns = chunk.shape()[1];
    let part = slice(chunk, &[AxisSlice { start: rows.start, step: 1, len: rows.len() }, AxisSlice::full(columns)])?;
    crate::blocks::copy_out(&transpose(&part, &[1, 0])?, panel)
}

/// The triangle of the first panel's factors.
fn upper<T: Scalar>(panel: &[T], rows: usize, columns: usize) -> Vec<T> {
    let count = rows.min(columns);
    let mut r = vec![T::NOTHING; count * columns];
    for j in 0..columns {
        let many = count.min(j + 1);
        r[j * count..j * count + many].copy_from_slice(&panel[j * rows..j * rows + many]);
    }
    r
}

/// R of a matrix: as many rows as the shorter side.
pub fn triangle(chunk: &Chunk) -> Result<Chunk, KernelError> {
    let (rows, columns) = sides(chunk, "qr")?;
    with_scalar!(chunk.dtype(), T => {
        let layout = Layout::new(rows, columns, size_of::<T>());
        let height = layout.height.min(rows);
        let mut panel = ChunkMut::new(T::DTYPE, &[columns, height]);
        let mut triangles = vec![<T as Scalar>::NOTHING; layout.triangles()];
        let mut scratch = Scratch::new(columns, height);
        let mut r: Vec<T> = Vec::new();
        for (number, range) in layout.panels().enumerate() {
            let many = range.len();
            let panel = &mut panel.as_mut_slice::<T>()[..many * columns];
            gather(chunk, range, panel)?;
            if number == 0 {
                factor_first(panel, many, columns, &mut triangles, &mut scratch);
                r = upper(panel, many, columns);
            } else {
                factor_next(&mut r, panel, many, columns, &mut triangles, &mut scratch);
            }
        }
        Ok(from_columns(&r, layout.count(), columns))
    })
}

/// Q of a matrix as reflections, from which it or its product with another matrix is made.
#[derive(Clone, Debug)]
pub struct Reflectors {
    /// Of the matrix's shape; the contents are the panels' vectors, column by column.
    pub vectors: Chunk,
    pub triangles: Chunk,
}

/// The reflections and R of a matrix. Its memory is not reused: rows are laid out anew.
pub fn factor(chunk: &Chunk) -> Result<(Reflectors, Chunk), KernelError> {
    let (rows, columns) = sides(chunk, "qr")?;
    with_scalar!(chunk.dtype(), T => {
        let layout = Layout::new(rows, columns, size_of::<T>());
        let mut vectors = ChunkMut::new(T::DTYPE, &[rows, columns]);
        let mut triangles = ChunkMut::zeroed(T::DTYPE, &[layout.panels().count(), layout.triangles()]);
        let mut scratch = Scratch::new(columns, layout.height.min(rows));
        let mut r: Vec<T> = Vec::new();
        for (number, range) in layout.panels().enumerate() {
            let many = range.len();
            let panel = &mut vectors.as_mut_slice::<T>()[range.start * columns..range.end * columns];
            gather(chunk, range, panel)?;
            let size = layout.triangles();
            let own = &mut triangles.as_mut_slice::<T>()[number * size..(number + 1) * size];
            if number == 0 {
                factor_first(panel, many, columns, own, &mut scratch);
                r = upper(panel, many, columns);
            } else {
                factor_next(&mut r, panel, many, columns, own, &mut scratch);
            }
        }
        let r = from_columns(&r, layout.count(), columns);
        Ok((Reflectors { vectors: vectors.freeze(), triangles: triangles.freeze() }, r))
    })
}

/// Q C for a matrix C of as many rows as the factored matrix's shorter side; without one, Q.
pub fn orthogonal(reflectors: &Reflectors, right: Option<&Chunk>) -> Result<Chunk, KernelError> {
    let (rows, columns) = sides(&reflectors.vectors, "q")?;
    let count = rows.min(columns);
    let width = match right {
        Some(right) => {
            let (m, n) = sides(right, "q")?;
            if m != count || right.dtype() != reflectors.vectors.dtype() {
                return Err(KernelError::Shape {
                    expected: format!("a matrix of {count} rows of {}", reflectors.vectors.dtype()),
                    got: format!("{m} rows of {}", right.dtype()),
                });
            }
            n
        }
        None => count,
    };
    with_scalar!(reflectors.vectors.dtype(), T => {
        let mut out = ChunkMut::new(T::DTYPE, &[rows, width]);
        if rows == 0 || width == 0 {
            return Ok(out.freeze());
        }
        let mut c = vec![<T as Scalar>::NOTHING; count * width];
        match right {
            Some(right) => crate::blocks::copy_out(&transpose(right, &[1, 0])?, &mut c)?,
            None => (0..count).for_each(|i| c[i * count + i] = <T as Scalar>::UNIT),
        }
        if let (Some(vectors), Some(triangles)) =
            (reflectors.vectors.as_slice::<T>(), reflectors.triangles.as_slice::<T>())
        {
            let layout = Layout::new(rows, columns, size_of::<T>());
            apply(&layout, vectors, triangles, &mut c, width, out.as_mut_slice::<T>());
        }
        Ok(out.freeze())
    })
}

/// Writes Q C to `out`, row by row; the contents of `c`, given by columns, are lost.
fn apply<T: Scalar>(layout: &Layout, vectors: &[T], triangles: &[T], c: &mut [T], width: usize, out: &mut [T]) {
    let (columns, count) = (layout.columns, layout.count());
    let mut one = vec![T::NOTHING; WIDTH * width];
    let mut two = one.clone();
    let mut spelled = vec![T::NOTHING; WIDTH * layout.height.min(layout.rows)];
    let numbered: Vec<(usize, Range<usize>)> = layout.panels().enumerate().collect();
    for (number, range) in numbered.into_iter().rev() {
        let rows = range.len();
        let panel = &vectors[range.start * columns..range.end * columns];
        let own = &triangles[number * layout.triangles()..(number + 1) * layout.triangles()];
        let mut x = MatMut::from_row_major_slice_mut(&mut out[range.start * width..range.end * width], rows, width);
        if number == 0 {
            x.fill(T::NOTHING);
            x.rb_mut().subrows_mut(0, count).copy_from(tall(c, count, width, count));
        }
        let mut is_empty = number > 0;
        let listed: Vec<(usize, Range<usize>)> = blocks(count).enumerate().collect();
        for (block_number, block) in listed.into_iter().rev() {
            let many = block.len();
            let t = tall(&own[block_number * WIDTH * WIDTH..(block_number + 1) * WIDTH * WIDTH], many, many, WIDTH);
            let mut one = tall_mut(&mut one, many, width, WIDTH);
            let mut two = tall_mut(&mut two, many, width, WIDTH);
            if number == 0 {
                let height = rows - block.start;
                let own = &panel[block.start * rows..block.end * rows];
                spelled_out(own, rows, block.start, &mut spelled[..many * height]);
                let v = tall(&spelled, height, many, height);
                let mut x = x.rb_mut().subrows_mut(block.start, height);
                matmul(one.as_mut(), Accum::Replace, v.adjoint(), x.as_ref(), T::UNIT, Par::Seq);
                matmul(two.as_mut(), Accum::Replace, t, one.as_ref(), T::UNIT, Par::Seq);
                matmul(x.as_mut(), Accum::Add, v, two.as_ref(), -T::UNIT, Par::Seq);
                continue;
            }
            let v = tall(&panel[block.start * rows..block.end * rows], rows, many, rows);
            let mut top = tall_mut(c, count, width, count).subrows_mut(block.start, many);
            one.copy_from(top.as_ref());
            if !is_empty {
                matmul(one.as_mut(), Accum::Add, v.adjoint(), x.as_ref(), T::UNIT, Par::Seq);
            }
            matmul(two.as_mut(), Accum::Replace, t, one.as_ref(), T::UNIT, Par::Seq);
            top -= two.as_ref();
            let onto = if is_empty { Accum::Replace } else { Accum::Add };
            matmul(x.as_mut(), onto, v, two.as_ref(), -T::UNIT, Par::Seq);
            is_empty = false;
        }
    }
}
