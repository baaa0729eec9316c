//! Arrays that stand on nothing else: constants, sequences, elements in memory.

use raskr_array::{ArrayError, Expr};
use raskr_base::{Chunk, DType, Element};
use raskr_kernels::program::Scalar;

use super::chunks::{Chunks, Shape};
use super::elementwise::where_;
use super::promote::own_type;
use super::{Array, Built};

/// Every element is `value`: a float, an integer or a truth.
///
/// ```
/// let x = raskr::array::full([2, 2], 7, 1);
/// assert_eq!(x.to_vec::<i64>()?, [7; 4]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn full<T>(shape: impl Into<Shape>, value: T, chunks: impl Into<Chunks>) -> Array
where
    Scalar: From<T>,
{
    Array::built(constant(shape.into(), Scalar::from(value), chunks.into(), "full"))
}

/// Every element is 0.0.
#[track_caller]
pub fn zeros(shape: impl Into<Shape>, chunks: impl Into<Chunks>) -> Array {
    Array::built(constant(shape.into(), Scalar::F64(0.0), chunks.into(), "zeros"))
}

/// Every element is 1.0.
#[track_caller]
pub fn ones(shape: impl Into<Shape>, chunks: impl Into<Chunks>) -> Array {
    Array::built(constant(shape.into(), Scalar::F64(1.0), chunks.into(), "ones"))
}

/// Elements of a type, all zero: memory is never handed out with what others left there.
#[track_caller]
pub fn empty(shape: impl Into<Shape>, dtype: DType, chunks: impl Into<Chunks>) -> Array {
    let shape = shape.into().0;
    let grid = chunks.into().grid(&shape, dtype.itemsize());
    Array::built(grid.map(|grid| Expr::full(grid, dtype, Scalar::I64(0), "empty")))
}

fn constant(shape: Shape, value: Scalar, chunks: Chunks, label: &str) -> Built {
    let dtype = own_type(value);
    Ok(Expr::full(chunks.grid(&shape.0, dtype.itemsize())?, dtype, value, label))
}

/// The integers `start`, `start + step`, ... before `stop`.
///
/// ```
/// assert_eq!(raskr::array::arange(10, 0, -4, 2).to_vec::<i64>()?, [10, 6, 2]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn arange(start: i64, stop: i64, step: i64, chunks: impl Into<Chunks>) -> Array {
    let chunks = chunks.into();
    let build = || -> Built {
        if step == 0 {
            return Err(ArrayError::Unexpected {
                operation: "arange",
                expected: "a step that is not zero".to_owned(),
                got: "0".to_owned(),
            });
        }
        let span = i128::from(stop) - i128::from(start);
        let wide = i128::from(step);
        let count = if span.signum() == wide.signum() { (span.abs() - 1) / wide.abs() + 1 } else { 0 };
        let grid = chunks.grid(&[count as u64], DType::I64.itemsize())?;
        Ok(Expr::iota(grid, DType::I64, Scalar::I64(start), Scalar::I64(step), "arange"))
    };
    Array::built(build())
}

/// `count` numbers from `start` to `stop`, both included, at equal distances.
///
/// ```
/// assert_eq!(raskr::array::linspace(0.0, 1.0, 5, 2).to_vec::<f64>()?, [0.0, 0.25, 0.5, 0.75, 1.0]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn linspace(start: f64, stop: f64, count: usize, chunks: impl Into<Chunks>) -> Array {
    let grid = match chunks.into().grid(&[count as u64], DType::F64.itemsize()) {
        Ok(grid) => grid,
        Err(error) => return Array::built(Err(error)),
    };
    let gaps = count.saturating_sub(1) as f64;
    let step = if count > 1 { (stop - start) / gaps } else { 0.0 };
    let line = Expr::iota(grid.clone(), DType::F64, Scalar::F64(start), Scalar::F64(step), "linspace");
    let line = Array::built(Ok(line));
    if count < 2 || start + gaps * step == stop {
        return line;
    }
    // The last number is `stop` itself, not what rounding made of it.
    let places = Expr::iota(grid, DType::I64, Scalar::I64(0), Scalar::I64(1), "arange");
    where_(Array::built(Ok(places)).equal(count as i64 - 1), stop, line)
}

/// Ones on the `k`-th diagonal of `rows` times `columns` elements, zeros elsewhere.
///
/// ```
/// assert_eq!(raskr::array::eye(2, 3, 1, 2).to_vec::<f64>()?, [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn eye(rows: usize, columns: usize, k: i64, chunks: impl Into<Chunks>) -> Array {
    let grid = chunks.into().grid(&[rows as u64, columns as u64], DType::F64.itemsize());
    Array::built(grid.and_then(|grid| Expr::eye(grid, DType::F64, k)))
}

/// The elements of a slice in row-major order. `u8` stands for unsigned bytes, not for truths.
///
/// ```
/// let x = raskr::array::from_slice(&[1.0, 2.0, 3.0, 4.0], [2, 2], 1);
/// assert_eq!(x.sum(0).to_vec::<f64>()?, [4.0, 6.0]);
/// # Ok::<(), raskr::Error>(())
/// ```
#[track_caller]
pub fn from_slice<T: Element>(values: &[T], shape: impl Into<Shape>, chunks: impl Into<Chunks>) -> Array {
    let shape = shape.into().0;
    let wanted = shape.iter().try_fold(1u64, |product, n| product.checked_mul(*n));
    if wanted != Some(values.len() as u64) {
        return Array::built(Err(ArrayError::Unexpected {
            operation: "from_slice",
            expected: format!("as many elements as the shape {shape:?} has"),
            got: values.len().to_string(),
        }));
    }
    let lengths: Vec<usize> = shape.iter().map(|n| *n as usize).collect();
    Array::built(memory(Chunk::from_slice(values, &lengths), &shape, chunks.into()))
}

/// A chunk in memory, which is not copied.
#[track_caller]
pub fn from_chunk(chunk: Chunk, chunks: impl Into<Chunks>) -> Array {
    let shape: Vec<u64> = chunk.shape().iter().map(|n| *n as u64).collect();
    Array::built(memory(chunk, &shape, chunks.into()))
}

fn memory(chunk: Chunk, shape: &[u64], chunks: Chunks) -> Built {
    let grid = chunks.grid(shape, chunk.dtype().itemsize())?;
    Expr::memory(chunk, grid, "from-memory")
}
