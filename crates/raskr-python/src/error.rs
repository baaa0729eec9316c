//! Errors across the border: one exception class for each error class, and Python's own exceptions through the engine.

use std::sync::Arc;

use pyo3::exceptions::{
    PyBaseException, PyIndexError, PyKeyError, PyMemoryError, PyNotImplementedError, PyOSError, PyRuntimeError,
    PyTimeoutError, PyTypeError, PyValueError,
};
use pyo3::intern;
use pyo3::prelude::*;
use raskr_base::{ErrorClass, TaskError};

pyo3::create_exception!(
    raskr,
    CancelledError,
    pyo3::exceptions::PyException,
    "The computation was cancelled before it ended."
);
pyo3::create_exception!(
    raskr,
    KilledWorker,
    pyo3::exceptions::PyException,
    "A process that ran a task was ended from outside."
);

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("CancelledError", module.py().get_type::<CancelledError>())?;
    module.add("KilledWorker", module.py().get_type::<KilledWorker>())?;
    module.add_function(wrap_pyfunction!(exception_of, module)?)
}

/// A Python exception that travels through the engine as the payload of a [`TaskError`].
struct Raised(Py<PyBaseException>);

/// Packs an exception that a Python function raised.
pub fn from_python(py: Python<'_>, error: PyErr) -> TaskError {
    let value = error.value(py);
    let class = class_of(py, &error);
    let name = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    let message = value.str().map(|text| text.to_string()).unwrap_or_default();
    // The traceback is kept by the exception itself once it is set there.
    if let Some(traceback) = error.traceback(py) {
        error.set_traceback(py, Some(traceback));
    }
    let payload = Raised(error.into_value(py));
    TaskError::new(class, format!("{name}: {message}")).with_payload(Arc::new(payload))
}

fn class_of(py: Python<'_>, error: &PyErr) -> ErrorClass {
    if error.is_instance_of::<PyMemoryError>(py) {
        ErrorClass::Memory
    } else if error.is_instance_of::<PyNotImplementedError>(py) {
        ErrorClass::NotImplemented
    } else if error.is_instance_of::<PyTypeError>(py) {
        ErrorClass::Type
    } else if error.is_instance_of::<PyIndexError>(py) {
        ErrorClass::Index
    } else if error.is_instance_of::<PyKeyError>(py) {
        ErrorClass::Key
    } else if error.is_instance_of::<PyTimeoutError>(py) {
        ErrorClass::Timeout
    } else if error.is_instance_of::<PyOSError>(py) {
        ErrorClass::Os
    } else {
        ErrorClass::Value
    }
}

/// The exception to raise for an error: the user's own one if there is one, else one of the class, with the notes.
pub fn to_python(py: Python<'_>, error: TaskError) -> PyErr {
    let raised = error.payload.as_ref().and_then(|payload| payload.downcast_ref::<Raised>());
    if let Some(raised) = raised {
        let value = raised.0.bind(py);
        add_notes(value, &error.notes);
        return PyErr::from_value(value.clone().into_any());
    }
    let exception = of_class(error.class, error.message);
    add_notes(exception.value(py), &error.notes);
    exception
}

/// Puts notes on an exception; Python 3.10 has no notes, and an exception may be of a class that refuses them.
fn add_notes(exception: &Bound<'_, PyBaseException>, notes: &[String]) {
    for note in notes {
        if exception.call_method1(intern!(exception.py(), "add_note"), (note,)).is_err() {
            return;
        }
    }
}

/// The one place that says which Python exception each class is.
fn of_class(class: ErrorClass, message: String) -> PyErr {
    match class {
        ErrorClass::Value => PyValueError::new_err(message),
        ErrorClass::Type => PyTypeError::new_err(message),
        ErrorClass::Index => PyIndexError::new_err(message),
        ErrorClass::Key => PyKeyError::new_err(message),
        ErrorClass::NotImplemented => PyNotImplementedError::new_err(message),
        ErrorClass::Os => PyOSError::new_err(message),
        ErrorClass::Memory => PyMemoryError::new_err(message),
        ErrorClass::Timeout => PyTimeoutError::new_err(message),
        ErrorClass::Cancelled => CancelledError::new_err(message),
        ErrorClass::Killed => KilledWorker::new_err(message),
        ErrorClass::Internal => PyRuntimeError::new_err(message),
        ErrorClass::Matrix => linalg_error(message),
    }
}

/// NumPy's exception for matrices, a ValueError.
fn linalg_error(message: String) -> PyErr {
    Python::attach(|py| {
        let class =
            py.import(intern!(py, "numpy.linalg")).and_then(|module| module.getattr(intern!(py, "LinAlgError")));
        match class.and_then(|class| class.call1((message.clone(),))) {
            Ok(error) => PyErr::from_value(error),
            Err(_) => PyValueError::new_err(message),
        }
    })
}

/// Raises the exception of each class in turn, so that a test can walk over all of them.
#[pyfunction]
fn exception_of(class: &str) -> PyResult<()> {
    match ErrorClass::ALL.into_iter().find(|each| format!("{each:?}") == class) {
        Some(found) => Err(of_class(found, format!("an error of class {class}"))),
        None => Err(PyValueError::new_err(format!("no error class is called {class:?}"))),
    }
}
