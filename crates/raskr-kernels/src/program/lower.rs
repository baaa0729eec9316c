//! What operations are made of where no single loop computes them: half floats by way of single ones, comparisons by
//! their mirror image, mathematical functions of integers by way of floats, and reductions by accumulators.

use raskr_base::DType;
use smallvec::SmallVec;

use super::accumulate::Accumulator;
use super::builder::{Builder, Node, Register};
use super::instruction::{Code, ReductionPlan};
use super::opcode::OpCode;
use super::scalar::Scalar;
use crate::reduce::{Reduction, ReductionKind};

/// Constants of a choice up to this size add up exactly in a double.
const EXACT_CHOICE: f64 = 1048576.0;

impl Builder {
    /// The operation on registers of these types, or `None` without a native loop.
    pub(super) fn lower(&mut self, code: OpCode, inputs: &[Register], dtypes: &[DType]) -> Option<Register> {
        if inputs.len() != code.arity() {
            return None;
        }
        if let Some(short) = self.shortcut(code, inputs, dtypes) {
            return Some(short);
        }
        if let Some(direct) = self.apply(Code::Op(code), inputs) {
            return Some(direct);
        }
        if dtypes.contains(&DType::F16) {
            return self.lower_half(code, inputs, dtypes);
        }
        let first = dtypes[0];
        let same = dtypes.iter().all(|dtype| *dtype == first);
        let exact = first.is_integer() || first == DType::Bool;
        match code {
            OpCode::Greater => self.lower(OpCode::Less, &[inputs[1], inputs[0]], &[dtypes[1], first]),
            OpCode::GreaterEqual => self.lower(OpCode::LessEqual, &[inputs[1], inputs[0]], &[dtypes[1], first]),
            OpCode::NotEqual if first.is_complex() => {
                let equal = self.apply(Code::Op(OpCode::Equal), inputs)?;
                self.apply(Code::Op(OpCode::Invert), &[equal])
            }
            OpCode::LogicalAnd | OpCode::LogicalOr | OpCode::LogicalXor | OpCode::LogicalNot => {
                if dtypes.iter().any(|dtype| dtype.is_time()) {
                    return None;
                }
                let truths = inputs
                    .iter()
                    .map(|input| self.convert(*input, DType::Bool))
                    .collect::<Option<SmallVec<[Register; 2]>>>()?;
                let bitwise = match code {
                    OpCode::LogicalAnd => OpCode::BitwiseAnd,
                    OpCode::LogicalOr => OpCode::BitwiseOr,
                    OpCode::LogicalXor => OpCode::BitwiseXor,
                    _ => OpCode::Invert,
                };
                self.apply(Code::Op(bitwise), &truths)
            }
            OpCode::Add if same && first == DType::Bool => self.apply(Code::Op(OpCode::BitwiseOr), inputs),
            OpCode::Multiply if same && first == DType::Bool => self.apply(Code::Op(OpCode::BitwiseAnd), inputs),
            OpCode::Divide if same && exact => {
                let (x, y) = (self.convert(inputs[0], DType::F64)?, self.convert(inputs[1], DType::F64)?);
                self.apply(Code::Op(OpCode::Divide), &[x, y])
            }
            OpCode::FloatPower if same && matches!(first, DType::F64) => self.lower(OpCode::Power, inputs, dtypes),
            OpCode::Square if !first.is_time() && first != DType::Bool => {
                self.lower(OpCode::Multiply, &[inputs[0], inputs[0]], &[first, first])
            }
            OpCode::Clip if same => {
                let raised = self.apply(Code::Op(OpCode::Maximum), &[inputs[0], inputs[1]])?;
                self.apply(Code::Op(OpCode::Minimum), &[raised, inputs[2]])
            }
            OpCode::Degrees if first.is_float() => self.scale(inputs[0], first, 180.0 / std::f64::consts::PI),
            OpCode::Radians if first.is_float() => self.scale(inputs[0], first, std::f64::consts::PI / 180.0),
            OpCode::Angle if first.is_float() => {
                let zero = self.constant(first, Scalar::F64(0.0));
                self.apply(Code::Op(OpCode::Arctan2), &[zero, inputs[0]])
            }
            OpCode::Angle if exact && first.itemsize() >= 4 => {
                let float = self.convert(inputs[0], DType::F64)?;
                self.lower(OpCode::Angle, &[float], &[DType::F64])
            }
            OpCode::Imag if first.is_float() || exact => Some(self.constant(first, Scalar::I64(0))),
            OpCode::IsNan | OpCode::IsInf if exact => Some(self.constant(DType::Bool, Scalar::Bool(false))),
            OpCode::IsFinite if exact => Some(self.constant(DType::Bool, Scalar::Bool(true))),
            OpCode::IsInf if first.is_time() => Some(self.constant(DType::Bool, Scalar::Bool(false))),
            _ => None,
        }
    }

