//! Running sums and products: what each block adds to those after it, then each block joined to what comes before it.

use std::sync::Arc;

use raskr_base::{Chunk, DType, Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks::{self, CumulativeKind, Target};
use raskr_kernels::program::ReductionKind;
use raskr_kernels::reduce;

use super::{About, about, chunk_of};
use crate::error::ArrayError;

/// A block joined to the slice that sums up everything before it.
fn joined(kind: CumulativeKind, carry: Value, block: Chunk, operation: &str) -> Result<Chunk, TaskError> {
    let carry = chunk_of(carry, block.dtype(), operation)?;
    let carry = blocks::broadcast_to(&carry, block.shape()).map_err(ArrayError::from)?;
    let kind = match kind {
        CumulativeKind::Sum | CumulativeKind::NanSum => ReductionKind::Sum,
        CumulativeKind::Prod | CumulativeKind::NanProd => ReductionKind::Prod,
        CumulativeKind::Min | CumulativeKind::NanMin => ReductionKind::Min,
        CumulativeKind::Max | CumulativeKind::NanMax => ReductionKind::Max,
    };
    let merged = reduce::combine(kind, vec![vec![carry], vec![block]]).map_err(ArrayError::from)?;
    merged.into_iter().next().ok_or_else(|| TaskError::internal("a join without a result"))
}

/// What a block adds to the blocks after it: the last slice of its running values.
pub struct LastOp {
    pub about: About,
    pub kind: CumulativeKind,
    pub axis: usize,
    pub dtype: DType,
}

impl Op for LastOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        let chunk = chunk_of(value, self.dtype, &self.about.name)?;
        Ok(Value::Chunk(blocks::cumulative_last(self.kind, &chunk, self.axis).map_err(ArrayError::from)?))
    }
}

/// Everything up to the end of a block: its own last slice and the carry of the block before it.
pub struct CarryOp {
    pub about: About,
    pub kind: CumulativeKind,
    pub dtype: DType,
}

impl Op for CarryOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let carry = if inputs.len() > 1 { inputs.pop() } else { None };
        let last = inputs.pop().ok_or_else(|| TaskError::internal("no last slice"))?;
        let last = chunk_of(last, self.dtype, &self.about.name)?;
        let Some(carry) = carry else { return Ok(Value::Chunk(last)) };
        Ok(Value::Chunk(joined(self.kind, carry, last, &self.about.name)?))
    }
}

/// The running values of a block, joined to everything before it; straight into the result, when it is known where.
pub struct ScanOp {
    pub about: About,
    pub kind: CumulativeKind,
    pub axis: usize,
    pub dtype: DType,
    pub target: Option<Arc<Target>>,
}

impl Op for ScanOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let carry = if inputs.len() > 1 { inputs.pop() } else { None };
        let carry = carry.map(|carry| chunk_of(carry, self.dtype, &self.about.name)).transpose()?;
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        let chunk = chunk_of(value, self.dtype, &self.about.name)?;
        if let Some(target) = &self.target {
            let block = self.about.grid.unflat(context.index);
            let written = target.fill(&block, chunk.shape(), |mut cell| {
                blocks::cumulative_to(self.kind, &chunk, self.axis, carry.as_ref(), &mut cell)
            });
            if written.map_err(ArrayError::from)? {
                return Ok(Value::Unit);
            }
        }
        let whole = blocks::cumulative(self.kind, &chunk, self.axis, carry.as_ref()).map_err(ArrayError::from)?;
        Ok(Value::Chunk(whole))
    }
}
