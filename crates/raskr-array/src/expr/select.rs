//! Selection and counting: elements by masks and at points, and how many fall where.

use std::sync::Arc;

use raskr_base::DType;
use raskr_kernels::blocks::Counting;
use raskr_kernels::program::{OpCode, ReductionKind, Scalar};
use raskr_kernels::reduce::Ending;
use smallvec::SmallVec;

use super::{Expr, Index, Kind};
use crate::error::ArrayError;
use crate::grid::{Axis, Grid, UNKNOWN};

impl Expr {
    /// The elements where a mask of the same blocks is true, in row-major order within each block, along one axis. How
    /// many there are is known once they are computed.
    pub fn filter(self: &Arc<Expr>, mask: &Arc<Expr>, label: &str) -> Result<Arc<Expr>, ArrayError> {
        let mask = mask.cast(DType::Bool)?;
        let dtype = self.native_dtype("getitem")?;
        if self.grid != mask.grid {
            return Err(ArrayError::Unexpected {
                operation: "getitem",
                expected: format!("a mask of blocks {:?}", self.grid),
                got: format!("{:?}", mask.grid),
            });
        }
        let (mut input, mut mask) = (Arc::clone(self), mask);
        // Row-major elements are the same before the blocks were reshaped, where elements and mask fuse with what they
        // are made of.
        while let (Kind::ReshapeBlocks { input: inner }, Kind::ReshapeBlocks { input: inner_mask }) =
            (input.kind(), mask.kind())
            && inner.grid == inner_mask.grid
        {
            let inner = (Arc::clone(inner), Arc::clone(inner_mask));
            (input, mask) = inner;
        }
        let blocks = input.grid.blocks() as usize;
        let grid = Grid::new([Axis::new(vec![UNKNOWN; blocks])])?;
        Ok(Arc::new(Expr::native_of(Kind::Filter { input, mask }, grid, dtype, label)))
    }

    /// The slices along an axis where a mask of one axis, cut into the same blocks, is true.
    pub fn compress(self: &Arc<Expr>, mask: &Arc<Expr>, axis: usize) -> Result<Arc<Expr>, ArrayError> {
        let dtype = self.native_dtype("compress")?;
        if axis >= self.ndim() {
            return Err(ArrayError::AxisOutOfBounds { operation: "compress", axis, ndim: self.ndim() });
        }
        let mask = mask.cast(DType::Bool)?;
        if mask.ndim() != 1 || mask.grid.axis(0).blocks() != self.grid.axis(axis).blocks() {
            return Err(ArrayError::Unexpected {
                operation: "compress",
                expected: format!("a mask of one axis with {} blocks", self.grid.axis(axis).blocks()),
                got: format!("{:?}", mask.grid),
            });
        }
        let mut axes = self.grid.axes().to_vec();
        axes[axis] = Axis::new(vec![UNKNOWN; axes[axis].blocks()]);
        let kind = Kind::Compress { input: Arc::clone(self), mask, axis };
        Ok(Arc::new(Expr::native_of(kind, Grid::new(axes)?, dtype, "getitem")))
    }

    /// The elements at points: positions along each of `axes` (ascending), lists of one length. The points are the first
    /// axis of the result, in blocks of the given sizes; the axes not indexed follow.
    pub fn points(
        self: &Arc<Expr>,
        axes: Vec<usize>,
        positions: Vec<Vec<i64>>,
        chunks: Axis,
    ) -> Result<Arc<Expr>, ArrayError> {
        let dtype = self.native_dtype("vindex")?;
        let count = chunks.len();
        let unexpected = |expected: String, got: String| ArrayError::Unexpected { operation: "vindex", expected, got };
        if axes.is_empty() || axes.len() != positions.len() || !axes.windows(2).all(|pair| pair[0] < pair[1]) {
            let got = format!("{} for axes {axes:?}", positions.len());
            return Err(unexpected("a list of positions for each of ascending axes".to_owned(), got));
        }
        for (&axis, list) in axes.iter().zip(&positions) {
            let Some(source) = self.grid.axes().get(axis) else {
                return Err(ArrayError::AxisOutOfBounds { operation: "vindex", axis, ndim: self.ndim() });
            };
            if !source.is_known() {
                return Err(ArrayError::UnknownChunks { operation: "vindex", axis, sizes: source.to_string() });
            }
            if list.len() as u64 != count {
                return Err(unexpected(format!("{count} positions"), format!("{} on axis {axis}", list.len())));
            }
            if let Some(bad) = list.iter().find(|at| **at < 0 || **at as u64 >= source.len()) {
                let last = source.len() as i64 - 1;
                return Err(unexpected(format!("positions from 0 to {last} on axis {axis}"), bad.to_string()));
            }
        }
        let rest = (0..self.ndim()).filter(|axis| !axes.contains(axis)).map(|axis| self.grid.axis(axis).clone());
        let grid = Grid::new(std::iter::once(chunks).chain(rest))?;
        let kind = Kind::Points { input: Arc::clone(self), axes, positions: positions.into() };
        Ok(Arc::new(Expr::native_of(kind, grid, dtype, "vindex")))
    }

