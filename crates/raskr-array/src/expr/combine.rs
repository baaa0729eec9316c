//! Elementwise expressions, casts and reductions.

use std::sync::Arc;

use raskr_base::DType;
use raskr_kernels::program::{OpCode, ReductionKind, has_cast, has_op};
use raskr_kernels::reduce::Ending;
use smallvec::SmallVec;

use super::{Expr, Kind};
use crate::error::ArrayError;
use crate::grid::{Axis, Grid, shape_words, unify_axes};

/// The grid that arrays broadcast to: NumPy's rules for lengths, the common refinement for chunks.
pub fn broadcast_grid(operation: &'static str, grids: &[&Grid]) -> Result<Grid, ArrayError> {
    let ndim = grids.iter().map(|grid| grid.ndim()).max().unwrap_or(0);
    let mut axes = Vec::with_capacity(ndim);
    for place in 0..ndim {
        let parts: SmallVec<[&Axis; 4]> = grids
            .iter()
            .filter_map(|grid| (place + grid.ndim()).checked_sub(ndim).map(|axis| grid.axis(axis)))
            .collect();
        let axis = unify_axes(operation, parts.iter().copied()).map_err(|error| match error {
            ArrayError::LengthsDiffer { left, right, .. } => {
                let shape = |len: u64| {
                    grids
                        .iter()
                        .find(|grid| {
                            (place + grid.ndim()).checked_sub(ndim).is_some_and(|axis| grid.axis(axis).len() == len)
                        })
                        .map_or_else(String::new, |grid| shape_words(&grid.shape()))
                };
                ArrayError::DontBroadcast {
                    left: shape(left),
                    right: shape(right),
                    axis: ndim - 1 - place,
                    left_len: left,
                    right_len: right,
                }
            }
            other => other,
        })?;
        axes.push(axis);
    }
    Grid::new(axes)
}

impl Expr {
    /// The same values as another native element type.
    pub fn cast(self: &Arc<Expr>, dtype: DType) -> Result<Arc<Expr>, ArrayError> {
        let Some(from) = self.dtype() else {
            return Err(ArrayError::NoLoop {
                operation: "astype".to_owned(),
                types: format!("{} in an interpreter's blocks", self.element),
            });
        };
        if from == dtype {
            return Ok(Arc::clone(self));
        }
        if !has_cast(from, dtype) {
            return Err(ArrayError::NoLoop { operation: "astype".to_owned(), types: format!("{from} to {dtype}") });
        }
        let kind = Kind::Cast { input: Arc::clone(self) };
        Ok(Arc::new(Expr::native_of(kind, self.grid.clone(), dtype, "astype")))
    }

    /// A native loop over broadcast inputs, each first cast to its element type of `dtypes`.
    pub fn elementwise(
        code: OpCode,
        inputs: &[Arc<Expr>],
        dtypes: &[DType],
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        let out = has_op(code, dtypes).ok_or_else(|| ArrayError::NoLoop {
            operation: label.to_owned(),
            types: dtypes.iter().map(DType::to_string).collect::<Vec<_>>().join(", "),
        })?;
        if inputs.len() != dtypes.len() {
            return Err(ArrayError::Unexpected {
                operation: "elementwise",
                expected: format!("{} inputs", dtypes.len()),
                got: format!("{}", inputs.len()),
            });
        }
        let grids: SmallVec<[&Grid; 3]> = inputs.iter().map(|input| input.grid()).collect();
        let grid = broadcast_grid("elementwise", &grids)?;
        let inputs = inputs
            .iter()
            .zip(dtypes)
            .map(|(input, dtype)| input.cast(*dtype)?.broadcast_to(grid.clone()))
            .collect::<Result<SmallVec<[_; 3]>, _>>()?;
        // Unknown sizes that became known by broadcasting stay as the inputs have them.
        Ok(Arc::new(Expr::native_of(Kind::Elementwise { code, inputs }, grid, out, label)))
    }

    /// A tree reduction over `axes`. The input is first cast to `accumulate`, the result to `dtype`.
    pub fn reduce(
        self: &Arc<Expr>,
        kind: ReductionKind,
        ending: Ending,
        axes: &[usize],
        keepdims: bool,
        accumulate: DType,
        dtype: DType,
        split: Option<usize>,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        let mut axes: SmallVec<[usize; 4]> = axes.into();
        axes.sort_unstable();
        axes.dedup();
        if let Some(axis) = axes.iter().find(|axis| **axis >= self.ndim()) {
            return Err(ArrayError::AxisOutOfBounds { operation: "reduce", axis: *axis, ndim: self.ndim() });
        }
        if kind.partial_dtypes(accumulate).is_none() {
            return Err(ArrayError::NoLoop { operation: label.to_owned(), types: accumulate.to_string() });
        }
        if !axes.is_empty()
            && let Some(reduced) = self.reduced_filter(kind, ending, keepdims, accumulate, dtype, split, label)?
        {
            return Ok(reduced);
        }
        let grid = self.reduced_grid(&axes, keepdims)?;
        let kind = Kind::Reduce { input: self.cast(accumulate)?, kind, ending, axes, split };
        Ok(Arc::new(Expr::native_of(kind, grid, dtype, label)))
    }

    pub(crate) fn reduced_grid(&self, axes: &[usize], keepdims: bool) -> Result<Grid, ArrayError> {
        Grid::new(self.grid.axes().iter().enumerate().filter_map(|(number, axis)| {
            if !axes.contains(&number) { Some(axis.clone()) } else { keepdims.then(|| Axis::single(1)) }
        }))
    }
}
