//! The one door from Python into Rust work that may take long: releases the interpreter, catches panics, maps errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use raskr_base::TaskError;

use crate::error::to_python;

/// Does `work` with the interpreter released; a panic becomes an internal error instead of ending the process.
pub fn enter<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, TaskError> + Send) -> PyResult<T> {
    py.detach(|| guarded(work)).map_err(|error| to_python(py, error))
}

/// Does `work`, turning a panic into an internal error.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, TaskError>) -> Result<T, TaskError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(panic) => Err(TaskError::internal(format!("the engine met a bug of its own: {}", panic_text(&*panic)))),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}
