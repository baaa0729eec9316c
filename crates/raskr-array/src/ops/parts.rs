//! Sorting of a whole array where it ends up: separators of parts from a sample, counts, elements dealt out to the places of
//! their parts, and each part sorted there.

use std::sync::{Arc, OnceLock};

use raskr_base::{Chunk, DType, Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks::{self, AxisSlice, Target, sort_parts};

use super::feed::Feed;
use super::{About, about, chunk_of};
use crate::error::ArrayError;

/// What all tasks of one sort know, and the array that they write.
pub struct Parts {
    /// How many there are.
    pub count: usize,
    pub dtype: DType,
    /// The array by parts and, within each, by where its elements come from.
    pub dealt: OnceLock<Target>,
    /// The array by parts.
    pub sorted: Arc<OnceLock<Target>>,
}

impl Parts {
    fn target<'a>(&self, target: &'a OnceLock<Target>) -> Result<&'a Target, TaskError> {
        target.get().ok_or_else(|| TaskError::internal("sort: there is no room for what is sorted"))
    }
}

fn separators_of(value: Option<Value>, dtype: DType) -> Result<Chunk, TaskError> {
    chunk_of(value.ok_or_else(|| TaskError::internal("sort: separators are missing"))?, dtype, "sort")
}

/// Some elements of the feed's block `index * every`.
pub struct PartSampleOp {
    pub about: About,
    pub feed: Feed,
    pub every: u32,
    /// Elements that are taken of each piece.
    pub taken: usize,
}

impl Op for PartSampleOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let opened = self.feed.open(context.index * self.every, inputs)?;
        let mut samples = Vec::new();
        opened.each(context.cancelled, |_, values| {
            for piece in values {
                let step = (piece.len() / self.taken).max(1);
                let some = AxisSlice { start: 0, step: step as isize, len: piece.len().div_ceil(step) };
                samples.push(blocks::slice(piece, &[some]).map_err(ArrayError::from)?);
            }
            Ok(())
        })?;
        if samples.is_empty() {
            return Ok(Value::List(Vec::new().into()));
        }
        Ok(Value::Chunk(blocks::concatenate(&samples, 0).map_err(ArrayError::from)?))
    }
}

/// What separates the parts, from the samples of all blocks.
pub struct SeparatorsOp {
    pub about: About,
    pub parts: Arc<Parts>,
}

impl Op for SeparatorsOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let samples: Vec<Chunk> = inputs
            .drain(..)
            .filter(|value| !matches!(value, Value::List(_)))
            .map(|value| chunk_of(value, self.parts.dtype, &self.about.name))
            .collect::<Result<_, _>>()?;
        Ok(Value::Chunk(sort_parts::separators(&samples, self.parts.count).map_err(ArrayError::from)?))
    }
}

/// How many elements of a block belong to each part. The last input are the separators.
pub struct PartCountOp {
    pub about: About,
    pub feed: Arc<Feed>,
    pub parts: Arc<Parts>,
}

impl Op for PartCountOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let separators = separators_of(inputs.pop(), self.parts.dtype)?;
        let opened = self.feed.open(context.index, inputs)?;
        let mut counts = vec![0i64; self.parts.count];
        opened.each(context.cancelled, |_, values| {
            for piece in values {
                sort_parts::count_parts(piece, &separators, &mut counts).map_err(ArrayError::from)?;
            }
            Ok(())
        })?;
        Ok(Value::Chunk(Chunk::from_slice(&counts, &[counts.len()])))
    }
}

/// Makes the array, once all counts are known: parts one after another, each with a place for every block's share.
pub struct PartRoomOp {
    pub about: About,
    pub parts: Arc<Parts>,
}

impl Op for PartRoomOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let counts = inputs
            .drain(..)
            .map(|value| chunk_of(value, DType::I64, &self.about.name))
            .collect::<Result<Vec<Chunk>, _>>()?;
        let count = |block: &Chunk, part: usize| {
            block.as_slice::<i64>().and_then(|counts| counts.get(part)).map_or(0, |count| *count as usize)
        };
        let sizes = (0..self.parts.count).flat_map(|part| counts.iter().map(move |block| count(block, part)));
        self.parts
            .dealt
            .set(Target::new(self.parts.dtype, &[sizes.collect()]))
            .map_err(|_| TaskError::internal("sort: room was made twice"))?;
        Ok(Value::Unit)
    }
}

/// Writes the elements of a block to the places of their parts. The last inputs are the separators, and the word that there
/// is room.
pub struct DealOp {
    pub about: About,
    pub feed: Arc<Feed>,
    pub parts: Arc<Parts>,
    pub blocks: u32,
}

impl Op for DealOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        inputs.pop();
        let separators = separators_of(inputs.pop(), self.parts.dtype)?;
        let target = self.parts.target(&self.parts.dealt)?;
        let opened = self.feed.open(context.index, inputs)?;
        let places: Vec<[u32; 1]> =
            (0..self.parts.count as u32).map(|part| [part * self.blocks + context.index]).collect();
        let mut outcome = Ok(());
        let dealt = target.fill_all(&places, |mut cells| {
            let mut filled = vec![0; cells.len()];
            outcome = opened.each(context.cancelled, |_, values| {
                for piece in values {
                    sort_parts::deal(piece, &separators, &mut cells, &mut filled).map_err(ArrayError::from)?;
                }
                Ok(())
            });
            Ok(())
        });
        dealt.map_err(ArrayError::from)?;
        outcome.map(|()| Value::Unit)
    }
}

/// Joins the places of each part, once all elements are there.
pub struct PartsDealtOp {
    pub about: About,
    pub parts: Arc<Parts>,
    pub blocks: u32,
}

impl Op for PartsDealtOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let dealt = self.parts.target(&self.parts.dealt)?;
        let size = |part: usize| -> usize {
            let first = part as u32 * self.blocks;
            (first..first + self.blocks).map(|place| dealt.size_of(0, place)).sum()
        };
        let whole = dealt.recut(&[(0..self.parts.count).map(size).collect()]).map_err(ArrayError::from)?;
        self.parts.sorted.set(whole).map_err(|_| TaskError::internal("sort: parts were joined twice"))?;
        Ok(Value::Unit)
    }
}

/// Sorts a part where it is.
pub struct PartSortOp {
    pub about: About,
    pub parts: Arc<Parts>,
}

impl Op for PartSortOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let target = self.parts.target(&self.parts.sorted)?;
        let shape = [target.size_of(0, context.index)];
        target.fill(&[context.index], &shape, |mut cell| sort_parts::sort_cell(&mut cell)).map_err(ArrayError::from)?;
        Ok(Value::Unit)
    }
}
