//! Python tasks of a cluster where they run: in a child of a worker, or on a thread of the worker itself.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskr_base::{Op, TaskContext, TaskError, Value};
use raskr_cluster::{Buffer, Packed};
use raskr_exec::pool::{self, Encoded, SHARED_BYTES_MIN};
use raskr_sched::Raised;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::task::{self, BodyCode, CallArguments};
use super::values::{input_value, pack_object};
use crate::call::Function;
use crate::error::to_python;
use crate::interpreter::attach_for_good;
use crate::object::{dumps, loads, to_object};
use crate::processes::{explained, failure_of};

/// A task as a child is sent it.
#[derive(Serialize, Deserialize)]
pub struct ChildCall<'a> {
    pub key: &'a str,
    pub body: u64,
    #[serde(borrow)]
    pub arguments: Option<&'a serde_bytes::Bytes>,
}

/// A value as a child is sent it: its head, and its buffers as far as they don't travel beside it.
#[derive(Serialize, Deserialize)]
struct Carried {
    head: ByteBuf,
    buffers: Vec<Option<ByteBuf>>,
}

/// A value on its way to a child. When memory had to be copied so that children can map it, the value with the copies.
pub fn carried(value: &Packed) -> Result<(Encoded, Option<Packed>), TaskError> {
    let failed = |error: &dyn std::fmt::Display| TaskError::internal(format!("a value for a child process: {error}"));
    let (mut copied, mut shared, mut buffers, mut kept) = (false, Vec::new(), Vec::new(), Vec::new());
    for buffer in &value.buffers {
        if matches!(buffer, Buffer::Plain(_)) && buffer.len() < SHARED_BYTES_MIN {
            buffers.push(Some(ByteBuf::from(buffer.as_slice())));
            kept.push(buffer.clone());
            continue;
        }
        copied |= matches!(buffer, Buffer::Plain(_));
        let there = buffer.shared().map_err(|error| failed(&error))?;
        kept.push(Buffer::Shared(Arc::clone(&there)));
        shared.push(there);
        buffers.push(None);
    }
    let carried = Carried { head: ByteBuf::from(&value.head[..]), buffers };
    let bytes = postcard::to_stdvec(&carried).map_err(|error| failed(&error))?;
    let kept = copied.then(|| Packed { head: value.head.clone(), buffers: kept });
    Ok((Encoded::new(bytes, shared), kept))
}

fn arrived(encoded: Encoded) -> PyResult<Packed> {
    let failed = |reason: String| PyValueError::new_err(format!("a value for a task can't be read: {reason}"));
    let carried: Carried = postcard::from_bytes(&encoded.bytes).map_err(|error| failed(error.to_string()))?;
    let mut shared = encoded.buffers.into_iter();
    let mut buffers = Vec::with_capacity(carried.buffers.len());
    for own in carried.buffers {
        buffers.push(match own {
            Some(bytes) => Buffer::Plain(Bytes::from(bytes.into_vec())),
            None => Buffer::Shared(shared.next().ok_or_else(|| failed("a buffer is missing".to_owned()))?),
        });
    }
    Ok(Packed { head: Bytes::from(carried.head.into_vec()), buffers })
}

/// What a task raised, with words for whom it can't be shown to.
#[derive(Serialize, Deserialize)]
struct RaisedCode {
    message: String,
    encoded: ByteBuf,
    again: bool,
}

/// An exception as clients take it.
pub fn raised(py: Python<'_>, error: &PyErr) -> Raised {
    let kind = error.get_type(py).name().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    let words = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
    let pickled = |pair: &Bound<'_, PyAny>| dumps(pair).map(|bytes| bytes.as_bytes().to_vec());
    let encoded = failure_of(py, error, pickled, |bytes: &Vec<u8>| loads(py, bytes)).unwrap_or_default();
    Raised { message: format!("{kind}: {words}"), encoded: encoded.into(), again: asks_again(py, error) }
}

/// Is it raskr's `Reschedule`? Where that was never imported nobody can raise it.
fn asks_again(py: Python<'_>, error: &PyErr) -> bool {
    let look = || -> PyResult<bool> {
        let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
        match modules.cast::<PyDict>()?.get_item(intern!(py, "raskr.distributed.exceptions"))? {
            Some(module) => error.value(py).is_instance(&module.getattr(intern!(py, "Reschedule"))?),
            None => Ok(false),
        }
    };
    look().unwrap_or(false)
}

/// What a child raised.
pub fn raised_there(encoded: &Encoded) -> Raised {
    match postcard::from_bytes::<RaisedCode>(&encoded.bytes) {
        Ok(code) => Raised { message: code.message, encoded: code.encoded.into_vec().into(), again: code.again },
        Err(_) => {
            let message = "an exception that can't be read".to_owned();
            Raised { message, encoded: Vec::new().into(), again: false }
        }
    }
}

