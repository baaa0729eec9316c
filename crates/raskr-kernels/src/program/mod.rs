//! Tile programs: elementwise expressions, sources and partial reductions, run in one pass over cache-sized tiles.
//!
//! A [`Builder`] collects an expression without duplicates, [`Builder::finish`] compiles it to a short list of steps (load
//! an operand's tile, run one monomorphic loop, store, accumulate), and [`Program::run`] walks a region tile by tile with
//! buffers that live per thread. Knows element types, strides and NumPy's rules. Does not know chunks' neighbours, tasks
//! or threads. Invariant: results depend on the region and on how operands lie in memory only.
//! Tested beside each module, and against a naive model in `tests/`.

mod accumulate;
mod builder;
mod compile;
mod cost;
mod fuse;
mod instruction;
mod kernel;
mod layout;
mod loops;
mod lower;
mod opcode;
mod operand;
mod partials;
mod run;
mod scalar;
mod source;

use std::sync::atomic::AtomicBool;

use raskr_base::{Chunk, DType};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use self::builder::{Builder, Register, has_cast, has_op};
pub use self::opcode::OpCode;
pub use self::scalar::Scalar;
pub use self::source::Source;
pub use crate::reduce::{Reduction, ReductionKind};

use self::instruction::{AccumulatorPlan, ReductionPlan, Step};
use self::scalar::Bits;
use crate::error::KernelError;

/// An operand of a program, in order of creation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Operand {
    Memory(DType),
    Source(Source),
}

impl Operand {
    pub fn dtype(&self) -> DType {
        match self {
            Operand::Memory(dtype) => *dtype,
            Operand::Source(source) => source.dtype(),
        }
    }
}

/// Where an operand's elements are for one region.
#[derive(Clone, Debug)]
pub enum Access {
    /// A chunk of exactly the region's shape; stride 0 broadcasts.
    Memory(Chunk),
    /// The linear index of element (i, j, ..) is `base + i * strides[0] + j * strides[1] + ..`.
    Virtual { base: i64, strides: SmallVec<[i64; 4]> },
}

/// A compiled program: what to read, what to compute, what to yield.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    operands: Vec<Operand>,
    constants: Vec<(DType, Bits)>,
    /// The type of each value: operands, constants, results.
    dtypes: Vec<DType>,
    steps: Vec<Step>,
    slots: u32,
    outputs: Vec<DType>,
    accumulators: Vec<AccumulatorPlan>,
    reductions: Vec<ReductionPlan>,
    cost_ns: f64,
}

impl Program {
    pub fn operands(&self) -> &[Operand] {
        &self.operands
    }

    /// The element types of the outputs.
    pub fn outputs(&self) -> &[DType] {
        &self.outputs
    }

    /// The reductions, in the order of their partial chunks.
    pub fn reductions(&self) -> impl Iterator<Item = Reduction> + '_ {
        self.reductions.iter().map(|plan| plan.reduction)
    }

    /// Estimated nanoseconds per element of the region on one thread.
    pub fn cost_ns(&self) -> f64 {
        self.cost_ns
    }

    /// Runs the program over a region, one access per operand. Yields the outputs (each of the region's shape,
    /// contiguous), then each reduction's partial chunks ([`ReductionKind::partial_dtypes`] says which), all in order of
    /// creation. Accesses are taken by value so that a chunk whose last owner is the access may become an output's memory.
    pub fn run(
        &self,
        region: &[usize],
        accesses: Vec<Access>,
        cancelled: &AtomicBool,
    ) -> Result<Vec<Chunk>, KernelError> {
        run::run(self, region, accesses, cancelled)
    }
}
