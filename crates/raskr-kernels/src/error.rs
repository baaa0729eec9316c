//! What can go wrong in a kernel, each with what was expected and what came.

use raskr_base::{DType, ErrorClass, TaskError};
use thiserror::Error;

#[derive(Clone, Debug, Error, PartialEq)]
pub enum KernelError {
    #[error("no native loop of `{operation}` for ({})", list(.inputs))]
    NoLoop { operation: String, inputs: Vec<DType> },
    #[error("unknown operation `{0}`: expected the name of a NumPy universal function")]
    UnknownOperation(String),
    #[error("the program takes {expected} operands, {got} were given")]
    OperandCount { expected: usize, got: usize },
    #[error("operand {index} of the program: expected {expected}, got {got}")]
    Operand { index: usize, expected: String, got: String },
    #[error("register {0} is not one of this builder's")]
    UnknownRegister(u32),
    #[error("expected {expected}, got {got}")]
    Shape { expected: String, got: String },
    #[error("index {index} is out of bounds for axis {axis} with size {size}")]
    Index { index: i64, axis: usize, size: usize },
    #[error("axis {axis} is out of bounds for a region of {ndim} dimensions")]
    Axis { axis: usize, ndim: usize },
    #[error("zero-size array to reduction operation {operation} which has no identity")]
    EmptyReduction { operation: &'static str },
    #[error("Integers to negative integer powers are not allowed.")]
    NegativePower,
    #[error("{0}")]
    Value(String),
    /// A matrix that has no such factor, inverse or solution.
    #[error("{0}")]
    Matrix(&'static str),
    #[error("the computation was cancelled")]
    Cancelled,
}

impl KernelError {
    pub fn class(&self) -> ErrorClass {
        match self {
            KernelError::NoLoop { .. } => ErrorClass::Type,
            KernelError::UnknownOperation(_) => ErrorClass::NotImplemented,
            KernelError::OperandCount { .. }
            | KernelError::Operand { .. }
            | KernelError::UnknownRegister(_)
            | KernelError::Axis { .. } => ErrorClass::Internal,
            KernelError::Shape { .. }
            | KernelError::EmptyReduction { .. }
            | KernelError::NegativePower
            | KernelError::Value(_) => ErrorClass::Value,
            KernelError::Matrix(_) => ErrorClass::Matrix,
            KernelError::Index { .. } => ErrorClass::Index,
            KernelError::Cancelled => ErrorClass::Cancelled,
        }
    }
}

impl From<KernelError> for TaskError {
    fn from(error: KernelError) -> TaskError {
        TaskError::new(error.class(), error.to_string())
    }
}

fn list(dtypes: &[DType]) -> String {
    dtypes.iter().map(DType::to_string).collect::<Vec<_>>().join(", ")
}
