//! `Grid`: how an array is cut into blocks, axis by axis.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::ArrayError;

/// The size of a chunk that is known only after it was computed.
pub const UNKNOWN: u64 = u64::MAX;

/// The chunks of one axis.
#[derive(Clone, Eq)]
pub struct Axis {
    sizes: Arc<[u64]>,
    /// Where each chunk starts, and the end of the last; empty when a size is unknown.
    starts: Arc<[u64]>,
}

impl Axis {
    pub fn new(sizes: impl Into<Arc<[u64]>>) -> Axis {
        let sizes: Arc<[u64]> = sizes.into();
        if sizes.contains(&UNKNOWN) {
            return Axis { sizes, starts: Arc::new([]) };
        }
        let mut end = 0;
        let starts = std::iter::once(0)
            .chain(sizes.iter().map(|size| {
                end += size;
                end
            }))
            .collect();
        Axis { sizes, starts }
    }

    /// One chunk of this length.
    pub fn single(len: u64) -> Axis {
        Axis::new([len])
    }

    /// Chunks of `size`, the last one possibly shorter.
    pub fn regular(len: u64, size: u64) -> Axis {
        let size = size.max(1);
        let mut sizes = vec![size; (len / size) as usize];
        if !len.is_multiple_of(size) || sizes.is_empty() {
            sizes.push(len - size * sizes.len() as u64);
        }
        Axis::new(sizes)
    }

    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    pub(crate) fn shared_sizes(&self) -> &Arc<[u64]> {
        &self.sizes
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.sizes.len()
    }

    pub fn is_known(&self) -> bool {
        !self.starts.is_empty()
    }

    /// The axis' length; [`UNKNOWN`] when a chunk's is.
    pub fn len(&self) -> u64 {
        self.starts.last().copied().unwrap_or(UNKNOWN)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where block `index` starts; 0 when sizes are unknown.
    pub fn start(&self, index: usize) -> u64 {
        self.starts.get(index).copied().unwrap_or(0)
    }

    /// The block that holds element `at`. Sizes are known and `at` is inside; empty blocks are passed over.
    pub fn block_of(&self, at: u64) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1).min(self.sizes.len().saturating_sub(1))
    }

    pub fn max_size(&self) -> u64 {
        self.sizes.iter().copied().max().unwrap_or(0)
    }
}

impl PartialEq for Axis {
    fn eq(&self, other: &Axis) -> bool {
        // Most axes that are compared are one and the same, which may have a million chunks.
        Arc::ptr_eq(&self.sizes, &other.sizes) || self.sizes == other.sizes
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, size) in self.sizes.iter().take(8).enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            if *size == UNKNOWN { write!(f, "{comma}nan")? } else { write!(f, "{comma}{size}")? }
        }
        if self.sizes.len() > 8 {
            write!(f, ", … {} chunks", self.sizes.len())?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A block's place on every axis.
pub type BlockIndex = SmallVec<[u32; 4]>;

/// The chunks of every axis. Blocks are numbered in row-major order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grid {
    axes: SmallVec<[Axis; 4]>,
}

impl Grid {
    /// Errors when there are more blocks than a layer can number.
    pub fn new(axes: impl IntoIterator<Item = Axis>) -> Result<Grid, ArrayError> {
        let axes: SmallVec<[Axis; 4]> = axes.into_iter().collect();
        let tasks = axes.iter().fold(1u128, |n, axis| n.saturating_mul(axis.blocks() as u128));
        if tasks > u128::from(u32::MAX / 2) {
            return Err(ArrayError::TooManyBlocks { tasks, limit: u32::MAX / 2 });
        }
        Ok(Grid { axes })
    }

    /// One block of this shape.
    pub fn single(shape: &[u64]) -> Grid {
        Grid { axes: shape.iter().map(|n| Axis::single(*n)).collect() }
    }

    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    pub fn axis(&self, index: usize) -> &Axis {
        &self.axes[index]
    }

    pub fn ndim(&self) -> usize {
        self.axes.len()
    }

    /// Lengths of the axes, [`UNKNOWN`] where not known.
    pub fn shape(&self) -> SmallVec<[u64; 4]> {
        self.axes.iter().map(Axis::len).collect()
    }

    pub fn is_known(&self) -> bool {
        self.axes.iter().all(Axis::is_known)
    }

    /// Number of blocks.
    pub fn blocks(&self) -> u32 {
        self.axes.iter().map(|axis| axis.blocks() as u32).product()
    }

    /// Number of elements, or `None` when unknown.
    pub fn elements(&self) -> Option<u64> {
        self.is_known().then(|| self.axes.iter().map(Axis::len).product())
    }

    /// Row-major number of a block.
    pub fn flat(&self, block: &[u32]) -> u32 {
        self.axes.iter().zip(block).fold(0, |flat, (axis, b)| flat * axis.blocks() as u32 + b)
    }

    /// The place of block number `flat`.
    pub fn unflat(&self, mut flat: u32) -> BlockIndex {
        let mut block = BlockIndex::from_elem(0, self.ndim());
        for (axis, place) in self.axes.iter().zip(&mut block).rev() {
            let n = axis.blocks().max(1) as u32;
            *place = flat % n;
            flat /= n;
        }
        block
    }

