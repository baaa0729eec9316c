//! Futures as Python holds them, and as inputs of calls.

use std::any::Any;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
use raskr_base::{ErrorClass, Op, OpKind, TaskContext, TaskError, Value};
use raskr_cluster::{Client, FutureState};
use raskr_graph::{Call, Input};
use raskr_sched::FutureId;

use super::client::ClusterClient;
use super::failure;
use super::values::unpack_value;
use crate::dictgraph::plan_of;
use crate::error::from_python;
use crate::node::Node;

/// How often a call that waits looks whether it should stop.
const POLL: Duration = Duration::from_millis(50);

/// Futures that are held together with another one.
pub type Holds = Option<Arc<Vec<Arc<Handle>>>>;

/// A future's share in its client: released when it is dropped.
pub struct Handle {
    client: Arc<Client>,
    future: FutureId,
}

impl Handle {
    /// Takes over a handle that the client gave.
    pub fn new(client: Arc<Client>, future: FutureId) -> Arc<Handle> {
        Arc::new(Handle { client, future })
    }

    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub fn future(&self) -> FutureId {
        self.future
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.client.release(&[self.future]);
    }
}

thread_local! {
    static PICKLED: RefCell<Option<Vec<Arc<Handle>>>> = const { RefCell::new(None) };
}

/// The time during which the futures under lazy values that are pickled on this thread are collected: what is pickled knows
/// them by their keys alone, and is of use as long as somebody holds them.
pub struct Pickling(Option<Vec<Arc<Handle>>>);

impl Pickling {
    pub fn new() -> Pickling {
        Pickling(PICKLED.replace(Some(Vec::new())))
    }

    /// Those that were pickled since it began, or was asked last.
    pub fn taken(&self) -> Vec<Arc<Handle>> {
        PICKLED.with_borrow_mut(|collected| collected.as_mut().map(std::mem::take).unwrap_or_default())
    }
}

impl Drop for Pickling {
    fn drop(&mut self) {
        // What was collected is let go of after its place: that may end with a word to a scheduler.
        let collected = PICKLED.replace(self.0.take());
        drop(collected);
    }
}

/// The value of a future as an input of calls: on the future's own cluster it is there already, elsewhere it is fetched.
pub struct RemoteValue {
    handle: Arc<Handle>,
    key: Arc<str>,
    /// Of futures that Python holds.
    owner: Option<Py<ClusterClient>>,
    lasting: Holds,
}

impl RemoteValue {
    pub fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The value of a future as an input of calls.
    pub fn input(handle: Arc<Handle>, key: Arc<str>, owner: Option<Py<ClusterClient>>, lasting: Holds) -> Input {
        let text = key.to_string();
        let call = Call::new(Arc::new(RemoteValue { handle, key, owner, lasting }), Vec::new(), None);
        call.key_or_init(|| text);
        Input::Call(call)
    }

    /// A future that stands for it, where Python holds some.
    fn future(&self, py: Python<'_>) -> PyResult<Option<Py<ClusterFuture>>> {
        let Some(owner) = &self.owner else { return Ok(None) };
        self.handle.client.share(self.handle.future);
        let copy = Handle::new(Arc::clone(&self.handle.client), self.handle.future);
        let future = ClusterFuture::new(owner.clone_ref(py), copy, Arc::clone(&self.key));
        Py::new(py, future.holding(self.lasting.clone(), self.lasting.clone())).map(Some)
    }

    /// The same for a lazy value that is being pickled; whoever collects such futures on this thread holds it.
    pub fn pickled(&self, py: Python<'_>) -> PyResult<Option<Py<ClusterFuture>>> {
        PICKLED.with_borrow_mut(|collected| {
            if let Some(collected) = collected {
                collected.push(Arc::clone(&self.handle));
            }
        });
        self.future(py)
    }

    /// What an operation stands for, if it is the value of a future.
    pub fn of(op: &dyn Op) -> Option<&RemoteValue> {
        op.as_any()?.downcast_ref()
    }
}

impl Op for RemoteValue {
    fn name(&self) -> &str {
        "future"
    }

