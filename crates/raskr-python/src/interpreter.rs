//! The interpreter as the engine sees it: its lock, the caller's context variables, and spilled Python objects.
// `unsafe` is allowed here: contexts are copied and entered through the C API, which has no safe face for it.
#![allow(unsafe_code)]

use std::sync::Arc;

use pyo3::ffi;
use pyo3::prelude::*;
use raskr_base::{Foreign, TaskError};
use raskr_exec::{ForeignCodec, Interpreter};

use crate::error::from_python;
use crate::object::{KIND, PyForeign, loads};

/// The interpreter's lock, as the engine takes it. Tasks see the context variables of the caller of the run.
pub struct Lock {
    exclusive: bool,
    context: Py<PyAny>,
}

impl Lock {
    pub fn new(py: Python<'_>) -> PyResult<Lock> {
        // Interpreters before 3.13 have no such question to ask: they always have the lock.
        let exclusive = match py.import("sys")?.getattr("_is_gil_enabled") {
            Ok(is_enabled) => is_enabled.call0()?.extract()?,
            Err(_) => true,
        };
        // SAFETY: the interpreter is held; the result is a new reference, or null with an exception set.
        let context = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent()) }?.unbind();
        Ok(Lock { exclusive, context })
    }
}

impl Interpreter for Lock {
    fn scoped(&self, body: &mut dyn FnMut()) {
        Python::attach(|py| {
            // A context is entered by one thread at a time, so each hold gets a copy, which costs next to nothing.
            // SAFETY: `context` is a context; the result is a new reference or null.
            let own = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyContext_Copy(self.context.as_ptr())) };
            let Some(own) = own else { return body() };
            // SAFETY: `own` is a context that nobody else has, so it is not entered yet; it is left below.
            let entered = unsafe { ffi::PyContext_Enter(own.as_ptr()) } == 0;
            body();
            if entered {
                // SAFETY: this thread entered `own` above, and whatever the body entered it has left.
                unsafe { ffi::PyContext_Exit(own.as_ptr()) };
            }
        });
    }

    fn is_exclusive(&self) -> bool {
        self.exclusive
    }
}

/// Reads spilled Python objects back.
pub struct Unpickle;

impl ForeignCodec for Unpickle {
    fn decode(&self, kind: &str, bytes: Vec<u8>) -> Result<Arc<dyn Foreign>, TaskError> {
        if kind != KIND {
            return Err(TaskError::internal(format!("no decoder for values of kind {kind:?}")));
        }
        Python::attach(|py| {
            let object = loads(py, &bytes).map_err(|error| from_python(py, error))?;
            Ok(Arc::new(PyForeign::new(object)) as Arc<dyn Foreign>)
        })
    }
}
