//! Products of matrices, and of stacks of them. One call uses one thread; strided inputs are not copied.
// `unsafe` is allowed here: the product routine takes raw strided memory; shapes are checked and offsets lie inside them.
#![allow(unsafe_code)]

use gemm::Parallelism;
use num_complex::{Complex32, Complex64};
use raskr_base::chunk::contiguous_strides;
use raskr_base::{Chunk, ChunkMut, DType, Dims, Element};

use super::cast::cast;
use super::copy::to_contiguous;
use super::number::{Number, dense, with_number};
use super::strided::copy_raw;
use super::view::broadcast_to;
use crate::error::KernelError;

/// Columns of a panel when only one triangle of a symmetric product is computed.
const PANEL: usize = 192;

/// One matrix of elements in memory, with element strides.
#[derive(Clone, Copy)]
struct Matrix<T> {
    start: *const T,
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
}

impl<T> Matrix<T> {
    /// Is the other one this one's transpose, in the same memory?
    fn is_transpose_of(&self, other: &Matrix<T>) -> bool {
        self.start == other.start
            && (self.rows, self.columns) == (other.columns, other.rows)
            && (self.row_stride, self.column_stride) == (other.column_stride, other.row_stride)
    }
}

/// An element type with a fast product.
trait Product: Element + PartialEq {
    const ONE: Self;
}

impl Product for f32 {
    const ONE: f32 = 1.0;
}

impl Product for f64 {
    const ONE: f64 = 1.0;
}

impl Product for Complex32 {
    const ONE: Complex32 = Complex32::new(1.0, 0.0);
}

impl Product for Complex64 {
    const ONE: Complex64 = Complex64::new(1.0, 0.0);
}

