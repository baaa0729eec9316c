//! The instructions of a compiled program and what they refer to.

use raskr_base::DType;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::accumulate::Accumulator;
use super::opcode::OpCode;
use super::scalar::Scalar;
use crate::reduce::Reduction;

/// What one loop computes: an operation, or a fused group of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Code {
    Op(OpCode),
    Cast(DType),
    /// x * y + z
    MultiplyAdd,
    /// x * y - z
    MultiplySubtract,
    /// (x + y) * z
    AddMultiply,
    /// (x - y) * z
    SubtractMultiply,
    /// (x - y) / z
    SubtractDivide,
    /// x * x + y * y
    SquareSum,
    /// sqrt(x * x + y * y)
    SquareSumRoot,
    /// (x - y) * (x - y)
    SquareDifference,
    /// NaN becomes 0.
    NanAsZero,
    /// NaN becomes 1.
    NanAsOne,
}

/// A value of the program: operands first, then constants, then results of instructions.
pub(crate) type ValueId = u32;

/// One step of a program, in the order they run within a tile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Makes the tile of an operand available, in the slot unless it can be read where it lies.
    Load { operand: u32, slot: u32 },
    Compute {
        code: Code,
        inputs: SmallVec<[ValueId; 3]>,
        value: ValueId,
        slot: u32,
        /// The output that the result may be written to at once.
        output: Option<u32>,
    },
    /// Copies a value into an output.
    Store { value: ValueId, output: u32 },
    /// Adds a value to an accumulator.
    Accumulate { value: ValueId, accumulator: u32 },
}

/// An accumulator of a reduction: one state per kept cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccumulatorPlan {
    pub accumulator: Accumulator,
    /// The axes that are reduced.
    pub axes: u32,
}

/// How a reduction's partial chunks come from accumulators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReductionPlan {
    pub reduction: Reduction,
    /// The partial chunks' types.
    pub dtypes: SmallVec<[DType; 3]>,
    /// Index of the first accumulator.
    pub accumulator: u32,
    /// Does the next accumulator count the elements of each cell?
    pub counted: bool,
    /// For sums of a choice between two constants: what a false and a true element add.
    pub choice: Option<(Scalar, Scalar)>,
}
