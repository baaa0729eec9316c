//! What must hold of an expression for lowering and running it to stay within its arrays: what constructors ensure, asked
//! again of expressions that come from bytes.

use std::sync::Arc;

use raskr_kernels::blocks::Counting;
use raskr_kernels::program::{Source, has_cast, has_op};
use smallvec::SmallVec;

use crate::expr::{BlockArgument, Contraction, ElementType, Expr, Kind};
use crate::grid::{Axis, Grid};
use crate::index::Coordinate;

/// Axes that a reduction's mask has room for.
const AXES_MAX: usize = 32;

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("expected {what}")) }
}

fn same_blocks(one: &Grid, other: &Grid) -> bool {
    one.ndim() == other.ndim() && one.axes().iter().zip(other.axes()).all(|(a, b)| a.blocks() == b.blocks())
}

fn inside(at: i64, axis: &Axis) -> bool {
    at >= 0 && (!axis.is_known() || (at as u64) < axis.len())
}

/// Does the expression that these make fit its inputs?
pub fn check(kind: &Kind, grid: &Grid, element: &ElementType, native: bool) -> Result<(), String> {
    let dtype = if native { element.native() } else { None };
    expect(grid.ndim() <= AXES_MAX, "at most 32 axes")?;
    match kind {
        Kind::Source { source, strides, .. } => {
            expect(dtype.is_some() && dtype == Some(source.dtype()), "the element type of its source")?;
            expect(strides.len() == grid.ndim(), "a stride for each axis")?;
            match source {
                Source::Diagonal { columns, .. } => expect(*columns > 0, "columns of a diagonal"),
                Source::Random(random) => random.validate().map_err(|error| error.to_string()),
                Source::Constant { .. } | Source::Iota { .. } => Ok(()),
            }
        }
        Kind::Memory { chunk } => {
            let shape = grid.shape();
            let same = chunk.ndim() == shape.len() && chunk.shape().iter().zip(&shape).all(|(a, b)| *a as u64 == *b);
            expect(same && dtype == Some(chunk.dtype()), "memory of its shape and element type")
        }
        Kind::Stored { blocks } => expect(blocks.len() == grid.blocks() as usize, "as many blocks as its chunks say"),
        Kind::Calls { calls } => expect(calls.len() == grid.blocks() as usize, "as many calls as its chunks say"),
        Kind::Read { .. } => expect(native && grid.is_known(), "known chunks of a native element type"),
        Kind::Elementwise { code, inputs } => {
            let types: Option<SmallVec<[_; 3]>> = inputs.iter().map(|input| input.dtype()).collect();
            let out = types.and_then(|types| has_op(*code, &types));
            expect(out.is_some() && out == dtype, "inputs of types that the operation takes")?;
            expect(inputs.iter().all(|input| same_blocks(input.grid(), grid)), "inputs of its own blocks")
        }
        Kind::Cast { input } => {
            let casts = matches!((input.dtype(), dtype), (Some(from), Some(to)) if has_cast(from, to));
            expect(casts && same_blocks(input.grid(), grid), "native elements of the same blocks")
        }
        Kind::View { input, map } => view(input, map, grid),
        Kind::Rechunk { input } => {
            expect(input.ndim() == grid.ndim(), "as many axes as its input has")?;
            let fits = |(from, to): (&Axis, &Axis)| {
                from.sizes() == to.sizes() || (from.is_known() && to.is_known() && from.len() == to.len())
            };
            expect(input.grid().axes().iter().zip(grid.axes()).all(fits), "the lengths of its input")
        }
        Kind::Regions { input, ranges } => {
            expect(input.ndim() == grid.ndim() && ranges.len() == grid.ndim(), "ranges for each axis of its input")?;
            for ((from, to), ranges) in input.grid().axes().iter().zip(grid.axes()).zip(ranges.iter()) {
                let within = ranges.iter().all(|(start, stop)| start <= stop && *stop <= from.len());
                expect(from.is_known() && within && ranges.len() == to.blocks(), "ranges within known axes")?;
            }
            Ok(())
        }
        Kind::Take { input, axis, index } => {
            expect(*axis < grid.ndim() && same_blocks_but(input.grid(), grid, *axis), "the blocks of its input")?;
            let from = input.grid().axis(*axis);
            let within = from.is_known() && index.iter().all(|at| inside(*at, from));
            expect(within && grid.axis(*axis).len() == index.len() as u64, "places within its input")
        }
        Kind::Points { input, axes, positions } => points(input, axes, positions, grid),
        Kind::Filter { input, mask } => {
            expect(native && input.is_native() && mask.is_native(), "native elements and mask")?;
            expect(input.grid() == mask.grid(), "a mask of the same blocks")?;
            expect(grid.ndim() == 1 && grid.blocks() == input.grid().blocks(), "a block for each of its input's")
        }
        Kind::Compress { input, mask, axis } => {
            expect(*axis < grid.ndim() && same_blocks(input.grid(), grid), "the blocks of its input")?;
            let along = mask.ndim() == 1 && mask.grid().axis(0).blocks() == grid.axis(*axis).blocks();
            expect(along && mask.is_native() && input.is_native(), "a mask of the axis")
        }
        Kind::Count { inputs, weighted, how } => {
            let samples = if let Counting::Bins(axes) = &**how { axes.len() } else { 1 };
            expect(inputs.len() == samples + usize::from(*weighted) && samples > 0, "an array for each axis of bins")?;
            let alike = inputs.iter().all(|input| input.is_native() && input.grid() == inputs[0].grid());
            expect(native && alike, "native samples of the same blocks")?;
            let bins = if let Counting::Bins(axes) = &**how { axes.len() } else { 1 };
            expect(grid.ndim() == bins && grid.blocks() == 1, "one block of counts")
        }
        Kind::SelectBlocks { input, index } => {
            expect(input.ndim() == grid.ndim() && index.len() == grid.ndim(), "numbers of blocks for each axis")?;
            for ((from, to), index) in input.grid().axes().iter().zip(grid.axes()).zip(index.iter()) {
                let within = index.iter().all(|block| (*block as usize) < from.blocks());
                expect(within && index.len() == to.blocks(), "blocks of its input")?;
            }
            Ok(())
        }
        Kind::ReshapeBlocks { input } => {
            expect(input.grid().blocks() == grid.blocks(), "a block for each of its input's")
        }
        Kind::Relabel { input } | Kind::Write { input, .. } => same(input, grid),
        Kind::Concatenate { inputs, axis } => {
            expect(*axis < grid.ndim() && !inputs.is_empty(), "arrays to put together along an axis")?;
            let alike = inputs.iter().all(|input| same_blocks_but(input.grid(), grid, *axis));
            let blocks: usize =
                inputs.iter().filter_map(|input| input.grid().axes().get(*axis)).map(Axis::blocks).sum();
            expect(alike && blocks == grid.axis(*axis).blocks(), "blocks of all its inputs")
        }
        Kind::Reduce { input, axes, kind, .. } => {
            let types = input.dtype().and_then(|dtype| kind.partial_dtypes(dtype));
            expect(native && types.is_some(), "elements that the reduction takes")?;
            reduced(input, axes, grid)
        }
        Kind::ArgReduce { input, axis, .. } => {
            expect(native && input.is_native(), "native elements")?;
            let axes: SmallVec<[usize; 4]> = match axis {
                Some(axis) => [*axis].into_iter().collect(),
                None => (0..input.ndim()).collect(),
            };
            reduced(input, &axes, grid)
        }
        Kind::Scan { input, axis, .. } => {
            expect(native && input.is_native() && *axis < grid.ndim(), "native elements along an axis")?;
            same(input, grid)
        }
        Kind::SampleSort { input, .. } => {
            let line = input.ndim() == 1 && grid.ndim() == 1 && input.grid().is_known() && grid.is_known();
            expect(native && input.is_native() && line, "native elements of one known axis")?;
            expect(input.grid().axis(0).len() == grid.axis(0).len(), "as many elements as its input has")
        }
        Kind::Contract { a, b, how } => contracted(a, b, how, grid, native),
        Kind::RandomWith { distribution, parameters, .. } => {
            expect(parameters.len() == distribution.parameters().len(), "an array for each parameter")?;
            let fit = parameters.iter().all(|one| one.is_native() && same_blocks(one.grid(), grid));
            expect(native && fit, "parameters of its own blocks")
        }
        Kind::Blockwise { out_indices, arguments, .. } => {
            expect(out_indices.len() == grid.ndim(), "an index for each axis")?;
            arguments.iter().try_for_each(|argument| blockwise(argument, out_indices, arguments, grid))
        }
        Kind::Choice { alone, instead, .. } => {
            same(alone, grid)?;
            same(instead, grid)
        }
        Kind::Group { input, group, .. } => {
            let within = |axis: usize| axis < input.ndim() && axis < grid.ndim();
            expect(
                group.iter().all(|(axis, many)| within(*axis) && *many > 0),
                "groups of blocks along its input's axes",
            )
        }
        Kind::ScanWith { input, axis, .. } => {
            expect(*axis < grid.ndim(), "an axis that it has")?;
            same(input, grid)
        }
    }
}