/// Calls the function of a task; the result is packed.
pub fn run(
    py: Python<'_>,
    function: Option<Arc<Function>>,
    arguments: Option<&[u8]>,
    mut inputs: Vec<Value>,
) -> PyResult<Packed> {
    let arguments = arguments.ok_or_else(|| PyValueError::new_err("a task came without arguments"))?;
    let call = task::decode(py, function, &CallArguments::decoded(arguments)?)?;
    let cancelled = AtomicBool::new(false);
    let context = TaskContext { index: 0, cancelled: &cancelled, memory_limit: None };
    let value = call.run(&context, &mut inputs).map_err(|error| to_python(py, error))?;
    let object = to_object(py, &value)?;
    drop(value);
    pack_object(py, &object).map_err(|error| explained(&object, error, Some(format!("{}: the result", call.name()))))
}

/// What a worker's child knows of tasks, several of which may run at a time.
#[derive(Default)]
pub struct ChildTasks {
    functions: Mutex<HashMap<u64, Option<Arc<Function>>>>,
}

impl ChildTasks {
    pub fn forget(&self, id: u64) {
        // What goes with it may run code of Python's, while nothing is locked.
        let forgotten = self.functions.lock().remove(&id);
        drop(forgotten);
    }

    /// Runs a task; `body` gives the code that was sent under an id.
    pub fn call(
        &self,
        body: impl Fn(u64) -> Option<Encoded>,
        call: &[u8],
        inputs: Vec<Encoded>,
    ) -> Result<Encoded, Encoded> {
        let called = attach_for_good(|py| {
            let packed = self.run(py, body, call, inputs);
            packed.map_err(|error| {
                let Raised { message, encoded, again } = raised(py, &error);
                let code = RaisedCode { message, encoded: ByteBuf::from(&encoded.0[..]), again };
                Encoded::new(postcard::to_stdvec(&code).unwrap_or_default(), Vec::new())
            })
        })?;
        let shared = called.buffers.iter().filter_map(|buffer| buffer.shared().ok()).collect();
        Ok(Encoded::new(called.head.to_vec(), shared))
    }

    fn run(
        &self,
        py: Python<'_>,
        body: impl Fn(u64) -> Option<Encoded>,
        call: &[u8],
        inputs: Vec<Encoded>,
    ) -> PyResult<Packed> {
        let call: ChildCall<'_> = postcard::from_bytes(call)
            .map_err(|error| PyValueError::new_err(format!("a task can't be decoded: {error}")))?;
        let task = Current { key: call.key.to_owned(), worker: Arc::clone(worker_address()), told: None };
        let _current = Entered::new(task);
        let known = self.functions.lock().get(&call.body).cloned();
        let function = match known {
            Some(function) => function,
            None => {
                let unknown = || PyRuntimeError::new_err("a task refers to code that its process was not sent");
                let function = BodyCode::decoded(&body(call.body).ok_or_else(unknown)?.bytes)?.function(py)?;
                let before = self.functions.lock().insert(call.body, function.clone());
                drop(before);
                function
            }
        };
        let mut values = Vec::with_capacity(inputs.len());
        for input in inputs {
            values.push(input_value(py, &arrived(input)?, true)?);
        }
        run(py, function, call.arguments.map(|bytes| &**bytes), values)
    }
}

/// Of the worker whose child this process is.
fn worker_address() -> &'static Arc<str> {
    static ADDRESS: std::sync::OnceLock<Arc<str>> = std::sync::OnceLock::new();
    ADDRESS.get_or_init(|| std::env::var(super::runner::ADDRESS_VARIABLE).unwrap_or_default().into())
}

/// A task that runs on this thread.
pub struct Current {
    pub key: String,
    pub worker: Arc<str>,
    /// Whom to tell that it needs no thread, where that is not the parent of a child.
    pub told: Option<Away>,
}

pub type Away = Arc<dyn Fn(bool) + Send + Sync>;

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// The time during which a task runs.
pub struct Entered(Option<Current>);

impl Entered {
    pub fn new(task: Current) -> Entered {
        Entered(CURRENT.replace(Some(task)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.replace(self.0.take());
    }
}

/// The task that runs on this thread: its key and its worker's address.
#[pyfunction]
pub fn current_task<'py>(py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
    CURRENT.with_borrow(|current| {
        current
            .as_ref()
            .map(|task| {
                let about = PyDict::new(py);
                about.set_item("key", &task.key)?;
                about.set_item("worker", &*task.worker)?;
                Ok(about)
            })
            .transpose()
    })
}

/// Has the worker run other tasks while this one waits.
#[pyfunction]
pub fn secede(py: Python<'_>) -> PyResult<()> {
    go(py, true)
}

/// The task that seceded goes on.
#[pyfunction]
pub fn rejoin(py: Python<'_>) -> PyResult<()> {
    go(py, false)
}

fn go(py: Python<'_>, away: bool) -> PyResult<()> {
    let none = || PyValueError::new_err("no task of a worker runs on this thread: only tasks secede and rejoin");
    let told = CURRENT.with_borrow(|current| current.as_ref().map(|task| task.told.clone())).ok_or_else(none)?;
    py.detach(|| match told {
        Some(told) => told(away),
        None => {
            pool::tell_away(away);
        }
    });
    Ok(())
}
