//! Tile programs: elementwise expressions, sources and partial reductions, run in one pass over cache-sized tiles.

mod opcode;
mod scalar;
mod source;

use std::sync::atomic::AtomicBool;

use raskr_base::{Chunk, DType};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use crate::reduce::{Reduction, ReductionKind};
pub use opcode::OpCode;
pub use scalar::Scalar;
pub use source::Source;

use crate::error::KernelError;

/// A value of a program under construction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Register(u32);

/// An operand of a program, in order of creation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Operand {
    Memory(DType),
    Source(Source),
}

/// Where an operand's elements are for one region.
#[derive(Clone, Debug)]
pub enum Access {
    /// A chunk of exactly the region's shape; stride 0 broadcasts.
    Memory(Chunk),
    /// The linear index of element (i, j, ..) is `base + i * strides[0] + j * strides[1] + ..`.
    Virtual { base: i64, strides: SmallVec<[i64; 4]> },
}

/// Collects an expression; [`Builder::finish`] compiles it.
#[derive(Default)]
pub struct Builder {
    operands: Vec<Operand>,
}

impl Builder {
    pub fn new() -> Builder {
        Builder::default()
    }

    /// An operand in memory.
    pub fn memory(&mut self, dtype: DType) -> Register {
        self.operands.push(Operand::Memory(dtype));
        Register(self.operands.len() as u32 - 1)
    }

    /// A virtual operand.
    pub fn source(&mut self, source: Source) -> Register {
        self.operands.push(Operand::Source(source));
        Register(self.operands.len() as u32 - 1)
    }

    /// A constant; unlike a constant source it is no operand and takes no access.
    pub fn constant(&mut self, dtype: DType, value: Scalar) -> Register {
        let _ = (dtype, value);
        Register(0)
    }

    /// The element type of a register.
    pub fn dtype(&self, register: Register) -> Result<DType, KernelError> {
        Err(KernelError::UnknownRegister(register.0))
    }

    /// The operation on already promoted inputs.
    pub fn op(&mut self, code: OpCode, inputs: &[Register]) -> Result<Register, KernelError> {
        let _ = inputs;
        Err(KernelError::NoLoop { operation: code.name().to_string(), inputs: Vec::new() })
    }

    /// The register's values as another element type, converted as NumPy's `astype` does.
    pub fn cast(&mut self, register: Register, dtype: DType) -> Result<Register, KernelError> {
        let _ = dtype;
        Err(KernelError::UnknownRegister(register.0))
    }

    /// Asks for the register as a block.
    pub fn output(&mut self, register: Register) -> Result<(), KernelError> {
        Err(KernelError::UnknownRegister(register.0))
    }

    /// Asks for partial accumulators of a reduction of the register.
    pub fn reduce(&mut self, reduction: Reduction, register: Register) -> Result<(), KernelError> {
        let _ = reduction;
        Err(KernelError::UnknownRegister(register.0))
    }

    pub fn finish(self) -> Program {
        Program { operands: self.operands }
    }
}

/// A compiled program: what to read, what to compute, what to yield.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Program {
    operands: Vec<Operand>,
}

impl Program {
    pub fn operands(&self) -> &[Operand] {
        &self.operands
    }

    /// Estimated nanoseconds per element of the region on one thread.
    pub fn cost_ns(&self) -> f64 {
        0.0
    }

    /// Runs the program over a region, one access per operand. Yields the outputs (each of the region's shape,
    /// contiguous), then each reduction's partial chunks ([`Reduction::partial_dtypes`] of them), all in order of creation.
    /// The accesses are taken by value so that a chunk whose last owner is the access may be overwritten by an output.
    pub fn run(
        &self,
        region: &[usize],
        accesses: Vec<Access>,
        cancelled: &AtomicBool,
    ) -> Result<Vec<Chunk>, KernelError> {
        let _ = (region, cancelled);
        Err(KernelError::OperandCount { expected: self.operands.len(), got: accesses.len() })
    }
}

/// The output type of the native loop for exactly these input types, if there is one.
pub fn has_op(code: OpCode, inputs: &[DType]) -> Option<DType> {
    let _ = (code, inputs);
    None
}

/// Is there a native conversion between these types?
pub fn has_cast(from: DType, to: DType) -> bool {
    from == to
}
