//! Lowering of rechunking, regions, gathering and reshaping.

use std::sync::Arc;

use raskr_base::{OpKind, TaskError};
use raskr_graph::Builder;

use super::Lowering;
use super::blocks::Blocks;
use super::layer::OpLayer;
use crate::expr::Expr;
use crate::grid::{Axis, BlockIndex};
use crate::ops::About;
use crate::ops::arrange::{AssembleOp, Piece, Pieces, ReshapeOp, TakeOp, Taken, for_each_combination};

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

fn kind_of(expr: &Expr) -> OpKind {
    if expr.is_native() { OpKind::Native } else { OpKind::Interpreted }
}

impl Lowering {
    pub(super) fn lower_rechunk(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let pieces = input
            .grid()
            .axes()
            .iter()
            .zip(expr.grid().axes())
            .map(|(from, to)| -> Pieces {
                if from.sizes() == to.sizes() {
                    // Block by block, whatever the sizes (which may be unknown).
                    let same = |(block, size): (usize, &u64)| {
                        vec![Piece { block: block as u32, offset: 0, len: *size, target: 0 }]
                    };
                    return to.sizes().iter().enumerate().map(same).collect();
                }
                (0..to.blocks())
                    .map(|block| cover(from, to.start(block), to.start(block) + to.sizes()[block]))
                    .collect()
            })
            .collect();
        self.lower_assembly(expr, input, pieces, builder)
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
        self.lower_assembly(expr, input, pieces, builder)
    }

    fn lower_assembly(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        pieces: Vec<Pieces>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let source = self.whole_argument(input, builder)?;
        let op = Arc::new(AssembleOp { about: About::new(expr, ""), pieces, kind: kind_of(expr) });
        let (from, to, listed) = (input.grid().clone(), expr.grid().clone(), Arc::clone(&op));
        let layer = builder.push(OpLayer::new(op, to.blocks(), move |index, into| {
            let block = to.unflat(index);
            for_each_combination(&listed.pieces_of(&block), |pieces| {
                let wanted: BlockIndex = pieces.iter().map(|piece| piece.block).collect();
                into.push(source.task(&from, &wanted));
            });
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
    }

    pub(super) fn lower_take(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        axis: usize,
        index: &Arc<[i64]>,
        builder: &mut Builder,
    ) -> Result<Arc<Blocks>, TaskError> {
        let source = self.whole_argument(input, builder)?;
        let from = input.grid().axis(axis);
        let to = expr.grid().axis(axis);
        let mut slot = vec![u32::MAX; from.blocks()];
        let taken: Arc<[Taken]> = (0..to.blocks())
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
            .collect();
        let (grid, input_grid, listed) = (expr.grid().clone(), input.grid().clone(), Arc::clone(&taken));
        let op = Arc::new(TakeOp { about: About::new(expr, ""), axis, taken, kind: kind_of(expr) });
        let layer = builder.push(OpLayer::new(op, grid.blocks(), move |index, into| {
            let mut block = grid.unflat(index);
            for wanted in &listed[block[axis] as usize].blocks {
                block[axis] = *wanted;
                into.push(source.task(&input_grid, &block));
            }
        }));
        Ok(Arc::new(Blocks::Layer(layer)))
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
