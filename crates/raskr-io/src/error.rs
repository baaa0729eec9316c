//! What can go wrong with a file: always its path, what was expected there and what was found.

use std::io;
use std::path::{Path, PathBuf};

use raskr_base::{DType, ErrorClass, TaskError};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum IoError {
    #[error("{}: no such file or folder", path.display())]
    Missing { path: PathBuf },

    #[error("{}: could not {doing}: {source}", path.display())]
    System { path: PathBuf, doing: &'static str, source: io::Error },

    #[error("{}: may not {doing}: {message}", path.display())]
    Denied { path: PathBuf, doing: &'static str, message: String },

    #[error("{}: exists already; pass overwrite=True to replace it", path.display())]
    Exists { path: PathBuf },

    #[error("{}: at byte {offset}: expected {expected}, found {found}", path.display())]
    Malformed { path: PathBuf, offset: usize, expected: String, found: String },

    #[error("{}: {found} bytes where {expected} were expected{what}: the file is truncated or damaged", path.display())]
    Length { path: PathBuf, expected: u64, found: u64, what: String },

    #[error("{}: the {format} data end at byte {offset}, in the middle of a stream: the file is truncated", path.display())]
    Truncated { path: PathBuf, format: &'static str, offset: u64 },

    #[error("{}: bad {format} data at byte {offset} or shortly before: {message}", path.display())]
    Corrupt { path: PathBuf, format: &'static str, offset: u64, message: String },

    #[error("{}: byte {offset} of the text: can't decode {bytes:02x?} as {encoding}: {reason}", path.display())]
    Undecodable { path: PathBuf, encoding: String, offset: u64, bytes: Vec<u8>, reason: &'static str },

    #[error("{}: {what} is not one of raskr's native types", path.display())]
    DType { path: PathBuf, what: String },

    #[error("{}: holds Python objects (pickle), which could run any code when read; raskr reads plain data only", path.display())]
    Pickle { path: PathBuf },

    #[error("{}: {message}", path.display())]
    Unsupported { path: PathBuf, message: String },

    #[error("{}: {message}", path.display())]
    Metadata { path: PathBuf, message: String },

    #[error("{}: chunk {key}: {message}", path.display())]
    Chunk { path: PathBuf, key: String, message: String },

    #[error("{}: region {region} does not lie within an array of shape {shape:?}", path.display())]
    Region { path: PathBuf, region: String, shape: Vec<usize> },

    #[error("{}: a block of shape {found_shape:?} and type {found} was given where shape {shape:?} and type {dtype} were expected", path.display())]
    Block { path: PathBuf, shape: Vec<usize>, dtype: DType, found_shape: Vec<usize>, found: DType },
}

impl IoError {
    /// Which exception the error becomes.
    pub fn class(&self) -> ErrorClass {
        match self {
            IoError::Missing { .. }
            | IoError::System { .. }
            | IoError::Denied { .. }
            | IoError::Truncated { .. }
            | IoError::Corrupt { .. } => ErrorClass::Os,
            IoError::Region { .. } => ErrorClass::Index,
            IoError::DType { .. } | IoError::Unsupported { .. } => ErrorClass::NotImplemented,
            IoError::Exists { .. }
            | IoError::Malformed { .. }
            | IoError::Undecodable { .. }
            | IoError::Length { .. }
            | IoError::Pickle { .. }
            | IoError::Metadata { .. }
            | IoError::Chunk { .. }
            | IoError::Block { .. } => ErrorClass::Value,
        }
    }

    /// The system's own number of the error, for callers that tell "not found" from "no space left".
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            IoError::System { source, .. } => source.raw_os_error(),
            IoError::Missing { .. } => Some(2),
            IoError::Denied { .. } => Some(13),
            _ => None,
        }
    }

    /// A failure of the system; a missing file has its own variant, and what says all by itself stays what it is.
    pub(crate) fn system(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> IoError + use<> {
        let path = path.to_path_buf();
        move |source| match (source.kind(), source.downcast::<IoError>()) {
            (_, Ok(found)) => found,
            (io::ErrorKind::NotFound, _) => IoError::Missing { path },
            (_, Err(source)) => IoError::System { path, doing, source },
        }
    }
}

impl From<IoError> for TaskError {
    fn from(error: IoError) -> TaskError {
        TaskError::new(error.class(), error.to_string())
    }
}