    fn run(&self, context: &TaskContext<'_>, _inputs: &mut Vec<Value>) -> Result<Value, TaskError> {
        let mut gathering = self.handle.client.gather(vec![self.handle.future], true);
        loop {
            if let Some(values) = gathering.wait(POLL) {
                return match values.into_iter().next() {
                    Some(Ok(fetched)) => unpack_value(&fetched.value),
                    Some(Err(missing)) => {
                        Err(Python::attach(|py| from_python(py, failure::of_missing(py, &self.key, &missing))))
                    }
                    None => Err(TaskError::internal("a future was fetched and nothing came")),
                };
            }
            if context.cancelled.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(TaskError::new(
                    ErrorClass::Cancelled,
                    format!("'{}' is not waited for any more", self.key),
                ));
            }
        }
    }

    fn kind(&self) -> OpKind {
        OpKind::Native
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// A value that a cluster has or is to have. Its methods that are written in Python are put on by
/// `raskr.distributed.future`.
#[pyclass(subclass, frozen, module = "raskr.distributed.client", weakref, name = "Future")]
pub struct ClusterFuture {
    /// Until it is released.
    handle: Mutex<Arc<Handle>>,
    text: Arc<str>,
    /// The key as it was given, unless it is the text.
    key: Option<Py<PyAny>>,
    owner: Py<ClusterClient>,
    /// Data of arguments that its task may need again.
    holds: Holds,
    /// The part of it that the client would send again: lazy values that stand on the future hold this alone, since the rest
    /// would be on workers twice, and is lost with them anyway.
    lasting: Holds,
    input: OnceLock<Input>,
}

impl ClusterFuture {
    pub fn new(owner: Py<ClusterClient>, handle: Arc<Handle>, text: Arc<str>) -> ClusterFuture {
        ClusterFuture {
            handle: Mutex::new(handle),
            text,
            key: None,
            owner,
            holds: None,
            lasting: None,
            input: OnceLock::new(),
        }
    }

    pub fn with_key(mut self, key: Option<Py<PyAny>>) -> ClusterFuture {
        self.key = key;
        self
    }

    pub fn holding(mut self, holds: Holds, lasting: Holds) -> ClusterFuture {
        (self.holds, self.lasting) = (holds, lasting);
        self
    }

    pub fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle.lock())
    }

    fn state(&self) -> FutureState {
        let handle = self.handle();
        handle.client.state(handle.future)
    }

    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The future's value as an input of calls.
    pub fn input(&self, py: Python<'_>) -> Input {
        let make = || {
            let owner = Some(self.owner.clone_ref(py));
            RemoteValue::input(self.handle(), Arc::clone(&self.text), owner, self.lasting.clone())
        };
        self.input.get_or_init(make).clone()
    }
}

#[pymethods]
impl ClusterFuture {
    /// One more future of the same value, or one of a key that the scheduler knows.
    #[new]
    #[pyo3(signature = (key, client=None))]
    fn again(key: &Bound<'_, PyAny>, client: Option<&Bound<'_, PyAny>>) -> PyResult<ClusterFuture> {
        let py = key.py();
        let known = match key.cast::<ClusterFuture>() {
            Ok(future) => future.clone(),
            Err(_) => {
                let module = py.import(intern!(py, "raskr.distributed.future"))?;
                module.getattr(intern!(py, "adopted"))?.call1((key, client))?.cast_into::<ClusterFuture>()?
            }
        };
        let this = known.get();
        let handle = this.handle();
        handle.client.share(handle.future);
        let copy = Handle::new(Arc::clone(&handle.client), handle.future);
        let future = ClusterFuture::new(this.owner.clone_ref(py), copy, Arc::clone(&this.text));
        Ok(future
            .with_key(this.key.as_ref().map(|key| key.clone_ref(py)))
            .holding(this.holds.clone(), this.lasting.clone()))
    }

    /// Has the cluster know that the value is not needed here any more.
    fn release(&self) {
        let gone = Handle::new(Arc::clone(&self.handle().client), FutureId::default());
        let released = std::mem::replace(&mut *self.handle.lock(), gone);
        drop(released);
    }

    #[getter]
    fn key(&self, py: Python<'_>) -> Py<PyAny> {
        match &self.key {
            Some(key) => key.clone_ref(py),
            None => PyString::new(py, &self.text).into_any().unbind(),
        }
    }

    /// The key as the scheduler knows it.
    #[getter]
    fn _text(&self) -> &str {
        &self.text
    }

    /// By which listeners name it.
    #[getter]
    fn _number(&self) -> u64 {
        self.handle().future.0
    }

    #[getter]
    fn _native(&self, py: Python<'_>) -> Py<ClusterClient> {
        self.owner.clone_ref(py)
    }

    /// `pending`, `finished`, `error`, `cancelled` or `lost`.
    #[getter]
    fn _status(&self) -> &'static str {
        status_of(&self.state())
    }

    /// Whether anything is known of the value, if only that there is none.
    fn done(&self) -> bool {
        self.state().is_done()
    }

    /// Whether it was given up.
    fn cancelled(&self) -> bool {
        matches!(self.state(), FutureState::Cancelled(_) | FutureState::Lost(_))
    }

    /// The exception that `result` would raise now; None without one.
    fn _exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        failure::of_state(py, &self.text, &self.state()).map(|error| error.into_value(py).into_any())
    }

    /// Whether `_exception` is the task's own.
    fn _failed(&self) -> bool {
        matches!(self.state(), FutureState::Failed(_))
    }

    /// The pickled pair of what the task raised and the text of its traceback.
    fn _raised<'py>(&self, py: Python<'py>) -> Option<Bound<'py, pyo3::types::PyBytes>> {
        failure::raised_of(py, &self.state())
    }

    /// The engine's node of the value.
    #[getter]
    fn _node(&self, py: Python<'_>) -> Node {
        Node::of_input(self.input(py))
    }
}

/// Futures of the values that nodes stand on.
#[pyfunction]
pub fn futures_under(py: Python<'_>, items: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<Py<ClusterFuture>>> {
    let plan = plan_of(py, &items)?;
    let mut found = Vec::new();
    for id in 0..plan.len() as u32 {
        if let Some(value) = RemoteValue::of(plan.op(id).as_ref()) {
            found.extend(value.future(py)?);
        }
    }
    Ok(found)
}

pub fn status_of(state: &FutureState) -> &'static str {
    match state {
        FutureState::Pending => "pending",
        FutureState::Finished { .. } => "finished",
        FutureState::Failed(_) => "error",
        FutureState::Cancelled(_) => "cancelled",
        FutureState::Lost(_) => "lost",
    }
}
