//! Operations that pass, cut, join and reorder elements, on native chunks and on an interpreter's arrays alike.

use std::any::Any;
use std::sync::Arc;

use raskr_base::{Chunk, Op, OpKind, TaskContext, TaskError, Value};
use raskr_kernels::blocks;
use smallvec::SmallVec;

use super::fused::lay_out;
use super::{About, about};
use crate::error::ArrayError;
use crate::function::{BlockReader, foreign};
use crate::grid::{Grid, UNKNOWN};
use crate::index::{AffineMap, Coordinate, Run, place};

/// Passes its one input on.
pub struct PassOp {
    pub about: About,
}

impl Op for PassOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))
    }
}

/// Gives blocks that are there already.
pub struct StoredOp {
    pub about: About,
    pub blocks: Arc<[Value]>,
}

impl Op for StoredOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        Ok(self.blocks[context.index as usize].clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// Views of an array in memory.
pub struct MemoryOp {
    pub about: About,
    pub chunk: Chunk,
    pub map: AffineMap,
}

impl Op for MemoryOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        mapped_block(&self.chunk, &self.map, &self.about.grid, context.index, &self.about.name)
    }
}

fn mapped_block(chunk: &Chunk, map: &AffineMap, grid: &Grid, index: u32, operation: &str) -> Result<Value, TaskError> {
    let block = grid.unflat(index);
    let start = grid.block_start(&block);
    let region: SmallVec<[usize; 4]> = grid.block_shape(&block).iter().map(|n| *n as usize).collect();
    let offsets: SmallVec<[i64; 4]> = map
        .iter()
        .map(|coordinate| match *coordinate {
            Coordinate::Fixed(at) => at,
            Coordinate::Along { axis, start: from, step } => from + step * start[axis] as i64,
        })
        .collect();
    Ok(Value::Chunk(lay_out(chunk, map, &offsets, &region, operation)?))
}

/// A block of an array in memory, as a view.
pub fn memory_block(chunk: &Chunk, grid: &Grid, index: u32) -> Result<Value, TaskError> {
    mapped_block(chunk, &crate::index::identity(grid.ndim()), grid, index, "array")
}

/// Reads blocks from a store.
pub struct ReadOp {
    pub about: About,
    pub reader: Arc<dyn BlockReader>,
}

impl Op for ReadOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let block = self.about.grid.unflat(context.index);
        let (start, shape) = (self.about.grid.block_start(&block), self.about.grid.block_shape(&block));
        Ok(Value::Chunk(self.reader.read(&start, &shape)?))
    }
}

/// A view of another layer's blocks.
pub struct ViewOp {
    pub about: About,
    pub source: Grid,
    pub map: AffineMap,
    pub kind: OpKind,
}

impl Op for ViewOp {
    about!();

    fn kind(&self) -> OpKind {
        self.kind
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        view_block(value, &self.source, &self.map, &self.about.grid, context.index, &self.about.name)
    }
}

