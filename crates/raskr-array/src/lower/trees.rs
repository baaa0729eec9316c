//! Lowering of reductions, extremes' places, scans and contractions: trees and chains over blocks.

use std::sync::Arc;

use raskr_base::{Op, TaskError};
use raskr_graph::{Builder, LayerId, TaskRef};
use raskr_kernels::blocks::{ArgKind, CumulativeKind, Target};
use raskr_kernels::program::{Reduction, ReductionKind};
use raskr_kernels::reduce::Ending;
use smallvec::SmallVec;

use super::Lowering;
use super::blocks::Blocks;
use super::fuse::{Fusion, task_grid};
use super::layer::OpLayer;
use crate::error::ArrayError;
use crate::expr::{Contraction, Expr, Kind};
use crate::grid::{BlockIndex, Grid};
use crate::ops::About;
use crate::ops::contract::{ContractOp, SumOp};
use crate::ops::fused::{Kept, Outcome};
use crate::ops::positions::{ArgCombineOp, ArgPartialOp};
use crate::ops::reduce::CombineOp;
use crate::ops::scan::{CarryOp, LastOp, ScanOp};

/// How many partial results one task merges when the user does not say.
pub(super) const FAN_IN: usize = 16;
/// How many products of blocks one task sums up.
const PRODUCTS: u32 = 4;

/// How the blocks of a grid fall into kept and reduced places.
pub(super) struct Split {
    grid: Grid,
    reduced: SmallVec<[usize; 4]>,
    kept_grid: Grid,
    reduced_grid: Grid,
}

impl Split {
    pub(super) fn new(grid: &Grid, reduced: &[usize]) -> Result<Split, ArrayError> {
        let part = |wanted: bool| {
            Grid::new(
                grid.axes().iter().enumerate().filter(|(i, _)| reduced.contains(i) == wanted).map(|(_, a)| a.clone()),
            )
        };
        Ok(Split { grid: grid.clone(), reduced: reduced.into(), kept_grid: part(false)?, reduced_grid: part(true)? })
    }

    /// The number, in the whole grid, of reduced block `r` of kept block `k`.
    fn flat(&self, k: u32, r: u32) -> u32 {
        let (kept, reduced) = (self.kept_grid.unflat(k), self.reduced_grid.unflat(r));
        let (mut kept, mut reduced) = (kept.iter(), reduced.iter());
        let block: BlockIndex = (0..self.grid.ndim())
            .map(|axis| {
                let side = if self.reduced.contains(&axis) { &mut reduced } else { &mut kept };
                side.next().copied().unwrap_or(0)
            })
            .collect();
        self.grid.flat(&block)
    }
}

/// Which axes of the kept result each axis of the expression shows; `None` for reduced axes that are kept with length one.
fn kept_axes(expr: &Expr, ndim: usize, axes: &[usize]) -> Kept {
    if expr.ndim() + axes.len() == ndim {
        return (0..expr.ndim()).map(Some).collect();
    }
    let mut next = 0;
    (0..ndim)
        .map(|axis| {
            if axes.contains(&axis) {
                return None;
            }
            next += 1;
            Some(next - 1)
        })
        .collect()
}

impl Lowering {
    pub(super) fn lower_reduce(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        kind: ReductionKind,
        ending: Ending,
        axes: &[usize],
        split: Option<usize>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let dtype = expr.dtype().ok_or_else(|| TaskError::internal("a native reduction of foreign blocks"))?;
        let mut input = input;
        // Reduced to one block whatever the chunks: moving elements first would be in vain.
        while let Kind::Rechunk { input: inner } = input.kind()
            && axes.len() == input.ndim()
            && self.decision.is_leaf(input)
            && self.decision.is_leaf(inner)
        {
            input = inner;
        }
        let grid = if self.decision.is_free(input) { task_grid(input.grid(), axes)? } else { input.grid().clone() };
        let mask = axes.iter().fold(0u32, |mask, axis| mask | (1 << axis));
        let mut fusion = Fusion::new(self);
        let register = fusion.input(input)?;
        fusion.builder.reduce(Reduction { kind, axes: mask }, register).map_err(ArrayError::from)?;
        let (program, operands) = (fusion.builder.finish(), fusion.operands);
        let kept = kept_axes(expr, input.ndim(), axes);
        let parts = Split::new(&grid, axes)?;
        let many = parts.reduced_grid.blocks();
        if many == 1 {
            let outcome = Outcome::Finished { kind, ending, dtype, shape_of: kept };
            return Ok(self.program_layer(About::new(expr, ""), grid, program, operands, outcome, builder));
        }
        let about = About::new(expr, "-partial").with_grid(parts.kept_grid.clone());
        let partial = self.program_layer(about, grid, program, operands, Outcome::Partial, builder);
        let Blocks::Layer(partial) = *partial else {
            return Err(TaskError::internal("partial results without a layer"));
        };
        let make = |end: bool| -> Arc<dyn Op> {
            let about = if end { About::new(expr, "") } else { About::new(expr, "-combine") };
            Arc::new(CombineOp { about, kind, end: end.then_some((ending, dtype)), kept: kept.clone() })
        };
        Ok(tree(partial, parts, split.unwrap_or(FAN_IN), &make, builder))
    }

