//! Scans, positions of extremes, contractions, and functions of blocks.

use std::sync::Arc;

use raskr_base::DType;
use raskr_graph::Call;
use raskr_kernels::blocks::{ArgKind, CumulativeKind};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{BlockArgument, ElementType, Expr, Kind};
use crate::error::ArrayError;
use crate::function::BlockFunction;
use crate::grid::{Axis, Grid, unify_axes};

/// Which axes two arrays are summed over, pairwise.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Contraction {
    pub axes_a: SmallVec<[usize; 2]>,
    pub axes_b: SmallVec<[usize; 2]>,
}

impl Expr {
    /// Where the extreme is along an axis, or in the flattened array.
    pub fn arg_reduce(
        self: &Arc<Expr>,
        kind: ArgKind,
        axis: Option<usize>,
        keepdims: bool,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        if let Some(axis) = axis
            && axis >= self.ndim()
        {
            return Err(ArrayError::AxisOutOfBounds { operation: "argmin/argmax", axis, ndim: self.ndim() });
        }
        let axes: SmallVec<[usize; 4]> =
            axis.map_or_else(|| (0..self.ndim()).collect(), |axis| [axis].into_iter().collect());
        for axis in &axes {
            if !self.grid.axis(*axis).is_known() {
                return Err(ArrayError::UnknownChunks {
                    operation: "argmin/argmax",
                    axis: *axis,
                    sizes: self.grid.axis(*axis).to_string(),
                });
            }
        }
        let grid = self.reduced_grid(&axes, keepdims)?;
        // An empty block among others has no extreme; one that stands alone is an error, which its task tells.
        let cuts = self.grid.axes().iter().enumerate().map(|(number, cut)| {
            if axes.contains(&number) && !cut.is_empty() && cut.sizes().contains(&0) {
                return Axis::new(cut.sizes().iter().copied().filter(|size| *size > 0).collect::<Vec<_>>());
            }
            cut.clone()
        });
        let kind = Kind::ArgReduce { input: self.rechunk(Grid::new(cuts)?)?, kind, axis };
        Ok(Arc::new(Expr::native_of(kind, grid, DType::I64, label)))
    }

    /// Running sums or products along an axis.
    pub fn scan(
        self: &Arc<Expr>,
        kind: CumulativeKind,
        axis: usize,
        dtype: DType,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        if axis >= self.ndim() {
            return Err(ArrayError::AxisOutOfBounds { operation: "cumulative", axis, ndim: self.ndim() });
        }
        let kind = Kind::Scan { input: self.cast(dtype)?, kind, axis };
        Ok(Arc::new(Expr::native_of(kind, self.grid.clone(), dtype, label)))
    }

    /// Sums of products over pairs of axes; the result has the other axes of `a`, then those of `b`.
    pub fn contract(
        a: &Arc<Expr>,
        b: &Arc<Expr>,
        axes_a: &[usize],
        axes_b: &[usize],
        dtype: DType,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        let (mut grid_a, mut grid_b) = (a.grid.axes().to_vec(), b.grid.axes().to_vec());
        for (left, right) in axes_a.iter().zip(axes_b) {
            for (axis, ndim) in [(left, a.ndim()), (right, b.ndim())] {
                if *axis >= ndim {
                    return Err(ArrayError::AxisOutOfBounds { operation: "tensordot", axis: *axis, ndim });
                }
            }
            let (one, other) = (a.grid.axis(*left), b.grid.axis(*right));
            if one.is_known() && other.is_known() && one.len() != other.len() {
                return Err(ArrayError::LengthsDiffer {
                    operation: "matmul",
                    left: one.len(),
                    left_axis: *left,
                    right: other.len(),
                    right_axis: *right,
                });
            }
            let common = unify_axes("tensordot", [one, other].into_iter())?;
            grid_a[*left] = common.clone();
            grid_b[*right] = common;
        }
        let a = a.cast(dtype)?.rechunk(Grid::new(grid_a)?)?;
        let b = b.cast(dtype)?.rechunk(Grid::new(grid_b)?)?;
        let kept = |expr: &Expr, axes: &[usize]| -> Vec<Axis> {
            (0..expr.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| expr.grid.axis(axis).clone()).collect()
        };
        let grid = Grid::new(kept(&a, axes_a).into_iter().chain(kept(&b, axes_b)))?;
        let how = Contraction { axes_a: axes_a.into(), axes_b: axes_b.into() };
        Ok(Arc::new(Expr::native_of(Kind::Contract { a, b, how }, grid, dtype, label)))
    }

