//! `Builder`: collects an expression as a graph of values without duplicates, folding what is constant.
// `unsafe` is allowed here: constants are folded by running the kernels on small buffers.
#![allow(unsafe_code)]

use std::collections::HashMap;

use raskr_base::DType;
use smallvec::SmallVec;

use super::accumulate::Accumulator;
use super::compile;
use super::instruction::{AccumulatorPlan, Code, ReductionPlan};
use super::kernel::{Context, Kernel, LANES, View};
use super::opcode::OpCode;
use super::scalar::{Bits, Scalar};
use super::source::Source;
use super::{Operand, Program, loops};
use crate::error::KernelError;
use crate::reduce::Reduction;

/// A value of a program under construction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Register(pub(super) u32);

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Node {
    Operand(u32),
    Constant(Bits),
    Apply { code: Code, inputs: SmallVec<[Register; 3]> },
}

/// Collects an expression; [`Builder::finish`] compiles it.
#[derive(Default)]
pub struct Builder {
    pub(super) operands: Vec<Operand>,
    pub(super) nodes: Vec<(Node, DType)>,
    known: HashMap<(Node, DType), Register>,
    pub(super) outputs: Vec<Register>,
    pub(super) accumulators: Vec<(AccumulatorPlan, Register)>,
    pub(super) reductions: Vec<ReductionPlan>,
}

impl Builder {
    pub fn new() -> Builder {
        Builder::default()
    }

    /// An operand in memory.
    pub fn memory(&mut self, dtype: DType) -> Register {
        self.operands.push(Operand::Memory(dtype));
        self.add(Node::Operand(self.operands.len() as u32 - 1), dtype)
    }

    /// A virtual operand. A constant source takes an access like any other, which is not looked at.
    pub fn source(&mut self, source: Source) -> Register {
        let dtype = source.dtype();
        let node = match &source {
            Source::Constant { dtype, value } => Node::Constant(value.store(*dtype)),
            _ => Node::Operand(self.operands.len() as u32),
        };
        self.operands.push(Operand::Source(source));
        self.add(node, dtype)
    }

    /// A constant; unlike a constant source it is no operand and takes no access.
    pub fn constant(&mut self, dtype: DType, value: Scalar) -> Register {
        self.add(Node::Constant(value.store(dtype)), dtype)
    }

    /// The element type of a register.
    pub fn dtype(&self, register: Register) -> Result<DType, KernelError> {
        self.nodes.get(register.0 as usize).map(|node| node.1).ok_or(KernelError::UnknownRegister(register.0))
    }

    /// The operand in memory that a register is, when nothing was done to it.
    pub fn operand_of(&self, register: Register) -> Option<usize> {
        let (Node::Operand(index), _) = self.nodes.get(register.0 as usize)? else { return None };
        matches!(self.operands.get(*index as usize)?, Operand::Memory(_)).then_some(*index as usize)
    }

    /// The operation on already promoted inputs.
    pub fn op(&mut self, code: OpCode, inputs: &[Register]) -> Result<Register, KernelError> {
        let dtypes = inputs.iter().map(|input| self.dtype(*input)).collect::<Result<SmallVec<[DType; 3]>, _>>()?;
        self.lower(code, inputs, &dtypes)
            .ok_or_else(|| KernelError::NoLoop { operation: code.name().to_string(), inputs: dtypes.to_vec() })
    }

    /// The register's values as another element type, converted as NumPy's `astype` does.
    pub fn cast(&mut self, register: Register, dtype: DType) -> Result<Register, KernelError> {
        let from = self.dtype(register)?;
        self.convert(register, dtype)
            .ok_or_else(|| KernelError::NoLoop { operation: format!("cast to {dtype}"), inputs: vec![from] })
    }

    /// Asks for the register as a block.
    pub fn output(&mut self, register: Register) -> Result<(), KernelError> {
        self.dtype(register)?;
        self.outputs.push(register);
        Ok(())
    }

