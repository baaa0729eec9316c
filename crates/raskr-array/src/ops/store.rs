//! `StoreOp`: writes blocks into one array as they come, so that a block can be let go at once.

use std::any::Any;
use std::sync::Arc;

use raskr_base::{DType, Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks::{Cell, Target};

use super::feed::Feed;
use super::{About, about, chunk_of};
use crate::error::ArrayError;
use crate::function::BlockWriter;

/// Yields nothing for a block that found its place, and the block itself when it is not what was declared.
pub struct StoreOp {
    pub about: About,
    pub target: Arc<Target>,
}

impl Op for StoreOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        if let Value::Chunk(chunk) = &value {
            let block = self.about.grid.unflat(context.index);
            if self.target.write(&block, chunk).map_err(ArrayError::from)? {
                return Ok(Value::Unit);
            }
        }
        Ok(value)
    }
}

/// Computes a block piece by piece straight into one array. Yields the block itself when it is not what was declared.
pub struct ProgramStoreOp {
    pub about: About,
    /// Of one value.
    pub feed: Feed,
    pub target: Arc<Target>,
}

impl Op for ProgramStoreOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let block = self.about.grid.unflat(context.index);
        let opened = self.feed.open(context.index, inputs)?;
        let mut failure = None;
        let store = |cell: &mut Cell<'_>| {
            opened.each(context.cancelled, |start, values| {
                let value = values.first().ok_or_else(|| TaskError::internal("a program without a result"))?;
                cell.write(start, value).map_err(ArrayError::from)?;
                Ok(())
            })
        };
        let filled = self.target.fill(&block, &opened.region, |mut cell| {
            failure = store(&mut cell).err();
            Ok(())
        });
        if filled.map_err(ArrayError::from)? {
            return failure.map_or(Ok(Value::Unit), Err);
        }
        let sizes: Vec<Vec<usize>> = opened.region.iter().map(|n| vec![*n]).collect();
        let alone = Target::new(self.target.dtype(), &sizes);
        alone
            .fill(&vec![0; sizes.len()], &opened.region, |mut cell| {
                failure = store(&mut cell).err();
                Ok(())
            })
            .map_err(ArrayError::from)?;
        failure.map_or_else(|| Ok(Value::Chunk(alone.take())), Err)
    }
}

/// Sends blocks to a store.
pub struct WriteOp {
    pub about: About,
    pub dtype: DType,
    pub writer: Arc<dyn BlockWriter>,
}

impl Op for WriteOp {
    about!(but estimate);

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        let chunk = chunk_of(value, self.dtype, &self.about.name)?;
        let block = self.about.grid.unflat(context.index);
        self.writer.write(&block, &self.about.grid.block_start(&block), &chunk)?;
        Ok(Value::Unit)
    }
}

/// Joins all blocks of an array.
pub struct WholeOp {
    pub about: About,
}

impl Op for WholeOp {
    fn name(&self) -> &str {
        &self.about.name
    }

    fn estimate(&self, _index: u32) -> u64 {
        self.about.grid.elements().map_or(0, |n| n.saturating_mul(self.about.itemsize as u64))
    }

    fn origin(&self) -> Option<&str> {
        self.about.origin.as_ref().and_then(|place| place.text())
    }

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        join_all(&self.about.grid, std::mem::take(inputs))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// All blocks of a grid, in row-major order, as one array.
pub fn join_all(grid: &crate::grid::Grid, values: Vec<Value>) -> Result<Value, TaskError> {
    use super::function::{join, nest};
    if grid.ndim() == 0 || values.len() == 1 {
        return values.into_iter().next().ok_or_else(|| TaskError::internal("an array without blocks"));
    }
    let counts: Vec<u32> = grid.axes().iter().map(|axis| axis.blocks() as u32).collect();
    let axes: Vec<usize> = (0..grid.ndim()).collect();
    join(nest(&mut values.into_iter(), &counts)?, &axes)
}
