//! Lowering of selection by positions and masks, and of counting.

use std::sync::{Arc, OnceLock};

use raskr_base::{Chunk, Op, TaskError};
use raskr_graph::{Builder, LayerId, TaskRef};
use raskr_kernels::blocks::{Counting, Target};
use smallvec::SmallVec;

use super::Lowering;
use super::blocks::Blocks;
use super::fuse::{Fusion, sized_grid};
use super::layer::OpLayer;
use super::moves::kind_of;
use super::results::target_for;
use super::trees::{FAN_IN, Split, tree};
use crate::error::ArrayError;
use crate::expr::{Expr, Kind};
use crate::grid::{Axis, BlockIndex, Grid};
use crate::ops::About;
use crate::ops::count::{AddCountsOp, CountOp};
use crate::ops::feed::{Fed, Feed};
use crate::ops::filter::{CompressOp, CountChosenOp, FilterOp, FilterStoreOp, MakeRoomOp};
use crate::ops::fused::{FusedOp, Outcome};
use crate::ops::take::{MemoryPointsOp, Points, PointsOp, TakeOp, TakeStoreOp, Taken};

/// Elements that a task counts at least, and at most when its input can be cut anywhere.
const COUNTED_MIN: u64 = 1 << 20;
const COUNTED_MAX: u64 = 1 << 23;
/// Elements counted for each bin, so that adding up the bins of all tasks costs less than counting.
const COUNTED_PER_BIN: u64 = 8;
/// Elements that a task gathers at points when the result can be written in any pieces.
const TAKEN_TOGETHER: u64 = 1 << 16;

/// A layer of elements at points of an array in memory, with the blocks of `about`.
fn points_of_memory(
    about: About,
    chunk: &Chunk,
    axes: &[usize],
    positions: &Arc<[Vec<i64>]>,
    target: Option<Arc<Target>>,
    builder: &mut Builder,
) -> LayerId {
    let tasks = about.grid.blocks();
    let (chunk, axes, positions) = (chunk.clone(), axes.to_vec(), Arc::clone(positions));
    builder.push(OpLayer::new(Arc::new(MemoryPointsOp { about, chunk, axes, positions, target }), tasks, |_, _| {}))
}

/// For each wanted block of an axis, the blocks of the source and the places in them that its elements come from.
fn taken(from: &Axis, to: &Axis, index: &[i64]) -> Arc<[Taken]> {
    let mut slot = vec![u32::MAX; from.blocks()];
    (0..to.blocks())
        .map(|block| {
            let wanted = &index[to.start(block) as usize..(to.start(block) + to.sizes()[block]) as usize];
            let mut taken = Taken { blocks: Vec::new(), places: Vec::with_capacity(wanted.len()) };
            for at in wanted {
                let found = from.block_of(*at as u64);
                if slot[found] == u32::MAX {
                    slot[found] = taken.blocks.len() as u32;
                    taken.blocks.push(found as u32);
                }
                taken.places.push((slot[found], *at as u64 - from.start(found)));
            }
            for found in &taken.blocks {
                slot[*found as usize] = u32::MAX;
            }
            if taken.blocks.is_empty() {
                // An empty block still needs one to know the other axes and the kind of array.
                taken.blocks.push(0);
            }
            taken
        })
        .collect()
}

impl Lowering {
    pub(super) fn lower_take(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        axis: usize,
        index: &Arc<[i64]>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let taken = taken(input.grid().axis(axis), expr.grid().axis(axis), index);
        let about = About::new(expr, "");
        let op = TakeOp { about, axis, taken: Arc::clone(&taken), kind: kind_of(expr) };
        let layer = self.take_layer(Arc::new(op), expr.grid().clone(), input, axis, taken, builder)?;
        Ok(Arc::new(Blocks::Layer(layer)))
    }

    fn take_layer(
        &self,
        op: Arc<dyn Op>,
        grid: Grid,
        input: &Arc<Expr>,
        axis: usize,
        taken: Arc<[Taken]>,
        builder: &mut Builder,
    ) -> Result<LayerId, TaskError> {
        let source = self.whole_argument(input, builder)?;
        let input_grid = input.grid().clone();
        Ok(builder.push(OpLayer::new(op, grid.blocks(), move |index, into| {
            let mut block = grid.unflat(index);
            for wanted in &taken[block[axis] as usize].blocks {
                block[axis] = *wanted;
                into.push(source.task(&input_grid, &block));
            }
        })))
    }

