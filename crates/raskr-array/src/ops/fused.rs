//! `FusedOp`: runs a tile program over one block, on sources, memory and blocks of other layers.

use std::sync::Arc;

use raskr_base::{Chunk, DType, Op, TaskContext, TaskError, Value};
use raskr_graph::TaskRef;
use raskr_kernels::program::{Access, Program, ReductionKind};
use raskr_kernels::reduce::{self, Ending};
use smallvec::SmallVec;

use super::{About, about, chunk_of, list_of};
use crate::error::ArrayError;
use crate::grid::{Grid, UNKNOWN};
use crate::index::{AffineMap, Coordinate, place};
use crate::lower::blocks::Blocks;

/// Where a program's operand comes from.
#[derive(Clone)]
pub enum Operand {
    /// A linear index: `base`, and a step for each `(axis, step)`.
    Virtual { base: i64, steps: Vec<(usize, i64)> },
    /// An array in memory, seen through a map.
    Memory { chunk: Chunk, map: AffineMap },
    /// Blocks of another layer, seen through a map.
    Blocks { blocks: Arc<Blocks>, grid: Grid, map: AffineMap, dtype: DType, label: Arc<str> },
}

/// What becomes of the program's results.
#[derive(Clone)]
pub enum Outcome {
    /// Its one output is the block.
    Block,
    /// Partial results of one reduction, for a later merge.
    Partial,
    /// The reduction ends here: nothing else is to be merged. The result gets the shape that the grid says.
    Finished { kind: ReductionKind, ending: Ending, dtype: DType, shape_of: Kept },
}

/// How a reduced block gets its shape: each axis of the result is one of the reduced chunk's or has length one.
pub type Kept = SmallVec<[Option<usize>; 4]>;

pub struct FusedOp {
    pub about: About,
    /// The grid that the program's tasks are numbered in.
    pub grid: Grid,
    pub program: Program,
    pub operands: Vec<Operand>,
    pub outcome: Outcome,
}

/// Appends the tasks that a program's task takes blocks from.
pub fn list_inputs(operands: &[Operand], grid: &Grid, index: u32, into: &mut Vec<TaskRef>) {
    let block = grid.unflat(index);
    for operand in operands {
        if let Operand::Blocks { blocks, grid: source, map, .. } = operand {
            let wanted: SmallVec<[u32; 4]> = map
                .iter()
                .zip(source.axes())
                .map(|(coordinate, axis)| place(*coordinate, axis, grid.axes(), &block).block)
                .collect();
            into.push(blocks.task(source, &wanted));
        }
    }
}

/// A chunk seen through a map as a region: axes of length one broadcast.
pub fn lay_out(
    chunk: &Chunk,
    map: &[Coordinate],
    offsets: &[i64],
    region: &[usize],
    operation: &str,
) -> Result<Chunk, TaskError> {
    let mut strides: SmallVec<[isize; 4]> = SmallVec::from_elem(0, region.len());
    let mut offset = chunk.offset() as i64;
    let mismatch = || {
        TaskError::value(format!("{operation}: a block of shape {:?} can't stand for shape {region:?}", chunk.shape()))
    };
    if chunk.ndim() != map.len() {
        return Err(TaskError::value(format!(
            "{operation}: expected a block of {} dimensions, got one of shape {:?}",
            map.len(),
            chunk.shape()
        )));
    }
    for ((coordinate, at), (n, stride)) in map.iter().zip(offsets).zip(chunk.shape().iter().zip(chunk.strides())) {
        match *coordinate {
            Coordinate::Fixed(_) => {
                if *at < 0 || *at as usize >= *n {
                    if region.contains(&0) {
                        continue;
                    }
                    return Err(mismatch());
                }
                offset += at * *stride as i64;
            }
            Coordinate::Along { axis, step, .. } => {
                let wanted = region[axis];
                if wanted == 0 {
                    continue;
                }
                if *n == 1 && wanted != 1 && *at == 0 {
                    continue;
                }
                let last = at + (wanted as i64 - 1) * step;
                if *at < 0 || last < 0 || *at as usize >= *n || last as usize >= *n {
                    return Err(mismatch());
                }
                offset += at * *stride as i64;
                strides[axis] += *stride * step as isize;
            }
        }
    }
    chunk.with_layout(region, &strides, offset.max(0) as usize).ok_or_else(mismatch)
}

