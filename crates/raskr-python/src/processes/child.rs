//! The life of a child process: it unpickles calls, runs them and pickles what they give.
//!
//! Calls may run on several threads at a time: nothing of what they share is locked while Python runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use raskr_base::{Op, TaskContext, Value};
use raskr_exec::pool::{self, Encoded, Handler};

use super::code::{self, Source};
use super::pickle::{Packed, pickle, unpickle};
use crate::call::Function;
use crate::cluster::ChildTasks;
use crate::error::to_python;
use crate::object::to_object;

/// What the parent told this process.
#[derive(Default)]
struct Knowledge {
    bodies: Mutex<HashMap<u64, Encoded>>,
    functions: Mutex<HashMap<u64, Arc<Function>>>,
}

impl Knowledge {
    fn body(&self, id: u64) -> PyResult<Encoded> {
        let body = self.bodies.lock().get(&id).cloned();
        body.ok_or_else(|| PyRuntimeError::new_err("a call refers to what its process was not told"))
    }
}

impl Source for Knowledge {
    fn known<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyAny>> {
        // Anew for each call, so that calls don't see what others did to it; its buffers are shared and read-only.
        unpickle(py, &self.body(id)?, false)
    }

    fn function(&self, py: Python<'_>, id: u64) -> PyResult<Arc<Function>> {
        let known = self.functions.lock().get(&id).cloned();
        if let Some(function) = known {
            return Ok(function);
        }
        let object = unpickle(py, &self.body(id)?, false)?;
        let function = Arc::new(Function::new(object.unbind()));
        let before = self.functions.lock().insert(id, Arc::clone(&function));
        drop(before);
        Ok(function)
    }
}

#[derive(Default)]
struct Server {
    knowledge: Knowledge,
    constants: Mutex<Option<Arc<Py<PyList>>>>,
    /// When this is a worker's child.
    tasks: ChildTasks,
    initialised: AtomicBool,
}

impl Handler for Server {
    fn set_up(&self, setup: &Encoded) -> Result<(), Encoded> {
        guarded(|py| {
            let setup = unpickle(py, setup, false)?;
            let setup = setup.cast::<PyDict>()?;
            let sys = py.import(intern!(py, "sys"))?;
            if let Some(path) = setup.get_item("path")? {
                sys.setattr(intern!(py, "path"), path)?;
            }
            if let Some(folder) = setup.get_item("folder")? {
                // A folder that is gone is not this process' concern.
                let _ = py.import(intern!(py, "os"))?.call_method1(intern!(py, "chdir"), (folder,));
            }
            if let Some(settings) = setup.get_item("settings")? {
                // For when raskr is imported here, and for where it is already.
                let os = py.import(intern!(py, "os"))?;
                os.getattr("environ")?.set_item("RASKR_INTERNAL_INHERIT_CONFIG", &settings)?;
                if sys.getattr("modules")?.contains("raskr.config")? {
                    let config = py.import("raskr.config")?;
                    let inherited = config.call_method1("deserialize", (&settings,))?;
                    config.getattr("config")?.call_method1("update", (inherited,))?;
                }
            }
            if let Some(initializer) = setup.get_item("initializer")?
                && !initializer.is_none()
                && !self.initialised.load(Ordering::Relaxed)
            {
                unpickle(py, &Encoded::new(initializer.extract()?, Vec::new()), false)?.call0()?;
                self.initialised.store(true, Ordering::Relaxed);
            }
            Ok(())
        })
    }

    fn know(&self, id: u64, body: Encoded) {
        let before = self.knowledge.bodies.lock().insert(id, body);
        drop(before);
    }

    fn forget(&self, ids: &[u64]) {
        Python::attach(|_| {
            for id in ids {
                let body = self.knowledge.bodies.lock().remove(id);
                let function = self.knowledge.functions.lock().remove(id);
                drop((body, function));
                self.tasks.forget(*id);
            }
        });
    }

    fn begin(&self, shared: &Encoded) -> Result<(), Encoded> {
        if shared.nbytes() == 0 {
            // Tasks of a cluster share nothing.
            self.share(None);
            return Ok(());
        }
        guarded(|py| {
            self.share(Some(unpickle(py, shared, false)?.cast_into::<PyList>()?.unbind()));
            Ok(())
        })
    }

