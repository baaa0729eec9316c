//! `Target`: one array in memory that many threads fill, each block by whoever computed it.
//!
//! States of a block: free, then claimed by exactly one writer (an atomic flag is swapped), then written. Blocks are cells
//! of a grid, so that they never overlap. Each writer counts itself in before it writes and out after; the array is given
//! out only while nobody is in, and whoever takes it thereby closes the target: later writers are turned away.
// `unsafe` is allowed here: disjoint parts of one allocation are written through a shared reference, as told above.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use smallvec::SmallVec;

use raskr_base::{Chunk, ChunkMut, DType, Dims, Element};

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

/// The shape of an array of blocks of these sizes, where they start, and that none has a writer.
fn cut(sizes: &[Vec<usize>]) -> (Dims, Vec<Vec<usize>>, Vec<AtomicBool>) {
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
    let blocks: usize = sizes.iter().map(Vec::len).product();
    let claimed = (0..blocks).map(|_| AtomicBool::new(false)).collect();
    (sizes.iter().map(|axis| axis.iter().sum()).collect(), starts, claimed)
}

impl Target {
    /// An array whose axes are cut into blocks of these sizes.
    pub fn new(dtype: DType, sizes: &[Vec<usize>]) -> Target {
        let (shape, starts, claimed) = cut(sizes);
        let mut array = ChunkMut::zeroed(dtype, &shape);
        let start = array.as_mut_ptr();
        Target { array: array.freeze(), start, taken: RwLock::new(false), dtype, shape, starts, claimed }
    }

    /// Copies a block into its place. False when it has another shape or element type than the place, which then stays
    /// as it was. A block that was written before is not written again.
    pub fn write(&self, block: &[u32], chunk: &Chunk) -> Result<bool, KernelError> {
        if chunk.dtype() != self.dtype {
            return Ok(false);
        }
        self.fill(block, chunk.shape(), |mut cell| cell.write(&[], chunk))
    }

    /// Hands out a block's place, to be written at once or piece by piece. False when it has another shape; a block that
    /// was written before is not handed out again.
    pub fn fill(
        &self,
        block: &[u32],
        shape: &[usize],
        write: impl FnOnce(Cell<'_>) -> Result<(), KernelError>,
    ) -> Result<bool, KernelError> {
        let taken = self.taken.read();
        if *taken {
            return Err(KernelError::Cancelled);
        }
        let Some((flat, cell)) = self.place(block)? else { return Ok(false) };
        if cell.shape[..] != *shape {
            return Ok(false);
        }
        if !shape.contains(&0) && self.claim(flat) {
            write(cell)?;
        }
        Ok(true)
    }

    /// Hands out the places of several blocks together; none may have been handed out before.
    pub fn fill_all<B: AsRef<[u32]>>(
        &self,
        blocks: &[B],
        write: impl FnOnce(Vec<Cell<'_>>) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        let taken = self.taken.read();
        if *taken {
            return Err(KernelError::Cancelled);
        }
        let mut cells = Vec::with_capacity(blocks.len());
        for block in blocks {
            let block = block.as_ref();
            match self.place(block)? {
                Some((flat, cell)) if self.claim(flat) => cells.push(cell),
                _ => return Err(KernelError::Value(format!("block {block:?} of an array was handed out before"))),
            }
        }
        write(cells)
    }

    /// Is this the block's one writer?
    fn claim(&self, flat: usize) -> bool {
        self.claimed.get(flat).is_some_and(|claimed| !claimed.swap(true, Ordering::AcqRel))
    }

    /// The row-major number of a block and its place; `None` for one of another number of axes.
    fn place(&self, block: &[u32]) -> Result<Option<(usize, Cell<'_>)>, KernelError> {
        if block.len() != self.shape.len() {
            return Ok(None);
        }
        let strides = byte_strides(&contiguous_strides(&self.shape), self.dtype.itemsize());
        let (mut flat, mut at, mut shape) = (0usize, 0isize, Dims::new());
        for axis in 0..block.len() {
            let (starts, number) = (&self.starts[axis], block[axis] as usize);
            let Some(start) = starts.get(number) else {
                return Err(KernelError::Shape {
                    expected: format!("block numbers below {} on axis {axis}", starts.len()),
                    got: number.to_string(),
                });
            };
            shape.push(self.size_of(axis, block[axis]));
            flat = flat * starts.len() + number;
            at += *start as isize * strides[axis];
        }
        let start = self.start.wrapping_offset(at);
        Ok(Some((flat, Cell { start, strides, shape, dtype: self.dtype, target: PhantomData })))
    }

    /// The same array, as it is now, to be written anew by other blocks; this target is closed.
    pub fn recut(&self, sizes: &[Vec<usize>]) -> Result<Target, KernelError> {
        let (shape, starts, claimed) = cut(sizes);
        if shape != self.shape {
            return Err(KernelError::Shape {
                expected: format!("blocks of an array of shape {:?}", self.shape),
                got: format!("{shape:?}"),
            });
        }
        let mut taken = self.taken.write();
        if std::mem::replace(&mut *taken, true) {
            return Err(KernelError::Cancelled);
        }
        // Nobody writes through this target any more, and nobody was given the array.
        let (array, start) = (self.array.clone(), self.start);
        Ok(Target { array, start, taken: RwLock::new(false), dtype: self.dtype, shape, starts, claimed })
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The length of a block along an axis.
    pub fn size_of(&self, axis: usize, block: u32) -> usize {
        let (Some(starts), Some(end)) = (self.starts.get(axis), self.shape.get(axis)) else { return 0 };
        let at = |number: usize| starts.get(number).copied().unwrap_or(*end);
        at(block as usize + 1) - at(block as usize)
    }

    /// The array. Nothing is written any more from here on.
    pub fn take(&self) -> Chunk {
        *self.taken.write() = true;
        self.array.clone()
    }
}

/// The place of one block within a target, claimed by its one writer.
pub struct Cell<'t> {
    start: *mut u8,
    /// In bytes.
    strides: SmallVec<[isize; 4]>,
    shape: Dims,
    dtype: DType,
    target: PhantomData<&'t Target>,
}

impl Cell<'_> {
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Bytes between neighbours along each axis.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Address of the first element. Every index inside the shape may be written by whoever holds the cell.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start
    }

