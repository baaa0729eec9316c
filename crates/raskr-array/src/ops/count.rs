//! Counting of elements in bins, or of whole numbers: each block's counts, then their sums in a tree.

use std::sync::Arc;

use raskr_base::{DType, Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks::{self, Counter, Counting};

use super::feed::Feed;
use super::{About, about, cast};
use crate::error::ArrayError;

/// The counts of one block; the feed's values are the samples, then the weights if there are any.
pub struct CountOp {
    pub about: About,
    pub feed: Feed,
    pub how: Arc<Counting>,
    pub weighted: bool,
}

impl Op for CountOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let opened = self.feed.open(context.index, inputs)?;
        let mut counter = Counter::new(&self.how, self.weighted).map_err(ArrayError::from)?;
        opened.each(context.cancelled, |_, values| {
            let (weights, samples) = match values.split_last() {
                Some((weights, samples)) if self.weighted => (Some(weights), samples),
                _ => (None, values),
            };
            counter.add(samples, weights).map_err(ArrayError::from)?;
            Ok(())
        })?;
        Ok(Value::Chunk(counter.finish()))
    }
}

/// The sums of several blocks' counts.
pub struct AddCountsOp {
    pub about: About,
    /// At the root of the tree: the result's shape (`None` for one axis of any length) and element type.
    pub end: Option<(Option<Vec<usize>>, DType)>,
}

impl Op for AddCountsOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let parts = inputs
            .drain(..)
            .map(|value| match value {
                Value::Chunk(chunk) => Ok(chunk),
                _ => Err(TaskError::internal("expected counts")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let sum = blocks::add_counts(parts).map_err(ArrayError::from)?;
        let Some((shape, dtype)) = &self.end else { return Ok(Value::Chunk(sum)) };
        let sum = cast(&sum, *dtype, &self.about.name)?;
        let Some(shape) = shape else { return Ok(Value::Chunk(sum)) };
        let shaped = sum.reshaped(shape);
        shaped.map(Value::Chunk).ok_or_else(|| TaskError::internal("counts of another length than there are bins"))
    }
}
