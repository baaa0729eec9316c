//! Fused pairs: rewrites neighbouring operations that have a loop in common.

use raskr_base::DType;
use smallvec::{SmallVec, smallvec};

use super::builder::{Node, Register};
use super::instruction::Code;
use super::opcode::OpCode;

/// Which values are needed, and how often, counting each place that names them.
pub(super) fn count_uses(nodes: &[(Node, DType)], roots: &[Register]) -> Vec<u32> {
    let mut uses = vec![0u32; nodes.len()];
    for root in roots {
        uses[root.0 as usize] += 1;
    }
    // Inputs come before the values made of them, so one backward pass reaches everything.
    for (index, (node, _)) in nodes.iter().enumerate().rev() {
        if uses[index] > 0
            && let Node::Apply { inputs, .. } = node
        {
            for input in inputs {
                uses[input.0 as usize] += 1;
            }
        }
    }
    uses
}

struct Graph<'a> {
    nodes: &'a mut [(Node, DType)],
    uses: Vec<u32>,
}

impl Graph<'_> {
    /// The inputs of a value when it is this operation and used `uses` times in all.
    fn inner(&self, register: Register, wanted: OpCode, uses: u32) -> Option<SmallVec<[Register; 3]>> {
        match &self.nodes[register.0 as usize].0 {
            Node::Apply { code: Code::Op(code), inputs }
                if *code == wanted && self.uses[register.0 as usize] == uses =>
            {
                Some(inputs.clone())
            }
            _ => None,
        }
    }

    /// The base of a square that is used once.
    fn square(&self, register: Register) -> Option<Register> {
        let inputs = self.inner(register, OpCode::Multiply, 1)?;
        (inputs[0] == inputs[1]).then_some(inputs[0])
    }

    fn rewritten(&self, code: OpCode, inputs: &[Register]) -> Option<(Code, SmallVec<[Register; 3]>)> {
        match code {
            OpCode::Add => {
                let (a, b) = (inputs[0], inputs[1]);
                if let (Some(x), Some(y)) = (self.square(a), self.square(b)) {
                    return Some((Code::SquareSum, smallvec![x, y]));
                }
                if let Some(factors) = self.inner(a, OpCode::Multiply, 1) {
                    return Some((Code::MultiplyAdd, smallvec![factors[0], factors[1], b]));
                }
                let factors = self.inner(b, OpCode::Multiply, 1)?;
                Some((Code::MultiplyAdd, smallvec![factors[0], factors[1], a]))
            }
            OpCode::Subtract => {
                let factors = self.inner(inputs[0], OpCode::Multiply, 1)?;
                Some((Code::MultiplySubtract, smallvec![factors[0], factors[1], inputs[1]]))
            }
            OpCode::Divide if inputs[0] != inputs[1] => {
                let terms = self.inner(inputs[0], OpCode::Subtract, 1)?;
                Some((Code::SubtractDivide, smallvec![terms[0], terms[1], inputs[1]]))
            }
            OpCode::Multiply if inputs[0] == inputs[1] => {
                let terms = self.inner(inputs[0], OpCode::Subtract, 2)?;
                Some((Code::SquareDifference, terms))
            }
            OpCode::Multiply => {
                for (sum, factor) in [(inputs[0], inputs[1]), (inputs[1], inputs[0])] {
                    if let Some(terms) = self.inner(sum, OpCode::Add, 1) {
                        return Some((Code::AddMultiply, smallvec![terms[0], terms[1], factor]));
                    }
                    if let Some(terms) = self.inner(sum, OpCode::Subtract, 1) {
                        return Some((Code::SubtractMultiply, smallvec![terms[0], terms[1], factor]));
                    }
                }
                None
            }
            OpCode::Sqrt => match &self.nodes[inputs[0].0 as usize].0 {
                Node::Apply { code: Code::SquareSum, inputs: terms } if self.uses[inputs[0].0 as usize] == 1 => {
                    Some((Code::SquareSumRoot, terms.clone()))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// Rewrites in place; values that are fused into others lose their uses. Results are rounded as before.
pub(super) fn fuse(nodes: &mut [(Node, DType)], roots: &[Register]) {
    let uses = count_uses(nodes, roots);
    let graph = Graph { nodes, uses };
    for index in 0..graph.nodes.len() {
        if graph.uses[index] == 0 || !matches!(graph.nodes[index].1, DType::F32 | DType::F64) {
            continue;
        }
        let Node::Apply { code: Code::Op(code), inputs } = graph.nodes[index].0.clone() else { continue };
        if let Some((code, inputs)) = graph.rewritten(code, &inputs) {
            graph.nodes[index].0 = Node::Apply { code, inputs };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Builder, Scalar};
    use super::*;

    fn codes(builder: &Builder) -> Vec<Code> {
        let roots = builder.outputs.clone();
        let mut nodes = builder.nodes.clone();
        fuse(&mut nodes, &roots);
        let uses = count_uses(&nodes, &roots);
        nodes
            .iter()
            .zip(uses)
            .filter(|(_, uses)| *uses > 0)
            .filter_map(|((node, _), _)| match node {
                Node::Apply { code, .. } => Some(*code),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn root_of_a_sum_of_squares_is_one_loop() {
        let mut builder = Builder::new();
        let (x, y) = (builder.memory(DType::F64), builder.memory(DType::F64));
        let xx = builder.op(OpCode::Multiply, &[x, x]).unwrap();
        let two = builder.constant(DType::F64, Scalar::F64(2.0));
        let yy = builder.op(OpCode::Power, &[y, two]).unwrap();
        let sum = builder.op(OpCode::Add, &[xx, yy]).unwrap();
        let root = builder.op(OpCode::Sqrt, &[sum]).unwrap();
        builder.output(root).unwrap();
        assert_eq!(codes(&builder), [Code::SquareSumRoot]);
    }

    #[test]
    fn values_used_twice_are_not_fused_away() {
        let mut builder = Builder::new();
        let (x, y) = (builder.memory(DType::F32), builder.memory(DType::F32));
        let product = builder.op(OpCode::Multiply, &[x, y]).unwrap();
        let sum = builder.op(OpCode::Add, &[product, x]).unwrap();
        builder.output(product).unwrap();
        builder.output(sum).unwrap();
        assert_eq!(codes(&builder), [Code::Op(OpCode::Multiply), Code::Op(OpCode::Add)]);
    }

    #[test]
    fn squared_difference_is_one_loop() {
        let mut builder = Builder::new();
        let (x, y) = (builder.memory(DType::F64), builder.memory(DType::F64));
        let difference = builder.op(OpCode::Subtract, &[x, y]).unwrap();
        let square = builder.op(OpCode::Square, &[difference]).unwrap();
        builder.output(square).unwrap();
        assert_eq!(codes(&builder), [Code::SquareDifference]);
    }
}
