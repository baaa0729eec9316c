//! Lowering of a sort whose result is wanted as a whole: everything is dealt out to the parts of the result and sorted there.

use std::sync::{Arc, OnceLock};

use raskr_base::TaskError;
use raskr_graph::{Builder, LayerId, TaskRef};
use raskr_kernels::blocks::Target;
use raskr_kernels::blocks::sort_parts::PARTS_MAX;

use super::Lowering;
use super::layer::OpLayer;
use crate::expr::{Expr, Kind};
use crate::grid::{Axis, Grid};
use crate::ops::About;
use crate::ops::parts::{DealOp, PartCountOp, PartRoomOp, PartSampleOp, PartSortOp, Parts, PartsDealtOp, SeparatorsOp};

/// Parts of a result at least, so that there is enough to do at a time.
const PARTS_MIN: usize = 16;
/// Elements that are sampled of the whole.
const SAMPLED: usize = 1 << 14;
/// Of an input that can be computed anywhere: how many of its places are sampled, and how many elements are computed at each.
const SAMPLED_PLACES: u64 = 64;
const SAMPLED_AT_ONCE: u64 = 1 << 12;

/// What is sorted, of an expression that is a sort of values; however its blocks are cut.
pub(super) fn sorted_input(expr: &Expr) -> Option<&Arc<Expr>> {
    match expr.kind() {
        Kind::SampleSort { input, positions: false } => Some(input),
        Kind::Rechunk { input } => sorted_input(input),
        _ => None,
    }
}

impl Lowering {
    /// The layer that sorts the parts, its number of tasks, and the array that they sort.
    pub(super) fn lower_sort_into(
        &self,
        expr: &Arc<Expr>,
        input: &Arc<Expr>,
        builder: &mut Builder,
    ) -> Result<(LayerId, u32, Arc<OnceLock<Target>>), TaskError> {
        let dtype = expr.dtype().ok_or_else(|| TaskError::internal("a native sort of foreign blocks"))?;
        let (grid, blocks) = (input.grid().clone(), input.grid().blocks());
        let count = (blocks as usize).clamp(PARTS_MIN, PARTS_MAX);
        let sorted = Arc::new(OnceLock::new());
        let parts = Arc::new(Parts { count, dtype, dealt: OnceLock::new(), sorted: Arc::clone(&sorted) });
        let about = |suffix: &str, itemsize: usize, sizes: Vec<u64>| -> Result<About, TaskError> {
            let mut about = About::new(expr, suffix).with_grid(Grid::new([Axis::new(sizes)])?);
            about.itemsize = itemsize;
            Ok(about)
        };

        let (sampled, every) = if self.decision.is_free(input) {
            let places = grid.axis(0).len().div_ceil(SAMPLED_AT_ONCE);
            let len = grid.axis(0).len();
            let sizes = (0..places).map(|place| SAMPLED_AT_ONCE.min(len - place * SAMPLED_AT_ONCE));
            (Grid::new([Axis::new(sizes.collect::<Vec<_>>())])?, places.div_ceil(SAMPLED_PLACES) as u32)
        } else {
            (grid.clone(), 1)
        };
        let tasks = sampled.blocks().div_ceil(every);
        let taken = SAMPLED.div_ceil(tasks as usize);
        let feed = self.feed(About::new(expr, "-sample"), sampled.clone(), &[input], false)?;
        let sizes = (0..tasks).map(|task| sampled.axis(0).sizes()[(task * every) as usize].min(taken as u64)).collect();
        let op = Arc::new(PartSampleOp { about: about("-sample", dtype.itemsize(), sizes)?, feed, every, taken });
        let listed = Arc::clone(&op);
        let samples = builder.push(OpLayer::new(op, tasks, move |index, into| {
            listed.feed.list_inputs(index * every, into);
        }));
        let separators = about("-separators", dtype.itemsize(), vec![count as u64 - 1])?;
        let op = SeparatorsOp { about: separators, parts: Arc::clone(&parts) };
        let separators = builder.push(OpLayer::new(Arc::new(op), 1, move |_, into| {
            into.extend((0..tasks).map(|index| TaskRef { layer: samples, index }));
        }));

        let feed = Arc::new(self.feed(About::new(expr, "-count"), grid, &[input], false)?);
        let counted = about("-count", 8, vec![count as u64; blocks as usize])?;
        let op = PartCountOp { about: counted, feed: Arc::clone(&feed), parts: Arc::clone(&parts) };
        let listed = Arc::clone(&feed);
        let counts = builder.push(OpLayer::new(Arc::new(op), blocks, move |index, into| {
            listed.list_inputs(index, into);
            into.push(TaskRef { layer: separators, index: 0 });
        }));
        let op = PartRoomOp { about: about("-room", 0, vec![0])?, parts: Arc::clone(&parts) };
        let room = builder.push(OpLayer::new(Arc::new(op), 1, move |_, into| {
            into.extend((0..blocks).map(|index| TaskRef { layer: counts, index }));
        }));
        let about_deal = about("-deal", 0, vec![0; blocks as usize])?;
        let op = DealOp { about: about_deal, feed: Arc::clone(&feed), parts: Arc::clone(&parts), blocks };
        let dealt = builder.push(OpLayer::new(Arc::new(op), blocks, move |index, into| {
            feed.list_inputs(index, into);
            into.extend([TaskRef { layer: separators, index: 0 }, TaskRef { layer: room, index: 0 }]);
        }));
        let op = PartsDealtOp { about: about("-dealt", 0, vec![0])?, parts: Arc::clone(&parts), blocks };
        let all = builder.push(OpLayer::new(Arc::new(op), 1, move |_, into| {
            into.extend((0..blocks).map(|index| TaskRef { layer: dealt, index }));
        }));
        let op = PartSortOp { about: about("", 0, vec![0; count])?, parts };
        let layer = builder.push(OpLayer::new(Arc::new(op), count as u32, move |_, into| {
            into.push(TaskRef { layer: all, index: 0 });
        }));
        Ok((layer, count as u32, sorted))
    }
}
