//! From array expressions to layers of tasks.
//!
//! First it is decided which expressions get blocks of their own (`plan`); then those are lowered one by one, inputs first,
//! everything between them being compiled into the programs of their consumers (`fuse`).
//! Invariant: nothing here costs per block; layers list their tasks' inputs when asked.

pub mod blocks;
mod functions;
mod fuse;
mod layer;
mod moves;
mod order;
mod parts;
mod plan;
pub mod results;
mod select;
mod trees;

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use raskr_base::{Op, OpKind, TaskError};
use raskr_graph::{Builder, Collection, LayerId, TaskRef};

use crate::error::ArrayError;
use crate::expr::{Expr, Kind};
use crate::index::identity;
use crate::ops::About;
use crate::ops::arrange::{MemoryOp, PassOp, ReadOp, StoredOp, ViewOp};
use crate::ops::fused::{FusedOp, Operand, Outcome, list_inputs};

use blocks::Blocks;
use fuse::Fusion;
use layer::OpLayer;
use plan::{Address, Decision, address, block_source, decide};

/// One lowering of a set of expressions.
pub struct Lowering {
    decision: Decision,
    /// What is computed whichever way is chosen where there are two.
    needed: HashSet<Address>,
    done: Mutex<HashMap<Address, Arc<Blocks>>>,
}

/// Lowers expressions together, so that what they share is done once; gives where the blocks of each are.
pub fn lower(outputs: &[Arc<Expr>], builder: &mut Builder) -> Result<Vec<Arc<Blocks>>, TaskError> {
    let lowering = Lowering::of(outputs);
    for expr in &lowering.decision.order {
        if lowering.decision.is_blocked(expr) {
            let blocks = lowering.lower_one(expr, builder)?;
            lowering.done.lock().insert(address(expr), blocks);
        }
    }
    outputs.iter().map(|output| lowering.blocks_of(output)).collect()
}

/// Everything that the outputs stand on when arrays that can be made in two ways are made alone.
fn needed(outputs: &[Arc<Expr>]) -> HashSet<Address> {
    let mut seen = HashSet::new();
    let mut waiting: Vec<&Arc<Expr>> = outputs.iter().collect();
    while let Some(expr) = waiting.pop() {
        if seen.insert(address(expr)) {
            match expr.kind() {
                Kind::Choice { alone, .. } => waiting.push(alone),
                _ => waiting.extend(expr.inputs()),
            }
        }
    }
    seen
}