fn same(input: &Expr, grid: &Grid) -> Result<(), String> {
    expect(same_blocks(input.grid(), grid), "the blocks of its input")
}

fn same_blocks_but(one: &Grid, other: &Grid, axis: usize) -> bool {
    one.ndim() == other.ndim()
        && (0..one.ndim()).all(|at| at == axis || one.axis(at).blocks() == other.axis(at).blocks())
}

/// Every element of a view is one of its input's.
fn view(input: &Expr, map: &[Coordinate], grid: &Grid) -> Result<(), String> {
    expect(map.len() == input.ndim(), "a coordinate for each axis of its input")?;
    for (coordinate, from) in map.iter().zip(input.grid().axes()) {
        match *coordinate {
            Coordinate::Fixed(at) => expect(inside(at, from) || grid.shape().contains(&0), "places within its input")?,
            Coordinate::Along { axis, start, step } => {
                let along = grid.axes().get(axis).ok_or("expected axes that it has")?;
                if !along.is_known() || !from.is_known() {
                    // Block k of the one is block k of the other then.
                    expect(along.blocks() <= from.blocks().max(1), "a block for each of its input's")?;
                    continue;
                }
                if along.is_empty() {
                    continue;
                }
                let last = (along.len() as i64 - 1).checked_mul(step).and_then(|span| span.checked_add(start));
                let within = inside(start, from) && last.is_some_and(|last| inside(last, from));
                expect(within || from.len() == 1, "places within its input")?;
            }
        }
    }
    Ok(())
}

