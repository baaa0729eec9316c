//! Sorting of an array of one dimension whatever its blocks.

use std::sync::Arc;

use raskr_base::DType;

use super::{Expr, Kind};
use crate::error::ArrayError;
use crate::grid::{Axis, Grid};

/// Blocks of fewer elements are joined before they are sorted.
const RUN_ELEMENTS: u64 = 1 << 20;
/// The most blocks that are sorted by themselves; pieces of runs grow with the square.
const RUNS_MAX: u64 = 512;

/// Neighbouring blocks joined until each has about the elements that a run is to have.
fn runs(axis: &Axis) -> Axis {
    let wanted = RUN_ELEMENTS.max(axis.len().div_ceil(RUNS_MAX));
    let mut sizes: Vec<u64> = Vec::new();
    let mut open = false;
    for &size in axis.sizes() {
        match sizes.last_mut() {
            Some(last) if open => *last += size,
            _ => sizes.push(size),
        }
        open = sizes.last().is_some_and(|last| *last < wanted);
    }
    if open && sizes.len() > 1 {
        // What is left over goes to the run before it.
        let rest = sizes.pop().unwrap_or(0);
        if let Some(last) = sizes.last_mut() {
            *last += rest;
        }
    }
    Axis::new(sizes)
}

impl Expr {
    /// The elements of an array of one dimension in ascending order, or (`positions`) the places that they are taken from,
    /// those of equal elements in ascending order. The chunks stay.
    pub fn sample_sort(self: &Arc<Expr>, positions: bool) -> Result<Arc<Expr>, ArrayError> {
        let label = if positions { "argsort" } else { "sort" };
        if self.ndim() != 1 {
            return Err(ArrayError::WrongNumberOfAxes { operation: "sort", expected: 1, got: self.ndim() });
        }
        if !self.grid.is_known() {
            return Err(ArrayError::UnknownChunks { operation: "sort", axis: 0, sizes: self.grid.axis(0).to_string() });
        }
        let Some(dtype) = self.dtype() else {
            return Err(ArrayError::NoLoop { operation: label.to_string(), types: self.element.to_string() });
        };
        let grid = Grid::new([runs(self.grid.axis(0))])?;
        let dtype = if positions { DType::I64 } else { dtype };
        let kind = Kind::SampleSort { input: self.rechunk(grid.clone())?, positions };
        Arc::new(Expr::native_of(kind, grid, dtype, label)).rechunk(self.grid.clone())
    }
}
