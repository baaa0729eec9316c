//! Lowering of a sort across blocks.
//!
//! Runs are sorted, sampled and cut at exact ranks; then each block of the result is joined from one piece of each run.
//! Where memory is short, pieces are copies, so that a run is gone (or read from disk once) when its pieces were made: they are
//! made in a chain, and no block is joined before all are there, since joining block by block would read all runs for each.

use std::sync::Arc;

use raskr_base::TaskError;
use raskr_graph::{Builder, TaskRef};

use super::Lowering;
use super::blocks::Blocks;
use super::layer::OpLayer;
use crate::expr::Expr;
use crate::grid::{Axis, Grid};
use crate::ops::About;
use crate::ops::order::{CutsOp, DoneOp, FoundOp, JoinOp, PieceOp, Plan, RunOp, SampleOp, WindowsOp};

/// Between how many elements samples are taken, at least and at most.
const STEPS: (f64, f64) = (16.0, 4096.0);

impl Lowering {
    pub(super) fn lower_sample_sort(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        positions: bool,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let source = self.whole_argument(input, builder)?;
        let from = input.grid().clone();
        let (axis, runs, blocks) = (expr.grid().axis(0), from.blocks(), expr.grid().blocks());
        // Samples and windows together are fewest for this distance.
        let step = (axis.len() as f64 / (2.0 * f64::from(runs.max(1)) * f64::from(blocks.max(1)))).sqrt();
        let plan = Arc::new(Plan {
            positions,
            lengths: from.axis(0).sizes().iter().map(|size| *size as usize).collect(),
            step: step.clamp(STEPS.0, STEPS.1) as usize,
            ranks: (1..axis.blocks()).map(|block| axis.start(block)).collect(),
        });
        let single = runs == 1 && blocks == 1;
        let itemsize = if positions { 16 } else { expr.element().itemsize() };
        let about = |suffix: &str, sizes: Vec<u64>| -> Result<About, TaskError> {
            let mut about = About::new(expr, suffix).with_grid(Grid::new([Axis::new(sizes)])?);
            about.itemsize = itemsize;
            Ok(about)
        };
        let lengths = from.axis(0).sizes().to_vec();
        let op = RunOp { about: about("-run", lengths.clone())?, plan: Arc::clone(&plan), source: from.clone() };
        let run = builder.push(OpLayer::new(Arc::new(op), runs, move |index, into| {
            into.push(source.task(&from, &from.unflat(index)));
        }));
        if single && !positions {
            return Ok(Arc::new(Blocks::Layer(run)));
        }
        let samples = lengths.iter().map(|length| length / plan.step as u64).collect();
        let op = SampleOp { about: about("-sample", samples)?, plan: Arc::clone(&plan) };
        let sample = builder.push(OpLayer::new(Arc::new(op), runs, move |index, into| {
            into.push(TaskRef { layer: run, index });
        }));
        let bounds = u64::from(runs) * plan.ranks.len() as u64;
        let op = WindowsOp { about: about("-windows", vec![2 * bounds])?, plan: Arc::clone(&plan) };
        let windows = builder.push(OpLayer::new(Arc::new(op), 1, move |_, into| {
            into.extend((0..runs).map(|index| TaskRef { layer: sample, index }));
        }));
        let found = lengths.iter().map(|length| (*length).min(2 * (plan.step * plan.ranks.len()) as u64)).collect();
        let found = builder.push(OpLayer::new(
            Arc::new(FoundOp { about: about("-found", found)? }),
            runs,
            move |index, into| into.extend([TaskRef { layer: run, index }, TaskRef { layer: windows, index: 0 }]),
        ));
        let op = CutsOp { about: about("-cuts", vec![bounds])?, plan: Arc::clone(&plan) };
        let cuts = builder.push(OpLayer::new(Arc::new(op), 1, move |_, into| {
            into.push(TaskRef { layer: windows, index: 0 });
            into.extend((0..runs).map(|index| TaskRef { layer: found, index }));
        }));
        // A piece is about as large as its share of the run.
        let shares = lengths.iter().flat_map(|length| vec![length / u64::from(blocks); blocks as usize]).collect();
        let op = PieceOp { about: about("-piece", shares)?, plan: Arc::clone(&plan) };
        let piece = raskr_graph::LayerId(cuts.0 + 1);
        let pushed = builder.push(OpLayer::new(Arc::new(op), runs * blocks, move |index, into| {
            into.extend([TaskRef { layer: run, index: index / blocks }, TaskRef { layer: cuts, index: 0 }]);
            if !index.is_multiple_of(blocks) {
                into.push(TaskRef { layer: piece, index: index - 1 });
            }
        }));
        debug_assert_eq!(pushed, piece);
        let op = Arc::new(DoneOp { about: about("-done", vec![0; runs as usize])? });
        let done = builder.push(OpLayer::new(op, runs, move |index, into| {
            into.push(TaskRef { layer: piece, index: (index + 1) * blocks - 1 });
        }));
        let op = Arc::new(DoneOp { about: about("-pieces", vec![0])? });
        let all = builder.push(OpLayer::new(op, 1, move |_, into| {
            into.extend((0..runs).map(|index| TaskRef { layer: done, index }));
        }));
        let op = JoinOp { about: About::new(expr, ""), plan };
        let layer = builder.push(OpLayer::new(Arc::new(op), blocks, move |index, into| {
            into.extend((0..runs).map(|run| TaskRef { layer: piece, index: run * blocks + index }));
            into.push(TaskRef { layer: all, index: 0 });
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
    }
}
