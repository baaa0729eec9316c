//! `Monitor`: tells a Python object of what happens in a run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use raskr_base::{TaskError, Value};
use raskr_exec::{Listener, RunError, TaskEvent};
use raskr_graph::Plan;

use crate::call::Known;
use crate::error::from_python;
use crate::object::to_object;

/// Calls `run_started(keys, known keys)`, `task_started(key, worker, at)`, `task_finished(key, worker, at, took, bytes, value)`,
/// `task_failed(key, worker)` and `run_finished(failed)` of a Python object; times are seconds since the run started.
pub struct Monitor {
    object: Py<PyAny>,
    begun: Instant,
    /// The first exception that one of its methods raised.
    failure: Mutex<Option<TaskError>>,
}

impl Monitor {
    pub fn new(object: Py<PyAny>) -> Arc<Monitor> {
        Arc::new(Monitor { object, begun: Instant::now(), failure: Mutex::new(None) })
    }

    pub fn take_failure(&self) -> Option<TaskError> {
        self.failure.lock().take()
    }

    pub fn has_failed(&self) -> bool {
        self.failure.lock().is_some()
    }

    fn tell(&self, what: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()>) {
        if self.has_failed() {
            return;
        }
        Python::attach(|py| {
            if let Err(error) = what(self.object.bind(py)) {
                let error = from_python(py, error);
                let mut first = self.failure.lock();
                if first.is_none() {
                    *first = Some(error);
                }
                // Else dropped after the lock: dropping an exception may run Python.
            }
        });
    }

    /// Values that were known before are no work.
    fn is_work(plan: &Plan, task: u32) -> bool {
        !plan.op(task).as_any().is_some_and(|op| op.is::<Known>())
    }

    fn since_start(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.begun).as_secs_f64()
    }
}

impl Listener for Monitor {
    fn run_started(&self, _run: u64, plan: &Plan) {
        let (work, known): (Vec<u32>, Vec<u32>) =
            (0..plan.len() as u32).partition(|&task| Monitor::is_work(plan, task));
        let keys = |tasks: Vec<u32>| tasks.into_iter().map(|task| plan.key(task)).collect::<Vec<_>>();
        let (work, known) = (keys(work), keys(known));
        self.tell(|object| object.call_method1(intern!(object.py(), "run_started"), (work, known)).map(drop));
    }

    fn task_started(&self, event: &TaskEvent<'_>) {
        if !Monitor::is_work(event.plan, event.task) {
            return;
        }
        let (key, at) = (event.plan.key(event.task), self.since_start(event.at));
        self.tell(|object| {
            object.call_method1(intern!(object.py(), "task_started"), (key, event.worker, at)).map(drop)
        });
    }

    fn task_finished(&self, event: &TaskEvent<'_>, took: Duration, bytes: u64, value: &Value) {
        if !Monitor::is_work(event.plan, event.task) {
            return;
        }
        let (key, at) = (event.plan.key(event.task), self.since_start(event.at));
        self.tell(|object| {
            let value = to_object(object.py(), value)?;
            let name = intern!(object.py(), "task_finished");
            object.call_method1(name, (key, event.worker, at, took.as_secs_f64(), bytes, value)).map(drop)
        });
    }

    fn task_failed(&self, event: &TaskEvent<'_>, _took: Duration, _error: &TaskError) {
        let key = event.plan.key(event.task);
        self.tell(|object| object.call_method1(intern!(object.py(), "task_failed"), (key, event.worker)).map(drop));
    }

    fn run_finished(&self, _run: u64, _plan: &Plan, error: Option<&RunError>) {
        let failed = error.is_some();
        self.tell(|object| object.call_method1(intern!(object.py(), "run_finished"), (failed,)).map(drop));
    }
}
