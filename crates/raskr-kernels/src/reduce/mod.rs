//! Reductions: what their partial chunks are, how those merge, and how they end.
//!
//! A block's partial chunks come from a program ([`crate::program::Builder::reduce`]) or from [`reduce_chunk`]; [`combine`]
//! merges those of several blocks and [`finish`] makes the result. All three run as tile programs themselves, so partial
//! chunks may be strided or broadcast.

use std::sync::atomic::AtomicBool;

use raskr_base::{Chunk, DType};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use crate::error::KernelError;
use crate::program::{Access, Builder, OpCode, Register, Scalar};

/// How many blocks' partial chunks one pass merges.
const WIDTH: usize = 16;

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
    pub const ALL: [ReductionKind; 15] = [
        ReductionKind::Sum,
        ReductionKind::Prod,
        ReductionKind::Min,
        ReductionKind::Max,
        ReductionKind::Any,
        ReductionKind::All,
        ReductionKind::CountNonzero,
        ReductionKind::Mean,
        ReductionKind::Moments2,
        ReductionKind::NanSum,
        ReductionKind::NanProd,
        ReductionKind::NanMin,
        ReductionKind::NanMax,
        ReductionKind::NanMean,
        ReductionKind::NanMoments2,
    ];

    /// The name that errors use.
    pub const fn name(self) -> &'static str {
        match self {
            ReductionKind::Sum => "add",
            ReductionKind::Prod => "multiply",
            ReductionKind::Min => "minimum",
            ReductionKind::Max => "maximum",
            ReductionKind::Any => "logical_or",
            ReductionKind::All => "logical_and",
            ReductionKind::CountNonzero => "count_nonzero",
            ReductionKind::Mean => "mean",
            ReductionKind::Moments2 => "var",
            ReductionKind::NanSum => "nansum",
            ReductionKind::NanProd => "nanprod",
            ReductionKind::NanMin => "fmin",
            ReductionKind::NanMax => "fmax",
            ReductionKind::NanMean => "nanmean",
            ReductionKind::NanMoments2 => "nanvar",
        }
    }

    /// Element types of the partial chunks when elements of `dtype` are reduced; `None` without a native loop.
    ///
    /// Sums and products are kept at full width (`int64`, `uint64`, `float64`, `complex128`); [`finish`] converts them.
    /// `Mean` has a count after the sum, extrema one after the value, moments one before the mean and the squares.
    pub fn partial_dtypes(self, dtype: DType) -> Option<SmallVec<[DType; 3]>> {
        let wide = match dtype {
            DType::Bool => DType::I64,
            d if d.is_signed_integer() => DType::I64,
            d if d.is_unsigned_integer() => DType::U64,
            d if d.is_complex() => DType::C128,
            _ => DType::F64,
        };
        let number = !dtype.is_time();
        match self {
            ReductionKind::Any | ReductionKind::All => number.then(|| smallvec![DType::Bool]),
            ReductionKind::CountNonzero => number.then(|| smallvec![DType::I64]),
            ReductionKind::Sum | ReductionKind::Prod | ReductionKind::NanSum | ReductionKind::NanProd => {
                number.then(|| smallvec![wide])
            }
            ReductionKind::Mean | ReductionKind::NanMean => {
                let sum = if dtype.is_complex() { DType::C128 } else { DType::F64 };
                number.then(|| smallvec![sum, DType::I64])
            }
            ReductionKind::Moments2 | ReductionKind::NanMoments2 => {
                (number && !dtype.is_complex()).then(|| smallvec![DType::I64, DType::F64, DType::F64])
            }
            ReductionKind::Min | ReductionKind::Max => {
                let value = if dtype == DType::F16 { DType::F32 } else { dtype };
                (!dtype.is_complex()).then(|| smallvec![value, DType::I64])
            }
            ReductionKind::NanMin | ReductionKind::NanMax => {
                let value = if dtype == DType::F16 { DType::F32 } else { dtype };
                (number && !dtype.is_complex()).then(|| smallvec![value, DType::I64])
            }
        }
    }
}

/// One block's partial values as registers.
type Partial = SmallVec<[Register; 3]>;

