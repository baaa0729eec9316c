//! `Error`: everything that can go wrong between writing an expression and having its result.

use std::panic::Location;
use std::sync::Arc;

use raskr_array::ArrayError;
use raskr_base::{DType, ErrorClass, TaskError};
use raskr_exec::RunError;
use raskr_graph::GraphError;
use raskr_io::IoError;

/// A result of this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an array could not be built, read, written or computed.
///
/// ```
/// use raskr::array;
///
/// let sum = array::ones(3, 3) + array::ones(4, 4);
/// let error = sum.compute().unwrap_err();
/// assert_eq!(error.class(), raskr::ErrorClass::Value);
/// assert!(error.to_string().contains("don't broadcast"));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation was given what it can't take.
    #[error("{error}\n  built at {place}")]
    Build {
        /// What was expected, and what came.
        error: ArrayError,
        /// The line of the user's that asked for the operation.
        place: &'static Location<'static>,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(Arc<IoError>),
    /// The expressions could not be made into tasks.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A task failed, or the run could not go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Lowering failed.
    #[error(transparent)]
    Lower(#[from] TaskError),
    /// Elements were asked for as a Rust type that does not store them.
    #[error("expected elements of {expected}, got an array of {got}; convert it with astype first")]
    Elements {
        /// What the Rust type stores.
        expected: DType,
        /// What the array has.
        got: DType,
    },
    /// One element was asked for of an array that has more, or none.
    #[error("expected an array of one element, got one of {got}")]
    NotOne {
        /// How many elements the array has.
        got: usize,
    },
}

impl Error {
    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Error::Build { error, .. } => error.class(),
            Error::File(error) => error.class(),
            Error::Graph(error) => error.class(),
            Error::Run(error) => error.class(),
            Error::Lower(error) => error.class,
            Error::Elements { .. } => ErrorClass::Type,
            Error::NotOne { .. } => ErrorClass::Value,
        }
    }
}

impl From<IoError> for Error {
    fn from(error: IoError) -> Error {
        Error::File(Arc::new(error))
    }
}