fn points(input: &Expr, axes: &[usize], positions: &[Vec<i64>], grid: &Grid) -> Result<(), String> {
    let ascending = !axes.is_empty() && axes.windows(2).all(|pair| pair[0] < pair[1]);
    expect(ascending && axes.len() == positions.len() && input.is_native(), "positions on axes in ascending order")?;
    for (axis, list) in axes.iter().zip(positions) {
        let from = input.grid().axes().get(*axis).ok_or("expected axes that its input has")?;
        let within = from.is_known() && list.iter().all(|at| inside(*at, from));
        expect(within && Some(list.len() as u64) == grid.axes().first().map(Axis::len), "positions within its input")?;
    }
    let rest = input.grid().axes().iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, axis)| axis);
    let kept: Vec<usize> = rest.map(Axis::blocks).collect();
    let own: Vec<usize> = grid.axes().iter().skip(1).map(Axis::blocks).collect();
    expect(kept == own, "the blocks of the axes that are left")
}

/// Reduced axes are dropped or have length one.
fn reduced(input: &Expr, axes: &[usize], grid: &Grid) -> Result<(), String> {
    let ascending = axes.windows(2).all(|pair| pair[0] < pair[1]);
    expect(ascending && axes.iter().all(|axis| *axis < input.ndim()), "axes of its input in ascending order")?;
    let keeps = grid.ndim() == input.ndim();
    expect(keeps || grid.ndim() + axes.len() == input.ndim(), "the axes that are left")?;
    let wanted: Vec<usize> = input
        .grid()
        .axes()
        .iter()
        .enumerate()
        .filter(|(number, _)| keeps || !axes.contains(number))
        .map(|(number, axis)| if axes.contains(&number) { 1 } else { axis.blocks() })
        .collect();
    let own: Vec<usize> = grid.axes().iter().map(Axis::blocks).collect();
    expect(wanted == own, "the blocks of the axes that are left")
}

fn contracted(a: &Arc<Expr>, b: &Arc<Expr>, how: &Contraction, grid: &Grid, native: bool) -> Result<(), String> {
    expect(native && a.dtype().is_some() && a.dtype() == b.dtype(), "native elements of one type")?;
    expect(how.axes_a.len() == how.axes_b.len(), "pairs of axes")?;
    for (one, other) in how.axes_a.iter().zip(&how.axes_b) {
        let (one, other) = (a.grid().axes().get(*one), b.grid().axes().get(*other));
        let pair = one.zip(other).is_some_and(|(one, other)| one.blocks() == other.blocks());
        expect(pair, "pairs of axes of the same blocks")?;
    }
    let kept = |expr: &Expr, axes: &[usize]| -> Vec<usize> {
        let all = expr.grid().axes().iter().enumerate();
        all.filter(|(number, _)| !axes.contains(number)).map(|(_, axis)| axis.blocks()).collect()
    };
    let wanted: Vec<usize> = kept(a, &how.axes_a).into_iter().chain(kept(b, &how.axes_b)).collect();
    expect(wanted == grid.axes().iter().map(Axis::blocks).collect::<Vec<_>>(), "the axes that are left")
}

/// Each index has as many blocks everywhere, or one.
fn blockwise(argument: &BlockArgument, out: &[i64], all: &[BlockArgument], grid: &Grid) -> Result<(), String> {
    expect(argument.indices.len() == argument.array.ndim(), "an index for each axis of its arguments")?;
    for (index, axis) in argument.indices.iter().zip(argument.array.grid().axes()) {
        let blocks = match out.iter().position(|known| known == index) {
            Some(place) => grid.axis(place).blocks(),
            None => all
                .iter()
                .flat_map(|other| other.indices.iter().zip(other.array.grid().axes()))
                .filter(|(other, _)| *other == index)
                .map(|(_, axis)| axis.blocks())
                .max()
                .unwrap_or(1),
        };
        expect(axis.blocks() == blocks || axis.blocks() == 1, "the same blocks along an index")?;
    }
    Ok(())
}
