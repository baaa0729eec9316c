//! Why a run ended without its results.

use raskr_base::{ErrorClass, TaskError};

#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// The first task that failed; the notes of `error` say which and where it was built.
    #[error("{error}")]
    Task { key: String, error: TaskError },
    #[error("the computation was cancelled")]
    Cancelled,
    #[error("no thread could be started: {reason}")]
    Threads { reason: String },
}

impl RunError {
    pub fn class(&self) -> ErrorClass {
        match self {
            RunError::Task { error, .. } => error.class,
            RunError::Cancelled => ErrorClass::Cancelled,
            RunError::Threads { .. } => ErrorClass::Os,
        }
    }

    /// The same as the error of a task, for callers that pass on one kind of error.
    pub fn into_task_error(self) -> TaskError {
        let class = self.class();
        match self {
            RunError::Task { error, .. } => error,
            other => TaskError::new(class, other.to_string()),
        }
    }
}
