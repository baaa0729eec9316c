//! Error classes that cross every border, and the error a task ends with.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// What kind of failure an error is; the Python border maps each to one exception class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ErrorClass {
    Value,
    Type,
    Index,
    Key,
    NotImplemented,
    Os,
    Memory,
    Timeout,
    Cancelled,
    Killed,
    Internal,
    /// A matrix that has no such factor, inverse or solution.
    Matrix,
}

impl ErrorClass {
    pub const ALL: [ErrorClass; 12] = [
        ErrorClass::Value,
        ErrorClass::Type,
        ErrorClass::Index,
        ErrorClass::Key,
        ErrorClass::NotImplemented,
        ErrorClass::Os,
        ErrorClass::Memory,
        ErrorClass::Timeout,
        ErrorClass::Cancelled,
        ErrorClass::Killed,
        ErrorClass::Internal,
        ErrorClass::Matrix,
    ];
}

/// Why a task failed. `payload` may carry the original failure (a Python exception), which the border that made it
/// unwraps again; `notes` say where (operation, line that built it, block index, shapes), innermost first.
#[derive(Clone)]
pub struct TaskError {
    pub class: ErrorClass,
    pub message: String,
    pub notes: Vec<String>,
    pub payload: Option<Arc<dyn Any + Send + Sync>>,
}

impl TaskError {
    pub fn new(class: ErrorClass, message: impl Into<String>) -> TaskError {
        TaskError { class, message: message.into(), notes: Vec::new(), payload: None }
    }

    pub fn value(message: impl Into<String>) -> TaskError {
        TaskError::new(ErrorClass::Value, message)
    }

    pub fn internal(message: impl Into<String>) -> TaskError {
        TaskError::new(ErrorClass::Internal, message)
    }

    pub fn with_payload(mut self, payload: Arc<dyn Any + Send + Sync>) -> TaskError {
        self.payload = Some(payload);
        self
    }

    pub fn with_note(mut self, note: impl Into<String>) -> TaskError {
        self.notes.push(note.into());
        self
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskError({:?}: {self})", self.class)
    }
}

impl std::error::Error for TaskError {}
