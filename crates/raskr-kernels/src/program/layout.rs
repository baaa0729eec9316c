//! Decides how a region is walked: which axis is innermost, which axes are walked as one, and how large tiles are.
//!
//! Knows strides only. The walk depends on the region and on how operands lie in memory, never on threads.

use smallvec::SmallVec;

/// The most elements of a tile.
pub(super) const TILE: usize = 1024;
/// Side of a square tile, for operands that lie across each other.
const SQUARE: usize = 32;
/// Rows at least this long make tiles of their own; shorter ones are gathered into one tile.
const LONG_ROW: usize = 192;
/// Rows that are walked before the next run of columns, so that broadcast rows and column accumulators stay cached.
const ROW_BLOCK: usize = 16;

pub(super) type Steps = SmallVec<[isize; 4]>;

/// How one participant of a run (an operand, the outputs) moves along the region's axes.
#[derive(Clone, Debug)]
pub(super) struct Movement {
    pub strides: Steps,
    /// Is it faster to walk along the axis of stride 1? Not for sources that cost the same everywhere.
    pub cares: bool,
}

/// How an accumulator's cells lie along the walked dimensions.
#[derive(Clone, Debug)]
pub(super) struct CellWalk {
    /// Is the dimension reduced?
    pub reduced: SmallVec<[bool; 4]>,
    /// Cells to step along each dimension; 0 when reduced.
    pub strides: SmallVec<[usize; 4]>,
    /// By how much a cell's count of earlier elements grows along each dimension; 0 when kept.
    pub ordinals: SmallVec<[u64; 4]>,
    /// How many cells there are.
    pub count: usize,
    /// Cells to step along each of the region's axes; 0 when reduced.
    pub axis_strides: SmallVec<[isize; 4]>,
}

/// A walk over a region in tiles of `tile_rows` by `tile_columns` of the last two dimensions.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// At least two.
    pub dims: SmallVec<[usize; 4]>,
    /// Each participant's strides along the dimensions.
    pub strides: SmallVec<[Steps; 4]>,
    pub cells: SmallVec<[CellWalk; 1]>,
    pub tile_rows: usize,
    pub tile_columns: usize,
    pub row_block: usize,
}

/// The axis that most of those who care walk with stride 1, later ones first.
fn best_axis(axes: &[usize], movements: &[Movement], eligible: impl Fn(&Movement) -> bool) -> Option<(usize, usize)> {
    axes.iter()
        .map(|&axis| {
            let votes = movements.iter().filter(|m| m.cares && eligible(m) && m.strides[axis].abs() == 1).count();
            (votes, axis)
        })
        .max()
        .map(|(votes, axis)| (axis, votes))
}

impl Layout {
    /// `reductions` holds the reduced axes of each accumulator. No axis of the region is empty.
    pub fn new(region: &[usize], movements: &[Movement], reductions: &[u32]) -> Layout {
        let mut order: SmallVec<[usize; 4]> = (0..region.len()).filter(|axis| region[*axis] > 1).collect();
        let mut square = false;
        if let Some((inner, _)) = best_axis(&order, movements, |_| true) {
            order.retain(|axis| *axis != inner);
            let across = |m: &Movement| m.strides[inner].abs() > 1;
            if let Some((row, votes)) = best_axis(&order, movements, across)
                && votes > 0
            {
                order.retain(|axis| *axis != row);
                order.push(row);
                square = true;
            }
            order.push(inner);
        }
        let cells: SmallVec<[CellWalk; 1]> =
            reductions.iter().map(|axes| CellWalk::new(region, &order, *axes)).collect();
        let dims = order.iter().map(|axis| region[*axis]).collect();
        let strides =
            movements.iter().map(|movement| order.iter().map(|axis| movement.strides[*axis]).collect()).collect();
        let mut layout = Layout { dims, strides, cells, tile_rows: 1, tile_columns: 1, row_block: 1 };
        layout.coalesce();
        while layout.dims.len() < 2 {
            layout.insert_front();
        }
        layout.choose_tile(square);
        layout
    }

    /// Walks neighbouring dimensions as one where everybody can.
    fn coalesce(&mut self) {
        let mut at = 0;
        while at + 1 < self.dims.len() {
            let n = self.dims[at + 1];
            let together = self.strides.iter().all(|strides| strides[at] == strides[at + 1] * n as isize)
                && self.cells.iter().all(|cells| cells.reduced[at] == cells.reduced[at + 1]);
            if !together {
                at += 1;
                continue;
            }
            self.dims[at + 1] *= self.dims[at];
            self.dims.remove(at);
            for strides in &mut self.strides {
                strides.remove(at);
            }
            for cells in &mut self.cells {
                cells.reduced.remove(at);
                cells.strides.remove(at);
                cells.ordinals.remove(at);
            }
        }
    }