impl Collection for Expr {
    fn lower(self: Arc<Self>, builder: &mut Builder) -> Result<LayerId, TaskError> {
        let blocks = lower(std::slice::from_ref(&self), builder)?.remove(0);
        Ok(as_layer(&self, &blocks, builder))
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// The layer whose task k yields row-major block k.
pub fn as_layer(expr: &Arc<Expr>, blocks: &Arc<Blocks>, builder: &mut Builder) -> LayerId {
    if let Blocks::Layer(layer) = **blocks {
        return layer;
    }
    let grid = expr.grid().clone();
    let blocks = Arc::clone(blocks);
    let tasks = grid.blocks();
    let op = Arc::new(PassOp { about: About::new(expr, "") });
    builder.push(OpLayer::new(op, tasks, move |index, into| into.push(blocks.task(&grid, &grid.unflat(index)))))
}

impl Lowering {
    /// Of these expressions together, with nothing lowered yet.
    fn of(outputs: &[Arc<Expr>]) -> Lowering {
        Lowering { decision: decide(outputs), needed: needed(outputs), done: Mutex::default() }
    }

    fn blocks_of(&self, expr: &Arc<Expr>) -> Result<Arc<Blocks>, TaskError> {
        self.done.lock().get(&address(expr)).cloned().ok_or_else(|| {
            TaskError::internal(format!("the blocks of {} were asked for before they were lowered", expr.label()))
        })
    }

    /// The blocks that a consumer of blocks takes for an argument, and the view of them to take.
    fn argument(&self, expr: &Arc<Expr>) -> Result<Source, TaskError> {
        let (base, map) = block_source(&self.decision, expr);
        let view = if Arc::ptr_eq(&base, expr) { None } else { Some(map) };
        Ok(Source { blocks: self.blocks_of(&base)?, base, view, expr: Arc::clone(expr) })
    }

    fn lower_one(&self, expr: &Arc<Expr>, builder: &mut Builder) -> Result<Arc<Blocks>, TaskError> {
        let about = About::new(expr, "");
        let tasks = expr.grid().blocks();
        let no_inputs = |_: u32, _: &mut Vec<TaskRef>| {};
        let layer = match expr.kind() {
            Kind::Stored { blocks } => {
                builder.push(OpLayer::new(Arc::new(StoredOp { about, blocks: Arc::clone(blocks) }), tasks, no_inputs))
            }
            Kind::Calls { calls } => {
                let tasks = calls.iter().map(|call| builder.call(call)).collect::<Result<Vec<_>, _>>()?;
                if expr.is_native() {
                    let op = self.checked(expr)?;
                    builder
                        .push(OpLayer::new(op, tasks.len() as u32, move |index, into| into.push(tasks[index as usize])))
                } else {
                    return Ok(Arc::new(Blocks::Tasks(tasks)));
                }
            }
            Kind::Read { reader } => {
                builder.push(OpLayer::new(Arc::new(ReadOp { about, reader: Arc::clone(reader) }), tasks, no_inputs))
            }
            Kind::Memory { .. }
            | Kind::Source { .. }
            | Kind::Elementwise { .. }
            | Kind::Cast { .. }
            | Kind::View { .. } => return self.lower_program(expr, builder),
            Kind::Rechunk { .. } if self.decision.is_free(expr) => return self.lower_program(expr, builder),
            Kind::Rechunk { input } => return self.lower_rechunk(expr, input, builder),
            Kind::Regions { input, ranges } => return self.lower_regions(expr, input, ranges, builder),
            Kind::Take { input, axis, index } => return self.lower_take(expr, input, *axis, index, builder),
            Kind::Points { input, axes, positions } => {
                return self.lower_points(expr, input, axes, positions, builder);
            }
            Kind::Filter { input, mask } => return self.lower_filter(expr, input, mask, builder),
            Kind::Compress { input, mask, axis } => return self.lower_compress(expr, input, mask, *axis, builder),
            Kind::Count { inputs, weighted, how } => return self.lower_count(expr, inputs, *weighted, how, builder),
            Kind::ReshapeBlocks { input } => return self.lower_reshape(expr, input, builder),
            Kind::Write { input, writer } => {
                let dtype = input.dtype().ok_or_else(|| {
                    TaskError::new(
                        raskr_base::ErrorClass::Type,
                        format!(
                            "{}: expected an array of a native element type, got {}",
                            expr.label(),
                            input.element()
                        ),
                    )
                })?;
                let source = self.whole_argument(input, builder)?;
                let op = Arc::new(crate::ops::store::WriteOp { about, dtype, writer: Arc::clone(writer) });
                let grid = input.grid().clone();
                builder.push(OpLayer::new(op, tasks, move |index, into| {
                    into.push(source.task(&grid, &grid.unflat(index)));
                }))
            }
            Kind::Choice { alone, shared, instead } => {
                let chosen = if self.needed.contains(&address(shared)) { instead } else { alone };
                return self.whole_argument(chosen, builder);
            }
            Kind::SelectBlocks { input, index } => {
                let source = self.whole_argument(input, builder)?;
                return Ok(Arc::new(Blocks::Selected {
                    base: source,
                    grid: input.grid().clone(),
                    index: Arc::clone(index),
                }));
            }
            Kind::Relabel { input } => {
                let source = self.whole_argument(input, builder)?;
                return Ok(Arc::new(Blocks::Selected {
                    base: source,
                    grid: input.grid().clone(),
                    index: input.grid().axes().iter().map(|axis| (0..axis.blocks() as u32).collect()).collect(),
                }));
            }
            Kind::Concatenate { inputs, axis } => {
                let mut first = 0;
                let mut parts = Vec::with_capacity(inputs.len());
                for input in inputs {
                    parts.push((first, input.grid().clone(), self.whole_argument(input, builder)?));
                    first += input.grid().axis(*axis).blocks() as u32;
                }
                return Ok(Arc::new(Blocks::Joined { axis: *axis, parts }));
            }
            Kind::Reduce { input, kind, ending, axes, split } => {
                return self.lower_reduce(expr, input, *kind, *ending, axes, *split, builder);
            }
            Kind::ArgReduce { input, kind, axis } => return self.lower_arg_reduce(expr, input, *kind, *axis, builder),
            Kind::SampleSort { input, positions } => {
                return self.lower_sample_sort(expr, input, *positions, builder);
            }
            Kind::Scan { input, kind, axis } => self.lower_scan(expr, input, *kind, *axis, None, builder)?,
            Kind::Contract { a, b, how } => return self.lower_contract(expr, a, b, how, builder),
            Kind::RandomWith { .. } | Kind::Blockwise { .. } | Kind::Group { .. } | Kind::ScanWith { .. } => {
                return self.lower_function(expr, builder);
            }
        };
        Ok(Arc::new(Blocks::Layer(layer)))
    }

    /// Passes blocks on that an interpreter's call made, as what they were declared to be.
    fn checked(&self, expr: &Arc<Expr>) -> Result<Arc<dyn Op>, TaskError> {
        Ok(Arc::new(PassOp { about: About::new(expr, "") }))
    }

    /// The blocks of an expression as they are: a view that has none gets them here.
    fn whole_argument(&self, expr: &Arc<Expr>, builder: &mut Builder) -> Result<Arc<Blocks>, TaskError> {
        let source = self.argument(expr)?;
        if source.view.is_none() {
            return Ok(source.blocks);
        }
        Ok(self.view_layer(expr, &source, builder))
    }

    /// A layer of views of another's blocks.
    fn view_layer(&self, expr: &Arc<Expr>, source: &Source, builder: &mut Builder) -> Arc<Blocks> {
        let kind = if expr.is_native() { OpKind::Native } else { OpKind::Interpreted };
        let map = source.view.clone().unwrap_or_else(|| identity(expr.ndim()));
        let base = source.base.grid().clone();
        let op = Arc::new(ViewOp { about: About::new(expr, ""), source: base.clone(), map: map.clone(), kind });
        let grid = expr.grid().clone();
        let tasks = grid.blocks();
        let blocks = Arc::clone(&source.blocks);
        let layer = builder.push(OpLayer::new(op, tasks, move |index, into| {
            let block = grid.unflat(index);
            let wanted = source_block(&map, &base, &grid, &block);
            into.push(blocks.task(&base, &wanted));
        }));
        Arc::new(Blocks::Layer(layer))
    }

    /// An elementwise expression with everything fused into it, as a layer of blocks.
    fn lower_program(&self, expr: &Arc<Expr>, builder: &mut Builder) -> Result<Arc<Blocks>, TaskError> {
        if let Kind::View { input, map } = expr.kind() {
            let mut inner = Arc::clone(input);
            let mut map = map.clone();
            while let Kind::View { input, map: next } = inner.kind() {
                if self.decision.is_leaf(&inner) {
                    break;
                }
                map = crate::index::compose(next, &map);
                let input = Arc::clone(input);
                inner = input;
            }
            if let Kind::Memory { chunk } = inner.kind() {
                let op = MemoryOp { about: About::new(expr, ""), chunk: chunk.clone(), map };
                let layer = builder.push(OpLayer::new(Arc::new(op), expr.grid().blocks(), |_, _| {}));
                return Ok(Arc::new(Blocks::Layer(layer)));
            }
            if self.decision.is_leaf(&inner) {
                let blocks = self.blocks_of(&inner)?;
                let source = Source { blocks, base: inner, view: Some(map), expr: Arc::clone(expr) };
                return Ok(self.view_layer(expr, &source, builder));
            }
        }
        if let Kind::Memory { chunk } = expr.kind() {
            let op = MemoryOp { about: About::new(expr, ""), chunk: chunk.clone(), map: identity(expr.ndim()) };
            let layer = builder.push(OpLayer::new(Arc::new(op), expr.grid().blocks(), |_, _| {}));
            return Ok(Arc::new(Blocks::Layer(layer)));
        }
        let mut fusion = Fusion::new(self);
        let register = fusion.root(expr)?;
        fusion.builder.output(register).map_err(ArrayError::from)?;
        let (program, operands) = (fusion.builder.finish(), fusion.operands);
        let about = About::new(expr, "");
        Ok(self.program_layer(about, expr.grid().clone(), program, operands, Outcome::Block, builder))
    }

    fn program_layer(
        &self,
        about: About,
        grid: crate::grid::Grid,
        program: raskr_kernels::program::Program,
        operands: Vec<Operand>,
        outcome: Outcome,
        builder: &mut Builder,
    ) -> Arc<Blocks> {
        let listed: Vec<Operand> = operands.iter().filter(|o| matches!(o, Operand::Blocks { .. })).cloned().collect();
        let op = Arc::new(FusedOp { about, grid: grid.clone(), program, operands, outcome });
        let tasks = grid.blocks();
        let layer = OpLayer::new(op, tasks, move |index, into| list_inputs(&listed, &grid, index, into));
        Arc::new(Blocks::Layer(builder.push(layer)))
    }
}

/// Where a consumer of blocks takes an argument from.
struct Source {
    blocks: Arc<Blocks>,
    /// The expression that has the blocks.
    base: Arc<Expr>,
    /// How the argument is a view of it.
    view: Option<crate::index::AffineMap>,
    expr: Arc<Expr>,
}

impl Source {
    /// The task that yields (what holds) a block of the argument.
    fn task(&self, block: &[u32]) -> TaskRef {
        match &self.view {
            None => self.blocks.task(self.base.grid(), block),
            Some(map) => {
                let wanted = source_block(map, self.base.grid(), self.expr.grid(), block);
                self.blocks.task(self.base.grid(), &wanted)
            }
        }
    }

    /// The view to be taken of the block that the task yields.
    fn view_plan(&self) -> Option<(crate::grid::Grid, crate::index::AffineMap, crate::grid::Grid)> {
        self.view.clone().map(|map| (self.base.grid().clone(), map, self.expr.grid().clone()))
    }
}

fn source_block(
    map: &[crate::index::Coordinate],
    source: &crate::grid::Grid,
    grid: &crate::grid::Grid,
    block: &[u32],
) -> crate::grid::BlockIndex {
    map.iter().zip(source.axes()).map(|(c, axis)| crate::index::place(*c, axis, grid.axes(), block).block).collect()
}