/// The part of a source's block that a view's block stands for.
pub fn view_block(
    value: Value,
    source: &Grid,
    map: &AffineMap,
    grid: &Grid,
    index: u32,
    operation: &str,
) -> Result<Value, TaskError> {
    let block = grid.unflat(index);
    let declared = grid.block_shape(&block);
    let places: SmallVec<[_; 4]> =
        map.iter().zip(source.axes()).map(|(coordinate, axis)| place(*coordinate, axis, grid.axes(), &block)).collect();
    let actual: Vec<usize> = match &value {
        Value::Chunk(chunk) => chunk.shape().to_vec(),
        other => foreign()?.shape(other)?,
    };
    let known = source.block_shape(&places.iter().map(|p| p.block).collect::<SmallVec<[u32; 4]>>());
    let as_declared = actual.len() == known.len() && actual.iter().zip(&known).all(|(n, d)| *n as u64 == *d);
    let mut region: SmallVec<[usize; 4]> =
        declared.iter().map(|n| if *n == UNKNOWN { 1 } else { *n as usize }).collect();
    if !as_declared && actual.len() == map.len() {
        for (coordinate, n) in map.iter().zip(&actual) {
            if let Coordinate::Along { axis, start: 0, step: 1 } = *coordinate {
                region[axis] = *n;
            }
        }
    }
    match value {
        Value::Chunk(chunk) => {
            let offsets: SmallVec<[i64; 4]> = places.iter().map(|p| p.offset).collect();
            let view = lay_out(&chunk, map, &offsets, &region, operation)?;
            // A small part would keep the whole block in memory: better a copy.
            let broadcasts = view.strides().contains(&0);
            if view.nbytes() * 2 < chunk.nbytes() && !broadcasts {
                return Ok(Value::Chunk(blocks::to_contiguous(&view)));
            }
            Ok(Value::Chunk(view))
        }
        other => {
            let runs: Vec<Run> = map
                .iter()
                .zip(&places)
                .map(|(coordinate, p)| match *coordinate {
                    Coordinate::Fixed(_) => Run { start: p.offset, step: 1, count: 1 },
                    Coordinate::Along { axis, step, .. } => Run { start: p.offset, step, count: region[axis] as u64 },
                })
                .collect();
            let keep: Vec<Option<usize>> = (0..region.len())
                .map(|out| map.iter().position(|c| matches!(c, Coordinate::Along { axis, .. } if *axis == out)))
                .collect();
            foreign()?.view(&other, &runs, &keep, &region)
        }
    }
}

/// One piece of a block along an axis: `len` elements from `offset` of the source's block, to go to `target`.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub block: u32,
    pub offset: u64,
    pub len: u64,
    pub target: u64,
}

/// For each block along an axis, the pieces of the source's blocks that it is made of.
pub type Pieces = Arc<[Vec<Piece>]>;

/// Puts blocks together from pieces of others.
pub struct AssembleOp {
    pub about: About,
    pub pieces: Vec<Pieces>,
    pub kind: OpKind,
}

/// Calls `each` with every combination of one piece an axis, row-major.
pub fn for_each_combination<'p>(axes: &[&'p [Piece]], mut each: impl FnMut(&[&'p Piece])) {
    if axes.iter().any(|axis| axis.is_empty()) {
        return;
    }
    let mut at: SmallVec<[usize; 4]> = SmallVec::from_elem(0, axes.len());
    loop {
        let chosen: SmallVec<[&Piece; 4]> = axes.iter().zip(&at).map(|(axis, i)| &axis[*i]).collect();
        each(&chosen);
        let mut axis = axes.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            at[axis] += 1;
            if at[axis] < axes[axis].len() {
                break;
            }
            at[axis] = 0;
        }
    }
}

impl AssembleOp {
    pub fn pieces_of(&self, block: &[u32]) -> SmallVec<[&[Piece]; 4]> {
        self.pieces.iter().zip(block).map(|(axis, b)| axis[*b as usize].as_slice()).collect()
    }
}

impl Op for AssembleOp {
    about!();