    fn insert_front(&mut self) {
        self.dims.insert(0, 1);
        for strides in &mut self.strides {
            strides.insert(0, 0);
        }
        for cells in &mut self.cells {
            // Alone it makes no difference whether it is reduced; like its neighbour it needs no special case.
            let reduced = cells.reduced.first().copied().unwrap_or(true);
            cells.reduced.insert(0, reduced);
            cells.strides.insert(0, 0);
            cells.ordinals.insert(0, 0);
        }
    }

    fn choose_tile(&mut self, square: bool) {
        let (rows, columns) = (self.dims[self.dims.len() - 2], self.dims[self.dims.len() - 1]);
        if square {
            self.tile_columns = if columns <= SQUARE { columns } else { columns.min(TILE / rows.min(SQUARE)) };
            self.tile_rows = rows.min(TILE / self.tile_columns);
            self.row_block = self.tile_rows;
        } else if columns >= LONG_ROW {
            // Parts of nearly equal length, so that none is short.
            let parts = columns.div_ceil(TILE);
            self.tile_columns = columns.div_ceil(parts).next_multiple_of(super::kernel::LANES).min(TILE).min(columns);
            self.tile_rows = 1;
            self.row_block = if parts > 1 { ROW_BLOCK } else { 1 };
        } else {
            self.tile_columns = columns;
            self.tile_rows = rows.min(TILE / columns);
            self.row_block = self.tile_rows;
        }
    }
}

impl CellWalk {
    fn new(region: &[usize], order: &[usize], axes: u32) -> CellWalk {
        let is_reduced = |axis: usize| axis < 32 && axes & (1 << axis) != 0;
        let mut axis_strides: SmallVec<[isize; 4]> = SmallVec::from_elem(0, region.len());
        let (mut count, mut ordinal) = (1usize, 1u64);
        let mut strides: SmallVec<[usize; 4]> = SmallVec::from_elem(0, order.len());
        let mut ordinals: SmallVec<[u64; 4]> = SmallVec::from_elem(0, order.len());
        for (at, &axis) in order.iter().enumerate().rev() {
            if is_reduced(axis) {
                ordinals[at] = ordinal;
                ordinal *= region[axis] as u64;
            } else {
                strides[at] = count;
                axis_strides[axis] = count as isize;
                count *= region[axis];
            }
        }
        CellWalk {
            reduced: order.iter().map(|axis| is_reduced(*axis)).collect(),
            strides,
            ordinals,
            count,
            axis_strides,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    fn movement(strides: &[isize]) -> Movement {
        Movement { strides: strides.into(), cares: true }
    }

    #[test]
    fn contiguous_operands_are_walked_as_one_run() {
        let layout = Layout::new(&[10, 20, 30], &[movement(&[600, 30, 1]), movement(&[600, 30, 1])], &[]);
        assert_eq!(layout.dims.as_slice(), [1, 6000]);
        assert_eq!(layout.tile_rows, 1);
    }

    #[test]
    fn a_transpose_alone_is_walked_along_memory() {
        let layout = Layout::new(&[300, 200], &[movement(&[1, 300])], &[0b11]);
        assert_eq!(layout.dims.as_slice(), [1, 60000]);
    }

    #[test]
    fn operands_across_each_other_get_square_tiles() {
        let layout = Layout::new(&[300, 300], &[movement(&[1, 300]), movement(&[300, 1])], &[]);
        assert_eq!((layout.tile_rows, layout.tile_columns), (32, 32));
        assert_eq!(layout.strides[1].as_slice(), [300, 1]);
        let narrow = Layout::new(&[3000, 2], &[movement(&[1, 3000]), movement(&[2, 1])], &[]);
        assert_eq!((narrow.tile_rows, narrow.tile_columns), (512, 2));
    }

    #[test]
    fn reduced_and_kept_axes_are_not_walked_as_one() {
        let layout = Layout::new(&[10, 20, 30], &[movement(&[600, 30, 1])], &[0b110]);
        assert_eq!(layout.dims.as_slice(), [10, 600]);
        assert_eq!(layout.cells[0].strides.as_slice(), [1, 0]);
        let columns = Layout::new(&[10, 20, 30], &[movement(&[600, 30, 1])], &[0b011]);
        let expected: SmallVec<[u64; 4]> = smallvec![1, 0];
        assert_eq!(columns.dims.as_slice(), [200, 30]);
        assert_eq!(columns.cells[0].ordinals, expected);
    }
}
