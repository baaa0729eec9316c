//! Gathering: elements by position along one axis, or at points along several.

use std::sync::Arc;

use raskr_base::{Chunk, Op, OpKind, TaskContext, TaskError, Value};
use raskr_kernels::blocks::{self, AxisSlice, Target};

use super::{About, about};
use crate::error::ArrayError;
use crate::function::foreign;
use crate::grid::Grid;

/// What one block of a `take` is made of.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Blocks along the axis that are needed, each once.
    pub blocks: Vec<u32>,
    /// For each element: which of `blocks`, and where in it.
    pub places: Vec<(u32, u64)>,
}

/// Gathers elements along one axis.
pub struct TakeOp {
    pub about: About,
    pub axis: usize,
    pub taken: Arc<[Taken]>,
    pub kind: OpKind,
}

/// The native chunks among the inputs, when all are.
fn native(values: &[Value]) -> Option<Vec<Chunk>> {
    values.iter().map(|value| value.as_chunk().cloned()).collect()
}

impl Op for TakeOp {
    about!();

    fn kind(&self) -> OpKind {
        self.kind
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let block = self.about.grid.unflat(context.index);
        let taken = &self.taken[block[self.axis] as usize];
        let values = std::mem::take(inputs);
        if let Some(chunks) = native(&values) {
            return Ok(Value::Chunk(blocks::gather_many(&chunks, &taken.places, self.axis).map_err(ArrayError::from)?));
        }
        // An interpreter's arrays: join what is needed along the axis, then take from that.
        let arrays = foreign()?;
        let mut starts = Vec::with_capacity(values.len());
        let (mut end, mut shape) = (0usize, Vec::new());
        for value in &values {
            starts.push(end as i64);
            shape = arrays.shape(value)?;
            end += shape.get(self.axis).copied().unwrap_or(1);
        }
        if let Some(len) = shape.get_mut(self.axis) {
            *len = end;
        }
        let pieces = values
            .into_iter()
            .zip(&starts)
            .map(|(value, start)| {
                let mut target = vec![0; shape.len()];
                target[self.axis] = *start as usize;
                (target, value)
            })
            .collect::<Vec<_>>();
        let joined = match pieces.len() {
            1 => pieces.into_iter().next().map_or(Value::Unit, |(_, value)| value),
            _ => arrays.assemble(&shape, pieces)?,
        };
        let index: Vec<i64> = taken.places.iter().map(|(which, at)| starts[*which as usize] + *at as i64).collect();
        arrays.take(&joined, self.axis, &index)
    }
}

/// Gathers elements along one axis straight into the array that they end up in. The blocks are the target's.
pub struct TakeStoreOp {
    pub about: About,
    pub axis: usize,
    pub taken: Arc<[Taken]>,
    pub target: Arc<Target>,
}

impl Op for TakeStoreOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let block = self.about.grid.unflat(context.index);
        let taken = &self.taken[block[self.axis] as usize];
        let Some(chunks) = native(&std::mem::take(inputs)) else {
            return Err(TaskError::internal(format!("{}: expected native blocks", self.about.name)));
        };
        let mut shape = chunks.first().map_or_else(Vec::new, |chunk| chunk.shape().to_vec());
        if let Some(len) = shape.get_mut(self.axis) {
            *len = taken.places.len();
        }
        let filled = self
            .target
            .fill(&block, &shape, |mut cell| blocks::gather_many_to(&chunks, &taken.places, self.axis, &mut cell))
            .map_err(ArrayError::from)?;
        if filled {
            return Ok(Value::Unit);
        }
        Err(TaskError::value(format!(
            "{}: expected blocks that give {:?}, got blocks that give {shape:?}",
            self.about.name,
            self.about.grid.block_shape(&block)
        )))
    }
}

/// Points, and in which of a task's inputs each lies, and where along the indexed axes.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// For each input the number of its block along each indexed axis.
    pub blocks: Vec<Vec<u32>>,
    pub which: Vec<u32>,
    pub offsets: Vec<Vec<i64>>,
}

/// Gathers elements at points; the points are the result's first axis.
pub struct PointsOp {
    pub about: About,
    pub axes: Vec<usize>,
    /// The points of each block along the result's first axis.
    pub points: Arc<[Points]>,
    /// The blocks that tasks are numbered by.
    pub grid: Grid,
}

impl Op for PointsOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let points = &self.points[self.grid.unflat(context.index)[0] as usize];
        let Some(chunks) = native(&std::mem::take(inputs)) else {
            return Err(TaskError::internal(format!("{}: expected native blocks", self.about.name)));
        };
        let taken = blocks::gather_points(&chunks, &points.which, &self.axes, &points.offsets);
        Ok(Value::Chunk(taken.map_err(ArrayError::from)?))
    }
}

/// Gathers elements at points of an array in memory, which needs no blocks of it; straight into the array that they end up
/// in, if there is one.
pub struct MemoryPointsOp {
    pub about: About,
    pub chunk: Chunk,
    pub axes: Vec<usize>,
    pub positions: Arc<[Vec<i64>]>,
    pub target: Option<Arc<Target>>,
}

impl Op for MemoryPointsOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let grid = &self.about.grid;
        let block = grid.unflat(context.index);
        let bounds: Vec<(usize, usize)> = grid
            .block_start(&block)
            .iter()
            .zip(grid.block_shape(&block))
            .map(|(at, n)| (*at as usize, n as usize))
            .collect();
        let mut rest = bounds.iter().skip(1);
        let slices: Vec<AxisSlice> = (0..self.chunk.ndim())
            .map(|axis| {
                let whole = (0, self.chunk.shape()[axis]);
                let (start, len) =
                    if self.axes.contains(&axis) { whole } else { rest.next().copied().unwrap_or(whole) };
                AxisSlice { start, step: 1, len }
            })
            .collect();
        let part = blocks::slice(&self.chunk, &slices).map_err(ArrayError::from)?;
        let (start, count) = bounds[0];
        let lists: Vec<&[i64]> = self.positions.iter().map(|list| &list[start..start + count]).collect();
        let taken = blocks::gather_points(&[part], &vec![0; count], &self.axes, &lists).map_err(ArrayError::from)?;
        if let Some(target) = &self.target
            && target.write(&block, &taken).map_err(ArrayError::from)?
        {
            return Ok(Value::Unit);
        }
        Ok(Value::Chunk(taken))
    }
}
