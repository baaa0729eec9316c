//! Sorting across blocks: sorted runs, samples of them, exact cuts, and blocks joined from pieces of all runs.

use std::sync::Arc;

use raskr_base::{Chunk, Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks::sort_runs;
use raskr_kernels::blocks::{self};

use super::{About, about, chunks_of, list_of};
use crate::error::ArrayError;
use crate::grid::Grid;

fn missing(what: &str) -> TaskError {
    TaskError::internal(format!("sort: {what} is missing"))
}

/// The parts of a run: its elements, or their keys and then their positions.
fn parts_of(value: Value, operation: &str) -> Result<Vec<Chunk>, TaskError> {
    match value {
        Value::Chunk(chunk) => Ok(vec![chunk]),
        list => chunks_of(list, operation),
    }
}

fn chunk(value: Option<Value>, what: &str) -> Result<Chunk, TaskError> {
    match value {
        Some(Value::Chunk(chunk)) => Ok(chunk),
        _ => Err(missing(what)),
    }
}

/// Within a limit of memory that is so many times as large as all runs, no run is written to disk.
const ROOMY: u64 = 4;

/// What all tasks of one sort know.
pub struct Plan {
    pub positions: bool,
    /// Lengths of the runs.
    pub lengths: Vec<usize>,
    /// Every so many elements of a run are a sample.
    pub step: usize,
    /// How many elements are before each block of the result but the first.
    pub ranks: Vec<u64>,
}

/// A block, sorted.
pub struct RunOp {
    pub about: About,
    pub plan: Arc<Plan>,
    /// Blocks of the input.
    pub source: Grid,
}

impl Op for RunOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let chunk = chunk(inputs.pop(), "a block")?;
        if !self.plan.positions {
            return Ok(Value::Chunk(blocks::sort_axis(chunk, 0).map_err(ArrayError::from)?));
        }
        let start = self.source.block_start(&self.source.unflat(context.index));
        let from = start.first().map_or(0, |start| *start as i64);
        let (keys, positions) = sort_runs::position_run(&chunk, from).map_err(ArrayError::from)?;
        Ok(list_of(vec![keys, positions]))
    }
}

/// The samples of a run.
pub struct SampleOp {
    pub about: About,
    pub plan: Arc<Plan>,
}

impl Op for SampleOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let parts = parts_of(inputs.pop().ok_or_else(|| missing("a run"))?, &self.about.name)?;
        let keys = parts.first().ok_or_else(|| missing("a run"))?;
        Ok(Value::Chunk(sort_runs::sample(keys, self.plan.step).map_err(ArrayError::from)?))
    }
}

/// Where each run may be cut, from the samples of all.
pub struct WindowsOp {
    pub about: About,
    pub plan: Arc<Plan>,
}

impl Op for WindowsOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let samples = inputs.drain(..).map(|value| chunk(Some(value), "a sample")).collect::<Result<Vec<_>, _>>()?;
        let plan = &self.plan;
        let bounds = sort_runs::windows(&samples, &plan.lengths, plan.step, &plan.ranks).map_err(ArrayError::from)?;
        Ok(Value::Chunk(bounds))
    }
}

/// The elements of a run that decide where it is cut. Inputs: the run, the windows.
pub struct FoundOp {
    pub about: About,
}

impl Op for FoundOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let bounds = chunk(inputs.pop(), "the windows")?;
        let parts = parts_of(inputs.pop().ok_or_else(|| missing("a run"))?, &self.about.name)?;
        let keys = parts.first().ok_or_else(|| missing("a run"))?;
        let found = sort_runs::in_windows(keys, &bounds, context.index as usize).map_err(ArrayError::from)?;
        // A copy, since a view would keep the run in memory.
        Ok(Value::Chunk(blocks::copied(&found)))
    }
}

/// Where each run is cut. Inputs: the windows, then what was found in them.
pub struct CutsOp {
    pub about: About,
    pub plan: Arc<Plan>,
}

impl Op for CutsOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let mut values = inputs.drain(..);
        let bounds = chunk(values.next(), "the windows")?;
        let found = values.map(|value| chunk(Some(value), "a window")).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::Chunk(sort_runs::cuts(&found, &bounds, &self.plan.ranks).map_err(ArrayError::from)?))
    }
}

/// The part of a run that belongs to one block of the result; task `run * blocks + block`. Inputs: the run, the cuts, and
/// the piece before, which is there for the order of the tasks alone.
pub struct PieceOp {
    pub about: About,
    pub plan: Arc<Plan>,
}

impl Op for PieceOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        inputs.truncate(2);
        let cuts = chunk(inputs.pop(), "the cuts")?;
        let parts = parts_of(inputs.pop().ok_or_else(|| missing("a run"))?, &self.about.name)?;
        let ranks = self.plan.ranks.len();
        let (run, block) = ((context.index as usize) / (ranks + 1), (context.index as usize) % (ranks + 1));
        let places = cuts.as_slice::<i64>().ok_or_else(|| missing("a place of a cut"))?;
        let place =
            |number: usize| places.get(run * ranks + number).copied().ok_or_else(|| missing("a place of a cut"));
        let low = if block == 0 { 0 } else { place(block - 1)? };
        let high = if block == ranks { self.plan.lengths[run] as i64 } else { place(block)? };
        let elements: usize = self.plan.lengths.iter().sum();
        let bytes: u64 = parts.iter().map(|part| (elements * part.dtype().itemsize()) as u64).sum();
        let stays = context.memory_limit.is_none_or(|limit| bytes.saturating_mul(ROOMY) <= limit);
        let mut pieces = Vec::with_capacity(parts.len());
        for part in &parts {
            let piece = sort_runs::slice(part, low, high).map_err(ArrayError::from)?;
            // A view keeps its whole run in memory.
            pieces.push(if stays { piece } else { blocks::copied(&piece) });
        }
        Ok(list_of(pieces))
    }
}

/// Nothing, once all pieces of a run were made (or of all runs).
pub struct DoneOp {
    pub about: About,
}

impl Op for DoneOp {
    fn name(&self) -> &str {
        &self.about.name
    }

    fn run(&self, _context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        Ok(Value::Unit)
    }
}

/// A block of the result from its pieces, one of each run; the last input is the word that all pieces are there.
pub struct JoinOp {
    pub about: About,
    pub plan: Arc<Plan>,
}

impl Op for JoinOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        inputs.truncate(self.plan.lengths.len());
        let (mut keys, mut positions) = (Vec::with_capacity(inputs.len()), Vec::new());
        for value in inputs.drain(..) {
            let mut parts = parts_of(value, &self.about.name)?.into_iter();
            keys.push(parts.next().ok_or_else(|| missing("a piece"))?);
            positions.extend(parts.next());
        }
        let joined = match self.plan.positions {
            true => sort_runs::join_positions(&keys, &positions),
            false => sort_runs::join(&keys),
        };
        Ok(Value::Chunk(joined.map_err(ArrayError::from)?))
    }
}