    /// Sizes of a block, [`UNKNOWN`] where not known.
    pub fn block_shape(&self, block: &[u32]) -> SmallVec<[u64; 4]> {
        self.axes.iter().zip(block).map(|(axis, b)| axis.sizes()[*b as usize]).collect()
    }

    /// Elements of a block; an unknown size counts as the largest known one of its axis, or 1.
    pub fn block_elements(&self, block: &[u32]) -> u64 {
        self.axes
            .iter()
            .zip(block)
            .map(|(axis, b)| match axis.sizes()[*b as usize] {
                UNKNOWN => 1,
                size => size,
            })
            .fold(1, u64::saturating_mul)
    }

    /// First elements of a block along every axis (0 where unknown).
    pub fn block_start(&self, block: &[u32]) -> SmallVec<[u64; 4]> {
        self.axes.iter().zip(block).map(|(axis, b)| axis.start(*b as usize)).collect()
    }
}

/// A shape as a tuple in words, `nan` where unknown.
pub fn shape_words(shape: &[u64]) -> String {
    let words: Vec<String> =
        shape.iter().map(|n| if *n == UNKNOWN { "nan".to_owned() } else { n.to_string() }).collect();
    match words.as_slice() {
        [one] => format!("({one},)"),
        many => format!("({})", many.join(", ")),
    }
}

/// The common refinement of chunks that cut the same length; one chunk of 1 broadcasts, unknown chunks must agree.
pub fn unify_axes<'a>(
    operation: &'static str,
    axes: impl Iterator<Item = &'a Axis> + Clone,
) -> Result<Axis, ArrayError> {
    let mut wanted: Option<&Axis> = None;
    let mut equal = true;
    for axis in axes.clone() {
        match wanted {
            None => wanted = Some(axis),
            Some(first) if first.sizes() == axis.sizes() => {}
            Some(first) if first.sizes() == [1] => wanted = Some(axis),
            Some(_) if axis.sizes() == [1] => {}
            Some(first) => {
                equal = false;
                // An array cut in several blocks says more than an axis of length one cut in one.
                if first.len() == 1 && axis.len() != 1 {
                    wanted = Some(axis);
                }
            }
        }
    }
    let Some(first) = wanted else { return Ok(Axis::single(1)) };
    if equal {
        return Ok(first.clone());
    }
    let others = || axes.clone().filter(|axis| axis.len() != 1);
    if others().next().is_none() {
        // All have length one, with empty blocks in different places.
        return Ok(Axis::single(1));
    }
    if others().any(|axis| !axis.is_known()) {
        let mut counts = others().map(Axis::blocks);
        let left = counts.next().unwrap_or(0);
        if let Some(right) = counts.find(|n| *n != left) {
            return Err(ArrayError::UnknownChunksDiffer { operation, left, right });
        }
        if let Some(known) = others().find(|axis| axis.is_known()) {
            return Ok(known.clone());
        }
        return Ok(first.clone());
    }
    if let Some(other) = others().find(|axis| axis.len() != first.len()) {
        return Err(ArrayError::LengthsDiffer {
            operation,
            left: first.len(),
            left_axis: 0,
            right: other.len(),
            right_axis: 0,
        });
    }
    let mut ends: Vec<u64> = others().flat_map(|axis| axis.starts.iter().copied().skip(1)).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut start = 0;
    let sizes: Vec<u64> = ends
        .into_iter()
        .map(|end| {
            let size = end - start;
            start = end;
            size
        })
        .filter(|size| *size > 0)
        .collect();
    Ok(Axis::new(if sizes.is_empty() { vec![0] } else { sizes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_chunks_cover_the_axis() {
        assert_eq!(Axis::regular(10, 4).sizes(), [4, 4, 2]);
        assert_eq!(Axis::regular(0, 4).sizes(), [0]);
        assert_eq!(Axis::regular(8, 4).sizes(), [4, 4]);
    }

    #[test]
    fn blocks_are_found_past_empty_ones() {
        let axis = Axis::new([3, 0, 2]);
        assert_eq!((0..5).map(|at| axis.block_of(at)).collect::<Vec<_>>(), [0, 0, 0, 2, 2]);
    }

    #[test]
    fn unified_chunks_refine_all() {
        let (a, b, one) = (Axis::new([4, 6]), Axis::new([5, 5]), Axis::new([1]));
        assert_eq!(unify_axes("add", [&a, &b, &one].into_iter()).expect("same length").sizes(), [4, 1, 5]);
        assert_eq!(unify_axes("add", [&one, &a].into_iter()).expect("broadcast").sizes(), [4, 6]);
        assert!(unify_axes("add", [&a, &Axis::new([4, 5])].into_iter()).is_err());
        let (before, after) = (Axis::new([0, 1]), Axis::new([1, 0]));
        assert_eq!(unify_axes("add", [&before, &after].into_iter()).expect("same length").sizes(), [1]);
    }

    #[test]
    fn block_numbers_are_row_major() {
        let grid = Grid::new([Axis::new([2, 2]), Axis::new([1, 1, 1])]).expect("small");
        assert_eq!(grid.unflat(4).as_slice(), [1, 1]);
        assert_eq!(grid.flat(&[1, 1]), 4);
    }
}