    /// All bytes, when the elements lie in row-major order without gaps.
    pub fn as_bytes_mut(&mut self) -> Option<&mut [u8]> {
        let mut step = self.dtype.itemsize() as isize;
        for (&n, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if n != 1 && stride != step {
                return None;
            }
            step *= n as isize;
        }
        let len = self.shape.iter().product::<usize>() * self.dtype.itemsize();
        // SAFETY: initialised memory inside the target (see `Target`), which this writer alone may touch, without gaps.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start, len) })
    }

    /// All elements, when they lie in row-major order without gaps and have this type.
    pub fn as_mut_slice<T: Element>(&mut self) -> Option<&mut [T]> {
        if !T::stores(self.dtype) {
            return None;
        }
        let len = self.shape.iter().product();
        let start = self.as_bytes_mut()?.as_mut_ptr();
        // SAFETY: the bytes just borrowed, as whole elements; the array starts at a multiple of every element's size.
        Some(unsafe { std::slice::from_raw_parts_mut(start.cast::<T>(), len) })
    }

    /// Copies a piece of the block to its place within it (to the very start where none is given).
    pub fn write(&mut self, at: &[usize], piece: &Chunk) -> Result<(), KernelError> {
        let place = |axis: usize| at.get(axis).copied().unwrap_or(0);
        let fits = piece.dtype() == self.dtype
            && piece.ndim() == self.shape.len()
            && (0..piece.ndim()).all(|axis| place(axis) + piece.shape()[axis] <= self.shape[axis]);
        if !fits {
            return Err(KernelError::Shape {
                expected: format!("a piece of a {} block of shape {:?} from {at:?} on", self.dtype, self.shape),
                got: format!("{} {:?}", piece.dtype(), piece.shape()),
            });
        }
        if piece.is_empty() {
            return Ok(());
        }
        let offset: isize = self.strides.iter().enumerate().map(|(axis, step)| place(axis) as isize * step).sum();
        // SAFETY: the piece was found to lie inside the cell, which lies inside the array and has this one writer; nobody
        // reads the array before it is taken, which waits for this writer.
        unsafe { copy_to_strided(piece, self.start.offset(offset), &self.strides) };
        Ok(())
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
