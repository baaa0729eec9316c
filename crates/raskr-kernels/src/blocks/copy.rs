//! Copies of blocks into blocks: regions, assembly, concatenation.
// `unsafe` is allowed here: bounds are checked here before the raw strided copy, whose addresses they guarantee.
#![allow(unsafe_code)]

use raskr_base::chunk::contiguous_strides;
use raskr_base::{Chunk, ChunkMut, DType, Dims, Element, Strides};

use super::strided::copy_raw;
use crate::error::KernelError;

/// Strides in bytes of strides in elements.
pub fn byte_strides(strides: &[isize], itemsize: usize) -> Strides {
    strides.iter().map(|stride| stride * itemsize as isize).collect()
}

/// Writes the source into the box of the target that starts at `target_offset`.
pub fn copy_into(target: &mut ChunkMut, target_offset: &[usize], source: &Chunk) -> Result<(), KernelError> {
    let inside = target_offset.len() == target.shape().len()
        && source.ndim() == target_offset.len()
        && target_offset
            .iter()
            .zip(source.shape())
            .zip(target.shape())
            .all(|((&start, &len), &whole)| start.checked_add(len).is_some_and(|end| end <= whole));
    if !inside || source.dtype() != target.dtype() {
        return Err(KernelError::Shape {
            expected: format!("a region of a {} block of shape {:?}", target.dtype(), target.shape()),
            got: format!("{} of shape {:?} at {target_offset:?}", source.dtype(), source.shape()),
        });
    }
    if source.is_empty() {
        return Ok(());
    }
    let itemsize = source.dtype().itemsize();
    let strides = contiguous_strides(target.shape());
    let start: isize = target_offset.iter().zip(&strides).map(|(&offset, &stride)| offset as isize * stride).sum();
    // SAFETY: the box was checked to lie inside the target, which this borrow owns alone; the chunk vouches for the source.
    unsafe {
        let to = target.as_mut_ptr().offset(start * itemsize as isize);
        let to_strides = byte_strides(&strides, itemsize);
        let from_strides = byte_strides(source.strides(), itemsize);
        copy_raw(to, &to_strides, source.as_ptr(), &from_strides, source.shape(), itemsize);
    }
    Ok(())
}

/// Writes the source to foreign strided memory, such as a region of a NumPy array, which many threads may fill at once.
///
/// # Safety
/// `to` with `byte_strides` over the source's shape reaches only memory that is valid for writes, that no other thread
/// touches during the call and that is not the source's own.
pub unsafe fn copy_to_strided(source: &Chunk, to: *mut u8, byte_strides_of_target: &[isize]) {
    let itemsize = source.dtype().itemsize();
    let from_strides = byte_strides(source.strides(), itemsize);
    // SAFETY: promised by the caller; the chunk vouches for the source.
    unsafe { copy_raw(to, byte_strides_of_target, source.as_ptr(), &from_strides, source.shape(), itemsize) };
}

/// Reads foreign strided memory into a new block.
///
/// # Safety
/// `from` with `byte_strides_of_source` over `shape` reaches only initialised memory of the element type that nobody
/// writes during the call.
pub unsafe fn copy_from_strided(
    dtype: DType,
    shape: &[usize],
    from: *const u8,
    byte_strides_of_source: &[isize],
) -> Chunk {
    let mut out = ChunkMut::new(dtype, shape);
    let itemsize = dtype.itemsize();
    let to_strides = byte_strides(&contiguous_strides(shape), itemsize);
    // SAFETY: promised by the caller; the output has the shape.
    unsafe { copy_raw(out.as_mut_ptr(), &to_strides, from, byte_strides_of_source, shape, itemsize) };
    out.freeze()
}

/// The chunk itself when its elements lie in row-major order, a copy that does so otherwise.
pub fn to_contiguous(chunk: &Chunk) -> Chunk {
    if chunk.is_contiguous() { chunk.clone() } else { copied(chunk) }
}

/// A row-major copy of its own.
pub fn copied(chunk: &Chunk) -> Chunk {
    owned(chunk).freeze()
}

/// A row-major copy for writing.
pub fn owned(chunk: &Chunk) -> ChunkMut {
    let mut out = ChunkMut::new(chunk.dtype(), chunk.shape());
    let itemsize = chunk.dtype().itemsize();
    let to_strides = byte_strides(&contiguous_strides(chunk.shape()), itemsize);
    // SAFETY: the output is new and of the chunk's shape.
    unsafe { copy_to_strided(chunk, out.as_mut_ptr(), &to_strides) };
    out
}

/// Writes the elements in row-major order.
pub fn copy_out<T: Element>(chunk: &Chunk, to: &mut [T]) -> Result<(), KernelError> {
    if !T::stores(chunk.dtype()) || to.len() != chunk.len() {
        return Err(KernelError::Shape {
            expected: format!("room for {} elements of {}", chunk.len(), chunk.dtype()),
            got: format!("room for {} of {}", to.len(), T::DTYPE),
        });
    }
    let to_strides = byte_strides(&contiguous_strides(chunk.shape()), size_of::<T>());
    // SAFETY: the slice has room for all elements and belongs to the caller alone.
    unsafe { copy_to_strided(chunk, to.as_mut_ptr().cast(), &to_strides) };
    Ok(())
}

