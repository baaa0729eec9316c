//! Products of blocks, summed over contracted axes.

use raskr_base::{Chunk, ChunkMut, DType, Op, TaskContext, TaskError, Value};
use raskr_kernels::blocks;
use smallvec::SmallVec;

use super::{About, about, cast, chunk_of};
use crate::error::ArrayError;
use crate::expr::Contraction;
use crate::grid::Grid;
use crate::index::AffineMap;

use super::arrange::view_block;

/// A view to be taken of an argument's block first: the source's grid, the map, and the view's own grid.
pub type ViewPlan = Option<(Grid, AffineMap, Grid)>;

/// Sums the products of several pairs of blocks: inputs are `a, b, a, b, ...`.
pub struct ContractOp {
    pub about: About,
    pub how: Contraction,
    pub dtype: DType,
    pub views: [ViewPlan; 2],
    /// Row-major numbers of the pairs' blocks in the grids of `a` and `b`.
    pub numbers: Box<dyn Fn(u32) -> Vec<(u32, u32)> + Send + Sync>,
}

/// The chunk as a matrix: `rows` axes first, then `columns` axes.
fn matrix(chunk: &Chunk, rows: &[usize], columns: &[usize]) -> Result<Chunk, TaskError> {
    let order: SmallVec<[usize; 4]> = rows.iter().chain(columns).copied().collect();
    let ordered = blocks::transpose(chunk, &order).map_err(ArrayError::from)?;
    if rows.len() == 1 && columns.len() == 1 {
        return Ok(ordered);
    }
    let len = |axes: &[usize]| axes.iter().map(|axis| chunk.shape()[*axis]).product::<usize>();
    let whole = if ordered.is_contiguous() { ordered } else { blocks::to_contiguous(&ordered) };
    whole.reshaped(&[len(rows), len(columns)]).ok_or_else(|| TaskError::internal("a block can't be made a matrix"))
}

impl Op for ContractOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let mut sum: Option<ChunkMut> = None;
        let mut shape: Vec<usize> = Vec::new();
        let mut values = inputs.drain(..);
        for (number_a, number_b) in (self.numbers)(context.index) {
            context.check_cancelled()?;
            let (Some(a), Some(b)) = (values.next(), values.next()) else {
                return Err(TaskError::internal("a block is missing"));
            };
            let seen = |value: Value, which: usize, number: u32| match &self.views[which] {
                Some((source, map, grid)) => view_block(value, source, map, grid, number, &self.about.name),
                None => Ok(value),
            };
            let a = chunk_of(seen(a, 0, number_a)?, self.dtype, &self.about.name)?;
            let b = chunk_of(seen(b, 1, number_b)?, self.dtype, &self.about.name)?;
            let kept_a: Vec<usize> = (0..a.ndim()).filter(|axis| !self.how.axes_a.contains(axis)).collect();
            let kept_b: Vec<usize> = (0..b.ndim()).filter(|axis| !self.how.axes_b.contains(axis)).collect();
            shape = kept_a.iter().map(|x| a.shape()[*x]).chain(kept_b.iter().map(|x| b.shape()[*x])).collect();
            let left = matrix(&a, &kept_a, &self.how.axes_a)?;
            let right = matrix(&b, &self.how.axes_b, &kept_b)?;
            drop((a, b));
            let rows_columns = [left.shape()[0], right.shape()[1]];
            let adds = sum.is_some();
            let target = sum.get_or_insert_with(|| ChunkMut::new(self.dtype, &rows_columns));
            blocks::matmul_into(target, &left, &right, adds).map_err(ArrayError::from)?;
        }
        let sum = sum.ok_or_else(|| TaskError::internal("a product of no blocks"))?.freeze();
        sum.reshaped(&shape)
            .map(Value::Chunk)
            .ok_or_else(|| TaskError::internal(format!("a product can't get the shape {shape:?}")))
    }
}

/// Adds partial products.
pub struct SumOp {
    pub about: About,
}

impl Op for SumOp {
    about!();

    fn run(&self, _context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        use raskr_kernels::program::ReductionKind;
        let mut parts = Vec::with_capacity(inputs.len());
        for value in inputs.drain(..) {
            let Value::Chunk(chunk) = value else { return Err(TaskError::internal("a partial product is no block")) };
            parts.push(vec![chunk]);
        }
        let merged = raskr_kernels::reduce::combine(ReductionKind::Sum, parts).map_err(ArrayError::from)?;
        let chunk = merged.into_iter().next().ok_or_else(|| TaskError::internal("no partial products"))?;
        Ok(Value::Chunk(chunk))
    }
}

/// Random numbers with a parameter, or several, for every element.
pub struct RandomWithOp {
    pub about: About,
    pub distribution: raskr_kernels::random::DistributionKind,
    pub key: [u64; 2],
    pub dtype: DType,
}

impl Op for RandomWithOp {
    about!();

    fn run(&self, context: &TaskContext<'_>, inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let block = self.about.grid.unflat(context.index);
        let start = self.about.grid.block_start(&block);
        let shape: SmallVec<[usize; 4]> = self.about.grid.block_shape(&block).iter().map(|n| *n as usize).collect();
        let parameters = inputs
            .drain(..)
            .map(|value| chunk_of(value, DType::F64, &self.about.name).map(|chunk| blocks::to_contiguous(&chunk)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut columns: Vec<&[f64]> = Vec::with_capacity(parameters.len());
        for parameter in &parameters {
            columns.push(parameter.as_slice::<f64>().ok_or_else(|| TaskError::internal("parameters not contiguous"))?);
        }
        let whole = self.about.grid.shape();
        let mut values = vec![0.0f64; shape.iter().product()];
        // Each run along the last axis has consecutive indexes in the whole array.
        let run = shape.last().copied().unwrap_or(1).max(1);
        for (row, out) in values.chunks_mut(run).enumerate() {
            context.check_cancelled()?;
            let (mut rest, mut step, mut flat) = (row * run, 1u64, 0u64);
            for axis in (0..shape.len()).rev() {
                flat += ((rest % shape[axis]) as u64 + start[axis]) * step;
                rest /= shape[axis];
                step *= whole[axis];
            }
            let slices: Vec<&[f64]> = columns.iter().map(|column| &column[row * run..row * run + out.len()]).collect();
            raskr_kernels::random::fill_with_params(self.distribution, self.key, flat, &slices, out)
                .map_err(|error| TaskError::new(error.class(), error.to_string()))?;
        }
        let chunk = Chunk::from_slice(&values, &shape);
        Ok(Value::Chunk(cast(&chunk, self.dtype, &self.about.name)?))
    }
}
