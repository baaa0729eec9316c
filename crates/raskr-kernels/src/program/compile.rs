//! Compiles a builder's graph: fused pairs, an order of steps that keeps few tiles alive, and slots for their results.

use raskr_base::DType;
use smallvec::SmallVec;

use super::Program;
use super::builder::{Builder, Node, Register};
use super::cost;
use super::fuse::{count_uses, fuse};
use super::instruction::{Step, ValueId};
use super::scalar::Bits;

/// What is asked of a value once it is computed.
enum Want {
    Output(u32),
    Accumulator(u32),
}

struct Scheduler<'a> {
    nodes: &'a [(Node, DType)],
    /// The value that a node became.
    values: Vec<Option<ValueId>>,
    /// How many inputs deep a node is; deeper ones are computed first.
    depths: Vec<u32>,
    constants: Vec<(DType, Bits)>,
    dtypes: Vec<DType>,
    steps: Vec<Step>,
}

impl Scheduler<'_> {
    /// Steps for a root and whatever it still needs. An explicit stack: expressions may be deeper than the machine's.
    fn visit(&mut self, root: Register) -> ValueId {
        let mut stack = vec![(root, false)];
        while let Some((register, ready)) = stack.pop() {
            let index = register.0 as usize;
            if self.values[index].is_some() {
                continue;
            }
            let dtype = self.nodes[index].1;
            match &self.nodes[index].0 {
                Node::Operand(operand) => {
                    self.values[index] = Some(*operand);
                    self.steps.push(Step::Load { operand: *operand, slot: 0 });
                }
                Node::Constant(_) => {}
                Node::Apply { code, inputs } if ready => {
                    let value = self.dtypes.len() as ValueId;
                    self.dtypes.push(dtype);
                    self.values[index] = Some(value);
                    let inputs = inputs.iter().filter_map(|input| self.values[input.0 as usize]).collect();
                    self.steps.push(Step::Compute { code: *code, inputs, value, slot: 0, output: None });
                }
                Node::Apply { inputs, .. } => {
                    stack.push((register, true));
                    let mut order: SmallVec<[Register; 3]> = inputs.clone();
                    order.sort_by_key(|input| self.depths[input.0 as usize]);
                    stack.extend(order.into_iter().map(|input| (input, false)));
                }
            }
        }
        self.values[root.0 as usize].unwrap_or_default()
    }
}

fn depths(nodes: &[(Node, DType)]) -> Vec<u32> {
    let mut depths = vec![0u32; nodes.len()];
    for (index, (node, _)) in nodes.iter().enumerate() {
        if let Node::Apply { inputs, .. } = node {
            depths[index] = 1 + inputs.iter().map(|input| depths[input.0 as usize]).max().unwrap_or(0);
        }
    }
    depths
}

pub(super) fn compile(builder: Builder) -> Program {
    let Builder { operands, mut nodes, outputs, accumulators, reductions, .. } = builder;
    let wants: Vec<(Register, Want)> = accumulators
        .iter()
        .enumerate()
        .map(|(index, (_, register))| (*register, Want::Accumulator(index as u32)))
        .chain(outputs.iter().enumerate().map(|(index, register)| (*register, Want::Output(index as u32))))
        .collect();
    let roots: Vec<Register> = wants.iter().map(|want| want.0).collect();
    fuse(&mut nodes, &roots);
    let uses = count_uses(&nodes, &roots);

    // Values are numbered: operands, then the constants that are used, then results.
    let mut dtypes: Vec<DType> = operands.iter().map(super::Operand::dtype).collect();
    let mut values = vec![None; nodes.len()];
    let mut constants = Vec::new();
    for (index, (node, dtype)) in nodes.iter().enumerate() {
        if let Node::Constant(bits) = node
            && uses[index] > 0
        {
            values[index] = Some(dtypes.len() as ValueId);
            dtypes.push(*dtype);
            constants.push((*dtype, *bits));
        }
    }
    let depths = depths(&nodes);
    let mut scheduler = Scheduler { nodes: &nodes, values, depths, constants, dtypes, steps: Vec::new() };
    for (register, want) in &wants {
        let value = scheduler.visit(*register);
        match want {
            Want::Accumulator(accumulator) => {
                scheduler.steps.push(Step::Accumulate { value, accumulator: *accumulator });
            }
            Want::Output(output) => {
                let computed = scheduler.steps.iter_mut().find_map(|step| match step {
                    Step::Compute { value: made, output, .. } if *made == value => Some(output),
                    _ => None,
                });
                match computed {
                    Some(direct @ None) => *direct = Some(*output),
                    _ => scheduler.steps.push(Step::Store { value, output: *output }),
                }
            }
        }
    }
    let Scheduler { constants, dtypes, mut steps, .. } = scheduler;
    let slots = allocate(&mut steps, dtypes.len());
    let output_dtypes = outputs.iter().map(|register| nodes[register.0 as usize].1).collect();
    let mut program = Program {
        operands,
        constants,
        dtypes,
        steps,
        slots,
        outputs: output_dtypes,
        accumulators: accumulators.into_iter().map(|(plan, _)| plan).collect(),
        reductions,
        cost_ns: 0.0,
    };
    program.cost_ns = cost::estimate(&program);
    program
}