impl FusedOp {
    /// The shape of the region, and each operand's chunk with the place where it is read from.
    fn gather(&self, block: &[u32], inputs: &mut Vec<Value>) -> Result<(Vec<usize>, Vec<Source>), TaskError> {
        let declared = self.grid.block_shape(block);
        let mut region: Vec<usize> =
            declared.iter().map(|n| if *n == UNKNOWN { usize::MAX } else { *n as usize }).collect();
        let mut sources = Vec::with_capacity(self.operands.len());
        let mut values = inputs.drain(..);
        for operand in &self.operands {
            let source = match operand {
                Operand::Virtual { .. } => Source { chunk: None, offsets: SmallVec::new() },
                Operand::Memory { chunk, map } => {
                    let start = self.grid.block_start(block);
                    let offsets = map
                        .iter()
                        .map(|coordinate| match *coordinate {
                            Coordinate::Fixed(at) => at,
                            Coordinate::Along { axis, start: from, step } => from + step * start[axis] as i64,
                        })
                        .collect();
                    Source { chunk: Some(chunk.clone()), offsets }
                }
                Operand::Blocks { grid, map, dtype, label, .. } => {
                    let value = values.next().ok_or_else(|| TaskError::internal("a block is missing"))?;
                    let chunk = chunk_of(value, *dtype, label)?;
                    let places: SmallVec<[_; 4]> = map
                        .iter()
                        .zip(grid.axes())
                        .map(|(coordinate, axis)| place(*coordinate, axis, self.grid.axes(), block))
                        .collect();
                    let expected = grid.block_shape(&places.iter().map(|p| p.block).collect::<SmallVec<[u32; 4]>>());
                    let as_declared = chunk.ndim() == expected.len()
                        && chunk.shape().iter().zip(&expected).all(|(n, declared)| *n as u64 == *declared);
                    if !as_declared && chunk.ndim() == map.len() {
                        // Sizes were unknown, or are not what a user's function promised: the block itself says.
                        for (coordinate, n) in map.iter().zip(chunk.shape()) {
                            if let Coordinate::Along { axis, start: 0, step: 1 } = *coordinate
                                && (region[axis] == usize::MAX || region[axis] == 1 || *n != 1)
                            {
                                region[axis] = *n;
                            }
                        }
                    }
                    Source { chunk: Some(chunk), offsets: places.iter().map(|p| p.offset).collect() }
                }
            };
            sources.push(source);
        }
        for axis in &mut region {
            if *axis == usize::MAX {
                *axis = 1;
            }
        }
        Ok((region, sources))
    }
}

impl FusedOp {
    /// The shape of a block's region, and where each operand's elements are for it.
    pub fn accesses(&self, block: &[u32], inputs: &mut Vec<Value>) -> Result<(Vec<usize>, Vec<Access>), TaskError> {
        let (region, sources) = self.gather(block, inputs)?;
        let mut accesses = Vec::with_capacity(sources.len());
        for (operand, source) in self.operands.iter().zip(sources) {
            accesses.push(match operand {
                Operand::Virtual { base, steps } => {
                    let start = self.grid.block_start(block);
                    let mut base = *base;
                    let mut strides: SmallVec<[i64; 4]> = SmallVec::from_elem(0, region.len());
                    for (axis, step) in steps {
                        base += start[*axis] as i64 * step;
                        strides[*axis] += step;
                    }
                    Access::Virtual { base, strides }
                }
                Operand::Memory { map, .. } | Operand::Blocks { map, .. } => {
                    let chunk = source.chunk.ok_or_else(|| TaskError::internal("a block is missing"))?;
                    let whole = chunk.shape() == region && crate::index::is_identity(map, region.len());
                    if whole && source.offsets.iter().all(|at| *at == 0) {
                        Access::Memory(chunk)
                    } else {
                        Access::Memory(lay_out(&chunk, map, &source.offsets, &region, &self.about.name)?)
                    }
                }
            });
        }
        Ok((region, accesses))
    }
}

struct Source {
    chunk: Option<Chunk>,
    offsets: SmallVec<[i64; 4]>,
}

impl Op for FusedOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let (region, accesses) = self.accesses(&self.grid.unflat(context.index), inputs)?;
        let mut results = self.program.run(&region, accesses, context.cancelled)?;
        match &self.outcome {
            Outcome::Block => {
                let chunk = results.pop().ok_or_else(|| TaskError::internal("a program without a result"))?;
                Ok(Value::Chunk(chunk))
            }
            Outcome::Partial => Ok(list_of(results)),
            Outcome::Finished { kind, ending, dtype, shape_of } => {
                let chunk = reduce::finish(*kind, *ending, *dtype, results).map_err(ArrayError::from)?;
                Ok(Value::Chunk(shaped(chunk, shape_of)?))
            }
        }
    }
}

/// A reduced block with the axes of length one that the result keeps.
pub fn shaped(chunk: Chunk, kept: &Kept) -> Result<Chunk, TaskError> {
    if kept.len() == chunk.ndim() {
        return Ok(chunk);
    }
    let shape: SmallVec<[usize; 4]> = kept.iter().map(|axis| axis.map_or(1, |axis| chunk.shape()[axis])).collect();
    chunk.reshaped(&shape).ok_or_else(|| {
        TaskError::internal(format!(
            "a reduced block of shape {:?} was expected to have shape {shape:?}",
            chunk.shape()
        ))
    })
}
