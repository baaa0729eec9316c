//! `Feed`: the elements of fused expressions piece by piece, for operations that look at each once and store none.

use std::sync::atomic::AtomicBool;

use raskr_base::{Chunk, TaskError, Value};
use raskr_graph::TaskRef;
use raskr_kernels::program::Access;
use smallvec::SmallVec;

use super::fused::{FusedOp, list_inputs};

/// Elements of a piece: few enough that what is computed of it is still in the cache when it is looked at.
const PIECE: usize = 1 << 15;

/// Where a value of a feed comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fed {
    /// From an operand as it is.
    Operand(usize),
    /// From the program, which computes it.
    Output(usize),
}

/// A program with what it reads, and the values that it gives.
pub struct Feed {
    pub fused: FusedOp,
    pub values: SmallVec<[Fed; 3]>,
}

/// A block of a feed, its inputs found.
pub struct Opened<'f> {
    feed: &'f Feed,
    pub region: Vec<usize>,
    accesses: Vec<Access>,
}

impl Feed {
    pub fn list_inputs(&self, index: u32, into: &mut Vec<TaskRef>) {
        list_inputs(&self.fused.operands, &self.fused.grid, index, into);
    }

    pub fn open(&self, index: u32, inputs: &mut Vec<Value>) -> Result<Opened<'_>, TaskError> {
        let (region, accesses) = self.fused.accesses(&self.fused.grid.unflat(index), inputs)?;
        Ok(Opened { feed: self, region, accesses })
    }
}

impl Opened<'_> {
    /// Elements of the block.
    pub fn elements(&self) -> usize {
        self.region.iter().product()
    }

    /// Calls `each` with the values of all pieces, in row-major order, and where each piece starts.
    pub fn each(
        &self,
        cancelled: &AtomicBool,
        mut each: impl FnMut(&[usize], &[Chunk]) -> Result<(), TaskError>,
    ) -> Result<(), TaskError> {
        if self.region.contains(&0) {
            return Ok(());
        }
        let (mut whole, mut inner) = (self.region.len(), 1);
        while whole > 0 && inner * self.region[whole - 1] <= PIECE {
            whole -= 1;
            inner *= self.region[whole];
        }
        // Axes from `whole` on are in every piece; the one before is cut, those before that are gone through one by one.
        let step = (PIECE / inner).max(1);
        let mut start: SmallVec<[usize; 4]> = SmallVec::from_elem(0, self.region.len());
        let mut shape: SmallVec<[usize; 4]> = SmallVec::from_elem(1, self.region.len());
        shape[whole..].copy_from_slice(&self.region[whole..]);
        loop {
            if whole > 0 {
                shape[whole - 1] = step.min(self.region[whole - 1] - start[whole - 1]);
            }
            let values = self.piece(&start, &shape, cancelled)?;
            each(&start, &values)?;
            let mut axis = whole;
            loop {
                if axis == 0 {
                    return Ok(());
                }
                axis -= 1;
                start[axis] += if axis + 1 == whole { step } else { 1 };
                if start[axis] < self.region[axis] {
                    break;
                }
                start[axis] = 0;
            }
        }
    }

    fn piece(
        &self,
        start: &[usize],
        shape: &[usize],
        cancelled: &AtomicBool,
    ) -> Result<SmallVec<[Chunk; 3]>, TaskError> {
        let outside = || TaskError::internal("a piece outside of its block");
        let accesses = self
            .accesses
            .iter()
            .map(|access| match access {
                Access::Memory(chunk) => {
                    let offset: isize = start.iter().zip(chunk.strides()).map(|(at, step)| *at as isize * step).sum();
                    let offset = chunk.offset() as isize + offset;
                    chunk
                        .with_layout(shape, chunk.strides(), offset.max(0) as usize)
                        .map(Access::Memory)
                        .ok_or_else(outside)
                }
                Access::Virtual { base, strides } => {
                    let offset: i64 = start.iter().zip(strides).map(|(at, step)| *at as i64 * step).sum();
                    Ok(Access::Virtual { base: base + offset, strides: strides.clone() })
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let operands: SmallVec<[Option<Chunk>; 3]> = self
            .feed
            .values
            .iter()
            .map(|value| match value {
                Fed::Operand(index) => match accesses.get(*index) {
                    Some(Access::Memory(chunk)) => Some(chunk.clone()),
                    _ => None,
                },
                Fed::Output(_) => None,
            })
            .collect();
        let program = &self.feed.fused.program;
        let results =
            if program.outputs().is_empty() { Vec::new() } else { program.run(shape, accesses, cancelled)? };
        self.feed
            .values
            .iter()
            .zip(operands)
            .map(|(value, operand)| match value {
                Fed::Operand(_) => operand.ok_or_else(outside),
                Fed::Output(index) => results.get(*index).cloned().ok_or_else(outside),
            })
            .collect()
    }
}