    /// Operations that leave their input as it is, and powers by a constant that are products.
    fn shortcut(&mut self, code: OpCode, inputs: &[Register], dtypes: &[DType]) -> Option<Register> {
        let (x, dtype) = (inputs[0], dtypes[0]);
        let exact = dtype.is_integer() || dtype == DType::Bool;
        match code {
            OpCode::Positive if dtype != DType::Bool && !matches!(dtype, DType::DateTime(_)) => Some(x),
            OpCode::Real if !dtype.is_complex() && !dtype.is_time() => Some(x),
            OpCode::Conjugate if dtype.is_float() || dtype.is_integer() => Some(x),
            OpCode::Absolute if dtype.is_unsigned_integer() || dtype == DType::Bool => Some(x),
            OpCode::Floor | OpCode::Ceil | OpCode::Trunc if exact => Some(x),
            OpCode::Power | OpCode::FloatPower if dtypes[1] == dtype && (dtype.is_float() || dtype.is_integer()) => {
                if code == OpCode::FloatPower && dtype != DType::F64 {
                    return None;
                }
                let exponent = self.as_constant(inputs[1])?.as_f64();
                let square = |builder: &mut Builder, x| builder.lower(OpCode::Multiply, &[x, x], &[dtype, dtype]);
                match exponent {
                    1.0 => Some(x),
                    2.0 => square(self, x),
                    3.0 if dtype != DType::F16 => {
                        let squared = square(self, x)?;
                        self.apply(Code::Op(OpCode::Multiply), &[squared, x])
                    }
                    4.0 if dtype != DType::F16 => {
                        let squared = square(self, x)?;
                        square(self, squared)
                    }
                    0.5 => self.lower(OpCode::Sqrt, &[x], &[dtype]),
                    -1.0 if dtype.is_float() => self.lower(OpCode::Reciprocal, &[x], &[dtype]),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Half floats are computed as single ones and rounded after each operation.
    fn lower_half(&mut self, code: OpCode, inputs: &[Register], dtypes: &[DType]) -> Option<Register> {
        if code == OpCode::Nextafter {
            return None;
        }
        let mut wide_inputs = SmallVec::<[Register; 3]>::new();
        let mut wide_dtypes = SmallVec::<[DType; 3]>::new();
        for (input, dtype) in inputs.iter().zip(dtypes) {
            let half = *dtype == DType::F16;
            wide_inputs.push(if half { self.convert(*input, DType::F32)? } else { *input });
            wide_dtypes.push(if half { DType::F32 } else { *dtype });
        }
        let result = self.lower(code, &wide_inputs, &wide_dtypes)?;
        if self.dtype(result).ok()? == DType::F32 { self.convert(result, DType::F16) } else { Some(result) }
    }

    fn scale(&mut self, x: Register, dtype: DType, factor: f64) -> Option<Register> {
        let factor = self.constant(dtype, Scalar::F64(factor));
        self.apply(Code::Op(OpCode::Multiply), &[x, factor])
    }

    /// A conversion in as many steps as it takes, or `None` when NumPy's rules need more than numbers.
    pub(super) fn convert(&mut self, register: Register, to: DType) -> Option<Register> {
        let from = self.dtype(register).ok()?;
        if from == to {
            return Some(register);
        }
        // Between dates, durations and their counts only the integer itself is native: units, truth and floats of
        // not-a-time are NumPy's.
        if from.is_time() || to.is_time() {
            let counts = |dtype: DType| dtype.is_time() || matches!(dtype, DType::I64);
            let same_unit = !(from.is_time() && to.is_time());
            if !counts(from) || !counts(to) || !same_unit {
                return None;
            }
        }
        if let Some(direct) = self.apply(Code::Cast(to), &[register]) {
            return Some(direct);
        }
        let between = match (from, to) {
            (DType::F16, _) => DType::F32,
            (DType::C64, DType::F64 | DType::F16) => DType::F32,
            (DType::C64, _) if !to.is_complex() => DType::F32,
            (DType::C128, _) if !to.is_complex() => DType::F64,
            (_, DType::C64) => DType::F32,
            (_, DType::C128) => DType::F64,
            (_, DType::F16) => DType::F32,
            _ => return None,
        };
        if between == from {
            return None;
        }
        let step = self.apply(Code::Cast(between), &[register])?;
        self.convert(step, to)
    }

    /// The accumulators of a reduction and what it yields, or `None` without native ones for the register's type.
    pub(super) fn plan_reduction(&mut self, reduction: Reduction, register: Register) -> Option<ReductionPlan> {
        let Reduction { kind, axes } = reduction;
        let dtype = self.dtype(register).ok()?;
        let dtypes = kind.partial_dtypes(dtype)?;
        let inexact = dtype.is_float() || dtype.is_complex();
        let mut choice = None;
        let accumulator = match kind {
            ReductionKind::Any | ReductionKind::All | ReductionKind::CountNonzero => {
                let truths = self.convert(register, DType::Bool)?;
                self.accumulate(Accumulator::Count, axes, truths)
            }
            ReductionKind::Min | ReductionKind::Max | ReductionKind::NanMin | ReductionKind::NanMax => {
                let values = self.convert(register, dtypes[0])?;
                let accumulator = match kind {
                    ReductionKind::Min => Accumulator::Min(dtypes[0]),
                    ReductionKind::Max => Accumulator::Max(dtypes[0]),
                    ReductionKind::NanMin => Accumulator::NanMin(dtypes[0]),
                    _ => Accumulator::NanMax(dtypes[0]),
                };
                self.accumulate(accumulator, axes, values)
            }
            ReductionKind::Moments2 | ReductionKind::NanMoments2 => {
                let values = self.convert(register, DType::F64)?;
                let nan = kind == ReductionKind::NanMoments2 && inexact;
                let accumulator = if nan { Accumulator::NanMoments } else { Accumulator::Moments };
                self.accumulate(accumulator, axes, values)
            }
            ReductionKind::Sum | ReductionKind::Mean | ReductionKind::NanSum | ReductionKind::NanMean => {
                if let Some((mask, if_false, if_true)) = self.as_choice(register) {
                    choice = Some((if_false, if_true));
                    self.accumulate(Accumulator::Count, axes, mask)
                } else {
                    let wide = dtypes[0];
                    let mut values = self.convert(register, wide)?;
                    if matches!(kind, ReductionKind::NanSum | ReductionKind::NanMean) && inexact {
                        values = self.apply(Code::NanAsZero, &[values])?;
                    }
                    let accumulator = match wide {
                        DType::F64 => Accumulator::SumF64,
                        DType::C128 => Accumulator::SumC128,
                        _ => Accumulator::SumI64,
                    };
                    self.accumulate(accumulator, axes, values)
                }
            }
            ReductionKind::Prod | ReductionKind::NanProd => {
                let wide = dtypes[0];
                let mut values = self.convert(register, wide)?;
                if kind == ReductionKind::NanProd && inexact {
                    values = self.apply(Code::NanAsOne, &[values])?;
                }
                let accumulator = match wide {
                    DType::F64 => Accumulator::ProdF64,
                    DType::C128 => Accumulator::ProdC128,
                    _ => Accumulator::ProdI64,
                };
                self.accumulate(accumulator, axes, values)
            }
        };
        let counted = kind == ReductionKind::NanMean && inexact;
        if counted {
            let nan = self.lower(OpCode::IsNan, &[register], &[dtype])?;
            let present = self.apply(Code::Op(OpCode::Invert), &[nan])?;
            self.accumulate(Accumulator::Count, axes, present);
        }
        Some(ReductionPlan { reduction, dtypes, accumulator, counted, choice })
    }

    /// A register that is one of two numbers by a mask: the mask and the numbers for false and true.
    fn as_choice(&self, register: Register) -> Option<(Register, Scalar, Scalar)> {
        let (node, dtype) = &self.nodes[register.0 as usize];
        if *dtype == DType::Bool {
            return Some((register, Scalar::I64(0), Scalar::I64(1)));
        }
        let Node::Apply { code, inputs } = node else { return None };
        match code {
            Code::Cast(to) if to.is_integer() || to.is_float() => {
                let (mask, if_false, if_true) = self.as_choice(inputs[0])?;
                let exact = |value: Scalar| value.store(*to).load(*to).as_f64() == value.as_f64();
                (exact(if_false) && exact(if_true)).then_some((mask, if_false, if_true))
            }
            Code::Op(OpCode::Where) if dtype.is_integer() || dtype.is_float() => {
                let (if_true, if_false) = (self.as_constant(inputs[1])?, self.as_constant(inputs[2])?);
                let small = |value: f64| value.fract() == 0.0 && value.abs() <= EXACT_CHOICE;
                if !small(if_true.as_f64()) || !small(if_false.as_f64()) {
                    return None;
                }
                Some((inputs[0], Scalar::I64(if_false.as_i64()), Scalar::I64(if_true.as_i64())))
            }
            _ => None,
        }
    }
}