/// The chunk's memory for writing when the chunk is its sole owner, a copy otherwise.
pub fn into_owned(chunk: Chunk) -> ChunkMut {
    chunk.into_mut().unwrap_or_else(|chunk| owned(&chunk))
}

/// A block of the given shape put together of pieces, each at its offset. The pieces must cover the shape; where they do
/// not, the contents are unspecified.
pub fn assemble(shape: &[usize], dtype: DType, pieces: &[(Dims, Chunk)]) -> Result<Chunk, KernelError> {
    if let [(offset, chunk)] = pieces
        && chunk.shape() == shape
        && chunk.dtype() == dtype
        && offset.iter().all(|&start| start == 0)
    {
        return Ok(chunk.clone());
    }
    let mut out = ChunkMut::new(dtype, shape);
    for (offset, chunk) in pieces {
        copy_into(&mut out, offset, chunk)?;
    }
    Ok(out.freeze())
}

/// The chunks one after another along an axis. They must agree in element type and in all other axes.
pub fn concatenate(chunks: &[Chunk], axis: usize) -> Result<Chunk, KernelError> {
    let Some(first) = chunks.first() else {
        return Err(KernelError::Value("need at least one array to concatenate".to_string()));
    };
    if axis >= first.ndim() {
        return Err(KernelError::Axis { axis, ndim: first.ndim() });
    }
    if chunks.len() == 1 {
        return Ok(first.clone());
    }
    let mut shape: Dims = first.shape().into();
    shape[axis] = chunks.iter().map(|chunk| chunk.shape().get(axis).copied().unwrap_or(0)).sum();
    let mut out = ChunkMut::new(first.dtype(), &shape);
    let mut offset = Dims::from_elem(0, shape.len());
    for chunk in chunks {
        let agrees = chunk.ndim() == shape.len()
            && (0..shape.len()).all(|other| other == axis || chunk.shape()[other] == shape[other]);
        if !agrees {
            return Err(KernelError::Shape {
                expected: format!("blocks like {:?} outside axis {axis}", first.shape()),
                got: format!("{:?}", chunk.shape()),
            });
        }
        copy_into(&mut out, &offset, chunk)?;
        offset[axis] += chunk.shape()[axis];
    }
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::super::view::{broadcast_to, transpose};
    use super::*;

    #[test]
    fn regions_are_written_and_checked() {
        let source = Chunk::from_slice(&[1i16, 2, 3, 4, 5, 6], &[2, 3]);
        let mut target = ChunkMut::zeroed(DType::I16, &[4, 4]);
        copy_into(&mut target, &[0, 2], &transpose(&source, &[1, 0]).expect("axes")).expect("inside");
        assert_eq!(target.as_mut_slice::<i16>(), [0, 0, 1, 4, 0, 0, 2, 5, 0, 0, 3, 6, 0, 0, 0, 0]);
        assert!(copy_into(&mut target, &[3, 0], &source).is_err());
        assert!(copy_into(&mut target, &[0], &source).is_err());
        assert!(copy_into(&mut target, &[0, 0], &Chunk::from_slice(&[1i32], &[1, 1])).is_err());
    }

    #[test]
    fn pieces_make_a_whole() {
        let piece = |value: f32, shape: &[usize]| broadcast_to(&Chunk::scalar(value), shape).expect("broadcasts");
        let pieces = [
            (Dims::from_slice(&[0, 0]), piece(1.0, &[2, 1])),
            (Dims::from_slice(&[0, 1]), piece(2.0, &[1, 2])),
            (Dims::from_slice(&[1, 1]), piece(3.0, &[1, 2])),
        ];
        let whole = assemble(&[2, 3], DType::F32, &pieces).expect("inside");
        assert_eq!(whole.as_slice::<f32>(), Some(&[1.0, 2.0, 2.0, 1.0, 3.0, 3.0][..]));
        let alone = assemble(&[2, 3], DType::F32, &[(Dims::from_slice(&[0, 0]), whole.clone())]).expect("whole");
        assert_eq!(alone.as_ptr(), whole.as_ptr());
    }

    #[test]
    fn concatenation_checks_the_other_axes() {
        let a = Chunk::from_slice(&[1u8, 2, 3, 4], &[2, 2]);
        let b = Chunk::from_slice(&[5u8, 6], &[2, 1]);
        let joined = concatenate(&[a.clone(), b.clone(), a.clone()], 1).expect("agrees");
        assert_eq!(joined.as_slice::<u8>(), Some(&[1, 2, 5, 1, 2, 3, 4, 6, 3, 4][..]));
        assert!(concatenate(&[a.clone(), b], 0).is_err());
        assert!(concatenate(&[a], 2).is_err() && concatenate(&[], 0).is_err());
    }

    #[test]
    fn foreign_memory_is_written_and_read() {
        let source = Chunk::from_slice(&[1.0f64, 2.0, 3.0, 4.0], &[2, 2]);
        let mut memory = [0.0f64; 8];
        // SAFETY: a 2 x 2 layout with strides of 4 and 2 elements fits 8 elements.
        let back = unsafe {
            copy_to_strided(&source, memory.as_mut_ptr().cast(), &[32, 16]);
            copy_from_strided(DType::F64, &[2, 2], memory.as_ptr().cast(), &[16, 32])
        };
        assert_eq!(memory, [1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0]);
        assert_eq!(back.as_slice::<f64>(), Some(&[1.0, 3.0, 2.0, 4.0][..]));
    }
}
