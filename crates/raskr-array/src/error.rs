//! What can be wrong with an array expression, each with what was expected and what came.

use raskr_base::{ErrorClass, TaskError};
use raskr_kernels::KernelError;

#[derive(thiserror::Error, Debug, Clone, PartialEq)]
pub enum ArrayError {
    #[error("{operation}: axis {axis} is out of bounds for an array of {ndim} dimensions")]
    AxisOutOfBounds { operation: &'static str, axis: usize, ndim: usize },
    #[error("{operation}: expected {expected} axes, got {got}")]
    WrongNumberOfAxes { operation: &'static str, expected: usize, got: usize },
    #[error("chunks {chunks} along axis {axis} add up to {got}, but the axis has length {expected}")]
    ChunksDontAddUp { axis: usize, chunks: String, expected: u64, got: u64 },
    #[error(
        "shapes {left} and {right} don't broadcast: lengths {left_len} and {right_len} differ on axis {axis} from the end"
    )]
    DontBroadcast { left: String, right: String, axis: usize, left_len: u64, right_len: u64 },
    #[error(
        "{operation}: chunk sizes along axis {axis} are unknown; call compute_chunk_sizes() first (expected known sizes, got {sizes})"
    )]
    UnknownChunks { operation: &'static str, axis: usize, sizes: String },
    #[error("{operation}: chunks of unknown size can't be lined up: {left} blocks on one side, {right} on the other")]
    UnknownChunksDiffer { operation: &'static str, left: usize, right: usize },
    #[error("{operation}: there is no native loop for {types}")]
    NoLoop { operation: String, types: String },
    #[error("{operation}: expected {expected}, got {got}")]
    Unexpected { operation: &'static str, expected: String, got: String },
    #[error("{operation}: lengths differ: {left} (axis {left_axis} of a) != {right} (axis {right_axis} of b)")]
    LengthsDiffer { operation: &'static str, left: u64, left_axis: usize, right: u64, right_axis: usize },
    #[error("an array of {tasks} blocks is more than one layer can hold ({limit}); use larger chunks")]
    TooManyBlocks { tasks: u128, limit: u32 },
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl ArrayError {
    pub fn class(&self) -> ErrorClass {
        match self {
            ArrayError::AxisOutOfBounds { .. } | ArrayError::WrongNumberOfAxes { .. } => ErrorClass::Value,
            ArrayError::ChunksDontAddUp { .. }
            | ArrayError::DontBroadcast { .. }
            | ArrayError::UnknownChunks { .. }
            | ArrayError::UnknownChunksDiffer { .. }
            | ArrayError::Unexpected { .. }
            | ArrayError::LengthsDiffer { .. }
            | ArrayError::TooManyBlocks { .. } => ErrorClass::Value,
            ArrayError::NoLoop { .. } => ErrorClass::Type,
            ArrayError::Kernel(error) => error.class(),
        }
    }
}

impl From<ArrayError> for TaskError {
    fn from(error: ArrayError) -> TaskError {
        TaskError::new(error.class(), error.to_string())
    }
}