fn merged(builder: &mut Builder, kind: ReductionKind, a: &Partial, b: &Partial) -> Result<Partial, KernelError> {
    let mut op = |code: OpCode, x: Register, y: Register| builder.op(code, &[x, y]);
    Ok(match kind {
        ReductionKind::Sum | ReductionKind::NanSum | ReductionKind::CountNonzero => {
            smallvec![op(OpCode::Add, a[0], b[0])?]
        }
        ReductionKind::Mean | ReductionKind::NanMean => {
            smallvec![op(OpCode::Add, a[0], b[0])?, op(OpCode::Add, a[1], b[1])?]
        }
        ReductionKind::Prod | ReductionKind::NanProd => smallvec![op(OpCode::Multiply, a[0], b[0])?],
        ReductionKind::Any => smallvec![op(OpCode::BitwiseOr, a[0], b[0])?],
        ReductionKind::All => smallvec![op(OpCode::BitwiseAnd, a[0], b[0])?],
        ReductionKind::Min => smallvec![op(OpCode::Minimum, a[0], b[0])?, op(OpCode::Add, a[1], b[1])?],
        ReductionKind::Max => smallvec![op(OpCode::Maximum, a[0], b[0])?, op(OpCode::Add, a[1], b[1])?],
        ReductionKind::NanMin => smallvec![op(OpCode::Fmin, a[0], b[0])?, op(OpCode::Add, a[1], b[1])?],
        ReductionKind::NanMax => smallvec![op(OpCode::Fmax, a[0], b[0])?, op(OpCode::Add, a[1], b[1])?],
        ReductionKind::Moments2 | ReductionKind::NanMoments2 => {
            // Chan, Golub and LeVeque (1979); the share of an empty set in an empty union counts as nothing.
            let count = op(OpCode::Add, a[0], b[0])?;
            let (total, part) = (builder.cast(count, DType::F64)?, builder.cast(b[0], DType::F64)?);
            let rest = builder.cast(a[0], DType::F64)?;
            let (zero, one) =
                (builder.constant(DType::F64, Scalar::F64(0.0)), builder.constant(DType::F64, Scalar::F64(1.0)));
            let divisor = builder.op(OpCode::Maximum, &[total, one])?;
            let share = builder.op(OpCode::Divide, &[part, divisor])?;
            let difference = builder.op(OpCode::Subtract, &[b[1], a[1]])?;
            let empty = builder.op(OpCode::Equal, &[share, zero])?;
            let shift = builder.op(OpCode::Multiply, &[difference, share])?;
            let shift = builder.op(OpCode::Where, &[empty, zero, shift])?;
            let mean = builder.op(OpCode::Add, &[a[1], shift])?;
            let squares = builder.op(OpCode::Add, &[a[2], b[2]])?;
            let spread = builder.op(OpCode::Multiply, &[difference, shift])?;
            let spread = builder.op(OpCode::Multiply, &[spread, rest])?;
            let alone = builder.op(OpCode::Equal, &[rest, zero])?;
            let either = builder.op(OpCode::BitwiseOr, &[empty, alone])?;
            let spread = builder.op(OpCode::Where, &[either, zero, spread])?;
            let squares = builder.op(OpCode::Add, &[squares, spread])?;
            smallvec![count, mean, squares]
        }
    })
}

/// Merges, elementwise, the partial chunks of several blocks, all of one shape, in the order given.
pub fn combine(kind: ReductionKind, mut partials: Vec<Vec<Chunk>>) -> Result<Vec<Chunk>, KernelError> {
    while partials.len() > WIDTH {
        let mut next = Vec::with_capacity(partials.len().div_ceil(WIDTH));
        let mut rest = partials.into_iter();
        loop {
            let group: Vec<Vec<Chunk>> = rest.by_ref().take(WIDTH).collect();
            if group.is_empty() {
                break;
            }
            next.push(combine(kind, group)?);
        }
        partials = next;
    }
    let Some(first) = partials.first() else {
        return Err(KernelError::Shape { expected: "at least one block to merge".into(), got: "none".into() });
    };
    if partials.len() == 1 {
        return Ok(partials.swap_remove(0));
    }
    let planes = first.len();
    let shape = first.first().map(|chunk| chunk.shape().to_vec()).unwrap_or_default();
    let mut builder = Builder::new();
    let mut accesses = Vec::with_capacity(partials.len() * planes);
    let mut level: Vec<Partial> = Vec::with_capacity(partials.len());
    for partial in partials {
        if partial.len() != planes {
            return Err(KernelError::Shape {
                expected: format!("{planes} partial chunks of each block"),
                got: format!("{} of one", partial.len()),
            });
        }
        let mut registers = Partial::new();
        for chunk in partial {
            registers.push(builder.memory(chunk.dtype()));
            accesses.push(Access::Memory(chunk));
        }
        level.push(registers);
    }
    while level.len() > 1 {
        let mut next = Vec::with_capacity(level.len().div_ceil(2));
        for pair in level.chunks(2) {
            next.push(match pair {
                [a, b] => merged(&mut builder, kind, a, b)?,
                rest => rest[0].clone(),
            });
        }
        level = next;
    }
    for register in level.into_iter().flatten() {
        builder.output(register)?;
    }
    builder.finish().run(&shape, accesses, &AtomicBool::new(false))
}