/// Gives each loaded or computed value a slot that no value alive at the same time has; yields how many there are.
fn allocate(steps: &mut [Step], values: usize) -> u32 {
    let mut last_use = vec![0usize; values];
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Compute { inputs, .. } => inputs.iter().for_each(|input| last_use[*input as usize] = index),
            Step::Store { value, .. } | Step::Accumulate { value, .. } => last_use[*value as usize] = index,
            Step::Load { .. } => {}
        }
    }
    let mut slot_of: Vec<Option<u32>> = vec![None; values];
    let mut free: Vec<u32> = Vec::new();
    let mut slots = 0u32;
    for (index, step) in steps.iter_mut().enumerate() {
        let mut take = |value: ValueId| {
            let slot = free.pop().unwrap_or_else(|| {
                slots += 1;
                slots - 1
            });
            slot_of[value as usize] = Some(slot);
            slot
        };
        let used: SmallVec<[ValueId; 3]> = match step {
            Step::Load { operand, slot } => {
                *slot = take(*operand);
                SmallVec::new()
            }
            Step::Compute { inputs, value, slot, .. } => {
                // The result's slot is taken before the inputs' are free: loops must not overlap them.
                *slot = take(*value);
                inputs.clone()
            }
            Step::Store { value, .. } | Step::Accumulate { value, .. } => SmallVec::from_slice(&[*value]),
        };
        for value in used {
            if last_use[value as usize] == index
                && let Some(slot) = slot_of[value as usize].take()
            {
                free.push(slot);
            }
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::super::{OpCode, Scalar};
    use super::*;

    #[test]
    fn a_long_chain_needs_two_slots() {
        let mut builder = Builder::new();
        let mut x = builder.memory(DType::F64);
        for i in 0..50 {
            let constant = builder.constant(DType::F64, Scalar::F64(f64::from(i) + 0.5));
            x = builder.op(OpCode::Divide, &[x, constant]).unwrap();
        }
        builder.output(x).unwrap();
        assert_eq!(builder.finish().slots, 2);
    }

    #[test]
    fn equal_expressions_are_computed_once() {
        let mut builder = Builder::new();
        let x = builder.memory(DType::F64);
        let a = builder.op(OpCode::Exp, &[x]).unwrap();
        let b = builder.op(OpCode::Exp, &[x]).unwrap();
        let sum = builder.op(OpCode::Add, &[a, b]).unwrap();
        builder.output(sum).unwrap();
        let program = builder.finish();
        let computed = program.steps.iter().filter(|step| matches!(step, Step::Compute { .. })).count();
        assert_eq!(computed, 2);
    }

    #[test]
    fn constants_are_folded() {
        let mut builder = Builder::new();
        let x = builder.memory(DType::F64);
        let (a, b) = (builder.constant(DType::I64, Scalar::I64(3)), builder.constant(DType::I64, Scalar::I64(4)));
        let product = builder.op(OpCode::Multiply, &[a, b]).unwrap();
        let factor = builder.cast(product, DType::F64).unwrap();
        let result = builder.op(OpCode::Multiply, &[x, factor]).unwrap();
        builder.output(result).unwrap();
        let program = builder.finish();
        assert_eq!(program.constants.len(), 1);
        assert_eq!(program.constants[0].1.load(DType::F64), Scalar::F64(12.0));
    }
}