    /// A take whose result is written as a whole: the layer, its number of tasks, and what they fill.
    pub(super) fn lower_take_into(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        axis: usize,
        index: &Arc<[i64]>,
        builder: &mut Builder,
    ) -> Result<(LayerId, u32, Arc<Target>), TaskError> {
        let dtype = expr.dtype().ok_or_else(|| TaskError::internal("a native take of foreign blocks"))?;
        let from = input.grid().axis(axis);
        let mut grid = expr.grid().clone();
        let mut parts = taken(from, grid.axis(axis), index);
        let needed: usize = parts.iter().map(|part| part.blocks.len()).sum();
        if grid.axis(axis).blocks() > 1
            && grid.blocks() as usize > grid.axis(axis).blocks()
            && needed > 2 * from.blocks()
        {
            // Every block of the result needs most of the source's: those of a row are filled together, which goes
            // through the source once.
            let whole = grid.axes().iter().enumerate();
            let whole = whole.map(|(at, cut)| if at == axis { Axis::single(cut.len()) } else { cut.clone() });
            grid = Grid::new(whole)?;
            parts = taken(from, grid.axis(axis), index);
        }
        let target = Arc::new(target_for(&grid, dtype));
        let about = About::new(expr, "-store").with_grid(grid.clone());
        let op = TakeStoreOp { about, axis, taken: Arc::clone(&parts), target: Arc::clone(&target) };
        let tasks = grid.blocks();
        Ok((self.take_layer(Arc::new(op), grid, input, axis, parts, builder)?, tasks, target))
    }

