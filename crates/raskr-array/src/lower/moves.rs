//! Lowering of rechunking, regions and reshaping.

use std::sync::Arc;

use raskr_base::{OpKind, TaskError};
use raskr_graph::Builder;

use super::Lowering;
use super::blocks::Blocks;
use super::layer::OpLayer;
use crate::error::ArrayError;
use crate::expr::Expr;
use crate::grid::{Axis, BlockIndex, Grid};
use crate::ops::About;
use crate::ops::arrange::{AssembleOp, Piece, Pieces, ReshapeOp, for_each_combination};

/// The pieces of an axis' blocks that cover a range.
fn cover(axis: &Axis, start: u64, stop: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if axis.blocks() == 0 {
        return pieces;
    }
    if start == stop {
        let block = axis.block_of(start.min(axis.len().saturating_sub(1)));
        return vec![Piece { block: block as u32, offset: 0, len: 0, target: 0 }];
    }
    let mut at = start;
    let mut block = axis.block_of(start);
    while at < stop {
        let end = (axis.start(block) + axis.sizes()[block]).min(stop);
        if end > at {
            pieces.push(Piece {
                block: block as u32,
                offset: at - axis.start(block),
                len: end - at,
                target: at - start,
            });
            at = end;
        }
        block += 1;
    }
    pieces
}

/// Arrays up to this size are rechunked in one step, each new block from all the old ones that it overlaps.
const ONE_STEP_BYTES: f64 = (1u64 << 30) as f64;
/// How many times a block's size the blocks that it is made of may take in memory, in one step.
const STEP_FACTOR: f64 = 4.0;

/// The grids between two, so that no block of any is made of much more than its own size: rows to columns, say, by way of
/// squares. A block's lengths change by about the same factor at each step.
fn stages(from: &Grid, to: &Grid, itemsize: usize) -> Result<Vec<Grid>, ArrayError> {
    let bytes = from.elements().map_or(0.0, |n| n as f64 * itemsize as f64);
    if bytes <= ONE_STEP_BYTES || !to.is_known() {
        return Ok(Vec::new());
    }
    let sizes = |grid: &Grid| -> Vec<f64> { grid.axes().iter().map(|axis| axis.max_size().max(1) as f64).collect() };
    let (old, new) = (sizes(from), sizes(to));
    let gathered: f64 = old.iter().zip(&new).map(|(a, b)| a * (b / a).max(1.0)).product();
    let block: f64 = old.iter().product::<f64>().max(new.iter().product());
    let steps = ((gathered / block).ln() / STEP_FACTOR.ln()).ceil().max(1.0) as i32;
    (1..steps)
        .map(|step| {
            let axes = from.axes().iter().zip(to.axes()).zip(old.iter().zip(&new)).map(|((from, to), (a, b))| {
                // Old blocks joined where blocks grow, new ones where they shrink: cuts stay those of the one or the
                // other, so that no block straddles more of the last step's than it has to.
                let base = (a / b).max(b / a).powf(1.0 / f64::from(steps)).round().max(1.0) as usize;
                if b > a { joined(from, base.pow(step as u32)) } else { joined(to, base.pow((steps - step) as u32)) }
            });
            Grid::new(axes)
        })
        .collect()
}

/// The axis with every `many` blocks made one.
fn joined(axis: &Axis, many: usize) -> Axis {
    Axis::new(axis.sizes().chunks(many.max(1)).map(|sizes| sizes.iter().sum::<u64>()).collect::<Vec<_>>())
}

/// What each block along each axis is made of.
fn rechunk_pieces(from: &Grid, to: &Grid) -> Vec<Pieces> {
    from.axes()
        .iter()
        .zip(to.axes())
        .map(|(from, to)| -> Pieces {
            if from == to {
                // Block by block, whatever the sizes (which may be unknown).
                let same = |(block, size): (usize, &u64)| {
                    vec![Piece { block: block as u32, offset: 0, len: *size, target: 0 }]
                };
                return to.sizes().iter().enumerate().map(same).collect();
            }
            (0..to.blocks()).map(|block| cover(from, to.start(block), to.start(block) + to.sizes()[block])).collect()
        })
        .collect()
}

