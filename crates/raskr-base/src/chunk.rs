//! `Chunk`: a block of an array: element type, shape, strides and shared memory.
//!
//! Strides and offsets count elements, not bytes. Invariant: every index inside the shape addresses memory inside the
//! buffer; constructors check it, views keep it.
// `unsafe` is allowed here: typed views of raw buffers; constructors check bounds, alignment and element type.
#![allow(unsafe_code)]

use std::sync::Arc;

use smallvec::SmallVec;

use crate::buffer::Buffer;
use crate::dtype::{DType, Element};

pub type Dims = SmallVec<[usize; 4]>;
pub type Strides = SmallVec<[isize; 4]>;

/// An immutable strided block of elements. Cloning shares the memory.
#[derive(Clone, Debug)]
pub struct Chunk {
    dtype: DType,
    shape: Dims,
    strides: Strides,
    offset: usize,
    buffer: Arc<Buffer>,
}

/// Row-major strides of a shape.
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(0, shape.len());
    let mut step = 1isize;
    for axis in (0..shape.len()).rev() {
        strides[axis] = step;
        step = step.saturating_mul(shape[axis].max(1) as isize);
    }
    strides
}

/// Lowest and highest element index that a strided shape reaches from `offset`; `None` for an empty shape.
fn reach(shape: &[usize], strides: &[isize], offset: usize) -> Option<(isize, isize)> {
    let (mut low, mut high) = (offset as isize, offset as isize);
    for (&n, &s) in shape.iter().zip(strides) {
        if n == 0 {
            return None;
        }
        let span = (n as isize - 1) * s;
        if span < 0 { low += span } else { high += span }
    }
    Some((low, high))
}

impl Chunk {
    /// A chunk over existing memory, or `None` when the strides leave the buffer, lengths differ or memory is unaligned.
    pub fn from_parts(
        dtype: DType,
        shape: &[usize],
        strides: &[isize],
        offset: usize,
        buffer: Arc<Buffer>,
    ) -> Option<Chunk> {
        let align = match dtype {
            DType::C64 => 4,
            DType::C128 => 8,
            other => other.itemsize(),
        };
        if shape.len() != strides.len() || !(buffer.as_ptr() as usize).is_multiple_of(align) {
            return None;
        }
        if let Some((low, high)) = reach(shape, strides, offset)
            && (low < 0 || (high as usize + 1).checked_mul(dtype.itemsize())? > buffer.len())
        {
            return None;
        }
        Some(Chunk { dtype, shape: shape.into(), strides: strides.into(), offset, buffer })
    }

    /// A chunk of the elements of `values`, in row-major order. The shape's product must be the length.
    pub fn from_slice<T: Element>(values: &[T], shape: &[usize]) -> Chunk {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "shape and length differ");
        let mut chunk = ChunkMut::new(T::DTYPE, shape);
        chunk.as_mut_slice::<T>().copy_from_slice(values);
        chunk.freeze()
    }

    /// A chunk without dimensions.
    pub fn scalar<T: Element>(value: T) -> Chunk {
        Chunk::from_slice(&[value], &[])
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements to step along each axis.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Index of the first element within the buffer.
    pub fn offset(&self) -> usize {
        self.offset
    }

    pub fn buffer(&self) -> &Arc<Buffer> {
        &self.buffer
    }

    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Bytes of the elements (for a view of a larger block: of the view).
    pub fn nbytes(&self) -> usize {
        self.len() * self.dtype.itemsize()
    }

    /// Address of the first element.
    pub fn as_ptr(&self) -> *const u8 {
        self.buffer.as_ptr().wrapping_add(self.offset * self.dtype.itemsize())
    }

    pub fn is_contiguous(&self) -> bool {
        if self.is_empty() {
            return true;
        }
        let mut step = 1isize;
        for (&n, &s) in self.shape.iter().zip(&self.strides).rev() {
            if n != 1 && s != step {
                return false;
            }
            step *= n as isize;
        }
        true
    }

    /// The elements in row-major order when they lie so in memory. Panics when `T` does not store the element type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        assert!(T::stores(self.dtype), "{} elements read as {}", self.dtype, T::DTYPE);
        if !self.is_contiguous() {
            return None;
        }
        if self.is_empty() {
            return Some(&[]);
        }
        // SAFETY: `from_parts` checked bounds and alignment, contiguity was just checked, memory is initialised.
        Some(unsafe { std::slice::from_raw_parts(self.as_ptr().cast::<T>(), self.len()) })
    }

    /// The elements as one value when there is exactly one.
    pub fn item<T: Element>(&self) -> Option<T> {
        (self.len() == 1).then(|| self.as_slice::<T>().map(|s| s[0])).flatten()
    }

    /// The same memory seen with another shape and strides; `None` when they would leave the buffer.
    pub fn with_layout(&self, shape: &[usize], strides: &[isize], offset: usize) -> Option<Chunk> {
        Chunk::from_parts(self.dtype, shape, strides, offset, Arc::clone(&self.buffer))
    }

    /// The same memory with another element type of the same storage (`int64` as `datetime64[ns]`, `bool` as `uint8`).
    pub fn reinterpret(mut self, dtype: DType) -> Option<Chunk> {
        if self.dtype.itemsize() != dtype.itemsize() {
            return None;
        }
        self.dtype = dtype;
        Some(self)
    }

    /// Row-major reshape without a copy; `None` when the memory is not contiguous or the sizes differ.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Chunk> {
        if !self.is_contiguous() || shape.iter().product::<usize>() != self.len() {
            return None;
        }
        self.with_layout(shape, &contiguous_strides(shape), self.offset)
    }

    /// Write access without a copy for the sole owner of contiguous heap memory; the chunk itself otherwise.
    pub fn into_mut(self) -> Result<ChunkMut, Chunk> {
        if self.offset != 0 || !self.is_contiguous() || !self.buffer.is_heap() {
            return Err(self);
        }
        let Chunk { dtype, shape, strides, offset, buffer } = self;
        match Arc::try_unwrap(buffer) {
            Ok(buffer) => Ok(ChunkMut { dtype, shape, buffer }),
            Err(buffer) => Err(Chunk { dtype, shape, strides, offset, buffer }),
        }
    }
}

