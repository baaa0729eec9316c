//! `Target`: one array in memory that many threads fill, each block by whoever computed it.
//!
//! States of a block: free, then claimed by exactly one writer (an atomic flag is swapped), then written. Blocks are cells
//! of a grid, so that they never overlap. Each writer counts itself in before it writes and out after; the array is given
//! out only while nobody is in, and whoever takes it thereby closes the target: later writers are turned away.
// `unsafe` is allowed here: disjoint parts of one allocation are written through a shared reference, as told above.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use raskr_base::{Chunk, ChunkMut, DType, Dims};

use super::copy::byte_strides;
use super::copy::copy_to_strided;
use crate::error::KernelError;
use raskr_base::chunk::contiguous_strides;

/// An array under construction.
pub struct Target {
    array: Chunk,
    start: *mut u8,
    /// Writers share the lock; taking the array needs it alone. True once the array was taken.
    taken: RwLock<bool>,
    dtype: DType,
    shape: Dims,
    /// Where the blocks of each axis start.
    starts: Vec<Vec<usize>>,
    claimed: Vec<AtomicBool>,
}

// SAFETY: writers touch disjoint cells, each claimed once; see the module's documentation.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// An array whose axes are cut into blocks of these sizes.
    pub fn new(dtype: DType, sizes: &[Vec<usize>]) -> Target {
        let shape: Dims = sizes.iter().map(|axis| axis.iter().sum()).collect();
        let starts = sizes
            .iter()
            .map(|axis| {
                axis.iter()
                    .scan(0, |end, size| {
                        let start = *end;
                        *end += size;
                        Some(start)
                    })
                    .collect()
            })
            .collect();
        let blocks = sizes.iter().map(Vec::len).product();
        let mut array = ChunkMut::zeroed(dtype, &shape);
        let start = array.as_mut_ptr();
        let claimed = (0..blocks).map(|_| AtomicBool::new(false)).collect();
        Target { array: array.freeze(), start, taken: RwLock::new(false), dtype, shape, starts, claimed }
    }

    /// Copies a block into its place. False when it has another shape or element type than the place, which then stays
    /// as it was. A block that was written before is not written again.
    pub fn write(&self, block: &[u32], chunk: &Chunk) -> Result<bool, KernelError> {
        if block.len() != self.shape.len() || chunk.ndim() != self.shape.len() || chunk.dtype() != self.dtype {
            return Ok(false);
        }
        let itemsize = self.dtype.itemsize();
        let strides = byte_strides(&contiguous_strides(&self.shape), itemsize);
        let (mut flat, mut at) = (0usize, 0isize);
        for axis in 0..block.len() {
            let (starts, number) = (&self.starts[axis], block[axis] as usize);
            let Some(start) = starts.get(number) else {
                return Err(KernelError::Shape {
                    expected: format!("block numbers below {} on axis {axis}", starts.len()),
                    got: number.to_string(),
                });
            };
            let end = starts.get(number + 1).copied().unwrap_or(self.shape[axis]);
            if end - start != chunk.shape()[axis] {
                return Ok(false);
            }
            flat = flat * starts.len() + number;
            at += *start as isize * strides[axis];
        }
        let taken = self.taken.read();
        if *taken {
            return Err(KernelError::Cancelled);
        }
        if chunk.is_empty() || self.claimed[flat].swap(true, Ordering::AcqRel) {
            return Ok(true);
        }
        // SAFETY: the cell lies inside the array, was claimed by this call alone, and the chunk has exactly its shape;
        // nobody reads the array before it is taken, which waits for this writer.
        unsafe { copy_to_strided(chunk, self.start.offset(at), &strides) };
        Ok(true)
    }

    /// The array. Nothing is written any more from here on.
    pub fn take(&self) -> Chunk {
        *self.taken.write() = true;
        self.array.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_land_in_their_places() {
        let target = Target::new(DType::I64, &[vec![1, 2], vec![2, 1]]);
        std::thread::scope(|scope| {
            for (block, values, shape) in [
                ([0u32, 0u32], vec![1i64, 2], [1usize, 2usize]),
                ([0, 1], vec![3], [1, 1]),
                ([1, 0], vec![4, 5, 7, 8], [2, 2]),
                ([1, 1], vec![6, 9], [2, 1]),
            ] {
                let target = &target;
                scope.spawn(move || assert_eq!(target.write(&block, &Chunk::from_slice(&values, &shape)), Ok(true)));
            }
        });
        assert_eq!(target.write(&[0, 0], &Chunk::from_slice(&[0i64, 0, 0], &[1, 3])), Ok(false), "another shape");
        assert_eq!(target.take().as_slice::<i64>(), Some(&[1, 2, 3, 4, 5, 6, 7, 8, 9][..]));
    }
}