    pub(super) fn lower_arg_reduce(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        kind: ArgKind,
        axis: Option<usize>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let axes: SmallVec<[usize; 4]> =
            axis.map_or_else(|| (0..input.ndim()).collect(), |axis| [axis].into_iter().collect());
        let source = self.whole_argument(input, builder)?;
        let grid = input.grid().clone();
        let about = About::new(expr, "-partial").with_grid(grid.clone());
        let op = Arc::new(ArgPartialOp { about, source: grid.clone(), kind, axis });
        let listed = grid.clone();
        let partial = builder.push(OpLayer::new(op, grid.blocks(), move |index, into| {
            into.push(source.task(&listed, &listed.unflat(index)));
        }));
        let keeps_axes = expr.ndim() == input.ndim();
        let dropped: SmallVec<[usize; 4]> = if keeps_axes { SmallVec::new() } else { axes.clone() };
        let make = |end: bool| -> Arc<dyn Op> {
            let about = if end { About::new(expr, "") } else { About::new(expr, "-combine") };
            Arc::new(ArgCombineOp { about, kind, end, dropped: dropped.clone() })
        };
        Ok(tree(partial, Split::new(&grid, &axes)?, FAN_IN, &make, builder))
    }

    pub(super) fn lower_scan(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        kind: CumulativeKind,
        axis: usize,
        target: Option<Arc<Target>>,
        builder: &mut Builder,
    ) -> Result<LayerId, TaskError> {
        let dtype = expr.dtype().ok_or_else(|| TaskError::internal("a native scan of foreign blocks"))?;
        let source = self.whole_argument(input, builder)?;
        let grid = expr.grid().clone();
        let tasks = grid.blocks();
        let carry = (grid.axis(axis).blocks() > 1).then(|| {
            let (listed, blocks) = (grid.clone(), Arc::clone(&source));
            let op = LastOp { about: About::new(expr, "-last"), kind, axis, dtype };
            let lasts = builder.push(OpLayer::new(Arc::new(op), tasks, move |index, into| {
                into.push(blocks.task(&listed, &listed.unflat(index)));
            }));
            let carry = LayerId(lasts.0 + 1);
            let chain = grid.clone();
            let op = CarryOp { about: About::new(expr, "-carry"), kind, dtype };
            // Carry k holds everything up to the end of block k: block k's last slice and carry k - 1.
            let pushed = builder.push(OpLayer::new(Arc::new(op), tasks, move |index, into| {
                into.push(TaskRef { layer: lasts, index });
                if let Some(before) = before(&chain, index, axis) {
                    into.push(TaskRef { layer: carry, index: before });
                }
            }));
            debug_assert_eq!(pushed, carry);
            carry
        });
        let op = ScanOp { about: About::new(expr, ""), kind, axis, dtype, target };
        Ok(builder.push(OpLayer::new(Arc::new(op), tasks, move |index, into| {
            into.push(source.task(&grid, &grid.unflat(index)));
            if let Some(layer) = carry
                && let Some(index) = before(&grid, index, axis)
            {
                into.push(TaskRef { layer, index });
            }
        })))
    }

