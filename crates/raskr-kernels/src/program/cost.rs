//! Estimates of what a program costs by element, for those who plan work.

use super::instruction::{Code, Step};
use super::opcode::OpCode;
use super::{Operand, Program};

/// Nanoseconds for a simple operation on eight bytes, in the cache.
const SIMPLE_NS: f64 = 0.1;
/// Nanoseconds to move eight bytes between memory and a tile.
const MEMORY_NS: f64 = 0.5;

fn operation_ns(code: OpCode, float: bool) -> f64 {
    match code {
        OpCode::Divide | OpCode::Reciprocal | OpCode::Sqrt => 0.7,
        OpCode::Exp | OpCode::Exp2 | OpCode::Expm1 | OpCode::Log | OpCode::Log2 | OpCode::Log10 | OpCode::Log1p => 1.5,
        OpCode::Sin | OpCode::Cos | OpCode::Tanh => 2.0,
        OpCode::Power | OpCode::FloatPower | OpCode::Logaddexp if float => 4.0,
        OpCode::FloorDivide | OpCode::Remainder | OpCode::Fmod | OpCode::Power => 5.0,
        OpCode::Tan
        | OpCode::Arcsin
        | OpCode::Arccos
        | OpCode::Arctan
        | OpCode::Arctan2
        | OpCode::Sinh
        | OpCode::Cosh
        | OpCode::Arcsinh
        | OpCode::Arccosh
        | OpCode::Arctanh
        | OpCode::Cbrt
        | OpCode::Hypot
        | OpCode::Logaddexp2
        | OpCode::Nextafter
        | OpCode::Ldexp => 12.0,
        OpCode::Gcd | OpCode::Lcm => 50.0,
        _ => SIMPLE_NS,
    }
}

pub(super) fn estimate(program: &Program) -> f64 {
    let words = |dtype: raskr_base::DType| dtype.itemsize() as f64 / 8.0;
    let operands: f64 = program
        .operands
        .iter()
        .map(|operand| match operand {
            Operand::Memory(dtype) => MEMORY_NS * words(*dtype),
            Operand::Source(source) => source.cost_ns(),
        })
        .sum();
    let steps: f64 = program
        .steps
        .iter()
        .map(|step| match step {
            Step::Compute { code: Code::Op(code), value, .. } => {
                let dtype = program.dtypes[*value as usize];
                operation_ns(*code, dtype.is_float()) * words(dtype).max(0.125)
            }
            Step::Compute { code: Code::SquareSumRoot | Code::SubtractDivide, .. } => 0.8,
            Step::Compute { value, .. } => SIMPLE_NS * words(program.dtypes[*value as usize]),
            Step::Store { .. } | Step::Load { .. } => 0.0,
            Step::Accumulate { .. } => SIMPLE_NS,
        })
        .sum();
    let outputs: f64 = program.outputs.iter().map(|dtype| MEMORY_NS * words(*dtype)).sum();
    operands + steps + outputs
}