    fn kind(&self) -> OpKind {
        self.kind
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let block = self.about.grid.unflat(context.index);
        let axes = self.pieces_of(&block);
        let mut values = std::mem::take(inputs).into_iter();
        let mut native: Vec<(raskr_base::Dims, Chunk)> = Vec::new();
        let mut other: Vec<(Vec<usize>, Value)> = Vec::new();
        let mut failure = None;
        for_each_combination(&axes, |pieces| {
            let Some(value) = values.next() else {
                failure = Some(TaskError::internal("a block is missing"));
                return;
            };
            match cut(value, pieces) {
                Ok(Value::Chunk(chunk)) => native.push((pieces.iter().map(|p| p.target as usize).collect(), chunk)),
                Ok(value) => other.push((pieces.iter().map(|p| p.target as usize).collect(), value)),
                Err(error) => failure = Some(error),
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        // Axes of unknown lengths are taken block by block, so that the parts have the result's length along them.
        let actual = match (native.first(), other.first()) {
            (Some((_, chunk)), _) => chunk.shape().to_vec(),
            (None, Some((_, value))) => foreign()?.shape(value)?,
            (None, None) => Vec::new(),
        };
        let shape: Vec<usize> = self
            .about
            .grid
            .block_shape(&block)
            .iter()
            .enumerate()
            .map(|(axis, declared)| match *declared {
                UNKNOWN => actual.get(axis).copied().unwrap_or(0),
                size => size as usize,
            })
            .collect();
        if other.is_empty() {
            if let [(target, chunk)] = native.as_slice()
                && chunk.shape() == shape
                && target.iter().all(|at| *at == 0)
            {
                return Ok(Value::Chunk(chunk.clone()));
            }
            if let Some((_, first)) = native.first() {
                let dtype = first.dtype();
                return Ok(Value::Chunk(blocks::assemble(&shape, dtype, &native).map_err(ArrayError::from)?));
            }
            return Err(TaskError::internal(format!("{}: nothing to put together", self.about.name)));
        }
        other.extend(native.into_iter().map(|(target, chunk)| (target.to_vec(), Value::Chunk(chunk))));
        foreign()?.assemble(&shape, other)
    }
}

/// The piece of a block; all of it along axes of unknown lengths.
fn cut(value: Value, pieces: &[&Piece]) -> Result<Value, TaskError> {
    let lengths = |actual: &[usize]| -> SmallVec<[usize; 4]> {
        let length = |(n, p): (&usize, &&Piece)| if p.len == UNKNOWN { *n } else { p.len as usize };
        actual.iter().zip(pieces).map(length).collect()
    };
    match value {
        Value::Chunk(chunk) => {
            let region = lengths(chunk.shape());
            if pieces.iter().all(|p| p.offset == 0) && region.as_slice() == chunk.shape() {
                return Ok(Value::Chunk(chunk));
            }
            let map: AffineMap = crate::index::identity(chunk.ndim());
            let offsets: SmallVec<[i64; 4]> = pieces.iter().map(|p| p.offset as i64).collect();
            Ok(Value::Chunk(lay_out(&chunk, &map, &offsets, &region, "rechunk")?))
        }
        other => {
            let lengths = lengths(&foreign()?.shape(&other)?);
            let along = pieces.iter().zip(&lengths);
            let runs: Vec<Run> =
                along.map(|(p, len)| Run { start: p.offset as i64, step: 1, count: *len as u64 }).collect();
            let keep: Vec<Option<usize>> = (0..pieces.len()).map(Some).collect();
            foreign()?.view(&other, &runs, &keep, &lengths)
        }
    }
}

/// Gives blocks another shape.
pub struct ReshapeOp {
    pub about: About,
    pub kind: OpKind,
}

impl Op for ReshapeOp {
    about!();

    fn kind(&self) -> OpKind {
        self.kind
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        let block = self.about.grid.unflat(context.index);
        let declared = self.about.grid.block_shape(&block);
        let elements = match &value {
            Value::Chunk(chunk) => chunk.len(),
            other => foreign()?.shape(other)?.iter().product(),
        };
        // One unknown length follows from the others.
        let rest: u64 = declared.iter().filter(|n| **n != UNKNOWN).product();
        let shape: Vec<usize> = declared
            .iter()
            .map(|n| if *n == UNKNOWN { elements / (rest.max(1) as usize) } else { *n as usize })
            .collect();
        match value {
            Value::Chunk(chunk) => {
                let whole = if chunk.is_contiguous() { chunk } else { blocks::to_contiguous(&chunk) };
                whole.reshaped(&shape).map(Value::Chunk).ok_or_else(|| {
                    TaskError::value(format!(
                        "{}: a block of shape {:?} can't be reshaped to {shape:?}",
                        self.about.name,
                        whole.shape()
                    ))
                })
            }
            other => foreign()?.reshape(&other, &shape),
        }
    }
}