    pub(super) fn lower_contract(
        &self,
        expr: &Arc<Expr>,
        a: &Arc<Expr>,
        b: &Arc<Expr>,
        how: &Contraction,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let dtype = expr.dtype().ok_or_else(|| TaskError::internal("a native product of foreign blocks"))?;
        let (left, right) = (Arc::new(self.argument(a)?), Arc::new(self.argument(b)?));
        let grid = expr.grid().clone();
        let summed = Grid::new(how.axes_a.iter().map(|axis| a.grid().axis(*axis).clone()))?;
        let (grid_a, grid_b) = (a.grid().clone(), b.grid().clone());
        let many = summed.blocks();
        let groups = many.div_ceil(PRODUCTS);
        // Task (block, group) sums the products of its share of contracted blocks.
        let pair = {
            let (grid, how) = (grid.clone(), how.clone());
            let (ndim_a, ndim_b) = (a.ndim(), b.ndim());
            move |index: u32, place: u32| -> (BlockIndex, BlockIndex) {
                let (out, inner) = (grid.unflat(index), summed.unflat(place));
                let mut kept = out.iter().copied();
                let mut side = |ndim: usize, axes: &[usize]| -> BlockIndex {
                    (0..ndim)
                        .map(|axis| match axes.iter().position(|x| *x == axis) {
                            Some(at) => inner[at],
                            None => kept.next().unwrap_or(0),
                        })
                        .collect()
                };
                (side(ndim_a, &how.axes_a), side(ndim_b, &how.axes_b))
            }
        };
        let share = move |task: u32| {
            let (index, group) = (task / groups, task % groups);
            (index, group * PRODUCTS..((group + 1) * PRODUCTS).min(many))
        };
        let numbers = {
            let pair = pair.clone();
            move |task: u32| -> Vec<(u32, u32)> {
                let (index, places) = share(task);
                places
                    .map(|place| {
                        let (a, b) = pair(index, place);
                        (grid_a.flat(&a), grid_b.flat(&b))
                    })
                    .collect()
            }
        };
        let views = [left.view_plan(), right.view_plan()];
        let op = ContractOp {
            about: About::new(expr, if groups == 1 { "" } else { "-partial" }),
            how: how.clone(),
            dtype,
            views,
            numbers: Box::new(numbers),
        };
        let tasks = grid.blocks() * groups;
        let products = builder.push(OpLayer::new(Arc::new(op), tasks, move |task, into| {
            let (index, places) = share(task);
            for place in places {
                let (block_a, block_b) = pair(index, place);
                into.push(left.task(&block_a));
                into.push(right.task(&block_b));
            }
        }));
        let mut layer = products;
        let mut width = groups;
        while width > 1 {
            let next = width.div_ceil(FAN_IN as u32);
            let about = About::new(expr, if next == 1 { "" } else { "-combine" });
            let (below, from) = (layer, width);
            layer = builder.push(OpLayer::new(Arc::new(SumOp { about }), grid.blocks() * next, move |task, into| {
                let (index, group) = (task / next, task % next);
                let end = ((group + 1) * FAN_IN as u32).min(from);
                into.extend((group * FAN_IN as u32..end).map(|i| TaskRef { layer: below, index: index * from + i }));
            }));
            width = next;
        }
        Ok(Arc::new(Blocks::Layer(layer)))
    }
}

/// The block before this one along an axis.
pub(super) fn before(grid: &Grid, index: u32, axis: usize) -> Option<u32> {
    let mut block = grid.unflat(index);
    if block[axis] == 0 {
        return None;
    }
    block[axis] -= 1;
    Some(grid.flat(&block))
}

/// Merges the reduced blocks of every kept block in a tree of the given fan-in; its root ends the reduction.
pub(super) fn tree(
    partial: LayerId,
    parts: Split,
    fan_in: usize,
    make: &dyn Fn(bool) -> Arc<dyn Op>,
    builder: &mut Builder,
) -> Arc<Blocks> {
    let fan_in = fan_in.max(2) as u32;
    let kept = parts.kept_grid.blocks();
    let mut width = parts.reduced_grid.blocks();
    let mut layer = partial;
    let mut first = Some(parts);
    loop {
        let next = width.div_ceil(fan_in).max(1);
        let (below, from, split) = (layer, width, first.take());
        layer = builder.push(OpLayer::new(make(next == 1), kept * next, move |task, into| {
            let (k, group) = (task / next, task % next);
            for r in group * fan_in..((group + 1) * fan_in).min(from) {
                let index = split.as_ref().map_or(k * from + r, |parts| parts.flat(k, r));
                into.push(TaskRef { layer: below, index });
            }
        }));
        width = next;
        if width == 1 {
            return Arc::new(Blocks::Layer(layer));
        }
    }
}
