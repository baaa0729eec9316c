//! Where extremes are: each block's own, with its place in the whole array, then the best of all.

use raskr_base::{Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks::{self, ArgKind};
use smallvec::SmallVec;

use super::{About, about, chunks_of, list_of};
use crate::error::ArrayError;
use crate::grid::Grid;

/// Extremes of a block and their places in the whole array.
pub struct ArgPartialOp {
    pub about: About,
    pub source: Grid,
    pub kind: ArgKind,
    pub axis: Option<usize>,
}

impl Op for ArgPartialOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let value = inputs.pop().ok_or_else(|| TaskError::internal("a block is missing"))?;
        let Value::Chunk(chunk) = value else {
            return Err(TaskError::internal(format!("{}: expected a native block", self.about.name)));
        };
        let block = self.source.unflat(context.index);
        let origin: SmallVec<[usize; 4]> = self.source.block_start(&block).iter().map(|n| *n as usize).collect();
        let whole: SmallVec<[usize; 4]> = self.source.shape().iter().map(|n| *n as usize).collect();
        let (values, places) =
            blocks::arg_reduce(self.kind, &chunk, self.axis, &origin, &whole).map_err(ArrayError::from)?;
        Ok(list_of(vec![values, places]))
    }
}

/// The best of several blocks' extremes.
pub struct ArgCombineOp {
    pub about: About,
    pub kind: ArgKind,
    /// Is this the root of the tree, whose result is the places alone?
    pub end: bool,
    /// Axes of length one that the result does without.
    pub dropped: SmallVec<[usize; 4]>,
}

impl Op for ArgCombineOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let mut parts = Vec::with_capacity(inputs.len());
        for value in inputs.drain(..) {
            let mut pair = chunks_of(value, &self.about.name)?.into_iter();
            let (Some(values), Some(places)) = (pair.next(), pair.next()) else {
                return Err(TaskError::internal("extremes without places"));
            };
            parts.push((values, places));
        }
        let (values, places) = blocks::arg_combine(self.kind, &parts).map_err(ArrayError::from)?;
        if !self.end {
            return Ok(list_of(vec![values, places]));
        }
        let places = blocks::arg_finish(self.kind, &values, places).map_err(ArrayError::from)?;
        Ok(Value::Chunk(blocks::squeeze(&places, &self.dropped).map_err(ArrayError::from)?))
    }
}
