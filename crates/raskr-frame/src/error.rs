//! What can be wrong with a table, a plan or a stage, each with what was expected and what came.

use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion_common::DataFusionError;
use raskr_base::{ErrorClass, TaskError};

#[derive(thiserror::Error, Debug, Clone)]
pub enum FrameError {
    #[error("there is no column {name:?}; there are {there}")]
    NoColumn { name: String, there: String },
    #[error("{operation} is not done natively for {types}")]
    NotNative { operation: String, types: String },
    #[error("{operation}: expected {expected}, got {got}")]
    Unexpected { operation: &'static str, expected: String, got: String },
    /// A reader saw what it is not sure to read as it is meant; see [`crate::reader::PartitionReader::reread`].
    #[error("{0}")]
    Doubt(String),
    /// What a reader or another part of the program failed with.
    #[error("{0}")]
    Task(TaskError),
    #[error("{operation} needs more memory than the limit leaves: {message}")]
    Memory { operation: &'static str, message: String },
    #[error("{operation}: {message}")]
    Engine { operation: &'static str, message: String },
}

impl FrameError {
    pub fn class(&self) -> ErrorClass {
        match self {
            FrameError::NoColumn { .. } => ErrorClass::Key,
            FrameError::NotNative { .. } => ErrorClass::NotImplemented,
            FrameError::Unexpected { .. } | FrameError::Doubt(_) => ErrorClass::Value,
            FrameError::Task(error) => error.class,
            FrameError::Memory { .. } => ErrorClass::Memory,
            FrameError::Engine { .. } => ErrorClass::Internal,
        }
    }

    /// An error of Arrow's functions during an operation.
    pub fn arrow(operation: &'static str) -> impl FnOnce(ArrowError) -> FrameError {
        move |error| FrameError::Engine { operation, message: error.to_string() }
    }

    /// An error of DataFusion during an operation; errors of our own within it come out again.
    pub fn datafusion(operation: &'static str) -> impl FnOnce(DataFusionError) -> FrameError {
        move |error| match own(&error) {
            Some(found) => found.clone(),
            None => match error.find_root() {
                DataFusionError::ResourcesExhausted(message) => {
                    FrameError::Memory { operation, message: message.clone() }
                }
                other => FrameError::Engine { operation, message: other.to_string() },
            },
        }
    }

    /// The error on its way through DataFusion's operators.
    pub fn into_datafusion(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

/// The error of ours that an error of DataFusion's carries.
fn own(error: &DataFusionError) -> Option<&FrameError> {
    match error {
        DataFusionError::External(inner) => inner.downcast_ref(),
        DataFusionError::ArrowError(inner, _) => match &**inner {
            ArrowError::ExternalError(inner) => {
                inner.downcast_ref::<FrameError>().or_else(|| inner.downcast_ref::<DataFusionError>().and_then(own))
            }
            _ => None,
        },
        DataFusionError::Context(_, inner) => own(inner),
        DataFusionError::Shared(inner) => own(inner),
        _ => None,
    }
}

impl From<TaskError> for FrameError {
    fn from(error: TaskError) -> FrameError {
        FrameError::Task(error)
    }
}

impl From<FrameError> for TaskError {
    fn from(error: FrameError) -> TaskError {
        match error {
            FrameError::Task(error) => error,
            other => TaskError::new(other.class(), other.to_string()),
        }
    }
}

/// The columns of a schema in words.
pub(crate) fn names_of(schema: &arrow::datatypes::Schema) -> String {
    schema.fields().iter().map(|field| format!("{:?}", field.name())).collect::<Vec<_>>().join(", ")
}

/// Where a column is in a schema.
pub(crate) fn place_of(schema: &Arc<arrow::datatypes::Schema>, name: &str) -> Result<usize, FrameError> {
    schema.index_of(name).map_err(|_| FrameError::NoColumn { name: name.to_owned(), there: names_of(schema) })
}
