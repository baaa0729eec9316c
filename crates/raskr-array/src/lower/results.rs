//! Lowering of results: an array that is wanted as a whole is written where it ends up, not block by block and then joined.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use raskr_base::{DType, TaskError};
use raskr_graph::{Builder, Collection, LayerId};
use raskr_kernels::blocks::Target;

use super::layer::OpLayer;
use super::parts::sorted_input;
use super::plan::address;
use super::{Lowering, as_layer};
use crate::expr::{Expr, Kind};
use crate::grid::Grid;
use crate::ops::About;
use crate::ops::store::{ProgramStoreOp, StoreOp};

/// Shorter arrays are sorted block by block, which takes fewer tasks.
const SORTED_WHOLE_MIN: u64 = 1 << 16;

/// Where a result is when the tasks have run.
pub enum Destination {
    /// In the tasks' values, one block each.
    Blocks,
    /// In one array; a value that is not `Unit` is a block that was not as declared.
    Array(Arc<Target>),
    /// In one array whose size showed on the way.
    Found(Arc<OnceLock<Target>>),
}

/// The tasks that a run must yield for a result.
pub struct Lowered {
    pub layer: LayerId,
    pub tasks: u32,
    pub destination: Destination,
}

/// Lowers expressions together, so that what they share is computed once; those that are wanted as a whole (`joined`) are put
/// together as their blocks come. The builder remembers the blocks of those that calls stand on (`under`).
pub fn lower_results(
    outputs: &[Arc<Expr>],
    under: &[Arc<Expr>],
    joined: bool,
    builder: &mut Builder,
) -> Result<Vec<Lowered>, TaskError> {
    let all: Vec<Arc<Expr>> = outputs.iter().chain(under).cloned().collect();
    let lowering = Lowering::of(&all);
    let mut uses: HashMap<_, usize> = HashMap::new();
    for expr in all.iter().chain(lowering.decision.order.iter().flat_map(|expr| expr.inputs())) {
        *uses.entry(address(expr)).or_default() += 1;
    }
    // Nobody else needs the blocks of these.
    let alone = |expr: &Arc<Expr>| joined && uses.get(&address(expr)) == Some(&1) && lowering.writes_itself(expr);
    let whole: Vec<bool> = outputs.iter().map(alone).collect();
    for expr in &lowering.decision.order {
        let skipped = outputs.iter().zip(&whole).any(|(output, whole)| *whole && Arc::ptr_eq(output, expr));
        if lowering.decision.is_blocked(expr) && !skipped {
            let blocks = lowering.lower_one(expr, builder)?;
            lowering.done.lock().insert(address(expr), blocks);
        }
    }
    for expr in under {
        let layer = as_layer(expr, &lowering.blocks_of(expr)?, builder);
        builder.remember(Arc::clone(expr) as Arc<dyn Collection>, layer);
    }
    let mut lowered = Vec::with_capacity(outputs.len());
    for (expr, whole) in outputs.iter().zip(whole) {
        lowered.push(if whole {
            lowering.write_whole(expr, builder)?
        } else {
            lowering.gather(expr, joined, builder)?
        });
    }
    Ok(lowered)
}

/// An array for the blocks of a grid.
pub(super) fn target_for(grid: &Grid, dtype: DType) -> Target {
    let sizes: Vec<Vec<usize>> =
        grid.axes().iter().map(|axis| axis.sizes().iter().map(|n| *n as usize).collect()).collect();
    Target::new(dtype, &sizes)
}

/// An array for an expression's blocks.
fn target_of(expr: &Expr) -> Option<Arc<Target>> {
    let grid = expr.grid();
    let dtype = expr.dtype()?;
    (grid.is_known() && grid.blocks() > 1).then(|| Arc::new(target_for(grid, dtype)))
}

