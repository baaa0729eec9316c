//! `CombineOp`: merges partial results of a reduction, and ends it at the root of the tree.

use raskr_base::{DType, Op, TaskContext, TaskError, Value};
use raskr_kernels::program::ReductionKind;
use raskr_kernels::reduce::{self, Ending};

use super::fused::{Kept, shaped};
use super::{About, about, chunks_of, list_of};
use crate::error::ArrayError;

pub struct CombineOp {
    pub about: About,
    pub kind: ReductionKind,
    /// How the reduction ends; `None` below the root.
    pub end: Option<(Ending, DType)>,
    pub kept: Kept,
}

impl Op for CombineOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let partials =
            inputs.drain(..).map(|value| chunks_of(value, &self.about.name)).collect::<Result<Vec<_>, _>>()?;
        let merged = if partials.len() == 1 {
            partials.into_iter().next().unwrap_or_default()
        } else {
            reduce::combine(self.kind, partials).map_err(ArrayError::from)?
        };
        let Some((ending, dtype)) = self.end else { return Ok(list_of(merged)) };
        let chunk = reduce::finish(self.kind, ending, dtype, merged).map_err(ArrayError::from)?;
        Ok(Value::Chunk(shaped(chunk, &self.kept)?))
    }
}
