//! Expressions of native functions of blocks.

use std::sync::Arc;

use raskr_base::DType;
use raskr_kernels::fft::{Scaling, Step};

use super::{BlockArgument, ElementType, Expr, Kind};
use crate::error::ArrayError;
use crate::grid::{Axis, Grid};
use crate::native::NativeFunction;

impl Expr {
    /// Fourier transforms one after another, along axes that are in one block each.
    pub fn transform(
        self: &Arc<Expr>,
        steps: Vec<Step>,
        scaling: Scaling,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        let no_loop = |types: String| ArrayError::NoLoop { operation: label.to_owned(), types };
        let mut dtype = self.dtype().ok_or_else(|| no_loop(self.element().to_string()))?;
        let mut axes: Vec<Axis> = self.grid().axes().to_vec();
        for step in &steps {
            dtype = step.kind.dtype(dtype).ok_or_else(|| no_loop(dtype.to_string()))?;
            let ndim = self.ndim();
            let axis = axes.get_mut(step.axis).ok_or(ArrayError::AxisOutOfBounds {
                operation: "a Fourier transform",
                axis: step.axis,
                ndim,
            })?;
            if axis.blocks() != 1 {
                return Err(ArrayError::Unexpected {
                    operation: "a Fourier transform",
                    expected: format!("axis {} in one block", step.axis),
                    got: format!("{} blocks", axis.blocks()),
                });
            }
            *axis = Axis::single(step.kind.length(step.n) as u64);
        }
        self.native_function(NativeFunction::Transform { steps, scaling }, Grid::new(axes)?, dtype, label)
    }

    /// What `alone` is, made by `instead` where `shared` is computed anyway.
    pub fn choice(alone: &Arc<Expr>, shared: &Arc<Expr>, instead: &Arc<Expr>) -> Result<Arc<Expr>, ArrayError> {
        if alone.grid().shape() != instead.grid().shape() || alone.grid().blocks() != instead.grid().blocks() {
            return Err(ArrayError::Unexpected {
                operation: "choice",
                expected: format!("two ways to an array of {} blocks", alone.grid().blocks()),
                got: format!("{} blocks", instead.grid().blocks()),
            });
        }
        let kind = Kind::Choice { alone: Arc::clone(alone), shared: Arc::clone(shared), instead: Arc::clone(instead) };
        let (grid, element, native) = (alone.grid().clone(), alone.element().clone(), alone.is_native());
        Ok(Arc::new(Expr::make(kind, grid, element, native, alone.label())))
    }

    /// A native function of each block, with blocks of the grid.
    fn native_function(
        self: &Arc<Expr>,
        function: NativeFunction,
        grid: Grid,
        dtype: DType,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        let indices: Vec<i64> = (0..self.ndim() as i64).collect();
        let argument = BlockArgument { array: Arc::clone(self), indices: indices.as_slice().into() };
        let element = ElementType::Native(dtype);
        Expr::blockwise(Arc::new(function), &indices, vec![argument], Vec::new(), false, grid, element, true, label)
    }
}