    /// Where elements at points come from: straight from the blocks of an input that can be computed anywhere (nothing
    /// is kept), else block by block first, so that no task needs all blocks of the input.
    pub(super) fn lower_points(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        axes: &[usize],
        positions: &Arc<[Vec<i64>]>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        if let Kind::Memory { chunk } = input.kind() {
            return Ok(Arc::new(Blocks::Layer(points_of_memory(
                About::new(expr, ""),
                chunk,
                axes,
                positions,
                None,
                builder,
            ))));
        }
        let source = self.whole_argument(input, builder)?;
        let grid = expr.grid().clone();
        let from = input.grid().clone();
        let indexed = Grid::new(axes.iter().map(|axis| from.axis(*axis).clone()))?;
        let at = |point: usize| -> (u32, SmallVec<[i64; 4]>) {
            let (mut block, mut offsets) = (BlockIndex::new(), SmallVec::new());
            for (axis, list) in indexed.axes().iter().zip(positions.iter()) {
                let number = axis.block_of(list[point] as u64);
                block.push(number as u32);
                offsets.push(list[point] - axis.start(number) as i64);
            }
            (indexed.flat(&block), offsets)
        };
        let empty = || Points { blocks: Vec::new(), which: Vec::new(), offsets: vec![Vec::new(); axes.len()] };
        // The block of the input with these numbers along the indexed axes, and those of a result's block along the rest.
        let place = {
            let (axes, from) = (axes.to_vec(), from.clone());
            move |along: &[u32], block: &[u32]| -> BlockIndex {
                let mut rest = block.iter().skip(1);
                (0..from.ndim())
                    .map(|axis| match axes.iter().position(|indexed| *indexed == axis) {
                        Some(at) => along[at],
                        None => rest.next().copied().unwrap_or(0),
                    })
                    .collect()
            }
        };
        let list = |layer_grid: Grid, points: Arc<[Points]>| {
            move |index: u32, into: &mut Vec<TaskRef>| {
                let block = layer_grid.unflat(index);
                for along in &points[block[0] as usize].blocks {
                    into.push(source.task(&from, &place(along, &block)));
                }
            }
        };
        let points_axis = grid.axis(0).clone();
        if self.decision.is_free(input) || indexed.blocks() == 1 {
            let mut slot = std::collections::HashMap::new();
            let points: Arc<[Points]> = (0..points_axis.blocks())
                .map(|number| {
                    let mut points = empty();
                    let start = points_axis.start(number) as usize;
                    for point in start..start + points_axis.sizes()[number] as usize {
                        let (block, offsets) = at(point);
                        let next = points.blocks.len() as u32;
                        let which = *slot.entry(block).or_insert(next);
                        if which == next {
                            points.blocks.push(indexed.unflat(block).to_vec());
                        }
                        points.which.push(which);
                        points.offsets.iter_mut().zip(offsets).for_each(|(list, offset)| list.push(offset));
                    }
                    if points.blocks.is_empty() {
                        points.blocks.push(vec![0; axes.len()]);
                    }
                    slot.clear();
                    points
                })
                .collect();
            let about = About::new(expr, "");
            let op = PointsOp { about, axes: axes.to_vec(), points: Arc::clone(&points), grid: grid.clone() };
            let tasks = grid.blocks();
            let layer = builder.push(OpLayer::new(Arc::new(op), tasks, list(grid, points)));
            return Ok(Arc::new(Blocks::Layer(layer)));
        }
        // First the points of each block that has any, as if they were the result's blocks; then those put in order.
        let mut numbers: std::collections::BTreeMap<u32, usize> = std::collections::BTreeMap::new();
        let located: Vec<(u32, SmallVec<[i64; 4]>)> = (0..points_axis.len() as usize).map(&at).collect();
        for (block, _) in &located {
            numbers.entry(*block).or_default();
        }
        if numbers.is_empty() {
            numbers.insert(0, 0);
        }
        numbers.values_mut().enumerate().for_each(|(number, slot)| *slot = number);
        let mut picked: Vec<Points> =
            numbers.keys().map(|block| Points { blocks: vec![indexed.unflat(*block).to_vec()], ..empty() }).collect();
        let mut ordered: Vec<(u32, u64)> = Vec::with_capacity(located.len());
        for (block, offsets) in located {
            let number = numbers[&block];
            let points = &mut picked[number];
            ordered.push((number as u32, points.which.len() as u64));
            points.which.push(0);
            points.offsets.iter_mut().zip(offsets).for_each(|(list, offset)| list.push(offset));
        }
        let sizes: Vec<u64> = picked.iter().map(|points| points.which.len() as u64).collect();
        let picked_axis = Axis::new(sizes);
        let index: Vec<i64> =
            ordered.iter().map(|(number, at)| (picked_axis.start(*number as usize) + at) as i64).collect();
        let picked_grid = Grid::new(std::iter::once(picked_axis.clone()).chain(grid.axes()[1..].iter().cloned()))?;
        let points: Arc<[Points]> = picked.into();
        let about = About::new(expr, "-pick").with_grid(picked_grid.clone());
        let op = PointsOp { about, axes: axes.to_vec(), points: Arc::clone(&points), grid: picked_grid.clone() };
        let tasks = picked_grid.blocks();
        let picked = builder.push(OpLayer::new(Arc::new(op), tasks, list(picked_grid.clone(), points)));
        let taken = taken(&picked_axis, &points_axis, &index);
        let about = About::new(expr, "");
        let op = TakeOp { about, axis: 0, taken: Arc::clone(&taken), kind: kind_of(expr) };
        let layer = builder.push(OpLayer::new(Arc::new(op), grid.blocks(), move |index, into| {
            let mut block = grid.unflat(index);
            for wanted in &taken[block[0] as usize].blocks {
                block[0] = *wanted;
                into.push(TaskRef { layer: picked, index: picked_grid.flat(&block) });
            }
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
    }

    /// Elements at points of an array in memory, written as a whole: the layer, its number of tasks, and what they fill.
    pub(super) fn lower_points_into(
        &self,
        expr: &Arc<Expr>,
        chunk: &Chunk,
        axes: &[usize],
        positions: &Arc<[Vec<i64>]>,
        builder: &mut Builder,
    ) -> Result<(LayerId, u32, Arc<Target>), TaskError> {
        let (points, rest) = (expr.grid().axis(0).len(), &expr.grid().axes()[1..]);
        let together = (TAKEN_TOGETHER / rest.iter().map(Axis::max_size).product::<u64>().max(1)).max(1);
        let pieces = (0..points.div_ceil(together)).map(|at| together.min(points - at * together));
        let grid = Grid::new(std::iter::once(Axis::new(pieces.collect::<Vec<_>>())).chain(rest.iter().cloned()))?;
        let target = Arc::new(target_for(&grid, chunk.dtype()));
        let about = About::new(expr, "-store").with_grid(grid.clone());
        let layer = points_of_memory(about, chunk, axes, positions, Some(Arc::clone(&target)), builder);
        Ok((layer, grid.blocks(), target))
    }

    /// A program that gives the expressions' elements, over a grid of its own where `grid` says so.
    pub(super) fn feed(&self, about: About, grid: Grid, values: &[&Arc<Expr>], root: bool) -> Result<Feed, TaskError> {
        let mut fusion = Fusion::new(self);
        let mut fed = SmallVec::new();
        let mut outputs = 0;
        for value in values {
            let register = if root { fusion.root(value)? } else { fusion.input(value)? };
            fed.push(match fusion.builder.operand_of(register) {
                Some(operand) => Fed::Operand(operand),
                None => {
                    fusion.builder.output(register).map_err(ArrayError::from)?;
                    outputs += 1;
                    Fed::Output(outputs - 1)
                }
            });
        }
        let (program, operands) = (fusion.builder.finish(), fusion.operands);
        Ok(Feed { fused: FusedOp { about, grid, program, operands, outcome: Outcome::Block }, values: fed })
    }

    pub(super) fn lower_filter(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        mask: &Arc<Expr>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let dtype = expr.dtype().ok_or_else(|| TaskError::internal("a native filter of foreign blocks"))?;
        let feed = Arc::new(self.feed(About::new(expr, ""), input.grid().clone(), &[input, mask], false)?);
        let op = FilterOp { about: About::new(expr, ""), feed: Arc::clone(&feed), dtype };
        let tasks = input.grid().blocks();
        let layer = builder.push(OpLayer::new(Arc::new(op), tasks, move |index, into| feed.list_inputs(index, into)));
        Ok(Arc::new(Blocks::Layer(layer)))
    }

    /// A filter of what can be computed anywhere, as a whole: first it is counted how much each block gives, then all is
    /// written to where it belongs.
    pub(super) fn lower_filter_into(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        mask: &Arc<Expr>,
        builder: &mut Builder,
    ) -> Result<(LayerId, u32, Arc<OnceLock<Target>>), TaskError> {
        let dtype = expr.dtype().ok_or_else(|| TaskError::internal("a native filter of foreign blocks"))?;
        let (grid, tasks) = (input.grid().clone(), input.grid().blocks());
        let room = Arc::new(OnceLock::new());
        let feed = Arc::new(self.feed(About::new(expr, "-count"), grid.clone(), &[mask], false)?);
        let op = CountChosenOp { about: About::new(expr, "-count"), feed: Arc::clone(&feed) };
        let counts = builder.push(OpLayer::new(Arc::new(op), tasks, move |index, into| feed.list_inputs(index, into)));
        let op = MakeRoomOp { about: About::new(expr, "-room"), dtype, room: Arc::clone(&room) };
        let made = builder.push(OpLayer::new(Arc::new(op), 1, move |_, into| {
            into.extend((0..tasks).map(|index| TaskRef { layer: counts, index }));
        }));
        let feed = Arc::new(self.feed(About::new(expr, "-store"), grid, &[input, mask], false)?);
        let about = About::new(expr, "-store");
        let op = FilterStoreOp { about, feed: Arc::clone(&feed), room: Arc::clone(&room) };
        let layer = builder.push(OpLayer::new(Arc::new(op), tasks, move |index, into| {
            feed.list_inputs(index, into);
            into.push(TaskRef { layer: made, index: 0 });
        }));
        Ok((layer, tasks, room))
    }

    pub(super) fn lower_compress(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        mask: &Arc<Expr>,
        axis: usize,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let (source, chosen) = (self.whole_argument(input, builder)?, self.whole_argument(mask, builder)?);
        let (grid, from, mask) = (expr.grid().clone(), input.grid().clone(), mask.grid().clone());
        let op = CompressOp { about: About::new(expr, ""), axis };
        let layer = builder.push(OpLayer::new(Arc::new(op), grid.blocks(), move |index, into| {
            let block = grid.unflat(index);
            into.push(source.task(&from, &block));
            into.push(chosen.task(&mask, &[block[axis]]));
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
    }

    pub(super) fn lower_count(
        &self,
        expr: &Arc<Expr>,
        inputs: &[Arc<Expr>],
        weighted: bool,
        how: &Arc<Counting>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let dtype = expr.dtype().ok_or_else(|| TaskError::internal("native counts of a foreign type"))?;
        let first = inputs.first().ok_or_else(|| TaskError::internal("nothing to count"))?;
        let axes: Vec<usize> = (0..first.ndim()).collect();
        let (bins, shape) = match &**how {
            Counting::Numbers { least } => (*least as u64, None),
            Counting::Bins(axes) => {
                let shape: Vec<usize> = axes.iter().map(raskr_kernels::blocks::Bins::len).collect();
                (shape.iter().map(|n| *n as u64).product(), Some(shape))
            }
        };
        let least = COUNTED_MIN.max(bins.saturating_mul(COUNTED_PER_BIN));
        let grid = if inputs.iter().all(|input| self.decision.is_free(input)) {
            sized_grid(first.grid(), &axes, least, COUNTED_MAX.max(2 * least))?
        } else {
            first.grid().clone()
        };
        let values: Vec<&Arc<Expr>> = inputs.iter().collect();
        let feed = self.feed(About::new(expr, "-partial"), grid.clone(), &values, false)?;
        let about = About::new(expr, "-partial").with_grid(Grid::new(expr.grid().axes().iter().cloned())?);
        let op = Arc::new(CountOp { about, feed, how: Arc::clone(how), weighted });
        let listed = Arc::clone(&op);
        let tasks = grid.blocks();
        let partial = builder.push(OpLayer::new(op, tasks, move |index, into| listed.feed.list_inputs(index, into)));
        let make = |end: bool| -> Arc<dyn Op> {
            let about = About::new(expr, if end { "" } else { "-combine" });
            Arc::new(AddCountsOp { about, end: end.then(|| (shape.clone(), dtype)) })
        };
        Ok(tree(partial, Split::new(&grid, &axes)?, FAN_IN, &make, builder))
    }
}
