//! The table of native loops: which kernel computes an operation on which element types.

mod arithmetic;
mod cast;
mod compare;
mod complex;
mod elementary;
mod fused;
mod integer;
mod time;

use raskr_base::DType;

use super::instruction::Code;
use super::kernel::Kernel;
use super::opcode::OpCode;

/// The kernel for exactly these input types and the type it yields.
pub(crate) fn find(code: Code, inputs: &[DType]) -> Option<(DType, Kernel)> {
    match code {
        Code::Op(code) => find_op(code, inputs),
        Code::Cast(to) => cast::find(*inputs.first()?, to).map(|kernel| (to, kernel)),
        _ => {
            let dtype = *inputs.first()?;
            inputs.iter().all(|d| *d == dtype).then_some(())?;
            fused::find(code, dtype).map(|kernel| (dtype, kernel))
        }
    }
}

fn find_op(code: OpCode, inputs: &[DType]) -> Option<(DType, Kernel)> {
    if inputs.len() != code.arity() {
        return None;
    }
    match (code, inputs) {
        (OpCode::Where, [DType::Bool, x, y]) => {
            return (x == y).then(|| (*x, compare::find_choice(*x)));
        }
        (OpCode::Ldexp, [float, integer]) => {
            return elementary::find_ldexp(*float, *integer).map(|kernel| (*float, kernel));
        }
        _ => {}
    }
    if inputs.iter().any(|dtype| dtype.is_time()) {
        return time::find(code, inputs);
    }
    let dtype = *inputs.first()?;
    if inputs.iter().any(|other| *other != dtype) {
        return None;
    }
    if dtype.is_complex() {
        let real = if dtype == DType::C64 { DType::F32 } else { DType::F64 };
        return complex::find(code, dtype)
            .map(|kernel| (dtype, kernel))
            .or_else(|| complex::find_real(code, dtype).map(|kernel| (real, kernel)))
            .or_else(|| complex::find_predicate(code, dtype).map(|kernel| (DType::Bool, kernel)));
    }
    arithmetic::find(code, dtype)
        .or_else(|| integer::find(code, dtype))
        .or_else(|| compare::find_extremum(code, dtype))
        .or_else(|| elementary::find(code, dtype))
        .map(|kernel| (dtype, kernel))
        .or_else(|| compare::find_predicate(code, dtype).map(|kernel| (DType::Bool, kernel)))
}