    fn call(&self, call: &[u8], inputs: Vec<Encoded>) -> Result<Encoded, Encoded> {
        let constants = self.constants.lock().clone();
        let Some(constants) = constants else {
            return self.tasks.call(|id| self.knowledge.bodies.lock().get(&id).cloned(), call, inputs);
        };
        guarded(|py| {
            let operation = code::decode(py, call, constants.bind(py), &self.knowledge)?;
            let mut inputs: Vec<Value> = inputs.into_iter().map(Packed::value).collect();
            let cancelled = AtomicBool::new(false);
            let context = TaskContext { index: 0, cancelled: &cancelled, memory_limit: None };
            let value = operation.run(&context, &mut inputs).map_err(|error| to_python(py, error))?;
            let object = to_object(py, &value)?;
            drop(value);
            let place = || format!("{}: the result", operation.name());
            pickle(&object, false).map_err(|error| explained(&object, error, Some(place())))
        })
    }

    fn rest(&self) {
        Python::attach(|py| {
            // What was printed is seen now, and not when the process ends.
            for name in ["stdout", "stderr"] {
                if let Ok(stream) = py.import(intern!(py, "sys")).and_then(|sys| sys.getattr(name)) {
                    let _ = stream.call_method0(intern!(py, "flush"));
                }
            }
        });
    }
}

impl Server {
    fn share(&self, constants: Option<Py<PyList>>) {
        let before = std::mem::replace(&mut *self.constants.lock(), constants.map(Arc::new));
        drop(before);
    }
}

/// Says which part of an object can't be pickled, and what it is, when `place` has better words than its type.
pub fn explained(object: &Bound<'_, PyAny>, error: PyErr, place: Option<String>) -> PyErr {
    let py = object.py();
    let explain = || -> PyResult<Bound<'_, PyAny>> {
        let explain = py.import(intern!(py, "raskr._pickling"))?.getattr(intern!(py, "explained"))?;
        explain.call1((object, error.value(py), place))
    };
    match explain() {
        Ok(better) => PyErr::from_value(better),
        Err(_) => error,
    }
}

/// Runs Python; an exception becomes what the parent can raise.
fn guarded<T>(body: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T, Encoded> {
    Python::attach(|py| body(py).map_err(|error| encoded_failure(py, &error)))
}

/// What an exception was raised at, in words.
fn traceback_text(py: Python<'_>, error: &PyErr) -> String {
    py.import(intern!(py, "traceback"))
        .and_then(|module| module.call_method1(intern!(py, "format_exception"), (error.value(py),)))
        .and_then(|lines| lines.extract::<Vec<String>>())
        .map_or_else(|_| error.to_string(), |lines| lines.concat())
}

fn encoded_failure(py: Python<'_>, error: &PyErr) -> Encoded {
    failure_of(py, error, |pair| pickle(pair, false), |encoded| unpickle(py, encoded, false)).unwrap_or_default()
}

/// An exception and its traceback, pickled; as what comes nearest to it where it can't be pickled, or not read again.
pub fn failure_of<'py, T>(
    py: Python<'py>,
    error: &PyErr,
    pickled: impl Fn(&Bound<'py, PyAny>) -> PyResult<T>,
    read: impl Fn(&T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<T> {
    let place = traceback_text(py, error);
    let sent = |error: &Bound<'py, PyAny>| -> PyResult<T> {
        let encoded = pickled((error, place.as_str()).into_pyobject(py)?.as_any())?;
        // Some exceptions can be pickled and not be read again.
        read(&encoded)?;
        Ok(encoded)
    };
    let value = error.value(py);
    let as_made = |class: &str| -> PyResult<T> {
        sent(&py.import(intern!(py, "raskr._pickling"))?.getattr(class)?.call1((value,))?)
    };
    // An exception is pickled without those that it was raised from.
    let is_caused = |name| value.getattr(name).is_ok_and(|cause| !cause.is_none());
    let caused = is_caused(intern!(py, "__cause__")) || is_caused(intern!(py, "__context__"));
    let whole = if caused { as_made("ExceptionWithCauses").or_else(|_| sent(value)) } else { sent(value) };
    whole.or_else(|_| as_made("ExceptionInParts")).or_else(|_| {
        let plain = PyRuntimeError::new_err(format!("{error} (an exception that can't be pickled)"));
        sent(plain.value(py))
    })
}

/// Serves the process at the other end of the standard input, until that one is gone.
#[pyfunction]
pub fn child_main(py: Python<'_>) -> PyResult<()> {
    let failed = |error: std::io::Error| PyOSError::new_err(format!("no parent at the standard input: {error}"));
    let stream = pool::stream_of_parent().map_err(failed)?;
    py.detach(|| pool::serve(stream, Box::new(Server::default()))).map_err(failed)
}
