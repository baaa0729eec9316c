//! Lowering of an interpreter's functions of blocks.

use std::sync::Arc;

use raskr_base::TaskError;
use raskr_graph::{Builder, LayerId, TaskRef};
use smallvec::SmallVec;

use super::blocks::Blocks;
use super::layer::OpLayer;
use super::trees::before;
use super::{Lowering, Source};
use crate::expr::{BlockArgument, Expr, Kind};
use crate::grid::{BlockIndex, Grid};
use crate::ops::About;
use crate::ops::contract::RandomWithOp;
use crate::ops::function::{ArgumentPlan, FunctionOp, GroupOp, PlainCallOp};

/// Finds, for an argument, the blocks that each block of the result takes.
struct Finder {
    /// For each axis of the argument: the place of its index in the result, or in the nesting, and its number of blocks.
    axes: SmallVec<[(Place, u32); 4]>,
    nesting: SmallVec<[u32; 2]>,
}

#[derive(Clone, Copy)]
enum Place {
    Out(usize),
    Nested(usize),
}

impl Finder {
    fn new(argument: &BlockArgument, out_indices: &[i64], all: &[BlockArgument]) -> (Finder, SmallVec<[usize; 2]>) {
        let mut nesting: SmallVec<[u32; 2]> = SmallVec::new();
        let mut nested_axes = SmallVec::new();
        let mut axes = SmallVec::new();
        for (number, (index, axis)) in argument.indices.iter().zip(argument.array.grid().axes()).enumerate() {
            let place = match out_indices.iter().position(|out| out == index) {
                Some(out) => Place::Out(out),
                None => {
                    let many = all
                        .iter()
                        .flat_map(|other| other.indices.iter().zip(other.array.grid().axes()))
                        .filter(|(other, _)| *other == index)
                        .map(|(_, axis)| axis.blocks() as u32)
                        .max()
                        .unwrap_or(1);
                    nesting.push(many);
                    nested_axes.push(number);
                    Place::Nested(nesting.len() - 1)
                }
            };
            axes.push((place, axis.blocks() as u32));
        }
        (Finder { axes, nesting }, nested_axes)
    }

    /// Blocks of the argument, in nesting order.
    fn find(&self, out: &[u32], mut each: impl FnMut(&[u32])) {
        let many: u32 = self.nesting.iter().product();
        for at in 0..many {
            let mut rest = at;
            let mut nested: SmallVec<[u32; 2]> = SmallVec::from_elem(0, self.nesting.len());
            for (place, n) in nested.iter_mut().zip(&self.nesting).rev() {
                *place = rest % n;
                rest /= n;
            }
            let block: BlockIndex = self
                .axes
                .iter()
                .map(|(place, blocks)| {
                    let wanted = match *place {
                        Place::Out(axis) => out[axis],
                        Place::Nested(level) => nested[level],
                    };
                    // One block stands for all.
                    if *blocks == 1 { 0 } else { wanted }
                })
                .collect();
            each(&block);
        }
    }
}

impl Lowering {
    pub(super) fn lower_function(&self, expr: &Arc<Expr>, builder: &mut Builder) -> Result<Arc<Blocks>, TaskError> {
        match expr.kind() {
            Kind::Blockwise { .. } => self.lower_blockwise(expr, builder),
            Kind::Group { .. } => self.lower_group(expr, builder),
            Kind::ScanWith { .. } => self.lower_scan_with(expr, builder),
            Kind::RandomWith { distribution, key, parameters } => {
                let sources =
                    parameters.iter().map(|p| self.whole_argument(p, builder)).collect::<Result<Vec<_>, _>>()?;
                let dtype = expr.dtype().ok_or_else(|| TaskError::internal("random numbers of a foreign type"))?;
                let op = RandomWithOp { about: About::new(expr, ""), distribution: *distribution, key: *key, dtype };
                let grid = expr.grid().clone();
                let layer = builder.push(OpLayer::new(Arc::new(op), grid.blocks(), move |index, into| {
                    let block = grid.unflat(index);
                    into.extend(sources.iter().map(|source| source.task(&grid, &block)));
                }));
                Ok(Arc::new(Blocks::Layer(layer)))
            }
            _ => Err(TaskError::internal(format!("{} is no function of blocks", expr.label()))),
        }
    }

