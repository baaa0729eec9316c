//! Expressions that stand on nothing else.

use std::sync::Arc;

use raskr_base::{Chunk, DType, Value};
use raskr_graph::Call;
use raskr_kernels::program::{Scalar, Source};
use raskr_kernels::random::{DistributionKind, RandomSource};
use smallvec::SmallVec;

use super::{ElementType, Expr, Kind};
use crate::error::ArrayError;
use crate::function::{BlockReader, BlockWriter};
use crate::grid::{Grid, shape_words};

/// Row-major strides of a shape, for linear indexes of elements.
fn linear_strides(grid: &Grid) -> SmallVec<[i64; 4]> {
    let mut step = 1i64;
    let mut strides: SmallVec<[i64; 4]> = grid
        .axes()
        .iter()
        .rev()
        .map(|axis| {
            let stride = step;
            step = step.wrapping_mul(axis.len().max(1) as i64);
            stride
        })
        .collect();
    strides.reverse();
    strides
}

impl Expr {
    fn source(source: Source, strides: SmallVec<[i64; 4]>, grid: Grid, dtype: DType, label: &str) -> Arc<Expr> {
        Arc::new(Expr::native_of(Kind::Source { source, base: 0, strides }, grid, dtype, label))
    }

    /// Every element is `value`.
    pub fn full(grid: Grid, dtype: DType, value: Scalar, label: &str) -> Arc<Expr> {
        let strides = SmallVec::from_elem(0, grid.ndim());
        Expr::source(Source::Constant { dtype, value }, strides, grid, dtype, label)
    }

    /// `start + step * i`, `i` being the row-major index of the element.
    pub fn iota(grid: Grid, dtype: DType, start: Scalar, step: Scalar, label: &str) -> Arc<Expr> {
        let strides = linear_strides(&grid);
        Expr::source(Source::Iota { dtype, start, step }, strides, grid, dtype, label)
    }

    /// Ones on the `k`-th diagonal of two axes.
    pub fn eye(grid: Grid, dtype: DType, k: i64) -> Result<Arc<Expr>, ArrayError> {
        let &[_, columns] = grid.shape().as_slice() else {
            return Err(ArrayError::WrongNumberOfAxes { operation: "eye", expected: 2, got: grid.ndim() });
        };
        let strides = linear_strides(&grid);
        Ok(Expr::source(Source::Diagonal { dtype, columns: columns.max(1), k }, strides, grid, dtype, "eye"))
    }

    /// Random numbers that depend on the source's key and on each element's row-major index only.
    pub fn random(grid: Grid, source: RandomSource, label: &str) -> Result<Arc<Expr>, ArrayError> {
        source.validate().map_err(|error| ArrayError::Unexpected {
            operation: "random",
            expected: "valid parameters".to_owned(),
            got: error.to_string(),
        })?;
        let (strides, dtype) = (linear_strides(&grid), source.dtype());
        Ok(Expr::source(Source::Random(source), strides, grid, dtype, label))
    }

    /// Random numbers with a parameter, or several, for every element.
    pub fn random_with(
        distribution: DistributionKind,
        key: [u64; 2],
        parameters: Vec<Arc<Expr>>,
        grid: Grid,
        dtype: DType,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        let parameters = parameters
            .into_iter()
            .map(|parameter| parameter.cast(DType::F64)?.broadcast_to(grid.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let kind = Kind::RandomWith { distribution, key, parameters };
        Ok(Arc::new(Expr::native_of(kind, grid, dtype, label)))
    }

    /// An array that lies in memory as a whole.
    pub fn memory(chunk: Chunk, grid: Grid, label: &str) -> Result<Arc<Expr>, ArrayError> {
        let shape: SmallVec<[u64; 4]> = chunk.shape().iter().map(|n| *n as u64).collect();
        if shape != grid.shape() {
            return Err(ArrayError::Unexpected {
                operation: "from_array",
                expected: format!("chunks that add up to the shape {}", shape_words(&shape)),
                got: format!("chunks that add up to {}", shape_words(&grid.shape())),
            });
        }
        let dtype = chunk.dtype();
        Ok(Arc::new(Expr::native_of(Kind::Memory { chunk }, grid, dtype, label)))
    }

    /// Blocks that are there already, in row-major order.
    pub fn stored(
        blocks: Arc<[Value]>,
        grid: Grid,
        element: ElementType,
        native: bool,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        check_count("stored blocks", &grid, blocks.len())?;
        Ok(Arc::new(Expr::make(Kind::Stored { blocks }, grid, element, native, label)))
    }

    /// One call a block, in row-major order.
    pub fn from_calls(
        calls: Vec<Arc<Call>>,
        grid: Grid,
        element: ElementType,
        native: bool,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        check_count("from_nodes", &grid, calls.len())?;
        Ok(Arc::new(Expr::make(Kind::Calls { calls }, grid, element, native, label)))
    }

    /// Blocks read from a store when they are needed.
    pub fn read(reader: Arc<dyn BlockReader>, grid: Grid, dtype: DType, label: &str) -> Arc<Expr> {
        Arc::new(Expr::native_of(Kind::Read { reader }, grid, dtype, label))
    }
}

impl Expr {
    /// Sends every block to a store.
    pub fn write(self: &Arc<Expr>, writer: Arc<dyn BlockWriter>, label: &str) -> Arc<Expr> {
        let kind = Kind::Write { input: Arc::clone(self), writer };
        Arc::new(Expr::make(kind, self.grid.clone(), self.element.clone(), false, label))
    }
}

fn check_count(operation: &'static str, grid: &Grid, got: usize) -> Result<(), ArrayError> {
    if grid.blocks() as usize != got {
        return Err(ArrayError::Unexpected {
            operation,
            expected: format!("{} blocks, as the chunks say", grid.blocks()),
            got: format!("{got}"),
        });
    }
    Ok(())
}
