//! The interpreter as the engine sees it: its lock, the caller's context variables, and spilled Python objects.
// `unsafe` is allowed here: contexts and thread states go through the C API, which has no safe face for them.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;

use pyo3::ffi;
use pyo3::prelude::*;
use raskr_base::{Foreign, TaskError};
use raskr_exec::{ForeignCodec, Interpreter};
use raskr_frame::Table;

use crate::error::from_python;
use crate::object::{KIND, PyForeign, loads};
use crate::processes::{PACKED_KIND, Packed};

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

/// Keeps the interpreter's state of an engine thread as long as the thread lives, so that what tasks put into
/// `threading.local` stays there from one to the next. By itself, each stay in the interpreter would begin afresh.
struct KeptState;

thread_local! {
    static KEPT: Cell<Option<KeptState>> = const { Cell::new(None) };
}

impl KeptState {
    /// Called inside the interpreter, on a thread that the interpreter did not know before.
    fn keep(_py: Python<'_>) {
        // SAFETY: the interpreter is held; this counts one more holder, which `drop` takes away again.
        let before = unsafe { ffi::PyGILState_Ensure() };
        debug_assert!(matches!(before, ffi::PyGILState_STATE::PyGILState_LOCKED));
        KEPT.with(|kept| kept.set(Some(KeptState)));
    }
}

impl Drop for KeptState {
    fn drop(&mut self) {
        // An interpreter that is ending frees all states by itself.
        Python::try_attach(|_| {
            // SAFETY: takes away the holder that `keep` counted; the attachment around this is still one.
            unsafe { ffi::PyGILState_Release(ffi::PyGILState_STATE::PyGILState_LOCKED) };
        });
    }
}

/// Does the interpreter know this thread: is it Python's own, or kept?
fn is_known() -> bool {
    // SAFETY: may be called on any thread at any time; null where there is no state.
    !unsafe { ffi::PyGILState_GetThisThreadState() }.is_null()
}

/// Enters the interpreter, which knows this thread from then on until it ends.
pub fn attach_for_good<T>(body: impl FnOnce(Python<'_>) -> T) -> T {
    let known = is_known();
    Python::attach(|py| {
        if !known {
            KeptState::keep(py);
        }
        body(py)
    })
}

impl Interpreter for Lock {
    fn scoped(&self, body: &mut dyn FnMut()) {
        attach_for_good(|py| {
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
        if kind == PACKED_KIND {
            return Ok(Arc::new(Packed::decode(&bytes)?));
        }
        if kind == raskr_frame::KIND {
            return Ok(Arc::new(Table::decode(&bytes)?));
        }
        if kind != KIND {
            return Err(TaskError::internal(format!("no decoder for values of kind {kind:?}")));
        }
        Python::attach(|py| {
            let object = loads(py, &bytes).map_err(|error| from_python(py, error))?;
            Ok(Arc::new(PyForeign::new(object)) as Arc<dyn Foreign>)
        })
    }
}