/// A contiguous row-major block with one owner, for writing; [`ChunkMut::freeze`] makes it a [`Chunk`].
#[derive(Debug)]
pub struct ChunkMut {
    dtype: DType,
    shape: Dims,
    buffer: Buffer,
}

impl ChunkMut {
    /// Memory for a shape, initialised but with unspecified contents.
    pub fn new(dtype: DType, shape: &[usize]) -> ChunkMut {
        let len = shape.iter().product::<usize>() * dtype.itemsize();
        ChunkMut { dtype, shape: shape.into(), buffer: Buffer::recycled(len) }
    }

    pub fn zeroed(dtype: DType, shape: &[usize]) -> ChunkMut {
        let len = shape.iter().product::<usize>() * dtype.itemsize();
        ChunkMut { dtype, shape: shape.into(), buffer: Buffer::zeroed(len) }
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.buffer.as_ptr().cast_mut()
    }

    /// All elements, row-major. Panics when `T` does not store the element type.
    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        assert!(T::stores(self.dtype), "{} elements written as {}", self.dtype, T::DTYPE);
        let len = self.len();
        // SAFETY: heap memory of at least len elements, aligned to 64 bytes, initialised, and owned by self alone.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast::<T>(), len) }
    }

    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, seen as bytes.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.as_ptr().cast_mut(), self.buffer.len()) }
    }

    pub fn freeze(self) -> Chunk {
        let strides = contiguous_strides(&self.shape);
        Chunk { dtype: self.dtype, shape: self.shape, strides, offset: 0, buffer: Arc::new(self.buffer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_that_leave_the_buffer_are_refused() {
        let chunk = Chunk::from_slice(&[0i64, 1, 2, 3, 4, 5], &[2, 3]);
        assert!(chunk.with_layout(&[3, 2], &[1, 3], 0).is_some());
        assert!(chunk.with_layout(&[3, 3], &[1, 3], 0).is_none());
        assert!(chunk.with_layout(&[2], &[-3], 0).is_none());
        assert!(chunk.with_layout(&[0, 9], &[100, 100], 0).is_some());
    }

    #[test]
    fn sole_owner_writes_in_place() {
        let chunk = Chunk::from_slice(&[1.0f64, 2.0], &[2]);
        let shared = chunk.clone();
        let chunk = chunk.into_mut().expect_err("two owners");
        drop(shared);
        let start = chunk.as_ptr();
        let mut sole = chunk.into_mut().expect("one owner");
        sole.as_mut_slice::<f64>()[0] = 5.0;
        let chunk = sole.freeze();
        assert_eq!(chunk.as_ptr(), start);
        assert_eq!(chunk.as_slice::<f64>(), Some(&[5.0, 2.0][..]));
    }
}