    /// A function of blocks. Chunks are aligned already; an axis of one block stands for all blocks of its index.
    pub fn blockwise(
        function: Arc<dyn BlockFunction>,
        out_indices: &[i64],
        arguments: Vec<BlockArgument>,
        extras: Vec<Arc<Call>>,
        concatenate: bool,
        grid: Grid,
        element: ElementType,
        native: bool,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        if out_indices.len() != grid.ndim() {
            return Err(ArrayError::Unexpected {
                operation: "blockwise",
                expected: format!("chunks for the {} output indices", out_indices.len()),
                got: format!("chunks of {} axes", grid.ndim()),
            });
        }
        let mut counts: Vec<(i64, usize)> = Vec::new();
        for (index, axis) in out_indices.iter().zip(grid.axes()) {
            counts.push((*index, axis.blocks()));
        }
        for argument in &arguments {
            if argument.indices.len() != argument.array.ndim() {
                return Err(ArrayError::Unexpected {
                    operation: "blockwise",
                    expected: format!("{} indices for an array of as many dimensions", argument.array.ndim()),
                    got: format!("{} indices", argument.indices.len()),
                });
            }
            for (index, axis) in argument.indices.iter().zip(argument.array.grid().axes()) {
                match counts.iter().find(|(known, _)| known == index) {
                    Some((_, blocks)) if *blocks == axis.blocks() || axis.blocks() == 1 => {}
                    Some((_, blocks)) => {
                        return Err(ArrayError::Unexpected {
                            operation: "blockwise",
                            expected: format!("{blocks} blocks along index {index}"),
                            got: format!("{} blocks", axis.blocks()),
                        });
                    }
                    None => {
                        // A contracted index is as long as its longest argument.
                        let longest = arguments
                            .iter()
                            .flat_map(|other| other.indices.iter().zip(other.array.grid().axes()))
                            .filter(|(other, _)| *other == index)
                            .map(|(_, axis)| axis.blocks())
                            .max()
                            .unwrap_or(1);
                        counts.push((*index, longest));
                    }
                }
            }
        }
        let kind = Kind::Blockwise { function, out_indices: out_indices.into(), arguments, extras, concatenate };
        Ok(Arc::new(Expr::make(kind, grid, element, native, label)))
    }

    /// A function of groups of neighbouring blocks.
    pub fn group(
        self: &Arc<Expr>,
        function: Arc<dyn BlockFunction>,
        group: Vec<(usize, u32)>,
        concatenate: bool,
        grid: Grid,
        element: ElementType,
        native: bool,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        for (axis, many) in &group {
            if *axis >= self.ndim() {
                return Err(ArrayError::AxisOutOfBounds { operation: "group_blocks", axis: *axis, ndim: self.ndim() });
            }
            if *many == 0 {
                return Err(ArrayError::Unexpected {
                    operation: "group_blocks",
                    expected: "groups of at least one block".to_owned(),
                    got: "0".to_owned(),
                });
            }
        }
        let kind = Kind::Group { input: Arc::clone(self), function, group, concatenate };
        Ok(Arc::new(Expr::make(kind, grid, element, native, label)))
    }

    /// `block` of every block, joined by `combine` to `last` of everything before it along the axis.
    pub fn scan_with(
        self: &Arc<Expr>,
        block: Arc<dyn BlockFunction>,
        last: Arc<dyn BlockFunction>,
        combine: Arc<dyn BlockFunction>,
        axis: usize,
        element: ElementType,
        native: bool,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        if axis >= self.ndim() {
            return Err(ArrayError::AxisOutOfBounds { operation: "cumulative", axis, ndim: self.ndim() });
        }
        let kind = Kind::ScanWith { input: Arc::clone(self), block, last, combine, axis };
        Ok(Arc::new(Expr::make(kind, self.grid.clone(), element, native, label)))
    }
}
