//! Running sums and products: each block by itself, then joined to what comes before it.

use raskr_base::{Chunk, DType, Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks::{self, CumulativeKind};
use raskr_kernels::program::ReductionKind;
use raskr_kernels::reduce;

use super::{About, about, chunk_of, chunks_of, list_of};
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

/// What a scan's operations share.
#[derive(Clone)]
pub struct ScanPart {
    pub about: About,
    pub kind: CumulativeKind,
    pub axis: usize,
    pub dtype: DType,
}

/// The running result within a block, and its last slice when later blocks need it.
pub struct LocalScanOp {
    pub part: ScanPart,
    pub with_last: bool,
}

impl Op for LocalScanOp {
    fn name(&self) -> &str {
        &self.part.about.name
    }

    fn estimate(&self, index: u32) -> u64 {
        self.part.about.bytes(index)
    }

    fn origin(&self) -> Option<&str> {
        self.part.about.origin.as_ref().and_then(|place| place.text())
    }

    fn describe(&self, index: u32) -> String {
        self.part.about.describe(index)
    }

    fn key(&self, index: u32) -> Option<String> {
        self.part.about.key(index)
    }

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        let chunk = chunk_of(value, self.part.dtype, &self.part.about.name)?;
        let (block, last) =
            blocks::cumulative(self.part.kind, chunk, self.part.axis, None).map_err(ArrayError::from)?;
        Ok(if self.with_last { list_of(vec![block, last]) } else { Value::Chunk(block) })
    }
}

/// Everything before a block: the carry of the block before it and that block's own last slice.
pub struct CarryOp {
    pub about: About,
    pub kind: CumulativeKind,
}

impl Op for CarryOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let carry = if inputs.len() > 1 { inputs.pop() } else { None };
        let local = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        let last = chunks_of(local, &self.about.name)?.pop().ok_or_else(|| TaskError::internal("no last slice"))?;
        let Some(carry) = carry else { return Ok(Value::Chunk(last)) };
        Ok(Value::Chunk(joined(self.kind, carry, last, &self.about.name)?))
    }
}

/// A block joined to everything before it.
pub struct JoinScanOp {
    pub about: About,
    pub kind: CumulativeKind,
}

impl Op for JoinScanOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let carry = if inputs.len() > 1 { inputs.pop() } else { None };
        let local = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        let mut parts = chunks_of(local, &self.about.name)?;
        let block = if parts.is_empty() { None } else { Some(parts.swap_remove(0)) };
        let block = block.ok_or_else(|| TaskError::internal("a block is missing"))?;
        let Some(carry) = carry else { return Ok(Value::Chunk(block)) };
        Ok(Value::Chunk(joined(self.kind, carry, block, &self.about.name)?))
    }
}