impl Lowering {
    /// Can the result be written without blocks in between?
    fn writes_itself(&self, expr: &Arc<Expr>) -> bool {
        if expr.dtype().is_none() {
            return false;
        }
        // Points are gathered in pieces of any size.
        if matches!(expr.kind(), Kind::Points { input, .. } if matches!(input.kind(), Kind::Memory { .. })) {
            return expr.grid().elements().is_some_and(|elements| elements > 0);
        }
        if expr.grid().blocks() < 2 {
            return false;
        }
        if let Some(input) = sorted_input(expr) {
            return input.grid().elements().is_some_and(|elements| elements >= SORTED_WHOLE_MIN);
        }
        match expr.kind() {
            Kind::Filter { input, mask } => self.decision.is_free(input) && self.decision.is_free(mask),
            Kind::Take { .. } | Kind::Scan { .. } => expr.grid().is_known(),
            Kind::Elementwise { .. } | Kind::Cast { .. } => expr.grid().is_known(),
            _ => false,
        }
    }

    fn write_whole(&self, expr: &Arc<Expr>, builder: &mut Builder) -> Result<Lowered, TaskError> {
        let no_target = || TaskError::internal("no array for a result");
        if let Some(input) = sorted_input(expr) {
            let (layer, tasks, sorted) = self.lower_sort_into(expr, input, builder)?;
            return Ok(Lowered { layer, tasks, destination: Destination::Found(sorted) });
        }
        match expr.kind() {
            Kind::Filter { input, mask } => {
                let (layer, tasks, room) = self.lower_filter_into(expr, input, mask, builder)?;
                Ok(Lowered { layer, tasks, destination: Destination::Found(room) })
            }
            Kind::Take { input, axis, index } => {
                let (layer, tasks, target) = self.lower_take_into(expr, input, *axis, index, builder)?;
                Ok(Lowered { layer, tasks, destination: Destination::Array(target) })
            }
            Kind::Points { input, axes, positions } => {
                let Kind::Memory { chunk } = input.kind() else { return Err(no_target()) };
                let (layer, tasks, target) = self.lower_points_into(expr, chunk, axes, positions, builder)?;
                Ok(Lowered { layer, tasks, destination: Destination::Array(target) })
            }
            Kind::Scan { input, kind, axis } => {
                let target = target_of(expr).ok_or_else(no_target)?;
                let layer = self.lower_scan(expr, input, *kind, *axis, Some(Arc::clone(&target)), builder)?;
                Ok(Lowered { layer, tasks: expr.grid().blocks(), destination: Destination::Array(target) })
            }
            _ => {
                let target = target_of(expr).ok_or_else(no_target)?;
                let (about, grid) = (About::new(expr, "-store"), expr.grid().clone());
                let feed = self.feed(About::new(expr, ""), grid, &[expr], true)?;
                let op = Arc::new(ProgramStoreOp { about, feed, target: Arc::clone(&target) });
                let (listed, tasks) = (Arc::clone(&op), expr.grid().blocks());
                let layer =
                    builder.push(OpLayer::new(op, tasks, move |index, into| listed.feed.list_inputs(index, into)));
                Ok(Lowered { layer, tasks, destination: Destination::Array(target) })
            }
        }
    }

    /// Blocks as they are, or each copied to its place once it is there.
    fn gather(&self, expr: &Arc<Expr>, joined: bool, builder: &mut Builder) -> Result<Lowered, TaskError> {
        let blocks = self.blocks_of(expr)?;
        let tasks = expr.grid().blocks();
        let Some(target) = target_of(expr).filter(|_| joined) else {
            let layer = as_layer(expr, &blocks, builder);
            return Ok(Lowered { layer, tasks, destination: Destination::Blocks });
        };
        let op = Arc::new(StoreOp { about: About::new(expr, "-store"), target: Arc::clone(&target) });
        let grid = expr.grid().clone();
        let layer = builder.push(OpLayer::new(op, tasks, move |index, into| {
            into.push(blocks.task(&grid, &grid.unflat(index)));
        }));
        Ok(Lowered { layer, tasks, destination: Destination::Array(target) })
    }
}
