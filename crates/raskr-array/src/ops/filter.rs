//! Selection by masks: elements are kept as the mask is computed, piece by piece, so that no mask is stored.

use std::sync::{Arc, OnceLock};

use raskr_base::{Chunk, ChunkMut, DType, Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks::{self, Target};

use super::feed::{Feed, Opened};
use super::{About, about, chunk_of};
use crate::error::ArrayError;

/// The chosen elements of a block, which has two values: elements and mask.
pub struct FilterOp {
    pub about: About,
    pub feed: Arc<Feed>,
    pub dtype: DType,
}

/// The elements and the mask of a piece.
fn pair(values: &[Chunk]) -> Result<(&Chunk, &Chunk), TaskError> {
    match values {
        [elements, mask] => Ok((elements, mask)),
        _ => Err(TaskError::internal("expected elements and a mask")),
    }
}

fn select_to(opened: &Opened<'_>, context: &TaskContext<'_>, to: &mut [u8]) -> Result<usize, TaskError> {
    let mut end = 0;
    opened.each(context.cancelled, |_, values| {
        let (elements, mask) = pair(values)?;
        end += blocks::extract_to(elements, mask, &mut to[end..]).map_err(ArrayError::from)?;
        Ok(())
    })?;
    Ok(end)
}

impl Op for FilterOp {
    about!(but estimate);

    fn estimate(&self, index: u32) -> u64 {
        // No more can be chosen than there is.
        let grid = &self.feed.fused.grid;
        let elements = grid.block_elements(&grid.unflat(index));
        if elements == crate::grid::UNKNOWN { 0 } else { elements.saturating_mul(self.about.itemsize as u64) }
    }

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let opened = self.feed.open(context.index, inputs)?;
        // Recycled memory for all elements; pages that nothing is written to cost nothing.
        let mut out = ChunkMut::new(self.dtype, &[opened.elements()]);
        let item = self.dtype.itemsize();
        let end = select_to(&opened, context, out.as_bytes_mut())?;
        let whole = out.freeze();
        let chosen = whole
            .with_layout(&[end / item], &[1], 0)
            .ok_or_else(|| TaskError::internal("more elements chosen than there are"))?;
        // A small part would keep memory for all.
        Ok(Value::Chunk(if chosen.nbytes() * 2 < whole.nbytes() { blocks::copied(&chosen) } else { chosen }))
    }
}

/// How many elements of a block are chosen.
pub struct CountChosenOp {
    pub about: About,
    pub feed: Arc<Feed>,
}

impl Op for CountChosenOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let opened = self.feed.open(context.index, inputs)?;
        let mut count = 0;
        opened.each(context.cancelled, |_, values| {
            count += values
                .iter()
                .try_fold(0, |sum, mask| blocks::count_true(mask).map(|count| sum + count).map_err(ArrayError::from))?;
            Ok(())
        })?;
        Ok(Value::Chunk(Chunk::scalar(count as i64)))
    }
}

/// Makes room for what is chosen, once the counts of all blocks are known.
pub struct MakeRoomOp {
    pub about: About,
    pub dtype: DType,
    pub room: Arc<OnceLock<Target>>,
}

impl Op for MakeRoomOp {
    fn name(&self) -> &str {
        &self.about.name
    }

    fn origin(&self) -> Option<&str> {
        self.about.origin.as_ref().and_then(|place| place.text())
    }

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let counts = inputs
            .drain(..)
            .map(|value| {
                let count = chunk_of(value, DType::I64, &self.about.name)?.item::<i64>().unwrap_or(0);
                Ok(count.max(0) as usize)
            })
            .collect::<Result<Vec<usize>, TaskError>>()?;
        self.room
            .set(Target::new(self.dtype, &[counts]))
            .map_err(|_| TaskError::internal("room for what is chosen was made twice"))?;
        Ok(Value::Unit)
    }
}

/// Writes what is chosen of a block to its place in the whole.
pub struct FilterStoreOp {
    pub about: About,
    pub feed: Arc<Feed>,
    pub room: Arc<OnceLock<Target>>,
}

impl Op for FilterStoreOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        // The last input only says that there is room.
        inputs.pop();
        let target = self.room.get().ok_or_else(|| TaskError::internal("there is no room for what is chosen"))?;
        let opened = self.feed.open(context.index, inputs)?;
        let mut failure = None;
        let block = [context.index];
        target
            .fill(&block, &[target.size_of(0, context.index)], |mut cell| {
                if let Some(bytes) = cell.as_bytes_mut() {
                    let expected = bytes.len();
                    match select_to(&opened, context, bytes) {
                        Ok(end) if end == expected => {}
                        Ok(_) => failure = Some(TaskError::value("a mask changed while it was applied")),
                        Err(error) => failure = Some(error),
                    }
                }
                Ok(())
            })
            .map_err(ArrayError::from)?;
        failure.map_or(Ok(Value::Unit), Err)
    }
}

/// The slices along an axis where a mask of one axis is true.
pub struct CompressOp {
    pub about: About,
    pub axis: usize,
}

impl Op for CompressOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let mask = inputs.pop().ok_or_else(|| TaskError::internal("a mask is missing"))?;
        let mask = chunk_of(mask, DType::Bool, &self.about.name)?;
        let Some(Value::Chunk(chunk)) = inputs.pop() else {
            return Err(TaskError::internal(format!("{}: expected a native block", self.about.name)));
        };
        Ok(Value::Chunk(blocks::compress(&chunk, self.axis, &mask).map_err(ArrayError::from)?))
    }
}
