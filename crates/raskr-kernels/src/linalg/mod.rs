//! Factorisations of one block: QR, LU and Cholesky factors, singular values, triangular systems.
//!
//! Knows: matrices of float32, float64, complex64 and complex128 in memory. Does not know: how a matrix is cut into blocks.
//! Invariant: signs are those of LAPACK for a matrix that is factored as a whole; one call uses one thread.
//! Tested beside each module by what factors are defined by.

mod qr;
mod scalar;
mod singular;
mod systems;

use raskr_base::{Chunk, ChunkMut};

pub use qr::{Reflectors, factor, orthogonal, triangle};
pub use singular::{Singular, singular_values, svd};
pub use systems::{cholesky, lu, lu_update, permutation, solve_triangular};

use crate::error::KernelError;
use scalar::Scalar;

/// Expands to `$body` with `$type` bound to the Rust type of a matrix's elements.
macro_rules! with_scalar {
    ($dtype:expr, $type:ident => $body:expr) => {
        match $dtype {
            raskr_base::DType::F32 => {
                type $type = f32;
                $body
            }
            raskr_base::DType::F64 => {
                type $type = f64;
                $body
            }
            raskr_base::DType::C64 => {
                type $type = num_complex::Complex32;
                $body
            }
            raskr_base::DType::C128 => {
                type $type = num_complex::Complex64;
                $body
            }
            other => {
                return Err($crate::error::KernelError::NoLoop {
                    operation: "linear algebra".to_owned(),
                    inputs: vec![other],
                });
            }
        }
    };
}
pub(crate) use with_scalar;

/// Rows and columns of a matrix.
fn sides(chunk: &Chunk, what: &str) -> Result<(usize, usize), KernelError> {
    match chunk.shape() {
        [rows, columns] => Ok((*rows, *columns)),
        other => Err(KernelError::Shape { expected: format!("a matrix ({what})"), got: format!("shape {other:?}") }),
    }
}

/// The elements column by column: a row-major block of the transpose.
fn by_columns(chunk: &Chunk) -> Result<ChunkMut, KernelError> {
    let turned = crate::blocks::transpose(chunk, &[1, 0])?;
    Ok(crate::blocks::owned(&turned))
}

/// A matrix whose elements are given column by column.
fn from_columns<T: Scalar>(columns: &[T], rows: usize, width: usize) -> Chunk {
    let mut out = ChunkMut::new(T::DTYPE, &[rows, width]);
    if rows > 0 && width > 0 {
        let to = out.as_mut_slice::<T>();
        for (i, row) in to.chunks_exact_mut(width).enumerate() {
            for (x, column) in row.iter_mut().zip(columns.chunks_exact(rows)) {
                *x = column[i];
            }
        }
    }
    out.freeze()
}

/// The conjugate transpose.
pub fn adjoint(chunk: &Chunk) -> Result<Chunk, KernelError> {
    sides(chunk, "adjoint")?;
    with_scalar!(chunk.dtype(), T => {
        let mut turned = by_columns(chunk)?;
        turned.as_mut_slice::<T>().iter_mut().for_each(|x| *x = x.conjugate());
        Ok(turned.freeze())
    })
}

#[cfg(test)]
mod tests;
