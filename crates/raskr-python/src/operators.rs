//! Python's operators on lazy values.

use std::sync::Arc;

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use raskr_graph::{Call, Input};
use smallvec::SmallVec;

use crate::call::{Callee, Function, Identity, PyCall};
use crate::delayed::Delayed;
use crate::node::current_annotations;
use crate::origin::Origin;
use crate::template::Scan;

/// The operators, in the order of [`NAMES`].
#[derive(Clone, Copy)]
pub enum Operator {
    GetAttr,
    GetItem,
    Abs,
    Neg,
    Pos,
    Invert,
    Add,
    Sub,
    Mul,
    Matmul,
    TrueDiv,
    FloorDiv,
    Mod,
    DivMod,
    Pow,
    And,
    Or,
    Xor,
    LShift,
    RShift,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// The module and the name of each operator's function.
const NAMES: [(&str, &str); 26] = [
    ("builtins", "getattr"),
    ("operator", "getitem"),
    ("operator", "abs"),
    ("operator", "neg"),
    ("operator", "pos"),
    ("operator", "invert"),
    ("operator", "add"),
    ("operator", "sub"),
    ("operator", "mul"),
    ("operator", "matmul"),
    ("operator", "truediv"),
    ("operator", "floordiv"),
    ("operator", "mod"),
    ("builtins", "divmod"),
    ("builtins", "pow"),
    ("operator", "and_"),
    ("operator", "or_"),
    ("operator", "xor"),
    ("operator", "lshift"),
    ("operator", "rshift"),
    ("operator", "eq"),
    ("operator", "ne"),
    ("operator", "lt"),
    ("operator", "le"),
    ("operator", "gt"),
    ("operator", "ge"),
];

static FUNCTIONS: PyOnceLock<Vec<Arc<Function>>> = PyOnceLock::new();

/// The function of an operator, shared by all its calls.
pub fn function(py: Python<'_>, operator: Operator) -> Arc<Function> {
    let all = FUNCTIONS.get_or_init(py, || {
        NAMES
            .iter()
            .map(|(module, name)| {
                let found = py.import(*module).and_then(|module| module.getattr(*name));
                // These modules are part of every interpreter; None would fail as any call of None does.
                let object = found.map_or_else(|_| py.None(), Bound::unbind);
                Arc::new(Function::named(object, name.trim_end_matches('_')))
            })
            .collect()
    });
    Arc::clone(&all[operator as usize])
}

/// A pure call of an operator's function; its key is made when it is asked for.
pub fn apply(py: Python<'_>, operator: Operator, operands: &[&Bound<'_, PyAny>]) -> PyResult<Py<Delayed>> {
    let mut scan = Scan::default();
    let args = operands.iter().map(|operand| scan.arg(operand)).collect::<PyResult<SmallVec<[_; 2]>>>()?;
    let op = PyCall {
        callee: Callee::Function(function(py, operator)),
        args,
        keywords: None,
        identity: Identity::Pure,
        origin: Origin::here(py),
    };
    let call = Call::new(Arc::new(op), scan.inputs, current_annotations(py)?);
    Py::new(py, Delayed::of_input(Input::Call(call), None, None))
}

type Lazy = PyResult<Py<Delayed>>;
type This<'a, 'py> = &'a Bound<'py, Delayed>;
type Other<'a, 'py> = &'a Bound<'py, PyAny>;

fn unary(slf: This<'_, '_>, operator: Operator) -> Lazy {
    apply(slf.py(), operator, &[slf.as_any()])
}

fn binary(left: Other<'_, '_>, right: Other<'_, '_>, operator: Operator) -> Lazy {
    apply(left.py(), operator, &[left, right])
}

#[pymethods]
impl Delayed {
    fn __getitem__(slf: This<'_, '_>, index: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), index, Operator::GetItem)
    }

    fn __abs__(slf: This<'_, '_>) -> Lazy {
        unary(slf, Operator::Abs)
    }

    fn __neg__(slf: This<'_, '_>) -> Lazy {
        unary(slf, Operator::Neg)
    }

    fn __pos__(slf: This<'_, '_>) -> Lazy {
        unary(slf, Operator::Pos)
    }

    fn __invert__(slf: This<'_, '_>) -> Lazy {
        unary(slf, Operator::Invert)
    }

    fn __add__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::Add)
    }

    fn __radd__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::Add)
    }

    fn __sub__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::Sub)
    }

    fn __rsub__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::Sub)
    }

    fn __mul__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::Mul)
    }

    fn __rmul__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::Mul)
    }

    fn __matmul__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::Matmul)
    }

    fn __rmatmul__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::Matmul)
    }

    fn __truediv__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::TrueDiv)
    }

    fn __rtruediv__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::TrueDiv)
    }

    fn __floordiv__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::FloorDiv)
    }

    fn __rfloordiv__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::FloorDiv)
    }

    fn __mod__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::Mod)
    }

    fn __rmod__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::Mod)
    }

    fn __divmod__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::DivMod)
    }

    fn __rdivmod__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::DivMod)
    }

    fn __and__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::And)
    }

    fn __rand__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::And)
    }

    fn __or__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::Or)
    }

    fn __ror__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::Or)
    }

    fn __xor__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::Xor)
    }

    fn __rxor__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::Xor)
    }

    fn __lshift__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::LShift)
    }

    fn __rlshift__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::LShift)
    }

    fn __rshift__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(slf.as_any(), other, Operator::RShift)
    }

    fn __rrshift__(slf: This<'_, '_>, other: Other<'_, '_>) -> Lazy {
        binary(other, slf.as_any(), Operator::RShift)
    }

    fn __pow__(slf: This<'_, '_>, exponent: Other<'_, '_>, modulus: Option<Other<'_, '_>>) -> Lazy {
        match modulus {
            None => binary(slf.as_any(), exponent, Operator::Pow),
            Some(modulus) => apply(slf.py(), Operator::Pow, &[slf.as_any(), exponent, modulus]),
        }
    }

    fn __rpow__(slf: This<'_, '_>, base: Other<'_, '_>, modulus: Option<Other<'_, '_>>) -> Lazy {
        match modulus {
            None => binary(base, slf.as_any(), Operator::Pow),
            Some(modulus) => apply(slf.py(), Operator::Pow, &[base, slf.as_any(), modulus]),
        }
    }

    fn __richcmp__(slf: This<'_, '_>, other: Other<'_, '_>, comparison: CompareOp) -> Lazy {
        let operator = match comparison {
            CompareOp::Eq => Operator::Eq,
            CompareOp::Ne => Operator::Ne,
            CompareOp::Lt => Operator::Lt,
            CompareOp::Le => Operator::Le,
            CompareOp::Gt => Operator::Gt,
            CompareOp::Ge => Operator::Ge,
        };
        binary(slf.as_any(), other, operator)
    }
}