    fn lower_blockwise(&self, expr: &Arc<Expr>, builder: &mut Builder) -> Result<Arc<Blocks>, TaskError> {
        let Kind::Blockwise { function, out_indices, arguments, extras, concatenate } = expr.kind() else {
            return Err(TaskError::internal("not a blockwise expression"));
        };
        let extras = extras.iter().map(|call| builder.call(call)).collect::<Result<Vec<_>, _>>()?;
        let mut found: Vec<(Finder, Source)> = Vec::with_capacity(arguments.len());
        let mut plans = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let source = self.argument(&argument.array)?;
            let (finder, nested_axes) = Finder::new(argument, out_indices, arguments);
            plans.push(ArgumentPlan { nesting: finder.nesting.clone(), nested_axes, view: source.view_plan() });
            found.push((finder, source));
        }
        let found = Arc::new(found);
        let grid = expr.grid().clone();
        let numbers = {
            let (found, grid) = (Arc::clone(&found), grid.clone());
            move |index: u32, argument: usize| -> SmallVec<[u32; 4]> {
                let (finder, source) = &found[argument];
                let mut numbers = SmallVec::new();
                if source.view.is_some() {
                    finder.find(&grid.unflat(index), |block| numbers.push(source.expr.grid().flat(block)));
                }
                numbers
            }
        };
        let op = FunctionOp {
            about: About::new(expr, ""),
            function: Arc::clone(function),
            arguments: plans,
            numbers: Box::new(numbers),
            concatenate: *concatenate,
        };
        let layer = builder.push(OpLayer::new(Arc::new(op), grid.blocks(), move |index, into| {
            let block = grid.unflat(index);
            for (finder, source) in found.iter() {
                finder.find(&block, |wanted| into.push(source.task(wanted)));
            }
            into.extend_from_slice(&extras);
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
    }

    fn lower_group(&self, expr: &Arc<Expr>, builder: &mut Builder) -> Result<Arc<Blocks>, TaskError> {
        let Kind::Group { input, function, group, concatenate } = expr.kind() else {
            return Err(TaskError::internal("not a group of blocks"));
        };
        let source = self.whole_argument(input, builder)?;
        let from = input.grid().clone();
        let group: Vec<(usize, u32, u32)> =
            group.iter().map(|(axis, many)| (*axis, from.axis(*axis).blocks() as u32, *many)).collect();
        let blocks_match = (0..from.ndim()).all(|axis| {
            let many = group.iter().find(|(a, _, _)| *a == axis).map_or(1, |(_, _, many)| *many);
            from.axis(axis).blocks().div_ceil(many as usize) == expr.grid().axes().get(axis).map_or(1, |a| a.blocks())
        });
        if !blocks_match {
            return Err(TaskError::value(format!(
                "{}: {} blocks in groups of {group:?} (axis, blocks, group) don't give the declared {} blocks",
                expr.label(),
                from.blocks(),
                expr.grid().blocks()
            )));
        }
        let op = Arc::new(GroupOp {
            about: About::new(expr, ""),
            function: Arc::clone(function),
            group,
            concatenate: *concatenate,
        });
        let (grid, listed) = (expr.grid().clone(), Arc::clone(&op));
        let layer = builder.push(OpLayer::new(op, grid.blocks(), move |index, into| {
            let block = grid.unflat(index);
            let counts = listed.counts(&block);
            let many: u32 = counts.iter().product();
            for at in 0..many {
                let mut rest = at;
                let mut wanted = block.clone();
                for ((axis, _, group), n) in listed.group.iter().zip(&counts).rev() {
                    wanted[*axis] = block[*axis] * group + rest % n;
                    rest /= n;
                }
                into.push(source.task(&from, &wanted));
            }
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
    }

    fn lower_scan_with(&self, expr: &Arc<Expr>, builder: &mut Builder) -> Result<Arc<Blocks>, TaskError> {
        let Kind::ScanWith { input, block, last, combine, axis } = expr.kind() else {
            return Err(TaskError::internal("not a scan"));
        };
        let axis = *axis;
        let source = self.whole_argument(input, builder)?;
        let grid: Grid = expr.grid().clone();
        let tasks = grid.blocks();
        let call = |suffix: &str, function: &Arc<dyn crate::function::BlockFunction>| {
            let joins = Arc::ptr_eq(function, combine);
            Arc::new(PlainCallOp { about: About::new(expr, suffix), function: Arc::clone(function), joins })
        };
        let listed = grid.clone();
        let local = builder.push(OpLayer::new(call("-block", block), tasks, move |index, into| {
            into.push(source.task(&listed, &listed.unflat(index)));
        }));
        if grid.axis(axis).blocks() == 1 {
            return Ok(Arc::new(Blocks::Layer(local)));
        }
        let lasts = builder.push(OpLayer::new(call("-last", last), tasks, move |index, into| {
            into.push(TaskRef { layer: local, index });
        }));
        // Carry k joins the last slice of block k to carry k - 1.
        let carry = LayerId(lasts.0 + 1);
        let chain = grid.clone();
        builder.push(OpLayer::new(call("-carry", combine), tasks, move |index, into| {
            if let Some(before) = before(&chain, index, axis) {
                into.push(TaskRef { layer: carry, index: before });
            }
            into.push(TaskRef { layer: lasts, index });
        }));
        let joined = grid;
        let layer = builder.push(OpLayer::new(call("", combine), tasks, move |index, into| {
            if let Some(before) = before(&joined, index, axis) {
                into.push(TaskRef { layer: carry, index: before });
            }
            into.push(TaskRef { layer: local, index });
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
    }
}
