//! `WorkerHandle`: a worker of this process, as Python starts, waits for and ends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use raskr_base::TaskError;
use raskr_cluster::{End, WorkerServer};

use super::runner::PyRunner;
use super::worker_options::worker_options;
use crate::enter::enter;
use crate::error::to_python;

/// How often a call that waits looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(100);

/// A worker that runs in this process; it ends when nobody holds it any more.
#[pyclass(frozen, module = "raskr._core")]
pub struct WorkerHandle {
    server: Option<Arc<WorkerServer>>,
    /// What it ended with, once that was asked for.
    end: Mutex<Option<String>>,
}

/// Starts a worker and waits until its scheduler has taken it in; see the type stub.
#[pyfunction]
pub fn start_worker(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<WorkerHandle> {
    let (settings, runner) = worker_options(py, options)?;
    let runner = Arc::new(PyRunner::new(runner));
    let server = enter(py, || WorkerServer::start(settings, runner).map_err(TaskError::from))?;
    let handle = WorkerHandle { server: Some(Arc::new(server)), end: Mutex::default() };
    loop {
        let (ended, registered) = {
            let server = handle.server()?;
            enter(py, || Ok(server.wait_registered(POLL)))?
        };
        match ended {
            Some(End::Failed(error)) => return Err(to_python(py, error)),
            Some(end) => {
                let message = format!("the worker ended before it was registered: it was {}", words(&end));
                return Err(PyRuntimeError::new_err(message));
            }
            None if registered => return Ok(handle),
            None => py.check_signals()?,
        }
    }
}

fn words(end: &End) -> String {
    match end {
        End::Closed => "closed".to_owned(),
        End::Left => "left".to_owned(),
        End::Stopped => "stopped".to_owned(),
        End::Failed(error) => error.to_string(),
    }
}

impl WorkerHandle {
    fn server(&self) -> PyResult<&Arc<WorkerServer>> {
        self.server.as_ref().ok_or_else(|| PyRuntimeError::new_err("the worker's handle was dropped"))
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // Ending takes a while, in which whoever drops this may hold the interpreter that tasks need to end.
        if let Some(server) = self.server.take() {
            std::thread::spawn(move || drop(server));
        }
    }
}

#[pymethods]
impl WorkerHandle {
    #[getter]
    fn name(&self) -> PyResult<String> {
        Ok(self.server()?.name().to_string())
    }

    #[getter]
    fn address(&self) -> PyResult<String> {
        Ok(self.server()?.address().to_string())
    }

    /// How it ended; None when it has not within the time.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<String>> {
        let within = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        let deadline = within.and_then(|within| Instant::now().checked_add(within));
        loop {
            if let Some(end) = self.end.lock().clone() {
                return Ok(Some(end));
            }
            let left = deadline.map_or(POLL, |deadline| deadline.saturating_duration_since(Instant::now()).min(POLL));
            let server = self.server()?;
            if let Some(end) = enter(py, || Ok(server.wait(left)))? {
                *self.end.lock() = Some(words(&end));
                continue;
            }
            py.check_signals()?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
        }
    }

    /// Has it end once its values are elsewhere.
    fn leave(&self) -> PyResult<()> {
        self.server()?.leave();
        Ok(())
    }

    /// Has it end at once.
    fn close(&self) -> PyResult<()> {
        self.server()?.close();
        Ok(())
    }
}
