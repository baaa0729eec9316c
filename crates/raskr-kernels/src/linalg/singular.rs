//! Singular values and vectors of one block.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, svd as decompose, svd_scratch};
use faer::{Auto, MatMut, MatRef, Par, Spec};
use raskr_base::{Chunk, ChunkMut, Element};

use super::scalar::Scalar;
use super::{by_columns, from_columns, sides, with_scalar};
use crate::error::KernelError;

/// Left vectors in columns, singular values in descending order, and right vectors, conjugated, in rows.
#[derive(Clone, Debug)]
pub struct Singular {
    pub left: Chunk,
    pub values: Chunk,
    pub right: Chunk,
}

const NO_CONVERGENCE: KernelError = KernelError::Matrix("SVD did not converge");

/// The decomposition; `full` makes both matrices of vectors square.
pub fn svd(chunk: &Chunk, full: bool) -> Result<Singular, KernelError> {
    let (rows, columns) = sides(chunk, "svd")?;
    with_scalar!(chunk.dtype(), T => {
        let count = rows.min(columns);
        let (wide, high) = if full { (rows, columns) } else { (count, count) };
        let mut u = vec![<T as Scalar>::NOTHING; rows * wide];
        let mut v = vec![<T as Scalar>::NOTHING; columns * high];
        let vectors = if full { ComputeSvdVectors::Full } else { ComputeSvdVectors::Thin };
        let values = solve::<T>(chunk, vectors, Some((&mut u, wide)), Some((&mut v, high)))?;
        v.iter_mut().for_each(|x| *x = x.conjugate());
        // The transpose of what is stored by columns is the same memory by rows.
        let right = Chunk::from_slice(&v, &[high, columns]);
        Ok(Singular { left: from_columns(&u, rows, wide), values, right })
    })
}

/// The singular values alone.
pub fn singular_values(chunk: &Chunk) -> Result<Chunk, KernelError> {
    sides(chunk, "svd")?;
    with_scalar!(chunk.dtype(), T => solve::<T>(chunk, ComputeSvdVectors::No, None, None))
}

type Vectors<'a, T> = Option<(&'a mut Vec<T>, usize)>;

fn solve<T: Scalar>(
    chunk: &Chunk,
    vectors: ComputeSvdVectors,
    u: Vectors<'_, T>,
    v: Vectors<'_, T>,
) -> Result<Chunk, KernelError>
where
    faer::linalg::svd::SvdParams: Auto<T>,
{
    let (rows, columns) = sides(chunk, "svd")?;
    let count = rows.min(columns);
    let mut result = ChunkMut::new(<T::Size as Element>::DTYPE, &[count]);
    if count == 0 {
        for (square, side) in [(u, rows), (v, columns)].into_iter().filter_map(|(x, side)| Some((x?, side))) {
            if square.1 == side {
                (0..side).for_each(|i| square.0[i * side + i] = T::UNIT);
            }
        }
        return Ok(result.freeze());
    }
    let mut a = by_columns(chunk)?;
    let elements = a.as_mut_slice::<T>();
    if elements.iter().any(|x| !is_finite(*x)) {
        return Err(NO_CONVERGENCE);
    }
    let mut values = vec![T::NOTHING; count];
    let params = Spec::<faer::linalg::svd::SvdParams, T>::default();
    let mut memory = MemBuffer::new(svd_scratch::<T>(rows, columns, vectors, vectors, Par::Seq, params));
    decompose(
        MatRef::from_column_major_slice(elements, rows, columns),
        DiagMut::from_slice_mut(&mut values),
        u.map(|(values, width)| MatMut::from_column_major_slice_mut(values.as_mut_slice(), rows, width)),
        v.map(|(values, width)| MatMut::from_column_major_slice_mut(values.as_mut_slice(), columns, width)),
        Par::Seq,
        MemStack::new(&mut memory),
        params,
    )
    .map_err(|_| NO_CONVERGENCE)?;
    for (to, value) in result.as_mut_slice::<T::Size>().iter_mut().zip(values) {
        *to = value.real_part();
    }
    Ok(result.freeze())
}

fn is_finite<T: Scalar>(x: T) -> bool {
    num_traits::Float::is_finite(x.real_part()) && num_traits::Float::is_finite(x.imaginary_part())
}