/// Is there a cell that saw no element at all?
fn has_empty_cell(counts: &Chunk) -> bool {
    if counts.is_empty() {
        return false;
    }
    let zero = |chunk: &Chunk| chunk.as_slice::<i64>().is_some_and(|counts| counts.contains(&0));
    if counts.strides().iter().all(|stride| *stride == 0) {
        return counts.with_layout(&[], &[], counts.offset()).is_some_and(|one| zero(&one));
    }
    zero(counts)
}

/// The result of a reduction from its merged partial chunks.
pub fn finish(
    kind: ReductionKind,
    ending: Ending,
    out_dtype: DType,
    partial: Vec<Chunk>,
) -> Result<Chunk, KernelError> {
    use ReductionKind::{Max, Mean, Min, Moments2, NanMax, NanMean, NanMin, NanMoments2};
    let Some(first) = partial.first() else {
        return Err(KernelError::Shape { expected: "partial chunks".into(), got: "none".into() });
    };
    let shape = first.shape().to_vec();
    if matches!(kind, Min | Max | NanMin | NanMax) && partial.get(1).is_some_and(has_empty_cell) {
        return Err(KernelError::EmptyReduction { operation: kind.name() });
    }
    let used = match kind {
        Mean | NanMean => 0..2,
        Moments2 | NanMoments2 if ending == Ending::Value => 0..2,
        Moments2 | NanMoments2 => 0..3,
        _ => 0..1,
    };
    let Some(used) = partial.get(used) else {
        return Err(KernelError::Shape {
            expected: format!("the partial chunks of {}", kind.name()),
            got: format!("{} chunks", partial.len()),
        });
    };
    let mut builder = Builder::new();
    let registers: Partial = used.iter().map(|chunk| builder.memory(chunk.dtype())).collect();
    let result = match (kind, ending) {
        (Mean | NanMean, _) => {
            let count = builder.cast(registers[1], used[0].dtype())?;
            builder.op(OpCode::Divide, &[registers[0], count])?
        }
        (Moments2 | NanMoments2, Ending::Value) => {
            let nan = builder.constant(DType::F64, Scalar::F64(f64::NAN));
            let zero = builder.constant(DType::I64, Scalar::I64(0));
            let empty = builder.op(OpCode::Equal, &[registers[0], zero])?;
            builder.op(OpCode::Where, &[empty, nan, registers[1]])?
        }
        (Moments2 | NanMoments2, Ending::Variance { ddof } | Ending::Deviation { ddof }) => {
            let count = builder.cast(registers[0], DType::F64)?;
            let (ddof, zero) =
                (builder.constant(DType::F64, Scalar::F64(ddof)), builder.constant(DType::F64, Scalar::F64(0.0)));
            let freedom = builder.op(OpCode::Subtract, &[count, ddof])?;
            let freedom = builder.op(OpCode::Maximum, &[freedom, zero])?;
            let variance = if kind == NanMoments2 {
                // Without freedom NumPy's nanvar is NaN, where var divides by zero.
                let nan = builder.constant(DType::F64, Scalar::F64(f64::NAN));
                let none = builder.op(OpCode::Equal, &[freedom, zero])?;
                let variance = builder.op(OpCode::Divide, &[registers[2], freedom])?;
                builder.op(OpCode::Where, &[none, nan, variance])?
            } else {
                builder.op(OpCode::Divide, &[registers[2], freedom])?
            };
            if matches!(ending, Ending::Deviation { .. }) { builder.op(OpCode::Sqrt, &[variance])? } else { variance }
        }
        _ => registers[0],
    };
    let result = if out_dtype.is_complex() || !builder.dtype(result)?.is_complex() {
        builder.cast(result, out_dtype)?
    } else {
        builder.op(OpCode::Real, &[result]).and_then(|real| builder.cast(real, out_dtype))?
    };
    builder.output(result)?;
    let keep: Vec<Access> = used.iter().cloned().map(Access::Memory).collect();
    drop(partial);
    let mut chunks = builder.finish().run(&shape, keep, &AtomicBool::new(false))?;
    Ok(chunks.swap_remove(0))
}

/// The partial chunks of one chunk reduced over the axes whose bits are set.
pub fn reduce_chunk(kind: ReductionKind, chunk: &Chunk, axes: u32) -> Result<Vec<Chunk>, KernelError> {
    let mut builder = Builder::new();
    let register = builder.memory(chunk.dtype());
    builder.reduce(Reduction { kind, axes }, register)?;
    builder.finish().run(chunk.shape(), vec![Access::Memory(chunk.clone())], &AtomicBool::new(false))
}