/// A layer of blocks put together from pieces of others.
fn assembly(
    expr: &Arc<Expr>,
    about: About,
    from: &Grid,
    source: Arc<Blocks>,
    pieces: Vec<Pieces>,
    builder: &mut Builder,
) -> Arc<Blocks> {
    let (from, to) = (from.clone(), about.grid.clone());
    let op = Arc::new(AssembleOp { about, pieces, kind: kind_of(expr) });
    let listed = Arc::clone(&op);
    let layer = builder.push(OpLayer::new(op, to.blocks(), move |index, into| {
        let block = to.unflat(index);
        for_each_combination(&listed.pieces_of(&block), |pieces| {
            let wanted: BlockIndex = pieces.iter().map(|piece| piece.block).collect();
            into.push(source.task(&from, &wanted));
        });
    }));
    Arc::new(Blocks::Layer(layer))
}

pub(super) fn kind_of(expr: &Expr) -> OpKind {
    if expr.is_native() { OpKind::Native } else { OpKind::Interpreted }
}

impl Lowering {
    pub(super) fn lower_rechunk(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let mut source = self.whole_argument(input, builder)?;
        let mut from = input.grid().clone();
        for to in stages(&from, expr.grid(), expr.element().itemsize())? {
            let about = About::new(expr, "-stage").with_grid(to.clone());
            source = assembly(expr, about, &from, source, rechunk_pieces(&from, &to), builder);
            from = to;
        }
        let pieces = rechunk_pieces(&from, expr.grid());
        Ok(assembly(expr, About::new(expr, ""), &from, source, pieces, builder))
    }

    pub(super) fn lower_regions(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        ranges: &Arc<[Vec<(u64, u64)>]>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let pieces = input
            .grid()
            .axes()
            .iter()
            .zip(ranges.iter())
            .map(|(axis, wanted)| -> Pieces { wanted.iter().map(|(start, stop)| cover(axis, *start, *stop)).collect() })
            .collect();
        let source = self.whole_argument(input, builder)?;
        Ok(assembly(expr, About::new(expr, ""), input.grid(), source, pieces, builder))
    }

    pub(super) fn lower_reshape(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let source = self.whole_argument(input, builder)?;
        let op = Arc::new(ReshapeOp { about: About::new(expr, ""), kind: kind_of(expr) });
        let from = input.grid().clone();
        let layer = builder.push(OpLayer::new(op, expr.grid().blocks(), move |index, into| {
            into.push(source.task(&from, &from.unflat(index)));
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(shape: [u64; 2], block: [u64; 2]) -> Grid {
        Grid::new(shape.iter().zip(block).map(|(n, size)| Axis::regular(*n, size))).expect("few blocks")
    }

    #[test]
    fn large_arrays_go_from_rows_to_columns_by_way_of_blocks_between() {
        let n = 1 << 14;
        let (rows, columns) = (grid([n, n], [n / 64, n]), grid([n, n], [n, n / 64]));
        let between = stages(&rows, &columns, 8).expect("few blocks");
        assert_eq!(between.len(), 2);
        let mut last = rows;
        for next in between.into_iter().chain([columns]) {
            for axis in 0..2 {
                let widest = rechunk_pieces(&last, &next)[axis].iter().map(Vec::len).max();
                assert!(widest <= Some(5), "{last:?} to {next:?}");
            }
            last = next;
        }
    }

    #[test]
    fn small_arrays_and_plain_merges_take_one_step() {
        assert!(stages(&grid([4000, 4000], [40, 4000]), &grid([4000, 4000], [4000, 40]), 8).expect("few").is_empty());
        let n = 1 << 14;
        assert!(stages(&grid([n, n], [64, n]), &grid([n, n], [1024, n]), 8).expect("few").is_empty());
    }
}