    /// Asks for partial accumulators of a reduction of the register.
    pub fn reduce(&mut self, reduction: Reduction, register: Register) -> Result<(), KernelError> {
        let dtype = self.dtype(register)?;
        let plan = self
            .plan_reduction(reduction, register)
            .ok_or_else(|| KernelError::NoLoop { operation: reduction.kind.name().to_string(), inputs: vec![dtype] })?;
        self.reductions.push(plan);
        Ok(())
    }

    /// Compiles what was asked for.
    pub fn finish(self) -> Program {
        compile::compile(self)
    }

    /// A value, or the equal one that exists already.
    fn add(&mut self, node: Node, dtype: DType) -> Register {
        let next = Register(self.nodes.len() as u32);
        let register = *self.known.entry((node.clone(), dtype)).or_insert(next);
        if register == next {
            self.nodes.push((node, dtype));
        }
        register
    }

    /// A value computed by one native loop, or `None` without such a loop.
    pub(super) fn apply(&mut self, code: Code, inputs: &[Register]) -> Option<Register> {
        let dtypes: SmallVec<[DType; 3]> = inputs.iter().map(|input| self.nodes[input.0 as usize].1).collect();
        let (dtype, kernel) = loops::find(code, &dtypes)?;
        let constants: Option<SmallVec<[Bits; 3]>> = inputs.iter().map(|input| self.as_bits(*input)).collect();
        if let Some(constants) = constants
            && let Some(folded) = fold(kernel, &constants, &dtypes, dtype)
        {
            return Some(self.add(Node::Constant(folded), dtype));
        }
        Some(self.add(Node::Apply { code, inputs: inputs.into() }, dtype))
    }

    fn as_bits(&self, register: Register) -> Option<Bits> {
        match self.nodes[register.0 as usize].0 {
            Node::Constant(bits) => Some(bits),
            _ => None,
        }
    }

    /// The register's value when it is a constant.
    pub(super) fn as_constant(&self, register: Register) -> Option<Scalar> {
        self.as_bits(register).map(|bits| bits.load(self.nodes[register.0 as usize].1))
    }

    /// The number of an accumulator that the register feeds.
    pub(super) fn accumulate(&mut self, accumulator: Accumulator, axes: u32, register: Register) -> u32 {
        let wanted = (AccumulatorPlan { accumulator, axes }, register);
        self.accumulators.push(wanted);
        self.accumulators.len() as u32 - 1
    }
}

/// The value of a kernel on constants; `None` when it is an error.
fn fold(kernel: Kernel, constants: &[Bits], dtypes: &[DType], out: DType) -> Option<Bits> {
    let context = Context::new();
    let mut buffers = vec![[0u128; LANES]; constants.len() + 1];
    let (result, inputs) = buffers.split_first_mut()?;
    let views: SmallVec<[View; 3]> = constants
        .iter()
        .zip(dtypes)
        .zip(inputs)
        .map(|((bits, dtype), buffer)| {
            let start = buffer.as_mut_ptr().cast::<u8>();
            // SAFETY: the buffer has 16 bytes for each of LANES elements.
            unsafe { bits.splat(*dtype, start, LANES) };
            View { start, step: 0 }
        })
        .collect();
    let start = result.as_mut_ptr().cast::<u8>();
    // SAFETY: views and output are distinct buffers of LANES elements.
    unsafe { kernel(&context, &views, start, LANES) };
    // SAFETY: the kernel wrote elements of this type.
    (!context.negative_power.get()).then(|| unsafe { Bits::read(out, start) })
}

/// The output type of the native loop for exactly these input types, if there is one.
pub fn has_op(code: OpCode, inputs: &[DType]) -> Option<DType> {
    let mut builder = Builder::new();
    let registers: SmallVec<[Register; 3]> = inputs.iter().map(|dtype| builder.memory(*dtype)).collect();
    let result = builder.lower(code, &registers, inputs)?;
    builder.dtype(result).ok()
}

/// Is there a native conversion between these types?
pub fn has_cast(from: DType, to: DType) -> bool {
    let mut builder = Builder::new();
    let register = builder.memory(from);
    builder.convert(register, to).is_some()
}
