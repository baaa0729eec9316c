//! Reductions: what their partial accumulators are, how they merge, and how they end.

use raskr_base::{Chunk, DType};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::error::KernelError;

/// What is accumulated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ReductionKind {
    Sum,
    Prod,
    Min,
    Max,
    Any,
    All,
    CountNonzero,
    Mean,
    /// Count, mean and sum of squared deviations, for variance and standard deviation.
    Moments2,
    NanSum,
    NanProd,
    NanMin,
    NanMax,
    NanMean,
    NanMoments2,
}

/// A reduction over the axes of a region whose bits are set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Reduction {
    pub kind: ReductionKind,
    pub axes: u32,
}

/// What a finished reduction yields.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Ending {
    /// The reduction's own value: the sum, the minimum, the mean (of `Mean` and `Moments2`).
    Value,
    /// The variance, of `Moments2`; the divisor is count - ddof.
    Variance { ddof: f64 },
    /// Its square root.
    Deviation { ddof: f64 },
}

impl ReductionKind {
    /// Element types of the partial chunks when elements of `dtype` are reduced; `None` without a native loop.
    pub fn partial_dtypes(self, dtype: DType) -> Option<SmallVec<[DType; 3]>> {
        let _ = dtype;
        None
    }
}

/// Merges, elementwise, the partial chunks of several blocks, all of one shape, in the order given.
pub fn combine(kind: ReductionKind, partials: Vec<Vec<Chunk>>) -> Result<Vec<Chunk>, KernelError> {
    let _ = (kind, partials);
    Ok(Vec::new())
}

/// The result of a reduction from its merged partial chunks.
pub fn finish(
    kind: ReductionKind,
    ending: Ending,
    out_dtype: DType,
    partial: Vec<Chunk>,
) -> Result<Chunk, KernelError> {
    let _ = (kind, ending, out_dtype, partial);
    Err(KernelError::EmptyReduction { operation: "minimum" })
}

/// The partial chunks of one chunk reduced over the axes whose bits are set.
pub fn reduce_chunk(kind: ReductionKind, chunk: &Chunk, axes: u32) -> Result<Vec<Chunk>, KernelError> {
    let _ = (kind, chunk, axes);
    Ok(Vec::new())
}