    /// How many elements fall where, or the sums of their weights: samples (one array an axis of bins) and weights have
    /// the same blocks.
    pub fn count(
        samples: &[Arc<Expr>],
        weights: Option<&Arc<Expr>>,
        how: Arc<Counting>,
        dtype: DType,
        label: &str,
    ) -> Result<Arc<Expr>, ArrayError> {
        let (wanted, axes) = match &*how {
            Counting::Numbers { least: 0 } => (DType::I64, vec![Axis::new(vec![UNKNOWN])]),
            Counting::Numbers { least } => (DType::I64, vec![Axis::single(*least as u64)]),
            Counting::Bins(axes) => (DType::F64, axes.iter().map(|bins| Axis::single(bins.len() as u64)).collect()),
        };
        let expected = if let Counting::Bins(axes) = &*how { axes.len() } else { 1 };
        if samples.len() != expected {
            return Err(ArrayError::Unexpected {
                operation: "histogram",
                expected: format!("{expected} arrays of samples"),
                got: samples.len().to_string(),
            });
        }
        let samples = samples.iter().map(|sample| sample.cast(wanted)).collect::<Result<SmallVec<[_; 3]>, _>>()?;
        let weights = weights.map(|weights| weights.cast(DType::F64)).transpose()?;
        for other in samples.iter().skip(1).chain(&weights) {
            if other.grid != samples[0].grid {
                return Err(ArrayError::Unexpected {
                    operation: "histogram",
                    expected: format!("samples and weights of the same blocks {:?}", samples[0].grid),
                    got: format!("{:?}", other.grid),
                });
            }
        }
        let weighted = weights.is_some();
        let inputs = samples.into_iter().chain(weights).collect();
        Ok(Arc::new(Expr::native_of(Kind::Count { inputs, weighted, how }, Grid::new(axes)?, dtype, label)))
    }

    fn native_dtype(&self, operation: &str) -> Result<DType, ArrayError> {
        self.dtype().ok_or_else(|| ArrayError::NoLoop {
            operation: operation.to_owned(),
            types: format!("{} in an interpreter's blocks", self.element),
        })
    }

    /// A reduction of all elements that a mask chose, as one of all elements with those that it did not choose replaced
    /// by what changes nothing: nothing needs to be selected then. `None` where there is no such element.
    pub(super) fn reduced_filter(
        self: &Arc<Expr>,
        kind: ReductionKind,
        ending: Ending,
        keepdims: bool,
        accumulate: DType,
        dtype: DType,
        split: Option<usize>,
        label: &str,
    ) -> Result<Option<Arc<Expr>>, ArrayError> {
        use ReductionKind as K;
        let Kind::Filter { input, mask } = self.kind() else { return Ok(None) };
        let neutral = match kind {
            K::Sum | K::NanSum | K::CountNonzero | K::Any | K::Mean => 0,
            K::Prod | K::NanProd | K::All => 1,
            _ => return Ok(None),
        };
        if accumulate.is_time() || !matches!(ending, Ending::Value) {
            return Ok(None);
        }
        let axes: SmallVec<[usize; 4]> = (0..input.ndim()).collect();
        let total = |kind: K, accumulate: DType, dtype: DType| -> Result<Arc<Expr>, ArrayError> {
            let constant = Expr::full(Grid::single(&[]), accumulate, Scalar::I64(neutral), label);
            let types = [DType::Bool, accumulate, accumulate];
            let chosen = Expr::elementwise(
                OpCode::Where,
                &[Arc::clone(mask), input.cast(accumulate)?, constant],
                &types,
                label,
            )?;
            chosen.reduce(kind, Ending::Value, &axes, false, accumulate, dtype, split, label)
        };
        let reduced = if kind == K::Mean {
            let wide = if accumulate.is_complex() { DType::C128 } else { DType::F64 };
            let sum = total(K::Sum, wide, wide)?;
            let chosen =
                mask.reduce(K::CountNonzero, Ending::Value, &axes, false, DType::Bool, DType::I64, split, label)?;
            Expr::elementwise(OpCode::Divide, &[sum, chosen.cast(wide)?], &[wide, wide], label)?.cast(dtype)?
        } else {
            total(kind, accumulate, dtype)?
        };
        Ok(Some(if keepdims { reduced.index(&[Index::New])? } else { reduced }))
    }
}
