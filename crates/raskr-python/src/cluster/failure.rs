//! Why a future has no value, as the exception that Python raises.

use pyo3::exceptions::{PyException, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raskr_base::TaskError;
use raskr_cluster::{FutureState, Missing};
use raskr_sched::{Failure, FailureKind, Raised};

use crate::error::{CancelledError, KilledWorker, to_python};
use crate::object::loads;

/// The exception of what has no value; nothing when it has one, or may get one.
pub fn of_state(py: Python<'_>, key: &str, state: &FutureState) -> Option<PyErr> {
    match state {
        FutureState::Pending | FutureState::Finished { .. } => None,
        FutureState::Failed(failure) => Some(of_failure(py, failure)),
        FutureState::Cancelled(reason) => Some(cancelled(py, key, reason)),
        FutureState::Lost(reason) => Some(lost(py, key, reason)),
    }
}

pub fn of_missing(py: Python<'_>, key: &str, missing: &Missing) -> PyErr {
    match missing {
        Missing::Failed(failure) => of_failure(py, failure),
        Missing::Cancelled(reason) => cancelled(py, key, reason),
        Missing::Lost(reason) => lost(py, key, reason),
        Missing::NotAwaited => cancelled(py, key, "another value that was wanted with it is not to be had"),
        Missing::Unreachable(reason) => {
            PyOSError::new_err(format!("'{key}' can't be fetched: the workers that have it can't be reached: {reason}"))
        }
    }
}

/// `FutureCancelledError`, which is raskr's `CancelledError` with the key and the reason.
fn cancelled(py: Python<'_>, key: &str, reason: &str) -> PyErr {
    let made = py
        .import(intern!(py, "raskr.distributed.client"))
        .and_then(|module| module.getattr(intern!(py, "FutureCancelledError")))
        .and_then(|class| class.call1((key, reason)));
    match made {
        Ok(error) => PyErr::from_value(error),
        Err(_) => CancelledError::new_err(format!("{key}: {reason}")),
    }
}

fn lost(py: Python<'_>, key: &str, reason: &str) -> PyErr {
    cancelled(py, key, &format!("the scheduler is gone: {reason}"))
}

fn of_failure(py: Python<'_>, failure: &Failure) -> PyErr {
    if let FailureKind::Raised(raised) = &failure.kind {
        return raised_there(py, raised).unwrap_or_else(|_| {
            let message = format!("{} (an exception that can't be read here)", raised.message);
            pyo3::exceptions::PyRuntimeError::new_err(message)
        });
    }
    let message = failure.to_string();
    match failure.class() {
        Some(raskr_base::ErrorClass::Killed) => {
            let error = KilledWorker::new_err(message);
            // What programs of Dask's look at; the message has all of it.
            let worker = failure.attempts.last().map(|attempt| attempt.worker.to_string());
            let value = error.value(py);
            let _ = value.setattr(intern!(py, "task"), &*failure.key);
            let _ = value.setattr(intern!(py, "last_worker"), worker);
            let _ = value.setattr(intern!(py, "allowed_failures"), failure.attempts.len());
            error
        }
        Some(class) => to_python(py, TaskError::new(class, message)),
        None => to_python(py, TaskError::internal(message)),
    }
}

/// What the task raised, with the place where it did as a note.
fn raised_there(py: Python<'_>, raised: &Raised) -> PyResult<PyErr> {
    let (exception, place) = parts(py, raised)?;
    let error = PyErr::from_value(catchable(exception)?);
    let note = format!("raised on a worker:\n{}", place.trim_end());
    // Python 3.10 has no notes, and an exception may be of a class that refuses them.
    let _ = error.value(py).call_method1(intern!(py, "add_note"), (note,));
    Ok(error)
}

/// The exception, unless it is one that ends programs: what a task raises is no reason for whoever waits for it to end.
fn catchable(exception: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    if exception.is_instance_of::<PyException>() {
        return Ok(exception);
    }
    let module = exception.py().import(intern!(exception.py(), "raskr.distributed.exceptions"))?;
    module.getattr(intern!(exception.py(), "catchable"))?.call1((exception,))
}

/// The exception and the text of its traceback.
pub fn parts<'py>(py: Python<'py>, raised: &Raised) -> PyResult<(Bound<'py, PyAny>, String)> {
    loads(py, &raised.encoded.0)?.extract()
}

/// Is it a failure of the task's own code? Then the pickled pair of exception and text.
pub fn raised_of<'py>(py: Python<'py>, state: &FutureState) -> Option<Bound<'py, PyBytes>> {
    match state {
        FutureState::Failed(failure) => match &failure.kind {
            FailureKind::Raised(raised) => Some(PyBytes::new(py, &raised.encoded.0)),
            _ => None,
        },
        _ => None,
    }
}