/// c = a b, or c += a b; c is row-major with rows `c_stride` apart.
///
/// # Safety
/// The matrices lie in memory that lives as long as the call, a's columns are b's rows, and c holds a's rows of b's columns.
unsafe fn multiply<T: Product>(c: *mut T, c_stride: isize, a: Matrix<T>, b: Matrix<T>, accumulate: bool) {
    // SAFETY: promised by the caller; the conjugation flags are off.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            c,
            1,
            c_stride,
            accumulate,
            a.start,
            a.column_stride,
            a.row_stride,
            b.start,
            b.column_stride,
            b.row_stride,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// c = a a^T, or c += a a^T for symmetric c: the lower triangle is computed in panels of columns and mirrored.
///
/// # Safety
/// As [`multiply`], with b the transpose of a.
unsafe fn multiply_symmetric<T: Product>(c: *mut T, c_stride: isize, a: Matrix<T>, accumulate: bool) {
    let size = a.rows;
    let item = size_of::<T>() as isize;
    for start in (0..size).step_by(PANEL) {
        let width = PANEL.min(size - start);
        // SAFETY: all offsets are below size along each axis; source and target of the mirroring lie on different sides
        // of the diagonal.
        unsafe {
            let origin = a.start.offset(start as isize * a.row_stride);
            let left = Matrix { start: origin, rows: size - start, ..a };
            let right = Matrix {
                start: origin,
                rows: a.columns,
                columns: width,
                row_stride: a.column_stride,
                column_stride: a.row_stride,
            };
            let corner = c.offset(start as isize * (c_stride + 1));
            multiply(corner, c_stride, left, right, accumulate);
            for i in 1..width as isize {
                for j in 0..i {
                    *corner.offset(j * c_stride + i) = *corner.offset(i * c_stride + j);
                }
            }
            let below = size - start - width;
            copy_raw(
                corner.add(width).cast(),
                &[c_stride * item, item],
                corner.offset(width as isize * c_stride).cast_const().cast(),
                &[item, c_stride * item],
                &[width, below],
                item as usize,
            );
        }
    }
}

fn is_symmetric<T: PartialEq>(values: &[T], size: usize) -> bool {
    (0..size).all(|i| (0..i).all(|j| values[i * size + j] == values[j * size + i]))
}

/// The shapes of a product: the stack's axes, and rows, inner length and columns of the matrices.
struct Plan {
    stack: Dims,
    rows: usize,
    inner: usize,
    columns: usize,
}

impl Plan {
    fn new(a: &Chunk, b: &Chunk) -> Result<Plan, KernelError> {
        let mismatch = |expected: &str| KernelError::Shape {
            expected: expected.to_string(),
            got: format!("{} {:?} and {} {:?}", a.dtype(), a.shape(), b.dtype(), b.shape()),
        };
        let ([a_stack @ .., rows, inner], [b_stack @ .., depth, columns]) = (a.shape(), b.shape()) else {
            return Err(mismatch("matrices, or stacks of them"));
        };
        if inner != depth {
            return Err(mismatch("as many columns of the first matrix as rows of the second"));
        }
        if a.dtype() != b.dtype() {
            return Err(mismatch("matrices of one element type"));
        }
        let mut stack = Dims::from_elem(1, a_stack.len().max(b_stack.len()));
        for shape in [a_stack, b_stack] {
            let added = stack.len() - shape.len();
            for (whole, &len) in stack[added..].iter_mut().zip(shape) {
                if *whole == 1 {
                    *whole = len;
                } else if len != 1 && len != *whole {
                    return Err(mismatch("stacks that broadcast together"));
                }
            }
        }
        Ok(Plan { stack, rows: *rows, inner: *inner, columns: *columns })
    }

    fn shape(&self, rows: usize, columns: usize) -> Dims {
        let mut shape = self.stack.clone();
        shape.extend([rows, columns]);
        shape
    }
}

/// The product of two matrices, or of stacks of matrices whose leading axes broadcast. Integers wrap around; bools
/// combine as "or of ands".
pub fn matmul(a: &Chunk, b: &Chunk) -> Result<Chunk, KernelError> {
    let plan = Plan::new(a, b)?;
    let mut out = ChunkMut::new(a.dtype(), &plan.shape(plan.rows, plan.columns));
    matmul_into(&mut out, a, b, false)?;
    Ok(out.freeze())
}

/// As [`matmul`], into a block that exists; with `accumulate` the product is added to it.
pub fn matmul_into(target: &mut ChunkMut, a: &Chunk, b: &Chunk, accumulate: bool) -> Result<(), KernelError> {
    let plan = Plan::new(a, b)?;
    let shape = plan.shape(plan.rows, plan.columns);
    if target.shape() != shape.as_slice() || target.dtype() != a.dtype() {
        return Err(KernelError::Shape {
            expected: format!("a {} target of shape {shape:?}", a.dtype()),
            got: format!("{} of shape {:?}", target.dtype(), target.shape()),
        });
    }
    if a.dtype().is_time() {
        return Err(KernelError::NoLoop { operation: "matmul".to_string(), inputs: vec![a.dtype(), b.dtype()] });
    }
    let a = broadcast_to(a, &plan.shape(plan.rows, plan.inner))?;
    let b = broadcast_to(b, &plan.shape(plan.inner, plan.columns))?;
    if target.is_empty() {
        return Ok(());
    }
    if plan.inner == 0 {
        if !accumulate {
            target.as_bytes_mut().fill(0);
        }
        return Ok(());
    }
    match a.dtype() {
        DType::F32 => stacked::<f32>(target, &a, &b, &plan, accumulate),
        DType::F64 => stacked::<f64>(target, &a, &b, &plan, accumulate),
        DType::C64 => stacked::<Complex32>(target, &a, &b, &plan, accumulate),
        DType::C128 => stacked::<Complex64>(target, &a, &b, &plan, accumulate),
        DType::F16 => through_single(target, &a, &b, accumulate)?,
        DType::Bool => {
            let (a, b) = (to_contiguous(&a), to_contiguous(&b));
            plain::<u8>(target, &a, &b, &plan, accumulate, |sum, x, y| sum | (x & y));
        }
        other => {
            let (a, b) = (to_contiguous(&a), to_contiguous(&b));
            with_number!(other, T => {
                plain::<T>(target, &a, &b, &plan, accumulate, |sum, x, y| sum.plus(x.times(y)));
            });
        }
    }
    Ok(())
}

/// Half precision is summed in single precision.
fn through_single(target: &mut ChunkMut, a: &Chunk, b: &Chunk, accumulate: bool) -> Result<(), KernelError> {
    let no_cast = || KernelError::NoLoop { operation: "matmul".to_string(), inputs: vec![DType::F16; 2] };
    let single = |chunk: &Chunk| cast(chunk, DType::F32).ok_or_else(no_cast);
    let product = matmul(&single(a)?, &single(b)?)?;
    let product = dense::<f32>(&product);
    for (to, &x) in target.as_mut_slice::<half::f16>().iter_mut().zip(product) {
        let before = if accumulate { to.to_f32() } else { 0.0 };
        *to = half::f16::from_f32(before + x);
    }
    Ok(())
}

/// Element offsets of each matrix of a stack.
fn matrix_offsets(stack: &[usize], strides: &[isize]) -> Vec<isize> {
    let mut all = vec![0isize];
    for (&len, &stride) in stack.iter().zip(strides) {
        all = all.iter().flat_map(|&base| (0..len as isize).map(move |i| base + i * stride)).collect();
    }
    all
}

fn stacked<T: Product>(target: &mut ChunkMut, a: &Chunk, b: &Chunk, plan: &Plan, accumulate: bool) {
    let depth = plan.stack.len();
    let matrix = |chunk: &Chunk, offset: isize| Matrix::<T> {
        start: chunk.as_ptr().cast::<T>().wrapping_offset(offset),
        rows: chunk.shape()[depth],
        columns: chunk.shape()[depth + 1],
        row_stride: chunk.strides()[depth],
        column_stride: chunk.strides()[depth + 1],
    };
    let a_offsets = matrix_offsets(&plan.stack, a.strides());
    let b_offsets = matrix_offsets(&plan.stack, b.strides());
    let size = plan.rows * plan.columns;
    let stride = contiguous_strides(target.shape())[depth];
    for (part, (a_offset, b_offset)) in
        target.as_mut_slice::<T>().chunks_exact_mut(size).zip(a_offsets.into_iter().zip(b_offsets))
    {
        let (left, right) = (matrix(a, a_offset), matrix(b, b_offset));
        let symmetric = plan.rows > PANEL
            && right.is_transpose_of(&left)
            && (!accumulate || plan.inner >= 64 && is_symmetric(part, plan.rows));
        // SAFETY: the chunks keep their memory for the call and vouch for their layouts; `part` holds one result.
        unsafe {
            if symmetric {
                multiply_symmetric(part.as_mut_ptr(), stride, left, accumulate);
            } else {
                multiply(part.as_mut_ptr(), stride, left, right, accumulate);
            }
        }
    }
}

/// The plain product in an order that walks rows: blocks of b that fit the cache, all rows of a against each.
fn plain<T: Number>(
    target: &mut ChunkMut,
    a: &Chunk,
    b: &Chunk,
    plan: &Plan,
    accumulate: bool,
    combine: impl Fn(T, T, T) -> T + Copy,
) {
    const DEPTH: usize = 64;
    const WIDTH: usize = 512;
    let &Plan { rows, inner, columns, .. } = plan;
    if !accumulate {
        target.as_mut_slice::<T>().fill(T::ZERO);
    }
    let matrices = dense::<T>(a).chunks_exact(rows * inner).zip(dense::<T>(b).chunks_exact(inner * columns));
    for (c, (a, b)) in target.as_mut_slice::<T>().chunks_exact_mut(rows * columns).zip(matrices) {
        for depth in (0..inner).step_by(DEPTH) {
            for left in (0..columns).step_by(WIDTH) {
                let right = columns.min(left + WIDTH);
                for (c_row, a_row) in c.chunks_exact_mut(columns).zip(a.chunks_exact(inner)) {
                    for (k, &x) in a_row.iter().enumerate().skip(depth).take(DEPTH) {
                        let b_row = &b[k * columns + left..k * columns + right];
                        for (sum, &y) in c_row[left..right].iter_mut().zip(b_row) {
                            *sum = combine(*sum, x, y);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::view::transpose;
    use super::*;

    fn numbers(len: usize, seed: u64) -> Vec<i64> {
        (0..len as u64)
            .map(|i| ((i + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as i64 - 16)
            .collect()
    }

    fn naive(a: &[i64], b: &[i64], rows: usize, inner: usize, columns: usize) -> Vec<i64> {
        let mut c = vec![0; rows * columns];
        for i in 0..rows {
            for j in 0..columns {
                c[i * columns + j] = (0..inner).map(|k| a[i * inner + k] * b[k * columns + j]).sum();
            }
        }
        c
    }

    /// The elements as integers.
    fn whole(chunk: &Chunk) -> Vec<i64> {
        dense::<i64>(&cast(chunk, DType::I64).expect("native")).to_vec()
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_product_for_every_type(
            rows in 1usize..20, inner in 0usize..20, columns in 1usize..20, seed in any::<u64>(), turned in any::<bool>(),
        ) {
            let (a, b) = (numbers(rows * inner, seed), numbers(inner * columns, seed ^ 99));
            let expected = naive(&a, &b, rows, inner, columns);
            let stored = Chunk::from_slice(&b, &[inner, columns]);
            let b = if turned {
                let back = transpose(&stored, &[1, 0]).expect("axes");
                transpose(&to_contiguous(&back), &[1, 0]).expect("axes")
            } else {
                stored
            };
            let a = Chunk::from_slice(&a, &[rows, inner]);
            for dtype in [DType::F64, DType::F32, DType::C64, DType::C128, DType::I64, DType::I8, DType::U16, DType::F16] {
                let (a, b) = (cast(&a, dtype).expect("native"), cast(&b, dtype).expect("native"));
                let product = matmul(&a, &b).expect("fits");
                let wanted = cast(&Chunk::from_slice(&expected, &[rows, columns]), dtype).expect("native");
                prop_assert_eq!(whole(&product), whole(&wanted), "{}", dtype);
                // Half precision rounds the first product before the second is added.
                if dtype == DType::F16 {
                    continue;
                }
                let mut twice = super::super::copy::owned(&product);
                matmul_into(&mut twice, &a, &b, true).expect("fits");
                let doubled: Vec<i64> = expected.iter().map(|x| 2 * x).collect();
                let wanted = cast(&Chunk::from_slice(&doubled, &[rows, columns]), dtype).expect("native");
                let twice = twice.freeze();
                prop_assert_eq!(whole(&twice), whole(&wanted), "{}", dtype);
            }
        }
    }

    #[test]
    fn a_matrix_times_its_transpose_is_symmetric() {
        let (rows, inner) = (2 * PANEL + 37, 70);
        let a = cast(&Chunk::from_slice(&numbers(rows * inner, 5), &[rows, inner]), DType::F64).expect("native");
        let expected = matmul(&a, &to_contiguous(&transpose(&a, &[1, 0]).expect("axes"))).expect("fits");
        let product = matmul(&a, &transpose(&a, &[1, 0]).expect("axes")).expect("fits");
        assert_eq!(product.as_slice::<f64>(), expected.as_slice::<f64>());
        let mut sum = super::super::copy::owned(&product);
        matmul_into(&mut sum, &a, &transpose(&a, &[1, 0]).expect("axes"), true).expect("fits");
        let doubled: Vec<f64> = dense::<f64>(&expected).iter().map(|x| 2.0 * x).collect();
        assert_eq!(sum.as_mut_slice::<f64>(), doubled);
        // With a target that is not symmetric all of it is added.
        let mut target = ChunkMut::zeroed(DType::F64, &[rows, rows]);
        target.as_mut_slice::<f64>()[1] = 1.0;
        matmul_into(&mut target, &a, &transpose(&a, &[1, 0]).expect("axes"), true).expect("fits");
        assert_eq!(target.as_mut_slice::<f64>()[1], dense::<f64>(&expected)[1] + 1.0);
        assert_eq!(target.as_mut_slice::<f64>()[rows], dense::<f64>(&expected)[1]);
    }

    #[test]
    fn stacks_broadcast() {
        let a: Vec<f64> = numbers(2 * 3 * 4, 3).iter().map(|&x| x as f64).collect();
        let b: Vec<f64> = numbers(5 * 4 * 2, 8).iter().map(|&x| x as f64).collect();
        let product = matmul(&Chunk::from_slice(&a, &[2, 1, 3, 4]), &Chunk::from_slice(&b, &[5, 4, 2])).expect("fits");
        assert_eq!(product.shape(), [2, 5, 3, 2]);
        for i in 0..2 {
            for j in 0..5 {
                let one = matmul(
                    &Chunk::from_slice(&a[i * 12..][..12], &[3, 4]),
                    &Chunk::from_slice(&b[j * 8..][..8], &[4, 2]),
                );
                assert_eq!(dense::<f64>(&product)[(i * 5 + j) * 6..][..6], *dense::<f64>(&one.expect("fits")));
            }
        }
    }

    #[test]
    fn bools_and_misfits() {
        let bits =
            |bits: &[u8], shape: &[usize]| Chunk::from_slice(bits, shape).reinterpret(DType::Bool).expect("size");
        let product = matmul(&bits(&[1, 1, 0, 1], &[2, 2]), &bits(&[1, 0, 1, 0], &[2, 2])).expect("fits");
        assert_eq!(product.as_slice::<u8>(), Some(&[1, 0, 1, 0][..]));
        let a = Chunk::from_slice(&[1.0f64; 6], &[2, 3]);
        assert!(matmul(&a, &a).is_err());
        assert!(matmul(&a, &Chunk::from_slice(&[1.0f32; 3], &[3, 1])).is_err());
        assert!(matmul(&a, &Chunk::from_slice(&[1.0f64; 3], &[3])).is_err());
        let stacks = [Chunk::from_slice(&[1.0f64; 8], &[2, 2, 2]), Chunk::from_slice(&[1.0f64; 12], &[3, 2, 2])];
        assert!(matmul(&stacks[0], &stacks[1]).is_err());
    }
}
