//! Why a run ended without its results.

use std::path::PathBuf;

use raskr_base::{ErrorClass, TaskError};

#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// The first task that failed; the notes of `error` say which and where it was built.
    #[error("{error}")]
    Task { key: String, error: TaskError },
    /// Known before anything runs.
    #[error(
        "task '{key}' needs {} for its inputs and its result, but memory_limit is {}; raise memory_limit or use \
         smaller chunks",
        bytes(*.needed), bytes(*.limit)
    )]
    TooLarge { key: String, needed: u64, limit: u64 },
    /// Values can neither stay in memory nor be spilled.
    #[error(
        "task '{key}' needs {} more, but {} are in use of a memory_limit of {}, and spilling to {folder:?} ended after \
         {}: {reason}; free disk space, name another spill directory or raise memory_limit",
        bytes(*.needed), bytes(*.live), bytes(*.limit), bytes(*.written)
    )]
    Memory { key: String, needed: u64, live: u64, limit: u64, folder: PathBuf, written: u64, reason: String },
    #[error("the computation was cancelled")]
    Cancelled,
    #[error("no thread could be started: {reason}")]
    Threads { reason: String },
}

impl RunError {
    pub fn class(&self) -> ErrorClass {
        match self {
            RunError::Task { error, .. } => error.class,
            RunError::TooLarge { .. } | RunError::Memory { .. } => ErrorClass::Memory,
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

fn bytes(count: u64) -> String {
    raskr_base::sizes::format_bytes(count as f64)
}
